#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""test_ask_end_to_end.py - from a record to an answer, on real servers: records come by a Redis stream, are anonymised, sealed
and counted; the sealed ones are opened and embedded by a second program; a third answers questions. What was planted to rise is
named, citations lead to what they cite, nobody learns of one person, and no planted secret is anywhere on the way.

shows: DEV-2 DEV-3 RAG-1 RAG-2 RAG-3 RAG-4 RAG-5 VEC-1 VEC-2 VEC-3 VEC-4 ANO-8
"""
import hashlib
import json
import pathlib
import re
import shutil
import sys

import pytest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "tools"))
from canary import Canaries
from http_world import ONE, HttpWorld
from pg_server import PgServer
from redis_server import RedisServer
from test_query import UNCOVERED
from test_rag_models import Model, whole
from test_vectors_pg import BIN, pytestmark
from world import ROOT, end, free_port, get, wait_for

__all__ = ["pytestmark"]

CALM = {"Asthma": 14, "Hypertension": 18, "Influenza": 12, "Migraine": 12}
RISEN = {**CALM, "Influenza": 60}
WINDOWS = 12  # three to learn what is usual, eight to learn how far it strays, and one more
NOTES = ["A dry cough that keeps her awake at night.", "Coughing for two weeks, worse in the evening.", "The cough brings up phlegm.",
         "Chronic cough, treated with an inhaler.", "Cough and a sore throat.", "Headache with flashes of light.",
         "Stumbled on the stairs and twisted an ankle."]
PARROT = "A parrot bit his thumb, the wound is clean."
INTAKE = """name: intake
listen: "${DV_LISTEN}"
keyring: file:keys
state: state
graph:
  patients:   { op: source, from: redis, schema: healthcare, url: "${REDIS_URL}", stream: patients }
  anon:       { op: anonymize, after: patients, policy: hipaa-safe-harbor }
  seal:       { op: encrypt, after: anon, key: healthcare }
  blobs:      { op: sink-pg, after: seal, url: "${PG_URL}" }
  conditions: { op: aggregate, after: anon, by: diagnosis, window: 400ms }
  rising:     { op: insights, after: conditions, learn: 3, top: 1 }
  told:       { op: embed, after: rising, columns: [told], models: "${DV_PARTS}" }
  index:      { op: sink-vectors, after: told, url: "${PG_URL}" }
"""
QUESTIONS = """  {0}questions: {{ op: source, from: http, schema: question }}
  {0}redact: {{ op: anonymize, after: {0}questions, policy: questions }}
  {0}meaning: {{ op: embed, after: {0}redact, columns: [question], models: "${{DV_PARTS}}" }}
  {0}found: {{ op: search, after: {0}meaning, url: "${{PG_URL}}" }}
  {0}answer: {{ op: rag, after: {0}found{1} }}
  {0}reply: {{ op: sink-reply, after: {0}answer }}
"""
ASK = "name: ask\nlisten: \"${DV_LISTEN}\"\nkeyring: file:keys\nstate: state\ngraph:\n"


class Scene(HttpWorld):
    """Three programs between a Redis and a PostgreSQL server, and what was put in."""

    def __init__(self, folder, binary, pg, redis, model):
        super().__init__(folder, binary, datasets=("healthcare",))
        self.pg, self.redis, self.model, self.context = pg, redis, model, None
        self.canaries, self.sent, self.answers, self.ports = Canaries(1103), [], [], {}
        self.env = {"PG_URL": pg.url(), "REDIS_URL": f"redis://127.0.0.1:{redis.port}", "DV_PARTS": str(ROOT / "parts"),
                    "DV_KEYRING": "keys", "DV_STATE": "state"}
        for name in ("hipaa-safe-harbor", "questions"):
            shutil.copy(ROOT / "conf" / "policies" / f"{name}.yaml", self.path("policies"))
        # as the head of the file says for pgvector
        embed, changed = re.subn(r'path: "\$\{DV_VECTORS[^"]*"', 'url: "${PG_URL}"', (ROOT / "conf" / "embed.yaml").read_text())
        assert changed == 1
        other = f", llm: openai, model: fake, url: 'http://127.0.0.1:{model.server_port}'"
        for name, text in (("intake", INTAKE), ("embed", embed), ("ask", ASK + QUESTIONS.format("", "") + QUESTIONS.format("model-", other))):
            self.path(f"{name}.yaml").write_text(text)

    def launch(self, name):
        self.port = self.ports[name] = free_port()
        env = {**self.env, "DV_LISTEN": f"127.0.0.1:{self.port}"}
        if name != "ask":
            done = self.run("migrate", f"{name}.yaml", env=env)
            assert done.returncode == 0, done.stderr
        process = self.start("run", f"{name}.yaml", env=env)
        assert wait_for(lambda: get(self.port, "/readyz")[0] == 200, 60), process.log.read_text()

    def judged(self):
        found = re.search(rb'datavault_node_figure\{[^}]*node="rising"[^}]*"windows"[^}]*\} (\d+)', get(self.ports["intake"], "/metrics")[1])
        return int(found.group(1)) if found else 0

    def window(self, counts, number, extra=()):
        """One window's records; back when it was judged, so that the next ones are at the beginning of theirs."""
        records = [{"patient_id": f"p-{number}-{name}-{i}", "diagnosis": name} for name, count in counts.items() for i in range(count)]
        before = self.judged()
        adds = [["XADD", "patients", "*", "data", json.dumps(record)] for record in [*records, *extra]]
        self.redis.client().pipeline([["MULTI"], *adds, ["EXEC"]])  # all at once, since no window may end among them
        self.sent += [*records, *extra]
        assert wait_for(lambda: self.judged() > before, 60), self.running[0].log.read_text()

    def patient(self, note, diagnosis):
        record = self.canaries.healthcare(diagnosis=diagnosis)
        record["note"] = f"{note} {record['note']}"
        return record

    def fill(self):
        for number in range(WINDOWS):
            self.window(CALM, number)
        told = [self.patient(note, "Asthma") for note in [*NOTES, PARROT]]
        self.parrots = told[-1]
        self.window(RISEN, WINDOWS, told)
        assert wait_for(lambda: self.count("encrypted_blobs") == len(self.sent), 60)
        assert wait_for(lambda: self.count("embeddings WHERE subjects = 1") == len(told), 60), self.running[1].log.read_text()
        assert wait_for(lambda: self.count("embeddings WHERE text LIKE '%is rising%'") > 0, 60), self.running[0].log.read_text()

    def count(self, what):
        return int(self.pg.sql(f"SELECT count(*) FROM datavault.{what}")[0][0])

    def ask(self, question, source="questions", **filters):
        answer = self.post(json.dumps({"question": question, **filters}).encode(), ONE, path=f"/v1/query/{source}")
        assert answer.status == 200, answer.raw
        self.answers.append(answer.raw)
        return answer.body


@pytest.fixture(name="scene", scope="module")
def make_scene(tmp_path_factory, datavault):
    at = tmp_path_factory.mktemp("scene")
    model = Model()
    with PgServer(folder=BIN) as pg, RedisServer(at / "redis") as redis, Scene(at / "w", datavault, pg, redis, model) as scene:
        for name in ("intake", "embed"):
            scene.launch(name)
        scene.fill()
        scene.launch("ask")
        yield scene
    model.close()


def cited(scene, citation):
    """(text, hash of the sealed record or None) of what a citation leads to, with its hash and its time looked at: the end of a
    window, and only the day of one person's record."""
    ((text, sealed, at, day),) = scene.pg.sql("SELECT e.text, encode(b.data_hash, 'hex'), to_char(e.created_at AT TIME ZONE 'UTC', 'YYYY-MM-DD\"T\"HH24:MI:SS.MS\"Z\"'),"
                                              " to_char(e.created_at AT TIME ZONE 'UTC', 'YYYY-MM-DD') FROM datavault.embeddings e LEFT JOIN"
                                              f" datavault.encrypted_blobs b USING (id) WHERE e.id = '{citation['id']}'")
    assert citation["at"] == (day if sealed else at.replace(".000Z", "Z"))
    assert citation["hash"] == (sealed or hashlib.sha256(text.encode()).hexdigest())
    return text, sealed or None


def test_what_rises_is_named(scene):
    body = scene.ask("which conditions are rising?")
    assert body["status"] == "answered"
    assert body["sentences"][0]["text"].startswith("Influenza is rising: ")
    for sentence in body["sentences"]:
        assert sentence["citations"]
        for citation in sentence["citations"]:
            text, sealed = cited(scene, citation)
            assert sealed is None and text.startswith(sentence["text"].split(" [")[0])
    assert body["people"] >= 5
    for name in set(CALM) - {"Influenza"}:
        assert f"{name} is rising" not in body["answer"]


def test_what_to_do_is_told(scene):
    for question in ("what should we do about influenza?", "What do you recommend for the flu?"):
        first, then = scene.ask(question)["sentences"][:2]
        assert first["text"].startswith("Influenza is rising: ") and then["text"].startswith("What to do about Influenza: ")


@pytest.mark.parametrize("question", ["is asthma rising?", "is influenza rising in Leeds?", "which conditions are not rising?", "Welche Krankheiten nehmen zu?",
                                      "which merchant categories are rising?", "was influenza rising last week?"])
def test_what_nobody_has_told_of_is_not_covered(scene, question):
    body = scene.ask(question)
    assert (body["status"], body["answer"], body["sentences"]) == ("refused", UNCOVERED, [])


def test_sealed_records_are_cited(scene):
    body = scene.ask("who has a cough, or was bitten by a parrot?", schema="healthcare")
    assert body["answer"].startswith("Records of at least 5 people mention cough [") and "parrot" not in body["answer"]
    body = scene.ask("who has a cough?", schema="healthcare")
    assert body["status"] == "answered" and body["people"] >= 5 and body["citations"]
    for citation in body["citations"]:
        text, sealed = cited(scene, citation)
        assert sealed is not None and citation["schema"] == "healthcare" and "cough" in text.lower()


def test_nobody_learns_of_one_person(scene):
    assert scene.count("embeddings WHERE text LIKE '%parrot%'") == 1, "a control: it is there"
    for question, reason in (("whose thumb did a parrot bite?", "what was found is about too few people"),
                             (f"What is the record of {scene.parrots['name']}?", "no record is close enough to the question")):
        body = scene.ask(question, schema="healthcare")
        assert (body["status"], body["reason"], body["answer"], body["citations"]) == ("refused", reason, UNCOVERED, [])


def quoting(scene, secret):
    """A model that cites what rises from its prompt, and then tells a secret that it cannot know."""
    number, said = re.search(r"^\[(\d+)\] (Influenza is rising: \d+ records)", scene.model.prompts[-1], re.MULTILINE).groups()
    yield whole(f"{said} [{number}]. Write to {secret} [{number}].")


def test_a_model_is_asked_and_checked(scene):
    scene.model.say(quoting(scene, scene.parrots["email"]))
    body = scene.ask("which conditions are rising?", "model-questions")
    assert (body["status"], body["dropped"]) == ("partial", 1)
    assert re.fullmatch(r"Influenza is rising: \d+ records \[\d+\]\.", body["answer"])
    assert cited(scene, body["citations"][0])[0].startswith("Influenza is rising: ")
    (prompt,) = scene.model.prompts
    assert "which conditions are rising?" in prompt
    scene.model.say([whole("A cough keeps them awake [1].")])
    scene.ask("who has a cough?", "model-questions", schema="healthcare")
    assert "cough" in scene.model.prompts[0]
    assert scene.canaries.find((prompt + scene.model.prompts[0]).encode()) == []


def test_no_secret_is_on_the_way(scene):
    assert len(scene.canaries.find(json.dumps(scene.sent).encode())) >= 10, "a control: they are found in what was sent"
    for question in ("which conditions are rising?", "who has a cough?", f"Who wrote from {scene.parrots['email']}, {scene.parrots['ssn']}?"):
        scene.ask(question)
    seen = {"answers": b"".join(scene.answers), "sealed": scene.pg.text(), "servers": (scene.pg.at / "log").read_bytes(),
            "vectors": "\n".join(row[0] for row in scene.pg.sql("SELECT e::text FROM datavault.embeddings e")).encode()}
    assert b"cough" in seen["vectors"].lower() and b"Influenza is rising" in seen["answers"]
    for name, port in scene.ports.items():
        for path in ("/metrics", "/v1/stats", "/readyz"):
            status, seen[name + path] = get(port, path)
            assert status == 200
    for process in scene.running:
        assert end(process)[0] == 0, process.log.read_text()
        seen[process.log.name] = process.log.read_bytes()
        assert b"Sanitizer" not in seen[process.log.name]
    assert {name: hits for name, data in seen.items() if (hits := scene.canaries.find(data))} == {}
    assert scene.canaries.find_in(scene.path("state")) == {}
