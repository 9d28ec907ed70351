"""The parts that stand behind every handle of one opened store."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, datetime
from threading import Event
from typing import TYPE_CHECKING

from agentmem import inputs, private
from agentmem.agents.graphs import AgentRegistry, shared_registry
from agentmem.agents.settings import AgentStore
from agentmem.agents.threads import ThreadStore
from agentmem.archival.index import projection
from agentmem.archival.index.cache import LRUCache
from agentmem.archival.index.chroma import ChromaFolder, ChromaServer
from agentmem.archival.index.scan import LineVectors, ScanIndex
from agentmem.archival.lines.drafts import Limits
from agentmem.archival.lines.store import ArchivalStore
from agentmem.archival.search.columns import Columns
from agentmem.archival.search.recall import Recall
from agentmem.blocks import BlockStore
from agentmem.contacts import identity
from agentmem.contacts.memory import ContactMemoryStore
from agentmem.contacts.store import ContactStore
from agentmem.conversations.commands import Rules
from agentmem.conversations.given import GivenLimits
from agentmem.conversations.idle import IdleConversations
from agentmem.conversations.learning import Learning
from agentmem.conversations.merging import Merging
from agentmem.conversations.metrics import Metrics
from agentmem.conversations.queries import ConversationQueries
from agentmem.conversations.retrieving import Retriever
from agentmem.conversations.store import ConversationStore
from agentmem.database import Database
from agentmem.embedding import Embedder, default_embeddings
from agentmem.errors import BackendError, InvalidInputError
from agentmem.extraction.extractor import ChatModel, Extractor
from agentmem.extraction.rules import Bounds
from agentmem.reranking import Reranker
from agentmem.retention.forgetting import Forgetting
from agentmem.retention.sweep import Sweeping
from agentmem.settings import DATABASE_FILE
from agentmem.text.analyzer import Analyzer
from agentmem.transaction import Transactions
from agentmem.wording import Phrase

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from langchain_core.documents import BaseDocumentCompressor
    from langchain_core.embeddings import Embeddings

    from agentmem.archival.index.backend import IndexBackend
    from agentmem.settings import Settings

_INDEX_FOLDER = "index"
_IGNORED = ".gitignore"
_OWN = {_INDEX_FOLDER, _IGNORED}


def system_clock() -> datetime:
    """Now, in UTC."""
    return datetime.now(UTC)


@dataclass(frozen=True, slots=True)
class Container:
    """One opened store: its settings and its rooms, shared by all tenants and clients."""

    settings: Settings
    limits: Limits
    given_limits: GivenLimits
    database: Database
    transactions: Transactions
    embedder: Embedder
    analyzer: Analyzer
    blocks: BlockStore
    archival: ArchivalStore
    recall: Recall
    index: projection.ProjectedIndex
    clock: Callable[[], datetime]
    chat_model: ChatModel | None
    agents: AgentRegistry
    agent_settings: AgentStore
    threads: ThreadStore
    contacts: ContactStore
    contact_memory: ContactMemoryStore
    conversations: ConversationStore
    records: ConversationQueries
    metrics: Metrics
    retriever: Retriever
    learning: Learning
    merging: Merging
    retention: Sweeping
    forgetting: Forgetting
    _closed: Event = field(default_factory=Event)

    def require_open(self) -> None:
        """Raise InvalidInputError on a handle that was closed."""
        if self._closed.is_set():
            raise InvalidInputError(
                "it is closed", field="store", advice="open it again with agentmem.open", code="store_closed"
            )

    def close(self) -> None:
        """Close the index, when this was its last handle, and the database; once."""
        if self._closed.is_set():
            return
        self._closed.set()
        self.agents.leave(self.database)
        projection.leave(self.index)
        self.database.close()


def build(
    settings: Settings,
    *,
    embeddings: Embeddings | None,
    chat_model: ChatModel | None,
    reranker: BaseDocumentCompressor | None,
    index: IndexBackend | None,
    clock: Callable[[], datetime] | None,
) -> Container:
    """Open the database, bring its schema up to date, and put the rooms together. The index and the model wait.

    Raises:
        InvalidInputError: A URL cannot be read, a part has not the methods it needs, or the index is open in this
            process with another setting.
        BackendError: The folder or the database cannot be used.
    """
    _check("embeddings", embeddings, "LangChain Embeddings", "embed_documents", "embed_query")
    _check("chat_model", chat_model, "LangChain chat model", "invoke", "with_structured_output")
    _check("reranker", reranker, "LangChain document compressor", "compress_documents")
    _check("index", index, "search index", "find", "inconsistency", "open", "clean_up")
    if index is not None and settings.chroma_url is not None:
        raise InvalidInputError("it is the index, and both were given", field="chroma_url", advice="give one of them")
    if clock is not None and not callable(clock):
        raise InvalidInputError(f"must be a function that returns the time, not {type(clock).__name__}", field="clock")
    identity.check_region(settings.default_region)
    inputs.text("home", str(settings.home))
    home = settings.home.expanduser().absolute()  # wherever the program goes from here
    backend = index or _chroma(settings.chroma_url, home)
    embedder = Embedder(embeddings or default_embeddings())
    analyzer = Analyzer(settings.language)  # before anything is opened: it may refuse the language
    database = Database(settings.database_url or _file(home))
    clock = clock or system_clock
    try:
        shared = projection.share(database.url, backend, batch=settings.index_batch, timeout=settings.index_timeout)
    except InvalidInputError:
        database.close()
        raise
    return _wired(
        settings,
        database=database,
        embedder=embedder,
        analyzer=analyzer,
        index=shared,
        clock=clock,
        chat_model=chat_model,
        reranker=Reranker(reranker) if reranker else None,
    )


def _wired(
    settings: Settings,
    *,
    database: Database,
    embedder: Embedder,
    analyzer: Analyzer,
    index: projection.ProjectedIndex,
    clock: Callable[[], datetime],
    chat_model: ChatModel | None,
    reranker: Reranker | None,
) -> Container:
    """Return the rooms on top of what was opened, each given the ones it stands on."""
    limits = Limits(line_chars=settings.max_line_chars, id_chars=settings.max_id_chars)
    recall = Recall(
        database,
        embedder,
        analyzer,
        columns=LRUCache[Columns](settings.cache_bytes // 4),
        scan=ScanIndex(LRUCache[LineVectors](settings.cache_bytes - settings.cache_bytes // 4)),
        large=index,
        scan_below=settings.scan_below,
        clock=clock,
        reranker=reranker,
    )
    bounds = Bounds().within(
        line_chars=settings.max_line_chars, id_chars=settings.max_id_chars, value_bytes=settings.max_value_bytes
    )
    transactions = Transactions(database, clock, max_fact_days=settings.max_fact_days, lines_changed=index.schedule)
    blocks = BlockStore(transactions, max_chars=settings.max_block_chars)
    archival = ArchivalStore(transactions, embedder, analyzer, limits)
    agent_settings = AgentStore(transactions, max_id_chars=settings.max_id_chars)
    contacts = ContactStore(transactions, default_region=settings.default_region, max_id_chars=settings.max_id_chars)
    merging = Merging(transactions, contacts=contacts, blocks=blocks, archival=archival)
    rules = Rules(
        max_value_bytes=settings.max_value_bytes,
        max_id_chars=settings.max_id_chars,
        reads_transcripts=chat_model is not None,
    )
    conversations = ConversationStore(
        transactions, agents=agent_settings, contacts=contacts, merging=merging, rules=rules
    )
    return Container(
        settings=settings,
        limits=limits,
        given_limits=GivenLimits(
            content_chars=settings.max_block_chars,
            id_chars=settings.max_id_chars,
            value_bytes=settings.max_value_bytes,
        ),
        database=database,
        transactions=transactions,
        embedder=embedder,
        analyzer=analyzer,
        blocks=blocks,
        archival=archival,
        recall=recall,
        index=index,
        clock=clock,
        chat_model=chat_model,
        agents=shared_registry(database),
        agent_settings=agent_settings,
        threads=ThreadStore(transactions),
        contacts=contacts,
        contact_memory=ContactMemoryStore(
            transactions,
            contacts,
            max_id_chars=settings.max_id_chars,
            max_line_chars=settings.max_line_chars,
            max_summary_chars=settings.max_block_chars,
            max_value_bytes=settings.max_value_bytes,
        ),
        conversations=conversations,
        metrics=Metrics(transactions, agent_settings),
        records=ConversationQueries(transactions, contacts=contacts, archival=archival),
        retriever=Retriever(transactions, conversations, archival, recall),
        learning=Learning(
            transactions,
            agents=agent_settings,
            archival=archival,
            recall=recall,
            extractor=None if chat_model is None else Extractor(chat_model, bounds=bounds),
            max_value_bytes=settings.max_value_bytes,
        ),
        merging=merging,
        forgetting=Forgetting(transactions, index),
        retention=Sweeping(
            transactions,
            index,
            end_idle=IdleConversations(transactions, conversations, idle_minutes=settings.idle_minutes).end,
        ),
    )


def _chroma(url: str | None, home: Path) -> IndexBackend:
    return ChromaFolder(home / _INDEX_FOLDER) if url is None else ChromaServer(url)


def _check(name: str, part: object, kind: str, *methods: str) -> None:
    has_all = all(callable(getattr(part, method, None)) for method in methods)
    if part is not None and (isinstance(part, type) or not has_all):
        raise InvalidInputError(f"must be a {kind}, not {type(part).__name__}", field=name)


def _file(home: Path) -> Path:
    """Return the database file; its folder is made, private, and kept out of version control.

    A folder that was there is closed to others if it is the store's alone; in one that holds something else, the
    store's own files are.
    """
    try:
        if not home.is_dir():
            private.make_folder(home)
            private.write_file(home / _IGNORED, "*\n")
        there = list(home.iterdir())
        own = [path for path in there if path.name in _OWN or path.name.startswith(DATABASE_FILE)]
        for path in (home, *own) if len(own) == len(there) else own:
            private.restrict(path)
        private.restrict_tree(home / _INDEX_FOLDER)
    except (OSError, ValueError) as error:
        raise BackendError(
            f"the folder of the store cannot be made or used ({type(error).__name__})",
            field="home",
            advice=Phrase.OTHER_HOME,
        ) from error
    return home / DATABASE_FILE
