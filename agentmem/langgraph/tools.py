"""The tools an agent reads and writes its memory with: whose memory comes from the run, never from the model."""

# No postponed annotations here: LangChain looks for `ToolRuntime` in the signatures of the functions below.

import asyncio
import hashlib
import json
from collections.abc import Callable
from typing import Annotated, Any, Final, Literal, cast

from langchain.tools import ToolRuntime
from langchain_core.messages import AIMessage, ToolMessage
from langchain_core.tools import BaseTool, StructuredTool, ToolException
from langgraph.prebuilt.tool_node import ToolCallRequest
from pydantic import BaseModel, Field

from agentmem import inputs, rendering
from agentmem.bounds import MAX_LIMIT
from agentmem.errors import AgentMemError, BackendError, ConflictError, InvalidInputError, NotFoundError, sentence
from agentmem.langgraph.messages import messages_of
from agentmem.langgraph.run import NOT_THEIRS, Binding, ContextAdapter, Run, Store, UnavailableError, broken_rules
from agentmem.models import ScopeName
from agentmem.policy import DEFAULT_LIMIT

_NOT_SAVED: Final = "Memory is unavailable right now, so this could not be saved. Say so if it matters, and go on."

_RecallLimit = Annotated[int, Field(ge=1, le=MAX_LIMIT, description="How many memories at most.")]
_Content = Annotated[str, Field(min_length=1, description="What to add: short and in the third person.")]
_Block = Annotated[str, Field(description='The name of the block, as core memory shows it; "core" if unsure.')]


class _RecallArguments(BaseModel):
    query: Annotated[str, Field(min_length=1, description="What to look for, in plain words.")]
    limit: _RecallLimit = DEFAULT_LIMIT


class _Append(BaseModel):
    content: _Content
    block: _Block = "core"


class _Replace(BaseModel):
    old: Annotated[str, Field(min_length=1, description="The text to replace; it must stand there exactly once.")]
    new: Annotated[str, Field(description="What to put in its place; empty to remove it.")]
    block: _Block = "core"


class _Insert(BaseModel):
    content: _Content


class _InUserScope(BaseModel):
    scope: Annotated[Literal["user"], Field(description="The user's own memory.")] = "user"


class _InAnyScope(BaseModel):
    scope: Annotated[
        Literal["user", "agent"],
        Field(description='"user": shared by all of the user\'s agents. "agent": only between the user and you.'),
    ] = "user"


class _AppendForUser(_InUserScope, _Append): ...


class _AppendAnywhere(_InAnyScope, _Append): ...


class _ReplaceForUser(_InUserScope, _Replace): ...


class _ReplaceAnywhere(_InAnyScope, _Replace): ...


def create_recall_tool(mem: Store, agent_id: str | None = None, *, context: ContextAdapter | None = None) -> BaseTool:
    """`recall(query, limit)`: search archival memory, with the floor and the timeout of the run's policy.

    A tool checks that the thread is not another user's or agent's, but binds
    none: the memory node, the model node or the middleware does.

    Args:
        mem: The store, or a function that opens it when it is first needed.
        agent_id: The agent, in place of the context's.
        context: Makes a `MemoryContext` of your own run context.
    """
    return recall_tool(Binding(mem, agent_id, context))


def create_core_memory_tools(
    mem: Store, agent_id: str | None = None, *, context: ContextAdapter | None = None
) -> list[BaseTool]:
    """`core_memory_append` and `core_memory_replace`: edit the blocks that are in the prompt.

    With an `agent_id` the model may choose between the user's blocks and the
    agent's; without one there are only the user's. Blocks that are
    `read_only` are refused. A tool checks that the thread is not another user's
    or agent's, but binds none: the memory node, the model node or the
    middleware does.

    Args:
        mem: The store, or a function that opens it when it is first needed.
        agent_id: The agent, in place of the context's.
        context: Makes a `MemoryContext` of your own run context.
    """
    return core_memory_tools(Binding(mem, agent_id, context), agent=agent_id is not None)


def create_archival_tools(
    mem: Store, agent_id: str | None = None, *, context: ContextAdapter | None = None
) -> list[BaseTool]:
    """`archival_memory_insert`: remember something, for the agent if there is one, else for the user.

    The tool that reads archival memory is `create_recall_tool`. A tool checks
    that the thread is not another user's or agent's, but binds none: the memory
    node, the model node or the middleware does.

    Args:
        mem: The store, or a function that opens it when it is first needed.
        agent_id: The agent, in place of the context's.
        context: Makes a `MemoryContext` of your own run context.
    """
    return [insert_tool(Binding(mem, agent_id, context))]


def recall_tool(binding: Binding) -> BaseTool:
    """`create_recall_tool` for a binding."""
    return _tool(
        binding,
        "recall",
        "Search what is remembered from earlier conversations with this user. Use it when an answer may depend on "
        "something said or done before that is not in view.",
        _RecallArguments,
        _recall,
        unavailable=rendering.RECALL_UNAVAILABLE,
    )


def core_memory_tools(binding: Binding, *, agent: bool) -> list[BaseTool]:
    """`create_core_memory_tools` for a binding, with the agent's scope on offer or without."""
    return [
        _tool(
            binding,
            "core_memory_append",
            "Add a line to core memory, which is always in view. Use it for what will matter in every conversation, "
            "such as lasting preferences.",
            _AppendAnywhere if agent else _AppendForUser,
            _append,
        ),
        _tool(
            binding,
            "core_memory_replace",
            "Correct or remove something in core memory, by its exact text.",
            _ReplaceAnywhere if agent else _ReplaceForUser,
            _replace,
        ),
    ]


def insert_tool(binding: Binding) -> BaseTool:
    """`archival_memory_insert` for a binding."""
    return _tool(
        binding,
        "archival_memory_insert",
        "Remember something for later conversations, to be found again with `recall`. Each line is a memory of its "
        "own: name who and what it is about, so that it can be understood alone.",
        _Insert,
        _insert,
    )


def guard_tool(binding: Binding, request: ToolCallRequest) -> ToolMessage | None:
    """Look whose the thread is before any tool runs.

    Returns:
        What to answer in place of a tool whose call somebody else had approved; `None` if it may run.

    Raises:
        RefusedError: The thread is someone else's.
    """
    call = request.tool_call
    run = binding.run(request.state, cast("Any", request).runtime)  # LangGraph leaves its parameters open
    if run.may_call(call["id"]):
        return None
    return ToolMessage(NOT_THEIRS, name=call["name"], tool_call_id=call["id"], status="error")


def _recall(run: Run, _key: str | None, *, query: str, limit: int) -> str:
    inputs.text("query", query)
    return rendering.answer(run.recall(query, limit, asked=True))


def _append(run: Run, key: str | None, *, content: str, block: str, scope: ScopeName) -> str:
    _require_editable(block)
    run.client.memory.append(block, content, agent_id=_agent_id(run, scope), idempotency_key=key)
    return f'Added to the block "{block}".'


def _replace(run: Run, key: str | None, *, old: str, new: str, block: str, scope: ScopeName) -> str:
    _require_editable(block)
    memory, agent_id = run.client.memory, _agent_id(run, scope)
    try:
        memory.replace(block, old, new, agent_id=agent_id, idempotency_key=key)
    except (ConflictError, InvalidInputError) as error:
        # The model may quote a line as it is shown. The key is in use for that when this very call was run before.
        if isinstance(error, InvalidInputError) and old in memory.get(block, agent_id=agent_id).content:
            raise
        as_stored = rendering.as_stored(old), rendering.as_stored(new)
        memory.replace(block, *as_stored, agent_id=agent_id, idempotency_key=key)
    return f'Replaced in the block "{block}".'


def _insert(run: Run, key: str | None, *, content: str) -> str:
    agent_id = run.scope.agent_id
    lines = run.client.memory.remember(content, agent_id=agent_id, source="assistant", idempotency_key=key)
    return "Remembered." if len(lines) == 1 else f"Remembered, as {len(lines)} memories."


def _agent_id(run: Run, scope: ScopeName) -> str | None:
    if scope == "user":
        return None
    if run.scope.agent_id is None:
        raise InvalidInputError("this agent has no memory of its own", field="scope", advice='use scope="user"')
    return run.scope.agent_id


def _require_editable(block: str) -> None:
    if block == "archival":
        raise InvalidInputError(
            "archival memory is not edited as a block", field="block", advice="add to it with archival_memory_insert"
        )


def _tool(
    binding: Binding,
    name: str,
    description: str,
    arguments: type[BaseModel],
    work: Callable[..., str],
    *,
    unavailable: str = _NOT_SAVED,
) -> BaseTool:
    """A tool that does `work(run, key, **arguments)`, in both forms.

    What the model did wrong, and memory that is out of reach, come back as tool messages it can act on. A run without
    a context, in another scope's thread, or on a closed store is not the model's fault: that error ends the run.
    """

    def call(runtime: ToolRuntime[Any, Any], **given: Any) -> str:
        run = binding.run(runtime.state, runtime)
        try:
            return run.attempt(lambda: work(run, _idempotency_key(run, runtime, name, given), **given))
        except UnavailableError as error:
            raise ToolException(unavailable) from error
        except BackendError:
            raise
        except AgentMemError as error:
            if error.code == "store_closed":
                raise
            raise ToolException(_advice(error)) from error

    async def acall(runtime: ToolRuntime[Any, Any], **given: Any) -> str:
        return await asyncio.to_thread(call, runtime, **given)

    return StructuredTool.from_function(
        func=call,
        coroutine=acall,
        name=name,
        description=description,
        args_schema=arguments,
        handle_tool_error=True,
        handle_validation_error=broken_rules,
    )


def _idempotency_key(run: Run, runtime: ToolRuntime[Any, Any], name: str, given: dict[str, Any]) -> str | None:
    """Return one key for one tool call: a graph that resumes may run the call again, and must not write twice."""
    call_id = runtime.tool_call_id
    for message in reversed(messages_of(runtime.state)):
        if isinstance(message, AIMessage) and any(call["id"] == call_id for call in message.tool_calls):
            call = json.dumps([run.thread_id, message.id, call_id, name, given])
            return hashlib.sha256(call.encode()).hexdigest()
    return None


def _advice(error: AgentMemError) -> str:
    if error.field == "idempotency_key":  # of the call, which ran before; the model knows no keys
        return "This was saved before, and deleted since. Leave it, or save it in a new call."
    if isinstance(error, NotFoundError):
        return "block: there is no such block in this scope; core memory shows the ones there are"
    field = "block" if error.field == "block_type" else error.field
    return sentence(error.rule, field=field, advice=error.advice)
