"""What is kept of what an agent had: it comes back as it was, and ends when it would have."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta

import pytest

from agentmem import ContactMemory, Entity, EntityRef, Fact, Message, OpenItem
from agentmem.conversations.contexts import (
    NO_CONTEXT,
    ContextSnapshot,
    living,
    packed,
    unpacked,
    with_lines,
    without_expired,
)

NOW = datetime(2026, 1, 1, 12, tzinfo=UTC)


def fact(key, *, days, ends=None):
    at = NOW - timedelta(days=days)
    return Fact(key, {"is": [key]}, "operator", 1, at, at, None if ends is None else NOW + timedelta(days=ends))


def entity(days):
    at = NOW - timedelta(days=days)
    return Entity("order", str(days), {"carrier": "UPS"}, "delayed", None, at, "extractor", at, at)


def item(days, related_to=None):
    at = NOW - timedelta(days=days)
    return OpenItem(str(days), "follow_up", "Call back", "high", related_to, "extractor", at, at)


MEMORY = ContactMemory(
    contact_id="ada",
    agent_id="support",
    facts={"old": 1, "new": 2},
    fact_records=(fact("old", days=40), fact("new", days=0, ends=30)),
    summary="Called about an order",
    entities=(entity(40), entity(0)),
    open_items=(item(40, EntityRef("order", "8821")), item(0)),
    recent_messages=(Message("m-1", "c", "voice", "user", "Hello", NOW),),
    version=7,
    updated_at=NOW,
)
KEPT = ContextSnapshot(
    facts=MEMORY.fact_records,
    summary=MEMORY.summary,
    summary_at=NOW - timedelta(days=40),
    entities=MEMORY.entities,
    open_items=MEMORY.open_items,
    message_ids=("m-1",),
    version=7,
    updated_at=NOW,
)
CONTEXT = packed(MEMORY, summary_at=KEPT.summary_at)


def test_a_context_comes_back_as_it_was():
    assert unpacked(CONTEXT) == KEPT
    assert unpacked(NO_CONTEXT) == ContextSnapshot()
    assert unpacked(packed(ContactMemory("ada", "support"), summary_at=None)) == ContextSnapshot()


def test_messages_are_kept_by_id_alone():
    assert "Hello" not in CONTEXT


def test_lines_are_added_once_in_order():
    context = with_lines(with_lines(CONTEXT, ["b", "a"]), ["a", "c"])
    assert unpacked(context).line_ids == ("b", "a", "c")
    assert unpacked(with_lines(NO_CONTEXT, ["a"])) == ContextSnapshot(line_ids=("a",))


@pytest.mark.parametrize("days", [None, 0])
def test_without_a_retention_only_facts_end(days):
    assert living(KEPT, now=NOW, days=days, most_days=90) == KEPT
    left = living(KEPT, now=NOW, days=days, most_days=40)
    assert [one.key for one in left.facts] == ["new"]
    assert (left.summary, left.entities) == (KEPT.summary, KEPT.entities)


def test_what_is_over_is_left_out_at_its_end_and_not_before():
    assert living(KEPT, now=NOW, days=41, most_days=90) == KEPT
    left = living(KEPT, now=NOW, days=40, most_days=90)
    assert [one.key for one in left.facts] == ["new"]
    assert (left.summary, left.summary_at) == (None, None)
    assert [one.entity_id for one in left.entities] == [one.id for one in left.open_items] == ["0"]
    assert living(KEPT, now=NOW + timedelta(days=30), days=None, most_days=90).facts == KEPT.facts[:1]


def test_a_context_without_what_is_over_is_written_anew_only_where_something_is():
    spaced = json.dumps(json.loads(CONTEXT), indent=1)
    assert without_expired(spaced, now=NOW, days=41, most_days=90) is spaced
    left = without_expired(CONTEXT, now=NOW, days=40, most_days=90)
    assert unpacked(left) == living(KEPT, now=NOW, days=40, most_days=90)
    assert without_expired(NO_CONTEXT, now=NOW, days=1, most_days=1) == NO_CONTEXT
