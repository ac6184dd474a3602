#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""test_reviews.py - POST /v1/reviews and `datavault review`: a review is kept once, sealed, its reason redacted and nowhere readable,
counted by its verdict, and shown in groups of five; what is none is refused and leaves no trace.

shows: QLT-3 TPL-6 RAG-10
"""
import concurrent.futures
import contextlib
import json
import pathlib
import sys
import threading
import uuid

import pytest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "tools"))
from http_world import LINES, ONE, HttpWorld
from server_world import TOKEN
from world import ROOT, end, get, wait_for

CHAIN = """  reviews: { op: source, from: http, schema: review%s }
  reasons: { op: anonymize, after: reviews, policy: reviews }
  seal: { op: encrypt, after: reasons, key: healthcare }
  store: { op: sink-store, after: seal, path: vault.sqlite }
  verdicts: { op: aggregate, after: reasons, by: verdict, window: 200ms }
  rates: { op: sink-sse, after: verdicts }
"""
MAIL, PHONE = "zebrafish4711@b.example", "+1 (555) 010-4711"
CANARIES = (MAIL, "zebrafish4711", PHONE, "010-4711")


def review(answer=None, verdict="good", **more):
    return json.dumps({"answer": answer or str(uuid.uuid4()), "verdict": verdict, **more}).encode()


class ReviewWorld(HttpWorld):
    def begin(self, *arguments, nodes=CHAIN, **how):
        self.path("policies/reviews.yaml").write_text((ROOT / "conf/policies/reviews.yaml").read_text())
        return super().begin(*arguments, nodes=nodes, **how)

    def review(self, body, headers=ONE, path="/v1/reviews", **how):
        return self.post(body, headers, path=path, **how)

    def counted(self, token=None):
        lines = get(self.port, "/metrics", token)[1].decode().splitlines()
        found = dict(line.rsplit(" ", 1) for line in lines if line.startswith("datavault_reviews_total{"))
        return tuple(int(found[f'datavault_reviews_total{{verdict="{verdict}"}}']) for verdict in ("good", "bad"))


@pytest.fixture(name="world")
def make_world(tmp_path):
    with ReviewWorld(tmp_path) as world:
        yield world
        for process in world.running:
            assert "Sanitizer" not in process.log.read_text()


@pytest.fixture(name="shared", scope="module")
def make_shared(tmp_path_factory):
    with ReviewWorld(tmp_path_factory.mktemp("shared")) as world:
        process = world.begin(", max_body: 64KiB, max_record: 64KiB")
        yield world
        code, _ = end(process)
        assert code == 0, process.log.read_text()


def test_a_review_is_kept_sealed_and_once(world):
    process = world.begin()
    answer = str(uuid.uuid4())
    first = world.review(review(answer, "bad", reason="the flu is not in what it cites"))
    assert (first.status, first.body["verdict"]) == (201, "bad")
    again = [world.review(review(answer.upper(), verdict), key=key) for verdict, key in (("bad", None), ("good", "k1"), ("good", "k2"))]
    assert {(one.status, one.body["id"], one.body["verdict"]) for one in again} == {(200, first.body["id"], "bad")}
    assert world.review(review()).status == 201
    assert (world.counted(), len(world.stored())) == ((1, 1), 2)
    assert end(process)[0] == 0
    assert json.loads(world.retrieve(first.body["id"])) == {"answer": answer, "verdict": "bad", "reason": "the flu is not in what it cites"}
    process = world.again()  # it remembers nothing, but the store does
    after = world.review(review(answer, "good"))
    assert (after.status, after.body["id"], len(world.stored())) == (201, first.body["id"], 2)
    assert end(process)[0] == 0
    assert json.loads(world.retrieve(first.body["id"]))["verdict"] == "bad"


def test_at_the_same_time(shared):
    before, answer = shared.counted(), str(uuid.uuid4())
    with concurrent.futures.ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(lambda _: shared.review(review(answer)), range(8)))
    assert sorted(one.status for one in answers) == [200] * 7 + [201]
    assert len({one.body["id"] for one in answers}) == 1
    assert shared.counted() == (before[0] + 1, before[1])
    assert shared.stored().count(answers[0].body["id"]) == 1


def wrong(**more):
    """A review of always the same answer: each process of a test run must make the same list of tests."""
    return review(str(uuid.UUID(int=8)), **more)


@pytest.mark.parametrize("status, body, headers", [
    (400, b"", ONE), (400, b"{", ONE), (400, b"7", ONE), (400, wrong() + b"\n" + wrong(), ONE), (415, wrong(), LINES), (415, wrong(), {}),
    (400, b'{"answer":"%s","verdict":"good","verdict":"bad"}' % str(uuid.UUID(int=7)).encode(), ONE),
    (422, b"[]", ONE), (422, b"{}", ONE), (422, review("7"), ONE), (422, review(str(uuid.UUID(int=7)) + "x"), ONE), (422, b'{"answer":7,"verdict":"good"}', ONE),
    (422, b'{"verdict":"good"}', ONE), (422, wrong(verdict="Good"), ONE), (422, wrong(verdict=""), ONE), (422, wrong(verdict=None), ONE),
    (422, wrong(verdict=["good"]), ONE), (422, wrong(reason=7), ONE), (422, wrong(reason=None), ONE), (422, wrong(reason="x" * 4097), ONE),
    (422, wrong(reason="\u00e4" * 2049), ONE), (422, wrong(reviewer="zebrafish4711"), ONE), (413, wrong(reason="x" * 40_000), ONE),
    (403, wrong(), {**ONE, "Origin": "https://evil.example"})])
def test_what_is_no_review(shared, status, body, headers):
    before, kept = shared.counted(), len(shared.stored())
    answer = shared.review(body, headers)
    assert (answer.status, answer.body["status"]) == (status, status), answer.body
    assert answer.headers["content-type"] == "application/problem+json" and b"zebrafish" not in answer.raw
    assert (shared.counted(), len(shared.stored())) == (before, kept)


def test_bounds_paths_and_methods(shared):
    for reason in ("", "x" * 4096, "\u00e4" * 2048, "\x01" * 4000):
        assert shared.review(review(reason=reason)).status == 201
    assert shared.review(review(), path="/v1/reviews/reviews").status == 201
    for path in ("/v1/reviews/reasons", "/v1/reviews/nobody"):
        assert shared.review(review(), path=path).status == 404
    answer = shared.review(b"", method="GET")
    assert (answer.status, answer.headers["allow"]) == (405, "POST")


def test_a_reason_is_readable_nowhere(world):
    process = world.begin()
    kept = world.review(review(reason=f"ask {MAIL} or {PHONE} about it"))
    assert kept.status == 201
    refused = world.review(review(verdict=MAIL, reason=PHONE))
    known = [kept.raw, refused.raw] + [get(world.port, path)[1] for path in ("/metrics", "/v1/stats", "/v1/graph", "/readyz")]
    assert end(process)[0] == 0
    known += [file.read_bytes() for file in world.at.rglob("*") if file.is_file()]
    record = world.retrieve(kept.body["id"])
    assert b"about it" in record
    for canary in CANARIES:
        assert not any(canary.encode() in text for text in known + [record]), canary


def test_rates_are_of_five_at_least(world):
    process = world.begin(nodes=CHAIN.replace("200ms", "1s"))
    rates, connection = [], world.connection()
    connection.request("GET", "/v1/events")
    stream = connection.getresponse()

    def listen():
        with contextlib.suppress(OSError, ValueError):
            while line := stream.readline():
                rates.extend(json.loads(line[6:])["rows"] if b'"rows":' in line else [])
    threading.Thread(target=listen, daemon=True).start()

    def pour(count):
        with concurrent.futures.ThreadPoolExecutor(count) as pool:
            assert {one.status for one in pool.map(world.review, [review(verdict="bad") for _ in range(count)])} == {201}
    pour(4)
    for _ in range(5):  # five may fall into two windows
        pour(5)
        if wait_for(lambda: any("verdict" in row for row in rates), 3):
            break
    assert [(row["verdict"], row["count"]) for row in rates if "verdict" in row] == [("bad", 5)]
    assert end(process)[0] == 0
    connection.close()


def test_graphs_without_reviews_and_with_several(world):
    other = CHAIN.replace("schema: review%s", "schema: question").replace("policy: reviews", "policy: questions").replace("by: verdict", "by: schema")
    world.path("policies/questions.yaml").write_text((ROOT / "conf/policies/questions.yaml").read_text())
    process = world.begin(nodes=other)
    answer = world.review(review())
    assert (answer.status, "schema: review" in answer.body["detail"]) == (404, True)
    assert end(process)[0] == 0
    process = world.begin(nodes=CHAIN + "  more: { op: source, from: http, schema: review }\n  away: { op: sink-null, after: more }\n")
    answer = world.review(review())
    assert (answer.status, "several" in answer.body["detail"]) == (404, True)
    assert world.review(review(), path="/v1/reviews/reviews").status == 201
    assert end(process)[0] == 0


def test_nothing_is_said_before_it_is_durable(world):
    process = world.begin(", answer_within: 1s")
    answer = str(uuid.uuid4())
    with world.standstill():
        late = world.review(review(answer))
        assert (late.status, late.headers["retry-after"], world.counted()) == (503, "5", (0, 0))
    assert wait_for(lambda: world.review(review(answer)).status == 201, 30)
    assert (len(world.stored()), world.counted()) == (1, (1, 0))
    assert end(process)[0] == 0


def test_the_command_and_its_token(world):
    world.path("token").write_text(TOKEN)
    world.path("token").chmod(0o600)
    process = world.begin(settings="token: file:token\n")
    answer = str(uuid.uuid4())

    def say(*arguments, **how):
        done = world.run("review", "--url", f"http://127.0.0.1:{world.port}", *arguments, **how)
        return done.returncode, done.stdout.decode(), done.stderr.decode()
    assert world.review(review()).status == 401
    code, out, error = say(answer, "good")
    assert (code, out) == (1, "") and "401" in error and "--token" in error
    token = ("--token", "file:token")
    assert say(*token, "--reason", "it says what the records say", answer, "good") == (0, "The review is kept.\n", "")
    assert say(*token, answer, "bad") == (0, "It was reviewed before, and the first review stands.\n", "")
    code, out, _ = say("--json", answer, "good", env={"DATAVAULT_TOKEN": TOKEN})
    assert (code, json.loads(out)["verdict"]) == (0, "good")
    for words, of in (((answer, "so-so"), "good or bad"), (("7", "good"), "UUID"), (("--reason", "x" * 5000, answer, "bad"), "4 KiB")):
        code, out, error = say(*token, *words)
        assert (code, out) == (1, "") and "422" in error and of in error
    for words in ((), (answer,), (answer, "good", "bad"), ("--nonsense", answer, "good"), ("--url", "ftp://x", answer, "good")):
        assert say(*words)[0] == 2
    assert say("--reason", "x" * 70_000, answer, "good")[0] == 2
    assert world.counted(TOKEN) == (1, 0)
    assert end(process)[0] == 0
    assert say(*token, answer, "good")[0] == 5
