#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""test_snowflake_setup.py - docs/snowflake.md's way to an account of one's own, as it stands there: its statements, then its commands, with no
right that it does not name.

shows: SNO-1 SNO-3 SNO-6
"""
import json
import pathlib
import re
import sys

import pytest

HERE = pathlib.Path(__file__).resolve().parents[1]
sys.path[:0] = [str(HERE / "tools"), str(HERE / "emulators")]
from cryptography.hazmat.primitives import serialization
from snowflake import Snowflake
from world import World

PAGE = (HERE.parent / "docs" / "snowflake.md").read_text()
SCHEMA = """# SPDX-License-Identifier: Apache-2.0
# count.yaml - numbers that anybody may know.
name: count
fields:
  n:    { type: int, class: public, required: true }
  ward: { type: text, class: public }
"""


def public_half(path):
    """As the page's `openssl pkey -pubout | grep -v` prints it."""
    private = serialization.load_pem_private_key(path.read_bytes(), None)
    pem = private.public_key().public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)
    return "".join(pem.decode().split("\n")[1:-2])


@pytest.fixture(name="snow")
def an_account(tmp_path):
    """Of which only the page's statements have been run."""
    (tmp_path / "snow").mkdir()
    with Snowflake(tmp_path / "snow") as snow:
        statements = re.search(r"```sql\n(CREATE DATABASE.*?)```", PAGE, re.S)[1]
        snow.query("DROP DATABASE DV")
        snow.query(statements.replace("…", public_half(snow.key)))
        yield snow


@pytest.fixture(name="world")
def a_world(tmp_path, snow):
    with World(tmp_path / "w") as world:
        (world.at / "schemas" / "count.yaml").write_text(SCHEMA)
        write_graph(world, snow, "stream", "journal: out.journal")
        write_graph(world, snow, "statements", "mode: sql")
        yield world


def write_graph(world, snow, name, more):
    (world.at / f"{name}.jsonl").write_text("".join(json.dumps({"n": number, "ward": "w"}) + "\n" for number in range(50)))
    world.graph(name=f"{name}.yaml", nodes=f"  in: {{ op: source, from: file, path: {name}.jsonl, schema: count }}\n  few: {{ op: project, after: in, keep: [n, ward] }}\n"
                f"  out: {{ op: sink-snowflake, after: few, account: {snow.account}, url: '{snow.url}', ca: '{snow.ca}', user: DV_LOADER, "
                f"key: 'file:{snow.key}', database: DV, table: SUMMARIES, warehouse: DV_WH, {more} }}\n")


def run(world, *words, code=0):
    done = world.run(*words)
    assert done.returncode == code, done.stderr.decode()[-3000:]
    return done.stdout.decode() + done.stderr.decode()


def test_what_the_page_grants_is_enough(world, snow):
    assert "no such table" in run(world, "check", "--connect", "stream.yaml", code=3)
    assert "made" in run(world, "migrate", "stream.yaml", "--role", "DV_OWNER", "--grant", "DV_WRITER")
    assert "as it was" in run(world, "migrate", "stream.yaml", "--role", "DV_OWNER", "--grant", "DV_WRITER")
    run(world, "check", "--connect", "stream.yaml")
    run(world, "run", "--once", "stream.yaml")
    assert sorted(row["N"] for row in snow.rows("SUMMARIES")) == list(range(50))
    run(world, "run", "--once", "statements.yaml")
    assert json.loads(run(world, "query", "--snowflake", "--graph", "stream.yaml", "--json", "SELECT COUNT(*) AS N FROM SUMMARIES"))["N"] == 100


def test_what_is_printed_for_an_administrator_makes_the_same(world, snow):
    snow.query(run(world, "migrate", "stream.yaml", "--print", "--grant", "DV_WRITER"))
    run(world, "check", "--connect", "stream.yaml")
    run(world, "run", "--once", "stream.yaml")
    assert len(snow.rows("SUMMARIES")) == 50


def test_the_loader_makes_nothing_and_drops_nothing(world, snow):
    assert "has no right" in run(world, "migrate", "stream.yaml", code=3)
    run(world, "migrate", "stream.yaml", "--role", "DV_OWNER", "--grant", "DV_WRITER")
    run(world, "query", "--snowflake", "--graph", "stream.yaml", "--role", "DV_WRITER", "DROP TABLE SUMMARIES", code=2)
    assert snow.rows("SUMMARIES") == []
