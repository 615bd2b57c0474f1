"""Does a suspect come from one of our own runs? What a run saw last, its descendants know best (Kuditipudi et
al., arXiv:2510.19796).

Which null is exact: a run draws, for each epoch, an order of its records, sorts them by length within
windows, cuts batches and then shuffles **the batches** (``losses.batches.epoch_batches``). So what else is in
a record's batch depends on its length, but in which order the batches come depends on nothing: given which
records are in which batch, every order of them was equally likely. Whole batches are permuted, therefore,
never records, and a batch counts once. Only the last epoch's order is looked at: it is drawn for itself.

Legend: R records, B batches.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, final

import numpy as np
import numpy.typing as npt

from inbond.digest import of_value
from inbond.errors import InputError
from inbond.forensics.finding import ALPHA, Finding
from inbond.forensics.power import needed_for_correlation
from inbond.forensics.ranks import SHUFFLES, rank_correlation
from inbond.forensics.shown import Progress, Shown, Subject, checked, gains, quietly

Floats = npt.NDArray[np.float64]

CORRELATION: Final = 0.3
"""What the test must be able to see before it may say "no evidence"."""
NEIGHBOURS: Final = 50
"""Records of like length, to each side, whose mean is taken off a record's number."""

_NULL: Final = (
    "the suspect was made without anything of this run; then each order of the run's batches is as likely as "
    "the one that its seed gave"
)
_ASSUMPTIONS = (
    "the run's seed was chosen without regard to the records, and nothing else was ordered by it",
    "the order is the run's: rebuilt from its records, its recipe's numbers and its seed",
)
_LIMITS = (
    "much training after the run, or several epochs, wears the trace away: no evidence is not absence",
    "another run of the same recipe with the same seed and records has the same order, and leaves the same "
    "trace",
    "small runs have few batches: most cannot tell",
)


@final
@dataclass(frozen=True)
class Order:
    """How a run last saw its records: batch by batch in this order, ``accumulate`` of them a step.
    ``batches`` hold record numbers; ``lengths`` are the records' tokens [R]."""

    records: Subject
    batches: tuple[tuple[int, ...], ...]
    lengths: tuple[int, ...]
    accumulate: int = 1
    epochs: int = 1


def judge(
    order: Order, values: Floats, *, shuffles: int = SHUFFLES, seed: int = 0, alpha: float = ALPHA
) -> Finding:
    """The finding. ``values`` [R]: how likely the suspect finds each record, a token, less what a reference
    says if there is one. Raises InputError for numbers that are none, or not one for each record."""
    _check(order, values)
    apart = apart_from_length(values, order.lengths)
    means = np.array([apart[list(batch)].mean() for batch in order.batches])
    steps = np.arange(len(order.batches)) // order.accumulate
    found = rank_correlation(steps.astype(float), means, shuffles=shuffles, seed=seed)
    return Finding(
        test="training-order",
        question=f"the suspect descends from the run that learnt {order.records.name}",
        null=_NULL,
        statistic={"correlation": found.statistic, "epochs": float(order.epochs)},
        log10_p=found.log10_p,
        size=len(order.batches),
        unit="batches",
        needed=needed_for_correlation(CORRELATION, alpha),
        effect=f"a rank correlation of {CORRELATION:g} of when batches were seen with how likely they are",
        assumptions=_ASSUMPTIONS,
        limits=_LIMITS,
        facts={
            "order": of_value([list(batch) for batch in order.batches]),
            "accumulate": order.accumulate,
            "values": of_value([float(value) for value in values]),
            "correlation": found.statistic,
            "log10_p": found.log10_p,
            "shuffles": found.shuffles,
            "seed": seed,
        },
        about=order.records.to_json(),
    )


def of(
    order: Order,
    suspect: Shown,
    reference: Shown | None = None,
    *,
    shuffles: int = SHUFFLES,
    seed: int = 0,
    on_progress: Progress = quietly,
) -> Finding:
    """``judge`` of a suspect whose weights are at hand: ``suspect`` shows it the run's records, in their
    order on disk; ``reference`` shows them to a model that has not seen them, the run's base, say."""
    return judge(order, gains(suspect, reference, on_progress=on_progress), shuffles=shuffles, seed=seed)


def apart_from_length(values: Floats, lengths: Sequence[int]) -> Floats:
    """The values less the mean of those of like length. Batches are of like length and texts of other lengths
    are of other likelihood: what is taken off depends on no order, so that the test stays exact."""
    place = np.lexsort((np.arange(len(values)), np.asarray(lengths)))
    sums = np.concatenate([[0.0], np.cumsum(values[place])])
    here = np.arange(len(values))
    first, end = np.maximum(0, here - NEIGHBOURS), np.minimum(len(values), here + NEIGHBOURS + 1)
    found = np.empty(len(values))
    found[place] = values[place] - (sums[end] - sums[first]) / (end - first)
    return found


def _check(order: Order, values: Floats) -> None:
    seen = sorted(number for batch in order.batches for number in batch)
    if seen != list(range(len(order.lengths))) or len(values) != len(seen):
        raise InputError(
            expected=f"a number for each of the {len(seen):,} records of {order.records.name}",
            found=f"{len(values):,}",
            fix="show the suspect all records of the run, in their order",
        )
    checked([values] if len(values) else [], "the suspect")
