# SPDX-License-Identifier: Apache-2.0
"""errorlog.py - ERROR_LOGGING = TRUE: a table's errors go to its error table, and the statement that brought them succeeds with the other rows.

So whoever writes by MERGE must look at the counts of the answer: that there is no error does not mean that all rows are there. Which errors
Snowflake logs is known for values and NOT NULL; that a cast in the statement's own SELECT is one of them is assumed, as the worse case.
"""
import json

from .brought import exp
from .dialect import number_of_bind
from .refused import SqlError

OF_A_ROW = {"100035", "100037", "100038", "100039", "100040", "100046", "100071", "100072", "100078"}


def logs(relation):
    return relation is not None and relation.options.get("ERROR_LOGGING") == "TRUE"


def flattened(tree):
    """Which bind variable a statement takes its rows from, or None."""
    for node in tree.find_all(exp.ParseJSON):
        number = number_of_bind(node.this)
        if number is not None and node.find_ancestor(exp.Explode):
            return number
    return None


def carried_out(tree, binds, run):
    """run(binds) -> a result, for all rows but those that do not fit: (the result, [(row, error)])."""
    number, failed = flattened(tree), []

    def some(rows):
        try:
            return run([*binds[:number - 1], ("VARCHAR", json.dumps(rows)), *binds[number:]])
        except SqlError as error:
            if error.code not in OF_A_ROW:
                raise
            if len(rows) == 1:
                failed.append((rows[0], error))
                return None
        halves = [some(rows[:len(rows) // 2]), some(rows[len(rows) // 2:])]
        return added(*halves)
    result = some(json.loads(binds[number - 1][1]))
    return result or run([*binds[:number - 1], ("VARCHAR", "[]"), *binds[number:]]), failed


def added(one, other):
    """The result of both halves."""
    if one is None or other is None:
        return one or other
    one.counted = {word: count + other.counted[word] for word, count in one.counted.items()}
    one.rows = [[str(count) for count in one.counted.values()]]
    return one
