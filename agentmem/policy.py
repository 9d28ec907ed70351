"""What one run may see: the memory policy and the context that carry it into a graph."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field

from agentmem.bounds import MAX_LIMIT

DEFAULT_LIMIT = 5
DEFAULT_MIN_SCORE = 0.25


class MemoryPolicy(BaseModel):
    """What memory one agent run is given.

    Core memory is in the prompt unless it is switched off. Archival memory is
    not, unless `archival_mode` is `"auto"`; the agent can always ask for it
    through its `recall` tool.

    Args:
        archival_mode: `"tool_only"` leaves archival memory to the tool; `"auto"` also recalls for the current turn.
        archival_limit: How many memories `auto` may inject, 1 to 50.
        archival_min_score: The floor, 0 to 1, inclusive, for `auto` and for the tool alike.
        include_user_core: Whether the user's own blocks are in the prompt.
        include_agent_core: Whether the agent's blocks are in the prompt.
        archival_token_budget: The most tokens (langchain-core's approximate count) the injected memories may take, with
            their frame, which takes about 50 of them; `None` for no bound.
        timeout: The seconds one archival recall may take; `None` for no bound.
        on_failure: When memory cannot be reached: `"open"` lets the agent answer without it, `"closed"` fails the run.

    >>> MemoryPolicy(archival_mode="auto").archival_limit
    5
    """

    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True)

    archival_mode: Literal["tool_only", "auto"] = "tool_only"
    archival_limit: Annotated[int, Field(ge=1, le=MAX_LIMIT, strict=True)] = DEFAULT_LIMIT
    archival_min_score: Annotated[float, Field(ge=0, le=1, allow_inf_nan=False)] = DEFAULT_MIN_SCORE
    include_user_core: bool = True
    include_agent_core: bool = True
    archival_token_budget: Annotated[int, Field(ge=1, strict=True)] | None = None
    timeout: Annotated[float, Field(gt=0, le=86_400, allow_inf_nan=False)] | None = None
    on_failure: Literal["open", "closed"] = "open"


class RunOptions(BaseModel):
    """Options of one `client.agents.run`.

    >>> RunOptions(memory_policy=MemoryPolicy(archival_mode="auto")).memory_policy.archival_mode
    'auto'
    """

    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True)

    memory_policy: MemoryPolicy = MemoryPolicy()


class MemoryContext(BaseModel):
    """The run context of a graph with memory: who is talking to which agent, under which policy.

    Pass it as LangGraph's `context=`; a plain dict of the same keys is coerced.

    Args:
        user_id: The person the agent talks to.
        agent_id: The agent; `None` for an agent without memory of its own.
        memory_policy: What this run may see.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True)

    user_id: Annotated[str, Field(strict=True)]
    agent_id: Annotated[str, Field(strict=True)] | None = None
    memory_policy: MemoryPolicy = MemoryPolicy()
