#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""test_query_snowflake.py - `datavault query` against the emulated Snowflake: rows as a table, JSON, comma-separated and bars, saved statements,
what is refused before it is asked, failures and whose words they are told in, Ctrl-C, and rows that never are in memory all at once.

shows: SNO-3 SNO-6 DEV-8
"""
import contextlib
import csv
import io
import json
import os
import pathlib
import pty
import shutil
import signal
import subprocess
import sys
import threading

import pytest

HERE = pathlib.Path(__file__).resolve().parents[1]
sys.path[:0] = [str(HERE / "tools"), str(HERE / "emulators")]
from snowflake import Snowflake
from snowflake.statements import CANCELLED
from snowflake_caller import knobs, restore
from world import ROOT, World, wait_for

START_MS = 1700000000000 // 3600000 * 3600000
HOURS = 30
COUNTED = {"Asthma": 10, "Diabetes": 20, "Grünkohl": 5}


def fill(snow):
    snow.query("CREATE TABLE SUMMARIES (DV_ID VARCHAR NOT NULL, DV_UNIT VARCHAR NOT NULL, WINDOW_START_MS NUMBER, WINDOW_END_MS NUMBER, DIAGNOSIS VARCHAR, "
               "COUNT NUMBER, OTHER BOOLEAN, SUPPRESSED NUMBER)")
    snow.query("CREATE TABLE EMBEDDINGS (DV_ID VARCHAR NOT NULL, TENANT VARCHAR NOT NULL, SCHEMA_NAME VARCHAR NOT NULL, CREATED_MS NUMBER NOT NULL, "
               "BODY VARCHAR NOT NULL)")
    rows = []
    for hour in range(HOURS):
        for name, count in COUNTED.items():
            at, number = START_MS + hour * 3600000, len(rows) + 1
            unit = f"{number if number < 80 else number + 3:020d}-{0:016x}"
            rows.append(f"('id{number}', '{unit}', {at}, {at + 3600000}, '{name}', {count * 5 if (hour, name) == (HOURS - 1, 'Asthma') else count}, NULL, NULL)")
    rows.append(rows[0])  # delivered to another process, too
    snow.query(f"INSERT INTO SUMMARIES SELECT * FROM (VALUES {', '.join(rows)}) AS v")
    texts = [f"('e{number}', 't', 'healthcare', {START_MS + number * 6 * 3600000}, 'told')" for number in range(12)]
    snow.query(f"INSERT INTO EMBEDDINGS SELECT * FROM (VALUES {', '.join(texts)}) AS v")


@pytest.fixture(scope="module", name="service")
def a_service(tmp_path_factory):
    with Snowflake(tmp_path_factory.mktemp("snow")) as snow:
        fill(snow)
        yield snow


@pytest.fixture(name="snow")
def a_snow(service):
    kept = knobs(service)
    yield service
    restore(service, kept)


@pytest.fixture(name="world")
def a_world(tmp_path):
    with World(tmp_path / "w", keyring=False) as world:
        shutil.copytree(ROOT / "conf" / "analytics", world.at / "conf" / "analytics")
        yield world


def given(snow, **more):
    """The environment that names the account."""
    return {"SNOWFLAKE_ACCOUNT": snow.account, "SNOWFLAKE_USER": snow.user, "SNOWFLAKE_KEY": f"file:{snow.key}", "SNOWFLAKE_URL": snow.url,
            "SNOWFLAKE_DATABASE": "DV", "SNOWFLAKE_SCHEMA": "PUBLIC", "SNOWFLAKE_WAREHOUSE": "WH", **more}


def query(world, snow, *arguments, code=0, **more):
    """What it printed and what it said."""
    done = world.run("query", "--snowflake", "--ca", snow.ca, *arguments, env=given(snow, **more))
    assert done.returncode == code, (done.returncode, done.stderr.decode())
    return done.stdout.decode(), done.stderr.decode()


def objects(text):
    return [json.loads(line) for line in text.splitlines()]


# ---- rows ----

def test_a_table_is_aligned(world, snow):
    out, said = query(world, snow, "SELECT DIAGNOSIS, SUM(COUNT) AS N, NULL AS NONE, 'x\x1b[2Jy' AS ODD FROM SUMMARIES GROUP BY 1 ORDER BY 2 DESC")
    assert said == ""
    assert out == ("DIAGNOSIS    N  NONE  ODD\n"
                   "---------  ---  ----  ------\n"
                   "Diabetes   600  null  x?[2Jy\n"
                   "Asthma     350  null  x?[2Jy\n"
                   "Grünkohl   150  null  x?[2Jy\n")


def test_json_is_typed_and_comma_separated_is_quoted(world, snow):
    sql = ("SELECT 12 AS N, 1.5::FLOAT AS F, TRUE AS B, '2025-11-23'::DATE AS D, '2025-11-23 09:40:00.5'::TIMESTAMP_NTZ AS AT, PARSE_JSON('{\"a\": [1, null]}') AS V, "
           "'a,\"b\"' AS T, '' AS E, NULL AS NONE, 1 AS N")
    out, _ = query(world, snow, sql, "--json")
    assert objects(out) == [{"N": 12, "F": 1.5, "B": True, "D": "2025-11-23", "AT": "2025-11-23T09:40:00.5", "V": {"a": [1, None]}, "T": 'a,"b"', "E": "",
                             "NONE": None, "N_2": 1}]
    out, _ = query(world, snow, sql, "--csv")
    head, row = csv.reader(io.StringIO(out))
    assert head == ["N", "F", "B", "D", "AT", "V", "T", "E", "NONE", "N"]
    assert row[:5] + row[6:] == ["12", "1.5", "true", "2025-11-23", "2025-11-23T09:40:00.5", 'a,"b"', "", "", "1"] and json.loads(row[5]) == {"a": [1, None]}
    assert out.splitlines()[-1].endswith(',"a,""b""","",,1')  # nothing is NULL, quotes are an empty text


def test_binds_are_values(world, snow):
    sql = "SELECT COUNT(*) AS N FROM SUMMARIES WHERE DIAGNOSIS = ? AND COUNT > ?"
    assert objects(query(world, snow, sql, "--bind", "Asthma", "--bind", "10", "--json")[0]) == [{"N": 1}]
    assert objects(query(world, snow, sql, "--bind", "' OR 1=1 --", "--bind", "0", "--json")[0]) == [{"N": 0}]
    _, said = query(world, snow, sql, "--bind", "Asthma", code=2)
    assert "2 question marks, and 1 --bind" in said


def test_bars(world, snow):
    out, _ = query(world, snow, "SELECT DIAGNOSIS, SUM(COUNT) AS N FROM SUMMARIES GROUP BY 1 ORDER BY 2 DESC", "--plot")
    widths = [line.count("█") for line in out.splitlines()]
    assert [line.split()[0] for line in out.splitlines()] == ["Diabetes", "Asthma", "Grünkohl"]
    assert widths[0] > 50 and abs(widths[1] / widths[0] - 350 / 600) < 0.03 and abs(widths[2] / widths[0] - 150 / 600) < 0.03
    _, said = query(world, snow, "SELECT 'x' AS A", "--plot", code=1)
    assert "the result has none" in said


def test_bars_keep_no_more_than_they_show(world, snow):
    out, _ = query(world, snow, "SELECT REPEAT('y', 60000) AS L, COUNT AS N, REPEAT('x', 60000) AS X FROM SUMMARIES", "--plot")
    assert len(out.splitlines()) == HOURS * 3 + 1 and all(line.startswith("y" * 39 + "…  ") for line in out.splitlines())


def test_a_spreadsheet_finds_no_formula(world, snow):
    cells = ["=1+1", "@x", '+a,"b"', "-2+3", "\tx", "-5", "+1.5e3", "a=b"]
    words = [word for cell in cells for word in (f"--bind={cell}",)]
    sql = f"SELECT {', '.join('?' * len(cells))}, -7 AS N, NULL AS NONE"
    assert list(csv.reader(io.StringIO(query(world, snow, sql, *words, "--csv")[0])))[1] == [*cells, "-7", ""]
    assert list(csv.reader(io.StringIO(query(world, snow, sql, *words, "--spreadsheet")[0])))[1] == [*("'" + cell for cell in cells[:5]), *cells[5:], "-7", ""]


@pytest.mark.parametrize("form, limit", [("--json", 0), ("--csv", 0), ("--plot", 200), ("", 1000)])
def test_where_each_form_stops(world, snow, form, limit):
    snow.partition_rows = 700
    sql = "SELECT a.COUNT, b.DV_ID FROM SUMMARIES a CROSS JOIN SUMMARIES b LIMIT 2500"
    out, said = query(world, snow, sql, *filter(None, [form]))
    beside = {"--json": 0, "--csv": 1, "--plot": 0, "": 2}[form]
    assert len(out.splitlines()) == (limit or 2500) + beside
    assert ("there are more" in said) == bool(limit)
    out, said = query(world, snow, sql, *filter(None, [form]), "--max-rows", "7")
    assert len(out.splitlines()) == 7 + beside and "the first 7 rows" in said


# From a small process: what a large one forks counts as large as that.
MEASURE = ("import resource, subprocess, sys; code = subprocess.run(sys.argv[1:]).returncode; "
           "print(resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss, file=sys.stderr); sys.exit(code)")


def memory_for(world, snow, rows):
    """The most memory that printing so many rows of 1 kB takes, in kB."""
    sql = f"SELECT REPEAT('x', 1000) AS X FROM SUMMARIES a CROSS JOIN SUMMARIES b CROSS JOIN (SELECT * FROM SUMMARIES LIMIT 15) c LIMIT {rows}"
    with open(world.path("out.csv"), "wb") as file:
        done = subprocess.run([sys.executable, "-c", MEASURE, world.binary, "query", "--snowflake", "--ca", snow.ca, sql, "--csv"], stdout=file, cwd=world.at,
                              stderr=subprocess.PIPE, check=True, timeout=100, env={**os.environ, **given(snow), "ASAN_OPTIONS": "quarantine_size_mb=1"})
    assert world.path("out.csv").stat().st_size == rows * 1001 + 2
    return int(done.stderr)


def test_rows_are_not_in_memory_all_at_once(world, snow):
    """Of 60,000 rows, which are 60,000 kB, each partition has 2,000."""
    snow.partition_rows = 2000
    few, many = memory_for(world, snow, 8000), memory_for(world, snow, 60000)
    assert many - few < 20000, f"{few} kB, {many} kB"


def test_a_result_that_ends_early_is_an_error(world, snow):
    snow.partition_rows = 10
    snow.script(r"partition=2", "cut", 503, None)
    assert len(objects(query(world, snow, "SELECT * FROM SUMMARIES", "--json")[0])) == HOURS * 3 + 1
    snow.script(r"partition=3", 404)
    _, said = query(world, snow, "SELECT * FROM SUMMARIES", "--json", code=3)
    assert "no such path" in said


# ---- saved statements ----

def test_saved_statements_are_listed(world):
    done = world.run("query", "--saved")
    names = [line.split()[0] for line in done.stdout.decode().splitlines()]
    assert names == sorted(path.stem for path in (ROOT / "conf" / "analytics").glob("*.sql")) and len(names) >= 5
    listed = objects(world.run("query", "--saved", "--json").stdout.decode())
    assert [row["name"] for row in listed] == names and all(len(row["shows"]) > 20 for row in listed)
    assert all(row["binds"] == 0 and row["fault"] is None for row in listed)
    assert world.run("query", "--saved", "--analytics", "nowhere").returncode == 1


def test_what_is_listed_of_statements_of_one_s_own(world):
    """What a statement shows, what it takes, why it is not run; and nothing that --saved would not take."""
    long = "a-statement-with-a-long-name"
    texts = {"a-b": "-- Of a and b.\r\nSELECT ? + ?", "a": "\n--\n  -- The second line. \nSELECT '?'", "boxed": "/* In a box. */ SELECT 1", long: "SELECT 1 -- not it",
             "drops": "-- No longer.\nDROP TABLE T", "with a blank": "SELECT 1", ".hidden": "SELECT 1", "empty": "/* */"}
    folder = world.path("listed")
    folder.mkdir()
    (folder / "folder.sql").mkdir()
    (folder / "text.txt").write_text("-- of no statement")
    nothing = world.run("query", "--saved", "--analytics", "listed")
    assert (nothing.returncode, nothing.stdout) == (0, b"") and b"no saved statements in listed" in nothing.stderr
    for name, text in texts.items():
        (folder / f"{name}.sql").write_bytes(text.encode())
    (folder / "zero.sql").write_bytes(b"SELECT 1\0")
    rows = objects(world.run("query", "--saved", "--analytics", "listed", "--json").stdout.decode())
    reads = "only statements that read are run: they begin with SELECT, WITH, SHOW, DESCRIBE or EXPLAIN"
    assert [tuple(row.values()) for row in rows] == [
        ("a", "The second line.", 0, None), ("a-b", "Of a and b.", 2, None), (long, "", 0, None), ("boxed", "In a box.", 0, None),
        ("drops", "No longer.", 0, reads), ("empty", "", 0, "there is no statement"), ("zero", "", 0, "the file cannot be read")]
    lines = world.run("query", "--saved", "--analytics", "listed").stdout.decode().splitlines()
    assert [line[:len(long) + 2].rstrip() for line in lines] == [row["name"] for row in rows]
    assert [line[len(long) + 2:] for line in lines] == ["The second line.", "Of a and b. (takes 2 --bind)", "", "In a box.", f"No longer. (cannot be run: {reads})",
                                                        "(cannot be run: there is no statement)", "(cannot be run: the file cannot be read)"]


def test_every_saved_statement_runs(world, snow):
    found = {path.stem: objects(query(world, snow, "--saved", path.stem, "--json")[0]) for path in (world.at / "conf" / "analytics").glob("*.sql")}
    assert found["rising"][0] == {"DIAGNOSIS": "Asthma", "THIS_HOUR": 50, "USUALLY": 10.0, "TIMES": 5.0} and len(found["rising"]) == 3
    assert found["volumes"][0] == {"HOUR": "2023-11-16T03:00:00", "RECORDS": 75} and len(found["volumes"]) == HOURS
    assert [(row["DIAGNOSIS"], row["RECORDS"]) for row in found["top-groups"]] == [("Diabetes", 500), ("Asthma", 290), ("Grünkohl", 125)]
    assert found["requests"][0] == {"REQUEST": 93, "ROWS_KEPT": 1, "WITHOUT_ROWS_BEFORE": 0}
    assert [row["REQUEST"] for row in found["requests"] if row["WITHOUT_ROWS_BEFORE"] == 3] == [83]
    assert found["doubled"] == [{"DV_ID": "id1", "TIMES": 2, "REQUESTS": 1}]
    assert [(row["DAY"], row["TEXTS"], row["TEXTS_SO_FAR"]) for row in found["embeddings"]] == [
        ("2023-11-17", 3, 12), ("2023-11-16", 4, 9), ("2023-11-15", 4, 5), ("2023-11-14", 1, 1)]


def test_what_rises_in_a_young_table(world, snow):
    """Three whole hours, one of them without Asthma, and the beginning of a fourth."""
    snow.query("CREATE SCHEMA IF NOT EXISTS DV.YOUNG")
    snow.query("CREATE OR REPLACE TABLE DV.YOUNG.SUMMARIES (WINDOW_START_MS NUMBER, WINDOW_END_MS NUMBER, DIAGNOSIS VARCHAR, COUNT NUMBER)")
    counted = [(0, "Asthma", 10), (0, "Diabetes", 20), (60, "Diabetes", 20), (120, "Asthma", 20), (120, "Diabetes", 30), (180, "Asthma", 1), (180, "Diabetes", 1)]
    rows = ", ".join(f"({START_MS + minute * 60000}, {START_MS + (minute + (10 if minute == 180 else 60)) * 60000}, '{name}', {count})" for minute, name, count in counted)
    snow.query(f"INSERT INTO DV.YOUNG.SUMMARIES SELECT * FROM (VALUES {rows}) AS v")
    assert objects(query(world, snow, "--saved", "rising", "--json", SNOWFLAKE_SCHEMA="YOUNG")[0]) == [
        {"DIAGNOSIS": "Asthma", "THIS_HOUR": 20, "USUALLY": 5.0, "TIMES": 4.0}, {"DIAGNOSIS": "Diabetes", "THIS_HOUR": 30, "USUALLY": 20.0, "TIMES": 1.5}]


def test_saved_statements_of_one_s_own_and_files(world, snow):
    world.path("mine").mkdir()
    world.path("mine/ours.sql").write_text("-- What is ours.\nSELECT COUNT(*) AS N FROM EMBEDDINGS;\n-- the end\n")
    assert objects(query(world, snow, "--saved", "ours", "--analytics", "mine", "--json")[0]) == [{"N": 12}]
    assert objects(query(world, snow, "--file", "mine/ours.sql", "--json")[0]) == [{"N": 12}]
    done = world.run("query", "--snowflake", "--ca", snow.ca, "--json", "--file", "-", input=b"SELECT 7 AS N", env=given(snow))
    assert done.stdout == b'{"N":7}\n'
    for words, text in ((("--saved", "../ours"), "takes a name"), (("--saved", "other"), "there is no saved statement"), (("--file", "none.sql"), "No such file")):
        assert text in world.run("query", "--snowflake", *words, "--analytics", "mine", env=given(snow)).stderr.decode()
    world.path("mine/odd.sql").write_bytes(b"SELECT 1\0; DROP")
    assert b"no text" in world.run("query", "--snowflake", "--file", "mine/odd.sql", env=given(snow)).stderr


def test_plans_and_statements_behind_each_other_are_read_too(world, snow):
    shown = query(world, snow, "SHOW TABLES ->> SELECT \"name\" AS N, \"kind\" AS K FROM $1 WHERE \"name\" LIKE 'SUM%'", "--json")[0]
    assert objects(shown) == [{"N": "SUMMARIES", "K": "TABLE"}]
    plan = objects(query(world, snow, "EXPLAIN SELECT DIAGNOSIS FROM SUMMARIES", "--json")[0])
    assert [(row["id"], row["operation"]) for row in plan] == [(None, "GlobalStats"), (0, "Result"), (1, "TableScan")]
    assert objects(query(world, snow, 'DESC PIPE "SUMMARIES-STREAMING"', "--json")[0])[0]["kind"] == "STREAMING"


# ---- what is refused ----

@pytest.mark.parametrize("sql", ["DROP TABLE SUMMARIES", "SELECT 1; DROP TABLE SUMMARIES", "SELECT 1 ->> DROP TABLE SUMMARIES", "/* SELECT */ DELETE FROM SUMMARIES",
                                 "WITH p AS PROCEDURE () RETURNS INT LANGUAGE SQL AS 'DROP TABLE SUMMARIES' CALL p()", "CALL p()", ""])
def test_only_reading_is_sent(world, snow, sql):
    before = len(snow.requests)
    assert query(world, snow, sql, code=2)[0] == ""
    assert len(snow.requests) == before and snow.rows("SUMMARIES")


def test_wrong_usage(world, snow):
    for words, text in (((), "ask what?"), (("SELECT 1", "SELECT 2"), "one statement at a time"), (("--json", "--csv", "SELECT 1"), "one of them"),
                        (("--max-rows", "-1", "SELECT 1"), "--max-rows is a number"), (("--timeout", "5", "SELECT 1"), "--timeout is like"),
                        (("--key", "BEGIN PRIVATE", "SELECT 1"), "never the secret itself"), (("--nothing", "SELECT 1"), "is not known here")):
        done = world.run("query", "--snowflake", *words, env=given(snow))
        assert done.returncode == 2 and text in done.stderr.decode() and "BEGIN PRIVATE" not in done.stderr.decode(), done.stderr
    assert b"--snowflake is all there is" in world.run("query", "SELECT 1", env=given(snow)).stderr
    assert b"which account?" in world.run("query", "--snowflake", "SELECT 1").stderr
    assert b"who asks?" in world.run("query", "--snowflake", "SELECT 1", env=given(snow, SNOWFLAKE_KEY="")).stderr


@pytest.mark.parametrize("wrong, code, text", [
    ({"SNOWFLAKE_ACCOUNT": "no account"}, 3, "an account is like"),
    ({"SNOWFLAKE_USER": "NOBODY"}, 3, "does not accept the token"),
    ({"SNOWFLAKE_KEY": "file:nowhere"}, 1, "secret file 'nowhere'"),
    ({"SNOWFLAKE_ROLE": "NO_ROLE"}, 3, "there is no such role"),
    ({"SNOWFLAKE_DATABASE": "NO_DB"}, 3, "there is no such database"),
    ({"SNOWFLAKE_WAREHOUSE": "NO_WH"}, 3, "there is no such warehouse"),
])
def test_each_mistake_is_named(world, snow, wrong, code, text):
    assert text in query(world, snow, "SELECT 1", code=code, **wrong)[1]


# ---- words of the server ----

SECRET = "Käpt'n Blaubär"
FAILING = "SELECT TO_NUMBER(?) AS N"


def read_all(descriptor, pieces):
    with contextlib.suppress(OSError):  # it is closed: that was all
        while piece := os.read(descriptor, 65536):
            pieces.append(piece)


def on_a_terminal(world, snow, *arguments, act=None, env=None, both=False):
    """The command with standard error, or standard output, too, on a terminal -> (exit code, what it printed, what the terminal shows)."""
    mine, its = pty.openpty()
    shown = []
    reader = threading.Thread(target=read_all, args=(mine, shown))  # at once: whoever writes more than a terminal holds would wait
    reader.start()
    with subprocess.Popen([world.binary, "query", "--snowflake", "--ca", str(snow.ca), *arguments], cwd=world.at, stdin=subprocess.DEVNULL,
                          stdout=its if both else subprocess.PIPE, stderr=its, env={**os.environ, **given(snow), **(env or {})}) as process:
        os.close(its)
        if act:
            act(process)
        out = process.stdout.read().decode() if process.stdout else ""
        code = process.wait(60)
    reader.join()
    os.close(mine)
    return code, out, b"".join(shown).decode("utf-8", "replace")


def test_what_snowflake_says_goes_to_a_terminal_alone(world, snow):
    _, said = query(world, snow, FAILING, "--bind", SECRET, code=1)
    assert "a value does not fit its column (code 100038, SQL state 22018)" in said and "Blaubär" not in said
    _, said = query(world, snow, FAILING, "--bind", SECRET, "--words", code=1)
    assert "Snowflake says:" in said and "Blaubär" in said
    code, out, shown = on_a_terminal(world, snow, FAILING, "--bind", SECRET + "\x1b[2J\nx")
    assert (code, out) == (1, "") and "Blaubär" in shown and "\x1b[2J" not in shown


STEERS = "a\x1b[2J\u202e\u009b2J\x7fb"


def test_what_steers_a_terminal_does_not_reach_it(world, snow):
    """Neither as a table nor in a form for programs; these read what it is."""
    sql = f"SELECT ? AS T, PARSE_JSON(?) AS V, 'x' AS \"{STEERS}\""
    words = (sql, "--bind", STEERS, "--bind", json.dumps([STEERS], ensure_ascii=False).replace("\x7f", "\\u007f"))
    for form in ("--json", "--csv", "--max-rows=9"):
        code, _, shown = on_a_terminal(world, snow, *words, form, both=True)
        assert code == 0 and "2J" in shown and not any(odd in shown for odd in ("\x1b[2J", "\u202e", "\u009b", "\x7f")), (form, shown)
    out, _ = query(world, snow, *words, "--json")
    assert objects(out) == [{"T": STEERS, "V": [STEERS], STEERS: "x"}] and "\u202e" not in out
    assert list(csv.reader(io.StringIO(query(world, snow, *words, "--csv")[0])))[1][0] == STEERS


# ---- waiting ----

@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_long_statement_is_shown_and_ended(world, snow, number):
    snow.run_s = lambda text: 60 if f"SLOWLY{number.name}" in text else 0

    def interrupt(process):
        assert wait_for(lambda: any(request.path.count("/") == 4 for request in snow.requests[before:]), 30)  # it was asked for
        process.send_signal(number)

    before = len(snow.requests)
    code, out, shown = on_a_terminal(world, snow, f"SELECT 1 AS SLOWLY{number.name}", act=interrupt)
    assert (code, out) == (1, "") and "the statement was ended" in shown
    assert [statement.state for statement in snow.statements.all.values() if f"SLOWLY{number.name}" in statement.text] == [CANCELLED]


def test_the_line_tells_that_it_runs(world, snow):
    snow.run_s = lambda text: 1.5 if "WAITING" in text else 0
    code, out, shown = on_a_terminal(world, snow, "SELECT 1 AS WAITING", "--json")
    assert (code, out) == (0, '{"WAITING":1}\n') and "running in Snowflake" in shown and shown.endswith("\r\x1b[K")


def test_a_statement_ends_with_its_time(world, snow):
    snow.run_s = lambda text: 60 if "LATE" in text else 0
    _, said = query(world, snow, "SELECT 1 AS LATE", "--timeout", "1s", code=5)
    assert "took longer than it may" in said or "takes too long" in said
    snow.script(r"POST", *[503] * 50)
    _, said = query(world, snow, "SELECT 1", "--timeout", "3s", code=5)
    assert "Snowflake is busy or down" in said
    snow.scripts.clear()


# ---- accounts of graphs ----

def write_graph(world, snow, key):
    warehouse = ", ".join(f"{name}: '{value}'" for name, value in {
        "account": snow.account, "url": snow.url, "ca": snow.ca, "user": snow.user, "key": key, "database": "DV", "warehouse": "WH", "table": "SUMMARIES",
        "journal": "out.journal"}.items())
    return world.graph(f"  in: {{ op: source, from: stdin, schema: healthcare }}\n  few: {{ op: aggregate, after: in, by: diagnosis, window: 1s }}\n"
                       f"  out: {{ op: sink-snowflake, after: few, {warehouse} }}\n")


def test_the_account_of_a_graph(world, snow):
    graph = write_graph(world, snow, f"file:{snow.key}")
    shutil.copytree(world.at / "conf" / "analytics", world.at / "analytics")
    for more in ((), ("--node", "out")):
        done = world.run("query", "--snowflake", "--graph", graph, *more, "--saved", "rising", "--csv")
        assert done.returncode == 0 and done.stdout.startswith(b"DIAGNOSIS,"), done.stderr
    assert b"has no node 'few' with an account" in world.run("query", "--snowflake", "--graph", graph, "--node", "few", "SELECT 1").stderr
    done = world.run("query", "--snowflake", "--graph", graph, "--role", "NO_ROLE", "SELECT 1")
    assert done.returncode == 3 and b"there is no such role" in done.stderr
    assert not world.path("out.journal").exists()


def test_neither_key_nor_token_is_shown(world, snow):
    """A key that is the environment's own, and one of somebody else's: nothing of either is on any stream."""
    pem = snow.key.read_text()
    out, said = query(world, snow, "SELECT 1 AS N", "--json", SNOWFLAKE_KEY=pem)
    assert objects(out) == [{"N": 1}]
    _, refused = query(world, snow, "SELECT 1", code=3, SNOWFLAKE_KEY=pem[:200])
    for line in pem.splitlines()[1:-1]:
        assert line not in out + said + refused and line.encode() not in snow.received()
