#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""redis_group.py - Redis servers of a test's own that belong together: a master with a replica and sentinels, or a cluster."""
import pathlib
import shutil
import subprocess
import time

from ports import free_port_pair
from redis_server import Client, RedisServer, free_port

MASTER = "mymaster"


def until(condition, seconds, what):
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, what
        time.sleep(0.05)


class Sentinels:
    """A master, a replica, and three sentinels that watch them: a pause of a loaded machine is no death."""

    def __init__(self, folder, *settings, down_ms=1500):
        self.at = pathlib.Path(folder)
        self.servers = [RedisServer(self.at / name, *settings, aof=True) for name in ("first", "second")]
        self.ports = [free_port() for _ in range(3)]
        self.processes = []
        self.down_ms = down_ms
        self.sentinel_lines = []

    def start(self):
        first, second = self.servers
        first.start()
        second.settings += ["--replicaof", "127.0.0.1", str(first.port)]
        second.start()
        until(lambda: "master_link_status:up" in second.client()("INFO", "replication").decode(), 10, "no replication")
        for port in self.ports:
            self.start_sentinel(port, first.port)
        until(lambda: all(self.knows_all(port) for port in self.ports), 20, "the sentinels do not find each other")
        return self

    def start_sentinel(self, port, master_port):
        conf = self.at / f"sentinel-{port}.conf"
        conf.write_text("\n".join([f"port {port}", "bind 127.0.0.1", f'dir "{self.at}"', f'logfile "{self.at}/sentinel-{port}.log"',
                                   f"sentinel monitor {MASTER} 127.0.0.1 {master_port} 2",
                                   f"sentinel down-after-milliseconds {MASTER} {self.down_ms}",
                                   f"sentinel failover-timeout {MASTER} 3000", *self.sentinel_lines]) + "\n")
        self.processes.append(subprocess.Popen([shutil.which("redis-server"), str(conf), "--sentinel"], stdin=subprocess.DEVNULL,
                                               stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL))

    @staticmethod
    def ask(port, *words):
        client = Client(port)
        try:
            return client(*words)
        finally:
            client.close()

    def knows_all(self, port):
        try:
            facts = self.ask(port, "SENTINEL", "MASTER", MASTER)
        except OSError:
            return False
        found = dict(zip(*[iter(facts)] * 2))
        return found[b"num-other-sentinels"] == b"2" and found[b"num-slaves"] == b"1"

    def master(self):
        """The server that the first sentinel takes for the master."""
        port = int(self.ask(self.ports[0], "SENTINEL", "GET-MASTER-ADDR-BY-NAME", MASTER)[1])
        return next(server for server in self.servers if server.port == port)

    def url(self):
        return "redis+sentinel://" + ",".join(f"127.0.0.1:{port}" for port in self.ports) + "/" + MASTER

    def __enter__(self):
        return self.start()

    def __exit__(self, *_):
        for process in self.processes:
            process.kill()
            process.wait(20)
        for server in self.servers:
            server.stop()


def cluster_port():
    """Free, as is the one that the nodes talk among themselves by."""
    return free_port_pair(10000)


class Cluster:
    """Three masters and three replicas."""

    def __init__(self, folder, node_timeout_ms=2000):
        self.at = pathlib.Path(folder)
        self.nodes = []
        for number in range(6):
            node = RedisServer(self.at / str(number), "--cluster-enabled", "yes", "--cluster-node-timeout", str(node_timeout_ms),
                               "--cluster-replica-validity-factor", "0", aof=True)
            node.port = cluster_port()
            self.nodes.append(node)

    def cli(self, *words):
        done = subprocess.run([shutil.which("redis-cli"), "--cluster", *map(str, words)], capture_output=True, check=False, timeout=60)
        assert done.returncode == 0, done.stdout.decode() + done.stderr.decode()

    def start(self):
        for node in self.nodes:
            node.start()
        self.cli("create", *[f"127.0.0.1:{node.port}" for node in self.nodes], "--cluster-replicas", 1, "--cluster-yes")
        until(self.is_ok, 20, "the cluster does not come up")
        until(lambda: sum(b"slave" in line for line in self.lines()) == 3, 10, "no replicas")
        return self

    def alive(self):
        return [node for node in self.nodes if node.process.poll() is None]

    def lines(self):
        return self.alive()[0].client()("CLUSTER", "NODES").splitlines()

    def is_ok(self):
        """Every node that lives says so."""
        return all(b"cluster_state:ok" in node.client()("CLUSTER", "INFO") for node in self.alive())

    def port_of(self, key):
        """Of the master that has the key."""
        slot = self.slot(key)
        for first, last, master, *_ in self.alive()[0].client()("CLUSTER", "SLOTS"):
            if first <= slot <= last:
                return master[1]
        return None

    def slot(self, key):
        return self.alive()[0].client()("CLUSTER", "KEYSLOT", key)

    def node(self, port):
        return next(node for node in self.nodes if node.port == port)

    def identity(self, port):
        return self.node(port).client()("CLUSTER", "MYID").decode()

    def client(self, key):
        return self.node(self.port_of(key)).client()

    def masters(self):
        """Their ports."""
        return sorted({slots[2][1] for slots in self.alive()[0].client()("CLUSTER", "SLOTS")})

    def streams(self, count):
        """Names, of which each lives on another master."""
        names, used = [], set()
        for number in range(10_000):
            name = f"stream{number}"
            if self.port_of(name) not in used:
                used.add(self.port_of(name))
                names.append(name)
            if len(names) == count:
                return names
        raise AssertionError("too few masters")

    def begin_move(self, slot, source, target):
        self.node(target).client()("CLUSTER", "SETSLOT", slot, "IMPORTING", self.identity(source))
        self.node(source).client()("CLUSTER", "SETSLOT", slot, "MIGRATING", self.identity(target))

    def move_keys(self, slot, source, target):
        client = self.node(source).client()
        for key in client("CLUSTER", "GETKEYSINSLOT", slot, 100):
            assert client("MIGRATE", "127.0.0.1", target, key, 0, 5000) == "OK"

    def end_move(self, slot, target):
        identity = self.identity(target)
        for port in [target, *[port for port in self.masters() if port != target]]:
            self.node(port).client()("CLUSTER", "SETSLOT", slot, "NODE", identity)

    def url(self):
        return "redis+cluster://" + ",".join(f"127.0.0.1:{node.port}" for node in self.nodes[:2])

    def __enter__(self):
        return self.start()

    def __exit__(self, *_):
        for node in self.nodes:
            node.stop()
