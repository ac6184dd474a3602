#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""test_pg.py - sealed records in a real PostgreSQL: each there once and to be opened; refused with a mend where it can
never work; and nothing secret anywhere. What is killed and cut is in test_pg_faults.py.

shows: STO-1 STO-2 STO-5 ING-6 BCP-2 ENC-1 DEV-2
"""
import json
import os
import pathlib
import signal
import subprocess
import sys
import uuid

import pytest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "tools"))
import canary
import oracle
import pg_server
from world import CHAIN, end, free_port, get, wait_for
from pg_world import NODES, SINK, app_url, check_contents, check_each_once, make_server, make_world, migrate, needs_server, once, stored

pytestmark = needs_server
__all__ = ["make_server", "make_world"]  # fixtures, by their names


# ---- the way it is meant ----

def test_every_record_is_there_once_and_opens(world, pg, draw):
    world.ledger.issue(3000)
    once(world)
    check_each_once(world, pg)
    check_contents(world, pg, draw, 10)
    world.graph((NODES % "").replace("path: in.jsonl", "path: in.jsonl, checkpoint: false"))
    once(world)  # all of it again
    check_each_once(world, pg)
    (row,) = pg.sql("SELECT count(*), min(tenant), min(schema), min(length(data_hash)),"
                    " min(length(nonce)), max(created_at) > now() - interval '5 minutes' FROM datavault.encrypted_blobs")
    assert row == ["3000", "default", "healthcare", "32", "12", "t"]


def test_the_shipped_graph_runs(world, pg):
    root = pathlib.Path(__file__).resolve().parents[2]
    env = {**world.env, "HEALTHCARE": str(world.path("in.jsonl")), "DV_KEYRING": str(world.path("keys")),
           "DV_STATE": str(world.path("state"))}
    world.ledger.issue(300)
    done = world.run("run", "--once", root / "conf" / "pg.yaml", env=env)
    assert done.returncode == 0, done.stderr
    check_each_once(world, pg)


def test_an_unknown_id_is_missing_and_an_altered_record_is_refused(world, pg):
    world.ledger.issue(2)
    once(world)
    first, _ = pg.ids()
    done = world.run("retrieve", "--config", "graph.yaml", str(uuid.uuid4()), env=world.env)
    assert (done.returncode, done.stdout) == (1, b"") and b"no record with this id" in done.stderr
    pg.sql(f"UPDATE datavault.encrypted_blobs SET tenant = 'other' WHERE id = '{uuid.UUID(bytes=first)}'")
    done = world.run("retrieve", "--config", "graph.yaml", str(uuid.UUID(bytes=first)), env=world.env)
    assert (done.returncode, done.stdout) == (1, b"")


def test_names_are_quoted_and_no_search_path_is_trusted(world, pg):
    """A schema and a table that need quotes; a function and a table in the way of careless SQL."""
    pg.sql("CREATE TABLE IF NOT EXISTS public.encrypted_blobs(trap text); ALTER ROLE dv SET search_path TO public")
    pg.sql("DROP SCHEMA IF EXISTS \"My-Schema\" CASCADE")
    world.graph(NODES % ", schema: My-Schema, table: Select.from")
    migrate(world)
    world.ledger.issue(50)
    once(world)
    assert len(pg.ids('"My-Schema"."Select.from"')) == 50
    assert pg.sql("SELECT count(*) FROM public.encrypted_blobs") == [["0"]]
    pg.sql("ALTER ROLE dv RESET search_path; DROP TABLE public.encrypted_blobs")


def test_what_every_store_must_do(world, pg, datavault):
    """The same tests in C that the embedded store passes."""
    program = pathlib.Path(datavault).parents[1] / "tests" / "test_connectors_store"
    if not os.access(program, os.X_OK):
        pytest.skip("the tests in C are not built beside the program")
    done = subprocess.run([program], env={**os.environ, "TEST_STORE_PG": world.env["PG_URL"]}, capture_output=True, check=False,
                          timeout=120)
    assert done.returncode == 0, done.stdout + done.stderr
    assert b"[  PASSED  ] 2 test" in done.stdout + done.stderr
    assert stored(pg) >= 128 * 13 + 2500


# ---- migrate ----

def test_migrate_is_versioned_and_may_be_repeated(world, pg):
    again = json.loads(migrate(world, "--json").stdout)
    assert again == {"schema": "datavault", "table": "encrypted_blobs", "from": 2, "version": 2}
    done = world.run("migrate", "--pg", "env:PG_URL", "--table", "more", "--json", env=world.env)
    assert json.loads(done.stdout)["from"] == 0, done.stderr
    pg.sql("INSERT INTO datavault.schema_versions(relation, version) VALUES ('encrypted_blobs', 99)")
    done = world.run("migrate", "graph.yaml", env=world.env)
    assert done.returncode == 3 and b"later version (99" in done.stderr
    pg.sql("CREATE TABLE datavault.foreign_one(id int)")
    done = world.run("migrate", "--pg", "env:PG_URL", "--table", "foreign_one", env=world.env)
    assert done.returncode == 3 and b"did not make" in done.stderr
    assert pg.sql("SELECT count(*) FROM datavault.schema_versions WHERE relation = 'foreign_one'") == [["0"]]


def test_two_migrations_at_once_make_one_table(world, pg):
    pg.sql("DROP SCHEMA datavault CASCADE")
    both = [world.start("migrate", "graph.yaml", env=world.env) for _ in range(4)]
    codes = [process.wait(60) for process in both]
    # The schema itself is made under the same lock, so nobody meets a half-made one.
    assert codes == [0, 0, 0, 0], [process.log.read_bytes() for process in both]
    assert pg.sql("SELECT relation, version FROM datavault.schema_versions") == [["encrypted_blobs", "1"], ["encrypted_blobs", "2"]]


def test_a_password_on_the_command_line_is_refused(world, pg):
    done = world.run("migrate", "--pg", pg.url())
    assert done.returncode == 2 and pg_server.PASSWORD.encode() not in done.stdout + done.stderr
    assert b"no password on the command line" in done.stderr


# ---- refused at the start, with the mend ----

def drop_table(_world, pg):
    pg.sql("DROP TABLE datavault.encrypted_blobs")


def other_table(_world, pg):
    pg.sql("ALTER TABLE datavault.encrypted_blobs DROP COLUMN nonce")


def no_key(_world, pg):
    pg.sql("ALTER TABLE datavault.encrypted_blobs DROP CONSTRAINT encrypted_blobs_pkey")


def no_usage(world, pg):
    world.env["PG_URL"] = app_url(pg)


def no_insert(world, pg):
    world.env["PG_URL"] = app_url(pg, "USAGE ON SCHEMA datavault", "SELECT ON datavault.encrypted_blobs")


def wrong_password(world, pg):
    world.env["PG_URL"] = pg.url(password="xWrongCanaryPw9")


def no_password(world, pg):
    world.env["PG_URL"] = pg.url(password=None)


def no_database(world, pg):
    world.env["PG_URL"] = pg.url(database="nosuch")


REFUSED = {
    "missing table": (drop_table, b"no such table; run: datavault migrate"),
    "wrong columns": (other_table, b"not of the form"), "no primary key": (no_key, b"not of the form"),
    "no right to the schema": (no_usage, b"permission denied"), "no right to insert": (no_insert, b"permission denied"),
    "wrong password": (wrong_password, b"refuses user or password (SQLSTATE 28P01)"),
    "no password": (no_password, b"asks for a password"), "no database": (no_database, b"no such database"),
}


@pytest.mark.parametrize("kind", REFUSED)
def test_what_can_never_work_is_refused_at_the_start(kind, world, pg):
    act, text = REFUSED[kind]
    world.ledger.issue(10)
    act(world, pg)
    done = once(world, 3)
    assert text in done.stderr and b"node 'store'" in done.stderr
    assert b"xWrongCanaryPw9" not in done.stderr and pg_server.PASSWORD.encode() not in done.stderr


def test_a_role_with_just_the_rights_can_store(world, pg):
    world.env["PG_URL"] = app_url(pg, "USAGE ON SCHEMA datavault", "SELECT, INSERT ON datavault.encrypted_blobs")
    world.ledger.issue(100)
    once(world)
    check_each_once(world, pg)


def test_a_password_from_a_file_is_read(world, pg):
    world.graph(NODES % ", password: file:pg.password")
    world.env["PG_URL"] = pg.url(password=None)
    world.path("pg.password").touch(0o600)
    world.path("pg.password").write_text(pg_server.PASSWORD + "\n")
    world.ledger.issue(10)
    once(world)
    world.path("pg.password").chmod(0o644)
    assert b"open to other users" in once(world, 3).stderr
    world.path("pg.password").unlink()
    assert b"pg.password" in once(world, 3).stderr


@pytest.mark.parametrize("url", ["", "http://x", "localhost:5432", "postgresql://u:sEcretPw1@[::1", "host=x password=sEcretPw1"])
def test_a_malformed_url_is_refused_and_not_shown(url, world):
    world.env["PG_URL"] = url
    done = world.run("check", "graph.yaml", env=world.env)
    assert done.returncode == 3 and b"graph.yaml:" in done.stderr
    assert b"sEcretPw1" not in done.stderr + done.stdout


# ---- TLS ----

@pytest.fixture(name="tls", scope="module")
def make_tls_server():
    with pg_server.PgServer(tls=True) as server:
        yield server


def test_tls_is_verified(world, tls):
    world.ledger.issue(100)
    ca, other = tls.at / "ca.pem", tls.at / "other.pem"
    world.env["PG_URL"] = tls.url(host="localhost", sslmode="verify-full", sslrootcert=ca)
    migrate(world)
    once(world)
    assert stored(tls) == 100
    refused = {
        "another name": (tls.url(sslmode="verify-full", sslrootcert=ca), b"for another name"),
        "another authority": (tls.url(host="localhost", sslmode="verify-full", sslrootcert=other), b"not one to trust"),
        "no file": (tls.url(host="localhost", sslmode="verify-full", sslrootcert="/nosuch"), b"no file of authorities"),
        # Far away and nothing said: verified, against the authorities of the system.
        "the default": (tls.url(host="db.example", hostaddr="127.0.0.1"), b"TLS: "),
        "the default, other name": (tls.url(host="db.example", hostaddr="127.0.0.1", sslrootcert=ca), b"for another name"),
    }
    for name, (url, text) in refused.items():
        world.env["PG_URL"] = url
        done = once(world, 3)
        assert text in done.stderr, (name, done.stderr)
    world.env["PG_URL"] = tls.url(host="localhost")  # near: TLS if there is some
    once(world)


def test_tls_is_asked_for_by_a_server_far_away(world, pg):
    world.ledger.issue(1)
    world.env["PG_URL"] = pg.url(host="db.example", hostaddr="127.0.0.1")
    assert b"sslmode=disable" in once(world, 3).stderr
    world.env["PG_URL"] = pg.url(host="db.example", hostaddr="127.0.0.1", sslmode="disable")
    once(world)


# ---- secrets ----

def test_no_secret_is_anywhere(world, pg, draw):
    """Every field of the records and the password: not in the table's text, logs, command line, or what is printed."""
    secrets = canary.Canaries(draw.random())
    records = [secrets.healthcare() for _ in range(20)]
    secrets.add("password", pg_server.PASSWORD)
    world.graph((CHAIN.replace("op: sink-store, after: seal, path: vault.sqlite", SINK)).replace(
        "schema: healthcare }", "schema: healthcare, follow: true }"), settings="keyring: file:keys\nlisten: 127.0.0.1:" + str(port := free_port()))
    world.write("in.jsonl", *records)
    process = world.start("run", "graph.yaml", env=world.env)
    assert wait_for(lambda: stored(pg) == 20, 60)
    assert secrets.find(pathlib.Path(f"/proc/{process.pid}/cmdline").read_bytes()) == []
    pages = b"".join(get(port, path)[1] for path in ("/readyz", "/metrics", "/v1/graph", "/v1/stats"))
    pg.stop(signal.SIGQUIT)
    pg.start()
    with open(world.path("in.jsonl"), "ab") as file:
        file.write(oracle.to_json(secrets.healthcare()).encode() + b"\n")
    assert wait_for(lambda: stored(pg) == 21, 60)
    assert end(process)[0] == 0
    assert secrets.find(pages + process.log.read_bytes()) == []
    assert secrets.find(pg.text()) == []
    assert secrets.find_in(world.at, but=[world.path("in.jsonl")]) == {}
    assert secrets.find((pg.at / "log").read_bytes()) == []
    done = world.run("graph", "graph.yaml", env=world.env)
    assert secrets.find(done.stdout + done.stderr) == []
