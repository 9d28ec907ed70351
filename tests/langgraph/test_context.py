"""Whose memory a run uses: from its context and whoever was authenticated, never from the model."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass
from types import SimpleNamespace

import pytest
from langgraph.runtime import Runtime
from pydantic import ValidationError

from agentmem import BackendError, InvalidInputError, MemoryContext, MemoryPolicy
from agentmem.langgraph import (
    MemoryMiddleware,
    create_archival_tools,
    create_core_memory_tools,
    create_memory_node,
    create_model_node,
    create_recall_tool,
    create_tool_node,
    inject_memory,
)
from agentmem.testing import seen_memory

from .conftest import ada, auto, calling, said, scripted


@dataclass
class Customer:
    """An application's own run context."""

    number: str


def blocks(model):
    return [block.content for block in seen_memory(model.prompts[-1]).blocks]


PARTS = {
    "middleware": MemoryMiddleware,
    "memory node": create_memory_node,
    "model node": lambda mem: create_model_node(mem, scripted()),
    "tool node": lambda mem: create_tool_node(mem, []),
    "recall": create_recall_tool,
    "core": create_core_memory_tools,
    "archival": create_archival_tools,
    "inject": lambda mem: inject_memory(mem, said("hi"), Runtime(context=ada())),
}


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


BAD = [
    ({"user_id": "zebra", "tenant_id": "acme"}, "context: tenant_id: Extra inputs"),
    ({"user": "zebra"}, "context: user_id: Field required; user: Extra inputs"),
    ({"user_id": 5}, "context: user_id: Input should be a valid string"),
    (
        {"user_id": "zebra", "memory_policy": {"archival_mode": "zebra", "archival_limit": 99}},
        "context: memory_policy.archival_mode: Input should be .*; memory_policy.archival_limit: .* equal to 50",
    ),
]


@pytest.mark.parametrize(("bad", "told"), BAD)
def test_a_bad_dict_is_refused_by_field_and_rule_before_anything_runs(way, mem, bad, told):
    graph = way.build(mem, model := scripted("never"), context_schema=None)
    with pytest.raises(InvalidInputError, match=told) as caught:
        way.run(graph, said("hi"), context=bad)
    assert model.prompts == []
    assert "zebra" not in str(caught.value)


@pytest.mark.parametrize(
    ("answer", "told"), [*BAD, ("zebra", "context: your function returned a str"), (None, "returned a NoneType")]
)
def test_a_bad_answer_of_an_adapter_is_refused_the_same_way(either_way, mem, answer, told):
    graph = either_way.build(mem, model := scripted("never"), context=lambda _: answer, context_schema=Customer)
    with pytest.raises(InvalidInputError, match=told) as caught:
        either_way.run(graph, said("hi"), context=Customer("ada"))
    assert model.prompts == []
    assert "zebra" not in str(caught.value)


def test_an_adapters_own_error_goes_through(either_way, mem):
    graph = either_way.build(mem, scripted("never"), context=lambda _: MemoryContext(user_id=5))
    with pytest.raises(ValidationError):
        either_way.run(graph, said("hi"), context=ada())


def test_a_bad_policy_made_by_hand_is_pydantics_to_refuse():
    with pytest.raises(ValidationError):
        MemoryContext(user_id="ada", memory_policy={"archival_limit": 99})


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


def test_a_store_may_be_opened_by_the_first_run_and_only_once(way, mem):
    opened = []

    def open_store():
        opened.append(mem)
        return mem

    model = scripted(calling("recall", query="tea"), "ok", "ok")
    graph = way.build(open_store, model)
    assert opened == []
    way.run(graph, said("hi"), context=ada())
    way.run(way.build(open_store, model), said("hi"), context=ada())
    assert blocks(model) == ["ada's"]
    assert opened == [mem]


def test_a_function_of_ones_own_node_opens_once_too(mem):
    opened = []

    def open_store():
        opened.append(mem)
        return mem

    runtime = Runtime(context=ada())
    for _ in range(3):
        inject_memory(open_store, said("hi"), runtime)
    assert opened == [mem]


def test_runs_that_begin_at_once_open_one_store(mem):
    begun, both_inside, opened = threading.Barrier(8), threading.Barrier(2), []

    def open_store():
        opened.append(mem)
        with suppress(threading.BrokenBarrierError):  # a moment in which a second one would come in
            both_inside.wait(0.2)
        return mem

    def ask(_):
        begun.wait()
        return inject_memory(open_store, said("hi"), Runtime(context=ada()))

    with ThreadPoolExecutor(8) as pool:
        prompts = list(pool.map(ask, range(8)))
    assert len({str(prompt) for prompt in prompts}) == 1
    assert opened == [mem]


def test_a_store_that_could_not_be_opened_is_tried_again(either_way, mem):
    outcomes = [BackendError("database: not yet"), mem]

    def open_store():
        outcome = outcomes.pop(0)
        if isinstance(outcome, Exception):
            raise outcome
        return outcome

    graph = either_way.build(open_store, model := scripted("ok"))
    with pytest.raises(BackendError, match="not yet"):
        either_way.run(graph, said("hi"), context=ada())
    either_way.run(graph, said("hi"), context=ada())
    assert blocks(model) == ["ada's"]


def test_a_function_that_opens_something_else_is_refused(either_way, client):
    graph = either_way.build(lambda: client, scripted("never"))
    with pytest.raises(InvalidInputError, match=r"mem: must be what agentmem\.open returns, .* not Client"):
        either_way.run(graph, said("hi"), context=ada())


@pytest.mark.parametrize("part", PARTS)
def test_what_is_no_store_is_refused_where_memory_is_added(client, part):
    for given in ("path", None, client):
        with pytest.raises(InvalidInputError, match=r"mem: must be what agentmem\.open returns"):
            PARTS[part](given)


def test_a_blank_agent_is_refused_where_memory_is_added(mem):
    with pytest.raises(InvalidInputError, match="agent_id"):
        MemoryMiddleware(mem, agent_id="")
    with pytest.raises(InvalidInputError, match="agent_id"):
        create_memory_node(mem, agent_id=" ")
    with pytest.raises(InvalidInputError, match="agent_id"):
        create_model_node(mem, scripted(), agent_id="\x00")
