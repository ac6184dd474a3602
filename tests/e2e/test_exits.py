#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""test_exits.py - personal data typed into columns that are kept: no exit shows any of it as shipped; without its guard, each does.

The columns' labels let them leave, so the proof has nothing against them: what stops them is the guard of each exit. What takes
sealed records only, the dead letters, the log, the pages and the replies show nothing either way.

shows: PRV-15 ANO-6
"""
import base64
import http.client
import json
import pathlib
import sys
import threading
import time

import pytest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "tools"))
import canary
import oracle
from grpc_client import Client, code_of, datavault as messages
from pg_world import make_server, needs_server, stored
from redis_server import RedisServer
from world import World, end, fast_program, free_port, get, wait_for

pytestmark = needs_server
__all__ = ["make_server"]  # a fixture, by its name

GRAPH = """  web: { op: source, from: http, schema: healthcare }
  calls: { op: source, from: grpc, listen: "127.0.0.1:%(calls)d", schema: healthcare }
  anon: { op: anonymize, after: [web, calls], policy: patients }
  file: { op: sink-file, after: anon, path: out.jsonl%(guard)s }
  told: { op: sink-redis, after: anon, url: "${REDIS_URL}", stream: told%(guard)s }
  seal: { op: encrypt, after: anon, key: healthcare }
  blobs: { op: sink-pg, after: seal, url: "${PG_URL}"%(guard)s }
  store: { op: sink-store, after: seal, path: vault.sqlite%(guard)s }
  codes: { op: sink-redis, after: seal, url: "${REDIS_URL}", stream: codes, as: base64%(guard)s }
  trends: { op: aggregate, after: [web, calls], by: [diagnosis], window: 200ms }
  live: { op: sink-sse, after: trends%(guard)s }
"""
OFF = ", guard: { do: off, reason: the test wants to see what would leave }"
OPEN = ("out.jsonl", "redis told", "SSE")  # where unsealed text leaves
PATIENTS = 8                               # of one diagnosis: more than the live page's k
TYPES = ("ssn", "credit_card", "iban", "email", "phone", "mrn", "ip", "mac")


def with_check_digit(digits):
    """A card number by Luhn."""
    total = sum(sum(divmod(2 * int(digit), 10)) if place % 2 == 0 else int(digit) for place, digit in enumerate(reversed(digits)))
    return digits + str(-total % 10)


def iban(account):
    """A German one of 18 digits, by mod 97."""
    return f"DE{98 - int(account + '131400') % 97:02}{account}"


class Typed:
    """Invented values of each type that a guard looks for unless told otherwise; what makes each of them one is a canary."""

    def __init__(self, seed):
        self.canaries = canary.Canaries(seed)

    def digits(self, label, count):
        text = "".join(self.canaries.random.choice("123456789") for _ in range(count))
        return text if label is None else self.canaries.whole(label, text)

    def value(self, kind):
        digits = self.digits
        pairs = [f"{self.canaries.random.randrange(16, 256):02x}" for _ in range(8)]
        made = {"ssn": lambda: f"4{digits(None, 2)}-{digits(None, 2)}-{digits(None, 4)}",
                "credit_card": lambda: with_check_digit("4" + digits(None, 14)), "iban": lambda: iban(digits(None, 18)),
                "email": lambda: f"{self.canaries.word('email')}@{canary.DOMAIN}", "phone": lambda: f"(415) 8{digits(None, 2)}-{digits(None, 4)}",
                "mrn": lambda: f"MRN: {digits(None, 10)}", "ip": lambda: "2001:db8:" + ":".join(a + b for a, b in zip(pairs[::2], pairs[1::2])) + "::1",
                "mac": lambda: ":".join(pairs[:6])}[kind]()
        return made if kind == "email" else self.canaries.whole(kind, made)

    def patients(self, **fields):
        """Records of as many patients with the same fields."""
        return [{"patient_id": self.digits(None, 9), "diagnosis": "Asthma", **fields} for _ in range(PATIENTS)]

    def records(self):
        """As JSON: each type typed into a text, and into a value of JSON; one hidden behind its escapes; and good ones."""
        made = self.patients()
        for kind in TYPES:
            made += self.patients(diagnosis=f"Asthma. Contact {self.value(kind)}, please")
            made += self.patients(symptoms=["cough", {"said": f"see {self.value(kind)}"}])[:1]
            made += self.patients(outcome=f"told {self.value(kind)}")[:1]
        texts = [oracle.to_json(record).encode() for record in made]
        hidden = oracle.to_json(self.patients(vitals={"by": self.value("email")})[0]).encode()
        return [*texts, hidden.replace(b"@", b"\\u0040")]


class Exits(World):
    """The graph with every exit, what was said to whoever asked, and what left."""

    def __init__(self, folder, seed, pg, redis, guard):
        super().__init__(folder, fast_program())
        self.typed, self.pg, self.redis = Typed(seed), pg, redis
        self.said = {"SSE": b"", "HTTP": b"", "gRPC": b"", "dlq": b"", "pages": b""}
        self.port, self.calls = free_port(), free_port()
        self.env = {"REDIS_URL": f"redis://127.0.0.1:{redis.port}", "PG_URL": pg.url()}
        self.graph(GRAPH % {"guard": guard, "calls": self.calls}, f"keyring: file:keys\nmemory: 1GiB\nlisten: 127.0.0.1:{self.port}")
        done = self.run("migrate", "graph.yaml", env=self.env)
        assert done.returncode == 0, done.stderr
        self.process = self.start("run", "--verbose", "graph.yaml", env=self.env)
        assert wait_for(lambda: get(self.port, "/readyz")[0] == 200, 60), self.process.log.read_text()
        self.listens = threading.Event()
        self.listener = threading.Thread(target=self.listen, daemon=True)
        self.listener.start()
        assert self.listens.wait(30)

    def listen(self):
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=60)
        connection.request("GET", "/v1/events")
        answer = connection.getresponse()
        self.listens.set()
        while part := answer.read1():
            self.said["SSE"] += part

    def node(self, name):
        return next(node for node in json.loads(get(self.port, "/v1/stats")[1])["nodes"] if node["name"] == name)

    def all_told(self):
        """Whether the last window is over: for longer than one lasts nothing came of them any more."""
        before = self.node("live")["batches_in"]
        time.sleep(0.5)
        return self.node("trends")["records_in"] == self.sent and self.node("live")["batches_in"] == before

    def post(self, body):
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=30)
        connection.request("POST", "/v1/ingest", body, {"Content-Type": "application/x-ndjson"})
        answer = connection.getresponse()
        self.said["HTTP"] += f"{answer.status} {answer.getheaders()} ".encode() + answer.read() + b"\n"
        connection.close()

    def work(self):
        """Both ways in, until all of it is durable; then all the pages."""
        web, calls = self.typed.records(), self.typed.records()
        self.sent = len(web) + len(calls)
        self.post(b"\n".join(web))
        self.post(web[-1])
        self.sent += 1
        with Client(self.calls) as client:
            self.said["gRPC"] += repr(client.stream(iter([messages.IngestRequest(payload=text) for text in calls[1:]]), timeout=30)).encode()
            self.said["gRPC"] += repr(code_of(client.ingest, messages.IngestRequest(payload=calls[0]))).encode()
        assert wait_for(lambda: stored(self.pg) == self.sent, 60), (stored(self.pg), self.sent, self.said)
        assert wait_for(lambda: b'"Asthma"' in self.said["SSE"] and self.all_told(), 30), self.said
        for path in ("/", "/metrics", "/v1/graph", "/v1/stats", "/v1/nothing"):
            self.said["pages"] += get(self.port, path)[1]
        assert end(self.process)[0] == 0, self.process.log.read_text()
        self.listener.join(10)
        for verb in ("list", "stats"):
            done = self.run("dlq", verb, "graph.yaml", env=self.env)
            self.said["dlq"] += done.stdout + done.stderr

    def outside(self):
        """{place: bytes} of all that stands somewhere."""
        client = self.redis.client()
        streams = {f"redis {name}": client("XRANGE", name, "-", "+") for name in ("told", "codes")}
        client.close()
        places = {str(pathlib.Path(path).relative_to(self.at)): pathlib.Path(path).read_bytes() for path in canary.files_of([self.at])}
        places |= {name: b"\n".join(part for entry in entries for part in [entry[0], *entry[1]]) for name, entries in streams.items()}
        return {**places, "pg": self.pg.text(), **self.said}

    def found(self):
        return {place: hits for place, data in self.outside().items() if (hits := self.typed.canaries.find(data))}


@pytest.fixture(name="redis", scope="module")
def make_redis(tmp_path_factory):
    with RedisServer(tmp_path_factory.mktemp("redis")) as server:
        yield server


@pytest.fixture(name="serve")
def make_serve(tmp_path, pg, redis, draw):
    """serve(guard): the graph, after its work."""
    pg.sql("DROP SCHEMA IF EXISTS datavault CASCADE")
    client = redis.client()
    client("FLUSHALL")
    client.close()
    made = []

    def act(guard):
        made.append(Exits(tmp_path / "w", draw.random(), pg, redis, guard))
        made[0].work()
        return made[0]
    yield act
    for world in made:
        world.close()


def guarded_types(world):
    """The types that the counters of the exits show findings of, by node."""
    lines = [line for line in world.said["pages"].decode().splitlines() if line.startswith("datavault_guard_findings_total") and not line.endswith(" 0")]
    return {node: {kind for kind in TYPES if any(f'"{node}"' in line and f'"{kind}"' in line.lower() for line in lines)}
            for node in ("file", "told", "live", "blobs", "store", "codes")}


def test_as_shipped_no_exit_shows_any_of_it(serve):
    world = serve("")
    places = world.outside()
    assert all(b'"Asthma"' in places[name] for name in OPEN), "what nobody typed into leaves"
    assert {"log.0", "vault.sqlite", "pg", "redis codes", "state/t/dead-letters.msgpack", *world.said} <= set(places) and all(world.said.values())
    assert world.found() == {}
    everything = set(TYPES)
    assert guarded_types(world) == {"file": everything, "told": everything, "live": everything, "blobs": set(), "store": set(), "codes": set()}
    letters = {blob["id"] for blob in oracle.blobs(world.path("state/t/dead-letters.msgpack"))}
    assert len(letters) >= 2 * (len(TYPES) * (PATIENTS + 2) + 1), "what was stopped is kept, sealed"


def test_without_guards_each_open_exit_shows_all_of_it_and_no_other_place_does(serve):
    """The control: the same records and the same search."""
    world = serve(OFF)
    assert world.process.log.read_bytes().count(b"guard.off") == 6
    found = world.found()
    assert set(found) == set(OPEN), found
    for place in OPEN:
        assert {hit.split(" in ")[0] for hit in found[place]} == set(TYPES), (place, found[place])


def test_a_leak_would_be_found_in_each_place(serve):
    """The control of the places where nothing may ever stand."""
    world = serve("")
    word = world.typed.canaries.word("planted", 24).encode()
    client = world.redis.client()
    for stream in ("told", "codes"):
        client("XADD", stream, "*", "data", base64.b64encode(b"x" + word))
    client.close()
    world.pg.sql(f"UPDATE datavault.encrypted_blobs SET tenant = '{word.hex()}' WHERE id = (SELECT min(id::text)::uuid FROM datavault.encrypted_blobs)")
    for path in canary.files_of([world.at]):
        with open(path, "ab") as file:
            file.write(word)
    for place in world.said:
        world.said[place] += word
    assert set(world.found()) == set(world.outside())
