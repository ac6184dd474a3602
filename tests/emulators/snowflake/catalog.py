# SPDX-License-Identifier: Apache-2.0
"""catalog.py - what tables and views there are, as they were declared: DuckDB knows neither ARRAY from VARIANT nor comments, and finds names in any case."""
import time

from . import kinds
from .brought import exp
from .refused import SqlError


def said(node):
    """An identifier's name: upper case unless it is in quotation marks."""
    return "" if node is None else node.name if node.args.get("quoted") else node.name.upper()


def quoted(name):
    return '"' + name.replace('"', '""') + '"'


def unknown(what, name, state="02000"):
    return SqlError("002003", state, f"SQL compilation error:\n{what} '{name}' does not exist or not authorized.")


class Column:
    def __init__(self, name, kind, nullable=True, default=None, comment=None):
        self.name, self.kind, self.nullable, self.default, self.comment = name, kind, nullable, default, comment


class Relation:
    """A table or a view. options: as ERROR_LOGGING, each a text."""

    def __init__(self, place, view=False, owner="ACCOUNTADMIN"):
        self.place, self.view, self.owner, self.created_s = place, view, owner, time.time()
        self.columns, self.options, self.comment, self.text = {}, {}, None, ""
        self.stored = {}  # {name: (DuckDB's type, whether it may be null)}


class Catalog:
    """databases: {name: {schema: when it was made}}; relations: {(database, schema, name): Relation}, in the order they were made."""

    def __init__(self):
        self.databases, self.relations = {}, {}

    # ---- names ----

    @staticmethod
    def place(table, session):
        """(database, schema, name) of a table that a statement names."""
        return (said(table.args.get("catalog")) or session.database, said(table.args.get("db")) or session.schema, said(table.this))

    @staticmethod
    def schema_place(table, session):
        """Of a schema: sqlglot has it in a table's `db` or, alone, in its `this`."""
        return (said(table.args.get("catalog")) or session.database, said(table.args.get("db")) or said(table.this))

    def schema(self, database, schema):
        """SqlError unless there are such."""
        if database is None:
            raise SqlError("090105", "22000", "Cannot perform operation. This session does not have a current database. Call 'USE DATABASE', or use a qualified name.")
        if database not in self.databases:
            raise unknown("Database", database)
        if schema is None:
            raise SqlError("090106", "22000", "Cannot perform operation. This session does not have a current schema. Call 'USE SCHEMA', or use a qualified name.")
        if schema not in self.databases[database] and schema != "INFORMATION_SCHEMA":
            raise unknown("Schema", f"{database}.{schema}")

    def find(self, place, what="Object", state="42S02", said_as=None):
        """A relation of exactly that name."""
        self.schema(*place[:2])
        if place not in self.relations:
            raise unknown(what, said_as or ".".join(place), state)
        return self.relations[place]

    def present(self, tree, session):
        """SqlError for a table that a statement names and that is not there."""
        for table in self.named(tree):
            place = self.place(table, session)
            if place[1] == "INFORMATION_SCHEMA":
                self.schema(*place[:2])
            else:
                self.find(place)

    def alone(self, tree, session):
        """SqlError for a new table whose name differs from that of another one in case alone: DuckDB would take it for the other."""
        if not isinstance(tree, exp.Create) or tree.kind not in ("TABLE", "VIEW"):
            return
        place = self.place(tree.find(exp.Table), session)
        if any(other != place and [part.upper() for part in other] == [part.upper() for part in place] for other in self.relations):
            raise SqlError("000002", "0A000", f"Unsupported feature 'the emulator cannot hold two names that differ in case alone: {place[2]}'.")

    @staticmethod
    def named(tree):
        """The tables that a statement names, without those of its WITH and its functions."""
        own = {cte.alias_or_name.upper() for cte in tree.find_all(exp.CTE)}
        return [table for table in tree.find_all(exp.Table)
                if isinstance(table.this, exp.Identifier) and not (table.name.upper() in own and not table.db)]

    # ---- what a statement made ----

    def created(self, tree, session):
        """A CREATE TABLE or VIEW was carried out: keeps what DuckDB would forget."""
        place = self.place(tree.find(exp.Table), session)
        if tree.args.get("exists") and place in self.relations:
            return
        relation = Relation(place, tree.kind == "VIEW", session.role)
        relation.text = tree.sql("snowflake")
        for part in tree.args["properties"].expressions if tree.args.get("properties") else []:
            self.option(relation, part)
        for part in tree.this.expressions if isinstance(tree.this, exp.Schema) else []:
            if isinstance(part, exp.ColumnDef) and part.args.get("kind"):
                relation.columns[said(part.this)] = self.column(part)
        if isinstance(tree.expression, exp.Query):
            for name, column in zip([said(part.this) for part in tree.this.expressions] if isinstance(tree.this, exp.Schema) else tree.expression.named_selects,
                                    self.projected(tree.expression, session)):
                if column:
                    relation.columns[name] = Column(name, column.kind, column.nullable)
        self.relations.pop(place, None)
        self.relations[place] = relation

    @staticmethod
    def option(relation, part):
        if isinstance(part, exp.SchemaCommentProperty):
            relation.comment = part.name
        elif isinstance(part, exp.Property) and isinstance(part.args.get("value"), exp.Expression) and isinstance(part.this, exp.Expression):
            value = part.args["value"]
            relation.options[part.name.upper()] = str(value.this).upper() if isinstance(value, exp.Boolean) else value.name
            if part.name.upper() == "COMMENT":
                relation.comment = value.name

    @staticmethod
    def column(part):
        made = Column(said(part.this), kinds.of_declared(part.args["kind"]))
        for constraint in part.args.get("constraints") or []:
            if isinstance(constraint.kind, (exp.NotNullColumnConstraint, exp.PrimaryKeyColumnConstraint)):
                made.nullable = bool(constraint.kind.args.get("allow_null"))
            elif isinstance(constraint.kind, exp.DefaultColumnConstraint):
                made.default = constraint.kind.this.sql("snowflake")
            elif isinstance(constraint.kind, (exp.AutoIncrementColumnConstraint, exp.GeneratedAsIdentityColumnConstraint)):
                made.default = "IDENTITY START 1 INCREMENT 1 NOORDER"  # what a statement would put there is not emulated
            elif isinstance(constraint.kind, exp.CommentColumnConstraint):
                made.comment = constraint.kind.name
        return made

    def altered(self, tree, session):
        """ALTER TABLE: columns that came, options that were set."""
        relation = self.relations[self.place(tree.this, session)]
        for action in tree.args.get("actions") or []:
            if isinstance(action, exp.ColumnDef):
                relation.columns.setdefault(said(action.this), self.column(action))
            for part in action.find_all(exp.Property) if isinstance(action, exp.AlterSet) else []:
                self.option(relation, part)
            for part in action.find_all(exp.SchemaCommentProperty) if isinstance(action, exp.AlterSet) else []:
                self.option(relation, part)

    def commented(self, tree, session):
        kind, text = str(tree.args.get("kind")).upper(), tree.expression.name
        if kind in ("TABLE", "VIEW"):
            self.find(self.place(tree.this, session), kind.capitalize()).comment = text
        elif kind == "COLUMN":
            column = tree.this
            place = (said(column.args.get("catalog")) or session.database, said(column.args.get("db")) or session.schema, said(column.args.get("table")))
            relation = self.find(place, "Table")
            if said(column.this) not in relation.columns:
                raise SqlError("000904", "42000", f"SQL compilation error: error line 1 at position 7\ninvalid identifier '{column.name}'")
            relation.columns[said(column.this)].comment = text

    def settle(self, connection):
        """Brings the relations to what DuckDB has now."""
        found, rows = {}, connection.execute(
            "SELECT c.database_name, c.schema_name, c.table_name, c.column_name, c.data_type, c.is_nullable, v.view_name IS NOT NULL"
            " FROM duckdb_columns() c LEFT JOIN duckdb_views() v ON v.database_name = c.database_name AND v.schema_name = c.schema_name AND v.view_name = c.table_name"
            " ORDER BY c.database_name, c.schema_name, c.table_oid, c.column_index").fetchall()
        for database, schema, table, name, kind, nullable, view in rows:
            if schema in self.databases.get(database, ()):
                found.setdefault((database, schema, table), {})[name] = (kind, nullable, view)
        for place in [place for place in self.relations if place not in found]:
            del self.relations[place]
        for place, columns in found.items():
            view = next(iter(columns.values()))[2]
            relation = self.relations.setdefault(place, Relation(place, view))
            known = relation.columns
            relation.columns = {name: known.get(name) or Column(name, kinds.of_duckdb(kind), nullable) for name, (kind, nullable, _) in columns.items()}
            relation.stored = {name: (kind, nullable) for name, (kind, nullable, _) in columns.items()}

    # ---- types of a query ----

    def projected(self, query, session):
        """For each expression of a SELECT the column that it is, or None; an empty list where that cannot be told."""
        if not isinstance(query, exp.Select):
            return []
        tables = [table for table in self.named(query) if table.find_ancestor(exp.Select) is query]
        sources = {table.alias_or_name.upper(): self.relations.get(self.place(table, session)) for table in tables}
        made = []
        for part in query.selects:
            if part.is_star:
                if len(sources) != 1 or query.args.get("joins") or not (relation := next(iter(sources.values()))):
                    return []
                made += relation.columns.values()
                continue
            part = part.this if isinstance(part, exp.Alias) else part
            made.append(self.source(part, sources) if isinstance(part, exp.Column) else self.cast(part))
        return made

    @staticmethod
    def source(part, sources):
        owner = sources.get(part.table.upper()) if part.table else next(iter(sources.values())) if len(sources) == 1 else None
        return owner.columns.get(said(part.this)) if owner else None

    @staticmethod
    def cast(part):
        return Column("", kinds.of_declared(part.to)) if isinstance(part, exp.Cast) and not part.to.is_type("unknown") else None
