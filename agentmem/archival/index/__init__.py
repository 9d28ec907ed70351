"""Vector indexes: what they promise, the exact scan, and what feeds a larger one."""
