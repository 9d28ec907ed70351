"""The retention job: what is hidden because its time is over is deleted for good."""

from __future__ import annotations

from collections import Counter
from functools import partial
from typing import TYPE_CHECKING, Any, Final

from sqlmodel import Session, col, select, update

from agentmem import inputs
from agentmem.archival.index import record
from agentmem.archival.lines import expire
from agentmem.conversations.contexts import NOTHING, without_expired
from agentmem.database import rows
from agentmem.expiry import retention_column
from agentmem.records import SweepReport
from agentmem.retention import traces
from agentmem.retention.batches import ROWS, batches
from agentmem.tables import ConversationRow
from agentmem.transaction import Writer

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from datetime import datetime

    from agentmem.archival.index.protocol import IndexFeed
    from agentmem.conversations.idle import IdleReport
    from agentmem.retention.batches import Batch
    from agentmem.transaction import Snapshot, Transaction, Transactions

_SWEEP: Final = Writer("sweep")

_HEADERS: Final = 100


class Sweeping:
    """Deletes what outlived its retention, of every tenant.

    It may be ended anywhere, and may run beside everything else: each of its
    transactions is a small one that stands for itself.

    Args:
        transactions: What reads and writes it.
        index: What holds vectors of it.
        end_idle: Ends conversations that were left open, as of a moment.
    """

    def __init__(
        self,
        transactions: Transactions,
        index: IndexFeed,
        *,
        end_idle: Callable[[datetime], IdleReport],
    ) -> None:
        self._transactions = transactions
        self._index = index
        self._end_idle = end_idle

    def sweep(self, now: datetime | None = None) -> SweepReport:
        """End what was left open, delete what is over, and remove the traces of who was forgotten.

        Args:
            now: What time to take it for; the clock's if not given.

        Raises:
            InvalidInputError: Not an aware datetime.
            BackendError: The database could not do it; what was deleted until then stays deleted.
        """
        now = self._transactions.now() if now is None else inputs.timestamp("now", now)
        idle = self._end_idle(now)
        with self._transactions.read(now) as snapshot:
            to_delete = list(batches(snapshot))
        deleted = Counter[str]()
        for kind, batch in to_delete:
            deleted[kind] += self._all(batch, now)
        deleted["contexts"] += self._cut_contexts(now)
        in_index = traces.remove_from_index(self._index)
        self._transactions.database.write(record.remove_in_memory)
        deleted["tombstones"] += self._clear_tombstones(now)  # now that every index knows of them
        in_files = traces.remove_from_files(self._transactions.database)
        pending = (*idle.pending, *in_index, *in_files)
        return SweepReport(idle.ended, {kind: count for kind, count in deleted.items() if count}, pending)

    def _all(self, batch: Batch, now: datetime) -> int:
        """Repeat a batch until there is nothing more to do."""
        total = 0
        while done := self._transactions.write(batch, writer=_SWEEP, now=now):
            total += done
        return total

    def _cut_contexts(self, now: datetime) -> int:
        """Take what is over out of what agents had, as it is kept with their conversations."""
        cut, last = 0, ""
        while True:
            with self._transactions.read(now) as snapshot:
                page = _contexts(snapshot.session, after=last)
            if not page:
                return cut
            last = page[-1].id
            left = [(row.id, row.context, _left_of(snapshot, row.context, row.days)) for row in page]
            changed = [one for one in left if one[1] != one[2]]
            if changed:
                cut += self._transactions.write(partial(_replace_contexts, changed=changed), writer=_SWEEP, now=now)

    def _clear_tombstones(self, now: datetime) -> int:
        with self._transactions.read(now) as snapshot:
            spare = expire.spare_tombstones(snapshot.session)
        return sum(
            self._all(partial(expire.clear, spare=spare[begin : begin + _HEADERS], limit=ROWS), now)
            for begin in range(0, len(spare), _HEADERS)
        )


def _left_of(snapshot: Snapshot, context: str, days: int | None) -> str:
    return without_expired(context, now=snapshot.now, days=days, most_days=snapshot.max_fact_days)


def _contexts(session: Session, *, after: str) -> Sequence[Any]:
    """Return the next conversations with a context, by id."""
    row = ConversationRow
    days = retention_column(row.tenant_id, row.agent_id).label("days")
    statement: Any = select(row.id, row.context, days).where(row.id > after, col(row.context).not_in(NOTHING))
    return rows(session, statement.order_by(col(row.id)).limit(ROWS))


def _replace_contexts(tx: Transaction, *, changed: Sequence[tuple[str, str, str]]) -> int:
    """Replace contexts, each a conversation's id, the old and the new, unless something came or comes between."""
    row = ConversationRow
    ids = [id_ for id_, _, _ in changed]
    locked = select(row.id).where(col(row.id).in_(ids)).order_by(col(row.id)).with_for_update(skip_locked=True)
    free = set(tx.session.exec(locked))
    return sum(
        tx.session.exec(update(row).where(col(row.id) == id_, col(row.context) == old).values(context=new)).rowcount
        for id_, old, new in changed
        if id_ in free
    )
