"""Memory and conversations for `create_agent`: the two middlewares."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any, Final, Literal

from langchain.agents.middleware import AgentMiddleware
from langchain.agents.middleware.types import (
    ModelCallResult,
    ModelRequest,
    ModelResponse,
    ToolCallRequest,
    TracePolicy,
    omit_payload,
)
from langchain_core.messages import ToolMessage
from langchain_core.tools import BaseTool
from langgraph.runtime import Runtime
from langgraph.types import Command

from agentmem.errors import InvalidInputError
from agentmem.langgraph.conversations import Talk
from agentmem.langgraph.inject import compose, recall_for_turn, with_facts
from agentmem.langgraph.run import Binding, ContextAdapter, Run, Store
from agentmem.langgraph.state import MemoryAgentState
from agentmem.langgraph.threads import note_answer, notes_answers
from agentmem.langgraph.tools import core_memory_tools, guard_tool, insert_tool, recall_tool

Tools = Literal["recall", "all"] | tuple[()]
_TOOLS: Final = ("recall", "all", ())


ToolAnswer = ToolMessage | Command[Any]


class _Guarding(AgentMiddleware[MemoryAgentState, Any, Any]):
    """What both have in common: no tool of the agent runs in somebody else's thread.

    A run that is resumed begins with the tool, or the approval of it, that it
    was interrupted in, and with no hook that comes before.
    """

    state_schema = MemoryAgentState
    trace_policy = TracePolicy(process_inputs=omit_payload, process_outputs=omit_payload)

    def __init__(self, binding: Binding) -> None:
        super().__init__()
        self._binding = binding

    def wrap_tool_call(self, request: ToolCallRequest, handler: Callable[[ToolCallRequest], ToolAnswer]) -> ToolAnswer:
        """Call the tool, whichever it is, if the thread is the run's own."""
        return guard_tool(self._binding, request) or handler(request)

    async def awrap_tool_call(
        self, request: ToolCallRequest, handler: Callable[[ToolCallRequest], Awaitable[ToolAnswer]]
    ) -> ToolAnswer:
        """`wrap_tool_call`, with memory read off the event loop."""
        return await asyncio.to_thread(guard_tool, self._binding, request) or await handler(request)


class MemoryMiddleware(_Guarding):
    """Gives an agent of `create_agent` its memory.

    Core memory is read afresh for every call of the model and stands at the
    end of the system prompt. Under `archival_mode="auto"` the turn begins with
    a recall, whose matches the model sees right before the user's message, in
    that turn only. Neither is ever among the messages of the thread.

    A thread stays with the user and agent that began it, and with whomever that
    user is merged into, wherever the agent stands: alone, in a parent graph, in a
    team, or behind a tool. A run of another raises InvalidInputError before the
    model is called and before any tool runs. LangGraph has stored the run's
    messages in the thread by then: from then on memory neither shows, records nor
    learns from them, whatever kind they are. Each step of memory notes a digest of
    the messages that are the user's; what has none when somebody is refused was
    left by them. What parts of the graph without memory answered after memory's
    last step has none either, and is left out with it.

    That is so for runs that come to a step of memory. Who can invoke the graph by
    hand and stop before one (`interrupt_before`, a `stream` that is not read on),
    or call `update_state`, reads and writes the thread itself: what guards that is
    the application's own access to its checkpointer. The parts of a graph that are
    not memory's see what was left. So where callers choose their thread, run the
    graph with `client.agents.run`, which looks before anything is stored.

        agent = create_agent(
            model,
            middleware=[MemoryMiddleware(mem, tools="all")],
            context_schema=MemoryContext,
        )
        agent.invoke({"messages": [...]}, context=MemoryContext(user_id="ada"))

    Args:
        mem: The store, or a function that opens it when it is first needed.
        agent_id: The agent, in place of the context's.
        tools: `"recall"`, `"all"` (core memory and archival memory can be written too), or `()` for none.
        context: Makes a `MemoryContext` of your own run context: `context=lambda runtime: MemoryContext(…)`.

    Raises:
        InvalidInputError: `mem`, `agent_id` or `tools` is none of these.
    """

    def __init__(
        self,
        mem: Store,
        agent_id: str | None = None,
        tools: Tools = "recall",
        context: ContextAdapter | None = None,
    ) -> None:
        super().__init__(Binding(mem, agent_id, context))
        if tools not in _TOOLS:
            raise InvalidInputError('must be "recall", "all", or () for none', field="tools")
        editing = core_memory_tools(self._binding, agent=True) if tools == "all" else []
        own = [recall_tool(self._binding)] if tools else []
        self.tools = [*own, *editing, insert_tool(self._binding)] if tools == "all" else own
        offered = core_memory_tools(self._binding, agent=False) if editing else []
        self._for_user: dict[str, BaseTool] = {tool.name: tool for tool in offered}

    @property
    def name(self) -> str:
        """The name of its nodes, unlike that of other packages' memory middleware."""
        return "agentmem"

    def before_agent(self, state: MemoryAgentState, runtime: Runtime[Any]) -> dict[str, Any] | None:
        """Recall for the turn that begins, if the policy says so."""
        return recall_for_turn(self._binding, state, runtime)

    async def abefore_agent(self, state: MemoryAgentState, runtime: Runtime[Any]) -> dict[str, Any] | None:
        """`before_agent`, off the event loop."""
        return await asyncio.to_thread(self.before_agent, state, runtime)

    def wrap_model_call(
        self, request: ModelRequest[Any], handler: Callable[[ModelRequest[Any]], ModelResponse[Any]]
    ) -> ModelCallResult[Any]:
        """Call the model with memory in its prompt."""
        run, request = self._with_memory(request)
        response = handler(request)
        note_answer(run, response.result)
        return response

    async def awrap_model_call(
        self, request: ModelRequest[Any], handler: Callable[[ModelRequest[Any]], Awaitable[ModelResponse[Any]]]
    ) -> ModelCallResult[Any]:
        """`wrap_model_call`, with memory read off the event loop."""
        run, request = await asyncio.to_thread(self._with_memory, request)
        response = await handler(request)
        if notes_answers(run):
            await asyncio.to_thread(note_answer, run, response.result)
        else:
            note_answer(run, response.result)
        return response

    def _with_memory(self, request: ModelRequest[Any]) -> tuple[Run, ModelRequest[Any]]:
        run = self._binding.run(request.state, request.runtime)
        system, messages = compose(run, request.state, request.system_message, request.messages)
        return run, request.override(system_message=system, messages=messages, tools=self._offered(run, request))

    def _offered(self, run: Run, request: ModelRequest[Any]) -> list[BaseTool | dict[str, Any]]:
        """Return the request's tools; without an agent, the ones that write core memory offer the user's scope only."""
        if run.scope.agent_id is not None:
            return request.tools
        return [self._for_user.get(tool.name, tool) if isinstance(tool, BaseTool) else tool for tool in request.tools]


class ConversationMiddleware(_Guarding):
    """Ties the turns of a thread to a conversation, for an agent of `create_agent`.

    A turn goes on with the thread's conversation, or starts one; what the user
    says is recorded before the agent answers, and its answer after it.
    `{{memory}}` in the system prompt becomes what is known about the caller.

        agent = create_agent(
            model,
            system_prompt="You are a support agent. {{memory}}",
            middleware=[ConversationMiddleware(mem), MemoryMiddleware(mem)],
            context_schema=MemoryContext,
        )

    A message is told by its id, so a turn that is run again is recorded once.
    System messages, reminders and what the `recall` tool answered are never
    recorded, so that memory does not learn from itself. The conversation ends
    after the turn for which `end_when` is true; else by `mem.conversations.end`,
    or by `mem.sweep` after a while. Without a thread, every run is a
    conversation of its own, and ends with it.

    A tool of your own finds the conversation by
    `mem.conversations.resume(runtime.state["conversation_id"])`, and a
    `Command(update={"conversation_state": {...}})` of it becomes `conv.state`
    after the turn. What another process noted is there from the next turn on.

    Args:
        mem: The store, or a function that opens it when it is first needed.
        agent_id: The agent, in place of the context's.
        context: Makes a `MemoryContext` of your own run context.
        channel: What the conversations are held over.
        end_when: Whether the conversation is over after a turn, by the state of the graph.
        defer: Leave reading the transcript to `mem.conversations.work`, so that no run waits for it.

    Raises:
        InvalidInputError: `mem` or `agent_id` is none of these.
    """

    def __init__(
        self,
        mem: Store,
        *,
        agent_id: str | None = None,
        context: ContextAdapter | None = None,
        channel: str = "webchat",
        end_when: Callable[[MemoryAgentState], bool] | None = None,
        defer: bool = False,
    ) -> None:
        super().__init__(Binding(mem, agent_id, context))
        self._talk = Talk(self._binding, channel, defer)
        self._end_when = end_when

    @property
    def name(self) -> str:
        """The name of its nodes."""
        return "agentmem.conversation"

    def before_agent(self, state: MemoryAgentState, runtime: Runtime[Any]) -> dict[str, Any] | None:
        """Go on with the thread's conversation, or start one, and record what the user says."""
        return self._talk.begin(state, runtime)

    async def abefore_agent(self, state: MemoryAgentState, runtime: Runtime[Any]) -> dict[str, Any] | None:
        """`before_agent`, off the event loop."""
        return await asyncio.to_thread(self.before_agent, state, runtime)

    def after_agent(self, state: MemoryAgentState, runtime: Runtime[Any]) -> dict[str, Any] | None:
        """Record the answer, and end the conversation if it is over."""
        over = self._end_when is not None and self._end_when(state)
        return self._talk.close(state, runtime, end=over)

    async def aafter_agent(self, state: MemoryAgentState, runtime: Runtime[Any]) -> dict[str, Any] | None:
        """`after_agent`, off the event loop."""
        return await asyncio.to_thread(self.after_agent, state, runtime)

    def wrap_model_call(
        self, request: ModelRequest[Any], handler: Callable[[ModelRequest[Any]], ModelResponse[Any]]
    ) -> ModelCallResult[Any]:
        """Call the model with what is known about the caller in place of `{{memory}}`."""
        return handler(self._with_facts(request))

    async def awrap_model_call(
        self, request: ModelRequest[Any], handler: Callable[[ModelRequest[Any]], Awaitable[ModelResponse[Any]]]
    ) -> ModelCallResult[Any]:
        """`wrap_model_call`, with memory read off the event loop."""
        return await handler(await asyncio.to_thread(self._with_facts, request))

    def _with_facts(self, request: ModelRequest[Any]) -> ModelRequest[Any]:
        run = self._binding.run(request.state, request.runtime)
        return request.override(system_message=with_facts(run, request.state, request.system_message))
