"""Errors carry data: a field, a rule, advice and a code, and the text is made of them last."""

from __future__ import annotations

import ast
import copy
import inspect
import json
import pickle
import re
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

import agentmem
from agentmem import AgentMemError, BackendError, ConflictError, ExtractionError, InvalidInputError
from agentmem.agents.graphs import ForeignThreadError
from agentmem.errors import CODES, sentence
from agentmem.langgraph.threads import RefusedError
from agentmem.wording import Phrase, Wording, worded

pytestmark = pytest.mark.sqlite("nothing of a database")

PACKAGE = Path(agentmem.__file__).parent


def tree(error=AgentMemError):
    """A class of errors, and all below it."""
    return [error, *(below for child in error.__subclasses__() for below in tree(child))]


def filled(kind):
    """An error of a class, with a value for everything that it can carry."""
    values = {"advice": Wording("run ", Phrase.SWEEP), "code": "busy", "field": "limit", "rule": "must be 1 to 50"}
    more = {"answer": "no JSON", "current": ("a", "block"), "transient": True}
    names = inspect.signature(kind.__init__).parameters
    error = kind(**{name: value for name, value in {**values, **more}.items() if name in names})
    error.add_note("look at it")
    return error


def calls():
    """Every place in the package where an error of ours is made by name, with its file."""
    names = {kind.__name__ for kind in tree() if kind.__module__ == "agentmem.errors"}
    for file in PACKAGE.rglob("*.py"):
        for node in ast.walk(ast.parse(file.read_text("utf-8"))):
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in names:
                yield f"{file.relative_to(PACKAGE)}:{node.lineno}", node


@pytest.mark.parametrize("kind", tree(), ids=lambda kind: kind.__name__)
@pytest.mark.parametrize("again", [lambda one: pickle.loads(pickle.dumps(one)), copy.copy, copy.deepcopy])  # noqa: S301
def test_an_error_of_every_class_keeps_all_its_data_through_a_pickle_and_a_copy(kind, again):
    error = filled(kind)
    other = again(error)
    assert type(other) is kind
    assert vars(other) == vars(error)
    assert str(other) == str(error) == "limit: must be 1 to 50; run sweep()"
    assert worded(other.advice, {Phrase.SWEEP: "agentmem sweep"}) == "run agentmem sweep"


@given(rule=st.text(), field=st.none() | st.text(), advice=st.text())
def test_the_text_is_exactly_the_parts(rule, field, advice):
    error = InvalidInputError(rule, field=field, advice=advice)
    before = "" if field is None else field + ": "
    assert str(error) == before + rule + ("; " + advice if advice else "")
    assert repr(error) == f"InvalidInputError({str(error)!r})"
    error.field, error.advice = "other", ""
    assert str(error) == f"other: {rule}"


def test_what_a_caller_leaves_out_is_empty_and_the_code_is_the_classes():
    error = BackendError("it is down")
    assert (error.field, error.rule, error.advice, error.code) == (None, "it is down", "", "backend_unavailable")
    assert (error.status, error.exit_code, str(error)) == (503, 6, "it is down")
    assert ConflictError("it was changed").current is None
    assert (ExtractionError("x").answer, ExtractionError("x").transient) == ("", False)


def test_every_class_has_a_code_of_the_list_and_every_code_of_the_list_is_used():
    assert {kind.code for kind in tree()} <= set(CODES)
    given = {key.value.value for _, call in calls() for key in call.keywords if _is_literal_code(key)}
    given |= {one.value for file in PACKAGE.rglob("*.py") for one in _codes(file)}
    assert set(CODES) - given - {kind.code for kind in tree()} == set()


def test_the_page_about_errors_lists_every_code_and_no_other():
    page = (PACKAGE.parent / "docs/errors.md").read_text("utf-8")
    rows = [line for line in page.splitlines() if re.match(r"\| `\w+Error` \| \d", line)]
    listed = {word for row in rows for word in re.findall(r"`([a-z_]+)`", row)}
    assert listed == set(CODES) - {"error"}
    for kind in AgentMemError.__subclasses__():
        assert any(f"`{kind.__name__}` | {kind.status} | `{kind.code}`" in row for row in rows) or kind.status == 500


def test_an_error_of_another_class_is_made_of_the_same_data():
    foreign = ForeignThreadError.of_another_user()
    refused = RefusedError.of(foreign)
    assert (refused.field, refused.rule, refused.advice) == (foreign.field, foreign.rule, foreign.advice)
    assert (refused.code, refused.status) == ("foreign_thread", 422)
    assert BackendError.of(InvalidInputError("x", field="mem")).code == "backend_unavailable"
    assert BackendError.of(InvalidInputError("x", code="wrong_embedder")).code == "wrong_embedder"


def test_every_error_of_the_package_names_its_field_and_glues_none_into_its_rule():
    wrong = []
    for where, call in calls():
        rule = ast.unparse(call.args[0])
        if "field" not in {keyword.arg for keyword in call.keywords} or re.match(r"f?['\"]\w+: ", rule):
            wrong.append(where)
    assert len(list(calls())) > 100
    assert wrong == []


def test_no_error_is_made_of_the_text_of_another_error():
    assert [where for where, call in calls() if call.args and ast.unparse(call.args[0]).startswith("str(")] == []


def test_a_phrase_in_a_text_is_said_in_other_words_and_one_that_only_looks_like_it_is_not():
    words = {Phrase.REINDEX: "agentmem reindex"}
    text = Wording("you wrote reindex(): run ", Phrase.REINDEX)
    assert text == "you wrote reindex(): run reindex()"
    assert worded(text, words) == "you wrote reindex(): run agentmem reindex"
    assert worded("run reindex()", words) == "run reindex()"
    assert worded(Phrase.REINDEX, words) == "agentmem reindex"
    assert worded(pickle.loads(pickle.dumps(text)), words) == worded(text, words)  # noqa: S301


def test_a_sentence_has_no_colon_without_a_field_and_no_semicolon_without_advice():
    assert sentence("it is down") == "it is down"


def _codes(file):
    """The values that a file gives to what is annotated as a code."""
    for node in ast.walk(ast.parse(file.read_text("utf-8"))):
        if isinstance(node, ast.AnnAssign) and node.value and "Code" in ast.unparse(node.annotation):
            yield from (one for one in ast.walk(node.value) if isinstance(one, ast.Constant))


def _is_literal_code(keyword):
    return keyword.arg == "code" and isinstance(keyword.value, ast.Constant)


@pytest.mark.parametrize("kind", tree(), ids=lambda kind: kind.__name__)
def test_an_error_of_every_class_is_told_in_json_by_its_parts_and_a_conflict_with_what_is_stored(kind):
    error = filled(kind)
    told = json.loads(json.dumps(error.to_json()))
    stored = {"current": ["a", "block"]} if issubclass(kind, ConflictError) else {}
    assert told == {
        "type": kind.__name__,
        "message": str(error),
        "code": error.code,
        "field": "limit",
        "rule": "must be 1 to 50",
        "hint": "run sweep()",
        "status": kind.status,
        **stored,
    }


def test_what_a_model_said_is_not_told():
    assert "no JSON" not in json.dumps(ExtractionError("not usable", answer="no JSON").to_json())
