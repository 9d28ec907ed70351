"""What a conversation taught: lines that are new, that are confirmed, or that take the place of others."""

from __future__ import annotations

from typing import TYPE_CHECKING
from uuid import uuid4

from agentmem import revisions
from agentmem.archival.lines.rows import LineWrites, succeed, visible
from agentmem.changes import Change
from agentmem.tables import ARCHIVAL

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from sqlmodel import Session

    from agentmem.archival.lines.drafts import IndexedLine
    from agentmem.archival.lines.rows import MadeBy
    from agentmem.models import Scope
    from agentmem.transaction import Transaction


def learn(
    tx: Transaction,
    scope: Scope,
    *,
    add: Sequence[IndexedLine],
    confirm: Mapping[str, float],
    supersede: Mapping[str, IndexedLine],
    made_by: Callable[[Session], MadeBy],
) -> list[str]:
    """See `ArchivalStore.learn`; `made_by` tells what made the entries."""
    live = revisions.find_to_write(tx, scope, ARCHIVAL)
    known = visible(tx, scope, [*confirm, *supersede])
    ids = {entry: uuid4().hex for entry in (*add, *supersede.values())}
    if not ids and not known:
        return []
    replaced = {line_id: entry for line_id, entry in supersede.items() if line_id in known}
    again = {line_id: sure for line_id, sure in confirm.items() if line_id in known and line_id not in replaced}
    told = [
        *(Change("line", "confirmed", line_id) for line_id in again),
        *(
            Change("line", "superseded", ids[entry], before=known[line_id].content, after=entry.draft.content)
            for line_id, entry in replaced.items()
        ),
        *(Change("line", "added", line_id) for entry, line_id in ids.items() if entry not in replaced.values()),
    ]
    stamp = made_by(tx.session) if ids else None
    writes = LineWrites(tx, scope, live)
    for line_id, sure in again.items():  # the confidence that is higher counts
        confidence = max(known[line_id].confidence, sure)
        tx.change_line({"id": line_id, "confidence": confidence, "updated_at": tx.now})
    for line_id, entry in replaced.items():
        succeed(tx.session, scope.tenant_id, line_id, ids[entry])
    writes.tombstone(list(replaced))
    if stamp is not None:
        writes.insert(list(ids), list(ids.values()), stamp)
    tx.record(revisions.scope_of(writes.header), told)
    return list(ids.values())
