"""Long-term memory for LLM agents: versioned core blocks, archival recall, and LangGraph agents under a policy."""

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

if TYPE_CHECKING:
    from agentmem.client.store import AgentMem, Client, aopen, open

__all__ = [
    "AgentMem",
    "AgentMemError",
    "ArchivalLine",
    "BackendError",
    "BlockVersion",
    "CheckReport",
    "Client",
    "ConflictError",
    "Explanation",
    "ExtractionError",
    "InvalidInputError",
    "Line",
    "MemoryBlock",
    "MemoryContext",
    "MemoryPolicy",
    "MemoryRecallResult",
    "NotFoundError",
    "RunOptions",
    "RunResult",
    "Scope",
    "aopen",
    "open",
]

__version__ = "0.1.0"

logging.getLogger(__name__).addHandler(logging.NullHandler())  # what is logged is the application's to show

_LAZY = {"AgentMem", "Client", "aopen", "open"}


def __getattr__(name: str) -> object:
    """Load the store's side on first use, so that importing the package stays light."""
    if name in _LAZY:
        return getattr(import_module("agentmem.client.store"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return __all__
