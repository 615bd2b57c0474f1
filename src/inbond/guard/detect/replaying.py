"""What a verdict rests on, as whole numbers, and the tier that follows: anybody can compute it again.

``recomputed`` needs nothing but a verdict's JSON, as the ledger holds it: from sums of logarithms to
e-values, from these and the thresholds to the tier, and from all of it the digest of the facts.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any, Final, final

import numpy as np
import numpy.typing as npt

from inbond.digest import Digest, of_value
from inbond.guard.detect.capital import DAY_S, PARTS, of_cards, of_sums
from inbond.guard.detect.clusters import Group
from inbond.guard.detect.e_values import (
    NOTHING,
    Numbers,
    one_family,
    share_of,
    threshold,
    two_families,
    two_means,
)
from inbond.guard.detect.families import ELICITATION, FAMILIES, PAYMENT, REPLAY, TEMPLATE, logarithm

FDR: Final = Decimal("0.01")
"""Half of it for accounts by themselves, half for groups; at each tier."""
RATE: Final = FDR / 2
CARRIES: Final = logarithm(Decimal(100))
"""The logarithm of the e-value from which a member of a group shows a family's evidence itself."""
OUTCOMES: Final = ("none", "watched", "restricted", "suspension-proposed")
OWN: Final = "account"
"""The source of what an account shows itself; any other is a group's id."""
Flags = npt.NDArray[np.bool_]
_ROW: Final = {family.name: at for at, family in enumerate(FAMILIES)}


@final
@dataclass(frozen=True)
class Look:
    """How e-BH came to a threshold: among how many hypotheses, and the power of two of those found."""

    things: int
    found: int

    @property
    def bar(self) -> int:
        return threshold(self.things, RATE, self.found)


Looks = tuple[Look, Look, Look]
"""How the first three tiers were found, each by a selection of its own."""


@final
@dataclass(frozen=True)
class Sums:
    """What the bets of a family have won: ``counts``, by clock and span, are trials and the hits among them
    in 256ths (of means of payment one pair); ``sums`` by clock, span and bet. Both empty where no bet was
    made."""

    counts: tuple[tuple[int, int], ...] = ()
    sums: tuple[int, ...] = ()


@final
@dataclass(frozen=True)
class Own:
    """An account's own evidence, by family; ``shares``: whether it pays by a means that unlinked parties
    share."""

    sums: Sequence[Sums]
    logs: Sequence[int]
    looks: Looks
    shares: bool

    @property
    def shows(self) -> Sequence[bool]:
        """By family: whether the account shows it itself."""
        found = showing(np.array([self.logs], dtype=np.int64).T, np.array([self.shares]))
        return [bool(each) for each in found[:, 0]]


@final
@dataclass(frozen=True)
class Shown:
    """A group's evidence, by family; ``hitting``: how many members ever hit; ``means``: whether it is at tier
    2 by two families of means."""

    group: Group
    sums: Sequence[Sums]
    logs: Sequence[int]
    hitting: Sequence[int]
    looks: Looks
    tier: int
    means: bool


def reached(logs: Numbers, looks: Looks) -> tuple[Numbers, Flags]:
    """(families, things) -> things: the tier that each reaches, and whether two families of means lead to
    tier 2."""
    first, second, third = (look.bar for look in looks)
    restricted = two_families(logs) >= second
    tiers: Numbers = np.where(restricted, 2, np.where(one_family(logs) >= first, 1, 0)).astype(np.int64)
    return tiers, restricted & (two_means(logs) >= third)


def showing(own: Numbers, shares: Flags) -> Flags:
    """(families, members), (members) -> (families, members): what each shows itself. One that keeps a bound
    comes to break it with a probability of 1% at most, at any one look."""
    found: Flags = own >= CARRIES
    found[PAYMENT] = shares
    return found


def lent(group: Numbers, own: Numbers, shares: Flags, looks: Looks) -> tuple[Numbers, Flags]:
    """(families), (families, members), (members): the tier that a group lends each member, and whether by
    means. Of a group's evidence a member has only what it shows itself: what strangers do who signed up the
    same day is none of its. Nobody is lent more than a watch who neither elicits nor replays."""
    shows = showing(own, shares)
    tiers, means = reached(np.where(shows, group[:, None], NOTHING), looks)
    carries = shows[ELICITATION] | shows[REPLAY]
    found: Numbers = np.where(carries, tiers, np.minimum(tiers, shows[TEMPLATE]))
    return found, means & carries


def needed(tier: int, looks: Looks) -> int:
    """What the logarithm of a family's e-value has to reach to count for a tier, or for the first one."""
    if tier >= 2:
        return looks[1].bar - share_of(len(FAMILIES) - 1)
    return looks[0].bar - share_of(len(FAMILIES))


def facts_of(verdict: Mapping[str, Any]) -> Digest:
    """The digest of what a verdict's JSON rests on."""
    return of_value({"outcome": verdict["outcome"], "reasons": verdict["reasons"]})


def recomputed(verdict: Mapping[str, Any]) -> tuple[int, Digest]:
    """The tier and the digest of facts that follow from the numbers in an account's or a group's verdict.
    Raises KeyError or ValueError for what is none of this version."""
    sources: dict[str, list[Mapping[str, Any]]] = {}
    told: Mapping[str, Any] = {}
    for reason in verdict["reasons"]:
        if reason["rule"] == "tier":
            told = reason
        elif reason.get("feature") in _ROW:
            sources.setdefault(reason["source"], []).append(reason)
    own = sources.pop(OWN, [])
    if not own:
        ((_, group),) = sources.items()
        return int(reached(_logs(group), _looks(told["group_looks"]))[0][0]), facts_of(verdict)
    return _of_account(own, list(sources.values()), told), facts_of(verdict)


def _of_account(
    own: list[Mapping[str, Any]], groups: list[list[Mapping[str, Any]]], told: Mapping[str, Any]
) -> int:
    logs, shares = _logs(own), np.array([told["shares"]])
    found = [reached(logs, _looks(told["looks"]))]
    found += [lent(_logs(group)[:, 0], logs, shares, _looks(told["group_looks"])) for group in groups]
    began = told["means_since"]
    by_means = any(bool(means[0]) for _, means in found)
    if by_means and began and told["window"] - began >= DAY_S:
        return 3
    return max(int(tiers[0]) for tiers, _ in found)


def _looks(told: Sequence[Sequence[int]]) -> Looks:
    first, second, third = (Look(*each) for each in told)
    return first, second, third


def _logs(reasons: list[Mapping[str, Any]]) -> Numbers:
    """(families, 1), from the sums."""
    found = [NOTHING if at == PAYMENT else 0 for at in range(len(FAMILIES))]
    for reason in reasons:
        at = _ROW[reason["feature"]]
        if at == PAYMENT:
            found[at] = int(of_cards(np.array([reason["trials"]]), np.array([reason["hits_256"] // 256]))[0])
        elif reason["sums"]:
            if len(reason["sums"]) != PARTS:
                raise ValueError("a verdict of another version")
            found[at] = int(of_sums(np.array([reason["sums"]]))[0])
    return np.array([found], dtype=np.int64).T
