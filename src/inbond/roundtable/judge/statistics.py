"""How far judges agree over many items, and what of it is more than chance. Pure numpy, seeded.

An item is one question on which each judge gave one of a few categories, or none (missing). Sources:
percent agreement and AC1, Gwet, "Computing inter-rater reliability and its variance in the presence of high
agreement" (2008), for several raters with missing votes as in his Handbook (4th ed., 2014, chapter 5);
alpha, Krippendorff, "Computing Krippendorff's Alpha-Reliability" (2011), nominal; intervals, percentile
bootstrap over units (items, or the pairs that several items belong to), widened for few of them, see
``evaluate.intervals``, but for a share of 0 or 1, where all draws are alike: there the exact one of Clopper
and Pearson (1934); effective votes, Kish, "Survey Sampling" (1965), section 5.4: n / (1 + (n - 1) rho).

What one item, or items without variation, cannot tell is no number but a reason. Legend: U units, C
categories, J judges.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Hashable, Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import Any, Final, final

import numpy as np
import numpy.typing as npt

from inbond.evaluate.intervals import LEAST_RECORDS, LEVEL, Estimate

Floats = npt.NDArray[np.float64]
Item = Mapping[str, str]
"""Category by judge; a judge that is not in it did not vote."""
DRAWS: Final = 2_000
LEAST_ITEMS: Final = 30
"""Items below which a correlation is mostly luck: at 30 its 95% interval is still some .7 wide."""
_SAME: Final = 1e-12
_MOST_LOST: Final = 0.05
"""Share of draws that may come to nothing (no variation in them) before no interval is given."""


@final
@dataclass(frozen=True)
class Figure:
    """A number with its 95% interval. ``value`` is None where it cannot be told, ``low`` and ``high`` where
    no interval can; ``why`` then says so. ``items`` are those with at least two votes."""

    value: float | None
    low: float | None
    high: float | None
    items: int
    why: str = ""

    def to_json(self) -> dict[str, Any]:
        return {
            "value": self.value, "low": self.low, "high": self.high, "items": self.items, "why": self.why,
        }  # fmt: skip

    def words(self) -> str:
        """In words, for people."""
        if self.value is None:
            return f"cannot be told: {self.why}"
        if self.low is None or self.high is None:
            return f"{self.value:.2f} (no interval: {self.why})"
        return f"{self.value:.2f} (95% interval {self.low:.2f} to {self.high:.2f})"


@final
@dataclass(frozen=True)
class Agreement:
    """The three figures of agreement, side by side: with one category far more frequent than the others alpha
    is low at any agreement, and AC1 is not."""

    percent: Figure
    alpha: Figure
    ac1: Figure

    def to_json(self) -> dict[str, Any]:
        return {"percent": self.percent.to_json(), "alpha": self.alpha.to_json(), "ac1": self.ac1.to_json()}


def agreement(
    items: Sequence[Item],
    categories: Sequence[str],
    *,
    units: Sequence[Hashable] | None = None,
    seed: int = 0,
) -> Agreement:
    """Percent agreement, alpha and AC1. ``categories`` are all that could be chosen, two at least, chosen or
    not; ``units`` name what each item belongs to, None: each is a unit of its own."""
    assert len(set(categories)) == len(categories) >= 2, "categories that differ, two at least"
    counts_UC = np.array([[_count(item, each) for each in categories] for item in items], dtype=np.float64)
    counts_UC = counts_UC.reshape(len(items), len(categories))
    pairable = int((counts_UC.sum(axis=1) >= 2).sum())
    names = list(range(len(items))) if units is None else list(units)
    assert len(names) == len(items), "a unit for each item"
    draws_DU, place_U = _draws(names, seed)

    told_U = _by_unit((counts_UC.sum(axis=1) >= 2).astype(np.float64)[:, None], place_U)
    units_told = int(np.count_nonzero(told_U))

    def figure(terms: Floats, from_sums: Callable[[Floats], Floats]) -> Figure:
        return _figure(_by_unit(terms, place_U), from_sums, draws_DU, pairable)

    return Agreement(
        _at_an_end(figure(_percent_terms(counts_UC), _percent), units_told),
        figure(_alpha_terms(counts_UC), _alpha),
        figure(_ac1_terms(counts_UC), _ac1),
    )


def effective_votes(judges: int, rho: float) -> float:
    """How many independent votes so many are worth whose mean correlation is ``rho``: from 1 (rho 1) to
    ``judges`` (0, or below: taken for 0, as nothing is gained by claiming more votes than there are)."""
    assert judges >= 1, "somebody votes"
    return judges / (1 + (judges - 1) * min(1.0, max(0.0, rho)))


def mean_correlation(items: Sequence[Mapping[str, float]], judges: Sequence[str]) -> float | None:
    """Mean Pearson correlation over all pairs of judges, of numbers they gave on items that both voted on;
    None when no pair of them has ``LEAST_ITEMS`` such items and variation.

    Of errors (1 wrong, 0 right) where the truth is known, it says how far judges fail together. Of votes it
    holds the truth that they share as well, so that effective votes out of it are rather too few than too
    many.
    """
    found = [_correlation(items, one, two) for one, two in combinations(judges, 2)]
    there = [value for value in found if value is not None]
    return math.fsum(there) / len(there) if there else None


def _correlation(items: Sequence[Mapping[str, float]], one: str, two: str) -> float | None:
    both = np.array([(item[one], item[two]) for item in items if one in item and two in item])
    if len(both) < LEAST_ITEMS or not both.std(axis=0).all():
        return None
    return float(np.corrcoef(both.T)[0, 1])


def _count(item: Item, category: str) -> int:
    return sum(value == category for value in item.values())


# Sums over units, from which each figure follows -------------------------------------------------------


def _percent_terms(counts_UC: Floats) -> Floats:
    """(share of agreeing pairs of votes, 1) for items with two votes; of others, nothing."""
    votes_U = counts_UC.sum(axis=1)
    there_U = votes_U >= 2
    pairs_U = np.where(there_U, votes_U * (votes_U - 1), 1.0)
    agreeing_U = (counts_UC * (counts_UC - 1)).sum(axis=1) / pairs_U
    return np.stack([np.where(there_U, agreeing_U, 0.0), there_U.astype(np.float64)], axis=1)


def _percent(sums_D: Floats) -> Floats:
    return _share(sums_D[:, 0], sums_D[:, 1])


def _ac1_terms(counts_UC: Floats) -> Floats:
    """The terms of percent agreement, and of every item with a vote: its shares by category, and 1."""
    votes_U1 = counts_UC.sum(axis=1, keepdims=True)
    shares_UC = np.where(votes_U1 > 0, counts_UC / np.maximum(votes_U1, 1.0), 0.0)
    return np.concatenate([_percent_terms(counts_UC), shares_UC, (votes_U1 > 0).astype(np.float64)], axis=1)


def _ac1(sums_D: Floats) -> Floats:
    observed_D = _percent(sums_D[:, :2])
    shares_DC = _share(sums_D[:, 2:-1], sums_D[:, -1:])
    by_chance_D = (shares_DC * (1 - shares_DC)).sum(axis=1) / (shares_DC.shape[1] - 1)
    return _share(observed_D - by_chance_D, 1 - by_chance_D)


def _alpha_terms(counts_UC: Floats) -> Floats:
    """Disagreeing coincidences, and pairable votes by category: of items with two votes."""
    votes_U = counts_UC.sum(axis=1)
    there_U = votes_U >= 2
    others_U = np.where(there_U, votes_U - 1, 1.0)
    apart_U = (votes_U**2 - (counts_UC**2).sum(axis=1)) / others_U
    parts = np.concatenate([apart_U[:, None], counts_UC], axis=1)
    return np.where(there_U[:, None], parts, 0.0)


def _alpha(sums_D: Floats) -> Floats:
    apart_D, votes_DC = sums_D[:, 0], sums_D[:, 1:]
    votes_D = votes_DC.sum(axis=1)
    expected_D = votes_D**2 - (votes_DC**2).sum(axis=1)
    return 1 - _share((votes_D - 1) * apart_D, expected_D)


def _share(over: Floats, under: Floats) -> Floats:
    """Division that gives NaN for nothing over nothing."""
    nothing = np.full(np.broadcast(over, under).shape, np.nan)
    shares: Floats = np.divide(over, under, out=nothing, where=under > 0)
    return shares


# Values and intervals ----------------------------------------------------------------------------------


def _draws(names: Sequence[Hashable], seed: int) -> tuple[Floats, npt.NDArray[np.int64]]:
    """How often each unit is drawn, a row for each draw; and the unit's place for each item."""
    places: dict[Hashable, int] = {}
    place_U = np.array([places.setdefault(name, len(places)) for name in names], dtype=np.int64)
    if not places:
        return np.zeros((0, 0)), place_U
    generator, size = np.random.default_rng(seed), len(places)
    return generator.multinomial(size, [1 / size] * size, size=DRAWS).astype(np.float64), place_U


def _by_unit(terms: Floats, place_U: npt.NDArray[np.int64]) -> Floats:
    sums = np.zeros((int(place_U.max()) + 1 if len(place_U) else 0, terms.shape[1]))
    np.add.at(sums, place_U, terms)
    return sums


def _figure(terms: Floats, from_sums: Callable[[Floats], Floats], draws_DU: Floats, pairable: int) -> Figure:
    if pairable < 2:
        why = f"{'one item' if pairable else 'no item'} with two votes; it takes many to tell"
        return Figure(None, None, None, pairable, why)
    value = float(from_sums(terms.sum(axis=0, keepdims=True))[0])
    if math.isnan(value):
        return Figure(None, None, None, pairable, "all votes are the same, so there is no variation")
    units = len(terms)
    if units < LEAST_RECORDS:
        return Figure(value, None, None, pairable, f"fewer than {LEAST_RECORDS} units")
    drawn_D = from_sums(draws_DU @ terms)
    kept_D = drawn_D[~np.isnan(drawn_D)]
    if len(kept_D) < (1 - _MOST_LOST) * len(drawn_D):
        return Figure(value, None, None, pairable, "too little variation to draw from")
    low, high = Estimate(value, units, np.sort(kept_D)).interval()
    if high - low < _SAME:
        return Figure(value, None, None, pairable, "it comes out the same whichever items are drawn")
    return Figure(value, low, high, pairable)


def _at_an_end(share: Figure, units: int) -> Figure:
    """The same share; where it is 0 or 1 over enough units, with the exact interval of as many trials of one
    outcome: (2.5%)^(1/n) is how frequent that outcome must at least be."""
    if share.value is None or not (share.value < _SAME or share.value > 1 - _SAME) or units < LEAST_RECORDS:
        return share
    off = 1 - float(((1 - LEVEL) / 2) ** (1 / units))
    low, high = (0.0, off) if share.value < 0.5 else (1 - off, 1.0)
    return Figure(share.value, low, high, share.items)
