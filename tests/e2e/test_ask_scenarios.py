#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""test_ask_scenarios.py - invented hospitals and shops go record by record through Redis, redaction, windows of the records' time,
insights and embeddings into pgvector, and are then asked what rises and what is unusual. What was planted must be named, with the
figures of that hour and a citation that leads to where they stand; a group of which nothing was planted must not be.

Four scenarios; DATAVAULT_LONG=1 tries a hundred hospitals and a hundred shops.
shows: RAG-7 RAG-8 RAG-9 RAG-1 RAG-5 VEC-1 VEC-4 PRV-15
"""
import hashlib
import json
import os
import pathlib
import re
import shutil
import sys
import time

import pytest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "tools"))
from canary import Canaries
from pg_server import PgServer
from redis_server import RedisServer
from scenarios import HOUR_MS, MONDAY_MS, RISE, Scenario
from test_vectors_pg import BIN, pytestmark
from world import ROOT, World, end, fast_program, free_port, get, wait_for

__all__ = ["pytestmark"]

LONG = os.environ.get("DATAVAULT_LONG") == "1"
HOSPITALS = """  patients:   { op: source, from: redis, schema: healthcare, url: "${REDIS_URL}", stream: "${STREAM}" }
  anon:       { op: anonymize, after: patients, policy: hipaa-safe-harbor }
  windows:    { op: aggregate, after: anon, by: diagnosis, window: 1h, time: record, lateness: 5s }
"""
SHOPS = """  payments:   { op: source, from: redis, schema: finance, url: "${REDIS_URL}", stream: "${STREAM}" }
  anon:       { op: anonymize, after: payments, policy: finance-pseudonymise }
  windows:    { op: aggregate, after: anon, by: merchant_category, sums: amount, quantiles: { column: amount, of: [0.5] }, window: 1h,
                time: record, lateness: 5s }
"""
REST = """  seal:       { op: encrypt, after: anon, key: KEY }
  blobs:      { op: sink-pg, after: seal, url: "${PG_URL}" }
  told:       { op: insights, after: windows, season: "${SEASON}", top: 0 }
  meaning:    { op: embed, after: told, columns: [told], models: "${DV_PARTS}" }
  index:      { op: sink-vectors, after: meaning, url: "${PG_URL}" }
  questions:  { op: source, from: http, schema: question }
  redact:     { op: anonymize, after: questions, policy: questions }
  asked:      { op: embed, after: redact, columns: [question], models: "${DV_PARTS}" }
  found:      { op: search, after: asked, floor: 0, url: "${PG_URL}" }
  answer:     { op: rag, after: found }
  reply:      { op: sink-reply, after: answer }
"""
QUESTIONS = {False: "which conditions are rising?", True: "explain the unusual transactions"}
# What an answer says of groups: which, the figure, and of what.
RISING = re.compile(r"^(?P<group>[^:]+?) is rising: (?P<figure>[\d.]+) records, (?P<times>[\d.]+) times the (?P<usual>[\d.]+)")
STRAYS = re.compile(r"^(?P<group>[^:]+?) is unusual: the (?P<measure>\w.*?) is (?P<figure>[\d.e+]+), (?P<times>[\d.]+) times the (?P<usual>[\d.e+]+)")
MIXED = re.compile(r"^The mix of \w+ has changed")


class Scene(World):
    """One program at a time between Redis and pgvector, for one scenario."""

    def __init__(self, folder, pg, redis):
        super().__init__(folder, fast_program())
        self.pg, self.redis, self.client, self.port = pg, redis, redis.client(), None
        for name in ("hipaa-safe-harbor", "finance-pseudonymise", "questions"):
            shutil.copy(ROOT / "conf" / "policies" / f"{name}.yaml", self.path("policies"))
        for name, nodes in (("hospital", HOSPITALS), ("shop", SHOPS)):
            self.graph(nodes + REST.replace("KEY", "finance" if name == "shop" else "healthcare"), 'keyring: file:keys\nlisten: "${DV_LISTEN}"', f"{name}.yaml")
        self.canaries = Canaries(1104)
        self.people = [self.canaries.healthcare() for _ in range(3)]
        self.payers = [self.canaries.finance() for _ in range(3)]
        self.seen = []

    def fill(self, scenario):
        stream = f"s{int(scenario.is_shop)}-{scenario.index}"
        self.client.socket.sendall(b"*3\r\n$6\r\nCLIENT\r\n$5\r\nREPLY\r\n$3\r\nOFF\r\n")
        for piece in scenario.commands(stream, self.payers if scenario.is_shop else self.people):
            self.client.socket.sendall(piece)
        assert self.client("CLIENT", "REPLY", "ON") == "OK"
        assert self.client("XLEN", stream) == scenario.records + 1
        return stream

    def settled(self, scenario):
        """Whether every hour was judged, and all that was told of it is kept, and every record is sealed."""
        nodes = {node["name"]: node for node in json.loads(get(self.port, "/v1/stats")[1])["nodes"]}
        sealed = nodes["blobs"]["records_in"] == scenario.records + 1 and nodes["blobs"]["queued"] == nodes["blobs"]["held"] == 0
        return sealed and nodes["told"]["figures"]["windows"] >= scenario.hours and nodes["index"]["figures"]["kept"] == nodes["told"]["records_out"]

    def begin_at(self, scenario, stream):
        self.port = free_port()
        name = "shop" if scenario.is_shop else "hospital"
        env = {"DV_LISTEN": f"127.0.0.1:{self.port}", "PG_URL": self.pg.url(), "DV_PARTS": str(ROOT / "parts"), "STREAM": stream,
               "REDIS_URL": f"redis://127.0.0.1:{self.redis.port}", "SEASON": "week" if scenario.is_weekly else "day"}
        if not self.running:
            done = self.run("migrate", "--config", f"{name}.yaml", env=env)
            assert done.returncode == 0, done.stderr
        process = self.start("run", f"{name}.yaml", env=env)
        assert wait_for(lambda: get(self.port, "/readyz")[0] == 200 and self.settled(scenario), 120), process.log.read_text()
        return process

    def ask(self, question, *arguments):
        """By the command line."""
        done = self.run("ask", "--json", "--url", f"http://127.0.0.1:{self.port}", *arguments, question)
        assert done.returncode in (0, 1), done.stderr
        self.seen.append(done.stdout)
        return json.loads(done.stdout)


def stamp(hour):
    return time.strftime("%Y-%m-%d %H:%M:%S", time.gmtime(MONDAY_MS / 1000 + hour * HOUR_MS / 1000))


def claims(sentence):
    """(kind, group, figure, measure) of what a sentence says is unusual; None: it says nothing of that kind."""
    if found := RISING.match(sentence):
        return "rising", found["group"], float(found["figure"]), "count"
    if found := STRAYS.match(sentence):
        return "strays", found["group"], float(found["figure"]), found["measure"]
    return ("mix", None, None, None) if MIXED.match(sentence) else None


def is_planted(scenario, hour, kind, group):
    """Whether that is so, or follows from it: the mix changes when one group rises, and what gains in a shift rises."""
    if not scenario.is_on(hour):
        return False
    if kind == "mix":
        return scenario.kind == RISE or not scenario.is_shop
    if scenario.kind == RISE:
        return kind == "rising" and group == scenario.group
    return kind == "strays" and group == scenario.group if scenario.is_shop else kind == "rising" and scenario.gains(group)


def judge(scenario, answer, stored):
    """(whether the planted is told, what is told that is not so) of one answer. Figures and citations are asserted: they must be
    right whatever is told."""
    found, alarm = False, None
    for sentence in answer["sentences"]:
        text, said = sentence["text"], claims(sentence["text"])
        assert sentence["citations"], text
        (source, digest, at_ms) = stored[sentence["citations"][0]["id"]]
        assert sentence["citations"][0]["hash"] == digest == hashlib.sha256(source.encode()).hexdigest()
        assert source.startswith(re.sub(r" \[[\d, ]+\]\.$", "", text)), (text, source)
        if said is None:
            assert "rising" not in text and "usual" not in text, text
            continue
        kind, group, figure, measure = said
        hour = (at_ms - MONDAY_MS) // HOUR_MS - 1
        assert f"from {stamp(hour)} to {stamp(hour + 1)} UTC" in text
        assert kind == "mix" or scenario.is_true(hour, group, figure, measure), text
        if is_planted(scenario, hour, kind, group):
            found = True
        else:
            alarm = alarm or f"hour {hour}: {text}"
    return found, alarm


def play(scene, scenario):
    stream = scene.fill(scenario)
    process = scene.begin_at(scenario, stream)
    rows = scene.pg.sql("SELECT id, text, encode(hash, 'hex'), round(extract(epoch FROM created_at) * 1000)::bigint FROM datavault.embeddings")
    stored = {row[0]: (row[1], row[2], int(row[3])) for row in rows}
    scene.seen.append("\n".join(row[1] for row in rows).encode())
    question = QUESTIONS[scenario.is_shop]
    found, alarm = judge(scenario, scene.ask(question), stored)
    if scenario.is_planted and scenario.is_over:
        first, behind = (f"{stamp(hour).replace(' ', 'T')[:-1]}1Z" for hour in (scenario.begins, scenario.begins + scenario.lasts))
        found, other = judge(scenario, scene.ask(question, "--from", first, "--to", behind), stored)
        alarm = alarm or other
    by_hour = scene.pg.sql("SELECT extract(epoch FROM date_trunc('hour', created_at))::bigint, count(*) FROM datavault.encrypted_blobs"
                           " GROUP BY 1 ORDER BY 1")  # a record is as old as its entry
    assert [int(row[1]) for row in by_hour] == [*(sum(counts.values()) for counts in scenario.counts[:-1]), 1]
    assert int(by_hour[0][0]) * 1000 == MONDAY_MS
    assert end(process)[0] == 0, process.log.read_text()
    scene.seen.append(process.log.read_bytes())
    scene.pg.sql("TRUNCATE datavault.embeddings, datavault.encrypted_blobs")
    scene.client("DEL", stream)
    shutil.rmtree(scene.path("state"), ignore_errors=True)
    return found, alarm


@pytest.fixture(name="scene", scope="module")
def make_scene(tmp_path_factory):
    at = tmp_path_factory.mktemp("scenarios")
    with PgServer(folder=BIN, settings=("fsync=off",)) as pg, RedisServer(at / "redis") as redis, Scene(at / "w", pg, redis) as scene:
        yield scene


def indices(is_shop):
    return range(100) if LONG else (42, 60) if is_shop else (1, 62)


@pytest.mark.parametrize("is_shop", [False, True], ids=["hospitals", "shops"])
def test_scenarios(scene, tell, is_shop):
    planted, found, alarms, count = 0, 0, 0, 0
    for index in indices(is_shop):
        scenario = Scenario(index, is_shop)
        told, alarm = play(scene, scenario)
        count += 1
        planted += scenario.is_planted
        found += told and scenario.is_planted
        alarms += alarm is not None
        if scenario.is_planted and not told:
            print(f"not found in {index}: {scenario.kind} of {scenario.group}, x{scenario.factor:.2f} of {scenario.rates[scenario.group]:.0f}"
                  f" for {scenario.lasts} h, {'over' if scenario.is_over else 'lasting'}")
        if alarm:
            print(f"false alarm in {index} ({scenario.kind}): {alarm}")
    tell(f"{'shops' if is_shop else 'hospitals'}: {found} of {planted} planted found, a false alarm in {alarms} of {count} scenarios")
    assert planted > 0 and found >= 0.95 * planted and alarms <= 0.05 * count


def test_no_secret_is_told(scene):
    assert len(scene.canaries.find(json.dumps([scene.people, scene.payers]).encode())) >= 10, "a control"
    assert b"rising" in b"".join(scene.seen)
    assert scene.canaries.find(b"\n".join(scene.seen)) == []
