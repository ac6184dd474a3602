# SPDX-License-Identifier: Apache-2.0
"""channels.py - pipes and named channels of Snowpipe Streaming: who owns one, what is buffered, what is committed, what was lost.

Nothing runs by itself: what is due is committed whenever somebody looks (settle()), and the table's rows appear at that time.
"""
import json
import re
import secrets
import time

from .catalog import unknown
from .loading import load
from .refused import SqlError
from .words import identifiers, words

ERRORS_COLUMNS = ("TIMESTAMP TIMESTAMP_LTZ", "QUERY_ID VARCHAR", "ERROR_CODE NUMBER", "ERROR_METADATA OBJECT", "ERROR_DATA VARIANT")
DATA_SOURCE = re.compile(r"TABLE\s*\(\s*DATA_SOURCE\s*\(\s*TYPE\s*=>\s*'STREAMING'\s*\)\s*\)", re.IGNORECASE)
PIPE = re.compile(r"\s*CREATE\s+(?:OR\s+REPLACE\s+)?PIPE\s+(?:IF\s+NOT\s+EXISTS\s+)?([\w.\"]+)\s+AS\s+COPY\s+INTO\s+([\w.\"]+)\s*(?:\(([^)]*)\)\s*)?FROM\s*\((.*)\)\s*"
                  r"(?:MATCH_BY_COLUMN_NAME\s*=\s*\w+\s*)?;?\s*", re.IGNORECASE | re.DOTALL)
LINES_AT_ONCE = 20000


class StreamError(Exception):
    """An error of the streaming interface: how it is dressed is the world's `error_shape`."""

    def __init__(self, status, code, message=""):
        super().__init__(code)
        self.status, self.code, self.message = status, code, message or code


class Batch:
    def __init__(self, due, lines, token):
        self.due, self.lines, self.token = due, lines, token


class Channel:
    def __init__(self, key, now):
        self.key, self.name, self.created_ms = key, key[3], int(now * 1000)
        self.client, self.row = 0, 0  # the two halves of the continuation token
        self.committed, self.buffer, self.broken = None, [], None
        self.inserted = self.parsed = self.errors = 0  # over the channel's whole life
        self.errors_seen = []  # at the looks before, the newest last
        self.error_offset = self.error_message = self.error_ms = None
        self.session = None  # that the last append was told: it leads to the server that has the channel
        self.sent_at = []  # (when, bytes) of the last second's requests

    @property
    def continuation(self):
        return f"{self.client}_{self.row}"

    def opened(self, offset):
        """A new owner: the older one's continuation tokens are stale, what was not committed is gone."""
        self.client, self.row, self.buffer, self.broken = self.client + 1, 0, [], None
        self.session = None
        if offset is not None:
            self.committed = offset


class Pipe:
    """Of a table: its default one `<TABLE>-STREAMING`, or one that a statement made, with a projection and the columns that it fills."""

    def __init__(self, table, projection=None, text="", columns=None):
        self.table, self.projection, self.text, self.columns = table, projection, text, columns


class Channels:
    def __init__(self, world):
        self.world, self.channels, self.pipes, self.logged = world, {}, {}, set()
        self.instantiated = set()  # pipes through which a channel was opened once

    # ---- pipes ----

    def pipe(self, database, schema, name):
        """By its name as SHOW has it; None: there is no such pipe."""
        made = self.pipes.get((database, schema, name))
        if made:
            return made
        table = name.removesuffix("-STREAMING")
        if table != name and self.world.engine.columns(database, schema, table):
            return Pipe((database, schema, table))
        return None

    def create_pipe(self, text, session):
        match = PIPE.fullmatch(text)
        if not match:
            raise SqlError("001003", "42000", "SQL compilation error:\nsyntax error in CREATE PIPE")
        place, table = self.named(match[1], session), self.named(match[2], session)
        self.world.engine.catalog.find(table, "Table")
        self.world.accounts.places(session.role, *place[:2])
        if not self.world.accounts.may(session.role, "CREATE PIPE", "SCHEMA", ".".join(place[:2])):
            raise SqlError("003001", "42501", f"SQL access control error:\nInsufficient privileges to operate on schema '{place[1]}'.")
        if place in self.pipes and re.search(r"IF\s+NOT\s+EXISTS", text, re.IGNORECASE):
            return
        if place in self.pipes and not re.search(r"OR\s+REPLACE", text, re.IGNORECASE):
            raise SqlError("002002", "42710", f"SQL compilation error:\nObject '{'.'.join(place)}' already exists.")
        filled = [self.named(name.strip(), session)[-1] for name in match[3].split(",")] if match[3] else None
        self.pipes[place] = Pipe(table, match[4].strip(), text[text.upper().index("COPY"):].strip(), filled)

    def named_in(self, text, session):
        return self.named(PIPE.fullmatch(text)[1], session)

    def drop_pipe(self, text, session):
        said = words(text)[2:]
        exists = [word.upper() for word in said[:2]] == ["IF", "EXISTS"]
        parts, _ = identifiers(said[2:] if exists else said)
        place = (*(session.database, session.schema)[:3 - len(parts)], *parts)
        if place not in self.pipes and not exists:
            raise unknown("Pipe", ".".join(place))
        self.pipes.pop(place, None)
        for key in [key for key in self.channels if key[:3] == place]:
            del self.channels[key]
        return f"{place[2]} successfully dropped."

    @staticmethod
    def named(text, session):
        parts = [part[1:-1] if part.startswith('"') else part.upper() for part in re.findall(r'"[^"]+"|[^."]+', text)]
        return (*(session.database, session.schema)[:3 - len(parts)], *parts)

    def forget(self, table):
        """A table that is dropped or replaced takes its channels with it, their tokens are gone; and its errors."""
        if table in self.logged:
            self.logged.discard(table)
            self.world.query(f'DROP TABLE IF EXISTS "{table[2]}__ERRORS"', schema=table[:2])
        self.instantiated.discard((*table[:2], f"{table[2]}-STREAMING"))
        for key, channel in list(self.channels.items()):
            pipe = self.pipe(*key[:3])
            if pipe is None or pipe.table == table:
                del self.channels[channel.key]

    # ---- channels ----

    def open(self, key, offset, careful):
        channel = self.channels.get(key)
        if channel is None:
            channel = self.channels[key] = Channel(key, self.world.now())
            self.instantiated.add(key[:3])
        if careful and channel.buffer:
            raise StreamError(409, "ERR_CHANNEL_HAS_UNCOMMITTED_DATA")
        channel.opened(offset)
        return channel

    def drop(self, key, careful):
        channel = self.find(key)
        if careful and channel.buffer:
            raise StreamError(409, "ERR_CHANNEL_HAS_UNCOMMITTED_DATA")
        del self.channels[key]

    def find(self, key):
        if key not in self.channels:
            raise StreamError(404, self.world.absent("CHANNEL"))
        return self.channels[key]

    def append(self, channel, lines, continuation, token):
        """The next continuation token. The rows are buffered, nothing more."""
        if channel.broken:
            raise StreamError(409, channel.broken)
        match = re.fullmatch(r"(\d+)_(\d+)", continuation)
        if not match:
            raise StreamError(400, "ERR_INVALID_CONTINUATION_TOKEN")
        if int(match[1]) != channel.client or int(match[2]) < channel.row:
            raise StreamError(400, "STALE_CONTINUATION_TOKEN_SEQUENCER")
        if int(match[2]) > channel.row:
            raise StreamError(409, "ERR_CHANNEL_HAS_INVALID_ROW_SEQUENCER")
        lag = self.world.commit_lag_s() if callable(self.world.commit_lag_s) else self.world.commit_lag_s
        channel.buffer.append(Batch(self.world.ticks() + lag, lines, token))
        channel.row += 1
        return channel.continuation

    def status(self, channel):
        """As bulk-channel-status and open tell it."""
        database, schema, pipe, name = channel.key
        late = int(self.world.late_errors)
        channel.errors_seen = [*channel.errors_seen[-late:], channel.errors] if late else [channel.errors]
        errors = channel.errors_seen[0] if len(channel.errors_seen) > late else 0
        return {"database_name": database, "schema_name": schema, "pipe_name": pipe, "channel_name": name,
                "channel_status_code": (channel.broken if self.world.status_tells else None) or self.world.invalid_pipes.get(pipe) or self.world.status_word,
                "last_committed_offset_token": channel.committed, "created_on_ms": channel.created_ms, "rows_inserted": channel.inserted,
                "rows_parsed": channel.parsed, self.world.errors_key: errors, "last_error_offset_upper_bound": channel.error_offset,
                "last_error_message": channel.error_message, "last_error_timestamp": channel.error_ms, "snowflake_avg_processing_latency_ms": 12}

    # ---- what is due ----

    def settle(self):
        """Commits what is due, channel by channel in order; what is of one pipe, many requests at a time."""
        due = {}
        for channel in list(self.channels.values()) if not self.world.stalled else []:
            while channel.buffer and channel.buffer[0].due <= self.world.ticks():
                due.setdefault(channel.key[:3], []).append((channel, channel.buffer.pop(0)))
        for place, batches in due.items():
            pipe = self.pipe(*place)
            if pipe is None or place[2] in self.world.invalid_pipes:
                continue  # discarded, and nobody is told
            for some in self.together(batches) if not self.world.poison and not pipe.projection else []:
                self.commit_together(pipe, some)
            for channel, batch in batches if self.world.poison or pipe.projection else []:
                self.committed(channel, batch, pipe.table, *self.load(pipe, batch.lines))

    @staticmethod
    def together(batches):
        """Batches in groups of some ten thousand lines."""
        group, count = [], 0
        for channel, batch in batches:
            group.append((channel, batch))
            count += len(batch.lines)
            if count > LINES_AT_ONCE:
                yield group
                group, count = [], 0
        if group:
            yield group

    def commit_together(self, pipe, batches):
        bad, begin = load(self.world.engine, pipe.table, [line for _, batch in batches for line in batch.lines]), 0
        for channel, batch in batches:
            mine = [(batch.lines[at - begin], bad[at]) for at in range(begin, begin + len(batch.lines)) if at in bad] if bad else []
            self.committed(channel, batch, pipe.table, len(batch.lines), len(batch.lines) - len(mine), mine)
            begin += len(batch.lines)

    def committed(self, channel, batch, table, parsed, inserted, failed):
        channel.parsed, channel.inserted, channel.errors = channel.parsed + parsed, channel.inserted + inserted, channel.errors + len(failed)
        if failed:
            channel.error_offset, channel.error_message, channel.error_ms = batch.token, failed[-1][1], int(self.world.now() * 1000)
            self.log(table, failed)
        if batch.token is not None:
            channel.committed = batch.token  # whether its rows were taken or not

    def load(self, pipe, lines):
        """Rows parsed, rows inserted, [(line, why not)]. ON_ERROR is CONTINUE, always."""
        if not self.world.poison and not pipe.projection:
            bad = load(self.world.engine, pipe.table, lines)
            return len(lines), len(lines) - len(bad), [(lines[at], why) for at, why in bad.items()]
        rows, failed = [], []
        for line in lines:
            try:
                row = json.loads(line)
                if not isinstance(row, dict):
                    raise ValueError("not an object")
                if self.world.poison and self.world.poison(row):
                    raise ValueError("rejected")
                rows.append((line, row))
            except ValueError as error:
                failed.append((line, f"Error parsing JSON: {error}"))
        if pipe.projection:
            rows, refused = self.projected(pipe, rows)
            failed += refused
        parsed = len(rows) + len(failed)
        bad = load(self.world.engine, pipe.table, [json.dumps(row).encode() for _, row in rows], pipe.columns) if rows else {}
        failed += [(rows[at][0], why) for at, why in bad.items()]
        return parsed, len(rows) - len(bad), failed

    def projected(self, pipe, rows):
        """What a pipe's SELECT makes of each row; those its WHERE leaves out are not even parsed, says the counter."""
        names = pipe.columns or list(self.world.engine.columns(*pipe.table))
        made, failed = [], []
        for line, row in rows:
            text = DATA_SOURCE.sub("(SELECT PARSE_JSON(?) AS DV_ROW)", pipe.projection)
            text = re.sub(r"\$1\s*:", "DV_ROW:", text)
            try:
                result = self.world.query(text, json.dumps(row), schema=pipe.table[:2])
            except SqlError as error:
                failed.append((line, error.message))
                continue
            made += [(line, {name: self.plain(value) for name, value in zip(names, values)}) for values in result.rows]
        return made, failed

    @staticmethod
    def plain(text):
        try:
            return json.loads(text) if text is not None else None
        except ValueError:
            return text

    def log_errors(self, table):
        """Makes the error table; sheet B tells its name, the columns are those of Snowflake's pages."""
        names = ", ".join(ERRORS_COLUMNS)
        self.world.query(f'CREATE TABLE IF NOT EXISTS "{table[2]}__ERRORS" ({names})', schema=table[:2])
        self.logged.add(table)

    def log(self, table, failed, service="snowpipe_streaming"):
        """failed: [(what came, why it was not taken)]."""
        if table in self.logged:
            now = time.strftime("%Y-%m-%d %H:%M:%S+00", time.gmtime(self.world.now()))
            rows = [{"TIMESTAMP": now, "QUERY_ID": secrets.token_hex(8), "ERROR_CODE": 100038, "ERROR_METADATA": {"error_message": why, "service": service},
                     "ERROR_DATA": {"$1": line.decode(errors="replace")} if isinstance(line, bytes) else line} for line, why in failed]
            load(self.world.engine, (*table[:2], f"{table[2]}__ERRORS"), [json.dumps(row).encode() for row in rows])

    # ---- what a test does to it ----

    def crash(self):
        """Buffers are lost, what was committed and the channels' state are not; those that lost something must be reopened."""
        self.settle()
        lost = 0
        for channel in self.channels.values():
            if channel.buffer:
                lost += sum(len(batch.lines) for batch in channel.buffer)
                channel.buffer, channel.broken = [], "ERR_CHANNEL_MUST_BE_REOPENED_DUE_TO_ROW_SEQ_GAP"
        return lost
