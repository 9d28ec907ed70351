"""A document compressor has the last word on the order of recall."""

# ruff: noqa: ARG002 - the signature is LangChain's

import pytest
from langchain_core.documents import BaseDocumentCompressor, Document

from agentmem.errors import BackendError, InvalidInputError

SAID = ["Ada drinks tea in the morning", "tea", "tea: never", "tea at four"]


class Shortest(BaseDocumentCompressor):
    """Puts short texts first and leaves out those with a colon; notes what it was asked."""

    asked: list = []  # noqa: RUF012 - pydantic gives each one its own

    def compress_documents(self, documents, query, callbacks=None):
        self.asked.append((query, [document.metadata["id"] for document in documents]))
        kept = [document for document in documents if ":" not in document.page_content]
        return sorted(kept, key=lambda document: len(document.page_content))


class Broken(BaseDocumentCompressor):
    def compress_documents(self, documents, query, callbacks=None):
        msg = "secret"
        raise RuntimeError(msg)


class Inventive(BaseDocumentCompressor):
    def compress_documents(self, documents, query, callbacks=None):
        return [Document("invented", metadata={"id": "nobody's"}), Document("no id"), documents[0], documents[0]]


def test_its_order_and_what_it_leaves_out_is_the_answer(open_mem):
    reranker = Shortest()
    memory = open_mem(reranker=reranker).client("ada").memory
    stored = memory.remember(SAID)
    found = memory.recall("tea", min_score=0)
    assert [match.content for match in found] == ["tea", "tea at four", "Ada drinks tea in the morning"]
    assert [match.content for match in memory.recall("tea", min_score=0, limit=1)] == ["tea"]
    assert reranker.asked[0][0] == "tea"
    assert sorted(reranker.asked[0][1]) == sorted(line.id for line in stored)


def test_scores_stay_those_of_recall(open_mem):
    plain = open_mem().client("ada").memory
    plain.remember(SAID)
    scores = {match.id: match.score for match in plain.recall("tea", min_score=0)}
    reranked = open_mem(reranker=Shortest()).client("ada").memory
    assert all(scores[match.id] == match.score for match in reranked.recall("tea", min_score=0))


def test_it_is_shown_only_what_reaches_the_floor(open_mem):
    reranker = Shortest()
    memory = open_mem(reranker=reranker).client("ada").memory
    memory.remember(SAID)
    assert memory.recall("quantum chromodynamics", min_score=0.9) == []
    assert reranker.asked == []


def test_what_it_invents_or_repeats_is_dropped(open_mem):
    memory = open_mem(reranker=Inventive()).client("ada").memory
    memory.remember(SAID)
    assert len(memory.recall("tea", min_score=0)) == 1


def test_its_failure_is_an_error_of_ours_that_tells_no_content(open_mem):
    memory = open_mem(reranker=Broken()).client("ada").memory
    memory.remember(SAID)
    with pytest.raises(BackendError, match="reranker: it failed with RuntimeError") as caught:
        memory.recall("tea", min_score=0)
    assert "secret" not in str(caught.value)


def test_something_else_is_refused_at_once(open_mem):
    with pytest.raises(InvalidInputError, match="reranker: must be a LangChain document compressor, not int"):
        open_mem(reranker=5)
