"""Words to term bags: folding, stems, scripts without spaces, identifiers, and text that means harm."""

import contextlib
import locale
import threading
from collections import Counter
from datetime import UTC, datetime

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from agentmem.errors import InvalidInputError
from agentmem.text.analyzer import ASKS, Analyzer
from agentmem.text.bags import number, pack, unpack
from agentmem.text.overlap import plain

ENGLISH = Analyzer("english")


def held(content: str, **known) -> dict[int, int]:
    bag = unpack(ENGLISH.bag(content, **{"speaker": None, "occurred_at": None, **known}))
    return dict(zip(bag["term"].tolist(), bag["count"].tolist(), strict=True))


def finds(query: str, content: str) -> bool:
    """Whether each thing the query asks for is in the line, whole or else in all its parts."""
    bag = held(content)
    return all(
        number(whole) in bag or (bool(parts) and all(number(part) in bag for part in parts))
        for whole, *parts in ENGLISH.question(query)
    )


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Painting, painted; PAINTS", ["paint", "paint", "paint"]),
        ("Ada's horse", ["ada", "hors"]),
        ("Ada’s horse", ["ada", "hors"]),
        ("café CAFÉ cafe\u0301", ["cafe", "cafe", "cafe"]),
        ("ＡＢＣ ﬁsh", ["abc", "fish"]),
        ("what is it about", []),
        ("don't", ["dont"]),
        ("snake_case", ["snake", "case"]),
        ("SKU77boxing, 4GB", ["sku77boxing", "4gb"]),
        ("4runners 2éclairs éclairs", ["4runners", "2eclairs", "eclair"]),
        ("किताब, हिन्दी।", ["किताब", "हिनदी"]),
        ("🙂 !? …", []),
    ],
)
def test_case_width_accents_endings_and_stop_words_make_no_difference(text, expected):
    assert ENGLISH.terms(text) == expected


def test_a_chinese_word_of_two_characters_is_found_in_a_sentence():
    assert finds("烤鸭", "我们昨天吃了北京烤鸭")
    assert not finds("火锅", "我们昨天吃了北京烤鸭")


def test_kana_and_hangul_are_not_taken_apart():
    assert ENGLISH.terms("ガ") == ["ガ"]
    assert finds("서울", "지난주 서울에 갔다")


@pytest.mark.parametrize(
    ("query", "content"),
    [
        ("#8821", "Order 8821 was shipped"),
        ("order 8821", "Order #8821 was shipped"),
        ("+14155550192", "Call me at +1 (415) 555-0192"),
        ("+1 (415) 555-0192", "Call me at +14155550192"),
        ("415-555-0192", "Call 415.555.0192"),
        ("Ada@Example.com", "mail: ada@example.com."),
        ("550e8400-e29b-41d4-a716-446655440000", "id 550E8400E29B41D4A716446655440000"),
        ("550e8400e29b41d4a716446655440000", "id {550e8400-e29b-41d4-a716-446655440000}"),
        ("INV-2024-001", "invoice INV 2024 001"),
        ("AB-1234", "AB\u20111234, with a dash that does not break"),
        ("AB\u20131234", "ab-1234"),
        ("AB-1234", "ＡＢ－１２３４"),
        ("AB_1234", "AB-1234"),
        ("AB#1234", "AB--1234"),
        ("415-555-0192", "415\u2013555\u20130192"),
        ("4155550192", "415\u00a0555\u00a00192"),
        ("4155550192", "call 415-555-0192 3 times"),
        ("123-45-ab", "123/45/ab"),
    ],
)
def test_an_identifier_is_found_however_it_is_punctuated(query, content):
    assert finds(query, content)


def test_a_speaker_may_be_an_identifier():
    assert number("14155550192") in held("hello", speaker="+1 415-555-0192")


@pytest.mark.parametrize(
    ("language", "one", "other"),
    [
        ("russian", "красивый большой", "красивая большая"),
        ("portuguese", "informação", "informações"),
        ("french", "mangé", "mangée"),
        ("french", "l'école d'Annecy", "l école d Annecy"),
        ("italian", "nell'appartamento dell'amico", "nell appartamento dell amico"),
        ("german", "Häuser", "Haus"),
        ("spanish", "canción", "canciones"),
    ],
)
def test_every_language_is_stemmed_with_its_accents_and_apostrophes(language, one, other):
    assert Analyzer(language).terms(one) == Analyzer(language).terms(other)


def test_months_have_one_name_wherever_the_program_runs():
    before = locale.setlocale(locale.LC_TIME)
    bag = held("I moved", occurred_at=datetime(2026, 5, 14, 9, tzinfo=UTC))
    for name in ("de_DE.UTF-8", "C"):
        with contextlib.suppress(locale.Error):
            locale.setlocale(locale.LC_TIME, name)
    try:
        assert held("I moved", occurred_at=datetime(2026, 5, 14, 9, tzinfo=UTC)) == bag
        assert number("may") in bag
    finally:
        locale.setlocale(locale.LC_TIME, before)


def test_scripts_that_put_spaces_between_words_are_not_cut_into_pairs():
    assert ENGLISH.terms("ქართული ენა") == ["ქართული", "ენა"]


def test_a_question_is_read_to_its_five_hundredth_term():
    assert len(ENGLISH.question(" ".join(f"word{number}" for number in range(2_000)))) == 500


def test_another_identifier_is_not_found():
    assert not finds("+14155550193", "Call me at +1 (415) 555-0192")


def test_a_line_is_found_by_its_date_and_its_speaker():
    bag = held("I moved", speaker="Ada", occurred_at=datetime(2026, 3, 14, 9, tzinfo=UTC))
    assert set(map(number, ["14", "march", "2026", "ada", "move"])) <= set(bag)


@pytest.mark.parametrize(
    "line",
    [
        "Where is it?  ",
        "どこですか？",
        "أين هو؟",
        "Πού είναι\u037e",
        "Πού είναι;",
        "የት ነው፧",
        "क्या है?",
        "She said: 'Where is it?'",
        "Is it there?! 🤔",
        "(is it there?).",
        "Is it there ❓",
        "???",
    ],
)
def test_a_line_with_a_question_mark_behind_its_last_letter_asks(line):
    assert number(ASKS) in held(line)


@pytest.mark.parametrize("line", ["It is there?! No.", "x = 1;", "Είναι εδώ. a;", "Είναι εδώ", "a?b", "...", "कि"])
def test_a_line_without_one_there_does_not_ask(line):
    assert number(ASKS) not in held(line)


def test_a_bag_counts_up_to_what_a_byte_holds():
    assert held("tea " * 1_000) == {number("tea"): 255}


@given(st.lists(st.text(min_size=1)))
def test_a_packed_bag_gives_back_what_was_packed(words):
    bag = unpack(pack(words))
    counts = Counter(map(number, words))
    assert dict(zip(bag["term"].tolist(), bag["count"].tolist(), strict=True)) == counts
    assert np.all(np.diff(bag["term"].astype(np.int64)) > 0)


@given(st.text(alphabet=st.characters(exclude_categories=[])))
def test_no_text_is_refused(text):
    ENGLISH.bag(text, speaker=text or None, occurred_at=None)
    ENGLISH.question(text)


@pytest.mark.parametrize(
    "piece", ["a", "1", "1 ", "a_", "a-", "(1", "a.b", "@", "+1-", "\u0301", "你", "?", "!", '"', "12 ", "(12) ", "a--"]
)
def test_a_long_monotonous_text_is_taken_apart_like_any_other(piece):
    """A pattern that went back over such a text for each of its characters would not end before the timeout."""
    text = piece * 8_000
    ENGLISH.bag(text, speaker=None, occurred_at=None)
    ENGLISH.question(text[:8_000])
    plain(text)


def test_a_very_long_text_is_taken_apart_in_one_go():
    ENGLISH.bag("1 a-b.c@" * 12_500, speaker=None, occurred_at=None)


def test_threads_that_share_an_analyzer_get_the_same_stems():
    words = [
        f"{stem}{ending}" for stem in ("paint", "walk", "observ", "conform") for ending in ("ing", "ed", "s", "ation")
    ]
    expected = Analyzer("english").terms(" ".join(words))
    shared, wrong = Analyzer("english"), []

    def split() -> None:
        wrong.extend(got for _ in range(200) if (got := shared.terms(" ".join(words))) != expected)

    threads = [threading.Thread(target=split) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not wrong


def test_the_language_can_be_chosen():
    assert Analyzer("german").terms("Häuser Haus") == ["haus", "haus"]
    assert Analyzer("none").terms("the horses") == ["the", "horses"]


def test_an_unknown_language_is_refused_with_those_there_are():
    with pytest.raises(InvalidInputError, match=r"language.*english.*none"):
        Analyzer("klingon")
