"""The unit of work: what a body is given, what is written at its end, and who is told after the commit."""

from __future__ import annotations

from functools import partial
from uuid import uuid4

import pytest
from sqlmodel import select

from agentmem import InvalidInputError, numbers, revisions
from agentmem.changes import Change
from agentmem.database import Database, RacedError
from agentmem.models import Scope
from agentmem.tables import ARCHIVAL, ArchivalLineRow, MemoryChangeRow
from agentmem.transaction import Transactions, Writer

pytestmark = pytest.mark.both_databases

ADA = Scope("acme", "ada")
EVE = Writer("eve", conversation_id="call-1")


@pytest.fixture
def database(home, sql):
    database = Database(sql.url(home))
    yield database
    database.close()


@pytest.fixture
def told():
    """How often the index was told."""
    return []


@pytest.fixture
def transactions(database, clock, told):
    return Transactions(database, clock, max_fact_days=90, lines_changed=lambda: told.append(1))


def add_line(tx, text="tea"):
    tx.lock(ADA.tenant_id, ADA.user_id)
    live = revisions.find_to_write(tx, ADA, ARCHIVAL)
    header = revisions.change(tx, live) if live else revisions.create(tx, ADA, ARCHIVAL)
    row = {"id": uuid4().hex, "block_id": header.id, "content": text, "source": "operator", "confidence": 1.0}
    at = {"actor": tx.writer.actor, "created_at": tx.now, "updated_at": tx.now}
    tx.add_line({**row, **at, "chunks": 1})
    return row["id"]


def record(tx, ref="a"):
    tx.lock(ADA.tenant_id, ADA.user_id)
    tx.record(ADA, [Change("fact", "added", ref)])


def stored(database, table):
    with database.read() as session:
        return session.exec(select(table)).all()


def test_the_feed_says_who_wrote_in_which_conversation_and_in_the_order_it_was_told(transactions, database):
    def body(tx):
        record(tx, "b")
        record(tx, "a")
        tx.record(ADA, [Change("fact", "added", "c")], conversation_id="another")

    transactions.write(body, writer=EVE)
    rows = sorted(stored(database, MemoryChangeRow), key=lambda row: row.id)
    said = [(row.ref, row.actor, row.conversation_id) for row in rows]
    assert said == [("b", "eve", "call-1"), ("a", "eve", "call-1"), ("c", "eve", "another")]


def test_no_number_is_taken_and_no_line_or_entry_written_before_the_body_is_over(transactions, database):
    def body(tx):
        add_line(tx)
        record(tx)
        assert tx.session.exec(select(ArchivalLineRow)).all() == tx.session.exec(select(MemoryChangeRow)).all() == []
        return numbers.last(tx.session, "lines"), numbers.last(tx.session, "changes")

    assert transactions.write(body, writer=EVE) == (0, 0)
    ((line,), (entry,)) = stored(database, ArchivalLineRow), stored(database, MemoryChangeRow)
    assert line.seq == line.position > 0 < entry.id


def test_lines_are_numbered_in_the_order_they_were_given_and_a_change_keeps_its_place_unless_asked(
    transactions, database
):
    first = transactions.write(partial(add_line, text="first"), writer=EVE)
    second = transactions.write(partial(add_line, text="second"), writer=EVE)
    before = {row.id: row for row in stored(database, ArchivalLineRow)}

    def body(tx):
        tx.change_line({"id": first, "content": "moved"}, placed=True)
        tx.change_line({"id": second, "content": "stays"})

    transactions.write(body, writer=EVE)
    after = {row.id: row for row in stored(database, ArchivalLineRow)}
    assert before[second].seq < after[first].seq == after[first].position < after[second].seq
    assert after[second].position == before[second].position
    assert [after[one].content for one in (first, second)] == ["moved", "stays"]


def test_the_index_is_told_once_after_the_commit_and_only_of_lines(transactions, database, told):
    transactions.write(record, writer=EVE)
    assert told == []

    def body(tx):
        add_line(tx)
        add_line(tx, "rye")
        assert told == []

    transactions.write(body, writer=EVE)
    assert told == [1]
    assert len(stored(database, ArchivalLineRow)) == 2


def test_what_a_body_that_fails_has_told_is_not_written_and_the_index_not_told(transactions, database, told):
    class StopError(Exception):
        pass

    def body(tx):
        add_line(tx)
        record(tx)
        raise StopError

    with pytest.raises(StopError):
        transactions.write(body, writer=EVE)
    assert stored(database, ArchivalLineRow) == stored(database, MemoryChangeRow) == told == []


def test_a_body_that_is_run_again_begins_with_nothing_told(transactions, database, told):
    runs = []

    def body(tx):
        add_line(tx)
        record(tx)
        runs.append(tx)
        if len(runs) == 1:
            raise RacedError

    transactions.write(body, writer=EVE)
    assert [len(stored(database, table)) for table in (ArchivalLineRow, MemoryChangeRow)] == [1, 1]
    assert (len(runs), told) == (2, [1])


def test_the_time_is_read_when_it_is_first_asked_for_and_stays(transactions, clock):
    def body(tx):
        clock.move(seconds=1)  # as while it waits for a lock
        now = tx.now
        clock.move(seconds=1)
        return now, tx.now

    before = clock()
    first, second = transactions.write(body, writer=EVE)
    assert first == second > before


def test_a_time_that_is_given_is_the_time(transactions, clock):
    given = clock()
    clock.move(days=1)
    with transactions.read(given) as snapshot:
        assert snapshot.now == given
    assert transactions.write(lambda tx: tx.now, writer=EVE, now=given) == given


def test_a_clock_without_a_zone_is_refused_and_nothing_written(database):
    transactions = Transactions(database, lambda: "noon", max_fact_days=90)
    with pytest.raises(InvalidInputError, match="clock"):
        transactions.write(record, writer=EVE)
    assert stored(database, MemoryChangeRow) == []


def test_a_block_that_is_read_only_is_refused_to_who_respects_that_alone(transactions):
    def create(tx):
        revisions.create(tx, ADA, "core", read_only=True)

    def find(tx):
        return revisions.find_to_write(tx, ADA, "core")

    transactions.write(create, writer=EVE)
    assert transactions.write(find, writer=EVE) is not None
    with pytest.raises(InvalidInputError, match="read-only"):
        transactions.write(find, writer=Writer("model", respects_read_only=True))
