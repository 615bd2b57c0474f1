"""Checks of a translation: what must survive does, and what did not is told with its block."""

from __future__ import annotations

import html
from collections import Counter
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from inbond.briefing import checks, numbers, rendering
from inbond.briefing.blocks import Block

IDS = st.lists(st.from_regex(r"b[1-9][0-9]?", fullmatch=True), min_size=1, max_size=12, unique=True)


def block(text: str, kind: str = "paragraph") -> Block:
    return Block("b1", kind, text)  # type: ignore[arg-type]


def failed(source: str, text: str, language: str = "ja", kind: str = "paragraph") -> list[str]:
    return [each.check for each in checks.translation(block(source, kind), text, language)]


@given(IDS, st.data())
def test_ids_that_come_back_once_each_in_any_order_are_right(asked: list[str], data: st.DataObject) -> None:
    assert checks.ids(asked, data.draw(st.permutations(asked))) == ()


@given(IDS, st.data())
def test_a_lost_a_double_and_a_foreign_id_are_each_told(asked: list[str], data: st.DataObject) -> None:
    lost = data.draw(st.sampled_from(asked))
    given_ = [each for each in asked if each != lost]
    assert [each.block for each in checks.ids(asked, given_)] == [lost]
    assert [each.block for each in checks.ids(asked, [*asked, lost])] == [lost]
    assert [each.block for each in checks.ids(asked, [*asked, "x9"])] == ["x9"]


@pytest.mark.parametrize(
    ("source", "text"),
    [
        ("It has 1.5 million users.", "利用者は150万人だ。"),
        ("It cost $12,000.", "費用は1万2000ドルだった。"),
        ("Two of 3.2 billion parameters", "32億パラメータのうち2つ"),
        ("On November 5, 2026", "2026年11月5日に"),
        ("Growth of 30%", "3割の成長"),
        ("Version 2.3.1 is out", "バージョン2.3.1が出た"),
        ("Sales of 350 million yen", "売上は3億5000万円"),
        ("全角の１２３件", "123 of them in wide digits"),
        ("三つの席がある", "There are 3 seats"),
        ("A 7-billion-parameter model", "70億パラメータのモデル"),
        ("It took a 1.2\u2011million-dollar grant", "120万ドルの助成を受けた"),
        ("Ships of 120m paid $5m", "120メートルの船は500万ドルを払った"),
        ("1,5 Millionen Menschen", "150万人"),
        ("Umsatz von 2,4 Mrd. Euro", "売上は24億ユーロ"),
        ("un budget de 30 millions d'euros", "予算は3000万ユーロ"),
        ("70亿参数", "70億パラメータ"),
        ("매출은 5천만 원", "売上は5000万ウォン"),
        ("이용자는 3억 5000만 명", "利用者は3億5000万人"),
        ("Расходы составили 12 млн рублей", "費用は1200万ルーブル"),
    ],
)
def test_a_number_is_the_same_in_another_language(source: str, text: str) -> None:
    language = "en" if text.isascii() else "ja"
    assert "numbers" not in failed(source, text, language)


@pytest.mark.parametrize(
    ("source", "text", "why"),
    [
        ("The score is 4.8.", "得点は4である。", "b1: the number 4.8 of the source is missing"),
        ("The score is 4.8.", "得点は4である。", "b1: the number 4 is not in the source"),
        ("1.5 million users", "利用者は15万人だ。", "b1: the number 1500000 of the source is missing"),
        ("Some users left.", "9人の利用者が去った。", "b1: the number 9 is not in the source"),
    ],
)
def test_a_number_that_changed_is_told(source: str, text: str, why: str) -> None:
    assert why in [str(each) for each in checks.translation(block(source), text, "ja")]


@given(st.lists(st.integers(0, 10**9), max_size=6), st.randoms(use_true_random=False))
def test_numbers_are_compared_as_a_multiset(values: list[int], random: object) -> None:
    shuffled = [*values]
    random.shuffle(shuffled)  # type: ignore[attr-defined]
    one, other = (" and ".join(f"{each:,} things" for each in row) for row in (values, shuffled))
    assert numbers.written(one) == numbers.written(other) == Counter(map(str, values))


@given(st.lists(st.integers(0, 10**9), min_size=1, max_size=6), st.data())
def test_one_lost_number_is_always_found(values: list[int], data: st.DataObject) -> None:
    place = data.draw(st.integers(0, len(values) - 1))
    kept = values[:place] + values[place + 1 :]
    source, text = ("; ".join(f"{each} x" for each in row) + " ok" for row in (values, kept))
    lost = [each for each in checks.translation(block(source), text, "en") if each.check == "numbers"]
    assert [str(values[place]) in each.why for each in lost] == [True]


def test_code_and_addresses_survive_or_are_told() -> None:
    source = "Call `open()` as https://example.org/a says, then `close()`."
    assert failed(source, "https://example.org/a のとおり`open()`を呼び、`close()`で閉じる。") == []
    assert failed(source, "https://example.org/a のとおり`open()`を呼び、閉じる。") == ["code"]
    assert failed(source, "`open()`を呼び、`close()`で閉じる。") == ["urls"]
    assert "code" in failed(source, "https://example.org/a のとおり`開く()`を呼び、`close()`で閉じる。")


def test_numbers_within_code_are_the_business_of_code() -> None:
    assert failed("Set `limit=100` first.", "先に`limit=100`とする。") == []
    assert failed("Set `limit=100` first.", "先に`limit=10`とする。") == ["code", "code"]


def test_code_comes_back_as_it_is() -> None:
    assert failed("x = 1", "x = 1", kind="code") == []
    assert failed("x = 1", "エックス = 1", kind="code") == ["code"]


def test_a_row_keeps_its_cells() -> None:
    assert failed("Plan | Requests", "プラン | 要求", kind="row") == []
    assert failed("Plan | Requests", "プラン、要求", kind="row") == ["cells"]


def test_what_came_back_as_it_was_is_not_translated() -> None:
    source = "The council approved the barrier after a dispute that lasted for years."
    assert failed(source, source) == ["untranslated"]
    assert failed(source, "A dispute about the barrier that lasted for years has ended at last.") == [
        "language"
    ]
    assert failed(source, "長年の論争のすえ、議会は堰の建設を可決した。") == []
    assert failed(source, "  ") == ["empty"]
    assert failed("Mara Lind", "Mara Lind") == []


TEXT = st.text(st.sampled_from("abc de　ｆＧ\n水門が閉「」"), min_size=20, max_size=80)


@given(TEXT, st.data())
def test_what_is_copied_from_a_block_is_a_quote_of_it(text: str, data: st.DataObject) -> None:
    start = data.draw(st.integers(0, len(text) - 1))
    words = text[start : data.draw(st.integers(start + 1, len(text)))]
    told = checks.quote(words, block(text), "b1")
    assert [each for each in told if "too short" not in each.why] == []


def test_a_quote_stands_in_its_block_letter_by_letter() -> None:
    source = block("The gates close  four times\na year, at ２．４ metres.")
    assert checks.quote("close four times a year, at 2.4 metres", source, "b1") == ()
    assert "copy them exactly" in checks.quote("close five times a year", source, "b1")[0].why
    assert "copy them exactly" in checks.quote("CLOSE FOUR TIMES", source, "b1")[0].why
    assert "too short" in checks.quote("a year", source, "b1")[0].why
    assert "no such block" in checks.quote("close four times", None, "b77")[0].why
    assert checks.quote("Yes.", block("Yes."), "b1") == ()


@given(st.fixed_dictionaries({name: st.integers(0, 5) for name in checks.AXES}))
def test_a_score_is_worked_out_from_its_axes(axes: dict[str, int]) -> None:
    found = checks.score(axes)
    assert abs(found - Decimal(sum(axes.values())) / len(axes)) <= Decimal("0.05")
    assert len(str(found).split(".")[1]) == 1
    assert min(axes.values()) <= found <= max(axes.values())


@pytest.mark.parametrize("value", [None, {}, {"novelty": 5}, {"novelty": 6, "reach": 1, "evidence": 1}, {
    "novelty": 1.5, "reach": 1, "evidence": 1}, {"novelty": True, "reach": 1, "evidence": 1}, {
    "novelty": 1, "reach": 1, "evidence": 1, "score": 5}])  # fmt: skip
def test_other_axes_are_none(value: object) -> None:
    found, why = checks.axes_of(value)
    assert found is None
    assert why


@pytest.mark.parametrize(
    ("source", "text"),
    [
        ("Anthropic announces Claude Opus", "Anthropic、Claude Opusを発表"),
        ("Using Visual Studio Code on Windows", "Visual Studio CodeをWindowsで使う"),
        ("Install PyTorch and CUDA Toolkit", "PyTorchとCUDA Toolkitをインストール"),
    ],
)
def test_a_heading_of_foreign_names_is_in_the_readers_language(source: str, text: str) -> None:
    assert failed(source, text) == []
    assert checks.in_language(text, "ja", "the title") == ()


def test_a_quoted_foreign_word_is_no_other_language() -> None:
    text = 'He said "ありがとうございました" (thank you very much).'
    assert checks.in_language(text, "en", "the summary") == ()
    assert checks.in_language("川の水門が閉じた。", "en", "the summary") != ()


@pytest.mark.parametrize(
    ("text", "address"),
    [
        ("詳細はhttps://example.com/aを参照してください。", "https://example.com/a"),
        ("https://example.com/a（英語）", "https://example.com/a"),
        ("https://example.com/a，再见", "https://example.com/a"),
        ("https://example.com/a에서 보라", "https://example.com/a"),
        ("“https://example.com/a”", "https://example.com/a"),
        ("See https://example.com/a.", "https://example.com/a"),
        ("(https://example.com/a)", "https://example.com/a"),
        ("https://example.org/wiki/Sea_(bay).", "https://example.org/wiki/Sea_(bay)"),
        ("https://example.org/%E6%B0%B4?a=1&b=2を", "https://example.org/%E6%B0%B4?a=1&b=2"),
        ("https://example.org/Café, und", "https://example.org/Café"),
    ],
)
def test_an_address_ends_where_its_sentence_goes_on(text: str, address: str) -> None:
    assert numbers.urls(text) == Counter([address])
    shown = html.escape(address)
    assert f'<a href="{shown}">{shown}</a>' in rendering.inline(text)


def test_an_address_is_the_same_in_front_of_a_particle() -> None:
    one, other = "See https://example.com/a for details.", "詳しくはhttps://example.com/aをご覧ください。"
    assert checks.translation(block(one), other, "ja", "en") == ()
    assert checks.translation(block(other), one, "en", "ja") == ()
    assert failed(one, "詳しくはhttps://example.com/bをご覧ください。") == ["urls", "urls"]


@pytest.mark.parametrize("mark", ["\u00ad", "\u2060", "\u200d", "\u200b", "\ufe0f"])
def test_a_quote_is_compared_by_what_is_seen(mark: str) -> None:
    seen, marked = "The committee of the harbour", f"The com{mark}mittee of the har{mark}bour"
    assert checks.quote(seen, block(f"{marked} said"), "b1") == ()
    assert checks.quote(marked, block(f"{seen} said"), "b1") == ()
    assert checks.quote(seen, block(f"{marked.replace('com', 'con')} said"), "b1") != ()
