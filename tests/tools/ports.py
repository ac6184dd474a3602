# SPDX-License-Identifier: Apache-2.0
"""ports.py - loopback ports for servers that may stop and come back while other tests run beside."""
import os
import random
import re
import socket

FIRST, EACH, WORKERS = 10240, 2400, 4
FIRST_PAIR, EACH_PAIR = 20480, 560  # both ports of a pair lie below those that the system gives to connections
GIVEN = {}  # by process and kind: the ports it has not yet been given


def free_port():
    """A port that nobody listens on, nor will before it is used or while its server is down.

    It lies below those that the system gives to connections, each worker of pytest-xdist has a range of its own, and in a
    process none is given twice before all were.
    """
    return next_free(FIRST, EACH, (0,))


def free_port_pair(apart):
    """As free_port(), and the port so far above it is free, too."""
    return next_free(FIRST_PAIR, EACH_PAIR, (0, apart))


def next_free(first, each, offsets):
    worker = int(re.sub(r"\D", "", os.environ.get("PYTEST_XDIST_WORKER", "")) or 0) % WORKERS
    left = GIVEN.setdefault((os.getpid(), first), [])
    for _ in range(each):
        if not left:
            start = first + each * worker
            left += random.SystemRandom().sample(range(start, start + each), each)
        port = left.pop()
        if all(is_free(port + offset) for offset in offsets):
            return port
    raise AssertionError("no port is free")


def is_free(port):
    with socket.socket() as probe:
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
    return True
