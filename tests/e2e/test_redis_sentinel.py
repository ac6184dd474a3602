#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""test_redis_sentinel.py - the master dies, three real sentinels promote its replica, and both source and sink go there by
themselves: nothing that two servers had is lost, nothing is in the store twice.

shows: ING-3 ING-5 ING-6 BCP-2 BCP-8
"""
import pathlib
import subprocess
import sys
import time

import pytest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "tools"))
import oracle
from redis_group import Sentinels, until
from redis_server import RedisServer
from redis_world import CHAIN, SOURCE, add, log_of, patient, pending, refused, stored, wait_stored, wanted
from world import World, end, wait_for

SINK = """  in: { op: source, from: file, path: in.jsonl, schema: healthcare, follow: true }
  anon: { op: anonymize, after: in, policy: ledger }
  out: { op: sink-redis, after: anon, url: "%s", stream: out }
"""


@pytest.fixture(name="world")
def make_world(tmp_path, datavault):
    with World(tmp_path / "w", datavault) as made:
        yield made


def graph_of(world, url, more=""):
    return world.graph(CHAIN % (SOURCE % (1, more)).replace("redis://127.0.0.1:1", url))


class Producer:
    """Adds one entry after the other at whoever is the master, and waits for the replica each time while there is one."""

    def __init__(self, group):
        self.group, self.number, self.sure, self.unsure = group, 0, [], []

    def add(self, client, replicas):
        answers = client.pipeline([["XADD", "s", "*", "data", oracle.to_json(patient(self.number))], ["WAIT", replicas, 10000]])
        self.number += 1
        assert isinstance(answers[0], bytes), answers
        (self.sure if answers[1] >= replicas else self.unsure).append(answers[0].decode())


def names(client):
    """The ids that were added, each once."""
    return {fields[fields.index(b"id") + 1] for _, fields in client("XRANGE", "out", "-", "+")}


def test_the_master_dies_and_the_replica_is_promoted(tmp_path, world):
    with Sentinels(tmp_path / "redis", down_ms=1500) as group:
        first = group.master()
        producer, client = Producer(group), first.client()
        for _ in range(300):
            producer.add(client, 1)
        world.write("in.jsonl", *[patient(number) for number in range(500)])
        name = world.graph(SINK % group.url(), name="sink.yaml")
        world.path(name).write_text(world.path(name).read_text().replace("name: t", "name: t2"))
        source, sink = world.start("run", graph_of(world, group.url())), world.start("run", name)
        wait_stored(world, producer.sure)
        assert wait_for(lambda: client("XLEN", "out") == 500, 30), log_of(sink)
        for _ in range(200):
            producer.add(client, 1)
        first.process.kill()
        first.process.wait()
        until(lambda: group.master() is not first, 60, "nobody is promoted")
        promoted, client = time.monotonic(), group.master().client()
        until(lambda: client("ROLE")[0] == b"master", 5, "the replica is none")
        for _ in range(200):
            producer.add(client, 0)
        with open(world.path("in.jsonl"), "ab") as file:
            file.writelines(oracle.to_json(patient(number)).encode() + b"\n" for number in range(500, 600))
        assert wait_for(lambda: not wanted(producer.sure) - stored(world), 30), log_of(source)
        assert wait_for(lambda: len(names(client)) == 600, 30), log_of(sink)
        assert time.monotonic() - promoted < 10, "it takes more than 10 s to go on"
        found = stored(world)
        assert not found - wanted(producer.sure + producer.unsure) and max(found.values()) == 1
        assert wait_for(lambda: pending(client) == 0, 30)
        assert len(names(client)) == 600
        for process in (source, sink):
            assert end(process)[0] == 0, log_of(process)
            assert len(log_of(process).splitlines()) < 30, "nothing is told twice a second"


def test_the_old_master_comes_back_as_a_replica_and_is_left(tmp_path, world):
    with Sentinels(tmp_path / "redis") as group:
        first = group.master()
        ids = add(first.client(), range(100))
        process = world.start("run", graph_of(world, group.url()))
        wait_stored(world, ids)
        group.ask(group.ports[0], "SENTINEL", "FAILOVER", "mymaster")
        until(lambda: group.master() is not first, 60, "nobody is promoted")
        until(lambda: first.client()("ROLE")[0] == b"slave", 20, "the old master takes writes")
        ids += add(group.master().client(), range(100, 200))
        wait_stored(world, ids)
        assert wait_for(lambda: pending(group.master().client()) == 0, 30)
        assert end(process)[0] == 0


def test_an_id_that_is_used_again_for_another_entry_is_another_record(tmp_path, world):
    """What a failover may do: the old master's last entry is gone, and its id is given to another one."""
    with RedisServer(tmp_path / "redis", aof=True) as redis:
        client = redis.client()
        client("XADD", "s", "7-1", "data", oracle.to_json(patient(1)))
        client("XADD", "s", "7-2", "data", oracle.to_json(patient(2)))
        process = world.start("run", graph_of(world, f"redis://127.0.0.1:{redis.port}"))
        assert wait_for(lambda: sum(stored(world).values()) == 2 and pending(client) == 0, 30), log_of(process)
        client("DEL", "s")
        client("XADD", "s", "7-1", "data", oracle.to_json(patient(1)))  # as it was: the record that is there already
        client("XADD", "s", "7-2", "data", oracle.to_json(patient(3)))
        assert wait_for(lambda: stored(world)[(7, 2)] == 2, 30), log_of(process)
        assert wait_for(lambda: client("XINFO", "GROUPS", "s") and pending(client) == 0, 30)
        assert stored(world) == {(7, 1): 1, (7, 2): 2}
        assert end(process)[0] == 0
    texts = {world.retrieve(str(oracle.uuid.UUID(bytes=row[0]))) for row in oracle.rows(world.path("vault.sqlite"))}
    assert len(texts) == 3


def test_sentinels_with_users_and_tls_of_their_own(tmp_path, world):
    folder = tmp_path / "tls"
    folder.mkdir()
    subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-subj",
                    "/CN=localhost", "-addext", "subjectAltName=DNS:localhost,IP:127.0.0.1", "-days", "2", "-keyout", "key.pem",
                    "-out", "cert.pem"], cwd=folder, check=True, capture_output=True)
    with RedisServer(tmp_path / "redis", aof=True) as redis:
        conf, port, secure = tmp_path / "sentinel.conf", *[RedisServer(tmp_path / name).port for name in "ab"]
        conf.write_text(f'port {port}\ntls-port {secure}\nbind 127.0.0.1\ndir "{tmp_path}"\nlogfile "{tmp_path}/log"\n'
                        f'tls-cert-file "{folder}/cert.pem"\ntls-key-file "{folder}/key.pem"\ntls-ca-cert-file "{folder}/cert.pem"\n'
                        f'tls-auth-clients no\nrequirepass hush\nsentinel monitor mymaster 127.0.0.1 {redis.port} 1\n')
        with subprocess.Popen(["redis-server", str(conf), "--sentinel"], stdout=subprocess.DEVNULL) as sentinel:
            try:
                url = f"redis+sentinel://localhost:{secure}/mymaster"
                more = f', sentinel_tls: "on", ca: {folder}/cert.pem, sentinel_password: env:HUSH'
                assert wait_for(lambda: "refused" not in str(reach(port)), 30)
                refused(world, graph_of(world, url, more), 3, "does not accept `sentinel_user`", {"HUSH": "wrong"})
                refused(world, graph_of(world, url, more.replace("sentinel_password: env:HUSH", "block: 1s")), 3,
                        "set `sentinel_user` and `sentinel_password`")
                refused(world, graph_of(world, url.replace("mymaster", "nobody"), more), 3, "knows no master of this name",
                        {"HUSH": "hush"})
                ids = add(redis.client(), range(100))
                process = world.start("run", graph_of(world, url, more), env={"HUSH": "hush"})
                wait_stored(world, ids)
                assert end(process)[0] == 0 and "hush" not in log_of(process)
                url = f"redis+sentinel://127.0.0.1:{redis.port}/mymaster"
                refused(world, graph_of(world, url), 3, "is no sentinel")
            finally:
                sentinel.kill()


def reach(port):
    try:
        return Sentinels.ask(port, "PING")
    except (OSError, RuntimeError) as error:
        return error
