# SPDX-License-Identifier: Apache-2.0
# test_server.py - the HTTP server of `datavault run`, spoken to over real sockets.
#
# DATAVAULT names the program; without it the newest build of this tree is taken.
#
# shows: MIS-6 MIS-7 OBS-1 SEC-1 GW-5
import contextlib
import glob
import http.client
import json
import os
import pathlib
import re
import shutil
import signal
import socket
import ssl
import subprocess
import threading
import time

import pytest

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
    def __init__(self, directory, settings="", listen="127.0.0.1:%d", env=None):
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self.port = probe.getsockname()[1]
        self.directory = directory
        self.secure = "tls_cert" in settings
        data = directory / "visits.jsonl"
        data.touch()
        if not (directory / "schemas").exists():
            (directory / "schemas").symlink_to(ROOT / "conf/schemas")
        text = "name: e2e\nlisten: '%s'\n%s%s" % (listen % self.port, settings, GRAPH % {"path": data})
        config = directory / "graph.yaml"
        config.write_text(text)
        self.errors = directory / "errors"
        self.process = subprocess.Popen([program(), "run", str(config)], cwd=directory, stderr=self.errors.open("w"),
                                        stdout=subprocess.DEVNULL, env={**os.environ, **(env or {})})
        self.feeder = Feeder(data)

    def wait(self):
        for _ in range(200):
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
            return self.process.wait(15)
        finally:
            self.process.kill()


def client_context():
    context = ssl.create_default_context()
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    return context


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    one = Server(tmp_path_factory.mktemp("plain")).wait()
    one.feeder.start()
    yield one
    assert one.stop() == 0, one.errors.read_text()
    assert "Sanitizer" not in one.errors.read_text()


@pytest.fixture(scope="module")
def certificate(tmp_path_factory):
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


@pytest.fixture(scope="module")
def secured(tmp_path_factory, certificate):
    """On every address, with TLS and a token."""
    one = Server(tmp_path_factory.mktemp("secured"), settings_of(certificate), listen="0.0.0.0:%d").wait()
    one.feeder.start()
    yield one
    assert one.stop() == 0, one.errors.read_text()
    assert "Sanitizer" not in one.errors.read_text()


def head(target="/livez", headers="Host: localhost\r\n", method="GET", version="HTTP/1.1"):
    return "%s %s %s\r\n%sConnection: close\r\n\r\n" % (method, target, version, headers)


def status_of(data):
    assert data.startswith(b"HTTP/1.1 "), data[:200]
    return int(data[9:12])


class Stream:
    """The event stream as a client sees it, line by line."""

    def __init__(self, server, headers=None, receive=None):
        self.socket = server.connect(receive)
        lines = ["GET /v1/events HTTP/1.1", "Host: localhost"] + ["%s: %s" % item for item in (headers or {}).items()]
        self.socket.sendall(("\r\n".join(lines) + "\r\n\r\n").encode())
        self.file = self.socket.makefile("rb")
        self.status = int(self.file.readline().split()[1])
        self.headers = {}
        while (line := self.file.readline().strip()):
            name, value = line.decode().split(":", 1)
            self.headers[name.lower()] = value.strip()
        self.rest = b""

    def chunk(self):
        size = int(self.file.readline() or b"0", 16)
        data = self.file.read(size)
        self.file.readline()
        return data

    def events(self):
        while True:
            while b"\n\n" not in self.rest:
                data = self.chunk()
                if not data:
                    return
                self.rest += data
            block, self.rest = self.rest.split(b"\n\n", 1)
            fields = dict(line.split(": ", 1) for line in block.decode().split("\n") if not line.startswith(":"))
            yield fields

    def next(self, name):
        return next(event for event in self.events() if event.get("event") == name)

    def close(self):
        self.file.close()
        self.socket.close()


def test_health(server):
    answer = server.get("/livez")
    assert (answer.status, json.loads(answer.body)) == (200, {"status": "ok"})
    ready = server.get("/readyz")
    assert ready.status == 200
    body = json.loads(ready.body)
    assert body["status"] == "ready" and body["dead_letters"] == "ok"
    assert body["nodes"] == {"visits": "ok", "trends": "ok", "live": "ok"}


def test_graph_and_stats(server):
    graph = json.loads(server.get("/v1/graph").body)
    assert [node["name"] for node in graph["nodes"]] == ["visits", "trends", "live"]
    assert [(link["from"], link["to"]) for link in graph["links"]] == [("visits", "trends"), ("trends", "live")]
    columns = {column["name"]: column for column in graph["nodes"][0]["outputs"][0]["columns"]}
    assert columns["patient_id"]["class"] == "direct-id" and columns["patient_id"]["form"] == "plain"
    assert graph["nodes"][2]["exit"] and graph["bound"]["bytes"] > 0
    stats = json.loads(server.get("/v1/stats").body)
    assert {node["name"] for node in stats["nodes"]} == {"visits", "trends", "live"}


def test_page(server):
    page = server.get("/")
    assert page.status == 200 and b"<title>DataVault</title>" in page.body
    assert page.headers["content-security-policy"].startswith(
        "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src 'self' data:")
    for name in ("/app.js", "/style.css", "/index.html"):
        asset = server.get(name)
        assert asset.status == 200 and asset.headers["x-content-type-options"] == "nosniff"
        assert asset.headers["referrer-policy"] == "no-referrer"
        again = server.get(name, headers={"If-None-Match": asset.headers["etag"]})
        assert (again.status, again.body) == (304, b"")
        assert server.get(name, headers={"If-None-Match": '"other"'}).status == 200
    text = (page.body + server.get("/app.js").body + server.get("/style.css").body).decode()
    # The names of XML name spaces are no requests.
    assert not re.findall(r"https?://(?!www\.w3\.org/2000/svg)", text)


@pytest.mark.parametrize("path", ["/", "/livez", "/v1/stats", "/metrics", "/v1/events"])
def test_head_method(server, path):
    answer = server.get(path, method="HEAD")
    assert (answer.status, answer.body) == (200, b"")


@pytest.mark.parametrize("path", ["/nothing", "/v1/nothing", "/../etc/passwd", "/%2e%2e/", "//livez", "/livez/"])
def test_unknown_paths(server, path):
    answer = server.get(path)
    assert answer.status == 404 and answer.headers["content-type"] == "application/problem+json"
    assert json.loads(answer.body)["status"] == 404 and path not in answer.body.decode()


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "OPTIONS", "PATCH", "TRACE"])
def test_wrong_method(server, method):
    answer = server.get("/v1/stats", method=method, headers={"Content-Length": "0"})
    assert answer.status == 405 and answer.headers["allow"] == "GET, HEAD"


@pytest.mark.parametrize("status, text", [
    (200, head()),
    (400, head(headers="")),
    (400, head(headers="Host: localhost\r\nHost: localhost\r\n")),
    (400, head("http://localhost/livez")),
    (400, head(headers="Host: localhost\r\n folded: x\r\n")),
    (400, head(headers="Host: localhost\r\nContent-Length: 0\r\nContent-Length: 5\r\n")),
    (400, head(headers="Host: localhost\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n") + "0\r\n\r\n"),
    (400, "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"),
    (400, "GET /livez HTTP/1.1\nHost: localhost\n\n"),
    (413, head(method="POST", headers="Host: localhost\r\nContent-Length: 5\r\n") + "hello"),
    (413, head(method="POST", headers="Host: localhost\r\nContent-Length: 5000000\r\n")),
    (413, head(method="POST", headers="Host: localhost\r\nTransfer-Encoding: chunked\r\n") + "1\r\na\r\n0\r\n\r\n"),
    (414, head("/" + "a" * 2048)),
    (421, head(headers="Host: evil.example\r\n")),
    (421, head(headers="Host: 127.0.0.1.evil.example:80\r\n")),
    (200, head(headers="Host: [::1]:1234\r\n")),
    (431, head(headers="Host: localhost\r\na: %s\r\n" % ("v" * 17000))),
    (431, head(headers="Host: localhost\r\n" + "a: b\r\n" * 70)),
])
def test_strict_heads(server, status, text):
    data = server.raw(text)
    assert status_of(data) == status
    assert data.count(b"HTTP/1.1 ") == 1
    if status in (414, 421, 431):
        assert b"application/problem+json" in data


def test_no_upgrade_to_http2(server):
    upgrade = "Host: localhost\r\nConnection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABk\r\n\r\n"
    with server.connect() as connection:
        connection.sendall(("GET /livez HTTP/1.1\r\n" + upgrade).encode())
        assert connection.recv(4096).startswith(b"HTTP/1.1 200")


def test_metrics_in_both_forms(server):
    parser = pytest.importorskip("prometheus_client.parser")
    openmetrics = pytest.importorskip("prometheus_client.openmetrics.parser")
    time.sleep(1.5)
    plain = server.get("/metrics")
    assert plain.headers["content-type"] == "text/plain; version=0.0.4; charset=utf-8"
    families = {family.name: family for family in parser.text_string_to_metric_families(plain.body.decode())}
    assert families["datavault_node_records_in"].type == "counter"
    assert families["process_start_time_seconds"].samples[0].value <= time.time()
    opened = server.get("/metrics", headers={"Accept": "application/openmetrics-text;version=1.0.0,text/plain;q=0.5"})
    assert opened.headers["content-type"].startswith("application/openmetrics-text; version=1.0.0")
    assert opened.body.endswith(b"# EOF\n")
    families = {family.name: family for family in openmetrics.text_string_to_metric_families(opened.body.decode())}
    assert families["datavault_node_process_seconds"].type == "histogram"
    assert families["datavault_node_process_seconds"].unit == "seconds"
    nodes = {sample.labels["node"] for sample in families["datavault_node_records_in"].samples}
    assert nodes == {"visits", "trends", "live"}
    for name in ("process_cpu_seconds", "process_resident_memory_bytes", "datavault_loop_lag_seconds", "datavault_build"):
        assert name in families


def test_stream(server):
    stream = Stream(server)
    assert stream.headers["content-type"] == "text/event-stream; charset=utf-8"
    assert stream.headers["cache-control"] == "no-store"
    first = next(stream.events())
    assert first == {"retry": "2000"}
    stats = stream.next("stats")
    assert {node["name"] for node in json.loads(stats["data"])["nodes"]} == {"visits", "trends", "live"}
    live = stream.next("live")
    assert isinstance(json.loads(live["data"])["rows"], list)
    assert re.fullmatch(r"[0-9a-f]{16}-\d+", live["id"])
    stream.close()


def test_stream_goes_on_where_it_was(server):
    stream = Stream(server)
    ids = [stream.next("stats")["id"] for _ in range(2)]
    stream.close()
    time.sleep(1)
    again = Stream(server, {"Last-Event-ID": ids[0]})
    numbers = []
    for event in again.events():
        if "id" in event:
            numbers.append(int(event["id"].split("-")[1]))
        if len(numbers) == 12:
            break
    again.close()
    first = int(ids[0].split("-")[1]) + 1
    assert numbers == list(range(first, first + 12))


@pytest.mark.parametrize("last", ["0000000000000000-1", "x", "", "%(epoch)s-999999999", "%(epoch)s-"])
def test_stream_resets_what_it_does_not_know(server, last):
    probe = Stream(server)
    epoch = probe.next("stats")["id"].split("-")[0]
    probe.close()
    stream = Stream(server, {"Last-Event-ID": last % {"epoch": epoch}})
    events = stream.events()
    assert next(events) == {"retry": "2000"}
    reset = next(events)
    assert reset["event"] == "reset" and reset["id"].startswith(epoch)
    stream.close()


def drained(stream, seconds):
    """Reads whatever is left after a pause; the number of bytes until the connection ends, or None if it does not."""
    time.sleep(seconds)
    total = 0
    stream.socket.settimeout(0.5)
    try:
        while data := stream.socket.recv(65536):
            total += len(data)
            if total > 16 << 20:
                return None
    except (ConnectionError, ssl.SSLError):
        pass
    except TimeoutError:
        return None
    return total


@pytest.mark.parametrize("which", ["server", "secured"])
def test_slow_reader_is_cut_off_and_others_go_on(request, which):
    one = request.getfixturevalue(which)
    trust = {"Authorization": "Bearer " + TOKEN} if which == "secured" else {}
    slow = Stream(one, trust, receive=4096)
    slow.file.close()
    quick = Stream(one, trust)
    started = time.monotonic()
    seen = 0
    for event in quick.events():
        seen += event.get("event") == "stats"
        if time.monotonic() - started > 9:
            break
    quick.close()
    assert seen >= 7
    assert drained(slow, 0) is not None
    slow.socket.close()
    text = one.get("/metrics", headers=trust).body.decode()
    dropped = {reason: int(count) for reason, count in re.findall(r'streams_dropped_total{reason="(\w+)"} (\d+)', text)}
    assert dropped["stall"] >= 1 and dropped["lag"] >= 1


def test_closed_clients_are_forgotten(server):
    streams = [Stream(server) for _ in range(20)]
    for stream in streams:
        stream.close()
    time.sleep(3)
    assert json.loads(server.get("/v1/stats").body)["streams"] == 0


def test_stream_budget(server):
    streams = []
    try:
        for _ in range(256):
            streams.append(Stream(server))
        assert all(stream.status == 200 for stream in streams)
        over = server.get("/v1/events")
        assert over.status == 503 and over.headers["retry-after"]
        assert over.headers["content-type"] == "application/problem+json"
        assert streams[0].next("stats")
    finally:
        for stream in streams:
            stream.close()


def test_half_a_head_times_out(server):
    with server.connect() as connection:
        connection.sendall(b"GET /livez HTTP/1.1\r\nHost: local")
        started = time.monotonic()
        assert connection.recv(100) == b""
        assert 8 < time.monotonic() - started < 13


@pytest.mark.parametrize("path", ["/v1/stats", "/v1/graph", "/v1/events", "/v1/nothing", "/metrics"])
def test_token_is_wanted(secured, path):
    for headers in ({}, {"Authorization": "Bearer wrong-wrong-wrong-wrong"}, {"Authorization": "Basic " + TOKEN}):
        answer = secured.get(path, headers=headers)
        assert answer.status == 401 and answer.headers["www-authenticate"].startswith("Bearer")
        assert answer.headers["content-type"] == "application/problem+json"
    if path != "/v1/events":
        assert secured.get(path, headers={"Authorization": "Bearer " + TOKEN}).status in (200, 404)


def test_what_stays_open(secured):
    assert secured.get("/livez").status == 200
    assert secured.get("/").status == 200
    assert secured.get("/livez").headers["strict-transport-security"]
    assert set(json.loads(secured.get("/readyz").body)) == {"status"}
    assert "nodes" in json.loads(secured.get("/readyz", headers={"Authorization": "Bearer " + TOKEN}).body)


def test_token_on_loopback(tmp_path, certificate):
    one = Server(tmp_path, settings_of(certificate, tls=False)).wait()
    assert one.get("/v1/stats").status == 401
    assert one.get("/v1/stats", headers={"Authorization": "Bearer " + TOKEN}).status == 200
    assert one.stop() == 0


@pytest.mark.parametrize("settings, word", [("", "token"), ("token: file:%(dir)s/token\n", "tls_cert")])
def test_open_address_needs_token_and_tls(tmp_path, certificate, settings, word):
    one = Server(tmp_path, settings % {"dir": certificate}, listen="0.0.0.0:%d")
    assert one.process.wait(15) == 3
    assert word in one.errors.read_text()


def test_taken_address(tmp_path, server):
    one = Server(tmp_path)
    one.stop()
    text = (tmp_path / "graph.yaml").read_text().replace(":%d'" % one.port, ":%d'" % server.port)
    (tmp_path / "graph.yaml").write_text(text)
    ended = subprocess.run([program(), "run", str(tmp_path / "graph.yaml")], capture_output=True, text=True, timeout=15,
                           check=False)
    assert ended.returncode == 5 and "cannot listen" in ended.stderr


@pytest.mark.filterwarnings("ignore:.*TLSv1:DeprecationWarning")
def test_old_tls_and_http2_are_refused(secured):
    context = client_context()
    context.set_alpn_protocols(["h2", "http/1.1"])
    with socket.create_connection(("127.0.0.1", secured.port)) as raw, context.wrap_socket(raw) as connection:
        assert connection.selected_alpn_protocol() == "http/1.1"
        assert connection.version() == "TLSv1.3"
    context = client_context()
    context.set_ciphers("ALL:@SECLEVEL=0")
    context.minimum_version = ssl.TLSVersion.TLSv1
    context.maximum_version = ssl.TLSVersion.TLSv1_1
    with socket.create_connection(("127.0.0.1", secured.port)) as raw, pytest.raises((ssl.SSLError, ConnectionError)):
        context.wrap_socket(raw)


def tls_over_memory(raw):
    """A finished TLS 1.3 handshake on `raw`, and the buffers between."""
    incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
    client = client_context().wrap_bio(incoming, outgoing)
    while True:
        try:
            client.do_handshake()
            raw.sendall(outgoing.read())
            return client, incoming, outgoing
        except ssl.SSLWantReadError:
            raw.sendall(outgoing.read())
            incoming.write(raw.recv(65536))


@pytest.mark.parametrize("size", [8191, 8192, 8193, 16383, 16384])
def test_tls_read_that_fills_the_buffer(secured, size):
    """A first flight of exactly the buffer's size, with the request not yet whole."""
    with socket.create_connection(("127.0.0.1", secured.port), timeout=10) as raw:
        client, incoming, outgoing = tls_over_memory(raw)
        time.sleep(0.2)
        start = "GET /livez HTTP/1.1\r\nHost: localhost\r\na: "
        client.write((start + "v" * (size - 22 - len(start))).encode())
        flight = outgoing.read()
        assert len(flight) == size
        raw.sendall(flight)
        time.sleep(0.3)
        client.write(b"\r\n\r\n")
        raw.sendall(outgoing.read())
        answer = b""
        while b"\r\n\r\n" not in answer:
            data = raw.recv(65536)
            assert data, "the connection was dropped"
            incoming.write(data)
            with contextlib.suppress(ssl.SSLWantReadError):
                answer += client.read(65536)
        assert answer.startswith(b"HTTP/1.1 200")


def test_goodbye_at_the_end(tmp_path):
    one = Server(tmp_path).wait()
    stream = Stream(one)
    stream.next("stats")
    one.process.send_signal(signal.SIGTERM)
    assert stream.next("bye")
    stream.close()
    assert one.process.wait(10) == 0


def test_end_does_not_wait_for_a_client_that_does_not_read(tmp_path):
    one = Server(tmp_path).wait()
    one.feeder.start()
    stream = Stream(one, receive=4096)
    time.sleep(2)
    started = time.monotonic()
    assert one.stop() == 0
    assert time.monotonic() - started < 6
    stream.close()


def test_curl_speaks_to_it(secured):
    if shutil.which("curl") is None:
        pytest.skip("no curl")
    done = subprocess.run(["curl", "-sSk", "--http2", "-H", "Authorization: Bearer " + TOKEN, "-w", "%{http_version}",
                           "https://127.0.0.1:%d/v1/stats" % secured.port], capture_output=True, text=True, check=True)
    assert done.stdout.endswith("1.1")
