#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""test_warehouse.py - conf/warehouse.yaml as it is, on an emulated account that its own command starts, step by step as docs/snowflake.md says: tables,
check, run, questions, statements, the page's statistics; the program is killed on the way, no request is lost and no row there twice. Nothing personal
of the records is anywhere in what the account received.

shows: SNO-1 SNO-2 SNO-3 SNO-4 VEC-3 RAG-2 UI-1
"""
import contextlib
import itertools
import json
import os
import pathlib
import re
import shlex
import signal
import socket
import subprocess
import sys
import time

import pytest

HERE = pathlib.Path(__file__).resolve().parents[1]
sys.path[:0] = [str(HERE / "tools"), str(HERE / "emulators")]
from canary import Canaries
from http_world import ONE, HttpWorld
from test_server_events import Stream
from world import ROOT, end, fast_program, free_port, get, wait_for

pytestmark = pytest.mark.skipif(not (ROOT / "parts" / "minilm").exists(), reason="tools/parts models")
EMULATOR = [sys.executable, "-m", "snowflake"]
PERSONAL = ("patient_id", "name", "ssn", "email", "phone")


@contextlib.contextmanager
def emulator(folder, *options):
    """(what it told the shell, its folder); it is ended by its own signal, and has to end well."""
    with subprocess.Popen([*EMULATOR, "--folder", folder, *options], env={"PYTHONPATH": str(HERE / "emulators"), "PATH": "/usr/bin:/bin"}, stdin=subprocess.DEVNULL,
                          stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        try:
            told = process.stdout.readline()
            assert "not the real one" in told, process.stderr.read()
            words = shlex.split((folder / "snowflake.env").read_text(), comments=True)
            yield dict(word.split("=", 1) for word in words if word != "export"), told
        finally:
            process.send_signal(signal.SIGTERM)
            _, said = process.communicate(timeout=60)
        assert process.returncode == 0 and not said, said


class Scene(HttpWorld):
    """A folder with what conf/ has, and the account of an emulator."""

    def __init__(self, folder, binary, account):
        super().__init__(folder, binary, datasets=("healthcare",))
        self.port, self.context = free_port(), None
        for name in ("analytics", "policies", "schemas"):
            for path in (ROOT / "conf" / name).iterdir():
                self.path(name).mkdir(exist_ok=True)
                self.path(name, path.name).write_text(path.read_text())
        self.env = {**account, "DV_STATE": "state", "DV_KEYRING": "keys", "DV_PARTS": str(ROOT / "parts"), "WAREHOUSE_LISTEN": f"127.0.0.1:{self.port}",
                    "WAREHOUSE_EVERY": "1s"}

    def path(self, *names):
        return self.at.joinpath(*names)

    def do(self, *words, code=0):
        done = self.run(*words, env=self.env)
        assert done.returncode == code, (words, done.stdout, done.stderr)
        return done.stdout.decode()

    def rows(self, *words):
        return [json.loads(line) for line in self.do("query", "--snowflake", "--json", *words).splitlines()]

    def launch(self, graph="warehouse.yaml"):
        process = self.start("run", graph, env=self.env)
        assert wait_for(lambda: process.poll() is not None or get(self.port, "/readyz")[0] == 200, 90), process.log.read_text()
        assert process.poll() is None, process.log.read_text()
        return process

    def statistics(self, *nodes):
        """What the page is sent: {node: its newest rows}, when each of those nodes has told something."""
        stream, found, until = Stream(self), {}, time.monotonic() + 60
        try:
            for event in stream.events():
                if event.get("event") in nodes:
                    found[event["event"]] = json.loads(event["data"])["rows"]
                if set(nodes) <= set(found) or time.monotonic() > until:
                    break
        finally:
            stream.close()
        return found

    def connect(self, _=None):
        return socket.create_connection(("127.0.0.1", self.port), 20)


@pytest.fixture(name="account")
def make_account(tmp_path):
    with emulator(tmp_path / "snow") as (account, _):
        yield account


@pytest.fixture(name="scene")
def make_scene(tmp_path, datavault, account):
    with Scene(tmp_path / "w", datavault, account) as scene:
        yield scene


def each_once(scene):
    """How many rows there are of both tables, none of them twice."""
    counted = [scene.rows(f"SELECT COUNT(*) AS N, COUNT(DISTINCT DV_ID) AS DIFFERENT FROM {table}")[0] for table in ("SUMMARIES", "EMBEDDINGS")]
    assert all(row["N"] == row["DIFFERENT"] for row in counted), counted
    return [row["N"] for row in counted]


def sums(rows):
    return set(itertools.accumulate(row["N"] for row in rows))


def personal(scene):
    """What names somebody in the first records that `generate` makes, and those of the graph are the same."""
    canaries = Canaries(0)
    records = [json.loads(line) for line in scene.do("generate", "--count", "300").splitlines()]
    for value in {str(record[name]) for record in records for name in PERSONAL}:
        if len(value) >= 8:
            canaries.add("of a patient", value, 0)
    assert canaries.find(json.dumps(records[0]).encode())  # so they would be found
    return canaries


def test_as_documented(scene, tmp_path):
    """The graph file is not changed by a letter: all that tells this account from a real one are variables."""
    scene.path("warehouse.yaml").write_bytes((ROOT / "conf" / "warehouse.yaml").read_bytes())
    scene.env.update(WAREHOUSE_RATE="500", WAREHOUSE_WINDOW="400ms")
    said = scene.do("migrate", "warehouse.yaml", "--user", "DV_MAKER", "--key", f"file:{tmp_path / 'snow' / 'maker.pem'}", "--grant", "DV_WRITER")
    assert all(f"DV.PUBLIC.{name}: version 1, made" in said for name in ("SUMMARIES", "EMBEDDINGS", "EMBEDDINGS_VECTORS", "AUDIT_HEADS", "ERASURES"))
    checked = scene.run("check", "--connect", "warehouse.yaml", env=scene.env)
    assert checked.returncode == 0 and b"DV.PUBLIC.SUMMARIES takes the records" in checked.stderr, checked
    first = scene.launch()
    assert wait_for(lambda: min(each_once(scene)) > 20, 90, 0.2), first.log.read_text()
    page = scene.statistics("insights", "top-groups", "by-hour")
    groups = {row["diagnosis"]: row["records"] for row in page["top-groups"]}
    windows = "SELECT SUM(\"COUNT\") AS N FROM SUMMARIES {} GROUP BY WINDOW_START_MS ORDER BY WINDOW_START_MS"  # of which each snapshot has the first ones
    assert groups["Essential hypertension"] in sums(scene.rows(windows.format("WHERE DIAGNOSIS = 'Essential hypertension'")))
    assert sum(row["records"] for row in page["by-hour"]) in sums(scene.rows(windows.format("")))
    shown = scene.rows("--graph", "warehouse.yaml", "--saved", "top-groups")
    assert [set(row) for row in shown] == [{"DIAGNOSIS", "RECORDS", "PERCENT"}] * len(shown) and {row["DIAGNOSIS"] for row in shown} >= set(groups)
    assert all(row["RECORDS"] >= groups.get(row["DIAGNOSIS"], 0) for row in shown)
    said = scene.do("ask", "--url", f"http://127.0.0.1:{scene.port}", "how is hypertension?")
    assert "Essential hypertension" in said
    answer = scene.post(json.dumps({"question": "how is hypertension?"}).encode(), ONE, path="/v1/query").body
    assert answer["status"] == "answered" and answer["citations"] and not answer["lexical"]
    for cited in answer["citations"]:
        (row,) = scene.rows("--bind", cited["id"], "SELECT BODY, SCHEMA_NAME FROM EMBEDDINGS WHERE DV_ID = ?")
        assert "Essential hypertension" in row["BODY"] and row["SCHEMA_NAME"] == cited["schema"] == "rising"

    end(first, signal.SIGKILL)
    before = each_once(scene)
    second = scene.launch()
    assert wait_for(lambda: all(now > then + 20 for now, then in zip(each_once(scene), before)), 90, 0.2), second.log.read_text()
    assert end(second, seconds=30)[0] == 0, second.log.read_text()
    each_once(scene)
    assert scene.rows("--graph", "warehouse.yaml", "--saved", "doubled") == []
    assert {row["WITHOUT_ROWS_BEFORE"] for row in scene.rows("--graph", "warehouse.yaml", "--saved", "requests")} <= {0, None}  # no request is missing between two
    came = (tmp_path / "snow" / "received.log").read_bytes()
    assert b"Essential hypertension" in came and personal(scene).find(came) == []


def test_the_demo_ends_all_that_it_started(tmp_path):
    port, folder = free_port(), tmp_path / "demo"
    env = {**os.environ, "WAREHOUSE_LISTEN": f"127.0.0.1:{port}", "DV_KEYRING": str(tmp_path / "keys"), "DV_PARTS": str(ROOT / "parts")}
    with subprocess.Popen([ROOT / "tools" / "demo_warehouse", "--datavault", fast_program(), "--folder", folder], env=env, stdin=subprocess.DEVNULL,
                          stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        try:
            assert wait_for(lambda: process.poll() is not None or get(port, "/readyz")[0] == 200, 90) and process.poll() is None, process.communicate()
            url = re.search(r"SNOWFLAKE_URL=https://127.0.0.1:(\d+)", (folder / "snowflake" / "snowflake.env").read_text())
            process.send_signal(signal.SIGTERM)
            out, error = process.communicate(timeout=60)
        finally:
            process.kill()
    assert process.returncode == 0 and "EMULATED" in out, error
    assert get(port, "/readyz")[0] == 0 and get(int(url.group(1)), "/")[0] == 0
