"""What memory a model saw: the values that a prompt's frames were rendered from."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final

from langchain_core.messages import BaseMessage, HumanMessage, SystemMessage, ToolMessage

from agentmem import rendering
from agentmem.rendering import ANSWER_FRAME, CORE_FRAME, REMINDER_FRAME, unescape

_ATTRIBUTE: Final = re.compile(r' ([a-z_]+)="([^"]*)"')
_BLOCK: Final = re.compile(r'<block((?: [a-z_]+="[^"]*")*)>')
_MEMORY: Final = re.compile(r'<memory((?: [a-z_]+="[^"]*")*)>([^<>]*)</memory>')
_NOTES: Final = {CORE_FRAME: rendering.CORE_UNAVAILABLE, REMINDER_FRAME: rendering.RECALL_UNAVAILABLE}


@dataclass(frozen=True, slots=True)
class SeenBlock:
    """A core block as the prompt showed it."""

    name: str
    scope: str
    content: str
    description: str = ""
    read_only: bool = False


@dataclass(frozen=True, slots=True)
class SeenMemory:
    """A recalled line as the prompt showed it; `score` and `source` only in the answer of the `recall` tool."""

    content: str
    scope: str
    date: str
    speaker: str | None = None
    score: float | None = None
    source: str | None = None


@dataclass(frozen=True, slots=True)
class Seen:
    """The memory in one prompt.

    Args:
        blocks: The core blocks.
        memories: The lines recalled for the turn.
        answers: The lines that the `recall` tool answered with, of all calls still in the prompt.
        unavailable: The frames that held a note in place of memory: `core_memory`, `system_reminders`.
    """

    blocks: tuple[SeenBlock, ...] = ()
    memories: tuple[SeenMemory, ...] = ()
    answers: tuple[SeenMemory, ...] = ()
    unavailable: tuple[str, ...] = ()


def seen_memory(prompt: str | Sequence[BaseMessage]) -> Seen:
    """Return the memory that a prompt shows a model.

    Of a list of messages only those count that agentmem writes to: system
    messages, its own reminders and the answers of the `recall` tool. So a
    user's message that imitates a frame is not mistaken for one.

    Args:
        prompt: Text, or messages such as `ScriptedChatModel.prompts[0]`.

    Raises:
        ValueError: A frame is not closed, or holds a line that agentmem does not write.
    """
    text = prompt if isinstance(prompt, str) else "\n".join(_written(prompt))
    blocks: list[SeenBlock] = []
    found: dict[str, list[SeenMemory]] = {REMINDER_FRAME: [], ANSWER_FRAME: []}
    unavailable: list[str] = []
    for name, lines in _frames(text):
        if lines == [_NOTES.get(name)]:
            unavailable.append(name)
        elif name == CORE_FRAME:
            blocks += _blocks(lines[1:])
        else:
            found[name] += [_memory(line) for line in lines[1:]]
    return Seen(tuple(blocks), tuple(found[REMINDER_FRAME]), tuple(found[ANSWER_FRAME]), tuple(unavailable))


def _written(messages: Sequence[BaseMessage]) -> Iterator[str]:
    for message in messages:
        ours = isinstance(message, HumanMessage) and message.additional_kwargs.get("lc_source") == "agentmem"
        if ours or isinstance(message, SystemMessage | ToolMessage):
            yield str(message.text)


def _frames(text: str) -> Iterator[tuple[str, list[str]]]:
    names = {f"<{name}>": name for name in (CORE_FRAME, REMINDER_FRAME, ANSWER_FRAME)}
    lines = iter(text.split("\n"))
    for line in lines:
        if name := names.get(line):
            inside = list(_until(lines, f"</{name}>"))
            yield name, inside


def _until(lines: Iterator[str], end: str) -> Iterator[str]:
    for line in lines:
        if line == end:
            return
        yield line
    raise ValueError(f"{end} is missing")


def _blocks(lines: list[str]) -> Iterator[SeenBlock]:
    rest = iter(lines)
    for line in rest:
        if not (opening := _BLOCK.fullmatch(line)):
            raise ValueError("a line of core memory stands outside its block")
        shown = _attributes(opening[1])
        content = "\n".join(_stored(each) for each in _until(rest, "</block>"))
        yield SeenBlock(
            name=shown["name"],
            scope=shown["scope"],
            content=content,
            description=shown.get("description", ""),
            read_only=shown.get("read_only") == "true",
        )


def _stored(line: str) -> str:
    if line == "|":
        return ""
    if not line.startswith("| "):
        raise ValueError("a line of a block does not start with '| '")
    return unescape(line[2:])


def _memory(line: str) -> SeenMemory:
    if not (found := _MEMORY.fullmatch(line)):
        raise ValueError("a line of archival memory stands outside its element")
    shown = _attributes(found[1])
    return SeenMemory(
        content=unescape(found[2]),
        scope=shown["scope"],
        date=shown["date"],
        speaker=shown.get("speaker"),
        score=float(shown["score"]) if "score" in shown else None,
        source=shown.get("source"),
    )


def _attributes(text: str) -> dict[str, str]:
    return {name: unescape(value) for name, value in _ATTRIBUTE.findall(text)}
