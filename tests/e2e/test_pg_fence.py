#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""test_pg_fence.py - an owner is stopped, also in the middle of a transaction, and another takes its name: the successor
works within ten seconds, and the old one writes nothing any more.

DATAVAULT_ROUNDS=N asks for more of them.

shows: STO-2 ING-6 BCP-8 R6
"""
import os
import pathlib
import shutil
import signal
import sys
import time

import pytest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "tools"))
from faultproxy import FaultProxy
from world import end, events, wait_for
from pg_world import FOLLOWED, NODES, app_url, check_each_once, make_server, make_world, needs_server, once, stored

pytestmark = needs_server
__all__ = ["make_server", "make_world"]  # fixtures, by their names

ROUNDS = int(os.environ.get("DATAVAULT_ROUNDS", "20"))
SYNC = b"S\x00\x00\x00\x04"  # the end of a put: what commits it
OWNER = ", owner: ward-7"
STUCK = "SELECT pid FROM pg_stat_activity WHERE application_name = 'datavault' AND wait_event = 'ClientRead' AND xact_start IS NOT NULL"
# Beside the file that all processes read, each has one that nobody else does.
MINE = """  mine: { op: source, from: file, path: mine-%d.jsonl, schema: mine, follow: true }
  anon2: { op: anonymize, after: mine, policy: ledger-keeping }
  seal2: { op: encrypt, after: anon2, key: healthcare }
"""


class Owners:
    """Processes of one name, each with a state of its own, which read the same records."""

    def __init__(self, world, option=OWNER):
        self.world, self.option, self.number = world, option, 0
        schema = (world.at / "schemas" / "healthcare.yaml").read_text()
        (world.at / "schemas" / "mine.yaml").write_text(schema.replace("name: healthcare", "name: mine"))

    def start(self, url=None):
        self.number += 1
        shutil.copy(self.world.path("in.jsonl"), self.world.path("first.jsonl"))
        self.world.path(f"mine-{self.number}.jsonl").touch()
        nodes = MINE % self.number + (FOLLOWED % self.option).replace("after: seal,", "after: [seal, seal2],")
        name = self.world.graph(nodes, name=f"owner-{self.number}.yaml")
        path = self.world.path(name)
        path.write_text(path.read_text().replace("name: t\n", f"name: t{self.number}\n"))
        process = self.world.start("run", name, env={"PG_URL": url or self.world.env["PG_URL"]})
        process.number = self.number
        return process

    def feed(self, process, count=50):
        """Records that this process alone reads: those the ledger begins with."""
        with open(self.world.path("first.jsonl"), "rb") as first, open(self.world.path(f"mine-{process.number}.jsonl"), "ab") as file:
            file.writelines(first.readline() for _ in range(count))


def count_of(pg, schema):
    return int(pg.sql(f"SELECT count(*) FROM datavault.encrypted_blobs WHERE schema = '{schema}'")[0][0])


def all_there(world, pg):
    return count_of(pg, "healthcare") == len(world.ledger.issued)


def check_fenced(process):
    assert process.wait(60) == 7
    log = process.log.read_bytes()
    assert [event["code"] for event in events(log) if event["event"] == "pg.fenced"] == ["DV_E_FENCED"]
    assert b"another process has taken this owner's name" in log
    assert not [event for event in events(log) if event["event"] == "record.rejected"]


def finish(world, pg, process):
    assert end(process)[0] == 0, process.log.read_bytes()
    pg.sql("DELETE FROM datavault.encrypted_blobs WHERE schema = 'mine'")
    check_each_once(world, pg)


def test_who_was_stopped_writes_no_more(world, pg):
    owners = Owners(world)
    world.ledger.issue(300)
    old = owners.start()
    assert wait_for(lambda: all_there(world, pg), 20)
    for number in range(ROUNDS):
        world.ledger.issue(300)  # it may be in the middle of these
        old.send_signal(signal.SIGSTOP)
        new = owners.start()
        begun = time.monotonic()
        assert wait_for(lambda: all_there(world, pg), 20), number
        assert time.monotonic() - begun <= 10
        before = count_of(pg, "mine")
        owners.feed(old)
        old.send_signal(signal.SIGCONT)
        check_fenced(old)
        assert count_of(pg, "mine") == before
        owners.feed(new, 10)  # it has the right to
        assert wait_for(lambda b=before: count_of(pg, "mine") == b + 10, 30)
        old = new
    assert pg.sql("SELECT relation, name, token FROM datavault.fences") == [["encrypted_blobs", "ward-7", str(ROUNDS + 1)]]
    finish(world, pg, old)


@pytest.mark.parametrize("option", [OWNER, ""], ids=["owner", "equals"])
def test_who_was_stopped_inside_a_transaction_blocks_nobody(option, world, pg):
    """The server has all of a put but its last five bytes: it holds the fence and the new ids, and no time-out of its own
    is for that."""
    owners = Owners(world, option)
    with FaultProxy(pg.port) as proxy:
        for number in range(max(ROUNDS // 20, 1)):
            world.ledger.issue(200)
            old = owners.start(pg.url(port=proxy.port))
            assert wait_for(lambda: all_there(world, pg), 20)
            proxy.keep_back = SYNC
            world.ledger.issue(600)
            owners.feed(old)
            assert wait_for(lambda: pg.sql(STUCK), 30)
            old.send_signal(signal.SIGSTOP)
            time.sleep(0.5)
            new = owners.start()
            begun = time.monotonic()
            assert wait_for(lambda: all_there(world, pg), 15), number
            assert time.monotonic() - begun <= 10
            before = count_of(pg, "mine")
            proxy.keep_back = None
            old.send_signal(signal.SIGCONT)
            if option:
                check_fenced(old)
                assert count_of(pg, "mine") == before
            else:  # it finds that nothing was committed, and does it again
                assert wait_for(lambda: count_of(pg, "mine") == 50 * owners.number // 2, 30)
                assert end(old)[0] == 0, old.log.read_bytes()
            assert end(new)[0] == 0
    pg.sql("DELETE FROM datavault.encrypted_blobs WHERE schema = 'mine'")
    check_each_once(world, pg)


def test_an_owner_is_fenced_by_nobody_but_another_process(world, pg):
    """Stopped and continued, its connections cut, its server restarted: it has the same token and goes on."""
    owners = Owners(world)
    process = owners.start()
    world.ledger.issue(100)
    assert wait_for(lambda: all_there(world, pg), 20)
    process.send_signal(signal.SIGSTOP)
    time.sleep(1)
    process.send_signal(signal.SIGCONT)
    world.ledger.issue(1000)
    pg.stop(signal.SIGQUIT)
    pg.start()
    assert wait_for(lambda: all_there(world, pg), 20)
    assert pg.sql("SELECT token FROM datavault.fences") == [["1"]]
    finish(world, pg, process)


def no_fences(_world, pg):
    pg.sql("DROP TABLE datavault.fences")


def no_right(world, pg):
    world.env["PG_URL"] = app_url(pg, "USAGE ON SCHEMA datavault", "SELECT, INSERT ON datavault.encrypted_blobs")


@pytest.mark.parametrize("act, text", [(no_fences, b"no such table; run: datavault migrate"), (no_right, b"UPDATE on fences")])
def test_an_owner_needs_the_fences(act, text, world, pg):
    world.ledger.issue(10)
    act(world, pg)
    world.graph(NODES % OWNER)
    assert text in once(world, 3).stderr
    if act is no_right:
        pg.sql("GRANT SELECT, INSERT, UPDATE ON datavault.fences TO app")
        once(world)
        assert stored(pg) == 10
