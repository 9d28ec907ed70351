# Filters: which lines may match at all, whatever they score, and a preference for what is newer.

from __future__ import annotations

import tempfile
from datetime import UTC, datetime, timedelta

import agentmem
from agentmem import Line, MemoryRecallResult


def show(title: str, matches: list[MemoryRecallResult]) -> None:
    print(f"\n{title}")
    for match in matches:
        print(f"  {match.content}  ({match.source}, sure to {match.confidence:.0%})")


with tempfile.TemporaryDirectory() as folder, agentmem.open(folder) as mem:
    memory = mem.client(user_id="ada").memory
    today = datetime.now(UTC)
    last_year, last_month = today - timedelta(days=400), today - timedelta(days=30)
    memory.remember(
        [
            Line("Ada lives in Bergen", source="user", occurred_at=last_year, conversation_id="hello"),
            Line("Ada lives in Oslo now, near the sea", source="user", occurred_at=last_month, conversation_id="move"),
            Line("Ada may live alone there", source="extractor", confidence=0.6, conversation_id="move"),
        ]
    )
    question = "Where does Ada live?"

    show("Everything", memory.recall(question))
    show("Of the last year", memory.recall(question, since=today - timedelta(days=365)))
    show("Of before", memory.recall(question, until=today - timedelta(days=365)))
    show("Of one conversation", memory.recall(question, conversation_id="move"))
    show("In the user's own words", memory.recall(question, source="user"))
    show("Nothing that is not sure", memory.recall(question, min_confidence=0.9))
    # No filter: all are found, and how new a line is counts for its place, half as much after each 30 days.
    show("The newer the better", memory.recall(question, half_life_days=30))
