"""The first schema: blocks with history, archival lines with vectors and words, the change counter, the index."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Apply."""
    op.create_table(
        "agentmem_embedder",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("name", sa.String(), nullable=False),
        sa.Column("dimensions", sa.Integer(), nullable=False),
        sa.Column("probe", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_agentmem_embedder")),
    )
    op.create_table(
        "agentmem_memory_block",
        sa.Column("id", sa.String(), nullable=False),
        sa.Column("tenant_id", sa.String(), nullable=False),
        sa.Column("user_id", sa.String(), nullable=False),
        sa.Column("agent_id", sa.String(), nullable=False),
        sa.Column("block_type", sa.String(), nullable=False),
        sa.Column("content", sa.Text(), nullable=False),
        sa.Column("description", sa.Text(), nullable=False),
        sa.Column("read_only", sa.Boolean(), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("updated_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("deleted_at", sa.DateTime(timezone=True), nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_agentmem_memory_block")),
        sa.UniqueConstraint(
            "tenant_id", "user_id", "agent_id", "block_type", name=op.f("uq_agentmem_memory_block_tenant_id")
        ),
    )
    op.create_table(
        "agentmem_archival_line",
        sa.Column("id", sa.String(), nullable=False),
        sa.Column("block_id", sa.String(), nullable=False),
        sa.Column("position", sa.BigInteger(), nullable=False),
        sa.Column("content", sa.Text(), nullable=False),
        sa.Column("speaker", sa.String(), nullable=True),
        sa.Column("source", sa.String(), nullable=False),
        sa.Column("confidence", sa.Float(), nullable=False),
        sa.Column("conversation_id", sa.String(), nullable=True),
        sa.Column("chunks", sa.Integer(), nullable=False),
        sa.Column("occurred_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("actor", sa.String(), nullable=False),
        sa.Column("idempotency_key", sa.String(), nullable=True),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("updated_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("deleted_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("seq", sa.BigInteger(), nullable=False),
        sa.CheckConstraint(
            "source IN ('user', 'assistant', 'tool', 'extractor', 'operator')",
            name=op.f("ck_agentmem_archival_line_source"),
        ),
        sa.CheckConstraint("confidence >= 0 AND confidence <= 1", name=op.f("ck_agentmem_archival_line_confidence")),
        sa.ForeignKeyConstraint(
            ["block_id"],
            ["agentmem_memory_block.id"],
            name=op.f("fk_agentmem_archival_line_block_id"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_agentmem_archival_line")),
        sa.UniqueConstraint("block_id", "position", name=op.f("uq_agentmem_archival_line_block_id")),
    )
    with op.batch_alter_table("agentmem_archival_line", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_agentmem_archival_line_block_id_seq"), ["block_id", "seq"], unique=False)
        batch_op.create_index(
            "ix_agentmem_archival_line_live",
            ["block_id", "position"],
            unique=False,
            sqlite_where=sa.text("deleted_at IS NULL"),
            postgresql_where=sa.text("deleted_at IS NULL"),
        )
        batch_op.create_index(batch_op.f("ix_agentmem_archival_line_seq"), ["seq"], unique=False)

    op.create_table(
        "agentmem_block_version",
        sa.Column("block_id", sa.String(), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("action", sa.String(), nullable=False),
        sa.Column("actor", sa.String(), nullable=False),
        sa.Column("content", sa.Text(), nullable=False),
        sa.Column("description", sa.Text(), nullable=False),
        sa.Column("read_only", sa.Boolean(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(
            ["block_id"],
            ["agentmem_memory_block.id"],
            name=op.f("fk_agentmem_block_version_block_id"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("block_id", "version", name=op.f("pk_agentmem_block_version")),
    )
    op.create_table(
        "agentmem_idempotency_key",
        sa.Column("tenant_id", sa.String(), nullable=False),
        sa.Column("user_id", sa.String(), nullable=False),
        sa.Column("agent_id", sa.String(), nullable=False),
        sa.Column("key", sa.String(), nullable=False),
        sa.Column("operation", sa.String(), nullable=False),
        sa.Column("fingerprint", sa.String(), nullable=False),
        sa.Column("result", sa.Text(), nullable=False),
        sa.Column("block_id", sa.String(), nullable=True),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(
            ["block_id"],
            ["agentmem_memory_block.id"],
            name=op.f("fk_agentmem_idempotency_key_block_id"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("tenant_id", "user_id", "agent_id", "key", name=op.f("pk_agentmem_idempotency_key")),
    )
    with op.batch_alter_table("agentmem_idempotency_key", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_agentmem_idempotency_key_block_id"), ["block_id"], unique=False)

    op.create_table(
        "agentmem_search_index",
        sa.Column("id", sa.String(), nullable=False),
        sa.Column("url", sa.String(), nullable=True),
        sa.Column("generation", sa.Integer(), nullable=False),
        sa.Column("watermark", sa.BigInteger(), nullable=False),
        sa.Column("embedder_id", sa.Integer(), nullable=True),
        sa.Column("clean", sa.Boolean(), nullable=False),
        sa.ForeignKeyConstraint(
            ["embedder_id"],
            ["agentmem_embedder.id"],
            name=op.f("fk_agentmem_search_index_embedder_id"),
            ondelete="SET NULL",
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_agentmem_search_index")),
        sa.UniqueConstraint("url", name=op.f("uq_agentmem_search_index_url")),
    )
    op.create_table(
        "agentmem_store_state",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("seq", sa.BigInteger(), nullable=False),
        sa.Column("embedder_id", sa.Integer(), nullable=True),
        sa.CheckConstraint("id = 1", name=op.f("ck_agentmem_store_state_one_row")),
        sa.ForeignKeyConstraint(
            ["embedder_id"], ["agentmem_embedder.id"], name=op.f("fk_agentmem_store_state_embedder_id")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_agentmem_store_state")),
    )
    op.create_table(
        "agentmem_line_chunk",
        sa.Column("line_id", sa.String(), nullable=False),
        sa.Column("embedder_id", sa.Integer(), nullable=False),
        sa.Column("chunk", sa.Integer(), nullable=False),
        sa.Column("vector", sa.LargeBinary(), nullable=False),
        sa.ForeignKeyConstraint(
            ["embedder_id"], ["agentmem_embedder.id"], name=op.f("fk_agentmem_line_chunk_embedder_id")
        ),
        sa.ForeignKeyConstraint(
            ["line_id"], ["agentmem_archival_line.id"], name=op.f("fk_agentmem_line_chunk_line_id"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("line_id", "embedder_id", "chunk", name=op.f("pk_agentmem_line_chunk")),
    )
    op.create_table(
        "agentmem_line_terms",
        sa.Column("line_id", sa.String(), nullable=False),
        sa.Column("made_by", sa.String(), nullable=False),
        sa.Column("terms", sa.LargeBinary(), nullable=False),
        sa.ForeignKeyConstraint(
            ["line_id"], ["agentmem_archival_line.id"], name=op.f("fk_agentmem_line_terms_line_id"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("line_id", name=op.f("pk_agentmem_line_terms")),
    )
    op.execute("INSERT INTO agentmem_store_state (id, seq) VALUES (1, 0)")


def downgrade() -> None:
    """Undo."""
    op.drop_table("agentmem_line_terms")
    op.drop_table("agentmem_line_chunk")
    op.drop_table("agentmem_store_state")
    op.drop_table("agentmem_search_index")
    with op.batch_alter_table("agentmem_idempotency_key", schema=None) as batch_op:
        batch_op.drop_index(batch_op.f("ix_agentmem_idempotency_key_block_id"))

    op.drop_table("agentmem_idempotency_key")
    op.drop_table("agentmem_block_version")
    with op.batch_alter_table("agentmem_archival_line", schema=None) as batch_op:
        batch_op.drop_index(batch_op.f("ix_agentmem_archival_line_seq"))
        batch_op.drop_index(
            "ix_agentmem_archival_line_live",
            sqlite_where=sa.text("deleted_at IS NULL"),
            postgresql_where=sa.text("deleted_at IS NULL"),
        )
        batch_op.drop_index(batch_op.f("ix_agentmem_archival_line_block_id_seq"))

    op.drop_table("agentmem_archival_line")
    op.drop_table("agentmem_memory_block")
    op.drop_table("agentmem_embedder")
