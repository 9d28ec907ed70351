"""BEAM's chats as the benchmarks read them: the published folders in both their forms, and the file made of them."""

from __future__ import annotations

import json
import os
from datetime import UTC, datetime
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest

from agentmem.testing import HashingEmbeddings

BENCHMARKS = Path(__file__).parents[1] / "benchmarks"


@pytest.fixture
def bench(monkeypatch):
    """Import one of the benchmarks' modules, as the programs themselves do."""
    for name in [name for name in os.environ if name.startswith("AGENTMEM_")]:
        monkeypatch.delenv(name)  # the programs forget them for good
    for name in ("MEM0_DIR", "MEM0_TELEMETRY"):
        monkeypatch.setenv(name, os.environ.get(name, ""))  # put back afterwards, if a program sets them
    monkeypatch.syspath_prepend(BENCHMARKS)
    return import_module


@pytest.fixture
def beam_data(bench):
    return bench("beam_data")


@pytest.fixture
def published(bench):
    return bench("published")


def _said(id_: int, content: str, **more: Any) -> dict[str, Any]:
    return {"role": "user", "id": id_, "content": content, **more}


def _answered(id_: int) -> dict[str, Any]:
    return {"role": "assistant", "id": id_, "content": "Certainly! The tulips are behind the shed."}


def _chat() -> list[dict[str, Any]]:
    """A chat with the oddities of the published ones."""
    return [
        {
            "batch_number": 1,
            "turns": [
                [
                    _said(0, "We plant tulips\n\nbehind the shed, is that good? ->-> 1,1", time_anchor="March-15-2024"),
                    _answered(1),
                    _said(2, "My cat is called Moss -> really", question_type="answer_ai_question"),
                    _answered(3),
                ],
                [_said(4, " "), _answered(5)],
            ],
        },
        {
            "batch_number": 2,
            "turns": [[_said(6, "Rye bread again ->-> 2,N/A", time_anchor="April-05-2024"), _answered(7)]],
        },
    ]


def _asked() -> dict[str, list[dict[str, Any]]]:
    return {
        "abstention": [{"question": "Who am I?", "rubric": []}],
        "event_ordering": [{"question": "In which order,\nplease?", "source_chat_ids": [6, 0, 6, 7]}],
        "knowledge_update": [{"question": "The cat?", "source_chat_ids": {"original_info": [2], "updated_info": [99]}}],
        "summarization": [{"question": "What did you say?", "source_chat_ids": [1, 3]}],
    }


def _put(folder: Path, chat: object, asked: object, *, name: str = "chat.json") -> Path:
    (folder / "probing_questions").mkdir(parents=True, exist_ok=True)
    (folder / name).write_text(json.dumps(chat), "utf-8")
    (folder / "probing_questions" / "probing_questions.json").write_text(json.dumps(asked), "utf-8")
    return folder


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Two chats of one size, the tenth and the ninth."""
    size = tmp_path / "100K"
    _put(size / "10", _chat(), _asked())
    _put(size / "9", _chat(), _asked())
    return size


def _listed() -> list[dict[str, Any]]:
    """The same chat in a file."""
    lines = [
        {"id": "0", "text": "We plant tulips behind the shed, is that good?", "session": "B1", "date": "March-15-2024"},
        {"id": "2", "text": "My cat is called Moss -> really", "session": "B1", "date": "March-15-2024"},
        {"id": "6", "text": "Rye bread again ->-> 2,N/A", "session": "B2", "date": "April-05-2024"},
    ]
    questions = [
        {"question": "Who am I?", "category": "abstention", "evidence": []},
        {"question": "In which order, please?", "category": "event_ordering", "evidence": ["0", "6"]},
        {"question": "The cat?", "category": "knowledge_update", "evidence": ["2"]},
        {"question": "What did you say?", "category": "summarization", "evidence": []},
    ]
    return [{"id": "beam-100K-10", "lines": lines, "questions": questions}]


def test_a_chat_is_what_the_user_wrote_by_batch_with_the_date_of_its_first_message(beam_data, folder) -> None:
    (chat,) = beam_data.read(folder / "10")
    assert chat.name == "beam-100K-10"
    assert [(one.id, one.occurred_at) for one in chat.sessions] == [
        ("B1", datetime(2024, 3, 15, tzinfo=UTC)),
        ("B2", datetime(2024, 4, 5, tzinfo=UTC)),
    ]
    assert [(turn.id, turn.speaker, turn.text) for one in chat.sessions for turn in one.turns] == [
        ("0", None, "We plant tulips behind the shed, is that good?"),
        ("2", None, "My cat is called Moss -> really"),
        ("6", None, "Rye bread again"),
    ]
    assert chat.speakers == frozenset()


def test_a_question_is_asked_if_a_message_of_the_user_answers_it(beam_data, folder) -> None:
    (chat,) = beam_data.read(folder / "10")
    assert [(one.text, one.category, one.evidence) for one in chat.questions] == [
        ("In which order, please?", "event ordering", {"0", "6"}),
        ("The cat?", "knowledge update", {"2"}),
    ]
    assert chat.unasked == 2


def test_the_chats_of_a_size_come_by_their_number(beam_data, folder) -> None:
    assert [one.name for one in beam_data.read(folder)] == ["beam-100K-9", "beam-100K-10"]


def test_the_lists_that_hugging_face_has_and_a_file_read_like_the_folder(beam_data, folder, tmp_path) -> None:
    (of_folder,) = beam_data.read(folder / "10")
    flat = [[message for turn in batch["turns"] for message in turn] for batch in _chat()]
    assert beam_data.read(_put(tmp_path / "flat" / "100K" / "10", flat, _asked())) == [of_folder]
    file = tmp_path / "beam.json"
    file.write_text(json.dumps(_listed()), "utf-8")
    assert beam_data.read(file) == [of_folder]


def test_a_chat_that_was_cut_to_its_size_is_read_as_it_was_cut(beam_data, folder) -> None:
    _put(folder / "10", _chat()[:1], _asked(), name="chat_trunecated.json")
    (chat,) = beam_data.read(folder / "10")
    assert [one.id for one in chat.sessions] == ["B1"]


def test_an_id_that_two_messages_have_is_no_evidence(beam_data, tmp_path) -> None:
    chat = _chat()
    chat[1]["turns"][0][0]["id"] = 0
    (read,) = beam_data.read(_put(tmp_path / "1", chat, _asked()))
    ids = [turn.id for one in read.sessions for turn in one.turns]
    assert len(set(ids)) == 3
    assert [one.evidence for one in read.questions] == [{"2"}]


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda chat, _: chat[0].pop("turns"), "has no 'turns' in 1/chat.json, batch 1"),
        (lambda chat, _: chat[1]["turns"][0][0].pop("role"), "has no 'role' in 1/chat.json, batch 2"),
        (lambda chat, _: chat[0]["turns"][0][0].pop("id"), "has no 'id' in 1/chat.json, batch 1"),
        (lambda chat, _: chat[0]["turns"][0][0].pop("time_anchor"), "has no 'date' in chat 1"),
        (
            lambda chat, _: chat[0]["turns"][0][0].update(time_anchor="2024-03-15"),
            "has no date like 'March-15-2024' in chat 1",
        ),
        (lambda chat, _: chat.clear(), "has no messages of the user in chat 1"),
        (lambda _, asked: asked.update(abstention={}), "has no questions by category in 1/probing_questions/probing_"),
        (lambda _, asked: asked["abstention"][0].pop("question"), "has no 'question' in 1, a question of abstention"),
        (
            lambda _, asked: asked["abstention"][0].update(source_chat_ids=[1.5]),
            "has evidence that names no messages in 1, a question of abstention",
        ),
        (lambda _, asked: asked["abstention"][0].update(question=" "), "has an empty 'question' in chat 1, a question"),
    ],
)
def test_what_differs_from_a_published_folder_is_named(bench, beam_data, tmp_path, change, said) -> None:
    chat, asked = _chat(), _asked()
    change(chat, asked)
    with pytest.raises(bench("dialogues").NotPublishedError) as raised:
        beam_data.read(_put(tmp_path / "1", chat, asked))
    assert str(raised.value).startswith(said)


def test_a_folder_of_no_chats_another_file_and_a_broken_one_are_refused_in_one_line(bench, tmp_path, capsys) -> None:
    beam = bench("beam")
    _put(tmp_path / "chats" / "100K" / "1", _chat(), _asked())
    (tmp_path / "chats" / "100K" / "1" / "chat.json").unlink()
    (tmp_path / "locomo.json").write_text('[{"conversation": {}, "qa": []}]', "utf-8")
    (tmp_path / "none.json").write_text("{}", "utf-8")
    for name, said in [
        ("chats", "holds no chats: name a folder such as BEAM's chats/100K"),
        ("chats/100K", "has a file, 1/chat.json, that cannot be read: No such file or directory"),
        ("locomo.json", "has no 'lines' in chat 1"),
        ("none.json", "is neither a folder of BEAM's chats nor a list of them"),
        ("missing", "cannot be read: No such file or directory"),
    ]:
        assert beam.main(["--data", str(tmp_path / name)], embeddings=HashingEmbeddings()) == 2
        assert capsys.readouterr() == ("", f"beam.py: {tmp_path / name} {said}\n")


def test_the_program_for_locomo_refuses_a_file_of_beam(bench, tmp_path, capsys) -> None:
    file = tmp_path / "beam.json"
    file.write_text(json.dumps(_listed()), "utf-8")
    assert bench("locomo").main(["--data", str(file)], embeddings=HashingEmbeddings()) == 2
    assert capsys.readouterr().err == f"locomo.py: {file} has no 'conversation' in conversation 1\n"


def test_a_run_on_beam_measures_by_category_and_no_row_that_needs_names(bench, folder, capsys) -> None:
    arguments = ["--data", str(folder), "--json"]
    assert bench("beam").main(arguments, embeddings=HashingEmbeddings()) == 0
    measured = json.loads(capsys.readouterr().out)
    assert (measured["lines"], measured["questions"], measured["left_out"]) == (6, 4, 4)
    texts = {one["text"] for one in measured["systems"]}
    assert texts == {"bare words", "all as JSON"}
    assert not any("names" in one["name"] for one in measured["systems"])
    for one in measured["systems"]:
        assert set(one["found"]) == {"all", "event ordering", "knowledge update"}
        assert one["found"]["all"]["recall@5"] == 1, one["name"]


@pytest.mark.parametrize(("program", "more"), [("beam", ["--no-peers"]), ("ablation", [])])
def test_a_message_longer_than_a_line_may_be_by_default_is_measured_too(bench, tmp_path, program, more) -> None:
    chat = _chat()
    chat[0]["turns"][0][2]["content"] = "My cat is called Moss. " + "def plant(): pass; " * 1_000
    folder = _put(tmp_path / "1", chat, _asked())
    assert bench(program).main(["--data", str(folder), *more], embeddings=HashingEmbeddings()) == 0


def test_the_programs_for_both_sets_read_either(published, folder, tmp_path) -> None:
    assert len(published.read(folder)) == 2
    file = tmp_path / "beam.json"
    file.write_text(json.dumps(_listed()), "utf-8")
    assert [one.name for one in published.read(file)] == ["beam-100K-10"]


def test_a_floor_is_measured_on_chats_without_names(bench, folder, capsys) -> None:
    assert bench("floor").main(["--data", str(folder)], embeddings=HashingEmbeddings()) == 0
    assert capsys.readouterr().out.startswith(
        "4 questions with evidence in the top 10 (0 without), 4 foreign questions."
    )


def test_the_figures_around_the_chosen_ones_are_measured_on_request(bench, folder, capsys) -> None:
    ablation = bench("ablation")
    assert ablation.main(["--data", str(folder), "--apart", "1", "--around"], embeddings=HashingEmbeddings()) == 0
    _, _, *rows = capsys.readouterr().out.splitlines()
    assert [row.split("|")[1].strip() for row in rows] == list(ablation.AROUND)
