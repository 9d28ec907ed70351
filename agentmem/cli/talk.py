"""A conversation with the agent, as `chat` shows it."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import nullcontext
from typing import TYPE_CHECKING, Any, Final

from rich.text import Text

from agentmem.cli.agent import Answered, Called, Conversation, Event, Said, build_agent, chat_model, typed
from agentmem.cli.output import counted, one_line, print_failure, print_json, printable, screen, waiting
from agentmem.errors import AgentMemError
from agentmem.testing import seen_memory
from agentmem.testing.stand_in import WHAT_IT_IS

if TYPE_CHECKING:
    from agentmem.client.store import AgentMem
    from agentmem.policy import MemoryContext


_LONGEST: Final = 200


class CallScript:
    """One thread with the agent, shown as it happens.

    Args:
        mem: The store.
        context: Who is talking, under which policy.
        model: The chat model as `provider:name`, `None` for the scripted one.
    """

    def __init__(self, mem: AgentMem, context: MemoryContext, model: str | None) -> None:
        self._conversation = Conversation(build_agent(mem, chat_model(model)), context)
        self._model = model

    @property
    def introduction(self) -> str:
        """What answers, so that nobody takes the scripted model for a real one."""
        return WHAT_IT_IS if self._model is None else f"The chat model is {self._model}."

    def show(self, message: str, *, forgiving: bool) -> None:
        """Say something, and print what the agent does and says.

        Args:
            message: What the person says.
            forgiving: Whether an error is printed, and the conversation goes on.
        """
        console = screen()
        speaking = False
        try:
            events = self._conversation.say(message)
            while (event := _next(events, silent=speaking)) is not None:
                if not isinstance(event, Said):
                    console.print(Text(("\n" if speaking else "") + f"  {_step(event)}", style="dim"), soft_wrap=True)
                    speaking = False
                    continue
                if not speaking:
                    self._show_reminder()
                    console.print(Text("agent> ", style="bold"), end="")
                    speaking = True
                console.print(Text(printable(event.text)), end="", soft_wrap=True)
        except AgentMemError as error:
            if not forgiving:
                raise
            print_failure(error, as_json=False)
            return
        console.print()
        if self._conversation.record.degraded:
            console.print(Text("  (memory was out of reach, so it answered without)", style="yellow"))

    def print_json(self, message: str) -> None:
        """Say something, and print the whole turn as one line of JSON."""
        text = ""
        tools: list[dict[str, Any]] = []
        for event in self._conversation.say(message):
            if isinstance(event, Said):
                text += event.text
            elif isinstance(event, Called):
                text = ""  # what was said on the way to a tool is not the answer
                tools.append({"name": event.name, "args": event.args, "answer": None})
            else:
                _fill(tools, event)
        record = self._conversation.record
        turn = {"text": text, "tools": tools, "matches": record.matches, "degraded": record.degraded}
        print_json({**turn, "model": self._model or "scripted"}, indent=None)
        sys.stdout.flush()

    def _show_reminder(self) -> None:
        if matches := self._conversation.record.matches:
            screen().print(Text(f"  reminded of {_memories(len(matches))}", style="dim"), soft_wrap=True)


def _next(events: Iterator[Event], *, silent: bool) -> Event | None:
    with nullcontext() if silent else waiting("Thinking…"):
        return next(events, None)


def _step(event: Event) -> str:
    if isinstance(event, Called):
        return one_line(typed(event.name, event.args), limit=_LONGEST)
    found = seen_memory(event.text).answers if isinstance(event, Answered) and event.name == "recall" else ()
    return f"→ {_memories(len(found))}" if found else f"→ {one_line(event.text, limit=_LONGEST)}"


def _memories(count: int) -> str:
    return counted(count, "memory", "memories")


def _fill(tools: list[dict[str, Any]], event: Answered) -> None:
    for tool in tools:
        if tool["name"] == event.name and tool["answer"] is None:
            tool["answer"] = event.text
            return
