# SPDX-License-Identifier: Apache-2.0
"""engine.py - the database behind the emulator: snowduck's translation over DuckDB, its answers and errors in Snowflake's words.

snowduck's server is not used (it checks no token, never finishes an asynchronous statement and needs 430 MB beside it): only its
translation is, which needs two packages. Everything is in memory and gone with the emulator.
"""
import json
import re
import threading

from .brought import Dialect, DialectContext, InfoSchemaManager, duckdb, exp
from .dialect import MACROS, Rewriter
from .refused import SqlError

# of DuckDB: (Snowflake's name, length, precision, scale)
TYPES = {"VARCHAR": ("TEXT", 16777216, None, None), "BOOLEAN": ("BOOLEAN", None, None, None), "DATE": ("DATE", None, None, None),
         "DOUBLE": ("REAL", None, None, None), "FLOAT": ("REAL", None, None, None), "BLOB": ("BINARY", 8388608, None, None),
         "JSON": ("VARIANT", None, None, None), "TIME": ("TIME", None, 0, 9), "TIMESTAMP WITH TIME ZONE": ("TIMESTAMP_LTZ", None, 0, 9)}
RENDER = {"BOOLEAN": "{0}::VARCHAR", "DATE": "date_diff('day', DATE '1970-01-01', {0})::VARCHAR",
          "BLOB": "hex({0})", "TIME": "printf('%d.%09d', epoch_ns({0}) // 1000000000, epoch_ns({0}) % 1000000000)"}
STAMP = "printf('%d.%09d', epoch_ns({0}) // 1000000000, epoch_ns({0}) % 1000000000)"
COUNTED = {"INSERT": ("inserted",), "UPDATE": ("updated",), "DELETE": ("deleted",)}


class Result:
    """What a statement brought: columns [(name, type, length, precision, scale, nullable)], rows of texts, what it counted."""

    def __init__(self, columns, rows, counted=None):
        self.columns, self.rows, self.counted = columns, rows, counted


def quoted(name):
    return '"' + name.replace('"', '""') + '"'


class Engine:
    def __init__(self):
        self.lock = threading.RLock()
        self.connection = duckdb.connect(config={"threads": 1, "memory_limit": "1GB"})
        for macro in MACROS:
            self.connection.execute(f"CREATE MACRO memory.main.{macro}")
        self.schemas = InfoSchemaManager(self.connection)
        self.declared = {}  # (database, schema, table): {column: the type as it was written}
        self.translated, self.list_max = {}, 16384  # of VALUES or IN; some accounts have more

    def close(self):
        self.connection.close()

    # ---- what there is ----

    def databases(self):
        with self.lock:
            return {name for name, in self.connection.execute("SELECT database_name FROM duckdb_databases() WHERE NOT internal").fetchall()}

    def has_schema(self, database, schema):
        with self.lock:
            found = self.connection.execute("SELECT 1 FROM duckdb_schemas() WHERE database_name = ? AND schema_name = ?", [database, schema]).fetchall()
            return bool(found)

    def create(self, database, schema):
        """A database and a schema, as an administrator made them."""
        with self.lock:
            if database not in self.databases():
                self.connection.execute(f"ATTACH ':memory:' AS {quoted(database)}")
            self.connection.execute(f"CREATE SCHEMA IF NOT EXISTS {quoted(database)}.{quoted(schema)}")
            self.schemas.create_database_information_schema(database=database, schema=schema)

    def columns(self, database, schema, table):
        """{name: (DuckDB's type, may be null, longest text)} in order; empty: no such table."""
        with self.lock:
            rows = self.connection.execute(
                "SELECT column_name, data_type, is_nullable FROM duckdb_columns() WHERE database_name = ? AND schema_name = ? AND table_name = ?"
                " AND table_oid IN (SELECT table_oid FROM duckdb_tables()) ORDER BY column_index", [database, schema, table]).fetchall()
        declared = self.declared.get((database, schema, table), {})
        lengths = {name: re.fullmatch(r"(?:VARCHAR|TEXT|STRING|CHAR)\((\d+)\)", kind) for name, kind in declared.items()}
        return {name: (kind, nullable, int(lengths[name][1]) if lengths.get(name) else None) for name, kind, nullable in rows}

    # ---- statements ----

    def cursor(self, session):
        """A connection of its own, in the statement's schema."""
        cursor = self.connection.cursor()
        places = [".".join(map(quoted, (session.database, session.schema)))] if session.database and session.schema else []
        cursor.execute("SET search_path = '" + ",".join([*places, "memory.main"]).replace("'", "''") + "'")
        return cursor

    def bind(self, cursor, binds):
        for number, (kind, value) in enumerate(binds, 1):
            cursor.execute(f"SET VARIABLE dv_{number} = CAST($1 AS {kind})", [value])

    def translate(self, tree, binds, session):
        key = (tree.sql(dialect="snowflake"), session.database, session.schema, session.role, session.warehouse)
        if key in self.translated and "AI_" not in key[0] and "CORTEX" not in key[0].upper():  # those depend on what is bound
            return self.translated[key]

        def columns(table):
            if not isinstance(table.this, exp.Identifier):
                return {}  # a function
            return {column: kind for column, (kind, _, _) in self.columns(*self.place(table, session)).items()}
        made = Rewriter([value for _, value in binds], columns, self.list_max).rewrite(tree.copy())
        context = DialectContext(current_database=session.database, current_schema=session.schema, current_role=session.role,
                                 current_warehouse=session.warehouse, info_schema_manager=self.schemas)
        text = made.sql(dialect=Dialect(context=context))
        if isinstance(tree, (exp.Query, exp.DML)):
            self.translated[key] = text
        return text

    def execute(self, tree, binds, session, cursor=None):
        """Runs one statement; SqlError if it fails. binds: [(DuckDB's type, value)]."""
        with self.lock:
            try:
                if isinstance(tree, (exp.Grant, exp.Revoke, exp.Command)):
                    return self.done(tree, session)
                text = self.translate(tree, binds, session)
                cursor = cursor or self.cursor(session)
                self.bind(cursor, binds)
                if isinstance(tree, exp.Merge):
                    return self.merged(tree, cursor.execute(text + " RETURNING merge_action").fetchall())
                if isinstance(tree, (exp.Insert, exp.Update, exp.Delete)):
                    return self.changed(type(tree).__name__.upper(), cursor.execute(text).fetchall()[0][0])
                if isinstance(tree, (exp.Query, exp.Show, exp.Describe)):
                    return self.corrected(tree, session, self.selected(tree, cursor, text))
                cursor.execute(text)
                return self.done(tree, session)
            except duckdb.Error as error:
                raise translated_error(error) from None
            except (ValueError, AttributeError, KeyError) as error:  # of snowduck: it does not know that
                raise SqlError("001003", "42000", f"SQL compilation error:\n{error}") from None

    def selected(self, tree, cursor, text):
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
        return Result([column(name, kind) for name, (_, kind, *_) in zip(names_of(tree, described), described)], rows)

    def corrected(self, tree, session, result):
        """DESCRIBE TABLE tells types as they were declared: for DuckDB all semi-structured ones are the same."""
        table = tree.this if isinstance(tree, exp.Describe) and isinstance(tree.this, exp.Table) else None
        if table is not None and not result.rows:
            raise SqlError("002003", "42S02", f"SQL compilation error:\nTable '{table.name}' does not exist or not authorized.")
        declared = table is not None and self.declared.get(self.place(table, session))
        for row in result.rows if declared else []:
            known = declared.get(row[0], "")
            row[1] = known if known.startswith(("ARRAY", "OBJECT", "VECTOR", "VARCHAR(")) else row[1]
        return result

    @staticmethod
    def changed(kind, count):
        return Result([(f"number of rows {word}", "FIXED", None, 19, 0, False) for word in COUNTED[kind]], [[str(count)]], {COUNTED[kind][0]: count})

    @staticmethod
    def merged(tree, actions):
        thens = [when.args["then"] for when in tree.args["whens"].expressions]
        kinds = {"inserted": exp.Insert, "updated": exp.Update, "deleted": exp.Var}
        counted = {word: sum(action[:6] == word[:6].upper() for action, in actions)
                   for word, kind in kinds.items() if any(isinstance(then, kind) for then in thens)}
        return Result([(f"number of rows {word}", "FIXED", None, 19, 0, False) for word in counted], [[str(count) for count in counted.values()]], counted)

    def place(self, table, session):
        """(database, schema, name) of a table that a statement names."""
        name = table.name if table.this.args.get("quoted") else table.name.upper()
        return (table.catalog.upper() or session.database, table.db.upper() or session.schema, name)

    def done(self, tree, session):
        """A statement without rows tells what it did."""
        text, kind = "Statement executed successfully.", tree.args.get("kind")
        self.translated.clear()  # tables may be others now
        if isinstance(tree, exp.Create) and kind in ("DATABASE", "SCHEMA"):
            target = tree.this
            self.create(*((target.name.upper(), "PUBLIC") if kind == "DATABASE" else (target.catalog.upper() or session.database, target.db.upper())))
        elif isinstance(tree, (exp.Create, exp.Drop)) and kind in ("TABLE", "VIEW"):
            key = self.place(tree.find(exp.Table), session)
            if isinstance(tree, exp.Drop):
                self.declared.pop(key, None)
                text = f"{key[2]} successfully dropped."
            elif tree.args.get("exists") and key in self.declared:
                text = f"{key[2]} already exists, statement succeeded."
            else:
                text = f"{kind.capitalize()} {key[2]} successfully created."
                self.declared[key] = {part.name if part.this.args.get("quoted") else part.name.upper(): part.args["kind"].sql("snowflake")
                                      for part in tree.find_all(exp.ColumnDef)}
        return Result([("status", "TEXT", 16777216, None, None, True)], [[text]])


def names_of(tree, described):
    """The columns' names as Snowflake gives them: an expression without a name is called by its text."""
    parts = tree.selects if isinstance(tree, exp.Query) else []
    if len(parts) != len(described) or any(part.is_star for part in parts):
        return [name for name, *_ in described]
    names = []
    for part in parts:
        held = part.args.get("alias") or (part.this if isinstance(part, exp.Column) else None)
        names.append((held.name if held.args.get("quoted") else held.name.upper()) if isinstance(held, exp.Identifier) else part.sql("snowflake").upper())
    return [re.sub(r"DV_BIND\(\d+\)", "?", name) for name in names]


def column(name, kind):
    decimal = re.fullmatch(r"DECIMAL\((\d+),(\d+)\)", kind)
    if decimal or kind.endswith("INT") or kind in ("INTEGER", "UINTEGER"):
        return (name, "FIXED", None, int(decimal[1]) if decimal else 38, int(decimal[2]) if decimal else 0, True)
    if kind.startswith("TIMESTAMP") and "ZONE" not in kind:
        return (name, "TIMESTAMP_NTZ", None, 0, 9, True)
    if "[" in kind:
        return (name, "VECTOR" if re.search(r"\[\d+\]", kind) else "ARRAY", None, None, None, True)
    return (name, *TYPES.get(kind, ("TEXT", 16777216, None, None)), True)


def render(kind):
    if kind.startswith("TIMESTAMP"):
        return STAMP
    if re.search(r"\[\d+\]$", kind):
        return "replace({0}::VARCHAR, ' ', '')"
    return RENDER.get(kind, "{0}::VARCHAR")


def pretty(text):
    """A VARIANT as Snowflake prints it: over several lines."""
    return text if text is None else json.dumps(json.loads(text), indent=2, ensure_ascii=False)


def translated_error(error):
    """DuckDB's error as Snowflake's."""
    text = str(error)
    named = re.search(r"(\w{6})\|(\w{5})\|(.*)", text)
    if named:
        return SqlError(named[1], named[2], named[3])
    column_, table = re.search(r'column "?([^"\s]+)"? not found|"([^"]+)" not found in FROM', text), re.search(r"(?:Table|View|Schema) with name (\S+) does not", text)
    function = re.search(r"Function with name (\S+) does not", text)
    value = re.search(r'[Cc]ould not convert string [\'"](.*?)[\'"] to (\w+)', text)
    rules = [
        (column_, "000904", "42000", "SQL compilation error: error line 1 at position 7\ninvalid identifier '{0}'"),
        (table, "002003", "42S02", "SQL compilation error:\nObject '{0}' does not exist or not authorized."),
        (function, "002141", "42601", "SQL compilation error:\nUnknown function {0}"),
        (re.search(r'with name "?([^"\s]+)"? already exists', text), "002002", "42710", "SQL compilation error:\nObject '{0}' already exists."),
        (value, "100038", "22018", "Numeric value '{0}' is not recognized"),
        (re.search(r"NOT NULL constraint failed: (\S+)", text), "100072", "22000", "NULL result in a non-nullable column {0}"),
        (re.search(r"CHECK constraint failed on table (\S+)", text), "100078", "22000", "String is too long and would be truncated in {0}"),
        (re.search(r"Malformed JSON(.*)", text), "100069", "22P02", "Error parsing JSON: {0}"),
        (re.search(r"Conversion Error: (.*)", text), "100038", "22018", "{0}"),
    ]
    for match, code, state, message in rules:
        if match:
            return SqlError(code, state, message.format(next((part for part in match.groups() if part), "").strip().upper()
                                                        if code in ("000904", "002003", "002141") else match[1]))
    return SqlError("001003", "42000", f"SQL compilation error:\n{text[:300]}")
