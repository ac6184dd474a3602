# SPDX-License-Identifier: Apache-2.0
"""snowflake_caller.py - calls Snowflake's interfaces, or the emulator's, with nothing but what the fact sheets say; what an answer has to look like.

  caller = Caller(snow)                    mints its own JWT
  answer = caller.sql("SELECT 1")          .status .headers .raw .json
  fits({"code": "090001", "data": [[str]]}, answer.json)
"""
import base64
import hashlib
import http.client
import json
import re
import ssl
import time
import urllib.parse
import uuid

from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import padding, rsa

UUID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")


class Optional:
    """A member that may be missing."""

    def __init__(self, shape):
        self.shape = shape


class OneOf:
    """Any of several shapes."""

    def __init__(self, *shapes):
        self.shapes = shapes


def misfit(shape, value, path="answer"):
    """Where a value is not of a shape, or None. Types, literals, patterns; a list of one shape: any number of such; dicts have no other members."""
    if isinstance(shape, Optional):
        return misfit(shape.shape, value, path)
    if isinstance(shape, OneOf):
        return None if any(misfit(one, value) is None for one in shape.shapes) else f"{path} is {value!r}"
    if isinstance(shape, dict) and isinstance(value, dict):
        missing = [name for name in shape if name not in value and not isinstance(shape[name], Optional)]
        if missing or set(value) - set(shape):
            return f"{path}: missing {missing}, unknown {sorted(set(value) - set(shape))}"
        return next(filter(None, (misfit(shape[name], value[name], f"{path}.{name}") for name in value)), None)
    if isinstance(shape, list) and isinstance(value, list):
        return next(filter(None, (misfit(shape[0], item, f"{path}[{at}]") for at, item in enumerate(value))), None)
    if isinstance(shape, type):
        return None if isinstance(value, shape) and not (shape in (int, float) and isinstance(value, bool)) else f"{path} is {value!r}, not {shape.__name__}"
    if isinstance(shape, re.Pattern):
        return None if isinstance(value, str) and shape.fullmatch(value) else f"{path} is {value!r}"
    return None if shape == value and type(shape) is type(value) else f"{path} is {value!r}, not {shape!r}"


def fits(shape, value):
    found = misfit(shape, value)
    assert found is None, found


def b64(data):
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


class Answer:
    def __init__(self, response, raw):
        self.status, self.headers, self.raw = response.status, response.headers, raw

    @property
    def json(self):
        return json.loads(self.raw)

    @property
    def code(self):
        return self.json["code"]


class Caller:
    def __init__(self, snow, **claims):
        self.snow, self.claims = snow, claims
        self.private = serialization.load_pem_private_key(snow.key.read_bytes(), None)
        self.context = ssl.create_default_context(cafile=str(snow.ca)) if snow.ca else None
        self.token, self.kind, self.scoped, self.agent = self.jwt(), "KEYPAIR_JWT", None, "contract/1"

    def jwt(self, key=None, header=None, **claims):
        """A token; a claim that is None is left out, `account` and `user` are for sub and iss."""
        key, claims = key or self.private, {**self.claims, **claims}
        der = key.public_key().public_bytes(serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo)
        subject = f"{claims.pop('account', self.snow.account)}.{claims.pop('user', self.snow.user)}"
        now = int(time.time())
        body = {"iss": f"{subject}.SHA256:{base64.b64encode(hashlib.sha256(der).digest()).decode()}", "sub": subject, "iat": now, "exp": now + 3540, **claims}
        body = {name: value for name, value in body.items() if value is not None}
        text = f"{b64(json.dumps(header or {'alg': 'RS256', 'typ': 'JWT'}).encode())}.{b64(json.dumps(body).encode())}"
        return f"{text}.{b64(key.sign(text.encode(), padding.PKCS1v15(), hashes.SHA256()))}"

    @staticmethod
    def other_key():
        """A key that nobody registered."""
        return rsa.generate_private_key(65537, 2048)

    # ---- one request ----

    def connection(self, port, host=None):
        if self.snow.ca:
            return Connection(host or "127.0.0.1", port, self.context)
        return http.client.HTTPConnection("127.0.0.1", port, timeout=20)

    def call(self, method, path, body=None, headers=None, to="control", drop=()):
        """`drop` names headers that are left out."""
        ingest = to == "ingest"
        sent = {"User-Agent": self.agent, "Accept": "application/json", "Content-Type": "application/json",
                "Authorization": f"Bearer {self.scoped if ingest else self.token}", **({} if ingest else {"X-Snowflake-Authorization-Token-Type": self.kind}),
                **(headers or {})}
        if body is not None and not isinstance(body, bytes):
            body = json.dumps(body).encode()
        port = self.snow.ingest.port if ingest else self.snow.control.port
        connection = self.connection(port, self.snow.ingest_host if ingest else None)
        try:
            connection.putrequest(method, path, skip_host=True, skip_accept_encoding=True)
            for name, value in {"Host": f"{self.snow.ingest_host if ingest else '127.0.0.1'}:{port}", **sent, "Content-Length": str(len(body or b""))}.items():
                if name not in drop:
                    connection.putheader(name, value)
            connection.endheaders(body or b"")
            response = connection.getresponse()
            return Answer(response, response.read())
        finally:
            connection.close()

    # ---- statements ----

    def sql(self, text, *binds, query="", headers=None, drop=(), **more):
        """binds: texts, or (type, text)."""
        body = {"statement": text, "database": "DV", "schema": "PUBLIC", "warehouse": "WH", **more}
        if binds:
            pairs = [bind if isinstance(bind, tuple) else ("TEXT", bind) for bind in binds]
            body["bindings"] = {str(at): {"type": kind, "value": value} for at, (kind, value) in enumerate(pairs, 1)}
        body = {name: value for name, value in body.items() if value is not None}
        return self.call("POST", "/api/v2/statements" + (f"?{query}" if query else ""), body, headers, drop=drop)

    def poll(self, handle, query=""):
        return self.call("GET", f"/api/v2/statements/{handle}" + (f"?{query}" if query else ""))

    # ---- channels ----

    def enter(self):
        """Hostname and scoped token, both shapes read; the underscore becomes a dash."""
        raw = self.call("GET", "/v2/streaming/hostname").raw.decode()
        host = (json.loads(raw)["hostname"] if raw.startswith("{") else raw).replace("_", "-")
        raw = self.oauth(host.rpartition(":")[0]).raw.decode()
        self.scoped = json.loads(raw)["token"] if raw.startswith("{") else raw
        return host

    def oauth(self, host, **form):
        form = {"grant_type": "urn:ietf:params:oauth:grant-type:jwt-bearer", "scope": host, **form}
        return self.call("POST", "/oauth/token", urllib.parse.urlencode(form).encode(), {"Content-Type": "application/x-www-form-urlencoded"},
                         drop=("X-Snowflake-Authorization-Token-Type",))

    @staticmethod
    def pipe(name):
        return f"/databases/DV/schemas/PUBLIC/pipes/{urllib.parse.quote(name)}"

    def open(self, channel="c1", pipe="T-STREAMING", **body):
        return self.call("PUT", f"/v2/streaming{self.pipe(pipe)}/channels/{channel}?requestId={uuid.uuid4()}", body, to="ingest")

    def append(self, token, rows, end=None, channel="c1", pipe="T-STREAMING", headers=None, **query):
        data = rows if isinstance(rows, bytes) else b"".join(json.dumps(row).encode() + b"\n" for row in rows)
        query = {"continuationToken": token, **({"startOffsetToken": end, "endOffsetToken": end} if end else {}), **query}
        return self.call("POST", f"/v2/streaming/data{self.pipe(pipe)}/channels/{channel}/rows?{urllib.parse.urlencode(query)}", data,
                         {"Content-Type": "application/x-ndjson", **(headers or {})}, to="ingest")

    def bulk(self, *names, pipe="T-STREAMING", to="ingest"):
        return self.call("POST", f"/v2/streaming{self.pipe(pipe)}:bulk-channel-status", {"channel_names": names}, to=to)

    def status(self, channel="c1", pipe="T-STREAMING"):
        return self.bulk(channel, pipe=pipe).json["channel_statuses"][channel]


class Connection(http.client.HTTPSConnection):
    """To the loopback, whatever the name; the certificate is checked for the name."""

    def __init__(self, host, port, context):
        super().__init__("127.0.0.1", port, timeout=20, context=context)
        self.name, self.made = host, context

    def connect(self):
        http.client.HTTPConnection.connect(self)
        self.sock = self.made.wrap_socket(self.sock, server_hostname=self.name)


def knobs(snow):
    """What restore() needs to undo what a test turned."""
    def kept(holder):
        return {name: set(value) if isinstance(value, set) else dict(value) if isinstance(value, dict) else value for name, value in vars(holder).items()
                if isinstance(value, (bool, int, float, str, set, dict)) or value is None or callable(value)}
    return [(holder, kept(holder)) for holder in (snow, snow.identity)]


def restore(snow, kept):
    for holder, values in kept:
        for name, value in values.items():
            if name not in ("users", "scoped"):
                setattr(holder, name, value)
    snow.scripts.clear()
