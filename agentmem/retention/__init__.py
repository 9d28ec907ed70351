"""The end of memory: what outlived its retention, and who is to be forgotten."""
