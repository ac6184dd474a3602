#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""test_command_line.py - the commands met with odd arguments and broken streams: exit codes, what they say, what they hide.

shows: DEV-8
"""
import json
import os
import pathlib
import subprocess

import pytest

ROOT = pathlib.Path(__file__).resolve().parents[2]
PRINTING = [["--help"], ["run", "--help"], ["list"], ["list", "--json"], ["docs", "anonymize"], ["docs", "graph"],
            ["docs", "--markdown"], ["schema"], ["version"], ["policy", "list"], ["policy", "explain", "low"], ["graph", "conf/demo.yaml"], ["check", "conf/demo.yaml"],
            ["generate", "--count", "20"]]
NAMES = [" ".join(words) for words in PRINTING]
SECRET = "s3cr3t-of-the-environment"


@pytest.mark.parametrize("words", PRINTING, ids=NAMES)
def test_a_full_disk_is_no_success(run, words):
    with open("/dev/full", "wb") as full:
        done = run(*words, stdout=full)
    assert done.returncode == 1
    assert b"standard output" in done.stderr


@pytest.mark.parametrize("words", PRINTING, ids=NAMES)
def test_a_closed_output_is_no_success(datavault, words):
    command = 'exec "$0" "$@" >&-'
    done = subprocess.run(["sh", "-c", command, datavault, *words], stderr=subprocess.PIPE, check=False, timeout=60,
                          cwd=ROOT)
    assert done.returncode == 1


def test_a_closed_output_is_not_taken_by_a_file(datavault, keyring, tmp_path):
    """The next file to be opened would get the number of standard output, and the proof would be written into it."""
    state = tmp_path / "state"
    config = tmp_path / "x.yaml"
    for part in ("schemas", "policies"):
        os.symlink(ROOT / "conf" / part, tmp_path / part)
    config.write_text(f"name: t\nkeyring: {keyring}\nstate: {state}\ngraph:\n"
                      "  a: { op: source, from: generate, schema: healthcare, count: 10 }\n"
                      "  b: { op: anonymize, after: a, policy: hipaa-safe-harbor }\n"
                      "  c: { op: encrypt, after: b, key: healthcare }\n"
                      f"  d: {{ op: sink-store, after: c, path: {tmp_path}/store.sqlite }}\n")
    command = 'exec "$0" "$@" <&- >&-'
    done = subprocess.run(["sh", "-c", command, datavault, "run", "--once", config], stderr=subprocess.PIPE, check=False,
                          timeout=60)
    assert done.returncode == 0, done.stderr.decode()
    assert (tmp_path / "store.sqlite").read_bytes().startswith(b"SQLite format 3")


@pytest.mark.parametrize("words", [["list", "x"], ["version", "x"], ["schema", "x"], ["docs", "anonymize", "x"],
                                   ["docs", "--markdown", "x"], ["generate", "x"], ["graph", "a", "b"], ["run"],
                                   ["check"], ["keys"], ["docs"], ["docs", "nothing-like-it"], ["retrieve"], ["vectors"], ["vectors", "count"], ["vectors", "frob", "conf/embed.yaml"], ["frob"], []])
def test_too_much_or_too_little_is_usage(run, words):
    done = run(*words)
    assert done.returncode == 2
    assert done.stdout == b""
    assert b"help" in done.stderr


@pytest.mark.parametrize("words, named", [(["check", "-xq"], b"'-x'"), (["run", "--quiet", "-xq"], b"'-x'"),
                                          (["graph", "--bogus"], b"'--bogus'"), (["list", "--json=1"], b"'--json=1'"),
                                          (["generate", "--count"], b"'--count' needs a value"), (["check", "-x"], b"'-x'")])
def test_a_wrong_option_is_named_as_it_was_typed(run, words, named):
    done = run(*words)
    assert done.returncode == 2
    assert named in done.stderr


@pytest.mark.parametrize("command", ["run", "check", "graph", "list", "docs", "schema", "generate", "retrieve", "keys",
                                     "vectors", "version"])
def test_help_begins_with_examples(run, command):
    done = run(command, "--help")
    assert done.returncode == 0
    assert done.stdout.startswith(b"examples:\n  datavault " + command.encode())


@pytest.mark.parametrize("path", ["/nonexistent", "/tmp", "/dev/null", "/proc/self/mem"])
def test_a_file_that_is_none_is_a_wrong_configuration(run, path):
    done = run("check", path)
    assert done.returncode == 3
    assert path.encode() in done.stderr


@pytest.mark.parametrize("arguments", ["--json", None])
def test_findings_hide_what_variables_and_secrets_hold(run, tmp_path, arguments):
    config = tmp_path / "x.yaml"
    config.write_text("name: t\nlisten: '${X}'\npassphrase: literal-secret-1\ntoken: '${X}'\ngraph:\n"
                      "  a: { op: '${X}' }\n"
                      "  b: { op: source, from: '${X}', schema: '${X}' }\n"
                      "  c: { op: anonymize, after: '${X}', policy: '${X}', key: literal-secret-2 }\n"
                      "  d: { op: sink-file, after: [a, '${X}'], path: '-', as: '${X}', sync: '${X}' }\n")
    done = run("check", *filter(None, [arguments]), config, env={**os.environ, "X": SECRET})
    assert done.returncode == 3
    told = (done.stdout + done.stderr).decode()
    assert "C016" in told
    assert SECRET not in told
    assert "literal-secret" not in told
    if arguments:
        assert len(json.loads(done.stdout)) >= 5


def test_columns_of_variables_are_hidden_too(run, tmp_path):
    os.symlink(ROOT / "conf" / "schemas", tmp_path / "schemas")
    config = tmp_path / "x.yaml"
    config.write_text("name: t\ngraph:\n  a: { op: source, from: stdin, schema: healthcare }\n"
                      "  b: { op: project, after: a, keep: [note, '${X}'] }\n"
                      "  c: { op: route, after: a, column: '${X}', present: true }\n")
    done = run("check", config, env={**os.environ, "X": SECRET})
    assert done.returncode == 3
    assert b"C020" in done.stderr
    assert SECRET.encode() not in done.stderr


def test_every_line_of_a_proof_is_json(run):
    done = run("check", "--json", "conf/demo.yaml")
    assert done.returncode == 0
    assert all(json.loads(line)["exits"] for line in done.stdout.splitlines())
    assert json.loads(run("schema").stdout)["$schema"]
    assert all(json.loads(line)["op"] for line in run("list", "--json").stdout.splitlines())
    assert json.loads(run("version", "--json").stdout)["name"] == "datavault"


def test_only_a_pipe_does_without_a_keyring(run, tmp_path):
    os.symlink(ROOT / "conf" / "schemas", tmp_path / "schemas")
    config = tmp_path / "x.yaml"
    config.write_text(f"name: t\nstate: '{tmp_path}/state'\ngraph:\n"
                      "  a: { op: source, from: generate, schema: healthcare, count: 3 }\n  b: { op: sink-null, after: a }\n")
    done = run("run", config)
    assert done.returncode == 3
    assert b"keyring:" in done.stderr
    assert b"not kept" in run("check", config).stdout
    assert run("run", "--once", config).returncode == 0
