"""The agents of this process: which graph answers for which agent, what one run was told and noted, ids as keys."""

from __future__ import annotations

import hashlib
import json
import threading
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, Protocol, Self
from weakref import WeakSet, WeakValueDictionary

from agentmem.errors import Code, InvalidInputError, NotFoundError

if TYPE_CHECKING:
    from collections.abc import Generator

    from sqlalchemy.engine import URL

    from agentmem.database import Database
    from agentmem.models import MemoryRecallResult, Scope


class ForeignThreadError(InvalidInputError):
    """A thread is someone else's."""

    code: Code = "foreign_thread"

    @classmethod
    def of_another_user(cls) -> Self:
        """Return the error about a thread that was begun for another user."""
        return cls(
            "this thread was begun for another user", field="thread_id", advice="start a new thread for this one"
        )


class Graph(Protocol):
    """A compiled LangGraph graph, as far as a run needs it."""

    def invoke(self, input: Any, config: Any = None, *, context: Any = None) -> Any:  # noqa: A002, ANN401 - LangGraph's names and types
        """Run the graph to its end."""

    async def ainvoke(self, input: Any, config: Any = None, *, context: Any = None) -> Any:  # noqa: A002, ANN401 - LangGraph's names and types
        """Run the graph to its end."""


@dataclass(frozen=True, slots=True)
class Told:
    """What the client that runs a graph says about the run; the memory in the graph has to say the same.

    Args:
        store: The database.
        scope: Whose run it is, with which agent.
        thread_id: The thread it is in.
    """

    store: URL
    scope: Scope
    thread_id: str


@dataclass
class RunRecord:
    """What one run was told by its client, if it has one, and what its memory steps note for its `RunResult`."""

    told: Told | None = None
    matches: tuple[MemoryRecallResult, ...] = ()
    degraded: bool = False


_current: ContextVar[RunRecord | None] = ContextVar("agentmem_run", default=None)


@contextmanager
def recording(told: Told | None = None) -> Generator[RunRecord]:
    """A record that the memory steps called inside, in this thread, task or their children, read and write."""
    record = RunRecord(told)
    token = _current.set(record)
    try:
        yield record
    finally:
        _current.reset(token)


def current_run() -> RunRecord:
    """Return the record of the run this code is part of; one that nobody reads when a graph is run by hand."""
    return _current.get() or RunRecord()


def fingerprint(scope: Scope) -> str:
    """Whose a thread is, without naming anyone: a hash of the tenant and user, a dot, and one of the whole scope."""
    return f"{_hash(scope.tenant_id, scope.user_id)}.{_hash(scope.tenant_id, scope.user_id, scope.agent_id)}"


def key_of(given_id: str) -> str:
    """Return what a thread or a message is known by in SQL: its id may be anything a caller made up, of any length."""
    return hashlib.sha256(given_id.encode("utf-8", "surrogatepass")).hexdigest()


def _hash(*ids: str | None) -> str:
    return hashlib.sha256(json.dumps(ids).encode()).hexdigest()[:32]


class AgentRegistry:
    """Compiled graphs by tenant and agent; safe to share between threads, and between the handles of one store."""

    def __init__(self) -> None:
        self._graphs: dict[tuple[str, str], Graph] = {}
        self._handles: WeakSet[Database] = WeakSet()
        self._lock = threading.Lock()

    def enter(self, handle: Database) -> None:
        """Serve one more handle."""
        with self._lock:
            self._handles.add(handle)

    def leave(self, handle: Database) -> None:
        """Serve one handle less; after the last the graphs are forgotten, for they were built on a store now closed."""
        with self._lock:
            self._handles.discard(handle)
            if not self._handles:
                self._graphs.clear()

    def register(self, tenant_id: str, agent_id: str, graph: Graph) -> None:
        """Let `graph` answer for the agent, in place of any before it."""
        with self._lock:
            self._graphs[tenant_id, agent_id] = graph

    def get(self, tenant_id: str, agent_id: str) -> Graph:
        """Return the agent's graph.

        Raises:
            NotFoundError: No graph was registered for the agent in this process.
        """
        with self._lock:
            graph = self._graphs.get((tenant_id, agent_id))
        if graph is None:
            raise NotFoundError(
                "no graph is registered for this agent",
                field="agent_id",
                advice="call mem.agents.register(agent_id, graph)",
            )
        return graph


_registries: Final[WeakValueDictionary[URL, AgentRegistry]] = WeakValueDictionary()
_registries_lock: Final = threading.Lock()


def shared_registry(handle: Database) -> AgentRegistry:
    """The process's one registry of the database behind a handle; the handle is to `leave` it when it is closed."""
    with _registries_lock:
        registry = _registries.setdefault(handle.url, AgentRegistry())
        registry.enter(handle)
        return registry
