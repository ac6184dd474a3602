# SPDX-License-Identifier: Apache-2.0
"""__init__.py - snowflake: Snowflake on the loopback, as strict and as mean as the real one is known to be.

  with Snowflake(tmp_path) as snow:
      snow.query("CREATE TABLE SUMMARIES (DV_OFFSET VARCHAR, N NUMBER)")
      ... snow.url, snow.ca, snow.account, snow.user, snow.key (a PEM file) ...    what a client is configured with
      snow.commit_lag_s = 2; snow.script(r"POST .*/rows", 429, "lose", 503)        what goes wrong, see below
      assert snow.rows("SUMMARIES") == [...]                                       what is committed
      assert canary not in snow.received()                                         every byte that came

Without a test: `PYTHONPATH=tests/emulators python3 -m snowflake --folder DIR`, see __main__.py.

It has two hosts on ports of its own, with TLS by an authority of its own (`tls=False`: none): the control host (SQL API v2, /oauth/token,
streaming hostname, bulk status, Cortex) and the ingest host (channels and rows). That is `localhost`; a real one may be told with an
underscore that a client must make a dash: ingest_name=UNDERSCORED, and tests/tools/own_hosts.py for it to find snow.ingest_host.

There are the database DV, the schema PUBLIC, the warehouse WH and the user DATAVAULT with one key and the role DV_ROLE; names are told
apart by case, and without quotation marks they are capitals, in statements and in paths. Two that differ in case alone it cannot hold. Statements run for real in DuckDB, by snowduck's translation (tools/parts tests brings both); SHOW, DESCRIBE,
INFORMATION_SCHEMA, EXPLAIN (plan.py), `->>` (flow.py), DDL, vectors, FLATTEN, MERGE, grants and all errors are done here. test_snowflake_emulator*.py hold its answers to
what is known of the real ones.

DV_ROLE may do everything. `snow.query("CREATE ROLE R; GRANT ... TO ROLE R; GRANT ROLE R TO USER DATAVAULT")` makes one that may do what
it was granted; `snow.accounts.denied = {("INSERT", "DV.PUBLIC.T"), ("ALL", "WH")}` takes something from every role, see accounts.py.

Knobs, all attributes that may be changed while it runs:

  clock        clock_skew_s (the service's clock, so Date and the check of JWTs), tolerance_s, scoped_life_s, assume_oauth; revoke();
               untyped_tokens (/oauth/token takes no X-Snowflake-Authorization-Token-Type: no client in use sends it there)
  answers      bare_answers (hostname and token as bare texts), error_shape ("code", "error_code", "bare", "number", "mixed"), errors_key,
               append_tells, tells_session, bulk_as_page (rows_errors, and no created_on_ms), append_status (other than 0 although the status is 200), status_word, status_tells, late_errors (the count of refused rows is as of so many looks before), lower_case_types,
               openai_errors, done_of_chat, done_of_complete
  statements   run_s (number or f(text): how long each takes), hurry (those that run end at once), switch_s (the 45 s until a 202), statement_timeout_s, partition_rows,
               result_rows_max, forget_request_ids, warehouses, suspended (those that do not run), engine.text_max (16 MB of a text), engine.list_max
  channels     commit_lag_s (number or f()), stalled (nothing is committed), poison (f(row): is refused when it is committed),
               invalid_pipes ({name: status it shows}: takes rows and discards them), opening ({channel: answers 409}), refuses ({channel: (status, code) that
               answers its opening}), or_not ("_OR", "_OR_IS", "": how codes of what is not there are spelt), upper_channels (their names are kept as capitals), blind ({"ingest", "control"}:
               hosts that know no channel's status), requests_per_s,
               bytes_per_s; crash(), reopen_by_other(), invalidate()
  the wire     script(pattern, *steps), lose_next_answer(pattern), cut_after_accept (how many connections), requests, received(), keeps
               (False: neither is kept, for long runs),
               log.most (bytes of what came that are kept)
  Cortex       words in the prompt, see cortex.py; chat_models, embedders, cortex_granted, ai_functions_granted (the right of SQL beside it); lists_models (False: 404), lists_embedders, lists_objects

A step of script() is for the next request whose "METHOD path?query" the pattern finds: a status (with the body that goes with it), an
Answer, a number of seconds as float (late), "cut" (nothing is done, the connection breaks), "lose" (it is done, the connection breaks),
"half" (it is done, half the answer comes), None (it goes as usual).
"""
import json
import pathlib
import threading
import time

from . import certs, errorlog, flow, plan
from .accounts import Accounts
from .cortex import Cortex
from .dialect import statements as parsed
from .engine import Engine, done
from .fakes import CHAT_MODELS, EMBEDDERS
from .identity import Identity, User
from .ingest import Streaming
from .listing import Listing
from .received import Received
from .refused import SqlError
from .statements import Session, Statements
from .values import bound
from .wire import Answer, Script, Server, unpacked

UNDERSCORED = "myorg-dv_test.ingest.localhost"  # curl finds what ends so by itself, others do not
PAGE = b"<html><head><title>%d</title></head><body>upstream error</body></html>"
CONTROL_ERRORS = {401: {"code": "390144", "message": "JWT token is invalid."}, 429: {"code": "390505", "message": "Too many requests."},
                  403: {"code": "390403", "message": "Forbidden"}, 400: {"code": "390142", "message": "Bad request"}}
INGEST_ERRORS = {401: {"code": "ERR_AUTHENTICATION_EXPIRED", "message": "Authentication token is invalid or has expired."},
                 429: {"code": "ReceiverSaturated", "message": "ReceiverSaturated"}, 500: "ERR_GENERAL_EXCEPTION_RETRY_REQUEST",
                 503: "ERR_GENERAL_EXCEPTION_RETRY_REQUEST", 408: {"code": "HttpRetryableClientError", "message": "HttpRetryableClientError"}}


def sortable(value):
    """Any value of a column, beside any other one."""
    number = isinstance(value, (int, float))
    return (value is None, not number, value if number else 0, "" if number else json.dumps(value))


class Snowflake:
    def __init__(self, folder, tls=True, account="MYORG-DV_TEST", ingest_name="localhost", port=0, **knobs):
        self.folder, self.account, self.user = pathlib.Path(folder), account, "DATAVAULT"
        self.lock = threading.RLock()
        self.clock_skew_s, self.identity = 0, Identity(account, self.now)
        self.key = self.folder / "rsa_key.p8"
        self.users = self.identity.users
        self.accounts = Accounts(self)
        self.users[self.user] = User(self.user, certs.new_key_pair(self.key))
        self.bare_answers, self.error_shape, self.errors_key, self.append_tells = False, "code", "rows_error_count", True
        self.status_word, self.status_tells, self.late_errors, self.lower_case_types = "SUCCESS", True, False, False
        self.openai_errors, self.done_of_chat, self.done_of_complete = True, True, False
        self.run_s, self.switch_s, self.statement_timeout_s, self.partition_rows, self.result_rows_max = 0, 45, 172800, 1000, None
        self.forget_request_ids, self.warehouses, self.suspended, self.hurry = False, {"WH"}, set(), False
        self.commit_lag_s, self.stalled, self.poison, self.invalid_pipes, self.opening = 0, False, None, {}, set()
        self.tells_session, self.bulk_as_page = True, False
        self.untyped_tokens, self.upper_channels = True, False
        self.refuses, self.or_not, self.blind, self.append_status = {}, "_OR", set(), 0
        self.requests_per_s, self.bytes_per_s, self.cut_after_accept = 10, 20000000, 0
        self.chat_models, self.embedders, self.cortex_granted = set(CHAT_MODELS), set(EMBEDDERS), True
        self.ai_functions_granted = True
        self.lists_models, self.lists_embedders, self.lists_objects = True, True, False
        self.scripts, self.requests, self.keeps, self.faults = [], [], True, []
        self.turn(**knobs)
        self.ingest_name, self.ingest_host = ingest_name, ingest_name.replace("_", "-")  # as it is told, and as it is
        self.open(tls, port)

    def open(self, tls, port):
        self.engine = Engine()
        self.engine.create("DV", "PUBLIC")
        self.engine.models = lambda: (self.chat_models, self.embedders)
        self.statements, self.streaming, self.cortex = Statements(self), Streaming(self), Cortex(self)
        self.listing = Listing(self)
        self.ca, context = certs.make(self.folder, {"localhost", self.ingest_host}) if tls else (None, None)
        self.log = Received(self.folder / "received.log")
        self.control = Server(self, "control", self.serve_control, context, port)
        self.ingest = Server(self, "ingest", self.streaming.ingest, context)
        self.url = f"{'https' if tls else 'http'}://127.0.0.1:{self.control.port}"

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.control.close()
        self.ingest.close()
        with self.lock, self.engine.lock:
            self.engine.close()
            self.log.close()
        assert not self.faults, "the emulator itself failed:\n" + "\n".join(self.faults)

    def turn(self, **knobs):
        """Several knobs at once; one that there is not is an error."""
        for name, value in knobs.items():
            holder = self if hasattr(self, name) else self.identity
            assert hasattr(holder, name), f"no knob {name}"
            setattr(holder, name, value)

    # ---- clocks ----

    def now(self):
        """The service's clock: seconds since the epoch."""
        return time.time() + self.clock_skew_s

    @staticmethod
    def ticks():
        """What lags and rates are measured by."""
        return time.monotonic()

    def absent(self, what):
        """The code of a channel, a pipe, … that is not there, or not for this role."""
        return f"ERR_{what}_DOES_NOT_EXIST{self.or_not}_NOT_AUTHORIZED"

    # ---- requests ----

    def serve_control(self, request):
        if request.path.startswith("/api/v2/cortex"):
            return self.cortex.serve(request)
        if request.path.startswith(("/v2/streaming", "/oauth/")):
            return self.streaming.control(request)
        return self.statements.serve(request)

    def keep(self, request, head):
        """Everything that came, as it came and unpacked."""
        with self.lock:
            if not self.keeps:
                return
            self.requests.append(request)
            pieces = [head, request.raw]
            if request.headers.get("Content-Encoding"):
                try:
                    pieces.append(unpacked(request))
                except ValueError:
                    pass  # whoever serves it says so
            self.log.add(*pieces)

    def received(self):
        """Every byte that came: heads, bodies, and compressed bodies once more in the clear."""
        with self.lock:
            return self.log.read()

    def cut_accepted(self):
        """Whether this connection is one of those that end as soon as they were accepted."""
        with self.lock:
            cut, self.cut_after_accept = self.cut_after_accept > 0, max(0, self.cut_after_accept - 1)
            return cut

    def script(self, pattern, *steps):
        with self.lock:
            self.scripts.append(Script(pattern, steps))

    def lose_next_answer(self, pattern=""):
        self.script(pattern, "lose")

    def next_step(self, request):
        with self.lock:
            step = next((step for step in (script.take(request) for script in self.scripts) if step is not None), None)
        if not isinstance(step, int):
            return step
        known = (INGEST_ERRORS if request.host == "ingest" else CONTROL_ERRORS).get(step, PAGE % step)
        if isinstance(known, str):
            known = json.dumps(known).encode()
        return Answer(step, known, [("Content-Type", "text/html" if known == PAGE % step else "application/json")])

    # ---- what tests look at, and do ----

    def query(self, text, *binds, schema=("DV", "PUBLIC")):
        """A statement as an administrator; its result."""
        session = Session(User("ADMIN", role="ACCOUNTADMIN", warehouse="WH"), {"database": schema[0], "schema": schema[1]})
        result = None
        for tree, piece in parsed(text)[0]:
            result = self.perform(tree, piece, bound([{"type": "TEXT", "value": bind} for bind in binds], len(binds)), session)
        return result

    def perform(self, tree, text, binds, session, cursor=None):
        """One statement, if its role may."""
        with self.lock, self.engine.lock:
            if flow.is_chain(tree):
                return flow.carry_out(self, text, session)
            self.streaming.channels.settle()
            told = self.accounts.answer(text, session) or self.streaming.answer(text, session)
            result = self.listing.answer(text, session) or plan.answer(self, tree, binds, session) or told and done(told)
            if result is None:
                self.accounts.check(tree, text, session)
                self.listing.inform(tree, session)
                result = self.written(tree, binds, session, cursor)
                self.accounts.created(tree, session)
                self.streaming.after_statement(tree, text, session)
            return result

    def written(self, tree, binds, session, cursor):
        """What a table with ERROR_LOGGING does not take is logged, and the statement succeeds."""
        try:
            return self.engine.execute(tree, binds, session, cursor)
        except SqlError as error:
            target, _ = self.accounts.wanted(tree)
            place = target is not None and self.engine.place(target, session)
            if tree.key not in ("insert", "merge") or error.code not in errorlog.OF_A_ROW or not errorlog.logs(self.engine.catalog.relations.get(place)) \
                    or errorlog.flattened(tree) is None:
                raise
        result, failed = errorlog.carried_out(tree, binds, lambda some: self.engine.execute(tree, some, session, cursor))
        self.streaming.channels.log(place, [(row, error.message) for row, error in failed], None)
        return result

    def rows(self, table, *order):
        """The committed rows, by those columns or by all: a dict each; numbers, truths and what is semi-structured as Python has them, all else as texts."""
        result = self.query(f"SELECT * FROM {table}")
        python = {"FIXED": lambda text: int(text) if text.lstrip("-").isdigit() else float(text), "REAL": float, "BOOLEAN": lambda text: text == "true",
                  **dict.fromkeys(("VARIANT", "ARRAY", "OBJECT", "VECTOR"), json.loads)}
        rows = [{column[0]: value if value is None else python.get(column[1], str)(value) for column, value in zip(result.columns, row)} for row in result.rows]
        return sorted(rows, key=lambda row: [sortable(row[name]) for name in (order or row)])

    def channel(self, name):
        """The one channel of that name."""
        with self.lock:
            self.streaming.channels.settle()
            return next(channel for channel in self.streaming.channels.channels.values() if channel.name == name)

    def crash(self):
        """The service restarts: what was buffered and not committed is gone. How many rows that were."""
        with self.lock:
            return self.streaming.channels.crash()

    def reopen_by_other(self, name):
        """Somebody else opens the channel: our continuation token is stale, what was not committed is gone."""
        with self.lock:
            self.channel(name).opened(None)

    def invalidate(self, name, code="ERR_CHANNEL_MUST_BE_REOPENED"):
        """As a user's error in schema evolution does, even under ON_ERROR = CONTINUE."""
        with self.lock:
            self.channel(name).broken = code

    def revoke(self):
        """No scoped token is worth anything any more."""
        with self.lock:
            self.identity.scoped.clear()
