"""What is in a graph's state: its channels, its messages, and which of them a person said last."""

from __future__ import annotations

import json
from collections.abc import Container, Mapping, Sequence
from typing import Final, TypeVar, cast

from langchain_core.messages import AnyMessage, BaseMessage, HumanMessage, ToolMessage, convert_to_messages

from agentmem.agents.graphs import key_of
from agentmem.agents.ledger import DIGEST_LENGTH

T = TypeVar("T")

LC_SOURCE: Final = "lc_source"
"""LangChain's mark on messages that no person wrote; its value says who did."""


def channel(state: object, name: str, default: T) -> T:
    """Return one channel of a graph's state, be that a mapping or an object; `default` where it was never written."""
    value = cast("Mapping[str, T]", state).get(name) if isinstance(state, Mapping) else getattr(state, name, None)
    return default if value is None else value


def messages_of(state: object) -> list[AnyMessage]:
    """Return the messages of a graph's state."""
    return convert_to_messages(channel(state, "messages", []))  # type: ignore[return-value]  # all it makes are AnyMessages


def current_turn(messages: Sequence[BaseMessage]) -> HumanMessage | None:
    """Return what the person said last; messages that only look like a person's are skipped."""
    position = turn_position(messages)
    return None if position is None else messages[position]  # type: ignore[return-value]  # turn_position looks for it


def turn_position(messages: Sequence[BaseMessage]) -> int | None:
    """Return where the message stands that the person said last."""
    return next((position for position in reversed(range(len(messages))) if is_said(messages[position])), None)


def turn_beginning(messages: Sequence[BaseMessage]) -> int:
    """Return where the turn begins: at the first of the messages that the person said last, one after the other."""
    position = turn_position(messages) or 0
    while position and isinstance(messages[position - 1], HumanMessage):
        position -= 1
    return position


def digest(message: BaseMessage) -> str:
    """What tells a message from every other: a hash of its id, its kind, and all of it that a model may be shown."""
    said = message.model_dump(exclude={"artifact", "response_metadata", "usage_metadata"})
    return key_of(json.dumps(said, default=str, skipkeys=True))[:DIGEST_LENGTH]


def key(message: BaseMessage) -> str:
    """Return what a message is known by in one state: its id, which not every state gives it."""
    return message.id or digest(message)


def without(messages: Sequence[AnyMessage], left: Container[str], call: str) -> list[AnyMessage]:
    """Messages without those that others left.

    No model takes a call of a tool that has no answer, or an answer without a
    call, so an answer of theirs is stood in for, and one to a call of theirs
    goes with it.

    Args:
        messages: The messages.
        left: The keys of those that others left.
        call: What stands in for an answer.
    """
    kept, calls = list[AnyMessage](), set[str | None]()
    for message in messages:
        is_left = key(message) in left
        if isinstance(message, ToolMessage):
            if message.tool_call_id in calls:
                kept.append(_stand_in(message, call) if is_left else message)
        elif not is_left:
            kept.append(message)
            calls.update(one["id"] for one in getattr(message, "tool_calls", ()))
    return kept


def _stand_in(message: ToolMessage, text: str) -> ToolMessage:
    return ToolMessage(text, id=message.id, name=message.name, tool_call_id=message.tool_call_id, status="error")


def is_said(message: BaseMessage) -> bool:
    """Return whether a person may have said a message."""
    return isinstance(message, HumanMessage) and LC_SOURCE not in message.additional_kwargs
