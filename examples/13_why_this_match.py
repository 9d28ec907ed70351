# Why this match, and why in this place: recall(explain=True) shows the figures a result came from.

from __future__ import annotations

import tempfile

import agentmem
from agentmem import Line

with tempfile.TemporaryDirectory() as folder, agentmem.open(folder) as mem:
    memory = mem.client(user_id="ada").memory
    memory.remember(
        [
            Line("Where did we leave the spare key?", speaker="Ada"),
            Line("I gave it to Noor on the second floor", speaker="Ben"),
        ],
        conversation_id="moving",
    )
    memory.remember("The dog is called Tom")

    for match in memory.recall("What did Ben do with the spare key?", min_score=0, explain=True):
        why = match.explanation
        assert why is not None
        print(f"\n{match.content}")
        print(f"  score {match.score:.3f}, from semantic {why.semantic:.3f} and lexical {why.lexical:.3f}")
        print(
            f"  place {why.rank:.3f}: speaker {why.speaker_boost:+.3f}, conversation {why.conversation_boost:+.3f}, "
            f"question {why.question_boost:+.3f}, recency {why.recency_boost:+.3f}"
        )
        # The second line has no "key" of its own: what it is about was said in the line before it.
        for term in why.terms:
            print(f"  {term.term:>7}: weight {term.weight:.2f}, own {term.own:g}, amount {term.amount:.2f}")
