"""From a text's stance and a plan to an outcome: the heart of the gate, one small rule a stance. Pure.

The conditions that come with a stance are weighed apart, in ``conditions``; the worse of both stands.
"""

from __future__ import annotations

from typing import Literal, NamedTuple

from inbond.policy.facts import Facts
from inbond.policy.obligations import NoCompete
from inbond.policy.schema import Reading

Outcome = Literal["permit", "permit-with-obligations", "review", "deny"]
OUTCOMES: tuple[Outcome, ...] = ("permit", "permit-with-obligations", "review", "deny")


class Weighed(NamedTuple):
    """The outcome, the sentence that says why, and what is missing for a better one."""

    outcome: Outcome
    sentence: str
    missing: tuple[str, ...] = ()


def worst(*outcomes: Outcome) -> Outcome:
    """The least favourable of them."""
    return max(outcomes, key=OUTCOMES.index)


def weigh(reading: Reading, facts: Facts, conditions: Outcome) -> Weighed:
    """What a text's stance means for a plan whose ``conditions`` were weighed already."""
    match reading.stance:
        case "express":
            return Weighed("permit", "It is expressly allowed.")
        case "silent":
            return Weighed("permit", "Silence is not permission in writing, but nothing in it forbids this.")
        case "prohibited":
            return Weighed("deny", "This is forbidden.")
        case "conditional":
            return _weigh_conditions(conditions)
        case "non-commercial":
            return _weigh_use(facts, conditions)
        case "competing-only":
            return _weigh_competition(reading, facts)
        case "unclear":
            missing = ("a person's reading of that clause",)
            return Weighed(worst("review", conditions), "What it means here is unclear.", missing)


def _weigh_conditions(conditions: Outcome) -> Weighed:
    if conditions == "permit":
        sentence = "Nothing is due under this plan; the conditions begin when it is released further."
    elif conditions == "permit-with-obligations":
        sentence = "Allowed when the obligations are kept."
    else:
        sentence = "It is allowed on conditions only."
    return Weighed(conditions, sentence)


def _weigh_use(facts: Facts, conditions: Outcome) -> Weighed:
    if facts.use == "commercial":
        return Weighed("deny", "Commercial use is not allowed.")
    if facts.use == "research":
        return Weighed(conditions, "Research is allowed when the obligations are kept.")
    return Weighed(
        worst("review", conditions),
        "Whether internal use counts as commercial is unclear.",
        ("whether the use is commercial",),
    )


def _weigh_competition(reading: Reading, facts: Facts) -> Weighed:
    scopes = [item.scope for item in reading.obligations if isinstance(item, NoCompete)]
    thing = "product or service" if "products-and-services" in scopes else "model"
    if facts.competes == "yes":
        return Weighed("deny", f"A competing {thing} may not be made of it, and this one competes.")
    said = "is not said" if facts.competes == "unknown" else "is only declared not to be so"
    sentence = f"What competes is forbidden, and whether this {thing} competes {said}."
    return Weighed("review", sentence, (f"a person's finding on whether the {thing} competes",))


def at_second_hand(weighed: Weighed, subject: str) -> Weighed:
    """The same for a model made of what another model says that learnt from ``subject``. No text that does
    not pass itself on speaks of that: what it forbids is then a person's decision, not a denial."""
    if weighed.outcome in ("permit", "permit-with-obligations"):
        return weighed
    reaches = f"whether that reaches a model made of what another says that learnt from {subject}"
    sentence = f"{weighed.sentence} Here another model lies between: the text does not say {reaches}."
    return Weighed("review", sentence, (*weighed.missing, reaches))
