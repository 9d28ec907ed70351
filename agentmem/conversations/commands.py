"""What goes into the steps of a conversation, and what comes out of them: frozen values."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from agentmem.conversations.kept_state import StateChanges

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from datetime import datetime

    from agentmem.agents.settings import AgentSettings
    from agentmem.conversations.callers import Caller
    from agentmem.conversations.mappings import State
    from agentmem.models import Scope
    from agentmem.records import Json, Role, Status


@dataclass(frozen=True, slots=True)
class Opening:
    """What a conversation begins with."""

    agent_id: str
    version: str | None
    channel: str
    thread_id: str | None
    caller: Caller


@dataclass(frozen=True, slots=True)
class NewMessage:
    """One message, and when it was said; `external_id` is the id it has elsewhere."""

    role: Role
    content: str
    at: datetime
    external_id: str | None = None


@dataclass(frozen=True, slots=True)
class Addition:
    """What is added to a conversation in one step.

    Args:
        said: What was said, in order.
        state: What was noted.
        caller: What it says of who it is with, which counts while nobody is known.
        new_turn: Whether memory is read afresh.
    """

    said: Sequence[NewMessage] = ()
    state: StateChanges = field(default_factory=StateChanges)
    caller: Caller | None = None
    new_turn: bool = False


@dataclass(frozen=True, slots=True)
class Ending:
    """How a conversation ends.

    Args:
        status: `ended`; or `failed`, and then nothing of the state is kept.
        state: What was noted last; what is not under the agent's `state_keys` by then does not count.
        said: Messages that were not stored before, because nobody knew whose they are.
        caller: What it says of who it is with, which counts while nobody is known.
        deferred: Whether its transcript is left for later, maybe to a process that has a model where this one has none.
    """

    status: Status = "ended"
    state: StateChanges = field(default_factory=StateChanges)
    said: Sequence[NewMessage] = ()
    caller: Caller | None = None
    deferred: bool = False


@dataclass(frozen=True, slots=True)
class TurnMemory:
    """Where a conversation stands after a step.

    Args:
        caller_identity: Who it is with; `""` while that is not known.
        fields: What `conv.memory` shows in this turn; None where the turn goes on as it was.
        state: What is kept with its row by now; None where nothing is.
    """

    caller_identity: str
    fields: Mapping[str, Json] | None = None
    state: Mapping[str, Json] | None = None


@dataclass(frozen=True, slots=True)
class Begun:
    """A conversation that can be gone on with, and the state it begins with."""

    id: str
    agent_id: str
    version: str | None
    channel: str
    thread_id: str | None
    settings: AgentSettings
    state: State
    turn: TurnMemory


@dataclass(frozen=True, slots=True)
class MemoryInUse:
    """Whose memory a conversation reads, None where nothing is remembered, and the lines its prompts were given."""

    scope: Scope | None
    shown: frozenset[str]


@dataclass(frozen=True, slots=True)
class Rules:
    """What the settings of the store say about conversations.

    Args:
        max_value_bytes: The most bytes of one, as JSON.
        max_id_chars: The most characters of an id.
        reads_transcripts: Whether there is a model that reads what was said.
    """

    max_value_bytes: int
    max_id_chars: int
    reads_transcripts: bool
