"""The feed of a person's changes: from where, how many at once, and by any of their ids."""

from __future__ import annotations

from datetime import datetime

import pytest

from agentmem import InvalidInputError


@pytest.fixture
def told(mem, clock):
    """Ten changes, one every half hour."""
    for number in range(10):
        mem.client("ada").memory.append(f"block-{number}", "text")
        clock.move(minutes=30)
    return mem


def names(changes):
    return [int(one.ref.removeprefix("block-")) for one in changes]


def test_the_feed_is_oldest_first(told):
    assert names(told.changes("ada")) == list(range(10))
    assert told.changes("bob") == []


def test_since_a_change_begins_after_it(told):
    third = told.changes("ada")[2]
    assert names(told.changes("ada", since=third.id)) == list(range(3, 10))
    assert told.changes("ada", 0) == told.changes("ada")


def test_since_a_moment_begins_with_its_hour(told):
    assert names(told.changes("ada", since="2026-01-01T14:59:59+00:00")) == list(range(4, 10))
    assert names(told.changes("ada", since=datetime.fromisoformat("2026-01-01T17:00:00+02:00"))) == [6, 7, 8, 9]


def test_the_feed_comes_in_pages_and_hidden_entries_do_not_end_it(told, clock):
    told.agents.configure("support", memory_enabled=True, memory_retention_days=1)
    for number in range(10, 20):
        told.client("ada").memory.append(f"block-{number}", "text", agent_id="support")
    clock.move(days=2)
    told.client("ada").memory.append("block-20", "text")
    first = told.changes("ada", limit=10)
    assert names(first) == list(range(10))
    assert names(told.changes("ada", since=first[-1].id, limit=1)) == [20]


def test_the_id_of_who_was_merged_leads_to_the_other(mem):
    for user_id in ("ada", "bo"):
        mem.contacts.create(id=user_id)
        mem.client(user_id).memory.append("core", user_id)
    mem.contacts.merge("bo", into="ada")
    assert mem.changes("bo") == mem.changes("ada") != []


@pytest.mark.parametrize("since", [-1, 2**63, True, "yesterday", "2026-01-01", datetime(2026, 1, 1), 1.5, b"5"])  # noqa: DTZ001 - the fault under test
def test_since_must_be_a_change_or_a_moment(mem, since):
    with pytest.raises(InvalidInputError, match="since"):
        mem.changes("ada", since=since)


@pytest.mark.parametrize("limit", [0, 10_001, None, "5"])
def test_the_number_of_changes_has_its_limits(mem, limit):
    with pytest.raises(InvalidInputError, match="limit"):
        mem.changes("ada", limit=limit)
