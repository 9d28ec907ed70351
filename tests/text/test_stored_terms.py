"""A store holds the terms of its lines as numbers: the same line has to give the same bytes in every release.

The bytes here were made once and are not to be made again. What has to differ raises `VERSION`, so that a store's lines
are split anew.
"""

from datetime import UTC, datetime

import pytest

from agentmem.text.analyzer import Analyzer
from agentmem.text.bags import number

STORED = [
    (
        "english",
        "Ada's paintings weren't dry; she'd painted 3 horses?",
        "Ada Byron",
        datetime(2026, 3, 14, 9, tzinfo=UTC),
        (
            "2fbbfd2c011fb758480155705f4c0117847a5702b0c26464019b8ed26d014ecbc77d01b7b9d67e016887708d026678f89901"
            "f8e130a60137f60bd501"
        ),
    ),
    (
        "german",
        "Die Häuser in der Straße heißen „Zur Mühle“.",
        "Jürgen",
        datetime(2026, 12, 1, tzinfo=UTC),
        (
            "d20c870d011c351e1601d7ff78390137a9644a01a5961253014e8eec5f016a50156701705b1b75014ecbc77d01b7efdc8301"
            "4f8d3ae901bc3680e901"
        ),
    ),
    (
        "turkish",
        "İstanbul'da ışıklar çok güzel, ığdır'ı da gördük",
        None,
        None,
        "a7c0594e01af8329520192edfd7a02d363d58d01f95339b40162ca8ede0171366ce601cf63b7ee015c3bebf201",
    ),
    ("english", "İstanbul'da IŞIKLAR, ILIK", None, None, "ef3df8480105e4f8dd01abb4d1f501"),
    (
        "french",
        "L'école d'Annecy a mangé l’été",
        None,
        None,
        "07e3b58901fec2069602cc4add980177cc84a6014ff74cc101fcf9d6c70143beb7e801",
    ),
    ("russian", "Красивые большие дома, Ёлка?", None, None, "0d0d083e01b0c2646401265f0976016343c0ec017e977ded01"),
    (
        "english",
        "我们昨天吃了北京烤鸭，ガイド서울 か\u3099",
        None,
        None,
        (
            "da3b5307016324650c019850ab41010c0dbb6d0162c40f8301fe42588d0155e0479001ead1739201017e239e0143de84ac01"
            "917e6bcc01ed743ed201800e56e8018ec226f801"
        ),
    ),
    (
        "english",
        "ฉันชอบกินข้าวผัด ນ້ຳ က",
        None,
        None,
        (
            "ed980e0701c9ff0c1901ee844c280137f3ca2b01fb0fd22e014f77f82e01e2d03f490192bf8d4a01f0a9054d014673635001"
            "db221a6d01ee785a8101450f918a012fab269b0166b614ad01c64131c1019179e0c801f4c9eacf01bebd06fd01"
        ),
    ),
    ("english", "أين هو الكِتَابُ؟ ١٢٣", None, None, "e4958314014e51fb2d011e173b3e017ba9315701614c776e0142617f8f01"),
    ("english", "हिन्दी की किताबें, தமிழ் మాట్లాడు", None, None, "3b5d862e01cd89953f01ef70b56b01e2bf45c5016dfc27d601"),
    (
        "english",
        "🙂 party 👩\u200d👩\u200d👧 !? ﬁsh ＡＢＣ １２３ x² ½",
        None,
        None,
        "0dbed51a01c2412435013344743f0181b0e86e01b7efdc8301d263488801845e229401",
    ),
    (
        "english",
        "Order AB-1234, INV_2024#001 and AB\u20111234; +1 (415) 555-0192, 4.5 kg, 4GB, 2026-03-14",
        None,
        None,
        (
            "72613b050168540614011a454f2101fcf8632901ce663f2b022074953201cf57cd4c014a692355014b0ab25501d495955c01"
            "4ecbc77d01b7efdc8301ae2bb1840162aac99301a3e0e39b026d48839e02f8e130a601db0ee0c301381bb6f301989329f501"
            "9dbb5ffa01"
        ),
    ),
    (
        "english",
        "mail Ada.Byron@Example.com or http://example.com/a/b1?c=2",
        "+1 415-555-0192",
        None,
        (
            "6fdfb906010dbed51a01fcf86329012fbbfd2c01207495320120118a3601e01bcc4701cf57cd4c0148ac265101e6c6b66402"
            "b7efdc8301d408f788026887708d01b20d789701654e719e01db0ee0c301"
        ),
    ),
    (
        "none",
        "the horses café CAFE\u0301 x\u0301y snake_case",
        None,
        None,
        "72cd000801e66d453c01107fbd4f029e6b6d510104990878018316dc8c011526dbfb01",
    ),
]


@pytest.mark.parametrize(("language", "content", "speaker", "occurred_at", "stored"), STORED)
def test_a_line_gives_the_bytes_that_stores_hold(language, content, speaker, occurred_at, stored):
    assert Analyzer(language).bag(content, speaker=speaker, occurred_at=occurred_at).hex() == stored


def test_the_marks_of_a_store_are_the_version_and_the_language():
    assert Analyzer("english").made_by == "2:english"


@pytest.mark.parametrize(
    ("term", "stored"),
    [("tea", 2391201714), ("烤鸭", 2894388803), ("?", 1684325040), ("ab1234", 725575374), ("\ud800", 499426600)],
)
def test_a_term_has_the_number_that_stores_hold(term, stored):
    assert number(term) == stored
