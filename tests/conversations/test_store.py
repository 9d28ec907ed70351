"""Conversations that nobody ends: idle ones, and those whose process died."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest

from ..conftest import PROGRAMS, environment  # noqa: TID252 - the tests are no installed package

PHONE = "+14155550192"


@pytest.fixture
def support(mem):
    mem.agents.configure("support", memory_enabled=True, state_keys=["cheese_type"])
    return mem


def test_a_conversation_left_open_is_ended_by_a_sweep_as_of_when_it_was_last_heard_of(support, clock):
    conv = support.conversations.start("support", phone=PHONE)
    clock.move(minutes=5)
    conv.say("Hello")
    heard = clock.now
    clock.move(minutes=59)
    assert support.sweep().ended == 0
    clock.move(minutes=1)
    assert support.sweep().ended == 1
    record = support.conversations.get(conv.id)
    assert (record.status, record.ended_at, record.extraction) == ("ended", heard, "pending")
    assert support.sweep().ended == 0


def test_whatever_is_done_in_a_conversation_keeps_it_open(support, clock):
    support.client("ada").memory.remember("Caller likes tea", agent_id="support")
    conv = support.conversations.start("support", user_id="ada")
    steps = [
        lambda: conv.add_message("user", "Hello"),
        lambda: conv.say("Hello"),
        lambda: conv.render_prompt("{{memory}}"),
        lambda: conv.handoff("billing"),
        lambda: conv.set_outcome("resolved"),
    ]
    for step in steps:
        clock.move(minutes=59)
        step()
        clock.move(minutes=59)
        assert support.sweep().ended == 0


def test_messages_stay_in_their_order_when_the_clock_is_set_back(support, clock):
    with support.conversations.start("support", user_id="ada") as conv:
        for number in range(4):
            conv.add_message("user", f"Message {number}")
            clock.move(seconds=-5)
    expected = [f"Message {number}" for number in range(4)]
    known = support.contacts.memory("ada", agent_id="support")
    assert [message.content for message in known.recent_messages] == expected
    assert [message.content for message in support.conversations.get(conv.id).messages] == expected


def test_the_transcript_of_an_idle_conversation_waits_to_be_read(support, clock):
    ids = []
    for said in (["Hello"], []):
        conv = support.conversations.start("support", phone=PHONE)
        for content in said:
            conv.add_message("user", content)
        ids.append(conv.id)
    clock.move(hours=1)
    assert support.sweep().ended == 2
    assert [support.conversations.get(one).extraction for one in ids] == ["pending", "none"]


def test_an_idle_conversation_is_not_kept_for_longer_because_nobody_ended_it(support, clock):
    conv = support.conversations.start("support", phone=PHONE)
    clock.move(days=89)
    support.sweep()
    assert support.conversations.get(conv.id).status == "ended"
    clock.move(days=1)
    assert support.conversations.list() == []


def test_idle_conversations_of_every_tenant_are_ended(support, clock):
    for tenant in ("acme", "beta"):
        mem = support.tenant(tenant)
        mem.agents.configure("support", memory_enabled=True)
        for user_id in ("ada", "bob", None):
            mem.conversations.start("support", user_id=user_id)
    clock.move(hours=1)
    assert support.sweep().ended == 6
    ended = [one.status for tenant in ("acme", "beta") for one in support.tenant(tenant).conversations.list()]
    assert ended == ["ended"] * 6


def test_a_process_that_dies_before_the_end_loses_what_it_noted_after_its_last_message_and_nothing_half(
    support, home, sql
):
    command = [sys.executable, str(PROGRAMS / "die_in_conversation.py"), str(home), json.dumps(sql.options(home))]
    ran = subprocess.run(command, env=environment(), check=False, capture_output=True, text=True)
    assert ran.returncode == -9, ran.stderr
    conversation_id = ran.stdout.strip()
    record = support.conversations.get(conversation_id)
    assert (record.status, record.changes) == ("open", ())
    assert [message.content for message in record.messages] == ["Hello", "Hello Ada"]
    memory = support.contacts.memory(record.caller_identity, agent_id="support")
    assert (memory.facts, memory.version) == ({}, 0)
    again = support.conversations.resume(conversation_id)
    assert dict(again.state) == {}
    again.state["cheese_type"] = "gouda"
    again.end()
    assert support.conversations.start("support", phone=PHONE).memory.fields() == {"cheese_type": "gouda"}
