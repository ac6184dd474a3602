# SPDX-License-Identifier: Apache-2.0
"""conftest.py - what the tests of the whole program share: the program, a keyring, a free port, a seed that is printed.

DATAVAULT=PATH is the program under test. DATAVAULT_SEED=N replays a run.
"""
import os
import pathlib
import random
import signal
import socket
import subprocess

import pytest

ROOT = pathlib.Path(__file__).resolve().parent.parent
SEED = int(os.environ.get("DATAVAULT_SEED") or random.SystemRandom().randrange(2**31))
TOLD = []  # results that a passing test wants to be seen
PROGRAM = pathlib.Path(os.environ.get("DATAVAULT") or ROOT / "build" / "test" / "cli" / "datavault").resolve()


def pytest_report_header():
    return f"seed: DATAVAULT_SEED={SEED}; program: {os.path.relpath(PROGRAM, ROOT)}"


def pytest_terminal_summary(terminalreporter):
    for line in [f"seed: DATAVAULT_SEED={SEED}", *TOLD]:
        terminalreporter.write_line(line)


@pytest.fixture
def tell():
    """tell("a figure") puts a line under the results of the run."""
    return TOLD.append


@pytest.fixture(scope="session")
def datavault():
    """The program's path; the test run stops if it is not built."""
    if not os.access(PROGRAM, os.X_OK):
        pytest.exit(f"no program at {PROGRAM}: run `make test`, or set DATAVAULT", returncode=2)
    return str(PROGRAM)


@pytest.fixture
def draw(request):
    """A generator of random numbers, from the run's seed and the test's name."""
    return random.Random(f"{SEED}/{request.node.nodeid}")


@pytest.fixture
def run(datavault):
    """run("check", "x.yaml", input=b"...") -> CompletedProcess with bytes; from the root of the sources, 60 s at most."""
    def act(*arguments, **options):
        options = {"cwd": ROOT, "timeout": 60, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "check": False, **options}
        if "input" not in options:
            options.setdefault("stdin", subprocess.DEVNULL)
        return subprocess.run([datavault, *map(str, arguments)], **options)
    return act


@pytest.fixture
def keyring(run, tmp_path):
    """A new keyring with the two datasets of the demo, as a graph file names it: file:DIR."""
    name = f"file:{tmp_path / 'keyring'}"
    done = run("keys", "init", "--keyring", name, "healthcare", "finance")
    assert done.returncode == 0, done.stderr.decode()
    return name


@pytest.fixture
def port():
    """A loopback port that was free a moment ago."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


@pytest.fixture
def start(datavault):
    """start("run", "x.yaml") -> Popen; what still runs at the end of the test is ended, by its process id."""
    running = []

    def act(*arguments, **options):
        options = {"cwd": ROOT, "stdin": subprocess.DEVNULL, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE, **options}
        running.append(subprocess.Popen([datavault, *map(str, arguments)], **options))
        return running[-1]

    yield act
    for process in running:
        if process.poll() is None:
            process.send_signal(signal.SIGTERM)
            try:
                process.wait(10)
            except subprocess.TimeoutExpired:
                process.kill()
        for stream in (process.stdin, process.stdout, process.stderr):
            if stream is not None:
                stream.close()
        process.wait()
