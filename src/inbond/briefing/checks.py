"""What must hold of a translation and of what is said about an article, each told with its block. Pure.

A check compares with the source and never with another reply. It says which block failed and why, in words
that can be sent back to the model. What cannot be told counts as right: a check that guessed would make a
model rewrite what was good.
"""

from __future__ import annotations

import unicodedata
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from decimal import ROUND_HALF_UP, Decimal
from typing import Any, Final, Literal, final

from inbond.briefing import numbers
from inbond.briefing.blocks import CELL, Block, code_spans, visible
from inbond.engine.wrong_language import is_wrong, written_in

Check = Literal[
    "ids", "empty", "numbers", "code", "urls", "cells", "language", "untranslated", "quote",
    "reply", "length", "sentences", "double", "axes",
]  # fmt: skip
LEAST_QUOTE: Final = 8
"""Letters of a quote, wide ones counted twice; a shorter one proves nothing, unless it is the whole block."""
LEAST_COPY: Final = 25
"""Letters of a block above which the same text in another language is no translation: names stay as they
are."""
_MOST_QUOTED: Final = 0.5
"""Of the letters of a sentence that quotes another language."""
_LONGEST_LISTED: Final = 5


@final
@dataclass(frozen=True, slots=True)
class Problem:
    """What failed: ``block`` is its id, "" for the whole reply."""

    block: str
    check: Check
    why: str

    def __str__(self) -> str:
        return f"{self.block}: {self.why}" if self.block else self.why

    def to_json(self) -> dict[str, str]:
        return {"block": self.block, "check": self.check, "why": self.why}


def ids(asked: Sequence[str], given: Iterable[str]) -> tuple[Problem, ...]:
    """Every id comes back once, and no other does."""
    counted = Counter(given)
    missing = [Problem(each, "ids", "no translation of it came back") for each in asked if not counted[each]]
    double = [
        Problem(each, "ids", f"it came back {counted[each]} times; once is right")
        for each in asked
        if counted[each] > 1
    ]
    other = [
        Problem(each[:20], "ids", "no such block was asked for") for each in counted if each not in set(asked)
    ]
    return (*missing, *double, *other)


def translation(block: Block, text: str, language: str, source: str = "") -> tuple[Problem, ...]:
    """All that is wrong with the translation of one block to ``language`` from ``source`` ("" where that is
    not known). A block without words must come back as it is."""
    if not text.strip():
        return (Problem(block.id, "empty", "its translation is empty"),)
    if not block.is_words:
        same = folded(text) == folded(block.text)
        return () if same else (Problem(block.id, "code", "it is not to be translated; it was changed"),)
    return (
        *_numbers(block, text, language, source),
        *_same(block, "code", Counter(code_spans(block.text)), Counter(code_spans(text)), "code"),
        *_same(block, "urls", numbers.urls(block.text), numbers.urls(text), "address"),
        *_cells(block, text),
        *_language(block, text, language, source),
    )


def _numbers(block: Block, text: str, language: str, source: str) -> tuple[Problem, ...]:
    lost, added = numbers.unmatched(numbers.readings(block.text, source), numbers.readings(text, language))
    missing = numbers.without(lost, numbers.spelled(text))
    foreign = numbers.without(added, numbers.spelled(block.text))
    return (
        *(_said(block, "numbers", "the number {} of the source is missing", missing)),
        *(_said(block, "numbers", "the number {} is not in the source", foreign)),
    )


def _same(block: Block, check: Check, wanted: Counter[str], got: Counter[str], what: str) -> list[Problem]:
    return [
        *_said(block, check, f"the {what} {{}} of the source is missing", wanted - got),
        *_said(block, check, f"the {what} {{}} is not in the source", got - wanted),
    ]


def _said(block: Block, check: Check, words: str, counted: Counter[str]) -> list[Problem]:
    return [Problem(block.id, check, words.format(each[:100])) for each in [*counted][:_LONGEST_LISTED]]


def _cells(block: Block, text: str) -> list[Problem]:
    if block.kind != "row":
        return []
    wanted, got = block.text.count(CELL) + 1, text.count(CELL) + 1
    why = f"the row has {wanted} cells, its translation {got}; cells stand between {CELL!r}"
    return [] if wanted == got else [Problem(block.id, "cells", why)]


def _language(block: Block, text: str, language: str, source: str) -> list[Problem]:
    if source and source == language:
        return []
    letters = sum(map(str.isalpha, numbers.words_of(block.text)))
    if letters >= LEAST_COPY and folded(text) == folded(block.text):
        return [Problem(block.id, "untranslated", "it came back as it was, not translated")]
    if is_wrong(numbers.words_of(text), language):
        return [Problem(block.id, "language", f"its translation is not in the language {language!r}")]
    return []


def in_language(text: str, language: str, what: str) -> tuple[Problem, ...]:
    """Whether something said about the article is in the reader's language; "cannot tell" is."""
    kana_elsewhere = written_in(text, share=_MOST_QUOTED) == "ja" and language not in ("ja", "")
    if kana_elsewhere or is_wrong(text, language):
        return (Problem("", "language", f"{what} is not in the language {language!r}"),)
    return ()


def quote(words: str, block: Block | None, cited: str) -> tuple[Problem, ...]:
    """Whether quoted words stand in the block that is cited, letter by letter, as ``folded``
    compares them."""
    if block is None:
        return (Problem(cited[:20], "quote", "there is no such block"),)
    said, source = folded(words).strip('"“”「」『』'), folded(block.text)
    if said and said == source:
        return ()
    if width(said) < LEAST_QUOTE:
        return (Problem(block.id, "quote", "the quote is too short to be evidence; quote a whole phrase"),)
    if said not in source:
        return (Problem(block.id, "quote", "the quoted words do not stand in it; copy them exactly"),)
    return ()


_STRAIGHT: Final = str.maketrans("‘’‚‛“”„‟", "''''" + '""""')
"""Quotation marks of Latin scripts: keyboards and models write the straight ones."""


def folded(text: str) -> str:
    """The text by its letters: after NFKC, quotation marks straight, without what is not seen, white space
    folded."""
    return " ".join(unicodedata.normalize("NFKC", visible(text)).translate(_STRAIGHT).split())


def width(text: str) -> int:
    """How long a text is, wide letters counted twice."""
    return sum(2 if unicodedata.east_asian_width(letter) in "WF" else 1 for letter in text)


AXES: Final = ("novelty", "reach", "evidence")
MOST: Final = 5


def score(axes: Mapping[str, int]) -> Decimal:
    """The score of an article: the mean of its axes, to one decimal, halves up. Nobody else gives
    one: what is shown can be worked out from what is shown beside it."""
    assert set(axes) == set(AXES), "all axes and no others"
    assert all(type(value) is int and 0 <= value <= MOST for value in axes.values()), "0 to 5"
    return (Decimal(sum(axes.values())) / len(AXES)).quantize(Decimal("0.1"), ROUND_HALF_UP)


def axes_of(value: Any) -> tuple[dict[str, int] | None, str]:
    """The axes in a reply, or None and what is wrong with them."""
    if not isinstance(value, Mapping) or set(value) != set(AXES):
        return None, f"axes has {', '.join(AXES)}, and nothing else"
    if any(type(each) is not int or not 0 <= each <= MOST for each in value.values()):
        return None, f"each of the axes is a whole number from 0 to {MOST}"
    return {name: value[name] for name in AXES}, ""
