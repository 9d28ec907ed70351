"""What is accepted from callers: each check names the field and the rule, and never repeats the value."""

from __future__ import annotations

import json
import math
import re
import sys
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Final, TypeVar, cast

from agentmem.bounds import BLOCK_NAME
from agentmem.errors import InvalidInputError
from agentmem.wording import Phrase

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable

    from agentmem.records import Json

T = TypeVar("T", bound=str)

MAX_NESTING: Final = 32
"""How deep lists and objects may stand in one another in a JSON value."""

RESERVED_PREFIX: Final = "REPEAT_CALLER_"
"""What the names of the repeat-caller metrics begin with, and so no fact's."""

_BLOCK_TYPE: Final = re.compile(BLOCK_NAME)
_SURROGATE: Final = re.compile("[\ud800-\udfff]")
_MAX_INTEGER_BITS: Final = 4_096
_SHORTEN: Final = "shorten or split it"


def text(field: str, value: object, *, limit: int | None = None, empty: bool = False) -> str:
    """Return a string without NUL or lone surrogates, of at most `limit` characters, not blank unless `empty`."""
    if not isinstance(value, str):
        raise InvalidInputError(f"must be a string, not {type(value).__name__}", field=field)
    if not empty and not value.strip():
        raise InvalidInputError("must not be empty", field=field)
    if limit is not None and len(value) > limit:
        raise InvalidInputError(
            f"{len(value):,} characters, and at most {limit:,} are kept", field=field, advice=_SHORTEN, code="too_long"
        )
    if (at := value.find("\x00")) >= 0:
        raise InvalidInputError(f"a NUL character at position {at}", field=field, advice="remove it")
    if found := _SURROGATE.search(value):
        raise InvalidInputError(
            f"a lone surrogate at position {found.start()}; the text was decoded wrongly", field=field
        )
    return value


def identifier(field: str, value: object, *, limit: int) -> str:
    """An opaque id: any text that is not empty and fits."""
    return text(field, value, limit=limit)


def block_type(value: object) -> str:
    """Return the name of a block: 1 to 64 of `a-z`, `0-9`, `_` and `-`."""
    if not isinstance(value, str) or not _BLOCK_TYPE.fullmatch(value):
        raise InvalidInputError("must be 1 to 64 characters of a-z, 0-9, '_' and '-'", field="block_type")
    return value


def timestamp(field: str, value: object) -> datetime:
    """Return an aware datetime, or an ISO 8601 string with a zone, as UTC."""
    if isinstance(value, str):
        try:
            value = datetime.fromisoformat(text(field, value))
        except InvalidInputError:
            raise
        except ValueError:
            raise InvalidInputError(
                "not an ISO 8601 date and time, like 2026-03-14T09:30:00+00:00", field=field
            ) from None
    if not isinstance(value, datetime):
        raise InvalidInputError(f"must be a datetime or an ISO 8601 string, not {type(value).__name__}", field=field)
    if value.utcoffset() is None:
        raise InvalidInputError("has no time zone", field=field, advice=Phrase.AWARE_DATETIME)
    try:
        return value.astimezone(UTC)
    except OverflowError:
        raise InvalidInputError("is outside the years 1 to 9999 in UTC", field=field) from None


def fraction(field: str, value: object) -> float:
    """Return a number from 0 to 1."""
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not 0 <= value <= 1:
        raise InvalidInputError("must be a number from 0 to 1", field=field)
    return float(value)


def positive(field: str, value: object) -> float:
    """Return a number above 0."""
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not 0 < value <= sys.float_info.max:
        raise InvalidInputError("must be a number above 0", field=field)
    return float(value)


def count(field: str, value: object, *, low: int, high: int) -> int:
    """Return a whole number from `low` to `high`."""
    if isinstance(value, bool) or not isinstance(value, int) or not low <= value <= high:
        raise InvalidInputError(f"must be a whole number from {low} to {high}", field=field)
    return value


def flag(field: str, value: object) -> bool:
    """True or False."""
    if not isinstance(value, bool):
        raise InvalidInputError(f"must be True or False, not {type(value).__name__}", field=field)
    return value


def one_of(field: str, value: object, allowed: Collection[T]) -> T:
    """Return one of a few words."""
    for word in allowed:
        if value == word:
            return word
    raise InvalidInputError(f"must be one of {', '.join(allowed)}", field=field)


def fact_key(field: str, key: object, *, limit: int) -> str:
    """Return the key of a fact: an identifier that is not reserved for the repeat-caller metrics."""
    if identifier(field, key, limit=limit).startswith(RESERVED_PREFIX):
        raise InvalidInputError(
            f"keys that begin with {RESERVED_PREFIX} are reserved", field=field, advice="choose another"
        )
    return cast("str", key)


def json_value(field: str, value: object, *, max_bytes: int) -> Json:
    """Return a JSON value that takes at most `max_bytes` as compact UTF-8, as a copy of what was given."""
    _check_json(field, value, most_parts=max_bytes)  # each part takes a byte at least
    packed = json.dumps(value, ensure_ascii=False, allow_nan=False, separators=(",", ":")).encode()
    if len(packed) > max_bytes:
        raise InvalidInputError(
            f"{len(packed):,} bytes as JSON, and at most {max_bytes:,} are kept",
            field=field,
            advice=_SHORTEN,
            code="too_long",
        )
    return cast("Json", json.loads(packed))


def _check_json(field: str, value: object, *, most_parts: int) -> None:
    waiting: list[tuple[object, int]] = [(value, 0)]
    parts = 1
    while waiting:
        part, depth = waiting.pop()
        inside = _inside(field, part)
        if inside is None:
            continue
        if depth == MAX_NESTING:
            raise InvalidInputError(f"nested more than {MAX_NESTING} deep", field=field, advice="flatten it")
        waiting.extend((one, depth + 1) for one in inside)
        parts += len(inside)
        if parts > most_parts:
            raise InvalidInputError(
                f"more than {most_parts:,} bytes as JSON, and at most {most_parts:,} are kept",
                field=field,
                advice=_SHORTEN,
                code="too_long",
            )


def _inside(field: str, part: object) -> Collection[object] | None:
    """Return what stands in a list or an object; None for a value that holds no other, once it is checked."""
    if isinstance(part, dict):
        items = cast("dict[object, object]", part)
        _check_keys(field, items)
        return items.values()
    if isinstance(part, list):
        return cast("list[object]", part)
    if isinstance(part, str):
        text(field, part, empty=True)
    elif isinstance(part, float):
        if not math.isfinite(part):
            raise InvalidInputError("NaN and infinity are no JSON numbers", field=field, advice="leave them out")
    elif isinstance(part, int):
        if part.bit_length() > _MAX_INTEGER_BITS:
            raise InvalidInputError(
                f"an integer of more than {_MAX_INTEGER_BITS:,} bits", field=field, advice="keep it as text"
            )
    elif part is not None:
        raise InvalidInputError(
            f"must be JSON (None, booleans, numbers, strings, lists, dicts), not {type(part).__name__}", field=field
        )
    return None


def _check_keys(field: str, keys: Iterable[object]) -> None:
    for key in keys:
        if not isinstance(key, str):
            raise InvalidInputError(f"the keys of an object must be strings, not {type(key).__name__}", field=field)
        text(field, key, empty=True)
