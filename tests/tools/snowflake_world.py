#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""snowflake_world.py - what tests of graphs into the emulated Snowflake share: a service for each file, whose knobs are as they were and whose table T is
empty for each test; a schema of numbers that anybody may know; a graph of one sink, its records, a run, and the rows.

A file's TABLE makes T in another way.
"""
import json
import pathlib
import sys

import pytest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "emulators"))
from snowflake import Snowflake
from snowflake_caller import knobs, restore
from world import World

CANARY = "Grünkohl-Käpt'n"  # stands in what the graph drops, and may be nowhere in what was sent
TABLE = "CREATE OR REPLACE TABLE T (DV_ID VARCHAR NOT NULL, DV_UNIT VARCHAR NOT NULL, N NUMBER, WARD VARCHAR)"
SCHEMA = """# SPDX-License-Identifier: Apache-2.0
# count.yaml - numbers that anybody may know.
name: count
fields:
  n:    { type: int, class: public, required: true }
  ward: { type: text, class: public }
"""


@pytest.fixture(scope="module", name="service")
def make_service(tmp_path_factory):
    with Snowflake(tmp_path_factory.mktemp("snow")) as snow:
        yield snow


@pytest.fixture(name="snow")
def make_table(service, request):
    kept = knobs(service)
    service.query(getattr(request.module, "TABLE", TABLE))
    yield service
    service.scripts.clear()
    restore(service, kept)


class CountWorld(World):
    """A world that knows the schema."""

    def __init__(self, folder, *arguments, **options):
        super().__init__(folder, *arguments, **options)
        self.path("schemas/count.yaml").write_text(SCHEMA)


def sink(snow, **more):
    """The options of the sink into T; None: that one is not said."""
    given = {"account": snow.account, "url": snow.url, "ca": snow.ca, "user": snow.user, "key": f"file:{snow.key}", "database": "DV", "schema": "PUBLIC",
             "warehouse": "WH", "table": "T", **more}
    return "op: sink-snowflake, " + ", ".join(f"{name}: '{value}'" for name, value in given.items() if value is not None)


def nodes(into):
    """Records out of in.jsonl, without what the table does not have."""
    return (f"  in: {{ op: source, from: file, path: in.jsonl, schema: count }}\n  few: {{ op: project, after: in, keep: [n, ward] }}\n"
            f"  out: {{ after: few, {into} }}\n")


def write_graph(world, snow, channel, **more):
    """Of a sink with a channel of that name, but for the brackets of a test's."""
    channel = channel.translate(str.maketrans("[]", ".."))
    world.graph(nodes(sink(snow, **{"journal": "out.journal", "channel": channel, **more})))


def write_records(world, first, last, ward=lambda number: f"w{number % 7}"):
    with open(world.at / "in.jsonl", "a", encoding="utf-8") as file:
        file.writelines(json.dumps({"n": number, "ward": ward(number), "name": CANARY}, ensure_ascii=False) + "\n" for number in range(first, last + 1))


def run(world, *codes, timeout=100):
    done = world.run("run", "--once", "graph.yaml", timeout=timeout)
    assert done.returncode in (codes or (0,)), done.stderr.decode()[-3000:]
    return done.stderr.decode()


def numbers(snow):
    """Of all rows, none of which may be there twice."""
    rows = snow.rows("T")
    assert len({row["DV_ID"] for row in rows}) == len(rows)
    return sorted(int(row["N"]) for row in rows)


def is_settled(world):
    """Whether the source's checkpoint says that all of it is settled."""
    end = (world.at / "in.jsonl").stat().st_size
    return any(str(end) in path.read_text(errors="replace") for path in (world.at / "state").rglob("*") if path.is_file())
