"""The changes an index is fed with: each line whole, with every vector it has."""

from __future__ import annotations

import pytest

from agentmem.archival.index import vectors
from agentmem.database import state

from .conftest import ThreeWords


@pytest.fixture
def fed(open_mem):
    """A memory whose long lines have several vectors, and what an index is told after a number, so many at a time."""
    mem = open_mem(embeddings=ThreeWords())

    def changes(after=0, limit=None):
        with mem._container.database.read() as session:  # noqa: SLF001 - the edge under test is behind the handle
            return vectors.changes(session, state(session).embedder_id, after=after, limit=limit)

    return mem.client("ada").memory, changes


def told(changes):
    return [(change.line_id, change.keys, change.vectors.tolist()) for change in changes]


@pytest.mark.parametrize("limit", [1, 2, 3, 4, 5, 100])
def test_a_limit_is_of_lines_and_never_cuts_the_chunks_of_one_in_two(fed, limit):
    memory, changes = fed
    lines = memory.remember(["tea", "rye oats milk honey", "wine beer water juice milk rye tea", "dog", "a b c d e f"])
    every = changes()
    assert [change.line_id for change in every] == [line.id for line in lines]
    assert all(len(change.vectors) == len(change.keys) for change in every)
    assert [len(change.keys) > 1 for change in every] == [False, True, True, False, True]
    found = []
    while news := changes(found[-1].seq if found else 0, limit):
        assert len(news) == min(limit, len(every) - len(found))
        found += news
    assert told(found) == told(every)


def test_a_forgotten_line_is_told_with_the_keys_of_all_its_chunks(fed):
    memory, changes = fed
    (line, _) = memory.remember(["rye oats milk honey wine", "tea"])
    before = changes()
    memory.forget_line(line.id)
    (change,) = changes(after=before[-1].seq)
    assert (change.line_id, change.vectors, change.keys) == (line.id, None, before[0].keys)
    assert change.keys[:2] == [line.id, f"{line.id}:1"]
