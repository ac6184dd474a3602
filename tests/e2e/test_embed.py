#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""test_embed.py - vectors are those of the published float32 model, of long texts the mean of their windows', and without a
model words still go on. reference_vectors.jsonl is made by tools/reference_vectors.py.

shows: VEC-1 VEC-2
"""
import base64
import itertools
import json
import math
import pathlib
import struct
import sys

import pytest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "tools"))
from world import ROOT, World

PARTS = ROOT / "parts"
REFERENCE = [json.loads(line) for line in (pathlib.Path(__file__).parent / "reference_vectors.jsonl").read_text().splitlines()]
SCHEMA = "name: sayings\nfields:\n  saying: { type: text, class: public }\n  number: { type: int, class: public }\n"
GRAPH = """  in: {{ op: source, from: file, path: in.jsonl, schema: sayings }}
  vectors: {{ op: embed, after: in, columns: {columns}, models: {parts}{more} }}
  few: {{ op: project, after: vectors, drop: [_extra] }}
  out: {{ op: sink-file, after: few, path: out.jsonl }}
"""
FOURTEEN = "the cat sat on the mat and the dog sat on the rug now "


def cosine(a, b):
    return sum(x * y for x, y in zip(a, b)) / math.sqrt(sum(x * x for x in a) * sum(y * y for y in b))


@pytest.fixture
def embed(tmp_path, datavault):
    """embed(records, columns=…) -> what came out, vectors as lists; and what was said."""
    number = itertools.count()

    def act(records, columns="[saying]", parts=PARTS, more=""):
        with World(tmp_path / f"w{next(number)}", datavault, keyring=False) as world:
            world.path("schemas/sayings.yaml").write_text(SCHEMA)
            world.write("in.jsonl", *records)
            world.graph(GRAPH.format(columns=columns, parts=parts, more=more), settings="")
            done = world.run("run", "--once", "graph.yaml", timeout=120)
            assert done.returncode == 0, done.stderr
            out = [json.loads(line) for line in world.path("out.jsonl").read_text().splitlines()]
            for record in out:
                if "embedding" in record:
                    record["embedding"] = struct.unpack("<384f", base64.b64decode(record["embedding"]))
            return out, done.stderr.decode()
    return act


def test_vectors_are_the_references(embed, tell):
    out, _ = embed([{"saying": row["text"]} for row in REFERENCE])
    assert len(out) == len(REFERENCE) >= 50
    assert len({record["embedding_model"] for record in out}) == 1 and out[0]["embedding_model"].startswith("minilm:8199be6f")
    near = []
    for row, record in zip(REFERENCE, out):
        assert record["text"] == row["text"]
        assert math.isclose(math.hypot(*record["embedding"]), 1, abs_tol=1e-5)
        near.append(cosine(struct.unpack("<384e", base64.b64decode(row["vector"])), record["embedding"]))
    assert min(near) >= 0.999, sorted(near)[:3]
    other = [cosine(out[i]["embedding"], out[i + 1]["embedding"]) for i in range(len(out) - 1)]
    assert min(other) < 0.5, "a control: vectors of other texts are not the same"
    tell(f"cosine of {len(near)} vectors to the float32 reference: {min(near):.5f} at least")


def test_long_texts_are_the_mean_of_their_windows(embed):
    out, _ = embed([{"saying": FOURTEEN}, {"saying": FOURTEEN * 40}, {"saying": FOURTEEN * 2 + "fever"}], more=", max_tokens: 16")
    assert cosine(out[0]["embedding"], out[1]["embedding"]) > 0.9999
    assert 0.9 < cosine(out[0]["embedding"], out[2]["embedding"]) < 0.9999


def test_columns_make_one_text(embed):
    out, _ = embed([{"saying": "of all", "number": 7}, {"number": 8}, {"saying": "alone"}, {"other": 1}, {"saying": "\x01 \x02"}],
                   columns="[number, saying]")
    assert [record.get("text") for record in out] == ["number: 7; saying: of all", "number: 8", "saying: alone", None, "saying: \x01 \x02"]
    assert ["embedding" in record for record in out] == [True, True, True, False, True]
    assert "embedding" not in embed([{"saying": " \x01 \x02 "}])[0][0], "there is no word in it"


def test_without_a_model_words_go_on(embed, tmp_path):
    out, said = embed([{"saying": "a word"}], parts=tmp_path / "nothing")
    assert out[0]["text"] == "a word" and "embedding" not in out[0] and "embedding_model" not in out[0]
    assert '"event":"embed.lexical"' in said and "tools/parts" in said
    out, said = embed([{"saying": "a word"}], more=", embedder: none")
    assert out[0]["text"] == "a word" and "embedding" not in out[0] and "embed.lexical" not in said
