#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""test_query.py - POST /v1/query against the real program: an answer whole or as it grows, with its citations, or why there is
none; nothing waits for ever, and nobody gets another's answer.

shows: RAG-1 RAG-5 RAG-10 SEC-1
"""
import concurrent.futures
import json
import pathlib
import signal
import socket
import sys

import pytest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "tools"))
from http_world import LINES, ONE, HttpWorld
from server_world import TOKEN, client_context, make_certificate, settings_of
from world import end, get, wait_for

__all__ = ["make_certificate"]  # a fixture, by its name

# What was found comes with the question, as if `search` stood before `rag`.
SCHEMA = """# asked.yaml - a question with its evidence.
name: asked
fields:
  question: { type: text, class: public, required: true }
  evidence: { type: json, class: public }
"""
CHAIN = """  in: { op: source, from: http, schema: asked%s }
  ask: { op: project, after: in, keep: [question, evidence] }
  rag: { op: rag, after: ask, guard: { do: off, reason: what rag itself does with personal data is shown } }
  reply: { op: sink-reply, after: rag }
"""
# Questions that are told so come to no answer, or to a store that nobody can write to.
LOST = """  in: { op: source, from: http, schema: asked%s }
  ask: { op: project, after: in, keep: [question, evidence] }
  lost: { op: route, after: ask, column: question, equals: lost }
  away: { op: sink-null, after: lost.matched }
  late: { op: route, after: lost.rest, column: question, equals: late }
  seal: { op: encrypt, after: late.matched, key: healthcare }
  store: { op: sink-store, after: seal, path: vault.sqlite }
  rag: { op: rag, after: late.rest, guard: { do: off, reason: what rag itself does with personal data is shown } }
  reply: { op: sink-reply, after: rag }
"""
EVENTS = {**ONE, "Accept": "text/event-stream"}
UNCOVERED = "This is not covered by what you may see."


def hit(number, text):
    return {"id": f"018f2c5e-1234-7abc-8def-{number:012d}", "hash": f"{number:064x}", "schema": "healthcare", "at": 1, "score": 0.5, "cosine": 0.6,
            "subject": None, "subjects": 20, "text": text}


def asked(question="What of asthma?", *texts):
    hits = [hit(number, text) for number, text in enumerate(texts or ("Asthma rises: 14 records. Flu is rare.", "Asthma was 7 before."), 1)]
    return json.dumps({"question": question, "evidence": {"lexical": False, "hits": hits}}).encode()


def events_of(raw):
    """[(name, data)] of an event stream."""
    found = []
    for block in raw.decode().split("\n\n"):
        fields = dict(line.split(": ", 1) for line in block.splitlines() if not line.startswith(":"))
        if "event" in fields:
            found.append((fields["event"], json.loads(fields["data"])))
    return found


class QueryWorld(HttpWorld):
    def begin(self, *arguments, nodes=CHAIN, **how):
        self.path("schemas/asked.yaml").write_text(SCHEMA)
        return super().begin(*arguments, nodes=nodes, **how)

    def ask(self, body, headers=ONE, path="/v1/query", **how):
        return self.post(body, headers, path=path, **how)

    def came_to(self, node):
        """How many records."""
        return next(one["records_in"] for one in json.loads(get(self.port, "/v1/stats")[1])["nodes"] if one["name"] == node)

    def figure(self, node, name):
        line = next(line for line in get(self.port, "/metrics")[1].decode().splitlines()
                    if line.startswith("datavault_node_figure{") and f'node="{node}"' in line and f'"{name}"' in line)
        return float(line.rsplit(" ", 1)[1])


@pytest.fixture(name="shared", scope="module")
def make_shared(tmp_path_factory):
    with QueryWorld(tmp_path_factory.mktemp("shared")) as world:
        process = world.begin(", max_body: 64KiB, max_record: 64KiB, queue_bytes: 1MiB")
        yield world
        code, _ = end(process)
        assert code == 0, process.log.read_text()


@pytest.fixture(name="world")
def make_world(tmp_path):
    with QueryWorld(tmp_path) as world:
        yield world
        for process in world.running:
            assert "Sanitizer" not in process.log.read_text()


def test_a_whole_answer(shared):
    answer = shared.ask(asked())
    assert (answer.status, answer.body["status"], answer.body["dropped"]) == (200, "answered", 0)
    assert answer.body["answer"] == "Asthma rises: 14 records [1]. Asthma was 7 before [2]."
    assert [sentence["text"] for sentence in answer.body["sentences"]] == ["Asthma rises: 14 records [1].", "Asthma was 7 before [2]."]
    assert answer.body["citations"] == [{"n": n, "id": hit(n, "")["id"], "hash": hit(n, "")["hash"], "schema": "healthcare",
                                         "at": "1970-01-01T00:00:00.001Z"} for n in (1, 2)]
    assert (answer.body["records"], answer.body["people"]) == (2, 20)
    assert len(answer.body["id"]) == 36


def test_an_answer_as_it_grows(shared):
    answer = shared.ask(asked(), EVENTS)
    assert (answer.status, answer.headers["content-type"]) == (200, "text/event-stream; charset=utf-8")
    events = events_of(answer.raw)
    assert [name for name, _ in events] == ["sentence", "sentence", "end"]
    assert events[0][1]["text"] == "Asthma rises: 14 records [1]." and events[0][1]["citations"][0]["n"] == 1
    assert events[2][1]["status"] == "answered"


@pytest.mark.parametrize("question, reason", [("", "the question is empty"), (" \t ", "the question is empty"),
                                              ("why " * 2000, "the question is too long"),
                                              ("Is it a@b.example?", "the question holds what looks like personal data")])
def test_refusals_have_a_reason(shared, question, reason):
    answer = shared.ask(asked(question))
    assert (answer.status, answer.body["status"], answer.body["reason"]) == (200, "refused", reason)
    assert (answer.body["answer"], answer.body["sentences"], answer.body["citations"]) == (UNCOVERED, [], [])
    name, last = events_of(shared.ask(asked(question), EVENTS).raw)[-1]
    assert (name, last["status"], last["reason"]) == ("end", "refused", reason)


@pytest.mark.parametrize("status, body, headers", [
    (413, asked("x" * 100_000), ONE), (400, b"{", ONE), (400, b"[]", ONE), (422, b'{"question":7}', ONE), (422, b'{"evidence":{}}', ONE),
    (400, asked() + b"\n" + asked(), ONE), (415, asked(), LINES), (415, asked(), {}), (400, b"", ONE),
    (403, asked(), {**ONE, "Origin": "https://evil.example"})])
def test_what_is_no_question(shared, status, body, headers):
    for accept in ({}, {"Accept": "text/event-stream"}):
        answer = shared.ask(body, {**headers, **accept})
        assert (answer.status, answer.body["status"]) == (status, status), answer.body
        assert answer.headers["content-type"] == "application/problem+json"


def test_paths_methods_and_unknown_fields(shared):
    assert shared.ask(asked(), path="/v1/query/in").status == 200
    for path in ("/v1/query/rag", "/v1/query/nobody"):
        assert shared.ask(asked(), path=path).status == 404
    answer = shared.ask(b"", path="/v1/query", method="GET")
    assert (answer.status, answer.headers["allow"]) == (405, "POST")
    more = {**json.loads(asked()), "tenant": "another", "canary": "x-4711"}
    answer = shared.ask(json.dumps(more).encode())
    assert answer.body["status"] == "answered" and b"4711" not in answer.raw


def test_everybody_gets_his_own_answer(shared):
    def one(number):
        answer = shared.ask(asked(f"What of topic{number}?", f"The topic{number} has {number} records."), EVENTS if number % 2 else ONE)
        text = events_of(answer.raw)[0][1]["text"] if number % 2 else answer.body["answer"]
        return answer.status, text == f"The topic{number} has {number} records [1]."
    with concurrent.futures.ThreadPoolExecutor(32) as pool:
        assert set(pool.map(one, range(300))) == {(200, True)}


def test_an_answer_with_fewer_than_k_people_is_refused(shared):
    body = json.loads(asked())
    for found in body["evidence"]["hits"]:
        found.update(subject=1, subjects=1)
    answer = shared.ask(json.dumps(body).encode())
    assert (answer.body["status"], answer.body["reason"]) == ("refused", "what was found is about too few people")
    assert b"14" not in answer.raw.replace(answer.body["id"].encode(), b"")


def test_a_group_does_not_hide_one_person(shared):
    body = json.loads(asked("What of asthma?", "Asthma rises: 14 records.", "Asthma keeps him awake."))
    body["evidence"]["hits"][1].update(subject=1, subjects=1)
    answer = shared.ask(json.dumps(body).encode())
    assert (answer.body["status"], answer.body["answer"], answer.body["people"]) == ("answered", "Asthma rises: 14 records [1].", 20)


def test_what_is_lost_or_late_is_told(world):
    process = world.begin(", answer_within: 2s", nodes=LOST)
    assert world.ask(asked()).status == 200
    lost = world.ask(asked("lost"))
    assert (lost.status, lost.body["detail"].split()[:2]) == (422, ["The", "question"])
    assert world.ask(asked("lost"), EVENTS).status == 422
    with world.standstill():
        late = world.ask(asked("late"))
        assert late.status == 504, late.body
        assert world.ask(asked("late"), EVENTS).status == 504
    assert world.ask(asked()).body["status"] == "answered"
    assert end(process)[0] == 0


def test_a_client_that_leaves(world):
    process = world.begin(nodes=LOST)
    with world.standstill():
        for number in range(20):
            with socket.create_connection(("127.0.0.1", world.port)) as client:
                body, accept = asked("late"), "Accept: text/event-stream\r\n" if number % 2 else ""
                client.sendall(b"POST /v1/query HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n" + accept.encode() +
                               b"Content-Length: %d\r\n\r\n" % len(body) + body)
        assert world.ask(asked()).body["status"] == "answered"
    assert world.ask(asked()).body["status"] == "answered"
    assert end(process)[0] == 0


def test_drains_what_was_asked(world):
    process = world.begin(", answer_within: 20s", nodes=LOST)
    with concurrent.futures.ThreadPoolExecutor(2) as pool:
        with world.standstill():
            waiting = [pool.submit(world.ask, asked("late"), headers) for headers in (ONE, EVENTS)]
            assert wait_for(lambda: world.came_to("seal") == 2, 30)
            process.send_signal(signal.SIGTERM)
            assert wait_for(lambda: get(world.port, "/readyz")[0] != 200, 30)  # it has heard it
        assert [one.result().status for one in waiting] == [422, 422]  # settled without an answer
    assert process.wait(15) == 0


def test_token_and_tls(world, certificate):
    world.begin(settings=settings_of(certificate), host="0.0.0.0", context=client_context())
    assert world.ask(asked()).status == 401
    assert world.ask(asked(), {**ONE, "Authorization": "Bearer " + "x" * 40}).status == 401
    assert world.ask(asked(), {**ONE, "Authorization": f"Bearer {TOKEN}"}).body["status"] == "answered"


def test_a_graph_without_answers(world):
    world.begin(nodes=CHAIN.replace("op: sink-reply", "op: sink-null"))
    answer = world.ask(asked())
    assert (answer.status, "sink-reply" in answer.body["detail"]) == (404, True)


def test_figures_and_no_value_in_the_log(world):
    process = world.begin()
    secret = "zebrafish4711"
    assert world.ask(asked("What of " + secret, secret + " rises.")).body["status"] == "answered"
    assert world.ask(asked("")).body["status"] == "refused"
    assert (world.figure("rag", "answered"), world.figure("rag", "refused")) == (1, 1)
    assert (world.figure("reply", "handed"), world.figure("reply", "unclaimed")) == (3, 0)
    assert secret.encode() not in get(world.port, "/metrics")[1] and secret not in process.log.read_text()
