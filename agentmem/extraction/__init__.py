"""From a conversation to checked proposals of what to remember: a chat model proposes, code decides."""
