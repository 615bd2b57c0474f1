"""Verdicts in words: what was seen, what was not, and what would change it. Pure.

Every reason of a family holds its feature, its value (hits and trials), the bound that lawful traffic keeps,
the sums of its bets, the e-value, the threshold it was held against, the window and the version; a last one
says how the tier follows. ``replaying`` computes it again.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import Any, Final

from inbond.guard.detect.clusters import Group, Kind
from inbond.guard.detect.e_values import decimals
from inbond.guard.detect.families import FAMILIES, PAYMENT, TEMPLATE, VERSION, WHOLE
from inbond.guard.detect.memory import Account
from inbond.guard.detect.replaying import CARRIES, OUTCOMES, OWN, Look, Own, Shown, Sums, facts_of, needed
from inbond.types import Reason, Verdict

GROUPS: Final[Mapping[Kind, str]] = {
    "payment": "accounts of one means of payment",
    "cohort": "accounts of one client that signed up within three days",
    "template": "accounts that send texts of one template",
    "tenant": "accounts of one tenant",
}
MOST_GROUPS: Final = 3
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
        reasons += _group_reasons(window, each)
    told: dict[str, Any] = {
        "of": name.encode("utf-8", "replace").decode(),
        "since": account.since,
        "means_since": account.means_since,
        "looks": _looks(own.looks),
        "group_looks": _looks(by[0].looks) if by else [],
    }
    carried = bool(by) and max(own.logs[at] for at in range(2)) >= CARRIES
    reasons += [_tier(window, tier, told, carried), _shown(account)]
    return _verdict(tier, reasons)


def of_group(window: int, shown: Shown) -> Verdict:
    """A group's verdict."""
    told = {"of": shown.group.id, "group_looks": _looks(shown.looks)}
    return _verdict(shown.tier, [*_group_reasons(window, shown), _tier(window, shown.tier, told, False)])


def _group_reasons(window: int, shown: Shown) -> list[Reason]:
    group, bar = shown.group, needed(shown.tier, shown.looks)
    subject = f"a group of {len(group.members):,} {GROUPS[group.kind]}"
    return [
        _reason(
            window, family, subject, group.id,
            _cards(group) if family == PAYMENT else shown.sums[family], shown.logs[family], bar,
        )
        for family in range(len(FAMILIES))
        if group.kind != "tenant" or family not in (PAYMENT, TEMPLATE)
    ]  # fmt: skip


def _cards(group: Group) -> Sums:
    return Sums(group.cards, group.shared * WHOLE)


def _reason(window: int, family: int, subject: str, source: str, sums: Sums, log: int, bar: int) -> Reason:
    known = FAMILIES[family]
    seen, hits, trials = log >= bar, sums.hits, sums.trials
    value = f"{_shares(hits)} of {trials:,} {known.unit}"
    if seen:
        said = f"Seen: {subject} {known.seen} ({value}). It would change with {known.change}."
    elif not trials:
        said = f"Not seen: {known.unseen} (nothing of the kind, or once)."
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
        "sums": list(sums.sums), "log_e": log, "log_threshold": bar, "e_value": decimals(log),
        "threshold": decimals(bar), "seen": seen, "window": window, "version": VERSION,
    }  # fmt: skip
    return Reason(known.rule, said, source, detail)


def _shares(hits: int) -> str:
    """Hits of 256ths in trials, in whole numbers where they are, else to hundredths, rounded down."""
    whole, part = divmod(hits, WHOLE)
    return f"{whole:,}.{part * 100 // WHOLE:02}" if part else f"{whole:,}"


def _tier(window: int, tier: int, told: Mapping[str, Any], carried: bool) -> Reason:
    """How the tier follows from what was seen."""
    said = f"Tier {tier}: {_BOUNDS[tier]}."
    if carried:
        said += (
            " The account stands in a group, and breaks the bound of elicitation or replay itself:"
            " one that keeps it does so with a probability of 1% at most."
        )
    return Reason("tier", said, "", {"tier": tier, "window": window, "version": VERSION, **told})


def _looks(looks: tuple[Look, Look]) -> list[list[int]]:
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
