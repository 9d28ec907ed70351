"""Memory for LangGraph agents: a middleware for `create_agent`, nodes for hand-built graphs, and the tools of both."""

from __future__ import annotations

from agentmem.langgraph.inject import inject_memory
from agentmem.langgraph.middleware import ConversationMiddleware, MemoryMiddleware
from agentmem.langgraph.nodes import (
    create_conversation_nodes,
    create_memory_node,
    create_model_node,
    create_tool_node,
)
from agentmem.langgraph.state import MemoryState
from agentmem.langgraph.tools import create_archival_tools, create_core_memory_tools, create_recall_tool
from agentmem.policy import MemoryContext

__all__ = [
    "ConversationMiddleware",
    "MemoryContext",
    "MemoryMiddleware",
    "MemoryState",
    "create_archival_tools",
    "create_conversation_nodes",
    "create_core_memory_tools",
    "create_memory_node",
    "create_model_node",
    "create_recall_tool",
    "create_tool_node",
    "inject_memory",
]
