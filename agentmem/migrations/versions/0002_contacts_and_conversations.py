"""Contacts and conversations: agent settings, contacts with identifiers and memory, messages, the feed of changes."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Apply."""
    op.create_table(
        "agentmem_agent_settings",
        sa.Column("tenant_id", sa.String(), nullable=False),
        sa.Column("agent_id", sa.String(), nullable=False),
        sa.Column("version", sa.String(), nullable=False),
        sa.Column("settings", sa.Text(), nullable=False),
        sa.Column("retention_days", sa.Integer(), nullable=True),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("updated_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("tenant_id", "agent_id", "version", name=op.f("pk_agentmem_agent_settings")),
    )
    op.create_table(
        "agentmem_contact",
        sa.Column("tenant_id", sa.String(), nullable=False),
        sa.Column("id", sa.String(), nullable=False),
        sa.Column("name", sa.String(), nullable=True),
        sa.Column("generated", sa.Boolean(), nullable=False),
        sa.Column("by_hand", sa.Boolean(), nullable=False),
        sa.Column("merged_into", sa.String(), nullable=True),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("last_seen_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("tenant_id", "id", name=op.f("pk_agentmem_contact")),
    )
    with op.batch_alter_table("agentmem_contact", schema=None) as batch_op:
        batch_op.create_index(
            batch_op.f("ix_agentmem_contact_tenant_id_created_at_id"), ["tenant_id", "created_at", "id"], unique=False
        )
        batch_op.create_index(
            batch_op.f("ix_agentmem_contact_tenant_id_merged_into"), ["tenant_id", "merged_into"], unique=False
        )

    op.create_table(
        "agentmem_memory_change",
        sa.Column("id", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("tenant_id", sa.String(), nullable=False),
        sa.Column("user_id", sa.String(), nullable=False),
        sa.Column("agent_id", sa.String(), nullable=False),
        sa.Column("conversation_id", sa.String(), nullable=True),
        sa.Column("actor", sa.String(), nullable=False),
        sa.Column("kind", sa.String(), nullable=False),
        sa.Column("action", sa.String(), nullable=False),
        sa.Column("ref", sa.String(), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("before", sa.Text(), nullable=True),
        sa.Column("after", sa.Text(), nullable=True),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("expires_at", sa.DateTime(timezone=True), nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_agentmem_memory_change")),
    )
    with op.batch_alter_table("agentmem_memory_change", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_agentmem_memory_change_at"), ["at"], unique=False)
        batch_op.create_index(
            batch_op.f("ix_agentmem_memory_change_conversation_id"), ["conversation_id"], unique=False
        )
        batch_op.create_index(batch_op.f("ix_agentmem_memory_change_expires_at"), ["expires_at"], unique=False)
        batch_op.create_index(
            "ix_agentmem_memory_change_superseded",
            ["ref"],
            unique=False,
            sqlite_where=sa.text("action = 'superseded'"),
            postgresql_where=sa.text("action = 'superseded'"),
        )
        batch_op.create_index(
            batch_op.f("ix_agentmem_memory_change_tenant_id_user_id_id"), ["tenant_id", "user_id", "id"], unique=False
        )

    op.create_table(
        "agentmem_contact_identifier",
        sa.Column("tenant_id", sa.String(), nullable=False),
        sa.Column("kind", sa.String(), nullable=False),
        sa.Column("value", sa.String(), nullable=False),
        sa.Column("contact_id", sa.String(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("last_seen_at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(
            ["tenant_id", "contact_id"],
            ["agentmem_contact.tenant_id", "agentmem_contact.id"],
            name=op.f("fk_agentmem_contact_identifier_tenant_id"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("tenant_id", "kind", "value", name=op.f("pk_agentmem_contact_identifier")),
    )
    with op.batch_alter_table("agentmem_contact_identifier", schema=None) as batch_op:
        batch_op.create_index(
            batch_op.f("ix_agentmem_contact_identifier_tenant_id_contact_id"), ["tenant_id", "contact_id"], unique=False
        )

    op.create_table(
        "agentmem_contact_memory",
        sa.Column("id", sa.String(), nullable=False),
        sa.Column("tenant_id", sa.String(), nullable=False),
        sa.Column("contact_id", sa.String(), nullable=False),
        sa.Column("agent_id", sa.String(), nullable=False),
        sa.Column("summary", sa.Text(), nullable=True),
        sa.Column("summary_updated_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("updated_at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(
            ["tenant_id", "contact_id"],
            ["agentmem_contact.tenant_id", "agentmem_contact.id"],
            name=op.f("fk_agentmem_contact_memory_tenant_id"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_agentmem_contact_memory")),
        sa.UniqueConstraint("tenant_id", "contact_id", "agent_id", name=op.f("uq_agentmem_contact_memory_tenant_id")),
    )
    with op.batch_alter_table("agentmem_contact_memory", schema=None) as batch_op:
        batch_op.create_index(
            batch_op.f("ix_agentmem_contact_memory_tenant_id_agent_id"), ["tenant_id", "agent_id"], unique=False
        )

    op.create_table(
        "agentmem_conversation",
        sa.Column("id", sa.String(), nullable=False),
        sa.Column("tenant_id", sa.String(), nullable=False),
        sa.Column("agent_id", sa.String(), nullable=False),
        sa.Column("version", sa.String(), nullable=True),
        sa.Column("contact_id", sa.String(), nullable=True),
        sa.Column("channel", sa.String(), nullable=False),
        sa.Column("thread_id", sa.String(), nullable=True),
        sa.Column("status", sa.String(), nullable=False),
        sa.Column("started_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("last_active_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("ended_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("qa", sa.Text(), nullable=True),
        sa.Column("handoff_to", sa.Text(), nullable=True),
        sa.Column("handoff_reason", sa.Text(), nullable=True),
        sa.Column("context", sa.Text(), nullable=False),
        sa.Column("extraction", sa.String(), nullable=False),
        sa.Column("extraction_note", sa.Text(), nullable=True),
        sa.Column("attempts", sa.Integer(), nullable=False),
        sa.Column("claim", sa.String(), nullable=True),
        sa.Column("claimed_until", sa.DateTime(timezone=True), nullable=True),
        sa.CheckConstraint(
            "extraction IN ('none', 'pending', 'done', 'failed')", name=op.f("ck_agentmem_conversation_extraction")
        ),
        sa.CheckConstraint("status IN ('open', 'ended', 'failed')", name=op.f("ck_agentmem_conversation_status")),
        sa.ForeignKeyConstraint(
            ["tenant_id", "contact_id"],
            ["agentmem_contact.tenant_id", "agentmem_contact.id"],
            name=op.f("fk_agentmem_conversation_tenant_id"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_agentmem_conversation")),
    )
    with op.batch_alter_table("agentmem_conversation", schema=None) as batch_op:
        batch_op.create_index(
            batch_op.f("ix_agentmem_conversation_extraction_ended_at"), ["extraction", "ended_at"], unique=False
        )
        batch_op.create_index(
            batch_op.f("ix_agentmem_conversation_status_last_active_at"), ["status", "last_active_at"], unique=False
        )
        batch_op.create_index(
            batch_op.f("ix_agentmem_conversation_tenant_id_agent_id_started_at"),
            ["tenant_id", "agent_id", "started_at"],
            unique=False,
        )
        batch_op.create_index(
            batch_op.f("ix_agentmem_conversation_tenant_id_contact_id_agent_id_started_at"),
            ["tenant_id", "contact_id", "agent_id", "started_at"],
            unique=False,
        )
        batch_op.create_index(
            batch_op.f("ix_agentmem_conversation_tenant_id_started_at_id"),
            ["tenant_id", "started_at", "id"],
            unique=False,
        )
        batch_op.create_index(
            "uq_agentmem_conversation_open_thread",
            ["tenant_id", "thread_id"],
            unique=True,
            sqlite_where=sa.text("status = 'open' AND thread_id IS NOT NULL"),
            postgresql_where=sa.text("status = 'open' AND thread_id IS NOT NULL"),
        )

    op.create_table(
        "agentmem_entity",
        sa.Column("memory_id", sa.String(), nullable=False),
        sa.Column("entity_type", sa.String(), nullable=False),
        sa.Column("entity_id", sa.String(), nullable=False),
        sa.Column("facts", sa.Text(), nullable=False),
        sa.Column("status", sa.Text(), nullable=True),
        sa.Column("notes", sa.Text(), nullable=True),
        sa.Column("source", sa.String(), nullable=False),
        sa.Column("last_discussed_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("updated_at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(
            ["memory_id"], ["agentmem_contact_memory.id"], name=op.f("fk_agentmem_entity_memory_id"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("memory_id", "entity_type", "entity_id", name=op.f("pk_agentmem_entity")),
    )
    op.create_table(
        "agentmem_fact",
        sa.Column("memory_id", sa.String(), nullable=False),
        sa.Column("key", sa.String(), nullable=False),
        sa.Column("value", sa.Text(), nullable=False),
        sa.Column("source", sa.String(), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("updated_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("expires_at", sa.DateTime(timezone=True), nullable=True),
        sa.ForeignKeyConstraint(
            ["memory_id"], ["agentmem_contact_memory.id"], name=op.f("fk_agentmem_fact_memory_id"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("memory_id", "key", name=op.f("pk_agentmem_fact")),
    )
    with op.batch_alter_table("agentmem_fact", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_agentmem_fact_expires_at"), ["expires_at"], unique=False)
        batch_op.create_index(batch_op.f("ix_agentmem_fact_updated_at"), ["updated_at"], unique=False)

    op.create_table(
        "agentmem_message",
        sa.Column("id", sa.String(), nullable=False),
        sa.Column("conversation_id", sa.String(), nullable=False),
        sa.Column("memory_id", sa.String(), nullable=False),
        sa.Column("position", sa.Integer(), nullable=False),
        sa.Column("role", sa.String(), nullable=False),
        sa.Column("content", sa.Text(), nullable=False),
        sa.Column("external_id", sa.String(), nullable=True),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.CheckConstraint("role IN ('user', 'assistant', 'tool')", name=op.f("ck_agentmem_message_role")),
        sa.ForeignKeyConstraint(
            ["conversation_id"],
            ["agentmem_conversation.id"],
            name=op.f("fk_agentmem_message_conversation_id"),
            ondelete="CASCADE",
        ),
        sa.ForeignKeyConstraint(
            ["memory_id"],
            ["agentmem_contact_memory.id"],
            name=op.f("fk_agentmem_message_memory_id"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_agentmem_message")),
        sa.UniqueConstraint("conversation_id", "external_id", name=op.f("uq_agentmem_message_external_id")),
        sa.UniqueConstraint("conversation_id", "position", name=op.f("uq_agentmem_message_conversation_id")),
    )
    with op.batch_alter_table("agentmem_message", schema=None) as batch_op:
        batch_op.create_index(
            batch_op.f("ix_agentmem_message_memory_id_created_at_conversation_id_position"),
            ["memory_id", "created_at", "conversation_id", "position"],
            unique=False,
        )

    op.create_table(
        "agentmem_open_item",
        sa.Column("id", sa.String(), nullable=False),
        sa.Column("memory_id", sa.String(), nullable=False),
        sa.Column("type", sa.String(), nullable=False),
        sa.Column("description", sa.Text(), nullable=False),
        sa.Column("priority", sa.String(), nullable=False),
        sa.Column("related_type", sa.String(), nullable=True),
        sa.Column("related_id", sa.String(), nullable=True),
        sa.Column("source", sa.String(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("updated_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("resolved_at", sa.DateTime(timezone=True), nullable=True),
        sa.ForeignKeyConstraint(
            ["memory_id"],
            ["agentmem_contact_memory.id"],
            name=op.f("fk_agentmem_open_item_memory_id"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_agentmem_open_item")),
    )
    with op.batch_alter_table("agentmem_open_item", schema=None) as batch_op:
        batch_op.create_index(
            batch_op.f("ix_agentmem_open_item_memory_id_created_at"), ["memory_id", "created_at"], unique=False
        )

    with op.batch_alter_table("agentmem_search_index", schema=None) as batch_op:
        batch_op.add_column(sa.Column("erase", sa.Boolean(), server_default=sa.false(), nullable=False))

    with op.batch_alter_table("agentmem_store_state", schema=None) as batch_op:
        batch_op.add_column(sa.Column("change_seq", sa.BigInteger(), server_default=sa.text("0"), nullable=False))
        batch_op.add_column(sa.Column("erased", sa.BigInteger(), server_default=sa.text("0"), nullable=False))
