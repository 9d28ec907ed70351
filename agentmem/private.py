"""Keeps the files of a store from everyone but who runs it, whatever the umask: files 0600, folders 0700.

The umask itself is left alone: it is the whole process's, and so the host's.
"""

from __future__ import annotations

import logging
import os
import stat
from contextlib import suppress
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from pathlib import Path

FILE: Final = 0o600
FOLDER: Final = 0o700

_OTHERS: Final = 0o077
_log: Final = logging.getLogger(__name__)


def make_folder(path: Path) -> None:
    """Make a folder, if it is not there; the ones above it are made as anybody's are.

    Raises:
        OSError: It cannot be made.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    with suppress(FileExistsError):
        path.mkdir(mode=FOLDER)
        path.chmod(FOLDER)  # the umask may have taken more than others' rights
    if not path.is_dir():
        raise NotADirectoryError


def make_file(path: Path) -> None:
    """Make an empty file, if there is none; one that is there stays as it is.

    Raises:
        OSError: It cannot be made.
    """
    with suppress(FileExistsError):
        os.close(os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY, FILE))
        path.chmod(FILE)


def write_file(path: Path, text: str) -> None:
    """Write a file of ASCII, in place of what there is.

    Raises:
        OSError: It cannot be written.
    """
    make_file(path)
    restrict(path)
    path.write_text(text, "ascii")


def restrict(path: Path) -> None:
    """Take others' rights to a file or folder away; where it cannot be done, that is said in the log.

    A file system without rights, or a file of another user's, is no reason not to go on.
    """
    try:
        _restrict(path, path.stat().st_mode)
    except FileNotFoundError:
        return
    except OSError as error:
        _log.warning("others' rights to a file of the store cannot be taken away (%s)", type(error).__name__)


def restrict_tree(path: Path) -> None:
    """Take others' rights to a folder and all in it away, as far as that can be done; links are not followed."""
    with suppress(OSError):
        _restrict(path, path.stat().st_mode)
    for folder, folders, files in os.walk(path):
        for name in (*folders, *files):
            inside = path / folder / name
            with suppress(OSError):  # what is in an index comes and goes
                _restrict(inside, inside.lstat().st_mode)


def _restrict(path: Path, mode: int) -> None:
    if mode & _OTHERS and not stat.S_ISLNK(mode):
        path.chmod(mode & (FOLDER if stat.S_ISDIR(mode) else FILE))
