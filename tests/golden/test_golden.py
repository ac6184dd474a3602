#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""test_golden.py - scenarios without code: a graph, what goes in, what must come out.

tests/golden/OPERATOR/NAME.yaml is run as `datavault run --once NAME.yaml < NAME.in`, and its stdout must be NAME.out, byte
for byte. OPERATOR is the word of operators/meson.build with dashes (`sink-file`, `source-stdin`). Beside a scenario may lie
  NAME.err    lines that must each be found somewhere in stderr
  NAME.code   the exit code, if it is not 0
  NAME.subst  lines `PATTERN => TEXT`, for what differs from run to run: applied to what came out, before it is compared
  NAME.given/ files that are there before the run; *.key is made readable by its owner alone, as keys must be
  NAME.left/  files that must be there after it, with the same bytes
  NAME.after  a bash script run afterwards with $DATAVAULT; what it prints counts as more of stdout

Each run has a folder of its own, which is its current one and ${TMP}: it holds the graph, a keyring in keyring/, and
schemas/ and policies/ with those of conf/, of tests/golden/ and of the operator's folder, the later ones winning.
DATAVAULT_BLESS=1 writes NAME.out from what came out instead of comparing: read the difference before committing it.

shows: MIS-3 MIS-4 ING-7 ANO-4
"""
import difflib
import os
import pathlib
import re
import shutil
import subprocess

import pytest

HERE = pathlib.Path(__file__).resolve().parent
CONF = HERE.parent.parent / "conf"
SCENARIOS = sorted(path for path in HERE.glob("*/*.yaml") if path.parent.name not in ("schemas", "policies"))
BLESS = os.environ.get("DATAVAULT_BLESS") == "1"


def text_of(path, otherwise=""):
    return path.read_text(encoding="utf-8") if path.exists() else otherwise


@pytest.fixture
def folder(tmp_path):
    """Makes the folder that a scenario runs in."""
    def make(scenario):
        for kind in ("schemas", "policies"):
            (tmp_path / kind).mkdir()
            for place in (CONF, HERE, scenario.parent):
                for file in sorted((place / kind).glob("*.yaml")):
                    shutil.copy(file, tmp_path / kind)
        shutil.copy(scenario, tmp_path)
        if scenario.with_suffix(".given").is_dir():
            shutil.copytree(scenario.with_suffix(".given"), tmp_path, dirs_exist_ok=True)
        for key in tmp_path.glob("*.key"):
            key.chmod(0o600)
        return tmp_path
    return make


def substituted(scenario, text):
    for line in text_of(scenario.with_suffix(".subst")).splitlines():
        pattern, replacement = line.split(" => ")
        text = re.sub(pattern, replacement, text)
    return text


def difference(expected, found):
    return "\n".join(difflib.unified_diff(expected.splitlines(), found.splitlines(), "expected", "found", lineterm=""))


def after(scenario, program, place):
    """What the script of a scenario says, if it has one."""
    script = scenario.with_suffix(".after")
    if not script.exists():
        return ""
    environment = {**os.environ, "DATAVAULT": program, "TMP": str(place)}
    done = subprocess.run(["bash", "-euo", "pipefail", str(script)], cwd=place, env=environment, stdout=subprocess.PIPE, timeout=60, check=True)
    return done.stdout.decode("utf-8")


@pytest.mark.parametrize("scenario", SCENARIOS, ids=[f"{path.parent.name}/{path.stem}" for path in SCENARIOS])
def test_scenario(scenario, folder, run, datavault):
    place = folder(scenario)
    made = run("keys", "init", "--keyring", "file:keyring", "healthcare", "finance", cwd=place)
    assert made.returncode == 0, made.stderr.decode()
    given = scenario.with_suffix(".in")
    done = run("run", "--once", scenario.name, input=given.read_bytes() if given.exists() else b"", cwd=place,
               env={**os.environ, "TMP": str(place)})
    said = done.stderr.decode("utf-8", "replace")
    assert done.returncode == int(text_of(scenario.with_suffix(".code"), "0")), said
    found = substituted(scenario, done.stdout.decode("utf-8") + after(scenario, datavault, place))
    if BLESS:
        scenario.with_suffix(".out").write_text(found, encoding="utf-8")
        pytest.skip("written, not compared")
    expected = text_of(scenario.with_suffix(".out"))
    assert found == expected, difference(expected, found) + "\n" + said
    for line in text_of(scenario.with_suffix(".err")).splitlines():
        assert line in said
    for file in filter(pathlib.Path.is_file, scenario.with_suffix(".left").rglob("*")):
        left = place / file.relative_to(scenario.with_suffix(".left"))
        assert left.exists(), f"{left.name} is not there"
        assert left.read_bytes() == file.read_bytes(), difference(text_of(file), text_of(left))


def test_there_are_scenarios():
    assert SCENARIOS
