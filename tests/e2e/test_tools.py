#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""test_tools.py - the tests' own instruments: the canary scanner finds every encoding and nothing else, the oracle notices
a lost, a doubled and an altered record. An instrument that cannot fail shows nothing.

shows: DEV-8
"""
import base64
import json
import pathlib
import sqlite3
import sys
import urllib.parse

import pytest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "tools"))
import canary
import oracle

ENCODERS = {
    "raw": lambda s: s, "hex": lambda s: s.hex().encode(), "HEX": lambda s: s.hex().upper().encode(),
    "base64": base64.b64encode, "base64 by one": lambda s: base64.b64encode(b"a" + s),
    "base64 by two": lambda s: base64.b64encode(b"ab" + s + b"cd"),
    "urlsafe": lambda s: base64.urlsafe_b64encode(b"?" + s), "utf-16-le": lambda s: s.decode().encode("utf-16-le"),
    "utf-16-be": lambda s: s.decode().encode("utf-16-be"),
    "percent": lambda s: b"".join(b"%%%02X" % byte for byte in s), "url": lambda s: urllib.parse.quote(s).encode(),
    "json": lambda s: json.dumps(s.decode()).encode(), "escaped": lambda s: b"".join(b"\\u%04x" % byte for byte in s),
    "a part": lambda s: s[1:11],
}


@pytest.mark.parametrize("encode", ENCODERS.values(), ids=ENCODERS)
def test_every_encoding_is_found(encode, draw):
    canaries = canary.Canaries(draw.random())
    secrets = [canaries.word("word"), canaries.digits("ssn", "###-##-####"), canaries.email("mail")]
    for secret in secrets:
        haystack = draw.randbytes(500) + encode(secret.encode()) + draw.randbytes(500)
        if encode is ENCODERS["utf-16-le"] or encode is ENCODERS["utf-16-be"]:
            haystack = b"x" * 500 + encode(secret.encode()) + b"y" * 500
        assert canaries.find(haystack), secret


def test_nothing_is_found_where_nothing_is(draw):
    canaries = canary.Canaries(draw.random())
    for _ in range(100):
        canaries.healthcare()
        canaries.finance()
    other = canary.Canaries(draw.random())
    clean = [json.dumps([other.healthcare(), other.finance()]).encode() for _ in range(5)]
    clean += [draw.randbytes(200_000), base64.b64encode(draw.randbytes(200_000)), base64.b32encode(draw.randbytes(100_000)).lower(),
              draw.randbytes(100_000).hex().encode(), b"".join(b"%d," % (1795369947642 + n) for n in range(10_000))]
    for text in clean:
        assert canaries.find(text.replace(canary.DOMAIN.encode(), b"")) == []


def test_what_a_mask_leaves_is_no_find_and_one_more_half_is(draw):
    canaries = canary.Canaries(draw.random())
    ssn, card = canaries.digits("ssn", "###-##-####"), canaries.digits("card", "4### #### #### ####")
    assert canaries.find(f"***-**-{ssn[-4:]} **** {card[-4:]}".encode()) == []
    assert canaries.find(f"*{ssn[1:]}".encode()) == ["ssn in raw"]


def test_numbers_count_as_a_whole(draw):
    canaries = canary.Canaries(draw.random())
    record = canaries.finance()
    amount = repr(record["amount"]).encode()
    assert canaries.find(amount) == ["amount in raw"]
    assert canaries.find(amount[:-1]) == []


def test_labels_and_files(tmp_path, draw):
    canaries = canary.Canaries(draw.random())
    name = canaries.word("name")
    (tmp_path / "sub").mkdir()
    (tmp_path / "sub" / "a").write_text(name)
    assert canaries.find_in(tmp_path) == {str(tmp_path / "sub" / "a"): ["name in raw"]}
    assert canaries.find_in(tmp_path, but=[tmp_path / "sub" / "a"]) == {}
    assert canaries.find(name.encode(), labels={"ssn"}) == []


def put(store, blobs):
    store.unlink(missing_ok=True)
    oracle.store_of(blobs, store)


def blob_at(offset, tail=0):
    return {"id": offset.to_bytes(6, "big") + b"\x80\0" + bytes([0x80]) + bytes(6) + bytes([tail]), "tenant": "t",
            "schema": "s", "created_at": 1, "data_hash": b"h", "key_ref": "k", "subject_ref": b"", "nonce": b"n",
            "ciphertext": b"c"}


def test_the_oracle_notices_loss_doubles_and_strangers(tmp_path):
    ledger = oracle.Ledger(tmp_path / "in.jsonl")
    ledger.issue(3)
    offsets = list(ledger.issued)
    store = tmp_path / "store.sqlite"
    put(store, [blob_at(at) for at in offsets])
    assert oracle.compare(ledger, store) == ([], [], [])
    put(store, [blob_at(offsets[0]), blob_at(offsets[2]), blob_at(offsets[2], 1), blob_at(7)])
    assert oracle.compare(ledger, store) == ([offsets[1]], [offsets[2]], [7])


def test_the_oracle_notices_another_content(tmp_path):
    ledger = oracle.Ledger(tmp_path / "in.jsonl")
    ledger.issue(2)
    store = tmp_path / "store.sqlite"
    put(store, [blob_at(at) for at in ledger.issued])
    with open(ledger.path, "rb") as file:
        right = {at: oracle.anonymised(json.loads(line)) for at, line in zip(ledger.issued, file)}

    def retrieve(identity):
        return right[oracle.offset_of(oracle.uuid.UUID(identity).bytes)] + b"\n"

    assert oracle.compare_contents(ledger, store, retrieve) == []
    altered = list(ledger.issued)[1]
    right[altered] = right[altered].replace(b"Rest", b"Resh")
    assert oracle.compare_contents(ledger, store, retrieve) == [altered]
    with sqlite3.connect(store) as base:
        assert base.execute("SELECT count(*) FROM encrypted_blobs").fetchone() == (2,)
