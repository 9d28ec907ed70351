"""`mem.contacts`: people looked up and made one, and what each agent knows of them, read and written directly."""

from __future__ import annotations

import threading
from datetime import UTC, datetime, timedelta

import pytest

import agentmem
from agentmem import ConflictError, InvalidInputError, NotFoundError
from agentmem.records import EntityRef, OpenItem
from agentmem.testing import HashingEmbeddings

PHONE = "+14155550192"
HOSTILE = ["%", "*", "_", "../ada", "' OR ''='", "ADA", "ada ", "x" * 255]
NO_IDS = ["", " ", None, "\x00", "ada\x00", "\ud800", "x" * 256, "x" * 10_240, 5, b"ada", ["ada"]]


@pytest.fixture
def contacts(mem):
    mem.contacts.create(id="ada", phone=PHONE, name="Ada")
    return mem.contacts


def test_a_contact_is_found_by_what_they_are_known_by_however_it_is_written(contacts):
    contacts.link("ada", email="Ada@X.com", external_id="C-1")
    ada = contacts.get("ada")
    assert contacts.find(phone="+1 (415) 555-0192") == ada
    assert contacts.find(email=" ada@x.COM") == ada
    assert contacts.find(external_id="C-1") == ada
    assert contacts.find(external_id="c-1") is None
    assert contacts.find(phone="+442079460958") is None


def test_a_contact_is_found_by_a_custom_source(mem):
    mem.agents.configure("support", memory_enabled=True, identifier_source="sip_header:X-Customer-Id")
    attributes = {"sip_headers": {"x-customer-id": "42"}}
    with mem.conversations.start("support", attributes=attributes) as conversation:
        met = conversation.caller_identity
    assert mem.contacts.find(kind="sip_header:X-Customer-Id", value=" 42 ").id == met
    assert mem.contacts.find(kind="state:X-Customer-Id", value="42") is None


@pytest.mark.parametrize(
    "given",
    [
        {},
        {"phone": PHONE, "email": "ada@x.com"},
        {"phone": PHONE, "kind": "state:x", "value": "1"},
        {"kind": "state:x"},
        {"value": "1"},
        {"kind": "phone", "value": PHONE},
        {"kind": "state:x", "value": " "},
        {"phone": "zebra"},
        {"email": "zebra"},
        {"external_id": ""},
    ],
    ids=str,
)
def test_find_takes_exactly_one_sound_thing(contacts, given):
    with pytest.raises(InvalidInputError) as caught:
        contacts.find(**given)
    assert any(name in str(caught.value) for name in ("phone", "kind", "value", *given))
    assert "zebra" not in str(caught.value)


def test_a_number_without_a_country_code_is_read_in_the_default_region(open_mem, contacts):
    with pytest.raises(InvalidInputError, match="default_region"):
        contacts.find(phone="(415) 555-0192")
    assert open_mem(default_region="US").contacts.find(phone="(415) 555-0192").id == "ada"


def test_link_needs_something_to_link(contacts):
    with pytest.raises(InvalidInputError, match="phone"):
        contacts.link("ada")


def test_contacts_are_listed_in_pages(contacts, clock):
    for name in ("bob", "eve"):
        clock.move(hours=1)
        contacts.create(id=name)
    assert [one.id for one in contacts.list()] == ["ada", "bob", "eve"]
    assert [one.id for one in contacts.list(limit=1, after="ada")] == ["bob"]
    assert "bob" in contacts.list()._repr_html_()
    for limit in (0, 1_001, True, "5", None):
        with pytest.raises(InvalidInputError, match="limit"):
            contacts.list(limit=limit)


def test_merging_gives_the_winner_with_the_memory_of_both(mem, contacts):
    contacts.create(id="bob", email="bob@x.com")
    contacts.patch_facts("ada", {"tea": "rye"}, agent_id="support")
    contacts.patch_facts("bob", {"city": "Oslo"}, agent_id="support")
    mem.client("ada").memory.append("core", "- Likes tea")
    bob = contacts.merge("ada", into="bob")
    assert (bob.id, bob.name, bob.phone, bob.email) == ("bob", "Ada", PHONE, "bob@x.com")
    for either in ("ada", "bob"):
        assert contacts.get(either) == bob
        assert contacts.memory(either, agent_id="support").facts == {"tea": "rye", "city": "Oslo"}
        assert contacts.memory(either, agent_id="support").contact_id == "bob"
    assert contacts.patch_facts("ada", {"tea": None}, agent_id="support").contact_id == "bob"
    assert contacts.memory("bob", agent_id="support").facts == {"city": "Oslo"}
    assert "contact" in {one.kind for one in mem.changes("bob")}


def test_a_merge_into_nobody_or_into_oneself_is_refused(contacts):
    for contact_id, into, error in (
        ("ada", "ada", InvalidInputError),
        ("ada", "nobody", NotFoundError),
        ("nobody", "ada", NotFoundError),
    ):
        with pytest.raises(error):
            contacts.merge(contact_id, into=into)


def test_a_chain_of_writes_under_the_version_that_was_read(contacts):
    read = contacts.memory("ada", agent_id="support")
    one = contacts.patch_facts("ada", {"tea": "rye"}, agent_id="support", expected_version=read.version)
    two = contacts.update_summary("ada", "Likes tea.", agent_id="support", expected_version=one.version)
    three = contacts.put_entity("ada", "order", "1", agent_id="support", expected_version=two.version)
    assert [read.version, one.version, two.version, three.version] == [0, 1, 2, 3]
    assert three == contacts.memory("ada", agent_id="support")
    for write in (
        lambda: contacts.patch_facts("ada", {"tea": "oat"}, agent_id="support", expected_version=2),
        lambda: contacts.update_summary("ada", "x", agent_id="support", expected_version=0),
        lambda: contacts.put_entity("ada", "order", "2", agent_id="support", expected_version=4),
    ):
        with pytest.raises(ConflictError) as caught:
            write()
        assert caught.value.current == three
    assert contacts.memory("ada", agent_id="support") == three


def test_writers_at_once_lose_nothing_and_each_makes_a_version(open_mem, contacts):
    others = [open_mem().contacts for _ in range(4)]

    def write(number):
        for count in range(5):
            others[number].patch_facts("ada", {f"{number}-{count}": count}, agent_id="support")

    threads = [threading.Thread(target=write, args=(number,)) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    memory = contacts.memory("ada", agent_id="support")
    assert (memory.version, len(memory.facts)) == (20, 20)


def test_of_writers_at_once_under_one_version_one_wins(open_mem, contacts):
    others = [open_mem().contacts for _ in range(6)]
    outcomes = []

    def write(number):
        try:
            others[number].patch_facts("ada", {"who": number}, agent_id="support", expected_version=0)
        except ConflictError:
            outcomes.append("conflict")
        else:
            outcomes.append(number)

    threads = [threading.Thread(target=write, args=(number,)) for number in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    (winner,) = [one for one in outcomes if one != "conflict"]
    assert len(outcomes) == 6
    assert contacts.memory("ada", agent_id="support").facts == {"who": winner}


def test_facts_live_as_long_as_was_asked(contacts, clock):
    contacts.patch_facts("ada", {"tea": "rye"}, agent_id="support", ttl_days=2)
    contacts.patch_facts("ada", {"city": "Oslo"}, agent_id="support")
    clock.move(days=2)
    assert contacts.memory("ada", agent_id="support").facts == {"city": "Oslo"}


@pytest.mark.parametrize("ttl_days", [0, -1, 1.5, True, "5", 36_501])
def test_a_life_is_a_number_of_days(contacts, ttl_days):
    with pytest.raises(InvalidInputError, match="ttl_days"):
        contacts.patch_facts("ada", {"tea": "rye"}, agent_id="support", ttl_days=ttl_days)


@pytest.mark.parametrize("version", [-1, 1.0, True, "1", 2**31])
def test_an_expected_version_is_a_count(contacts, version):
    with pytest.raises(InvalidInputError, match="expected_version"):
        contacts.patch_facts("ada", {"tea": "rye"}, agent_id="support", expected_version=version)


NO_FACTS = [
    None, 5, "zebra", [], [("zebra", 1)], {5: "zebra"}, {"": 1}, {" ": 1}, {"zebra\x00": 1}, {"x" * 256: 1},
    {"a": float("nan")}, {"a": "zebra\ud800"}, {"a": ("zebra",)}, {"a": "x" * 16_383},
]  # fmt: skip


@pytest.mark.parametrize("facts", NO_FACTS, ids=range(len(NO_FACTS)))
def test_facts_that_break_a_rule_are_refused_and_nothing_is_written(contacts, tables, facts):
    before = tables()
    patch = {"fine": 1, **facts} if isinstance(facts, dict) else facts
    for write in (
        lambda: contacts.patch_facts("ada", patch, agent_id="support"),
        lambda: contacts.put_entity("ada", "order", "1", agent_id="support", facts=0 if patch is None else patch),
    ):
        with pytest.raises(InvalidInputError, match=r"^facts: ") as caught:
            write()
        assert "zebra" not in str(caught.value)
    assert tables() == before


def test_the_names_of_the_metrics_are_no_facts(contacts):
    with pytest.raises(InvalidInputError, match=r"^facts: .*REPEAT_CALLER_"):
        contacts.patch_facts("ada", {"REPEAT_CALLER_QA": "resolved"}, agent_id="support")


def test_the_largest_of_everything_fits(contacts):
    contacts.patch_facts("ada", {"k" * 255: "x" * 16_382}, agent_id="support")
    contacts.update_summary("ada", "x" * 20_000, agent_id="support")
    contacts.put_entity(
        "ada",
        "t" * 255,
        "i" * 255,
        agent_id="a" * 255,
        facts={"k": "x" * 16_376},
        status="s" * 8_000,
        notes="n" * 8_000,
    )
    contacts.add_open_item("ada", "d" * 8_000, agent_id="support", type="t" * 255, priority="p" * 255)
    assert len(contacts.memory("ada", agent_id="support").summary) == 20_000


TOO_LARGE = {
    "text": lambda contacts: contacts.update_summary("ada", "x" * 20_001, agent_id="support"),
    "facts": lambda contacts: contacts.put_entity("ada", "a", "b", agent_id="support", facts={"k": "x" * 16_377}),
    "status": lambda contacts: contacts.put_entity("ada", "a", "b", agent_id="support", status="x" * 8_001),
    "notes": lambda contacts: contacts.put_entity("ada", "a", "b", agent_id="support", notes="x" * 8_001),
    "entity_type": lambda contacts: contacts.put_entity("ada", "x" * 256, "b", agent_id="support"),
    "entity_id": lambda contacts: contacts.delete_entity("ada", "a", "x" * 256, agent_id="support"),
    "description": lambda contacts: contacts.add_open_item("ada", "x" * 8_001, agent_id="support"),
    "type": lambda contacts: contacts.add_open_item("ada", "x", agent_id="support", type="x" * 256),
    "priority": lambda contacts: contacts.add_open_item("ada", "x", agent_id="support", priority="x" * 256),
}


@pytest.mark.parametrize("field", TOO_LARGE)
def test_one_more_than_the_largest_is_refused_by_its_name(contacts, tables, field):
    before = tables()
    with pytest.raises(InvalidInputError, match=f"^{field}: "):
        TOO_LARGE[field](contacts)
    assert tables() == before


BAD = {
    "text": ["", " ", "x\x00", "\ud800", 5, b"x"],
    "status": ["", " ", "x\x00", 5, b"x"],
    "notes": ["", " ", "\ud800", 5],
    "discussed_at": ["", "zebra", "2026-01-01", datetime(2026, 1, 1), 5],  # noqa: DTZ001 - the fault under test
    "related_to": ["zebra", 5, {}, {"entity_type": "order"}, {"entity_type": "a", "entity_id": "b", "zebra": 1}],
    "description": ["", " ", "x\x00", None, 5],
    "type": ["", None, 5, "x\x00"],
    "priority": ["", None, 5, "\ud800"],
    "idempotency_key": ["", " ", 5, "x" * 256],
}


WAYS = dict.fromkeys(BAD, lambda contacts, given: contacts.add_open_item("ada", **{"description": "x", **given}))
WAYS["text"] = lambda contacts, given: contacts.update_summary("ada", **given)
for name in ("status", "notes", "discussed_at"):
    WAYS[name] = lambda contacts, given: contacts.put_entity("ada", "order", "1", **given)


@pytest.mark.parametrize(
    ("field", "value"), [(field, value) for field, values in BAD.items() for value in values], ids=str
)
def test_a_part_that_breaks_a_rule_is_refused_by_its_name(contacts, tables, field, value):
    before = tables()
    given = {"agent_id": "support", field: value}
    with pytest.raises(InvalidInputError, match=field) as caught:
        WAYS[field](contacts, given)
    assert "zebra" not in str(caught.value)
    assert tables() == before


def test_an_entity_was_discussed_when_something_is_said_of_it_or_when_it_is_said(contacts, clock):
    def put(**given):
        return contacts.put_entity("ada", "order", "1", agent_id="support", **given).entities[0].last_discussed_at

    moment = clock()
    assert put() is None
    assert put(status="new") == moment
    clock.move(hours=1)
    assert put() == moment
    assert put(notes=None, discussed_at=moment + timedelta(minutes=5)) == moment + timedelta(minutes=5)
    assert put(facts={"a": 1}) == clock()


def test_deleting_an_entity_again_is_harmless(contacts):
    contacts.put_entity("ada", "order", "1", agent_id="support")
    for _ in range(2):
        assert contacts.delete_entity("ada", "order", "1", agent_id="support") is None
    assert contacts.memory("ada", agent_id="support").entities == ()
    assert contacts.memory("ada", agent_id="support").version == 2


def test_an_open_item_is_added_once_for_one_key(contacts, clock):
    def add(description="Call back", key="k", **given):
        return contacts.add_open_item("ada", description, agent_id="support", idempotency_key=key, **given)

    first = add()
    clock.move(hours=1)
    assert add() == first
    assert add(key=None) != add(key=None)
    with pytest.raises(ConflictError, match="idempotency_key"):
        add("Something else")
    with pytest.raises(ConflictError, match="idempotency_key"):
        add(priority="high")
    assert contacts.memory("ada", agent_id="support").version == 3
    resolved = contacts.resolve_open_item("ada", first.id, agent_id="support")
    assert resolved.resolved_at == clock()
    assert add() == resolved
    contacts.reset("ada", agent_id="support")
    assert add() != first


def test_what_an_idempotency_key_wrote_is_not_shown_when_it_is_over(mem, contacts, clock):
    mem.agents.configure("support", memory_retention_days=1)
    contacts.add_open_item("ada", "Call back", agent_id="support", idempotency_key="k")
    clock.move(days=1)
    with pytest.raises(NotFoundError, match="idempotency_key"):
        contacts.add_open_item("ada", "Call back", agent_id="support", idempotency_key="k")


def test_an_open_item_may_be_about_an_entity(contacts):
    for related in (EntityRef("order", "1"), {"entity_type": "order", "entity_id": "1"}):
        item = contacts.add_open_item("ada", "Call back", agent_id="support", related_to=related)
        assert isinstance(item, OpenItem)
        assert (item.type, item.priority, item.source) == ("follow_up", "normal", "operator")
        assert item.related_to == EntityRef("order", "1")
        assert item.to_json()["related_to"] == {"entity_type": "order", "entity_id": "1"}
    with pytest.raises(InvalidInputError, match="entity_id"):
        contacts.add_open_item("ada", "x", agent_id="support", related_to=EntityRef("order", ""))


def test_reset_erases_one_agents_memory_of_one_contact(contacts):
    for agent in ("support", "sales"):
        contacts.patch_facts("ada", {"tea": "rye"}, agent_id=agent)
    assert contacts.reset("ada", agent_id="support") is None
    assert contacts.memory("ada", agent_id="support").version == 0
    assert contacts.memory("ada", agent_id="sales").facts == {"tea": "rye"}
    contacts.reset("ada", agent_id="support")


def test_memory_has_as_many_messages_as_the_agent_is_configured_to_see(mem, contacts):
    mem.agents.configure("support", memory_enabled=True, recent_messages=2)
    with mem.conversations.start("support", user_id="ada") as conversation:
        for text in ("one", "two", "three"):
            conversation.add_message("user", text)
    recent = contacts.memory("ada", agent_id="support").recent_messages
    assert [one.content for one in recent] == ["two", "three"]


def test_who_wrote_what_is_in_the_feed(mem, contacts):
    contacts.patch_facts("ada", {"tea": "rye"}, agent_id="support")
    entry = mem.changes("ada")[-1]
    assert (entry.actor, entry.kind, entry.action, entry.ref, entry.after) == (
        "operator",
        "fact",
        "added",
        "tea",
        "rye",
    )
    assert (entry.agent_id, entry.conversation_id) == ("support", None)
    assert contacts.memory("ada", agent_id="support").fact_records[0].source == "operator"


def calls(contacts, contact_id, agent_id="support"):
    """Every call that takes a contact."""
    of = {"agent_id": agent_id}
    return [
        lambda: contacts.memory(contact_id, **of),
        lambda: contacts.patch_facts(contact_id, {"tea": "oat"}, **of),
        lambda: contacts.update_summary(contact_id, "x", **of),
        lambda: contacts.put_entity(contact_id, "order", "1", **of),
        lambda: contacts.delete_entity(contact_id, "order", "1", **of),
        lambda: contacts.add_open_item(contact_id, "x", **of),
        lambda: contacts.resolve_open_item(contact_id, "x", **of),
        lambda: contacts.reset(contact_id, **of),
        lambda: contacts.get(contact_id),
        lambda: contacts.link(contact_id, email="x@x.com"),
        lambda: contacts.merge(contact_id, into="bob"),
        lambda: contacts.merge("bob", into=contact_id),
        lambda: contacts.list(after=contact_id),
    ]


@pytest.mark.parametrize("contact_id", ["elsewhere", "nobody", *HOSTILE])
def test_a_foreign_contact_and_a_missing_one_are_told_apart_by_nobody(mem, contacts, tables, contact_id):
    contacts.create(id="bob")
    foreign = mem.tenant("other").contacts
    foreign.create(id="elsewhere", phone=PHONE)
    foreign.patch_facts("elsewhere", {"canary": "canary"}, agent_id="support")
    before = tables()
    for call in calls(contacts, contact_id):
        with pytest.raises(NotFoundError) as caught:
            call()
        assert "there is no such contact" in str(caught.value)
        assert contact_id not in str(caught.value) or len(contact_id) == 1
    assert tables() == before


@pytest.mark.parametrize("wrong", NO_IDS, ids=repr)
def test_an_id_that_is_none_is_refused_by_its_name(contacts, tables, wrong):
    contacts.create(id="bob")
    before = tables()
    for call in calls(contacts, wrong)[: -1 if wrong is None else None]:  # None asks for the first page
        with pytest.raises(InvalidInputError, match=r"^(contact_id|into|after): "):
            call()
    for call in calls(contacts, "ada", agent_id=wrong)[:8]:
        with pytest.raises(InvalidInputError, match=r"^agent_id: "):
            call()
    for call in (
        lambda: contacts.create(id=wrong or ""),
        lambda: contacts.resolve_open_item("ada", wrong, agent_id="support"),
        lambda: contacts.put_entity("ada", wrong, "1", agent_id="support"),
        lambda: contacts.delete_entity("ada", "order", wrong, agent_id="support"),
    ):
        with pytest.raises(InvalidInputError, match=r"^(id|item_id|entity_type|entity_id): "):
            call()
    assert tables() == before


@pytest.mark.parametrize("given", HOSTILE)
def test_an_id_is_opaque_text(mem, given):
    ids = [given, "ada"]
    for tenant in ids:
        contacts = mem.tenant(tenant).contacts
        for user in ids:
            contacts.create(id=user, external_id=f"for {user}"[:255])
            for agent in ids:
                said = repr((tenant, user, agent))
                contacts.patch_facts(user, {given: said}, agent_id=agent)
                contacts.put_entity(user, given, given, agent_id=agent, notes=said)
                contacts.add_open_item(user, said, agent_id=agent, idempotency_key=given)
    for tenant in ids:
        contacts = mem.tenant(tenant).contacts
        for user in ids:
            assert contacts.find(external_id=f"for {user}"[:255]).id == user
            for agent in ids:
                memory = contacts.memory(user, agent_id=agent)
                said = repr((tenant, user, agent))
                assert memory.facts == {given: said}
                assert (
                    [one.notes for one in memory.entities] == [one.description for one in memory.open_items] == [said]
                )


def test_seed_004_the_worked_example_can_be_written_directly(open_mem, clock):
    clock.now = datetime(2025, 7, 22, 10, 30, tzinfo=UTC)
    contacts = open_mem(default_region="US").contacts
    sarah = contacts.create(phone="(415) 555-0192", name="Sarah Chen")
    own = {"agent_id": "support"}
    contacts.patch_facts(sarah.id, {"name": "Sarah Chen", "phone": "+14155550192"}, **own)
    contacts.update_summary(sarah.id, "Customer called about order #8821 which was delayed.", **own)
    order = (sarah.id, "order", "order-8821")
    contacts.put_entity(
        *order, facts={"status": "delayed", "carrier": "UPS"}, status="delayed", notes="Promised", **own
    )
    related = {"entity_type": "order", "entity_id": "order-8821"}
    item = contacts.add_open_item(sarah.id, "Follow up", priority="high", related_to=related, **own)
    assert contacts.memory(sarah.id, **own).to_json() == {
        "facts": {"name": "Sarah Chen", "phone": "+14155550192"},
        "summary": "Customer called about order #8821 which was delayed.",
        "entities": [
            {
                "entity_type": "order",
                "entity_id": "order-8821",
                "facts": {"status": "delayed", "carrier": "UPS"},
                "status": "delayed",
                "last_discussed_at": "2025-07-22T10:30:00.000Z",
                "notes": "Promised",
            }
        ],
        "open_items": [
            {
                "type": "follow_up",
                "description": "Follow up",
                "created_at": "2025-07-22T10:30:00.000Z",
                "priority": "high",
                "related_to": related,
            }
        ],
    }
    clock.now = datetime(2025, 7, 23, 9, 15, tzinfo=UTC)
    contacts.patch_facts(sarah.id, {"preferred_contact": "sms"}, **own)
    contacts.update_summary(sarah.id, "Order #8821 shipped.", **own)
    contacts.put_entity(*order, facts={"status": "in_transit"}, status="in_transit", notes=None, **own)
    contacts.resolve_open_item(sarah.id, item.id, **own)
    assert contacts.memory(sarah.id, **own).to_json() == {
        "facts": {"name": "Sarah Chen", "phone": "+14155550192", "preferred_contact": "sms"},
        "summary": "Order #8821 shipped.",
        "entities": [
            {
                "entity_type": "order",
                "entity_id": "order-8821",
                "facts": {"status": "in_transit", "carrier": "UPS"},
                "status": "in_transit",
                "last_discussed_at": "2025-07-23T09:15:00.000Z",
                "notes": None,
            }
        ],
        "open_items": [],
    }


async def test_the_twins_do_the_same(home, sql):
    async with await agentmem.aopen(home, embeddings=HashingEmbeddings(), **sql.options(home)) as mem:
        contacts = mem.contacts
        ada = await contacts.acreate(id="ada", phone=PHONE)
        assert await contacts.aget("ada") == await contacts.afind(phone=PHONE) == ada
        assert await contacts.alist() == [ada]
        assert (await contacts.alink("ada", email="ada@x.com")).email == "ada@x.com"
        assert (await contacts.apatch_facts("ada", {"tea": "rye"}, agent_id="support")).version == 1
        assert (await contacts.aupdate_summary("ada", "Likes tea.", agent_id="support")).version == 2
        assert (await contacts.aput_entity("ada", "order", "1", agent_id="support")).version == 3
        await contacts.adelete_entity("ada", "order", "1", agent_id="support")
        item = await contacts.aadd_open_item("ada", "Call back", agent_id="support")
        assert (await contacts.aresolve_open_item("ada", item.id, agent_id="support")).resolved_at is not None
        assert (await contacts.amemory("ada", agent_id="support")).version == 6
        await contacts.areset("ada", agent_id="support")
        await contacts.acreate(id="bob")
        assert (await contacts.amerge("ada", into="bob")).id == "bob"
