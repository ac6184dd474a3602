#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""test_order.py - `order: key`: over a network that cuts, the first copies of a person's records come in their order.

shows: BCP-2 R9
"""
import collections
import json
import pathlib
import sys
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "tools"))
from faultproxy import FaultProxy, Plan
from redis_server import RedisServer
from world import World, end, wait_for

GRAPH = """  in: { op: source, from: file, path: in.jsonl, schema: healthcare, follow: true }
  anon: { op: anonymize, after: in, policy: ledger }
  out: { op: sink-redis, after: anon, url: "redis://127.0.0.1:%d", stream: out, order: key, order_by: patient_id }
"""
COUNT, ROUND, ROUNDS_MAX, PEOPLE = 6000, 500, 120, 2000


def first_copies(client):
    """{person: the numbers of its records, each where it came first}, and how many entries are copies of those."""
    found, entries = collections.defaultdict(dict), client("XRANGE", "out", "-", "+")
    for _, fields in entries:
        record = json.loads(fields[fields.index(b"data") + 1])
        found[record["patient_id"]].setdefault(int(record["diagnosis"][1:]))
    return {person: list(numbers) for person, numbers in found.items()}, len(entries) - sum(map(len, found.values()))


def test_no_record_overtakes_another_of_its_key(tmp_path, datavault, draw):
    with World(tmp_path / "w", datavault) as world, RedisServer(tmp_path / "redis") as redis, FaultProxy(redis.port) as proxy:
        world.write("in.jsonl")
        process = world.start("run", world.graph(GRAPH % proxy.port))
        assert wait_for(lambda: proxy.opened > 0, 30)
        # Answers are cut, so that commands were carried out which the client must send again.
        proxy.plan = lambda _number: Plan(at=draw.randrange(2_000, 20_000), how="reset")
        proxy.cut_all()
        client, written = redis.client(), 0
        while written < COUNT or (first_copies(client)[1] == 0 and written < ROUND * ROUNDS_MAX):
            with open(world.path("in.jsonl"), "a", encoding="utf-8") as out:
                out.writelines(json.dumps({"patient_id": f"P{draw.randrange(PEOPLE)}", "diagnosis": f"d{number}"}) + "\n"
                               for number in range(written, written + ROUND))
            written += ROUND
            time.sleep(0.1)
        proxy.plan = lambda _number: Plan()
        proxy.cut_all()
        assert wait_for(lambda: sum(map(len, first_copies(client)[0].values())) == written, 60, 0.3)
        assert end(process)[0] == 0
        assert first_copies(client)[1] > 0, "nothing was cut"
        wrong = {person: numbers for person, numbers in first_copies(client)[0].items() if numbers != sorted(numbers)}
        assert not wrong, len(wrong)
