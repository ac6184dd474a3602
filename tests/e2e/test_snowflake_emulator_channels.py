#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""test_snowflake_emulator_channels.py - the emulator's Snowpipe Streaming against what is known of the real one: hosts and tokens, named
channels, what is lost without a word, limits, and the protocol that loses nothing.

The shapes stand here as data, as Snowflake's pages and those who call it tell them. It is what the tests of SNO-1 to SNO-6 stand on; it
shows none of them itself.

shows: DEV-2
"""
import copy
import gzip
import http.client
import json
import pathlib
import re
import subprocess
import sys

import pytest

HERE = pathlib.Path(__file__).resolve().parents[1]
sys.path[:0] = [str(HERE / "tools"), str(HERE / "emulators")]
from snowflake import UNDERSCORED, Snowflake
from snowflake_caller import Caller, OneOf, Optional, fits, knobs, misfit, restore

TEXT = OneOf(str, None)
COUNTS = {"rows_inserted": int, "rows_parsed": int}
TOKEN = re.compile(r"\d+_\d+")
STATUS = {"database_name": "DV", "schema_name": "PUBLIC", "pipe_name": str, "channel_name": str, "channel_status_code": str, "last_committed_offset_token": TEXT,
          "created_on_ms": int, **COUNTS, "rows_error_count": int, "last_error_offset_upper_bound": TEXT, "last_error_message": TEXT,
          "last_error_timestamp": OneOf(int, None), "snowflake_avg_processing_latency_ms": int}
OPENED = {"next_continuation_token": TOKEN, "channel_status": STATUS}
APPENDED = {"next_continuation_token": TOKEN, "status_code": Optional(0), "message": Optional(str)}
REFUSED = {"code": str, "message": str}
LINES = {"Content-Type": "application/x-ndjson"}
GONE = (http.client.HTTPException, OSError)


@pytest.fixture(scope="module")
def world(tmp_path_factory):
    with Snowflake(tmp_path_factory.mktemp("snow"), ingest_name=UNDERSCORED, requests_per_s=None) as snow:
        yield snow


@pytest.fixture
def snow(world):
    kept = knobs(world)
    world.query("CREATE OR REPLACE TABLE T (ID NUMBER NOT NULL, P VARCHAR(10), V VARIANT, A ARRAY, W VECTOR(FLOAT, 2), TS TIMESTAMP_NTZ)")
    yield world
    restore(world, kept)


@pytest.fixture(scope="module")
def first(world):
    caller = Caller(world)
    caller.enter()
    return caller


@pytest.fixture
def caller(snow, first):
    again = copy.copy(first)
    if first.scoped not in snow.identity.scoped:
        again.enter()
    return again


def row(number, **more):
    return {"ID": number, **more}


def numbers(snow, table="T"):
    return [one["ID"] for one in snow.rows(table, "ID")]


def opened(caller, channel="c1", **body):
    answer = caller.open(channel, **body)
    assert answer.status == 200, answer.raw
    return answer.json["next_continuation_token"]


def sent(caller, token, rows, end=None, **more):
    answer = caller.append(token, rows, end, **more)
    assert answer.status == 200, answer.raw
    fits(APPENDED, answer.json)
    return answer.json["next_continuation_token"]


def refuses(answer, status, code):
    assert answer.status == status, answer.raw
    fits({"code": code, "message": str}, answer.json)


# ---- hosts and tokens ----

def test_hostname_and_token_in_both_shapes(snow, caller):
    for bare in (False, True):
        snow.bare_answers = bare
        host, token = caller.call("GET", "/v2/streaming/hostname"), caller.oauth(snow.ingest_host)
        assert host.status == token.status == 200
        if not bare:
            fits({"hostname": re.compile(r"[a-z_.-]+_[a-z_.-]*:\d+")}, host.json)  # an underscore is in it: the client makes it a dash
            fits({"token": str}, token.json)
        else:
            assert host.raw.decode() == f"{snow.ingest_name}:{snow.ingest.port}" and not token.raw.startswith((b"{", b'"'))
        caller.enter()
        assert caller.open().status == 200
    refused = caller.call("GET", "/v2/streaming/hostname", headers={"Authorization": "Bearer junk"})
    assert (refused.status, refused.code) == (401, "390144")
    assert caller.call("POST", "/v2/streaming/hostname").status == caller.call("GET", "/oauth/token").status == 405


def test_a_scoped_token_is_for_one_host(snow, caller):
    for scope, status in ((snow.ingest_host, 200), (f"{snow.ingest_host}:{snow.ingest.port}", 200), (f"{snow.ingest_host} session:role:dv_role", 200),
                          (f'{snow.ingest_host} session:role:"DV_ROLE"', 200),
                          (snow.ingest_name, 401), ("127.0.0.1", 401)):
        caller.scoped = caller.oauth(scope).json["token"]
        assert caller.open().status == status, scope
    refuses(caller.open(), 401, "ERR_AUTHENTICATION_EXPIRED")
    for form in ({"grant_type": "password"}, {"scope": ""}, {"scope": "a b"}, {"scope": f"{snow.ingest_host} session:role:ACCOUNTADMIN"},
                 {"scope": f'{snow.ingest_host} session:role:"dv_role"'}):
        assert caller.oauth(snow.ingest_host, **form).status == 400, form
    form = b"grant_type=urn:ietf:params:oauth:grant-type:jwt-bearer&scope=" + snow.ingest_host.encode()
    headers = {"Content-Type": "application/x-www-form-urlencoded"}
    assert caller.call("POST", "/oauth/token", form, headers).status == 400  # no client says there what kind its token is
    snow.untyped_tokens = False
    assert caller.call("POST", "/oauth/token", form, headers).status == 200
    caller.scoped = caller.token  # the JWT itself is no good there
    assert caller.open().status == 401
    caller.enter()
    assert caller.open().status == 200
    snow.clock_skew_s = snow.identity.scoped_life_s + 1
    assert caller.open().status == 401
    snow.clock_skew_s = 0
    snow.revoke()
    assert caller.open().status == 401


def test_what_is_where(snow, caller):
    place = f"/v2/streaming{caller.pipe('T-STREAMING')}"
    assert caller.call("PUT", f"{place}/channels/c1", {}).status == 404  # rows and channels are not the control host's
    assert caller.bulk("c1", to="control").status == caller.bulk("c1").status == 200
    assert caller.call("GET", f"{place}/channels/c1", to="ingest").status == 405
    assert caller.call("GET", "/v2/streaming/hostname", to="ingest").status == 404
    assert caller.call("PUT", f"{place}/channels/c1", {}, {"Host": snow.ingest_name}, to="ingest").status == 404


# ---- channels ----

def test_a_channel_from_open_to_drop(snow, caller):
    answer = caller.open("Shard-1")
    fits(OPENED, answer.json)
    status = answer.json["channel_status"]
    assert (status["channel_status_code"], status["last_committed_offset_token"], status["rows_error_count"]) == ("SUCCESS", None, 0)
    token = answer.json["next_continuation_token"]
    for at in (1, 2):
        token = sent(caller, token, [row(at, p="x", v={"a": [1]}, A=[1, 2], TS="2026-01-02 03:04:05")], f"{at:08}", channel="Shard-1")
    assert caller.status("Shard-1")["last_committed_offset_token"] == "00000002"
    assert snow.rows("T", "ID")[0] == {"ID": 1, "P": "x", "V": {"a": [1]}, "A": [1, 2], "W": None, "TS": "1767323045.000000000"}
    found = caller.bulk("Shard-1", "shard-1", "other")
    fits({"channel_statuses": {"Shard-1": STATUS}}, found.json)  # who is not known is not there; names are told apart by case
    snow.errors_key, snow.status_word = "rows_errors", "ACTIVE"
    assert misfit(STATUS, caller.status("Shard-1")) is not None and caller.status("Shard-1")["rows_errors"] == 0
    place = f"/v2/streaming{caller.pipe('T-STREAMING')}/channels/Shard-1"
    dropped = caller.call("DELETE", place, to="ingest")
    assert (dropped.status, dropped.raw) == (200, b"")
    assert caller.bulk("Shard-1").json == {"channel_statuses": {}}
    assert caller.call("DELETE", place, to="ingest").status == 404
    assert caller.open("Shard-1").json["channel_status"]["last_committed_offset_token"] is None


def test_names_and_forms(snow, caller):
    for pipe in ("NOPE-STREAMING", '"t-STREAMING"', "T", '"T-streaming"', '"T"-STREAMING'):
        refuses(caller.open(pipe=pipe), 404, "ERR_PIPE_DOES_NOT_EXIST_OR_NOT_AUTHORIZED")
    for pipe in ("t-STREAMING", "T-streaming", '"T-STREAMING"'):  # without quotation marks, case does not count in a path
        assert caller.open("c0", pipe=pipe).json["channel_status"]["pipe_name"] == "T-STREAMING"
    assert caller.call("PUT", f"/v2/streaming/databases/dv/schemas/Public/pipes/t-streaming/channels/C0", {}, to="ingest").json["channel_status"]["channel_name"] == "c0"
    assert set(caller.bulk("c0", "C0").json["channel_statuses"]) == {"c0"}  # and in the body of a status it does
    snow.upper_channels = True
    assert caller.open("c9").json["channel_status"]["channel_name"] == "C9" and set(caller.bulk("c9", "C9").json["channel_statuses"]) == {"C9"}
    snow.upper_channels = False
    for body in ({"offset_token": 7}, {"colour": "red"}, []):
        assert caller.call("PUT", f"/v2/streaming{caller.pipe('T-STREAMING')}/channels/c1", body, to="ingest").status == 400
    assert caller.open("ELASTIC").status == 400
    token = opened(caller)
    for query in ({"startOffsetToken": "1"}, {"endOffsetToken": "1"}, {"offsetToken": "1", "startOffsetToken": "1", "endOffsetToken": "1"}, {"colour": "red"}):
        assert caller.append(token, [row(1)], **query).status == 400, query
    for status, headers, data in [(415, {"Content-Type": "application/json"}, b"{}"), (400, {"Content-Encoding": "br"}, b"{}"), (400, {"Content-Encoding": "gzip"}, b"{}"),
                                  (400, {"Content-Encoding": "zstd"}, b"{}"), (400, {"Content-Encoding": "gzip"}, gzip.compress(b"{}")[:-4])]:
        assert caller.append(token, data, headers=headers).status == status
    assert caller.append("1", [row(1)]).status == 400 and caller.append(token, [row(1)], channel="other").status == 404
    assert sent(caller, token, [row(1)], offsetToken="0007") and caller.status()["last_committed_offset_token"] == "0007"  # the older form
    assert opened(caller, offset_token="0009") and caller.status()["last_committed_offset_token"] == "0009"
    snow.append_tells = False
    fits({"next_continuation_token": TOKEN}, caller.append(opened(caller), [row(2)]).json)


def test_rows_in_any_dress(snow, caller):
    token, text = opened(caller), b'{"ID":1}\r\n{"ID":2}\n\n{"ID":3}'
    token = sent(caller, token, text)
    token = sent(caller, token, gzip.compress(b'{"ID":4}\n'), headers={"Content-Encoding": "gzip"})
    packed = subprocess.run(["zstd", "-q", "-c"], input=b'{"ID":5}\n', stdout=subprocess.PIPE, check=True).stdout
    token = sent(caller, token, packed, headers={"Content-Encoding": "zstd"})
    assert caller.status()["rows_inserted"] == 5 and numbers(snow) == [1, 2, 3, 4, 5]
    assert b'{"ID":5}' in snow.received()  # what was packed is found all the same


def test_one_owner_and_one_chain(snow, caller):
    old = opened(caller)
    new = opened(caller)
    refuses(caller.append(old, [row(1)]), 400, "STALE_CONTINUATION_TOKEN_SEQUENCER")
    following = sent(caller, new, [row(2)])
    refuses(caller.append(new, [row(2)]), 400, "STALE_CONTINUATION_TOKEN_SEQUENCER")  # twice with one token
    client, number = following.split("_")
    refuses(caller.append(f"{client}_{int(number) + 1}", [row(3)]), 409, "ERR_CHANNEL_HAS_INVALID_ROW_SEQUENCER")
    snow.reopen_by_other("c1")
    refuses(caller.append(following, [row(3)]), 400, "STALE_CONTINUATION_TOKEN_SEQUENCER")
    snow.opening.add("c1")
    refuses(caller.open(), 409, "ERR_OPEN_CHANNEL_IN_PROGRESS")
    snow.opening.clear()
    token = opened(caller)
    snow.invalidate("c1")
    assert caller.status()["channel_status_code"] == "ERR_CHANNEL_MUST_BE_REOPENED"
    refuses(caller.append(token, [row(3)]), 409, "ERR_CHANNEL_MUST_BE_REOPENED")
    assert numbers(snow) == [2]


# ---- what is committed, and what is lost without a word ----

def test_a_commit_comes_later_and_in_order(snow, caller, monkeypatch):
    lags, seconds = iter([0.3, 0]), [50.0]
    snow.commit_lag_s = lambda: next(lags)
    monkeypatch.setattr(snow, "ticks", lambda: seconds[0])
    token = opened(caller)
    token = sent(caller, token, [row(1)], "1")
    sent(caller, token, [row(2)], "2")  # no earlier than the one before
    assert caller.status()["last_committed_offset_token"] is None and numbers(snow) == []
    seconds[0] += 0.31
    assert caller.status()["last_committed_offset_token"] == "2" and numbers(snow) == [1, 2]
    snow.stalled, snow.commit_lag_s = True, 0
    opened(caller)
    sent(caller, caller.open().json["next_continuation_token"], [row(3)], "3")
    assert caller.status()["last_committed_offset_token"] == "2"
    snow.stalled = False
    assert caller.status()["last_committed_offset_token"] == "3"


def test_reopening_discards_what_is_not_committed(snow, caller):
    snow.stalled = True
    sent(caller, opened(caller), [row(1)], "1")
    refuses(caller.open(fail_on_uncommitted_rows=True), 409, "ERR_CHANNEL_HAS_UNCOMMITTED_DATA")
    refuses(caller.call("DELETE", f"/v2/streaming{caller.pipe('T-STREAMING')}/channels/c1", {"fail_on_uncommitted_rows": True}, to="ingest"), 409,
            "ERR_CHANNEL_HAS_UNCOMMITTED_DATA")
    answer = caller.open()
    snow.stalled = False
    assert answer.status == 200 and answer.json["channel_status"]["last_committed_offset_token"] is None
    assert caller.status()["last_committed_offset_token"] is None and numbers(snow) == []
    assert caller.open(fail_on_uncommitted_rows=True).status == 200


def test_a_crash_loses_the_buffer_and_keeps_the_channel(snow, caller):
    token = sent(caller, opened(caller), [row(1)], "1")
    caller.status()
    snow.stalled = True
    token = sent(caller, token, [row(2), row(3)], "2")
    assert snow.crash() == 2
    snow.stalled = False
    assert caller.status()["last_committed_offset_token"] == "1" and caller.status()["channel_status_code"] != "SUCCESS"
    snow.status_tells = False
    assert caller.status()["channel_status_code"] == "SUCCESS"  # as mean: only the next append tells
    refuses(caller.append(token, [row(4)], "3"), 409, "ERR_CHANNEL_MUST_BE_REOPENED_DUE_TO_ROW_SEQ_GAP")
    answer = caller.open()
    assert answer.json["channel_status"]["last_committed_offset_token"] == "1" and answer.json["channel_status"]["rows_inserted"] == 1
    sent(caller, answer.json["next_continuation_token"], [row(2), row(3)], "2")
    assert numbers(snow) == [1, 2, 3]


def test_many_appends_on_many_channels_before_a_commit(snow, caller):
    """Appends need not wait for commits; a crash takes the tail that was not yet committed, of each channel its own."""
    snow.stalled, tokens = True, {name: opened(caller, name) for name in ("a", "b", "c")}
    for at in range(1, 6):
        for number, name in enumerate(tokens):
            tokens[name] = sent(caller, tokens[name], [row(1000 * number + at)], f"{at:04}", channel=name)
        if at == 3:
            snow.stalled = False
            found = caller.bulk(*tokens).json["channel_statuses"]
            assert {name: status["last_committed_offset_token"] for name, status in found.items()} == dict.fromkeys(tokens, "0003")
            snow.stalled = True
    assert numbers(snow) == [1, 2, 3, 1001, 1002, 1003, 2001, 2002, 2003] and snow.crash() == 6
    snow.stalled = False
    refuses(caller.append(tokens["a"], [row(6)], "0006", channel="a"), 409, "ERR_CHANNEL_MUST_BE_REOPENED_DUE_TO_ROW_SEQ_GAP")
    for number, name in enumerate(tokens):
        answer = caller.open(name, fail_on_uncommitted_rows=True)  # nothing is left to wait for
        assert answer.json["channel_status"]["last_committed_offset_token"] == "0003"
        sent(caller, answer.json["next_continuation_token"], [row(1000 * number + 4), {"ID": "x"}, row(1000 * number + 5)], "0005", channel=name)
    assert [caller.status(name)["rows_error_count"] for name in tokens] == [1, 1, 1] and len(numbers(snow)) == 15


def test_rejected_rows_move_the_offset(snow, caller):
    snow.query("ALTER TABLE T SET ERROR_LOGGING = TRUE")
    bad = [b'{"P":"without ID"}', b'{"ID":"seven"}', b'{"ID":8,"P":"longer than ten"}', b'{"ID":9,"TS":"when"}', b"{broken", b"[1]", b'{"ID":10,"W":[1,2]}']
    token = sent(caller, opened(caller), b"\n".join([b'{"ID":1,"nowhere":"x"}', *bad, b'{"id":"2","P":null}']), "0001")
    status = caller.status()
    assert (status["last_committed_offset_token"], status["rows_inserted"], status["rows_error_count"], status["rows_parsed"]) == ("0001", 2, 7, 9)
    assert status["last_error_offset_upper_bound"] == "0001" and isinstance(status["last_error_message"], str) and isinstance(status["last_error_timestamp"], int)
    assert numbers(snow) == [1, 2]  # a member that no column has is dropped, and not even counted
    sent(caller, token, [row("a canary")], "0001")
    assert "a canary" in caller.status()["last_error_message"]  # as Snowflake's, it repeats values: it belongs into no log
    assert len(snow.rows("T__ERRORS")) == 8
    token = opened(caller)
    snow.late_errors = True
    token = sent(caller, token, [row("x")], "0001")
    assert [caller.status()["rows_error_count"] for _ in range(2)] == [8, 9]  # the offset may be told before the count
    snow.late_errors, snow.poison = False, lambda one: one["ID"] % 100 == 7
    token = sent(caller, token, [row(number) for number in range(1000, 1250)], "0002")
    assert caller.status()["rows_error_count"] == 9 + 3 and len(numbers(snow)) == 2 + 247
    assert caller.open().json["channel_status"]["rows_error_count"] == 12  # over the channel's whole life


def test_a_wrong_pipe_takes_rows_and_discards_them(snow, caller):
    for word in ("ERR_PIPE_INVALID", "SUCCESS"):
        snow.invalid_pipes = {"GHOST-STREAMING": word}
        answer = caller.open(pipe="GHOST-STREAMING")
        assert answer.status == 200 and answer.json["channel_status"]["channel_status_code"] == word
        answer = caller.append(answer.json["next_continuation_token"], [row(1)], "1", pipe="GHOST-STREAMING")
        assert answer.status == 200 and answer.json["message"] == "Data buffered"
        assert caller.status(pipe="GHOST-STREAMING")["last_committed_offset_token"] is None


def test_a_new_table_knows_no_token(snow, caller):
    sent(caller, opened(caller), [row(1)], "1")
    assert caller.status()["last_committed_offset_token"] == "1"
    snow.query("CREATE OR REPLACE TABLE T (ID NUMBER)")
    assert caller.bulk("c1").json == {"channel_statuses": {}}
    assert caller.open().json["channel_status"]["last_committed_offset_token"] is None
    assert caller.sql("DROP TABLE T").json["data"] == [["T successfully dropped."]]
    refuses(caller.open(), 404, "ERR_PIPE_DOES_NOT_EXIST_OR_NOT_AUTHORIZED")
    refuses(caller.bulk("c1"), 404, "ERR_PIPE_DOES_NOT_EXIST_OR_NOT_AUTHORIZED")


def test_a_pipe_with_a_projection(snow, caller):
    assert caller.sql("CREATE OR REPLACE PIPE BIG AS COPY INTO T FROM (SELECT $1:n::NUMBER, $1:name::VARCHAR, $1:o, NULL, NULL, NULL "
                      "FROM TABLE(DATA_SOURCE(TYPE => 'STREAMING')) WHERE $1:n::NUMBER > 5)").status == 200
    token = opened(caller, pipe="BIG")
    sent(caller, token, [{"n": 3}, {"n": 7, "name": "seven", "o": {"a": 1}}, {"n": 9, "name": "much too long"}], "1", pipe="BIG")
    status = caller.status(pipe="BIG")
    assert (status["rows_parsed"], status["rows_inserted"], status["rows_error_count"]) == (2, 1, 1)  # the one left out is counted nowhere
    assert [(one["ID"], one["P"], one["V"]) for one in snow.rows("T")] == [(7, "seven", {"a": 1})]


def test_elastic_channels_may_double(snow, caller):
    for path in ("/v2/streaming/data/databases/DV/schemas/PUBLIC/tables/T/rows", f"/v2/streaming/data{caller.pipe('T-STREAMING')}/channels/ELASTIC/rows"):
        for retry in (0, 1):
            answer = caller.call("POST", f"{path}?requestId=7&retryCount={retry}", b'{"ID":1}', LINES, to="ingest")
            assert answer.status == 200 and answer.json == {"message": "OK"}
        assert caller.call("POST", f"{path}?endOffsetToken=1", b'{"ID":1}', LINES, to="ingest").status == 400
    assert numbers(snow) == [1, 1, 1, 1]
    refuses(caller.call("POST", "/v2/streaming/data/databases/DV/schemas/PUBLIC/tables/%22t%22/rows", b"{}", LINES, to="ingest"), 404,
            "ERR_TABLE_DOES_NOT_EXIST_NOT_AUTHORIZED")


# ---- limits, and how errors are dressed ----

def test_four_megabytes_on_the_wire(snow, caller, monkeypatch):
    token, line = opened(caller), b'{"ID":1}'
    assert caller.append(token, line.ljust(4194305)).status == 413
    token = sent(caller, token, line.ljust(4194304))
    sent(caller, token, gzip.compress(line.ljust(9000000), 1), headers={"Content-Encoding": "gzip"})  # what counts is what comes over the wire
    assert numbers(snow) == [1, 1]
    snow.bytes_per_s = 100
    monkeypatch.setattr(snow, "ticks", lambda: 50.0)
    token = sent(caller, opened(caller, "c2"), line.ljust(90), channel="c2")
    refuses(caller.append(token, line.ljust(90), channel="c2"), 429, "ReceiverSaturated")


def test_ten_requests_a_second(snow, caller):
    snow.requests_per_s, now = 10, [50.0]
    snow.ticks = lambda: now[0]
    try:
        token = opened(caller)
        for number in range(10):
            token = sent(caller, token, [row(number)])
        refuses(caller.append(token, [row(10)]), 429, "390701")
        other = sent(caller, opened(caller, "c2"), [row(11)], channel="c2")  # each channel has its own
        assert other
        now[0] += 1.01
        sent(caller, token, [row(10)])  # it was not taken: the token is still good
    finally:
        del snow.ticks
    assert numbers(snow) == list(range(12))


def test_errors_in_every_dress(snow, caller):
    old = opened(caller)
    opened(caller)
    for shape, expected in [("code", REFUSED), ("error_code", {"error_code": "STALE_CONTINUATION_TOKEN_SEQUENCER", "message": str}),
                            ("bare", "STALE_CONTINUATION_TOKEN_SEQUENCER"), ("number", {"status_code": 4, "message": str})]:
        snow.error_shape = shape
        answer = caller.append(old, [row(1)])
        assert answer.status == 400
        fits(expected, answer.json)
    caller.scoped = "nonsense"
    fits({"status_code": 3, "message": str}, caller.open().json)
    snow.error_shape = "mixed"
    assert len({type(caller.open().json).__name__ + str(sorted(caller.open().json)) for _ in range(4)}) > 1
    caller.enter()
    snow.script(r"PUT .*/channels/", 429, 500, 503, 408, 502)
    answers = [caller.open() for _ in range(5)]
    assert [answer.status for answer in answers] == [429, 500, 503, 408, 502] and answers[1].json == answers[2].json == "ERR_GENERAL_EXCEPTION_RETRY_REQUEST"
    assert answers[0].code == "ReceiverSaturated" and answers[4].raw.startswith(b"<html>")


def test_a_lost_answer_leaves_the_chain_unknown(snow, caller):
    token = opened(caller)
    snow.lose_next_answer("POST .*/rows")
    with pytest.raises(GONE):
        caller.append(token, [row(1)], "1")
    refuses(caller.append(token, [row(1)], "1"), 400, "STALE_CONTINUATION_TOKEN_SEQUENCER")
    assert caller.open().json["channel_status"]["last_committed_offset_token"] == "1" and numbers(snow) == [1]
    snow.script("POST .*/rows", "cut")
    token = opened(caller)
    with pytest.raises(GONE):
        caller.append(token, [row(2)], "2")
    sent(caller, token, [row(2)], "2")  # it never came
    assert numbers(snow) == [1, 2]


# ---- the protocol that loses nothing, and one that does ----

class Client:
    """As the sheet has it: replays from the last committed token, which is the number of the last row; or else from what was sent last."""

    def __init__(self, caller, count, careful):
        self.caller, self.count, self.careful, self.at, self.token, self.sent_to = caller, count, careful, 0, None, 0

    def step(self, size):
        """True when all is committed."""
        try:
            if self.token is None:
                status = (answer := self.caller.open("walk").json)["channel_status"]
                self.token = answer["next_continuation_token"]
                self.sent_to = int(status["last_committed_offset_token"] or 0) if self.careful else self.sent_to
            if self.sent_to < self.count:
                end = min(self.sent_to + size, self.count)
                answer = self.caller.append(self.token, [row(number) for number in range(self.sent_to + 1, end + 1)], f"{end:08}", channel="walk")
                self.token = answer.json["next_continuation_token"] if answer.status == 200 else None
                self.sent_to = end if answer.status == 200 or not self.careful else self.sent_to
                return False
            status = self.caller.status("walk")
            self.token = self.token if status["channel_status_code"] == "SUCCESS" else None
            return int(status["last_committed_offset_token"] or 0) == self.count
        except GONE:
            self.token = None
            return False


@pytest.mark.parametrize("careful", [True, False])
def test_replaying_from_the_committed_token_loses_nothing(snow, caller, draw, careful):
    """And the emulator is mean enough: who goes on from what he sent last loses rows."""
    client, seconds = Client(caller, 250, careful), [0.0]
    snow.ticks, snow.commit_lag_s = lambda: seconds[0], lambda: draw.random() * 5
    snow.script(r"POST .*/rows", *[draw.choice([None, None, None, "lose", "cut"]) for _ in range(40)])
    try:
        for turn in range(1500 if careful else 150):
            if client.step(draw.randint(1, 20)):
                break
            seconds[0] += draw.random()
            if turn < 40 and turn % 12 == 7:
                snow.stalled = False
                snow.crash()
            elif turn < 40 and turn % 12 == 3:
                snow.reopen_by_other("walk")
        else:
            assert not careful, "not done"
        found = numbers(snow)
    finally:
        del snow.ticks
    assert (found == list(range(1, 251))) == careful, found[:50]
