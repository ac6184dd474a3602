#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""gemini.py - Google's Gemini on the loopback, as strict and as mean as the real one: generateContent as a stream, embedContent.

  with Gemini(key) as gemini: ... gemini.url ... gemini.requests ...

What it does is asked for by a word in the prompt, "[spii]", and by nothing else it answers the prompt's own words. Its streams
are cut into pieces of one to five bytes, so inside letters and inside "data:".
"""
import hashlib
import http.server
import json
import math
import re
import threading
import time

MODELS = {"gemini-9-flash": "generate", "gemini-embedding-001": "embed", "gemini-embedding-2": "embed"}
TASKS = {"RETRIEVAL_DOCUMENT", "RETRIEVAL_QUERY", "SEMANTIC_SIMILARITY", "CLASSIFICATION", "CLUSTERING", "QUESTION_ANSWERING", "FACT_VERIFICATION"}
CONTEXT_TOKENS = 2000
CODES = {400: "INVALID_ARGUMENT", 403: "PERMISSION_DENIED", 404: "NOT_FOUND", 429: "RESOURCE_EXHAUSTED", 500: "INTERNAL", 503: "UNAVAILABLE",
         504: "DEADLINE_EXCEEDED"}
FIELDS = {
    "": {"systemInstruction", "contents", "generationConfig", "safetySettings"},
    "generationConfig": {"candidateCount", "maxOutputTokens", "temperature", "topP", "topK", "seed", "stopSequences", "responseMimeType",
                         "responseSchema", "responseJsonSchema", "thinkingConfig"},
    "embed": {"model", "content", "taskType", "title", "outputDimensionality"},
}
SCHEMA_WORDS = {"$id", "$defs", "$ref", "$anchor", "type", "format", "title", "description", "enum", "items", "prefixItems", "minItems", "maxItems",
                "minimum", "maximum", "anyOf", "oneOf", "properties", "additionalProperties", "required", "propertyOrdering"}


class Refused(Exception):
    def __init__(self, status, message="refused", details=()):
        super().__init__(message)
        self.status, self.body = status, {"error": {"code": status, "message": message, "status": CODES[status], "details": list(details)}}


def need(condition, message):
    if not condition:
        raise Refused(400, message)


def info(kind, **members):
    return {"@type": f"type.googleapis.com/google.rpc.{kind}", **members}


def quota(name):
    return info("QuotaFailure", violations=[{"quotaMetric": "generativelanguage.googleapis.com/requests", "quotaId": name, "quotaValue": "15"}])


def instance(schema):
    """The smallest value of a JSON schema."""
    need(set(schema) <= SCHEMA_WORDS, "a keyword of JSON Schema that is not known")
    if "enum" in schema:
        return schema["enum"][0]
    kind = schema.get("type", "object")
    if kind == "object":
        return {name: instance(schema.get("properties", {})[name]) for name in schema.get("required", schema.get("properties", {}))}
    return {"array": [], "string": "ä", "integer": int(schema.get("minimum", 0)), "number": 0.5, "boolean": True}[kind]


def check_prompt(body):
    need(set(body) <= FIELDS[""], "Invalid JSON payload received. Unknown name")
    config = body.get("generationConfig", {})
    need(set(config) <= FIELDS["generationConfig"], "Invalid JSON payload received. Unknown name in generation_config")
    need(body.get("contents") and all(turn["role"] in ("user", "model") and turn["parts"] for turn in body["contents"]), "contents are required")
    need(0 <= config.get("temperature", 1) <= 2 and 0 < config.get("maxOutputTokens", 1) <= 65536, "out of range")
    need(config.get("candidateCount", 1) == 1, "one candidate only")
    need(not ("responseSchema" in config and "responseJsonSchema" in config), "only one schema")
    if "responseJsonSchema" in config or "responseSchema" in config:
        need(config.get("responseMimeType") == "application/json", "a schema needs response_mime_type")
    return config


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def log_message(self, *_):
        pass

    @property
    def world(self):
        return self.server.world

    def answer(self, status, body, headers=()):
        data = json.dumps(body).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json; charset=UTF-8")
        self.send_header("Content-Length", str(len(data)))
        for name, value in headers:
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(data)

    def do_GET(self):
        self.answer(404, Refused(404).body)

    def do_POST(self):
        raw = self.rfile.read(int(self.headers["Content-Length"]))
        self.world.requests.append((self.path, dict(self.headers), raw))
        try:
            self.serve(raw)
        except Refused as refused:
            self.answer(refused.status, refused.body)
        except (BrokenPipeError, ConnectionResetError):
            self.close_connection = True  # it was cancelled

    def serve(self, raw):
        match = re.fullmatch(r"/v1beta/models/([\w.-]+):(\w+)(\?alt=sse)?", self.path)
        if self.world.key and self.headers.get("x-goog-api-key") != self.world.key:
            raise Refused(403, "Method doesn't allow unregistered callers", [info("ErrorInfo", reason="FORBIDDEN")])
        if not match or match[1] not in MODELS:
            raise Refused(404, "no such model")
        need(self.headers.get("Content-Type", "").startswith("application/json"), "not JSON")
        try:
            body = json.loads(raw)
        except ValueError:
            raise Refused(400, "Invalid JSON payload received.") from None
        kind = MODELS[match[1]]
        if kind == "generate" and match[2] == "streamGenerateContent" and match[3]:
            self.stream(body)
        elif kind == "embed" and match[2] == "embedContent":
            self.embed(match[1], body)
        else:
            raise Refused(404, "no such method of this model")  # there is no batchEmbedContents of these

    # ---- vectors ----

    def embed(self, model, body):
        need(set(body) <= FIELDS["embed"], "Invalid JSON payload received. Unknown name")
        need("model" not in body or body["model"] == f"models/{model}", "another model")
        text, size = "".join(part["text"] for part in body["content"]["parts"]), body.get("outputDimensionality", 3072)
        need(text != "", "content is empty")
        need(1 <= size <= 3072, "output_dimensionality is out of range")
        need(body.get("taskType", "CLUSTERING") in TASKS, "no such task")
        need("taskType" not in body or model.endswith("001"), "task_type is not supported by this model")
        self.trouble(text)
        seed = hashlib.sha256(f"{body.get('taskType')} {text}".encode()).digest()
        values = [math.sin(seed[at % 32] + at) for at in range(3072)]
        whole = math.sqrt(sum(value * value for value in values))
        values = [value / whole for value in values][:size]  # shortened, it is not of length 1 any more
        if model.endswith("2"):
            short = math.sqrt(sum(value * value for value in values))
            values = [value / short for value in values]
        if "[nan]" in text:
            values[0] = 1e39  # more than a float holds
        self.answer(200, {"embedding": {"values": values[:-1] if "[short]" in text else values}})

    # ---- what goes wrong before the first byte ----

    def trouble(self, text):
        for word in re.findall(r"\[([\w-]+)\]", text):
            count = self.world.seen[word] = self.world.seen.get(word, 0) + 1
            if word == "429":
                raise Refused(429, text, [quota("GenerateRequestsPerMinutePerProjectPerModel-FreeTier")])
            if word == "429-wait" and count < 3:
                raise Refused(429, text, [quota("GenerateRequestsPerMinutePerProjectPerModel"), info("RetryInfo", retryDelay="0.2s")])
            if word == "429-long":
                raise Refused(429, text, [info("RetryInfo", retryDelay="3600s")])
            if word == "429-day":
                raise Refused(429, text, [quota("GenerateRequestsPerDayPerProjectPerModel-FreeTier"), info("RetryInfo", retryDelay="1s")])
            if word == "503" and count < 3:
                raise Refused(503, text)
            if word == "504" and count < 2:
                raise Refused(504, text)
            if word == "500":
                raise Refused(500, text)
            if word == "bad-key":
                raise Refused(400, "API key not valid. " + text, [info("ErrorInfo", reason="API_KEY_INVALID", domain="googleapis.com")])
            if word == "region":
                refused = Refused(400, "User location is not supported for the API use." + text)
                refused.body["error"]["status"] = "FAILED_PRECONDITION"
                raise refused
            if word == "silent":
                time.sleep(3)
        if len(text) > 4 * CONTEXT_TOKENS:
            raise Refused(400, "The input token count exceeds the maximum number of tokens allowed")

    # ---- streams ----

    def stream(self, body):
        config = check_prompt(body)
        text = "".join(part["text"] for turn in body["contents"] for part in turn["parts"])
        self.trouble(text)
        self.send_response(200)
        self.send_header("Content-Type", "text/event-stream")
        self.send_header("Transfer-Encoding", "chunked")
        self.end_headers()
        data = b""
        for event in self.events(text, config):
            data += event if isinstance(event, bytes) else b"data: " + json.dumps(event, ensure_ascii="[ascii]" in text).encode() + b"\r\n\r\n"
        if "[no-blank]" in text:
            data = data.rstrip()
        self.send_cut(data, bad_end="[cut]" in text)

    def send_cut(self, data, bad_end):
        size = 1
        while data:
            piece, data, size = data[:size], data[size:], size % 5 + 1
            self.wfile.write(b"%x\r\n%s\r\n" % (len(piece), piece))
            self.wfile.flush()
        if bad_end:
            self.close_connection = True
        else:
            self.wfile.write(b"0\r\n\r\n")

    def events(self, text, config):
        def part(piece, **more):
            return {"candidates": [{"index": 0, "content": {"role": "model", "parts": [{"text": piece}]}, **more}], "modelVersion": "9",
                    "usageMetadata": {"promptTokenCount": len(text) // 4}, "responseId": "r"}
        if "[blocked]" in text:
            yield {"promptFeedback": {"blockReason": "PROHIBITED_CONTENT"}, "usageMetadata": {"promptTokenCount": 3}}
            return
        if "[empty]" in text:
            yield {"usageMetadata": {"promptTokenCount": 3}}
            return
        said = json.dumps(instance(config["responseJsonSchema"]), ensure_ascii=False) if "responseJsonSchema" in config else text
        words = re.findall(r"\S+\s*", said)
        reason = next((name for word, name in (("[spii]", "SPII"), ("[safety]", "SAFETY"), ("[recitation]", "RECITATION"), ("[other]", "OTHER"),
                                               ("[future]", "NOT_YET_INVENTED")) if word in text), "STOP")
        if len(words) > config.get("maxOutputTokens", 65536):
            words, reason = words[:config["maxOutputTokens"]], "MAX_TOKENS"
        if "[thinks]" in text:
            thought = part("secret thought")
            thought["candidates"][0]["content"]["parts"][0]["thought"] = True
            yield thought
        if reason in ("SAFETY", "RECITATION"):
            words = words[:1]
        for word in words if reason != "SPII" else []:
            yield part(word)
        if "[mid-error]" in text:
            yield {"error": {"code": 503, "message": text, "status": "UNAVAILABLE"}}
            return
        if "[garbage]" in text:
            yield b"data: {\"candidates\":[{\r\n\r\n"
            return
        if "[no-end]" in text:
            return
        last = {"candidates": [{"index": 0, "finishReason": reason}], "modelVersion": "9",
                "usageMetadata": {"promptTokenCount": len(text) // 4, "candidatesTokenCount": len(words), "thoughtsTokenCount": 2}}
        yield last


class Gemini:
    """The service; with `context` it speaks TLS."""

    def __init__(self, key="", context=None):
        self.key, self.requests, self.seen = key, [], {}
        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.server.world, self.server.daemon_threads = self, True
        self.server.handle_error = lambda *_: None  # a client that went away
        if context:
            self.server.socket = context.wrap_socket(self.server.socket, server_side=True)
        self.port = self.server.server_address[1]
        self.url = f"{'https' if context else 'http'}://127.0.0.1:{self.port}"
        threading.Thread(target=self.server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True).start()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.server.shutdown()
        self.server.server_close()
