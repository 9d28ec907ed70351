"""The async twins: one for each public method, with its signature, its outcome, and no blocking of the event loop."""

from __future__ import annotations

import asyncio
import inspect
from dataclasses import asdict, is_dataclass

import pytest
from blockbuster import blockbuster_ctx

import agentmem
from agentmem import AgentMemError, ConflictError, Line
from agentmem.testing import HashingEmbeddings

from ..surface import ALL, HOLLOW, SYNC, Method  # noqa: TID252 - the tests are no installed package


class Graph:
    """Answers as a compiled graph does, in each form in its own words."""

    def invoke(self, input, *_, **__):  # noqa: A002 - LangGraph's name
        return {"messages": [*input["messages"], "sync"]}

    async def ainvoke(self, input, *_, **__):  # noqa: A002 - LangGraph's name
        return {"messages": [*input["messages"], "async"]}


@pytest.mark.parametrize("method", SYNC, ids=str)
def test_every_public_method_has_a_twin_with_its_signature(method):
    sync = method.bound(*HOLLOW)
    twin = type(method)(method.room, f"a{method.name}", ()).bound(*HOLLOW)
    assert inspect.signature(twin) == inspect.signature(sync)
    assert inspect.iscoroutinefunction(twin)
    assert not inspect.iscoroutinefunction(sync)
    assert method.name in (twin.__doc__ or "")


def test_nothing_public_is_async_but_the_twins():
    names = {str(one) for one in SYNC}
    twins = {f"{one.room}.a{one.name}" for one in SYNC}
    assert {str(one) for one in ALL} == names | twins


def test_open_has_a_twin_with_its_signature():
    sync, twin = inspect.signature(agentmem.open), inspect.signature(agentmem.aopen)
    assert twin == sync
    assert inspect.iscoroutinefunction(agentmem.aopen)


CALLS = [
    ("client.memory", "append", ("core", "- Likes tea"), {}),
    ("client.memory", "append", ("core", ""), {}),
    ("client.memory", "update", ("core", "two"), {"expected_updated_at": None}),
    (
        "client.memory",
        "update",
        ("notes", "two"),
        {"expected_updated_at": None, "description": "Who", "read_only": True},
    ),
    ("client.memory", "get", ("core",), {}),
    ("client.memory", "get", ("nothing",), {}),
    ("client.memory", "replace", ("core", "tea", "rye"), {}),
    ("client.memory", "replace", ("core", "tea", "rye"), {}),
    ("client.memory", "history", ("core",), {}),
    ("client.memory", "list", (), {"scope": "all"}),
    ("client.memory", "remember", ([Line("Acme renews in March", speaker="Ada"), "tea"],), {"agent_id": "x"}),
    ("client.memory", "recall", ("When does Acme renew?",), {"agent_id": "x", "explain": True}),
    ("client.memory", "recall", ("",), {}),
    ("client.memory", "forget_line", ("missing",), {}),
    ("client.memory", "delete", ("core",), {"expected_updated_at": "2020-01-01T00:00:00Z"}),
    ("client.memory", "delete", ("core",), {}),
    ("client.agents", "run", ("nobody", "hello"), {}),
    ("mem.agents", "get", ("support",), {}),
    ("mem.agents", "configure", ("support",), {"memory_enabled": True, "state_keys": ["name"]}),
    ("mem.agents", "configure", ("support", {}), {}),
    ("mem.agents", "list", (), {}),
    ("mem.agents", "metrics", ("support",), {}),
    ("mem.agents", "list_memories", ("x",), {}),
    ("mem.contacts", "create", (), {"id": "ada", "phone": "+14155550192"}),
    ("mem.contacts", "create", (), {"id": "ada"}),
    ("mem.contacts", "patch_facts", ("ada", {"name": "Ada"}), {"agent_id": "support"}),
    ("mem.contacts", "memory", ("ada",), {"agent_id": "support"}),
    ("mem.conversations", "find", (), {"thread_id": "t"}),
    ("mem.conversations", "get", ("missing",), {}),
    ("mem.conversations", "work", (), {}),
    ("mem.conversations", "ids", ("a",), {}),
    ("mem.conversations", "postponed", (), {}),
    ("mem", "changes", ("ada",), {}),
    ("mem", "forget", ("ada",), {"wait": True}),
    ("mem", "sweep", (), {}),
    ("mem", "users", (), {"prefix": "a"}),
]


def outcome(call):
    """What came of a call, without the ids that are made up for each store."""
    try:
        value = call()
    except AgentMemError as error:
        return type(error), str(error), plain(getattr(error, "current", None))
    return plain(value)


def plain(value):
    if is_dataclass(value):
        return plain(asdict(value))
    if isinstance(value, dict):
        return {name: plain(one) for name, one in value.items() if name not in {"id", "ref"}}
    return [plain(one) for one in value] if isinstance(value, list | tuple) else value


def test_a_twin_does_what_its_method_does(open_mem, tmp_path, tables):
    sync, twin = ((mem, mem.client("ada")) for mem in (open_mem(tmp_path / name) for name in ("sync", "async")))
    for room, name, arguments, named in CALLS:
        method, a = (Method(room, each, ()).bound(*of) for each, of in ((name, sync), (f"a{name}", twin)))
        expected = outcome(lambda: method(*arguments, **named))  # noqa: B023 - called at once
        assert outcome(lambda: asyncio.run(a(*arguments, **named))) == expected, name  # noqa: B023 - called at once


@pytest.mark.parametrize("scan_below", [0, 5_000])
async def test_no_twin_blocks_the_event_loop(home, sql, clock, scan_below):
    def progress(_done, _total):
        """Nobody watches."""

    given = {"embeddings": HashingEmbeddings(), "clock": clock, "scan_below": scan_below, **sql.options(home)}
    with blockbuster_ctx():
        mem = await agentmem.aopen(home, **given)
        async with mem:
            acme = await mem.atenant("acme")
            client = await acme.aclient("ada", actor="bot")
            await acme.agents.aregister("agent", Graph())
            memory = client.memory
            block = await memory.aupdate("core", "- Likes tea", expected_updated_at=None)
            assert (await memory.aappend("core", "- Likes rye")).version == 2
            await memory.areplace("core", "tea", "oats")
            with pytest.raises(ConflictError):
                await memory.aupdate("core", "x", expected_updated_at=block.updated_at)
            lines = await memory.aremember(["Acme renews in March", "The dog is called Tom"])
            assert len(await memory.arecall("Acme renews", limit=1)) == 1
            assert len(await memory.alist()) == 2
            assert len(await memory.ahistory("core")) == 3
            assert (await memory.aget("archival")).content.startswith("Acme")
            await memory.aforget_line(lines[0].id)
            await memory.adelete("core")
            assert (await client.agents.arun("agent", "hello")).messages[-1] == "async"
            await speak(acme)
            assert (await mem.acheck()).ok
            assert await mem.areindex(progress=progress) == 1
            assert await mem.areindex(embed=True) == 1
        await mem.aclose()


async def speak(mem):
    """A conversation, and everything around it."""
    await mem.agents.aconfigure("support", memory_enabled=True, state_keys=["name"], analytics_enabled=True)
    async with await mem.conversations.astart("support", user_id="ada", thread_id="t") as conv:
        await conv.aadd_message("user", "Hello")
        await conv.asay("Hello Ada")
        assert "{" not in await conv.arender_prompt("{{memory}}", query="Acme")
        conv.state["name"] = "Ada"
        await conv.ahandoff("billing")
        await conv.aset_outcome("resolved")
        assert (await mem.conversations.aresume(conv.id)).id == conv.id
        assert (await mem.conversations.afind(thread_id="t")).id == conv.id
        assert (await mem.conversations.aadd(conv.id, state={"step": 1})).state == {"name": "Ada", "step": 1}
    assert (await mem.conversations.aget(conv.id)).status == "ended"
    assert (await mem.conversations.aend(conv.id)).changes[0].after == "Ada"
    assert len(await mem.conversations.alist(user_id="ada")) == 1
    assert await mem.conversations.awork() == 0
    assert (await mem.agents.ametrics("support")).conversations == 1
    assert (await mem.agents.aget("support")).memory_enabled
    assert len(await mem.agents.alist()) == 1
    assert len(await mem.contacts.alist()) == 1
    assert (await mem.contacts.amemory("ada", agent_id="support")).facts == {"name": "Ada"}
    await mem.agents.adelete_memories_by_caller(id="support", caller_identity="ada")
    assert (await mem.agents.alist_memories(id="support")).memories == ()
    assert len(await mem.achanges("ada")) > 0
    assert (await mem.asweep()).ended == 0


async def test_arun_uses_the_graphs_own_async_form(mem, client):
    mem.agents.register("agent", Graph())
    assert client.agents.run("agent", "hello").messages[-1] == "sync"
    assert (await client.agents.arun("agent", "hello")).messages[-1] == "async"


async def test_many_twins_at_once_lose_nothing(client):
    await asyncio.gather(*(client.memory.aappend("core", f"- {number}") for number in range(40)))
    said = (await client.memory.aget("core")).content.splitlines()
    assert sorted(said) == sorted(f"- {number}" for number in range(40))


async def test_stores_may_be_opened_at_once(tmp_path, sql):
    stores = [{"path": folder, **sql.bare(folder)} for folder in (tmp_path / f"{number}" for number in range(12))]
    stores = await asyncio.gather(*(agentmem.aopen(**store, embeddings=HashingEmbeddings()) for store in stores))
    for number, mem in enumerate(stores):
        assert (await mem.client("ada").memory.aappend("core", f"{number}")).version == 1
    for number, mem in enumerate(stores):
        assert (await mem.client("ada").memory.aget("core")).content == f"{number}"
        await mem.aclose()


async def test_a_store_may_be_opened_many_times_at_once(tmp_path, sql):
    for number in range(10):
        store = {"path": tmp_path / f"{number}", **sql.bare(tmp_path / f"{number}")}
        stores = await asyncio.gather(*(agentmem.aopen(**store, embeddings=HashingEmbeddings()) for _ in range(8)))
        await asyncio.gather(*(mem.client("ada").memory.aappend("core", "- tea") for mem in stores))
        assert stores[0].client("ada").memory.get("core").version == 8
        await asyncio.gather(*(mem.aclose() for mem in stores))
