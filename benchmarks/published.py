"""The dialogues of either benchmark, for a program that measures both: what is named says which it is."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import beam_data
import locomo_data
from dialogues import loaded

if TYPE_CHECKING:
    from pathlib import Path

    from dialogues import Conversation

WHAT: Final = "LoCoMo's JSON as published, locomo10.json, or a folder of BEAM's chats, such as chats/100K"


def read(path: Path) -> list[Conversation]:
    """Every conversation of LoCoMo's file, or of what `beam_data` reads.

    Raises:
        NotPublishedError: It is neither.
    """
    if path.is_dir() or beam_data.is_listed(loaded(path)):
        return beam_data.read(path)
    return locomo_data.read(path)
