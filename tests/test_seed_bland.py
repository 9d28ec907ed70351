"""The worked example of seed 004: two interactions with a support persona end in exactly the records shown there."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from agentmem.testing import FrozenClock, ScriptedChatModel

FIRST_CALL = {
    "facts": {"name": "Sarah Chen", "phone": "+14155550192"},
    "summary": "Customer called about order #8821 which was delayed. Promised a follow-up within 24 hours.",
    "entities": [
        {
            "entity_type": "order",
            "entity_id": "order-8821",
            "facts": {"order_number": "#8821", "status": "delayed", "carrier": "UPS"},
            "status": "delayed",
            "last_discussed_at": "2025-07-22T10:30:00.000Z",
            "notes": "Customer was promised a follow-up within 24 hours",
        }
    ],
    "open_items": [
        {
            "type": "follow_up",
            "description": "Follow up on order #8821 delay status",
            "created_at": "2025-07-22T10:30:00.000Z",
            "priority": "high",
            "related_to": {"entity_type": "order", "entity_id": "order-8821"},
        }
    ],
}
FOLLOW_UP = {
    "facts": {"name": "Sarah Chen", "phone": "+14155550192", "preferred_contact": "sms"},
    "summary": "Order #8821 shipped and is now in transit. Expected delivery Friday July 25. "
    "Customer confirmed via SMS and prefers SMS over calls.",
    "entities": [
        {
            "entity_type": "order",
            "entity_id": "order-8821",
            "facts": {
                "order_number": "#8821",
                "status": "in_transit",
                "carrier": "UPS",
                "expected_delivery": "2025-07-25",
            },
            "status": "in_transit",
            "last_discussed_at": "2025-07-23T09:15:00.000Z",
            "notes": None,
        }
    ],
    "open_items": [],
}

OF_THE_CALL = {
    "contact_facts": [
        {"key": "name", "value": "Sarah Chen", "evidence": [2]},
        {"key": "phone", "value": "+14155550192", "evidence": [2]},
    ],
    "summary": FIRST_CALL["summary"],
    "entities": [
        {
            "entity_type": "order",
            "entity_id": "order-8821",
            "facts": [
                {"key": "order_number", "value": "#8821"},
                {"key": "status", "value": "delayed"},
                {"key": "carrier", "value": "UPS"},
            ],
            "status": "delayed",
            "notes": "Customer was promised a follow-up within 24 hours",
            "evidence": [2, 3, 5],
        }
    ],
    "open_items": [
        {
            "description": "Follow up on order #8821 delay status",
            "type": "follow_up",
            "priority": "high",
            "related_to": {"entity_type": "order", "entity_id": "order-8821"},
            "evidence": [5],
        }
    ],
}
OF_THE_SMS = {
    "contact_facts": [{"key": "preferred_contact", "value": "sms", "evidence": [3]}],
    "summary": FOLLOW_UP["summary"],
    "entities": [
        {
            "entity_type": "order",
            "entity_id": "order-8821",
            "facts": [
                {"key": "status", "value": "in_transit"},
                {"key": "expected_delivery", "value": "2025-07-25"},
            ],
            "status": "in_transit",
            "notes": None,
            "evidence": [2],
        }
    ],
    "resolved_items": [1],
}


@pytest.fixture
def model():
    return ScriptedChatModel(script=[OF_THE_CALL, OF_THE_SMS])


@pytest.fixture
def clock():
    return FrozenClock(datetime(2025, 7, 22, 10, 30, tzinfo=UTC))


@pytest.fixture
def mem(open_mem, model):
    mem = open_mem(chat_model=model)
    mem.agents.configure("support", memory_enabled=True)
    return mem


def call(mem):
    with mem.conversations.start("support", channel="voice", phone="+1 415 555 0192", name="Sarah Chen") as conv:
        conv.say("Support, how can I help?")
        conv.add_message("user", "Sarah Chen, my number is +1 415 555 0192. Where is my order #8821?")
        conv.say("It is with UPS, and it is delayed.")
        conv.add_message("user", "Then please keep me posted.")
        conv.say("I promise to follow up within 24 hours on the status of the delay.")
    return conv


def follow_up(mem):
    with mem.conversations.start("support", channel="sms", phone="+14155550192") as conv:
        conv.add_message("user", "Any news?")
        conv.say("Order #8821 shipped, it is in transit and should be with you on Friday, July 25.")
        conv.add_message("user", "Great. SMS is better than a call, by the way.")
    return conv


def test_seed_004_the_contact_record_of_the_first_call(mem):
    call(mem)
    record = mem.contacts.find(phone="+14155550192").to_json()
    assert record == {
        "id": record["id"],
        "phone_number": "+14155550192",
        "name": "Sarah Chen",
        "org_id": "default",
        "created_at": "2025-07-22T10:30:00.000Z",
    }


def test_seed_004_the_memory_after_each_interaction_is_the_one_shown(mem, clock):
    call(mem)
    contact = mem.contacts.find(phone="+14155550192")
    assert mem.contacts.memory(contact.id, agent_id="support").to_json() == FIRST_CALL

    clock.now = datetime(2025, 7, 23, 9, 15, tzinfo=UTC)
    follow_up(mem)
    assert mem.contacts.memory(contact.id, agent_id="support").to_json() == FOLLOW_UP


def test_seed_004_the_next_interaction_picks_up_where_the_last_left_off(mem, clock, model):
    first = mem.conversations.get(call(mem).id)
    assert first.extraction == "done"
    assert first.extraction_note is None
    assert first.context.to_json()["facts"] == {}

    clock.now = datetime(2025, 7, 23, 9, 15, tzinfo=UTC)
    second = mem.conversations.get(follow_up(mem).id)
    assert {**second.context.to_json(), "recent_messages": [], "memories": []} == {
        **FIRST_CALL,
        "recent_messages": [],
        "memories": [],
    }
    assert [message.channel for message in second.context.memory.recent_messages] == ["voice"] * 5
    assert "1. (follow_up, high) Follow up on order #8821 delay status" in model.prompts[1][-1].text


def test_seed_004_the_changes_of_each_interaction_are_kept_with_it(mem, clock):
    call(mem)
    clock.now = datetime(2025, 7, 23, 9, 15, tzinfo=UTC)
    changes = mem.conversations.get(follow_up(mem).id).changes
    assert {(change.kind, change.action) for change in changes} == {
        ("fact", "added"),
        ("summary", "changed"),
        ("entity", "changed"),
        ("open_item", "removed"),
    }
    assert {change.actor for change in changes} == {"extractor"}
    entity = next(change for change in changes if change.kind == "entity")
    assert (entity.before["status"], entity.after["status"]) == ("delayed", "in_transit")
