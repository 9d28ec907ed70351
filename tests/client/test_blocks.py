"""Blocks: the conflict rules in their order, and the writes that need no token."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone

import pytest

from agentmem import ConflictError, InvalidInputError, NotFoundError

STALE = datetime(2020, 1, 1, tzinfo=UTC)


def test_none_creates_a_block_that_is_not_there(memory, clock):
    block = memory.update("core", "- Likes tea", expected_updated_at=None)
    assert (block.block_type, block.content, block.scope, block.agent_id) == ("core", "- Likes tea", "user", None)
    assert (block.description, block.read_only, block.version) == ("", False, 1)
    assert block.created_at == block.updated_at == clock.now
    assert memory.get("core") == block


@pytest.mark.parametrize("content", ["- Likes tea", "- Likes rye"])
def test_none_conflicts_with_a_live_block_whatever_the_content(memory, content):
    block = memory.update("core", "- Likes tea", expected_updated_at=None)
    with pytest.raises(ConflictError) as caught:
        memory.update("core", content, expected_updated_at=None)
    assert caught.value.current == block == memory.get("core")


def test_the_token_that_was_read_replaces_the_block(memory, clock):
    block = memory.update("core", "one", expected_updated_at=None)
    clock.move(seconds=1)
    changed = memory.update("core", "two", expected_updated_at=block.updated_at)
    assert (changed.content, changed.version, changed.updated_at) == ("two", 2, clock.now)
    assert (changed.id, changed.created_at) == (block.id, block.created_at)


def test_a_stale_token_conflicts_and_keeps_the_winner(memory):
    first = memory.update("core", "one", expected_updated_at=None)
    winner = memory.update("core", "two", expected_updated_at=first.updated_at)
    with pytest.raises(ConflictError) as caught:
        memory.update("core", "three", expected_updated_at=first.updated_at)
    assert caught.value.current == winner == memory.get("core")


def test_a_token_one_microsecond_off_conflicts(memory):
    block = memory.update("core", "one", expected_updated_at=None)
    for near in (block.updated_at + timedelta(microseconds=1), block.updated_at - timedelta(microseconds=1)):
        with pytest.raises(ConflictError):
            memory.update("core", "two", expected_updated_at=near)


def test_equal_content_is_a_retry_even_under_a_stale_token(memory):
    block = memory.update("core", "one", expected_updated_at=None)
    assert memory.update("core", "one", expected_updated_at=STALE) == block
    assert [entry.version for entry in memory.history("core")] == [1]


def test_forgetting_the_token_is_a_type_error(memory):
    with pytest.raises(TypeError, match="expected_updated_at"):
        memory.update("core", "one")
    with pytest.raises(NotFoundError):
        memory.get("core")


@pytest.mark.parametrize("was_there", [False, True])
def test_a_token_for_a_block_that_is_gone_conflicts_with_nothing_current(memory, was_there):
    token = STALE
    if was_there:
        token = memory.update("core", "one", expected_updated_at=None).updated_at
        memory.delete("core")
    for content in ("one", ""):
        with pytest.raises(ConflictError, match="deleted or never written") as caught:
            memory.update("core", content, expected_updated_at=token)
        assert caught.value.current is None


SAME_INSTANT = {
    "the iso string": lambda at: at.isoformat(),
    "Z": lambda at: at.isoformat().replace("+00:00", "Z"),
    "another zone": lambda at: at.astimezone(timezone(timedelta(hours=-9, minutes=-30))),
    "another zone's iso string": lambda at: at.astimezone(timezone(timedelta(hours=5, minutes=45))).isoformat(),
    "a space in place of the T": lambda at: at.isoformat(sep=" "),
}


@pytest.mark.parametrize("spelled", SAME_INSTANT.values(), ids=SAME_INSTANT)
@pytest.mark.parametrize("microseconds", [0, 1, 120000])
def test_a_token_is_an_instant_however_it_is_spelled(memory, clock, spelled, microseconds):
    clock.move(microseconds=microseconds)
    block = memory.update("core", "one", expected_updated_at=None)
    token = spelled(block.updated_at)
    assert memory.update("core", "two", expected_updated_at=token).version == 2
    memory.delete("core", expected_updated_at=spelled(memory.get("core").updated_at))
    with pytest.raises(NotFoundError):
        memory.get("core")


NO_TOKENS = {
    "naive": datetime(2026, 1, 1),  # noqa: DTZ001 - the fault under test
    "naive string": "2026-01-01T12:00:00",
    "date": "2026-01-01",
    "nothing": "",
    "words": "yesterday",
    "nul": "2026-01-01T12:00:00+00:00\x00",
    "surrogate": "\ud800",
    "number": 1767268800,
    "flag": False,
    "before the year 1": "0001-01-01T00:00:00+14:00",
    "bytes": b"2026-01-01T12:00:00+00:00",
    "a zone without an offset": "2026-01-01T12:00:00 UTC",
}


@pytest.mark.parametrize("token", NO_TOKENS.values(), ids=NO_TOKENS)
@pytest.mark.parametrize("block_type", ["core", "archival"])
def test_what_is_no_instant_is_refused_as_a_token(memory, block_type, token):
    memory.append(block_type, "one")
    for write in (memory.update, lambda *_, **options: memory.delete(block_type, **options)):
        with pytest.raises(InvalidInputError, match="expected_updated_at"):
            write(block_type, "two", expected_updated_at=token)
    assert memory.get(block_type).content == "one"


def test_description_and_read_only_are_kept_when_not_given(memory):
    block = memory.update("persona", "one", expected_updated_at=None, description="Who", read_only=True)
    block = memory.update("persona", "two", expected_updated_at=block.updated_at)
    assert (block.description, block.read_only) == ("Who", True)
    block = memory.append("persona", "three")
    block = memory.replace("persona", "three", "four")
    assert (block.content, block.description, block.read_only) == ("two\nfour", "Who", True)


def test_description_and_read_only_count_as_content_only_when_given(memory):
    block = memory.update("persona", "one", expected_updated_at=None, description="Who", read_only=True)
    for same in ({}, {"description": "Who"}, {"read_only": True}, {"description": "Who", "read_only": True}):
        assert memory.update("persona", "one", expected_updated_at=STALE, **same) == block
    for other in ({"description": "What"}, {"description": ""}, {"read_only": False}):
        with pytest.raises(ConflictError):
            memory.update("persona", "one", expected_updated_at=STALE, **other)
    changed = memory.update("persona", "one", expected_updated_at=block.updated_at, read_only=False)
    assert (changed.version, changed.read_only, changed.description) == (2, False, "Who")


def test_read_only_does_not_bind_the_api(memory):
    memory.update("persona", "one", expected_updated_at=None, read_only=True)
    assert memory.append("persona", "two").content == "one\ntwo"
    assert memory.replace("persona", "two", "three").content == "one\nthree"
    memory.delete("persona")


def test_a_recreated_block_goes_on_counting_with_empty_flags(memory):
    first = memory.update("core", "one", expected_updated_at=None, description="Who", read_only=True)
    memory.delete("core")
    again = memory.update("core", "two", expected_updated_at=None)
    assert again.version == memory.history("core")[-1].version == 3
    assert (again.id, again.description, again.read_only) == (first.id, "", False)


@pytest.mark.parametrize("step", [0, -3600])
def test_updated_at_grows_though_the_clock_stands_still_or_steps_back(memory, clock, step):
    def moved():
        clock.move(seconds=step)
        return memory.get("core").updated_at

    memory.update("core", "0", expected_updated_at=None)
    seen = [memory.get("core").updated_at]
    memory.update("core", "1", expected_updated_at=seen[-1])
    seen.append(moved())
    memory.append("core", "2")
    seen.append(moved())
    memory.replace("core", "2", "3")
    seen.append(moved())
    memory.delete("core")
    memory.update("core", "4", expected_updated_at=None)
    seen.append(moved())
    assert seen == sorted(set(seen))


def test_a_token_from_before_a_deletion_does_not_fit_the_recreated_block(memory):
    old = memory.update("core", "one", expected_updated_at=None)
    memory.delete("core")
    new = memory.update("core", "two", expected_updated_at=None)
    with pytest.raises(ConflictError) as caught:
        memory.update("core", "three", expected_updated_at=old.updated_at)
    assert caught.value.current == new


def test_deleting_what_is_not_there_does_nothing_token_or_not(memory):
    assert memory.delete("core") is None
    assert memory.delete("core", expected_updated_at=STALE) is None
    token = memory.append("core", "one").updated_at
    memory.delete("core")
    assert memory.delete("core", expected_updated_at=token) is None
    assert [entry.action for entry in memory.history("core")] == ["created", "deleted"]


def test_deleting_with_a_stale_token_conflicts_and_keeps_the_block(memory):
    memory.append("core", "one")
    block = memory.append("core", "two")
    with pytest.raises(ConflictError) as caught:
        memory.delete("core", expected_updated_at=STALE)
    assert caught.value.current == block == memory.get("core")
    memory.delete("core", expected_updated_at=block.updated_at)
    assert memory.list() == []


def test_append_creates_and_joins_with_one_newline(memory):
    assert memory.append("core", "one").content == "one"
    assert memory.append("core", "two").content == "one\ntwo"
    assert memory.append("core", "three\n").content == "one\ntwo\nthree\n"
    assert memory.append("core", "four").content == "one\ntwo\nthree\nfour"


def test_append_to_an_empty_block_starts_without_a_newline(memory):
    memory.update("core", "", expected_updated_at=None)
    assert memory.append("core", "one").content == "one"


def test_append_after_a_deletion_starts_anew(memory):
    memory.append("core", "one")
    memory.delete("core")
    block = memory.append("core", "two")
    assert (block.content, block.version) == ("two", 3)


def test_replace_changes_the_one_place(memory):
    memory.append("core", "Likes tea and rye")
    block = memory.replace("core", "tea", "coffee")
    assert (block.content, block.version) == ("Likes coffee and rye", 2)
    assert memory.replace("core", " and rye", "").content == "Likes coffee"


@pytest.mark.parametrize(
    ("content", "old", "count"),
    [("tea", "rye", 0), ("tea tea", "tea", 2), ("aaa", "aa", 2), ("tea", "", 0), ("Tea", "tea", 0), ("", "x", 0)],
)
def test_replace_refuses_what_is_not_there_exactly_once_and_says_how_often(memory, content, old, count):
    block = memory.update("core", content, expected_updated_at=None)
    with pytest.raises(InvalidInputError, match=rf"old: .*\b{count}\b"):
        memory.replace("core", old, "new")
    assert memory.get("core") == block


def test_replace_by_the_same_text_writes_nothing(memory):
    block = memory.append("core", "tea")
    assert memory.replace("core", "tea", "tea") == block == memory.get("core")


@pytest.mark.parametrize("deleted", [False, True])
@pytest.mark.parametrize("old", ["tea", ""])
def test_replace_in_a_block_that_is_not_there_is_not_found_whatever_is_looked_for(memory, deleted, old):
    if deleted:
        memory.append("core", "tea")
        memory.delete("core")
    with pytest.raises(NotFoundError, match="block_type"):
        memory.replace("core", old, "rye")


def test_history_tells_when_who_and_what(mem, clock):
    ada, bot = (mem.client(user_id="ada", actor=actor).memory for actor in ("operator", "bot"))
    start = clock.now
    ada.update("core", "one", expected_updated_at=None, description="Who")
    clock.move(seconds=1)
    bot.append("core", "two")
    clock.move(seconds=1)
    ada.replace("core", "two", "three")
    clock.move(seconds=1)
    bot.update("core", "four", expected_updated_at=ada.get("core").updated_at, read_only=True)
    told = [(v.version, v.action, v.actor, v.content, v.description, v.read_only) for v in ada.history("core")]
    assert told == [
        (1, "created", "operator", "one", "Who", False),
        (2, "appended", "bot", "one\ntwo", "Who", False),
        (3, "replaced", "operator", "one\nthree", "Who", False),
        (4, "updated", "bot", "four", "Who", True),
    ]
    assert [v.created_at - start for v in ada.history("core")] == [timedelta(seconds=s) for s in range(4)]


def test_history_of_a_deleted_block_keeps_the_entries_and_no_text(memory):
    memory.update("core", "secret", expected_updated_at=None, description="hidden")
    memory.append("core", "more")
    memory.delete("core")
    memory.append("core", "new")
    told = [(v.version, v.action, v.content, v.description) for v in memory.history("core")]
    assert told == [(1, "created", "", ""), (2, "appended", "", ""), (3, "deleted", "", ""), (4, "created", "new", "")]


def test_history_of_what_never_was_is_not_found(memory):
    with pytest.raises(NotFoundError):
        memory.history("core")


def test_the_text_of_a_deleted_block_is_in_no_table(memory, tables):
    memory.update("core", "zebra-text", expected_updated_at=None, description="zebra-description")
    memory.append("core", "zebra-more", idempotency_key="key")
    memory.replace("core", "zebra-more", "zebra-other")
    memory.delete("core")
    assert "zebra" not in repr(tables())


@pytest.mark.parametrize("content", ["", "\n", "\u202e\x07\x1b[31m", "🏳️‍🌈 日本語", "{{memory}}", "'; DROP TABLE x; --"])
def test_any_text_is_stored_as_given(memory, content):
    block = memory.update("core", content, expected_updated_at=None, description=content)
    assert (block.content, block.description) == (content, content)
    assert memory.get("core") == block


def test_blocks_of_user_and_agents_are_apart(memory):
    memory.append("core", "user")
    memory.append("core", "x", agent_id="x")
    memory.append("core", "y", agent_id="y")
    memory.delete("core", agent_id="x")
    assert (memory.get("core").content, memory.get("core", agent_id="y").content) == ("user", "y")
    with pytest.raises(NotFoundError):
        memory.get("core", agent_id="x")


def test_values_are_frozen_and_times_are_aware_utc(memory, clock):
    clock.now = datetime(2026, 1, 1, 12, tzinfo=timezone(timedelta(hours=2)))
    block = memory.append("core", "tea")
    with pytest.raises(AttributeError):
        block.content = "rye"
    line = memory.remember("tea")[0]
    match = memory.recall("tea")[0]
    for moment in (block.created_at, block.updated_at, line.created_at, line.updated_at, match.updated_at):
        assert (moment.tzinfo, moment) == (UTC, clock.now)
