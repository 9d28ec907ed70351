"""How much of what a user told an assistant recall finds, and how fast: the same as `locomo.py`, on BEAM.

python benchmarks/beam.py --data path/to/BEAM/chats/100K
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import beam_data
import locomo
from command import run

if TYPE_CHECKING:
    from collections.abc import Sequence

    from langchain_core.embeddings import Embeddings

BEAM: Final = locomo.Data("beam", "BEAM", "a folder of BEAM's chats as published, such as chats/100K", beam_data.read)


def main(arguments: Sequence[str] | None = None, *, embeddings: Embeddings | None = None) -> int:
    """Run the command; the exit code. The arguments are those of `locomo.main`."""
    return locomo.main(arguments, embeddings=embeddings, data=BEAM)


if __name__ == "__main__":
    run(main)
