"""Whose the messages of a thread are, by their digests: told in pure functions, and loaded without any database."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence

DIGEST_LENGTH: Final = 32
"""How long the digest of a message is: so long that nobody finds a second message with the same."""

MOST_KEPT: Final = 2_000
"""Of how many messages it is known whose they are: the newest of a thread."""

MOST_REFUSED: Final = 1_000
"""How many messages of others are noted of a thread before nobody goes on with it."""

DOUBT: Final = "resumed"
"""What is noted, beside digests, of a thread in which others may have left more than was in sight."""


@dataclass(frozen=True, slots=True)
class SortedOut:
    """What a step saw for the first time.

    Args:
        own: The digests of messages that are the user's or their agents'.
        foreign: Those of messages that others left.
        is_settled: Whether nothing that others left can be out of sight any more.
    """

    own: Sequence[str]
    foreign: Sequence[str]
    is_settled: bool

    def __bool__(self) -> bool:
        return bool(self.own or self.foreign or self.is_settled)


@dataclass(frozen=True, slots=True)
class RefusedRun:
    """What a step saw of a run that it refused.

    Args:
        digests: Those of the messages in sight, in their order.
        turn: Those of the refused turn, for a thread of which no message is known.
        calls: The hashes of the tool calls that the run approved.
    """

    digests: Sequence[str]
    turn: Sequence[str]
    calls: Sequence[str]


@dataclass(frozen=True, slots=True)
class KnownMessages:
    """What is known of the messages of one thread.

    Args:
        own: The digests of its user's, and of what was said to them.
        refused: Those of what others left in it, the hashes of the tool calls that they approved, and `DOUBT`.
    """

    own: Sequence[str] = ()
    refused: frozenset[str] = frozenset()

    def left(self, digests: Sequence[str]) -> set[str]:
        """Return those of a state's digests that others left; so may be all that is older than what is known."""
        older = digests[: self._beginning(digests)] if self.refused else ()
        return {one for one in digests if one in self.refused}.union(older)

    def unknown(self, digests: Sequence[str]) -> list[str]:
        """Those of which it is not known whose they are."""
        known = self.refused.union(self.own)
        return [one for one in digests[self._beginning(digests) :] if one not in known]

    def sort_out(self, digests: Sequence[str], said: Collection[str], *, is_resumed: bool) -> SortedOut:
        """Tell the user's new messages from what others left out of sight.

        Those were added to the thread before its user came back. So what is new
        stands after all that is known and begins with what they said last, and
        there is nothing new where a run goes on in the middle of an earlier one.

        Args:
            digests: Those of the messages that a step of the user sees, in their order.
            said: Those of them that a person may have said.
            is_resumed: Whether the step is the first of a run that goes on with an earlier one.
        """
        unknown = self.unknown(digests[-MOST_KEPT:])
        if DOUBT not in self.refused:
            return SortedOut(unknown, (), is_settled=False)
        own, asked = set(self.own), set(said) - self.refused
        last = max((place for place, one in enumerate(digests) if one in own), default=-1)
        turn = max((place for place, one in enumerate(digests) if one in asked), default=-1)
        new = frozenset[str]() if is_resumed else set(digests[max(last + 1, turn if turn > last else 0) :])
        return SortedOut(
            [one for one in unknown if one in new],
            [one for one in unknown if one not in new],
            is_settled=not is_resumed and turn > last >= 0,
        )

    def _beginning(self, digests: Sequence[str]) -> int:
        """Return where the messages begin of which it can be known whose they are."""
        if len(self.own) < MOST_KEPT:
            return 0
        own = set(self.own)
        return next((place for place, one in enumerate(digests) if one in own), 0)
