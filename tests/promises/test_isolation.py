"""Nobody sees or touches another tenant, user or agent: through every public method and tool, with hostile ids."""

from __future__ import annotations

import contextlib
import itertools
import re

import pytest
from langchain.agents import create_agent
from langchain_core.messages import AIMessage
from langgraph.checkpoint.memory import InMemorySaver

import agentmem.langgraph
from agentmem import AgentMemError, Line
from agentmem.langgraph import MemoryContext, MemoryMiddleware
from agentmem.testing import ScriptedChatModel

from ..surface import SYNC  # noqa: TID252 - the tests are no installed package

TENANTS = ["acme", "Acme", "acme%"]
USERS = ["ada", "bob"]
AGENTS = ["x", "y"]
OWNERS = list(itertools.product(TENANTS, USERS, [None, *AGENTS]))
CANARY = re.compile(r"canary-\d+-")
HOSTILE = [
    "", None, " ", "%", "*", "_", "?", ".", "..", "../", "../../bob", "/", "acme/bob", "Acme", "acme%", "bob",
    "ada", "x", "y",
    "a\x00", "\x00", "\ud800", "' OR '1'='1", "x' OR user_id='bob' --", '" OR 1=1', "a" * 10_000, "bob\n", "BOB",
    "None", "null", "\u202ebob", "{{user}}", 0, 1, True, b"bob", ["bob"], {"user_id": "bob"},
]  # fmt: skip


def canary(owner):
    return f"canary-{OWNERS.index(owner)}-"


def text(owner):
    return f"{canary(owner)} likes tea"


class Echo:
    """An agent whose graph answers with everything it was given."""

    def invoke(self, input, config=None, *, context=None):  # noqa: A002 - LangGraph's name
        return {"messages": [input, config, context]}

    async def ainvoke(self, input, config=None, *, context=None):  # noqa: A002 - LangGraph's name
        return self.invoke(input, config, context=context)


@pytest.fixture
def everyone(open_mem):
    """Every owner has a block, a line and a key's result, with a canary of their own in each."""
    mem = open_mem()
    lines = {}
    for owner in OWNERS:
        tenant, user, agent = owner
        mem.tenant(tenant).agents.register("x", Echo())
        memory = mem.tenant(tenant).client(user, actor=canary(owner)).memory
        memory.append("core", text(owner), agent_id=agent, idempotency_key="key")
        memory.append("notes", text(owner), agent_id=agent)
        said = Line(text(owner), speaker=canary(owner), conversation_id="conversation")
        lines[owner] = memory.remember([said, text(owner)], agent_id=agent, idempotency_key="lines")
    return mem, lines


def state(mem, owners):
    """All that the owners can read of their own."""
    found = {}
    for tenant, user, agent in owners:
        memory, scope = mem.tenant(tenant).client(user).memory, "user" if agent is None else "agent"
        found[tenant, user, agent] = (
            memory.list(scope=scope, agent_id=agent),
            memory.history("core", agent_id=agent),
            memory.recall("likes tea", scope=scope, agent_id=agent, min_score=0, limit=50),
        )
    return found


SOUND = {
    "block_type": ["core", "notes", "archival"],
    "content": ["likes tea"],
    "confidence": [1.0],
    "description": ["d"],
    "embed": [False],
    "expected_updated_at": [None],
    "explain": [True],
    "limit": [50],
    "half_life_days": [30],
    "lines": ["likes tea"],
    "message": ["likes tea"],
    "min_confidence": [0.5],
    "min_score": [0],
    "new": ["likes rye"],
    "old": ["likes tea"],
    "query": ["likes tea", "canary"],
    "read_only": [False],
    "respect_read_only": [True, False],
    "scope": ["user", "agent", "all"],
    "source": ["operator"],
    "graph": [Echo()],
    "now": [None],
}
IDS = {"actor", "agent_id", "conversation_id", "idempotency_key", "line_id", "tenant_id", "thread_id", "user_id"}
OF_NOBODY = {"mem.agents.register", "mem.check", "mem.client", "mem.reindex", "mem.sweep", "mem.tenant", "mem.warm_up"}
LEFT_OUT = {"config", "options", "progress", "since", "until"}


OF_ONE_USER = [one for one in SYNC if one.room.startswith("client") or str(one) in OF_NOBODY]
"""The calls of one user's client, and those that are about nobody; `test_isolation_contacts` has the others."""


def calls(method, foreign):
    """Every combination of words, with each hostile value in each id in turn, the other ids sound."""
    known = {parameter.name for parameter in method.parameters} - LEFT_OUT
    ids = sorted(known & IDS)
    plain = {name: SOUND[name] for name in sorted(known - IDS)}
    for values in itertools.product(*plain.values()):
        words = dict(zip(plain, values, strict=True))
        sound = {name: "x" if name == "agent_id" else "conversation" for name in ids}
        if not ids:
            yield words
        for name in ids:
            for value in [*HOSTILE, *foreign]:
                yield {**words, **sound, name: value}


def outcome(method, mem, client, arguments):
    try:
        value = method.bound(mem, client)(**arguments)
    except (AgentMemError, TypeError) as error:
        return f"{type(error).__name__}: {error} {getattr(error, 'current', None)}"
    return repr(getattr(value, "messages", value))


def allowed(arguments, method):
    """The canaries that ada of acme may see in an answer."""
    agents = [arguments.get("agent_id")]
    if method.name == "list" and arguments.get("agent_id") is None:
        agents = AGENTS
    return {canary(owner) for owner in OWNERS if owner[:2] == ("acme", "ada") and owner[2] in [None, *agents]}


@pytest.mark.parametrize("method", OF_ONE_USER, ids=str)
def test_no_call_shows_or_touches_what_is_someone_elses(everyone, method):
    mem, lines = everyone
    acme = mem.tenant("acme")
    client = acme.client("ada")
    others = [owner for owner in OWNERS if owner[:2] != ("acme", "ada")]
    before = state(mem, others)
    foreign = [*[line.id for owner in others for line in lines[owner]][:6], "canary", "key", "lines"]
    seen = []
    for arguments in calls(method, foreign):
        said = outcome(method, acme, client, arguments)
        strange = set(CANARY.findall(said)) - allowed(arguments, method)
        if strange:
            seen.append((arguments, strange))
    assert seen == []
    assert state(mem, others) == before


def test_an_agents_call_leaves_the_other_agent_and_the_user_alone(everyone):
    mem, lines = everyone
    memory = mem.tenant("acme").client("ada").memory
    others = [("acme", "ada", None), ("acme", "ada", "y")]
    before = state(mem, others)
    memory.append("core", "more", agent_id="x")
    memory.replace("notes", "tea", "rye", agent_id="x")
    memory.update("core", "less", agent_id="x", expected_updated_at=memory.get("core", agent_id="x").updated_at)
    memory.delete("core", agent_id="x")
    memory.remember("more", agent_id="x")
    memory.forget_line(lines["acme", "ada", "x"][0].id)
    memory.delete("archival", agent_id="x")
    assert state(mem, others) == before


OLD = "2026-01-01T00:00:00Z"
BY_ID = {
    "line: forget_line": lambda memory, given: memory.forget_line(given),
    "agent: list": lambda memory, given: memory.list(agent_id=given),
    "agent: get": lambda memory, given: memory.get("core", agent_id=given),
    "agent: get archival": lambda memory, given: memory.get("archival", agent_id=given),
    "agent: history": lambda memory, given: memory.history("core", agent_id=given),
    "agent: replace": lambda memory, given: memory.replace("core", "tea", "rye", agent_id=given),
    "agent: delete": lambda memory, given: memory.delete("core", agent_id=given),
    "agent: recall": lambda memory, given: memory.recall("tea", agent_id=given, scope="agent"),
    "agent: update": lambda memory, given: memory.update("core", "a", agent_id=given, expected_updated_at=OLD),
    "conversation: recall": lambda memory, given: memory.recall("likes tea", conversation_id=given),
    "key: append": lambda memory, given: memory.append("core", "tea", idempotency_key=given).content,
}


@pytest.mark.parametrize("how", BY_ID)
def test_a_foreign_id_and_a_missing_one_cannot_be_told_apart(mem, how):
    name, call = how.split(":")[0], BY_ID[how]
    bob, ada = mem.client("bob").memory, mem.client("ada").memory
    bob.append("core", "tea", agent_id="bobs-agent")
    bob.append("core", "tea", idempotency_key="bobs-key")
    (line,) = bob.remember("likes tea", conversation_id="bobs-conversation", agent_id="bobs-agent")
    theirs = {"line": line.id, "agent": "bobs-agent", "conversation": "bobs-conversation", "key": "bobs-key"}[name]
    outcomes = []
    for given in (theirs, "z" * len(theirs)):
        try:
            outcomes.append(("value", repr(call(ada, given))))
        except AgentMemError as error:
            outcomes.append((type(error), str(error), getattr(error, "current", None)))
        ada.delete("core")
    assert outcomes[0] == outcomes[1]


def tools(mem):
    """Every tool that agentmem makes, however it is made."""
    made = []
    for name in agentmem.langgraph.__all__:
        if name.startswith("create_") and name.endswith(("_tool", "_tools")):
            for agent_id in (None, "x"):
                one = getattr(agentmem.langgraph, name)(mem, agent_id)
                made += one if isinstance(one, list) else [one]
    for agent_id in (None, "x"):
        made += MemoryMiddleware(mem, agent_id, tools="all").tools
    return made


def properties(schema):
    if isinstance(schema, dict):
        yield from schema.get("properties", {})
        for part in schema.values():
            yield from properties(part)
    elif isinstance(schema, list):
        for part in schema:
            yield from properties(part)


def test_no_tool_lets_the_model_choose_whose_memory_it_is(mem):
    made = tools(mem)
    assert {tool.name for tool in made} >= {
        "recall",
        "core_memory_append",
        "core_memory_replace",
        "archival_memory_insert",
    }
    for tool in made:
        names = set(properties(tool.tool_call_schema.model_json_schema()))
        assert not {name for name in names if re.search(r"tenant|user|agent|thread|runtime|context", name)}, tool.name


ARGUMENTS = {"query": "likes tea", "content": "likes tea", "old": "likes tea", "new": "likes rye", "limit": 50}


@pytest.mark.parametrize("agent_id", [None, "x"])
def test_what_a_model_adds_to_a_tools_arguments_changes_nothing(everyone, agent_id):
    mem, lines = everyone
    acme = mem.tenant("acme")
    others = [owner for owner in OWNERS if owner[:2] != ("acme", "ada") or owner[2] not in {None, agent_id}]
    before = state(mem, others)
    evil = [
        {"user_id": "bob", "agent_id": "y", "tenant_id": "Acme", "scope": scope, "thread_id": "bobs"}
        for scope in ("user", "agent", "all", "bob")
    ]
    evil.append(
        {"runtime": {"context": {"user_id": "bob"}}, "context": {"user_id": "bob"}, "line_id": lines[others[0]][0].id}
    )
    steps = []
    for number, (tool, extra) in enumerate(
        itertools.product(MemoryMiddleware(acme, agent_id, tools="all").tools, evil)
    ):
        names = properties(tool.tool_call_schema.model_json_schema())
        args = {**{name: ARGUMENTS[name] for name in names if name in ARGUMENTS}, **extra}
        steps.append(AIMessage("", tool_calls=[{"name": tool.name, "args": args, "id": f"call-{number}"}]))
    graph = create_agent(
        ScriptedChatModel(script=[*steps, "done"]),
        middleware=[MemoryMiddleware(acme, agent_id, tools="all")],
        context_schema=MemoryContext,
        checkpointer=InMemorySaver(),
    )
    said = graph.invoke(
        {"messages": [{"role": "user", "content": "likes tea"}]},
        {"configurable": {"thread_id": "t"}, "recursion_limit": 200},
        context={
            "user_id": "ada",
            "agent_id": agent_id,
            "memory_policy": {"archival_mode": "auto", "archival_min_score": 0},
        },
    )
    shown = set(CANARY.findall(repr(said["messages"])))
    assert shown <= {canary(("acme", "ada", agent)) for agent in (None, agent_id)}
    assert canary(("acme", "ada", None)) in shown
    assert state(mem, others) == before


def test_every_hostile_id_of_a_run_is_refused_or_sees_nothing(everyone):
    mem, _ = everyone
    acme = mem.tenant("acme")
    auto = {"archival_mode": "auto", "archival_min_score": 0}
    for user_id in HOSTILE:
        if user_id in ["ada", "bob"]:
            continue
        for agent_id in (None, "x", user_id):
            context = {"user_id": user_id, "agent_id": agent_id, "memory_policy": auto}
            model = ScriptedChatModel(script=["done"])
            graph = create_agent(model, middleware=[MemoryMiddleware(acme)], context_schema=MemoryContext)
            with contextlib.suppress(ValueError):  # pydantic's, or InvalidInputError
                graph.invoke({"messages": [{"role": "user", "content": "likes tea"}]}, context=context)
            assert CANARY.findall(repr(model.prompts)) == []
