"""What each part of the ranking is worth on LoCoMo or BEAM: recall@10 and MRR with all of it, and without one part.

python benchmarks/ablation.py --data path/to/locomo10.json
"""

from __future__ import annotations

import argparse
import math
from contextlib import ExitStack, closing
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any, Final
from unittest.mock import patch

import published
from command import chosen, forget_settings, numbers, refused, run
from dialogues import Conversation, NotPublishedError
from metrics import mean_scores
from report import table
from rich.console import Console
from rich.progress import track
from systems import AgentMem, Timed, timed
from texts import BARE

from agentmem.embedding import default_embeddings
from agentmem.text.analyzer import Analyzer

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from datetime import datetime

    from langchain_core.embeddings import Embeddings

FIGURES: Final = ("recall@10", "MRR")

_bag = Analyzer.bag


def _undated(analyzer: Analyzer, content: str, *, speaker: str | None, occurred_at: datetime | None) -> bytes:
    del occurred_at
    return _bag(analyzer, content, speaker=speaker, occurred_at=None)


_SCORING: Final = "archival.search.scoring"

PARTS: Final[Mapping[str, Mapping[str, Any]]] = {
    "all of it": {},
    "without meaning": {f"{_SCORING}.ORDER_SEMANTIC_SHARE": 0.0, f"{_SCORING}.ORDER_LEXICAL_SHARE": 1.0},
    "without words": {f"{_SCORING}.ORDER_SEMANTIC_SHARE": 1.0, f"{_SCORING}.ORDER_LEXICAL_SHARE": 0.0},
    "the score's shares in the order": {
        f"{_SCORING}.ORDER_SEMANTIC_SHARE": 0.3,
        f"{_SCORING}.ORDER_LEXICAL_SHARE": 0.7,
    },
    "names embedded with the question": {"archival.search.ranking.without_names": lambda text, *_: text},
    "without the lines before": {"archival.search.bm25.CONTEXT": ()},
    "without dates": {"text.analyzer.Analyzer.bag": _undated},
    "without the speaker's boost": {f"{_SCORING}.SPEAKER_BOOST": 0.0},
    "without the conversation's boost": {f"{_SCORING}.CONVERSATION_BOOST": 0.0},
    "questions not put back": {f"{_SCORING}.QUESTION_BOOST": 0.0},
    "long questions put back like short ones": {f"{_SCORING}.QUESTION_LENGTH": math.inf},
}
"""What each variant changes, by its place in `agentmem`."""

AROUND: Final[Mapping[str, Mapping[str, Any]]] = {
    "all of it": {},
    **{
        f"semantic share {share:.2f}": {
            f"{_SCORING}.ORDER_SEMANTIC_SHARE": share,
            f"{_SCORING}.ORDER_LEXICAL_SHARE": 1 - share,
        }
        for share in (0.30, 0.34, 0.36, 0.40, 0.42, 0.46)
    },
    **{f"question boost -{taken:.2f}": {f"{_SCORING}.QUESTION_BOOST": -taken} for taken in (0.06, 0.08, 0.12, 0.14)},
    **{f"question length {length}": {f"{_SCORING}.QUESTION_LENGTH": length} for length in (6, 8, 12, 16, 24)},
}
"""The figures that both sets of data had a say in, each a few steps lower and higher."""


def main(arguments: Sequence[str] | None = None, *, embeddings: Embeddings | None = None) -> int:
    """Run the command; the exit code.

    Args:
        arguments: The command line, without the program's name.
        embeddings: The embedder; else agentmem's default.
    """
    options = _parser().parse_args(arguments)
    try:
        conversations = chosen(published.read(options.data), options.conversations)
    except NotPublishedError as error:
        return refused("ablation.py", f"{options.data} {error}")
    except ValueError as error:
        return refused("ablation.py", error)
    forget_settings()
    shared = timed(embeddings or default_embeddings())
    changes = AROUND if options.around else PARTS
    variants = track(changes.items(), "Measuring variants", total=len(changes), console=Console(stderr=True))
    measured = {name: answers(conversations, shared, changed) for name, changed in variants}
    print(markdown(_groups(conversations, options.apart), measured))
    return 0


def answers(conversations: Sequence[Conversation], shared: Timed, changed: Mapping[str, Any]) -> dict[str, list[str]]:
    """What is recalled for each question, by its conversation and text, with some things changed.

    Every variant has a store of its own: some parts are in what is written.
    """
    with TemporaryDirectory(prefix="agentmem-ablation-") as folder, ExitStack() as opened:
        for place, value in changed.items():
            opened.enter_context(patch(f"agentmem.{place}", value))
        system = opened.enter_context(closing(AgentMem(Path(folder) / "store", shared, text=BARE)))
        for one in conversations:
            for session in one.sessions:
                system.add(one.key, session)
        return {
            one.key + question.text: system.recall(one.key, question.text)
            for one in conversations
            for question in one.questions
        }


def markdown(groups: Mapping[str, Sequence[Conversation]], measured: Mapping[str, Mapping[str, list[str]]]) -> str:
    """A row for each variant, the figures of each group of conversations side by side."""
    head = [f"{figure}, {group}" for group in groups for figure in FIGURES]
    rows = [
        [name, *(figure for group in groups.values() for figure in _figures(group, ranked))]
        for name, ranked in measured.items()
    ]
    return table(["ranking", *head], rows, texts=1)


def _groups(conversations: Sequence[Conversation], apart: Sequence[int]) -> dict[str, list[Conversation]]:
    """All, and those with some numbers apart from the others, by their numbers."""
    numbered = list(enumerate(conversations, start=1))
    some = [(number, one) for number, one in numbered if number in apart]
    rest = [(number, one) for number, one in numbered if number not in apart]
    named = {", ".join(str(number) for number, _ in group): [one for _, one in group] for group in (some, rest)}
    return {"all": list(conversations)} | {name: group for name, group in named.items() if name}


def _figures(group: Sequence[Conversation], ranked: Mapping[str, list[str]]) -> list[str]:
    found = mean_scores((ranked[one.key + asked.text], asked.evidence) for one in group for asked in one.questions)
    return [f"{found[figure]:.3f}" for figure in FIGURES]


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="ablation.py", description="What each part of the ranking is worth.")
    add = parser.add_argument
    add("--data", type=Path, required=True, metavar="PATH", help=published.WHAT)
    add("--conversations", type=numbers, metavar="1,2", help="only these, counted from 1 (default: all)")
    add(
        "--apart", type=numbers, default=[1, 2, 3], metavar="1,2,3", help="show these of them apart from the others too"
    )
    add("--around", action="store_true", help="instead, move the shares and the boost of questions a little")
    return parser


if __name__ == "__main__":
    run(main)
