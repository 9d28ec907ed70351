"""What is in a store is readable by nobody but who runs it, whatever the umask and whatever was there before."""

from __future__ import annotations

import json
import stat
from pathlib import Path

import pytest

import agentmem
from agentmem import private
from agentmem.testing import HashingEmbeddings

from ..conftest import run_program  # noqa: TID252 - the tests are no installed package

SIDE_FILES = {"agentmem.db", "agentmem.db-wal", "agentmem.db-shm"}


def rights(home, umask="000", **options):
    """Which rights the files of a store have that was open under a umask: while it was, and after it."""
    said = json.loads(run_program("private.py", home, umask, json.dumps(options)))
    return said["opened"], said["closed"]


def wrong(home, listed):
    """Those that are not for their owner alone: folders 0700, files 0600."""
    kinds = {name: "0o700" if (home.parent / name).is_dir() else "0o600" for name in listed}
    return {name: each for name, each in listed.items() if (home.parent / name).exists() and each != kinds[name]}


def mode(path):
    return stat.S_IMODE(path.stat().st_mode)


@pytest.mark.parametrize("umask", ["000", "022"])
def test_files_of_a_new_store_are_0600_and_its_folders_0700_the_index_and_sqlites_side_files_included(tmp_path, umask):
    home = tmp_path / "new" / "home"

    opened, closed = rights(home, umask)

    names = {Path(name).name for name in opened}
    assert names >= {*SIDE_FILES, ".gitignore", "index", "index-id", "owner.lock", "generation-1", "chroma.sqlite3"}
    assert {"header.bin", "data_level0.bin"} <= names
    assert [oct(number) for number in (private.FOLDER, private.FILE)] == ["0o700", "0o600"]
    assert (wrong(home, opened), wrong(home, closed)) == ({}, {})


def test_a_folder_that_was_there_and_empty_becomes_the_stores_alone(tmp_path):
    home = tmp_path / "home"
    home.mkdir()
    home.chmod(0o755)

    with agentmem.open(home, embeddings=HashingEmbeddings()) as mem:
        mem.client("ada").memory.append("core", "- here")

        assert mode(home) == 0o700
        assert {path.name: mode(path) for path in home.iterdir()} == dict.fromkeys(SIDE_FILES, 0o600)


def test_a_store_that_others_could_read_is_closed_to_them_when_it_is_opened(tmp_path):
    home = tmp_path / "home"
    agentmem.open(home, embeddings=HashingEmbeddings()).close()
    (home / "index" / "generation-1" / "graph").mkdir(parents=True)
    (home / "index" / "generation-1" / "graph" / "header.bin").touch()
    for path in [home, *home.rglob("*")]:
        path.chmod(0o777 if path.is_dir() else 0o666)

    with agentmem.open(home, embeddings=HashingEmbeddings()):
        assert {path.name for path in home.rglob("*") if mode(path) & 0o077} == set()
        assert mode(home) == 0o700


def test_in_a_folder_of_other_things_the_stores_files_are_private_and_nothing_else_is_touched(tmp_path):
    home = tmp_path / "project"
    home.mkdir()
    home.chmod(0o755)
    (home / "main.py").write_text("print()")
    (home / "main.py").chmod(0o644)

    opened, _ = rights(home)

    others = {name: each for name, each in opened.items() if name in {"project", "project/main.py"}}
    assert others == {"project": "0o755", "project/main.py": "0o644"}
    assert wrong(home, opened) == others


def test_a_database_file_named_by_a_url_is_private_and_so_are_its_side_files_in_a_folder_that_is_left_alone(tmp_path):
    folder = tmp_path / "data"
    folder.mkdir()
    folder.chmod(0o755)
    home = tmp_path / "home"

    _, closed = rights(home, database_url=f"sqlite:///{folder}/own.db")

    assert wrong(home, closed) == {}
    assert (mode(folder), mode(folder / "own.db")) == (0o755, 0o600)


def test_a_database_file_of_the_users_own_that_was_there_keeps_its_rights(tmp_path):
    file = tmp_path / "own.db"
    file.touch()
    file.chmod(0o660)

    agentmem.open(tmp_path / "home", database_url=f"sqlite:///{file}", embeddings=HashingEmbeddings()).close()

    assert mode(file) == 0o660


def test_what_a_link_in_the_index_points_to_keeps_its_rights(tmp_path):
    (tmp_path / "index").mkdir()
    (tmp_path / "elsewhere").touch()
    (tmp_path / "elsewhere").chmod(0o644)
    (tmp_path / "index" / "link").symlink_to(tmp_path / "elsewhere")

    private.restrict_tree(tmp_path / "index")

    assert mode(tmp_path / "elsewhere") == 0o644
