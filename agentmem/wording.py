"""Text with phrases in it that another door of memory says in its own words, as the command line does.

Such a text is a string like any other. Whoever words it otherwise goes by its
parts, so nobody has to look for a phrase in what is finished.
"""

from __future__ import annotations

from enum import StrEnum
from typing import TYPE_CHECKING, Self

if TYPE_CHECKING:
    from collections.abc import Mapping


class Phrase(StrEnum):
    """What the Python API says in its own words."""

    AGENT_ID = "agent_id="
    AN_AGENT_ID = "an agent_id"
    AWARE_DATETIME = "use an aware datetime, like datetime.now(UTC)"
    CONFIGURE = "call mem.agents.configure(agent_id, …)"
    HAND_OVER_CHECKPOINTER = ", unless they are handed over (checkpointer=)"
    LIST_CONVERSATIONS = "mem.conversations.list()"
    OTHER_HOME = "give another path to agentmem.open, or set AGENTMEM_HOME"
    CREATE_WITH_NONE = "pass None to create it"
    REINDEX = "reindex()"
    REINDEX_EMBED = "reindex(embed=True)"
    SWEEP = "sweep()"


class Wording(str):
    """A text that knows the parts that it was made of.

    >>> text = Wording("run ", Phrase.REINDEX, " again")
    >>> text, text.worded({Phrase.REINDEX: "agentmem reindex"})
    ('run reindex() again', 'run agentmem reindex again')
    """

    __slots__ = ("parts",)

    parts: tuple[str, ...]

    def __new__(cls, *parts: str) -> Self:
        """Join the parts."""
        made = super().__new__(cls, "".join(parts))
        made.parts = parts
        return made

    def worded(self, words: Mapping[Phrase, str]) -> str:
        """Return the text with other words for its phrases."""
        return "".join(words.get(part, part) if isinstance(part, Phrase) else part for part in self.parts)


def worded(text: str, words: Mapping[Phrase, str]) -> str:
    """Return any text with other words for the phrases that it is known to hold.

    >>> worded(Phrase.REINDEX, {Phrase.REINDEX: "agentmem reindex"}), worded("reindex()", {})
    ('agentmem reindex', 'reindex()')
    """
    if isinstance(text, Phrase):
        return words.get(text, text)
    return text.worded(words) if isinstance(text, Wording) else text
