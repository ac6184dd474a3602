#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""terminal.py - draws commands and what they print as an SVG: terminal.py OUT.svg 'COMMAND'... (run at the top of the tree)"""
import html
import subprocess
import sys
import textwrap

WIDTH, LINE, TOP, LEFT = 1010, 19, 44, 18
COLOURS = {"prompt": "#7ee787", "error": "#ff7b72", "help": "#79c0ff", "plain": "#e6edf3"}


def kind(line):
    if line.startswith("$ "):
        return "prompt"
    if "error[" in line:
        return "error"
    return "help" if line.lstrip().startswith("help:") else "plain"


def lines_of(command):
    done = subprocess.run(command, shell=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, timeout=60)
    shown = command.replace("build/release/cli/", "")
    printed = [part for line in done.stdout.rstrip("\n").split("\n") for part in textwrap.wrap(line, 124, drop_whitespace=False) or [""]]
    return ["$ " + shown] + printed + [""]


def draw(lines):
    height = TOP + LINE * len(lines) + 8
    yield f'<svg xmlns="http://www.w3.org/2000/svg" width="{WIDTH}" height="{height}" viewBox="0 0 {WIDTH} {height}">'
    yield f'<rect width="{WIDTH}" height="{height}" rx="10" fill="#0d1117"/>'
    for x, colour in ((20, "#ff5f57"), (40, "#febc2e"), (60, "#28c840")):
        yield f'<circle cx="{x}" cy="20" r="6" fill="{colour}"/>'
    yield '<g font-family="ui-monospace, DejaVu Sans Mono, monospace" font-size="13" xml:space="preserve">'
    for number, line in enumerate(lines):
        text = html.escape(line)
        yield f'<text x="{LEFT}" y="{TOP + LINE * number + 12}" fill="{COLOURS[kind(line)]}">{text}</text>'
    yield "</g></svg>"


def main(out, commands):
    lines = [line for command in commands for line in lines_of(command)]
    with open(out, "w", encoding="utf-8") as file:
        file.write("\n".join(draw(lines[:-1])) + "\n")


if __name__ == "__main__":
    if len(sys.argv) < 3:
        sys.exit(__doc__)
    main(sys.argv[1], sys.argv[2:])
