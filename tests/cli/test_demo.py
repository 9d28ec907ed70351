"""`agentmem demo`: it works as it stands, with the real model, and it notices when memory does not."""

from __future__ import annotations

import json
import shlex
from functools import partial
from importlib.resources import files

import pytest
from rich.console import Console

import agentmem
from agentmem.cli.call import Call
from agentmem.cli.output import to_json
from agentmem.cli.story import Story
from agentmem.embedding import MiniLM
from agentmem.testing import HashingEmbeddings


@pytest.fixture(scope="module")
def minilm():
    """The real model, loaded once for the demo and for the commands after it."""
    return MiniLM()


class Forgetful(HashingEmbeddings):
    """A model whose queries are like nothing it ever read."""

    def embed_documents(self, texts):
        return [[*super(Forgetful, self).embed_query(text), 0.0] for text in texts]

    def embed_query(self, _text):
        return [0.0] * self.dimensions + [1.0]


def test_it_shows_every_step_and_the_commands_at_its_end_work_as_printed(run, minilm, tmp_path):
    home = tmp_path / "the demo"
    ran = run("demo", "--home", home, embeddings=minilm)
    assert (ran.code, ran.err) == (0, "")
    for shown in (
        "The chat model is scripted",
        "<core_memory>",
        'recall(query="',
        "<system_reminders>",
        "this block was changed since it was read",
        "process",
        "Chroma",
        "Try next:",
    ):
        assert shown in ran.out
    _, _, to_try = ran.out.partition("Try next:")
    lines = [shlex.split(line) for line in to_try.splitlines() if line.strip()]
    assert len(lines) == 3
    for words in lines:
        after = run(*words[words.index("agentmem.cli") + 1 :], embeddings=minilm)
        assert (after.code, after.err) == (0, "")
        assert "Nothing found" not in after.out


def test_the_facts_of_every_step_are_json(home, embeddings):
    call = Call(opener=partial(agentmem.open, embeddings=embeddings), home=home)
    console = Console(quiet=True)
    with Story(call, None, console) as story:
        facts = [step.play() for step in story.steps if "process" not in step.title]
    told = json.loads(to_json(facts))
    assert [len(told), told[-1]["matches"][0]["explanation"]["answered_by"]] == [6, "chroma"]


def test_it_is_silent_about_other_stores_in_the_environment(run, home, monkeypatch, tables):
    before = tables()
    monkeypatch.setenv("AGENTMEM_DATABASE_URL", f"sqlite:///{home / 'agentmem.db'}")
    run("demo", "--home", home.parent / "demo", embeddings=Forgetful())
    assert tables() == before


def test_it_fails_loudly_when_memory_does_not_work(run, tmp_path):
    ran = run("demo", "--home", tmp_path / "demo", embeddings=Forgetful())
    assert ran.code == 1
    assert "error: demo: recall did not give the model the best match" in ran.err
    assert "Try next" not in ran.out
    assert run("demo", "--home", tmp_path / "demo", "--json", embeddings=Forgetful()).error["type"] == "DemoFailedError"


def test_it_leaves_a_folder_alone_that_no_demo_made(run, home, tables):
    before = tables()
    ran = run("demo", "--home", home)
    assert ran.code == 2
    assert "left alone" in ran.err
    assert tables() == before


def test_it_leaves_a_link_and_a_file_alone(run, tmp_path):
    (tmp_path / "demo").mkdir()
    (tmp_path / "demo" / "DEMO.txt").write_text("x")
    (tmp_path / "link").symlink_to(tmp_path / "demo")
    assert run("demo", "--home", tmp_path / "link").code == 2
    assert run("demo", "--home", tmp_path / "demo" / "DEMO.txt").code == 2
    assert (tmp_path / "demo" / "DEMO.txt").read_text() == "x"


def test_it_makes_its_own_folder_here_even_when_a_home_is_set(run, home, monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    run("demo", embeddings=Forgetful())
    assert (tmp_path / ".agentmem-demo" / "DEMO.txt").is_file()


def test_the_transcript_is_of_two_dated_conversations_and_nothing_in_it_is_said_twice():
    script = json.loads((files("agentmem.cli") / "transcript.json").read_text("utf-8"))
    turns = [turn for talk in script["conversations"] for turn in talk["turns"]]
    assert len(script["conversations"]) == 2
    assert 25 <= len(turns) <= 40
    assert len({turn["text"] for turn in turns}) == len(turns)
    assert {turn["speaker"] for turn in turns} == {script["user"]["name"], script["agent"]["name"]}
    assert all(agentmem.inputs.timestamp("at", turn["at"]) for turn in turns)
