"""What every `VectorIndex` and every `IndexBackend` promises, as classes of tests to run against your own."""

# ruff: noqa: S101, D102 - tests speak in asserts, and their names are sentences

from __future__ import annotations

import threading
from abc import ABC, abstractmethod
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import numpy as np
from sqlmodel import func, select

from agentmem.archival.index.projection import ProjectedIndex
from agentmem.archival.index.protocol import ScopeAt, key
from agentmem.archival.lines import expire
from agentmem.archival.lines.drafts import Draft, Limits
from agentmem.archival.lines.store import ArchivalStore
from agentmem.archival.maintenance import embed_anew
from agentmem.database import Database, state
from agentmem.embedding import Embedder, similarities
from agentmem.models import Scope
from agentmem.revisions import find
from agentmem.tables import ARCHIVAL, ArchivalLineRow
from agentmem.testing.clock import FrozenClock
from agentmem.testing.embeddings import HashingEmbeddings
from agentmem.text.analyzer import Analyzer
from agentmem.transaction import Transactions, Writer

if TYPE_CHECKING:
    from collections.abc import Generator, Sequence
    from contextlib import AbstractContextManager
    from pathlib import Path

    from sqlmodel import Session

    from agentmem.archival.index.backend import IndexBackend
    from agentmem.archival.index.protocol import VectorIndex
    from agentmem.models import ArchivalLine

_OPERATOR: Final = Writer("operator")
_ADA: Final = Scope("acme", "ada")
_ENGLISH: Final = Analyzer("english")
_LIMITS: Final = Limits(line_chars=1_000, id_chars=255)
_WORDS: Final = ("tea", "rye", "oats", "milk", "Oslo", "March", "Tom", "Acme", "renews", "dog")


class _ThreeWords(HashingEmbeddings):
    """A model that reads three words of a text, so that a longer line has several vectors."""

    max_word_pieces = 3

    def count_word_pieces(self, texts: list[str]) -> list[int]:
        return [len(text.split()) for text in texts]


def _quiet(_done: int, _total: int) -> None:
    """Progress that nobody watches."""


@dataclass
class _Store:
    """A store of lines, and the index of it that is tested."""

    database: Database
    embedder: Embedder
    lines: ArchivalStore
    index: VectorIndex

    def remember(self, *texts: str, scope: Scope = _ADA, confidence: float = 1.0) -> list[ArchivalLine]:
        drafts = [Draft(text, "operator", confidence) for text in texts]
        return self.lines.remember(scope, drafts, writer=_OPERATOR)

    def forget(self, line: ArchivalLine) -> None:
        self.lines.forget_line(_ADA.tenant_id, _ADA.user_id, line.id, writer=_OPERATOR)

    def rewrite(self, text: str) -> None:
        read = self.lines.get(_ADA)
        self.lines.update(_ADA, text, expected=read.updated_at, writer=_OPERATOR)

    def switch(self, embedder: Embedder) -> None:
        """Make every vector anew with another model, as `reindex(embed=True)` does, and leave the index to notice."""
        self.embedder = embedder
        embed_anew(self.database, embedder, _quiet)

    def search(self, query: str, limit: int = 10, *, scope: Scope = _ADA) -> list[tuple[str, float]]:
        with self.database.read() as session:
            return self.search_in(session, query, limit, scope=scope)

    def search_in(self, session: Session, query: str, limit: int, *, scope: Scope = _ADA) -> list[tuple[str, float]]:
        header = find(session, scope, ARCHIVAL)
        assert header is not None, "the test wrote to this scope"
        last = select(func.max(ArchivalLineRow.seq)).where(ArchivalLineRow.block_id == header.id)
        at = ScopeAt(header.id, session.exec(last).one() or 0, state(session).embedder_id)
        found = self.index.search(session, at, self.embedder.embed_query(query), limit)
        return [(line_id.decode(), score) for line_id, score in zip(found.ids, found.semantic.tolist(), strict=True)]

    def expected(self, query: str, lines: Sequence[ArchivalLine]) -> list[tuple[str, float]]:
        """Return every line with its exact similarity, best first, then by id."""
        query_vector = self.embedder.embed_query(query)
        embedded = self.embedder.embed_lines([line.content for line in lines])
        scores = [float(similarities(vectors, query_vector).max()) for vectors in embedded]
        every = [(line.id, score) for line, score in zip(lines, scores, strict=True)]
        return sorted(every, key=lambda one: (-one[1], one[0]))


class VectorIndexContract(ABC):
    """The promises of a `VectorIndex`; subclass it, say how yours is opened, and let pytest collect the subclass.

    class TestMyIndex(VectorIndexContract):
        def open_index(self, database, folder):
            return contextlib.nullcontext(MyIndex(database, folder))

    The index's name is what `Explanation.answered_by` says.
    """

    @abstractmethod
    def open_index(self, database: Database, folder: Path) -> AbstractContextManager[VectorIndex]:
        """Your index over a database that nobody wrote to yet, closed by the context.

        Args:
            database: The truth.
            folder: A folder of the test's own.
        """

    @contextmanager
    def opened(self, folder: Path) -> Generator[_Store]:
        """A new store with the index."""
        with ExitStack() as stack:
            database = Database(folder / "contract.db")
            stack.callback(database.close)
            embedder = Embedder(_ThreeWords(64))
            lines = ArchivalStore(Transactions(database, FrozenClock(), max_fact_days=90), embedder, _ENGLISH, _LIMITS)
            index = stack.enter_context(self.open_index(database, folder))
            yield _Store(database, embedder, lines, index)

    def test_it_says_which_engine_it_is(self, tmp_path: Path) -> None:
        with self.opened(tmp_path) as store:
            assert store.index.name
            assert store.index.name.isidentifier()

    def test_lines_come_best_first_with_their_exact_similarity(self, tmp_path: Path) -> None:
        with self.opened(tmp_path) as store:
            lines = store.remember(*(f"{one} {other}" for one in _WORDS for other in _WORDS))
            for query in ("tea", "Acme renews in March", "Tom the dog", "nothing of it", "!"):
                assert store.search(query, limit=len(lines)) == store.expected(query, lines)

    def test_it_proposes_as_many_as_asked_for_and_none_better_is_left_out(self, tmp_path: Path) -> None:
        with self.opened(tmp_path) as store:
            lines = store.remember(*(f"{one} {other}" for one in _WORDS for other in _WORDS))
            every = store.expected("Acme renews in March", lines)
            for limit in (1, 2, 5, 20, len(lines), len(lines) + 1):
                found = store.search("Acme renews in March", limit)
                assert len(found) >= min(limit, len(lines))
                assert [score for _, score in found] == [score for _, score in every[: len(found)]]

    def test_fewer_than_asked_for_are_all_there_are(self, tmp_path: Path) -> None:
        with self.opened(tmp_path) as store:
            lines = store.remember("tea", "rye", "tea rye")
            found = store.search("tea", limit=50)
            assert {line_id for line_id, _ in found} == {line.id for line in lines}

    def test_equal_lines_come_by_id(self, tmp_path: Path) -> None:
        with self.opened(tmp_path) as store:
            lines = store.remember(*["tea"] * 7)
            assert [line_id for line_id, _ in store.search("tea", limit=7)] == sorted(line.id for line in lines)

    def test_a_line_of_several_vectors_is_found_by_each_once_and_as_similar_as_the_best(self, tmp_path: Path) -> None:
        with self.opened(tmp_path) as store:
            long, longer = store.remember("tea rye oats milk", "Oslo March Tom Acme renews dog")
            lines = [long, longer, *store.remember("tea", "rye oats")]
            for vectors, line in zip(store.embedder.embed_lines([line.content for line in lines]), lines, strict=True):
                assert (len(vectors) > 1) == (line in {long, longer})
            for query, line in (("tea rye", long), ("oats milk", long), ("Oslo March", longer), ("renews dog", longer)):
                assert store.search(query, limit=1)[0] == (line.id, 1.0)
                assert store.search(query, limit=50) == store.expected(query, lines)

    def test_lines_of_several_vectors_do_not_crowd_out_others(self, tmp_path: Path) -> None:
        with self.opened(tmp_path) as store:
            lines = store.remember(*(f"tea tea {word} tea tea tea tea" for word in _WORDS), "tea rye", "rye")
            every = store.expected("tea", lines)
            for limit in (1, 3, len(lines) - 1, len(lines)):
                found = store.search("tea", limit)
                assert len(found) >= limit
                assert len(found) == len({line_id for line_id, _ in found})
                assert [score for _, score in found] == [score for _, score in every[: len(found)]]

    def test_a_line_of_several_vectors_is_gone_with_all_of_them(self, tmp_path: Path) -> None:
        with self.opened(tmp_path) as store:
            one, other, third = store.remember("tea rye oats milk", "Oslo March Tom Acme", "dog renews Tom milk")
            store.search("tea")
            store.forget(one)
            for query in ("tea rye", "oats milk"):
                assert store.search(query, limit=50) == store.expected(query, [other, third])
            store.rewrite(third.content)
            for query in ("Oslo March", "Tom Acme"):
                assert store.search(query, limit=50) == store.expected(query, [third])

    def test_a_scope_whose_lines_are_all_gone_has_none(self, tmp_path: Path) -> None:
        with self.opened(tmp_path) as store:
            (line,) = store.remember("tea")
            store.forget(line)
            assert store.search("tea") == []
            store.remember("rye")
            assert len(store.search("tea")) == 1

    def test_what_was_committed_before_a_search_is_seen_by_it(self, tmp_path: Path) -> None:
        with self.opened(tmp_path) as store:
            live: list[ArchivalLine] = []
            for number in range(12):
                live += store.remember(f"tea {number}", f"rye {number}")
                store.forget(live.pop(number % len(live)))
                assert store.search("tea", limit=50) == store.expected("tea", live)

    def test_rewritten_lines_are_found_as_they_are_now(self, tmp_path: Path) -> None:
        with self.opened(tmp_path) as store:
            one, two, three = store.remember("tea", "rye", "oats")
            store.search("tea")
            store.rewrite("oats\nmilk\ntea")
            found = store.search("tea", limit=50)
            ids = {line_id for line_id, _ in found}
            assert found[:1] == store.expected("tea", [one])
            assert len(found) == len(ids)
            assert two.id not in ids
            assert three.id in ids

    def test_lines_of_another_scope_are_never_proposed(self, tmp_path: Path) -> None:
        with self.opened(tmp_path) as store:
            others = [Scope("acme", "ada", "x"), Scope("acme", "bob"), Scope("other", "ada")]
            for scope in others:
                store.remember(*["tea"] * 20, scope=scope)
            lines = store.remember("rye", "oats")
            assert store.search("tea", limit=10) == store.expected("tea", lines)

    def test_lines_below_the_confidence_floor_are_not_proposed(self, tmp_path: Path) -> None:
        with self.opened(tmp_path) as store:
            store.remember("tea", confidence=0.49)
            (sure,) = store.remember("tea", confidence=0.5)
            assert [line_id for line_id, _ in store.search("tea")] == [sure.id]

    def test_a_reader_is_not_shown_what_came_after_its_snapshot(self, tmp_path: Path) -> None:
        with self.opened(tmp_path) as store:
            lines = store.remember("tea", "rye")
            with store.database.read() as session:
                before = store.search_in(session, "tea", 10)
                (later,) = store.remember("tea tea")
                assert later.id in {line_id for line_id, _ in store.search("tea")}
                assert store.search_in(session, "tea", 10) == before == store.expected("tea", lines)

    def test_after_a_switch_of_models_it_knows_the_new_vectors_only(self, tmp_path: Path) -> None:
        with self.opened(tmp_path) as store:
            lines = store.remember("tea", "rye", "tea rye", "tea rye oats milk")
            store.search("tea")
            store.switch(Embedder(HashingEmbeddings(32)))
            assert store.search("tea", limit=10) == store.expected("tea", lines)
            store.switch(Embedder(_ThreeWords(16)))
            assert store.search("tea", limit=10) == store.expected("tea", lines)

    def test_a_query_without_direction_is_like_no_line(self, tmp_path: Path) -> None:
        with self.opened(tmp_path) as store:
            lines = store.remember("tea", "!", "rye")
            assert not np.any(store.embedder.embed_query("?"))
            assert store.search("?", limit=10) == store.expected("?", lines)

    def test_it_may_be_shared_by_threads(self, tmp_path: Path) -> None:
        with self.opened(tmp_path) as store:
            lines = store.remember(*(f"{one} {other}" for one in _WORDS for other in _WORDS))
            wrong: list[object] = []

            def ask(word: str) -> None:
                try:
                    every = store.expected(word, lines)
                    for limit in (1, 5, 100):
                        found = store.search(word, limit)
                        if [score for _, score in found] != [score for _, score in every[: len(found)]]:
                            wrong.append((word, limit, found))
                except Exception as error:  # noqa: BLE001 - the test's thread reports it
                    wrong.append(error)

            threads = [threading.Thread(target=ask, args=[word]) for word in _WORDS]
            for thread in threads:
                thread.start()
            for thread in threads:
                thread.join()
            assert wrong == []


class IndexBackendContract(VectorIndexContract):
    """The promises of an `IndexBackend`; subclass it, and say how yours is made.

    class TestMyBackend(IndexBackendContract):
        def backend(self, folder):
            return MyBackend(folder / "index")
    """

    @abstractmethod
    def backend(self, folder: Path) -> IndexBackend:
        """Your backend, the same one each time for the same folder where it is persistent.

        Args:
            folder: A folder of the test's own.
        """

    @contextmanager
    def open_index(self, database: Database, folder: Path) -> Generator[ProjectedIndex]:
        """See `VectorIndexContract`."""
        index = ProjectedIndex(Database(database.url), self.backend(folder), batch=1_000, timeout=60)
        try:
            yield index
        finally:
            index.close()

    @contextmanager
    def fed(self, folder: Path) -> Generator[tuple[_Store, ProjectedIndex]]:
        """A new store, and its index as what feeds it sees it."""
        with self.opened(folder) as store:
            assert isinstance(store.index, ProjectedIndex)
            yield store, store.index

    def test_it_holds_every_chunk_of_a_line_under_a_key_and_none_of_a_forgotten_one(self, tmp_path: Path) -> None:
        with self.fed(tmp_path) as (store, index):
            one, other, short = store.remember("tea rye oats milk", "Tom Acme Oslo dog March tea", "tea")
            store.search("tea")
            chunks = {line.id: len(store.embedder.embed_lines([line.content])[0]) for line in (one, other, short)}
            assert chunks[other.id] > chunks[one.id] > chunks[short.id] == 1
            store.forget(other)
            store.search("tea")
            held = sorted(name for name, _ in index.stored())
            assert held == sorted([*(key(one.id, chunk) for chunk in range(chunks[one.id])), short.id])
            store.rewrite("")
            assert store.search("tea") == []
            assert list(index.stored()) == []

    def test_it_gives_back_the_vectors_that_it_was_given(self, tmp_path: Path) -> None:
        with self.fed(tmp_path) as (store, index):
            lines = store.remember("tea", "rye", "Oslo March")
            store.search("tea")
            held = dict(index.stored())
            for line, (vector, *_) in zip(
                lines, store.embedder.embed_lines([line.content for line in lines]), strict=True
            ):
                assert np.allclose(held[line.id], vector, atol=1e-5)

    def test_nothing_is_begun_before_it_is_needed_and_all_is_told_of_it_afterwards(self, tmp_path: Path) -> None:
        with self.fed(tmp_path) as (store, index):
            store.remember("tea", "rye")
            assert (index.status().begun, index.status().pending) == (False, 2)
            store.search("tea")
            status = index.status()
            assert (status.begun, status.pending, status.inconsistency, status.obstacle) == (True, 0, None, None)

    def test_it_is_filled_anew_from_sql_while_it_goes_on_answering(self, tmp_path: Path) -> None:
        with self.fed(tmp_path) as (store, index):
            lines = store.remember("tea", "rye", "tea rye")
            store.search("tea")
            seen: list[tuple[int, int]] = []
            assert index.rebuild(lambda done, total: seen.append((done, total))) == len(lines)
            assert seen[-1] == (len(lines), len(lines))
            assert store.search("tea") == store.expected("tea", lines)

    def test_what_is_marked_as_to_be_erased_is_gone_with_its_generation(self, tmp_path: Path) -> None:
        with self.fed(tmp_path) as (store, index):
            gone = Scope("acme", "bob")
            store.remember("rye", "oats", scope=gone)
            (kept,) = store.remember("tea")
            store.search("tea", scope=gone)
            store.search("tea")
            assert kept.id in {name for name, _ in index.stored()}
            assert len(list(index.stored())) > 1
            store.database.write(lambda session: expire.erase(session, gone.tenant_id, [gone.user_id]))
            assert index.is_to_erase()
            assert index.erase() is None
            assert not index.is_to_erase()
            assert [name for name, _ in index.stored()] == [kept.id]

    def test_the_next_owner_finds_the_same_lines(self, tmp_path: Path) -> None:
        with self.fed(tmp_path) as (store, index):
            lines = store.remember("tea", "rye", "tea rye")
            assert store.search("tea") == store.expected("tea", lines)
            index.close()
            with self.open_index(store.database, tmp_path) as again:
                store.index = again
                lines += store.remember("tea tea")
                assert store.search("tea") == store.expected("tea", lines)
                assert sorted(name for name, _ in again.stored()) == sorted(line.id for line in lines)

    def test_it_can_be_read_while_it_is_closed_and_stays_as_it_was(self, tmp_path: Path) -> None:
        with self.fed(tmp_path) as (store, index):
            lines = store.remember("tea", "rye")
            store.search("tea")
            index.close()
            with self.open_index(store.database, tmp_path) as again:
                before = again.status()
                if before.is_sound:  # else it is gone with the process that held it
                    assert len(list(again.stored())) == len(lines)
                assert again.status() == before

    def test_two_stores_do_not_see_each_other(self, tmp_path: Path) -> None:
        (tmp_path / "one").mkdir()
        (tmp_path / "other").mkdir()
        with self.fed(tmp_path / "one") as (one, index), self.fed(tmp_path / "other") as (other, another):
            (line,) = one.remember("tea")
            (far,) = other.remember("rye")
            assert one.search("tea") == one.expected("tea", [line])
            assert other.search("tea") == other.expected("tea", [far])
            assert [[name for name, _ in each.stored()] for each in (index, another)] == [[line.id], [far.id]]
