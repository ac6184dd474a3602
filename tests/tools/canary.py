#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""canary.py - secrets that occur nowhere else, and a search for them in any bytes, plain or encoded.

A secret is found when 8 of its bytes in a row (for numbers: all of it) stand somewhere raw, in UTF-16, base64 at any
alignment, hex, percent signs or JSON escapes. Words mix upper and lower case and have no vowels, so that neither text nor
base32 tokens nor digests hit one by chance; what a mask may leave (4 characters) is no hit.

  canary.py --find FILE... < SECRETS        one secret a line; exit code 1 if one is found
"""
import base64
import os
import random
import sys

LETTERS = "BCDFGHJKLMNPQRSTVWXZbcdfghjkmnpqrstvwxz"
WINDOW = 8
DOMAIN = "canary.example"


def base64_forms(core):
    """What of the text's base64 does not depend on its neighbours, at each of the three alignments, in both alphabets."""
    for shift in range(3):
        start, end = -(-shift * 8 // 6), (shift + len(core)) * 8 // 6
        whole = base64.b64encode(b"\0" * shift + core)
        yield whole[start:end]
        yield base64.urlsafe_b64encode(b"\0" * shift + core)[start:end]


def escapes(core):
    """JSON with every character escaped, as some writers do, in both cases of hex."""
    text = core.decode("utf-8", "replace")
    units = text.encode("utf-16-be")
    pairs = [units[i:i + 2].hex() for i in range(0, len(units), 2)]
    return ["".join("\\u" + pair for pair in pairs).encode(), "".join("\\u" + pair.upper() for pair in pairs).encode()]


def forms(core, window):
    """(name, encoded text, bytes of it that make a hit) for a secret of which `window` bytes count."""
    yield "raw", core, window
    hexed = core.hex().encode()
    for text in (hexed, hexed.upper()):
        yield "hex", text, 2 * window
    for text in base64_forms(core):
        yield "base64", text, min(window * 8 // 6 + 1, len(text))
    for digits in (hexed, hexed.upper()):
        yield "percent", b"".join(b"%" + digits[i:i + 2] for i in range(0, len(digits), 2)), 3 * window
    for text in escapes(core):
        yield "escaped", text, min(6 * window, len(text))


class Canaries:
    """Makes secrets and finds them. `protect` keeps some labels only: what one exit must not show another may."""

    def __init__(self, seed):
        self.random = random.Random(seed)
        self.secrets = []  # (label, core, window)
        self.tables = None

    def add(self, label, core, window=WINDOW):
        """A secret; `window=0`: only the whole of it counts."""
        core = core.encode() if isinstance(core, str) else bytes(core)
        assert len(core) >= (10 if window else WINDOW), "too short to be told from chance"
        self.secrets.append((label, core, window or len(core)))
        self.tables = None
        return core

    def word(self, label, length=14):
        text = "".join(self.random.choice(LETTERS) for _ in range(length))
        self.add(label, text)
        return text

    def digits(self, label, pattern):
        """'###-##-####' filled with digits; its punctuation and longer windows keep other numbers from hitting it."""
        text = "".join(self.random.choice("123456789") if char == "#" else char for char in pattern)
        self.add(label, text, 9 if len(text) < 12 else 12)
        return text

    def whole(self, label, text):
        self.add(label, text, 0)
        return text

    def email(self, label):
        return f"{self.word(label)}@{DOMAIN}"

    # ---- records of the two schemas, a secret in every field that could name somebody ----

    def healthcare(self, **fields):
        date = f"20{self.random.randrange(10, 25)}-0{self.random.randrange(1, 10)}-1{self.random.randrange(10)}"
        clock = f"T07:{self.random.randrange(10, 60)}:{self.random.randrange(10, 60)}.{self.random.randrange(10**11, 10**12)}Z"
        record = {
            "patient_id": self.word("patient_id"), "name": f"{self.word('name')} {self.word('name')}",
            "ssn": self.digits("ssn", "###-##-####"), "email": self.email("email"),
            "phone": self.digits("phone", "(2##) 8##-####"), "age": self.random.randrange(1, 100),
            "diagnosis": self.word("diagnosis"), "treatment_plan": self.word("treatment_plan"),
            "visit_date": self.whole("visit_date", date + clock), "symptoms": [self.word("symptoms"), {"a": 1}],
            "vitals": {"pulse": 60, "note": self.word("vitals")}, "outcome": self.word("outcome"),
            "note": f"Seen today. Mail {self.email('note')}, SSN {self.digits('note', '###-##-####')}, stable."}
        return {**record, **fields}

    def finance(self, **fields):
        fraction = f"{self.random.randrange(10**11, 10**12)}"
        amount = float(f"{self.random.randrange(1000, 9999)}.{self.random.randrange(10**8, 10**9)}")
        record = {
            "account": self.word("account", 20), "account_hash": self.word("account_hash", 32),
            "name": f"{self.word('name')} {self.word('name')}", "email": self.email("email"),
            "card": self.digits("card", "4### #### #### ####"), "transaction_type": "Debit", "amount": amount,
            "merchant_category": self.word("merchant_category"),
            "transaction_time": self.whole("transaction_time", f"2025-11-07T07:20:02.{fraction}Z"),
            "memo": f"Refund to {self.email('memo')} as agreed."}
        self.whole("amount", repr(amount))
        return {**record, **fields}

    # ---- the search ----

    def build(self):
        """Every needle by its first 8 bytes, so that one pass over the data does for all of them."""
        self.tables = {}
        for label, core, window in self.secrets:
            for form, text, width in forms(core, window):
                for at in range(len(text) - width + 1):
                    needle = text[at:at + width]
                    self.tables.setdefault(needle[:WINDOW], {}).setdefault(needle, set()).add((label, form))
        self.keys = frozenset(self.tables)

    def find(self, data, labels=None):
        """Sorted 'label in form' of every secret in `data`, of those labels if any are named."""
        if self.tables is None:
            self.build()
        found = set()
        for text, suffix in ((data, ""), (data.replace(b"\0", b""), " utf-16")) if b"\0" in data else ((data, ""),):
            windows = map(text.__getitem__, map(slice, range(len(text) - WINDOW + 1), range(WINDOW, len(text) + 1)))
            for key in self.keys.intersection(windows):
                for needle, hits in self.tables[key].items():
                    if needle in text:
                        found |= {(label, form + suffix) for label, form in hits}
        return sorted(f"{label} in {form}" for label, form in found if labels is None or label in labels)

    def find_in(self, *paths, labels=None, but=()):
        """{path: what was found} over files and folders, without the files named in `but`."""
        found = {}
        for path in files_of(paths):
            if os.path.abspath(path) in {os.path.abspath(other) for other in but}:
                continue
            with open(path, "rb") as file:
                hits = self.find(file.read(), labels)
            if hits:
                found[str(path)] = hits
        return found


def files_of(paths):
    for path in map(str, paths):
        if not os.path.isdir(path):
            yield path
            continue
        for folder, _, names in os.walk(path):
            yield from (os.path.join(folder, name) for name in sorted(names)
                        if os.path.isfile(os.path.join(folder, name)) and not os.path.islink(os.path.join(folder, name)))


def main():
    if len(sys.argv) < 3 or sys.argv[1] != "--find":
        print(__doc__, file=sys.stderr)
        return 2
    canaries = Canaries(0)
    for number, line in enumerate(sys.stdin.read().splitlines(), 1):
        if line:
            canaries.add(f"line {number}", line, 0 if len(line) < 10 else WINDOW)
    found = canaries.find_in(*sys.argv[2:])
    for path, hits in found.items():
        print(f"{path}: {', '.join(hits)}")
    return int(bool(found))


if __name__ == "__main__":
    sys.exit(main())
