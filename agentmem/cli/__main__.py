"""`python -m agentmem.cli` is the command `agentmem`."""

from __future__ import annotations

import sys

from agentmem.cli import main

if __name__ == "__main__":
    sys.exit(main())
