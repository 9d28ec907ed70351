"""A thread's turns are one conversation: what is recorded, when it ends, and what the next one knows."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor
from typing import Any
from uuid import uuid4

import pytest
from blockbuster import blockbuster_ctx
from langchain.agents import create_agent
from langchain.tools import ToolRuntime
from langchain_core.messages import AIMessage, HumanMessage, SystemMessage, ToolMessage
from langchain_core.tools import tool
from langgraph.checkpoint.memory import InMemorySaver
from langgraph.graph import END, START, MessagesState, StateGraph
from langgraph.prebuilt import ToolNode
from langgraph.runtime import Runtime
from langgraph.types import Command, interrupt

from agentmem import BackendError, InvalidInputError, NotFoundError
from agentmem.agents.graphs import recording
from agentmem.langgraph import (
    ConversationMiddleware,
    MemoryContext,
    MemoryMiddleware,
    MemoryState,
    create_conversation_nodes,
    create_memory_node,
    create_model_node,
    create_recall_tool,
    inject_memory,
)
from agentmem.testing import FrozenClock

from .conftest import Way, ada, ainvoke, auto, calling, invoke, said, scripted, thread

AGENT = "support"
PROMPT = "You are kind. {{memory}}"
KNOWN = "Known facts about this caller:\n1. Ada likes tea"


def never(_):
    return False


def says_bye(state):
    return "bye" in [message.text for message in state["messages"] if message.type == "human"][-1]


def with_middleware(mem, model, *, end_when=None, tools=(), prompt=PROMPT, options=None, **compiled):
    middleware = [
        ConversationMiddleware(mem, end_when=end_when, **(options or {})),
        MemoryMiddleware(mem, (options or {}).get("agent_id")),
    ]
    return create_agent(
        model,
        tools=list(tools),
        system_prompt=prompt,
        middleware=middleware,
        context_schema=MemoryContext,
        **compiled,
    )


def by_hand(mem, model, *, end_when=None, tools=(), prompt=PROMPT, options=None, **compiled):
    start, end = create_conversation_nodes(mem, **(options or {}))
    own = {"agent_id": options["agent_id"]} if options and "agent_id" in options else {}
    every_tool = [create_recall_tool(mem, **own), *tools]

    def after_talk(state):
        if state["messages"][-1].tool_calls:
            return "tools"
        return "end" if (end_when or never)(state) else END

    builder = StateGraph(
        MemoryState, input_schema=MessagesState, output_schema=MessagesState, context_schema=MemoryContext
    )
    builder.add_node("start", start)
    builder.add_node("memory", create_memory_node(mem, **own))
    builder.add_node("model", create_model_node(mem, model, every_tool, prompt, **own))
    builder.add_node("tools", ToolNode(every_tool))
    builder.add_node("end", end)
    builder.add_edge(START, "start")
    builder.add_edge("start", "memory")
    builder.add_edge("memory", "model")
    builder.add_conditional_edges("model", after_talk, ["tools", "end", END])
    builder.add_edge("tools", "model")
    builder.add_edge("end", END)
    return builder.compile(**compiled)


WAYS = {
    "middleware": Way(with_middleware, invoke),
    "middleware-async": Way(with_middleware, ainvoke),
    "nodes": Way(by_hand, invoke),
    "nodes-async": Way(by_hand, ainvoke),
}


@pytest.fixture(params=WAYS)
def way(request):
    return WAYS[request.param]


@pytest.fixture(params=["middleware", "nodes-async"])
def either_way(request):
    return WAYS[request.param]


@pytest.fixture(params=[with_middleware, by_hand])
def build(request):
    return request.param


class TickingClock(FrozenClock):
    """A clock that moves by a second whenever it is asked, so that what is later looks later."""

    def __call__(self):
        self.move(seconds=1)
        return self.now


@pytest.fixture
def clock():
    return TickingClock()


@pytest.fixture(autouse=True)
def _agents(mem):
    mem.agents.configure(AGENT, memory_enabled=True, state_keys=["cheese_type", "day"])


@pytest.fixture
def talk(way, mem):
    """One agent with threads, and a function that says something to it in one of them."""

    def prepare(*steps, end_when=says_bye, context=None, **options):
        model = scripted(*steps)
        graph = way.build(mem, model, end_when=end_when, checkpointer=InMemorySaver(), **options)

        def say(text, where="t", message_id=None):
            return way.run(graph, said(text, message_id), thread(where), context or ada(AGENT))

        say.graph, say.model = graph, model
        return say

    return prepare


def held(mem):
    """Every conversation there is, oldest first, with its messages."""
    return mem.conversations.list()[::-1]


def spoken(record):
    return [(message.role, message.content) for message in record.messages]


def prompt_of(model):
    return model.prompts[-1][0].text


def test_the_turns_of_a_thread_are_one_conversation(talk, mem):
    say = talk("Hello Ada", "Tea it is", "Goodbye")
    say("Hi")
    say("I like tea")
    say("bye")

    (record,) = held(mem)
    assert spoken(record) == [
        ("user", "Hi"),
        ("assistant", "Hello Ada"),
        ("user", "I like tea"),
        ("assistant", "Tea it is"),
        ("user", "bye"),
        ("assistant", "Goodbye"),
    ]
    assert (record.status, record.agent_id, record.caller_identity, record.thread_id, record.channel) == (
        "ended",
        AGENT,
        "ada",
        "t",
        "webchat",
    )


def test_a_conversation_goes_on_until_it_is_ended(talk, mem):
    say = talk("Hello Ada", "Still here")
    say("Hi")
    say("Are you there?")

    (record,) = held(mem)
    assert record.status == "open"
    assert mem.conversations.find(thread_id="t").id == record.id


def test_after_the_end_the_thread_begins_a_conversation_with_what_is_said_then(talk, mem):
    say = talk("Hello Ada", "Goodbye", "Hello again")
    say("Hi")
    say("bye")
    say("Me again")

    first, second = held(mem)
    assert (first.status, second.status) == ("ended", "open")
    assert spoken(second)[0] == ("user", "Me again")


def test_a_conversation_left_open_ends_by_itself_and_the_thread_begins_another(talk, mem, clock):
    say = talk("Hello Ada", "Hello again")
    say("Hi")
    clock.move(hours=2)
    mem.sweep()
    say("Me again")

    first, second = held(mem)
    assert (first.status, second.status) == ("ended", "open")
    assert spoken(second)[0] == ("user", "Me again")


def test_a_turn_that_was_interrupted_for_too_long_still_comes_to_its_end(way, mem, clock):
    asking = calling("ask_a_person", question="May I?")
    graph = way.build(
        mem, scripted(asking, "Done"), tools=[ask_a_person], end_when=says_bye, checkpointer=InMemorySaver()
    )
    way.run(graph, said("Refund me, bye"), thread(), ada(AGENT))
    clock.move(hours=2)
    mem.sweep()
    output = way.run(graph, Command(resume="yes"), thread(), ada(AGENT))

    assert output["messages"][-1].text == "Done"
    (record,) = held(mem)
    assert (record.status, spoken(record)) == ("ended", [("user", "Refund me, bye")])


def test_each_thread_has_a_conversation_of_its_own(talk, mem):
    say = talk("one", "two")
    say("Hi", "a")
    say("Hi", "b")

    assert {record.thread_id for record in held(mem)} == {"a", "b"}


def test_a_thread_may_be_named_by_something_that_is_no_text(way, mem):
    graph = way.build(mem, scripted("one", "two"), checkpointer=InMemorySaver())
    name = uuid4()
    way.run(graph, said("Hi"), thread(name), ada(AGENT))
    way.run(graph, said("Hi"), thread(name), ada(AGENT))

    (record,) = held(mem)
    assert record.thread_id == str(name)


@pytest.mark.parametrize("where", [None, {"configurable": {}}], ids=["none", "no id"])
def test_without_a_thread_a_run_is_a_conversation(way, mem, where):
    graph = way.build(mem, scripted("one", "two"), end_when=says_bye)
    for text in ("Hi, bye", "Me again, bye"):
        way.run(graph, said(text), where, ada(AGENT))

    assert [spoken(record) for record in held(mem)] == [
        [("user", "Hi, bye"), ("assistant", "one")],
        [("user", "Me again, bye"), ("assistant", "two")],
    ]
    assert {(record.status, record.thread_id) for record in held(mem)} == {("ended", None)}


def test_the_middleware_ends_a_run_without_a_thread_by_itself(mem):
    with_middleware(mem, scripted("one")).invoke(said("Hi"), context=ada(AGENT))
    assert [record.status for record in held(mem)] == ["ended"]


def test_history_that_a_caller_sends_along_is_not_recorded_again(way, mem):
    graph = way.build(mem, scripted("two"), end_when=says_bye)
    history = [HumanMessage("Hi"), AIMessage("one"), SystemMessage("Be kind."), HumanMessage("bye")]
    way.run(graph, {"messages": history}, None, ada(AGENT))

    (record,) = held(mem)
    assert spoken(record) == [("user", "bye"), ("assistant", "two")]


def test_everything_a_person_says_at_once_is_recorded(way, mem):
    graph = way.build(mem, scripted("ok"), end_when=says_bye)
    way.run(graph, {"messages": [HumanMessage("One more thing"), HumanMessage("bye")]}, None, ada(AGENT))

    (record,) = held(mem)
    assert spoken(record) == [("user", "One more thing"), ("user", "bye"), ("assistant", "ok")]


def test_a_conversation_that_an_application_started_is_gone_on_with(talk, mem):
    begun = mem.conversations.start(AGENT, user_id="ada", thread_id="t", channel="voice")
    talk("Hello Ada")("Hi")

    (record,) = held(mem)
    assert (record.id, record.channel) == (begun.id, "voice")
    assert spoken(record)[0] == ("user", "Hi")


def test_the_channel_is_the_graphs(talk, mem):
    talk("Hello", options={"channel": "sms"})("Hi")
    assert held(mem)[0].channel == "sms"


def test_a_copied_thread_begins_a_conversation_of_its_own(talk, mem):
    say = talk("Hello Ada", "Hello again")
    say("Hi")
    say.graph.update_state(thread("copy"), say.graph.get_state(thread()).values, as_node="model")
    say("Me again", "copy")

    original, copied = held(mem)
    assert (original.thread_id, copied.thread_id) == ("t", "copy")
    assert spoken(copied)[0] == ("user", "Me again")


@pytest.mark.parametrize("defer", [False, True])
def test_reading_the_transcript_can_be_left_for_later(build, open_mem, defer):
    mem = open_mem(chat_model=scripted({"facts": []}))
    build(mem, scripted("Goodbye"), end_when=says_bye, options={"defer": defer}).invoke(said("bye"), context=ada(AGENT))

    (record,) = held(mem)
    assert record.extraction == ("pending" if defer else "done")
    assert mem.conversations.work() == int(defer)


def test_a_registered_agent_holds_conversations(way, mem):
    mem.agents.register(AGENT, way.build(mem, scripted("one", "two"), checkpointer=InMemorySaver()))
    agents = mem.client("ada").agents
    first = agents.run(AGENT, "Hi")
    agents.run(AGENT, "Hi again", thread_id=first.thread_id)

    (record,) = held(mem)
    assert record.thread_id == first.thread_id
    assert [content for role, content in spoken(record) if role == "user"] == ["Hi", "Hi again"]


# What is recorded


def test_a_message_is_recorded_once_however_often_its_turn_is_run(way, mem):
    def fails(_):
        raise OSError("down")

    graph = way.build(mem, scripted(fails, "Hello", "Hello again"), checkpointer=InMemorySaver())
    with pytest.raises(OSError, match="down"):
        way.run(graph, said("Hi"), thread(), ada(AGENT))
    way.run(graph, None, thread(), ada(AGENT))
    *_, first_step, _ = graph.get_state_history(thread())
    way.run(graph, None, first_step.config, ada(AGENT))

    (record,) = held(mem)
    assert [content for role, content in spoken(record) if role == "user"] == ["Hi"]


@tool
def weather(town: str) -> str:
    """The weather."""
    return f"Rain in {town}"


def test_what_a_tool_said_is_recorded_as_the_tools(talk, mem):
    talk(calling("weather", town="Oslo"), "It rains", tools=[weather])("Weather? bye")

    (record,) = held(mem)
    assert spoken(record) == [("user", "Weather? bye"), ("tool", "Rain in Oslo"), ("assistant", "It rains")]


def test_recalled_text_is_never_recorded(talk, mem, memory):
    memory.remember("Ada likes tea", agent_id=AGENT)
    memory.append("core", "- Drinks tea")
    say = talk(calling("recall", query="Ada likes tea"), "Noted", context=auto(AGENT))
    say("What does Ada like? bye")

    assert "Ada likes tea" in str(say.model.prompts[0])
    (record,) = held(mem)
    assert spoken(record) == [("user", "What does Ada like? bye"), ("assistant", "Noted")]


def test_messages_that_no_person_wrote_are_never_recorded(way, mem):
    graph = way.build(mem, scripted("ok"), end_when=says_bye)
    summary = HumanMessage("Earlier: tea", additional_kwargs={"lc_source": "summarization"})
    way.run(graph, {"messages": [SystemMessage("Be kind."), summary, HumanMessage("bye")]}, None, ada(AGENT))

    (record,) = held(mem)
    assert spoken(record) == [("user", "bye"), ("assistant", "ok")]


def test_what_a_store_refuses_does_not_end_the_run(talk, mem):
    output = talk("ok")("b\x00ye \ud800")

    assert output["messages"][-1].text == "ok"
    (record,) = held(mem)
    assert spoken(record)[0] == ("user", "bye ")


def test_a_message_that_is_too_long_is_cut(way, mem, open_mem):
    small = open_mem(max_block_chars=5)
    way.run(way.build(small, scripted("Goodbye"), end_when=says_bye), said("123456, bye"), None, ada(AGENT))

    (record,) = held(mem)
    assert spoken(record) == [("user", "12345"), ("assistant", "Goodb")]


def test_a_message_without_words_is_not_recorded(way, mem):
    graph = way.build(mem, scripted(AIMessage(""), "never"), end_when=lambda _: True)
    way.run(graph, {"messages": [HumanMessage("bye"), HumanMessage(" ")]}, None, ada(AGENT))

    (record,) = held(mem)
    assert spoken(record) == [("user", "bye")]


# What the code of the agent notes


@tool
def choose(cheese: str, runtime: ToolRuntime[Any, Any]) -> Command:
    """Note the cheese."""
    noted = ToolMessage("Noted.", tool_call_id=runtime.tool_call_id)
    return Command(update={"conversation_state": {"cheese_type": cheese}, "messages": [noted]})


def facts(mem):
    return dict(mem.contacts.memory("ada", agent_id=AGENT).facts)


def test_what_is_set_for_the_conversation_is_kept_at_its_end(talk, mem):
    brie, gouda = calling("choose", cheese="brie"), calling("choose", cheese="gouda")
    say = talk(brie, "Brie", gouda, "Gouda", "Goodbye", tools=[choose])
    say("Brie please")
    say("No, gouda")
    assert facts(mem) == {}
    say("bye")

    assert facts(mem) == {"cheese_type": "gouda"}


def elsewhere(mem, where="t"):
    """The conversation of a thread as another process goes on with it."""
    return mem.conversations.resume(mem.conversations.find(thread_id=where).id)


def test_what_is_set_in_a_turn_is_there_for_every_process_before_the_next(talk, mem):
    say = talk(calling("choose", cheese="brie"), "Brie", "Goodbye", tools=[choose], end_when=never)
    say("Brie please")
    say("Thanks")  # the nodes hear the answer of a turn when the next one begins
    assert dict(elsewhere(mem).state) == {"cheese_type": "brie"}
    mem.conversations.end(elsewhere(mem).id)
    assert facts(mem) == {"cheese_type": "brie"}


def test_what_another_process_notes_is_shown_to_the_graph_and_not_undone_by_it(talk, mem):
    say = talk(calling("choose", cheese="brie"), "Brie", "Yes", calling("choose", cheese="edam"), "Edam", "Yes",
               "Goodbye", tools=[choose])  # fmt: skip
    say("Brie please")
    say("Yes?")
    other = elsewhere(mem)
    mem.conversations.add(other.id, state={"cheese_type": "gouda", "day": "Friday", "mood": "kind"})
    other.state["step"] = 1
    other.say("Noted")
    say("Edam")
    shown = dict(say.graph.get_state(thread()).values["conversation_state"])
    assert shown == {"cheese_type": "edam", "day": "Friday", "mood": "kind", "step": 1}
    say("Thanks")
    mem.conversations.add(other.id, state={"cheese_type": "gouda"})
    other.say("Gouda")
    del other.state["day"]
    other.say("No day")
    say("bye")
    assert facts(mem) == {"cheese_type": "gouda"}


def test_a_graph_whose_threads_are_kept_nowhere_goes_on_with_what_was_noted(way, mem):
    model = scripted(calling("choose", cheese="brie"), "Brie", "Goodbye")
    graph = way.build(mem, model, end_when=says_bye, tools=[choose])
    way.run(graph, said("Brie please"), thread(), ada(AGENT))
    mem.conversations.add(mem.conversations.find(thread_id="t").id, state={"day": "Friday"})
    way.run(graph, said("bye"), thread(), ada(AGENT))
    (record,) = held(mem)
    assert record.status == "ended"
    assert facts(mem)["day"] == "Friday"


def test_what_was_set_for_one_conversation_is_not_the_nexts(talk, mem):
    say = talk(calling("choose", cheese="brie"), "Brie, goodbye", "Goodbye", tools=[choose])
    say("Brie, bye")
    mem.contacts.patch_facts("ada", {"cheese_type": None}, agent_id=AGENT)
    say("bye")

    assert facts(mem) == {}


def test_the_keys_are_set_one_by_one(mem):
    start, end = create_conversation_nodes(mem, agent_id=AGENT)
    builder = StateGraph(MemoryState, context_schema=MemoryContext)
    builder.add_node("start", start)
    builder.add_node("cheese", lambda _: {"conversation_state": {"cheese_type": "brie", "mood": object}})
    builder.add_node("day", lambda _: {"conversation_state": {"day": "Monday"}})
    builder.add_node("end", end)
    for one, other in [(START, "start"), ("start", "cheese"), ("cheese", "day"), ("day", "end"), ("end", END)]:
        builder.add_edge(one, other)
    builder.compile().invoke(said("Hi"), context=ada())

    assert facts(mem) == {"cheese_type": "brie", "day": "Monday"}


def test_a_node_of_ones_own_goes_on_with_the_conversation(mem):
    start, end = create_conversation_nodes(mem)

    def hand_over(state: MemoryState):
        conversation = mem.conversations.resume(state["conversation_id"])
        conversation.handoff(to="billing", reason="refund")
        conversation.set_outcome(qa=f"likes {conversation.memory['cheese_type']}")

    mem.contacts.create(id="ada")
    mem.contacts.patch_facts("ada", {"cheese_type": "brie"}, agent_id=AGENT)
    builder = StateGraph(MemoryState, context_schema=MemoryContext)
    builder.add_node("start", start)
    builder.add_node("hand_over", hand_over)
    builder.add_node("end", end)
    for one, other in [(START, "start"), ("start", "hand_over"), ("hand_over", "end"), ("end", END)]:
        builder.add_edge(one, other)
    builder.compile().invoke(said("Hi"), context=ada(AGENT))

    (record,) = held(mem)
    assert (record.status, record.qa) == ("ended", "likes brie")
    assert (record.handoff.to, record.handoff.reason) == ("billing", "refund")


# What the prompt says


@pytest.fixture
def likes_tea(memory):
    memory.remember("Ada likes tea", agent_id=AGENT)


@pytest.mark.usefixtures("likes_tea")
def test_the_placeholder_becomes_what_is_known(talk):
    say = talk("Tea?")
    say("Hi")
    assert prompt_of(say.model) == f"You are kind. {KNOWN}"


@pytest.mark.usefixtures("likes_tea")
def test_where_an_agent_does_not_remember_the_placeholder_is_taken_out(talk, mem):
    mem.agents.configure(AGENT, memory_enabled=False)
    say = talk("Who are you?")
    say("Hi")
    assert prompt_of(say.model) == "You are kind. "


@pytest.mark.usefixtures("likes_tea")
def test_a_prompt_without_the_placeholder_is_left_alone(talk):
    say = talk("Hi", prompt="You are kind.")
    say("Hi")
    assert prompt_of(say.model) == "You are kind."


def test_a_prompt_that_is_nothing_but_memory_is_left_out_when_there_is_none(talk):
    say = talk("Hi", prompt="{{memory}}")
    say("Hi")
    assert [message.type for message in say.model.prompts[0]] == ["human"]


@pytest.mark.usefixtures("likes_tea")
def test_the_other_parts_of_a_prompt_stay_as_they_are(talk, memory):
    memory.append("core", "Calls it {{memory}}")
    cached = {"type": "text", "text": "You are mine.", "cache_control": {"type": "ephemeral"}}
    own = {"type": "text", "text": "{{ memory }}", "cache_control": {"type": "ephemeral"}}
    say = talk("Hi", prompt=SystemMessage([cached, own], id="s1"))
    say("Hi")

    system = say.model.prompts[0][0]
    assert system.id == "s1"
    assert system.content[:2] == [cached, {**own, "text": KNOWN}]
    assert "Calls it \\u007B{memory}}" in system.content[2]["text"]


@pytest.mark.usefixtures("likes_tea")
def test_without_a_conversation_a_prompt_is_left_alone(mem):
    model = scripted("ok", "ok")
    create_agent(model, system_prompt=PROMPT, middleware=[MemoryMiddleware(mem)]).invoke(said("hi"), context=ada(AGENT))
    builder = StateGraph(MemoryState, context_schema=MemoryContext)
    builder.add_node("model", create_model_node(mem, model, system_prompt=PROMPT))
    builder.add_edge(START, "model")
    builder.compile().invoke(said("hi"), context=ada(AGENT))

    assert [prompt[0].text for prompt in model.prompts] == [PROMPT, PROMPT]


@pytest.mark.usefixtures("likes_tea")
@pytest.mark.parametrize(
    "parts",
    [(ConversationMiddleware,), (ConversationMiddleware, MemoryMiddleware), (MemoryMiddleware, ConversationMiddleware)],
    ids=["alone", "first", "last"],
)
def test_the_middleware_fills_the_prompt_wherever_it_stands(mem, parts):
    middleware = [part(mem) for part in parts]
    agent = create_agent(model := scripted("ok"), system_prompt=PROMPT, middleware=middleware)
    agent.invoke(said("hi"), context=ada(AGENT))
    assert prompt_of(model) == f"You are kind. {KNOWN}"


@pytest.mark.usefixtures("likes_tea")
def test_a_node_of_ones_own_is_given_the_facts_too(mem):
    conversation = mem.conversations.start(AGENT, user_id="ada")
    state = {**said("hi"), "conversation_id": conversation.id}
    system, *_ = inject_memory(mem, state, Runtime(context=ada(AGENT)), PROMPT)
    assert system.text == f"You are kind. {KNOWN}"


@pytest.mark.usefixtures("likes_tea")
def test_a_conversation_that_was_ended_meanwhile_brings_no_facts_and_hears_no_more(way, mem):
    @tool
    def hang_up(runtime: ToolRuntime[Any, Any]) -> str:
        """End it."""
        mem.conversations.end(runtime.state["conversation_id"])
        return "Ended."

    model = scripted(calling("hang_up"), "Goodbye")
    graph = way.build(mem, model, tools=[hang_up], end_when=lambda _: True, checkpointer=InMemorySaver())
    way.run(graph, said("Hang up"), thread(), ada(AGENT))

    assert prompt_of(model) == "You are kind. "
    (record,) = held(mem)
    assert (record.status, spoken(record)) == ("ended", [("user", "Hang up")])


# Whose it is


@pytest.mark.parametrize("checkpointer", [None, InMemorySaver], ids=["no checkpointer", "checkpointer"])
@pytest.mark.parametrize(
    ("other", "told"),
    [
        ({"user_id": "bob", "agent_id": AGENT}, "thread_id: .* another user"),
        (ada("sales"), "agent_id: .* another agent"),
    ],
    ids=["user", "agent"],
)
def test_a_thread_of_another_scope_is_refused(way, mem, other, told, checkpointer):
    mem.agents.configure("sales", memory_enabled=True)
    graph = way.build(mem, model := scripted("ok", "never"), checkpointer=checkpointer and checkpointer())
    way.run(graph, said("hi"), thread(), ada(AGENT))

    with pytest.raises(InvalidInputError, match=told) as caught:
        way.run(graph, said("hi, bob here"), thread(), other)

    assert "ada" not in str(caught.value)
    assert len(model.prompts) == 1
    (record,) = held(mem)
    assert "bob" not in str(spoken(record))


def test_another_tenant_has_threads_of_its_own(way, mem):
    acme = mem.tenant("acme")
    acme.agents.configure(AGENT, memory_enabled=True)
    way.run(way.build(mem, scripted("ok")), said("hi"), thread(), ada(AGENT))
    way.run(way.build(acme, scripted("ok")), said("hello"), thread(), {"user_id": "bob", "agent_id": AGENT})

    assert [record.caller_identity for record in held(mem)] == ["ada"]
    assert [record.caller_identity for record in held(acme)] == ["bob"]


def test_a_conversation_of_someone_else_cannot_be_named_in_a_graph_that_forgot_its_schemas(mem):
    bobs = mem.conversations.start(AGENT, user_id="bob")
    start, end = create_conversation_nodes(mem)
    for step in (start, end):
        builder = StateGraph(MemoryState, context_schema=MemoryContext)
        builder.add_node("step", step)
        builder.add_edge(START, "step")
        with pytest.raises(InvalidInputError, match=r"thread_id: .* another user"):
            builder.compile().invoke({**said("hi"), "conversation_id": bobs.id}, context=ada(AGENT))
    assert spoken(mem.conversations.get(bobs.id)) == []


def test_who_turned_out_to_be_another_goes_on_with_their_conversation(talk, mem):
    mem.contacts.create(id="ada")
    mem.contacts.create(id="augusta")
    say = talk("one", "two")
    say("Hi")
    mem.contacts.merge("ada", into="augusta")
    say("bye")

    (record,) = held(mem)
    assert (record.caller_identity, record.status) == ("augusta", "ended")
    assert [content for _, content in spoken(record)] == ["Hi", "one", "bye", "two"]


def test_an_agent_is_needed(either_way, mem):
    graph = either_way.build(mem, model := scripted("never"))
    with pytest.raises(InvalidInputError, match=r"agent_id: a conversation is held with an agent; .*agent_id="):
        either_way.run(graph, said("hi"), thread(), ada())
    assert model.prompts == []


def test_an_agent_that_nobody_configured_is_unknown(either_way, mem):
    graph = either_way.build(mem, model := scripted("never"))
    with pytest.raises(NotFoundError, match="agent"):
        either_way.run(graph, said("hi"), thread(), ada("nobody"))
    assert model.prompts == []


def test_an_agent_given_to_the_graph_wins(either_way, mem):
    graph = either_way.build(mem, scripted("ok"), options={"agent_id": AGENT})
    either_way.run(graph, said("hi"), thread(), ada("nobody"))
    assert [record.agent_id for record in held(mem)] == [AGENT]


def test_what_is_no_store_is_refused_where_conversations_are_added():
    for part in (ConversationMiddleware, create_conversation_nodes):
        with pytest.raises(InvalidInputError, match=r"mem: must be what agentmem\.open returns"):
            part("path")


# What goes wrong, and what goes on at once


@pytest.fixture
def broken(mem, monkeypatch):
    """Conversations that are out of reach as long as it is set."""
    switch = threading.Event()
    conversations = type(mem.conversations)

    def breakable(method):
        def call(*arguments, **options):
            if switch.is_set():
                raise BackendError("database: gone")
            return method(*arguments, **options)

        return call

    for name in ("start", "find", "resume"):
        monkeypatch.setattr(conversations, name, breakable(getattr(conversations, name)))
    return switch


def test_a_turn_goes_on_without_memory_and_is_recorded_when_it_is_back(talk, mem, broken):
    say = talk("Hello", "Sorry", "Goodbye")
    say("Hi")
    broken.set()
    with recording() as record:
        output = say("Are you there?")
    assert (output["messages"][-1].text, record.degraded) == ("Sorry", True)
    assert "Memory is unavailable right now" in prompt_of(say.model)
    broken.clear()
    say("bye")

    (record,) = held(mem)
    assert [content for _, content in spoken(record)] == ["Hi", "Hello", "Are you there?", "Sorry", "bye", "Goodbye"]


def test_memory_that_fails_in_a_turn_is_told_apart_from_nothing_known(talk, broken):
    def breaks(_):
        broken.set()
        return calling("weather", town="Oslo")

    say = talk(breaks, "It rains", tools=[weather])
    with recording() as record:
        output = say("Weather?")

    assert (output["messages"][-1].text, record.degraded) == ("It rains", True)
    assert ["Memory is unavailable right now" in prompt[0].text for prompt in say.model.prompts] == [False, True]


@pytest.mark.usefixtures("likes_tea")
def test_a_turn_that_began_without_memory_says_so_in_its_prompt(mem):
    state = {**said("hi"), "conversation_id": ""}
    system, *_ = inject_memory(mem, state, Runtime(context=ada(AGENT)), PROMPT)
    assert "Memory is unavailable right now" in system.text


def test_memory_that_is_back_at_the_end_of_a_turn_records_the_whole_turn(build, mem, broken):
    def back(_):
        broken.clear()
        return "Hello"

    broken.set()
    build(mem, scripted(back), end_when=says_bye).invoke(said("bye"), thread(), context=ada(AGENT))

    (record,) = held(mem)
    assert (record.status, spoken(record)) == ("ended", [("user", "bye"), ("assistant", "Hello")])


def test_failing_memory_ends_a_closed_run(either_way, mem, broken):
    broken.set()
    with pytest.raises(BackendError):
        either_way.run(either_way.build(mem, scripted("never")), said("hi"), thread(), ada(AGENT, on_failure="closed"))


def test_a_closed_store_is_no_failing_memory(either_way, mem):
    mem.close()
    with pytest.raises(InvalidInputError, match="store: it is closed"):
        either_way.run(either_way.build(mem, scripted("never")), said("hi"), thread(), ada(AGENT))


def test_a_store_that_was_closed_meanwhile_is_not_taken_for_a_conversation_that_is_over(mem):
    begun = mem.conversations.start(AGENT, user_id="ada")
    _, end = create_conversation_nodes(mem)
    mem.close()
    with pytest.raises(InvalidInputError, match="store: it is closed"):
        end({**said("hi"), "conversation_id": begun.id}, Runtime(context=ada(AGENT)))


def test_runs_of_a_thread_that_begin_at_once_are_one_conversation(build, mem):
    begun = threading.Barrier(4)
    model = scripted("ok")
    model.repeat_last = True
    graph = build(mem, model)

    def ask(number):
        begun.wait()
        graph.invoke(said(f"Hi {number}"), thread(), context=ada(AGENT))

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(ask, range(4)))

    (record,) = held(mem)
    assert sorted(content for role, content in spoken(record) if role == "user") == [f"Hi {n}" for n in range(4)]


def test_a_run_that_comes_second_goes_on_with_the_conversation_of_the_first(build, mem, monkeypatch):
    conversations = type(mem.conversations)
    find, missed = conversations.find, []

    def finds_at_second_look(self, *, thread_id):
        return find(self, thread_id=thread_id) if missed else missed.append(thread_id)

    monkeypatch.setattr(conversations, "find", finds_at_second_look)
    first = mem.conversations.start(AGENT, user_id="ada", thread_id="t")
    build(mem, scripted("ok")).invoke(said("Hi"), thread(), context=ada(AGENT))

    (record,) = held(mem)
    assert (record.id, spoken(record)[0]) == (first.id, ("user", "Hi"))


@tool
def ask_a_person(question: str) -> str:
    """Ask a person, and wait."""
    return str(interrupt(question))


def test_an_interrupted_turn_is_recorded_once_when_it_goes_on(way, mem):
    asking = calling("ask_a_person", question="May I?")
    graph = way.build(
        mem, scripted(asking, "Done"), tools=[ask_a_person], end_when=says_bye, checkpointer=InMemorySaver()
    )
    way.run(graph, said("Refund me, bye"), thread(), ada(AGENT))
    (record,) = held(mem)
    assert (record.status, spoken(record)) == ("open", [("user", "Refund me, bye")])
    way.run(graph, Command(resume="yes"), thread(), ada(AGENT))

    (record,) = held(mem)
    assert (record.status, spoken(record)) == (
        "ended",
        [("user", "Refund me, bye"), ("tool", "yes"), ("assistant", "Done")],
    )


async def test_no_step_of_a_conversation_blocks_the_event_loop(build, mem, memory):
    await memory.aremember("Ada likes tea", agent_id=AGENT)
    model = scripted(calling("choose", cheese="brie"), "ok")
    graph = build(mem, model, tools=[choose], end_when=says_bye, checkpointer=InMemorySaver())

    with blockbuster_ctx(), recording() as record:
        output = await graph.ainvoke(said("brie, bye"), thread(), context=ada(AGENT))

    assert output["messages"][-1].text == "ok"
    assert KNOWN in prompt_of(model)
    assert not record.degraded


def test_nothing_of_the_conversation_is_in_the_output(talk):
    assert set(talk("Hello")("Hi")) == {"messages"}
