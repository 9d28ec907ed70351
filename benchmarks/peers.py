"""The peers that may not be installed: LangGraph's SqliteStore, LangMem and mem0, each imported when it is measured."""

from __future__ import annotations

import json
import os
import sqlite3
import warnings
from contextlib import contextmanager
from dataclasses import dataclass
from importlib import import_module
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any, Final

from langchain_core.language_models import FakeListChatModel
from langgraph.store.base import PutOp
from langgraph.store.memory import InMemoryStore
from texts import LIMIT, TEXTS, about

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from dialogues import Session, Turn
    from langchain_core.embeddings import Embeddings
    from systems import System

_SQLITE: Final = "sqlite3" if hasattr(sqlite3.Connection, "enable_load_extension") else "pysqlite3.dbapi2"
_BENCH: Final = "pip install -c constraints.txt -e '.[bench]'"
_MEM0: Final = "pip install 'mem0ai>=2.2,<3'"


class LangGraphSqliteStore:
    """LangGraph's SqliteStore in a file: a namespace per conversation, the text indexed, one batch per session.

    Which field is indexed is said with each item: what the index is told of
    `fields`, this store does not read. The index is an extension of SQLite; where
    Python's own SQLite takes none, the package `pysqlite3` brings one that does.
    """

    name = "LangGraph SqliteStore"

    def __init__(self, folder: Path, embeddings: Embeddings, dimensions: int, text: str) -> None:
        store = import_module("langgraph.store.sqlite").SqliteStore
        folder.mkdir()
        self.text = text
        self._file = import_module(_SQLITE).connect(
            str(folder / "store.db"), check_same_thread=False, isolation_level=None
        )
        self._store = store(self._file, index={"embed": embeddings, "dims": dimensions})
        self._store.setup()

    def add(self, key: str, session: Session) -> None:
        """See `System`."""
        self._store.batch(
            [PutOp((key,), turn.id, self._value(turn, session), index=["text"]) for turn in session.turns]
        )

    def settle(self) -> None:
        """See `System`; a batch is complete when it returns."""

    def recall(self, key: str, question: str) -> list[str]:
        """See `System`."""
        return [item.key for item in self._store.search((key,), query=question, limit=LIMIT)]

    def close(self) -> None:
        """See `System`."""
        self._file.close()

    def _value(self, turn: Turn, session: Session) -> dict[str, str]:
        return {"text": TEXTS[self.text](turn), **about(session, turn)}


class LangMem:
    """LangMem's two tools over LangGraph's InMemoryStore, called as an agent calls them: one memory per turn."""

    name = "LangMem"

    def __init__(self, folder: Path, embeddings: Embeddings, dimensions: int, text: str) -> None:  # noqa: ARG002 - no files
        with _quiet():
            tools = import_module("langmem")
        namespace = ("memories", "{langgraph_user_id}")
        store = InMemoryStore(index={"embed": embeddings, "dims": dimensions, "fields": ["content"]})
        self.text = text
        self._manage = tools.create_manage_memory_tool(namespace, store=store)
        self._search = tools.create_search_memory_tool(namespace, store=store)
        self._turns: dict[str, str] = {}

    def add(self, key: str, session: Session) -> None:
        """See `System`."""
        for turn in session.turns:
            said = self._manage.invoke({"content": TEXTS[self.text](turn), "action": "create"}, _user(key))
            self._turns[said.removeprefix("created memory ")] = turn.id

    def settle(self) -> None:
        """See `System`; a memory is there when the tool returns."""

    def recall(self, key: str, question: str) -> list[str]:
        """See `System`."""
        found = json.loads(self._search.invoke({"query": question, "limit": LIMIT}, _user(key)))
        return [self._turns[item["key"]] for item in found]

    def close(self) -> None:
        """See `System`; there is nothing to let go of."""


class Mem0:
    """mem0 with `infer=False`, which keeps what it is given, in an embedded Qdrant: a user per conversation.

    Nothing leaves the computer: its telemetry is off, its settings live in the
    folder, and its language model is one that is never asked.
    """

    name = "mem0"

    def __init__(self, folder: Path, embeddings: Embeddings, dimensions: int, text: str) -> None:
        folder.mkdir()
        os.environ |= {"MEM0_TELEMETRY": "False", "MEM0_DIR": str(folder)}  # both are read by the first import
        with _quiet():
            mem0 = import_module("mem0")
        self.text = text
        self._memory = mem0.Memory.from_config(
            {
                "embedder": {"provider": "langchain", "config": {"model": embeddings}},
                "llm": {"provider": "langchain", "config": {"model": FakeListChatModel(responses=[])}},
                "vector_store": {
                    "provider": "qdrant",
                    "config": {"path": str(folder / "qdrant"), "embedding_model_dims": dimensions},
                },
                "history_db_path": str(folder / "history.db"),
            }
        )
        self._turns: dict[str, str] = {}

    def add(self, key: str, session: Session) -> None:
        """See `System`."""
        messages = [self._message(turn) for turn in session.turns]
        stored = self._memory.add(messages, user_id=key, metadata=about(session), infer=False)["results"]
        self._turns.update((one["id"], turn.id) for one, turn in zip(stored, session.turns, strict=True))

    def settle(self) -> None:
        """See `System`; an add is complete when it returns."""

    def recall(self, key: str, question: str) -> list[str]:
        """See `System`."""
        found = self._memory.search(question, filters={"user_id": key}, top_k=LIMIT, threshold=0.0)["results"]
        return [self._turns[one["id"]] for one in found]

    def close(self) -> None:
        """See `System`."""
        self._memory.close()
        self._memory.vector_store.client.close()

    def _message(self, turn: Turn) -> dict[str, str]:
        name = {"name": turn.speaker} if turn.speaker else {}
        return {"role": "user", **name, "content": TEXTS[self.text](turn)}


@dataclass(frozen=True, slots=True)
class Peer:
    """A system that is measured where it is installed.

    Args:
        open: Makes it, of a folder, the embedder, the length of its vectors and a key of `TEXTS`.
        modules: What must be importable for that.
        install: The command that brings them.
    """

    open: Callable[[Path, Embeddings, int, str], System]
    name: str
    modules: tuple[str, ...]
    install: str

    @property
    def is_installed(self) -> bool:
        """Whether it can be measured here."""
        return all(find_spec(module.partition(".")[0]) and find_spec(module) for module in self.modules)


PEERS: Final = (
    Peer(
        LangGraphSqliteStore,
        LangGraphSqliteStore.name,
        modules=("langgraph.store.sqlite", "sqlite_vec", _SQLITE),
        install=_BENCH,
    ),
    Peer(LangMem, LangMem.name, modules=("langmem",), install=_BENCH),
    Peer(Mem0, Mem0.name, modules=("mem0", "qdrant_client"), install=_MEM0),
)


def _user(key: str) -> dict[str, Any]:
    return {"configurable": {"langgraph_user_id": key}}


@contextmanager
def _quiet() -> Iterator[None]:
    """What a peer's import warns of is its own."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield
