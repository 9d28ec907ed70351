"""The values that cross agentmem's public surface: frozen, self-describing, free of any store."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import ClassVar, Literal

from pydantic import with_config

from agentmem.bounds import Filled, Fraction
from agentmem.display import Shown

ScopeName = Literal["user", "agent"]
ScopeFilter = Literal["user", "agent", "all"]
Source = Literal["user", "assistant", "tool", "extractor", "operator"]
Action = Literal["created", "updated", "appended", "replaced", "deleted"]
Engine = str
"""Who answers a search: `scan`, `chroma`, or the `name` of an index that was given to `open`."""


@dataclass(frozen=True, slots=True)
class Scope:
    """Whose memory: one user of one tenant, alone or together with one agent.

    Every store takes a scope as its first argument, so nothing can be read or
    written without a tenant and a user.

    Args:
        tenant_id: The account the memory belongs to.
        user_id: The person the agent talks to.
        agent_id: The agent whose own memory this is; `None` for what all of the user's agents share.
    """

    tenant_id: str
    user_id: str
    agent_id: str | None = None

    def __post_init__(self) -> None:
        if not self.tenant_id or not self.user_id or self.agent_id == "":
            msg = "a scope needs a tenant_id and a user_id, and an agent_id that is None or not empty"
            raise ValueError(msg)

    @property
    def name(self) -> ScopeName:
        """`"user"` or `"agent"`."""
        return "user" if self.agent_id is None else "agent"

    @property
    def user(self) -> Scope:
        """The user scope of the same user."""
        return Scope(self.tenant_id, self.user_id)


@with_config(extra="forbid")
@dataclass(frozen=True, slots=True)
class Line:
    """One archival memory to be written, with what is known about where it comes from.

    A field left at `None` takes the value given to `remember` for the whole call.

    Args:
        content: The text; every line of it becomes a memory of its own.
        speaker: Who said it.
        occurred_at: When it happened, an aware datetime or an ISO string with a zone.
        conversation_id: The conversation it was said in.
        source: Who it comes from: `user`, `assistant`, `tool`, `extractor` or `operator`.
        confidence: How sure it is, 0 to 1; below 0.5 it is stored and listed, but not recalled.

    >>> Line("I moved to Oslo", speaker="Ada").speaker
    'Ada'
    """

    content: Filled
    speaker: Filled | None = None
    occurred_at: datetime | str | None = None
    conversation_id: Filled | None = None
    source: Source | None = None
    confidence: Fraction | None = None


@dataclass(frozen=True, slots=True)
class MemoryBlock(Shown):
    """One versioned text: `core`, a block of your own, or `archival` with its lines joined by newlines.

    `updated_at` names the version: hand it back as `expected_updated_at` to
    replace exactly what you read. All times are aware and in UTC.
    """

    _columns: ClassVar[tuple[str, ...]] = (
        "block_type",
        "scope",
        "agent_id",
        "content",
        "description",
        "read_only",
        "version",
        "updated_at",
    )

    id: str
    block_type: str
    content: str
    scope: ScopeName
    agent_id: str | None
    description: str
    read_only: bool
    version: int
    created_at: datetime
    updated_at: datetime


@dataclass(frozen=True, slots=True)
class BlockVersion(Shown):
    """One entry of a block's history: when, by whom, and what it said then.

    The texts of a block that was deleted are gone, so its entries up to the
    deletion have an empty `content`.
    """

    _columns: ClassVar[tuple[str, ...]] = ("version", "action", "actor", "created_at", "content")

    version: int
    action: Action
    actor: str
    content: str
    description: str
    read_only: bool
    created_at: datetime


@dataclass(frozen=True, slots=True)
class ArchivalLine(Shown):
    """One archival memory as it is stored."""

    _columns: ClassVar[tuple[str, ...]] = ("content", "scope", "agent_id", "speaker", "source", "occurred_at")

    id: str
    content: str
    scope: ScopeName
    agent_id: str | None
    speaker: str | None
    source: Source
    confidence: float
    conversation_id: str | None
    occurred_at: datetime | None
    created_at: datetime
    updated_at: datetime


@dataclass(frozen=True, slots=True)
class ExplainedTerm(Shown):
    """One word of the question in one line.

    Args:
        term: The word as it is compared, stemmed.
        weight: How much it says in this scope; a word that is nowhere weighs most.
        own: How often it stands in the line.
        amount: `own` with the share that the two lines before it add.
    """

    _columns: ClassVar[tuple[str, ...]] = ("term", "weight", "own", "amount")

    term: str
    weight: float
    own: float
    amount: float


@dataclass(frozen=True, slots=True)
class Explanation(Shown):
    """How one match came to its place, so that it can be checked by hand.

    `lexical` is the sum of `weight * amount / (amount + normalisation)` over `terms`, divided by the sum of the
    weights; `rank` is `0.38 * semantic + 0.62 * lexical` and the boosts. `docs/recall.md` works one example.

    Args:
        rank: What the list is ordered by.
        semantic: How near the line is in meaning, 0 to 1.
        lexical: How much of the question's words it has, 0 to 1.
        answered_by: The index that chose it: `scan` or `chroma`.
        speaker_boost: Added when the question names one speaker and the line is theirs.
        conversation_boost: Added for how well its conversation answers.
        question_boost: Taken off a line that asks something itself, the less the longer it is.
        recency_boost: Added for how new it is, where that was asked for.
        normalisation: What an amount is compared with in this line: the more, the longer it is.
        terms: The words of the question.
    """

    _columns: ClassVar[tuple[str, ...]] = (
        "rank",
        "semantic",
        "lexical",
        "speaker_boost",
        "conversation_boost",
        "question_boost",
        "recency_boost",
        "answered_by",
        "terms",
    )

    rank: float
    semantic: float
    lexical: float
    answered_by: Engine
    speaker_boost: float = 0.0
    conversation_boost: float = 0.0
    question_boost: float = 0.0
    recency_boost: float = 0.0
    normalisation: float = 0.0
    terms: tuple[ExplainedTerm, ...] = ()


@dataclass(frozen=True, slots=True)
class MemoryRecallResult(Shown):
    """One match: an archival line and how well it answers the query.

    `score` and its parts are in 0 to 1. `line_number` counts from 1 among the
    live lines of its scope, so
    `get("archival").content.splitlines()[line_number - 1] == content`.
    """

    _columns: ClassVar[tuple[str, ...]] = (
        "score",
        "content",
        "scope",
        "agent_id",
        "speaker",
        "occurred_at",
        "explanation",
    )

    content: str
    score: float
    block_type: str
    scope: ScopeName
    agent_id: str | None
    line_number: int
    updated_at: datetime
    semantic: float
    lexical: float
    id: str
    speaker: str | None
    conversation_id: str | None
    source: Source
    confidence: float
    occurred_at: datetime | None
    created_at: datetime
    explanation: Explanation | None = None


@dataclass(frozen=True, slots=True)
class RunResult(Shown):
    """What one agent run gave back.

    Args:
        text: The agent's last words.
        messages: Every message of the thread, as the graph returned them.
        thread_id: The thread the run belongs to; pass it again to go on with it.
        matches: The archival memories that were put into this turn's prompt; `()` under `tool_only`.
        degraded: Whether memory could not be reached, so that the agent answered without some of it.
    """

    _columns: ClassVar[tuple[str, ...]] = ("text", "thread_id", "matches", "degraded")

    text: str
    messages: list[object]
    thread_id: str
    matches: tuple[MemoryRecallResult, ...] = ()
    degraded: bool = False


@dataclass(frozen=True, slots=True)
class CheckReport(Shown):
    """What `check()` found.

    Args:
        ok: Whether SQL and the index agree; a store with no index yet is fine too.
        answers: Who would answer the next recall in a large scope; small ones are always scanned.
        lines: Live archival lines in SQL.
        indexed: Vectors that the index holds, `None` where it was not asked.
        pending: Changes that the index has not seen yet. They are taken in batches: not a fault.
        embedder: The model the stored vectors were made with, `None` in an empty store.
        problems: What is wrong and what to do, one sentence each.
        notes: What is in order and good to know, one sentence each.
    """

    ok: bool
    answers: Engine
    lines: int
    indexed: int | None
    pending: int
    embedder: str | None
    problems: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()
