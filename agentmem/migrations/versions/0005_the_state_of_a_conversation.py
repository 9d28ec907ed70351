"""What is noted in a conversation while it is open."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Apply."""
    op.add_column("agentmem_conversation", sa.Column("state", sa.Text(), nullable=True))
