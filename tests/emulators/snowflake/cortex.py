# SPDX-License-Identifier: Apache-2.0
"""cortex.py - Cortex over REST: chat/completions as OpenAI's, inference:complete, inference:embed, the list of models.

A prompt is answered by its own words, unless a word in brackets asks for something else: [400] [429] [429-wait] [402] [403] [503] [504] [region]
[silent] [unsafe] [future] [tool] [empty] [huge] [cut] [mid-error] [garbage]. Streams are cut into pieces of one to five bytes, so inside
letters and inside "data:".
"""
import json
import re
import time
import uuid

from . import fakes
from .refused import Refused
from .statements import payload
from .wire import Answer

CHAT, COMPLETE, EMBED, MODELS = "/api/v2/cortex/v1/chat/completions", "/api/v2/cortex/inference:complete", "/api/v2/cortex/inference:embed", "/api/v2/cortex/models"
CONTEXT_TOKENS = 100000
COMPLETE_FIELDS = {"model", "messages", "temperature", "top_p", "max_tokens", "max_output_tokens", "stream", "guardrails", "response_format", "tools",
                   "tool_choice", "provisioned_throughput_id", "anthropic", "openai"}
CHAT_FIELDS = {"model", "messages", "temperature", "top_p", "max_completion_tokens", "stream", "stream_options", "response_format", "tools",
               "tool_choice", "stop", "n", "seed", "user", "presence_penalty", "frequency_penalty", "reasoning_effort", "guardrails"}
TROUBLE = {"400": (400, "invalid argument"), "402": (402, "budget exceeded"), "403": (403, "not authorized"), "503": (503, "timed out"), "504": (504, "gateway timeout"),
           "429": (429, "too many requests"), "500": (500, "internal error")}


class Failed(Exception):
    def __init__(self, status, message):
        super().__init__(message)
        self.status, self.message = status, message


def need(condition, message):
    if not condition:
        raise Failed(400, message)


class Cortex:
    def __init__(self, world):
        self.world, self.seen, self.asked = world, {}, 0

    def serve(self, request):
        acts = {CHAT: ("POST", self.chat), COMPLETE: ("POST", self.complete), EMBED: ("POST", self.embed), MODELS: ("GET", self.models)}
        if request.path not in acts:
            raise Refused(404)
        method, act = acts[request.path]
        if request.method != method:
            raise Refused(405)
        self.world.identity.user(request.headers)
        self.asked += 1
        try:
            if not self.world.cortex_granted:
                raise Failed(403, "not authorized: SNOWFLAKE.CORTEX_USER")
            return act(request)
        except Failed as failed:
            return self.failed(failed, request.path == CHAT)

    def failed(self, failed, chat):
        """As OpenAI's for the interface that is OpenAI's, if the world wants it so; else as all of Snowflake's REST."""
        name = str(uuid.uuid4())
        if chat and self.world.openai_errors:
            kind = "rate_limit_error" if failed.status == 429 else "invalid_request_error" if failed.status < 500 else "server_error"
            return Answer(failed.status, {"error": {"message": failed.message, "type": kind, "code": str(failed.status), "request_id": name}})
        return Answer(failed.status, {"message": failed.message, "error_code": f"39{failed.status}0", "request_id": name})

    # ---- what is asked ----

    def models(self, _request):
        """Those that answer; whether the real list has those of vectors, and names alone, is not confirmed."""
        if not self.world.lists_models:
            raise Refused(404)
        names = sorted(self.world.chat_models | (self.world.embedders & fakes.REST_EMBEDDERS if self.world.lists_embedders else set()))
        return Answer(200, {"models": [{"name": name} for name in names] if self.world.lists_objects else names})

    def known(self, body, models):
        need(isinstance(body.get("model"), str), "model is required")
        need(body["model"] in models, f"unknown model or not available in your region: {body['model']}")

    @staticmethod
    def text_of(message):
        need(isinstance(message, dict) and message.get("role", "user") in ("system", "user", "assistant"), "a message has a role")
        content = message.get("content", message.get("content_list"))
        if isinstance(content, list):
            content = "".join(part.get("text", "") for part in content if isinstance(part, dict) and part.get("type") == "text")
        need(isinstance(content, str) and content != "", "a message has content")
        return content

    def prompt(self, body):
        """All texts and the last one: system first, then user and assistant in turn, user last."""
        messages = body.get("messages")
        need(isinstance(messages, list) and messages, "messages are required")
        texts = [self.text_of(message) for message in messages]
        roles = [message.get("role", "user") for message in messages]
        turns = roles[1:] if roles[0] == "system" else roles
        need("system" not in turns, "system comes first")
        need(turns and turns[-1] == "user", "the last message is the user's")
        need(all(one != other for one, other in zip(turns, turns[1:])), "user and assistant alternate")
        need(0 <= (body.get("temperature") or 0) <= 2 and 0 <= body.get("top_p", 1) <= 1, "out of range")
        need(sum(map(fakes.tokens, texts)) <= CONTEXT_TOKENS, "max tokens exceeded")
        self.trouble(texts[-1])
        return texts

    def trouble(self, text):
        """What goes wrong before the first byte."""
        for word in re.findall(r"\[([\w-]+)\]", text):
            count = self.seen[word] = self.seen.get(word, 0) + 1
            if word == "429-wait" and count < 3:
                raise Failed(429, "too many requests")
            if word in TROUBLE:
                status, message = TROUBLE[word]
                raise Failed(status, f"{message}: {text}")
            if word == "region":
                raise Failed(400, f"model is not available in your region: {text}")
            if word == "silent":
                time.sleep(3)

    # ---- what is said ----

    def said(self, body, texts, limit):
        """(the words, why they end, tokens of the guard)"""
        text, reason, guard = texts[-1], "stop", 0
        wanted = body.get("response_format") or {}
        schema = wanted.get("schema") or (wanted.get("json_schema") or {}).get("schema")
        said = json.dumps(fakes.instance(schema), ensure_ascii=False) if schema else text
        guardrails = body.get("guardrails") or {}
        if guardrails.get("enabled"):
            guard = fakes.tokens(text)
            said = guardrails.get("response_when_unsafe", "Response filtered by Cortex Guard") if "[unsafe]" in text else said
        words = re.findall(r"\S+\s*", said) if "[empty]" not in text else []
        if "[huge]" in text:
            words.append("ü" * (1 << 19))  # 1 MB in one frame
        if limit is not None and len(words) > limit:
            words, reason = words[:limit], "length"
        return words, "not_yet_invented" if "[future]" in text else reason, guard

    @staticmethod
    def used(texts, words, **more):
        prompt, done = sum(map(fakes.tokens, texts)), len(words)
        return {"prompt_tokens": prompt, "completion_tokens": done, **more, "total_tokens": prompt + done + sum(more.values())}

    def pieces(self, frames, text, last=b""):
        """The bytes of a stream, in pieces of one to five; None at the end of one that breaks."""
        data = b"".join(b"data: " + (frame if isinstance(frame, bytes) else json.dumps(frame, ensure_ascii=False).encode()) + b"\n\n" for frame in frames) + last
        if "[cut]" in text:
            data = data[:len(data) * 2 // 3].rstrip(b"\n")[:-3]  # inside a frame
        size, at, wide = 1, 0, 1 if len(data) < 65536 else 8191
        while at < len(data):
            yield data[at:at + size * wide]
            at, size = at + size * wide, size % 5 + 1
        if "[cut]" in text:
            yield None

    @staticmethod
    def stream(pieces):
        return Answer(200, None, [("Content-Type", "text/event-stream")], pieces=pieces)

    # ---- inference:complete ----

    def complete(self, request):
        body = payload(request, COMPLETE_FIELDS)
        self.known(body, self.world.chat_models)
        texts = self.prompt(body)
        words, reason, guard = self.said(body, texts, body.get("max_tokens", body.get("max_output_tokens")))
        usage = self.used(texts, words, guard_tokens=guard)
        if body.get("stream") is False:
            text = "".join(words)
            return Answer(200, {"choices": [{"message": {"content": text, "content_list": [{"type": "text", "text": text}]}}], "finish_reason": reason,
                                "usage": usage})
        need("text/event-stream" in (request.headers.get("Accept") or ""), "a stream is accepted as text/event-stream")
        return self.stream(self.pieces(self.deltas(words, texts[-1], usage), texts[-1], b"data: [DONE]\n\n" if self.world.done_of_complete else b""))

    @staticmethod
    def deltas(words, text, usage):
        for at, word in enumerate(words):
            if at == 1 and "[mid-error]" in text:
                yield {"error": {"code": "390503", "message": text, "request_id": str(uuid.uuid4())}}
                return
            if at == 1 and "[garbage]" in text:
                yield b'{"choices":[{'
                return
            yield {"choices": [{"delta": {"type": "text", "content": word}}], "usage": {}}
        if "[tool]" in text:
            for piece in ('{"a"', ':1}'):
                yield {"choices": [{"delta": {"type": "tool_use", "tool_use_id": "tool_1", "name": "look", "input": piece}}], "usage": {}}
        yield {"choices": [{"delta": {"type": "text", "content": ""}}], "usage": usage}

    # ---- chat/completions ----

    def chat(self, request):
        """As OpenAI's, but `max_tokens` is refused: callers of the real one report it."""
        body = payload(request, CHAT_FIELDS)
        self.known(body, self.world.chat_models)
        texts = self.prompt(body)
        words, reason, _ = self.said(body, texts, body.get("max_completion_tokens"))
        common = {"id": f"chatcmpl-{uuid.uuid4().hex}", "created": int(self.world.now()), "model": body["model"]}
        usage = self.used(texts, words)
        if not body.get("stream"):
            choice = {"index": 0, "message": {"role": "assistant", "content": "".join(words)}, "finish_reason": reason}
            return Answer(200, {**common, "object": "chat.completion", "choices": [choice], "usage": usage})
        wants_usage = (body.get("stream_options") or {}).get("include_usage")
        frames = self.chunks(words, reason, texts[-1], {**common, "object": "chat.completion.chunk"}, usage if wants_usage else None)
        return self.stream(self.pieces(frames, texts[-1], b"data: [DONE]\n\n" if self.world.done_of_chat and "[mid-error]" not in texts[-1] else b""))

    @staticmethod
    def chunks(words, reason, text, common, usage):
        def chunk(delta, finish=None):
            return {**common, "choices": [{"index": 0, "delta": delta, "finish_reason": finish}]}
        yield chunk({"role": "assistant", "content": None})
        for at, word in enumerate(words):
            if at == 1 and "[mid-error]" in text:
                yield {"error": {"code": "390503", "message": text, "request_id": str(uuid.uuid4())}}
                return
            if at == 1 and "[garbage]" in text:
                yield b'{"choices":[{'
                return
            yield chunk({"content": word})
        if "[tool]" in text:
            yield chunk({"tool_calls": [{"index": 0, "id": "tool_1", "type": "function", "function": {"name": "look", "arguments": "{}"}}]})
        yield chunk({}, reason)
        if usage:
            yield {**common, "choices": [], "usage": usage}

    # ---- inference:embed ----

    def embed(self, request):
        body = payload(request, {"model", "text", "provisioned_throughput_id"})
        self.known(body, self.world.embedders & fakes.REST_EMBEDDERS)
        texts = body.get("text")
        need(isinstance(texts, list) and texts and all(isinstance(text, str) and text for text in texts), "text is a list of texts")
        need(all(fakes.tokens(text) <= CONTEXT_TOKENS for text in texts), "max tokens exceeded")
        for text in texts:
            self.trouble(text)
        data = [{"object": "embedding", "embedding": [fakes.embed(text, body["model"])], "index": at} for at, text in enumerate(texts)]
        return Answer(200, {"object": "list", "data": data, "model": body["model"], "usage": {"total_tokens": sum(map(fakes.tokens, texts))}})
