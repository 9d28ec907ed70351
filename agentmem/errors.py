"""Every error agentmem raises, as data: the text is made of it last.

    AgentMemError                                error                 500   exit 1
    ├── NotFoundError (LookupError)              not_found             404   exit 3
    ├── ConflictError  .current                  conflict              409   exit 4
    ├── InvalidInputError (ValueError)           invalid_input         422   exit 2
    ├── ExtractionError  .answer  .transient     extraction_failed     502   exit 5
    └── BackendError  .__cause__                 backend_unavailable   503   exit 6

An error names the field, the rule that it breaks, and what to do next. None of
the three ever holds memory content or a person's identifier, so they can be
logged as they are; what is stored now, and what a model said, stand in
`.current` and `.answer` alone.
"""

from __future__ import annotations

from typing import Any, ClassVar, Final, Literal, Self, get_args

from agentmem.models import MemoryBlock
from agentmem.records import ContactMemory, Json
from agentmem.serialization import plain

Code = Literal[
    "error",  # of no kind below
    "not_found",
    "deleted",  # what a write with this idempotency key wrote was deleted since
    "conflict",
    "stale",  # it was changed, or deleted, since it was read
    "exists",  # it was to be created, and is there
    "taken",  # a phone number, an address or an id is another contact's
    "idempotency_key_used",  # for another write
    "conversation_open",  # the thread has one: it is to be gone on with
    "invalid_input",
    "too_long",
    "read_only",
    "store_closed",
    "wrong_embedder",  # the store's vectors are another model's
    "foreign_thread",  # it was begun for another user
    "conversation_over",
    "extraction_failed",
    "backend_unavailable",
    "busy",  # others kept it locked, or wrote at once: the same may be tried again
    "timed_out",
    "damaged",  # what is stored cannot be read
    "newer",  # it was stored by a newer agentmem, which can read it
]
"""What kind of failure it is: the class's own word, or a finer one where a caller would go on differently."""

CODES: Final[tuple[Code, ...]] = get_args(Code)
"""Every code there is."""

_COARSE: Final = frozenset[Code](
    {"error", "not_found", "conflict", "invalid_input", "extraction_failed", "backend_unavailable"}
)


def sentence(rule: str, *, field: str | None = None, advice: str = "") -> str:
    """Return the text of an error.

    >>> sentence("must not be empty", field="content")
    'content: must not be empty'
    >>> sentence("has letters", field="phone", advice="write digits alone")
    'phone: has letters; write digits alone'
    """
    said = rule if field is None else f"{field}: {rule}"
    return f"{said}; {advice}" if advice else said


class AgentMemError(Exception):
    """Anything agentmem raises on purpose.

    `status` is the HTTP status it corresponds to, `exit_code` what the command line ends with.

    Args:
        rule: What is wrong, with its numbers.
        field: The argument, setting or place that breaks the rule, as the caller writes it: `content`, `database`; the
            place comes first where there are several (`line 3: confidence`). `None` when it is about none.
        advice: What to do next; empty when there is nothing to say.
        code: A finer word than the class's own.
    """

    status: ClassVar[int] = 500
    exit_code: ClassVar[int] = 1
    code: Code = "error"

    def __init__(self, rule: str, *, field: str | None = None, advice: str = "", code: Code | None = None) -> None:
        super().__init__(rule)
        self.rule = rule
        self.field = field
        self.advice = advice
        if code is not None:
            self.code = code

    def __str__(self) -> str:
        """Return the text: `field: rule; advice`."""
        return sentence(self.rule, field=self.field, advice=self.advice)

    def __repr__(self) -> str:
        """Return the class and the text."""
        return f"{type(self).__name__}({str(self)!r})"

    def to_json(self) -> dict[str, Json]:
        """Return it as JSON values, in the one form that every door tells errors in; `hint` is its advice.

        >>> told = InvalidInputError("must not be empty", field="query").to_json()
        >>> told["code"], told["field"], told["rule"], told["status"]
        ('invalid_input', 'query', 'must not be empty', 422)
        """
        return {
            "type": type(self).__name__,
            "message": str(self),
            "code": self.code,
            "field": self.field,
            "rule": str(self.rule),
            "hint": str(self.advice),
            "status": self.status,
        }

    @classmethod
    def of(cls, error: AgentMemError) -> Self:
        """Return the same field, rule and advice as an error of this class; a finer code stays."""
        code = None if error.code in _COARSE else error.code
        return cls(error.rule, field=error.field, advice=error.advice, code=code)


class NotFoundError(AgentMemError, LookupError):
    """What was asked for does not exist, or belongs to someone else: the two are told apart by nobody."""

    status = 404
    exit_code = 3
    code: Code = "not_found"


class ConflictError(AgentMemError):
    """Someone else wrote first; nothing was changed.

    Args:
        rule: What conflicted.
        field: What the caller said of the state that it saw, or the key that another has.
        advice: What to do.
        code: A finer word than `conflict`.
        current: The block, or the contact's memory, as it is stored now; `None` when there is none.
    """

    status = 409
    exit_code = 4
    code: Code = "conflict"

    current: Any
    """The `MemoryBlock` or the `ContactMemory` as it is stored now, `None` when there is none.

    It is one of the three by the call that conflicts, which an `except` clause cannot tell a type checker: so it is
    left open, and `conflict.current.content` checks as it stands.
    """

    def __init__(
        self,
        rule: str,
        *,
        field: str | None = None,
        advice: str = "",
        code: Code | None = None,
        current: MemoryBlock | ContactMemory | None = None,
    ) -> None:
        super().__init__(rule, field=field, advice=advice, code=code)
        self.current = current

    def to_json(self) -> dict[str, Json]:
        """Return it as JSON values, with what is stored now as `current`."""
        return {**super().to_json(), "current": plain(self.current)}


class InvalidInputError(AgentMemError, ValueError):
    """An argument breaks a rule; nothing was written."""

    status = 422
    exit_code = 2
    code: Code = "invalid_input"


class ExtractionError(AgentMemError):
    """A chat model failed, or its answer could not be used; nothing was changed.

    Args:
        rule: What is wrong with the answer.
        field: What the model was given as.
        advice: What to do.
        code: A finer word than `extraction_failed`.
        answer: What the model said.
        transient: Whether the same may be asked again later: it was the moment, the key or the model's name.
    """

    status = 502
    exit_code = 5
    code: Code = "extraction_failed"

    def __init__(
        self,
        rule: str,
        *,
        field: str | None = None,
        advice: str = "",
        code: Code | None = None,
        answer: str = "",
        transient: bool = False,
    ) -> None:
        super().__init__(rule, field=field, advice=advice, code=code)
        self.answer = answer
        self.transient = transient


class BackendError(AgentMemError):
    """A database, an index or a model could not do its work; `__cause__` holds its own error."""

    status = 503
    exit_code = 6
    code: Code = "backend_unavailable"
