"""The scripted chat model plays its script in every way a chat model can be called, and keeps what it was asked."""

from __future__ import annotations

import pytest
from langchain_core.messages import AIMessage, HumanMessage, SystemMessage
from langchain_core.tools import tool
from pydantic import BaseModel

from agentmem.testing import ScriptedChatModel

CALLS = AIMessage(
    "Let me look.",
    tool_calls=[{"name": "recall", "args": {"query": "tea"}, "id": "1"}, {"name": "today", "args": {}, "id": "2"}],
    response_metadata={"model_name": "scripted"},
    usage_metadata={"input_tokens": 1, "output_tokens": 2, "total_tokens": 3},
)


class Drink(BaseModel):
    name: str
    hot: bool = True


@tool
def today() -> str:
    """The date."""
    return "2026-03-14"


def joined(chunks):
    first, *rest = chunks
    return sum(rest, first)


def test_a_step_is_a_text_a_message_or_a_function_of_the_prompt():
    model = ScriptedChatModel(script=["text", AIMessage("message"), lambda messages: f"{messages[-1].text}!"])
    assert [model.invoke(said).text for said in ("a", "b", "c")] == ["text", "message", "c!"]


def test_every_prompt_and_every_bound_tool_is_recorded():
    model = ScriptedChatModel(script=["a", "b"])
    bound = model.bind_tools([today])
    bound.invoke([SystemMessage("s"), HumanMessage("one")])
    model.invoke("two")

    assert [[message.text for message in prompt] for prompt in model.prompts] == [["s", "one"], ["two"]]
    assert [[each["function"]["name"] for each in tools] for tools in model.bound_tools] == [["today"]]


async def test_it_answers_the_same_streamed_and_whole_sync_and_async():
    model = ScriptedChatModel(script=[CALLS], repeat_last=True)
    answers = [
        model.invoke("a"),
        await model.ainvoke("a"),
        joined(model.stream("a")),
        joined([chunk async for chunk in model.astream("a")]),
    ]
    for answer in answers:
        assert answer.text == CALLS.text
        assert answer.tool_calls == CALLS.tool_calls
        assert answer.usage_metadata == CALLS.usage_metadata
        assert answer.response_metadata["model_name"] == "scripted"


def test_text_is_streamed_word_by_word():
    assert [chunk.text for chunk in ScriptedChatModel(script=["in March 2027"]).stream("a") if chunk.text] == [
        "in",
        " March",
        " 2027",
    ]


def test_malformed_tool_calls_and_parts_are_streamed_too():
    broken = AIMessage(
        [{"type": "text", "text": "hm"}],
        invalid_tool_calls=[{"name": "recall", "args": "not json", "id": "1", "error": None}],
    )
    answer = joined(ScriptedChatModel(script=[broken]).stream("a"))
    assert answer.content == broken.content
    assert answer.invalid_tool_calls[0]["args"] == "not json"


def test_a_repeated_step_is_a_message_of_its_own():
    model = ScriptedChatModel(script=[AIMessage("again")], repeat_last=True)
    assert model.invoke("a").id != model.invoke("b").id


@pytest.mark.parametrize("script", [[], ["one"]])
async def test_a_script_that_is_over_says_so(script):
    model = ScriptedChatModel(script=script)
    for _ in script:
        model.invoke("a")
    with pytest.raises(AssertionError, match=f"called {len(script) + 1} times, and its script has {len(script)} steps"):
        await model.ainvoke("b")


def test_a_step_may_raise():
    def refuse(messages):
        raise RuntimeError("overloaded")

    with pytest.raises(RuntimeError, match="overloaded"):
        ScriptedChatModel(script=[refuse]).invoke("a")


@pytest.mark.parametrize("step", [{"name": "tea"}, Drink(name="tea"), lambda _: {"name": "tea"}])
async def test_arguments_are_a_call_of_the_first_tool_bound_last(step):
    model = ScriptedChatModel(script=[step], repeat_last=True)
    model.bind_tools([today])
    bound = model.bind_tools([Drink, today])
    for answer in (await bound.ainvoke("a"), joined(bound.stream("a"))):
        assert [(call["name"], call["args"]) for call in answer.tool_calls] == [("Drink", {"name": "tea"})]


def test_structured_output_is_scripted_with_its_arguments_or_with_broken_ones():
    model = ScriptedChatModel(script=[{"name": "tea"}, {"name": []}, "no call"])
    asked = model.with_structured_output(Drink, include_raw=True)
    tea, broken, missing = (asked.invoke("a") for _ in range(3))
    assert tea["parsed"] == Drink(name="tea")
    assert broken["parsed"] is None
    assert broken["parsing_error"] is not None
    assert missing["parsed"] is None
    assert missing["raw"].text == "no call"


def test_arguments_without_a_tool_say_what_is_missing():
    with pytest.raises(AssertionError, match="no tool was bound"):
        ScriptedChatModel(script=[{"name": "tea"}]).invoke("a")
