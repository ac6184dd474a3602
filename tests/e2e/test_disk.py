#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""test_disk.py - a full disk pauses the intake, says so and goes on by itself; a sync that failed ends the run, and the
next one finds everything that was settled.

shows: STO-2 ING-6 ING-7 MIS-5

Needs root for a small file system and strace for failing calls; without them the tests are skipped and say so.
"""
import contextlib
import json
import os
import pathlib
import re
import shutil
import subprocess
import sys
import time

import pytest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "tools"))
import oracle
from world import BRANCHED, World, end, events, free_port, get, wait_for

STRACE = shutil.which("strace")
SYNCS = int(os.environ.get("DATAVAULT_SYNCS") or 14)


@pytest.fixture(name="small")
def make_small(tmp_path):
    """A file system of 2 MB."""
    folder = tmp_path / "w" / "small"
    folder.mkdir(parents=True)
    if os.geteuid() != 0:
        pytest.skip("a small file system needs root")
    done = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=2m", "tmpfs", folder], capture_output=True, check=False)
    if done.returncode != 0:
        pytest.skip(f"mount is not permitted: {done.stderr.decode().strip()}")
    yield folder
    subprocess.run(["umount", "--lazy", folder], check=False)


@pytest.fixture(name="world")
def make_world(tmp_path, datavault):
    with World(tmp_path / "w", datavault) as made:
        yield made


def fill(folder, but=100_000):
    """Takes all room but some; gives back the file to delete."""
    free = os.statvfs(folder).f_bavail * os.statvfs(folder).f_frsize
    path = folder / "filler"
    path.write_bytes(b"x" * (free - but))
    return path


# What is on the full disk → the graph and its settings.
ON_SMALL = {
    "store": (BRANCHED.replace("vault.sqlite", "small/vault.sqlite"), ""),
    "file": (BRANCHED.replace("out.jsonl", "small/out.jsonl"), ""),
    "state": (BRANCHED, "state: small/state"),
    "everything": (BRANCHED.replace("vault.sqlite", "small/vault.sqlite").replace("out.jsonl", "small/out.jsonl"), "state: small/state"),
    "dead letters": (BRANCHED, "dead_letters: small/letters.msgpack"),
}


def graph_text(world, nodes, settings, port):
    state = "" if "state:" in settings else "state: state\n"
    world.path("graph.yaml").write_text(f"name: t\n{state}keyring: file:keys\nlisten: 127.0.0.1:{port}\n{settings}\ngraph:\n{nodes}")


@pytest.mark.parametrize("what", ON_SMALL)
def test_a_full_disk_pauses_and_goes_on_by_itself(what, world, small):
    nodes, settings = ON_SMALL[what]
    port = free_port()
    graph_text(world, nodes.replace("schema: healthcare }", "schema: healthcare, follow: true }", 1), settings, port)
    ledger = oracle.Ledger(world.path("in.jsonl"))
    filler = fill(small, 0 if what == "state" else 100_000)
    bad = b'{"no record": "' + b"x" * 200 + b'"\n'
    process = world.start("run", "graph.yaml")
    for _ in range(8):
        ledger.issue(250)
        if what == "dead letters":
            ledger.write(bad * 250)
    paused = wait_for(lambda: get(port, "/readyz")[0] == 503, 30, 0.1)
    assert paused, process.log.read_text() + str(get(port, "/readyz"))
    status, body = get(port, "/readyz")
    said = json.loads(body)
    assert (status, "no space left" in body.decode()) == (503, True), said
    assert get(port, "/livez")[0] == 200
    quiet_while_full(world, process, port)
    filler.unlink()
    start = time.monotonic()
    assert wait_for(lambda: get(port, "/readyz")[0] == 200, 10, 0.05), get(port, "/readyz")
    print(f"{what}: ready again after {time.monotonic() - start:.2f} s")
    assert time.monotonic() - start < 5
    finish(world, ledger, process, nodes)


def quiet_while_full(world, process, port):
    """A full disk is no crash, no spinning and no flood in the log."""
    used = os.sysconf("SC_CLK_TCK")

    def ticks():
        with open(f"/proc/{process.pid}/stat", encoding="ascii") as file:
            return sum(map(int, file.read().rsplit(")", 1)[1].split()[11:13]))
    before, length = ticks(), process.log.stat().st_size
    time.sleep(1.5)
    assert process.poll() is None, process.log.read_text()
    assert get(port, "/readyz")[0] == 503
    assert ticks() - before < 0.5 * used, "it spins"
    assert process.log.stat().st_size - length < 4096, "the log is flooded"


def finish(world, ledger, process, nodes):
    store = world.path("small/vault.sqlite" if "small/vault" in nodes else "vault.sqlite")
    out = world.path("small/out.jsonl" if "small/out" in nodes else "out.jsonl")

    def stored():
        with contextlib.suppress(oracle.sqlite3.Error):
            return len(oracle.rows(store)) == len(ledger.issued) == len(out.read_bytes().splitlines())
    assert wait_for(stored, 60, 0.1), (oracle.compare(ledger, store), process.log.read_text())
    code, _ = end(process)
    assert code == 0, process.log.read_text()
    assert oracle.compare(ledger, store) == ([], [], [])
    assert len({json.loads(line)["patient_id"] for line in out.read_bytes().splitlines()}) == len(ledger.issued)
    told = [event["event"] for event in events(process.log.read_bytes())]
    assert len(told) == len(set(told)) or told.count("file.write-stopped") < 5, told


def test_no_room_for_the_first_byte_is_told(world, small):
    nodes, _ = ON_SMALL["store"]
    world.graph(nodes)
    oracle.Ledger(world.path("in.jsonl")).issue(5)
    filler = fill(small, 0)
    done = world.run("run", "--once", "graph.yaml")
    assert done.returncode == 5
    assert b"small/vault.sqlite: database or disk is full" in done.stderr, done.stderr
    filler.unlink()
    assert world.run("run", "--once", "graph.yaml").returncode == 0


# ---- calls that fail ----

def run_with(world, fault, calls):
    """(the run under strace, what the failed calls were made on). One worker, since strace counts calls by thread; leaks
    cannot be looked for while something else watches the process."""
    options = os.environ.get("ASAN_OPTIONS", "") + ":detect_leaks=0"
    prefix = (STRACE, "-f", "-y", "-qq", "-o", "calls", "-e", f"trace={calls}", "-e", f"inject={calls}:{fault}")
    done = world.run("run", "--once", "graph.yaml", prefix=prefix, timeout=90,
                     env={"ASAN_OPTIONS": options, "UV_THREADPOOL_SIZE": "1"})
    failed = re.findall("<([^>]*)>.*INJECTED", world.path("calls").read_text())
    return done, [pathlib.PurePath(path).name for path in failed]


def check_all(world, ledger, what):
    """The next run ends well, with every record once in the store and at least once in the file."""
    again = world.run("run", "--once", "graph.yaml")
    assert again.returncode == 0, again.stderr
    assert oracle.compare(ledger, world.path("vault.sqlite")) == ([], [], []), what
    lines = world.path("out.jsonl").read_bytes().splitlines()
    assert len({json.loads(line)["patient_id"] for line in lines}) == len(ledger.issued), what


@pytest.mark.skipif(STRACE is None, reason="strace is not installed")
def test_a_failing_sync_ends_the_run_and_nothing_is_lost(world):
    """The n-th sync fails. Of the store or a file: the run ends, since nobody knows what is on the disk. Of a checkpoint:
    a new file is written."""
    world.graph(BRANCHED)
    ledger, ended = oracle.Ledger(world.path("in.jsonl")), 0
    for number in range(1, SYNCS + 1):
        ledger.issue(2000)
        done, failed = run_with(world, f"error=EIO:when={number}", "fdatasync,fsync")
        what = f"sync {number} of {failed}: {done.stderr.decode()}"
        assert done.returncode in (0, 1, 5) and "Sanitizer" not in what, what
        if {"vault.sqlite-wal", "out.jsonl", "dead-letters.msgpack"} & set(failed):
            assert done.returncode == 1 and "a sync" in what and "what is on the disk is unknown" in what, what
        ended += done.returncode != 0
        if world.path("vault.sqlite").exists():
            assert oracle.compare(ledger, world.path("vault.sqlite"))[1:] == ([], []), what
        check_all(world, ledger, what)
    print(f"{SYNCS} failing syncs, {ended} ended the run")
    assert ended >= SYNCS / 3


@pytest.mark.skipif(STRACE is None, reason="strace is not installed")
@pytest.mark.parametrize("calls, fault", [
    ("pwrite64", "error=EIO:when=3"), ("pwrite64", "error=ENOSPC:when=2..4"), ("pwrite64", "error=EINTR:when=2..20+3"),
    ("ftruncate", "error=EIO:when=1"), ("fdatasync,fsync", "error=EIO:when=1+"), ("rename", "error=EIO:when=1..2"),
    ("openat", "error=EMFILE:when=60+"), ("pread64", "error=EIO:when=4..8")])
def test_failing_calls_lose_nothing(calls, fault, world):
    world.graph(BRANCHED)
    ledger = oracle.Ledger(world.path("in.jsonl"))
    ledger.issue(2000)
    done, _ = run_with(world, fault, calls)
    assert done.returncode in (0, 1, 3, 5), done
    assert b"Sanitizer" not in done.stderr and b"assert" not in done.stderr.lower(), done.stderr
    assert done.returncode == 0 or b"datavault: " in done.stderr, "an end must be explained"
    check_all(world, ledger, done.stderr)
