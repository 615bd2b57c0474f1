"""One text applied to one plan: which of its readings fits, what it asks, what lifts it. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import date

from inbond.policy.agreements import why_not
from inbond.policy.conditions import WHEN_TEXT, Applied, weigh_condition
from inbond.policy.facts import Agreement, Facts, LicenceFinding, Topic
from inbond.policy.judgement import Due, Judgement, Question, settle, unknown
from inbond.policy.licences import AnyOf, ids, parse
from inbond.policy.obligations import Obligation
from inbond.policy.outgoing import bounds_of
from inbond.policy.schema import Exemption, Position, Reading, Terms
from inbond.policy.stances import at_second_hand, weigh, worst
from inbond.policy.terms import Catalogue
from inbond.types import Reason

TOPIC_TEXT: Mapping[Topic, str] = {
    "outputs": "training on outputs",
    "derived_weights": "weights made from these weights",
    "training_data": "training on the text",
}


def judge_terms(id_: str, kind: str, question: Question, facts: Facts, catalogue: Catalogue) -> Judgement:
    """What the text ``id_`` says to ``question``. What is not on file, not read, or not yet in force is
    a review that says so."""
    terms = catalogue.get(id_)
    subject, edge = question.subject, question.edge
    if terms is None or terms.kind != kind:
        what = "has no terms for" if terms is None else f"knows only as a {terms.kind}'s terms"
        return unknown(
            edge,
            question.rule,
            f"{subject} is under {id_} ({question.how}), a text that Inbond {what}.",
            f"a reading of {id_}: a terms file for it, or a person's decision",
        )
    position = terms.position(question.topic)
    if position is None:
        return unknown(
            edge,
            question.rule,
            f"{subject} is under the {terms.title} ({question.how}); what that text says of "
            f"{TOPIC_TEXT[question.topic]} has not been read.",
            f"a reading of {terms.id} on {TOPIC_TEXT[question.topic]}",
        )
    if _too_early(facts.date, terms):
        return unknown(
            edge,
            question.rule,
            f"{subject} is under the {terms.title}, in force from {terms.effective}; "
            f"the plan's date is {facts.date!r}.",
            "a date (YYYY-MM-DD) on which these terms are in force, or the terms in force on that date",
        )
    return _judge_reading(terms, _reading(position, facts, catalogue), question, facts)


def _too_early(plan: str | None, terms: Terms) -> bool:
    """Also true for a date that cannot be read."""
    if plan is None:
        return False
    try:
        day = date.fromisoformat(plan)
    except ValueError:
        return True
    return terms.effective is not None and day < terms.effective


# Which reading --------------------------------------------------------------------------------------


def _reading(position: Position, facts: Facts, catalogue: Catalogue) -> Reading:
    return next((item for item in position.exceptions if _fits(item, facts, catalogue)), position)


def _fits(item: Exemption, facts: Facts, catalogue: Catalogue) -> bool:
    return (
        (not item.kinds or facts.kind in item.kinds)
        and (not item.uses or facts.use in item.uses)
        and (not item.releases or facts.release in item.releases)
        and (not item.based_on or any(id_ in item.based_on for id_ in _start_ids(facts.start, catalogue)))
    )


def _start_ids(start: LicenceFinding | None, catalogue: Catalogue) -> Iterator[str]:
    """The texts that the student's weights are under for certain, by those they descend from too."""
    if start is None:
        return
    expression = parse(start.licence) if start.licence is not None and start.evidence != "none" else None
    if expression is not None and not isinstance(expression, AnyOf):
        for id_ in ids(expression):
            terms = catalogue.get(id_)
            if terms is not None:
                yield terms.id
    for base in start.bases:
        yield from _start_ids(base, catalogue)


# What it comes to -----------------------------------------------------------------------------------


def _judge_reading(terms: Terms, reading: Reading, question: Question, facts: Facts) -> Judgement:
    applied = [(item, weigh_condition(item, facts, question.modality)) for item in reading.obligations]
    conditions = worst("permit", *(done.outcome for _, done in applied))
    weighed = weigh(reading, facts, conditions)
    second_hand = question.reach == "indirect" and not reading.passes_on
    if second_hand:
        weighed = at_second_hand(weighed, question.subject)
        applied = [(item, _if_it_reaches(done)) for item, done in applied]
    sentences = [reading.finding, *(done.finding for _, done in applied), weighed.sentence]
    finding = (
        f"{question.subject} is under the {terms.title} ({question.how}). {' '.join(filter(None, sentences))}"
    )
    finding += _how_sure(terms)
    handed_on = facts.release == "weights" and not second_hand
    bounds = bounds_of(terms.id, question.subject, reading) if handed_on else ()
    lifted = None
    if weighed.outcome in ("review", "deny"):
        lifted, note = _agreement(terms, question, facts)
        finding += note
    if lifted is not None:
        still = [(item, done) for item, done in applied if _outlives(item, done)]
        due = (*_due(still, terms, question), _kept(lifted, terms, question))
        bounds = tuple(bound for bound in bounds if bound.asks != "non-commercial")
        reason = _reason("agreement", finding, terms, reading, question)
        return Judgement("permit-with-obligations", (reason,), due, bounds=bounds)
    missing = (*(gap for _, done in applied for gap in done.missing), *weighed.missing)
    finding += settle(missing) if weighed.outcome == "review" else ""
    reason = _reason(question.rule, finding, terms, reading, question)
    return Judgement(weighed.outcome, (reason,), _due(applied, terms, question), missing, bounds=bounds)


def _if_it_reaches(done: Applied) -> Applied:
    """An obligation that may be owed: to keep it is safe, and that it is owed is not said."""
    return done if done.text is None else replace(done, text=f"If it reaches this far: {done.text}")


def _due(applied: Sequence[tuple[Obligation, Applied]], terms: Terms, question: Question) -> tuple[Due, ...]:
    return tuple(
        Due(item.kind, done.text, WHEN_TEXT[item.when], f"{terms.id} {item.clause}", question.artifact)
        for item, done in applied
        if done.text is not None
    )


def _outlives(item: Obligation, done: Applied) -> bool:
    """Whether an obligation stays where an agreement lifts what stands in the plan's way: names, notices and
    what passes through do."""
    in_the_way = done.outcome in ("review", "deny") or item.kind in ("no-compete", "non-commercial")
    return not in_the_way


def _reason(rule: str, finding: str, terms: Terms, reading: Reading, question: Question) -> Reason:
    detail = {
        "stance": reading.stance,
        "edge": question.edge,
        "clause": reading.clause,
        "version": terms.version,
        "read_on": terms.read_on.isoformat(),
        "evidence": terms.evidence,
    }
    return Reason(rule, finding, terms.id, detail)


def _agreement(terms: Terms, question: Question, facts: Facts) -> tuple[Agreement | None, str]:
    """The agreement that lifts this, and a sentence; or none, and why those that were given do not."""
    notes = []
    for agreement in facts.agreements:
        refusal = why_not(agreement, facts, terms, question)
        if refusal is None:
            return agreement, f" But {_named(agreement)} lifts that for this plan."
        notes.append(f" And {_named(agreement)} does not lift this: {refusal}.")
    return None, "".join(notes)


def _kept(agreement: Agreement, terms: Terms, question: Question) -> Due:
    text = f"Keep to the conditions of {_named(agreement)}, which Inbond has not read."
    return Due("agreement", text, WHEN_TEXT["always"], terms.id, question.artifact)


def _named(agreement: Agreement) -> str:
    return f"the written agreement between {' and '.join(agreement.parties)} ({agreement.document[:19]}…)"


def _how_sure(terms: Terms) -> str:
    if terms.evidence == "R":
        return " (From memory; not checked against the text.)"
    if terms.evidence != "S":
        return ""
    quoting = {None: "others quote", 1: "one other quotes"}.get(
        terms.quoted_by, f"{terms.quoted_by} others quote"
    )
    return f" (Clause as {quoting} it; the text itself was not read.)"
