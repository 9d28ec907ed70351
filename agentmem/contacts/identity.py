"""What a person is known by: numbers, addresses and ids in one spelling, in the order they count. Nothing of SQL."""

from __future__ import annotations

import re
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, Literal, cast, get_args

import phonenumbers

from agentmem import inputs
from agentmem.errors import InvalidInputError

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

Place = Literal["sip_header", "integration_attribute", "state"]

PHONE: Final = "phone"
EMAIL: Final = "email"
EXTERNAL_ID: Final = "external_id"
KINDS: Final = (EXTERNAL_ID, PHONE, EMAIL)
"""The kinds that every agent knows, in the order they count; a custom one comes before them."""

SHARED: Final = frozenset({PHONE, EMAIL})
"""The kinds that say how to reach someone; people share them, and lose them to others."""

_SEPARATORS: Final = str.maketrans("", "", " -().\t/")
_LETTERS: Final = re.compile(r"[^\W\d_]+")
_PHONE_WORDS: Final = frozenset({"tel", "ext", "x"})


@dataclass(frozen=True, slots=True)
class Identity:
    """One normalised thing that a person is known by.

    Args:
        kind: `phone`, `email`, `external_id`, or the custom source it was found at.
        value: The value in its one spelling.
    """

    kind: str
    value: str


@dataclass(frozen=True, slots=True)
class Source:
    """Where a conversation carries a custom identifier.

    Args:
        kind: The source in its one spelling, such as `sip_header:x-customer-id`.
        place: Its first word.
        name: The header, in lower case, the attribute or the key there.
    """

    kind: str
    place: Place
    name: str

    def identity(
        self, attributes: Mapping[str, object] | None, state: Mapping[str, object] | None, *, limit: int
    ) -> Identity | None:
        """Return the identifier that a conversation carries, or None when it carries none.

        Args:
            attributes: `{"sip_headers": {…}, "integration": {…}}`.
            state: The conversation's state.
            limit: The most characters of an id.

        Raises:
            InvalidInputError: What is there is no text, no whole number, or too long.
        """
        value = self._value(attributes or {}, state or {})
        if isinstance(value, int) and not isinstance(value, bool):
            value = str(value)
        if value is None or (isinstance(value, str) and not value.strip()):
            return None
        return self.holding("state" if self.place == "state" else "attributes", value, limit=limit)

    def holding(self, field: str, value: object, *, limit: int) -> Identity:
        """Return what a person is known by when this value is there.

        Raises:
            InvalidInputError: It is no text, empty, or too long.
        """
        return Identity(self.kind, inputs.identifier(field, value, limit=limit).strip())

    def _value(self, attributes: Mapping[str, object], state: Mapping[str, object]) -> object:
        if self.place == "state":
            return state.get(self.name)
        if self.place == "integration_attribute":
            return _part(attributes, "integration").get(self.name)
        headers = {name.casefold(): value for name, value in _part(attributes, "sip_headers").items()}
        return headers.get(self.name)


def parse_source(source: object, *, field: str = "identifier_source") -> Source:
    """Return a custom source of identifiers.

    >>> parse_source("sip_header:X-Customer-Id").kind
    'sip_header:x-customer-id'

    Raises:
        InvalidInputError: It names no place, or nothing there.
    """
    place, _, name = inputs.text(field, source).partition(":")
    places: tuple[Place, ...] = get_args(Place)
    if place not in places or not name.strip():
        known = ", ".join(f"{one}:NAME" for one in places)
        raise InvalidInputError(f"must be one of {known}", field=field)
    name = name.strip().casefold() if place == "sip_header" else name.strip()
    return Source(f"{place}:{name}", place, name)


def normalise_phone(value: object, *, region: str | None, limit: int) -> str:
    """A telephone number in E.164. It has to be possible, not in use.

    >>> normalise_phone("(415) 555-0192", region="US", limit=255)
    '+14155550192'

    Args:
        value: The number as someone wrote it.
        region: The region that a number without a country code is read in, such as `US`; `None` refuses those.
        limit: The most characters it may have.

    Raises:
        InvalidInputError: It is no possible number.
    """
    said = inputs.identifier(PHONE, value, limit=limit)
    if not _PHONE_WORDS.issuperset(map(str.casefold, _LETTERS.findall(said))):
        raise InvalidInputError("has letters", field="phone", advice=_PHONE_RULE)
    spelled = _e164(said, region and region.upper())
    while (again := _e164(spelled, None)) != spelled:  # of several trunk zeros, each reading drops one
        spelled = again
    return spelled


def normalise_email(value: object, *, limit: int) -> str:
    """Return an e-mail address in lower case.

    >>> normalise_email(" Ada@Example.COM ", limit=255)
    'ada@example.com'

    Raises:
        InvalidInputError: It has blanks in it, or not exactly one `@` with something on both sides.
    """
    address = inputs.identifier(EMAIL, value, limit=limit).strip().casefold()
    local, at, domain = address.partition("@")
    if not (local and at and domain) or "@" in domain or any(map(str.isspace, address)):
        raise InvalidInputError("must be one address without blanks, like ada@example.com", field="email")
    return inputs.identifier(EMAIL, address, limit=limit)  # folding may lengthen it


def known_by(
    *, phone: object, email: object, external_id: object, region: str | None, limit: int
) -> tuple[Identity, ...]:
    """Return what was given of a person, normalised, in the order it counts; None was not given.

    Raises:
        InvalidInputError: One of them breaks its rule.
    """
    given = {
        EXTERNAL_ID: None if external_id is None else inputs.identifier(EXTERNAL_ID, external_id, limit=limit),
        PHONE: None if phone is None else normalise_phone(phone, region=region, limit=limit),
        EMAIL: None if email is None else normalise_email(email, limit=limit),
    }
    return tuple(Identity(kind, value) for kind in KINDS if (value := given[kind]) is not None)


def blacklisted(identity: Identity, blacklist: Iterable[str]) -> bool:
    """Whether an identifier begins with an entry of the list; separators do not count, nor does the case of an e-mail.

    >>> blacklisted(Identity("phone", "+447777000001"), ["+44 (7777)"])
    True
    """
    value = _bare(identity.kind, identity.value)
    entries = (_bare(identity.kind, spelling) for entry in blacklist for spelling in _spellings(identity.kind, entry))
    return any(entry and value.startswith(entry) for entry in entries)


def check_region(value: str | None) -> None:
    """Raise InvalidInputError for a `default_region` that there is not.

    >>> check_region("us")
    """
    if value is not None and value.upper() not in phonenumbers.SUPPORTED_REGIONS:
        raise InvalidInputError("not a region of two letters, such as US or NO", field="default_region")


def _e164(said: str, region: str | None) -> str:
    try:
        number = phonenumbers.parse(said, region)
    except phonenumbers.NumberParseException as error:
        if error.error_type == phonenumbers.NumberParseException.INVALID_COUNTRY_CODE:
            raise InvalidInputError("has no known country code", field="phone", advice=_PHONE_RULE) from None
        raise InvalidInputError("is no telephone number", field="phone", advice=_PHONE_RULE) from None
    if not phonenumbers.is_possible_number(number):
        raise InvalidInputError("is too short or too long for its country", field="phone", advice=_PHONE_RULE)
    return phonenumbers.format_number(number, phonenumbers.PhoneNumberFormat.E164)


def _spellings(kind: str, entry: str) -> Iterator[str]:
    """A blacklist entry as it was written and, where it is a whole number, as numbers are spelled here."""
    yield entry
    if kind == PHONE:
        with suppress(InvalidInputError):
            yield normalise_phone(entry, region=None, limit=len(entry))


def _bare(kind: str, value: str) -> str:
    bare = value.translate(_SEPARATORS)
    return bare.casefold() if kind == EMAIL else bare


def _part(attributes: Mapping[str, object], name: str) -> Mapping[str, object]:
    part = attributes.get(name)
    if part is None:
        return {}
    if not isinstance(part, Mapping):
        raise InvalidInputError(f"{name} must be a mapping, not {type(part).__name__}", field="attributes")
    return {name: value for name, value in cast("Mapping[object, object]", part).items() if isinstance(name, str)}


_PHONE_RULE: Final = "write it with its country code, like +12025550100, or set default_region to a region such as US"
