"""`client.memory`: the blocks and the archival memory of one user."""

from __future__ import annotations

import builtins
from collections.abc import Iterable
from datetime import datetime
from typing import get_args

from agentmem import inputs
from agentmem.archival.lines.drafts import SOURCES, drafts
from agentmem.archival.search.recall import TRUSTED, Filter, SearchOptions
from agentmem.bounds import MAX_LIMIT, BlockName, Filled, Fraction, Matches, Positive
from agentmem.client.to_async import to_async
from agentmem.client.wiring import Container
from agentmem.display import Values
from agentmem.errors import InvalidInputError, NotFoundError
from agentmem.models import (
    ArchivalLine,
    BlockVersion,
    Line,
    MemoryBlock,
    MemoryRecallResult,
    Scope,
    ScopeFilter,
    Source,
)
from agentmem.policy import DEFAULT_LIMIT, DEFAULT_MIN_SCORE
from agentmem.tables import ARCHIVAL
from agentmem.transaction import Writer
from agentmem.wording import Phrase, Wording

_SCOPES: builtins.tuple[ScopeFilter, ...] = get_args(ScopeFilter)


class Memory:
    """The memory of one user: versioned blocks for the prompt, and archival lines to be searched.

    Without `agent_id` a call is about what all of the user's agents share; with
    it, about what that agent keeps of the user. Each method has an async twin
    whose name begins with `a`.
    """

    def __init__(self, container: Container, tenant_id: str, user_id: str, writer: Writer) -> None:
        self._container = container
        self._tenant_id = tenant_id
        self._user_id = user_id
        self._writer = writer

    def list(self, *, scope: ScopeFilter | None = None, agent_id: Filled | None = None) -> builtins.list[MemoryBlock]:
        """Return the live blocks, the archival one with its text included.

        In order: the user's first, then by agent, then by `block_type`, by code point.

        Args:
            scope: `"user"`, `"agent"` or `"all"`; by default the agent's with an `agent_id`, else the user's.
            agent_id: One agent; without it `"agent"` and `"all"` bring every agent's.
        """
        default: ScopeFilter = "user" if agent_id is None else "agent"
        chosen = inputs.one_of("scope", default if scope is None else scope, _SCOPES)
        own = self._scope(agent_id)
        scopes = [own.user] if chosen in {"user", "all"} else []
        if chosen != "user":
            agents = self._container.blocks.agent_ids(own) if agent_id is None else [agent_id]
            scopes += [self._scope(agent) for agent in agents]
        return Values(block for one in scopes for block in self._with_archival(one))

    def list_core(self, *, agent_id: Filled | None = None) -> builtins.list[MemoryBlock]:
        """Return the live blocks that belong in the prompt: every one but `archival`, whose text may be long.

        Args:
            agent_id: The agent whose own blocks come after the user's; without it there are only the user's.
        """
        return Values(self._container.blocks.list(self._scope(agent_id), with_users=True))

    def get(self, block_type: BlockName, *, agent_id: Filled | None = None) -> MemoryBlock:
        """Return one block.

        Args:
            block_type: The block.
            agent_id: The agent whose own block this is; `None` for the user's.

        Raises:
            NotFoundError: There is none.
        """
        scope = self._scope(agent_id)
        if inputs.block_type(block_type) == ARCHIVAL:
            return self._container.archival.get(scope)
        return self._container.blocks.get(scope, block_type)

    def find(self, block_type: BlockName, *, agent_id: Filled | None = None) -> MemoryBlock | None:
        """Return one block, or None when there is none.

        Args:
            block_type: The block.
            agent_id: The agent whose own block this is; `None` for the user's.
        """
        try:
            return self.get(block_type, agent_id=agent_id)
        except NotFoundError:
            return None

    def update(
        self,
        block_type: BlockName,
        content: str,
        *,
        agent_id: Filled | None = None,
        description: str | None = None,
        read_only: bool | None = None,
        expected_updated_at: datetime | str | None,
    ) -> MemoryBlock:
        """Create a block, or replace the version of it that you read.

        The write happens only if the stored block is still the one you saw, so
        two writers can never silently overwrite each other:

            >>> core = client.memory.update("core", "- Likes tea", expected_updated_at=None)
            >>> core = client.memory.update("core", "- Likes rye", expected_updated_at=core.updated_at)
            >>> client.memory.get("core").content
            '- Likes rye'

        Args:
            block_type: `core`, `archival`, or a name of your own (1 to 64 of `a-z`, `0-9`, `_`, `-`). In `archival`
                every line of the text is a memory; lines that stay keep their id and provenance.
            content: The whole new text, at most `max_block_chars` characters; empty is valid. An `archival` text may be
                of any length, and each of its lines has at most `max_line_chars`.
            agent_id: The agent whose own block this is; `None` for the user's.
            description: What the block is for, shown to the model, at most `max_block_chars`; `None` keeps it.
            read_only: Whether the model's tools may not change it; `None` keeps it.
            expected_updated_at: `updated_at` of the block you read (UTC), or `None` to create one that must not exist.

        Returns:
            The block as stored, with its new `updated_at`. What is stored already is not written again, whoever wrote
            it: two writers who both want "6" both get it, so keep a tally with `replace`, not by writing totals.

        Raises:
            ConflictError: The stored block is another one; `current` holds it.
            InvalidInputError: A name, a size or a timestamp breaks a rule above, or the block is read-only and this
                client respects that.
        """
        scope = self._scope(agent_id)
        inputs.block_type(block_type)
        if description is not None:
            inputs.text("description", description, limit=self._container.settings.max_block_chars, empty=True)
        if read_only is not None:
            inputs.flag("read_only", read_only)
        expected = None if expected_updated_at is None else _token(expected_updated_at)
        if block_type != ARCHIVAL:
            return self._container.blocks.update(
                scope,
                block_type,
                content,
                expected=expected,
                writer=self._writer,
                description=description,
                read_only=read_only,
            )
        return self._container.archival.update(
            scope,
            content,
            expected=expected,
            writer=self._writer,
            description=description,
            read_only=read_only,
        )

    def append(
        self,
        block_type: BlockName,
        content: Filled,
        *,
        agent_id: Filled | None = None,
        idempotency_key: Filled | None = None,
    ) -> MemoryBlock:
        r"""Add text at the end of a block, after one newline; a missing block is created. Needs no token.

            >>> client.memory.append("core", "- Likes tea").version
            1
            >>> client.memory.append("core", "- Works in Oslo").content
            '- Likes tea\n- Works in Oslo'

        On `archival` it is `remember`, and the block is returned as it is now.

        Args:
            block_type: The block.
            content: The text to add, not empty.
            agent_id: The agent whose own block this is; `None` for the user's.
            idempotency_key: The same key again returns the first result instead of adding twice.

        Raises:
            ConflictError: The key was used for another write.
            NotFoundError: What the key wrote was deleted since.
            InvalidInputError: The text is empty, or the block would be over its limit, or is read-only and this client
                respects that.
        """
        scope = self._scope(agent_id)
        if inputs.block_type(block_type) == ARCHIVAL:
            self.remember(content, agent_id=agent_id, idempotency_key=idempotency_key)
            return self._container.archival.get(scope, deleted=True)  # by now someone may have deleted it again
        return self._container.blocks.append(
            scope,
            block_type,
            content,
            writer=self._writer,
            idempotency_key=self._key(idempotency_key),
        )

    def replace(
        self,
        block_type: BlockName,
        old: Filled,
        new: str,
        *,
        agent_id: Filled | None = None,
        idempotency_key: Filled | None = None,
    ) -> MemoryBlock:
        """Replace the one place in a block where `old` stands. Needs no token.

            >>> _ = client.memory.append("core", "- Lives in Oslo")
            >>> client.memory.replace("core", "Oslo", "Bergen").content
            '- Lives in Bergen'

        Args:
            block_type: The block; archival lines are not replaced.
            old: The text to replace; it must stand there exactly once.
            new: What to put in its place; empty to remove it.
            agent_id: The agent whose own block this is; `None` for the user's.
            idempotency_key: The same key again returns the first result instead of replacing twice.

        Raises:
            ConflictError: The key was used for another write.
            NotFoundError: There is no such block, or what the key wrote was deleted since.
            InvalidInputError: `old` does not stand there exactly once, and the message says how often; or the block
                would be over its limit, or is read-only and this client respects that.
        """
        scope = self._scope(agent_id)
        if inputs.block_type(block_type) == ARCHIVAL:
            raise InvalidInputError(
                "archival lines are not replaced", field="block_type", advice="forget_line one and remember another"
            )
        return self._container.blocks.replace(
            scope,
            block_type,
            old,
            new,
            writer=self._writer,
            idempotency_key=self._key(idempotency_key),
        )

    def delete(
        self,
        block_type: BlockName,
        *,
        agent_id: Filled | None = None,
        expected_updated_at: datetime | str | None = None,
    ) -> None:
        """Delete a block with all its texts; nothing happens when there is none.

        Args:
            block_type: The block; `archival` for every line of the scope.
            agent_id: The agent whose own block this is; `None` for the user's.
            expected_updated_at: Only delete the version you read.

        Raises:
            ConflictError: A token is given and the stored block is another one; `current` holds it.
            InvalidInputError: The block is read-only and this client respects that.
        """
        scope = self._scope(agent_id)
        inputs.block_type(block_type)
        expected = None if expected_updated_at is None else _token(expected_updated_at)
        if block_type != ARCHIVAL:
            self._container.blocks.delete(scope, block_type, expected=expected, writer=self._writer)
            return
        self._container.archival.delete(scope, expected=expected, writer=self._writer)

    def history(self, block_type: BlockName, *, agent_id: Filled | None = None) -> builtins.list[BlockVersion]:
        """Return every version of a block, oldest first: when, by whom, and what it said.

        What a deleted block said is gone from its history too.

        Args:
            block_type: The block.
            agent_id: The agent whose own block this is; `None` for the user's.

        Raises:
            NotFoundError: There never was such a block.
            InvalidInputError: The archival block keeps no versions; its lines carry their own times.
        """
        scope = self._scope(agent_id)
        if inputs.block_type(block_type) == ARCHIVAL:
            raise InvalidInputError(
                "archival memory has no history", field="block_type", advice="each line carries its own times"
            )
        return Values(self._container.blocks.history(scope, block_type))

    def remember(
        self,
        lines: Filled | Line | Iterable[Filled | Line],
        *,
        agent_id: Filled | None = None,
        conversation_id: Filled | None = None,
        source: Source = "operator",
        confidence: Fraction = 1.0,
        idempotency_key: Filled | None = None,
    ) -> builtins.list[ArchivalLine]:
        """Add archival memories: all of them, or none.

            >>> [line.content for line in client.memory.remember(["Acme renews in March", "The dog is called Tom"])]
            ['Acme renews in March', 'The dog is called Tom']

        Args:
            lines: A text, a `Line`, or several of both. Each line of a text becomes a memory of its own.
            agent_id: The agent whose own memory this is; `None` for the user's.
            conversation_id: The conversation they come from.
            source: Who they come from: `user`, `assistant`, `tool`, `extractor` or `operator`.
            confidence: How sure they are, 0 to 1; below 0.5 they are stored and listed, but not recalled.
            idempotency_key: The same key again returns the first result instead of adding twice: of the lines that were
                added then, those that were not deleted since.

        Returns:
            The lines as stored, in input order.

        Raises:
            ConflictError: The key was used for another write.
            NotFoundError: Every line that the key wrote was deleted since.
            InvalidInputError: A line is empty or too long, the store's vectors were made with another model, or
                archival memory is read-only and this client respects that.
            BackendError: The model or the database could not do it; nothing was written.
        """
        scope = self._scope(agent_id)
        default = Line("", conversation_id=conversation_id, source=source, confidence=confidence)
        stored = self._container.archival.remember(
            scope,
            drafts(lines, default, self._container.limits),
            writer=self._writer,
            idempotency_key=self._key(idempotency_key),
        )
        return Values(stored)

    def recall(
        self,
        query: Filled,
        *,
        agent_id: Filled | None = None,
        limit: Matches = DEFAULT_LIMIT,
        min_score: Fraction = DEFAULT_MIN_SCORE,
        explain: bool = False,
        scope: ScopeFilter = "all",
        since: datetime | str | None = None,
        until: datetime | str | None = None,
        conversation_id: Filled | None = None,
        source: Source | None = None,
        min_confidence: Fraction = 0.5,
        half_life_days: Positive | None = None,
    ) -> builtins.list[MemoryRecallResult]:
        """Search archival memory.

            >>> _ = client.memory.remember(["Acme renews in March", "The dog is called Tom"])
            >>> [match.content for match in client.memory.recall("When does Acme renew?", limit=1)]
            ['Acme renews in March']

        Args:
            query: What to look for, in words; a very long one is read to its 8,000th character.
            agent_id: Search this agent's lines and the user's; without it, the user's only.
            limit: How many matches at most, 1 to 50.
            min_score: The floor, 0 to 1, inclusive.
            explain: Fill in `explanation`, which says how each match came to its place.
            scope: `"user"` or `"agent"` narrows the search; `"agent"` needs an `agent_id`.
            since: Only lines of this moment or later (`occurred_at`, else `created_at`).
            until: Only lines from before this moment.
            conversation_id: Only lines of this conversation.
            source: Only lines from this source.
            min_confidence: Only lines at least as sure as this; what is below 0.5 is never recalled.
            half_life_days: Prefer what is newer: a bonus of at most 0.1 in the order, halved after so many days.

        Returns:
            The best matches, by rank, which meaning, words and what `explain` shows make up, then the newer one, then
            by id; empty when nothing reaches the floor. Lines of one scope that one speaker said at one
            time in the same words come once.

        Raises:
            InvalidInputError: An argument breaks a rule, or the store's vectors were made with another model.
            BackendError: The model or the database could not do it.
        """
        inputs.text("query", query)
        chosen = inputs.one_of("scope", scope, _SCOPES)
        own = self._scope(agent_id)
        if chosen == "agent" and agent_id is None:
            raise InvalidInputError(Wording('"agent" needs ', Phrase.AN_AGENT_ID), field="scope")
        only = Filter(
            since=None if since is None else inputs.timestamp("since", since),
            until=None if until is None else inputs.timestamp("until", until),
            conversation_id=None if conversation_id is None else self._id("conversation_id", conversation_id),
            source=None if source is None else inputs.one_of("source", source, SOURCES),
            min_confidence=inputs.fraction("min_confidence", min_confidence),
        )
        wish = SearchOptions(
            limit=inputs.count("limit", limit, low=1, high=MAX_LIMIT),
            min_score=inputs.fraction("min_score", min_score),
            only=only,
            half_life_days=None if half_life_days is None else inputs.positive("half_life_days", half_life_days),
            explain=inputs.flag("explain", explain),
        )
        scopes = {"user": [own.user], "agent": [own], "all": _with_users(own)}[chosen]
        return Values(self._container.recall.search(scopes, query, wish))

    def recall_trusted(
        self,
        query: Filled,
        *,
        agent_id: Filled | None = None,
        limit: Matches = DEFAULT_LIMIT,
        min_score: Fraction = DEFAULT_MIN_SCORE,
    ) -> builtins.list[MemoryRecallResult]:
        """Search what may be put into a prompt by itself: every line but those with `source="tool"`.

        What a tool said, anyone may have written. This is what an agent is
        given under `archival_mode="auto"`.

            >>> _ = client.memory.remember("Acme renews in March")
            >>> _ = client.memory.remember("Acme is to be paid twice", source="tool")
            >>> [match.content for match in client.memory.recall_trusted("Acme")]
            ['Acme renews in March']

        Args:
            query: What to look for, in words; a very long one is read to its 8,000th character.
            agent_id: Search this agent's lines and the user's; without it, the user's only.
            limit: How many matches at most, 1 to 50; lines that are left out do not count.
            min_score: The floor, 0 to 1, inclusive.

        Returns:
            The best matches, in the order of `recall`.

        Raises:
            InvalidInputError: An argument breaks a rule, or the store's vectors were made with another model.
            BackendError: The model or the database could not do it.
        """
        inputs.text("query", query)
        own = self._scope(agent_id)
        wish = SearchOptions(
            limit=inputs.count("limit", limit, low=1, high=MAX_LIMIT),
            min_score=inputs.fraction("min_score", min_score),
            only=TRUSTED,
        )
        return Values(self._container.recall.search(_with_users(own), query, wish))

    def forget_line(self, line_id: Filled) -> None:
        """Delete one archival line of this user, in whichever scope; nothing happens when there is none.

        Args:
            line_id: The line's `id`, as `remember` and `recall` give it.

        Raises:
            InvalidInputError: The archival memory it is in is read-only and this client respects that.
        """
        self._container.archival.forget_line(
            self._tenant_id,
            self._user_id,
            self._id("line_id", line_id),
            writer=self._writer,
        )

    alist = to_async(list)  # noqa: A003 - the method of this class
    alist_core = to_async(list_core)
    aget = to_async(get)
    afind = to_async(find)
    aupdate = to_async(update)
    aappend = to_async(append)
    areplace = to_async(replace)
    adelete = to_async(delete)
    ahistory = to_async(history)
    aremember = to_async(remember)
    arecall = to_async(recall)
    arecall_trusted = to_async(recall_trusted)
    aforget_line = to_async(forget_line)

    def __repr__(self) -> str:
        return f"<Memory user_id={self._user_id!r}>"

    def _scope(self, agent_id: str | None) -> Scope:
        return Scope(self._tenant_id, self._user_id, None if agent_id is None else self._id("agent_id", agent_id))

    def _with_archival(self, scope: Scope) -> builtins.list[MemoryBlock]:
        blocks = self._container.blocks.list(scope)
        try:
            blocks.append(self._container.archival.get(scope))
        except NotFoundError:
            return blocks
        return sorted(blocks, key=lambda block: block.block_type)

    def _id(self, field: str, value: str) -> str:
        return inputs.identifier(field, value, limit=self._container.settings.max_id_chars)

    def _key(self, value: str | None) -> str | None:
        return None if value is None else self._id("idempotency_key", value)


def _with_users(own: Scope) -> list[Scope]:
    """Return an agent's scope with the user's before it."""
    return [own.user] if own == own.user else [own.user, own]


def _token(value: datetime | str) -> datetime:
    return inputs.timestamp("expected_updated_at", value)
