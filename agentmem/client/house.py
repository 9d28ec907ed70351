"""The parts that stand behind every handle of one opened store."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, datetime
from threading import Event
from typing import TYPE_CHECKING

from agentmem import inputs
from agentmem.agents.graphs import AgentRegistry, shared_registry
from agentmem.archival import chroma_index
from agentmem.archival.columns import Columns
from agentmem.archival.kept import Kept
from agentmem.archival.lines import Limits
from agentmem.archival.place import Folder, Server
from agentmem.archival.recall import Recall
from agentmem.archival.scan import LineVectors, ScanIndex
from agentmem.archival.store import ArchivalStore
from agentmem.archival.terms import Analyzer
from agentmem.blocks import BlockStore
from agentmem.database import Database
from agentmem.embedding import Embedder, default_embeddings
from agentmem.errors import BackendError, InvalidInputError
from agentmem.reranking import Reranker
from agentmem.settings import DATABASE_FILE

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from langchain_core.documents import BaseDocumentCompressor
    from langchain_core.embeddings import Embeddings
    from langchain_core.language_models import BaseChatModel

    from agentmem.settings import Settings

_INDEX_FOLDER = "index"


def system_clock() -> datetime:
    """Now, in UTC."""
    return datetime.now(UTC)


@dataclass(frozen=True, slots=True)
class House:
    """One opened store: its settings and its rooms, shared by all tenants and clients."""

    settings: Settings
    limits: Limits
    database: Database
    embedder: Embedder
    analyzer: Analyzer
    blocks: BlockStore
    archival: ArchivalStore
    recall: Recall
    index: chroma_index.ChromaIndex
    clock: Callable[[], datetime]
    chat_model: BaseChatModel | None
    agents: AgentRegistry
    _closed: Event = field(default_factory=Event)

    def require_open(self) -> None:
        """Raise InvalidInputError on a handle that was closed."""
        if self._closed.is_set():
            raise InvalidInputError("store: it is closed; open it again with agentmem.open")

    def close(self) -> None:
        """Close the index, when this was its last handle, and the database; once."""
        if self._closed.is_set():
            return
        self._closed.set()
        self.agents.leave(self.database)
        chroma_index.leave(self.index)
        self.database.close()


def build(
    settings: Settings,
    *,
    embeddings: Embeddings | None,
    chat_model: BaseChatModel | None,
    reranker: BaseDocumentCompressor | None,
    clock: Callable[[], datetime] | None,
) -> House:
    """Open the database, bring its schema up to date, and put the rooms together. Chroma and the model wait.

    Raises:
        InvalidInputError: A URL cannot be read, a part has not the methods it needs, or the index is open in this
            process with another setting.
        BackendError: The folder or the database cannot be used.
    """
    _check("embeddings", embeddings, "LangChain Embeddings", "embed_documents", "embed_query")
    _check("chat_model", chat_model, "LangChain chat model", "invoke", "with_structured_output")
    _check("reranker", reranker, "LangChain document compressor", "compress_documents")
    if clock is not None and not callable(clock):
        raise InvalidInputError(f"clock: must be a function that returns the time, not {type(clock).__name__}")
    inputs.text("home", str(settings.home))
    home = settings.home.expanduser().absolute()  # wherever the program goes from here
    place = Folder(home / _INDEX_FOLDER) if settings.chroma_url is None else Server(settings.chroma_url)
    database = Database(settings.database_url or _file(home))
    embedder = Embedder(embeddings or default_embeddings())
    analyzer = Analyzer(settings.language)
    clock = clock or system_clock
    limits = Limits(line_chars=settings.max_line_chars, id_chars=settings.max_id_chars)
    try:
        index = chroma_index.share(database.url, place, batch=settings.index_batch, timeout=settings.index_timeout)
    except InvalidInputError:
        database.close()
        raise
    recall = Recall(
        database,
        embedder,
        analyzer,
        columns=Kept[Columns](settings.cache_bytes // 4),
        scan=ScanIndex(Kept[LineVectors](settings.cache_bytes - settings.cache_bytes // 4)),
        large=index,
        scan_below=settings.scan_below,
        clock=clock,
        reranker=Reranker(reranker) if reranker else None,
    )
    return House(
        settings=settings,
        limits=limits,
        database=database,
        embedder=embedder,
        analyzer=analyzer,
        blocks=BlockStore(database, clock, max_chars=settings.max_block_chars),
        archival=ArchivalStore(database, embedder, analyzer, clock, limits),
        recall=recall,
        index=index,
        clock=clock,
        chat_model=chat_model,
        agents=shared_registry(database),
    )


def _check(name: str, part: object, kind: str, *methods: str) -> None:
    if part is not None and not all(callable(getattr(part, method, None)) for method in methods):
        raise InvalidInputError(f"{name}: must be a {kind}, not {type(part).__name__}")


def _file(home: Path) -> Path:
    """The database file; its folder is made, private, and kept out of version control."""
    try:
        if not home.is_dir():
            home.mkdir(mode=0o700, parents=True, exist_ok=True)
            (home / ".gitignore").write_text("*\n", "ascii")
    except (OSError, ValueError) as error:
        raise BackendError(
            f"home: the folder of the store cannot be made or used ({type(error).__name__}); "
            "give another path to agentmem.open, or set AGENTMEM_HOME"
        ) from error
    return home / DATABASE_FILE
