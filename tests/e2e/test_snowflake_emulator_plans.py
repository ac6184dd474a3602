#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""test_snowflake_emulator_plans.py - the emulator's EXPLAIN, and statements that read the results of those before them (`->>`), as Snowflake's pages show them.

Plans, results and limits stand here as the pages' examples have them. It is what the tests of SNO-3 stand on; it shows none of them itself.

shows: DEV-2
"""
import pathlib
import sys

import pytest

HERE = pathlib.Path(__file__).resolve().parents[1]
sys.path[:0] = [str(HERE / "tools"), str(HERE / "emulators"), str(HERE / "e2e")]
from snowflake import Snowflake
from snowflake_caller import Caller
from test_snowflake_emulator_sql import names, refused, rows, said

JOINED = "SELECT Z1.ID, Z2.ID FROM Z1, Z2 WHERE Z2.ID = Z1.ID"
PLAN = [[None, None, None, "GlobalStats", None, None, None, "2", "2", "1024"],
        ["1", "0", None, "Result", None, None, "Z1.ID, Z2.ID", None, None, None],
        ["1", "1", "[0]", "InnerJoin", None, None, "joinKey: (Z2.ID = Z1.ID)", None, None, None],
        ["1", "2", "[1]", "TableScan", "DV.PUBLIC.Z2", None, "ID", "1", "1", "512"],
        ["1", "3", "[1]", "JoinFilter", None, None, "joinKey: (Z2.ID = Z1.ID)", None, None, None],
        ["1", "4", "[3]", "TableScan", "DV.PUBLIC.Z1", None, "ID", "1", "1", "512"]]


@pytest.fixture(scope="module")
def snow(tmp_path_factory):
    with Snowflake(tmp_path_factory.mktemp("snow"), tls=False) as account:
        yield account


@pytest.fixture
def paged(snow):
    """A caller, and tables of Snowflake's pages."""
    snow.query("CREATE TABLE Z1 (ID INTEGER); CREATE TABLE Z2 (ID INTEGER); CREATE TABLE DEPT (DEPTNO NUMBER(2), DNAME VARCHAR(14)); "
               "INSERT INTO DEPT VALUES (10, 'ACCOUNTING'), (30, 'SALES'); CREATE TABLE EMP (ENAME VARCHAR(10), SAL NUMBER(7,2), DEPTNO NUMBER(2)); "
               "INSERT INTO EMP VALUES ('ALLEN', 1600, 30), ('WARD', 1250, 30), ('BLAKE', 2850, 30), ('CLARK', 2450, 10)")
    yield Caller(snow)
    snow.query("DROP TABLE Z1; DROP TABLE Z2; DROP TABLE DEPT; DROP TABLE EMP")


def test_explain(snow, paged):
    """The page's plan, without a warehouse and without a run; what the page does not show is refused."""
    found = paged.sql(f"EXPLAIN {JOINED}", warehouse=None)
    assert names(found) == ["step", "id", "parentOperators", "operation", "objects", "alias", "expressions", "partitionsTotal", "partitionsAssigned", "bytesAssigned"]
    assert said(found) == said(paged.sql(f"EXPLAIN USING TABULAR {JOINED}")) == PLAN
    content = rows(paged.sql(f"EXPLAIN USING JSON {JOINED}"))[0]["content"]
    assert content.startswith('{"GlobalStats":{"partitionsTotal":2,"partitionsAssigned":2,"bytesAssigned":1024},"Operations":[[{"id":0,"operation":"Result",'
                              '"expressions":["Z1.ID","Z2.ID"]},{"id":1,"parentOperators":[0],"operation":"InnerJoin","expressions":["joinKey: (Z2.ID = Z1.ID)"]},')
    assert [row["operation"] for row in rows(paged.sql("EXPLAIN SELECT ENAME FROM EMP AS E WHERE SAL > ?", ("FIXED", "7")))] == ["GlobalStats", "Result", "Filter", "TableScan"]
    refused(paged.sql("EXPLAIN SELECT NOPE FROM Z1"), "000904", "42000")
    refused(paged.sql("EXPLAIN SELECT 1 FROM NOPE"), "002003", "42S02")
    refused(paged.sql("EXPLAIN SELECT * FROM INFORMATION_SCHEMA.TABLES"), "003001", "42501", "EXPLAIN command has insufficient privilege on object")
    for text in ("EXPLAIN USING TEXT SELECT ID FROM Z1", "EXPLAIN SELECT COUNT(*) FROM Z1", "EXPLAIN INSERT INTO Z1 VALUES (1)"):
        refused(paged.sql(text), "000002", "0A000", "Unsupported feature")
    assert snow.rows("Z1") == []


def test_a_statement_reads_those_before_it(snow, paged):
    sales = ("SELECT * FROM DEPT WHERE DNAME = 'SALES' ->> SELECT * FROM EMP WHERE SAL > 1500 AND DEPTNO IN (SELECT DEPTNO FROM $1) "
             "->> SELECT ENAME, SAL FROM $1 ORDER BY 2 DESC;")
    found = paged.sql(sales)
    assert said(found) == [["BLAKE", "2850.00"], ["ALLEN", "1600.00"]] and names(found) == ["ENAME", "SAL"]
    inserts = "->> INSERT INTO Z1 VALUES (1) ->> INSERT INTO Z1 VALUES (3), (4) "
    assert rows(paged.sql(f'SELECT 5 {inserts}->> SELECT (SELECT $1 FROM $2) + (SELECT $1 FROM $1) AS "Number of rows"')) == [{"Number of rows": "3"}]
    assert said(paged.sql("SELECT * FROM Z2 ->> DROP TABLE Z2 ->> SELECT COUNT(*) FROM $2")) == [["0"]] and len(snow.rows("Z1")) == 3
    snow.query("CREATE TABLE Z2 (ID INTEGER)")
    assert said(paged.sql("SHOW TABLES LIKE 'E%' ->> SELECT \"name\", \"rows\" + 1 FROM $1 WHERE \"rows\" > 1", warehouse="WH")) == [["EMP", "5"]]
    assert said(paged.sql("SELECT PARSE_JSON('{\"a\": 1}') AS V, '2024-05-01'::DATE AS D ->> SELECT V:a, D FROM $1")) == [["1", "19844"]]
    refused(paged.sql("SHOW TABLES ->> SELECT name FROM $1"), "000904", "42000", "'NAME'")  # the columns' names are in lower case
    refused(paged.sql("SELECT NOPE FROM Z1 ->> DROP TABLE Z1"), "000904", "42000")  # and the rest is not carried out
    refused(paged.sql("SELECT 1 AS A ->> SELECT 2 WHERE $1 = 1"), "001003", "42000")
    refused(paged.sql("SELECT ? ->> SELECT * FROM $1", "x"), "000002", "0A000")
    refused(paged.sql("SELECT 1 ->> SELECT 2; SELECT 3", parameters={"MULTI_STATEMENT_COUNT": "2"}), "000002", "0A000")
    refused(paged.sql("SELECT 1 ->> SELECT * FROM $2"), "002003", "42S02")
    assert said(paged.sql("SELECT '->>' AS A")) == [["->>"]] and len(snow.rows("Z1")) == 3
