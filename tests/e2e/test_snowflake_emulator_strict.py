#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""test_snowflake_emulator_strict.py - where the emulator's Snowpipe Streaming is as strict as the real one is known to be: headers, names in
quotation marks, lengths and sessions, and how it spells what is not there.

shows: DEV-2
"""
import gzip
import pathlib
import sys

import pytest

HERE = pathlib.Path(__file__).resolve().parents[1]
sys.path[:0] = [str(HERE / "tools"), str(HERE / "emulators"), str(HERE / "e2e")]
from snowflake import UNDERSCORED, Snowflake
from snowflake_caller import Caller
from test_snowflake_emulator_channels import numbers, opened, refuses, row, sent


@pytest.fixture(name="snow")
def a_service(tmp_path):
    with Snowflake(tmp_path, ingest_name=UNDERSCORED, requests_per_s=None) as snow:
        snow.query("CREATE TABLE T (ID NUMBER NOT NULL)")
        yield snow


@pytest.fixture(name="caller")
def one_who_calls(snow):
    caller = Caller(snow)
    caller.enter()
    return caller


def test_what_no_accept_header_gives(snow, caller):
    for method, path, to in (("GET", "/v2/streaming/hostname", "control"), ("POST", "/oauth/token", "control"),
                             ("PUT", f"/v2/streaming{caller.pipe('T-STREAMING')}/channels/c1", "ingest")):
        answer = caller.call(method, path, {} if to == "ingest" else None, to=to, drop=("Accept",))
        assert (answer.status, answer.code) == (400, "391902")


def test_a_quoted_name_is_another_one(snow, caller):
    snow.query('CREATE OR REPLACE TABLE "quoted" (ID NUMBER)')
    refuses(caller.open(pipe="quoted-STREAMING"), 404, "ERR_PIPE_DOES_NOT_EXIST_OR_NOT_AUTHORIZED")
    token = caller.open(pipe='"quoted-STREAMING"').json["next_continuation_token"]
    assert caller.append(token, [row(1)], pipe='"quoted-STREAMING"').status == 200
    caller.status(pipe='"quoted-STREAMING"')
    assert numbers(snow, '"quoted"') == [1]
    assert caller.sql("CREATE OR REPLACE TABLE QUOTED (ID NUMBER)").code == "000002"  # not Snowflake's: it would hold both
    snow.query('DROP TABLE "quoted"')


def test_a_length_and_a_session(snow, caller):
    """Both may be left out; a wrong length may not be told, and whoever strays from the session is counted."""
    packed, token = gzip.compress(b'{"ID":4}\n'), opened(caller)
    gzipped, before = {"Content-Encoding": "gzip"}, (snow.streaming.strays, snow.streaming.unsized)
    refuses(caller.append(token, packed, headers={**gzipped, "x-snowflake-uncompressed-content-length": "8"}), 400, "ERR_INVALID_PAYLOAD")
    answer = caller.append(token, packed, headers={**gzipped, "x-snowflake-uncompressed-content-length": "9"})
    session = answer.headers["x-snowflake-session"]
    answer = caller.append(answer.json["next_continuation_token"], packed, headers={**gzipped, "x-snowflake-session": session})
    assert session and (snow.streaming.strays, snow.streaming.unsized) == (before[0], before[1] + 1)
    sent(caller, answer.json["next_continuation_token"], [row(5)])
    assert snow.streaming.strays == before[0] + 1


def test_what_is_not_there_in_every_spelling(snow, caller):
    token = opened(caller)
    for spelt in ("_OR", "_OR_IS", ""):
        snow.or_not = spelt
        refuses(caller.append(token, [row(1)], channel="other"), 404, f"ERR_CHANNEL_DOES_NOT_EXIST{spelt}_NOT_AUTHORIZED")
        refuses(caller.open(pipe="NOPE-STREAMING"), 404, f"ERR_PIPE_DOES_NOT_EXIST{spelt}_NOT_AUTHORIZED")
    snow.refuses = {"c2": (409, "ERR_PIPE_IN_INVALID_STATE")}
    refuses(caller.open("c2"), 409, "ERR_PIPE_IN_INVALID_STATE")
    snow.blind = {"ingest"}
    assert caller.bulk("c1").json == {"channel_statuses": {}} and "c1" in caller.bulk("c1", to="control").json["channel_statuses"]
    snow.append_status = 7
    assert caller.append(token, [row(1)]).json["status_code"] == 7


def test_the_bulk_status_as_its_page_has_it(snow, caller):
    opening = caller.open().json["channel_status"]
    snow.bulk_as_page = True
    status = caller.status()
    assert set(opening) - set(status) == {"rows_error_count", "created_on_ms"} and set(status) - set(opening) == {"rows_errors"}


def test_a_table_s_own_pipe_is_shown_once_it_was_opened(snow, caller):
    def pipes():
        answer = caller.sql("SHOW PIPES IN SCHEMA DV.PUBLIC").json
        names = [column["name"] for column in answer["resultSetMetaData"]["rowType"]]
        return [(row[names.index("name")], row[names.index("invalid_reason")] or "") for row in answer["data"]]
    assert pipes() == []
    opened(caller)
    assert pipes() == [("T-STREAMING", "")]
    snow.invalid_pipes = {"T-STREAMING": "table altered"}
    assert pipes() == [("T-STREAMING", "table altered")]
    snow.query("CREATE OR REPLACE TABLE T (ID NUMBER)")
    assert pipes() == []
