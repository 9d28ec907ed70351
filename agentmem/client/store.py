"""What `agentmem.open` returns: one store, seen from one tenant."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from datetime import datetime
from pathlib import Path
from typing import Self

from langchain_core.documents import BaseDocumentCompressor
from langchain_core.embeddings import Embeddings

from agentmem import inputs
from agentmem.archival import maintenance
from agentmem.archival.index.backend import IndexBackend
from agentmem.bounds import MAX_CHANGE_ID, MAX_CHANGES, MAX_PAGE, ChangeId, ChangePage, Filled, Page
from agentmem.client.agents import Agents, ClientAgents
from agentmem.client.contacts import Contacts
from agentmem.client.conversations import Conversations
from agentmem.client.memory import Memory
from agentmem.client.to_async import to_async
from agentmem.client.wiring import Container, build
from agentmem.display import Values
from agentmem.errors import InvalidInputError
from agentmem.extraction.extractor import ChatModel
from agentmem.models import CheckReport
from agentmem.records import ForgetReceipt, MemoryChange, SweepReport
from agentmem.retention import person
from agentmem.retention.forgetting import Checkpointer
from agentmem.settings import Settings, load
from agentmem.transaction import Writer


class AgentMem:
    """One store, seen from one tenant; safe to share between threads.

    Everything hangs off the tenant, except `reindex`, `check`, `sweep` and
    `close`, which are about the whole store. A context manager, sync and async, that closes it.

        >>> with agentmem.open() as mem:
        ...     mem.tenant("acme").client(user_id="ada").memory.list()
        []
    """

    def __init__(self, container: Container, tenant_id: str) -> None:
        self._container = container
        self._tenant_id = tenant_id
        self.agents = Agents(container, tenant_id)
        self.contacts = Contacts(container, tenant_id)
        self.conversations = Conversations(container, tenant_id)

    @property
    def tenant_id(self) -> str:
        """The tenant this handle is bound to."""
        return self._tenant_id

    @property
    def settings(self) -> Settings:
        """The settings the store was opened with."""
        return self._container.settings

    def tenant(self, tenant_id: Filled) -> AgentMem:
        """Return the same store, bound to another tenant.

        Args:
            tenant_id: The account.

        Raises:
            InvalidInputError: The id is empty, too long or not text.
        """
        return AgentMem(self._container, inputs.identifier("tenant_id", tenant_id, limit=self.settings.max_id_chars))

    def client(self, user_id: Filled, *, actor: Filled = "operator", respect_read_only: bool = False) -> Client:
        """Return the memory of one user of this tenant.

        Args:
            user_id: The person, as opaque text.
            actor: Who writes, as history will say.
            respect_read_only: Refuse to change blocks marked read_only, as the model's tools do.

        Raises:
            InvalidInputError: An id is empty, too long or not text.
        """
        limit = self.settings.max_id_chars
        inputs.identifier("user_id", user_id, limit=limit)
        inputs.identifier("actor", actor, limit=limit)
        inputs.flag("respect_read_only", respect_read_only)
        writer = Writer(actor, respects_read_only=respect_read_only)
        return Client(self._container, self._tenant_id, user_id, writer)

    def warm_up(self) -> None:
        """Load the embedding model now, so that no first recall waits for it, or runs into its policy's timeout.

        Raises:
            BackendError: The model is not there.
        """
        self._container.embedder.probe()

    def check(self) -> CheckReport:
        """Check whether SQL and the index agree, who answers, and what is waiting. Nothing is changed.

        Only an index that is in order is compared, vector by vector; one in doubt is a problem of the report, and one
        that another process owns a note.

        Raises:
            BackendError: The database did not answer.
        """
        return maintenance.check(self._container.database, self._container.index, self._container.analyzer)

    def reindex(self, *, embed: bool = False, progress: Callable[[int, int], None] | None = None) -> int:
        """Fill the index anew from SQL; recall answers meanwhile.

        Words that were split for another language, or by an earlier version,
        are split anew.

        Args:
            embed: Compute every vector anew first, with the model this store was opened with.
            progress: Called with how many lines are done and how many there are.

        Returns:
            How many lines the index holds.

        Raises:
            BackendError: The model, the database or the index failed, or another process owns the index.
        """
        inputs.flag("embed", embed)
        if progress is not None and not callable(progress):
            raise InvalidInputError("must be a function of how many are done and how many there are", field="progress")
        container = self._container
        container.require_open()
        report = progress or _silent
        return maintenance.reindex(
            container.database, container.index, container.embedder, container.analyzer, embed=embed, progress=report
        )

    def changes(
        self,
        user_id: Filled,
        since: ChangeId | datetime | str | None = None,
        *,
        limit: ChangePage = 1_000,
    ) -> list[MemoryChange]:
        """Return what was added, changed or removed in a user's memory, by whom and where, oldest first.

            >>> _ = client.memory.append("core", "- Likes tea")
            >>> [(one.kind, one.action, one.ref, one.after) for one in mem.changes("ada")]
            [('block', 'added', 'core', '- Likes tea')]

        What expired or was deleted since is in the list and no longer says what it was.

        Args:
            user_id: The person. The id of someone who was merged into another leads to the other.
            since: The `id` of the last change you know of, for those after it; or an aware datetime or an ISO string,
                for those of that hour and later: changes are dated by the hour.
            limit: How many at most, 1 to 10,000. Where there may be more, ask again with the last one's `id`.

        Raises:
            InvalidInputError: A value breaks a rule above.
        """
        container = self._container
        inputs.identifier("user_id", user_id, limit=self.settings.max_id_chars)
        after = _since(since)
        inputs.count("limit", limit, low=1, high=MAX_CHANGES)
        with container.transactions.read() as snapshot:
            found = person.feed(snapshot, self._tenant_id, user_id, since=after, limit=limit)
        return Values(found)

    def users(self, limit: Page = 100, *, prefix: Filled) -> list[str]:
        """Return the ids of people of whom something is kept that begin so: to complete one that was shortened.

            >>> _ = client.memory.append("core", "- Likes tea")
            >>> mem.users(prefix="ad"), mem.users(prefix="Ada")
            (['ada'], [])

        The id that is the prefix itself comes first. Ids of people who were merged into others are among them.

        Args:
            limit: How many at most, 1 to 1,000.
            prefix: How they begin.

        Raises:
            InvalidInputError: A value breaks a rule above.
        """
        container = self._container
        container.require_open()
        inputs.identifier("prefix", prefix, limit=self.settings.max_id_chars)
        inputs.count("limit", limit, low=1, high=MAX_PAGE)
        with container.transactions.read() as snapshot:
            return person.ids_beginning(snapshot.session, self._tenant_id, prefix, limit=limit)

    def sweep(self, now: datetime | None = None) -> SweepReport:
        """Delete for good what outlived its retention, in every tenant; run it once a day.

        What is over is hidden from the moment on that it is, whether or not
        this runs. It ends conversations that were left open for `idle_minutes`,
        deletes what is over, forgets idempotency keys after 30 days, and
        removes what `forget` left in the index and in the database file. It may
        be ended anywhere and goes on the next time.

            >>> mem.sweep().deleted
            {}

        Of a deleted block, and of the last deleted line of a scope, an empty row stays.

        Args:
            now: What time to take it for, as an aware datetime; the clock's if not given.

        Returns:
            How many rows of which kind are gone.

        Raises:
            InvalidInputError: `now` has no time zone, or is no time.
            BackendError: The database could not do it; what was deleted until then stays deleted.
        """
        self._container.require_open()
        return self._container.retention.sweep(now)

    def forget(self, user_id: Filled, *, wait: bool = False, checkpointer: Checkpointer | None = None) -> ForgetReceipt:
        """Erase everything of a user, of all agents and of all contacts that were merged into them, for good.

        It is hidden from the moment this returns. Bytes of it are left in the
        search index and in the database's files until those are written anew:
        `wait=True` does it now, which takes longer in a large store, and the
        next `sweep` does it else. The receipt says so, and never names the user.

            >>> _ = client.memory.remember("Acme renews in March")
            >>> mem.forget("ada", wait=True).pending
            ()
            >>> client.memory.recall("Acme")
            []

        Args:
            user_id: The person; someone unknown has a receipt too.
            wait: Whether to remove every trace now. Others wait with their writes for the time it takes to copy the
                database file.
            checkpointer: A LangGraph checkpointer. It is told to delete the user's threads, those of conversations and
                those that an agent with memory ran in. Without it they are left. Either way nobody gets into them any
                more.

        Raises:
            InvalidInputError: A value breaks a rule above.
            BackendError: The database or the checkpointer could not do it; call it again.
        """
        container = self._container
        inputs.identifier("user_id", user_id, limit=self.settings.max_id_chars)
        inputs.flag("wait", wait)
        if checkpointer is not None and not callable(getattr(checkpointer, "delete_thread", None)):
            kind = type(checkpointer).__name__
            raise InvalidInputError(f"must be a LangGraph checkpointer, not {kind}", field="checkpointer")
        container.require_open()
        return container.forgetting.forget(self._tenant_id, user_id, wait=wait, checkpointer=checkpointer)

    def close(self) -> None:
        """Hand the index the last changes and give everything free; a call after this is refused."""
        self._container.close()

    atenant = to_async(tenant)
    aclient = to_async(client)
    awarm_up = to_async(warm_up)
    acheck = to_async(check)
    areindex = to_async(reindex)
    achanges = to_async(changes)
    ausers = to_async(users)
    asweep = to_async(sweep)
    aforget = to_async(forget)
    aclose = to_async(close)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.aclose()

    def __repr__(self) -> str:
        return f"<AgentMem tenant_id={self._tenant_id!r}>"


class Client:
    """One user of one tenant: `memory` and `agents`. Cheap to make, safe to share."""

    def __init__(self, container: Container, tenant_id: str, user_id: str, writer: Writer) -> None:
        self.user_id = user_id
        self.memory = Memory(container, tenant_id, user_id, writer)
        self.agents = ClientAgents(container, tenant_id, user_id)

    def __repr__(self) -> str:
        return f"<Client user_id={self.user_id!r}>"


def open(
    path: str | Path | None = None,
    *,
    tenant_id: str = "default",
    database_url: str | None = None,
    chroma_url: str | None = None,
    embeddings: Embeddings | None = None,
    chat_model: ChatModel | None = None,
    reranker: BaseDocumentCompressor | None = None,
    index: IndexBackend | None = None,
    clock: Callable[[], datetime] | None = None,
    **settings: object,
) -> AgentMem:
    """Open a store, and create it when there is none.

    Embedded by default: SQLite and Chroma in one folder. Nothing heavy is
    loaded here; the model is loaded when the first text is embedded, and Chroma
    when the first large scope is searched.

        >>> mem = agentmem.open()
        >>> client = mem.client(user_id="ada")
        >>> client.memory.append("core", "- Likes tea").content
        '- Likes tea'

    Args:
        path: The folder; else `$AGENTMEM_HOME`, else `.agentmem` here. With it, the variables that name a database or a
            Chroma server do not count.
        tenant_id: The account the data belongs to.
        database_url: A SQLAlchemy URL in place of the SQLite file.
        chroma_url: `http://host:port` of a Chroma server in place of the folder's index.
        embeddings: Any LangChain `Embeddings`; else all-MiniLM-L6-v2. The store knows it by its `model_name` or
            `model`, else by its class, and by what it makes of a fixed sentence.
        chat_model: Any LangChain chat model that can give structured output: it reads the transcripts of conversations.
            Without it they are left to a process that has one, where they are ended with `defer=True`.
        reranker: Any LangChain document compressor, such as a cross-encoder: it is shown up to 50 matches of a recall,
            and its order, and what it leaves out, is the answer. It has to keep the `agentmem_id` in their metadata.
        index: What keeps the vectors of large scopes, in place of Chroma; an object of your own that keeps the promises
            of `agentmem.archival.index.backend.IndexBackend`, or `agentmem.testing.InMemoryIndex()`.
        clock: What time it is, as aware datetimes; else the computer's clock.
        **settings: Any field of `agentmem.settings.Settings`, which are also `AGENTMEM_*` variables.

    Raises:
        InvalidInputError: A setting, an id or a URL breaks a rule, or the store is open in this process with another
            `index_batch` or `index_timeout`.
        BackendError: The folder or the database cannot be used.
    """
    if path is not None and "home" in settings:
        raise InvalidInputError("it is the path, and both were given", field="home", advice="give one of them")
    given: dict[str, object] = {**settings}
    if path is not None:  # what a path names is not somewhere else, whatever the environment says
        given |= {"home": path, "database_url": database_url, "chroma_url": chroma_url}
    given |= {
        name: url for name, url in (("database_url", database_url), ("chroma_url", chroma_url)) if url is not None
    }
    loaded = load(**given)
    inputs.identifier("tenant_id", tenant_id, limit=loaded.max_id_chars)
    return AgentMem(
        build(loaded, embeddings=embeddings, chat_model=chat_model, reranker=reranker, index=index, clock=clock),
        tenant_id,
    )


async def aopen(
    path: str | Path | None = None,
    *,
    tenant_id: str = "default",
    database_url: str | None = None,
    chroma_url: str | None = None,
    embeddings: Embeddings | None = None,
    chat_model: ChatModel | None = None,
    reranker: BaseDocumentCompressor | None = None,
    index: IndexBackend | None = None,
    clock: Callable[[], datetime] | None = None,
    **settings: object,
) -> AgentMem:
    """Async twin of `open`: the same arguments, result and errors."""
    return await asyncio.to_thread(
        open,
        path,
        tenant_id=tenant_id,
        database_url=database_url,
        chroma_url=chroma_url,
        embeddings=embeddings,
        chat_model=chat_model,
        reranker=reranker,
        index=index,
        clock=clock,
        **settings,
    )


def _since(value: object) -> int | datetime | None:
    if value is None or isinstance(value, int):
        return None if value is None else inputs.count("since", value, low=0, high=MAX_CHANGE_ID)
    return inputs.timestamp("since", value)


def _silent(_done: int, _total: int) -> None:
    """Progress that nobody watches."""
