"""Nothing of memory runs on the event loop, and tokens are streamed as they come."""

from __future__ import annotations

import asyncio
import threading

import pytest
from blockbuster import blockbuster_ctx
from langchain_core.messages import AIMessage

from agentmem import MemoryPolicy, RunOptions
from agentmem.agents.graphs import recording
from agentmem.testing import seen_memory

from .conftest import auto, calling, said, scripted


@pytest.fixture(autouse=True)
def _memories(memory):
    memory.append("core", "- Likes tea")
    memory.remember("Acme renews in March")


EVERY_TOOL = [
    calling("recall", query="Acme"),
    calling("core_memory_append", content="- Likes rye"),
    calling("core_memory_replace", old="rye", new="oats"),
    calling("archival_memory_insert", content="Ada likes oats"),
]


async def test_no_memory_step_or_tool_blocks_the_event_loop(build, mem):
    model = scripted(*EVERY_TOOL, "done")
    graph = build(mem, model)

    with blockbuster_ctx(), recording() as record:
        output = await graph.ainvoke(said("When does Acme renew?"), context=auto("agent_records"))

    assert output["messages"][-1].text == "done"
    assert [message.status for message in output["messages"] if message.type == "tool"] == ["success"] * 4
    assert len(seen_memory(model.prompts[0]).memories) == 1
    assert not record.degraded


async def test_a_model_is_awaited_and_not_called_on_the_event_loop(build, mem):
    ran_in = []
    model = scripted(lambda _: str(ran_in.append(threading.get_ident())))
    await build(mem, model).ainvoke(said("hi"), context=auto())
    assert threading.get_ident() not in ran_in


async def test_many_runs_at_once_keep_their_users_apart(build, mem):
    users = [f"user-{number}" for number in range(20)]
    for user in users:
        await mem.client(user_id=user).memory.aappend("core", f"- is {user}")
    model = scripted(lambda messages: seen_memory(messages).blocks[0].content)
    model.repeat_last = True
    graph = build(mem, model)

    outputs = await asyncio.gather(*(graph.ainvoke(said("who am I?"), context={"user_id": user}) for user in users))

    assert [output["messages"][-1].text for output in outputs] == [f"- is {user}" for user in users]


def streamed(parts, node="model"):
    return [part.text for part, about in parts if about["langgraph_node"] == node and part.text]


def test_tokens_are_streamed(build, mem):
    graph = build(mem, scripted(calling("recall", query="Acme"), "in March 2027"))
    parts = graph.stream(said("When does Acme renew?"), context=auto(), stream_mode="messages")
    assert streamed(parts) == ["in", " March", " 2027"]


async def test_tokens_are_streamed_async(build, mem):
    graph = build(mem, scripted(calling("recall", query="Acme"), "in March 2027"))
    parts = [part async for part in graph.astream(said("Acme?"), context=auto(), stream_mode="messages")]
    assert streamed(parts) == ["in", " March", " 2027"]


@pytest.mark.parametrize("mode", ["values", "updates"])
def test_streamed_messages_never_show_the_reminder(build, mem, mode):
    graph = build(mem, scripted("in March"))
    parts = list(graph.stream(said("Acme?"), context=auto(), stream_mode=mode, output_keys=["messages"]))
    assert "system_reminders>" not in str(parts)


@pytest.mark.parametrize(("mode", "shown"), [("values", True), ("updates", True), ("messages", False)])
def test_the_stream_modes_about_the_state_show_the_private_channels(build, mem, mode, shown):
    graph = build(mem, scripted("in March"))
    parts = str(list(graph.stream(said("When does Acme renew?"), context=auto(), stream_mode=mode)))
    assert ("Acme renews in March" in parts, "memory_scope" in parts) == (shown, shown)


def test_tool_calls_are_streamed_whole(build, mem):
    graph = build(mem, scripted(calling("recall", query="Acme", limit=3), "done"))
    calls = None
    for part, about in graph.stream(said("hi"), context=auto(), stream_mode="messages"):
        if about["langgraph_node"] == "model" and part.text == "":
            calls = part if calls is None else calls + part
    assert isinstance(calls, AIMessage)
    assert calls.tool_calls[0]["args"] == {"query": "Acme", "limit": 3}


@pytest.mark.parametrize("how", ["run", "arun"])
async def test_a_registered_agent_tells_what_was_injected(build, mem, how):
    client = mem.client(user_id="ada")
    mem.agents.register("agent_records", build(mem, scripted("in March", "hello")))
    options = RunOptions(memory_policy=MemoryPolicy(archival_mode="auto"))

    async def ask(message, options=None):
        if how == "arun":
            return await client.agents.arun("agent_records", message, options=options)
        return client.agents.run("agent_records", message, options=options)

    told = await ask("When does Acme renew?", options)
    plain = await ask("hello")

    assert (told.text, [match.content for match in told.matches], told.degraded) == (
        "in March",
        ["Acme renews in March"],
        False,
    )
    assert (plain.text, plain.matches) == ("hello", ())


@pytest.mark.parametrize("how", ["run", "arun"])
async def test_a_registered_agent_tells_that_memory_failed(build, mem, embeddings, how):
    client = mem.client(user_id="ada")
    mem.agents.register("agent_records", build(mem, scripted("hm")))
    options = RunOptions(memory_policy=MemoryPolicy(archival_mode="auto"))
    embeddings.error = OSError("down")

    if how == "arun":
        result = await client.agents.arun("agent_records", "When does Acme renew?", options=options)
    else:
        result = client.agents.run("agent_records", "When does Acme renew?", options=options)

    assert (result.text, result.matches, result.degraded) == ("hm", (), True)
