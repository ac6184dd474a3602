#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""test_redis.py - records from Redis streams, by a real server of the test's own: none lost and none twice, whatever ends
or refuses or answers badly.

shows: ING-3 ING-4 ING-5 ING-6 ING-8 ING-11 BCP-2 BCP-8
"""
import collections
import json
import os
import pathlib
import re
import signal
import socket
import socketserver
import subprocess
import sys
import threading
import time

import pytest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "tools"))
import canary
import oracle
from redis_server import RedisServer
from redis_world import (CHAIN, SETTINGS, SOURCE, add, await_census, censuses, graph, log_of, patient, pending, refused, stored,
                         told_for_good, trimmed, wait_stored, wanted)
from world import World, end, free_port, get, wait_for

@pytest.fixture(name="redis")
def make_redis(tmp_path):
    with RedisServer(tmp_path / "redis", aof=True) as server:
        yield server


@pytest.fixture(name="world")
def make_world(tmp_path, datavault):
    with World(tmp_path / "w", datavault) as made:
        yield made


def test_many_records_once_each_and_all_acknowledged(redis, world):
    client = redis.client()
    ids = add(client, range(5000))
    process = world.start("run", graph(world, redis.port))
    ids += add(client, range(5000, 20000))
    wait_stored(world, ids)
    assert wait_for(lambda: pending(client) == 0, 30)
    assert end(process)[0] == 0, log_of(process)
    identity = oracle.uuid.UUID(bytes=oracle.rows(world.path("vault.sqlite"))[0][0])
    assert b'"patient_id":"P0000000"' in world.retrieve(str(identity))


def test_a_record_is_as_old_as_its_entry(redis, world):
    """Sealed is when the record entered the stream, which the entry's id tells unless it can be no time."""
    client, before = redis.client(), int(time.time() * 1000)
    said = {"1-1": None, "946684799999-5": None, "946684800000-0": 946684800000, "1700000000123-0": 1700000000123}
    ids = [*said, "7258118400000-0"]  # of the year 2200
    for number, name in enumerate(ids):
        client("XADD", "s", name, "data", oracle.to_json(patient(number)))
    process = world.start("run", graph(world, redis.port))
    wait_stored(world, ids)
    assert end(process)[0] == 0, log_of(process)
    created = sorted(row[0] for row in oracle.rows(world.path("vault.sqlite"), "created_at"))
    assert created[:2] == [at for at in said.values() if at] and len(created) == 5
    assert before <= created[2] and created[4] <= time.time() * 1000


def test_several_streams_in_one_source(redis, world):
    client = redis.client()
    ids = [one for stream in "abc" for one in add(client, range(1000), stream)]
    text = (CHAIN % (SOURCE % (redis.port, ""))).replace("stream: s", "stream: [a, b, c]")
    process = world.start("run", world.graph(text))
    assert wait_for(lambda: sum(stored(world).values()) == 3000, 20)
    assert len(oracle.rows(world.path("vault.sqlite"))) == len(ids) == 3000
    assert wait_for(lambda: all(pending(client, stream) == 0 for stream in "abc"), 30)
    assert end(process)[0] == 0


def test_nothing_is_lost_or_doubled_when_it_is_killed(redis, world, draw):
    client = redis.client()
    name, ids = graph(world, redis.port), []
    for number in range(10):
        ids += add(client, range(number * 1000, number * 1000 + 1000))
        process = world.start("run", name)
        time.sleep(draw.random() * 0.4)
        process.kill()
        process.wait()
    process = world.start("run", name)
    assert wait_for(lambda: "redis.connected" in log_of(process), 30)  # all may be stored before it has begun
    wait_stored(world, ids)
    assert wait_for(lambda: pending(client) == 0, 30)
    assert end(process)[0] == 0, log_of(process)


def test_a_stop_leaves_nothing_to_be_delivered_again(redis, world, draw):
    client = redis.client()
    name, ids = graph(world, redis.port), []
    for number in range(5):
        ids += add(client, range(number * 3000, number * 3000 + 3000))
        process = world.start("run", name)
        assert wait_for(lambda: "redis.connected" in log_of(process), 30)
        time.sleep(draw.random() * 0.2)
        code, seconds = end(process)
        assert code == 0 and seconds < 10, log_of(process)
        read = dict(zip(*[iter(client("XINFO", "GROUPS", "s")[0])] * 2))[b"entries-read"]
        assert sum(stored(world).values()) == (read or 0) - pending(client)
    process = world.start("run", name)
    assert wait_for(lambda: "redis.connected" in log_of(process), 30)
    wait_stored(world, ids)
    assert end(process)[0] == 0


def test_the_server_is_killed_and_comes_back(redis, world):
    client = redis.client()
    ids = add(client, range(2000))
    process = world.start("run", graph(world, redis.port))
    for number in range(3):
        wait_for(lambda: sum(stored(world).values()) > number * 1000, 10)
        redis.stop(kill=True)
        time.sleep(0.5)
        redis.start()
        client = redis.client()
        start = time.monotonic()
        ids += add(client, range(2000 + number * 1000, 3000 + number * 1000))
        wait_stored(world, ids)
        assert time.monotonic() - start < 7, "it takes more than 5 s to go on"
    assert end(process)[0] == 0, log_of(process)
    assert "redis.lost" in log_of(process)


def test_a_server_that_becomes_a_replica_is_waited_for_and_looked_up_again(redis, world):
    client = redis.client()
    ids = add(client, range(500))
    process = world.start("run", graph(world, redis.port))
    wait_stored(world, ids)
    client("REPLICAOF", "127.0.0.1", "1")
    assert wait_for(lambda: "the server is a replica" in log_of(process), 30)
    assert wait_for(lambda: "its name is looked up again" in log_of(process), 30)
    client("REPLICAOF", "NO", "ONE")
    ids += add(client, range(500, 1000))
    wait_stored(world, ids)
    assert wait_for(lambda: pending(client) == 0, 30)
    assert end(process)[0] == 0
    assert len(log_of(process).splitlines()) < 20, "nothing is told twice a second"


def test_the_server_is_down_at_the_start(tmp_path, world):
    redis = RedisServer(tmp_path / "late")
    port = free_port()
    process = world.start("run", graph(world, redis.port, settings=SETTINGS % port))
    assert wait_for(lambda: get(port, "/readyz")[0] == 503, 30)
    assert process.poll() is None
    assert wait_for(lambda: log_of(process).count("redis.lost") >= 2, 30), log_of(process)
    time.sleep(1.5)
    assert log_of(process).count("redis.lost") == 2, "each connection tells each reason once"
    with redis:
        ids = add(redis.client(), range(100))
        wait_stored(world, ids)
        assert wait_for(lambda: get(port, "/readyz")[0] == 200, 30)
    assert end(process)[0] == 0


def test_a_stop_while_the_server_is_down(world):
    process = world.start("run", graph(world, free_port()))
    assert wait_for(lambda: "redis.lost" in log_of(process), 30)
    code, seconds = end(process)
    assert code == 0 and seconds < 5


def test_a_server_that_hangs_is_left(redis, world):
    client = redis.client()
    ids = add(client, range(10))
    process = world.start("run", graph(world, redis.port, ", command_timeout: 500ms, block: 100ms"))
    wait_stored(world, ids)
    redis.process.send_signal(signal.SIGSTOP)
    assert wait_for(lambda: "does not answer in time" in log_of(process) or "cannot be reached in time" in log_of(process), 30)
    redis.process.send_signal(signal.SIGCONT)
    ids += add(client, range(10, 20))
    wait_stored(world, ids)
    assert end(process)[0] == 0


# ---- refused ----

def test_a_user_with_a_password(redis, world, draw):
    secret = canary.Canaries(draw.random())
    word = secret.word("password", 20)
    client = redis.client()
    client("ACL", "SETUSER", "vault", "on", ">" + word, "~*", "+@all")
    ids = add(client, range(100))
    name = graph(world, redis.port, ", user: vault, password: env:REDIS_SECRET")
    refused(world, name, 3, "does not accept this user and password", {"REDIS_SECRET": "wrong"})
    process = world.start("run", name, env={"REDIS_SECRET": word})
    wait_stored(world, ids)
    assert not secret.find(pathlib.Path(f"/proc/{process.pid}/cmdline").read_bytes())
    client("ACL", "SETUSER", "vault", "resetpass", ">another") # while it runs: waited for, not given up
    client("CLIENT", "KILL", "USER", "vault")
    assert wait_for(lambda: "does not accept" in log_of(process), 30)
    client("ACL", "SETUSER", "vault", ">" + word)
    ids += add(client, range(100, 200))
    wait_stored(world, ids)
    assert end(process)[0] == 0
    assert not secret.find_in(world.at)


def test_a_password_is_asked_for(redis, world):
    redis.client()("CONFIG", "SET", "requirepass", "x")
    refused(world, graph(world, redis.port), 3, "set `password`")


def test_a_key_of_another_type(redis, world):
    redis.client()("SET", "s", "text")
    refused(world, graph(world, redis.port), 3, "the key holds something else than a stream")


def test_a_user_who_may_not_read(redis, world):
    redis.client()("ACL", "SETUSER", "poor", "on", ">p", "~other", "+@all")
    name = graph(world, redis.port, ", user: poor, password: env:REDIS_SECRET")
    refused(world, name, 3, "the user may not do this", {"REDIS_SECRET": "p"})


@pytest.mark.parametrize("url, text", [
    ("http://127.0.0.1", "does not begin with redis://"), ("redis://", "its host is missing"),
    ("redis://h:0", "its port is not 1..65535"), ("redis://h:65536", "its port is not 1..65535"),
    ("redis://h/x", "its database is not a number"), ("redis://h:1/2/3", "does not belong there")])
def test_a_wrong_url(world, url, text):
    done = world.run("check", world.graph((CHAIN % (SOURCE % (1, ""))).replace("redis://127.0.0.1:1", url)))
    assert done.returncode == 3 and text in done.stdout.decode() + done.stderr.decode()


def test_a_password_in_the_url_is_refused_and_not_shown(world):
    done = world.run("check", world.graph((CHAIN % (SOURCE % (1, ""))).replace("127.0.0.1", "u:Kq7zPw2x@127.0.0.1")))
    said = done.stdout.decode() + done.stderr.decode()
    assert done.returncode == 3 and "belong into the options" in said and "Kq7zPw2x" not in said


def test_a_database_the_server_lacks(redis, world):
    name = world.graph((CHAIN % (SOURCE % (redis.port, ""))).replace(f":{redis.port}", f":{redis.port}/999"))
    refused(world, name, 3, "no database of this number")


class OldServer(socketserver.StreamRequestHandler):
    """Knows no more than Redis 6.0 needs to be asked for its version."""

    def handle(self):
        while head := self.rfile.readline():
            words = []
            for _ in range(int(head[1:])):
                size = int(self.rfile.readline()[1:])
                words.append(self.rfile.read(size + 2)[:-2])
            info = b"# Server\r\nredis_version:6.0.16\r\nrun_id:0123\r\n"
            self.wfile.write({b"PING": b"+PONG\r\n", b"XGROUP": b"+OK\r\n", b"XREADGROUP": b"*-1\r\n",
                              b"INFO": b"$%d\r\n%s\r\n" % (len(info), info)}.get(words[0], b"-ERR unknown command\r\n"))


def test_a_server_that_is_too_old(world):
    with socketserver.ThreadingTCPServer(("127.0.0.1", 0), OldServer) as server:
        server.daemon_threads = True
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            refused(world, graph(world, server.server_address[1]), 3, "the server is too old: Redis 6.2 or later is needed")
        finally:
            server.shutdown()
            thread.join()


# ---- entries ----

def test_an_entry_of_64_mb_is_rejected_without_being_stored(redis, world):
    client = redis.client()
    client("XADD", "s", "*", "data", b'{"patient_id":"' + b"x" * (64 << 20) + b'"}')
    ids = add(client, range(100))
    process = world.start("run", graph(world, redis.port))
    wait_stored(world, ids)
    assert wait_for(lambda: pending(client) == 0, 30)
    assert end(process)[0] == 0
    assert [letter["reason"] for letter in world.letters()] == ["the entry is longer than max_record"]


def test_bad_entries_become_dead_letters_and_are_acknowledged(redis, world, draw):
    secret = canary.Canaries(draw.random())
    word = secret.word("value", 20)
    client = redis.client()
    client("XADD", "s", "*", "data", '{"patient_id": "%s",, }' % word)
    client("XADD", "s", "*", "other", word, "more", "x")
    client("XADD", "s", "*", "data", "\"" + word * 100_000 + "\"")
    client("XADD", "s", "*", "data", "")
    client("XADD", "s", "*", "x", "y" * 3_000_000, "data", '{"patient_id":"q","diagnosis":"x"}')
    ids = add(client, range(300))
    process = world.start("run", graph(world, redis.port))
    assert wait_for(lambda: sum(stored(world).values()) == 301 and pending(client) == 0, 20)
    assert end(process)[0] == 0
    letters = world.letters()
    assert sorted(letter["reason"] for letter in letters) == sorted([
        "malformed JSON", "the entry has no such field", "the entry is longer than max_record", "an empty text"]), letters
    assert wanted(ids) - stored(world) == collections.Counter()
    assert not secret.find(process.log.read_bytes())


def test_entries_that_were_deleted_while_pending(redis, world):
    client = redis.client()
    ids = add(client, range(10))
    client("XGROUP", "CREATE", "s", "datavault", "0")
    client("XREADGROUP", "GROUP", "datavault", "me", "COUNT", "10", "STREAMS", "s", ">")
    client("XDEL", "s", *ids[:3])
    process = world.start("run", graph(world, redis.port))
    wait_stored(world, ids[3:])
    assert wait_for(lambda: pending(client) == 0, 30)
    assert end(process)[0] == 0
    assert [letter["reason"] for letter in world.letters()] == ["the entry was deleted before it was read"] * 3


def test_entries_of_a_dead_consumer_are_taken_over(redis, world):
    client = redis.client()
    ids = add(client, range(1000))
    client("XGROUP", "CREATE", "s", "datavault", "0")
    client("XREADGROUP", "GROUP", "datavault", "dead", "COUNT", "700", "STREAMS", "s", ">")
    client("XDEL", "s", ids[0])
    process = world.start("run", graph(world, redis.port, ", claim_after: 2s"))
    wait_stored(world, ids[700:])
    wait_stored(world, ids[1:])
    assert wait_for(lambda: pending(client) == 0, 30)
    assert end(process)[0] == 0
    assert [letter["reason"] for letter in world.letters()] == ["the entry was deleted before it was read"]


def test_entries_trimmed_unread_are_counted(redis, world):
    client = redis.client()
    name, ids = graph(world, redis.port), add(client, range(10))
    process = world.start("run", name)
    wait_stored(world, ids)
    assert end(process)[0] == 0
    ids += add(client, range(10, 100))
    client("XTRIM", "s", "MAXLEN", 51)
    process = world.start("run", name)
    wait_stored(world, ids[:10] + ids[49:])
    assert wait_for(lambda: sum(trimmed(process)) == 39, 30), log_of(process)
    await_census(client)
    process.send_signal(signal.SIGSTOP)
    ids += add(client, range(100, 150))
    client("XTRIM", "s", "MAXLEN", 20)
    process.send_signal(signal.SIGCONT)
    await_census(client)
    assert wait_for(lambda: pending(client) == 0 and sum(trimmed(process)) == 150 - sum(stored(world).values()), 30), (stored(world), trimmed(process))
    assert end(process)[0] == 0
    assert [letter["reason"] for letter in world.letters()].count("entries were trimmed or deleted before they were read") >= 1


def test_what_was_trimmed_is_told_once_whatever_ends(redis, world):
    client = redis.client()
    name, ids = graph(world, redis.port), add(client, range(10))
    process = world.start("run", name)
    wait_stored(world, ids)
    assert end(process)[0] == 0
    for lost, more in ((39, 90), (20, 30), (0, 10), (5, 8)): # each time while the program is down
        ids += add(client, range(len(ids), len(ids) + more))
        ids = ids[:len(ids) - more] + ids[len(ids) - more + lost:]
        client("XTRIM", "s", "MAXLEN", more - lost)
        process = world.start("run", name)
        wait_stored(world, ids)
        assert wait_for(lambda: sum(trimmed(process)) == lost, 30), (lost, log_of(process))
        if lost == 39:
            assert wait_for(lambda: told_for_good(world, lost), 30)
        process.kill() if lost == 39 else end(process)
        process.wait()
        before, again = censuses(client), world.start("run", name)
        assert wait_for(lambda: censuses(client) > before + 1, 30)
        assert end(again)[0] == 0 and not trimmed(again), "what was told is told again"
    redis.stop(kill=True)  # the group's count does not survive this, and proves nothing then
    redis.start()
    client = redis.client()
    ids += add(client, range(1000, 1100))
    process = world.start("run", name)
    wait_stored(world, ids)
    await_census(client)
    process.send_signal(signal.SIGSTOP)
    ids += add(client, range(1100, 1150))[-20:]
    client("XTRIM", "s", "MAXLEN", 20)
    process.send_signal(signal.SIGCONT)
    assert wait_for(lambda: pending(client) == 0 and sum(trimmed(process)) == len(wanted(ids)) + 30 - len(stored(world)), 30), log_of(process)
    await_census(client)
    assert sum(trimmed(process)) == len(wanted(ids)) + 30 - len(stored(world)), log_of(process)
    assert end(process)[0] == 0


def test_the_stream_is_deleted_while_it_is_read(redis, world):
    client = redis.client()
    ids = add(client, range(10))
    process = world.start("run", graph(world, redis.port))
    wait_stored(world, ids)
    client("DEL", "s")
    ids += add(client, range(10, 20))
    wait_stored(world, ids)
    assert end(process)[0] == 0


def test_large_entries_are_read_within_bounds(redis, world):
    client = redis.client()
    note = "x" * 900_000
    for number in range(100):
        client("XADD", "s", "*", "data", json.dumps({"patient_id": f"p{number}", "diagnosis": "x", "note": note}))
    process = world.start("run", graph(world, redis.port))
    assert wait_for(lambda: sum(stored(world).values()) == 100 and pending(client) == 0, 60)
    peak = int(re.search(r"VmHWM:\s+(\d+) kB", pathlib.Path(f"/proc/{process.pid}/status").read_text())[1])
    assert end(process)[0] == 0
    if "san" not in os.environ.get("DATAVAULT", ""):
        assert peak < 600_000, f"{peak} kB"


# ---- TLS ----

@pytest.fixture(name="tls")
def make_tls(tmp_path):
    folder = tmp_path / "tls"
    folder.mkdir()
    subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-subj",
                    "/CN=localhost", "-addext", "subjectAltName=DNS:localhost", "-days", "2", "-keyout", "key.pem", "-out",
                    "cert.pem"], cwd=folder, check=True, capture_output=True)
    with RedisServer(tmp_path / "redis-tls", tls=folder) as server:
        yield server


def tls_graph(world, tls, host="localhost", more=""):
    text = CHAIN % (SOURCE % (1, more))
    return world.graph(text.replace("redis://127.0.0.1:1", f"rediss://{host}:{tls.tls_port}"))


def test_tls_with_a_certificate_that_is_trusted(tls, world):
    client = tls.client()
    ids = add(client, range(3000))
    process = world.start("run", tls_graph(world, tls, more=f', ca: {tls.tls / "cert.pem"}'))
    wait_stored(world, ids)
    assert wait_for(lambda: pending(client) == 0, 30)
    tls.stop()
    tls.start()
    client = tls.client()
    ids += add(client, range(3000, 4000))
    wait_stored(world, ids)
    assert end(process)[0] == 0


def test_tls_with_a_certificate_for_another_name(tls, world):
    name = tls_graph(world, tls, "127.0.0.1", f', ca: {tls.tls / "cert.pem"}')
    refused(world, name, 3, "the server's certificate is for another name")


def test_tls_with_a_certificate_nobody_knows(tls, world):
    refused(world, tls_graph(world, tls), 3, "signed by nobody that is trusted")


def test_tls_asked_of_a_server_without(redis, world):
    text = (CHAIN % (SOURCE % (redis.port, ", connect_timeout: 1s"))).replace("redis://", "rediss://")
    process = world.start("run", world.graph(text))
    assert wait_for(lambda: "redis.lost" in log_of(process), 30)
    assert process.poll() is None and end(process)[0] == 0


# ---- hostile servers ----

@pytest.mark.parametrize("answer", [
    b"HTTP/1.1 200 OK\r\n\r\n", b"+" + b"x" * 200_000, b"*1000000000\r\n", b"*-5\r\n", b"$99999999999999999999\r\n",
    b"*1\r\n" * 20 + b":1\r\n", b"+PONG\r\n" * 3, b"$-1\r\n+PONG\r\n:5\r\n", b"", b"-ERR \xff\xfe\r\n"],
    ids=lambda answer: f"{answer[:8]!r}")  # pytest puts the id into the environment, which has a limit
def test_a_server_that_talks_nonsense(world, answer):
    listener = socket.create_server(("127.0.0.1", 0))
    listener.settimeout(0.2)
    over = threading.Event()

    def serve():
        while not over.is_set():
            try:
                peer, _ = listener.accept()
                peer.settimeout(1)
                peer.recv(4096)
                peer.sendall(answer)
                peer.close()
            except OSError:
                pass

    thread = threading.Thread(target=serve)
    thread.start()
    process = world.start("run", graph(world, listener.getsockname()[1]))
    assert wait_for(lambda: "redis.lost" in log_of(process), 30)
    time.sleep(0.3)
    assert process.poll() is None
    assert end(process)[0] == 0
    over.set()
    thread.join()
    listener.close()
