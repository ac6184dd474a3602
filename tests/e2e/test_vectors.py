#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""test_vectors.py - sealed records become vectors, and questions get evidence: people are numbered, citations prove
themselves by the sealed record's hash, and no pseudonym and no other tenant's text is in an answer.

shows: VEC-1 VEC-2 VEC-3 RAG-2 RAG-3 RAG-4
"""
import contextlib
import json
import pathlib
import sqlite3
import sys
import time

import pytest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "tools"))
from world import ROOT, World, end, wait_for

NOTES = [("anna", "chest pain after climbing stairs"), ("ben", "a persistent cough, worse at night"), ("anna", "heart trouble, short of breath"),
         ("carl", "a broken wrist after a fall"), ("ben", "the cough is gone"), ("dora", "pain in the chest when lifting boxes"),
         ("eve", "seasonal flu")]
INDEX = """  in: {{ op: source, from: file, path: in.jsonl, schema: healthcare }}
  anon: {{ op: anonymize, after: in, policy: patients }}
  seal: {{ op: encrypt, after: anon, key: healthcare }}
  store: {{ op: sink-store, after: seal, path: vault.sqlite }}
  open: {{ op: decrypt, after: seal, schema: healthcare, policy: patients, references: true }}
  vectors: {{ op: embed, after: open, columns: [note]{embedder} }}
  keep: {{ op: sink-vectors, after: vectors, path: vectors.sqlite }}
  groups: {{ op: aggregate, after: anon, by: diagnosis, window: 1d }}
  say: {{ op: insights, after: groups }}
  news: {{ op: embed, after: say, columns: [sentence]{embedder} }}
  told: {{ op: sink-vectors, after: news, path: vectors.sqlite }}
"""
ASK = """  in: {{ op: source, from: file, path: ask.jsonl, schema: healthcare, checkpoint: false }}
  few: {{ op: project, after: in, keep: [note] }}
  anon: {{ op: anonymize, after: few, policy: patients }}
  vectors: {{ op: embed, after: anon, columns: [note]{embedder} }}
  find: {{ op: search, after: vectors, question: note, path: vectors.sqlite, top: 16{more} }}
  out: {{ op: sink-file, after: find, path: {out} }}
"""


class Asked(World):
    """A world with the notes of some people sealed, embedded and kept."""

    def __init__(self, folder, binary, embedder):
        super().__init__(folder, binary)
        self.embedder = embedder
        self.asked = 0
        self.write("in.jsonl", *({"patient_id": who, "diagnosis": "d", "note": note} for who, note in NOTES))
        self.graph(INDEX.format(embedder=embedder), name="index.yaml")
        done = self.run("run", "--once", "index.yaml")
        assert done.returncode == 0, done.stderr

    def ask(self, question, more="", settings="keyring: file:keys"):
        self.asked += 1
        self.write("ask.jsonl", {"patient_id": "q", "diagnosis": "-", "note": question})
        self.graph(ASK.format(embedder=self.embedder, more=more, out=f"answer{self.asked}.jsonl"), settings=settings, name="ask.yaml")
        done = self.run("run", "--once", "ask.yaml")
        assert done.returncode == 0, done.stderr
        return json.loads(self.path(f"answer{self.asked}.jsonl").read_text())["evidence"]


@pytest.fixture(scope="module")
def asked(tmp_path_factory, datavault):
    with Asked(tmp_path_factory.mktemp("vectors") / "w", datavault, ", embedder: none") as world:
        yield world


def test_meaning_is_found(tmp_path, datavault):
    with Asked(tmp_path / "w", datavault, f", models: {ROOT / 'parts'}") as world:
        found = world.ask("who has a problem with the heart?")
        assert not found["lexical"]
        assert {hit["text"] for hit in found["hits"][:3]} == {NOTES[0][1], NOTES[2][1], NOTES[5][1]}
        assert all(hit["cosine"] >= 0.25 for hit in found["hits"])
        assert len(world.ask("who has a problem with the heart?", ", floor: 0.95")["hits"]) == 0


def test_people_are_numbered_and_groups_are_not(asked):
    found = asked.ask("cough chest pain heart wrist flu records")
    people = {}
    for hit in found["hits"]:
        if hit["subject"] is not None:
            people.setdefault(hit["text"], hit["subject"])
            assert hit["subjects"] == 1
    assert found["lexical"] and set(people) == {note for _, note in NOTES}
    who = {name: {people[note] for owner, note in NOTES if owner == name} for name, _ in NOTES}
    assert all(len(numbers) == 1 for numbers in who.values())
    assert sorted(min(numbers) for numbers in who.values()) == [1, 2, 3, 4, 5]
    groups = [hit for hit in found["hits"] if hit["subject"] is None]
    assert groups and all(hit["subjects"] == 5 for hit in groups)


def test_citations_are_the_sealed_records(asked):
    hits = [hit for hit in asked.ask("cough chest pain heart wrist flu")["hits"] if hit["subject"] is not None]
    with sqlite3.connect(asked.path("vault.sqlite")) as vault:
        sealed = {row[0].hex(): (row[1].hex(), row[2]) for row in vault.execute("SELECT id, data_hash, subject_ref FROM encrypted_blobs")}
    assert len(hits) == len(NOTES) == len(sealed)
    for hit in hits:
        assert sealed[hit["id"].replace("-", "")][0] == hit["hash"]
    said = json.dumps(hits)
    for _, subject in sealed.values():
        assert subject.hex() not in said
    with sqlite3.connect(asked.path("vectors.sqlite")) as vectors:
        kept = {row[0] for row in vectors.execute("SELECT DISTINCT subject_ref FROM embeddings WHERE subjects = 1")}
    assert kept == {subject for _, subject in sealed.values()}, "whom to erase is known"


def test_windows_are_found_once_and_the_newest(tmp_path, datavault):
    with Asked(tmp_path / "w", datavault, ", embedder: none") as world, sqlite3.connect(world.path("vectors.sqlite")) as vectors:
        (text,) = vectors.execute("SELECT text FROM embeddings WHERE subjects > 1").fetchone()
        assert text.startswith("d is number 1: 7 records")
        for group in ("d", "ward 3", "ward 4"):
            for window in range(20):
                told = text.replace("d is number 1: 7 records", f"{group} is number 1: {5 + window * 7 % 20} records")
                number = vectors.execute("INSERT INTO embeddings(id, tenant, schema, created_at, text, subjects, hash) SELECT randomblob(16), tenant, schema,"
                                         " created_at + ?, ?, subjects, hash FROM embeddings WHERE subjects > 1 LIMIT 1", (1 + window * 3 % 20, told)).lastrowid
                vectors.execute("INSERT INTO embeddings_words(rowid, text) VALUES(?, ?)", (number, told))
        newest = dict(vectors.execute("SELECT text, max(created_at) FROM embeddings WHERE subjects > 1 GROUP BY substr(text, 1, instr(text, ':'))"))
        vectors.commit()
        hits = [hit for hit in world.ask("records of the window")["hits"] if hit["subject"] is None]
        assert {hit["text"]: hit["at"] for hit in hits} == newest and len(hits) == len(newest) == 3


def test_nothing_of_another_tenant(asked):
    assert asked.ask("cough chest pain heart wrist")["hits"]
    assert not asked.ask("cough chest pain heart wrist", settings="keyring: file:keys\ntenant: other")["hits"]


def test_vectors_of_another_model_end_the_run(tmp_path, datavault):
    with Asked(tmp_path / "w", datavault, f", models: {ROOT / 'parts'}") as world:
        with sqlite3.connect(world.path("vectors.sqlite")) as vectors:
            vectors.execute("UPDATE embeddings SET model='other:0123'")
            vectors.execute("UPDATE embeddings_changes SET changes = changes + 1")
        world.write("ask.jsonl", {"patient_id": "q", "diagnosis": "-", "note": "cough"})
        world.graph(ASK.format(embedder=world.embedder, more="", out="out.jsonl"), name="ask.yaml")
        done = world.run("run", "--once", "ask.yaml")
        assert done.returncode == 3 and b"another model" in done.stderr, done.stderr
        assert b"cough" not in done.stderr


def test_what_is_older_than_keep_goes(tmp_path, datavault):
    with World(tmp_path / "w", datavault) as world:
        world.graph("""  in: { op: source, from: file, path: in.jsonl, schema: healthcare, follow: true }
  few: { op: project, after: in, keep: [note] }
  anon: { op: anonymize, after: few, policy: patients }
  vectors: { op: embed, after: anon, columns: [note], embedder: none }
  kept: { op: sink-vectors, after: vectors, path: vectors.sqlite, keep: 1s }
""")

        def texts():
            """{text: when it came}; None: nobody knows now, as while the store is made."""
            with contextlib.suppress(sqlite3.OperationalError), contextlib.closing(sqlite3.connect(world.path("vectors.sqlite"))) as db:
                return dict(db.execute("SELECT text, created_at FROM embeddings"))
            return None
        world.write("in.jsonl", {"patient_id": "p", "diagnosis": "d", "note": "note 0"})
        process = world.start("run", "graph.yaml")
        first = wait_for(texts, 60)
        assert list(first) == ["note 0"], process.log.read_text()
        for number in range(1, 300):
            time.sleep(0.2)
            with world.path("in.jsonl").open("a") as file:
                file.write(json.dumps({"patient_id": "p", "diagnosis": "d", "note": f"note {number}"}) + "\n")
            if "note 0" not in (texts() or first):
                break
        assert time.time() * 1000 - first["note 0"] >= 1000, "kept for a second at least"
        assert wait_for(lambda: f"note {number}" in (texts() or ()), 60) and "note 0" not in (texts() or {})
        assert end(process)[0] == 0, process.log.read_text()
