#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""test_grpc_faults.py - what a network does to clients that send records by gRPC and by HTTP: after each fault they get through
within ten seconds, and what was answered is stored, once.

One program serves the whole table, so that at its end neither memory nor connections may have grown.
DATAVAULT_LONG=1 holds the black hole for 30 seconds.

shows: ING-1 ING-2 ING-6 ING-11 BCP-2 DEV-2 R10 GW-7
"""
import concurrent.futures
import contextlib
import http.client
import itertools
import json
import os
import pathlib
import socket
import ssl
import subprocess
import sys
import threading
import time
import uuid

import grpc
import psutil
import pytest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "tools"))
import oracle
from faultproxy import FaultProxy, Plan
from grpc_client import ACK, ROOT, SETTINGS, Client, Frames, code_of, datavault as messages, frame, make_authority
from world import World, end, events, fast_program, free_port, wait_for

GRAPH = """  clear: { op: source, from: grpc, listen: "127.0.0.1:%(clear)d", schema: healthcare, keepalive: 1s }
  secure: { op: source, from: grpc, listen: "127.0.0.1:%(secure)d", schema: healthcare, tls_cert: tls/cert.pem, tls_key: tls/key.pem }
  web: { op: source, from: http, schema: healthcare }
  anon: { op: anonymize, after: [clear, secure, web], policy: ledger-keeping }
  seal: { op: encrypt, after: anon, key: healthcare }
  store: { op: sink-store, after: seal, path: vault.sqlite }
"""
ONE = """  in: { op: source, from: grpc, listen: "127.0.0.1:%d", schema: healthcare%s }
  anon: { op: anonymize, after: in, policy: ledger-keeping }
  seal: { op: encrypt, after: anon, key: healthcare }
  store: { op: sink-store, after: seal, path: vault.sqlite }
"""
SETTINGS_OF = "keyring: file:keys\nlisten: 127.0.0.1:%d\ntls_cert: tls/cert.pem\ntls_key: tls/key.pem\n"
# A client that wants through soon, and does not trust a connection that says nothing.
EAGER = tuple((f"grpc.{name}", value) for name, value in (
    ("initial_reconnect_backoff_ms", 100), ("min_reconnect_backoff_ms", 1000), ("max_reconnect_backoff_ms", 1000), ("keepalive_time_ms", 1000),
    ("keepalive_timeout_ms", 1000), ("keepalive_permit_without_calls", 1), ("http2.max_pings_without_data", 0), ("use_local_subchannel_pool", 1)))
TRY_S, WORKERS, HEALED_S = 1.5, 3, 10
BLACK_S = 30 if os.environ.get("DATAVAULT_LONG") else 3
HANGING = 10
CHURN = 300 if os.environ.get("DATAVAULT_LONG") else 40


def patient(number):
    return oracle.to_json({"patient_id": f"P{number:07}", "age": number % 90, "diagnosis": f"Diagnosis {number % 7}"}).encode()


class ByGrpc:
    """send() gives the record's id, or None: to be sent again."""

    def __init__(self, port, ca=None):
        self.client = Client(port, options=EAGER, credentials=grpc.ssl_channel_credentials(ca.read_bytes()) if ca else None)

    def send(self, payload, key):
        try:
            # Without waiting grpcio gives up at once, and connects only while a call is under way.
            return self.client.ingest(messages.IngestRequest(payload=payload, idempotency_key=key), timeout=TRY_S, wait_for_ready=True).id
        except grpc.RpcError as error:
            assert error.code() != grpc.StatusCode.INVALID_ARGUMENT, error.details()
            return None

    def close(self):
        self.client.channel.close()


class ByHttp:
    """The same by POST, on a connection that is kept as long as it answers."""

    def __init__(self, port, ca):
        self.port, self.context, self.connection = port, ssl.create_default_context(cafile=ca), None

    def send(self, payload, key):
        try:
            if self.connection is None:
                self.connection = http.client.HTTPSConnection("localhost", self.port, timeout=TRY_S, context=self.context)
            self.connection.request("POST", "/v1/ingest", payload, {"Content-Type": "application/json", "Idempotency-Key": key})
            answer = self.connection.getresponse()
            body = answer.read()
            assert answer.status // 100 != 4 or answer.status in (408, 429), body
            return json.loads(body)["ids"][0] if answer.status == 200 else None
        except (OSError, http.client.HTTPException, ValueError):
            self.close()
            return None

    def close(self):
        if self.connection is not None:
            self.connection.close()
        self.connection = None


class Matrix(World):
    """A program with three ways in, each behind a proxy, and what was answered."""

    def __init__(self, folder, binary):
        super().__init__(folder, binary)
        self.ports = {name: free_port() for name in ("clear", "secure", "web")}
        make_authority(self.path("tls"))
        self.path("tls/key.pem").chmod(0o600)
        self.graph(GRAPH % self.ports, SETTINGS_OF % self.ports["web"])
        self.process = self.start("run", "graph.yaml")
        self.whole = psutil.Process(self.process.pid)
        assert wait_for(lambda: all(map(listens, self.ports.values())), 60), self.process.log.read_text()
        assert wait_for(lambda: not any(map(self.connections, self.ports.values())), 30)
        self.at_first = self.sockets()
        self.proxies = {name: FaultProxy(port) for name, port in self.ports.items()}
        self.numbers, self.answered = itertools.count(), {}

    def client(self, way):
        port, ca = self.proxies[way].port, self.path("tls/ca.pem")
        return ByHttp(port, ca) if way == "web" else ByGrpc(port, ca if way == "secure" else None)

    def connections(self, port):
        return sum(1 for one in self.whole.connections("tcp") if one.laddr.port == port and one.status != "LISTEN")

    def sockets(self):
        """Open ones, of whatever state: one that was reset stands in no list of the kernel."""
        found = 0
        for link in pathlib.Path(f"/proc/{self.process.pid}/fd").iterdir():
            with contextlib.suppress(FileNotFoundError): # closed meanwhile
                found += os.readlink(link).startswith("socket:")
        return found

    def work(self, way, over, passed):
        """Sends record after record, each until it is answered; tells when the last one was, and how many had to be sent again."""
        client, repeats = self.client(way), 0
        while not over.is_set():
            number = next(self.numbers)
            while (identity := client.send(patient(number), f"key-{number}")) is None:
                repeats += 1
                assert time.monotonic() < over.deadline, f"{way}: record {number} does not get through"
                time.sleep(0.1)
            self.answered[number] = identity
            passed[threading.get_ident()] = time.monotonic()
            time.sleep(0.01)
        client.close()
        return repeats

    def check(self):
        """What was answered is stored, each record once, and nothing else."""
        rows = oracle.rows(self.path("vault.sqlite"), "id, data_hash")
        stored = [str(uuid.UUID(bytes=row[0])) for row in rows]
        assert sorted(stored) == sorted(self.answered.values()) and len({row[1] for row in rows}) == len(rows)

    def close(self):
        for proxy in getattr(self, "proxies", {}).values():
            proxy.close()
        super().close()


def listens(port):
    with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), 1):
        return True
    return False


@pytest.fixture(name="matrix", scope="module")
def make_matrix(tmp_path_factory, datavault):
    with Matrix(tmp_path_factory.mktemp("matrix") / "w", datavault) as world:
        yield world


@pytest.fixture(name="hanging", scope="module")
def make_hanging(matrix):
    """Connections whose clients vanish: begun before the table, to be gone when it is through."""
    proxy = FaultProxy(matrix.ports["clear"])
    with contextlib.ExitStack() as stack:
        clients = [stack.enter_context(Frames(proxy.port)) for _ in range(HANGING)]
        for client in clients:
            assert client.until(SETTINGS) is not None
            client.send(frame(SETTINGS, ACK, 0))
        assert wait_for(lambda: matrix.connections(matrix.ports["clear"]) == HANGING, 30)
        proxy.fault = "black-hole"
        yield proxy
        proxy.close()


# ---- the table ----

def planned(make):
    """Every connection anew, each with a plan of its own."""
    def begin(proxy, draw):
        proxy.plan = lambda _number: make(draw)
        proxy.cut_all()
    return begin


def refuse(proxy, _draw):
    proxy.refuse = True
    proxy.cut_all()


def black_hole(proxy, _draw):
    proxy.fault = "black-hole"


ALL, SECURE = ("clear", "secure", "web"), ("secure", "web")
# Name: how it begins, how long it lasts, and where. A greeting has some 100 bytes, one under TLS 600 up and 1,100 down: the
# cuts fall into it, into heads and into messages. In clear text a changed byte is another record, which only TLS can tell.
FAULTS = {
    "delay": (planned(lambda draw: Plan(delay=0.05)), 1, ALL),
    "throttle": (planned(lambda draw: Plan(rate=20_000)), 1, ALL),
    "reset": (refuse, 1.5, ALL),
    "half-open": (planned(lambda draw: Plan(direction=draw.choice(["up", "down"]), at=draw.randrange(100, 3000), how="half-close")), 3, ALL),
    "truncate": (planned(lambda draw: Plan(direction="up", at=draw.randrange(3000), how=draw.choice(["reset", "close"]))), 3, ALL),
    "truncated answers": (planned(lambda draw: Plan(direction="down", at=draw.randrange(3000), how=draw.choice(["reset", "close"]))), 3, ALL),
    "corrupt": (planned(lambda draw: Plan(direction=draw.choice(["up", "down"]), at=draw.randrange(4000), how="corrupt")), 3, SECURE),
    "black-hole": (black_hole, BLACK_S, ALL),
}


class Over(threading.Event):
    deadline = float("inf")


@pytest.mark.parametrize("name", FAULTS)
def test_the_network_fails_and_heals(name, matrix, hanging, draw, tell):
    begin, seconds, ways = FAULTS[name]
    assert hanging.opened == HANGING
    over, passed, before = Over(), {}, len(matrix.answered)
    with concurrent.futures.ThreadPoolExecutor(len(ways) * WORKERS) as pool:
        works = [pool.submit(matrix.work, way, over, passed) for way in ways for _ in range(WORKERS)]
        try:
            assert wait_for(lambda: len(passed) == len(works) or any(work.done() for work in works), 60) and len(passed) == len(works), "before the fault"
            for way in ways:
                begin(matrix.proxies[way], draw)
            time.sleep(seconds)
            cuts = {way: matrix.proxies[way].cuts for way in ways}
            for way in ways:
                proxy = matrix.proxies[way]
                proxy.fault, proxy.refuse, proxy.plan = None, False, lambda _number: Plan()
            healed = time.monotonic()
            over.deadline = healed + HEALED_S
            wait_for(lambda: min(passed.values()) > healed or any(work.done() for work in works), HEALED_S)
        finally:
            over.set()
    repeats = sum(work.result() for work in works)
    assert min(passed.values()) > healed, "a client did not get through"
    tell(f"{name}: all through {max(0, max(passed.values()) - healed):.1f} s after it, {len(matrix.answered) - before} records, {repeats} sent again")
    assert repeats > 0 or name in ("delay", "throttle"), "the fault harmed nobody"
    assert all(cuts.values()) or name not in ("half-open", "truncate", "truncated answers", "corrupt"), "nothing was cut"
    for proxy in matrix.proxies.values():
        proxy.cut_all()
    matrix.check()


def test_vanished_clients_are_noticed(matrix, hanging):
    """They are asked for a sign of life, by a graph that says so after a second, and have 20 to answer."""
    assert wait_for(lambda: matrix.connections(matrix.ports["clear"]) == 0, 30)
    assert hanging.fault == "black-hole"


def test_nothing_has_piled_up(matrix):
    assert wait_for(lambda: matrix.sockets() <= matrix.at_first, 40), (matrix.at_first, matrix.sockets())
    matrix.check()
    assert end(matrix.process)[0] == 0, matrix.process.log.read_text()
    assert "Sanitizer" not in matrix.process.log.read_text()


def churn(matrix, times):
    """Connections that are made, used and cut, in the middle of records too; the memory after it."""
    for _ in range(times):
        clients = [matrix.client(way) for way in ALL]
        with concurrent.futures.ThreadPoolExecutor(len(ALL)) as pool:
            for client in clients:
                number = next(matrix.numbers)
                pool.submit(client.send, patient(number), f"key-{number}")
            time.sleep(0.005)
            for proxy in matrix.proxies.values():
                proxy.cut_all()
        for client in clients:
            client.close()
    return matrix.whole.memory_info().rss


def test_cut_connections_leave_no_memory_behind(tmp_path, tell):
    """Of a release build, since sanitizers keep what was freed."""
    with Matrix(tmp_path / "w", fast_program()) as matrix:
        churn(matrix, CHURN)
        before = matrix.whole.memory_info().rss
        after = churn(matrix, 2 * CHURN)
        tell(f"memory: {before >> 10} KiB, after {2 * CHURN} times three cut connections {after >> 10} KiB")
        assert after - before < 4 << 20
        assert wait_for(lambda: matrix.sockets() <= matrix.at_first, 20), (matrix.at_first, matrix.sockets())
        assert end(matrix.process)[0] == 0


# ---- names and certificates ----

CALL = """import sys; sys.path.insert(0, %r)
import time, grpc_client
with grpc_client.Client(int(sys.argv[1]), host="ingest.test") as client:
    print("begun", flush=True)
    for _ in range(300):
        code, text = grpc_client.code_of(client.ingest, grpc_client.datavault.IngestRequest(payload=sys.argv[2].encode(), idempotency_key="one"), timeout=2)
        print(code.name, text, flush=True)
        if code.name == "OK":
            break
        time.sleep(0.1)
"""


class Single(World):
    """A program with one gRPC source."""

    def begin(self, more=""):
        self.port = free_port()
        self.graph(ONE % (self.port, more))
        return self.again()

    def again(self):
        process = self.start("run", "graph.yaml")
        assert wait_for(lambda: listens(self.port) or process.poll() is not None, 60) and process.poll() is None, process.log.read_text()
        return process

    def stored(self):
        return [str(uuid.UUID(bytes=row[0])) for row in oracle.rows(self.path("vault.sqlite"))]


@pytest.fixture(name="single")
def make_single(tmp_path, datavault):
    with Single(tmp_path / "w", datavault) as world:
        yield world


@pytest.mark.skipif(os.geteuid() != 0, reason="a file of hosts of one's own needs a namespace")
def test_a_name_that_cannot_be_resolved_for_a_while(single):
    process = single.begin()
    single.path("hosts").write_text("127.0.0.1 localhost\n")
    single.path("resolv.conf").write_text("nameserver 127.0.0.1\n")
    script = "mount --bind hosts /etc/hosts; mount --bind resolv.conf /etc/resolv.conf; exec \"$@\""
    command = ["unshare", "-m", "sh", "-c", script, "sh", sys.executable, "-c", CALL % str(ROOT / "tests" / "tools"), str(single.port), patient(1)]
    with open(single.path("said"), "wb") as said, subprocess.Popen(command, cwd=single.at, stdout=said, stderr=said,
                                                                   env={**os.environ, "GRPC_DNS_RESOLVER": "native"}) as client:
        try:
            assert wait_for(lambda: b"UNAVAILABLE" in single.path("said").read_bytes(), 60), single.path("said").read_text()
            with open(single.path("hosts"), "a", encoding="utf-8") as hosts: # the same file, or the namespace would not see it
                hosts.write("127.0.0.1 ingest.test\n")
            assert client.wait(HEALED_S) == 0 and b"OK" in single.path("said").read_bytes(), single.path("said").read_text()
        finally:
            client.kill()
    assert len(single.stored()) == 1 and end(process)[0] == 0


def certify(authority, days):
    """A new certificate for the authority's key; one of 0 days has run out a second later."""
    subprocess.run(["openssl", "x509", "-req", "-in", "request.pem", "-CA", "ca.pem", "-CAkey", "ca.key", "-CAcreateserial", "-days", str(days),
                    "-extfile", "names", "-out", "cert.pem"], check=True, cwd=authority, capture_output=True, timeout=60)
    time.sleep(1.5 if days == 0 else 0)


def ingest(world, credentials, number):
    """(status, id) of one record by a new channel."""
    with Client(world.port, credentials=credentials, options=EAGER) as client:
        request = messages.IngestRequest(payload=patient(number), idempotency_key=f"key-{number}")
        code, _ = code_of(client.ingest, request)
        return code, client.ingest(request, timeout=20).id if code == grpc.StatusCode.OK else None


def test_certificates_that_have_run_out_are_refused_until_they_are_renewed(single):
    server, own = make_authority(single.path("tls")), make_authority(single.path("own"))
    server.joinpath("key.pem").chmod(0o600)
    refused, fine = grpc.StatusCode.UNAVAILABLE, grpc.StatusCode.OK

    def credentials():
        return grpc.ssl_channel_credentials(*((folder / name).read_bytes() for folder, name in
                                              ((server, "ca.pem"), (own, "key.pem"), (own, "cert.pem"))))

    def told(process):
        return [event["why"] for event in events(process.log.read_bytes()) if event["event"] == "grpc.tls-refused"]
    certify(server, 0)
    process = single.begin(", tls_cert: tls/cert.pem, tls_key: tls/key.pem, client_ca: own/ca.pem")
    assert ingest(single, credentials(), 1)[0] == refused and single.stored() == []
    assert end(process)[0] == 0
    certify(server, 2)
    process = single.again()
    healed = time.monotonic()
    assert ingest(single, credentials(), 1)[0] == fine and time.monotonic() - healed <= HEALED_S
    certify(own, 0)
    assert ingest(single, credentials(), 2)[0] == refused
    assert wait_for(lambda: "the client's certificate has expired" in told(process), 30), told(process)
    time.sleep(2)
    assert len(told(process)) < 8, "once a second at most"
    certify(own, 2)
    assert ingest(single, credentials(), 2)[0] == fine
    assert len(single.stored()) == 2 and end(process)[0] == 0
