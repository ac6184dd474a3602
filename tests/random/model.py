#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""model.py - the rules of labels once more, written from the design and not from the program.

`verdict(graph)` says what `datavault check` must say of a graph: 0 proved, 3 wrong, 4 leaks. Where both differ, one of
them is wrong. Labels are (class, form, parameter); a column is (type, label); a schema keeps its columns in order.
"""
import dataclasses

K_MIN = 5
ANYTHING = {"plain", "masked", "pseudonym", "generalized", "redacted", "aggregate", "noised", "sealed"}
GROUPS = {"aggregate", "noised"}
# Exit → class → the forms that may leave there.
CLEARED = {
    "file": {
        "public": ANYTHING, "sensitive": ANYTHING,
        "quasi-id": GROUPS | {"masked", "pseudonym", "generalized", "sealed"},
        "free-text": GROUPS | {"redacted", "masked", "pseudonym", "sealed"},
        "direct-id": GROUPS | {"masked", "pseudonym", "generalized", "sealed"}},
    "store": {
        "public": ANYTHING, **dict.fromkeys(("sensitive", "quasi-id", "free-text", "direct-id"),
                                            GROUPS | {"pseudonym", "sealed"})},
    "sse": {
        "public": ANYTHING - {"sealed"}, **dict.fromkeys(("sensitive", "quasi-id", "free-text", "direct-id"), GROUPS)},
}
EXITS = {"sink-file": "file", "sink-store": "store", "sink-sse": "sse"}

# The shipped schemas: column → (type, class).
SOURCES = {
    "healthcare": ({
        "patient_id": ("text", "direct-id"), "name": ("text", "direct-id"), "ssn": ("text", "direct-id"),
        "email": ("text", "direct-id"), "phone": ("text", "direct-id"), "age": ("int", "quasi-id"),
        "diagnosis": ("text", "sensitive"), "treatment_plan": ("text", "sensitive"), "visit_date": ("text", "quasi-id"),
        "symptoms": ("json", "sensitive"), "vitals": ("json", "sensitive"), "outcome": ("text", "sensitive"),
        "note": ("text", "free-text")}, "patient_id"),
    "finance": ({
        "account": ("text", "direct-id"), "account_hash": ("text", "direct-id"), "name": ("text", "direct-id"),
        "email": ("text", "direct-id"), "card": ("text", "direct-id"), "transaction_type": ("text", "sensitive"),
        "amount": ("float", "sensitive"), "merchant_category": ("text", "sensitive"),
        "transaction_time": ("text", "quasi-id"), "memo": ("text", "free-text")}, "account"),
}
BLOB = {
    "schema": ("text", ("public", "plain", 0)), "data_hash": ("bytes", ("direct-id", "pseudonym", 0)),
    "key_ref": ("text", ("public", "plain", 0)), "subject_ref": ("bytes", ("direct-id", "pseudonym", 0)),
    "nonce": ("bytes", ("public", "plain", 0)), "ciphertext": ("bytes", ("direct-id", "sealed", 0))}
BARE = {"sealed": ("bytes", ("direct-id", "sealed", 0))}


# What it tells about a record that it is at an exit: {node, output, column, label} of each condition on its way. Stores are
# asked as files are.
FACTS = {"file": "file", "store": "file", "sse": "sse"}


class Wrong(Exception):
    """The graph cannot be: exit code 3."""


class Unproved(Wrong):
    """It would leak whatever comes behind: exit code 4."""


DROPPED = "(dropped)"  # the subject of records that had one


@dataclasses.dataclass(eq=False)
class Schema:
    columns: dict
    subject: str = None  # a column, or DROPPED
    inside: "Schema" = None  # of sealed records

    def same(self, other):
        return list(self.columns.items()) == list(other.columns.items()) and self.subject == other.subject

    def only(self, names, **changed):
        columns = {name: changed.get(name, column) for name, column in self.columns.items() if name in names}
        return Schema(columns, self.subject_among(names))

    def subject_among(self, names):
        return self.subject if self.subject is None or self.subject in names else DROPPED


def source(name):
    columns, subject = SOURCES[name]
    made = {column: (kind, (label, "plain", 0)) for column, (kind, label) in columns.items()}
    made["_extra"] = ("json", ("direct-id", "plain", 0))
    return Schema(made, subject)


# ---- what each operator makes of a schema ----

FITS = {"mask": {"text", "int"}, "pseudonym": {"text", "int"}, "redact": {"text"}, "year": {"text"}, "month": {"text"},
        "zip3": {"text"}, "age-band": {"text", "int"}, "number": {"text", "int", "float"}}
FORMS = {"mask": "masked", "pseudonym": "pseudonym", "redact": "redacted"}


def rule_for(policy, name, label):
    return policy["fields"].get(name) or policy["classes"].get(label[0])


def after_rule(rule, kind, label):
    """(type, label) of a column after a policy's rule; generalizing says what it is generalized to."""
    if rule == "keep":
        return kind, label
    if kind not in FITS[rule]:
        raise Wrong(f"{rule} of {kind}")
    if rule == "number" and label[0] == "direct-id":
        return "text", label
    return "text", (label[0], FORMS.get(rule, "generalized"), 0)


def anonymize(schema, policy):
    kept = {}
    named = {name: column for name, column in schema.columns.items() if name != "_extra"}
    for name, (_, label) in named.items():
        if rule_for(policy, name, label) is None:
            raise Unproved(f"no rule for {name}")
    for name, (kind, label) in named.items():
        rule = rule_for(policy, name, label)
        if rule != "drop":
            kept[name] = after_rule(rule, kind, label)
    if not kept:
        raise Wrong("nothing is left")
    return Schema(kept, schema.subject_among(kept))


def project(schema, keep, drop):
    named = set(keep or drop)
    if not named <= set(schema.columns):
        raise Wrong("no such column")
    names = named if keep else set(schema.columns) - named
    if not names:
        raise Wrong("nothing is left")
    return schema.only(names)


def declassify(schema, columns):
    if "_extra" in columns and "_extra" in schema.columns:
        raise Unproved("nobody can answer for it")
    if not set(columns) <= set(schema.columns):
        raise Wrong("no such column")
    public = {name: (schema.columns[name][0], ("public", "plain", 0)) for name in columns}
    return schema.only(set(schema.columns), **public)


def aggregate(schema, by, k, sums):
    if schema.subject == DROPPED:
        raise Unproved("k of the same person")
    made = {"window_start_ms": ("int", ("public", "plain", 0)), "window_end_ms": ("int", ("public", "plain", 0))}

    def add(name, kind, label):
        if name in made:
            raise Wrong("two columns of one name")
        made[name] = (kind, (label, "aggregate", k))
    for name in by:
        kind, label = schema.columns.get(name, (None, None))
        if kind is not None and label[0] in ("direct-id", "free-text"):
            raise Unproved(f"cannot group by {name}")
        if kind not in ("text", "int", "bool"):
            raise Wrong(f"cannot group by {name}")
        add(name, kind, label[0])
    add("count", "int", "public")
    for name in sums:
        kind, label = schema.columns.get(name, (None, None))
        if kind not in ("int", "float"):
            raise Wrong(f"cannot sum {name}")
        add(f"sum_{name}", kind, label[0])
    add("other", "bool", "public")
    add("suppressed", "int", "public")
    return Schema(made)


def is_blob(schema):
    return list(schema.columns.items()) == list(BLOB.items())


def decrypt(schema, declared):
    """What comes out has the labels it had when it went in, so what is declared must agree with it."""
    inside = schema.inside
    if not is_blob(schema):
        raise Wrong("not sealed")
    if inside is None:
        raise Unproved("nobody knows what was sealed")
    if "_extra" in inside.columns and not inside.same(declared):
        raise Unproved("not what was sealed")
    if any(declared.columns.get(name) != column for name, column in inside.columns.items()):
        raise Unproved("not what was sealed")
    return declared


def route(schema, node):
    kind = schema.columns.get(node["column"], (None,))[0]
    if kind is None or "above" in node and kind not in ("int", "float") or "equals" in node and kind != "text":
        raise Wrong("no such column, or of another type")
    return schema


# ---- what conditions tell ----

def told(label, exact):
    """What a condition on a column of this label tells of it."""
    if exact or label[0] in ("direct-id", "free-text") or label[1] != "plain":
        return label
    return (label[0], "generalized", 0)


def facts_sent(node, name, schema, facts):
    """Output word → facts, for what comes in."""
    if node["op"] == "aggregate":
        return {name: {(*fact[:3], (fact[3][0], "aggregate", node["k"])) for fact in facts}}
    if node["op"] != "route":
        return {name: facts}
    label = schema.columns[node["column"]][1]
    return {f"{name}.{output}": facts | {(name, output, node["column"], told(label, "equals" in node and output == "matched"))}
            for output in ("matched", "rest")}


def is_cleared(kind, label):
    name, form, parameter = label
    return ("plain" if form == "aggregate" and parameter < K_MIN else form) in CLEARED[kind][name]


def facts_leak(kind, facts):
    """The columns of which an exit of this kind would be told too much."""
    return sorted({column for _, _, column, label in facts if not is_cleared(FACTS[kind], label)})


# ---- two aggregates of one stream ----

def ways(graph, word):
    """Every way of a record to an output: (source, {(route, output), ...}); none through an aggregate, whose rows are groups."""
    name, _, output = word.partition(".")
    node = graph[name]
    if node["op"] == "source":
        return {(name, frozenset())}
    if node["op"] == "aggregate":
        return set()
    taken = frozenset({(name, output)} if output else ())
    return {(start, way | taken) for before in node["after"] for start, way in ways(graph, before)}


def can_be_one(way, other):
    """Whether one record can go both ways: no route sends it to both of its outputs."""
    (start, taken), (begin, chosen) = way, other
    return start == begin and not any(route == at and output != side for route, output in taken for at, side in chosen)


def conditions(known):
    """(route, output, column) of what is told, but for routes whose outputs meet again."""
    told_of = {(route, output, column) for route, output, column, _ in known}
    sides = {(route, output) for route, output, _ in told_of}
    return {one for one in told_of if not {(one[0], "matched"), (one[0], "rest")} <= sides}


def is_read(graph, sent_to, name):
    """Whether what the node makes comes to an exit that is not sealed."""
    for reader, node in graph.items():
        if name not in [word.split(".")[0] for word in node.get("after", ())]:
            continue
        if node["op"] not in EXITS:
            if is_read(graph, sent_to, reader):
                return True
        elif all(label[1] != "sealed" for _, label in sent_to[reader].columns.values()):
            return True
    return False


def comparable(graph, told_to, one, other):
    """Whether what two aggregates show of the same records can be subtracted."""
    a, b = graph[one], graph[other]
    pairs = ((way, way_of_b) for word in a["after"] for way in ways(graph, word)
             for word_of_b in b["after"] for way_of_b in ways(graph, word_of_b))
    if not any(can_be_one(*pair) for pair in pairs):
        return False
    of_a, of_b = conditions(told_to[one]) - conditions(told_to[other]), conditions(told_to[other]) - conditions(told_to[one])
    part = bool(of_a) != bool(of_b) or bool({column for *_, column in of_a} & {column for *_, column in of_b})
    return bool(set(a["by"]) & set(b["by"])) or bool(set(a["sums"]) & set(b["sums"])) or part


def overlaps(graph, sent_to, told_to):
    """Pairs of aggregates that may not be shown together; nodes → the schema and the facts that come in."""
    shown = [name for name, node in graph.items() if node["op"] == "aggregate" and is_read(graph, sent_to, name)]
    return [(a, b) for at, b in enumerate(shown) for a in shown[:at] if comparable(graph, told_to, a, b)]


# ---- graphs ----

def leaks(kind, schema):
    """The columns that may not leave at an exit of this kind."""
    return [name for name, (_, label) in schema.columns.items() if not is_cleared(kind, label)]


def fits_sink(node, schema):
    sealed = is_blob(schema) or list(schema.columns.items()) == list(BARE.items()) and node.get("as") == "base64"
    return sealed or (node["op"] != "sink-store" and node.get("as", "jsonl") == "jsonl")


def send(node, schema, policies):
    """The schema that a node sends to each of its outputs."""
    op = node["op"]
    if op == "anonymize":
        return anonymize(schema, policies[node["policy"]])
    if op == "project":
        return project(schema, node.get("keep"), node.get("drop"))
    if op == "declassify":
        return declassify(schema, node["columns"])
    if op == "aggregate":
        return aggregate(schema, node["by"], node["k"], node["sums"])
    if op == "encrypt":
        return Schema(dict(BARE if node.get("format") == "bare" else BLOB), None, schema)
    if op == "decrypt":
        declared = source(node["schema"])
        return decrypt(schema, anonymize(declared, policies[node["policy"]]) if "policy" in node else declared)
    return route(schema, node)


def meeting(schemas):
    """The one schema of inputs that meet."""
    first = schemas[0]
    for other in schemas[1:]:
        if not first.same(other):
            raise Wrong("inputs differ")
        same_inside = first.inside is other.inside or (first.inside and other.inside and first.inside.same(other.inside))
        if not same_inside:
            first = Schema(first.columns, first.subject, None)
    return first


def shape(node, schemas, policies, leaking, name):
    """What the node sends; None from an exit, whose leaking columns go into `leaking`."""
    if node["op"] == "source":
        return source(node["schema"])
    schema = meeting(schemas)
    if node["op"] not in EXITS:
        return send(node, schema, policies)
    if not fits_sink(node, schema):
        raise Wrong("sealed records only")
    columns = leaks(EXITS[node["op"]], schema)
    if columns:
        leaking[name] = columns
    return None


def verdict(graph, policies):
    """(0, 3 or 4, {exit node: columns that leak}, {exit node: columns that are told of}, pairs of aggregates that can be
    compared) for {name: node}; `after` of a node is a list of names. All nodes are looked at that have what they need; those behind a wrong one have not."""
    sent, leaking, telling, facts, read, wrong = {}, {}, {}, {}, set(), []
    sent_to, told_to = {}, {}
    for name, node in graph.items():
        words = node.get("after", [])
        inputs = [word.split(".")[0] for word in words]
        read |= set(inputs)
        if not set(inputs) <= set(sent):
            continue
        try:
            schemas = [sent[word] for word in inputs]
            sent[name] = shape(node, schemas, policies, leaking, name)
            known = told_to[name] = set().union(*(facts[word] for word in words))
            sent_to[name] = meeting(schemas) if schemas else None
            facts.update(facts_sent(node, name, schemas[0] if schemas else None, known))
            if node["op"] in EXITS and facts_leak(EXITS[node["op"]], known):
                telling[name] = facts_leak(EXITS[node["op"]], known)
        except Wrong as one:
            wrong.append(one)
    if wrong:
        return (4 if any(isinstance(one, Unproved) for one in wrong) else 3), {}, {}, []
    if any(sent[name] is not None and name not in read for name in sent):
        return 3, {}, {}, []
    pairs = overlaps(graph, sent_to, told_to)
    return (4 if leaking or telling or pairs else 0), leaking, telling, pairs
