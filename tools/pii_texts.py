#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""pii_texts.py N [SEED] - invented texts with marked personal data, for training the tagger: JSON lines, as train_tagger.py reads.

Everything is drawn: values from word lists and formats, sentences from templates, tables and messages from keys that people give to
such fields. Names are combined at random from census lists; numbers are random; nobody is meant.
"""
import json
import random
import string
import sys
import unicodedata
import uuid

from pii_words import (CITIES, CONDITIONS, DRUGS, FIRST, LAST, NEGATIVE, ORGANISATIONS, SENTENCES, STATES, STREETS, STREET_ENDS, KEYS,
                       FILLERS, WORLD_FIRST, WORLD_LAST)

MONTHS = ("January February March April May June July August September October November December").split()
MESES = "enero febrero marzo abril mayo junio julio agosto septiembre octubre noviembre diciembre".split()
DIGITS = string.digits


class Draw(random.Random):
    """Values of each kind as text; the kind is the method's name."""

    def pick(self, *choices):
        return self.choice(choices)

    def digits(self, count):
        return "".join(self.choice(DIGITS) for _ in range(count))

    def letters(self, count):
        return "".join(self.choice(string.ascii_uppercase) for _ in range(count))

    def fill(self, pattern):
        """'#': a digit, '@': a capital, '*': either."""
        return "".join(self.digits(1) if c == "#" else self.letters(1) if c == "@" else self.choice(DIGITS + string.ascii_uppercase)
                       if c == "*" else c for c in pattern)

    def first(self):
        return self.choice(FIRST if self.random() < 0.6 else WORLD_FIRST)

    def last(self):
        name = self.choice(LAST if self.random() < 0.6 else WORLD_LAST)
        return f"{name}-{self.choice(LAST)}" if self.random() < 0.05 else name

    def person(self):
        first, last = self.first(), self.last()
        middle = self.pick(self.letters(1), self.letters(1) + ".", self.first())
        particle = self.pick("van", "de", "de la", "von", "al", "St.", "O'", "Mc")
        forms = [(f"{first} {last}", 40), (f"{first} {middle} {last}", 8), (f"{last}, {first}", 8), (first, 6), (f"{last}", 4),
                 (f"{first[0]}. {last}", 4), (f"{last} {first}", 2), (f"{last.upper()}, {first.upper()}", 4), (f"{first} {last}".upper(), 5),
                 (f"{first} {last}".lower(), 4), (f"{first} {particle}{'' if particle[-1] in chr(39) + 'c' else ' '}{last}", 4),
                 (f"{first} {last} {self.last()}", 3), (f"{last}^{first}", 1), (f"{first} {last}, Jr.", 1)]
        return self.choices([form for form, _ in forms], [weight for _, weight in forms])[0]

    def given(self):
        return self.first()

    def surname(self):
        return self.last()

    def date(self):
        year, month, day = self.randint(1925, 2027), self.randint(1, 12), self.randint(1, 28)
        name, short = MONTHS[month - 1], MONTHS[month - 1][:3]
        nth = f"{day}{'th' if 4 <= day <= 20 or day % 10 not in (1, 2, 3) else ('st', 'nd', 'rd')[day % 10 - 1]}"
        return self.choice((f"{year}-{month:02}-{day:02}", f"{month:02}/{day:02}/{year}", f"{day:02}.{month:02}.{year}", f"{month}/{day}/{year % 100:02}",
                            f"{name} {day}, {year}", f"{day} {name} {year}", f"{short} {day}, {year}", f"{day}-{short}-{year}", f"{name} {nth}, {year}",
                            f"{day:02}/{month:02}/{year}", f"{year}/{month:02}/{day:02}", f"{name} {day}", f"{day} {short}", f"{name} {year}",
                            f"{day:02}{short.upper()}{year}", f"{day} de {MESES[month - 1]} de {year}", f"{year}{month:02}{day:02}", f"the {nth} of {name}",
                            f"{month}/{day}", f"{name} {nth}", f"{day}. {name} {year}", f"{year}-{month:02}-{day:02}T{self.randint(0, 23):02}:{self.randint(0, 59):02}:00Z"))

    def phone(self):
        return self.fill(self.choice((
            "###-###-####", "(###) ###-####", "+1 ### ### ####", "###.###.####", "+1-###-###-####", "1-###-###-####", "##########", "+44 20 #### ####",
            "07### ######", "+49 30 #######", "+33 1 ## ## ## ##", "06 ## ## ## ##", "+34 6## ### ###", "+91 ##### #####", "+61 4## ### ###", "(0##) #### ####",
            "+39 3## #######", "+81 90 #### ####", "+55 11 9####-####", "+52 55 #### ####", "0## ### ## ##", "+41 79 ### ## ##", "###-####", "+31 6 ########",
            "### ### ####", "+1(###)###-####", "ext. ####", "+7 9## ###-##-##", "+971 50 ### ####", "### . ### . ####", "# # # # # # # # # #")))

    def email(self):
        first, last = (plain(part.lower()) for part in (self.first(), self.last()))
        user = self.choice((f"{first}.{last}", f"{first[0]}{last}", f"{first}_{last}{self.digits(2)}", f"{first}{self.digits(3)}", f"{last}.{first}", f"{first}-{last}"))
        host = self.choice(("example.com", "mail.example.org", "clinic.example.net", "bank.example", "uni.example.edu", "corp.example.co.uk"))
        return self.choices((f"{user}@{host}", f"{user} at {host.replace('.', ' dot ')}", f"{user}[at]{host.replace('.', '[dot]')}", f"{user}@{host}".upper()), (90, 4, 3, 3))[0]

    def street(self):
        number = self.choice((str(self.randint(1, 9999)), f"{self.randint(1, 99)}{self.letters(1)}", f"{self.randint(10, 99)}-{self.randint(1, 99)}"))
        unit = self.choice(("", "", "", f" Apt {self.randint(1, 400)}", f", Suite {self.randint(100, 900)}", f" #{self.randint(1, 99)}", f", Floor {self.randint(2, 30)}"))
        name = f"{self.choice(STREETS)} {self.choice(STREET_ENDS)}"
        return self.choices((f"{number} {name}{unit}", f"{self.choice(('Calle', 'Avenida', 'Rue', 'Via', 'Plaza'))} {self.choice(STREETS)} {number}", f"{self.choice(STREETS)}straße {number}",
                             f"P.O. Box {self.randint(10, 9999)}"), (75, 12, 6, 7))[0]

    def city(self):
        return self.choice(CITIES)

    def state(self):
        return self.choice(STATES)

    def zip(self):
        return self.fill(self.choice(("#####", "#####", "#####-####", "@@## #@@", "@#@ #@#", "####", "#### @@")))

    def address(self):
        street, city = self.street(), self.city()
        return self.choice((f"{street}, {city}, {self.state()} {self.zip()}", f"{street}, {city}", f"{street}, {city} {self.zip()}", f"{street}\n{city}, {self.state()} {self.zip()}",
                            f"{street}, {self.zip()} {city}"))

    def place(self):
        return self.choice((self.city(), self.city(), f"{self.city()}, {self.state()}", self.address(), self.street(), self.zip()))

    def mrn(self):
        return self.fill(self.choice(("#######", "########", "######", "@######", "@@-######", "###-##-##", "MR#######", "H########", "##-###-###", "#########", "@@######@")))

    def id(self):
        return self.fill(self.choice((
            "###-##-####", "#########", "@########", "@@######@", "########@", "@#######@", "###.###.###-##", "##.###.###-#", "###########", "#### #### ####", "@@@@######@@@@@@##",
            "###-###-###", "@@@#########", "####-####-####", "@######", "@@ ## ## ## @", "@##-###-##-###-#", "*****************", "@@@-####", "@@## @@@", "#-####-#####-##-#", "@@#######", "###/###/####",
            "# # # # # # # # #", "### ## ####", "xxx-xx-####")))

    def account(self):
        return self.fill(self.choice(("########", "#########", "##########", "############", "##-##-##", "@@##@@@@##############", "@@## #### #### #### #### ##", "@@####################", "####-######-##", "ACCT-########",
                                      "###-#######-#", "**** ####", "@@@@@@##", "###### ########", "021######")))

    def card(self):
        number = self.pick("4", "5", "37", "6011") + self.digits(16)
        number = luhn(number[:15])
        return self.choice((number, f"{number[:4]} {number[4:8]} {number[8:12]} {number[12:]}", f"{number[:4]}-{number[4:8]}-{number[8:12]}-{number[12:]}", f"{number[:4]}.{number[4:8]}.{number[8:12]}.{number[12:]}"))

    def ip(self):
        four = ".".join(str(self.randint(1, 254)) for _ in range(4))
        return self.choices((four, ":".join(f"{self.randint(0, 65535):x}" for _ in range(8)), ":".join(f"{self.randint(0, 255):02x}" for _ in range(6)), f"fe80::{self.randint(0, 65535):x}"), (80, 7, 10, 3))[0]

    def user(self):
        first, last = plain(self.first().lower()), plain(self.last().lower())
        return self.choice((f"{first}{self.digits(2)}", f"{first}_{last}", f"@{first}{last}", f"{first[0]}{last}{self.digits(1)}", f"{last}.{first}", f"x{first}x{self.digits(4)}", f"{last}{self.randint(1950, 2010)}"))

    def url(self):
        who = plain(self.last().lower())
        return self.choice((f"https://www.{who}.example.com/about", f"http://{who}.example.org", f"www.{who}family.example", f"linkedin.example/in/{plain(self.first().lower())}-{who}"))

    def age(self):
        return str(self.randint(1, 104))

    def org(self):
        return self.choice(ORGANISATIONS)

    # Not personal.
    def drug(self):
        return self.choice(DRUGS)

    def condition(self):
        return self.choice(CONDITIONS)

    def number(self):
        return self.choice((str(self.randint(1, 999)), f"{self.random() * 100:.1f}", f"{self.randint(60, 180)}/{self.randint(40, 110)}", f"${self.randint(1, 9999):,}.{self.digits(2)}", self.fill("####")))

    def code(self):
        return self.fill(self.choice(("SO#######", "ORD-######", "0x********", "v#.#.##", "ICD-10 @##.#", "CPT #####", "NDC #####-####-##", "TKT-####", "1Z@@@###@#########", "build ####", "#####-@@", "978##########"))).lower() if self.random() < 0.2 \
            else self.fill(self.choice(("SO#######", "ORD-######", "E##.#", "#####", "REF #######", "PN-####-@@", "INV-#####", "@@-####", "lot @######")))

    def word(self):
        return self.choice(FILLERS)

    def uuid(self):
        return str(uuid.UUID(int=self.getrandbits(128), version=4))

    def hex(self):
        return "".join(self.choice("0123456789abcdef") for _ in range(self.choice((7, 12, 16, 32, 40, 64))))

    def count(self):
        return self.digits(self.randint(1, 8))


KINDS = {"person": "PERSON", "given": "PERSON", "surname": "PERSON", "date": "DATE", "phone": "PHONE", "email": "EMAIL", "street": "LOCATION", "city": "LOCATION", "state": "LOCATION", "zip": "LOCATION",
         "address": "LOCATION", "place": "LOCATION", "mrn": "MRN", "id": "ID", "account": "ACCOUNT", "card": "CREDIT_CARD", "ip": "IP", "user": "USERNAME", "url": "URL", "age": "AGE", "org": "ORG"}


def plain(text):
    return "".join(c for c in unicodedata.normalize("NFD", text) if c.isascii() and c.isalnum()) or "x"


def luhn(fifteen):
    total = sum(sum(divmod(int(c) * (2 - i % 2), 10)) for i, c in enumerate(fifteen))
    return fifteen + str(-total % 10)


class Text:
    """A text under construction, with its spans."""

    def __init__(self, draw):
        self.draw, self.parts, self.length, self.spans = draw, [], 0, []

    def put(self, text):
        self.parts.append(text)
        self.length += len(text)

    def put_value(self, kind, escape=None):
        value = getattr(self.draw, kind)()
        value = escape(value) if escape else value
        if kind in KINDS:
            self.spans.append({"start": self.length, "end": self.length + len(value), "type": KINDS[kind]})
        self.put(value)

    def put_template(self, template):
        """'Call {person} on {phone}'"""
        for literal, kind, _, _ in string.Formatter().parse(template):
            self.put(literal)
            if kind:
                self.put_value(kind)

    def record(self, number):
        return {"id": f"own-{number}", "source": "own", "text": "".join(self.parts), "spans": self.spans}


def sentences(text, draw):
    for index in range(draw.choice((1, 1, 1, 2, 3, 4))):
        text.put(draw.choice((" ", " ", "\n")) if index else "")
        text.put_template(draw.choice(SENTENCES if draw.random() < 0.75 else NEGATIVE))


def fields(draw, count):
    """(key, kind) pairs of one message."""
    kinds = draw.sample(sorted(KEYS), count)
    return [(draw.choice(KEYS[kind]), kind) for kind in kinds]


def style(draw, key):
    words = key.split()
    return draw.choice((key, key.title(), key.upper(), "_".join(words), words[0] + "".join(map(str.title, words[1:])), "-".join(words), key.capitalize()))


def form(text, draw):
    """Key and value, a line each or several on a line."""
    colon, gap = draw.choice((": ", ":", " : ", " = ", "=", ":\t", " - ", " # ", ":  ", ":\n")), draw.choice(("\n", "\n", "\n", "   ", "; ", " | ", ", "))
    how = draw.random()
    if draw.random() < 0.3:
        text.put(draw.choice(("Registration\n", "DISCHARGE SUMMARY\n", "-- form --\n", "Contact details\n\n", "INTAKE FORM\n")))
    for index, (key, kind) in enumerate(fields(draw, draw.randint(2, 8))):
        text.put(gap if index else "")
        text.put((key.upper() if how < 0.2 else key.title() if how < 0.7 else style(draw, key)) + colon)
        text.put_value(kind)
    if draw.random() < 0.4:
        text.put("\n")
        sentences(text, draw)


def as_json(text, draw):
    colon, comma = draw.choice(((":", ","), (": ", ", "), (": ", ",\n  ")))
    text.put("{")
    for index, (key, kind) in enumerate(fields(draw, draw.randint(2, 8))):
        nested = draw.random() < 0.1
        text.put((comma if index else "") + f'"{style(draw, key)}"' + colon + ('{"value"' + colon if nested else ""))
        bare = kind in ("number", "age") and draw.random() < 0.5
        text.put("" if bare else '"')
        text.put_value(kind, lambda value: value.replace("\n", ", "))
        text.put(("" if bare else '"') + ("}" if nested else ""))
    text.put("}")


def as_xml(text, draw):
    root = draw.choice(("record", "patient", "customer", "entry", "row"))
    attributes = draw.random() < 0.3
    text.put(f"<{root}" if attributes else f"<{root}>")
    for key, kind in fields(draw, draw.randint(2, 6)):
        tag = style(draw, key).replace(" ", "")
        text.put(f' {tag}="' if attributes else f"<{tag}>")
        text.put_value(kind, lambda value: value.replace("\n", ", "))
        text.put('"' if attributes else f"</{tag}>")
    text.put("/>" if attributes else f"</{root}>")


def table(text, draw):
    """Comma, tab, semicolon, pipe or Markdown, with a head or without."""
    mark = draw.choice((",", ",", "\t", ";", "|", " | "))
    columns = fields(draw, draw.randint(3, 7))
    if draw.random() < 0.8:
        text.put(mark.join(style(draw, key) for key, _ in columns) + "\n")
    for _ in range(draw.randint(1, 5)):
        for index, (_, kind) in enumerate(columns):
            text.put(mark if index else "")
            text.put_value(kind, lambda value: value.replace("\n", " ").replace(mark.strip() or "\t", " "))
        text.put("\n")


def log(text, draw):
    stamp = f"2024-0{draw.randint(1, 9)}-1{draw.digits(1)}T1{draw.digits(1)}:{draw.randint(10, 59)}:{draw.randint(10, 59)}.{draw.digits(3)}Z"
    text.put(draw.choice((f"web{draw.digits(1)} app[{draw.count()}]: ", "", "")) + draw.choice((stamp + " ", f"[{stamp}] ", f"ts={stamp} ", "")) + draw.choice(("INFO ", "level=info ", "WARN auth ", "DEBUG ", "")))
    for index, (key, kind) in enumerate(fields(draw, draw.randint(1, 5))):
        text.put(" " if index else "")
        quoted = draw.random() < 0.4
        text.put(style(draw, key).replace(" ", "_") + "=" + ('"' if quoted else ""))
        text.put_value(kind, lambda value: value.replace("\n", " ") if quoted else value.replace("\n", "_").replace(" ", "_"))
        text.put('"' if quoted else "")
    for _ in range(draw.randint(0, 3)):
        text.put(draw.choice((f" took={draw.randint(1, 900)}ms", f" status={draw.choice((200, 404, 500))}", " ok", f" session={draw.uuid()}", f" trace_id={draw.hex()}",
                              f" pid={draw.count()}", f" [{draw.count()}]", f" bytes={draw.count()}", f" id={draw.count()}", f" key={draw.hex()}", " done")))


def access_log(text, draw):
    """The common log format, and what daemons write."""
    if draw.random() < 0.5:
        text.put_value("ip")
        text.put(" - ")
        if draw.random() < 0.6:
            text.put_value("user")
        else:
            text.put("-")
        text.put(f' [{draw.randint(1, 28):02}/{draw.choice(MONTHS)[:3]}/202{draw.digits(1)}:1{draw.digits(1)}:22:{draw.digits(2)} +0000] "{draw.choice(("GET", "POST", "PUT"))} '
                 f'/{draw.choice(("api", "v1", "static"))}/{draw.choice(("orders", "users", "items", "img"))}/{draw.count()} HTTP/1.1" {draw.choice((200, 301, 404))} {draw.count()}')
        return
    text.put(f"{draw.choice(MONTHS)[:3]} {draw.randint(1, 28)} 1{draw.digits(1)}:4{draw.digits(1)}:{draw.randint(10, 59)} {draw.choice(('mail', 'db1', 'gw', 'app-3'))} {draw.choice(('sshd', 'smtpd', 'cron', 'kernel'))}[{draw.count()}]: ")
    text.put_template(draw.choice(("accepted password for {user} from {ip} port {count}", "failed login for {user} from {ip}", "connect from host[{ip}]", "queue {hex}: from=<{email}>, size={count}",
                                   "({user}) CMD (/usr/bin/true)", "segment {count} of {count} exceeded quota", "lease {ip} to {ip}", "worker {count} finished job {uuid} in {count} ms")))


def hl7(text, draw):
    text.put("MSH|^~\\&|" + draw.letters(4) + "|")
    text.put_value("org")
    text.put("|" + draw.letters(3) + "|||20240" + draw.digits(3) + "||ADT^A0" + draw.digits(1) + "|" + draw.digits(5) + "|P|2.5\nPID|1||")
    text.put_value("mrn")
    text.put("^^^" + draw.letters(3) + "^MR||")
    name = "^".join((draw.last(), draw.first(), *draw.choice(((), (draw.letters(1),)))))
    name = name.upper() if draw.random() < 0.5 else name
    text.spans.append({"start": text.length, "end": text.length + len(name), "type": "PERSON"})
    text.put(name + "||")
    birth = f"19{draw.digits(2)}0{draw.randint(1, 9)}1{draw.digits(1)}"
    text.spans.append({"start": text.length, "end": text.length + 8, "type": "DATE"})
    text.put(birth + draw.choice(("|F|||", "|M|||")))
    text.put_value("street")
    text.put("^^")
    text.put_value("city")
    text.put("^")
    text.put_value("state")
    text.put("^")
    text.put_value("zip")
    text.put("||")
    text.put_value("phone")


def sql(text, draw):
    columns = fields(draw, draw.randint(2, 5))
    names = ", ".join(style(draw, key).replace(" ", "_").replace("-", "_") for key, _ in columns)
    text.put(f"INSERT INTO {draw.choice(('users', 'patients', 'customers', 'accounts'))} ({names}) VALUES (")
    for index, (_, kind) in enumerate(columns):
        text.put((", " if index else "") + "'")
        text.put_value(kind, lambda value: value.replace("\n", " ").replace("'", ""))
        text.put("'")
    text.put(");")


def loud(record, draw):
    """Sometimes all in capitals, or none."""
    how = draw.random()
    changed = record["text"].upper() if how < 0.05 else record["text"].lower() if how < 0.1 else record["text"]
    if len(changed) == len(record["text"]):
        record["text"] = changed
    return record


def main():
    draw = Draw(int(sys.argv[2]) if len(sys.argv) > 2 else 1)
    makers = [sentences] * 10 + [form] * 5 + [as_json] * 3 + [as_xml, table, table, log, log, access_log, hl7, sql]
    for number in range(int(sys.argv[1])):
        text = Text(draw)
        draw.choice(makers)(text, draw)
        print(json.dumps(loud(text.record(number), draw), ensure_ascii=False))


if __name__ == "__main__":
    main()
