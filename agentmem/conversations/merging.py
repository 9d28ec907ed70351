"""Two contacts that turn out to be one person: who they are and all that is kept of them, in one transaction."""

from __future__ import annotations

from typing import TYPE_CHECKING

from agentmem import changes, revisions
from agentmem.changes import Change
from agentmem.contacts.moving import move_memory
from agentmem.errors import InvalidInputError
from agentmem.merged import lock_people
from agentmem.models import Scope

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import datetime

    from sqlmodel import Session

    from agentmem.archival.store import ArchivalStore
    from agentmem.blocks import BlockStore
    from agentmem.contacts.store import ContactStore
    from agentmem.database import Database


class Merging:
    """Makes one of two contacts, across all that is kept of them.

    Args:
        database: Where it is kept.
        clock: What time it is.
        contacts: Who they are.
        blocks: What their prompts hold.
        archival: What is remembered of them.
        max_fact_days: The longest a key-value fact lives.
    """

    def __init__(
        self,
        database: Database,
        clock: Callable[[], datetime],
        *,
        contacts: ContactStore,
        blocks: BlockStore,
        archival: ArchivalStore,
        max_fact_days: int,
    ) -> None:
        self._database = database
        self._clock = clock
        self._contacts = contacts
        self._blocks = blocks
        self._archival = archival
        self._max_fact_days = max_fact_days

    def merge(self, tenant_id: str, loser_id: str, winner_id: str, *, actor: str) -> None:
        """Let one contact be another from now on; nothing happens when they are one already.

        Raises:
            NotFoundError: There is no such contact.
            InvalidInputError: It is to be merged into itself.
        """
        if loser_id == winner_id:
            raise InvalidInputError(
                "it is the contact itself", field="into", advice="name the one that it is to be merged into"
            )

        def body(session: Session) -> None:
            lock_people(session, tenant_id, loser_id, winner_id)
            loser, winner = (self._contacts.require(session, tenant_id, one).id for one in (loser_id, winner_id))
            if loser != winner:
                self.absorb(session, tenant_id, loser, winner, moment=revisions.now(self._clock), actor=actor)

        self._database.write(body)

    def absorb(
        self,
        session: Session,
        tenant_id: str,
        loser_id: str,
        winner_id: str,
        *,
        moment: datetime,
        actor: str,
        conversation_id: str | None = None,
    ) -> None:
        """The same as a part of someone else's transaction, for two contacts that were not merged and are locked.

        Args:
            session: The transaction.
            tenant_id: The account.
            loser_id: Whose id leads to the winner from now on.
            winner_id: Who has all of it from now on.
            moment: When.
            actor: Who found out.
            conversation_id: The conversation in which it was found out.
        """
        agent_ids = revisions.agent_ids(session, tenant_id, loser_id)
        self._contacts.merge_identity(session, tenant_id, loser_id, winner_id, moment=moment)
        move_memory(
            session,
            tenant_id,
            loser_id,
            winner_id,
            moment=moment,
            actor=actor,
            max_fact_days=self._max_fact_days,
            conversation_id=conversation_id,
        )
        changes.record(
            session,
            Scope(tenant_id, winner_id),
            [Change(kind="contact", action="merged", ref=loser_id, after=winner_id)],
            actor=actor,
            moment=moment,
            conversation_id=conversation_id,
        )
        for agent_id in (None, *agent_ids):
            loser, winner = (Scope(tenant_id, user_id, agent_id) for user_id in (loser_id, winner_id))
            self._blocks.move(session, loser, winner, moment=moment, actor=actor)
            self._archival.move(session, loser, winner, moment=moment, actor=actor)
