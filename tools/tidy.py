#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""tidy.py [--program PATH] [RULE...] - style as a test: every rule of the house that a script can check; exit 1 if one is broken.

Without --program the newest program in build/ is asked for the reference page and the shipped configurations; without any,
those two rules say that they were not checked.
"""
import argparse
import glob
import os
import re
import subprocess
import sys

import csource
from csource import ROOT, files, read, source, sources

FILE_MAX, FUNCTION_MAX = 500, 70
SCRIPTS = (".py", ".js", ".css", ".html", ".yaml", ".sh", ".after", ".in", ".def")
UNPURPOSED = ("tests/golden/", "tests/leaks/", "tests/good/", "tests/fuzz/corpus/", "tests/fuzz/crashes/", "bench/schemas/", "bench/policies/")
ARROWS = {
    "engine": (), "privacy": ("engine",), "vault": ("engine",), "connectors": ("engine",),
    "operators": ("connectors", "vault", "privacy", "engine"),
    "dashboard": ("operators", "connectors", "vault", "privacy", "engine"),
    "cli": ("dashboard", "operators", "connectors", "vault", "privacy", "engine"),
}
ALLOCATION = r"\b(?:malloc|calloc|realloc|reallocarray|aligned_alloc|posix_memalign|free|strdup|strndup|asprintf|vasprintf)\s*\("
PRINTING = r"\b(?:printf|vprintf|fprintf|vfprintf|dprintf|puts|fputs|putchar|fputc|putc|fwrite|perror)\s*\("
# Print to a FILE that cli/ gives, or are the log and the last words of a bug.
MAY_PRINT = ("engine/diag.c", "engine/option_docs.c", "engine/text.c", "engine/error.c", "engine/log.c")
JUMPS = r"\b(?:goto\b|setjmp\s*\(|longjmp\s*\(|sigsetjmp\s*\()"
# Spelled so that this file does not hold them: unfinished work, places that are not the project's, hosts of registries.
FORBIDDEN = [
    (r"\bTO[D]O\b|\bFIX[M]E\b|\bXX[X]\b|not imple[m]ented|\bstu[b](?:bed|s)?\b", "unfinished work"),
    (r"/wor[k]/|/far[m]/|\.libr[a]ry/|/root/\.|before-sto[p]", "a path of one machine"),
    (r"\b(?:deb\.debia[n]|security\.debia[n]|ftp\.debia[n]|pyp[i]\.org|pythonhoste[d]|registry\.npmj[s]|crate[s]\.io|golan[g]\.org"
     r"|maven\.apach[e]\.org|docke[r]\.io)\b", "a registry's host"),
]
EXEMPT_FROM_WORDS = ("LICENSE",)


def finding(path, line, text):
    return f"{path}:{line}: {text}"


def is_script(path):
    return path.endswith(SCRIPTS) or os.path.basename(path) in ("meson.build", "meson_options.txt", "Makefile") or read(path).startswith("#!")


def headers():
    """SPDX and purpose in the first lines of everything that is not data."""
    for path in files():
        data = path.startswith(UNPURPOSED) and not path.endswith((".py", ".c"))
        if data or path.endswith(".in") and not path.endswith(".c.in") or not (path.endswith((".c", ".h", ".cc")) or is_script(path)):
            continue
        first = read(path).splitlines()[:6]
        spdx = next((number for number, line in enumerate(first[:3]) if "SPDX-License-Identifier: Apache-2.0" in line), None)
        if spdx is None:
            yield finding(path, 1, "no SPDX-License-Identifier in the first three lines")
            continue
        purpose = " ".join(first[spdx + 1:spdx + 3])
        name = os.path.basename(path)
        named = re.search(rf"(?:{re.escape(name)}|{re.escape(os.path.splitext(name)[0])})\b.* - \S", purpose)
        if not named and not (name in ("meson.build", "Makefile") and re.match(r"# \S+ \S+ \S+", purpose)):
            yield finding(path, spdx + 2, f"no purpose line: `{name} - what it is for.`")


def lengths():
    """Functions and files within their limits."""
    for path in files():
        if not path.endswith((".c", ".h", ".cc", ".py", ".js", ".css")):
            continue
        lines = read(path).splitlines()
        if len(lines) > FILE_MAX:
            yield finding(path, len(lines), f"{len(lines)} lines; a file has at most {FILE_MAX}")
        if path.endswith((".c", ".h", ".cc")):
            yield from (finding(path, function.first, f"{function.name}() has {function.lines} lines; at most {FUNCTION_MAX}")
                        for function in source(path).functions if function.lines > FUNCTION_MAX)


def forbidden_calls():
    """No allocation outside the engine, no printing outside cli, no jumps."""
    for item in sources():
        rules = [(JUMPS, "a jump out of the structure")]
        if item.room != "engine":
            rules.append((ALLOCATION, "allocation outside engine/: use an arena or engine/memory.h"))
        if item.room != "cli" and item.path not in MAY_PRINT:
            rules.append((PRINTING, "printing outside cli/"))
        for pattern, text in rules:
            yield from (finding(item.path, line, f"{text}: {match[0]}") for line, match in item.find(pattern))


def layering():
    """Includes go along the arrows only; node.h is the engine's own."""
    for item in sources():
        for include, line in item.includes:
            room = include.split("/")[0]
            if "/" not in include:
                yield finding(item.path, line, f'"{include}": say the room, as in "engine/{include}"')
            elif room in ARROWS and room != item.room and room not in ARROWS[item.room]:
                yield finding(item.path, line, f"{item.room}/ may not see {room}/")
            elif include == "engine/node.h" and item.room != "engine":
                yield finding(item.path, line, "node.h is the inside of the engine")


def names():
    """A public function's name is defined once: of two in different libraries the linker takes either."""
    defined = {}
    for item in sources(endings=(".c", ".cc")):
        for function in item.functions:
            if function.static or function.name == "main":
                continue
            first = defined.setdefault(function.name, f"{item.path}:{function.first}")
            if not first.startswith(item.path + ":"):
                yield finding(item.path, function.first, f"{function.name}() is defined at {first}, too")


def literal_reason(value):
    """Whether an expression can only be a literal, nothing, or another reason."""
    choices = value.split("?", 1)[1].split(":") if "?" in value else [value]
    return all(re.fullmatch(r'"[^"]*"(?:\s*"[^"]*")*|NULL|[\w.>*-]*(?:reason|_waits\(.*\))', choice.strip(), re.DOTALL) for choice in choices)


def rejects():
    """What a reject says is a literal, never a text that was made: no value of a field can be in it.

    The macros dv_reject() and dv_reject_input() see to it themselves. Where a reason is handed on, it must come from a variable
    or member called reason, and those are only ever given literals.
    """
    for item in sources():
        if item.room == "engine":
            continue
        for line, match in item.find(r"\bdv_reject_(?:row|raw)\s*\(([^;]*)\)\s*;"):
            if not literal_reason(match[1].split(",")[-1]):
                yield finding(item.path, line, "the reason of a reject must be a literal, or a variable called reason")
        if "dv_reject_" in item.bare:
            yield from (finding(item.path, line, "a reason must be a literal") for line, match in item.find(r"\breason\s*=(?!=)\s*([^;,}]+)")
                        if not literal_reason(match[1]))


def words():
    """Nothing unfinished, no path of one machine, no registry's host."""
    for path in files():
        if path in EXEMPT_FROM_WORDS or path.startswith(("tests/fuzz/corpus/", "tests/fuzz/crashes/")):
            continue
        for number, line in enumerate(read(path).splitlines(), 1):
            yield from (finding(path, number, f"{what}: {match[0]}") for pattern, what in FORBIDDEN for match in re.finditer(pattern, line))


def word_list(path, name):
    """The strings of a list in a meson.build."""
    match = re.search(rf"^{name} = [\[{{](.*?)[\]}}]", read(path), re.MULTILINE | re.DOTALL)
    return re.findall(r"'([^']+)'", match[1]) if match else []


def tests_listed():
    """Every test that lies there is built, and every operator has a scenario."""
    units = set(word_list("tests/meson.build", "unit_tests"))
    for path in files():
        match = re.fullmatch(r"tests/unit/test_(\w+)\.c", path)
        if match and match[1] not in units:
            yield finding("tests/meson.build", 1, f"'{match[1]}' is not in unit_tests")
        match = re.fullmatch(r"tests/fuzz/fuzz_(\w+)\.c", path)
        if match and match[1] not in word_list("tests/meson.build", "fuzz_targets"):
            yield finding("tests/meson.build", 1, f"'{match[1]}' is not in fuzz_targets")
        if match and not any(other.startswith(f"tests/fuzz/corpus/{match[1]}/") for other in files()):
            yield finding(path, 1, f"no seeds in tests/fuzz/corpus/{match[1]}/")
    for word in word_list("operators/meson.build", "operator_words"):
        folder = f"tests/golden/{word.replace('_', '-')}/"
        scenarios = {path for path in files() if path.startswith(folder)}
        if not any(path.endswith(".yaml") and path[:-5] + ".out" in scenarios for path in scenarios):
            yield finding("operators/meson.build", 1, f"operator '{word}' has no scenario NAME.yaml with NAME.out in {folder}")


def tests_cite():
    """Each test says which requirements it shows."""
    for path in files():
        if re.fullmatch(r"tests/(?:unit/test_\w+\.c|sim/sim\.c|(?:golden|leaks|good|e2e|random)/test_\w+\.py)", path):
            if not re.search(r"\bshows: +[A-Z]+-\d+", "\n".join(read(path).splitlines()[:40])):
                yield finding(path, 1, "does not say what it shows: `shows: MIS-2 ING-7` in its head")


def newest_program():
    found = [path for path in glob.glob(os.path.join(ROOT, "build", "*", "cli", "datavault")) if os.access(path, os.X_OK)]
    return max(found, key=os.path.getmtime, default=None)


def ask(program, *arguments, **environment):
    return subprocess.run([program, *arguments], cwd=ROOT, env={**os.environ, **environment}, stdin=subprocess.DEVNULL,
                          stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, timeout=60, check=False)


def reference(program):
    """The reference page is what the program prints, and every operator's options explain themselves."""
    done = ask(program, "docs", "--markdown")
    if done.returncode != 0:
        yield finding("docs/reference.md", 1, f"`datavault docs --markdown` fails: {done.stderr.strip()}")
    elif "docs/reference.md" not in files() or read("docs/reference.md") != done.stdout:
        yield finding("docs/reference.md", 1, "is not what the program prints: datavault docs --markdown > docs/reference.md")


def configurations(program):
    """Every shipped configuration passes the check; a variable that must be set gets what its message says after `to`."""
    for path in files():
        if not re.fullmatch(r"(?:conf|bench)/[^/]+\.yaml", path):
            continue
        asked = {match[1]: (match[2] or "").split(" to ")[-1] or "any"
                 for match in re.finditer(r"\$\{([A-Za-z_]\w*)(?::?\?([^}]*))?\}", read(path))}
        done = ask(program, "check", path, **asked)
        if done.returncode != 0:
            yield finding(path, 1, f"`datavault check` gives {done.returncode}:\n{done.stderr.strip()}")


def traceability():
    """The table of requirements and tests is the one that the tests make."""
    done = subprocess.run([sys.executable, os.path.join(ROOT, "tools", "traceability"), "--check"], cwd=ROOT, stdout=subprocess.PIPE, text=True, check=False)
    yield from done.stdout.splitlines() if done.returncode else ()


def excuses():
    """{(rule, path): reason} of tools/tidy.allow."""
    rows = [line.split(None, 2) for line in read("tools/tidy.allow").splitlines() if line and not line.startswith("#")]
    return {(row[0], row[1]): row[2] for row in rows}


RULES = {rule.__name__: rule for rule in (headers, lengths, forbidden_calls, layering, names, rejects, words, tests_listed, tests_cite, traceability,
                                          reference, configurations)}


def main():
    parser = argparse.ArgumentParser(prog="tools/tidy.py", description=__doc__.splitlines()[0])
    parser.add_argument("rules", nargs="*", metavar="RULE", help="rules to check; all if none is named: " + ", ".join(RULES))
    parser.add_argument("--program", help="the program to ask")
    options = parser.parse_args()
    if set(options.rules) - set(RULES):
        parser.error("rules are: " + ", ".join(RULES))
    program = options.program or newest_program()
    broken, excused, used = 0, excuses(), set()
    for name in options.rules or RULES:
        needs_program = RULES[name] in (reference, configurations)
        if needs_program and program is None:
            print(f"tidy: {name}: not checked, no program is built")
            continue
        found = list(RULES[name](os.path.abspath(program)) if needs_program else RULES[name]())
        for text in found:
            reason = excused.get((name, text.split(":")[0]))
            used.add((name, text.split(":")[0]))
            broken += reason is None
            print(f"{text} [{name}]" + (f" excused: {reason}" if reason else ""))
    for name, path in sorted(set(excused) - used):
        if name in (options.rules or RULES):
            broken += 1
            print(finding("tools/tidy.allow", 1, f"excuses nothing: {name} {path}"))
    print(f"tidy: {len(csource.files())} files, {broken} findings")
    return int(broken > 0)


if __name__ == "__main__":
    sys.exit(main())
