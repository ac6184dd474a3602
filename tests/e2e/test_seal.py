#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""test_seal.py - what is sealed comes back byte for byte, to whoever has the keyring; one flipped bit and it does not.

shows: ENC-1 ENC-4 ENC-6 ENC-7 STO-1 ING-2

The exhaustive flips use a release build if there is one (DATAVAULT_FAST): each is a process of its own.
"""
import concurrent.futures
import os
import pathlib
import sqlite3
import sys
import uuid

import pytest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "tools"))
import canary
import oracle
from world import BRANCHED, KEEPING, World, fast_program, memory_folder, program

RECORDS = 40
SAMPLE = int(os.environ.get("DATAVAULT_FLIPS") or 500)
KINDS = {"id": bytes, "tenant": str, "schema": str, "created_at": int, "data_hash": bytes, "key_ref": str,
         "subject_ref": bytes, "nonce": bytes, "ciphertext": bytes}


@pytest.fixture(name="world", scope="module")
def make_world():
    with memory_folder() as folder, World(folder / "w", program()) as world:
        world.graph(BRANCHED)
        ledger = oracle.Ledger(world.path("in.jsonl"))
        ledger.issue(RECORDS)
        done = world.run("run", "--once", "graph.yaml")
        assert done.returncode == 0, done.stderr
        yield world


def identities(world, store="vault.sqlite"):
    return [row[0] for row in oracle.rows(world.path(store))]


def text(identity):
    return str(uuid.UUID(bytes=identity))


def retrieve_all(world, names, **options):
    with concurrent.futures.ThreadPoolExecutor(2) as pool:
        return list(pool.map(lambda name: world.retrieve(text(name), **options), names))


# ---- round trip ----

def test_every_stored_record_comes_back_byte_for_byte(world):
    found = retrieve_all(world, identities(world))
    assert len(found) == RECORDS
    assert b"".join(found) == world.path("out.jsonl").read_bytes()


def test_contents_are_what_an_oracle_makes_of_the_input(tmp_path):
    with World(tmp_path / "w") as other:
        other.graph(KEEPING)
        ledger = oracle.Ledger(other.path("in.jsonl"))
        ledger.issue(RECORDS)
        assert other.run("run", "--once", "graph.yaml").returncode == 0
        assert oracle.compare(ledger, other.path("vault.sqlite")) == ([], [], [])
        assert oracle.compare_contents(ledger, other.path("vault.sqlite"), other.retrieve) == []


def test_the_table_is_as_required_and_holds_no_plaintext(world):
    with sqlite3.connect(world.path("vault.sqlite")) as base:
        columns = {row[1]: row[2] for row in base.execute("PRAGMA table_info(encrypted_blobs)")}
        assert columns == {"id": "BLOB", "tenant": "TEXT", "schema": "TEXT", "created_at": "INTEGER", "data_hash": "BLOB",
                           "key_ref": "TEXT", "subject_ref": "BLOB", "nonce": "BLOB", "ciphertext": "BLOB"}
        row = base.execute("SELECT length(id), length(data_hash), key_ref, length(nonce), created_at FROM encrypted_blobs").fetchone()
        nonces = base.execute("SELECT count(DISTINCT nonce) FROM encrypted_blobs").fetchone()[0]
    assert row[:2] == (16, 32) and row[2].startswith("default/healthcare/") and row[3] == 12 and row[4] > 1.7e12
    assert nonces == RECORDS
    stored = world.path("vault.sqlite").read_bytes()
    for word in (b"Diagnosis", b"cough", b"Stable", b"Rest", b"patient_id"):
        assert word not in stored


def test_json_holds_the_record_and_what_is_known_of_it(world):
    identity = text(identities(world)[0])
    done = world.run("retrieve", "--store", "vault.sqlite", "--keyring", "file:keys", "--json", identity)
    answer = oracle.json.loads(done.stdout)
    assert (answer["id"], answer["tenant"], answer["schema"]) == (identity, "default", "healthcare")
    assert oracle.to_json(answer["record"]).encode() + b"\n" == world.retrieve(identity)


@pytest.mark.parametrize("arguments, code, words", [
    (["00000000-0000-8000-8000-000000000000"], 1, b"no record with this id"),
    (["not-an-id"], 2, b"an id looks like"), ([], 2, b"which ID"),
    (["0' OR '1'='1"], 2, b"an id looks like"), (["A" * 5000], 2, b"an id looks like")])
def test_ids_that_are_none(arguments, code, words, world):
    done = world.run("retrieve", "--store", "vault.sqlite", "--keyring", "file:keys", *arguments)
    assert (done.returncode, done.stdout) == (code, b"")
    assert words in done.stderr


def test_a_store_that_is_not_there_is_not_made(world):
    done = world.run("retrieve", "--store", "nosuch.sqlite", "--keyring", "file:keys", text(identities(world)[0]))
    assert (done.returncode != 0, done.stdout) == (True, b"")
    assert b"nosuch.sqlite" in done.stderr
    assert not world.path("nosuch.sqlite").exists(), "reading must not make a store"


# ---- a flipped bit ----

def read_row(world, identity):
    """{column: bytes} of a stored record; the time as 8 bytes."""
    with sqlite3.connect(world.path("vault.sqlite")) as base:
        row = base.execute(f"SELECT {', '.join(KINDS)} FROM encrypted_blobs WHERE id=?", (identity,)).fetchone()
    return {name: value.to_bytes(8, "big") if kind is int else value.encode() if kind is str else value
            for (name, kind), value in zip(KINDS.items(), row)}


def flipped(row, name, bit):
    changed = dict(row)
    altered = bytearray(row[name])
    altered[bit // 8] ^= 1 << bit % 8
    changed[name] = bytes(altered)
    return changed


def put(world, row, store):
    """A store with this one record, whatever is in it."""
    path = world.path(store)
    path.unlink(missing_ok=True)
    with sqlite3.connect(path) as base:
        base.execute(oracle.CREATE)
        base.execute("PRAGMA application_id=1146508114")
        base.execute("PRAGMA user_version=1")
        values = [int.from_bytes(row[name], "big", signed=True) if kind is int else row[name] for name, kind in KINDS.items()]
        marks = ", ".join("CAST(? AS TEXT)" if kind is str else "?" for kind in KINDS.values())
        base.execute(f"INSERT INTO encrypted_blobs VALUES({marks})", values)
    base.close()
    return path


def try_flip(world, row, name, bit):
    """None if the altered record was refused as it should be; else what was wrong."""
    changed = flipped(row, name, bit)
    store = f"flip.{name}.{bit}.sqlite"
    path = put(world, changed, store)
    done = world.run("retrieve", "--store", store, "--keyring", "file:keys", text(changed["id"]))
    for left in world.at.glob(store + "*"):
        left.unlink()
    if (done.returncode, done.stdout) == (1, b"") and b"altered" in done.stderr:
        return None
    if (done.returncode, done.stdout) == (1, b"") and name in ("key_ref", "tenant") and b"key" in done.stderr:
        return None
    return f"{name} bit {bit} of {path.name}: exit {done.returncode}, {done.stdout[:60]}, {done.stderr[-300:]}"


def flip_all(world, row, flips):
    with concurrent.futures.ThreadPoolExecutor(2) as pool:
        wrong = [answer for answer in pool.map(lambda flip: try_flip(world, row, *flip), flips) if answer]
    print(f"{len(flips)} bits flipped, {len(flips) - len(wrong)} refused")
    return wrong


def bits_of(row):
    return [(name, bit) for name, value in row.items() for bit in range(8 * len(value))]


def test_the_unaltered_copy_opens(world):
    """What the flips are compared with: a record put into a store by hand is accepted as it was."""
    identity = identities(world)[0]
    put(world, read_row(world, identity), "copy.sqlite")
    assert world.retrieve(text(identity), "copy.sqlite") == world.retrieve(text(identity))


def test_any_flipped_bit_is_refused(world, draw):
    """A sample over all columns of several records, by the program under test."""
    for identity in draw.sample(identities(world), 4):
        row = read_row(world, identity)
        by_column = [(name, draw.randrange(8 * len(row[name]))) for name in row for _ in range(2)]
        flips = sorted({*by_column, *draw.sample(bits_of(row), SAMPLE // 4 - len(by_column))})
        assert flip_all(world, row, flips) == []


def test_every_bit_of_a_small_record(world):
    """Exhaustive: each bit of each column of one blob."""
    with memory_folder() as folder, World(folder / "w", fast_program()) as small:
        small.graph(BRANCHED)
        small.write("in.jsonl", {"patient_id": "p", "diagnosis": "x"})
        assert small.run("run", "--once", "graph.yaml").returncode == 0
        row = read_row(small, identities(small)[0])
        flips = bits_of(row)
        if os.path.samefile(fast_program(), world.binary):
            flips = flips[::4]  # no release build: a process of the sanitized one takes too long
        assert flip_all(small, row, flips) == []


def test_columns_of_another_record_are_refused(world):
    first, second = (read_row(world, identity) for identity in identities(world)[:2])
    for name in KINDS:
        if first[name] == second[name]:
            continue
        changed = {**first, name: second[name]}
        put(world, changed, "swap.sqlite")
        done = world.run("retrieve", "--store", "swap.sqlite", "--keyring", "file:keys", text(changed["id"]))
        assert (done.returncode, done.stdout) == (1, b""), name


@pytest.mark.parametrize("name", [name for name, kind in KINDS.items() if kind is not int and name != "id"])
def test_columns_that_are_cut_or_empty_or_longer_are_refused(name, world):
    row = read_row(world, identities(world)[0])
    for value in (b"", row[name][:-1], row[name][1:], row[name] + b"0", row[name] * 2, b"\0" * len(row[name])):
        put(world, {**row, name: value}, "cut.sqlite")
        done = world.run("retrieve", "--store", "cut.sqlite", "--keyring", "file:keys", text(row["id"]))
        assert (done.returncode, done.stdout) == (1, b""), (name, len(value), done.stderr)


# ---- keys ----

def test_after_a_rotation_old_and_new_records_open(tmp_path):
    with World(tmp_path / "w") as world:
        world.graph(BRANCHED)
        ledger = oracle.Ledger(world.path("in.jsonl"))
        for _ in range(3):
            ledger.issue(4)
            assert world.run("run", "--once", "graph.yaml").returncode == 0
            done = world.run("keys", "rotate", "--keyring", "file:keys", "healthcare")
            assert done.returncode == 0, done.stderr
        assert b"".join(retrieve_all(world, identities(world))) == world.path("out.jsonl").read_bytes()
        assert len({row[0] for row in oracle.rows(world.path("vault.sqlite"), "key_ref")}) == 3
        listed = world.run("keys", "list", "--keyring", "file:keys", "--json").stdout
        versions = [oracle.json.loads(line) for line in listed.splitlines()]
        healthcare = [key for key in versions if key["name"] == "healthcare"]
        assert sorted(key["version"] for key in healthcare) == [1, 2, 3, 4]
        assert [key["active"] for key in sorted(healthcare, key=lambda key: key["version"])] == [False, False, False, True]


def test_another_keyring_is_refused(world):
    assert world.run("keys", "init", "--keyring", "file:others", "healthcare", "finance").returncode == 0
    for identity in identities(world)[:3]:
        done = world.run("retrieve", "--store", "vault.sqlite", "--keyring", "file:others", text(identity))
        assert (done.returncode, done.stdout) == (1, b"")
        assert b"key" in done.stderr


def test_another_tenant_cannot_open(world, tmp_path):
    """The same keyring, the same dataset, another tenant's name in the row."""
    row = read_row(world, identities(world)[0])
    put(world, {**row, "tenant": b"others"}, "tenant.sqlite")
    done = world.run("retrieve", "--store", "tenant.sqlite", "--keyring", "file:keys", text(row["id"]))
    assert (done.returncode, done.stdout) == (1, b"")


def mutations(data, draw, count):
    for _ in range(count):
        kind = draw.randrange(3)
        altered = bytearray(data)
        if kind == 0:
            altered[draw.randrange(len(data))] ^= 1 << draw.randrange(8)
        elif kind == 1:
            altered = altered[:draw.randrange(len(data))]
        else:
            altered += draw.randbytes(draw.randrange(1, 40))
        yield bytes(altered)


@pytest.mark.parametrize("name", ["keyring.dv", "machine.key"])
def test_a_damaged_keyring_is_refused_and_left_as_it_is(name, world, draw):
    path = world.path(f"keys/{name}")
    sound = path.read_bytes()
    identity = text(identities(world)[0])
    secrets = canary.Canaries(1)
    secrets.add("machine key", world.path("keys/machine.key").read_bytes())
    try:
        for altered in mutations(sound, draw, 30):
            path.write_bytes(altered)
            done = world.run("retrieve", "--store", "vault.sqlite", "--keyring", "file:keys", identity)
            assert (done.returncode, done.stdout) == (1, b""), done.stderr
            assert b"Sanitizer" not in done.stderr and secrets.find(done.stderr) == []
            assert path.read_bytes() == altered
    finally:
        path.write_bytes(sound)
    assert world.run("retrieve", "--store", "vault.sqlite", "--keyring", "file:keys", identity).returncode == 0
