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

from inbond.digest import Digest, of_value
from inbond.guard.detect.capital import DAY_S, PARTS, of_cards, of_sums
from inbond.guard.detect.clusters import Group
from inbond.guard.detect.e_values import NOTHING, one_family, share_of, threshold, two_families, two_means
from inbond.guard.detect.families import ELICITATION, FAMILIES, PAYMENT, REPLAY, TEMPLATE, logarithm

FDR: Final = Decimal("0.01")
"""Half of it for accounts by themselves, half for groups; at each tier."""
RATE: Final = FDR / 2
CARRIES: Final = logarithm(Decimal(100))
"""The logarithm of the e-value at which a member carries the tier of its group."""
OUTCOMES: Final = ("none", "watched", "restricted", "suspension-proposed")
OWN: Final = "account"
"""The source of what an account shows itself; any other is a group's id."""
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


@final
@dataclass(frozen=True)
class Sums:
    """What the bets of a family have won. ``trials`` and ``hits`` (256ths) since they began, 32 to 64 days
    back at most; ``sums`` by clock, span and bet, none where no bet was made."""

    trials: int = 0
    hits: int = 0
    sums: tuple[int, ...] = ()


@final
@dataclass(frozen=True)
class Own:
    """An account's own evidence, by family."""

    sums: Sequence[Sums]
    logs: Sequence[int]
    looks: tuple[Look, Look]


@final
@dataclass(frozen=True)
class Shown:
    """A group's evidence, by family; ``means``: whether it is at tier 2 by two families of means."""

    group: Group
    sums: Sequence[Sums]
    logs: Sequence[int]
    looks: tuple[Look, Look]
    tier: int
    means: bool


def needed(tier: int, looks: tuple[Look, Look]) -> int:
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
        return _reached(group, told["group_looks"])[0], facts_of(verdict)
    return _of_account(own, list(sources.values()), told), facts_of(verdict)


def _of_account(
    own: list[Mapping[str, Any]], groups: list[list[Mapping[str, Any]]], told: Mapping[str, Any]
) -> int:
    tier, by_means = _reached(own, told["looks"])
    logs = _logs(own)
    carries, sends = max(logs[ELICITATION], logs[REPLAY]) >= CARRIES, logs[TEMPLATE] >= CARRIES
    for group in groups:
        lent, means = _reached(group, told["group_looks"])
        tier = max(tier, lent if carries else min(lent, int(sends)))
        by_means |= carries and means
    began = told["means_since"]
    return 3 if by_means and began and told["window"] - began >= DAY_S else tier


def _reached(reasons: list[Mapping[str, Any]], looks: Sequence[Sequence[int]]) -> tuple[int, bool]:
    """The tier of a thing by itself, and whether by families of means."""
    each = np.array(_logs(reasons), dtype=np.int64)[:, None]
    first, second = (Look(*look).bar for look in looks)
    restricted = int(two_families(each)[0]) >= second
    tier = 2 if restricted else int(int(one_family(each)[0]) >= first)
    return tier, restricted and int(two_means(each)[0]) >= second


def _logs(reasons: list[Mapping[str, Any]]) -> list[int]:
    """By family, from the sums."""
    found = [NOTHING if at == PAYMENT else 0 for at in range(len(FAMILIES))]
    for reason in reasons:
        at = _ROW[reason["feature"]]
        if at == PAYMENT:
            found[at] = int(of_cards(np.array([reason["trials"]]), np.array([reason["hits_256"] // 256]))[0])
        elif reason["sums"]:
            if len(reason["sums"]) != PARTS:
                raise ValueError("a verdict of another version")
            found[at] = int(of_sums(np.array([reason["sums"]]))[0])
    return found
