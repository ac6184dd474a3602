#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""test_ids.py PROGRAM [COUNT] - each row of detectors/ids.def says of COUNT numbers what python-stdnum says of them.

A third of the numbers are good, a third are good ones with one character changed, a third are drawn from the shape. Rows
that stdnum does not know are compared with what their issuers publish, written here a second time. Where stdnum asks for
today's date (who is not born yet), lists names that no code may spell, or knows districts, such numbers are not drawn.

shows: ANO-1 PRV-5
"""
import datetime
import importlib
import os
import random
import re
import subprocess
import sys

LETTERS = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
DIGITS = "0123456789"
TODAY = datetime.date.today()


def digits(text):
    return [int(character, 36) for character in text]


def weighed(text, weights):
    return sum(a * b for a, b in zip(digits(text), weights))


def luhn(text):
    return sum(sum(divmod(int(c) * (1 + i % 2), 10)) for i, c in enumerate(reversed(text))) % 10 == 0


def is_day(year, month, day):
    try:
        return bool(datetime.date(year, month, day))
    except ValueError:
        return False


def rvnr(t):
    body = t[:8] + f"{ord(t[8]) - 64:02d}" + t[9:11]
    total = sum(sum(divmod(int(c) * w, 10)) for c, w in zip(body, (2, 1, 2, 5, 7, 1, 2, 1, 2, 1, 2, 1)))
    day = int(t[2:4])
    return total % 10 == int(t[11]) and is_day(2000, int(t[4:6]), day - 50 if day > 31 else day)


def nhi(t):
    alphabet = LETTERS.replace("I", "").replace("O", "")
    if any(c not in alphabet + DIGITS for c in t):
        return False
    total = sum((7 - i) * (int(c) if c in DIGITS else alphabet.index(c) + 1) for i, c in enumerate(t[:6]))
    if t[6] in LETTERS:
        return alphabet[22 - total % 23] == t[6]
    return total % 11 != 0 and (11 - total % 11) % 10 == int(t[6])


def nric(t):
    if t[0] not in "STFGM":
        return False
    total = weighed(t[1:8], (2, 7, 6, 5, 4, 3, 2)) + {"T": 4, "G": 4, "M": 3}.get(t[0], 0)
    tables = {"S": "JZIHGFEDCBA", "T": "JZIHGFEDCBA", "F": "XWUTRQPNMLK", "G": "XWUTRQPNMLK", "M": "XWUTRQPNJLK"}
    return tables[t[0]][total % 11] == t[8]


def vin(t):
    values = dict(zip("ABCDEFGHJKLMNPRSTUVWXYZ", digits("12345678123457923456789")), **{d: int(d) for d in DIGITS})
    if any(c not in values for c in t) or not 2 <= sum(c in LETTERS for c in t) <= 14:
        return False
    total = sum(values[c] * w for c, w in zip(t, (8, 7, 6, 5, 4, 3, 2, 10, 0, 9, 8, 7, 6, 5, 4, 3, 2)))
    return "0123456789X"[total % 11] == t[8]


def twid(t):
    number = "ABCDEFGHJKLMNPQRSTUVXYWZIO".index(t[0]) + 10
    return t[1] in "1289" and (number // 10 + number % 10 * 9 + weighed(t[1:], (8, 7, 6, 5, 4, 3, 2, 1, 1))) % 10 == 0


OWN = {
    "gb.nino": lambda t: re.fullmatch(r"(?!BG|GB|KN|NK|NT|TN|ZZ)[A-CEGHJ-PR-TW-Z][A-CEGHJ-NPR-TW-Z]\d{6}[A-D]", t) is not None,
    "au.medicare": lambda t: t[0] in "23456" and weighed(t, (1, 3, 7, 9, 1, 3, 7, 9)) % 10 == int(t[8]),
    "de.rvnr": rvnr,
    "hu.taj": lambda t: t.strip("0") != "" and weighed(t, (3, 7, 3, 7, 3, 7, 3, 7)) % 10 == int(t[8]),
    "jp.mynumber": lambda t: (lambda r: 0 if r <= 1 else 11 - r)(weighed(t, (6, 5, 4, 3, 2, 7, 6, 5, 4, 3, 2)) % 11) == int(t[11]),
    "nz.nhi": nhi,
    "ru.snils": lambda t: int(t[:9]) > 1001998 and weighed(t, range(9, 0, -1)) % 101 % 100 == int(t[9:]),
    "sg.nric": nric,
    "tw.id": twid,
    "us.dea": lambda t: t[0] in "ABCDEFGHJKLMPRSTUX" and t[1] in LETTERS + "9" and weighed(t[2:8], (1, 2, 1, 2, 1, 2)) % 10 == int(t[8]),
    "us.npi": lambda t: t[0] in "12" and luhn("80840" + t),
    "vin": vin,
}
# What stdnum calls the row, where it differs.
MODULES = {"in.aadhaar": "in_.aadhaar", "in.pan": "in_.pan", "is.kennitala": "is_.kennitala", "lv.pk": "lv.pvn", "us.aba": "us.rtn",
           "at.vnr": "at.vnr", "imei": "imei"}
# Where a date stands in the number, and how it is written.
DATES = {"bg.egn": (0, "%y%m%d"), "cn.ric": (6, "%Y%m%d"), "cz.rc": (0, "%y%m%d"), "dk.cpr": (0, "%d%m%y"), "ee.ik": (1, "%y%m%d"),
         "fi.hetu": (0, "%d%m%y"), "gr.amka": (0, "%d%m%y"), "is.kennitala": (0, "%d%m%y"), "kr.rrn": (0, "%y%m%d"), "lt.asmens": (1, "%y%m%d"),
         "lv.pk": (0, "%d%m%y"), "mx.curp": (4, "%y%m%d"), "mx.rfc": (-9, "%y%m%d"), "my.nric": (0, "%y%m%d"), "no.fodselsnummer": (0, "%d%m%y"),
         "pl.pesel": (0, "%y%m%d"), "ro.cnp": (1, "%y%m%d"), "se.personnummer": (0, None), "si.emso": (0, "%d%m%Y"), "za.idnr": (0, "%y%m%d"),
         "be.nn": (0, "%y%m%d"), "de.rvnr": (2, "%d%m%y")}
# Where the check characters are, if not at the end, and how many.
CHECKS = {"at.vnr": (3,), "gb.utr": (0,), "ie.pps": (7,), "vin": (8,), "pt.cc": (11,), "au.medicare": (8,), "no.fodselsnummer": (9, 10), "br.cpf": (9, 10),
          "br.cnpj": (12, 13), "ru.inn": (10, 11), "ru.snils": (9, 10), "tr.tckimlik": (9, 10), "fr.nir": (13, 14), "be.nn": (9, 10)}


def oracle(name):
    """What says whether a number of the row is good."""
    if name in OWN:
        return OWN[name]
    module = importlib.import_module("stdnum." + MODULES.get(name, name))
    if name == "imei":
        return lambda text: luhn(text) and module.is_valid(text)
    return module.is_valid


def has_clock_or_list(name, text):
    """Whether stdnum's answer hangs on today, or on a list that only it has."""
    if name in ("mx.curp", "mx.rfc"):
        module = importlib.import_module("stdnum." + name)
        return text[:4] in module._name_blacklist or (name == "mx.curp" and text[10] == "X")
    if name in ("dk.cpr", "no.fodselsnummer"):
        try:
            return importlib.import_module("stdnum." + name).get_birth_date(text) >= TODAY
        except importlib.import_module("stdnum.exceptions").ValidationError:
            return False
    if name == "be.nn":
        return int(text[:2]) > TODAY.year % 100 and 97 - int("2" + text[:9]) % 97 == int(text[9:])
    if name == "us.itin":
        return int(text[3:5]) < 70
    if name == "do.cedula":
        return text in importlib.import_module("stdnum.do.cedula").whitelist
    return name == "lv.pk" and text[0] > "3"


class Draw:
    """Numbers of one row, without separators but with the signs that belong to them."""

    def __init__(self, name, shape, random_):
        self.name, self.shape, self.random = name, re.sub("[_/]", "", shape), random_
        self.marks = self.shape.replace("s", "").replace("S", "")

    def characters(self, mark):
        return {"d": DIGITS, "L": LETTERS, "A": DIGITS + LETTERS}[mark]

    def any(self):
        return "".join(self.random.choice(self.characters(mark)) for mark in self.marks)

    def dated(self):
        """With a day of birth, and with what a number must begin with."""
        text, r = self.any(), self.random
        if self.name in DATES:
            at, form = DATES[self.name]
            if form is None:
                form = "%Y%m%d" if len(text) == 12 else "%y%m%d"
            day = datetime.date(r.randint(1915, TODAY.year - 2), 1, 1) + datetime.timedelta(r.randint(0, 365))
            written = day.strftime(form)
            if self.name == "si.emso":
                written = written[:4] + written[5:]
            at = at if at >= 0 else len(text) + at
            text = text[:at] + written + text[at + len(written):]
        starts = {"ch.ssn": "756", "cn.ric": r.choice(["110101", "440305", "310115", "510104"]), "ar.cuit": r.choice(["20", "23", "27", "30"]),
                  "ec.ci": f"{r.randint(1, 24):02d}{r.randint(0, 5)}", "us.npi": r.choice("12"), "es.nie": r.choice("XYZ"), "sg.nric": r.choice("STFGM"),
                  "nz.ird": "0" if len(text) == 9 and r.random() < .6 else r.choice("1234"), "in.aadhaar": r.choice("23456789"),
                  "tw.id": r.choice(LETTERS) + r.choice("12"), "us.dea": r.choice("ABFM") + r.choice(LETTERS), "us.itin": "9" + text[1:3] + str(r.randint(66, 99)),
                  "mx.curp": text[:10] + r.choice("HM") + r.choice(["DF", "JC", "NL"]), "in.pan": text[:3] + r.choice("PCF")}
        start = starts.get(self.name, "")
        text = start + text[len(start):]
        if self.name == "de.idnr":
            ten = r.sample(DIGITS, 9)
            ten.insert(r.randint(1, 9), r.choice(ten))
            text = "".join(ten) + text[10]
        if self.name == "it.codicefiscale":
            text = text[:6] + "".join([f"{r.randint(0, 99):02d}", r.choice("ABCDEHLMPRST"), f"{r.choice([0, 40]) + r.randint(1, 28):02d}",
                                       r.choice(LETTERS), f"{r.randint(0, 999):03d}"]) + text[15]
        if self.name == "fr.nir":
            text = text[:5] + r.choice(["2A", "2B", f"{r.randint(1, 95):02d}"]) + "".join(r.choice(DIGITS) for _ in range(8))
        return text

    def good(self, is_good):
        """A number that the oracle takes, or None after some trials."""
        places = CHECKS.get(self.name, (len(self.marks) - 1,))
        for _ in range(300):
            text = self.dated()
            options = [text]
            for place in places:
                options = [o[:place] + c + o[place + 1:] for o in options for c in self.characters(self.marks[place])]
            found = [option for option in options if is_good(self.signed(option))]
            if found:
                return self.random.choice(found)
        return None

    def changed(self, text):
        at = self.random.randrange(len(text))
        return text[:at] + self.random.choice(self.characters(self.marks[at])) + text[at + 1:]

    def signed(self, text):
        if "S" in self.shape:
            return text[:6] + ("A" if text[9] in "02468ACEHKMPSUWY" and int(text[4:6]) < 24 else "-") + text[6:]
        return text[:-4] + "-" + text[-4:] if "s" in self.shape else text


def main(program, count):
    seed = int(os.environ.get("DATAVAULT_SEED", random.randrange(2**32)))
    print("seed", seed)
    random_ = random.Random(seed)
    rows = [line.split() for line in subprocess.run([program, "--list"], capture_output=True, text=True, check=True).stdout.splitlines()]
    asked, wrong = [], []
    for number, name, shape in rows:
        is_good, draw, good = oracle(name), Draw(name, shape, random_), 0
        for turn in range(count):
            text = draw.good(is_good) if turn % 3 != 2 else draw.dated() if turn % 2 else draw.any()
            if text is None:
                sys.exit(f"{name}: no good number was drawn")
            if turn % 3 == 1:
                text = draw.changed(text)
            if has_clock_or_list(name, text):
                continue
            expected = bool(is_good(draw.signed(text)))
            good += expected
            asked.append((number, name, draw.signed(text), expected))
        if good < count // 4:
            sys.exit(f"{name}: only {good} of {count} numbers were good")
    answers = subprocess.run([program], input="".join(f"{number} {text}\n" for number, _, text, _ in asked), capture_output=True, text=True,
                             check=True).stdout.split()
    if len(answers) != len(asked):
        sys.exit(f"{len(answers)} answers to {len(asked)} questions")
    wrong = [(name, text, expected) for (_, name, text, expected), answer in zip(asked, answers) if (answer == "1") != expected]
    for name, text, expected in wrong[:20]:
        print(f"{name} {text}: the oracle says {expected}")
    print(f"{len(rows)} rows, {len(asked)} numbers, {len(wrong)} answers differ")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1], int(sys.argv[2]) if len(sys.argv) > 2 else 3000 if os.environ.get("DATAVAULT_LONG") else 60))
