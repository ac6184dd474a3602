#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""test_grpc.py - records by gRPC from clients that are not ours: every status, streams, deadlines, TLS, and the way to the end.

shows: ING-1 ING-2 ING-5 ING-6 ING-11 BCP-2 GW-7
"""
import contextlib
import pathlib
import signal
import socket
import sqlite3
import subprocess
import sys
import tempfile
import threading
import time
import uuid

import grpc
import pytest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "tools"))
import grpc_client
import oracle
from grpc_client import Client, code_of, datavault as messages, health, make_authority, reflection
from world import World, end, free_port, wait_for

TOKEN, OTHER = "0123456789abcdef-token", "fedcba9876543210-other"
CHAIN = """  in: { op: source, from: grpc, listen: "127.0.0.1:%d", schema: healthcare%s }
  anon: { op: anonymize, after: in, policy: ledger-keeping }
  seal: { op: encrypt, after: anon, key: healthcare }
  store: { op: sink-store, after: seal, path: vault.sqlite }
"""
Code = grpc.StatusCode


class Served(World):
    """A world whose program serves gRPC."""

    def __init__(self, folder, binary, more="", settings=""):
        super().__init__(folder, binary)
        self.port = free_port()
        for name, text in (("token", TOKEN), ("other", OTHER)):
            self.path(name).write_text(text + "\n")
            self.path(name).chmod(0o600)
        self.graph(CHAIN % (self.port, more), f"keyring: file:keys\n{settings}")
        self.begin()

    def begin(self):
        self.process = self.start("run", "graph.yaml")
        assert wait_for(self.listens, 60)

    def listens(self):
        assert self.process.poll() is None, "the program has ended"
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", self.port), 1):
            return True
        return False

    def client(self, **more):
        return Client(self.port, **more)

    def ids(self):
        return {str(uuid.UUID(bytes=row[0])) for row in oracle.rows(self.path("vault.sqlite"))}

    @contextlib.contextmanager
    def locked(self):
        """Nothing becomes durable meanwhile."""
        store = sqlite3.connect(self.path("vault.sqlite"), timeout=10, isolation_level=None)
        store.execute("BEGIN EXCLUSIVE")
        try:
            yield
        finally:
            store.execute("ROLLBACK")
            store.close()


@pytest.fixture(name="serve")
def make_serve(tmp_path, datavault):
    with contextlib.ExitStack() as stack:
        yield lambda more="", settings="": stack.enter_context(Served(tmp_path / "w", datavault, more, settings))


def request(number=1, key="", **more):
    patient = {"patient_id": f"P{number:07}", "age": number % 90, "diagnosis": f"Diagnosis {number % 7}", **more}
    return messages.IngestRequest(payload=oracle.to_json(patient).encode(), idempotency_key=key)


def bearer(token=TOKEN):
    return (("authorization", f"Bearer {token}"),)


# ---- answers ----

def test_an_answer_means_durable(serve):
    world = serve()
    with world.client() as client:
        for number in range(5):
            assert client.ingest(request(number), timeout=20).id in world.ids()
        again = {client.ingest(request(9, "key-1"), timeout=20).id for _ in range(3)}
        assert len(again) == 1 and client.ingest(request(9, "key-2"), timeout=20).id not in again
        assert client.stream(map(request, range(1000)), timeout=30).records == 1000
        assert client.stream(iter(()), timeout=20).records == 0
        acks = list(client.acks((request(number, f"s{number}") for number in range(700)), timeout=30))
        assert sorted(ack.sequence for ack in acks) == list(range(700)) and {ack.code for ack in acks} == {0}
    assert len(world.ids()) == 5 + 2 + 1000 + 700 and {ack.id for ack in acks} <= world.ids()
    assert end(world.process)[0] == 0


def test_what_is_no_record_is_refused_without_its_value(serve):
    world = serve(", max_message: 1MiB, max_record: 64KiB")
    wrong = {b"": "no record", b"{": "", b"[1]": "", b'{"patient_id":"Zacharias"}': "required", b'{"diagnosis":7,"patient_id":"Zacharias"}': "",
             b'{"patient_id":"Zacharias","diagnosis":"\xff"}': ""}
    with world.client() as client:
        for payload, reason in wrong.items():
            code, text = code_of(client.ingest, messages.IngestRequest(payload=payload))
            assert code == Code.INVALID_ARGUMENT and reason in text and "Zacharias" not in text and text, (payload, code, text)
        code, text = code_of(client.stream, iter([request(1), messages.IngestRequest(payload=b'{"patient_id":"Zacharias"}'), request(2)]))
        assert code == Code.INVALID_ARGUMENT and "message 1" in text and "Zacharias" not in text
        acks = list(client.acks(iter([request(1), messages.IngestRequest(payload=b"{}"), request(2)]), timeout=20))
        assert {ack.sequence: ack.code for ack in acks} == {0: 0, 1: Code.INVALID_ARGUMENT.value[0], 2: 0}
        assert [bool(ack.id) for ack in sorted(acks, key=lambda ack: ack.sequence)] == [True, False, True]
        assert code_of(client.ingest, request(1, "k" * 129))[0] == Code.INVALID_ARGUMENT
        assert code_of(client.ingest, request(1, "k\0l"))[0] == Code.INVALID_ARGUMENT
        assert code_of(client.ingest, request(1, note="x" * 70000))[0] == Code.RESOURCE_EXHAUSTED
        assert code_of(client.ingest, request(1, note="x" * 1100000))[0] == Code.RESOURCE_EXHAUSTED
        raw = client.channel.unary_unary("/datavault.v1.Ingest/Ingest")
        assert code_of(raw, b"\xff\xff\xff")[0] == Code.INVALID_ARGUMENT
        for path in ("/datavault.v1.Ingest/Other", "/datavault.v1.Ingest", "/x", "/datavault.v1.Retrieve/Retrieve", "/grpc.health.v1.Health/List"):
            assert code_of(client.channel.unary_unary(path), b"")[0] == Code.UNIMPLEMENTED, path
        assert code_of(client.ingest, request(), metadata=(("x", "y" * 7000), ("z", "y" * 7000)))[0] == Code.RESOURCE_EXHAUSTED
        assert code_of(client.ingest, request(), compression=grpc.Compression.Gzip)[0] == Code.UNIMPLEMENTED
        assert code_of(client.ingest, request(), metadata=(("some-bin", bytes(range(256))),))[0] == Code.OK


def shown(port, body, *headers):
    """What a server answers to a body by nghttp: {name: value}, from head and trailers."""
    with tempfile.NamedTemporaryFile() as file:
        file.write(body)
        file.flush()
        base = [":method: POST", "te: trailers", *headers]
        if not any(header.startswith("content-type") for header in headers):
            base.append("content-type: application/grpc")
        command = ["nghttp", "-nv", "--timeout=10", "-d", file.name, f"http://127.0.0.1:{port}/datavault.v1.Ingest/Ingest"]
        for header in base:
            command += ["-H", header]
        done = subprocess.run(command, stdout=subprocess.PIPE, text=True, timeout=30, check=False)
    fields = {}
    for line in done.stdout.splitlines():
        if "recv (stream_id=" in line:
            name, _, value = line.split(") ", 1)[1].strip().rpartition(": ")
            fields[name] = value
    return fields


def test_frames_that_no_library_sends(serve):
    port = serve().port
    good = grpc_client.message(oracle.to_json({"patient_id": "P1", "diagnosis": "x"}).encode())
    assert shown(port, good)["grpc-status"] == "0"
    bodies = {b"": "13", good[:4]: "13", good[:-1]: "13", good + good: "13", good + b"\0": "13", b"\2" + good[1:]: "13",
              b"\1" + good[1:]: "13", grpc_client.message(b"{}", length=0xFFFFFFFF): "8"}
    for body, status in bodies.items():
        assert shown(port, body).get("grpc-status") == status, body
    for timeout, status in {"1": "3", "S": "3", "-1S": "3", "123456789S": "3", "1x": "3", "99999999H": "0", "0n": "4"}.items():
        assert shown(port, good, f"grpc-timeout: {timeout}").get("grpc-status") == status, timeout
    assert shown(port, good, "some-bin: !!!")["grpc-status"] == "3"
    assert shown(port, good, "some-bin: YQ,YWI=,YWJj")["grpc-status"] == "0"
    other = shown(port, good, "grpc-encoding: snappy")
    assert (other["grpc-status"], other["grpc-accept-encoding"]) == ("12", "identity")
    assert shown(port, good, "content-type: application/json")[":status"] == "415"
    assert shown(port, good, "content-type: application/grpc+proto")["grpc-status"] == "0"


def test_tokens(serve):
    world = serve(", token: file:token, reflection: true, retrieve: store, retrieve_token: file:other")
    with world.client() as client:
        assert code_of(client.ingest, request())[0] == Code.UNAUTHENTICATED
        for wrong in ("x", TOKEN[:-1], TOKEN + "0", OTHER):
            assert code_of(client.ingest, request(), metadata=bearer(wrong))[0] == Code.UNAUTHENTICATED, wrong
        identity = client.ingest(request(7), timeout=20, metadata=bearer()).id
        asked = messages.RetrieveRequest(id=identity)
        assert code_of(client.retrieve, asked)[0] == Code.UNAUTHENTICATED
        assert code_of(client.retrieve, asked, metadata=bearer())[0] == Code.PERMISSION_DENIED
        found = client.retrieve(asked, timeout=20, metadata=bearer(OTHER))
        assert found.id == identity and found.schema == "healthcare" and b"Diagnosis 0" in found.record and found.created_ms > 0
        missing = messages.RetrieveRequest(id="018f2c5e-0000-8000-8000-000000000000")
        assert code_of(client.retrieve, missing, metadata=bearer(OTHER))[0] == Code.NOT_FOUND
        assert code_of(client.retrieve, messages.RetrieveRequest(id="x"), metadata=bearer(OTHER))[0] == Code.INVALID_ARGUMENT
        store = sqlite3.connect(world.path("vault.sqlite"))
        store.execute("UPDATE encrypted_blobs SET ciphertext = zeroblob(length(ciphertext))")
        store.commit()
        assert code_of(client.retrieve, asked, metadata=bearer(OTHER))[0] == Code.DATA_LOSS
        assert client.check(health.HealthCheckRequest(), timeout=20).status == 1
        with pytest.raises(grpc.RpcError) as refused:
            client.reflect("v1", reflection.ServerReflectionRequest(list_services=""))
        assert refused.value.code() == Code.UNAUTHENTICATED


# ---- health and reflection ----

def test_health_and_reflection(serve):
    world = serve(", reflection: true")
    ask = reflection.ServerReflectionRequest
    with world.client() as client:
        for service, status in (("", 1), ("datavault.v1.Ingest", 1), ("grpc.health.v1.Health", 1)):
            assert client.check(health.HealthCheckRequest(service=service), timeout=20).status == status
        assert code_of(client.check, health.HealthCheckRequest(service="datavault.v1"))[0] == Code.NOT_FOUND
        unknown = client.watch(health.HealthCheckRequest(service="x"), timeout=20)
        assert next(unknown).status == 3
        unknown.cancel()
        for version in ("v1", "v1alpha"):
            listed, by_symbol, by_name, none, extension = client.reflect(
                version, ask(list_services=""), ask(file_containing_symbol="datavault.v1.Ingest.IngestAcks"),
                ask(file_by_filename="grpc/health/v1/health.proto"), ask(file_containing_symbol="datavault.v1.Nothing"),
                ask(all_extension_numbers_of_type="x"))
            assert "datavault.v1.Ingest" in {service.name for service in listed.list_services_response.service}
            assert b"datavault/v1/datavault.proto" in by_symbol.file_descriptor_response.file_descriptor_proto[0]
            assert b"HealthCheckResponse" in by_name.file_descriptor_response.file_descriptor_proto[0]
            assert none.error_response.error_code == extension.error_response.error_code == 5


def test_reflection_is_off_unless_asked_for(serve):
    with serve().client() as client, pytest.raises(grpc.RpcError) as refused:
        client.reflect("v1", reflection.ServerReflectionRequest(list_services=""))
    assert refused.value.code() == Code.UNIMPLEMENTED


# ---- time and back-pressure ----

def test_deadlines(serve):
    world = serve()
    with world.client() as client:
        client.ingest(request(), timeout=20)
        with world.locked():
            begun = time.monotonic()
            assert code_of(client.ingest, request(1, "late"), timeout=0.5)[0] == Code.DEADLINE_EXCEEDED
            assert shown(world.port, grpc_client.message(request().payload), "grpc-timeout: 200m")["grpc-status"] == "4"
            assert time.monotonic() - begun < 8
        assert client.ingest(request(1, "late"), timeout=20).id in world.ids()


def test_a_full_queue_turns_calls_away_and_holds_streams(serve):
    world = serve(", queue_requests: 16, max_message: 64KiB, max_record: 32KiB, queue_bytes: 256KiB")
    sent = []

    def stream():
        for number in range(1500):
            sent.append(number)
            yield request(number, note="x" * 2000)
    with world.client() as client:
        client.ingest(request(), timeout=20)
        with world.locked():
            done = client.stream.future(stream(), timeout=60)
            assert wait_for(lambda: code_of(client.ingest, request(), timeout=2)[0] == Code.RESOURCE_EXHAUSTED, 60)

            def is_held():
                before = len(sent)
                time.sleep(1)
                return len(sent) == before
            assert wait_for(is_held, 30) and len(sent) < 1500
            assert client.check(health.HealthCheckRequest(), timeout=20).status == 1
        assert done.result(timeout=60).records == 1500
        assert client.ingest(request(), timeout=20).id in world.ids()


# ---- TLS ----

def test_mutual_tls(serve, tmp_path):
    good, bad = make_authority(tmp_path / "good"), make_authority(tmp_path / "bad")
    world = serve(f', tls_cert: "{good}/cert.pem", tls_key: "{good}/key.pem", client_ca: "{good}/ca.pem"')

    def credentials(own, trusted=good):
        files = [(trusted / "ca.pem").read_bytes()] + ([(own / "key.pem").read_bytes(), (own / "cert.pem").read_bytes()] if own else [])
        return grpc.ssl_channel_credentials(*files)
    for own, trusted, code in ((good, good, Code.OK), (None, good, Code.UNAVAILABLE), (bad, good, Code.UNAVAILABLE), (good, bad, Code.UNAVAILABLE)):
        with world.client(credentials=credentials(own, trusted)) as client:
            assert code_of(client.ingest, request(), timeout=20)[0] == code, (own, trusted)
    with world.client() as clear:
        assert code_of(clear.ingest, request(), timeout=10)[0] == Code.UNAVAILABLE
    with world.client(credentials=credentials(good)) as client:
        assert client.stream((request(number, note="y" * 3000) for number in range(1000)), timeout=30).records == 1000
    http1 = subprocess.run(["openssl", "s_client", "-connect", f"127.0.0.1:{world.port}", "-alpn", "http/1.1", "-CAfile", good / "ca.pem"],
                           stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, timeout=20, check=False)
    assert "no application protocol" in http1.stdout


# ---- the end ----

def test_a_drain_loses_nothing(serve):
    world = serve()
    with world.client() as client:
        client.ingest(request(), timeout=20)
        watched = client.watch(health.HealthCheckRequest(), timeout=60)
        assert next(watched).status == 1
        with world.locked():
            calls = [client.ingest.future(request(number, f"d{number}"), timeout=60) for number in range(60)]
            sent = threading.Event()

            def requests():
                yield from (request(number, f"a{number}") for number in range(60))
                sent.set()
            stream = client.acks(requests(), timeout=60)
            assert sent.wait(30)
            assert client.check(health.HealthCheckRequest(), timeout=30).status == 1  # by now all that was sent before has come
            world.process.send_signal(signal.SIGTERM)
            assert next(watched).status == 2
        ids = {call.result(timeout=30).id for call in calls}
        acked = {ack.id for ack in stream}
        assert world.process.wait(60) == 0
        assert len(ids) == len(acked) == 60 and ids | acked <= world.ids()
        assert code_of(client.ingest, request(), timeout=5)[0] in (Code.UNAVAILABLE, Code.DEADLINE_EXCEEDED)


def test_kill_and_send_again(serve):
    world = serve()
    sure = set()
    for turn in range(3):
        keys = [f"{turn}-{number}" for number in range(400)]
        with world.client() as client:
            calls = [client.ingest.future(request(number, key), timeout=20) for number, key in enumerate(keys)]
            calls[150].exception()
            world.process.kill()
            world.process.wait()
            sure |= {call.result().id for call in calls if call.exception() is None}
        world.begin()
        assert sure <= world.ids()
        with world.client() as client:
            sure |= {call.result().id for call in [client.ingest.future(request(number, key), timeout=20) for number, key in enumerate(keys)]}
        assert len(sure) == len(world.ids()) == (turn + 1) * 400


def test_many_clients_at_once(serve):
    world = serve()
    found = []

    def work(number):
        with world.client(options=(("grpc.use_local_subchannel_pool", 1),)) as client:
            found.extend(client.ingest(request(at, f"{number}-{at}"), timeout=30).id for at in range(100))
    threads = [threading.Thread(target=work, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert len(set(found)) == 800 == len(world.ids())
