#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""test_good.py - every graph in this folder is sound: `datavault check` must accept it. A proof that refuses what is
right is switched off, or declassified away.

The second line of each file says what it is for.

shows: ANO-6 PRV-15 MIS-3
"""
import os
import pathlib
import subprocess

import pytest

HERE = pathlib.Path(__file__).parent
GOOD = sorted(HERE.glob("*.yaml"))
DATAVAULT = os.environ["DATAVAULT"]


@pytest.fixture(scope="module")
def said():
    """What one process says of all of them."""
    return subprocess.run([DATAVAULT, "check", *map(str, GOOD)], capture_output=True, text=True, timeout=120)


def test_there_are_at_least_fifty():
    assert len(GOOD) >= 50
    assert all(path.read_text().splitlines()[1].startswith("# ") for path in GOOD)


@pytest.mark.parametrize("graph", GOOD, ids=lambda path: path.stem)
def test_sound_graph_is_accepted(graph, said):
    assert f"{graph}: proved" in said.stderr, said.stderr


def test_nothing_is_said_against_them(said):
    assert said.returncode == 0
    assert "error[" not in said.stderr
