"""Errors of providers, told apart by the status that they carry, wherever it is and however they are wrapped."""

from __future__ import annotations

from types import SimpleNamespace

import pytest
from langchain_core.exceptions import OutputParserException

from agentmem.extraction.refusals import is_refusal


class LengthFinishReasonError(Exception):
    """As OpenAI's library names it."""


def carrying(**attributes):
    error = RuntimeError("secret prompt")
    vars(error).update(attributes)
    return error


def wrapped(inner, *, said=True):
    outer = ValueError()
    outer.__context__ = inner  # as Python sets it for what is raised meanwhile
    if said:
        outer.__cause__ = inner
    return outer


REFUSED = [
    carrying(status_code=400),
    carrying(http_status=413),
    carrying(status=422),
    carrying(code=400),
    carrying(code="invalid_request_error", response=SimpleNamespace(status_code=400)),
    carrying(response={"ResponseMetadata": {"HTTPStatusCode": 400}}),
    wrapped(carrying(status_code=413)),
    wrapped(carrying(status_code=413), said=False),
    OutputParserException("no JSON"),
    LengthFinishReasonError(),
]
PASSING = [
    TimeoutError(),
    ConnectionResetError(),
    NotImplementedError(),
    *(carrying(status_code=status) for status in (401, 403, 404, 408, 409, 425, 429, 500, 502, 503, 529)),
    carrying(code="rate_limit_exceeded", status="RESOURCE_EXHAUSTED"),
    carrying(code=7),
    carrying(status_code=True, code=lambda: 400),
    carrying(response={"Error": {}}),
    carrying(response={"ResponseMetadata": None}),
    wrapped(carrying(status_code=429)),
]


@pytest.mark.parametrize("error", REFUSED, ids=range(len(REFUSED)))
def test_what_says_that_this_request_is_wrong_is_a_refusal(error):
    assert is_refusal(error)


@pytest.mark.parametrize("error", PASSING, ids=range(len(PASSING)))
def test_what_says_anything_else_or_nothing_is_none(error):
    assert not is_refusal(error)


def test_the_outermost_status_counts_and_a_circle_of_causes_ends():
    outer = wrapped(carrying(status_code=400))
    outer.status_code = 503
    assert not is_refusal(outer)

    one, other = RuntimeError(), RuntimeError()
    one.__cause__, other.__cause__ = other, one
    assert not is_refusal(one)


def test_a_cause_that_was_hidden_on_purpose_does_not_count():
    error = wrapped(carrying(status_code=400), said=False)
    error.__suppress_context__ = True

    assert not is_refusal(error)
