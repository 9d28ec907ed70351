"""Whether a run may be in its thread: whose that is, what others left in it, and what the client of the run says."""

from __future__ import annotations

import logging
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final
from uuid import uuid4

from langgraph.config import get_config
from langgraph.errors import GraphBubbleUp

from agentmem.agents.graphs import ForeignThreadError, current_run, key_of
from agentmem.agents.ledger import RefusedRun, SortedOut
from agentmem.errors import BackendError, InvalidInputError
from agentmem.langgraph.messages import channel, digest, is_said, key, messages_of, turn_beginning, turn_position

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from langchain_core.messages import BaseMessage

    from agentmem.agents.graphs import Told
    from agentmem.agents.ledger import KnownMessages
    from agentmem.client.store import AgentMem
    from agentmem.client.wiring import Container
    from agentmem.langgraph.run import AnyRuntime, Run

# LangGraph tells these to its own subgraphs, and in no public way.
_CHECKPOINTER: Final = "__pregel_checkpointer"
_RESUMING: Final = "__pregel_resuming"
_NESTED: Final = "|"

_log: Final = logging.getLogger(__name__)


class RefusedError(InvalidInputError, GraphBubbleUp):
    """A run that may not go on: no tool node, retry or error handler makes anything else of it."""


def behind(mem: AgentMem) -> Container:
    """Return the parts behind a handle."""
    return mem._container  # noqa: SLF001  # pyright: ignore[reportPrivateUsage] # what agents run on is no part of the API


@dataclass(frozen=True, slots=True)
class Left:
    """What others left in a thread.

    Args:
        messages: The keys of the messages in the state that are theirs.
        calls: The hashes of the tool calls that they approved, among other hashes.
    """

    messages: frozenset[str] = frozenset()
    calls: frozenset[str] = frozenset()


def enter(run: Run, state: object, runtime: AnyRuntime) -> Left:
    """Make sure that a run agrees with its client and is in a thread of its own, which is its user's from now on.

    So are its messages, but for those that others left in it. Where memory is
    out of reach and the policy is `on_failure="open"`, the run goes on if the
    state says that the thread is its own, or holds nothing of anyone else.

    Returns:
        What others left in the thread.

    Raises:
        RefusedError: It does not agree, or the thread is someone else's.
        BackendError: Whose the thread is cannot be found out.
    """
    try:
        told = current_run().told
        if told is not None:
            _require_agreement(run, told, runtime)
        known = _own(run, state)
        return Left() if known is None else _looked_at(run, known, messages_of(state))
    except ForeignThreadError as error:
        _note_left_behind(run, state, getattr(runtime, "tool_call_id", None))
        raise RefusedError.of(error) from None
    except InvalidInputError as error:
        raise RefusedError.of(error) from None


def note_answer(run: Run, messages: Sequence[BaseMessage]) -> None:
    """Note what a model answered as the user's own: they may be the next to speak, or somebody else.

    It is given the id here that a state would give it.
    """
    for message in messages:
        message.id = message.id or str(uuid4())
    if run.thread_id is not None and notes_answers(run):
        _note(run, run.thread_id, SortedOut([digest(message) for message in messages], (), is_settled=False))


def notes_answers(run: Run) -> bool:
    """Return whether an answer is noted: where a thread is kept."""
    return run.thread_id is not None and _keeps_threads()


def _own(run: Run, state: object) -> KnownMessages | None:
    """Return what is known of a run's own thread; `None` where nothing can be."""
    begun_by = str(channel(state, "memory_scope", ""))
    threads = behind(run.mem).threads
    try:
        found = None if run.thread_id is None else threads.find(run.scope, run.thread_id)
        threads.require_begun(begun_by, run.scope, agent=True)
    except BackendError:
        if run.policy.on_failure == "closed" or not _is_harmless(run, begun_by, state):
            raise
        current_run().degraded = True
        return None
    if found is not None or run.thread_id is None or not _keeps_threads():
        return found
    try:
        return threads.claim(run.scope, run.thread_id)
    except BackendError as error:  # nobody began it, so the run would be in nobody else's
        _go_on(run, error, "a thread was not bound to its user")
        return None


def _looked_at(run: Run, known: KnownMessages, messages: Sequence[BaseMessage]) -> Left:
    """Note which messages of its state a step sees for the first time, and tell those of others."""
    digests = [digest(message) for message in messages]
    sorted_out = known.sort_out(digests, _said(messages, digests), is_resumed=_is_resumed())
    if sorted_out and run.thread_id is not None and _keeps_threads():
        _note(run, run.thread_id, sorted_out)
    left = known.left(digests).union(sorted_out.foreign)
    theirs = (key(message) for message, one in zip(messages, digests, strict=True) if one in left)
    return Left(frozenset(theirs), known.refused)


def _note(run: Run, thread_id: str, sorted_out: SortedOut) -> None:
    try:
        behind(run.mem).threads.note(thread_id, sorted_out)
    except BackendError as error:
        _go_on(run, error, "it was not noted whose the messages of a thread are")


def _go_on(run: Run, error: BackendError, what: str) -> None:
    """Go on without what memory could not do, if the policy lets the run."""
    if run.policy.on_failure == "closed":
        raise error
    _log.warning("%s: %s", what, error)
    current_run().degraded = True


def _is_harmless(run: Run, begun_by: str, state: object) -> bool:
    """Whether a run may go on though nobody knows whose its thread is: it is its own, or there is nothing in it."""
    return begun_by == run.fingerprint or (not begun_by and len(messages_of(state)) <= 1)


def _keeps_threads() -> bool:
    """Return whether there is a checkpointer; yes where LangGraph does not tell."""
    return _configurable().get(_CHECKPOINTER, True) is not None


def _configurable() -> Mapping[str, Any]:
    try:
        return get_config().get("configurable", {})
    except RuntimeError:  # outside of a graph
        return {}


def _note_left_behind(run: Run, state: object, call_id: str | None) -> None:
    """Note what a run that was refused left in the thread: LangGraph stored it before anyone could look.

    That is what memory never saw in a run of the thread's own user. So is what other parts of a graph answered after
    memory's last look: it cannot be told from the rest. There may be more of it in the thread than this part of the
    graph is shown, so until its user's next turn what is unknown is left out, but for what they say in that. A tool
    that the run came to after its first step was approved in it: its call is noted, too. In the first step it is a tool
    that waits for an answer, which its owner may still give.
    """
    if run.thread_id is None:
        return
    messages, is_resumed = messages_of(state), _is_resumed()
    digests = [digest(message) for message in messages]
    is_asked = not is_resumed and turn_position(messages) is not None
    refused = RefusedRun(
        digests=digests,
        turn=digests[turn_beginning(messages) :] if is_asked else (),
        calls=[key_of(call_id)] if call_id is not None and not is_resumed else (),
    )
    try:
        behind(run.mem).threads.refuse(run.thread_id, refused)
    except BackendError as error:
        _log.warning("what a refused run left in a thread was not noted: %s", error)


def _said(messages: Sequence[BaseMessage], digests: Sequence[str]) -> frozenset[str]:
    return frozenset(one for message, one in zip(messages, digests, strict=True) if is_said(message))


def _is_resumed() -> bool:
    """Return whether a step is among the first of a run that goes on with an earlier one."""
    return bool(_configurable().get(_RESUMING))


def _require_agreement(run: Run, told: Told, runtime: AnyRuntime) -> None:
    """Compare what the graph's memory was built with, and the run's context, with what the client says."""
    container, scope = behind(run.mem), told.scope
    if container.database.url != told.store:
        raise InvalidInputError(
            "this graph was built on another store than the client's that runs it",
            field="mem",
            advice="build it on the client's",
        )
    if run.scope.tenant_id != scope.tenant_id:
        raise InvalidInputError(
            "this graph was built on another tenant's memory than the client's that runs it",
            field="tenant_id",
            advice="build one for each tenant, on mem.tenant(…), and register it there",
        )
    if not container.threads.is_one_person(scope.tenant_id, run.scope.user_id, scope.user_id):
        raise InvalidInputError(
            "the run's context, or who was authenticated, is another user than the client that runs it",
            field="user_id",
            advice="take mem.client(user_id) of that user, or leave the user to the client",
        )
    agent_id = run.scope.agent_id
    if agent_id not in {None, scope.agent_id} and _is_outermost(run, told, runtime):
        raise InvalidInputError(
            "this graph's memory is another agent's than the one it is registered and run as",
            field="agent_id",
            advice="register it as that agent, or leave the agent_id out where the memory is added",
        )


def _is_outermost(run: Run, told: Told, runtime: AnyRuntime) -> bool:
    """Return whether a step is one of the registered graph's own; an agent inside it may be another one."""
    about = runtime.execution_info
    return run.thread_id == told.thread_id and (about is None or _NESTED not in about.checkpoint_ns)
