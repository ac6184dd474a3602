#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""test_vectors_forget.py - people are taken out of a place of vectors by name: what runs meanwhile finds nothing of them any more,
the bytes are gone from the disk, and no name is in anything that is said.

shows: VEC-3 RAG-11
"""
import contextlib
import json
import os
import pathlib
import sqlite3
import subprocess
import sys

import pytest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "tools"))
from http_world import ONE, HttpWorld
from pg_server import PgServer
from test_vectors_pg import BIN, pytestmark as with_pgvector
from world import ROOT, wait_for

NOTES = [("anna-7Qx", "chest pain after climbing zanzibarwards"), ("ben-7Qx", "a persistent cough, worse at night"),
         ("anna-7Qx", "heart trouble, quixotically short of breath"), ("carl-7Qx", "pain in a wrist after a fall")]
INDEX = """  in: {{ op: source, from: file, path: in.jsonl, schema: healthcare }}
  anon: {{ op: anonymize, after: in, policy: patients }}
  seal: {{ op: encrypt, after: anon, key: healthcare }}
  open: {{ op: decrypt, after: seal, schema: healthcare, policy: patients, references: true }}
  vectors: {{ op: embed, after: open, columns: [note], embedder: none }}
  keep: {{ op: sink-vectors, after: vectors, {place} }}
"""
ASK = """  in: {{ op: source, from: http, schema: healthcare }}
  few: {{ op: project, after: in, keep: [note] }}
  anon: {{ op: anonymize, after: few, policy: patients }}
  find: {{ op: search, after: anon, question: note, {place}, top: 16 }}
  out: {{ op: sink-file, after: find, path: out.jsonl }}
"""
TALK = """  questions: {{ op: source, from: http, schema: question, asker: asker }}
  redact: {{ op: anonymize, after: questions, policy: questions }}
  talk: {{ op: conversation, after: redact, path: talks.sqlite }}
  search: {{ op: search, after: talk, question: whole, {place}, top: 64 }}
  rag: {{ op: rag, after: search, question: whole, history: history }}
  reply: {{ op: sink-reply, after: rag }}
  kept: {{ op: sink-conversation, after: rag, conversation: talk }}
"""
FILE = "path: vectors.sqlite"
RARE = (b"zanzibarwards", b"quixotic")


class Kept(HttpWorld):
    """Some people's notes, kept."""

    def index(self, place=FILE, records=NOTES, **how):
        self.write("in.jsonl", *({"patient_id": who, "diagnosis": "d", "note": note} for who, note in records))
        self.graph(INDEX.format(place=place), name="index.yaml", **how)
        done = self.run("run", "--once", "index.yaml")
        assert done.returncode == 0, done.stderr
        return self

    def serve(self, place=FILE):
        return self.begin(nodes=ASK.format(place=place))

    def found(self):
        """The texts that a running graph finds for one question."""
        answer = self.post(json.dumps({"patient_id": "q", "diagnosis": "-", "note": "pain cough heart climbing"}).encode(), ONE)
        assert answer.status in (200, 202), answer.raw
        return {hit["text"] for hit in json.loads(self.path("out.jsonl").read_text().splitlines()[-1])["evidence"]["hits"]}

    def forget(self, *names, options=(), file="index.yaml", code=0):
        done = self.run("vectors", "forget", file, "--json", *options, input="".join(f"{name}\n" for name in names).encode())
        assert done.returncode == code, done.stderr
        for who, note in NOTES:
            assert who.encode() not in done.stdout + done.stderr and note.encode() not in done.stdout + done.stderr
        return json.loads(done.stdout) if done.stdout else done.stderr.decode()

    def forget_at_terminal(self, file, names):
        """The exit code, what is said, and what a terminal shows meanwhile."""
        ours, theirs = os.openpty()
        with subprocess.Popen([self.binary, "vectors", "forget", file], cwd=self.at, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=theirs,
                              env={name: value for name, value in os.environ.items() if name != "NO_COLOR"}) as process:
            out, _ = process.communicate("".join(f"{name}\n" for name in names).encode(), timeout=60)
        os.close(theirs)
        shown = os.read(ours, 65536)
        os.close(ours)
        return process.returncode, out, shown

    def count(self):
        done = self.run("vectors", "count", "index.yaml", "--json")
        assert done.returncode == 0, done.stderr
        return json.loads(done.stdout)["texts"]

    def bytes_of(self, word):
        return [file.name for file in self.at.glob("vectors.sqlite*") if word in file.read_bytes()]


class Talking(Kept):
    """Of six people each is known that they cough, or have a rash; others ask about them."""

    def talk(self, place=FILE):
        self.index(place, [(f"{what}-{i}", f"The {what} of visit {i} is gone.") for what in ("cough", "rash") for i in range(6)])
        (self.at / "policies/questions.yaml").write_text((ROOT / "conf/policies/questions.yaml").read_text())
        self.graph(INDEX.format(place=place) + TALK.format(place=place), name="whole.yaml")
        return self.begin(nodes=TALK.format(place=place))

    def say(self, what):
        """A conversation with one turn, which is answered and kept; its id."""
        made = self.post(b"", {}, path="/v1/conversations").body["id"]
        told = self.post(json.dumps({"question": f"how is the {what}?", "conversation": made}).encode(), ONE, path="/v1/query").body
        assert told["status"] == "answered" and what in told["answer"] and len(told["citations"]) >= 5, told
        self.settled()
        return made

    def settled(self):
        """All that was told is kept, which is after it was told."""
        with contextlib.closing(sqlite3.connect(self.path("talks.sqlite"), isolation_level=None)) as talks:
            open_or_empty = "SELECT count(*) FROM turns WHERE status IS NULL OR n NOT IN (SELECT turn FROM sentences)"
            assert wait_for(lambda: talks.execute(open_or_empty).fetchone() == (0,), 20)

    def turns(self, *conversations):
        return [len(self.post(b"", {}, path=f"/v1/conversations/{one}", method="GET").body["turns"]) for one in conversations]

    def drop(self, *names, file="whole.yaml", options=(), code=0):
        done = self.run("vectors", "forget", file, "--json", *options, input="".join(f"{name}\n" for name in names).encode())
        assert done.returncode == code, done.stderr
        return [json.loads(line) for line in done.stdout.splitlines()]

    def talks_have(self, word):
        return any(word in file.read_bytes() for file in self.at.glob("talks.sqlite*"))


@pytest.fixture(name="talking")
def make_talking(tmp_path, datavault):
    with Talking(tmp_path / "w", datavault) as world:
        yield world


@pytest.fixture(name="kept")
def make_kept(tmp_path, datavault):
    with Kept(tmp_path / "w", datavault) as world:
        yield world


def test_a_person_is_gone_from_what_runs_and_from_the_disk(kept):
    process = kept.index().serve()
    assert kept.found() == {note for _, note in NOTES}
    assert all(kept.bytes_of(word) for word in RARE), "a control"
    told = kept.forget("anna-7Qx", "nobody-7Qx")
    assert told == {"node": "keep", "place": "vectors.sqlite", "tenant": "default", "named": 2, "found": 1, "removed": 2, "remains": False}
    assert kept.found() == {NOTES[1][1], NOTES[3][1]}
    assert not any(kept.bytes_of(word) for word in RARE), "neither in table nor index nor log"
    assert kept.count() == 2 and process.poll() is None
    assert b"7Qx" not in process.log.read_bytes()
    assert kept.forget("anna-7Qx")["removed"] == 0


def test_names_come_as_they_were_sealed_too(kept):
    kept.index(records=NOTES + [(f"many-{i}", "a cough") for i in range(600)])
    assert kept.forget("anna-7Qx", options=["--as-sealed"])["removed"] == 0
    (kept.at / "out.yaml").write_text("name: t\nkeyring: file:keys\ngraph:\n  in: { op: source, from: file, path: in.jsonl, schema: healthcare, checkpoint: false }\n"
                                      "  anon: { op: anonymize, after: in, policy: patients }\n  out: { op: sink-file, after: anon, path: anon.jsonl }\n")
    assert kept.run("run", "--once", "out.yaml").returncode == 0
    pseudonym = json.loads(kept.path("anon.jsonl").read_text().splitlines()[0])["patient_id"]
    assert kept.forget(pseudonym, options=["--as-sealed", "--schema", "healthcare"])["removed"] == 2
    told = kept.forget(*(f"many-{i}\r\n" for i in range(600)), "carl-7Qx")  # blank lines and CR LF
    assert (told["named"], told["found"], told["removed"]) == (601, 601, 601)
    assert kept.count() == 1


def test_a_record_is_forgotten_by_its_id(kept):
    kept.index()
    with contextlib.closing(sqlite3.connect(kept.path("vectors.sqlite"))) as store:
        ids = [row[0].hex() for row in store.execute("SELECT id FROM embeddings WHERE text LIKE '%cough%' OR text LIKE '%wrist%'")]
    options = [word for text in ids for word in ("--record", f"{text[:8]}-{text[8:12]}-{text[12:16]}-{text[16:20]}-{text[20:]}")]
    told = kept.forget(options=options)
    assert (told["named"], told["removed"]) == (2, 2)
    assert kept.count() == 2 and not kept.bytes_of(b"persistent")


def test_another_tenants_stay(kept):
    kept.index()
    kept.graph(INDEX.format(place=FILE), settings="keyring: file:keys\ntenant: other", name="other.yaml")
    done = kept.run("vectors", "forget", "other.yaml", input=b"anna-7Qx\n")
    assert done.returncode == 1 and b"key" in done.stderr, "it never had keys for people"
    assert kept.run("keys", "init", "--if-missing", "--keyring", "file:keys", "--tenant", "other", "healthcare").returncode == 0
    assert kept.forget("anna-7Qx", file="other.yaml")["removed"] == 0
    assert kept.count() == 4


def test_who_reads_meanwhile_is_told_of(kept):
    """A snapshot of before keeps the log: the command says so, and does the rest when it is done again."""
    kept.index()
    with contextlib.closing(sqlite3.connect(kept.path("vectors.sqlite"), isolation_level=None)) as reader:
        reader.execute("BEGIN")
        assert reader.execute("SELECT count(*) FROM embeddings").fetchone() == (4,)
        done = kept.run("vectors", "forget", "index.yaml", input=b"anna-7Qx\n")
        assert done.returncode == 1 and b"2 texts removed" in done.stdout and b"do it again" in done.stderr
        reader.execute("ROLLBACK")
    told = kept.forget("anna-7Qx")
    assert (told["removed"], told["remains"]) == (0, False)
    assert not any(kept.bytes_of(word) for word in RARE)


@pytest.mark.parametrize("file, options, node", [("whole.yaml", (), {"node": "talk"}), ("index.yaml", ("--conversations", "talks.sqlite"), {})])
def test_turns_that_cite_a_person_go(talking, file, options, node):
    """Whoever asked, in a graph that runs; others' stay, but for one that is being answered: nobody knows what it will cite."""
    process = talking.talk()
    gone, kept, more, under_way = talking.say("cough"), talking.say("rash"), talking.say("cough"), talking.say("rash")
    with contextlib.closing(sqlite3.connect(talking.path("talks.sqlite"), isolation_level=None)) as talks:
        ask = "SELECT t.n FROM turns t JOIN conversations c ON c.n = t.conversation WHERE c.id = ?"
        talks.execute(f"UPDATE turns SET status = NULL WHERE n = ({ask})", (bytes.fromhex(under_way.replace("-", "")),))
    assert talking.drop("nobody", file=file, options=options)[1]["turns"] == 0
    assert talking.turns(gone, kept, more, under_way) == [1, 1, 1, 1] and talking.talks_have(b"cough")
    texts, turns = talking.drop("cough-3", file=file, options=options)
    assert texts["removed"] == 1
    assert turns == {**node, "place": "talks.sqlite", "tenant": "default", "turns": 3, "remains": False}
    assert talking.turns(gone, kept, more, under_way) == [0, 1, 0, 0]
    assert not talking.talks_have(b"cough") and talking.talks_have(b"rash")
    again = talking.say("cough")
    assert talking.drop("cough-3", file=file, options=options)[1]["turns"] == 0
    assert talking.turns(kept, again) == [1, 1], "five are left, and may be told of"
    assert process.poll() is None


def test_turns_that_cite_a_record_go(talking):
    """Even if its text has gone already; in words, too."""
    talking.talk()
    conversation = talking.say("cough")
    (turn,) = talking.post(b"", {}, path=f"/v1/conversations/{conversation}", method="GET").body["turns"]
    cited = turn["sentences"][0]["citations"][0]["id"]
    with contextlib.closing(sqlite3.connect(talking.path("vectors.sqlite"), isolation_level=None)) as store:
        store.execute("DELETE FROM embeddings WHERE id = ?", (bytes.fromhex(cited.replace("-", "")),))
    done = talking.run("vectors", "forget", "whole.yaml", "--record", cited)
    assert done.returncode == 0 and b"0 texts removed, of 1 named" in done.stdout and b"talks.sqlite: 1 turn of conversations removed" in done.stdout
    assert talking.turns(conversation) == [0]


def test_who_reads_conversations_meanwhile_is_told_of(talking):
    """The texts are removed nevertheless; and once more is enough, though nobody is found any more."""
    talking.talk()
    talking.say("cough")
    with contextlib.closing(sqlite3.connect(talking.path("talks.sqlite"), isolation_level=None)) as reader:
        reader.execute("BEGIN")
        assert reader.execute("SELECT count(*) FROM turns").fetchone() == (1,)
        texts, turns = talking.drop("cough-0", code=1)
        assert (texts["removed"], turns["turns"], turns["remains"]) == (1, 1, True)
        reader.execute("ROLLBACK")
    texts, turns = talking.drop("cough-0")
    assert (texts["removed"], turns["turns"], turns["remains"]) == (0, 0, False)
    assert not talking.talks_have(b"cough")


@pytest.mark.parametrize("turns", [1, 0])
def test_nothing_is_removed_if_turns_cannot_be(talking, turns):
    """That is found before a text goes, by which it is known what was to be dropped; though there is nothing to drop as yet."""
    talking.talk()
    for _ in range(turns):
        talking.say("cough")
    with contextlib.closing(sqlite3.connect(talking.path("talks.sqlite"), isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        done = talking.run("vectors", "forget", "whole.yaml", input=b"cough-0\n")
        assert done.returncode != 0 and b"talks.sqlite" in done.stderr and b"removed" not in done.stdout, done
        other.execute("ROLLBACK")
    assert talking.run("vectors", "forget", "index.yaml", "--conversations", "nowhere.sqlite", input=b"cough-0\n").returncode == 2
    assert not talking.path("nowhere.sqlite").exists() and talking.count() == 12
    texts, dropped = talking.drop("cough-0")
    assert (texts["removed"], dropped["turns"]) == (1, turns)


def test_turns_go_though_a_place_fails(talking):
    """One of two places has lost the texts when the other fails: an answer under way may be made of them, and by name nobody finds them again."""
    talking.talk()
    kept, under_way = talking.say("rash"), talking.say("cough")
    talking.graph(INDEX.format(place=FILE) + "  too: { op: sink-vectors, after: vectors, path: more.sqlite }\n" + TALK.format(place=FILE), name="whole.yaml")
    with contextlib.closing(sqlite3.connect(talking.path("vectors.sqlite"))) as one, contextlib.closing(sqlite3.connect(talking.path("more.sqlite"))) as more:
        one.backup(more)
    with contextlib.closing(sqlite3.connect(talking.path("talks.sqlite"), isolation_level=None)) as talks:
        talks.execute("UPDATE turns SET status = NULL WHERE conversation = (SELECT n FROM conversations WHERE id = ?)",
                      (bytes.fromhex(under_way.replace("-", "")),))
        talks.execute("DELETE FROM sentences")  # not told yet
    with contextlib.closing(sqlite3.connect(talking.path("more.sqlite"), isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        done = talking.run("vectors", "forget", "whole.yaml", input=b"cough-0\n")
        assert done.returncode == 5 and b"more.sqlite" in done.stderr and b"vectors.sqlite: 1 texts removed" in done.stdout, done
        other.execute("ROLLBACK")
    assert talking.turns(kept, under_way) == [1, 0]
    assert [told.get("removed", told.get("turns")) for told in talking.drop("cough-0")] == [0, 1, 0]


def test_records_are_told_of_if_turns_stay(talking):
    """By name they are not found again: their texts are gone."""
    talking.talk()
    under_way = talking.say("cough")
    with contextlib.closing(sqlite3.connect(talking.path("talks.sqlite"), isolation_level=None)) as talks:
        ((status,),) = talks.execute("SELECT status FROM turns").fetchall()
        talks.execute("CREATE TEMP TABLE told AS SELECT * FROM sentences")
        talks.execute("UPDATE turns SET status = NULL")
        talks.execute("DELETE FROM sentences")
        talks.execute("CREATE TRIGGER stay BEFORE DELETE ON turns BEGIN SELECT RAISE(ABORT, 'no'); END")
        done = talking.run("vectors", "forget", "whole.yaml", input="".join(f"cough-{i}\n" for i in range(6)).encode())
        assert done.returncode == 1 and talking.count() == 6, done
        records = [word for line in done.stderr.decode().splitlines() if line.startswith("--record ") for word in line.split()]
        talks.execute("DROP TRIGGER stay")
        talks.execute("INSERT INTO sentences SELECT * FROM told")  # and now it is
        talks.execute("UPDATE turns SET status = ?", (status,))
    again = talking.run("vectors", "forget", "whole.yaml", *records)
    assert len(records) == 12 and again.returncode == 0 and talking.turns(under_way) == [0], again


def test_turns_are_looked_through_once_for_many_people(talking):
    """References go to the places by the 256, but all that is cited is not read for each of those."""
    talking.talk()
    talking.say("cough")
    names = [f"nobody-{i}" for i in range(300)] + ["cough-0"] + [f"nobody-{i}" for i in range(300, 600)] + ["rash-1"]
    code, out, shown = talking.forget_at_terminal("whole.yaml", names)
    assert code == 0 and b"2 texts removed, of 602 named" in out and b"1 turn of conversations removed" in out
    assert shown.count(b"named, ") == 1 and b"602 named, 2 texts removed" in shown, shown


def test_a_long_path_is_whole_json(talking):
    talking.talk()
    folder, file = "\x01" * 200, "\x01" * 180  # each byte is six of JSON's
    talking.path(folder).mkdir()
    with contextlib.closing(sqlite3.connect(talking.path("talks.sqlite"))) as one, contextlib.closing(sqlite3.connect(talking.path(folder) / file)) as other:
        one.backup(other)
    told = talking.drop("nobody", file="index.yaml", options=("--conversations", f"{folder}/{file}"))
    assert told[1]["place"] == f"{folder}/{file}" and told[1]["turns"] == 0


def test_what_cannot_be_done_is_said(kept):
    kept.index()
    assert "names nobody" in kept.forget(code=2)
    assert "names nobody" in kept.forget("x" * 5000, code=1)
    assert "no `decrypt`" in kept.forget("anna-7Qx", options=["--schema", "finance"], code=2)
    assert "no node" in kept.forget("anna-7Qx", options=["elsewhere"], code=2)
    assert "id looks like" in kept.forget(options=["--record", "anna"], code=2)
    assert kept.run("vectors", "count", "index.yaml", "--record", "018f2c5e-0000-8000-8000-000000000000").returncode == 2
    assert kept.run("vectors", "count", "index.yaml", "--conversations", "talks.sqlite").returncode == 2
    kept.graph(INDEX.format(place="path: nowhere.sqlite"), name="index.yaml")
    assert "no vectors at" in kept.forget("anna-7Qx", code=1)
    assert not kept.path("nowhere.sqlite").exists()


@pytest.mark.parametrize("options, told", [((), b"2 texts removed, of 1 named"), (["--json"], b'"named":1,"found":1,"removed":2')])
def test_who_was_named_before_a_bad_line_is_forgotten(kept, options, told):
    """And told of, before the error is; what is behind the line is not read."""
    kept.index()
    done = kept.run("vectors", "forget", "index.yaml", *options, input=b"anna-7Qx\n" + b"x" * 5000 + b"\nben-7Qx\n")
    assert done.returncode == 1 and told in done.stdout and b"line 2 of standard input names nobody" in done.stderr, done
    assert b"7Qx" not in done.stdout + done.stderr
    assert not any(kept.bytes_of(word) for word in RARE) and kept.bytes_of(b"persistent")


def test_a_terminal_sees_how_far_it_is(kept):
    kept.index()
    code, out, shown = kept.forget_at_terminal("index.yaml", [f"nobody-{i}" for i in range(600)] + ["ben-7Qx"])
    assert code == 0 and b"1 texts removed, of 601 named" in out
    assert b"\r\x1b[K256 named, 0 texts removed" in shown and shown.rstrip().endswith(b"\r\x1b[K") and b"7Qx" not in shown


@with_pgvector
def test_a_person_is_gone_from_pgvector(kept):
    with PgServer(folder=BIN) as pg:
        place = f'url: "{pg.url()}"'
        kept.graph(INDEX.format(place=place), name="index.yaml")
        assert kept.run("migrate", "index.yaml").returncode == 0
        kept.index(place).serve(place)
        assert len(kept.found()) == 4
        done = kept.run("vectors", "forget", "index.yaml", input=b"anna-7Qx\nben-7Qx\n")
        assert done.returncode == 0 and b"VACUUM datavault.embeddings" in done.stderr, done.stderr
        assert b"datavault.embeddings: 3 texts removed, of 2 named" in done.stdout
        assert kept.found() == {NOTES[3][1]}
        assert pg.sql("SELECT count(*) FROM datavault.embeddings") == [["1"]]
        pg.sql("CREATE ROLE reader LOGIN PASSWORD 'x'; GRANT USAGE ON SCHEMA datavault TO reader; GRANT SELECT ON datavault.embeddings TO reader")
        kept.graph(INDEX.format(place=f'url: "{pg.url(user="reader", password="x")}"'), name="index.yaml")
        assert "needs DELETE" in kept.forget("carl-7Qx", code=3)
        kept.graph(INDEX.format(place=place), name="index.yaml")
        kept.close()
        pg.stop()
        assert "datavault" in kept.forget("carl-7Qx", code=5)
