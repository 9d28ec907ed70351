"""Writing what one agent knows of one contact: all of a transaction's changes under one version, with their feed."""

from __future__ import annotations

import json
from enum import Enum
from typing import TYPE_CHECKING, Any, Final
from uuid import uuid4

from sqlmodel import Session, col, delete, select, update

from agentmem import expiry, inputs
from agentmem.changes import Change
from agentmem.contacts import reading
from agentmem.contacts.parts import packed
from agentmem.database import RacedError, in_batches
from agentmem.errors import ConflictError, NotFoundError
from agentmem.stored import json_of, object_of
from agentmem.tables import ContactMemoryRow, EntityRow, FactRow, IdempotencyKeyRow, OpenItemRow

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime

    from agentmem.models import Scope
    from agentmem.records import ChangeAction, ChangeKind, EntityRef, Json, OpenItem
    from agentmem.transaction import Transaction

OPEN_ITEM: Final = "open_item"
"""The operation that an idempotency key of an open item stands for."""


class Keep(Enum):
    """What is given for a part that stays as it is, where None would empty it."""

    KEEP = "keep"

    def __repr__(self) -> str:
        return self.name


KEEP: Final = Keep.KEEP


class MemoryWrites:
    """The writes of one transaction to the memory of one agent scope.

    What is over counts as absent. The first change moves the header's version,
    by one for all of them. The values are checked before they come here, save
    what only the stored rows tell.

    Args:
        tx: The transaction.
        scope: The contact, which must be there and not merged, and the agent.
        source: Where it comes from, for the rows: `operator`, `extractor` and so on.
        max_value_bytes: The most bytes of an entity's facts, as JSON.
        expected_version: The version that was read before; None writes whatever it is.

    Raises:
        ConflictError: The version is another one; `current` holds the memory.
    """

    def __init__(
        self,
        tx: Transaction,
        scope: Scope,
        *,
        source: str,
        max_value_bytes: int,
        expected_version: int | None = None,
    ) -> None:
        self._tx = tx
        self._session = tx.session
        self._scope = scope
        self._source = source
        self._max_value_bytes = max_value_bytes
        self._header = reading.find_header(tx.session, scope, to_write=True)
        self._days = expiry.retention_days(tx.session, scope.tenant_id, scope.agent_id or "")
        self._changed = 0
        self._claimed = False
        if expected_version is not None and expected_version != self.version:
            raise ConflictError(
                "this memory was changed since it was read",
                field="expected_version",
                advice="read it again, apply your change to what it says now, and write with its version",
                code="stale",
                current=reading.read_memory(tx, scope),
            )

    @property
    def now(self) -> datetime:
        """When."""
        return self._tx.now

    @property
    def version(self) -> int:
        """The version as it is by now, 0 where nothing was written yet."""
        return 0 if self._header is None else self._header.version

    @property
    def memory_id(self) -> str:
        """The id of the header; a missing one is made, with version 0."""
        return self._made().id

    def patch_facts(
        self,
        values: Mapping[str, Json],
        *,
        ttl_days: Mapping[str, int | None] | None = None,
        at: datetime | None = None,
    ) -> None:
        """Add or replace the facts that are named; None removes one, and the others stay as they are.

        Args:
            values: The new values by key.
            ttl_days: How many days each lives, by key; without any, as long as facts do.
            at: When they were stated, where that was before now. What was written in a later hour stays, and what
                would be over by now is not written.
        """
        stored = self._stored_facts(list(values))
        written_at = expiry.hour(at or self.now)
        for key, value in values.items():
            row, days = stored.get(key), (ttl_days or {}).get(key)
            if at is not None and row is not None and self._is_live(row) and row.updated_at > written_at:
                continue
            if value is None or self._is_past(written_at, days):
                self._remove_fact(row)
            else:
                self._put_fact(row, key, value, ttl_days=days, at=written_at)

    def set_summary(self, text: str | None) -> None:
        """Replace the summary; None removes it."""
        before = None
        if self._header is not None:
            before = reading.live_summary(self._header, now=self.now, days=self._days)
            if text is None and before is None:
                self._header.summary = self._header.summary_updated_at = None  # one that is over must not come back
                return
            if text == before and self._header.summary_updated_at == self.now:
                return
        elif text is None:
            return
        header = self._claim()
        header.summary = text
        header.summary_updated_at = None if text is None else self.now
        self._session.add(header)
        self._note("summary", "summary", before, text)

    def put_entity(
        self,
        entity_type: str,
        entity_id: str,
        *,
        facts: Mapping[str, Json] | None = None,
        status: str | Keep | None = KEEP,
        notes: str | Keep | None = KEEP,
        discussed_at: datetime | None = None,
    ) -> None:
        """Make an entity, or change what is given of it.

        Args:
            entity_type: What it is, such as `order`.
            entity_id: Its id within the type.
            facts: Facts to add or replace; None as a value removes one.
            status: The new status; None removes it.
            notes: The new notes; None removes them.
            discussed_at: When it was talked about; an earlier moment than the last one changes nothing.

        Raises:
            InvalidInputError: Its facts would be over their limit; nothing of the entity was changed.
        """
        row = self._stored_entity(entity_type, entity_id)
        live = None if row is None or self._over(row.updated_at) else row
        if live is not None and not facts and status is KEEP and notes is KEEP and discussed_at is None:
            return
        before = None if live is None else _entity_said(live)
        merged = _merged({} if live is None else object_of(live.facts, kind="entity.facts"), facts or {})
        inputs.json_value("facts", merged, max_bytes=self._max_value_bytes)
        after: dict[str, Json] = {
            "facts": merged,
            "status": _kept(status, None if live is None else live.status),
            "notes": _kept(notes, None if live is None else live.notes),
        }
        discussed = max(filter(None, [discussed_at, None if live is None else live.last_discussed_at]), default=None)
        values: dict[str, Any] = {
            **after,
            "facts": packed(merged),
            "last_discussed_at": discussed,
            "updated_at": self.now,
        }
        if live is not None and _same(before, after) and _holds(live, values, but="facts"):
            return
        memory_id = self._claim().id
        values["source"] = self._source
        if row is None:
            row = EntityRow(
                memory_id=memory_id,
                entity_type=entity_type,
                entity_id=entity_id,
                created_at=self.now,
                **values,
            )
        else:
            _set(row, created_at=self.now if live is None else live.created_at, **values)
        self._session.add(row)
        self._note("entity", _entity_ref(row), before, after)

    def delete_entity(self, entity_type: str, entity_id: str) -> None:
        """Remove an entity; nothing happens when there is none."""
        row = self._stored_entity(entity_type, entity_id)
        if row is None:
            return
        if self._over(row.updated_at):
            self._session.delete(row)  # or a longer retention would bring it back
            return
        self._claim()
        self._session.delete(row)
        self._note("entity", _entity_ref(row), _entity_said(row), None)

    def add_open_item(
        self,
        description: str,
        *,
        type: str,
        priority: str,
        related_to: EntityRef | None,
        created_at: datetime | None = None,
    ) -> str:
        """Note something that is to be done, and return its id; ids of one memory sort as they were made."""
        header = self._claim()
        row = OpenItemRow(
            id=f"{header.version:010x}{self._changed:06x}{uuid4().hex[:16]}",
            memory_id=header.id,
            type=type,
            description=description,
            priority=priority,
            related_type=None if related_to is None else related_to.entity_type,
            related_id=None if related_to is None else related_to.entity_id,
            source=self._source,
            created_at=created_at or self.now,
            updated_at=self.now,
        )
        self._session.add(row)
        self._note("open_item", row.id, None, _open_item_said(row))
        return row.id

    def resolve_open_item(self, item_id: str) -> None:
        """Note that something was done; nothing happens when it was before.

        Raises:
            NotFoundError: There is no such item in this memory.
        """
        row = self._stored_item(item_id)
        if row.resolved_at is not None:
            return
        self._claim()
        _set(row, resolved_at=self.now, updated_at=self.now)
        self._session.add(row)
        self._note("open_item", row.id, _open_item_said(row), None)

    def open_item(self, item_id: str) -> OpenItem:
        """Return an item of this memory, resolved or not.

        Raises:
            NotFoundError: There is no such item in this memory.
        """
        return reading.open_item(self._stored_item(item_id))

    def _made(self) -> ContactMemoryRow:
        if self._header is None:
            self._header = ContactMemoryRow(
                id=uuid4().hex,
                tenant_id=self._scope.tenant_id,
                contact_id=self._scope.user_id,
                agent_id=self._scope.agent_id or "",
                version=0,
                created_at=self.now,
                updated_at=self.now,
            )
            self._session.add(self._header)
            self._session.flush()
        return self._header

    def _claim(self) -> ContactMemoryRow:
        """Return the header, its version moved once: nobody else writes to this memory before this transaction ends."""
        header = self._made()
        if not self._claimed:
            move_version(self._tx, header)
            self._claimed = True
        return header

    def _stored_facts(self, keys: list[str]) -> dict[str, FactRow]:
        stored: dict[str, FactRow] = {}
        if self._header is not None:
            of_this = FactRow.memory_id == self._header.id
            for some in in_batches(keys):
                rows = self._session.exec(select(FactRow).where(of_this, col(FactRow.key).in_(some))).all()
                stored.update({row.key: row for row in rows})
        return stored

    def _put_fact(self, row: FactRow | None, key: str, value: Json, *, ttl_days: int | None, at: datetime) -> None:
        live = row if row is not None and self._is_live(row) else None
        values: dict[str, Any] = {
            "updated_at": at,
            "expires_at": None if ttl_days is None else expiry.on(at, ttl_days),
        }
        before = None if live is None else json_of(live.value, kind="fact.value")
        if live is not None and _same(before, value) and _holds(live, values):
            return
        ends = [] if live is None else [self._ends(live)]
        memory_id = self._claim().id
        values |= {"value": packed(value), "source": self._source}
        if row is None:
            row = FactRow(memory_id=memory_id, key=key, version=1, created_at=at, **values)
        elif live is None:
            _set(row, version=1, created_at=at, **values)
        else:
            _set(row, version=row.version + 1, **values)
        self._session.add(row)
        self._note("fact", key, before, value, expires_at=min([*ends, self._ends(row)]))

    def _remove_fact(self, row: FactRow | None) -> None:
        if row is None:
            return
        if not self._is_live(row):
            self._session.delete(row)  # or a longer retention would bring it back
            return
        self._claim()
        self._session.delete(row)
        self._note("fact", row.key, json_of(row.value, kind="fact.value"), None, expires_at=self._ends(row))

    def _stored_entity(self, entity_type: str, entity_id: str) -> EntityRow | None:
        if self._header is None:
            return None
        statement = select(EntityRow).where(
            EntityRow.memory_id == self._header.id,
            EntityRow.entity_type == entity_type,
            EntityRow.entity_id == entity_id,
        )
        return self._session.exec(statement).one_or_none()

    def _stored_item(self, item_id: str) -> OpenItemRow:
        row = None if self._header is None else self._session.get(OpenItemRow, item_id)
        if row is None or row.memory_id != self.memory_id or self._over(row.updated_at):
            raise NotFoundError(
                "there is no such open item here", field="item_id", advice="the memory's open_items lists them"
            )
        return row

    def _over(self, written_at: datetime) -> bool:
        return expiry.over(written_at, self.now, self._days)

    def _is_live(self, row: FactRow) -> bool:
        return self._ends(row) > self.now

    def _is_past(self, at: datetime, ttl_days: int | None) -> bool:
        """Return whether a fact that was written then is over by now."""
        expires_at = None if ttl_days is None else expiry.on(at, ttl_days)
        ends = expiry.fact_ends(at, expires_at, days=self._days, most_days=self._tx.max_fact_days)
        return ends <= self.now

    def _ends(self, row: FactRow) -> datetime:
        return reading.fact_ends(self._tx, row, days=self._days)

    def _note(
        self, kind: ChangeKind, ref: str, before: Json, after: Json, *, expires_at: datetime | None = None
    ) -> None:
        action = _action(before, after)
        self._changed += 1
        told = Change(kind, action, ref, before=before, after=after, expires_at=expires_at)
        self._tx.record(self._scope, [told])


def move_version(tx: Transaction, header: ContactMemoryRow) -> None:
    """Move the version of the header that was read, and of no other.

    Raises:
        RacedError: Another transaction wrote to the memory in between.
    """
    statement = (
        update(ContactMemoryRow)
        .where(col(ContactMemoryRow.id) == header.id, col(ContactMemoryRow.version) == header.version)
        .values(version=header.version + 1, updated_at=tx.now)
        .execution_options(synchronize_session=False)
    )
    if tx.session.exec(statement).rowcount != 1:
        raise RacedError
    tx.session.refresh(header)


def erase_memory(session: Session, scope: Scope) -> None:
    """Delete what an agent knows of a contact, messages included; of every agent where the scope names none."""
    session.exec(delete(ContactMemoryRow).where(*reading.within(scope)))
    keys = delete(IdempotencyKeyRow).where(
        col(IdempotencyKeyRow.tenant_id) == scope.tenant_id,
        col(IdempotencyKeyRow.user_id) == scope.user_id,
        col(IdempotencyKeyRow.operation) == OPEN_ITEM,
    )
    session.exec(keys if scope.agent_id is None else keys.where(col(IdempotencyKeyRow.agent_id) == scope.agent_id))


def _action(before: Json, after: Json) -> ChangeAction:
    if before is None:
        return "added"
    if after is None:
        return "removed"
    return "confirmed" if _same(before, after) else "changed"


def _merged(facts: Mapping[str, Json], patch: Mapping[str, Json]) -> dict[str, Json]:
    """Return a JSON merge patch on the top level (RFC 7396)."""
    return {key: value for key, value in {**facts, **patch}.items() if value is not None}


def _kept(given: str | Keep | None, stored: str | None) -> str | None:
    return stored if isinstance(given, Keep) else given


def _same(one: Json, other: Json) -> bool:
    """Return whether two values are the same JSON, where True is not 1 and the order of keys says nothing."""
    return json.dumps(one, sort_keys=True) == json.dumps(other, sort_keys=True)


def _holds(row: FactRow | EntityRow, values: Mapping[str, object], *, but: str = "") -> bool:
    return all(getattr(row, name) == value for name, value in values.items() if name != but)


def _set(row: FactRow | EntityRow | OpenItemRow, **values: object) -> None:
    for name, value in values.items():
        setattr(row, name, value)


def _entity_ref(row: EntityRow) -> str:
    return f"{row.entity_type}/{row.entity_id}"


def _entity_said(row: EntityRow) -> dict[str, Json]:
    """Return what the feed says of an entity: no times, which it has to the hour only."""
    return {"facts": object_of(row.facts, kind="entity.facts"), "status": row.status, "notes": row.notes}


def _open_item_said(row: OpenItemRow) -> dict[str, Json]:
    said: dict[str, Json] = {"type": row.type, "description": row.description, "priority": row.priority}
    if row.related_type is not None:
        said["related_to"] = {"entity_type": row.related_type, "entity_id": row.related_id}
    return said
