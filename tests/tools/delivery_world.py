#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""delivery_world.py - the fixtures of tests from Redis to PostgreSQL: both servers, a graph between them, and a ledger."""
import pytest

import oracle
from pg_world import KEEPING, make_server, stored
from redis_server import RedisServer
from world import World, events, fast_program, free_port, get, wait_for

FROM_REDIS = 'from: redis, url: "${REDIS_URL}", stream: s, group: datavault, consumer: me'
NODES = KEEPING.replace("from: file, path: in.jsonl", FROM_REDIS).replace(
    "op: sink-store, after: seal, path: vault.sqlite", 'op: sink-pg, after: seal, url: "${PG_URL}"')
__all__ = ["make_redis", "make_server", "make_world"]


@pytest.fixture(name="redis", scope="module")
def make_redis(tmp_path_factory):
    with RedisServer(tmp_path_factory.mktemp("redis"), "--appendfsync", "everysec", aof=True) as server:
        yield server


class Delivery(World):
    """A release, since thousands of entries a round are the point; its graph, and what was issued."""

    def __init__(self, folder, pg, redis):
        super().__init__(folder, fast_program())
        self.pg, self.redis, self.port = pg, redis, free_port()
        self.env = {"PG_URL": pg.url(), "REDIS_URL": f"redis://127.0.0.1:{redis.port}"}
        self.ledger = oracle.StreamLedger()
        self.lay()

    def lay(self, nodes=NODES):
        self.graph(nodes, settings=f"keyring: file:keys\nlisten: 127.0.0.1:{self.port}")

    def migrate(self):
        done = self.run("migrate", "graph.yaml", env=self.env)
        assert done.returncode == 0, done.stderr

    def go(self):
        for old in self.running[:-1]:
            old.log.unlink(missing_ok=True)
        return self.start("run", "graph.yaml", env=self.env)

    def ready(self, process):
        assert wait_for(lambda: get(self.port, "/readyz")[0] == 200 and b"redis.connected" in process.log.read_bytes(), 60), process.log.read_text()

    def pending(self):
        answer = self.redis.client().pipeline([["XPENDING", "s", "datavault"]])[0]
        return answer[0] if isinstance(answer, list) else -1

    def settle(self, seconds=60):
        """Until what was issued is stored and acknowledged, by itself."""
        def over():
            return stored(self.pg) >= len(self.ledger.issued) and self.pending() == 0
        assert wait_for(over, seconds, 0.1), (stored(self.pg), len(self.ledger.issued), self.pending())

    def check(self):
        """0 lost, 0 doubled, 0 foreign; and no record twice under two ids."""
        ids = self.pg.ids()
        assert self.ledger.compare(ids) == ([], [], [])
        assert self.pg.sql("SELECT count(DISTINCT data_hash) FROM datavault.encrypted_blobs") == [[str(len(ids))]]
        return ids

    def check_content(self, identity):
        done = self.run("retrieve", "--config", "graph.yaml", str(oracle.uuid.UUID(bytes=identity)), env=self.env)
        assert oracle.digest(done.stdout.rstrip(b"\n")) == self.ledger.issued[oracle.entry_of(identity)], done.stderr

    def metric(self, name):
        """{labels: value} of a metric's lines."""
        found = {}
        for line in get(self.port, "/metrics")[1].decode().splitlines():
            if line.startswith(name):
                labels, _, value = line[len(name):].rpartition(" ")
                found[labels] = float(value)
        return found


def quantile(values, share):
    """The value that `share` of the values do not exceed."""
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(len(ordered) * share))]


@pytest.fixture(name="world")
def make_world(tmp_path, pg, redis):
    for server in (pg, redis):
        if server.process.poll() is not None:
            server.start()
    redis.client()("FLUSHALL")
    pg.sql("DROP SCHEMA IF EXISTS datavault CASCADE")
    with Delivery(tmp_path / "w", pg, redis) as made:
        made.migrate()
        yield made


def rejected(process):
    return [event for event in events(process.log.read_bytes()) if event["event"] == "record.rejected"]
