"""Public fakes and suites for tests, of agentmem and of what is built on it."""

from __future__ import annotations

from agentmem.testing.clock import FrozenClock
from agentmem.testing.embeddings import HashingEmbeddings
from agentmem.testing.prompts import Seen, SeenBlock, SeenMemory, seen_memory
from agentmem.testing.scripted import ScriptedChatModel, stand_in_model

__all__ = [
    "FrozenClock",
    "HashingEmbeddings",
    "ScriptedChatModel",
    "Seen",
    "SeenBlock",
    "SeenMemory",
    "seen_memory",
    "stand_in_model",
]
