# SPDX-License-Identifier: Apache-2.0
"""statements.py - the SQL API v2: submit, poll, partitions, cancel; a statement in its own thread when it takes long."""
import json
import re
import threading
import time
import urllib.parse
import uuid

from . import flow, values
from .dialect import TRANSACTIONS, statements
from .engine import Result
from .refused import Refused, SqlError, coded
from .wire import Answer

PATH = re.compile(r"/api/v2/statements(?:/([0-9a-f-]{36})(/cancel)?)?")
FIELDS = {"statement", "timeout", "database", "schema", "warehouse", "role", "bindings", "parameters"}
PARAMETERS = {"timezone", "query_tag", "rows_per_resultset", "client_result_chunk_size", "use_cached_result", "multi_statement_count", "binary_output_format",
              "date_output_format", "time_output_format", "timestamp_output_format", "timestamp_ltz_output_format", "timestamp_ntz_output_format",
              "timestamp_tz_output_format"}
TIMEOUT_MAX_S = 604800
RUNNING, DONE, FAILED, CANCELLED, LATE = range(5)


class Session:
    """Of one request only: there is none between two."""

    def __init__(self, user, body):
        self.role, self.warehouse = user.session(body.get("role")), body.get("warehouse") or user.warehouse
        self.own_warehouse = not body.get("warehouse")
        self.database, self.schema, self.user = body.get("database"), body.get("schema"), user.name


def about_session(tree):
    """SELECT CURRENT_ROLE() and the like, nothing else."""
    return not tree.args.get("from_") and all(re.match(r"CURRENT_\w+", (part.this if part.key == "alias" else part).sql("snowflake")) for part in tree.selects)


class Statement:
    def __init__(self, user, text, now):
        self.user, self.text, self.created_ms = user, text, int(now * 1000)
        self.handle, self.state, self.result, self.error, self.parts = str(uuid.uuid4()), RUNNING, None, None, []
        self.finished, self.stop = threading.Event(), threading.Event()


def accepts(headers):
    """Without an Accept that we can serve: 391902."""
    accept = headers.get("Accept")
    kinds = {kind.split(";")[0].strip() for kind in accept.split(",")} if accept else set()
    if not kinds & {"application/json", "application/*", "*/*"}:
        raise coded(400, "391902", f"Unsupported Accept header {accept or 'null'} is specified.")


def payload(request, fields):
    if (request.headers.get("Content-Type") or "").split(";")[0].strip().lower() != "application/json":
        raise coded(415, "391903", "Unsupported Content-Type header is specified.")
    try:
        body = json.loads(request.raw)
    except ValueError:
        raise values.bad("not JSON") from None
    if not isinstance(body, dict) or set(body) - fields:
        raise values.bad("unknown fields")
    return body


class Statements:
    def __init__(self, world):
        self.world, self.all, self.by_request = world, {}, {}
        self.executed = 0  # statements that were carried out, each run of each

    # ---- requests ----

    def serve(self, request):
        match = PATH.fullmatch(request.path)
        if not match:
            raise Refused(404)
        if request.method != ("GET" if match[1] and not match[2] else "POST"):
            raise Refused(405)
        user = self.world.identity.user(request.headers)
        accepts(request.headers)
        if not (request.headers.get("User-Agent") or "").strip():
            raise values.bad("User-Agent is required")
        query = dict(urllib.parse.parse_qsl(request.query, keep_blank_values=True))
        if not match[1]:
            return self.submit(user, request, query)
        return self.cancel(user, match[1]) if match[2] else self.poll(user, match[1], query)

    def submit(self, user, request, query):
        body, name = self.checked(payload(request, FIELDS)), query.get("requestId")
        if name is not None and not re.fullmatch(r"[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}", name):
            raise values.bad("requestId is no UUID")
        known = self.by_request.get(name) if name and query.get("retry") == "true" and not self.world.forget_request_ids else None
        if known is None or known.user is not user or known.state not in (RUNNING, DONE):
            known = self.start(user, body, name)
        if query.get("async") == "true":
            return self.told(known, query, running=True)
        known.finished.wait(self.world.switch_s)
        return self.told(known, query)

    def checked(self, body):
        if not isinstance(body.get("statement"), str):
            raise values.bad("statement is required")
        if any(not isinstance(body.get(name) or "", str) for name in ("database", "schema", "warehouse", "role")):
            raise values.bad("names are texts")
        timeout = body.get("timeout", 0)
        if isinstance(timeout, bool) or not isinstance(timeout, int) or not 0 <= timeout <= TIMEOUT_MAX_S:
            raise values.bad("timeout is out of range")
        parameters = body.get("parameters") or {}
        if not isinstance(parameters, dict) or {name.lower() for name in parameters} - PARAMETERS:
            raise values.bad("a parameter that cannot be set")
        body["parameters"] = {name.lower(): str(value) for name, value in parameters.items()}
        if not re.fullmatch(r"\d+", body["parameters"].get("multi_statement_count", "1")):
            raise values.bad("multi_statement_count is a number")
        body["bindings"] = values.shaped(body.get("bindings") or {})
        return body

    def start(self, user, body, name):
        statement = Statement(user, body["statement"], self.world.now())
        self.all[statement.handle] = statement
        if name:
            self.by_request[name] = statement
        run_s = self.world.run_s(statement.text) if callable(self.world.run_s) else self.world.run_s
        if run_s:
            threading.Thread(target=self.run, args=(statement, user, body, run_s), daemon=True).start()
        else:
            self.run(statement, user, body, 0)
        return statement

    def find(self, user, handle, status):
        statement = self.all.get(handle)
        if statement is None or statement.user is not user:
            raise coded(status, "000709", f"Statement {handle} not found")
        return statement

    def poll(self, user, handle, query):
        statement = self.find(user, handle, 404)
        number = query.get("partition", "0")
        if not number.isdigit():
            raise values.bad("partition is a number")
        return self.partition(statement, int(number), query) if int(number) and statement.state == DONE else self.told(statement, query)

    def cancel(self, user, handle):
        statement = self.find(user, handle, 422)
        if statement.state != RUNNING:
            raise coded(422, "000709", f"Statement {handle} is not running")
        statement.stop.set()
        statement.finished.wait(10)
        return Answer(200, {"code": "000604", "sqlState": "57014", "message": "SQL execution canceled", "statementHandle": handle,
                            "statementStatusUrl": f"/api/v2/statements/{handle}"})

    # ---- running ----

    def run(self, statement, user, body, run_s):
        timeout_s = body.get("timeout") or (TIMEOUT_MAX_S if "timeout" in body else self.world.statement_timeout_s)
        state, result = DONE, None
        try:
            if run_s and self.stopped(statement, min(run_s, timeout_s)):
                raise InterruptedError
            if run_s > timeout_s:
                raise TimeoutError
            result = self.execute(statement, user, body)
            self.executed += 1
        except InterruptedError:
            state, statement.error = CANCELLED, SqlError("000604", "57014", "SQL execution canceled")
        except TimeoutError:
            state, statement.error = LATE, SqlError("000630", "57014", f"Statement reached its statement timeout of {timeout_s} second(s) and was canceled.")
        except SqlError as error:
            state, statement.error = FAILED, error
        statement.result, statement.state = result, state
        statement.finished.set()

    def stopped(self, statement, seconds):
        """Whether it is cancelled before it has run for so long, or until it is to hurry."""
        end = time.monotonic() + seconds
        while not self.world.hurry and (left := end - time.monotonic()) > 0:
            if statement.stop.wait(min(left, 0.02)):
                return True
        return statement.stop.is_set()

    def execute(self, statement, user, body):
        session = Session(user, body)
        if session.role not in user.roles:
            raise SqlError("390189", "08004", f"Role '{session.role}' specified in the connect string does not exist or not authorized.")
        self.places(session)
        trees, marks = statements(statement.text)
        wanted = int(body["parameters"].get("multi_statement_count", "1"))
        if wanted and wanted != len(trees):
            raise SqlError("000008", "0A000", f"Actual statement count {len(trees)} did not match the desired statement count {wanted}.")
        if len(trees) > 1 and (marks or body["bindings"]):
            raise SqlError("391911", "0A000", "Bind variables are not supported in requests of multiple statements.")
        if any(flow.is_chain(tree) for tree, _ in trees) and (marks or body["bindings"] or len(trees) > 1):
            raise flow.unsupported("bind variables, or several statements, with the flow operator")
        binds = values.bound(body["bindings"], marks)
        if len(trees) == 1:
            if isinstance(trees[0][0], TRANSACTIONS) or re.match(r"\s*(PUT|GET|ALTER\s+SESSION|CREATE\s+(\w+\s+)?TEMP|SET\s)", statement.text, re.IGNORECASE):
                raise SqlError("391911", "0A000", "The requested statement type is not supported.")
            return self.one(*trees[0], binds, session)
        return self.many(statement, user, trees, session)

    def places(self, session):
        engine, may = self.world.engine, self.world.accounts.may
        if session.database and (session.database not in engine.databases() or not may(session.role, "USAGE", "DATABASE", session.database)):
            raise SqlError("391918", "02000", f"Database {session.database} does not exist or is not authorized.")
        if session.schema and not (engine.has_schema(session.database, session.schema)
                                   and may(session.role, "USAGE", "SCHEMA", f"{session.database}.{session.schema}")):
            raise SqlError("391919", "02000", f"Schema {session.schema} does not exist or is not authorized.")
        if session.warehouse and (session.warehouse not in self.world.warehouses or not may(session.role, "USAGE", "WAREHOUSE", session.warehouse)):
            if session.own_warehouse:  # a user's default that the role may not use is as none
                session.warehouse = None
                return
            raise SqlError("391920", "02000", f"Warehouse {session.warehouse} does not exist or is not authorized.")

    def one(self, tree, text, binds, session, cursor=None):
        self.warehouse(tree, session)
        return self.world.perform(tree, text, binds, session, cursor)

    def warehouse(self, tree, session):
        """SHOW, DESCRIBE, most DDL and questions about the session itself need none."""
        if tree.key not in ("select", "union", "insert", "update", "delete", "merge") or tree.key == "select" and about_session(tree):
            return
        if not session.warehouse or session.warehouse in self.world.suspended:
            raise SqlError("000606", "57P03", "No active warehouse selected in the current session.  Select an active warehouse with the 'use warehouse' command.")

    def many(self, statement, user, trees, session):
        """One transaction's worth of statements may stand in a request; each has a handle of its own."""
        with self.world.lock, self.world.engine.lock:
            cursor = self.world.engine.cursor(session)
            try:
                for tree, text in trees:
                    part = Statement(user, text, self.world.now())
                    part.result = self.one(tree, part.text, [], session, cursor)
                    part.state = DONE
                    part.finished.set()
                    self.all[part.handle] = part
                    statement.parts.append(part.handle)
            finally:
                cursor.close()  # what is not committed is rolled back
        return Result([("multiple statement execution", "TEXT", 16777216, None, None, False)], [])

    # ---- answers ----

    def told(self, statement, query, running=False):
        url = f"/api/v2/statements/{statement.handle}" + (f"?requestId={query['requestId']}" if "requestId" in query else "")
        common = {"statementHandle": statement.handle, "statementStatusUrl": url}
        if running or statement.state == RUNNING:
            return Answer(202, {"code": "333334", "message": "Asynchronous execution in progress. Use provided query id to perform query monitoring and "
                                "management.", **common})
        if statement.error:
            body = {"code": statement.error.code, "sqlState": statement.error.state, "message": statement.error.message, **common}
            return Answer({LATE: 408}.get(statement.state, 403 if statement.error.code == "390189" else 422), body)
        return self.rows(statement, query, common)

    def rows(self, statement, query, common):
        result, pieces = statement.result, self.pieces(statement, query)
        info = [{"rowCount": len(piece), "uncompressedSize": len(json.dumps(piece)), **({"compressedSize": len(json.dumps(piece)) // 3 + 20} if number else {})}
                for number, piece in enumerate(pieces)]
        body = {"resultSetMetaData": {"numRows": len(result.rows), "format": "jsonv2", "partitionInfo": info,
                                      "rowType": values.row_type(result.columns, self.world.lower_case_types)},
                "data": pieces[0], "code": "090001", "sqlState": "00000", "message": "Statement executed successfully.",
                "createdOn": statement.created_ms, **common}
        if result.counted is not None:
            body["stats"] = {f"numRows{word.capitalize()}": result.counted.get(word, 0) for word in ("inserted", "updated", "deleted")}
            body["stats"]["numDuplicateRowsUpdated"] = 0
        if statement.parts:
            body["statementHandles"] = statement.parts
        if self.world.result_rows_max is not None and len(result.rows) > self.world.result_rows_max:
            body.update(code="391908", message="Result is too large and incomplete.", data=pieces[0][:self.world.result_rows_max])
        return Answer(200, body, [("Link", self.link(statement, query, 0, len(pieces)))])

    def pieces(self, statement, query):
        rows, size = statement.result.rows, self.world.partition_rows
        if query.get("nullable") == "false":
            rows = [["null" if value is None else value for value in row] for row in rows]
        return [rows[at:at + size] for at in range(0, len(rows), size)] or [[]]

    def partition(self, statement, number, query):
        """All but the first are without metadata, and gzip whether it was asked for or not."""
        pieces = self.pieces(statement, query)
        if number >= len(pieces):
            raise values.bad("no such partition")
        return Answer(200, {"data": pieces[number]}, [("Link", self.link(statement, query, number, len(pieces)))], zipped=True)

    @staticmethod
    def link(statement, query, number, count):
        places = {"first": 0, "last": count - 1}
        if number > 0:
            places["prev"] = number - 1
        if number + 1 < count:
            places["next"] = number + 1
        name = f"requestId={query['requestId']}&" if "requestId" in query else ""
        return ",".join(f'</api/v2/statements/{statement.handle}?{name}partition={place}>; rel="{rel}"' for rel, place in places.items())

    def wait_idle(self, seconds=10):
        """Until no statement runs any more; for tests."""
        deadline = time.monotonic() + seconds
        for statement in list(self.all.values()):
            assert statement.finished.wait(max(0, deadline - time.monotonic())), "a statement still runs"
