"""Conversations: what an agent had, what was said, what was written because of it, and who turned out to be whom."""
