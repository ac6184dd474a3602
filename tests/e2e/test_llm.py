#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""test_llm.py - what language models' services do, and what comes of it: Gemini as an emulator, OpenAI's interface as a real
server with a small model, and networks that fail. tests/tools/llm_ask.c asks; what it writes is all there is to see.

No text of a prompt, of an answer or of an error's body may be among what it logs, and the key is nowhere in its memory once
the answer is there.

DATAVAULT_LONG=1 asks a model that speaks English, too.

shows: RAG-5 RAG-6 VEC-2 R19
"""
import json
import math
import os
import pathlib
import ssl
import subprocess
import sys
import time
import urllib.request

import pytest

HERE = pathlib.Path(__file__).resolve().parents[1]
sys.path[:0] = [str(HERE / "tools"), str(HERE / "emulators")]
import tiny_gguf
from faultproxy import FaultProxy, Plan
from gemini import Gemini
from world import free_port, wait_for

CANARY = "Grünkohl-Käpt'n"  # stands in prompts, so in answers and errors, and never in a log
KEY = "k-0123456789-abcdefghij-secret"
SCHEMA = json.dumps({"type": "object", "properties": {"ok": {"type": "boolean"}}, "required": ["ok"]})


class Asker:
    def __init__(self, program, folder):
        self.program, self.folder = program, folder
        self.key = folder / "key"
        self.key.write_text(KEY)
        self.key.chmod(0o600)

    def run(self, commands, url, kind="gemini", model="gemini-9-flash", key=True, **options):
        """What came, a dict each; the last one tells the figures."""
        options.setdefault("pause_ms", 5)
        words = [f"{name}={value}" for name, value in options.items()] + ([f"key=file:{self.key}"] if key else [])
        done = subprocess.run([self.program, f"kind={kind}", f"url={url}", f"model={model}", *words],
                              input="".join(json.dumps(command) + "\n" for command in commands), stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                              text=True, timeout=100, check=False)
        assert done.returncode == 0, done.stderr[-3000:]
        assert CANARY not in done.stderr and KEY not in done.stderr, done.stderr
        found = [json.loads(line) for line in done.stdout.splitlines()]
        assert not any(CANARY in str(answer.get("reason")) for answer in found)
        return found

    def ask(self, prompt, url, **options):
        request = {name: options.pop(name) for name in ("schema", "max_tokens", "system", "stop_at") if name in options}
        return self.run([{"op": "ask", "prompt": f"{prompt} {CANARY}", **request}], url, **options)


@pytest.fixture
def asker(tmp_path, datavault):
    return Asker(pathlib.Path(datavault).parents[1] / "tests" / "llm_ask", tmp_path)


@pytest.fixture
def gemini():
    with Gemini(KEY) as service:
        yield service


# ---- Gemini ----

NO_ANSWER = "the service would not answer"
SCENARIOS = [  # word in the prompt, rc, finish, reason, how often it was asked
    ("", "DV_OK", "complete", None, 1),
    ("[ascii]", "DV_OK", "complete", None, 1),
    ("[no-blank]", "DV_OK", "complete", None, 1),
    ("[thinks]", "DV_OK", "complete", None, 1),
    ("[blocked]", "DV_OK", "blocked", "the service would not take the prompt", 1),
    ("[safety]", "DV_OK", "blocked", NO_ANSWER, 1),
    ("[recitation]", "DV_OK", "blocked", NO_ANSWER, 1),
    ("[spii]", "DV_OK", "personal", "the service saw personal data", 1),
    ("[other]", "DV_E_DATA", "failed", "the answer ended in a way that is not known", 1),
    ("[future]", "DV_E_DATA", "failed", "the answer ended in a way that is not known", 1),
    ("[empty]", "DV_E_DEPENDENCY", "failed", "the answer broke off", 4),
    ("[no-end]", "DV_E_DEPENDENCY", "failed", "the answer broke off", 1),
    ("[cut]", "DV_E_DEPENDENCY", "failed", "the answer broke off", 1),
    ("[garbage]", "DV_E_DATA", "failed", "the service's answer is no JSON", 1),
    ("[mid-error]", "DV_E_DEPENDENCY", "failed", "the model's service is busy or down", 1),
    ("[503]", "DV_OK", "complete", None, 3),
    ("[504]", "DV_OK", "complete", None, 2),
    ("[500]", "DV_E_DATA", "failed", "the model's service failed at this request", 4),
    ("[429]", "DV_E_DEPENDENCY", "failed", "the model's service is asked too often", 4),
    ("[429-wait]", "DV_OK", "complete", None, 3),
    ("[429-long]", "DV_E_DEPENDENCY", "failed", "the model's service is asked too often", 1),
    ("[429-day]", "DV_E_DEPENDENCY", "failed", "the day's quota of the model's service is used up", 1),
    ("[bad-key]", "DV_E_CONFIG", "failed", "the model's service does not accept the key", 1),
    ("[region]", "DV_E_CONFIG", "failed", "the service is not open to this account or region", 1),
]
TOLD = {"[safety]": "[safety] ", "[recitation]": "[recitation] ", "[spii]": "", "[blocked]": "", "[empty]": ""}


@pytest.mark.parametrize("word, rc, finish, reason, tries", SCENARIOS, ids=[row[0] or "plain" for row in SCENARIOS])
def test_gemini_does_what_it_does(asker, gemini, word, rc, finish, reason, tries):
    answer, end = asker.ask(word, gemini.url)
    assert (answer["rc"], answer["finish"], answer["reason"], len(gemini.requests)) == (rc, finish, reason, tries)
    if finish in ("complete", "blocked", "personal"):
        assert answer["text"] == TOLD.get(word, f"{word} {CANARY}".lstrip() if not word else f"{word} {CANARY}")
    assert end["personal"] == (finish == "personal") and end["blocked"] == (finish in ("blocked", "personal")) and end["failed"] == (finish == "failed")


def test_the_key_travels_in_its_header_alone(asker, gemini):
    answer, end = asker.ask("", gemini.url, system="be kind")
    path, headers, body = gemini.requests[0]
    assert path == "/v1beta/models/gemini-9-flash:streamGenerateContent?alt=sse"
    assert [name for name, value in headers.items() if KEY in value] == ["x-goog-api-key"] and KEY.encode() not in body
    assert json.loads(body)["systemInstruction"] == {"parts": [{"text": "be kind"}]}
    assert (answer["tokens_in"], answer["tokens_out"], end["reason"]) == (len(f" {CANARY}") // 4, 3, None)
    answer, end = asker.ask("", gemini.url, key=False)
    assert answer["reason"] == "the model's service does not accept the key"


def test_the_key_is_wiped_when_the_answer_is_there(asker, gemini):
    found = asker.run([{"op": "ask", "prompt": "why"}, {"op": "find", "file": str(asker.key)}, {"op": "ask", "prompt": "[500]"},
                       {"op": "find", "file": str(asker.key)}], gemini.url, find=asker.key)
    assert found[0]["finish"] == "complete" and found[0]["keys"] > 0  # while it comes
    assert (found[1]["keys"], found[3]["keys"]) == (0, 0)


def test_gemini_answers_within_a_schema_and_a_length(asker, gemini):
    answer, _ = asker.ask("", gemini.url, schema=SCHEMA)
    assert (answer["finish"], json.loads(answer["text"])) == ("complete", {"ok": True})
    answer, _ = asker.ask("one two three four", gemini.url, max_tokens=3)
    assert (answer["finish"], answer["text"]) == ("truncated", "one two three ")
    answer, _ = asker.ask("x" * 9000, gemini.url)
    assert (answer["rc"], answer["reason"]) == ("DV_E_DATA", "the model's service refuses this request")
    answer, _ = asker.ask("", gemini.url, model="gemini-1-gone")
    assert (answer["rc"], answer["reason"]) == ("DV_E_CONFIG", "the service has no such model or path")


def test_the_same_question_is_asked_once(asker, gemini):
    ask = {"op": "ask", "prompt": f"why {CANARY}"}
    found = asker.run([ask, ask, {**ask, "tenant": "other"}, {**ask, "prompt": "[spii]"}, {**ask, "prompt": "[spii]"}], gemini.url)
    assert [answer.get("kept") for answer in found[:5]] == [False, True, False, False, False]
    assert found[0]["text"] == found[1]["text"] and len(gemini.requests) == 4


def test_a_days_quota_opens_the_circuit(asker, gemini):
    found = asker.run([{"op": "ask", "prompt": "[429-day]"}, {"op": "sleep", "ms": 100}, {"op": "ask", "prompt": "why"}], gemini.url)
    assert [answer["reason"] for answer in found[:2]] == 2 * ["the day's quota of the model's service is used up"] and len(gemini.requests) == 1


def test_429_for_ever_opens_the_circuit(asker, gemini):
    found = asker.run([{"op": "ask", "prompt": f"[429] {number}"} for number in range(8)], gemini.url, pause_ms=200)
    assert {answer["reason"] for answer in found[:8]} == {"the model's service is asked too often"}
    assert 5 <= len(gemini.requests) <= 7 and found[-1]["reason"]  # four tries of the first, then the fifth; perhaps a probe


@pytest.mark.parametrize("model, size", [("gemini-embedding-001", 768), ("gemini-embedding-001", 3072), ("gemini-embedding-2", 768)])
def test_gemini_gives_vectors(asker, gemini, model, size):
    texts = [f"eins {CANARY}", "zwei", "[503] drei"]
    found = asker.run([{"op": "embed", "texts": texts, "dims": size}, {"op": "embed", "texts": texts, "dims": size, "query": True}], gemini.url, model=model)
    assert [answer["rc"] for answer in found[:2]] == ["DV_OK", "DV_OK"]
    sent = [json.loads(body) for _, _, body in gemini.requests]
    if model.endswith("001"):
        assert {body["taskType"] for body in sent} == {"RETRIEVAL_DOCUMENT", "RETRIEVAL_QUERY"}
    else:
        assert {body["content"]["parts"][0]["text"].split(":")[0] for body in sent} == {"title", "task"} and "taskType" not in sent[0]
    assert found[0]["rows"] != found[1]["rows"] and len(found[0]["rows"]) == 3
    assert all(abs(value) < 1 for row in found[0]["rows"] for value in row)
    assert math.isclose(found[0]["norms"][0], 1, abs_tol=1e-5) and math.isclose(found[1]["norms"][2], 1, abs_tol=1e-5)


def test_vectors_that_are_none_are_refused(asker, gemini):
    texts = ["[short]", "[nan]", ""]
    found = asker.run([{"op": "embed", "texts": ["ok", text], "dims": 16} for text in texts], gemini.url, model="gemini-embedding-001")
    assert [(answer["rc"], answer["rows"]) for answer in found[:3]] == 3 * [("DV_E_DATA", [])]


# ---- certificates ----

def certify(folder, name, days):
    def openssl(*words):
        subprocess.run(["openssl", *words], cwd=folder, check=True, capture_output=True)
    if not (folder / "ca.pem").exists():
        openssl("req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-keyout", "ca.key", "-out", "ca.pem", "-subj", "/CN=test")
    (folder / "san").write_text(f"subjectAltName={name}")
    openssl("req", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-keyout", "server.key", "-out", "csr.pem", "-subj", "/CN=server")
    openssl("x509", "-req", "-in", "csr.pem", "-CA", "ca.pem", "-CAkey", "ca.key", "-CAcreateserial", "-days", str(days), "-extfile", "san",
            "-out", "server.pem")
    time.sleep(1.5 if days == 0 else 0)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(folder / "server.pem", folder / "server.key")
    return context


@pytest.mark.parametrize("name, days, trusted, rc", [("IP:127.0.0.1", 2, True, "DV_OK"), ("IP:127.0.0.1", 2, False, "DV_E_CONFIG"),
                                                     ("IP:127.0.0.2,DNS:localhost", 2, True, "DV_E_CONFIG"), ("IP:127.0.0.1", 0, True, "DV_E_CONFIG")])
def test_certificates_are_verified(asker, tmp_path, name, days, trusted, rc):
    with Gemini(KEY, certify(tmp_path, name, days)) as gemini:
        answer, _ = asker.ask("", gemini.url, **({"ca": tmp_path / "ca.pem"} if trusted else {}))
        assert answer["rc"] == rc and (rc == "DV_OK" or answer["reason"] == "the server's certificate is not trusted")
        assert len(gemini.requests) == (rc == "DV_OK")


# ---- a real server ----

@pytest.fixture(scope="module")
def llama(tmp_path_factory):
    """(url of a server with a key that talks, url of one that gives vectors)."""
    folder = tmp_path_factory.mktemp("llama")
    tiny_gguf.write(folder / "tiny.gguf")
    servers = [(free_port(), [KEY]), (free_port(), ["embeddings"])]
    processes = []
    for port, words in servers:
        with open(folder / f"{port}.log", "wb") as log:
            processes.append(subprocess.Popen([sys.executable, HERE / "tools" / "llama_serve.py", folder / "tiny.gguf", str(port), *words],
                                              stdout=log, stderr=subprocess.STDOUT))
    try:
        yield [f"http://127.0.0.1:{port}" for port, _ in servers]
    finally:
        for process in processes:
            process.kill()
            process.wait()


def talk_to(asker, url, commands, **options):
    """Begins before the server is there: that is waited out."""
    return asker.run(commands, url, kind="openai", model="tiny", **options)


def is_up(url):
    try:
        return urllib.request.urlopen(f"{url}/health", timeout=5).status == 200
    except OSError:
        return False


def test_a_real_server_answers(asker, llama):
    assert wait_for(lambda: is_up(llama[0]), 60)
    ask = {"op": "ask", "prompt": f"why {CANARY}", "max_tokens": 64, "schema": SCHEMA}
    found = talk_to(asker, llama[0], [ask, {**ask, "max_tokens": 4}, {"op": "ask", "prompt": "x " * 3000}, {"op": "ask", "prompt": "x" * 900, "stop_at": 1}])
    assert (found[0]["finish"], json.loads(found[0]["text"])) == ("complete", {"ok": True}) and found[0]["pieces"] > 3
    assert found[0]["tokens_in"] > 10 and found[0]["tokens_out"] > 3
    assert found[1]["finish"] == "truncated"
    assert (found[2]["rc"], found[2]["reason"]) == ("DV_E_LIMIT", "the prompt is longer than the model can take")
    assert found[3]["op"] in ("cancelled", "ask")  # random bytes may be no text at all, which it answers with 500
    again = talk_to(asker, llama[0], [ask])
    assert again[0]["text"] == found[0]["text"]  # temperature 0 and a seed
    assert talk_to(asker, llama[0], [ask], key=False)[0]["reason"] == "the model's service does not accept the key"


def test_a_real_server_gives_vectors(asker, llama):
    assert wait_for(lambda: is_up(llama[1]), 60)
    texts = [f"eins {CANARY}", "zwei", "", "zwei"]
    embed = {"op": "embed", "texts": texts, "dims": 64}
    numbers = talk_to(asker, llama[1], [embed, {**embed, "dims": 65}, {**embed, "texts": ["x " * 1500]}])
    assert numbers[0]["rc"] == "DV_OK" and numbers[0]["rows"][1] == numbers[0]["rows"][3] != numbers[0]["rows"][0]
    assert all(math.isclose(norm, 1, abs_tol=1e-5) for norm in numbers[0]["norms"]) and numbers[0]["tokens_in"] > 4
    assert (numbers[1]["rc"], numbers[2]["rc"]) == ("DV_E_DATA", "DV_E_DATA") and numbers[-1]["retries"] == 3  # a 500 each time
    assert talk_to(asker, llama[1], [embed], base64=1)[0] == numbers[0]
    assert talk_to(asker, llama[0], [embed])[0]["reason"] == "the service cannot do this"


@pytest.mark.skipif(not os.environ.get("DATAVAULT_LONG"), reason="fetches a model of 100 MB; DATAVAULT_LONG=1 runs it")
def test_a_model_that_speaks(asker, tmp_path):
    root = HERE.parent
    subprocess.run([root / "tools" / "parts", "speech"], check=True)
    port = free_port()
    with subprocess.Popen([sys.executable, HERE / "tools" / "llama_serve.py", root / "parts" / "smollm2.gguf", str(port)], stdout=subprocess.DEVNULL,
                          stderr=subprocess.DEVNULL) as process:
        try:
            url = f"http://127.0.0.1:{port}"
            assert wait_for(lambda: is_up(url), 120)
            answer = talk_to(asker, url, [{"op": "ask", "prompt": "[1] Order 17 was shipped on 4 May. When was it shipped?", "max_tokens": 48}], key=False)[0]
            assert answer["finish"] in ("complete", "truncated") and "May" in answer["text"] and answer["pieces"] > 4
        finally:
            process.kill()


# ---- networks ----

@pytest.fixture
def proxy(gemini):
    way = FaultProxy(gemini.port)
    way.url = f"http://127.0.0.1:{way.port}"
    yield way
    way.close()


def test_cuts_inside_letters(asker, proxy):
    """Wherever the answer is cut: either nothing of it was seen and it is asked again, or what was seen are whole letters."""
    prompt, ends = " ".join(3 * ["ä€😀" * 40]), {}  # three events, and more than half of their bytes are of such letters
    for at in (60, 130, 200, *range(800, 824, 3), *range(2200, 2248, 3)):
        first = proxy.opened
        proxy.plan = lambda number, first=first, at=at: Plan(at=at, how=("close", "reset")[at % 2]) if number <= first + 1 else Plan()
        answer, _ = asker.ask(prompt, proxy.url)
        ends[at] = answer["finish"], answer["rc"]
        assert f"{prompt} {CANARY}".startswith(answer["text"]) and (answer["finish"] == "complete") == (CANARY in answer["text"])
    # A reset takes with it what was not read yet: then nothing was seen, wherever it came.
    assert {ends[at] for at in (60, 130, 200, 800)} == {("complete", "DV_OK")} and ends[2200] == ends[2242] == ("failed", "DV_E_DEPENDENCY")
    assert proxy.cuts == len(ends)


def test_a_black_hole_and_a_trickle_end_at_the_deadlines(asker, gemini, proxy):
    proxy.plan = lambda number: Plan(at=0, how="black-hole")
    answer, _ = asker.ask("", proxy.url, first_byte_ms=150)
    assert (answer["rc"], answer["reason"]) == ("DV_E_DEPENDENCY", "the server does not answer in time") and answer["pieces"] == 0
    proxy.plan = lambda number: Plan(at=900, how="black-hole")
    answer, _ = asker.ask("word " * 30, proxy.url, idle_ms=1000)
    assert (answer["rc"], answer["reason"]) == ("DV_E_DEPENDENCY", "the answer stands still") and answer["pieces"] > 0
    proxy.plan = lambda number: Plan(rate=2000)
    answer, _ = asker.ask("word " * 60, proxy.url, total_ms=2000)
    assert (answer["rc"], answer["reason"]) == ("DV_E_DEPENDENCY", "the answer takes too long") and answer["pieces"] > 0
    proxy.plan = lambda number: Plan(rate=20000)
    answer, _ = asker.ask("word " * 30, proxy.url)
    assert answer["finish"] == "complete"


def test_nobody_there(asker, gemini, proxy):
    answer, _ = asker.ask("", f"http://127.0.0.1:{free_port()}")
    assert (answer["rc"], answer["reason"]) == ("DV_E_DEPENDENCY", "the server cannot be reached")
    answer, _ = asker.ask("", "https://nobody.invalid")
    assert (answer["rc"], answer["reason"]) == ("DV_E_DEPENDENCY", "the server's name cannot be resolved")
    proxy.refuse = True
    answer, _ = asker.ask("", proxy.url)
    assert answer["rc"] == "DV_E_DEPENDENCY" and answer["pieces"] == 0
    answer, _ = asker.ask("", gemini.url.replace("127.0.0.1", "localhost"))
    assert answer["finish"] == "complete"


def test_many_at_a_time_over_kept_connections(asker, gemini, proxy):
    found = asker.run([{"op": "ask", "prompt": f"word {number}", "together": True} for number in range(40)], proxy.url)
    assert sorted(answer["text"] for answer in found[:-1]) == sorted(f"word {number}" for number in range(40))
    assert proxy.opened <= 4


@pytest.mark.parametrize("answers", [1, 5])
def test_it_can_be_closed_at_any_answer(asker, gemini, proxy, answers):
    """Others are under way and wait then; nothing more comes of them, and nothing is left."""
    proxy.plan = lambda number: Plan(delay=0.001)
    found = asker.run([{"op": "ask", "prompt": f"word {number} " * 20, "together": True} for number in range(12)], proxy.url, close_after=answers)
    assert len(found) == answers + 1


def test_memory_that_fails_ends_a_request_and_nothing_else(asker, gemini):
    """The n-th allocation fails, ours or libcurl's: the request ends, if only at its deadline, and the next one has its answer."""
    commands = [command for nth in range(1, 101) for command in ({"op": "ask", "prompt": "why", "fail_at": nth}, {"op": "ask", "prompt": "then"})]
    found = asker.run(commands, gemini.url, keeps_none=1, first_byte_ms=1000)[:-1]
    assert {(answer["rc"], answer["text"]) for answer in found[1::2]} == {("DV_OK", "then")}
    failed = [answer["rc"] for answer in found[::2] if answer["rc"] != "DV_OK"]
    # libcurl sends a URL without its query if it has no memory for that: one 404
    assert failed.count("DV_E_MEMORY") >= 30 and failed.count("DV_E_CONFIG") <= 1 and set(failed) <= {"DV_E_MEMORY", "DV_E_CONFIG"}


def test_the_environments_proxy_is_not_used(asker, gemini, monkeypatch):
    for name in ("http_proxy", "https_proxy", "all_proxy", "HTTPS_PROXY", "ALL_PROXY"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")
    answer, _ = asker.ask("", gemini.url)
    assert answer["finish"] == "complete"


def test_what_cannot_be_used_is_refused_at_once(asker):
    for url in ("http://example.org", "ftp://127.0.0.1", "http://a:b@127.0.0.1", "127.0.0.1"):
        assert asker.ask("", url)[0]["rc"] == "DV_E_CONFIG"
