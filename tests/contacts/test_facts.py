"""Key-value facts: times to the hour, lives of their own, patches that touch nothing else, and their feed."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from agentmem.contacts.reading import read_facts
from agentmem.models import Scope
from agentmem.tables import ContactMemoryRow

from .conftest import entity, item, patch, summary


def hour(moment):
    return moment.replace(minute=0, second=0, microsecond=0)


def test_a_fact_has_its_times_to_the_hour_and_counts_its_writes(rooms, scope, clock):
    clock.move(minutes=10, seconds=9)
    rooms.write(scope, patch({"tea": "rye"}, ttl_days={"tea": 3}), source="user")
    first = rooms.memory(scope).fact_records[0]
    at = hour(clock())
    assert (first.key, first.value, first.source, first.version) == ("tea", "rye", "user", 1)
    assert (first.created_at, first.updated_at, first.expires_at) == (at, at, at + timedelta(days=3))
    clock.move(hours=2)
    rooms.write(scope, patch({"tea": "oat"}))
    again = rooms.memory(scope).fact_records[0]
    assert (again.version, again.created_at, again.updated_at) == (2, at, hour(clock()))
    assert again.expires_at == again.updated_at + timedelta(days=90)


def test_a_fact_lives_to_the_end_of_its_own_life_and_not_an_instant_longer(rooms, scope, clock):
    rooms.write(scope, patch({"a": 1, "b": 2, "c": 3}, ttl_days={"a": 1, "b": 400}))
    clock.move(days=1, microseconds=-1)
    assert rooms.memory(scope).facts == {"a": 1, "b": 2, "c": 3}
    clock.move(microseconds=1)
    assert rooms.memory(scope).facts == {"b": 2, "c": 3}
    clock.move(days=89, microseconds=-1)
    assert rooms.memory(scope).facts == {"b": 2, "c": 3}
    clock.move(microseconds=1)
    assert rooms.memory(scope).facts == {}
    assert rooms.memory(scope, max_fact_days=400).facts == {"b": 2, "c": 3}


def test_a_life_that_would_end_after_the_last_moment_there_is_ends_with_it(rooms, scope, clock):
    clock.now = datetime(9999, 12, 1, tzinfo=UTC)
    rooms.write(scope, patch({"a": 1}, ttl_days={"a": 100}))
    assert rooms.memory(scope).facts == {"a": 1}


def test_a_change_of_the_retention_applies_to_what_is_there(rooms, scope, clock):
    known = (patch({"a": 1}), summary("s"), entity(), item())
    rooms.write(scope, *known)
    clock.move(days=10)
    for days, there in ((10, False), (11, True), (0, True), (9, False), (None, True), (90, True)):
        rooms.retain(days)
        memory = rooms.memory(scope)
        assert [bool(part) for part in (memory.facts, memory.summary, memory.entities, memory.open_items)] == [
            there
        ] * 4
        assert memory.version == 1


def test_a_patch_over_an_expired_fact_begins_anew(rooms, scope, clock, told):
    rooms.write(scope, patch({"tea": "rye"}, ttl_days={"tea": 1}))
    rooms.write(scope, patch({"tea": "oat"}, ttl_days={"tea": 1}))
    clock.move(days=1)
    assert rooms.write(scope, patch({"tea": None})) == 2
    assert rooms.write(scope, patch({"tea": "oat"})) == 3
    record = rooms.memory(scope).fact_records[0]
    assert (record.version, record.created_at) == (1, hour(clock()))
    assert told()[-1] == ("added", "fact", "tea", None, "oat")


def test_patching_one_fact_extends_no_other(rooms, scope, clock):
    rooms.write(scope, patch({"a": 1, "b": 1}, ttl_days={"a": 2, "b": 2}))
    clock.move(days=1)
    rooms.write(scope, patch({"a": 2}, ttl_days={"a": 2}))
    clock.move(days=1)
    assert rooms.memory(scope).facts == {"a": 2}


def test_writing_a_fact_as_it_is_renews_its_life_and_says_so(rooms, scope, clock, told):
    rooms.write(scope, patch({"tea": "rye"}))
    clock.move(days=80)
    assert rooms.write(scope, patch({"tea": "rye"})) == 2
    clock.move(days=20)
    assert rooms.memory(scope).facts == {"tea": "rye"}
    clock.move(days=-20)
    assert told()[-1] == ("confirmed", "fact", "tea", "rye", "rye")


@pytest.mark.parametrize(
    ("old", "new"), [(1, True), (1, 1.0), (0, False), ("1", 1), ([1], [True]), ({"a": 1}, {"a": 1.0})]
)
def test_values_that_are_equal_in_python_alone_are_another_value(rooms, scope, old, new, told):
    rooms.write(scope, patch({"a": old}))
    assert rooms.write(scope, patch({"a": new})) == 2
    assert repr(rooms.memory(scope).facts["a"]) == repr(new)
    assert told()[-1][0] == "changed"


def test_an_object_with_its_keys_in_another_order_is_the_same_value(rooms, scope):
    rooms.write(scope, patch({"a": {"x": 1, "y": 2}}))
    assert rooms.write(scope, patch({"a": {"y": 2, "x": 1}})) == 1


def test_facts_are_read_alone_as_in_the_whole(rooms, scope, clock):
    rooms.retain(30)
    rooms.write(scope, patch({"b": {"x": None}, "a": 1}, ttl_days={"a": 1}))
    for _ in range(3):
        with rooms.transactions.read() as snapshot:
            alone = read_facts(snapshot, scope)
        assert alone == rooms.memory(scope).facts
        assert list(alone) == sorted(alone)
        clock.move(days=15)


def test_nothing_that_is_over_is_told_by_the_feed(rooms, scope, clock, told):
    rooms.write(scope, patch({"tea": "rye", "city": "Oslo"}, ttl_days={"tea": 2}))
    clock.move(days=1)
    rooms.write(scope, patch({"tea": "oat", "city": None}))
    clock.move(days=1)
    assert told() == [
        ("added", "fact", "tea", None, None),
        ("added", "fact", "city", None, "Oslo"),
        ("changed", "fact", "tea", None, None),
        ("removed", "fact", "city", "Oslo", None),
    ]
    clock.move(days=88)
    assert not any(after or before for *_, before, after in told())


KEYS = st.sampled_from(["a", "b", "c"])
VALUES = st.none() | st.integers(0, 2) | st.just({"x": [1, None]})
STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("patch"), st.dictionaries(KEYS, VALUES, max_size=3), st.none() | st.integers(1, 5)),
        st.tuples(st.just("wait"), st.integers(1, 60), st.none()),
        st.tuples(st.just("retain"), st.sampled_from([None, 0, 1, 3]), st.none()),
    ),
    max_size=15,
)
MOST_DAYS = 4


@settings(max_examples=50, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@example(
    steps=[
        ("patch", {"b": 0}, None),
        ("wait", 24, None),
        ("retain", 1, None),
        ("patch", {"b": None}, None),
        ("retain", None, None),
    ]
)
@given(steps=STEPS)
def test_patches_do_what_they_do_to_a_dict_whose_values_expire(rooms, steps):
    agent = f"agent-{len(rooms.rows(ContactMemoryRow))}-{id(steps)}"
    if not rooms.rows(ContactMemoryRow):
        rooms.meet(user_id="ada")
    scope = Scope("acme", "ada", agent)
    model, retention, version = {}, None, 0

    def ends(written):
        _, at, ttl = written
        return at + timedelta(days=min(*filter(None, [MOST_DAYS, retention, ttl]), MOST_DAYS))

    for step, given_, ttl in steps:
        now = rooms.clock()
        live = {key: written for key, written in model.items() if ends(written) > now}
        if step == "wait":
            rooms.clock.move(hours=given_, minutes=7)
        elif step == "retain":
            retention = given_
            rooms.retain(given_, agent_id=agent)
        else:
            written = {key: (value, hour(now), ttl) for key, value in given_.items() if value is not None}
            removed = {key for key, value in given_.items() if value is None}
            after = {key: one for key, one in (live | written).items() if key not in removed}
            version += after != live
            model = {**model, **written}
            model = {key: one for key, one in model.items() if key not in removed}
            lives = dict.fromkeys(given_, ttl)
            assert rooms.write(scope, patch(given_, ttl_days=lives), max_fact_days=MOST_DAYS) == version
        now = rooms.clock()
        expected = {key: written for key, written in model.items() if ends(written) > now}
        memory = rooms.memory(scope, max_fact_days=MOST_DAYS)
        assert memory.facts == {key: written[0] for key, written in expected.items()}
        assert {one.key: one.expires_at for one in memory.fact_records} == {
            key: ends(written) for key, written in expected.items()
        }
        assert memory.version == version
