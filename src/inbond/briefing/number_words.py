"""The numbers that words stand for: those of English, and kanji. Pure.

Both "two million" and 二百万 are 2,000,000. These are upper bounds: a second may be the 2nd, or a moment.
Words of other languages are not read, and in "two or three million" only the three are millions.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Iterator
from decimal import Decimal
from typing import Final

ERAS: Final = {"明治": 1867, "大正": 1911, "昭和": 1925, "平成": 1988, "令和": 2018}
"""What is added to a year of a Japanese era."""
_UNITS, _TEENS, _TENS, _NTH, _TEENTH = (
    row.split()
    for row in (
        "zero one two three four five six seven eight nine",
        "ten eleven twelve thirteen fourteen fifteen sixteen seventeen eighteen nineteen",
        "ten twenty thirty forty fifty sixty seventy eighty ninety",
        "first second third fourth fifth sixth seventh eighth ninth",
        "tenth eleventh twelfth thirteenth fourteenth fifteenth sixteenth seventeenth eighteenth nineteenth",
    )
)
_SMALL: Final = {
    **{word: value for value, word in enumerate([*_UNITS, *_TEENS])},
    **{word: value for value, word in enumerate([*_NTH, *_TEENTH], 1)},
    **{word: value for place, ten in enumerate(_TENS[1:], 2) for word, value in
       ((ten, 10 * place), (f"{ten[:-1]}ieth", 10 * place))},
}  # fmt: skip
_SCALE: Final = {"thousand": 10**3, "million": 10**6, "billion": 10**9, "trillion": 10**12}
_OTHERS: Final = {
    word: value
    for words, first in (
        ("january february march april may june july august september october november december", 1),
        ("jan feb mar apr may jun jul aug sep oct nov dec", 1),
        ("once twice", 1),
        ("single double triple", 1),
        ("dozen", 12),
    )
    for value, word in enumerate(words.split(), first)
}


def _any(words: Iterable[str]) -> str:
    return "(?:" + "|".join(sorted(words, key=len, reverse=True)) + ")(?![a-z])"


_UP_TO_99: Final = (
    f"(?:{_any(_TENS[1:])}[ -]{_any([*_UNITS[1:], *_NTH])}|{_any(_SMALL)})(?:[ -]and[ -]a[ -]half(?![a-z]))?"
)
_UP_TO_999: Final = (
    f"(?:(?:(?:{_UP_TO_99}|a)[ -])?hundred(?![a-z])(?:[ -](?:and[ -])?{_UP_TO_99})?|{_UP_TO_99})"
)
_SCALED: Final = f"(?:(?:{_UP_TO_999}|half[ -]an?|an?)[ -])?{_any(_SCALE)}"
_JOIN: Final = "(?: and | |-)"
_NUMBER: Final = re.compile(
    r"(?=[abefhmnostz])(?<![a-z\d])(?<!\d[ \-\u2010\u2011])"
    f"(?:{_SCALED}(?:,?{_JOIN}{_SCALED})*(?:{_JOIN}{_UP_TO_999})?|{_UP_TO_999})"
)
_WORD: Final = re.compile(r"[a-z]+")
_PARTS: Final = {"half": 2, "halves": 2, "quarter": 4, "quarters": 4} | {
    word: value for value, nth in enumerate([*_NTH[2:], "tenth"], 3) for word in (nth, f"{nth}s")
}
_FRACTION: Final = re.compile(
    rf"(?=[aefhnost])(?<![a-z])"
    rf"(?:(?P<count>a|{_any(_UNITS[1:])})[ -](?P<part>{_any(_PARTS)})|(?P<half>half)(?![a-z]))"
)
_FIGURES: Final = {letter: value for value, letter in enumerate("〇一二三四五六七八九")} | {
    "零": 0, "两": 2, "兩": 2,
}  # fmt: skip
_RAISED: Final = {"十": 10, "百": 100, "千": 1000}
_MYRIADS: Final = {"万": 10**4, "萬": 10**4, "億": 10**8, "亿": 10**8, "兆": 10**12}
_LONGEST: Final = 30
"""Letters of a number in kanji; a longer row of them is none."""
_ALL_KANJI: Final = "".join([*_FIGURES, *_RAISED, *_MYRIADS])
_KANJI: Final = re.compile(
    rf"(?P<era>{'|'.join(ERAS)})?(?<![\d.{_ALL_KANJI}])"
    rf"(?P<run>[{_ALL_KANJI}]+|(?(era)元(?=年)|(?!)))(?P<tenths>割)?"
)


def plain(value: Decimal | int) -> str:
    """A number as text in one way, however it was written."""
    text = format(Decimal(value), "f")
    return (text.rstrip("0").rstrip(".") if "." in text else text) or "0"


def worth(text: str) -> Counter[str]:
    """The numbers that words of a text may stand for."""
    text = text.lower()
    found = Counter(plain(value) for each in _NUMBER.finditer(text) for value in _folded(each[0]))
    found += Counter(plain(_OTHERS[each]) for each in _WORD.findall(text) if each in _OTHERS)
    # What "two thirds" says is there as 2 and 3 already: of both, the larger count.
    found |= Counter(plain(value) for each in _FRACTION.finditer(text) for value in _of_fraction(each))
    return found + Counter(plain(value) for each in _KANJI.finditer(text) for value in _of_kanji(each))


def _folded(phrase: str) -> Iterator[Decimal]:
    """The worth of words that are one number, or several: a million after a thousand begins another one."""
    total = part = Decimal(0)
    last = 0
    for word in _WORD.findall(phrase):
        if word in _SMALL:
            part += _SMALL[word]
        elif word == "half":
            part += Decimal("0.5")
        elif word == "hundred":
            part = (part or 1) * Decimal(100)
        elif (size := _SCALE.get(word)) is not None:
            if total and size >= last:
                yield total
                total = Decimal(0)
            total, part, last = total + (part or 1) * size, Decimal(0), size
    yield total + part


def _of_fraction(match: re.Match[str]) -> Iterator[int]:
    """Both of its numbers, and its hundredths where they are whole."""
    count = _SMALL.get(match["count"] or "one", 1)
    parts = _PARTS[match["part"] or "half"]
    yield from (count, parts)
    if 100 * count % parts == 0:
        yield 100 * count // parts


def _of_kanji(match: re.Match[str]) -> Iterator[int]:
    run = match["run"]
    if len(run) > _LONGEST:
        return
    value = 1 if run == "元" else _in_kanji(run)
    yield value
    if match["era"]:
        yield value + ERAS[match["era"]]
    if match["tenths"]:
        yield 10 * value
    if len(run) > 1 and all(letter in _FIGURES for letter in run):  # 三四人 are three or four
        yield from (_FIGURES[letter] for letter in run)


def _in_kanji(run: str) -> int:
    total = section = figures = 0
    for letter in run:
        if letter in _FIGURES:
            figures = 10 * figures + _FIGURES[letter]
        elif letter in _RAISED:
            section, figures = section + (figures or 1) * _RAISED[letter], 0
        else:
            total, section, figures = total + (section + figures or 1) * _MYRIADS[letter], 0, 0
    return total + section + figures
