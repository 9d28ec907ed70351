"""`respect_read_only`: a client that must leave blocks marked read-only as they are, whoever marks them and when."""

from __future__ import annotations

import contextlib
import threading

import pytest

from agentmem import ConflictError, InvalidInputError

WRITES = {
    "update": lambda memory, block, _: memory.update(
        block, "new", expected_updated_at=memory.get(block).updated_at, read_only=False
    ),
    "update by a stale token": lambda memory, block, _: memory.update(
        block, "new", expected_updated_at="2020-01-01T00:00:00Z"
    ),
    "update by the same text": lambda memory, block, _: memory.update(
        block, "one", expected_updated_at=memory.get(block).updated_at
    ),
    "append": lambda memory, block, _: memory.append(block, "two"),
    "append under a key": lambda memory, block, _: memory.append(block, "two", idempotency_key="k"),
    "delete": lambda memory, block, _: memory.delete(block),
}
OF_BLOCKS = {
    "replace": lambda memory, block, _: memory.replace(block, "one", "two"),
    "replace under a key": lambda memory, block, _: memory.replace(block, "one", "two", idempotency_key="k"),
}
OF_LINES = {
    "remember": lambda memory, _, __: memory.remember("two"),
    "remember under a key": lambda memory, _, __: memory.remember("two", idempotency_key="k"),
    "forget_line": lambda memory, _, line_id: memory.forget_line(line_id),
}
CASES = [
    *(pytest.param("core", write, id=f"core-{name}") for name, write in (WRITES | OF_BLOCKS).items()),
    *(pytest.param("archival", write, id=f"archival-{name}") for name, write in (WRITES | OF_LINES).items()),
]
REFUSED = "^block_type: it is read-only; leave it as it is$"


@pytest.fixture
def bound(mem):
    return mem.client("ada", respect_read_only=True).memory


def mark(memory, block, *, read_only):
    while True:
        read = memory.get(block)
        try:
            return memory.update(block, read.content, expected_updated_at=read.updated_at, read_only=read_only)
        except ConflictError:
            continue


@pytest.mark.parametrize(("block", "write"), CASES)
def test_no_write_changes_what_is_read_only(memory, bound, tables, block, write):
    line_id = memory.remember("one")[0].id
    memory.append("core", "one")
    mark(memory, block, read_only=True)
    before = tables()
    with pytest.raises(InvalidInputError, match=REFUSED):
        write(bound, block, line_id)
    assert tables() == before
    mark(memory, block, read_only=False)
    if write is not WRITES["update by a stale token"]:
        write(bound, block, line_id)


@pytest.mark.parametrize(("block", "write"), CASES)
def test_a_block_that_becomes_read_only_just_before_the_write_is_left_alone(mem, bound, monkeypatch, block, write):
    memory = mem.client("ada").memory
    line_id = memory.remember("one")[0].id
    memory.append("core", "one")
    database = mem._container.database  # noqa: SLF001 - the last moment before a transaction begins
    begin, marked = database.write, []

    def begin_late(body):
        monkeypatch.undo()
        marked.append(mark(memory, block, read_only=True))
        return begin(body)

    monkeypatch.setattr(database, "write", begin_late)
    with pytest.raises(InvalidInputError, match=REFUSED):
        write(bound, block, line_id)
    assert [memory.get(block)] == marked


@pytest.mark.parametrize("block", ["core", "archival"])
def test_a_block_that_is_marked_among_many_writes_stays_as_it_was_marked(memory, bound, block):
    memory.append(block, "one")
    begun, may_go_on = threading.Event(), threading.Event()
    may_go_on.set()

    def write_until_refused():
        with contextlib.suppress(InvalidInputError):
            while may_go_on.wait():
                bound.append(block, "more")
                begun.set()

    threads = [threading.Thread(target=write_until_refused) for _ in range(3)]
    for thread in threads:
        thread.start()
    begun.wait()
    may_go_on.clear()  # what was begun comes in between; without an end of that, the mark might never come to its turn
    marked = mark(memory, block, read_only=True)
    may_go_on.set()
    for thread in threads:
        thread.join()
    assert memory.get(block) == marked


def test_what_is_not_marked_is_written_as_by_anyone(memory, bound):
    memory.update("persona", "one", expected_updated_at=None, read_only=True)
    memory.update("archival", "one", agent_id="x", expected_updated_at=None, read_only=True)
    assert bound.append("core", "one").content == "one"
    assert bound.update("notes", "one", expected_updated_at=None, read_only=True).read_only
    assert len(bound.remember(["one", "two"])) == 2
    assert bound.forget_line("missing") is bound.delete("none") is None
    assert bound.get("persona") == memory.get("persona")


def test_a_deleted_block_is_no_longer_read_only(memory, bound):
    for block in ("core", "archival"):
        memory.update(block, "one", expected_updated_at=None, read_only=True)
        memory.delete(block)
        assert bound.append(block, "two").content == "two"


def test_a_write_that_was_done_before_gives_its_first_result_under_its_key(memory, bound):
    calls = [
        lambda: bound.append("core", "one", idempotency_key="append"),
        lambda: bound.replace("core", "one", "two", idempotency_key="replace"),
        lambda: bound.remember("one", idempotency_key="remember"),
    ]
    first = [call() for call in calls]
    for block in ("core", "archival"):
        mark(memory, block, read_only=True)
    assert [call() for call in calls] == first


def test_without_it_a_client_may_change_what_is_read_only(memory):
    memory.remember("one")
    mark(memory, "archival", read_only=True)
    assert memory.append("archival", "two").content == "one\ntwo"
