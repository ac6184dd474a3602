# SPDX-License-Identifier: Apache-2.0
"""engine.py - the database behind the emulator: snowduck's translation over DuckDB, its answers and errors in Snowflake's words.

snowduck's server is not used (it checks no token, never finishes an asynchronous statement and needs 430 MB beside it): only its
translation is, which needs two packages. Everything is in memory and gone with the emulator.
"""
import contextlib
import json
import re
import threading

from . import ddl, kinds
from .brought import Dialect, DialectContext, InfoSchemaManager, duckdb, exp
from .catalog import Catalog, quoted
from .dialect import MACROS, Rewriter
from .errors import translated_error
from .fakes import EMBEDDERS, SQL_CHAT_MODELS
from .refused import SqlError

RENDER = {"BOOLEAN": "{0}::VARCHAR", "DATE": "date_diff('day', DATE '1970-01-01', {0})::VARCHAR",
          "BLOB": "hex({0})", "TIME": "printf('%d.%09d', epoch_ns({0}) // 1000000000, epoch_ns({0}) % 1000000000)"}
STAMP = "(epoch_ns({0})::DECIMAL(20,0) * 0.000000001::DECIMAL(10,9))::DECIMAL(29,9)::VARCHAR"  # a number: before 1970 a negative one
REAL = "CASE WHEN isnan({0}) THEN 'NaN' ELSE {0}::VARCHAR END"
COUNTED = {"INSERT": ("inserted",), "UPDATE": ("updated",), "DELETE": ("deleted",)}
TEXT_BIND_MAX = 16777216


class Result:
    """What a statement brought: columns [(name, type, length, precision, scale, nullable)], rows of texts, what it counted."""

    def __init__(self, columns, rows, counted=None):
        self.columns, self.rows, self.counted = columns, rows, counted


def done(text):
    """The result of a statement without rows: it tells what it did."""
    return Result([("status", "TEXT", kinds.TEXT_MAX, None, None, True)], [[text]])


class Engine:
    def __init__(self):
        self.lock = threading.RLock()
        self.connection = duckdb.connect(config={"threads": 1, "memory_limit": "1GB"})
        for macro in MACROS:
            self.connection.execute(f"CREATE MACRO memory.main.{macro}")
        self.schemas = InfoSchemaManager(self.connection)
        self.catalog = Catalog()
        self.models = lambda: (SQL_CHAT_MODELS, EMBEDDERS)  # of the account's region
        self.translated, self.list_max, self.text_max = {}, 16384, TEXT_BIND_MAX  # of VALUES or IN; some accounts have more

    def close(self):
        self.connection.close()

    # ---- what there is ----

    def databases(self):
        return set(self.catalog.databases)

    def has_schema(self, database, schema):
        return schema in self.catalog.databases.get(database, ())

    def create(self, database, schema):
        """A database and a schema, as an administrator made them."""
        with self.lock:
            ddl.make_schema(self, database, schema)

    def columns(self, database, schema, table):
        """{name: (DuckDB's type, may be null, longest text)} in order; empty: no such table."""
        relation = self.catalog.relations.get((database, schema, table))
        if relation is None or relation.view:
            return {}
        return {name: (kind, nullable, self.longest(relation.columns[name])) for name, (kind, nullable) in relation.stored.items()}

    @staticmethod
    def longest(column):
        return column.kind.length if column.kind.type == "TEXT" and column.kind.length < kinds.TEXT_MAX else None

    # ---- statements ----

    def cursor(self, session):
        """A connection of its own, in the statement's schema."""
        cursor = self.connection.cursor()
        places = [".".join(map(quoted, (session.database, session.schema)))] if self.has_schema(session.database, session.schema) else []
        cursor.execute("SET search_path = '" + ",".join([*places, "memory.main"]).replace("'", "''") + "'")
        return cursor

    def bind(self, cursor, binds):
        for number, (kind, value) in enumerate(binds, 1):
            if isinstance(value, str) and len(value.encode()) > self.text_max:
                raise SqlError("100069", "22P02", f"Error parsing JSON: document is too large, max size {self.text_max} bytes")
            cursor.execute(f"SET VARIABLE dv_{number} = CAST($1 AS {kind})", [value])

    def rewritten(self, tree, binds, session):
        """The tree that snowduck translates next."""
        def columns(table):
            if not isinstance(table.this, exp.Identifier):
                return {}  # a function
            return self.columns(*self.catalog.place(table, session))
        return Rewriter([value for _, value in binds], columns, self.list_max, session, self.models()).rewrite(tree.copy())

    def said_to_duckdb(self, tree, session):
        context = DialectContext(current_database=session.database, current_schema=session.schema, current_role=session.role,
                                 current_warehouse=session.warehouse, info_schema_manager=self.schemas)
        return tree.sql(dialect=Dialect(context=context))

    def translate(self, tree, binds, session):
        """(the statement for DuckDB, for a MERGE: the one that finds rows that match twice)"""
        said = tree.meta.get("said") or tree.meta.setdefault("said", tree.sql(dialect="snowflake"))
        key = (said, session.user, session.database, session.schema, session.role, session.warehouse)
        if key in self.translated and "AI_" not in key[0] and "CORTEX" not in key[0].upper():  # those depend on what is bound
            return self.translated[key]
        made = self.rewritten(tree, binds, session)
        twice = self.twice(made) if isinstance(made, exp.Merge) else None
        texts = (self.said_to_duckdb(made, session), twice and self.said_to_duckdb(twice, session))
        if isinstance(tree, (exp.Query, exp.DML)):
            self.translated[key] = texts
        return texts

    @staticmethod
    def twice(merge):
        """Finds a row of the target that more than one row of the source would change: that is an error."""
        whens = [when for when in merge.args["whens"].expressions if when.args.get("matched")]
        if not whens:
            return None
        alias = merge.this.alias_or_name
        found = exp.select("1").from_(merge.this.copy()).join(merge.args["using"].copy(), on=merge.args["on"].copy()).limit(1)
        if all(when.args.get("condition") for when in whens):
            found = found.where(exp.or_(*(when.args["condition"].copy() for when in whens)))
        return found.group_by(exp.column("rowid", table=alias)).having("COUNT(*) > 1")

    @contextlib.contextmanager
    def in_words(self):
        """Whatever fails is a SqlError."""
        with self.lock:
            try:
                yield
            except duckdb.Error as error:
                raise translated_error(error) from None
            except (ValueError, AttributeError, KeyError) as error:  # of snowduck: it does not know that
                raise SqlError("001003", "42000", f"SQL compilation error:\n{error}") from None

    def execute(self, tree, binds, session, cursor=None):
        """Runs one statement; SqlError if it fails. binds: [(DuckDB's type, value)]."""
        with self.in_words():
            self.catalog.alone(tree, session)
            told = ddl.done(self, tree, session)
            if told is not None:
                self.translated.clear()  # tables may be others now
                return done(told)
            self.catalog.present(tree, session)
            return self.run(tree, binds, session, cursor or self.cursor(session))

    def compile(self, tree, binds, session):
        """SqlError if it could not be run; it is not."""
        with self.in_words():
            self.catalog.present(tree, session)
            cursor = self.cursor(session)
            self.bind(cursor, binds)
            cursor.execute(f"EXPLAIN {self.translate(tree, binds, session)[0]}")

    def run(self, tree, binds, session, cursor):
        self.bind(cursor, binds)
        text, twice = self.translate(tree, binds, session)
        if twice and cursor.execute(twice).fetchall():
            raise SqlError("100090", "42P18", "Duplicate row detected during DML action\nRow Values: [...]")
        if isinstance(tree, exp.Merge):
            return self.merged(tree, cursor.execute(text + " RETURNING merge_action").fetchall())
        if isinstance(tree, (exp.Insert, exp.Update, exp.Delete)):
            return self.changed(type(tree).__name__.upper(), cursor.execute(text).fetchall()[0][0])
        if isinstance(tree, exp.Query):
            return self.selected(tree, cursor, text, session)
        cursor.execute(text)  # of a transaction
        return done(ddl.EXECUTED)

    def selected(self, tree, cursor, text, session):
        """The rows as texts, in Snowflake's notation of each type."""
        described = cursor.execute(f"DESCRIBE {text}").fetchall()
        names = [f"c{number}" for number in range(len(described))]
        parts = ", ".join(render(kind).format(name) for name, (_, kind, *_) in zip(names, described))
        rows = cursor.execute(f"SELECT {parts} FROM (\n{text}\n) AS q({', '.join(names)})").fetchall()
        semi = [number for number, (_, kind, *_) in enumerate(described) if kind == "JSON"]
        rows = [list(row) for row in rows]
        for row in rows:
            for number in semi:
                row[number] = pretty(row[number])
        known = self.catalog.projected(tree, session)
        known = known if len(known) == len(described) else [None] * len(described)
        return Result([column(name, kind, one) for name, (_, kind, *_), one in zip(names_of(tree, described), described, known)], rows)

    @staticmethod
    def changed(kind, count):
        return Result([(f"number of rows {word}", "FIXED", None, 19, 0, False) for word in COUNTED[kind]], [[str(count)]], {COUNTED[kind][0]: count})

    @staticmethod
    def merged(tree, actions):
        thens = [when.args["then"] for when in tree.args["whens"].expressions]
        sorts = {"inserted": exp.Insert, "updated": exp.Update, "deleted": exp.Var}
        counted = {word: sum(action[:6] == word[:6].upper() for action, in actions)
                   for word, sort in sorts.items() if any(isinstance(then, sort) for then in thens)}
        return Result([(f"number of rows {word}", "FIXED", None, 19, 0, False) for word in counted], [[str(count) for count in counted.values()]], counted)

    def place(self, table, session):
        return self.catalog.place(table, session)


def names_of(tree, described):
    """The columns' names as Snowflake gives them: an expression without a name is called by its text."""
    parts = tree.selects if isinstance(tree, exp.Query) else []
    if len(parts) != len(described) or any(part.is_star for part in parts):
        return [name for name, *_ in described]
    names = []
    for part in parts:
        held = part.args.get("alias") or (part.this if isinstance(part, exp.Column) else None)
        names.append((held.name if held.args.get("quoted") else held.name.upper()) if isinstance(held, exp.Identifier) else part.sql("snowflake", comments=False).upper())
    return [re.sub(r"DV_BIND\(\d+\)", "?", name) for name in names]


def column(name, kind, known):
    """Of a result: as DuckDB has it, unless it is a table's column as it is, or a cast."""
    if known and (kind == "JSON" or known.name):
        return (name, *known.kind.column(), known.nullable)
    return (name, *kinds.of_duckdb(kind).column(), True)


def render(kind):
    if kind.startswith("TIMESTAMP"):
        return STAMP
    if re.search(r"\[\d+\]$", kind):
        return "replace({0}::VARCHAR, ' ', '')"
    if kind in ("DOUBLE", "FLOAT"):
        return REAL
    return RENDER.get(kind, "{0}::VARCHAR")


def pretty(text):
    """A VARIANT as Snowflake prints it: over several lines."""
    return text if text is None else json.dumps(json.loads(text), indent=2, ensure_ascii=False)
