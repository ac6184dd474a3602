# SPDX-License-Identifier: Apache-2.0
"""loading.py - lines of NDJSON into a table, each column by name; which of them do not fit is told, the others are in.

All lines go to DuckDB as one text and are taken apart there, once: tests of load need tens of thousands of rows each second.
"""
import json

from .catalog import quoted

UNREAD = "Error parsing JSON: not an object"


def text_of(lines):
    """One line each, without what is not UTF-8."""
    try:
        return b"\n".join(lines).decode()
    except UnicodeDecodeError:
        return "\n".join("" if "\ufffd" in line.decode(errors="replace") else line.decode() for line in lines)


def literal(text):
    return "'" + text.replace("'", "''") + "'"


def parted(cursor, lines):
    """The lines as DV_LINES(n, j), j null where there is no object; the names of all their members."""
    cursor.execute("SET VARIABLE dv_lines = $1", [text_of(lines)])
    cursor.execute("CREATE OR REPLACE TEMP TABLE DV_LINES AS SELECT n, CASE WHEN json_type(CASE WHEN json_valid(j) THEN j END) = 'OBJECT' THEN j::JSON END AS j FROM "
                   "(SELECT unnest(range(len(x))) AS n, unnest(x) AS j FROM (SELECT string_split(getvariable('dv_lines'), chr(10)) AS x))")
    return [name for name, in cursor.execute("SELECT DISTINCT unnest(json_keys(j)) FROM DV_LINES WHERE j IS NOT NULL ORDER BY 1").fetchall()]


def members(names, columns):
    """({column: the expression of its text or JSON}, the structure that DuckDB reads) of members in any case."""
    parts, structure = {}, {}
    for column, (kind, _, _) in columns.items():
        spelled = [name for name in names if name.upper() == column.upper()]
        if len(spelled) == 1:
            structure[spelled[0]] = "JSON" if kind == "JSON" else "VARCHAR"
            parts[column] = f"s.{quoted(spelled[0])}"
        elif spelled:
            read = "json_extract" if kind == "JSON" else "json_extract_string"
            paths = [literal('$."' + name.replace('"', '\\"') + '"') for name in spelled]
            parts[column] = f"coalesce({', '.join(f'{read}(j, {path})' for path in paths)})"
        else:
            parts[column] = "CAST(NULL AS VARCHAR)"
    return parts, structure


def fitting(name, part, kind, nullable, longest):
    """(the value, [(what is true if it does not fit, what is said then)]) of a member. As Snowflake's, words repeat values."""
    where = literal(f", column {quoted(name)}")
    if kind == "JSON":
        value, wrong = f"CAST({part} AS JSON)", []
    elif "[" in kind:  # a VECTOR: whether it can be loaded this way is not confirmed, so it cannot
        value, wrong = f"CAST(NULL AS {kind})", [(f"{part} IS NOT NULL", f"'Vectors cannot be loaded: ' || {part} || {where}")]
    else:
        value = part if kind == "VARCHAR" else f"TRY_CAST({part} AS {kind})"
        wrong = [] if kind == "VARCHAR" else [(f"({part} IS NOT NULL AND {value} IS NULL)", f"'Value ''' || {part} || ''' is not recognized' || {where}")]
        wrong += [(f"(length({part}) > {longest})", f"'String ''' || {part} || ''' is too long and would be truncated' || {where}")] if longest else []
    if not nullable:
        wrong.append((f"({value}) IS NULL", f"'NULL result in a non-nullable column' || {where}"))
    return value, wrong


def load(engine, table, lines, filled=None):
    """{number of a line: why it was not taken}. Members that no column has are dropped, and nobody is told. A column that no member has
    gets NULL, whatever its default, unless only those that are `filled` are named."""
    columns = {name: about for name, about in engine.columns(*table).items() if filled is None or name in filled}
    with engine.lock:
        cursor = engine.connection.cursor()
        parts, structure = members(parted(cursor, lines), columns)
        read = f", from_json(j, {literal(json.dumps(structure))}) AS s" if structure else ""
        fits = {name: fitting(name, parts[name], *about) for name, about in columns.items()}
        whys = [f"WHEN coalesce({wrong}, false) THEN {told}" for _, wrongs in fits.values() for wrong, told in wrongs]
        cursor.execute(f"CREATE OR REPLACE TEMP TABLE DV_READ AS SELECT n, CASE WHEN j IS NULL THEN {literal(UNREAD)} {' '.join(whys)} END AS why, "
                       + ", ".join(f"{value} AS c{at}" for at, (value, _) in enumerate(fits.values())) + f" FROM (SELECT n, j{read} FROM DV_LINES)")
        bad = dict(cursor.execute("SELECT n, why FROM DV_READ WHERE why IS NOT NULL").fetchall())
        target = ".".join(map(quoted, table))
        cursor.execute(f"INSERT INTO {target} ({', '.join(map(quoted, fits))}) SELECT {', '.join(f'c{at}' for at in range(len(fits)))} FROM DV_READ "
                       "WHERE why IS NULL ORDER BY n")
        cursor.close()
    return bad
