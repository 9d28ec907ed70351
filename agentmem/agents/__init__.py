"""Agents: the graphs that answer for them in this process, and what was configured for them in the store."""
