"""What a conversation costs beside the models' own time: start, ten turns and the end, with few and with many contacts.

python benchmarks/conversation.py

The chat model plays a script and the embeddings are hashes, so what is timed is agentmem. The same callers call both
stores, in turn.
"""

from __future__ import annotations

import argparse
import re
import sys
import time
from contextlib import ExitStack
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any, Final

from command import count, forget_settings, numbers, refused, run
from metrics import percentile
from report import table

import agentmem
from agentmem.testing import HashingEmbeddings, ScriptedChatModel

if TYPE_CHECKING:
    from collections.abc import Sequence

    from langchain_core.messages import BaseMessage

    from agentmem import AgentMem

AGENT: Final = "support"
CALLERS: Final = 10
TURNS: Final = 10
STAGES: Final = ("start", "a turn", "end", "whole conversation", "its processor time")

_DELIVERY: Final = re.compile(r"delivery (\d+)")
_FACTS: Final = ("is vegetarian", "prefers mornings", "has a Premium plan", "lives in Oslo", "is called Tom's sister")


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command; the exit code."""
    options = _parser().parse_args(arguments)
    if options.contacts[0] < CALLERS:
        return refused("conversation.py", f"--contacts: {CALLERS} of them call, so there are at least as many")
    if options.home is not None and not options.home.is_dir():
        return refused("conversation.py", f"--home: {options.home} is no folder")
    forget_settings()
    with TemporaryDirectory(prefix="agentmem-conversation-", dir=options.home) as folder, ExitStack() as stack:
        stores = {contacts: stack.enter_context(opened(Path(folder), contacts)) for contacts in options.contacts}
        for contacts, mem in stores.items():
            print(f"{contacts:,} contacts: fill…", file=sys.stderr)
            fill(mem, contacts)
        print(markdown(measured(stores, options.conversations)))
    return 0


def opened(folder: Path, contacts: int) -> AgentMem:
    """A store of its own, whose extractor finds something of every kind in each conversation."""
    model = ScriptedChatModel(script=[_proposal], repeat_last=True)
    mem = agentmem.open(folder / str(contacts), embeddings=HashingEmbeddings(), chat_model=model)
    mem.agents.configure(AGENT, memory_enabled=True, state_keys=["booking_day"], analytics_enabled=True)
    return mem


def fill(mem: AgentMem, contacts: int) -> None:
    """Contacts with some memory each."""
    for number in range(contacts):
        contact = mem.contacts.create(phone=phone(number))
        mem.contacts.patch_facts(contact.id, {"name": f"Caller {number}", "plan": "Premium"}, agent_id=AGENT)
        mem.client(contact.id).memory.remember([f"Caller {number} {fact}." for fact in _FACTS], agent_id=AGENT)


def phone(number: int) -> str:
    """The telephone number of a caller."""
    return f"+1415555{number:04d}" if number < 10_000 else f"+1628{number:07d}"


def measured(stores: dict[int, AgentMem], conversations: int) -> dict[int, dict[str, list[float]]]:
    """The seconds of every stage of every conversation, by store; a first round is not counted."""
    spent: dict[int, dict[str, list[float]]] = {contacts: {stage: [] for stage in STAGES} for contacts in stores}
    for number in range(conversations + CALLERS):
        for contacts, mem in stores.items():
            seconds = conversation(mem, number)
            if number >= CALLERS:
                for stage in STAGES:
                    spent[contacts][stage] += seconds[stage]
    return spent


def conversation(mem: AgentMem, number: int) -> dict[str, list[float]]:
    """One conversation of a returning caller: the seconds of each stage."""
    began, worked = time.perf_counter(), time.process_time()
    conv = mem.conversations.start(AGENT, phone=phone(number % CALLERS))
    started = time.perf_counter()
    conv.state["booking_day"] = f"day {number}"
    turns: list[float] = []
    for turn in range(TURNS):
        at = time.perf_counter()
        conv.add_message("user", f"I prefer mornings. Can you move delivery {number} to day {turn}?")
        conv.render_prompt("You are a support agent.\n{{memory}}")
        conv.say(f"Delivery {number} is moved to day {turn}, I will confirm it.")
        turns.append(time.perf_counter() - at)
    before_end = time.perf_counter()
    conv.end()
    ended = time.perf_counter()
    return {
        "start": [started - began],
        "a turn": turns,
        "end": [ended - before_end],
        "whole conversation": [ended - began],
        "its processor time": [time.process_time() - worked],
    }


def markdown(spent: dict[int, dict[str, list[float]]]) -> str:
    """The median and p95 of each stage in milliseconds, by store, and how they grow."""
    few, many = min(spent), max(spent)
    columns = ["milliseconds", *(f"{contacts:,} contacts" for contacts in spent), "ratio"]
    rows: list[list[Any]] = []
    for stage in STAGES:
        for name, percent in (("median", 50), ("p95", 95)):
            figures = {contacts: 1_000 * percentile(seconds[stage], percent) for contacts, seconds in spent.items()}
            ratio = figures[many] / figures[few]
            rows.append([f"{stage}, {name}", *(f"{figure:.1f}" for figure in figures.values()), f"{ratio:.2f}"])
    return table(columns, rows, texts=1)


def _proposal(messages: list[BaseMessage]) -> dict[str, Any]:
    """What the model finds: something new in each conversation, the same thing again, and one thing done for one to do.

    The second fact is known after a caller's first conversation, and confirmed in the others.
    """
    delivery = _DELIVERY.findall(messages[-1].text)[-1]
    return {
        "facts": [
            {"fact": f"Caller had delivery {delivery} moved.", "confidence": 0.8, "evidence": [1, 2]},
            {"fact": "Caller prefers mornings.", "confidence": 0.9, "evidence": [1]},
        ],
        "contact_facts": [{"key": "last_delivery", "value": delivery, "evidence": [1]}],
        "summary": f"Had delivery {delivery} moved.",
        "entities": [
            {"entity_type": "delivery", "entity_id": "latest", "status": f"moved {delivery}", "evidence": [1]},
        ],
        "open_items": [{"description": f"Confirm delivery {delivery}", "evidence": [2]}],
        "resolved_items": [1] if "<open_items>" in messages[-1].text else [],
    }


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="conversation.py", description=__doc__.splitlines()[0])
    add = parser.add_argument
    add("--contacts", type=numbers, default=[10, 10_000], metavar="10,10000", help="contacts of the stores")
    add("--conversations", type=count, default=100, metavar="N", help="conversations in each store (default: 100)")
    add("--home", type=Path, metavar="FOLDER", help="where the stores are made for a while (default: temporary files)")
    return parser


if __name__ == "__main__":
    run(main)
