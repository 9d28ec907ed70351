"""Learning from a conversation that is over: a chat model reads its transcript, and what passes is applied at once.

The model thinks outside any transaction. What it proposes is decided on the
memory as it is when it is written. A line that someone added meanwhile costs no
second thought; when contact memory was changed, or a line that was to be
replaced is gone, the model is asked once more, and after that what others
changed stays as they left it, with a note. Everything is written in one transaction, together with the
note that it was, so that it is applied once, however many workers there are and
wherever one of them dies.
"""

from __future__ import annotations

import logging
from collections import Counter
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final, Literal, TypeAlias

from sqlmodel import col, select

from agentmem import expiry, revisions
from agentmem.archival.lines.drafts import Draft
from agentmem.archival.search.recall import TRUSTED, UNTRUSTED, SearchOptions
from agentmem.contacts.reading import message, read_memory
from agentmem.contacts.writing import KEEP, MemoryWrites
from agentmem.conversations import contexts
from agentmem.conversations.claims import READER, Claims, close, own
from agentmem.conversations.deciding import ComparedFact, NoEntryError, decide_lines, decide_memory
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
    from agentmem.archival.lines.store import ArchivalStore
    from agentmem.archival.search.recall import Recall
    from agentmem.conversations.claims import Claimed
    from agentmem.conversations.deciding import Lines
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
_SINCE: Final = 1_000
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
    last_number: int


@dataclass(frozen=True, slots=True)
class _Prepared:
    """What the model proposed, the facts compared with the stored ones; a final one is asked about no more."""

    extracted: Extracted
    compared: Sequence[ComparedFact]
    final: bool


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
        """Return the conversations whose transcripts are to be read and nobody is reading, the longest over first."""
        if self._extractor is None:
            return []
        return self._claims.waiting(tenant_id, limit)

    def postponed(self, tenant_id: str) -> int:
        """Return how many transcripts could not be read for the moment, and rest until they are tried again."""
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
        there. When something else fails, or the caller is merged into others
        again and again meanwhile, it is tried three times in all.

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
                applied = self._learn(self._extractor, claimed, final=False)
            except ConflictError:
                applied = self._learn(self._extractor, claimed, final=True)
        except ConflictError:
            self._claims.give_up(claimed, "the caller was merged while the transcript was read", later=True)
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

    def _learn(self, extractor: Extractor, claimed: Claimed, *, final: bool) -> bool:
        read = self._read(claimed)
        if read is None:
            return False
        extracted = extractor.extract(
            read.messages, read.memory, self._known(read), at=read.started_at, recalled=read.recalled
        )
        facts = [(fact, self._same(read, fact)) for fact in extracted.facts]
        compared = self._compared(claimed, read, facts, every=False)
        try:
            return self._write(claimed, read, _Prepared(extracted, compared, final))
        except NoEntryError:
            compared = self._compared(claimed, read, facts, every=True)
            return self._write(claimed, read, _Prepared(extracted, compared, final))

    def _write(self, claimed: Claimed, read: _ShownToModel, proposal: _Prepared) -> bool:
        writer = replace(READER, conversation_id=claimed.id)
        return self._transactions.write(lambda tx: self._apply(tx, claimed, read, proposal), writer=writer)

    def _read(self, claimed: Claimed) -> _ShownToModel | None:
        """Return what the model is shown; without messages where the agent no longer remembers, or they are over."""
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
                last_number=self._archival.last_number(snapshot, scope),
            )

    def _known(self, read: _ShownToModel) -> dict[str, str]:
        """The known facts that the model is shown: of many, the best matches for what was said, and the newest."""
        said = " ".join(message.content for message in read.messages if message.role == "user")
        if len(read.newest) < _SHOWN or not said.strip():
            return dict(read.newest)
        found = self._recall.search([read.scope], said, SearchOptions(limit=_RECALLED, min_score=0, only=TRUSTED))
        known = {match.id: match.content for match in found} | dict(read.newest)
        return dict(list(known.items())[:_SHOWN])

    def _compared(
        self, claimed: Claimed, read: _ShownToModel, facts: Sequence[tuple[Learned, Sequence[str]]], *, every: bool
    ) -> list[ComparedFact]:
        """Return the facts with what they are as lines, embedded: those that are new, or every one."""
        new = [fact for fact, same in facts if every or fact.supersedes is not None or not same]
        drafts = [
            Draft(
                fact.text,
                source=EXTRACTOR,
                confidence=fact.confidence,
                conversation_id=claimed.id,
                occurred_at=read.started_at,
            )
            for fact in new
        ]
        entries = {id(fact): entry for fact, entry in zip(new, self._archival.entries(drafts), strict=True)}
        return [ComparedFact(fact, same, entries.get(id(fact))) for fact, same in facts]

    def _same(self, read: _ShownToModel, fact: Learned) -> list[str]:
        """Return the stored facts that say the same."""
        if fact.confirms is not None:
            return [fact.confirms]
        wish = SearchOptions(limit=_COMPARED, min_score=_NEAR, only=TRUSTED)
        found = self._recall.search([read.scope], fact.text, wish)
        stored = {match.id: match.content for match in found} | dict(read.newest)
        return [line_id for line_id, text in stored.items() if alike(text, fact.text)]

    def _apply(self, tx: Transaction, claimed: Claimed, read: _ShownToModel, proposal: _Prepared) -> bool:
        """Write what can be written of it, if the conversation is still this worker's."""
        session = tx.session
        tx.lock(read.scope.tenant_id, read.scope.user_id)
        row = own(session, claimed, to_write=True)
        if row is None:
            return False
        if row.contact_id != read.scope.user_id:
            raise ConflictError(
                "its caller was merged into another", field="conversation", advice="read it again", code="stale"
            )
        writes = MemoryWrites(
            tx,
            read.scope,
            source=EXTRACTOR,
            max_value_bytes=self._max_value_bytes,
            expected_version=None if proposal.final else read.memory.version,
        )
        lines = self._decided(tx, read, proposal)
        memory = read_memory(tx, read.scope, recent_messages=0)
        extracted = decide_memory(proposal.extracted, read.memory, memory)
        refused = [*extracted.refused, *_write(writes, read, extracted)]
        close(row, "done", _note(refused))
        self._archival.learn(tx, read.scope, add=lines.add, confirm=lines.confirm, supersede=lines.supersede)
        return True

    def _decided(self, tx: Transaction, read: _ShownToModel, proposal: _Prepared) -> Lines:
        """What becomes of lines, on those that are there now: nobody else writes to them before this transaction ends.

        Raises:
            ConflictError: A line that was to be replaced is gone, and the model may be asked once more.
        """
        revisions.find_to_write(tx, read.scope, ARCHIVAL)
        named = [line_id for one in proposal.compared for line_id in one.names]
        standing = self._archival.lines(tx, read.scope, named)
        fresh = self._archival.written_since(tx, read.scope, read.last_number, limit=_SINCE, without_source=UNTRUSTED)
        lines = decide_lines(proposal.compared, standing, fresh)
        if lines.outdated and not proposal.final:
            raise ConflictError(
                "a fact that was to be replaced is gone", field="conversation", advice="read it again", code="stale"
            )
        return lines


def _messages(snapshot: Snapshot, row: ConversationRow) -> list[Message]:
    """Return what was said, in order, without what is over."""
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
    """Return why proposals were refused, each reason once with how often."""
    reasons = [f"{count} × {reason}" if count > 1 else reason for reason, count in Counter(refused).items()]
    return f"refused: {'; '.join(reasons)}"[:_MOST_NOTED] if reasons else None
