"""What surrounds the package: versions, targets, the wheel, what an import loads, the public names."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import tomllib
import zipfile
from importlib.metadata import requires
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

import agentmem

ROOT = Path(__file__).parents[1]
GPU = ("cuda", "nvidia", "triton")
HEAVY = (
    "alembic",
    "chromadb",
    "docstring_parser",
    "langchain",
    "langgraph",
    "sentence_transformers",
    "sqlalchemy",
    "sqlmodel",
    "torch",
)


def _constraints() -> list[str]:
    return [line for line in (ROOT / "constraints.txt").read_text().splitlines() if not line.startswith("#")]


def _pinned() -> dict[str, str]:
    return dict(line.split("==") for line in _constraints())


def _project() -> dict[str, Any]:
    return tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]


def _direct(*, without: str | None = None) -> list[Requirement]:
    project = _project()
    extras = [needs for extra, needs in project["optional-dependencies"].items() if extra != without]
    return [Requirement(text) for text in (*project["dependencies"], *(text for needs in extras for text in needs))]


def test_every_constraint_is_one_exact_version_without_build_host_or_path() -> None:
    odd = [line for line in _constraints() if not re.fullmatch(r"[a-z0-9-]+==[0-9]+(\.[0-9a-z]+)*", line)]
    assert odd == []


def test_constraints_are_in_order_and_name_each_package_once() -> None:
    names = [line.split("==")[0] for line in _constraints()]
    assert names == sorted({canonicalize_name(name) for name in names})


def test_torch_is_pinned_and_nothing_for_a_gpu_is() -> None:
    assert _pinned()["torch"] == "2.13.0"
    assert [name for name in _pinned() if name.startswith(GPU)] == []


@pytest.mark.parametrize("name", ["langchain-core", "langgraph", "chromadb", "sentence-transformers", "sqlmodel"])
def test_what_agentmem_stands_on_has_a_lower_and_an_upper_bound(name: str) -> None:
    ranges = {need.name: need.specifier for need in map(Requirement, _project()["dependencies"])}
    assert {bound.operator for bound in ranges[name]} == {">=", "<"}


def test_every_direct_dependency_is_pinned_inside_its_range() -> None:
    versions = _pinned()
    outside = [str(need) for need in _direct() if not need.specifier.contains(versions[canonicalize_name(need.name)])]
    assert outside == []


@pytest.mark.skipif(
    sys.platform != "linux" or sys.version_info[:2] != (3, 11),
    reason="the constraints were resolved on Linux with Python 3.11; elsewhere a few more packages belong to them",
)
def test_every_package_that_another_one_brings_is_pinned() -> None:
    with_bench = find_spec("langmem") is not None  # `make` does not install this extra
    needed: dict[str, set[str]] = {}
    waiting = _direct(without=None if with_bench else "bench")
    while waiting:
        need = waiting.pop()
        name = canonicalize_name(need.name)
        if name.startswith(GPU) or (name in needed and need.extras <= needed[name]):
            continue
        extras = needed[name] = needed.get(name, set()) | need.extras
        for found in map(Requirement, requires(name) or []):
            if found.marker is None or any(found.marker.evaluate({"extra": extra}) for extra in {"", *extras}):
                waiting.append(found)
    assert set(needed) <= set(_pinned())
    if with_bench:
        assert set(needed) == set(_pinned())


def _make(*arguments: str, folder: Path = ROOT) -> subprocess.CompletedProcess[str]:
    alone = {name: value for name, value in os.environ.items() if not name.startswith(("MAKE", "MFLAGS"))}
    return subprocess.run(["make", *arguments], cwd=folder, env=alone, check=False, capture_output=True, text=True)


def test_make_help_lists_every_target() -> None:
    targets = set(re.findall(r"^  make ([a-z]+) +\S", _make("help").stdout, re.MULTILINE))
    assert targets >= {"demo", "test", "check", "lint", "types", "bench", "docs", "help"}
    assert targets == set(re.findall(r"^([a-z]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))


FAKE_PYTHON = """#!/bin/sh
case "$1 $2" in
"-m venv")
    mkdir -p .venv/bin
    cp "$0" .venv/bin/python
    printf '#!/bin/sh\\necho remembered\\n' > .venv/bin/agentmem
    chmod +x .venv/bin/agentmem
    echo "command = python -m venv $PWD/.venv" > .venv/pyvenv.cfg
    echo created >> log
    ;;
"-m pip")
    echo installed >> log
    ! [ -e no-network ]
    ;;
*)
    exec "{python}" "$@"
    ;;
esac
"""


class Yard:
    """A folder with our Makefile and a python that only notes what it is asked to install."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.log = folder / "log"
        for name in ("Makefile", "pyproject.toml", "constraints.txt"):
            shutil.copy(ROOT / name, folder)
        python = folder / "python"
        python.write_text(FAKE_PYTHON.replace("{python}", sys.executable))
        python.chmod(0o755)

    def demo(self) -> tuple[list[str], int]:
        """What one `make demo` creates and installs, and its exit code."""
        self.log.write_text("")
        ran = _make("demo", f"PYTHON={self.folder / 'python'}", folder=self.folder)
        assert (ran.returncode == 0) == ran.stdout.endswith("remembered\n"), ran.stdout + ran.stderr
        return self.log.read_text().split(), ran.returncode


@pytest.fixture
def yard(tmp_path: Path) -> Yard:
    return Yard(tmp_path)


def test_the_first_make_installs_and_the_second_installs_nothing(yard: Yard) -> None:
    assert yard.demo() == (["created", "installed"], 0)
    assert yard.demo() == ([], 0)


@pytest.mark.parametrize("name", ["pyproject.toml", "constraints.txt"])
def test_a_changed_file_installs_again_and_a_touched_one_does_not(yard: Yard, name: str) -> None:
    yard.demo()
    (yard.folder / name).touch()
    assert yard.demo() == ([], 0)
    (yard.folder / name).write_text("# other\n")
    os.utime(yard.folder / name, (0, 0))
    assert yard.demo() == (["installed"], 0)
    assert yard.demo() == ([], 0)


def test_a_failed_installation_is_tried_again(yard: Yard) -> None:
    (yard.folder / "no-network").touch()
    assert yard.demo() == (["created", "installed"], 2)
    assert yard.demo() == (["installed"], 2)
    (yard.folder / "no-network").unlink()
    assert yard.demo() == (["installed"], 0)


def test_a_failed_update_forgets_the_installation_before_it(yard: Yard) -> None:
    yard.demo()
    before = (yard.folder / "constraints.txt").read_text()
    (yard.folder / "constraints.txt").write_text("# other\n")
    (yard.folder / "no-network").touch()
    assert yard.demo() == (["installed"], 2)
    (yard.folder / "constraints.txt").write_text(before)
    (yard.folder / "no-network").unlink()
    assert yard.demo() == (["installed"], 0)


def test_an_environment_made_elsewhere_is_made_anew(yard: Yard, tmp_path_factory: pytest.TempPathFactory) -> None:
    yard.demo()
    moved = Yard(tmp_path_factory.mktemp("moved"))
    shutil.copytree(yard.folder / ".venv", moved.folder / ".venv")
    assert moved.demo() == (["created", "installed"], 0)


def test_a_python_that_is_too_old_or_absent_is_named(yard: Yard) -> None:
    old = yard.folder / "old"
    old.write_text('#!/bin/sh\n[ "$1" = --version ] && echo Python 3.10.13\n')
    old.chmod(0o755)
    for python, said in ((old, "is Python 3.10.13"), (yard.folder / "absent", "there is no")):
        ran = _make("demo", f"PYTHON={python}", folder=yard.folder)
        assert ran.returncode != 0
        assert said in ran.stderr
        assert not (yard.folder / ".venv").exists()


def test_continuous_integration_runs_make_check_and_nothing_else() -> None:
    script = ROOT / ".ci" / "run"
    commands = [line for line in script.read_text().splitlines() if not line.startswith("#")]
    assert commands == ["set -euo pipefail", 'cd "$(dirname "$0")/.."', "exec make check"]
    assert os.access(script, os.X_OK)


def test_the_wheel_holds_the_whole_package_and_nothing_else(tmp_path: Path) -> None:
    build = [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(tmp_path)]
    built = subprocess.run(build, cwd=ROOT, check=False, capture_output=True, text=True)
    assert built.returncode == 0, built.stderr
    (wheel,) = tmp_path.iterdir()
    with zipfile.ZipFile(wheel) as archive:
        held = {name for name in archive.namelist() if ".dist-info/" not in name}
    files = (path.relative_to(ROOT) for path in (ROOT / "agentmem").rglob("*") if path.is_file())
    there = {path.as_posix() for path in files if not any(part.startswith((".", "__pycache__")) for part in path.parts)}
    assert held == there
    assert {"agentmem/py.typed", "agentmem/migrations/env.py"} <= held


def _loaded_after(code: str) -> set[str]:
    program = f"{code}\nimport sys\nprint(*sys.modules)"
    ran = subprocess.run([sys.executable, "-c", program], check=False, capture_output=True, text=True)
    assert ran.returncode == 0, ran.stderr
    return {name.partition(".")[0] for name in ran.stdout.split()}


@pytest.mark.parametrize(
    "code",
    ["import agentmem", "from agentmem import MemoryPolicy, RunOptions", "from agentmem.errors import ConflictError"],
)
def test_importing_agentmem_loads_nothing_heavy(code: str) -> None:
    assert _loaded_after(code).isdisjoint(HEAVY)


def test_the_public_names_are_in_order_and_each_is_there() -> None:
    assert list(agentmem.__all__) == sorted(agentmem.__all__)
    assert [name for name in agentmem.__all__ if not hasattr(agentmem, name)] == []


def test_the_package_and_the_project_name_one_version() -> None:
    assert agentmem.__version__ == _project()["version"]


def test_a_name_that_is_not_public_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match="nothing_of_this_name"):
        agentmem.nothing_of_this_name  # noqa: B018 - the access is the test
