#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""test_limit.py LIMIT [N] [SEED] - the bare loop against the reference, on records made to be awkward.

Notes are drawn from near misses of each pattern, so that boundaries, overlaps and the order of the replacements count; texts hold
escapes, control characters and other scripts; fields come in any order, with others between them.
"""
import json
import os
import random
import subprocess
import sys
import tempfile

HERE = os.path.dirname(os.path.abspath(__file__))
PIECES = [
    "123-45-6789", "555-123-4567", "(555) 123-4567", "+1 555 123 4567", "1.555.123.4567", "+1(555)-123.4567", "1555 123 4567",
    "ann@example.org", "a.b+c%d_e-f@x-y.example.co", "@", "a@b", "a@b.c", "x@y.cc", "@x.org", "123-45-", "-6789", "555-", "4567",
    "(555)", "+1", "+", "1", "12", "2024-03-18", " ", "  ", ".", "-", "_", "a", "Z", "é", "名", "١٢٣", "\u00a0", "[SSN]", "\t", "\n",
    "\\", '"', "\u2028", "\x7f", "😀", "com", ".co", "org-", "%", ",", "(", ")", "0", "9999", "000", "77",
]


WHOLE = [
    "123-45-6789", "555-123-4567", "+1 (555) 123-4567", "ann.lee@mail.example.org", "x@123-45-6789.com", "123-45-6789@example.com",
    "x@555-123-4567.com", "x@y.com-123-45-6789.org", "555-123-4567 1 555-123-4567", "a@b.com@c.org", "a@b.cc-x@y.org",
]


def near_miss(draw):
    """Something whole with one character changed, added or lost, at any distance from the start."""
    whole = draw.choice(WHOLE)
    at = draw.randrange(len(whole) + 1)
    changed = whole[:at] + draw.choice(("", "", "5", "-", ".", " ", "a", "_", "é", "@")) + whole[at + draw.randrange(2):]
    return draw.choice("y- ") * draw.randrange(140) + draw.choice((whole, changed, changed)) + draw.choice(("", " ", "z", "8", "-"))


def note(draw):
    if draw.random() < 0.5:
        return near_miss(draw)
    pieces = [draw.choice(PIECES) for _ in range(draw.randrange(14))]
    if draw.random() < 0.5:
        pieces = [piece + draw.choice(("", "", " ", "x", "7")) for piece in pieces]
    if draw.random() < 0.2:
        pieces = ["".join(draw.choices("0123456789-. ()+@ab", k=draw.randrange(300)))]
    return "y" * draw.choice((0, 0, draw.randrange(140))) + "".join(pieces)


def text(draw):
    return "".join(draw.choices(["a", "B", "9", "é", "名", " ", '"', "\\", "\n", "\x01", "/", "😀"], k=draw.randrange(40)))


def record(draw):
    plain = draw.random() < 0.5
    fields = {
        "patient_id": text(draw) * draw.choice((1, 1, 4)), "name": text(draw), "ssn": "123-45-" + text(draw),
        "email": "z" + text(draw) + "@" + text(draw), "phone": text(draw), "age": draw.choice((draw.randrange(-25, 130), 0, 9, 10)),
        "diagnosis": text(draw), "treatment_plan": text(draw), "visit_date": "2024-02-29", "note": note(draw),
    }
    if plain:  # nothing to escape: the other half of the reader
        fields = {key: value if key == "age" else value.translate(dict.fromkeys(map(ord, '"\\\n\t\x01'))) for key, value in fields.items()}
    if draw.random() < 0.3:
        fields = dict(draw.sample(list(fields.items()), len(fields)))
    return json.dumps(fields, ensure_ascii=not plain, separators=draw.choice(((",", ":"), (", ", ": "), (" , ", " : "))))


def main():
    limit = os.path.abspath(sys.argv[1])
    count, seed = (int(sys.argv[2]) if len(sys.argv) > 2 else 20000), (int(sys.argv[3]) if len(sys.argv) > 3 else 1)
    draw = random.Random(seed)
    with tempfile.TemporaryDirectory() as folder:
        source, output = os.path.join(folder, "source"), os.path.join(folder, "output")
        with open(source, "w", encoding="utf-8", newline="\n") as lines:
            lines.write("\n".join(record(draw) for _ in range(count)))  # the last line has no newline
        for work in ("w1", "w2"):
            subprocess.run([limit, work, source, output], check=True)
            subprocess.run([sys.executable, os.path.join(HERE, "check.py"), work, source, output, "--all"], check=True)


if __name__ == "__main__":
    main()
