"""Learning from a conversation that is over: a chat model reads its transcript, and what passes is applied at once.

The model thinks outside any transaction. What it proposes is decided against
the memory that it was shown: if that was changed meanwhile, it is read and
asked once more. Everything is written in one transaction, together with the
note that it was, so that it is applied once, however many workers there are and
wherever one of them dies.
"""

from __future__ import annotations

import logging
from collections import Counter
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final, Literal, TypeAlias

from sqlmodel import Session, col, select

from agentmem import expiry, revisions
from agentmem.archival.lines.drafts import Draft
from agentmem.archival.search.recall import TRUSTED, UNTRUSTED, SearchOptions
from agentmem.contacts.reading import message, read_memory
from agentmem.contacts.writing import KEEP, MemoryWrites
from agentmem.conversations import contexts
from agentmem.conversations.claims import READER, Claims, close, own
from agentmem.errors import (
    AgentMemError,
    BackendError,
    ConflictError,
    ExtractionError,
    InvalidInputError,
    NotFoundError,
)
from agentmem.models import Scope
from agentmem.tables import ARCHIVAL, ConversationRow, MessageRow
from agentmem.text.overlap import alike

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from datetime import datetime

    from agentmem.agents.settings import AgentSettings, AgentStore
    from agentmem.archival.lines.drafts import IndexedLine
    from agentmem.archival.lines.store import ArchivalStore
    from agentmem.archival.search.recall import Recall
    from agentmem.conversations.claims import Claimed
    from agentmem.extraction.extracted import Extracted, Learned
    from agentmem.extraction.extractor import Extractor
    from agentmem.records import ContactMemory, Message
    from agentmem.transaction import Snapshot, Transaction, Transactions

EXTRACTOR: Final = "extractor"
"""The source of what is learned."""

MOST_PUT_OFF: Final = 3
"""After how many transcripts in a row that could not be read for the moment the others are not tried either."""

_NEAR: Final = 0.3
"""The score from which a stored fact is compared with a new one: two with the same words were measured at 0.45 and
more, in scopes of 10 to 400 lines. Whether they say the same, their words decide: no score tells "not" or "May"."""

_COMPARED: Final = 10
_SHOWN: Final = 50
_RECALLED: Final = 20
_MOST_NOTED: Final = 500
_log: Final = logging.getLogger(__name__)

_Outcome: TypeAlias = Literal["done", "put off", "given up", "not ours"]


@dataclass(frozen=True, slots=True)
class _ShownToModel:
    """What a conversation and the memory of its caller were when the model was asked."""

    scope: Scope
    settings: AgentSettings
    started_at: datetime
    messages: Sequence[Message]
    memory: ContactMemory
    recalled: Sequence[str]
    newest: Mapping[str, str]
    lines_version: int


@dataclass(frozen=True, slots=True)
class _Lines:
    """What becomes of archival lines."""

    add: Sequence[IndexedLine]
    confirm: Mapping[str, float]
    supersede: Mapping[str, IndexedLine]


class Learning:
    """Reads transcripts and applies what is learned.

    Args:
        transactions: What reads and writes everything.
        agents: Whether an agent remembers, and how long its facts live.
        archival: Where facts about the caller go.
        recall: What finds the ones that are known already.
        extractor: What reads a transcript; without it nothing is learned.
        max_value_bytes: The most bytes of an entity's details.
    """

    def __init__(
        self,
        transactions: Transactions,
        *,
        agents: AgentStore,
        archival: ArchivalStore,
        recall: Recall,
        extractor: Extractor | None,
        max_value_bytes: int,
    ) -> None:
        self._transactions = transactions
        self._agents = agents
        self._archival = archival
        self._recall = recall
        self._extractor = extractor
        self._claims = Claims(transactions)
        self._max_value_bytes = max_value_bytes

    def pending(self, tenant_id: str, limit: int | None = None) -> list[str]:
        """The conversations whose transcripts are to be read and nobody is reading, the longest over first."""
        if self._extractor is None:
            return []
        return self._claims.waiting(tenant_id, limit)

    def postponed(self, tenant_id: str) -> int:
        """How many transcripts could not be read for the moment, and rest until they are tried again."""
        return self._claims.postponed(tenant_id)

    def work(self, tenant_id: str, limit: int | None = None) -> int:
        """Read the transcripts that wait, until several in a row could not be read for the moment.

        Returns:
            How many were read.

        Raises:
            BackendError: The database could not do it.
        """
        done = in_a_row = 0
        for conversation_id in self.pending(tenant_id, limit):
            outcome = self._run(tenant_id, conversation_id)
            if outcome == "put off":
                in_a_row += 1
            elif outcome != "not ours":
                in_a_row = 0
            done += outcome == "done"
            if in_a_row == MOST_PUT_OFF:
                _log.warning("transcripts are left for later: %d in a row could not be read", in_a_row)
                break
        return done

    def run(self, tenant_id: str, conversation_id: str) -> bool:
        """Read one transcript and apply what is learned; nothing happens when that is done, or another is at it.

        A chat model whose answer cannot be used, or that refuses the request,
        is noted with the conversation. A model, of either kind, or a database
        that fails for the moment leaves it for later, for as long as it is
        there. When something else fails, or memory is changed again and again
        meanwhile, it is tried three times in all.

        Returns:
            Whether what there was to learn was applied.

        Raises:
            BackendError: The database could not do it.
        """
        return self._run(tenant_id, conversation_id) == "done"

    def _run(self, tenant_id: str, conversation_id: str) -> _Outcome:
        claimed = None if self._extractor is None else self._claims.take(tenant_id, conversation_id)
        if self._extractor is None or claimed is None:
            return "not ours"
        try:
            try:
                applied = self._learn(self._extractor, claimed)
            except ConflictError:
                applied = self._learn(self._extractor, claimed)
        except ConflictError:
            self._claims.give_up(claimed, "memory was changed while the transcript was read", later=True)
        except (ExtractionError, BackendError) as error:
            if isinstance(error, BackendError) or error.transient:
                self._claims.put_off(claimed, str(error))
                return "put off"
            self._claims.give_up(claimed, str(error), later=False)
        except AgentMemError as error:
            self._claims.give_up(claimed, str(error), later=True)
        else:
            return "done" if applied else "not ours"
        return "given up"

    def _learn(self, extractor: Extractor, claimed: Claimed) -> bool:
        read = self._read(claimed)
        if read is None:
            return False
        extracted = extractor.extract(
            read.messages, read.memory, self._known(read), at=read.started_at, recalled=read.recalled
        )
        lines = self._lines(claimed, read, extracted.facts)
        writer = replace(READER, conversation_id=claimed.id)
        return self._transactions.write(lambda tx: self._apply(tx, claimed, read, extracted, lines), writer=writer)

    def _read(self, claimed: Claimed) -> _ShownToModel | None:
        """What the model is shown; without messages where the agent no longer remembers, or they are over."""
        with self._transactions.read() as snapshot:
            session = snapshot.session
            row = own(session, claimed)
            if row is None or row.contact_id is None:
                return None
            scope = Scope(row.tenant_id, row.contact_id, row.agent_id)
            settings = self._agents.get(session, row.tenant_id, row.agent_id, row.version)
            recalled = self._archival.lines(snapshot, scope, contexts.unpacked(row.context).line_ids)
            newest = self._archival.newest(snapshot, scope, limit=_SHOWN, min_confidence=0, without_source=UNTRUSTED)
            return _ShownToModel(
                scope=scope,
                settings=settings,
                started_at=row.started_at,
                messages=_messages(snapshot, row) if settings.memory_enabled else (),
                memory=read_memory(snapshot, scope, recent_messages=0),
                recalled=tuple(recalled.values()),
                newest={line.id: line.content for line in newest},
                lines_version=_lines_version(session, scope),
            )

    def _known(self, read: _ShownToModel) -> dict[str, str]:
        """The known facts that the model is shown: of many, the best matches for what was said, and the newest."""
        said = " ".join(message.content for message in read.messages if message.role == "user")
        if len(read.newest) < _SHOWN or not said.strip():
            return dict(read.newest)
        found = self._recall.search([read.scope], said, SearchOptions(limit=_RECALLED, min_score=0, only=TRUSTED))
        known = {match.id: match.content for match in found} | dict(read.newest)
        return dict(list(known.items())[:_SHOWN])

    def _lines(self, claimed: Claimed, read: _ShownToModel, facts: Sequence[Learned]) -> _Lines:
        """Facts as lines, embedded; those that say what is stored already only confirm it."""
        confirm: dict[str, float] = {}
        new: list[tuple[Learned, list[str]]] = []
        for fact in facts:
            same = [fact.confirms] if fact.confirms else self._same(read, fact)
            if fact.supersedes is None and same:
                confirm |= {line_id: max(fact.confidence, confirm.get(line_id, 0)) for line_id in same}
            else:
                new.append((fact, same))
        drafts = [
            Draft(
                fact.text,
                source=EXTRACTOR,
                confidence=fact.confidence,
                conversation_id=claimed.id,
                occurred_at=read.started_at,
            )
            for fact, _ in new
        ]
        entries = list(zip(self._archival.entries(drafts), new, strict=True))
        return _Lines(
            add=[entry for entry, (fact, _) in entries if fact.supersedes is None],
            confirm=confirm,
            supersede={
                line_id: entry
                for entry, (fact, same) in entries
                if fact.supersedes is not None
                for line_id in (fact.supersedes, *same)
            },
        )

    def _same(self, read: _ShownToModel, fact: Learned) -> list[str]:
        """The stored facts that say the same."""
        wish = SearchOptions(limit=_COMPARED, min_score=_NEAR, only=TRUSTED)
        found = self._recall.search([read.scope], fact.text, wish)
        stored = {match.id: match.content for match in found} | dict(read.newest)
        return [line_id for line_id, text in stored.items() if alike(text, fact.text)]

    def _apply(
        self, tx: Transaction, claimed: Claimed, read: _ShownToModel, extracted: Extracted, lines: _Lines
    ) -> bool:
        """Write all of it, if the conversation is still this worker's and the memory the one that was read."""
        session = tx.session
        tx.lock(read.scope.tenant_id, read.scope.user_id)
        row = own(session, claimed, to_write=True)
        if row is None:
            return False
        if row.contact_id != read.scope.user_id:
            raise ConflictError(
                "its caller was merged into another", field="conversation", advice="read it again", code="stale"
            )
        if _lines_version(session, read.scope) != read.lines_version:  # facts alone do not move the memory's version
            raise ConflictError(
                "the known facts were changed", field="conversation", advice="read it again", code="stale"
            )
        writes = MemoryWrites(
            tx,
            read.scope,
            source=EXTRACTOR,
            max_value_bytes=self._max_value_bytes,
            expected_version=read.memory.version,
        )
        refused = [*extracted.refused, *_write(writes, read, extracted)]
        close(row, "done", _note(refused))
        self._archival.learn(tx, read.scope, add=lines.add, confirm=lines.confirm, supersede=lines.supersede)
        return True


def _lines_version(session: Session, scope: Scope) -> int:
    """The version of a scope's lines, 0 where there were never any."""
    header = revisions.find(session, scope, ARCHIVAL)
    return 0 if header is None else header.version


def _messages(snapshot: Snapshot, row: ConversationRow) -> list[Message]:
    """What was said, in order, without what is over."""
    days = expiry.retention_days(snapshot.session, row.tenant_id, row.agent_id)
    said = select(MessageRow).where(MessageRow.conversation_id == row.id).order_by(col(MessageRow.position))
    return [
        message(one, row.channel)
        for one in snapshot.session.exec(said).all()
        if not expiry.over(one.created_at, snapshot.now, days)
    ]


def _write(writes: MemoryWrites, read: _ShownToModel, extracted: Extracted) -> list[str]:
    """Write the changes to contact memory, and return why some of them could not be."""
    refused: list[str] = []
    writes.patch_facts(extracted.contact_facts, ttl_days=read.settings.state_keys)
    if extracted.summary is not None:
        writes.set_summary(extracted.summary)
    for change in extracted.entities:
        try:
            writes.put_entity(
                change.entity_type,
                change.entity_id,
                facts=change.facts,
                discussed_at=read.started_at,
                status=change.texts.get("status", KEEP),
                notes=change.texts.get("notes", KEEP),
            )
        except InvalidInputError:
            refused.append("entity: its details are over their limit")
    for item in extracted.open_items:
        writes.add_open_item(
            item.description,
            type=item.type,
            priority=item.priority,
            related_to=item.related_to,
            created_at=read.started_at,
        )
    for item_id in extracted.resolved_items:
        try:
            writes.resolve_open_item(item_id)
        except NotFoundError:  # it outlived its retention while the model was thinking
            refused.append("resolved item: it is gone")
    return refused


def _note(refused: Sequence[str]) -> str | None:
    """Why proposals were refused, each reason once with how often."""
    reasons = [f"{count} × {reason}" if count > 1 else reason for reason, count in Counter(refused).items()]
    return f"refused: {'; '.join(reasons)}"[:_MOST_NOTED] if reasons else None
