"""`conv.memory` gives copies, `conv.state` checks what is kept."""

from __future__ import annotations

import math
from collections.abc import Mapping, MutableMapping

import pytest

from agentmem import InvalidInputError
from agentmem.conversations.kept_state import StateChanges
from agentmem.conversations.mappings import CallerMemory, State


def test_memory_is_a_mapping_of_copies():
    given = {"cheese_type": ["brie"]}
    memory = CallerMemory(given)
    assert isinstance(memory, Mapping)
    assert not isinstance(memory, MutableMapping)
    given["more"] = 1
    memory["cheese_type"].append("gouda")
    memory.fields().clear()
    dict(memory.items())["cheese_type"].append("gouda")
    assert memory == {"cheese_type": ["brie"]}


def test_state_takes_anything_and_what_can_be_kept_of_it_is_what_has_to_be_written():
    state = State(["a", "b"], max_bytes=10, given={"a": None, "other": {1, 2}, "large": "x" * 10, "more": 1})
    state["b"] = [1]
    assert state.changes() == StateChanges({"a": None, "more": 1, "b": [1]})
    assert dict(state) == {"a": None, "b": [1], "other": {1, 2}, "large": "x" * 10, "more": 1}
    del state["a"]
    assert ("a" in state, state.get("a"), state.changes()) == (False, None, StateChanges({"more": 1, "b": [1]}))


def test_what_was_written_has_not_to_be_written_again_and_what_is_deleted_has():
    state = State(["a"], max_bytes=10, given={"a": [1], "b": True})
    sent = state.changes()
    state.take(sent.put, sent)
    assert (state.changes(), state.seen) == (StateChanges(), {"a": [1], "b": True})
    state["a"].append(2)
    state["b"] = 1
    assert state.changes() == StateChanges({"a": [1, 2], "b": 1})
    del state["a"]
    state["b"] = object()
    assert state.changes() == StateChanges({}, ("a", "b"))


def test_what_is_set_while_a_step_is_under_way_stays_and_is_written_with_the_next():
    state = State(["a"], max_bytes=10, given={"a": 1, "b": 1, "c": 1})
    sent = state.changes()
    state.update(a=2, d=2)
    del state["b"]
    state.take({"a": 1, "b": 1, "c": 3, "e": 3}, sent)
    assert dict(state) == {"a": 2, "c": 3, "d": 2, "e": 3}
    assert state.changes() == StateChanges({"a": 2, "d": 2}, ("b",))


def test_what_others_kept_is_a_copy_of_their_own():
    kept = {"a": [1]}
    state = State([], max_bytes=10)
    state.take(kept)
    state["a"].append(2)
    state.seen["a"].append(3)
    assert (kept, state.changes()) == ({"a": [1]}, StateChanges({"a": [1, 2]}))


def test_a_kept_value_may_be_as_large_as_the_limit_and_no_larger():
    state = State(["a"], max_bytes=10)
    state["a"] = "x" * 8
    with pytest.raises(InvalidInputError, match=r"^state: a: 11 bytes"):
        state["a"] = "x" * 9
    assert state["a"] == "x" * 8
    with pytest.raises(InvalidInputError, match=r"^state: a"):
        state.update(a=math.nan)


def test_what_is_kept_is_a_copy_checked_once_more():
    state = State(["a"], max_bytes=100)
    value = state["a"] = {"list": []}
    changes = state.changes()
    value["list"].append(object())
    assert changes.put == {"a": {"list": []}}
    with pytest.raises(InvalidInputError, match=r"^state: a"):
        state.changes()


@pytest.mark.parametrize("given", [{"a": math.nan}, {"a": object()}])
def test_state_does_not_begin_with_what_cannot_be_kept(given):
    with pytest.raises(InvalidInputError, match=r"^state: a"):
        State(["a"], max_bytes=100, given=given)
