"""The gate: facts and terms in, a verdict out. Pure, and never permits by default.

Both edges are judged. ``weights``: when the student starts from the teacher's or another model's
weights, what their licence says of derived weights. ``outputs``: when what the teacher says is
trained on, what its weights' licence says of outputs, and what its host's terms say. Data that the
student is trained on is judged on the outputs edge too, and so is what all these descend from, as far as
their lineage is known; then whether one licence can carry what all of them ask of a student that is
handed out. The worst finding decides: deny, review,
permit-with-obligations, permit. Whatever is not recognised is a review that names it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from inbond.policy.applying import judge_terms
from inbond.policy.facts import (
    COMPETES,
    KINDS,
    RELEASES,
    SELF_HOSTED,
    USES,
    Descent,
    Facts,
    LicenceFinding,
    Topic,
)
from inbond.policy.judgement import Due, Judgement, Question, all_of, any_of, judge_outgoing, unknown
from inbond.policy.licences import AllOf, Expression, parse
from inbond.policy.places import COUNTRIES
from inbond.policy.terms import Catalogue
from inbond.types import EdgeKind, Verdict

VERSION = 4


@dataclass(frozen=True)
class Decision:
    """A verdict, with what must be done under it and what is missing for a better one. ``bound_by`` are the
    texts that bind the student's own licence: it may not say less than they do."""

    verdict: Verdict
    obligations: tuple[Due, ...]
    missing: tuple[str, ...]
    bound_by: tuple[str, ...] = ()

    def to_json(self) -> dict[str, Any]:
        """The object that ``inbond check --json`` prints."""
        return {
            **self.verdict.to_json(),
            "obligations": [due.to_json() for due in self.obligations],
            "missing": list(self.missing),
            "bound_by": list(self.bound_by),
        }


def decide(facts: Facts, catalogue: Catalogue) -> Decision:
    """Judges a plan. The same facts and catalogue always give the same decision; never raises for
    facts of the types that they declare, whatever the values."""
    sources = all_of(
        [
            *_judge_vocabulary(facts),
            *_judge_weights_edge(facts, catalogue),
            *_judge_outputs_edge(facts, catalogue),
            *_judge_beside(facts, catalogue),
            *_judge_reasoning(facts),
            *_judge_data(facts, catalogue),
            *_judge_descent(facts, catalogue),
        ]
    )
    handed_out = facts.release == "weights"
    judged = all_of([sources, *(judge_outgoing(sources.bounds) if handed_out else ())])
    decider = f"inbond.policy/{VERSION}, terms {catalogue.digest}"
    verdict = Verdict(judged.outcome, judged.reasons, facts.digest, decider)
    bound_by = tuple(dict.fromkeys(bound.terms for bound in sources.bounds))
    return Decision(verdict, judged.obligations, judged.missing, bound_by)


def _judge_vocabulary(facts: Facts) -> list[Judgement]:
    """A value that these rules do not know is a review, not a crash and not a default."""
    said = (
        ("use", facts.use, USES),
        ("release", facts.release, RELEASES),
        ("competes", facts.competes, COMPETES),
        ("kind", facts.kind, KINDS),
    )
    strange: list[tuple[str, str, str]] = [
        (name, value, f"one of {', '.join(allowed)}") for name, value, allowed in said if value not in allowed
    ]
    if facts.territory is not None and facts.territory not in COUNTRIES:
        strange.append(("territory", facts.territory, "an ISO 3166-1 code of two letters, such as JP"))
    strange += [
        (name, repr(value), "a number that is not negative")
        for name, value in (("mau", facts.mau), ("revenue_usd", facts.revenue_usd))
        if value is not None and not value >= 0
    ]
    return [
        unknown(
            "outputs",
            "unrecognised-fact",
            f"The fact {name} is {value!r}, which these rules do not know.",
            f"{name}: {wanted}",
        )
        for name, value, wanted in strange
    ]


def _judge_weights_edge(facts: Facts, catalogue: Catalogue) -> list[Judgement]:
    if facts.start is None:
        return []
    return _judge_artifact(facts.start, "weights", "derived_weights", "weights-licence", facts, catalogue)


def _judge_outputs_edge(facts: Facts, catalogue: Catalogue) -> list[Judgement]:
    if not facts.outputs_used:
        return []
    channel = [] if facts.channel == SELF_HOSTED else [_judge_channel(facts, catalogue)]
    if channel and _host_is_the_whole_story(facts):
        return channel
    weights = _judge_artifact(facts.weights, "outputs", "outputs", "weights-licence", facts, catalogue)
    return [*weights, *channel]


def _judge_beside(facts: Facts, catalogue: Catalogue) -> list[Judgement]:
    """Each further teacher as if it were the only one."""
    return [
        judged
        for each in facts.beside
        for judged in _judge_outputs_edge(
            replace(
                facts, teacher=each.teacher, weights=each.weights, channel=each.channel,
                host_terms=each.host_terms, host_models=each.host_models, beside=(),
            ),
            catalogue,
        )
    ]  # fmt: skip


def _judge_reasoning(facts: Facts) -> list[Judgement]:
    """No text on file speaks of training on reasoning that a host shows beside its answers: always a review.
    What weights that run on one's own machine write between tags is output as any other."""
    channels = (facts.channel, *(each.channel for each in facts.beside)) if facts.reasoning else ()
    return [
        unknown(
            "outputs",
            "reasoning",
            f"What {host} shows of its models' reasoning would be trained on; no text on file says whether "
            "that is allowed.",
            f"what the terms of {host} say of training on reasoning; or leave it out (reasoning: drop)",
        )
        for host in dict.fromkeys(channels)
        if host != SELF_HOSTED
    ]


def _host_is_the_whole_story(facts: Facts) -> bool:
    """A host that serves its provider's own models alone, under a name that tells no weights: what the
    host's terms say is all there is. Weights that are known are judged too."""
    unnamed = (
        facts.teacher.startswith("api:") and facts.weights.evidence == "none" and not facts.weights.bases
    )
    return unnamed and facts.host_models == "own" and facts.host_terms is not None


def _judge_channel(facts: Facts, catalogue: Catalogue) -> Judgement:
    host = facts.channel
    if facts.host_terms is None:
        return unknown(
            "outputs",
            "channel-terms",
            f"The teacher is reached through {host}, and the terms of that host are not known.",
            f"the terms of {host}; if the weights run on your own machine, say --channel {SELF_HOSTED}",
        )
    how = f"{host} puts its terms on all it serves"
    question = Question(host, facts.teacher, "outputs", "outputs", "channel-terms", how)
    return judge_terms(facts.host_terms, "service", question, facts, catalogue)


def _judge_data(facts: Facts, catalogue: Catalogue) -> list[Judgement]:
    judged = []
    for item in facts.data:
        found = LicenceFinding(
            item.uri, item.licence, "declared" if item.licence else "none", "as the plan says"
        )
        judged += _judge_artifact(found, "outputs", "training_data", "data-licence", facts, catalogue)
    return judged


def _judge_descent(facts: Facts, catalogue: Catalogue) -> list[Judgement]:
    """What is behind the sources, where it asks for something; what asks for nothing is not listed."""
    judged = []
    for item in facts.descent:
        edge: EdgeKind = "weights" if item.topic == "derived_weights" else "outputs"
        judged += _judge_artifact(item.found, edge, item.topic, "lineage", facts, catalogue, item)
        name = item.found.subject
        how = f"a host through which {name} was asked, which {item.through} descends from"
        question = Question(name, name, edge, item.topic, "lineage", how, reach=item.reach)
        judged += [judge_terms(id_, "service", question, facts, catalogue) for id_ in item.services]
    return [each for each in judged if each.outcome != "permit"]


_EVIDENCE_TEXT: Mapping[str, str] = {
    "digest": "by its file's digest",
    "declared": "declared",
    "none": "not known",
}


def _judge_artifact(
    found: LicenceFinding,
    edge: EdgeKind,
    topic: Topic,
    rule: str,
    facts: Facts,
    catalogue: Catalogue,
    descent: Descent | None = None,
) -> list[Judgement]:
    """An artifact's own licence, and those of all weights that it is declared to descend from. ``descent``
    says how it is behind a source of the plan; None for a source itself."""
    expression = parse(found.licence) if found.licence is not None and found.evidence != "none" else None
    if expression is None:
        said = f"{found.licence!r} is not a licence expression" if found.licence else found.source
        own = unknown(
            edge,
            rule,
            f"The licence of {found.subject} is not known: {said}.",
            f"a licence for {found.subject} that its files or its exact name declare",
        )
    else:
        how = f"{_EVIDENCE_TEXT[found.evidence]}: {found.source}"
        how += f"; {descent.through} descends from it" if descent else ""
        sole = isinstance(expression, str) and (topic != "outputs" or facts.channel == SELF_HOSTED)
        reach = descent.reach if descent else "direct"
        question = Question(found.subject, found.subject, edge, topic, rule, how, found.modality, sole, reach)
        own = _judge_expression(expression, question, facts, catalogue)
    bases = (_judge_artifact(base, edge, topic, rule, facts, catalogue) for base in found.bases)
    return [own, *(judgement for group in bases for judgement in group)]


def _judge_expression(
    expression: Expression, question: Question, facts: Facts, catalogue: Catalogue
) -> Judgement:
    """AND: all apply. OR: the mildest stands, but only when every option is a text we know."""
    if isinstance(expression, str):
        return judge_terms(expression, "licence", question, facts, catalogue)
    parts = [_judge_expression(part, question, facts, catalogue) for part in expression.parts]
    return all_of(parts) if isinstance(expression, AllOf) else any_of(parts)
