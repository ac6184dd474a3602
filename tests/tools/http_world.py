#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""http_world.py - a graph whose records come by POST /v1/ingest, and clients that send them."""
import contextlib
import http.client
import json
import pathlib
import socket
import sqlite3
import uuid

from world import World, free_port, get, wait_for

CHAIN = """  in: { op: source, from: http, schema: healthcare%s }
  anon: { op: anonymize, after: in, policy: ledger }
  seal: { op: encrypt, after: anon, key: healthcare }
  store: { op: sink-store, after: seal, path: vault.sqlite }
"""
LINES = {"Content-Type": "application/x-ndjson"}
ONE = {"Content-Type": "application/json"}


class Answer:
    """Status, headers with small names, and the body, from JSON if it is that."""

    def __init__(self, reply):
        self.status = reply.status
        self.headers = {name.lower(): value for name, value in reply.getheaders()}
        self.raw = reply.read()
        self.body = json.loads(self.raw) if "json" in self.headers.get("content-type", "") else self.raw


class HttpWorld(World):
    """A running graph; `options` are the source's, `settings` the graph's."""

    def begin(self, options="", settings="", nodes=CHAIN, host="127.0.0.1", context=None, **how):
        self.port, self.context = free_port(), context
        self.graph(nodes.replace("%s", options), f"keyring: file:keys\nlisten: '{host}:{self.port}'\n{settings}")
        return self.again(**how)

    def again(self, **how):
        process = self.start("run", "graph.yaml", **how)

        def ready():
            assert process.poll() is None, process.log.read_text()
            with contextlib.suppress(OSError):
                return self.post(b"", path="/readyz", method="GET").status == 200
            return False
        assert wait_for(ready, 60), process.log.read_text()
        return process

    def connection(self, timeout=30):
        if self.context is not None:
            return http.client.HTTPSConnection("127.0.0.1", self.port, timeout=timeout, context=self.context)
        return http.client.HTTPConnection("127.0.0.1", self.port, timeout=timeout)

    def post(self, body, headers=LINES, key=None, path="/v1/ingest", method="POST", timeout=30):
        connection = self.connection(timeout)
        try:
            connection.request(method, path, body=body or None, headers={**headers, **({"Idempotency-Key": key} if key else {})})
            return Answer(connection.getresponse())
        finally:
            connection.close()

    def raw(self, data, seconds=15, half_close=False):
        """What comes back for bytes as they are, up to the end of the connection."""
        found = b""
        with socket.create_connection(("127.0.0.1", self.port), seconds) as client:
            with contextlib.suppress(ConnectionError):
                client.sendall(data)
                if half_close:
                    client.shutdown(socket.SHUT_WR)
                while piece := client.recv(65536):
                    found += piece
        return found

    def stored(self):
        """The ids in the store."""
        with contextlib.closing(sqlite3.connect(f"file:{self.path('vault.sqlite')}?mode=ro", uri=True, timeout=10)) as store:
            return [str(uuid.UUID(bytes=row[0])) for row in store.execute("select id from encrypted_blobs")]

    def status(self):
        return get(self.port, "/readyz")[0]

    @contextlib.contextmanager
    def standstill(self):
        """The store is written by somebody else meanwhile, so nothing becomes durable."""
        store = sqlite3.connect(self.path("vault.sqlite"), isolation_level=None, timeout=20)
        store.execute("begin immediate")
        try:
            yield
        finally:
            store.execute("rollback")
            store.close()


def lines(records):
    return b"".join(json.dumps(record).encode() + b"\n" for record in records)


def patients(count, start=0):
    return [{"patient_id": f"P{number}", "name": "Ann Example", "age": number % 90, "diagnosis": "asthma"}
            for number in range(start, start + count)]


def memory_bytes(process, what="VmRSS"):
    with open(f"/proc/{process.pid}/status", encoding="ascii") as status:
        return next(int(line.split()[1]) * 1024 for line in status if line.startswith(what + ":"))


def unread_bytes(port):
    """Of what was sent to a port of the loopback, what its server has not read."""
    rows = (line.split() for line in pathlib.Path("/proc/net/tcp").read_text().splitlines()[1:])
    return sum(int(row[4].split(":")[1], 16) for row in rows if row[1] == f"0100007F:{port:04X}" and row[3] != "0A")


def statuses(data):
    """The status codes of the answers in the bytes of a connection."""
    return [int(part[:3]) for part in data.split(b"HTTP/1.1 ")[1:]]
