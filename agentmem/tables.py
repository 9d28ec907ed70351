"""Every SQL table of agentmem; no other module declares one.

The tables live in a metadata of their own and are named `agentmem_*`, so a host
application's tables are never seen or touched. The user scope is stored as
`agent_id = ''`, because a UNIQUE over NULL guards nothing.
"""

from __future__ import annotations

from datetime import datetime
from typing import Any, ClassVar, Final

from sqlalchemy import BigInteger, CheckConstraint, Index, Integer, LargeBinary, MetaData, Text, UniqueConstraint, text
from sqlalchemy.orm import registry
from sqlmodel import Field, SQLModel

ARCHIVAL: Final = "archival"
STATE_ID: Final = 1

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
    deletion is a tombstone with a new `seq`. `chunks` is the most vectors that any model made of the line, so that an
    index is rid of all of them when it is told of its end.
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

    The counter is taken last in a transaction, so that `seq` is in commit order on every database.
    """

    __tablename__: ClassVar[Any] = "agentmem_store_state"
    __table_args__ = (CheckConstraint(text(f"id = {STATE_ID}"), name="one_row"),)

    id: int = Field(default=STATE_ID, primary_key=True, sa_type=Integer)
    seq: int = Field(default=0, sa_type=BigInteger)
    embedder_id: int | None = Field(default=None, foreign_key="agentmem_embedder.id")


class SearchIndexRow(Base, table=True):
    """One Chroma index: how far it has been fed, and whether its owner left it in order.

    An index in a folder carries its id there, so that a folder of another store is not taken for it; one on a server
    is known by its URL.
    """

    __tablename__: ClassVar[Any] = "agentmem_search_index"

    id: str = Field(primary_key=True)
    url: str | None = Field(default=None, unique=True)
    generation: int
    watermark: int = Field(sa_type=BigInteger)
    embedder_id: int | None = Field(default=None, foreign_key="agentmem_embedder.id", ondelete="SET NULL")
    clean: bool


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
