"""Matches in the order of a model that reads them: any LangChain document compressor, such as a cross-encoder."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Final, cast

from langchain_core.documents import Document

from agentmem.errors import AgentMemError, BackendError

if TYPE_CHECKING:
    from langchain_core.documents import BaseDocumentCompressor

    from agentmem.models import MemoryRecallResult

CANDIDATES: Final = 50
"""How many of the best matches it reads at most."""

_OURS: Final = "agentmem_id"  # some compressors number documents themselves, in `id`


class Reranker:
    """A compressor as recall uses it: it may reorder matches and leave some out, and adds none.

    Args:
        compressor: Given a `Document` for each match: its id, its text as `page_content`, and in `metadata` its `id`,
            `score`, `speaker` and `occurred_at`. What it gives back is known by `agentmem_id` in the metadata, which is
            the id once more: whatever else it changes, that has to stay.
    """

    def __init__(self, compressor: BaseDocumentCompressor) -> None:
        self._compressor = compressor

    def best_first(self, query: str, matches: Sequence[MemoryRecallResult]) -> list[MemoryRecallResult]:
        """Return the matches that it gives back, in its order, each once; documents that it was not given are left out.

        Raises:
            BackendError: It failed, or gave back something that is no list of documents, or no document that it was
                given among others.
        """
        if not matches:
            return []
        by_id = {match.id: match for match in matches}
        try:
            answer = self._compressor.compress_documents([_document(match) for match in matches], query)
            returned = [str(document.metadata.get(_OURS)) for document in _documents(answer)]
        except AgentMemError:
            raise
        except Exception as error:
            raise BackendError(f"it failed with {type(error).__name__}", field="reranker") from error
        chosen = [by_id[line_id] for line_id in dict.fromkeys(returned) if line_id in by_id]
        if returned and not chosen:
            raise BackendError("it gave back documents that it was not given", field="reranker")
        return chosen


def _document(match: MemoryRecallResult) -> Document:
    known = {"score": match.score, "speaker": match.speaker, "occurred_at": match.occurred_at}
    return Document(match.content, id=match.id, metadata={_OURS: match.id, "id": match.id, **known})


def _documents(answer: object) -> list[Document]:
    """Return what a compressor gave back, if it is what LangChain says it is."""
    if isinstance(answer, Sequence) and not isinstance(answer, str):
        returned = cast("Sequence[object]", answer)
        documents = [one for one in returned if isinstance(one, Document)]
        if len(documents) == len(returned):
            return documents
    raise BackendError("it gave back something that is no list of documents", field="reranker")
