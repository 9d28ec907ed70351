"""The one way in which values become JSON, and times become text in it."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import fields, is_dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, cast

from pydantic import BaseModel

if TYPE_CHECKING:
    from pydantic import JsonValue


def moment(value: datetime) -> str:
    """Return a time as RFC 3339 in UTC, always with six digits of the second and a `Z`.

    Texts of one form sort as the times do. One without a zone is taken for UTC.

    >>> moment(datetime(2026, 3, 14, 9, 30, tzinfo=UTC))
    '2026-03-14T09:30:00.000000Z'
    """
    aware = value.replace(tzinfo=UTC) if value.tzinfo is None else value.astimezone(UTC)
    return aware.replace(tzinfo=None).isoformat(timespec="microseconds") + "Z"


def to_json(value: object, *, indent: int | None = None, ascii_only: bool = False) -> str:
    """Return a value as JSON text.

    Args:
        value: The value.
        indent: How far what stands in another is indented; None for all of it on one line.
        ascii_only: Whether every other character is escaped.

    >>> to_json({"at": datetime(2026, 3, 14, tzinfo=UTC)})
    '{"at": "2026-03-14T00:00:00.000000Z"}'
    """
    return json.dumps(plain(value), indent=indent, ensure_ascii=ascii_only, allow_nan=False)


def plain(value: object) -> JsonValue:
    """Return a value as JSON values: the fields of a dataclass or model by name, times as `moment` writes them.

    >>> plain({"at": datetime(2026, 3, 14, tzinfo=UTC), "ids": ("a", "b")})
    {'at': '2026-03-14T00:00:00.000000Z', 'ids': ['a', 'b']}
    """
    if is_dataclass(value) and not isinstance(value, type):
        return {field.name: plain(getattr(value, field.name)) for field in fields(value)}
    if isinstance(value, BaseModel):
        return {name: plain(getattr(value, name)) for name in type(value).model_fields}
    if isinstance(value, datetime):
        return moment(value)
    if isinstance(value, Path):
        return str(value)
    if isinstance(value, Mapping):
        return {str(name): plain(each) for name, each in cast("Mapping[object, object]", value).items()}
    if isinstance(value, (list, tuple)):
        return [plain(each) for each in cast("Sequence[object]", value)]
    return cast("JsonValue", value)
