#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""test_vectors_snowflake.py - vectors in the emulated Snowflake: the tests of every place of vectors, and graphs that keep, find, answer and
forget there. What was planted in the records is in nothing that it was sent, and nothing of a question is in a statement's text.

shows: VEC-3 VEC-4 RAG-1 RAG-2 RAG-3 RAG-4 SNO-4 SNO-5 SNO-6
"""
import contextlib
import json
import pathlib
import shutil
import sqlite3
import subprocess
import sys

import pytest

HERE = pathlib.Path(__file__).resolve().parents[1]
sys.path[:0] = [str(HERE / "tools"), str(HERE / "emulators")]
from canary import Canaries
from http_world import ONE, HttpWorld
from openai_vectors import Vectors
from snowflake import Snowflake
from snowflake_vectors import WIDTH, make_tables
from world import ROOT, wait_for

INDEX = """  in: {{ op: source, from: file, path: in.jsonl, schema: healthcare }}
  anon: {{ op: anonymize, after: in, policy: hipaa-safe-harbor }}
  seal: {{ op: encrypt, after: anon, key: healthcare }}
  store: {{ op: sink-store, after: seal, path: vault.sqlite }}
  open: {{ op: decrypt, after: seal, schema: healthcare, policy: hipaa-safe-harbor, references: true }}
  notes: {{ op: embed, after: open, columns: note{embedder} }}
  keep: {{ op: sink-vectors, after: notes, {place} }}
  groups: {{ op: aggregate, after: anon, by: diagnosis, window: 1d }}
  say: {{ op: insights, after: groups }}
  news: {{ op: embed, after: say, columns: [told]{embedder} }}
  told: {{ op: sink-vectors, after: news, {place} }}
"""
ASK = """  questions: {{ op: source, from: http, schema: question }}
  redact: {{ op: anonymize, after: questions, policy: questions }}
  meaning: {{ op: embed, after: redact, columns: question, task: query{embedder} }}
  found: {{ op: search, after: meaning, floor: 0, top: 16, {place} }}
  answer: {{ op: rag, after: found, floor: 0 }}
  reply: {{ op: sink-reply, after: answer }}
"""
NOTES = ["A dry cough at night.", "The cough brings up phlegm.", "Coughing for two weeks.", "Chronic cough, treated.", "Cough and a sore throat.",
         "A parrot bit his thumb."]


@pytest.fixture(name="snow")
def make_snow(tmp_path):
    with Snowflake(tmp_path) as snow:
        make_tables(snow)
        yield snow


@pytest.fixture(name="service")
def make_service():
    with Vectors(WIDTH) as service:
        yield service


class Scene(HttpWorld):
    """A world whose vectors are in Snowflake."""

    def __init__(self, folder, binary, snow, service):
        super().__init__(folder, binary, datasets=("healthcare",))
        self.snow, self.canaries = snow, Canaries(7007)
        self.embedder = f", embedder: openai, model: m, dimensions: {WIDTH}, url: '{service.url}'"
        for name in ("hipaa-safe-harbor", "questions"):
            shutil.copy(ROOT / "conf" / "policies" / f"{name}.yaml", self.path("policies"))

    def place(self, **more):
        given = {"account": self.snow.account, "url": self.snow.url, "ca": self.snow.ca, "user": self.snow.user, "key": f"file:{self.snow.key}",
                 "database": "DV", "warehouse": "WH", **more}
        return ", ".join(f"{name}: '{value}'" for name, value in given.items())

    def write_graph(self, nodes, name, settings="", **more):
        self.graph(nodes.format(embedder=self.embedder, place=self.place(**more)), settings=f"keyring: file:keys\n{settings}", name=name)

    def fill(self):
        self.sent = [self.canaries.healthcare(patient_id=f"patient-{number}", diagnosis="Asthma") for number in range(len(NOTES))]
        for record, note in zip(self.sent, NOTES):
            record["note"] = f"{note} {record['note']}"
        self.write("in.jsonl", *self.sent)
        self.write_graph(INDEX, "index.yaml")
        done = self.run("run", "--once", "index.yaml")
        assert done.returncode == 0, done.stderr
        return self

    def serve(self, **how):
        return self.begin(nodes=ASK.format(embedder=self.embedder, place=self.place()), **how)

    def ask(self, question):
        answer = self.post(json.dumps({"question": question}).encode(), ONE, path="/v1/query")
        assert answer.status == 200, answer.raw
        return answer.body

    def texts(self, **where):
        return [row for row in self.snow.rows("EMBEDDINGS") if all(row[name] == value for name, value in where.items())]


@pytest.fixture(name="scene")
def make_scene(tmp_path, datavault, snow, service):
    with Scene(tmp_path / "w", datavault, snow, service) as scene:
        yield scene


def test_migrate_makes_what_is_needed(scene, snow):
    told = {name: [row[:2] for row in snow.query(f"DESCRIBE TABLE {name}").rows] for name in ("EMBEDDINGS", "EMBEDDINGS_VECTORS")}
    snow.query("CREATE OR REPLACE SCHEMA DV.PUBLIC")
    scene.write_graph(INDEX, "index.yaml", dimensions=WIDTH)
    done = scene.run("migrate", "index.yaml")
    assert done.returncode == 0, done.stderr
    assert done.stdout.count(b"made") == 4 and done.stdout.count(b"as it was") == 2, done.stdout  # of two nodes in one table
    assert {name: [row[:2] for row in snow.query(f"DESCRIBE TABLE {name}").rows] for name in told} == told
    assert scene.fill().texts()


def test_every_place_does_this(snow, datavault):
    program = pathlib.Path(datavault).parents[1] / "tests" / "vectors_snowflake"
    snow.keeps = False
    done = subprocess.run([program, snow.url, snow.account, snow.user, f"file:{snow.key}", snow.ca], capture_output=True, text=True, timeout=3600,
                          check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    erased = snow.rows("ERASURES")
    assert {row["TEXTS"] for row in erased if row["TENANT"] == "people"} == {3} and all(row["DONE_MS"] >= row["REQUESTED_MS"] for row in erased)


def test_from_a_record_to_an_answer(scene, snow, service):
    scene.fill()
    kept, told = scene.texts(SUBJECTS=1), [row for row in scene.texts() if row["SUBJECTS"] != 1]
    assert len(kept) == len(NOTES) and told
    assert all(len(row["EMBEDDING"]) == WIDTH and row["MODEL"] == f"openai:m:{WIDTH}" for row in scene.texts())
    with contextlib.closing(sqlite3.connect(scene.path("vault.sqlite"))) as vault:
        sealed = {row[0].hex(): (row[1].hex(), row[2].hex()) for row in vault.execute("SELECT id, data_hash, subject_ref FROM encrypted_blobs")}
    assert {row["DV_ID"].replace("-", ""): (row["HASH"], row["SUBJECT_REF"]) for row in kept} == sealed
    process = scene.serve()
    done = scene.run("ask", "--url", f"http://127.0.0.1:{scene.port}", "how is asthma?")
    assert done.returncode == 0 and b"Asthma" in done.stdout and any(row["DV_ID"].encode() in done.stdout for row in told), done
    answer = scene.ask("who has a cough, or was bitten by a parrot?")
    assert "cough" in json.dumps(answer) and "parrot" not in json.dumps(answer["sentences"])
    cited = {citation["id"]: citation["hash"] for citation in answer["citations"]}
    assert len(cited) >= 5 and all(cited[row["DV_ID"]] == row["HASH"] for row in kept if row["DV_ID"] in cited) and set(cited) <= {row["DV_ID"] for row in kept}
    seen = {"received": snow.received(), "log": process.log.read_bytes(), "embedded": "".join(service.texts).encode(),
            "table": json.dumps(scene.texts()).encode()}
    assert {name: hits for name, data in seen.items() if (hits := scene.canaries.find(data))} == {}
    assert len(scene.canaries.find(json.dumps(scene.sent).encode())) >= 10, "a control: they are found in what was put in"
    statements = [json.loads(request.raw)["statement"] for request in snow.requests if request.path == "/api/v2/statements"]
    assert len([text for text in statements if text.startswith("WITH")]) == 2, "a question is one statement"
    assert not any("parrot" in text or "asthma" in text or "default" in text for text in statements), "values are binds"


def test_texts_that_stand_many_times_are_one(scene, snow):
    """As after several processes put it at once: none takes another's rank."""
    scene.fill()
    scene.serve()
    told = scene.ask("who has a cough?")["citations"]
    assert len(told) > 1
    texts = len(scene.texts())
    for _ in range(7):
        snow.query("INSERT INTO EMBEDDINGS SELECT * FROM EMBEDDINGS")
    assert len(scene.texts()) == 128 * texts
    assert scene.ask("who has a cough?")["citations"] == told


def test_a_person_is_forgotten(scene, snow):
    scene.fill().serve()
    assert "cough" in json.dumps(scene.ask("who has a cough?")["sentences"]), "a control"
    with contextlib.closing(sqlite3.connect(scene.path("vault.sqlite"))) as vault:
        refs = {row[0].hex() for row in vault.execute("SELECT subject_ref FROM encrypted_blobs")}
    done = scene.run("vectors", "forget", "index.yaml", "keep", input=b"patient-1\nnobody\n")
    assert done.returncode == 0 and b"DV.PUBLIC.EMBEDDINGS: 1 texts removed, of 2 named" in done.stdout and b"DATA_RETENTION_TIME_IN_DAYS" in done.stderr, done
    left = {row["SUBJECT_REF"] for row in scene.texts(SUBJECTS=1)}
    erased, = snow.rows("ERASURES")
    assert {erased["SUBJECT_REF"]} == refs - left and len(left) == len(NOTES) - 1
    assert erased["TENANT"] == "default" and erased["TEXTS"] == 1 and erased["DONE_MS"] >= erased["REQUESTED_MS"] > 1.7e12
    assert scene.ask("who has a cough?")["sentences"] == [], "four are left, who are too few"
    record = scene.texts(SUBJECTS=1)[0]["DV_ID"]
    done = scene.run("vectors", "forget", "index.yaml", "keep", "--record", record, "--json")
    assert json.loads(done.stdout) == {"node": "keep", "place": "DV.PUBLIC.EMBEDDINGS", "tenant": "default", "named": 1, "found": 1, "removed": 1,
                                       "remains": True}
    assert f"record:{record}" in {row["SUBJECT_REF"] for row in snow.rows("ERASURES")}
    done = scene.run("vectors", "count", "index.yaml", "keep", "--json")
    assert json.loads(done.stdout)["texts"] == len(scene.texts())


def test_what_cannot_work_is_said(scene, snow):
    scene.fill()
    snow.query("CREATE TABLE NARROW AS SELECT * FROM EMBEDDINGS WHERE 1 = 0")
    snow.query("CREATE VIEW NARROW_VECTORS AS SELECT TENANT, MODEL, EMBEDDING::VECTOR(FLOAT, 64) AS EMBEDDING FROM NARROW")
    for more, said in (({"table": "NOTHING"}, b"datavault migrate"), ({"dimensions": 64}, b"give `dimensions` of the embedder"), ({"table": "NARROW"}, b"give `dimensions` of the embedder"),
                       ({"warehouse": "NOWHERE"}, b"no such warehouse")):
        scene.write_graph(INDEX.replace("schema: healthcare }}\n  anon", "schema: healthcare, checkpoint: false }}\n  anon"), "index.yaml", **more)
        done = scene.run("run", "--once", "index.yaml")
        assert done.returncode == 3 and said in done.stderr, done.stderr
    assert b"C234" in check(scene, path="x.sqlite") and b"C244" in check(scene, database="") and b"C253" in check(scene, user="")
    assert snow.rows("ERASURES") == []


def check(scene, **more):
    """What is found about a graph whose place has other options; an empty one is left out."""
    place = scene.place(**more)
    for name, value in more.items():
        place = place.replace(f", {name}: ''", "") if value == "" else place
    scene.graph(INDEX.format(embedder=scene.embedder, place=place), name="bad.yaml")
    done = scene.run("check", "bad.yaml")
    assert done.returncode == 3, done.stderr
    return done.stderr


def test_vectors_of_another_model_end_the_run(scene, snow):
    scene.fill()
    snow.query("UPDATE EMBEDDINGS SET MODEL = 'other:1'")
    before = scene.texts()
    scene.write_graph(INDEX.replace("path: in.jsonl", "path: more.jsonl"), "index.yaml")
    scene.write("more.jsonl", scene.canaries.healthcare(note="A headache."))
    done = scene.run("run", "--once", "index.yaml")
    assert done.returncode == 3 and b"another model" in done.stderr and scene.texts() == before
    assert b"headache" not in done.stderr


def is_proved(scene, sink, column, policy):
    anonymized = "  anon: {{ op: anonymize, after: in, policy: hipaa-safe-harbor }}\n" if policy else ""
    nodes = (f"  in: {{{{ op: source, from: file, path: in.jsonl, schema: healthcare }}}}\n{anonymized}"
             f"  one: {{{{ op: project, after: {'anon' if policy else 'in'}, keep: [{column}] }}}}\n"
             f"  text: {{{{ op: embed, after: one, columns: {column}, embedder: none }}}}\n  out: {{{{ op: {sink}, after: text, {{place}} }}}}\n")
    scene.write_graph(nodes, "plain.yaml", **({"table": "T", "journal": "j"} if sink == "sink-snowflake" else {}))
    done = scene.run("check", "plain.yaml")
    assert done.returncode in (0, 4), done.stderr
    return done.returncode == 0


def test_no_more_may_be_kept_than_in_a_table(scene):
    """What `sink-snowflake` is refused `sink-vectors` is refused at an account; a text must do for a prompt besides."""
    allowed = {sink: {(column, policy) for column in ("diagnosis", "patient_id", "note") for policy in (False, True)
                      if is_proved(scene, sink, column, policy)} for sink in ("sink-vectors", "sink-snowflake")}
    assert allowed["sink-vectors"] <= allowed["sink-snowflake"]
    assert ("note", True) in allowed["sink-vectors"] and ("note", False) not in allowed["sink-snowflake"], allowed
    assert ("patient_id", True) in allowed["sink-snowflake"] - allowed["sink-vectors"], "a pseudonym is for a store, not for a prompt"


def test_a_question_waits_while_snowflake_is_down(scene, snow):
    scene.fill().serve()
    snow.script(r"POST /api/v2/statements", 503, 503)
    assert "Asthma" in json.dumps(scene.ask("how is asthma?")), "asked again until it is there"
    assert wait_for(lambda: b"datavault_breaker" in scene.post(b"", path="/metrics", method="GET").raw, 30)


def test_only_the_tenants_own_is_found(scene):
    scene.fill()
    scene.begin(nodes=ASK.format(embedder=scene.embedder, place=scene.place()), settings="tenant: other\n")
    assert scene.ask("how is asthma?")["citations"] == []
