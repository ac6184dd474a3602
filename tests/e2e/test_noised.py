# SPDX-License-Identifier: Apache-2.0
"""test_noised.py - noised aggregates and their accounts from outside: bounded before the run, told when spent, charged before
they are released wherever the program dies, and never overdrawn by several processes.

DATAVAULT_LONG=1 dies at every label there is, twice.

shows: PRV-1 PRV-3 BCP-2
"""
import http.client
import json
import os
import pathlib
import subprocess
import sys

import pytest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "tools"))
import oracle
from world import ROOT, World, end, free_port, get, wait_for

LONG = os.environ.get("DATAVAULT_LONG") == "1"
LIST = subprocess.run([sys.executable, ROOT / "tools" / "crash_points"], capture_output=True, text=True, check=True)
ROOMS = ("purse.", "aggregate.", "replace.", "append.", "sink-file.", "lines.", "checkpoint.", "receipt.", "drain.")
LABELS = [label for label in (line.split("\t")[0] for line in LIST.stdout.splitlines()) if LONG or label.startswith(ROOMS)]
KILLED = 137
NODES = """  in: {{ op: source, from: {source}, schema: healthcare }}
  noisy: {{ op: aggregate, after: in, window: {window}, dp: {{ epsilon: 0.5{more} }} }}
  out: {{ op: sink-file, after: noisy, path: out.jsonl }}
"""


def nodes(source="file, path: in.jsonl", window="1d", more=""):
    return NODES.format(source=source, window=window, more=more)


@pytest.fixture(name="world")
def make_world(tmp_path, datavault):
    with World(tmp_path / "w", datavault) as world:
        yield world


def set_budget(world, limit):
    done = world.run("budget", "set", "graph.yaml", "healthcare", "noisy", limit)
    assert done.returncode == 0, done.stderr


def account(world):
    return json.loads(world.run("budget", "show", "graph.yaml", "--json").stdout)


def released(world):
    out = world.path("out.jsonl")
    return len(out.read_bytes().splitlines()) if out.exists() else 0


# ---- before the run ----

@pytest.mark.parametrize("budget, window, code", (
    ("{ epsilon: 12, per: 1d }", "1h", 0), ("{ epsilon: 11.9, per: 1d }", "1h", 4),
    ("{ epsilon: 0.5, per: 1h }", "1h", 0), ("{ epsilon: 1, per: 2h }", "1h", 0),
    # 1440 windows: 720 added up; by zCDP 180 + 2 √(180 · ln 10⁶) = 279.7
    ("{ epsilon: 280, delta: 1e-6, per: 1d }", "1m", 0), ("{ epsilon: 279, delta: 1e-6, per: 1d }", "1m", 4),
    ("{ epsilon: 280, per: 1d }", "1m", 4), ("{ per: 1d }", "1m", 3), ("{ epsilon: 1, colour: red }", "1m", 3)))
def test_bounded_before_it_runs(world, budget, window, code):
    world.graph(nodes(window=window), settings=f"keyring: file:keys\nbudget: {budget}")
    world.write("in.jsonl")
    for verb in (("check",), ("run", "--once")):
        if verb[0] == "run" and code == 0:
            continue
        done = world.run(*verb, "graph.yaml")
        assert done.returncode == code, done.stderr
        assert code != 4 or b"P108" in done.stderr


def test_check_tells_how_long_it_lasts(world):
    world.graph(nodes(window="1h"))
    assert b"cannot be charged" in world.run("check", "graph.yaml").stdout
    set_budget(world, 36)
    said = world.run("check", "graph.yaml").stdout.decode()
    assert "36 of its account (healthcare) is left, for 3 d" in said and "together cost at most \u03b5 = 12" in said


# ---- when it is spent ----

def post(port, record):
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
    connection.request("POST", "/v1/ingest", json.dumps(record), {"Content-Type": "application/json", "Host": "localhost"})
    answer = connection.getresponse()
    return answer.status, answer.read().decode()


def test_who_sends_into_a_spent_graph_is_told(world):
    port = free_port()
    world.graph(nodes("http", "100ms", ", when_spent: drop"), settings=f"keyring: file:keys\nlisten: 127.0.0.1:{port}")
    set_budget(world, 1)
    process = world.start("run", "graph.yaml")
    assert wait_for(lambda: b"withheld" in process.log.read_bytes(), 10), process.log.read_text()
    status, said = post(port, {"patient_id": "P1"})
    assert status == 429 and "datavault budget set" in said
    ready = get(port, "/readyz")
    assert "budget is spent" in str(ready)
    metrics = str(get(port, "/metrics"))
    assert 'datavault_node_withheld_total{node="noisy",op="aggregate"} ' in metrics
    before = account(world)
    assert before["spent"] == 1 and released(world) == 2
    set_budget(world, 2)
    assert wait_for(lambda: released(world) == 4, 10)
    end(process)
    assert account(world)["spent"] == 2


def test_a_running_graph_stops(world):
    port = free_port()
    world.graph(nodes("http", "100ms"), settings=f"keyring: file:keys\nlisten: 127.0.0.1:{port}")
    set_budget(world, 1)
    process = world.start("run", "graph.yaml")
    assert process.wait(20) == 6
    said = process.log.read_text()
    assert "noisy of dataset healthcare is spent: 1 of 1" in said and "datavault budget set" in said
    assert released(world) == 2


# ---- wherever it dies, and however many there are ----

@pytest.mark.parametrize("label", LABELS)
def test_paid_before_released(label, world):
    world.graph(nodes())
    oracle.Ledger(world.path("in.jsonl")).issue(20)
    set_budget(world, 100)
    for nth in range(1, 3 if LONG else 2):
        done = world.run("run", "--once", "graph.yaml", env={"DV_CRASH_AT": f"{label}:{nth}"})
        assert done.returncode in (0, KILLED), done.stderr
        assert account(world)["spent"] >= 0.5 * released(world)
    assert world.run("run", "--once", "graph.yaml").returncode == 0
    assert account(world)["spent"] >= 0.5 * released(world)


def test_several_processes_share_an_account(world):
    limit = 7
    world.graph(nodes(window="100ms", more=", when_spent: stop").replace("file, path: in.jsonl", "stdin").replace("out.jsonl", '"${OUT:-out.jsonl}"'), settings="")
    set_budget(world, limit)
    running = [subprocess.Popen([world.binary, "run", "--once", "--quiet", "graph.yaml"], cwd=world.at, stdin=subprocess.PIPE,
                                stderr=subprocess.PIPE, env={**os.environ, "OUT": f"out{i}.jsonl"}) for i in range(3)]
    codes, said = [], []
    for process in running:
        said.append(process.stderr.read())
        codes.append(process.wait(30))
        process.stdin.close()
        process.stderr.close()
    assert codes == [6, 6, 6], said
    lines = sum(len(world.path(f"out{i}.jsonl").read_bytes().splitlines()) for i in range(3) if world.path(f"out{i}.jsonl").exists())
    assert lines == limit / 0.5 and account(world)["spent"] == limit
