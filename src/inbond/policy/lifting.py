"""What a written agreement lifts of a text, and what it does not. Pure.

It lifts what stands in a plan's way only for its teacher, from its party, within its scope and its dates. The
conditions of a text stay as they are unless the scope names them too: a field of use, a place, a size. It
never stands in for a text that nobody has read.
"""

from __future__ import annotations

import re
from datetime import date

from inbond.policy import places
from inbond.policy.conditions import METRIC_TEXT, is_above
from inbond.policy.facts import Agreement, Facts
from inbond.policy.fields import ORDINARY
from inbond.policy.judgement import Question
from inbond.policy.obligations import FieldOfUse, Obligation, Territory, Threshold
from inbond.policy.schema import Terms


def why_not(agreement: Agreement, facts: Facts, terms: Terms, question: Question) -> str | None:
    """Why an agreement does not lift what these terms say; None when it does."""
    dates = f"it is in force from {agreement.starts}" + (f" to {agreement.ends}" if agreement.ends else "")
    provider = terms.provider or "whoever grants that text"
    refusals = (
        (agreement.teacher != question.artifact, f"it is about {agreement.teacher}"),
        (terms.unread, "nobody has read the text that it would stand in for"),
        (not _with_provider(agreement, terms), f"{provider} is none of its parties"),
        (not _about(agreement, terms, question), f"it does not stand in for {terms.id}"),
        (not _in_force(agreement, facts), f"{dates}, and the plan is not within that time"),
        (question.topic not in agreement.topics, f"it is about {', '.join(agreement.topics)}"),
        (facts.use not in agreement.uses, f"it covers {', '.join(agreement.uses)} use"),
        (not _covers_release(agreement, facts), f"it covers release: {', '.join(agreement.releases)}"),
    )
    return next((reason for refused, reason in refusals if refused), None)


def granted(agreement: Agreement, item: Obligation, facts: Facts) -> str | None:
    """What the agreement grants of a condition that stands in the plan's way, in words; None where its scope
    does not name all that the plan needs."""
    if isinstance(item, FieldOfUse):
        wanted = [tag for tag in facts.domains if tag not in ORDINARY]
        return ", ".join(wanted) if wanted and set(wanted) <= set(agreement.domains) else None
    if isinstance(item, Territory):
        known = facts.territory is not None and places.within(facts.territory, agreement.territories)
        return facts.territory if known else None
    if isinstance(item, Threshold):
        most = dict(agreement.thresholds).get(item.metric)
        if most is not None and is_above(item.metric, most, facts) is False:
            return f"up to {most:,.0f} {METRIC_TEXT[item.metric]}"
    return None


def needed(item: Obligation, facts: Facts) -> str:
    """What an agreement's scope would have to name for a condition that stands in the plan's way."""
    if isinstance(item, FieldOfUse):
        return f"{', '.join(tag for tag in facts.domains if tag not in ORDINARY)} (scope.domains)"
    if isinstance(item, Territory):
        return f"{facts.territory or 'the country where you are based'} (scope.territories)"
    if isinstance(item, Threshold):
        return f"{METRIC_TEXT[item.metric]} above {item.above:,.0f} (scope.thresholds)"
    return f"what is asked as {item.kind}"


def _with_provider(agreement: Agreement, terms: Terms) -> bool:
    """A party that begins with the provider's name as words of their own. Of a text that many grant nobody
    can tell: there the agreement has to name the text."""
    if terms.provider is None:
        return terms.id in agreement.terms
    first_words = re.compile(rf"{re.escape(terms.provider)}([ ,.]|$)", re.IGNORECASE)
    return any(first_words.match(party) for party in agreement.parties)


def _about(agreement: Agreement, terms: Terms, question: Question) -> bool:
    return terms.id in agreement.terms if agreement.terms else question.sole


def _covers_release(agreement: Agreement, facts: Facts) -> bool:
    """Who may release something may keep it in house too. A service and weights are granted each by name."""
    return facts.release in agreement.releases or (facts.release == "none" and bool(agreement.releases))


def _in_force(agreement: Agreement, facts: Facts) -> bool:
    """The reader of the file looked at the day; a plan that names its own day is held to that too."""
    if not agreement.in_force or facts.date is None:
        return agreement.in_force
    try:
        ends = date.fromisoformat(agreement.ends) if agreement.ends else None
        return within(date.fromisoformat(facts.date), date.fromisoformat(agreement.starts), ends)
    except ValueError:
        return False


def within(day: date, starts: date, ends: date | None) -> bool:
    """Whether a day lies between two, both included; ``ends`` is None for no end."""
    return starts <= day and (ends is None or day <= ends)
