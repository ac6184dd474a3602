#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""test_migrate_snowflake.py - `datavault migrate` in Snowflake: what a graph needs is made, again changes nothing, a table that is there gets
what it lacks, and what does not fit is refused; printed, the statements are the same, and they run.

shows: SNO-1
"""
import json
import pathlib
import re
import sys

import pytest

HERE = pathlib.Path(__file__).resolve().parents[1]
sys.path[:0] = [str(HERE / "tools"), str(HERE / "emulators")]
from snowflake import Snowflake
from snowflake_caller import knobs, restore
from world import World

SCHEMA = """# SPDX-License-Identifier: Apache-2.0
# count.yaml - a column of each type, with names that SQL or a shell might mind.
name: count
fields:
  n:      { type: int, class: public, required: true }
  ward:   { type: text, class: public }
  share:  { type: float, class: public }
  open:   { type: bool, class: public }
  more:   { type: json, class: public }
  raw:    { type: bytes, class: public }
  select: { type: text, class: public }
  post-code: { type: text, class: public }
"""
COLUMNS = ["n", "ward", "share", "open", "more", "raw", "select", "post-code"]
TYPES = {"DV_ID": "VARCHAR(16777216)", "DV_UNIT": "VARCHAR(16777216)", "N": "NUMBER(38,0)", "WARD": "VARCHAR(16777216)", "SHARE": "FLOAT", "OPEN": "BOOLEAN",
         "MORE": "VARIANT", "RAW": "VARCHAR(16777216)", "SELECT": "VARCHAR(16777216)", "POST-CODE": "VARCHAR(16777216)"}
PRINTED = """CREATE SCHEMA IF NOT EXISTS "DV"."PUBLIC";
CREATE TRANSIENT TABLE IF NOT EXISTS "DV"."PUBLIC"."EMBEDDINGS" (
  "DV_ID" VARCHAR NOT NULL,
  "TENANT" VARCHAR NOT NULL,
  "SCHEMA_NAME" VARCHAR NOT NULL,
  "CREATED_MS" NUMBER(38,0) NOT NULL,
  "BODY" VARCHAR NOT NULL,
  "HASH" VARCHAR,
  "SUBJECT_REF" VARCHAR,
  "SUBJECTS" NUMBER(38,0),
  "MODEL" VARCHAR,
  "EMBEDDING" ARRAY
) DATA_RETENTION_TIME_IN_DAYS = 0 COMMENT = '[datavault 1]';
GRANT SELECT, INSERT, UPDATE, DELETE ON TABLE "DV"."PUBLIC"."EMBEDDINGS" TO ROLE "DV_WRITER";
CREATE VIEW IF NOT EXISTS "DV"."PUBLIC"."EMBEDDINGS_VECTORS" COMMENT = '[datavault 1]' AS SELECT
  "DV_ID",
  "TENANT",
  "SCHEMA_NAME",
  "CREATED_MS",
  "BODY",
  "HASH",
  "SUBJECT_REF",
  "SUBJECTS",
  "MODEL",
  "EMBEDDING"::VECTOR(FLOAT,384) AS "EMBEDDING"
FROM "DV"."PUBLIC"."EMBEDDINGS";
GRANT SELECT ON VIEW "DV"."PUBLIC"."EMBEDDINGS_VECTORS" TO ROLE "DV_WRITER";
CREATE TABLE IF NOT EXISTS "DV"."PUBLIC"."AUDIT_HEADS" (
  "TENANT" VARCHAR,
  "SEQUENCE" NUMBER(38,0),
  "HEAD" VARCHAR,
  "AT_MS" NUMBER(38,0)
) COMMENT = '[datavault 1]';
GRANT INSERT, SELECT ON TABLE "DV"."PUBLIC"."AUDIT_HEADS" TO ROLE "DV_WRITER";
CREATE TABLE IF NOT EXISTS "DV"."PUBLIC"."ERASURES" (
  "TENANT" VARCHAR,
  "SUBJECT_REF" VARCHAR,
  "REQUESTED_MS" NUMBER(38,0),
  "DONE_MS" NUMBER(38,0),
  "TEXTS" NUMBER(38,0)
) COMMENT = '[datavault 1]';
GRANT INSERT, SELECT, UPDATE ON TABLE "DV"."PUBLIC"."ERASURES" TO ROLE "DV_WRITER";
GRANT USAGE ON DATABASE "DV" TO ROLE "DV_WRITER";
GRANT USAGE ON WAREHOUSE "WH" TO ROLE "DV_WRITER";
GRANT USAGE ON SCHEMA "DV"."PUBLIC" TO ROLE "DV_WRITER";
"""


@pytest.fixture(scope="module", name="service")
def a_service(tmp_path_factory):
    with Snowflake(tmp_path_factory.mktemp("snow")) as snow:
        yield snow


@pytest.fixture(name="snow")
def an_empty_database(service):
    kept = knobs(service)
    service.query("CREATE OR REPLACE SCHEMA DV.PUBLIC")
    service.query("DROP SCHEMA IF EXISTS DV.MADE")
    yield service
    service.scripts.clear()
    restore(service, kept)


@pytest.fixture(name="world")
def a_world(tmp_path, snow):
    with World(tmp_path / "w", keyring=False) as world:
        (world.at / "schemas" / "count.yaml").write_text(SCHEMA)
        write_graph(world, snow)
        yield world


def write_graph(world, snow, **more):
    given = {"account": snow.account, "url": snow.url, "ca": snow.ca, "user": snow.user, "key": f"file:{snow.key}", "database": "DV", "schema": "PUBLIC",
             "warehouse": "WH", "table": "SUMMARIES", "journal": "out.journal", "channel": f"c.{world.at.parent.name}".translate(str.maketrans("[]", "..")), **more}
    said = ", ".join(f"{name}: '{value}'" for name, value in given.items())
    world.graph(settings="", nodes="  in: { op: source, from: file, path: in.jsonl, schema: count }\n"
                f"  few: {{ op: project, after: in, keep: [{', '.join(COLUMNS)}] }}\n  out: {{ op: sink-snowflake, after: few, {said} }}\n")


def account(snow, **more):
    given = {"account": snow.account, "url": snow.url, "ca": snow.ca, "user": snow.user, "key": f"file:{snow.key}", "database": "DV", **more}
    return ["--target", "snowflake", *(word for name, value in given.items() for word in (f"--{name}", str(value)))]


def migrate(world, *words, code=0):
    done = world.run("migrate", *words)
    assert done.returncode == code, done.stderr.decode()
    return done.stdout.decode() if code == 0 else done.stderr.decode()


def described(snow, table, schema="PUBLIC"):
    return {row[0]: row[1] for row in snow.query(f'DESCRIBE TABLE "DV"."{schema}"."{table}"').rows}


def comment(snow, table):
    return next(row[5] for row in snow.query(f"SHOW TABLES LIKE '{table}' IN SCHEMA DV.PUBLIC").rows if row[1] == table)


def statements(snow, before):
    return [json.loads(request.raw)["statement"] for request in snow.requests[before:] if request.path == "/api/v2/statements"]


# ---- a graph's ----

def test_a_graph_s_tables_are_made_once(world, snow):
    assert migrate(world, "graph.yaml") == ("DV.PUBLIC.SUMMARIES: version 1, made\nDV.PUBLIC.AUDIT_HEADS: version 1, made\n"
                                            "DV.PUBLIC.ERASURES: version 1, made\n")
    assert described(snow, "SUMMARIES") == TYPES and comment(snow, "SUMMARIES") == "[datavault 1]"
    before = len(snow.requests)
    assert migrate(world, "graph.yaml") == ("DV.PUBLIC.SUMMARIES: version 1, as it was\nDV.PUBLIC.AUDIT_HEADS: version 1, as it was\n"
                                            "DV.PUBLIC.ERASURES: version 1, as it was\n")
    assert all(text.startswith(("DESCRIBE ", "SHOW ")) for text in statements(snow, before))
    lines = [json.loads(line) for line in migrate(world, "graph.yaml", "--json").splitlines()]
    assert lines[0] == {"database": "DV", "schema": "PUBLIC", "table": "SUMMARIES", "from": 1, "version": 1, "columns_added": 0}


def test_what_was_made_takes_the_records(world, snow):
    migrate(world, "graph.yaml")
    assert world.run("check", "--connect", "graph.yaml").returncode == 0
    world.write("in.jsonl", {"n": 7, "ward": "a", "share": 0.5, "open": True, "more": {"x": [1]}, "raw": "aGk=", "select": "s", "post-code": "p"})
    done = world.run("run", "--once", "graph.yaml")
    assert done.returncode == 0, done.stderr
    row = snow.rows('"SUMMARIES"')[0]
    assert {name: row[name] for name in ("N", "WARD", "SHARE", "OPEN", "MORE", "RAW", "SELECT", "POST-CODE")} == {
        "N": 7, "WARD": "a", "SHARE": 0.5, "OPEN": True, "MORE": {"x": [1]}, "RAW": "aGk=", "SELECT": "s", "POST-CODE": "p"}


def test_a_schema_that_is_not_there_is_made(world, snow):
    write_graph(world, snow, schema="MADE")
    before = len(snow.requests)
    assert "DV.MADE.SUMMARIES: version 1, made" in migrate(world, "graph.yaml", "--grant", "DV_ROLE") and described(snow, "SUMMARIES", "MADE") == TYPES
    assert 'GRANT USAGE ON SCHEMA "DV"."MADE" TO ROLE "DV_ROLE"' in statements(snow, before)


def test_who_may_make_tables_only_needs_no_more(world, snow):
    """Neither the schema nor the database is his to grant."""
    for text in ("CREATE ROLE IF NOT EXISTS MAKER", "GRANT USAGE ON DATABASE DV TO ROLE MAKER", "GRANT USAGE, CREATE TABLE, CREATE VIEW ON SCHEMA DV.PUBLIC TO ROLE MAKER"):
        snow.query(text)
    snow.users[snow.user].roles.add("MAKER")
    assert migrate(world, "graph.yaml", "--role", "MAKER", "--grant", "PUBLIC").count("made") == 3
    assert migrate(world, *account(snow, role="MAKER")).count("made") == 2
    assert migrate(world, "graph.yaml", "--role", "MAKER").count("as it was") == 3


def test_a_table_that_is_there_gets_what_it_lacks(world, snow):
    snow.query("CREATE TABLE SUMMARIES (DV_ID VARCHAR NOT NULL, N NUMBER(38,0), OWN DATE) COMMENT = 'the ward''s'")
    snow.query("INSERT INTO SUMMARIES (DV_ID, N) VALUES ('a', 1)")
    assert "DV.PUBLIC.SUMMARIES: version 1, 8 columns added" in migrate(world, "graph.yaml")
    assert described(snow, "SUMMARIES") == {**TYPES, "OWN": "DATE"} and comment(snow, "SUMMARIES") == "the ward's [datavault 1]"
    assert [row["N"] for row in snow.rows("SUMMARIES")] == [1]
    assert "SUMMARIES: version 1, as it was" in migrate(world, "graph.yaml")


@pytest.mark.parametrize("made, reason", [
    ("(DV_ID VARCHAR NOT NULL, N BOOLEAN)", "column N of DV.PUBLIC.SUMMARIES is of type BOOLEAN, and NUMBER(38,0) is wanted"),
    ("(DV_ID VARCHAR) COMMENT = 'x [datavault 99]'", "made by a later version (99, this program knows 1)")])
def test_what_does_not_fit_is_left_as_it_is(world, snow, made, reason):
    snow.query(f"CREATE TABLE SUMMARIES {made}")
    before = described(snow, "SUMMARIES")
    assert reason in migrate(world, "graph.yaml", code=3)
    assert described(snow, "SUMMARIES") == before


def test_another_role_makes_what_the_graph_s_fills(world, snow):
    """It owns the tables; the other one gets what it needs, and no more."""
    snow.query("CREATE ROLE IF NOT EXISTS FILLER")
    snow.users[snow.user].roles.add("FILLER")
    write_graph(world, snow, role="FILLER")
    assert "there is no such" in migrate(world, "graph.yaml", code=3)
    migrate(world, "graph.yaml", "--role", "DV_ROLE", "--grant", "FILLER")
    snow.query("GRANT USAGE ON DATABASE DV TO ROLE FILLER")
    snow.query("GRANT USAGE ON SCHEMA DV.PUBLIC TO ROLE FILLER")
    snow.query("GRANT USAGE ON WAREHOUSE WH TO ROLE FILLER")
    world.write("in.jsonl", {"n": 1})
    done = world.run("run", "--once", "graph.yaml")
    assert done.returncode == 0, done.stderr
    assert snow.rows("SUMMARIES")[0]["N"] == 1
    assert "the role has no right to do this" in migrate(world, *account(snow, role="FILLER"), code=3)


# ---- without a graph, and printed ----

def test_without_a_graph(world, snow):
    said = migrate(world, *account(snow))
    assert [line.split(":")[0] for line in said.splitlines()] == [f"DV.PUBLIC.{name}" for name in ("EMBEDDINGS", "EMBEDDINGS_VECTORS", "AUDIT_HEADS", "ERASURES")]
    assert described(snow, "EMBEDDINGS")["EMBEDDING"] == "ARRAY" and described(snow, "EMBEDDINGS_VECTORS")["EMBEDDING"] == "VECTOR(FLOAT, 384)"
    assert migrate(world, *account(snow)).count("as it was") == 4
    assert "EMBEDDINGS_VECTORS is of type VECTOR(FLOAT, 384), and VECTOR(FLOAT,768) is wanted" in migrate(world, *account(snow, dimensions=768), code=3)


def test_printed_it_is_this(world, snow):
    before = len(snow.requests)
    said = migrate(world, "--target", "snowflake", "--database", "DV", "--warehouse", "WH", "--print", "--grant", "DV_WRITER")
    without_adding = "".join(line + "\n" for line in said.splitlines() if not line.startswith("ALTER TABLE"))
    assert without_adding == PRINTED and len(snow.requests) == before
    assert 'ALTER TABLE "DV"."PUBLIC"."EMBEDDINGS" ADD COLUMN IF NOT EXISTS "EMBEDDING" ARRAY;' in said
    assert not re.search("ALTER.*_VECTORS", said)


def test_what_is_printed_runs_twice_and_is_what_is_made(world, snow):
    said = migrate(world, "graph.yaml", "--print", "--grant", "DV_ROLE")
    for _ in range(2):
        for text in said.split(";\n")[:-1]:
            snow.query(text)
    assert described(snow, "SUMMARIES") == TYPES
    assert migrate(world, "graph.yaml").count("as it was") == 3


# ---- mistakes ----

@pytest.mark.parametrize("more, reason", [
    ({"database": "NO_DB"}, "there is no such database: NO_DB"), ({"user": "NOBODY"}, "does not accept the token"),
    ({"role": "NO_ROLE"}, "role NO_ROLE does not exist")])
def test_a_wrong_name_is_told(world, snow, more, reason):
    assert reason in migrate(world, *account(snow, **more), code=3)


@pytest.mark.parametrize("words", [
    ["--target", "oracle", "graph.yaml"], ["--target", "snowflake"], ["--target", "snowflake", "--database", "DV", "--account", "a-b"],
    ["--target", "snowflake", "--database", "DV", "--account", "a-b", "--user", "U", "--key", "plain text"], ["--print"],
    ["--target", "snowflake", "--database", 'D"V', "--print"], ["--target", "snowflake", "--database", "DV", "--print", "--dimensions", "0"],
    ["--pg", "env:X", "--print"], ["--pg", "env:X", "graph.yaml"]])
def test_a_wrong_command_line(world, words):
    assert "datavault migrate --help" in migrate(world, *words, code=2)


def test_the_pipe_that_a_sink_names_is_printed(world, snow):
    """For who owns the table: it fills each column, by the records' own names, and leaves defaults; the role may use it."""
    write_graph(world, snow, pipe="P")
    printed = migrate(world, "graph.yaml", "--print", "--grant", "DV_ROLE")
    pipe = printed[printed.index("CREATE PIPE"):printed.index("CREATE TABLE", printed.index("CREATE PIPE"))]
    assert pipe.startswith('CREATE PIPE IF NOT EXISTS "DV"."PUBLIC"."P" AS COPY INTO "DV"."PUBLIC"."SUMMARIES" ("DV_ID", "DV_UNIT", "N", "WARD", ') and \
        '$1:"n"::NUMBER(38,0)' in pipe and '$1:"more",' in pipe and pipe.endswith('GRANT OPERATE ON PIPE "DV"."PUBLIC"."P" TO ROLE "DV_ROLE";\n')
    snow.query(printed)
    snow.query("ALTER TABLE SUMMARIES ADD COLUMN PLACE VARCHAR DEFAULT 'x'")
    record = {"n": 7, "ward": "w", "share": 0.5, "open": True, "more": {"a": [1]}, "raw": "AAE=", "select": "s", "post-code": "p"}
    world.write("in.jsonl", record)
    done = world.run("run", "--once", "graph.yaml")
    assert done.returncode == 0, done.stderr
    (row,) = snow.rows("SUMMARIES")
    del row["DV_ID"], row["DV_UNIT"]
    assert row == {**{name.upper(): value for name, value in record.items()}, "PLACE": "x"}


def test_the_page_s_tables_of_vectors_are_those(world, snow):
    """docs/snowflake.md has the statements, too."""
    page = (HERE.parent / "docs" / "snowflake.md").read_text()
    statements = page[page.index("CREATE TRANSIENT TABLE DV.PUBLIC.EMBEDDINGS"):]
    statements = statements[:statements.index("GRANT")]
    snow.query("CREATE SCHEMA DV.MADE")
    snow.query(statements.replace("DV.PUBLIC", "DV.MADE"))
    migrate(world, *account(snow))
    for table in ("EMBEDDINGS", "EMBEDDINGS_VECTORS", "ERASURES"):
        made, told = ([row[:4] for row in snow.query(f"DESCRIBE TABLE DV.{schema}.{table}").rows] for schema in ("PUBLIC", "MADE"))
        assert made == told, table
