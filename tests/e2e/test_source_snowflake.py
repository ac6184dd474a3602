#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""test_source_snowflake.py - what the emulated Snowflake shows, as records: snapshots that are whole or not at all, asked for again after every failure,
labelled by their schema.

shows: SNO-3 PRV-3 MIS-5
"""
import http.client
import json
import pathlib
import shutil
import sys

import pytest

HERE = pathlib.Path(__file__).resolve().parents[1]
sys.path[:0] = [str(HERE / "tools"), str(HERE / "emulators")]
from snowflake import Snowflake
from snowflake.statements import CANCELLED, RUNNING
from snowflake_caller import knobs, restore
from world import World, free_port, wait_for

STATISTIC = """# SPDX-License-Identifier: Apache-2.0
# statistic.yaml - rows of a table.
name: statistic
fields:
  diagnosis: { type: text, class: public, required: true }
  count:     { type: int, class: public, min: 0 }
  share:     { type: float, class: public }
  told:      { type: json, class: public }
  Mixed:     { type: bool, class: public }
"""
TABLE = "CREATE OR REPLACE TABLE STATS (DIAGNOSIS VARCHAR, COUNT NUMBER, SHARE FLOAT, TOLD VARIANT, \"Mixed\" BOOLEAN)"
SELECT = "-- The test's.\nSELECT * FROM STATS ORDER BY COUNT DESC;\n"


@pytest.fixture(scope="module", name="service")
def a_service(tmp_path_factory):
    with Snowflake(tmp_path_factory.mktemp("snow")) as snow:
        yield snow


@pytest.fixture(name="snow")
def a_snow(service):
    kept = knobs(service)
    service.query(TABLE)
    insert(service, ("Asthma", 50, 0.5, "[1, {\"a\": null}]", "TRUE"), ("Diabetes", 30, 0.3, "2", "FALSE"))
    yield service
    service.scripts.clear()
    restore(service, kept)


def insert(snow, *rows):
    for name, count, share, told, mixed in rows:
        snow.query(f"INSERT INTO STATS SELECT ?, {count}, {share}, PARSE_JSON(?), {mixed}", name, told)


def insert_many(snow, count):
    values = ", ".join(f"('d{number:03}', {1 + number % 29}, 0, NULL, NULL)" for number in range(count))
    snow.query(f"INSERT INTO STATS SELECT * FROM (VALUES {values}) AS v")


@pytest.fixture(scope="module", name="keyring")
def a_keyring(tmp_path_factory):
    with World(tmp_path_factory.mktemp("keys")) as world:
        yield world.path("keys")


@pytest.fixture(name="world")
def a_world(tmp_path, keyring):
    with World(tmp_path / "w", keyring=False) as world:
        shutil.copytree(keyring, world.at / "keys")
        (world.at / "schemas" / "statistic.yaml").write_text(STATISTIC)
        (world.at / "analytics").mkdir()
        (world.at / "analytics" / "ours.sql").write_text(SELECT)
        yield world


def write_graph(world, snow, sink="op: sink-file, path: out.jsonl", settings="keyring: file:keys", keep="", **more):
    given = {"account": snow.account, "url": snow.url, "ca": snow.ca, "user": snow.user, "key": f"file:{snow.key}", "database": "DV", "warehouse": "WH",
             "records": "statistic", "follow": "false", **more}
    given.setdefault("saved" if "table" not in given else "table", "ours")
    said = ", ".join(f"{name}: '{value}'" if name not in ("follow", "every") else f"{name}: {value}" for name, value in given.items())
    return world.graph(f"  in: {{ op: source, from: snowflake, {said} }}\n  few: {{ op: project, after: in, keep: [diagnosis, count, share, told, Mixed{keep}] }}\n"
                       f"  out: {{ {sink}, after: few }}\n", settings)


def run(world, code=0):
    done = world.run("run", "--once", "graph.yaml")
    assert done.returncode == code, done.stderr.decode()[-2000:]
    return done.stderr.decode()


def rows(world):
    path = world.path("out.jsonl")
    whole = path.read_bytes().rpartition(b"\n")[0] if path.exists() else b""
    return [json.loads(line) for line in whole.splitlines()]


SNAPSHOT = [{"diagnosis": "Asthma", "count": 50, "share": 0.5, "told": [1, {"a": None}], "Mixed": True},
            {"diagnosis": "Diabetes", "count": 30, "share": 0.3, "told": 2, "Mixed": False}]


# ---- one snapshot ----

@pytest.mark.parametrize("what", [{"saved": "ours"}, {"table": "STATS"}])
def test_a_snapshot_becomes_records(world, snow, what):
    write_graph(world, snow, **what)
    run(world)
    assert sorted(rows(world), key=lambda row: row["diagnosis"]) == SNAPSHOT


def test_partitions_are_one_snapshot(world, snow):
    snow.partition_rows = 50
    insert_many(snow, 200)
    snow.script(r"partition=3", "half")
    write_graph(world, snow)
    run(world)
    assert len(rows(world)) == 202 and rows(world)[0] == SNAPSHOT[0]


def test_no_rows_are_no_records(world, snow):
    snow.query("DELETE FROM STATS")
    write_graph(world, snow)
    run(world)
    assert rows(world) == []


def test_what_the_schema_does_not_name_is_personal(world, snow):
    """Whatever comes beside the columns that it names, however it is called, is in `_extra`, which no exit but a sealed one takes."""
    snow.query("CREATE OR REPLACE TABLE STATS (DIAGNOSIS VARCHAR, COUNT NUMBER, \"Name\" VARCHAR)")
    snow.query("INSERT INTO STATS SELECT 'Asthma', 50, 'Meier'")
    write_graph(world, snow)
    run(world)
    assert rows(world) == [{"diagnosis": "Asthma", "count": 50}]
    write_graph(world, snow, keep=", _extra")
    assert "`_extra` (direct-id, plain) would reach `out`" in run(world, 4)


@pytest.mark.parametrize("row, reason", [
    (("NULL", 1, 0, "null", "NULL"), "a required field is missing"),
    (("Asthma", -1, 0, "null", "NULL"), "outside the schema's bounds"),
])
def test_an_answer_that_is_not_as_its_schema_says_is_none(world, snow, row, reason):
    snow.query(f"INSERT INTO STATS SELECT {'NULL' if row[0] == 'NULL' else repr(row[0])}, {row[1]}, 0, NULL, NULL")
    write_graph(world, snow)
    assert reason in run(world, 1)
    assert rows(world) == []


@pytest.mark.parametrize("rows_of", ["", " LIMIT 0"])
def test_columns_of_one_name_are_no_answer(world, snow, rows_of):
    (world.at / "analytics" / "ours.sql").write_text(f"SELECT 'Meier' AS \"diagnosis\", DIAGNOSIS FROM STATS{rows_of}")
    write_graph(world, snow)
    assert "two columns of the answer have one name" in run(world, 1)
    assert rows(world) == []


def test_more_than_a_batch_is_refused(world, snow):
    insert_many(snow, 255)
    write_graph(world, snow)
    assert "more than 256 rows: end the statement with a LIMIT" in run(world, 1)
    assert rows(world) == []


@pytest.mark.parametrize("more, code, reason", [
    ({"table": "NOWHERE"}, 3, "what the statement names does not exist"),
    ({"role": "NO_ROLE"}, 3, "there is no such role"),
    ({"user": "NOBODY"}, 3, "does not accept the token"),
    ({"key": "file:nowhere"}, 1, "secret file 'nowhere'"),
])
def test_each_mistake_is_named(world, snow, more, code, reason):
    write_graph(world, snow, **more)
    said = run(world, code)
    assert reason in said and "NOWHERE" not in said


def test_no_value_is_in_a_log(world, snow):
    (world.at / "analytics" / "ours.sql").write_text("SELECT TO_NUMBER(DIAGNOSIS) AS COUNT FROM STATS")
    write_graph(world, snow)
    said = run(world, 1)
    assert "a value does not fit its column" in said and "Asthma" not in said


# ---- again and again ----

def test_it_asks_again_after_every_failure(world, snow):
    """Busy, gone, cut, and a table that is not there for a while: then the newest snapshots come."""
    snow.query("DROP TABLE STATS")
    write_graph(world, snow, follow="true", every="1s")
    process = world.start("run", "graph.yaml")
    assert wait_for(lambda: "snowflake.not-read" in process.log.read_text(), 60), process.log.read_text()
    snow.script(r"POST", 503, "lose")
    snow.query(TABLE)
    insert(snow, ("Asthma", 50, 0.5, "null", "NULL"))
    assert wait_for(lambda: rows(world), 60), process.log.read_text()
    insert(snow, ("Diabetes", 60, 0.5, "null", "NULL"))
    assert wait_for(lambda: [row["diagnosis"] for row in rows(world)][-2:] == ["Diabetes", "Asthma"], 60), process.log.read_text()
    process.terminate()
    assert process.wait(60) == 0 and "Asthma" not in process.log.read_text()


def test_a_stop_ends_the_statement_in_the_warehouse(world, snow):
    snow.run_s = lambda text: 60 if "ENDLESS" in text else 0
    (world.at / "analytics" / "ours.sql").write_text("SELECT 'x' AS DIAGNOSIS, 1 AS ENDLESS")
    write_graph(world, snow, follow="true", every="1s")
    process = world.start("run", "graph.yaml")
    assert wait_for(lambda: states(snow, "ENDLESS") == [RUNNING], 60)
    process.terminate()
    assert process.wait(60) == 0 and wait_for(lambda: states(snow, "ENDLESS") == [CANCELLED], 30)


def states(snow, word):
    return [statement.state for statement in snow.statements.all.values() if word in statement.text]


def fetch(port, path):
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
    try:
        connection.request("GET", path)
        answer = connection.getresponse()
        return answer.status, answer.read().decode()
    except OSError:
        return 0, ""
    finally:
        connection.close()


def stats_of(port, name):
    return {node["name"]: node for node in json.loads(fetch(port, "/v1/stats")[1])["nodes"]}[name]


def test_a_changed_statement_counts_after_a_reload_and_a_broken_one_keeps_nobody_from_sending(world, snow):
    """Nothing is lost by it: status and figures say why, and the process stays in service, also longer than `stall`."""
    port = free_port()
    write_graph(world, snow, settings=f"keyring: file:keys\nstall: 1s\nlisten: 127.0.0.1:{port}", follow="true", every="2s")
    process = world.start("run", "graph.yaml")
    assert wait_for(lambda: rows(world), 60), process.log.read_text()
    (world.at / "analytics" / "ours.sql").write_text("SELECT 'Reloaded' AS DIAGNOSIS")
    process.send_signal(1)
    assert wait_for(lambda: rows(world)[-1] == {"diagnosis": "Reloaded"}, 60), process.log.read_text()
    snow.query("CREATE OR REPLACE VIEW GONE AS SELECT * FROM STATS")
    (world.at / "analytics" / "ours.sql").write_text("SELECT * FROM GONE")
    snow.query("DROP VIEW GONE")
    process.send_signal(1)
    assert wait_for(lambda: "what the statement names does not exist" in fetch(port, "/v1/stats")[1], 60), fetch(port, "/v1/stats")
    assert wait_for(lambda: stats_of(port, "in")["figures"]["failures"] >= 2, 60)
    assert "graph.stalled" not in process.log.read_text()
    code, told = fetch(port, "/readyz")
    nodes = json.loads(told)["nodes"]
    assert code == 200 and nodes["in"] == stats_of(port, "in")["status"] != "" and (nodes["few"], nodes["out"]) == ("ok", "ok")
