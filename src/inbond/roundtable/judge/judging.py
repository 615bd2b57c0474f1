"""What judges' replies come to: votes, tallies, margins. Pure.

Each judge is asked by each principle which answer follows it better, in both orders. A judge that says the
same of an answer wherever it stands has voted; one that does not has shown that it goes by the place, and
abstains there (Zheng et al., arXiv:2306.05685, section 3.4). A judge of a candidate's family is not asked.
Nothing is guessed: a reply that is no verdict is a vote that is missing, and is kept as what it was.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, Literal, final

from inbond.roundtable.judge.constitution import Constitution
from inbond.roundtable.judge.pairs import Pair, Side

Order = Literal["ab", "ba"]
"""Which answer is shown first."""
ORDERS: Final[tuple[Order, Order]] = ("ab", "ba")
Value = Literal["a", "b", "equal"]
HeardStatus = Literal["said", "refused", "invalid", "error"]
VoteStatus = Literal["voted", "inconsistent", "refused", "invalid", "error", "own-family"]
VOTE_STATUSES: Final[tuple[VoteStatus, ...]] = VoteStatus.__args__  # type: ignore[attr-defined]
_WORST: Final[tuple[HeardStatus, ...]] = ("error", "invalid", "refused")
_ZERO: Final = 1e-9
"""Margins of floats below this are a tie: weights such as .1 + .2 - .3 leave crumbs."""


@final
@dataclass(frozen=True)
class Heard:
    """One reply: ``value`` is the side that it prefers, whatever place that had; None where it says none, and
    then ``why`` says what it was. ``path`` is the form that it came in, ``raw`` its text."""

    status: HeardStatus
    value: Value | None = None
    why: str = ""
    path: str = ""
    reason: str = ""
    raw: str = ""

    def to_json(self) -> dict[str, Any]:
        return {
            "status": self.status, "value": self.value, "why": self.why, "path": self.path,
            "reason": self.reason, "raw": self.raw,
        }  # fmt: skip


@final
@dataclass(frozen=True)
class Vote:
    """One judge on one pair by one principle. ``value`` is there when it voted (``equal`` is a vote, too);
    ``heard`` has both replies by order, none where it was not asked."""

    judge: str
    principle: str
    status: VoteStatus
    value: Value | None
    why: str
    heard: Mapping[Order, Heard]

    def to_json(self) -> dict[str, Any]:
        return {
            "judge": self.judge,
            "principle": self.principle,
            "status": self.status,
            "value": self.value,
            "why": self.why,
            "heard": {order: heard.to_json() for order, heard in self.heard.items()},
        }


@final
@dataclass(frozen=True)
class Tally:
    """The votes on one pair by one principle; or by all, each vote as many as its principle weighs. ``asked``
    are the judges that were asked; those of them that are in none of the other counts abstained or failed."""

    asked: float
    a: float
    b: float
    equal: float

    @property
    def cast(self) -> float:
        return self.a + self.b + self.equal

    @property
    def margin(self) -> float | None:
        """For a, from -1 to 1, of the judges asked: who abstains counts for neither. None: nobody was."""
        return (self.a - self.b) / self.asked if self.asked else None

    @property
    def soft(self) -> float | None:
        """The share of votes cast that are for a, an ``equal`` half; None when there are none."""
        return (self.a + self.equal / 2) / self.cast if self.cast else None

    def to_json(self) -> dict[str, Any]:
        return {
            "asked": self.asked, "a": self.a, "b": self.b, "equal": self.equal,
            "margin": self.margin, "soft": self.soft,
        }  # fmt: skip


@final
@dataclass(frozen=True)
class Judgement:
    """What the judges make of one pair. ``margin`` and ``soft`` are both of the same votes, those of all
    principles together by weight, so they never favour different sides; ``chosen`` is the side with the
    positive margin, None for a tie or no votes."""

    pair: Pair
    votes: tuple[Vote, ...]
    tallies: Mapping[str, Tally]
    margin: float | None
    soft: float | None

    @property
    def chosen(self) -> Side | None:
        return side_of(self.margin)


def side_of(margin: float | None) -> Side | None:
    """The side that a margin is for; None for neither."""
    if margin is None or abs(margin) < _ZERO:
        return None
    return "a" if margin > 0 else "b"


def mirrored(value: Value) -> Value:
    """What a value is called with the sides exchanged."""
    return {"a": "b", "b": "a", "equal": "equal"}[value]  # type: ignore[return-value]


def vote(judge: str, principle: str, heard: Mapping[Order, Heard]) -> Vote:
    """A vote from the replies in both orders, or in the one that was asked."""
    for status in _WORST:
        for order in heard:
            if heard[order].status == status:
                why = f"{order}: {heard[order].why}"
                return Vote(judge, principle, status, None, why, heard)  # type: ignore[arg-type]
    first, second = heard[min(heard)], heard[max(heard)]
    if first.value != second.value:
        why = f"{_words(first.value)} when a came first, {_words(second.value)} when b came first"
        return Vote(judge, principle, "inconsistent", None, why, heard)
    return Vote(judge, principle, "voted", first.value, "", heard)


def excluded(judge: str, principle: str, families: Sequence[str]) -> Vote:
    """The place of a vote that was not asked for: the judge is of a candidate's family."""
    why = f"a candidate is of its own family ({', '.join(sorted(families))})"
    return Vote(judge, principle, "own-family", None, why, {})


def judged(pair: Pair, votes: Sequence[Vote], constitution: Constitution) -> Judgement:
    """The judgement on one pair from all votes on it."""
    tallies = {
        principle.id: _tally([each for each in votes if each.principle == principle.id])
        for principle in constitution.principles
    }
    pooled = _pooled(tallies, {principle.id: principle.weight for principle in constitution.principles})
    return Judgement(pair, tuple(votes), tallies, pooled.margin, pooled.soft)


def _tally(votes: Sequence[Vote]) -> Tally:
    values = [each.value for each in votes]
    asked = sum(each.status != "own-family" for each in votes)
    return Tally(asked, values.count("a"), values.count("b"), values.count("equal"))


def _pooled(tallies: Mapping[str, Tally], weights: Mapping[str, float]) -> Tally:
    """All votes together, each as many as its principle weighs."""

    def whole(counts: Mapping[str, float]) -> float:
        return math.fsum(weights[id_] * count for id_, count in counts.items())

    return Tally(
        whole({id_: tally.asked for id_, tally in tallies.items()}),
        whole({id_: tally.a for id_, tally in tallies.items()}),
        whole({id_: tally.b for id_, tally in tallies.items()}),
        whole({id_: tally.equal for id_, tally in tallies.items()}),
    )


def _words(value: Value | None) -> str:
    return "neither" if value == "equal" else f"for {value}"
