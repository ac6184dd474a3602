#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""test_snowflake_emulator_sql.py - the emulator's SQL against what is known of the real one: what SHOW and DESCRIBE tell, what DDL does and
says, rows that come in one text, the numbers of its errors, vectors, roles and their grants.

The orders, names and numbers stand here as data, as Snowflake's pages and those who call it tell them. It is what the tests of SNO-1 to
SNO-6 stand on; it shows none of them itself.

shows: DEV-2
"""
import copy
import json
import pathlib
import re
import sys
import time

import pytest
from cryptography.hazmat.primitives import serialization

HERE = pathlib.Path(__file__).resolve().parents[1]
sys.path[:0] = [str(HERE / "tools"), str(HERE / "emulators")]
from snowflake import Snowflake, fakes
from snowflake_caller import Caller, knobs, restore

STATS = ("numRowsInserted", "numRowsUpdated", "numRowsDeleted", "numDuplicateRowsUpdated")
SECONDS = re.compile(r"\d{9,}\.\d{9}")
WIDE = ('CREATE OR REPLACE TABLE "DV"."PUBLIC"."WIDE" ("DV_ID" VARCHAR NOT NULL, "N" NUMBER(38,0), "P" NUMBER(10,2) DEFAULT 7, "S" VARCHAR(20) COMMENT \'a name\', '
        '"B" BOOLEAN, "F" FLOAT, "T" TIMESTAMP_NTZ, "Z" TIMESTAMP_LTZ(3), "D" DATE, "A" ARRAY, "V" VARIANT, "E" VECTOR(FLOAT, 3), "X" BINARY)')
SPOKEN = ["VARCHAR(16777216)", "NUMBER(38,0)", "NUMBER(10,2)", "VARCHAR(20)", "BOOLEAN", "FLOAT", "TIMESTAMP_NTZ(9)", "TIMESTAMP_LTZ(3)", "DATE", "ARRAY", "VARIANT",
          "VECTOR(FLOAT, 3)", "BINARY(8388608)"]
DESCRIBED = [{"type": "TEXT", "length": 16777216, "byteLength": 16777216, "nullable": False, "fixed": False},
             {"type": "FIXED", "precision": 38, "scale": 0, "nullable": True}, {"type": "FIXED", "precision": 10, "scale": 2, "nullable": True},
             {"type": "TEXT", "length": 20, "byteLength": 80, "nullable": True, "fixed": False}, {"type": "BOOLEAN", "nullable": True},
             {"type": "REAL", "nullable": True}, {"type": "TIMESTAMP_NTZ", "precision": 0, "scale": 9, "nullable": True},
             {"type": "TIMESTAMP_LTZ", "precision": 0, "scale": 3, "nullable": True}, {"type": "DATE", "nullable": True}, {"type": "ARRAY", "nullable": True},
             {"type": "VARIANT", "nullable": True}]
EMBEDDINGS = ('CREATE TABLE IF NOT EXISTS "DV"."PUBLIC"."EMBEDDINGS" ("DV_ID" VARCHAR NOT NULL, "TENANT" VARCHAR NOT NULL, "CREATED_MS" NUMBER NOT NULL, '
              '"BODY" VARCHAR NOT NULL, "EMBEDDING" ARRAY)')
VIEW = ('CREATE OR REPLACE VIEW "DV"."PUBLIC"."EMBEDDINGS_VECTORS" AS SELECT "DV_ID", "TENANT", "CREATED_MS", "BODY", "EMBEDDING"::VECTOR(FLOAT, {0}) AS "EMBEDDING" '
        'FROM "DV"."PUBLIC"."EMBEDDINGS"')
MERGE = ('MERGE INTO "DV"."PUBLIC"."EMBEDDINGS" AS T USING (SELECT value:i::VARCHAR AS I, value:t::VARCHAR AS T, value:m::NUMBER AS M, value:b::VARCHAR AS B, '
         'value:e::ARRAY AS E FROM TABLE(FLATTEN(INPUT => PARSE_JSON(?)))) AS S ON T."DV_ID" = S.I WHEN MATCHED THEN UPDATE SET T."BODY" = S.B, T."EMBEDDING" = S.E '
         'WHEN NOT MATCHED THEN INSERT ("DV_ID", "TENANT", "CREATED_MS", "BODY", "EMBEDDING") VALUES (S.I, S.T, S.M, S.B, S.E)')
NEAR = ('SELECT "DV_ID", VECTOR_COSINE_SIMILARITY("EMBEDDING", PARSE_JSON(?)::ARRAY::VECTOR(FLOAT, {0})) AS SCORE FROM "DV"."PUBLIC"."EMBEDDINGS_VECTORS" '
        'WHERE "TENANT" = ? AND "CREATED_MS" >= ? ORDER BY SCORE DESC LIMIT 5')


@pytest.fixture(scope="module")
def world(tmp_path_factory):
    with Snowflake(tmp_path_factory.mktemp("snow"), tls=False) as snow:
        yield snow


@pytest.fixture
def snow(world):
    kept = knobs(world)
    world.query(WIDE)
    world.query("DROP VIEW IF EXISTS EMBEDDINGS_VECTORS; DROP TABLE IF EXISTS EMBEDDINGS")
    world.query(EMBEDDINGS)
    yield world
    restore(world, kept)
    world.accounts.denied.clear()


@pytest.fixture(scope="module")
def first(world):
    return Caller(world)


@pytest.fixture
def caller(snow, first):
    return copy.copy(first)


def rows(answer):
    """A result's rows as dicts."""
    assert answer.status == 200, answer.raw
    names = [column["name"] for column in answer.json["resultSetMetaData"]["rowType"]]
    return [dict(zip(names, row)) for row in answer.json["data"]]


def names(answer):
    return [column["name"] for column in answer.json["resultSetMetaData"]["rowType"]]


def said(answer):
    assert answer.status == 200, answer.raw
    return answer.json["data"]


def refused(answer, code, state, *words):
    assert (answer.status, answer.code, answer.json["sqlState"]) == (422, code, state), answer.raw
    assert all(word in answer.json["message"] for word in words), answer.raw


def counted(answer):
    assert answer.status == 200, answer.raw
    return tuple(answer.json["stats"][name] for name in STATS)


# ---- what there is ----

def test_show_columns(caller):
    found = caller.sql('SHOW COLUMNS IN TABLE "DV"."PUBLIC"."WIDE"', warehouse=None)
    assert names(found) == ["table_name", "schema_name", "column_name", "data_type", "null?", "default", "kind", "expression", "comment", "database_name", "autoincrement",
                            "schema_evolution_record", "write_default"]
    told = rows(found)
    assert [row["column_name"] for row in told] == ["DV_ID", "N", "P", "S", "B", "F", "T", "Z", "D", "A", "V", "E", "X"]
    assert [json.loads(row["data_type"]) for row in told[:11]] == DESCRIBED and json.loads(told[11]["data_type"])["type"] == "VECTOR"
    assert [row["null?"] for row in told] == ["NOT_NULL"] + ["true"] * 12
    assert {(row["table_name"], row["schema_name"], row["database_name"], row["kind"]) for row in told} == {("WIDE", "PUBLIC", "DV", "COLUMN")}
    assert (told[2]["default"], told[3]["comment"], told[0]["default"], told[0]["comment"], told[0]["schema_evolution_record"]) == ("7", "a name", "", "", None)
    assert [row["column_name"] for row in rows(caller.sql("SHOW COLUMNS LIKE 'd%' IN WIDE"))] == ["DV_ID", "D"]
    assert {row["table_name"] for row in rows(caller.sql("SHOW COLUMNS IN SCHEMA DV.PUBLIC"))} == {"WIDE", "EMBEDDINGS"}
    refused(caller.sql('SHOW COLUMNS IN TABLE "DV"."PUBLIC"."Wide"'), "002003", "42S02", "DV.PUBLIC.Wide")
    refused(caller.sql("SHOW COLUMNS IN TABLE NOPE.PUBLIC.WIDE"), "002003", "02000", "Database 'NOPE'")


def test_describe(snow, caller):
    found = caller.sql('DESCRIBE TABLE "DV"."PUBLIC"."WIDE"', warehouse=None)
    assert names(found)[:10] == ["name", "type", "kind", "null?", "default", "primary key", "unique key", "check", "expression", "comment"]
    assert [(row["name"], row["type"], row["null?"]) for row in rows(found)] == [
        (name, kind, "N" if name == "DV_ID" else "Y") for name, kind in zip("DV_ID N P S B F T Z D A V E X".split(), SPOKEN)]
    assert rows(found)[0]["comment"] is None  # SHOW has an empty text, DESCRIBE a null
    snow.query(VIEW.format(3))
    assert [row["type"] for row in rows(caller.sql("DESC VIEW EMBEDDINGS_VECTORS"))] == ["VARCHAR(16777216)", "VARCHAR(16777216)", "NUMBER(38,0)", "VARCHAR(16777216)",
                                                                                         "VECTOR(FLOAT, 3)"]
    assert said(caller.sql("DESCRIBE TABLE EMBEDDINGS_VECTORS")) == said(caller.sql("DESC VIEW EMBEDDINGS_VECTORS"))
    refused(caller.sql("DESCRIBE TABLE NOPE"), "002003", "42S02", "Table 'NOPE' does not exist or not authorized.")


@pytest.mark.parametrize("text,begin,found", [
    ("SHOW TABLES LIKE 'wid_' IN SCHEMA \"DV\".\"PUBLIC\"", ["created_on", "name", "database_name", "schema_name", "kind", "comment", "cluster_by", "rows", "bytes", "owner"], ["WIDE"]),
    ("SHOW TABLES IN DATABASE DV", ["created_on", "name"], ["EMBEDDINGS", "WIDE"]), ("SHOW TABLES STARTS WITH 'wi'", ["created_on"], []),
    ("SHOW TABLES LIMIT 1", ["created_on"], ["EMBEDDINGS"]), ("SHOW TABLES LIKE 'E\\\\_%'", ["created_on"], []),
    ("SHOW WAREHOUSES LIKE 'wh'", ["name", "state", "type", "size", "min_cluster_count", "max_cluster_count", "started_clusters"], ["WH"]),
    ("SHOW DATABASES LIKE 'D%'", ["created_on", "name", "is_default", "is_current", "origin", "owner"], ["DV"]),
    ("SHOW SCHEMAS LIKE 'public' IN DATABASE DV", ["created_on", "name", "is_default", "is_current", "database_name"], ["PUBLIC"]),
    ("SHOW SCHEMAS", ["created_on"], ["INFORMATION_SCHEMA", "PUBLIC"]),
    ("SHOW PIPES LIKE 'BIG' IN SCHEMA DV.PUBLIC", ["created_on", "name", "database_name", "schema_name", "definition", "owner", "notification_channel"], ["BIG"]),
    ("SHOW ROLES LIKE 'DV%'", ["created_on", "name"], ["DV_ROLE"]), ("SHOW VIEWS", ["created_on", "name"], [])])
def test_show(snow, caller, text, begin, found):
    snow.query("CREATE OR REPLACE PIPE BIG AS COPY INTO WIDE FROM (SELECT $1:i FROM TABLE(DATA_SOURCE(TYPE => 'STREAMING')))")
    answer = caller.sql(text, warehouse=None)
    assert names(answer)[:len(begin)] == begin and [row["name"] for row in rows(answer)] == found
    assert all(SECONDS.fullmatch(row["created_on"]) for row in rows(answer))


def test_describe_pipe(snow, caller):
    """A default pipe is there with its table, and nobody's; another one is told to who may do something with it."""
    snow.query("CREATE OR REPLACE PIPE BIG AS COPY INTO WIDE FROM (SELECT $1:i FROM TABLE(DATA_SOURCE(TYPE => 'STREAMING')))")
    found = caller.sql('DESC PIPE "DV"."PUBLIC"."WIDE-STREAMING"', warehouse=None)
    assert names(found) == ["created_on", "name", "database_name", "schema_name", "definition", "owner", "notification_channel", "comment", "integration", "pattern",
                            "error_integration", "invalid_reason", "kind"]
    (default,), (made,) = rows(found), rows(caller.sql("DESCRIBE PIPE BIG"))
    assert (default["name"], default["owner"], default["invalid_reason"]) == ("WIDE-STREAMING", None, None) and default["definition"].startswith("COPY INTO")
    assert default["comment"] == "Default pipe for Snowpipe Streaming High Performance ingestion to a table. Created and managed by Snowflake."
    assert (made["name"], made["owner"], made["schema_name"]) == ("BIG", "ACCOUNTADMIN", "PUBLIC") and made["definition"].startswith("COPY INTO WIDE")
    snow.query("CREATE ROLE SENDER; GRANT ROLE SENDER TO USER DATAVAULT; GRANT USAGE ON DATABASE DV TO ROLE SENDER; GRANT USAGE ON SCHEMA DV.PUBLIC TO ROLE SENDER")
    refused(caller.sql("DESC PIPE BIG", role="SENDER", warehouse=None), "002003", "02000", "Pipe 'BIG' does not exist or not authorized.")
    snow.query("GRANT MONITOR ON PIPE DV.PUBLIC.BIG TO ROLE SENDER")
    assert len(rows(caller.sql("DESC PIPE BIG", role="SENDER", warehouse=None))) == 1
    refused(caller.sql('DESC PIPE "NOPE-STREAMING"'), "002003", "02000", "NOPE-STREAMING")
    snow.query("DROP PIPE BIG; DROP ROLE SENDER")


def test_information_schema(snow, caller):
    snow.query(VIEW.format(3))
    text = ("SELECT COLUMN_NAME, DATA_TYPE, IS_NULLABLE, CHARACTER_MAXIMUM_LENGTH, NUMERIC_PRECISION, NUMERIC_SCALE FROM \"DV\".INFORMATION_SCHEMA.COLUMNS "
            "WHERE TABLE_SCHEMA = ? AND TABLE_NAME = ? ORDER BY ORDINAL_POSITION")
    assert said(caller.sql(text, "PUBLIC", "EMBEDDINGS_VECTORS")) == [
        ["DV_ID", "TEXT", "NO", "16777216", None, None], ["TENANT", "TEXT", "NO", "16777216", None, None], ["CREATED_MS", "NUMBER", "NO", None, "38", "0"],
        ["BODY", "TEXT", "NO", "16777216", None, None], ["EMBEDDING", "VECTOR", "YES", None, None, None]]
    assert said(caller.sql(text, "PUBLIC", "embeddings")) == []
    caller.sql("INSERT INTO WIDE (DV_ID) VALUES ('a'), ('b')")
    assert said(caller.sql("SELECT T.TABLE_NAME, T.TABLE_TYPE, T.ROW_COUNT FROM INFORMATION_SCHEMA.TABLES T ORDER BY 1")) == [
        ["EMBEDDINGS", "BASE TABLE", "0"], ["EMBEDDINGS_VECTORS", "VIEW", None], ["WIDE", "BASE TABLE", "2"]]
    assert said(caller.sql("SELECT SCHEMA_NAME FROM DV.INFORMATION_SCHEMA.SCHEMATA ORDER BY 1")) == [["INFORMATION_SCHEMA"], ["PUBLIC"]]
    refused(caller.sql(text, "a", "b", warehouse=None), "000606", "57P03")  # a view of it needs a warehouse, SHOW does not
    refused(caller.sql("SELECT 1 FROM INFORMATION_SCHEMA.NOPE"), "002003", "42S02")


def test_what_a_session_is(caller):
    text = "SELECT CURRENT_ROLE(), CURRENT_WAREHOUSE(), CURRENT_DATABASE(), CURRENT_SCHEMA(), CURRENT_USER(), CURRENT_TIMESTAMP()"
    found = said(caller.sql(text))[0]
    assert found[:5] == ["DV_ROLE", "WH", "DV", "PUBLIC", "DATAVAULT"] and abs(float(found[5]) - time.time()) < 60
    assert said(caller.sql(text, warehouse=None, database=None, schema=None))[0][:4] == ["DV_ROLE", None, None, None]
    refused(caller.sql("SELECT 1 FROM EMBEDDINGS", schema=None), "090106", "22000")
    refused(caller.sql("SELECT 1 FROM EMBEDDINGS", schema=None, database=None), "090105", "22000")
    assert caller.sql("SELECT COUNT(*) FROM DV.PUBLIC.EMBEDDINGS", schema=None, database=None).status == 200


def test_a_warehouse_that_does_not_run(snow, caller):
    snow.query("ALTER WAREHOUSE WH SUSPEND")
    refused(caller.sql("SELECT COUNT(*) FROM WIDE"), "000606", "57P03", "No active warehouse")
    assert rows(caller.sql("SHOW WAREHOUSES"))[0]["state"] == "SUSPENDED" and caller.sql("DESCRIBE TABLE WIDE").status == 200
    snow.query("ALTER WAREHOUSE WH RESUME")
    assert caller.sql("SELECT COUNT(*) FROM WIDE").status == 200 and rows(caller.sql("SHOW WAREHOUSES"))[0]["state"] == "STARTED"
    refused(caller.sql("SELECT 1", warehouse="NOPE"), "391920", "02000")


# ---- DDL ----

@pytest.mark.parametrize("text,told", [
    ("CREATE SCHEMA IF NOT EXISTS \"DV\".\"PUBLIC\"", "PUBLIC already exists, statement succeeded."),
    ("CREATE DATABASE IF NOT EXISTS DV", "DV already exists, statement succeeded."), ("CREATE WAREHOUSE IF NOT EXISTS WH", "WH already exists, statement succeeded."),
    (EMBEDDINGS, "EMBEDDINGS already exists, statement succeeded."), (VIEW.format(3), "View EMBEDDINGS_VECTORS successfully created."),
    ("CREATE OR REPLACE TABLE WIDE (A NUMBER) ENABLE_SCHEMA_EVOLUTION = TRUE ERROR_LOGGING = TRUE COMMENT = 'x'", "Table WIDE successfully created."),
    ("ALTER TABLE WIDE ADD COLUMN IF NOT EXISTS N NUMBER", "Statement executed successfully."), ("ALTER TABLE WIDE ADD COLUMN M VARCHAR(5), K ARRAY", "Statement executed successfully."),
    ("COMMENT ON TABLE WIDE IS 'wide'", "Statement executed successfully."), ("DROP TABLE IF EXISTS NOPE", "Drop statement executed successfully (NOPE already dropped)."),
    ("DROP TABLE WIDE", "WIDE successfully dropped."), ("TRUNCATE TABLE IF EXISTS NOPE", "Statement executed successfully.")])
def test_ddl(caller, text, told):
    assert said(caller.sql(text, warehouse=None)) == [[told]]


@pytest.mark.parametrize("code,state,text", [
    ("002002", "42710", "CREATE TABLE WIDE (A NUMBER)"), ("002002", "42710", "CREATE SCHEMA DV.PUBLIC"), ("002002", "42710", "CREATE DATABASE DV"),
    ("001430", "42601", "ALTER TABLE WIDE ADD COLUMN N NUMBER"), ("000904", "42000", "ALTER TABLE WIDE DROP COLUMN NOPE"),
    ("002003", "42S02", "ALTER TABLE NOPE ADD COLUMN A NUMBER"), ("002003", "42S02", "DROP TABLE NOPE"), ("002003", "02000", "CREATE TABLE DV.NOPE.T (A NUMBER)"),
    ("002003", "02000", "CREATE SCHEMA NOPE.X"), ("002003", "42S02", "CREATE VIEW V AS SELECT * FROM NOPE"), ("001409", "42000", "ALTER TABLE WIDE ADD COLUMN M NUMBER NOT NULL"),
    ("001007", "22023", "CREATE TABLE BIG (V VECTOR(FLOAT, 4097))"), ("002003", "42S02", "COMMENT ON TABLE NOPE IS 'x'"), ("002003", "02000", "DROP SCHEMA NOPE"),
    ("001003", "42000", "CALL X()"), ("001003", "42000", "SHOW NOTHINGS")])
def test_ddl_that_fails(snow, caller, code, state, text):
    snow.query("INSERT INTO WIDE (DV_ID) VALUES ('a')")
    refused(caller.sql(text), code, state)


def test_what_ddl_leaves(snow, caller):
    snow.query("INSERT INTO WIDE (DV_ID) VALUES ('a')")
    assert caller.sql("ALTER TABLE WIDE ADD COLUMN M VARCHAR(5) NOT NULL DEFAULT 'dflt' COMMENT 'late'").status == 200
    assert said(caller.sql("SELECT M, P FROM WIDE")) == [["dflt", "7.00"]]
    refused(caller.sql("INSERT INTO WIDE (DV_ID, M) VALUES ('b', 'longer')"), "100078", "22000", "too long")
    refused(caller.sql("INSERT INTO WIDE (DV_ID, M) VALUES ('b', NULL)"), "100072", "22000")
    late = rows(caller.sql("DESCRIBE TABLE WIDE"))[-1]
    assert (late["name"], late["type"], late["null?"], late["comment"]) == ("M", "VARCHAR(5)", "N", "late")
    caller.sql("COMMENT ON TABLE WIDE IS 'what it is for'")
    caller.sql("ALTER TABLE WIDE SET ENABLE_SCHEMA_EVOLUTION = TRUE")
    told = rows(caller.sql("SHOW TABLES LIKE 'WIDE'"))[0]
    assert (told["comment"], told["enable_schema_evolution"], told["rows"]) == ("what it is for", "Y", "1")
    assert caller.sql('CREATE TABLE "wide" (A NUMBER)').status == 422 or said(caller.sql('SELECT COUNT(*) FROM "wide"')) == [["0"]]
    refused(caller.sql('SELECT * FROM "Wide"'), "002003", "42S02")


# ---- rows in one text ----

def test_merge(snow, caller):
    def text(*pairs):
        return json.dumps([{"i": name, "t": "a", "m": "1700000000123", "b": body, "e": [1, 0.5]} for name, body in pairs])
    assert counted(caller.sql(MERGE, text(("1", "x"), ("2", "y")))) == (2, 0, 0, 0)
    answer = caller.sql(MERGE, text(("2", "yy"), ("3", "z")))
    assert counted(answer) == (1, 1, 0, 0) and said(answer) == [["1", "1"]]
    assert [(row["DV_ID"], row["BODY"], row["EMBEDDING"], row["CREATED_MS"]) for row in snow.rows("EMBEDDINGS")] == [
        ("1", "x", [1, 0.5], 1700000000123), ("2", "yy", [1, 0.5], 1700000000123), ("3", "z", [1, 0.5], 1700000000123)]
    refused(caller.sql(MERGE, text(("2", "p"), ("2", "q"))), "100090", "42P18", "Duplicate row detected during DML action")
    assert counted(caller.sql(MERGE, text(("9", "p"), ("9", "q")))) == (2, 0, 0, 0)  # what nothing matches comes in as often as it is there
    refused(caller.sql(MERGE, json.dumps([{"i": "4", "t": "a", "m": "soon", "b": "x"}])), "100071", "22000", 'Failed to cast variant value "soon" to FIXED')
    refused(caller.sql(MERGE, json.dumps([{"i": "4", "t": "a", "m": "1"}])), "100072", "22000", "NULL result in a non-nullable column")
    refused(caller.sql(MERGE, "[{"), "100069", "22P02", "Error parsing JSON")
    assert len(snow.rows("EMBEDDINGS")) == 5  # a statement that fails does nothing
    gone = "DELETE FROM EMBEDDINGS WHERE TENANT = ? AND DV_ID IN (SELECT value::VARCHAR FROM TABLE(FLATTEN(PARSE_JSON(?))))"
    assert counted(caller.sql(gone, "a", '["1", "9", "nobody"]')) == (0, 0, 3, 0) and counted(caller.sql(gone, "b", '["2"]')) == (0, 0, 0, 0)
    assert counted(caller.sql("UPDATE EMBEDDINGS SET BODY = ? WHERE DV_ID = ?", "new", "2")) == (0, 1, 0, 0)


@pytest.mark.parametrize("column,value,code,state", [
    ("N", "abc", "100071", "22000"), ("N", [1], "100071", "22000"), ("P", "1e99", "100046", "22003"), ("P", 123456789, "100046", "22003"), ("F", "x", "100071", "22000"), ("B", "maybe", "100071", "22000"),
    ("T", "when", "100071", "22000"), ("D", "2026-13-01", "100071", "22000"), ("S", "x" * 21, "100078", "22000")])
def test_values_that_do_not_fit(caller, column, value, code, state):
    """From a VARIANT, with a cast or without; from a text they have numbers of their own."""
    for form in ("value:x", f"value:x::{dict(zip('N P S B F T D'.split(), ['NUMBER', 'NUMBER(10,2)', 'VARCHAR', 'BOOLEAN', 'FLOAT', 'TIMESTAMP_NTZ', 'DATE']))[column]}"):
        refused(caller.sql(f"INSERT INTO WIDE (DV_ID, {column}) SELECT 'a', {form} FROM TABLE(FLATTEN(PARSE_JSON(?)))", json.dumps([{"x": value}])), code, state)
    if isinstance(value, str) and code != "100078":
        own = {"N": ("100038", "22018"), "P": ("100039", "22003"), "F": ("100038", "22018"), "B": ("100037", "22018"), "T": ("100035", "22007"), "D": ("100040", "22007")}
        refused(caller.sql(f"INSERT INTO WIDE (DV_ID, {column}) SELECT 'a', ?", value), *own[column], "is out of range" if column == "P" else "is not recognized")


def test_values_that_fit(snow, caller):
    text = json.dumps([{"n": 7, "p": 1.239, "s": "ü" * 20, "b": "true", "f": "1e3", "t": "2026-01-02 03:04:05.678", "m": 1700000000123, "d": "2026-01-02", "a": [1, "x"],
                        "v": {"k": None}}, {}])
    assert counted(caller.sql("INSERT INTO WIDE (DV_ID, N, P, S, B, F, T, Z, D, A, V) SELECT 'a', value:n, value:p, value:s, value:b, value:f, value:t, "
                              "TO_TIMESTAMP_NTZ(value:m::NUMBER, 3), value:d, value:a, value:v FROM TABLE(FLATTEN(PARSE_JSON(?)))", text)) == (2, 0, 0, 0)
    assert said(caller.sql("SELECT N, P, S, B, F, T, Z, D FROM WIDE ORDER BY N NULLS LAST")) == [
        ["7", "1.24", "ü" * 20, "true", "1000.0", "1767323045.678000000", "1700000000.123000000", "20455"], [None] * 8]
    kinds = [column["type"] for column in caller.sql("SELECT A, V, E, T FROM WIDE").json["resultSetMetaData"]["rowType"]]
    assert kinds == ["ARRAY", "VARIANT", "VECTOR", "TIMESTAMP_NTZ"]


def test_a_text_has_an_end(snow, caller):
    assert snow.engine.text_max == 16 << 20
    snow.engine.text_max = 1000
    assert caller.sql("SELECT LENGTH(?)", "x" * 1000).status == 200
    refused(caller.sql("SELECT ARRAY_SIZE(PARSE_JSON(?))", json.dumps(["x" * 1000])), "100069", "22P02", "too large")
    snow.engine.text_max = 16 << 20
    answer = caller.call("POST", "/api/v2/statements", {"statement": "SELECT ?", "bindings": {"1": {"type": "TEXT", "value": ["a", "b"]}}})
    assert (answer.status, answer.code) == (400, "390142")  # arrays of values are the drivers' own


# ---- vectors ----

def test_vectors_in_a_view(snow, caller):
    snow.query(VIEW.format(3))
    vectors = {"a": [1, 0, 0], "b": [0.6, 0.8, 0], "c": [-1, 0, 0], "d": [2, 1, 2]}
    caller.sql(MERGE, json.dumps([{"i": name, "t": "t" if name != "d" else "other", "m": at, "b": "x", "e": vector} for at, (name, vector) in enumerate(vectors.items())]))
    found = said(caller.sql(NEAR.format(3), "[1, 0.5, 0]", "t", ("FIXED", "0")))
    assert [name for name, _ in found] == ["b", "a", "c"] or [name for name, _ in found] == ["a", "b", "c"]
    assert all(abs(float(score) - fakes.cosine(vectors[name], [1, 0.5, 0])) < 1e-4 for name, score in found)
    assert [float(score) for _, score in found] == sorted((float(score) for _, score in found), reverse=True)
    assert [name for name, _ in said(caller.sql(NEAR.format(3), "[1, 0.5, 0]", "t", ("FIXED", "2")))] == ["c"]
    for wrong in ("[1, 0.5]", "[1, 0.5, 0, 0]"):
        refused(caller.sql(NEAR.format(3), wrong, "t", ("FIXED", "0")), "220000", "22000", "incorrect dimension")
    caller.sql(MERGE, json.dumps([{"i": "e", "t": "t", "m": 9, "b": "x", "e": [1, 2]}]))  # an ARRAY takes any width
    refused(caller.sql(NEAR.format(3), "[1, 0.5, 0]", "t", ("FIXED", "0")), "220000", "22000", "incorrect dimension")
    refused(caller.sql("SELECT VECTOR_COSINE_SIMILARITY([1,2]::VECTOR(FLOAT, 2), [1,2,3]::VECTOR(FLOAT, 3))"), "001044", "42P13")
    assert said(caller.sql("SELECT EMBEDDING FROM EMBEDDINGS_VECTORS WHERE DV_ID = 'b'")) == [["[0.6,0.8,0.0]"]]
    refused(caller.call("POST", "/api/v2/statements", {"statement": "SELECT 1 < 2 FROM NOPE", "database": "DV", "schema": "PUBLIC", "warehouse": "WH"}), "002003", "42S02")


# ---- roles ----

@pytest.fixture
def writer(snow, caller):
    """A role that was made for the test and has nothing yet; its caller."""
    snow.query("CREATE ROLE DV_WRITER; GRANT ROLE DV_WRITER TO USER DATAVAULT")

    def ask(text, *binds, **more):
        return caller.sql(text, *binds, **{"role": "DV_WRITER", "database": None, "schema": None, "warehouse": None, **more})
    yield ask
    snow.query("DROP ROLE DV_WRITER")


def test_a_role_has_what_was_granted(snow, writer):
    """Step by step, each with the error that the missing one brings."""
    insert, select = "INSERT INTO DV.PUBLIC.WIDE (DV_ID) SELECT ?", "SELECT COUNT(*) FROM DV.PUBLIC.WIDE"
    refused(writer("DESCRIBE TABLE DV.PUBLIC.WIDE"), "002003", "02000", "Database 'DV'")
    refused(writer("SHOW COLUMNS IN TABLE DV.PUBLIC.WIDE"), "002003", "02000", "Database 'DV'")
    refused(writer("SELECT CURRENT_ROLE()", database="DV"), "391918", "02000")
    snow.query("GRANT USAGE ON DATABASE DV TO ROLE DV_WRITER")
    refused(writer("DESCRIBE TABLE DV.PUBLIC.WIDE"), "002003", "02000", "Schema 'DV.PUBLIC'")
    refused(writer("SELECT CURRENT_ROLE()", database="DV", schema="PUBLIC"), "391919", "02000")
    snow.query('GRANT USAGE ON SCHEMA "DV"."PUBLIC" TO ROLE DV_WRITER')
    refused(writer("DESCRIBE TABLE DV.PUBLIC.WIDE"), "002003", "42S02", "does not exist or not authorized")
    assert said(writer("SHOW TABLES IN SCHEMA DV.PUBLIC")) == []
    refused(writer(select), "000606", "57P03")
    refused(writer(select, warehouse="WH"), "391920", "02000")
    snow.query("GRANT USAGE ON WAREHOUSE WH TO ROLE DV_WRITER")
    refused(writer(select, warehouse="WH"), "002003", "42S02", "does not exist or not authorized")
    snow.query("GRANT INSERT ON TABLE DV.PUBLIC.WIDE TO ROLE DV_WRITER")
    assert counted(writer(insert, "a", warehouse="WH")) == (1, 0, 0, 0) and writer("DESCRIBE TABLE DV.PUBLIC.WIDE").status == 200
    refused(writer(select, warehouse="WH"), "003001", "42501", "Insufficient privileges to operate on table 'WIDE'")
    snow.query("GRANT SELECT ON TABLE DV.PUBLIC.WIDE TO ROLE DV_WRITER")
    assert said(writer(select, warehouse="WH")) == [["1"]] and len(said(writer("SHOW TABLES IN SCHEMA DV.PUBLIC"))) == 1
    assert [row["privilege"] for row in rows(writer("SHOW GRANTS TO ROLE DV_WRITER"))] == ["INSERT", "SELECT", "USAGE", "USAGE", "USAGE"]
    refused(writer("CREATE TABLE DV.PUBLIC.MINE (A NUMBER)"), "003001", "42501", "schema 'PUBLIC'", "CREATE TABLE granted on SCHEMA DV.PUBLIC")
    refused(writer("CREATE SCHEMA DV.MINE"), "003001", "42501")
    refused(writer("DROP TABLE DV.PUBLIC.WIDE"), "003001", "42501")
    refused(writer("ALTER TABLE DV.PUBLIC.WIDE ADD COLUMN Q NUMBER"), "003001", "42501")
    refused(writer("GRANT SELECT ON TABLE DV.PUBLIC.WIDE TO ROLE PUBLIC"), "003001", "42501")
    refused(writer("DELETE FROM DV.PUBLIC.WIDE", warehouse="WH"), "003001", "42501")
    refused(writer("MERGE INTO DV.PUBLIC.WIDE T USING (SELECT 'b' AS I) S ON T.DV_ID = S.I WHEN MATCHED THEN UPDATE SET N = 1", warehouse="WH"), "003001", "42501")
    snow.query("GRANT CREATE TABLE, CREATE VIEW ON SCHEMA DV.PUBLIC TO ROLE DV_WRITER")
    assert writer("CREATE TABLE DV.PUBLIC.MINE (A NUMBER)").status == 200 and writer("GRANT SELECT ON TABLE DV.PUBLIC.MINE TO ROLE PUBLIC").status == 200
    refused(writer("GRANT USAGE ON SCHEMA DV.PUBLIC TO ROLE PUBLIC"), "003001", "42501")
    assert writer("DROP TABLE DV.PUBLIC.MINE").status == 200  # what it made is its own
    snow.query("GRANT CREATE SCHEMA ON DATABASE DV TO ROLE DV_WRITER")
    assert [writer(text).status for text in ("CREATE SCHEMA DV.MINE", "CREATE TABLE DV.MINE.T (A NUMBER)", "GRANT USAGE ON SCHEMA DV.MINE TO ROLE PUBLIC")] == [200] * 3
    assert writer("DROP SCHEMA DV.MINE").status == 200
    snow.query("REVOKE SELECT ON TABLE DV.PUBLIC.WIDE FROM ROLE DV_WRITER")
    refused(writer(select, warehouse="WH"), "003001", "42501")
    snow.query("GRANT SELECT ON ALL TABLES IN SCHEMA DV.PUBLIC TO ROLE DV_WRITER")
    assert said(writer(select, warehouse="WH")) == [["1"]]


def test_a_view_is_read_without_its_table(snow, writer):
    snow.query(VIEW.format(3))
    snow.query("GRANT USAGE ON DATABASE DV TO ROLE DV_WRITER; GRANT USAGE ON SCHEMA DV.PUBLIC TO ROLE DV_WRITER; GRANT USAGE ON WAREHOUSE WH TO ROLE DV_WRITER; "
               "GRANT SELECT ON VIEW DV.PUBLIC.EMBEDDINGS_VECTORS TO ROLE DV_WRITER")
    assert said(writer("SELECT COUNT(*) FROM DV.PUBLIC.EMBEDDINGS_VECTORS", warehouse="WH")) == [["0"]]
    refused(writer("SELECT COUNT(*) FROM DV.PUBLIC.EMBEDDINGS", warehouse="WH"), "002003", "42S02")


def test_what_is_denied(snow, caller):
    for privilege, text in (("INSERT", "INSERT INTO WIDE (DV_ID) SELECT 'a'"), ("SELECT", "SELECT * FROM WIDE"), ("OWNERSHIP", "DROP TABLE WIDE")):
        snow.accounts.denied = {(privilege, "DV.PUBLIC.WIDE")}
        refused(caller.sql(text), "003001", "42501")
        snow.accounts.denied = {("ALL", "DV.PUBLIC.WIDE")}
        refused(caller.sql(text), "002003", "42S02")
    snow.accounts.denied = {("CREATE TABLE", "DV.PUBLIC")}
    refused(caller.sql("CREATE TABLE ONE (A NUMBER)"), "003001", "42501")
    for name, code in (("DV", "391918"), ("DV.PUBLIC", "391919"), ("WH", "391920")):
        snow.accounts.denied = {("USAGE", name)}
        refused(caller.sql("SELECT 1"), code, "02000")
    snow.accounts.denied = set()
    snow.cortex_granted = False
    refused(caller.sql("SELECT AI_EMBED('e5-base-v2', 'x')"), "002141", "42601")
    snow.cortex_granted, snow.ai_functions_granted = True, False  # since February 2026 both are needed
    refused(caller.sql("SELECT AI_EMBED('e5-base-v2', 'x')"), "002141", "42601")
    assert caller.sql("SELECT 1", role="ACCOUNTADMIN").code == "390189"  # not one of the user's


def test_a_user_as_the_pages_make_one(snow, caller):
    der = Caller.other_key()
    key = der.public_key().public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo).decode()
    snow.query("CREATE ROLE LOADERS; GRANT USAGE ON WAREHOUSE WH TO ROLE LOADERS")
    snow.query("CREATE USER DV_LOADER TYPE = SERVICE DEFAULT_ROLE = LOADERS DEFAULT_WAREHOUSE = 'WH' RSA_PUBLIC_KEY = '" + "".join(key.split("\n")[1:-2]) + "'")
    snow.query("GRANT ROLE LOADERS TO USER DV_LOADER")
    caller.token = caller.jwt(key=der, user="DV_LOADER")
    assert said(caller.sql("SELECT CURRENT_ROLE(), CURRENT_USER()", database=None, schema=None)) == [["LOADERS", "DV_LOADER"]]
    assert caller.sql("SELECT 1", database=None, schema=None, warehouse=None).status == 200  # by its own warehouse
    refused(caller.sql("CREATE ROLE MORE", database=None, schema=None), "003001", "42501")


def test_a_session_has_all_roles_of_its_user(snow, caller):
    """Beside the one that it says, unless the user was made with DEFAULT_SECONDARY_ROLES = (): as since the bundle 2024_08. Only CREATE asks the one alone."""
    der = Caller.other_key()
    key = der.public_key().public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo).decode()
    snow.query("CREATE ROLE FEW; CREATE ROLE MANY; CREATE TABLE KEPT (A NUMBER); GRANT USAGE ON DATABASE DV TO ROLE FEW; GRANT USAGE, CREATE TABLE ON SCHEMA DV.PUBLIC TO ROLE MANY; "
               "GRANT USAGE ON SCHEMA DV.PUBLIC TO ROLE FEW; GRANT SELECT ON TABLE KEPT TO ROLE FEW; GRANT OWNERSHIP ON TABLE KEPT TO ROLE MANY")
    snow.query("CREATE USER BOTH TYPE = SERVICE DEFAULT_ROLE = FEW RSA_PUBLIC_KEY = '" + "".join(key.split("\n")[1:-2]) + "'")
    snow.query("GRANT ROLE FEW TO USER BOTH; GRANT ROLE MANY TO USER BOTH")
    caller.token = caller.jwt(key=der, user="BOTH")
    refused(caller.sql("CREATE TABLE MORE (A NUMBER)", role="FEW", warehouse=None), "003001", "42501")
    snow.query("ALTER USER BOTH SET DEFAULT_SECONDARY_ROLES = ()")
    refused(caller.sql("DROP TABLE KEPT", role="FEW", warehouse=None), "003001", "42501")
    snow.query("ALTER USER BOTH SET DEFAULT_SECONDARY_ROLES = ('ALL')")
    assert caller.sql("DROP TABLE KEPT", role="FEW", warehouse=None).status == 200
    snow.query("DROP USER BOTH; DROP ROLE FEW; DROP ROLE MANY")


def test_a_channel_needs_what_its_role_was_granted(snow, caller):
    """INSERT and USAGE; OPERATE for a pipe that somebody made. A role of the scoped token's, else the user's own."""
    snow.query("CREATE ROLE SENDER; GRANT ROLE SENDER TO USER DATAVAULT; CREATE OR REPLACE PIPE OWN AS COPY INTO WIDE (DV_ID) FROM (SELECT $1:i FROM "
               "TABLE(DATA_SOURCE(TYPE => 'STREAMING')))")

    def opened(pipe="WIDE-STREAMING"):
        caller.scoped = caller.oauth(f"{snow.ingest_host} session:role:SENDER").json["token"]
        return caller.open(pipe=pipe).status
    for grant in ("USAGE ON DATABASE DV", "USAGE ON SCHEMA DV.PUBLIC", "INSERT ON TABLE DV.PUBLIC.WIDE"):
        assert opened() == 404
        snow.query(f"GRANT {grant} TO ROLE SENDER")
    assert (opened(), opened("OWN")) == (200, 404)
    snow.query("GRANT OPERATE ON PIPE DV.PUBLIC.OWN TO ROLE SENDER")
    assert opened("OWN") == 200
    snow.accounts.denied = {("INSERT", "DV.PUBLIC.WIDE")}
    assert opened() == 404 and caller.open(pipe="WIDE-STREAMING").json["code"] == "ERR_PIPE_DOES_NOT_EXIST_OR_NOT_AUTHORIZED"
    snow.query("DROP PIPE OWN; DROP ROLE SENDER")


# ---- error logging ----

def test_error_logging_lets_a_statement_succeed_without_its_bad_rows(snow, caller):
    """The trap: no error, and not all rows are there. Only the counts and the error table tell."""
    snow.query("ALTER TABLE EMBEDDINGS SET ERROR_LOGGING = TRUE")
    made = [{"i": str(at), "t": "t", "m": "soon" if at == 3 else at, "b": None if at == 5 else "x"} for at in range(8)]
    assert counted(caller.sql(MERGE, json.dumps(made))) == (6, 0, 0, 0)
    assert [row["DV_ID"] for row in snow.rows("EMBEDDINGS")] == ["0", "1", "2", "4", "6", "7"]
    found = said(caller.sql("SELECT ERROR_METADATA:error_message::VARCHAR, ERROR_DATA:i::VARCHAR FROM ERROR_TABLE(DV.PUBLIC.EMBEDDINGS) ORDER BY 2"))
    assert [name for _, name in found] == ["3", "5"] and "Failed to cast" in found[0][0] and "NULL result" in found[1][0]
    assert counted(caller.sql(MERGE, json.dumps([made[3]]))) == (0, 0, 0, 0)
    refused(caller.sql(MERGE, json.dumps([{**made[1], "b": "p"}, {**made[1], "b": "q"}])), "100090", "42P18")  # not an error of one row
    refused(caller.sql("SELECT * FROM ERROR_TABLE(WIDE)"), "002003", "42S02")
