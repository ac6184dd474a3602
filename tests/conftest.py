# SPDX-License-Identifier: Apache-2.0
"""conftest.py - what the tests of the whole program share: the program, a keyring, a free port, a seed that is printed.

DATAVAULT=PATH is the program under test. DATAVAULT_SEED=N replays a run.
"""
import os
import pathlib
import random
import signal
import subprocess
import sys

import pytest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent / "tools"))
import ports  # noqa: E402

ROOT = pathlib.Path(__file__).resolve().parent.parent
# Workers of pytest-xdist inherit the environment, and with it the seed.
SEED = int(os.environ.get("DATAVAULT_SEED") or random.SystemRandom().randrange(2**31))
os.environ["DATAVAULT_SEED"] = str(SEED)
PROGRAM = pathlib.Path(os.environ.get("DATAVAULT") or ROOT / "build" / "test" / "cli" / "datavault").resolve()


def pytest_report_header():
    return f"seed: DATAVAULT_SEED={SEED}; program: {os.path.relpath(PROGRAM, ROOT)}"


# With several workers the run ends when the last file does; so those that take longest are begun first.
LONGEST = ("test_delivery.py", "test_pg_faults.py", "test_crash_points.py", "test_redis.py", "test_pg_network.py", "test_pg_fence.py",
           "test_redis_faults.py", "test_seal.py", "test_pg.py", "test_server_events.py", "test_redis_sentinel.py", "test_grpc_faults.py",
           "test_pg_source.py", "test_slow_sink.py", "test_stall.py", "test_canaries.py", "test_faults.py", "test_random_graphs.py",
           "test_reload.py", "test_dlq.py", "test_disk.py", "test_redis_cluster.py", "test_bad_input.py", "test_server.py",
           "test_random_streams.py", "test_redis_pg.py")


def pytest_collection_modifyitems(items):
    if "PYTEST_XDIST_WORKER" in os.environ:
        items.sort(key=lambda item: LONGEST.index(item.path.name) if item.path.name in LONGEST else len(LONGEST))


def pytest_configure(config):
    config.addinivalue_line("markers", "alone: measures time, and must have the machine for itself: tools/test runs it after the others")


def pytest_terminal_summary(terminalreporter):
    done = [report for reports in terminalreporter.stats.values() for report in reports if getattr(report, "when", "") == "call"]
    told = [text for report in done for name, text in report.user_properties if name == "told"]
    for line in [f"seed: DATAVAULT_SEED={SEED}", *told]:
        terminalreporter.write_line(line)


@pytest.fixture
def tell(request):
    """tell("a figure") puts a line under the results of the run."""
    return lambda text: request.node.user_properties.append(("told", text))


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
    """A loopback port that nobody listens on."""
    return ports.free_port()


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
