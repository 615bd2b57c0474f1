"""Judgements as JSON lines: preferences, which training reads, and judgements, which keep all. Pure.

A preference (format ``inbond.preference/1``) is one object a line::

    {"id", "prompt" or "messages", "chosen", "rejected", "margin", "soft", "principle", "principles",
     "votes", "length_chosen", "length_rejected", "format"}

``margin`` is above 0 and at most 1: by how large a part of the judges asked, the principles weighed, the
chosen answer leads. ``soft`` is the share of votes cast that it got, weighed alike, an equal counting half:
it is above .5. ``principle`` is "all", or one principle's id; ``principles`` has the margin of each (below 0:
it is for the rejected one, null: nobody was asked). ``votes`` has by principle and judge: chosen, rejected,
equal, or why there is none (inconsistent, refused, invalid, error, own-family). Lengths are characters. A
tie, or a pair without votes, is no line.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Sequence
from typing import Any, Final

from inbond.roundtable.judge.judging import Judgement, Vote, side_of
from inbond.roundtable.judge.pairs import Side, other
from inbond.types import prompt_to_json

FORMAT: Final = "inbond.preference/1"
ALL: Final = "all"


def preferences(judgements: Iterable[Judgement], *, each_principle: bool = False) -> Iterator[dict[str, Any]]:
    """One for each pair that was decided; with ``each_principle``, one for each pair and principle by which
    it was decided instead. Lines of one pair may then contradict each other: they are for training that tells
    principles apart."""
    for judgement in judgements:
        if not each_principle:
            side = side_of(judgement.margin)
            if side is not None and judgement.margin is not None:
                votes = judgement.votes
                yield _line(judgement, side, ALL, judgement.margin, judgement.soft, votes)
            continue
        for id_, tally in judgement.tallies.items():
            side = side_of(tally.margin)
            if side is not None and tally.margin is not None:
                votes = tuple(vote for vote in judgement.votes if vote.principle == id_)
                yield _line(judgement, side, id_, tally.margin, tally.soft, votes)


def judgement_json(judgement: Judgement) -> dict[str, Any]:
    """Everything that is known of a judgement: both replies of each vote, word for word."""
    pair = judgement.pair
    return {
        "id": pair.id,
        **prompt_to_json(pair.prompt),
        "a": pair.a,
        "b": pair.b,
        "models": {str(side): name for side, name in pair.models.items()},
        "families": {str(side): name for side, name in pair.families.items()},
        "length_a": len(pair.a),
        "length_b": len(pair.b),
        "chosen": judgement.chosen,
        "margin": judgement.margin,
        "soft": judgement.soft,
        "tallies": {id_: tally.to_json() for id_, tally in judgement.tallies.items()},
        "votes": [vote.to_json() for vote in judgement.votes],
    }


def lines(values: Iterable[Any]) -> bytes:
    """JSON lines in UTF-8."""
    return "".join(json.dumps(value, ensure_ascii=False) + "\n" for value in values).encode()


def _line(
    judgement: Judgement, side: Side, principle: str, margin: float, soft: float | None, votes: Sequence[Vote]
) -> dict[str, Any]:
    pair, sign = judgement.pair, 1 if side == "a" else -1
    chosen, rejected = pair.answer(side), pair.answer(other(side))
    by_principle: dict[str, dict[str, str]] = {}
    for vote in votes:
        by_principle.setdefault(vote.principle, {})[vote.judge] = _said(vote, side)
    return {
        "id": pair.id,
        **prompt_to_json(pair.prompt),
        "chosen": chosen,
        "rejected": rejected,
        "margin": sign * margin,
        "soft": None if soft is None else soft if side == "a" else 1 - soft,
        "principle": principle,
        "principles": {
            id_: None if tally.margin is None else sign * tally.margin or 0.0
            for id_, tally in judgement.tallies.items()
        },
        "votes": by_principle,
        "length_chosen": len(chosen),
        "length_rejected": len(rejected),
        "format": FORMAT,
    }


def _said(vote: Vote, side: Side) -> str:
    if vote.value is None:
        return vote.status
    return "equal" if vote.value == "equal" else "chosen" if vote.value == side else "rejected"
