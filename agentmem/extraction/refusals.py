"""Whether a chat model that failed would fail again with the same transcript. Pure functions.

No provider's package is imported: their errors are told apart by what all of them carry, a status of HTTP.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Final, cast

from langchain_core.exceptions import OutputParserException

if TYPE_CHECKING:
    from collections.abc import Iterator

_REFUSED: Final = frozenset({400, 413, 422})
"""The request itself is wrong or too large. With 401, 403 and 404 it is the key or the model's name, which somebody is
going to mend; all others pass by themselves."""

_UNUSABLE: Final = frozenset({"LengthFinishReasonError", "ContentFilterFinishReasonError"})
"""What OpenAI's library calls an answer that was cut off or held back; they have no status."""

_DEEPEST: Final = 10
_NAMES: Final = ("status_code", "http_status", "status", "code")
_STATUSES: Final = range(100, 600)


def is_refusal(error: BaseException) -> bool:
    """Return whether it was this very request, or the answer to it, that was the matter, and not the moment."""
    for each in _causes(error):
        if isinstance(each, OutputParserException) or type(each).__name__ in _UNUSABLE:
            return True
        status = _status(each)
        if status is not None:
            return status in _REFUSED
    return False


def _causes(error: BaseException) -> Iterator[BaseException]:
    """Yield the error, what caused it, and so on."""
    cause: BaseException | None = error
    for _ in range(_DEEPEST):
        if cause is None:
            return
        yield cause
        cause = cause.__cause__ or (None if cause.__suppress_context__ else cause.__context__)


def _status(error: BaseException) -> int | None:
    """Return the status of HTTP that an error carries, wherever its library puts it."""
    response: object = getattr(error, "response", None)
    found: list[object] = [getattr(each, name, None) for each in (error, response) for name in _NAMES]
    if isinstance(response, Mapping):  # boto3
        metadata = cast("Mapping[str, object]", response).get("ResponseMetadata")
        if isinstance(metadata, Mapping):
            found.append(cast("Mapping[str, object]", metadata).get("HTTPStatusCode"))
    return next((int(each) for each in found if isinstance(each, int) and each in _STATUSES), None)
