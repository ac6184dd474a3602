#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""test_random_streams.py - random accepted graphs with a live stream, run with their server: the bytes of /v1/events,
/v1/graph and /metrics hold no planted secret, and something is shown.

shows: MIS-6 PRV-15 ANO-6
"""
import copy
import http.client
import os
import pathlib
import random
import sys
import threading
import time

import pytest

sys.path[:0] = [str(pathlib.Path(__file__).resolve().parent), str(pathlib.Path(__file__).resolve().parents[1] / "tools")]
import graphs
import model
from test_random_graphs import Bench, seed_of_run
from world import end, fast_program, free_port, get, wait_for

COUNT = int(os.environ.get("DATAVAULT_STREAMS") or 8)


def with_stream(bench, number):
    """The graph of a number if it is accepted and has a live stream of records from a file; its sources wait for more."""
    nodes = graphs.Maker(random.Random(f"graph/{number}"), bench.policies).make()
    streams = any(node["op"] == "sink-sse" for node in nodes.values())
    read = [node for node in nodes.values() if node["op"] == "source" and node["from"] != "generate"]
    if not streams or not read or model.verdict(nodes, bench.policies)[0] != 0:
        return None
    nodes = copy.deepcopy(nodes)
    for node in nodes.values():
        if node["op"] == "aggregate":
            node["window"] = "200ms"
        if node["op"] == "source" and node["from"] == "stdin":
            node.update({"from": "file", "path": f"{node['schema']}.jsonl"})
        if node["op"] == "source" and node["from"] == "file":
            node.update(follow=True, checkpoint=False)
    return nodes


def listen(port, seconds):
    """What the live stream sends in that time."""
    taken = []
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=seconds)

    def read():
        try:
            connection.request("GET", "/v1/events", headers={"Last-Event-ID": "0"})
            answer = connection.getresponse()
            while part := answer.read1():
                taken.append(part)
        except OSError:
            pass
    thread = threading.Thread(target=read, daemon=True)
    thread.start()
    return taken, thread


def show(bench, nodes):
    """(bytes of the stream, bytes of the pages)."""
    bench.clear()
    port = free_port()
    text = graphs.graph_text(nodes).replace("graph:\n", f"listen: 127.0.0.1:{port}\ngraph:\n", 1)
    bench.world.path("graph.yaml").write_text(text)
    process = bench.world.start("run", "graph.yaml")
    assert wait_for(lambda: get(port, "/livez")[0] == 200 or process.poll() is not None, 10)
    assert process.poll() is None, process.log.read_text()
    taken, thread = listen(port, 10)
    wait_for(lambda: b'"rows"' in b"".join(taken), 2.5, 0.1)
    time.sleep(0.4)
    pages = b"".join(get(port, path)[1] for path in ("/v1/graph", "/metrics", "/readyz", "/"))
    end(process)
    thread.join(5)
    return b"".join(taken), pages + process.log.read_bytes()


@pytest.mark.skipif(not os.access(fast_program(), os.X_OK), reason="no program: set DATAVAULT_FAST or DATAVAULT")
def test_live_streams_of_random_graphs_hold_no_secret():
    seed, shown, tried = seed_of_run(), 0, 0
    bench = Bench(seed)
    try:
        for number in range(seed, seed + 100 * COUNT):
            nodes = with_stream(bench, number)
            if nodes is None:
                continue
            stream, rest = show(bench, nodes)
            found = bench.canaries.find(stream) + bench.canaries.find(rest)
            allowed = {f"{column} in" for column in declassified(nodes)}
            found = [hit for hit in found if not any(hit.startswith(start) for start in allowed)]
            assert found == [], f"seed {seed}, graph {number}: {found}\n{graphs.graph_text(nodes)}"
            shown += b'"rows"' in stream
            tried += 1
            if tried == COUNT:
                break
    finally:
        bench.close()
    print(f"seed {seed}: {tried} graphs, {shown} showed rows")
    assert (tried, shown > 0) == (COUNT, True), "no stream showed anything"


def declassified(nodes):
    return {column for node in nodes.values() if node["op"] == "declassify" for column in node["columns"]}
