#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""test_redis_cluster.py - six real nodes: streams on different masters, a slot that moves under load, a master that is
killed. Source and sink follow by themselves; nothing is lost, nothing is in the store twice.

shows: ING-3 ING-4 ING-5 ING-6 BCP-2 BCP-8
"""
import pathlib
import sys
import threading
import time

import pytest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "tools"))
import oracle
from redis_group import Cluster, cluster_port, until
from redis_server import RedisServer
from redis_world import CHAIN, SOURCE, log_of, patient, pending, refused, stored, wanted
from world import World, end, wait_for

SINK = """  in: { op: source, from: file, path: in.jsonl, schema: healthcare, follow: true }
  anon: { op: anonymize, after: in, policy: ledger }
  out: { op: sink-redis, after: anon, url: "%s", stream: "%s" }
"""


@pytest.fixture(name="world")
def make_world(tmp_path, datavault):
    with World(tmp_path / "w", datavault) as made:
        yield made


def graph_of(world, url, streams):
    source = SOURCE % (1, "")
    return world.graph(CHAIN % source.replace("redis://127.0.0.1:1", url).replace("stream: s,", f"stream: [{', '.join(streams)}],"))


class Producer(threading.Thread):
    """Adds to streams wherever they are, until it is stopped; what two nodes had is in `ids`."""

    def __init__(self, cluster, streams):
        super().__init__()
        self.cluster, self.streams = cluster, streams
        self.ids, self.unsure, self.clients = [], [], {}
        self.over, self.number, self.unanswered = threading.Event(), 0, 0

    def run(self):
        while not self.over.is_set():
            for stream in self.streams:
                self.add(stream)
            time.sleep(0.002)

    def add(self, stream, asking=None):
        """An entry whose answer is lost, or that no replica has, is not counted on."""
        self.number += 1
        client = asking
        try:
            client = client or self.clients.setdefault(stream, None) or self.cluster.client(stream)
            self.clients[stream] = asking and self.clients.get(stream) or client
            words = [["XADD", stream, "*", "data", oracle.to_json(patient(self.number))], ["WAIT", 1, 20]]
            answers = client.pipeline(([["ASKING"]] if asking else []) + words)[-2:]
        except (OSError, AttributeError, StopIteration, RuntimeError):
            self.clients[stream] = None
            self.unanswered += 1
            time.sleep(0.1)
            return
        if isinstance(answers[0], bytes):
            (self.ids if answers[1] == 1 else self.unsure).append(answers[0].decode())
        elif str(answers[0]).startswith("ASK"):
            port = int(str(answers[0]).rsplit(":", 1)[1])
            self.add(stream, self.cluster.node(port).client())
        else:
            self.clients[stream] = None
            time.sleep(0.05)

    def stop(self):
        self.over.set()
        self.join(20)


def redirections(process, how):
    return log_of(process).count(f'"reason":"{how}:')


def check(world, producer, process, seconds=30):
    expected = wanted(producer.ids)
    wait_for(lambda: not expected - stored(world), seconds)
    there = [entry[0].decode() for stream in producer.streams for entry in producer.cluster.client(stream)("XRANGE", stream, "-", "+")]
    lost, foreign = expected - stored(world), stored(world) - (wanted(producer.ids + producer.unsure) | wanted(there))
    assert not lost, (list(lost)[:3], log_of(process)[-3000:])
    assert sum(foreign.values()) <= producer.unanswered, (list(foreign)[:3], producer.unanswered)


def test_a_slot_moves_and_a_master_dies(tmp_path, world):
    with Cluster(tmp_path / "redis") as cluster:
        streams = cluster.streams(3)
        out = "{%s}.out" % streams[0]  # moves with the first stream
        name = world.graph(SINK % (cluster.url(), out), name="sink.yaml")
        world.path(name).write_text(world.path(name).read_text().replace("name: t", "name: t2"))
        world.write("in.jsonl", *[patient(number) for number in range(300)])
        producer = Producer(cluster, streams)
        producer.start()
        try:
            source, sink = world.start("run", graph_of(world, cluster.url(), streams)), world.start("run", name)
            assert wait_for(lambda: len(stored(world)) > 300, 30), log_of(source)
            assert wait_for(lambda: cluster.client(out)("XLEN", out) == 300, 30), log_of(sink)

            slot, home = cluster.slot(streams[0]), cluster.port_of(streams[0])
            target = next(port for port in cluster.masters() if port != home)
            cluster.begin_move(slot, home, target)
            cluster.move_keys(slot, home, target)
            write(world, range(300, 400))
            assert wait_for(lambda: redirections(source, "ASK") >= 1 and redirections(sink, "ASK") >= 1, 30), log_of(source)
            wait_more(world, 200)
            cluster.end_move(slot, target)
            slot = cluster.slot(streams[1])  # and another one, at once
            home = cluster.port_of(streams[1])
            target = next(port for port in cluster.masters() if port != home)
            cluster.begin_move(slot, home, target)
            cluster.move_keys(slot, home, target)
            cluster.end_move(slot, target)
            assert wait_for(lambda: redirections(source, "MOVED") >= 1, 30), log_of(source)
            wait_more(world, 200)

            cluster.node(cluster.port_of(streams[0])).stop()
            until(lambda: not cluster.is_ok(), 30, "nobody notices")
            until(cluster.is_ok, 60, "the cluster does not heal")
            healed = time.monotonic()
            write(world, range(400, 500))
            probe = cluster.client(streams[0])("XADD", streams[0], "*", "data", oracle.to_json(patient(0))).decode()
            producer.unsure.append(probe)
            assert wait_for(lambda: not wanted([probe]) - stored(world), 30), log_of(source)
            assert wait_for(lambda: len(names(cluster, out)) > 400, 10 - (time.monotonic() - healed)), log_of(sink)
            assert wait_for(lambda: len(names(cluster, out)) == 500, 30), log_of(sink)
        finally:
            producer.stop()
        check(world, producer, source)
        assert wait_for(lambda: all(pending(cluster.client(stream), stream) == 0 for stream in streams), 30)
        for process in (source, sink):
            assert end(process)[0] == 0, log_of(process)
        assert len(log_of(source).splitlines()) < 100, "nothing is told twice a second"


def write(world, numbers):
    with open(world.path("in.jsonl"), "ab") as file:
        file.writelines(oracle.to_json(patient(number)).encode() + b"\n" for number in numbers)


def wait_more(world, count):
    before = len(stored(world))
    assert wait_for(lambda: len(stored(world)) >= before + count, 20), log_of(world.running[0])


def names(cluster, stream):
    try:
        return {fields[fields.index(b"id") + 1] for _, fields in cluster.client(stream)("XRANGE", stream, "-", "+")}
    except (OSError, RuntimeError):
        return set()


def lone_node(folder):
    node = RedisServer(folder, "--cluster-enabled", "yes")
    node.port = cluster_port()
    return node


def test_a_url_of_the_wrong_kind(tmp_path, world):
    with RedisServer(tmp_path / "single") as single, lone_node(tmp_path / "node") as node:
        refused(world, graph_of(world, f"redis+cluster://127.0.0.1:{single.port}", "s"), 3, "not part of a cluster")
        node.client()("CLUSTER", "ADDSLOTSRANGE", 0, 8000)
        node.client()("CLUSTER", "MEET", "127.0.0.1", node.port)
        process = world.start("run", graph_of(world, f"redis+cluster://127.0.0.1:{node.port}", ["foo"]))
        assert wait_for(lambda: "no node for the stream's slot" in log_of(process), 30), log_of(process)
        assert end(process)[0] == 0


def test_a_single_url_of_a_clusters_node_says_what_to_write(tmp_path, world):
    with Cluster(tmp_path / "redis") as cluster:
        stream = cluster.streams(1)[0]
        other = next(port for port in cluster.masters() if port != cluster.port_of(stream))
        refused(world, graph_of(world, f"redis://127.0.0.1:{other}", [stream]), 3, "begin the url with redis+cluster://")
