#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""test_crash_points.py - the program dies once at each of its labelled points, is started again, and everything is there
once. The list is made from the source: a label that no scenario passes fails, and so does one without a scenario.

DATAVAULT_CRASH_ROUNDS=N dies at the first N passings of each; a later one need not come.

shows: ING-6 STO-2 BCP-2 BCP-8 DEV-2 R2
"""
import fnmatch
import json
import os
import pathlib
import sqlite3
import subprocess
import sys
import time
import uuid

import pytest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "tools"))
import oracle
from faultproxy import FaultProxy
from pg_world import make_server, needs_server, stored
from redis_server import RedisServer
from world import CHAIN, KEEPING, ROOT, World, wait_for

pytestmark = needs_server
__all__ = ["make_server"]  # a fixture, by its name

ROUNDS = int(os.environ.get("DATAVAULT_CRASH_ROUNDS", "1"))
LIST = subprocess.run([sys.executable, ROOT / "tools" / "crash_points"], capture_output=True, text=True, check=False)
LABELS = [line.split("\t")[0] for line in LIST.stdout.splitlines()] if LIST.returncode == 0 else []
KILLED = 137
IDLE = ("SELECT count(*) FROM pg_stat_activity WHERE application_name = 'datavault' AND state = 'idle'"
        " AND state_change < clock_timestamp() - interval '300 ms'")
TO_PG = KEEPING.replace("op: sink-store, after: seal, path: vault.sqlite", 'op: sink-pg, after: seal, timeout: 3s, url: "${PG_URL}"')
FROM_REDIS = TO_PG.replace("from: file, path: in.jsonl", 'from: redis, url: "${REDIS_URL}", stream: s, group: datavault, '
                           "consumer: me, claim_after: 1s")


class Scenario:
    """A way through the program: what is there before, what is run, and what must be there after. `labels` are patterns."""
    labels = ()
    graph = KEEPING
    records = 300

    def __init__(self, world, pg, redis):
        self.world, self.pg, self.redis = world, pg, redis
        world.env = {"PG_URL": pg.url(), "REDIS_URL": f"redis://127.0.0.1:{redis.port}"}
        world.graph(self.graph)
        self.ledger = oracle.Ledger(world.path("in.jsonl"))
        self.prepare()

    def prepare(self):
        self.ledger.issue(self.records)

    def migrate(self):
        self.pg.sql("DROP SCHEMA IF EXISTS datavault CASCADE")
        done = self.world.run("migrate", "graph.yaml", env=self.world.env)
        assert done.returncode == 0, done.stderr

    def act(self, **env):
        """One run to its end: the exit code."""
        self.done = self.world.run("run", "--once", "graph.yaml", env={**self.world.env, **env})
        return self.done.returncode

    def check(self):
        raise NotImplementedError


class FileToStore(Scenario):
    labels = ("lines.*", "checkpoint.*", "replace.*", "sqlite.*", "store.*", "anonymize.*", "encrypt.*", "receipt.*", "drain.closed")

    def check(self):
        store = self.world.path("vault.sqlite")
        assert oracle.compare(self.ledger, store) == ([], [], [])
        some = [row[0] for row in oracle.rows(store)][::150]
        assert oracle.compare_contents(self.ledger, store, self.world.retrieve, some) == []


class Followed(FileToStore):
    """A file that may grow: the run does not end before its checkpoint is saved."""
    labels = ("checkpoint.saved",)
    graph = KEEPING.replace("path: in.jsonl", "path: in.jsonl, follow: true")

    def act(self, **env):
        process = self.world.start("run", "graph.yaml", env={**self.world.env, **env})
        checkpoint = self.world.path("state/t/in.checkpoint")
        whole = f"offset {self.ledger.end}\n".encode()
        assert wait_for(lambda: process.poll() is not None or (checkpoint.exists() and whole in checkpoint.read_bytes()), 60)
        if "DV_CRASH_AT" in env:  # the file is there a moment before it dies
            wait_for(lambda: process.poll() is not None, 5)
        if process.poll() is None:
            process.terminate()
        self.done = process
        return process.wait(60)


class FileToFile(Scenario):
    """A file keeps no ids: what was written and not settled is written again, the same blob of the same id."""
    labels = ("append.*", "sink-file.*")
    graph = KEEPING.replace("op: sink-store, after: seal, path: vault.sqlite",
                            "op: sink-file, after: seal, path: out.msgpack, as: msgpack")

    def check(self):
        found = {blob["id"]: blob for blob in oracle.blobs(self.world.path("out.msgpack"))}
        store = self.world.path("out.sqlite")
        oracle.store_of(found.values(), store)
        assert oracle.compare(self.ledger, store) == ([], [], [])


class FileToVectors(Scenario):
    """Texts that are searched are there once, in the table as in the index of their words."""
    labels = ("vectors.*",)
    graph = """  in: { op: source, from: file, path: in.jsonl, schema: healthcare }
  few: { op: project, after: in, keep: [diagnosis] }
  said: { op: declassify, after: few, columns: [diagnosis], reason: the records of this test are invented }
  words: { op: embed, after: said, columns: [diagnosis], embedder: none }
  keep: { op: sink-vectors, after: words, path: vectors.sqlite }
"""

    def check(self):
        with sqlite3.connect(self.world.path("vectors.sqlite")) as vectors:
            kept = [row[0] for row in vectors.execute("SELECT id FROM embeddings")]
            vectors.execute("INSERT INTO embeddings_words(embeddings_words) VALUES('integrity-check')")
            (indexed,) = vectors.execute("SELECT count(*) FROM embeddings_words_docsize").fetchone()
        assert sorted(map(oracle.offset_of, kept)) == sorted(self.ledger.issued) and indexed == len(kept)


class FileToRedis(Scenario):
    """A stream keeps no ids either; its readers tell an entry by its field `id`."""
    labels = ("sink-redis.*", "retry.waits")
    graph = CHAIN.replace("op: sink-store, after: seal, path: vault.sqlite",
                          'op: sink-redis, after: seal, url: "${REDIS_URL}", stream: out, what: ids')

    def check(self):
        entries = self.redis.client()("XRANGE", "out", "-", "+")
        found = {fields[fields.index(b"id") + 1].decode() for _, fields in entries}
        offsets = sorted(oracle.offset_of(uuid.UUID(identity).bytes) for identity in found)
        assert offsets == sorted(self.ledger.issued)


class RedisToPg(Scenario):
    """A service: it is told to stop when all is stored and acknowledged."""
    labels = ("redis.*", "pg.*", "drain.*")
    graph = FROM_REDIS

    def prepare(self):
        self.ledger = oracle.StreamLedger()
        self.migrate()
        self.fill(self.redis.client())

    def fill(self, client):
        self.ledger.issue(client, self.records)

    def is_over(self, process, client):
        pending = client.pipeline([["XPENDING", "s", "datavault"]])[0]  # an error while there is no group
        settled = isinstance(pending, list) and pending[0] == 0
        hears = "run.proved" in process.log.read_text()  # before, a signal to stop is a death
        return process.poll() is not None or (hears and settled and stored(self.pg) == self.records)

    def begun(self, process):
        """For what must happen meanwhile."""

    def act(self, **env):
        process = self.world.start("run", "graph.yaml", env={**self.world.env, **env})
        client = self.redis.client()
        self.begun(process)
        assert wait_for(lambda: self.is_over(process, client), 60, 0.05), process.log.read_text()
        if process.poll() is None:
            process.terminate()
        self.done = process
        return process.wait(60)

    def check(self):
        ids = self.pg.ids()
        assert self.ledger.compare(ids) == ([], [], [])
        done = self.world.run("retrieve", "--config", "graph.yaml", str(uuid.UUID(bytes=ids[7])), env=self.world.env)
        assert oracle.digest(done.stdout.rstrip(b"\n")) == self.ledger.issued[oracle.entry_of(ids[7])], done.stderr


class TakenOver(RedisToPg):
    """A part of the entries was given to another consumer, which died."""
    labels = ("redis.*claim*",)

    def fill(self, client):
        super().fill(client)
        client("XGROUP", "CREATE", "s", "datavault", "0")
        client("XREADGROUP", "GROUP", "datavault", "dead", "COUNT", "40", "STREAMS", "s", ">")


class Owned(RedisToPg):
    """The table has an owner: the second start takes over from the first."""
    labels = ("pg.fence-*",)
    graph = FROM_REDIS.replace("op: sink-pg,", "op: sink-pg, owner: one,")


class InDoubt(RedisToPg):
    """The connections are lost while puts are under way: nobody knows what was committed."""
    labels = ("pg.dropped", "pg.*check*")
    graph = FROM_REDIS

    def fill(self, client):
        client("XGROUP", "CREATE", "s", "datavault", "0", "MKSTREAM")

    def begun(self, process):
        done = lambda: process.poll() is not None
        if self.ledger.issued:
            return
        assert wait_for(lambda: done() or b"redis.connected" in process.log.read_bytes(), 30)
        assert wait_for(lambda: done() or (self.proxy.opened >= 3 and self.pg.sql(IDLE) == [["2"]]), 30)  # one to look, two to stay
        self.proxy.fault = "black-hole"
        self.ledger.issue(self.redis.client(), self.records)
        assert wait_for(lambda: done() or self.proxy.held > 0, 30), "no put is under way"
        time.sleep(0.3)  # and others, perhaps
        self.proxy.cut_all()
        self.proxy.fault = None

    def act(self, **env):
        with FaultProxy(self.pg.port) as self.proxy:
            self.world.env["PG_URL"] = self.pg.url(port=self.proxy.port)
            code = super().act(**env)
        self.world.env["PG_URL"] = self.pg.url()
        return code


class Poison(Scenario):
    """Lines that are no records and one record that the server refuses: sealed as dead letters, all others stored."""
    labels = ("letter.*", "retry.*", "pg.refused")
    graph = TO_PG
    records = 600

    def prepare(self):
        self.migrate()
        self.ledger.issue(100)
        self.bad = []
        for _ in range(2):
            self.bad.append(self.ledger.end)
            self.ledger.write(b"no record\n")
            self.ledger.issue(self.records // 2)
        self.bad.append(sorted(self.ledger.issued)[333])
        self.pg.sql("ALTER TABLE datavault.encrypted_blobs ADD CONSTRAINT picky CHECK"
                    f" (substr(encode(uuid_send(id), 'hex'), 1, 12) <> '{self.bad[-1]:012x}')")

    def act(self, **env):
        code = super().act(**env)
        return 0 if code == 1 and b"record.rejected" in self.done.stderr else code

    def check(self):
        good = set(self.ledger.issued) - set(self.bad)
        assert sorted(map(oracle.offset_of, self.pg.ids())) == sorted(good)
        # A letter may stand there twice, under one id; its reader keeps one.
        letters = {blob["id"] for blob in oracle.blobs(self.world.path("state/t/dead-letters.msgpack"))}
        assert sorted(map(oracle.offset_of, letters)) == sorted(self.bad)


class ReadBack(Scenario):
    """Records are read from a table and copied into another; what was leased to the dead comes back after a second."""
    labels = ("source-pg.*",)
    graph = TO_PG
    copy = ('  blobs: { op: source, from: pg, reader: embed, records: healthcare, policy: ledger-keeping, url: "${PG_URL}", '
            'lease: 1s, poll: 50ms, follow: false }\n  copy: { op: sink-pg, after: blobs, url: "${PG_URL}", table: copies }\n')

    def prepare(self):
        super().prepare()
        self.migrate()
        self.world.graph(self.copy, name="copy.yaml")
        done = self.world.run("migrate", "copy.yaml", env=self.world.env)
        assert done.returncode == 0, done.stderr
        assert Scenario.act(self) == 0, self.done.stderr

    def act(self, **env):
        if "DV_CRASH_AT" not in env:
            time.sleep(1.2)
        self.done = self.world.run("run", "--once", "copy.yaml", env={**self.world.env, **env})
        return self.done.returncode

    def check(self):
        assert sorted(map(oracle.offset_of, self.pg.ids("datavault.copies"))) == sorted(self.ledger.issued)
        assert self.pg.sql("SELECT count(*) FROM datavault.pending") == [["0"]]


class Replayed(Scenario):
    """A record that was refused is fed again when the server takes it, and its letter is forgotten."""
    labels = ("compact.*",)
    graph = TO_PG

    def prepare(self):
        self.migrate()
        self.ledger.issue(self.records)
        self.pg.sql("ALTER TABLE datavault.encrypted_blobs ADD CONSTRAINT picky CHECK"
                    f" (substr(encode(uuid_send(id), 'hex'), 1, 12) <> '{sorted(self.ledger.issued)[33]:012x}')")
        assert Scenario.act(self) == 1, self.done.stderr
        self.pg.sql("ALTER TABLE datavault.encrypted_blobs DROP CONSTRAINT picky")

    def act(self, **env):
        self.done = self.world.run("dlq", "replay", "graph.yaml", "--all", env={**self.world.env, **env})
        return self.done.returncode

    def check(self):
        assert Scenario.act(self) == 0, self.done.stderr
        assert sorted(map(oracle.offset_of, self.pg.ids())) == sorted(self.ledger.issued)
        assert oracle.blobs(self.world.path("state/t/dead-letters.msgpack")) == []


class Migrate(Scenario):
    labels = ("migrate.*",)
    graph = TO_PG

    def prepare(self):
        super().prepare()
        self.pg.sql("DROP SCHEMA IF EXISTS datavault CASCADE")

    def act(self, **env):
        self.done = self.world.run("migrate", "graph.yaml", env={**self.world.env, **env})
        return self.done.returncode

    def check(self):
        steps = [int(row[0]) for row in self.pg.sql("SELECT version FROM datavault.schema_versions ORDER BY version")]
        assert steps == list(range(1, len(steps) + 1)) and steps
        assert Scenario.act(self) == 0, self.done.stderr
        assert sorted(map(oracle.offset_of, self.pg.ids())) == sorted(self.ledger.issued)


class Rotate(FileToStore):
    """Records were sealed before; they open after, and so do those of the new key."""
    labels = ("keyring.*",)
    records = 20

    def prepare(self):
        super().prepare()
        assert Scenario.act(self) == 0, self.done.stderr

    def act(self, **env):
        self.done = self.world.run("keys", "rotate", "healthcare", "--keyring", "file:keys", env=env)
        return self.done.returncode

    def check(self):
        self.ledger.issue(self.records)
        assert Scenario.act(self) == 0, self.done.stderr
        store = self.world.path("vault.sqlite")
        assert oracle.compare(self.ledger, store) == ([], [], [])
        assert oracle.compare_contents(self.ledger, store, self.world.retrieve, [row[0] for row in oracle.rows(store)][::13]) == []


class Released(Scenario):
    """Windows of noised answers: what was released was paid for first. test_noised.py dies at all other points, too."""
    labels = ("purse.*", "aggregate.noised")
    graph = ("  in: { op: source, from: file, path: in.jsonl, schema: healthcare }\n"
             "  noisy: { op: aggregate, after: in, window: 1d, dp: { epsilon: 0.5 } }\n"
             "  out: { op: sink-file, after: noisy, path: out.jsonl }\n")

    def prepare(self):
        super().prepare()
        done = self.world.run("budget", "set", "graph.yaml", "healthcare", "noisy", "100")
        assert done.returncode == 0, done.stderr

    def check(self):
        account = json.loads(self.world.run("budget", "show", "graph.yaml", "--json").stdout)
        released = len(self.world.path("out.jsonl").read_bytes().splitlines())
        assert released >= 1 and account["spent"] >= 0.5 * released and account["charges"] >= released


SCENARIOS = (FileToStore, Followed, FileToFile, FileToVectors, FileToRedis, RedisToPg, TakenOver, Owned, InDoubt, Poison, ReadBack,
             Replayed, Migrate, Rotate, Released)


def scenario_of(label):
    """Of the scenarios that name a label, the one whose pattern says most."""
    named = [(len(pattern), number) for number, one in enumerate(SCENARIOS) for pattern in one.labels
             if fnmatch.fnmatchcase(label, pattern)]
    return SCENARIOS[max(named)[1]] if named else None


@pytest.fixture(name="redis", scope="module")
def make_redis(tmp_path_factory):
    with RedisServer(tmp_path_factory.mktemp("redis")) as server:
        yield server


def test_the_list_is_whole():
    assert LIST.returncode == 0, LIST.stdout
    assert len(LABELS) >= 40
    assert [label for label in LABELS if scenario_of(label) is None] == [], "add these labels to a scenario"


@pytest.mark.parametrize("nth", range(1, ROUNDS + 1))
@pytest.mark.parametrize("label", LABELS)
def test_died_there_and_nothing_is_lost_or_doubled(label, nth, tmp_path, datavault, pg, redis):
    if label.encode() not in pathlib.Path(datavault).read_bytes():
        pytest.skip("this program is a release: it has no crash points")
    redis.client()("FLUSHALL")
    with World(tmp_path / "w", datavault) as world:
        scenario = scenario_of(label)(world, pg, redis)
        code = scenario.act(DV_CRASH_AT=f"{label}:{nth}")
        said = scenario.done.log.read_text() if hasattr(scenario.done, "log") else scenario.done.stderr
        assert code == KILLED or (nth > 1 and code == 0), f"{label} was never passed ({code}): {said}"
        assert scenario.act() == 0, scenario.done
        scenario.check()
