#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""test_certificate.py - the certificate of a proof, and what got looser between two graph files.

shows: MIS-3 PRV-15 ANO-6
"""
import json
import os
import re
import shutil
import signal
import sys

import pytest

from conftest import ROOT

sys.path.insert(0, str(ROOT / "tests" / "tools"))
from world import World, end, free_port, get, signal_to, wait_for

GRAPH = """name: t
tenant: ward
graph:
  in:  { op: source, from: stdin, schema: healthcare }
  old: { op: route, after: in, column: age, above: 65 }
  ano: { op: anonymize, after: old.matched, policy: hipaa-safe-harbor }
  out: { op: sink-file, after: ano, path: "-" }
  no:  { op: sink-null, after: old.rest }
"""


@pytest.fixture
def folder(tmp_path):
    shutil.copytree(ROOT / "conf" / "schemas", tmp_path / "schemas")
    shutil.copytree(ROOT / "conf" / "policies", tmp_path / "policies")
    (tmp_path / "g.yaml").write_text(GRAPH)
    return tmp_path


def certificate(run, path, **options):
    done = run("check", "--json", path, **options)
    assert done.returncode == 0, done.stderr
    return done.stdout


def sorted_keys(value):
    if isinstance(value, dict):
        return list(value) == sorted(value) and all(map(sorted_keys, value.values()))
    return not isinstance(value, list) or all(map(sorted_keys, value))


def test_certificate_says_what_leaves_and_why(run, folder):
    text = certificate(run, folder / "g.yaml")
    shown = json.loads(text)
    assert text.count(b"\n") == 1 and sorted_keys(shown)
    assert (shown["graph"], shown["tenant"], shown["certificate"]) == ("t", "ward", 1)
    out = next(one for one in shown["exits"] if one["exit"] == "out")
    fields = {(field["field"], field["told_by"]): field for field in out["fields"]}
    assert fields["visit_date", None]["label"] == "quasi-id, generalized"
    assert fields["visit_date", None]["path"] == ["in", "old", "ano", "out"]
    assert fields["age", "old"]["label"] == "quasi-id, generalized"
    assert "a file" in fields["age", "old"]["why"]
    assert ("name", None) not in fields
    assert {"node": "old", "op": "route", "options": {"above": "65", "after": "in", "column": "age"}} in shown["nodes"]


def test_same_configuration_gives_the_same_bytes_from_everywhere(run, folder):
    text = certificate(run, folder / "g.yaml")
    assert text == certificate(run, folder / "g.yaml")
    assert text == certificate(run, "g.yaml", cwd=folder)
    (folder / "g.yaml").write_text("# a comment\n" + GRAPH.replace("  old: { op", "  old:   { op"))
    assert text == certificate(run, folder / "g.yaml")


@pytest.mark.parametrize("change", [
    lambda at: (at / "g.yaml").write_text(GRAPH.replace("65", "66")),
    lambda at: (at / "g.yaml").write_text(GRAPH.replace("ward", "other")),
    lambda at: (at / "g.yaml").write_text(GRAPH + "stall: 1s\n"),
    lambda at: (at / "schemas/healthcare.yaml").open("a").write("# looked at\n"),
    lambda at: (at / "policies/hipaa-safe-harbor.yaml").open("a").write("# looked at\n"),
], ids=["option", "tenant", "setting", "schema", "policy"])
def test_another_configuration_is_not_what_was_certified(run, folder, change):
    (folder / "cert").write_bytes(certificate(run, folder / "g.yaml"))
    same = run("check", "--certificate", folder / "cert", folder / "g.yaml")
    assert (same.returncode, b"as certified" in same.stderr) == (0, True)
    change(folder)
    done = run("check", "--certificate", folder / "cert", folder / "g.yaml")
    assert done.returncode == 4
    assert b"the configuration is another" in done.stderr


def test_variables_count_as_they_are_replaced(run, folder):
    (folder / "g.yaml").write_text(GRAPH.replace("65", '"${OLD:-65}"'))
    one = certificate(run, folder / "g.yaml")
    assert one == certificate(run, folder / "g.yaml", env={**os.environ, "OLD": "65"})
    assert one != certificate(run, folder / "g.yaml", env={**os.environ, "OLD": "70"})


def test_forged_and_strange_certificates_are_refused(run, folder):
    text = certificate(run, folder / "g.yaml")
    for forged, why in ((text.replace(b"generalized", b"aggregate(9)", 1), b"changed after it was made"), (b"", b"no certificate"),
                        (text[:200], b"was made"), (text * 2, b"was made"), (b"\0" * 10, b"no certificate")):
        (folder / "cert").write_bytes(forged)
        done = run("check", "--certificate", folder / "cert", folder / "g.yaml")
        assert done.returncode == 4, forged[:60]
        assert why in done.stderr
    assert run("check", "--certificate", folder / "none", folder / "g.yaml").returncode == 3
    assert run("check", "--certificate", folder / "cert", folder / "g.yaml", folder / "g.yaml").returncode == 2


def test_running_graph_shows_the_hash_and_a_reload_changes_it(tmp_path, datavault):
    world = World(tmp_path, datavault)
    try:
        port = free_port()
        text = (f"name: t\nlisten: 127.0.0.1:{port}\nkeyring: file:keys\nstate: state\ngraph:\n"
                "  in: { op: source, from: generate, schema: healthcare, count: 0, rate: 5 }\n"
                "  few: { op: project, after: in, keep: [diagnosis] }\n  out: { op: sink-null, after: few }\n")
        world.path("g.yaml").write_text(text)
        expected = json.loads(world.run("check", "--json", "g.yaml").stdout)["config_sha256"]
        process = world.start("run", "g.yaml")
        assert wait_for(lambda: get(port, "/livez")[0] == 200, 30)
        assert json.loads(get(port, "/v1/stats")[1])["config_sha256"] == expected
        assert expected in process.log.read_text()
        world.path("g.yaml").write_text(text.replace("[diagnosis]", "[diagnosis, outcome]"))
        signal_to(process, signal.SIGHUP)
        changed = json.loads(world.run("check", "--json", "g.yaml").stdout)["config_sha256"]
        assert changed != expected
        assert wait_for(lambda: json.loads(get(port, "/v1/stats")[1])["config_sha256"] == changed, 30)
        end(process)
    finally:
        world.close()


# ---- what got looser ----

def differ(run, folder, old, new):
    (folder / "old.yaml").write_text(old)
    (folder / "new.yaml").write_text(new)
    text = run("diff", folder / "old.yaml", folder / "new.yaml")
    rows = run("diff", "--json", folder / "old.yaml", folder / "new.yaml")
    assert text.returncode == rows.returncode
    changes = {(row["exit"], row["field"], row["told_by"], row["change"]) for row in map(json.loads, rows.stdout.splitlines())}
    return text.returncode, text.stdout.decode(), {change for change in changes if change[3] != "unchanged"}


AGGREGATE = """name: t
graph:
  in:   { op: source, from: stdin, schema: healthcare }
  some: { op: aggregate, after: in, by: [diagnosis], k: 10 }
  out:  { op: sink-sse, after: some }
"""


def test_same_graph_is_unchanged(run, folder):
    assert differ(run, folder, GRAPH, GRAPH) == (0, "", set())


def test_smaller_groups_are_looser_and_larger_are_tighter(run, folder):
    smaller = AGGREGATE.replace("k: 10", "k: 5")
    code, text, changes = differ(run, folder, AGGREGATE, smaller)
    assert code == 4 and ("out", "diagnosis", None, "looser") in changes
    assert "LOOSER     out (live stream): diagnosis: sensitive, aggregate(10) -> sensitive, aggregate(5)" in text
    code, text, changes = differ(run, folder, smaller, AGGREGATE)
    assert code == 0 and {change[3] for change in changes} == {"tighter"}


def test_new_exits_fields_and_conditions_are_looser(run, folder):
    more = GRAPH + "  too: { op: sink-file, after: ano, path: too }\n"
    code, _, changes = differ(run, folder, GRAPH, more)
    assert code == 4 and ("too", "diagnosis", None, "looser") in changes and ("too", "age", "old", "looser") in changes
    code, _, changes = differ(run, folder, more, GRAPH)
    assert code == 0 and ("too", "diagnosis", None, "tighter") in changes
    code, _, changes = differ(run, folder, GRAPH.replace("after: old.matched", "after: in").replace("no:  { op: sink-null, after: old.rest }",
                              "no:  { op: sink-null, after: [old.rest, old.matched] }"), GRAPH)
    assert code == 4 and ("out", "age", "old", "looser") in changes


def test_declassified_and_masked_fields_are_looser(run, folder):
    public = GRAPH.replace("  out: { op: sink-file, after: ano,", "  dec: { op: declassify, after: ano, columns: [visit_date], reason: "
                           "\"the years are published\" }\n  out: { op: sink-file, after: dec,")
    code, _, changes = differ(run, folder, GRAPH, public)
    assert (code, changes) == (4, {("out", "visit_date", None, "looser")})
    code, _, changes = differ(run, folder, public, GRAPH)
    assert (code, changes) == (0, {("out", "visit_date", None, "tighter")})


GUARDED = AGGREGATE.replace("after: some }", "after: some, guard: { do: %s } }")
RISKY = """name: t
graph:
  in:   { op: source, from: stdin, schema: healthcare }
  ano:  { op: anonymize, after: in, policy: hipaa-safe-harbor }
  risk: { op: risk, after: ano, quasi: [age], max_risk: %s }
  out:  { op: sink-file, after: risk, path: out }
"""


@pytest.mark.parametrize("graph, name, words", [  # from the loosest to the tightest
    (GUARDED, "guard", ["off, reason: nobody reads this stream", "alert", "redact", "block"]),
    (GUARDED.replace("do: %s", "types: [%s]"), "guard types", ["ssn", "ssn, email", "email, ssn, iban"]),
    (RISKY, "max_risk", ["1", "0.5", "0.25"]),
])
def test_settings_that_hold_less_back_are_looser(run, folder, graph, name, words):
    for loose, tight in zip(words, words[1:]):
        code, text, changes = differ(run, folder, graph % tight, graph % loose)
        assert code == 4 and [change[1:] for change in changes] == [(name, None, "looser")], text
        code, text, changes = differ(run, folder, graph % loose, graph % tight)
        assert code == 0 and [change[1:] for change in changes] == [(name, None, "tighter")], text


def test_guards_that_cannot_be_compared_and_nodes_that_are_gone_are_looser(run, folder):
    types = GUARDED.replace("do: %s", "types: [%s]")
    for pair in (("ssn", "email"), ("email", "ssn")):
        assert differ(run, folder, types % pair[0], types % pair[1])[0] == 4
    without = re.sub("  risk:.*\n", "", RISKY % "0.5").replace("after: risk", "after: ano")
    assert differ(run, folder, RISKY % "0.5", without) == (4, "LOOSER     risk: max_risk: 0.5 -> none\n", {("risk", "max_risk", None, "looser")})
    assert differ(run, folder, without, RISKY % "0.5")[0] == 0


def test_larger_budgets_are_looser(run, folder):
    def graph(budget):
        return f"name: t\n{budget}\n" + AGGREGATE.split("\n", 1)[1]
    budgets = ["", "budget: { epsilon: 20 }", "budget: { epsilon: 10 }", "budget: { epsilon: 10, per: 2d }"]
    for loose, tight in zip(budgets, budgets[1:]):
        assert differ(run, folder, graph(tight), graph(loose))[::2] == (4, {("graph", "budget", None, "looser")})
        assert differ(run, folder, graph(loose), graph(tight))[::2] == (0, {("graph", "budget", None, "tighter")})
    assert "epsilon 10, delta 0 per 86400 s -> epsilon 20" in differ(run, folder, graph(budgets[2]), graph(budgets[1]))[1]


def test_a_policy_with_other_rules_is_told(run, folder):
    """Two folders with policies of one name; a comment is no rule."""
    graph = (RISKY % "0.5").replace("policy: hipaa-safe-harbor", "policy: mine")
    policy = (folder / "policies" / "hipaa-safe-harbor.yaml").read_text().replace("name: hipaa-safe-harbor", "name: mine")
    other = folder / "other"
    shutil.copytree(folder / "schemas", other / "schemas")
    (other / "policies").mkdir()
    for place, text in ((folder, policy), (other, policy + "\n# a comment\n")):
        (place / "policies" / "mine.yaml").write_text(text)
        (place / "g.yaml").write_text(graph)
    assert run("diff", folder / "g.yaml", other / "g.yaml").returncode == 0
    (other / "policies" / "mine.yaml").write_text(re.sub(r"(?m)^fields:$", "detectors:\n  - { name: TICKET, pattern: 'T-[0-9]{5}' }\nfields:", policy))
    done = run("diff", folder / "g.yaml", other / "g.yaml")
    assert done.returncode == 4 and b"LOOSER     mine.yaml: policy" in done.stdout, (done.stdout, done.stderr)


def test_leaking_and_wrong_graphs_are_told(run, folder):
    leaky = GRAPH + "  raw: { op: sink-file, after: old.matched, path: raw }\n"
    for pair, code in (((GRAPH, leaky), 4), ((leaky, GRAPH), 4), ((GRAPH, "name: t\n"), 3)):
        (folder / "old.yaml").write_text(pair[0])
        (folder / "new.yaml").write_text(pair[1])
        assert run("diff", folder / "old.yaml", folder / "new.yaml").returncode == code
    assert run("diff", folder / "old.yaml").returncode == 2
    assert re.search(rb"diff +Tells", run("--help").stdout)
