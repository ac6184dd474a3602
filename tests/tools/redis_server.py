#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""redis_server.py - a Redis server of a test's own: a free loopback port, a folder, and an end by its process id."""
import pathlib
import shutil
import socket
import subprocess
import time

from ports import free_port


def pack(words):
    """A command as the server reads it."""
    parts = [word if isinstance(word, bytes) else str(word).encode() for word in words]
    return b"*%d\r\n" % len(parts) + b"".join(b"$%d\r\n%s\r\n" % (len(part), part) for part in parts)


class Client:
    """Just enough of a client: commands, pipelines, replies as Python values; an error is an Exception in the answer."""

    def __init__(self, port, context=None, host="127.0.0.1"):
        raw = socket.create_connection((host, port), timeout=30)
        self.socket = context.wrap_socket(raw, server_hostname="localhost") if context else raw
        self.file = self.socket.makefile("rb")

    def read(self):
        line = self.file.readline()
        if not line.endswith(b"\r\n"):
            raise ConnectionError("the server is gone")
        kind, rest = line[:1], line[1:-2]
        if kind == b"-":
            return RuntimeError(rest.decode())
        if kind in b"+:":
            return rest.decode() if kind == b"+" else int(rest)
        if int(rest) < 0:
            return None
        if kind == b"*":
            return [self.read() for _ in range(int(rest))]
        return self.file.read(int(rest) + 2)[:-2]

    def pipeline(self, commands):
        self.socket.sendall(b"".join(map(pack, commands)))
        return [self.read() for _ in commands]

    def __call__(self, *words):
        answer = self.pipeline([words])[0]
        if isinstance(answer, RuntimeError):
            raise answer
        return answer

    def close(self):
        self.file.close()
        self.socket.close()


class RedisServer:
    """start() and stop() may be called again: the port and, with `aof`, the data stay."""

    def __init__(self, folder, *settings, aof=False, tls=None):
        self.at = pathlib.Path(folder)
        self.at.mkdir(parents=True, exist_ok=True)
        self.port = free_port()
        self.tls_port = free_port() if tls else None
        self.settings = list(settings)
        self.aof, self.tls, self.process = aof, tls, None
        self.password = None

    def arguments(self):
        lines = ["--port", self.port, "--bind", "127.0.0.1", "--dir", self.at, "--save", "", "--daemonize", "no",
                 "--appendonly", "yes" if self.aof else "no", "--logfile", self.at / "log"]
        if self.tls:
            lines += ["--tls-port", self.tls_port, "--tls-cert-file", self.tls / "cert.pem", "--tls-key-file",
                      self.tls / "key.pem", "--tls-ca-cert-file", self.tls / "cert.pem", "--tls-auth-clients", "no"]
        return [str(word) for word in lines + self.settings]

    def start(self):
        self.process = subprocess.Popen([shutil.which("redis-server"), *self.arguments()], stdin=subprocess.DEVNULL,
                                        stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        until = time.monotonic() + 60
        while time.monotonic() < until:
            try:
                client = Client(self.port)
                answer = client.pipeline([["PING"]])[0]
                client.close()
                if not str(answer).startswith("LOADING"):
                    return self
            except OSError:
                pass
            assert self.process.poll() is None, (self.at / "log").read_text()
            time.sleep(0.02)
        raise AssertionError("redis-server does not start")

    def stop(self, kill=True):
        if self.process is not None and self.process.poll() is None:
            self.process.kill() if kill else self.process.terminate()
            self.process.wait(20)

    def client(self):
        return Client(self.port)

    def __enter__(self):
        return self.start()

    def __exit__(self, *_):
        self.stop()
