"""Every setting of a store, from keyword arguments or `AGENTMEM_*` variables."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Final

from pydantic import Field, ValidationError
from pydantic_settings import BaseSettings, SettingsConfigDict

from agentmem.errors import InvalidInputError

DATABASE_FILE: Final = "agentmem.db"
"""The name of the SQLite file in `home`."""

Count = Annotated[int, Field(ge=1)]


class Settings(BaseSettings):
    """What can be set about a store; setting `x` is also the variable `AGENTMEM_X`.

    Args:
        home: The folder of an embedded store.
        database_url: A SQLAlchemy URL in place of the SQLite file in `home`.
        chroma_url: `http://host:port` of a Chroma server in place of the index folder in `home`.
        scan_below: The most lines a scope may have to be searched by a scan of its vectors in memory; larger ones are
            searched through Chroma. 0 sends every scope to Chroma.
        index_batch: How many changes may be waiting before they are handed to Chroma.
        index_timeout: The seconds one call to Chroma may take before recall goes on without it.
        cache_bytes: The most memory that what recall reads is kept in: three parts vectors, one part everything else.
        max_block_chars: The most characters of one block.
        max_line_chars: The most characters of one archival line.
        max_value_bytes: The most bytes of one fact, or of the facts of one entity, as compact JSON in UTF-8.
        max_id_chars: The most characters of an id; at least 64, so that those of agentmem itself fit.
        max_fact_days: The longest a key-value fact lives, whatever the agent's retention and its own life are.
        idle_minutes: How long a conversation left open has to be silent before `sweep` ends it.
        default_region: The region that telephone numbers without a country code are read in, such as `US`; without one
            they are refused.
        language: The language whose endings are cut off words, one of the Snowball stemmers', or `none`.
    """

    model_config = SettingsConfigDict(env_prefix="AGENTMEM_", env_ignore_empty=True, frozen=True, extra="forbid")

    home: Path = Path(".agentmem")
    database_url: str | None = None
    chroma_url: str | None = None
    scan_below: Annotated[int, Field(ge=0)] = 10_000
    index_batch: Count = 1_000
    index_timeout: Annotated[float, Field(gt=0, le=86_400)] = 30.0
    cache_bytes: Annotated[int, Field(ge=0)] = 256 * 1024 * 1024
    max_block_chars: Count = 20_000
    max_line_chars: Count = 8_000
    max_value_bytes: Count = 16_384
    max_id_chars: Annotated[int, Field(ge=64)] = 255
    max_fact_days: Count = 90
    idle_minutes: Count = 60
    default_region: str | None = None
    language: str = "english"


def load(**given: object) -> Settings:
    """Settings from what was given, else from the environment, else the defaults.

    Raises:
        InvalidInputError: A name is unknown or a value is out of range.
    """
    for name in given:
        if name not in Settings.model_fields:
            known = ", ".join(sorted(Settings.model_fields))
            raise InvalidInputError(f"{name!r} is not a setting", field="settings", advice=f"there are {known}")
    try:
        return Settings(**given)  # type: ignore[arg-type]  # pydantic checks them
    except ValidationError as error:
        first = error.errors(include_input=False, include_url=False)[0]
        name = ".".join(str(part) for part in first["loc"])
        raise InvalidInputError(first["msg"], field=f"settings: {name} (or AGENTMEM_{name.upper()})") from None
