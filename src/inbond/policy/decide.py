"""The gate: facts and terms in, a verdict out. Pure, and never permits by default.

Both edges are judged. ``weights``: when the student starts from the teacher's or another model's
weights, what their licence says of derived weights. ``outputs``: when what the teacher says is
trained on, what its weights' licence says of outputs, and what its host's terms say. Data that the
student is trained on is judged on the outputs edge too. The worst finding decides:
deny, review, permit-with-obligations, permit. Whatever is not recognised is a review that names it.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any, TypeVar

from inbond.policy.facts import COMPETES, RELEASES, SELF_HOSTED, USES, Facts, LicenceFinding
from inbond.policy.licences import AllOf, AnyOf, Expression, parse
from inbond.policy.stances import OUTCOMES, Outcome, weigh
from inbond.policy.obligations import When
from inbond.policy.schema import Position, Terms, Topic
from inbond.policy.terms import Catalogue
from inbond.types import EdgeKind, Reason, Verdict

VERSION = 1

_Item = TypeVar("_Item")

_WHEN_TEXT: Mapping[When, str] = {
    "always": "always",
    "offered": "when the model is offered as a service or its weights are handed out",
    "distributed": "when the weights are handed out",
}
_TRIGGERED_BY: Mapping[When, tuple[str, ...]] = {
    "always": RELEASES,
    "offered": ("service", "weights"),
    "distributed": ("weights",),
}
_HOW_SURE: Mapping[str, str] = {
    "S": " (Clause as others quote it; the text itself was not read.)",
    "R": " (From memory; not checked against the text.)",
}


@dataclass(frozen=True)
class Due:
    """An obligation that this plan triggers. ``source`` is the JSON's ``from``."""

    kind: str
    text: str
    when: str
    source: str

    def to_json(self) -> dict[str, str]:
        return {"kind": self.kind, "text": self.text, "when": self.when, "from": self.source}


@dataclass(frozen=True)
class Decision:
    """A verdict, with what must be done under it and what is missing for a better one."""

    verdict: Verdict
    obligations: tuple[Due, ...]
    missing: tuple[str, ...]

    def to_json(self) -> dict[str, Any]:
        """The object that ``inbond check --json`` prints."""
        return {
            **self.verdict.to_json(),
            "obligations": [due.to_json() for due in self.obligations],
            "missing": list(self.missing),
        }


@dataclass(frozen=True)
class _Judgement:
    """What one source says about one edge. ``known`` is false when its terms were not found."""

    outcome: Outcome
    reasons: tuple[Reason, ...] = ()
    obligations: tuple[Due, ...] = ()
    missing: tuple[str, ...] = ()
    known: bool = True


@dataclass(frozen=True)
class _Question:
    """Whose terms are read, on which edge and topic, and how we know that they apply."""

    subject: str
    edge: EdgeKind
    topic: Topic
    rule: str
    how: str


def decide(facts: Facts, catalogue: Catalogue) -> Decision:
    """Judges a plan. The same facts and catalogue always give the same decision; never raises."""
    judged = _all_of(
        [
            *_judge_vocabulary(facts),
            *_judge_weights_edge(facts, catalogue),
            *_judge_outputs_edge(facts, catalogue),
            *_judge_data(facts, catalogue),
        ]
    )
    decider = f"inbond.policy/{VERSION}, terms {catalogue.digest}"
    verdict = Verdict(judged.outcome, judged.reasons, facts.digest, decider)
    return Decision(verdict, judged.obligations, judged.missing)


def _judge_vocabulary(facts: Facts) -> list[_Judgement]:
    """A value that these rules do not know is a review, not a crash and not a default."""
    said = (
        ("use", facts.use, USES),
        ("release", facts.release, RELEASES),
        ("competes", facts.competes, COMPETES),
    )
    return [
        _unknown(
            "outputs",
            "unrecognised-fact",
            f"The fact {name} is {value!r}, which these rules do not know.",
            f"{name}: one of {', '.join(allowed)}",
        )
        for name, value, allowed in said
        if value not in allowed
    ]


def _judge_weights_edge(facts: Facts, catalogue: Catalogue) -> list[_Judgement]:
    start = facts.weights if facts.base_is_teacher else facts.base
    if start is None:
        return []
    return _judge_artifact(start, "weights", "derived_weights", "weights-licence", facts, catalogue)


def _judge_outputs_edge(facts: Facts, catalogue: Catalogue) -> list[_Judgement]:
    if not facts.outputs_used:
        return []
    judged = _judge_artifact(facts.weights, "outputs", "outputs", "weights-licence", facts, catalogue)
    if facts.channel != SELF_HOSTED:
        judged.append(_judge_channel(facts, catalogue))
    return judged


def _judge_channel(facts: Facts, catalogue: Catalogue) -> _Judgement:
    host = facts.channel
    if facts.host_terms is None:
        return _unknown(
            "outputs",
            "channel-terms",
            f"The teacher is reached through {host}, and the terms of that host are not known.",
            f"the terms of {host}; if the weights run on your own machine, say --channel {SELF_HOSTED}",
        )
    question = _Question(
        host, "outputs", "outputs", "channel-terms", f"{host} puts its terms on all it serves"
    )
    return _judge_terms(facts.host_terms, "service", question, facts, catalogue)


def _judge_data(facts: Facts, catalogue: Catalogue) -> list[_Judgement]:
    judged = []
    for item in facts.data:
        found = LicenceFinding(
            item.uri, item.licence, "declared" if item.licence else "none", "as the plan says"
        )
        judged += _judge_artifact(found, "outputs", "training_data", "data-licence", facts, catalogue)
    return judged


def _judge_artifact(
    found: LicenceFinding, edge: EdgeKind, topic: Topic, rule: str, facts: Facts, catalogue: Catalogue
) -> list[_Judgement]:
    """An artifact's own licence, and those of all weights that it is declared to descend from."""
    question = _Question(
        found.subject, edge, topic, rule, f"{_EVIDENCE_TEXT[found.evidence]}: {found.source}"
    )
    expression = parse(found.licence) if found.licence is not None and found.evidence != "none" else None
    if expression is None:
        said = f"{found.licence!r} is not a licence expression" if found.licence else found.source
        own = _unknown(
            edge,
            rule,
            f"The licence of {found.subject} is not known: {said}.",
            f"a licence for {found.subject} that its files or its exact name declare",
        )
    else:
        own = _judge_expression(expression, question, facts, catalogue)
    bases = (_judge_artifact(base, edge, topic, rule, facts, catalogue) for base in found.bases)
    return [own, *(judgement for group in bases for judgement in group)]


_EVIDENCE_TEXT: Mapping[str, str] = {
    "digest": "by its file's digest",
    "declared": "declared",
    "none": "not known",
}


def _judge_expression(
    expression: Expression, question: _Question, facts: Facts, catalogue: Catalogue
) -> _Judgement:
    """AND: all apply. OR: the mildest stands, but only when every option is a text we know."""
    if isinstance(expression, str):
        return _judge_terms(expression, "licence", question, facts, catalogue)
    parts = [_judge_expression(part, question, facts, catalogue) for part in expression.parts]
    if isinstance(expression, AllOf):
        return _all_of(parts)
    assert isinstance(expression, AnyOf)
    if not all(part.known for part in parts):
        return _all_of([part for part in parts if not part.known])
    return min(parts, key=lambda part: (OUTCOMES.index(part.outcome), len(part.obligations)))


def _judge_terms(id_: str, kind: str, question: _Question, facts: Facts, catalogue: Catalogue) -> _Judgement:
    terms = catalogue.get(id_)
    subject, edge = question.subject, question.edge
    if terms is None or terms.kind != kind:
        what = "has no terms for" if terms is None else f"knows only as a {terms.kind}'s terms"
        return _unknown(
            edge,
            question.rule,
            f"{subject} is under {id_} ({question.how}), a text that Inbond {what}.",
            f"a reading of {id_}: a terms file for it, or a person's decision",
        )
    position = terms.position(question.topic)
    if position is None:
        return _unknown(
            edge,
            question.rule,
            f"{subject} is under {id_} ({question.how}); what that text says of "
            f"{_TOPIC_TEXT[question.topic]} has not been read.",
            f"a reading of {id_} on {_TOPIC_TEXT[question.topic]}",
        )
    if _too_early(facts.date, terms):
        return _unknown(
            edge,
            question.rule,
            f"{subject} is under {id_}, in force from {terms.effective}; the plan's date is {facts.date!r}.",
            "a date (YYYY-MM-DD) on which these terms are in force, or the terms in force on that date",
        )
    return _judge_position(terms, position, question, facts)


_TOPIC_TEXT: Mapping[Topic, str] = {
    "outputs": "training on outputs",
    "derived_weights": "weights made from these weights",
    "training_data": "training on the text",
}


def _too_early(plan: str | None, terms: Terms) -> bool:
    """Also true for a date that cannot be read."""
    if plan is None:
        return False
    try:
        day = date.fromisoformat(plan)
    except ValueError:
        return True
    return terms.effective is not None and day < terms.effective


def _judge_position(terms: Terms, position: Position, question: _Question, facts: Facts) -> _Judgement:
    due = tuple(
        Due(item.kind, item.text, _WHEN_TEXT[item.when], f"{terms.id} {item.clause}, for {question.subject}")
        for item in position.obligations
        if facts.release in _TRIGGERED_BY[item.when]
    )
    outcome, consequence, missing = weigh(position, facts, anything_due=bool(due))
    finding = f"{question.subject} is under {terms.id} ({question.how}). {position.finding} {consequence}"
    finding += _HOW_SURE.get(terms.evidence, "") + (_settle(missing) if missing else "")
    detail = {
        "stance": position.stance,
        "edge": question.edge,
        "clause": position.clause,
        "version": terms.version,
        "read_on": terms.read_on.isoformat(),
        "evidence": terms.evidence,
    }
    reason = Reason(question.rule, finding, terms.id, detail)
    return _Judgement(outcome, (reason,), due, missing)


def _all_of(parts: Sequence[_Judgement]) -> _Judgement:
    """All apply: the worst outcome, and every reason, obligation and gap once."""
    if not parts:
        return _unknown(
            "outputs",
            "nothing-to-judge",
            "The plan names no weights, no outputs and no data to make the student from.",
            "what the student is made from",
        )
    return _Judgement(
        max((part.outcome for part in parts), key=OUTCOMES.index),
        _once(reason for part in parts for reason in part.reasons),
        _once(due for part in parts for due in part.obligations),
        _once(item for part in parts for item in part.missing),
        all(part.known for part in parts),
    )


def _settle(missing: Sequence[str]) -> str:
    return f" To settle it: {'; '.join(missing)}."


def _once(items: Iterable[_Item]) -> tuple[_Item, ...]:
    kept: list[_Item] = []
    for item in items:
        if item not in kept:
            kept.append(item)
    return tuple(kept)


def _unknown(edge: EdgeKind, rule: str, finding: str, settles: str) -> _Judgement:
    """The default: a review that says what is unknown and what would settle it."""
    detail = {
        "stance": "unclear",
        "edge": edge,
        "clause": None,
        "version": None,
        "read_on": None,
        "evidence": None,
    }
    reason = Reason(rule, finding + _settle((settles,)), "nothing on file", detail)
    return _Judgement("review", (reason,), (), (settles,), known=False)
