"""Two tokenisations of the same text, cut where both have a border: the chunks that two models with different
vocabularies can be compared on.

A tokenisation is given by where its tokens end, in bytes of the text. Two models say how likely a chunk is by
the sum of their log-probabilities over its tokens, whatever those are (approximate likelihood matching, arXiv
2503.20083). Pure: numbers in, numbers out; ``teachers.spelling`` finds the ends.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import accumulate, pairwise

Ends = tuple[int | None, ...]
"""Where each token ends, in bytes, never falling; None: within a character or in text that a tokeniser
changed, so that no border is known there."""


@dataclass(frozen=True, slots=True)
class Chunk:
    """The same bytes of the text: tokens ``first[0]..first[1]`` of the one and ``second[0]..second[1]`` of
    the other tokenisation, the end not included. At least one token on each side."""

    first: tuple[int, int]
    second: tuple[int, int]

    @property
    def single(self) -> bool:
        """Whether it is one token on both sides."""
        return self.first[1] - self.first[0] == 1 == self.second[1] - self.second[0]


def ends_of_pieces(pieces: Sequence[bytes], text: bytes) -> Ends | None:
    """The ends of tokens that spell ``text`` out, byte by byte; None when they spell something else.

    A space that a tokeniser put before the text is no part of it: that token then has a byte less.
    """
    joined = b"".join(pieces)
    if joined == text:
        return tuple(accumulate(map(len, pieces)))
    if joined == b" " + text:
        return tuple(max(0, end - 1) for end in accumulate(map(len, pieces)))
    return None


def ends_of_spans(spans: Sequence[tuple[int, int]], text: str) -> Ends:
    """The ends of tokens of which only the characters are known that each came from, for tokenisers that
    change the text before they cut it. An end is known where the next token begins just there: tokens that
    share a character, or leave one out between them, have no border that could be told."""
    at = [0, *accumulate(len(letter.encode()) for letter in text)]
    ends: list[int | None] = [
        at[end] if end == after else None for (_, end), (after, _) in pairwise([*spans, (len(text), 0)])
    ]
    return _rising(ends)


def _rising(ends: Sequence[int | None]) -> Ends:
    """Without those that a greater one comes before, or a smaller one after."""
    most = list(accumulate((end or 0 for end in ends), max))
    least = list(accumulate((end if end is not None else most[-1] for end in reversed(ends)), min))[::-1]
    return tuple(
        end if end is not None and top <= end <= low else None
        for end, top, low in zip(ends, most, least, strict=True)
    )


def align(first: Ends, second: Ends) -> list[Chunk]:
    """The smallest chunks that both tokenisations have borders around, in order; together they hold all
    tokens up to the last border that both have.

    A token without bytes belongs to the text after it; at the very end, to the text before it.
    """
    borders = _borders(first), _borders(second)
    common = sorted(borders[0].keys() & borders[1].keys() - {0})
    places = [(0, 0), *((borders[0][end], borders[1][end]) for end in common)]
    if common:
        places[-1] = _last(first, common[-1]), _last(second, common[-1])
    cut = [
        Chunk((begin[0], end[0]), (begin[1], end[1]))
        for begin, end in pairwise(places)
        if end[0] > begin[0] and end[1] > begin[1]
    ]
    assert len(cut) == len(common), "more bytes need more tokens on both sides"
    return cut


def _borders(ends: Ends) -> dict[int, int]:
    """For each known end, how many tokens the text up to there has."""
    found: dict[int, int] = {}
    for place, end in enumerate(ends):
        if end is not None:
            found.setdefault(end, place + 1)
    return found


def _last(ends: Ends, border: int) -> int:
    """How many tokens end at ``border`` or before, those without bytes behind it included."""
    return 1 + max(place for place, end in enumerate(ends) if end == border)
