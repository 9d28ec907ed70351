"""Whose memory a run uses: from its context and whoever was authenticated, never from the model."""

from __future__ import annotations

from dataclasses import dataclass
from types import SimpleNamespace

import pytest
from pydantic import ValidationError

from agentmem import InvalidInputError, MemoryContext, MemoryPolicy
from agentmem.langgraph import MemoryMiddleware, create_memory_node, create_model_node
from agentmem.testing import seen_memory

from .conftest import ada, auto, calling, said, scripted


@dataclass
class Customer:
    """An application's own run context."""

    number: str


def blocks(model):
    return [block.content for block in seen_memory(model.prompts[-1]).blocks]


@pytest.fixture(autouse=True)
def _memories(mem):
    mem.client(user_id="ada").memory.append("core", "ada's")
    mem.client(user_id="ada").memory.append("core", "ada's with emails", agent_id="agent_emails")
    mem.client(user_id="bob").memory.append("core", "bob's")


def test_a_context_may_be_a_value_or_a_dict(way, mem):
    for context in (MemoryContext(user_id="ada"), {"user_id": "ada"}):
        way.run(way.build(mem, model := scripted("ok")), said("hi"), context=context)
        assert blocks(model) == ["ada's"]


def test_a_dict_is_coerced_where_the_graph_has_no_context_schema(way, mem):
    mem.client(user_id="ada").memory.remember("Acme renews in March")
    graph = way.build(mem, model := scripted("ok"), context_schema=None)

    way.run(graph, said("When does Acme renew?"), context=auto())

    assert blocks(model) == ["ada's"]
    assert [one.content for one in seen_memory(model.prompts[0]).memories] == ["Acme renews in March"]


def test_no_context_is_a_clear_error(way, mem):
    with pytest.raises(InvalidInputError, match=r"context: .*MemoryContext\(user_id"):
        way.run(way.build(mem, model := scripted("never")), said("hi"))
    assert model.prompts == []


def test_a_foreign_context_is_a_clear_error_that_names_the_way_out(way, mem):
    graph = way.build(mem, scripted("never"), context_schema=Customer)
    with pytest.raises(InvalidInputError, match=r"context: a Customer .* context=lambda runtime"):
        way.run(graph, said("hi"), context=Customer("ada"))


def test_a_bad_dict_is_refused_before_anything_runs(way, mem):
    graph = way.build(mem, model := scripted("never"), context_schema=None)
    with pytest.raises(ValidationError):
        way.run(graph, said("hi"), context={"user_id": "ada", "tenant_id": "acme"})
    assert model.prompts == []


@pytest.mark.parametrize("user_id", ["", " ", "a\x00b", "x" * 10_000])
def test_an_impossible_user_is_refused_without_repeating_it(either_way, mem, user_id):
    with pytest.raises(InvalidInputError, match=r"^user_id: ") as caught:
        either_way.run(either_way.build(mem, scripted("never")), said("hi"), context={"user_id": user_id})
    assert not user_id.strip() or user_id not in str(caught.value)


@pytest.mark.parametrize("agent_id", ["", " ", "a\x00b", "x" * 10_000])
def test_an_impossible_agent_is_refused(either_way, mem, agent_id):
    with pytest.raises(InvalidInputError, match=r"^agent_id: "):
        either_way.run(
            either_way.build(mem, scripted("never")),
            said("hi"),
            context=auto(agent_id, include_user_core=False, include_agent_core=False),
        )


def test_an_adapter_makes_the_context_of_an_applications_own(way, mem):
    def adapt(runtime):
        return MemoryContext(user_id=runtime.context.number, memory_policy=MemoryPolicy(archival_min_score=0))

    mem.client(user_id="bob").memory.remember("Acme renews in March")
    model = scripted(calling("recall", query="renewal"), "ok")
    graph = way.build(mem, model, context=adapt, context_schema=Customer)

    way.run(graph, said("hi"), context=Customer("bob"))

    assert blocks(model) == ["bob's"]
    assert [one.content for one in seen_memory(model.prompts[1]).answers] == ["Acme renews in March"]


def test_who_was_authenticated_wins_over_who_the_client_says_it_is(way, mem):
    bob = {"configurable": {"langgraph_auth_user": SimpleNamespace(identity="bob")}}
    mem.client(user_id="bob").memory.remember("Acme renews in March")
    model = scripted(calling("recall", query="Acme renews in March"), "ok", "ok")
    graph = way.build(mem, model)

    way.run(graph, said("hi"), bob, context={"user_id": "ada"})
    assert blocks(model) == ["bob's"]
    assert [one.content for one in seen_memory(model.prompts[1]).answers] == ["Acme renews in March"]

    way.run(graph, said("hi"), bob)
    assert blocks(model) == ["bob's"]


def test_an_agent_given_where_memory_is_added_wins_over_the_contexts(way, mem):
    graph = way.build(mem, model := scripted("ok"), agent_id="agent_emails")
    way.run(graph, said("hi"), context=ada("agent_records"))
    assert blocks(model) == ["ada's", "ada's with emails"]


def test_the_tenant_is_the_stores(way, mem):
    mem.tenant("acme").client(user_id="ada").memory.append("core", "ada's at acme")
    way.run(way.build(mem.tenant("acme"), model := scripted("ok")), said("hi"), context=ada())
    assert blocks(model) == ["ada's at acme"]


def test_a_store_may_be_opened_by_the_first_run(way, mem):
    opened = []

    def open_store():
        opened.append(mem)
        return mem

    graph = way.build(open_store, model := scripted("ok"))
    assert opened == []
    way.run(graph, said("hi"), context=ada())
    assert blocks(model) == ["ada's"]


def test_a_blank_agent_is_refused_where_memory_is_added(mem):
    with pytest.raises(InvalidInputError, match="agent_id"):
        MemoryMiddleware(mem, agent_id="")
    with pytest.raises(InvalidInputError, match="agent_id"):
        create_memory_node(mem, agent_id=" ")
    with pytest.raises(InvalidInputError, match="agent_id"):
        create_model_node(mem, scripted(), agent_id="\x00")
