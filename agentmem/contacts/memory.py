"""What each agent knows of each contact, read and written directly: one call, one transaction."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, cast

from agentmem import idempotency, inputs
from agentmem.bounds import MAX_DAYS, MAX_VERSION
from agentmem.contacts import reading
from agentmem.contacts.writing import KEEP, OPEN_ITEM, Keep, MemoryWrites
from agentmem.errors import InvalidInputError, NotFoundError
from agentmem.idempotency import FirstResult
from agentmem.models import Scope

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import datetime

    from agentmem.contacts.store import ContactStore
    from agentmem.records import ContactMemory, EntityRef, Json, OpenItem
    from agentmem.transaction import Transaction, Transactions, Writer


class ContactMemoryStore:
    """The memory of every agent scope, for people and programs outside of a conversation.

    The scope's user may be the id of a contact that was merged: what is read and
    written is the memory of who they are. Each call raises NotFoundError when
    there is no such contact.

    Args:
        transactions: What reads and writes it.
        contacts: Who is who.
        max_id_chars: The most characters of an id, a key or a name.
        max_line_chars: The most characters of what is said about an entity or an open item.
        max_summary_chars: The most characters of a summary.
        max_value_bytes: The most bytes of one value, as JSON.
    """

    def __init__(
        self,
        transactions: Transactions,
        contacts: ContactStore,
        *,
        max_id_chars: int,
        max_line_chars: int,
        max_summary_chars: int,
        max_value_bytes: int,
    ) -> None:
        self._transactions = transactions
        self._contacts = contacts
        self._max_id_chars = max_id_chars
        self._max_line_chars = max_line_chars
        self._max_summary_chars = max_summary_chars
        self._max_value_bytes = max_value_bytes

    def get(self, scope: Scope, *, recent_messages: int = reading.RECENT_MESSAGES) -> ContactMemory:
        """Return the memory as it is now; an empty one of version 0 where nothing was written yet."""
        with self._transactions.read() as snapshot:
            contact = self._contacts.require(snapshot.session, scope.tenant_id, scope.user_id)
            own = Scope(scope.tenant_id, contact.id, scope.agent_id)
            return reading.read_memory(snapshot, own, recent_messages=recent_messages)

    def patch_facts(
        self,
        scope: Scope,
        facts: Mapping[str, Json],
        *,
        ttl_days: int | None,
        writer: Writer,
        expected_version: int | None,
    ) -> ContactMemory:
        """Add or replace the facts that are named, and remove those that are None.

        Raises:
            ConflictError: The version is another one; `current` holds the memory.
            InvalidInputError: A key, a value or the life breaks a rule.
        """
        checked = {
            inputs.fact_key("facts", key, limit=self._max_id_chars): self._json("facts", value)
            for key, value in _object("facts", facts).items()
        }
        if ttl_days is not None:
            inputs.count("ttl_days", ttl_days, low=1, high=MAX_DAYS)
        lives = dict.fromkeys(checked, ttl_days)
        return self._write(
            scope,
            lambda writes: writes.patch_facts(checked, ttl_days=lives),
            writer=writer,
            expected_version=expected_version,
        )

    def update_summary(
        self, scope: Scope, text: str | None, *, writer: Writer, expected_version: int | None
    ) -> ContactMemory:
        """Replace the summary; None removes it.

        Raises:
            ConflictError: The version is another one; `current` holds the memory.
            InvalidInputError: The text is blank or over its limit.
        """
        if text is not None:
            inputs.text("text", text, limit=self._max_summary_chars)
        return self._write(
            scope, lambda writes: writes.set_summary(text), writer=writer, expected_version=expected_version
        )

    def put_entity(
        self,
        scope: Scope,
        name: EntityRef,
        *,
        facts: Mapping[str, Json] | None,
        status: str | Keep | None,
        notes: str | Keep | None,
        discussed_at: datetime | str | None,
        writer: Writer,
        expected_version: int | None,
    ) -> ContactMemory:
        """Make an entity, or change what is given of it; facts are merged, and None removes one.

        What is given of an entity was talked about now, unless `discussed_at` says when.

        Raises:
            ConflictError: The version is another one; `current` holds the memory.
            InvalidInputError: A part of it breaks a rule.
        """
        self._check_name(name)
        patch = cast("dict[str, Json]", self._json("facts", dict(_object("facts", {} if facts is None else facts))))
        for key in patch:
            inputs.identifier("facts", key, limit=self._max_id_chars)
        for field, said in (("status", status), ("notes", notes)):
            if said is not None and said is not KEEP:
                inputs.text(field, said, limit=self._max_line_chars)
        moment = None if discussed_at is None else inputs.timestamp("discussed_at", discussed_at)
        says_something = bool(patch) or status is not KEEP or notes is not KEEP
        return self._write(
            scope,
            lambda writes: writes.put_entity(
                name.entity_type,
                name.entity_id,
                facts=patch,
                status=status,
                notes=notes,
                discussed_at=writes.now if moment is None and says_something else moment,
            ),
            writer=writer,
            expected_version=expected_version,
        )

    def delete_entity(self, scope: Scope, name: EntityRef, *, writer: Writer) -> None:
        """Remove an entity; nothing happens when there is none."""
        self._check_name(name)
        self._write(scope, lambda writes: writes.delete_entity(name.entity_type, name.entity_id), writer=writer)

    def add_open_item(
        self,
        scope: Scope,
        description: str,
        *,
        type: str,
        priority: str,
        related_to: EntityRef | None,
        writer: Writer,
        idempotency_key: str | None,
    ) -> OpenItem:
        """Note something that is to be done.

        Raises:
            ConflictError: The idempotency key was used for another write.
            NotFoundError: What the key wrote is gone.
            InvalidInputError: A part of it breaks a rule.
        """
        inputs.text("description", description, limit=self._max_line_chars)
        inputs.identifier("type", type, limit=self._max_id_chars)
        inputs.identifier("priority", priority, limit=self._max_id_chars)
        related = [] if related_to is None else [related_to.entity_type, related_to.entity_id]
        if related_to is not None:
            self._check_name(related_to)

        def body(tx: Transaction) -> OpenItem:
            writes, own = self._writes(tx, scope)
            first = FirstResult(own, idempotency_key, OPEN_ITEM, [description, type, priority, *related])
            if (done := first.find(tx.session)) is not None:
                return _as_of(writes, done)
            item_id = writes.add_open_item(description, type=type, priority=priority, related_to=related_to)
            first.keep(tx.session, [item_id], tx.now, block_id=None)
            return writes.open_item(item_id)

        return self._transactions.write(body, writer=writer)

    def resolve_open_item(self, scope: Scope, item_id: str, *, writer: Writer) -> OpenItem:
        """Note that something was done, and return it.

        Raises:
            NotFoundError: There is no such item in this memory.
        """

        def body(tx: Transaction) -> OpenItem:
            writes, _ = self._writes(tx, scope)
            writes.resolve_open_item(item_id)
            return writes.open_item(item_id)

        return self._transactions.write(body, writer=writer)

    def _write(
        self,
        scope: Scope,
        change: Callable[[MemoryWrites], None],
        *,
        writer: Writer,
        expected_version: int | None = None,
    ) -> ContactMemory:
        if expected_version is not None:
            inputs.count("expected_version", expected_version, low=0, high=MAX_VERSION)

        def body(tx: Transaction) -> ContactMemory:
            writes, own = self._writes(tx, scope, expected_version=expected_version)
            change(writes)
            tx.session.flush()
            return reading.read_memory(tx, own)

        return self._transactions.write(body, writer=writer)

    def _writes(
        self, tx: Transaction, scope: Scope, *, expected_version: int | None = None
    ) -> tuple[MemoryWrites, Scope]:
        """Return the writes to the memory of who the contact is, and whose scope that is."""
        contact = self._contacts.require_to_write(tx, scope.tenant_id, scope.user_id)
        own = Scope(scope.tenant_id, contact.id, scope.agent_id)
        writes = MemoryWrites(
            tx,
            own,
            source="operator",
            max_value_bytes=self._max_value_bytes,
            expected_version=expected_version,
        )
        return writes, own

    def _json(self, field: str, value: object) -> Json:
        return inputs.json_value(field, value, max_bytes=self._max_value_bytes)

    def _check_name(self, name: EntityRef) -> None:
        inputs.identifier("entity_type", name.entity_type, limit=self._max_id_chars)
        inputs.identifier("entity_id", name.entity_id, limit=self._max_id_chars)


def _object(field: str, value: object) -> Mapping[object, object]:
    if not isinstance(value, Mapping):
        raise InvalidInputError(f"must be a dict of keys and values, not {type(value).__name__}", field=field)
    return cast("Mapping[object, object]", value)


def _as_of(writes: MemoryWrites, item_ids: list[str]) -> OpenItem:
    """Return the item that a write with a key made, as it is now."""
    try:
        return writes.open_item(*item_ids)
    except NotFoundError:
        raise idempotency.deleted() from None
