"""Bad input, through every parameter of every public method: refused, named, not repeated, and nothing is written."""

from __future__ import annotations

import asyncio
import math
import pickle
from datetime import datetime

import pytest

import agentmem
from agentmem import InvalidInputError, Line, MemoryPolicy, RunOptions
from agentmem.errors import CODES, sentence

from ..surface import BY_ONE_THING, SOUND, SYNC, NoGraph  # noqa: TID252 - the tests are no installed package

ID = {
    "actor",
    "after",
    "agent_id",
    "caller_identity",
    "channel",
    "contact_id",
    "conversation_id",
    "entity_id",
    "entity_type",
    "external_id",
    "id",
    "idempotency_key",
    "into",
    "item_id",
    "line_id",
    "name",
    "priority",
    "qa",
    "reason",
    "tenant_id",
    "thread_id",
    "to",
    "type",
    "prefix",
    "user_id",
    "version",
}
WORDS = {"block_type", "scope", "source"}
FULL_TEXT = {"message", "query", "text"}
TEXT = {"content", "description", "new", "notes", "prompt", "status"}
MOMENT = {"discussed_at", "expected_updated_at", "now", "since", "until"}
FLAGS = {"defer", "embed", "explain", "respect_read_only", "wait"}
OPTIONAL_FLAGS = {"analytics_enabled", "memory_enabled", "read_only"}
OPTIONAL = {
    "conversation_id",
    "description",
    "expected_updated_at",
    "idempotency_key",
    "notes",
    "since",
    "status",
    "text",
    "thread_id",
    "until",
}
MOST = {"client.memory.recall": 50, "mem.changes": 10_000}
"""The highest `limit`, where it is not 1,000."""

NO_STRINGS = [5, 1.5, True, b"zebra", ["zebra"], {"zebra": 1}, object()]
NO_TEXT = ["zebra\x00", "\x00", "zebra\ud800", "\udfff", *NO_STRINGS]
NO_FRACTION = [-0.001, 1.001, math.nan, math.inf, -math.inf, 10**400, "0.5", True, None, [], 1j]
NO_POSITIVE = [0, -1, -0.5, math.nan, math.inf, 10**400, "30", "zebra", True, [], 1j]
NO_FLAG = [0, 1, "yes", "", [], 1.0]
NO_LINES = [
    None, 5, True, b"zebra", {"zebra": 1}, object(), "", " \n ", "zebra\x00", "zebra\ud800", [""], [5], [None],
    [b"zebra"], ["fine", "zebra\x00"], [["zebra"]], ["fine", " "],
    *(Line(text) for text in ("", "zebra\x00", "zebra\ud800", 5, None, b"zebra")),
    *(Line("fine", speaker=speaker) for speaker in ("", " ", "zebra\x00", "\ud800", 5, b"zebra")),
    *(Line("fine", conversation_id=one) for one in ("", " ", "zebra\x00", "\ud800", 5, b"zebra")),
    *(Line("fine", source=source) for source in ("", "zebra", "USER", 5, 0, b"user", [])),
    *(Line("fine", confidence=sure) for sure in NO_FRACTION if sure is not None),
    *(Line("fine", occurred_at=at) for at in ("", "zebra", "2026-01-01", "2026-01-01T00:00:00", 5)),
    Line("fine", occurred_at="2026-01-01T00:00:00Z\x00"),
    Line("fine", occurred_at=datetime(2026, 1, 1)),  # noqa: DTZ001 - the fault under test
]  # fmt: skip

NO_MESSAGES = [
    None, 5, "zebra", b"zebra", {"zebra": 1}, ["zebra"], [None], [{}], [{"role": "user"}], [{"content": "x"}],
    [{"role": "zebra", "content": "x"}], [{"role": "user", "content": "x", "zebra": 1}],
    *([{"role": "user", "content": content}] for content in ("", " ", *NO_TEXT)),
    *([{"role": "user", "content": "x", "external_id": one}] for one in ("", " ", *NO_TEXT)),
    [{"role": "user", "content": "x"}] * 1_001,
]  # fmt: skip


def bad(method, name):
    """Values that a parameter must refuse, wherever it stands."""
    if (str(method), name) == ("mem.changes", "since"):
        return ["", "zebra", "2026-01-01", -1, 2**63, 1.5, True, b"zebra", [1]]
    if name in ID:
        return ["", " ", "\n", *NO_TEXT]
    if name in WORDS:
        return ["", " ", "zebra!", "zebra text", "a" * 65, "cor\u0435", "core\n", "CORE", *NO_TEXT]
    if name in FULL_TEXT:
        return ["", " ", "\n\t", *NO_TEXT]
    if name in TEXT:
        return NO_TEXT
    if name in MOMENT:
        return ["", "zebra", "2026-01-01", "2026-01-01T00:00:00", datetime(2026, 1, 1), *NO_TEXT]  # noqa: DTZ001 - the fault under test
    if name in FLAGS:
        return [*NO_FLAG, None]
    if name in OPTIONAL_FLAGS:
        return NO_FLAG
    return {
        "attributes": [5, "zebra", ["zebra"], {"zebra": {}}, {"sip_headers": "zebra"}, {"integration": ["zebra"]}],
        "checkpointer": [5, "zebra"],
        "confidence": NO_FRACTION,
        "config": [5, "zebra", [1], {"configurable": 5}],
        "document": [5, "zebra", ["zebra"], {}, {"memory": {}}, {"voice": {}}],
        "email": ["", "zebra", "zebra@", "@zebra", "zebra @x.org", "a@b@zebra", *NO_TEXT],
        "expected_version": [-1, 1.5, "1", True, [], 2**31],
        "facts": [5, "zebra", ["zebra"], {"a": math.nan}, {"a": {1}}, {"": 1}, {1: 1}, {"a": "\ud800"}],
        "graph": [None, "zebra", 5, object()],
        "half_life_days": NO_POSITIVE,
        "identifier_blacklist": [5, "zebra", [5], [""], ["zebra\x00"], {"zebra": 1}],
        "identifier_source": ["zebra", "zebra:x", "state:", *NO_TEXT],
        "kind": ["", "zebra", "zebra:x", *NO_TEXT],
        "limit": [0, MOST.get(str(method), 1_000) + 1, -1, 5.0, "5", True, math.inf],
        "lines": NO_LINES,
        "memory_retention_days": [-1, 36_501, 1.5, "90", True],
        "messages": NO_MESSAGES,
        "min_confidence": NO_FRACTION,
        "min_score": NO_FRACTION,
        "old": ["", *NO_TEXT],
        "options": [5, "zebra", {}, {"memory_policy": {}}, MemoryPolicy(), RunOptions],
        "phone": ["", "zebra", "123", "+1 zebra", "+999 123456", "1" * 40, *NO_TEXT],
        "progress": [5, "zebra"],
        "recent_messages": [-1, 1_001, 1.5, "5", True],
        "related_to": [5, "zebra", {}, {"entity_type": "order"}],
        "role": ["", "system", "USER", *NO_TEXT],
        "state": [5, "zebra", ["zebra"], {"plan": math.nan}, {"plan": object()}],
        "state_keys": [5, "zebra", [5], [""], {"zebra": 0}, {"zebra": "1"}, ["REPEAT_CALLER_QA"]],
        "ttl_days": [0, -1, 1.5, "30", True],
        "value": ["", *NO_TEXT],
    }[name]


def cases():
    for method in SYNC:
        for parameter in method.parameters:
            required = parameter.default is parameter.empty and parameter.name not in OPTIONAL
            none = [None] if required and parameter.name not in {"graph", "lines"} else []
            case = (method, parameter.name, [*bad(method, parameter.name), *none])
            yield pytest.param(case, id=f"{method}-{parameter.name}")


@pytest.fixture
def filled(mem, client):
    client.memory.append("core", "old")
    client.memory.append("core", "old", agent_id="agent")
    client.memory.remember("text")
    mem.agents.register("agent", NoGraph())
    mem.agents.configure("agent", memory_enabled=True, state_keys=["plan"])
    mem.contacts.create(id="bob")
    return mem, client, mem.conversations.start("agent", user_id="ada")


@pytest.fixture
def sound(filled):
    """The sound values of a method's parameters, with the ids of what is there."""
    mem, _, conversation = filled
    item = mem.contacts.add_open_item("ada", "Call back", agent_id="agent")
    ids = {"conversation_id": conversation.id, "item_id": item.id}
    return lambda method: {
        parameter.name: {**SOUND, **ids, **(BY_ONE_THING if method.name == "find" else {})}[parameter.name]
        for parameter in method.parameters
    }


@pytest.mark.parametrize("case", list(cases()))
def test_a_bad_argument_is_refused_named_and_nothing_is_written(filled, sound, tables, case):
    method, name, values = case
    before = tables()
    wrong = []
    for value in values:
        for way in (_call, _acall):
            try:
                way(method, filled, {**sound(method), name: value})
            except InvalidInputError as error:
                if flaws := _flaws(error, {"lines": "line"}.get(name, name)):
                    wrong.append((value, str(error), flaws))
            except Exception as error:  # noqa: BLE001 - any other is what the test is about
                wrong.append((value, repr(error)))
            else:
                wrong.append((value, "accepted"))
    assert wrong == []
    assert tables() == before


def _flaws(error, field):
    """What is wrong with the error about a bad argument: its data, its text, or what a pickle leaves of them."""
    said = vars(error)
    again = pickle.loads(pickle.dumps(error))  # noqa: S301 - pickled in the same line
    rules = {
        "the field is not named": error.field is not None and field in error.field,
        "there is no rule": error.rule.strip() != "",
        "the rule names the field again": not error.rule.startswith(f"{field}:"),
        "the text is not made of the parts": str(error) == sentence(error.rule, field=error.field, advice=error.advice),
        "the code is none": error.code in CODES,
        "what was given is told": "zebra" not in repr(said),
        "a pickle loses something": (type(again), vars(again), str(again)) == (type(error), said, str(error)),
    }
    return [rule for rule, holds in rules.items() if not holds]


def _call(method, filled, arguments):
    method.bound(*filled)(**arguments)


def _acall(method, filled, arguments):
    twin = type(method)(method.room, f"a{method.name}", ())
    asyncio.run(twin.bound(*filled)(**arguments))


@pytest.mark.parametrize("method", [one for one in SYNC if one.name != "close"], ids=str)
def test_the_sound_values_are_sound(filled, sound, method):
    if str(method) == "client.memory.update":
        filled[1].memory.delete("core", agent_id="agent")
    _call(method, filled, sound(method))


@pytest.mark.parametrize("block_type", ["core", "a", "_", "-", "0", "a" * 64, "recall-notes_2"])
def test_a_block_name_is_1_to_64_of_a_small_alphabet(memory, block_type):
    assert memory.append(block_type, "text").block_type == block_type


@pytest.mark.parametrize(
    "given", ["%", "*", "../x", "a/b", "'; --", "ADA", "a" * 255, "日本", "a b", ".", "None", "\x07"]
)
def test_an_id_is_opaque_text(mem, given):
    ids = [given, "ada", given + "x" if len(given) < 255 else "x"]
    for tenant in ids:
        for user in ids:
            memory = mem.tenant(tenant).client(user_id=user).memory
            for agent in (None, *ids):
                memory.append("core", repr((tenant, user, agent)), agent_id=agent)
                memory.remember(repr((tenant, user, agent)), agent_id=agent)
    for tenant in ids:
        for user in ids:
            memory = mem.tenant(tenant).client(user_id=user).memory
            for agent in (None, *ids):
                said = repr((tenant, user, agent))
                assert memory.get("core", agent_id=agent).content == said
                assert memory.get("archival", agent_id=agent).content == said
            assert sorted(block.agent_id for block in memory.list(scope="agent")) == sorted([*ids, *ids])


@pytest.mark.parametrize("call", ["replace", "history"])
def test_replace_and_history_of_archival_memory_are_refused(memory, call):
    memory.remember("old")
    with pytest.raises(InvalidInputError, match="block_type: archival"):
        getattr(memory, call)("archival", *(["old", "new"] if call == "replace" else []))
    assert memory.get("archival").content == "old"


def test_recall_in_agent_scope_without_an_agent_is_refused(memory):
    with pytest.raises(InvalidInputError, match="agent_id"):
        memory.recall("tea", scope="agent")


@pytest.mark.parametrize("thread_id", ["", " ", "zebra\x00", "\ud800", 5, "a" * 256])
def test_a_bad_thread_in_the_config_is_refused(filled, thread_id):
    _, client, _ = filled
    with pytest.raises(InvalidInputError, match="thread_id"):
        client.agents.run("agent", "hello", config={"configurable": {"thread_id": thread_id}})


SETTINGS = {
    "scan_below": [-1, "many", None, 1.5],
    "index_batch": [0, -1, "many"],
    "index_timeout": [0, -1, math.nan, math.inf, 1e12],
    "cache_bytes": [-1, "many"],
    "max_block_chars": [0, "many"],
    "max_line_chars": [0],
    "max_value_bytes": [0],
    "max_id_chars": [0, 63],
    "max_fact_days": [0],
    "idle_minutes": [0],
    "default_region": ["", "USA", "XX", 5],
    "home": [5, "zebra\x00"],
    "no_such_setting": [1],
}


@pytest.mark.parametrize(("name", "value"), [(name, value) for name, values in SETTINGS.items() for value in values])
def test_a_bad_setting_is_refused_by_its_name(tmp_path, embeddings, name, value):
    given = {"home": tmp_path / "fresh", name: value}
    with pytest.raises(InvalidInputError, match=name):
        agentmem.open(embeddings=embeddings, **given)
    assert not (tmp_path / "fresh").exists()


@pytest.mark.parametrize("name", ["AGENTMEM_SCAN_BELOW", "AGENTMEM_MAX_BLOCK_CHARS"])
def test_a_bad_variable_is_refused_by_its_name(tmp_path, monkeypatch, name):
    monkeypatch.setenv(name, "zebra")
    with pytest.raises(InvalidInputError, match=name):
        agentmem.open(tmp_path / "fresh")


def test_settings_come_from_arguments_before_variables(tmp_path, monkeypatch, embeddings):
    monkeypatch.setenv("AGENTMEM_HOME", str(tmp_path / "variable"))
    monkeypatch.setenv("AGENTMEM_MAX_BLOCK_CHARS", "7")
    monkeypatch.setenv("AGENTMEM_MAX_LINE_CHARS", "8")
    with agentmem.open(embeddings=embeddings, max_line_chars=9) as mem:
        assert (mem.settings.max_block_chars, mem.settings.max_line_chars) == (7, 9)
        assert mem.settings.home == tmp_path / "variable"
    assert (tmp_path / "variable" / "agentmem.db").exists()


def test_a_store_without_a_path_is_in_the_working_folder(tmp_path, monkeypatch, embeddings):
    monkeypatch.delenv("AGENTMEM_HOME", raising=False)
    monkeypatch.chdir(tmp_path)
    with agentmem.open(embeddings=embeddings) as mem:
        assert mem.tenant_id == "default"
    assert (tmp_path / ".agentmem" / "agentmem.db").exists()


@pytest.mark.parametrize("tenant_id", ["", " ", "zebra\x00", "\ud800", 5, None, "a" * 256])
def test_open_refuses_a_bad_tenant(tmp_path, embeddings, tenant_id):
    with pytest.raises(InvalidInputError, match="tenant_id"):
        agentmem.open(tmp_path / "home", tenant_id=tenant_id, embeddings=embeddings)


@pytest.mark.parametrize("moment", [datetime(2026, 1, 1), "now", None, 5])  # noqa: DTZ001 - the fault under test
def test_a_clock_must_give_aware_datetimes(open_mem, moment):
    memory = open_mem(clock=lambda: moment).client("ada").memory
    for write in (lambda: memory.append("core", "tea"), lambda: memory.remember("tea")):
        with pytest.raises(InvalidInputError, match="clock"):
            write()
    assert memory.list() == []


@pytest.mark.parametrize(
    "url", ["nonsense", "http://x", "sqlite://", "sqlite:///:memory:", "mysql://x", "nodriver+sqlite:///x", "\x00"]
)
def test_a_database_url_that_cannot_be_used_is_refused(embeddings, url):
    with pytest.raises(InvalidInputError, match="database_url"):
        agentmem.open(database_url=url, embeddings=embeddings)


@pytest.mark.parametrize("url", ["postgres://ada:pw@host/name", "postgres://host"])
def test_the_scheme_that_hosts_hand_out_is_answered_with_the_one_to_write(embeddings, url):
    with pytest.raises(InvalidInputError, match=r"write postgresql\+psycopg://") as caught:
        agentmem.open(database_url=url, embeddings=embeddings)
    assert "pw" not in str(caught.value)


@pytest.mark.parametrize("driver", ["psycopg2", "pg8000", "asyncpg"])
def test_a_driver_that_no_store_is_tried_with_is_answered_with_the_one_to_write(embeddings, driver):
    with pytest.raises(InvalidInputError, match=r"write postgresql\+psycopg://"):
        agentmem.open(database_url=f"postgresql+{driver}://host/name", embeddings=embeddings)


def test_a_database_that_no_store_is_tried_on_is_refused_by_name(embeddings):
    with pytest.raises(InvalidInputError, match="in SQLite or in PostgreSQL"):
        agentmem.open(database_url="mysql://host/name", embeddings=embeddings)


@pytest.mark.parametrize("url", ["nonsense", "ftp://x", "http://", "http://x:port", "http://x:99999", "127.0.0.1:8000"])
def test_a_chroma_url_that_cannot_be_used_is_refused(tmp_path, embeddings, url):
    with pytest.raises(InvalidInputError, match="chroma_url"):
        agentmem.open(tmp_path / "home", chroma_url=url, embeddings=embeddings)
