#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""test_snowflake_emulator_cortex.py - the emulator's Cortex against what is known of the real one: chat/completions, inference:complete and
:embed over REST, and its functions in SQL.

The shapes stand here as data, as Snowflake's pages and OpenAPI files tell them. It is what the tests of SNO-1 to SNO-6 stand on; it shows
none of them itself.

shows: DEV-2
"""
import copy
import http.client
import json
import pathlib
import re
import sys

import pytest

HERE = pathlib.Path(__file__).resolve().parents[1]
sys.path[:0] = [str(HERE / "tools"), str(HERE / "emulators")]
from snowflake import Snowflake, fakes
from snowflake_caller import UUID, Caller, OneOf, Optional, fits, knobs, restore

CHAT, COMPLETE, EMBED = "/api/v2/cortex/v1/chat/completions", "/api/v2/cortex/inference:complete", "/api/v2/cortex/inference:embed"
MODELS = "/api/v2/cortex/models"
COUNTED = {"prompt_tokens": int, "completion_tokens": int, "total_tokens": int}
GUARDED = {**COUNTED, "guard_tokens": int}
COMPLETED = {"choices": [{"message": {"content": str, "content_list": [{"type": "text", "text": str}]}}], "finish_reason": str, "usage": GUARDED}
DELTA = OneOf({"type": "text", "content": str}, {"type": "tool_use", "tool_use_id": str, "name": str, "input": str})
FRAME = {"choices": [{"delta": DELTA}], "usage": OneOf({}, GUARDED)}
FAILED_FRAME = {"error": {"code": str, "message": str, "request_id": UUID}}
SAID = {"id": str, "object": "chat.completion", "created": int, "model": str, "usage": COUNTED,
        "choices": [{"index": 0, "message": {"role": "assistant", "content": str}, "finish_reason": str}]}
CHUNK = {"id": str, "object": "chat.completion.chunk", "created": int, "model": str, "usage": Optional(COUNTED),
         "choices": [{"index": 0, "finish_reason": OneOf(str, None), "delta": OneOf({"role": "assistant", "content": None}, {"content": str}, {}, {"tool_calls": list})}]}
EMBEDDED = {"object": "list", "data": [{"object": "embedding", "embedding": [[float]], "index": int}], "model": str, "usage": {"total_tokens": int}}
FLAT = {"message": str, "error_code": str, "request_id": UUID}
OPENAI = {"error": {"message": str, "type": str, "code": str, "request_id": UUID}}
STREAM = {"Accept": "application/json, text/event-stream"}


@pytest.fixture(scope="module")
def world(tmp_path_factory):
    with Snowflake(tmp_path_factory.mktemp("snow")) as snow:
        yield snow


@pytest.fixture
def snow(world):
    kept = knobs(world)
    world.cortex.seen.clear()
    yield world
    restore(world, kept)


@pytest.fixture(scope="module")
def first(world):
    return Caller(world)


@pytest.fixture
def caller(snow, first):
    return copy.copy(first)


def ask(caller, path, text, headers=None, **more):
    return caller.call("POST", path, {"model": "claude-sonnet-4-5", "messages": [{"role": "user", "content": text}], **more}, headers)


def frames(answer):
    """The data of each frame of a stream that has no event names."""
    assert answer.headers["Content-Type"] == "text/event-stream"
    text = answer.raw.decode()
    assert text.endswith("\n\n")
    found = text[:-2].split("\n\n")
    assert all(re.fullmatch(r"data: [^\n]*", frame) for frame in found), found
    return [frame[6:] if frame == "data: [DONE]" else json.loads(frame[6:]) for frame in found]


# ---- inference:complete ----

def test_complete_at_once(caller):
    answer = ask(caller, COMPLETE, "Grünkohl is green", stream=False, max_tokens=2, temperature=0)
    assert answer.status == 200
    fits(COMPLETED, answer.json)
    assert answer.json["choices"][0]["message"]["content"] == "Grünkohl is " and answer.json["finish_reason"] == "length"
    assert ask(caller, COMPLETE, "a [future] b", stream=False).json["finish_reason"] not in ("stop", "length")
    listed = caller.call("POST", COMPLETE, {"model": "claude-sonnet-4-5", "stream": False, "messages": [
        {"role": "system", "content": "be brief"}, {"role": "user", "content": "a"}, {"role": "assistant", "content": "b"},
        {"role": "user", "content_list": [{"type": "text", "text": "c"}]}]})
    assert listed.json["choices"][0]["message"]["content"] == "c"
    made = ask(caller, COMPLETE, "x", stream=False, response_format={"type": "json", "schema": {"type": "object", "properties": {"n": {"type": "integer"}}}})
    assert json.loads(made.json["choices"][0]["message"]["content"]) == {"n": 0}


def test_complete_as_a_stream(snow, caller):
    answer = ask(caller, COMPLETE, "Käpt'n, wohin?", STREAM)  # a stream unless it is told not to be
    for frame in frames(answer):
        fits(FRAME, frame)
    texts = [frame["choices"][0]["delta"]["content"] for frame in frames(answer)]
    assert "".join(texts) == "Käpt'n, wohin?" and frames(answer)[-1]["usage"]["completion_tokens"] == 2
    assert b"[DONE]" not in answer.raw and ask(caller, COMPLETE, "x").status == 400  # whoever wants a stream says that he takes one
    snow.done_of_complete = True
    assert frames(ask(caller, COMPLETE, "x", STREAM))[-1] == "[DONE]"
    snow.done_of_complete = False
    tools = frames(ask(caller, COMPLETE, "a [tool]", STREAM))
    fits([FRAME], tools)
    assert "".join(frame["choices"][0]["delta"].get("input", "") for frame in tools) == '{"a":1}'
    fits(FAILED_FRAME, frames(ask(caller, COMPLETE, "a [mid-error] b", STREAM))[-1])
    huge = ask(caller, COMPLETE, "[huge]", STREAM)
    assert max(map(len, huge.raw.split(b"\n\n"))) > 1 << 20
    with pytest.raises(ValueError):
        frames(ask(caller, COMPLETE, "a [garbage] b", STREAM))
    with pytest.raises(http.client.IncompleteRead) as broken:
        ask(caller, COMPLETE, "a [cut] b and so on and on", STREAM)
    assert broken.value.partial and not broken.value.partial.endswith(b"\n")  # inside a frame


def test_guardrails(caller):
    rails = {"enabled": True, "response_when_unsafe": "no"}
    unsafe = ask(caller, COMPLETE, "[unsafe] words", stream=False, guardrails=rails).json
    assert unsafe["choices"][0]["message"]["content"] == "no" and unsafe["usage"]["guard_tokens"] > 0
    assert ask(caller, COMPLETE, "[unsafe] words", stream=False, guardrails={"enabled": True}).json["choices"][0]["message"]["content"] == "Response filtered by Cortex Guard"
    assert ask(caller, COMPLETE, "[unsafe] words", stream=False).json["usage"]["guard_tokens"] == 0


# ---- chat/completions ----

def test_chat(snow, caller):
    answer = ask(caller, CHAT, "Käpt'n, wohin?")
    fits(SAID, answer.json)
    assert answer.json["choices"][0]["message"]["content"] == "Käpt'n, wohin?" and answer.json["choices"][0]["finish_reason"] == "stop"
    made = ask(caller, CHAT, "x", response_format={"type": "json_schema", "json_schema": {"name": "a", "schema": {"type": "object", "properties": {"ok": {"type": "boolean"}}}}})
    assert json.loads(made.json["choices"][0]["message"]["content"]) == {"ok": True}
    told = frames(ask(caller, CHAT, "one two", stream=True, stream_options={"include_usage": True}, max_completion_tokens=1))
    fits([CHUNK], told[:-1])
    assert ask(caller, CHAT, "x", max_tokens=9).status == 400
    assert told[-1] == "[DONE]" and told[-2]["choices"] == [] and told[-2]["usage"]["completion_tokens"] == 1
    assert told[0]["choices"][0]["delta"] == {"role": "assistant", "content": None} and told[-3]["choices"][0]["finish_reason"] == "length"
    snow.done_of_chat = False
    assert frames(ask(caller, CHAT, "x", stream=True))[-1] != "[DONE]"
    fits(FAILED_FRAME, frames(ask(caller, CHAT, "a [mid-error] b", stream=True))[-1])


def test_letters_are_cut(snow, caller):
    """Streams come in pieces that end inside letters."""
    pieces = list(snow.cortex.pieces(snow.cortex.deltas(["äöüß" * 10], "", {}), ""))
    assert max(map(len, pieces)) <= 5 and len(pieces) > 20
    with pytest.raises(UnicodeDecodeError):
        for piece in pieces:
            piece.decode()


# ---- what goes wrong ----

@pytest.mark.parametrize("path,shape", [(CHAT, OPENAI), (COMPLETE, FLAT)])
def test_refusals(snow, caller, path, shape):
    def messages(*roles):
        return [{"role": role, "content": "x"} for role in roles]
    for word, status in (("429", 429), ("503", 503), ("504", 504), ("402", 402), ("403", 403), ("500", 500), ("region", 400)):
        answer = ask(caller, path, f"a [{word}]", stream=False)
        assert answer.status == status
        fits(shape, answer.json)
    assert [ask(caller, path, "a [429-wait]", stream=False).status for _ in range(3)] == [429, 429, 200]
    for more in ({"model": "nope"}, {"messages": []}, {"messages": messages("assistant")}, {"messages": messages("user", "user")}, {"messages": messages("user", "system")},
                 {"messages": messages("user", "assistant")}, {"temperature": 3}, {"messages": [{"role": "user", "content": "x" * 500000}]}, {"model": None}):
        answer = ask(caller, path, "x", stream=False, **more)
        assert answer.status == 400, more
        fits(shape, answer.json)
    if shape is OPENAI:
        snow.openai_errors = False
        fits(FLAT, ask(caller, path, "[429]").json)
    snow.chat_models = {"llama3.1-70b"}
    assert ask(caller, path, "x", stream=False).status == 400  # not in this region
    snow.cortex_granted = False
    assert ask(caller, path, "x", stream=False).status == 403


def test_who_may_ask(snow, caller):
    snow.users["DATAVAULT"].pats["pat-2"] = 4e9
    for kind, token, status in (("KEYPAIR_JWT", caller.token, 200), ("PROGRAMMATIC_ACCESS_TOKEN", "pat-2", 200), ("PROGRAMMATIC_ACCESS_TOKEN", "pat-3", 401),
                                ("KEYPAIR_JWT", "a.b.c", 401)):
        caller.kind, caller.token = kind, token
        for path in (CHAT, COMPLETE):
            assert ask(caller, path, "x", stream=False).status == status
    caller.kind, caller.token = "PROGRAMMATIC_ACCESS_TOKEN", "pat-2"
    listed = caller.call("GET", MODELS).json
    fits({"models": [str]}, listed)
    assert {"claude-sonnet-4-5", "e5-base-v2"} <= set(listed["models"]) and "voyage-multilingual-2" not in listed["models"]
    snow.lists_embedders, snow.lists_objects = False, True  # what else it may be
    listed = caller.call("GET", MODELS).json
    fits({"models": [{"name": str}]}, listed)
    assert {"name": "claude-sonnet-4-5"} in listed["models"] and {"name": "e5-base-v2"} not in listed["models"]
    snow.lists_models = False
    assert caller.call("GET", MODELS).status == 404
    assert caller.call("GET", CHAT).status == 405 and caller.call("POST", "/api/v2/cortex/nothing").status == 404
    assert caller.call("POST", CHAT, b"{broken").status == 400 and ask(caller, CHAT, "x", colour="red").status == 400


# ---- embeddings ----

def test_embed(caller):
    texts = ["red apples and pears", "apples and pears", "a quick brown fox"]
    answer = caller.call("POST", EMBED, {"model": "snowflake-arctic-embed-m", "text": texts})
    fits(EMBEDDED, answer.json)
    vectors = [one["embedding"][0] for one in answer.json["data"]]  # a list in a list
    assert [len(vector) for vector in vectors] == [768] * 3 and all(abs(fakes.cosine(vector, vector) - 1) < 1e-9 and abs(sum(v * v for v in vector) - 1) < 1e-6 for vector in vectors)
    assert fakes.cosine(vectors[0], vectors[1]) > 0.8 > 0.5 > fakes.cosine(vectors[0], vectors[2])
    assert caller.call("POST", EMBED, {"model": "snowflake-arctic-embed-m", "text": texts}).json == answer.json
    for word, status in (("402", 402), ("403", 403), ("503", 503), ("429", 429), ("region", 400)):
        assert caller.call("POST", EMBED, {"model": "e5-base-v2", "text": ["fine", f"a [{word}]"]}).status == status
    assert [caller.call("POST", EMBED, {"model": "e5-base-v2", "text": ["[429-wait]"]}).status for _ in range(3)] == [429, 429, 200]
    for body in ({"model": "snowflake-arctic-embed-m", "text": ["x" * 500000]}, {"model": "snowflake-arctic-embed-m", "text": "a"}, {"model": "snowflake-arctic-embed-m", "text": []}, {"model": "claude-sonnet-4-5", "text": ["a"]},
                 {"model": "voyage-multilingual-2", "text": ["a"]}):
        refused = caller.call("POST", EMBED, body)
        assert refused.status == 400
        fits(FLAT, refused.json)


def test_the_functions_in_sql(snow, caller):
    snow.query("CREATE OR REPLACE TABLE TEXTS (ID NUMBER, A VARCHAR)")
    snow.query("INSERT INTO TEXTS VALUES (1, 'red apples and pears'), (2, 'a quick brown fox')")
    found = caller.sql("SELECT ID, VECTOR_COSINE_SIMILARITY(AI_EMBED('e5-base-v2', A), AI_EMBED('e5-base-v2', ?)) AS S FROM TEXTS ORDER BY S DESC", "apples, and pears")
    assert [row[0] for row in found.json["data"]] == ["1", "2"]
    expected = fakes.cosine(fakes.embed("red apples and pears", "e5-base-v2"), fakes.embed("apples, and pears", "e5-base-v2"))
    assert abs(float(found.json["data"][0][1]) - expected) < 1e-6  # the same vectors as over REST
    for text, size in (("SELECT AI_EMBED(?, ?)", 768), ("SELECT SNOWFLAKE.CORTEX.EMBED_TEXT_768(?, ?)", 768)):
        vector = json.loads(caller.sql(text, "e5-base-v2", "grün").json["data"][0][0])
        assert len(vector) == size and abs(sum(value * value for value in vector) - 1) < 1e-5
    assert len(json.loads(caller.sql("SELECT SNOWFLAKE.CORTEX.EMBED_TEXT_1024('multilingual-e5-large', 'x')").json["data"][0][0])) == 1024
    for text in ("SELECT AI_COMPLETE(?, ?)", "SELECT AI_COMPLETE(model => ?, prompt => ?)", "SELECT SNOWFLAKE.CORTEX.COMPLETE(?, ?)"):
        assert caller.sql(text, "claude-sonnet-4-5", "say this").json["data"] == [["say this"]]
    assert caller.sql("SELECT SNOWFLAKE.CORTEX.SUMMARIZE(?)", "x" * 300).json["data"] == [["x" * 200]]
    assert caller.sql("SELECT AI_SUMMARIZE_AGG(A) FROM TEXTS").json["data"] == [["red apples and pears a quick brown fox"]]
    for text, *binds in (("SELECT AI_EMBED('nope', ?)", "x"), ("SELECT SNOWFLAKE.CORTEX.EMBED_TEXT_768('multilingual-e5-large', ?)", "x"),
                         ("SELECT AI_COMPLETE('nope', ?)", "x"), ("SELECT AI_COMPLETE(A, A) FROM TEXTS",)):
        assert caller.sql(text, *binds).status == 422, text
    assert caller.sql("SELECT AI_EMBED('e5-base-v2', 'x')", warehouse=None).code == "000606"  # in SQL it needs a warehouse
    snow.embedders, snow.chat_models = {"e5-base-v2"}, {"llama3.1-70b"}
    for text, *binds in (("SELECT AI_EMBED('multilingual-e5-large', ?)", "x"), ("SELECT AI_COMPLETE(?, ?)", "claude-sonnet-4-5", "x")):
        assert caller.sql(text, *binds).status == 422, text  # not in this region
    assert caller.call("POST", EMBED, {"model": "multilingual-e5-large", "text": ["a"]}).status == 400
