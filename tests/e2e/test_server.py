# SPDX-License-Identifier: Apache-2.0
# test_server.py - the HTTP server of `datavault run`, over real sockets. test_server_events.py has its stream.
#
# shows: MIS-7 OBS-1 SEC-1 GW-5
import contextlib
import json
import pathlib
import re
import shutil
import socket
import ssl
import subprocess
import sys
import time

import pytest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "tools"))
from world import wait_for
from server_world import (TOKEN, Server, client_context, make_certificate, make_secured, make_server, program,
                          settings_of)

__all__ = ["make_certificate", "make_secured", "make_server"]  # fixtures, by their names


def head(target="/livez", headers="Host: localhost\r\n", method="GET", version="HTTP/1.1"):
    return "%s %s %s\r\n%sConnection: close\r\n\r\n" % (method, target, version, headers)


def status_of(data):
    assert data.startswith(b"HTTP/1.1 "), data[:200]
    return int(data[9:12])


def test_health(server):
    answer = server.get("/livez")
    assert (answer.status, json.loads(answer.body)) == (200, {"status": "ok"})
    assert wait_for(lambda: server.get("/readyz").status == 200, 30)
    ready = server.get("/readyz")
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
    for name in ("/app.js", "/ask.js", "/style.css", "/index.html"):
        asset = server.get(name)
        assert asset.status == 200 and asset.headers["x-content-type-options"] == "nosniff"
        assert asset.headers["referrer-policy"] == "no-referrer"
        again = server.get(name, headers={"If-None-Match": asset.headers["etag"]})
        assert (again.status, again.body) == (304, b"")
        assert server.get(name, headers={"If-None-Match": '"other"'}).status == 200
    text = (page.body + server.get("/app.js").body + server.get("/ask.js").body + server.get("/style.css").body).decode()
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
    assert wait_for(lambda: b"datavault_loop_lag_seconds" in server.get("/metrics").body, 30)
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


def test_half_a_head_times_out(server):
    with server.connect() as connection:
        started = time.monotonic()
        connection.sendall(b"GET /livez HTTP/1.1\r\nHost: local")
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


def test_token_is_wanted_to_reload(secured):
    for headers, status in (({}, 401), ({"Authorization": "Bearer wrong-wrong-wrong-wrong"}, 401),
                            ({"Authorization": "Bearer " + TOKEN}, 200)):
        assert secured.get("/v1/reload", method="POST", headers={"Content-Length": "0", **headers}).status == status
    answer = secured.get("/v1/reload", headers={"Authorization": "Bearer " + TOKEN})
    assert answer.status == 405 and answer.headers["allow"] == "POST"


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
    assert one.process.wait(60) == 3
    assert word in one.errors.read_text()


def test_taken_address(tmp_path, server):
    one = Server(tmp_path)
    one.stop()
    text = (tmp_path / "graph.yaml").read_text().replace(":%d'" % one.port, ":%d'" % server.port)
    (tmp_path / "graph.yaml").write_text(text)
    ended = subprocess.run([program(), "run", str(tmp_path / "graph.yaml")], capture_output=True, text=True, timeout=60,
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


def test_curl_speaks_to_it(secured):
    if shutil.which("curl") is None:
        pytest.skip("no curl")
    done = subprocess.run(["curl", "-sSk", "--http2", "-H", "Authorization: Bearer " + TOKEN, "-w", "%{http_version}",
                           "https://127.0.0.1:%d/v1/stats" % secured.port], capture_output=True, text=True, check=True)
    assert done.stdout.endswith("1.1")
