"""The stand-in for a chat model: each of its rules, and that it never passes for a real one."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
from langchain_core.messages import HumanMessage, ToolMessage

from agentmem import MemoryRecallResult, rendering
from agentmem.testing import stand_in_model

MOMENT = datetime(2026, 3, 14, 9, 30, tzinfo=UTC)


def match(content, speaker=None):
    return MemoryRecallResult(
        content, 0.5, "archival", "user", None, 1, MOMENT, 0.5, 0.0, "l1", speaker, None, "user", 1.0, None, MOMENT
    )


def after(tool, text, **more):
    """What it says when a tool has answered."""
    return stand_in_model().invoke([HumanMessage("…"), ToolMessage(text, tool_call_id="1", name=tool, **more)]).text


@pytest.mark.parametrize(
    ("said", "tool", "arguments"),
    [
        ("What do I drink?", "recall", {"query": "What do I drink?", "limit": 3}),
        ("who has the key", "recall", {"query": "who has the key", "limit": 3}),
        ("remember: Ada drinks tea", "archival_memory_insert", {"content": "Ada drinks tea"}),
        ("Please note that Ada drinks tea", "archival_memory_insert", {"content": "Ada drinks tea"}),
        ("Always answer briefly", "core_memory_append", {"content": "- The user's words: Always answer briefly"}),
    ],
)
def test_what_is_said_decides_which_tool_it_calls(said, tool, arguments):
    (call,) = stand_in_model().invoke(said).tool_calls
    assert (call["name"], call["args"]) == (tool, arguments)


def test_every_call_of_a_tool_has_an_id_of_its_own():
    model = stand_in_model()
    first, second = (model.invoke("Where?").tool_calls[0]["id"] for _ in range(2))
    assert first != second


def test_it_answers_with_what_recall_found_and_counts_the_rest():
    assert after("recall", rendering.answer([match("tea", "Ada"), match("rye")])) == (
        "I looked it up. On 14 March 2026 Ada said: “tea” (1 more came with it.)"
    )
    assert after("recall", rendering.answer([])) == f"I looked it up. {rendering.NO_MATCH}"


def test_it_passes_on_what_another_tool_says_and_that_one_failed():
    assert after("core_memory_append", "core is at version 2.") == "Done. core is at version 2."
    assert after("core_memory_append", "too long", status="error") == "That did not work. too long"


def test_it_says_what_it_was_reminded_of():
    reminder, _ = rendering.reminder([match("tea")])
    hidden = HumanMessage(reminder, additional_kwargs={"lc_source": "agentmem"})
    answer = stand_in_model().invoke([hidden, HumanMessage("I am thirsty")])
    assert answer.text == "This came to mind as you wrote. On 14 March 2026 it was noted: “tea”"


def test_without_core_memory_it_knows_nothing_about_the_user():
    assert stand_in_model().invoke("What do you know about me?").text == "My core memory is empty."


def test_a_message_that_no_rule_knows_is_answered_with_what_it_is():
    assert "scripted: a few rules, no language model" in stand_in_model().invoke("hello").text
