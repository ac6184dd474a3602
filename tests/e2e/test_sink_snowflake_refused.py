#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""test_sink_snowflake_refused.py - what Snowflake refuses of a channel, told early, late, doubled, or of everything: a row is a dead letter only if it is
the row, a count is written off only if it is of nothing that is on its way, and where all is refused the run halts.

shows: SNO-1 SNO-3 R3
"""
import json
import os
import pathlib
import sys

import pytest

HERE = pathlib.Path(__file__).resolve().parents[1]
sys.path[:0] = [str(HERE / "tools"), str(HERE / "emulators")]
from snowflake import Answer, channels
from snowflake_world import make_service, make_table, numbers, run, write_records  # noqa: F401
from test_sink_snowflake import LONG, a_world, letters_of, was_taken  # noqa: F401
from world import wait_for


def poison(snow, *refused):
    snow.poison = lambda row: row.get("n", row.get("N")) in refused


def letters(world):
    return sorted(letter["record"]["n"] for letter in letters_of(world))


@pytest.fixture(name="early")
def a_count_that_is_early(snow, monkeypatch):
    """The counter is ahead of the offset: rows that will be refused are counted as soon as they are taken."""
    told = channels.Channels.status

    def status(self, channel):
        waiting = [json.loads(line) for batch in channel.buffer for line in batch.lines]
        counted = sum(bool(snow.poison and snow.poison(row)) for row in waiting)
        answer = told(self, channel)
        return {**answer, snow.errors_key: answer[snow.errors_key] + counted}

    monkeypatch.setattr(channels.Channels, "status", status)


def killed_when_it_has_sent(world, snow, last):
    before = len(snow.requests)
    write_records(world, 1, last)
    process = world.start("run", "graph.yaml")
    assert wait_for(lambda: was_taken(snow, before), 30), process.log.read_text()
    process.kill()
    process.wait()


@pytest.mark.usefixtures("early")
def test_a_count_that_is_ahead_of_the_offset_is_not_written_off(world, snow):
    """It is of a request behind the one that is settled: taken for rows that were refused before, it would be missed when that one is committed."""
    poison(snow, 15)
    killed_when_it_has_sent(world, snow, 10)
    snow.commit_lag_s = 3
    write_records(world, 11, 20)
    run(world, 1)
    assert numbers(snow) == [number for number in range(1, 21) if number != 15]
    assert letters(world) == [15]


@pytest.mark.skipif(not LONG, reason="takes five seconds, and what it shows is in each of the others")
@pytest.mark.usefixtures("early")
def test_what_comes_while_a_count_is_ahead_waits_until_it_is_clear(world, snow):
    """Several requests are on their way, and of each something is refused."""
    poison(snow, 5, 15, 25, 26)
    os.mkfifo(world.at / "fed")
    path = world.path("graph.yaml")
    path.write_text(path.read_text().replace("from: file, path: in.jsonl", "from: stdin"))
    pipe = os.open(world.at / "fed", os.O_RDWR)
    process = world.start("run", "graph.yaml", prefix=["sh", "-c", 'exec "$@" < fed', "sh"])
    for first, lag in ((1, 3), (11, 0.5), (21, 2)):
        before = len(snow.requests)
        snow.commit_lag_s = lag
        os.write(pipe, b"".join(json.dumps({"n": number, "ward": "w"}).encode() + b"\n" for number in range(first, first + 10)))
        wait_for(lambda before=before: was_taken(snow, before), 5)  # or it waits
    try:
        assert wait_for(lambda: len(letters(world)) == 4, 60), process.log.read_text()
    finally:
        os.close(pipe)
        process.kill()
        process.wait()
    assert numbers(snow) == [number for number in range(1, 31) if number not in (5, 15, 25, 26)]
    assert letters(world) == [5, 15, 25, 26]


def test_a_count_of_what_was_taken_back_that_comes_late_does_not_halt(world, snow):
    """The answer was lost, and the channel opened anew; only then it counts what was refused of the request that was taken back."""
    write_records(world, 1, 10)
    run(world)
    snow.script(r"POST .*/rows", "cut")
    poison(snow, 15)
    snow.commit_lag_s = 0.3
    before = len(snow.requests)
    write_records(world, 11, 20)
    process = world.start("run", "--once", "graph.yaml")
    assert wait_for(lambda: was_taken(snow, before), 30)
    assert wait_for(lambda: snow.channel("test_a_count_of_what_was_taken_back_that_comes_late_does_not_halt").errors == 1, 10)
    snow.channel("test_a_count_of_what_was_taken_back_that_comes_late_does_not_halt").errors += 1
    assert process.wait(60) == 1 and "snowflake.halted" not in process.log.read_text(), process.log.read_text()
    assert numbers(snow) == [number for number in range(1, 21) if number != 15] and letters(world) == [15]


def test_a_look_at_the_table_that_is_disturbed_is_taken_again(world, snow):
    """Somebody cancelled it, Snowflake has lost it, or met a fault of its own: no reason to halt."""
    poison(snow, 7)
    write_records(world, 1, 10)
    before = len(snow.requests)
    process = world.start("run", "--once", "graph.yaml")
    assert wait_for(lambda: was_taken(snow, before), 30), process.log.read_text()
    snow.script(r"POST /api/v2/statements\?", *[Answer(422, {"code": code, "sqlState": state, "message": "out of order"}) for code, state in
                                                (("000604", "57014"), ("000709", "02000"), ("300002", "XX000"))])
    assert process.wait(60) == 1 and "snowflake.halted" not in process.log.read_text(), process.log.read_text()
    assert not snow.scripts[-1].steps
    assert numbers(snow) == [number for number in range(1, 11) if number != 7] and letters(world) == [7]


def everything(row):
    return row.get("n", row.get("N")) is not None


def test_an_append_that_is_refused_whatever_is_in_it_halts(world, snow):
    """For no reason that is known, such as a channel that an evolved schema has spoilt: no record is rejected for it."""
    snow.script(r"POST .*/rows", *[Answer(400, {"code": "ERR_SCHEMA_CHANGED", "message": "of 7 columns"})] * 1000)
    write_records(world, 1, 600)
    said = run(world, 1)
    assert "it refuses every record (code ERR_SCHEMA_CHANGED" in said and "snowflake.halted" in said
    assert numbers(snow) == [] and letters(world) == []
    snow.scripts.clear()
    run(world)
    assert numbers(snow) == list(range(1, 601)) and letters(world) == []


def test_one_record_that_no_append_takes_is_a_dead_letter(world, snow, monkeypatch):
    """And the others beside it get in."""
    told = channels.Channels.append

    def append(self, channel, lines, *more):
        if any(json.loads(line)["n"] == 70 for line in lines):
            raise channels.StreamError(400, "ERR_ROW_NOT_LIKED")
        return told(self, channel, lines, *more)

    monkeypatch.setattr(channels.Channels, "append", append)
    write_records(world, 1, 100)
    assert "snowflake.halted" not in run(world, 1)
    assert numbers(snow) == [number for number in range(1, 101) if number != 70] and letters(world) == [70]


def test_a_table_that_refuses_every_record_halts_before_they_are_dead_letters(world, snow):
    """Behind an append, in silence: all of them come again after a restart, and get in when the table is mended."""
    snow.poison = everything
    write_records(world, 1, 300)
    for _ in range(2):
        said = run(world, 1)
        assert "the table refuses every record" in said and letters(world) == []
    snow.poison = None
    run(world)
    assert numbers(snow) == list(range(1, 301)) and letters(world) == []
