"""JSON values and the keys of facts: what is kept as it was given, and what is refused."""

from __future__ import annotations

import json
import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agentmem import InvalidInputError, inputs

NAMES = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\x00"), max_size=8)
SCALARS = st.none() | st.booleans() | st.integers(-(2**70), 2**70) | st.floats(allow_nan=False, allow_infinity=False)
VALUES = st.recursive(
    SCALARS | NAMES,
    lambda inside: st.lists(inside, max_size=4) | st.dictionaries(NAMES, inside, max_size=4),
    max_leaves=12,
)


def check(value, max_bytes=16_384):
    return inputs.json_value("facts", value, max_bytes=max_bytes)


def size(value):
    return len(json.dumps(value, ensure_ascii=False, separators=(",", ":")).encode())


@given(VALUES)
def test_a_json_value_is_kept_exactly_and_as_a_copy(value):
    copy = check(value)
    assert repr(copy) == repr(value)  # 1, 1.0 and True are equal in Python, and no one JSON
    if isinstance(value, (list, dict)):
        assert copy is not value


@given(VALUES)
def test_the_limit_is_the_bytes_of_compact_utf_8(value):
    assert repr(check(value, size(value))) == repr(value)
    with pytest.raises(InvalidInputError, match=r"facts: .*bytes"):
        check(value, size(value) - 1)


def nested(depth, inside=None):
    value = inside
    for _ in range(depth):
        value = [value]
    return value


def test_nesting_ends_at_32():
    assert check(nested(32)) == nested(32)
    assert check({"a": nested(31, "x")}) == {"a": nested(31, "x")}
    for value in (nested(33), {"a": nested(32)}, nested(100_000)):
        with pytest.raises(InvalidInputError, match="nested more than 32 deep"):
            check(value)


def test_a_value_in_itself_and_one_that_doubles_at_each_step_are_refused_at_once():
    loop = []
    loop.append(loop)
    doubled = ["x"]
    for _ in range(30):
        doubled = [doubled, doubled]
    for value in (loop, doubled, ["x"] * 100_000):
        with pytest.raises(InvalidInputError, match="facts"):
            check(value)


NO_JSON = [
    math.nan, math.inf, -math.inf, ("zebra",), {"zebra"}, b"zebra", object(), 1j, {1: "zebra"}, {None: 1},
    {"a": {2: 1}}, "zebra\x00", "zebra\ud800", {"zebra\x00": 1}, {"zebra\ud800": 1}, ["zebra\udfff"], 1 << 4096,
    -(1 << 5000),
]  # fmt: skip


@pytest.mark.parametrize("value", NO_JSON)
def test_what_is_no_json_is_refused_at_every_depth_and_not_repeated(value):
    for place in (value, [value], {"key": [{"key": value}]}):
        with pytest.raises(InvalidInputError, match=r"^facts: ") as caught:
            check(place)
        assert "zebra" not in str(caught.value)


def test_a_key_is_an_id_that_is_not_reserved():
    assert inputs.fact_key("facts", "booking day", limit=11) == "booking day"
    assert inputs.fact_key("facts", "repeat_caller_x", limit=255) == "repeat_caller_x"
    for key in ("", " ", "x" * 12, "x\x00", "\ud800", 5, None, "REPEAT_CALLER_", "REPEAT_CALLER_QA"):
        with pytest.raises(InvalidInputError, match=r"^facts: "):
            inputs.fact_key("facts", key, limit=11 if key != "REPEAT_CALLER_QA" else 255)
