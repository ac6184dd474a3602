#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""server_world.py - `datavault run` with its HTTP server, for its tests: on loopback, and with TLS and a token.

DATAVAULT names the program; without it the newest build of this tree is taken.
"""
import contextlib
import glob
import http.client
import json
import os
import pathlib
import signal
import socket
import ssl
import subprocess
import threading
import time

import pytest

from ports import free_port

ROOT = pathlib.Path(__file__).resolve().parents[2]
TOKEN = "a-token-of-enough-characters-0123456789"
GRAPH = """
graph:
  visits: { op: source, from: file, path: %(path)s, schema: healthcare, follow: true, checkpoint: false }
  trends: { op: aggregate, after: visits, by: diagnosis, window: 100ms, top: 250 }
  live:   { op: sink-sse, after: trends }
"""


def program():
    if "DATAVAULT" in os.environ:
        return os.environ["DATAVAULT"]
    found = sorted(glob.glob(str(ROOT / "build*/cli/datavault")), key=os.path.getmtime)
    if not found:
        pytest.skip("no build of datavault")
    return found[-1]


class Feeder(threading.Thread):
    """Appends records: every round 250 diagnoses of 5 patients each, so that windows are large."""

    def __init__(self, path):
        super().__init__(daemon=True)
        self.path, self.ending = path, threading.Event()

    def run(self):
        with open(self.path, "a", encoding="utf-8") as out:
            number = 0
            while not self.ending.wait(0.1):
                for number in range(number, number + 1250):
                    record = {"patient_id": "P%d" % (number % 5000), "diagnosis": "diagnosis %0100d" % (number % 250)}
                    out.write(json.dumps(record) + "\n")
                out.flush()


class Server:
    def __init__(self, directory, settings="", listen="127.0.0.1:%d", env=None, nodes=""):
        self.port = free_port()
        self.directory = directory
        self.secure = "tls_cert" in settings
        data = directory / "visits.jsonl"
        data.touch()
        if not (directory / "schemas").exists():
            (directory / "schemas").symlink_to(ROOT / "conf/schemas")
        keys = "file:%s" % (directory / "keys")
        subprocess.run([program(), "keys", "init", "--keyring", keys, "healthcare"], check=True, capture_output=True)
        own = "name: e2e\nlisten: '%s'\nkeyring: %s\nstate: %s\n" % (listen % self.port, keys, directory / "state")
        text = own + settings + GRAPH % {"path": data} + nodes
        config = directory / "graph.yaml"
        config.write_text(text)
        self.errors = directory / "errors"
        self.process = subprocess.Popen([program(), "run", str(config)], cwd=directory, stderr=self.errors.open("w"),
                                        stdout=subprocess.DEVNULL, env={**os.environ, **(env or {})})
        self.feeder = Feeder(data)

    def wait(self):
        until = time.monotonic() + 60
        while time.monotonic() < until:
            if self.process.poll() is not None:
                raise AssertionError("ended: " + self.errors.read_text())
            with contextlib.suppress(OSError):
                self.connect().close()
                return self
            time.sleep(0.05)
        raise AssertionError("does not listen")

    def connect(self, receive=None):
        raw = socket.socket()
        if receive:
            raw.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive)
        raw.settimeout(15)
        raw.connect(("127.0.0.1", self.port))
        if not self.secure:
            return raw
        return client_context().wrap_socket(raw, server_hostname="localhost")

    def get(self, path, method="GET", headers=None, body=None):
        kind = http.client.HTTPSConnection if self.secure else http.client.HTTPConnection
        extra = {"context": client_context()} if self.secure else {}
        connection = kind("127.0.0.1", self.port, timeout=15, **extra)
        connection.request(method, path, body=body, headers=headers or {})
        answer = connection.getresponse()
        answer.body = answer.read()
        connection.close()
        return answer

    def raw(self, text):
        with self.connect() as connection:
            connection.sendall(text.encode("latin-1"))
            data = b""
            with contextlib.suppress(ConnectionError):
                while chunk := connection.recv(65536):
                    data += chunk
            return data

    def stop(self):
        if self.feeder.is_alive():
            self.feeder.ending.set()
            self.feeder.join()
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
        try:
            return self.process.wait(30)
        finally:
            self.process.kill()


def client_context():
    context = ssl.create_default_context()
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    return context


@pytest.fixture(name="server", scope="module")
def make_server(tmp_path_factory):
    one = Server(tmp_path_factory.mktemp("plain")).wait()
    one.feeder.start()
    yield one
    assert one.stop() == 0, one.errors.read_text()
    assert "Sanitizer" not in one.errors.read_text()


@pytest.fixture(name="certificate", scope="module")
def make_certificate(tmp_path_factory):
    directory = tmp_path_factory.mktemp("tls")
    subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes",
                    "-subj", "/CN=localhost", "-days", "2", "-keyout", "key.pem", "-out", "cert.pem"],
                   cwd=directory, check=True, capture_output=True)
    (directory / "token").write_text(TOKEN + "\n")
    (directory / "token").chmod(0o600)
    return directory


def settings_of(certificate, tls=True):
    text = "token: file:%s/token\n" % certificate
    return text + ("tls_cert: %s/cert.pem\ntls_key: %s/key.pem\n" % (certificate, certificate) if tls else "")


@pytest.fixture(name="secured", scope="module")
def make_secured(tmp_path_factory, certificate):
    """On every address, with TLS and a token."""
    one = Server(tmp_path_factory.mktemp("secured"), settings_of(certificate), listen="0.0.0.0:%d").wait()
    one.feeder.start()
    yield one
    assert one.stop() == 0, one.errors.read_text()
    assert "Sanitizer" not in one.errors.read_text()
