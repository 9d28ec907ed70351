"""Moving a memory to whom the contact turned out to be: the newer stays, nothing lives longer, nothing is lost."""

from __future__ import annotations

import pytest
from sqlmodel import col

from agentmem.contacts.merge import move_memory
from agentmem.models import Scope
from agentmem.tables import ContactMemoryRow, ConversationRow, MemoryChangeRow, MessageRow
from agentmem.transaction import Writer

from .conftest import TEST, entity, item, patch, say, summary

ADA, BOB = (Scope("acme", name, "support") for name in ("ada", "bob"))


@pytest.fixture
def pair(rooms):
    for name in ("ada", "bob"):
        rooms.person(name)
        rooms.person(name, tenant_id="other")
    return rooms


def move(rooms, conversation_id=None):
    """Let Ada's memory be Bob's."""
    writer = Writer("test", conversation_id=conversation_id)
    rooms.transactions.write(lambda tx: move_memory(tx, "acme", "ada", "bob"), writer=writer)


def test_a_memory_the_other_has_not_moves_as_it_is(pair, clock, told):
    pair.write(ADA, patch({"a": 1}, ttl_days={"a": 5}), summary("s"), entity(facts={"x": 1}), item())
    say(pair, ADA, "call", "hello")
    before = pair.memory(ADA)
    clock.move(hours=1)
    move(pair)
    after = pair.memory(BOB)
    assert after.fact_records == before.fact_records
    assert after.to_json() == before.to_json()
    assert after.recent_messages == before.recent_messages
    assert (after.version, after.updated_at) == (2, clock())
    assert pair.memory(ADA).version == 0
    assert told("ada") == []
    assert [one[:3] for one in told("bob")][-1] == ("merged", "memory", "support")


def test_of_two_facts_and_two_entities_the_newer_stays_and_bobs_where_they_are_as_new(pair, clock):
    pair.write(BOB, patch({"older": "bob"}), entity("o", "older", facts={"bob": 1}))
    pair.write(ADA, patch({"newer": "ada"}), entity("o", "newer", facts={"ada": 1}))
    clock.move(hours=1)
    pair.write(ADA, patch({"older": "ada", "same": "ada", "ada": 1}), entity("o", "older", facts={"ada": 1}))
    pair.write(ADA, entity("o", "same", notes="ada"))
    pair.write(BOB, patch({"newer": "bob", "same": "bob", "bob": 1}), entity("o", "newer", facts={"bob": 1}))
    pair.write(BOB, entity("o", "same", notes="bob"))
    records = {one.key: one for one in pair.memory(ADA).fact_records}
    move(pair)
    memory = pair.memory(BOB)
    assert memory.facts == {"ada": 1, "bob": 1, "newer": "bob", "older": "ada", "same": "bob"}
    assert {one.key: one for one in memory.fact_records}["older"] == records["older"]
    assert [(one.entity_id, dict(one.facts), one.notes) for one in memory.entities] == [
        ("newer", {"ada": 1, "bob": 1}, None),
        ("older", {"bob": 1, "ada": 1}, None),
        ("same", {}, "bob"),
    ]


def test_an_entity_that_takes_over_older_details_does_not_keep_them_longer(pair, clock):
    pair.retain(10)
    pair.write(ADA, entity("o", "1", facts={"ada": 1, "both": "ada"}), entity("o", "2", facts={"both": 1}))
    clock.move(days=5)
    pair.write(BOB, entity("o", "1", facts={"bob": 1, "both": "bob"}), entity("o", "2", facts={"both": 2}))
    move(pair)
    first, _ = pair.memory(BOB).entities
    assert first.facts == {"ada": 1, "bob": 1, "both": "bob"}
    clock.move(days=5)
    assert [(one.entity_id, one.facts) for one in pair.memory(BOB).entities] == [("2", {"both": 2})]


def test_the_version_of_a_fact_does_not_go_back_in_a_merge(pair, clock):
    for number in range(5):
        pair.write(BOB, patch({"k": number}))
    clock.move(hours=1)
    pair.write(ADA, patch({"k": "ada"}))
    move(pair)
    (fact,) = pair.memory(BOB).fact_records
    assert (fact.value, fact.version) == ("ada", 5)


def test_what_is_over_is_not_brought_back_and_hides_nothing(pair, clock):
    pair.retain(10)
    pair.write(BOB, patch({"a": "bob", "b": "bob"}, ttl_days={"b": 1}), entity("o", "1", notes="bob"))
    pair.write(ADA, entity("o", "2", notes="over"), summary("over"))
    clock.move(hours=5)
    pair.write(ADA, patch({"a": "over"}, ttl_days={"a": 1}))
    pair.write(ADA, patch({"b": "ada"}, ttl_days={"b": 9}))
    clock.move(days=9, hours=19)
    pair.write(BOB, entity("o", "1", notes="again"))
    move(pair)
    memory = pair.memory(BOB)
    assert memory.facts == {}
    assert [(one.entity_id, one.notes) for one in memory.entities] == [("1", "again")]
    assert memory.summary is None


@pytest.mark.parametrize(("short", "long"), [(ADA, BOB), (BOB, ADA)])
def test_a_fact_that_is_over_hides_no_older_one_that_is_not(pair, clock, short, long):
    pair.write(long, patch({"a": "older"}))
    clock.move(hours=1)
    pair.write(short, patch({"a": "over"}, ttl_days={"a": 1}))
    clock.move(days=2)
    move(pair)
    assert pair.memory(BOB).facts == {"a": "older"}


@pytest.mark.parametrize("first", ["ada", "bob"])
def test_summaries_are_joined_the_older_first_and_end_with_it(pair, clock, first):
    pair.retain(10)
    order = (ADA, BOB) if first == "ada" else (BOB, ADA)
    pair.write(order[0], summary("older"))
    clock.move(days=1)
    pair.write(order[1], summary("newer"))
    move(pair)
    assert pair.memory(BOB).summary == "older\nnewer"
    clock.move(days=9)
    assert pair.memory(BOB).summary is None


def test_the_only_summary_stays_as_it_is(pair, clock):
    pair.write(ADA, summary("ada"))
    written_at = clock()
    pair.write(BOB, patch({"a": 1}))
    clock.move(days=1)
    move(pair)
    assert pair.memory(BOB).summary == "ada"
    assert [row.summary_updated_at for row in pair.rows(ContactMemoryRow)] == [written_at]


def test_open_items_and_messages_of_both_are_one_memory_in_their_order(pair, clock):
    say(pair, ADA, "one", "a")
    say(pair, BOB, "two", "b")
    say(pair, ADA, "three", "c")
    pair.write(ADA, item("ada's"))
    clock.move(hours=1)
    pair.write(BOB, item("bob's"))
    move(pair)
    memory = pair.memory(BOB)
    assert [one.content for one in memory.recent_messages] == ["a", "b", "c"]
    assert [one.description for one in memory.open_items] == ["ada's", "bob's"]
    assert {row.contact_id for row in pair.rows(ConversationRow)} == {"bob"}
    assert len(pair.rows(MessageRow)) == 3
    assert len(pair.rows(ContactMemoryRow)) == 1


def test_every_agent_is_moved_and_each_says_so(pair, told):
    for agent in ("support", "sales"):
        pair.write(Scope("acme", "ada", agent), patch({"who": agent}))
    pair.write(BOB, patch({"bob": 1}))
    elsewhere = Scope("other", "ada", "support")
    pair.write(elsewhere, patch({"who": "elsewhere"}))
    move(pair, conversation_id="call")
    assert pair.memory(Scope("acme", "bob", "sales")).facts == {"who": "sales"}
    assert pair.memory(BOB).facts == {"who": "support", "bob": 1}
    assert pair.memory(elsewhere).facts == {"who": "elsewhere"}
    assert [one[2] for one in told("bob") if one[0] == "merged"] == ["sales", "support"]
    assert {row.conversation_id for row in pair.rows(MemoryChangeRow, MemoryChangeRow.action == "merged")} == {"call"}
    foreign = pair.rows(MemoryChangeRow, MemoryChangeRow.tenant_id == "other")
    assert {row.user_id for row in foreign} == {"ada"}


def test_an_idempotency_key_goes_on_working_for_whom_the_contact_turned_out_to_be(pair):
    def add(user_id, description="Call back", key="k"):
        return pair.memories.add_open_item(
            Scope("acme", user_id, "support"), description, type="follow_up", priority="normal", related_to=None,
            writer=TEST, idempotency_key=key,
        )  # fmt: skip

    first = add("ada")
    taken = add("bob", key="both")
    add("ada", "other", key="both")
    move(pair)
    assert add("bob") == first
    assert add("bob", key="both") == taken
    assert len(pair.memory(BOB).open_items) == 3


def test_a_contact_nobody_knows_anything_of_moves_too(pair, told):
    move(pair)
    assert pair.rows(ContactMemoryRow, col(ContactMemoryRow.contact_id) == "bob") == []
    assert told("bob") == []
