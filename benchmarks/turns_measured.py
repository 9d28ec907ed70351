"""The process behind turns.py: for each line it reads it measures one round, and prints its figures as JSON."""

from __future__ import annotations

import asyncio
import json
import sys
import time
from itertools import count
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import conversation
import locomo_data
from langchain.agents import create_agent
from langgraph.checkpoint.memory import InMemorySaver
from peers import PEERS, LangGraphSqliteStore
from systems import AgentMem, Timed
from texts import BARE
from turns import RECALL, SEARCH

import agentmem
from agentmem.langgraph import MemoryContext, MemoryMiddleware
from agentmem.policy import MemoryPolicy
from agentmem.testing import HashingEmbeddings, ScriptedChatModel

if TYPE_CHECKING:
    from collections.abc import Callable

TURNS: Final = 20
"""How many turns are measured together, and how many at once."""

DIMENSIONS: Final = 384
QUESTIONS: Final = 60
LINES: Final = 100
MODES: Final = ("tool_only", "auto")
_FACTS: Final = ("had delivery {} moved to a Monday", "asked about invoice {}", "prefers to be called about case {}")
_numbers = count()


class Turns:
    """The turns of an agent without memory and of the same with it, by 20 users with lines and blocks.

    Each user has two core blocks (their own, and the agent's about them) and 100 archival lines. The agent has a short
    system prompt and no tools but memory's own.
    """

    def __init__(self, folder: Path) -> None:
        self.mem = agentmem.open(folder, embeddings=HashingEmbeddings(DIMENSIONS))
        for number in range(TURNS):
            memory = self.mem.client(f"user-{number}").memory
            memory.append("core", f"- Called Ada {number}\n- Works in Oslo")
            memory.append("core", "- Prefers short answers", agent_id="support")
            memory.remember([_FACTS[line % len(_FACTS)].format(line) for line in range(LINES)])
        middleware = [MemoryMiddleware(self.mem)]
        self.agents = {
            "plain": _agent(),
            "memory": _agent(middleware=middleware),
            "plain, thread": _agent(checkpointer=InMemorySaver()),
            "memory, thread": _agent(middleware=middleware, checkpointer=InMemorySaver()),
        }

    def invoked(self, agent: str, mode: str) -> float:
        """Turns by `invoke`, one after the other."""
        given = [self._given(number, agent, mode) for number in range(TURNS)]
        began = time.process_time()
        for one in given:
            self.agents[agent].invoke(**one)
        return _each(began, TURNS)

    async def one_at_a_time(self, agent: str, mode: str) -> float:
        """The same by `ainvoke`."""
        given = [self._given(number, agent, mode) for number in range(TURNS)]
        began = time.process_time()
        for one in given:
            await self.agents[agent].ainvoke(**one)
        return _each(began, TURNS)

    async def at_once(self, agent: str, mode: str) -> float:
        """The same, all of them at once."""
        given = [self._given(number, agent, mode) for number in range(TURNS)]
        began = time.process_time()
        await asyncio.gather(*(self.agents[agent].ainvoke(**one) for one in given))
        return _each(began, TURNS)

    def _given(self, number: int, agent: str, mode: str) -> dict[str, Any]:
        said = f"What about delivery {number} and invoice {next(_numbers) % LINES}?"
        policy = MemoryPolicy(archival_mode="auto" if mode == "auto" else "tool_only")
        context = MemoryContext(user_id=f"user-{number}", agent_id="support", memory_policy=policy)
        config = {"configurable": {"thread_id": f"thread-{next(_numbers)}"}} if "thread" in agent else None
        return {"input": {"messages": [("human", said)]}, "context": context, "config": config}


class Recalls:
    """Recall and LangGraph's SqliteStore over LoCoMo's conversations, a user or namespace each, asked the same."""

    def __init__(self, folder: Path, data: Path) -> None:
        embeddings = Timed(HashingEmbeddings(DIMENSIONS))  # a question is embedded once, and looked up after that
        self.ours = AgentMem(folder / "recall", embeddings, text=BARE)
        self.theirs = LangGraphSqliteStore(folder / "store", embeddings, DIMENSIONS, BARE)
        conversations = locomo_data.read(data)
        for one in conversations:
            for session in one.sessions:
                self.ours.add(one.key, session)
                self.theirs.add(one.key, session)
        asked = [(one.key, question.text) for one in conversations for question in one.questions]
        self.asked = asked[:: max(1, len(asked) // QUESTIONS)]

    def measured(self) -> dict[str, float]:
        """Every question to one and to the other."""
        spent = {RECALL: 0.0, SEARCH: 0.0}
        for key, question in self.asked:
            for name, system in ((RECALL, self.ours), (SEARCH, self.theirs)):
                began = time.process_time()
                system.recall(key, question)
                spent[name] += time.process_time() - began
        return {name: 1000 * seconds / len(self.asked) for name, seconds in spent.items()}


class Writes:
    """What must not become dearer: writes, and a whole conversation with its end."""

    def __init__(self, folder: Path) -> None:
        folder.mkdir()
        self.mem = conversation.opened(folder, conversation.CALLERS)
        conversation.fill(self.mem, conversation.CALLERS)

    def measured(self) -> dict[str, float]:
        """One of each, for a user of its own."""
        memory = self.mem.client(f"writer-{next(_numbers)}").memory
        lines = [_FACTS[line % len(_FACTS)].format(line) for line in range(1_000)]
        done: dict[str, tuple[int, Callable[[], object]]] = {
            "append to a block": (TURNS, lambda: memory.append("core", "- Likes tea")),
            "remember a line": (TURNS, lambda: memory.remember(f"Asked for delivery {next(_numbers)}")),
            "remember 1,000 lines": (1, lambda: memory.remember(lines)),
            "a conversation": (3, lambda: conversation.conversation(self.mem, next(_numbers))),
        }
        spent: dict[str, float] = {}
        for name, (times, write) in done.items():
            began = time.process_time()
            for _ in range(times):
                write()
            spent[name] = _each(began, times)
        return spent


def main(folder: Path, data: Path | None) -> None:
    """Measure one round for each line of the input."""
    turns, writes = Turns(folder / "turns"), Writes(folder / "writes")
    is_there = next(one for one in PEERS if one.name == LangGraphSqliteStore.name).is_installed
    recalls = Recalls(folder, data) if data and is_there else None
    with asyncio.Runner() as runner:
        for _ in sys.stdin:
            spent = _of_turns(turns, runner) | writes.measured() | (recalls.measured() if recalls else {})
            print(json.dumps(spent), flush=True)


def _of_turns(turns: Turns, runner: asyncio.Runner) -> dict[str, float]:
    spent: dict[str, float] = {}
    for kind in ("", ", thread"):
        for mode, agent in (("plain", "plain"), *((mode, "memory") for mode in MODES)):
            spent[mode + kind] = turns.invoked(agent + kind, mode)
    for mode, agent in (("plain", "plain"), *((mode, "memory") for mode in MODES)):
        spent[f"{mode}, one at a time"] = runner.run(turns.one_at_a_time(agent, mode))
        spent[f"{mode}, 20 at once"] = runner.run(turns.at_once(agent, mode))
    return spent


def _agent(**given: Any) -> Any:
    model = ScriptedChatModel(script=["It comes on Monday."], repeat_last=True)
    return create_agent(model, system_prompt="You are a support agent.", context_schema=MemoryContext, **given)


def _each(began: float, times: int) -> float:
    return 1000 * (time.process_time() - began) / times


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]) if len(sys.argv) > 2 else None)
