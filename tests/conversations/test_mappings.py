"""`conv.memory` gives copies, `conv.state` checks what is kept."""

from __future__ import annotations

import math
from collections.abc import Mapping, MutableMapping

import pytest

from agentmem import InvalidInputError
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


def test_state_keeps_what_its_keys_name_and_takes_anything_else():
    state = State(["a", "b"], max_bytes=10, given={"a": None, "other": {1, 2}})
    state["b"] = [1]
    assert state.to_keep() == {"a": None, "b": [1]}
    assert dict(state) == {"a": None, "b": [1], "other": {1, 2}}
    del state["a"]
    assert (list(state.to_keep()), "a" in state, state.get("a")) == (["b"], False, None)


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
    kept = state.to_keep()
    value["list"].append(object())
    assert kept == {"a": {"list": []}}
    with pytest.raises(InvalidInputError, match=r"^state: a"):
        state.to_keep()


@pytest.mark.parametrize("given", [{"a": math.nan}, {"a": object()}])
def test_state_does_not_begin_with_what_cannot_be_kept(given):
    with pytest.raises(InvalidInputError, match=r"^state: a"):
        State(["a"], max_bytes=100, given=given)
