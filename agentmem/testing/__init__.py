"""Public fakes and suites for tests, of agentmem and of what is built on it."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

from agentmem.testing.clock import FrozenClock
from agentmem.testing.embeddings import HashingEmbeddings
from agentmem.testing.prompts import Seen, SeenBlock, SeenMemory, seen_memory
from agentmem.testing.scripted import ScriptedChatModel
from agentmem.testing.stand_in import stand_in_model

if TYPE_CHECKING:
    from agentmem.testing.contracts import IndexBackendContract, VectorIndexContract
    from agentmem.testing.memory_index import InMemoryIndex

__all__ = [
    "FrozenClock",
    "HashingEmbeddings",
    "InMemoryIndex",
    "IndexBackendContract",
    "ScriptedChatModel",
    "Seen",
    "SeenBlock",
    "SeenMemory",
    "VectorIndexContract",
    "seen_memory",
    "stand_in_model",
]


_LAZY = {
    "InMemoryIndex": "agentmem.testing.memory_index",
    "IndexBackendContract": "agentmem.testing.contracts",
    "VectorIndexContract": "agentmem.testing.contracts",
}


def __getattr__(name: str) -> object:
    """Load on first use what stands on the SQL side, which the other fakes do without."""
    if name in _LAZY:
        return getattr(import_module(_LAZY[name]), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return __all__
