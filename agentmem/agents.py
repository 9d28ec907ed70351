"""The agents of this process: which graph answers for which agent, and what one run noted about its memory."""

from __future__ import annotations

import threading
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

from agentmem.errors import NotFoundError

if TYPE_CHECKING:
    from collections.abc import Generator

    from agentmem.models import MemoryRecallResult


class Graph(Protocol):
    """A compiled LangGraph graph, as far as a run needs it."""

    def invoke(self, input: Any, config: Any = None, *, context: Any = None) -> Any:  # noqa: A002, ANN401 - LangGraph's names and types
        """Run the graph to its end."""

    async def ainvoke(self, input: Any, config: Any = None, *, context: Any = None) -> Any:  # noqa: A002, ANN401 - LangGraph's names and types
        """Run the graph to its end."""


@dataclass
class RunRecord:
    """What the memory steps of one run note for its `RunResult`."""

    matches: tuple[MemoryRecallResult, ...] = ()
    degraded: bool = False


_current: ContextVar[RunRecord | None] = ContextVar("agentmem_run", default=None)


@contextmanager
def recording() -> Generator[RunRecord]:
    """A record that the memory steps called inside, in this thread, task or their children, write to."""
    record = RunRecord()
    token = _current.set(record)
    try:
        yield record
    finally:
        _current.reset(token)


def current_run() -> RunRecord:
    """The record of the run this code is part of; one that nobody reads when a graph is run by hand."""
    return _current.get() or RunRecord()


class AgentRegistry:
    """Compiled graphs by tenant and agent, in this process; safe to share between threads."""

    def __init__(self) -> None:
        self._graphs: dict[tuple[str, str], Graph] = {}
        self._lock = threading.Lock()

    def register(self, tenant_id: str, agent_id: str, graph: Graph) -> None:
        """Let `graph` answer for the agent, in place of any before it."""
        with self._lock:
            self._graphs[tenant_id, agent_id] = graph

    def get(self, tenant_id: str, agent_id: str) -> Graph:
        """The agent's graph.

        Raises:
            NotFoundError: No graph was registered for the agent in this process.
        """
        with self._lock:
            graph = self._graphs.get((tenant_id, agent_id))
        if graph is None:
            raise NotFoundError(
                "agent_id: no graph is registered for this agent; call mem.agents.register(agent_id, graph)"
            )
        return graph
