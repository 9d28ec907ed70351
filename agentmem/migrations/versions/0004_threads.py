"""Whose a LangGraph thread is, and what others left in it."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Apply."""
    op.create_table(
        "agentmem_refused_message",
        sa.Column("thread_key", sa.String(), nullable=False),
        sa.Column("message_key", sa.String(), nullable=False),
        sa.PrimaryKeyConstraint("thread_key", "message_key", name=op.f("pk_agentmem_refused_message")),
    )
    op.create_table(
        "agentmem_thread",
        sa.Column("key", sa.String(), nullable=False),
        sa.Column("thread_id", sa.Text(), nullable=True),
        sa.Column("tenant_id", sa.String(), nullable=False),
        sa.Column("user_id", sa.String(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("ledger", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("key", name=op.f("pk_agentmem_thread")),
    )
    with op.batch_alter_table("agentmem_thread", schema=None) as batch_op:
        batch_op.create_index(
            batch_op.f("ix_agentmem_thread_tenant_id_user_id"), ["tenant_id", "user_id"], unique=False
        )
