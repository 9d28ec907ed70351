"""Alembic's environment: agentmem's own metadata and version table, on the connection it is handed."""

from __future__ import annotations

from typing import Literal

from alembic import context
from sqlalchemy import TypeDecorator

from agentmem.migrations import VERSION_TABLE
from agentmem.tables import metadata


def _render(kind: str, item: object, _context: object) -> str | Literal[False]:
    """Name SQLAlchemy's own type below another library's in a new step, which is to outlive that library's classes."""
    return f"sa.{item.impl_instance!r}" if kind == "type" and isinstance(item, TypeDecorator) else False


context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=metadata,
    version_table=VERSION_TABLE,
    render_as_batch=True,
    render_item=_render,
    include_object=lambda _object, name, kind, _reflected, _other: kind != "table" or str(name).startswith("agentmem_"),
)
context.run_migrations()
