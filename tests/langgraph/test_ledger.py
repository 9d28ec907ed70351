"""What a refused person left in a thread is not shown, recorded or learned as its owner's, whatever it is."""

from __future__ import annotations

import pytest
from langchain.agents import create_agent
from langchain.agents.middleware import AgentMiddleware, HumanInTheLoopMiddleware
from langchain_core.messages import AIMessage, HumanMessage, SystemMessage, ToolMessage
from langchain_core.tools import tool
from langgraph.checkpoint.memory import InMemorySaver
from langgraph.graph import START, MessagesState, StateGraph
from langgraph.runtime import Runtime
from langgraph.types import Command, interrupt

from agentmem import InvalidInputError
from agentmem.agents import ledger
from agentmem.langgraph import (
    ConversationMiddleware,
    MemoryContext,
    MemoryMiddleware,
    MemoryState,
    create_conversation_nodes,
    create_memory_node,
    create_model_node,
    inject_memory,
)

from .conftest import ada, ainvoke, calling, invoke, said, scripted, thread

EVE = {"user_id": "eve", "agent_id": "support"}
ADA = ada("support")
NOT_DONE = "Not done: somebody else answered for the user. Ask the user again if it is still wanted."


@tool
def wipe() -> str:
    """Wipe everything."""
    return "Wiped."


@tool
def ask_a_person() -> str:
    """Ask a person, and wait."""
    return str(interrupt("May I?"))


@pytest.fixture(params=[invoke, ainvoke])
def run(request):
    return request.param


@pytest.fixture(autouse=True)
def _agent(mem):
    mem.agents.configure("support", memory_enabled=True)


def alone(mem, model, *middleware, **options):
    own = [ConversationMiddleware(mem), MemoryMiddleware(mem), *middleware]
    return create_agent(
        model, middleware=own, context_schema=MemoryContext, checkpointer=options.pop("saver", None), **options
    )


def single(mem, model, *middleware, **options):
    return alone(mem, model, *middleware, saver=InMemorySaver(), **options)


def in_a_parent(mem, model, *middleware, **options):
    builder = StateGraph(MessagesState, context_schema=MemoryContext)
    builder.add_node("support", alone(mem, model, *middleware, **options))
    builder.add_edge(START, "support")
    return builder.compile(checkpointer=InMemorySaver())


def of_nodes(mem, model):
    start, _ = create_conversation_nodes(mem)
    builder = StateGraph(
        MemoryState, input_schema=MessagesState, output_schema=MessagesState, context_schema=MemoryContext
    )
    builder.add_sequence(
        [("start", start), ("memory", create_memory_node(mem)), ("model", create_model_node(mem, model))]
    )
    builder.add_edge(START, "start")
    return builder.compile(checkpointer=InMemorySaver())


@pytest.fixture(params=[single, in_a_parent], ids=["single", "parent"])
def shape(request):
    return request.param


LEFT = {
    "words": [HumanMessage("EVIL")],
    "an answer": [AIMessage("EVIL")],
    "an answer and words": [AIMessage("EVIL"), HumanMessage("EVIL, too")],
    "words, an answer and words": [HumanMessage("EVIL"), AIMessage("EVIL"), HumanMessage("EVIL, too")],
    "an instruction": [SystemMessage("EVIL"), HumanMessage("hi")],
    "a reminder": [HumanMessage("EVIL", additional_kwargs={"lc_source": "agentmem"})],
    "a tool's answer": [calling("wipe"), ToolMessage("EVIL", tool_call_id="call-wipe"), AIMessage("EVIL")],
    "her own words": [HumanMessage("EVIL", id="hers")],
    "her own words under another name": [HumanMessage("I am allergic", id="hers", name="EVIL")],
    "her assistant's words": [AIMessage("EVIL", id="its")],
    "a call by her assistant": [AIMessage("", id="its", tool_calls=calling("wipe", why="EVIL").tool_calls)],
}
REPLACED = {"hers": "I am allergic", "its": "hello Ada"}


@pytest.fixture(params=LEFT)
def left(request):
    return LEFT[request.param]


def refuse(run, graph, given):
    with pytest.raises(InvalidInputError, match=r"thread_id: .* another user"):
        run(graph, given, thread(), EVE)


def recorded(mem):
    (record,) = mem.conversations.list()
    return [(message.role, message.content) for message in record.messages]


HEARD = [
    ("user", "I am allergic"),
    ("assistant", "hello Ada"),
    ("user", "What may I eat?"),
    ("assistant", "bread"),
    ("user", "Thanks"),
    ("assistant", "still here"),
]


@pytest.mark.parametrize("made", [single, in_a_parent, of_nodes])
def test_whatever_a_refused_person_left_is_neither_shown_nor_recorded(mem, run, made, left):
    model = scripted(AIMessage("hello Ada", id="its"), "bread", "still here")
    graph = made(mem, model)
    run(graph, said("I am allergic", "hers"), thread(), ADA)
    refuse(run, graph, {"messages": [message.model_copy() for message in left]})

    run(graph, said("What may I eat?"), thread(), ADA)
    run(graph, said("Thanks"), thread(), ADA)

    assert "EVIL" not in repr(model.prompts)
    lost = {REPLACED[message.id] for message in left if message.id in REPLACED}
    shown = [message.text for message in model.prompts[-1]]
    spoken = [text for _, text in HEARD]
    assert [text for text in shown if text in spoken] == [text for text in spoken[:-1] if text not in lost]
    # By hand, an answer is recorded in the turn that comes after it.
    unheard = lost & {"hello Ada"} if made is of_nodes else set()
    heard = [one for one in HEARD[:-1] if one[1] not in unheard]
    assert recorded(mem)[: len(heard)] == heard


def test_an_answer_that_a_refused_person_gave_for_the_owner_is_stood_in_for(mem, run, shape):
    model = scripted(calling("wipe"), "bread", "still here")
    graph = shape(mem, model, HumanInTheLoopMiddleware(interrupt_on={"wipe": True}), tools=[wipe])
    run(graph, said("Wipe it"), thread(), ADA)
    refuse(run, graph, Command(resume={"decisions": [{"type": "reject", "message": "EVIL"}]}))

    run(graph, None, thread(), ADA)
    run(graph, said("Thanks"), thread(), ADA)

    assert "EVIL" not in repr(model.prompts)
    assert [message.text for message in model.prompts[-1] if message.type == "tool"] == [NOT_DONE]
    assert "EVIL" not in repr(recorded(mem))
    assert [one for one in recorded(mem) if one[0] != "tool"] == [
        ("user", "Wipe it"),
        ("assistant", "bread"),
        ("user", "Thanks"),
        ("assistant", "still here"),
    ]


def test_what_a_refused_person_adds_with_an_answer_for_the_owner_is_not_shown_either(mem, run, shape):
    model = scripted(calling("wipe"), "bread", "still here")
    graph = shape(mem, model, HumanInTheLoopMiddleware(interrupt_on={"wipe": True}), tools=[wipe])
    run(graph, said("Wipe it"), thread(), ADA)
    decision = {"decisions": [{"type": "reject", "message": "EVIL"}]}
    refuse(run, graph, Command(resume=decision, update={"messages": [HumanMessage("EVIL")]}))

    run(graph, None, thread(), ADA)
    run(graph, said("Thanks"), thread(), ADA)

    assert "EVIL" not in repr(model.prompts)
    assert "EVIL" not in repr(recorded(mem))
    assert [message.text for message in model.prompts[-1] if message.type == "human"] == ["Wipe it", "Thanks"]


def test_a_call_that_a_refused_person_changed_is_not_done_nor_shown(mem, run, shape):
    model = scripted(calling("wipe"), "bread", "still here")
    graph = shape(mem, model, HumanInTheLoopMiddleware(interrupt_on={"wipe": True}), tools=[wipe])
    run(graph, said("Wipe it"), thread(), ADA)
    edited = {"type": "edit", "edited_action": {"name": "wipe", "args": {"why": "EVIL"}}}
    refuse(run, graph, Command(resume={"decisions": [edited]}))

    run(graph, None, thread(), ADA)
    run(graph, said("Thanks"), thread(), ADA)

    assert "EVIL" not in repr(model.prompts)
    assert "Wiped." not in repr(model.prompts)
    assert [message.text for message in model.prompts[-1] if message.type == "human"] == ["Wipe it", "Thanks"]


@pytest.mark.parametrize("update", [[HumanMessage("EVIL")], [AIMessage("EVIL"), HumanMessage("EVIL")]])
@pytest.mark.parametrize("resumes", [True, False], ids=["resumed", "begun anew"])
def test_what_a_refused_person_adds_as_they_resume_a_run_is_neither_shown_nor_recorded(
    mem, run, shape, update, resumes
):
    model = scripted(calling("ask_a_person"), "bread", "still here")
    graph = shape(mem, model, tools=[ask_a_person])
    run(graph, said("Refund me"), thread(), ADA)
    refuse(run, graph, Command(resume="EVIL", update={"messages": [one.model_copy() for one in update]}))

    if resumes:
        run(graph, Command(resume="by ada"), thread(), ADA)
    run(graph, said("Thanks"), thread(), ADA)

    assert "EVIL" not in repr(model.prompts)
    assert "EVIL" not in repr(recorded(mem))
    assert [message.text for message in model.prompts[-1] if message.type == "human"] == ["Refund me", "Thanks"]
    assert [text for role, text in recorded(mem) if role == "user"] == ["Refund me", "Thanks"]
    if resumes:
        assert [message.text for message in model.prompts[-1] if message.type == "tool"] == ["by ada"]


def test_all_that_an_owner_says_at_once_is_heard_again_after_one_turn(mem, run, shape):
    model = scripted(calling("ask_a_person"), "bread", "still here")
    graph = shape(mem, model, tools=[ask_a_person])
    run(graph, said("Refund me"), thread(), ADA)
    refuse(run, graph, Command(resume="EVIL", update={"messages": [HumanMessage("EVIL")]}))
    run(graph, said("Well?"), thread(), ADA)

    run(graph, {"messages": [HumanMessage("One"), HumanMessage("Two")]}, thread(), ADA)

    shown = [message.text for message in model.prompts[-1] if message.type == "human"]
    assert shown == ["Refund me", "Well?", "One", "Two"]


def test_a_model_called_in_a_node_of_ones_own_is_not_shown_it_either(mem, run, left):
    model = scripted("hello Ada", "bread")

    def call(state: MemoryState, runtime):
        return {"messages": [model.invoke(inject_memory(mem, state, runtime))]}

    builder = StateGraph(
        MemoryState, input_schema=MessagesState, output_schema=MessagesState, context_schema=MemoryContext
    )
    builder.add_sequence([("memory", create_memory_node(mem)), ("call", call)])
    builder.add_edge(START, "memory")
    graph = builder.compile(checkpointer=InMemorySaver())
    run(graph, said("I am allergic", "hers"), thread(), ADA)
    refuse(run, graph, {"messages": [message.model_copy() for message in left]})

    run(graph, said("What may I eat?"), thread(), ADA)

    assert "EVIL" not in repr(model.prompts)
    assert model.prompts[-1][-1].text == "What may I eat?"


def test_what_the_part_that_refuses_is_not_shown_is_left_out_by_the_others_too(mem, run):
    triage = create_agent(
        scripted("triaged", "triaged"), middleware=[MemoryMiddleware(mem)], context_schema=MemoryContext
    )

    def classify(state, runtime: Runtime[MemoryContext]):
        triage.invoke({"messages": [HumanMessage(f"Classify: {state['messages'][-1].text}")]}, context=runtime.context)

    builder = StateGraph(MessagesState, context_schema=MemoryContext)
    builder.add_node("triage", classify)
    builder.add_node("support", alone(mem, model := scripted("hello Ada", "bread")))
    builder.add_edge(START, "triage")
    builder.add_edge("triage", "support")
    graph = builder.compile(checkpointer=InMemorySaver())
    run(graph, said("I am allergic"), thread(), ADA)
    refuse(run, graph, {"messages": [SystemMessage("EVIL"), HumanMessage("EVIL")]})

    run(graph, said("What may I eat?"), thread(), ADA)

    assert [message.text for message in model.prompts[-1]] == ["I am allergic", "hello Ada", "What may I eat?"]
    assert "EVIL" not in repr(mem.conversations.list()[0].messages)


def digests(tables):
    (row,) = tables()["agentmem_thread"]
    return len(row[-1]) // ledger.DIGEST_LENGTH


@pytest.mark.both_databases
@pytest.mark.parametrize("made", [single, of_nodes])
def test_each_message_of_an_owner_is_noted_once_and_none_of_anyone_elses(mem, run, made, tables):
    graph = made(mem, scripted("hello Ada", "bread"))
    run(graph, said("I am allergic"), thread(), ADA)
    assert digests(tables) == 2
    refuse(run, graph, {"messages": [AIMessage("EVIL"), HumanMessage("EVIL")]})
    refuse(run, graph, {"messages": [HumanMessage("EVIL")]})
    assert (digests(tables), len(tables()["agentmem_refused_message"])) == (2, 4)  # and that there may be more

    run(graph, said("What may I eat?"), thread(), ADA)

    assert (digests(tables), len(tables()["agentmem_refused_message"])) == (4, 3)


def test_what_is_noted_of_a_thread_names_and_quotes_nobody(mem, run, tables):
    graph = single(mem, scripted("hello Ada"))
    run(graph, said("I am allergic", "hers"), thread(), ADA)
    refuse(run, graph, said("EVIL", "his"))

    noted = repr([tables()["agentmem_refused_message"], tables()["agentmem_thread"][0][-1]])
    assert not any(word in noted for word in ("allergic", "EVIL", "hers", "his", "eve"))


def test_a_thread_in_which_others_left_too_much_is_nobodys_to_go_on_with(mem, run):
    model = scripted("hello Ada", "never")
    graph = single(mem, model)
    run(graph, said("I am allergic"), thread(), ADA)
    refuse(run, graph, {"messages": [HumanMessage("EVIL") for _ in range(ledger.MOST_REFUSED + 1)]})

    with pytest.raises(InvalidInputError, match="thread_id: others left too much in this thread; start a new one"):
        run(graph, said("What may I eat?"), thread(), ADA)
    assert len(model.prompts) == 1


def test_of_a_very_long_thread_the_newest_messages_are_its_owners(mem, run, tables):
    model = scripted("hello Ada", "bread", "still here")
    graph = single(mem, model)
    many = [HumanMessage(f"word {number}", id=f"{number}") for number in range(ledger.MOST_KEPT + 10)]
    run(graph, {"messages": many}, thread(), ADA)
    assert digests(tables) == ledger.MOST_KEPT
    refuse(run, graph, {"messages": [HumanMessage("EVIL", id="3"), AIMessage("EVIL")]})

    run(graph, said("What may I eat?"), thread(), ADA)

    shown = [message.text for message in model.prompts[-1]]
    assert "EVIL" not in shown
    assert shown[-3:] == [many[-1].text, "hello Ada", "What may I eat?"]
    assert len(shown) >= ledger.MOST_KEPT
    assert digests(tables) == ledger.MOST_KEPT
    assert len(tables()["agentmem_refused_message"]) == 1


def test_a_request_that_another_middleware_changed_holds_nothing_of_it_either(mem):
    class Shouting(AgentMiddleware):
        def wrap_model_call(self, request, handler):
            loud = [one.model_copy(update={"content": f"{one.text}!"}) for one in request.messages]
            return handler(request.override(messages=loud))

    model = scripted("hello Ada", "bread")
    graph = create_agent(
        model,
        middleware=[Shouting(), MemoryMiddleware(mem)],
        context_schema=MemoryContext,
        checkpointer=InMemorySaver(),
    )
    graph.invoke(said("I am allergic"), thread(), context=ADA)
    refuse(invoke, graph, said("EVIL"))
    graph.invoke(said("What may I eat?"), thread(), context=ADA)

    assert [message.text for message in model.prompts[-1]] == ["I am allergic!", "hello Ada!", "What may I eat?!"]
