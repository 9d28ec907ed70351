"""Long-term memory for LLM agents: core blocks, archival recall, contacts and conversations, LangGraph agents."""

from __future__ import annotations

import logging
from importlib import import_module
from typing import TYPE_CHECKING

from agentmem.errors import (
    AgentMemError,
    BackendError,
    ConflictError,
    ExtractionError,
    InvalidInputError,
    NotFoundError,
)
from agentmem.models import (
    ArchivalLine,
    BlockVersion,
    CheckReport,
    Explanation,
    Line,
    MemoryBlock,
    MemoryRecallResult,
    RunResult,
    Scope,
)
from agentmem.policy import MemoryContext, MemoryPolicy, RunOptions
from agentmem.records import (
    AgentMemories,
    AgentMemory,
    AgentMetrics,
    Contact,
    ContactMemory,
    ConversationContext,
    ConversationRecord,
    ConversationTurn,
    Entity,
    EntityRef,
    Fact,
    FirstInteraction,
    ForgetReceipt,
    Handoff,
    Identifier,
    MemoryChange,
    Message,
    MessageInput,
    OpenItem,
    SweepReport,
)

if TYPE_CHECKING:
    from agentmem.agents.settings import AgentRecord, AgentSettings
    from agentmem.client.conversation import Conversation
    from agentmem.client.store import AgentMem, Client, aopen, open

__all__ = [
    "AgentMem",
    "AgentMemError",
    "AgentMemories",
    "AgentMemory",
    "AgentMetrics",
    "AgentRecord",
    "AgentSettings",
    "ArchivalLine",
    "BackendError",
    "BlockVersion",
    "CheckReport",
    "Client",
    "ConflictError",
    "Contact",
    "ContactMemory",
    "Conversation",
    "ConversationContext",
    "ConversationRecord",
    "ConversationTurn",
    "Entity",
    "EntityRef",
    "Explanation",
    "ExtractionError",
    "Fact",
    "FirstInteraction",
    "ForgetReceipt",
    "Handoff",
    "Identifier",
    "InvalidInputError",
    "Line",
    "MemoryBlock",
    "MemoryChange",
    "MemoryContext",
    "MemoryPolicy",
    "MemoryRecallResult",
    "Message",
    "MessageInput",
    "NotFoundError",
    "OpenItem",
    "RunOptions",
    "RunResult",
    "Scope",
    "SweepReport",
    "aopen",
    "open",
]

__version__ = "0.1.0"

logging.getLogger(__name__).addHandler(logging.NullHandler())  # what is logged is the application's to show

_LAZY = {
    "AgentMem": "agentmem.client.store",
    "AgentRecord": "agentmem.agents.settings",
    "AgentSettings": "agentmem.agents.settings",
    "Client": "agentmem.client.store",
    "Conversation": "agentmem.client.conversation",
    "aopen": "agentmem.client.store",
    "open": "agentmem.client.store",
}


def __getattr__(name: str) -> object:
    """Load the store's side on first use, so that importing the package stays light."""
    if name in _LAZY:
        return getattr(import_module(_LAZY[name]), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return __all__
