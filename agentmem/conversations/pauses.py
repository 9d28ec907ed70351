"""How long a transcript rests that could not be read for the moment. Pure functions.

Twice as long each time, up to an hour, for as long as the transcript lives. How long it was the last time stands in the
place of who is at it: nobody is, meanwhile.
"""

from __future__ import annotations

from datetime import timedelta
from typing import Final

FIRST: Final = timedelta(minutes=1)
LONGEST: Final = timedelta(hours=1)

MARK: Final = "paused "
"""How what stands for a pause begins."""


def mark(pause: timedelta) -> str:
    """Return what stands for a pause.

    >>> mark(FIRST)
    'paused 60'
    """
    return f"{MARK}{pause.total_seconds():.0f}"


def following(claim: str | None) -> timedelta:
    """Return the pause after the one that a mark stands for, the first one after anything else.

    >>> str(following("paused 60")), str(following("paused 3600")), str(following(None))
    ('0:02:00', '1:00:00', '0:01:00')
    """
    if claim is None or not claim.startswith(MARK):
        return FIRST
    return min(2 * timedelta(seconds=int(claim.removeprefix(MARK))), LONGEST)
