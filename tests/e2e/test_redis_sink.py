#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""test_redis_sink.py - records, blobs and ids of blobs are added to streams of a real server, whatever becomes of it.

shows: ING-14 BCP-2
"""
import json
import pathlib
import sys
import time

import pytest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "tools"))
import oracle
from redis_server import RedisServer
from world import World, end, wait_for


@pytest.fixture(name="redis")
def make_redis(tmp_path):
    # what it has answered it keeps when it is killed, also while a disk is slow: "everysec" puts a write off that meets a flush
    with RedisServer(tmp_path / "redis", "--appendfsync", "always", aof=True) as server:
        yield server


@pytest.fixture(name="world")
def make_world(tmp_path, datavault):
    with World(tmp_path / "w", datavault) as made:
        yield made


def flat(answer):
    return [(entry.decode(), dict(zip(*[iter(field.decode("latin-1") for field in fields)] * 2))) for entry, fields in answer]


def names(client, stream):
    return {fields["id"] for _, fields in flat(client("XRANGE", stream, "-", "+"))}


SINKS = """  in: { op: source, from: file, path: in.jsonl, schema: healthcare%(follow)s }
  anon: { op: anonymize, after: in, policy: ledger }
  seal: { op: encrypt, after: anon, key: healthcare }
  open: { op: sink-redis, after: anon, url: "redis://127.0.0.1:%(port)d", stream: open }
  blobs: { op: sink-redis, after: seal, url: "redis://127.0.0.1:%(port)d", stream: blobs, as: msgpack, field: blob }
  text: { op: sink-redis, after: seal, url: "redis://127.0.0.1:%(port)d", stream: text, as: base64, max_length: 500 }
  ids: { op: sink-redis, after: seal, url: "redis://127.0.0.1:%(port)d", stream: ids, what: ids }
  store: { op: sink-store, after: seal, path: vault.sqlite }
"""


def test_records_blobs_and_ids_are_added(redis, world):
    ledger = oracle.Ledger(world.path("in.jsonl"))
    ledger.issue(3000)
    done = world.run("run", "--once", world.graph(SINKS % {"port": redis.port, "follow": ""}))
    assert done.returncode == 0, done.stderr
    client = redis.client()
    found = {name: flat(client("XRANGE", name, "-", "+")) for name in ("open", "blobs", "text", "ids")}
    wanted_ids = {str(oracle.uuid.UUID(bytes=row[0])) for row in oracle.rows(world.path("vault.sqlite"))}
    for name in ("open", "blobs", "ids"):
        assert len(found[name]) == 3000 and {fields["id"] for _, fields in found[name]} == wanted_ids
    assert 500 <= len(found["text"]) < 1000
    assert set(found["ids"][0][1]) == {"id", "schema", "created_ms"} and found["ids"][0][1]["schema"] == "healthcare"
    assert json.loads(found["open"][0][1]["data"])["diagnosis"].startswith("Diagnosis")
    world.path("one.msgpack").write_bytes(found["blobs"][7][1]["blob"].encode("latin-1"))
    oracle.store_of(oracle.blobs(world.path("one.msgpack")), world.path("one.sqlite"))
    identity = found["blobs"][7][1]["id"]
    assert world.retrieve(identity, "one.sqlite") == world.retrieve(identity)


def test_the_sink_waits_for_its_server_and_adds_again_under_the_same_id(redis, world):
    ledger = oracle.Ledger(world.path("in.jsonl"))
    ledger.issue(2000)
    process = world.start("run", world.graph(SINKS % {"port": redis.port, "follow": ", follow: true"}))
    client = redis.client()
    assert wait_for(lambda: client("XLEN", "ids") == 2000, 30)
    redis.stop(kill=True)
    ledger.issue(2000)
    time.sleep(1)
    redis.start()
    client = redis.client()
    for name in ("open", "blobs", "ids"):  # some are there twice
        assert wait_for(lambda name=name: len(names(client, name)) == 4000, 30), process.log.read_text()
    assert end(process)[0] == 0, process.log.read_text()
    for name in ("open", "blobs", "ids"):
        assert len(names(client, name)) == 4000


def test_a_key_of_another_type_is_refused_by_the_sink(redis, world):
    redis.client()("SET", "open", "text")
    oracle.Ledger(world.path("in.jsonl")).issue(10)
    done = world.run("run", world.graph(SINKS % {"port": redis.port, "follow": ""}))
    assert done.returncode == 3 and b"the key holds something else than a stream" in done.stderr, done.stderr
