"""The schema of a terms file: what a text is, and what it says, as typed values.

A text speaks of up to three things (``Topic``). On each it takes a stance, cites a clause, and may ask
for obligations; an exception is another reading that stands where the plan fits it.
"""

from __future__ import annotations

from typing import Annotated, Literal, get_args

from pydantic import Field, StringConstraints

from inbond.policy.facts import Competes, Release, StudentKind, Topic, Use
from inbond.policy.obligations import Obligation, PassThrough, Text
from inbond.policy.strict import Day, Strict

Stance = Literal[
    "express", "silent", "unclear", "conditional", "competing-only", "non-commercial", "prohibited"
]

TOPICS: tuple[Topic, ...] = get_args(Topic)

_Hash = Annotated[str, StringConstraints(pattern=r"^sha256:[0-9a-f]{64}$")]


class Clause(Strict):
    """A clause's number and a short paraphrase in our words. Where its number is not known the label
    says so (``as summarised``); a number is never guessed."""

    number: Text
    paraphrase: Text


class Reading(Strict):
    """What a text says; ``finding`` is the sentence that a verdict prints."""

    stance: Stance
    clause: Text
    finding: Text
    obligations: tuple[Obligation, ...] = ()

    @property
    def outgoing(self) -> Literal["any", "restrictions", "same"]:
        """Which licences a student that is handed out may get: any, any that carries this text's use
        restrictions, or this text's own."""
        passed = {item.what for item in self.obligations if isinstance(item, PassThrough)}
        if "licence" in passed:
            return "same"
        return "restrictions" if "use-restrictions" in passed else "any"

    @property
    def passes_on(self) -> bool:
        """Whether it binds whoever receives what was made under it, and so whoever makes more of that."""
        return self.outgoing != "any"


class Exemption(Reading):
    """What the text says instead where the plan fits every list that is given: the student's weights
    start from weights under one of ``based_on``; its kind, its use, its release and what is said of its
    competing are among these."""

    based_on: tuple[Text, ...] = ()
    kinds: tuple[StudentKind, ...] = ()
    uses: tuple[Use, ...] = ()
    releases: tuple[Release, ...] = ()
    competes: tuple[Competes, ...] = ()


class Position(Reading):
    """What a text says about one topic. The first of ``exceptions`` that fits the plan stands instead."""

    exceptions: tuple[Exemption, ...] = ()


class Terms(Strict):
    """One text: a licence, or a service's terms. ``names`` are what model cards call it; ``provider`` is
    who grants it, where that is always the same. ``evidence``: F the text itself was read, D an excerpt
    of the primary page, S quoted by ``quoted_by`` others, R recalled. ``text_digest`` is that of the
    text where we held it, ``text_at`` where that was. ``replaces`` is the id of the text that was in force
    until this one was ``effective``. ``unread``: there is no text behind this, or nobody has read it; so no
    agreement stands in for it."""

    id: Text
    kind: Literal["licence", "service"]
    title: Text
    version: Text
    names: tuple[Text, ...] = ()
    provider: Text | None = None
    effective: Day | None = None
    read_on: Day
    evidence: Literal["F", "D", "S", "R"]
    quoted_by: Annotated[int, Field(ge=1)] | None = None
    source: Text
    text_digest: _Hash | None = None
    text_at: Text | None = None
    replaces: Text | None = None
    unread: bool = False
    clauses: tuple[Clause, ...]
    outputs: Position | None = None
    derived_weights: Position | None = None
    training_data: Position | None = None

    def position(self, topic: Topic) -> Position | None:
        found: Position | None = getattr(self, topic)
        return found
