/* SPDX-License-Identifier: Apache-2.0
 * app.js - the live page: asks /v1/graph once, then follows /v1/events. It knows nothing but these routes,
 * and tells ask.js by the events `graph` and `stats`. */
"use strict";

const byId = (id) => document.getElementById(id);
const state = { graph: null, last: null, rates: [], lastId: null, retry: 2000, trends: new Map(), marks: new Map(), rows: new Map() };

/* ---- asking, with the token if there is one ---- */

class Unauthorized extends Error {}

const token = {
  get: () => sessionStorage.getItem("datavault-token"),
  set: (value) => sessionStorage.setItem("datavault-token", value),
  drop: () => sessionStorage.removeItem("datavault-token"),
};

async function ask(path, options = {}) {
  const headers = { ...options.headers };
  if (token.get()) headers.Authorization = "Bearer " + token.get();
  const answer = await fetch(path, { ...options, headers, cache: "no-store" });
  if (answer.status === 401) throw new Unauthorized();
  if (!answer.ok) throw new Error("status " + answer.status);
  return answer;
}

function askForToken() {
  byId("wrong").textContent = token.get() ? "The server did not take this token." : "";
  token.drop();
  byId("ask").showModal();
  return new Promise((resolve) => {
    byId("ask-form").onsubmit = (event) => {
      event.preventDefault();
      token.set(byId("token").value.trim());
      byId("token").value = "";
      byId("ask").close();
      resolve();
    };
    byId("ask").oncancel = (event) => event.preventDefault();
  });
}

/* ---- the event stream: EventSource cannot send the token, so it is read here ---- */

function* linesOf(text) {
  let from = 0;
  for (let at = text.search(/\r\n|\n|\r/); at >= 0;) {
    yield text.slice(from, at);
    from = at + (text.startsWith("\r\n", at) ? 2 : 1);
    const next = text.slice(from).search(/\r\n|\n|\r/);
    at = next < 0 ? -1 : from + next;
  }
  return from;
}

/* Takes whole lines out of what has come so far; a CR at the very end may be half of a line end. */
function takeLines(text, onLine) {
  const usable = text.endsWith("\r") ? text.length - 1 : text.length;
  let used = 0;
  const lines = linesOf(text.slice(0, usable));
  for (let step = lines.next(); ; step = lines.next()) {
    if (step.done) { used = step.value ?? 0; break; }
    onLine(step.value);
  }
  return text.slice(used);
}

function makeParser(onEvent) {
  let event = "", data = [];
  return (line) => {
    if (line === "") {
      if (data.length) onEvent(event || "message", data.join("\n"));
      event = ""; data = [];
      return;
    }
    const colon = line.indexOf(":");
    const field = colon < 0 ? line : line.slice(0, colon);
    const value = colon < 0 ? "" : line.slice(colon + 1).replace(/^ /, "");
    if (field === "data") data.push(value);
    else if (field === "event") event = value;
    else if (field === "id" && !value.includes("\0")) state.lastId = value;
    else if (field === "retry" && /^\d+$/.test(value)) state.retry = Number(value);
  };
}

async function follow() {
  const headers = { Accept: "text/event-stream" };
  if (state.lastId) headers["Last-Event-ID"] = state.lastId;
  const answer = await ask("v1/events", { headers });
  tell("live", "live");
  const reader = answer.body.pipeThrough(new TextDecoderStream()).getReader();
  const parse = makeParser(onEvent);
  for (let rest = ""; ;) {
    const { value, done } = await reader.read();
    if (done) return;
    rest = takeLines(rest + value, parse);
  }
}

function onEvent(name, text) {
  if (name === "reset") { state.last = null; void load(); return; }
  if (name === "lag" || name === "bye" || name === "skipped") return;
  let data;
  try { data = JSON.parse(text); } catch { return; }
  if (name === "stats") showStats(data);
  else if (Array.isArray(data.rows)) showTrend(data.node ?? name, data);
}

async function load() {
  state.graph = await (await ask("v1/graph")).json();
  drawGraph(state.graph);
  document.dispatchEvent(new CustomEvent("graph", { detail: state.graph }));
  showStats(await (await ask("v1/stats")).json());
}

async function run() {
  for (let wait = 0; ;) {
    try {
      if (!state.graph) await load();
      await follow();
      wait = 0;
      tell("wait", "reconnecting");
    } catch (error) {
      if (error instanceof Unauthorized) { await askForToken(); continue; }
      tell("down", "not reachable");
      wait = Math.min((wait || state.retry / 2) * 2, 15000);
    }
    await new Promise((resolve) => setTimeout(resolve, wait || state.retry));
  }
}

function tell(kind, text) {
  const pill = byId("state");
  if (pill.textContent === text) return;
  pill.dataset.state = kind;
  pill.textContent = text;
}

/* ---- numbers for people ---- */

const compact = new Intl.NumberFormat("en", { notation: "compact", maximumFractionDigits: 1 });
const number = (value) => (value < 10000 ? new Intl.NumberFormat("en", { maximumFractionDigits: value < 10 ? 1 : 0 }).format(value) : compact.format(value));
function time(ns) {
  if (!ns) return "–";
  if (ns < 1e3) return ns + " ns";
  const [divisor, unit] = ns < 1e6 ? [1e3, "µs"] : ns < 1e9 ? [1e6, "ms"] : [1e9, "s"];
  return Number((ns / divisor).toPrecision(3)) + " " + unit;
}
const bytes = (value) => (value < 1 << 20 ? Math.round(value / 1024) + " KiB" : Number((value / (1 << 20)).toPrecision(3)) + " MiB");

/* ---- the graph: nodes in layers by their longest way from a source, links around what lies between ---- */

const SVG = "http://www.w3.org/2000/svg";
function make(name, attributes = {}, text) {
  const element = document.createElementNS(SVG, name);
  for (const [key, value] of Object.entries(attributes)) element.setAttribute(key, value);
  if (text !== undefined) element.textContent = text;
  return element;
}
function html(name, className, text) {
  const element = document.createElement(name);
  if (className) element.className = className;
  if (text !== undefined) element.textContent = text;
  return element;
}

const BOX = { width: 176, height: 84, across: 112, down: 26 };
const CHANGED = ["masked", "pseudonym", "generalized", "redacted"];

/* What a link carries, at its worst. */
function shadeOf(columns) {
  const personal = columns.filter((column) => column.class !== "public");
  const plain = personal.filter((column) => column.form === "plain").length;
  if (plain) return { shade: "plain", text: plain + " plain" };
  const changed = personal.filter((column) => CHANGED.includes(column.form)).length;
  if (changed) return { shade: "changed", text: changed + " transformed" };
  const form = ["sealed", "aggregate", "noised"].find((name) => columns.some((column) => column.form.startsWith(name)));
  return { shade: "safe", text: form ?? "public" };
}

function layersOf(graph) {
  const depth = new Map(graph.nodes.map((node) => [node.name, 0]));
  for (let pass = 0; pass < graph.nodes.length; pass++)
    for (const link of graph.links) depth.set(link.to, Math.max(depth.get(link.to), depth.get(link.from) + 1));
  return depth;
}

/* Puts every node, and a bend for every layer a long link crosses, into columns, and orders each column by where its
 * neighbours lie. */
function place(graph) {
  const depth = layersOf(graph);
  const columns = [];
  const add = (item) => (columns[item.layer] ??= []).push(item);
  const items = new Map(graph.nodes.map((node) => [node.name, { layer: depth.get(node.name), node, before: [] }]));
  items.forEach(add);
  const ways = graph.links.map((link) => {
    const way = [items.get(link.from)];
    for (let layer = way[0].layer + 1; layer < depth.get(link.to); layer++) {
      const bend = { layer, before: [way.at(-1)] };
      add(bend);
      way.push(bend);
    }
    items.get(link.to).before.push(way.at(-1));
    way.push(items.get(link.to));
    return { link, way };
  });
  columns.forEach((column) => {
    const key = (item) => (item.before.length ? item.before.reduce((sum, other) => sum + other.row, 0) / item.before.length : 0);
    column.sort((a, b) => key(a) - key(b));
    column.forEach((item, row) => { item.row = row - (column.length - 1) / 2; });
  });
  const tallest = Math.max(...columns.map((column) => column.length));
  const height = tallest * (BOX.height + BOX.down);
  for (const item of columns.flat()) {
    item.x = 8 + item.layer * (BOX.width + BOX.across);
    item.y = height / 2 + item.row * (BOX.height + BOX.down) + 4;
  }
  return { items, ways, width: columns.length * (BOX.width + BOX.across) - BOX.across + 16, height: height + 8 };
}

function pathOf(way) {
  let path = "";
  way.forEach((item, index) => {
    const left = item.x, right = item.x + BOX.width, y = item.y;
    if (index === 0) { path = `M${right} ${y}`; return; }
    const before = way[index - 1], start = before.x + BOX.width, half = (left - start) / 2;
    path += ` C${start + half} ${before.y} ${left - half} ${y} ${left} ${y}`;
    if (index < way.length - 1) path += ` L${right} ${y}`;
  });
  return path;
}

function drawLink(svg, { link, way }, graph, tagged) {
  const output = graph.nodes.find((node) => node.name === link.from).outputs[link.output] ?? { columns: [] };
  const { shade, text } = shadeOf(output.columns);
  const group = make("g", { "data-shade": shade });
  group.append(make("path", { class: "link", d: pathOf(way) }));
  const pulse = make("path", { class: "pulse", d: pathOf(way) });
  group.append(pulse);
  const title = output.columns.map((column) => column.name + ": " + column.label).join("\n");
  group.append(make("title", {}, title || text));
  const key = link.from + "/" + link.output;
  if (!tagged.has(key)) {
    tagged.add(key);
    const label = (output.name ? output.name + " · " : "") + text;
    const wide = Math.min(label.length * 6.1 + 14, 150);
    const only = graph.links.filter((other) => other.from === link.from && other.output === link.output).length === 1;
    const x = way[0].x + BOX.width + BOX.across / 2;
    const y = only ? (way[0].y + way[1].y) / 2 : way[0].y;
    const tag = make("g", { class: "tag" });
    tag.append(make("rect", { x: x - wide / 2, y: y - 10, width: wide, height: 20, rx: 10 }), make("text", { x, y: y + 3.8 }, label));
    group.tag = tag;
    tag.dataset.shade = shade;
  }
  svg.append(group);
  return { from: link.from, pulse, tag: group.tag };
}

function drawNode(svg, item) {
  const { node, x, y } = item;
  const top = y - BOX.height / 2;
  const group = make("g", { class: "node", tabindex: "0", "data-kind": node.kind, role: "group", "aria-label": node.name });
  group.append(
    make("rect", { class: "box", x, y: top, width: BOX.width, height: BOX.height, rx: 12 }),
    make("rect", { class: "bar", x: x + 12, y: top + 13, width: 4, height: 30, rx: 2 }),
    make("text", { class: "name", x: x + 25, y: top + 26 }, clip(node.name, 16)),
    make("text", { class: "op", x: x + 25, y: top + 42 }, clip(node.op + (node.from ? " · " + node.from : ""), 22)),
    make("circle", { class: "lamp", cx: x + BOX.width - 17, cy: top + 20, r: 5 }),
  );
  const rate = make("text", { class: "rate", x: x + 13, y: top + 69 }, "–");
  const more = make("text", { class: "more", x: x + BOX.width - 12, y: top + 69, "text-anchor": "end" });
  const title = make("title", {}, node.summary);
  group.append(rate, more, title);
  svg.append(group);
  state.marks.set(node.name, { group, rate, more, title, node });
}
const clip = (text, most) => (text.length > most ? text.slice(0, most - 1) + "…" : text);

function drawGraph(graph) {
  document.title = graph.name + " · DataVault";
  byId("subtitle").textContent = graph.name + " · " + graph.nodes.length + " nodes · tenant " + graph.tenant;
  byId("version").textContent = "DataVault " + graph.version;
  const svg = byId("graph");
  const { items, ways, width, height } = place(graph);
  svg.replaceChildren();
  svg.setAttribute("viewBox", `0 0 ${width} ${height}`);
  svg.setAttribute("width", width);
  state.marks.clear();
  const tagged = new Set();
  state.links = ways.map((way) => drawLink(svg, way, graph, tagged));
  items.forEach((item) => drawNode(svg, item));
  svg.append(...state.links.map((link) => link.tag).filter(Boolean));
  svg.setAttribute("aria-label", "Graph " + graph.name + ": " + graph.links.map((link) => link.from + " to " + link.to).join(", "));
}

/* ---- the figures of a second ---- */

function rateOf(now, before, key, seconds) {
  return before && seconds > 0 ? Math.max(0, (now[key] - before[key]) / seconds) : 0;
}

function showNode(node, before, seconds) {
  const mark = state.marks.get(node.name);
  if (!mark) return 0;
  const rates = { in: rateOf(node, before, "records_in", seconds), out: rateOf(node, before, "records_out", seconds) };
  const rate = mark.node.kind === "source" ? rates.out : rates.in;
  mark.rate.textContent = number(rate) + " /s";
  const extras = [node.breaker && node.breaker !== "closed" && "circuit " + node.breaker, node.queued && node.queued + " queued", node.held && node.held + " held", node.rejected && number(node.rejected) + " rejected", node.figures?.k >= 0 && "k " + node.figures.k];
  mark.more.textContent = extras.filter(Boolean).slice(0, 2).join(" · ");
  const stalled = before && node.stalls > before.stalls && node.queued > 0;
  mark.group.dataset.lamp = node.status ? "bad" : stalled ? "busy" : rate > 0 ? "work" : "idle";
  const words = node.status || (rate > 0 ? "working" : "idle");
  mark.group.dataset.breaker = node.breaker ?? "";
  const since = node.breaker_since_ms ? `\ncircuit ${node.breaker} since ${new Date(node.breaker_since_ms).toLocaleTimeString()}: ${node.breaker_reason}` : "";
  const figures = Object.entries(node.figures ?? {}).map(([name, value]) => `\n${name}: ${Number(value.toPrecision(3))}`).join("");
  mark.title.textContent = mark.node.summary + "\n" + words + since + figures;
  mark.group.setAttribute("aria-label", `${node.name}, ${mark.node.op}: ${number(rate)} records per second, ${words}`);
  for (const link of state.links) if (link.from === node.name) link.pulse.classList.toggle("on", rates.out > 0);
  showRow(node, mark, rates);
  return mark.node.kind === "source" ? rates.out : 0;
}

function showRow(node, mark, rates) {
  let cells = state.rows.get(node.name);
  if (!cells) {
    const row = html("tr");
    const head = html("th", "", node.name);
    head.scope = "row";
    cells = Array.from({ length: 7 }, () => html("td"));
    row.append(head, ...cells);
    byId("nodes").append(row);
    state.rows.set(node.name, cells);
  }
  const texts = [mark.node.kind === "source" ? "–" : number(rates.in), mark.node.kind === "sink" ? "–" : number(rates.out), node.queued,
    node.held, number(node.rejected), time(node.process_p99_ns), node.status || "ok"];
  texts.forEach((text, index) => { cells[index].textContent = text; });
  cells[6].className = node.status ? "bad" : "good";
}

function showStats(stats) {
  if (!state.graph) return;
  document.dispatchEvent(new CustomEvent("stats", { detail: stats }));
  const before = state.last;
  if (stats.stall?.node) tell("down", "stalled at " + stats.stall.node);
  else if (byId("state").textContent.startsWith("stalled")) tell("live", "live");
  const seconds = before ? (stats.time_ms - before.time_ms) / 1000 : 0;
  if (before && seconds <= 0) return;
  const old = new Map((before?.nodes ?? []).map((node) => [node.name, node]));
  const total = stats.nodes.reduce((sum, node) => sum + showNode(node, old.get(node.name), seconds), 0);
  state.last = stats;
  byId("p50").textContent = time(stats.latency.p50_ns);
  byId("p99").textContent = time(stats.latency.p99_ns);
  byId("live").textContent = number(stats.batches_live);
  const bound = state.graph.bound;
  byId("held").textContent = `${bytes(stats.bytes_held)} held · at most ${bytes(bound.bytes)}`;
  byId("meter").setAttribute("aria-valuemax", bound.batches);
  byId("meter").setAttribute("aria-valuenow", stats.batches_live);
  byId("meter").firstElementChild.style.width = bound.batches ? Math.min(100, (stats.batches_live / bound.batches) * 100) + "%" : "0";
  byId("rejected").textContent = number(stats.nodes.reduce((sum, node) => sum + node.rejected, 0));
  if (!before) return;
  byId("rate").textContent = number(total);
  state.rates = [...state.rates, total].slice(-60);
  drawSpark(state.rates);
}

function drawSpark(rates) {
  const most = Math.max(...rates, 1);
  const points = rates.map((rate, index) => `${(240 - (rates.length - 1 - index) * (240 / 59)).toFixed(1)} ${(52 - (rate / most) * 44).toFixed(1)}`);
  const first = points[0].split(" ")[0];
  byId("spark").replaceChildren(
    make("path", { class: "area", d: `M${first} 56 L${points.join(" L")} L240 56 Z` }),
    make("path", { class: "line", d: "M" + points.join(" L") }),
  );
}

/* ---- aggregates: the first text column names a group, `count` is its size ---- */

function rowsOf(data) {
  const rows = data.rows.filter((row) => row && row.suppressed !== true && !row.total);
  const keys = [...new Set(rows.flatMap(Object.keys))];
  const label = keys.find((key) => rows.some((row) => typeof row[key] === "string"));
  const value = keys.includes("count") ? "count" : keys.find((key) => !/_ms$/.test(key) && rows.some((row) => typeof row[key] === "number"));
  const shown = rows.filter((row) => typeof row[value] === "number")
    .map((row) => ({ what: row.other === true ? "other groups" : String(row[label] ?? "all"), much: row[value] }));
  shown.sort((a, b) => b.much - a.much);
  const told = rows.map((row) => Number(row.suppressed) || 0);
  const hidden = data.rows.length - rows.length + Math.max(0, ...told) + (Number(data.suppressed) || 0);
  return { label, shown: shown.slice(0, 10), hidden };
}

function drawBars({ shown, hidden }) {
  const list = html("ul", "bars");
  const most = Math.max(...shown.map((row) => row.much), 1);
  for (const row of shown) {
    const item = html("li"), track = html("span", "track"), fill = html("i");
    track.append(fill);
    track.setAttribute("aria-hidden", "true");
    item.append(html("span", "what", row.what), track, html("span", "much", number(row.much)));
    item.firstElementChild.title = row.what;
    fill.style.width = (row.much / most) * 100 + "%";
    list.append(item);
  }
  if (hidden) {
    const item = html("li", "hidden");
    item.append(html("span", "what", "suppressed"), html("span", "track"), html("span", "much", hidden + (hidden === 1 ? " group" : " groups")));
    item.title = "Groups too small to be shown";
    list.append(item);
  }
  return list;
}

/* What was remarkable in windows before stays for a while, as nobody looks at the right second: the newest of each kind and group. */
function keepTold(trend, before) {
  const now = trend.rows.filter((row) => row && typeof row.sentence === "string");
  const key = (row) => [row.kind, row.group, row.measure].join("/");
  const here = new Set(now.map(key));
  const news = now.filter((row) => row.kind !== "top");
  trend.told = [...news, ...(before?.told ?? []).filter((row) => !here.has(key(row)))].slice(0, PAST_SHOWN);
  trend.past = trend.told.filter((row) => !news.includes(row));
  return [...news, ...trend.past, ...now.filter((row) => row.kind === "top")];
}

/* Insights bring a sentence each; the largest groups are what the bars show, so they come last and quietly. */
function drawInsights(rows, past) {
  const list = html("ul", "insights");
  for (const row of rows.slice(0, 12)) {
    const item = html("li", past.includes(row) ? "past" : "");
    item.dataset.severity = String(row.severity ?? "info");
    const at = past.includes(row) ? " · " + clock(row.window_end_ms) : "";
    item.append(html("span", "badge", `${row.kind ?? "insight"} · ${row.severity ?? "info"}${at}`), html("p", "", row.sentence));
    if (typeof row.explanation === "string") item.append(html("p", "why", row.explanation));
    if (typeof row.recommendation === "string") item.append(html("p", "advice", row.recommendation));
    list.append(item);
  }
  return list;
}

/* ---- statistics of the warehouse: a snapshot in the order that its statement gives it, and the first figure as a bar, too ---- */

const STATISTICS_SHOWN = 24, figure = new Intl.NumberFormat("en", { maximumFractionDigits: 2 });

/* Whether all that comes to a node was read there. */
function isOfWarehouse(name) {
  const seen = new Set([name]);
  for (const one of seen) for (const link of state.graph?.links ?? []) if (link.to === one) seen.add(link.from);
  const sources = (state.graph?.nodes ?? []).filter((node) => seen.has(node.name) && node.op === "source");
  return sources.length > 0 && sources.every((node) => node.from === "snowflake");
}

function statistic(key, value) {
  if (typeof value !== "number") return String(value ?? "–").replace(/^(\d{4}-\d\d-\d\d)T(\d\d:\d\d)(:00)?/, "$1 $2");
  return /_ms$/.test(key) ? new Date(value).toLocaleString() : figure.format(value);
}

function drawStatistics(rows) {
  const keys = [...new Set(rows.flatMap(Object.keys))], isFigure = (key) => rows.some((row) => typeof row[key] === "number");
  const measure = keys.find((key) => !/_ms$/.test(key) && isFigure(key));
  const most = Math.max(...rows.map((row) => Number(row[measure]) || 0), 0);
  const table = html("table", "statistics"), head = table.createTHead().insertRow(), body = table.createTBody();
  for (const key of keys) head.append(html("th", isFigure(key) ? "figures" : "", key.replaceAll("_", " ")));
  for (const row of rows.slice(0, STATISTICS_SHOWN)) {
    const line = body.insertRow();
    for (const key of keys) {
      const cell = html("td", key === measure ? "figures measure" : isFigure(key) ? "figures" : "", statistic(key, row[key]));
      if (key === measure && most > 0) cell.style.setProperty("--part", Math.max(0, (Number(row[key]) || 0) / most) * 100 + "%");
      line.append(cell);
    }
  }
  if (rows.length > STATISTICS_SHOWN) table.createCaption().textContent = `${rows.length - STATISTICS_SHOWN} more rows are not shown`;
  return table;
}

const PAST_SHOWN = 5;
const clock = (ms) => new Date(ms).toLocaleTimeString();

function showTrend(node, data) {
  data.sentences = keepTold(data, state.trends.get(node));
  state.trends.set(node, data);
  const first = data.rows[0] ?? {};
  const start = data.window?.start_ms ?? first.window_start_ms ?? data.window;
  const end = data.window?.end_ms ?? first.window_end_ms;
  if (!isOfWarehouse(node)) byId("window").textContent = [start, end].filter(Number.isFinite).map(clock).join(" – ");
  const trends = [...state.trends].sort(([, one], [, other]) => (other.sentences.length > 0) - (one.sentences.length > 0));
  byId("trends").replaceChildren(...trends.map(([name, trend]) => {
    const box = html("div", "trend");
    if (trend.sentences.length) box.append(html("h3", "", name), drawInsights(trend.sentences, trend.past));
    else if (isOfWarehouse(name)) box.append(html("h3", "", `${name} · the warehouse at ${clock(trend.window)}`), drawStatistics(trend.rows));
    if (box.childElementCount) return box;
    const rows = rowsOf(trend);
    box.append(html("h3", "", rows.label ? `${name} · top ${rows.label}` : name));
    box.append(rows.shown.length || rows.hidden ? drawBars(rows) : html("p", "empty", "Nobody in this window."));
    return box;
  }));
}

document.addEventListener("DOMContentLoaded", () => void run());
