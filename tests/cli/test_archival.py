"""`remember` and `recall` on the command line."""

from __future__ import annotations

import dataclasses
import inspect
import re
from datetime import UTC, datetime

import pytest

from agentmem import ArchivalLine, InvalidInputError, Line, MemoryRecallResult
from agentmem.archival.search import scoring
from agentmem.cli.archival import recall
from agentmem.client.memory import Memory
from agentmem.testing import HashingEmbeddings

HOSTILE = "[bold red]tea[/] :smile: \x1b[31mred\x07 \u202eevil\u2066 \u200bhidden \x9b2J"


class Stopped(HashingEmbeddings):
    """Embeddings during which something happens at the third batch."""

    def __init__(self, error):
        super().__init__()
        self.error = error

    def embed_documents(self, texts):
        if any(text.endswith("number 600") for text in texts):
            raise self.error
        return super().embed_documents(texts)


class Short(HashingEmbeddings):
    """A model that reads four words, and cuts off the rest."""

    max_word_pieces = 4

    def count_word_pieces(self, texts):
        return [len(text.split()) for text in texts]

    def embed_documents(self, texts):
        return super().embed_documents([" ".join(text.split()[: self.max_word_pieces]) for text in texts])


def many(count):
    """A file with an empty line before every tenth line."""
    lines = ["\n" * (number % 10 == 0) + f"number {number}" for number in range(1, count + 1)]
    return "\n".join(lines).encode()


def test_what_is_remembered_is_recalled_with_all_that_is_known_of_it(run):
    line = run(
        *("remember", "The spare key is with Noor", "--speaker", "Ada", "--conversation", "c1", "--source", "user"),
        *("--occurred-at", "2026-03-14T09:30:00+01:00", "--json"),
    ).json[0]
    assert set(line) == {field.name for field in dataclasses.fields(ArchivalLine)}
    assert line["occurred_at"] == "2026-03-14T08:30:00.000000Z"
    match = run("recall", "Who has the spare key?", "--json").json[0]
    assert set(match) == {field.name for field in dataclasses.fields(MemoryRecallResult)}
    assert (match["content"], match["speaker"], match["source"], match["conversation_id"]) == (
        "The spare key is with Noor",
        "Ada",
        "user",
        "c1",
    )


def test_the_table_shows_score_line_number_scope_date_speaker_and_text(run):
    run("remember", "first")
    run("remember", "Likes tea", "--speaker", "Ada", "--occurred-at", "2026-03-14T09:30:00+00:00", "--agent", "juno")
    shown = run("recall", "tea", "--agent", "juno", "--min-score", "0.1").out
    assert shown.splitlines()[0].split() == ["score", "line", "scope", "date", "speaker", "memory"]
    score, *rest = shown.splitlines()[2].split()
    assert 0.1 <= float(score) <= 1
    assert rest == ["1", "agent", "juno", "2026-03-14", "Ada", "Likes", "tea"]


def test_explain_accounts_for_score_rank_and_each_word_of_the_question(run):
    run("remember", "Where is the key?", "--speaker", "Ada", "--conversation", "c1")
    run("remember", "I gave it to Noor", "--speaker", "Ben", "--conversation", "c1")
    asked = ("recall", "Did Ben hand over the key?", "--min-score", "0", "--half-life-days", "30", "--explain")

    accounts = {}
    for account in run(*asked).out.split("\n\n", 1)[1].split("\nline "):
        title, *lines = account.splitlines()
        accounts[int(re.findall(r"\d+", title)[0])] = [line.split() for line in lines if line.strip()]

    for match in run(*asked, "--json").json:
        why = match["explanation"]
        words = {name: rest for name, *rest in accounts[match["line_number"]]}
        shown = {name: float(rest[0]) for name, rest in words.items() if rest and re.match(r"[+-]?\d", rest[0])}
        assert shown["score"] == pytest.approx(match["score"], abs=1e-4)
        for name in ("semantic", "lexical", "rank"):
            assert shown[name] == pytest.approx(why[name], abs=1e-4)
        boosts = {name: why[f"{name}_boost"] for name in ("speaker", "conversation", "question", "recency")}
        for name, boost in boosts.items():
            assert shown.get(name, 0) == pytest.approx(boost, abs=1e-4)
        for term in why["terms"]:
            weight, own, amount, _ = map(float, words[term["term"]])
            assert (weight, own, amount) == pytest.approx((term["weight"], term["own"], term["amount"]), abs=0.01)
        added = sum(float(words[term["term"]][-1]) for term in why["terms"])
        assert added == pytest.approx(why["lexical"], abs=1e-3)
    assert "question" in dict.fromkeys(name for name, *_ in accounts[1])
    assert "speaker" in dict.fromkeys(name for name, *_ in accounts[2])


def test_explain_leaves_out_boosts_of_zero_and_words_there_are_none_of(run):
    run("remember", "Likes tea")
    shown = run("recall", "What is it?", "--min-score", "0", "--explain").out
    assert "chosen by scan" in shown
    assert "speaker  +" not in shown
    assert "recency" not in shown
    assert "weight" not in shown


def test_an_explanation_fits_the_terminal(run):
    run("remember", "Where is the key? " + "Supercalifragilistic" * 5, "--speaker", "Ada" * 20, "--conversation", "c1")
    query = "What did Ada say about the key? " + "Supercalifragilistic" * 5
    shown = run("recall", query, "--min-score", "0", "--half-life-days", "30", "--explain").out
    assert max(map(len, shown.splitlines())) <= 80


def test_no_explanation_is_given_unasked(run):
    run("remember", "Likes tea")
    assert "rank" not in run("recall", "tea").out
    assert run("recall", "tea", "--json").json[0]["explanation"] is None


def test_nothing_found_is_an_answer(run):
    assert (run("recall", "tea").code, run("recall", "tea").out) == (0, "Nothing found for user ada.\n")
    assert run("recall", "tea", "--json").json == []


def test_scope_time_and_conversation_narrow_the_search(run):
    run("remember", "tea one", "--occurred-at", "2026-01-01T00:00:00+00:00", "--conversation", "c1")
    run("remember", "tea two", "--occurred-at", "2026-02-01T00:00:00+00:00", "--agent", "juno")

    def found(*options):
        return {match["content"] for match in run("recall", "tea", "--agent", "juno", "--json", *options).json}

    assert found() == {"tea one", "tea two"}
    assert found("--scope", "user") == {"tea one"}
    assert found("--scope", "agent") == {"tea two"}
    assert found("--since", "2026-01-15T00:00:00+00:00") == {"tea two"}
    assert found("--until", "2026-01-15T00:00:00+00:00") == {"tea one"}
    assert found("--conversation", "c1") == {"tea one"}
    assert len(found("--limit", "1")) == 1
    assert found("--min-score", "0.99") == set()


def test_source_and_confidence_narrow_the_search(run, memory):
    memory.remember([Line("tea one", source="user"), Line("tea two", source="tool", confidence=0.6)])

    def found(*options):
        return {match["content"] for match in run("recall", "tea", "--json", *options).json}

    assert found() == {"tea one", "tea two"}
    assert found("--source", "tool") == {"tea two"}
    assert found("--min-confidence", "0.6") == {"tea one", "tea two"}
    assert found("--min-confidence", "0.7") == {"tea one"}


def test_with_a_half_life_the_newer_of_two_near_equals_stands_higher(run):
    run("remember", "Tea in Bergen", "--occurred-at", "2020-01-01T00:00:00+00:00")
    run("remember", "Tea in Oslo now", "--occurred-at", datetime.now(UTC).isoformat())

    def best(*options):
        return run("recall", "tea", "--json", "--min-score", "0", *options).json[0]["content"]

    assert best() == "Tea in Bergen"
    assert best("--half-life-days", "30") == "Tea in Oslo now"


def test_all_that_recall_can_be_asked_can_be_asked_here_with_the_same_defaults():
    every_commands = {"context", "home", "tenant", "user", "agent", "json"}
    said_shorter = {"conversation": "conversation_id"}
    of_the_command, of_the_api = (inspect.signature(each).parameters for each in (recall, Memory.recall))
    here = {said_shorter.get(name, name): each.default for name, each in of_the_command.items()}
    there = {name: each.default for name, each in of_the_api.items() if name not in {"self", "agent_id"}}
    assert {name: default for name, default in here.items() if name not in every_commands} == there


def test_the_formulas_of_an_explanation_are_those_of_the_scores(run):
    run("remember", "It is about marzipan and a great many other things, too many to name")
    fused = f"{scoring.SEMANTIC_SHARE} * semantic + {scoring.LEXICAL_SHARE} * lexical"
    by_word = run("recall", "marzipan", "--min-score", "0", "--explain").out
    by_meaning = run("recall", "about it", "--min-score", "0", "--explain").out
    assert re.search(rf"score +[0-9.]+ +{re.escape(fused)}\n", re.sub(r" +\n", "\n", by_word))
    assert f"{scoring.MEANING_ALONE} * semantic, above {fused}" in by_meaning
    order = f"{scoring.ORDER_SEMANTIC_SHARE} * semantic + {scoring.ORDER_LEXICAL_SHARE} * lexical"
    assert re.search(rf"rank +[0-9.]+ +{re.escape(order)} \+ the boosts", by_word)


def test_every_line_of_a_file_or_a_pipe_is_a_memory(run, tmp_path):
    (tmp_path / "notes.txt").write_bytes(b"\xef\xbb\xbfone\r\n\r\n  \nzwei \xc3\xbc\n")
    assert run("remember", "--file", tmp_path / "notes.txt").out == "Remembered 2 lines for user ada.\n"
    assert [line["content"] for line in run("remember", "--json", stdin=b"three\nfour").json] == ["three", "four"]
    assert run("remember", "-", stdin=b"five").out == "Remembered 1 line for user ada.\n"
    assert run("blocks", "get", "archival", "--json").json["content"] == "one\nzwei ü\nthree\nfour\nfive"


def test_more_lines_than_fit_in_one_batch_are_remembered_in_their_order(run):
    stored = run("remember", "--json", "--idempotency-key", "k", stdin=many(600)).json
    assert [line["content"] for line in stored] == [f"number {number}" for number in range(1, 601)]
    again = run("remember", "--json", "--idempotency-key", "k", stdin=many(600)).json
    assert again == stored
    assert run("remember", "--idempotency-key", "k", stdin=b"other").code == 4


def test_ctrl_c_tells_how_many_lines_landed_and_where_the_rest_begins(run, memory):
    ran = run("remember", stdin=many(700), embeddings=Stopped(KeyboardInterrupt()))
    assert (ran.code, ran.out) == (130, "")
    assert "512 of 700 lines were remembered; the rest begins at line 564" in ran.err
    assert "Traceback" not in ran.err
    assert len(memory.get("archival").content.splitlines()) == 512
    rest = b"\n".join(many(700).split(b"\n")[563:])
    run("remember", stdin=rest)
    assert memory.get("archival").content.splitlines() == [f"number {number}" for number in range(1, 701)]


def test_ctrl_c_in_json_is_an_error_object(run):
    error = run("remember", "--json", stdin=many(700), embeddings=Stopped(KeyboardInterrupt())).error
    assert error["type"] == "Interrupted"
    assert "512 of 700" in error["message"]


def test_a_failure_on_the_way_tells_how_many_lines_landed(run, memory):
    ran = run("remember", stdin=many(700), embeddings=Stopped(OSError()))
    assert ran.code == 6
    assert "512 of 700 lines were remembered" in ran.err
    assert len(memory.get("archival").content.splitlines()) == 512


def test_a_line_longer_than_the_model_reads_is_stored_whole_and_found_by_its_end(run):
    long = "the first words of a line that goes on and on before it comes to marzipan"
    run("remember", stdin=f"{long}\nsomething else".encode(), embeddings=Short())
    best = run("recall", "marzipan", "--json", embeddings=Short()).json[0]
    assert best["content"] == long
    assert best["semantic"] > 0.4  # as near as the piece that has the word


@pytest.mark.parametrize("bad", ["x" * 8_001, "a\x00b"])
def test_a_bad_line_is_found_before_any_line_is_written(bad, run, memory):
    ran = run("remember", stdin=many(600) + b"\n" + bad.encode())
    assert (ran.code, ran.out) == (2, "")
    assert memory.list() == []


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (("remember",), "nothing piped in"),
        (("remember", ""), "empty"),
        (("remember", " \n "), "empty"),
        (("remember", "a\udcffb"), "surrogate"),
        (("remember", "x", "--speaker", ""), "speaker"),
        (("remember", "x", "--speaker", "s" * 256), "speaker"),
        (("remember", "x", "--conversation", "c\x00"), "conversation_id"),
        (("remember", "x", "--source", "nobody"), "source"),
        (("remember", "x", "--occurred-at", "yesterday"), "occurred_at"),
        (("remember", "x", "--occurred-at", "2026-03-14T09:30"), "time zone"),
        (("remember", "x", "--file", "y"), "given twice"),
        (("remember", "x", "--idempotency-key", "k" * 256), "idempotency_key"),
        (("recall", ""), "query"),
        (("recall", "a\udcffb"), "query"),
        (("recall", "a\x00b"), "query"),
        (("recall", "x", "--limit", "0"), "limit"),
        (("recall", "x", "--limit", "51"), "limit"),
        (("recall", "x", "--min-score", "nan"), "min_score"),
        (("recall", "x", "--min-score", "1.1"), "min_score"),
        (("recall", "x", "--scope", "mine"), "scope"),
        (("recall", "x", "--scope", "agent"), "--agent"),
        (("recall", "x", "--since", "2026-03-14"), "since"),
        (("recall", "x", "--conversation", ""), "conversation_id"),
        (("recall", "x", "--source", "nobody"), "source"),
        (("recall", "x", "--min-confidence", "1.1"), "min_confidence"),
        (("recall", "x", "--half-life-days", "0"), "half_life_days"),
    ],
)
def test_bad_input_is_refused_and_nothing_is_written(words, says, run, memory):
    ran = run(*words)
    assert (ran.code, ran.out) == (2, "")
    assert says in ran.err
    assert memory.list(scope="all") == []


def test_an_error_never_repeats_the_text(run):
    assert "SECRET" not in run("remember", "SECRET\x00").err
    assert "SECRET" not in run("recall", "SECRET\udcff").err


def test_stored_text_steers_no_terminal_and_is_no_markup(run, memory):
    run("remember", "-", "--speaker", HOSTILE, stdin=HOSTILE.encode())
    shown = run("recall", "tea evil hidden", "--min-score", "0").out
    assert "[bold red]tea[/] :smile:" in " ".join(shown.split())
    assert all(character.isprintable() or character == "\n" for character in shown)
    as_json = run("recall", "tea", "--min-score", "0", "--json")
    assert all(character.isprintable() or character == "\n" for character in as_json.out)
    assert as_json.json[0]["content"] == memory.get("archival").content.splitlines()[0]
    assert as_json.json[0]["speaker"] == HOSTILE


def test_another_model_than_the_stores_is_refused_with_the_way_out(run):
    run("remember", "tea")
    ran = run("recall", "tea", embeddings=HashingEmbeddings(64))
    assert ran.code == 2
    assert "agentmem reindex --embed" in ran.err


def test_an_unusable_file_name_is_an_input_error(run):
    assert InvalidInputError.exit_code == run("remember", "--file", "a\x00b").code
