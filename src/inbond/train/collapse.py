"""Whether a student that learns from its own samples still says various things: notes on the samples of each
step, and when they tell of a collapse. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations, pairwise
from typing import Final

Note = Mapping[str, float]

WINDOW: Final = 4
"""Steps with own samples whose mean counts: single batches jump."""
COMPARED: Final = 32
"""Samples of a step that are compared with each other."""


@dataclass(frozen=True)
class Floors:
    """Least share of what the first ``WINDOW`` steps with own samples had: of the entropy of its next token,
    and of distinct pairs of neighbouring tokens."""

    entropy: float = 0.25
    distinct: float = 0.5


def note(samples: Sequence[Sequence[int]], entropies: Sequence[float], ended: Sequence[bool]) -> Note:
    """On one step's samples (token ids without their end): ``entropy`` nats a token at temperature 1,
    ``distinct`` share of all pairs of neighbouring tokens that are different ones, ``similarity`` mean share
    of such pairs that two samples have in common (Jaccard), ``tokens`` a sample, ``ended`` share."""
    grams = [list(pairwise(sample)) for sample in samples]
    total = sum(map(len, grams))
    sets = [set(one) for one in grams if one][:COMPARED]
    shared = [len(a & b) / len(a | b) for a, b in combinations(sets, 2)]
    count = max(1, len(samples))
    return {
        "entropy": sum(entropies) / count,
        "distinct": len({pair for one in grams for pair in one}) / total if total else 0.0,
        "similarity": sum(shared) / len(shared) if shared else 0.0,
        "tokens": sum(map(len, samples)) / count,
        "ended": sum(ended) / count,
    }


def collapse(notes: Sequence[Note], floors: Floors) -> str | None:
    """What tells of a collapse in the last ``WINDOW`` notes, in words; None when nothing does, or there are
    not yet twice as many."""
    if len(notes) < 2 * WINDOW:
        return None
    for name, floor, words in (
        ("entropy", floors.entropy, "nats of entropy a token"),
        ("distinct", floors.distinct, "of its pairs of neighbouring tokens are distinct"),
    ):
        first, last = (sum(one[name] for one in part) / WINDOW for part in (notes[:WINDOW], notes[-WINDOW:]))
        if last < floor * first:
            return f"{last:.3g} {words} in its own samples, after {first:.3g} at first"
    return None
