#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""test_snowflake_emulator.py - the emulator of Snowflake against what is known of the real one: who may ask, and the SQL API v2.

The shapes stand here as data, status, headers, members, types and literals, as Snowflake's pages and those who call it tell them, so that
the emulator cannot drift to please our client. Channels: test_snowflake_emulator_channels.py; Cortex: test_snowflake_emulator_cortex.py.
It is what the tests of SNO-1 to SNO-6 stand on; it shows none of them itself.

shows: DEV-2
"""
import copy
import gzip
import http.client
import json
import pathlib
import re
import socket
import ssl
import subprocess
import sys
import threading
import time
import uuid

import pytest

HERE = pathlib.Path(__file__).resolve().parents[1]
sys.path[:0] = [str(HERE / "tools"), str(HERE / "emulators")]
from snowflake import UNDERSCORED, Snowflake, certs, fakes
from snowflake.identity import User
from snowflake_caller import UUID, Caller, OneOf, Optional, fits, knobs, restore

TYPES = OneOf("FIXED", "REAL", "TEXT", "BINARY", "BOOLEAN", "DATE", "TIME", "TIMESTAMP_NTZ", "TIMESTAMP_LTZ", "TIMESTAMP_TZ", "VARIANT", "ARRAY", "OBJECT", "VECTOR")
NUMBER = OneOf(int, None)
OTHER_KEY = Caller.other_key()
META = {"numRows": int, "format": "jsonv2",
        "rowType": [{"name": str, "type": TYPES, "length": NUMBER, "precision": NUMBER, "scale": NUMBER, "nullable": bool}],
        "partitionInfo": [{"rowCount": int, "uncompressedSize": int, "compressedSize": Optional(int)}]}
URL = re.compile(r"/api/v2/statements/[0-9a-f-]{36}(\?requestId=[0-9a-f-]{36})?")
ROWS = {"code": "090001", "sqlState": "00000", "message": str, "statementHandle": UUID, "statementStatusUrl": URL, "createdOn": int,
        "resultSetMetaData": META, "data": [[OneOf(str, None)]]}
STATS = {"numRowsInserted": int, "numRowsUpdated": int, "numRowsDeleted": int, "numDuplicateRowsUpdated": int}
RUNNING = {"code": "333334", "message": str, "statementHandle": UUID, "statementStatusUrl": URL}
CANCELLED = {"code": "000604", "sqlState": "57014", "message": str, "statementHandle": UUID, "statementStatusUrl": URL}
NO_STATEMENT = {"code": str, "message": str}


def failure(code, state):
    return {"code": code, "sqlState": state, "message": str, "statementHandle": UUID, "statementStatusUrl": URL}


@pytest.fixture(scope="module")
def world(tmp_path_factory):
    with Snowflake(tmp_path_factory.mktemp("snow"), ingest_name=UNDERSCORED) as snow:
        snow.query("CREATE TABLE SEVEN (ID NUMBER(38,0), P VARCHAR(10))")
        snow.query("INSERT INTO SEVEN VALUES (1, 'a'), (2, NULL), (3, 'c'), (4, 'd'), (5, 'e'), (6, 'f'), (7, 'g')")
        yield snow


@pytest.fixture
def snow(world):
    kept = knobs(world)
    yield world
    world.statements.wait_idle()
    restore(world, kept)


@pytest.fixture(scope="module")
def first(world):
    return Caller(world)


@pytest.fixture
def caller(snow, first):
    """As new, with the first one's key and token."""
    return copy.copy(first)


def refused(answer, code="390144", status=401):
    assert answer.status == status, answer.raw
    fits({"code": code, "message": str}, answer.json)


# ---- who may ask ----

def after(seconds):
    """So long after the test's time, which may be much later than this file's."""
    return lambda now: now + seconds


BAD_CLAIMS = [
    ("iss is not", {"iss": "MYORG-DV_TEST.DATAVAULT.SHA256:AAAA"}), ("iss is not", {"iss": "MYORG-DV_TEST.DATAVAULT"}), ("iss is not", {"iss": None}),
    ("sub is not", {"account": "myorg-dv_test"}), ("no such user", {"user": "datavault"}), ("no such user", {"user": "NOBODY"}),
    ("sub is not", {"account": "OTHER"}), ("sub is not", {"account": "MYORG-DV_TEST.EU-WEST-1"}), ("sub is not", {"sub": None}), ("sub is not", {"sub": 7}),
    ("iat or exp", {"iat": None}), ("iat or exp", {"exp": None}), ("iat or exp", {"iat": "now"}), ("iat or exp", {"iat": True}),
    ("iat is in the future", {"iat": after(600), "exp": after(900)}), ("expired", {"iat": after(-900), "exp": after(-600)}),
    ("older than an hour", {"iat": after(-7200), "exp": after(900)}),
]


@pytest.mark.parametrize("why,claims", BAD_CLAIMS)
def test_a_wrong_claim_is_refused(snow, caller, why, claims):
    caller.token = caller.jwt(**{name: value(time.time()) if callable(value) else value for name, value in claims.items()})
    refused(caller.sql("SELECT 1"))
    assert snow.identity.why[-1].startswith(why)


def test_what_is_a_token(snow, caller):
    good, other, now = caller.token, OTHER_KEY, time.time()
    head, claims, mark = good.split(".")
    for why, token in [("signature", f"{head}.{claims}.{mark[::-1]}"), ("iss is not", caller.jwt(key=other)),
                       ("signature", caller.jwt(key=other, iss=f"MYORG-DV_TEST.DATAVAULT.{certs.fingerprint(caller.private.public_key())}")),
                       ("alg is not", caller.jwt(header={"alg": "none"})), ("alg is not", caller.jwt(header={"alg": "HS256"})),
                       ("not a JWT", "a.b.c"), ("not a JWT", good + "="), ("not a JWT", "junk")]:
        caller.token = token
        refused(caller.sql("SELECT 1"))
        assert snow.identity.why[-1].startswith(why), (snow.identity.why[-1], why)
    for claims in ({}, {"iat": now * 1000, "exp": (now + 3000) * 1000}, {"iat": int(now), "exp": int(now) + 86400}):  # ms are as good; 24 h are cut to one
        caller.token = caller.jwt(**claims)
        assert caller.sql("SELECT 1").status == 200
    refused(caller.call("POST", "/api/v2/statements", {}, drop=["Authorization"]), "390101")


def test_the_clock_of_the_service(snow, caller):
    for skew_s, fine in ((0, True), (-30, True), (-600, False), (3000, True), (7200, False)):
        snow.clock_skew_s = skew_s
        answer = caller.sql("SELECT 1")
        assert (answer.status == 200) == fine, (skew_s, answer.raw)
        told = time.mktime(time.strptime(answer.headers["Date"], "%a, %d %b %Y %H:%M:%S GMT")) - time.timezone
        assert abs(told - time.time() - skew_s) < 20


def test_two_keys_and_other_tokens(snow, caller):
    user = snow.users["ROTATED"] = User("ROTATED", caller.private.public_key(), OTHER_KEY.public_key(), warehouse="WH")
    for key in (caller.private, OTHER_KEY):
        caller.token = caller.jwt(key=key, user="ROTATED")
        assert caller.sql("SELECT 1").status == 200
    now = time.time()
    user.pats["pat-1"], user.oauth["oauth-1"], user.oauth["old"] = now + 9000, now + 9000, now - 1
    for kind, token, code in [("PROGRAMMATIC_ACCESS_TOKEN", "pat-1", None), ("OAUTH", "oauth-1", None), ("OAUTH", "pat-1", "390303"), ("OAUTH", "old", "390318"),
                              ("KEYPAIR_JWT", "pat-1", "390144"), ("PROGRAMMATIC_ACCESS_TOKEN", "nope", "390303"), ("SESSION", "oauth-1", "390303")]:
        caller.kind, caller.token = kind, token
        answer = caller.sql("SELECT 1")
        assert answer.status == 200 if code is None else refused(answer, code) is None
    drop = ["X-Snowflake-Authorization-Token-Type"]
    for caller.token, assumed, status in [("pat-1", False, 200), ("oauth-1", False, 200), ("oauth-1", True, 200), ("pat-1", True, 401)]:
        snow.identity.assume_oauth = assumed
        assert caller.sql("SELECT 1", drop=drop).status == status


# ---- a request's form ----

@pytest.mark.parametrize("status,code,change", [
    (400, "391902", {"drop": ["Accept"]}), (400, "391902", {"headers": {"Accept": "text/html"}}), (400, "390142", {"drop": ["User-Agent"]}),
    (415, "391903", {"headers": {"Content-Type": "text/plain"}}), (415, "391903", {"drop": ["Content-Type"]}),
    (400, "390142", {"colour": "red"}), (400, "390142", {"statement": None}), (400, "390142", {"timeout": "60"}), (400, "390142", {"timeout": 604801}),
    (400, "390142", {"parameters": {"search_path": "x"}}), (400, "390142", {"bindings": {"1": {"type": "FIXED", "value": 7}}}),
    (400, "390142", {"bindings": {"1": {"type": "TEXT", "value": ["a", "b"]}}}), (400, "390142", {"bindings": {"1": {"type": "VECTOR", "value": "[1]"}}}),
    (400, "390142", {"bindings": {"2": {"type": "TEXT", "value": "a"}}}), (400, "390142", {"bindings": {"1": {"value": "a"}}}),
    (400, "390142", {"query": "requestId=7"})])
def test_a_request_out_of_form(caller, status, code, change):
    answer = caller.sql("SELECT 1", **change)
    assert answer.status == status and answer.code == code, answer.raw
    fits(NO_STATEMENT, answer.json)


def test_paths_and_methods(caller):
    for method, path, status in [("GET", "/api/v2/statements", 405), ("PUT", "/api/v2/statements", 405), ("PATCH", "/api/v2/statements", 405),
                                 ("POST", f"/api/v2/statements/{uuid.uuid4()}", 405), ("GET", f"/api/v2/statements/{uuid.uuid4()}/cancel", 405),
                                 ("POST", "/api/v2/statement", 404), ("GET", "/", 404)]:
        answer = caller.call(method, path)
        assert (answer.status, answer.raw) == (status, b""), path
    assert (caller.poll(str(uuid.uuid4())).status, caller.poll(str(uuid.uuid4())).code) == (404, "000709")
    answer = caller.call("POST", f"/api/v2/statements/{uuid.uuid4()}/cancel")
    assert (answer.status, answer.code) == (422, "000709")
    assert caller.call("POST", "/api/v2/statements", b"{broken").code == "390142"


# ---- what statements bring ----

def test_values_are_texts(caller):
    answer = caller.sql("SELECT 12::NUMBER(10,2) AS N, 1.5::FLOAT AS F, TRUE AS B, DATE '1970-01-03' AS D, '1970-01-01 23:01:59.5'::TIMESTAMP_NTZ AS TS, "
                        "'23:01:59'::TIME AS T, X'0AFF'::BINARY AS X, PARSE_JSON('{\"a\":[1]}') AS V, [1,2]::VECTOR(FLOAT, 2) AS W, NULL AS Z, 'ä' AS S")
    assert answer.status == 200
    fits(ROWS, answer.json)
    assert answer.json["data"] == [["12.00", "1.5", "true", "2", "82919.500000000", "82919.000000000", "0AFF", '{\n  "a": [\n    1\n  ]\n}', "[1.0,2.0]", None, "ä"]]
    kinds = [(column["name"], column["type"]) for column in answer.json["resultSetMetaData"]["rowType"]]
    assert kinds == [("N", "FIXED"), ("F", "REAL"), ("B", "BOOLEAN"), ("D", "DATE"), ("TS", "TIMESTAMP_NTZ"), ("T", "TIME"), ("X", "BINARY"), ("V", "VARIANT"),
                     ("W", "VECTOR"), ("Z", "FIXED"), ("S", "TEXT")]
    assert caller.sql("SELECT NULL", query="nullable=false").json["data"] == [["null"]]
    early = caller.sql("SELECT '1969-12-31 23:59:59.5'::TIMESTAMP_NTZ AS A, '1900-01-01'::DATE AS B, 'NaN'::FLOAT AS C, 1 -- one\n")
    assert early.json["data"] == [["-0.500000000", "-25567", "NaN", "1"]] and early.json["resultSetMetaData"]["rowType"][3]["name"] == "1"


@pytest.mark.parametrize("kind,value,column,shown", [
    ("FIXED", "123", "NUMBER", "123"), ("FIXED", "-7.25", "NUMBER(10,2)", "-7.25"), ("REAL", "1e3", "FLOAT", "1000.0"), ("TEXT", "ü", "VARCHAR", "ü"),
    ("BINARY", "0aff", "BINARY", "0AFF"), ("BOOLEAN", "true", "BOOLEAN", "true"), ("DATE", "172800000", "DATE", "2"), ("TEXT", "1970-01-03", "DATE", "2"),
    ("TIME", "82919000000000", "TIME", "82919.000000000"), ("TIMESTAMP_NTZ", "1500000000123456789", "TIMESTAMP_NTZ(9)", "1500000000.123456789"),
    ("TIMESTAMP_LTZ", "1500000000000000000", "TIMESTAMP_LTZ", "1500000000.000000000"), ("TEXT", None, "VARCHAR", None), ("FIXED", None, "NUMBER", None)])
def test_bindings(snow, caller, kind, value, column, shown):
    snow.query(f"CREATE OR REPLACE TABLE BOUND (A {column})")
    answer = caller.sql("INSERT INTO BOUND SELECT ?", (kind, value))
    assert answer.status == 200, answer.raw
    fits({**ROWS, "stats": {**STATS, "numRowsInserted": 1}}, answer.json)
    assert caller.sql("SELECT A FROM BOUND").json["data"] == [[shown]]


@pytest.mark.parametrize("code,state,text,binds,more", [
    ("100037", "22018", "SELECT ?", [("FIXED", "12x")], {}), ("100037", "22018", "SELECT ?", [("REAL", "x")], {}), ("100037", "22018", "SELECT ?", [("BINARY", "0g")], {}),
    ("100037", "22018", "SELECT ?", [("DATE", "2020-01-01")], {}), ("100037", "22018", "SELECT ?", [("BOOLEAN", "ja")], {}),
    ("000904", "42000", "SELECT NOPE FROM SEVEN", [], {}), ("000904", "42000", 'SELECT "id" FROM SEVEN', [], {}), ("002003", "42S02", "SELECT 1 FROM NOPE", [], {}),
    ("001003", "42000", "SELECT FROM WHERE", [], {}), ("002141", "42601", "SELECT NOFUN(1)", [], {}), ("002049", "42601", "SELECT ?, ?", ["a"], {}),
    ("391918", "02000", "SELECT 1", [], {"database": "NOPE"}), ("391918", "02000", "SELECT 1", [], {"database": "dv"}), ("391919", "02000", "SELECT 1", [], {"schema": "public"}),
    ("391920", "02000", "SELECT 1", [], {"warehouse": "wh"}), ("000606", "57P03", "SELECT 1", [], {"warehouse": None}),
    ("100038", "22018", "SELECT 'abc'::NUMBER", [], {}), ("100069", "22P02", "SELECT PARSE_JSON(?):a", ["{broken"], {}),
    ("100078", "22000", "INSERT INTO SEVEN SELECT 8, ?", ["x" * 11], {}), ("002014", "22000", "INSERT INTO SEVEN VALUES (1, PARSE_JSON('1'))", [], {}),
    ("391911", "0A000", "BEGIN", [], {}), ("391911", "0A000", "USE ROLE DV_ROLE", [], {}), ("391911", "0A000", "PUT file://a @b", [], {}),
    ("000008", "0A000", "SELECT 1; SELECT 2", [], {}), ("391911", "0A000", "SELECT 1; SELECT ?", ["a"], {"parameters": {"MULTI_STATEMENT_COUNT": "2"}})])
def test_statements_that_fail(caller, code, state, text, binds, more):
    answer = caller.sql(text, *binds, **more)
    assert answer.status == 422, answer.raw
    fits(failure(code, state), answer.json)


def test_lists_have_an_end(snow, caller):
    kept, snow.engine.list_max = snow.engine.list_max, 30
    assert kept == 16384 and caller.sql("SELECT 1 WHERE 7 IN (" + ",".join(["1"] * 31) + ")").code == "001795"
    assert [caller.sql(f"INSERT INTO SEVEN SELECT * FROM VALUES {','.join(['(1, NULL)'] * count)} WHERE FALSE").status for count in (30, 31)] == [200, 422]
    assert [caller.sql(f"SELECT 1 WHERE 7 IN ({','.join(['1'] * count)})").status for count in (30, 31)] == [200, 422]
    snow.engine.list_max = kept


def test_one_text_of_many_rows_merges_once(snow, caller):
    snow.query("CREATE OR REPLACE TABLE M (DV_STREAM VARCHAR, DV_OFFSET VARCHAR, N NUMBER, V ARRAY, PRIMARY KEY (DV_STREAM, DV_OFFSET))")
    text = json.dumps([{"s": "a", "o": f"{at:08}", "n": at, "v": [at, 1]} for at in range(3000)])
    merge = ("MERGE INTO M T USING (SELECT {0}value:s{1} AS S, {0}value:o{1} AS O, {0}value:n{2} AS N, {0}value:v AS V FROM TABLE(FLATTEN({3}PARSE_JSON(?))) {4}) X "
             "ON T.DV_STREAM = X.S AND T.DV_OFFSET = X.O WHEN NOT MATCHED THEN INSERT (DV_STREAM, DV_OFFSET, N, V) VALUES (X.S, X.O, X.N, X.V)")
    forms = [merge.format("", "::VARCHAR", "::NUMBER", "", ""), merge.format("f.", "::VARCHAR", "::NUMBER", "INPUT => ", "f"), merge.format("", "", "", "", "")]
    assert [caller.sql(form, text).json["data"] for form in forms] == [[["3000"]], [["0"]], [["0"]]]
    assert snow.rows("M")[7] == {"DV_STREAM": "a", "DV_OFFSET": "00000007", "N": 7, "V": [7, 1]}
    again = caller.sql("INSERT INTO M SELECT value:s, value:o, value:n, value:v FROM TABLE(FLATTEN(PARSE_JSON(?)))", text)
    assert again.json["stats"]["numRowsInserted"] == 3000 and len(snow.rows("M")) == 6000  # a PRIMARY KEY is a word, nothing more
    update = caller.sql(forms[0].replace("WHEN NOT", "WHEN MATCHED THEN UPDATE SET N = X.N WHEN NOT"), text)
    assert update.json["data"] == [["0", "6000"]] and update.json["stats"]["numRowsUpdated"] == 6000


def test_several_statements(snow, caller):
    answer = caller.sql("BEGIN; INSERT INTO SEVEN VALUES (8, 'h'); ROLLBACK; SELECT COUNT(*) FROM SEVEN", parameters={"MULTI_STATEMENT_COUNT": "0"})
    assert answer.status == 200
    fits({**ROWS, "statementHandles": [UUID]}, answer.json)
    assert answer.json["data"] == [] and len(answer.json["statementHandles"]) == 4
    assert caller.poll(answer.json["statementHandles"][3]).json["data"] == [["7"]]
    failed = caller.sql("BEGIN; INSERT INTO SEVEN VALUES (8, 'h'); SELECT NOPE FROM SEVEN; COMMIT", parameters={"MULTI_STATEMENT_COUNT": "4"})
    assert failed.status == 422 and len(snow.rows("SEVEN")) == 7


def test_partitions_and_links(snow, caller):
    snow.partition_rows = 3
    name = uuid.uuid4()
    first = caller.sql("SELECT ID FROM SEVEN ORDER BY ID", query=f"requestId={name}")
    fits(ROWS, first.json)
    assert [part["rowCount"] for part in first.json["resultSetMetaData"]["partitionInfo"]] == [3, 3, 1]
    assert first.json["data"] == [["1"], ["2"], ["3"]] and first.headers["Content-Encoding"] is None
    handle, found = first.json["statementHandle"], []
    for number, rels in ((0, {"first", "next", "last"}), (1, {"first", "prev", "next", "last"}), (2, {"first", "prev", "last"})):
        answer = caller.poll(handle, f"partition={number}&requestId={name}")
        links = dict(re.findall(r'<([^>]+)>; rel="(\w+)"', answer.headers["Link"]))
        assert {rel for rel in links.values()} <= rels and f"/api/v2/statements/{handle}?requestId={name}&partition=0" in links
        if number:  # gzip, though nobody asked for it
            assert answer.headers["Content-Encoding"] == "gzip"
            body = json.loads(gzip.decompress(answer.raw))
            fits({"data": [[str]]}, body)
            found += body["data"]
    assert found == [["4"], ["5"], ["6"], ["7"]]
    assert caller.poll(handle, "partition=3").status == 400
    snow.result_rows_max = 2
    assert caller.sql("SELECT ID FROM SEVEN").json["code"] == "391908"
    snow.lower_case_types = True
    assert caller.sql("SELECT ID FROM SEVEN").json["resultSetMetaData"]["rowType"][0]["type"] == "fixed"


# ---- time ----

def test_asynchronous_and_slow_statements(snow, caller):
    answer = caller.sql("SELECT 1", query="async=true")
    assert answer.status == 202
    fits(RUNNING, answer.json)
    assert caller.poll(answer.json["statementHandle"]).json["data"] == [["1"]]
    snow.run_s, snow.switch_s = 60, 0.05
    answer = caller.sql("INSERT INTO SEVEN VALUES (8, 'h')")
    assert answer.status == 202 and len(snow.rows("SEVEN")) == 7  # nothing has happened yet
    handle = answer.json["statementHandle"]
    fits(RUNNING, caller.poll(handle).json)
    snow.script(f"GET .*{handle}", 429, 401)
    assert [caller.poll(handle).status, caller.poll(handle).status] == [429, 401]
    snow.hurry = True
    snow.statements.wait_idle()
    answer = caller.poll(handle)
    fits({**ROWS, "stats": STATS}, answer.json)
    assert len(snow.rows("SEVEN")) == 8
    snow.query("DELETE FROM SEVEN WHERE ID = 8")
    failed = caller.sql("SELECT NOPE FROM SEVEN", query="async=true")
    assert failed.status == 202
    snow.statements.wait_idle()
    assert (caller.poll(failed.json["statementHandle"]).status, caller.poll(failed.json["statementHandle"]).code) == (422, "000904")


def test_cancel_and_timeout(snow, caller):
    snow.run_s, snow.switch_s = 30, 0.05
    handle = caller.sql("INSERT INTO SEVEN VALUES (8, 'h')").json["statementHandle"]
    answer = caller.call("POST", f"/api/v2/statements/{handle}/cancel")
    assert answer.status == 200
    fits(CANCELLED, answer.json)
    assert (caller.poll(handle).status, caller.poll(handle).code) == (422, "000604") and len(snow.rows("SEVEN")) == 7
    assert caller.call("POST", f"/api/v2/statements/{handle}/cancel").status == 422
    snow.run_s, snow.switch_s, snow.statement_timeout_s = lambda text: 30 if "LATE" in text else 0, 45, 0.05
    answer = caller.sql("INSERT INTO SEVEN SELECT 8, 'LATE'")
    assert answer.status == 408 and len(snow.rows("SEVEN")) == 7
    fits(failure("000630", "57014"), answer.json)
    assert caller.sql("SELECT 1", timeout=1).status == 200


def test_the_same_request_again(snow, caller):
    snow.query("CREATE OR REPLACE TABLE ONCE (A NUMBER)")
    name, text = uuid.uuid4(), "INSERT INTO ONCE VALUES (1)"
    snow.lose_next_answer("POST /api/v2/statements")
    with pytest.raises((http.client.HTTPException, OSError)):
        caller.sql(text, query=f"requestId={name}")
    again = caller.sql(text, query=f"requestId={name}&retry=true")
    assert again.status == 200 and again.json["stats"]["numRowsInserted"] == 1
    assert len(snow.rows("ONCE")) == 1  # it had been executed: it was not executed again
    caller.sql(text, query=f"requestId={name}")
    assert len(snow.rows("ONCE")) == 2  # without retry=true it is
    caller.sql(text, query=f"requestId={uuid.uuid4()}&retry=true")
    assert len(snow.rows("ONCE")) == 3
    snow.forget_request_ids = True
    caller.sql(text, query=f"requestId={name}&retry=true")
    assert len(snow.rows("ONCE")) == 4  # for how long ids are known is known to nobody
    snow.forget_request_ids, snow.run_s, snow.switch_s, name = False, 0.2, 0.01, uuid.uuid4()
    first, second = (caller.sql(text, query=f"requestId={name}&retry=true").json["statementHandle"] for _ in range(2))
    snow.statements.wait_idle()
    assert first == second and len(snow.rows("ONCE")) == 5
    snow.run_s = 0
    name = uuid.uuid4()
    assert [caller.sql(each, query=f"requestId={name}&retry=true").status for each in ("SELECT NOPE FROM ONCE", text)] == [422, 200]  # what failed may be tried


# ---- the wire ----

def test_scripted_trouble(snow, caller):
    snow.query("CREATE OR REPLACE TABLE TROUBLE (A NUMBER)")
    snow.script("statements", 429, 503, "cut", "half", 0.05, None)
    assert (caller.sql("INSERT INTO TROUBLE VALUES (1)").json, snow.rows("TROUBLE")) == ({"code": "390505", "message": "Too many requests."}, [])
    answer = caller.sql("INSERT INTO TROUBLE VALUES (1)")
    assert answer.status == 503 and answer.raw.startswith(b"<html>") and answer.headers["Content-Type"] == "text/html"  # of a gateway: no JSON
    for left in (0, 1):  # before, and after it was done
        with pytest.raises((http.client.HTTPException, OSError)):
            caller.sql("INSERT INTO TROUBLE VALUES (1)")
        assert len(snow.rows("TROUBLE")) == left
    assert caller.sql("SELECT 1").status == caller.sql("SELECT 1").status == 200
    snow.cut_after_accept = 2
    for _ in range(2):
        with pytest.raises((http.client.HTTPException, OSError)):
            caller.sql("SELECT 1")
    assert caller.sql("SELECT 'canary-7'").status == 200
    assert b"canary-7" in snow.received() and b"never said" not in snow.received()
    assert [repr(request) for request in snow.requests[-3:-1]] != [] and snow.requests[-1].status == 200


def test_of_what_came_the_last_is_kept(tmp_path):
    with Snowflake(tmp_path, tls=False) as snow:
        caller = Caller(snow)
        for number in range(60):
            snow.log.most = 60000 if number >= 20 else None
            assert caller.sql(f"SELECT 'canary-{number}', '{'x' * 3000}'").status == 200
            if number == 19:
                assert len(snow.received()) > 60000  # all of it
        whole, before = snow.received(), (tmp_path / "received.log.1").read_bytes()
        came = (tmp_path / "received.log").read_bytes()
        assert max(len(came), len(before)) <= 30000 < len(came) + len(before) and whole == before + came
        kept = [number for number in range(60) if f"'canary-{number}'".encode() in whole]
        assert kept == list(range(kept[0], 60))  # whole requests, and none between them is missing
        snow.log.most = 100
        assert caller.sql(f"SELECT 'canary-60', '{'x' * 3000}'").status == 200
        assert snow.received().count(b"canary") > 1 and (tmp_path / "received.log").read_bytes().count(b"canary") == 1


def test_curl_finds_both_hosts(snow, caller):
    """The authority and the names are good for a client like ours; with the underscore they are not."""
    host = caller.enter()
    for name, good in ((f"https://{host}/", True), (snow.url, True), (f"https://{host.replace('dv-test', 'dv_test')}/", False)):
        done = subprocess.run(["curl", "-sS", "--cacert", snow.ca, "-o", "/dev/null", "-w", "%{http_code}", name], capture_output=True, text=True, timeout=20, check=False)
        assert (done.returncode == 0 and done.stdout in ("404", "401")) == good, (name, done)
    assert subprocess.run(["curl", "-sS", snow.url], capture_output=True, timeout=20, check=False).returncode == 60  # a stranger's authority


# ---- vectors ----

def test_vectors(snow, caller):
    snow.query("CREATE OR REPLACE TABLE EMB (ID NUMBER, V ARRAY, W VECTOR(FLOAT, 3))")
    vectors = {1: [1, 0, 0], 2: [0.6, 0.8, 0], 3: [-1, 0, 0], 4: [2, 1, 2]}
    text = json.dumps([{"i": name, "v": vector} for name, vector in vectors.items()])
    assert caller.sql("INSERT INTO EMB SELECT value:i, value:v, value:v::ARRAY::VECTOR(FLOAT, 3) FROM TABLE(FLATTEN(PARSE_JSON(?)))", text).status == 200
    for column in ("V::VECTOR(FLOAT, 3)", "W"):
        found = caller.sql(f"SELECT ID, VECTOR_COSINE_SIMILARITY({column}, PARSE_JSON(?)::ARRAY::VECTOR(FLOAT, 3)) AS SCORE FROM EMB ORDER BY SCORE DESC", "[1, 0.5, 0]")
        scores = {int(name): float(score) for name, score in found.json["data"]}
        assert list(scores) == sorted(vectors, key=lambda name: -fakes.cosine(vectors[name], [1, 0.5, 0]))  # the nearest comes first
        assert all(abs(score - fakes.cosine(vectors[name], [1, 0.5, 0])) < 1e-6 for name, score in scores.items())
    row = caller.sql("SELECT VECTOR_L2_DISTANCE(W, [1,1,1]::VECTOR(FLOAT, 3)), VECTOR_L1_DISTANCE(W, [1,1,1]::VECTOR(FLOAT, 3)), "
                     "VECTOR_INNER_PRODUCT(W, [1,1,1]::VECTOR(FLOAT, 3)), W, TO_ARRAY(W) FROM EMB WHERE ID = 4").json["data"][0]
    assert abs(float(row[0]) - 2 ** 0.5) < 1e-6 and row[1:4] == ["2.0", "5.0", "[2.0,1.0,2.0]"] and json.loads(row[4]) == [2, 1, 2]
    for wrong in ("SELECT VECTOR_COSINE_SIMILARITY(V, V) FROM EMB", "SELECT V::VECTOR(FLOAT, 4) FROM EMB", "CREATE TABLE BIG (V VECTOR(FLOAT, 4097))",
                  "SELECT VECTOR_COSINE_SIMILARITY(W, [1,2]::VECTOR(FLOAT, 2)) FROM EMB", "INSERT INTO EMB SELECT 5, NULL, '[1,2,3]'"):
        assert caller.sql(wrong).status == 422, wrong
    assert caller.sql("CREATE OR REPLACE VIEW NEAR AS SELECT ID, V::VECTOR(FLOAT, 3) AS V FROM EMB").status == 200
    assert caller.sql("SELECT V FROM NEAR WHERE ID = 1").json["data"] == [["[1.0,0.0,0.0]"]]


def test_what_a_preflight_asks(caller):
    described = caller.sql("DESCRIBE TABLE EMB").json
    assert [row[:2] for row in described["data"]] == [["ID", "NUMBER(38,0)"], ["V", "ARRAY"], ["W", "VECTOR(FLOAT, 3)"]]
    listed = caller.sql("SELECT COLUMN_NAME FROM DV.INFORMATION_SCHEMA.COLUMNS WHERE TABLE_NAME = ? ORDER BY ORDINAL_POSITION", "SEVEN")
    assert listed.json["data"] == [["ID"], ["P"]] and listed.json["resultSetMetaData"]["rowType"][0]["name"] == "COLUMN_NAME"
    assert "SEVEN" in {row[1] for row in caller.sql("SHOW TABLES").json["data"]}
    assert caller.sql("SELECT CURRENT_ROLE(), CURRENT_DATABASE()").json["data"] == [["DV_ROLE", "DV"]]
    assert caller.sql("DESCRIBE TABLE NOPE").code == "002003"
    assert caller.sql("SELECT 1", role="ACCOUNTADMIN").status == 403
    assert caller.sql("GRANT SELECT ON TABLE SEVEN TO ROLE R").code == "002003" and caller.sql("CREATE ROLE R").status == 200
    assert caller.sql("GRANT SELECT ON TABLE SEVEN TO ROLE R").json["data"] == [["Statement executed successfully."]]


def test_many_at_once(snow, caller):
    """Statements of several connections are carried out one after another, and none is lost."""
    snow.query("CREATE OR REPLACE TABLE MANY (A NUMBER)")
    threads = [threading.Thread(target=lambda: [caller.sql("INSERT INTO MANY VALUES (1)") for _ in range(5)]) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(snow.rows("MANY")) == 20


def test_nobody_acts_upon_half_a_request(world):
    """Whoever is killed while it sends leaves one: a statement that was never asked for is not run."""
    before = len(world.requests)
    context = ssl.create_default_context(cafile=str(world.ca))
    with socket.create_connection(("127.0.0.1", world.control.port), 10) as plain, context.wrap_socket(plain, server_hostname="localhost") as secret:
        secret.sendall(b"POST /api/v2/statements HTTP/1.1\r\nHost: localhost\r\nContent-Length: 100\r\n\r\n{\"statement\":")
        with secret.unwrap() as rest:
            assert rest.recv(1) == b""
    assert len(world.requests) == before
