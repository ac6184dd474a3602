#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""test_redis_pg.py - conf/redis-pg.yaml as a new user meets it: the commands of its head, on real servers, and what is said
to somebody who leaves one out.

shows: ING-3 ING-4 ING-6 STO-1 DEV-2
"""
import os
import pathlib
import re
import subprocess
import sys

import pytest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "tools"))
from pg_world import make_server, needs_server, stored
from redis_server import RedisServer
from world import ROOT, end, free_port, get, wait_for

pytestmark = needs_server
__all__ = ["make_server"]  # a fixture, by its name

GRAPH = "conf/redis-pg.yaml"
COMMANDS = re.findall(r"^#   (.+)$", (ROOT / GRAPH).read_text(), re.MULTILINE)


@pytest.fixture(name="redis")
def make_redis(tmp_path):
    with RedisServer(tmp_path / "redis", aof=True) as server:
        yield server


@pytest.fixture(name="env")
def make_env(tmp_path, datavault, redis, pg):
    """The environment of the file's head, with the addresses of this test; `datavault` is found by its name."""
    pg.sql("DROP SCHEMA IF EXISTS datavault CASCADE")
    (tmp_path / "bin").mkdir()
    os.symlink(datavault, tmp_path / "bin" / "datavault")
    return {**os.environ, "PATH": f"{tmp_path / 'bin'}:{os.environ['PATH']}", "PG_URL": pg.url(),
            "REDIS_URL": f"redis://127.0.0.1:{redis.port}", "DV_STATE": str(tmp_path / "state"),
            "DV_LISTEN": f"127.0.0.1:{free_port()}"}


def shell(command, env):
    return subprocess.run(["bash", "-c", command], cwd=ROOT, env=env, capture_output=True, text=True, check=False, timeout=60)


def test_the_commands_of_its_head_and_nothing_else(env, redis, pg, tmp_path):
    """Only the addresses are the test's own; `run` goes to the background, as it would to another window."""
    export, keys, migrate, run, add = COMMANDS
    assert re.findall(r"(\w+)=", export) == ["REDIS_URL", "PG_URL", "DV_STATE"]
    for command in (keys, migrate):
        done = shell(command, env)
        assert done.returncode == 0, done.stderr
    with open(tmp_path / "log", "wb") as log:
        process = subprocess.Popen(run.split(), cwd=ROOT, env=env, stdin=subprocess.DEVNULL, stdout=log, stderr=log)
    try:
        done = shell(add.replace("redis-cli", f"redis-cli -p {redis.port}"), env)
        assert done.returncode == 0, done.stderr
        redis.client()("XADD", "finance_stream", "*", "data", '{"account":"a-1","transaction_type":"purchase","amount":12.5}')
        assert wait_for(lambda: stored(pg) == 2, 60), (tmp_path / "log").read_text()
        assert wait_for(lambda: redis.client()("XPENDING", "healthcare_stream", "datavault")[0] == 0, 30)
        assert get(int(env["DV_LISTEN"].rpartition(":")[2]), "/readyz")[0] == 200
        assert pg.sql("SELECT schema FROM datavault.encrypted_blobs ORDER BY 1") == [["finance"], ["healthcare"]]
        assert end(process)[0] == 0, (tmp_path / "log").read_text()
    finally:
        if process.poll() is None:
            process.kill()
            process.wait()
    assert {path.name for path in (tmp_path / "state").iterdir()} == {"keyring", "redis-pg"}
    (row,) = pg.sql("SELECT id FROM datavault.encrypted_blobs WHERE schema = 'finance'")
    done = shell(f"datavault retrieve --config {GRAPH} {row[0]}", env)
    assert done.returncode == 0 and '"amount"' in done.stdout, done.stderr


def test_a_run_without_them_names_the_command_to_run(env):
    """What is said is run as it stands, until the program starts."""
    done = shell(f"datavault run {GRAPH}", env)
    assert done.returncode == 3, done.stderr
    command = re.search(r"make one with: (datavault keys init .*)", done.stderr).group(1)
    assert shell(command, env).returncode == 0
    done = shell(f"datavault run {GRAPH}", env)
    assert done.returncode == 3, done.stderr
    command = re.search(r"run: (datavault migrate) GRAPH.yaml", done.stderr).group(1)
    assert shell(f"{command} {GRAPH}", env).returncode == 0
    assert shell(f"timeout -s TERM 2 datavault run {GRAPH}", env).returncode == 124


def test_keys_init_alone_makes_the_keyring_where_the_graph_looks(env):
    assert shell("datavault keys init", env).returncode == 0
    assert shell(f"datavault migrate {GRAPH}", env).returncode == 0
    done = shell(f"timeout -s TERM 2 datavault run {GRAPH}", env)
    assert done.returncode == 124, done.stderr


@pytest.mark.parametrize("name", ["REDIS_URL", "PG_URL"])
def test_an_address_that_is_not_set_is_asked_for(name, env):
    del env[name]
    done = shell(f"datavault check {GRAPH}", env)
    assert done.returncode == 3 and f"set {name} to " in done.stderr and GRAPH in done.stderr
