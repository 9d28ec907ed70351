"""`{{memory}}`: what it becomes, in one pass, and that nothing stored gets out of its line."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agentmem import ArchivalLine
from agentmem.conversations.prompts import filled, foremost, wants_memory
from agentmem.rendering import unescape

NOW = datetime(2026, 1, 1, tzinfo=UTC)
LINE = ArchivalLine("0", "tea", "agent", "support", None, "extractor", 1.0, None, None, NOW, NOW)


@pytest.mark.parametrize("prompt", ["{{memory}}", "{{ memory }}", "{{\tmemory\n}}", "a {{memory}} b {{ memory}}"])
def test_every_placeholder_is_replaced(prompt):
    assert wants_memory(prompt)
    shown = filled(prompt, ["Caller likes tea."])
    assert "{" not in shown
    assert shown.count("Known facts about this caller:\n1. Caller likes tea.") == prompt.count("memory")
    assert "memory" not in filled(prompt, [])


@pytest.mark.parametrize("prompt", ["", "memory", "{memory}", "{ {memory} }", "{{Memory}}", "{{mem ory}}", "{{memory}"])
def test_anything_else_stays_as_it_is(prompt):
    assert not wants_memory(prompt)
    assert filled(prompt, ["Caller likes tea."]) == prompt


def test_a_fact_that_names_the_placeholder_or_a_group_is_not_expanded():
    facts = ["Caller says {{memory}}", r"Caller says \1 \g<0>", "{% for %} {# a #}"]
    shown = filled("{{memory}}", facts)
    assert shown.count("Caller says") == 2
    assert not any(opening in shown for opening in ("{{", "{%", "{#"))


@given(st.lists(st.text(min_size=1), min_size=1, max_size=10))
def test_each_fact_is_one_line_that_gives_it_back(facts):
    first, *lines = filled("{{memory}}", facts).split("\n")
    assert first == "Known facts about this caller:"
    assert [unescape(line.removeprefix(f"{number}. ")) for number, line in enumerate(lines, start=1)] == facts


def test_the_surest_and_newest_come_first_and_no_more_than_ten():
    def line(number, *, days, confidence):
        return replace(LINE, id=f"{number:02}", updated_at=NOW - timedelta(days=days), confidence=confidence)

    old, sure, new, unsure = (
        line(number, days=days, confidence=confidence)
        for number, (days, confidence) in enumerate([(60, 1.0), (30, 1.0), (0, 0.9), (0, 0.51)])
    )
    assert foremost([old, sure, unsure, new], NOW) == [new, unsure, sure, old]
    many = [line(number, days=number, confidence=1.0) for number in range(20)]
    assert foremost(reversed(many), NOW) == many[:10]
    assert [one.id for one in foremost([replace(LINE, id="b"), replace(LINE, id="a")], NOW)] == ["b", "a"]
    assert foremost([line(1, days=-1, confidence=0.5), line(2, days=0, confidence=0.6)], NOW)[0].id == "02"
