"""The bounds of what callers give, once: signatures and schemas have them, and checks at run time take them here."""

from __future__ import annotations

from typing import Annotated, Final, TypeAlias

from pydantic import Field

MAX_LIMIT: Final = 50
"""The most matches of one recall."""

MAX_PAGE: Final = 1_000
"""The most of anything else that one call lists."""

MAX_MESSAGES: Final = 1_000
"""The most messages that one call adds, and that a contact's memory shows."""

MAX_CHANGES: Final = 10_000
"""The most changes that one call lists."""

MAX_DAYS: Final = 36_500
"""The longest retention, and the longest life of one fact: a hundred years."""

MAX_VERSION: Final = 2**31 - 1
"""The highest version of a contact's memory."""

MAX_CHANGE_ID: Final = 2**63 - 1
"""The highest number of a change."""

BLOCK_NAME: Final = r"[a-z0-9_-]{1,64}"
"""What the whole name of a block is made of."""

BlockName: TypeAlias = Annotated[str, Field(pattern=f"^{BLOCK_NAME}$")]
Filled: TypeAlias = Annotated[str, Field(min_length=1)]
Fraction: TypeAlias = Annotated[float, Field(ge=0, le=1, allow_inf_nan=False, strict=True)]
Positive: TypeAlias = Annotated[float, Field(gt=0, allow_inf_nan=False, strict=True)]
Matches: TypeAlias = Annotated[int, Field(ge=1, le=MAX_LIMIT, strict=True)]
Page: TypeAlias = Annotated[int, Field(ge=1, le=MAX_PAGE, strict=True)]
ChangePage: TypeAlias = Annotated[int, Field(ge=1, le=MAX_CHANGES, strict=True)]
ChangeId: TypeAlias = Annotated[int, Field(ge=0, le=MAX_CHANGE_ID, strict=True)]
LifeDays: TypeAlias = Annotated[int, Field(ge=1, le=MAX_DAYS, strict=True)]
RetentionDays: TypeAlias = Annotated[int, Field(ge=0, le=MAX_DAYS, strict=True)]
RecentMessages: TypeAlias = Annotated[int, Field(ge=0, le=MAX_MESSAGES, strict=True)]
Version: TypeAlias = Annotated[int, Field(ge=0, le=MAX_VERSION, strict=True)]
