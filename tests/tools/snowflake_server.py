#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""snowflake_server.py - a small Snowflake over TLS, which verifies who asks and what is sent, loses answers after it has obeyed,
and commits late. Only what our client asks for is there.

  with Tiny(key, context) as server: ... server.url ... server.rows ... server.lose = lambda path: ...
"""
import base64
import gzip
import hashlib
import http.server
import json
import os
import random
import re
import ssl
import subprocess
import threading
import time
import urllib.parse

from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import padding, rsa

PIPE = "/databases/DB/schemas/S/pipes/T-STREAMING"
CHANNEL = "stream 1"
CANARY = "Grünkohl-Käpt'n"  # stands in what the server says, and never in what we do


class Tiny(http.server.ThreadingHTTPServer):
    """One account: both hosts on one port. What goes wrong is asked for by members."""
    daemon_threads = True

    def __init__(self, key, context):
        super().__init__(("127.0.0.1", 0), Handler)
        self.public, self.context = key.public_key(), context
        self.lock = threading.RLock()
        self.rows, self.committed, self.pending = [], None, []  # pending: (when, last offset, rows)
        self.sequence, self.taken = 0, 0
        self.requests, self.refuse, self.date, self.lag = [], [], None, 0.0
        self.lose = lambda path: False  # whether the answer to a request that was obeyed gets lost
        self.executed = {}
        self.random = random.Random(os.environ.get("DATAVAULT_SEED"))

    @property
    def url(self):
        return f"https://localhost:{self.server_address[1]}"

    def get_request(self):
        socket, address = super().get_request()
        socket.settimeout(20)
        return self.context.wrap_socket(socket, server_side=True, do_handshake_on_connect=False), address

    def handle_error(self, request, client_address):
        pass  # clients are killed here

    def __enter__(self):
        threading.Thread(target=self.serve_forever, daemon=True).start()
        return self

    def __exit__(self, *_):
        self.shutdown()
        self.server_close()

    def commit(self):
        with self.lock:
            while self.pending and self.pending[0][0] <= time.monotonic():
                _, self.committed, rows = self.pending.pop(0)
                self.rows += rows

    def state(self):
        self.commit()
        return {"channel_status_code": "SUCCESS", "last_committed_offset_token": self.committed, "rows_error_count": 0}

    def token(self):
        return f"{self.sequence}_{self.taken}"

    def check_jwt(self, token):
        head, claims, signature = token.split(".")
        decode = lambda part: base64.urlsafe_b64decode(part + "=" * (-len(part) % 4))
        self.public.verify(decode(signature), f"{head}.{claims}".encode(), padding.PKCS1v15(), hashes.SHA256())
        der = self.public.public_bytes(serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo)
        print_ = base64.b64encode(hashlib.sha256(der).digest()).decode()
        said = json.loads(decode(claims))
        assert json.loads(decode(head))["alg"] == "RS256" and said["sub"] == "ORG-ACC.LOADER" and said["iss"] == f"ORG-ACC.LOADER.SHA256:{print_}"
        assert abs(said["iat"] - time.time()) < 60 and 0 < said["exp"] - said["iat"] <= 3600


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def log_message(self, *_):
        pass

    def date_time_string(self, timestamp=None):
        return super().date_time_string(self.server.date if self.server.date else timestamp)

    def answer(self, status, body, packed=False):
        body = body if isinstance(body, bytes) else json.dumps(body).encode()
        body = gzip.compress(body) if packed else body
        if self.server.lose(self.path):
            self.close_connection = True
            self.connection.close()
            return
        self.send_response(status)
        if packed:
            self.send_header("Content-Encoding", "gzip")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def serve(self):
        server = self.server
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        path, _, query = self.path.partition("?")
        words = dict(urllib.parse.parse_qsl(query))
        server.requests.append((self.command, self.path, dict(self.headers), body))
        kind, bearer = self.headers["X-Snowflake-Authorization-Token-Type"], self.headers["Authorization"].removeprefix("Bearer ")
        assert self.headers["Accept"] == "application/json" and self.headers["User-Agent"].startswith("datavault/")
        if server.refuse and re.search(server.refuse[0][0], self.path):
            _, status, said = server.refuse.pop(0)
            return self.answer(status, said)
        if path.startswith(("/api/", "/v2/streaming/hostname", "/oauth/")):
            assert kind == (None if path.startswith("/oauth/") else "KEYPAIR_JWT")
            server.check_jwt(bearer)
        else:
            assert (kind, bearer) == ("OAUTH", "scoped")
        with server.lock:
            return self.route(path, words, body)

    do_GET = do_POST = do_PUT = do_DELETE = serve

    def route(self, path, words, body):
        server = self.server
        channel = urllib.parse.quote(CHANNEL)
        if path.startswith("/api/"):
            return self.statement(path, words, body)
        if (self.command, path) == ("GET", "/v2/streaming/hostname"):
            return self.answer(200, server.url.removeprefix("https://").encode())
        if (self.command, path) == ("POST", "/oauth/token"):
            assert body.decode() == f"grant_type=urn:ietf:params:oauth:grant-type:jwt-bearer&scope={server.url.removeprefix('https://')}"
            return self.answer(200, {"token": "scoped"})
        if (self.command, path) == ("PUT", f"/v2/streaming{PIPE}/channels/{channel}"):
            server.commit()
            if server.pending and json.loads(body).get("fail_on_uncommitted_rows"):
                return self.answer(409, {"error_code": "ERR_CHANNEL_HAS_UNCOMMITTED_DATA"})
            server.pending.clear()
            server.sequence += 1
            return self.answer(200, {"next_continuation_token": server.token(), "channel_status": server.state()})
        if (self.command, path) == ("POST", f"/v2/streaming/data{PIPE}/channels/{channel}/rows"):
            return self.append(words, body)
        if (self.command, path) == ("POST", f"/v2/streaming{PIPE}:bulk-channel-status"):
            assert json.loads(body) == {"channel_names": [CHANNEL]}
            return self.answer(200, {"channel_statuses": {CHANNEL: server.state()}})
        return self.answer(404, {"code": "ERR_PIPE_DOES_NOT_EXIST_OR_NOT_AUTHORIZED"})

    def append(self, words, body):
        server = self.server
        if words["continuationToken"] != server.token():
            return self.answer(400, {"code": "STALE_CONTINUATION_TOKEN_SEQUENCER"})
        assert self.headers["Content-Type"] == "application/x-ndjson" and self.headers["Content-Encoding"] == "gzip"
        assert len(body) <= 4 * 1024 * 1024
        rows = [json.loads(line) for line in gzip.decompress(body).decode().splitlines()]
        assert int(words["startOffsetToken"]) == rows[0]["N"] and int(words["endOffsetToken"]) == rows[-1]["N"]
        server.taken += 1
        server.pending.append((time.monotonic() + server.random.uniform(0, server.lag), words["endOffsetToken"], rows))
        return self.answer(200, {"next_continuation_token": server.token()})

    def statement(self, path, words, body):
        server = self.server
        if self.command == "GET" and "partition" in words:
            return self.answer(200, {"data": [[words["partition"], None]]}, packed=True)
        if self.command == "GET":
            return self.answer(200, {"code": "090001", "resultSetMetaData": {"numRows": 3, "rowType": [{}, {}], "partitionInfo": [{}, {}, {}]},
                                     "statementHandle": "h-1", "data": [["0", "ä"]]})
        ask = json.loads(body)
        assert ask["database"] == "DB" and uuid_like(words["requestId"])
        if not (words.get("retry") == "true" and words["requestId"] in server.executed):
            server.executed[words["requestId"]] = server.executed.get(words["requestId"], 0) + 1
        if words.get("async") == "true":
            return self.answer(202, {"code": "333334", "statementHandle": "h-1"})
        if ask["statement"] == "bad":
            return self.answer(422, {"code": "000904", "sqlState": "42000", "message": f"invalid identifier {CANARY}"})
        return self.answer(200, {"code": "090001", "statementHandle": "h-1", "stats": {"numRowsInserted": 1}, "resultSetMetaData": {"rowType": []}})


def uuid_like(text):
    return re.fullmatch(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", text) is not None


def make_place(folder):
    """A user's key, and certificates for the server: (folder, key, TLS context)."""
    key = rsa.generate_private_key(65537, 2048)
    (folder / "key.pem").write_bytes(key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()))
    (folder / "key.pem").chmod(0o600)
    curve = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes"]

    def openssl(*words):
        subprocess.run(["openssl", *words], cwd=folder, check=True, capture_output=True)
    openssl("req", "-x509", *curve, "-keyout", "ca.key", "-out", "ca.pem", "-subj", "/CN=test")
    (folder / "san").write_text("subjectAltName=DNS:localhost\n")
    openssl("req", *curve, "-keyout", "server.key", "-out", "csr.pem", "-subj", "/CN=server")
    openssl("x509", "-req", "-in", "csr.pem", "-CA", "ca.pem", "-CAkey", "ca.key", "-CAcreateserial", "-days", "2", "-extfile", "san", "-out", "server.pem")
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(folder / "server.pem", folder / "server.key")
    return folder, key, context
