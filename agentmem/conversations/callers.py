"""Who is calling, from what came with the conversation and how its agent is configured. Nothing of SQL."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final, cast

from agentmem import inputs
from agentmem.contacts.identity import Identity, Source, blacklisted, parse_source
from agentmem.errors import InvalidInputError

if TYPE_CHECKING:
    from agentmem.agents.settings import AgentSettings

USER_ID: Final = "user_id"

_ATTRIBUTES: Final = ("integration", "sip_headers")


@dataclass(frozen=True, slots=True)
class Caller:
    """What came with a conversation about the person in it.

    Args:
        user_id: Their id, where the application knows it.
        identities: What else they are known by, normalised, in the order it counts.
        attributes: The `sip_headers` and the `integration` attributes.
        state: The conversation's state.
        name: What they are called.
    """

    user_id: str | None = None
    identities: tuple[Identity, ...] = ()
    attributes: Mapping[str, object] = field(default_factory=dict[str, object])
    state: Mapping[str, object] = field(default_factory=dict[str, object])
    name: str | None = None


@dataclass(frozen=True, slots=True)
class Identified:
    """What of that counts: without any of it, the caller is anonymous."""

    user_id: str | None
    identities: tuple[Identity, ...]

    def __bool__(self) -> bool:
        return self.user_id is not None or bool(self.identities)


def caller(
    *,
    user_id: object,
    caller_identity: object,
    identities: tuple[Identity, ...],
    attributes: object,
    state: Mapping[str, object],
    name: object,
    limit: int,
) -> Caller:
    """Return what came with a conversation, checked; None was not given.

    Raises:
        InvalidInputError: A part of it breaks a rule, or `user_id` and `caller_identity` name two people.
    """
    given = {
        field: inputs.identifier(field, value, limit=limit)
        for field, value in ((USER_ID, user_id), ("caller_identity", caller_identity))
        if value is not None
    }
    if len(set(given.values())) > 1:
        raise InvalidInputError(
            "it is the user_id, and both were given and differ", field="caller_identity", advice="give one of them"
        )
    return Caller(
        user_id=next(iter(given.values()), None),
        identities=identities,
        attributes=_attributes(attributes),
        state=state,
        name=None if name is None else inputs.text("name", name, limit=limit),
    )


def identified(caller: Caller, settings: AgentSettings, *, limit: int) -> Identified:
    """Return what counts of a caller: a custom source before all else, and nothing that is blacklisted.

    With a source in the state, nobody is known before it is there.

    Raises:
        InvalidInputError: The custom source holds no text.
    """
    custom = None
    if settings.identifier_source is not None:
        source = parse_source(settings.identifier_source)
        custom = source.identity(caller.attributes, caller.state, limit=limit)
        if custom is None and source.place == "state":
            return Identified(None, ())
    identities = (custom, *caller.identities) if custom is not None else caller.identities
    counting = tuple(one for one in identities if not blacklisted(one, settings.identifier_blacklist))
    user_id = caller.user_id
    if user_id is not None and blacklisted(Identity(USER_ID, user_id), settings.identifier_blacklist):
        user_id = None
    return Identified(user_id, counting)


def awaited(settings: AgentSettings) -> Source | None:
    """Return the source in the state that says who the caller is, if that is where it is."""
    if settings.identifier_source is None:
        return None
    source = parse_source(settings.identifier_source)
    return source if source.place == "state" else None


def _attributes(given: object) -> Mapping[str, object]:
    if given is None:
        return {}
    if not isinstance(given, Mapping):
        raise InvalidInputError(f"must be a mapping, not {type(given).__name__}", field="attributes")
    mapping = cast("Mapping[str, object]", given)
    for name in mapping:
        inputs.one_of("attributes", name, _ATTRIBUTES)
    return {name: dict(_mapping(name, part)) for name, part in mapping.items() if part is not None}


def _mapping(name: str, part: object) -> Mapping[str, object]:
    if not isinstance(part, Mapping):
        raise InvalidInputError(f"{name} must be a mapping, not {type(part).__name__}", field="attributes")
    return cast("Mapping[str, object]", part)
