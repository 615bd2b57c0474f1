"""What a panel's answers to questions with known answers come to: right, dear, harmed. Pure.

Four ways to an answer are compared on the same items:

best single        one seat's first vote: of the seat that did best on the other half of the items, since who
                   is chosen by the very items that it is measured on looks better than it is
self-consistency   the vote of so many blind draws of that one seat as cost what the panel cost, both rounds
first vote         the panel's blind votes, counted as a session of one round counts them
second vote        the session's outcome

A tie, a missing quorum and a failed seat are no answer; that is not right.
"""

from __future__ import annotations

import math
import statistics
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Final

from roundtable_trials import Repeat, Spent, Trial, Vote, total

from inbond.roundtable.judge.statistics import effective_votes, mean_correlation

MOST_DRAWS: Final = 25
"""Odd, and no more than may sit at one table."""
LEAST_DRAWS: Final = 3
NAMES: Final = ("best single", "self-consistency", "first vote", "second vote")
_Z: Final = 1.959964
"""Of a 95% interval."""


# The best single, and its draws ----------------------------------------------------------------------


def best_of_other_half(trials: Sequence[Trial]) -> tuple[str, ...]:
    """For each item the seat that was right most often in the half that the item is not in; the items must be
    in an order that says nothing. Among equals the first by name."""
    halves = [trials[0::2], trials[1::2]]
    best = [best_seat(half) if half else best_seat(trials) for half in reversed(halves)]
    return tuple(best[place % 2] for place in range(len(trials)))


def best_seat(trials: Sequence[Trial]) -> str:
    """The seat that was right most often, in hindsight."""
    right = Counter({seat: 0 for seat in trials[0].first})
    for trial in trials:
        right.update(seat for seat, vote in trial.first.items() if vote == trial.truth)
    return min(right, key=lambda seat: (-right[seat], seat))


def draws_for(trials: Sequence[Trial], seat: str) -> int:
    """How many first votes of one seat cost as many tokens as the whole panel, on average; the nearest odd
    number, as of two options an even number of draws would tie."""
    panel = sum(total(spent.values()).tokens for trial in trials for spent in trial.spent)
    single = sum(trial.spent[0][seat].tokens for trial in trials)
    return min(MOST_DRAWS, max(LEAST_DRAWS, 2 * round((panel / max(1, single) - 1) / 2) + 1))


# The four ways ---------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Way:
    """One way to answers: what it chose on each item, whether that is right, and what all of it cost."""

    name: str
    right: tuple[bool, ...]
    decided: tuple[bool, ...]
    spent: Spent

    def to_json(self) -> dict[str, Any]:
        items = len(self.right)
        low, high = share_interval(sum(self.right), items)
        return {
            "accuracy": sum(self.right) / items,
            "low": low,
            "high": high,
            "decided": sum(self.decided) / items,
            "tokens_an_item": self.spent.tokens / items,
            "completion_tokens_an_item": self.spent.completion / items,
            "usd_an_item": self.spent.usd / items or None,  # no price is known, rather than none to pay
        }


def ways(trials: Sequence[Trial], best: Sequence[str], repeats: Sequence[Repeat]) -> tuple[Way, ...]:
    """The ways, on the same items in the same order; without repeats that one is left out."""
    truths = [trial.truth for trial in trials]
    singles = list(zip(trials, best, strict=True))
    found = [
        _way("best single", truths, [t.first[s] for t, s in singles], (t.spent[0][s] for t, s in singles)),
        _way(
            "first vote",
            truths,
            [t.first_choice for t in trials],
            (total(t.spent[0].values()) for t in trials),
        ),
        _way(
            "second vote",
            truths,
            [t.last_choice for t in trials],
            (total(spent.values()) for t in trials for spent in t.spent),
        ),
    ]
    if repeats:
        assert [each.item for each in repeats] == [each.item for each in trials], "the same items"
        found.insert(
            1, _way("self-consistency", truths, [r.choice for r in repeats], (r.spent for r in repeats))
        )
    return tuple(found)


def _way(name: str, truths: Sequence[str], choices: Sequence[Vote], spent: Iterable[Spent]) -> Way:
    right = tuple(choice == truth for choice, truth in zip(choices, truths, strict=True))
    return Way(name, right, tuple(choice is not None for choice in choices), total(spent))


def share_interval(count: int, items: int) -> tuple[float, float]:
    """95% interval of a share, by Wilson ("Probable inference", 1927)."""
    if not items:
        return 0.0, 1.0
    share, z2 = count / items, _Z**2
    middle = (share + z2 / (2 * items)) / (1 + z2 / items)
    half = _Z * math.sqrt(share * (1 - share) / items + z2 / (4 * items**2)) / (1 + z2 / items)
    # Rounding must not put the share itself outside.
    return max(0.0, min(share, middle - half)), min(1.0, max(share, middle + half))


@dataclass(frozen=True)
class Against:
    """How much more often one way is right than another on the same items, with a 95% interval."""

    one: str
    other: str
    difference: float
    low: float
    high: float

    @property
    def verdict(self) -> str:
        """Of ``one``: won, lost, or neither can be said."""
        return "won" if self.low > 0 else "lost" if self.high < 0 else "cannot be told apart"

    def to_json(self) -> dict[str, Any]:
        named = {"difference": self.difference, "low": self.low, "high": self.high}
        return {"one": self.one, "other": self.other, "verdict": self.verdict, **named}

    def words(self) -> str:
        """For people."""
        points, low, high = (f"{100 * each:+.1f}" for each in (self.difference, self.low, self.high))
        said = f"{points} points, 95% interval {low} to {high}"
        return f"{self.one} against {self.other}: {self.verdict} ({said})"


def against(one: Way, other: Way) -> Against:
    """The paired difference; its interval is Agresti and Min's ("Simple improved confidence intervals for
    comparing matched proportions", 2005), which stays honest for few items and few that differ."""
    pairs = Counter(zip(one.right, other.right, strict=True))
    items = len(one.right)
    mine, theirs, all_ = pairs[True, False] + 0.5, pairs[False, True] + 0.5, items + 2
    middle = (mine - theirs) / all_
    half = _Z * math.sqrt(mine + theirs - (mine - theirs) ** 2 / all_) / all_
    difference = (pairs[True, False] - pairs[False, True]) / items
    return Against(one.name, other.name, difference, middle - half, middle + half)


def contests(found: Sequence[Way]) -> tuple[Against, ...]:
    """What people ask: did the panel beat one model, the same tokens spent on it, and did talking help?"""
    by_name = {way.name: way for way in found}
    asked = (
        ("first vote", "best single"),
        ("first vote", "self-consistency"),
        ("second vote", "best single"),
        ("second vote", "self-consistency"),
        ("second vote", "first vote"),
    )
    return tuple(against(by_name[a], by_name[b]) for a, b in asked if a in by_name and b in by_name)


# Harm, and how many votes the votes are worth --------------------------------------------------------


@dataclass(frozen=True)
class Shift:
    """How right answers fared between the rounds: of so many right, how many went wrong; of so many not
    right, how many came right."""

    right: int
    harmed: int
    wrong: int
    mended: int

    def to_json(self) -> dict[str, Any]:
        rates = {"harm_rate": _share(self.harmed, self.right), "help_rate": _share(self.mended, self.wrong)}
        return {**vars(self), **rates}


def seats_shift(trials: Sequence[Trial]) -> Shift:
    """Over all votes of seats that voted in the first round of two. A seat that gave no second vote was
    neither harmed nor mended."""
    pairs = [
        (trial.first[seat] == trial.truth, trial.last[seat] == trial.truth)
        for trial in trials
        if trial.rounds == 2
        for seat in trial.first
        if trial.first[seat] is not None and trial.last[seat] is not None
    ]
    return _shift(pairs)


def outcomes_shift(trials: Sequence[Trial]) -> Shift:
    """Over outcomes: one that is no answer any more counts as harmed where it was right."""
    return _shift([(t.first_choice == t.truth, t.last_choice == t.truth) for t in trials])


def _shift(pairs: Sequence[tuple[bool, bool]]) -> Shift:
    found = Counter(pairs)
    right = found[True, True] + found[True, False]
    return Shift(right, found[True, False], len(pairs) - right, found[False, True])


def worth(trials: Sequence[Trial], *, last: bool) -> dict[str, Any]:
    """Mean correlation of the seats' errors in the first votes, or in the last ones, and how many independent
    votes the panel's are worth by it; None where there is no variation to tell it from."""
    seats = list(trials[0].first)
    errors = [
        {seat: float(vote != trial.truth) for seat, vote in votes.items() if vote is not None}
        for trial in trials
        for votes in [trial.last if last else trial.first]
    ]
    rho = mean_correlation(errors, seats)
    return {"correlation": rho, "votes": None if rho is None else effective_votes(len(seats), rho)}


def figures(trials: Sequence[Trial], best: Sequence[str], repeats: Sequence[Repeat]) -> dict[str, Any]:
    """All of it, as JSON."""
    found = ways(trials, best, repeats)
    changed, bandwagon = sum(t.changed for t in trials), sum(t.bandwagon for t in trials)
    hindsight = best_seat(trials)
    return {
        "items": len(trials),
        "seats": len(trials[0].first),
        "two_rounds": statistics.fmean(trial.rounds == 2 for trial in trials),
        "ways": {way.name: way.to_json() for way in found},
        "contests": [each.to_json() for each in contests(found)],
        "best_in_hindsight": {"seat": hindsight, "accuracy": accuracy_of(trials, hindsight)},
        "harm_seats": seats_shift(trials).to_json(),
        "harm_outcomes": outcomes_shift(trials).to_json(),
        "effective_votes": {"first": worth(trials, last=False), "last": worth(trials, last=True)},
        "changed": changed,
        "bandwagon": bandwagon,
        "bandwagon_share": _share(bandwagon, changed),
        "cited": sum(trial.cited for trial in trials),
    }


def accuracy_of(trials: Sequence[Trial], seat: str) -> float:
    """How often a seat's first vote was right."""
    return statistics.fmean(trial.first[seat] == trial.truth for trial in trials)


def _share(count: int, of: int) -> float | None:
    return count / of if of else None
