"""One typed condition of a text against one plan: nothing due, an obligation, a review or a denial. Pure.

A threshold that the plan says nothing about becomes an obligation; a country that a text turns on and
the plan does not name is asked for; a field of use that is neither on the text's list nor known to be
ordinary is a person's decision. Everything else is something to do.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import date

from inbond.policy import fields, places
from inbond.policy.facts import RELEASES, Facts, Modality
from inbond.policy.obligations import (
    FieldOfUse,
    Metric,
    NamePrefix,
    Obligation,
    Territory,
    Threshold,
    When,
)
from inbond.policy.stances import Outcome

WHEN_TEXT: Mapping[When, str] = {
    "always": "always",
    "offered": "when the model is offered as a service or its weights are handed out",
    "distributed": "when the weights are handed out",
}
_TRIGGERED_BY: Mapping[When, tuple[str, ...]] = {
    "always": RELEASES,
    "offered": ("service", "weights"),
    "distributed": ("weights",),
}
METRIC_TEXT: Mapping[Metric, str] = {
    "monthly-active-users": "monthly active users",
    "monthly-revenue-usd": "US dollars of revenue a month",
    "annual-revenue-usd": "US dollars of revenue a year",
}
_MONTHS = 12
_REACHES: tuple[str, ...] = ("whether the restriction reaches this plan",)


@dataclass(frozen=True)
class Applied:
    """What a condition comes to. ``text`` is what to do, None when nothing is due; ``finding`` is added
    to the reason's sentence."""

    outcome: Outcome
    text: str | None = None
    finding: str = ""
    missing: tuple[str, ...] = ()


_NOTHING = Applied("permit")


def weigh_condition(item: Obligation, facts: Facts, modality: Modality | None) -> Applied:
    """Weighs ``item`` for a teacher of that modality (None: not known)."""
    if facts.release in RELEASES and facts.release not in _TRIGGERED_BY[item.when]:
        return _NOTHING
    if item.only_for is None or item.only_for == modality:
        return _weigh(item, facts)
    if modality is not None:
        return _NOTHING
    return _perhaps(_weigh(item, facts), item.only_for)


def _weigh(item: Obligation, facts: Facts) -> Applied:
    match item:
        case NamePrefix():
            return _weigh_name(item, facts)
        case Threshold():
            return _weigh_threshold(item, facts)
        case Territory():
            return _weigh_territory(item, facts)
        case FieldOfUse():
            return _weigh_field(item, facts)
        case _:
            return Applied("permit-with-obligations", item.text)


def _perhaps(weighed: Applied, modality: Modality) -> Applied:
    """The same where it is not known whether the text asks it of this teacher at all."""
    if weighed.outcome in ("permit", "permit-with-obligations"):
        return weighed if weighed.text is None else replace(weighed, text=f"If {modality}: {weighed.text}")
    question = f"whether the teacher is a {modality} model"
    finding = f"{weighed.finding} That holds for {modality} models; whether the teacher is one is not known."
    return replace(weighed, outcome="review", finding=finding.strip(), missing=(*weighed.missing, question))


def _weigh_name(item: NamePrefix, facts: Facts) -> Applied:
    if facts.name is None:
        return Applied("permit-with-obligations", item.text)
    if _joined(facts.name).startswith(_joined(item.prefix)):
        return Applied("permit-with-obligations", f"{item.text} The name {facts.name!r} does.")
    better = f"{_joined(item.prefix)}-{facts.name}"
    return Applied(
        "permit-with-obligations",
        f"{item.text} The name {facts.name!r} does not: name it {better!r}, for instance.",
        f"As named, the plan does not keep this: {facts.name!r} does not begin with {item.prefix!r}; "
        f"name it {better!r}, for instance.",
        (f"a name that begins with {item.prefix!r}, such as {better!r}",),
    )


def _joined(name: str) -> str:
    """A space as the hyphen that stands for it in the name of a repository."""
    return name.replace(" ", "-")


def _weigh_threshold(item: Threshold, facts: Facts) -> Applied:
    limit = f"{item.above:,.0f} {METRIC_TEXT[item.metric]}"
    above = is_above(item.metric, item.above, facts)
    if above is None:
        return Applied("permit-with-obligations", item.text)
    if item.as_of is not None and item.then != "obligation":
        return _weigh_earlier(item, limit, item.as_of, above=above)
    if not above:
        return replace(_NOTHING, finding=f"The plan stays within {limit}, above which more would follow.")
    finding = f"The plan is above {limit}."
    match item.then:
        case "obligation":
            return Applied("permit-with-obligations", item.text, finding)
        case "review":
            return Applied("review", item.text, finding, (f"what follows above {limit}",))
        case "deny":
            return Applied("deny", item.text, f"{finding} Above it nothing is granted: {item.text}")


def _weigh_earlier(item: Threshold, limit: str, day: date, *, above: bool) -> Applied:
    """What the plan tells is today's number; what counts is that of a month gone by."""
    counts = f"what counts is the calendar month before {day}"
    if not above:
        return replace(
            _NOTHING,
            finding=f"The plan stays within {limit} today; {counts}. If it was otherwise: {item.text}",
        )
    missing = (f"whether you and your affiliates had more than {limit} in the month before {day}",)
    return Applied(
        "review", item.text, f"The plan is above {limit} today; {counts}: was it so then?", missing
    )


def is_above(metric: Metric, limit: float, facts: Facts) -> bool | None:
    """None when it cannot be told: a year's revenue bounds a month's only from both sides."""
    if metric == "monthly-active-users":
        return None if facts.mau is None else facts.mau > limit
    if facts.revenue_usd is None:
        return None
    if metric == "annual-revenue-usd":
        return facts.revenue_usd > limit
    if facts.revenue_usd <= limit:
        return False
    return True if facts.revenue_usd > limit * _MONTHS else None


def _weigh_territory(item: Territory, facts: Facts) -> Applied:
    listed = ", ".join(item.excluded or item.only)
    rule = f"It grants nothing in {listed}." if item.excluded else f"It grants rights in {listed} only."
    if facts.territory is None:
        missing = ("where you are based: your domicile or principal place of business (--territory)",)
        return Applied("review", item.text, f"{rule} The plan does not say where you are based.", missing)
    inside = places.within(facts.territory, item.excluded or item.only)
    if inside == bool(item.only):
        return Applied("permit-with-obligations", item.text)
    finding = f"{rule} You are based in {facts.territory}."
    return Applied(item.then, item.text, finding, _REACHES if item.then == "review" else ())


def _weigh_field(item: FieldOfUse, facts: Facts) -> Applied:
    closed = [tag for tag in facts.domains if tag in item.forbidden]
    open_ = [tag for tag in facts.domains if tag not in item.forbidden and tag not in fields.ORDINARY]
    if closed:
        named = "; ".join(
            f"{tag} ({fields.SENSITIVE[tag]})" if tag in fields.SENSITIVE else tag for tag in closed
        )
        missing = _REACHES if item.then == "review" else ()
        return Applied(item.then, item.text, f"It closes this field of use: {named}.", missing)
    if open_:
        named = ", ".join(open_)
        return Applied(
            "review",
            item.text,
            f"It closes fields of use, and whether {named} is one of them cannot be told from what was read.",
            (f"a person's finding on whether {named} is a field that the text closes",),
        )
    return Applied("permit-with-obligations", item.text)
