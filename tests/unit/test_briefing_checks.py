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


def test_a_quote_may_have_straight_marks_where_its_block_has_curly_ones() -> None:
    curly = "The harbour’s crane, “slow and even”, works alone"
    straight = 'The harbour\'s crane, "slow and even", works alone'
    assert checks.quote(straight, block(curly), "b1") == ()
    assert checks.quote(curly, block(straight), "b1") == ()


def test_raised_digits_are_numbers_of_their_own() -> None:
    assert numbers.written("some 10⁶ of 2020¹, 10⁻⁶ m, 5 m²") == Counter(
        {"10": 2, "6": 2, "2020": 1, "1": 1, "5": 1}
    )
    assert numbers.written("10^6") == numbers.written("10⁶")


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
    for text in ('He said "ありがとうございました" (thank you very much).',
                 "The festival is called Yosakoi Soran (よさこいソーランまつり)."):  # fmt: skip
        assert checks.in_language(text, "en", "the summary") == ()
    assert checks.in_language("川の水門が閉じた。", "en", "the summary") != ()


def told(source: str, text: str, language: str, of: str) -> list[str]:
    found = checks.translation(block(source), text, language, of)
    return [each.why for each in found if each.check == "numbers"]


WHOLE = st.integers(1, 10**12)
PARTS = {"en": (",", "."), "ja": (",", "."), "de": (".", ","), "it": (".", ","), "es": (".", ","),
         "fr": ("\u202f", ","), "ru": ("\u00a0", ","), "sv": (" ", ","), "pl": (" ", ",")}  # fmt: skip
LANGUAGES = st.sampled_from(sorted(PARTS))


def spelt(value: Decimal, language: str) -> str:
    """As a writer of this language would."""
    thousands, decimals = PARTS[language]
    return f"{value:,f}".replace(",", "T").replace(".", decimals).replace("T", thousands)


def sentence(value: Decimal, language: str) -> str:
    return f"x: {spelt(value, language)} y"


@given(WHOLE, st.integers(0, 2), LANGUAGES, LANGUAGES)
def test_a_number_is_the_same_however_its_language_writes_it(
    digits: int, decimals: int, of: str, language: str
) -> None:
    value = Decimal(digits).scaleb(-decimals)
    assert told(sentence(value, of), sentence(value, language), language, of) == []


@given(WHOLE, st.integers(0, 2), LANGUAGES, LANGUAGES, st.data())
def test_a_number_that_changed_is_found_however_its_language_writes_it(
    digits: int, decimals: int, of: str, language: str, data: st.DataObject
) -> None:
    value = Decimal(digits).scaleb(-decimals)
    shift = st.integers(-2, 6).filter(bool).map(value.scaleb)
    other = data.draw(shift | WHOLE.map(Decimal).filter(lambda each: each != value))
    if "es" in (of, language) and abs((value / other).logb()) in (2, 3, 4):
        return  # the limits of Spanish are told in the docs
    assert told(sentence(value, of), sentence(other, language), language, of) != []


@pytest.mark.parametrize(
    ("source", "text", "language", "of"),
    [
        ("12,000 people, 3,500 abroad", "12.000 Menschen, 3.500 im Ausland", "de", "en"),
        ("12,000 people in Paris", "12 000 personnes à Paris", "fr", "en"),
        ("12,000 people in Paris", "12\u00a0000 personnes à Paris", "fr", "en"),
        ("1,5 Millionen Euro und 3.000 Stunden", "1.5 million euros and 3,000 hours", "en", "de"),
        ("1.234,5 Tonnen", "1,234.5 tonnes", "en", "de"),
        ("1.234.567 Menschen", "1,234,567 people", "en", "de"),
        ("Llama 3.1 and Python 3.11.4", "Llama 3.1 und Python 3.11.4", "de", "en"),
        ("El 12.500 de ellos", "12,500 of them", "en", "es"),
        ("12,500 pesos", "12,500 pesos", "es", "en"),
        ("12.500 Menschen", "12,500 people", "en", ""),
        ("12’500 Franken", "12,500 francs", "en", "de"),
        ("Call +49 30 123 456 now", "電話は+49 30 123 456", "ja", "de"),
        ("It has 0.125 of it", "Es hat 0,125 davon", "de", "en"),
        ("Am 05.03.2026 begann es.", "2026年3月5日に始まった。", "ja", "de"),
        ("On March 5, 2026 it began.", "Es begann am 05.03.2026.", "de", "en"),
        ("A flat of 50 m² and 2 km2", "50平方メートルと2㎢の部屋", "ja", "en"),
    ],
)
def test_points_commas_and_spaces_are_read_as_the_language_has_them(
    source: str, text: str, language: str, of: str
) -> None:
    assert told(source, text, language, of) == []


@pytest.mark.parametrize(
    ("source", "text", "language", "of"),
    [
        ("12,000 people", "1.200 Menschen", "de", "en"),
        ("12,000 people", "12 Menschen", "de", "en"),
        ("12,000 people", "12,000 Menschen", "de", "en"),
        ("12,000 people", "1,200 people", "ja", ""),
        ("12,000 people", "12人", "ja", ""),
        ("3.5 metres", "35 mètres", "fr", "en"),
        ("3,5 Meter", "35 metres", "en", "de"),
        ("3.000 Stunden", "3 hours", "en", "de"),
        ("Am 05.03.2026 begann es.", "2026年3月6日に始まった。", "ja", "de"),
        ("A flat of 50 m²", "2平方メートルの部屋", "ja", "en"),
    ],
)
def test_a_number_that_is_another_in_that_language_is_told(
    source: str, text: str, language: str, of: str
) -> None:
    assert len(told(source, text, language, of)) == 2


@pytest.mark.parametrize("text", ["1" + "兆" * 90_000, "9" * 1_000_001, "1." * 50_000, "1 000" * 20_000])
def test_a_number_of_any_length_is_read(text: str) -> None:
    source = f"The {text} of it"
    assert numbers.readings(source)
    assert told(source, source, "ja", "en") == []
    assert told(source, f"The {text} of it 7", "ja", "en") != []


@given(st.integers(10**28, 10**200), st.integers(1, 9))
def test_long_numbers_are_compared_to_their_last_digit(value: int, more: int) -> None:
    assert told(f"x {value} y", f"x {value} y", "en", "ja") == []
    assert told(f"x {value} y", f"x {value + more} y", "en", "ja") != []


@given(st.lists(st.sets(st.sampled_from("abcde"), min_size=1, max_size=3), max_size=8), st.data())
def test_what_is_matched_may_be_the_same_and_nothing_is_matched_twice(
    rows: list[set[str]], data: st.DataObject
) -> None:
    wanted = [tuple(sorted(row)) for row in rows]
    got = data.draw(st.permutations([(row[0],) for row in wanted]))
    left, others = numbers.unmatched(wanted, got)
    assert len(wanted) - len(left) == len(got) - len(others)
    assert not {value for row in left for value in row} & {value for row in others for value in row}


@pytest.mark.parametrize(
    ("source", "text"),
    [
        ("Some two million people use it.", "約200万人が使っている。"),
        ("It has twenty-five branches.", "25の支店がある。"),
        ("About a quarter of them left.", "約4分の1が辞めた。"),
        ("About a quarter of them left.", "約25%が辞めた。"),
        ("Two thirds of it", "その3分の2"),
        ("Half a million readers", "50万人の読者"),
        ("One million, two million, three of them", "100万、200万、3人"),
        ("Two and a half million readers", "250万人の読者"),
        ("one million, two hundred thousand and five", "120万5"),
        ("The twenty-first century", "21世紀"),
        ("One hundred and two thousand five", "10万2005"),
        ("令和7年に設立された会社です。", "The company was founded in 2025."),
        ("令和七年に設立された会社です。", "The company was founded in 2025."),
        ("平成元年の法律", "A law of 1989"),
        ("十五人が参加した。", "15 people took part."),
        ("二百万人が使う。", "2 million people use it."),
        ("二〇二五年の春", "In the spring of 2025"),
        ("三割が賛成した。", "30% were in favour."),
        ("三、四人", "3 or 4 people"),
    ],
)
def test_a_number_in_words_may_be_one_in_digits_either_way(source: str, text: str) -> None:
    for one, other, language, of in ((source, text, "ja", "en"), (text, source, "en", "ja")):
        assert told(one, other, language, of) == []


@pytest.mark.parametrize(
    ("source", "text"),
    [
        ("It has twenty-five branches.", "20の支店がある。"),
        ("Some two million people use it.", "約20万人が使っている。"),
        ("令和7年に設立された会社です。", "The company was founded in 2026."),
        ("十五人が参加した。", "10 people took part."),
        ("It has 25 branches.", "二十の支店がある。"),
        ("25万人", "10,000 people"),
        ("約5百万人", "10,000 people"),
    ],
)
def test_a_number_in_words_is_no_other_one(source: str, text: str) -> None:
    assert told(source, text, "en", "ja") != []


@given(st.integers(1, 10**12))
def test_kanji_are_read_as_they_are_written(value: int) -> None:
    assert numbers.spelled(f"約{in_kanji(value)}件")[str(value)] == 1


def in_kanji(value: int) -> str:
    found, rest = "", value
    for unit, size in (("億", 10**8), ("万", 10**4), ("", 1)):
        count, rest = divmod(rest, size)
        if count >= 10**4:
            found += in_kanji(count // 10**4) + "兆"
            count %= 10**4
        small = "".join(
            ("" if digit == "1" and name else "〇一二三四五六七八九"[int(digit)]) + name
            for digit, name in zip(f"{count:04}", ("千", "百", "十", ""), strict=True)
            if digit != "0"
        )
        found += small + unit if count else ""
    return found


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
