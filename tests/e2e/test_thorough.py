#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""test_thorough.py - the thorough mode in a graph and on the command line: names that are missed otherwise, records in
their order, and no start without the model.

shows: ANO-1 ANO-5
"""
import json
import pathlib
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "tools"))
from world import ROOT, World

POLICY = """name: {name}
fields:
  patient_id: {{ pseudonym: {{ domain: patient }} }}
  diagnosis: keep
  note: {{ redact: {{ mode: {mode} }} }}
classes: {{ public: keep, sensitive: drop, direct-id: drop, quasi-id: drop, free-text: drop }}
"""
GRAPH = """  in: {{ op: source, from: file, path: in.jsonl, schema: healthcare }}
  anon: {{ op: anonymize, after: in, policy: {policy}, parts: "{parts}" }}
  out: {{ op: sink-file, after: anon, path: {policy}.jsonl }}
"""
NAMES = ["thorsten", "anneliese", "giuseppe", "oluwaseun", "katarzyna", "shanice", "dimitrios", "mehmet"]


def notes(count):
    """Invented names in small letters, which the tagger alone often takes for words."""
    return [f"hello {NAMES[number % len(NAMES)]} how are you" for number in range(count)]


def run_policy(world, name, parts=ROOT / "parts"):
    (world.path("policies") / f"{name}.yaml").write_text(POLICY.format(name=name, mode=name))
    world.graph(GRAPH.format(policy=name, parts=parts), name=f"{name}-graph.yaml")
    return world.run("run", f"{name}-graph.yaml")


def left(records):
    return sum(any(name in record["note"] for name in NAMES) for record in records)


def anonymized(folder, program, mode, texts):
    with World(folder, program) as world:
        world.write("in.jsonl", *({"patient_id": f"P{number}", "diagnosis": f"d{number}", "note": text} for number, text in enumerate(texts)))
        done = run_policy(world, mode)
        assert done.returncode == 0, done.stderr
        return [json.loads(line) for line in world.path(f"{mode}.jsonl").read_text().splitlines()]


def test_a_graph_with_a_model(tmp_path, datavault, tell):
    texts = notes(600)
    fast, thorough = (anonymized(tmp_path / mode, datavault, mode, texts) for mode in ("fast", "thorough"))
    assert [record["diagnosis"] for record in thorough] == [f"d{number}" for number in range(len(texts))]
    assert left(fast) > 0, "a control: there is something to add"
    assert left(thorough) <= left(fast) / 2
    tell(f"names in {len(texts)} notes: {left(fast)} left by the finders, {left(thorough)} by the thorough mode")


def test_no_start_without_the_model(tmp_path, datavault):
    with World(tmp_path / "w", datavault) as world:
        world.write("in.jsonl", {"patient_id": "P1", "diagnosis": "d", "note": "my name is thorsten"})
        done = run_policy(world, "thorough", parts=tmp_path / "nothing")
        assert done.returncode == 1 and b"nothing/rampart" in done.stderr, done.stderr
        assert not world.path("thorough.jsonl").exists() or world.path("thorough.jsonl").read_bytes() == b""


def test_the_command(run):
    text = "my name is thorsten and i feel well\n".encode()
    done = run("detect", "--thorough", "--explain", input=text)
    assert done.returncode == 0 and b"thorsten" in done.stdout, done.stderr
    assert run("detect", "--thorough=/nonexistent", input=text).returncode == 1
    assert run("detect", "--thorough", "--patterns", input=text).returncode == 2
