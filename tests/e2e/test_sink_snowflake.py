#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""test_sink_snowflake.py - a graph into the emulated Snowflake while answers get lost, commits lag, the service crashes and the process
is killed, in every shape of its answers: each record is there once, each refused one is a dead letter, and where nobody can know what
is in the table, the run halts.

DATAVAULT_KILLS=N asks for another number of rounds, DATAVAULT_LONG=1 for every shape, every number of refused rows and a minute of 503.

shows: SNO-1 SNO-3 SNO-6 R3
"""
import json
import os
import pathlib
import random
import signal
import sys
import time
import urllib.parse

import pytest

HERE = pathlib.Path(__file__).resolve().parents[1]
sys.path[:0] = [str(HERE / "tools"), str(HERE / "emulators")]
from snowflake import Answer
from snowflake_caller import Caller
from snowflake_world import CANARY, TABLE, CountWorld, is_settled, make_service, make_table, numbers, run, write_graph, write_records  # noqa: F401
from world import fast_program, wait_for

KILLS = int(os.environ.get("DATAVAULT_KILLS", "30"))
LONG = os.environ.get("DATAVAULT_LONG") == "1"


@pytest.fixture(name="world")
def a_world(tmp_path, snow, request):
    with CountWorld(tmp_path / "w") as world:
        write_graph(world, snow, request.node.name)
        yield world


def give_credits(world, count):
    """So many batches of the source may be under way."""
    path = world.path("graph.yaml")
    path.write_text(path.read_text().replace("schema: count }", f"schema: count, credits: {count} }}").replace("graph:", "batch_bytes: 256KiB\ngraph:", 1))


def letters_of(world):
    """The dead letters, opened by a program that is quick to start."""
    checked, world.binary = world.binary, fast_program()
    try:
        return world.letters()
    finally:
        world.binary = checked


def was_taken(snow, before):
    return any(request.path.endswith("/rows") and request.status == 200 for request in snow.requests[before:])


SHAPES = {
    "pages": {},
    "bare": {"bare_answers": True, "error_shape": "bare", "errors_key": "rows_errors", "status_word": "ACTIVE", "append_tells": False},
    "number": {"error_shape": "number", "status_tells": False, "bulk_as_page": True},
    "mixed": {"error_shape": "mixed"},
}


@pytest.mark.parametrize("shape", SHAPES if LONG else ["bare", "number"])
def test_each_record_is_there_once_in_every_shape_of_the_answers(world, snow, shape):
    for name, value in SHAPES[shape].items():
        setattr(snow, name, value)
    snow.commit_lag_s = 0.2
    before = snow.streaming.strays, snow.streaming.unsized
    snow.script(r"POST .*/rows", "lose", 401)
    snow.script(r"bulk", 500, 401)
    write_records(world, 1, 4000)
    said = run(world)
    assert numbers(snow) == list(range(1, 4001)) and (snow.streaming.strays, snow.streaming.unsized) == before
    received = snow.received()
    assert b"DV_UNIT" in received and CANARY.encode() not in received and b"BEGIN " not in received and CANARY not in said


def no_trace_of_the_canary(snow):
    received = snow.received()
    assert received and CANARY.encode() not in received and CANARY.encode("latin-1", "replace") not in received and b"BEGIN " not in received


def meddle(snow, dice, name):
    """Something happens to the service or to the channel."""
    dice.choice([snow.crash, lambda: snow.reopen_by_other(name), lambda: snow.opening.add(name), lambda: None])()


def test_killed_while_the_service_crashes_too(world, snow, tell):
    """Rounds of half a second: the process is killed at any moment, while answers get lost and commits take up to five seconds."""
    seed = random.randrange(2**31)
    tell(f"snowflake meets: seed {seed}")
    dice = random.Random(seed)
    snow.poison = lambda row: row.get("n", row.get("N")) % 499 == 0
    give_credits(world, 200)
    count, name = 10, "test_killed_while_the_service_crashes_too"
    write_records(world, 1, count)
    run(world)  # so that there is a channel to be meddled with
    for turn in range(KILLS):
        slowest = dice.choice([0.1, 0.5, 5])
        snow.commit_lag_s = lambda slowest=slowest: dice.uniform(0, slowest)
        each = dice.choice([1, 300, 3000])
        write_records(world, count + 1, count + each)
        count += each
        snow.script(r"POST .*/rows", *dice.choices([None, None, "lose", "cut", 503, 500, "half"], k=6))
        process = world.start("run", "graph.yaml")
        time.sleep(dice.uniform(0.1, 0.5))
        meddle(snow, dice, name)
        time.sleep(dice.uniform(0, 0.5) + (1.5 if turn % 6 == 5 else 0))  # some live until much is settled
        process.kill()
        process.wait()
        snow.opening.discard(name)
        snow.scripts.clear()  # what this round did not meet is not kept for the last one
    snow.commit_lag_s = 0.1
    snow.script(r"POST .*/rows", "lose", 503, "half")
    run(world, 0, 1, timeout=100 + KILLS)
    assert numbers(snow) == [number for number in range(1, count + 1) if number % 499 != 0]
    assert {letter["record"]["n"] for letter in world.letters()} == set(range(499, count + 1, 499))
    no_trace_of_the_canary(snow)


@pytest.mark.parametrize("refused", range(1, 101) if LONG else [1, 2, 7, 30, 100])
def test_exactly_the_refused_rows_are_dead_letters(world, snow, refused):
    dice = random.Random(refused)
    poison = set(dice.sample(range(1, 10001), refused))
    snow.commit_lag_s = lambda: dice.uniform(0, 0.3)
    snow.poison = lambda row: row.get("n", row.get("N")) in poison
    snow.script(r"POST .*/rows", None, "lose")
    give_credits(world, 40)
    write_records(world, 1, 10000)
    run(world, 1)
    assert numbers(snow) == [number for number in range(1, 10001) if number not in poison]
    assert sorted(letter["record"]["n"] for letter in letters_of(world)) == sorted(poison)


@pytest.mark.skipif(not LONG, reason="takes two minutes")
def test_memory_is_bounded_while_the_service_answers_503(world, snow, tell):
    give_credits(world, 255)
    write_records(world, 1, 300000)
    snow.script(r"POST .*/rows", *[None] * 3, *[503] * 10000)
    process = world.start("run", "--once", "graph.yaml")
    most, end = 0, time.monotonic() + 60
    while time.monotonic() < end:
        resident = int(pathlib.Path(f"/proc/{process.pid}/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")
        most = max(most, resident)
        time.sleep(0.2)
    snow.scripts.clear()
    assert process.wait(120) == 0, process.log.read_text()
    tell(f"a minute of 503: {most >> 20} MiB resident at most")
    assert most < 512 << 20
    assert numbers(snow) == list(range(1, 300001))


def test_what_is_signed_anew_and_what_is_too_long_to_be_read(world, snow):
    """A token that is refused is signed again, off the loop; a page of a gateway that is far too long says no more than its status."""
    page = Answer(503, b"<html>" + b"x" * 300000 + b"</html>", [("Content-Type", "text/html")])
    snow.script(r"hostname", 401)
    snow.script(r"oauth/token", 401)
    snow.script(r"POST .*/rows", page)
    snow.script(r"bulk", page)
    write_records(world, 1, 2000)
    run(world)
    assert numbers(snow) == list(range(1, 2001))


def test_a_service_that_crashes_meanwhile_loses_nothing(world, snow):
    snow.stalled = True
    before = len(snow.requests)
    write_records(world, 1, 500)
    process = world.start("run", "--once", "graph.yaml")
    assert wait_for(lambda: was_taken(snow, before), 30), process.log.read_text()
    snow.crash()
    snow.stalled = False
    assert process.wait(60) == 0, process.log.read_text()
    assert numbers(snow) == list(range(1, 501))


def settled_then_killed(world, snow, count):
    """Killed as soon as all of it is settled."""
    write_records(world, 1, count)
    process = world.start("run", "graph.yaml")
    assert wait_for(lambda: is_settled(world), 30)
    process.kill()
    process.wait()


@pytest.mark.parametrize("killed", [False, True])
def test_a_table_made_anew_halts(world, snow, killed):
    """What a source was told is written down before it is told: a process that dies right after it knows of it, too."""
    if killed:
        settled_then_killed(world, snow, 100)
    else:
        write_records(world, 1, 100)
        run(world)
    snow.query(TABLE)
    write_records(world, 101, 200)
    said = run(world, 1)
    assert "the channel has lost its offset" in said and "snowflake.halted" in said and numbers(snow) == []


def test_what_comes_twice_to_one_process_is_there_once(world, snow):
    path = world.path("graph.yaml")
    graph = path.read_text()
    path.write_text(graph.replace("  few:", "  all: { op: project, after: in, keep: [n, ward] }\n  few:").replace("after: few", "after: [few, all]"))
    write_records(world, 1, 3000)
    run(world)
    assert numbers(snow) == list(range(1, 3001))


def offset_under_way(snow, before):
    request = next(request for request in snow.requests[before:] if request.path.endswith("/rows"))
    return urllib.parse.parse_qs(request.query)["endOffsetToken"][0]


def test_another_owner_s_request_of_the_same_number_is_not_taken_for_ours(world, snow):
    """It has a copy of the journal, takes the channel while ours is on its way, and commits the next number: ours is gone."""
    name = "test_another_owner_s_request_of_the_same_number_is_not_taken_for_ours"
    write_records(world, 1, 100)
    run(world)
    snow.stalled = True
    before = len(snow.requests)
    write_records(world, 101, 200)
    process = world.start("run", "--once", "graph.yaml")
    assert wait_for(lambda: was_taken(snow, before), 30), process.log.read_text()
    number, random_part = offset_under_way(snow, before).split("-")
    assert len(number) == 20 and len(random_part) == 16
    other, caller = f"{number}-{'0' * 16}", Caller(snow)
    caller.enter()
    token = caller.open(name).json["next_continuation_token"]
    snow.stalled = False
    assert caller.append(token, [{"DV_ID": "another", "DV_UNIT": other, "N": 999, "WARD": "w"}], other, channel=name).status == 200
    assert process.wait(60) == 7 and "snowflake.halted" in process.log.read_text()
    assert "somebody else writes" in run(world, 7)
    assert numbers(snow) == [*range(1, 101), 999]
    assert {row["DV_UNIT"] for row in snow.rows("T") if row["N"] == 999} == {other}


def test_a_replay_beside_a_run_is_refused(world, snow):
    snow.poison = lambda row: row.get("n", row.get("N")) in (50, 77)
    write_records(world, 1, 100)
    run(world, 1)
    snow.poison, snow.stalled = None, True
    before = len(snow.requests)
    write_records(world, 101, 200)
    process = world.start("run", "--once", "graph.yaml")
    assert wait_for(lambda: was_taken(snow, before), 30), process.log.read_text()
    done = world.run("dlq", "replay", "graph.yaml", "--all")
    assert done.returncode == 7 and b"is in use by another process" in done.stderr, done.stderr
    snow.stalled = False
    assert process.wait(60) in (0, 1), process.log.read_text()
    assert numbers(snow) == [number for number in range(1, 201) if number not in (50, 77)]
    done = world.run("dlq", "replay", "graph.yaml", "--all")
    assert done.returncode == 0, done.stderr
    assert numbers(snow) == list(range(1, 201))


def test_refused_rows_are_dead_letters(world, snow):
    snow.query("CREATE OR REPLACE TABLE T (DV_ID VARCHAR NOT NULL, DV_UNIT VARCHAR NOT NULL, N NUMBER, WARD VARCHAR(2))")
    with open(world.at / "in.jsonl", "w", encoding="utf-8") as file:
        file.writelines(json.dumps({"n": number, "ward": "long" if number % 50 == 0 else "w"}) + "\n" for number in range(1, 301))
    run(world, 1)
    assert numbers(snow) == [number for number in range(1, 301) if number % 50 != 0]
    assert sorted(letter["record"]["n"] for letter in world.letters()) == list(range(50, 301, 50))


def test_refused_rows_are_found_after_a_crash_too(world, snow):
    """Killed when what was refused is committed, but nobody has asked yet."""
    snow.poison = lambda row: row.get("n", row.get("N")) in (5, 77)
    snow.script("bulk", *[503] * 200)
    before = len(snow.requests)
    write_records(world, 1, 200)
    process = world.start("run", "--once", "graph.yaml")
    assert wait_for(lambda: was_taken(snow, before), 30), process.log.read_text()
    process.kill()
    process.wait()
    assert wait_for(lambda: snow.channel("test_refused_rows_are_found_after_a_crash_too").errors == 2, 30)
    snow.scripts.clear()
    run(world, 1)
    assert numbers(snow) == [number for number in range(1, 201) if number not in (5, 77)]
    assert sorted(letter["record"]["n"] for letter in world.letters()) == [5, 77]


@pytest.fixture(name="quiet")
def a_quiet_source(world):
    """f(count): starts a run of so many records from a pipe that stays open, so that nothing else comes and it does not end."""
    os.mkfifo(world.at / "quiet")
    pipe = os.open(world.at / "quiet", os.O_RDWR)

    def start(count):
        path = world.path("graph.yaml")
        path.write_text(path.read_text().replace("from: file, path: in.jsonl", "from: stdin"))
        os.write(pipe, b"".join(json.dumps({"n": number, "ward": "w"}).encode() + b"\n" for number in range(1, count + 1)))
        return world.start("run", "graph.yaml", prefix=["sh", "-c", 'exec "$@" < quiet', "sh"])

    yield start
    os.close(pipe)


def test_a_sink_that_is_reloaded_reads_its_journal_again(world, snow, quiet):
    """Reloaded as soon as the last reload has ended, while the table is looked at, the journal read or the channel opened; rows come all the time."""
    process, graph = quiet(10), world.path("graph.yaml")
    assert wait_for(lambda: len(snow.rows("T")) == 10, 30), process.log.read_text()
    for turn in range(1, 4):
        graph.write_text(graph.read_text().split(", remember:", maxsplit=1)[0].rstrip(" }\n") + f", remember: {200000 + turn} }}\n")
        process.send_signal(signal.SIGHUP)
        with open(world.at / "quiet", "w", encoding="utf-8") as pipe:
            pipe.writelines(json.dumps({"n": number, "ward": "w"}) + "\n" for number in range(10 * turn + 1, 10 * turn + 11))
        assert wait_for(lambda turn=turn: process.log.read_text().count('"reload.ended"') == turn, 30), process.log.read_text()
    assert wait_for(lambda: len(snow.rows("T")) == 40, 30), process.log.read_text()
    assert process.log.read_text().count('"result":"done","changed":1') == 3, process.log.read_text()
    process.send_signal(signal.SIGTERM)
    assert process.wait(30) == 0 and numbers(snow) == list(range(1, 41)), process.log.read_text()


@pytest.mark.parametrize("looks", [1, 4])
def test_a_count_that_is_told_late_is_waited_for(world, snow, looks):
    """The offset is told first, and nothing else comes."""
    snow.late_errors, snow.poison = looks, lambda row: row.get("n", row.get("N")) == 7
    write_records(world, 1, 10)
    run(world, 1)
    assert numbers(snow) == [number for number in range(1, 11) if number != 7]
    assert [letter["record"]["n"] for letter in letters_of(world)] == [7]


@pytest.mark.parametrize("idle", [True, False])
def test_a_row_that_is_lost_halts_and_halts_again(world, snow, quiet, idle):
    """It was counted long after its request was settled, when nobody asked any more: it cannot be written off."""
    snow.late_errors, snow.poison = 1000, lambda row: row.get("n", row.get("N")) == 7
    write_records(world, 1, 10)
    run(world)
    snow.late_errors = 0
    write_records(world, 11, 20)
    for _ in range(1 if idle else 2):
        process = quiet(0) if idle else world.start("run", "graph.yaml")
        assert process.wait(60) == 1, process.log.read_text()
        said = process.log.read_text()
        assert "rows that were committed and accounted for are not in the table" in said and "snowflake.lost" in said
        assert letters_of(world) == []


@pytest.mark.skipif(not LONG, reason="takes a quarter of a minute")
def test_a_count_that_comes_late_halts_an_idle_run(snow, quiet):
    """With neither a batch nor any traffic."""
    snow.late_errors, snow.poison = 7, lambda row: row.get("n", row.get("N")) == 7
    process = quiet(10)
    assert process.wait(60) == 1 and "snowflake.lost" in process.log.read_text(), process.log.read_text()


def test_rows_that_are_seen_late_are_no_dead_letters(world, snow):
    """The channel was opened anew and may have counted too much: what the table says first is not believed, even if the counts agree."""
    name = "test_rows_that_are_seen_late_are_no_dead_letters"
    write_records(world, 1, 10)
    run(world)
    snow.stalled = True
    before = len(snow.requests)
    write_records(world, 11, 20)
    process = world.start("run", "graph.yaml")
    assert wait_for(lambda: was_taken(snow, before), 30), process.log.read_text()
    process.kill()
    process.wait()
    snow.stalled = False
    snow.channel(name).errors += 1  # of rows that were taken back
    before = len(snow.requests)
    snow.query("CREATE TABLE HIDDEN AS SELECT * FROM T WHERE N = 15")
    snow.query("DELETE FROM T WHERE N = 15")
    process = world.start("run", "--once", "graph.yaml")
    assert wait_for(lambda: any("/statements" in request.path and b"DV_UNIT" in request.body for request in snow.requests[before:]), 30)
    snow.query("INSERT INTO T SELECT * FROM HIDDEN")
    snow.query("DROP TABLE HIDDEN")
    assert process.wait(60) == 0, process.log.read_text()
    assert numbers(snow) == list(range(1, 21)) and letters_of(world) == []


def test_a_run_without_a_batch_halts(world, quiet):
    write_records(world, 1, 10)
    run(world)
    world.path("out.journal").unlink()
    process = quiet(0)
    assert process.wait(60) == 1 and "snowflake.halted" in process.log.read_text()


def test_a_channel_that_went_back_halts(world, snow):
    name = "test_a_channel_that_went_back_halts"
    snow.poison = lambda row: row.get("n", row.get("N")) == 7
    write_records(world, 1, 10)
    run(world, 1)
    channel = snow.channel(name)
    before = channel.committed
    write_records(world, 11, 20)
    run(world)
    after, channel.committed = channel.committed, before
    write_records(world, 21, 30)
    assert "the channel is behind the journal" in run(world, 1)
    channel.committed, channel.errors = after, 0
    assert "count of refused rows went back" in run(world, 1)
    assert numbers(snow) == [number for number in range(1, 21) if number != 7]


def test_a_damaged_journal_makes_no_dead_letters(world):
    write_records(world, 1, 10)
    run(world)
    journal = world.path("out.journal")
    whole = journal.read_bytes()
    journal.write_bytes(whole[:150] + bytes([whole[150] ^ 1]) + whole[151:])
    write_records(world, 11, 11)
    assert "is damaged" in run(world, 1) and letters_of(world) == []


def test_a_journal_that_is_gone_or_damaged_halts(world, snow):
    write_records(world, 1, 100)
    run(world)
    journal = world.path("out.journal")
    whole = journal.read_bytes()
    journal.unlink()
    write_records(world, 101, 200)
    assert "the channel is ahead of the journal" in run(world, 1)
    journal.write_bytes(whole[:150] + bytes([whole[150] ^ 1]) + whole[151:])
    assert "is damaged" in run(world, 1)
    journal.write_bytes(whole[:-1])  # as if the machine had died while the last save was written: who was settled comes out again
    run(world)
    assert numbers(snow) == list(range(1, 201))


@pytest.mark.parametrize("more, code, reason", [
    ({"table": "NO_SUCH"}, 3, "there is no such"), ({"database": "NO_SUCH"}, 3, "there is no such"), ({"user": "NOBODY"}, 3, "does not accept the token"),
    ({"account": "OTHER-ACCOUNT"}, 3, "does not accept the token")])
def test_what_is_wrong_is_named(world, snow, more, code, reason):
    write_records(world, 1, 10)
    write_graph(world, snow, "wrong", **more)
    assert reason in run(world, code)


def test_a_wrong_clock_is_named(world, snow):
    snow.clock_skew_s = -600  # what we sign is of the future
    write_records(world, 1, 10)
    assert "more than five minutes apart" in run(world, 3)


def test_a_pipe_that_takes_and_discards_is_seen_through(world, snow):
    snow.invalid_pipes = {"T-STREAMING": "ERR_PIPE_INVALID"}
    write_records(world, 1, 10)
    assert "not sound" in run(world, 3)
