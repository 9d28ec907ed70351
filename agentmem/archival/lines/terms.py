"""The stored words of lines: which were split by another version or language, and splitting them anew."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any, Final

from sqlmodel import Session, and_, col, delete, func, insert, or_, select

from agentmem.tables import ArchivalLineRow, LineTermsRow

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from datetime import datetime

    from sqlalchemy import ColumnElement

    from agentmem.database import Database
    from agentmem.text.analyzer import Analyzer

_LINES_AT_ONCE: Final = 500


def count_stale(session: Session, analyzer: Analyzer) -> int:
    """Return how many live lines another version or language of the analyzer split, or none."""
    statement = select(func.count()).select_from(ArchivalLineRow)
    return session.exec(statement.join(LineTermsRow, _OWN, isouter=True).where(_stale(analyzer))).one()


def split_anew(database: Database, analyzer: Analyzer, progress: Callable[[int, int], None]) -> None:
    """Split the words of every such line and store them, in batches, so that an interrupted run goes on."""
    with database.read() as session:
        left = count_stale(session, analyzer)
    done = 0
    while True:
        with database.read() as session:
            lines = _some(session, analyzer)
        if not lines:
            return
        bags = {
            line_id: analyzer.bag(content, speaker=speaker, occurred_at=occurred_at)
            for line_id, content, speaker, occurred_at in lines
        }
        database.write(partial(_store, made_by=analyzer.made_by, bags=bags))
        done += len(lines)
        progress(done, max(left, done))


def _some(session: Session, analyzer: Analyzer) -> Sequence[tuple[str, str, str | None, datetime | None]]:
    line = ArchivalLineRow
    statement = select(line.id, line.content, line.speaker, line.occurred_at)
    stale = statement.join(LineTermsRow, _OWN, isouter=True).where(_stale(analyzer))
    return session.exec(stale.order_by(col(line.seq)).limit(_LINES_AT_ONCE)).all()


def _store(session: Session, made_by: str, bags: dict[str, bytes]) -> None:
    """Leave out the lines that were deleted meanwhile: no word of theirs may come back; and those someone else has."""
    alive = col(ArchivalLineRow.id).in_(bags), col(ArchivalLineRow.deleted_at).is_(None)
    live = session.exec(select(ArchivalLineRow.id).where(*alive).with_for_update(skip_locked=True)).all()
    session.exec(delete(LineTermsRow).where(col(LineTermsRow.line_id).in_(live)))
    rows: list[dict[str, Any]] = [{"line_id": line_id, "made_by": made_by, "terms": bags[line_id]} for line_id in live]
    if rows:
        session.exec(insert(LineTermsRow), params=rows)


def _stale(analyzer: Analyzer) -> ColumnElement[bool]:
    other = or_(col(LineTermsRow.made_by).is_(None), LineTermsRow.made_by != analyzer.made_by)
    return and_(col(ArchivalLineRow.deleted_at).is_(None), other)


_OWN: Final = col(LineTermsRow.line_id) == col(ArchivalLineRow.id)
