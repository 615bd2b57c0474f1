"""Whether a text may hold anything that rules of elicitation look for: a few passes over its bytes. Pure.

Nearly every text holds nothing, and this says so in a sixth of the time that looking for each word takes. It
may say yes for nothing, and never no for something. Texts in ASCII only; others are looked through.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Final, final

import numpy as np
import numpy.typing as npt

Bytes = npt.NDArray[np.uint8]
Table = npt.NDArray[np.bool_]
LONG: Final = 8
SHORT: Final = 4
_KEYS: Final = (np.uint64(0x9E3779B97F4A7C15), np.uint64(0xC2B2AE3D27D4EB4F))
_BITS: Final = np.uint64(48)
_SPACED: Final = 11
"""Six letters with something between each."""
_RUN: Final = 24
"""So long is what is written in base64 at least, and shorter than what is in hex."""


@final
@dataclass(frozen=True)
class Gate:
    """Tables of what to look for, by length of the piece and key; ``plain``: what each byte stands for."""

    plain: Bytes
    pieces: tuple[tuple[int, tuple[Table, Table]], ...]
    turned: tuple[tuple[int, tuple[Table, Table]], ...]

    @staticmethod
    def of(plain: Mapping[int, int], words: Iterable[str], turned: Iterable[str]) -> Gate:
        """``plain`` as for ``str.translate``; ``words`` and ``turned`` of SHORT letters at least."""
        table = np.arange(256, dtype=np.uint8)
        for one, other in plain.items():
            if one < 128:
                table[one] = other
        return Gate(table, _pieces(words), _pieces(turned))

    def may(self, raw: str, folded: str) -> bool:
        """Of a text as it came and as it was folded; both in ASCII."""
        said = self.plain[np.frombuffer(folded.encode("ascii"), dtype=np.uint8)]
        if _holds(said, self.pieces) or _spaced(said):
            return True
        data = np.frombuffer(raw.encode("ascii"), dtype=np.uint8)
        return _runs(data, _CODE) or _runs(data, _HEX) or _holds(_LOWER[data], self.turned)


def _spaced(said: Bytes) -> bool:
    count = len(said) - _SPACED + 1
    if count < 1:
        return False
    word, between = _WORD[said], _BETWEEN[said]
    found = word[:count].copy()
    for at in range(1, _SPACED):
        found &= (between if at % 2 else word)[at : at + count]
    return bool(found.any())


def _runs(data: Bytes, of: Table) -> bool:
    """Whether a code of such letters may stand there: it is told by its length alone."""
    ends = np.flatnonzero(~of[data])
    return bool((np.diff(ends, prepend=-1, append=len(data)) > _RUN).any())


def _table(letters: str) -> Table:
    found = np.zeros(256, dtype=np.bool_)
    found[[ord(letter) for letter in letters]] = True
    return found


_LETTERS: Final = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789"
_LOWER: Final = np.frombuffer(bytes(range(256)).lower(), dtype=np.uint8)
_WORD: Final = _table(f"{_LETTERS}_")
_BETWEEN: Final = _table(" .*_-")
_CODE: Final = _table(f"{_LETTERS}+/_-")
_HEX: Final = _table("0123456789abcdefABCDEF :")


def _pieces(words: Iterable[str]) -> tuple[tuple[int, tuple[Table, Table]], ...]:
    by_size: dict[int, list[bytes]] = {}
    for word in words:
        assert len(word) >= SHORT, "a piece is four letters long"
        size = LONG if len(word) >= LONG else SHORT
        piece = word[-size:] if size == LONG else word[:size]  # where a short one is a tag it says so first
        by_size.setdefault(size, []).append(piece.encode("ascii"))
    return tuple((size, _tables(size, pieces)) for size, pieces in sorted(by_size.items()))


def _tables(size: int, pieces: list[bytes]) -> tuple[Table, Table]:
    grams = np.concatenate([_grams(np.frombuffer(piece, dtype=np.uint8), size) for piece in pieces])
    tables = []
    for key in _KEYS:
        table = np.zeros(2**16, dtype=np.bool_)
        table[grams * key >> _BITS] = True
        tables.append(table)
    return tables[0], tables[1]


def _grams(data: Bytes, size: int) -> npt.NDArray[np.uint64]:
    """(letters) -> (letters - size + 1): that many letters from each one on, as a number."""
    found: Any = data.astype(np.uint64)
    width = 1
    while width < size:
        found = found[:-width] | found[width:] << np.uint64(8 * width)
        width *= 2
    grams: npt.NDArray[np.uint64] = found
    return grams


def _holds(data: Bytes, pieces: tuple[tuple[int, tuple[Table, Table]], ...]) -> bool:
    for size, (one, other) in pieces:
        if len(data) >= size:
            grams = _grams(data, size)
            if (one[grams * _KEYS[0] >> _BITS] & other[grams * _KEYS[1] >> _BITS]).any():
                return True
    return False
