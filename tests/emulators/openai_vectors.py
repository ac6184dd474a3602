#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""openai_vectors.py - POST /v1/embeddings as OpenAI serves it, on the loopback: vectors of words, so that texts with words in common
are alike.

  with Vectors(64) as service: ... service.url ... service.texts ...

A text with "[400]" in it is refused, with all that is asked beside it; `silent` is for every request, `status` for the first `until`. Bodies of errors
quote the texts, as some services do.
"""
import hashlib
import http.server
import json
import math
import threading


def vector_of(text, width):
    values = [1e-3] * width
    for word in text.lower().split():
        values[int.from_bytes(hashlib.sha256(word.encode()).digest()[:4], "big") % width] += 1
    length = math.sqrt(sum(value * value for value in values))
    return [value / length for value in values]


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def log_message(self, *_):
        pass

    def answer(self, status, body):
        data = json.dumps(body).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def do_POST(self):
        raw = self.rfile.read(int(self.headers["Content-Length"]))
        world, body = self.server.world, json.loads(raw)
        world.requests.append((self.path, dict(self.headers), raw))
        assert self.path == "/v1/embeddings" and body["encoding_format"] == "float"
        if world.silent:
            world.over.wait(20)
        status = world.status if len(world.requests) <= world.until else 200
        if status != 200 or any("[400]" in text for text in body["input"]):
            self.answer(status if status != 200 else 400, {"error": {"message": f"cannot: {body['input']}", "type": "invalid_request_error"}})
            return
        world.texts += body["input"]
        data = [{"object": "embedding", "index": at, "embedding": vector_of(text, world.width)} for at, text in enumerate(body["input"])]
        self.answer(200, {"object": "list", "model": body["model"], "data": data[::-1], "usage": {"prompt_tokens": 7, "total_tokens": 7}})


class Vectors:
    def __init__(self, width, port=0, status=200, silent=False, until=math.inf):
        self.width, self.status, self.silent, self.until = width, status, silent, until
        self.requests, self.texts, self.over = [], [], threading.Event()
        http.server.ThreadingHTTPServer.allow_reuse_address = True
        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", port), Handler)
        self.server.world, self.server.daemon_threads = self, True
        self.server.handle_error = lambda *_: None  # a client that went away
        self.url = f"http://127.0.0.1:{self.server.server_address[1]}"
        threading.Thread(target=self.server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True).start()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.over.set()
        self.server.shutdown()
        self.server.server_close()
