#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""test_sink_snowflake_channel.py - a channel's way in: the role and the names that were said, what a refusal is called, and what is gone while
a run goes on.

DATAVAULT_LONG=1 adds what is refused for a reason that nobody knows.

shows: SNO-1 SNO-6
"""
import os
import pathlib
import sys

import pytest

HERE = pathlib.Path(__file__).resolve().parents[1]
sys.path[:0] = [str(HERE / "tools"), str(HERE / "emulators")]
from snowflake_world import TABLE, CountWorld, is_settled, make_service, make_table, numbers, run, write_graph, write_records  # noqa: F401
from world import wait_for

LONG = os.environ.get("DATAVAULT_LONG") == "1"


@pytest.fixture(name="world")
def a_world(tmp_path, snow):
    with CountWorld(tmp_path / "w") as world:
        write_graph(world, snow, "way")
        yield world


def follow(world):
    """Starts a run that goes on at the end of the file."""
    path = world.path("graph.yaml")
    path.write_text(path.read_text().replace("path: in.jsonl", "path: in.jsonl, follow: true"))
    return world.start("run", "graph.yaml")


@pytest.mark.parametrize("spelt, gone, code, reason", [
    ("_OR", TABLE, 1, "the channel has lost its offset"), ("_OR_IS", "", 1, "the channel has lost its offset"),
    ("", "DROP TABLE T", 3, "there is no such pipe, or the role may not use it")], ids=["anew", "dropped", "no table"])
def test_what_is_gone_while_a_run_goes_on_is_told(world, snow, spelt, gone, code, reason):
    """The append hears of it first; the opening tells what it is: a channel that was dropped, too."""
    write_graph(world, snow, "gone")
    snow.or_not = spelt
    write_records(world, 1, 5)
    process = follow(world)
    assert wait_for(lambda: is_settled(world), 30), process.log.read_text()
    if gone:
        snow.query(gone)
    else:
        with snow.lock:
            snow.streaming.channels.channels.pop(snow.channel("gone").key)
    write_records(world, 6, 9)
    assert process.wait(60) == code, process.log.read_text()
    said = process.log.read_text()
    assert reason in said and "snowflake.halted" in said and "is the account right" not in said


@pytest.mark.parametrize("status, code, reason", [
    (409, "ERR_PIPE_IN_INVALID_STATE", "the pipe is not in order"), (400, "TABLE_OR_COLUMN_TYPE_NOT_SUPPORTED", "rows cannot be streamed into this table"),
    (400, "ERR_CHANNEL_LIMIT_EXCEEDED_FOR_TABLE", "as many channels as it may have"), (404, "ERR_TABLE_DOES_NOT_EXIST_NOT_AUTHORIZED", "there is no such table"),
    pytest.param(400, "ERR_NEW", "are its pipe and its table in order?", marks=pytest.mark.skipif(not LONG, reason="takes a quarter of a minute"))])
def test_why_a_channel_does_not_open_is_told(world, snow, status, code, reason):
    write_graph(world, snow, "refused")
    snow.refuses = {"refused": (status, code)}
    write_records(world, 1, 10)
    assert reason in run(world, 3) and numbers(snow) == []


def test_a_host_that_does_not_know_the_channel_is_asked_no_more(world, snow):
    snow.blind = {"ingest"}
    write_records(world, 1, 100)
    before = len(snow.requests)
    run(world)
    assert numbers(snow) == list(range(1, 101))
    assert sum("/channels/" in request.path and request.method == "PUT" for request in snow.requests[before:]) == 1
    assert [request.host for request in snow.requests[before:] if "bulk" in request.path].count("ingest") == 1


@pytest.fixture(name="writer")
def a_role(snow):
    """The role that may fill the table, and one that may not; the user has both."""
    user = snow.users[snow.user]
    kept = user.role, set(user.roles)
    snow.query("CREATE ROLE IF NOT EXISTS WRITER; CREATE ROLE IF NOT EXISTS READER")
    for role, right in (("WRITER", "INSERT, SELECT"), ("READER", "SELECT")):
        snow.query(f"GRANT USAGE ON DATABASE DV TO ROLE {role}; GRANT USAGE ON SCHEMA DV.PUBLIC TO ROLE {role}; GRANT USAGE ON WAREHOUSE WH TO ROLE {role}")
        snow.query(f"GRANT {right} ON TABLE DV.PUBLIC.T TO ROLE {role}; GRANT ROLE {role} TO USER {snow.user}")
    yield user
    user.role, user.roles = kept


@pytest.mark.parametrize("role, own, code", [("WRITER", "READER", 0), ("READER", "WRITER", 3), (None, "WRITER", 0), (None, "READER", 3)])
def test_the_channel_is_opened_in_the_role_that_is_said(world, snow, writer, role, own, code):
    """And in the user's own one if none is: neither gives the other's rights."""
    writer.role = own
    write_graph(world, snow, "role", **({"role": role} if role else {}))
    write_records(world, 1, 10)
    said = run(world, code)
    assert numbers(snow) == (list(range(1, 11)) if code == 0 else [])
    assert code == 0 or "may not" in said or "INSERT" in said, said


def test_a_refused_token_for_the_host_is_named(world, snow):
    snow.script("POST /oauth/token", 400)
    write_records(world, 1, 10)
    assert "gives no token for the host that takes rows: does the user have the role?" in run(world, 3)


@pytest.mark.parametrize("table", ["quoted", "Mixed-1"])
def test_a_name_in_quotation_marks_is_no_other_one(world, snow, table):
    """And the channel's own, which is not all capitals, may be kept as capitals."""
    snow.upper_channels = True
    snow.query(f'CREATE TABLE "{table}" (DV_ID VARCHAR NOT NULL, DV_UNIT VARCHAR NOT NULL, N NUMBER, WARD VARCHAR)')
    write_graph(world, snow, "graph.Node", table=table)
    write_records(world, 1, 10)
    run(world)
    assert sorted(row["N"] for row in snow.rows(f'"{table}"')) == list(range(1, 11))
    snow.query(f'DROP TABLE "{table}"')
