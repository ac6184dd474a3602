# SPDX-License-Identifier: Apache-2.0
"""plan.py - EXPLAIN: the plan of a SELECT as Snowflake's page shows it, of one table or of two that are joined by one key; it needs no warehouse.

What the page does not show, so whatever is grouped, sorted or cut off, is refused, as are plans as text.
"""
import json
import re

from .brought import exp
from .catalog import Catalog, said
from .dialect import statements
from .engine import Result
from .flow import unsupported
from .kinds import TEXT_MAX
from .refused import SqlError

EXPLAIN = re.compile(r"(?:USING\s+(TABULAR|JSON|TEXT)\s+)?(.*)", re.IGNORECASE | re.DOTALL)
NUMBER, TEXT = ("FIXED", None, 38, 0, True), ("TEXT", TEXT_MAX, None, None, True)  # the names are confirmed, the types are not
COLUMNS = [("step", *NUMBER), ("id", *NUMBER), ("parentOperators", *TEXT), ("operation", *TEXT), ("objects", *TEXT), ("alias", *TEXT), ("expressions", *TEXT),
           ("partitionsTotal", *NUMBER), ("partitionsAssigned", *NUMBER), ("bytesAssigned", *NUMBER)]
KNOWN = {"expressions", "from_", "joins", "where", "kind", "hint", "distinct", "limit", "operation_modifiers"}  # of those the later ones are empty


def answer(world, tree, binds, session):
    """The result of an EXPLAIN; None: it is another statement."""
    if not isinstance(tree, exp.Command) or str(tree.this).upper() != "EXPLAIN":
        return None
    form, text = EXPLAIN.fullmatch(tree.expression.name.strip()).groups()
    if (form or "").upper() == "TEXT":
        raise unsupported("EXPLAIN USING TEXT")
    ((query, _),), _ = statements(text)
    steps = operations(world, query, binds, session)
    scans = [step["bytesAssigned"] for step in steps if "bytesAssigned" in step]
    total = {"partitionsTotal": len(scans), "partitionsAssigned": len(scans), "bytesAssigned": sum(scans)}
    if (form or "").upper() == "JSON":
        return Result([("content", *TEXT)], [[json.dumps({"GlobalStats": total, "Operations": [steps]}, separators=(",", ":"))]])
    rows = [{"operation": "GlobalStats", **total}, *({"step": 1, **step} for step in steps)]
    return Result(COLUMNS, [[told(row.get(name)) for name, *_ in COLUMNS] for row in rows])


def told(value):
    if isinstance(value, list):
        return ", ".join(value) if value and isinstance(value[0], str) else json.dumps(value)
    return None if value is None else str(value)


def operations(world, query, binds, session):
    """What is done, from the result down to the tables; and that it could be done, if anybody did."""
    named = Catalog.named(query)
    for table in named:
        if Catalog.place(table, session)[1] == "INFORMATION_SCHEMA":
            raise SqlError("003001", "42501", f"SQL access control error:\nEXPLAIN command has insufficient privilege on object {table.sql('snowflake')}")
    world.accounts.check(query, query.sql("snowflake"), session)
    world.engine.compile(query, binds, session)
    simple = isinstance(query, exp.Select) and not {name for name, value in query.args.items() if value} - KNOWN and not query.args.get("distinct") \
        and not query.args.get("limit") and len(list(query.find_all(exp.Query))) == 1 and not query.find(exp.AggFunc, exp.Window)
    relations = [world.engine.catalog.relations[Catalog.place(table, session)] for table in named]
    if not simple or len(named) not in (1, 2) or len(list(query.find_all(exp.Table))) != len(named) or any(relation.view for relation in relations):
        raise unsupported("EXPLAIN of such a statement")
    query, sources = qualified(query, dict(zip([table.alias_or_name.upper() for table in named], relations)))
    scans = [scan(world, query, name, relation, table.alias) for (name, relation), table in zip(sources.items(), named)]
    return numbered(query, scans)


def numbered(query, scans):
    steps = [{"operation": "Result", "expressions": spoken(query.selects)}]
    where = query.args.get("where")
    if len(scans) == 1:
        return placed([*steps, *([{"operation": "Filter", "expressions": [f"({where.this.sql('snowflake')})"]}] if where else []), scans[0]])
    condition = query.args["joins"][0].args.get("on") or (where and where.this)
    if len(query.args["joins"]) != 1 or query.args["joins"][0].side or not isinstance(condition, exp.EQ) or (where and condition is not where.this) \
            or not all(isinstance(side, exp.Column) for side in (condition.this, condition.expression)):
        raise unsupported("EXPLAIN of such a join")
    key = {"expressions": [f"joinKey: ({condition.sql('snowflake')})"]}
    steps = placed([*steps, {"operation": "InnerJoin", **key}, scans[1], {"operation": "JoinFilter", **key}, scans[0]])
    steps[3]["parentOperators"] = [1]
    return steps


def placed(steps):
    """Each below the one before it."""
    return [{"id": at, **({"parentOperators": [at - 1]} if at else {}), **step} for at, step in enumerate(steps)]


def spoken(parts):
    return [part.unalias().sql("snowflake") for part in parts]


def qualified(query, sources):
    """Every column with its table, and a star as its columns."""
    query, parts = query.copy(), []
    for part in query.selects:
        parts += [exp.column(column, table=name) for name, relation in sources.items() for column in relation.columns] if part.is_star else [part]
    query.set("expressions", parts)
    for column in query.find_all(exp.Column):
        owner = column.table.upper() or next((name for name, relation in sources.items() if said(column.this) in relation.columns), "")
        column.set("table", exp.to_identifier(owner))
        column.set("this", exp.to_identifier(said(column.this)))
    return query, sources


def scan(world, query, name, relation, alias):
    read = {column.name for column in query.find_all(exp.Column) if column.table.upper() == name}
    step = {"operation": "TableScan", "objects": [".".join(relation.place)], **({"alias": alias.upper()} if alias else {}),
            "expressions": [column for column in relation.columns if column in read]}
    return {**step, "partitionsAssigned": 1, "partitionsTotal": 1, "bytesAssigned": 512 * max(1, -(-world.listing.count(relation) // 8))}
