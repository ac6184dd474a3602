# SPDX-License-Identifier: Apache-2.0
"""wire.py - the emulator's HTTP: TLS in each connection's own thread, bodies in any dress, scripted trouble, and a log of all that came."""
import ctypes
import ctypes.util
import gzip
import http.server
import json
import re
import socket
import sys
import threading
import time
import traceback
import zlib

from .refused import Refused

BODY_MAX = 64 << 20


class Answer:
    """A status, a body (bytes, or what becomes JSON; None: empty), headers; pieces: a stream of bytes instead of a body."""

    def __init__(self, status, body=None, headers=(), pieces=None, zipped=False):
        self.status, self.headers, self.pieces = status, list(headers), pieces
        plain = body is None or isinstance(body, bytes)
        self.data = (body or b"") if plain else json.dumps(body, ensure_ascii=False).encode()
        if not plain and not any(name == "Content-Type" for name, _ in self.headers):
            self.headers.append(("Content-Type", "application/json"))
        if zipped:
            self.data = gzip.compress(self.data, 1)
            self.headers.append(("Content-Encoding", "gzip"))


class Request:
    def __init__(self, host, method, path, query, headers, raw):
        self.host, self.method, self.path, self.query, self.headers, self.raw = host, method, path, query, headers, raw
        self.body = raw  # without its Content-Encoding, once unpacked() was called
        self.status = None  # what was answered; None: nothing was
        self.role = None  # whose role it has, once that is known

    def __repr__(self):
        return f"{self.host} {self.method} {self.path} -> {self.status}"


def unzstd(data, limit=BODY_MAX):
    """One frame of zstd by the system's library; Python 3.11 has none of its own."""
    library = ctypes.CDLL(ctypes.util.find_library("zstd") or "libzstd.so.1")
    for name in ("ZSTD_decompress", "ZSTD_getFrameContentSize"):
        getattr(library, name).restype = ctypes.c_size_t if name == "ZSTD_decompress" else ctypes.c_ulonglong
    size = library.ZSTD_getFrameContentSize(data, ctypes.c_size_t(len(data)))
    size = limit if size == 2**64 - 1 else size  # a streamed frame does not say
    if size > limit:
        raise ValueError("not zstd, or too long")
    out = ctypes.create_string_buffer(max(size, 1))
    got = library.ZSTD_decompress(out, ctypes.c_size_t(size), data, ctypes.c_size_t(len(data)))
    if got > size:  # an error code
        raise ValueError("broken zstd")
    return out.raw[:got]


def ungzip(data, limit=BODY_MAX):
    stream = zlib.decompressobj(31)
    try:
        out = stream.decompress(data, limit)
    except zlib.error:
        raise ValueError("broken gzip") from None
    if not stream.eof or stream.unused_data:
        raise ValueError("gzip that ends early, late or nowhere")
    return out


def unpacked(request):
    """A body without its Content-Encoding; ValueError if it is broken or of another kind."""
    encoding = (request.headers.get("Content-Encoding") or "identity").lower()
    if encoding == "gzip":
        request.body = ungzip(request.raw)
    elif encoding == "zstd":
        request.body = unzstd(request.raw)
    elif encoding != "identity":
        raise ValueError("no such encoding")
    return request.body


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server_version, sys_version = "snowflake-emulator", ""
    timeout, disable_nagle_algorithm = 60, True

    def setup(self):
        if self.server.context:
            self.request = self.server.context.wrap_socket(self.request, server_side=True)
        super().setup()

    def log_message(self, *_):
        pass

    def date_time_string(self, timestamp=None):
        return super().date_time_string(self.server.world.now() if timestamp is None else timestamp)

    def send_error(self, code, *_, **__):
        self.send(Answer(code))  # a method that nobody knows: without a body

    def whole(self):
        """The body; None: whoever sent it was gone before its end."""
        if self.headers.get("Transfer-Encoding", "").lower() != "chunked":
            length = int(self.headers.get("Content-Length") or 0)
            data = self.rfile.read(length)
            return data if len(data) == length else None
        data = b""
        while size := int(self.rfile.readline().split(b";")[0], 16):
            data += self.rfile.read(size)
            self.rfile.readline()
        self.rfile.readline()
        return data

    def act(self):
        path, _, query = self.path.partition("?")
        body, world = self.whole(), self.server.world
        if body is None:
            return self.cut()  # nobody acts upon half a request
        request = Request(self.server.name, self.command, path, query, self.headers, body)
        world.keep(request, f"{self.command} {self.path}\n{self.headers}".encode())
        step = world.next_step(request)
        if step == "cut":
            return self.cut()
        if isinstance(step, Answer):
            answer = step
        else:
            if isinstance(step, float):
                time.sleep(step)
            try:
                answer = self.server.serve(request)
            except Refused as refused:
                answer = Answer(refused.status, refused.body, refused.headers)
        if step == "lose":
            return self.cut()
        request.status = answer.status
        return self.send(answer, half=step == "half")

    do_GET = do_POST = do_PUT = do_DELETE = do_PATCH = do_HEAD = act

    def cut(self):
        """The connection is gone, without a word."""
        self.close_connection = True
        try:
            self.connection.shutdown(socket.SHUT_RDWR)
        except OSError:
            pass

    def send(self, answer, half=False):
        self.send_response(answer.status)
        for name, value in answer.headers:
            self.send_header(name, value)
        if answer.pieces is not None:
            self.send_header("Transfer-Encoding", "chunked")
            self.end_headers()
            return self.stream(answer.pieces)
        self.send_header("Content-Length", str(len(answer.data)))
        self.end_headers()
        self.wfile.write(answer.data[:len(answer.data) // 2] if half else answer.data)
        return self.cut() if half else None

    def stream(self, pieces):
        """A None among the pieces: the connection breaks."""
        for piece in pieces:
            if piece is None:
                self.wfile.flush()
                return self.cut()
            self.wfile.write(b"%x\r\n%s\r\n" % (len(piece), piece))
            self.wfile.flush()
        return self.wfile.write(b"0\r\n\r\n")


class Server(http.server.ThreadingHTTPServer):
    """One host. serve(request) gives the answer; port 0: any that is free."""
    daemon_threads, request_queue_size = True, 64

    def __init__(self, world, name, serve, context, port=0):
        super().__init__(("127.0.0.1", port), Handler)
        self.world, self.name, self.serve, self.context = world, name, serve, context
        self.port = self.server_address[1]
        threading.Thread(target=self.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True).start()

    def verify_request(self, *_):
        return not self.world.cut_accepted()  # False: closed as soon as it was accepted

    def handle_error(self, *_):
        """A client that went away, or does not trust us, is none; all else is the emulator's own fault, told when it ends."""
        if not isinstance(sys.exc_info()[1], OSError):
            self.world.faults.append(traceback.format_exc())

    def close(self):
        self.shutdown()
        self.server_close()


class Script:
    """What is to happen to the next requests that a pattern finds, in order; see Snowflake.script()."""

    def __init__(self, pattern, steps):
        self.pattern, self.steps = re.compile(pattern), list(steps)

    def take(self, request):
        if self.steps and self.pattern.search(f"{request.method} {request.path}" + (f"?{request.query}" if request.query else "")):
            return self.steps.pop(0)
        return None
