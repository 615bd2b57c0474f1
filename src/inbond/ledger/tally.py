"""Counts, over whole record sets at once, whose work is in the records: theirs and their ancestors'.

Every origin has a bit. A record's word has the bit of its own origin and those of every record that it
descends from. Words are columns: parents' words are gathered and OR-ed by ``reduceat``, so that no Python
runs a record. Pure; reading is ``sets``.

N records, P parents of all of them together, W words a record.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import final

import numpy as np
import numpy.typing as npt

from inbond.errors import TamperedError
from inbond.ledger.lineage import Unknown
from inbond.types import Role

Hand = tuple[str, Role | None]
"""Who had a hand in records: the node of a teacher or of own data with its role, or, without a role, that
of a record set which they descend from."""

Doubles = npt.NDArray[np.float64]
Ints = npt.NDArray[np.signedinteger]
Words = npt.NDArray[np.unsignedinteger]
"""(W, N): bit b of a record is bit b % width of word b // width."""

_FEW = 1 << 16
"""So many different words can be counted by place."""


@final
@dataclass(frozen=True)
class Chunk:
    """Some records of a set, in order: ``origins`` (N,) as bits; the parents of record i are
    ``parents[offsets[i] - offsets[0]:offsets[i + 1] - offsets[0]]``, row numbers among all records of the
    parent sets, one after the other; ``tokens`` (N,) is 0 where nobody counted. ``offsets`` is (N + 1,)."""

    origins: Ints
    offsets: Ints
    parents: Ints
    tokens: Ints


@final
@dataclass(frozen=True)
class Amount:
    """Records, their counted tokens, and how many of the records have no count."""

    records: int = 0
    tokens: int = 0
    uncounted: int = 0


@final
@dataclass(frozen=True, eq=False)
class Tally:
    """What a record set is made of: words (W, M), with ``amounts`` (3, M) of records, tokens and uncounted
    records of each, and ``own`` (3, bits), the same by the bit of a record's own origin. Few different words
    stand once each; many as often as they are there, since sorting them takes longer than all questions do.
    Amounts are whole numbers below 2^53, in doubles, which add them exactly."""

    words: Words
    amounts: Doubles
    own: Doubles

    @cached_property
    def whole(self) -> Amount:
        return _amount(self.own.sum(axis=1))

    @cached_property
    def _touched(self) -> dict[int, Amount]:
        return {}

    def touched(self, bits: int) -> Amount:
        """Records that have any of ``bits`` behind them."""
        if bits not in self._touched:
            hit = np.zeros(self.words.shape[1], np.bool_)
            for word, asked in zip(self.words, _cut(bits, self.words), strict=True):
                if asked:
                    hit |= (word & asked) != 0
            self._touched[bits] = _amount(self.amounts @ hit.astype(np.float64))
        return self._touched[bits]

    def authored(self, bits: int) -> Amount:
        """Records whose own origin is one of ``bits``."""
        asked = [bit for bit in range(self.own.shape[1]) if bits >> bit & 1]
        return _amount(self.own[:, asked].sum(axis=1))

    @cached_property
    def behind(self) -> int:
        """All bits that are behind any record."""
        each = np.bitwise_or.reduce(self.words, axis=1)
        width = 8 * self.words.dtype.itemsize
        return sum(int(word) << (place * width) for place, word in enumerate(each))


@final
@dataclass(frozen=True)
class Counted:
    """A set's tally, and who each bit stands for; ``taught`` is the bit of all records that were answered in
    the run itself, and so not given to it as text. ``unknowns``: what could not be followed, so that others
    may have a hand in it too."""

    tally: Tally
    hands: Sequence[Hand]
    taught: int
    unknowns: Sequence[Unknown]

    def idle(self) -> set[str]:
        """Nodes that are among the origins of some set, but not behind any of these records."""
        if self.unknowns:
            return set()
        busy = {node for bit, (node, _) in enumerate(self.hands) if self.tally.behind >> bit & 1}
        return {node for node, _ in self.hands} - busy


def _amount(row: Doubles) -> Amount:
    return Amount(*(int(each) for each in row))


def _cut(bits: int, words: Words) -> list[np.unsignedinteger]:
    """``bits`` as one word of each row of ``words``."""
    kind, width = words.dtype.type, 8 * words.dtype.itemsize
    return [kind(bits >> (place * width) & ((1 << width) - 1)) for place in range(len(words))]


@dataclass(frozen=True)
class _Shape:
    """How words are laid out for so many bits: as narrow as will do."""

    dtype: np.dtype[np.unsignedinteger]
    width: int
    words: int

    @classmethod
    def of(cls, bits: int) -> _Shape:
        for width in (8, 16, 32):
            if bits <= width:
                return cls(np.dtype(f"uint{width}"), width, 1)
        return cls(np.dtype(np.uint64), 64, -(-bits // 64))

    def table(self, bits: int) -> Words:
        """(W, bits): the word of each bit alone."""
        table = np.zeros((self.words, bits), self.dtype)
        one = self.dtype.type(1)
        for bit in range(bits):
            table[bit // self.width, bit] = one << self.dtype.type(bit % self.width)
        return table


@final
class Tracer:
    """Follows records from the first sets to the last one; ``bits`` is how many origins there are."""

    def __init__(self, bits: int) -> None:
        self._shape = _Shape.of(max(bits, 1))
        self._table = self._shape.table(max(bits, 1))

    def words(self, chunks: Iterable[Chunk], parents: Sequence[Words], mark: int | None = None) -> Words:
        """The words of a set whose parent sets have the words ``parents``; ``mark`` is a bit that all of
        them get as well. Raises TamperedError for a parent that is not there."""
        above = _stacked(parents, self._shape)
        words = _stacked([self._of_chunk(chunk, above, self._table) for chunk in chunks], self._shape)
        if mark is not None:
            words |= self._table[:, mark, None]
        return words

    def tally(
        self,
        chunks: Iterable[Chunk],
        parents: Sequence[Words],
        mark: int | None = None,
        of: Iterable[int] = (),
    ) -> Tally:
        """The tally of a set, as ``words``; ``mark`` is a bit that records get whose own origin is among
        ``of``."""
        above = _stacked(parents, self._shape)
        table = self._table.copy()
        if mark is not None:
            table[:, list(of)] |= self._table[:, mark, None]
        found = [(table[:, :0], np.zeros((3, 0)))]
        own = np.zeros((3, table.shape[1]))
        for chunk in chunks:
            each = np.stack([np.ones(len(chunk.tokens)), chunk.tokens, chunk.tokens <= 0])
            own += _added(chunk.origins, each, table.shape[1])
            found.append(_merged(self._of_chunk(chunk, above, table), each))
        words, amounts = (np.concatenate(parts, axis=1) for parts in zip(*found, strict=True))
        return Tally(words, amounts, own)

    def _of_chunk(self, chunk: Chunk, above: Words, table: Words) -> Words:
        words: Words = table[:, chunk.origins]
        if not len(chunk.parents):
            return words
        low, high = int(chunk.parents.min()), int(chunk.parents.max())
        if low < 0 or high >= above.shape[1]:
            raise TamperedError(
                expected=f"parents among the {above.shape[1]} records that the set was made from",
                found=f"parent {low if low < 0 else high}",
                fix="inbond verify names what was changed",
            )
        counts = np.diff(chunk.offsets)
        plain = len(counts) == len(chunk.parents) and bool((counts == 1).all())
        # Rows without parents hold no values, so the others' offsets cut all values without a gap.
        some = np.flatnonzero(counts)
        cuts = chunk.offsets[some] - chunk.offsets[0]
        for word, up in zip(words, above, strict=True):
            if plain:
                word |= up[chunk.parents]
            else:
                word[some] |= np.bitwise_or.reduceat(up[chunk.parents], cuts)
        return words


def _stacked(parts: Sequence[Words], shape: _Shape) -> Words:
    if len(parts) == 1:
        return parts[0]
    return np.concatenate(parts, axis=1) if parts else np.zeros((shape.words, 0), shape.dtype)


def _merged(words: Words, amounts: Doubles) -> tuple[Words, Doubles]:
    """Few different words once each, with what the records that have them come to; many as they are."""
    size = int(words.max()) + 1 if len(words) == 1 and words.shape[1] else 0
    if not 0 < size <= _FEW:
        return words, amounts
    found = _added(words[0], amounts, size)
    there = np.flatnonzero(found[0])
    return there[None].astype(words.dtype), found[:, there]


def _added(places: npt.NDArray[np.integer], amounts: Doubles, size: int) -> Doubles:
    """(3, size): the amounts (3, N) added up by place (N,)."""
    where = places.astype(np.intp, copy=False)
    return np.stack([np.bincount(where, each, size) for each in amounts])
