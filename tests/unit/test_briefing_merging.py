"""Which briefings tell one event: the same in any order, never a chain of unlike ones, an article once."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path
from types import ModuleType

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from inbond.briefing.merging import ALIKE, UNLIKE, merged
from inbond.briefing.naming import are_apart, names
from inbond.briefing.telling import Rarity, Telling, features_of, likeness, same_address
from tests.briefing_days import OTHER, STRIKE, STRIKE_TOO, TEXTS

BENCHMARK = Path(__file__).parents[2] / "benchmarks" / "briefing_merging.py"


@st.composite
def tellings(draw: st.DrawFn) -> list[Telling]:
    keys = draw(st.lists(st.from_regex(r"[a-f0-9]{4}", fullmatch=True), max_size=8, unique=True))
    addresses = st.sampled_from(["", "", "a.example/1", "a.example/2"])
    return [
        Telling(key, draw(TEXTS), draw(TEXTS), (draw(TEXTS),), (draw(TEXTS),), draw(addresses))
        for key in keys
    ]


@given(tellings(), st.data())
@settings(deadline=None)
def test_in_any_order_each_is_in_exactly_one_group(found: list[Telling], data: st.DataObject) -> None:
    groups = merged(found)
    assert sorted(key for group in groups for article in group for key in article) == sorted(
        each.key for each in found
    )
    assert merged(data.draw(st.permutations(found))) == groups


@given(tellings())
@settings(deadline=None)
def test_one_article_is_one_and_no_group_holds_unlike_ones(found: list[Telling]) -> None:
    by_key, groups = {each.key: each for each in found}, merged(found)
    for group in groups:
        firsts = [by_key[article[0]] for article in group]
        rarity = Rarity([by_key[article[0]] for each in groups for article in each])
        for place, one in enumerate(firsts):
            for other in firsts[:place]:
                assert not one.is_same_article(other)
                assert not are_apart(one, other)
                assert likeness(rarity.weigh(one), rarity.weigh(other)) >= ALIKE * UNLIKE - 1e-9
    articles = [article for group in groups for article in group]
    for place, first in enumerate(articles):
        for second in articles[:place]:
            assert not any(by_key[a].is_same_article(by_key[b]) for a in first for b in second)


def test_two_articles_on_one_event_and_one_on_another() -> None:
    found = [Telling("a", *STRIKE), Telling("b", *STRIKE_TOO), Telling("c", *OTHER)]
    assert merged(found) == ((("a",), ("b",)), (("c",),))
    assert merged(found, alike=0.99) == ((("a",),), (("b",),), (("c",),))
    assert merged([]) == ()


def test_the_same_article_again_is_one_article_not_a_second_voice() -> None:
    one = Telling("a", "Nothing alike", address="a.example/1", digest="sha256:x")
    by_address = Telling("b", "Quite other words", address="a.example/1", digest="sha256:y")
    by_text = Telling("c", "Third words", address="b.example/9", digest="sha256:y")
    assert merged([by_text, one, by_address]) == ((("a", "b", "c"),),)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("https://www.a.example/x/?utm_source=b&id=3#top", "http://a.example/x?id=3"),
        ("https://A.example/x?b=1&a=2", "https://a.example/x?a=2&b=1"),
    ],
)
def test_an_address_is_the_same_without_what_does_not_change_the_page(one: str, other: str) -> None:
    assert same_address(one) == same_address(other)


def test_addresses_of_two_pages_stay_two() -> None:
    addresses = [
        "https://a.example/x?id=3",
        "https://a.example/x?id=4",
        "https://a.example/y",
        "https://b.example/x",
    ]
    assert len(set(map(same_address, addresses))) == 4
    assert same_address("") == ""
    assert same_address("http://[broken") == "http://[broken"


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("Tarn ships the Vela 3", "Tarn ships the Vela 2"),
        ("青嶺電機、中間決算は2割の増益", "北斗重機、中間決算は2割の増益"),
        ("「ハコビ5」を発売", "「ハコビ4」を発売"),
    ],
)
def test_other_names_and_other_versions_are_apart(one: str, other: str) -> None:
    assert are_apart(Telling("a", one), Telling("b", other))
    assert are_apart(Telling("b", other), Telling("a", one))
    assert merged([Telling("a", one), Telling("b", other)], alike=0.01) == ((("a",),), (("b",),))


def test_a_name_is_a_word_of_its_own_and_what_is_missing_does_not_count() -> None:
    limits = Telling("a", "A lab gives its Osprey model away", "The lab Osprey sets no limits.")
    licence = Telling("b", "A lab gives its Heron model away", "The lab Heron chose MIT as a licence.")
    assert "mit" in names(licence)
    assert are_apart(limits, licence)
    assert not are_apart(limits, Telling("c", "a lab gives its model away"))


def test_words_are_cut_and_unspaced_scripts_become_letters_in_a_row() -> None:
    assert features_of("launches").keys() == features_of("launched").keys()
    assert {"半導", "導体", "クラウ", "ラウド"} <= features_of("半導体のクラウド").keys()
    assert "の" not in "".join(features_of("半導体の"))
    assert features_of("GPT-6").keys() & features_of("GPT 6").keys() == {"gpt6", "#6"}
    assert features_of("1.5 million").keys() >= {"#1500000"} <= features_of("150万").keys()
    assert features_of("the and of").keys() == set()


def benchmark() -> ModuleType:
    spec = importlib.util.spec_from_file_location("briefing_merging", BENCHMARK)
    assert spec is not None
    assert spec.loader is not None
    found = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = found
    spec.loader.exec_module(found)
    return found


def test_the_gold_set_is_merged_as_the_log_says() -> None:
    scoring = benchmark()
    rows = scoring.read()
    for language, recall in (("en", 0.5), ("ja", 0.7)):
        part = scoring.chosen(rows, "report", language)
        found = scoring.score(part)
        assert found.hard >= 9
        assert found.wrong == frozenset()
        assert found.recall >= recall
    both = scoring.score(rows)
    assert both.precision >= 0.98
    assert both.recall >= 0.75
    assert {row["half"] for row in rows} == {"tune", "report"}
    halves = ({row["event"] for row in rows if row["half"] == half} for half in ("tune", "report"))
    assert set.intersection(*halves) == set()
