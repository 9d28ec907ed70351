"""How values show themselves in a notebook: as rows of an HTML table."""

from __future__ import annotations

from dataclasses import fields, is_dataclass
from datetime import datetime
from html import escape
from typing import ClassVar, TypeVar, cast

T = TypeVar("T")

_CELL = "style='text-align:left; white-space:pre-wrap'"


class Shown:
    """A dataclass that a notebook shows as a table of one row."""

    __slots__ = ()

    _columns: ClassVar[tuple[str, ...]] = ()

    def _repr_html_(self) -> str:
        return _table([self])


class Values(list[T]):
    """A list of values that a notebook shows as one table."""

    def _repr_html_(self) -> str:
        return _table(self) if self else "<em>none</em>"


def _table(rows: list[T] | list[Shown]) -> str:
    """Return the columns that say something in any row."""
    names = [name for name in _names(rows[0]) if any(_said(getattr(row, name)) for row in rows)]
    head = "".join(f"<th style='text-align:left'>{name}</th>" for name in names)
    body = "".join(
        "<tr>" + "".join(f"<td {_CELL}>{_cell(getattr(row, name))}</td>" for name in names) + "</tr>" for row in rows
    )
    return f"<table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>"


def _names(value: object) -> tuple[str, ...]:
    columns: tuple[str, ...] = getattr(value, "_columns", ())
    if columns or not is_dataclass(value):
        return columns
    return tuple(field.name for field in fields(value))


def _said(value: object) -> bool:
    return value is not None and value is not False and value not in ("", ())


def _cell(value: object) -> str:
    if not _said(value):
        return ""
    if isinstance(value, Shown):
        return "<br>".join(f"{name} {_cell(getattr(value, name))}" for name in _names(value))
    if isinstance(value, float):
        return f"{value:.3f}"
    if isinstance(value, datetime):
        return f"{value:%Y-%m-%d %H:%M:%S} UTC"
    if isinstance(value, tuple):
        return "<br>".join(map(_cell, cast("tuple[object, ...]", value)))
    return escape(str(value))
