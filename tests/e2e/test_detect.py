#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""test_detect.py - `datavault detect` from outside: offsets, odd bytes, long tokens, and how much of marked texts it covers.

shows: ANO-1 ANO-2 ANO-3
"""
import json
import pathlib
import time

import pytest

TEXTS = pathlib.Path(__file__).resolve().parents[1] / "golden" / "texts.jsonl"


def spans(run, texts, *options):
    """The spans of each text."""
    lines = "".join(json.dumps({"id": number, "text": text}) + "\n" for number, text in enumerate(texts))
    done = run("detect", "--jsonl", *options, input=lines.encode())
    assert done.returncode == 0, done.stderr.decode()
    answers = [json.loads(line) for line in done.stdout.splitlines()]
    assert [answer["id"] for answer in answers] == list(range(len(texts)))
    return [answer["spans"] for answer in answers]


def test_offsets_are_code_points(run):
    text = "Größe 😀: write to jörg@example.org or call Dr. Maria Gonzalez on 2024-03-18"
    found = {text[span["start"]:span["end"]]: span["type"] for span in spans(run, [text])[0]}
    assert found["2024-03-18"] == "DATE" and found["Maria Gonzalez"] == "PERSON"
    assert any(value.endswith("@example.org") and kind == "EMAIL" for value, kind in found.items())


def test_why_is_told_only_when_asked(run):
    text = "SSN 078-05-1120"
    assert "why" not in spans(run, [text])[0][0]
    assert "digits" in spans(run, [text], "--explain")[0][0]["why"]


def test_patterns_alone_know_no_names(run):
    text = "Dr. Maria Gonzalez, maria@example.org"
    assert {span["type"] for span in spans(run, [text])[0]} == {"PERSON", "EMAIL"}
    assert {span["type"] for span in spans(run, [text], "--patterns")[0]} == {"EMAIL"}


@pytest.mark.parametrize("text", ["", " ", "a" * 1_000_000, "1" * 1_000_000, "A-1" * 300_000, "\u202eDr. Maria Gonzalez\u202c", "😀" * 10000,
                                  "é\u0301" * 5000, "\n" * 100_000, "Maria " * 100_000, "@" * 100_000, "\u200b" * 100_000],
                         ids=range(12))
def test_odd_texts_take_bounded_time(run, text):
    began = time.monotonic()
    found = spans(run, [text])[0]
    assert time.monotonic() - began < 20
    assert all(0 <= span["start"] < span["end"] <= len(text) for span in found)


def test_wrong_lines_are_told_and_the_rest_goes_on(run):
    done = run("detect", "--jsonl", input=b'{"id":1,"text":"SSN 078-05-1120"}\nnot json\n{"id":3}\n{"id":4,"text":"x"}\n')
    assert done.returncode == 1
    assert [json.loads(line)["id"] for line in done.stdout.splitlines()] == [1, 4]
    errors = done.stderr.decode()
    assert "line 2" in errors and "line 3" in errors and "078-05" not in errors


def test_hidden_characters_hide_nothing(run):
    plain = "Seen by Dr. Maria Gonzalez in Boston."
    hidden = plain.replace("Gonzalez", "Gon\u200bzalez").replace("Boston", "Bo\u00adston")
    for text in (plain, hidden):
        assert [span["type"] for span in spans(run, [text])[0]] == ["PERSON", "LOCATION"]


def test_marked_texts_are_covered(run):
    """Invented texts of every make of tools/pii_texts.py: a floor under what a new table may cost, not a measure of it."""
    texts = [json.loads(line) for line in TEXTS.read_text(encoding="utf-8").splitlines()]
    personal = missed = 0
    for record, found in zip(texts, spans(run, [record["text"] for record in texts])):
        covered = set()
        for span in found:
            covered.update(range(span["start"], span["end"]))
        for span in record["spans"]:
            if span["type"] in ("ORG", "AGE"):
                continue
            letters = [at for at in range(span["start"], span["end"]) if record["text"][at].isalnum()]
            personal += len(letters)
            missed += sum(at not in covered for at in letters)
    assert personal > 5000
    assert missed / personal < 0.04, f"{missed} of {personal} personal characters are left"
