"""Was a suspect trained on these records? They are held against others of one source that nobody was given
(Maini et al., arXiv:2406.06443).

Exact where a lot decided which records are which: Inbond holds prompts out by their digest, near duplicates
together (``engine.split``), so that each group of them could as well have been on the other side. Groups are
permuted, never records. Against any other "others" the test would find differences of the texts themselves:
then it must not be used.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final, final

import numpy as np
import numpy.typing as npt

from inbond.digest import of_value
from inbond.errors import InputError
from inbond.forensics.finding import ALPHA, Finding
from inbond.forensics.power import needed_for_gain
from inbond.forensics.ranks import SHUFFLES, Shuffled, mean_gain
from inbond.forensics.shown import By, Progress, Shown, Subject, by_text, by_unit, quietly

Floats = npt.NDArray[np.float64]

GAIN: Final = 0.5
"""How much likelier records must be, in standard deviations among groups of others, before the test may say
"no evidence"."""

_NULL: Final = (
    "the suspect was made without these records; then which groups of near duplicates were learnt and which "
    "were held out is as good as drawn by lot"
)
_ASSUMPTIONS = (
    "a lot decided which records were held out, and both sides were filtered alike",
    "the suspect saw no more of the ones than of the others on any other way",
)
_LIMITS = (
    "against others that no lot chose, of another time or source, a small p shows how texts differ and "
    "nothing of training",
    "a suspect that learnt both sides, or little of either, shows nothing: no evidence is not absence",
)


@final
@dataclass(frozen=True)
class Sides:
    """For each record, what it belongs to (``units``: records that no lot could part) and whether it was held
    out."""

    records: Subject
    units: tuple[int, ...]
    held_out: tuple[bool, ...]

    def split(self, values: Floats) -> tuple[Floats, Floats]:
        """(each learnt unit's mean, each held-out unit's). Raises InputError when there is none of either."""
        assert len(values) == len(self.units) == len(self.held_out), "a value for each record"
        out = by_unit(np.array(self.held_out, float), self.units)
        assert set(out.tolist()) <= {0.0, 1.0}, "a unit is on one side"
        if not 0 < out.sum() < len(out):
            raise InputError(
                expected=f"records of {self.records.name} that were learnt, and some that were held out",
                found=f"{int(len(out) - out.sum())} groups learnt and {int(out.sum())} held out",
                fix="name a run that held records out, and whose records are there still",
            )
        means = by_unit(values, self.units)
        return means[out == 0], means[out == 1]


def judge(
    members: Mapping[str, Floats],
    others: Mapping[str, Floats],
    records: Subject,
    *,
    shuffles: int = SHUFFLES,
    seed: int = 0,
    alpha: float = ALPHA,
) -> Finding:
    """The finding, from a number for each unit that was learnt and each that was held out, by statistic. With
    several statistics the smallest p counts as often as there are (Bonferroni)."""
    assert members.keys() == others.keys(), "the same statistics of both"
    found = {by: mean_gain(members[by], others[by], shuffles=shuffles, seed=seed) for by in members}
    log10_p = min(0.0, min(one.log10_p for one in found.values()) + math.log10(len(found)))
    counts = len(next(iter(members.values()))), len(next(iter(others.values())))
    return Finding(
        test="dataset-inference",
        question=f"the suspect was trained on {records.name}",
        null=_NULL,
        statistic=_statistic(found, members, others),
        log10_p=log10_p,
        size=sum(counts),
        unit="groups of records",
        needed=needed_for_gain(GAIN, counts[0] / sum(counts), alpha / len(found)),
        effect=f"learnt groups that are likelier by {GAIN:g} of the spread among the others",
        assumptions=_ASSUMPTIONS,
        limits=_LIMITS,
        facts={
            "values": of_value([[by, list(members[by]), list(others[by])] for by in members]),
            "learnt": counts[0],
            "held_out": counts[1],
            "log10_p": log10_p,
            "shuffles": {by: one.shuffles for by, one in found.items()},
            "seed": seed,
        },
        about=records.to_json(),
    )


def _statistic(
    found: Mapping[str, Shuffled], members: Mapping[str, Floats], others: Mapping[str, Floats]
) -> dict[str, float]:
    told = {}
    for by, one in found.items():
        told[f"gain ({by})"] = one.statistic
        told[f"standardised gain ({by})"] = one.statistic / (spread(members[by], others[by]) or math.inf)
    return told


def spread(one: Floats, other: Floats) -> float:
    """The standard deviation within both, pooled; 0 where that cannot be told."""
    free = len(one) + len(other) - 2
    if free < 1:
        return 0.0
    squares = float(((one - one.mean()) ** 2).sum() + ((other - other.mean()) ** 2).sum())
    return math.sqrt(squares / free)


def of(
    sides: Sides,
    suspect: Shown,
    reference: Shown | None = None,
    *,
    by: Sequence[By] = ("mean",),
    shuffles: int = SHUFFLES,
    seed: int = 0,
    alpha: float = ALPHA,
    on_progress: Progress = quietly,
) -> Finding:
    """``judge`` of a suspect whose weights are at hand, shown all records of ``sides``; ``reference``: a
    model that saw neither side, whose numbers are taken off. ``by`` is chosen before anything is looked
    at."""
    assert by, "one statistic at least"
    own = suspect.log_likelihoods(on_progress)
    less = None if reference is None else reference.log_likelihoods(on_progress)
    members, others = dict[str, Floats](), dict[str, Floats]()
    for one in by:
        values = by_text(own, one) - (0.0 if less is None else by_text(less, one))
        members[one], others[one] = sides.split(values)
    return judge(members, others, sides.records, shuffles=shuffles, seed=seed, alpha=alpha)
