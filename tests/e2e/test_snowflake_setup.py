#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""test_snowflake_setup.py - docs/snowflake.md's way to an account of one's own, as it stands there: its commands and its statements, with no right
that it does not name. Only variables tell the emulated account from a real one.

shows: SNO-1 SNO-3 SNO-6
"""
import os
import pathlib
import re
import shutil
import subprocess
import sys

import pytest

HERE = pathlib.Path(__file__).resolve().parents[1]
sys.path[:0] = [str(HERE / "tools"), str(HERE / "emulators")]
from snowflake import Snowflake
from snowflake_caller import Caller
from world import ROOT, World, end, free_port, get, wait_for

PAGE = (ROOT / "docs" / "snowflake.md").read_text()
STEPS = PAGE[PAGE.index("## Before the first run"):PAGE.index("### What is looked at")]
KEYS, TABLES, LOOK, ASK = re.findall(r"```sh\n(.*?)```", STEPS, re.S)  # the last of LOOK is the run
(STATEMENTS,) = re.findall(r"```sql\n(CREATE DATABASE.*?)```", STEPS, re.S)


class Reader(World):
    """Somebody who does what the page says, in a folder with conf/, with `datavault` on the path."""

    def __init__(self, folder, snow):
        super().__init__(folder, keyring=False)
        self.snow, self.port = snow, free_port()
        shutil.copytree(ROOT / "conf", self.at / "conf")
        (self.at / "bin").mkdir()
        (self.at / "bin" / "datavault").symlink_to(self.binary)
        self.env = {"PATH": f"{self.at / 'bin'}:{os.environ['PATH']}", "SNOWFLAKE_URL": snow.url, "SNOWFLAKE_CA": str(snow.ca.resolve()), "WAREHOUSE_EVERY": "1s",
                    "WAREHOUSE_WINDOW": "400ms", "WAREHOUSE_LISTEN": f"127.0.0.1:{self.port}"}
        said = self.shell(KEYS.replace("myorg-account1", snow.account) + "env -0 > environment")
        self.env.update(entry.split("=", 1) for entry in self.path("environment").read_text().split("\0") if entry.startswith("SNOWFLAKE_"))
        halves = dict(line.split(": ") for line in said.splitlines())
        snow.query("DROP DATABASE DV")
        snow.query(re.sub("…(.*?)…", lambda match: halves[match[1]], STATEMENTS))

    def shell(self, text, code=0):
        """The page's commands, as they stand there; what they said to either side."""
        done = subprocess.run(["bash", "-e", "-c", text], cwd=self.at, env={**os.environ, **self.env}, check=False, capture_output=True, text=True, timeout=60)
        assert done.returncode == code, (text, done.stdout[-2000:], done.stderr[-3000:])
        return done.stdout + (done.stderr if "datavault" in text else "")

    def go(self):
        """`datavault run` of the page, until its page says that it is ready."""
        before, run = LOOK.strip().rsplit("\n", 1)
        said = self.shell(before)
        process = self.start(*run.split()[1:], env=self.env)
        assert wait_for(lambda: process.poll() is not None or get(self.port, "/readyz")[0] == 200, 30) and process.poll() is None, process.log.read_text()
        return process, said

    def caller(self, user, name):
        """Of the account's own interface, in that user's name."""
        self.snow.key, self.snow.user = self.path(f"{name}.pem"), user
        return Caller(self.snow)


@pytest.fixture(name="reader")
def a_reader(tmp_path):
    (tmp_path / "snow").mkdir()
    with Snowflake(tmp_path / "snow") as snow, Reader(tmp_path / "w", snow) as reader:
        yield reader


def count(reader):
    return int(re.search(r"\d+", reader.shell(ASK))[0])


def test_the_page_s_steps_run_as_they_stand(reader):
    assert "DV.PUBLIC.SUMMARIES: version 1, made" in reader.shell(TABLES) and "GRANT" in reader.path("tables.sql").read_text()
    assert "as it was" in reader.shell(TABLES)
    process, said = reader.go()
    for node, what in (("summaries", "SUMMARIES takes the records"), ("embeddings", "EMBEDDINGS is there"), ("found", "EMBEDDINGS is there")):
        assert f"{node}: Snowflake: DV.PUBLIC.{what}" in said, said
    assert "groups: Snowflake: DV.PUBLIC is there" in said and "hours: Snowflake: DV.PUBLIC is there" in said, said
    assert wait_for(lambda: count(reader) > 20, 30, 0.5), process.log.read_text()
    assert end(process, seconds=30)[0] == 0, process.log.read_text()
    assert count(reader) == len(reader.snow.rows("SUMMARIES")) == len({row["DV_ID"] for row in reader.snow.rows("SUMMARIES")})


def test_what_is_printed_for_an_administrator_makes_the_same(reader):
    said = reader.shell(LOOK.strip().rsplit("\n", 1)[0], code=3)
    assert "summaries: Snowflake: there is no such table" in said and "found: Snowflake: there is no such table: DV.PUBLIC.EMBEDDINGS" in said, said
    reader.env["SNOWFLAKE_WAREHOUSE"] = "DV_NONE"
    assert "groups: Snowflake: there is no such warehouse: DV_NONE" in reader.shell(LOOK.strip().rsplit("\n", 1)[0], code=3)
    del reader.env["SNOWFLAKE_WAREHOUSE"]
    reader.shell(TABLES.strip().splitlines()[-1])
    reader.snow.query(reader.path("tables.sql").read_text())
    process, said = reader.go()
    assert "DV.PUBLIC.SUMMARIES takes the records" in said
    assert wait_for(lambda: reader.snow.rows("SUMMARIES") and reader.snow.rows("EMBEDDINGS"), 30, 0.2), process.log.read_text()


def test_the_same_in_statements(reader):
    """No right is missing for `mode: sql`."""
    reader.shell(TABLES)
    reader.shell("sed -i 's/journal: \"[^\"]*\"/mode: sql/' conf/warehouse.yaml")
    process, _ = reader.go()
    assert wait_for(lambda: reader.snow.rows("SUMMARIES"), 30, 0.2), process.log.read_text()


def test_the_loader_makes_nothing_and_drops_nothing(reader):
    """Said to the account itself, as our own client would not pass it on; whatever role it says."""
    reader.shell(TABLES)
    loader, maker = reader.caller("DV_LOADER", "loader"), reader.caller("DV_MAKER", "maker")
    places = {"warehouse": None}
    for role in ({}, {"role": "DV_WRITER"}, {"role": "DV_OWNER"}):
        for text in ("DROP TABLE SUMMARIES", "TRUNCATE TABLE SUMMARIES", "ALTER TABLE SUMMARIES ADD COLUMN X NUMBER", "CREATE TABLE MORE (A NUMBER)"):
            answer = loader.sql(text, **places, **role)
            assert (answer.status, answer.json["sqlState"]) == ((403, "08004") if role.get("role") == "DV_OWNER" else (422, "42501")), (text, role, answer.raw)
    assert loader.sql("SELECT COUNT(*) FROM SUMMARIES", warehouse="DV_WH").status == 200 and reader.snow.rows("SUMMARIES") == []
    assert maker.sql("DROP TABLE SUMMARIES", **places).status == 200
