#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""test_snowflake.py - the client of Snowflake against a small server of its own, over TLS: who we are, statements, and a
channel whose answers get lost, whose commits lag, and whose client is killed: each row there once. And its statements
against the emulator, where they run.

tests/tools/snowflake_ask.c asks; what it prints and what the server received is all there is to see.

shows: SNO-1 SNO-3 SNO-6 R3
"""
import json
import pathlib
import random
import subprocess
import sys
import time

import pytest

HERE = pathlib.Path(__file__).resolve().parents[1]
sys.path[:0] = [str(HERE / "tools"), str(HERE / "emulators")]
from snowflake import Snowflake
from snowflake_server import CANARY, CHANNEL, Tiny, make_place
from world import wait_for


@pytest.fixture(scope="module", name="place")
def a_place(tmp_path_factory):
    return make_place(tmp_path_factory.mktemp("snowflake"))


@pytest.fixture
def snowflake(place):
    with Tiny(place[1], place[2]) as server:
        yield server


@pytest.fixture
def ask(place, snowflake, datavault):
    program = pathlib.Path(datavault).parents[1] / "tests" / "snowflake_ask"

    def words(**more):
        given = {"account": "org-acc", "url": snowflake.url, "user": "loader", "key": f"file:{place[0] / 'key.pem'}", "ca": place[0] / "ca.pem",
                 "database": "DB", "schema": "S", "pipe": "T-STREAMING", "channel": CHANNEL, **more}
        return [program, *(f"{name}={value}" for name, value in given.items() if value is not None)]

    def run(**more):
        done = subprocess.run(words(**more), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, timeout=100, check=False)
        assert "Sanitizer" not in done.stderr and CANARY not in done.stdout + done.stderr, done.stderr[-3000:]
        return done.returncode, [json.loads(line) for line in done.stdout.splitlines()]
    run.words = words
    return run


# ---- statements ----

def test_a_statement_is_polled_and_its_partitions_unpacked(ask, snowflake):
    code, said = ask(op="sql", sql="select", **{"async": 1})
    assert code == 0 and [line["cells"] for line in said[:-1]] == [["0", "ä"], ["1", None], ["2", None]]
    assert (said[-1]["rc"], said[-1]["number"]) == ("DV_OK", 3)
    assert [method for method, *_ in snowflake.requests] == ["POST", "GET", "GET", "GET"]


def test_a_lost_answer_is_asked_for_again_and_not_executed_twice(ask, snowflake):
    lost = [True, True]
    snowflake.lose = lambda path: bool(lost) and lost.pop()
    code, said = ask(op="sql", sql="insert", bind=CANARY)
    assert code == 0 and said[-1]["number"] == 1 and list(snowflake.executed.values()) == [1]
    paths = [path for _, path, *_ in snowflake.requests]
    assert len(paths) == 3 and "retry" not in paths[0] and paths[1].endswith("&retry=true") and paths[1] == paths[2]


def test_a_statement_that_is_refused_is_an_error_without_its_words(ask, snowflake):
    code, said = ask(op="sql", sql="bad")
    assert (code, said) == (3, [{"op": "000904", "rc": "DV_E_CONFIG", "reason": "the table has no such column", "offset": "42000", "number": 0}])
    assert len(snowflake.requests) == 1


def test_a_wrong_clock_is_told_from_a_wrong_key(ask, snowflake):
    snowflake.date = time.time() + 600
    snowflake.refuse = [(".", 401, {"code": "390144"})] * 2
    code, said = ask(op="sql", sql="select")
    assert (code, said[-1]["reason"]) == (3, "this machine's clock and Snowflake's are more than five minutes apart")
    snowflake.date, snowflake.refuse = None, [(".", 401, {"code": "390144"})] * 2
    assert "does not accept the token" in ask(op="sql", sql="select")[1][-1]["reason"] and len(snowflake.requests) == 4


def test_nobody_else_is_trusted(ask, snowflake):
    code, said = ask(op="sql", sql="select", ca=None)
    assert (code, said[-1]["reason"], snowflake.requests) == (3, "the server's certificate is not trusted", [])
    code, said = ask(op="sql", sql="select", url=snowflake.url.replace("https", "http").replace("localhost", "snow.example"))
    assert (code, said[-1]["reason"]) == (3, "Snowflake: a key travels to another host under https:// only")


# ---- channels ----

def check_each_row_once(snowflake, count):
    snowflake.commit()
    assert sorted(row["N"] for row in snowflake.rows) == list(range(1, count + 1))


def test_rows_go_in_once_each(ask, snowflake):
    snowflake.lag = 0.2
    code, said = ask(op="load", rows=5000, batch=1000)
    assert code == 0 and said[-1]["offset"] == f"{5000:020}"
    check_each_row_once(snowflake, 5000)


def test_what_was_sent_is_sent_again_only_by_who_knows_how(ask, snowflake):
    """A kept connection that ends without an answer: an HTTP client that sends by itself again would send what was obeyed."""
    appends = iter([False, True, False, False, True])
    snowflake.lose = lambda path: "/rows" in path and next(appends, False)
    code, _ = ask(op="load", rows=1000, batch=100)
    assert code == 0 and not next(appends, False)
    paths = [path for _, path, *_ in snowflake.requests if "/rows" in path]
    assert len(paths) == 10 and len(set(paths)) == 10  # each was obeyed at once
    check_each_row_once(snowflake, 1000)


def test_a_request_is_never_larger_than_snowflake_takes(ask, snowflake):
    code, _ = ask(op="load", rows=12, batch=12, width=1000000)
    assert code == 0
    check_each_row_once(snowflake, 12)


def test_refused_rows_are_sent_fewer_at_a_time(ask, snowflake):
    snowflake.refuse = [("/rows", 413, {}), ("/rows", 400, {"code": "ERR_BAD"})]
    code, said = ask(op="load", rows=100, batch=100)
    assert code == 0 and [line["rc"] for line in said if line["op"] == "append"][:3] == ["DV_E_LIMIT", "DV_E_DATA", "DV_OK"]
    check_each_row_once(snowflake, 100)


def test_a_pipe_that_is_not_there_is_an_error(ask):
    code, said = ask(op="load", rows=1, pipe="NO")
    assert (code, said[-1]["reason"]) == (3, "there is no such pipe, or the role may not use it")


def test_an_offset_that_is_gone_halts(ask, snowflake):
    code, said = ask(op="load", rows=1, known="7")
    assert code == 1 and said[-1]["reason"].startswith("the channel has lost its offset") and not snowflake.rows


def test_killed_and_begun_again_with_lost_answers_each_row_is_there_once(ask, snowflake, tell):
    seed = random.randrange(2**31)
    tell(f"snowflake kills: seed {seed}")
    dice = random.Random(seed)
    snowflake.lag = 0.2
    snowflake.lose = lambda path: "/rows" in path and dice.random() < 0.15 or dice.random() < 0.03
    count, rounds = 2000, 0
    code = None
    while code != 0 and rounds < 200:
        known, enough = snowflake.committed, snowflake.taken + dice.randrange(5)  # of twenty requests
        process = subprocess.Popen(ask.words(op="load", rows=count, batch=100, known=known), stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
        if rounds < 3:
            assert wait_for(lambda: snowflake.taken >= enough, 60)
            time.sleep(dice.uniform(0, 0.01))
            process.kill()
        _, errors = process.communicate(timeout=100)
        code = process.returncode
        assert code == 0 or rounds < 3, errors[-2000:]
        rounds += 1
    assert rounds > 2
    tell(f"snowflake kills: {rounds} rounds, {snowflake.sequence} openings, {snowflake.taken} requests taken")
    check_each_row_once(snowflake, count)


# ---- statements that run ----

@pytest.fixture(scope="module", name="service")
def a_service(tmp_path_factory):
    with Snowflake(tmp_path_factory.mktemp("snow")) as service:
        yield service


@pytest.fixture
def query(service, datavault):
    program = pathlib.Path(datavault).parents[1] / "tests" / "snowflake_ask"

    def run(sql, **more):
        given = {"account": service.account, "url": service.url, "user": service.user, "key": f"file:{service.key}", "ca": service.ca, "database": "DV",
                 "schema": "PUBLIC", "warehouse": "WH", "op": "sql", "sql": sql, **more}
        done = subprocess.run([program, *(f"{name}={value}" for name, value in given.items())], stdout=subprocess.PIPE, text=True, timeout=60, check=False)
        lines = [json.loads(line) for line in done.stdout.splitlines()]
        return done.returncode, [line["cells"] for line in lines[:-1]], lines[-1]
    return run


def test_rows_of_every_partition_come(query, service):
    service.partition_rows = 7
    service.run_s, service.switch_s = 0.3, 0.05  # it takes longer than Snowflake waits
    service.query("CREATE OR REPLACE TABLE P (N NUMBER, T VARCHAR)")
    for number in range(50):
        service.query("INSERT INTO P SELECT ?, ?", number, "ä" if number % 3 else None)
    code, rows, end = query("SELECT N, T FROM P ORDER BY N")
    assert code == 0 and rows == [[str(number), "ä" if number % 3 else None] for number in range(50)], end
    service.run_s, service.switch_s = 0, 45


def test_a_merge_whose_answers_get_lost_merges_once(query, service):
    service.query("CREATE OR REPLACE TABLE M (DV_ID VARCHAR, N NUMBER)")
    merge = ("MERGE INTO M USING (SELECT VALUE:id::VARCHAR AS I, VALUE:n::NUMBER AS N FROM TABLE(FLATTEN(PARSE_JSON(?)))) S ON M.DV_ID = S.I "
             "WHEN NOT MATCHED THEN INSERT (DV_ID, N) VALUES (S.I, S.N)")
    values = json.dumps([{"id": f"a{number}", "n": number} for number in range(100)])
    service.script(r"POST /api/v2/statements", "lose", "half")
    code, _, end = query(merge, bind=values)
    assert code == 0 and end["number"] == 100, end
    assert query(merge, bind=values)[1][0][0] == "0"  # under another id, too: nothing was inserted
    assert len(service.rows("M")) == 100


@pytest.mark.parametrize("sql, rc", [("SELECT NO_SUCH FROM M", "DV_E_CONFIG"), ("SELECT * FROM NO_SUCH", "DV_E_CONFIG"), ("SELEKT 1", "DV_E_CONFIG"),
                                     ("SELECT TO_NUMBER('x')", "DV_E_DATA")])
def test_what_is_wrong_with_a_statement_is_told(query, service, sql, rc):
    service.query("CREATE OR REPLACE TABLE M (DV_ID VARCHAR, N NUMBER)")
    code, _, end = query(sql)
    assert (code != 0, end["rc"]) == (True, rc), end
