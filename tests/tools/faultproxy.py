#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""faultproxy.py - stands between a client and its server and does to the bytes what networks do.

  proxy = FaultProxy(server_port)        every connection passes unharmed
  proxy.plan = lambda number: Plan(...)  what happens to connection `number`, asked when it is opened
  proxy.fault = "black-hole"             for all at once, until it is None again: nothing passes, nothing is closed
  proxy.refuse = True                    new connections are reset
  proxy.keep_back = b"..."               a piece to the server that ends like this is passed on without its end, until it
                                         is None again
  proxy.held                             so many bytes to the server came into the black hole
"""
import contextlib
import dataclasses
import socket
import struct
import threading
import time

CHUNK = 16384


@dataclasses.dataclass
class Plan:
    """Of one connection. `at` counts the bytes of the direction: "up" to the server, "down" to the client."""
    direction: str = "down"
    at: int = -1             # truncate there; -1: never
    how: str = "reset"       # then: reset | close | half-close | half-open | black-hole; or corrupt: flip a bit and go on
    delay: float = 0.0       # of each piece, both ways
    rate: int = 0            # bytes a second, both ways; 0: all


class Link:
    """One connection and its two directions."""

    def __init__(self, proxy, client, server, plan):
        self.proxy, self.client, self.server, self.plan = proxy, client, server, plan
        self.passed = {"up": 0, "down": 0}
        self.deaf = False  # half-open: the server is gone, and the client does not hear of it
        self.over = threading.Event()
        for direction, source, sink in (("up", client, server), ("down", server, client)):
            threading.Thread(target=self.pump, args=(direction, source, sink), daemon=True).start()

    def pump(self, direction, source, sink):
        with contextlib.suppress(OSError):
            while not self.over.is_set():
                data = source.recv(CHUNK)
                if not data:
                    break
                self.hold(direction, len(data))
                if self.deaf:
                    continue
                end = self.proxy.keep_back if direction == "up" else None
                kept = len(end) if end and data.endswith(end) else 0
                if not self.forward(direction, sink, data[:len(data) - kept]):
                    return
                while kept and self.proxy.keep_back and not self.over.is_set():
                    time.sleep(0.01)
                if kept and not self.forward(direction, sink, end):
                    return
            if self.deaf and direction == "down":
                return
            if not self.over.is_set():
                sink.shutdown(socket.SHUT_WR)
            return
        if not self.deaf:
            self.end("reset")
        elif direction == "up":
            self.end("close")

    def hold(self, direction, length):
        if direction == "up" and self.proxy.fault == "black-hole":
            with self.proxy.lock:
                self.proxy.held += length
        while self.proxy.fault == "black-hole" and not self.over.is_set():
            time.sleep(0.01)

    def forward(self, direction, sink, data):
        """Passes data on; false if the plan ended the connection."""
        plan = self.plan
        if plan.delay:
            time.sleep(plan.delay)
        if plan.how == "corrupt":
            data = self.corrupt(direction, data)
        cut = len(data) + 1 if plan.how == "corrupt" else self.distance(direction, len(data))
        part = data[:max(cut, 0)]
        for at in range(0, len(part), 1024 if plan.rate else CHUNK):
            piece = part[at:at + (1024 if plan.rate else CHUNK)]
            sink.sendall(piece)
            self.passed[direction] += len(piece)
            if plan.rate:
                time.sleep(len(piece) / plan.rate)
        if cut > len(data):
            return True
        self.proxy.count_cut()
        self.end(plan.how, sink)
        return False

    def distance(self, direction, length):
        """From the first of `length` bytes to the place of the plan; beyond the last if it is not in this direction."""
        plan = self.plan
        return plan.at - self.passed[direction] if plan.direction == direction and plan.at >= 0 else length + 1

    def corrupt(self, direction, data):
        at = self.distance(direction, len(data))
        if not 0 <= at < len(data):
            return data
        self.proxy.count_cut()
        return data[:at] + bytes([data[at] ^ 0x80]) + data[at + 1:]

    def end(self, how, sink=None):
        if how == "half-open":
            self.deaf = True
            with contextlib.suppress(OSError):  # it may have ended by itself
                self.server.shutdown(socket.SHUT_RDWR)
            return
        if how == "half-close":
            with contextlib.suppress(OSError):  # it may have ended by itself
                sink.shutdown(socket.SHUT_WR)
            return
        if how == "black-hole":
            self.over.wait()
        self.over.set()
        for side in (self.client, self.server):
            with contextlib.suppress(OSError):
                if how == "reset":
                    side.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
                # Wakes the other thread, without which close() would not reach the network.
                side.shutdown(socket.SHUT_RD if how == "reset" else socket.SHUT_RDWR)
        for side in (self.client, self.server):
            side.close()


class FaultProxy:
    """Listens on `port` of the loopback until close()."""

    def __init__(self, server_port):
        self.server_port = server_port
        self.plan = lambda number: Plan()
        self.fault = None
        self.refuse = False
        self.keep_back = None
        self.cuts = self.opened = self.held = 0
        self.links, self.lock = [], threading.Lock()  # of what many threads count and change
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.port = self.listener.getsockname()[1]
        threading.Thread(target=self.accept, daemon=True).start()

    def accept(self):
        while True:
            try:
                client, _ = self.listener.accept()
            except OSError:
                return
            try:
                assert not self.refuse
                server = socket.create_connection(("127.0.0.1", self.server_port), 5)
                server.settimeout(None)
            except (OSError, AssertionError):
                client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
                client.close()
                continue
            for side in (client, server):
                side.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            with self.lock:  # nobody cuts or heals the others between the plan and the link
                number = self.opened + 1
                self.links.append(Link(self, client, server, self.plan(number)))
                self.opened = number  # now it can be cut: who waits for it may do so at once

    def count_cut(self):
        with self.lock:
            self.cuts += 1

    def cut_all(self, how="reset"):
        """Ends every connection there is."""
        with self.lock:
            links, self.links = self.links, []
        for link in links:
            link.end(how, link.client)

    def heal(self):
        """Whatever was planned, for connections that are there as well."""
        with self.lock:
            self.plan = lambda number: Plan()
            for link in self.links:
                link.plan = Plan()
        self.fault, self.refuse = None, False

    def close(self):
        self.listener.close()
        self.fault = self.keep_back = None
        self.cut_all()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()
