"""`work` and `sweep` on the command line."""

from __future__ import annotations

import dataclasses

import pytest

from agentmem.cli.call import open_store
from agentmem.records import SweepReport
from agentmem.testing import ScriptedChatModel

LEARNED = {"facts": [{"fact": "Caller prefers mornings before 9am.", "confidence": 0.9, "evidence": [1]}]}


@pytest.fixture
def edges(clock):
    return {"clock": clock}


@pytest.fixture
def models():
    return {"scripted:mornings": ScriptedChatModel(script=[LEARNED], repeat_last=True)}


@pytest.fixture
def mem(open_mem, models):
    opened = open_mem(chat_model=models["scripted:mornings"])
    opened.agents.configure("support", memory_enabled=True)
    return opened


def deferred(mem, user="ada"):
    conversation = mem.conversations.start("support", user_id=user)
    conversation.add_message("user", "I can only do mornings before 9am")
    conversation.end(defer=True)
    return conversation.id


def test_work_reads_what_waits_and_what_was_learned_is_shown(run, mem):
    waiting = deferred(mem)
    shown = run("conversations", "show", waiting).out
    assert "agentmem work reads it" in shown
    assert "None yet." in shown
    assert run("work", "--model", "scripted:mornings").out == "Read 1 conversation.\n"
    shown = run("conversations", "show", waiting).out
    _, _, written = shown.partition("Memories written this call\n")
    assert written.strip() == "- Caller prefers mornings before 9am."
    assert run("work", "--model", "scripted:mornings").out == "No conversation was read.\n"


def test_work_does_no_more_than_it_was_told_and_says_how_many(run, mem, monkeypatch):
    monkeypatch.setenv("AGENTMEM_MODEL", "scripted:mornings")
    for user in ("ada", "ben", "eve"):
        deferred(mem, user)
    assert run("work", "--limit", "2", "--json").json == {"read": 2}
    assert run("work", "--json").json == {"read": 1}
    assert run("work", "--json", "--tenant", "other").json == {"read": 0}


def test_work_says_how_many_could_not_be_read_for_the_moment_and_are_left_for_later(run, mem, models, clock):
    def busy(_messages):
        raise TimeoutError

    models["scripted:mornings"].script = [busy]
    for user in ("ada", "ben"):
        deferred(mem, user)
    assert run("work", "--model", "scripted:mornings", "--json").json == {"read": 0, "postponed": 2}
    said = run("work", "--model", "scripted:mornings")
    assert said.out == "No conversation was read. Left for later: 2; conversations show tells why.\n"
    models["scripted:mornings"].script = [LEARNED]
    clock.move(minutes=1)
    assert run("work", "--model", "scripted:mornings").out == "Read 2 conversations.\n"


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (("work",), "AGENTMEM_MODEL"),
        (("work", "--model", "nobody:nothing"), "provider:name"),
        (("work", "--model", "nothing"), "provider:name"),
    ],
)
def test_work_wants_a_chat_model_that_there_is(words, says, run):
    ran = run(*words, opener=open_store)
    assert (ran.code, ran.out) == (2, "")
    assert says in ran.err
    assert run(*words, "--json", opener=open_store).error["type"] == "InvalidInputError"


def test_work_wants_a_whole_number_of_conversations(run, mem):
    assert run("work", "--model", "scripted:mornings", "--limit", "0").code == 2


def test_what_sweep_ends_is_left_to_work(run, mem, clock):
    conversation = mem.conversations.start("support", user_id="ada")
    conversation.add_message("user", "I can only do mornings before 9am")
    clock.move(hours=2)
    assert run("sweep", "--json").json["ended"] == 1
    assert run("work", "--model", "scripted:mornings", "--json").json == {"read": 1}


def test_sweep_says_on_one_line_what_it_did(run, mem, clock, memory):
    memory.remember("Likes tea")
    memory.delete("archival")
    mem.contacts.create(id="ada")
    mem.contacts.patch_facts("ada", {"tea": "Assam"}, agent_id="support")
    mem.conversations.start("support", user_id="ada")
    clock.move(hours=2)
    report = run("sweep", "--json").json
    assert set(report) == {field.name for field in dataclasses.fields(SweepReport)}
    assert report["ended"] == 1
    clock.move(days=100)
    said = run("sweep").out
    assert said.startswith("ended 0 conversations; deleted ")
    assert said.count("\n") == 1
    assert "fact" in said
    assert run("sweep").out == "ended 0 conversations; deleted nothing\n"
