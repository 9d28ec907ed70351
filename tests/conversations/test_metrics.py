"""The repeat-caller metrics: about the first conversation in the retention window, and to the hour."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from agentmem import AgentMetrics

PHONE = "+14155550192"


@pytest.fixture
def support(mem):
    mem.agents.configure("support", memory_enabled=True, analytics_enabled=True)
    return mem


def call(mem, phone=PHONE, *, qa=None, to=None, reason=None, **words):
    conv = mem.conversations.start("support", phone=phone, **words)
    if qa:
        conv.set_outcome(qa)
    if to:
        conv.handoff(to, reason)
    conv.end()
    return conv


def test_the_first_call_has_no_metrics_and_every_later_one_those_of_the_first(support, clock):
    clock.now = datetime(2026, 1, 1, 12, 40, tzinfo=UTC)
    first = call(support, qa="unresolved", to="billing", reason="refund")
    assert first.memory.fields() == {}
    for _ in range(2):
        clock.move(days=1)
        again = call(support, qa="resolved", to="sales")
        assert again.memory.fields() == {
            "REPEAT_CALLER_CONV_ID": first.id,
            "REPEAT_CALLER_DATETIME": "2026-01-01T12:00:00+00:00",
            "REPEAT_CALLER_QA": "unresolved",
            "REPEAT_CALLER_HANDOFF_REASON": "refund",
            "REPEAT_CALLER_HANDOFF_TO": "billing",
        }


def test_what_was_never_noted_is_no_field(support, clock):
    first = call(support)
    clock.move(minutes=1)
    assert set(call(support).memory) == {"REPEAT_CALLER_CONV_ID", "REPEAT_CALLER_DATETIME"}
    assert call(support).memory["REPEAT_CALLER_CONV_ID"] == first.id


def test_the_window_moves_on_and_the_first_call_in_it_counts(support, clock):
    call(support)
    clock.move(days=50)
    second = call(support)
    clock.move(days=40)
    third = call(support)
    assert third.memory["REPEAT_CALLER_CONV_ID"] == second.id
    clock.move(days=90)
    assert call(support).memory.fields() == {}


def test_only_calls_that_ended_count(support, mem):
    mem.conversations.start("support", phone=PHONE)
    conv = mem.conversations.start("support", phone=PHONE)
    with pytest.raises(ZeroDivisionError):
        fail(conv)
    assert call(support).memory.fields() == {}
    assert support.agents.metrics("support").conversations == 1


def fail(conv):
    with conv:
        _ = 1 / 0


def test_without_analytics_there_are_none(support):
    call(support)
    support.agents.configure("support", analytics_enabled=False)
    assert call(support).memory.fields() == {}
    assert support.agents.metrics("support") == AgentMetrics("support", 0, 0, 0, 0, 0)
    assert support.agents.metrics("support").repeat_rate == 0


def test_metrics_count_callers_who_came_again_and_what_became_of_their_calls(support, clock):
    ada = call(support, qa="resolved")
    clock.move(minutes=70)
    bob = call(support, "+14155550100", to="billing", reason="refund")
    clock.move(minutes=1)
    call(support, "+14155550101", qa="resolved")
    clock.move(minutes=1)
    for phone in ("+14155550100", PHONE, PHONE):
        call(support, phone, qa="open")
    call(support, None)
    found = support.agents.metrics("support")
    assert (found.conversations, found.callers, found.repeat_callers) == (6, 3, 2)
    assert (found.resolved, found.handed_off) == (2, 1)
    assert (found.repeat_rate, found.resolution_rate) == (2 / 3, 2 / 6)
    firsts = [(one.conversation_id, one.at.hour, one.qa, one.handoff_to) for one in found.first_interactions]
    assert firsts == [(ada.id, 12, "resolved", None), (bob.id, 13, None, "billing")]
    clock.move(days=90)
    assert support.agents.metrics("support").conversations == 0


def test_a_version_is_measured_as_it_is_configured(support):
    support.agents.configure("support", version="quiet", analytics_enabled=False)
    for version in (None, "quiet", "other"):
        call(support, version=version)
    assert support.agents.metrics("support").conversations == 2
    support.agents.configure("support", analytics_enabled=False)
    support.agents.configure("support", version="other", analytics_enabled=True)
    assert support.agents.metrics("support").conversations == 1


def test_an_agent_is_measured_alone(support, mem):
    call(support)
    mem.agents.configure("booking", memory_enabled=True, analytics_enabled=True)
    acme = mem.tenant("acme")
    acme.agents.configure("support", memory_enabled=True, analytics_enabled=True)
    with mem.conversations.start("booking", phone=PHONE) as conv:
        assert conv.memory.fields() == {}
    with acme.conversations.start("support", phone=PHONE) as conv:
        assert conv.memory.fields() == {}
    assert [one.agents.metrics("support").conversations for one in (mem, acme)] == [1, 1]
