"""Verdicts in words: what was seen, what was not, and what would change it. Pure.

Every reason of a family holds its feature, its value (hits and trials, where it was seen those of the clock
and span that its e-value rests on most), the bound that lawful traffic keeps, the counts and sums of all
bets, the e-value, the threshold it was held against, the window and the version; a last one says how the
tier follows. ``replaying`` computes it again.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import Any, Final

import numpy as np

from inbond.guard.detect.capital import DAY_S, SPANS_S, strongest
from inbond.guard.detect.clusters import Group, Kind
from inbond.guard.detect.e_values import decimals
from inbond.guard.detect.families import FAMILIES, PAYMENT, TEMPLATE, VERSION, WHOLE
from inbond.guard.detect.memory import Account
from inbond.guard.detect.replaying import OUTCOMES, OWN, Looks, Own, Shown, Sums, facts_of, needed
from inbond.types import Reason, Verdict

GROUPS: Final[Mapping[Kind, str]] = {
    "payment": "accounts of one means of payment",
    "cohort": "accounts of one client that signed up within three days",
    "template": "accounts that send texts of one template",
    "tenant": "accounts of one tenant",
}
MOST_GROUPS: Final = 3
_NONE: Final = " The account itself shows none of it, so that it counts nothing for its tier."
_UNITS: Final = tuple(
    f"{clock} of the last {span // DAY_S} to {2 * span // DAY_S} days"
    for clock in ("windows", "days")
    for span in SPANS_S
)
_LONGEST: Final = len(SPANS_S) - 1
"""Windows of the longer span, among ``Sums.counts``."""
_BOUNDS: Final = (
    "lawful traffic keeps no bound that was broken here",
    "one bound is broken",
    "two bounds are broken, one of a means",
    "two bounds of means have been broken for a day",
)


def of_account(window: int, name: str, account: Account, tier: int, own: Own, by: Sequence[Shown]) -> Verdict:
    """An account's verdict: its own evidence, and that of the groups which raise it, the strongest first."""
    bar = needed(tier, own.looks)
    reasons = [
        _reason(window, family, "the account", OWN, own.sums[family], own.logs[family], bar)
        for family in range(len(FAMILIES))
        if family != PAYMENT
    ]
    for each in by:
        reasons += _group_reasons(window, each, own.shows)
    told: dict[str, Any] = {
        "of": name.encode("utf-8", "replace").decode(),
        "since": account.since,
        "means_since": account.means_since,
        "shares": own.shares,
        "looks": _looks(own.looks),
        "group_looks": _looks(by[0].looks) if by else [],
    }
    reasons += [_tier(window, tier, told, _itself(own.shows) if by else ""), _shown(account)]
    return _verdict(tier, reasons)


def of_group(window: int, shown: Shown) -> Verdict:
    """A group's verdict."""
    told = {"of": shown.group.id, "group_looks": _looks(shown.looks)}
    return _verdict(shown.tier, [*_group_reasons(window, shown), _tier(window, shown.tier, told, "")])


def _itself(shows: Sequence[bool]) -> str:
    names = ", ".join(known.name for known, each in zip(FAMILIES, shows, strict=True) if each)
    return (
        f" Of what its group shows, only what the account shows itself counts for it: {names}. One that keeps"
        " a bound comes to break it by chance with a probability of 1% at most, at any one look."
    )


def _group_reasons(window: int, shown: Shown, shows: Sequence[bool] | None = None) -> list[Reason]:
    """``shows``: what the account shows itself that the verdict is about, if it is about one."""
    group, bar = shown.group, needed(shown.tier, shown.looks)
    size = len(group.members)
    reasons = []
    for family in range(len(FAMILIES)):
        if group.kind == "tenant" and family in (PAYMENT, TEMPLATE):
            continue
        sums = _cards(group) if family == PAYMENT else shown.sums[family]
        subject = f"a group of {size:,} {GROUPS[group.kind]}"
        more = f"; {shown.hitting[family]:,} of the {size:,} ever did"
        none = shows is not None and not shows[family]
        reasons.append(
            _reason(
                window, family, subject, group.id, sums, shown.logs[family], bar, more, _NONE if none else ""
            )
        )
    return reasons


def _cards(group: Group) -> Sums:
    return Sums(((group.cards, group.shared * WHOLE),))


def _reason(
    window: int, family: int, subject: str, source: str, sums: Sums, log: int, bar: int,
    more: str = "", note: str = "",
) -> Reason:  # fmt: skip
    """``more`` is said with the value, ``note`` where it was seen."""
    known = FAMILIES[family]
    seen = log >= bar
    at = _carrying(sums) if seen else _LONGEST
    trials, hits = sums.counts[min(at, len(sums.counts) - 1)] if sums.counts else (0, 0)
    unit = known.unit if family == PAYMENT else _UNITS[at]
    value = f"{_shares(hits)} of {trials:,} {unit}"
    if seen:
        said = f"Seen: {subject} {known.seen} ({value}{more}). It would change with {known.change}.{note}"
    elif not trials:
        said = f"Not seen: {known.unseen} (nothing of the kind, or once)."
    elif hits > Decimal(known.bound) * trials * WHOLE:
        said = (
            f"Too little to tell: {subject} {known.seen} ({value}{more}); that is more than the"
            f" {Decimal(known.bound):.1%} of lawful callers, and may still be chance."
        )
    else:
        said = f"Not seen: {known.unseen} ({value})."
    if seen and family == TEMPLATE:
        said += " This alone restricts nobody."
    detail = {
        "feature": known.name, "value": value, "hits_256": hits, "trials": trials, "bound": known.bound,
        "counts": [list(each) for each in sums.counts], "sums": list(sums.sums), "log_e": log,
        "log_threshold": bar, "e_value": decimals(log), "threshold": decimals(bar), "seen": seen,
        "window": window, "version": VERSION,
    }  # fmt: skip
    return Reason(known.rule, said, source, detail)


def _carrying(sums: Sums) -> int:
    """Which of the counts the e-value rests on most."""
    if not sums.sums:
        return 0
    clock, span = strongest(np.array(sums.sums))
    return clock * len(SPANS_S) + span


def _shares(hits: int) -> str:
    """Hits of 256ths in trials, in whole numbers where they are, else to hundredths, rounded down."""
    whole, part = divmod(hits, WHOLE)
    return f"{whole:,}.{part * 100 // WHOLE:02}" if part else f"{whole:,}"


def _tier(window: int, tier: int, told: Mapping[str, Any], itself: str) -> Reason:
    """How the tier follows from what was seen."""
    said = f"Tier {tier}: {_BOUNDS[tier]}.{itself}"
    return Reason("tier", said, "", {"tier": tier, "window": window, "version": VERSION, **told})


def _looks(looks: Looks) -> list[list[int]]:
    return [[look.things, look.found] for look in looks]


def _shown(account: Account) -> Reason:
    """What an operator may want to see and what is no evidence: volume, and asking openly for reasons."""
    said = (
        f"Shown, and no evidence: {account.requests:,} requests, {account.output_tokens:,} tokens of answers,"
        f" {account.asked_plainly:,} open questions for reasons, {account.refused:,} refused."
    )
    if account.registered:
        said += " A registration is in force: what is asked under it is not judged by templates."
    return Reason("shown", said, OWN, {"feature": "volume", "version": VERSION})


def _verdict(tier: int, reasons: Sequence[Reason]) -> Verdict:
    facts = facts_of({"outcome": OUTCOMES[tier], "reasons": [reason.to_json() for reason in reasons]})
    return Verdict(OUTCOMES[tier], tuple(reasons), facts, VERSION)
