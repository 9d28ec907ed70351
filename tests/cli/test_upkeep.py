"""`status`, `check` and `reindex` on the command line."""

from __future__ import annotations

import sqlite3
from contextlib import closing

import agentmem
from agentmem.testing import HashingEmbeddings


def lose_a_vector(home):
    with closing(sqlite3.connect(home / "agentmem.db")) as connection:
        connection.execute("DELETE FROM agentmem_line_chunk WHERE rowid = 1")
        connection.commit()


def test_status_tells_where_the_store_is_and_what_it_holds(run, home):
    run("remember", stdin=b"one\ntwo")
    run("remember", "other", "--user", "eve")
    run("blocks", "append", "core", "text")
    run("blocks", "append", "core", "text", "--agent", "juno")
    told = run("status", "--json").json
    assert told["version"] == agentmem.__version__
    assert told["home"] == str(home)
    assert (told["lines"], told["user_lines"], told["user_blocks"]) == (3, 2, 2)
    assert (told["tenant_id"], told["user_id"], told["agent_id"]) == ("default", "ada", None)
    assert (told["answers"], told["embedder"], told["ok"]) == ("chroma", "hashing-256", True)
    shown = run("status").out
    for word in ("hashing-256", str(home)[:20], "user ada", agentmem.__version__, "2 blocks, 2 lines"):
        assert word in shown


def test_status_names_the_settings_that_are_not_the_usual_ones(run, monkeypatch):
    assert run("status", "--json").json["settings"] == {}
    monkeypatch.setenv("AGENTMEM_SCAN_BELOW", "7")
    assert run("status", "--json").json["settings"] == {"scan_below": 7}
    assert "scan_below=7" in run("status").out


def test_status_never_shows_a_password(run, monkeypatch):
    monkeypatch.setenv("AGENTMEM_CHROMA_URL", "http://ada:SECRET@127.0.0.1:9")
    ran = run("status", "--json")
    assert ran.json["index"] == "http://ada:***@127.0.0.1:9"
    assert "SECRET" not in ran.out + ran.err


def test_a_sound_store_passes_the_check(run):
    run("remember", "one")
    assert run("check").code == 0
    assert "not in use yet, 1 change waiting" in run("check").out
    told = run("check", "--json").json
    assert (told["ok"], told["lines"], told["problems"], told["notes"]) == (True, 1, [], [])


def test_what_is_good_to_know_is_told_and_is_no_problem(run, other, monkeypatch):
    monkeypatch.setenv("AGENTMEM_SCAN_BELOW", "0")
    owner = other(scan_below=0)
    owner.ask("remember", "Likes tea")
    owner.ask("recall", "tea")
    ran = run("check")
    assert ran.code == 0
    assert "sound" in ran.out
    assert "not asked" in ran.out
    assert "large scopes are scanned by this process: another process owns the index folder" in ran.out
    for command in ("check", "status"):
        told = run(command, "--json").json
        assert (told["ok"], len(told["notes"])) == (True, 1)


def test_problems_and_notes_speak_of_commands(run, home):
    run("remember", stdin=b"one\ntwo")
    lose_a_vector(home)
    for command in ("check", "status"):
        (problem,) = run(command, "--json").json["problems"]
        assert "agentmem reindex --embed" in problem


def test_a_store_that_is_not_sound_ends_the_check_with_1_and_says_what_to_run(run, home):
    run("remember", stdin=b"one\ntwo")
    lose_a_vector(home)
    ran = run("check")
    assert ran.code == 1
    assert "agentmem reindex --embed" in ran.out
    told = run("check", "--json")
    assert told.code == 1
    assert told.json["ok"] is False
    assert run("reindex", "--embed").code == 0
    assert run("check").code == 0


def test_reindex_tells_how_many_lines_the_index_holds(run):
    run("remember", stdin=b"one\ntwo\nthree")
    assert run("reindex").out == "The index holds 3 lines now.\n"
    assert run("reindex", "--json").json == {"indexed": 3}
    assert run("check", "--json").json["answers"] == "chroma"


def test_reindex_embed_lets_another_model_go_on(run):
    run("remember", "Likes tea")
    other = HashingEmbeddings(64)
    assert run("recall", "tea", embeddings=other).code == 2
    assert run("reindex", "--embed", "--json", embeddings=other).json == {"indexed": 1}
    assert run("recall", "tea", "--json", embeddings=other).json[0]["content"] == "Likes tea"


def test_a_bad_setting_in_the_environment_is_named(run, monkeypatch):
    monkeypatch.setenv("AGENTMEM_SCAN_BELOW", "many")
    ran = run("status")
    assert ran.code == 2
    assert "AGENTMEM_SCAN_BELOW" in ran.err
