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
    from agentmem.testing.contracts import VectorIndexContract

__all__ = [
    "FrozenClock",
    "HashingEmbeddings",
    "ScriptedChatModel",
    "Seen",
    "SeenBlock",
    "SeenMemory",
    "VectorIndexContract",
    "seen_memory",
    "stand_in_model",
]


def __getattr__(name: str) -> object:
    """Load the suite on first use: it stands on the SQL side, which the fakes do without."""
    if name == "VectorIndexContract":
        return import_module("agentmem.testing.contracts").VectorIndexContract
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return __all__
