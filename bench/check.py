#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""check.py w1|w2 SRC OUT [--rows N | --all] - compares what a program made of SRC with the reference in t1.py.

Counts the rows, opens N of them (200 if not told) and compares each field; on W2 also that no nonce comes twice.
Exit 0 if all is right, 1 if not.
"""
import argparse
import base64
import json
import random
import sys

from t1 import AES_KEY, t1


def opener(work):
    """What turns a line of OUT into JSON text."""
    if work == "w1":
        return bytes
    from cryptography.hazmat.primitives.ciphers.aead import AESGCM
    gcm = AESGCM(AES_KEY)

    def unseal(line):
        box = base64.b64decode(line.strip(), validate=True)
        return gcm.decrypt(box[:12], box[12:], None)
    return unseal


def read_row(unwrap, line):
    """The record, or None if it cannot be opened or parsed."""
    try:
        row = json.loads(unwrap(line))
    except Exception as error:  # whatever is wrong with a row, it is one bad row
        print(f"check: a row cannot be read: {type(error).__name__}", file=sys.stderr)
        return None
    return row if isinstance(row, dict) else None


def wanted_rows(source, rows, everything):
    """The number of rows of SRC, and {row number: what is expected there}."""
    with open(source, "rb") as lines:
        count = sum(1 for _ in lines)
    picked = set(range(count)) if everything else set(random.Random(3).sample(range(count), min(rows, count)))
    with open(source, "rb") as lines:
        return count, {number: t1(json.loads(line)) for number, line in enumerate(lines) if number in picked}


def in_place(wanted, output, unwrap, sealed):
    """Counts rows, wrong rows and repeated nonces, if the program kept the order of the rows."""
    count = bad = 0
    nonces = set()
    with open(output, "rb") as lines:
        for count, line in enumerate(lines, 1):
            if sealed:
                nonces.add(line[:16])  # 12 bytes of nonce are 16 letters of base64
            if count - 1 in wanted and read_row(unwrap, line) != wanted[count - 1]:
                bad += 1
    return count, bad, count - len(nonces) if sealed else 0


def anywhere(wanted, output, unwrap):
    """Counts the wanted rows that OUT holds nowhere: for a program that does not keep the order."""
    missing = {row["patient_id"]: row for row in wanted.values()}
    with open(output, "rb") as lines:
        for line in lines:
            row = read_row(unwrap, line) or {}
            if missing.get(row.get("patient_id")) == row:
                del missing[row["patient_id"]]
    return len(missing)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("work", choices=("w1", "w2"))
    parser.add_argument("source")
    parser.add_argument("output")
    parser.add_argument("--rows", type=int, default=200, help="rows to compare")
    parser.add_argument("--all", action="store_true", help="compare every row")
    options = parser.parse_args()
    unwrap = opener(options.work)
    count, wanted = wanted_rows(options.source, options.rows, options.all)
    found, bad, repeated = in_place(wanted, options.output, unwrap, options.work == "w2")
    if bad:
        bad = anywhere(wanted, options.output, unwrap)
    right = found == count and bad == 0 and repeated == 0
    print(f"rows in {count}, out {found}, compared {len(wanted)}, wrong {bad}, repeated nonces {repeated}:",
          "right" if right else "WRONG")
    return 0 if right else 1


if __name__ == "__main__":
    sys.exit(main())
