"""A clock for tests: it stands still, and goes where it is told, backwards too."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta


class FrozenClock:
    """A clock that moves only when told.

    Args:
        now: Where it starts, aware.

    >>> clock = FrozenClock(datetime(2026, 3, 14, tzinfo=UTC))
    >>> clock.move(hours=1)
    >>> clock().isoformat()
    '2026-03-14T01:00:00+00:00'
    """

    def __init__(self, now: datetime | None = None) -> None:
        self.now = now or datetime(2026, 1, 1, 12, tzinfo=UTC)

    def __call__(self) -> datetime:
        """The time."""
        return self.now

    def move(self, **by: float) -> None:
        """Go forward, or with negative numbers back: `move(days=1, minutes=-5)`."""
        self.now += timedelta(**by)
