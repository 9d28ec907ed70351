"""What a conversation taught: lines that are new, that are confirmed, or that take the place of others."""

from __future__ import annotations

from typing import TYPE_CHECKING
from uuid import uuid4

from sqlmodel import update

from agentmem import numbers, revisions
from agentmem.archival.rows import LineWrites, succeed, visible
from agentmem.changes import Change
from agentmem.tables import ARCHIVAL, ArchivalLineRow

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from datetime import datetime

    from sqlmodel import Session

    from agentmem.archival.lines import Entry
    from agentmem.archival.rows import MadeBy
    from agentmem.models import Scope


def learn(
    session: Session,
    scope: Scope,
    *,
    add: Sequence[Entry],
    confirm: Mapping[str, float],
    supersede: Mapping[str, Entry],
    made_by: Callable[[Session], MadeBy],
    moment: datetime,
    actor: str,
    conversation_id: str | None,
) -> list[str]:
    """See `ArchivalStore.learn`; `made_by` tells what made the entries."""
    live = revisions.find_to_write(session, scope, ARCHIVAL)
    known = visible(session, scope, [*confirm, *supersede], now=moment)
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
    stamp = made_by(session) if ids else None
    writes = LineWrites(session, scope, live, moment=moment, actor=actor)
    _confirm(session, [(known[line_id], sure) for line_id, sure in again.items()], moment)
    for line_id, entry in replaced.items():
        succeed(session, scope.tenant_id, line_id, ids[entry])
    writes.bury(list(replaced))
    if stamp is not None:
        writes.insert(list(ids), list(ids.values()), stamp)
    writes.tell((conversation_id, change) for change in told)
    return list(ids.values())


def _confirm(session: Session, lines: Sequence[tuple[ArchivalLineRow, float]], moment: datetime) -> None:
    """Note that lines were said again; the confidence that is higher counts."""
    if not lines:
        return
    taken = numbers.take(session, "lines", len(lines))
    confirmed = [
        {"id": line.id, "confidence": max(line.confidence, sure), "updated_at": moment, "seq": number}
        for number, (line, sure) in zip(taken, lines, strict=True)
    ]
    session.exec(update(ArchivalLineRow), params=confirmed)
