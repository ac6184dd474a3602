#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""test_page.py - the live page in a real browser: it shows the graph and the trends, asks nobody else, and logs no error.

shows: MIS-6 MIS-7 UI-1 DEV-8
"""
import http.client
import json
import os
import sys

import pytest

sys.path.insert(0, os.path.join(os.path.dirname(__file__), "..", "tools"))
import world  # noqa: E402

webdriver = pytest.importorskip("selenium.webdriver")

GRAPH = """  patients: { op: source, from: generate, schema: healthcare, domain: healthcare, rate: 500 }
  anon: { op: anonymize, after: patients, policy: patients }
  seal: { op: encrypt, after: anon, key: healthcare }
  vault: { op: sink-store, after: seal, path: vault.sqlite }
  trends: { op: aggregate, after: anon, by: diagnosis, window: 1s }
  live: { op: sink-sse, after: trends }
"""
ARGUMENTS = ("--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-sync",
             "--disable-background-networking", "--disable-component-update", "--window-size=1280,1400")


@pytest.fixture
def browser(tmp_path):
    options = webdriver.ChromeOptions()
    for argument in (*ARGUMENTS, f"--user-data-dir={tmp_path / 'chromium'}"):
        options.add_argument(argument)
    options.binary_location = "/usr/bin/chromium"
    options.set_capability("goog:loggingPrefs", {"browser": "ALL", "performance": "ALL"})
    driver = webdriver.Chrome(service=webdriver.chrome.service.Service("/usr/bin/chromedriver"), options=options)
    yield driver
    driver.quit()


@pytest.fixture
def page(tmp_path):
    port = world.free_port()
    with world.World(tmp_path / "world") as here:
        here.start("run", here.graph(GRAPH, f"keyring: file:keys\nlisten: 127.0.0.1:{port}"))
        assert world.wait_for(lambda: ready(port), 20), "the server does not answer"
        yield f"http://127.0.0.1:{port}"


def ready(port):
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=2)
    try:
        connection.request("GET", "/readyz")
        return connection.getresponse().status == 200
    except OSError:
        return False
    finally:
        connection.close()


def text(browser):
    return browser.execute_script("return document.body.innerText")


def requested(browser):
    """The addresses that the page asked for."""
    for entry in browser.get_log("performance"):
        message = json.loads(entry["message"])["message"]
        if message["method"] == "Network.requestWillBeSent":
            yield message["params"]["request"]["url"]


def test_page_shows_graph_and_trends(browser, page):
    browser.get(page + "/")
    for node in ("patients", "anon", "seal", "vault", "trends", "live"):
        assert world.wait_for(lambda: node in text(browser), 15), f"{node} is not on the page"
    assert world.wait_for(lambda: "hypertension" in text(browser).lower(), 20), "no trend is on the page"
    assert [entry for entry in browser.get_log("browser") if entry["level"] == "SEVERE"] == []
    urls = [url for url in requested(browser) if not url.startswith(("data:", "chrome:"))]
    assert urls and all(url.startswith(page) for url in urls), urls


def test_no_record_reaches_the_page(browser, page):
    browser.get(page + "/")
    assert world.wait_for(lambda: "hypertension" in text(browser).lower(), 20)
    source = browser.page_source
    assert "@" not in text(browser) and "SSN" not in source
    assert "v1_" not in text(browser), "a pseudonym is on the page"
