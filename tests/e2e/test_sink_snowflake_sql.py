#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""test_sink_snowflake_sql.py - `sink-snowflake: { mode: sql }` into the emulated Snowflake while answers get lost, statements take long or are
refused, the warehouse sleeps and the process is killed: each record is there once, each refused one is a dead letter, and a statement is
sent again under the same id only if it says so.

DATAVAULT_KILLS=N asks for more rounds.

shows: SNO-1 SNO-3 SNO-6 R3 R4
"""
import json
import os
import pathlib
import random
import re
import shutil
import signal
import subprocess
import sys
import time
import urllib.parse

import pytest

HERE = pathlib.Path(__file__).resolve().parents[1]
sys.path[:0] = [str(HERE / "tools"), str(HERE / "emulators")]
from snowflake.wire import Answer
from snowflake_world import CANARY, CountWorld, make_service, make_table, nodes, numbers, run, sink, write_records  # noqa: F401
from world import fast_program, wait_for

KILLS = int(os.environ.get("DATAVAULT_KILLS", "3"))
TABLE = "CREATE OR REPLACE TABLE T (DV_ID VARCHAR NOT NULL, DV_UNIT VARCHAR NOT NULL, N NUMBER, WARD VARCHAR(20))"
SUBMITTED = r"POST /api/v2/statements\?"


@pytest.fixture(name="world")
def a_world(tmp_path, snow):
    with CountWorld(tmp_path / "w") as world:
        write_graph(world, snow)
        yield world


def by_statements(snow, **more):
    return sink(snow, **{"mode": "sql", "linger": "50ms", **more})


def write_graph(world, snow, settings="keyring: file:keys", **more):
    world.graph(nodes(by_statements(snow, **more)), settings)


def submitted(snow, before=0):
    """The statements that put rows: (id, whether it was told that it is sent again, body, status)."""
    found = []
    for request in snow.requests[before:]:
        if request.method == "POST" and request.path == "/api/v2/statements":
            query, body = dict(urllib.parse.parse_qsl(request.query)), json.loads(request.raw)
            if body["parameters"]["query_tag"] not in ("datavault-look", "datavault-count"):
                found.append((query["requestId"], query.get("retry") == "true", body, request.status))
    return found


def script(snow, *steps):
    """What happens to the statements behind those that look at table and warehouse before the first row."""
    snow.script(SUBMITTED, None, None, *steps)


def rows_of(body):
    return json.loads(body["bindings"]["2"]["value"])


def assert_ids_are_kept(snow, before):
    """A statement that is sent again is the same one and says so; another one has another id. A token that was refused is renewed first."""
    first = {}
    for name, again, body, status in submitted(snow, before):
        assert again == (name in first)
        assert body["bindings"]["1"]["value"] == name
        if status != 401:
            assert first.setdefault(name, body) == body


NOT_NOW = [Answer(422, {"code": "000608", "sqlState": "57P03", "message": "Warehouse 'WH' is suspended."}),
           Answer(422, {"code": "090073", "sqlState": "22000", "message": "Warehouse 'WH' cannot be resumed because resource monitor"}),
           Answer(422, {"code": "000625", "sqlState": "57014", "message": "aborted because the number of waiters for this lock exceeds"})]
DISTURBED = [Answer(422, {"code": "000604", "sqlState": "57014", "message": "SQL execution canceled"}),
             Answer(200, b"<html>a proxy's</html>", [("Content-Type", "text/html")])]


@pytest.mark.parametrize("trouble", [["lose", None, "half", 401, "cut", None, 503, None, 429], NOT_NOW], ids=["lost", "not-now"])
def test_each_record_is_there_once_whatever_is_lost(world, snow, trouble):
    before = len(snow.requests)
    script(snow, *trouble)
    write_graph(world, snow, rows=250, requests=4)
    write_records(world, 1, 2000)
    said = run(world)
    assert numbers(snow) == list(range(1, 2001))
    assert_ids_are_kept(snow, before)
    assert world.letters() == [] and {len(rows_of(body)) for _, _, body, _ in submitted(snow, before)} <= {*range(1, 251)}
    received = snow.received()
    assert CANARY.encode() not in received and b"BEGIN " not in received and CANARY not in said


def test_one_that_was_disturbed_is_sent_again_as_it_is(world, snow):
    """Somebody cancelled it, somebody else answered: neither is about its records."""
    before = len(snow.requests)
    script(snow, *DISTURBED)
    write_records(world, 1, 200)
    run(world)
    assert numbers(snow) == list(range(1, 201))
    assert_ids_are_kept(snow, before)
    assert [len(rows_of(body)) for _, _, body, _ in submitted(snow, before)] == [200, 200, 200]


def test_statements_that_run_long_are_asked_for_until_they_are_over(world, snow):
    before = len(snow.requests)
    write_graph(world, snow, linger="10s")
    snow.switch_s, snow.run_s = 0.05, lambda text: 0.4 if "MERGE" in text else 0
    snow.script(r"GET /api/v2/statements/", None, 429)
    write_records(world, 1, 2500)
    run(world)
    assert numbers(snow) == list(range(1, 2501)) and len(submitted(snow, before)) == 3
    assert any(request.method == "GET" and request.status == 429 for request in snow.requests[before:])


def test_one_that_takes_too_long_is_sent_in_halves(world, snow):
    write_graph(world, snow, linger="10s")
    before = len(snow.requests)
    script(snow, Answer(408, {"code": "000630", "sqlState": "57014", "message": "Statement reached its statement timeout"}))
    write_records(world, 1, 1000)
    run(world)
    assert numbers(snow) == list(range(1, 1001))
    assert sorted(len(rows_of(body)) for _, _, body, _ in submitted(snow, before)) == [500, 500, 1000]


def test_killed_and_started_again(world, snow, tell):
    seed = random.randrange(2**31)
    tell(f"snowflake by statements meets: seed {seed}")
    dice = random.Random(seed)
    count, before = 0, len(snow.requests)
    snow.run_s = lambda text: dice.choice([0, 0, 0, 0.2]) if "MERGE" in text else 0
    snow.switch_s = 0.1
    for _ in range(KILLS):
        write_records(world, count + 1, count + 1000, lambda number: "too long for the column" if number % 997 == 0 else "w")
        count += 1000
        script(snow, *dice.choices([None, "lose", "cut", 503, "half", 429], k=1))
        process = world.start("run", "--once", "graph.yaml")
        try:
            process.wait(dice.uniform(0.2, 1.2))
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
    run(world, 0, 1, timeout=100 + 3 * KILLS)
    snow.statements.wait_idle()
    assert numbers(snow) == [number for number in range(1, count + 1) if number % 997 != 0]
    assert {letter["record"]["n"] for letter in world.letters()} == set(range(997, count + 1, 997))
    assert_ids_are_kept(snow, before)


def test_exactly_the_records_that_are_refused_are_dead_letters(world, snow):
    """Too long a text, a text that is no number, and what may not be missing; a mark of SQL or JSON is none of these."""
    snow.query("CREATE OR REPLACE TABLE T (DV_ID VARCHAR NOT NULL, DV_UNIT VARCHAR NOT NULL, N NUMBER(4, 0), WARD VARCHAR(20) NOT NULL)")
    poison = {7: "x" * 21, 1024: None, 1025: "y" * 30}
    wards = {1: "'); DROP TABLE T; --", 2: '"},{"', 3: "\\", 4: "?"}
    write_records(world, 1, 1100, lambda number: poison.get(number, wards.get(number, "w")))
    write_records(world, 10000, 10000)
    run(world, 1)
    assert numbers(snow) == [number for number in range(1, 1101) if number not in poison]
    assert sorted(letter["record"]["n"] for letter in world.letters()) == [*poison, 10000]
    assert {row["N"]: row["WARD"] for row in snow.rows("T") if row["N"] in wards} == wards


def test_a_table_that_puts_records_aside_loses_none(world, snow):
    """With ERROR_LOGGING a statement succeeds without the rows that the table cannot take."""
    snow.query("ALTER TABLE T SET ERROR_LOGGING = TRUE")
    write_records(world, 1, 1000, ward=lambda number: "x" * 21 if number in (7, 500) else "w")
    run(world, 1)
    assert numbers(snow) == [number for number in range(1, 1001) if number not in (7, 500)]
    assert sorted(letter["record"]["n"] for letter in world.letters()) == [7, 500]


def test_a_refusal_that_is_about_no_record_halts(world, snow):
    """Nobody knows the code; each record would have been blamed."""
    before = len(snow.requests)
    script(snow, *[Answer(422, {"code": "009999", "sqlState": "22000", "message": "out of order"})] * 200)
    write_records(world, 1, 1000)
    assert "a value does not fit its column" in run(world, 1)
    assert world.letters() == [] and numbers(snow) == [] and len(submitted(snow, before)) < 20
    snow.scripts.clear()
    run(world)
    assert numbers(snow) == list(range(1, 1001))


def refused(code, state):
    return Answer(422, {"code": code, "sqlState": state, "message": "out of order"})


def follow(world, more=""):
    path = world.path("graph.yaml")
    path.write_text(path.read_text().replace("schema: count", "schema: count, follow: true" + more))


def was_halted(world, snow, before, *reasons, code=1):
    said = run(world, code)
    for reason in reasons:
        assert reason in said, said[-3000:]
    assert world.letters() == [] and len(submitted(snow, before)) < 60


def test_a_record_is_proved_to_be_wrong_each_for_itself(world, snow):
    """One is too long; then Snowflake refuses all statements: nobody is blamed for the other's sake."""
    before = len(snow.requests)
    write_records(world, 1, 4, lambda number: "x" * 21 if number == 1 else "w")
    # 4, 2, 1, none, table, warehouse, 1 again; then all are refused
    script(snow, None, None, None, None, None, None, None, *[refused("009999", "22000")] * 100)
    was_halted(world, snow, before, "a value does not fit its column")


@pytest.mark.parametrize("trouble", [refused("000603", "XX000"), refused("000709", "02000"), refused("009999", "22000")], ids=["fault", "lost", "unknown"])
def test_a_good_record_alone_that_is_refused_once_is_no_dead_letter(world, snow, trouble):
    before = len(snow.requests)
    write_records(world, 1, 1)
    script(snow, trouble)
    run(world)
    assert numbers(snow) == [1] and world.letters() == []
    assert_ids_are_kept(snow, before)


def test_a_table_that_is_changed_meanwhile_halts(world, snow):
    """The statement passes without records, and refuses each of them."""
    follow(world)
    write_records(world, 1, 5)
    process = world.start("run", "graph.yaml")
    assert wait_for(lambda: len(snow.rows("T")) == 5, 30), process.log.read_text()
    snow.query(TABLE.replace("WARD VARCHAR(20)", "WARD VARCHAR(20), PLACE VARCHAR NOT NULL"))
    write_records(world, 6, 6)
    assert process.wait(60) == 3 and "column PLACE of table DV.PUBLIC.T is NOT NULL" in process.log.read_text()
    assert world.letters() == []


def test_records_that_are_all_refused_are_no_dead_letters(world, snow):
    """Of a request of several; then of requests of one, of which the second halts."""
    snow.query(TABLE.replace("VARCHAR(20)", "VARCHAR(1)"))
    before = len(snow.requests)
    write_records(world, 1, 5)
    was_halted(world, snow, before, "it refuses every record (code 100078, SQLSTATE 22000")
    write_graph(world, snow, rows=1, requests=1)
    assert "it refuses every record" in run(world, 1) and len(world.letters()) == 1


def test_rows_that_are_there_already_prove_nothing(world, snow):
    """They come again with others that are all refused: nothing was inserted beside these."""
    write_records(world, 1, 4)
    run(world)
    shutil.rmtree(world.at / "state")
    write_records(world, 5, 8, lambda number: "x" * 21)
    before = len(snow.requests)
    was_halted(world, snow, before, "it refuses every record (code 100078, SQLSTATE 22000")
    assert numbers(snow) == [1, 2, 3, 4]


def test_many_in_a_row_that_are_refused_are_no_dead_letters(world, snow):
    """Those before them are inserted."""
    write_records(world, 1, 200, lambda number: "x" * 21 if number > 100 else "w")
    assert "it refuses every record" in run(world, 1)
    assert numbers(snow) == list(range(1, 101)) and world.letters() == []


def test_a_look_at_the_table_that_is_cancelled_is_taken_again(world, snow):
    snow.script(SUBMITTED, DISTURBED[0], None, DISTURBED[0])
    write_records(world, 1, 10)
    run(world)
    assert numbers(snow) == list(range(1, 11))


def switches(process):
    """How often it has rested."""
    return int(re.search(r"^voluntary_ctxt_switches:\s+(\d+)", pathlib.Path(f"/proc/{process.pid}/status").read_text(), re.M)[1])


def test_rows_that_linger_keep_nobody_awake(world, snow):
    """It looked forty times a second whether more could come."""
    asked = len(snow.requests)
    write_graph(world, snow, linger="10m")
    follow(world)
    write_records(world, 1, 3)
    process = world.start("run", "graph.yaml")
    assert wait_for(lambda: len(snow.requests) >= asked + 2, 30), process.log.read_text()
    time.sleep(1.5)
    before = switches(process)
    time.sleep(2)
    assert switches(process) - before < 50
    process.send_signal(signal.SIGTERM)
    assert process.wait(60) == 0 and numbers(snow) == [1, 2, 3]


def test_as_many_batches_linger_as_a_source_may_have_out(world, snow):
    """Eight did, whatever `linger` said."""
    before = len(snow.requests)
    snow.query(TABLE.replace("VARCHAR(20)", "VARCHAR"))
    write_graph(world, snow, "keyring: file:keys\nbatch_bytes: 256KiB", linger="10m")
    follow(world, ", credits: 60")
    write_records(world, 1, 40, lambda number: "w" * 60_000)
    process = world.start("run", "graph.yaml")
    assert wait_for(lambda: len(snow.requests) >= before + 2, 30), process.log.read_text()
    time.sleep(2)
    assert submitted(snow, before) == []
    process.send_signal(signal.SIGTERM)
    assert process.wait(60) == 0 and len(submitted(snow, before)) == 1 and len(numbers(snow)) > 8, process.log.read_text()


def test_what_comes_while_a_statement_runs_lingers_too(world, snow):
    """It was sent at once when that was over."""
    before = len(snow.requests)
    write_graph(world, snow, linger="8s", requests=1)
    follow(world, ", credits: 60")
    write_records(world, 1, 1)
    process = world.start("run", "graph.yaml")
    assert wait_for(lambda: len(snow.requests) >= before + 2, 30), process.log.read_text()
    snow.run_s = 0.5
    assert wait_for(lambda: submitted(snow, before), 30), process.log.read_text()
    for number in range(2, 12):
        write_records(world, number, number)
        time.sleep(0.2)
    assert len(submitted(snow, before)) == 1
    process.send_signal(signal.SIGTERM)
    assert process.wait(30) == 0 and len(submitted(snow, before)) == 2, process.log.read_text()
    assert 2 < len(numbers(snow)) == numbers(snow)[-1], "all that was read: the last may not have been"


def test_the_same_stream_twice_is_there_once(world, snow):
    write_records(world, 1, 1500)
    run(world)
    shutil.rmtree(world.at / "state")
    run(world)
    assert numbers(snow) == list(range(1, 1501))


def test_rows_do_not_linger_when_nothing_more_comes(world, snow):
    """Not at the end of the input, and not on a stop."""
    write_graph(world, snow, linger="10m", rows=200)
    write_records(world, 1, 250)
    run(world)
    assert numbers(snow) == list(range(1, 251))
    write_records(world, 251, 500)
    process = world.start("run", "graph.yaml")
    assert wait_for(lambda: len(snow.rows("T")) >= 450, 30), process.log.read_text()
    process.send_signal(signal.SIGTERM)
    assert process.wait(60) == 0 and numbers(snow) == list(range(1, 501))


def test_requests_are_bounded_in_bytes(world, snow):
    """What does not fit into one request goes into the next; what fits into none is a dead letter."""
    world.binary = fast_program()
    snow.query(TABLE.replace("VARCHAR(20)", "VARCHAR"))
    write_graph(world, snow, "keyring: file:keys\nbatch_bytes: 32MiB", linger="10s")
    path = world.path("graph.yaml")
    path.write_text(path.read_text().replace("schema: count", "schema: count, max_record: 16MiB"))
    write_records(world, 1, 4, lambda number: "w" * (9 << 20 if number == 2 else 3 << 20))
    before = len(snow.requests)
    run(world, 1)
    assert numbers(snow) == [1, 3, 4] and [letter["record"]["n"] for letter in world.letters()] == [2]
    assert [[row["n"] for row in rows_of(body)] for _, _, body, _ in submitted(snow, before)] == [[1, 3], [4]]


def test_what_comes_twice_in_one_request_is_there_once(world, snow):
    path = world.path("graph.yaml")
    path.write_text(path.read_text().replace("  few:", "  all: { op: project, after: in, keep: [n, ward] }\n  few:").replace("after: few", "after: [few, all]"))
    write_records(world, 1, 1500)
    before = len(snow.requests)
    run(world)
    assert numbers(snow) == list(range(1, 1501))
    for _, _, body, _ in submitted(snow, before):
        assert len({row["DV_ID"] for row in rows_of(body)}) == len(rows_of(body))


def test_both_modes_write_into_one_table(world, snow):
    """What came by the channel is met by the statements, under the same id."""
    write_graph(world, snow, mode="streaming", journal="out.journal", channel="both", linger=None)
    write_records(world, 1, 600)
    run(world)
    write_graph(world, snow)
    shutil.rmtree(world.at / "state")
    write_records(world, 601, 900)
    run(world)
    assert numbers(snow) == list(range(1, 901))


def test_a_stop_waits_for_what_is_under_way(world, snow):
    snow.run_s, snow.switch_s = lambda text: 1.5 if "MERGE" in text else 0, 0.05
    write_records(world, 1, 300)
    before = len(snow.requests)
    process = world.start("run", "graph.yaml")
    assert wait_for(lambda: any(status == 202 for _, _, _, status in submitted(snow, before)), 30), process.log.read_text()
    process.send_signal(signal.SIGTERM)
    assert process.wait(60) == 0, process.log.read_text()
    assert numbers(snow) == list(range(1, 301))
    snow.run_s = 0
    run(world)
    assert len(submitted(snow, before)) == 1 and numbers(snow) == list(range(1, 301))


def resident_kb(process):
    return int(re.search(r"VmHWM:\s+(\d+)", pathlib.Path(f"/proc/{process.pid}/status").read_text())[1])


def test_memory_is_bounded_while_snowflake_is_busy(tmp_path, snow):
    """80 MB of records wait in their file, not in memory."""
    with CountWorld(tmp_path / "w", binary=fast_program()) as world:
        write_graph(world, snow, rows=2048)
        with open(world.at / "in.jsonl", "w", encoding="utf-8") as file:
            file.write((json.dumps({"n": 1, "ward": "w" * 2000}) + "\n") * 40000)
        script(snow, *[503] * 100)
        before = len(snow.requests)
        process = world.start("run", "--once", "graph.yaml")
        assert wait_for(lambda: sum(status == 503 for _, _, _, status in submitted(snow, before)) >= 3, 60), process.log.read_text()
        assert resident_kb(process) < 40 * 1024
        process.kill()
        process.wait()


@pytest.mark.parametrize("more, reason", [
    ({"table": "NO_SUCH"}, "no such table"), ({"database": "NO_SUCH"}, "no such database"), ({"warehouse": "NO_SUCH"}, "no such warehouse"),
    ({"user": "NOBODY"}, "does not accept the token")])
def test_what_is_wrong_is_named(world, snow, more, reason):
    write_records(world, 1, 10)
    write_graph(world, snow, **more)
    assert reason in run(world, 3) and numbers(snow) == []


def test_a_token_will_do(world, snow):
    snow.users[snow.user].pats["pat-1"] = snow.now() + 60
    write_graph(world, snow, user=None, key=None, token="env:TOKEN")
    write_records(world, 1, 10)
    done = world.run("run", "--once", "graph.yaml", env={"TOKEN": "pat-1"})
    assert done.returncode == 0, done.stderr
    assert numbers(snow) == list(range(1, 11))
