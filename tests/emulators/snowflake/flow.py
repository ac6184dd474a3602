# SPDX-License-Identifier: Apache-2.0
"""flow.py - the flow operator: statements with `->>` between them, each of which may read the results of those before it as $1 (the last one), $2 and so on.

As the real one it takes no bind variables, stands alone in its request, ends at the first error and gives the last result. What is read is a table while it
is read, so that its columns keep their types and the case of their names; what is not known to survive that is refused.
"""
import contextlib

from .brought import exp, sqlglot
from .catalog import quoted, unknown
from .ddl import make_schema
from .dialect import CHAIN, TRANSACTIONS, statements
from .kinds import Kind
from .refused import SqlError

PLACE = ("DV_FLOW", "RESULTS")
SECONDS = "CAST(CAST(? AS DECIMAL(29,9)) * 1000000000 AS BIGINT)"
READ = {"TEXT": "?", "FIXED": "?", "REAL": "?", "BOOLEAN": "?", "DATE": "DATE '1970-01-01' + CAST(? AS INTEGER)", "VARIANT": "CAST(? AS JSON)",
        "ARRAY": "CAST(? AS JSON)", "OBJECT": "CAST(? AS JSON)", "TIMESTAMP_NTZ": f"make_timestamp_ns({SECONDS})",
        "TIMESTAMP_LTZ": f"make_timestamptz({SECONDS} // 1000)"}


def unsupported(what):
    return SqlError("000002", "0A000", f"Unsupported feature '{what}'.")


def is_chain(tree):
    return isinstance(tree, exp.Command) and tree.this == CHAIN


def links(text):
    """The texts between the operators."""
    found = [token for token in sqlglot.tokenize(text, read="snowflake") if token.text == CHAIN and token.token_type != sqlglot.TokenType.STRING]
    return [text[start:end] for start, end in zip([0, *(token.end + 1 for token in found)], [*(token.start for token in found), len(text)])]


def carry_out(world, text, session):
    results, cursor = [], world.engine.cursor(session)
    try:
        for link in links(text):
            ((tree, own),), _ = statements(link)
            if isinstance(tree, TRANSACTIONS):
                raise unsupported("transactions with the flow operator")
            world.statements.warehouse(tree, session)
            results.append(one(world, tree, own, results, session, cursor))
    finally:
        cursor.close()
    return results[-1]


def one(world, tree, text, results, session, cursor):
    if tree.find(exp.Parameter) is None:
        return world.perform(tree, text, [], session, cursor)
    tree = tree.copy()
    tree.meta.pop("said", None)
    read = {table: int(table.this.name) for table in tree.find_all(exp.Table) if isinstance(table.this, exp.Parameter) and table.this.name.isdigit()}
    for number in read.values():
        if not 1 <= number <= len(results):
            raise unknown("Object", f"${number}", "42S02")
    for table, number in read.items():
        by_place(table, results[-number])
        table.replace(exp.Table(this=exp.to_identifier(str(number), quoted=True), db=exp.to_identifier(PLACE[1], quoted=True),
                                catalog=exp.to_identifier(PLACE[0], quoted=True), alias=table.args.get("alias")))
    if tree.find(exp.Parameter):
        raise SqlError("001003", "42000", "SQL compilation error:\nsyntax error: a pipe number outside of FROM")
    with tables(world.engine, {number: results[-number] for number in read.values()}, session):
        return world.perform(tree, text, [], session, cursor)


def by_place(table, result):
    """What a SELECT of that table alone calls $1, $2 are its columns."""
    select = table.find_ancestor(exp.Select)
    if select is None or select.args.get("joins") or select.args["from_"].this is not table:
        return
    for part in list(select.find_all(exp.Parameter)):
        if isinstance(part.parent, exp.Table) or part.find_ancestor(exp.Select) is not select or not part.name.isdigit():
            continue
        if not 1 <= int(part.name) <= len(result.columns):
            raise SqlError("000904", "42000", f"SQL compilation error: error line 1 at position 7\ninvalid identifier '${part.name}'")
        column = exp.column(exp.to_identifier(result.columns[int(part.name) - 1][0], quoted=True))
        part.replace(exp.alias_(column, f"${part.name}", quoted=True) if part.parent is select else column)


@contextlib.contextmanager
def tables(engine, results, session):
    """They are there as tables, which SHOW has no chance to see."""
    make_schema(engine, *PLACE)
    try:
        for number, result in results.items():
            keep(engine, (*PLACE, str(number)), result, session)
        engine.translated.clear()  # of tables with other columns
        yield
    finally:
        engine.connection.execute(f"DETACH {quoted(PLACE[0])}")
        del engine.catalog.databases[PLACE[0]]
        engine.catalog.settle(engine.connection)


def keep(engine, place, result, session):
    kinds = [Kind(*column[1:5]) for column in result.columns]
    strange = next((kind.type for kind in kinds if kind.type not in READ), None)
    if strange:
        raise unsupported(f"{strange} behind the flow operator")
    if len({column[0] for column in result.columns}) < len(kinds):
        raise unsupported("columns of the same name behind the flow operator")
    name, columns = ".".join(map(quoted, place)), ", ".join(f"{quoted(column[0])} {kind.spoken()}" for column, kind in zip(result.columns, kinds))
    engine.execute(sqlglot.parse_one(f"CREATE TABLE {name} ({columns})", read="snowflake"), [], session)
    if result.rows:
        cursor = engine.connection.cursor()
        cursor.executemany(f"INSERT INTO {name} VALUES ({', '.join(READ[kind.type] for kind in kinds)})", result.rows)
        cursor.close()
