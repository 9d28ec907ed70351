"""The schema's history, applied when a store is opened."""

from __future__ import annotations

from pathlib import Path
from threading import Lock
from typing import TYPE_CHECKING, Final

from agentmem.errors import BackendError

if TYPE_CHECKING:
    from sqlalchemy.engine import Connection

HEAD: Final = "0005"
"""The newest revision, known without loading Alembic, so that opening a store that is up to date stays fast."""

VERSION_TABLE: Final = "agentmem_alembic_version"

_alembic: Final = Lock()
"""Alembic hands its environment over in a global, so one thread at a time migrates."""


def upgrade(connection: Connection) -> None:
    """Bring the schema up to date inside the connection's transaction: all of it, or nothing.

    Raises:
        BackendError: The schema was written by a newer agentmem.
    """
    from alembic import command
    from alembic.config import Config
    from alembic.util import CommandError

    config = Config()
    config.set_main_option("script_location", str(Path(__file__).parent).replace("%", "%%"))
    config.attributes["connection"] = connection
    try:
        with _alembic:
            command.upgrade(config, "head")
    except CommandError as error:
        raise BackendError(
            "its schema is newer than this agentmem",
            field="database",
            advice="upgrade agentmem-toolkit",
            code="newer",
        ) from error
