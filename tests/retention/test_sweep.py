"""The job deletes what is hidden already, of every kind, and what nobody is known by any more."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from agentmem import InvalidInputError, NotFoundError


@pytest.fixture
def support(mem):
    mem.agents.configure("support", memory_enabled=True, memory_retention_days=30, state_keys={"booking": 10})
    return "support"


def talk(mem, **identity):
    with mem.conversations.start("support", **identity) as conv:
        conv.add_message("user", "zebra message")
        conv.state["booking"] = "zebra state"
    return conv


def count(tables, name):
    return len(tables()[f"agentmem_{name}"])


def test_swept_rows_are_off_the_disk(mem, support, clock, tables):
    talk(mem, user_id="ada", phone="+14155550192")
    mem.contacts.put_entity("ada", "order", "zebra", agent_id="support", notes="zebra notes")
    mem.contacts.add_open_item("ada", "zebra item", agent_id="support", idempotency_key="zebra")
    done = mem.contacts.add_open_item("ada", "zebra done", agent_id="support")
    mem.contacts.resolve_open_item("ada", done.id, agent_id="support")
    mem.contacts.update_summary("ada", "zebra summary", agent_id="support")
    mem.client("ada").memory.remember("zebra line", agent_id="support")
    clock.move(days=30)
    report = mem.sweep()
    assert report.deleted == {
        "facts": 1,
        "entities": 1,
        "open_items": 2,
        "messages": 1,
        "summaries": 1,
        "contact_memories": 1,
        "conversations": 1,
        "changes": 7,
        "lines": 1,
        "identifiers": 1,
        "contacts": 1,
        "idempotency_keys": 1,
    }
    assert "zebra" not in repr(tables())
    assert mem.sweep().deleted == {}


def test_what_is_not_over_stays(mem, support, clock, tables):
    conv = talk(mem, user_id="ada", phone="+14155550192")
    mem.contacts.put_entity("ada", "order", "1", agent_id="support", notes="notes")
    mem.client("ada").memory.remember("line", agent_id="support")
    clock.move(days=9)
    before = tables()
    assert mem.sweep().deleted == {}
    assert tables() == before
    clock.move(days=20, hours=23)
    assert mem.sweep().deleted == {"facts": 1, "change_texts": 1}
    assert mem.conversations.get(conv.id).messages[0].content == "zebra message"
    assert mem.contacts.memory("ada", agent_id="support").entities[0].notes == "notes"


def test_blocks_and_what_all_agents_share_have_no_end(mem, support, clock):
    memory = mem.client("ada").memory
    memory.append("core", "tea", agent_id="support")
    memory.append("core", "rye")
    memory.remember("milk")
    clock.move(days=4_000)
    assert set(mem.sweep().deleted) == {"changes"}
    assert [block.content for block in memory.list(scope="all")] == ["milk", "rye", "tea"]


def test_an_agent_without_a_retention_keeps_everything_but_facts(mem, clock):
    mem.agents.configure("support", memory_enabled=True, memory_retention_days=0)
    conv = talk(mem, user_id="ada")
    mem.contacts.patch_facts("ada", {"tea": "rye"}, agent_id="support")
    mem.client("ada").memory.remember("milk", agent_id="support")
    mem.client("ada").memory.remember("oats", agent_id="never configured")
    clock.move(days=4_000)
    assert mem.sweep().deleted == {"facts": 1, "change_texts": 1}
    assert mem.conversations.get(conv.id).messages
    assert mem.client("ada").memory.recall("milk", agent_id="support")


def test_a_conversation_left_open_is_ended_and_then_deleted_in_its_time(mem, support, clock):
    conv = mem.conversations.start("support", user_id="ada", thread_id="t")
    conv.add_message("user", "hello")
    left = clock.now
    clock.move(minutes=59)
    assert mem.sweep().ended == 0
    clock.move(minutes=1)
    assert mem.sweep().ended == 1
    assert mem.conversations.get(conv.id).ended_at == left
    clock.now = left + timedelta(days=30)
    assert mem.sweep().deleted["conversations"] == 1


def test_a_fact_with_a_life_of_its_own_leaves_the_contexts_it_was_in(mem, support, clock, tables):
    mem.contacts.create(id="ada")
    mem.contacts.patch_facts("ada", {"pin": "zebra"}, agent_id="support", ttl_days=1)
    mem.contacts.patch_facts("ada", {"tea": "rye"}, agent_id="support")
    conv = mem.conversations.start("support", user_id="ada")
    conv.end()
    mem.contacts.patch_facts("ada", {"pin": None}, agent_id="support")  # so that no row says when it is over
    clock.move(days=1)
    assert mem.sweep().deleted["contexts"] == 1
    assert "zebra" not in repr(tables())
    assert mem.conversations.get(conv.id).context.memory.facts == {"tea": "rye"}
    assert mem.sweep().deleted == {}


def test_a_shorter_life_of_facts_counts_for_what_the_feed_says_of_them(open_mem, clock, tables):
    mem = open_mem()
    mem.agents.configure("support", memory_enabled=True, memory_retention_days=0, state_keys=["booking"])
    conv = talk(mem, user_id="ada")
    clock.move(days=10)
    shorter = open_mem(max_fact_days=10)
    assert shorter.contacts.memory("ada", agent_id="support").facts == {}
    (change,) = shorter.changes("ada")
    assert (change.ref, change.after) == ("booking", None)
    assert shorter.conversations.get(conv.id).changes == (change,)
    assert shorter.sweep().deleted == {"facts": 1, "change_texts": 1}
    assert "zebra state" not in repr(tables())
    assert shorter.sweep().deleted == {}


def test_identifiers_go_with_the_contacts_last_memory(mem, support, clock):
    talk(mem, user_id="ada", phone="+14155550192")
    mem.contacts.link("ada", email="ada@example.org")
    clock.move(days=20)
    talk(mem, user_id="ada", phone="+14155550192")
    clock.move(days=29)
    mem.sweep()
    assert {one.kind for one in mem.contacts.get("ada").identifiers} == {"phone", "email"}
    clock.move(days=1)
    deleted = mem.sweep().deleted
    assert (deleted["identifiers"], deleted["contacts"]) == (2, 1)
    with pytest.raises(NotFoundError):
        mem.contacts.get("ada")
    assert mem.contacts.find(phone="+14155550192") is None


@pytest.mark.parametrize("kept", ["block", "line"])
def test_a_contact_of_whom_something_is_kept_stays(mem, support, clock, kept):
    talk(mem, user_id="ada", phone="+14155550192")
    if kept == "block":
        mem.client("ada").memory.append("core", "tea")
    else:
        mem.client("ada").memory.remember("tea")
    clock.move(days=4_000)
    assert "contacts" not in mem.sweep().deleted
    assert mem.contacts.get("ada").phone == "+14155550192"


def test_a_contact_made_by_hand_stays_though_nobody_ever_called(mem, support, clock):
    talk(mem, phone="+14155550100")
    mem.contacts.create(id="ada", phone="+14155550192")
    clock.move(days=100)
    mem.sweep()
    assert [contact.id for contact in mem.contacts.list()] == ["ada"]
    assert mem.contacts.find(phone="+14155550192").id == "ada"


def test_who_was_merged_goes_with_the_winner(mem, support, clock, tables):
    talk(mem, user_id="bo")
    talk(mem, user_id="ada")
    mem.contacts.merge("bo", into="ada")
    clock.move(days=29)
    mem.sweep()
    assert count(tables, "contact") == 2
    clock.move(days=1)
    mem.sweep()
    assert count(tables, "contact") == 0


def test_idempotency_keys_are_known_for_thirty_days(mem, memory, clock, tables):
    memory.append("core", "tea", idempotency_key="key")
    clock.move(days=29)
    mem.sweep()
    assert memory.append("core", "tea", idempotency_key="key").content == "tea"
    clock.move(days=1)
    assert mem.sweep().deleted == {"idempotency_keys": 1}
    assert memory.append("core", "tea", idempotency_key="key").content == "tea\ntea"


def test_every_tenant_is_swept(mem, clock):
    for tenant_id, days in (("acme", 30), ("other", 60)):
        tenant = mem.tenant(tenant_id)
        tenant.agents.configure("support", memory_enabled=True, memory_retention_days=days)
        talk(tenant, user_id="ada")
    clock.move(days=30)
    mem.sweep()
    assert mem.tenant("acme").conversations.list() == []
    assert len(mem.tenant("other").conversations.list()) == 1
    mem.tenant("acme").sweep(now=clock() + timedelta(days=30))
    assert mem.tenant("other").changes("ada") == []


def test_more_rows_than_a_batch_are_all_deleted(mem, support, clock, tables):
    mem.client("ada").memory.remember([f"line {number}" for number in range(1_201)], agent_id="support")
    clock.move(days=30)
    deleted = mem.sweep().deleted
    assert (deleted["lines"], deleted["changes"], deleted["tombstones"]) == (1_201, 1_201, 1_200)
    assert count(tables, "archival_line") == 1


@pytest.mark.parametrize("year", [1, 9999])
def test_any_time_can_be_given(mem, support, year):
    assert mem.sweep(datetime(year, 1, 1, tzinfo=UTC)).deleted == {}


def test_the_time_can_be_given_and_lie_before_the_clocks(mem, support, clock):
    mem.client("ada").memory.remember("line", agent_id="support")
    now = clock.now
    clock.move(days=100)
    assert mem.sweep(now=now + timedelta(days=29)).deleted == {}
    assert mem.sweep(now=now + timedelta(days=30)).deleted == {"changes": 1, "lines": 1}


@pytest.mark.parametrize("now", [datetime(2026, 1, 1), "yesterday", 5, True])  # noqa: DTZ001 - the fault under test
def test_a_time_that_is_none_is_refused(mem, now):
    with pytest.raises(InvalidInputError, match="now"):
        mem.sweep(now=now)


@pytest.mark.parametrize("scan_below", [0, 10_000])
def test_who_kept_a_scope_in_memory_hears_of_tombstones_that_were_cleared(open_mem, scan_below):
    mem, reader = open_mem(scan_below=scan_below), open_mem(scan_below=scan_below, cache_bytes=2**27)
    memory, other = mem.client("ada").memory, reader.client("ada").memory
    lines = memory.remember([f"tea number {number}" for number in range(6)])
    assert len(other.recall("tea number", min_score=0)) == 5
    for line in lines[:3]:
        memory.forget_line(line.id)
    assert mem.sweep().deleted == {"tombstones": 2}
    memory.remember("tea number 9")
    found = other.recall("tea number", min_score=0, limit=50)
    texts = memory.get("archival").content.splitlines()
    assert sorted(match.content for match in found) == sorted(texts)
    assert [texts[match.line_number - 1] for match in found] == [match.content for match in found]


def test_tombstones_stay_until_the_index_knows_of_them(open_mem, tables, other, home):
    owner = other(scan_below=0)
    mem = open_mem(scan_below=0)
    memory = mem.client("ada").memory
    lines = memory.remember([f"line {number}" for number in range(4)])
    owner.ask("recall", "line 1")  # it owns the index, which has the lines now
    for line in lines[:3]:
        memory.forget_line(line.id)
    assert mem.sweep().deleted == {}
    assert count(tables, "archival_line") == 4
    owner.ask("recall", "line 1")
    assert mem.sweep().deleted == {"tombstones": 2}
    owner.end()
    assert mem.check().problems == ()
