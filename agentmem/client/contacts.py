"""`mem.contacts`: the people a tenant's agents talk to, and what each agent knows of them."""

from __future__ import annotations

import builtins
from collections.abc import Mapping
from datetime import datetime
from typing import Final, cast

from agentmem import inputs
from agentmem.bounds import MAX_PAGE, Filled, LifeDays, Page, Version
from agentmem.client.to_async import to_async
from agentmem.client.wiring import Container
from agentmem.contacts.identity import Identity, parse_source
from agentmem.contacts.reading import RECENT_MESSAGES
from agentmem.contacts.writing import KEEP, Keep
from agentmem.display import Values
from agentmem.errors import InvalidInputError
from agentmem.models import Scope
from agentmem.records import Contact, ContactMemory, EntityRef, Json, OpenItem
from agentmem.transaction import Writer

_OPERATOR: Final = Writer("operator")


class Contacts:
    """The contacts of one tenant. Each method has an async twin whose name begins with `a`.

    A contact's id is the `user_id` of their memory. That of one who was merged
    into another leads to the other, in every call.
    """

    def __init__(self, container: Container, tenant_id: str) -> None:
        self._container = container
        self._tenant_id = tenant_id

    def create(
        self,
        *,
        id: Filled | None = None,
        phone: Filled | None = None,
        email: Filled | None = None,
        external_id: Filled | None = None,
        name: Filled | None = None,
    ) -> Contact:
        """Make a contact. Conversations do so by themselves; this is for those who are known before they call.

            >>> mem.contacts.create(id="ada", phone="+1 (415) 555-0192").phone
            '+14155550192'

        Args:
            id: The id that your application knows them by; without it they get a new one.
            phone: Their telephone number. Without a country code it is read in `default_region`.
            email: Their e-mail address.
            external_id: Their id in another system.
            name: What they are called.

        Raises:
            ConflictError: There is a contact with this id, or another is known by one of these.
            InvalidInputError: One of these breaks its rule.
        """
        identities = self._container.contacts.known_by(phone=phone, email=email, external_id=external_id)
        contact_id = None if id is None else self._id("id", id)
        return self._container.contacts.create(self._tenant_id, contact_id=contact_id, identities=identities, name=name)

    def get(self, contact_id: Filled) -> Contact:
        """Return one contact.

        Args:
            contact_id: The contact.

        Raises:
            NotFoundError: There is none.
        """
        return self._container.contacts.get(self._tenant_id, self._id("contact_id", contact_id))

    def find(
        self,
        *,
        phone: Filled | None = None,
        email: Filled | None = None,
        external_id: Filled | None = None,
        kind: Filled | None = None,
        value: Filled | None = None,
    ) -> Contact | None:
        """Return the contact who is known by one thing, or None.

            >>> _ = mem.contacts.create(id="ada", email="Ada@Example.com")
            >>> mem.contacts.find(email="ada@example.COM").id
            'ada'

        Args:
            phone: A telephone number.
            email: An e-mail address.
            external_id: An id in another system.
            kind: A custom source, such as `sip_header:X-Customer-Id`, that `value` came from.
            value: What was there.

        Raises:
            InvalidInputError: Not exactly one of them is given, or it breaks its rule.
        """
        given = [*self._container.contacts.known_by(phone=phone, email=email, external_id=external_id)]
        if kind is not None or value is not None:
            given.append(self._custom(kind, value))
        if len(given) != 1:
            raise InvalidInputError(
                f"{len(given)} are given",
                field="phone, email, external_id, kind",
                advice="give exactly one, and value with kind",
            )
        return self._container.contacts.find(self._tenant_id, given[0])

    def list(self, *, limit: Page = 100, after: Filled | None = None) -> builtins.list[Contact]:
        """Return the contacts in the order they were made, then by id.

        Args:
            limit: How many at most, 1 to 1,000.
            after: The id of the last contact of the page before.

        Raises:
            NotFoundError: There is no contact `after`.
            InvalidInputError: The limit is out of range.
        """
        inputs.count("limit", limit, low=1, high=MAX_PAGE)
        last = None if after is None else self._id("after", after)
        return Values(self._container.contacts.list(self._tenant_id, limit=limit, after=last))

    def link(
        self,
        contact_id: Filled,
        *,
        phone: Filled | None = None,
        email: Filled | None = None,
        external_id: Filled | None = None,
    ) -> Contact:
        """Let a contact be known by more, beside what they are known by already.

        Args:
            contact_id: The contact.
            phone: Another telephone number.
            email: Another e-mail address.
            external_id: Another id in another system.

        Raises:
            NotFoundError: There is no such contact.
            ConflictError: Another contact is known by one of these; if they are one person, use `merge`.
            InvalidInputError: Nothing is given, or it breaks its rule.
        """
        identities = self._container.contacts.known_by(phone=phone, email=email, external_id=external_id)
        if not identities:
            raise InvalidInputError(
                "none is given", field="phone, email, external_id", advice="give what they are to be known by"
            )
        return self._container.contacts.link(self._tenant_id, self._id("contact_id", contact_id), identities)

    def merge(self, contact_id: Filled, *, into: Filled) -> Contact:
        """Let a contact be another one, with all their memory, for good; their id leads to the other from then on.

        Args:
            contact_id: The contact who turned out to be another.
            into: The one who stays.

        Returns:
            The contact who stays.

        Raises:
            NotFoundError: There is no such contact.
            InvalidInputError: Both are the same id.
        """
        loser, winner = self._id("contact_id", contact_id), self._id("into", into)
        self._container.merging.merge(self._tenant_id, loser, winner, writer=_OPERATOR)
        return self._container.contacts.get(self._tenant_id, winner)

    def memory(self, contact_id: Filled, *, agent_id: Filled) -> ContactMemory:
        """Return what one agent knows of a contact, with as many recent messages as the agent is configured to see.

        Args:
            contact_id: The contact.
            agent_id: The agent; one that knows nothing of them gives an empty memory of version 0.

        Raises:
            NotFoundError: There is no such contact.
        """
        scope = self._scope(contact_id, agent_id)
        configured = self._container.agent_settings.list(self._tenant_id, agent_id)
        recent_messages = configured[0].settings.recent_messages if configured else RECENT_MESSAGES
        return self._container.contact_memory.get(scope, recent_messages=recent_messages)

    def patch_facts(
        self,
        contact_id: Filled,
        facts: Mapping[Filled, Json],
        *,
        agent_id: Filled,
        ttl_days: LifeDays | None = None,
        expected_version: Version | None = None,
    ) -> ContactMemory:
        """Add or replace the facts that are named, and remove those whose value is None; the others stay.

            >>> _ = mem.contacts.create(id="ada")
            >>> _ = mem.contacts.patch_facts("ada", {"tea": "rye", "city": "Oslo"}, agent_id="support")
            >>> mem.contacts.patch_facts("ada", {"city": None}, agent_id="support").facts
            {'tea': 'rye'}

        Args:
            contact_id: The contact.
            facts: JSON values by key, each at most `max_value_bytes`. Keys must not begin with `REPEAT_CALLER_`.
            agent_id: The agent whose knowledge it is.
            ttl_days: How long the facts given here live, from the hour it is now; without it, and at most,
                as long as the agent's retention and `max_fact_days` allow.
            expected_version: The `version` of the memory you read; None writes whatever it is now.

        Returns:
            The memory as it is now.

        Raises:
            NotFoundError: There is no such contact.
            ConflictError: The memory has another version; `current` holds it.
            InvalidInputError: A key, a value or a number breaks a rule.
        """
        return self._container.contact_memory.patch_facts(
            self._scope(contact_id, agent_id),
            facts,
            ttl_days=ttl_days,
            writer=_OPERATOR,
            expected_version=expected_version,
        )

    def update_summary(
        self, contact_id: Filled, text: str | None, *, agent_id: Filled, expected_version: Version | None = None
    ) -> ContactMemory:
        """Replace the summary of past conversations.

        Args:
            contact_id: The contact.
            text: The whole new summary, at most `max_block_chars` characters; None removes it.
            agent_id: The agent whose knowledge it is.
            expected_version: The `version` of the memory you read; None writes whatever it is now.

        Returns:
            The memory as it is now.

        Raises:
            NotFoundError: There is no such contact.
            ConflictError: The memory has another version; `current` holds it.
            InvalidInputError: The text is blank or too long.
        """
        return self._container.contact_memory.update_summary(
            self._scope(contact_id, agent_id), text, writer=_OPERATOR, expected_version=expected_version
        )

    def put_entity(
        self,
        contact_id: Filled,
        entity_type: Filled,
        entity_id: Filled,
        *,
        agent_id: Filled,
        facts: Mapping[Filled, Json] | None = None,
        status: str | Keep | None = KEEP,
        notes: str | Keep | None = KEEP,
        discussed_at: datetime | str | None = None,
        expected_version: Version | None = None,
    ) -> ContactMemory:
        """Make an entity, such as an order or an appointment, or change what is given of it.

            >>> _ = mem.contacts.create(id="ada")
            >>> _ = mem.contacts.put_entity(
            ...     "ada", "order", "8821", agent_id="support", facts={"carrier": "UPS"}, status="delayed"
            ... )
            >>> memory = mem.contacts.put_entity("ada", "order", "8821", agent_id="support", status="sent")
            >>> memory.entities[0].facts, memory.entities[0].status
            ({'carrier': 'UPS'}, 'sent')

        Args:
            contact_id: The contact.
            entity_type: What it is, such as `order`.
            entity_id: Its id within the type.
            agent_id: The agent whose knowledge it is.
            facts: Facts to add or replace, JSON values by key, of at most `max_value_bytes` together; None as a value
                removes one.
            status: The new status; None removes it, and without it the old one stays.
            notes: The new notes, likewise.
            discussed_at: When it was last talked about; without it now, if anything else is given.
            expected_version: The `version` of the memory you read; None writes whatever it is now.

        Returns:
            The memory as it is now.

        Raises:
            NotFoundError: There is no such contact.
            ConflictError: The memory has another version; `current` holds it.
            InvalidInputError: A part of it breaks a rule.
        """
        return self._container.contact_memory.put_entity(
            self._scope(contact_id, agent_id),
            EntityRef(entity_type, entity_id),
            facts=facts,
            status=status,
            notes=notes,
            discussed_at=discussed_at,
            writer=_OPERATOR,
            expected_version=expected_version,
        )

    def delete_entity(self, contact_id: Filled, entity_type: Filled, entity_id: Filled, *, agent_id: Filled) -> None:
        """Remove an entity; nothing happens when there is none.

        Args:
            contact_id: The contact.
            entity_type: What it is, such as `order`.
            entity_id: Its id within the type.
            agent_id: The agent whose knowledge it is.

        Raises:
            NotFoundError: There is no such contact.
        """
        name = EntityRef(entity_type, entity_id)
        self._container.contact_memory.delete_entity(self._scope(contact_id, agent_id), name, writer=_OPERATOR)

    def add_open_item(
        self,
        contact_id: Filled,
        description: Filled,
        *,
        agent_id: Filled,
        type: Filled = "follow_up",
        priority: Filled = "normal",
        related_to: EntityRef | Mapping[str, str] | None = None,
        idempotency_key: Filled | None = None,
    ) -> OpenItem:
        """Note something that is still to be done.

            >>> _ = mem.contacts.create(id="ada")
            >>> item = mem.contacts.add_open_item("ada", "Call back on Friday", agent_id="support")
            >>> mem.contacts.memory("ada", agent_id="support").open_items == (item,)
            True

        Args:
            contact_id: The contact.
            description: What is to be done, at most `max_line_chars` characters.
            agent_id: The agent whose knowledge it is.
            type: What kind of thing it is, in a word.
            priority: How much it matters, in a word.
            related_to: The entity it is about, as an `EntityRef` or as `{"entity_type": …, "entity_id": …}`.
            idempotency_key: The same key again returns the first item instead of adding another.

        Raises:
            NotFoundError: There is no such contact, or what the key wrote is gone.
            ConflictError: The key was used for another write.
            InvalidInputError: A part of it breaks a rule.
        """
        return self._container.contact_memory.add_open_item(
            self._scope(contact_id, agent_id),
            description,
            type=type,
            priority=priority,
            related_to=None if related_to is None else _reference(related_to),
            writer=_OPERATOR,
            idempotency_key=None if idempotency_key is None else self._id("idempotency_key", idempotency_key),
        )

    def resolve_open_item(self, contact_id: Filled, item_id: Filled, *, agent_id: Filled) -> OpenItem:
        """Note that something was done; nothing changes when it was resolved before.

        Args:
            contact_id: The contact.
            item_id: The `id` of the open item.
            agent_id: The agent whose knowledge it is.

        Raises:
            NotFoundError: There is no such contact, or this agent has no such item of theirs.
        """
        scope = self._scope(contact_id, agent_id)
        return self._container.contact_memory.resolve_open_item(scope, self._id("item_id", item_id), writer=_OPERATOR)

    def reset(self, contact_id: Filled, *, agent_id: Filled) -> None:
        """Erase all that one agent knows of a contact: hidden at once, and deleted for good.

        Args:
            contact_id: The contact.
            agent_id: The agent whose knowledge it is.

        Raises:
            NotFoundError: There is no such contact.
        """
        scope = self._scope(contact_id, agent_id)
        contact = self._container.contacts.get(self._tenant_id, scope.user_id)
        self._container.forgetting.reset(Scope(self._tenant_id, contact.id, agent_id), writer=_OPERATOR)

    acreate = to_async(create)
    aget = to_async(get)
    afind = to_async(find)
    alist = to_async(list)  # noqa: A003 - the method of this class
    alink = to_async(link)
    amerge = to_async(merge)
    amemory = to_async(memory)
    apatch_facts = to_async(patch_facts)
    aupdate_summary = to_async(update_summary)
    aput_entity = to_async(put_entity)
    adelete_entity = to_async(delete_entity)
    aadd_open_item = to_async(add_open_item)
    aresolve_open_item = to_async(resolve_open_item)
    areset = to_async(reset)

    def __repr__(self) -> str:
        return f"<Contacts tenant_id={self._tenant_id!r}>"

    def _scope(self, contact_id: str, agent_id: str) -> Scope:
        return Scope(self._tenant_id, self._id("contact_id", contact_id), self._id("agent_id", agent_id))

    def _id(self, field: str, value: object) -> str:
        return inputs.identifier(field, value, limit=self._container.settings.max_id_chars)

    def _custom(self, kind: object, value: object) -> Identity:
        return parse_source(kind, field="kind").holding("value", value, limit=self._container.settings.max_id_chars)


def _reference(given: object) -> EntityRef:
    if isinstance(given, EntityRef):
        return given
    if not isinstance(given, Mapping) or set(cast("Mapping[object, object]", given)) != {"entity_type", "entity_id"}:
        raise InvalidInputError('must be an EntityRef or {"entity_type": …, "entity_id": …}', field="related_to")
    named = cast("Mapping[str, str]", given)
    return EntityRef(named["entity_type"], named["entity_id"])
