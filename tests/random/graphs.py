#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""graphs.py - random policies and graphs from a seed, some of them leaky, and their text as the program reads it.

A graph is {name: node}; a node is a dict with `op`, `after` (a list) and the operator's options.
"""
import copy
import json

import model

# How often a rule is taken for a class: (sound and leaky ones together, leaky alone weigh less).
RULES = {
    "direct-id": {"drop": 10, "pseudonym": 8, "mask": 3, "keep": 1, "redact": 1, "number": 1, "zip3": 1},
    "quasi-id": {"year": 6, "month": 3, "age-band": 6, "drop": 5, "mask": 2, "pseudonym": 2, "keep": 1, "redact": 1},
    "sensitive": {"keep": 14, "drop": 4, "mask": 1, "pseudonym": 1, "number": 2, "redact": 1},
    "free-text": {"redact": 12, "drop": 5, "mask": 1, "pseudonym": 1, "keep": 1},
}
UNSOUND = {"direct-id": {"keep", "redact", "number"}, "quasi-id": {"keep", "redact"}, "free-text": {"keep"}, "sensitive": set()}
GENERALIZED = {"year", "month", "zip3", "age-band", "number"}


def pick(rng, weights):
    return rng.choices(list(weights), list(weights.values()))[0]


# ---- policies ----

def random_rule(rng, kind, label, sound):
    fitting = {rule: weight for rule, weight in RULES[label].items()
               if rule in ("keep", "drop") or kind in model.FITS[rule]}
    if kind == "int":
        fitting.pop("number", None)
    if sound:
        fitting = {rule: weight for rule, weight in fitting.items() if rule not in UNSOUND[label]}
    return pick(rng, fitting)


def random_policy(rng, schema, sound):
    columns, _ = model.SOURCES[schema]
    fields = {name: random_rule(rng, kind, label, sound) for name, (kind, label) in columns.items()}
    classes = {}
    if rng.random() < 0.4:
        classes = {"public": "keep", "direct-id": "drop", "quasi-id": "drop", "free-text": "drop", "sensitive": "drop"}
        for name in rng.sample(sorted(fields), rng.randrange(4)):
            del fields[name]
    if all(rule == "drop" for rule in fields.values()):
        fields[next(iter(fields))] = "pseudonym"
    return {"fields": fields, "classes": classes, "schema": schema, "sound": sound}


def rule_text(name, rule):
    if rule == "mask":
        style = name if name in ("ssn", "phone", "email") else "text"
        return f"{{ mask: {{ style: {style}, keep: {1 if style == 'email' else 4} }} }}"
    if rule == "pseudonym":
        return f"{{ pseudonym: {{ domain: {name} }} }}"
    return f"{{ generalize: {{ to: {rule} }} }}" if rule in GENERALIZED else rule


def policy_text(name, policy):
    lines = [f"name: {name}", "fields:"]
    lines += [f"  {field}: {rule_text(field, rule)}" for field, rule in policy["fields"].items()] or ["  none: drop"]
    lines += ["classes:"] * bool(policy["classes"]) + [f"  {word}: {rule}" for word, rule in policy["classes"].items()]
    return "\n".join(lines) + "\n"


# ---- graphs ----

class Maker:
    """Makes one graph."""

    def __init__(self, rng, policies):
        self.rng, self.policies = rng, policies
        self.nodes, self.sent, self.open = {}, {}, []
        self.streamed = False
        self.count = 0

    def add(self, op, after=None, **options):
        self.count += 1
        name = f"{op.replace('sink-', '')}{self.count}"
        node = {"op": op, **({"after": list(after)} if after else {}), **options}
        if after:
            self.open = [word for word in self.open if word not in after]
        if op not in model.EXITS:
            words = [f"{name}.matched", f"{name}.rest"] if op == "route" else [name]
            try:
                schema = model.source(node["schema"]) if op == "source" else model.send(
                    node, model.meeting([self.sent[word] for word in after]), self.policies)
            except model.Wrong:
                schema = None
            if schema is None:
                return None  # such a graph is wrong anyway; a few of them come by deleting nodes
            self.sent.update(dict.fromkeys(words, schema))
            self.open += words
        self.nodes[name] = node
        return name

    def source(self):
        schema = self.rng.choice(["healthcare", "healthcare", "finance"])
        kind = self.rng.choice(["file", "file", "file", "stdin", "generate"])
        if kind == "stdin" and self.streamed:
            kind = "file"
        self.streamed = self.streamed or kind == "stdin"
        options = {"file": {"path": f"{schema}.jsonl", "checkpoint": False}, "stdin": {},
                   "generate": {"domain": schema, "count": self.rng.randrange(1, 40), "seed": self.rng.randrange(1000)}}
        return self.add("source", schema=schema, **{"from": kind}, **options[kind])

    def policy_for(self, schema, sound=False):
        names = [name for name, policy in self.policies.items() if (policy["sound"] or not sound) and
                 all(name == "_extra" or model.rule_for(policy, name, column[1]) for name, column in schema.columns.items())]
        return self.rng.choice(names) if names else None

    def transform(self, word):
        """One random operator behind an output."""
        schema = self.sent[word]
        if model.is_blob(schema) and self.rng.random() < 0.6:
            return self.open_again(word)
        op = pick(self.rng, {"anonymize": 8, "project": 4, "route": 3, "aggregate": 4, "declassify": 1, "encrypt": 5})
        return getattr(self, f"add_{op}")(word, schema)

    def open_again(self, word):
        """decrypt, mostly as it was sealed, sometimes called something else."""
        name = self.rng.choice(["healthcare", "finance"])
        options = {"schema": name}
        policy = self.rng.choice([None, *self.policies])
        if policy:
            options["policy"] = policy
        return self.add("decrypt", [word], **options)

    def add_anonymize(self, word, schema, sound=False):
        policy = self.policy_for(schema, sound)
        return policy and self.add("anonymize", [word], policy=policy)

    def add_project(self, word, schema):
        names = list(schema.columns)
        some = self.rng.sample(names, self.rng.randrange(1, len(names) + 1))
        return self.add("project", [word], **({"keep": some} if self.rng.random() < 0.5 else {"drop": some}))

    def add_route(self, word, schema):
        name, (kind, _) = self.rng.choice(list(schema.columns.items()))
        options = {"present": True}
        if kind == "text":
            options = {"equals": self.rng.choice(["Asthma", "Debit", "x"])}
        elif kind in ("int", "float"):
            options = {"above": self.rng.choice([0, 40, 5000])}
        return self.add("route", [word], column=name, **options)

    def add_aggregate(self, word, schema):
        groups = [name for name, (kind, label) in schema.columns.items()
                  if kind in ("text", "int", "bool") and label[0] not in ("direct-id", "free-text")]
        sums = [name for name, (kind, _) in schema.columns.items() if kind in ("int", "float")]
        made = None
        for _ in range(self.rng.choice([1, 1, 1, 2])):  # sometimes two that may be comparable
            made = self.add("aggregate", [word], window=self.rng.choice(["1s", "1s", "2s"]), k=self.rng.choice([5, 5, 6, 10]),
                            by=self.rng.sample(groups, min(len(groups), self.rng.randrange(3))),
                            sums=self.rng.sample(sums, min(len(sums), self.rng.randrange(2))))
        return made

    def add_declassify(self, word, schema):
        names = [name for name in schema.columns if name not in ("_extra", "name", "ssn", "email", "phone", "card")]
        return names and self.add("declassify", [word], columns=self.rng.sample(names, 1), reason="a test that declassifies")

    def add_encrypt(self, word, _schema):
        if self.rng.random() < 0.15:
            return self.add("encrypt", [word], format="bare", raw_key="file:seal.key")
        return self.add("encrypt", [word], key=self.rng.choice(["healthcare", "finance"]))

    # ---- exits ----

    def add_exit(self, words, schema):
        kinds = {"sink-file": 5, "sink-sse": 3}
        if model.is_blob(schema):
            kinds = {"sink-store": 6, "sink-file": 4, "sink-sse": 1}
        op = pick(self.rng, kinds)
        options = {}
        if op == "sink-store":
            options["path"] = f"out/{self.count}.sqlite"
        elif op == "sink-file":
            sealed = list(schema.columns) == list(model.BARE) or model.is_blob(schema)
            ways = ["jsonl"] + ["base64"] * sealed + ["msgpack"] * model.is_blob(schema)
            options = {"path": f"out/{self.count}.out", "as": self.rng.choice(ways), "sync": "none"}
        return self.add(op, words, **options)

    def end(self, word):
        """An exit behind an output; what would leak is mostly mended, not always."""
        for _ in range(3):
            schema = self.sent[word]
            sinks = {op: model.leaks(kind, schema) for op, kind in model.EXITS.items()}
            if not sinks["sink-file"] or self.rng.random() < 0.12:
                break
            mend = pick(self.rng, {"anonymize": 6, "encrypt": 4, "aggregate": 2})
            added = self.add_anonymize(word, schema, True) if mend == "anonymize" else \
                getattr(self, f"add_{mend}")(word, schema)
            word = added or word
        self.add_exit([word], self.sent[word])

    def make(self):
        for _ in range(self.rng.choice([1, 1, 1, 2])):
            self.source()
        for _ in range(self.rng.randrange(7)):
            word = self.rng.choice(self.open if self.open and self.rng.random() < 0.7 else sorted(self.sent))
            self.transform(word)
        self.join()
        while self.open:
            self.end(self.open[0])
        return self.nodes

    def join(self):
        """Sometimes two outputs of the same schema meet again."""
        pairs = [(a, b) for a in self.open for b in self.open if a < b and self.sent[a].same(self.sent[b])]
        if pairs and self.rng.random() < 0.6:
            words = self.rng.choice(pairs)
            schema = model.meeting([self.sent[word] for word in words])
            if self.rng.random() < 0.4 and self.add_joined(words, schema):
                return
            self.add_exit(words, schema)

    def add_joined(self, words, schema):
        policy = self.policy_for(schema)
        return policy and self.add("anonymize", words, policy=policy)


def graph_text(nodes, name="t"):
    """The graph file; YAML takes JSON's values."""
    lines = [f"name: {name}", "keyring: file:keys", "state: out/state", "batch_bytes: 1MiB", "memory: 8GiB", "graph:"]
    for word, node in nodes.items():
        options = ", ".join(f"{key}: {value if key == 'op' else json.dumps(value)}" for key, value in node.items())
        lines.append(f"  {word}: {{ {options} }}")
    return "\n".join(lines) + "\n"


def for_files(nodes):
    """The same graph with files in the place of live streams, so that what they would show can be searched."""
    changed = copy.deepcopy(nodes)
    for name, node in changed.items():
        if node["op"] == "sink-sse":
            node.update(op="sink-file", path=f"out/{name}.sse", sync="none")
    return changed


PRIVATE = ("anonymize", "encrypt", "project", "declassify", "aggregate", "decrypt")


def without(nodes, gone):
    """The graph without one node: who read it reads what it read; files take any record, sealed or not."""
    changed = {name: copy.deepcopy(node) for name, node in nodes.items() if name != gone}
    for node in changed.values():
        if "as" in node:
            node["as"] = "jsonl"
    instead = nodes[gone]["after"]
    for node in changed.values():
        if gone in node.get("after", ()):
            node["after"] = [other for word in node["after"] for other in (instead if word == gone else [word])]
            node["after"] = list(dict.fromkeys(node["after"]))
    return changed


def swapped(nodes, name):
    """The graph with a node and the one before it in each other's place; None where that makes no graph."""
    before = nodes[name]["after"][0]
    fed = nodes.get(before, {}).get("after")
    readers = [word for node in nodes.values() for word in node.get("after", ()) if word.split(".")[0] == before]
    if len(nodes[name]["after"]) != 1 or not fed or nodes[before]["op"] == "route" or readers != [before]:
        return None
    changed = copy.deepcopy(nodes)
    changed[before], changed[name] = changed[name], changed[before]
    changed[before]["after"], changed[name]["after"] = list(fed), [before]
    return changed
