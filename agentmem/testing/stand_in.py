"""A chat model for trying an agent without a key: rules in place of a language model, and real memory."""

from __future__ import annotations

import re
from datetime import date
from typing import Final
from uuid import uuid4

from langchain_core.messages import AIMessage, BaseMessage, ToolMessage

from agentmem.testing.prompts import SeenBlock, SeenMemory, seen_memory
from agentmem.testing.scripted import ScriptedChatModel

WHAT_IT_IS: Final = (
    "The chat model is scripted: a few rules, no language model. It looks up questions with recall, remembers what "
    'begins with "Remember", and keeps wishes like "Always …" in core memory. A real one is named by '
    "AGENTMEM_MODEL=provider:name."
)

_LIMIT: Final = 3
_QUESTION: Final = re.compile(
    r"(who|whom|whose|what|when|where|which|why|how|do|does|did|is|are|was|were|can|could|have|has|will|would|should)\b",
    re.IGNORECASE,
)
_ABOUT_ME: Final = re.compile(r"what do you (know|remember) about me\b|who am i\b", re.IGNORECASE)
_REMEMBER: Final = re.compile(
    r"(?:please,? )?(?:remember|note)(?: that)?\b[:,]?\s*(?P<what>.+)", re.IGNORECASE | re.DOTALL
)
_LASTING: Final = re.compile(r"(?:please,? )?(?:always|never|from now on|i prefer|call me|my name is)\b", re.IGNORECASE)


def stand_in_model() -> ScriptedChatModel:
    """Return a scripted model that stands in for a real one, and says so when it has nothing to say.

    It calls the tools `recall`, `archival_memory_insert` and
    `core_memory_append`, and all it says of the past comes from the memory it is
    shown:

        >>> stand_in_model().invoke("Where is the spare key?").tool_calls[0]["name"]
        'recall'
    """
    return ScriptedChatModel(script=[_answer], repeat_last=True)


def _answer(messages: list[BaseMessage]) -> str | AIMessage:
    last = messages[-1]
    if isinstance(last, ToolMessage):
        return _after_tool(last)
    said = str(last.text).strip()
    if _ABOUT_ME.match(said):
        return _of_core(seen_memory(messages).blocks)
    if reminded := seen_memory(messages).memories:
        return f"This came to mind as you wrote.{_quoted(reminded)}"
    if said.endswith("?") or _QUESTION.match(said):
        return _calling("recall", query=said, limit=_LIMIT)
    if found := _REMEMBER.fullmatch(said):
        return _calling("archival_memory_insert", content=found["what"])
    if _LASTING.match(said):
        return _calling("core_memory_append", content=f"- The user's words: {said}")
    return f"I have nothing to say to that. {WHAT_IT_IS}"


def _after_tool(answer: ToolMessage) -> str:
    if answer.status == "error":
        return f"That did not work. {answer.text}"
    if answer.name != "recall":
        return f"Done. {answer.text}"
    found = seen_memory([answer]).answers
    return f"I looked it up.{_quoted(found)}" if found else f"I looked it up. {answer.text}"


def _quoted(memories: tuple[SeenMemory, ...]) -> str:
    best, *others = memories
    more = f" ({len(others)} more came with it.)" if others else ""
    day = date.fromisoformat(best.date)
    who = f"{best.speaker} said" if best.speaker else "it was noted"
    return f" On {day.day} {day:%B %Y} {who}: “{best.content}”{more}"


def _of_core(blocks: tuple[SeenBlock, ...]) -> str:
    shown = [f"{block.name} ({block.scope}):\n{block.content}" for block in blocks]
    return "\n".join(["This is in my core memory.", *shown]) if shown else "My core memory is empty."


def _calling(name: str, **arguments: object) -> AIMessage:
    return AIMessage("", tool_calls=[{"name": name, "args": arguments, "id": f"call-{uuid4().hex}"}])
