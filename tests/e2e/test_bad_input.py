#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""test_bad_input.py - what is wrong in the input is counted, told with line and reason and kept sealed, and never stops
the good records around it; a wrong configuration, passphrase or keyring stops everything before it starts.

shows: ING-7 PRV-15 ENC-6 STO-2 MIS-3
"""
import base64
import json
import os
import pathlib
import sys

import pytest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "tools"))
import canary
import oracle
from world import BRANCHED, World, events

GOOD = {"patient_id": "good", "diagnosis": "Asthma"}


@pytest.fixture(name="world")
def make_world(tmp_path, datavault):
    with World(tmp_path / "w", datavault) as made:
        yield made


@pytest.fixture(name="secret")
def make_secret(draw):
    return canary.Canaries(draw.random())


def record(**fields):
    return json.dumps({"patient_id": "p", "diagnosis": "x", **fields}).encode()


def raw(text):
    """A record whose diagnosis is this JSON text."""
    return b'{"patient_id":"p","diagnosis":' + text + b"}"


# What is wrong → (how a line of it is made from a secret, code, reason in the log).
BAD = {
    "malformed": (lambda s: b'{"patient_id": "%s",, }' % s, "DV_E_SYNTAX", "malformed JSON"),
    "no JSON at all": (lambda s: s, "DV_E_SYNTAX", "not a JSON object"),
    "a list": (lambda s: b'["%s"]' % s, "DV_E_SYNTAX", "not a JSON object"),
    "two records in a line": (lambda s: record(name=s.decode()) * 2, "DV_E_SYNTAX", "more text behind the object"),
    "a string without end": (lambda s: raw(b'"' + s), "DV_E_SYNTAX", "a string that does not end"),
    "bytes that are no UTF-8": (lambda s: raw(b'"' + s + b'\xff\xfe"'), "DV_E_SYNTAX", "not UTF-8"),
    "an overlong UTF-8 form": (lambda s: raw(b'"' + s + b'\xc0\xaf"'), "DV_E_SYNTAX", "not UTF-8"),
    "a surrogate in UTF-8": (lambda s: raw(b'"' + s + b'\xed\xa0\x80"'), "DV_E_SYNTAX", "not UTF-8"),
    "NUL": (lambda s: raw(b'"' + s + b'\0"'), "DV_E_SYNTAX", "a control character in a string"),
    "NUL, escaped": (lambda s: raw(b'"' + s + b'\\u0000"'), "DV_E_SYNTAX", "NUL character in a string"),
    "half a surrogate pair": (lambda s: raw(b'"' + s + b'\\ud800"'), "DV_E_SYNTAX", "half a surrogate pair"),
    "an unknown escape": (lambda s: raw(b'"' + s + b'\\x"'), "DV_E_SYNTAX", "unknown escape"),
    "50 MB": (lambda s: raw(b'"' + s * (50_000_000 // len(s)) + b'"'), "DV_E_LIMIT", "longer than max_record"),
    "2 MB": (lambda s: raw(b'"' + s * (2_000_000 // len(s)) + b'"'), "DV_E_LIMIT", "longer than max_record"),
    "10000 deep": (lambda s: b'{"patient_id":"%s","diagnosis":"x","symptoms":' % s + b"[" * 10000 + b"]" * 10000 + b"}",
                   "DV_E_SYNTAX", "nested more than 64 levels deep"),
    "10000 deep, in an unknown field": (lambda s: raw(b'"x","zzz":' + b'{"a":' * 10000 + b'"' + s + b'"' + b"}" * 10000),
                                        "DV_E_SYNTAX", "nested more than 64 levels deep"),
    "a name twice": (lambda s: b'{"patient_id":"%s","patient_id":"q","diagnosis":"x"}' % s, "DV_E_SYNTAX", "a name stands twice"),
    "a name twice, once escaped": (lambda s: b'{"patient_id":"%s","p\\u0061tient_id":"q","diagnosis":"x"}' % s,
                                   "DV_E_SYNTAX", "a name stands twice"),
    "an unknown name twice": (lambda s: raw(b'"x","zzz":"%s","zzz":1' % s), "DV_E_SYNTAX", "a name stands twice"),
    "an int past 64 bits": (lambda s: record(name=s.decode(), age=2**64), "DV_E_DATA", "too large for 64 bits"),
    "a float past the greatest": (lambda s: raw(b'"%s","age":1e999' % s), "DV_E_DATA", "a whole number is expected"),
    "out of bounds": (lambda s: record(name=s.decode(), age=131), "DV_E_DATA", "outside the schema's bounds"),
    "below bounds": (lambda s: record(name=s.decode(), age=-1), "DV_E_DATA", "outside the schema's bounds"),
    "no whole number": (lambda s: record(name=s.decode(), age=1.5), "DV_E_DATA", "a whole number is expected"),
    "a required field missing": (lambda s: b'{"patient_id":"%s"}' % s, "DV_E_DATA", "a required field is missing"),
    "a required field null": (lambda s: b'{"patient_id":"%s","diagnosis":null}' % s, "DV_E_DATA", "a required field is missing"),
    "text for a number": (lambda s: record(age=s.decode()), "DV_E_DATA", "a number field holds another type"),
    "a number for text": (lambda s: record(name=s.decode(), email=1), "DV_E_DATA", "a text field holds another type"),
    "a list for text": (lambda s: record(name=[s.decode()]), "DV_E_DATA", "a text field holds another type"),
    "no date": (lambda s: record(visit_date=s.decode()), "DV_E_DATA", "not of the form that its policy generalizes"),
}


def rejects(done):
    return [event for event in events(done.stderr) if event.get("event") == "record.rejected"]


@pytest.mark.parametrize("kind", BAD)
def test_a_bad_line_is_told_and_sealed_and_the_good_ones_arrive(kind, world, secret):
    make, code, reason = BAD[kind]
    line = make(secret.word("secret").encode())
    world.graph(BRANCHED)
    world.write("in.jsonl", GOOD, line + b"\n", GOOD)
    done = world.run("run", "--once", "graph.yaml")
    assert done.returncode == 1, done.stderr
    told = rejects(done)
    assert [(event["line"], event["code"]) for event in told] == [(2, code)], done.stderr
    assert reason in told[0]["reason"]
    assert b" 1 rejected" in done.stderr
    assert len(world.path("out.jsonl").read_text().splitlines()) == 2
    assert secret.find_in(world.at, but=[world.path("in.jsonl")]) == {}
    assert secret.find(done.stderr + done.stdout) == []
    assert secret.find(line[:1000] + line[-11000:]), "the scanner must find what it is to find"
    check_letter(world, line, code, reason)


def check_letter(world, line, code, reason):
    """The sealed letter says where and why, and holds the record: the raw line, or its beginning, or the row as JSON."""
    letters = world.letters()
    assert [(letter["line"], letter["code"]) for letter in letters] == [(2, code)]
    assert reason in letters[0]["reason"]
    assert letters[0]["offset"] == len(json.dumps(GOOD, separators=(",", ":"))) + 1
    if "raw" not in letters[0]:
        assert letters[0]["record"] == json.loads(line)
        return
    kept = base64.b64decode(letters[0]["raw"])
    assert kept == line if len(line) <= 64 * 1024 else line.startswith(kept) and len(kept) >= 1024


def test_many_bad_lines_are_all_counted_and_the_log_stays_short(world):
    world.graph(BRANCHED)
    lines = [GOOD if n % 2 else b'{"patient_id":%d\n' % n for n in range(2000)]
    world.write("in.jsonl", *lines)
    done = world.run("run", "--once", "graph.yaml")
    assert done.returncode == 1
    assert b"2000 records in" in done.stderr and b"1000 rejected" in done.stderr
    assert len(rejects(done)) == 20
    assert [event for event in events(done.stderr) if event["event"] == "record.rejected.more"]
    assert len(world.path("out.jsonl").read_text().splitlines()) == 1000


def test_an_unknown_field_never_passes(world, secret):
    """Fields that no schema names land in `_extra`, which a policy cannot name: anonymize leaves it behind."""
    world.graph(BRANCHED)
    fields = {secret.word("name"): secret.word("value"), "deep": {"list": [secret.word("deep")]}}
    world.write("in.jsonl", {**GOOD, **fields})
    done = world.run("run", "--once", "graph.yaml")
    assert done.returncode == 0, done.stderr
    assert len(world.path("out.jsonl").read_text().splitlines()) == 1
    assert secret.find_in(world.at, but=[world.path("in.jsonl")]) == {}
    assert secret.find(done.stderr) == []


def test_a_graph_that_lets_unknown_fields_through_is_refused(world):
    world.graph("""  in: { op: source, from: file, path: in.jsonl, schema: healthcare }
  some: { op: project, after: in, keep: [diagnosis, _extra] }
  out: { op: sink-file, after: some, path: out.jsonl }
""")
    world.write("in.jsonl", GOOD)
    done = world.run("run", "--once", "graph.yaml")
    assert done.returncode == 4
    assert b"error[P001]: `_extra`" in done.stderr
    assert not world.path("out.jsonl").exists()


SHAPES = {
    "empty": (b"", 0, 0), "blank lines only": (b"\n\n  \n\t\r\n", 0, 0),
    "blank lines between": (b"\n\n%b\n \n\r\n%b\n\n", 2, 0), "CRLF": (b"%b\r\n%b\r\n", 2, 0),
    "a byte-order mark": (b"\xef\xbb\xbf%b\n%b\n", 2, 0), "a byte-order mark and CRLF": (b"\xef\xbb\xbf%b\r\n%b", 2, 0),
    "no newline at the end": (b"%b\n%b", 2, 0), "a byte-order mark later": (b"%b\n\xef\xbb\xbf%b\n", 1, 1),
}


@pytest.mark.parametrize("shape", SHAPES)
def test_odd_files_are_read(shape, world):
    text, good, bad = SHAPES[shape]
    whole = json.dumps(GOOD).encode()
    world.graph(BRANCHED)
    world.write("in.jsonl", text.replace(b"%b", whole))
    done = world.run("run", "--once", "graph.yaml")
    assert (done.returncode, len(rejects(done))) == (int(bad > 0), bad), done.stderr
    assert len(world.path("out.jsonl").read_text().splitlines()) == good


@pytest.mark.parametrize("source", ["file", "stdin"])
def test_a_truncated_last_line_is_one_reject(source, world, secret):
    text = json.dumps(GOOD).encode() + b"\n" + record(name=secret.word("name"))[:-4]
    nodes = BRANCHED if source == "file" else BRANCHED.replace("from: file, path: in.jsonl", "from: stdin")
    world.graph(nodes)
    world.write("in.jsonl", text)
    done = world.run("run", "--once", "graph.yaml", **({"input": text} if source == "stdin" else {}))
    assert done.returncode == 1
    assert [(event["line"], event["reason"]) for event in rejects(done)] == [(2, "the last line is cut off")]
    assert len(world.path("out.jsonl").read_text().splitlines()) == 1
    assert secret.find_in(world.at, but=[world.path("in.jsonl")]) == {}


def test_a_pipe_gives_the_good_lines_and_exit_code_one(world, secret):
    world.graph("""  in: { op: source, from: stdin, schema: healthcare }
  anon: { op: anonymize, after: in, policy: ledger }
  out: { op: sink-file, after: anon, path: "-" }
""")
    lines = [json.dumps(GOOD).encode(), b"{" + secret.word("bad").encode(), json.dumps(GOOD).encode()]
    done = world.run("run", "--once", "--quiet", "graph.yaml", input=b"\n".join(lines) + b"\n")
    assert done.returncode == 1
    assert [json.loads(line)["diagnosis"] for line in done.stdout.splitlines()] == ["Asthma", "Asthma"]
    assert secret.find(done.stdout + done.stderr) == []
    done = world.run("run", "--once", "--quiet", "graph.yaml", input=lines[0] + b"\n")
    assert (done.returncode, done.stderr) == (0, b"")


# ---- configurations, passphrases, keyrings ----

BROKEN = b"""name: t
keyring: file:keys
stat: state
graph:
  in: { op: sorce, from: file, path: in.jsonl, schema: healthcare }
  anon: { op: anonymize, after: inn, policy: nosuch }
  seal: { op: encrypt, after: anon, kee: healthcare }
  out: { op: sink-file, after: anon }
"""


def test_a_broken_config_tells_everything_and_starts_nothing(world):
    world.write("graph.yaml", BROKEN)
    world.write("in.jsonl", GOOD)
    before = sorted(os.walk(world.at))
    done = world.run("run", "--once", "graph.yaml")
    assert done.returncode == 3
    text = done.stderr.decode()
    for place, word in (("3:1", "'stat'"), ("5:13", "'sorce'"), ("6:33", "'inn'"), ("7:37", "'kee'"), ("8:3", "`path`")):
        assert f"graph.yaml:{place}: error[" in text, text
        assert word in text or word.strip("`") in text, text
    assert text.count("did you mean") >= 3
    assert sorted(os.walk(world.at)) == before
    assert done.stdout == b""


@pytest.mark.parametrize("text", [b"", b"name: t\n", b"graph: {}\n", b"{", b"\xff\xfe\0", b"name: t\ngraph: []\n", b"- a\n",
                                  b"name: t\ngraph: { a: { op: project } }\n", b"name: &x t\ngraph: *x\n", b"a" * 100_000])
def test_every_broken_file_is_exit_3_with_a_place(text, world):
    world.write("graph.yaml", text)
    for command in (("check",), ("run", "--once"), ("graph",)):
        done = world.run(*command, "graph.yaml")
        assert done.returncode == 3, (command, done)
        assert b"graph.yaml" in done.stderr and b"error[C" in done.stderr
        assert done.stdout == b""


def test_a_missing_file_is_named(world):
    done = world.run("run", "nosuch.yaml")
    assert done.returncode == 3
    assert b"nosuch.yaml" in done.stderr
    world.graph(BRANCHED)
    done = world.run("run", "--once", "graph.yaml")
    assert done.returncode == 1
    assert b"in.jsonl" in done.stderr
    assert not world.path("out.jsonl").exists() and not world.path("vault.sqlite").exists()


@pytest.fixture(name="sealed")
def make_sealed(tmp_path, datavault):
    """A world whose keyring is sealed by a passphrase, and one stored record."""
    with World(tmp_path / "s", datavault, keyring=False) as world:
        for name in ("pass", "wrong"):
            world.path(name).touch(0o600)
            world.path(name).write_text(f"{name}: correct horse battery staple")
        done = world.run("keys", "init", "--keyring", "file:keys", "--passphrase", "file:pass", "healthcare")
        assert done.returncode == 0, done.stderr
        world.graph(BRANCHED, "keyring: file:keys\npassphrase: file:pass")
        world.graph(BRANCHED, "keyring: file:keys\npassphrase: file:wrong", "wrong.yaml")
        world.write("in.jsonl", GOOD)
        yield world


def test_a_wrong_passphrase_is_exit_1_and_no_output(sealed):
    done = sealed.run("run", "--once", "wrong.yaml")
    assert done.returncode == 1
    assert b"passphrase" in done.stderr
    assert done.stdout == b""
    assert not [name for name in ("out.jsonl", "vault.sqlite") if sealed.path(name).exists()]
    assert sealed.run("run", "--once", "graph.yaml").returncode == 0
    identity = str(canary_id(sealed))
    wrong = sealed.run("retrieve", "--store", "vault.sqlite", "--keyring", "file:keys", "--passphrase", "file:wrong", identity)
    assert (wrong.returncode, wrong.stdout) == (1, b"")
    for command in (("list",), ("rotate", "healthcare")):
        done = sealed.run("keys", *command, "--keyring", "file:keys", "--passphrase", "file:wrong")
        assert (done.returncode, done.stdout) == (1, b"")
    right = sealed.run("retrieve", "--config", "graph.yaml", identity)
    assert (right.returncode, right.stdout) == (0, sealed.path("out.jsonl").read_bytes())


def canary_id(world):
    return oracle.uuid.UUID(bytes=oracle.rows(world.path("vault.sqlite"))[0][0])


@pytest.mark.parametrize("reference, word", [("file:nosuch", b"nosuch"), ("env:DV_NO_SUCH", b"DV_NO_SUCH"), (None, b"passphrase")])
def test_no_passphrase_is_told(reference, word, sealed):
    settings = "keyring: file:keys" + (f"\npassphrase: {reference}" if reference else "")
    sealed.graph(BRANCHED, settings, "none.yaml")
    done = sealed.run("run", "--once", "none.yaml")
    assert done.returncode in (1, 3)
    assert word in done.stderr, done.stderr
    assert not sealed.path("out.jsonl").exists()


def test_a_passphrase_itself_is_refused_and_not_shown(sealed, secret):
    word = secret.word("passphrase")
    sealed.graph(BRANCHED, f"keyring: file:keys\npassphrase: {word}", "plain.yaml")
    for arguments in (("run", "--once", "plain.yaml"), ("check", "plain.yaml"), ("check", "--json", "plain.yaml")):
        done = sealed.run(*arguments)
        assert done.returncode == 3
        assert secret.find(done.stdout + done.stderr) == []
        assert b"env:" in done.stdout + done.stderr
    done = sealed.run("keys", "list", "--keyring", "file:keys", "--passphrase", word)
    assert done.returncode != 0
    assert secret.find(done.stdout + done.stderr) == []


def test_a_missing_keyring_is_told_with_the_command_that_mends(tmp_path, datavault):
    with World(tmp_path / "n", datavault, keyring=False) as world:
        world.graph(BRANCHED)
        world.write("in.jsonl", GOOD)
        done = world.run("run", "--once", "graph.yaml")
        assert done.returncode == 3
        assert b"datavault keys init --keyring file:keys" in done.stderr
        assert not world.path("out.jsonl").exists()
        world.path("pass").touch(0o600)
        world.path("pass").write_text("some words to seal it by")
        world.graph(BRANCHED, "keyring: file:other\npassphrase: file:pass", "other.yaml")
        assert b"keys init --keyring file:other --passphrase file:pass\n" in world.run("run", "--once", "other.yaml").stderr
        mend = done.stderr.decode().split("make one with: datavault ")[1].split()
        assert world.run(*mend).returncode == 0
        assert world.run("run", "--once", "graph.yaml").returncode == 0
