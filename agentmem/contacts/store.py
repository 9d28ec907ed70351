"""Contacts in SQL: who someone is, by what was given of them, and what they are known by."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final
from uuid import uuid4

from sqlmodel import Session, and_, col, or_, select, update

from agentmem import inputs
from agentmem.contacts import identity as naming
from agentmem.contacts.identity import KINDS, SHARED, Identity
from agentmem.database import RacedError, in_batches, is_postgresql
from agentmem.errors import BackendError, ConflictError, NotFoundError
from agentmem.records import Contact, Identifier
from agentmem.tables import ContactIdentifierRow, ContactRow
from agentmem.transaction import Writer

if TYPE_CHECKING:
    import builtins
    from collections.abc import Iterable, Mapping, Sequence

    from sqlalchemy import ColumnElement

    from agentmem.transaction import Transaction, Transactions

_OPERATOR: Final = Writer("operator")

_MOST_MERGES: Final = 100
"""The longest way from an id to its winner that is followed; a merge leaves none of more than one step."""


@dataclass(frozen=True, slots=True)
class Resolved:
    """Whom a conversation is with.

    Args:
        contact: The one, found or made; `None` when nothing was given that counts.
        absorb: The ids of contacts that turned out to be the same person, to be merged into this one.
    """

    contact: ContactRow | None
    absorb: tuple[str, ...] = ()


class ContactStore:
    """The contacts of every tenant.

    The calls that take a transaction are parts of someone else's.

    Args:
        transactions: What reads and writes them.
        default_region: The region that telephone numbers without a country code are read in.
        max_id_chars: The most characters of an id, an address and a name.
    """

    def __init__(self, transactions: Transactions, *, default_region: str | None, max_id_chars: int) -> None:
        self._transactions = transactions
        self._region = default_region
        self._max_chars = max_id_chars

    def known_by(
        self, *, phone: object = None, email: object = None, external_id: object = None
    ) -> tuple[Identity, ...]:
        """Return what was given of a person, normalised, in the order it counts.

        Raises:
            InvalidInputError: One of them breaks its rule.
        """
        return naming.known_by(
            phone=phone, email=email, external_id=external_id, region=self._region, limit=self._max_chars
        )

    def create(
        self, tenant_id: str, *, contact_id: str | None, identities: Sequence[Identity], name: str | None
    ) -> Contact:
        """Make a contact, with an id of ours when none is given.

        Raises:
            ConflictError: There is one with this id, or another is known by one of the identities.
        """
        self._check_name(name)

        def body(tx: Transaction) -> Contact:
            session = tx.session
            tx.lock(tenant_id, *([] if contact_id is None else [contact_id]))
            if contact_id is not None and session.get(ContactRow, (tenant_id, contact_id)) is not None:
                raise ConflictError(
                    "there is a contact with it already",
                    field="id",
                    advice="link adds what they are known by",
                    code="exists",
                )
            _require_free(_owners(session, tenant_id, identities), None)
            row = self._make(tx, tenant_id, contact_id, name=name, by_hand=True)
            _add_identifiers(tx, row, identities)
            return _contacts(session, [row])[0]

        return self._transactions.write(body, writer=_OPERATOR)

    def get(self, tenant_id: str, contact_id: str) -> Contact:
        """One contact; the id of one that was merged leads to who they are.

        Raises:
            NotFoundError: There is none.
        """
        with self._transactions.read() as snapshot:
            return _contacts(snapshot.session, [self.require(snapshot.session, tenant_id, contact_id)])[0]

    def find(self, tenant_id: str, identity: Identity) -> Contact | None:
        """Return the contact that is known by an identity, or None."""
        with self._transactions.read() as snapshot:
            owner = _owners(snapshot.session, tenant_id, [identity]).get(identity)
            return None if owner is None else _contacts(snapshot.session, [owner])[0]

    def list(self, tenant_id: str, *, limit: int, after: str | None) -> builtins.list[Contact]:
        """Return the contacts in the order they were made, then by id; `after` is the last one of the page before.

        Raises:
            NotFoundError: There is no contact `after`.
        """
        statement = select(ContactRow).where(
            col(ContactRow.tenant_id) == tenant_id, col(ContactRow.merged_into).is_(None)
        )
        with self._transactions.read() as snapshot:
            session = snapshot.session
            if after is not None:
                statement = statement.where(_beyond(_existing(session, tenant_id, after, field="after")))
            ordered = statement.order_by(col(ContactRow.created_at), col(ContactRow.id)).limit(limit)
            return _contacts(session, session.exec(ordered).all())

    def link(self, tenant_id: str, contact_id: str, identities: Sequence[Identity]) -> Contact:
        """Let a contact be known by more; what they are known by already stays as it is.

        Raises:
            NotFoundError: There is no such contact.
            ConflictError: Another contact is known by one of them.
        """

        def body(tx: Transaction) -> Contact:
            row = self.require_to_write(tx, tenant_id, contact_id)
            owners = _owners(tx.session, tenant_id, identities)
            _require_free(owners, row)
            new = [identity for identity in identities if identity not in owners]
            _add_identifiers(tx, row, new)
            return _contacts(tx.session, [row])[0]

        return self._transactions.write(body, writer=_OPERATOR)

    def resolve(
        self,
        tx: Transaction,
        tenant_id: str,
        identities: Sequence[Identity],
        *,
        user_id: str | None,
        name: str | None = None,
    ) -> Resolved:
        """Whom a conversation is with: found by what counts most, else made, and known by all of it from now on.

        A custom identifier counts most, then the user id, then the rest in its
        order. Someone found by less than an id that nobody has yet is taken for
        another person when they have an id of that kind. What belongs to
        someone else stays there, unless that contact was made by us for a
        number or an address alone: then it was this person all along, and is
        to be absorbed.

        Args:
            tx: The transaction.
            tenant_id: The tenant.
            identities: What the person is known by, normalised, without what is blacklisted.
            user_id: The id that the application gives.
            name: Their name, where it was given.
        """
        self._check_name(name)
        session = tx.session
        _lock_all(tx, tenant_id, identities, user_id)
        owners = _owners(session, tenant_id, identities)
        user = None if user_id is None else self.winner(session, tenant_id, user_id)
        contact = _chosen(session, identities, owners, user, user_is_given=user_id is not None)
        if contact is not None:
            _hold(session, contact)
        elif user_id is None and not identities:
            return Resolved(None)
        else:
            contact = self._make(tx, tenant_id, user_id, name=name)
        contact.name = name or contact.name
        contact.last_seen_at = max(contact.last_seen_at, tx.now)
        session.add(contact)
        for one in owners:
            if owners[one] is contact:
                _see(tx, contact, one)
        _add_identifiers(tx, contact, [one for one in identities if one not in owners])
        others = {one.id: one for one in [*owners.values(), *filter(None, [user])] if one is not contact}
        return Resolved(contact, tuple(one.id for one in others.values() if _absorbable(session, one)))

    def winner(self, session: Session, tenant_id: str, contact_id: str) -> ContactRow | None:
        """Return the contact that an id leads to, through merges; None when there is none."""
        row = session.get(ContactRow, (tenant_id, contact_id))
        for _ in range(_MOST_MERGES):
            if row is None or row.merged_into is None:
                return row
            row = session.get(ContactRow, (tenant_id, row.merged_into))
        raise BackendError("the database says of merged contacts that each is another, in a circle", field="contacts")

    def require(self, session: Session, tenant_id: str, contact_id: str) -> ContactRow:
        """Return the same, where there must be one.

        Raises:
            NotFoundError: There is none.
        """
        row = self.winner(session, tenant_id, contact_id)
        if row is None:
            raise _missing("contact_id")
        return row

    def require_to_write(self, tx: Transaction, tenant_id: str, contact_id: str) -> ContactRow:
        """Return the same, of whom nobody else writes before the transaction ends.

        Raises:
            NotFoundError: There is none.
        """
        tx.lock(tenant_id, contact_id)
        row = self.require(tx.session, tenant_id, contact_id)
        _hold(tx.session, row)
        return row

    def merge_identity(self, tx: Transaction, tenant_id: str, loser_id: str, winner_id: str) -> None:
        """Let one contact be known by all that another was, and the other's id lead to it; memory is not touched.

        Both are locked, and were not merged: so every id leads to its winner in one step.
        """
        session = tx.session
        loser, winner = (_existing(session, tenant_id, one, field="contact_id") for one in (loser_id, winner_id))
        winner.name = winner.name or loser.name
        winner.last_seen_at = max(winner.last_seen_at, loser.last_seen_at, tx.now)
        loser.name = None
        loser.merged_into = winner.id
        session.add_all([winner, loser])
        session.exec(update(ContactIdentifierRow).where(*_of(tenant_id, loser_id)).values(contact_id=winner_id))
        session.exec(
            update(ContactRow)
            .where(col(ContactRow.tenant_id) == tenant_id, col(ContactRow.merged_into) == loser_id)
            .values(merged_into=winner_id)
        )

    def _make(
        self, tx: Transaction, tenant_id: str, contact_id: str | None, *, name: str | None, by_hand: bool = False
    ) -> ContactRow:
        row = ContactRow(
            tenant_id=tenant_id,
            id=str(uuid4()) if contact_id is None else contact_id,
            name=name,
            generated=contact_id is None,
            by_hand=by_hand,
            created_at=tx.now,
            last_seen_at=tx.now,
        )
        tx.session.add(row)
        tx.session.flush()  # before what refers to it
        return row

    def _check_name(self, name: str | None) -> None:
        if name is not None:
            inputs.text("name", name, limit=self._max_chars)


def _chosen(
    session: Session,
    identities: Sequence[Identity],
    owners: Mapping[Identity, ContactRow],
    user: ContactRow | None,
    *,
    user_is_given: bool,
) -> ContactRow | None:
    for one in identities:
        if one.kind not in KINDS and one in owners:
            return owners[one]
    if user_is_given:
        return user
    new_kinds = {one.kind for one in identities if one.kind not in SHARED and one not in owners}
    for one in identities:
        if one in owners and new_kinds.isdisjoint(_kinds(session, owners[one])):
            return owners[one]
    return None


def _hold(session: Session, contact: ContactRow) -> None:
    """Let no sweep delete a contact before this transaction ends.

    Raises:
        RacedError: It was deleted or merged since it was read.
    """
    key = contact.tenant_id, contact.id
    held = session.get(ContactRow, key, populate_existing=True, with_for_update={"key_share": True})
    if held is None or held.merged_into is not None:
        raise RacedError


def _lock_all(tx: Transaction, tenant_id: str, identities: Sequence[Identity], user_id: str | None) -> None:
    """Lock everyone whom a conversation may turn out to be with: the user, and who is known by what was given.

    Raises:
        RacedError: Someone became known by it, or was merged, in between.
    """
    session = tx.session
    if not is_postgresql(session):  # there who writes is alone anyway
        return
    before = _owner_ids(session, tenant_id, identities)
    tx.lock(tenant_id, *{*before.values(), *([] if user_id is None else [user_id])})
    if _owner_ids(session, tenant_id, identities) != before:
        raise RacedError


def _owner_ids(session: Session, tenant_id: str, identities: Iterable[Identity]) -> dict[Identity, str]:
    """Return whose each of the identities is, as it is now."""
    row = ContactIdentifierRow
    found: dict[Identity, str] = {}
    for one in identities:
        named = row.tenant_id == tenant_id, row.kind == one.kind, row.value == one.value
        owner = session.exec(select(row.contact_id).where(*named)).one_or_none()
        if owner is not None:
            found[one] = owner
    return found


def _absorbable(session: Session, row: ContactRow) -> bool:
    return row.generated and SHARED.issuperset(_kinds(session, row))


def _owners(session: Session, tenant_id: str, identities: Iterable[Identity]) -> dict[Identity, ContactRow]:
    """Return who is known by each of the identities that someone is known by."""
    found: dict[Identity, ContactRow] = {}
    for one in identities:
        row = session.get(ContactIdentifierRow, (tenant_id, one.kind, one.value))
        if row is not None:
            found[one] = session.get_one(ContactRow, (tenant_id, row.contact_id))
    return found


def _require_free(owners: Mapping[Identity, ContactRow], contact: ContactRow | None) -> None:
    for one, owner in owners.items():
        if owner is not contact:
            raise ConflictError(
                "another contact is known by it",
                field=one.kind,
                advice="if they are one person, use merge",
                code="taken",
            )


def _add_identifiers(tx: Transaction, row: ContactRow, identities: Iterable[Identity]) -> None:
    tx.session.add_all(
        ContactIdentifierRow(
            tenant_id=row.tenant_id,
            kind=one.kind,
            value=one.value,
            contact_id=row.id,
            created_at=tx.now,
            last_seen_at=tx.now,
        )
        for one in sorted(identities, key=lambda one: (one.kind, one.value))  # the same order for all who wait here
    )
    tx.session.flush()


def _see(tx: Transaction, contact: ContactRow, known_by: Identity) -> None:
    """Note that a contact came with something they are known by."""
    key = contact.tenant_id, known_by.kind, known_by.value
    row = tx.session.get(ContactIdentifierRow, key, populate_existing=True, with_for_update=True)
    if row is None:  # a sweep deleted it since it was read
        raise RacedError
    row.last_seen_at = max(row.last_seen_at, tx.now)
    tx.session.add(row)


def _kinds(session: Session, row: ContactRow) -> set[str]:
    return set(session.exec(select(ContactIdentifierRow.kind).where(*_of(row.tenant_id, row.id))).all())


def _of(tenant_id: str, contact_id: str) -> tuple[ColumnElement[bool], ColumnElement[bool]]:
    """Return the condition that an identifier is of this contact."""
    return col(ContactIdentifierRow.tenant_id) == tenant_id, col(ContactIdentifierRow.contact_id) == contact_id


def _existing(session: Session, tenant_id: str, contact_id: str, *, field: str) -> ContactRow:
    """Return the row of an id, merged or not."""
    row = session.get(ContactRow, (tenant_id, contact_id))
    if row is None:
        raise _missing(field)
    return row


def _beyond(row: ContactRow) -> ColumnElement[bool]:
    """Return the condition that a contact comes after this one in the list."""
    later = col(ContactRow.created_at) > row.created_at
    return or_(later, and_(col(ContactRow.created_at) == row.created_at, col(ContactRow.id) > row.id))


def _missing(field: str) -> NotFoundError:
    return NotFoundError(
        "there is no such contact", field=field, advice="find looks one up by phone, email or external_id"
    )


def _contacts(session: Session, rows: Sequence[ContactRow]) -> list[Contact]:
    """Return the rows as values, with what each is known by, oldest first."""
    identifiers: dict[str, list[ContactIdentifierRow]] = {row.id: [] for row in rows}
    for some in in_batches(list(identifiers)):
        statement = select(ContactIdentifierRow).where(
            col(ContactIdentifierRow.tenant_id) == rows[0].tenant_id, col(ContactIdentifierRow.contact_id).in_(some)
        )
        for row in session.exec(statement).all():
            identifiers[row.contact_id].append(row)
    return [_contact(row, identifiers[row.id]) for row in rows]


def _contact(row: ContactRow, identifiers: list[ContactIdentifierRow]) -> Contact:
    ordered = sorted(identifiers, key=lambda one: (one.created_at, one.kind, one.value))
    return Contact(
        id=row.id,
        tenant_id=row.tenant_id,
        name=row.name,
        identifiers=tuple(Identifier(one.kind, one.value, one.created_at, one.last_seen_at) for one in ordered),
        created_at=row.created_at,
        last_seen_at=row.last_seen_at,
    )
