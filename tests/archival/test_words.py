"""Words that another language or version split: found all the same, and stored anew by reindex."""

import pytest
from sqlmodel import select, update

from agentmem.tables import LineTermsRow
from agentmem.text.analyzer import VERSION

SAID = ["Die Häuser in Oslo sind rot", "Der Hund heißt Tom"]


def made_by(mem):
    with mem._container.database.read() as session:  # noqa: SLF001 - what is stored is the point
        return sorted(session.exec(select(LineTermsRow.made_by)).all())


def lexical(mem, query):
    return [match.lexical for match in mem.client("ada").memory.recall(query, min_score=0)]


@pytest.fixture
def german(open_mem):
    """A store that was written in English and is opened in German."""
    english = open_mem()
    english.client("ada").memory.remember(SAID)
    english.close()
    return open_mem(language="german")


def test_a_store_in_another_language_is_searched_in_it_at_once(german):
    assert lexical(german, "Haus")[0] > 0


def test_check_notes_the_lines_and_reindex_stores_them(german):
    assert made_by(german) == [f"{VERSION}:english"] * 2
    assert any("words of 2 lines" in note for note in german.check().notes)
    assert german.check().ok
    before = lexical(german, "Haus")
    german.reindex()
    assert made_by(german) == [f"{VERSION}:german"] * 2
    assert not any("words of" in note for note in german.check().notes)
    assert lexical(german, "Haus") == before


def test_words_of_an_earlier_version_are_split_anew(mem):
    mem.client("ada").memory.remember(SAID)
    earlier = update(LineTermsRow).values(made_by="0:english", terms=b"")
    mem._container.database.write(lambda session: session.exec(earlier))  # noqa: SLF001 - as an earlier version left it
    assert lexical(mem, "Hund")[0] > 0
    mem.reindex()
    assert made_by(mem) == [f"{VERSION}:english"] * 2


def test_a_forgotten_line_gets_no_words_back(german):
    german.client("ada").memory.delete("archival")
    german.reindex()
    assert made_by(german) == []
