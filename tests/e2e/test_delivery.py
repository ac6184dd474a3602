#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""test_delivery.py - Redis to PostgreSQL while processes are killed and stopped and records are poison: by a ledger kept
outside nothing is lost and nothing doubled, the rest does not wait, and nobody has to lend a hand.

DATAVAULT_KILLS=N, DATAVAULT_STOPS=N and DATAVAULT_BACKLOG=N ask for more.

shows: ING-3 ING-4 ING-6 STO-2 BCP-2 BCP-8 DEV-2 R1 R7 R10 R20
"""
import os
import pathlib
import signal
import sys
import threading
import time

import pytest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "tools"))
import oracle
from delivery_world import NODES, make_redis, make_server, make_world, quantile, rejected
from pg_world import needs_server, stored
from world import end, get, wait_for

pytestmark = needs_server
__all__ = ["make_redis", "make_server", "make_world"]  # fixtures, by their names

KILLS = int(os.environ.get("DATAVAULT_KILLS", "50"))
STOPS = int(os.environ.get("DATAVAULT_STOPS", "20"))
BACKLOG = int(os.environ.get("DATAVAULT_BACKLOG", "20000"))
ROUND, CHECK_EVERY = 2000, 50


# ---- kill -9 ----

def restart_a_server(world, draw):
    """Redis by kill -9, PostgreSQL by an immediate shutdown."""
    if draw.random() < 0.5:
        world.redis.stop(kill=True)
        time.sleep(draw.uniform(0, 0.2))
        world.redis.start()
        world.ledger.recall(world.redis.client())
    else:
        world.pg.stop(signal.SIGQUIT)
        time.sleep(draw.uniform(0, 0.2))
        world.pg.start()


def old_backends(pg):
    return pg.sql("SELECT count(*) FROM pg_stat_activity WHERE application_name = 'datavault'") != [["0"]]


def killed_while_fed(world, process, draw):
    """A round's entries come while the process lives from 0 to 500 ms more."""
    timer = threading.Timer(draw.uniform(0, 0.5), process.kill)
    timer.start()
    world.ledger.issue(world.redis.client(), ROUND)
    if draw.random() < 0.2:
        restart_a_server(world, draw)
    timer.join()
    process.wait()


def recovery(world, draw):
    """Starts it again: (process, seconds to the first new commit). Some starts are killed themselves."""
    if draw.random() < 0.3:
        process = world.go()
        time.sleep(draw.uniform(0, 0.2))
        process.kill()
        process.wait()
    world.ledger.issue(world.redis.client(), 100)
    assert wait_for(lambda: not old_backends(world.pg), 30)
    before, start = stored(world.pg), time.monotonic()
    process = world.go()
    assert wait_for(lambda: stored(world.pg) > before, 30, 0.005), process.log.read_text()
    return process, time.monotonic() - start


def verify(world, process, draw):
    """Drained and stopped, everything is there once; then from an empty table and stream again."""
    world.settle()
    assert end(process)[0] == 0, process.log.read_text()
    ids = world.check()
    for identity in draw.sample([one for one in ids if oracle.entry_of(one) in world.ledger.issued], 5):
        world.check_content(identity)
    world.redis.client()("DEL", "s")
    world.pg.sql("TRUNCATE datavault.encrypted_blobs")
    world.ledger.issued.clear()
    world.ledger.forgotten.clear()
    return len(ids)


def test_killed_at_any_time_nothing_is_lost_or_doubled(world, draw, tell):
    process, seconds, records, forgotten = world.go(), [], 0, 0
    for number in range(1, KILLS + 1):
        killed_while_fed(world, process, draw)
        process, took = recovery(world, draw)
        seconds.append(took)
        if number % CHECK_EVERY == 0 or number == KILLS:
            forgotten += len(world.ledger.forgotten)
            records += verify(world, process, draw)
            process = world.go()
    tell(f"delivery: {KILLS} kills, {records} records: 0 lost, 0 doubled ({forgotten} that Redis itself forgot); first commit "
         f"after a restart p50 {quantile(seconds, 0.5):.2f} s, p99 {quantile(seconds, 0.99):.2f} s, most {max(seconds):.2f} s")
    assert quantile(seconds, 0.99) <= 2


def test_the_first_commit_does_not_wait_for_the_backlog(world, tell):
    for _ in range(0, BACKLOG, 20000):
        world.ledger.issue(world.redis.client(), min(BACKLOG, 20000))
    start = time.monotonic()
    process = world.go()
    assert wait_for(lambda: stored(world.pg) > 0, 30, 0.005), process.log.read_text()
    took = time.monotonic() - start
    world.settle(300)
    tell(f"delivery: first commit {took:.2f} s after a start with {BACKLOG} entries waiting, all after {time.monotonic() - start:.1f} s")
    assert took <= 2
    assert end(process)[0] == 0
    world.check()


# ---- a graceful stop ----

def test_a_stop_drains_and_nothing_is_delivered_again(world, draw, tell):
    seconds, again = [], 0
    for _ in range(STOPS):
        process = world.go()
        world.ready(process)
        timer = threading.Timer(draw.uniform(0, 0.3), process.terminate)
        timer.start()
        world.ledger.issue(world.redis.client(), ROUND)
        timer.join()
        start = time.monotonic()
        assert process.wait(60) == 0, process.log.read_text()
        seconds.append(time.monotonic() - start)
        again += world.pending() > 0
    process = world.go()
    world.settle()
    assert end(process)[0] == 0
    world.check()
    tell(f"delivery: {STOPS} stops: drained in {max(seconds):.2f} s at most, {again} left something to be delivered again")
    assert max(seconds) <= 10 and again <= 0.01 * STOPS


# ---- poison ----

BAD_JSON = '{"patient_id": "P1", "age": '
# How a server refuses: for good at once, or with an error that might pass. The second is tried five times before it is halved.
REFUSING = {
    "constraint": "ALTER TABLE datavault.encrypted_blobs ADD CONSTRAINT picky CHECK (length(ciphertext) < 2000)",
    "trigger": "CREATE SEQUENCE datavault.tries; CREATE FUNCTION datavault.refuse() RETURNS trigger LANGUAGE plpgsql AS"
               " $$BEGIN PERFORM nextval('datavault.tries'); RAISE EXCEPTION 'refused' USING ERRCODE = 'P0001'; END$$;"
               " CREATE TRIGGER picky BEFORE INSERT ON datavault.encrypted_blobs FOR EACH ROW"
               " WHEN (length(NEW.ciphertext) >= 2000) EXECUTE FUNCTION datavault.refuse()",
}
STORED_AFTER = ("SELECT extract(epoch FROM stored_at) * 1000 - ('x' || substr(encode(uuid_send(id), 'hex'), 1, 12))::bit(48)::bigint"
                " FROM datavault.encrypted_blobs")


def poison(number):
    return oracle.to_json({**oracle.invent(number), "diagnosis": "poison " * 400})


def feed_with_poison(world, rounds):
    """500 records each quarter of a second; of every 1,000 one is no JSON and one is what the server refuses."""
    client, bad = world.redis.client(), set()
    for number in range(rounds):
        start = time.monotonic()
        world.ledger.issue(client, 250)
        bad.update(world.ledger.add(client, [BAD_JSON if number % 2 else poison(10**6 + number)]))
        world.ledger.issue(client, 250)
        time.sleep(max(0, 0.25 - (time.monotonic() - start)))
    return bad


@pytest.mark.parametrize("kind", REFUSING)
def test_poison_is_sealed_and_the_rest_does_not_wait(kind, world, tell):
    world.pg.sql(REFUSING[kind])
    world.pg.sql("ALTER TABLE datavault.encrypted_blobs ADD COLUMN stored_at timestamptz DEFAULT clock_timestamp()")
    process = world.go()
    world.ready(process)
    bad = feed_with_poison(world, 40)
    world.settle()
    late = [float(row[0]) for row in world.pg.sql(STORED_AFTER)]
    assert len(rejected(process)) == len(bad) == 40
    assert end(process)[0] == 0
    world.check()
    letters = world.letters()
    assert sorted(letter["offset"] for letter in letters) == sorted(entry[0] for entry in bad)
    assert sum("record" in letter for letter in letters) == 20  # the others are kept as they came
    tell(f"delivery: {len(late)} records with 1 poison of a {kind} and 1 bad JSON in 1,000: the rest is stored after p50 "
         f"{quantile(late, 0.5):.0f} ms, p99 {quantile(late, 0.99):.0f} ms, most {max(late):.0f} ms")
    assert quantile(late, 0.99) < 2000


def test_what_might_pass_is_tried_five_times(world):
    world.pg.sql(REFUSING["trigger"])
    world.ledger.add(world.redis.client(), [poison(1)])
    process = world.go()
    assert wait_for(lambda: rejected(process), 20)
    assert wait_for(lambda: world.pending() == 0, 30)
    assert world.pg.sql("SELECT last_value FROM datavault.tries") == [["5"]]
    assert end(process)[0] == 0
    (letter,) = world.letters()
    assert letter["node"] == "store"


def test_killed_among_poison_it_still_converges(world, draw):
    world.pg.sql(REFUSING["trigger"])
    bad = set()
    for _ in range(8):
        process = world.go()
        timer = threading.Timer(draw.uniform(0, 0.6), process.kill)
        timer.start()
        bad |= feed_with_poison(world, 2)
        timer.join()
        process.wait()
    process = world.go()
    world.settle()
    world.ledger.issue(world.redis.client(), 1)  # what the server refused last is told until something passes
    world.settle()
    assert wait_for(lambda: get(world.port, "/readyz")[0] == 200, 30), get(world.port, "/readyz")
    assert end(process)[0] == 0
    world.check()
    assert {letter["offset"] for letter in world.letters()} == {entry[0] for entry in bad}
