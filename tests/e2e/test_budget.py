#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""test_budget.py - privacy budgets by the command line: set, shown, planned, damaged, mended.

shows: PRV-3
"""
import json
import pathlib
import sys

import pytest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "tools"))
from world import World

FILE = "state/budgets/default/healthcare/by-diagnosis.budget"


@pytest.fixture(name="budget")
def make_budget(tmp_path, datavault):
    with World(tmp_path / "w", datavault, keyring=False) as world:
        world.graph(settings="")

        def run(verb, *words):
            done = world.run("budget", verb, "graph.yaml", *words)
            return done.returncode, done.stdout.decode(), done.stderr.decode()

        run.world = world
        yield run


def shown(budget):
    code, out, said = budget("show", "--json")
    return code, [json.loads(line) for line in out.splitlines()], said


def test_nothing_is_there_before_it_is_set(budget):
    assert budget("show") == (0, "", "")


def test_set_and_shown(budget):
    assert budget("set", "healthcare", "by-diagnosis", "10")[0] == 0
    assert budget("set", "finance", "total", "0.123456789")[0] == 0
    code, rows, _ = shown(budget)
    assert code == 0
    assert rows == [
        {"tenant": "default", "dataset": "finance", "operator": "total", "limit": 0.123456789, "spent": 0, "left": 0.123456789, "charges": 0},
        {"tenant": "default", "dataset": "healthcare", "operator": "by-diagnosis", "limit": 10, "spent": 0, "left": 10, "charges": 0}]
    table = budget("show")[1].splitlines()
    assert table[0].split() == ["dataset", "operator", "limit", "spent", "left", "charges"]
    assert table[2].split() == ["healthcare", "by-diagnosis", "10", "0", "10", "0"]


def test_a_new_limit_forgets_nothing(budget):
    budget("set", "healthcare", "by-diagnosis", "10", "--spent", "7.5")
    assert budget("set", "healthcare", "by-diagnosis", "5")[0] == 0
    assert [(row["limit"], row["spent"], row["left"]) for row in shown(budget)[1]] == [(5, 7.5, 0)]


def test_a_damaged_account_is_told_and_mended(budget):
    budget("set", "healthcare", "by-diagnosis", "10")
    path = budget.world.path(FILE)
    path.write_bytes(path.read_bytes().replace(b"spent 0", b"spent 1"))
    code, rows, said = shown(budget)
    assert code == 1 and "--spent" in said and FILE in said
    assert "error" in rows[0] and "left" not in rows[0]
    code, _, said = budget("set", "healthcare", "by-diagnosis", "10")
    assert code == 1 and "damaged" in said
    assert budget("set", "healthcare", "by-diagnosis", "10", "--spent", "4")[0] == 0
    assert [row["left"] for row in shown(budget)[1]] == [6]


NOISED = """  in: { op: source, from: file, path: in.jsonl, schema: healthcare }
  all: { op: aggregate, after: in, window: 1h, dp: { epsilon: 0.5 } }
  found: { op: aggregate, after: in, by: diagnosis, window: 6h, dp: { epsilon: 1, delta: 1e-9 } }
  out: { op: sink-null, after: [all] }
  other: { op: sink-null, after: [found] }
"""


def test_a_plan_tells_what_windows_cost_and_how_long_they_can(budget):
    budget.world.graph(NOISED, settings="budget: { epsilon: 16, delta: 1e-8, per: 1d }")
    budget("set", "healthcare", "all", "36.1", "--spent", "0.6")
    code, out, said = budget("plan", "--json")
    assert (code, said) == (0, "")
    every, found = json.loads(out)["nodes"]
    assert every == {"dataset": "healthcare", "operator": "all", "epsilon": 0.5, "delta": 0, "every_ms": 3600000, "limit": 36.1, "spent": 0.6,
                     "left": 35.5, "answers_left": 71, "lasts_ms": 71 * 3600000}
    assert found == {"dataset": "healthcare", "operator": "found", "epsilon": 1, "delta": 1e-9, "every_ms": 6 * 3600000, "error": "not found",
                     "answers_left": 0, "lasts_ms": 0}
    assert {key: value for key, value in json.loads(out).items() if key != "nodes"} == {
        "tenant": "default", "per_ms": 86400000, "epsilon": 16, "delta": 1e-8, "budget": {"epsilon": 16, "delta": 1e-8}}
    code, out, said = budget("plan")
    assert (code, said) == (0, "")
    assert "all spends ε = 0.5 every 60 min; 35.5 of its account (healthcare) is left, for 2 d" in out and "cannot be charged" in out


def test_a_plan_beyond_the_budget_is_shown_and_refused(budget):
    budget.world.graph(NOISED, settings="budget: { epsilon: 15.9, delta: 1e-8, per: 1d }")
    code, out, said = budget("plan", "--json")
    assert code == 4 and "P108" in said
    assert (json.loads(out)["epsilon"], json.loads(out)["budget"]["epsilon"]) == (16, 15.9)
    budget.world.graph(NOISED, settings="budget: { colour: red }")
    assert budget("plan", "--json")[:2] == (3, "")


def test_a_plan_of_what_spends_nothing(budget):
    code, out, said = budget("plan", "--json")
    assert (code, said) == (0, "") and json.loads(out) == {"tenant": "default", "nodes": [], "per_ms": 86400000, "epsilon": 0, "delta": 0, "budget": None}
    assert budget("plan") == (0, "", "")
    assert budget("plan", "more")[0] == 2


@pytest.mark.parametrize("words", (
    ("healthcare", "by-diagnosis", "-1"), ("healthcare", "by-diagnosis", "1e3"), ("healthcare", "by-diagnosis", ""),
    ("healthcare", "by-diagnosis", "0.0000000001"), ("healthcare", "by-diagnosis"), ("../x", "y", "1"), ("x", "y/z", "1"),
    ("healthcare", "by-diagnosis", "1", "--spent", "x"), ("healthcare", "by-diagnosis", "1", "2")))
def test_bad_input(budget, words):
    if words[2:3] == ("-1",):
        words = ("--", *words)
    code, out, said = budget("set", *words)
    assert (code, out) == (2, "") and said.startswith("datavault: ")
    assert not budget.world.path("state/budgets").exists()
