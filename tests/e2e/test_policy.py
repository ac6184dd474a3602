#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""test_policy.py - `policy explain` says what `check` and a run do; the shipped policies for any schema cover every class and type.

shows: PRV-9 PRV-11 ANO-4
"""
import itertools
import json
import pathlib
import shutil

import pytest

CONF = pathlib.Path(__file__).resolve().parents[2] / "conf"
ANY_SCHEMA = ["low", "medium", "high", "gdpr-pseudonymise", "ccpa", "pci-dss"]
CLASSES = ["public", "sensitive", "quasi-id", "free-text", "direct-id"]
TYPES = ["text", "int", "float", "bool", "json"]
GRAPH = """name: t
keyring: file:keyring
graph:
  in:  {{ op: source, from: stdin, schema: {schema} }}
  a:   {{ op: anonymize, after: in, policy: {policy} }}
  out: {{ op: sink-file, after: a, path: "-" }}
"""


@pytest.fixture
def place(tmp_path, run):
    """A folder with the shipped policies and a schema that has a field of each class and type."""
    shutil.copytree(CONF / "policies", tmp_path / "policies")
    shutil.copytree(CONF / "schemas", tmp_path / "schemas")
    fields = [f"  {cls.replace('-', '_')}_{kind}: {{ type: {kind}, class: {cls} }}" for cls, kind in itertools.product(CLASSES, TYPES)]
    (tmp_path / "schemas" / "every.yaml").write_text("name: every\nfields:\n" + "\n".join(fields) + "\n")
    assert run("keys", "init", "--keyring", "file:keyring", "every", cwd=tmp_path).returncode == 0
    return tmp_path


def explain(run, place, *words):
    done = run("policy", "explain", *words, "--json", cwd=place)
    return done, [json.loads(line) for line in done.stdout.decode().splitlines()]


def write_graph(place, policy, schema):
    (place / "g.yaml").write_text(GRAPH.format(policy=policy, schema=schema))


def test_list(run, place):
    done = run("policy", "list", cwd=place)
    assert done.returncode == 0
    assert done.stdout.decode().split() == sorted(path.stem for path in (place / "policies").glob("*.yaml"))


@pytest.mark.parametrize("policy", ANY_SCHEMA)
@pytest.mark.parametrize("schema", ["every", "healthcare", "finance"])
def test_policies_for_any_schema(run, place, policy, schema):
    done, rows = explain(run, place, policy, "--schema", schema)
    assert done.returncode == 0, done.stderr.decode()
    assert rows and all(row["fate"] != "refused" for row in rows)
    for row in rows:
        if row["label_before"].startswith(("direct-id", "quasi-id", "free-text")):
            assert row["fate"] != "keep"
            assert row["example_before"] is None or row["example_after"] != row["example_before"], row
    write_graph(place, policy, schema)
    checked = run("check", "g.yaml", cwd=place)
    assert checked.returncode == 0, checked.stderr.decode()


def test_levels_get_stricter(run, place):
    """What a level keeps as it is, the one below it keeps too; and each drops more."""
    dropped, kept = [], []
    for level in ("low", "medium", "high"):
        _, rows = explain(run, place, level, "--schema", "every")
        dropped.append({row["field"] for row in rows if row["fate"] == "drop"})
        kept.append({row["field"] for row in rows if row["fate"] == "keep"})
    assert dropped[0] < dropped[1] < dropped[2]
    assert kept[0] >= kept[1] > kept[2]


@pytest.mark.parametrize("policy, schema, code", [("hipaa-safe-harbor", "healthcare", 0), ("hipaa-safe-harbor", "finance", 4), ("odd", "every", 3)])
def test_explain_exits_as_check(run, place, policy, schema, code):
    (place / "policies" / "odd.yaml").write_text("name: odd\nclasses: { public: keep, sensitive: keep, direct-id: drop, free-text: drop, "
                                                 "quasi-id: { generalize: { to: year } } }\n")
    done, rows = explain(run, place, policy, "--schema", schema)
    write_graph(place, policy, schema)
    assert done.returncode == run("check", "g.yaml", cwd=place).returncode == code
    assert any(row["fate"] == "refused" for row in rows) == (code != 0)


def test_a_run_does_what_was_explained(run, place):
    """Columns and labels that leave are those that were told."""
    _, rows = explain(run, place, "low", "--schema", "finance")
    write_graph(place, "low", "finance")
    done = run("run", "--once", "g.yaml", cwd=place, input=json.dumps(
        {"account": "AC-77812", "name": "Jo Marsh", "email": "jo@x.org", "card": "4111111111111111", "transaction_type": "Debit", "amount": 4.5,
         "transaction_time": "2024-03-18", "memo": "Jo Marsh paid", "account_hash": "9f9f9f9f", "merchant_category": "food"}).encode())
    assert done.returncode == 0, done.stderr.decode()
    out = json.loads(done.stdout)
    assert set(out) == {row["field"] for row in rows if row["fate"] != "drop"}
    text = done.stdout.decode()
    for left in ("77812", "Marsh", "jo@x.org", "411111", "9f9f9", "2024-03"):
        assert left not in text
    assert out["memo"] == out["name"] + " paid"


@pytest.mark.parametrize("words, code", [(["policy"], 2), (["policy", "explain"], 2), (["policy", "tell"], 2), (["policy", "explain", "none"], 3),
                                         (["policy", "explain", "low", "--schema", "none"], 3), (["policy", "explain", "low", "more"], 2)])
def test_mistakes(run, place, words, code):
    done = run(*words, cwd=place)
    assert done.returncode == code
    assert done.stderr and not done.stdout


def test_without_a_schema(run, place):
    done, rows = explain(run, place, "pci-dss")
    assert done.returncode == 0
    fates = {row["field"]: row["fate"] for row in rows}
    assert fates["pan"] == "mask" and fates["cvv"] == "drop" and fates["direct-id"] == "drop" and fates["quasi-id/int"] == "bucket"
    assert next(row for row in rows if row["field"] == "card")["example_after"].endswith("1111")
