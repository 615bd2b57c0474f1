"""Reasoning that stands in an answer's text between tags, found as the text arrives. Pure.

A tag may be cut anywhere: what could be the beginning of one is held back, and nothing else. The first
closing tag ends a segment, as it does for the servers that know such tags; an opening tag without a closing
one hides all that follows. White space after a closing tag goes with it.

A text that quotes a tag is cut as well. That is the price of hiding what a model was coaxed to write between
tags, and the tags of each model can be configured.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Final, final

Pair = tuple[str, str]
"""An opening tag and its closing one, such as ("<think>", "</think>")."""

SHORT: Final = {
    '\\"': '"', "\\\\": "\\", "\\/": "/", "\\b": "\b", "\\f": "\f", "\\n": "\n", "\\r": "\r", "\\t": "\t",
}  # fmt: skip
"""The short escapes of JSON (RFC 8259, 7), and what each stands for."""
_ESCAPED: Final = re.compile(r'\\u[0-9a-fA-F]{4}|\\["\\/bfnrt]')
_MOST_ESCAPED: Final = 12
"""Letters with which JSON may write one."""
_IGNORE_CASE: Final = re.ASCII | re.IGNORECASE


@final
@dataclass(frozen=True)
class Tags:
    """The tags of a model. Upper and lower case of ASCII letters are one. ``escaped``: any of their
    letters may also stand as JSON within JSON may write it."""

    pairs: tuple[Pair, ...]
    escaped: bool = False

    @cached_property
    def opening(self) -> Pattern:
        return Pattern.of([pair[0] for pair in self.pairs], escaped=self.escaped)

    @cached_property
    def closing(self) -> Pattern:
        return Pattern.of([pair[1] for pair in self.pairs], escaped=self.escaped)

    @cached_property
    def orphans(self) -> Pattern:
        """Closing tags that tell by themselves what they close, as </think> does: they share a word with
        their opening tag. One that ends anything, such as <|end|>, tells nothing where it stands alone."""
        return Pattern.of([end for begin, end in self.pairs if _words(begin) & _words(end)])

    @cached_property
    def ends(self) -> dict[str, list[str]]:
        """By the opening tag in lower case: all that may close it."""
        found: dict[str, list[str]] = {}
        for begin, end in self.pairs:
            found.setdefault(begin.lower(), []).append(end)
        return found

    @cached_property
    def closing_of(self) -> dict[str, Pattern]:
        """As ``ends``, to be found."""
        return {begin: Pattern.of(ends, escaped=self.escaped) for begin, ends in self.ends.items()}

    @cached_property
    def longest(self) -> int:
        longest = max((len(tag) for pair in self.pairs for tag in pair), default=0)
        return longest * (_MOST_ESCAPED if self.escaped else 1)

    def name(self, found: str) -> str:
        """The opening tag that was found, as ``ends`` knows it."""
        if not self.escaped:
            return found.lower()
        plain = _ESCAPED.sub(lambda each: SHORT.get(each[0]) or chr(int(each[0][2:], 16)), found)
        return plain.encode("utf-16", "surrogatepass").decode("utf-16", "replace").lower()


@final
@dataclass(frozen=True)
class Pattern:
    """Any of several tags, and what may be the beginning of one at the end of a text."""

    whole: re.Pattern[str]
    begun: re.Pattern[str]

    @classmethod
    def of(cls, tags: Sequence[str], *, escaped: bool = False) -> Pattern:
        """The longer tag is tried first. No tags: nothing is ever found."""
        ordered = [
            [_spellings(letter, escaped=escaped) for letter in tag]
            for tag in sorted(tags, key=len, reverse=True)
        ]
        whole = "|".join(map(_whole, ordered)) or r"(?!)"
        begun = "|".join(filter(None, map(_beginnings, ordered))) or r"(?!)"
        return cls(re.compile(whole, _IGNORE_CASE), re.compile(rf"(?:{begun})\Z", _IGNORE_CASE))

    def beginning(self, text: str, within: int) -> str:
        """What may be the beginning of a tag among the last letters of a text."""
        found = self.begun.search(text, len(text) - within)
        return found[0] if found else ""


def _spellings(letter: str, *, escaped: bool) -> list[str]:
    if not escaped:
        return [letter]
    data = letter.encode("utf-16-be", "surrogatepass")
    code = "".join(f"\\u{data[n : n + 2].hex()}" for n in range(0, len(data), 2))
    return [letter, code, *(short for short, each in SHORT.items() if each == letter)]


def _whole(tag: list[list[str]]) -> str:
    """Each way to begin is a branch of its own: their letters are what a text is searched for first."""
    rest = "".join(map(_any, tag[1:]))
    return "|".join(re.escape(first) + rest for first in tag[0])


def _any(spellings: list[str]) -> str:
    either = "|".join(map(re.escape, spellings))
    return f"(?:{either})" if len(spellings) > 1 else either


def _beginnings(tag: list[list[str]]) -> str:
    """Matches each proper beginning of a tag: ``<t`` is ``<(?:t)?`` where more may follow."""
    pattern = ""
    for place, spellings in reversed(list(enumerate(tag))):
        parts = [_prefixes(each) for each in spellings if len(each) > 1]
        if place < len(tag) - 1:
            parts.insert(0, _any(spellings) + (f"(?:{pattern})?" if pattern else ""))
        pattern = "|".join(parts)
    return pattern


def _prefixes(spelling: str) -> str:
    """Matches each proper beginning of one letter's spelling."""
    pattern = ""
    for letter in reversed(spelling[:-1]):
        pattern = re.escape(letter) + (f"(?:{pattern})?" if pattern else "")
    return pattern


@final
@dataclass(frozen=True)
class Segment:
    """Hidden text with the tags that it stood between."""

    begin: str
    text: str
    end: str


@final
class Scanner:
    """Cuts one text. Any way of cutting it into pieces gives the same."""

    def __init__(self, tags: Tags, *, inside: bool = False, opened: Sequence[str] = ()) -> None:
        """``inside``: the text begins within the first pair of tags, which the model's template opened.
        ``opened``: it begins within all of these, in lower case, and each must be closed."""
        self._tags = tags
        self._begin: str | None = tags.pairs[0][0] if inside and tags.pairs else None
        self._closing = tags.closing
        self._around = list(opened)
        if opened:
            self._within(self._around.pop())
        self._held = ""
        self._given = 0
        self._hidden: list[str] = []
        self._after_tag = False

    @property
    def inside(self) -> bool:
        """Whether what comes next is hidden."""
        return self._begin is not None

    @property
    def idle(self) -> bool:
        """Whether a piece without the first letter of a tag would pass as it is."""
        return self._begin is None and not self._held and not self._after_tag

    def prime(self, held: str) -> None:
        """What may be the beginning of a tag stands before the text, and is no part of it."""
        self._held = held
        self._given = len(held)

    def feed(self, piece: str) -> tuple[str, list[Segment]]:
        """What is shown of it, and the segments that end in it."""
        data = self._held + piece
        shown: list[str] = []
        segments: list[Segment] = []
        begin = 0
        while True:
            pattern = self._closing if self.inside else self._tags.opening
            found = pattern.whole.search(data, begin)
            if found is None:
                break
            self._take(data, begin, found.start(), shown)
            self._turn(found[0], segments)
            begin = found.end()
        rest = pattern.begun.search(data, max(begin, len(data) - self._tags.longest))
        end = rest.start() if rest else len(data)
        self._take(data, begin, end, shown)
        self._held = data[end:]
        self._given = max(0, self._given - end)
        return "".join(shown), segments

    def finish(self) -> tuple[str, list[Segment]]:
        """The text is over: what was held back, and the segment that was not closed."""
        held, self._held = self._held, ""
        shown: list[str] = []
        self._take(held, 0, len(held), shown)
        self._given = 0
        segments: list[Segment] = []
        if self._begin is not None and self._hidden:
            self._turn("", segments)
        return "".join(shown), segments

    def _take(self, data: str, begin: int, end: int, shown: list[str]) -> None:
        text = data[max(begin, self._given) : end]
        if self.inside:
            if text:
                self._hidden.append(text)
            return
        if self._after_tag:
            text = text.lstrip()
            self._after_tag = not text
        shown.append(text)

    def _turn(self, tag: str, segments: list[Segment]) -> None:
        if self._begin is None:
            self._within(tag)
            return
        if self._around and tag:
            self._hidden.append(tag)
            self._within(self._around.pop())
            return
        segments.append(Segment(self._begin, "".join(self._hidden), tag))
        self._begin, self._hidden, self._after_tag = None, [], True

    def _within(self, begin: str) -> None:
        self._begin, self._closing = begin, self._tags.closing_of[self._tags.name(begin)]


def _words(tag: str) -> set[str]:
    return set(re.findall(r"[^\W_]+", tag.lower()))


def begins_inside(tags: Tags, text: str) -> bool:
    """Whether a whole text closes a tag before it opens one: then its beginning is reasoning."""
    closing = tags.orphans.whole.search(text)
    return closing is not None and tags.opening.whole.search(text, 0, closing.start()) is None
