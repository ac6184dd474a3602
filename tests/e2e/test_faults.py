#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""test_faults.py - killed, stopped, damaged, out of space or with a failing disk: nothing is lost and nothing is doubled.

shows: STO-2 ING-6 ING-7 MIS-5

DATAVAULT_ROUNDS multiplies the rounds of kill and stop, DATAVAULT_MUTATIONS sets those of damaged files. Each test
compares the store by SQL with a ledger kept outside, and opens a sample of it.
"""
import contextlib
import json
import os
import pathlib
import shutil
import signal
import subprocess
import sys
import time

import pytest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "tools"))
import oracle
from world import BRANCHED, KEEPING, World, end, events, wait_for

ROUNDS = float(os.environ.get("DATAVAULT_ROUNDS") or 1)
MUTATIONS = int(os.environ.get("DATAVAULT_MUTATIONS") or 100)
PER_ROUND = 1500


@pytest.fixture(name="world")
def make_world(tmp_path, datavault):
    with World(tmp_path / "w", datavault) as made:
        yield made


def ledger_of(world):
    return oracle.Ledger(world.path("in.jsonl"))


def finish(world, ledger, graph="graph.yaml"):
    """Runs what is left and compares everything."""
    done = world.run("run", "--once", graph)
    assert done.returncode == 0, done.stderr
    assert oracle.compare(ledger, world.path("vault.sqlite")) == ([], [], [])
    assert len(oracle.rows(world.path("vault.sqlite"))) == len(ledger.issued)


def sample_contents(world, ledger, draw, count=8):
    names = [row[0] for row in oracle.rows(world.path("vault.sqlite"))]
    assert oracle.compare_contents(ledger, world.path("vault.sqlite"), world.retrieve, draw.sample(names, count)) == []


def stored(world):
    with contextlib.suppress(oracle.sqlite3.Error):
        return len(oracle.rows(world.path("vault.sqlite")))
    return 0


# ---- killed and stopped ----

class Pace:
    """How long a round takes that is left alone, for a kill must fall into it: what else the machine does makes it longer and
    shorter as it goes."""

    def __init__(self, world, ledger):
        ledger.issue(2 * PER_ROUND)
        start = time.monotonic()
        assert world.run("run", "--once", "graph.yaml").returncode == 0
        self.lasts = time.monotonic() - start

    def live(self, process, share):
        """Lets it live for a share of a round; whether it is still at work."""
        start = time.monotonic()
        try:
            process.wait(share * self.lasts)
        except subprocess.TimeoutExpired:
            self.lasts *= 1.02
            return True
        self.lasts = time.monotonic() - start
        return False


def test_killed_at_any_moment_nothing_is_lost_or_doubled(world, draw):
    world.graph(KEEPING)
    ledger, at_work = ledger_of(world), 0
    pace = Pace(world, ledger)
    for number in range(int(30 * ROUNDS)):
        ledger.issue(2 * PER_ROUND)
        process = world.start("run", "graph.yaml")
        at_work += pace.live(process, draw.random())
        end(process, signal.SIGKILL)
        found = oracle.compare(ledger, world.path("vault.sqlite")) if stored(world) else oracle.Verdict([], [], [])
        assert (found.twice, found.foreign) == ([], []), f"round {number}"
        assert b"Sanitizer" not in process.log.read_bytes()
    print(f"{at_work} of {number + 1} were killed at work")
    finish(world, ledger)
    sample_contents(world, ledger, draw)
    assert at_work > 10 * min(ROUNDS, 1)


def test_killed_beside_a_file_every_record_is_in_it_and_every_line_is_whole(world, draw):
    """A file is at least once; what a crash tore off is cut at the next start."""
    world.graph(BRANCHED)
    ledger = ledger_of(world)
    for _ in range(int(8 * ROUNDS)):
        ledger.issue(PER_ROUND)
        process = world.start("run", "graph.yaml")
        time.sleep(draw.random() * 0.5)
        end(process, signal.SIGKILL)
    finish(world, ledger)
    lines = [json.loads(line) for line in world.path("out.jsonl").read_bytes().splitlines()]
    assert len({line["patient_id"] for line in lines}) == len(ledger.issued) <= len(lines)


def test_a_restart_goes_on_from_the_checkpoint(world):
    world.graph(KEEPING)
    ledger = ledger_of(world)
    ledger.issue(300)
    assert world.run("run", "--once", "graph.yaml").returncode == 0
    ledger.issue(100)
    done = world.run("run", "--once", "graph.yaml")
    assert b"100 records in, 100 out" in done.stderr, done.stderr
    assert [event["line"] for event in events(done.stderr) if event["event"] == "source.resumed"] == [300]
    finish(world, ledger)


def test_recovery_takes_no_more_than_two_seconds(world):
    world.graph(KEEPING)
    ledger = ledger_of(world)
    ledger.issue(20_000)
    process = world.start("run", "graph.yaml")
    assert wait_for(lambda: stored(world) > 500, 60)
    end(process, signal.SIGKILL)
    before, start = stored(world), time.monotonic()
    if before < len(ledger.issued):
        world.start("run", "graph.yaml")
        assert wait_for(lambda: stored(world) > before, 30)
        print(f"first new record after {time.monotonic() - start:.2f} s")
        assert time.monotonic() - start < 2
        end(world.running[-1])
    finish(world, ledger)


def test_sigterm_drains_and_nothing_is_delivered_again(world, draw):
    world.graph(BRANCHED)
    ledger, slowest, at_work = ledger_of(world), 0, 0
    for number in range(int(20 * ROUNDS)):
        ledger.issue(3 * PER_ROUND)
        before, process = stored(world), world.start("run", "graph.yaml")
        assert wait_for(lambda was=before, run=process: stored(world) > was or run.poll() is not None, 60, 0.005)
        time.sleep(draw.random() * 0.15)
        at_work += process.poll() is None
        code, seconds = end(process)
        assert code == 0, process.log.read_text()
        slowest = max(slowest, seconds)
        assert len(world.path("out.jsonl").read_bytes().splitlines()) == stored(world), f"round {number}"
    print(f"{at_work} of {number + 1} were stopped at work, the slowest stop took {slowest:.2f} s")
    assert at_work > 5 * min(ROUNDS, 1)
    finish(world, ledger)
    assert len(world.path("out.jsonl").read_bytes().splitlines()) == len(ledger.issued), "a stop redelivered"


class Pipe:
    """A named pipe nobody reads from, so that a drain cannot end."""

    def __init__(self, world, name="pipe"):
        self.path = world.path(name)
        os.mkfifo(self.path)
        self.fd = os.open(self.path, os.O_RDWR | os.O_NONBLOCK)


STUCK = KEEPING.replace("vault.sqlite }\n", "vault.sqlite }\n  out: { op: sink-file, after: seal, path: pipe }\n")


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_second_signal_forces_and_nothing_is_lost(number, world):
    pipe = Pipe(world)
    world.graph(STUCK)
    ledger = ledger_of(world)
    ledger.issue(3000)
    process = world.start("run", "graph.yaml")
    assert wait_for(lambda: stored(world) > 0, 60)
    process.send_signal(number)
    time.sleep(0.5)
    assert process.poll() is None, "the drain waits for the reader of the pipe"
    code, seconds = end(process, number)
    assert seconds < 2
    assert code == 1, "what is in flight was given up"
    assert "stopped at once" in process.log.read_text() and "held last by 'out'" in process.log.read_text()
    os.close(pipe.fd)
    world.graph(KEEPING)
    finish(world, ledger)


def test_a_drain_that_cannot_end_is_given_up_in_time(world):
    pipe = Pipe(world)
    world.graph(STUCK, "keyring: file:keys\ndrain: 1s")
    ledger = ledger_of(world)
    ledger.issue(3000)
    process = world.start("run", "graph.yaml")
    assert wait_for(lambda: stored(world) > 0, 60)
    code, seconds = end(process)
    assert code == 1 and 0.8 < seconds < 4, (code, seconds)
    assert "the time to drain is over" in process.log.read_text() and "held last by 'out'" in process.log.read_text()
    os.close(pipe.fd)
    world.graph(KEEPING)
    finish(world, ledger)


# ---- damaged files ----

def damage(data, draw):
    """(what, bytes): one of the ways in which a file comes back wrong."""
    kind = draw.choice(["flip", "flips", "cut", "empty", "zeros", "grown", "noise"])
    altered = bytearray(data)
    if kind in ("flip", "flips"):
        for _ in range(1 if kind == "flip" else 20):
            altered[draw.randrange(len(data))] ^= 1 << draw.randrange(8)
    elif kind == "cut":
        altered = altered[:draw.randrange(len(data))]
    elif kind == "empty":
        altered = b""
    elif kind == "zeros":
        start = draw.randrange(len(data))
        altered[start:] = bytes(len(data) - start)
    elif kind == "grown":
        altered += draw.randbytes(draw.randrange(1, 200))
    else:
        altered = draw.randbytes(len(data))
    return kind, bytes(altered)


FILES = {"checkpoint": "state/t/in.checkpoint", "dead letters": "state/t/dead-letters.msgpack", "output": "out.jsonl"}


def test_damaged_state_never_keeps_it_from_starting(world, draw):
    """Damage is told and set aside or cut off; the store ends up with every record once."""
    world.graph(BRANCHED)
    ledger = ledger_of(world)
    ledger.issue(20)
    ledger.write(b"no record\n")
    ledger.issue(20)
    assert world.run("run", "--once", "graph.yaml").returncode == 1
    kept = world.at.with_name("kept")
    shutil.copytree(world.at, kept)
    aside = 0
    for number in range(MUTATIONS):
        name = draw.choice(sorted(FILES))
        path = world.path(FILES[name])
        kind, altered = damage(path.read_bytes(), draw)
        path.write_bytes(altered)
        done = world.run("run", "--once", "graph.yaml")
        what = f"{number}: {kind} of {name}: {done.stderr}"
        assert done.returncode in (0, 1), what
        assert b"Sanitizer" not in done.stderr, what
        aside += any(event["event"] in ("checkpoint.corrupt", "file.quarantined", "file.torn-end-cut")
                     for event in events(done.stderr))
        assert oracle.compare(ledger, world.path("vault.sqlite")) == ([], [], []), what
        if number % 4 == 0:
            assert world.run("run", "--once", "graph.yaml").returncode == 0, what
        restore(world, kept)
    print(f"{MUTATIONS} damaged files, {aside} set aside or cut")
    assert aside > MUTATIONS / 3


def restore(world, kept):
    for name in ("state", "out.jsonl", "vault.sqlite", "vault.sqlite-wal", "vault.sqlite-shm"):
        for path in (world.path(name), *world.at.glob(name + ".*")):
            shutil.rmtree(path) if path.is_dir() else path.unlink(missing_ok=True)
    shutil.copytree(kept / "state", world.path("state"))
    for name in ("out.jsonl", "vault.sqlite"):
        shutil.copy2(kept / name, world.path(name))


def test_a_damaged_store_is_told_and_never_crashes(world, draw):
    """SQLite notices some damage when it opens, some when it meets it: the exit code is not 0, or every record is right."""
    world.graph(KEEPING)
    ledger = ledger_of(world)
    ledger.issue(200)
    assert world.run("run", "--once", "graph.yaml").returncode == 0
    sound = world.path("vault.sqlite").read_bytes()
    ledger.issue(50)
    for number in range(15):
        for left in world.at.glob("vault.sqlite*"):
            left.unlink()
        shutil.rmtree(world.path("state"))
        kind, altered = damage(sound, draw)
        world.path("vault.sqlite").write_bytes(altered)
        done = world.run("run", "--once", "graph.yaml")
        assert done.returncode in (0, 1, 3, 5), f"{number}: {kind}: {done}"
        assert b"Sanitizer" not in done.stderr and b"assert" not in done.stderr.lower(), done.stderr
        assert done.returncode == 0 or b"vault.sqlite" in done.stderr or b"store" in done.stderr, done.stderr
