#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""test_pg.py - sealed records in a real PostgreSQL: each there once, whatever is killed, stopped or cut; refused with a
mend where it can never work; and nothing secret anywhere.

The servers are the tests' own. DATAVAULT_CUTS=N and DATAVAULT_KILLS=N ask for more of them.

shows: STO-1 STO-2 STO-5 ING-6 BCP-2 BCP-8 ENC-1 DEV-2 R1 R8 R10 R19
"""
import collections
import json
import os
import pathlib
import signal
import subprocess
import sys
import time
import uuid

import pytest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "tools"))
import canary
import oracle
import pg_server
from faultproxy import FaultProxy, Plan
from world import CHAIN, KEEPING, World, events, free_port, get, wait_for

pytestmark = pytest.mark.skipif(pg_server.binaries() is None, reason="no PostgreSQL server here: tools/install test")

CUTS = int(os.environ.get("DATAVAULT_CUTS", "50"))
KILLS = int(os.environ.get("DATAVAULT_KILLS", "10"))
SINK = "op: sink-pg, after: seal, url: \"${PG_URL}\""
NODES = KEEPING.replace("op: sink-store, after: seal, path: vault.sqlite", SINK + "%s")
FOLLOWED = NODES.replace("schema: healthcare }", "schema: healthcare, follow: true }")


@pytest.fixture(name="pg", scope="module")
def make_server():
    with pg_server.PgServer() as server:
        yield server


@pytest.fixture(name="world")
def make_world(tmp_path, datavault, pg):
    """A world with a graph and a ledger, and a table of its own that exists already."""
    if pg.process.poll() is not None:
        pg.start()
    pg.sql("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'datavault'")
    pg.sql("DROP SCHEMA IF EXISTS datavault CASCADE")
    with World(tmp_path / "w", datavault) as made:
        made.env = {"PG_URL": pg.url()}
        made.graph(NODES % "")
        made.ledger = oracle.Ledger(made.path("in.jsonl"))
        migrate(made)
        yield made


def migrate(world, *arguments, **options):
    done = world.run("migrate", "graph.yaml", *arguments, env=world.env, **options)
    assert done.returncode == 0, done.stderr
    return done


def once(world, expected=0, **options):
    done = world.run("run", "--once", "graph.yaml", env=world.env, timeout=120, **options)
    assert done.returncode == expected, done.stderr
    return done


def check_each_once(world, pg):
    """0 lost, 0 doubled, by SQL against the ledger."""
    times = collections.Counter(oracle.offset_of(identity) for identity in pg.ids())
    issued = set(world.ledger.issued)
    verdict = (sorted(issued - set(times)), sorted(at for at in times if times[at] > 1), sorted(set(times) - issued))
    assert verdict == ([], [], [])


def check_contents(world, pg, draw, count=5):
    """Some records, opened by `retrieve --config`, are what was issued."""
    for identity in draw.sample(pg.ids(), count):
        done = world.run("retrieve", "--config", "graph.yaml", str(uuid.UUID(bytes=identity)), env=world.env)
        assert done.returncode == 0, done.stderr
        assert oracle.digest(done.stdout.rstrip(b"\n")) == world.ledger.issued[oracle.offset_of(identity)]


def stored(pg):
    done = pg.psql("SELECT count(*) FROM datavault.encrypted_blobs")
    return int(done.stdout) if done.returncode == 0 else -1


# ---- the way it is meant ----

def test_every_record_is_there_once_and_opens(world, pg, draw):
    world.ledger.issue(3000)
    once(world)
    check_each_once(world, pg)
    check_contents(world, pg, draw, 10)
    world.graph((NODES % "").replace("path: in.jsonl", "path: in.jsonl, checkpoint: false"))
    once(world)  # all of it again
    check_each_once(world, pg)
    (row,) = pg.sql("SELECT count(*) FILTER (WHERE processed_at IS NULL), min(tenant), min(schema), min(length(data_hash)),"
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
    assert again == {"schema": "datavault", "table": "encrypted_blobs", "from": 1, "version": 1}
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
    codes = [process.wait(30) for process in both]
    # The schema itself is made under the same lock, so nobody meets a half-made one.
    assert codes == [0, 0, 0, 0], [process.log.read_bytes() for process in both]
    assert pg.sql("SELECT relation, version FROM datavault.schema_versions") == [["encrypted_blobs", "1"]]


def test_a_password_on_the_command_line_is_refused(world, pg):
    done = world.run("migrate", "--pg", pg.url())
    assert done.returncode == 2 and pg_server.PASSWORD.encode() not in done.stdout + done.stderr
    assert b"no password on the command line" in done.stderr


# ---- refused at the start, with the mend ----

def app_url(pg, *grants):
    pg.sql("DO $$ BEGIN CREATE ROLE app LOGIN PASSWORD 'app'; EXCEPTION WHEN duplicate_object THEN NULL; END $$")
    for grant in grants:
        pg.sql(f"GRANT {grant} TO app")
    return pg.url("app", "app")


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


# ---- faults ----

def test_kill_9_at_random_points(world, pg, draw):
    world.graph(FOLLOWED % "")
    for _ in range(KILLS):
        world.ledger.issue(4000)
        process = world.start("run", "graph.yaml", env=world.env)
        time.sleep(draw.uniform(0.05, 0.6))
        process.kill()
        process.wait()
    world.graph(NODES % "")
    once(world)
    check_each_once(world, pg)
    check_contents(world, pg, draw)


@pytest.mark.parametrize("how", [signal.SIGQUIT, signal.SIGINT], ids=["immediate", "fast"])
def test_the_server_stops_in_the_middle_and_comes_back(how, world, pg):
    world.graph(FOLLOWED % "")
    world.ledger.issue(2000)
    process = world.start("run", "graph.yaml", env=world.env)
    assert wait_for(lambda: stored(pg) > 0, 20)
    for _ in range(3):
        world.ledger.issue(5000)
        time.sleep(0.1)
        pg.stop(how)
        time.sleep(0.3)
        pg.start()
        up = time.monotonic()
        before = stored(pg)
        assert wait_for(lambda b=before: stored(pg) > b or stored(pg) == len(world.ledger.issued), 10)
        assert time.monotonic() - up <= 5
    assert wait_for(lambda: stored(pg) == len(world.ledger.issued), 30)
    process.send_signal(signal.SIGTERM)
    assert process.wait(15) == 0
    check_each_once(world, pg)
    told = [event for event in events(process.log.read_bytes()) if event["event"].startswith("pg.")]
    assert 0 < len(told) <= 24 and {"pg.down", "pg.up"} <= {event["event"] for event in told}


def test_a_server_that_is_down_at_the_start_is_waited_for(world, pg):
    port = free_port()
    world.graph(FOLLOWED % "", settings=f"keyring: file:keys\nlisten: 127.0.0.1:{port}")
    world.ledger.issue(1000)
    pg.stop()
    process = world.start("run", "graph.yaml", env=world.env)
    ready = wait_for(lambda: get(port, "/readyz")[1], 20)
    assert wait_for(lambda: b"cannot be reached" in get(port, "/readyz")[1], 10), ready
    time.sleep(3)  # the pauses between tries have grown
    assert process.poll() is None
    pg.start()
    up = time.monotonic()
    assert wait_for(lambda: stored(pg) == 1000, 15)
    assert time.monotonic() - up <= 5
    process.send_signal(signal.SIGTERM)
    assert process.wait(15) == 0
    check_each_once(world, pg)


def test_cut_during_commit_at_any_byte(world, pg, draw):
    """A reset, a close or a half-close at a random byte of either direction: most fall into a put or its answer."""
    def plan(_number):
        direction = draw.choice(["down", "down", "up"])
        at = draw.randrange(500, 1100) if direction == "down" else draw.randrange(800, 400_000)
        return Plan(direction=direction, at=at, how=draw.choice(["reset", "reset", "close", "half-close"]))

    with FaultProxy(pg.port) as proxy:
        world.graph(FOLLOWED % ", timeout: 2s")
        world.env["PG_URL"] = pg.url(port=proxy.port)
        world.ledger.issue(2000)
        proxy.plan = plan
        process = world.start("run", "graph.yaml", env=world.env)
        end = time.monotonic() + 150
        while proxy.cuts < CUTS and time.monotonic() < end:
            if stored(pg) > len(world.ledger.issued) - 2000:
                world.ledger.issue(1000)
            time.sleep(0.02)
        assert proxy.cuts >= CUTS
        proxy.plan = lambda _number: Plan()
        proxy.cut_all()
        assert wait_for(lambda: stored(pg) == len(world.ledger.issued), 30)
        process.send_signal(signal.SIGTERM)
        assert process.wait(15) == 0, process.log.read_bytes()
    check_each_once(world, pg)
    world.env["PG_URL"] = pg.url()
    check_contents(world, pg, draw)
    assert not [event for event in events(process.log.read_bytes()) if event["event"] == "record.rejected"]


@pytest.mark.parametrize("fault", ["black-hole", "refuse", "delay", "throttle"])
def test_the_network_fails_and_heals(fault, world, pg):
    with FaultProxy(pg.port) as proxy:
        world.graph(FOLLOWED % ", timeout: 1s, connect_timeout: 1s")
        world.env["PG_URL"] = pg.url(port=proxy.port)
        process = world.start("run", "graph.yaml", env=world.env)
        world.ledger.issue(500)
        assert wait_for(lambda: stored(pg) == 500, 20)
        if fault == "black-hole":
            proxy.fault = fault
        elif fault == "refuse":
            proxy.refuse = True
        else:
            slow = Plan(delay=0.05) if fault == "delay" else Plan(rate=300_000)
            proxy.plan = lambda _number: slow
        if fault != "black-hole":
            proxy.cut_all()
        world.ledger.issue(1500)
        time.sleep(5)
        proxy.fault, proxy.refuse, proxy.plan = None, False, lambda _number: Plan()
        healed = time.monotonic()
        assert wait_for(lambda: stored(pg) == 2000, 20)
        assert time.monotonic() - healed <= 10
        process.send_signal(signal.SIGTERM)
        assert process.wait(15) == 0
    check_each_once(world, pg)


def test_of_several_hosts_the_next_is_tried(world, pg):
    """The first is dead, the second has a name with perhaps several addresses; a role that may not write is passed over."""
    world.ledger.issue(100)
    world.env["PG_URL"] = pg.url(host=f"127.0.0.1:{free_port()},localhost", target_session_attrs="read-write")
    once(world)
    check_each_once(world, pg)


def test_a_table_that_goes_while_running_is_told_and_waited_for(world, pg):
    port = free_port()
    world.graph(FOLLOWED % "", settings=f"keyring: file:keys\nlisten: 127.0.0.1:{port}")
    world.ledger.issue(100)
    process = world.start("run", "graph.yaml", env=world.env)
    assert wait_for(lambda: stored(pg) == 100, 20)
    pg.sql("ALTER TABLE datavault.encrypted_blobs RENAME TO elsewhere")
    world.ledger.issue(100)
    assert wait_for(lambda: b"datavault migrate" in get(port, "/readyz")[1], 15), get(port, "/readyz")
    pg.sql("ALTER TABLE datavault.elsewhere RENAME TO encrypted_blobs")
    assert wait_for(lambda: stored(pg) == 200, 15)
    process.send_signal(signal.SIGTERM)
    assert process.wait(15) == 0
    check_each_once(world, pg)


def test_a_server_that_takes_no_writes_for_a_while_is_not_pestered(world, pg):
    """As behind a failover: it lets us in and refuses each put."""
    def read_only(value):
        pg.sql(f"ALTER SYSTEM SET default_transaction_read_only TO {value}")
        pg.sql("SELECT pg_reload_conf()")

    world.graph(FOLLOWED % "")
    world.ledger.issue(100)
    process = world.start("run", "graph.yaml", env=world.env)
    assert wait_for(lambda: stored(pg) == 100, 20)
    read_only("on")
    world.ledger.issue(500)
    time.sleep(6)
    read_only("off")
    assert wait_for(lambda: stored(pg) == 600, 10)
    process.send_signal(signal.SIGTERM)
    assert process.wait(15) == 0
    check_each_once(world, pg)
    told = [event for event in events(process.log.read_bytes()) if event["event"].startswith("pg.")]
    assert [(event["event"], event.get("sqlstate")) for event in told] == [("pg.down", "25006"), ("pg.up", None)]


def test_a_stop_while_the_server_is_away_ends_in_time(world, pg):
    """What could not be stored is read again at the next start."""
    world.graph(FOLLOWED % "", settings="keyring: file:keys\ndrain: 2s")
    world.ledger.issue(3000)
    pg.stop()
    process = world.start("run", "graph.yaml", env=world.env)
    time.sleep(1)
    process.send_signal(signal.SIGTERM)
    process.wait(10)
    pg.start()
    world.graph(NODES % "")
    once(world)
    check_each_once(world, pg)


def test_a_record_that_the_server_refuses_stands_alone(world, pg):
    """One row breaks a constraint: it goes to the dead letters, and all others of its batch are stored."""
    world.ledger.issue(1000)
    once(world)
    victim = pg.ids()[500]
    pg.sql("TRUNCATE datavault.encrypted_blobs; ALTER TABLE datavault.encrypted_blobs ADD CONSTRAINT picky"
           f" CHECK (id <> '{uuid.UUID(bytes=victim)}')")
    world.graph((NODES % "").replace("path: in.jsonl", "path: in.jsonl, checkpoint: false"))
    done = once(world, 1)
    assert stored(pg) == 999 and victim not in pg.ids()
    assert [event["code"] for event in events(done.stderr) if event.get("event") == "record.rejected"] == ["DV_E_DATA"]
    assert b"picky" not in done.stderr and str(uuid.UUID(bytes=victim)).encode() not in done.stderr


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
    assert wait_for(lambda: stored(pg) == 20, 20)
    assert secrets.find(pathlib.Path(f"/proc/{process.pid}/cmdline").read_bytes()) == []
    pages = b"".join(get(port, path)[1] for path in ("/readyz", "/metrics", "/v1/graph", "/v1/stats"))
    pg.stop(signal.SIGQUIT)
    pg.start()
    with open(world.path("in.jsonl"), "ab") as file:
        file.write(oracle.to_json(secrets.healthcare()).encode() + b"\n")
    assert wait_for(lambda: stored(pg) == 21, 20)
    process.send_signal(signal.SIGTERM)
    assert process.wait(15) == 0
    assert secrets.find(pages + process.log.read_bytes()) == []
    assert secrets.find(pg.text()) == []
    assert secrets.find_in(world.at, but=[world.path("in.jsonl")]) == {}
    assert secrets.find((pg.at / "log").read_bytes()) == []
    done = world.run("graph", "graph.yaml", env=world.env)
    assert secrets.find(done.stdout + done.stderr) == []
