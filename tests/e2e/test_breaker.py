#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""test_breaker.py - circuit breakers as an operator sees them: in /readyz, in /metrics and in the statistics; and how late the
loop is.

shows: BCP-2 R12 R18 OBS-1
"""
import json
import pathlib
import re
import sys
import time

import pytest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "tools"))
from redis_server import RedisServer
from world import World, end, free_port, get, wait_for

GRAPH = """  in: { op: source, from: file, path: in.jsonl, schema: healthcare, follow: true }
  anon: { op: anonymize, after: in, policy: ledger }
  out: { op: sink-redis, after: anon, url: "redis://127.0.0.1:%d", stream: out }
"""


@pytest.fixture(name="world")
def make_world(tmp_path, datavault):
    with World(tmp_path / "w", datavault) as made:
        yield made


def metric(port, name, labels):
    found = re.search(rf"^{name}{{{labels}[^}}]*}} (\S+)$", get(port, "/metrics")[1].decode(), re.M)
    return float(found.group(1)) if found else None


def breakers(port):
    return json.loads(get(port, "/readyz")[1])["breakers"]


def node(port, name):
    return next(found for found in json.loads(get(port, "/v1/stats")[1])["nodes"] if found["name"] == name)


def test_an_outage_opens_the_circuit_and_its_end_closes_it(tmp_path, world):
    redis, port = RedisServer(tmp_path / "redis"), free_port()
    world.write("in.jsonl", *({"patient_id": f"P{number}", "age": 40, "diagnosis": "flu"} for number in range(100)))
    began = time.time() * 1000
    process = world.start("run", world.graph(GRAPH % redis.port, f'keyring: file:keys\nlisten: "127.0.0.1:{port}"'))
    assert wait_for(lambda: get(port, "/readyz")[0] == 503 and breakers(port).get("out", {}).get("breaker") == "open", 30)
    told = breakers(port)["out"]
    assert told["breaker_reason"] == "connection refused" and told["breaker_opened_total"] == 1
    assert began - 1000 <= told["breaker_since_ms"] <= time.time() * 1000 + 1000
    assert metric(port, "datavault_breaker_state", 'node="out"') in (1, 2)
    assert metric(port, "datavault_breaker_opened_total", 'node="out"') == 1
    assert metric(port, "datavault_breaker_state", 'node="in"') == 0, "the file is well"
    assert metric(port, "datavault_breaker_state", 'node="anon"') is None, "it depends on nothing"
    assert node(port, "out")["breaker"] in ("open", "half-open") and "breaker" not in node(port, "anon")
    with redis:
        assert wait_for(lambda: get(port, "/readyz")[0] == 200 and not breakers(port), 30)
        assert metric(port, "datavault_breaker_state", 'node="out"') == 0
        assert wait_for(lambda: redis.client()("XLEN", "out") == 100, 30)
        assert node(port, "out")["breaker"] == "closed" and node(port, "out")["breaker_opened_total"] == 1
    assert wait_for(lambda: "out" in breakers(port), 30), "and once more"
    assert metric(port, "datavault_breaker_opened_total", 'node="out"') == 2
    assert end(process)[0] == 0


@pytest.mark.alone
def test_the_loop_measures_how_late_it_is(world):
    port = free_port()
    world.write("in.jsonl")
    nodes = GRAPH[:GRAPH.index("  out:")] + "  out: { op: sink-file, after: anon, path: out.jsonl }\n"
    process = world.start("run", world.graph(nodes, f'keyring: file:keys\nlisten: "127.0.0.1:{port}"'))
    assert wait_for(lambda: get(port, "/readyz")[0] == 200, 30)
    first = json.loads(get(port, "/v1/stats")[1])
    time.sleep(1)
    last = json.loads(get(port, "/v1/stats")[1])
    seen, passed = last["loop_lag"]["count"] - first["loop_lag"]["count"], last["time_ms"] - first["time_ms"]
    assert abs(seen - passed) <= 0.1 * passed + 20, "one for each millisecond"
    text = get(port, "/metrics")[1].decode()
    edges = [float(edge) for edge in re.findall(r'^datavault_loop_lag_seconds_bucket{le="([0-9.]+)"}', text, re.M)]
    assert any(0.005 < edge <= 0.01 for edge in edges) and edges == sorted(edges)
    assert end(process)[0] == 0
