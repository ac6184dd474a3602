#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""test_cortex.py - Snowflake's Cortex as one of the services: answers with citations, insights explained, vectors made and searched, shown
with a key pair or a token; and what comes of streams that break, of refusals and of a service that is busy. Nothing personal is in what
it received, and no secret in what is logged.

shows: SNO-4 SNO-5 SNO-6 RAG-5 RAG-6 VEC-2 PRV-15
"""
import json
import math
import pathlib
import shutil
import subprocess
import sys

import pytest

HERE = pathlib.Path(__file__).resolve().parents[1]
sys.path[:0] = [str(HERE / "tools"), str(HERE / "emulators"), str(HERE / "e2e")]
from canary import Canaries
from snowflake import Snowflake
from snowflake.wire import Answer
from snowflake_caller import knobs, restore
from test_embed_service import LEISURELY, NOTES, ask as question, index
from test_explain import Explained, insight
from test_query import SCHEMA as ASKED, QueryWorld, asked
from world import ROOT, World, end, free_port

CHAT, COMPLETE, EMBED = "/api/v2/cortex/v1/chat/completions", "/api/v2/cortex/inference:complete", "/api/v2/cortex/inference:embed"
STATEMENTS, MODELS = "/api/v2/statements", "/api/v2/cortex/models"
SQL = ", api: sql, warehouse: WH"
CANARY = "Grünkohl-Käpt'n"  # stands in prompts, so in answers and errors, and never in a log
PAT = "pat-0123456789-abcdefghij"
BUSY, BROKE_OFF = "the model's service is busy or down", "the answer broke off"
REGION = "Cortex has no such model in the account's region: is its name right, or is CORTEX_ENABLED_CROSS_REGION needed?"


@pytest.fixture(scope="module", name="service")
def a_service(tmp_path_factory):
    with Snowflake(tmp_path_factory.mktemp("snow")) as snow:
        snow.users[snow.user].pats[PAT] = snow.users[snow.user].oauth[PAT] = 4e9
        yield snow


@pytest.fixture(name="snow")
def a_fresh_one(service):
    kept = knobs(service)
    service.cortex.seen.clear()
    service.requests.clear()
    yield service
    restore(service, kept)


class Asker:
    """tests/tools/llm_ask.c, which prints what came."""

    def __init__(self, program, snow):
        self.program, self.snow, self.prefix = program, snow, ()

    def run(self, commands, kind="cortex", model="claude-sonnet-4-5", proof="keypair", **options):
        snow, name = self.snow, "SNOW_SECRET"
        options = {"kind": kind, "url": snow.url, "ca": snow.ca, "model": model, "account": snow.account, "user": snow.user, "proof": proof, "pause_ms": 5,
                   "secret": f"file:{snow.key}" if proof == "keypair" else f"env:{name}", **options}
        done = subprocess.run([*self.prefix, self.program, *(f"{key}={value}" for key, value in options.items())], input="".join(json.dumps(one) + "\n" for one in commands),
                              stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, timeout=100, check=False, env={name: PAT, **({"ASAN_OPTIONS": "detect_leaks=0"} if self.prefix else {})})
        assert done.returncode == 0, done.stderr[-3000:]
        assert CANARY not in done.stderr and PAT not in done.stderr and "PRIVATE KEY" not in done.stderr, done.stderr
        found = [json.loads(line) for line in done.stdout.splitlines()]
        assert not any(CANARY in str(answer.get("reason")) for answer in found)
        return found

    def ask(self, prompt, **options):
        request = {name: options.pop(name) for name in ("schema", "max_tokens", "system") if name in options}
        return self.run([{"op": "ask", "prompt": f"{prompt} {CANARY} and on".lstrip(), **request}], **options)


@pytest.fixture(name="asker")
def an_asker(snow, datavault):
    return Asker(pathlib.Path(datavault).parents[1] / "tests" / "llm_ask", snow)


BOTH = ("cortex", "cortex-native")
SCENARIOS = [  # interfaces, word in the prompt, rc, finish, reason, how often it was asked
    (BOTH, "", "DV_OK", "complete", None, 1),
    (BOTH, "[429-wait]", "DV_OK", "complete", None, 3),
    (BOTH, "[429]", "DV_E_DEPENDENCY", "failed", "the model's service is asked too often", 4),
    (BOTH, "[503]", "DV_E_DEPENDENCY", "failed", BUSY, 4),
    (BOTH, "[402]", "DV_E_DEPENDENCY", "failed", "the account's budget for Cortex is used up", 1),
    (BOTH, "[403]", "DV_E_CONFIG", "failed", "the user's default role may not use Cortex: it needs SNOWFLAKE.CORTEX_USER", 1),
    (BOTH, "[region]", "DV_E_CONFIG", "failed", REGION, 1),
    (BOTH, "[cut]", "DV_E_DEPENDENCY", "failed", BROKE_OFF, 1),
    (BOTH, "[mid-error]", "DV_E_DEPENDENCY", "failed", BUSY, 1),
    (BOTH, "[garbage]", "DV_E_DATA", "failed", "the service's answer is no JSON", 1),
    (BOTH, "[tool]", "DV_E_DATA", "failed", "the model wants to call a tool, and was given none", 1),
    (BOTH, "[huge]", "DV_OK", "complete", None, 1),
    (BOTH[:1], "[future]", "DV_E_DATA", "failed", "the answer ended in a way that is not known", 1),
    (BOTH[1:], "[unsafe]", "DV_OK", "blocked", "the service would not answer", 1),
]


@pytest.mark.parametrize("kind, word, rc, finish, reason, tries", [(kind, *row[1:]) for row in SCENARIOS for kind in row[0]])
def test_it_does_what_it_does(asker, snow, kind, word, rc, finish, reason, tries):
    answer, last = asker.ask(word, kind=kind, guarded=1)
    assert (answer["rc"], answer["finish"], answer["reason"], len(snow.requests)) == (rc, finish, reason, tries)
    assert {request.path for request in snow.requests} == {CHAT if kind == "cortex" else COMPLETE}
    if finish == "complete":
        assert answer["text"] == f"{word} {CANARY} and on".lstrip() + ("ü" * (1 << 19) if word == "[huge]" else "")
        assert answer["tokens_out"] >= 3 and answer["tokens_in"] > 0
    assert last["blocked"] == (finish == "blocked") and last["failed"] == (finish == "failed")


@pytest.mark.parametrize("kind", BOTH)
def test_in_json_and_no_longer_than_wanted(asker, snow, kind):
    schema = json.dumps({"type": "object", "properties": {"ok": {"type": "boolean"}}, "required": ["ok"]})
    assert json.loads(asker.ask("", kind=kind, schema=schema)[0]["text"]) == {"ok": True}
    snow.done_of_chat, snow.done_of_complete = False, True  # either may be as it likes
    answer = asker.ask("one two three", kind=kind, max_tokens=2)[0]
    assert (answer["finish"], answer["text"]) == ("truncated", "one two ")


def test_who_asks_is_shown(asker, snow):
    for proof, word in (("keypair", "KEYPAIR_JWT"), ("pat", "PROGRAMMATIC_ACCESS_TOKEN"), ("oauth", "OAUTH")):
        assert asker.ask("", proof=proof)[0]["rc"] == "DV_OK"
        headers = snow.requests[-1].headers
        assert headers["X-Snowflake-Authorization-Token-Type"] == word and headers["User-Agent"].startswith("datavault/")
        assert headers["Accept"] == "application/json, text/event-stream" and headers["Authorization"].startswith("Bearer ")
    assert len(snow.requests) == 3


def test_a_refused_token_is_made_anew_once(asker, snow):
    snow.script("POST", 401)
    first, second, _ = asker.run([{"op": "ask", "prompt": "one"}, {"op": "ask", "prompt": "two"}])
    assert first["rc"] == second["rc"] == "DV_OK" and [request.status for request in snow.requests] == [401, 200, 200]
    assert asker.ask("", user="NOBODY")[0]["reason"] == "Snowflake does not accept the token: is the key the user's, and are account and user right?"
    assert len(snow.requests) == 5
    snow.clock_skew_s = 4000
    assert asker.ask("")[0]["reason"] == "this machine's clock and Snowflake's are more than five minutes apart"


@pytest.mark.skipif(shutil.which("strace") is None, reason="strace is not installed")
@pytest.mark.parametrize("kind", ["cortex", "cortex-sql"])
@pytest.mark.parametrize("proof", ["keypair", "pat"])
def test_keys_and_tokens_are_read_off_the_loop(asker, snow, tmp_path, kind, proof):
    """But for the first time, when it opens and nothing else goes on."""
    secret, calls = tmp_path / "secret", tmp_path / "calls"
    secret.write_text(snow.key.read_text() if proof == "keypair" else PAT)
    secret.chmod(0o600)
    asker.prefix = (shutil.which("strace"), "-f", "-qq", "-o", calls, "-e", "trace=openat", "-P", secret)
    snow.script("POST", 401)
    requests = [{"op": "embed", "texts": [text], "dims": 768} for text in ("one", "two")]
    answers = asker.run(requests, kind=kind, model="e5-base-v2", proof=proof, secret=f"file:{secret}", warehouse="WH")
    assert [answer["rc"] for answer in answers[:2]] == ["DV_OK"] * 2
    first, *others = [line.split()[0] for line in calls.read_text().splitlines() if "openat" in line]
    assert others and first not in others, calls.read_text()
    assert len(others) == (1 if proof == "keypair" else 3)  # signed anew when it was refused; given ones are read for each request


def test_the_tokens_of_the_day_are_counted(asker, snow):
    found = asker.run([{"op": "ask", "prompt": "word " * 400, "max_tokens": 500}] * 2, keeps_none=1, tokens_per_day=1300)
    assert [answer["rc"] for answer in found[:2]] == ["DV_OK", "DV_E_LIMIT"] and len(snow.requests) == 1


@pytest.mark.parametrize("kind", [*BOTH, "cortex-sql"])
def test_memory_that_fails_ends_a_request_and_nothing_else(asker, kind):
    """The n-th allocation fails, ours or libcurl's: the request ends, if only at its deadline, and the next one has its answer."""
    one = {"op": "embed", "texts": ["why", "then"], "dims": 768} if kind == "cortex-sql" else {"op": "ask", "prompt": "then"}
    commands = [command for nth in range(1, 61) for command in ({**one, "fail_at": nth}, one)]
    found = asker.run(commands, kind=kind, model="e5-base-v2" if kind == "cortex-sql" else "claude-sonnet-4-5", warehouse="WH", keeps_none=1)[:-1]
    assert {answer["rc"] for answer in found[1::2]} == {"DV_OK"}
    failed = [answer["rc"] for answer in found[::2] if answer["rc"] != "DV_OK"]
    assert set(failed) == {"DV_E_MEMORY"}, failed


# ---- in graphs ----

def options(snow, more="", proof="keypair"):
    who = f"user: {snow.user}, key: 'file:{snow.key}'" if proof == "keypair" else "token: 'env:SNOW_TOKEN'"
    return f"account: {snow.account}, url: '{snow.url}', ca: '{snow.ca}', {who}{more}"


def told(path, text):
    """A stream of an answer, in pieces that end inside letters."""
    if path == CHAT:
        frames = [{"choices": [{"index": 0, "delta": {"content": text[at:at + 5]}, "finish_reason": None}]} for at in range(0, len(text), 5)]
        frames.append({"choices": [{"index": 0, "delta": {}, "finish_reason": "stop"}]})
    else:
        frames = [{"choices": [{"delta": {"type": "text", "content": text[at:at + 5]}}], "usage": {}} for at in range(0, len(text), 5)]
    data = b"".join(b"data: " + json.dumps(frame, ensure_ascii=False).encode() + b"\n\n" for frame in frames)
    return Answer(200, None, [("Content-Type", "text/event-stream")], pieces=iter([data[at:at + 7] for at in range(0, len(data), 7)]))


@pytest.mark.parametrize("api, path, proof", [("chat", CHAT, "keypair"), ("complete", COMPLETE, "pat")])
def test_an_answer_is_cited(tmp_path, snow, api, path, proof):
    secret = "gruenkohl.kaeptn@canary.example"
    nodes = "  in: { op: source, from: http, schema: asked }\n  ask: { op: project, after: in, keep: [question, evidence] }\n" \
            f"  rag: {{ op: rag, after: ask, llm: cortex, api: {api}, model: claude-sonnet-4-5, {options(snow, proof=proof)} }}\n" \
            "  reply: { op: sink-reply, after: rag }\n"
    with QueryWorld(tmp_path) as world:
        process = world.begin(nodes=nodes, env={"SNOW_TOKEN": PAT})
        snow.script(path, told(path, "Asthma rises with 14 records [1]. Käse costs 99 [1]. It was 7 before [2]."), 403)
        body = world.ask(asked("What of zebra?")).body
        assert (body["status"], body["answer"], body["dropped"]) == ("partial", "Asthma rises with 14 records [1]. It was 7 before [2].", 1)
        assert [citation["n"] for citation in body["citations"]] == [1, 2]
        sent = json.loads(snow.requests[-1].raw)
        assert sent["messages"][0]["role"] == "system" and "What of zebra?" in sent["messages"][1]["content"]
        assert "Asthma rises: 14 records" in sent["messages"][1]["content"]
        assert world.ask(asked(f"Who is {secret}?")).body["status"] != "answered"
        assert world.ask(asked("And of zebra three?")).body["status"] == "failed"
        code, _ = end(process)
        log = process.log.read_text()
        assert code == 0 and "Sanitizer" not in log and "zebra" not in log and PAT not in log and "PRIVATE" not in log, log
        received = snow.received()
        assert b"zebra" in received and secret.encode() not in received and b"PRIVATE KEY" not in received


INDEX = """  in: {{ op: source, from: file, path: in.jsonl, schema: healthcare }}
  anon: {{ op: anonymize, after: in, policy: patients }}
  sums: {{ op: aggregate, after: anon, by: diagnosis, window: 1h }}
  vectors: {{ op: embed, after: sums, columns: [diagnosis, count], {0} }}
  keep: {{ op: sink-vectors, after: vectors, path: vectors.sqlite }}
"""
ASK = """  in: {{ op: source, from: http, schema: question }}
  redact: {{ op: anonymize, after: in, policy: questions }}
  vectors: {{ op: embed, after: redact, columns: [question], task: query, deadline: 30s, {0} }}
  find: {{ op: search, after: vectors, path: vectors.sqlite }}
  rag: {{ op: rag, after: find, llm: cortex, model: claude-sonnet-4-5, {1} }}
  reply: {{ op: sink-reply, after: rag }}
"""


def test_datavault_ask(tmp_path, snow):
    """From records to an answer on the command line: vectors and words are all Cortex'."""
    with QueryWorld(tmp_path) as world:
        shutil.copy(ROOT / "conf" / "policies" / "questions.yaml", world.path("policies"))
        canaries = Canaries(17)
        world.write("in.jsonl", *(canaries.healthcare(diagnosis=name) for name, count in (("asthma", 14), ("influenza", 9)) for _ in range(count)))
        world.graph(INDEX.format(embedder(snow)), "keyring: file:keys", "index.yaml")
        assert world.run("run", "--once", "index.yaml").returncode == 0
        process = world.begin(nodes=ASK.format(embedder(snow), options(snow)).replace("%", "%%"))
        snow.script(CHAT, told(CHAT, "For asthma the count is 14 [1]. In Berlin it is 99 [1]."))
        done = world.run("ask", "--url", f"http://127.0.0.1:{world.port}", "what is the count of asthma? Mail m.muster@canary.example")
        assert done.returncode == 0 and done.stdout.decode().startswith("For asthma the count is 14 [1].\n\n  [1]  "), (done, snow.requests[-1].raw)
        code, _ = end(process)
        assert code == 0 and "Sanitizer" not in process.log.read_text()
        received = snow.received()
        assert b"asthma" in received and b"m.muster" not in received and not canaries.find(received)


def test_insights_are_explained(tmp_path, snow, datavault):
    with Explained(tmp_path / "w", datavault) as world:
        for api, path, more in (("chat", CHAT, ""), ("complete", COMPLETE, ", format: json")):
            said = "Plan for more asthma, because 34 records are 2.3 times the usual."
            snow.script(path, told(path, f"1. {said}" if more == "" else json.dumps({"1": said})))
            rows = world.explain([insight("asthma")], snow.url, llm="cortex", model="claude-sonnet-4-5",
                                 more=f", api: {api}, account: {snow.account}, ca: '{snow.ca}', user: {snow.user}, key: 'file:{snow.key}'{more}")
            assert rows[0].get("explanation") == said, snow.requests[-1].raw
        assert json.loads(snow.requests[-1].raw)["response_format"]["type"] == "json"


def embedder(snow, more="", model="snowflake-arctic-embed-m", width=768):
    return f"embedder: cortex, model: {model}, dimensions: {width}, {options(snow, more)}"


@pytest.mark.parametrize("api, model, width", [("", "snowflake-arctic-embed-m", 768), ("", "snowflake-arctic-embed-l-v2.0", 1024), (SQL, "e5-base-v2", 768),
                                               (SQL, "multilingual-e5-large", 1024)])
def test_vectors_are_made_and_searched(tmp_path, snow, datavault, api, model, width):
    canaries = Canaries(13)
    with World(tmp_path / "w", datavault) as world:
        records = [canaries.healthcare(diagnosis="d") for _ in NOTES]
        rows = index(world, embedder(snow, api + ", texts: 2", model, width), records + [{"patient_id": "p", "diagnosis": "d", "note": NOTES[2]}])
        assert {row[2] for row in rows} == {f"cortex:{model}:{width}"} and len(rows) == len(records) + 1
        assert all(len(vector) == width and math.isclose(math.hypot(*vector), 1, abs_tol=1e-5) for _, vector, _ in rows)
        evidence = question(world, embedder(snow, api + LEISURELY, model, width), NOTES[2])
        assert not evidence["lexical"] and evidence["hits"][0]["text"] == NOTES[2] and evidence["hits"][0]["cosine"] > 0.999
        assert {request.path for request in snow.requests} == ({STATEMENTS} if api else {EMBED, MODELS})
        bodies = [json.loads(request.raw) for request in snow.requests if request.path != MODELS]
        texts = [json.loads(body["bindings"]["2"]["value"]) if api else body["text"] for body in bodies]
        assert max(map(len, texts)) == 2 and sum(map(len, texts)) == len(rows) + 1
        assert not api or {(body["bindings"]["1"]["value"], body["warehouse"]) for body in bodies} == {(model, "WH")}
        assert not canaries.find(snow.received()) and canaries.find(world.path("in.jsonl").read_bytes()), "and a control: they were there"


def test_one_text_that_it_will_not_have_costs_no_other(tmp_path, snow, datavault):
    with World(tmp_path / "w", datavault) as world:
        snow.script("POST", 503, None)
        rows = index(world, embedder(snow), NOTES[:2] + ["the [400] one"] + NOTES[2:], code=1)
        assert sorted(row[0] for row in rows) == sorted(NOTES)
        assert "[400]" in json.dumps(world.letters())


def test_both_ways_give_the_same_vectors(asker, snow):
    words = [{"op": "embed", "texts": ["a \"quick\"\nfox", "two ü", "three"], "dims": 768}]
    rest, sql = (asker.run(words, kind=kind, model="e5-base-v2", warehouse="WH")[0] for kind in ("cortex", "cortex-sql"))
    assert rest["rc"] == sql["rc"] == "DV_OK" and all(abs(norm - 1) < 1e-5 for norm in rest["norms"] + sql["norms"])
    assert all(math.isclose(a, b, abs_tol=1e-6) for one, other in zip(rest["rows"][::2], sql["rows"][::2]) for a, b in zip(one, other))
    assert rest["tokens_in"] > 0 and sql["tokens_in"] == 0  # a statement does not tell


def test_statements_that_fail(tmp_path, snow, datavault):
    """A statement that may have been executed goes out again under its id; a busy service is waited for; none costs a text."""
    with World(tmp_path / "w", datavault) as world:
        snow.script("POST /api/v2/statements", "lose", 429, 503, 401)
        snow.switch_s, snow.run_s = 0.05, 0.2  # and it is not over at once
        rows = index(world, embedder(snow, SQL + ", texts: 3"))
        assert sorted(row[0] for row in rows) == sorted(NOTES)
        sent = [(request.query, json.loads(request.raw)["bindings"]["2"]["value"]) for request in snow.requests if request.path == STATEMENTS]
        assert len({texts for _, texts in sent}) == 2 and any("retry=true" in query for query, _ in sent)
        assert len({query.split("&")[0] for query, _ in sent}) == 2 < len(sent)


def test_a_statement_without_its_warehouse(asker):
    answer = asker.run([{"op": "embed", "texts": ["one"], "dims": 768}], kind="cortex-sql", model="e5-base-v2", warehouse="NONE")[0]
    assert answer["rc"] == "DV_E_CONFIG" and "warehouse" in answer["reason"]


WRONG = [("embedder: cortex, model: e5-base-v2, dimensions: 768, user: U, key: 'env:K'", "C238"),
         ("embedder: cortex, model: e5-base-v2, dimensions: 1024, account: org-a, user: U, key: 'env:K'", "C227"),
         ("embedder: cortex, model: e5-base-v2, dimensions: 768, account: org-a, user: U", "C253"),
         ("embedder: cortex, model: e5-base-v2, dimensions: 768, account: org-a, token: 'env:K', user: U, key: 'env:K'", "C253"),
         ("embedder: cortex, model: 'e5 base', dimensions: 768, account: org-a, token: 'env:K'", "C235"),
         ("embedder: cortex, model: e5-base-v2, dimensions: 768, account: 'my org', token: 'env:K'", "C250"),
         ("embedder: cortex, model: e5-base-v2, dimensions: 768, account: org-a, token: 'env:K', url: 'http://example.org'", "C251"),
         ("embedder: cortex, model: e5-base-v2, dimensions: 768, account: org-a, token: 'env:K', warehouse: WH", "C237"),
         ("embedder: openai, model: m, dimensions: 64, api: sql", "C237"),
         ("embedder: openai, model: m, dimensions: 64, account: org-a", "C237"), ("embedder: minilm, account: org-a", "C224")]


@pytest.mark.parametrize("said, code", WRONG)
def test_what_cannot_work_is_said_at_check(tmp_path, datavault, said, code):
    with World(tmp_path / "w", datavault) as world:
        world.graph("  in: { op: source, from: file, path: in.jsonl, schema: healthcare }\n  anon: { op: anonymize, after: in, policy: patients }\n"
                    f"  vectors: {{ op: embed, after: anon, columns: [note], {said} }}\n  keep: {{ op: sink-vectors, after: vectors, path: v.sqlite }}\n")
        done = world.run("check", "graph.yaml")
        assert done.returncode == 3 and code.encode() in done.stderr, done.stderr


# ---- before the first question ----

RAG = "  in: {{ op: source, from: http, schema: asked }}\n  ask: {{ op: project, after: in, keep: [question, evidence] }}\n" \
      "  rag: {{ op: rag, after: ask, llm: cortex, model: claude-sonnet-4-5, {0} }}\n  reply: {{ op: sink-reply, after: rag }}\n"


def vectors_of(world, snow, model="snowflake-arctic-embed-m"):
    canaries = Canaries(3)
    world.write("in.jsonl", *(canaries.healthcare(diagnosis="d") for _ in range(14)))
    return world.graph(INDEX.format(embedder(snow, model=model)), "keyring: file:keys", "index.yaml")


def rag(world, snow):
    world.path("schemas/asked.yaml").write_text(ASKED)
    return world.start("run", world.graph(RAG.format(options(snow)), f"listen: 127.0.0.1:{free_port()}\nkeyring: file:keys"))


def is_refused(world, graph, reason):
    """By a run and by `check --connect`, in the same words."""
    for command in (("run", "--once"), ("check", "--connect")):
        done = world.run(*command, graph)
        assert done.returncode == 3 and reason in done.stderr.decode() and b"Sanitizer" not in done.stderr, done.stderr.decode()


@pytest.mark.parametrize("shape", [{}, {"lists_objects": True}, {"lists_embedders": False}])
def test_a_model_that_the_account_has_not_is_told_at_the_start(tmp_path, snow, shape):
    snow.turn(chat_models={"llama3.1-70b"}, **shape)
    reason = "Cortex has no model 'claude-sonnet-4-5' for this account, region and user: is its name right, or is CORTEX_ENABLED_CROSS_REGION needed? It has "
    with QueryWorld(tmp_path) as world:
        process = rag(world, snow)
        assert process.wait(30) == 3 and reason in process.log.read_text() and "llama3.1-70b" in process.log.read_text(), process.log.read_text()
        done = world.run("check", "--connect", "graph.yaml")
        assert done.returncode == 3 and f"rag: Cortex: {reason}" in done.stderr.decode(), done.stderr
    assert {request.path for request in snow.requests} == {MODELS}


def test_a_model_of_vectors_counts_as_missing_where_the_list_has_some(tmp_path, snow):
    snow.embedders = {"e5-base-v2"}
    with World(tmp_path / "w") as world:
        graph = vectors_of(world, snow)
        is_refused(world, graph, "Cortex has no model 'snowflake-arctic-embed-m'")
        snow.turn(embedders={"snowflake-arctic-embed-m"}, lists_embedders=False)
        done = world.run("check", "--connect", graph)
        assert done.returncode == 0 and b"vectors: Cortex: answers, and does not tell whether it has snowflake-arctic-embed-m" in done.stderr, done.stderr
        assert world.run("run", "--once", graph).returncode == 0


def test_a_role_without_cortex_is_told_at_the_start(tmp_path, snow):
    """But who may only make vectors need not be one who may see the list."""
    reason, sent = "the user's default role may not use Cortex: it needs SNOWFLAKE.CORTEX_USER", len(snow.requests)
    with QueryWorld(tmp_path) as world:
        snow.cortex_granted = False
        process = rag(world, snow)
        assert process.wait(30) == 3 and reason in process.log.read_text(), process.log.read_text()
        assert {request.path for request in snow.requests[sent:]} == {MODELS}
        graph = vectors_of(world, snow)
        done = world.run("check", "--connect", graph)
        assert done.returncode == 3 and reason in done.stderr.decode(), done.stderr
        snow.cortex_granted = True
        snow.script(MODELS, 403)
        assert world.run("run", "--once", graph).returncode == 0


def test_where_nothing_is_listed_it_goes_on(tmp_path, snow):
    with World(tmp_path / "w") as world:
        graph = vectors_of(world, snow)
        for answer in (404, Answer(200, b"<html>"), Answer(200, {"models": []}), Answer(200, {"models": [7, {"name": "a\x1b[2J"}]})):
            snow.scripts.clear()  # a run that is over sooner has not asked
            snow.script(MODELS, answer, answer)
            assert world.run("check", "--connect", graph).returncode == 0
            done = world.run("run", "--once", graph)
            assert done.returncode == 0, done.stderr
        snow.scripts.clear()
        snow.script(MODELS, 503, 503)
        done = world.run("check", "--connect", graph)
        assert done.returncode == 5 and b"Cortex: Cortex is busy or down" in done.stderr, done.stderr
        assert world.run("run", "--once", graph).returncode == 0
        snow.scripts.clear()
        snow.script(MODELS, 401)  # the token is shown anew, once
        done = world.run("check", "--connect", graph)
        assert done.returncode == 0 and b"vectors: Cortex: has snowflake-arctic-embed-m" in done.stderr, done.stderr


def test_models_of_statements_are_not_asked_for_over_rest(tmp_path, snow):
    with World(tmp_path / "w") as world:
        world.graph(INDEX.format(embedder(snow, model="voyage-multilingual-2", width=1024)), "keyring: file:keys", "index.yaml")
        done = world.run("check", "index.yaml")
        assert done.returncode == 3 and b"C227" in done.stderr and b"'voyage-multilingual-2' is AI_EMBED's" in done.stderr, done.stderr
        world.graph(INDEX.format(embedder(snow, SQL, "voyage-multilingual-2", 1024)), "keyring: file:keys", "index.yaml")
        assert world.run("check", "index.yaml").returncode == 0


def test_an_embedder_is_no_account_for_queries(tmp_path, snow):
    with World(tmp_path / "w") as world:
        world.graph(INDEX.format(embedder(snow, SQL)), "keyring: file:keys", "index.yaml")
        done = world.run("query", "--snowflake", "--graph", "index.yaml", "SELECT 1")
        assert done.returncode == 2 and b"'index.yaml' has no node with an account of Snowflake" in done.stderr, done.stderr
