/* SPDX-License-Identifier: Apache-2.0
 * ask.js - the panel that asks the running graph and takes what readers say of its answers. It is shown if a source of the graph leads
 * to a `sink-reply`. Whatever comes from elsewhere becomes text, never markup. */
"use strict";

const panel = { path: null, reviews: null, remembers: false, embeds: new Set(), asked: [], stop: null, resuming: null };
const TALKS_SHOWN = 20;

/* ---- what the graph can be asked ---- */

function leadsTo(graph, from, op) {
  const met = new Set([from]);
  for (const name of met) for (const link of graph.links) if (link.from === name) met.add(link.to);
  return graph.nodes.some((node) => node.op === op && met.has(node.name));
}

/* The routes of the sources that take questions and reviews; one that is the only of its kind needs no name. */
function routesOf(graph) {
  const sources = graph.nodes.filter((node) => node.op === "source" && node.from === "http");
  const asked = sources.filter((node) => leadsTo(graph, node.name, "sink-reply"));
  const reviewed = sources.filter((node) => node.outputs[0]?.schema === "review");
  const route = (path, found) => (found.length > 1 ? path + "/" + encodeURIComponent(found[0].name) : path);
  return { path: asked.length ? route("v1/query", asked) : null, reviews: reviewed.length ? route("v1/reviews", reviewed) : null };
}

const EXAMPLES = [["healthcare", "Which conditions are rising?"], ["finance", "Explain the unusual transactions."]];

function showExamples(graph) {
  const schemas = new Set(graph.nodes.flatMap((node) => node.outputs.map((output) => output.schema)));
  const fitting = EXAMPLES.filter(([schema]) => schemas.has(schema));
  byId("examples").replaceChildren(...fitting.map(([, question]) => {
    const button = html("button", "example", question);
    button.type = "button";
    button.onclick = () => { void begin(question); };
    return button;
  }));
}

document.addEventListener("graph", ({ detail: graph }) => {
  Object.assign(panel, routesOf(graph));
  panel.embeds = new Set(graph.nodes.filter((node) => node.op === "embed").map((node) => node.name));
  panel.remembers = graph.nodes.some((node) => node.op === "conversation");
  byId("questions").hidden = !panel.path;
  showExamples(graph);
  byId("conversation").hidden = !panel.remembers;
  if (panel.remembers && conversation.get() && !byId("talks").children.length) panel.resuming ??= resume();
});

document.addEventListener("stats", ({ detail: stats }) => {
  const models = stats.nodes.filter((node) => panel.embeds.has(node.name) && node.figures?.model !== undefined);
  byId("lexical").hidden = !models.some((node) => node.figures.model === 0);
  const { good = 0, bad = 0 } = stats.reviews ?? {};
  byId("judged").textContent = good + bad ? `Readers found ${good} good, ${bad} bad: ${Math.round((good / (good + bad)) * 100)} % good` : "";
});

/* ---- asking ---- */

class Problem extends Error {}

async function send(method, path, options = {}) {
  const headers = { ...options.headers };
  if (token.get()) headers.Authorization = "Bearer " + token.get();
  const answer = await fetch(path, { ...options, method, headers, cache: "no-store" });
  if (answer.ok) return answer;
  const problem = await answer.json().catch(() => ({}));
  const error = new Problem(typeof problem.detail === "string" ? problem.detail : "The server answers " + answer.status + ".");
  error.status = answer.status;
  throw error;
}
const post = (path, body, accept, signal) =>
  send("POST", path, { headers: { "Content-Type": "application/json", Accept: accept }, body: JSON.stringify(body), signal });

/* ---- the conversation, which the server keeps and this tab has the id of ---- */

const conversation = {
  get: () => sessionStorage.getItem("datavault-conversation"),
  set: (id) => sessionStorage.setItem("datavault-conversation", id),
  drop: () => sessionStorage.removeItem("datavault-conversation"),
  path: () => "v1/conversations/" + encodeURIComponent(conversation.get()),
};

/* The id to ask in; null if nothing is to be remembered, or there is no room for it: then a question stands for itself. */
async function converse() {
  if (!panel.remembers) return null;
  if (!conversation.get()) {
    try {
      const made = await (await send("POST", "v1/conversations")).json();
      conversation.set(made.id);
    } catch (error) {
      if (error instanceof Problem) return null;
      throw error;
    }
  }
  return conversation.get();
}

/* What was said before, when the page is loaded again. */
async function resume() {
  const id = conversation.get();
  try {
    const { turns } = await (await send("GET", conversation.path())).json();
    if (conversation.get() !== id) return; /* another has begun meanwhile */
    for (const turn of turns) {
      const talk = drawTalk(String(turn.question ?? ""));
      for (const row of turn.sentences ?? []) saySentence(talk, row);
      talk.box.dataset.status = String(turn.status);
      talk.box.setAttribute("aria-busy", "false");
      if (!turn.sentences?.length) withdraw(talk, turn.status ? "There was no answer: " + turn.status + "." : "No answer has come yet.", "");
      panel.asked.push(String(turn.question ?? ""));
    }
  } catch (error) {
    if (error.status === 404 && conversation.get() === id) conversation.drop();
  } finally {
    panel.resuming = null;
  }
}

function beginAnew() {
  conversation.drop();
  byId("talks").replaceChildren();
  byId("told").textContent = "";
  byId("question").focus();
}

async function erase() {
  try {
    if (conversation.get()) await send("DELETE", conversation.path());
    beginAnew();
    byId("told").textContent = "Erased.";
  } catch (error) {
    if (error.status === 404) beginAnew();
    else byId("told").textContent = error instanceof Problem ? error.message : "The server cannot be reached.";
  }
}

/* Gives each sentence to `say` as it comes; the end is the answer. */
async function query(question, signal, say) {
  const id = await converse();
  const answer = await post(panel.path, id ? { question, conversation: id } : { question }, "text/event-stream", signal).catch((error) => {
    if (!id || error.status !== 404) throw error;
    conversation.drop(); /* it has lapsed */
    return post(panel.path, { question }, "text/event-stream", signal);
  });
  const reader = answer.body.pipeThrough(new TextDecoderStream()).getReader();
  let end = null;
  const parse = makeParser((name, text) => {
    const row = JSON.parse(text);
    if (name === "sentence") say(row);
    if (name === "end") end = row;
  });
  for (let rest = ""; !end;) {
    const { value, done } = await reader.read();
    if (done) throw new Problem("The answer broke off before its end, so nothing of it is shown.");
    rest = takeLines(rest + value, parse);
  }
  return end;
}

const REASONS = {
  "nothing that was found answers what was asked": "Something was found, but nothing that answers this. Ask in other words, or again when more has been counted.",
  "no record is close enough to the question": "Nothing that is kept is close enough to the question. Ask in other words, or again when more has been counted.",
  "what was found is about too few people": "What was found is about too few people to be told.",
  "the question holds what looks like personal data": "The question holds what looks like personal data. Ask without it.",
  "nothing of what was written is borne out by the evidence": "An answer was written, but the records do not bear it out.",
};
const inWords = (reason) => REASONS[reason] ?? (reason ? reason[0].toUpperCase() + reason.slice(1) + "." : "");
const plural = (count, one, many) => number(count) + " " + (count === 1 ? one : many);

async function begin(question) {
  if (panel.stop || !question.trim()) return;
  panel.stop = new AbortController();
  await panel.resuming;
  panel.asked.push(question);
  const talk = drawTalk(question);
  byId("question-form").dataset.busy = "yes";
  byId("ask-it").textContent = "Stop";
  try {
    conclude(talk, await query(question, panel.stop.signal, (row) => saySentence(talk, row)));
  } catch (error) {
    const why = error instanceof Problem ? error.message : error.name === "AbortError" ? "Stopped." : "The server cannot be reached.";
    withdraw(talk, why, "");
  }
  talk.box.setAttribute("aria-busy", "false");
  delete byId("question-form").dataset.busy;
  byId("ask-it").textContent = "Ask";
  panel.stop = null;
}

/* ---- one question and its answer ---- */

function drawTalk(question) {
  const talk = { box: html("li", "talk"), answer: html("p", "answer"), sources: html("div", "sources") };
  talk.box.setAttribute("aria-busy", "true");
  talk.box.append(html("h3", "", question), talk.answer, talk.sources);
  talk.box.dataset.status = "open";
  byId("talks").prepend(talk.box);
  while (byId("talks").children.length > TALKS_SHOWN) byId("talks").lastElementChild.remove();
  return talk;
}

/* A sentence with its citations as buttons where its numbers in brackets stood, behind the mark that ends it. */
function saySentence(talk, row) {
  const text = String(row.text ?? "");
  const cited = new Map((Array.isArray(row.citations) ? row.citations : []).map((citation) => [citation.n, citation]));
  const sentence = html("span", "sentence");
  let from = 0;
  for (const match of text.matchAll(/\s*\[(\d+(?:,\s*\d+)*)\]([.!?]?)/g)) {
    const numbers = match[1].split(",").map(Number);
    if (!numbers.every((n) => cited.has(n))) continue;
    sentence.append(text.slice(from, match.index) + match[2], ...numbers.map((n) => drawChip(talk, cited.get(n))));
    from = match.index + match[0].length;
  }
  sentence.append(text.slice(from) + " ");
  talk.answer.append(sentence);
}

/* A day is one as it is told: no zone is known that it would be of. */
function when(at) {
  if (/^\d{4}-\d{2}-\d{2}$/.test(at)) return at;
  const time = new Date(at ?? NaN);
  return Number.isNaN(time.getTime()) ? null : time.toLocaleString();
}

function drawChip(talk, citation) {
  const chip = html("button", "chip", String(citation.n));
  chip.type = "button";
  chip.setAttribute("aria-label", "Source " + citation.n);
  chip.setAttribute("aria-expanded", "false");
  chip.onclick = () => {
    const open = chip.getAttribute("aria-expanded") === "true";
    talk.box.querySelectorAll(".chip").forEach((other) => other.setAttribute("aria-expanded", "false"));
    talk.sources.replaceChildren(...(open ? [] : [drawSource(citation)]));
    chip.setAttribute("aria-expanded", String(!open));
  };
  return chip;
}

function drawSource(citation) {
  const list = html("dl", "source");
  const rows = [["source", citation.n], ["id", citation.id], ["SHA-256", citation.hash], ["of", citation.schema], ["when", when(citation.at)]];
  for (const [name, value] of rows) if (value !== undefined && value !== null) list.append(html("dt", "", name), html("dd", "", String(value)));
  return list;
}

/* What was said so far does not stand. */
function withdraw(talk, text, reason) {
  talk.box.dataset.status = "refused";
  talk.answer.replaceChildren(html("span", "refusal", text));
  talk.sources.replaceChildren();
  if (reason) talk.box.append(html("p", "note", reason));
}

function conclude(talk, end) {
  const stands = end.status === "answered" || end.status === "partial";
  talk.box.dataset.status = String(end.status);
  if (!stands) withdraw(talk, String(end.text ?? "No answer could be made."), inWords(end.reason));
  else talk.box.append(html("p", "note", [
    `From ${plural(end.records ?? 0, "record", "records")}, about at least ${plural(end.people ?? 0, "person", "people")}.`,
    end.dropped ? plural(end.dropped, "sentence was", "sentences were") + " left out: the records do not bear them out." : end.reason && inWords(end.reason),
    end.lexical && "Found by its words alone.",
  ].filter(Boolean).join(" ")));
  if (panel.reviews && end.id) talk.box.append(drawVerdict(end.id));
}

/* ---- what a reader says of it ---- */

function drawVerdict(id) {
  const box = html("form", "verdict");
  const said = html("p", "note");
  const reason = html("input");
  reason.placeholder = "Why? (optional)";
  reason.setAttribute("aria-label", "Why, if you like; it is redacted and sealed");
  reason.maxLength = 1000;
  const more = html("div", "reason");
  const send = html("button", "", "Send");
  send.type = "submit";
  more.append(reason, send);
  more.hidden = true;
  const buttons = ["good", "bad"].map((verdict) => {
    const button = html("button", "judge", verdict === "good" ? "Good" : "Bad");
    button.type = "button";
    button.setAttribute("aria-pressed", "false");
    button.onclick = () => {
      buttons.forEach((other) => other.setAttribute("aria-pressed", String(other === button)));
      box.dataset.verdict = verdict;
      more.hidden = false;
      reason.focus();
    };
    return button;
  });
  said.setAttribute("role", "status");
  box.setAttribute("aria-label", "Was this answer good?");
  box.append(...buttons, more, said);
  box.onsubmit = (event) => {
    event.preventDefault();
    void judge(box, { answer: id, verdict: box.dataset.verdict, ...(reason.value.trim() && { reason: reason.value.trim() }) }, said);
  };
  return box;
}

async function judge(box, review, said) {
  said.textContent = "";
  try {
    const answer = await post(panel.reviews, review, "application/json");
    const kept = await answer.json();
    said.textContent = answer.status === 201 ? `Kept as ${kept.verdict}. Thank you.` : `You found it ${kept.verdict} before, and that stands.`;
    box.replaceChildren(said);
  } catch (error) {
    said.textContent = error instanceof Problem ? error.message : "The server cannot be reached: send it again.";
  }
}

/* ---- the keyboard ---- */

byId("anew").onclick = beginAnew;
byId("erase").onclick = () => void erase();

byId("question-form").onsubmit = (event) => {
  event.preventDefault();
  if (panel.stop) { panel.stop.abort(); return; }
  const field = byId("question");
  void begin(field.value);
  field.value = "";
};

/* Enter asks, Shift and Enter begins a line, and the arrow up in an empty field brings the last question back. */
byId("question").onkeydown = (event) => {
  if (event.key === "Enter" && !event.shiftKey && !event.isComposing) {
    event.preventDefault();
    if (!panel.stop) byId("question-form").requestSubmit();
  } else if (event.key === "ArrowUp" && event.target.value === "" && panel.asked.length) {
    event.preventDefault();
    event.target.value = panel.asked.at(-1);
  }
};
