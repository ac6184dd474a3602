# SPDX-License-Identifier: Apache-2.0
"""csource.py - what tidy.py, scorecard and traceability know of C: code without comments, its functions, its includes.

No compiler: a scanner of comments, literals, preprocessor lines and braces is enough for code of one style.
"""
import functools
import os
import re
import subprocess

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
ROOMS = ("engine", "privacy", "vault", "connectors", "operators", "dashboard", "cli")
TOKEN = re.compile(r'/\*.*?\*/|//[^\n]*|"(?:\\.|[^"\\\n])*"|\'(?:\\.|[^\'\\\n])*\'', re.DOTALL)
ASSERTS = re.compile(r"\b(?:DV_ASSERT|static_assert|_Static_assert)\s*\(")
NOT_A_NAME = frozenset("if for while switch return sizeof defined __attribute__ do else case".split())


@functools.lru_cache(maxsize=None)
def files():
    """Paths of the project's files, tracked or new, relative to the root."""
    listed = subprocess.run(["git", "ls-files", "-co", "--exclude-standard", "-z"], cwd=ROOT, stdout=subprocess.PIPE, check=True).stdout
    paths = sorted(set(listed.decode().split("\0")) - {""})
    return [path for path in paths if os.path.isfile(os.path.join(ROOT, path))]


@functools.lru_cache(maxsize=None)
def read(path):
    with open(os.path.join(ROOT, path), encoding="utf-8", errors="replace") as file:
        return file.read()


def blank(text):
    """Spaces in the place of everything but line ends."""
    return re.sub(r"[^\n]", " ", text)


def bare(text):
    """Code with comments and the insides of literals blanked; as long as before, so that positions stay."""
    def emptied(match):
        token = match[0]
        return token[0] + blank(token[1:-1]) + token[-1] if token[0] in "\"'" else blank(token)
    return TOKEN.sub(emptied, text)


def without_preprocessor(code):
    return re.sub(r"^[ \t]*#(?:[^\n]*\\\n)*[^\n]*", lambda match: blank(match[0]), code, flags=re.MULTILINE)


class Function:
    """A definition: its name, first and last line, parameters and body."""

    def __init__(self, code, start, opening, end):
        head = code[start:opening]
        match = function_name(head)
        self.name = match[1]
        self.static = bool(re.search(r"\bstatic\b", head[:match.start()]))
        self.parameters = head[match.end() - 1:].strip()
        self.body = code[opening:end + 1]
        first = start + len(head) - len(head.lstrip())
        self.first, self.last = code.count("\n", 0, first) + 1, code.count("\n", 0, end) + 1
        self.lines = self.last - self.first + 1
        self.asserts = len(ASSERTS.findall(self.body))

    def parameter_count(self):
        inside = self.parameters.strip("()").strip()
        return 0 if inside in ("", "void") else inside.count(",") + 1


def function_name(head):
    """The match of `name(` in what stands before a body, or None if that is no function."""
    head = re.sub(r"__attribute__\s*\(\(.*?\)\)", lambda match: blank(match[0]), head, flags=re.DOTALL)
    if not head.rstrip().endswith(")") or "=" in head:
        return None
    matches = [match for match in re.finditer(r"\b([A-Za-z_]\w*)\s*\(", head) if match[1] not in NOT_A_NAME]
    return matches[0] if matches else None


def definitions(code):
    """The functions of bare code."""
    found, depth, start = [], 0, 0
    opening = None
    for match in re.finditer(r"[{};]", code):
        at, token = match.start(), match[0]
        if token == "{":
            if depth == 0 and re.search(r'(?:\bextern\s*"[^"]*"|\bnamespace(?:\s+\w+)?)\s*$', code[start:at]):
                start = at + 1  # a scope that is none; its closing brace finds depth 0
                continue
            if depth == 0:
                opening = at
            depth += 1
        elif token == "}":
            if depth == 1 and function_name(code[start:opening]):
                found.append(Function(code, start, opening, at))
                start = at + 1
            elif depth == 1 and opening is not None and "=" not in code[start:opening] and not re.match(r"\s*\w", code[at + 1:at + 40]):
                start = at + 1
            elif depth == 0:
                start = at + 1
            depth = max(0, depth - 1)
        elif depth == 0:
            start = at + 1
    return found


class Source:
    """A C, C++ or header file."""

    def __init__(self, path):
        self.path, self.text = path, read(path)
        self.bare = bare(self.text)
        self.code = without_preprocessor(self.bare)
        self.room = path.split("/")[0]
        self.functions = definitions(self.code)
        self.includes = [(match[1], self.text.count("\n", 0, match.start()) + 1)
                         for match in re.finditer(r'^[ \t]*#[ \t]*include[ \t]+"([^"]+)"', self.text, re.MULTILINE)]

    def lines(self):
        return self.text.count("\n")

    def code_lines(self):
        """Lines that hold more than comments and blanks."""
        return sum(1 for line in self.bare.splitlines() if line.strip())

    def line_at(self, position):
        return self.text.count("\n", 0, position) + 1

    def find(self, pattern):
        """(line, match) of every place in the code, comments and literals left out."""
        return [(self.line_at(match.start()), match) for match in re.finditer(pattern, self.bare)]


@functools.lru_cache(maxsize=None)
def source(path):
    return Source(path)


def sources(*folders, endings=(".c", ".h", ".cc")):
    """The C files under the folders given; under the rooms if none is."""
    under = tuple(folder + "/" for folder in folders or ROOMS)
    return [source(path) for path in files() if path.startswith(under) and path.endswith(endings)]


def prototypes(header):
    """(line, name, whether a comment stands before it) of each function that a header declares or defines inline."""
    found = []
    for match in re.finditer(r"(?:^|(?<=[;}\n]))[ \t]*((?:[A-Za-z_][\w ]*[ *]+)+)(dv_\w+)[ \t]*\(", header.code, re.MULTILINE):
        if re.search(r"\b(?:return|typedef|else)\b", match[1]) or header.code.count("{", 0, match.start()) > header.code.count("}", 0, match.start()):
            continue
        found.append((header.line_at(match.start(2)), match[2], documented(header, header.line_at(match.start(1)))))
    return found


def documented(header, line):
    """Whether a comment ends on the line before, or before the group of declarations without a gap that the line is in."""
    lines, code = header.text.splitlines(), header.bare.splitlines()
    at = line - 2
    while at >= 0 and lines[at].strip():
        if lines[at].rstrip().endswith("*/") and not code[at].strip():
            return True
        at -= 1
    return False
