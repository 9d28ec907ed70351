"""Every public method as an operation: what it takes and gives, and that a door could be made of it."""

from __future__ import annotations

import inspect
import json
import re
from datetime import datetime
from pathlib import Path
from typing import get_type_hints

import pytest
from annotated_types import Ge, Gt, Le, MinLen
from pydantic import ValidationError

import agentmem
from agentmem import AgentMemError, ConflictError, InvalidInputError, NotFoundError, langgraph
from agentmem.client.agents import Agents, ClientAgents
from agentmem.client.contacts import Contacts
from agentmem.client.conversation import Conversation
from agentmem.client.conversations import Conversations
from agentmem.client.memory import Memory
from agentmem.operations import IN_PROCESS, Operation, operations, public_methods
from agentmem.serialization import moment

HOLDERS = (agentmem.AgentMem, agentmem.Client, Memory, Contacts, Conversations, Conversation, Agents, ClientAgents)
OPERATIONS = operations()

ADA = {"user_id": "ada"}
KNOWN = {"contact_id": "sarah", "agent_id": "support"}
TALK = {"conversation_id": "CONVERSATION"}
EXAMPLES = {
    "memory.list": {**ADA, "scope": "all"},
    "memory.list_core": {**ADA, "agent_id": "support"},
    "memory.get": {**ADA, "block_type": "core"},
    "memory.find": {**ADA, "block_type": "archival"},
    "memory.update": {**ADA, "block_type": "notes", "content": "one", "expected_updated_at": None, "actor": "ops"},
    "memory.append": {**ADA, "block_type": "core", "content": "- Has a dog", "idempotency_key": "k1"},
    "memory.replace": {**ADA, "block_type": "core", "old": "tea", "new": "rye", "idempotency_key": "k2"},
    "memory.delete": {**ADA, "block_type": "core"},
    "memory.history": {**ADA, "block_type": "core"},
    "memory.remember": {
        **ADA,
        "lines": ["Renews in March", {"content": "Has a dog", "occurred_at": "2026-03-14T09:30:00Z"}],
        "confidence": 0.75,
        "source": "user",
    },
    "memory.recall": {
        **ADA,
        "query": "tea",
        "explain": True,
        "limit": 3,
        "min_score": 0.0,
        "since": "2020-01-01T00:00:00Z",
        "min_confidence": 0.5,
        "half_life_days": 30,
    },
    "memory.recall_trusted": {**ADA, "query": "tea", "limit": 3, "min_score": 0.0},
    "memory.forget_line": {**ADA, "line_id": "LINE"},
    "contacts.create": {"id": "tom", "phone": "+14155550193", "email": "tom@example.com", "name": "Tom"},
    "contacts.get": {"contact_id": "sarah"},
    "contacts.find": {"phone": "+14155550192"},
    "contacts.list": {"limit": 10},
    "contacts.link": {"contact_id": "sarah", "email": "sarah@example.com"},
    "contacts.merge": {"contact_id": "bob", "into": "sarah"},
    "contacts.memory": KNOWN,
    "contacts.patch_facts": {**KNOWN, "facts": {"tea": "rye", "seats": [1, 2]}, "ttl_days": 3, "expected_version": 5},
    "contacts.update_summary": {**KNOWN, "text": "Called twice.", "expected_version": 5},
    "contacts.put_entity": {
        **KNOWN,
        "entity_type": "order",
        "entity_id": "8821",
        "facts": {"carrier": "UPS"},
        "status": "sent",
        "discussed_at": "2026-03-14T09:30:00+01:00",
        "expected_version": 5,
    },
    "contacts.delete_entity": {**KNOWN, "entity_type": "order", "entity_id": "1"},
    "contacts.add_open_item": {
        **KNOWN,
        "description": "Call back",
        "related_to": {"entity_type": "order", "entity_id": "1"},
        "idempotency_key": "k3",
    },
    "contacts.resolve_open_item": {**KNOWN, "item_id": "ITEM"},
    "contacts.reset": KNOWN,
    "conversations.start": {"agent_id": "support", "phone": "+14155550192", "thread_id": "t2", "state": {"k": 1}},
    "conversations.resume": TALK,
    "conversations.get": TALK,
    "conversations.find": {"thread_id": "t1"},
    "conversations.list": {"limit": 10},
    "conversations.ids": {"prefix": "CONVERSATION", "limit": 10},
    "conversations.add": {**TALK, "messages": [{"role": "user", "content": "Hello"}], "state": {"k": 2}},
    "conversations.end": {**TALK, "state": {"k": 3}},
    "conversations.work": {"limit": 5},
    "conversations.postponed": {},
    "conversations.render_prompt": {**TALK, "prompt": "Be kind. {{memory}}", "query": "tea"},
    "conversations.handoff": {**TALK, "to": "Bo", "reason": "billing"},
    "conversations.set_outcome": {**TALK, "qa": "resolved"},
    "agents.configure": {"agent_id": "sales", "memory_enabled": True, "recent_messages": 5, "memory_retention_days": 9},
    "agents.update": {"id": "support", "memory_retention_days": 30},
    "agents.get": {"agent_id": "support"},
    "agents.list": {},
    "agents.metrics": {"id": "support"},
    "agents.list_memories": {"id": "support"},
    "agents.delete_memories_by_caller": {"id": "support", "caller_identity": "sarah"},
    "store.check": {},
    "store.reindex": {},
    "store.changes": {"user_id": "sarah", "since": 0, "limit": 100},
    "store.users": {"prefix": "a", "limit": 10},
    "store.sweep": {},
    "store.forget": {"user_id": "ada", "wait": True},
}
"""Arguments, as JSON, with which each operation succeeds on the store of `told`."""


@pytest.fixture
def told(mem):
    """A store with something of everything, and what stands for ids that only it knows."""
    memory = mem.client("ada").memory
    memory.append("core", "- Likes tea")
    line = memory.remember("Likes tea", source="user")[0]
    mem.agents.configure("support", memory_enabled=True, state_keys=["k"], analytics_enabled=True)
    mem.contacts.create(id="sarah", phone="+14155550192")
    mem.contacts.create(id="bob")
    mem.contacts.patch_facts("sarah", {"city": "Oslo"}, agent_id="support")
    mem.contacts.put_entity("sarah", "order", "1", agent_id="support", status="new")
    item = mem.contacts.add_open_item("sarah", "Call", agent_id="support")
    mem.client("sarah").memory.remember("Likes rye", agent_id="support", source="extractor")
    talk = mem.conversations.start("support", user_id="sarah", thread_id="t1", state={"k": 0})
    talk.add_message("user", "Hello")
    for expected in range(4, 6):  # the versions that the examples speak of
        mem.contacts.patch_facts("sarah", {"n": expected}, agent_id="support")
    assert mem.contacts.memory("sarah", agent_id="support").version == 5
    return mem, {"LINE": line.id, "ITEM": item.id, "CONVERSATION": talk.id}


def given(operation, names, **changed):
    text = json.dumps({**EXAMPLES[operation.id], **changed})
    for word, id_ in names.items():
        text = text.replace(f'"{word}"', f'"{id_}"')
    return operation.arguments.model_validate_json(text)


def test_every_public_method_is_an_operation_or_named_as_one_that_only_a_process_can_hold():
    words = {Memory: "memory", Contacts: "contacts", Agents: "agents", agentmem.AgentMem: "store"}
    words |= dict.fromkeys((Conversations, Conversation), "conversations")
    missed = {
        f"{holder.__name__}.{name}"
        for holder in HOLDERS
        for name, _ in public_methods(holder)
        if f"{words.get(holder)}.{name}" not in OPERATIONS
    }
    assert missed - set(IN_PROCESS) == set()


def test_what_only_a_process_can_hold_is_there_and_has_a_reason():
    for path, reason in IN_PROCESS.items():
        owner, _, name = path.rpartition(".")
        holder = next((one for one in HOLDERS if one.__name__ == owner), agentmem)
        assert callable(getattr(holder, name)), path
        assert len(reason.split()) > 4


def test_each_has_an_example_here():
    assert set(EXAMPLES) == set(OPERATIONS)


def test_the_page_lists_each_in_its_own_words():
    page = (Path(__file__).parent.parent / "docs" / "operations.md").read_text("utf-8")
    rows = [f"| `{one.id}` | {one.summary} | {one.effect} |" for one in OPERATIONS.values()]
    assert [line for line in page.splitlines() if line.startswith("| `")] == rows


def _surface():
    for name in agentmem.__all__:
        yield getattr(agentmem, name)
    for name in langgraph.__all__:
        yield getattr(langgraph, name)
    yield from HOLDERS


def _hinted():
    for thing in _surface():
        if inspect.isfunction(thing):
            yield thing.__qualname__, thing
        elif inspect.isclass(thing):
            yield thing.__qualname__, thing
            for name, member in vars(thing).items():
                function = member.fget if isinstance(member, property) else getattr(member, "__func__", member)
                if inspect.isfunction(function) and (not name.startswith("_") or name == "__init__"):
                    yield f"{thing.__qualname__}.{name}", function


@pytest.mark.parametrize("thing", [pytest.param(thing, id=name) for name, thing in dict(_hinted()).items()])
def test_the_hints_of_the_public_surface_are_there_at_run_time(thing):
    if inspect.isclass(thing):  # what it has from langchain's classes is langchain's
        thing = type(
            thing.__name__,
            (),
            {"__annotations__": vars(thing).get("__annotations__", {}), "__module__": thing.__module__},
        )
    hints = get_type_hints(thing, include_extras=True)
    assert inspect.isclass(thing) or "return" in hints


@pytest.mark.parametrize("operation", OPERATIONS.values(), ids=OPERATIONS)
def test_it_says_what_it_does_takes_and_gives(operation: Operation):
    assert operation.summary.endswith((".", "it as failed."))
    assert ">>>" not in operation.description
    schema = operation.arguments.model_json_schema()
    assert schema["additionalProperties"] is False
    for name, told_of in schema["properties"].items():
        assert told_of.get("description"), name
        assert "tenant" not in name
    operation.result.json_schema(mode="serialization")
    assert all(issubclass(error, AgentMemError) for error in operation.errors)


@pytest.mark.both_databases
@pytest.mark.parametrize("operation", OPERATIONS.values(), ids=OPERATIONS)
def test_it_is_called_with_json_and_what_it_gives_as_json_reads_as_the_same_value(told, operation):
    mem, names = told
    result = operation.call(mem, given(operation, names))
    text = operation.to_json(result)
    assert operation.result.validate_json(text) == result
    for found in re.findall(r'"(\d{4}-\d\d-\d\dT[^"]*)"', text):
        assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z", found)


@pytest.mark.both_databases
@pytest.mark.parametrize(
    "operation", [pytest.param(one, id=id_) for id_, one in OPERATIONS.items() if one.effect == "read"]
)
def test_one_that_reads_changes_no_row(told, operation, tables):
    mem, names = told
    arguments = given(operation, names)
    before = tables()
    operation.call(mem, arguments)
    assert tables() == before


async def test_it_can_be_awaited(told):
    mem, names = told
    operation = OPERATIONS["memory.recall"]
    arguments = given(operation, names)
    assert await operation.acall(mem, arguments) == operation.call(mem, arguments)


def test_what_is_not_said_is_the_methods_own_default(told):
    mem, _ = told
    put = OPERATIONS["contacts.put_entity"]
    put.call(mem, put.arguments(**KNOWN, entity_type="order", entity_id="1", notes="fragile"))
    (entity,) = mem.contacts.memory("sarah", agent_id="support").entities
    assert (entity.status, entity.notes) == ("new", "fragile")
    put.call(mem, put.arguments(**KNOWN, entity_type="order", entity_id="1", status=None))
    (entity,) = mem.contacts.memory("sarah", agent_id="support").entities
    assert (entity.status, entity.notes) == (None, "fragile")


def test_a_write_says_who_wrote_and_heeds_read_only_where_it_is_told_to(told):
    mem, _ = told
    append = OPERATIONS["memory.append"]
    append.call(mem, append.arguments(user_id="ada", block_type="core", content="- one", actor="door"))
    assert mem.client("ada").memory.history("core")[-1].actor == "door"
    core = mem.client("ada").memory.get("core")
    mem.client("ada").memory.update("core", core.content, read_only=True, expected_updated_at=core.updated_at)
    with pytest.raises(InvalidInputError):
        append.call(mem, append.arguments(user_id="ada", block_type="core", content="- two", respect_read_only=True))


def test_an_argument_that_is_not_one_of_its_own_is_refused():
    for operation in OPERATIONS.values():
        with pytest.raises(ValidationError, match="tenant_id"):
            operation.arguments.model_validate({"tenant_id": "other"})


def bounds_of(operation):
    """Each bounded argument, with a value on the bound and one beyond it."""
    for name, field in operation.arguments.model_fields.items():
        for mark in _marks(field):
            if isinstance(mark, (Ge, Le)):
                bound = mark.ge if isinstance(mark, Ge) else mark.le
                step = 0.001 if _is_float(field) else 1
                yield name, bound, bound - step if isinstance(mark, Ge) else bound + step
            elif isinstance(mark, Gt):
                yield name, mark.gt + 0.001, mark.gt
            elif isinstance(mark, MinLen):
                yield name, None, ""


def _marks(field):
    yield from field.metadata
    for part in getattr(field.annotation, "__args__", ()):
        for mark in getattr(part, "__metadata__", ()):
            yield mark
            yield from getattr(mark, "metadata", ())


def _is_float(field):
    parts = (field.annotation, *getattr(field.annotation, "__args__", ()))
    return any(getattr(part, "__origin__", part) is float for part in parts)


def test_bounds_are_looked_for_where_they_are():
    found = [(operation.id, name) for operation in OPERATIONS.values() for name, *_ in bounds_of(operation)]
    assert {("memory.recall", "limit"), ("memory.recall", "min_score"), ("store.changes", "since")} <= set(found)
    assert len(found) > 100


@pytest.mark.parametrize(
    "operation", [pytest.param(one, id=id_) for id_, one in OPERATIONS.items() if list(bounds_of(one))]
)
def test_the_bounds_of_its_schema_are_those_of_the_call(told, operation):
    mem, names = told
    good = given(operation, names).model_dump(exclude_unset=True, round_trip=True)
    for name, on, beyond in bounds_of(operation):
        with pytest.raises(ValidationError):
            given(operation, names, **{name: beyond})
        with pytest.raises(InvalidInputError):  # the call itself, without the schema
            operation.perform(mem, {**good, name: beyond})
        if on is not None:
            given(operation, names, **{name: on})
            try:
                operation.perform(mem, {**good, name: on})
            except InvalidInputError as error:
                assert error.field != name  # noqa: PT017 - what else is wrong with it is not of the bound
            except (ConflictError, NotFoundError):
                pass  # it is past the bound by then


def test_moments_of_one_form_sort_as_they_follow():
    texts = ["2026-03-14T09:30:00+00:00", "2026-03-14T09:30:00.000001+00:00", "2026-03-14T10:30:01+01:00"]
    written = [moment(datetime.fromisoformat(text)) for text in texts]
    assert written == sorted(written)
    assert written[0] == "2026-03-14T09:30:00.000000Z"
