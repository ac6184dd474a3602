#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""test_pg_faults.py - the process killed, the server stopped, connections cut at any byte of a commit, networks that hang: each
record is in PostgreSQL once, and it all heals by itself.

DATAVAULT_CUTS=N and DATAVAULT_KILLS=N ask for more of them.

shows: STO-2 ING-6 BCP-2 BCP-8 DEV-2 R1 R8 R10 R19
"""
import os
import pathlib
import signal
import sys
import time
import uuid

import pytest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "tools"))
from faultproxy import FaultProxy, Plan
from world import end, events, free_port, get, wait_for
from pg_world import FOLLOWED, NODES, check_contents, check_each_once, make_server, make_world, needs_server, once, stored

pytestmark = needs_server
__all__ = ["make_server", "make_world"]  # fixtures, by their names

CUTS = int(os.environ.get("DATAVAULT_CUTS", "100"))
KILLS = int(os.environ.get("DATAVAULT_KILLS", "10"))


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
        assert wait_for(lambda b=before: stored(pg) > b or stored(pg) == len(world.ledger.issued), 30)
        assert time.monotonic() - up <= 5
    assert wait_for(lambda: stored(pg) == len(world.ledger.issued), 30)
    assert end(process)[0] == 0
    check_each_once(world, pg)
    told = [event for event in events(process.log.read_bytes()) if event["event"].startswith("pg.")]
    assert 0 < len(told) <= 24 and {"pg.down", "pg.up"} <= {event["event"] for event in told}


def test_a_server_that_is_down_at_the_start_is_waited_for(world, pg):
    port = free_port()
    world.graph(FOLLOWED % "", settings=f"keyring: file:keys\nlisten: 127.0.0.1:{port}")
    world.ledger.issue(1000)
    pg.stop()
    process = world.start("run", "graph.yaml", env=world.env)
    ready = wait_for(lambda: get(port, "/readyz")[1], 60)
    assert wait_for(lambda: b"cannot be reached" in get(port, "/readyz")[1], 30), ready
    time.sleep(3)  # the pauses between tries have grown
    assert process.poll() is None
    pg.start()
    up = time.monotonic()
    assert wait_for(lambda: stored(pg) == 1000, 30)
    assert time.monotonic() - up <= 5
    assert end(process)[0] == 0
    check_each_once(world, pg)


def test_cut_during_commit_at_any_byte(world, pg, draw):
    """A reset, a close or a half-close at a random byte: of a put on its way, or of the answer that it was committed."""
    with FaultProxy(pg.port) as proxy:
        world.graph(FOLLOWED % ", timeout: 2s")
        world.env["PG_URL"] = pg.url(port=proxy.port)
        process = world.start("run", "graph.yaml", env=world.env)
        assert wait_for(lambda: proxy.opened >= 3, 60)  # one to look, two to stay

        def passed():
            return [dict(link.passed) for link in proxy.links[-2:]]

        def is_quiet():
            before = passed()
            time.sleep(1)
            return passed() == before and all(of["down"] for of in before)
        assert wait_for(is_quiet, 30), "they do not get through with what comes before the first put"
        ready = {way: max(of[way] for of in passed()) for way in ("down", "up")}

        def plan(_number):
            way = draw.choice(["down", "down", "up"])  # an answer has 34 bytes, a put of 256 rows 100,000
            at = ready[way] + draw.randrange(34 * 3 if way == "down" else 300_000)
            return Plan(direction=way, at=at, how=draw.choice(["reset", "reset", "close", "half-close"]))

        proxy.plan = plan
        proxy.cut_all()
        until = time.monotonic() + 150
        while proxy.cuts < CUTS and time.monotonic() < until:
            if stored(pg) > len(world.ledger.issued) - 2000:
                world.ledger.issue(1000)
            time.sleep(0.02)
        assert proxy.cuts >= CUTS
        proxy.plan = lambda _number: Plan()
        proxy.cut_all()
        assert wait_for(lambda: stored(pg) == len(world.ledger.issued), 30)
        assert end(process)[0] == 0, process.log.read_bytes()
    check_each_once(world, pg)
    world.env["PG_URL"] = pg.url()
    check_contents(world, pg, draw)
    assert not [event for event in events(process.log.read_bytes()) if event["event"] == "record.rejected"]


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
    assert wait_for(lambda: b"datavault migrate" in get(port, "/readyz")[1], 30), get(port, "/readyz")
    pg.sql("ALTER TABLE datavault.elsewhere RENAME TO encrypted_blobs")
    assert wait_for(lambda: stored(pg) == 200, 30)
    assert end(process)[0] == 0
    check_each_once(world, pg)


def test_a_server_that_takes_no_writes_for_a_while_is_not_pestered(world, pg):
    """As behind a failover: it lets us in and refuses each put."""
    def read_only(value):
        pg.sql(f"ALTER SYSTEM SET default_transaction_read_only TO {value}")
        pg.sql("SELECT pg_reload_conf()")
        assert wait_for(lambda: pg.sql("SHOW default_transaction_read_only") == [[value]], 30)  # so the others are told, too

    world.graph(FOLLOWED % "")
    world.ledger.issue(100)
    process = world.start("run", "graph.yaml", env=world.env)
    assert wait_for(lambda: stored(pg) == 100, 20)
    read_only("on")
    world.ledger.issue(500)
    time.sleep(6)
    read_only("off")
    assert wait_for(lambda: stored(pg) == 600, 30)
    assert end(process)[0] == 0
    check_each_once(world, pg)
    told = [event for event in events(process.log.read_bytes()) if event["event"].startswith("pg.")]
    assert [(event["event"], event.get("sqlstate")) for event in told] == [("pg.down", "25006"), ("pg.up", None)]


def test_a_stop_while_the_server_is_away_ends_in_time(world, pg):
    """What could not be stored is read again at the next start."""
    world.graph(FOLLOWED % "", settings="keyring: file:keys\ndrain: 2s")
    world.ledger.issue(3000)
    pg.stop()
    process = world.start("run", "graph.yaml", env=world.env)
    assert wait_for(lambda: b"run.proved" in process.log.read_bytes(), 60)
    time.sleep(1)
    end(process)
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


def test_a_unique_index_of_somebody_else_is_named(world, pg):
    """Foreign rows may have what a record brings: that record is refused, and it is told what to do."""
    world.ledger.issue(20)
    pg.sql("ALTER TABLE datavault.encrypted_blobs ADD UNIQUE (key_ref)")
    world.graph(FOLLOWED % "")
    process = world.start("run", "graph.yaml", env=world.env)
    assert wait_for(lambda: stored(pg) == 1, 20)
    assert wait_for(lambda: len([event for event in events(process.log.read_bytes()) if event["event"] == "record.rejected"]) == 19, 20)
    (told,) = [event for event in events(process.log.read_bytes()) if event["event"] == "pg.refuses"]
    assert "another unique index of the table" in told["reason"]
    assert end(process)[0] == 0
