"""`mem.agents` and `client.agents`: registering graphs, and running them for one user."""

from __future__ import annotations

from collections.abc import Generator, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, cast
from uuid import uuid4

from agentmem import inputs
from agentmem.agents.graphs import Graph, RunRecord, recording, require_owner
from agentmem.client.twin import twin
from agentmem.errors import InvalidInputError
from agentmem.models import RunResult, Scope
from agentmem.policy import MemoryContext, RunOptions

if TYPE_CHECKING:
    from agentmem.client.house import House


class Agents:
    """The agents of one tenant."""

    def __init__(self, house: House, tenant_id: str) -> None:
        self._house = house
        self._tenant_id = tenant_id

    def register(self, agent_id: str, graph: Graph) -> None:
        """Let a compiled LangGraph graph answer for an agent, in this process.

        Every handle on the store finds it there, until the last one is closed.

        Raises:
            InvalidInputError: The id is empty or too long, the graph is not a compiled one, or the store is closed.
        """
        self._house.require_open()
        inputs.identifier("agent_id", agent_id, limit=self._house.settings.max_id_chars)
        if not callable(getattr(graph, "invoke", None)) or not callable(getattr(graph, "ainvoke", None)):
            raise InvalidInputError("graph: must be a compiled graph, like create_agent(…) or builder.compile()")
        self._house.agents.register(self._tenant_id, agent_id, graph)

    aregister = twin(register)

    def __repr__(self) -> str:
        return f"<Agents tenant_id={self._tenant_id!r}>"


class ClientAgents:
    """The tenant's agents, talking to one user."""

    def __init__(self, house: House, tenant_id: str, user_id: str) -> None:
        self._house = house
        self._tenant_id = tenant_id
        self._user_id = user_id

    def run(
        self,
        agent_id: str,
        message: str,
        *,
        options: RunOptions | None = None,
        thread_id: str | None = None,
        config: Mapping[str, Any] | None = None,
    ) -> RunResult:
        """Say something to an agent, with memory as the options allow.

        Args:
            agent_id: An agent that was registered in this process.
            message: What the user says.
            options: What this run may see; else core memory, and archival memory through the tool.
            thread_id: The thread to go on with, if the graph has a checkpointer; else a new one.
            config: LangGraph's own `RunnableConfig`, for anything else.

        Raises:
            NotFoundError: No graph was registered for the agent.
            InvalidInputError: The message is empty, the store is closed, or the thread was begun for another user;
                the graph is not run then, so nothing of the message is in the thread.
            BackendError: Memory cannot be reached and the policy says `on_failure="closed"`.
        """
        graph, call, thread = self._prepare(agent_id, message, options, thread_id, config)
        if get_state := getattr(graph, "get_state", None):
            with _threads_are_optional():
                self._require_own(get_state(_newest(call["config"])))
        with recording() as record:
            output = graph.invoke(**call)
        return _result(output, thread, record)

    async def arun(
        self,
        agent_id: str,
        message: str,
        *,
        options: RunOptions | None = None,
        thread_id: str | None = None,
        config: Mapping[str, Any] | None = None,
    ) -> RunResult:
        """Async twin of `run`, through the graph's own `ainvoke`: the same arguments, result and errors."""
        graph, call, thread = self._prepare(agent_id, message, options, thread_id, config)
        if aget_state := getattr(graph, "aget_state", None):
            with _threads_are_optional():
                self._require_own(await aget_state(_newest(call["config"])))
        with recording() as record:
            output = await graph.ainvoke(**call)
        return _result(output, thread, record)

    def __repr__(self) -> str:
        return f"<ClientAgents user_id={self._user_id!r}>"

    def _prepare(
        self,
        agent_id: str,
        message: str,
        options: RunOptions | None,
        thread_id: str | None,
        config: Mapping[str, Any] | None,
    ) -> tuple[Graph, dict[str, Any], str]:
        self._house.require_open()
        limit = self._house.settings.max_id_chars
        inputs.identifier("agent_id", agent_id, limit=limit)
        inputs.text("message", message)
        policy = _options(options).memory_policy
        graph = self._house.agents.get(self._tenant_id, agent_id)
        own = _mapping("config", config)
        configurable = _mapping("config: configurable", own.get("configurable"))
        thread = thread_id if thread_id is not None else configurable.get("thread_id", uuid4().hex)
        configurable["thread_id"] = inputs.identifier("thread_id", thread, limit=limit)
        call = {
            "input": {"messages": [{"role": "user", "content": message}]},
            "config": {**own, "configurable": configurable},
            "context": MemoryContext(user_id=self._user_id, agent_id=agent_id, memory_policy=policy),
        }
        return graph, call, thread

    def _require_own(self, snapshot: Any) -> None:  # noqa: ANN401 - LangGraph's StateSnapshot
        """Refuse a thread of another user: LangGraph stores a run's input before any node could."""
        values = snapshot.values
        begun_by = cast("dict[str, object]", values).get("memory_scope") if isinstance(values, dict) else None
        require_owner(str(begun_by or ""), Scope(self._tenant_id, self._user_id))


def _newest(config: Mapping[str, Any]) -> dict[str, Any]:
    """The thread as it stands, also where a run is to begin at a checkpoint from before it had an owner."""
    configurable = {name: value for name, value in config["configurable"].items() if name != "checkpoint_id"}
    return {**config, "configurable": configurable}


@contextmanager
def _threads_are_optional() -> Generator[None]:
    """Do without what LangGraph refuses to a graph that has no checkpointer, and so no threads."""
    try:
        yield
    except ValueError as error:
        if str(error) != "No checkpointer set":
            raise


def _options(value: object) -> RunOptions:
    if value is None:
        return RunOptions()
    if not isinstance(value, RunOptions):
        raise InvalidInputError(f"options: must be RunOptions, not {type(value).__name__}")
    return value


def _mapping(field: str, value: object) -> dict[str, Any]:
    if value is not None and not isinstance(value, Mapping):
        raise InvalidInputError(f"{field}: must be a mapping, not {type(value).__name__}")
    return dict(cast("Mapping[str, Any]", value or {}))


def _result(output: Any, thread_id: str, record: RunRecord) -> RunResult:  # noqa: ANN401 - whatever the graph returns
    state = cast("dict[str, Any]", output if isinstance(output, dict) else {})
    messages: list[Any] | None = state.get("messages")
    if messages is None:
        raise InvalidInputError("graph: its output has no messages; register a graph whose state holds them")
    said = [message for message in messages if getattr(message, "type", None) == "ai"]
    return RunResult(
        text=str(said[-1].text) if said else "",
        messages=messages,
        thread_id=thread_id,
        matches=record.matches,
        degraded=record.degraded,
    )
