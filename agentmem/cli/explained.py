"""How a match came to its place, as `recall --explain` shows it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from rich.console import Group
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from agentmem.archival.search.scoring import (
    LEXICAL_SHARE,
    MEANING_ALONE,
    ORDER_LEXICAL_SHARE,
    ORDER_SEMANTIC_SHARE,
    SEMANTIC_SHARE,
)
from agentmem.cli.output import one_line, row, screen, table

if TYPE_CHECKING:
    from collections.abc import Iterator

    from rich.console import RenderableType

    from agentmem.models import Explanation, MemoryRecallResult

_FUSED: Final = f"{SEMANTIC_SHARE} * semantic + {LEXICAL_SHARE} * lexical"
_BY_MEANING: Final = f"{MEANING_ALONE} * semantic, above {_FUSED}"
_ORDER: Final = f"{ORDER_SEMANTIC_SHARE} * semantic + {ORDER_LEXICAL_SHARE} * lexical"
_ROUNDING: Final = 1e-5
_LONGEST_WORD: Final = 24


def print_explained(matches: list[MemoryRecallResult]) -> None:
    """Print an account of each match that has an explanation."""
    console = screen()
    for match in matches:
        if (why := match.explanation) is not None:
            title = Text(f"line {match.line_number} ({match.scope}), chosen by {why.answered_by}", style="bold")
            console.print()
            console.print(title)
            console.print(Padding(Group(*_account(match, why)), (0, 0, 0, 2)))


def _account(match: MemoryRecallResult, why: Explanation) -> Iterator[RenderableType]:
    sums = Table.grid(padding=(0, 2))
    sums.add_column(no_wrap=True)
    sums.add_column(justify="right", no_wrap=True)
    sums.add_column(style="dim")
    for name, value, meaning in _parts(match, why):
        sums.add_row(name, value, meaning)
    yield sums
    if why.terms:
        yield ""
        yield _words(why)


def _parts(match: MemoryRecallResult, why: Explanation) -> Iterator[tuple[str, str, str]]:
    yield "semantic", f"{why.semantic:.4f}", "how near it is in meaning"
    yield "lexical", f"{why.lexical:.4f}", "how much of the question's words it has"
    boosts = {
        "speaker": (why.speaker_boost, "the question names its speaker"),
        "conversation": (why.conversation_boost, "how well its conversation answers"),
        "question": (why.question_boost, "it asks something itself"),
        "recency": (why.recency_boost, "how new it is"),
    }
    fused = SEMANTIC_SHARE * why.semantic + LEXICAL_SHARE * why.lexical
    yield "score", f"{match.score:.4f}", _BY_MEANING if match.score > fused + _ROUNDING else _FUSED
    given = {name: boost for name, boost in boosts.items() if boost[0]}
    for name, (boost, reason) in given.items():
        yield name, f"{boost:+.4f}", reason
    yield "rank", f"{why.rank:.4f}", f"{_ORDER} + the boosts" if given else _ORDER


def _words(why: Explanation) -> Table:
    """Return the words of the question; what they add is `lexical`."""
    shown = table("word", "weight", "own", "amount", "adds", right=("weight", "own", "amount", "adds"))
    total = sum(term.weight for term in why.terms)
    for term in why.terms:
        share = term.amount / (term.amount + why.normalisation) if term.amount else 0.0
        added = f"{term.weight * share / total:.4f}"
        shown.add_row(*row(one_line(term.term, limit=_LONGEST_WORD), term.weight, f"{term.own:g}", term.amount, added))
    return shown
