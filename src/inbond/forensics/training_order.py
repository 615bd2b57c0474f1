"""Does a suspect come from one of our own runs? What a run learnt when it learnt much, and forgot little of
since, its descendants know best (Kuditipudi et al., arXiv:2510.19796).

Which null is exact: a run draws, for each epoch, an order of its records, sorts them by length within
windows, cuts batches and then shuffles **the batches** (``losses.batches.epoch_batches``). So what else is in
a record's batch depends on its length, but in which order the batches come depends on nothing: given which
records are in which batch, every order of an epoch's batches was equally likely, for each epoch by itself.
Whole batches are permuted, therefore, never records.

What is looked at: what a step leaves is taken to be its learning rate, worn away by all learning after it.
How fast it wears is not known (pure recency, the paper's, is the fast end; with a rate that falls to a tenth
the slow end points the other way), so a few speeds are tried, and the best one is held against the best one
of each shuffle: that is exact too.

Legend: R records, B batches of an epoch, C speeds.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Final, final

import numpy as np
import numpy.typing as npt

from inbond.digest import of_value
from inbond.errors import InputError
from inbond.forensics.bounds import log10_orders
from inbond.forensics.finding import ALPHA, Finding
from inbond.forensics.power import needed_for_correlation
from inbond.forensics.ranks import SHUFFLES, centred, correlation, log10_p_of, rows_for
from inbond.forensics.shown import Progress, Shown, Subject, checked, gains, quietly

Floats = npt.NDArray[np.float64]

CORRELATION: Final = 0.3
"""What the test must be able to see before it may say "no evidence"."""
NEIGHBOURS: Final = 50
"""Records of like length, to each side, whose mean is taken off a record's number."""
SPEEDS: Final = (0.0, 2.0, 8.0, 32.0)
"""How fast a trace wears away: by e for each such part of all the run's learning. 0: never."""

_NULL: Final = (
    "the suspect was made without anything of this run; then each order of the run's batches is as likely as "
    "the one that its seed gave"
)
_ASSUMPTIONS = (
    "the run's seed was chosen without regard to the records, and nothing else was ordered by it",
    "the order is the run's: rebuilt from its records, its recipe's numbers and its seed",
)
_LIMITS = (
    "much training after the run wears the trace away: no evidence is not absence",
    "another run of the same recipe with the same seed and records has the same order, and leaves the same "
    "trace",
    "small runs have few batches: most cannot tell",
)


@final
@dataclass(frozen=True)
class Order:
    """How a run saw its records: for each epoch its batches of record numbers, in order, ``accumulate`` of
    them a step. ``lengths`` are the records' tokens [R], ``rates`` the learning rate of each step."""

    records: Subject
    epochs: tuple[tuple[tuple[int, ...], ...], ...]
    lengths: tuple[int, ...]
    rates: tuple[float, ...]
    accumulate: int = 1

    def traces(self, speed: float) -> list[Floats]:
        """For each batch of each epoch what is taken to be left of it, centred [B]."""
        rates = np.array(self.rates) / sum(self.rates)
        after = rates.sum() - rates.cumsum()
        left, first, found = rates * np.exp(-speed * after), 0, list[Floats]()
        for batches in self.epochs:
            steps = first + np.arange(len(batches)) // self.accumulate
            first = int(steps[-1]) + 1
            found.append(left[steps] - left[steps].mean())
        return found

    @property
    def last_seen(self) -> Floats:
        """The place of each record's batch in the last epoch [R]."""
        found = np.zeros(len(self.lengths))
        for place, batch in enumerate(self.epochs[-1]):
            found[list(batch)] = place // self.accumulate
        return found


@dataclass(frozen=True)
class _Trace:
    """The statistic: for each speed the sum, over epochs and batches, of what is left times how much the
    suspect favours the batch's records; in standard deviations over all orders."""

    order: Order
    ranks: Floats

    @cached_property
    def favoured(self) -> list[Floats]:
        """For each epoch the sum of each batch's ranks, centred [B]."""
        sums = [np.array([self.ranks[list(one)].sum() for one in each]) for each in self.order.epochs]
        return [each - each.mean() for each in sums]

    @cached_property
    def left(self) -> list[Floats]:
        """For each epoch the traces by speed, in units of their sum's standard deviation [C, B]."""
        by_speed = [self.order.traces(speed) for speed in SPEEDS]
        widths = [
            math.sqrt(
                sum(
                    float(left @ left) * float(favoured @ favoured) / max(1, len(left) - 1)
                    for left, favoured in zip(each, self.favoured, strict=True)
                )
            )
            for each in by_speed
        ]
        return [
            np.array(
                [each[epoch] / (width or math.inf) for each, width in zip(by_speed, widths, strict=True)]
            )
            for epoch in range(len(self.order.epochs))
        ]

    def found(self) -> Floats:
        """[C]"""
        total: Floats = np.sum(
            [left @ own for left, own in zip(self.left, self.favoured, strict=True)], axis=0
        )
        return total

    def log10_bound(self) -> float:
        """Over all speeds together."""
        logs = [
            log10_orders([(left[speed], own) for left, own in zip(self.left, self.favoured, strict=True)])
            for speed in range(len(SPEEDS))
        ]
        return min(0.0, min(logs) + math.log10(len(SPEEDS)))

    def log10_p(self, shuffles: int, seed: int) -> tuple[float, int]:
        best = float(self.found().max()) - 1e-9

        def draw(generator: np.random.Generator, count: int) -> npt.NDArray[np.bool_]:
            total = np.zeros((count, len(SPEEDS)))
            for left, own in zip(self.left, self.favoured, strict=True):
                total += generator.permuted(np.tile(own, (count, 1)), axis=1) @ left.T
            large: npt.NDArray[np.bool_] = total.max(1) >= best
            return large

        at_once = rows_for(max(map(len, self.favoured)))
        return log10_p_of(self.log10_bound(), draw, shuffles=shuffles, seed=seed, at_once=at_once)


def judge(
    order: Order, values: Floats, *, shuffles: int = SHUFFLES, seed: int = 0, alpha: float = ALPHA
) -> Finding:
    """The finding. ``values`` [R]: how likely the suspect finds each record, a token, less what a reference
    says if there is one; only their ranks count. Raises InputError for numbers that are none, or not one for
    each record."""
    _check(order, values)
    ranks = centred(apart_from_length(values, order.lengths))
    trace = _Trace(order, ranks)
    found = trace.found()
    log10_p, done = trace.log10_p(shuffles, seed)
    best = int(found.argmax())
    return Finding(
        test="training-order",
        question=f"the suspect descends from the run that learnt {order.records.name}",
        null=_NULL,
        statistic={
            "deviations": float(found[best]),
            "speed": SPEEDS[best],
            "rank correlation with when it was last seen": correlation(order.last_seen, ranks),
        },
        log10_p=log10_p,
        size=len(order.epochs[-1]),
        unit="batches",
        needed=needed_for_correlation(CORRELATION, alpha / len(SPEEDS)),
        effect=f"a correlation of {CORRELATION:g} of what a batch should have left with how likely it is",
        assumptions=_ASSUMPTIONS,
        limits=_LIMITS,
        facts={
            "order": of_value([[list(batch) for batch in batches] for batches in order.epochs]),
            "rates": of_value(list(order.rates)),
            "accumulate": order.accumulate,
            "epochs": len(order.epochs),
            "values": of_value([float(value) for value in values]),
            "deviations": dict(zip(map(str, SPEEDS), map(float, found), strict=True)),
            "log10_p": log10_p,
            "shuffles": done,
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
    alpha: float = ALPHA,
    on_progress: Progress = quietly,
) -> Finding:
    """``judge`` of a suspect whose weights are at hand: ``suspect`` shows it the run's records, in their
    order on disk; ``reference`` shows them to a model that has not seen them, the run's base, say."""
    values = gains(suspect, reference, on_progress=on_progress)
    return judge(order, values, shuffles=shuffles, seed=seed, alpha=alpha)


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
    seen = sorted(number for batch in order.epochs[-1] for number in batch)
    assert seen == list(range(len(order.lengths))), "each record once in an epoch"
    if not seen or len(values) != len(seen):
        raise InputError(
            expected=f"a number for each record of {order.records.name}, one at least",
            found=f"{len(values):,} for {len(seen):,}",
            fix="show the suspect all records of the run, in their order",
        )
    checked([values], "the suspect")
