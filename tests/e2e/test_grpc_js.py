#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""test_grpc_js.py - @grpc/grpc-js, the client of browsers' servers and of much else, gets the same answers as grpcio.

The packages are those of tests/tools/grpc_js/package-lock.json; npm keeps them in build/. Without them the test fails.

shows: ING-1 ING-2 GW-7
"""
import hashlib
import json
import os
import pathlib
import shutil
import socket
import subprocess
import sys

import pytest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "tools"))
from world import ROOT, World, free_port, wait_for

HERE = ROOT / "tests" / "tools" / "grpc_js"
TOKEN = "0123456789abcdef-token"
GRAPH = """  in: { op: source, from: grpc, listen: "127.0.0.1:%d", schema: healthcare, token: file:token, max_message: 200KiB, max_record: 100KiB,
        retrieve: store, retrieve_token: file:other }
  anon: { op: anonymize, after: in, policy: ledger-keeping }
  seal: { op: encrypt, after: anon, key: healthcare }
  store: { op: sink-store, after: seal, path: vault.sqlite }
"""


@pytest.fixture(name="client", scope="module")
def make_client():
    """A folder with the client and its packages; named by the lock file, so that a change of it is a new folder."""
    lock = (HERE / "package-lock.json").read_bytes()
    folder = ROOT / os.environ.get("BUILD", "build") / f"grpc-js-{hashlib.sha256(lock).hexdigest()[:12]}"
    folder.mkdir(parents=True, exist_ok=True)
    for path in HERE.iterdir():
        shutil.copy(path, folder)
    if not (folder / "node_modules" / ".package-lock.json").exists():
        done = subprocess.run(["npm", "ci", "--ignore-scripts", "--no-audit", "--no-fund", "--cache", folder / "cache"], cwd=folder, text=True,
                              stdout=subprocess.PIPE, stderr=subprocess.STDOUT, timeout=300, check=False)
        assert done.returncode == 0, done.stdout
    return folder


@pytest.fixture(name="world")
def make_world(tmp_path, datavault):
    with World(tmp_path / "w", datavault) as made:
        made.port = free_port()
        for name, text in (("token", TOKEN), ("other", TOKEN + "-other")):
            made.path(name).write_text(text)
            made.path(name).chmod(0o600)
        made.graph(GRAPH % made.port)
        process = made.start("run", "graph.yaml")

        def listens():
            assert process.poll() is None
            with socket.socket() as probe:
                return probe.connect_ex(("127.0.0.1", made.port)) == 0
        assert wait_for(listens, 60)
        yield made


def test_every_status(client, world):
    done = subprocess.run(["node", "client.js", str(world.port), str(ROOT / "proto"), TOKEN], cwd=client, text=True, stdout=subprocess.PIPE,
                          stderr=subprocess.PIPE, timeout=120, check=False)
    assert done.returncode == 0, done.stderr
    said = json.loads(done.stdout)
    codes = {name: answer["code"] for name, answer in said.items()}
    assert codes == {"ok": 0, "again": 0, "invalid": 3, "large": 8, "unauthenticated": 16, "denied": 7, "retrieved": 0, "missing": 5, "health": 0,
                     "unknown": 5, "unimplemented": 12, "internal": 13, "late": 4, "cancelled": 1, "stream": 0, "acks": 0}
    assert said["ok"]["reply"]["id"] == said["again"]["reply"]["id"] == said["retrieved"]["reply"]["id"]
    assert b'"diagnosis":"x"' in bytes(said["retrieved"]["reply"]["record"]["data"])
    assert said["stream"]["reply"]["records"] == 1000
    assert {ack["sequence"]: ack["code"] for ack in said["acks"]["got"]} == {0: 0, 1: 3, 2: 0}
