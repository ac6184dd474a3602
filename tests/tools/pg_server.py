#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""pg_server.py - a PostgreSQL of the test's own: a new cluster in a new folder, on a free loopback port, ended by its id.

Durable defaults are kept. The superuser `dv` has a scram password over TCP and none on the socket, which is in the
folder. `tls=True` makes an authority (ca.pem) and a certificate for the name `localhost` alone.
"""
import glob
import os
import pathlib
import shutil
import signal
import subprocess
import tempfile
import time

from world import free_port

PASSWORD = "pg7Qx_kPzRtWvHs"
VIEW = ("encode(uuid_send(id), 'hex'), tenant, schema, encode(data_hash, 'hex'), key_ref, encode(subject_ref, 'hex'),"
        " encode(nonce, 'hex'), encode(ciphertext, 'hex')")


def binaries():
    """The folder of the newest server installed, or None."""
    found = sorted(glob.glob("/usr/lib/postgresql/*/bin/initdb"))
    return pathlib.Path(found[-1]).parent if found else None


class PgServer:
    """A cluster; start() and stop() as often as one likes, close() removes it."""

    def __init__(self, tls=False, settings=(), folder=None):
        self.bin = folder or binaries()
        self.at = pathlib.Path(tempfile.mkdtemp(prefix="dv-pg-", dir="/tmp"))
        self.data = self.at / "data"
        self.port = free_port()
        self.process = None
        self.settings = list(settings)
        self.as_user = {}
        if os.geteuid() == 0:  # the server refuses to run as root
            self.as_user = {"user": "postgres", "group": "postgres", "extra_groups": []}
            shutil.chown(self.at, "postgres", "postgres")
        self.at.chmod(0o755)
        self.write("password", PASSWORD)
        self.act("initdb", "-D", self.data, "-U", "dv", "-E", "UTF8", "--locale=C", "--auth-local=trust",
                 "--auth-host=scram-sha-256", f"--pwfile={self.at / 'password'}")
        if tls:
            self.make_certificates()
        self.start()
        self.sql("CREATE DATABASE dv")

    def act(self, name, *arguments):
        subprocess.run([self.bin / name, *map(str, arguments)], check=True, cwd=self.at, stdout=subprocess.DEVNULL,
                       stderr=subprocess.PIPE, env={"PATH": os.environ["PATH"], "TZ": "UTC"}, **self.as_user)

    def write(self, name, text, mode=0o600):
        path = self.at / name
        path.write_text(text)
        path.chmod(mode)
        if self.as_user:
            shutil.chown(path, "postgres", "postgres")
        return path

    def make_certificates(self):
        """ca.pem signs server.pem, which is for `localhost` and no address; other.pem is an authority nobody trusts."""
        def openssl(*arguments):
            subprocess.run(["openssl", *map(str, arguments)], check=True, cwd=self.at, capture_output=True)
        for name in ("ca", "other"):
            openssl("req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "2", "-subj",
                    f"/CN={name}", "-keyout", f"{name}.key", "-out", f"{name}.pem")
        openssl("req", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-subj", "/CN=localhost", "-keyout",
                "server.key", "-out", "server.csr")
        (self.at / "san").write_text("subjectAltName=DNS:localhost\n")
        openssl("x509", "-req", "-in", "server.csr", "-CA", "ca.pem", "-CAkey", "ca.key", "-CAcreateserial", "-days", "2",
                "-extfile", "san", "-out", "server.pem")
        for name in ("server.key", "server.pem"):
            self.write(name, (self.at / name).read_text())
        for name in ("ca.pem", "other.pem"):
            (self.at / name).chmod(0o644)
        self.settings += ["ssl=on", f"ssl_cert_file={self.at / 'server.pem'}", f"ssl_key_file={self.at / 'server.key'}"]

    def start(self):
        command = [self.bin / "postgres", "-D", self.data, "-p", str(self.port), "-k", self.at, "-h", "127.0.0.1"]
        for setting in self.settings:
            command += ["-c", setting]
        with open(self.at / "log", "ab") as log:
            self.process = subprocess.Popen(command, cwd=self.at, stdin=subprocess.DEVNULL, stdout=log, stderr=log,
                                            env={"PATH": os.environ["PATH"], "TZ": "UTC"}, **self.as_user)
        end = time.monotonic() + 60
        while self.psql("SELECT 1", "postgres").returncode != 0:
            assert self.process.poll() is None and time.monotonic() < end, (self.at / "log").read_text()
            time.sleep(0.02)

    def stop(self, how=signal.SIGINT):
        """SIGINT: fast; SIGQUIT: immediate, as a crash."""
        self.process.send_signal(how)
        self.process.wait(60)

    def close(self):
        if self.process is not None and self.process.poll() is None:
            self.stop(signal.SIGQUIT)
        shutil.rmtree(self.at, ignore_errors=True)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def psql(self, sql, database="dv"):
        command = ["psql", "-X", "-q", "-A", "-t", "-F", "\t", "-v", "ON_ERROR_STOP=1", "-h", str(self.at), "-p", str(self.port),
                   "-U", "dv", "-d", database, "-c", sql]
        return subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)

    def sql(self, sql, database=None):
        """The rows of a query, as lists of texts."""
        database = database or ("postgres" if sql.startswith("CREATE DATABASE") else "dv")
        done = self.psql(sql, database)
        assert done.returncode == 0, done.stderr
        return [line.split("\t") for line in done.stdout.splitlines()]

    def ids(self, table="datavault.encrypted_blobs"):
        """The ids stored, as bytes, each as often as it is there."""
        return [bytes.fromhex(row[0]) for row in self.sql(f"SELECT encode(uuid_send(id), 'hex') FROM {table} ORDER BY id")]

    def text(self, table="datavault.encrypted_blobs"):
        """All of a table as it can be seen by SQL, for a search: the values, and the whole rows as text."""
        rows = self.sql(f"SELECT {VIEW}, t::text FROM {table} t")
        raw = b"".join(bytes.fromhex(value) for row in rows for value in (row[3], row[5], row[6], row[7]))
        return raw + "\n".join("\t".join(row) for row in rows).encode()

    def url(self, user="dv", password=PASSWORD, host="127.0.0.1", port=None, database="dv", **options):
        secret = f":{password}" if password else ""
        query = "&".join(f"{key}={value}" for key, value in options.items())
        return f"postgresql://{user}{secret}@{host}:{port or self.port}/{database}" + (f"?{query}" if query else "")
