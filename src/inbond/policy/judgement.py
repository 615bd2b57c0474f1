"""What one source says about one edge of a plan, and how several are put together. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from inbond.policy.facts import Modality, Reach, Topic
from inbond.policy.outgoing import Bound, conflicts
from inbond.policy.stances import OUTCOMES, Outcome
from inbond.types import EdgeKind, Reason

_NO_DETAIL: Mapping[str, str | None] = {
    "stance": "unclear",
    "edge": None,
    "clause": None,
    "paraphrase": None,
    "version": None,
    "read_on": None,
    "evidence": None,
}


@dataclass(frozen=True)
class Due:
    """An obligation that this plan triggers. ``source`` is the text and its clause, ``because`` the model or
    data that is under it."""

    kind: str
    text: str
    when: str
    source: str
    because: str

    def to_json(self) -> dict[str, str]:
        return {
            "kind": self.kind,
            "text": self.text,
            "when": self.when,
            "from": self.source,
            "because": self.because,
        }


@dataclass(frozen=True)
class Judgement:
    """What one source says about one edge. ``known`` is false when its terms were not found; ``bounds`` are
    what it asks of the licence under which the student is handed out."""

    outcome: Outcome
    reasons: tuple[Reason, ...] = ()
    obligations: tuple[Due, ...] = ()
    missing: tuple[str, ...] = ()
    known: bool = True
    bounds: tuple[Bound, ...] = ()


@dataclass(frozen=True)
class Question:
    """Whose terms are read, on which edge and topic, and how we know that they apply.

    ``subject`` is what the sentence names, ``artifact`` the model or data that an agreement would have
    to name. ``sole``: no other text grants the same thing, so an agreement needs not name this one.
    ``reach`` is indirect where a model that learnt from the subject lies between it and the plan.
    """

    subject: str
    artifact: str
    edge: EdgeKind
    topic: Topic
    rule: str
    how: str
    modality: Modality | None = None
    sole: bool = True
    reach: Reach = "direct"


def all_of(parts: Sequence[Judgement]) -> Judgement:
    """All apply: the worst outcome, and every reason, obligation and gap once."""
    if not parts:
        return unknown(
            "outputs",
            "nothing-to-judge",
            "The plan names no weights, no outputs and no data to make the student from.",
            "what the student is made from",
        )
    return Judgement(
        max((part.outcome for part in parts), key=OUTCOMES.index),
        _once(reason for part in parts for reason in part.reasons),
        tuple(dict.fromkeys(due for part in parts for due in part.obligations)),
        tuple(dict.fromkeys(item for part in parts for item in part.missing)),
        all(part.known for part in parts),
        tuple(dict.fromkeys(bound for part in parts for bound in part.bounds)),
    )


def any_of(parts: Sequence[Judgement]) -> Judgement:
    """A choice: the mildest stands, but only when every option is a text we know."""
    if not all(part.known for part in parts):
        return all_of([part for part in parts if not part.known])
    return min(parts, key=lambda part: (OUTCOMES.index(part.outcome), len(part.obligations)))


def judge_outgoing(bounds: Sequence[Bound]) -> list[Judgement]:
    """A review for each two texts that cannot share the student's licence."""
    judged = []
    for conflict in conflicts(bounds):
        settles = (
            "leave one of the two out, hand no weights out, or have a person find a licence that does both"
        )
        detail = {**_NO_DETAIL, "edge": "outputs"}
        reason = Reason(
            "outgoing-licence",
            conflict.sentence + settle((settles,)),
            f"{conflict.first.terms} and {conflict.second.terms}",
            detail,
        )
        judged.append(Judgement("review", (reason,), (), (settles,)))
    return judged


def unknown(edge: EdgeKind, rule: str, finding: str, settles: str) -> Judgement:
    """The default: a review that says what is unknown and what would settle it."""
    detail = {**_NO_DETAIL, "edge": edge}
    reason = Reason(rule, finding + settle((settles,)), "nothing on file", detail)
    return Judgement("review", (reason,), (), (settles,), known=False)


def settle(missing: Sequence[str]) -> str:
    """The sentence that says what would settle a question; none where nothing is missing."""
    return f" To settle it: {'; '.join(missing)}." if missing else ""


def _once(reasons: Iterable[Reason]) -> tuple[Reason, ...]:
    """Each once, in order; a reason holds a mapping, and so cannot be a key."""
    kept: list[Reason] = []
    for reason in reasons:
        if reason not in kept:
            kept.append(reason)
    return tuple(kept)
