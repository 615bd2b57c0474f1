"""From a text's stance and a plan to an outcome: the heart of the gate, one small rule a stance. Pure."""

from __future__ import annotations

from typing import Literal

from inbond.policy.facts import Facts
from inbond.policy.obligations import ObligationKind
from inbond.policy.schema import Position

Outcome = Literal["permit", "permit-with-obligations", "review", "deny"]
OUTCOMES: tuple[Outcome, ...] = ("permit", "permit-with-obligations", "review", "deny")

Weighed = tuple[Outcome, str, tuple[str, ...]]
"""The outcome, the sentence that says why, and what is missing for a better one."""

_NOT_JUDGED: tuple[ObligationKind, ...] = ("name-prefix", "territory", "field-of-use")
"""Conditions that need facts these rules do not weigh yet: a person must."""


def weigh(position: Position, facts: Facts, *, anything_due: bool) -> Weighed:
    """What a text's stance means for a plan; ``anything_due`` says whether it triggers an obligation."""
    kept: Outcome = "permit-with-obligations" if anything_due else "permit"
    match position.stance:
        case "express":
            return "permit", "It is expressly allowed.", ()
        case "silent":
            return "permit", "Silence is not permission in writing, but nothing in it forbids this.", ()
        case "prohibited":
            return "deny", "This is forbidden.", ()
        case "conditional":
            return _weigh_conditions(position, kept)
        case "non-commercial":
            return _weigh_use(facts, kept)
        case "competing-only":
            return _weigh_competition(facts)
        case "unclear":
            return "review", "What it means here is unclear.", ("a person's reading of that clause",)


def _weigh_conditions(position: Position, kept: Outcome) -> Weighed:
    open_ = sorted({item.kind for item in position.obligations if item.kind in _NOT_JUDGED})
    if open_:
        kinds = ", ".join(open_)
        return (
            "review",
            f"It sets conditions that a person must weigh ({kinds}).",
            (f"whether {kinds} is met",),
        )
    if kept == "permit":
        return kept, "Nothing is due under this plan; the conditions begin when it is released further.", ()
    return kept, "Allowed when the obligations are kept.", ()


def _weigh_use(facts: Facts, kept: Outcome) -> Weighed:
    if facts.use == "commercial":
        return "deny", "Commercial use is not allowed.", ()
    if facts.use == "research":
        return kept, "Research is allowed when the obligations are kept.", ()
    return (
        "review",
        "Whether internal use counts as commercial is unclear.",
        ("whether the use is commercial",),
    )


def _weigh_competition(facts: Facts) -> Weighed:
    if facts.competes == "yes":
        return "deny", "A competing model may not be trained on it.", ()
    said = "is not said" if facts.competes == "unknown" else "is only declared not to be so"
    finding = f"Competing models are forbidden, and whether this one competes {said}."
    return "review", finding, ("a person's finding on whether the model competes",)
