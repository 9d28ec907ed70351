# Archival memory: as much as you like, searched by meaning and by word, each match with where it comes from.

from __future__ import annotations

import tempfile

import agentmem
from agentmem import Line, MemoryRecallResult


def show(title: str, matches: list[MemoryRecallResult]) -> None:
    print(f"\n{title}")
    for match in matches:
        when = f"{match.occurred_at:%d %B %Y}" if match.occurred_at else "undated"
        print(f"  {match.score:.2f}  {match.content}  ({match.speaker or match.source}, {when})")
    if not matches:
        print("  nothing")


with tempfile.TemporaryDirectory() as folder, agentmem.open(folder) as mem:
    memory = mem.client(user_id="ada").memory

    # Strings and Lines mix; what a Line leaves open is taken from the call.
    memory.remember(
        [
            "Ada is allergic to peanuts",
            Line("We sign the lease for the Oslo office on Monday", speaker="Ada", occurred_at="2026-01-09T10:00:00Z"),
            Line("The office in Bergen closes in summer", speaker="Jonas", occurred_at="2026-03-02T14:30:00Z"),
        ],
        conversation_id="weekly-meeting",
        source="user",
    )
    memory.remember("Acme renews its contract every March", conversation_id="crm-import", source="tool")

    show("When does the Acme contract renew?", memory.recall("When does the Acme contract renew?"))
    show("Our offices", memory.recall("our offices"))
    # Below the floor (min_score, 0.25 by default) there is nothing: better no memory than an irrelevant one.
    show("How do volcanoes form?", memory.recall("How do volcanoes form?"))

    [allergy] = memory.recall("Is she allergic to something?", limit=1)
    memory.forget_line(allergy.id)
    show("Allergies, after that line was forgotten", memory.recall("Is she allergic to something?"))
