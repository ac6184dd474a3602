#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""test_dlq_pg.py - rows that PostgreSQL refuses are fed again at the sink, and are stored once its constraint is gone.

shows: ING-7 STO-1
"""
import json
import pathlib
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "tools"))
from pg_world import check_contents, check_each_once, make_server, make_world, needs_server, once  # noqa: F401

pytestmark = needs_server
TABLE = "datavault.encrypted_blobs"


def dlq(world, verb, *arguments, code=0):
    done = world.run("dlq", verb, "graph.yaml", *arguments, env=world.env)
    assert done.returncode == code, (done.returncode, done.stdout[-500:], done.stderr[-2000:])
    return done


def letters(world):
    return [json.loads(line) for line in dlq(world, "list", "--json").stdout.splitlines()]


def test_rows_that_were_refused_are_stored_when_the_constraint_is_gone(world, pg, draw):
    world.ledger.issue(300)
    refused = sorted(draw.sample(sorted(world.ledger.issued), 7))
    pg.sql(f"CREATE FUNCTION wrong(id uuid) RETURNS boolean LANGUAGE sql IMMUTABLE AS "
           f"$$ SELECT ('x' || substr(replace(id::text, '-', ''), 1, 12))::bit(48)::bigint IN ({','.join(map(str, refused))}) $$")
    pg.sql(f"ALTER TABLE {TABLE} ADD CONSTRAINT no_thanks CHECK (NOT wrong(id))")
    try:
        once(world, 1)
        found = letters(world)
        assert sorted({int(letter["id"].replace("-", "")[:12], 16) for letter in found}) == refused
        assert {letter["node"] for letter in found} == {"store"} and len(found) == 7
        done = json.loads(dlq(world, "replay", "--all", "--json", code=1).stdout)
        assert (done["fed"], done["rejected"], done["unfit"]) == (7, 7, 0)
        again = letters(world)
        assert [letter["state"] for letter in again] == ["open"] * 7, "the old ones were marked, and are gone"
        assert {letter["id"] for letter in again} == {letter["id"] for letter in found}
        pg.sql(f"ALTER TABLE {TABLE} DROP CONSTRAINT no_thanks")
        dlq(world, "replay", again[0]["id"])
        dlq(world, "replay", "--all", "--node", "store")
        assert letters(world) == []
        check_each_once(world, pg)
        check_contents(world, pg, draw, 10)
    finally:
        pg.sql(f"ALTER TABLE {TABLE} DROP CONSTRAINT IF EXISTS no_thanks")
        pg.sql("DROP FUNCTION wrong(uuid)")
