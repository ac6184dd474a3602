#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""test_embed_service.py - vectors from a service: what it is sent is proved and looked at like a prompt, documents wait for it,
questions do not, and one text that it will not have costs no other. Gemini and OpenAI's interface as emulators, and llama.cpp's
real server with a small model.

shows: VEC-2 RAG-2 RAG-6 PRV-15
"""
import base64
import json
import math
import pathlib
import sqlite3
import struct
import subprocess
import sys
import threading
import time
import urllib.request

import pytest

HERE = pathlib.Path(__file__).resolve().parents[1]
sys.path[:0] = [str(HERE / "tools"), str(HERE / "emulators")]
import tiny_gguf
from canary import Canaries
from gemini import Gemini
from openai_vectors import Vectors
from world import World, free_port, wait_for

KEY = "k-0123456789-abcdefghij-secret"
NOTES = ["chest pain after climbing stairs", "a persistent cough, worse at night", "a broken wrist after a fall", "the cough is gone", "seasonal flu"]
LEISURELY = ", task: query, deadline: 30s"  # which is waited for, however slow the machine is
INDEX = """  in: {{ op: source, from: file, path: in.jsonl, schema: healthcare }}
  anon: {{ op: anonymize, after: in, policy: patients }}
  vectors: {{ op: embed, after: anon, columns: [note], {embedder} }}
  keep: {{ op: sink-vectors, after: vectors, path: vectors.sqlite }}
  few: {{ op: project, after: vectors, keep: [text, embedding, embedding_model] }}
  out: {{ op: sink-file, after: few, path: out.jsonl }}
"""
ASK = """  in: {{ op: source, from: file, path: ask.jsonl, schema: healthcare, checkpoint: false }}
  few: {{ op: project, after: in, keep: [note] }}
  anon: {{ op: anonymize, after: few, policy: patients }}
  vectors: {{ op: embed, after: anon, columns: [note], {embedder} }}
  find: {{ op: search, after: vectors, question: note, path: vectors.sqlite }}
  out: {{ op: sink-file, after: find, path: answer.jsonl }}
"""


@pytest.fixture(name="world")
def make_world(tmp_path, datavault):
    with World(tmp_path / "w", datavault) as world:
        yield world


def index(world, embedder, notes=NOTES, code=0):
    """[(text, vector, model)] of what came out; or what was said if the configuration is at fault."""
    world.write("in.jsonl", *({"patient_id": f"p{number}", "diagnosis": "d", "note": note} if isinstance(note, str) else note
                              for number, note in enumerate(notes)))
    world.graph(INDEX.format(embedder=embedder), name="index.yaml")
    done = world.run("run", "--once", "index.yaml", env={"LLM_KEY": KEY})
    assert done.returncode == code and KEY.encode() not in done.stderr, done.stderr
    if code == 3:
        return done.stderr.decode()
    rows = [json.loads(line) for line in world.path("out.jsonl").read_text().splitlines()]
    floats = {row["text"]: base64.b64decode(row["embedding"]) for row in rows if "embedding" in row}
    return [(row["text"], struct.unpack(f"<{len(floats[row['text']]) // 4}f", floats[row["text"]]), row["embedding_model"]) for row in rows]


def ask(world, embedder, question):
    world.write("ask.jsonl", {"patient_id": "q", "diagnosis": "-", "note": question})
    world.graph(ASK.format(embedder=embedder), name="ask.yaml")
    world.path("answer.jsonl").unlink(missing_ok=True)
    done = world.run("run", "--once", "ask.yaml", env={"LLM_KEY": KEY})
    assert done.returncode == 0, done.stderr
    return json.loads(world.path("answer.jsonl").read_text())["evidence"]


def openai(service, width=64, more=""):
    return f"embedder: openai, model: small, url: '{service.url}', dimensions: {width}{more}"


def test_gemini_sees_what_is_redacted_and_nothing_else(world):
    canaries = Canaries(11)
    records = [canaries.healthcare(diagnosis="d") for _ in NOTES]
    with Gemini(KEY) as gemini:
        embedder = f"embedder: gemini, model: gemini-embedding-001, url: '{gemini.url}', dimensions: 768, key: 'env:LLM_KEY'"
        rows = index(world, embedder, records)
        assert all(row[0].startswith('Seen today. Mail [EMAIL], SSN [') for row in rows)
        assert [row[2] for row in rows] == ["gemini:gemini-embedding-001:768"] * len(NOTES)
        assert all(len(vector) == 768 and math.isclose(math.hypot(*vector), 1, abs_tol=1e-5) for _, vector, _ in rows)
        evidence = ask(world, embedder + LEISURELY, "who was seen today?")
        assert not evidence["lexical"]
        sent = [json.loads(body) for _, _, body in gemini.requests]
        assert [body["taskType"] for body in sent] == ["RETRIEVAL_DOCUMENT"] * len(NOTES) + ["RETRIEVAL_QUERY"]
        assert sorted(body["content"]["parts"][0]["text"] for body in sent[:-1]) == sorted(row[0] for row in rows)
        assert not canaries.find(b"\n".join(body for _, _, body in gemini.requests))
        assert canaries.find(world.path("in.jsonl").read_bytes()), "a control: they were there"
        assert all(headers.get("x-goog-api-key") == KEY for _, headers, _ in gemini.requests)


def test_many_texts_go_out_by_the_request(world):
    notes = [f"note {number} of many" for number in range(70)] + ["a long one " + "word " * 300]
    with Vectors(64) as service:
        rows = index(world, openai(service, more=", texts: 16, max_tokens: 64"), notes)
        assert sorted(row[0] for row in rows) == sorted(notes)
        sent = [json.loads(body) for _, _, body in service.requests]
        assert max(len(body["input"]) for body in sent) == 16 and len(sent) == 5  # 70 texts and 8 windows
        assert all(len(text) <= 192 and text == text.strip(" ") or text.startswith(" ") for text in service.texts)
        assert sum(len(text) for text in service.texts) == sum(map(len, notes))
        assert all(math.isclose(math.hypot(*vector), 1, abs_tol=1e-5) for _, vector, _ in rows) and "dimensions" not in sent[0]


def test_one_text_that_it_will_not_have_costs_no_other(world):
    with Vectors(64) as service:
        rows = index(world, openai(service), NOTES[:3] + ["the [400] one"] + NOTES[3:], code=1)
        assert sorted(row[0] for row in rows) == sorted(NOTES)
        letters = world.letters()
        assert len(letters) == 1 and "[400]" in json.dumps(letters[0])
    with sqlite3.connect(world.path("vectors.sqlite")) as vectors:
        assert vectors.execute("SELECT count(*), count(vector), count(DISTINCT model) FROM embeddings").fetchone() == (5, 5, 1)


def test_a_service_that_refuses_every_text_is_asked_wrongly(world):
    """No document is lost for a wrong setting: they wait until it is right."""
    with Vectors(64, status=400, until=20) as service:
        rows = index(world, openai(service))
        assert sorted(row[0] for row in rows) == sorted(NOTES)
        assert len(service.requests) == 21, "all five by halves and a plain word, twice; then at once"
        letters = world.path("state/t/dead-letters.msgpack")
        assert not letters.exists() or not letters.read_bytes()


def test_documents_wait_for_a_service_that_is_down(world):
    port, service = free_port(), []
    starter = threading.Timer(1.5, lambda: service.append(Vectors(64, port)))
    began = time.monotonic()
    starter.start()
    try:
        rows = index(world, f"embedder: openai, model: small, url: 'http://127.0.0.1:{port}', dimensions: 64")
        assert sorted(row[0] for row in rows) == sorted(NOTES) and time.monotonic() - began > 1.5
    finally:
        starter.join()
        service[0].__exit__()


@pytest.mark.parametrize("how", ["silent", "down", "forbidden", "other width"])
def test_questions_go_on_with_words(world, how):
    with Vectors(64) as service:
        index(world, openai(service))
        assert not ask(world, openai(service, more=LEISURELY), "whose cough?")["lexical"]
    width = 63 if how == "other width" else 64
    with Vectors(width, silent=how == "silent", status=403 if how == "forbidden" else 200) as service:
        if how == "down":
            service.server.server_close()
        began = time.monotonic()
        evidence = ask(world, openai(service, more=", task: query, deadline: 300ms"), "whose cough?")
        assert time.monotonic() - began < 15, "it did not wait for an answer"
        assert evidence["lexical"] and {hit["text"] for hit in evidence["hits"]} == {NOTES[1], NOTES[3]}


def test_vectors_of_another_width_end_the_run(world):
    with Vectors(63) as service:
        said = index(world, openai(service), code=3)
        assert "another number of dimensions" in said and len(service.requests) == 1


@pytest.mark.parametrize("options, code", [
    ("embedder: openai, model: m, dimensions: 64, key: 'env:LLM_KEY', url: 'http://example.org'", "C235"), ("embedder: openai, dimensions: 64", "C231"),
    ("embedder: gemini, model: m", "C225"), ("model: m", "C224"), ("embedder: none, dimensions: 3", "C224"), ("max_tokens: 513", "C223"),
    ("guard: { do: redact }", "C035")])
def test_what_cannot_work_is_said_at_check(world, options, code):
    world.graph(INDEX.format(embedder=options))
    done = world.run("check", "graph.yaml")
    assert done.returncode == 3 and code.encode() in done.stderr, done.stderr


def test_the_proof_names_it_as_an_exit(world):
    world.graph(INDEX.format(embedder="embedder: gemini, model: m, dimensions: 8"))
    proof = world.run("check", "graph.yaml").stdout.decode()
    rows = [line.split() for line in proof.splitlines() if line.startswith("vectors ")]
    assert [row[1:5] for row in rows] == [["LLM", "prompt", "note", "free-text,"], ["guard", "(none)", "block", "no"]], proof
    world.graph(INDEX.format(embedder="embedder: none"))
    assert "LLM prompt" not in "".join(line for line in world.run("check", "graph.yaml").stdout.decode().splitlines() if line.startswith("vectors "))


def test_a_real_server(world, tmp_path):
    tiny_gguf.write(tmp_path / "tiny.gguf")
    port = free_port()
    with subprocess.Popen([sys.executable, HERE / "tools" / "llama_serve.py", tmp_path / "tiny.gguf", str(port), "embeddings"], stdout=subprocess.DEVNULL,
                          stderr=subprocess.DEVNULL) as process:
        try:
            url = f"http://127.0.0.1:{port}"
            assert wait_for(lambda: is_up(url), 60)
            embedder = f"embedder: openai, model: tiny, url: '{url}', dimensions: 64, max_tokens: 100"
            rows = index(world, embedder, NOTES + ["it is long " * 80])  # a token a byte: in one piece it is too long for the server
            assert len(rows) == 6 and {row[2] for row in rows} == {"openai:tiny:64"}
            evidence = ask(world, embedder + LEISURELY, NOTES[2])
            assert not evidence["lexical"] and evidence["hits"][0]["text"] == NOTES[2] and evidence["hits"][0]["cosine"] > 0.999
        finally:
            process.kill()


def is_up(url):
    try:
        return urllib.request.urlopen(f"{url}/health", timeout=5).status == 200
    except OSError:
        return False
