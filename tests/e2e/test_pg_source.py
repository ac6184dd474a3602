#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""test_pg_source.py - records read back from a table until each is done: none is missed that is committed late, none is
given to two processes at a time, and what a killed process had comes again with the same ids.

shows: STO-3 STO-2 ING-6 ING-7 BCP-2 BCP-8 DEV-2
"""
import os
import pathlib
import signal
import subprocess
import sys
import time

import pytest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "tools"))
from world import BRANCHED, end, free_port, get, wait_for
from pg_world import NODES, SINK, app_url, make_server, make_world, needs_server, once

pytestmark = needs_server
__all__ = ["make_server", "make_world"]  # fixtures, by their names

SOURCE = ("  blobs: {{ op: source, from: pg, reader: embed, records: healthcare, policy: ledger-keeping, url: \"${{PG_URL}}\","
          " lease: 1s, poll: 50ms{} }}\n")
COPY = SOURCE + "  copy: {{ op: sink-pg, after: blobs, url: \"${{PG_URL}}\", table: copies }}\n"
KILLS = 8


def unhurried(nodes):
    """With leases that do not run out while a slow machine works on them: then records would come again."""
    return nodes.replace("lease: 1s", "lease: 30s")


@pytest.fixture(name="reader")
def make_reader(world):
    """The world with a second graph, which copies sealed records as they are."""
    world.graph(unhurried(COPY.format(", follow: false")), name="once.yaml")
    made = world.graph(COPY.format(""), name="reader.yaml")
    done = world.run("migrate", made, env=world.env)
    assert done.returncode == 0, done.stderr
    return world


def apart(world, name):
    """Gives a graph file a name, and so a state, of its own."""
    path = world.path(name)
    path.write_text(path.read_text().replace("name: t\n", f"name: {path.stem}\n"))
    return name


def start(world, number):
    """A process of its own with a state of its own."""
    return world.start("run", apart(world, world.graph(COPY.format(""), name=f"reader-{number}.yaml")), env=world.env)


def read_once(world):
    done = world.run("run", "--once", "once.yaml", env=world.env, timeout=120)
    assert done.returncode == 0, done.stderr
    return done


def copies(pg):
    return pg.ids("datavault.copies")


def pending(pg):
    return int(pg.sql("SELECT count(*) FROM datavault.pending")[0][0])


def all_copied(pg):
    return len(copies(pg)) == len(pg.ids()) and pending(pg) == 0


def check_copied(world, pg):
    assert copies(pg) == pg.ids() and len(pg.ids()) == len(world.ledger.issued)
    assert pending(pg) == 0
    differ = ("SELECT count(*) FROM datavault.encrypted_blobs a JOIN datavault.copies b USING (id)"
              " WHERE a::text IS DISTINCT FROM b::text")
    assert pg.sql(differ) == [["0"]]


def test_each_record_is_read_once(reader, pg):
    reader.ledger.issue(2000)
    once(reader)
    assert b"2000 records in" in read_once(reader).stderr
    check_copied(reader, pg)
    assert b"0 records in" in read_once(reader).stderr
    reader.ledger.issue(300)
    once(reader)
    assert b"300 records in" in read_once(reader).stderr
    check_copied(reader, pg)


def test_what_was_there_before_the_reader_is_read_and_others_records_are_not(reader, pg):
    reader.ledger.issue(10)
    once(reader)
    pg.sql("UPDATE datavault.encrypted_blobs SET schema = 'finance' WHERE id IN (SELECT id FROM datavault.encrypted_blobs LIMIT 4)")
    for name in ("once.yaml", "reader.yaml"):
        path = reader.path(name)
        path.write_text(path.read_text().replace("reader: embed", "reader: other"))
    done = reader.run("migrate", "once.yaml", env=reader.env)
    assert done.returncode == 0, done.stderr
    assert b"6 records in" in read_once(reader).stderr
    assert pg.sql("SELECT name, count(id) FROM datavault.readers JOIN datavault.pending ON number = reader GROUP BY 1") == [["embed", "10"]]
    path = reader.path("once.yaml")
    path.write_text(path.read_text().replace("records: healthcare, policy: ledger-keeping", "records: finance"))
    done = reader.run("migrate", "once.yaml", env=reader.env)
    assert done.returncode == 3 and b"choose another name by reader:" in done.stderr


def test_decrypt_opens_what_was_read(world, pg):
    branched = BRANCHED.replace("op: sink-store, after: seal, path: vault.sqlite", SINK)
    world.graph(branched)
    opened = unhurried(SOURCE.format(", follow: false")).replace("ledger-keeping", "ledger") + (
        "  open: { op: decrypt, after: blobs, schema: healthcare, policy: ledger }\n"
        "  out: { op: sink-file, after: open, path: opened.jsonl }\n")
    world.graph(opened, name="once.yaml")
    assert world.run("migrate", "once.yaml", env=world.env).returncode == 0
    world.ledger.issue(500)
    once(world)
    read_once(world)
    assert sorted(world.path("opened.jsonl").read_bytes().splitlines()) == sorted(world.path("out.jsonl").read_bytes().splitlines())
    world.graph(opened.replace("policy: ledger, url", "url"), name="once.yaml")
    done = world.run("check", "once.yaml", env=world.env)
    assert done.returncode == 4 and b"P105" in done.stderr
    assert pending(pg) == 0


def test_what_is_committed_late_is_not_missed(reader, pg):
    """Its id is the lowest, and it becomes visible after all others were read."""
    reader.ledger.issue(100)
    once(reader)
    process = start(reader, 1)
    assert wait_for(lambda: all_copied(pg), 20)
    columns = "tenant, schema, created_at, data_hash, key_ref, subject_ref, nonce, ciphertext"
    late = subprocess.Popen(["psql", "-X", "-q", "-v", "ON_ERROR_STOP=1", "-h", str(pg.at), "-p", str(pg.port), "-U", "dv", "-d", "dv"], text=True,
                            stdin=subprocess.PIPE, stdout=subprocess.DEVNULL, env={**os.environ, "PGAPPNAME": "late"})
    late.stdin.write(f"BEGIN; INSERT INTO datavault.encrypted_blobs(id, {columns}) SELECT '{'0' * 31}1'::uuid, {columns}"
                     " FROM datavault.encrypted_blobs LIMIT 1;\n")
    late.stdin.flush()
    inserted = "SELECT 1 FROM pg_stat_activity WHERE application_name = 'late' AND state = 'idle in transaction' AND query LIKE 'INSERT%'"
    assert wait_for(lambda: pg.sql(inserted), 30)
    reader.ledger.issue(100)
    once(reader)
    assert wait_for(lambda: len(copies(pg)) == 200, 30)
    late.communicate("COMMIT;\n", timeout=30)
    assert late.returncode == 0
    assert wait_for(lambda: len(copies(pg)) == 201 and all_copied(pg), 30)
    assert end(process)[0] == 0, process.log.read_bytes()


def test_processes_of_one_name_share_and_one_that_is_killed_is_replaced(reader, pg, draw):
    running = [start(reader, number) for number in range(2)]
    for number in range(KILLS):
        reader.ledger.issue(1500)
        once(reader)
        time.sleep(draw.uniform(0.0, 0.4))
        victim = draw.randrange(2)
        running[victim].kill()
        running[victim].wait()
        running[victim] = start(reader, 2 + number)
    assert wait_for(lambda: all_copied(pg), 60)
    for process in running:
        assert end(process)[0] == 0, process.log.read_bytes()
    check_copied(reader, pg)


def test_none_is_given_to_two_while_it_is_worked_on(reader, pg):
    """The first cannot store for several leases; the second is given nothing of it, and all of it as soon as the first
    has stopped."""
    port = free_port()
    reader.ledger.issue(200)
    once(reader)
    blocked = reader.graph(COPY.format("").replace("lease: 1s", "lease: 3s").replace("table: copies", "table: elsewhere"),
                           name="blocked.yaml", settings=f"keyring: file:keys\ndrain: 1s\nlisten: 127.0.0.1:{port}")
    assert reader.run("migrate", blocked, env=reader.env).returncode == 0
    first = reader.start("run", apart(reader, blocked), env=reader.env)
    assert wait_for(lambda: get(port, "/readyz")[0] == 200 and pending(pg) == 0, 20)
    pg.sql("ALTER TABLE datavault.elsewhere RENAME TO away")
    reader.ledger.issue(700)
    once(reader)
    time.sleep(0.3)
    taken = "SELECT count(*) FROM datavault.pending WHERE leased_until > now()"
    assert wait_for(lambda: int(pg.sql(taken)[0][0]) == 700, 30)
    time.sleep(7)
    assert b"0 records in" in read_once(reader).stderr
    assert copies(pg) == []
    end(first)
    assert b"700 records in" in read_once(reader).stderr
    assert len(copies(pg)) == 700


def test_the_server_comes_and_goes(reader, pg):
    process = start(reader, 1)
    for _ in range(2):
        reader.ledger.issue(1500)
        once(reader)
        pg.stop(signal.SIGQUIT)
        time.sleep(0.5)
        pg.start()
        up = time.monotonic()
        assert wait_for(lambda: all_copied(pg), 20)
        assert time.monotonic() - up <= 10
    assert end(process)[0] == 0
    check_copied(reader, pg)


def unknown_reader(_world, pg):
    pg.sql("DELETE FROM datavault.readers")


def drop_table(_world, pg):
    pg.sql("DROP TABLE datavault.encrypted_blobs")


def no_pending(_world, pg):
    pg.sql("DROP TABLE datavault.pending")


def no_right(world, pg):
    world.env["PG_URL"] = app_url(pg, "USAGE ON SCHEMA datavault", "SELECT ON datavault.encrypted_blobs, datavault.readers",
                                  "SELECT, INSERT ON datavault.copies")


REFUSED = {"unknown reader": (unknown_reader, b"does not know the reader; run: datavault migrate"),
           "missing table": (drop_table, b"no such table; run: datavault migrate"),
           "never migrated": (no_pending, b"no such table; run: datavault migrate"),
           "no right": (no_right, b"SELECT, UPDATE and DELETE on pending")}


@pytest.mark.parametrize("kind", REFUSED)
def test_what_can_never_work_is_refused_at_the_start(kind, reader, pg):
    act, text = REFUSED[kind]
    act(reader, pg)
    done = reader.run("run", "--once", "once.yaml", env=reader.env)
    assert done.returncode == 3 and text in done.stderr and b"node 'blobs'" in done.stderr, done.stderr


def test_columns_that_are_wrong_are_told_and_waited_for(reader, pg):
    port = free_port()
    reader.graph(COPY.format(""), name="reader.yaml", settings=f"keyring: file:keys\nlisten: 127.0.0.1:{port}")
    process = reader.start("run", apart(reader, "reader.yaml"), env=reader.env)
    assert wait_for(lambda: get(port, "/readyz")[0] == 200, 20)
    pg.sql("ALTER TABLE datavault.encrypted_blobs RENAME COLUMN nonce TO once")
    assert wait_for(lambda: b"not of the form" in get(port, "/readyz")[1], 30)
    pg.sql("ALTER TABLE datavault.encrypted_blobs RENAME COLUMN once TO nonce")
    reader.ledger.issue(50)
    once(reader)
    assert wait_for(lambda: all_copied(pg), 30)
    assert end(process)[0] == 0


def test_a_role_with_just_the_rights_can_read(reader, pg):
    reader.ledger.issue(100)
    once(reader)
    reader.env["PG_URL"] = app_url(pg, "USAGE ON SCHEMA datavault", "SELECT ON datavault.encrypted_blobs, datavault.readers",
                                   "SELECT, UPDATE, DELETE ON datavault.pending", "SELECT, INSERT ON datavault.copies")
    read_once(reader)
    check_copied(reader, pg)
    # Who stores needs no right to what the trigger writes.
    app_url(pg, "SELECT, INSERT ON datavault.encrypted_blobs")
    pg.sql("REVOKE ALL ON datavault.pending, datavault.readers FROM app")
    reader.ledger.issue(10)
    once(reader)
    assert pending(pg) == 10
