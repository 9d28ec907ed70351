"""Names in a question: which words name a speaker, which only look like it, and what is left without them."""

import pytest

from agentmem import Line
from agentmem.archival.search.names import about, named, without
from agentmem.text.analyzer import Analyzer

STOP = Analyzer("english").stop_words
SPEAKERS = ["Ada Byron", "Bo Li", "Will", "At", "May", "user", "Zoë"]


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ("When did Ada move?", {"ada": {0}}),
        ("when did ada move?", {"ada": {0}}),
        ("When did Ada's sister see Bo?", {"ada": {0}, "bo": {1}}),
        ("When did Ada’s sister move?", {"ada": {0}}),
        ("What did Byron tell LI?", {"byron": {0}, "li": {1}}),
        ("Did Bo see what ada wrote?", {"bo": {1}}),
        ("Will they move?", {}),
        ("will they move?", {}),
        ("Did Will move?", {"will": {2}}),
        ("Will Will move?", {"will": {2}}),
        ("At what time?", {}),
        ("Did they meet at noon?", {}),
        ("Where did At go?", {"at": {3}}),
        ("May I?", {}),
        ("may they come?", {}),
        ("Where is May?", {"may": {4}}),
        ("When did Ada say she may come?", {"ada": {0}}),
        ("what did the user say", {}),
        ("What did ZOË say", {"zoe": {6}}),
        ("What did Zoe say", {"zoe": {6}}),
        ("Adamant byronic lines", {}),
        ("", {}),
        ("?!", {}),
    ],
)
def test_words_that_name_speakers_are_told_from_ordinary_ones(query, expected):
    assert named(query, SPEAKERS, STOP) == expected


def test_a_name_that_several_bear_names_them_all():
    assert named("Where is Ada?", ["Ada Byron", "Ada Li"], STOP) == {"ada": {0, 1}}


def test_without_speakers_a_capitalised_word_that_stands_in_a_fifth_of_the_lines_is_a_name():
    share = {"ada": 0.2, "oslo": 0.19, "what": 1.0, "tea": 1.0}.__getitem__
    assert about("What did Ada drink in Oslo: tea?", share, STOP) == {"ada"}


@pytest.mark.parametrize(
    ("query", "names", "left"),
    [
        ("When did Ada move?", {"ada"}, "When did move?"),
        ("Ada's sister, Ada’s dog", {"ada"}, "sister, dog"),
        ("Adamant Ada", {"ada"}, "Adamant"),
        ("Ada, Bo!", {"ada", "bo"}, "Ada, Bo!"),
        ("  spaced   out ", set(), "  spaced   out "),
        ("Zoë ÉMILE", {"emile"}, "Zoë"),
    ],
)
def test_names_are_left_out_unless_nothing_else_is_there(query, names, left):
    assert without(query, names) == left


@pytest.mark.parametrize(
    ("speaker", "query"),
    [("Will", "will it rain"), ("At", "at the harbour"), ("Will", "Will it rain"), ("May", "may it rain")],
)
def test_a_speaker_whose_name_is_a_word_leaves_the_word_to_a_question(memory, speaker, query):
    memory.remember([Line(query, speaker=speaker), Line("something else", speaker="Bo")])
    assert memory.recall(query, limit=1)[0].semantic == 1


def test_a_name_that_is_everywhere_is_left_out_where_no_speakers_are_known(memory):
    memory.remember([f"Ada wrote letter number{number}" for number in range(60)])
    memory.remember("the weather was fine")
    named_, plain = (memory.recall(query, min_score=0)[0] for query in ("Was Ada's weather", "Was weather"))
    assert named_.semantic == plain.semantic > 0
    memory.remember(Line("hello", speaker="Bo"))
    with_names = {match.content: match for match in memory.recall("Was Ada's weather", min_score=0, limit=50)}
    assert with_names["the weather was fine"].semantic < plain.semantic
