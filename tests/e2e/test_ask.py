#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""test_ask.py - `datavault ask`: sentences as they come, what they cite, why there is no answer, and its exit codes.

shows: RAG-1 RAG-11
"""
import contextlib
import http.server
import json
import pathlib
import sys
import threading
import time

import pytest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "tools"))
from server_world import TOKEN
from test_query import LOST, SCHEMA, UNCOVERED, QueryWorld
from world import ROOT, end, free_port, wait_for

CITED = [{"n": 1, "id": "018f2c5e-1234-7abc-8def-000000000001", "hash": "ab" * 32, "schema": "healthcare", "at": "2026-11-23T06:00:00Z"}]
ROWS = [{"kind": "sentence", "text": "Asthma rises: 14 records [1].", "citations": CITED},
        {"kind": "sentence", "text": "A\u202e\u001b[31mred [1].", "citations": CITED},
        {"kind": "end", "status": "partial", "dropped": 2, "records": 1, "people": 20, "citations": CITED, "reason": "sentences were left out"}]


class Fake(http.server.ThreadingHTTPServer):
    """Says what it is told, in pieces."""
    daemon_threads = True

    def __init__(self):
        super().__init__(("127.0.0.1", 0), Handler)
        self.rows, self.asked, self.cut = ROWS, [], False
        threading.Thread(target=self.serve_forever, daemon=True).start()


class Handler(http.server.BaseHTTPRequestHandler):
    def log_message(self, *_):
        pass

    def do_POST(self):
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        self.server.asked.append((self.path, body, dict(self.headers)))
        self.send_response(200)
        self.send_header("Content-Type", self.headers["Accept"])
        self.end_headers()
        text = "".join(f"event: {row['kind']}\ndata: {json.dumps(row)}\n\n" for row in self.server.rows)
        text = json.dumps({"status": "answered"}) if self.headers["Accept"] == "application/json" else text
        text = text[:len(text) // 2] if self.server.cut else text
        with contextlib.suppress(OSError):
            for at in range(0, len(text), 7):
                self.wfile.write(text[at:at + 7].encode())
                self.wfile.flush()


@pytest.fixture(name="world", scope="module")
def make_world(tmp_path_factory):
    with QueryWorld(tmp_path_factory.mktemp("ask")) as world:
        nodes = "  in: { op: source, from: generate, schema: healthcare }\n  out: { op: %s, after: in }\n"
        world.graph(nodes % "sink-null", name="mute.yaml")
        world.graph(nodes % "sink-sse", name="leaks.yaml")
        world.path("schemas/asked.yaml").write_text(SCHEMA)
        world.graph(LOST.replace("%s", ""), name="lost.yaml")
        world.path("token").write_text(TOKEN)
        world.path("token").chmod(0o600)
        process = world.begin(settings="token: file:token\n")
        yield world
        assert end(process)[0] == 0
        assert "Sanitizer" not in process.log.read_text()


@pytest.fixture(name="fake", scope="module")
def make_fake():
    fake = Fake()
    yield fake
    fake.shutdown()
    fake.server_close()


def ask(world, port, *arguments, env=None):
    done = world.run("ask", "--url", f"http://127.0.0.1:{port}", *arguments, env=env)
    return done.returncode, done.stdout.decode(), done.stderr.decode()


def test_sentences_and_citations(world, fake):
    fake.rows, fake.cut = ROWS, False
    code, out, error = ask(world, fake.server_port, "--schema", "healthcare", "which \"conditions\" rise?")
    assert (code, error) == (0, "")
    assert out.splitlines() == ["Asthma rises: 14 records [1].", "A??[31mred [1].", "",
                                "  [1]  018f2c5e-1234-7abc-8def-000000000001  sha256:" + "ab" * 8 + "  healthcare  2026-11-23T06:00:00Z",
                                "  It rests on 1 record, of at least 20 people.", "  partial: sentences were left out (2)"]
    path, body, headers = fake.asked[-1]
    assert (path, body) == ("/v1/query", {"question": "which \"conditions\" rise?", "schema": "healthcare"})
    assert headers["Accept"] == "text/event-stream" and "Authorization" not in headers


@pytest.mark.parametrize("arguments, asked", [
    (["--from", "2026-01-31", "--to", "2026-01-31T08:30Z"], {"from_ms": 1769817600000, "to_ms": 1769848200000}),
    (["--to", "2026-01-31T08:30:05"], {"to_ms": 1769848205000})])
def test_a_time_is_in_utc(world, fake, arguments, asked):
    fake.rows, fake.cut = ROWS, False
    assert ask(world, fake.server_port, *arguments, "asthma?")[0] == 0
    assert fake.asked[-1][1] == {"question": "asthma?", **asked}


def test_a_time_ago(world, fake):
    fake.rows, fake.cut = ROWS, False
    before = time.time_ns() // 1000000
    assert ask(world, fake.server_port, "--from", "2h", "--to", "90m", "asthma?")[0] == 0
    body = fake.asked[-1][1]
    assert before <= body["from_ms"] + 7200000 <= time.time_ns() // 1000000
    assert before <= body["to_ms"] + 5400000 <= time.time_ns() // 1000000


def test_words_alone_are_said(world, fake):
    fake.rows, fake.cut = [ROWS[0], {**ROWS[2], "lexical": True}], False
    assert "by its words alone" in ask(world, fake.server_port, "asthma?")[1]
    fake.rows = [ROWS[0], {**ROWS[2], "lexical": False}]
    assert "by its words alone" not in ask(world, fake.server_port, "asthma?")[1]


def test_as_one_document(world, fake):
    fake.cut = False
    code, out, _ = ask(world, fake.server_port, "--json", "asthma?")
    assert (code, json.loads(out)) == (0, {"status": "answered"})


def test_what_was_said_may_be_withdrawn(world, fake):
    fake.rows = [ROWS[0], {"kind": "end", "text": UNCOVERED, "status": "refused", "dropped": 0, "reason": "it was withdrawn", "citations": []}]
    code, out, _ = ask(world, fake.server_port, "asthma?")
    assert code == 1
    assert out.splitlines()[1:] == ["", "What was said so far is withdrawn.", UNCOVERED, "  refused: it was withdrawn"]


def test_an_answer_that_breaks_off(world, fake):
    fake.rows, fake.cut = ROWS, True
    code, out, error = ask(world, fake.server_port, "asthma?")
    assert code == 5 and "broke off" in error and UNCOVERED not in out


def test_a_token_and_a_refusal(world):
    code, _, error = ask(world, world.port, "asthma?")
    assert code == 1 and "401" in error and "--token" in error
    for arguments, env in ((["--token", "file:token"], None), ([], {"DATAVAULT_TOKEN": TOKEN})):
        code, out, error = ask(world, world.port, *arguments, "asthma?", env=env)
        assert (code, error) == (1, "")
        assert out == f"{UNCOVERED}\n  refused: no record is close enough to the question\n"
        assert TOKEN not in out + error


@pytest.mark.parametrize("arguments, code, word", [
    ([], 2, "in quotes"), (["a", "b"], 2, "in quotes"), (["--nonsense", "a"], 2, "nonsense"), (["x" * 70000], 2, "longer"),
    (["--url", "ftp://x", "a"], 2, "--url"), (["--token", "abc", "a"], 3, ""), (["--url", f"http://127.0.0.1:{free_port()}", "a"], 5, "127.0.0.1"), (["--url", f"http://127.0.0.1:{free_port()}", "a"], 5, "datavault run conf/ask.yaml"),
    (["--from", "yesterday", "a"], 2, "--from is a time ago"), (["--to", "2026-02-30", "a"], 2, "--to is a time ago"),
    (["--from", "1h", "--to", "2h", "a"], 2, "nothing is between"),
    (["--graph", "x.yaml", "--conversation", "new", "a"], 2, "a server's"), (["--graph", "none.yaml", "a"], 3, "none.yaml"),
    (["--graph", "mute.yaml", "a"], 3, "no source that takes questions"),
    (["--graph", "leaks.yaml", "a"], 4, "P001"), (["--graph", "lost.yaml", "lost"], 1, "taken out on its way")])
def test_mistakes(world, arguments, code, word):
    done = world.run("ask", *arguments)
    assert done.returncode == code and word in done.stderr.decode(), done.stderr


def test_help_has_examples(world):
    done = world.run("ask", "--help")
    assert done.returncode == 0 and 'datavault ask "which conditions are rising?"' in done.stdout.decode()


@pytest.mark.parametrize("parts", ["nowhere", str(ROOT / "parts")])
def test_the_shipped_graph_answers(tmp_path, parts):
    """conf/ask.yaml as it is: what is told of invented patients is kept, found by its words or by what it means, and cited."""
    with QueryWorld(tmp_path, datasets=("healthcare", "reviews")) as world:
        for name in ("ask.yaml", "policies/questions.yaml", "policies/reviews.yaml", "policies/hipaa-safe-harbor.yaml"):
            world.path(name).write_text((ROOT / "conf" / name).read_text())
        port = free_port()
        env = {"ASK_LISTEN": f"127.0.0.1:{port}", "DV_KEYRING": "keys", "DV_STATE": "state", "DV_VECTORS": "vectors.sqlite",
               "DV_REVIEWS": "reviews.sqlite", "DV_PARTS": parts, "DV_CONVERSATIONS": "conversations.sqlite"}
        process = world.start("run", "ask.yaml", env=env)

        def answered():
            code, out, _ = ask(world, port, "how is hypertension?")
            return out if code == 0 and "hypertension is number" in out else None
        out = wait_for(answered, 60, 0.5)
        assert out, process.log.read_text()
        assert "[1]" in out and "sha256:" in out and "people" in out
        assert ("by its words alone" in out) == (parts == "nowhere")
        assert ("embed.lexical" in process.log.read_text()) == (parts == "nowhere")
        inside(world, env, parts == "nowhere")
        words = out[out.index("datavault review"):].split()[1:4]
        done = world.run(*words, "--url", f"http://127.0.0.1:{port}")
        assert (done.returncode, done.stdout) == (0, b"The review is kept.\n"), done.stderr
        code, _, error = ask(world, port, "--conversation", "new", "how is hypertension?")
        again = ask(world, port, "--conversation", error.split()[1], "why?")
        assert (code, again[0], ask(world, port, "why?")[0]) == (0, 0, 1) and "hypertension" in again[1]
        assert end(process)[0] == 0
        if parts == "nowhere":
            inside_as_json(world, env)


def inside(world, env, lexical):
    """The same in a process of its own, beside the one that makes it."""
    done = world.run("ask", "--graph", "ask.yaml", "how is hypertension?", env=env)
    out = done.stdout.decode()
    assert (done.returncode, done.stderr) == (0, b"") and "hypertension is number" in out and "sha256:" in out
    assert ("by its words alone" in out) == lexical


def inside_as_json(world, env):
    """And when nothing else runs, as POST /v1/query answers."""
    done = world.run("ask", "--graph", "ask.yaml", "--json", "how is hypertension?", env=env)
    answer = json.loads(done.stdout)
    assert (answer["status"], answer["lexical"]) == ("answered", True) and "hypertension is number" in answer["answer"]
    assert answer["answer"] == " ".join(sentence["text"] for sentence in answer["sentences"])
    done = world.run("ask", "--graph", "ask.yaml", "--json", "who won the cup?", env=env)
    assert done.returncode == 1
    answer = json.loads(done.stdout)
    assert (answer["status"], answer["answer"], answer["sentences"]) == ("refused", UNCOVERED, [])

