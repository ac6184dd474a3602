#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""test_leaks.py - every graph in this folder leaks: `datavault check` must refuse it and show the path of the leak.

`# leaks:` names the column that would leave, `# tells:` the one that a condition would tell of, `# unguarded:` the exit that nobody
watches and nobody says why, `# overspends:` the finding of noised answers that together tell more than the graph's `budget`, and which
number of it they pass, `# compares:` two aggregates whose rows can be subtracted, and `# for:` why.

shows: ANO-6 PRV-3 PRV-15 ING-13 MIS-3
"""
import os
import pathlib
import re
import subprocess

import pytest

HERE = pathlib.Path(__file__).parent
GRAPHS = sorted(HERE.glob("*.yaml"))
UNGUARDED = [path for path in GRAPHS if "\n# unguarded: " in path.read_text()]
OVERSPENT = [path for path in GRAPHS if "\n# overspends: " in path.read_text()]
COMPARED = [path for path in GRAPHS if "\n# compares: " in path.read_text()]
LEAKS = [path for path in GRAPHS if path not in UNGUARDED + OVERSPENT + COMPARED]
DATAVAULT = os.environ["DATAVAULT"]


def said(text, word):
    return re.search(rf"^# {word}: (.*)$", text, re.M).group(1)


def test_there_are_at_least_thirty():
    assert len(LEAKS) >= 30


@pytest.mark.parametrize("graph", LEAKS, ids=lambda path: path.stem)
def test_leak_is_refused_with_its_path(graph):
    text = graph.read_text()
    told = "\n# tells: " in text
    field, exit_node = said(text, "tells" if told else "leaks").split(" at ")
    done = subprocess.run([DATAVAULT, "check", str(graph)], capture_output=True, text=True, timeout=60)
    assert done.returncode == 4, done.stderr
    if told:
        assert re.search(rf"error\[P002\]: that a record is at `{exit_node}` .* would tell its `{field}`", done.stderr)
    else:
        assert f"error[P001]: `{field}`" in done.stderr
        assert f"would reach `{exit_node}`" in done.stderr
    assert said(text, "path") in done.stderr
    assert "help:" in done.stderr


@pytest.mark.parametrize("graph", UNGUARDED, ids=lambda path: path.stem)
def test_guard_is_not_switched_off_for_no_reason(graph, tmp_path):
    text = graph.read_text()
    done = subprocess.run([DATAVAULT, "check", str(graph)], capture_output=True, text=True, timeout=60)
    assert done.returncode == 4, done.stderr
    assert f"error[P110]: the guard of '{said(text, 'unguarded')}' is off for no reason" in done.stderr
    assert done.stderr.count("error[") == 1 and "help:" in done.stderr
    reasoned = tmp_path / graph.name
    reasoned.write_text(re.sub(r"do: off(, reason: [^}]*)?", "do: off, reason: the reader is the clinic itself", text))
    for folder in ("schemas", "policies"):
        (tmp_path / folder).symlink_to(HERE / folder)
    done = subprocess.run([DATAVAULT, "check", str(reasoned)], capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("graph", OVERSPENT, ids=lambda path: path.stem)
def test_answers_cost_more_than_the_budget(graph, tmp_path):
    text = graph.read_text()
    finding, number = said(text, "overspends").split()
    done = subprocess.run([DATAVAULT, "check", str(graph)], capture_output=True, text=True, timeout=60)
    assert done.returncode == 4, done.stderr
    assert done.stderr.count("error[") == 1 and f"error[{finding}]: the answers of a period could" in done.stderr and "help:" in done.stderr
    enough = tmp_path / graph.name
    enough.write_text(re.sub(rf"^(budget: .*{number}: )[0-9.e-]+", {"delta": r"\g<1>2.5e-5", "epsilon": r"\g<1>12"}[number], text, flags=re.M))
    (tmp_path / "schemas").symlink_to(HERE / "schemas")
    done = subprocess.run([DATAVAULT, "check", str(enough)], capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("graph", COMPARED, ids=lambda path: path.stem)
def test_two_aggregates_that_can_be_compared_are_not_both_shown(graph, tmp_path):
    text = graph.read_text()
    first, second = said(text, "compares").split()
    done = subprocess.run([DATAVAULT, "check", str(graph)], capture_output=True, text=True, timeout=60)
    assert done.returncode == 4, done.stderr
    assert f"error[P113]: `{first}` and `{second}` count the same records" in done.stderr
    assert f"rule: {said(text, 'for')}" in done.stderr
    assert done.stderr.count("error[") == 1 and "help:" in done.stderr
    alone = tmp_path / graph.name
    mended = re.sub(rf"{{ op: sink-[^}}]*after: {second}[^}}]*}}", f"{{ op: sink-null, after: {second} }}", text)
    assert mended != text
    alone.write_text(mended)
    for folder in ("schemas", "policies"):
        (tmp_path / folder).symlink_to(HERE / folder)
    done = subprocess.run([DATAVAULT, "check", str(alone)], capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("graph", LEAKS[:3] + UNGUARDED[:1] + OVERSPENT[:1] + COMPARED[:1], ids=lambda path: path.stem)
def test_leaking_graph_does_not_start(graph, tmp_path):
    done = subprocess.run([DATAVAULT, "run", "--once", str(graph)], capture_output=True, text=True, timeout=60, cwd=HERE,
                          stdin=subprocess.DEVNULL)
    assert done.returncode == 4
    assert done.stdout == ""
    assert not list(HERE.glob("out.*"))
