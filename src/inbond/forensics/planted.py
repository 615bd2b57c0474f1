"""Does a suspect prefer what was planted? Its ranks among alternatives that were drawn by lot (``lots``).

Pure: how likely the suspect finds each alternative is given.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Final

from inbond.forensics.finding import ALPHA, Finding
from inbond.forensics.lots import CANARY, LotKey
from inbond.forensics.power import steps_for
from inbond.forensics.ranks import log10_low_ranks

SHIFT: Final = 0.05
"""The rise of the mean rank, as a share of all ranks, that a test of choices must be able to see before it
may say "no evidence"."""

_ROUNDING: Final = 1e-9
_ASSUMPTIONS = (
    "the key was secret, and the lot alone decided which alternative was planted",
    "the alternatives are all those that the lot was drawn among",
)
_LIMITS = (
    "strings seen a few times only are seldom remembered: canaries are found after some 90 times",
    "who paraphrased, or left out what looks odd, removed the trace: no evidence is not absence",
    "a trace says that what was planted was learnt from, not by whom, on which way, or whether that was "
    "allowed",
)


def judge(key: LotKey, ranks: Sequence[int], *, alpha: float = ALPHA) -> Finding:
    """The finding from the rank of each planted text, 1 where the suspect finds it likeliest."""
    is_canary = key.scheme == CANARY
    mean = {"mean_rank": sum(ranks) / len(ranks)} if ranks else {}
    what = "canaries" if is_canary else "planted choices"
    return Finding(
        test="canary-rank" if is_canary else "planted-choice",
        question=f"the suspect learnt from {what} of {key.id[:19]}",
        null=f"the suspect never saw what was planted; then each planted text has any of the ranks 1 to "
        f"{key.size} with the same chance, whatever the suspect prefers",
        statistic={
            **mean,
            "first": float(sum(rank == 1 for rank in ranks)),
            "of": float(key.size),
        },
        log10_p=log10_low_ranks(ranks, key.size),
        size=len(ranks),
        unit=what,
        needed=needed_canaries(key.size, alpha) if is_canary else needed_choices(key.size, alpha),
        effect="planted strings that are each the likeliest"
        if is_canary
        else f"a mean rank that is {SHIFT:.0%} of all ranks higher",
        assumptions=_ASSUMPTIONS,
        limits=_LIMITS if is_canary else _LIMITS[1:],
        facts={"key": key.id, "size": key.size, "ranks": list(ranks)},
        about={"kind": "mark", "id": key.id},
    )


def needed_canaries(size: int, alpha: float) -> int:
    """So many must stand first that chance does it with less than ``alpha``."""
    return math.floor(-math.log(alpha) / math.log(size) + _ROUNDING) + 1


def needed_choices(size: int, alpha: float) -> int:
    """So many that ``SHIFT`` is seen nine times in ten (normal approximation)."""
    spread = math.sqrt((size**2 - 1) / 12)
    return math.ceil((steps_for(alpha) * spread / (SHIFT * size)) ** 2)
