#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""test_follow_ups.py - questions that follow, over what insights tell, answered in sentences of the evidence: what was refused spoils
nothing, and who asks for something else is told that.

shows: RAG-11 RAG-7
"""
import unittest.mock

import pytest
import test_conversations
from test_conversations import TalkWorld
from world import end

WINDOW = "counted by diagnosis from 2026-09-22 00:00:00 to 2026-09-22 01:00:00 UTC"
INSIGHTS = tuple(f"{group} is number {rank} of the most frequent: {90 - rank} records, 20 % of the window, {WINDOW}."
                 for rank, group in enumerate(("Hypertension", "Asthma", "Migraine"), 1)) + (
    f"Influenza is rising: 60 records, 5.0 times the 12.0 that are usual, {WINDOW} (negative-binomial, p = 1e-09, q = 2e-09, 12 windows).",)


@pytest.fixture(name="world", scope="module")
def make_world(tmp_path_factory):
    with unittest.mock.patch.object(test_conversations, "TEXTS", INSIGHTS), TalkWorld(tmp_path_factory.mktemp("follow")) as world:
        process = world.begin()
        yield world
        code, _ = end(process)
        assert code == 0, process.log.read_text()


def told(world, questions):
    """The groups that each answer names, with its status, in one conversation; each turn is kept before the next is asked."""
    identity, answers = world.new(), []
    for question in questions:
        body = world.say(identity, question).body
        world.settled(identity)
        answers.append((body["status"], *sorted(said["text"].split()[0] for said in body["sentences"])))
    return answers


REFUSED = ("refused",)
RISES, LEADS = ("answered", "Influenza"), ("answered", "Asthma", "Hypertension", "Migraine")


@pytest.mark.parametrize("questions, answers", [
    (("how is hypertension?", "and in Boston?", "and asthma?"), [("answered", "Hypertension"), REFUSED, ("answered", "Asthma", "Hypertension")]),
    (("how is cholera?", "and asthma?"), [REFUSED, ("answered", "Asthma")]),
    (("which conditions are rising?", "what about the most frequent?", "and rising?"), [RISES, LEADS, RISES]),
    (("which conditions are not rising?", "what about the most frequent?"), [REFUSED, LEADS]),
], ids=["refused between", "refused first", "another want", "not so"])
def test_what_follows(world, questions, answers):
    assert told(world, questions) == answers
