# SPDX-License-Identifier: Apache-2.0
"""listing.py - SHOW, DESCRIBE and INFORMATION_SCHEMA: what there is, in the columns and the order that Snowflake's pages have them.

A role is only told of what it has a privilege on; no warehouse is needed for SHOW and DESCRIBE. SHOW spells what is not set as an empty
text, DESCRIBE as null.
"""
import json

from . import kinds
from .catalog import quoted, unknown
from .dialect import info_name
from .engine import Result
from .refused import SqlError
from .words import identifiers, like, literal, words

STAMP, NUMBER, TEXT = ("TIMESTAMP_LTZ", None, 0, 9), ("FIXED", None, 38, 0), ("TEXT", kinds.TEXT_MAX, None, None)
COLUMNS = ("table_name schema_name column_name data_type null? default kind expression comment database_name autoincrement schema_evolution_record"
           " write_default").split()
TABLES = ("created_on name database_name schema_name kind comment cluster_by rows bytes owner retention_time automatic_clustering change_tracking"
          " search_optimization search_optimization_progress search_optimization_bytes is_external enable_schema_evolution owner_role_type is_event budget"
          " is_hybrid is_iceberg is_dynamic is_immutable").split()
VIEWS = "created_on name reserved database_name schema_name owner comment text is_secure is_materialized owner_role_type change_tracking".split()
SCHEMAS = "created_on name is_default is_current database_name owner comment options retention_time owner_role_type budget".split()
DATABASES = "created_on name is_default is_current origin owner comment options retention_time kind budget owner_role_type".split()
WAREHOUSES = ("name state type size min_cluster_count max_cluster_count started_clusters running queued is_default is_current auto_suspend auto_resume available"
              " provisioning quiescing other created_on resumed_on updated_on owner comment enable_query_acceleration query_acceleration_max_scale_factor"
              " resource_monitor actives pendings failed suspended uuid scaling_policy budget owner_role_type").split()
PIPES = ("created_on name database_name schema_name definition owner notification_channel comment integration pattern error_integration owner_role_type"
         " invalid_reason budget kind").split()
OWN_PIPE = "COPY INTO {} FROM (SELECT * FROM TABLE(DATA_SOURCE(TYPE => 'STREAMING'))) MATCH_BY_COLUMN_NAME = CASE_INSENSITIVE"
ROLES = "created_on name is_default is_current is_inherited assigned_to_users granted_to_roles granted_roles owner comment".split()
GRANTS = "created_on privilege granted_on name granted_to grantee_name grant_option granted_by".split()
DESCRIBED = ["name", "type", "kind", "null?", "default", "primary key", "unique key", "check", "expression", "comment", "policy name", "privacy domain"]
DESCRIBED_PIPE = ("created_on name database_name schema_name definition owner notification_channel comment integration pattern error_integration"
                  " invalid_reason kind").split()
DEFAULT_PIPE = "Default pipe for Snowpipe Streaming High Performance ingestion to a table. Created and managed by Snowflake."
INFORMED = {
    "COLUMNS": "TABLE_CATALOG TABLE_SCHEMA TABLE_NAME COLUMN_NAME ORDINAL_POSITION:n COLUMN_DEFAULT IS_NULLABLE DATA_TYPE CHARACTER_MAXIMUM_LENGTH:n"
               " CHARACTER_OCTET_LENGTH:n NUMERIC_PRECISION:n NUMERIC_PRECISION_RADIX:n NUMERIC_SCALE:n DATETIME_PRECISION:n IS_IDENTITY COMMENT",
    "TABLES": "TABLE_CATALOG TABLE_SCHEMA TABLE_NAME TABLE_OWNER TABLE_TYPE IS_TRANSIENT CLUSTERING_KEY ROW_COUNT:n BYTES:n RETENTION_TIME:n CREATED:t"
              " LAST_ALTERED:t LAST_DDL:t AUTO_CLUSTERING_ON COMMENT",
    "VIEWS": "TABLE_CATALOG TABLE_SCHEMA TABLE_NAME TABLE_OWNER VIEW_DEFINITION IS_SECURE CREATED:t COMMENT",
    "SCHEMATA": "CATALOG_NAME SCHEMA_NAME SCHEMA_OWNER COMMENT",
    "PIPES": "PIPE_CATALOG PIPE_SCHEMA PIPE_NAME PIPE_OWNER DEFINITION COMMENT"}


def stamp(seconds):
    return f"{seconds:.9f}"


class Listing:
    def __init__(self, world):
        self.world, self.born_s = world, world.now()

    @property
    def catalog(self):
        return self.world.engine.catalog

    def answer(self, text, session):
        """The result of a SHOW or DESCRIBE; None: it is another statement."""
        said = words(text)
        verb = said[0].upper() if said else ""
        if verb == "SHOW":
            return self.show(said[1:], session)
        return self.describe(said[1:], session) if verb in ("DESC", "DESCRIBE") else None

    @staticmethod
    def result(names, rows):
        kind = {"created_on": STAMP, "resumed_on": STAMP, "updated_on": STAMP, "rows": NUMBER, "bytes": NUMBER}
        return Result([(name, *kind.get(name, TEXT), True) for name in names], [[None if cell is None else str(cell) for cell in row] for row in rows])

    # ---- SHOW ----

    def show(self, said, session):
        said = said[1:] if said and said[0].upper() == "TERSE" else said
        what, rest = said[0].upper() if said else "", said[1:]
        acts = {"COLUMNS": (COLUMNS, self.columns), "TABLES": (TABLES, self.tables), "VIEWS": (VIEWS, self.views), "SCHEMAS": (SCHEMAS, self.schemas),
                "DATABASES": (DATABASES, self.databases), "WAREHOUSES": (WAREHOUSES, self.warehouses), "PIPES": (PIPES, self.pipes),
                "ROLES": (ROLES, self.roles), "GRANTS": (GRANTS, self.grants)}
        if what not in acts:
            raise SqlError("001003", "42000", f"SQL compilation error:\nsyntax error line 1 at position 5 unexpected '{what}'.")
        names, act = acts[what]
        if what == "GRANTS":
            return self.result(names, act(rest, session))
        rest = rest[1:] if rest and rest[0].upper() == "HISTORY" else rest
        pattern = literal(rest[1]) if len(rest) > 1 and rest[0].upper() == "LIKE" else None
        rest, begin, limit = rest[2:] if pattern is not None else rest, None, None
        scope = []
        if rest and rest[0].upper() == "IN":
            scope, rest = self.scope(rest[1:])
        while rest:
            word = rest[0].upper()
            if word == "STARTS" and len(rest) > 2:
                begin, rest = literal(rest[2]), rest[3:]
            elif word == "LIMIT" and len(rest) > 1:
                limit, rest = int(rest[1]), rest[2:]
            else:
                raise SqlError("001003", "42000", f"SQL compilation error:\nsyntax error line 1 at position 5 unexpected '{rest[0]}'.")
        at = names.index("column_name" if what == "COLUMNS" else "name")
        rows = [row for row in act(scope, session) if like(pattern, row[at]) and (begin is None or row[at].startswith(begin))]
        return self.result(names, rows[:limit])

    @staticmethod
    def scope(said):
        """(["TABLE", part, ...] or another kind, the words after it)"""
        kind = said[0].upper() if said else ""
        if kind not in ("ACCOUNT", "DATABASE", "SCHEMA", "TABLE", "VIEW"):
            kind, said = "", ["", *said]
        if kind == "ACCOUNT" or len(said) == 1 or said[1].upper() in ("STARTS", "LIMIT"):
            return [kind], said[1:]
        parts, rest = identifiers(said[1:])
        return [kind, *parts], rest

    def inside(self, scope, session):
        """(database, schema) to look in, None: any. Both are there and the role may use them."""
        kind, parts = (scope[0], tuple(scope[1:])) if scope else ("", ())
        if kind == "ACCOUNT" or not parts and session.database is None:
            return None, None
        if kind == "DATABASE" or kind == "" and not parts and session.schema is None:
            database, schema = parts[0] if parts else session.database, None
        else:
            database, schema = parts if len(parts) == 2 else (session.database, parts[0] if parts else session.schema)
        self.catalog.schema(database, schema or "INFORMATION_SCHEMA")
        self.world.accounts.places(session.role, database, schema)
        return database, schema

    def found(self, scope, session):
        """Tables and views of a scope that the role may know of, by name."""
        database, schema = self.inside(scope, session)
        return sorted((relation for place, relation in self.catalog.relations.items()
                       if database in (None, place[0]) and schema in (None, place[1]) and self.world.accounts.visible(session.role, place)),
                      key=lambda relation: relation.place)

    def relation(self, parts, session, what="Table"):
        """One table or view by name, as DESCRIBE and SHOW COLUMNS take it: either word finds either."""
        place = (*(session.database, session.schema)[:3 - len(parts)], *parts)
        relation = self.catalog.find(place, what, "42S02", ".".join(parts))
        self.world.accounts.places(session.role, *place[:2])
        if not self.world.accounts.visible(session.role, place):
            raise unknown(what, ".".join(parts), "42S02")
        return relation

    def columns(self, scope, session):
        if scope and scope[0] in ("TABLE", "VIEW", "") and len(scope) > 1:
            if scope[0] == "VIEW" and len(scope) != 4:
                raise SqlError("001003", "42000", f"SQL compilation error:\nMust specify the full search path starting from database for {scope[-1]}")
            relations = [self.relation(scope[1:], session, "View" if scope[0] == "VIEW" else "Table")]
        else:
            relations = self.found(scope, session)
        return [[relation.place[2], relation.place[1], column.name, column.kind.described(column.nullable), "true" if column.nullable else "NOT_NULL",
                 column.default or "", "COLUMN", "", column.comment or "", relation.place[0], "", None, None]
                for relation in relations for column in relation.columns.values()]

    def count(self, relation):
        return self.world.engine.connection.execute(f"SELECT COUNT(*) FROM {'.'.join(map(quoted, relation.place))}").fetchall()[0][0]

    def tables(self, scope, session):
        rows = []
        for relation in self.found(scope, session):
            if relation.view:
                continue
            count, flag = self.count(relation), {"TRUE": "Y"}.get(relation.options.get("ENABLE_SCHEMA_EVOLUTION"), "N")
            rows.append([stamp(relation.created_s), relation.place[2], *relation.place[:2], "TABLE", relation.comment or "", "", count, 512 * -(-count // 8),
                         relation.owner or "", "1", "OFF", "OFF", "OFF", None, None, "N", flag, "ROLE", "N", None, "N", "N", "N", "N"])
        return rows

    def views(self, scope, session):
        return [[stamp(relation.created_s), relation.place[2], "", *relation.place[:2], relation.owner or "", relation.comment or "", relation.text, "false",
                 "false", "ROLE", "OFF"] for relation in self.found(scope, session) if relation.view]

    def schemas(self, scope, session):
        database = scope[-1] if len(scope) > 1 else None if scope and scope[0] == "ACCOUNT" else session.database
        if database is not None:
            self.catalog.schema(database, "INFORMATION_SCHEMA")
            self.world.accounts.places(session.role, database, None)
        return [[stamp(self.born_s), schema, "N", "Y" if (one, schema) == (session.database, session.schema) else "N", one,
                 "" if schema == "INFORMATION_SCHEMA" else "ACCOUNTADMIN", "", "", "1", "" if schema == "INFORMATION_SCHEMA" else "ROLE", None]
                for one in sorted(self.catalog.databases) if database in (None, one) and self.world.accounts.any(session.role, "DATABASE", one)
                for schema in sorted([*self.catalog.databases[one], "INFORMATION_SCHEMA"])
                if schema == "INFORMATION_SCHEMA" or self.world.accounts.any(session.role, "SCHEMA", f"{one}.{schema}")]

    def databases(self, _scope, session):
        return [[stamp(self.born_s), name, "N", "Y" if name == session.database else "N", "", "ACCOUNTADMIN", "", "", "1", "STANDARD", None, "ROLE"]
                for name in sorted(self.catalog.databases) if self.world.accounts.any(session.role, "DATABASE", name)]

    def warehouses(self, _scope, session):
        born = stamp(self.born_s)
        return [[name, "SUSPENDED" if name in self.world.suspended else "STARTED", "STANDARD", "X-Small", 1, 1, int(name not in self.world.suspended), 0, 0, "N",
                 "Y" if name == session.warehouse else "N", 60, "true", "100", "0", "0", "0", born, born, born, "ACCOUNTADMIN", "", "false", 8, "null", 0, 0, 0, 0,
                 "0", "STANDARD", None, "ROLE"]
                for name in sorted(self.world.warehouses) if self.world.accounts.any(session.role, "WAREHOUSE", name)]

    def pipes(self, scope, session):
        """Pipes that somebody made, and a table's own one once a channel was opened through it."""
        database, schema = self.inside(scope, session)
        channels, any_ = self.world.streaming.channels, self.world.accounts.any
        seen = {place: pipe for place, pipe in channels.pipes.items() if any_(session.role, "PIPE", ".".join(place))}
        for place in channels.instantiated:
            pipe = channels.pipe(*place)
            if pipe and place not in channels.pipes and any_(session.role, "TABLE", ".".join(pipe.table)):
                seen[place] = pipe
        return [[stamp(self.born_s), place[2], *place[:2], pipe.text or OWN_PIPE.format(".".join(pipe.table)), "ACCOUNTADMIN", None, "", None, None, None, "ROLE",
                 self.world.invalid_pipes.get(place[2]), None, "STREAMING"]
                for place, pipe in sorted(seen.items(), key=lambda one: one[0]) if database in (None, place[0]) and schema in (None, place[1])]

    def roles(self, _scope, session):
        accounts = self.world.accounts
        return [[stamp(self.born_s), name, "N", "Y" if name == session.role else "N", "Y" if name in accounts.roles(session.role) else "N",
                 sum(name in user.roles for user in self.world.users.values()), 0, len(accounts.given[name]), "", ""] for name in sorted(accounts.held)]

    def grants(self, said, session):
        """TO ROLE r, or of the own role."""
        upper = [word.upper() for word in said]
        role = identifiers(said[2:])[0][0] if upper[:2] == ["TO", "ROLE"] else session.role
        if role not in self.world.accounts.held:
            raise unknown("Role", role)
        return [[stamp(self.born_s), privilege, kind, name, "ROLE", role, "false", "ACCOUNTADMIN"] for privilege, kind, name in sorted(self.world.accounts.held[role] or ())]

    # ---- DESCRIBE ----

    def describe(self, said, session):
        kind = said[0].upper() if said else ""
        if kind == "PIPE":
            return self.result(DESCRIBED_PIPE, [self.pipe(identifiers(said[1:])[0], session)])
        if kind not in ("TABLE", "VIEW"):
            raise SqlError("001003", "42000", f"SQL compilation error:\nDESCRIBE {kind} is not known to the emulator")
        parts, _ = identifiers(said[1:])
        relation = self.relation(parts, session, kind.capitalize())
        return self.result(DESCRIBED, [[column.name, column.kind.spoken(), "COLUMN", "Y" if column.nullable else "N", column.default, "N", "N", None, None,
                                        column.comment, None, None] for column in relation.columns.values()])

    def pipe(self, parts, session):
        """A pipe, or the default one of a table, which nobody owns. The page says that `kind` is STAGE; streaming ones were seen to have STREAMING."""
        place = (*(session.database, session.schema)[:3 - len(parts)], *parts)
        self.catalog.schema(*place[:2])
        self.world.accounts.places(session.role, *place[:2])
        pipe, may = self.world.streaming.channels.pipe(*place), self.world.accounts.may
        if pipe is None or not any(may(session.role, privilege, "PIPE", ".".join(place)) for privilege in ("OWNERSHIP", "MONITOR", "OPERATE")) \
                and not may(session.role, "MONITOR EXECUTION", "ACCOUNT", "ACCOUNT"):
            raise unknown("Pipe", ".".join(parts))
        default = pipe.projection is None
        text = f"COPY INTO {'.'.join(map(quoted, pipe.table))} FROM (SELECT * FROM TABLE(DATA_SOURCE(TYPE => 'STREAMING'))) MATCH_BY_COLUMN_NAME=CASE_INSENSITIVE"
        return [stamp(self.born_s), place[2], *place[:2], text if default else pipe.text, None if default else "ACCOUNTADMIN", None,
                DEFAULT_PIPE if default else "", None, None, None, self.world.invalid_pipes.get(place[2]), "STREAMING"]

    # ---- INFORMATION_SCHEMA ----

    def inform(self, tree, session):
        """Makes what a query of INFORMATION_SCHEMA reads, as the role may see it now."""
        for table in self.catalog.named(tree):
            database, schema, view = self.catalog.place(table, session)
            if schema != "INFORMATION_SCHEMA":
                continue
            self.catalog.schema(database, schema)
            self.world.accounts.places(session.role, database, None)
            if view not in INFORMED:
                raise unknown("Object", f"{database}.INFORMATION_SCHEMA.{view}", "42S02")
            self.fill(database, view, session)

    def fill(self, database, view, session):
        parts = [part.partition(":") for part in INFORMED[view].split()]
        types = {"": "VARCHAR", "n": "DECIMAL(38,0)", "t": "TIMESTAMPTZ"}
        target, cursor = f"memory.main.{quoted(info_name(database, view))}", self.world.engine.connection.cursor()
        reads = {"": "json_extract_string(value, '$[{0}]')", "n": "json_extract_string(value, '$[{0}]')::DECIMAL(38,0)",
                 "t": "make_timestamptz((json_extract_string(value, '$[{0}]')::DOUBLE * 1000000)::BIGINT)"}
        cursor.execute(f"CREATE OR REPLACE TABLE {target} ({', '.join(f'{quoted(name)} {types[kind]}' for name, _, kind in parts)})")
        cursor.execute("SET VARIABLE dv_info = $1", [json.dumps(self.informed(database, view, session))])
        cursor.execute(f"INSERT INTO {target} SELECT {', '.join(reads[kind].format(at) for at, (_, _, kind) in enumerate(parts))} "
                       "FROM json_each(CAST(getvariable('dv_info') AS JSON))")
        cursor.close()

    def informed(self, database, view, session):
        relations = self.found(["DATABASE", database], session)
        if view == "COLUMNS":
            return [[*relation.place, column.name, at, column.default, "YES" if column.nullable else "NO", *column.kind.informed(), None, "NO", column.comment]
                    for relation in relations for at, column in enumerate(relation.columns.values(), 1)]
        if view == "TABLES":
            counts = {relation.place: None if relation.view else self.count(relation) for relation in relations}
            return [[*relation.place, relation.owner, "VIEW" if relation.view else "BASE TABLE", "NO", None, counts[relation.place],
                     None if relation.view else 64 * counts[relation.place], 1, *[relation.created_s] * 3, "NO", relation.comment] for relation in relations]
        if view == "VIEWS":
            return [[*relation.place, relation.owner, relation.text, "NO", relation.created_s, relation.comment] for relation in relations if relation.view]
        if view == "SCHEMATA":
            return [[row[4], row[1], row[5], None] for row in self.schemas(["DATABASE", database], session)]
        return [[*row[2:4], row[1], row[5], row[4], row[7]] for row in self.pipes(["DATABASE", database], session)]
