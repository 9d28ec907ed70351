"""Numbers of changes from sequences on PostgreSQL; and what two merges at once may have left is taken back."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Apply."""
    contact = sa.table("agentmem_contact", sa.column("id", sa.String), sa.column("merged_into", sa.String))
    op.execute(sa.update(contact).where(contact.c.merged_into == contact.c.id).values(merged_into=None))
    if op.get_bind().dialect.name != "postgresql":
        return
    state = sa.table("agentmem_store_state", sa.column("seq", sa.BigInteger), sa.column("change_seq", sa.BigInteger))
    taken = op.get_bind().execute(sa.select(state.c.seq, state.c.change_seq)).one()
    for name, last in (("agentmem_line_seq", taken.seq), ("agentmem_change_seq", taken.change_seq)):
        op.execute(sa.schema.CreateSequence(sa.Sequence(name, start=last + 1, data_type=sa.BigInteger)))
