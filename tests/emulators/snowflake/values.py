# SPDX-License-Identifier: Apache-2.0
"""values.py - bind variables of the SQL API, always texts, as values of the database; and its types as a result tells them."""
import datetime
import decimal
import re

from .refused import SqlError, coded

EPOCH = datetime.datetime(1970, 1, 1)


def wrong(kind, value):
    return SqlError("100037", "22018", f"{kind.capitalize()} value '{value}' is not recognized")


def whole(kind, value):
    if not re.fullmatch(r"[+-]?\d{1,30}", value):
        raise wrong(kind, value)
    return int(value)


def fixed(value):
    if not re.fullmatch(r"[+-]?(\d+\.?\d*|\.\d+)", value):
        raise wrong("Numeric", value)
    scale = len(value.partition(".")[2])
    if len(re.sub(r"\D", "", value)) > 38:
        raise wrong("Numeric", value)
    return f"DECIMAL(38,{scale})", value


def real(value):
    try:
        return "DOUBLE", repr(float(value))
    except ValueError:
        raise wrong("Numeric", value) from None


def boolean(value):
    if value.lower() not in ("true", "false", "1", "0"):
        raise wrong("Boolean", value)
    return "BOOLEAN", value.lower() in ("true", "1")


def binary(value):
    try:
        return "BLOB", bytes.fromhex(value)
    except ValueError:
        raise wrong("Binary", value) from None


def date(value):
    return "DATE", (EPOCH + datetime.timedelta(milliseconds=whole("Date", value))).date()


def nanoseconds(kind, value):
    """A text that DuckDB reads, of nanoseconds since the epoch."""
    try:
        whole_s, rest = divmod(whole(kind, value), 1000000000)
        return f"{EPOCH + datetime.timedelta(seconds=whole_s)}.{rest:09d}"
    except OverflowError:
        raise wrong(kind, value) from None


def time(value):
    return "TIME", nanoseconds("Time", value).split(" ")[1][:15]


def timestamp(value):
    return "TIMESTAMP_NS", nanoseconds("Timestamp", value)


def timestamp_ltz(value):
    return "TIMESTAMPTZ", nanoseconds("Timestamp", value)[:26] + "+00"


def timestamp_tz(value):
    """"<ns> <minutes>", the offset 1440 too high."""
    stamp, _, offset = value.partition(" ")
    whole("Timestamp", offset)
    return timestamp_ltz(stamp)


TYPES = {"FIXED": fixed, "REAL": real, "DECFLOAT": real, "TEXT": lambda value: ("VARCHAR", value), "BINARY": binary, "BOOLEAN": boolean, "DATE": date,
         "TIME": time, "TIMESTAMP_NTZ": timestamp, "TIMESTAMP_LTZ": timestamp_ltz, "TIMESTAMP_TZ": timestamp_tz}


def bad(text):
    return coded(400, "390142", f"Incoming request does not contain a valid payload: {text}")


def shaped(bindings):
    """The bindings' form, before any statement: 400 for what is not {"1": {"type": ..., "value": text or null}}."""
    if not isinstance(bindings, dict) or set(bindings) != {str(number + 1) for number in range(len(bindings))}:
        raise bad("bindings are numbered from 1")
    for binding in bindings.values():
        if not isinstance(binding, dict) or not {"type", "value"} <= set(binding) <= {"type", "value", "fmt"} or binding["type"] not in TYPES:
            raise bad("a binding has a type and a value")  # VECTOR, ARRAY and VARIANT cannot be bound
        if binding["value"] is not None and not isinstance(binding["value"], str):
            raise bad("a binding's value is a text")  # an array binding is the drivers' own, not of this interface
    return [bindings[str(number + 1)] for number in range(len(bindings))]


def bound(bindings, count):
    """[(DuckDB's type, value)] for a statement with so many question marks."""
    if len(bindings) < count:
        raise SqlError("002049", "42601", "SQL compilation error: error line 1 at position 7\nBind variable ? not set.")
    return [("VARCHAR", None) if binding["value"] is None else TYPES[binding["type"]](binding["value"]) for binding in bindings]


def row_type(columns, lower=False):
    """The rowType of a result."""
    return [{"name": name, "type": kind.lower() if lower else kind, "length": length, "precision": precision, "scale": scale, "nullable": nullable}
            for name, kind, length, precision, scale, nullable in columns]
