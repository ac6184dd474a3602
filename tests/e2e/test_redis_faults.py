#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""test_redis_faults.py - what networks, names and certificates do between the program and Redis: each fault is waited out, and
within ten seconds after its end everything that was added is stored, once, and everything to be added is there. Nothing
that is secret comes out meanwhile, and nothing is told twice a second.

The same run reads a stream and adds to another. `sink-redis` may add a record twice, under the same id: a consumer keeps
each id once, and so does the comparison. In clear nobody can notice a byte of an entry that a network has changed, but
only a byte of the protocol; any byte under TLS.

DATAVAULT_LONG=1 holds the black hole for 30 seconds.

shows: ING-3 ING-6 ING-14 BCP-2 BCP-8 DEV-2 R8 R10
"""
import collections
import datetime
import json
import os
import pathlib
import subprocess
import sys
import time

import pytest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "tools"))
import canary
import oracle
from faultproxy import FaultProxy, Plan
from own_hosts import Hosts
from redis_server import RedisServer
from world import World, end, events, free_port, get, wait_for

SERVER = 'url: "%s", user: vault, password: "file:secret", connect_timeout: 1s, command_timeout: %s%s'
GRAPH = """  in: { op: source, from: redis, stream: s, consumer: me, block: 200ms, schema: healthcare, %(server)s }
  anon: { op: anonymize, after: in, policy: ledger-keeping }
  seal: { op: encrypt, after: anon, key: healthcare }
  store: { op: sink-store, after: seal, path: vault.sqlite }
  file: { op: source, from: file, path: in.jsonl, follow: true, schema: healthcare }
  box: { op: encrypt, after: file, key: healthcare }
  out: { op: sink-redis, after: box, stream: out, as: msgpack, %(server)s }
"""
OWN = {"in.jsonl", "secret"}  # what is secret may stand there
PAGES = ("/readyz", "/metrics", "/v1/graph")
FAULT_S = 2
LONG_S = 30 if os.environ.get("DATAVAULT_LONG") else 3
HEAL_S = 10


def openssl(folder, *words):
    subprocess.run(["openssl", *words], cwd=folder, check=True, capture_output=True)


def certify(folder, days=2):
    """A certificate for localhost; of 0 days it has run out a second later."""
    openssl(folder, "x509", "-req", "-in", "csr.pem", "-CA", "ca.pem", "-CAkey", "ca.key", "-CAcreateserial", "-days", str(days),
            "-extfile", "san", "-out", "cert.pem")
    time.sleep(1.5 if days == 0 else 0)


@pytest.fixture(name="redis", scope="module")
def make_redis(tmp_path_factory):
    """In clear and under TLS."""
    at = tmp_path_factory.mktemp("redis")
    key = ("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes")
    openssl(at, "req", "-x509", *key, "-subj", "/CN=ca", "-days", "2", "-keyout", "ca.key", "-out", "ca.pem")
    openssl(at, "req", *key, "-subj", "/CN=localhost", "-keyout", "key.pem", "-out", "csr.pem")
    (at / "san").write_text("subjectAltName=DNS:localhost\n")
    certify(at)
    with RedisServer(at / "data", aof=True, tls=at) as server:
        yield server


class Flow(World):
    """A graph that reads one stream and adds to another, what was issued to each, and every secret of it."""

    def __init__(self, folder, binary, redis, seed):
        super().__init__(folder, binary)
        self.redis, self.port, self.said, self.begun = redis, free_port(), b"", 0
        self.canaries = canary.Canaries(seed)
        word = self.canaries.word("password", 20)
        self.path("secret").touch(0o600)
        self.path("secret").write_text(word)
        self.welcome(word)
        self.client("FLUSHALL")
        self.stream, self.file = oracle.StreamLedger(), oracle.Ledger(self.path("in.jsonl"))
        record = self.canaries.healthcare()
        del record["patient_id"]  # tells one record from the other
        self.stream.fields = self.file.fields = record

    def welcome(self, word):
        """The server keeps its data, but not its users."""
        self.client = self.redis.client()
        self.client("ACL", "SETUSER", "vault", "reset", "on", ">" + word, "~*", "+@all")

    def restart_with(self, days):
        """The server with another certificate."""
        self.redis.stop()
        certify(self.redis.tls, days)
        self.redis.start()
        self.welcome(self.path("secret").read_text())

    def go(self, port, tls=False, host="localhost", prefix=(), patience="1s"):
        more = f', ca: "{self.redis.tls}/ca.pem"' if tls else ""
        server = SERVER % (f"redis{'s' if tls else ''}://{host}:{port}", patience, more)
        self.graph(GRAPH % {"server": server}, settings=f"keyring: file:keys\nlisten: 127.0.0.1:{self.port}")
        return self.start("run", "graph.yaml", prefix=prefix)

    def issue(self, count=200):
        self.stream.issue(self.client, count)
        self.file.issue(count)

    def ids(self):
        try:
            return [row[0] for row in oracle.rows(self.path("vault.sqlite"))]
        except oracle.sqlite3.OperationalError:
            return []  # the store is being made

    def added(self):
        """{id: every entry's blob with that id}, of the stream `out`."""
        found = collections.defaultdict(list)
        for _, fields in self.client("XRANGE", "out", "-", "+"):
            fields = dict(zip(*[iter(fields)] * 2))
            found[oracle.uuid.UUID(fields[b"id"].decode()).bytes].append(fields[b"data"])
        return found

    def is_whole(self):
        return len(self.ids()) >= len(self.stream.issued) and len(self.added()) >= len(self.file.issued)

    def settle(self, seconds=HEAL_S):
        assert wait_for(self.is_whole, seconds, 0.1), (self.counts(), self.running[-1].log.read_text()[-4000:])
        assert wait_for(lambda: self.client("XPENDING", "s", "datavault")[0] == 0, 30)

    def counts(self):
        return len(self.ids()), len(self.stream.issued), len(self.added()), len(self.file.issued)

    def look(self):
        """/readyz as text; what the pages say is kept."""
        pages = [get(self.port, page)[1] for page in PAGES]
        self.said += b"".join(pages)
        return pages[0].decode()

    def begin(self):
        """From here on it counts what is told: to be disturbed right after its start is the test's haste."""
        self.begun = len(events(self.running[-1].log.read_bytes()))

    def both_wait(self, reason):
        """Whether /readyz names it for the source and for the sink."""
        nodes = json.loads(self.look() or "{}").get("nodes", {})
        return all(reason in nodes.get(name, "") for name in ("in", "out"))

    def told(self, event, *nodes):
        """The reasons of such events of these nodes, or of any, since the beginning."""
        found = [one for one in events(self.running[-1].log.read_bytes())[self.begun:] if one["event"] == event]
        return [one.get("reason") for one in found if not nodes or one["node"] in nodes]

    def finish(self, process):
        self.look()
        for name in ("cmdline", "environ"):
            self.said += pathlib.Path(f"/proc/{process.pid}/{name}").read_bytes()
        code, seconds = end(process)
        assert code == 0 and seconds < HEAL_S, process.log.read_text()
        self.check(process)

    def check(self, process):
        """0 lost, 0 twice, 0 foreign; no secret anywhere; nothing told twice a second."""
        assert self.stream.compare(self.ids()) == ([], [], [])
        offsets = collections.Counter(map(oracle.offset_of, self.added()))
        assert offsets == collections.Counter(list(self.file.issued))
        assert all(len(set(blobs)) == 1 for blobs in self.added().values()), "one id stands for two records"
        identity = self.ids()[-1]
        assert oracle.digest(self.retrieve(str(oracle.uuid.UUID(bytes=identity))).rstrip(b"\n")) == \
            self.stream.issued[oracle.entry_of(identity)]
        assert self.canaries.find(self.path("in.jsonl").read_bytes()), "the search is blind"
        assert self.canaries.find_in(self.at, but=[self.path(name) for name in OWN]) == {}
        assert not self.canaries.find(self.said + b"".join(blobs[0] for blobs in self.added().values()))
        self.check_not_told_twice_a_second(process)

    def check_not_told_twice_a_second(self, process):
        last = {}
        for event in events(process.log.read_bytes())[self.begun:]:
            at = datetime.datetime.fromisoformat(event.pop("time").replace("Z", "+00:00")).timestamp()
            what = tuple(sorted(event.items()))
            assert at - last.get(what, 0) >= 1, process.log.read_text()
            last[what] = at


@pytest.fixture(name="flow")
def make_flow(tmp_path, datavault, redis, draw):
    if redis.process.poll() is not None:
        redis.start()
    with Flow(tmp_path / "w", datavault, redis, draw.random()) as made:
        yield made


# ---- the network ----

def planned(**plan):
    """Every connection anew, with this plan; `at` may be a range to draw from."""
    def begin(proxy, draw):
        def choose(_number):
            return Plan(**{**plan, "at": draw.choice(plan.get("at", [-1]))})
        proxy.plan = choose
        proxy.cut_all()
    return begin


def black_hole(proxy, _draw):
    proxy.fault = "black-hole"


def refuse(proxy, _draw):
    proxy.refuse = True
    proxy.cut_all()


def half_open(proxy, _draw):
    """Those that are there: the server's side is gone, and ours does not hear of it."""
    proxy.cut_all("half-open")


GONE, MUTE, GARBLED = "the server closed the connection", "the server does not answer in time", \
    "the server does not speak the Redis protocol, or passes its limits"
# Name: how it begins, how long it lasts, under TLS or not, and why a connection is given up.
FAULTS = {
    "delay": (planned(delay=0.03), FAULT_S, False, None),
    "reset": (refuse, FAULT_S, False, GONE),
    "half-open": (half_open, FAULT_S, False, MUTE),
    "truncated replies": (planned(at=range(8, 2000), how="close"), FAULT_S, False, GONE),
    "truncated commands": (planned(direction="up", at=range(60, 4000), how="reset"), FAULT_S, False, GONE),
    "corrupted replies": (planned(at=[len("+OK\r\n+PONG\r\n")], how="corrupt"), FAULT_S, False, GARBLED),
    "corrupted replies, TLS": (planned(at=range(1500, 4000), how="corrupt"), FAULT_S, True, GONE),
    "corrupted commands, TLS": (planned(direction="up", at=range(1000, 4000), how="corrupt"), FAULT_S, True, GONE),
    "black-hole": (black_hole, LONG_S, False, MUTE),
}


@pytest.mark.parametrize("name", FAULTS)
def test_the_network_fails_and_heals(name, flow, redis, draw):
    begin, seconds, tls, reason = FAULTS[name]
    with FaultProxy(redis.tls_port if tls else redis.port) as proxy:
        process = flow.go(proxy.port, tls, patience="1s" if reason else "20s")  # a delay alone is no reason, also on a busy machine
        flow.issue()
        flow.settle(60)
        flow.begin()
        begin(proxy, draw)
        flow.issue(500)
        time.sleep(seconds / 2)
        flow.look()
        flow.issue(100)
        time.sleep(seconds / 2)
        assert wait_for(lambda: reason is None or all(reason in flow.told("redis.lost", node) for node in ("in", "out")), 30), flow.told("redis.lost")
        proxy.heal()
        healed = time.monotonic()
        flow.settle()
        assert time.monotonic() - healed <= HEAL_S
        if reason is None:
            assert set(flow.told("redis.lost")) <= {GONE}  # by the cut that began it
        flow.finish(process)


@pytest.mark.alone
def test_an_idle_connection_that_is_dead_is_noticed(flow, redis):
    """By PING, within the time for a command: `sink-redis` asks for nothing while no record comes."""
    with FaultProxy(redis.port) as proxy:
        process = flow.go(proxy.port)
        flow.issue()
        flow.settle(60)
        flow.begin()
        proxy.fault = "black-hole"
        begun = time.monotonic()
        assert wait_for(lambda: MUTE in flow.told("redis.lost", "out"), 5)
        assert time.monotonic() - begun <= 1.5
        assert wait_for(lambda: MUTE in flow.told("redis.lost", "in"), 5)
        proxy.fault = None
        healed = time.monotonic()
        assert wait_for(lambda: get(flow.port, "/readyz")[0] == 200, HEAL_S)
        flow.issue()
        flow.settle()
        assert time.monotonic() - healed <= HEAL_S
        flow.finish(process)


# ---- names and certificates ----

def test_a_name_that_cannot_be_resolved_for_a_while(flow, redis, tmp_path):
    """At the start, and again while it runs."""
    hosts = Hosts(tmp_path)
    unknown = "the server's name cannot be resolved"
    with FaultProxy(redis.port) as proxy:
        process = flow.go(proxy.port, host="redis.test", prefix=hosts.prefix)
        for _ in range(2):
            flow.issue()
            assert wait_for(lambda: flow.both_wait(unknown), HEAL_S), flow.look() + process.log.read_text()
            hosts.write("redis.test")
            healed = time.monotonic()
            flow.settle()
            assert time.monotonic() - healed <= HEAL_S
            time.sleep(1)
            hosts.write()
            proxy.cut_all()
        hosts.write("redis.test")
        flow.finish(process)


def test_a_certificate_that_has_expired_is_refused_until_it_is_renewed(flow, redis, tmp_path, datavault):
    """By a run that knew it in better days; one that begins with it ends."""
    expired = "the server's certificate has expired"
    process = flow.go(redis.tls_port, tls=True)
    flow.issue()
    flow.settle(60)
    flow.restart_with(0)
    connected = len(flow.told("redis.connected"))
    flow.issue()
    assert wait_for(lambda: flow.both_wait(expired), HEAL_S), flow.look() + process.log.read_text()
    with World(tmp_path / "late", datavault) as late:
        late.path("secret").touch(0o600)
        late.path("secret").write_text("x")
        oracle.Ledger(late.path("in.jsonl"))
        late.graph(flow.path("graph.yaml").read_text().partition("graph:\n")[2])
        done = late.run("run", "graph.yaml")
        assert done.returncode == 3 and expired in done.stderr.decode(), done.stderr
    time.sleep(FAULT_S / 2)
    assert len(flow.told("redis.connected")) == connected and flow.counts() == (200, 400, 200, 400)
    flow.restart_with(2)
    healed = time.monotonic()
    flow.settle()
    assert time.monotonic() - healed <= HEAL_S
    flow.finish(process)
