#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""world.py - a folder of one's own to run the program in: schemas, policies, a keyring, graph files and what came out."""
import contextlib
import http.client
import json
import os
import pathlib
import re
import shutil
import signal
import subprocess
import tempfile
import time

import oracle
from ports import free_port

ROOT = pathlib.Path(__file__).resolve().parents[2]
POLICIES = ROOT / "tests" / "leaks" / "policies"

CHAIN = """  in: { op: source, from: file, path: in.jsonl, schema: healthcare }
  anon: { op: anonymize, after: in, policy: ledger }
  seal: { op: encrypt, after: anon, key: healthcare }
  store: { op: sink-store, after: seal, path: vault.sqlite }
"""
# In these two the store alone is fed with records that still name the patient.
KEEPING = CHAIN.replace("policy: ledger", "policy: ledger-keeping")
BRANCHED = CHAIN + "  out: { op: sink-file, after: anon, path: out.jsonl }\n"


def program():
    """The program under test."""
    return os.path.abspath(os.environ["DATAVAULT"])


def fast_program():
    """A release build for tests that need thousands of runs: DATAVAULT_FAST, or the tree's own, or the one under test."""
    own = ROOT / os.environ.get("BUILD", "build") / "release" / "cli" / "datavault"
    named = os.environ.get("DATAVAULT_FAST") or (own if os.access(own, os.X_OK) else os.environ.get("DATAVAULT") or own)
    return os.path.abspath(named)


@contextlib.contextmanager
def memory_folder():
    """A folder in memory if there is one: for tests whose thousands of syncs would be all they do."""
    folder = tempfile.mkdtemp(prefix="datavault-test-", dir="/dev/shm" if os.access("/dev/shm", os.W_OK) else None)
    try:
        yield pathlib.Path(folder)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


class World:
    """A folder with everything a graph needs. Its processes run in it and are ended by close(), by their ids."""

    def __init__(self, folder, binary=None, datasets=("healthcare", "finance"), keyring=True):
        self.at = pathlib.Path(folder)
        self.at.mkdir(parents=True, exist_ok=True)
        self.binary = binary or program()
        self.running = []
        shutil.copytree(ROOT / "conf" / "schemas", self.at / "schemas", dirs_exist_ok=True)
        (self.at / "policies").mkdir(exist_ok=True)
        for name in ("patients", "payments"):
            shutil.copy(POLICIES / f"{name}.yaml", self.at / "policies")
        (self.at / "policies" / "ledger.yaml").write_text(oracle.POLICY)
        (self.at / "policies" / "ledger-keeping.yaml").write_text(oracle.KEEPING)
        if keyring:
            done = self.run("keys", "init", "--keyring", "file:keys", *datasets)
            assert done.returncode == 0, done.stderr

    def path(self, name):
        return self.at / name

    def graph(self, nodes=CHAIN, settings="keyring: file:keys", name="graph.yaml"):
        """Writes a graph file: its settings, then its nodes."""
        (self.at / name).write_text(f"name: t\nstate: state\n{settings}\ngraph:\n{nodes}")
        return name

    def write(self, name, *lines):
        """JSON lines, or bytes as they are."""
        with open(self.at / name, "wb") as file:
            for line in lines:
                file.write(line if isinstance(line, bytes) else oracle.to_json(line).encode() + b"\n")

    def run(self, *arguments, timeout=60, prefix=(), env=None, input=None):
        """A command to its end -> CompletedProcess with bytes. After the time-out all that it started is ended."""
        command = [*prefix, self.binary, *map(str, arguments)]
        with subprocess.Popen(command, cwd=self.at, stdin=subprocess.DEVNULL if input is None else subprocess.PIPE,
                              stdout=subprocess.PIPE, stderr=subprocess.PIPE, env={**os.environ, **(env or {})},
                              start_new_session=True) as process:
            try:
                out, error = process.communicate(input, timeout)
            except subprocess.TimeoutExpired:
                os.killpg(process.pid, signal.SIGKILL)
                raise
        return subprocess.CompletedProcess(command, process.returncode, out, error)

    def start(self, *arguments, prefix=(), env=None):
        """A process of its own; its standard error goes to a file, so that no pipe can fill."""
        log = open(self.at / f"log.{len(self.running)}", "wb")
        process = subprocess.Popen([*prefix, self.binary, *map(str, arguments)], cwd=self.at, stdin=subprocess.DEVNULL,
                                   stdout=subprocess.DEVNULL, stderr=log, env={**os.environ, **(env or {})})
        log.close()
        process.log = pathlib.Path(log.name)
        self.running.append(process)
        return process

    def close(self):
        for process in self.running:
            if process.poll() is None:
                process.kill()
            process.wait()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def retrieve(self, identity, store="vault.sqlite", keyring="file:keys"):
        """The record's bytes; the test fails if it cannot be opened."""
        done = self.run("retrieve", "--store", store, "--keyring", keyring, identity)
        assert done.returncode == 0, done.stderr
        return done.stdout

    def letters(self, name="state/t/dead-letters.msgpack"):
        """The dead letters, opened; of one that a crash let be written twice, one."""
        found = list({blob["id"]: blob for blob in oracle.blobs(self.at / name)}.values())
        store = self.at / "letters.sqlite"
        store.unlink(missing_ok=True)
        oracle.store_of(found, store)
        return [json.loads(self.retrieve(str(oracle.uuid.UUID(bytes=blob["id"])), "letters.sqlite")) for blob in found]


def events(log):
    """The JSON log lines of some bytes of standard error."""
    found = []
    for line in log.splitlines():
        with contextlib.suppress(ValueError):
            found.append(json.loads(line))
    return found


def wait_for(what, seconds, step=0.02):
    """What `what()` gives back as soon as it is true; the last answer if the time is up."""
    end = time.monotonic() + seconds
    while True:
        answer = what()
        if answer or time.monotonic() > end:
            return answer
        time.sleep(step)


def get(port, path, token=None, timeout=10):
    """(status, body) of a GET; (0, b"") while nobody listens."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=timeout)
    try:
        connection.request("GET", path, headers={"Authorization": f"Bearer {token}"} if token else {})
        answer = connection.getresponse()
        return answer.status, answer.read()
    except (OSError, http.client.HTTPException):
        return 0, b""
    finally:
        connection.close()


def hears(process, number):
    """Whether a signal is caught: one that comes before kills the process."""
    with contextlib.suppress(FileNotFoundError, ProcessLookupError):
        caught = re.search(r"^SigCgt:\t(\w+)$", pathlib.Path(f"/proc/{process.pid}/status").read_text(), re.MULTILINE)
        return bool(caught and int(caught[1], 16) >> (number - 1) & 1)
    return False


def signal_to(process, number=signal.SIGTERM):
    """Sends a signal as soon as the process takes it."""
    if number not in (signal.SIGKILL, signal.SIGSTOP, signal.SIGCONT):
        wait_for(lambda: process.poll() is not None or hears(process, number), 30)
    process.send_signal(number)


def end(process, number=signal.SIGTERM, seconds=30):
    """Sends a signal, when it is taken, and waits: (exit code, seconds it took)."""
    signal_to(process, number)
    start = time.monotonic()
    process.wait(seconds)
    return process.returncode, time.monotonic() - start
