"""The suite for vector indexes is part of the public surface, and costs nobody who only wants a fake."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest

from agentmem import testing


def test_every_public_name_is_there():
    assert all(getattr(testing, name) is not None for name in testing.__all__)
    assert dir(testing) == testing.__all__
    with pytest.raises(AttributeError, match="nothing_like_it"):
        testing.nothing_like_it  # noqa: B018 - asking is the test


def test_the_fakes_load_neither_the_suite_nor_what_it_stands_on():
    program = "import sys, json, agentmem.testing; print(json.dumps(sorted(sys.modules)))"
    ran = subprocess.run([sys.executable, "-c", program], check=True, capture_output=True, text=True)
    assert {"agentmem.testing.contracts", "sqlmodel", "sqlalchemy", "pytest"} & set(json.loads(ran.stdout)) == set()
