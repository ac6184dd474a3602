# SPDX-License-Identifier: Apache-2.0
"""test_ingest.py - POST /v1/ingest against the real program: what is answered is durable, what is refused left no trace, a
second try with the same key stores nothing twice, and no client can make the server keep more than it said.

shows: ING-1 ING-5 ING-6 ING-7 SEC-1 GW-5
"""
import concurrent.futures
import contextlib
import itertools
import json
import pathlib
import signal
import socket
import subprocess
import sys
import time
import uuid

import pytest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "tools"))
from canary import Canaries
from http_world import CHAIN, LINES, ONE, HttpWorld, lines, memory_bytes, patients, statuses, unread_bytes
from server_world import TOKEN, client_context, make_certificate, settings_of
from world import end, wait_for

__all__ = ["make_certificate"]  # a fixture, by its name

SEED = 20261122
BODY = lines(patients(1))
HOST = "Host: localhost\r\n"
TYPE = "Content-Type: application/x-ndjson\r\n"


@pytest.fixture(name="shared", scope="module")
def make_shared(tmp_path_factory):
    with HttpWorld(tmp_path_factory.mktemp("shared")) as world:
        process = world.begin(", max_body: 4MiB, queue_bytes: 8MiB")
        yield world
        code, _ = end(process)
        assert code == 0, process.log.read_text()


@pytest.fixture(name="world")
def make_world(tmp_path):
    with HttpWorld(tmp_path) as world:
        yield world
        for process in world.running:
            assert "Sanitizer" not in process.log.read_text()


def test_answered_ids_are_stored(shared):
    one = shared.post(json.dumps(patients(1)[0], indent=2).encode(), ONE)
    assert (one.status, one.body["accepted"]) == (200, 1)
    many = shared.post(b"\xef\xbb\xbf" + lines(patients(300)).replace(b"\n", b"\r\n\r\n"), {"Content-Type": "Application/X-NDJSON; charset=UTF-8"})
    assert (many.status, many.body["accepted"]) == (200, 300)
    ids = one.body["ids"] + many.body["ids"]
    assert len(set(ids)) == 301 and set(ids) <= set(shared.stored())
    assert json.loads(shared.retrieve(ids[-1]))["diagnosis"] == "asthma"


def test_a_second_try_is_stored_once(shared):
    body, key = lines(patients(50)), str(uuid.UUID("018f2c5e-1234-7abc-8def-0123456789ab"))
    first = shared.post(body, key=key)
    stored = len(shared.stored())
    assert shared.post(body, key=f'"{key}"').body == first.body
    assert first.body["ids"][0].startswith("018f2c5e-1234-8")
    assert len(shared.stored()) == stored
    assert shared.post(body).body["ids"] != first.body["ids"]
    assert len(shared.stored()) == stored + 50


def test_ten_thousand_lines(shared):
    start = time.monotonic()
    answer = shared.post(lines(patients(10_000)), key="ten-thousand")
    print(f"10,000 records in one request: {time.monotonic() - start:.2f} s")
    assert (answer.status, answer.body["accepted"], len(set(answer.body["ids"]))) == (200, 10_000, 10_000)
    assert set(answer.body["ids"]) <= set(shared.stored())


@pytest.mark.parametrize("at", [0, 3, 700])
def test_a_bad_line_and_nothing_is_taken(shared, at):
    records = lines(patients(at)) + b'{"patient_id":"P","diagnosis":7}\n' + lines(patients(5))
    before = len(shared.stored())
    answer = shared.post(records)
    assert (answer.status, answer.body["line"]) == (422, at + 1), answer.body
    assert answer.headers["content-type"] == "application/problem+json" and answer.body["reason"]
    assert len(shared.stored()) == before


@pytest.mark.parametrize("status, body, headers", [
    (400, b'{"patient_id":', ONE), (400, b" \n \r\n", LINES), (400, b"[]", ONE), (400, BODY + b"\0", LINES),
    (400, BODY + BODY, ONE), (415, BODY, {}), (415, BODY, {"Content-Type": "text/plain"}),
    (415, BODY, {"Content-Type": "application/x-www-form-urlencoded"}), (415, BODY, {**LINES, "Content-Encoding": "gzip"}),
    (415, BODY, {"Content-Type": "application/json; charset=latin1"}), (413, b" " * (4 << 20) + BODY, LINES),
    (400, BODY, {**LINES, "Idempotency-Key": "k" * 129}), (400, BODY, {**LINES, "Idempotency-Key": "a b"}),
    (403, BODY, {**LINES, "Origin": "https://evil.example"}), (403, BODY, {**LINES, "Origin": "null"}),
    (403, BODY, {**LINES, "Sec-Fetch-Site": "cross-site"}), (421, BODY, {**LINES, "Host": "evil.example"})],
                         ids=itertools.count())
def test_refusals(shared, status, body, headers):
    before = len(shared.stored())
    answer = shared.post(body, headers)
    assert answer.status == status, answer.body
    assert answer.body["status"] == status and answer.body["detail"]
    assert len(shared.stored()) == before


def test_paths_and_methods(shared):
    assert shared.post(BODY, path="/v1/ingest/in").status == 200
    assert shared.post(BODY, headers={**LINES, "Origin": f"http://127.0.0.1:{shared.port}"}).status == 200
    for path in ("/v1/ingest/store", "/v1/ingest/nobody"):
        assert shared.post(BODY, path=path).status == 404
    for method in ("GET", "PUT", "DELETE", "OPTIONS"):
        answer = shared.post(b"", path="/v1/ingest", method=method)
        assert (answer.status, answer.headers["allow"]) == (405, "POST")
    answer = shared.post(BODY, path="/v1/graph")
    assert answer.status == 413


def request(headers, body=b"", method="POST", path="/v1/ingest"):
    return f"{method} {path} HTTP/1.1\r\n{HOST}{headers}\r\n".encode() + body


CHUNKED = b"%x\r\n%s\r\n0\r\n\r\n" % (len(BODY), BODY)
SMUGGLED = b"GET /livez HTTP/1.1\r\nHost: localhost\r\n\r\n"


@pytest.mark.parametrize("status, data", [
    (411, request(TYPE + "Transfer-Encoding: chunked\r\n", CHUNKED)),
    (411, request(TYPE)),
    (400, request(TYPE + f"Content-Length: {len(BODY)}\r\nTransfer-Encoding: chunked\r\n", CHUNKED)),
    (400, request(TYPE + f"Transfer-Encoding: chunked\r\nContent-Length: {len(CHUNKED)}\r\n", CHUNKED + SMUGGLED)),
    (400, request(TYPE + f"Content-Length: {len(BODY)}\r\nContent-Length: {len(BODY + SMUGGLED)}\r\n", BODY + SMUGGLED)),
    (400, request(TYPE + f"Content-Length: {len(BODY)}, {len(BODY)}\r\n", BODY)),
    (400, request(TYPE + f"Content-Length: +{len(BODY)}\r\n", BODY)),
    (400, request(TYPE + "Content-Length: 99999999999999999999999\r\n", BODY)),
    (400, request(TYPE + TYPE + f"Content-Length: {len(BODY)}\r\n", BODY)),
    (400, request(TYPE + f"Content-Length : {len(BODY)}\r\n", BODY)),
    (400, request(TYPE + "Transfer-Encoding: xchunked\r\n", CHUNKED)),
], ids=itertools.count())
def test_lengths_that_can_be_read_in_two_ways(shared, status, data):
    before = len(shared.stored())
    found = statuses(shared.raw(data, half_close=True))
    assert found[:1] == [status] or found == [] and status == 400, found
    assert len(found) <= 1 and len(shared.stored()) == before


def test_one_connection_serves_many(shared):
    one = request(TYPE + f"Content-Length: {len(BODY)}\r\n", BODY)
    last = request(TYPE + f"Connection: close\r\nContent-Length: {len(BODY)}\r\n", BODY)
    assert statuses(shared.raw(one * 3 + SMUGGLED + last)) == [200, 200, 200, 200, 200]


def test_a_body_in_small_pieces_and_half_a_body(shared):
    data = request(TYPE + f"Connection: close\r\nContent-Length: {len(BODY)}\r\n", BODY)
    with socket.create_connection(("127.0.0.1", shared.port), 20) as client:
        for at in range(0, len(data), 7):
            client.sendall(data[at:at + 7])
            time.sleep(0.01)
        assert client.recv(100).startswith(b"HTTP/1.1 200 ")
    before = len(shared.stored())
    assert statuses(shared.raw(data[:-10], half_close=True)) == []
    assert len(shared.stored()) == before and shared.status() == 200


def test_refused_before_the_body_is_read(shared):
    """The answer comes while a large body is still being sent, and the rest of it is not kept."""
    process = shared.running[0]
    before = memory_bytes(process)
    clients = []
    for number in range(40):
        client = socket.create_connection(("127.0.0.1", shared.port), 20)
        kind = "Content-Type: text/plain\r\n" if number % 2 else TYPE + "Transfer-Encoding: chunked\r\n"
        client.sendall(request(kind + ("Content-Length: 4000000\r\n" if number % 2 else "")))
        clients.append(client)
    for number, client in enumerate(clients):
        assert client.recv(1000).startswith(b"HTTP/1.1 415 " if number % 2 else b"HTTP/1.1 411 ")
        client.setblocking(False)
        for _ in range(20):
            try:
                client.send(b"x" * 65536)
            except (BlockingIOError, ConnectionError):
                break
    assert shared.status() == 200
    assert memory_bytes(process) - before < 20 << 20
    for client in clients:
        client.close()


def test_bodies_that_are_being_sent_have_a_budget(shared):
    """Four times the longest body; who comes then is told to come later, and can when the others are done. Small ones always."""
    clients = []
    for _ in range(5):
        client = socket.create_connection(("127.0.0.1", shared.port), 20)
        client.sendall(request(TYPE + f"Content-Length: {4 << 20}\r\n"))
        clients.append(client)
        assert shared.status() == 200  # by now it has come
    last = clients.pop()
    found = last.recv(2000)
    assert found.startswith(b"HTTP/1.1 429 ") and b"retry-after: 1" in found
    last.close()
    assert shared.post(BODY).status == 200 and shared.post(lines(patients(500))).status == 200
    for client in clients:
        client.close()
    assert wait_for(lambda: shared.post(b" " * (4 << 20), LINES).status == 400, 30)


def test_two_hundred_clients(shared):
    def send(number):
        return shared.post(lines(patients(3, number * 3)), key=f"client-{number}", timeout=60)
    start = time.monotonic()
    with concurrent.futures.ThreadPoolExecutor(200) as pool:
        answers = list(pool.map(send, range(200)))
    print(f"200 clients at once: {time.monotonic() - start:.2f} s")
    assert [answer.status for answer in answers] == [200] * 200
    ids = [identity for answer in answers for identity in answer.body["ids"]]
    assert len(set(ids)) == 600 and set(ids) <= set(shared.stored())


def test_curl(shared):
    """As the head of conf/http.yaml says."""
    text = (pathlib.Path(__file__).resolve().parents[2] / "conf/http.yaml").read_text()
    command = text[text.index("curl "):text.index("/v1/ingest") + 10].replace("#", "").replace("\\\n", " ").replace("8080", str(shared.port))
    done = subprocess.run(["bash", "-c", command.replace("curl ", "curl -s ")], capture_output=True, timeout=30, check=True)
    assert json.loads(done.stdout)["accepted"] == 1, done.stdout


def test_no_value_in_log_or_answer(world):
    canaries = Canaries(SEED)
    process = world.begin()
    said = b""
    for number in range(12):
        record = canaries.healthcare()
        spoiled = [{**record, "age": record["name"]}, {**record, "diagnosis": [record["ssn"]]}, {**record, "patient_id": None}][number % 3]
        body = json.dumps(spoiled).encode() if number % 2 else json.dumps(spoiled).encode()[:-5]
        answer = world.post(body, ONE)
        assert answer.status in (400, 422)
        said += answer.raw + str(answer.headers).encode()
    end(process)
    assert canaries.find(said + process.log.read_bytes()) == []
    assert canaries.find_in(world.at / "state") == {}


def test_kill_after_the_answer(world):
    process = world.begin()
    answer = world.post(lines(patients(20)), key="first")
    process.kill()
    process.wait()
    assert sorted(answer.body["ids"]) == sorted(world.stored())
    world.again()
    assert world.post(lines(patients(20)), key="first").body == answer.body
    assert len(world.stored()) == 20


def test_kill_before_the_answer(world):
    process = world.begin()
    with concurrent.futures.ThreadPoolExecutor(1) as pool:
        with world.standstill():
            waiting = pool.submit(world.post, lines(patients(700)), LINES, "again")
            time.sleep(0.5)
            assert not waiting.done()
            process.kill()
            process.wait()
        with pytest.raises(OSError):
            waiting.result()
    world.again()
    answer = world.post(lines(patients(700)), key="again")
    assert answer.status == 200 and sorted(answer.body["ids"]) == sorted(world.stored())


def test_standstill_turns_clients_away_and_goes_on(world):
    """A slow store: what fits is kept, the others hear 429, those who wait too long 503; nobody's record is lost or doubled."""
    world.begin(", max_record: 64KiB, max_body: 64KiB, queue_bytes: 256KiB, answer_within: 2s")
    body = lines(patients(700))
    with concurrent.futures.ThreadPoolExecutor(30) as pool:
        with world.standstill():
            answers = list(pool.map(lambda number: world.post(body, key=f"k{number}"), range(30)))
        assert {answer.status for answer in answers} == {429, 503}, [answer.status for answer in answers]
        assert all(answer.headers["retry-after"] in ("1", "5") for answer in answers)

    def until_taken(number):
        assert wait_for(lambda: world.post(body, key=f"k{number}").status == 200, 40, 0.1)
    for number in range(30):
        until_taken(number)
    assert len(world.stored()) == 30 * 700


def test_a_client_that_leaves(world):
    world.begin()
    with world.standstill():
        with socket.create_connection(("127.0.0.1", world.port), 10) as client:
            client.sendall(request(TYPE + f"Content-Length: {len(BODY)}\r\n", BODY))
            time.sleep(0.3)
    assert wait_for(lambda: len(world.stored()) == 1, 30)
    assert world.post(BODY).status == 200 and world.status() == 200


def test_drains(world):
    """What was taken before SIGTERM is answered 200, what comes later 503; then it ends well."""
    process = world.begin()
    with contextlib.ExitStack() as stack:
        with world.standstill():
            clients = [stack.enter_context(socket.create_connection(("127.0.0.1", world.port), 60)) for _ in range(20)]
            for number, client in enumerate(clients):
                body = lines(patients(100, number))
                client.sendall(request(TYPE + f"Idempotency-Key: k{number}\r\nConnection: close\r\nContent-Length: {len(body)}\r\n", body))
            assert wait_for(lambda: unread_bytes(world.port) == 0, 30) and world.status() == 200
            process.send_signal(signal.SIGTERM)
            assert wait_for(lambda: world.status() == 503, 30)
            late = world.post(BODY)
            assert (late.status, late.headers["retry-after"]) == (503, "5")
        answers = [client.makefile("rb").read() for client in clients]
    assert process.wait(60) == 0, process.log.read_text()
    assert [statuses(answer) for answer in answers] == [[200]] * 20
    assert len(world.stored()) == 2000


def test_token_and_tls(world, certificate):
    world.begin(settings=settings_of(certificate), host="0.0.0.0", context=client_context())
    token = {"Authorization": f"Bearer {TOKEN}"}
    large = lines(patients(20_000))
    assert world.post(BODY).status == 401 and world.post(large).status == 401
    assert world.post(BODY, {**LINES, "Authorization": "Bearer " + "x" * 40}).status == 401
    assert world.post(BODY, {**LINES, **token}).body["accepted"] == 1
    assert world.post(large, {**LINES, **token}).body["accepted"] == 20_000


def test_two_sources(world):
    other = CHAIN.replace("%s", "").replace("after: in,", "after: [in, more],")
    world.begin(nodes="  more: { op: source, from: http, schema: healthcare }\n" + other)
    assert world.post(BODY).status == 404
    first = world.post(BODY, path="/v1/ingest/in", key="k")
    second = world.post(BODY, path="/v1/ingest/more", key="k")
    assert first.body["ids"] != second.body["ids"] and len(world.stored()) == 2
