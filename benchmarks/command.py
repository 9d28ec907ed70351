"""What the programs' command lines have in common: their arguments, and a quiet end."""

from __future__ import annotations

import argparse
import os
import signal
import sys
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from typing import NoReturn

    from dialogues import Conversation


def count(text: str) -> int:
    """A whole number from 1 on, as an argument."""
    if not text.strip().isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"{text!r} is not a whole number from 1 on")
    return int(text)


def numbers(text: str) -> list[int]:
    """`1,2` as numbers, each once, in order."""
    return sorted({count(number) for number in text.split(",")})


def chosen(conversations: Sequence[Conversation], only: Sequence[int] | None) -> list[Conversation]:
    """The conversations with these numbers, or all of them.

    Raises:
        ValueError: There is none of that number, or nothing to ask about.
    """
    if any(not 1 <= number <= len(conversations) for number in only or ()):
        raise ValueError(f"--conversations: there are 1 to {len(conversations)}")
    found = [conversations[number - 1] for number in only] if only else list(conversations)
    if not any(one.questions for one in found):
        raise ValueError("--data: no question of these conversations has evidence")
    return found


def forget_settings() -> None:
    """Measure the defaults, and never write to a database that the environment happens to name."""
    for name in [name for name in os.environ if name.startswith("AGENTMEM_")]:
        del os.environ[name]


def refused(program: str, why: object) -> int:
    """Say on one line why nothing was done; the exit code."""
    print(f"{program}: {why}", file=sys.stderr)
    return 2


def run(main: Callable[[], int]) -> NoReturn:
    """Run a program to its exit code; being ended from outside cleans up like being interrupted does."""
    signal.signal(signal.SIGTERM, _stop)
    raise SystemExit(main())


def _stop(*_: object) -> None:
    raise SystemExit(1)
