#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""test_grpc_pg.py - conf/grpc-pg.yaml as a new user meets it: the commands of its head, on a real server, with a foreign client.

shows: ING-1 ING-6 STO-1 GW-7 DEV-2 ANO-2
"""
import json
import os
import pathlib
import re
import subprocess
import sys
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "tools"))
from grpc_client import Client, datavault as messages
from pg_world import make_server, needs_server, stored
from world import ROOT, end, free_port

pytestmark = needs_server
__all__ = ["make_server"]  # a fixture, by its name

GRAPH = "conf/grpc-pg.yaml"
COMMANDS = re.findall(r"^#   (.+)$", (ROOT / GRAPH).read_text(), re.MULTILINE)


def first_answer(client, request):
    """The server listens soon."""
    until = time.monotonic() + 20
    while True:
        try:
            return client.ingest(request, timeout=20, wait_for_ready=True)
        except Exception:  # noqa: BLE001 - any status while it starts
            if time.monotonic() > until:
                raise


def test_the_commands_of_its_head_and_nothing_else(tmp_path, datavault, pg):
    pg.sql("DROP SCHEMA IF EXISTS datavault CASCADE")
    (tmp_path / "bin").mkdir()
    os.symlink(datavault, tmp_path / "bin" / "datavault")
    port = free_port()
    env = {**os.environ, "PATH": f"{tmp_path / 'bin'}:{os.environ['PATH']}", "PG_URL": pg.url(), "DV_STATE": str(tmp_path / "state"),
           "DV_LISTEN": f"127.0.0.1:{free_port()}", "DV_GRPC_LISTEN": f"127.0.0.1:{port}"}

    def shell(command):
        done = subprocess.run(["bash", "-c", command], cwd=ROOT, env=env, capture_output=True, text=True, check=False, timeout=60)
        assert done.returncode == 0, done.stderr
        return done.stdout

    export, keys, migrate, run = COMMANDS
    assert re.findall(r"(\w+)=", export) == ["PG_URL", "DV_STATE"]
    shell(keys)
    shell(migrate)
    with open(tmp_path / "log", "wb") as log:
        process = subprocess.Popen(run.split(), cwd=ROOT, env=env, stdin=subprocess.DEVNULL, stdout=log, stderr=log)
    try:
        record = {"patient_id": "p-1", "diagnosis": "Asthma", "note": "Seen with Dr. Maria Gonzalez in Boston"}
        request = messages.IngestRequest(payload=json.dumps(record).encode(), idempotency_key="visit-1")
        with Client(port) as client:
            first = first_answer(client, request)
            again = client.ingest(request, timeout=20)
        assert first.id == again.id and stored(pg) == 1
        kept = json.loads(shell(f"datavault retrieve --config {GRAPH} {first.id}"))
        assert kept["diagnosis"] == "Asthma" and kept["patient_id"] != "p-1"
        assert "Gonzalez" not in kept["note"] and "Boston" not in kept["note"]
        assert end(process)[0] == 0, (tmp_path / "log").read_text()
    finally:
        if process.poll() is None:
            process.kill()
            process.wait()
