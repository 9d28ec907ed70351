"""What is measured: agentmem and its peers, all with one embedder, behind one small Protocol."""

from __future__ import annotations

import re
import time
from typing import TYPE_CHECKING, Any, Final, Protocol, TypeVar

import chromadb
from chromadb.config import Settings
from langchain_core.embeddings import Embeddings
from langgraph.store.memory import InMemoryStore
from peers import PEERS
from texts import BARE, LIMIT, NAMED, TEXTS, WHOLE, about

import agentmem
from agentmem import Line
from agentmem.embedding import Measured

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from collections.abc import Set as AbstractSet
    from pathlib import Path

    from chromadb.api.models.Collection import Collection
    from dialogues import Session

    from agentmem.models import Engine

T = TypeVar("T")

LONGEST: Final = 100_000
"""How many characters a line may have here: a few messages to an assistant are longer than the default allows."""


class Timed(Embeddings):
    """Embeddings that compute the same request once, and count the seconds; for one caller at a time.

    `spent` is what passed in here, `charged` what the requests took when they
    were computed: asking again is charged like asking first, as it is the same
    work, and only the run is shorter for it.
    """

    def __init__(self, inner: Embeddings) -> None:
        self.inner = inner
        self.model_name: str = getattr(inner, "model_name", type(inner).__name__)
        self.spent = 0.0
        self.charged = 0.0
        self._computed: dict[tuple[str, ...], tuple[Any, float]] = {}

    def embed_documents(self, texts: list[str]) -> list[list[float]]:
        """One vector for each text."""
        return self._once(("documents", *texts), lambda: self.inner.embed_documents(texts))

    def embed_query(self, text: str) -> list[float]:
        """The vector of one text."""
        return self._once(("query", text), lambda: self.inner.embed_query(text))

    def forget(self) -> None:
        """Compute anew from here on."""
        self._computed.clear()

    def _once(self, request: tuple[str, ...], compute: Callable[[], T]) -> T:
        started = time.perf_counter()
        if request not in self._computed:
            answer = compute()
            self._computed[request] = answer, time.perf_counter() - started
        answer, seconds = self._computed[request]
        self.charged += seconds
        self.spent += time.perf_counter() - started
        return answer


class TimedMeasured(Timed):
    """The same for a model that tells how much it reads, so that agentmem looks at the length of lines as ever."""

    def __init__(self, inner: Embeddings, measured: Measured) -> None:
        super().__init__(inner)
        self._measured = measured

    @property
    def max_word_pieces(self) -> int:
        """How many word pieces of a text are read."""
        return self._measured.max_word_pieces

    def count_word_pieces(self, texts: list[str]) -> list[int]:
        """How many word pieces each text has; it counts as embedding."""
        return self._once(("pieces", *texts), lambda: self._measured.count_word_pieces(texts))


def timed(embeddings: Embeddings) -> Timed:
    """The same embeddings, timed."""
    return TimedMeasured(embeddings, embeddings) if isinstance(embeddings, Measured) else Timed(embeddings)


class System(Protocol):
    """Something that turns are added to and questions are asked of; conversations are kept apart by their key."""

    name: str
    text: str

    def add(self, key: str, session: Session) -> None:
        """Take over a session's turns."""

    def settle(self) -> None:
        """Everything was added; what is done in the background is done now."""

    def recall(self, key: str, question: str) -> list[str]:
        """The ids of the best turns of a conversation, best first, at most `LIMIT`."""

    def close(self) -> None:
        """Let go of files and threads."""


def lines(session: Session, *, text: str = BARE) -> list[Line]:
    """A session as agentmem takes it: one line per turn.

    Args:
        session: The session.
        text: What a line says, a key of `TEXTS`.
    """
    return [
        Line(TEXTS[text](turn), speaker=turn.speaker, occurred_at=session.occurred_at, conversation_id=session.id)
        for turn in session.turns
    ]


class AgentMem:
    """agentmem through its public API: one user per conversation, one line per turn, one call per session.

    Args:
        folder: Where the store is made.
        embeddings: The embedder.
        text: What a line says, a key of `TEXTS`.
        chroma: Whether Chroma answers; else the exact scan, which is the default at this size.
    """

    def __init__(self, folder: Path, embeddings: Embeddings, *, text: str, chroma: bool = False) -> None:
        self.name = "agentmem, through Chroma" if chroma else "agentmem"
        self.text = text
        self._chroma = chroma
        if chroma:
            self._mem = agentmem.open(folder, embeddings=embeddings, max_line_chars=LONGEST, scan_below=0)
        else:
            self._mem = agentmem.open(folder, embeddings=embeddings, max_line_chars=LONGEST)
        self._turns: dict[str, str] = {}

    def add(self, key: str, session: Session) -> None:
        """See `System`."""
        stored = self._mem.client(key).memory.remember(lines(session, text=self.text), source="user")
        self._turns.update((line.id, turn.id) for line, turn in zip(stored, session.turns, strict=True))

    def settle(self) -> None:
        """See `System`."""
        if self._chroma:
            self._mem.reindex()

    def recall(self, key: str, question: str) -> list[str]:
        """See `System`."""
        matches = self._mem.client(key).memory.recall(question, limit=LIMIT, min_score=0)
        return [self._turns[match.id] for match in matches]

    def engines(self, key: str, question: str) -> set[Engine]:
        """Which index answers a question; asked again, as saying so takes time of its own."""
        matches = self._mem.client(key).memory.recall(question, limit=1, min_score=0, explain=True)
        return {match.explanation.answered_by for match in matches if match.explanation}

    def close(self) -> None:
        """See `System`."""
        self._mem.close()


def without_names(question: str, names: AbstractSet[str]) -> str:
    """A question without these names and their genitive; itself when no word is left.

    >>> without_names("When did Ada's sister move?", {"Ada"})
    'When did sister move?'
    """
    if not names:
        return question
    either = "|".join(re.escape(name) for name in names)
    rest = " ".join(re.sub(rf"\b(?:{either})(?:['’]s)?\b", "", question, flags=re.IGNORECASE).split())
    return rest if re.search(r"\w", rest) else question


class PlainChroma:
    """Chroma as it comes: a collection per conversation in a folder, cosine, vectors made by us.

    Args:
        folder: Where it keeps its files.
        embeddings: The embedder.
        text: What is embedded, a key of `TEXTS`.
        nameless: Whether the names of the conversation's speakers are left out of the questions.
    """

    name = "Chroma"

    def __init__(self, folder: Path, embeddings: Embeddings, *, text: str, nameless: bool = False) -> None:
        if nameless:
            self.name = f"{PlainChroma.name}, asked without names"
        self.text = text
        self._nameless = nameless
        self._embeddings = embeddings
        self._client = chromadb.PersistentClient(path=str(folder), settings=Settings(anonymized_telemetry=False))
        self._collections: dict[str, Collection] = {}
        self._speakers: dict[str, set[str]] = {}

    def add(self, key: str, session: Session) -> None:
        """See `System`."""
        if key not in self._collections:
            self._collections[key] = self._client.create_collection(
                key, embedding_function=None, configuration={"hnsw": {"space": "cosine"}}
            )
        self._speakers.setdefault(key, set()).update(turn.speaker for turn in session.turns if turn.speaker)
        texts = [TEXTS[self.text](turn) for turn in session.turns]
        self._collections[key].add(
            ids=[turn.id for turn in session.turns],
            embeddings=self._embeddings.embed_documents(texts),  # type: ignore[arg-type]  # lists of floats are taken
            documents=texts,
            metadatas=[about(session, turn) for turn in session.turns],
        )

    def settle(self) -> None:
        """See `System`; an add is complete when it returns."""

    def recall(self, key: str, question: str) -> list[str]:
        """See `System`."""
        asked = without_names(question, self._speakers[key]) if self._nameless else question
        found = self._collections[key].query(
            query_embeddings=[self._embeddings.embed_query(asked)],  # type: ignore[arg-type]  # as in add
            n_results=LIMIT,
            include=["documents", "metadatas", "distances"],
        )
        return found["ids"][0]

    def close(self) -> None:
        """See `System`."""
        self._client.close()


class LangGraphStore:
    """LangGraph's InMemoryStore: a namespace per conversation, the text as the one indexed field.

    Turns are put one by one: of two equal texts in one batch it refuses the second.

    Args:
        embeddings: The embedder.
        dimensions: The length of its vectors.
        text: What is embedded, a key of `TEXTS`.
        whole: Whether instead the whole value is, as JSON: what the store does when no field is named.
    """

    name = "LangGraph InMemoryStore"

    def __init__(self, embeddings: Embeddings, dimensions: int, *, text: str, whole: bool = False) -> None:
        self.text = WHOLE if whole else text
        self._words = TEXTS[text]
        fields = ["$"] if whole else ["text"]
        self._store = InMemoryStore(index={"embed": embeddings, "dims": dimensions, "fields": fields})

    def add(self, key: str, session: Session) -> None:
        """See `System`."""
        for turn in session.turns:
            value = {"text": self._words(turn), **about(session, turn)}
            self._store.put((key,), turn.id, value)

    def settle(self) -> None:
        """See `System`; a put is complete when it returns."""

    def recall(self, key: str, question: str) -> list[str]:
        """See `System`."""
        return [item.key for item in self._store.search((key,), query=question, limit=LIMIT)]

    def close(self) -> None:
        """See `System`; there is nothing to let go of."""


def everyone(
    folder: Path, embeddings: Embeddings, dimensions: int, *, peers: bool, named: bool = True
) -> Iterator[System]:
    """Every system that is measured, each opened when it is asked for; a new one is added here.

    Args:
        folder: An empty folder that they share.
        embeddings: The one embedder.
        dimensions: The length of its vectors.
        peers: Whether others than agentmem are measured too, as far as they are installed.
        named: Whether the turns have speakers; without, there is nothing to write before the words or leave out.
    """
    yield AgentMem(folder / "scan", embeddings, text=BARE)
    yield AgentMem(folder / "chroma", embeddings, text=BARE, chroma=True)
    if named:
        yield AgentMem(folder / "named", embeddings, text=NAMED)
    if not peers:
        return
    for number, text in enumerate((BARE, NAMED) if named else (BARE,), start=1):
        yield PlainChroma(folder / f"peer-{number}", embeddings, text=text)
        yield LangGraphStore(embeddings, dimensions, text=text)
        for peer in PEERS:
            if peer.is_installed:
                yield peer.open(folder / f"{peer.name} {number}", embeddings, dimensions, text)
    yield LangGraphStore(embeddings, dimensions, text=BARE, whole=True)
    if named:
        yield PlainChroma(folder / "peer-3", embeddings, text=BARE, nameless=True)
