"""Canaries: pairs with a known outcome, mixed into each batch, so that a judge is tried while it judges.

Two kinds. ``wrong``: a planted answer that is longer, surer and wrong, beside a short right one
(``canaries.yaml``). ``swapped``: a pair of the batch once more with its sides exchanged, behind another
fence: who judges it otherwise than the first time does not judge the pair. Which ones is decided by the
batch's digest alone, so that a batch that is judged again has the same. What judges did with them is
reported; a judge that fails is named and its votes stay where they are: to leave it out is a person's
decision. Pure but for reading the list.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from importlib import resources
from typing import Final, Literal, final

from inbond import strict_yaml
from inbond.digest import Digest, of_value, to_raw
from inbond.roundtable.judge.judging import Judgement, Value, mirrored
from inbond.roundtable.judge.pairs import Pair, Side, other

Kind = Literal["wrong", "swapped"]
_LIST: Final = "canaries.yaml"
_ONE_IN: Final = 25
"""A canary of each kind for so many pairs."""
_LEAST_WRONG: Final = 2
_MOST_SWAPPED: Final = 20
MOST_MISSED: Final = 0.2
"""A judge fails when it missed a larger share than this of those that it told: a rule of thumb, no test."""
LEAST_TOLD: Final = 2


@final
@dataclass(frozen=True)
class Canary:
    """``pair`` is what judges see. ``right`` is the right side of a ``wrong`` one; ``of`` the id of the pair
    that a ``swapped`` one repeats."""

    pair: Pair
    kind: Kind
    right: Side | None = None
    of: str = ""


@final
@dataclass(frozen=True)
class Trial:
    """What one judge did with the canaries. A canary is told where the judge's votes on it say something: for
    a planted one, more of its principles for one answer than for the other; for a swapped one, principle by
    principle, a vote both times. ``missed`` are those told wrongly; ``untold`` those of which nothing can be
    said (equal, inconsistent, failed)."""

    judge: str
    wrong_told: int
    wrong_missed: int
    swapped_told: int
    swapped_missed: int
    untold: int

    @property
    def outcome(self) -> Literal["passed", "failed", "cannot-tell"]:
        """Failed when either kind was missed too often; cannot tell when too few were told."""
        kinds = ((self.wrong_told, self.wrong_missed), (self.swapped_told, self.swapped_missed))
        if any(told and missed / told > MOST_MISSED for told, missed in kinds):
            return "failed"
        return "passed" if self.wrong_told >= LEAST_TOLD else "cannot-tell"

    def sentence(self) -> str:
        """In words, for people."""
        return (
            f"{self.judge}: {self.outcome}; chose the longer wrong answer in {self.wrong_missed} of "
            f"{self.wrong_told} planted pairs, contradicted itself in {self.swapped_missed} of "
            f"{self.swapped_told} repeated questions, told nothing of {self.untold}"
        )


def plant(pairs: Sequence[Pair], batch: Digest) -> tuple[Canary, ...]:
    """The canaries of a batch: at least one swapped and two planted, else one of each kind for 25 pairs."""
    share = len(pairs) // _ONE_IN
    golds = _gold()
    wrong = _drawn(range(len(golds)), min(len(golds), max(_LEAST_WRONG, share)), batch, "wrong")
    swapped = _drawn(range(len(pairs)), min(len(pairs), _MOST_SWAPPED, max(1, share)), batch, "swapped")
    planted = [_planted(number, golds[place], batch) for number, place in enumerate(wrong, 1)]
    repeated = [
        Canary(pairs[place].swapped(f"canary-swapped-{number}"), "swapped", of=pairs[place].id)
        for number, place in enumerate(swapped, 1)
    ]
    return (*planted, *repeated)


def tried(judge: str, canaries: Sequence[Canary], judgements: Mapping[str, Judgement]) -> Trial:
    """What the judge did. ``judgements`` are those of the batch and of the canaries, by the pair's id."""
    counts = {"wrong": [0, 0], "swapped": [0, 0]}
    untold = 0
    for canary in canaries:
        for was_right in _answers(judge, canary, judgements):
            if was_right is None:
                untold += 1
                continue
            counts[canary.kind][0] += 1
            counts[canary.kind][1] += not was_right
    (wrong, wrong_missed), (swapped, swapped_missed) = counts["wrong"], counts["swapped"]
    return Trial(judge, wrong, wrong_missed, swapped, swapped_missed, untold)


def _answers(judge: str, canary: Canary, judgements: Mapping[str, Judgement]) -> list[bool | None]:
    """Right, wrong or nothing said: once for a planted one, for each principle of a swapped one. None at all
    where the judge was not asked."""
    values = _values(judge, judgements[canary.pair.id])
    if canary.kind == "swapped":
        first = _values(judge, judgements[canary.of])
        return [_repeated(first[id_], values[id_]) for id_ in values if id_ in first]
    assert canary.right is not None, "a planted pair has a right side"
    told = list(values.values())
    lead = told.count(canary.right) - told.count(other(canary.right))
    return [None if lead == 0 else lead > 0] if told else []


def _values(judge: str, judgement: Judgement) -> dict[str, Value | None]:
    """A judge's votes by principle, where it was asked."""
    return {
        vote.principle: vote.value
        for vote in judgement.votes
        if vote.judge == judge and vote.status != "own-family"
    }


def _repeated(first: Value | None, again: Value | None) -> bool | None:
    return None if first is None or again is None else mirrored(first) == again


def _drawn(places: Sequence[int], count: int, batch: Digest, what: str) -> list[int]:
    return sorted(places, key=lambda place: of_value([batch, what, place]))[:count]


def _planted(number: int, gold: tuple[str, str, str], batch: Digest) -> Canary:
    prompt, right, wrong = gold
    right_first = to_raw(of_value([batch, prompt]))[0] % 2 == 0
    a, b = (right, wrong) if right_first else (wrong, right)
    return Canary(Pair(f"canary-wrong-{number}", prompt, a, b), "wrong", right="a" if right_first else "b")


@lru_cache(maxsize=1)
def _gold() -> tuple[tuple[str, str, str], ...]:
    values = strict_yaml.parse((resources.files("inbond.roundtable.judge") / _LIST).read_bytes())
    golds = tuple((each["prompt"], each["right"], each["wrong"]) for each in values)
    assert all(isinstance(text, str) for gold in golds for text in gold), "numbers stand in quotes"
    return golds
