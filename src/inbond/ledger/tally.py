"""Counts, over whole record sets at once, whose work is in the records: theirs and their ancestors'.

Every origin has a bit. A record's word has the bit of its own origin and those of every record that it
descends from. Words are columns: parents' words are gathered and OR-ed by ``reduceat``, so that no Python
runs a record, and what is left to look at is the few words that differ. Pure; reading is ``sets``.

N records, P parents of all of them together, W words a record.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import final

import numpy as np
import numpy.typing as npt

from inbond.errors import TamperedError

Ints = npt.NDArray[np.signedinteger]
Words = npt.NDArray[np.unsignedinteger]
"""(W, N): bit b of a record is bit b % width of word b // width."""

_FEW = 1 << 16
"""Up to here, counting by place beats sorting."""


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
@dataclass
class Amount:
    """Records, their counted tokens, and how many of the records have no count."""

    records: int = 0
    tokens: int = 0
    uncounted: int = 0

    def add(self, other: Amount) -> None:
        """Adds ``other`` to this one."""
        self.records += other.records
        self.tokens += other.tokens
        self.uncounted += other.uncounted


@final
@dataclass
class Tally:
    """What a record set is made of: amounts by a record's own origin (a bit), and by its word (an int with
    the bits of all origins behind it)."""

    own: dict[int, Amount] = field(default_factory=dict)
    words: dict[int, Amount] = field(default_factory=dict)

    @property
    def whole(self) -> Amount:
        total = Amount()
        for amount in self.own.values():
            total.add(amount)
        return total

    def touched(self, bits: int) -> Amount:
        """Records that have any of ``bits`` behind them."""
        total = Amount()
        for word, amount in self.words.items():
            if word & bits:
                total.add(amount)
        return total

    def authored(self, bits: int) -> Amount:
        """Records whose own origin is one of ``bits``."""
        total = Amount()
        for bit, amount in self.own.items():
            if bits >> bit & 1:
                total.add(amount)
        return total


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

    def number(self, word: Sequence[int]) -> int:
        """A word's bits as one integer."""
        return sum(int(part) << (place * self.width) for place, part in enumerate(word))


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
        words = _stacked([self._of_chunk(chunk, above) for chunk in chunks], self._shape)
        if mark is not None:
            words |= self._table[:, mark, None]
        return words

    def tally(self, chunks: Iterable[Chunk], parents: Sequence[Words]) -> Tally:
        """The tally of a set, as ``words``, without keeping the words of all of it."""
        above = _stacked(parents, self._shape)
        found = Tally()
        for chunk in chunks:
            _count(found.own, chunk.origins[None], chunk.tokens, lambda key: key[0])
            _count(found.words, self._of_chunk(chunk, above), chunk.tokens, self._shape.number)
        return found

    def _of_chunk(self, chunk: Chunk, above: Words) -> Words:
        words: Words = self._table[:, chunk.origins]
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


def _count(
    into: dict[int, Amount],
    keys: npt.NDArray[np.integer],
    tokens: Ints,
    number: Callable[[Sequence[int]], int],
) -> None:
    """Adds to ``into`` the amounts of each different column of ``keys`` (W, N)."""
    for key, rows, total, uncounted in _grouped(keys, tokens):
        into.setdefault(number(key), Amount()).add(Amount(rows, total, uncounted))


def _grouped(keys: npt.NDArray[np.integer], tokens: Ints) -> Iterator[tuple[Sequence[int], int, int, int]]:
    if not keys.shape[1]:
        return
    if len(keys) == 1 and int(keys.max()) < _FEW:
        places, size, different = keys[0], int(keys.max()) + 1, None
    else:
        different, places = np.unique(keys[0] if len(keys) == 1 else keys, axis=-1, return_inverse=True)
        places, different = places.reshape(-1), np.atleast_2d(different)
        size = different.shape[1]
    rows = np.bincount(places, minlength=size)
    # Sums of whole numbers below 2^53 are exact in the doubles that bincount adds in.
    totals = np.bincount(places, weights=tokens, minlength=size)
    uncounted = np.bincount(places[tokens <= 0], minlength=size)
    for place in np.flatnonzero(rows):
        key = (int(place),) if different is None else [int(part) for part in different[:, place]]
        yield key, int(rows[place]), int(totals[place]), int(uncounted[place])
