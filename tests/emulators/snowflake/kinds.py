# SPDX-License-Identifier: Apache-2.0
"""kinds.py - a column's type in all its spellings: as it was declared, as DuckDB has it, as SHOW, DESCRIBE, INFORMATION_SCHEMA and a result tell it."""
import json
import re

from .brought import exp

TEXT_MAX, BINARY_MAX = 16777216, 8388608  # what a column without a length has; up to 128 MB may be asked for
INTEGERS = {"TINYINT", "SMALLINT", "INTEGER", "BIGINT", "HUGEINT", "UTINYINT", "USMALLINT", "UINTEGER", "UBIGINT", "UHUGEINT"}
OF_DUCKDB = {"DOUBLE": "REAL", "FLOAT": "REAL", "BOOLEAN": "BOOLEAN", "DATE": "DATE", "TIME": "TIME", "TIME_NS": "TIME", "JSON": "VARIANT",
             "TIMESTAMP WITH TIME ZONE": "TIMESTAMP_LTZ"}
OF_DECLARED = {"FLOAT": "REAL", "DOUBLE": "REAL", "REAL": "REAL", "BOOLEAN": "BOOLEAN", "DATE": "DATE", "TIME": "TIME", "VARIANT": "VARIANT", "OBJECT": "OBJECT",
               "ARRAY": "ARRAY", "TIMESTAMPLTZ": "TIMESTAMP_LTZ", "TIMESTAMPTZ": "TIMESTAMP_TZ"}
STAMPED = {"TIME", "TIMESTAMP_NTZ", "TIMESTAMP_LTZ", "TIMESTAMP_TZ"}
SPOKEN = {"FIXED": "NUMBER", "REAL": "FLOAT", "TEXT": "VARCHAR"}


class Kind:
    """type: the word of a result's rowType."""

    def __init__(self, type_, length=None, precision=None, scale=None, element=None):
        self.type, self.length, self.precision, self.scale, self.element = type_, length, precision, scale, element

    def spoken(self):
        """As DESCRIBE tells it."""
        name = SPOKEN.get(self.type, self.type)
        if self.type == "FIXED":
            return f"{name}({self.precision},{self.scale})"
        if self.type == "VECTOR":
            return f"VECTOR({self.element}, {self.length})"
        if self.type in ("TEXT", "BINARY"):
            return f"{name}({self.length})"
        return f"{name}({self.scale})" if self.type in STAMPED else name

    def described(self, nullable):
        """As SHOW COLUMNS tells it: JSON without spaces."""
        told = {"type": self.type}
        if self.type in ("TEXT", "BINARY"):
            told.update(length=self.length, byteLength=self.length if self.length >= TEXT_MAX or self.type == "BINARY" else 4 * self.length)
        elif self.type == "FIXED":
            told.update(precision=self.precision, scale=self.scale)
        elif self.type in STAMPED:
            told.update(precision=0, scale=self.scale)
        elif self.type == "VECTOR":  # the members' names are those of the drivers' result metadata: unconfirmed for SHOW
            told.update(dimension=self.length, vectorElementType="REAL" if self.element == "FLOAT" else "FIXED")
        told["nullable"] = nullable
        if self.type in ("TEXT", "BINARY"):
            told["fixed"] = False
        return json.dumps(told, separators=(",", ":"))

    def informed(self):
        """As INFORMATION_SCHEMA.COLUMNS has it: name, longest text, its bytes, precision, its radix, scale."""
        name = {"FIXED": "NUMBER", "REAL": "FLOAT"}.get(self.type, self.type)
        long = (self.length, self.length if self.length >= TEXT_MAX or self.type == "BINARY" else 4 * self.length) if self.type in ("TEXT", "BINARY") else (None, None)
        return (name, *long, *((self.precision, 10, self.scale) if self.type == "FIXED" else (None, None, None)))

    def column(self):
        """(type, length, precision, scale) of a result's rowType."""
        if self.type in STAMPED:
            return (self.type, None, 0, self.scale)
        return (self.type, None if self.type == "VECTOR" else self.length, self.precision, self.scale)


def of_duckdb(text):
    decimal = re.fullmatch(r"DECIMAL\((\d+),(\d+)\)", text)
    vector = re.fullmatch(r"(\w+)\[(\d+)\]", text)
    if decimal or text in INTEGERS:
        return Kind("FIXED", precision=int(decimal[1]) if decimal else 38, scale=int(decimal[2]) if decimal else 0)
    if vector:
        return Kind("VECTOR", int(vector[2]), element="INT" if vector[1] in INTEGERS else "FLOAT")
    if text == "BLOB":
        return Kind("BINARY", BINARY_MAX)
    if text.startswith("TIMESTAMP") and "ZONE" not in text:
        return Kind("TIMESTAMP_NTZ", scale=9)
    known = "ARRAY" if text.endswith("[]") else OF_DUCKDB.get(text, "TEXT")
    return Kind(known, length=TEXT_MAX if known == "TEXT" else None, scale=9 if known in STAMPED else None)


def of_declared(kind):
    """Of a type as a statement of Snowflake's has it (sqlglot's DataType)."""
    sizes = [part.name for part in kind.expressions]
    name = kind.this.name if isinstance(kind.this, exp.DataType.Type) else str(kind.this)
    if kind.this == exp.DataType.Type.VECTOR:
        element = "INT" if kind.expressions[0].this in exp.DataType.INTEGER_TYPES else "FLOAT"
        return Kind("VECTOR", int(sizes[-1]), element=element)
    if name in OF_DECLARED:
        known = OF_DECLARED[name]
        return Kind(known, scale=int(sizes[0]) if sizes and known in STAMPED else 9 if known in STAMPED else None)
    if name.startswith("TIMESTAMP") or name == "DATETIME":
        return Kind("TIMESTAMP_NTZ", scale=int(sizes[0]) if sizes else 9)
    if kind.this in exp.DataType.TEXT_TYPES:
        short = name in ("CHAR", "NCHAR") and not sizes
        return Kind("TEXT", 1 if short else int(sizes[0]) if sizes else TEXT_MAX)
    if name in ("BINARY", "VARBINARY"):
        return Kind("BINARY", int(sizes[0]) if sizes else BINARY_MAX)
    return Kind("FIXED", precision=int(sizes[0]) if sizes else 38, scale=int(sizes[1]) if len(sizes) > 1 else 0)
