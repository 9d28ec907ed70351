"""Whose memory a run works with, under which policy, and what happens when memory cannot be reached."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from typing import TYPE_CHECKING, Any, Final, Protocol, TypeVar, cast
from weakref import WeakKeyDictionary

from langchain.tools import ToolRuntime
from langchain_core.messages import AnyMessage
from langgraph.runtime import Runtime
from pydantic import ValidationError

import agentmem
from agentmem import deadline, inputs
from agentmem.agents.graphs import current_run, fingerprint, key_of
from agentmem.errors import BackendError, InvalidInputError, NotFoundError
from agentmem.langgraph.messages import messages_of, without
from agentmem.langgraph.threads import Left, RefusedError, behind, enter
from agentmem.models import MemoryBlock, MemoryRecallResult, Scope
from agentmem.policy import MemoryContext, MemoryPolicy

if TYPE_CHECKING:
    from agentmem.client.conversation import Conversation
    from agentmem.client.store import AgentMem, Client

T = TypeVar("T")


class OpenedStore(Protocol):
    """What `agentmem.open` returns, named without what it takes to import that."""

    @property
    def tenant_id(self) -> str:
        """The tenant that it is seen from."""
        ...


Store = OpenedStore | Callable[[], OpenedStore]
"""A store, or a function that opens it when it is first needed; every part that is given the function shares it."""

AnyRuntime = Runtime[Any] | ToolRuntime[Any, Any]
ContextAdapter = Callable[[AnyRuntime], MemoryContext | Mapping[str, Any]]
"""Makes a MemoryContext of the run context an application has of its own."""

NOT_THEIRS: Final = "Not done: somebody else answered for the user. Ask the user again if it is still wanted."
"""What stands in a thread for what somebody else had a tool do, or answered in its place."""

_log: Final = logging.getLogger(__name__)


class UnavailableError(Exception):
    """Memory could not be reached, and the policy lets the run go on without it."""


@dataclass(frozen=True, slots=True)
class Run:
    """One run of an agent: whose memory it reads and writes, under which policy, in which thread.

    `left` is what others left in the thread.
    """

    scope: Scope
    policy: MemoryPolicy
    client: Client
    mem: AgentMem
    thread_id: str | None
    left: Left = field(default_factory=Left)

    @property
    def fingerprint(self) -> str:
        """What tells whose thread this is without naming anyone."""
        return fingerprint(self.scope)

    def messages(self, state: object) -> list[AnyMessage]:
        """Return the messages of a state, without those that others left in the thread."""
        return self.own(messages_of(state))

    def own(self, messages: Sequence[AnyMessage]) -> list[AnyMessage]:
        """Return the messages that no other left in the thread."""
        return without(messages, self.left.messages, NOT_THEIRS) if self.left.messages else list(messages)

    def may_call(self, call_id: str | None) -> bool:
        """Return whether no other approved a call of a tool."""
        return call_id is None or key_of(call_id) not in self.left.calls

    def bound(self) -> dict[str, Any]:
        """Return what a step writes to the state: whose the thread is."""
        return {"memory_scope": self.fingerprint}

    def core_blocks(self) -> list[MemoryBlock]:
        """Return the blocks that the policy puts into the prompt, in their order there.

        Raises:
            UnavailableError: They could not be read.
        """
        policy, agent_id = self.policy, self.scope.agent_id
        wanted = {"user": policy.include_user_core, "agent": policy.include_agent_core and agent_id is not None}
        if not any(wanted.values()):
            return []
        blocks = self.attempt(lambda: self.client.memory.list_core(agent_id=agent_id))
        return [block for block in blocks if wanted[block.scope]]

    def recall(self, query: str, limit: int, *, asked: bool) -> list[MemoryRecallResult]:
        """Return what archival memory holds about a query that is not blank.

        Args:
            query: The query.
            limit: How many matches at most.
            asked: Whether the model asks. What it is shown unasked is trusted lines only.

        Raises:
            UnavailableError: It could not be asked.
        """
        memory = self.client.memory
        ask = partial(
            memory.recall if asked else memory.recall_trusted,
            query,
            agent_id=self.scope.agent_id,
            limit=limit,
            min_score=self.policy.archival_min_score,
        )

        def answered() -> list[MemoryRecallResult]:
            try:
                return deadline.call(ask, self.policy.timeout)
            except TimeoutError as error:
                raise BackendError("no answer within the policy's timeout", field="memory", code="timed_out") from error
            except InvalidInputError as error:
                if error.code == "store_closed":  # neither the model's mistake nor memory out of reach
                    raise
                # Query and limits are sound, so it is the store that is not: its vectors are another model's.
                raise BackendError.of(error) from error

        return self.attempt(answered)

    def conversation(self, conversation_id: str) -> Conversation | None:
        """Return a conversation, to go on with it; `None` when it is over.

        Raises:
            InvalidInputError: It is another user's or agent's.
        """
        try:
            conversation = self.mem.conversations.resume(conversation_id)
        except (NotFoundError, InvalidInputError) as error:
            if error.code == "store_closed":
                raise
            return None
        self._require_own(conversation)
        return conversation

    def _require_own(self, conversation: Conversation) -> None:
        """Raise InvalidInputError on a conversation with another user or agent, as on their threads."""
        caller = conversation.caller_identity
        user_id = self.scope.user_id if self._is_user(caller) else caller
        begun_by = fingerprint(Scope(self.scope.tenant_id, user_id, conversation.agent_id))
        try:
            behind(self.mem).threads.require_begun(begun_by, self.scope, agent=True)
        except InvalidInputError as error:
            raise RefusedError.of(error) from None

    def _is_user(self, caller: str) -> bool:
        """Return whether a caller may be this run's user: by that id, by the one of a merge, or anonymous (`""`)."""
        if caller in {"", self.scope.user_id}:
            return True
        try:
            return self.mem.contacts.get(self.scope.user_id).id == caller
        except NotFoundError:
            return False

    def attempt(self, work: Callable[[], T]) -> T:
        """Return the outcome of work on memory.

        Raises:
            UnavailableError: Memory failed, and the policy lets the run go on. It is noted in the run's record.
            BackendError: Memory failed, and the policy is `on_failure="closed"`.
        """
        try:
            return work()
        except BackendError as error:
            if self.policy.on_failure == "closed":
                raise
            _log.warning("the agent goes on without memory: %s", error)
            current_run().degraded = True
            raise UnavailableError from error


@dataclass(frozen=True, slots=True)
class Binding:
    """What a node, hook or tool was built with, to find out about each run.

    Args:
        mem: The store, or a function that opens it when it is first needed.
        agent_id: The agent, whatever the run's context says; `None` leaves it to the context.
        context: Makes a `MemoryContext` of the application's own run context.

    Raises:
        InvalidInputError: `mem` is neither, or the agent is blank.
    """

    mem: Store
    agent_id: str | None = None
    context: ContextAdapter | None = None

    def __post_init__(self) -> None:
        if not callable(self.mem):
            _checked_store(self.mem)
        if self.agent_id is not None:
            inputs.text("agent_id", self.agent_id)

    def run(self, state: object, runtime: AnyRuntime) -> Run:
        """Return the run that a state and a runtime belong to.

        Raises:
            InvalidInputError: The run has no sound memory context, says another than its client, or is in a thread that
                another scope began.
            BackendError: Whose the thread is cannot be found out.
        """
        context = self._context(runtime)
        mem = _opened(self.mem)
        user_id = inputs.text("user_id", context.user_id)
        agent_id = self.agent_id or context.agent_id
        if agent_id is not None:
            inputs.identifier("agent_id", agent_id, limit=mem.settings.max_id_chars)
        run = Run(
            scope=Scope(mem.tenant_id, user_id, agent_id),
            policy=context.memory_policy,
            client=mem.client(user_id=user_id, actor="assistant", respect_read_only=True),
            mem=mem,
            thread_id=_thread_id(runtime),
        )
        return replace(run, left=enter(run, state, runtime))

    def _context(self, runtime: AnyRuntime) -> MemoryContext:
        given: object = self.context(runtime) if self.context else runtime.context
        # Context comes from the client on a server; who it authenticated does not.
        caller = runtime.server_info.user if runtime.server_info else None
        trusted = {"user_id": caller.identity} if caller and caller.identity else {}
        if isinstance(given, MemoryContext):
            return given.model_copy(update=trusted)
        if isinstance(given, Mapping) or (given is None and trusted):
            return _coerced({**(given or {}), **trusted})
        if self.context:
            raise InvalidInputError(
                f"your function returned a {type(given).__name__}",
                field="context",
                advice="return a MemoryContext, or a dict of one",
            )
        if given is None:
            raise InvalidInputError(
                "this run has none, so nobody's memory can be used",
                field="context",
                advice="pass context=MemoryContext(user_id=…) beside the input",
            )
        raise InvalidInputError(
            f"a {type(given).__name__} does not say whose memory to use",
            field="context",
            advice="pass a MemoryContext, or give context=lambda runtime: MemoryContext(…) where the memory "
            "is added to the graph",
        )


_stores: Final[WeakKeyDictionary[Callable[[], OpenedStore], AgentMem]] = WeakKeyDictionary()
_opening: Final = threading.RLock()


def _opened(mem: Store) -> AgentMem:
    """Return the store; a function that opens it is called once, whichever parts of whichever graphs were given it."""
    if not callable(mem):
        return cast("AgentMem", mem)
    if (store := _stores.get(mem)) is not None:
        return store
    with _opening:
        if mem not in _stores:
            _stores[mem] = _checked_store(mem())
        return _stores[mem]


def _checked_store(given: object) -> AgentMem:
    if not isinstance(given, agentmem.AgentMem):
        raise InvalidInputError(
            f"must be what agentmem.open returns, or a function that returns it, not {type(given).__name__}",
            field="mem",
        )
    return given


def _coerced(given: Mapping[str, object]) -> MemoryContext:
    try:
        return MemoryContext.model_validate(given)
    except ValidationError as error:
        raise InvalidInputError(broken_rules(error), field="context") from None


def broken_rules(error: ValidationError) -> str:
    """Return what pydantic refused, field by field, without the values."""
    found = error.errors(include_input=False, include_url=False, include_context=False)
    return "; ".join(f"{'.'.join(map(str, one['loc']))}: {one['msg']}" for one in found)


def _thread_id(runtime: AnyRuntime) -> str | None:
    # A configurable may be anything, a UUID for one; checkpointers make text of it too.
    about = runtime.execution_info
    return None if about is None or about.thread_id is None else str(about.thread_id)
