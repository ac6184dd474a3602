#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""make_names.py - writes privacy/names.bin: the names that surrogates are made of, from the PyPI package `names`.

They are the lists of the 1990 census of the United States, in the public domain. Three counts of 32 bits, then that many
records of 12 bytes each, lower case, padded with zeros, sorted: given names of women, of men, and surnames. A given name
is on the list on which it is more frequent.
"""
import pathlib
import struct

import names

WOMEN, MEN, LAST, WIDTH = 2048, 1024, 8192, 12


def census(name):
    """{name: share of the people in per cent}"""
    lines = (pathlib.Path(names.__file__).parent / name).read_text(encoding="utf-8").splitlines()
    rows = [line.split() for line in lines]
    return {row[0].lower(): float(row[1]) for row in rows if row[0].isalpha() and 3 <= len(row[0]) < WIDTH}


def most(shares, count):
    return sorted(sorted(shares, key=lambda name: (-shares[name], name))[:count])


def main():
    women, men, last = (census(f"dist.{name}") for name in ("female.first", "male.first", "all.last"))
    only_women = {name: share for name, share in women.items() if share > men.get(name, 0)}
    only_men = {name: share for name, share in men.items() if share >= women.get(name, 0)}
    lists = [most(only_women, WOMEN), most(only_men, MEN), most(last, LAST)]
    data = struct.pack("<3I", *map(len, lists))
    data += b"".join(name.encode().ljust(WIDTH, b"\0") for part in lists for name in part)
    target = pathlib.Path(__file__).resolve().parent.parent / "privacy" / "names.bin"
    target.write_bytes(data)
    print([len(part) for part in lists], len(data), "bytes")


if __name__ == "__main__":
    main()
