"""Verdicts in words: what was seen, what was not, and what would change it. Pure.

Every reason of a family holds its feature, its value (hits and trials), the bound that lawful traffic keeps,
the e-value, the threshold it was held against, the window and the version: enough to compute it again.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any, Final, final

from inbond.digest import of_value
from inbond.guard.detect.clusters import Group, Kind
from inbond.guard.detect.evidence import decimals
from inbond.guard.detect.families import FAMILIES, PAYMENT, SYNCHRONY, TEMPLATE, VERSION, WHOLE
from inbond.guard.detect.memory import Account
from inbond.types import Reason, Verdict

OUTCOMES: Final = ("none", "watched", "restricted", "suspension-proposed")
GROUPS: Final[Mapping[Kind, str]] = {
    "payment": "accounts of one means of payment",
    "cohort": "accounts of one client that signed up within three days",
    "template": "accounts that send texts of one template",
}
_MOST_GROUPS: Final = 3


@final
@dataclass(frozen=True)
class Own:
    """An account's own evidence, by family: trials, hits (256ths), the logarithms of the e-values; and the
    thresholds of tiers 1 and 2."""

    trials: Sequence[int]
    hits: Sequence[int]
    logs: Sequence[int]
    bars: tuple[int, int]


@final
@dataclass(frozen=True)
class Shown:
    """A group: the logarithms of its e-values by family, the thresholds of tiers 1 and 2, its tier."""

    group: Group
    logs: Sequence[int]
    bars: tuple[int, int]
    tier: int


def of_account(window: int, name: str, account: Account, tier: int, own: Own, by: Sequence[Shown]) -> Verdict:
    """An account's verdict: its own evidence, and that of the groups which raise it."""
    reasons = [
        _reason(
            window, family, "the account", "account", own.trials[family], own.hits[family], own.logs[family],
            own.bars,
        )
        for family in range(len(FAMILIES))
        if family != PAYMENT
    ]  # fmt: skip
    strongest = sorted(by, key=lambda each: (-each.tier, -len(each.group.members), each.group.id))
    for each in strongest[:_MOST_GROUPS]:
        reasons += _group_reasons(window, each)
    reasons.append(_shown(account))
    return _verdict(window, name, tier, reasons)


def of_group(window: int, shown: Shown) -> Verdict:
    """A group's verdict."""
    return _verdict(window, shown.group.id, shown.tier, _group_reasons(window, shown))


def _group_reasons(window: int, shown: Shown) -> list[Reason]:
    group = shown.group
    subject = f"a group of {len(group.members):,} {GROUPS[group.kind]}"
    return [
        _reason(
            window, family, subject, group.id, group.trials[family], group.hits[family], shown.logs[family],
            shown.bars,
        )
        for family in range(len(FAMILIES))
        if family != SYNCHRONY  # each account shows that itself, or not
    ]  # fmt: skip


def _reason(
    window: int, family: int, subject: str, source: str, trials: int, hits: int, log: int,
    bars: tuple[int, int],
) -> Reason:  # fmt: skip
    known = FAMILIES[family]
    seen = log >= min(bars)
    unit = "parties" if family == PAYMENT else "windows"
    value = f"{_shares(hits)} of {trials:,} {unit}"
    if seen:
        said = f"Seen: {subject} {known.seen} ({value}). It would change with {known.change}."
    elif not trials:
        said = f"Not looked at: {subject} gave nothing to judge by."
    elif hits > Decimal(known.bound) * trials * WHOLE:
        said = (
            f"Too little to tell: {subject} {known.seen} ({value}); that is more than the"
            f" {Decimal(known.bound):.1%} of lawful callers, and may still be chance."
        )
    else:
        said = f"Not seen: {known.unseen} ({value})."
    if seen and family == TEMPLATE:
        said += " This alone restricts nobody."
    detail = {
        "feature": known.name, "value": value, "hits_256": hits, "trials": trials, "bound": known.bound,
        "e_value": decimals(log), "threshold": decimals(min(bars)), "seen": seen, "window": window,
        "version": VERSION,
    }  # fmt: skip
    return Reason(known.rule, said, source, detail)


def _shares(hits: int) -> str:
    """Hits of 256ths in trials, in whole numbers where they are, else to hundredths, rounded down."""
    whole, part = divmod(hits, WHOLE)
    return f"{whole:,}.{part * 100 // WHOLE:02}" if part else f"{whole:,}"


def _shown(account: Account) -> Reason:
    """What an operator may want to see and what is no evidence: volume, and asking openly for reasons."""
    said = (
        f"Shown, and no evidence: {account.requests:,} requests, {account.output_tokens:,} tokens of answers,"
        f" {account.asked_plainly:,} open questions for reasons, {account.refused:,} refused."
    )
    if account.registered:
        said += " A registration is in force: templates and volume are not judged."
    return Reason("shown", said, "account", {"feature": "volume", "version": VERSION})


def _verdict(window: int, name: str, tier: int, reasons: Sequence[Reason]) -> Verdict:
    facts: dict[str, Any] = {
        "of": name.encode("utf-8", "replace").decode(),
        "window": window,
        "reasons": [reason.to_json() for reason in reasons],
    }
    return Verdict(OUTCOMES[tier], tuple(reasons), of_value(facts), VERSION)
