"""The bounds of arguments, as signatures have them: schemas are made of these, and each call checks them itself."""

from __future__ import annotations

from typing import Annotated, Final, TypeAlias

from pydantic import Field

from agentmem.agents.settings import MOST_DAYS, MOST_MESSAGES
from agentmem.contacts.memory import MAX_TTL_DAYS, MAX_VERSION
from agentmem.policy import MAX_LIMIT

MAX_PAGE: Final = 1_000
"""The most of anything that one call lists."""

MAX_CHANGES: Final = 10_000
"""The most changes that one call lists."""

BlockName: TypeAlias = Annotated[str, Field(pattern=r"^[a-z0-9_-]{1,64}$")]
Filled: TypeAlias = Annotated[str, Field(min_length=1)]
Fraction: TypeAlias = Annotated[float, Field(ge=0, le=1)]
Positive: TypeAlias = Annotated[float, Field(gt=0)]
Matches: TypeAlias = Annotated[int, Field(ge=1, le=MAX_LIMIT)]
Page: TypeAlias = Annotated[int, Field(ge=1, le=MAX_PAGE)]
ChangePage: TypeAlias = Annotated[int, Field(ge=1, le=MAX_CHANGES)]
LifeDays: TypeAlias = Annotated[int, Field(ge=1, le=MAX_TTL_DAYS)]
RetentionDays: TypeAlias = Annotated[int, Field(ge=0, le=MOST_DAYS)]
RecentMessages: TypeAlias = Annotated[int, Field(ge=0, le=MOST_MESSAGES)]
Version: TypeAlias = Annotated[int, Field(ge=0, le=MAX_VERSION)]
