"""Every error agentmem raises.

    AgentMemError
    ├── NotFoundError (LookupError)              404   exit 3
    ├── ConflictError  .current                  409   exit 4
    ├── InvalidInputError (ValueError)           422   exit 2
    ├── ExtractionError  .answer  .transient     502   exit 5
    └── BackendError  .__cause__                 503   exit 6

A message names the field, the rule and the place, and what to do next. It never
holds memory content or a person's identifier, so it can be logged as it is.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

if TYPE_CHECKING:
    from agentmem.models import MemoryBlock
    from agentmem.records import ContactMemory


class AgentMemError(Exception):
    """Anything agentmem raises on purpose.

    `status` is the HTTP status it corresponds to, `exit_code` what the command line ends with.
    """

    status: ClassVar[int] = 500
    exit_code: ClassVar[int] = 1


class NotFoundError(AgentMemError, LookupError):
    """What was asked for does not exist, or belongs to someone else: the two are told apart by nobody."""

    status = 404
    exit_code = 3


class ConflictError(AgentMemError):
    """Someone else wrote first; nothing was changed.

    Args:
        message: What conflicted, and what to do.
        current: The block, or the contact's memory, as it is stored now; `None` when there is none.
    """

    status = 409
    exit_code = 4

    def __init__(self, message: str, *, current: MemoryBlock | ContactMemory | None = None) -> None:
        super().__init__(message)
        self.current = current


class InvalidInputError(AgentMemError, ValueError):
    """An argument breaks a rule; nothing was written."""

    status = 422
    exit_code = 2


class ExtractionError(AgentMemError):
    """A chat model failed, or its answer could not be used; nothing was changed.

    Args:
        message: What is wrong with the answer.
        answer: What the model said.
        transient: Whether the same may be asked again later: it was the moment, the key or the model's name.
    """

    status = 502
    exit_code = 5

    def __init__(self, message: str, *, answer: str = "", transient: bool = False) -> None:
        super().__init__(message)
        self.answer = answer
        self.transient = transient


class BackendError(AgentMemError):
    """A database, an index or a model could not do its work; `__cause__` holds its own error."""

    status = 503
    exit_code = 6
