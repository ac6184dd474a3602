#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""test_conversations_reload.py - conversations while a graph is read again: a question that waits for its conversation meets another
source, and the nodes come and go.

shows: RAG-11
"""
import contextlib
import json
import socket
import sqlite3

import pytest

from test_conversations import TALK, TalkWorld
from world import end


@pytest.fixture(name="world")
def make_world(tmp_path):
    with TalkWorld(tmp_path) as world:
        yield world
        for process in world.running:
            assert "Sanitizer" not in process.log.read_text()


@pytest.mark.parametrize("path, changed, status", [("/v1/query", "max_body: 64KiB", 200), ("/v1/query/in", "door", 503)])
def test_the_source_goes_while_a_question_waits_for_its_conversation(world, path, changed, status):
    world.begin()
    identity = world.new()
    other = sqlite3.connect(world.path("talks.sqlite"), isolation_level=None, timeout=20)
    graph = world.path("graph.yaml")
    text = graph.read_text()
    graph.write_text(text.replace("  in: {", "  door: {").replace("after: in,", "after: door,") if changed == "door" else
                     text.replace("max_body: 128KiB, max_record: 128KiB", changed + ", max_record: 64KiB"))
    assert graph.read_text() != text
    other.execute("BEGIN IMMEDIATE")
    body = json.dumps({"question": "What of asthma?", "conversation": identity})
    sent = [("/v1/conversations", "")] * 3 + [(path, body)]  # the question stands behind those that cannot write now
    with contextlib.ExitStack() as stack:
        clients = []
        for where, what in sent:
            clients.append(stack.enter_context(socket.create_connection(("127.0.0.1", world.port), timeout=30)))
            clients[-1].sendall(f"POST {where} HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: {len(what)}\r\n"
                                f"Connection: close\r\n\r\n{what}".encode())
            assert world.post(b"", path="/readyz", method="GET").status == 200  # by now it has come
        reloaded = world.post(b"", path="/v1/reload", method="POST")
        assert reloaded.status == 200, reloaded.raw
        other.execute("ROLLBACK")
        answers = [client.makefile("rb").read() for client in clients]
    other.close()
    assert int(answers[-1].split()[1]) == status and {int(answer.split()[1]) for answer in answers[:-1]} <= {201, 503}, answers
    assert world.say(identity).body["status"] == "answered" and len(world.turns(identity)) == (2 if status == 200 else 1)


def test_conversations_come_and_go_by_reload(world):
    nodes = TALK.replace("after: talk,", "after: ask,").replace("whole", "question").replace(", history: history", "")
    process = world.begin(nodes="".join(line for line in nodes.splitlines(True) if "talk" not in line))
    graph = world.path("graph.yaml")
    head, tail = graph.read_text().split("  in: ", 1)[0], TALK.replace("%s", "")
    assert world.say(None).body["status"] == "answered"
    graph.write_text(head + tail)
    reloaded = world.post(b"", path="/v1/reload", method="POST")
    assert reloaded.status == 200, reloaded.raw
    identity = world.new()
    assert world.say(identity).status == 200 and [turn["status"] for turn in world.settled(identity)] == ["answered"]
    alone = nodes.replace("%s", "").splitlines(True)
    graph.write_text(head + "".join(line for line in alone if "op: conversation" not in line))
    refused = world.post(b"", path="/v1/reload", method="POST")
    assert refused.status == 422 and b"C236" in refused.raw, refused.raw
    assert world.say(identity, "and why?").status == 200 and len(world.turns(identity)) == 2
    graph.write_text(head + "".join(line for line in alone if "talk" not in line))
    assert world.post(b"", path="/v1/reload", method="POST").status == 200
    assert world.say(None).body["status"] == "answered" and world.call("GET").status == 404
    assert end(process)[0] == 0
