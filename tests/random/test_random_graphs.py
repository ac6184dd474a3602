#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""test_random_graphs.py - random graphs against `datavault check` and `datavault run`.

A: what check accepts leaves no planted secret of a protected field at any exit: files, stores, dead letters, state, logs.
B: an accepted graph without one of its privacy nodes, or with it one place further up, is refused, unless the rules of
   model.py say that it needs none.
C: check gives the very verdict of model.py, for every graph and every one that was changed so.

shows: MIS-3 PRV-15 ANO-6 ANO-1 ANO-2 ENC-1 ING-13

Alone: python3 tests/random/test_random_graphs.py --seed N   (or --count N). DATAVAULT_GRAPHS sets how many run,
DATAVAULT_FAST the program; a release build is taken if there is one, since the runs are thousands.
"""
import argparse
import collections
import concurrent.futures
import os
import pathlib
import random
import re
import shutil
import subprocess
import sys

import pytest

sys.path[:0] = [str(pathlib.Path(__file__).resolve().parent), str(pathlib.Path(__file__).resolve().parents[1] / "tools")]
import canary
import graphs
import model
from world import World, fast_program, memory_folder

COUNT = int(os.environ.get("DATAVAULT_GRAPHS") or 2000)
WORKERS = 2
CHUNK = 50  # graphs that one process checks
POLICIES = 24
RECORDS = 24


class Bench:
    """One worker's folder: policies, inputs with secrets in them, and the program."""

    def __init__(self, seed):
        rng = random.Random(f"bench/{seed}")
        self.memory = memory_folder()
        self.folder = self.memory.__enter__()
        self.world = World(self.folder, fast_program())
        self.canaries = canary.Canaries(f"canaries/{seed}")
        self.policies = {}
        for number in range(POLICIES):
            schema = ("healthcare", "finance")[number % 2]
            self.policies[f"p{number}"] = graphs.random_policy(rng, schema, number % 3 != 0)
        for name, policy in self.policies.items():
            self.world.path(f"policies/{name}.yaml").write_text(graphs.policy_text(name, policy))
        self.world.path("seal.key").touch(0o600)
        self.world.path("seal.key").write_bytes(os.urandom(32))
        self.inputs = {"healthcare": self.lines(self.canaries.healthcare, "diagnosis", "Asthma"),
                       "finance": self.lines(self.canaries.finance, "merchant_category", "Travel")}
        for name, lines in self.inputs.items():
            self.world.write(f"{name}.jsonl", *lines)

    def lines(self, make, field, shared):
        """Records; half of them share a group, some have fields nobody named, some cannot be read."""
        records = [make(**({field: shared} if number % 2 else {})) for number in range(RECORDS)]
        records[3][self.canaries.word("_extra")] = {"deep": self.canaries.word("_extra")}
        records[5]["extra"] = self.canaries.word("_extra")
        bad = [f'{{"name": "{self.canaries.word("bad")}", ]\n'.encode(), f'{{"{self.canaries.word("bad")}": 1}}\n'.encode()]
        return records[:4] + bad[:1] + records[4:] + bad[1:]

    def stdin(self, nodes):
        names = [node["schema"] for node in nodes.values() if node.get("from") == "stdin"]
        return self.world.path(f"{names[0]}.jsonl").read_bytes() if names else b""

    def check_all(self, made):
        """(exit code, what was said) for each graph, by one process: a refused file says why before it is named."""
        if not made:
            return []
        names = [f"graph{number}.yaml" for number in range(len(made))]
        for name, nodes in zip(names, made, strict=True):
            self.world.path(name).write_text(graphs.graph_text(nodes))
        rest = self.world.run("check", *names).stderr.decode("utf-8", "replace")
        said = []
        for name in names:
            end = re.search(rf"^{name}: (proved|refused).*\n", rest, re.M)
            text, rest = rest[:end.start()], rest[end.end():]
            said.append((0 if end[1] == "proved" else 4 if "error[P" in text else 3, text))
        return said

    def clear(self):
        shutil.rmtree(self.world.path("out"), ignore_errors=True)

    def close(self):
        self.world.close()
        self.memory.__exit__(None, None, None)


def plain_at(nodes, policies):
    """Exit's file → labels that may be read there: plain, or redacted where the plain might be read too (as what `declassify` let go)."""
    sent, shown = {}, {}
    for name, node in nodes.items():
        if node["op"] == "source":
            sent[name] = model.source(node["schema"])
            continue
        schema = model.meeting([sent[word.split(".")[0]] for word in node["after"]])
        if node["op"] not in model.EXITS:
            sent[name] = model.send(node, schema, policies)
        elif node["op"] == "sink-file":
            shown[node["path"]] = {column for column, (_, (label, form, _)) in schema.columns.items()
                                   if form == "plain" or (form == "redacted" and label in ("sensitive", "public"))}
    return shown


def find_leaks(bench, nodes, done):
    """What is found where it must not be."""
    labels = {label for label, _, _ in bench.canaries.secrets}
    found = {}
    shown = plain_at(nodes, bench.policies)
    for path in canary.files_of([bench.world.path("out")]):
        allowed = shown.get(os.path.relpath(path, bench.folder), set())
        found.update(bench.canaries.find_in(path, labels=labels - allowed))
    said = bench.canaries.find(done.stderr + done.stdout)
    return {**found, **({"stderr or stdout": said} if said else {})}


def run_graph(bench, nodes, happened, problems):
    """Runs an accepted graph with files for its live streams, and looks for secrets in all that it left."""
    bench.clear()
    as_files = graphs.for_files(nodes)
    bench.world.path("graph.yaml").write_text(graphs.graph_text(as_files))
    done = bench.world.run("run", "--once", "graph.yaml", input=bench.stdin(nodes))
    happened["run"] += 1
    if done.returncode not in (0, 1) or b"rejected" not in done.stderr:
        problems.append(f"run ended with {done.returncode}: {done.stderr[-2000:].decode('utf-8', 'replace')}")
    leaks = find_leaks(bench, as_files, done)
    if leaks:
        problems.append(f"secrets leave: {leaks}")
    happened["output bytes"] += sum(os.path.getsize(path) for path in canary.files_of([bench.world.path("out")]))


def mutants(nodes):
    """(what was done, the graph) for each privacy node: without it, and with it one place further up."""
    for name in [name for name, node in nodes.items() if node["op"] in graphs.PRIVATE]:
        yield f"without {name}", graphs.without(nodes, name)
        other = graphs.swapped(nodes, name)
        if other is not None:
            yield f"with {name} moved up", other


def try_graphs(bench, numbers):
    """(what happened, {number: problems}) for the graphs of some seeds. All are checked by one process, as are all mutants."""
    happened, problems = collections.Counter(), collections.defaultdict(list)
    made = [(number, "graph", graphs.Maker(random.Random(f"graph/{number}"), bench.policies).make()) for number in numbers]
    accepted = [(number, nodes) for (number, _, nodes), code in zip(made, compare_all(bench, made, happened, problems)) if code == 0]
    for number, nodes in accepted:
        run_graph(bench, nodes, happened, problems[number])
    changed = [(number, what, other) for number, nodes in accepted for what, other in mutants(nodes)]
    compare_all(bench, changed, happened, problems)
    return happened, {number: found for number, found in problems.items() if found}


def compare_all(bench, made, happened, problems):
    """Check's verdicts on (number, what, nodes), each compared with the model's."""
    codes = []
    for (number, what, nodes), (code, text) in zip(made, bench.check_all([nodes for _, _, nodes in made]), strict=True):
        compare(bench, nodes, (code, text), happened, problems[number], what)
        codes.append(code)
    return codes


def compare(bench, nodes, said, happened, problems, what):
    """What check said, and what the model says."""
    code, text = said
    expected, why, told, pairs = model.verdict(nodes, bench.policies)
    happened[f"{'moved' if 'moved' in what else what.split()[0]} {code}"] += 1
    if code != expected:
        problems.append(f"{what}: check says {code}, the rules say {expected} {why} {told} {pairs}\n{graphs.graph_text(nodes)}{text[:2000]}")
    if expected == 4 and code == 4:
        problems += [f"{what}: `{column}` at `{name}` is not told" for name, columns in why.items() for column in columns
                     if f"`{column}`" not in text or f"would reach `{name}`" not in text]
        problems += [f"{what}: that `{name}` tells of `{column}` is not said" for name, columns in told.items()
                     for column in columns if not re.search(f"a record is at `{name}` .* would tell its `{column}`", text)]
        problems += [f"{what}: that `{a}` and `{b}` can be compared is not said" for a, b in pairs
                     if f"error[P113]: `{a}` and `{b}` count the same records" not in text]
        problems += [f"{what}: {text.count('error[P113]')} pairs are said to be comparable, not {len(pairs)}"
                     for _ in [0] if text.count("error[P113]") != len(pairs)]
        happened["leaks by what two aggregates show"] += not why and not told and bool(pairs)
        happened["leaks by where records are alone"] += not why and bool(told)


def work(seed, numbers):
    """Several graphs in one process: the sum of what happened, and the first few that failed."""
    bench = Bench(seed)
    happened, failed = collections.Counter(), []
    try:
        for first in range(0, len(numbers), CHUNK):
            number = numbers[first]
            one, problems = try_graphs(bench, numbers[first:first + CHUNK])
            happened.update(one)
            failed += problems.items()
    except (OSError, subprocess.TimeoutExpired, AssertionError, KeyError, AttributeError) as error:
        failed.append((number, [f"{type(error).__name__}: {error}"]))
    finally:
        bench.close()
    return happened, failed


def run_all(seed, count):
    """`count` graphs from `seed`; the number of a graph tells its own seed."""
    happened, failed = collections.Counter(), []
    with concurrent.futures.ProcessPoolExecutor(WORKERS) as pool:
        for one, wrong in pool.map(work, [seed] * WORKERS, [range(seed + part, seed + count, WORKERS) for part in range(WORKERS)]):
            happened.update(one)
            failed += wrong
    return happened, failed


def explain(seed, failed):
    lines = [f"{len(failed)} graphs failed, of seed {seed}"]
    for number, problems in failed[:3]:
        lines.append(f"--- replay: DATAVAULT_SEED={seed} python3 tests/random/test_random_graphs.py --seed {seed} --graph {number}")
        lines += problems
    return "\n".join(lines)


def seed_of_run():
    """The seed that pytest prints; without pytest a new one."""
    printed = getattr(sys.modules.get("conftest"), "SEED", None)
    return int(os.environ.get("DATAVAULT_SEED") or printed or random.SystemRandom().randrange(2**31))


@pytest.mark.skipif(not os.access(fast_program(), os.X_OK), reason="no program: set DATAVAULT_FAST or DATAVAULT")
def test_random_graphs_are_proved_rightly_and_leak_nothing():
    seed = seed_of_run()
    happened, failed = run_all(seed, COUNT)
    print(f"seed {seed}: {dict(sorted(happened.items()))}")
    assert not failed, explain(seed, failed)
    accepted, refused = happened["graph 0"], happened["graph 4"]
    assert accepted + refused + happened["graph 3"] == COUNT
    assert happened["leaks by where records are alone"] > COUNT / 200, "conditions must have told something"
    assert happened["leaks by what two aggregates show"] > COUNT / 250, "aggregates must have been compared"
    assert accepted > COUNT / 3 and refused > COUNT / 20, "graphs of both kinds are needed"
    assert happened["without 4"] + happened["without 3"] > COUNT / 4, "deleted nodes must have been necessary"
    assert happened["moved 4"] + happened["moved 3"] > COUNT / 50, "so must their places"
    assert happened["output bytes"] > 1000 * accepted, "the runs must have written something"


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seed", type=int, default=seed_of_run())
    parser.add_argument("--count", type=int, default=COUNT)
    parser.add_argument("--graph", type=int, help="this graph of the seed alone, and its text")
    asked = parser.parse_args()
    if asked.graph is not None:
        bench = Bench(asked.seed)
        print(graphs.graph_text(graphs.Maker(random.Random(f"graph/{asked.graph}"), bench.policies).make()))
        bench.close()
        happened, failed = work(asked.seed, [asked.graph])
    else:
        happened, failed = run_all(asked.seed, asked.count)
    print(f"seed {asked.seed}: {dict(sorted(happened.items()))}")
    if failed:
        print(explain(asked.seed, failed))
    return int(bool(failed))


if __name__ == "__main__":
    sys.exit(main())
