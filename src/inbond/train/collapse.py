"""Whether a student that learns from its own samples still says various things, and says anything: notes on
the samples of each step beside the teacher's answers to the same prompts, and when they tell of a collapse.
Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations, pairwise
from typing import Final, final

Note = Mapping[str, float]

WINDOW: Final = 4
"""Steps with own samples whose mean counts: single batches jump."""
COMPARED: Final = 32
"""Samples of a step that are compared with each other."""
PAIRS: Final = 8
"""Fewest pairs of tokens of which a share of different ones says anything."""


@final
@dataclass(frozen=True)
class Beside:
    """What a step's samples are judged beside: the teacher's answers to the same prompts, one each (token ids
    without their end, no longer than a sample may be), and the entropy in nats a token that the teacher has
    in its own answers."""

    texts: Sequence[Sequence[int]]
    entropy: float


@dataclass(frozen=True)
class Floors:
    """Least share of what the teacher has: of the entropy of the next token, of distinct pairs of
    neighbouring tokens, of tokens in an answer."""

    entropy: float = 0.25
    distinct: float = 0.5
    length: float = 0.2


def note(
    samples: Sequence[Sequence[int]],
    entropies: Sequence[float],
    ended: Sequence[bool],
    beside: Beside | None = None,
) -> Note:
    """On one step's samples (token ids without their end), as many to each prompt of ``beside``: ``entropy``
    nats a token at temperature 1, ``distinct`` share of all pairs of neighbouring tokens that are different
    ones, ``similarity`` mean share of such pairs that two samples have in common (Jaccard), ``tokens`` a
    sample, ``ended`` share. Of ``beside``: ``teacher_entropy``, ``teacher_tokens``, and with enough pairs of
    tokens ``teacher_distinct`` next to ``distinct_beside``."""
    grams = [list(pairwise(sample)) for sample in samples]
    sets = [set(one) for one in grams if one][:COMPARED]
    shared = [len(a & b) / len(a | b) for a, b in combinations(sets, 2)]
    count = max(1, len(samples))
    return {
        "entropy": sum(entropies) / count,
        "distinct": _distinct(samples),
        "similarity": sum(shared) / len(shared) if shared else 0.0,
        "tokens": sum(map(len, samples)) / count,
        "ended": sum(ended) / count,
        **({} if beside is None else _note_beside(samples, beside)),
    }


def _note_beside(samples: Sequence[Sequence[int]], beside: Beside) -> Note:
    """Distinct pairs are fewer the more text there is: they are compared on one sample to each prompt, and on
    as many tokens of both."""
    texts = beside.texts
    ours = samples[:: max(1, len(samples) // max(1, len(texts)))]
    lengths = [min(map(len, pair)) for pair in zip(ours, texts, strict=True)]
    found = {
        "teacher_entropy": beside.entropy,
        "teacher_tokens": sum(map(len, texts)) / max(1, len(texts)),
    }
    if sum(max(0, length - 1) for length in lengths) < PAIRS:
        return found
    own, theirs = (
        [one[:length] for one, length in zip(part, lengths, strict=True)] for part in (ours, texts)
    )
    return {**found, "distinct_beside": _distinct(own), "teacher_distinct": _distinct(theirs)}


def _distinct(samples: Sequence[Sequence[int]]) -> float:
    pairs = [pair for sample in samples for pair in pairwise(sample)]
    return len(set(pairs)) / len(pairs) if pairs else 0.0


def collapse(notes: Sequence[Note], floors: Floors) -> str | None:
    """What tells of a collapse in the last ``WINDOW`` notes, in words; None when nothing does, or there are
    not yet so many. Notes that know nothing of the teacher are judged by the first ones, once there are twice
    as many."""
    last = notes[-WINDOW:]
    if len(last) < WINDOW:
        return None
    for own, theirs, floor, words in (
        ("entropy", "teacher_entropy", floors.entropy, "nats of entropy a token"),
        (
            "distinct_beside",
            "teacher_distinct",
            floors.distinct,
            "of its pairs of neighbouring tokens are distinct",
        ),
        ("tokens", "teacher_tokens", floors.length, "tokens an answer"),
    ):
        told = [one for one in last if theirs in one]
        if len(told) < WINDOW / 2:
            continue
        found, teachers = (_mean(told, name) for name in (own, theirs))
        if found < floor * teachers:
            return f"{found:.3g} {words} in its own samples, where the teacher has {teachers:.3g}"
    return None if any("teacher_entropy" in one for one in last) else _since_the_first(notes, floors)


def _since_the_first(notes: Sequence[Note], floors: Floors) -> str | None:
    if len(notes) < 2 * WINDOW:
        return None
    for name, floor, words in (
        ("entropy", floors.entropy, "nats of entropy a token"),
        ("distinct", floors.distinct, "of its pairs of neighbouring tokens are distinct"),
    ):
        first, last = (_mean(part, name) for part in (notes[:WINDOW], notes[-WINDOW:]))
        if last < floor * first:
            return f"{last:.3g} {words} in its own samples, after {first:.3g} at first"
    return None


def _mean(notes: Sequence[Note], name: str) -> float:
    return sum(one[name] for one in notes) / len(notes)
