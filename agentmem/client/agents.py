"""`mem.agents` and `client.agents`: what agents are configured to do, and graphs that run for one user."""

from __future__ import annotations

import asyncio
import builtins
import logging
from collections.abc import Generator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Final, cast
from uuid import UUID, uuid4

from agentmem import inputs
from agentmem.agents.graphs import Graph, RunRecord, Told, recording
from agentmem.agents.settings import AgentRecord, AgentSettings, unfolded
from agentmem.bounds import Filled, LifeDays, RecentMessages, RetentionDays
from agentmem.client.to_async import to_async
from agentmem.client.wiring import Container
from agentmem.contacts.identity import parse_source
from agentmem.display import Values
from agentmem.errors import BackendError, InvalidInputError
from agentmem.models import RunResult, Scope
from agentmem.policy import MemoryContext, MemoryPolicy, RunOptions
from agentmem.records import AgentMemories, AgentMetrics
from agentmem.transaction import Writer

_OPERATOR: Final = Writer("operator")
_log: Final = logging.getLogger(__name__)


class Agents:
    """The agents of one tenant: what they are configured to do, what they remember, and the graphs that answer.

    Each method has an async twin whose name begins with `a`.
    """

    def __init__(self, container: Container, tenant_id: str) -> None:
        self._container = container
        self._tenant_id = tenant_id

    def register(self, agent_id: Filled, graph: Graph) -> None:
        """Let a compiled LangGraph graph answer for an agent, in this process.

        Every handle on the store finds it there, until the last one is closed.

        Raises:
            InvalidInputError: The id is empty or too long, the graph is not a compiled one, or the store is closed.
        """
        self._container.require_open()
        self._id("agent_id", agent_id)
        if not callable(getattr(graph, "invoke", None)) or not callable(getattr(graph, "ainvoke", None)):
            raise InvalidInputError(
                "must be a compiled graph, like create_agent(…) or builder.compile()", field="graph"
            )
        self._container.agents.register(self._tenant_id, agent_id, graph)

    def configure(
        self,
        agent_id: Filled,
        document: Mapping[str, object] | None = None,
        *,
        version: Filled | None = None,
        memory_enabled: bool | None = None,
        memory_retention_days: RetentionDays | None = None,
        recent_messages: RecentMessages | None = None,
        state_keys: Mapping[Filled, LifeDays | None] | Sequence[Filled] | None = None,
        identifier_source: str | None = None,
        identifier_blacklist: Sequence[Filled] | None = None,
        analytics_enabled: bool | None = None,
    ) -> AgentSettings:
        """Change what is configured for an agent; what is not given stays as it is.

            >>> mem.agents.configure("support", memory_enabled=True, state_keys={"booking_day": 30}).state_keys
            {'booking_day': 30}
            >>> mem.agents.configure("support", {"memory": {"repeat_caller": {"analytics_enabled": True}}}).state_keys
            {'booking_day': 30}

        A change counts at once, for what is there too.

        Args:
            agent_id: The agent; one not known yet becomes known.
            document: Settings in PolyAI's form, `{"memory": {"repeat_caller": {…}}}`; having it turns memory on.
            version: The version of the agent that this is for, which has the agent's settings but for these.
            memory_enabled: Whether it remembers anyone; False at first.
            memory_retention_days: How long what it keeps of a caller is there, 0 for no end; 90 at first. It is one for
                all versions.
            recent_messages: How many of the newest messages its memory of a contact shows, 0 to 1,000; 20 at first.
            state_keys: The keys of `conv.state` that are kept at the end, with the days that each lives, or `None`.
            identifier_source: What a caller is known by first: `sip_header:<name>`, `integration_attribute:<name>` or
                `state:<key>`; `""` for nothing but the usual.
            identifier_blacklist: Beginnings of identifiers that do not count, such as those of test numbers.
            analytics_enabled: Whether a returning caller's first conversation is in `conv.memory` and in `metrics`.

        Returns:
            The settings as they are now.

        Raises:
            InvalidInputError: A setting is not known, or breaks a rule above.
        """
        given: dict[str, object] = {
            "memory_enabled": memory_enabled,
            "memory_retention_days": memory_retention_days,
            "recent_messages": recent_messages,
            "state_keys": state_keys,
            "identifier_source": identifier_source,
            "identifier_blacklist": identifier_blacklist,
            "analytics_enabled": analytics_enabled,
        }
        patch = {} if document is None else unfolded(document)
        patch |= {name: value for name, value in given.items() if value is not None}
        if source := patch.get("identifier_source"):
            parse_source(source)
        return self._container.agent_settings.configure(
            self._tenant_id,
            self._id("agent_id", agent_id),
            None if version is None else self._id("version", version),
            patch,
        )

    def update(
        self, id: Filled, *, memory_enabled: bool | None = None, memory_retention_days: RetentionDays | None = None
    ) -> AgentSettings:
        """Turn an agent's memory on or off, or say how long it lasts: Speechify's words for `configure`.

        Args:
            id: The agent; one not known yet becomes known.
            memory_enabled: Whether it remembers anyone.
            memory_retention_days: How long what it keeps of a caller is there, 0 for no end.

        Raises:
            InvalidInputError: An argument breaks a rule.
        """
        return self.configure(id, memory_enabled=memory_enabled, memory_retention_days=memory_retention_days)

    def get(self, agent_id: Filled, *, version: Filled | None = None) -> AgentSettings:
        """Return the settings of an agent, or of one version of it; a version that was not configured has the agent's.

        Args:
            agent_id: The agent.
            version: One version of it.

        Raises:
            NotFoundError: The agent was never configured.
        """
        self._id("agent_id", agent_id)
        if version is not None:
            self._id("version", version)
        with self._container.transactions.read() as snapshot:
            return self._container.agent_settings.get(snapshot.session, self._tenant_id, agent_id, version)

    def list(self) -> builtins.list[AgentRecord]:
        """Return every agent that was configured, each followed by its versions, by code point."""
        return Values(self._container.agent_settings.list(self._tenant_id))

    def metrics(self, id: Filled) -> AgentMetrics:
        """Count who came back to an agent, and what became of their calls, within its retention.

        Nothing is counted for an agent, or a version, without `analytics_enabled`.

        Args:
            id: The agent.

        Raises:
            NotFoundError: The agent was never configured.
        """
        return self._container.metrics.of(self._tenant_id, self._id("id", id))

    def list_memories(self, id: Filled) -> AgentMemories:
        """Return what an agent remembers of all its callers, the newest first, at most 500.

        Args:
            id: The agent.
        """
        return self._container.records.memories(self._tenant_id, self._id("id", id))

    def delete_memories_by_caller(self, id: Filled, *, caller_identity: Filled, agent_id: Filled | None = None) -> None:
        """Delete everything that an agent knows of one caller; nothing happens when it knows nothing.

        Args:
            id: The agent.
            caller_identity: The caller.
            agent_id: The agent once more, as Speechify's call has it.

        Raises:
            InvalidInputError: An id is empty or too long, or the two name different agents.
        """
        self._id("id", id)
        self._id("caller_identity", caller_identity)
        if agent_id is not None and self._id("agent_id", agent_id) != id:
            raise InvalidInputError(
                "it is the agent's id, and both were given and differ", field="agent_id", advice="give one of them"
            )
        self._container.forgetting.reset(Scope(self._tenant_id, caller_identity, id), writer=_OPERATOR)

    aregister = to_async(register)
    aconfigure = to_async(configure)
    aupdate = to_async(update)
    aget = to_async(get)
    alist = to_async(list)  # noqa: A003 - the method of this class
    ametrics = to_async(metrics)
    alist_memories = to_async(list_memories)
    adelete_memories_by_caller = to_async(delete_memories_by_caller)

    def __repr__(self) -> str:
        return f"<Agents tenant_id={self._tenant_id!r}>"

    def _id(self, field: str, value: str) -> str:
        return inputs.identifier(field, value, limit=self._container.settings.max_id_chars)


class ClientAgents:
    """The tenant's agents, talking to one user."""

    def __init__(self, container: Container, tenant_id: str, user_id: str) -> None:
        self._container = container
        self._tenant_id = tenant_id
        self._user_id = user_id

    def run(
        self,
        agent_id: Filled,
        message: Filled,
        *,
        options: RunOptions | None = None,
        thread_id: Filled | None = None,
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
                the graph is not run then, so nothing of the message is in the thread. Or the memory in the graph is of
                another store, tenant, user or agent than this client and `agent_id`.
            BackendError: Memory cannot be reached and the policy says `on_failure="closed"`, or nothing says whose the
                thread is.
        """
        call = self._prepare(agent_id, message, options, thread_id, config)
        with recording(call.told) as record:
            is_own = self._find(call, record)
            get_state = getattr(call.graph, "get_state", None)
            if not is_own and get_state:
                with _threads_are_optional():
                    self._claim(call, record, get_state(call.newest), is_free=is_own is False)
            output = call.graph.invoke(**call.arguments)
        return _result(output, call.told.thread_id, record)

    async def arun(
        self,
        agent_id: Filled,
        message: Filled,
        *,
        options: RunOptions | None = None,
        thread_id: Filled | None = None,
        config: Mapping[str, Any] | None = None,
    ) -> RunResult:
        """Async twin of `run`, through the graph's own `ainvoke`: the same arguments, result and errors."""
        call = self._prepare(agent_id, message, options, thread_id, config)
        with recording(call.told) as record:
            is_own = await asyncio.to_thread(self._find, call, record)
            aget_state = getattr(call.graph, "aget_state", None)
            if not is_own and aget_state:
                with _threads_are_optional():
                    state = await aget_state(call.newest)
                    await asyncio.to_thread(self._claim, call, record, state, is_free=is_own is False)
            output = await call.graph.ainvoke(**call.arguments)
        return _result(output, call.told.thread_id, record)

    def __repr__(self) -> str:
        return f"<ClientAgents user_id={self._user_id!r}>"

    def _prepare(
        self,
        agent_id: Filled,
        message: Filled,
        options: RunOptions | None,
        thread_id: Filled | None,
        config: Mapping[str, Any] | None,
    ) -> _GraphCall:
        self._container.require_open()
        limit = self._container.settings.max_id_chars
        inputs.identifier("agent_id", agent_id, limit=limit)
        inputs.text("message", message)
        policy = _options(options).memory_policy
        graph = self._container.agents.get(self._tenant_id, agent_id)
        own = _mapping("config", config)
        configurable = _mapping("config: configurable", own.get("configurable"))
        given = thread_id if thread_id is not None else _as_text(configurable.get("thread_id", uuid4().hex))
        configurable["thread_id"] = thread = inputs.identifier("thread_id", given, limit=limit)
        arguments = {
            "input": {"messages": [{"role": "user", "content": message}]},
            "config": {**own, "configurable": configurable},
            "context": MemoryContext(user_id=self._user_id, agent_id=agent_id, memory_policy=policy),
        }
        scope = Scope(self._tenant_id, self._user_id, agent_id)
        return _GraphCall(graph, arguments, Told(self._container.database.url, scope, thread), policy)

    def _find(self, call: _GraphCall, record: RunRecord) -> bool | None:
        """Whether the thread is the user's; False where it is nobody's, `None` where that cannot be found out."""
        try:
            return self._container.threads.find(call.told.scope, call.told.thread_id) is not None
        except BackendError:
            if call.policy.on_failure == "closed":
                raise
            record.degraded = True
            return None

    def _claim(self, call: _GraphCall, record: RunRecord, snapshot: Any, *, is_free: bool) -> None:  # noqa: ANN401 - LangGraph's StateSnapshot
        """Make the thread the user's before LangGraph stores anything in it; no node could do it in time.

        One from before threads had rows is whose its state says. Where memory is
        out of reach, a thread may be gone on with if its state says that it is
        the user's, or if there is none.
        """
        values = snapshot.values
        stated = cast("dict[str, object]", values).get("memory_scope") if isinstance(values, dict) else None
        begun_by = str(stated or "")
        threads, told = self._container.threads, call.told
        threads.require_begun(begun_by, told.scope, agent=False)
        if not is_free and values and not begun_by:
            raise BackendError("memory is out of reach, and nothing else says whose this thread is", field="thread_id")
        try:
            threads.claim(told.scope, told.thread_id)
        except BackendError as error:
            if call.policy.on_failure == "closed":
                raise
            _log.warning("a thread was not bound to its user: %s", error)
            record.degraded = True


@dataclass(frozen=True, slots=True)
class _GraphCall:
    """One run that is to be: of which graph, with what, and what its client says about it."""

    graph: Graph
    arguments: dict[str, Any]
    told: Told
    policy: MemoryPolicy

    @property
    def newest(self) -> dict[str, Any]:
        """The thread as it stands, also where the run is to begin at a checkpoint from before it had an owner."""
        config = self.arguments["config"]
        configurable = {name: value for name, value in config["configurable"].items() if name != "checkpoint_id"}
        return {**config, "configurable": configurable}


def _as_text(thread_id: object) -> object:
    """Return a UUID as LangGraph takes it, which makes text of it too."""
    return str(thread_id) if isinstance(thread_id, UUID) else thread_id


@contextmanager
def _threads_are_optional() -> Generator[None]:
    """Do without what LangGraph refuses to a graph that has no checkpointer, and so no threads.

    It says so in the words of a ValueError alone: which checkpointer counts, the graph's own or one that is lent to it
    by the graph around it, only a private method of it tells.
    """
    try:
        yield
    except ValueError as error:
        if str(error) != "No checkpointer set":
            raise


def _options(value: object) -> RunOptions:
    if value is None:
        return RunOptions()
    if not isinstance(value, RunOptions):
        raise InvalidInputError(f"must be RunOptions, not {type(value).__name__}", field="options")
    return value


def _mapping(field: str, value: object) -> dict[str, Any]:
    if value is not None and not isinstance(value, Mapping):
        raise InvalidInputError(f"must be a mapping, not {type(value).__name__}", field=field)
    return dict(cast("Mapping[str, Any]", value or {}))


def _result(output: Any, thread_id: str, record: RunRecord) -> RunResult:  # noqa: ANN401 - whatever the graph returns
    state = cast("dict[str, Any]", output if isinstance(output, dict) else {})
    messages: list[Any] | None = state.get("messages")
    if messages is None:
        raise InvalidInputError(
            "its output has no messages", field="graph", advice="register a graph whose state holds them"
        )
    said = [message for message in messages if getattr(message, "type", None) == "ai"]
    return RunResult(
        text=str(said[-1].text) if said else "",
        messages=messages,
        thread_id=thread_id,
        matches=record.matches,
        degraded=record.degraded,
    )
