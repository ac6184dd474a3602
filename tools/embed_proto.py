#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
# embed_proto.py - writes a FileDescriptorSet as a C table of struct dv_proto_file: embed_proto.py OUT.c SET
import pathlib
import sys

NAME, PACKAGE, MESSAGE, ENUM, SERVICE = 1, 2, 4, 5, 6  # of a FileDescriptorProto
NESTED, NESTED_ENUM, METHOD = 3, 4, 2  # of a DescriptorProto and a ServiceDescriptorProto


def varint(data, at):
    value = shift = 0
    while True:
        byte = data[at]
        value |= (byte & 0x7F) << shift
        at, shift = at + 1, shift + 7
        if byte < 0x80:
            return value, at


def fields(data):
    """(number, bytes) of each length-delimited field; the others do not matter here."""
    at = 0
    while at < len(data):
        key, at = varint(data, at)
        if key & 7 == 2:
            length, at = varint(data, at)
            yield key >> 3, data[at:at + length]
            at += length
        elif key & 7 == 0:
            _, at = varint(data, at)
        else:
            raise ValueError(f"wire type {key & 7}")


def name_of(data):
    return next(value.decode() for number, value in fields(data) if number == NAME)


def symbols(data, prefix, inner):
    """The full names of an element and of what lies in it."""
    name = f"{prefix}.{name_of(data)}"
    yield name
    for number, value in fields(data):
        if number in inner:
            yield from symbols(value, name, inner[number])


MESSAGES = {NESTED_ENUM: {}}
MESSAGES[NESTED] = MESSAGES


def symbols_of_file(data):
    package = next(value.decode() for number, value in fields(data) if number == PACKAGE)
    for number, value in fields(data):
        if number in (MESSAGE, ENUM, SERVICE):
            yield from symbols(value, package, {MESSAGE: MESSAGES, ENUM: {}, SERVICE: {METHOD: {}}}[number])


def main(out, source):
    text = f"/* SPDX-License-Identifier: Apache-2.0\n * {pathlib.Path(out).name} - made by tools/embed_proto.py. */\n"
    text += '#include "connectors/grpc_reflection.h"\n\n'
    rows = ""
    for index, (_, data) in enumerate(fields(pathlib.Path(source).read_bytes())):
        lines = (", ".join(str(byte) for byte in data[at:at + 24]) for at in range(0, len(data), 24))
        text += "static const uint8_t file_%d[] = {\n    %s\n};\n" % (index, ",\n    ".join(lines))
        text += "static const char *const symbols_%d[] = {\n" % index
        text += "".join(f'    "{symbol}",\n' for symbol in symbols_of_file(data)) + "    NULL,\n};\n\n"
        rows += f'    {{ "{name_of(data)}", file_{index}, sizeof file_{index}, symbols_{index} }},\n'
    text += "const struct dv_proto_file dv_proto_files[] = {\n" + rows + "    { NULL, NULL, 0, NULL },\n};\n"
    pathlib.Path(out).write_text(text, encoding="ascii")


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2])
