#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""test_stall.py - alive but stuck: servers that are stopped or never answer are told within the time of `stall`, by name, and
the alarm ends by itself; a process that shall end then does.

shows: BCP-2 R12
"""
import contextlib
import json
import os
import pathlib
import re
import signal
import sys
import time

import pytest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "tools"))
from faultproxy import FaultProxy
from pg_world import FOLLOWED, make_server, make_world, needs_server, stored
from redis_server import RedisServer
from world import World, end, events, free_port, get, wait_for

__all__ = ["make_server", "make_world"]  # fixtures, by their names
STALL_S, LATE_S = 2, 5
TO_REDIS = """  in: { op: source, from: file, path: in.jsonl, schema: healthcare, follow: true }
  anon: { op: anonymize, after: in, policy: ledger }
  out: { op: sink-redis, after: anon, url: "redis://127.0.0.1:%d", stream: out }
"""
FROM_REDIS = """  in: { op: source, from: redis, url: "redis://127.0.0.1:%d", stream: s, consumer: me, schema: healthcare }
  anon: { op: anonymize, after: in, policy: ledger }
  out: { op: sink-file, after: anon, path: out.jsonl }
"""


@pytest.fixture(name="alone")
def make_alone(tmp_path, datavault):
    with World(tmp_path / "alone", datavault) as made:
        yield made


def settings(port, more=""):
    return f'keyring: file:keys\nlisten: "127.0.0.1:{port}"\nstall: {STALL_S}s\n{more}'


def more_records(world, count=20):
    with open(world.path("in.jsonl"), "a", encoding="utf-8") as out:
        out.writelines(json.dumps({"patient_id": f"P{n}", "diagnosis": "flu"}) + "\n" for n in range(count))


def stall(port):
    body = get(port, "/readyz")[1]
    found = json.loads(body)["stall"] if body else "ok"
    return None if found == "ok" else found["node"]


def stalled_metric(port):
    return int(re.search(r"^datavault_stalled (\d)", get(port, "/metrics")[1].decode(), re.M).group(1))


def family(process):
    """A server's process and its children."""
    children = pathlib.Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text(encoding="ascii")
    return [process.pid, *map(int, children.split())]


@contextlib.contextmanager
def stopped(process):
    pids = family(process)
    for pid in pids:
        os.kill(pid, signal.SIGSTOP)
    try:
        yield
    finally:
        for pid in pids:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGCONT)


def seen_and_over(port, process, node, trouble, work):
    """`trouble` is a context in which `work` cannot be finished."""
    assert wait_for(lambda: get(port, "/readyz")[0] == 200, 60) and stall(port) is None
    with trouble:
        work()
        began = time.monotonic()
        assert wait_for(lambda: stall(port) == node, STALL_S + LATE_S), get(port, "/readyz")
        assert STALL_S * 0.5 <= time.monotonic() - began <= STALL_S + LATE_S
        assert get(port, "/readyz")[0] == 503 and stalled_metric(port) == 1
    assert wait_for(lambda: stall(port) is None, 60) and stalled_metric(port) == 0
    assert end(process)[0] == 0
    told = [event["event"] for event in events(process.log.read_bytes()) if event["event"].startswith("graph.")]
    assert told == ["graph.stalled", "graph.moves-again"], "each is told once"


def test_redis_is_stopped_in_front_of_a_sink(tmp_path, alone):
    port = free_port()
    with RedisServer(tmp_path / "redis") as redis:
        alone.write("in.jsonl")
        process = alone.start("run", alone.graph(TO_REDIS % redis.port, settings(port)))
        seen_and_over(port, process, "out", stopped(redis.process), lambda: more_records(alone))


def test_redis_is_stopped_behind_a_source(tmp_path, alone):
    port = free_port()
    with RedisServer(tmp_path / "redis") as redis, FaultProxy(redis.port) as proxy:
        process = alone.start("run", alone.graph(FROM_REDIS.replace("consumer: me", "consumer: me, command_timeout: 1s, block: 1s")
                                                 % proxy.port, settings(port)))
        seen_and_over(port, process, "in", stopped(redis.process), lambda: None)


def test_a_server_takes_what_it_is_sent_and_never_answers(tmp_path, alone):
    port = free_port()
    with RedisServer(tmp_path / "redis") as redis, FaultProxy(redis.port) as proxy:
        @contextlib.contextmanager
        def silence():
            proxy.fault = "black-hole"
            yield
            proxy.fault = None
            proxy.cut_all()
        alone.write("in.jsonl")
        process = alone.start("run", alone.graph(TO_REDIS % proxy.port, settings(port)))
        seen_and_over(port, process, "out", silence(), lambda: more_records(alone))


@needs_server
def test_postgresql_is_stopped(world, pg):
    port = free_port()
    world.graph(FOLLOWED % "", settings(port))
    world.ledger.issue(50)
    process = world.start("run", "graph.yaml", env=world.env)
    assert wait_for(lambda: stored(pg) == 50, 60)
    seen_and_over(port, process, "store", stopped(pg.process), lambda: world.ledger.issue(50))
    assert stored(pg) == 100


@needs_server
def test_a_stall_ends_the_process_where_that_is_asked_for(world, pg):
    port = free_port()
    world.graph(FOLLOWED % "", settings(port, "stall_exit: true\ndrain: 1s"))
    world.ledger.issue(10)
    process = world.start("run", "graph.yaml", env=world.env)
    assert wait_for(lambda: stored(pg) == 10, 60)
    with stopped(pg.process):
        world.ledger.issue(10)
        process.wait(60)
    assert process.returncode == 5, process.log.read_text()
    assert "stalled" in process.log.read_text()


def test_rest_is_no_stall(alone):
    port = free_port()
    alone.write("in.jsonl")
    process = alone.start("run", alone.graph(TO_REDIS[:TO_REDIS.index("  out:")]
                                             + "  out: { op: sink-file, after: anon, path: out.jsonl }\n", settings(port)))
    for _ in range(3):
        more_records(alone)
        time.sleep(STALL_S * 0.9)
        assert stall(port) is None and get(port, "/readyz")[0] == 200
    assert end(process)[0] == 0
