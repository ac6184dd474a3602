#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""test_page.py - the live page in a real browser: it shows the graph and the trends, asks nobody else, and logs no error; it asks
the graph, shows what answers cite, and takes reviews; what comes from elsewhere stays text.

shows: MIS-6 MIS-7 UI-1 DEV-8 RAG-1 RAG-7 RAG-10
"""
import contextlib
import http.client
import json
import os
import shutil
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
# `hour` tells its window when its source ends, and never again.
LATE = GRAPH + """  once: { op: source, from: file, path: once.jsonl, schema: healthcare }
  hour: { op: aggregate, after: once, by: diagnosis, window: 1h }
  slow: { op: sink-sse, after: hour }
"""
ASKED = """  patients: { op: source, from: generate, schema: healthcare, domain: healthcare, rate: 500 }
  anon: { op: anonymize, after: patients, policy: patients }
  trends: { op: aggregate, after: anon, by: diagnosis, window: 1s }
  rising: { op: insights, after: trends }
  live: { op: sink-sse, after: rising }
  told: { op: embed, after: rising, columns: [told], models: nowhere }
  index: { op: sink-vectors, after: told, path: vectors.sqlite }
  questions: { op: source, from: http, schema: question, asker: asker }
  redact: { op: anonymize, after: questions, policy: questions }
  talk: { op: conversation, after: redact, path: talks.sqlite }
  meaning: { op: embed, after: talk, columns: [whole], models: nowhere }
  found: { op: search, after: meaning, question: whole, path: vectors.sqlite }
  answer: { op: rag, after: found, question: whole, history: history }
  remembered: { op: sink-conversation, after: answer, conversation: talk }
  reply: { op: sink-reply, after: answer }
  reviews: { op: source, from: http, schema: review }
  reasons: { op: anonymize, after: reviews, policy: reviews }
  sealed: { op: encrypt, after: reasons, key: reviews }
  kept: { op: sink-store, after: sealed, path: reviews.sqlite }
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


@contextlib.contextmanager
def serve(folder, nodes, files=None, **how):
    port = world.free_port()
    with world.World(folder, **how) as here:
        for name in ("questions", "reviews"):
            shutil.copy(world.ROOT / "conf" / "policies" / f"{name}.yaml", here.path("policies"))
        for name, content in (files or {}).items():
            (here.at / name).write_text(content)
        here.start("run", here.graph(nodes, f"keyring: file:keys\nlisten: 127.0.0.1:{port}"))
        assert world.wait_for(lambda: ready(port), 60), "the server does not answer"
        yield f"http://127.0.0.1:{port}"


@pytest.fixture
def page(tmp_path):
    with serve(tmp_path / "world", GRAPH) as url:
        yield url


@pytest.fixture(scope="module")
def asked(tmp_path_factory):
    with serve(tmp_path_factory.mktemp("asked"), ASKED, datasets=("healthcare", "reviews")) as url:
        yield url


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
        assert world.wait_for(lambda: node in text(browser), 30), f"{node} is not on the page"
    assert world.wait_for(lambda: "hypertension" in text(browser).lower(), 20), "no trend is on the page"
    assert [entry for entry in browser.get_log("browser") if entry["level"] == "SEVERE"] == []
    urls = [url for url in requested(browser) if not url.startswith(("data:", "chrome:"))]
    assert urls and all(url.startswith(page) for url in urls), urls


OF_SLOW = """const box = [...document.querySelectorAll('.trend')].find((one) => one.firstChild.textContent.startsWith('slow'));
    return [...box.querySelectorAll('.much')].map((one) => one.textContent);"""


def test_who_comes_late_sees_the_last_window(browser, tmp_path):
    with serve(tmp_path / "world", LATE, files={"once.jsonl": "".join(json.dumps({"patient_id": f"P{n}", "diagnosis": "Late Fever"}) + "\n" for n in range(7))}) as url:
        assert world.wait_for(lambda: told(url, "slow"), 20), "the window was not told"
        browser.get(url + "/")
        assert world.wait_for(lambda: "late fever" in text(browser).lower(), 30), text(browser)
        assert browser.execute_script(OF_SLOW) == ["7"]
        assert world.wait_for(lambda: "hypertension" in text(browser).lower(), 20), "what is live does not follow"
        only(browser, url)


def told(url, node, figure=None):
    """How many rows have reached the node, or a figure of it."""
    port = int(url.rsplit(":", 1)[1])
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
    with contextlib.closing(connection):
        connection.request("GET", "/v1/stats")
        found = next(one for one in json.loads(connection.getresponse().read())["nodes"] if one["name"] == node)
        return found["figures"][figure] if figure else found["records_in"]


def insight_is_told(browser, url):
    """On the page, and where answers are looked for."""
    assert world.wait_for(lambda: "hypertension is number" in text(browser), 40), "no insight is told"
    before = told(url, "index")
    assert world.wait_for(lambda: told(url, "index", "kept") >= before > 0, 30)


def test_no_record_reaches_the_page(browser, page):
    browser.get(page + "/")
    assert world.wait_for(lambda: "hypertension" in text(browser).lower(), 20)
    source = browser.page_source
    assert "@" not in text(browser) and "SSN" not in source
    assert "v1_" not in text(browser), "a pseudonym is on the page"


def only(browser, page):
    """Nothing is logged as wrong, and nobody else was asked."""
    assert [entry for entry in browser.get_log("browser") if entry["level"] == "SEVERE"] == []
    urls = [url for url in requested(browser) if not url.startswith(("data:", "chrome:"))]
    assert urls and all(url.startswith(page) for url in urls), urls


def ask(browser, question):
    """Asks by the keyboard alone; back when the answer is complete."""
    field = browser.find_element("id", "question")
    assert world.wait_for(field.is_displayed, 30), "there is no panel to ask in"
    field.send_keys(question, "\n")
    assert world.wait_for(lambda: browser.execute_script("return document.querySelector('.talk')?.getAttribute('aria-busy')") == "false", 40)
    return browser.find_element("css selector", ".talk")


def test_there_is_no_panel_without_a_source_of_questions(browser, page):
    browser.get(page + "/")
    assert world.wait_for(lambda: "patients" in text(browser), 30)
    assert not browser.find_element("id", "questions").is_displayed()


def test_a_question_is_answered_cited_and_judged(browser, asked):
    browser.get(asked + "/")
    assert world.wait_for(lambda: "words alone" in text(browser), 30), "it does not say that there is no model"
    insight_is_told(browser, asked)
    talk = ask(browser, "how is hypertension?")
    assert "hypertension is number" in talk.text and "about at least" in talk.text and "by its words alone" in talk.text
    assert "[" not in talk.find_element("css selector", ".answer").text, "a citation is no button"
    chip = talk.find_element("css selector", ".chip")
    chip.send_keys("\n")
    assert chip.get_attribute("aria-expanded") == "true"
    rows = [element.text for element in talk.find_elements("css selector", ".source dt, .source dd")]
    source = dict(zip(rows[::2], rows[1::2]))
    assert len(source["SHA-256"]) == 64 and len(source["id"]) == 36 and source["of"] == "rising"
    talk.find_elements("css selector", ".judge")[1].click()
    talk.find_element("css selector", ".reason input").send_keys("it was a good answer\n")
    assert world.wait_for(lambda: "Kept as bad" in talk.text, 20), talk.text
    assert world.wait_for(lambda: "0 good, 1 bad" in text(browser), 20)
    only(browser, asked)


def test_a_refusal_says_why(browser, asked):
    browser.get(asked + "/")
    talk = ask(browser, "who won the cup?")
    assert talk.get_attribute("data-status") == "refused"
    assert "not covered by what you may see" in talk.text and "Ask in other words" in talk.text
    assert talk.find_elements("css selector", ".chip") == []
    field = browser.find_element("id", "question")
    field.send_keys("\ue013")  # the arrow up
    assert field.get_attribute("value") == "who won the cup?"


def talks(browser):
    return [element.text for element in browser.find_elements("css selector", ".talk h3")]


def test_a_conversation_is_resumed_and_erased(browser, asked):
    browser.get(asked + "/")
    insight_is_told(browser, asked)
    said = ask(browser, "how is hypertension?").find_element("css selector", ".answer").text
    ask(browser, "and last week?")
    browser.refresh()
    assert world.wait_for(lambda: talks(browser) == ["and last week?", "how is hypertension?"], 30), talks(browser)
    assert browser.find_elements("css selector", ".answer")[1].text == said
    assert browser.find_elements("css selector", ".chip")
    browser.find_element("id", "erase").click()
    assert world.wait_for(lambda: "Erased." in text(browser), 30) and talks(browser) == []
    ask(browser, "how is asthma?")
    browser.find_element("id", "anew").click()
    assert talks(browser) == []
    ask(browser, "how is asthma?")
    browser.refresh()
    assert world.wait_for(lambda: talks(browser) == ["how is asthma?"], 30), talks(browser)
    only(browser, asked)


HOSTILE = "<img src=x onerror=\"window.hurt=1\"><script>window.hurt=2</script>"
# What a server would say whose model and records are hostile; `late` are the pieces that it is sent in.
FAKE = """
const text = arguments[0], real = window.fetch;
window.fetch = (path, options) => {
  if (path !== "v1/query") return real(path, options);
  const bytes = new TextEncoder().encode(text);
  let at = 0;
  const body = new ReadableStream({ pull(to) {
    if (at >= bytes.length) to.close(); else to.enqueue(bytes.slice(at, at += 7));
  } });
  return Promise.resolve(new Response(body, { status: 200, headers: { "Content-Type": "text/event-stream" } }));
};"""


def events(*rows):
    return "".join(f"event: {row['kind']}\ndata: {json.dumps(row)}\n\n" for row in rows)


def sentence(said, n=1):
    return {"kind": "sentence", "text": said, "citations": [{"n": n, "id": HOSTILE, "hash": HOSTILE, "schema": HOSTILE, "at": "2026-01-31T12:00:00Z"}]}


def test_what_comes_from_elsewhere_stays_text(browser, asked):
    browser.get(asked + "/")
    end = {"kind": "end", "status": "partial", "records": 1, "people": 9, "dropped": 0, "reason": HOSTILE, "citations": []}
    browser.execute_script(FAKE, events(sentence(f"{HOSTILE} rises: 14 [1]."), sentence("Not a source [2]."), end))
    talk = ask(browser, HOSTILE)
    talk.find_element("css selector", ".chip").click()
    assert talk.text.count(HOSTILE) == 6, talk.text  # the question, the sentence, three of the source, the reason
    assert browser.execute_script("return new Date('2026-01-31T12:00:00Z').toLocaleString()") in talk.find_element("css selector", ".source").text
    assert "Not a source [2]." in talk.text, "a number that no citation has is no button"
    assert talk.find_elements("css selector", "img, script") == []
    assert browser.execute_script("return window.hurt") is None
    only(browser, asked)


def test_an_answer_that_is_withdrawn_or_cut_is_taken_away(browser, asked):
    browser.get(asked + "/")
    withdrawn = {"kind": "end", "status": "refused", "text": "Not this.", "reason": "the model tells of somebody", "citations": []}
    for rows, said in (([withdrawn], "Not this."), ([], "broke off")):
        browser.execute_script(FAKE, events(sentence("Asthma rises [1]."), *rows))
        talk = ask(browser, "what of asthma?")
        assert said in talk.text and "Asthma rises" not in talk.text
        assert talk.find_elements("css selector", ".chip") == []
