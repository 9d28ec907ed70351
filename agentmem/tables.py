"""Every SQL table of agentmem; no other module declares one.

The tables live in a metadata of their own and are named `agentmem_*`, so a host
application's tables are never seen or touched. The user scope is stored as
`agent_id = ''`, because a UNIQUE over NULL guards nothing.
"""

from __future__ import annotations

from datetime import datetime
from typing import Any, ClassVar, Final

from sqlalchemy import (
    BigInteger,
    CheckConstraint,
    ForeignKeyConstraint,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    Text,
    UniqueConstraint,
    false,
    text,
)
from sqlalchemy.orm import registry
from sqlmodel import Field, SQLModel

ARCHIVAL: Final = "archival"
STATE_ID: Final = 1

IN_MEMORY: Final = "memory:"
"""What the `url` of an index begins with that lives in the memory of one process, and is gone with it."""

metadata: Final = MetaData(
    naming_convention={
        "ix": "ix_%(table_name)s_%(column_0_N_name)s",
        "uq": "uq_%(table_name)s_%(column_0_name)s",
        "ck": "ck_%(table_name)s_%(constraint_name)s",
        "fk": "fk_%(table_name)s_%(column_0_name)s",
        "pk": "pk_%(table_name)s",
    }
)


class Base(SQLModel, registry=registry(metadata=metadata)):
    """The root of agentmem's own metadata."""


class MemoryBlockRow(Base, table=True):
    """A block, or the header of a scope's archival memory; a deleted one stays as an emptied tombstone."""

    __tablename__: ClassVar[Any] = "agentmem_memory_block"
    __table_args__ = (UniqueConstraint("tenant_id", "user_id", "agent_id", "block_type"),)

    id: str = Field(primary_key=True)
    tenant_id: str
    user_id: str
    agent_id: str
    block_type: str
    content: str = Field(sa_type=Text)
    description: str = Field(sa_type=Text)
    read_only: bool
    version: int
    created_at: datetime
    updated_at: datetime
    deleted_at: datetime | None = None


class BlockVersionRow(Base, table=True):
    """One version of a block; its texts are emptied when the block is deleted."""

    __tablename__: ClassVar[Any] = "agentmem_block_version"

    block_id: str = Field(primary_key=True, foreign_key="agentmem_memory_block.id", ondelete="CASCADE")
    version: int = Field(primary_key=True)
    action: str
    actor: str
    content: str = Field(sa_type=Text)
    description: str = Field(sa_type=Text)
    read_only: bool
    created_at: datetime


class ArchivalLineRow(Base, table=True):
    """One archival memory. `block_id` is the header of its scope; `position` orders the scope and is never reused.

    `seq` is the number of the line's last change in commit order: the table is the outbox the index is fed from, and a
    deletion is a tombstone with a new `seq`. A line that moved to another header left one behind, whose id begins with
    the line's. `chunks` is the most vectors that any model made of the line, so that an index is rid of all of them
    when it is told of its end.
    """

    __tablename__: ClassVar[Any] = "agentmem_archival_line"
    __table_args__ = (
        UniqueConstraint("block_id", "position"),
        Index(None, "block_id", "seq"),
        Index(None, "seq"),
        Index(
            "ix_agentmem_archival_line_live",
            "block_id",
            "position",
            sqlite_where=text("deleted_at IS NULL"),
            postgresql_where=text("deleted_at IS NULL"),
        ),
        CheckConstraint("source IN ('user', 'assistant', 'tool', 'extractor', 'operator')", name="source"),
        CheckConstraint("confidence >= 0 AND confidence <= 1", name="confidence"),
    )

    id: str = Field(primary_key=True)
    block_id: str = Field(foreign_key="agentmem_memory_block.id", ondelete="CASCADE")
    position: int = Field(sa_type=BigInteger)
    content: str = Field(sa_type=Text)
    speaker: str | None = None
    source: str
    confidence: float
    conversation_id: str | None = None
    chunks: int = 1
    occurred_at: datetime | None = None
    actor: str
    idempotency_key: str | None = None
    created_at: datetime
    updated_at: datetime
    deleted_at: datetime | None = None
    seq: int = Field(sa_type=BigInteger)


class EmbedderRow(Base, table=True):
    """A model that vectors were made with, known by the vector it gives a fixed probe text."""

    __tablename__: ClassVar[Any] = "agentmem_embedder"

    id: int | None = Field(default=None, primary_key=True)
    name: str
    dimensions: int
    probe: bytes = Field(sa_type=LargeBinary)


class LineChunkRow(Base, table=True):
    """The vector of one piece of a line, as little-endian float32 of length 1."""

    __tablename__: ClassVar[Any] = "agentmem_line_chunk"

    line_id: str = Field(primary_key=True, foreign_key="agentmem_archival_line.id", ondelete="CASCADE")
    embedder_id: int = Field(primary_key=True, foreign_key="agentmem_embedder.id")
    chunk: int = Field(primary_key=True)
    vector: bytes = Field(sa_type=LargeBinary)


class LineTermsRow(Base, table=True):
    """The words of one line as a packed bag: each term's number and how often it is there, erased with the line.

    `made_by` names the tokenizer and its language, so that the bags of an older one are known and made anew.
    """

    __tablename__: ClassVar[Any] = "agentmem_line_terms"

    line_id: str = Field(primary_key=True, foreign_key="agentmem_archival_line.id", ondelete="CASCADE")
    made_by: str
    terms: bytes = Field(sa_type=LargeBinary)


class StoreStateRow(Base, table=True):
    """The one row of what is true of the whole store: its change counter and the embedder in use.

    The counters are taken last in a transaction, so that `seq`, and the number of a change in the feed, are in commit
    order on every database. `erased` is the number of the last erasure that may have left traces in a SQLite file,
    0 when there are none.
    """

    __tablename__: ClassVar[Any] = "agentmem_store_state"
    __table_args__ = (CheckConstraint(text(f"id = {STATE_ID}"), name="one_row"),)

    id: int = Field(default=STATE_ID, primary_key=True, sa_type=Integer)
    seq: int = Field(default=0, sa_type=BigInteger)
    change_seq: int = Field(default=0, sa_type=BigInteger, sa_column_kwargs={"server_default": text("0")})
    erased: int = Field(default=0, sa_type=BigInteger, sa_column_kwargs={"server_default": text("0")})
    embedder_id: int | None = Field(default=None, foreign_key="agentmem_embedder.id")


class SearchIndexRow(Base, table=True):
    """One vector index: how far it has been fed, and whether its owner left it in order.

    An index in a folder carries its id there, so that a folder of another store is not taken for it; one on a server
    is known by its URL, and one in a process's memory by a name that begins with `IN_MEMORY`. One to `erase` holds
    vectors of someone who was forgotten, so that it is to be filled anew even though nothing is wrong with it.
    """

    __tablename__: ClassVar[Any] = "agentmem_search_index"

    id: str = Field(primary_key=True)
    url: str | None = Field(default=None, unique=True)
    generation: int
    watermark: int = Field(sa_type=BigInteger)
    embedder_id: int | None = Field(default=None, foreign_key="agentmem_embedder.id", ondelete="SET NULL")
    clean: bool
    erase: bool = Field(default=False, sa_column_kwargs={"server_default": false()})


class IdempotencyKeyRow(Base, table=True):
    """What a write with an idempotency key did, so that its repetition gives the first result.

    `fingerprint` tells another write under the same key; it is emptied with the text it was made of.
    """

    __tablename__: ClassVar[Any] = "agentmem_idempotency_key"

    tenant_id: str = Field(primary_key=True)
    user_id: str = Field(primary_key=True)
    agent_id: str = Field(primary_key=True)
    key: str = Field(primary_key=True)
    operation: str
    fingerprint: str
    result: str = Field(sa_type=Text)
    block_id: str | None = Field(default=None, foreign_key="agentmem_memory_block.id", ondelete="CASCADE", index=True)
    created_at: datetime


class AgentSettingsRow(Base, table=True):
    """What was configured for an agent, or for one version of it on top of that; `version` is `''` for the agent.

    `settings` holds the keys that were given, as a JSON object. `retention_days` is one of them, once more as a column,
    because recall reads it.
    """

    __tablename__: ClassVar[Any] = "agentmem_agent_settings"

    tenant_id: str = Field(primary_key=True)
    agent_id: str = Field(primary_key=True)
    version: str = Field(primary_key=True)
    settings: str = Field(sa_type=Text)
    retention_days: int | None = None
    created_at: datetime
    updated_at: datetime


class ContactRow(Base, table=True):
    """One person. Who turned out to be another is kept, without a name, and leads to them.

    `generated` says that the id is one of ours, `by_hand` that the contact was not made by a conversation: it stays
    though nothing is known of it.
    """

    __tablename__: ClassVar[Any] = "agentmem_contact"
    __table_args__ = (Index(None, "tenant_id", "merged_into"), Index(None, "tenant_id", "created_at", "id"))

    tenant_id: str = Field(primary_key=True)
    id: str = Field(primary_key=True)
    name: str | None = None
    generated: bool
    by_hand: bool
    merged_into: str | None = None
    created_at: datetime
    last_seen_at: datetime


class ContactIdentifierRow(Base, table=True):
    """What one contact is known by: `phone`, `email`, `external_id`, or a custom source such as `sip_header:x-id`."""

    __tablename__: ClassVar[Any] = "agentmem_contact_identifier"
    __table_args__ = (
        ForeignKeyConstraint(
            ["tenant_id", "contact_id"], ["agentmem_contact.tenant_id", "agentmem_contact.id"], ondelete="CASCADE"
        ),
        Index(None, "tenant_id", "contact_id"),
    )

    tenant_id: str = Field(primary_key=True)
    kind: str = Field(primary_key=True)
    value: str = Field(primary_key=True)
    contact_id: str
    created_at: datetime
    last_seen_at: datetime


class ContactMemoryRow(Base, table=True):
    """The header of what one agent knows of one contact; every write below it moves `version` in its transaction."""

    __tablename__: ClassVar[Any] = "agentmem_contact_memory"
    __table_args__ = (
        UniqueConstraint("tenant_id", "contact_id", "agent_id"),
        Index(None, "tenant_id", "agent_id"),
        ForeignKeyConstraint(
            ["tenant_id", "contact_id"], ["agentmem_contact.tenant_id", "agentmem_contact.id"], ondelete="CASCADE"
        ),
    )

    id: str = Field(primary_key=True)
    tenant_id: str
    contact_id: str
    agent_id: str
    summary: str | None = Field(default=None, sa_type=Text)
    summary_updated_at: datetime | None = None
    version: int
    created_at: datetime
    updated_at: datetime


class FactRow(Base, table=True):
    """One key-value fact. Its times are floored to the hour; `expires_at` is there only where a life was asked for."""

    __tablename__: ClassVar[Any] = "agentmem_fact"
    __table_args__ = (Index(None, "updated_at"), Index(None, "expires_at"))

    memory_id: str = Field(primary_key=True, foreign_key="agentmem_contact_memory.id", ondelete="CASCADE")
    key: str = Field(primary_key=True)
    value: str = Field(sa_type=Text)
    source: str
    version: int
    created_at: datetime
    updated_at: datetime
    expires_at: datetime | None = None


class EntityRow(Base, table=True):
    """One thing a contact talks about: an order, an appointment, a ticket. `facts` is a JSON object."""

    __tablename__: ClassVar[Any] = "agentmem_entity"

    memory_id: str = Field(primary_key=True, foreign_key="agentmem_contact_memory.id", ondelete="CASCADE")
    entity_type: str = Field(primary_key=True)
    entity_id: str = Field(primary_key=True)
    facts: str = Field(sa_type=Text)
    status: str | None = Field(default=None, sa_type=Text)
    notes: str | None = Field(default=None, sa_type=Text)
    source: str
    last_discussed_at: datetime | None = None
    created_at: datetime
    updated_at: datetime


class OpenItemRow(Base, table=True):
    """One thing that is still to be done, until it is resolved."""

    __tablename__: ClassVar[Any] = "agentmem_open_item"
    __table_args__ = (Index(None, "memory_id", "created_at"),)

    id: str = Field(primary_key=True)
    memory_id: str = Field(foreign_key="agentmem_contact_memory.id", ondelete="CASCADE")
    type: str
    description: str = Field(sa_type=Text)
    priority: str
    related_type: str | None = None
    related_id: str | None = None
    source: str
    created_at: datetime
    updated_at: datetime
    resolved_at: datetime | None = None


class ConversationRow(Base, table=True):
    """One call, chat or exchange of messages; `contact_id` is None while it is anonymous.

    `context` is what the agent had, as JSON, and `state` what is noted while it is open, None where nothing is.
    `extraction` says what became of reading the transcript; while it is pending, `claim` names who is at it, until
    `claimed_until`, or how long it rests before it is tried again.
    """

    __tablename__: ClassVar[Any] = "agentmem_conversation"
    __table_args__ = (
        CheckConstraint("status IN ('open', 'ended', 'failed')", name="status"),
        CheckConstraint("extraction IN ('none', 'pending', 'done', 'failed')", name="extraction"),
        ForeignKeyConstraint(
            ["tenant_id", "contact_id"], ["agentmem_contact.tenant_id", "agentmem_contact.id"], ondelete="CASCADE"
        ),
        Index(None, "tenant_id", "contact_id", "agent_id", "started_at"),
        Index(None, "tenant_id", "agent_id", "started_at"),
        Index(None, "tenant_id", "started_at", "id"),
        Index(None, "status", "last_active_at"),
        Index(None, "extraction", "ended_at"),
        Index(
            "uq_agentmem_conversation_open_thread",
            "tenant_id",
            "thread_id",
            unique=True,
            sqlite_where=text("status = 'open' AND thread_id IS NOT NULL"),
            postgresql_where=text("status = 'open' AND thread_id IS NOT NULL"),
        ),
    )

    id: str = Field(primary_key=True)
    tenant_id: str
    agent_id: str
    version: str | None = None
    contact_id: str | None = None
    channel: str
    thread_id: str | None = None
    status: str
    started_at: datetime
    last_active_at: datetime
    ended_at: datetime | None = None
    qa: str | None = Field(default=None, sa_type=Text)
    handoff_to: str | None = Field(default=None, sa_type=Text)
    handoff_reason: str | None = Field(default=None, sa_type=Text)
    context: str = Field(sa_type=Text)
    state: str | None = Field(default=None, sa_type=Text)
    extraction: str
    extraction_note: str | None = Field(default=None, sa_type=Text)
    attempts: int = 0
    claim: str | None = None
    claimed_until: datetime | None = None


class MessageRow(Base, table=True):
    """One message of a conversation that is not anonymous; `external_id` is the id it has elsewhere."""

    __tablename__: ClassVar[Any] = "agentmem_message"
    __table_args__ = (
        CheckConstraint("role IN ('user', 'assistant', 'tool')", name="role"),
        UniqueConstraint("conversation_id", "position"),
        UniqueConstraint("conversation_id", "external_id", name="uq_agentmem_message_external_id"),
        Index(None, "memory_id", "created_at", "conversation_id", "position"),
    )

    id: str = Field(primary_key=True)
    conversation_id: str = Field(foreign_key="agentmem_conversation.id", ondelete="CASCADE")
    memory_id: str = Field(foreign_key="agentmem_contact_memory.id", ondelete="CASCADE")
    position: int
    role: str
    content: str = Field(sa_type=Text)
    external_id: str | None = None
    created_at: datetime


class MemoryChangeRow(Base, table=True):
    """One entry of a user's feed: what was added, changed or removed, when (to the hour), and by whom.

    `before` and `after` are JSON. Those of a block or an archival line are not here: the block's history and the line
    itself hold them, by `ref`, so that what is deleted there is gone here too. The store's counter gives the id.
    """

    __tablename__: ClassVar[Any] = "agentmem_memory_change"
    __table_args__ = (
        Index(None, "tenant_id", "user_id", "id"),
        Index(None, "conversation_id"),
        Index(None, "expires_at"),
        Index(None, "at"),
        Index(
            "ix_agentmem_memory_change_superseded",
            "ref",
            sqlite_where=text("action = 'superseded'"),
            postgresql_where=text("action = 'superseded'"),
        ),
    )

    id: int = Field(primary_key=True, sa_type=BigInteger, sa_column_kwargs={"autoincrement": False})
    tenant_id: str
    user_id: str
    agent_id: str
    conversation_id: str | None = None
    actor: str
    kind: str
    action: str
    ref: str
    version: int
    before: str | None = Field(default=None, sa_type=Text)
    after: str | None = Field(default=None, sa_type=Text)
    at: datetime
    expires_at: datetime | None = None


class ThreadRow(Base, table=True):
    """Whose one LangGraph thread is. `key` is a hash of the thread's id, which is one for the whole store.

    `ledger` holds the digests of the messages that are theirs, of one length each, the newest last.

    Of a thread that outlived a person who was forgotten the row stays, without its id and without them, so that nobody
    walks into it.
    """

    __tablename__: ClassVar[Any] = "agentmem_thread"
    __table_args__ = (Index(None, "tenant_id", "user_id"),)

    key: str = Field(primary_key=True)
    thread_id: str | None = Field(default=None, sa_type=Text)
    tenant_id: str
    user_id: str
    created_at: datetime
    ledger: str = Field(default="", sa_type=Text)


class RefusedMessageRow(Base, table=True):
    """One message that somebody left in a thread of another's: a hash of the thread's id, and the message's digest.

    It may be here before it is known whose the thread is.
    """

    __tablename__: ClassVar[Any] = "agentmem_refused_message"

    thread_key: str = Field(primary_key=True)
    message_key: str = Field(primary_key=True)
