"""Looking back at a conversation: what its agent had, without what is over or was deleted since, and what it wrote."""

from __future__ import annotations

import pytest

from agentmem import Line

PHONE = "+14155550192"


@pytest.fixture
def support(mem):
    mem.agents.configure("support", memory_enabled=True, state_keys=["cheese_type"], recent_messages=2)
    mem.contacts.create(id="ada")
    mem.contacts.patch_facts("ada", {"plan": "Premium"}, agent_id="support")
    mem.contacts.update_summary("ada", "Asked about an order", agent_id="support")
    mem.contacts.put_entity("ada", "order", "8821", agent_id="support", facts={"carrier": "UPS"}, status="delayed")
    mem.contacts.add_open_item(
        "ada", "Call back", agent_id="support", related_to={"entity_type": "order", "entity_id": "8821"}
    )
    with mem.conversations.start("support", user_id="ada", channel="sms") as conv:
        for content in ("one", "two", "three"):
            conv.add_message("user", content)
    return mem


def test_the_context_is_the_memory_as_it_was_read_at_the_start(support):
    before = support.contacts.memory("ada", agent_id="support")
    conv = support.conversations.start("support", user_id="ada")
    support.contacts.patch_facts("ada", {"plan": "Basic", "new": 1}, agent_id="support")
    support.contacts.update_summary("ada", None, agent_id="support")
    support.contacts.delete_entity("ada", "order", "8821", agent_id="support")
    (item,) = before.open_items
    support.contacts.resolve_open_item("ada", item.id, agent_id="support")
    conv.add_message("user", "Hello")
    conv.end()
    context = support.conversations.get(conv.id).context
    assert context.memory == before
    assert [message.content for message in context.memory.recent_messages] == ["two", "three"]
    assert context.to_json()["entities"][0]["status"] == "delayed"
    assert context.memories == ()


def test_a_first_conversation_has_an_empty_context(support):
    record = support.conversations.start("support", user_id="bob").end()
    assert record.context.memory.facts == {}
    assert (record.context.memory.contact_id, record.context.memory.version) == ("bob", 0)
    assert support.conversations.start("support").end().context.memory.contact_id == ""


def test_what_is_over_is_left_out_of_the_context(support, clock):
    support.agents.configure("support", memory_retention_days=0)
    support.contacts.patch_facts("ada", {"code": 7}, agent_id="support", ttl_days=1)
    conv = support.conversations.start("support", user_id="ada")
    conv.end()
    assert set(support.conversations.get(conv.id).context.memory.facts) == {"plan", "code"}
    clock.move(days=1)
    memory = support.conversations.get(conv.id).context.memory
    assert (memory.facts, [one.key for one in memory.fact_records]) == ({"plan": "Premium"}, ["plan"])
    clock.move(days=89)
    memory = support.conversations.get(conv.id).context.memory
    assert (memory.facts, memory.summary, len(memory.entities)) == ({}, "Asked about an order", 1)


def test_a_shorter_retention_counts_for_a_context_that_is_there(support, clock):
    clock.move(days=10)
    conv = support.conversations.start("support", user_id="ada")
    conv.end()
    clock.move(days=1)
    assert support.conversations.get(conv.id).context.memory.summary
    support.agents.configure("support", memory_retention_days=11)
    memory = support.conversations.get(conv.id).context.memory
    assert (memory.facts, memory.summary, memory.entities, memory.open_items, memory.recent_messages) == (
        {}, None, (), (), (),
    )  # fmt: skip


def test_lines_that_a_prompt_was_given_are_in_the_context_until_they_are_deleted(support):
    memory = support.client("ada").memory
    tea, rye = memory.remember(["Caller likes tea", "Caller likes rye"], agent_id="support")
    memory.remember("Caller is ours", agent_id=None)
    conv = support.conversations.start("support", user_id="ada")
    conv.render_prompt("{{memory}}", query="tea")
    conv.render_prompt("{{memory}}")
    record = conv.end()
    assert sorted(record.context.memories) == ["Caller likes rye", "Caller likes tea"]
    memory.forget_line(tea.id)
    assert support.conversations.get(conv.id).context.memories == ("Caller likes rye",)
    memory.forget_line(rye.id)
    assert support.conversations.get(conv.id).context.memories == ()


def test_messages_that_outlived_the_retention_are_left_out_though_their_conversation_has_not(support, clock):
    conv = support.conversations.start("support", user_id="ada")
    conv.add_message("user", "early")
    clock.move(days=50)
    conv.add_message("user", "late")
    conv.end()
    clock.move(days=50)
    assert [message.content for message in support.conversations.get(conv.id).messages] == ["late"]


def test_changes_are_those_of_the_conversation_in_order(support):
    conv = support.conversations.start("support", user_id="ada")
    conv.state["cheese_type"] = "brie"
    support.contacts.patch_facts("ada", {"plan": "Basic"}, agent_id="support")
    record = conv.end()
    said = [(one.kind, one.action, one.ref, one.before, one.after, one.actor) for one in record.changes]
    assert said == [("fact", "added", "cheese_type", None, "brie", "assistant")]
    with support.conversations.start("support", user_id="ada") as conv:
        conv.state["cheese_type"] = None
    (change,) = support.conversations.get(conv.id).changes
    assert (change.action, change.before, change.after) == ("removed", "brie", None)
    assert change in support.changes("ada")


def test_memories_are_listed_the_newest_first_and_are_one_agents(support, clock):
    for number, user in enumerate(["ada", "bob", "ada"]):
        clock.move(days=1)
        said = Line(f"Fact {number}", confidence=0.2 + number / 10)
        support.client(user).memory.remember(said, agent_id="support", source="extractor")
    support.client("ada").memory.remember("Other", agent_id="booking")
    support.client("ada").memory.remember("Shared")
    support.tenant("acme").client("ada").memory.remember("Theirs", agent_id="support")
    found = support.agents.list_memories(id="support").memories
    assert [(one.caller_identity, one.fact, round(one.confidence, 1), one.source) for one in found] == [
        ("ada", "Fact 2", 0.4, "extractor"),
        ("bob", "Fact 1", 0.3, "extractor"),
        ("ada", "Fact 0", 0.2, "extractor"),
    ]
    clock.move(days=88)
    assert [one.fact for one in support.agents.list_memories("support").memories] == ["Fact 2", "Fact 1"]
    support.client("ada").memory.forget_line(found[0].id)
    assert [one.fact for one in support.agents.list_memories("support").memories] == ["Fact 1"]
    assert support.agents.list_memories("nobody").memories == ()


def test_at_most_500_memories_are_listed(support):
    memory = support.client("ada").memory
    memory.remember([f"Fact {number}" for number in range(501)], agent_id="support")
    assert len(support.agents.list_memories("support").memories) == 500


def test_the_memories_of_one_caller_are_deleted_and_no_others(support):
    for user in ("ada", "bob"):
        support.client(user).memory.remember("Caller likes tea", agent_id="support")
    support.client("ada").memory.remember("Caller likes tea", agent_id="booking")
    support.agents.delete_memories_by_caller(id="support", agent_id="support", caller_identity="ada")
    assert [one.caller_identity for one in support.agents.list_memories("support").memories] == ["bob"]
    assert len(support.agents.list_memories("booking").memories) == 1
    memory = support.contacts.memory("ada", agent_id="support")
    assert (memory.facts, memory.summary, memory.entities, memory.recent_messages) == ({}, None, (), ())
    support.agents.delete_memories_by_caller(id="support", caller_identity="ada")
    support.agents.delete_memories_by_caller(id="support", caller_identity="nobody")
