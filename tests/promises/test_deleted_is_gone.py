"""What is deleted is returned to no process, from the moment the call returns."""

from __future__ import annotations

import pytest

DELETES = {"sqlite": 500, "postgresql": 200}


@pytest.fixture
def readers(other):
    """Three processes that have been open for long: one owns the index and asks Chroma, two scan."""
    return [other(scan_below=0), other(scan_below=0), other()]


def ask(readers, call, *arguments, **options):
    for reader in readers:
        reader.tell(call, *arguments, **options)
    return [reader.hear() for reader in readers]


def test_no_reader_is_shown_what_was_deleted(memory, readers, dialect):
    lines, deletes = {}, DELETES[dialect]
    for agent_id in (None, "x"):
        texts = [f"word{number}of{agent_id}" for number in range(deletes // 2 + 10)]
        lines[agent_id] = memory.remember(texts, agent_id=agent_id)
    first = lines[None][0].content
    readers[0].ask("recall", first)  # before the others, so that it owns the index
    engines = [
        {match["explanation"]["answered_by"] for match in found}
        for found in ask(readers, "recall", first, agent_id="x", explain=True)
    ]
    assert engines == [{"chroma"}, {"scan"}, {"scan"}]

    stale = []
    for number in range(deletes):
        agent_id = (None, "x")[number % 2]
        line = lines[agent_id].pop(number % len(lines[agent_id]))
        if number % 5 == 4:
            block = memory.get("archival", agent_id=agent_id)
            kept = "\n".join(text for text in block.content.splitlines() if text != line.content)
            memory.update("archival", kept, agent_id=agent_id, expected_updated_at=block.updated_at)
        else:
            memory.forget_line(line.id)
        for found in ask(readers, "recall", line.content, agent_id="x", min_score=0.6):
            stale += [match for match in found if match["id"] == line.id]
        if number % 50 == 0:  # and what lives is shown
            lives = lines[agent_id][number % len(lines[agent_id])]
            for found in ask(readers, "recall", lives.content, agent_id="x", min_score=0.6, limit=50):
                assert lives.id in [match["id"] for match in found]
    assert stale == []

    for agent_id in (None, "x"):
        texts = [line.content for line in lines[agent_id]]
        for block in ask(readers, "get", "archival", agent_id=agent_id):
            assert block["content"].splitlines() == texts
    memory.delete("archival")
    memory.delete("archival", agent_id="x")
    assert ask(readers, "recall", first, agent_id="x", min_score=0) == [[], [], []]
    assert ask(readers, "list", scope="all") == [[], [], []]


def test_no_reader_is_shown_a_deleted_block(memory, readers):
    for number in range(30):
        agent_id = (None, "x")[number % 2]
        memory.append("core", f"text {number}", agent_id=agent_id)
        for block in ask(readers, "get", "core", agent_id=agent_id):
            assert block["content"] == f"text {number}"
        memory.delete("core", agent_id=agent_id)
        assert ask(readers, "list", scope="all") == [[], [], []]
