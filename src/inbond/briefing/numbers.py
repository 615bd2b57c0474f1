"""The numbers of a text by what they are worth, so that they can be compared across languages. Pure.

"1.5 million" and 150万 are one number, as are 12,000 and 1万2000. Numbers that are written as words (two,
November, 三) may become digits in another language, and the other way round: they are allowed, not required.

What this does not read: words of scale of languages that are not listed here, signs, fractions, Roman
numerals, decimal commas that look like thousands ("1,500" is always 1500), and times of day that change with
the clock's form (3 p.m., 15時).
"""

from __future__ import annotations

import re
import unicodedata
from collections import Counter
from decimal import Decimal
from typing import Final

from inbond.briefing.blocks import ADDRESS, without_code

_WIDE: Final = {
    "千": 3, "万": 4, "萬": 4, "億": 8, "亿": 8, "兆": 12, "천": 3, "만": 4, "억": 8, "조": 12,
}  # fmt: skip
_MONEY: Final = ("$", "£", "€", "¥", "₩", "₹")
_SPACED: Final = ("만", "억", "조")
_FOREIGN: Final = {
    6: "millionen mio millions millones millón milhões milhão milioni milione miljoen miljoner milionów "
    "milion млн миллион миллиона миллионов мільйонів مليون ملايين",
    9: "milliarden milliarde mrd milliards milliard miliardi miliardo miljard miljarder miliardów miliard "
    "млрд миллиард миллиарда миллиардов мільярдів مليار مليارات",
}
"""Of other languages, those that mean one number wherever they stand: a German Billion is no English one."""
_SCALES: Final = {
    "thousand": 3, "million": 6, "billion": 9, "trillion": 12, "k": 3, "m": 6, "bn": 9, "b": 9, "t": 12,
    "one": 0, "百万": 6, **_WIDE,
    **{word: power for power, words in _FOREIGN.items() for word in words.split()},
}  # fmt: skip
_WORDS_OF_SCALE: Final = "|".join(
    ["thousand", "million", "billion", "trillion", "bn", *" ".join(_FOREIGN.values()).split()]
)
_DIGITS: Final = r"\d+(?:,\d{3})+(?:\.\d+)?|\d+(?:[.,]\d+)*"
_ONE: Final = re.compile(
    rf"(?P<digits>{_DIGITS})"
    rf"(?:[\s\u2010-]?(?P<word>{_WORDS_OF_SCALE})\b|(?P<letter>[kKMBT])\b|(?P<wide>百万|[{''.join(_WIDE)}]+))?"
    r"(?P<tenths>割)?",
    re.I,
)
_WORDS: Final = {
    word: str(value)
    for words, first in (
        ("zero one two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen", 0),
        ("first second third fourth fifth sixth seventh eighth ninth tenth eleventh twelfth", 1),
        ("january february march april may june july august september october november december", 1),
        ("jan feb mar apr may jun jul aug sep oct nov dec", 1),
        ("once twice", 1),
        ("single double triple", 1),
    )
    for value, word in enumerate(words.split(), first)
} | {
    "twenty": "20",
    "thirty": "30",
    "forty": "40",
    "fifty": "50",
    "hundred": "100",
    "dozen": "12",
    "half": "5",
}
_KANJI: Final = {letter: str(value) for value, letter in enumerate("〇一二三四五六七八九十")} | {
    "百": "100",
    "千": "1000",
    "万": "10000",
}
_WORD: Final = re.compile(r"[a-z]+", re.I)


def words_of(text: str) -> str:
    """The text without code and addresses, which no translation changes."""
    return ADDRESS.sub(" ", without_code(text))


def urls(text: str) -> Counter[str]:
    """The addresses of a text."""
    return Counter(ADDRESS.findall(text))


def written(text: str) -> Counter[str]:
    """The numbers that stand in digits, outside code and addresses, by their value. A number of several
    points (2.3.1) stays as it is written."""
    text = unicodedata.normalize("NFKC", words_of(text))
    found: Counter[str] = Counter()
    carried, end = Decimal(0), -1
    for match in _ONE.finditer(text):
        value, scaled = _value(match)
        if isinstance(value, str):
            found[value] += 1
            continue
        # 1万2000 and 3억 5000만 are one number in two parts; Korean sets a space between them.
        between = text[end : match.start()] if carried else "-"
        if (not between or (between == " " and text[end - 1] in _SPACED)) and value < carried:
            found[_plain(carried)] -= 1
            value += carried
        found[_plain(value)] += 1
        carried, end = (value, match.end()) if scaled else (Decimal(0), -1)
    return +found


def spelled(text: str) -> Counter[str]:
    """The numbers that words of a text may stand for: an upper bound on what digits may take their place."""
    plain = words_of(text)
    found = Counter(_WORDS[each.lower()] for each in _WORD.findall(plain) if each.lower() in _WORDS)
    found += Counter(_KANJI[letter] for letter in plain if letter in _KANJI)
    return found


def _value(match: re.Match[str]) -> tuple[Decimal | str, bool]:
    digits = match["digits"]
    if re.fullmatch(r"\d+(,\d{3})+(\.\d+)?", digits):
        digits = digits.replace(",", "")
    digits = digits.replace(",", ".")
    if digits.count(".") > 1:
        return digits, False
    value = Decimal(digits)
    wide = match["wide"] or ""
    power = _SCALES[(match["word"] or _letter(match) or "one").lower()]
    power += _SCALES["百万"] if wide == "百万" else sum(_SCALES[letter] for letter in wide)
    return value.scaleb(power + (1 if match["tenths"] else 0)), bool(wide) and wide not in ("千", "천")


def _letter(match: re.Match[str]) -> str:
    """The letter of scale; "" where it is one of a unit: 5m is five metres, and $5m is five million."""
    letter = match["letter"] or ""
    before = match.string[match.start() - 1 : match.start()]
    return letter if letter not in ("m", "b", "t") or before in _MONEY else ""


def _plain(value: Decimal) -> str:
    text = format(value, "f")
    return (text.rstrip("0").rstrip(".") if "." in text else text) or "0"
