"""A world in which the truth is known: how right seats are, how far they err together, how far they follow.

Every item has two options, one of them true. A model holds a belief about an item, and each of its draws
repeats it with chance sqrt(``own``), so that two draws of one model correlate by ``own``; beliefs of two
models come from one source with a chance such that two seats' votes correlate by ``correlation``. All are
right with chance ``competence``. So a panel's votes are better than as many draws of one seat by as much as
``own`` exceeds ``correlation``. ``own`` is an assumption, as is all of a world.

In the second round a seat that sees a larger side than its own goes there with chance ``conformity`` and says
nothing for it, or, one time in three, quotes words that nobody said. Else it adopts, with chance ``moved``, a
claim of somebody who voted otherwise, right or wrong, and quotes it; ``merit`` is how much likelier that is
where the claim is right, so that without it talk is noise. A seat may fail in any round.

``outcome`` says what such a session must come to, from the world alone; ``Voter`` answers for a seat from
nothing but the request that it is sent. That the two agree is what is checked. Pure, seeded.
"""

from __future__ import annotations

import json
import math
import random
import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final, Literal

from inbond.roundtable.question import Question
from inbond.teachers.protocols import Request
from inbond.teachers.scripted import Answer, failure

LABELS: Final = ("Holds", "Does not hold")
Failing = Literal["abstained", "refused", "error", "invalid"]
FAILINGS: Final[tuple[Failing, ...]] = ("abstained", "refused", "error", "invalid")
_FORGED: Final = 1 / 3
_THOUGHT: Final = "I have weighed what the statement says against what I know of such matters, step by step. "


@dataclass(frozen=True)
class World:
    """Chances from 0 to 1; ``correlation`` is at most ``own``. ``failing`` is for each seat in each round."""

    competence: float
    correlation: float
    conformity: float
    seats: int = 5
    own: float = 0.7
    moved: float = 0.1
    merit: float = 0.0
    failing: float = 0.04
    seed: int = 0

    def __post_init__(self) -> None:
        assert self.correlation <= self.own, "models are at most as alike as the draws of one"

    def names(self) -> tuple[str, ...]:
        return tuple(f"seat-{number + 1}" for number in range(self.seats))

    def question(self, item: int) -> Question:
        text = f"Statement {item} of list {self.seed}: does it hold?"
        return Question.make(text, LABELS, "en")

    def truth(self, item: int) -> str:
        """The label that is right."""
        return self._chance(item, "truth").choice(LABELS)

    def belief(self, item: int, seat: int, draw: int) -> str:
        """The label that a seat would vote for in one draw; its first vote is draw 0."""
        source: tuple[Any, ...] = (item, seat, draw)
        if self._chance(*source, "repeats").random() < math.sqrt(self.own):
            source = (item, seat)
            if self._chance(*source, "shares").random() < math.sqrt(self.correlation / self.own):
                source = (item,)
        right = self._chance(*source, "knows").random() < self.competence
        return self.truth(item) if right else other(self.truth(item))

    def fails(self, item: int, seat: int, round_: int, draw: int = 0) -> Failing | None:
        """How a seat fails in a round, if it does. Who fails in the second round does not abstain there: that
        would be a change of its vote."""
        chance = self._chance(item, seat, draw, "fails", round_)
        if chance.random() >= self.failing:
            return None
        return chance.choice(FAILINGS if round_ == 1 else FAILINGS[1:])

    def moves(self, item: int, seat: int, own: str | None, seen: Sequence[str | None]) -> Move:
        """What a seat does in the second round that voted ``own`` and sees these votes of others."""
        chance = self._chance(item, seat, "moves")
        follows, forges, adopts, which = (chance.random() for _ in range(4))
        if own is None:
            return Move(own)
        votes = Counter(vote for vote in (own, *seen) if vote is not None)
        against = [place for place, vote in enumerate(seen) if vote == other(own)]
        if votes[other(own)] > votes[own] and follows < self.conformity:
            return Move(other(own), forged=against[0] if forges < _FORGED else None)
        if against and adopts < self.moved + self.merit * (other(own) == self.truth(item)):
            return Move(other(own), by=against[int(which * len(against))])
        return Move(own)

    def _chance(self, *about: Any) -> random.Random:
        return random.Random(repr((self.seed, *about)))


@dataclass(frozen=True)
class Move:
    """A second vote. ``by`` is the place, among the answers seen, of the claim that it quotes rightly;
    ``forged`` that of one to which it ascribes words that are not there."""

    vote: str | None
    by: int | None = None
    forged: int | None = None


def other(label: str) -> str:
    """The other one of the two."""
    return LABELS[1 - LABELS.index(label)]


def claim(label: str, seat: int) -> str:
    """What a seat says for a label: words of its own."""
    return f"By my reckoning number {seat + 1} in the list of reasons, the statement {label.lower()}."


# What must come of it --------------------------------------------------------------------------------


@dataclass(frozen=True)
class Truth:
    """What a session must come to. Votes are labels; ``points`` are (seat, was, now, by whom, bandwagon)."""

    first: Mapping[str, str | None]
    last: Mapping[str, str | None]
    status: Mapping[str, str]
    rounds: int
    outcome: str
    winner: str | None
    points: frozenset[tuple[str, str, str, str | None, bool]] = field(default_factory=frozenset)


def outcome(world: World, item: int) -> Truth:
    """From the world alone: nothing of the roundtable's code is asked."""
    names = world.names()
    failed = {name: world.fails(item, seat, 1) for seat, name in enumerate(names)}
    first = {name: None if failed[name] else world.belief(item, seat, 0) for seat, name in enumerate(names)}
    status = {name: failed[name] or "voted" for name in names}
    votes = [vote for vote in first.values() if vote is not None]
    if len(votes) < 2 or len(set(votes)) == 1:
        return Truth(first, first, status, 1, *counted(first))
    last, points = dict(first), set()
    for seat, name in enumerate(names):
        if status[name] not in ("voted", "abstained"):
            continue
        if (why := world.fails(item, seat, 2)) is not None:
            last[name], status[name] = None, why
            continue
        around = [names[(seat + step) % len(names)] for step in range(1, len(names))]
        shown = [each for each in around if failed[each] in (None, "abstained")]
        move = world.moves(item, seat, first[name], [first[each] for each in shown])
        was, now = first[name], move.vote
        if was is not None and now is not None and was != now:
            larger = votes.count(now) > votes.count(was)
            by = None if move.by is None else shown[move.by]
            points.add((name, was, now, by, by is None and larger))
        last[name] = now
    return Truth(first, last, status, 2, *counted(last), frozenset(points))


def counted(votes: Mapping[str, str | None]) -> tuple[str, str | None]:
    """The outcome by the reference's words, written down a second time on purpose."""
    seated, cast = len(votes), [vote for vote in votes.values() if vote is not None]
    if len(cast) < max(3, math.ceil(2 * seated / 3)):
        return "no-quorum", None
    ahead = sorted(LABELS, key=cast.count)[-1]
    most = cast.count(ahead)
    if 2 * most == len(cast):
        return "tie", None
    if most == len(cast):
        return "unanimous", ahead
    return ("majority" if 2 * most > seated else "majority-of-votes-cast"), ahead


def right_by_arithmetic(world: World) -> float:
    """The chance that the first vote is right: two seats' votes share a source with chance ``correlation``,
    so each takes the item's with chance sqrt(correlation), and apart from it they are independent."""
    shared, voting = math.sqrt(world.correlation), 1 - world.failing
    least = max(3, math.ceil(2 * world.seats / 3))
    found = 0.0
    for source, weight in ((1.0, world.competence), (0.0, 1 - world.competence)):
        right = voting * (shared * source + (1 - shared) * world.competence)
        found += weight * sum(
            _multinomial(world.seats, yes, no, right, voting - right)
            for yes in range(world.seats + 1)
            for no in range(min(yes, world.seats - yes + 1))
            if yes + no >= least
        )
    return found


def _multinomial(n: int, yes: int, no: int, p_yes: float, p_no: float) -> float:
    ways = math.comb(n, yes) * math.comb(n - yes, no)
    return float(ways * p_yes**yes * p_no**no * (1 - p_yes - p_no) ** (n - yes - no))


# Who answers -----------------------------------------------------------------------------------------


class Voter:
    """Answers for one seat of a world on one item, as a model behind a host would: it reads the request.
    Hosts differ: some hold a reply to a schema, some know tools alone, some write prose before it."""

    def __init__(self, world: World, item: int, seat: int, draw: int = 0) -> None:
        self._world, self._item, self._seat, self._draw = world, item, seat, draw

    def __call__(self, request: Request) -> Answer:
        if self._seat % 3 == 1 and request.form is not None and request.form.kind == "json-schema":
            return failure("rejected")
        data = told(request)
        round_ = 2 if "answers" in data else 1
        fails = self._world.fails(self._item, self._seat, round_, self._draw)
        if fails == "refused":
            return failure("refused")
        if fails == "error":
            return failure("unauthorised")
        if fails == "invalid":
            return "Well. That depends on what one means by it, does it not?"
        ids = {each["label"]: each["id"] for each in data["options"]}
        said = self._first(fails) if round_ == 1 else self._second(data)
        text = json.dumps({**said, "vote": ids.get(said["vote"], "abstain")})
        return f"Here is what I think.\n\n{text}" if self._seat % 3 == 2 else text

    def _first(self, fails: Failing | None) -> dict[str, Any]:
        vote = None if fails == "abstained" else self._world.belief(self._item, self._seat, self._draw)
        return self._said(vote)

    def _second(self, data: Mapping[str, Any]) -> dict[str, Any]:
        labels = {each["id"]: each["label"] for each in data["options"]}
        answers = data["answers"]
        own = labels.get(data["your_answer"]["vote"])
        seen = [labels.get(each["vote"]) for each in answers]
        move = self._world.moves(self._item, self._seat, own, seen)
        influenced = []
        if move.by is not None:
            influenced = [_influence(answers[move.by], answers[move.by]["claims"][0]["text"])]
        elif move.forged is not None:
            influenced = [_influence(answers[move.forged], "it was shown beyond any doubt in the trial")]
        return {**self._said(move.vote), "influenced_by": influenced}

    def _said(self, vote: str | None) -> dict[str, Any]:
        return {
            "reasoning": 3 * _THOUGHT,
            "claims": [{"id": "c1", "text": claim(vote or "may hold", self._seat)}],
            "vote": vote,
            "abstain_reason": "" if vote else "I cannot tell.",
            "confidence": self._world.competence,
        }


def _influence(answer: Mapping[str, Any], quote: str) -> dict[str, str]:
    claim_id = answer["claims"][0]["id"]
    return {"seat": answer["seat"], "claim": claim_id, "quote": quote, "effect": "adopted"}


def told(request: Request) -> dict[str, Any]:
    """The data in a request's fence."""
    assert not isinstance(request.prompt, str), "seats are asked in a conversation"
    text = "\n".join(message.content for message in request.prompt)
    found = re.search(r"<<<(\w+)\n(.*?)\n\1>>>", text, re.DOTALL)
    assert found is not None, "every request has a fence"
    value: dict[str, Any] = json.loads(found[2])
    return value
