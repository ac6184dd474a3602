#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""test_detect_score.py - `datavault detect --score` beside its definitions, written down again here for one letter at a time.

shows: ANO-1 ANO-2
"""
import itertools
import json
import pathlib
import re
import subprocess
import sys
import unicodedata

import pytest

CORE = "PERSON LOCATION DATE EMAIL PHONE ID MRN CREDIT_CARD ACCOUNT IP URL USERNAME".split()
OTHER_NAMES = {"SSN": "ID", "IBAN": "ACCOUNT", "MAC": "IP", "NAME": "PERSON", "ZIP": "LOCATION", "DOB": "DATE"}
TITLES = "dr mr mrs ms miss prof sir mme sr sra sig herr frau don doña dra d dña".split()
WORDS = ["Ann", "Lee", "Zoë", "O'Hara", "dr.", "Dr. ", "Mrs", "PROF.", "D. ", "Dñ", "Doña", "May", "42", "½", "Straße", "東京", "नमस्ते", "٣٤", "🙂",
         "a\u0301b", "x@example.org", "+1 555", "(555)", "#7", "10.0.0.1", "Kyiv", "\u200b", "\u00a0"]
GAPS = [" ", " ", " ", "-", ".", ", ", "\n", " \n", ",\r\n", "   ", "    ", "^", "'", "\t", "", ":", " - "]
TYPES = CORE + list(OTHER_NAMES) + ["ORG", "AGE", "IGNORE"]


def trimmed(text, start, end, kind):
    start, end = max(0, start), min(len(text), end)
    while start < end and not (text[start].isalnum() or text[start] in "+@(#"):
        start += 1
    while start < end and not text[end - 1].isalnum():
        end -= 1
    while kind == "PERSON" and start < end:
        words = re.match(r"(\w+)\.?\s+", text[start:end])
        if not words or words[1].lower() not in TITLES:
            break
        start += words.end()
    while kind == "PHONE" and start < end and not text[start].isalnum():
        start += 1
    return start, end


def links(kind, gap):
    """Whether a gap stands inside one name or address."""
    allowed = {"PERSON": " \u00a0,.'^-", "LOCATION": " \n\r\u00a0,.'-"}.get(kind)
    if gap in ("-", "."):
        return True
    return allowed is not None and any(len(rest) <= 3 and set(rest) <= set(allowed) for rest in {gap, gap[:-1] if gap.endswith("\n") else gap})


def tidy(text, spans):
    todo = set()
    for span in spans:
        kind = OTHER_NAMES.get(span["type"], span["type"])
        start, end = trimmed(text, span["start"], span["end"], kind)
        if start < end:
            todo.add((start, end, kind))
    done = []
    for start, end, kind in sorted(todo):
        if done and done[-1][2] == kind and (start <= done[-1][1] or links(kind, text[done[-1][1]:start])):
            done[-1] = (done[-1][0], max(end, done[-1][1]), kind)
        else:
            done.append((start, end, kind))
    return done


def outer(spans):
    """None inside another; of two at one place the first."""
    return [one for at, one in enumerate(spans)
            if not any(two[0] <= one[0] and one[1] <= two[1] and (two[:2] != one[:2] or other < at) for other, two in enumerate(spans) if other != at)]


def found_of(text, spans):
    best = {}
    for span in spans:
        if OTHER_NAMES.get(span["type"], span["type"]) in CORE:
            place = span["start"], span["end"]
            if place not in best or span["score"] > best[place]["score"]:
                best[place] = span
    return outer(tidy(text, best.values()))


def touches(one, two):
    return one[0] < two[1] and two[0] < one[1]


def rate(part, whole):
    return part / whole if whole else None


def rates(hit, marked, right, found):
    recall, precision = rate(hit, marked), rate(right, found)
    if recall is None and precision is None:
        return {"p": None, "r": None, "f1": None, "f2": None, "n": marked}
    r, p = recall or 0.0, precision or 0.0
    f1, f2 = ((1 + b) * p * r / (b * p + r) if p + r else 0.0 for b in (1, 4))
    return {"p": precision, "r": recall, "f1": f1, "f2": f2, "n": marked}


def expected(documents, answers):
    """The whole of it, from sets of places: slow and plain."""
    letters = dict.fromkeys(("all", "personal", "covered", "other", "over"), 0)
    gold_all, found_all, typed, shown, docs_personal, docs_clean = [], [], 0, 0, 0, 0
    for number, document in enumerate(documents):
        text = document["text"]
        marks = tidy(text, document["spans"])
        gold, neutral = [m for m in marks if m[2] in CORE], {i for m in marks if m[2] not in CORE for i in range(*m[:2])}
        found = found_of(text, answers[number])
        kind_of, kinds_found = {i: m[2] for m in gold for i in range(*m[:2])}, {}
        for start, end, kind in found:
            for at in range(start, end):
                kinds_found.setdefault(at, []).append(kind)
        left = 0
        for at in (i for i, char in enumerate(text) if char.isalnum()):
            covered = at in kinds_found
            shown_kind = kind_of.get(at) if kind_of.get(at) in kinds_found.get(at, []) else next(iter(kinds_found.get(at, [])), None)
            letters["all"] += 1
            if at in kind_of:
                letters["personal"] += 1
                letters["covered"] += covered
                typed += shown_kind == kind_of[at]
                left += not covered
            elif at not in neutral:
                letters["other"] += 1
                letters["over"] += covered
            shown += covered and at not in neutral
        docs_personal += bool(gold)
        docs_clean += bool(gold) and left == 0
        kept = [f for f in found if 2 * len(neutral & set(range(*f[:2]))) < f[1] - f[0] or any(touches(f, g) for g in gold)]
        full = [all(i in kinds_found or not text[i].isalnum() for i in range(*g[:2])) for g in gold]
        gold_all += [(g[2], g in kept, any(f[2] == g[2] and touches(f, g) for f in kept), whole) for g, whole in zip(gold, full)]
        found_all += [(f[2], f in gold, any(f[2] == g[2] and touches(f, g) for g in gold), any(touches(f, g) for g in gold)) for f in kept]

    def column(rows, at, kind=None):
        return sum(row[at] for row in rows if kind in (None, row[0]))

    marked, found = len(gold_all), len(found_all)
    result = {"docs": len(documents), "gold_spans": marked, "pred_spans": found, "pii_chars": letters["personal"], "chars": letters["all"],
              "leak_rate": 1 - letters["covered"] / letters["personal"], "over_redaction": rate(letters["over"], letters["other"]),
              "spans_fully_covered": rate(column(gold_all, 3), marked), "docs_leak_free": rate(docs_clean, docs_personal),
              "strict": rates(column(gold_all, 1), marked, column(found_all, 1), found),
              "overlap": rates(column(gold_all, 2), marked, column(found_all, 2), found),
              "char_typed": rates(typed, letters["personal"], typed, shown),
              "anytype": rates(column(gold_all, 3), marked, column(found_all, 3), found)}
    result["types"] = {kind: {what: rates(column(gold_all, at, kind), sum(row[0] == kind for row in gold_all), column(found_all, at, kind),
                                          sum(row[0] == kind for row in found_all)) for what, at in (("strict", 1), ("overlap", 2))}
                       for kind in CORE if any(row[0] == kind for row in gold_all + found_all)}
    return result


def invent(draw):
    """A text of odd words in odd gaps, marked at random: by two hands that mostly agree."""
    pieces = [piece for _ in range(draw.randrange(4, 40)) for piece in (draw.choice(WORDS), draw.choice(GAPS))]
    edges = [0, *itertools.accumulate(map(len, pieces))]
    gold, answer = [], []
    for at in range(0, len(pieces), 2):
        start, end = edges[at], edges[min(len(pieces), at + draw.choice((1, 1, 2, 3, 5)))]
        kind = draw.choice(TYPES if draw.random() < 0.5 else ["PERSON", "LOCATION", "PHONE", "ORG"])
        if draw.random() < 0.4:
            gold.append({"start": start, "end": end, "type": kind})
        if draw.random() < 0.4:
            moved = draw.choice((0, 0, 0, 1, -1))
            answer.append({"start": max(0, start + moved), "end": end + moved, "type": kind if draw.random() < 0.8 else draw.choice(TYPES),
                           "score": draw.randrange(1000) / 1000})
    return "".join(pieces), gold, answer


def agree(ours, theirs, where=""):
    for key, value in theirs.items():
        if isinstance(value, dict):
            agree(ours[key], value, f"{where}/{key}")
        else:
            assert ours[key] == (value if value is None else pytest.approx(value, abs=1e-12)), f"{where}/{key}"


def write(path, rows):
    path.write_text("".join(json.dumps(row, ensure_ascii=row["id"] % 2 == 0) + "\n" for row in rows), encoding="utf-8")
    return path


def test_figures_are_those_of_the_definitions(run, tmp_path, draw):
    for _ in range(3):
        invented = [invent(draw) for _ in range(60)]
        documents = [{"id": n, "source": f"s{n % 3}", "text": text, "spans": gold} for n, (text, gold, _) in enumerate(invented)]
        answers = [answer for _, _, answer in invented]
        gold = write(tmp_path / "gold.jsonl", documents)
        spans = write(tmp_path / "spans.jsonl", [{"id": n, "spans": answer} for n, answer in enumerate(answers)])
        done = run("detect", "--score", gold, "--spans", spans, "--json")
        assert done.returncode == 0, done.stderr.decode()
        scores = json.loads(done.stdout)
        agree(scores, expected(documents, answers))
        for name in ("s0", "s1", "s2"):
            chosen = [n for n, document in enumerate(documents) if document["source"] == name]
            agree(scores["sources"][name], expected([documents[n] for n in chosen], [answers[n] for n in chosen]), name)


def test_every_letter_of_unicode_counts_once(run, tmp_path):
    """Those that Unicode 3.2 knew and that every later version classes alike."""
    text = "".join(chr(code) for code in range(0x110000) if not 0xD800 <= code < 0xE000 and code not in (0,)
                   and unicodedata.ucd_3_2_0.category(chr(code)) == unicodedata.category(chr(code)))
    gold = write(tmp_path / "gold.jsonl", [{"id": 0, "text": text, "spans": [{"start": 0, "end": len(text), "type": "PERSON"}]}])
    done = run("detect", "--score", gold, "--json", "--patterns")
    assert json.loads(done.stdout)["pii_chars"] == sum(char.isalnum() for char in text)


def test_its_own_findings_are_scored_alike(run, tmp_path):
    texts = ["Seen by Dr. Maria Gonzalez in Boston on 2024-03-18.", "SSN 078-05-1120, zoë@example.org", "Nothing here."]
    gold = write(tmp_path / "gold.jsonl", [{"id": n, "text": text, "spans": [{"start": 0, "end": 12, "type": "PERSON"}]} for n, text in enumerate(texts)])
    answers = run("detect", "--jsonl", input=gold.read_bytes()).stdout
    (tmp_path / "spans.jsonl").write_bytes(answers)
    own = run("detect", "--score", gold).stdout.decode().splitlines()
    others = run("detect", "--score", gold, "--spans", tmp_path / "spans.jsonl").stdout.decode().splitlines()
    assert own[0].startswith("== datavault: docs 3  gold spans 3") and own[1:] == others[1:]
    assert any(line.split()[0] == "ALL" for line in own) and any(line.split()[0] == "?" for line in own)


def test_wrong_lines_and_files_are_told(run, tmp_path):
    gold = tmp_path / "gold.jsonl"
    gold.write_text('{"id":1,"text":"Ann Lee","spans":[{"start":0,"end":7,"type":"PERSON"}]}\nnot json\n{"id":2,"text":"Ann Lee"}\n'
                    '{"id":3,"text":"Ann Lee","spans":[7]}\n{"id":4,"text":"x","spans":[{"start":0}]}\n')
    spans = tmp_path / "spans.jsonl"
    spans.write_text('{"id":9,"spans":[]}\n')
    done = run("detect", "--score", gold, "--spans", spans)
    assert done.returncode == 1 and done.stdout.decode().startswith("!! 1 documents have no prediction\n")
    errors = done.stderr.decode()
    assert all(f"gold.jsonl:{line}: " in errors for line in (2, 3, 4, 5)) and "Ann" not in errors
    assert run("detect", "--score", tmp_path / "none.jsonl").returncode == 1
    assert run("detect", "--spans", spans).returncode == 2
    assert run("detect", "--score", gold, "--jsonl").returncode == 2


def test_the_bench_finds_every_number_and_address_it_planted(datavault, tmp_path):
    """bench/w5 on a few notes: both graphs run, all notes arrive, and what is planted is gone."""
    meter = pathlib.Path(datavault).parents[1] / "bench" / "measure"
    done = subprocess.run([sys.executable, "bench/w5", "--notes", "400", "--reps", "1", "--json", "--datavault", datavault, "--measure", meter, "--folder", tmp_path],
                          cwd=pathlib.Path(__file__).resolve().parents[2], stdout=subprocess.PIPE, check=True, timeout=180)
    rows = {row["program"]: row for row in map(json.loads, done.stdout.splitlines())}
    assert set(rows) == {"patterns", "names", "regex"}
    assert rows["names"]["missed"]["name"] == 0 < rows["patterns"]["missed"]["name"]
