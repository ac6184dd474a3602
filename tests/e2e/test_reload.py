#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""test_reload.py - a graph that is reloaded while it works: Redis to PostgreSQL and a file, with keys rotated, nodes changed,
added and taken away, and files that are wrong. None lost, none twice, and nobody who looks on is dropped.

DATAVAULT_RELOADS=1000 reloads so many times instead of 100; every fifth one rotates the keys before.

shows: ING-6 BCP-2 MIS-3 MIS-6
"""
import collections
import http.client
import json
import os
import pathlib
import re
import signal
import sys
import threading
import time

import pytest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "tools"))
import oracle
from pg_world import make_server, migrate, needs_server
from redis_server import RedisServer
from world import World, end, events, free_port, get, wait_for

pytestmark = needs_server
__all__ = ["make_server"]  # a fixture, by its name

RELOADS = int(os.environ.get("DATAVAULT_RELOADS", "100"))
GRAPH = """  in: {{ op: source, from: redis, url: "redis://127.0.0.1:{redis}", stream: s, consumer: me, schema: healthcare, block: {block} }}
  anon: {{ op: anonymize, after: in, policy: ledger }}
  seal: {{ op: encrypt, after: anon, key: healthcare }}
  store: {{ op: sink-pg, after: seal, url: "${{PG_URL}}"{store} }}
  trail: {{ op: sink-file, after: anon, path: trail.jsonl{trail} }}
  trends: {{ op: aggregate, after: anon, by: diagnosis, window: {window} }}
  live: {{ op: sink-sse, after: trends }}
{more}"""
OWN_TIME = {"window": "200ms, time: record"}  # twice in a row: a window that is open is told by a reload that leaves its node
PLAIN = {"block": "100ms", "store": "", "trail": "", "window": "200ms", "more": ""}
# What each reload changes of PLAIN, and how it must end.
VARIANTS = [
    ({}, "done"),
    ({"trail": ", sync: none", **OWN_TIME}, "done"),
    ({"block": "50ms", **OWN_TIME}, "done"),
    ({"more": "  extra: { op: sink-null, after: trends }\n"}, "done"),
    ({"more": "  leak: { op: sink-file, after: in, path: leak.jsonl }\n"}, "invalid"),
    ({"window": "300ms"}, "done"),
    ({"more": "  broken: [\n"}, "invalid"),
    ({"store": ", timeout: 9s"}, "done"),
    ({"store": ", schema: nowhere"}, "rolled-back"),
    ({"more": "  extra: { op: sink-null, after: anon }\n  more: { op: sink-null, after: trends }\n"}, "done"),
]


class Looker(threading.Thread):
    """Follows the live stream on one connection, and asks /metrics all the time."""

    def __init__(self, port):
        super().__init__(daemon=True)
        self.port, self.ending = port, threading.Event()
        self.nodes, self.faults = [], []
        self.follower = threading.Thread(target=self.follow, daemon=True)

    def follow(self):
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=30)
        connection.request("GET", "/v1/events")
        answer = connection.getresponse()
        name = b""
        while not self.ending.is_set():
            line = answer.readline()
            if not line:
                self.faults.append("the stream ended")
                return
            name = line[7:].strip() if line.startswith(b"event: ") else name
            if name == b"stats" and line.startswith(b"data: "):
                self.nodes = [node["name"] for node in json.loads(line[6:])["nodes"]]
        connection.close()

    def run(self):
        self.follower.start()
        while not self.ending.wait(0.05):
            status, _ = get(self.port, "/metrics")
            if status != 200:
                self.faults.append(f"/metrics: {status}")

    def stop(self):
        self.ending.set()
        self.join()
        self.follower.join()
        return self.faults


class Feeder(threading.Thread):
    def __init__(self, ledger, client):
        super().__init__(daemon=True)
        self.ledger, self.client, self.ending = ledger, client, threading.Event()

    def run(self):
        while not self.ending.wait(0.02):
            self.ledger.issue(self.client, 10)

    def stop(self):
        self.ending.set()
        self.join()


class Running:
    """The program on a graph that can be written anew."""

    def __init__(self, world, redis):
        self.world, self.redis, self.port = world, redis, free_port()
        self.process = None

    def write(self, **changes):
        text = GRAPH.format(redis=self.redis.port, **{**PLAIN, **changes})
        self.world.graph(text, f'keyring: file:keys\nlisten: "127.0.0.1:{self.port}"')

    def start(self):
        env = {**self.world.env, "ASAN_OPTIONS": "quarantine_size_mb=1:" + os.environ.get("ASAN_OPTIONS", "")}
        self.process = self.world.start("run", "--json", "graph.yaml", env=env)
        assert wait_for(lambda: get(self.port, "/readyz")[0] == 200, 30), self.log()

    def log(self):
        return self.process.log.read_bytes().decode(errors="replace")[-3000:]

    def counts(self):
        status, body = get(self.port, "/metrics")
        assert status == 200, self.log()
        return {result: int(count) for result, count in
                re.findall(r'datavault_reloads_total{result="([a-z-]+)"} (\d+)', body.decode())}

    def reload(self):
        """How it ended."""
        before = self.counts()
        self.process.send_signal(signal.SIGHUP)
        after = wait_for(lambda: (now := self.counts()) != before and now, 30)
        assert after, self.log()
        (result,) = [result for result in after if after[result] != before[result]]
        return result

    def post(self, **headers):
        """POST /v1/reload: (status, what its JSON says)."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=30)
        connection.request("POST", "/v1/reload", headers=headers)
        answer = connection.getresponse()
        body = json.loads(answer.read())
        connection.close()
        assert answer.getheader("content-type") == ("application/json" if answer.status == 200 else "application/problem+json")
        return answer.status, body

    def begun(self):
        """How many reloads."""
        return sum(event.get("event") == "reload.begun" for event in events(self.process.log.read_bytes()))

    def settle(self, pg, count):
        """So many are stored, and nothing is on its way any more."""
        def over():
            return len(pg.ids()) == count and self.redis.client()("XPENDING", "s", "datavault")[0] == 0
        assert wait_for(over, 30), self.log()

    def nodes(self):
        return [node["name"] for node in json.loads(get(self.port, "/v1/graph")[1])["nodes"]]

    def resident(self):
        return int(re.search(r"VmRSS:\s+(\d+)", pathlib.Path(f"/proc/{self.process.pid}/status").read_text()).group(1)) * 1024


@pytest.fixture(name="running")
def make_running(tmp_path, datavault, pg):
    pg.sql("DROP SCHEMA IF EXISTS datavault CASCADE")
    with RedisServer(tmp_path / "redis") as redis, World(tmp_path / "w", datavault) as world:
        world.env = {"PG_URL": pg.url()}
        running = Running(world, redis)
        running.write()
        migrate(world)
        running.start()
        yield running


def backends(pg):
    return {row[0] for row in pg.sql("SELECT pid FROM pg_stat_activity WHERE application_name = 'datavault'")}


def key_versions(pg):
    return {int(row[0].split("/")[2]) for row in pg.sql("SELECT DISTINCT key_ref FROM datavault.encrypted_blobs")}


def rotate(world):
    done = world.run("keys", "rotate", "--keyring", "file:keys", "healthcare")
    assert done.returncode == 0, done.stderr


def trail(world):
    """How often each patient is in the file, where a record that is written twice shows."""
    lines = world.path("trail.jsonl").read_text().splitlines()
    return collections.Counter(json.loads(line)["patient_id"] for line in lines)


def test_many_reloads_under_load_lose_and_double_nothing(running, pg):
    world, ledger = running.world, oracle.StreamLedger()
    client, looker = running.redis.client(), Looker(running.port)
    feeder = Feeder(ledger, client)
    feeder.start()
    looker.start()
    rotations, resident, extra = 0, [], False
    for number in range(RELOADS):
        changes, expected = VARIANTS[number % len(VARIANTS)]
        if number % 5 == 0:
            rotate(world)
            rotations += 1
        running.write(**changes)
        assert running.reload() == expected, (number, changes, running.log())
        extra = "extra" in changes.get("more", "") if expected == "done" else extra
        assert ("extra" in running.nodes()) == extra, (number, changes)
        assert wait_for(lambda: get(running.port, "/readyz")[0] == 200, 30), running.log()
        resident.append(running.resident())
    feeder.stop()
    assert wait_for(lambda: len(pg.ids()) >= len(ledger.issued), 30), running.log()
    names = running.nodes()
    assert wait_for(lambda: looker.nodes == names, 30), "the stream does not show the newest graph"
    assert looker.stop() == []
    assert end(running.process)[0] == 0, running.log()
    assert ledger.compare(pg.ids()) == ([], [], [])
    assert wait_for(lambda: len(trail(world)) == len(ledger.issued), 1) and set(trail(world).values()) == {1}
    assert max(key_versions(pg)) == rotations + 1, "the newest key did not reach the running graph"
    assert max(resident[RELOADS // 2:]) < max(resident[:RELOADS // 2]) + (16 << 20), resident


def test_an_unchanged_sink_keeps_its_connections(running, pg):
    before = wait_for(lambda: (found := backends(pg)) and len(found) == 2 and found, 30)
    for changes in ({"block": "50ms"}, {"window": "300ms"}, {}):
        running.write(**changes)
        assert running.reload() == "done"
        assert backends(pg) == before
    running.write(store=", timeout: 8s")
    assert running.reload() == "done"
    assert wait_for(lambda: len(backends(pg)) == 2 and not backends(pg) & before, 30)
    assert end(running.process)[0] == 0, running.log()


def test_what_needs_a_restart_is_named(running):
    text = running.world.path("graph.yaml").read_text()
    running.world.path("graph.yaml").write_text(text.replace("state: state", "state: elsewhere"))
    assert running.reload() == "invalid"
    assert "`state` cannot be changed while the graph runs" in running.log()
    assert "restart datavault" in running.log()


def changed_nodes(running):
    return [event["node"] for event in events(running.process.log.read_bytes()) if event.get("event") == "reload.changed"]


def test_a_policy_file_is_looked_at_too(running):
    policy = running.world.path("policies/ledger.yaml")
    policy.write_text(policy.read_text().replace("outcome: keep", "outcome: drop"))
    assert running.reload() == "done"
    assert changed_nodes(running) == ["anon", "seal", "trail", "trends"], running.log()


def test_an_exit_follows_the_detectors_of_a_policy(running):
    policy = running.world.path("policies/ledger.yaml")
    text = policy.read_text()
    changed = []
    for pattern in ("ST-1", "ST-2"):
        policy.write_text(f"{text}detectors:\n  - {{ name: STUDY_ID, pattern: {pattern} }}\n")
        assert running.reload() == "done", running.log()
        changed.append(changed_nodes(running)[sum(map(len, changed)):])
    assert changed == [["anon", "trail", "live"]] * 2, running.log()


def test_a_sink_that_is_down_refuses_the_reload_and_the_graph_goes_on(running, pg):
    text = running.world.path("graph.yaml").read_text().replace("state: state", "state: state\ndrain: 500ms")
    running.world.path("graph.yaml").write_text(text)
    assert running.reload() == "done"
    ledger = oracle.StreamLedger()
    pg.sql("ALTER TABLE datavault.encrypted_blobs RENAME TO away")
    ledger.issue(running.redis.client(), 20)
    assert wait_for(lambda: get(running.port, "/readyz")[0] == 503, 30)
    running.world.path("graph.yaml").write_text(text.replace("block: 100ms", "block: 50ms"))
    start = time.monotonic()
    assert running.reload() == "busy" and time.monotonic() - start < 5
    pg.sql("ALTER TABLE datavault.away RENAME TO encrypted_blobs")
    running.settle(pg, 20)
    assert running.reload() == "done"
    assert ledger.compare(pg.ids()) == ([], [], [])
    assert end(running.process)[0] == 0, running.log()


def test_a_request_is_answered_when_its_reload_has_ended(running):
    running.write(more="  web: { op: source, from: http, schema: healthcare }\n  hide: { op: anonymize, after: web, policy: ledger }\n"
                       "  sink: { op: sink-null, after: hide }\n")
    status, body = running.post()
    assert status == 200, body
    assert body.pop("took_ms") >= 0
    assert sorted(body.pop("added")) == ["hide", "sink", "web"]
    assert body == {"result": "done", "changed": [], "removed": [], "unchanged": 7}
    running.write(block="50ms", more="  leak: { op: sink-file, after: in, path: leak.jsonl }\n")
    status, body = running.post()
    assert (status, body["status"], body["result"]) == (422, 422, "invalid")
    finding = body["findings"][0]
    assert finding["file"] == "graph.yaml" and finding["line"] > 1 and finding["code"][0] == "P" and finding["message"]
    running.write(store=", schema: nowhere")
    status, body = running.post()
    assert (status, body["result"]) == (503, "rolled-back") and "no such schema" in body["detail"]
    assert running.post(Host="elsewhere.example")[0] == 421
    assert running.post(Origin="http://elsewhere.example")[0] == 403
    assert end(running.process)[0] == 0, running.log()


def test_one_reload_at_a_time_and_its_client_may_leave(running, pg):
    text = running.world.path("graph.yaml").read_text().replace("state: state", "state: state\ndrain: 2s")
    running.world.path("graph.yaml").write_text(text)
    assert running.post()[0] == 200
    ledger = oracle.StreamLedger()
    pg.sql("ALTER TABLE datavault.encrypted_blobs RENAME TO away")
    ledger.issue(running.redis.client(), 20)
    assert wait_for(lambda: get(running.port, "/readyz")[0] == 503, 30)
    running.world.path("graph.yaml").write_text(text.replace("block: 100ms", "block: 50ms"))
    leaver = http.client.HTTPConnection("127.0.0.1", running.port, timeout=30)
    begun = running.begun()
    leaver.request("POST", "/v1/reload")
    assert wait_for(lambda: running.begun() > begun, 30)
    assert running.post()[0] == 409
    leaver.close()
    assert wait_for(lambda: running.counts()["busy"] == 1, 30), running.log()
    status, body = running.post()
    assert (status, body["result"]) == (503, "busy") and "held last by 'store'" in body["detail"]
    pg.sql("ALTER TABLE datavault.away RENAME TO encrypted_blobs")
    running.settle(pg, 20)
    status, body = running.post()
    assert status == 200 and "in" in body["changed"]
    assert end(running.process)[0] == 0, running.log()
