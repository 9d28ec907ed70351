"""The benchmarks: their metrics by hand, what they read, and one whole run on a small file."""

from __future__ import annotations

import json
import math
import os
import re
import subprocess
import sys
import tomllib
import xml.etree.ElementTree as ET
from datetime import UTC, datetime
from importlib import import_module
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from agentmem.testing import HashingEmbeddings

BENCHMARKS = Path(__file__).parents[1] / "benchmarks"


@pytest.fixture
def bench(monkeypatch):
    """Import one of the benchmarks' modules, as the programs themselves do."""
    monkeypatch.syspath_prepend(BENCHMARKS)
    return import_module


@pytest.fixture
def metrics(bench):
    return bench("metrics")


@pytest.fixture
def dialogues(bench):
    return bench("locomo_data")


@pytest.fixture
def report(bench):
    return bench("report")


@pytest.fixture
def peers(bench):
    return bench("peers")


@pytest.fixture
def program(bench, monkeypatch):
    """Import one of the programs."""
    for name in [name for name in os.environ if name.startswith("AGENTMEM_")]:
        monkeypatch.delenv(name)  # the program forgets them for good
    for name in ("MEM0_DIR", "MEM0_TELEMETRY"):
        monkeypatch.setenv(name, os.environ.get(name, ""))  # put back afterwards, if the program sets them
    return bench


@pytest.fixture
def locomo(program):
    return program("locomo")


# --- metrics ---------------------------------------------------------------------------------------------------------


def test_recall_is_the_share_of_the_evidence_among_the_first_k(metrics) -> None:
    ranked = ["x", "a", "y", "b", "z"]
    assert metrics.recall_at(1, ranked, {"a", "b", "c"}) == 0
    assert metrics.recall_at(2, ranked, {"a", "b", "c"}) == 1 / 3
    assert metrics.recall_at(4, ranked, {"a", "b", "c"}) == 2 / 3
    assert metrics.recall_at(20, ranked, {"a", "b", "c"}) == 2 / 3


def test_a_hit_is_any_evidence_among_the_first_k(metrics) -> None:
    assert metrics.hit_at(1, ["x", "a"], {"a", "b"}) == 0
    assert metrics.hit_at(2, ["x", "a"], {"a", "b"}) == 1


def test_the_reciprocal_rank_is_that_of_the_first_evidence(metrics) -> None:
    assert metrics.reciprocal_rank(["x", "y", "b", "a"], {"a", "b"}) == 1 / 3
    assert metrics.reciprocal_rank(["x", "y"], {"a"}) == 0


def test_ndcg_discounts_by_place_and_is_1_for_the_best_possible_list(metrics) -> None:
    assert metrics.ndcg_at(10, ["a", "b", "x"], {"a", "b"}) == 1
    by_hand = (1 / math.log2(3) + 1 / math.log2(5)) / (1 / math.log2(2) + 1 / math.log2(3))
    assert metrics.ndcg_at(10, ["x", "a", "y", "b"], {"a", "b"}) == pytest.approx(by_hand)
    assert metrics.ndcg_at(1, ["a", "b"], {"a", "b"}) == 1
    assert metrics.ndcg_at(1, ["x", "a"], {"a"}) == 0


def test_the_mean_counts_every_question_alike(metrics) -> None:
    scores = metrics.mean_scores([(["a", "b"], {"a", "b"}), (["x", "a"], {"a", "b", "c", "d"}), (["x"], {"a"})])
    assert list(scores) == ["recall@5", "recall@10", "recall@20", "MRR", "nDCG@10", "hit@10"]
    assert scores["recall@5"] == pytest.approx((1 + 1 / 4 + 0) / 3)
    assert scores["MRR"] == pytest.approx((1 + 1 / 2 + 0) / 3)
    assert scores["hit@10"] == pytest.approx(2 / 3)


def test_a_percentile_lies_between_two_values_in_proportion(metrics) -> None:
    values = [40, 10, 30, 20]
    assert [metrics.percentile(values, percent) for percent in (0, 50, 95, 100)] == [10, 25, pytest.approx(38.5), 40]
    assert metrics.percentile([7], 95) == 7


# --- the file --------------------------------------------------------------------------------------------------------


def _turn(dia_id: str, speaker: str, text: str, **more: Any) -> dict[str, Any]:
    return {"dia_id": dia_id, "speaker": speaker, "text": text, **more}


def _published() -> list[dict[str, Any]]:
    """Two small conversations with the oddities of the published ones.

    No question has two lines of one session with the same score: those would come in the order of their random ids.
    """
    return [
        {
            "sample_id": "conv-a",
            "conversation": {
                "speaker_a": "Ada",
                "speaker_b": "Bo",
                "session_1_date_time": "1:56 pm on 8 May, 2023",
                "session_1": [
                    _turn("D1:1", "Ada", "I adopted a grey kitten called Moss"),
                    _turn("D1:2", "Bo", "Lovely! \n\n[shares a photo]", blip_caption="a photo of a harbour"),
                    _turn("D1:3", "Bo", "", blip_caption="a photo of nothing said"),
                ],
                "session_10_date_time": "12:05 am on 1 June, 2023",
                "session_10": [_turn("D10:1", "Bo", "My rowing club races in Bergen on Sunday")],
                "session_2_date_time": "9:00 am on 20 May, 2023",
                "session_2": [_turn("D2:1", "Ada", "The bakery sold out of rye bread")],
                "session_3_date_time": "9:00 am on 21 May, 2023",
            },
            "qa": [
                {"question": "What is the grey kitten called?", "answer": "Moss", "evidence": ["D1:1"], "category": 4},
                {"question": "rowing races, rye bread, photo", "evidence": ["D10:01; D:2:1"], "category": 1},
                {"question": "Is it true?", "evidence": [], "category": 3},
                {"question": "Who said so?", "evidence": ["D", "D9:9"], "category": 5},
            ],
        },
        {
            "sample_id": "conv-b",
            "conversation": {
                "session_1_date_time": "8:00 pm on 3 July, 2022",
                "session_1": [
                    _turn("D1:1", "Cy", "We planted tulips behind the shed"),
                    _turn("D1:2", "Di", "I adopted a grey kitten called Moss"),
                ],
            },
            "qa": [{"question": "Where are the tulips planted?", "evidence": ["D1:1"], "category": 4}],
        },
    ]


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "small.json"
    path.write_text(json.dumps(_published()), "utf-8")
    return path


def test_sessions_come_in_order_of_their_number_and_those_without_turns_are_left_out(dialogues, file) -> None:
    first, _ = dialogues.read(file)
    assert [session.id for session in first.sessions] == ["session_1", "session_2", "session_10"]
    assert first.sessions[2].occurred_at == datetime(2023, 6, 1, 0, 5, tzinfo=UTC)


def test_a_turn_is_its_words_on_one_line_without_the_caption_of_a_picture(dialogues, file) -> None:
    first, _ = dialogues.read(file)
    assert [turn.text for turn in first.sessions[0].turns] == [
        "I adopted a grey kitten called Moss",
        "Lovely! [shares a photo]",
    ]


def test_evidence_is_found_however_it_is_written_and_questions_without_any_are_counted(dialogues, file) -> None:
    first, _ = dialogues.read(file)
    assert [question.evidence for question in first.questions] == [{"D1:1"}, {"D10:1", "D2:1"}]
    assert first.unasked == 2


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda one: one.pop("qa"), "has no 'qa' in conversation 1"),
        (lambda one: one.update(conversation=[]), "has no 'conversation' in conversation 1"),
        (lambda one: one.update(conversation={"speaker_a": "Ada"}), "has no turns in conversation 1"),
        (
            lambda one: one["conversation"].pop("session_2_date_time"),
            "has no 'session_2_date_time' in conversation 1, session_2",
        ),
        (
            lambda one: one["conversation"].update(session_2_date_time="20 May 2023"),
            "has no date like '1:56 pm on 8 May, 2023' in conversation 1, session_2",
        ),
        (
            lambda one: one["conversation"]["session_2"][0].pop("speaker"),
            "has no 'speaker' in conversation 1, session_2",
        ),
        (
            lambda one: one["conversation"]["session_2"][0].update(dia_id="D1:1"),
            "has a 'dia_id' twice in conversation 1",
        ),
        (
            lambda one: one["qa"][0].update(evidence=[7]),
            "has evidence that is no list of texts in conversation 1, a question",
        ),
        (lambda one: one["qa"][0].update(question=" "), "has an empty 'question' in conversation 1, a question"),
    ],
)
def test_what_differs_from_the_published_file_is_named_in_one_line(locomo, tmp_path, capsys, change, said) -> None:
    published = _published()
    change(published[0])
    _refuses(locomo, tmp_path / "other.json", json.dumps(published).encode(), said, capsys)


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"{}", "is not a list of conversations, as LoCoMo publishes them"),
        (b"[]", "is not a list of conversations, as LoCoMo publishes them"),
        (b"[7]", "has no 'conversation' in conversation 1"),
        (b"{'a': 1}", "is not JSON"),
        (b"", "is not JSON"),
        (b"\xff\xfe\x00", "is not JSON"),
    ],
)
def test_another_file_is_refused_in_one_line(locomo, tmp_path, capsys, content, said) -> None:
    _refuses(locomo, tmp_path / "other.json", content, said, capsys)


def _refuses(locomo, path: Path, content: bytes, said: str, capsys) -> None:
    path.write_bytes(content)
    assert locomo.main(["--data", str(path)], embeddings=HashingEmbeddings()) == 2
    assert capsys.readouterr() == ("", f"locomo.py: {path} {said}\n")


def test_the_program_runs_as_a_script_and_names_a_missing_file_in_one_line(tmp_path) -> None:
    command = [sys.executable, str(BENCHMARKS / "locomo.py"), "--data", "missing.json"]
    ran = subprocess.run(command, cwd=tmp_path, check=False, capture_output=True, text=True)
    assert (ran.returncode, ran.stdout) == (2, "")
    assert ran.stderr == "locomo.py: missing.json cannot be read: No such file or directory\n"


# --- a whole run -----------------------------------------------------------------------------------------------------


def _run(locomo, capsys, *arguments: object) -> dict[str, Any]:
    assert locomo.main([*map(str, arguments), "--json"], embeddings=HashingEmbeddings()) == 0
    return json.loads(capsys.readouterr().out)


def test_every_system_finds_the_same_in_the_same_words_and_conversations_stay_apart(
    locomo, peers, capsys, file
) -> None:
    measured = _run(locomo, capsys, "--data", file)
    assert measured["conversations"] == ["conv-a", "conv-b"]
    assert (measured["lines"], measured["questions"], measured["left_out"]) == (6, 3, 2)
    others = ["Chroma", "LangGraph InMemoryStore", *(peer.name for peer in peers.PEERS if peer.is_installed)]
    assert [(one["name"], one["text"]) for one in measured["systems"]] == [
        ("agentmem", "bare words"),
        ("agentmem, through Chroma", "bare words"),
        ("agentmem", "speaker: words"),
        *((name, "bare words") for name in others),
        *((name, "speaker: words") for name in others),
        ("LangGraph InMemoryStore", "all as JSON"),
        ("Chroma, asked without names", "bare words"),
    ]
    for one in measured["systems"]:
        assert set(one["found"]) == {"all", "multi-hop", "single-hop"}
        assert one["found"]["single-hop"]["MRR"] == 1, one["name"]
        assert one["found"]["all"]["recall@5"] == 1, one["name"]
        assert set(one["milliseconds"]["recall"]) == {"embedding_median", "embedding_p95", "own_median", "own_p95"}
    assert measured["systems"][3]["ratio"] == {"add": 1, "recall": 1}


def test_a_system_that_is_not_installed_is_named_with_the_command_for_it(
    locomo, peers, capsys, file, monkeypatch
) -> None:
    monkeypatch.setattr(peers, "find_spec", lambda _name: None)
    bench = "pip install -c constraints.txt -e '.[bench]'"
    absent = {"LangGraph SqliteStore": bench, "LangMem": bench, "mem0": "pip install 'mem0ai>=2.2,<3'"}
    assert _run(locomo, capsys, "--data", file)["not_measured"] == absent
    assert locomo.main(["--data", str(file)], embeddings=HashingEmbeddings()) == 0
    shown = capsys.readouterr().out
    for name, command in absent.items():
        assert f"Not measured, because it is not installed: {name} (`{command}`)." in shown
    assert _run(locomo, capsys, "--data", file, "--no-peers")["not_measured"] == {}


def test_what_would_install_the_others_is_what_the_project_offers(peers) -> None:
    extras = tomllib.loads((BENCHMARKS.parent / "pyproject.toml").read_text("utf-8"))["project"][
        "optional-dependencies"
    ]
    offered = {re.split("[<>=]", need)[0] for need in extras["bench"]}
    assert offered == {"langgraph-checkpoint-sqlite", "langmem", "pysqlite3"}
    assert {peer.install for peer in peers.PEERS if ".[bench]" not in peer.install} == {"pip install 'mem0ai>=2.2,<3'"}


class _Noting(HashingEmbeddings):
    """Embeddings that note every text."""

    def __init__(self) -> None:
        super().__init__()
        self.texts: list[str] = []

    def embed_query(self, text: str) -> list[float]:
        self.texts.append(text)
        return super().embed_query(text)


def test_each_system_embeds_the_text_that_its_row_names(bench, program, dialogues, file, tmp_path) -> None:
    noting = _Noting()
    conversation = dialogues.read(file)[0]
    words = "The bakery sold out of rye bread"
    for system in bench("systems").everyone(tmp_path, noting, 256, peers=True):
        noting.texts.clear()
        system.add(conversation.key, conversation.sessions[1])
        embedded = {
            "bare words": words in noting.texts,
            "speaker: words": f"Ada: {words}" in noting.texts,
            "all as JSON": any(text.startswith("{") for text in noting.texts),
        }
        assert [text for text, was in embedded.items() if was] == [system.text], system.name
        noting.texts.clear()
        assert system.recall(conversation.key, "What did Ada eat?") == ["D2:1"]
        if "agentmem" not in system.name:
            named = "What did eat?" if system.name.endswith("without names") else "What did Ada eat?"
            assert noting.texts == [named], system.name
        system.close()


def test_the_time_in_the_embedder_is_not_counted_twice(locomo, bench, monkeypatch) -> None:
    shared = bench("systems").timed(HashingEmbeddings())
    monkeypatch.setattr(locomo, "time", SimpleNamespace(perf_counter=iter([10.0, 17.0]).__next__))
    shared.spent, shared.charged = 100.0, 200.0

    def call(answer: str) -> str:
        shared.spent += 3
        shared.charged += 5
        return answer

    assert locomo._timed(shared, call, "yes") == ("yes", bench("report").Cost(embedding=5, own=4))  # noqa: SLF001


def test_the_same_request_is_computed_once_and_charged_to_everyone_who_makes_it(bench, monkeypatch) -> None:
    noting = _Noting()
    shared = bench("systems").timed(noting)
    clock = iter([0.0, 3.0, 4.0, 10.0, 11.0, 20.0, 23.0, 24.0])
    monkeypatch.setattr(bench("systems"), "time", SimpleNamespace(perf_counter=clock.__next__))
    first, second = shared.embed_query("rye"), shared.embed_query("rye")
    assert first == second
    assert noting.texts == ["rye"]
    assert (shared.spent, shared.charged) == (5, 6)
    shared.forget()
    shared.embed_query("rye")
    assert noting.texts == ["rye", "rye"]
    assert (shared.spent, shared.charged) == (9, 9)


def test_a_question_without_names_keeps_its_other_words(bench) -> None:
    without_names = bench("systems").without_names
    assert without_names("What did Ada's sister give ada-lovers in Nevada?", {"Ada"}) == (
        "What did sister give -lovers in Nevada?"
    )
    assert without_names("Ada and Bo?", {"Ada", "Bo"}) == "and ?"
    assert without_names("Ada's?", {"Ada"}) == "Ada's?"


def test_the_scan_and_chroma_agree_and_each_did_answer(locomo, capsys, file) -> None:
    measured = _run(locomo, capsys, "--data", file, "--no-peers")
    assert measured["same_through_scan_and_chroma"] == measured["questions"] == 3
    assert [one["answered_by"] for one in measured["systems"]] == [{"scan": 3}, {"chroma": 3}, {"scan": 3}]
    assert measured["systems"][0]["ratio"] == {"add": None, "recall": None}


def test_conversations_are_chosen_by_their_number(locomo, capsys, file) -> None:
    assert _run(locomo, capsys, "--data", file, "--conversations", "2", "--no-peers")["conversations"] == ["conv-b"]
    assert locomo.main(["--data", str(file), "--conversations", "1,3"], embeddings=HashingEmbeddings()) == 2
    assert capsys.readouterr().err == "locomo.py: --conversations: there are 1 to 2\n"


@pytest.mark.parametrize("numbers", ["0", "x", "1,", "-1"])
def test_a_conversation_that_is_no_number_is_refused(locomo, file, capsys, numbers) -> None:
    with pytest.raises(SystemExit, match="2"):
        locomo.main(["--data", str(file), f"--conversations={numbers}"])
    assert "is not a whole number from 1 on" in capsys.readouterr().err


def test_settings_in_the_environment_are_not_measured(locomo, capsys, file, monkeypatch, tmp_path) -> None:
    monkeypatch.setenv("AGENTMEM_DATABASE_URL", f"sqlite:///{tmp_path / 'mine.db'}")
    monkeypatch.setenv("AGENTMEM_SCAN_BELOW", "0")
    measured = _run(locomo, capsys, "--data", file, "--no-peers")
    assert measured["systems"][0]["answered_by"] == {"scan": 3}
    assert not (tmp_path / "mine.db").exists()


def test_a_run_leaves_nothing_behind(locomo, capsys, file, monkeypatch, tmp_path) -> None:
    own = tmp_path / "own"
    own.mkdir()
    monkeypatch.setattr("tempfile.tempdir", str(own))
    _run(locomo, capsys, "--data", file)
    assert list(own.iterdir()) == []


def test_the_tables_line_up_and_go_between_the_marks_of_a_document(locomo, report, capsys, file, tmp_path) -> None:
    document, (begin, end) = tmp_path / "page.md", report.marks("locomo")
    document.write_text(f"before\n{begin}\nold\n{end}\nafter\n", "utf-8")
    assert locomo.main(["--data", str(file), "--output", str(document)], embeddings=HashingEmbeddings()) == 0
    shown = capsys.readouterr().out
    written = document.read_text("utf-8")
    assert written == f"before\n{begin}\n\n{shown}\n{end}\nafter\n"
    tables = re.findall(r"(?:^\|.*\|\n)+", written, re.MULTILINE)
    assert len({len(table.splitlines()) for table in tables}) == 1
    assert len(tables) == 4
    assert all(len({len(line) for line in table.splitlines()}) == 1 for table in tables)


def test_a_document_without_the_marks_is_refused_before_the_run(locomo, report, capsys, file, tmp_path) -> None:
    document, (begin, end) = tmp_path / "page.md", report.marks("locomo")
    for content in (None, "nothing", f"{end} {begin}", begin):
        if content is not None:
            document.write_text(content, "utf-8")
        assert locomo.main(["--data", str(file), "--output", str(document)]) == 2
        assert capsys.readouterr().err.startswith(f"locomo.py: --output: {document} must have ")
    assert document.read_text("utf-8") == begin


def test_the_published_page_has_its_place_for_the_tables_of_both_sets(report) -> None:
    for program in ("locomo", "beam"):
        assert report.has_place(BENCHMARKS.parent / "docs" / "benchmarks.md", program)


# --- the floor -------------------------------------------------------------------------------------------------------


@pytest.fixture
def floor(program):
    return program("floor")


def test_a_floor_keeps_what_reaches_it(floor) -> None:
    scores = floor.Scores(evidence=[0.6, 0.30, 0.25, 0.1], foreign=[0.24, 0.0], missed=3)
    shares = {point.floor: (point.kept, point.let_through) for point in floor.curve(scores)}
    assert list(shares) == [0.05, 0.1, 0.15, 0.2, 0.25, 0.3, 0.35, 0.4, 0.45, 0.5, 0.55, 0.6]
    assert shares[0.05] == (1, 0.5)
    assert shares[0.2] == (0.75, 0.5)
    assert shares[0.25] == (0.75, 0)
    assert shares[0.6] == (0.25, 0)


def test_every_question_is_asked_of_its_own_and_of_another_conversation(floor, dialogues, file) -> None:
    scores = floor.measure(dialogues.read(file), HashingEmbeddings())
    assert (len(scores.evidence), len(scores.foreign), scores.missed) == (3, 3, 0)
    kitten, _, tulips = zip(scores.evidence, scores.foreign, strict=True)
    assert kitten[0] == pytest.approx(kitten[1], abs=0.1)  # someone says the same in the other conversation
    assert tulips[0] > tulips[1]


def test_a_foreign_question_does_not_name_the_people_it_was_about(floor, dialogues, file) -> None:
    published = _published()
    published[0]["qa"][0]["question"] = "What is the grey kitten of Ada called?"
    file.write_text(json.dumps(published), "utf-8")
    noting = _Noting()
    floor.measure(dialogues.read(file), noting)
    assert [text for text in noting.texts if "Ada" in text] == []
    assert "What is the grey kitten of called?" in noting.texts


def test_the_curve_is_printed_and_drawn(floor, capsys, file, tmp_path) -> None:
    picture = tmp_path / "floor.svg"
    assert floor.main(["--data", str(file), "--svg", str(picture)], embeddings=HashingEmbeddings()) == 0
    said, _, rows = capsys.readouterr().out.partition("\n\n")
    assert said == "3 questions with evidence in the top 10 (0 without), 3 foreign questions."
    assert [line.split("|")[1].strip() for line in rows.splitlines()[2:]] == [
        f"{step / 20:.2f}" for step in range(1, 13)
    ]
    assert next(line for line in rows.splitlines() if "default" in line).startswith("| 0.25")
    lines = ET.fromstring(picture.read_text("utf-8")).findall("{http://www.w3.org/2000/svg}polyline")  # noqa: S314
    assert [len(line.attrib["points"].split()) for line in lines[-2:]] == [12, 12]


def test_one_conversation_alone_has_no_foreign_questions(floor, capsys, file) -> None:
    assert floor.main(["--data", str(file), "--conversations", "2"], embeddings=HashingEmbeddings()) == 2
    assert capsys.readouterr().err == "floor.py: --conversations: a foreign question needs a second conversation\n"


# --- scale -----------------------------------------------------------------------------------------------------------


@pytest.fixture
def scale(program):
    pytest.importorskip("resource", reason="the peak of memory is read on Unix only")
    return program("scale")


@pytest.mark.parametrize(
    ("lines", "large", "users"), [(1_000, 500, 2), (10_000, 5_000, 25), (1_000_000, 100_000, 4_500)]
)
def test_one_user_has_half_of_the_lines_up_to_100_000_and_the_others_200_each(scale, lines, large, users) -> None:
    store = scale.Store("", lines, 1)
    assert (store.large, len(store.users)) == (large, users)


def test_a_question_is_nearest_to_its_own_line_then_to_its_topic(scale) -> None:
    store, embeddings = scale.Store("", 1_000, 1), scale.TopicEmbeddings()
    question = store.question("user-0", 3)
    own = store.text("user-0", 3 * 7_919 % 200)
    assert own in question
    topic, _, _ = own.partition(" ")
    same, other = f"{topic} something else", "topic-x something else"
    near, nearer, far = (_cosine(*embeddings.embed_documents([question, line])) for line in (same, own, other))
    assert nearer > near > far
    assert embeddings.embed_query(own) == scale.TopicEmbeddings().embed_documents([own])[0]


def _cosine(one: list[float], other: list[float]) -> float:
    return (
        sum(a * b for a, b in zip(one, other, strict=True))
        / math.dist(one, [0] * len(one))
        / math.dist(other, [0] * len(other))
    )


def test_texts_differ_by_user_number_and_seed_and_by_nothing_else(scale) -> None:
    store, again, other = scale.Store("", 1_000, 1), scale.Store("", 5_000, 1), scale.Store("", 1_000, 2)
    assert store.text("user-0", 1) == again.text("user-0", 1)
    assert (
        len({store.text("user-0", 1), store.text("user-0", 2), store.text("user-1", 1), other.text("user-0", 1)}) == 4
    )


def _cells(table: str) -> dict[str, list[str]]:
    rows = [[cell.strip() for cell in line.split("|")[1:-1]] for line in table.splitlines()]
    return {name: cells for name, *cells in rows}


def test_a_run_measures_every_figure_and_leaves_nothing_behind(scale, capsys, monkeypatch, tmp_path) -> None:
    monkeypatch.setattr(scale, "_alone", lambda stage, store: stage(store))
    monkeypatch.setattr(scale, "_QUESTIONS", 5)
    assert scale.main(["--sizes", "1000", "--home", str(tmp_path)]) == 0
    table, progress = capsys.readouterr()
    cells = _cells(table)
    assert cells["lines in all"] == ["1,000"]
    assert cells["users of 200 lines"] == ["2"]
    assert cells["large user answered by"] == ["the scan"]
    assert cells["recall@10 of Chroma against the scan"] == ["1.000"]
    assert cells["writing, lines/s"][0].endswith(" (×1.00)")
    assert progress.splitlines()[0] == "1,000 lines: fill…"
    assert list(tmp_path.iterdir()) == []


def test_without_the_large_user_each_stage_is_measured_for_one_size_after_the_other(
    scale, capsys, monkeypatch, tmp_path
) -> None:
    monkeypatch.setattr(scale, "_alone", lambda stage, store: stage(store))
    assert scale.main(["--sizes", "1000,1400", "--users-only", "--home", str(tmp_path)]) == 0
    table, progress = capsys.readouterr()
    assert [line.split("…")[0] for line in progress.splitlines()] == [
        f"{lines} lines: {stage}" for stage in ("fill", "recall small") for lines in ("1,000", "1,400")
    ]
    cells = _cells(table)
    assert cells["users of 200 lines"] == ["2", "3"]
    assert "recall, first of a user: median, ms" in cells
    assert "large user answered by" not in cells


def test_a_column_of_the_table_relates_to_the_smallest_size(scale) -> None:
    of_size = [dict.fromkeys(scale._ROWS, value) for value in (2.0, 5.0)]  # noqa: SLF001
    cells = _cells(scale.markdown({1_000: of_size[0], 10_000: of_size[1]}))
    assert cells["lines in all"] == ["1,000", "10,000"]
    assert cells["recall, large user: median, ms"] == ["2.0 (×1.00)", "5.0 (×2.50)"]
    assert cells["users of 200 lines"] == ["2", "5"]
    assert cells["large user answered by"] == ["Chroma", "Chroma"]


def test_memory_is_measured_in_a_process_of_its_own(scale) -> None:
    assert scale._alone(os.getpid) != os.getpid()  # noqa: SLF001


def test_a_store_too_small_to_measure_and_a_missing_folder_are_refused(scale, capsys, tmp_path) -> None:
    assert scale.main(["--sizes", "999"]) == 2
    assert capsys.readouterr().err == "scale.py: --sizes: the smallest store has 1,000 lines\n"
    assert scale.main(["--home", str(tmp_path / "missing")]) == 2
    assert capsys.readouterr().err == f"scale.py: --home: {tmp_path / 'missing'} is no folder\n"


# --- the parts of the ranking ----------------------------------------------------------------------------------------


@pytest.fixture
def ablation(program):
    return program("ablation")


def test_every_part_that_is_taken_away_is_there_to_be_taken_and_is_put_back(ablation, dialogues, bench, file) -> None:
    conversations = dialogues.read(file)
    shared = bench("systems").timed(HashingEmbeddings())
    first = ablation.answers(conversations, shared, {})
    for changed in ablation.PARTS.values():
        assert set(ablation.answers(conversations, shared, changed)) == set(first)
    assert ablation.answers(conversations, shared, {}) == first


def test_without_words_only_meaning_ranks_and_without_meaning_only_words_do(ablation, dialogues, bench, file) -> None:
    class Upside(HashingEmbeddings):
        """What means the most is what shares no word with the question."""

        def embed_query(self, text: str) -> list[float]:
            return super().embed_query("I adopted a grey kitten called Moss" if text.endswith("?") else text)

    conversations = dialogues.read(file)[1:]
    shared = bench("systems").timed(Upside())
    asked = conversations[0].key + conversations[0].questions[0].text
    by_word = ablation.answers(conversations, shared, ablation.PARTS["without meaning"])[asked]
    by_meaning = ablation.answers(conversations, shared, ablation.PARTS["without words"])[asked]
    assert (by_word[0], by_meaning[0]) == ("D1:1", "D1:2")


def test_without_dates_the_oldest_line_is_not_found_by_its_date(ablation, dialogues, bench, file) -> None:
    published = _published()[:1]
    published[0]["qa"] = [{"question": "8 May", "evidence": ["D1:1"], "category": 2}]
    file.write_text(json.dumps(published), "utf-8")
    conversations = dialogues.read(file)
    shared = bench("systems").timed(HashingEmbeddings())
    by_word = ablation.PARTS["without meaning"]
    dated, undated = (
        ablation.answers(conversations, shared, {**by_word, **more})[conversations[0].key + "8 May"]
        for more in ({}, ablation.PARTS["without dates"])
    )
    assert dated[0] in {"D1:1", "D1:2"}
    assert undated[0] == "D10:1"  # no word matches, and it is the newest


def test_a_table_shows_some_conversations_apart_from_the_others(ablation, capsys, file) -> None:
    assert ablation.main(["--data", str(file), "--apart", "1"], embeddings=HashingEmbeddings()) == 0
    head, _, *rows = capsys.readouterr().out.splitlines()
    assert [cell.strip() for cell in head.split("|")[2:-1]] == [
        f"{figure}, {group}" for group in ("all", "1", "2") for figure in ("recall@10", "MRR")
    ]
    assert [row.split("|")[1].strip() for row in rows] == list(ablation.PARTS)


# --- a cold process --------------------------------------------------------------------------------------------------


@pytest.fixture
def cold(program):
    return program("cold")


def test_both_runtimes_are_asked_in_turn_and_the_best_run_after_the_first_counts(cold, monkeypatch, tmp_path) -> None:
    spent = iter([0.1, 0.2, 2.0, 8.0, 1.0, 9.0])
    monkeypatch.setattr(cold, "seconds", lambda _folder, _before: next(spent))
    assert cold.best(tmp_path, 2) == {"onnxruntime": 1.0, "sentence-transformers": 8.0}
    assert cold.markdown(1_000, {"onnxruntime": 1.0, "sentence-transformers": 8.0}).endswith("|  0.12 |")


def test_a_process_that_gives_no_answer_is_no_measurement(cold, tmp_path) -> None:
    with pytest.raises(RuntimeError, match="exit code 3"):
        cold.seconds(tmp_path, "import sys; sys.exit(3); ")


# --- a conversation --------------------------------------------------------------------------------------------------


@pytest.fixture
def talk(program):
    return program("conversation")


def test_a_run_times_every_stage_of_a_conversation_and_leaves_nothing_behind(talk, capsys, tmp_path) -> None:
    assert talk.main(["--contacts", "10,11", "--conversations", "1", "--home", str(tmp_path)]) == 0
    table, progress = capsys.readouterr()
    cells = _cells(table)
    assert cells["milliseconds"] == ["10 contacts", "11 contacts", "ratio"]
    assert {f"{stage}, {name}" for stage in talk.STAGES for name in ("median", "p95")} <= set(cells)
    assert progress.splitlines() == ["10 contacts: fill…", "11 contacts: fill…"]
    assert list(tmp_path.iterdir()) == []


def test_what_is_timed_learns_something_of_every_kind_and_nothing_is_refused(talk, tmp_path) -> None:
    with talk.opened(tmp_path, 10) as mem:
        talk.fill(mem, 10)
        for number in (3, 3 + talk.CALLERS):
            spent = talk.conversation(mem, number)
        assert [len(spent[stage]) for stage in talk.STAGES] == [1, talk.TURNS, 1, 1, 1]
        record = mem.conversations.list(limit=1)[0]
    assert (record.extraction, record.extraction_note) == ("done", None)
    assert {(change.kind, change.action) for change in record.changes} == {
        ("fact", "changed"),
        ("summary", "changed"),
        ("entity", "changed"),
        ("open_item", "added"),
        ("open_item", "removed"),
        ("line", "added"),
        ("line", "confirmed"),
    }
    assert len(record.context.memories) == len(talk._FACTS) + 2  # noqa: SLF001 - what was learned the first time


def test_a_table_of_conversations_relates_the_largest_store_to_the_smallest(talk) -> None:
    spent = {contacts: {stage: [seconds] for stage in talk.STAGES} for contacts, seconds in ((10, 0.002), (100, 0.003))}
    assert _cells(talk.markdown(spent))["end, p95"] == ["2.0", "3.0", "1.50"]


def test_fewer_contacts_than_callers_and_a_missing_folder_are_refused_here_too(talk, capsys, tmp_path) -> None:
    assert talk.main(["--contacts", "9,100"]) == 2
    said = "conversation.py: --contacts: 10 of them call, so there are at least as many\n"
    assert capsys.readouterr().err == said
    assert talk.main(["--home", str(tmp_path / "missing")]) == 2
    assert capsys.readouterr().err == f"conversation.py: --home: {tmp_path / 'missing'} is no folder\n"


@pytest.fixture
def turns(program):
    return program("turns")


def _round(turns, **figures) -> dict[str, float]:
    names = {name for pair in (*turns.ADDED.values(), *turns.TIMES.values()) for name in pair}
    return {**dict.fromkeys(sorted(names), 1.0), **figures}


def test_what_a_turn_costs_is_compared_within_a_round_and_then_with_the_other_checkout(turns) -> None:
    now = [_round(turns, plain=plain, tool_only=plain + 1, recall=plain) for plain in (1.0, 2.0, 9.0)]
    both, each = turns.markdown({"now": now, "beside": [_round(turns, tool_only=5.0)]}).split("\n\n")
    cells = _cells(both)
    assert cells["in processor time"] == ["now", "beside", "ratio"]
    assert cells["adds to a turn, tool_only, ms"] == ["1.00", "4.00", "0.25"]
    assert cells["warm recall / SqliteStore search"] == ["2.00", "1.00", "2.00"]
    assert _cells(each)["plain"] == ["2.000", "1.000", "2.00"]


def test_without_the_other_store_recall_is_not_compared(turns) -> None:
    alone = {name: figure for name, figure in _round(turns).items() if name not in {turns.RECALL, turns.SEARCH}}
    cells = _cells(turns.markdown({"now": [alone]}).split("\n\n")[0])
    assert cells["in processor time"] == ["now"]
    assert "warm recall / SqliteStore search" not in cells


def test_a_folder_without_agentmem_and_a_missing_file_are_refused(turns, capsys, tmp_path) -> None:
    assert turns.main(["--beside", str(tmp_path)]) == 2
    assert capsys.readouterr().err == f"turns.py: --beside: {tmp_path} is no checkout of agentmem\n"
    assert turns.main(["--data", str(tmp_path / "missing")]) == 2
    assert capsys.readouterr().err == f"turns.py: --data: {tmp_path / 'missing'} is no file\n"
