"""A document compressor has the last word on the order of recall."""

# ruff: noqa: ARG002 - the signature is LangChain's

from collections.abc import Callable

import pytest
from langchain_core.documents import BaseDocumentCompressor, Document

from agentmem import Line
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
        return [
            Document("invented", metadata={"agentmem_id": "nobody's"}),
            Document("no id"),
            documents[0],
            documents[0],
        ]


class Saying(BaseDocumentCompressor):
    """Gives back what it is told to make of the documents."""

    says: Callable[[list[Document]], object]

    def compress_documents(self, documents, query, callbacks=None):
        return self.says(documents)


def renumbered(documents):
    """As compressors do that number the documents themselves, and keep no more of them than text and metadata."""
    return [
        Document(document.page_content, metadata={**document.metadata, "id": place, "score": 0.5})
        for place, document in enumerate(documents)
    ][::-1]


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


def test_each_document_has_the_line_and_what_is_known_of_it(open_mem):
    given = []
    memory = open_mem(reranker=Saying(says=lambda documents: given.extend(documents) or documents)).client("ada").memory
    memory.remember(Line("tea", speaker="Bo", occurred_at="2026-03-14T09:30:00+00:00"))
    (match,) = memory.recall("tea")
    assert [(document.id, document.page_content) for document in given] == [(match.id, "tea")]
    known = {"score": match.score, "speaker": "Bo", "occurred_at": match.occurred_at}
    assert given[0].metadata == {"agentmem_id": match.id, "id": match.id, **known}


def test_it_may_number_the_documents_itself(open_mem):
    plain = open_mem().client("ada").memory
    plain.remember(SAID)
    in_order = [match.id for match in plain.recall("tea", min_score=0)]
    memory = open_mem(reranker=Saying(says=renumbered)).client("ada").memory
    assert [match.id for match in memory.recall("tea", min_score=0)] == in_order[::-1]


@pytest.mark.parametrize("nothing", [[], ()])
def test_it_may_leave_out_everything(open_mem, nothing):
    memory = open_mem(reranker=Saying(says=lambda _documents: nothing)).client("ada").memory
    memory.remember(SAID)
    assert memory.recall("tea", min_score=0) == []


@pytest.mark.parametrize("metadata", [{}, {"id": "mine"}, {"agentmem_id": "nobody's"}, {"agentmem_id": ["tea"]}])
def test_documents_of_which_none_was_given_to_it_are_an_error_and_not_an_empty_answer(open_mem, metadata):
    reranker = Saying(says=lambda documents: [Document(one.page_content, metadata=metadata) for one in documents])
    memory = open_mem(reranker=reranker).client("ada").memory
    memory.remember(SAID)
    with pytest.raises(BackendError, match="reranker: it gave back documents that it was not given"):
        memory.recall("tea", min_score=0)


NO_DOCUMENTS = {
    "none": lambda _documents: None,
    "a number": lambda _documents: 5,
    "a text": lambda _documents: "",
    "a dict": lambda _documents: {},
    "one document": lambda documents: documents[0],
    "texts": lambda documents: [document.page_content for document in documents],
    "a text among them": lambda documents: [*documents, "tea"],
    "pairs": lambda documents: [(document, 0.5) for document in documents],
}


@pytest.mark.parametrize("says", NO_DOCUMENTS.values(), ids=NO_DOCUMENTS)
def test_what_is_no_list_of_documents_is_a_backend_error(open_mem, says):
    memory = open_mem(reranker=Saying(says=says)).client("ada").memory
    memory.remember(SAID)
    with pytest.raises(BackendError, match="reranker: it gave back something that is no list of documents"):
        memory.recall("tea", min_score=0)


def test_its_failure_is_an_error_of_ours_that_tells_no_content(open_mem):
    memory = open_mem(reranker=Broken()).client("ada").memory
    memory.remember(SAID)
    with pytest.raises(BackendError, match="reranker: it failed with RuntimeError") as caught:
        memory.recall("tea", min_score=0)
    assert "secret" not in str(caught.value)


def test_something_else_is_refused_at_once(open_mem):
    with pytest.raises(InvalidInputError, match="reranker: must be a LangChain document compressor, not int"):
        open_mem(reranker=5)
