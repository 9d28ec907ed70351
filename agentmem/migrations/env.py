"""Alembic's environment: agentmem's own metadata and version table, on the connection it is handed."""

from __future__ import annotations

from alembic import context

from agentmem.migrations import VERSION_TABLE
from agentmem.tables import metadata

context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=metadata,
    version_table=VERSION_TABLE,
    render_as_batch=True,
    include_object=lambda _object, name, kind, _reflected, _other: kind != "table" or str(name).startswith("agentmem_"),
)
context.run_migrations()
