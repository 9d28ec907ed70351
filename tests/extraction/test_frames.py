"""However hostile a text is, taking pasted memory out of it takes steps in proportion to its length."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agentmem.extraction.prompt import unframed

FRAMES = re.compile(r"<(core_memory|system_reminders|archival_memory)>(.*?)</\1>", re.DOTALL)
TAGS = ("core_memory", "system_reminders", "archival_memory")
PIECES = [*(f"<{tag}>" for tag in TAGS), *(f"</{tag}>" for tag in TAGS), "a", "\n", "<", "</core_memory"]


@given(st.lists(st.sampled_from(PIECES), max_size=12).map("".join))
def test_frames_are_what_the_first_closing_of_each_name_closes(text):
    said, pasted = unframed(text)

    assert said == FRAMES.sub(" ", text)
    assert pasted == [found[2] for found in FRAMES.finditer(text)]


@pytest.mark.timeout(60)
@pytest.mark.parametrize("tag", TAGS)
def test_two_million_characters_of_openings_are_read(tag):
    text = f"<{tag}>" * (2_000_000 // len(tag))

    assert unframed(text) == (text, [])
