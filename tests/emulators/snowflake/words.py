# SPDX-License-Identifier: Apache-2.0
"""words.py - the words of statements that sqlglot passes through unread: SHOW, GRANT, CREATE ROLE and the like."""
import re

from .refused import SqlError

WORD = re.compile(r"""\s+|--[^\n]*|/\*.*?\*/|("(?:[^"]|"")*"|'(?:[^'\\]|''|\\.)*'|[\w$]+|.)""", re.DOTALL)


def words(text):
    """Words, names and texts with their quotation marks, marks; a semicolon at the end is none."""
    found = [match[1] for match in WORD.finditer(text) if match[1]]
    while found and found[-1] == ";":
        found.pop()
    return found


def unquoted(word):
    return word[1:-1].replace('""', '"') if word.startswith('"') else word.upper()


def identifiers(said):
    """(the parts of the name that the words begin with, the words after it)"""
    parts, at = [], 0
    while at < len(said) and re.match(r'["\w]', said[at]):
        parts.append(unquoted(said[at]))
        at += 1
        if at >= len(said) or said[at] != ".":
            break
        at += 1
    if not parts:
        raise SqlError("001003", "42000", "SQL compilation error:\nsyntax error: a name was expected")
    return parts, said[at:]


def literal(word):
    """The text of a word in single quotation marks."""
    return re.sub(r"\\(.)", r"\1", word[1:-1].replace("''", "'"))


def like(pattern, name):
    """SHOW's LIKE: upper and lower case are the same."""
    if pattern is None:
        return True
    return re.fullmatch("".join({"%": ".*", "_": "."}.get(part, re.escape(part[-1:])) for part in re.findall(r"\\.|.", pattern)), name,
                        re.IGNORECASE | re.DOTALL) is not None
