"""The command `agentmem`."""

from __future__ import annotations

from agentmem.cli.app import main

__all__ = ["main"]
