"""The held-out split: by digest, so that it is stable, with near duplicates on one side together.

A group is a set of prompts linked by near duplication (similar.py, threshold NEAR). The side of a
group follows from the smallest digest among its members, so a prompt that is added or removed moves
no other, unless it is a near duplicate that brings a smaller digest, or joins two groups, or the set is so
small that one was held out only because there must be one.

Prompts made from one template are all alike and would be one group. So where more than half of at
least FRAME_ROWS prompts of one source share most of their text, that shared text is not compared.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Container, Sequence
from dataclasses import dataclass

import numpy as np

from inbond import digest
from inbond.engine.similar import Grams, Index, grams, sketch
from inbond.errors import InputError
from inbond.types import Prompt, prompt_to_json

NEAR = 0.7
FRAME_ROWS = 20
_FRAME_SAMPLE = 200


@dataclass(frozen=True)
class Split:
    """Row numbers of each side, in order; ``groups`` counts the groups of near duplicates."""

    train: tuple[int, ...]
    held_out: tuple[int, ...]
    groups: int


def split(
    prompts: Sequence[Prompt],
    fraction: float,
    *,
    near: float = NEAR,
    own: Container[int] = (),
    sources: Sequence[int] | None = None,
) -> Split:
    """Holds out about ``fraction`` of the prompts (0 <= fraction < 1), at least one of two or more.

    Nothing is measured on the rows ``own``: they are held out only along with a near duplicate that is.
    ``sources`` tells of each row where its prompt is from (None: all from one place, 0): each source has a
    template of its own, and, as far as its groups allow it, rows on both sides; of source 0, which the
    student is measured on, there always are. Deterministic; the order of the prompts does not matter. Raises
    InputError when all prompts of source 0 are near duplicates of one another, so that nothing could be held
    out.
    """
    if not 0 <= fraction < 1:
        raise InputError(
            expected="a held-out fraction from 0 up to, but not, 1", found=repr(fraction), fix="use .1, say"
        )
    ids = [digest.to_raw(digest.of_value(prompt_to_json(prompt))) for prompt in prompts]
    members = group(prompts, near, sources)
    if fraction == 0 or len(prompts) < 2:
        return Split(tuple(range(len(prompts))), (), len(members))
    measured = [rows for rows in members if any(row not in own for row in rows)]
    places = sorted((_place(min(ids[row] for row in rows)), rows) for rows in measured)
    held = {number for number, (place, _) in enumerate(places) if place < fraction}
    # The first source last: what it needs is not taken back.
    for source in sorted({0, *(sources or ())}, reverse=True):
        mine = [
            number
            for number, (_, rows) in enumerate(places)
            if any(row not in own and (sources is None or sources[row] == source) for row in rows)
        ]
        if source == 0 and len(mine) < 2:
            raise _too_alike(prompts, own, sources)
        held = _both_sides(held, mine)
    held_out = {row for number in held for row in places[number][1]}
    train = tuple(row for row in range(len(prompts)) if row not in held_out)
    return Split(train, tuple(sorted(held_out)), len(members))


def _both_sides(held: set[int], mine: Sequence[int]) -> set[int]:
    """Never none of these groups held out, never all: the next in their stable order. One alone is learnt."""
    if not mine:
        return held
    if held.issuperset(mine):
        return held - {mine[-1]}
    return held if len(mine) == 1 or held.intersection(mine) else held | {mine[0]}


def _too_alike(prompts: Sequence[Prompt], own: Container[int], sources: Sequence[int] | None) -> InputError:
    mine = [row for row in range(len(prompts)) if row not in own and (sources is None or sources[row] == 0)]
    whose = " of the first teacher" if sources is not None and any(sources) else ""
    return InputError(
        expected=f"prompts{whose} that differ, so that some can be held out",
        found=f"{len(mine)} prompts that are all near duplicates of one another",
        fix=f"add prompts of other kinds, or more: what {FRAME_ROWS} or more have in common is not compared",
    )


def _place(raw: bytes) -> float:
    """Uniform in 0..1. Hashed again: the smallest of many digests is not uniform."""
    return int.from_bytes(digest.to_raw(digest.of_bytes(raw))[:8], "big") / 2**64


def group(
    prompts: Sequence[Prompt], near: float = NEAR, sources: Sequence[int] | None = None
) -> list[list[int]]:
    """Row numbers by group of near duplicates; every row is in exactly one group. Each of ``sources`` may
    have a text that its prompts share."""
    sets = [grams(_text(prompt)) for prompt in prompts]
    sources = sources if sources is not None else [0] * len(sets)
    frames = {
        each: _frame([grams_G for grams_G, source in zip(sets, sources, strict=True) if source == each])
        for each in set(sources)
    }
    index, rows = Index(near), list[int]()
    leader = list(range(len(sets)))

    def find(row: int) -> int:
        while leader[row] != row:
            leader[row] = leader[leader[row]]
            row = leader[row]
        return row

    first: dict[bytes, int] = {}
    for row, grams_G in enumerate(sets):
        # Many copies of one text would each be near to each: one of them is enough to compare.
        same = first.setdefault(grams_G.tobytes(), row)
        if same != row:
            leader[row] = find(same)
            continue
        sketched = (sketch(_without(grams_G, frames[sources[row]])),)
        for number in index.near(sketched):
            leader[find(row)] = find(rows[number])
        index.add(sketched)
        rows.append(row)
    groups: dict[int, list[int]] = {}
    for row in range(len(sets)):
        groups.setdefault(find(row), []).append(row)
    return list(groups.values())


def _text(prompt: Prompt) -> str:
    """What is compared: a system message is often the same everywhere and says nothing."""
    if isinstance(prompt, str):
        return prompt
    said = [turn.content for turn in prompt if turn.role != "system"]
    return "\n".join(said or [turn.content for turn in prompt])


def _without(grams_G: Grams, frame: Grams) -> Grams:
    """A prompt that is nothing but frame keeps it: it equals only its like."""
    rest = grams_G[~np.isin(grams_G, frame, assume_unique=True)]
    return rest if len(rest) else grams_G


def _frame(sets: Sequence[Grams]) -> Grams:
    """The n-grams in more than half of the prompts, if they are most of a typical prompt; else none.

    Looks at a sample chosen by content, not by position, so that order does not matter.
    """
    none = np.empty(0, dtype=np.uint64)
    if len(sets) < FRAME_ROWS:
        return none
    sample = sorted((grams_G for grams_G in sets), key=lambda g: (int(np.bitwise_xor.reduce(g)), len(g)))
    sample = sample[:_FRAME_SAMPLE]
    counts = Counter(gram for grams_G in sample for gram in grams_G.tolist())
    common = sorted(gram for gram, count in counts.items() if count > len(sample) / 2)
    frame = np.array(common, dtype=np.uint64)
    shares = [np.isin(grams_G, frame, assume_unique=True).mean() for grams_G in sample]
    return frame if float(np.median(shares)) > 0.5 else none
