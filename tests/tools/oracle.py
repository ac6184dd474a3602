#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""oracle.py - a ledger of what was issued, kept outside the program, and its comparison with what was stored.

The ledger writes the records itself, so it knows at which byte each one begins; that offset is the first six bytes of
the record's id. It works out what the policy `ledger` makes of a record on its own, so that a stored record can be
compared byte for byte with what must be in it. Blobs of the dead-letter file are put into a store, where
`datavault retrieve` opens them like any other.
"""
import collections
import hashlib
import json
import sqlite3
import uuid

POLICY = """name: ledger
fields:
  patient_id: { pseudonym: { domain: patient } }
  name: drop
  ssn: { mask: { style: ssn, keep: 4 } }
  email: drop
  phone: drop
  age: { generalize: { to: age-band, width: 10, top: 90 } }
  visit_date: { generalize: { to: year } }
  diagnosis: keep
  treatment_plan: keep
  symptoms: keep
  vitals: keep
  outcome: keep
  note: drop
"""
# For graphs with no exit but a store: with the patient in it, a record can be told by its content.
KEEPING = POLICY.replace("name: ledger", "name: ledger-keeping").replace(
    "{ pseudonym: { domain: patient } }", "keep")
COLUMNS = ("patient_id", "ssn", "age", "diagnosis", "treatment_plan", "visit_date", "symptoms", "vitals", "outcome")


Verdict = collections.namedtuple("Verdict", "lost twice foreign")


def to_json(value):
    return json.dumps(value, separators=(",", ":"), ensure_ascii=False)


def anonymised(record):
    """The bytes that the policy `ledger-keeping` makes of a record."""
    out = {name: record[name] for name in COLUMNS if name in record}
    if "ssn" in out:
        out["ssn"] = "***-**-" + out["ssn"][-4:]
    if "age" in out:
        low = out["age"] // 10 * 10
        out["age"] = "90+" if low >= 90 else f"{low}-{low + 9}"
    if "visit_date" in out:
        out["visit_date"] = out["visit_date"][:4]
    return to_json(out).encode()


def digest(data):
    return hashlib.sha256(data).hexdigest()


def invent(n):
    """The n-th record: without secrets, and every one is another."""
    return {"patient_id": f"P{n:08}", "name": f"Person {n}", "ssn": f"{100 + n % 800}-{10 + n % 89}-{n % 9000 + 1000}",
            "email": f"p{n}@mail.example", "phone": "206-555-0100", "age": n % 100, "diagnosis": f"Diagnosis {n % 7}",
            "treatment_plan": "Rest", "visit_date": f"20{10 + n % 15}-05-{10 + n % 18}", "symptoms": ["cough", {"days": n}],
            "vitals": {"pulse": 60 + n % 40}, "outcome": "Stable", "note": f"Number {n}."}


class Ledger:
    """What was issued: offset → sha256 of what must be stored. `path` is written by nobody else."""

    def __init__(self, path):
        self.path = path
        self.issued = {}
        self.end = 0
        self.number = 0
        self.fields = {}  # of every record, in the place of what is invented
        open(path, "wb").close()

    def invent(self):
        self.number += 1
        return {**invent(self.number), **self.fields}

    def write(self, line):
        """Appends a line that is no record."""
        with open(self.path, "ab") as file:
            file.write(line)
        self.end += len(line)

    def issue(self, count=1):
        lines = []
        for _ in range(count):
            record = self.invent()
            line = to_json(record).encode() + b"\n"
            self.issued[self.end] = digest(anonymised(record))
            self.end += len(line)
            lines.append(line)
        with open(self.path, "ab") as file:
            file.writelines(lines)


def entry_of(identity):
    """The Redis entry that an id was made from: its milliseconds and the low twelve bits of its number."""
    return int.from_bytes(identity[:6], "big"), int.from_bytes(identity[6:8], "big") & 0xfff


class StreamLedger:
    """What was added to a Redis stream: entry → sha256 of what must be stored. A server that is killed may forget what it
    took: recall() asks it, and what it forgot need not be stored any more."""

    def __init__(self, stream="s"):
        self.stream = stream
        self.issued, self.forgotten = {}, {}
        self.number = 0
        self.fields = {}  # as a ledger's

    def add(self, client, payloads):
        """The entries of these payloads."""
        answers = []
        for at in range(0, len(payloads), 500):
            answers += client.pipeline([["XADD", self.stream, "*", "data", payload] for payload in payloads[at:at + 500]])
        assert all(isinstance(answer, bytes) for answer in answers), answers[:3]
        return [tuple(map(int, answer.split(b"-"))) for answer in answers]

    def issue(self, client, count=1):
        records = [{**invent(self.number + 1 + n), **self.fields} for n in range(count)]
        self.number += count
        entries = self.add(client, [to_json(record) for record in records])
        self.issued.update(zip(entries, (digest(anonymised(record)) for record in records)))
        return entries

    def recall(self, client):
        there = {tuple(map(int, entry[0].split(b"-"))) for entry in client("XRANGE", self.stream, "-", "+")}
        for entry in set(self.issued) - there:
            self.forgotten[entry] = self.issued.pop(entry)

    def compare(self, identities):
        """Verdict on the ids of a store, each as often as it is there."""
        times = collections.Counter(map(entry_of, identities))
        return Verdict(sorted(set(self.issued) - set(times)), sorted(at for at in times if times[at] > 1),
                       sorted(set(times) - set(self.issued) - set(self.forgotten)))


def rows(store, what="id"):
    with sqlite3.connect(f"file:{store}?mode=ro", uri=True, timeout=10) as base:
        return base.execute(f"SELECT {what} FROM encrypted_blobs ORDER BY id").fetchall()


def offset_of(identity):
    return int.from_bytes(identity[:6], "big")


def compare(ledger, store):
    """The ledger against the store, by SQL: offsets that are not there, there more than once, or that nobody issued."""
    times = collections.Counter(offset_of(row[0]) for row in rows(store))
    return Verdict(sorted(set(ledger.issued) - set(times)), sorted(at for at in times if times[at] > 1),
                   sorted(set(times) - set(ledger.issued)))


def compare_contents(ledger, store, retrieve, identities=None):
    """Opens stored records by `retrieve(id text) -> bytes` and compares their sha256: the offsets that differ."""
    wrong = []
    for identity in identities or [row[0] for row in rows(store)]:
        plain = retrieve(str(uuid.UUID(bytes=identity)))
        if digest(plain.rstrip(b"\n")) != ledger.issued.get(offset_of(identity)):
            wrong.append(offset_of(identity))
    return wrong


# ---- blobs on the wire: a msgpack array of ten ----

def take(data, at):
    """The element at `at`, and where the next one begins."""
    kind = data[at]
    if kind <= 0x7f:
        return kind, at + 1
    if 0xa0 <= kind <= 0xbf:
        return data[at + 1:at + 1 + kind - 0xa0].decode(), at + 1 + kind - 0xa0
    if kind == 0xcf:
        return int.from_bytes(data[at + 1:at + 9], "big"), at + 9
    width = {0xc4: 1, 0xd9: 1, 0xc5: 2, 0xc6: 4}[kind]
    length = int.from_bytes(data[at + 1:at + 1 + width], "big")
    body = data[at + 1 + width:at + 1 + width + length]
    assert len(body) == length
    return body.decode() if kind == 0xd9 else body, at + 1 + width + length


NAMES = ("version", "id", "tenant", "schema", "created_at", "data_hash", "key_ref", "subject_ref", "nonce", "ciphertext")


def blobs(path):
    """The blobs of a msgpack file, as dicts."""
    with open(path, "rb") as file:
        data = file.read()
    at, found = 0, []
    while at < len(data):
        assert data[at] == 0x9a, f"no blob at byte {at}"
        at, values = at + 1, []
        for _ in NAMES:
            value, at = take(data, at)
            values.append(value)
        found.append(dict(zip(NAMES, values)))
    return found


CREATE = """CREATE TABLE encrypted_blobs(id BLOB NOT NULL PRIMARY KEY CHECK(length(id)=16), tenant TEXT NOT NULL,
 schema TEXT NOT NULL, created_at INTEGER NOT NULL, data_hash BLOB NOT NULL, key_ref TEXT NOT NULL, subject_ref BLOB,
 nonce BLOB NOT NULL, ciphertext BLOB NOT NULL) STRICT, WITHOUT ROWID"""


def store_of(found, path):
    """A store with these blobs, for `datavault retrieve`."""
    with sqlite3.connect(path) as base:
        base.execute(CREATE)
        base.execute("PRAGMA application_id=1146508114")
        base.execute("PRAGMA user_version=1")
        for blob in found:
            values = [blob[name] for name in NAMES[1:]]
            values[6] = values[6] or None  # no subject is NULL in a store
            base.execute("INSERT INTO encrypted_blobs VALUES(?,?,?,?,?,?,?,?,?)", values)
    base.close()
    return path
