"""One text applied to one plan: which of its readings fits, what it asks, what lifts it. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date

from inbond.policy.conditions import WHEN_TEXT, Applied, weigh_condition
from inbond.policy.facts import Agreement, Facts, LicenceFinding, Topic
from inbond.policy.judgement import Due, Judgement, Question, all_of, settle, unknown
from inbond.policy.licences import AnyOf, ids, parse
from inbond.policy.lifting import granted, needed, why_not
from inbond.policy.obligations import Obligation
from inbond.policy.outgoing import bounds_of
from inbond.policy.schema import Exemption, Position, Reading, Terms
from inbond.policy.stances import OUTCOMES, Outcome, at_second_hand, weigh, worst
from inbond.policy.terms import Catalogue
from inbond.types import Reason

_FRESH_DAYS = 30
"""A text that was read longer than this before the plan's date may have changed, and the verdict says so."""

TOPIC_TEXT: Mapping[Topic, str] = {
    "outputs": "training on outputs",
    "derived_weights": "weights made from these weights",
    "training_data": "training on the text",
}


def judge_terms(id_: str, kind: str, question: Question, facts: Facts, catalogue: Catalogue) -> Judgement:
    """What the text ``id_`` says to ``question``; where it is not in force on the plan's day, what the text
    says that was. What is not on file or not read is a review that says so; what is not in force, and has
    nothing on file before it, is a review too, and never milder than what the text says."""
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
    standing = catalogue.standing(terms, lambda text: in_force(text, facts))
    if standing is not None and standing is not terms:
        then = f"its text of {standing.version} was in force then, as far as is on file"
        return _judge_text(standing, replace(question, how=f"{question.how}; {then}"), facts, catalogue)
    judged = _judge_text(terms, question, facts, catalogue)
    if standing is not None:
        return judged
    day = f"the plan's date is {facts.date!r}" if facts.date is not None else "the plan names no later date"
    early = unknown(
        edge,
        question.rule,
        f"{subject} is under the {terms.title}, in force from {terms.effective or 'a day not known'}; {day}.",
        "a date (YYYY-MM-DD) on which these terms are in force, or the terms in force on that date",
    )
    return all_of([early, judged])


def in_force(terms: Terms, facts: Facts) -> bool:
    """Whether a text is in force on the plan's day. Of a plan without a date whoever made the facts looked at
    the day; where nobody did, a text is not taken to be in force that was not when it was read."""
    if facts.date is None:
        if facts.not_yet is not None:
            return terms.id not in facts.not_yet
        return terms.effective is None or terms.effective <= terms.read_on
    day = _day(facts.date)
    return day is not None and (terms.effective is None or terms.effective <= day)


def _day(text: str) -> date | None:
    try:
        return date.fromisoformat(text)
    except ValueError:
        return None


def _judge_text(terms: Terms, question: Question, facts: Facts, catalogue: Catalogue) -> Judgement:
    position = terms.position(question.topic)
    if position is None:
        return unknown(
            question.edge,
            question.rule,
            f"{question.subject} is under the {terms.title} ({question.how}); what that text says of "
            f"{TOPIC_TEXT[question.topic]} has not been read.",
            f"a reading of {terms.id} on {TOPIC_TEXT[question.topic]}",
        )
    return _judge_reading(terms, _reading(position, facts, catalogue), question, facts)


# Which reading --------------------------------------------------------------------------------------


def _reading(position: Position, facts: Facts, catalogue: Catalogue) -> Reading:
    return next((item for item in position.exceptions if _fits(item, facts, catalogue)), position)


def _fits(item: Exemption, facts: Facts, catalogue: Catalogue) -> bool:
    return (
        (not item.kinds or facts.kind in item.kinds)
        and (not item.uses or facts.use in item.uses)
        and (not item.releases or facts.release in item.releases)
        and (not item.competes or facts.competes in item.competes)
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
    finding += _how_sure(terms, facts)
    bounds = () if second_hand else bounds_of(terms.id, question.subject, reading)
    missing = (*(gap for _, done in applied for gap in done.missing), *weighed.missing)
    if weighed.outcome in ("review", "deny"):
        stance = weigh(reading, facts, "permit").outcome in ("review", "deny")
        agreed, note = _agreed(terms, question, facts, applied, stance=stance)
        finding += note
        if agreed is not None:
            outcome = _second_hand(agreed.left) if second_hand else agreed.left
            finding += settle(agreed.missing) if outcome == "review" else ""
            rule = "agreement" if outcome == "permit-with-obligations" else question.rule
            bounds = tuple(bound for bound in bounds if bound.asks != "non-commercial")
            due = (*_due(agreed.due, terms, question), _kept(agreed.agreement, terms, question))
            reason = _reason(rule, finding, terms, reading, question)
            return Judgement(outcome, (reason,), due, agreed.missing, bounds=bounds)
    finding += settle(missing) if weighed.outcome == "review" else ""
    reason = _reason(question.rule, finding, terms, reading, question)
    return Judgement(weighed.outcome, (reason,), _due(applied, terms, question), missing, bounds=bounds)


def _second_hand(outcome: Outcome) -> Outcome:
    return "review" if outcome == "deny" else outcome


def _if_it_reaches(done: Applied) -> Applied:
    """An obligation that may be owed: to keep it is safe, and that it is owed is not said."""
    return done if done.text is None else replace(done, text=f"If it reaches this far: {done.text}")


def _due(applied: Sequence[tuple[Obligation, Applied]], terms: Terms, question: Question) -> tuple[Due, ...]:
    return tuple(
        Due(item.kind, done.text, WHEN_TEXT[item.when], f"{terms.id} {item.clause}", question.artifact)
        for item, done in applied
        if done.text is not None
    )


def _reason(rule: str, finding: str, terms: Terms, reading: Reading, question: Question) -> Reason:
    detail = {
        "stance": reading.stance,
        "edge": question.edge,
        "clause": reading.clause,
        "paraphrase": next(
            (each.paraphrase for each in terms.clauses if each.number == reading.clause), None
        ),
        "version": terms.version,
        "read_on": terms.read_on.isoformat(),
        "evidence": terms.evidence,
    }
    return Reason(rule, finding, terms.id, detail)


@dataclass(frozen=True)
class _Agreed:
    """What a text comes to under an agreement: the outcome of what that does not lift, and what stays due."""

    agreement: Agreement
    left: Outcome
    due: tuple[tuple[Obligation, Applied], ...]
    missing: tuple[str, ...]


def _agreed(
    terms: Terms,
    question: Question,
    facts: Facts,
    applied: Sequence[tuple[Obligation, Applied]],
    *,
    stance: bool,
) -> tuple[_Agreed | None, str]:
    """The agreement that lifts most of what stands in the way (``stance``: the text's own word does), and a
    sentence; or none, and why those that were given do not."""
    found: list[tuple[_Agreed, str]] = []
    notes = []
    for agreement in facts.agreements:
        refusal = why_not(agreement, facts, terms, question)
        if refusal is None:
            agreed, named, open_ = _lift(agreement, facts, applied)
            lifts = f" But {_named(agreement)} lifts that for this plan"
            if stance or named:
                found.append(
                    (agreed, f"{lifts}, but for what it does not name: {open_}." if open_ else f"{lifts}.")
                )
                continue
            refusal = f"it does not name {open_}"
        notes.append(f" And {_named(agreement)} does not lift this: {refusal}.")
    if not found:
        return None, "".join(notes)
    return min(found, key=lambda each: OUTCOMES.index(each[0].left))


def _lift(
    agreement: Agreement, facts: Facts, applied: Sequence[tuple[Obligation, Applied]]
) -> tuple[_Agreed, bool, str]:
    """What is left of the conditions, whether the scope names any that stood in the way, and in words those
    that it does not. Names, notices and what passes through stay due."""
    due: list[tuple[Obligation, Applied]] = []
    left: list[Applied] = []
    names: list[str] = []
    named = False
    for item, done in applied:
        if item.kind in ("no-compete", "non-commercial"):
            continue  # the stance in other words
        if done.outcome not in ("review", "deny"):
            due.append((item, done))
            continue
        words = granted(agreement, item, facts)
        if words is None:
            due.append((item, done))
            left.append(done)
            names.append(needed(item, facts))
        else:
            named = True
            text = f"{done.text} (The agreement grants this: {words}.)" if done.text else None
            due.append((item, replace(done, text=text)))
    outcome = worst("permit-with-obligations", *(done.outcome for done in left))
    missing = tuple(gap for done in left for gap in done.missing)
    return _Agreed(agreement, outcome, tuple(due), missing), named, "; ".join(dict.fromkeys(names))


def _kept(agreement: Agreement, terms: Terms, question: Question) -> Due:
    text = f"Keep to the conditions of {_named(agreement)}, which Inbond has not read."
    return Due("agreement", text, WHEN_TEXT["always"], terms.id, question.artifact)


def _named(agreement: Agreement) -> str:
    return f"the written agreement between {' and '.join(agreement.parties)} ({agreement.document[:19]}…)"


def _how_sure(terms: Terms, facts: Facts) -> str:
    day = _day(facts.date) if facts.date is not None else None
    late = day is not None and (day - terms.read_on).days > _FRESH_DAYS
    return _evidence(terms) + (f" (Read on {terms.read_on}; it may have changed by {day}.)" if late else "")


def _evidence(terms: Terms) -> str:
    if terms.evidence == "R":
        return " (From memory; not checked against the text.)"
    if terms.evidence != "S":
        return ""
    quoting = {None: "others quote", 1: "one other quotes"}.get(
        terms.quoted_by, f"{terms.quoted_by} others quote"
    )
    return f" (Clause as {quoting} it; the text itself was not read.)"
