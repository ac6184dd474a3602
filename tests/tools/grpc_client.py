#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""grpc_client.py - foreign gRPC clients for tests: grpcio with messages by protoc, and HTTP/2 frames by hand.

protoc writes the messages at the beginning of each test run, from the files that the program is built of.
"""
import importlib
import pathlib
import socket
import struct
import subprocess
import sys
import tempfile

import grpc

ROOT = pathlib.Path(__file__).resolve().parents[2]
PROTOS = ("datavault/v1/datavault.proto", "grpc/health/v1/health.proto", "grpc/reflection/v1/reflection.proto",
          "grpc/reflection/v1alpha/reflection.proto")
FOLDER = tempfile.TemporaryDirectory(prefix="datavault-protos-")


def load(path):
    """The messages of a .proto file. They are written flat, since `grpc` is grpcio's own package."""
    name = path.replace("/", "_").replace(".proto", "")
    flat = pathlib.Path(FOLDER.name) / f"{name}.proto"
    flat.write_bytes((ROOT / "proto" / path).read_bytes())
    subprocess.run(["protoc", f"--proto_path={FOLDER.name}", f"--python_out={FOLDER.name}", flat.name], check=True, timeout=60)
    if FOLDER.name not in sys.path:
        sys.path.insert(0, FOLDER.name)
    return importlib.import_module(f"{name}_pb2")


datavault, health, reflection, _ = map(load, PROTOS)


def method(channel, kind, path, request, reply):
    return getattr(channel, kind)(path, request_serializer=request.SerializeToString, response_deserializer=reply.FromString)


class Client:
    """A channel and what can be called on it."""

    def __init__(self, port, credentials=None, options=(), host="localhost"):
        target, options = f"{host}:{port}", (("grpc.enable_retries", 0), *options)
        self.channel = grpc.secure_channel(target, credentials, options) if credentials else grpc.insecure_channel(target, options)
        ingest, named = "/datavault.v1.Ingest/", "/grpc.health.v1.Health/"
        self.ingest = method(self.channel, "unary_unary", ingest + "Ingest", datavault.IngestRequest, datavault.IngestReply)
        self.stream = method(self.channel, "stream_unary", ingest + "IngestStream", datavault.IngestRequest, datavault.IngestSummary)
        self.acks = method(self.channel, "stream_stream", ingest + "IngestAcks", datavault.IngestRequest, datavault.IngestAck)
        self.retrieve = method(self.channel, "unary_unary", "/datavault.v1.Retrieve/Retrieve", datavault.RetrieveRequest, datavault.RetrieveReply)
        self.check = method(self.channel, "unary_unary", named + "Check", health.HealthCheckRequest, health.HealthCheckResponse)
        self.watch = method(self.channel, "unary_stream", named + "Watch", health.HealthCheckRequest, health.HealthCheckResponse)

    def reflect(self, version, *questions, **more):
        call = method(self.channel, "stream_stream", f"/grpc.reflection.{version}.ServerReflection/ServerReflectionInfo",
                      reflection.ServerReflectionRequest, reflection.ServerReflectionResponse)
        return list(call(iter(questions), timeout=20, **more))

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.channel.close()


def code_of(call, *arguments, **more):
    """The status of a call: (code, details)."""
    try:
        call(*arguments, **{"timeout": 20, **more})
    except grpc.RpcError as error:
        return error.code(), error.details()
    return grpc.StatusCode.OK, ""


def make_authority(folder):
    """ca.pem, and cert.pem with key.pem for `localhost`, server and client, that it signs."""
    folder.mkdir()

    def openssl(*arguments):
        subprocess.run(["openssl", *arguments], check=True, cwd=folder, capture_output=True, timeout=60)
    key = ("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes")
    openssl("req", "-x509", *key, "-days", "2", "-subj", "/CN=authority", "-keyout", "ca.key", "-out", "ca.pem")
    openssl("req", *key, "-subj", "/CN=localhost", "-keyout", "key.pem", "-out", "request.pem")
    (folder / "names").write_text("subjectAltName=DNS:localhost\n")
    openssl("x509", "-req", "-in", "request.pem", "-CA", "ca.pem", "-CAkey", "ca.key", "-CAcreateserial", "-days", "2", "-extfile", "names", "-out", "cert.pem")
    return folder


DATA, HEADERS, PRIORITY, RST_STREAM, SETTINGS, PUSH, PING, GOAWAY, WINDOW_UPDATE, CONTINUATION = range(10)
END_STREAM, END_HEADERS, ACK = 1, 4, 1


class Frames:
    """HTTP/2 by hand: what no library would send."""

    def __init__(self, port, settings=b""):
        self.socket = socket.create_connection(("127.0.0.1", port), timeout=20)
        self.socket.sendall(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + frame(SETTINGS, 0, 0, settings))
        self.buffer = b""

    def send(self, *frames):
        self.socket.sendall(b"".join(frames))

    def read(self):
        """(kind, flags, stream, body) of the next frame; None at the end."""
        while True:
            if len(self.buffer) >= 9 and len(self.buffer) >= 9 + int.from_bytes(self.buffer[:3], "big"):
                length = int.from_bytes(self.buffer[:3], "big")
                head, body, self.buffer = self.buffer[:9], self.buffer[9:9 + length], self.buffer[9 + length:]
                return head[3], head[4], int.from_bytes(head[5:9], "big") & 0x7fffffff, body
            try:
                some = self.socket.recv(65536)
            except (ConnectionError, TimeoutError):
                return None
            if not some:
                return None
            self.buffer += some

    def until(self, kind, stream=None):
        """The next frame of a kind; None at the end."""
        while (got := self.read()) is not None:
            if got[0] == kind and stream in (None, got[2]):
                return got
        return None

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.socket.close()


def frame(kind, flags, stream, body=b""):
    return struct.pack(">I", len(body))[1:] + struct.pack(">BBI", kind, flags, stream) + body


def field(name, value):
    """A header field as a literal that is not indexed."""
    def text(of):
        of = of.encode()
        return (bytes([len(of)]) if len(of) < 127 else b"\x7f" + varint(len(of) - 127)) + of
    return b"\x00" + text(name) + text(value)


def varint(number):
    out = b""
    while number >= 128:
        out, number = out + bytes([number & 127 | 128]), number >> 7
    return out + bytes([number])


def head(path="/datavault.v1.Ingest/Ingest", method="POST", kind="application/grpc", **more):
    fields = {":method": method, ":scheme": "http", ":path": path, ":authority": "localhost", "te": "trailers", "content-type": kind}
    fields.update({name.replace("_", "-"): value for name, value in more.items()})
    return b"".join(field(name, value) for name, value in fields.items())


def message(payload, flag=0, length=None):
    """An IngestRequest with a record, framed."""
    body = b"\x0a" + varint(len(payload)) + payload
    return struct.pack(">BI", flag, len(body) if length is None else length) + body
