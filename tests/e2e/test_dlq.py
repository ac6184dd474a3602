#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""test_dlq.py - what was rejected can be looked at, fed again and thrown away, and nothing is lost or doubled by it.

shows: ING-8 STO-1
"""
import json
import pathlib
import subprocess
import sys
import time
import uuid

import pytest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "tools"))
import oracle
from world import KEEPING, World, end, fast_program, free_port, get, wait_for

LETTERS = "state/t/dead-letters.msgpack"
SECRET = "XkQzBWvDnKRtGhPl"


class Poisoned(oracle.Ledger):
    """A ledger that also issues records which the schema refuses until `diagnosis` is optional."""

    def __init__(self, path):
        super().__init__(path)
        self.poison = {}

    def spoil(self, count=1):
        for _ in range(count):
            record = self.invent()
            record.pop("diagnosis")
            record["treatment_plan"] = SECRET
            self.poison[self.end] = oracle.digest(oracle.anonymised(record))
            self.write(oracle.to_json(record).encode() + b"\n")


@pytest.fixture(name="world")
def make_world(tmp_path, datavault):
    with World(tmp_path / "w", datavault) as made:
        made.ledger = Poisoned(made.path("in.jsonl"))
        made.graph(KEEPING)
        yield made


def mend(world):
    """Now the schema takes a record without a diagnosis."""
    path = world.path("schemas/healthcare.yaml")
    path.write_text(path.read_text().replace("diagnosis:      { type: text, class: sensitive, required: true }",
                                             "diagnosis:      { type: text, class: sensitive }"))


def dlq(world, verb, *arguments, code=0, **options):
    done = world.run("dlq", verb, "graph.yaml", *arguments, **options)
    assert done.returncode == code, (done.returncode, done.stdout[-500:], done.stderr[-2000:])
    return done


def letters(world, *arguments, code=0, **options):
    return [json.loads(line) for line in dlq(world, "list", "--json", *arguments, code=code, **options).stdout.splitlines()]


def states(world, **options):
    return sorted(letter["state"] for letter in letters(world, **options))


def once(world, expected=1):
    done = world.run("run", "--once", "graph.yaml")
    assert done.returncode == expected, done.stderr
    return done


def check_stored(world):
    """Every record that was issued, the poisoned ones too, is stored once, and what it was."""
    world.ledger.issued.update(world.ledger.poison)
    store = world.path("vault.sqlite")
    assert oracle.compare(world.ledger, store) == ([], [], [])
    sample = [row[0] for row in oracle.rows(store) if oracle.offset_of(row[0]) in world.ledger.poison][:20]
    assert oracle.compare_contents(world.ledger, store, world.retrieve, sample) == []


def test_poison_is_listed_shown_and_replayed_once_its_cause_is_mended(world):
    world.ledger.issue(50)
    world.ledger.spoil(3)
    world.ledger.write(b"{ not json \x1b[31m " + SECRET.encode() + b"\n")
    world.ledger.issue(50)
    once(world)
    table, found = dlq(world, "list"), letters(world)
    assert [(letter["node"], letter["code"], letter["state"]) for letter in found] == [
        ("in", "DV_E_DATA", "open")] * 3 + [("in", "DV_E_SYNTAX", "open")]
    assert found[0]["reason"] == "a required field is missing" and found[0]["line"] == 51
    assert f"{found[3]['id']} ".encode() in table.stdout and b"DV_E_DATA             3" in table.stdout
    assert letters(world, "--code", "SYNTAX") == letters(world, "--code", "DV_E_SYNTAX") == found[3:]
    assert letters(world, "--limit", "2") == found[:2] and letters(world, "--node", "other") == []
    assert letters(world, "--since", "1h") == found and letters(world, "--since", "2999-01-01") == []
    shown = dlq(world, "show", found[0]["id"])
    assert SECRET.encode() in shown.stdout and found[0]["id"].encode() in shown.stderr
    assert SECRET.encode() in dlq(world, "show", "--raw", found[3]["id"]).stdout
    for done in (table, dlq(world, "list", "--json"), dlq(world, "replay", "--all", "--dry-run"), shown):
        outputs = [done.stderr] if done is shown else [done.stdout, done.stderr]
        assert SECRET.encode() not in b"".join(outputs)
    assert len(states(world)) == 4, "a dry run feeds nothing"
    done = dlq(world, "replay", "--all", code=1)
    assert b"4 could not be read and stay as they are" in done.stderr and states(world) == ["open"] * 4
    mend(world)
    done = dlq(world, "replay", "--all", "--json", code=1)
    assert json.loads(done.stdout) == {"fed": 3, "rejected": 0, "unfit": 1, "notices": 0, "damaged": 0}
    assert SECRET.encode() not in done.stderr
    check_stored(world)
    assert [letter["code"] for letter in letters(world)] == ["DV_E_SYNTAX"], "the others are gone from the disk"
    assert b"1 letters dropped" in dlq(world, "drop", "--all", "--yes").stderr
    assert letters(world) == [] and world.path(LETTERS).stat().st_size == 0
    assert b"no dead letters" in dlq(world, "list").stdout


def test_a_terminal_is_never_sent_control_characters(world):
    world.ledger.write(b"{ \x1b]0;owned\x07 \xc2\x9b31m\n")
    once(world)
    found = letters(world)[0]["id"]
    assert b"\x1b" in dlq(world, "show", found).stdout, "a pipe gets the bytes"
    command = f"{world.binary} dlq show graph.yaml {found}"
    done = subprocess.run(["script", "-qefc", command, "/dev/null"], cwd=world.at, stdin=subprocess.DEVNULL,
                          capture_output=True, timeout=60, check=True)
    assert b"\\x1b]0;owned\\x07" in done.stdout and b"\x1b]0" not in done.stdout and b"\xc2\x9b" not in done.stdout


def test_only_those_named_are_fed_and_dropped(world):
    world.ledger.spoil(4)
    once(world)
    mend(world)
    first, second, third, fourth = [letter["id"] for letter in letters(world)]
    dlq(world, "replay", second, "--quiet")
    assert [str(uuid.UUID(bytes=row[0])) for row in oracle.rows(world.path("vault.sqlite"))] == [second]
    dlq(world, "drop", third, "--yes")
    assert [letter["id"] for letter in letters(world)] == [first, fourth]
    done = dlq(world, "replay", str(uuid.UUID(int=7)), code=1)
    assert b"no dead letter with the id 00000000-0000-0000-0000-000000000007" in done.stderr
    dlq(world, "replay", "--all", "--limit", "1")
    assert [letter["id"] for letter in letters(world)] == [fourth]


def test_mistakes_are_told(world):
    world.ledger.spoil()
    once(world)
    for words, said in (((), b"list, show, replay or drop?"), (("lits", "graph.yaml"), b"no verb 'lits'"),
                        (("drop", "graph.yaml", "--all"), b"say --yes"), (("drop", "graph.yaml", "--yes"), b"say --all"),
                        (("replay", "graph.yaml"), b"say --all"), (("show", "graph.yaml", "x"), b"'x' is no id"),
                        (("list", "graph.yaml", "--since", "x"), b"--since is"), (("list",), b"which graph file?")):
        done = world.run("dlq", *words)
        assert done.returncode == 2 and said in done.stderr
    done = world.run("dlq", "--help")
    assert done.returncode == 0 and done.stdout.startswith(b"examples:") and b"privileged" in done.stdout


def test_missing_and_empty_files_have_no_letters(world):
    assert letters(world) == []
    dlq(world, "replay", "--all")
    dlq(world, "drop", "--all", "--yes")
    world.path(LETTERS).parent.mkdir(parents=True, exist_ok=True)
    world.path(LETTERS).write_bytes(b"")
    assert letters(world) == []
    world.graph(KEEPING, settings="listen: 127.0.0.1:1")
    assert b"no `keyring`" in dlq(world, "list", code=3).stderr


def test_another_keyring_opens_nothing(world):
    world.ledger.spoil(2)
    once(world)
    assert world.run("keys", "init", "--keyring", "file:other", "healthcare").returncode == 0
    world.graph(KEEPING, settings="keyring: file:other")
    done = dlq(world, "list", code=1)
    assert done.stderr.count(b"is sealed by a key that this keyring does not have") == 2 and SECRET.encode() not in done.stdout
    world.graph(KEEPING, settings="keyring: file:none")
    done = dlq(world, "list", code=3)
    assert b"nothing can be told without its keyring" in done.stderr and b"there is no keyring" in done.stderr


def test_damage_is_told_with_its_place_and_passed_over(world, draw):
    world.ledger.spoil(6)
    once(world)
    whole, found = world.path(LETTERS).read_bytes(), letters(world)
    starts = [sum(letter["bytes"] for letter in found[:i]) for i in range(6)]
    for _ in range(20):
        hit = draw.randrange(6)
        at = starts[hit] + draw.randrange(found[hit]["bytes"])
        world.path(LETTERS).write_bytes(whole[:at] + bytes([whole[at] ^ 1 << draw.randrange(8)]) + whole[at + 1:])
        done = dlq(world, "list", "--json", code=1)
        assert [json.loads(line) for line in done.stdout.splitlines()] == found[:hit] + found[hit + 1:]
        assert f"the letter at byte {starts[hit]} ".encode() in done.stderr
    world.path(LETTERS).write_bytes(whole[:starts[5] + 40])
    assert letters(world) == found[:5], "half a letter at the end is being written"
    middle = whole[:starts[2]] + b"junk" * 9 + whole[starts[2]:]
    world.path(LETTERS).write_bytes(middle)
    dlq(world, "drop", found[0]["id"], "--yes", code=1)
    assert letters(world) == found[1:] and world.path(LETTERS + ".corrupt").read_bytes() == middle


def test_a_node_that_is_gone_needs_a_name(world):
    world.ledger.spoil(2)
    once(world)
    mend(world)
    world.graph(KEEPING.replace("  in:", "  feed:").replace("after: in", "after: feed"))
    done = dlq(world, "replay", "--all", code=3)
    assert b"node 'in', which rejected 2 of the letters, is not in graph.yaml any more" in done.stderr and b"--at NODE" in done.stderr
    assert b"has no node 'fed'" in dlq(world, "replay", "--all", "--at", "fed", code=3).stderr
    assert b"only a source can read" in dlq(world, "replay", "--all", "--at", "seal", code=3).stderr
    assert states(world) == ["open"] * 2
    dlq(world, "replay", "--all", "--at", "feed")
    check_stored(world)


def test_runs_at_once_have_letters_of_their_own(world):
    """Graphs of one keyring and one folder for state."""
    world.ledger.issue(3)
    started = []
    for number in range(3):
        nodes = KEEPING.replace("in:", f"in{number}:").replace("after: in", f"after: in{number}").replace("vault", f"vault{number}")
        world.graph(nodes, settings=f"keyring: file:keys\ndead_letters: letters{number}", name=f"{number}.yaml")
        started.append(world.start("run", "--once", f"{number}.yaml"))
    assert [process.wait(60) for process in started] == [0, 0, 0], [process.log.read_text() for process in started]
    assert [len(oracle.rows(world.path(f"vault{number}.sqlite"))) for number in range(3)] == [3, 3, 3]


def test_all_of_it_works_beside_a_running_graph(world):
    port = free_port()
    world.graph(KEEPING.replace("schema: healthcare }", "schema: healthcare, follow: true }"),
                settings=f"keyring: file:keys\nlisten: 127.0.0.1:{port}")
    world.ledger.issue(5)
    world.ledger.spoil(5)
    running = world.start("run", "graph.yaml")
    assert wait_for(lambda: len(letters(world)) == 5, 20)
    text = get(port, "/metrics")[1].decode()
    assert 'datavault_dead_letters_total{node="in",code="DV_E_DATA"} 5' in text
    done = world.run("run", "graph.yaml")
    assert done.returncode == 3 and b"another process writes to it" in done.stderr and b"`dead_letters: FILE`" in done.stderr
    ids = [letter["id"] for letter in letters(world)]
    assert b"at its next start" in dlq(world, "drop", "--yes", ids[0]).stderr
    world.ledger.poison.pop(int(ids[0].replace("-", "")[:12], 16))
    mend(world)
    dlq(world, "replay", *ids[1:3])
    assert states(world) == ["dropped", "open", "open", "replayed", "replayed"]
    world.ledger.spoil(2)
    assert wait_for(lambda: len(letters(world)) == 7, 20), "the running graph still has the old schema"
    assert end(running)[0] == 0
    running = world.start("run", "graph.yaml")
    assert wait_for(lambda: states(world) == ["open"] * 4, 40), "what was replayed or dropped is gone from the disk"
    dlq(world, "replay", "--all")
    assert end(running)[0] == 0
    check_stored(world)


def test_two_commands_do_not_feed_the_same_letters(world):
    world.ledger.spoil(1)
    once(world)
    holder = subprocess.Popen(["flock", "--no-fork", world.path(LETTERS + ".marks"), "sleep", "60"])
    try:
        assert wait_for(lambda: b"another `datavault dlq` command" in world.run("dlq", "replay", "graph.yaml", "--all").stderr, 30)
        assert b"another `datavault dlq` command" in dlq(world, "drop", "--all", "--yes", code=3).stderr
        assert states(world) == ["open"]
    finally:
        holder.kill()
        holder.wait()


@pytest.mark.parametrize("verb", ["replay", "drop"])
def test_a_kill_loses_and_doubles_nothing(tmp_path, datavault, draw, verb):
    with World(tmp_path / "w", datavault) as world:
        world.ledger = Poisoned(world.path("in.jsonl"))
        world.graph(KEEPING)
        world.ledger.issue(10)
        world.ledger.spoil(3000)
        once(world)
        mend(world)
        everything = {letter["id"] for letter in letters(world)}
        keep = sorted(everything)[:10]
        command = {"replay": ["--all", "--quiet"], "drop": ["--yes", *sorted(everything)[10:]]}[verb]
        for number in range(12):
            process = world.start("dlq", verb, "graph.yaml", *command)
            try:
                process.wait(draw.uniform(0.05, 0.6))
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
            left = {letter["id"] for letter in letters(world) if letter["state"] == "open"}
            stored = {str(uuid.UUID(bytes=row[0])) for row in oracle.rows(world.path("vault.sqlite"))}
            wanted = everything if verb == "replay" else set(keep)
            assert left | stored >= wanted, f"round {number}: a record is neither open nor stored"
        if verb == "replay":
            dlq(world, "replay", "--all", "--quiet")
            check_stored(world)
            assert letters(world) == []
        else:
            world.run("dlq", "drop", "graph.yaml", *command)
            assert [letter["id"] for letter in letters(world)] == keep


@pytest.mark.alone
def test_a_hundred_thousand_letters_are_listed_in_constant_memory(tmp_path):
    with World(tmp_path / "w", fast_program()) as world:
        world.graph(KEEPING)
        world.write("in.jsonl", *[b'{"patient_id":"P%d"}\n' % n for n in range(100000)])
        done = world.run("run", "--once", "--quiet", "graph.yaml", timeout=120)
        assert done.returncode == 1, done.stderr
        release = "release" in world.binary
        limit = ("prlimit", f"--data={6 * 1024 * 1024}") if release else ()
        start = time.monotonic()
        done = world.run("dlq", "list", "graph.yaml", prefix=limit)
        spent = time.monotonic() - start
        assert done.returncode == 0, done.stderr
        assert done.stdout.count(b"DV_E_DATA") == 100001 and world.path(LETTERS).stat().st_size > 20 << 20
        print(f"100,000 letters listed in {spent:.2f} s")
        assert spent < 2 or not release


def test_a_full_file_stops_the_intake_until_letters_are_dropped(world):
    port = free_port()
    world.graph(KEEPING.replace("schema: healthcare }", "schema: healthcare, follow: true }"),
                settings=f"keyring: file:keys\nlisten: 127.0.0.1:{port}\ndead_letters_max: 100KiB")
    running = world.start("run", "--quiet", "graph.yaml")
    world.ledger.spoil(2000)
    world.ledger.issue(3)
    assert wait_for(lambda: b"dead_letters_max: replay or drop some" in get(port, "/readyz")[1], 20)
    assert get(port, "/readyz")[0] == 503
    time.sleep(0.5)
    kept = world.path(LETTERS).stat().st_size
    assert 100 * 1024 <= kept < 400 * 1024 and oracle.rows(world.path("vault.sqlite")) == []
    seen, stored = set(), lambda: len(oracle.rows(world.path("vault.sqlite")))
    assert wait_for(lambda: seen.update(letter["id"] for letter in letters(world)) or
                    world.run("dlq", "drop", "graph.yaml", *sorted(seen), "--yes") and stored() == 3, 120, 0.3)
    seen.update(letter["id"] for letter in letters(world))
    assert {int(identity.replace("-", "")[:12], 16) for identity in seen} == set(world.ledger.poison)
    assert wait_for(lambda: world.run("dlq", "drop", "graph.yaml", "--all", "--yes") and
                    get(port, "/readyz")[0] == 200, 60, 0.3)
    assert end(running)[0] == 0
    assert oracle.compare(world.ledger, world.path("vault.sqlite")) == ([], [], [])
