"""What `{{memory}}` stands for: the remembered facts that matter most for a prompt, noted with the conversation."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from agentmem.archival.search.recall import TRUSTED, SearchOptions
from agentmem.conversations import prompts

if TYPE_CHECKING:
    from agentmem.archival.lines.store import ArchivalStore
    from agentmem.archival.search.recall import Recall
    from agentmem.conversations.store import ConversationStore
    from agentmem.models import Scope
    from agentmem.transaction import Transactions

_CONSIDERED: Final = 200
"""How many of the newest lines are weighed where there is no question."""


class Retriever:
    """Chooses the facts that a conversation's prompts are given.

    Args:
        transactions: What reads them.
        conversations: Whose they are.
        archival: The facts, by how new and how sure they are.
        recall: The facts, by what is asked.
    """

    def __init__(
        self, transactions: Transactions, conversations: ConversationStore, archival: ArchivalStore, recall: Recall
    ) -> None:
        self._transactions = transactions
        self._conversations = conversations
        self._archival = archival
        self._recall = recall

    def facts(self, tenant_id: str, conversation_id: str, query: str | None) -> list[str]:
        """At most ten remembered facts, the best first; none where nobody is remembered.

        Args:
            tenant_id: The account.
            conversation_id: The conversation, whose context has them from now on.
            query: What they are to answer; without it, the newest and surest count.

        Raises:
            NotFoundError: There is no such conversation.
            InvalidInputError: It is over.
            BackendError: The model or the database could not do it.
        """
        reading = self._conversations.reading(tenant_id, conversation_id)
        if reading.scope is None:
            return []
        found = self._newest(reading.scope) if query is None else self._answering(reading.scope, query)
        if not reading.shown.issuperset(found):
            self._conversations.note_shown(tenant_id, conversation_id, list(found))
        return list(found.values())

    def _newest(self, scope: Scope) -> dict[str, str]:
        with self._transactions.read() as snapshot:
            lines = self._archival.newest(
                snapshot,
                scope,
                limit=_CONSIDERED,
                min_confidence=TRUSTED.min_confidence,
                without_source=TRUSTED.without_source,
            )
        return {line.id: line.content for line in prompts.foremost(lines, snapshot.now)}

    def _answering(self, scope: Scope, query: str) -> dict[str, str]:
        wish = SearchOptions(
            limit=prompts.SHOWN,
            min_score=0,
            only=TRUSTED,
            half_life_days=prompts.HALF_LIFE_DAYS,
        )
        return {match.id: match.content for match in self._recall.search([scope], query, wish)}
