"""Plain numbers in a text, read exactly: no formula is worked out here, so nothing takes long. Pure.

The number of an answer is the last one that stands for itself: in ``23 + 6 = 29`` and in ``29 = 23 + 6`` that
is 29, and in ``23 + 6`` there is none. Digits may be of any script; words are no numbers.
"""

from __future__ import annotations

import re
import unicodedata
from dataclasses import dataclass
from fractions import Fraction
from itertools import pairwise
from typing import Literal, final

LONGEST = 4000
"""Digits of a number, and its largest exponent of ten; beyond these it is ``huge``."""
_LOOKED_AT = 100_000
"""Characters, the last of a text."""
NEAR = Fraction(1, 1_000_000)
"""Numbers so near to each other are equal where one is no whole number; below 1, so near by their size."""

_SAME = {
    **dict.fromkeys("−－﹣–‒‑‐", "-"), "＋": "+", "．": ".", "٫": ".", "，": ",", "٬": ",",
    "％": "%", "٪": "%",
    "／": "/", "⁄": "/", "∕": "/", "＝": "=", "∗": "*", "·": "×", "⋅": "×", "：": ":", "`": " ",
    **dict.fromkeys("\u00a0\u2007\u2009\u202f\u3000", " "),
}  # fmt: skip
_PARTS = re.compile(r"(?<=\d)(?=[¼-¾⅐-⅞])")
_RAISED = re.compile("[⁺⁻]?[⁰¹²³⁴⁵⁶⁷⁸⁹]+")
_LOWERED = str.maketrans("⁰¹²³⁴⁵⁶⁷⁸⁹⁺⁻", "0123456789+-")

_LATEX = (
    (re.compile(r"\\[dt]?frac\s*\{\s*([-+]?\d+)\s*\}\s*\{\s*(\d+)\s*\}"), r" \1/\2 "),
    (re.compile(r"\\[dt]?frac\s*(\d)\s*(\d)"), r" \1/\2 "),
    (re.compile(r"\\(?:text|textbf|mathbf|mathrm|mbox|boldsymbol)\s*\{([^{}]*)\}"), r" \1 "),
    (re.compile(r"\\(?:times|cdot)(?![A-Za-z])"), "×"),
    (re.compile(r"\\div(?![A-Za-z])"), "÷"),
    (re.compile(r"\^\s*\{\s*([-+]?\d+)\s*\}"), r"^\1"),
    (re.compile(r"\{,\}|,?\\[,!](?=\d{3})"), ","),
    (re.compile(r"\\(?:left|right|displaystyle|quad|qquad)(?![A-Za-z])|\\[()\[\],;:! ]"), " "),
    (re.compile(r"\\([%$])"), r"\1"),
    (re.compile(r"(?<=\d)\s*\*\*\s*(?=[-+]?\d)"), "^"),
    (re.compile(r"-\\?\$(?=[\d.])"), "-"),
    (re.compile(r"\$|\*\*|__"), " "),
    (re.compile(r"(?<==)\s*-\s+(?=\d)"), " -"),
)
_COMMAND = re.compile(r"\\[A-Za-z]+")
_BOX = re.compile(r"\\(?:boxed|fbox)\s*\{")

_NUMBER = re.compile(
    r"""(?P<sign>[-+][€£¥]?)?
    (?<![\w.,])(?P<digits>(?:\d[\d.,]*\d|\d|\.\d+)(?:[ ]\d{3}(?![\d.,]?\d))*)
    (?:(?P<e>[eE][-+]?\d+)(?!\w) | \s*[×*x]\s*10\s*\^\s*(?P<ten>[-+]?\d+|\([-+]?\d+\))
       | \^(?P<power>[-+]?\d+|\([-+]?\d+\)))?
    (?:[ ](?P<top>\d+)/(?P<bottom>\d+) | \s*/\s*(?P<under>\d+))?
    (?![A-Za-z_]*\d)
    (?P<percent>\s*%)?""",
    re.VERBOSE,
)
_FORMS = (
    re.compile(
        r"\d{1,3}(?:,\d{3})+(?:\.\d+)?|\d{1,3}(?: \d{3})+(?:[.,]\d+)?|\d*\.\d+|\d+"
    ),  # the point parts
    re.compile(r"\d{1,3}(?:\.\d{3})+,\d+|\d{1,3}(?:\.\d{3}){2,}|\d+,\d+"),  # the comma does
)
_BEFORE = re.compile(r"[+×÷^√=]?[+×÷^√][\s(\[{]*\Z|(?:sqrt|log|ln|sin|cos|tan|exp|abs)[\s(\[{]*\Z")
_AFTER = re.compile(r"[\s)\]}]*[+×÷^√π]|[xyz](?![A-Za-z])")
_BETWEEN = re.compile(r"[\s()\[\]{}]*[-*/x][\s()\[\]{}]*")


@final
@dataclass(frozen=True)
class Number:
    """A number as it stands in ``text``; no value for one that is ``huge``."""

    value: Fraction | None
    text: str
    percent: bool = False

    def same(self, other: Number) -> bool:
        """Whether both mean the same: 1/2 is .5 is 50%, and 50% passes for 50 too."""
        if self.value is None or other.value is None:
            return False
        if self.percent == other.percent:
            return _near(self.value, other.value)
        hundred, alone = (self.value, other.value) if self.percent else (other.value, self.value)
        return _near(hundred / 100, alone) or _near(hundred, alone)


def _near(one: Fraction, other: Fraction) -> bool:
    if one.denominator == other.denominator == 1:
        return one == other
    return abs(one - other) <= NEAR * min(Fraction(1), max(abs(one), abs(other)))


def read(text: str) -> Number | Literal["none", "formula", "latex"]:
    """The number of an answer: of its last box, if it has one. ``formula``: only numbers that belong to
    formulas; ``latex``: it has commands that are not read here."""
    boxed = box(text)
    plain = _plain((text if boxed is None else boxed)[-_LOOKED_AT:])
    if _COMMAND.search(plain):
        return "latex"
    found = [match for match in _NUMBER.finditer(plain) if _classified(match) is not None]
    operands = {place for a, b in pairwise(found) for place in _joined(plain, a, b)}
    for match in reversed(found):
        number = _classified(match)
        alone = match.start() not in operands and not _beside(plain, match)
        if number is not None and alone and not _unworked(match, number):
            return number
    return "formula" if found else "none"


def whole(text: str) -> Number | None:
    """The number that all of a text is; None where there is more, or no value."""
    plain = _plain(text[-_LOOKED_AT:]).strip(" \t\n.")
    match = _NUMBER.fullmatch(plain)
    number = _classified(match) if match else None
    return None if number is None or number.value is None else number


def ordinary(text: str) -> str:
    """With digits of any script as 0 to 9, one kind of dash, and no half surrogates."""
    text = _RAISED.sub(lambda match: "^" + match[0].translate(_LOWERED), text)
    return _PARTS.sub(" ", text).translate(_Plain())


def _plain(text: str) -> str:
    """Without what is only writing: marks of Markdown and LaTeX too."""
    text = ordinary(text)
    for pattern, instead in _LATEX:
        text = pattern.sub(instead, text)
    return text


@final
class _Plain(dict[int, str]):
    """What a character becomes, found once for each."""

    def __missing__(self, code: int) -> str:
        char = chr(code)
        instead = _SAME.get(char, char)
        if not char.isascii():
            if char.isdecimal():
                instead = str(unicodedata.decimal(char))
            elif unicodedata.decomposition(char).startswith("<fraction>"):
                instead = unicodedata.normalize("NFKC", char).replace("⁄", "/")
            elif 0xD800 <= code < 0xE000:
                instead = " "
        self[code] = instead
        return instead


def box(text: str) -> str | None:
    """What stands in the last box that is closed; None without one."""
    for match in reversed(list(_BOX.finditer(text))[-100:]):
        depth = 1
        for place in range(match.end(), min(len(text), match.end() + LONGEST)):
            depth += {"{": 1, "}": -1}.get(text[place], 0)
            if not depth:
                return text[match.end() : place]
    return None


def _classified(match: re.Match[str]) -> Number | None:
    """The number that a match is; None for what is none, such as 1.2.3."""
    digits = match["digits"]
    if len(digits) > LONGEST:
        return Number(None, digits[:40])
    if _FORMS[0].fullmatch(digits):
        value = Fraction(digits.replace(",", "").replace(" ", ""))
    elif _FORMS[1].fullmatch(digits):
        value = Fraction(digits.replace(".", "").replace(",", "."))
    else:
        return None
    below = match["under"] or match["bottom"]
    exponent = match["e"] or match["ten"] or match["power"]
    if max(map(len, (below or "", exponent or "", match["top"] or ""))) > LONGEST:
        return Number(None, match[0][:40])
    if exponent:
        power = int(exponent.strip("eE()"))
        if match["power"] and value != 10:
            return Number(None, match[0]) if value else None
        if abs(power) > LONGEST:
            return Number(None, match[0])
        ten = Fraction(10) ** power
        value = ten if match["power"] else value * ten
    if below:
        if not int(below):
            return None
        value = value + Fraction(int(match["top"]), int(below)) if match["top"] else value / int(below)
    return Number(-value if match["sign"] and match["sign"][0] == "-" else value, match[0].strip(),
                  bool(match["percent"]))  # fmt: skip


def _joined(plain: str, one: re.Match[str], other: re.Match[str]) -> tuple[int, ...]:
    """Where both begin, if a sign of arithmetic stands between them, or is what one was read with."""
    between = plain[one.end() : other.start()]
    signed = bool(other["sign"]) and not between.strip("()[]{} \t") and "\n" not in between
    return (one.start(), other.start()) if signed or _BETWEEN.fullmatch(between) else ()


def _beside(plain: str, match: re.Match[str]) -> bool:
    """Whether it is a formula's: of a sum, a product, a power, or what a function is given."""
    before, after = plain[max(0, match.start() - 12) : match.start()], plain[match.end() : match.end() + 12]
    return bool(_BEFORE.search(before) or _AFTER.match(after))


def _unworked(match: re.Match[str], number: Number) -> bool:
    """A power, or a division without a rest, is a question rather than its answer."""
    if match["power"] and number.value is None and not match["digits"].startswith("10"):
        return True
    return bool(match["under"]) and number.value is not None and number.value.denominator == 1
