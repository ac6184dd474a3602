#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""test_models.py - our pieces are those of the reference tokenizer, piece by piece and place by place, on 10,000 texts.

Characters are of Unicode 8, which the reference's tables have; ours know younger ones, too.

shows: VEC-1
"""
import json
import pathlib
import random
import subprocess
import sys
import unicodedata

import pytest

ROOT = pathlib.Path(__file__).resolve().parents[2]
PARTS = ROOT / "parts"
sys.path.insert(0, str(PARTS / "python"))
RANGES = {"latin": (0x20, 0x17F), "greek": (0x370, 0x3FF), "cyrillic": (0x400, 0x4FF), "hebrew": (0x5D0, 0x5EA), "arabic": (0x621, 0x64A),
          "devanagari": (0x905, 0x939), "thai": (0xE01, 0xE3A), "hangul": (0xAC00, 0xD7A3), "kana": (0x3041, 0x30FE), "han": (0x4E00, 0x9FCC),
          "accents": (0x300, 0x36F), "marks": (0x2010, 0x205E), "extended": (0x1E00, 0x1EFF), "wide": (0xFF01, 0xFF5E), "emoji": (0x1F600, 0x1F64F),
          "compatibility": (0xF900, 0xFA6D), "maths": (0x1D400, 0x1D7FF), "controls": (1, 0x1F)}
WORDS = """unaffable Müller naïve coöperation straße İstanbul ΣΊΣΥΦΟΣ don't COVID-19 hypertension 3.5mg/dL antidisestablishmentarianism the of pain
 patient's O'Brien 日本語 한국어 e.g. --- ... #hash @name a_b x²""".split()


def texts(draw, count):
    for _ in range(count):
        kind = draw.choice(list(RANGES))
        low, high = RANGES[kind]
        pieces = [draw.choice(WORDS) if draw.random() < 0.6 else "".join(chr(draw.randint(low, high)) for _ in range(draw.randint(1, 8)))
                  for _ in range(draw.randint(0, 25))]
        yield "".join(piece + draw.choice([" ", "", "\t", "\n", " ", " ", ", "]) for piece in pieces)
    yield from ("", " ", "a" * 99, "a" * 100, "a" * 101, "́", "x" * 5000)


@pytest.mark.parametrize("model", ["minilm", "rampart"])
def test_pieces_are_the_references(model, draw, datavault):
    from tokenizers import BertWordPieceTokenizer  # from parts/python: other tests do without it
    reference = BertWordPieceTokenizer(str(PARTS / model / "vocab.txt"), lowercase=True)
    given = list(texts(draw, 10_000 if model == "minilm" else 2_000))
    program = pathlib.Path(datavault).parents[1] / "tests" / "pieces"
    done = subprocess.run([program, PARTS / model / "vocab.txt"], input="".join(text.encode().hex() + "\n" for text in given),
                          stdout=subprocess.PIPE, text=True, timeout=120, check=True)
    got = done.stdout.split("\n")[:-1]
    assert len(got) == len(given)
    for text, line, wanted in zip(given, got, reference.encode_batch(given, add_special_tokens=False)):
        pieces = [tuple(map(int, piece.split(":"))) for piece in line.split()]
        assert [piece[0] for piece in pieces] == wanted.ids, json.dumps(text)
        if any(unicodedata.category(letter) in ("Cc", "Cf", "Cn", "Mn") and letter not in "\t\n\r" for letter in text):
            continue  # the reference gives what it leaves out to a neighbour
        # The reference's places count characters.
        assert [(len(text.encode()[:start].decode()), len(text.encode()[:end].decode())) for _, start, end in pieces] == wanted.offsets, json.dumps(text)
