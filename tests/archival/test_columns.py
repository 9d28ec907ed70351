"""The lines of a scope in memory: added to when lines are added, made anew when they change, true to each snapshot."""

from __future__ import annotations

import threading
from dataclasses import fields, is_dataclass
from datetime import UTC, datetime

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlmodel import delete, func, select

from agentmem import Line
from agentmem.archival.index.cache import LRUCache
from agentmem.archival.index.protocol import ScopeAt
from agentmem.archival.search import columns
from agentmem.archival.search.columns import Columns, columns_of, following_of
from agentmem.database import Database, state
from agentmem.tables import ARCHIVAL, ArchivalLineRow, LineTermsRow, MemoryBlockRow
from agentmem.text.analyzer import Analyzer

ENGLISH = Analyzer("english")


class Reader:
    """Columns of the test's store, kept as recall keeps them, and how many lines were read for them."""

    def __init__(self, database):
        self.database = database
        self.kept = LRUCache[Columns](10**9)
        self.lines_read = []

    def columns(self, session=None, *, analyzer=ENGLISH, kept=None, user="ada", agent=""):
        if session is None:
            with self.database.read() as own:
                return self.columns(own, analyzer=analyzer, kept=kept, user=user, agent=agent)
        chosen = select(MemoryBlockRow.id).where(
            MemoryBlockRow.user_id == user, MemoryBlockRow.agent_id == agent, MemoryBlockRow.block_type == ARCHIVAL
        )
        block_id = session.exec(chosen).one()
        seq = session.exec(select(func.max(ArchivalLineRow.seq)).where(ArchivalLineRow.block_id == block_id)).one()
        at = ScopeAt(block_id, seq, state(session).embedder_id)
        return columns_of(session, analyzer, kept or self.kept, at)

    def anew(self, **whose):
        """What a reader who kept nothing gets."""
        return self.columns(kept=LRUCache[Columns](0), **whose)


@pytest.fixture
def reader(mem, home, sql, monkeypatch):
    database = Database(sql.url(home))
    reader, lines = Reader(database), columns.rows

    def counted(*arguments, **options):
        found = lines(*arguments, **options)
        reader.lines_read.append(len(found))
        return found

    monkeypatch.setattr(columns, "rows", counted)
    yield reader
    database.close()


def parts(value):
    """Every field of columns and of their postings; arrays as lists, with their type."""
    return {
        field.name: parts(part)
        if is_dataclass(part := getattr(value, field.name))
        else (part.dtype, part.tolist())
        if isinstance(part, np.ndarray)
        else part
        for field in fields(value)
    }


def held(columns_):
    """What columns say of each line, in words."""
    speakers, conversations = (*columns_.speakers, None), (*columns_.conversations, None)
    return [
        (line_id.decode(), speakers[speaker], conversations[conversation], source, confidence)
        for line_id, speaker, conversation, source, confidence in zip(
            columns_.ids.tolist(),
            columns_.speaker.tolist(),
            columns_.conversation.tolist(),
            columns_.source.tolist(),
            columns_.confidence.tolist(),
            strict=True,
        )
    ]


def test_columns_say_what_the_lines_say(reader, memory):
    lines = memory.remember(
        [
            Line("tea", speaker="Ada", conversation_id="a", source="extractor", confidence=0.25),
            Line("rye", occurred_at="2026-03-14T09:30:00.000001+00:00"),
            Line("tea and rye?", speaker="Bo", conversation_id="b", source="tool"),
        ]
    )
    found = reader.columns()
    told = [(line.id, line.speaker, line.conversation_id, line.source, line.confidence) for line in lines]
    assert held(found) == told
    moments = [line.occurred_at or line.created_at for line in lines]
    assert found.moments.tolist() == [columns.microseconds(moment) for moment in moments]
    assert found.postings.own("tea").rows.tolist() == [0, 2]
    assert found.postings.asking().tolist() == [False, False, True]


def test_the_same_snapshot_is_not_read_twice(reader, memory):
    memory.remember(["tea", "rye"])
    first = reader.columns()
    memory.remember("elsewhere", agent_id="x")
    assert reader.columns() is first
    assert reader.lines_read == [2]


def test_lines_that_are_added_are_all_that_is_read(reader, memory):
    memory.remember([Line("tea", speaker="Ada", conversation_id="a"), Line("rye")])
    before = reader.columns()
    memory.remember([Line("oslo?", speaker="Bo", conversation_id="a"), Line("dog", speaker="Ada")])
    after = reader.columns()
    assert reader.lines_read == [2, 2]
    assert len(before) == 2
    assert len(after) == 4
    assert parts(after) == parts(reader.anew())


def forget_one(memory, lines):
    memory.forget_line(lines[1].id)


def edit_one(memory, lines):
    block = memory.get("archival")
    memory.update("archival", block.content.replace("rye", "beer"), expected_updated_at=block.updated_at)


def put_in_another_order(memory, lines):
    block = memory.get("archival")
    text = "\n".join(reversed(block.content.splitlines()))
    memory.update("archival", text, expected_updated_at=block.updated_at)


def delete_and_begin_anew(memory, lines):
    memory.delete("archival")
    memory.remember("boat")


@pytest.mark.parametrize("change", [forget_one, edit_one, put_in_another_order, delete_and_begin_anew])
def test_a_change_of_lines_that_are_kept_drops_them(reader, memory, change):
    lines = memory.remember([Line("tea", conversation_id="a"), Line("rye", conversation_id="a"), Line("dog")])
    before = held(reader.columns())
    memory.remember("oslo")
    change(memory, lines)
    after = reader.columns()
    assert held(after) != before
    assert parts(after) == parts(reader.anew())


def test_a_line_that_came_and_went_between_two_readings_is_not_there(reader, memory):
    memory.remember("tea")
    assert len(reader.columns()) == 1
    (line,) = memory.remember("rye")
    memory.forget_line(line.id)
    memory.remember("oslo")
    assert len(reader.columns()) == 2
    assert parts(reader.columns()) == parts(reader.anew())


def test_a_forgotten_speaker_and_conversation_are_known_no_longer(reader, memory):
    line, _ = memory.remember([Line("tea", speaker="Ada", conversation_id="a"), Line("rye", speaker="Bo")])
    assert reader.columns().speakers == ("Ada", "Bo")
    memory.forget_line(line.id)
    assert (reader.columns().speakers, reader.columns().conversations) == (("Bo",), ())


def test_a_reader_of_an_older_snapshot_is_not_shown_what_came_after(reader, memory):
    memory.remember(["tea", "rye"])
    with reader.database.read() as older:
        assert len(reader.columns(older)) == 2
        memory.remember("oslo")
        assert len(reader.columns()) == 3
        assert len(reader.columns(older)) == 2
    assert len(reader.columns()) == 3
    assert reader.lines_read == [2, 1, 2]


def test_scopes_and_users_are_kept_apart(reader, mem, memory):
    memory.remember("tea")
    memory.remember(["rye", "dog"], agent_id="x")
    mem.client("bo").memory.remember(["oslo", "boat", "harbour"])
    sizes = [len(reader.columns(**whose)) for whose in ({}, {"agent": "x"}, {"user": "bo"})]
    assert sizes == [1, 2, 3]


def test_bags_of_another_language_or_that_are_missing_are_made_in_memory(reader, memory):
    memory.remember(["zwei Häuser", "painted"])
    german = Analyzer("german")
    assert reader.columns(analyzer=german).postings.own("haus").rows.tolist() == [0]

    def lose(session):
        session.exec(delete(LineTermsRow))

    reader.database.write(lose)
    assert reader.anew().postings.own("paint").rows.tolist() == [1]


def test_their_bytes_cover_the_arrays_that_they_hold(reader, memory):
    memory.remember([Line(f"word{number} tea", conversation_id="a") for number in range(200)])
    found = reader.columns()
    assert len(found.order) == 200
    found.rows_of(found.ids[::-1])
    arrays = [*vars(found).values(), *(getattr(found.postings, field.name) for field in fields(found.postings))]
    assert found.bytes >= sum(array.nbytes for array in arrays if isinstance(array, np.ndarray))


def test_rows_are_found_by_id_and_strangers_are_told_apart(reader, memory):
    lines = memory.remember([f"word{number}" for number in range(50)])
    found = reader.columns()
    ids = np.array([lines[7].id, "0" * 32, lines[49].id, "f" * 32], found.ids.dtype)
    rows, known = found.rows_of(ids)
    assert known.tolist() == [True, False, True, False]
    assert rows[known].tolist() == [7, 49]
    for every in (np.arange(50), np.arange(50)[::-1]):
        rows, known = found.rows_of(found.ids[every])
        assert (rows.tolist(), known.all()) == (every.tolist(), True)
    for line in lines:
        memory.forget_line(line.id)
    rows, known = reader.columns().rows_of(ids)
    assert known.tolist() == [False] * 4


def test_the_order_has_the_newer_first_and_those_of_one_moment_by_id(reader, memory):
    moments = [datetime(2025, 1, 1 + number % 3, tzinfo=UTC) for number in range(20)]
    lines = memory.remember([Line(f"word{number}", occurred_at=moment) for number, moment in enumerate(moments)])
    found = reader.columns()
    expected = sorted(lines, key=lambda line: (-line.occurred_at.day, line.id))
    assert found.ids[np.argsort(found.order)].tolist() == [line.id.encode() for line in expected]


def test_threads_that_ask_at_once_get_whole_snapshots(reader, memory):
    memory.remember("word")
    sizes, failures = [], []

    def read():
        try:
            for _ in range(40):
                found = reader.columns()
                assert found.ids.shape == found.moments.shape == found.postings.normalisation.shape
                sizes.append(len(found))
        except Exception as error:  # noqa: BLE001 - reported by the test, as a thread cannot
            failures.append(error)

    threads = [threading.Thread(target=read) for _ in range(4)]
    for thread in threads:
        thread.start()
    for number in range(15):
        memory.remember(f"word{number}")
    for thread in threads:
        thread.join()
    assert failures == []
    assert set(sizes) <= set(range(1, 17))
    assert parts(reader.columns()) == parts(reader.anew())


USERS = iter(range(10**9))
CHANGES = st.lists(
    st.tuples(
        st.sampled_from(["add", "add", "add", "forget", "edit", "turn"]),
        st.integers(0, 9),
        st.sampled_from([None, "a", "b"]),
    ),
    min_size=1,
    max_size=12,
)


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(changes=CHANGES)
def test_what_is_gone_on_with_is_what_reading_all_anew_would_give(reader, mem, changes):
    user = f"user-{next(USERS)}"
    memory = mem.client(user).memory
    lines = [memory.remember("word")[0].id]
    for change, number, conversation in changes:
        if change == "add":
            added = [Line(f"word{number} tea", conversation_id=conversation, speaker=conversation)] * (1 + number % 3)
            lines += [line.id for line in memory.remember(added)]
        elif change == "forget":
            memory.forget_line(lines[number % len(lines)])
        elif (block := memory.find("archival")) and block.content:
            texts = block.content.splitlines()
            texts = texts[::-1] if change == "turn" else [*texts[:number], f"edited{number}", *texts[number + 1 :]]
            memory.update("archival", "\n".join(texts), expected_updated_at=block.updated_at)
        assert parts(reader.columns(user=user)) == parts(reader.anew(user=user))


@given(st.lists(st.integers(-1, 3), max_size=30))
def test_the_following_line_is_the_next_of_the_same_conversation(conversations):
    following = following_of(np.array(conversations, np.int32)).tolist()
    for row, conversation in enumerate(conversations):
        later = [other for other in range(row + 1, len(conversations)) if conversations[other] == conversation]
        assert following[row] == (later[0] if later and conversation >= 0 else -1)
