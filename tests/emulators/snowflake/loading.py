# SPDX-License-Identifier: Apache-2.0
"""loading.py - rows of NDJSON into a table, each column by name; which of them do not fit is told, the others are in."""
import json


def fitting(name, kind, nullable, longest):
    """(the value, what is true if it does not fit) as expressions over the JSON text j."""
    path = '$."' + name.replace('"', '\\"') + '"'
    path = path.replace("'", "''")
    if kind == "JSON":
        value = f"CASE WHEN json_type(j, '{path}') = 'NULL' THEN NULL ELSE json_extract(j, '{path}') END"
        wrong = []
    elif "[" in kind:  # a VECTOR: whether it can be loaded this way is not confirmed, so it cannot
        value, wrong = f"CAST(NULL AS {kind})", [f"json_extract_string(j, '{path}') IS NOT NULL"]
    else:
        text = f"json_extract_string(j, '{path}')"
        value = text if kind == "VARCHAR" else f"TRY_CAST({text} AS {kind})"
        wrong = [] if kind == "VARCHAR" else [f"({text} IS NOT NULL AND {value} IS NULL)"]
        wrong += [f"(length({text}) > {longest})"] if longest else []
    if not nullable:
        wrong.append(f"({value}) IS NULL")
    return value, " OR ".join(f"coalesce({part}, false)" for part in wrong) or "false"


def load(engine, table, rows):
    """{number of a row: why it was not taken}. Members that no column has are dropped, and nobody is told."""
    columns = engine.columns(*table)
    upper = {name.upper(): name for name in columns}
    lines = [json.dumps({upper[key.upper()]: value for key, value in row.items() if key.upper() in upper}) for row in rows]
    parts = [(name, *fitting(name, *about)) for name, about in columns.items()]
    with engine.lock:
        cursor = engine.connection.cursor()
        cursor.execute("SET VARIABLE dv_lines = $1", ["[" + ",".join(lines) + "]"])
        source = "(SELECT CAST(key AS BIGINT) AS n, value AS j FROM json_each(getvariable('dv_lines')))"
        why = " ".join(f"WHEN {wrong} THEN 'column {name.replace(chr(39), chr(39) * 2)} does not fit'" for name, _, wrong in parts)
        bad = dict(cursor.execute(f"SELECT n, why FROM (SELECT n, CASE {why} END AS why FROM {source}) WHERE why IS NOT NULL").fetchall())
        names = ", ".join('"' + name.replace('"', '""') + '"' for name, _, _ in parts)
        target = ".".join('"' + part.replace('"', '""') + '"' for part in table)
        fine = " AND ".join(f"NOT ({wrong})" for _, _, wrong in parts)
        cursor.execute(f"INSERT INTO {target} ({names}) SELECT {', '.join(value for _, value, _ in parts)} FROM {source} WHERE {fine} ORDER BY n")
        cursor.close()
    return bad
