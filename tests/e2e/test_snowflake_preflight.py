#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""test_snowflake_preflight.py - whatever is wrong about an account, its names or its table is one named error before the first row: exit
code 3, nothing sent, nothing acknowledged. `datavault check --connect` says the same without a run.

shows: SNO-1 SNO-6
"""
import json
import pathlib
import random
import re
import sys

import pytest

HERE = pathlib.Path(__file__).resolve().parents[1]
sys.path[:0] = [str(HERE / "tools"), str(HERE / "emulators")]
from snowflake import Answer
from snowflake.identity import User
from snowflake_world import SCHEMA, CountWorld, make_service, make_table, nodes, sink  # noqa: F401
from world import wait_for

SECRET = "Jürgen Sägemehl"
COLUMNS = "DV_ID VARCHAR NOT NULL, DV_UNIT VARCHAR, N NUMBER, WARD VARCHAR"
TABLE = f"CREATE OR REPLACE TABLE T ({COLUMNS})"


@pytest.fixture(name="world")
def a_world(tmp_path, snow):
    with CountWorld(tmp_path / "w", keyring=False) as world:
        world.write("in.jsonl", *({"n": number, "ward": SECRET} for number in range(1, 301)))
        write_graph(world, snow)
        yield world


def write_graph(world, snow, **more):
    world.graph(settings="", nodes=nodes(sink(snow, **{"journal": "out.journal", "channel": "c", **more})))


def keep_letters(world):
    done = world.run("keys", "init", "--keyring", "file:keys", "count")
    assert done.returncode == 0, done.stderr
    path = world.path("graph.yaml")
    path.write_text(path.read_text().replace("state: state\n", "state: state\nkeyring: file:keys\n"))


def sent(snow, before):
    return [request.path for request in snow.requests[before:] if "/channels/" in request.path]


def is_refused(world, snow, *reasons, code=3):
    """By a run, which sends nothing and keeps no row as done, and by `check --connect`, in the same words."""
    before = len(snow.requests)
    for command in (("run", "--once"), ("check", "--connect")):
        done = world.run(*command, "graph.yaml")
        said = done.stderr.decode()
        assert done.returncode == code, said[-3000:]
        for reason in reasons:
            assert reason in said, said[-3000:]
        assert SECRET not in said and "BEGIN " not in said
    assert not sent(snow, before)


def rows(snow):
    return sorted(row["N"] for row in snow.rows("T"))


# ---- who and where ----

def test_a_sound_table_is_told_and_filled(world, snow):
    done = world.run("check", "--connect", "graph.yaml")
    assert done.returncode == 0 and b"out: Snowflake: DV.PUBLIC.T takes the records" in done.stderr, done.stderr
    assert world.run("run", "--once", "graph.yaml").returncode == 0 and rows(snow) == list(range(1, 301))


@pytest.mark.parametrize("more, reason", [
    ({"account": "OTHER-ACCOUNT"}, "(account OTHER-ACCOUNT, user DATAVAULT)"),
    ({"user": "NOBODY"}, "Snowflake does not accept the token: is the key the user's, and are account and user right? (account MYORG-DV_TEST, user NOBODY)"),
    ({"role": "NO_ROLE"}, "role NO_ROLE does not exist, or user DATAVAULT does not have it"),
    ({"database": "NO_DB"}, "there is no such database: NO_DB"),
    ({"schema": "NO_SCHEMA"}, "there is no such schema: DV.NO_SCHEMA"),
    ({"table": "NO_TABLE"}, "there is no such table: DV.PUBLIC.NO_TABLE"),
    ({"table": "t"}, "there is no such table: DV.PUBLIC.t"),
    ({"warehouse": "NO_WH"}, "there is no such warehouse: NO_WH"),
    ({"pipe": "NO_PIPE"}, "there is no such pipe: DV.PUBLIC.NO_PIPE"),
])
def test_a_wrong_name_is_told(world, snow, more, reason):
    write_graph(world, snow, **more)
    is_refused(world, snow, reason)


def test_a_key_of_somebody_else_is_told(world, snow):
    snow.users["OTHER"] = User("OTHER")
    write_graph(world, snow, user="OTHER")
    is_refused(world, snow, "does not accept the token", "user OTHER")


def test_an_account_that_is_not_there_is_told(world, snow):
    snow.script(r"POST /api/v2/statements", *[404] * 4)
    is_refused(world, snow, "is the account right?")


def test_an_account_that_the_edge_does_not_know_is_told(world, snow):
    """It forbids, with a page, as it does whom a network policy keeps out."""
    snow.script(r"POST /api/v2/statements", *[Answer(403, b"<html><body>403 Forbidden</body></html>", [("Content-Type", "text/html")])] * 4)
    is_refused(world, snow, "is the account right, does a network policy keep this machine out", f"(account {snow.account}, user DATAVAULT)")


def test_the_number_of_a_refusal_is_told(world, snow):
    """By it an administrator is told what was wrong; of Snowflake's own words nothing else is told."""
    write_graph(world, snow, user="NOBODY")
    done = world.run("check", "--connect", "graph.yaml")
    assert done.returncode == 3 and re.search(rb"user NOBODY\); Snowflake's number of the refusal: [0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", done.stderr), done.stderr


def test_the_table_s_own_pipe_that_is_not_sound_is_told_before_the_channel(world, snow):
    """Once a channel was opened SHOW has it."""
    assert world.run("run", "--once", "graph.yaml").returncode == 0
    snow.invalid_pipes = {"T-STREAMING": "table altered"}
    before = len(snow.requests)
    done = world.run("check", "--connect", "graph.yaml")
    assert done.returncode == 3 and b"pipe T-STREAMING is not sound" in done.stderr, done.stderr
    assert not sent(snow, before)


@pytest.mark.parametrize("skew_s", [600, -600])
def test_a_wrong_clock_is_told(world, snow, skew_s):
    snow.clock_skew_s = skew_s
    is_refused(world, snow, "more than five minutes apart")


def test_a_pipe_that_takes_and_discards_is_told(world, snow):
    snow.query("CREATE OR REPLACE PIPE P AS COPY INTO T FROM (SELECT $1:DV_ID, $1:DV_UNIT, $1:n, $1:ward FROM TABLE(DATA_SOURCE(TYPE => 'STREAMING')))")
    write_graph(world, snow, pipe="P")
    snow.invalid_pipes = {"P": "ERR_PIPE_INVALID"}
    is_refused(world, snow, "pipe P is not sound")


def test_the_table_s_own_pipe_tells_it_when_the_channel_opens(world, snow):
    """SHOW need not have it: the channel has, and nothing is appended."""
    snow.invalid_pipes = {"T-STREAMING": "ERR_PIPE_INVALID"}
    before = len(snow.requests)
    done = world.run("run", "--once", "graph.yaml")
    assert done.returncode == 3 and b"not sound" in done.stderr
    assert not [path for path in sent(snow, before) if path.endswith("/rows")]


# ---- columns ----

@pytest.mark.parametrize("columns, reason", [
    ("DV_ID VARCHAR NOT NULL, DV_UNIT VARCHAR, N NUMBER", "table DV.PUBLIC.T has no column for 'ward'"),
    ("DV_UNIT VARCHAR, N NUMBER, WARD VARCHAR", "table DV.PUBLIC.T has no column for 'DV_ID'"),
    ("DV_ID VARCHAR, DV_UNIT VARCHAR(20), N NUMBER, WARD VARCHAR", "column DV_UNIT of table DV.PUBLIC.T is of type VARCHAR(20), but 'DV_UNIT' needs VARCHAR(37)"),
    (COLUMNS.replace("WARD VARCHAR", "WARD NUMBER"), "column WARD of table DV.PUBLIC.T is of type NUMBER(38,0), but 'ward' needs VARCHAR"),
    (COLUMNS.replace("N NUMBER", "N BOOLEAN"), "column N of table DV.PUBLIC.T is of type BOOLEAN, but 'n' needs NUMBER(38,0)"),
    (COLUMNS + ", PLACE VARCHAR NOT NULL", "column PLACE of table DV.PUBLIC.T is NOT NULL, and no record fills it"),
])
def test_a_table_that_does_not_take_the_records_is_told(world, snow, columns, reason):
    snow.query(f"CREATE OR REPLACE TABLE T ({columns})")
    is_refused(world, snow, reason)
    assert rows(snow) == [] if "N NUMBER" in columns else True


def test_a_column_s_name_steers_no_terminal(world, snow):
    snow.query(f'CREATE OR REPLACE TABLE T ({COLUMNS}, "A\x1b[2J\nb\u202ec" VARCHAR NOT NULL)')
    is_refused(world, snow, "column A?[2J?b?c of table DV.PUBLIC.T is NOT NULL")


def test_statements_name_columns_in_capitals(world, snow):
    snow.query('CREATE OR REPLACE TABLE T (DV_ID VARCHAR NOT NULL, DV_UNIT VARCHAR, N NUMBER, "ward" VARCHAR)')
    write_graph(world, snow, mode="sql", journal=None, channel=None)
    is_refused(world, snow, 'column "ward" of table DV.PUBLIC.T must be in capitals')


def test_a_table_with_more_than_is_needed_is_taken(world, snow):
    snow.query(f"CREATE OR REPLACE TABLE T ({COLUMNS.replace('WARD VARCHAR', 'WARD VARIANT')}, MORE VARCHAR)")
    done = world.run("check", "--connect", "graph.yaml")
    assert done.returncode == 0, done.stderr
    assert world.run("run", "--once", "graph.yaml").returncode == 0 and rows(snow) == list(range(1, 301))


@pytest.mark.parametrize("column", ["VARCHAR NOT NULL DEFAULT 'x'", "VARCHAR DEFAULT 'x'", "NUMBER AUTOINCREMENT", "NUMBER NOT NULL IDENTITY"])
def test_a_channel_leaves_no_default(world, snow, column):
    """It writes NULL: every row would be refused, or be there without what the column is for."""
    snow.query(f"CREATE OR REPLACE TABLE T ({COLUMNS}, PLACE {column})")
    is_refused(world, snow, "column PLACE of table DV.PUBLIC.T has a default, and no record fills it: a channel writes NULL")
    assert rows(snow) == []


def test_a_default_that_records_fill_is_no_trouble(world, snow):
    snow.query(f"CREATE OR REPLACE TABLE T ({COLUMNS.replace('WARD VARCHAR', 'WARD VARCHAR NOT NULL DEFAULT 0')})")
    assert world.run("run", "--once", "graph.yaml").returncode == 0 and rows(snow) == list(range(1, 301))


def test_a_statement_leaves_a_default(world, snow):
    snow.query(f"CREATE OR REPLACE TABLE T ({COLUMNS}, PLACE VARCHAR NOT NULL DEFAULT 'x', MORE VARCHAR DEFAULT 'y')")
    write_graph(world, snow, mode="sql", journal=None, channel=None)
    done = world.run("run", "--once", "graph.yaml")
    assert done.returncode == 0, done.stderr
    assert {(row["PLACE"], row["MORE"]) for row in snow.rows("T")} == {("x", "y")} and len(rows(snow)) == 300


def test_a_pipe_of_one_s_own_leaves_a_default(world, snow):
    snow.query(f"CREATE OR REPLACE TABLE T ({COLUMNS}, PLACE VARCHAR NOT NULL DEFAULT 'x')")
    snow.query("CREATE OR REPLACE PIPE P AS COPY INTO T (DV_ID, DV_UNIT, N, WARD) FROM (SELECT $1:DV_ID, $1:DV_UNIT, $1:n, $1:ward FROM TABLE(DATA_SOURCE(TYPE => 'STREAMING')))")
    write_graph(world, snow, pipe="P")
    assert world.run("check", "--connect", "graph.yaml").returncode == 0
    assert world.run("run", "--once", "graph.yaml").returncode == 0 and rows(snow) == list(range(1, 301))
    assert {row["PLACE"] for row in snow.rows("T")} == {"x"}


def test_a_pipe_of_one_s_own_may_have_other_columns(world, snow):
    snow.query("CREATE OR REPLACE TABLE T (DV_ID VARCHAR, DV_UNIT VARCHAR, N NUMBER)")
    snow.query("CREATE OR REPLACE PIPE P AS COPY INTO T FROM (SELECT $1:DV_ID, $1:DV_UNIT, $1:n FROM TABLE(DATA_SOURCE(TYPE => 'STREAMING')))")
    write_graph(world, snow, pipe="P")
    assert world.run("run", "--once", "graph.yaml").returncode == 0 and rows(snow) == list(range(1, 301))


def test_columns_of_one_name_are_refused_before_anything_is_asked(world, snow):
    (world.at / "schemas" / "count.yaml").write_text(SCHEMA + "  WARD: { type: text, class: public }\n")
    path = world.path("graph.yaml")
    path.write_text(path.read_text().replace("keep: [n, ward]", "keep: [n, ward, WARD]"))
    before = len(snow.requests)
    done = world.run("check", "graph.yaml")
    assert done.returncode == 3 and b"C255" in done.stderr and len(snow.requests) == before


# ---- while it runs ----

def test_a_service_that_is_down_is_waited_for(world, snow):
    snow.script(r"/api/v2/statements", 503)
    before = len(snow.requests)
    process = world.start("run", "--once", "graph.yaml")
    assert wait_for(lambda: len(snow.requests) > before + 1, 60), process.log.read_text()
    assert process.wait(60) == 0, process.log.read_text()
    assert rows(snow) == list(range(1, 301))


def test_check_does_not_wait(world, snow):
    snow.script(r"/api/v2/statements", *[503] * 50)
    write_graph(world, snow, timeout="3s")
    done = world.run("check", "--connect", "graph.yaml")
    assert done.returncode == 5 and b"Snowflake is busy or down" in done.stderr, done.stderr


def test_a_fault_ends_a_run_without_a_record_too(world, snow):
    write_graph(world, snow, table="NO_TABLE")
    path = world.path("graph.yaml")
    path.write_text(path.read_text().replace("from: file, path: in.jsonl", "from: file, path: in.jsonl, follow: true"))
    world.path("in.jsonl").write_text("")
    keep_letters(world)
    process = world.start("run", "graph.yaml")
    assert process.wait(60) == 3 and "there is no such table" in process.log.read_text()


def test_what_is_refused_after_it_was_looked_at_is_a_dead_letter(world, snow):
    """As when a NOT NULL comes later: the others are there."""
    snow.query("CREATE OR REPLACE TABLE T (DV_ID VARCHAR NOT NULL, DV_UNIT VARCHAR, N NUMBER, WARD VARCHAR, PLACE VARCHAR)")
    keep_letters(world)
    snow.poison = lambda row: row.get("n", row.get("N")) == 7  # when it is committed, which nobody sees before
    done = world.run("run", "--once", "graph.yaml")
    assert done.returncode == 1, done.stderr
    assert rows(snow) == [number for number in range(1, 301) if number != 7]
    assert [letter["record"]["n"] for letter in world.letters()] == [7]


def test_a_row_of_more_than_a_request_holds_is_a_dead_letter(world, snow):
    """4 MB is all that a request may have, packed: what packs well goes."""
    large = random.Random(7).randbytes(15 << 19).translate(bytes(ord("a") + byte % 26 for byte in range(256))).decode()
    world.write("in.jsonl", {"n": 1, "ward": "a"}, {"n": 2, "ward": large}, {"n": 3, "ward": "b" * (4 * 1024 * 1024 + 1)}, {"n": 4, "ward": "c"})
    path = world.path("graph.yaml")
    path.write_text(path.read_text().replace("state: state\n", "state: state\nbatch_bytes: 64MiB\n").replace("path: in.jsonl", "path: in.jsonl, max_record: 8MiB"))
    keep_letters(world)
    done = world.run("run", "--once", "graph.yaml")
    assert done.returncode == 1, done.stderr
    assert rows(snow) == [1, 3, 4]
    assert [letter["record"]["n"] for letter in world.letters()] == [2]
    shown = world.run("dlq", "list", "graph.yaml")
    assert b"the record is larger than Snowflake takes" in shown.stdout, shown.stdout


def test_what_is_asked_needs_no_running_warehouse(world, snow):
    before = len(snow.requests)
    assert world.run("check", "--connect", "graph.yaml").returncode == 0
    asked = [json.loads(request.raw)["statement"] for request in snow.requests[before:]]
    assert asked and all(text.startswith(("DESCRIBE ", "SHOW ")) for text in asked), asked
