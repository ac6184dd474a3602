# SPDX-License-Identifier: Apache-2.0
"""errors.py - DuckDB's errors in Snowflake's words and numbers. As Snowflake's they repeat values: a client must not log them."""
import re

from .refused import SqlError

COMPILATION = "SQL compilation error:\n"
NUMBER = ("100038", "22018", "Numeric value '{0}' is not recognized")
BOOLEAN = ("100037", "22018", "Boolean value '{0}' is not recognized")
NAMES = ("000904", "002003", "002141", "002002")
RULES = [
    (r'column "?([^"\s]+)"? not found|"([^"]+)" not found in FROM|does not have a column with name "([^"]+)"|column named "([^"]+)"', "000904", "42000",
     f"{COMPILATION[:-1]} error line 1 at position 7\ninvalid identifier '{{0}}'"),
    (r"(?:Table|View|Schema) with name (\S+) does not", "002003", "42S02", f"{COMPILATION}Object '{{0}}' does not exist or not authorized."),
    (r"Function with name (\S+) does not", "002141", "42601", f"{COMPILATION}Unknown function {{0}}"),
    (r'with name "?([^"\s]+)"? already exists', "002002", "42710", f"{COMPILATION}Object '{{0}}' already exists."),
    (r'invalid timestamp field format: "(.*?)"|timestamp field value out of range: "(.*?)"', "100035", "22007", "Timestamp '{0}' is not recognized"),
    (r'invalid date field format: "(.*?)"|date field value out of range: "(.*?)"', "100040", "22007", "Date '{0}' is not recognized"),
    (r'invalid time field format: "(.*?)"|time field value out of range: "(.*?)"', "100108", "22007", "Time '{0}' is not recognized"),
    (r"[Cc]ould not convert string ['\"](.*?)['\"] to BOOL", *BOOLEAN),
    (r"[Cc]ould not convert string ['\"](.*?)['\"] to (?:\w+)", *NUMBER),
    (r"NOT NULL constraint failed: (\S+)", "100072", "22000", "NULL result in a non-nullable column"),
    (r"CHECK constraint failed on table (\S+)", "100078", "22000", "String is too long and would be truncated"),
    (r"Malformed JSON(.*)", "100069", "22P02", "Error parsing JSON: {0}"),
    (r"(?:Expected array of size|Cannot cast list with length|array with length|can not contain NULL|Failed to cast value to numerical)", "220000", "22000",
     "Array-like value being cast to a vector has incorrect dimension"),
    (r"Array arguments must be of the same size|No function matches the given name and argument types 'array_", "001044", "42P13",
     f"{COMPILATION[:-1]} error line 1 at position 7\nInvalid argument types for function"),
    (r"Division by zero|division by zero", "100051", "22012", "Division by zero"),
    (r"Conversion Error: (.*)", "100038", "22018", "{0}"),
]


def translated_error(error):
    """DuckDB's error as Snowflake's; what the emulator itself raised inside a statement says `code|state|message`."""
    text = str(error)
    own = re.search(r"(\w{6})\|(\w{5})\|(.*)", text, re.DOTALL)
    if own:
        return SqlError(own[1], own[2], own[3])
    for pattern, code, state, message in RULES:
        match = re.search(pattern, text, re.DOTALL)
        if match:
            found = next((part for part in match.groups() if part), "").strip()
            return SqlError(code, state, message.format(found.upper() if code in NAMES else found))
    return SqlError("001003", "42000", f"{COMPILATION}{text[:300]}")
