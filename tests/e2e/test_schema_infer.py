#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""test_schema_infer.py - `datavault schema infer`: a draft that is never looser than what a careful person would write.

shows: ANO-1 PRV-1
"""
import json
import string

import pytest
import yaml

HARM = ["public", "sensitive", "quasi-id", "free-text", "direct-id"]  # from harmless to harmful, as engine/label.h
FIRST = "Maria Wei Olga Carlos Priya Ahmed Fatima Lars Sofia Kenji".split()
LAST = "Gonzalez Zhang Petrova Ramirez Sharma Hassan Larsen Rossi Tanaka Okafor".split()
GRAPH = """name: draft
keyring: {keyring}
state: {state}
graph:
  records: {{ op: source, from: stdin, schema: {schema} }}
  out: {{ op: sink-null, after: records }}
"""


def lines(records):
    return "".join(json.dumps(record) + "\n" for record in records).encode()


def infer(run, records, *options):
    done = run("schema", "infer", *options, input=records if isinstance(records, bytes) else lines(records))
    assert done.returncode == 0, done.stderr.decode()
    assert done.stderr == b""
    return done.stdout.decode()


def classes(run, records):
    return {name: field["class"] for name, field in yaml.safe_load(infer(run, records))["fields"].items()}


def loads(run, tmp_path, keyring, draft):
    """The draft is a schema that a graph can use: it is proved, or refused for what it says, not for how it says it."""
    (tmp_path / "schemas").mkdir(exist_ok=True)
    (tmp_path / "schemas" / "draft.yaml").write_text(draft)
    (tmp_path / "graph.yaml").write_text(GRAPH.format(keyring=keyring, state=tmp_path / "state", schema="draft"))
    done = run("check", tmp_path / "graph.yaml")
    assert done.returncode == 0, done.stderr.decode()


def paths(record, before=""):
    """What an object holds, and the objects in it."""
    return {path for name, value in record.items()
            for path in (paths(value, f"{before}{name}.") if isinstance(value, dict) else [before + name])}


@pytest.mark.parametrize("domain", ["healthcare", "finance"])
def test_never_looser_than_the_shipped_schemas(run, tmp_path, keyring, domain):
    sample = run("generate", "--domain", domain, "--count", "1500", "--seed", "7").stdout
    draft = infer(run, sample, "--name", domain)
    loads(run, tmp_path, keyring, draft)
    ours = yaml.safe_load(draft)
    with open(f"conf/schemas/{domain}.yaml", encoding="utf-8") as file:
        theirs = yaml.safe_load(file)
    seen = set().union(*(paths(json.loads(line)) for line in sample.splitlines()))
    assert seen and set(ours["fields"]) == seen
    for name in seen:
        drafted, written = ours["fields"][name], theirs["fields"].get(name.split(".")[0], {"class": "direct-id"})
        assert HARM.index(drafted["class"]) >= HARM.index(written["class"]), (name, drafted, written)
    assert ours["subject"] == theirs["subject"]
    assert ours["name"] == domain
    assert sum(field["class"] == "direct-id" for field in ours["fields"].values()) < len(seen), "a draft of one class alone helps nobody"


def test_values_overrule_harmless_names(run, draw):
    """Names, addresses and numbers of persons under names that promise codes, amounts and states."""
    def person():
        return f"{draw.choice(FIRST)} {draw.choice(LAST)}"
    values = {
        "status": person,
        "category": lambda: f"{draw.choice(FIRST).lower()}.{draw.choice(LAST).lower()}@example.org",
        "code": lambda: "%03d-%02d-%04d" % (draw.randint(1, 665), draw.randint(1, 99), draw.randint(1, 9999)),
        "type": lambda: "".join(draw.choice("0123456789abcdef") for _ in range(32)),
        "level": lambda: draw.randrange(10**9),
        "unit": lambda: f"+1 {draw.randint(201, 989)} {draw.randint(200, 999)} {draw.randint(0, 9999):04d}",
    }
    found = classes(run, [{name: make() for name, make in values.items()} for _ in range(200)])
    assert found == {name: "direct-id" for name in values}


def test_a_few_names_among_harmless_values_are_enough(run, draw):
    records = [{"status": draw.choice(["open", "closed", "paid"])} for _ in range(190)]
    records += [{"status": f"{draw.choice(FIRST)}.{draw.choice(LAST)}@example.org"} for _ in range(10)]
    draw.shuffle(records)
    assert classes(run, records) == {"status": "direct-id"}


def test_what_nobody_knows_is_direct_id(run, draw):
    """Names of fields drawn by letters: whatever stands under them."""
    words = ["q" + "".join(draw.choice("zxqjkvw") for _ in range(7)) for _ in range(12)]
    kinds = [lambda: draw.choice(["red", "blue"]), lambda: draw.randrange(5), lambda: draw.random(), lambda: [1], lambda: {"a": 1}]
    records = [{word: kinds[at % len(kinds)]() for at, word in enumerate(words)} for _ in range(120)]
    assert set(classes(run, records).values()) == {"direct-id"}


def test_traits_dates_text_and_amounts(run, draw):
    notes = ["Came in with a cough and a mild fever.", "Was told to rest for a week or two.", "No change since the last visit, all is well."]
    records = [{"age": draw.randint(0, 99), "gender": draw.choice("fm"), "visit_date": f"2024-0{draw.randint(1, 9)}-{draw.randint(10, 28)}",
                "note": f"{draw.choice(notes)} {draw.choice(notes)} {draw.randint(36, 41)} degrees, {draw.randint(50, 99)} kg.",
                "amount": round(draw.uniform(1, 900), 2), "currency": draw.choice(["EUR", "USD"]), "active": draw.random() < 0.5} for _ in range(400)]
    found = classes(run, records)
    assert [found[name] for name in ("age", "gender", "visit_date", "note", "amount")] == ["quasi-id", "quasi-id", "quasi-id", "free-text", "sensitive"]
    assert HARM.index(found["currency"]) >= HARM.index("sensitive") and found["active"] != "public"
    text = infer(run, records)
    assert "min: 0, max: " in text and "public" not in text


def test_types_are_those_of_all_values(run, tmp_path, keyring):
    records = [{"i": 1, "f": 1, "t": "x", "b": True, "mixed": 1, "list": [1], "big": 10**30, "none": None},
               {"i": -2, "f": 2.5, "t": "y", "b": False, "mixed": "x", "list": {}, "big": 1, "none": None}]
    draft = infer(run, records)
    loads(run, tmp_path, keyring, draft)
    assert {name: field["type"] for name, field in yaml.safe_load(draft)["fields"].items()} == {
        "i": "int", "f": "float", "t": "text", "b": "bool", "mixed": "json", "list": "json", "big": "json", "none": "text"}


def types(run, records):
    return {name: field["type"] for name, field in yaml.safe_load(infer(run, records))["fields"].items()}


def test_what_lies_in_objects_and_lists_is_named_by_its_path(run, tmp_path, keyring):
    records = [{"patient": {"name": {"family": last, "given": [first]}, "age": 20 + number % 3, "address": None}, "visits": [],
                "contacts": [{"phone": f"+1 555 0{number}2 3456", "rank": 1}, None, {"phone": f"+1 555 0{number}2 3457"}]}
               for number, (first, last) in enumerate(zip(FIRST, LAST))]
    records += [{"patient": {"address": {"city": "Oslo"}}, "visits": [{"ward": 3}], "contacts": None, "deep": {"a": {"b": {"c": {"d": 1}}}}}]
    draft = infer(run, records)
    loads(run, tmp_path, keyring, draft)
    fields = yaml.safe_load(draft)["fields"]
    assert {name: field["type"] for name, field in fields.items()} == {
        "patient.name.family": "text", "patient.name.given": "json", "patient.age": "int", "patient.address.city": "text",
        "contacts[].phone": "json", "contacts[].rank": "json", "visits[].ward": "json", "deep.a.b.c": "json"}
    assert fields["patient.name.family"]["class"] == fields["contacts[].phone"]["class"] == "direct-id"
    assert fields["patient.age"]["class"] == "quasi-id"
    machine = {field["name"]: field for field in json.loads(infer(run, records, "--json"))["fields"]}
    assert (machine["contacts[].phone"]["present"], machine["contacts[].phone"]["distinct"]) == (10, 20)


@pytest.mark.parametrize("records, expected", [
    ([{"a": 1, "a.b": 2}], {"a": "int"}), ([{"a.b": 2, "a": 1}], {"a": "json"}), ([{"a": None, "a.b": 2}], {"a.b": "int"}),
    ([{"a": {"b": 1}}, {"a": 7}], {"a": "json"}), ([{"a": 7}, {"a": {"b": 1}}], {"a": "json"}), ([{"a": {}}, {"a": {"b": 1}}], {"a.b": "int"}),
    ([{"a": {"b": None}}, {"a": 7}], {"a": "json"}), ([{"a.b": None}, {"a": {}}, {"a": 7}], {"a": "json"}), ([{"a": [{"b": None}]}, {"a": 7}], {"a": "json"}),
    ([{"a": {"b": 1}}, {"a": [{"b": 1}]}], {"a": "json"}), ([{"a": [{"b": 1}]}, {"a": {"b": 1}}], {"a": "json"}),
    ([{"a": [{"b": 1}, 2]}], {"a": "json"}), ([{"a": [{"b": 1}]}, {"a": [3]}], {"a": "json"}), ([{"a.b": 1}, {"a": {"b": 1}}], {"a.b": "int"}),
    ([{"a": {"b.c": 1, "d": 1}}], {"a.d": "int"}), ([{"a.b": {"c": 1}}], {"a.b": "json"}), ([{"a..b": 1, "_extra.x": 1, "_extra": {"x": 1}, "c": 1}], {"c": "int"}),
    ([{"a": {f"k{number}": 1 for number in range(60)}, "b": 1}], {"a": "json", "b": "int"}),
])
def test_no_name_is_in_the_way_of_another(run, tmp_path, keyring, records, expected):
    assert types(run, records) == expected
    loads(run, tmp_path, keyring, infer(run, records))


def test_a_draft_takes_the_records_it_was_made_of(run, tmp_path, keyring, draw):
    """Values of any form under keys that are, or look like, paths; none in one record under two names."""
    def value(depth):
        kinds = [lambda: 1, lambda: "x", lambda: None, lambda: 2.5, lambda: [], dict]
        if depth < 6:
            kinds += [lambda: {draw.choice(["a", "b", "c", "d.e", "x y"]): value(depth + 1) for _ in range(3)},
                      lambda: [value(depth + 1) for _ in range(draw.randrange(3))], lambda: [{"a": value(depth + 2)}] * 2]
        return draw.choice(kinds)()

    for _ in range(12):
        sample = [{draw.choice(pair): value(0) for pair in (("a", "a.b", "a.c"), ("b", "b.a.c"), ("c", "c[].a"), ("d..e", "_extra.x", "é"))}
                  for _ in range(draw.choice([1, 3, 30]))]
        loads(run, tmp_path, keyring, infer(run, sample))
        done = run("run", "--once", tmp_path / "graph.yaml", input=lines(sample))
        assert done.returncode == 0 and f"{len(sample)} records in, ".encode() in done.stderr, (sample, infer(run, sample), done.stderr)


def test_no_value_is_told(run, draw):
    secrets = [f"Zq{draw.randrange(10**8):08d}" for _ in range(300)]
    numbers = [draw.randrange(10_001, 10**6) * 2 + 1 for _ in secrets]
    done = run("schema", "infer", input=lines({"tag": secret, "amount": number} for secret, number in zip(secrets, numbers)) + b'{"tag": "Zq1\n')
    assert done.returncode == 1 and b"line 301" in done.stderr
    said = (done.stdout + done.stderr).decode()
    assert not any(secret in said for secret in secrets)
    assert not any(str(number) in said for number in (min(numbers), max(numbers)))


def test_hostile_samples(run, tmp_path, keyring, draw):
    """Many fields, odd names, deep values, names that YAML takes for something else, and lines that are nothing."""
    many = [{f"field{draw.randrange(10**9)}": 1 for _ in range(300)} for _ in range(20)]
    odd = [{"": 1, " a": 2, "a b": 3, "é": 4, "x" * 200: 5, "_extra": 6, "#": 7, "a: b": 8, "\n": 9, "\"": 10}]
    words = [{"yes": 1, "null": 1, "1e3": 1, "0x1F": 1, "-": 1, "~": 1, "n": 1, "..": 1, "1.5": 1, "-x": 1, "2024-01-01": 1}]
    no_names = {"-", "~", "..", "-x"}
    deep = b'{"deep":' + b"[" * 60 + b"]" * 60 + b"}\n"
    draft = infer(run, lines(words + odd + many) + deep)
    loads(run, tmp_path, keyring, draft)
    fields = yaml.safe_load(draft)["fields"]
    assert len(fields) == 127 and all(isinstance(name, str) for name in fields) and set(words[0]) - no_names <= set(fields) and not no_names & set(fields)
    assert "Left out:" in draft and "_extra" not in fields
    machine = json.loads(infer(run, words + odd + many, "--json"))
    assert len(machine["fields"]) == 127 and machine["left_out"] > 5000
    for bad in (b"", b"\n\n", b"{}\n", b"[1]\n", b"\xff\xfe\n", b'{"a":1,"a":2}\n', b"{" * 1000, bytes(range(256))):
        done = run("schema", "infer", input=bad)
        assert done.returncode == 1 and done.stdout == b"" and b"runtime error" not in done.stderr, bad


def test_escapes_hide_nothing(run, draw):
    """The same values, written with an escape for each letter."""
    records = [{"status": f"{draw.choice(FIRST).lower()}@example.org"} for _ in range(60)]
    escaped = "".join('{"status":"%s"}\n' % "".join(f"\\u{ord(letter):04x}" for letter in record["status"]) for record in records)
    assert classes(run, escaped.encode()) == classes(run, records) == {"status": "direct-id"}


def test_distinct_values_are_counted_well(run, draw):
    for count in (1, 511, 512, 20_000):
        alphabet = [("".join(draw.choice(string.ascii_letters) for _ in range(9)),) for _ in range(count)]
        body = "".join('{"status":"%s"}\n' % alphabet[at % count] for at in range(max(count, 1000)))
        field, = json.loads(infer(run, body.encode(), "--json"))["fields"]
        assert field["present"] == max(count, 1000)
        assert field["distinct"] == (count if count < 512 else pytest.approx(count, rel=0.2))


def test_usage(run, tmp_path):
    shown = run("schema", "infer", "--help").stdout.decode()
    assert shown.startswith("examples:")
    assert run("schema", "infer", "--nonsense").returncode == 2
    assert run("schema", "infer", "a", "b").returncode == 2
    assert run("schema", "infer", "--name", "a b").returncode == 2
    assert run("schema", "infer", tmp_path / "none.jsonl").returncode == 1
    (tmp_path / "my visits.jsonl").write_text('{"a":1}\n')
    (tmp_path / "visits.2024.jsonl").write_text('{"a":1}\n')
    assert yaml.safe_load(run("schema", "infer", tmp_path / "my visits.jsonl").stdout)["name"] == "sample"
    assert yaml.safe_load(run("schema", "infer", tmp_path / "visits.2024.jsonl").stdout)["name"] == "visits"
