"""Every public method as an operation: what it takes and gives, and that a door could be made of it."""

from __future__ import annotations

import inspect
import json
import re
from datetime import datetime
from pathlib import Path
from typing import get_type_hints

import pytest
from pydantic import ValidationError

import agentmem
from agentmem import (
    AgentMemError,
    BackendError,
    ConflictError,
    InvalidInputError,
    Line,
    NotFoundError,
    langgraph,
    testing,
)
from agentmem.operations import IN_PROCESS, Operation, operations, public_methods
from agentmem.serialization import moment
from agentmem.testing import FrozenClock, HashingEmbeddings

from . import surface

HOLDERS = {type(method.bound(*surface.HOLLOW).__self__) for method in surface.SYNC} | {agentmem.Client}
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


@pytest.fixture(scope="module")
def prepared(tmp_path_factory, new_sql):
    """A closed store with something of everything, and what stands for ids that only it knows."""
    home = tmp_path_factory.mktemp("told") / "home"
    with new_sql() as sql:
        sql.new_home(home)
        options = {"embeddings": HashingEmbeddings(), "clock": FrozenClock(), **sql.options(home)}
        with agentmem.open(home, **options) as mem:
            names = _told(mem)
        yield home, names


def _told(mem):
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
    return {"LINE": line.id, "ITEM": item.id, "CONVERSATION": talk.id}


@pytest.fixture
def home(tmp_path, sql, prepared):
    """A copy of that store: every test changes its own."""
    return sql.copy(prepared[0], tmp_path / "home")


@pytest.fixture
def told(mem, prepared):
    """It, opened, and what stands for ids that only it knows."""
    return mem, prepared[1]


def given(operation, names, **changed):
    text = json.dumps({**EXAMPLES[operation.id], **changed})
    for word, id_ in names.items():
        text = text.replace(f'"{word}"', f'"{id_}"')
    return operation.arguments.model_validate_json(text)


def test_every_public_method_is_an_operation_or_named_as_one_that_only_a_process_can_hold():
    """Of every room that hangs off a store, a client or a conversation, also of one that was added."""
    words = {"mem": "store", "client.memory": "memory", "conversation": "conversations"}
    missed, ids = set(), []
    for method in surface.SYNC:
        holder = type(method.bound(*surface.HOLLOW).__self__).__name__
        id_ = f"{words.get(method.room, method.room.rpartition('.')[2])}.{method.name}"
        if id_ in OPERATIONS and f"{holder}.{method.name}" not in IN_PROCESS:
            ids.append(id_)
        else:
            missed.add(f"{holder}.{method.name}")
    missed |= {name for name in agentmem.__all__ if inspect.isfunction(getattr(agentmem, name))}
    assert missed == set(IN_PROCESS)
    assert sorted(ids) == sorted(OPERATIONS)  # no two methods have one


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
    yield from (getattr(testing, name) for name in testing.__all__ if not name.endswith("Contract"))  # pytest's to read
    yield from HOLDERS
    yield from (Operation, operations, public_methods)


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
    assert operation.result.json_schema()
    assert operation.result.json_schema(mode="serialization")
    assert all(issubclass(error, AgentMemError) and when.endswith(".") for error, when in operation.errors.items())
    assert {InvalidInputError, BackendError} <= set(operation.errors)


def _names(schema):
    """Every name of a property in a JSON schema, at any depth."""
    if isinstance(schema, list):
        return {name for one in schema for name in _names(one)}
    if not isinstance(schema, dict):
        return set()
    return set(schema.get("properties", ())) | {name for one in schema.values() for name in _names(one)}


def test_no_argument_is_about_a_tenant_or_a_secret():
    names = {name for operation in OPERATIONS.values() for name in _names(operation.arguments.model_json_schema())}
    assert {"user_id", "speaker", "external_id"} <= names  # those of a line and of a message are among them
    assert [name for name in names if re.search("tenant|secret|password|token|api_?key|url|path|home", name)] == []


@pytest.mark.both_databases
@pytest.mark.parametrize("operation", OPERATIONS.values(), ids=OPERATIONS)
def test_it_is_called_with_json_and_what_it_gives_as_json_reads_as_the_same_value(told, operation):
    mem, names = told
    result = operation.call(mem, given(operation, names))
    text = operation.to_json(result)
    assert operation.result.validate_json(text) == result
    for found in re.findall(r'"(\d{4}-\d\d-\d\dT[^"]*)"', text):
        assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z", found)


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
    """Each bound in the schema of the arguments: of which one, a value on the bound, and one beyond it."""
    schema = operation.arguments.model_json_schema()
    for name, part in schema["properties"].items():
        for on, beyond in _bounds(part, schema.get("$defs", {})):
            yield name, on, beyond


def _bounds(schema, defs):
    schema = defs[schema["$ref"].rpartition("/")[2]] if "$ref" in schema else schema
    yield from _own_bounds(schema, defs)
    for branch in schema.get("anyOf", ()):
        yield from _bounds(branch, defs)
    whole = _sample(schema, defs)
    for name, part in schema.get("properties", {}).items():
        yield from (({**whole, name: on}, {**whole, name: beyond}) for on, beyond in _bounds(part, defs))
    if isinstance(schema.get("additionalProperties"), dict):
        yield from (({"k": on}, {"k": beyond}) for on, beyond in _bounds(schema["additionalProperties"], defs))
    if "items" in schema:
        yield from (([on], [beyond]) for on, beyond in _bounds(schema["items"], defs))


def _own_bounds(schema, defs):
    step = 1 if schema.get("type") == "integer" else 0.001
    for keyword, limit in schema.items():
        match keyword:
            case "minimum":
                yield limit, limit - step
            case "maximum":
                yield limit, limit + step
            case "exclusiveMinimum":
                yield limit + step, limit
            case "minLength":
                yield "x" * limit, "x" * (limit - 1)
            case "maxItems":
                one = _sample(schema["items"], defs)
                yield [one] * limit, [one] * (limit + 1)
            case "enum":
                yield from ((word, "other") for word in limit)
            case "pattern":
                yield from (("a_-9" * 16, beyond) for beyond in ("", "A", "a b", "a" * 65, "a\n"))
            case "propertyNames":
                yield {"k" * limit["minLength"]: None}, {"": None}
            case _:
                assert keyword not in KEYWORDS_OF_BOUNDS, "a kind of bound that is not tried here"


KEYWORDS_OF_BOUNDS = {
    "exclusiveMaximum",
    "maxLength",
    "minItems",
    "uniqueItems",
    "multipleOf",
    "maxProperties",
    "const",
}


def _sample(schema, defs):
    """A value of a schema: of an object what it has to have."""
    schema = defs[schema["$ref"].rpartition("/")[2]] if "$ref" in schema else schema
    if schema.get("type") == "object":
        return {name: _sample(schema["properties"][name], defs) for name in schema.get("required", ())}
    return schema["enum"][0] if "enum" in schema else "x"


def _as_in_python(name, value):
    """What the method itself takes for a line in JSON."""
    if isinstance(value, list):
        return [_as_in_python(name, one) for one in value]
    return Line(**value) if name == "lines" and isinstance(value, dict) else value


def test_bounds_are_looked_for_where_they_are():
    found = {(operation.id, name) for operation in OPERATIONS.values() for name, *_ in bounds_of(operation)}
    assert {
        ("memory.recall", "limit"),
        ("memory.recall", "min_score"),
        ("memory.recall", "half_life_days"),
        ("memory.recall", "source"),
        ("memory.get", "block_type"),
        ("memory.remember", "lines"),
        ("store.changes", "since"),
        ("agents.configure", "state_keys"),
        ("conversations.add", "messages"),
        ("contacts.add_open_item", "related_to"),
    } <= found
    assert len(found) > 100


@pytest.mark.parametrize(
    "operation", [pytest.param(one, id=id_) for id_, one in OPERATIONS.items() if list(bounds_of(one))]
)
def test_the_bounds_of_its_schema_are_those_of_the_call(told, operation):
    mem, names = told
    good = given(operation, names).model_dump(exclude_unset=True, round_trip=True)
    good = {name: _as_in_python(name, value) for name, value in good.items() if name != "idempotency_key"}
    for name, on, beyond in bounds_of(operation):
        with pytest.raises(ValidationError):
            given(operation, names, **{name: beyond})
        with pytest.raises(InvalidInputError) as refused:  # the call itself, without the schema
            operation.perform(mem, {**good, name: _as_in_python(name, beyond)})
        given(operation, names, **{name: on})
        try:
            operation.perform(mem, {**good, name: _as_in_python(name, on)})
        except InvalidInputError as error:  # what else is wrong with it, such as an id that only goes with another
            assert name not in str(refused.value.field) or str(error) != str(refused.value)  # noqa: PT017 - or nothing is
        except (ConflictError, NotFoundError):
            pass  # it is past the bound by then


@pytest.mark.parametrize("operation", OPERATIONS.values(), ids=OPERATIONS)
def test_its_arguments_convert_nothing(operation):
    for name, part in operation.arguments.model_json_schema()["properties"].items():
        kinds = {one.get("type", "object") for one in part.get("anyOf", [part])}
        for other in (other for kind, other in OTHERS if not kind & kinds):
            changed = {**EXAMPLES[operation.id], name: other}
            with pytest.raises(ValidationError):
                operation.arguments.model_validate(changed)
            with pytest.raises(ValidationError):
                operation.arguments.model_validate_json(json.dumps(changed))


OTHERS = (({"string"}, "5"), ({"string"}, "true"), ({"integer", "number"}, 1), ({"boolean"}, True))
"""Values of a type of JSON, to be given for one of another type."""


def test_arguments_are_read_from_what_is_all_text_too():
    words = {"user_id": "ada", "query": "tea", "limit": "3", "min_score": "0.5", "explain": "true"}
    arguments = OPERATIONS["memory.recall"].arguments.model_validate_strings(words)
    assert (arguments.limit, arguments.min_score, arguments.explain) == (3, 0.5, True)


@pytest.mark.parametrize(
    ("id_", "given_"),
    [
        ("memory.remember", {**ADA, "lines": [{"content": "tea", "speakr": "zebra"}]}),
        ("conversations.add", {**TALK, "messages": [{"role": "user", "content": "tea", "at": "zebra"}]}),
        ("memory.append", {**ADA, "block_type": "core", "content": "tea", "note": "zebra"}),
    ],
)
def test_a_key_that_is_not_known_is_refused_at_any_depth_and_no_error_repeats_what_was_given(id_, given_):
    with pytest.raises(ValidationError, match=r"not permitted|[Uu]nexpected") as refused:
        OPERATIONS[id_].arguments.model_validate(given_)
    assert "zebra" not in str(refused.value)


def test_moments_of_one_form_sort_as_they_follow():
    texts = ["2026-03-14T09:30:00+00:00", "2026-03-14T09:30:00.000001+00:00", "2026-03-14T10:30:01+01:00"]
    written = [moment(datetime.fromisoformat(text)) for text in texts]
    assert written == sorted(written)
    assert written[0] == "2026-03-14T09:30:00.000000Z"


NASTY = [
    None,
    "",
    0,
    -1,
    1.5,
    True,
    10**30,
    1e308,
    "x\x00y",
    "\ud800",
    "x" * 300_000,
    "2026-01-01T00:00:00",
    "9999-12-31T23:59:59-23:00",
    "0001-01-01T00:00:00+23:00",
    [],
    [None],
    {},
    {"": None},
    {"a": [[1]]},
    [{"role": "user"}],
]


@pytest.mark.parametrize("operation", OPERATIONS.values(), ids=OPERATIONS)
def test_whatever_stands_in_an_argument_is_taken_or_refused_in_our_own_words(told, operation):
    mem, names = told
    good = json.loads(given(operation, names).model_dump_json(exclude_unset=True))
    for name in operation.arguments.model_fields:
        for value in NASTY:
            try:
                result = operation.call(mem, operation.parse({**good, name: value}))
            except AgentMemError:
                continue
            assert operation.result.validate_json(operation.to_json(result)) == result


@pytest.mark.parametrize(
    ("text", "field"),
    [
        ("{", "arguments"),
        ("[]", "arguments"),
        ('{"user_id": "ada"}', "query"),
        ('{"user_id": "ada", "query": "tea", "limit": "Tom\'s secret"}', "limit"),
        ('{"user_id": "ada", "query": "tea", "tenant_id": "other"}', "tenant_id"),
    ],
)
def test_arguments_that_are_none_are_refused_with_the_place_and_without_the_value(text, field):
    with pytest.raises(InvalidInputError) as caught:
        OPERATIONS["memory.recall"].parse(text)
    assert caught.value.field == field
    assert "secret" not in str(caught.value)
    assert caught.value.__cause__ is None


def test_what_is_about_the_whole_store_says_so():
    whole = {id_ for id_, operation in OPERATIONS.items() if operation.reach == "store"}
    assert whole == {"store.check", "store.reindex", "store.sweep"}
