"""What must hold of each thing that is said about an article. Pure.

What is said is compared with the article and with nothing else. A number that is said must be one that the
article has, in digits or in words; that it means there what it is said to mean is not found out.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Final, final

from inbond.briefing import checks, numbers
from inbond.briefing.article import Article
from inbond.briefing.blocks import clean
from inbond.briefing.checks import Problem, folded, width

MOST_TITLE: Final = 160
MOST_SENTENCE: Final = 400
MOST_HEADING: Final = 100
MOST_OPINION: Final = 900
MOST_TAGS: Final = 6
MOST_TAG: Final = 40
"""Lengths with wide letters counted twice."""
_ADDRESS: Final = re.compile(r"https?://|\bwww\.|(?<![\w.+-])[\w.+-]+@[\w-]+\.\w", re.I)
_WIDE_END: Final = re.compile(r"[。！？｡](?![」』）)\]】〉》”’\"'。！？｡])")
_END: Final = re.compile(r"(?<![.!?।؟۔])[.!?।؟۔]+[)\]”’\"'»]*\s+(?=[^\W\d_]|[¿¡\"“«„(])")
_SHORT: Final = """
mr mrs ms dr prof st inc ltd co corp jr sr vs no e.g i.e u.s u.k u.n etc approx dept est fig vol jan feb mar
apr jun jul aug sep sept oct nov dec a.m p.m z.b d.h bzw ca nr bsp usw art p.ej av gen sen rep gov
"""
_SHORTENED: Final = frozenset(_SHORT.split())
_LOOKED_BACK: Final = 20
"""Letters before a full stop: more than a shortened word has, with marks before it."""
_QUOTED: Final = re.compile(r"「[^「」]*」|『[^『』]*』|“[^“”]*”|«[^«»]*»|\"[^\"]*\"")


@final
@dataclass(frozen=True)
class Ground:
    """What claims are held against: the article's numbers, and the reader's language."""

    article: Article
    language: str
    known: frozenset[str]

    @classmethod
    def of(cls, article: Article, language: str) -> Ground:
        return cls(article, language, frozenset(_known(article)))


def _known(article: Article) -> Iterator[str]:
    """Every number of the article, those in its code, its title and its date too."""
    for text in (article.meta.title, article.meta.site, *(block.text for block in article.blocks)):
        bare = text.replace("`", " ")
        for each in numbers.readings(bare, article.meta.language):
            yield from each
        yield from numbers.spelled(bare)
    for part in article.meta.date.split("-"):
        yield part.lstrip("0")


def text_of(value: Any) -> str:
    """What a reply gives as a text, as one line; "" for what is none."""
    return clean(value, "heading") if isinstance(value, str) else ""


def claim(text: str, what: str, most: int, ground: Ground, *, sentence: bool = False) -> tuple[Problem, ...]:
    """All that is wrong with one text that is said; ``what`` is what to call it. ``sentence``: it must be one
    sentence."""
    if not any(map(str.isalnum, text)):
        return (Problem("", "empty", f"{what} is missing or empty"),)
    found = []
    if width(text) > most:
        found.append(
            Problem("", "length", f"{what} is too long; at most {most // 2} wide letters or {most} others")
        )
    elif sentence and sentences(text) > 1:
        found.append(Problem("", "sentences", f"{what} has more than one sentence; one is right"))
    if _ADDRESS.search(text):
        found.append(Problem("", "urls", f"{what} has an address in it; none belongs there"))
    said = numbers.readings(text.replace("`", " "), ground.language)
    unknown = dict.fromkeys(each[0] for each in said if ground.known.isdisjoint(each))
    found += [
        Problem("", "numbers", f"{what} says {each[:40]}, a number that the article does not have")
        for each in [*unknown][:5]
    ]
    return (*found, *checks.in_language(text, ground.language, what))


def title(text: str, ground: Ground) -> tuple[Problem, ...]:
    """All that is wrong with a translated title."""
    source = ground.article.meta
    copied = (
        source.language != ground.language
        and width(text) >= checks.LEAST_COPY
        and folded(text).casefold() == folded(source.title).casefold()
    )
    same = (Problem("", "untranslated", "the title came back as it was, not translated"),) if copied else ()
    return (*claim(text, "the title", MOST_TITLE, ground), *same)


def tags(value: Any) -> tuple[tuple[str, ...], tuple[Problem, ...]]:
    """The tags in a reply, and what is wrong with them: few, short, and each once."""
    if not isinstance(value, list) or not all(isinstance(each, str) for each in value):
        return (), (Problem("", "reply", "tags is no list of texts"),)
    found = tuple(text_of(each).lstrip("#").strip() for each in value)
    problems = []
    if not 1 <= len(found) <= MOST_TAGS:
        problems.append(Problem("", "length", f"there are {len(found)} tags; 1 to {MOST_TAGS} are right"))
    if any(
        not any(map(str.isalnum, each)) or width(each) > MOST_TAG or _ADDRESS.search(each) for each in found
    ):
        problems.append(
            Problem("", "length", f"a tag is empty, an address, or too long; at most {MOST_TAG} letters")
        )
    if len({folded(each).casefold() for each in found}) < len(found):
        problems.append(Problem("", "double", "a tag stands twice"))
    return found, tuple(problems)


def cited(value: Any, article: Article) -> tuple[tuple[str, ...], tuple[Problem, ...]]:
    """The blocks that an opinion names, each once, and what is wrong with them."""
    given: Sequence[Any] = value if isinstance(value, list) else []
    found = tuple(dict.fromkeys(each for each in given if isinstance(each, str)))
    if not found:
        return (), (Problem("", "ids", "it names no block that it rests on"),)
    wrong = tuple(
        Problem("", "ids", f"there is no block {each[:20]!r}") for each in found if each not in article.by_id
    )
    return found, wrong


def sentences(text: str) -> int:
    """How many sentences a text has, those within quotation marks not counted. In doubt fewer: a full stop
    after a shortened word or a single letter ends none."""
    text = _QUOTED.sub("x", text.strip())
    ends = sum(1 for found in _WIDE_END.finditer(text) if found.end() < len(text))
    for found in _END.finditer(text):
        before = text[max(0, found.start() - _LOOKED_BACK) : found.start()]
        word = re.split(r"\s", before)[-1].strip("(\"'“«").casefold()
        shortened = found[0].rstrip().endswith(".") and (len(word) <= 1 or word in _SHORTENED)
        ends += not shortened
    return ends + 1
