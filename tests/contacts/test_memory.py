"""What an agent knows of a contact: every write under one version, what is over counts as absent, and the feed."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy.orm.attributes import set_committed_value

from agentmem import BackendError, ConflictError, InvalidInputError, NotFoundError
from agentmem.contacts.reading import find_header
from agentmem.contacts.writing import KEEP, erase_memory, move_version
from agentmem.models import Scope
from agentmem.records import EntityRef
from agentmem.tables import ContactMemoryRow, EntityRow, FactRow, MessageRow, OpenItemRow

from .conftest import entity, item, patch, say, summary


def test_a_memory_nobody_wrote_to_is_empty_and_reading_it_makes_none(rooms, scope):
    memory = rooms.memory(scope)
    assert (memory.contact_id, memory.agent_id, memory.version, memory.updated_at) == ("ada", "support", 0, None)
    assert memory.to_json() == {"facts": {}, "summary": None, "entities": [], "open_items": []}
    assert rooms.rows(ContactMemoryRow) == []


def test_all_of_a_transaction_moves_the_version_by_one(rooms, scope, clock):
    assert rooms.write(scope, patch({"a": 1, "b": 2}), summary("s"), entity(), item(), item("two")) == 1
    clock.move(hours=1)
    assert rooms.write(scope, patch({"a": 2})) == 2
    memory = rooms.memory(scope)
    assert (memory.version, memory.updated_at) == (2, clock())


@pytest.mark.parametrize(
    "change",
    [
        pytest.param(patch({}), id="an empty patch"),
        pytest.param(patch({"a": 1}), id="a fact as it is"),
        pytest.param(patch({"none": None}), id="no fact removed"),
        pytest.param(summary("s"), id="the summary as it is"),
        pytest.param(entity(), id="nothing but the key"),
        pytest.param(entity(facts={}), id="no facts"),
        pytest.param(entity(facts={"x": [1, None]}), id="an entity's fact as it is"),
        pytest.param(entity(facts={"none": None}), id="no fact of an entity removed"),
        pytest.param(entity(status="new", notes=None), id="status and notes as they are"),
        pytest.param(lambda writes: writes.delete_entity("order", "none"), id="no entity deleted"),
        pytest.param(lambda writes: writes.memory_id, id="the header's id"),
    ],
)
def test_a_write_that_changes_nothing_leaves_version_and_feed_alone(rooms, scope, told, change):
    known = (patch({"a": 1}), summary("s"), entity(facts={"x": [1, None]}, status="new"))
    assert rooms.write(scope, *known) == 1
    before = told(), rooms.memory(scope)
    assert rooms.write(scope, change) == 1
    assert (told(), rooms.memory(scope)) == before


def test_a_write_of_nothing_makes_no_memory(rooms, scope):
    none = (patch({}), patch({"a": None}), summary(None), lambda writes: writes.delete_entity("order", "1"))
    assert rooms.write(scope, *none) == 0
    assert rooms.rows(ContactMemoryRow) == []


@pytest.mark.parametrize("expected", [0, 2, 99])
def test_another_version_than_the_expected_one_conflicts_and_nothing_is_written(rooms, scope, expected, told):
    rooms.write(scope, patch({"a": 1}))
    before = told(), rooms.memory(scope)
    with pytest.raises(ConflictError, match="expected_version") as caught:
        rooms.write(scope, patch({"a": 2}), expected_version=expected)
    assert caught.value.current == before[1]
    assert (told(), rooms.memory(scope)) == before


def test_the_expected_version_of_a_memory_nobody_wrote_to_is_0(rooms, scope):
    with pytest.raises(ConflictError) as caught:
        rooms.write(scope, patch({"a": 1}), expected_version=1)
    assert caught.value.current == rooms.memory(scope)
    assert rooms.write(scope, patch({"a": 1}), expected_version=0) == 1
    assert rooms.write(scope, patch({"a": 2}), expected_version=1) == 2


def test_a_writer_that_was_overtaken_is_raced_and_runs_again(rooms, scope):
    rooms.write(scope, patch({"a": 1}))
    seen = []

    def body(tx):
        header = find_header(tx.session, scope)
        seen.append(header.version)
        if len(seen) == 1:  # as on a server, where someone else commits between the read and the write
            set_committed_value(header, "version", 0)
        move_version(tx, header)
        return header.version

    assert rooms.run(body) == 2
    assert seen == [1, 1]


def test_two_agents_and_two_tenants_know_nothing_of_each_other(rooms):
    for tenant in ("acme", "other"):
        rooms.person("ada", tenant_id=tenant)
        for agent in ("support", "sales"):
            one = Scope(tenant, "ada", agent)
            rooms.write(one, patch({"who": f"{tenant}/{agent}"}), summary(f"{tenant}/{agent}"), entity(), item())
    for tenant in ("acme", "other"):
        for agent in ("support", "sales"):
            memory = rooms.memory(Scope(tenant, "ada", agent))
            assert memory.facts == {"who": memory.summary} == {"who": f"{tenant}/{agent}"}
            assert len(memory.entities) == len(memory.open_items) == memory.version == 1


def test_a_summary_is_replaced_removed_and_over_in_its_time(rooms, scope, clock, told):
    rooms.retain(10)
    rooms.write(scope, summary("one"))
    rooms.write(scope, summary("two"))
    clock.move(days=5)
    rooms.write(scope, summary("two"))
    clock.move(days=9)
    assert rooms.memory(scope).summary == "two"
    clock.move(days=1)
    assert rooms.memory(scope).summary is None
    assert rooms.write(scope, summary(None)) == 3
    rooms.write(scope, summary("three"))
    rooms.write(scope, summary(None))
    assert told()[-2:] == [
        ("added", "summary", "summary", None, "three"),
        ("removed", "summary", "summary", "three", None),
    ]
    assert rooms.memory(scope).summary is None


def test_an_entitys_facts_are_merged_and_the_rest_stays_unless_given(rooms, scope, clock, told):
    moment = clock()
    rooms.write(scope, entity(facts={"a": 1, "b": {"x": 1}}, status="new", notes="n", discussed_at=moment))
    rooms.write(scope, entity(facts={"a": None, "b": {"y": 2}, "c": 3}))
    one = rooms.memory(scope).entities[0]
    assert (one.facts, one.status, one.notes) == ({"b": {"y": 2}, "c": 3}, "new", "n")
    clock.move(hours=1)
    rooms.write(scope, entity(status="sent", notes=None))
    one = rooms.memory(scope).entities[0]
    assert (one.facts, one.status, one.notes) == ({"b": {"y": 2}, "c": 3}, "sent", None)
    assert (one.created_at, one.updated_at, one.last_discussed_at) == (moment, clock(), moment)
    assert told()[-1] == (
        "changed",
        "entity",
        "order/8821",
        {"facts": {"b": {"y": 2}, "c": 3}, "status": "new", "notes": "n"},
        {"facts": {"b": {"y": 2}, "c": 3}, "status": "sent", "notes": None},
    )


def test_the_moment_something_was_last_discussed_moves_when_asked_and_never_back(rooms, scope, clock, told):
    moment = clock()
    rooms.write(scope, entity())
    assert rooms.memory(scope).entities[0].last_discussed_at is None
    assert rooms.write(scope, entity(discussed_at=moment)) == 2
    clock.move(hours=1)
    assert rooms.write(scope, entity()) == 2
    assert rooms.write(scope, entity(discussed_at=moment - timedelta(days=1), status="x")) == 3
    assert rooms.memory(scope).entities[0].last_discussed_at == moment
    assert [entry[0] for entry in told()] == ["added", "confirmed", "changed"]


def test_entities_come_by_type_and_id(rooms, scope):
    for name in (("order", "b"), ("ticket", "a"), ("Order", "z"), ("order", "a")):
        rooms.write(scope, entity(*name))
    named = [(one.entity_type, one.entity_id) for one in rooms.memory(scope).entities]
    assert named == [("Order", "z"), ("order", "a"), ("order", "b"), ("ticket", "a")]


def test_the_facts_of_an_entity_have_one_limit_together(rooms, scope, told):
    rooms.write(scope, entity(facts={"a": "x" * 80}), max_value_bytes=100)
    before = told(), rooms.memory(scope)
    with pytest.raises(InvalidInputError, match=r"^facts: "):
        rooms.write(scope, patch({"k": 1}), entity(facts={"b": "x" * 10}), max_value_bytes=100)
    assert (told(), rooms.memory(scope)) == before
    rooms.write(scope, entity(facts={"b": "x" * 4}), max_value_bytes=100)


def test_a_deleted_entity_and_an_expired_one_are_gone_and_begin_anew(rooms, scope, clock, told):
    rooms.retain(10)
    rooms.write(scope, entity(facts={"a": 1}, status="s", discussed_at=clock()))
    rooms.write(scope, lambda writes: writes.delete_entity("order", "8821"))
    assert rooms.memory(scope).entities == ()
    assert told()[-1][:2] == ("removed", "entity")
    rooms.write(scope, entity(facts={"b": 1}, status="s", notes="n", discussed_at=clock()))
    clock.move(days=10)
    assert rooms.memory(scope).entities == ()
    assert rooms.write(scope, lambda writes: writes.delete_entity("order", "8821")) == 3
    rooms.write(scope, entity(facts={"c": 1}))
    one = rooms.memory(scope).entities[0]
    assert (one.facts, one.status, one.notes, one.last_discussed_at) == ({"c": 1}, None, None, None)
    assert one.created_at == clock()
    assert told()[-1][0] == "added"


def test_open_items_come_as_they_were_added_and_go_when_resolved(rooms, scope, clock, told):
    order = EntityRef("order", "8821")
    rooms.write(
        scope,
        *[item(f"{number}") for number in range(12)],
        item("about", order),
        item("old", created_at=datetime(2025, 1, 1, tzinfo=UTC)),
    )
    items = rooms.memory(scope).open_items
    assert [one.description for one in items] == ["old", *map(str, range(12)), "about"]
    assert items[-1].related_to == order
    clock.move(hours=1)
    assert rooms.write(scope, lambda writes: writes.resolve_open_item(items[3].id)) == 2
    assert rooms.write(scope, lambda writes: writes.resolve_open_item(items[3].id)) == 2
    assert items[3] not in rooms.memory(scope).open_items
    assert len(rooms.memory(scope).open_items) == 13
    said = {"type": "follow_up", "description": "2", "priority": "normal"}
    assert told()[-1] == ("removed", "open_item", items[3].id, said, None)
    assert rooms.rows(OpenItemRow, OpenItemRow.id == items[3].id)[0].resolved_at == clock()


def test_an_item_of_another_memory_or_one_that_is_over_is_not_found(rooms, scope, clock):
    rooms.retain(10)
    rooms.person("bob")
    rooms.write(scope, item())
    mine = rooms.memory(scope).open_items[0].id
    for other in (Scope("acme", "bob", "support"), Scope("acme", "ada", "sales")):
        with pytest.raises(NotFoundError, match="item_id"):
            rooms.write(other, lambda writes: writes.resolve_open_item(mine))
        rooms.write(other, item("theirs"))
        with pytest.raises(NotFoundError, match="item_id"):
            rooms.write(other, lambda writes: writes.resolve_open_item(mine))
    clock.move(days=10)
    with pytest.raises(NotFoundError, match="item_id"):
        rooms.write(scope, lambda writes: writes.resolve_open_item(mine))


def test_the_newest_messages_of_all_channels_come_oldest_first(rooms, scope, clock):
    assert say(rooms, scope, "one", "a", "b") == 0
    say(rooms, scope, "two", "c", "d", channel="sms")
    say(rooms, scope, "three", "e", channel="voice")
    recent = rooms.memory(scope, recent_messages=4).recent_messages
    assert [(one.content, one.channel, one.conversation_id) for one in recent] == [
        ("b", "voice", "one"), ("c", "sms", "two"), ("d", "sms", "two"), ("e", "voice", "three"),
    ]  # fmt: skip
    assert rooms.memory(scope, recent_messages=0).recent_messages == ()
    assert len(rooms.memory(scope).recent_messages) == 5
    assert rooms.memory(Scope("acme", "ada", "sales")).recent_messages == ()


def test_messages_of_one_moment_come_as_they_were_said(rooms, scope):
    say(rooms, scope, "one", "a", "b", "c", minutes=0)
    assert [one.content for one in rooms.memory(scope, recent_messages=2).recent_messages] == ["b", "c"]


def test_messages_are_over_one_by_one(rooms, scope, clock):
    rooms.retain(1)
    say(rooms, scope, "one", "a", "b")
    clock.move(days=1, minutes=-1)
    assert [one.content for one in rooms.memory(scope).recent_messages] == ["b"]
    clock.move(minutes=1)
    assert rooms.memory(scope).recent_messages == ()


def test_erasing_leaves_no_row_of_that_memory_and_touches_no_other(rooms, scope):
    sales = Scope("acme", "ada", "sales")
    for one in (scope, sales):
        rooms.write(one, patch({"a": 1}), summary("s"), entity(), item())
    say(rooms, scope, "one", "a")
    rooms.database.write(lambda session: erase_memory(session, scope))
    assert rooms.memory(scope) == rooms.memory(Scope("acme", "ada", "support"))
    assert rooms.memory(scope).version == 0
    for table in (ContactMemoryRow, FactRow, EntityRow, OpenItemRow):
        assert len(rooms.rows(table)) == 1
    assert rooms.rows(MessageRow) == []
    rooms.write(scope, patch({"a": 1}))
    rooms.database.write(lambda session: erase_memory(session, Scope("acme", "ada")))
    assert rooms.rows(ContactMemoryRow) == []


def test_a_memory_is_of_a_contact_that_is_there(rooms):
    with pytest.raises(BackendError, match="refused the write"):
        rooms.write(Scope("acme", "nobody", "support"), patch({"a": 1}))


def test_keep_shows_as_its_name():
    assert repr(KEEP) == "KEEP"


AFTER_THE_CALL = {
    "facts": {"name": "Sarah Chen", "phone": "+14155550192"},
    "summary": "Customer called about order #8821 which was delayed. Promised a follow-up within 24 hours.",
    "entities": [
        {
            "entity_type": "order",
            "entity_id": "order-8821",
            "facts": {"order_number": "#8821", "status": "delayed", "carrier": "UPS"},
            "status": "delayed",
            "last_discussed_at": "2025-07-22T10:30:00.000Z",
            "notes": "Customer was promised a follow-up within 24 hours",
        }
    ],
    "open_items": [
        {
            "type": "follow_up",
            "description": "Follow up on order #8821 delay status",
            "created_at": "2025-07-22T10:30:00.000Z",
            "priority": "high",
            "related_to": {"entity_type": "order", "entity_id": "order-8821"},
        }
    ],
}
AFTER_THE_SMS = {
    "facts": {"name": "Sarah Chen", "phone": "+14155550192", "preferred_contact": "sms"},
    "summary": "Order #8821 shipped and is now in transit. Expected delivery Friday July 25. "
    "Customer confirmed via SMS and prefers SMS over calls.",
    "entities": [
        {
            "entity_type": "order",
            "entity_id": "order-8821",
            "facts": {
                "order_number": "#8821",
                "status": "in_transit",
                "carrier": "UPS",
                "expected_delivery": "2025-07-25",
            },
            "status": "in_transit",
            "last_discussed_at": "2025-07-23T09:15:00.000Z",
            "notes": None,
        }
    ],
    "open_items": [],
}


def test_seed_004_the_worked_example_ends_in_the_records_shown_there(rooms, clock):
    clock.now = datetime(2025, 7, 22, 10, 30, tzinfo=UTC)
    contact_id, _ = rooms.meet(phone="+14155550192", name="Sarah Chen")
    assert rooms.contacts.get("acme", contact_id).to_json() == {
        "id": contact_id,
        "phone_number": "+14155550192",
        "name": "Sarah Chen",
        "org_id": "acme",
        "created_at": "2025-07-22T10:30:00.000Z",
    }
    scope = Scope("acme", contact_id, "support")
    order = AFTER_THE_CALL["entities"][0]
    rooms.write(
        scope,
        patch(AFTER_THE_CALL["facts"]),
        summary(AFTER_THE_CALL["summary"]),
        entity(
            "order", "order-8821", facts=order["facts"], status="delayed", notes=order["notes"], discussed_at=clock()
        ),
        lambda writes: writes.add_open_item(
            "Follow up on order #8821 delay status",
            type="follow_up",
            priority="high",
            related_to=EntityRef("order", "order-8821"),
        ),
    )
    assert rooms.memory(scope).to_json() == AFTER_THE_CALL

    clock.now = datetime(2025, 7, 23, 9, 15, tzinfo=UTC)
    assert rooms.meet(phone="(415) 555-0192") == (contact_id, ())
    open_item = rooms.memory(scope).open_items[0]
    rooms.write(
        scope,
        patch({"preferred_contact": "sms"}),
        summary(AFTER_THE_SMS["summary"]),
        entity(
            "order",
            "order-8821",
            facts={"status": "in_transit", "expected_delivery": "2025-07-25"},
            status="in_transit",
            notes=None,
            discussed_at=clock(),
        ),
        lambda writes: writes.resolve_open_item(open_item.id),
    )
    assert rooms.memory(scope).to_json() == AFTER_THE_SMS


def test_what_is_removed_while_it_is_hidden_does_not_come_back_with_a_longer_retention(rooms, scope, clock):
    rooms.write(scope, patch({"tea": "rye"}))
    rooms.write(scope, summary("Likes tea"))
    rooms.write(scope, entity(notes="late"))
    clock.move(days=2)
    rooms.retain(1)
    for removal in (patch({"tea": None}), summary(None), lambda writes: writes.delete_entity("order", "8821")):
        assert rooms.write(scope, removal) == 3
    rooms.retain(0)
    memory = rooms.memory(scope)
    assert (memory.facts, memory.summary, memory.entities) == ({}, None, ())
