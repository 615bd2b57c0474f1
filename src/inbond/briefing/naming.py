"""Whom and what a briefing is about, as far as writing shows it: names, and versions of named things. Pure.

Where a script has capitals, a name is a word that keeps its capital within a sentence. Japanese has none:
there it is what stands in 「 」, what a headline sets before its first comma (青嶺電機、...), and what the
first sentence is about (青嶺電機は...). That finds some names and some that are none. So what is missing here
never counts against two texts; only names on both sides of which none stands in the other text do.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Mapping
from typing import Final

from inbond.briefing.blocks import is_wide
from inbond.briefing.telling import STOP, VERSION, Telling, spaced

_WORD: Final = re.compile(r"[^\W\d_][^\W_]*(?:-[^\W_]+)*")
_SENTENCE: Final = re.compile(r"(?<=[.!?:;\n])\s+|\n")
_QUOTED: Final = re.compile(r"[「『]([^」』]{2,14})[」』]")
_ACTOR: Final = re.compile(r"(?:[^、「」]{1,14}の)?([^\W\d\u3041-\u309f][^\W\u3041-\u309f]{1,13})、")
_TOPIC: Final = re.compile(
    r"([^\W\d\u3041-\u309f][^\W\u3041-\u309f]{2,13})の|.{0,30}?([^\W\d\u3041-\u309f][^\W\u3041-\u309f]{2,13})は"
)
_COMMON: Final = """
ai api ceo cto gb gpu it llm tb
january february march april may june july august september october november december
"""
_NOBODY: Final = STOP | frozenset(_COMMON.split())


def are_apart(one: Telling, other: Telling) -> bool:
    """Whether two briefings speak of different things, by name: each names something and none of these names
    stands in the other; or they are on different versions of one thing (Vela 2, Vela 3)."""
    if _other_versions(_versions_of(one), _versions_of(other)):
        return True
    ours, theirs = names(one), names(other)
    if not ours or not theirs:
        return False
    return not _any_in(ours, other) and not _any_in(theirs, one)


def names(telling: Telling) -> frozenset[str]:
    """The names that title and summary hold, case folded."""
    title, summary = (unicodedata.normalize("NFKC", each) for each in (telling.title, telling.summary))
    found = {match[1] for text in (title, summary) for match in _QUOTED.finditer(text)}
    for match in (_ACTOR.match(title), _TOPIC.match(summary)):
        if match and any(map(is_wide, match[match.lastindex or 0])):
            found.add(match[match.lastindex or 0])
    within = _within(telling)
    shown = {word for text in (title, summary) for word in _words(text) if word[0].isupper()}
    found |= {word for word in shown if word in within and len(word) > 1}
    return frozenset(each.casefold() for each in found) - _NOBODY


def _within(telling: Telling) -> set[str]:
    """Words that keep their capital elsewhere than at the beginning of a sentence; a tag counts as such a
    place. A title in which most words have one says nothing."""
    texts = [telling.summary, *telling.points]
    words = [word for word in _words(telling.title) if len(word) > 3]
    if sum(word[0].isupper() for word in words) <= len(words) * 0.6:
        texts.append(telling.title)
    sentences = (each for text in texts for each in _SENTENCE.split(text))
    found = {word for each in sentences for word in _words(each)[1:]}
    return found | {word for tag in telling.tags for word in _words(tag)}


def _words(text: str) -> list[str]:
    """The words of scripts that set spaces."""
    return _WORD.findall(spaced(unicodedata.normalize("NFKC", text)))


def _versions_of(telling: Telling) -> dict[str, frozenset[str]]:
    """The names with a number after them, and which numbers: {"vela": {"3"}}. A title is heard first."""
    return _versions(telling.summary) | _versions(telling.title)


def _versions(text: str) -> dict[str, frozenset[str]]:
    found: dict[str, frozenset[str]] = {}
    for name, number in VERSION.findall(unicodedata.normalize("NFKC", text)):
        if name[0].isupper() or is_wide(name[-1]):
            found[name.casefold()] = found.get(name.casefold(), frozenset()) | {number}
    return found


def _other_versions(one: Mapping[str, frozenset[str]], other: Mapping[str, frozenset[str]]) -> bool:
    return any(one[name].isdisjoint(other[name]) for name in one.keys() & other.keys())


def _any_in(found: Iterable[str], telling: Telling) -> bool:
    """Whether one of these names stands in a telling: as a word of its own, where words are set apart."""
    text = "\n".join((telling.title, telling.summary, *telling.points, *telling.tags))
    plain = unicodedata.normalize("NFKC", text).casefold()
    words = {word.casefold() for word in _words(text)}
    return any(name in words if name.isascii() else name in plain for name in found)
