# SPDX-License-Identifier: Apache-2.0
# test_server_events.py - the event stream of `datavault run`: goes on where it was, and no reader holds up another.
#
# shows: MIS-6 MIS-7
import concurrent.futures
import json
import pathlib
import re
import signal
import socket
import ssl
import sys
import time

import pytest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "tools"))
from world import wait_for
from server_world import TOKEN, Server, make_certificate, make_secured, make_server

__all__ = ["make_certificate", "make_secured", "make_server"]  # fixtures, by their names


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
    stream.next("stats")
    last = stream.next("stats")["id"]
    stream.close()
    time.sleep(1)
    again = Stream(server, {"Last-Event-ID": last})
    numbers = []
    for event in again.events():
        if "id" in event:
            numbers.append(int(event["id"].split("-")[1]))
        if len(numbers) == 12:
            break
    again.close()
    first = int(last.split("-")[1]) + 1
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


LATE = """
  once:   { op: source, from: file, path: once.jsonl, schema: healthcare, checkpoint: false }
  hour:   { op: aggregate, after: once, by: diagnosis, window: 1h, top: 250 }
"""
SLOW = [f"slow-{number:02}" for number in range(20)]


def number_of(event):
    return int(event["id"].split("-")[1])


@pytest.fixture(name="late", scope="module")
def make_late(tmp_path_factory):
    """A window of an hour ended with its source before anybody came: twenty nodes told it once, and none tells it again."""
    directory = tmp_path_factory.mktemp("late")
    with open(directory / "once.jsonl", "w", encoding="utf-8") as out:
        for number in range(1250):
            out.write(json.dumps({"patient_id": "P%d" % number, "diagnosis": "Late %0100d" % (number % 250)}) + "\n")
    nodes = LATE + "".join(f"  {name}: {{ op: sink-sse, after: hour }}\n" for name in SLOW)
    one = Server(directory, nodes=nodes).wait()
    assert wait_for(lambda: all(node["records_in"] >= 250 for node in stats(one) if node["name"] in SLOW), 20)
    yield one
    assert one.stop() == 0, one.errors.read_text()
    assert "Sanitizer" not in one.errors.read_text()


def stats(server):
    return json.loads(server.get("/v1/stats").body)["nodes"]


def kept(events):
    """What comes before the first event that is live."""
    for event in events:
        if event.get("event") == "stats":
            return
        yield event


def test_who_comes_late_is_told_the_last_windows(late):
    stream = Stream(late)
    events = stream.events()
    assert next(events) == {"retry": "2000"}
    first = list(kept(events))
    numbers = [number_of(event) for event in first]
    # As many as fit, each once, as they were told, and older than what is live.
    names = {event["event"] for event in first}
    assert len(names) == len(first) and names < set(SLOW) and len(first) >= 12
    assert len({event["data"] for event in first}) == 1 and len(json.loads(first[0]["data"])["rows"]) == 250
    assert sum(len(event["data"]) for event in first) <= 1 << 20
    live = [number_of(stream.next("stats")) for _ in range(2)]
    assert numbers == sorted(numbers) and numbers[-1] < live[0] < live[1]
    stream.close()


def test_who_goes_on_is_told_nothing_twice(late):
    stream = Stream(late)
    events = stream.events()
    assert next(events) == {"retry": "2000"}
    first = list(kept(events))
    assert len(first) >= 12
    stats_id = stream.next("stats")["id"]
    stream.close()
    again = Stream(late, {"Last-Event-ID": stats_id})
    events = again.events()
    assert next(events) == {"retry": "2000"}
    assert [number_of(next(events)) for _ in range(2)] == [number_of({"id": stats_id}) + step for step in (1, 2)]
    again.close()
    lost = Stream(late, {"Last-Event-ID": "0000000000000000-1"})
    events = lost.events()
    assert next(events) == {"retry": "2000"} and next(events)["event"] == "reset"
    assert {event["event"] for event in first} == {event["event"] for event in kept(events)}
    lost.close()


def test_a_reload_that_changes_something_takes_the_last_windows_away(tmp_path):
    one = Server(tmp_path).wait()
    with open(tmp_path / "visits.jsonl", "a", encoding="utf-8") as out:
        out.writelines(json.dumps({"patient_id": "P%d" % number, "diagnosis": "Asthma"}) + "\n" for number in range(20))
    assert wait_for(lambda: stats(one)[-1]["records_in"] > 0, 20)
    config = tmp_path / "graph.yaml"
    for window, changed, told in (("100ms", [], True), ("200ms", ["trends"], False)):
        config.write_text(config.read_text().replace("window: 100ms", f"window: {window}"))
        assert json.loads(one.get("/v1/reload", method="POST").body)["changed"] == changed
        stream = Stream(one)
        events = stream.events()
        assert next(events) == {"retry": "2000"}
        assert ["live" for event in kept(events) if event["event"] == "live"] == ["live"] * told
        stream.close()
    assert one.stop() == 0, one.errors.read_text()


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


def dropped(server, trust):
    """How many streams were, by the reason."""
    text = server.get("/metrics", headers=trust).body.decode()
    return {reason: int(count) for reason, count in re.findall(r'streams_dropped_total{reason="(\w+)"} (\d+)', text)}


@pytest.mark.parametrize("which", ["server", "secured"])
def test_slow_reader_is_cut_off_and_others_go_on(request, which):
    one = request.getfixturevalue(which)
    trust = {"Authorization": "Bearer " + TOKEN} if which == "secured" else {}
    slow = Stream(one, trust, receive=4096)
    slow.file.close()
    quick = Stream(one, trust)
    seen = 0
    with concurrent.futures.ThreadPoolExecutor(1) as pool:  # who reads quickly does nothing else
        cut_off = pool.submit(wait_for, lambda: all(dropped(one, trust)[reason] >= 1 for reason in ("stall", "lag")), 60, 0.5)
        for event in quick.events():
            seen += event.get("event") == "stats"
            if seen >= 7 and cut_off.done():
                break
        quick.close()
        assert seen >= 7 and cut_off.result()
    assert drained(slow, 0) is not None
    slow.socket.close()


def test_closed_clients_are_forgotten(server):
    streams = [Stream(server) for _ in range(20)]
    for stream in streams:
        stream.close()
    assert wait_for(lambda: json.loads(server.get("/v1/stats").body)["streams"] == 0, 30)


def test_stream_budget(tmp_path):
    """Of a server with little to say: nobody is cut off meanwhile for not having read."""
    server, streams = Server(tmp_path).wait(), []
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
        assert server.stop() == 0, server.errors.read_text()


def test_goodbye_at_the_end(tmp_path):
    one = Server(tmp_path).wait()
    stream = Stream(one)
    stream.next("stats")
    one.process.send_signal(signal.SIGTERM)
    assert stream.next("bye")
    stream.close()
    assert one.process.wait(30) == 0


def test_end_does_not_wait_for_a_client_that_does_not_read(tmp_path):
    one = Server(tmp_path).wait()
    one.feeder.start()
    stream = Stream(one, receive=4096)
    time.sleep(2)
    started = time.monotonic()
    assert one.stop() == 0
    assert time.monotonic() - started < 6
    stream.close()
