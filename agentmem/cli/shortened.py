"""Ids that were typed shortened: the beginning of one is as good as the whole, where only one begins so."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

from agentmem.errors import InvalidInputError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from agentmem.client.store import AgentMem

SHORTEST: Final = 4
"""The fewest characters that may stand for an id."""

_MADE: Final = re.compile(r"[0-9a-f]{32}|[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}")
"""The ids that agentmem makes. Of others one may be the beginning of the next: john, johnny."""


def user(mem: AgentMem, typed: str, *, made_only: bool = False) -> str | None:
    """Return the id of a person of whom something is kept; None when there is nobody of this id, or whose id begins so.

    Args:
        mem: The store.
        typed: Their id, or its beginning.
        made_only: Whether only ids that agentmem made may be shortened, as where the wrong person would be changed.

    Raises:
        InvalidInputError: Several ids begin so.
    """
    mem.client(typed)  # which says what is wrong with an id that cannot be one
    found = mem.users(limit=2, prefix=typed)
    whole = _whole("user_id", typed, found)
    return None if made_only and whole != typed and not _MADE.fullmatch(whole or "") else whole


def conversation(mem: AgentMem, typed: str) -> str:
    """Return the id of a conversation; what was typed, when there is none.

    Raises:
        InvalidInputError: Several ids begin so.
    """
    if len(typed) < SHORTEST:
        return typed
    return _whole("conversation_id", typed, mem.conversations.ids(typed, limit=2)) or typed


def _whole(field: str, typed: str, found: Sequence[str]) -> str | None:
    if typed in found:
        return typed
    if not found or len(typed) < SHORTEST:
        return None
    if len(found) > 1:
        raise InvalidInputError("several begin with this", field=field, advice="type more of it")
    return found[0]
