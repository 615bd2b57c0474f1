"""Which texts are nearly the same: MinHash sketches over character n-grams, and an index of them.

Characters, not words, so that Japanese needs no tokenizer. Two texts are compared after NFKC, case
folding, and punctuation and runs of white space turned to one space. A sketch holds HASHES minima;
the share of equal minima estimates the Jaccard similarity J of the two n-gram sets with a standard
error of sqrt(J(1-J)/HASHES): .032 at J=.85, .041 at J=.7. The index finds a pair at its threshold
with a probability of at least .99 (bands after Leskovec, Rajaraman, Ullman, Mining of Massive
Datasets, section 3.4), and nearly always above it. The hash functions are fixed: same texts, same
answer, on every machine.

Shapes: G n-grams of one text, H = HASHES.
"""

from __future__ import annotations

import re
import unicodedata
from functools import lru_cache
from typing import final

import numpy as np
import numpy.typing as npt

HASHES = 128
NGRAM = 4
_BLOCK_GRAMS = 4096
# Odd, so that no bit of a character is lost; one for each place in an n-gram.
_PLACES = tuple(
    np.uint64(value)
    for value in (0x9E3779B97F4A7C15, 0xC2B2AE3D27D4EB4F, 0x165667B19E3779F9, 0xD6E8FEB86659FD93)
)
_SPACE = re.compile(r"\s+")

Grams = npt.NDArray[np.uint64]
Sketch = npt.NDArray[np.uint32]


def plain(text: str) -> str:
    """The form in which texts are compared."""
    folded = unicodedata.normalize("NFKC", text).casefold().translate(_punctuation())
    return _SPACE.sub(" ", folded).strip()


def grams(text: str) -> Grams:
    """Hashes of the distinct character n-grams of ``plain(text)``, sorted: uint64 [G].

    A text shorter than an n-gram is one gram, so equal short texts are equal and others are not.
    """
    data = f" {plain(text)} ".encode("utf-32-le", errors="surrogatepass")
    codes = np.frombuffer(data, dtype="<u4").astype(np.uint64)
    count = max(len(codes) - NGRAM + 1, 1)
    summed = codes[:count] * _PLACES[0]
    for i in range(1, min(NGRAM, len(codes))):
        summed += codes[i : count + i] * _PLACES[i]
    return np.unique(_mix(summed))


def sketch(grams_G: Grams) -> Sketch:
    """MinHash of a set of n-grams: uint32 [H]. The empty set has the largest value everywhere."""
    multiply_H, add_H = _functions()
    least_H = np.full(HASHES, np.iinfo(np.uint32).max, dtype=np.uint32)
    short_G = (grams_G >> np.uint64(32)).astype(np.uint32)
    for start in range(0, len(short_G), _BLOCK_GRAMS):
        hashed_GH = short_G[start : start + _BLOCK_GRAMS, None] * multiply_H
        hashed_GH += add_H
        np.minimum(least_H, hashed_GH.min(axis=0), out=least_H)
    return least_H


def similarity(a_H: Sketch, b_H: Sketch) -> float:
    """The estimated Jaccard similarity of two sketched sets, 0..1."""
    return float(np.mean(a_H == b_H))


@final
class Index:
    """Finds rows whose every part is near: a row is one sketch, or several (prompt, completion).

    Rows are numbered in the order they are added. Needs 4 * HASHES bytes a part and row, plus about
    100 bytes a band. Not safe to share between threads.
    """

    def __init__(self, threshold: float, parts: int = 1) -> None:
        assert 0 < threshold <= 1, "a Jaccard similarity"
        self._threshold = threshold
        # All parts must agree in a band, so a pair at the threshold agrees as one at its power would.
        self._bands, self._width = bands(threshold**parts)
        self._tables: list[dict[bytes, list[int]]] = [{} for _ in range(self._bands)]
        self._rows = np.zeros((64, parts, HASHES), dtype=np.uint32)
        self._count = 0

    def near(self, row: tuple[Sketch, ...]) -> list[int]:
        """Numbers of the rows that are near ``row`` in every part, in order."""
        found = {number for key, table in self._keys(row) for number in table.get(key, ())}
        if not found:
            return []
        numbers = np.fromiter(found, dtype=np.int64, count=len(found))
        equal = (self._rows[numbers] == np.stack(row)).mean(axis=2)
        return sorted(int(n) for n in numbers[(equal >= self._threshold).all(axis=1)])

    def add(self, row: tuple[Sketch, ...]) -> int:
        """Adds a row and returns its number."""
        number = self._count
        if number == len(self._rows):
            self._rows = np.concatenate([self._rows, np.zeros_like(self._rows)])
        self._rows[number] = np.stack(row)
        for key, table in self._keys(row):
            table.setdefault(key, []).append(number)
        self._count += 1
        return number

    def _keys(self, row: tuple[Sketch, ...]) -> list[tuple[bytes, dict[bytes, list[int]]]]:
        size = self._width * 4
        raw = [part.tobytes() for part in row]
        return [
            (b"".join(part[i * size : (i + 1) * size] for part in raw), self._tables[i])
            for i in range(self._bands)
        ]


@lru_cache(maxsize=32)
def bands(similarity_: float) -> tuple[int, int]:
    """(bands, rows a band): the widest bands that still find a pair of that similarity with P >= .99."""
    for width in range(HASHES // 4, 0, -1):
        count = HASHES // width
        if 1 - (1 - similarity_**width) ** count >= 0.99:
            return count, width
    return HASHES, 1


def _mix(values: npt.NDArray[np.uint64]) -> npt.NDArray[np.uint64]:
    """The finaliser of splitmix64 (Steele, Lea, Flood 2014), without its increment for zero."""
    values = values + np.uint64(0x9E3779B97F4A7C15)
    values = (values ^ (values >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    values = (values ^ (values >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return values ^ (values >> np.uint64(31))


@lru_cache(maxsize=1)
def _functions() -> tuple[Sketch, Sketch]:
    """Odd multipliers and increments modulo 2^32, drawn once from splitmix64 and never to change."""
    drawn = _mix(np.arange(1, 2 * HASHES + 1, dtype=np.uint64) * np.uint64(0x9E3779B97F4A7C15))
    drawn32 = (drawn >> np.uint64(32)).astype(np.uint32)
    return drawn32[:HASHES] | np.uint32(1), drawn32[HASHES:]


@lru_cache(maxsize=1)
def _punctuation() -> dict[int, str]:
    """Punctuation of the basic plane. Symbols such as + and = stay: they are content."""
    return {code: " " for code in range(0x10000) if unicodedata.category(chr(code)).startswith("P")}
