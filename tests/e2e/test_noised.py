# SPDX-License-Identifier: Apache-2.0
"""test_noised.py - noised aggregates and their accounts from outside: bounded before the run, told when spent, charged before
they are released wherever the program dies, and never overdrawn by several processes nor by reloads.

DATAVAULT_LONG=1 dies at every label there is, twice.

shows: PRV-1 PRV-3 MIS-3 BCP-2
"""
import http.client
import json
import os
import pathlib
import re
import signal
import subprocess
import sys

import grpc
import pytest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "tools"))
import grpc_client
import oracle
from world import ROOT, World, end, free_port, get, signal_to, wait_for

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


def set_budget(world, limit, node="noisy"):
    done = world.run("budget", "set", "graph.yaml", "healthcare", node, limit)
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
    assert wait_for(lambda: b"withheld" in process.log.read_bytes() and released(world) >= 2, 30), process.log.read_text()
    status, said = post(port, {"patient_id": "P1"})
    assert status == 429 and "datavault budget set" in said
    ready = get(port, "/readyz")
    assert "budget is spent" in str(ready)
    metrics = str(get(port, "/metrics"))
    assert 'datavault_node_withheld_total{node="noisy",op="aggregate"} ' in metrics
    before = account(world)
    assert before["spent"] == 1 and released(world) == 2
    set_budget(world, 2)
    assert wait_for(lambda: released(world) == 4, 30)
    end(process)
    assert account(world)["spent"] == 2


KEEN = """  keen: { op: aggregate, after: in, window: 100ms, dp: { epsilon: 0.5, when_spent: drop } }
  nowhere: { op: sink-null, after: keen }
"""


def test_who_calls_a_spent_graph_is_told(world):
    port = free_port()
    world.graph(nodes(f'grpc, listen: "127.0.0.1:{port}"', "100ms", ", when_spent: drop") + KEEN)
    set_budget(world, 1)
    set_budget(world, 1000, "keen")
    process = world.start("run", "graph.yaml")
    record = grpc_client.datavault.IngestRequest(payload=b'{"patient_id": "P1", "diagnosis": "x"}')
    with grpc_client.Client(port) as client:
        def answer():
            return grpc_client.code_of(client.ingest, record, timeout=20)
        assert wait_for(lambda: b"withheld" in process.log.read_bytes() and answer()[0] == grpc.StatusCode.OK, 60), process.log.read_text()
        set_budget(world, 0, "keen")
        assert wait_for(lambda: answer()[0] == grpc.StatusCode.RESOURCE_EXHAUSTED, 60), process.log.read_text()
        code, said = grpc_client.code_of(client.stream, iter([record, record]))
        assert code == grpc.StatusCode.RESOURCE_EXHAUSTED and "privacy budget" in said and "P1" not in said
        set_budget(world, 2)
        assert wait_for(lambda: answer()[0] == grpc.StatusCode.OK, 60), process.log.read_text()
    end(process)


def test_a_running_graph_stops(world):
    port = free_port()
    world.graph(nodes("http", "100ms"), settings=f"keyring: file:keys\nlisten: 127.0.0.1:{port}")
    set_budget(world, 1)
    process = world.start("run", "graph.yaml")
    assert process.wait(60) == 6
    said = process.log.read_text()
    assert "noisy of dataset healthcare is spent: 1 of 1" in said and "datavault budget set" in said
    assert released(world) == 2


# ---- reloads ----

class Reloaded:
    """The program on a graph whose file is written anew."""

    def __init__(self, world):
        self.world, self.port = world, free_port()

    def write(self, budget="{ epsilon: 12, per: 1d }", out="out.jsonl", **more):
        settings = f'keyring: file:keys\nlisten: "127.0.0.1:{self.port}"\nbudget: {budget}'
        self.world.graph(nodes("http", **{"window": "1h", **more}).replace("out.jsonl", out), settings)

    def start(self):
        self.process = self.world.start("run", "graph.yaml")
        assert wait_for(lambda: get(self.port, "/readyz")[0] == 200, 60), self.process.log.read_text()

    def reloads(self):
        return dict(re.findall(r'datavault_reloads_total{result="([a-z-]+)"} (\d+)', get(self.port, "/metrics")[1].decode()))

    def reload(self):
        """How it ended."""
        before = self.reloads()
        signal_to(self.process, signal.SIGHUP)
        after = wait_for(lambda: (now := self.reloads()) != before and now, 20)
        assert after, self.process.log.read_text()
        return next(key for key in after if after[key] != before[key])


@pytest.fixture(name="reloaded")
def make_reloaded(world):
    yield Reloaded(world)


@pytest.mark.parametrize("finding, wrong", (
    ("P108", {"budget": "{ epsilon: 11.9, per: 1d }"}), ("P108", {"window": "59m"}),
    ("P109", {"more": ", delta: 1e-9"}), ("colour", {"budget": "{ epsilon: 12, colour: red }"})))
def test_a_reload_beyond_the_budget_is_refused(reloaded, finding, wrong):
    world = reloaded.world
    reloaded.write()
    set_budget(world, 1)
    reloaded.start()
    reloaded.write(**wrong)
    assert reloaded.reload() == "invalid"
    assert finding in reloaded.process.log.read_text()
    assert get(reloaded.port, "/readyz")[0] == 200 and account(world)["spent"] == 0  # the old window goes on
    reloaded.write(budget="{ epsilon: 1000, per: 1d }", window="59m")
    assert reloaded.reload() == "done"
    assert wait_for(lambda: released(world) == 1, 30) and account(world)["spent"] == 0.5
    assert end(reloaded.process)[0] == 0


def test_a_reload_that_goes_back_to_a_spent_account_ends_the_run(reloaded):
    world = reloaded.world
    reloaded.write()
    set_budget(world, 0.9)
    reloaded.start()
    reloaded.write(window="2h")
    signal_to(reloaded.process, signal.SIGHUP)
    assert reloaded.process.wait(60) == 6  # the old window has said what it had, and no window can be paid for any more
    said = reloaded.process.log.read_text()
    assert "rolled-back" in said and "noisy of dataset healthcare is spent: 0.5 of 0.9" in said
    assert account(world)["spent"] == 0.5 and released(world) == 1


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
        codes.append(process.wait(60))
        process.stdin.close()
        process.stderr.close()
    assert codes == [6, 6, 6], said
    lines = sum(len(world.path(f"out{i}.jsonl").read_bytes().splitlines()) for i in range(3) if world.path(f"out{i}.jsonl").exists())
    assert lines == limit / 0.5 and account(world)["spent"] == limit
