"""Whether a proposal rests on the turns it cites, or comes from tool output or recalled memory. Pure functions."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from agentmem.text import overlap
from agentmem.text.overlap import Vocabulary

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from agentmem.extraction.prompt import KnownMemory, Transcript
    from agentmem.extraction.windows import Turn


@dataclass(frozen=True, slots=True)
class Sources:
    """What else than its turns was in a conversation, in passages.

    Args:
        tools: What tools answered.
        recalled: The remembered texts that were put into the agent's prompts.
        lines: The known facts, by id.
        memory: The rest of what is known of the contact.
    """

    tools: Sequence[Vocabulary]
    recalled: Sequence[Vocabulary]
    lines: Mapping[str, Sequence[Vocabulary]]
    memory: Sequence[Vocabulary]

    @classmethod
    def of(cls, transcript: Transcript, known: KnownMemory, recalled: Iterable[str]) -> Sources:
        """Return the sources of a conversation.

        Args:
            transcript: The whole of it.
            known: What the model is shown of the contact's memory.
            recalled: What was put into the agent's prompts; known facts among it count as such.
        """
        pasted = {*recalled, *transcript.recalled} - set(known.lines.values())
        memory = known.memory
        told = [
            memory.summary,
            *(one.notes for one in memory.entities),
            *(one.description for one in memory.open_items),
        ]
        return cls(
            tools=overlap.passages(transcript.tools),
            recalled=overlap.passages(sorted(pasted)),
            lines={line_id: overlap.passages([text]) for line_id, text in known.lines.items()},
            memory=overlap.passages(text for text in told if text),
        )

    def gave(
        self,
        claim: frozenset[str],
        cited: Iterable[Turn],
        *,
        of_caller: bool = False,
        replaces: str | None = None,
    ) -> bool:
        """Return whether a proposal has its words from here rather than from the turns it cites.

        Args:
            claim: The words that carry what is proposed.
            cited: The turns.
            of_caller: Whether it is a fact about the caller. Then a word that the assistant has from here is not the
                assistant's own, and the contact's summary, notes and open items are sources too.
            replaces: The known fact it takes the place of, whose words it may keep.
        """
        turns = list(cited)
        others = [*self.tools, *self.recalled, *(each for line in self._lines_but(replaces) for each in line)]
        if of_caller:
            caller = [turn.text for turn in turns if turn.role == "user"]
            assistant = [turn.text for turn in turns if turn.role == "assistant"]
            own, read_out = Vocabulary.of(caller), Vocabulary.of(assistant)
            others += self.memory
        else:
            own, read_out = Vocabulary.of(turn.text for turn in turns), Vocabulary.of(())
        return overlap.copied(claim, own=own, read_out=read_out, others=others)

    def _lines_but(self, line_id: str | None) -> Iterable[Sequence[Vocabulary]]:
        return (passages for known_id, passages in self.lines.items() if known_id != line_id)
