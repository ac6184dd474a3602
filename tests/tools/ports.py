# SPDX-License-Identifier: Apache-2.0
"""ports.py - loopback ports for servers that may stop and come back while other tests run beside."""
import os
import random
import re
import socket

FIRST, EACH, WORKERS = 10240, 2400, 4
GIVEN = {}  # by process: the ports it has not yet been given


def free_port():
    """A port that nobody listens on, nor will before it is used or while its server is down.

    It lies below those that the system gives to connections, each worker of pytest-xdist has a range of its own, and in a
    process none is given twice before all were.
    """
    worker = int(re.sub(r"\D", "", os.environ.get("PYTEST_XDIST_WORKER", "")) or 0) % WORKERS
    left = GIVEN.setdefault(os.getpid(), [])
    for _ in range(EACH):
        if not left:
            start = FIRST + EACH * worker
            left += random.SystemRandom().sample(range(start, start + EACH), EACH)
        port = left.pop()
        with socket.socket() as probe:
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                continue
            return port
    raise AssertionError("no port is free")
