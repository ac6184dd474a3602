# SPDX-License-Identifier: Apache-2.0
"""refused.py - how the parts of the emulator say no: an answer's status and body, or an error of a statement."""


class Refused(Exception):
    """Becomes the answer: a status, a body (None: empty, bytes: as it is, else JSON) and further headers."""

    def __init__(self, status, body=None, headers=()):
        super().__init__(f"{status} {body}")
        self.status, self.body, self.headers = status, body, tuple(headers)


class SqlError(Exception):
    """A statement that failed. Like Snowflake's, the message may well repeat values: a client must not log it."""

    def __init__(self, code, state, message):
        super().__init__(message)
        self.code, self.state, self.message = code, state, message


def coded(status, code, message):
    """An error of the SQL API that is not about a statement."""
    return Refused(status, {"code": code, "message": message})
