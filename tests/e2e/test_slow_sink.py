#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""test_slow_sink.py - PostgreSQL answers at a hundredth of its speed: the program holds no more than `datavault check` said,
its loop is never late, and when the sink is itself again everything arrives, once.

DATAVAULT_SLOW_S=N keeps it slow for N seconds.

shows: BCP-2 BCP-8 ING-6 STO-2 DEV-2 R16 R18
"""
import os
import pathlib
import re
import sys
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "tools"))
from delivery_world import make_redis, make_server, make_world
from faultproxy import FaultProxy, Plan
from pg_world import needs_server, stored
from world import end, get, wait_for

pytestmark = needs_server
__all__ = ["make_redis", "make_server", "make_world"]  # fixtures, by their names

SLOW_S = int(os.environ.get("DATAVAULT_SLOW_S", "20"))
LAG_MAX_S = 0.010


def bound_mib(world):
    """What `check` says that records in flight can take."""
    done = world.run("check", "graph.yaml", env=world.env)
    assert done.returncode == 0, done.stderr
    return float(re.search(rb"take at most \d+ batches, ([\d.]+) MiB", done.stdout)[1])


def rss_mib(process):
    text = pathlib.Path(f"/proc/{process.pid}/status").read_text()
    return int(re.search(r"VmRSS:\s+(\d+) kB", text)[1]) / 1024


def lag(world):
    """The loop's lag so far: {upper bound in seconds: how many}."""
    buckets = world.metric("datavault_loop_lag_seconds_bucket")
    return {float(label.split('"')[1].replace("+Inf", "inf")): count for label, count in buckets.items()}


def lag_p99(before, after):
    """The bucket in which the 99th hundredth of what was counted between lies."""
    counts = {bound: after[bound] - before.get(bound, 0) for bound in after}
    total = counts[float("inf")]
    return min(bound for bound, count in counts.items() if count >= 0.99 * total), total


def sent(world):
    return sum(link.passed["up"] for link in world.proxy.links)


def started_at_full_speed(world):
    """Starts it with a backlog: (process, bytes a second through the proxy while nothing is in the way)."""
    world.ledger.issue(world.redis.client(), 40000)
    process = world.go()
    assert wait_for(lambda: sent(world) > 500000, 20, 0.002), process.log.read_text()
    start, before = time.monotonic(), sent(world)
    assert wait_for(lambda: stored(world.pg) == len(world.ledger.issued), 60, 0.01), process.log.read_text()
    rate = (sent(world) - before) / (time.monotonic() - start)
    world.ready(process)
    return process, rate


def slow_down(world, rate):
    world.proxy.plan = lambda _number: Plan(rate=rate)
    for link in world.proxy.links:
        link.plan.rate = rate


def test_a_sink_at_a_hundredth_of_its_speed(world, tell):
    with FaultProxy(world.pg.port) as world.proxy:
        world.env["PG_URL"] = world.pg.url(port=world.proxy.port)
        bound = bound_mib(world)
        process, rate = started_at_full_speed(world)
        slow_down(world, max(1000, int(rate / 100 / 2)))  # each of the two connections
        before, most, seen, begun = lag(world), rss_mib(process), [], time.monotonic()
        while time.monotonic() < begun + SLOW_S:
            if len(world.ledger.issued) < 400000:
                world.ledger.issue(world.redis.client(), 2000)
            time.sleep(0.1)
            most = max(most, rss_mib(process))
            seen.append(stored(world.pg))
        assert get(world.port, "/livez")[0] == 200
        crawled = seen[-1] - seen[0]
        late, ticks = lag_p99(before, lag(world))
        slow_down(world, 0)
        healed = time.monotonic()
        assert wait_for(lambda: stored(world.pg) > seen[-1] + 3000, 30)
        back = time.monotonic() - healed
        world.settle(120)
        most = max(most, rss_mib(process))
        assert end(process)[0] == 0, process.log.read_text()
    world.check()
    tell(f"slow sink: {SLOW_S} s at a hundredth of {rate / 1e6:.1f} MB/s, {crawled} records meanwhile; RSS at most {most:.0f} MiB of {bound:.0f} MiB"
         f" that check said; loop lag p99 <= {1000 * late:.3g} ms of {ticks:.0f} ticks; at full speed again after {back:.1f} s")
    assert most <= 1.1 * bound
    assert late <= LAG_MAX_S
    assert back <= 10
    assert crawled > 0, "it must go on, slowly"
