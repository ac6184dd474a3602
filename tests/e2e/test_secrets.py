#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""test_secrets.py - names, numbers, keys, passphrases and tokens are searched in everything the program writes and says:
files, stores, logs, metrics, pages, streams, its command line, its environment; and nobody else may read its files.

shows: PRV-15 ANO-6 ANO-8 ENC-1 ENC-6 MIS-6
"""
import http.client
import os
import pathlib
import socket
import stat
import sys
import threading
import time

import pytest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "tools"))
import canary
from world import World, end, free_port, get, wait_for

GRAPH = """  in:     { op: source, from: file, path: in.jsonl, schema: healthcare, follow: true }
  money:  { op: source, from: file, path: money.jsonl, schema: finance, follow: true }
  anon:   { op: anonymize, after: in, policy: patients }
  paid:   { op: anonymize, after: money, policy: payments }
  seal:   { op: encrypt, after: in, key: healthcare }
  sealed: { op: encrypt, after: money, key: finance }
  bare:   { op: encrypt, after: money, format: bare, raw_key: "file:seal.key" }
  store:  { op: sink-store, after: [seal, sealed], path: vault.sqlite }
  blobs:  { op: sink-file, after: seal, path: blobs.msgpack, as: msgpack }
  lines:  { op: sink-file, after: bare, path: bare.b64, as: base64 }
  out:    { op: sink-file, after: anon, path: out.jsonl }
  paid-out: { op: sink-file, after: paid, path: paid.jsonl }
  trends: { op: aggregate, after: in, by: [diagnosis, visit_date], window: 200ms }
  sums:   { op: aggregate, after: money, by: merchant_category, sums: amount, window: 200ms }
  live:   { op: sink-sse, after: trends }
  live-sums: { op: sink-sse, after: sums }
"""
# These two may hold sensitive values, beside which nothing tells whose they are.
SENSITIVE = {"out.jsonl": {"diagnosis", "treatment_plan", "symptoms", "vitals", "outcome"},
             "paid.jsonl": {"merchant_category", "amount"}}
PAGES = ("/", "/livez", "/readyz", "/metrics", "/v1/graph", "/v1/nothing", "/v1/events/x", "/../keys/keyring.dv", "/app.js")


class Running:
    """The whole graph with its server, every field a secret, the keyring under a passphrase, the pages under a token."""

    def __init__(self, folder, seed):
        self.canaries = canary.Canaries(seed)
        self.world = World(folder, keyring=False)
        self.port, self.streamed = free_port(), b""
        self.token = self.secret("token", "token", self.canaries.word("token", 40))
        self.passphrase = self.secret("pass", "passphrase", self.canaries.word("passphrase", 40))
        self.secret("seal.key", "seal key", os.urandom(32))
        done = self.world.run("keys", "init", "--keyring", "file:keys", "--passphrase", "file:pass", "healthcare", "finance")
        assert done.returncode == 0, done.stderr
        self.world.graph(GRAPH, f"keyring: file:keys\npassphrase: file:pass\ntoken: file:token\nlisten: 127.0.0.1:{self.port}")
        self.write()
        self.process = self.world.start("run", "--verbose", "graph.yaml")
        assert wait_for(lambda: get(self.port, "/livez")[0] == 200, 60), self.process.log.read_text()
        self.listener = threading.Thread(target=self.listen, daemon=True)
        self.listener.start()

    def secret(self, name, label, value):
        self.world.path(name).touch(0o600)
        self.world.path(name).write_bytes(value if isinstance(value, bytes) else value.encode())
        self.canaries.add(label, value)
        return value

    def write(self):
        bad = [self.canaries.healthcare(age=999), self.canaries.healthcare(visit_date=self.canaries.word("bad date")),
               self.canaries.healthcare(ssn=1), {"name": self.canaries.word("name")},
               b'{"name": "%s", "patient_id" "x"}\n' % self.canaries.word("name").encode()]
        good = [self.canaries.healthcare(**({"diagnosis": "Asthma"} if n % 2 else {})) for n in range(30)]
        good[2][self.canaries.word("_extra")] = [self.canaries.word("_extra")]
        self.world.write("in.jsonl", *good, *bad)
        paid = [self.canaries.finance(**({"merchant_category": "Travel"} if n % 2 else {})) for n in range(30)]
        self.world.write("money.jsonl", *paid, self.canaries.finance(amount="x"), b"[]\n")

    def listen(self):
        """Everything on the live stream until it ends."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=30)
        connection.request("GET", "/v1/events", headers={"Authorization": f"Bearer {self.token}"})
        answer = connection.getresponse()
        self.stream_status = answer.status
        while part := answer.read1():
            self.streamed += part

    def raw(self, request):
        with socket.create_connection(("127.0.0.1", self.port), 5) as connection:
            connection.sendall(request)
            connection.settimeout(3)
            answer = b""
            try:
                while part := connection.recv(65536):
                    answer += part
            except (socket.timeout, ConnectionError):
                pass
            return answer


@pytest.fixture(name="run", scope="module")
def make_run(tmp_path_factory):
    running = Running(tmp_path_factory.mktemp("secrets") / "w", os.environ.get("DATAVAULT_SEED") or time.time())
    world = running.world

    def lines(name):
        return world.path(name).read_bytes().count(b"\n") if world.path(name).exists() else 0

    def settled():
        names = {path.name for path in world.at.rglob("*")}
        return lines("bare.b64") == 30 and lines("out.jsonl") >= 30 and lines("paid.jsonl") == 30 and MADE <= names and b'"sum_amount"' in running.streamed \
            and (b"Travel" in running.streamed or b"Asthma" in running.streamed) and running.process.log.read_bytes().count(b"record.rejected") >= 6
    assert wait_for(settled, 60), running.process.log.read_text()
    yield running
    world.close()


INPUTS = ("in.jsonl", "money.jsonl", "token", "pass", "seal.key")
MADE = {"vault.sqlite", "vault.sqlite-wal", "dead-letters.msgpack", "in.checkpoint", "money.checkpoint", "blobs.msgpack", "log.0"}


def test_the_scanner_sees_what_it_must_not_find_elsewhere(run):
    found = run.canaries.find_in(*(run.world.path(name) for name in INPUTS))
    assert len(found) == len(INPUTS)
    labels = {hit.split(" in ")[0] for hits in found.values() for hit in hits}
    assert {"name", "ssn", "email", "phone", "patient_id", "account", "card", "note", "memo", "_extra", "token", "passphrase",
            "seal key", "visit_date", "amount"} <= labels


def test_files_hold_no_secret(run):
    labels = {label for label, _, _ in run.canaries.secrets}
    inputs = {str(run.world.path(name)) for name in INPUTS}
    seen = 0
    for path in canary.files_of([run.world.at]):
        if path in inputs or "/keys/" in path:
            continue
        seen += 1
        allowed = SENSITIVE.get(os.path.basename(path), set())
        assert run.canaries.find_in(path, labels=labels - allowed) == {}
    assert MADE <= {path.name for path in run.world.at.rglob("*")}
    assert seen >= 12


def test_the_keyring_holds_no_secret_of_others(run):
    assert run.canaries.find_in(run.world.path("keys")) == {}


def test_the_log_is_there_and_holds_no_secret(run):
    log = run.process.log.read_bytes()
    assert log.count(b"record.rejected") >= 6
    assert run.canaries.find(log) == []


def test_pages_and_metrics_hold_no_secret(run):
    for path in PAGES:
        for token in (None, run.token, run.token[:-1], "x" * 5000):
            status, body = get(run.port, path, token)
            assert run.canaries.find(body) == [], path
            assert status != 0 and (not path.startswith("/v1/graph") or (status == 200) == (token == run.token)), (path, status)
    assert b"rejected" in get(run.port, "/metrics", run.token)[1]


def test_the_stream_shows_groups_and_no_secret(run):
    assert run.stream_status == 200
    assert b"Travel" in run.streamed or b"Asthma" in run.streamed, "it must show something"
    assert run.canaries.find(run.streamed) == []


@pytest.mark.parametrize("request_text", [
    b"GET /v1/graph HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer %s\r\nX: \0\r\n\r\n", b"GET /%s HTTP/1.1\r\nHost: x\r\n\r\n",
    b"POST /v1/events?token=%s HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\n\r\nabcde", b"%s\r\n\r\n", b"GET / HTTP/9.9\r\n%s: x\r\n\r\n"])
def test_answers_and_logs_do_not_repeat_what_was_asked(request_text, run):
    answer = run.raw(request_text.replace(b"%s", run.token.encode()))
    assert run.canaries.find(answer) == []
    assert get(run.port, "/livez")[0] == 200
    assert run.canaries.find(run.process.log.read_bytes()) == []


def test_command_line_and_environment_hold_no_secret(run):
    for task in pathlib.Path(f"/proc/{run.process.pid}/task").iterdir():
        for name in ("cmdline", "environ", "comm"):
            try:
                assert run.canaries.find((task / name).read_bytes()) == []
            except PermissionError:
                assert name == "environ", "not even we may read it: so much the better"


def test_no_core_can_be_dumped(run):
    limits = pathlib.Path(f"/proc/{run.process.pid}/limits").read_text()
    line = next(line for line in limits.splitlines() if line.startswith("Max core file size"))
    assert line.split()[4:6] == ["0", "0"]


def test_what_it_makes_is_for_its_user_alone(run):
    made = [path for path in run.world.at.rglob("*") if path.name.split(".")[0] in (
        "vault", "blobs", "bare", "out", "paid", "state", "keys", "keyring", "machine", "dead-letters", "t") or "checkpoint" in path.name]
    assert len(made) >= 10
    for path in made:
        mode = stat.S_IMODE(path.stat().st_mode)
        assert mode == (0o700 if path.is_dir() else 0o600), f"{path.name}: {mode:o}"


def test_a_loose_umask_changes_nothing(tmp_path, datavault):
    with World(tmp_path / "w", datavault, keyring=False) as world:
        before = os.umask(0)
        try:
            assert world.run("keys", "init", "--keyring", "file:k").returncode == 0
        finally:
            os.umask(before)
        assert {stat.S_IMODE(path.stat().st_mode) for path in (world.path("k"), *world.path("k").iterdir())} == {0o700, 0o600}


@pytest.mark.parametrize("name", ["pass", "token", "seal.key"])
def test_a_secret_file_that_others_can_read_is_refused(name, run):
    path = run.world.path(name)
    path.chmod(0o640)
    text = run.world.path("graph.yaml").read_text()
    run.world.path("loose.yaml").write_text(text.replace("state: state", "state: loose").replace(f":{run.port}", f":{free_port()}"))
    try:
        done = run.world.run("run", "loose.yaml")
        assert done.returncode in (1, 3)
        assert b"chmod 600" in done.stderr, done.stderr
        assert run.canaries.find(done.stderr + done.stdout) == []
    finally:
        path.chmod(0o600)


def test_commands_hold_no_secret(run):
    """Whatever looks at the graph, its keys and its options."""
    for arguments in (("check", "graph.yaml"), ("check", "--json", "graph.yaml"), ("graph", "graph.yaml"), ("list",),
                      ("keys", "list", "--json", "--keyring", "file:keys", "--passphrase", "file:pass"), ("docs", "encrypt"), ("schema",)):
        done = run.world.run(*arguments)
        assert done.returncode == 0, done.stderr
        assert run.canaries.find(done.stdout + done.stderr) == [], arguments


def test_the_end(run):
    """Last: what is written while it stops, and that it stops well."""
    code, _ = end(run.process)
    run.listener.join(10)
    assert code == 0, run.process.log.read_text()
    assert run.canaries.find(run.process.log.read_bytes()) == []
    assert run.canaries.find(run.streamed) == []
    labels = {label for label, _, _ in run.canaries.secrets} - set().union(*SENSITIVE.values())
    assert run.canaries.find_in(run.world.at, labels=labels, but=[run.world.path(name) for name in INPUTS]) == {}
