# SPDX-License-Identifier: Apache-2.0
"""ddl.py - statements that make, change and drop objects, and what each says when it is done."""
from .brought import exp
from .catalog import quoted, said, unknown
from .refused import SqlError

EXECUTED = "Statement executed successfully."


def taken(name):
    return SqlError("002002", "42710", f"SQL compilation error:\nObject '{name}' already exists.")


def make_schema(engine, database, schema):
    if database not in engine.catalog.databases:
        engine.connection.execute(f"ATTACH ':memory:' AS {quoted(database)}")
        engine.catalog.databases[database] = {}
    if schema not in engine.catalog.databases[database]:
        engine.connection.execute(f"CREATE SCHEMA IF NOT EXISTS {quoted(database)}.{quoted(schema)}")
        engine.catalog.databases[database][schema] = len(engine.catalog.databases[database])


def done(engine, tree, session):
    """What a statement of this kind says when it was carried out; None: it is of another kind."""
    acts = {exp.Create: create, exp.Drop: drop, exp.Alter: alter, exp.Comment: comment, exp.TruncateTable: truncate}
    act = acts.get(type(tree))
    if act is None:
        return command(tree) if isinstance(tree, exp.Command) else None
    text = act(engine, tree, session)
    engine.catalog.settle(engine.connection)
    return text


def command(tree):
    """What nobody here reads is taken as done where it sets something up; what would bring rows is not known."""
    if str(tree.this).upper() not in ("ALTER", "CREATE", "DROP", "GRANT", "REVOKE"):
        raise SqlError("001003", "42000", f"SQL compilation error:\n{tree.this} is not known to the emulator")
    return EXECUTED


# ---- CREATE ----

def create(engine, tree, session):
    if tree.kind in ("DATABASE", "SCHEMA"):
        return create_schema(engine, tree, session)
    if tree.kind not in ("TABLE", "VIEW"):
        raise SqlError("001003", "42000", f"SQL compilation error:\nCREATE {tree.kind} is not known to the emulator")
    place = engine.catalog.place(tree.find(exp.Table), session)
    engine.catalog.schema(*place[:2])
    there = engine.catalog.relations.get(place)
    if there and tree.args.get("exists"):
        return f"{place[2]} already exists, statement succeeded."
    if there and not tree.args.get("replace"):
        raise taken(".".join(place))
    if isinstance(tree.expression, exp.Query):
        engine.catalog.present(tree.expression, session)
    cursor = engine.cursor(session)
    if there and there.view != (tree.kind == "VIEW"):
        cursor.execute(f"DROP {'VIEW' if there.view else 'TABLE'} {'.'.join(map(quoted, place))}")
    cursor.execute(engine.said_to_duckdb(engine.rewritten(tree, [], session), session))
    engine.catalog.created(tree, session)
    return f"{tree.kind.capitalize()} {place[2]} successfully created."


def create_schema(engine, tree, session):
    table, databases = tree.find(exp.Table), engine.catalog.databases
    if tree.kind == "DATABASE":
        place, there = (said(table.this), "PUBLIC"), said(table.this) in databases
    else:
        place = engine.catalog.schema_place(table, session)
        engine.catalog.schema(place[0], "INFORMATION_SCHEMA")
        there = place[1] in databases[place[0]]
    name = place[0] if tree.kind == "DATABASE" else place[1]
    if there and tree.args.get("exists"):
        return f"{name} already exists, statement succeeded."
    if there and not tree.args.get("replace"):
        raise taken(name)
    if there:
        remove_schema(engine, tree.kind, place)
    make_schema(engine, *place)
    return f"{tree.kind.capitalize()} {name} successfully created."


# ---- DROP ----

def remove_schema(engine, kind, place):
    if kind == "DATABASE":
        engine.connection.execute(f"DETACH {quoted(place[0])}")
        del engine.catalog.databases[place[0]]
    else:
        engine.connection.execute(f"DROP SCHEMA {'.'.join(map(quoted, place))} CASCADE")
        del engine.catalog.databases[place[0]][place[1]]


def drop(engine, tree, session):
    kind, table = str(tree.args.get("kind")).upper(), tree.args["tables"][0]
    if kind in ("DATABASE", "SCHEMA"):
        place = (said(table.this), "PUBLIC") if kind == "DATABASE" else engine.catalog.schema_place(table, session)
        there = place[0] in engine.catalog.databases and (kind == "DATABASE" or place[1] in engine.catalog.databases[place[0]])
        name = place[0] if kind == "DATABASE" else place[1]
    else:
        place = engine.catalog.place(table, session)
        there, name = place in engine.catalog.relations and engine.catalog.relations[place].view == (kind == "VIEW"), place[2]
    if not there and tree.args.get("exists"):
        return f"Drop statement executed successfully ({name} already dropped)."
    if not there:
        raise unknown(kind.capitalize(), ".".join(place) if kind != "DATABASE" else name, "42S02" if kind in ("TABLE", "VIEW") else "02000")
    if kind in ("DATABASE", "SCHEMA"):
        remove_schema(engine, kind, place)
    else:
        engine.connection.execute(f"DROP {kind} {'.'.join(map(quoted, place))}")
    return f"{name} successfully dropped."


def truncate(engine, tree, session):
    for table in tree.expressions:
        place = engine.catalog.place(table, session)
        if place in engine.catalog.relations or not tree.args.get("exists"):
            engine.catalog.find(place, "Table")
            engine.connection.execute(f"DELETE FROM {'.'.join(map(quoted, place))}")
    return EXECUTED


# ---- ALTER, COMMENT ----

def alter(engine, tree, session):
    kind, place = str(tree.args.get("kind")).upper(), engine.catalog.place(tree.this, session)
    if kind == "TABLE" and place not in engine.catalog.relations and tree.args.get("exists"):
        return EXECUTED
    relation = engine.catalog.find(place, kind.capitalize(), said_as=place[2])
    for action in tree.args.get("actions") or []:
        if isinstance(action, exp.ColumnDef):
            add_column(engine, relation, action)
        elif isinstance(action, exp.Drop):
            drop_columns(engine, relation, action)
        elif isinstance(action, exp.AlterRename):
            engine.connection.execute(f"ALTER TABLE {'.'.join(map(quoted, place))} RENAME TO {quoted(said(action.this.this))}")
            engine.catalog.relations[(*place[:2], said(action.this.this))] = engine.catalog.relations.pop(place)
            return EXECUTED
        elif isinstance(action, exp.RenameColumn):
            before, after = said(action.this.this), said(action.args["to"].this)
            engine.connection.execute(f"ALTER TABLE {'.'.join(map(quoted, place))} RENAME COLUMN {quoted(before)} TO {quoted(after)}")
            relation.columns[after] = relation.columns.pop(before)
            relation.columns[after].name = after
        elif isinstance(action, exp.AlterColumn):
            alter_column(engine, relation, action)
    engine.catalog.altered(tree, session)
    return EXECUTED


def add_column(engine, relation, action):
    name = said(action.this)
    if name in relation.columns and action.args.get("exists"):
        return
    if name in relation.columns:
        raise SqlError("001430", "42601", f"SQL compilation error:\ncolumn '{name}' already exists")
    column, target = engine.catalog.column(action), ".".join(map(quoted, relation.place))
    if not column.nullable and column.default is None and engine.connection.execute(f"SELECT 1 FROM {target} LIMIT 1").fetchall():
        raise SqlError("001409", "42000", f"SQL compilation error:\nNon-nullable column '{name}' cannot be added to non-empty table '{relation.place[2]}' unless it "
                       "has a non-null default value.")
    made = exp.Create(this=exp.Schema(this=exp.to_table("X"), expressions=[action.copy()]), kind="TABLE")
    session = type("Nobody", (), {"database": relation.place[0], "schema": relation.place[1], "role": None, "warehouse": None, "user": None})
    kind = engine.rewritten(made, [], session).find(exp.DataType)
    default = f" DEFAULT {column.default}" if column.default else ""
    engine.connection.execute(f"ALTER TABLE {target} ADD COLUMN {quoted(name)} {engine.said_to_duckdb(kind, session)}{default}")
    if not column.nullable:
        engine.connection.execute(f"ALTER TABLE {target} ALTER COLUMN {quoted(name)} SET NOT NULL")


def drop_columns(engine, relation, action):
    for column in action.args["tables"]:
        name = said(column.this)
        if name not in relation.columns and action.args.get("exists"):
            continue
        if name not in relation.columns:
            raise SqlError("000904", "42000", f"SQL compilation error: error line 1 at position 7\ninvalid identifier '{name}'")
        engine.connection.execute(f"ALTER TABLE {'.'.join(map(quoted, relation.place))} DROP COLUMN {quoted(name)}")


def alter_column(engine, relation, action):
    """SET and DROP NOT NULL; a longer text."""
    name, column = said(action.this.this if isinstance(action.this, exp.Column) else action.this), None
    column = relation.columns.get(name)
    if column is None:
        raise SqlError("000904", "42000", f"SQL compilation error: error line 1 at position 7\ninvalid identifier '{name}'")
    if action.args.get("allow_null") is not None:
        column.nullable = bool(action.args["allow_null"])
        engine.connection.execute(f"ALTER TABLE {'.'.join(map(quoted, relation.place))} ALTER COLUMN {quoted(name)} "
                                  f"{'DROP' if column.nullable else 'SET'} NOT NULL")
    elif action.args.get("dtype"):
        column.kind = type(column.kind)("TEXT", int(action.args["dtype"].expressions[0].name))


def comment(engine, tree, session):
    kind = str(tree.args.get("kind")).upper()
    if kind == "TABLE" and tree.args.get("exists") and engine.catalog.place(tree.this, session) not in engine.catalog.relations:
        return EXECUTED
    engine.catalog.commented(tree, session)
    return EXECUTED
