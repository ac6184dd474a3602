#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""pg_world.py - the fixtures of tests with a PostgreSQL: a server of their own, and a world whose graph stores in it."""
import collections
import uuid

import pytest

import oracle
import pg_server
from world import KEEPING, World

SINK = "op: sink-pg, after: seal, url: \"${PG_URL}\""
NODES = KEEPING.replace("op: sink-store, after: seal, path: vault.sqlite", SINK + "%s")
FOLLOWED = NODES.replace("schema: healthcare }", "schema: healthcare, follow: true }")
needs_server = pytest.mark.skipif(pg_server.binaries() is None, reason="no PostgreSQL server here: tools/install test")


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


def app_url(pg, *grants):
    """The URL of a role that owns nothing and has these rights."""
    pg.sql("DO $$ BEGIN CREATE ROLE app LOGIN PASSWORD 'app'; EXCEPTION WHEN duplicate_object THEN NULL; END $$")
    for grant in grants:
        pg.sql(f"GRANT {grant} TO app")
    return pg.url("app", "app")


def stored(pg):
    done = pg.psql("SELECT count(*) FROM datavault.encrypted_blobs")
    return int(done.stdout) if done.returncode == 0 else -1
