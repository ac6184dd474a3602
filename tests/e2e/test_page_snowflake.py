#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""test_page_snowflake.py - the live page in a real browser shows what the emulated Snowflake tells, in its order and as text.

DATAVAULT_SHOTS=FOLDER keeps a picture of it.

shows: SNO-3 UI-1 UI-3
"""
import os
import pathlib
import sys

import pytest

HERE = pathlib.Path(__file__).resolve().parents[1]
sys.path[:0] = [str(HERE / "tools"), str(HERE / "emulators")]
from snowflake import Snowflake
from test_page import browser, ready, text  # pylint: disable=unused-import
from world import World, free_port, wait_for

PAGE = """  groups: {{ op: source, from: snowflake, saved: top-groups, records: top-groups, every: 1s, {account} }}
  few: {{ op: project, after: groups, keep: [diagnosis, records, percent] }}
  shown: {{ op: declassify, after: few, columns: [diagnosis], reason: "the table holds groups of five or more" }}
  hours: {{ op: source, from: snowflake, saved: volumes, records: volumes, every: 1s, {account} }}
  some: {{ op: project, after: hours, keep: [hour, records] }}
  top-groups: {{ op: sink-sse, after: shown }}
  volumes: {{ op: sink-sse, after: some }}
"""
START_MS = 1700000000000 // 3600000 * 3600000


def fill(snow):
    snow.query("CREATE OR REPLACE TABLE SUMMARIES (DV_ID VARCHAR NOT NULL, DV_UNIT VARCHAR NOT NULL, WINDOW_START_MS NUMBER, DIAGNOSIS VARCHAR, COUNT NUMBER)")
    counted = {"Asthma": 41, "Diabetes": 96, "Hypertension": 132, "<img src=x onerror=document.title='broken'>": 7}
    values = [f"('id{hour}-{at}', 'u', {START_MS + hour * 3600000}, '{name.replace(chr(39), chr(39) * 2)}', {count + hour % 5 * 9})"
              for hour in range(8) for at, (name, count) in enumerate(counted.items())]
    snow.query(f"INSERT INTO SUMMARIES SELECT * FROM (VALUES {', '.join(values)}) AS v")


@pytest.fixture(name="snow")
def a_snow(tmp_path):
    with Snowflake(tmp_path) as snow:
        fill(snow)
        yield snow


@pytest.fixture(name="world")
def a_world(tmp_path):
    with World(tmp_path / "w") as world:
        (world.at / "analytics").mkdir()
        yield world


def cells(driver, title):
    """The rows of the statistic whose heading begins so, as texts."""
    return driver.execute_script("""const box = [...document.querySelectorAll('.trend')].find((one) => one.firstChild.textContent.startsWith(arguments[0]));
        return box ? [...box.querySelectorAll('tr')].map((row) => [...row.children].map((cell) => cell.textContent)) : [];""", title)


def test_the_page_shows_statistics_of_the_warehouse(world, snow, browser):  # pylint: disable=redefined-outer-name
    for name in ("top-groups", "volumes"):
        (world.at / "analytics" / f"{name}.sql").write_text((HERE.parent / "conf" / "analytics" / f"{name}.sql").read_text())
    account = ", ".join(f"{name}: '{value}'" for name, value in {"account": snow.account, "url": snow.url, "ca": snow.ca, "user": snow.user, "key": f"file:{snow.key}",
                                                                 "database": "DV", "warehouse": "WH"}.items())
    port = free_port()
    process = world.start("run", world.graph(PAGE.format(account=account), f"keyring: file:keys\nlisten: 127.0.0.1:{port}"))
    assert wait_for(lambda: ready(port), 20), process.log.read_text()
    browser.get(f"http://127.0.0.1:{port}/")
    assert wait_for(lambda: cells(browser, "top-groups") and cells(browser, "volumes"), 20), text(browser)
    groups, hours = cells(browser, "top-groups"), cells(browser, "volumes")
    assert groups[0] == ["diagnosis", "records", "percent"] and [row[0] for row in groups[1:4]] == ["Hypertension", "Diabetes", "Asthma"]
    assert groups[1][1:] == ["1,173", "43.8"] and groups[4][0].startswith("<img src=x")
    assert hours[0] == ["hour", "records"] and [row[0] for row in hours[1:3]] == ["2023-11-15 05:00", "2023-11-15 04:00"] and len(hours) == 9
    assert browser.execute_script("return document.title") == "t · DataVault"
    if os.environ.get("DATAVAULT_SHOTS"):
        browser.execute_script("document.querySelector('#trends').scrollIntoView()")
        browser.save_screenshot(os.path.join(os.environ["DATAVAULT_SHOTS"], "warehouse.png"))
    assert [entry for entry in browser.get_log("browser") if entry["level"] == "SEVERE"] == []
