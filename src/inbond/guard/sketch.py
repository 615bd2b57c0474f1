"""What stays of a text when its slots differ: a one-permutation hash sketch of its shingles. Pure.

The first 256 and the last 128 tokens are cut into runs of three; each run's hash falls into one of ``bins``
equal parts of 64 bits, and each part keeps its smallest (Li, Owen, Zhang 2012). Two texts have the same
number in a part with the probability of their likeness (Jaccard), so that a template with slots shows as
the parts that many texts share, whatever the slots hold. Words do not come back out of 32 bits of a hash.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Final
from zlib import crc32

import numpy as np
import numpy.typing as npt

Sketch = tuple[int, ...]
EMPTY: Final = 0xFFFFFFFF
"""A part into which no run fell."""
SYSTEM_BINS: Final = 16
USER_BINS: Final = 32

_HEAD: Final = 256
_TAIL: Final = 128
_HEAD_CHARS: Final = 4_096
_TAIL_CHARS: Final = 2_048
_RUN: Final = 3
_ALONE: Final = "\u0e00-\u0e7f\u3040-\u30ff\u3400-\u9fff\uac00-\ud7af"
"""Thai, kana, Han and Hangul: written without spaces, or with long words; each letter is a token."""
_TOKEN: Final = re.compile(f"[{_ALONE}]|[^\\W{_ALONE}]+")
_WEIGHTS: Final = np.array([0x9E3779B97F4A7C15, 0xC2B2AE3D27D4EB4F, 0x165667B19E3779F9], dtype=np.uint64)
_30, _27, _31 = np.uint64(30), np.uint64(27), np.uint64(31)
_FIRST, _SECOND = np.uint64(0xBF58476D1CE4E5B9), np.uint64(0x94D049BB133111EB)


def tokens(text: str) -> list[str]:
    """At most 256 tokens of the beginning and 128 of the end of a text that is normalised."""
    if len(text) <= _HEAD_CHARS + _TAIL_CHARS:
        found: list[str] = _TOKEN.findall(text)
        return found if len(found) <= _HEAD + _TAIL else found[:_HEAD] + found[-_TAIL:]
    head: list[str] = _TOKEN.findall(text[:_HEAD_CHARS])
    tail: list[str] = _TOKEN.findall(text[-_TAIL_CHARS:])
    return head[:_HEAD] + tail[-_TAIL:]


def sketch(words: Sequence[str], bins: int) -> Sketch:
    """``bins`` numbers of 32 bits, EMPTY where nothing fell; ``bins`` is a power of two."""
    assert bins & (bins - 1) == 0, "parts are a power of two"
    kept = np.full(bins, EMPTY, dtype=np.uint64)
    runs = _runs(words)
    if len(runs):
        part = (runs >> np.uint64(64 - (bins.bit_length() - 1))).astype(np.intp)
        np.minimum.at(kept, part, np.minimum(runs & np.uint64(EMPTY), np.uint64(EMPTY - 1)))
    return tuple(kept.tolist())


def _runs(words: Sequence[str]) -> npt.NDArray[np.uint64]:
    """The hashes of all runs of three tokens, or of all there are where they are fewer."""
    if not words:
        return np.zeros(0, dtype=np.uint64)
    hashes = np.array([crc32(word.encode("utf-8", "replace")) for word in words], dtype=np.uint64)
    width = min(_RUN, len(hashes))
    count = len(hashes) - width + 1
    found = np.zeros(count, dtype=np.uint64)
    for i in range(width):
        found = mixed(found ^ (hashes[i : i + count] * _WEIGHTS[i]))
    return found


def mixed(value: npt.NDArray[np.uint64]) -> npt.NDArray[np.uint64]:
    """The finaliser of splitmix64: every bit of the input reaches every bit of the output."""
    value = (value ^ (value >> _30)) * _FIRST
    value = (value ^ (value >> _27)) * _SECOND
    return value ^ (value >> _31)


def densified(found: Sketch) -> Sketch:
    """Empty parts take over their right neighbour's number, as Shrivastava and Li (2014) fill them, so that
    sketches of short texts compare too. An empty sketch stays empty."""
    if all(value == EMPTY for value in found):
        return found
    filled, away, last = list(found), 0, len(found)
    nearest = next(value for value in found if value != EMPTY)
    for i in range(last - 1, -1, -1):
        if found[i] != EMPTY:
            nearest, away = found[i], 0
        else:
            away += 1
            filled[i] = (nearest + away * 0x9E3779B1) & EMPTY
    return tuple(filled)


def likeness(one: Sketch, other: Sketch) -> float:
    """How many of the parts are equal, from 0 to 1: an estimate of the texts' likeness."""
    assert len(one) == len(other), "sketches of one kind"
    if EMPTY in (min(one), min(other)):
        return 0.0
    pairs = zip(densified(one), densified(other), strict=True)
    return sum(a == b for a, b in pairs) / len(one)
