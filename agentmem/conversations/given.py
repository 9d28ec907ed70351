"""What callers say was said and noted, checked. Nothing of SQL."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, cast, get_args

from agentmem import inputs
from agentmem.bounds import MAX_MESSAGES
from agentmem.conversations.commands import NewMessage
from agentmem.conversations.kept_state import StateChanges
from agentmem.errors import InvalidInputError
from agentmem.records import Role

if TYPE_CHECKING:
    from datetime import datetime

_ROLES: Final[tuple[Role, ...]] = get_args(Role)
_PARTS: Final = ("role", "content", "external_id")


@dataclass(frozen=True, slots=True)
class GivenLimits:
    """How large a part of it may be.

    Args:
        content_chars: The most characters of a message.
        id_chars: The most characters of an id, and of a key of the state.
        value_bytes: The most bytes of a value of the state, as JSON.
    """

    content_chars: int
    id_chars: int
    value_bytes: int


def message(
    role: object, content: object, external_id: object, *, at: datetime, limits: GivenLimits, place: str = ""
) -> NewMessage:
    """Return a message.

    Args:
        role: Who said it.
        content: What was said.
        external_id: The id it has elsewhere, or None.
        at: When.
        limits: How large it may be.
        place: Where it stands among others, for errors.

    Raises:
        InvalidInputError: A part of it breaks a rule.
    """
    return NewMessage(
        role=inputs.one_of(f"{place}role", role, _ROLES),
        content=inputs.text(f"{place}content", content, limit=limits.content_chars),
        at=at,
        external_id=None
        if external_id is None
        else inputs.identifier(f"{place}external_id", external_id, limit=limits.id_chars),
    )


def messages(given: object, *, at: datetime, limits: GivenLimits) -> tuple[NewMessage, ...]:
    """Return messages, each given as a mapping of `role`, `content` and perhaps `external_id`.

    Raises:
        InvalidInputError: They are no list of such, one of them breaks a rule, or there are more than 1,000.
    """
    if isinstance(given, (str, bytes)) or not isinstance(given, Sequence):
        raise InvalidInputError(f"must be a list of messages, not {type(given).__name__}", field="messages")
    several = cast("Sequence[object]", given)
    if len(several) > MAX_MESSAGES:
        raise InvalidInputError(
            f"{len(several):,} messages, and at most {MAX_MESSAGES:,} are taken at once",
            field="messages",
            advice="add them in several calls",
            code="too_long",
        )
    return tuple(_listed(number, one, at=at, limits=limits) for number, one in enumerate(several))


def noted(state: object, *, limits: GivenLimits) -> StateChanges:
    """Return values that are to be kept, by key; None is none at all.

    Raises:
        InvalidInputError: They are no mapping of JSON values, or one of them is too large.
    """
    if state is None:
        return StateChanges()
    return StateChanges(
        {
            key: inputs.json_value(f"state: {key}", value, max_bytes=limits.value_bytes)
            for key, value in ((_key(one, limits), value) for one, value in mapping("state", state).items())
        }
    )


def mapping(field: str, value: object) -> dict[str, object]:
    """Return a mapping as a dict of its own, and an empty one for None.

    Raises:
        InvalidInputError: It is no mapping.
    """
    if value is None:
        return {}
    if not isinstance(value, Mapping):
        raise InvalidInputError(f"must be a mapping, not {type(value).__name__}", field=field)
    return dict(cast("Mapping[str, object]", value))


def _listed(number: int, given: object, *, at: datetime, limits: GivenLimits) -> NewMessage:
    place = f"messages[{number}]"
    if not isinstance(given, Mapping):
        raise InvalidInputError(f"must be a mapping with role and content, not {type(given).__name__}", field=place)
    parts = cast("Mapping[object, object]", given)
    if any(name not in _PARTS for name in parts):
        raise InvalidInputError(f"has other keys than {', '.join(_PARTS)}", field=place, advice="leave them out")
    for name in ("role", "content"):
        if name not in parts:
            raise InvalidInputError("is missing", field=f"{place}.{name}")
    role, content, external_id = map(parts.get, _PARTS)
    return message(role, content, external_id, at=at, limits=limits, place=f"{place}.")


def _key(key: object, limits: GivenLimits) -> str:
    return inputs.identifier("state: a key", key, limit=limits.id_chars)
