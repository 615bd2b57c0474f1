"""The numbers of a text by what they are worth, so that they can be compared across languages. Pure.

"1.5 million" and 150万 are one number, as are 12,000 and 1万2000. What parts thousands and what parts
decimals is the language's: 12.000 is twelve thousand in German and twelve in English. Where that cannot be
told, a number has several readings. Numbers in words may become digits in another language, and the other way
round: they are allowed, not required.

What this does not read: words of scale of languages that are not listed here, signs, fractions, Roman
numerals, and times of day that change with the clock's form (3 p.m., 15時).
"""

from __future__ import annotations

import re
import unicodedata
from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from decimal import Context, Decimal
from typing import Final

from inbond.briefing import number_words
from inbond.briefing.blocks import ADDRESS, visible, without_code
from inbond.briefing.number_words import ERAS, plain

Readings = tuple[str, ...]
"""What one number may be worth, the likeliest first."""

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
_DIGITS: Final = r"\d+(?:[.,]\d+)*"
_ONE: Final = re.compile(
    rf"(?P<digits>{_DIGITS})"
    rf"(?:[\s\u2010-]?(?P<word>{_WORDS_OF_SCALE})\b|(?P<letter>[kKMBT])\b|(?P<wide>百万|[{''.join(_WIDE)}]+))?"
    r"(?P<tenths>割)?",
    re.I,
)
_EITHER: Final = frozenset(["es"])
"""Of some countries 1.500 is fifteen hundred, of others 1,500."""
_COMMA: Final = re.compile(
    "af|az|be|bg|bs|ca|cs|da|de|el|et|eu|fi|fr|gl|hr|hu|hy|id|is|it|ka|kk|lt|lv|mk|nb|nl|nn|no|pl|pt|ro|ru|sk|sl|"
    "sq|sr|sv|tr|uk|vi"
)
"""Languages in which a comma parts decimals, and a point or a space thousands."""
_GROUPED: Final = re.compile(r"[^\D0]\d{0,2}(?:(?:\.\d{3})+|(?:,\d{3})+)")
_NARROW: Final = "\u00a0\u2007\u2009\u202f'’"
"""They part thousands in any language: no two numbers are held together by them."""


def _apart(gaps: str) -> re.Pattern[str]:
    return re.compile(rf"(?<![\d.,])(?<!\d[{gaps}])[^\D0]\d{{0,2}}(?:[{gaps}]\d{{3}})+(?![{gaps}]?\d)")


_DATE: Final = re.compile(r"(?<![\d.,])([0-3]?\d)\.([01]?\d)\.(\d{4})(?![.,]?\d)")
_SQUARE: Final = re.compile(r"(?<![A-Za-z])([kcdm]?m)[23](?![A-Za-z0-9])")
"""A unit as NFKC leaves it of km² and ㎡: its digit is no number, and no language needs to keep it."""
_RAISED: Final = re.compile(r"(?<=\d)(?=[⁺⁻]?[⁰¹²³⁴-⁹])")
"""NFKC would join raised digits to those that they stand behind, and make 106 of 10⁶."""
_SPACED_APART: Final = _apart(_NARROW + " ")
_NARROWLY_APART: Final = _apart(_NARROW)
_MOST_DIGITS: Final = 60
"""Digits of a number, and zeros that its words of scale add; what is longer is compared as it is written."""
_EXACT: Final = Context(prec=10 * _MOST_DIGITS)


def words_of(text: str) -> str:
    """The text without code and addresses, which no translation changes."""
    return ADDRESS.sub(" ", without_code(text))


def urls(text: str) -> Counter[str]:
    """The addresses of a text."""
    return Counter(ADDRESS.findall(text))


def spelled(text: str) -> Counter[str]:
    """The numbers that words of a text may stand for: an upper bound on what digits may take their place."""
    return number_words.worth(visible(words_of(text)))


def written(text: str, language: str = "") -> Counter[str]:
    """The numbers that stand in digits, each by its likeliest reading."""
    return Counter(each[0] for each in readings(text, language))


def readings(text: str, language: str = "") -> list[Readings]:
    """The numbers that stand in digits, outside code and addresses, by their value. A number of several
    points (2.3.1) stays as it is written, but a date is three numbers. ``language``: ISO 639-1; "" where it
    is not known."""
    spaced = not language or language in _EITHER or _COMMA.fullmatch(language)
    text = visible(words_of(text))
    text = (_SPACED_APART if spaced else _NARROWLY_APART).sub(lambda each: re.sub(r"\D", "", each[0]), text)
    text = _SQUARE.sub(r"\1", unicodedata.normalize("NFKC", _RAISED.sub("^", _DATE.sub(r"\1 \2 \3", text))))
    found: list[Readings] = []
    carried: list[Decimal | str] = []
    end = -1
    for match in _ONE.finditer(text):
        values, scaled = _values(match, language)
        # 1万2000 and 3억 5000만 are one number in two parts; Korean sets a space between them.
        between = text[end : match.start()] if carried else "-"
        joined = not between or (between == " " and text[end - 1] in _SPACED)
        if joined and (sums := _sums(carried, values)):
            found.pop()
            values = sums
        found.append(tuple(dict.fromkeys(map(_told, values))))
        carried, end = (values, match.end()) if scaled else ([], -1)
    return found


def unmatched(wanted: Iterable[Readings], got: Iterable[Readings]) -> tuple[list[Readings], list[Readings]]:
    """What is left on both sides where each takes one of the other that may be worth the same. Those with
    fewest readings choose and are chosen first."""
    others = sorted(got, key=len, reverse=True)
    places = defaultdict[str, list[int]](list)
    for place, each in enumerate(others):
        for value in each:
            places[value].append(place)
    taken: set[int] = set()
    left: list[Readings] = []
    for each in sorted(wanted, key=len):
        free = next((last for value in each if (last := _last(places[value], taken)) is not None), None)
        if free is None:
            left.append(each)
        else:
            taken.add(free)
    return left, [each for place, each in enumerate(others) if place not in taken]


def without(left: Sequence[Readings], allowed: Counter[str]) -> Counter[str]:
    """The likeliest readings of those that are not allowed; each that is allowed is so as often as it is
    counted."""
    rest, found = Counter(allowed), Counter[str]()
    for each in left:
        value = next((value for value in each if rest[value] > 0), None)
        if value is None:
            found[each[0]] += 1
        else:
            rest[value] -= 1
    return found


def _told(value: Decimal | str) -> str:
    return value if isinstance(value, str) else plain(value)


def _sums(carried: Iterable[Decimal | str], values: Sequence[Decimal | str]) -> list[Decimal | str]:
    """A larger part with a smaller one behind it."""
    return [
        _EXACT.add(one, other)
        for one in carried
        for other in values
        if isinstance(one, Decimal) and isinstance(other, Decimal) and other < one
    ]


def _last(places: list[int], taken: set[int]) -> int | None:
    while places and places[-1] in taken:
        places.pop()
    return places[-1] if places else None


def _values(match: re.Match[str], language: str) -> tuple[list[Decimal | str], bool]:
    """What one match may be worth, a text where it is no plain number or too long for one; and whether a
    smaller part of it may follow."""
    wide = match["wide"] or ""
    power = _SCALES[(match["word"] or _letter(match) or "one").lower()]
    power += _SCALES["百万"] if wide == "百万" else sum(_SCALES[letter] for letter in wide)
    power += 1 if match["tenths"] else 0
    if len(match["digits"]) > _MOST_DIGITS or power > _MOST_DIGITS:
        return [match[0]], False
    found: list[Decimal | str] = [
        each if each.count(".") > 1 else _EXACT.scaleb(Decimal(each), power)
        for each in _numerals(match["digits"], language)
    ]
    era = ERAS.get(match.string[max(0, match.start() - 2) : match.start()])
    if era and len(match["digits"]) <= 2:
        found += [each + era for each in found if isinstance(each, Decimal)]
    return found, bool(wide) and wide not in ("千", "천")


def _numerals(digits: str, language: str) -> list[str]:
    """The readings of digits with points and commas, each as digits with points alone."""
    last = max(digits.rfind("."), digits.rfind(","))
    decimal = digits.replace(",", ".")
    if _GROUPED.fullmatch(digits) is None:
        # 1,500.50 and 1.500,50 are one number in any language.
        mixed = digits[last] not in digits[:last] and _GROUPED.fullmatch(digits[:last])
        return [f"{_bare(digits[:last])}.{digits[last + 1 :]}" if mixed else decimal]
    whole = _bare(digits)
    if language in _EITHER:
        return [whole, decimal]
    if digits.count(",") > 1:
        return [whole]
    parts_thousands = (digits[last] == ".") == bool(_COMMA.fullmatch(language))
    # Where the language is not known, three digits behind a point may be either.
    other = [whole] if digits[last] == "." and not language else []
    literal = [decimal] if digits.count(".") > 1 else []
    return [whole, *literal] if parts_thousands else [decimal, *other]


def _bare(digits: str) -> str:
    return digits.replace(".", "").replace(",", "")


def _letter(match: re.Match[str]) -> str:
    """The letter of scale; "" where it is one of a unit: 5m is five metres, and $5m is five million."""
    letter = match["letter"] or ""
    before = match.string[match.start() - 1 : match.start()]
    return letter if letter not in ("m", "b", "t") or before in _MONEY else ""
