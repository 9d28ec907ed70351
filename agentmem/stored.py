"""JSON as it stands in a column: read through a validator, and with a format number where its shape is one of ours.

The shape of a format is a type of its own, never a public one: a field added to a value that callers hold is no
change of what is stored. A field that is not known is left out, one that is missing has its default, and a number
that is not known is refused. `docs/architecture.md` lists all JSON that is stored.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime
from functools import cached_property
from typing import TYPE_CHECKING, Annotated, Any, Final, Generic, TypeVar, cast

from pydantic import AfterValidator, AwareDatetime, TypeAdapter
from pydantic_core import from_json, to_json

from agentmem.errors import BackendError

if TYPE_CHECKING:
    from collections.abc import Generator

    from agentmem.records import Json

T = TypeVar("T")

Upgrade = Callable[[Any], Mapping[str, object]]
"""Makes of the JSON of one format the keys of the next one."""


def _in_utc(moment: datetime) -> datetime:
    return moment.astimezone(UTC)


Moment = Annotated[AwareDatetime, AfterValidator(_in_utc)]
"""A time in a stored shape: ISO 8601 in JSON, in UTC as a value."""

_NUMBER: Final = "format"
_NONE_OLDER: Final[Mapping[int, Upgrade]] = {}


def unchanged(said: Mapping[str, object]) -> Mapping[str, object]:
    """Return the keys of an older format that are those of the next one."""
    return said


class StoredFormat(Generic[T]):
    """A kind of JSON that is stored as an object with its number first: `{"format": 1, …}`.

    Args:
        kind: The row and column that hold it, for errors: `conversation.context`.
        shape: What the newest format has: a dataclass or a `TypedDict` that nothing else uses.
        number: The number of the newest format.
        older: How each older format becomes the next one, by its number. What was stored without a number is 0.
    """

    def __init__(self, kind: str, shape: type[T], *, number: int, older: Mapping[int, Upgrade] = _NONE_OLDER) -> None:
        self.kind = kind
        self.number = number
        self._shape = shape
        self._older = older
        self._newest = f'{{"{_NUMBER}":{number},'

    @cached_property
    def _adapter(self) -> TypeAdapter[T]:
        """The validator, made when it is first needed: that takes longer than all else of an import."""
        return TypeAdapter(self._shape)

    def write(self, value: T) -> str:
        """Return a value as it is stored."""
        said = self._adapter.dump_python(value, mode="json")
        return to_json({_NUMBER: self.number, **said}).decode()

    def read(self, text: str) -> T:
        """Return the value of what is stored, in whichever format.

        Raises:
            BackendError: It is damaged, or was written by a newer agentmem.
        """
        with _telling_damage(self.kind):
            if text.startswith(self._newest):  # as we write it, so that it is parsed once
                return self._adapter.validate_json(text, strict=True)
            said: Any = from_json(text)
            number = _number(said)
            if number > self.number:
                raise BackendError(
                    f"is stored in format {number}, and this agentmem reads up to {self.number}",
                    field=self.kind,
                    advice="upgrade agentmem-toolkit",
                    code="newer",
                )
            for older in range(number, self.number):
                if older not in self._older:
                    raise ValueError(older)
                said = self._older[older](said)
            return self._adapter.validate_json(text if number == self.number else to_json(said), strict=True)


def json_of(text: str, *, kind: str) -> Json:
    """Return a JSON value of the user's, which has no format of ours.

    >>> json_of('["tea"]', kind="fact.value")
    ['tea']

    Raises:
        BackendError: It is damaged.
    """
    with _telling_damage(kind):
        return cast("Json", from_json(text, allow_inf_nan=False))


def object_of(text: str, *, kind: str) -> dict[str, Json]:
    """Return a JSON object of the user's.

    Raises:
        BackendError: It is damaged, or no object.
    """
    said = json_of(text, kind=kind)
    if not isinstance(said, dict):
        raise damaged(kind)
    return said


def damaged(kind: str) -> BackendError:
    """Return the error of what is stored and cannot be read; it says where, and nothing of what is there."""
    return BackendError(
        "what is stored there cannot be read",
        field=kind,
        advice="it was damaged, or written by another program: restore a backup",
        code="damaged",
    )


def _number(said: object) -> int:
    """Return the number of a format; 0 for what has none."""
    number = cast("dict[str, object]", said).get(_NUMBER, 0) if isinstance(said, dict) else 0
    if type(number) is not int or number < 0:  # True is an int
        raise ValueError(number)
    return number


@contextmanager
def _telling_damage(kind: str) -> Generator[None]:
    try:
        yield
    except (ValueError, TypeError, LookupError):  # its text says what is stored, so it is no cause of ours
        raise damaged(kind) from None
