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
COUNT, PEOPLE = 6000, 2000


def first_copies(client):
    """{person: the numbers of its records, each where it came first}, and how many there are."""
    found = collections.defaultdict(dict)
    for _, fields in client("XRANGE", "out", "-", "+"):
        record = json.loads(fields[fields.index(b"data") + 1])
        found[record["patient_id"]].setdefault(int(record["diagnosis"][1:]))
    return {person: list(numbers) for person, numbers in found.items()}


def test_no_record_overtakes_another_of_its_key(tmp_path, datavault, draw):
    with World(tmp_path / "w", datavault) as world, RedisServer(tmp_path / "redis") as redis, FaultProxy(redis.port) as proxy:
        world.write("in.jsonl")
        process = world.start("run", world.graph(GRAPH % proxy.port))
        assert wait_for(lambda: proxy.opened > 0, 10)
        proxy.plan = lambda _number: Plan(direction=draw.choice(["up", "down"]), at=draw.randrange(200, 40_000), how="reset")
        for part in range(0, COUNT, 500):
            with open(world.path("in.jsonl"), "a", encoding="utf-8") as out:
                out.writelines(json.dumps({"patient_id": f"P{draw.randrange(PEOPLE)}", "diagnosis": f"d{number}"}) + "\n"
                               for number in range(part, part + 500))
            proxy.cut_all()
            time.sleep(0.1)
        proxy.plan = lambda _number: Plan()
        proxy.cut_all()
        client = redis.client()
        assert wait_for(lambda: sum(map(len, first_copies(client).values())) == COUNT, 30, 0.3)
        assert end(process)[0] == 0
        assert client("XLEN", "out") > COUNT and proxy.cuts > 0, "nothing was cut"
        wrong = {person: numbers for person, numbers in first_copies(client).items() if numbers != sorted(numbers)}
        assert not wrong, len(wrong)
