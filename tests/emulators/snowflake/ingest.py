# SPDX-License-Identifier: Apache-2.0
"""ingest.py - Snowpipe Streaming's REST: hostname and scoped token on the control host, channels and rows on the ingest host."""
import json
import re
import secrets
import urllib.parse

from .brought import exp
from .channels import Channels, StreamError
from .refused import Refused
from .wire import Answer, unpacked
from .statements import accepts
from .words import unquoted, words

WIRE_MAX = 4194304  # after compression
PLACE = r"/databases/([^/]+)/schemas/([^/]+)"
OPEN = re.compile(rf"/v2/streaming{PLACE}/pipes/([^/]+)/channels/([^/]+)")
ROWS = re.compile(rf"/v2/streaming/data{PLACE}/pipes/([^/]+)/channels/([^/]+)/rows")
TABLE_ROWS = re.compile(rf"/v2/streaming/data{PLACE}/tables/([^/]+)/rows")
STATUS = re.compile(rf"/v2/streaming{PLACE}/pipes/([^/]+):bulk-channel-status")
SCOPE = re.compile(r'(?:"(?:[^"]|"")*"|\S)+')
GRANT = "urn:ietf:params:oauth:grant-type:jwt-bearer"
NUMBERS = {"STALE_CONTINUATION_TOKEN_SEQUENCER": 4, "ERR_AUTHENTICATION_EXPIRED": 3}
SHAPES = ("code", "error_code", "bare", "number")


class Streaming:
    def __init__(self, world):
        self.world, self.channels = world, Channels(world)
        self.shape = 0
        self.strays = self.unsized = 0  # appends that did not tell the session that was told, or the length of what they packed

    # ---- how errors are dressed ----

    def refused(self, error):
        shape = self.world.error_shape
        if shape == "mixed":
            shape, self.shape = SHAPES[self.shape % len(SHAPES)], self.shape + 1
        if shape == "number" and error.code in NUMBERS:
            body = {"status_code": NUMBERS[error.code], "message": error.message}
        elif shape == "bare":
            body = json.dumps(error.code).encode()
        else:
            body = {"error_code" if shape == "error_code" else "code": error.code, "message": error.message}
        return Answer(error.status, body, [("Content-Type", "application/json")])

    def dressed(self, act, *arguments):
        try:
            with self.world.lock:
                if not ROWS.fullmatch(arguments[0].path):  # who sends does not look
                    self.channels.settle()
                return act(*arguments)
        except StreamError as error:
            return self.refused(error)

    # ---- the control host ----

    def control(self, request):
        accepts(request.headers)
        if request.path == "/v2/streaming/hostname":
            return self.hostname(request)
        if request.path == "/oauth/token":
            return self.token(request)
        match = STATUS.fullmatch(request.path)
        if not match:
            raise Refused(404)
        request.role = self.world.identity.user(request.headers).role
        return self.dressed(self.bulk, request, match)

    def hostname(self, request):
        if request.method != "GET":
            raise Refused(405)
        self.world.identity.user(request.headers)
        host = f"{self.world.ingest_name}:{self.world.ingest.port}"
        if self.world.bare_answers:
            return Answer(200, host.encode(), [("Content-Type", "text/plain")])
        return Answer(200, {"hostname": host})

    def token(self, request):
        if request.method != "POST":
            raise Refused(405)
        user = self.world.identity.user(request.headers)
        if self.world.untyped_tokens and request.headers.get("X-Snowflake-Authorization-Token-Type"):
            raise Refused(400, {"error": "invalid_request"})
        kind = (request.headers.get("Content-Type") or "").split(";")[0]
        form = dict(urllib.parse.parse_qsl(request.raw.decode(errors="replace")))
        scopes = SCOPE.findall(form.get("scope", ""))
        hosts = [scope for scope in scopes if not scope.startswith("session:role:")]
        if kind != "application/x-www-form-urlencoded" or form.get("grant_type") != GRANT or len(hosts) != 1:
            raise Refused(400, {"error": "invalid_request"})
        roles = [unquoted(scope.removeprefix("session:role:")) for scope in scopes if scope not in hosts]
        if len(roles) > 1 or not set(roles) <= user.roles:
            raise Refused(400, {"error": "invalid_scope"})
        token = self.world.identity.scope(user, hosts[0].rpartition(":")[0] if ":" in hosts[0] else hosts[0], *roles)
        if self.world.bare_answers:
            return Answer(200, token.encode(), [("Content-Type", "text/plain")])
        return Answer(200, {"token": token})

    # ---- the ingest host ----

    def ingest(self, request):
        return self.dressed(self.route, request)

    def route(self, request):
        accepts(request.headers)
        host = (request.headers.get("Host") or "").rpartition(":")[0]
        if host != self.world.ingest_host:  # with the underscore there is no such host
            raise StreamError(404, "ERR_HOST_NOT_FOUND")
        why = self.world.identity.of_scoped(request.headers, host)
        if why:
            self.world.identity.why.append(why)
            raise StreamError(401, "ERR_AUTHENTICATION_EXPIRED", "Authentication token is invalid or has expired.")
        request.role = self.world.identity.role_of_scoped(request.headers)
        for pattern, methods in ((OPEN, {"PUT": self.open, "DELETE": self.drop}), (STATUS, {"POST": self.bulk}), (ROWS, {"POST": self.rows}),
                                 (TABLE_ROWS, {"POST": self.table_rows})):
            match = pattern.fullmatch(request.path)
            if match and request.method in methods:
                return methods[request.method](request, match)
            if match:
                raise Refused(405)
        raise StreamError(404, "ERR_NOT_FOUND")

    def names(self, match):
        """In a path, what has no quotation marks is capitals; a channel is found in any case, and keeps the one that it was opened with."""
        said = [urllib.parse.unquote(part) for part in match.groups()]
        place = tuple(map(unquoted, said[:3]))
        if len(said) < 4:
            return place
        name = said[3].upper() if self.world.upper_channels else said[3]
        return next((key for key in self.channels.channels if key[:3] == place and key[3].upper() == name.upper()), (*place, name))

    def piped(self, request, match):
        """The pipe's names if there is such a pipe and the role may use it, or if the world pretends that there is."""
        names = self.names(match)
        pipe = self.channels.pipe(*names[:3])
        if names[2] not in self.world.invalid_pipes and (pipe is None or not self.granted(request.role, names[:3], pipe)):
            raise StreamError(404, self.world.absent("PIPE"))
        return names

    def granted(self, role, place, pipe):
        """USAGE of database and schema, INSERT into the table; OPERATE of a pipe that somebody made."""
        may = self.world.accounts.may
        return may(role, "USAGE", "DATABASE", place[0]) and may(role, "USAGE", "SCHEMA", ".".join(place[:2])) \
            and may(role, "INSERT", "TABLE", ".".join(pipe.table)) and (pipe.projection is None or may(role, "OPERATE", "PIPE", ".".join(place)))

    @staticmethod
    def options(request, known):
        """The JSON object of a request about channels; none is an empty one."""
        if (request.headers.get("Content-Type") or "application/json").split(";")[0] != "application/json":
            raise StreamError(415, "ERR_UNSUPPORTED_MEDIA_TYPE")
        try:
            body = json.loads(request.raw or b"{}")
        except ValueError:
            raise StreamError(400, "ERR_BAD_REQUEST") from None
        if not isinstance(body, dict) or set(body) - known:
            raise StreamError(400, "ERR_BAD_REQUEST")
        return body

    def open(self, request, match):
        key, body = self.piped(request, match), self.options(request, {"offset_token", "fail_on_uncommitted_rows"})
        if body.get("offset_token") is not None and not isinstance(body["offset_token"], str) or key[3] == "ELASTIC":
            raise StreamError(400, "ERR_BAD_REQUEST")
        if key[3] in self.world.refuses:
            raise StreamError(*self.world.refuses[key[3]])
        if key[3] in self.world.opening:
            raise StreamError(409, "ERR_OPEN_CHANNEL_IN_PROGRESS")
        channel = self.channels.open(key, body.get("offset_token"), body.get("fail_on_uncommitted_rows") is True)
        return Answer(200, {"next_continuation_token": channel.continuation, "channel_status": self.channels.status(channel)})

    def drop(self, request, match):
        key, body = self.piped(request, match), self.options(request, {"fail_on_uncommitted_rows"})
        self.channels.drop(key, body.get("fail_on_uncommitted_rows") is True)
        return Answer(200)

    def bulk(self, request, match):
        place, body = self.piped(request, match), self.options(request, {"channel_names"})
        names = body.get("channel_names")
        if not isinstance(names, list) or not all(isinstance(name, str) for name in names):
            raise StreamError(400, "ERR_BAD_REQUEST")
        found = {name: None if request.host in self.world.blind else self.channels.channels.get((*place, name)) for name in names}
        return Answer(200, {"channel_statuses": {name: self.told(self.channels.status(channel)) for name, channel in found.items() if channel}})

    def told(self, status):
        """The page of the bulk status has another name for the count than that of the opening, and lacks a field."""
        if not self.world.bulk_as_page:
            return status
        return {"rows_errors" if name == self.world.errors_key else name: value for name, value in status.items() if name != "created_on_ms"}

    # ---- rows ----

    @staticmethod
    def lines(request):
        """The rows of a request. What is too long is told by its length on the wire."""
        if len(request.raw) > WIRE_MAX:
            raise StreamError(413, "ERR_PAYLOAD_TOO_LARGE", "Request payload is too large.")
        if (request.headers.get("Content-Type") or "").split(";")[0] != "application/x-ndjson":
            raise StreamError(415, "ERR_UNSUPPORTED_MEDIA_TYPE")
        try:
            body = unpacked(request)
        except ValueError as error:
            raise StreamError(400, "ERR_INVALID_PAYLOAD") from error
        return [line for line in (line.rstrip(b"\r") for line in body.split(b"\n")) if line.strip()]

    def sized(self, request):
        """What both reference clients tell beside what is packed: who does not is counted, who tells a wrong length is refused."""
        told = request.headers.get("x-snowflake-uncompressed-content-length")
        self.unsized += told is None and request.headers.get("Content-Encoding") is not None
        if told is not None and told != str(len(request.body)):
            raise StreamError(400, "ERR_INVALID_PAYLOAD", "The uncompressed length is not the one that was told.")

    def paced(self, channel, size):
        """10 requests and 20 MB of a second, each channel."""
        now, world = self.world.ticks(), self.world
        channel.sent_at = [(when, bytes_) for when, bytes_ in channel.sent_at if when > now - 1]
        many = world.requests_per_s and len(channel.sent_at) >= world.requests_per_s
        much = world.bytes_per_s and sum(bytes_ for _, bytes_ in channel.sent_at) + size > world.bytes_per_s and channel.sent_at
        if many or much:
            raise StreamError(429, "390701" if many else "ReceiverSaturated", "Request rate exceeds max")
        channel.sent_at.append((now, size))

    def rows(self, request, match):
        names, query = self.piped(request, match), dict(urllib.parse.parse_qsl(request.query, keep_blank_values=True))
        if names[3] == "ELASTIC":
            return self.elastic(request, self.channels.pipe(*names[:3]), query)
        if set(query) - {"continuationToken", "startOffsetToken", "endOffsetToken", "offsetToken", "requestId"} or "continuationToken" not in query:
            raise StreamError(400, "ERR_BAD_REQUEST")
        if ("startOffsetToken" in query) != ("endOffsetToken" in query) or "offsetToken" in query and "endOffsetToken" in query:
            raise StreamError(400, "ERR_BAD_REQUEST")
        channel = self.channels.find(names)
        lines = self.lines(request)
        self.sized(request)
        self.paced(channel, len(request.body))
        self.strays += channel.session is not None and request.headers.get("x-snowflake-session") != channel.session
        token = self.channels.append(channel, lines, query["continuationToken"], query.get("endOffsetToken", query.get("offsetToken")))
        number = self.world.append_status
        extra = {"status_code": number, "message": "Data buffered"} if self.world.append_tells or number else {}
        channel.session = f"{channel.client}-{secrets.token_hex(8)}" if self.world.tells_session else None
        return Answer(200, {"next_continuation_token": token, **extra}, [("x-snowflake-session", channel.session)] if channel.session else [])

    def table_rows(self, request, match):
        database, schema, table = self.names(match)
        pipe = self.channels.pipe(database, schema, f"{table}-STREAMING")
        if pipe is None or not self.granted(request.role, (database, schema), pipe):
            raise StreamError(404, "ERR_TABLE_DOES_NOT_EXIST_NOT_AUTHORIZED")  # without OR, as those who call it tell
        return self.elastic(request, pipe, dict(urllib.parse.parse_qsl(request.query)))

    def elastic(self, request, pipe, query):
        """At least once: whoever says it twice has it twice."""
        if set(query) - {"requestId", "retryCount"}:
            raise StreamError(400, "ERR_BAD_REQUEST", "offset and continuation tokens are not for elastic channels")
        lines = self.lines(request)
        if pipe:
            self.channels.load(pipe, lines)
        return Answer(200, {"message": "OK"})

    # ---- what statements have to do with it ----

    def answer(self, text, session):
        """What a statement about pipes says; None: it is about something else."""
        said = [word.upper() for word in words(text)[:6]]
        if said[:1] == ["CREATE"] and "PIPE" in said[1:4]:
            self.channels.create_pipe(text, session)
            return f"Pipe {self.channels.named_in(text, session)[2]} successfully created."
        if said[:2] == ["DROP", "PIPE"]:
            return self.channels.drop_pipe(text, session)
        return None

    def after_statement(self, tree, text, session):
        """A new table knows no channel of the old one; one with ERROR_LOGGING has a second table."""
        if tree.key not in ("create", "drop", "alter") or str(tree.args.get("kind")).upper() != "TABLE":
            return
        table = self.world.engine.place(tree.find(exp.Table), session)
        if tree.key == "drop" or tree.args.get("replace"):
            self.channels.forget(table)
        if re.search(r"\bERROR_LOGGING\s*=\s*TRUE", text, re.IGNORECASE):
            self.channels.log_errors(table)
