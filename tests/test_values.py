"""The values that calls return: frozen, comparable, shown as tables, and the errors beside them."""

from __future__ import annotations

import pickle
import subprocess
import sys
from dataclasses import fields, is_dataclass

import pytest

import agentmem
from agentmem import (
    AgentMemError,
    BackendError,
    ConflictError,
    ExtractionError,
    InvalidInputError,
    Line,
    MemoryPolicy,
    NotFoundError,
    RunOptions,
    Scope,
)
from agentmem.errors import sentence
from agentmem.testing import HashingEmbeddings

from .conftest import environment


@pytest.fixture
def values(mem, memory):
    memory.append("core", "<script>alert('tea')</script>\n- two")
    lines = memory.remember([Line("<b>tea</b>", speaker="<i>Ada</i>"), "rye"])
    return {
        "MemoryBlock": memory.get("core"),
        "BlockVersion": memory.history("core")[0],
        "ArchivalLine": lines[0],
        "MemoryRecallResult": memory.recall("tea", explain=True)[0],
        "Explanation": memory.recall("tea", explain=True)[0].explanation,
        "ExplainedTerm": memory.recall("tea", explain=True)[0].explanation.terms[0],
        "CheckReport": mem.check(),
        "Scope": Scope("acme", "ada", "x"),
        "Line": Line("tea"),
        "MemoryPolicy": MemoryPolicy(),
        "RunOptions": RunOptions(),
    }


def test_a_value_is_frozen_hashable_and_survives_pickling(values):
    for name, value in values.items():
        assert type(value).__name__ == name
        first = fields(value)[0].name if is_dataclass(value) else next(iter(type(value).model_fields))
        with pytest.raises((AttributeError, ValueError)):
            setattr(value, first, "other")
        assert pickle.loads(pickle.dumps(value)) == value  # noqa: S301 - pickled one line above
        assert isinstance(hash(value), int)


def test_values_show_themselves_as_tables_and_stored_text_stays_text(values, memory):
    shown = [
        values[name]._repr_html_() for name in ("MemoryBlock", "BlockVersion", "ArchivalLine", "MemoryRecallResult")
    ]
    shown += [each._repr_html_() for each in (memory.list(), memory.history("core"), memory.recall("tea"))]
    for html in shown:
        assert html.count("<table") == 1
        assert not any(tag in html for tag in ("<script", "<b>", "<i>"))
    assert "&lt;script&gt;alert(&#x27;tea&#x27;)&lt;/script&gt;" in shown[0]


def test_lists_are_lists(memory):
    for found in (memory.list(), memory.recall("tea"), memory.remember(["tea"])):
        assert isinstance(found, list)
        assert found == list(found)
        assert isinstance(found._repr_html_(), str)


@pytest.mark.parametrize(
    ("error", "also", "status", "exit_code"),
    [
        (NotFoundError, LookupError, 404, 3),
        (ConflictError, AgentMemError, 409, 4),
        (InvalidInputError, ValueError, 422, 2),
        (ExtractionError, AgentMemError, 502, 5),
        (BackendError, AgentMemError, 503, 6),
    ],
)
def test_every_error_is_in_the_tree_with_its_codes(error, also, status, exit_code):
    assert issubclass(error, AgentMemError)
    assert issubclass(error, also)
    assert (error.status, error.exit_code) == (status, exit_code)


def test_a_conflict_brings_the_current_block_through_a_pickle(memory):
    block = memory.append("core", "tea")
    with pytest.raises(ConflictError) as caught:
        memory.update("core", "rye", expected_updated_at=None)
    again = pickle.loads(pickle.dumps(caught.value))  # noqa: S301 - pickled in the same line
    assert (again.current, str(again)) == (block, str(caught.value))


def test_no_message_holds_what_was_stored_or_who_it_is_about(mem):
    memory = mem.client("zebra-user", actor="zebra-actor").memory
    memory.append("core", "zebra tea zebra", agent_id="zebra-agent", idempotency_key="zebra-key")
    memory.remember("zebra", idempotency_key="zebra-lines")
    calls = [
        lambda: memory.append("core", "zebra other", agent_id="zebra-agent", idempotency_key="zebra-key"),
        lambda: memory.remember("zebra other", idempotency_key="zebra-lines"),
        lambda: memory.update("core", "zebra", agent_id="zebra-agent", expected_updated_at=None),
        lambda: memory.update("core", "zebra", agent_id="zebra-agent", expected_updated_at="2020-01-01T00:00:00Z"),
        lambda: memory.delete("core", agent_id="zebra-agent", expected_updated_at="2020-01-01T00:00:00Z"),
        lambda: memory.replace("core", "zebra", "x", agent_id="zebra-agent"),
        lambda: memory.get("zebra", agent_id="zebra-agent"),
        lambda: memory.get("core"),
        lambda: memory.history("zebra"),
        lambda: memory.remember(["zebra" * 2_000]),
        lambda: mem.client("zebra" * 100),
        lambda: mem.tenant("zebra\x00"),
        lambda: mem.client("zebra-user").agents.run("zebra-agent", "zebra"),
    ]
    for call in calls:
        with pytest.raises(AgentMemError) as caught:
            call()
        error = caught.value
        assert error.field
        assert str(error) == sentence(error.rule, field=error.field, advice=error.advice)
        assert "zebra" not in repr({name: value for name, value in vars(error).items() if name != "current"})


@pytest.mark.parametrize("seed", ["0", "1"])
def test_the_test_embeddings_are_the_same_in_every_process(seed):
    program = "from agentmem.testing import HashingEmbeddings as E; print(E(16).embed_query('Ada moved to Oslo'))"
    ran = subprocess.run(
        [sys.executable, "-c", program],
        env={**environment(), "PYTHONHASHSEED": seed},
        check=True,
        capture_output=True,
        text=True,
    )
    assert ran.stdout.strip() == str(HashingEmbeddings(16).embed_query("Ada moved to Oslo"))


def test_a_scope_needs_a_tenant_and_a_user():
    for wrong in (("", "ada"), ("acme", ""), ("acme", "ada", "")):
        with pytest.raises(ValueError, match="scope"):
            Scope(*wrong)
    assert (Scope("acme", "ada").name, Scope("acme", "ada", "x").name) == ("user", "agent")
    assert Scope("acme", "ada", "x").user == Scope("acme", "ada")


def test_the_package_tells_its_names(home):
    assert set(dir(agentmem)) == set(agentmem.__all__)
