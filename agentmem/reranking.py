"""Matches in the order of a model that reads them: any LangChain document compressor, such as a cross-encoder."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from langchain_core.documents import Document

from agentmem.errors import AgentMemError, BackendError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from langchain_core.documents import BaseDocumentCompressor

    from agentmem.models import MemoryRecallResult

CANDIDATES: Final = 50
"""How many of the best matches it reads at most."""


class Reranker:
    """A compressor as recall uses it: it may reorder matches and leave some out, and adds none.

    Args:
        compressor: Given a `Document` for each match, its text as `page_content` and in `metadata` its `id`, `score`,
            `speaker` and `occurred_at`.
    """

    def __init__(self, compressor: BaseDocumentCompressor) -> None:
        self._compressor = compressor

    def best_first(self, query: str, matches: Sequence[MemoryRecallResult]) -> list[MemoryRecallResult]:
        """The matches that it gives back, in its order.

        Raises:
            BackendError: It failed, or gave something that is no list of the documents.
        """
        if not matches:
            return []
        by_id = {match.id: match for match in matches}
        try:
            chosen = self._compressor.compress_documents([_document(match) for match in matches], query)
            ids = dict.fromkeys(document.metadata.get("id") for document in chosen)
        except AgentMemError:
            raise
        except Exception as error:
            raise BackendError(f"reranker: it failed with {type(error).__name__}") from error
        return [by_id[line_id] for line_id in ids if line_id in by_id]


def _document(match: MemoryRecallResult) -> Document:
    known = {"score": match.score, "speaker": match.speaker, "occurred_at": match.occurred_at}
    return Document(match.content, metadata={"id": match.id, **known})
