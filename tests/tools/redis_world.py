#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""redis_world.py - a graph from Redis streams to a store, what is added to the streams, and what came of it."""
import collections
import re

import oracle
from world import events, wait_for

SOURCE = '{ op: source, from: redis, url: "redis://127.0.0.1:%d", stream: s, consumer: me, schema: healthcare%s }'
CHAIN = """  in: %s
  anon: { op: anonymize, after: in, policy: ledger-keeping }
  seal: { op: encrypt, after: anon, key: healthcare }
  store: { op: sink-store, after: seal, path: vault.sqlite }
"""
SETTINGS = 'keyring: file:keys\nlisten: "127.0.0.1:%d"'


def graph(world, port, more="", settings="keyring: file:keys"):
    return world.graph(CHAIN % (SOURCE % (port, more)), settings)


def patient(number):
    return {"patient_id": f"P{number:07}", "age": number % 90, "diagnosis": f"Diagnosis {number % 7}"}


def add(client, numbers, stream="s"):
    """The entries' ids, in order."""
    answers = []
    for at in range(0, len(numbers), 500):
        answers += client.pipeline([["XADD", stream, "*", "data", oracle.to_json(patient(number))] for number in numbers[at:at + 500]])
    assert all(isinstance(answer, bytes) for answer in answers), answers[:3]
    return [answer.decode() for answer in answers]


def stored(world):
    """How often each entry, by (ms, low bits of seq), is in the store."""
    if not world.path("vault.sqlite").exists():
        return collections.Counter()
    try:
        rows = oracle.rows(world.path("vault.sqlite"))
    except oracle.sqlite3.OperationalError:
        return collections.Counter() # the table is being made
    return collections.Counter((int.from_bytes(row[0][:6], "big"), int.from_bytes(row[0][6:8], "big") & 0xfff) for row in rows)


def wanted(ids):
    return collections.Counter(tuple(map(int, one.split("-"))) for one in ids)


def wait_stored(world, ids, seconds=30):
    expected = wanted(ids)
    wait_for(lambda: sum(stored(world).values()) >= sum(expected.values()), seconds)
    found = stored(world)
    assert found == expected, (f"lost {list((expected - found).items())[:5]}, twice or foreign "
                               f"{list((found - expected).items())[:5]} of {len(expected)}")


def pending(client, stream="s"):
    return client("XPENDING", stream, "datavault")[0]


def log_of(process):
    return process.log.read_text()


def trimmed(process):
    return [event["lost"] for event in events(process.log.read_bytes()) if event["event"] == "source.trimmed"]


def censuses(client):
    """How often the program has asked what the groups were given."""
    found = re.search(r"cmdstat_xinfo\|groups:calls=(\d+)", client("INFO", "commandstats").decode())
    return int(found[1]) if found else 0


def await_census(client):
    """What is there now has been counted."""
    before = censuses(client)
    assert wait_for(lambda: censuses(client) > before, 30)


def told_for_good(world, lost):
    """Whether it is on the disk that so many are told of."""
    return any(f"\noffset {lost}\n" in path.read_text() for path in world.path("state/t").glob("in.*.checkpoint"))


def refused(world, name, code, text, env=None):
    done = world.run("run", name, env=env, timeout=20)
    assert done.returncode == code, done.stderr
    assert text in done.stderr.decode(), done.stderr
    return done.stderr.decode()
