"""What `open` accepts."""

from __future__ import annotations

import pytest
from langchain_core.language_models import GenericFakeChatModel

import agentmem
from agentmem import InvalidInputError


@pytest.mark.parametrize("name", ["_env_file", "_env_prefix", "_secrets_dir", "self", "extra"])
def test_what_is_no_setting_is_refused_though_pydantic_would_take_it(tmp_path, embeddings, name):
    with pytest.raises(InvalidInputError, match=f"settings: '{name}' is not a setting; there are .*scan_below"):
        agentmem.open(tmp_path / "home", embeddings=embeddings, **{name: "x"})
    assert not (tmp_path / "home").exists()


def test_a_home_beside_the_path_is_refused(tmp_path, embeddings):
    with pytest.raises(InvalidInputError, match=r"home: .* both were given"):
        agentmem.open(tmp_path / "one", home=tmp_path / "two", embeddings=embeddings)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("model", [5, "gpt", object, lambda text: text])
def test_what_is_no_chat_model_is_refused(tmp_path, embeddings, model):
    with pytest.raises(InvalidInputError, match="chat_model: must be a LangChain chat model"):
        agentmem.open(tmp_path / "home", embeddings=embeddings, chat_model=model)
    assert not (tmp_path / "home").exists()


def test_a_chat_model_is_accepted(open_mem):
    assert open_mem(chat_model=GenericFakeChatModel(messages=iter([]))).check().ok


@pytest.mark.parametrize("setting", [{"index_batch": 5}, {"index_timeout": 5}])
def test_a_second_handle_with_another_setting_of_the_shared_index_is_refused(open_mem, setting):
    first = open_mem()
    open_mem()
    with pytest.raises(InvalidInputError, match=f"settings: {next(iter(setting))}: .* close it first"):
        open_mem(**setting)
    first.client("ada").memory.remember("tea")
    first.close()
    with pytest.raises(InvalidInputError, match="close it first"):
        open_mem(**setting)


def test_a_store_that_was_closed_may_be_opened_with_another_setting(open_mem):
    open_mem(index_batch=5).close()
    assert open_mem(index_batch=6).settings.index_batch == 6
