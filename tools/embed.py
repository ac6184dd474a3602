#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
# embed.py - writes files as a C table of struct dv_asset: embed.py OUT.c FILE...
import hashlib
import pathlib
import sys

TYPES = {
    ".html": "text/html; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".css": "text/css; charset=utf-8",
    ".svg": "image/svg+xml",
}


def array(name, data):
    """The bytes as a C array, 24 a line."""
    lines = (", ".join(str(byte) for byte in data[at:at + 24]) for at in range(0, len(data), 24))
    return "static const unsigned char %s[] = {\n    %s\n};\n" % (name, ",\n    ".join(lines))


def row(name, path, data):
    """The file's row of the table; its tag is from its content, so a new build is a new tag."""
    tag = hashlib.sha256(data).hexdigest()[:32]
    return '    { "/%s", "%s", "\\"%s\\"", %s, sizeof %s },\n' % (path.name, TYPES[path.suffix], tag, name, name)


def main(out, files):
    paths = sorted(map(pathlib.Path, files))
    contents = [path.read_bytes() for path in paths]
    text = "/* SPDX-License-Identifier: Apache-2.0\n * %s - made by tools/embed.py. */\n" % pathlib.Path(out).name
    text += '#include "dashboard/server/page.h"\n\n'
    for number, data in enumerate(contents):
        text += array("file_%d" % number, data) + "\n"
    text += "const struct dv_asset dv_assets[] = {\n"
    for number, (path, data) in enumerate(zip(paths, contents)):
        text += row("file_%d" % number, path, data)
    text += "    { NULL, NULL, NULL, NULL, 0 },\n};\n"
    pathlib.Path(out).write_text(text, encoding="ascii")


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2:])
