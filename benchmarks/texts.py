"""What every system is given of a turn, and how much is asked of it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Callable

    from dialogues import Session, Turn

LIMIT: Final = 20
"""How long every ranked list is."""

BARE: Final = "bare words"
NAMED: Final = "speaker: words"
WHOLE: Final = "all as JSON"

TEXTS: Final[dict[str, Callable[[Turn], str]]] = {
    BARE: lambda turn: turn.text,
    NAMED: lambda turn: f"{turn.speaker}: {turn.text}",
}
"""What a system is given of a turn as its text."""


def about(session: Session, turn: Turn | None = None) -> dict[str, str]:
    """What a peer is told of a session, and of who said a turn of it, beside the text."""
    speaker = {"speaker": turn.speaker} if turn and turn.speaker else {}
    return {**speaker, "occurred_at": session.occurred_at.isoformat(), "session": session.id}
