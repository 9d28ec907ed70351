"""Every field of a MemoryPolicy does what it says, in both integrations, sync and async."""

from __future__ import annotations

import asyncio
import sqlite3
import threading
from contextlib import closing

import pytest
from langchain_core.messages.utils import count_tokens_approximately
from langgraph.checkpoint.memory import InMemorySaver
from pydantic import ValidationError

import agentmem
from agentmem import AgentMemError, BackendError, InvalidInputError, MemoryPolicy, RunOptions
from agentmem.agents.graphs import recording
from agentmem.testing import HashingEmbeddings, seen_memory

from .conftest import ada, auto, calling, said, scripted, thread, with_middleware


def run_agent(client, **options):
    return client.agents.run("waiter", "hi", **options)


def arun_agent(client, **options):
    return asyncio.run(client.agents.arun("waiter", "hi", **options))


def ask(way, mem, context, *, text="When does Acme renew?", model=None):
    model = model or scripted("ok")
    with recording() as record:
        output = way.run(way.build(mem, model), said(text), context=context)
    return [seen_memory(prompt) for prompt in model.prompts], record, output


def test_core_blocks_are_in_the_prompt_by_default_the_users_first(way, mem, memory):
    memory.append("persona", "Cheerful")
    memory.append("core", "- Likes tea")
    memory.append("core", "- Drafts e-mails", agent_id="agent_emails")
    memory.remember("Acme renews in March")

    (seen,), _, _ = ask(way, mem, ada("agent_emails"))

    assert [(block.scope, block.name, block.content) for block in seen.blocks] == [
        ("user", "core", "- Likes tea"),
        ("user", "persona", "Cheerful"),
        ("agent", "core", "- Drafts e-mails"),
    ]


@pytest.mark.parametrize(("user", "agent"), [(True, False), (False, True), (False, False)])
def test_each_scope_of_core_memory_can_be_left_out(either_way, mem, memory, user, agent):
    memory.append("core", "mine")
    memory.append("core", "ours", agent_id="agent_emails")

    (seen,), _, _ = ask(either_way, mem, ada("agent_emails", include_user_core=user, include_agent_core=agent))

    assert [block.content for block in seen.blocks] == ["mine"] * user + ["ours"] * agent


def test_another_agents_and_another_users_memory_stay_out(way, mem, memory):
    memory.append("core", "for another agent", agent_id="agent_records")
    memory.remember("Acme renews in May", agent_id="agent_records")
    mem.client(user_id="bob").memory.append("core", "bob's")
    mem.client(user_id="bob").memory.remember("Acme renews in June")
    mem.tenant("acme").client(user_id="ada").memory.remember("Acme renews in July")

    (seen,), record, _ = ask(way, mem, auto("agent_emails", archival_min_score=0))

    assert seen.blocks == ()
    assert record.matches == ()


def test_tool_only_keeps_archival_memory_out_of_the_prompt(way, mem, memory):
    memory.remember("Acme renews in March")

    (seen,), record, _ = ask(way, mem, ada())

    assert seen.memories == ()
    assert record.matches == ()


def test_auto_injects_what_matches_the_turn(way, mem, memory):
    memory.remember(["Acme renews in March", "The dog is called Tom"])
    memory.remember("Acme renews by card", agent_id="agent_records")

    (seen,), record, _ = ask(way, mem, auto("agent_records"))

    assert {one.content for one in seen.memories} == {"Acme renews in March", "Acme renews by card"}
    assert [one.content for one in record.matches] == [one.content for one in seen.memories]
    assert not record.degraded


def test_auto_injects_nothing_when_nothing_reaches_the_floor(way, mem, memory):
    memory.remember("The dog is called Tom")

    (seen,), record, _ = ask(way, mem, auto())

    assert (seen.memories, seen.unavailable, record.matches) == ((), (), ())


def test_archival_limit_bounds_what_is_injected(way, mem, memory):
    memory.remember([f"Acme renews note {number}" for number in range(10)])

    (seen,), record, _ = ask(way, mem, auto(archival_limit=3))

    assert len(seen.memories) == len(record.matches) == 3


def test_the_floor_is_the_policys_for_auto_and_for_the_tool(way, mem, memory):
    memory.remember("Acme renews in March")
    recall = calling("recall", query="When does Acme renew?")

    low, _, _ = ask(way, mem, auto(archival_min_score=0.05), model=scripted(recall, "ok"))
    high, _, _ = ask(way, mem, auto(archival_min_score=0.99), model=scripted(recall, "ok"))

    assert [len(seen.memories) for seen in low] == [1, 1]
    assert len(low[-1].answers) == 1
    assert [len(seen.memories) for seen in high] == [0, 0]
    assert len(high[-1].answers) == 0


@pytest.mark.parametrize("budget", [1, 60, 80, 120, 400])
def test_the_token_budget_bounds_the_whole_reminder(either_way, mem, memory, budget):
    memory.remember([f"Acme renews {'very ' * number}soon" for number in range(8)])
    model = scripted("ok")

    (seen,), record, _ = ask(either_way, mem, auto(archival_token_budget=budget, archival_limit=8), model=model)

    reminders = [message for message in model.prompts[0] if "lc_source" in message.additional_kwargs]
    assert count_tokens_approximately(reminders) <= budget
    assert [one.content for one in record.matches] == [one.content for one in seen.memories]
    assert bool(reminders) == bool(seen.memories)
    assert (len(seen.memories) > 0) == (budget > 60)


def test_a_recall_that_misses_the_timeout_leaves_a_note_and_the_run_goes_on(way, mem, memory, embeddings):
    memory.remember("Acme renews in March")
    memory.append("core", "- Likes tea")
    released = threading.Event()
    embeddings.hold = released.wait

    (seen,), record, output = ask(way, mem, auto(timeout=0.05))
    released.set()

    assert seen.unavailable == ("system_reminders",)
    assert [block.content for block in seen.blocks] == ["- Likes tea"]
    assert record.degraded
    assert record.matches == ()
    assert output["messages"][-1].text == "ok"


def test_a_recall_that_misses_the_timeout_ends_a_closed_run(way, mem, memory, embeddings):
    memory.remember("Acme renews in March")
    released = threading.Event()
    embeddings.hold = released.wait

    with pytest.raises(BackendError, match="timeout"):
        ask(way, mem, auto(timeout=0.05, on_failure="closed"))
    released.set()


def test_the_tool_keeps_to_the_timeout_too(way, mem, memory, embeddings):
    memory.remember("Acme renews in March")
    released = threading.Event()
    embeddings.hold = released.wait

    _, record, output = ask(way, mem, ada(timeout=0.05), model=scripted(calling("recall", query="Acme"), "ok"))
    released.set()

    assert output["messages"][-2].text.startswith("Memory is unavailable right now")
    assert record.degraded


def test_failing_memory_is_told_apart_from_no_match(way, mem, memory, embeddings):
    memory.remember("Acme renews in March")
    embeddings.error = OSError("down")

    (seen,), record, _ = ask(way, mem, auto())

    assert seen.unavailable == ("system_reminders",)
    assert record.degraded


def test_failing_memory_ends_a_closed_run(way, mem, memory, embeddings):
    memory.remember("Acme renews in March")
    embeddings.error = OSError("down")

    with pytest.raises(BackendError):
        ask(way, mem, auto(on_failure="closed"))
    with pytest.raises(BackendError):
        ask(way, mem, ada(on_failure="closed"), model=scripted(calling("recall", query="Acme")))


def test_a_store_of_another_embedder_counts_as_failing_memory(way, mem, memory, home):
    memory.remember("Acme renews in March")

    with agentmem.open(home, embeddings=HashingEmbeddings(128)) as other:
        (seen,), record, _ = ask(way, other, auto())
        with pytest.raises(BackendError, match="reindex"):
            ask(way, other, auto(on_failure="closed"))

    assert seen.unavailable == ("system_reminders",)
    assert record.degraded


@pytest.mark.parametrize("policy", [ada(), auto(), auto(include_user_core=False)], ids=["core", "auto", "auto only"])
def test_a_closed_store_is_no_failing_memory(either_way, mem, memory, policy):
    memory.remember("Acme renews in March")
    mem.close()

    with pytest.raises(InvalidInputError, match="store: it is closed"):
        ask(either_way, mem, policy)


def test_core_memory_that_cannot_be_read_follows_on_failure(way, mem, memory, break_blocks):
    memory.append("core", "- Likes tea")
    break_blocks()

    (seen,), record, _ = ask(way, mem, ada())
    assert seen.unavailable == ("core_memory",)
    assert record.degraded

    with pytest.raises(BackendError):
        ask(way, mem, ada(on_failure="closed"))


def test_a_bad_policy_is_refused_before_anything_runs(way, mem):
    model = scripted("never")
    with pytest.raises(ValidationError):
        way.run(way.build(mem, model), said("hi"), context=ada(archival_limit=0))
    assert model.prompts == []


# What a tool said


def test_what_a_tool_said_is_in_no_reminder_and_takes_no_place_there(way, mem, memory):
    memory.remember([f"Acme renews in March {number}" for number in range(60)], source="tool")
    memory.remember("Acme renews in March 99", source="tool", agent_id="agent_emails")
    memory.remember("Acme is a customer")

    (seen,), record, _ = ask(way, mem, auto("agent_emails", archival_limit=1, archival_min_score=0))

    assert [one.content for one in seen.memories] == ["Acme is a customer"]
    assert [match.content for match in record.matches] == ["Acme is a customer"]


def test_the_recall_tool_shows_what_a_tool_said_with_its_source(way, mem, memory):
    memory.remember("Acme renews in March", source="tool")
    memory.remember("Acme renews in May", source="user")
    model = scripted(calling("recall", query="When does Acme renew?"), "ok")

    (_, seen), _, _ = ask(way, mem, ada(), model=model)

    assert {one.content: one.source for one in seen.answers} == {
        "Acme renews in March": "tool",
        "Acme renews in May": "user",
    }


# Whose a thread is, when that cannot be read


@pytest.fixture
def break_threads(home, mem):
    """Takes the table of threads away, as damage would."""

    def damage():
        with closing(sqlite3.connect(home / "agentmem.db")) as connection, connection:
            connection.execute("ALTER TABLE agentmem_thread RENAME TO gone")

    return damage


def test_a_new_thread_and_ones_own_go_on_without_memory_knowing_whose_they_are(way, mem, break_threads):
    graph = way.build(mem, scripted("one", "two", "three"), checkpointer=InMemorySaver())
    way.run(graph, said("hi"), thread(), ada())
    break_threads()
    with recording() as record:
        way.run(graph, said("hi again"), thread(), ada())
        way.run(graph, said("hi"), thread("new"), ada())
    assert record.degraded


@pytest.mark.parametrize("policy", [{}, {"on_failure": "closed"}])
def test_a_thread_is_never_another_users_because_memory_is_out_of_reach(way, mem, break_threads, policy):
    graph = way.build(mem, model := scripted("one", "never"), checkpointer=InMemorySaver())
    way.run(graph, said("hi"), thread(), ada())
    break_threads()
    with pytest.raises(AgentMemError):
        way.run(graph, said("What was said?"), thread(), {"user_id": "bob", "memory_policy": policy})
    assert len(model.prompts) == 1


@pytest.mark.parametrize("ask_agent", [run_agent, arun_agent])
def test_a_registered_agent_goes_on_in_its_users_thread_alone_when_memory_is_out_of_reach(
    mem, break_threads, ask_agent
):
    graph = with_middleware(mem, model := scripted("one", "two", "three", "never"), checkpointer=InMemorySaver())
    mem.agents.register("waiter", graph)
    ask_agent(mem.client("ada"), thread_id="t")
    break_threads()

    assert ask_agent(mem.client("ada"), thread_id="t").degraded
    assert ask_agent(mem.client("bob"), thread_id="new").degraded
    with pytest.raises(AgentMemError):
        ask_agent(mem.client("bob"), thread_id="t")
    closed = RunOptions(memory_policy=MemoryPolicy(on_failure="closed"))
    with pytest.raises(BackendError):
        ask_agent(mem.client("ada"), thread_id="t", options=closed)
    assert len(model.prompts) == 3
