"""Two contacts that turn out to be one person: who they are and all that is kept of them, in one transaction."""

from __future__ import annotations

from typing import TYPE_CHECKING

from agentmem import revisions
from agentmem.changes import Change
from agentmem.contacts.merge import move_memory
from agentmem.errors import InvalidInputError
from agentmem.models import Scope

if TYPE_CHECKING:
    from agentmem.archival.lines.store import ArchivalStore
    from agentmem.blocks import BlockStore
    from agentmem.contacts.store import ContactStore
    from agentmem.transaction import Transaction, Transactions, Writer


class Merging:
    """Makes one of two contacts, across all that is kept of them.

    Args:
        transactions: What reads and writes it.
        contacts: Who they are.
        blocks: What their prompts hold.
        archival: What is remembered of them.
    """

    def __init__(
        self,
        transactions: Transactions,
        *,
        contacts: ContactStore,
        blocks: BlockStore,
        archival: ArchivalStore,
    ) -> None:
        self._transactions = transactions
        self._contacts = contacts
        self._blocks = blocks
        self._archival = archival

    def merge(self, tenant_id: str, loser_id: str, winner_id: str, *, writer: Writer) -> None:
        """Let one contact be another from now on; nothing happens when they are one already.

        Raises:
            NotFoundError: There is no such contact.
            InvalidInputError: It is to be merged into itself.
        """
        if loser_id == winner_id:
            raise InvalidInputError(
                "it is the contact itself", field="into", advice="name the one that it is to be merged into"
            )

        def body(tx: Transaction) -> None:
            tx.lock(tenant_id, loser_id, winner_id)
            loser, winner = (self._contacts.require(tx.session, tenant_id, one).id for one in (loser_id, winner_id))
            if loser != winner:
                self.absorb(tx, tenant_id, loser, winner)

        self._transactions.write(body, writer=writer)

    def absorb(self, tx: Transaction, tenant_id: str, loser_id: str, winner_id: str) -> None:
        """The same as a part of someone else's transaction, for two contacts that were not merged and are locked.

        Args:
            tx: The transaction.
            tenant_id: The account.
            loser_id: Whose id leads to the winner from now on.
            winner_id: Who has all of it from now on.
        """
        agent_ids = revisions.agent_ids(tx.session, tenant_id, loser_id)
        self._contacts.merge_identity(tx, tenant_id, loser_id, winner_id)
        move_memory(tx, tenant_id, loser_id, winner_id)
        merged = Change(kind="contact", action="merged", ref=loser_id, after=winner_id)
        tx.record(Scope(tenant_id, winner_id), [merged])
        for agent_id in (None, *agent_ids):
            loser, winner = (Scope(tenant_id, user_id, agent_id) for user_id in (loser_id, winner_id))
            self._blocks.move(tx, loser, winner)
            self._archival.move(tx, loser, winner)
