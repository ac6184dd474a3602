#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""test_grpc_floods.py - clients that mean harm are cut off, while another one goes on: frames by hand, as no library sends them.

shows: ING-1 BCP-8 GW-7
"""
import contextlib
import pathlib
import socket
import struct
import sys
import threading
import time

import psutil
import pytest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "tools"))
from grpc_client import (ACK, CONTINUATION, DATA, END_HEADERS, END_STREAM, GOAWAY, HEADERS, PING, PRIORITY, RST_STREAM, SETTINGS, WINDOW_UPDATE,
                         Client, Frames, datavault, frame, head, message)
from world import World, free_port, wait_for

GRAPH = """  in: { op: source, from: grpc, listen: "127.0.0.1:%d", schema: healthcare, max_connections: 20, stall_timeout: 2s }
  out: { op: sink-null, after: in }
"""
ENHANCE_YOUR_CALM, CANCEL = 11, struct.pack(">I", 8)
RECORD = b'{"patient_id":"P1","diagnosis":"x"}'
PAIRS = 20000


@pytest.fixture(name="world")
def make_world(tmp_path, datavault):
    with World(tmp_path / "w", datavault) as made:
        made.port = free_port()
        made.graph(GRAPH % made.port)
        made.process = made.start("run", "graph.yaml")

        def listens():
            with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", made.port), 1):
                return True
            return False
        assert wait_for(listens, 60)
        yield made


@contextlib.contextmanager
def bystander(port):
    """A client that must be served all the while."""
    stop, failed, served = threading.Event(), [], []

    def work():
        with Client(port) as client:
            while not stop.is_set():
                try:
                    served.append(client.ingest(datavault.IngestRequest(payload=RECORD), timeout=20).id)
                except Exception as error: # whatever it is, it fails the test
                    failed.append(error)
                    return
    thread = threading.Thread(target=work)
    thread.start()
    assert wait_for(lambda: served or failed, 60)
    yield served
    stop.set()
    thread.join(30)
    assert not failed, failed[0]


def resets(stream):
    return frame(HEADERS, END_HEADERS, stream, head()) + frame(RST_STREAM, 0, stream, CANCEL)


def server_resets(stream):
    """The server is made to reset it: its window overflows."""
    return frame(HEADERS, END_HEADERS, stream, head()) + frame(WINDOW_UPDATE, 0, stream, b"\x7f\xff\xff\xff")


FLOODS = {
    "resets": resets,
    "resets by the server": server_resets,
    "pings": lambda stream: frame(PING, 0, 0, b"12345678"),
    "settings": lambda stream: frame(SETTINGS, 0, 0),
    "priorities": lambda stream: frame(PRIORITY, 0, stream + 2, b"\0\0\0\0\1"),
}


def send_until_cut(client, one):
    with contextlib.suppress(OSError):
        for number in range(PAIRS):
            client.send(one(1 + 2 * number))


@pytest.mark.parametrize("name", FLOODS)
def test_a_flood_is_cut(world, name):
    """Who floods may not read why: what he had sent and nobody reads any more makes the end a reset, which can overtake the GOAWAY."""
    with bystander(world.port) as served, Frames(world.port) as client:
        before = len(served)
        reader = []
        thread = threading.Thread(target=lambda: reader.append(client.until(GOAWAY)))
        thread.start()
        send_until_cut(client, FLOODS[name])
        thread.join(60)
        assert not thread.is_alive() and wait_for(lambda: "grpc.flood" in world.process.log.read_text(), 20), "the flood was taken in whole"
        if reader[0] is not None:
            assert int.from_bytes(reader[0][3][4:8], "big") == ENHANCE_YOUR_CALM
        assert wait_for(lambda: len(served) > before + 5, 20)


def test_empty_data_is_work_too(world):
    with bystander(world.port), Frames(world.port) as client:
        client.send(frame(HEADERS, END_HEADERS, 1, head("/datavault.v1.Ingest/IngestStream")))
        with contextlib.suppress(OSError):
            for _ in range(PAIRS):
                client.send(frame(DATA, 0, 1))
        assert (got := client.until(GOAWAY)) is None or int.from_bytes(got[3][4:8], "big") == ENHANCE_YOUR_CALM


def test_a_head_without_end_is_cut(world):
    with bystander(world.port), Frames(world.port) as client:
        client.send(frame(HEADERS, 0, 1, head()))
        before = psutil.Process(world.process.pid).memory_info().rss
        sent = 0
        with contextlib.suppress(OSError):
            for sent in range(PAIRS):
                client.send(frame(CONTINUATION, 0, 1, b"\0\1a\1b" * 1000))
        assert sent < PAIRS - 1
        assert psutil.Process(world.process.pid).memory_info().rss - before < 64 << 20


def test_who_does_not_read_is_reset(world):
    """A window of nothing, so that the answer cannot be sent."""
    with bystander(world.port), Frames(world.port, struct.pack(">HI", 4, 0)) as client:
        client.send(frame(SETTINGS, ACK, 0), frame(HEADERS, END_HEADERS, 1, head()), frame(DATA, END_STREAM, 1, message(RECORD)))
        begun = time.monotonic()
        assert client.until(RST_STREAM, 1) is not None
        assert 1 < time.monotonic() - begun < 8


def test_connections_have_an_end(world):
    assert wait_for(lambda: all(one.status == "LISTEN" for one in psutil.Process(world.process.pid).connections("tcp")), 20)
    with contextlib.ExitStack() as stack:
        clients = [stack.enter_context(Frames(world.port)) for _ in range(20)]
        assert all(client.until(SETTINGS) for client in clients)
        try:
            more = stack.enter_context(Frames(world.port))
            assert more.until(SETTINGS) is None
        except OSError:
            pass # closed before the greeting was out
        clients[0].send(frame(HEADERS, END_HEADERS, 1, head()), frame(DATA, END_STREAM, 1, message(RECORD)))
        assert clients[0].until(DATA, 1) is not None


def test_garbage_is_hung_up_on(world):
    with bystander(world.port):
        for text in (b"GET / HTTP/1.1\r\nHost: x\r\n\r\n", b"\x16\x03\x01\x02\x00" * 10, b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + b"\xff" * 100):
            with socket.create_connection(("127.0.0.1", world.port), 10) as client:
                client.sendall(text)
                client.settimeout(20)
                with contextlib.suppress(ConnectionError):  # a reset is an end, too
                    while client.recv(4096):
                        pass
