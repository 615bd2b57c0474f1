"""What length has to do with what was chosen, over a batch. Pure.

Judges like length (Dubois et al., "Length-Controlled AlpacaEval", arXiv:2404.04475). Two figures: how often
the longer answer was chosen; and the share of wins of one side at equal length, as that paper reckons it: a
logistic regression of the outcome on tanh of the difference in length over its spread, read where the
difference is nought. Whether longer answers are better is for a person to say: the figures do not.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final, final

import numpy as np

from inbond.roundtable.judge.judging import Judgement
from inbond.roundtable.judge.statistics import Figure, agreement

LEAST: Final = 20
"""Decided pairs below which no length-controlled figure is given."""
_STEPS: Final = 200
_RIDGE: Final = 1e-2
"""A small pull of both weights towards nought: without it, a batch that length explains wholly has none."""


@final
@dataclass(frozen=True)
class Lengths:
    """``longer`` is the share of decided pairs of unequal length in which the longer was chosen; ``a_wins``
    the share that side a won, ``a_wins_controlled`` the same at equal length. ``side`` says who is a, where
    the pairs name one and the same model for it throughout."""

    longer: Figure
    a_wins: float | None
    a_wins_controlled: float | None
    decided: int
    side: str
    why: str

    def to_json(self) -> dict[str, Any]:
        return {
            "longer": self.longer.to_json(), "a_wins": self.a_wins, "side": self.side, "why": self.why,
            "a_wins_controlled": self.a_wins_controlled, "decided": self.decided,
        }  # fmt: skip


def measure(judgements: Sequence[Judgement], seed: int = 0) -> Lengths:
    """Over the pairs that were decided."""
    decided = [each for each in judgements if each.chosen is not None]
    more = [len(each.pair.a) - len(each.pair.b) for each in decided]
    won = [each.chosen == "a" for each in decided]
    longer = [(gap > 0) == a for gap, a in zip(more, won, strict=True) if gap]
    wins = sum(won) / len(won) if won else None
    controlled, why = None, ""
    if len(decided) < LEAST:
        why = f"fewer than {LEAST} decided pairs"
    elif len(set(more)) == 1:
        why = "the lengths always differ by the same"
    else:
        controlled = _at_equal_length(more, won)
    return Lengths(_share(longer, seed), wins, controlled, len(decided), _side(judgements), why)


def _share(values: Sequence[bool], seed: int) -> Figure:
    """A share with its interval: percent agreement of each value with ``True``."""
    items = [{"chosen": "longer" if value else "shorter", "longer": "longer"} for value in values]
    return agreement(items, ("longer", "shorter"), seed=seed).percent


def _side(judgements: Sequence[Judgement]) -> str:
    """The model that is side a in all pairs; "" where the sides are no models' own."""
    names = {each.pair.models.get("a") for each in judgements}
    return names.pop() or "" if len(names) == 1 else ""


def _at_equal_length(more: Sequence[int], won: Sequence[bool]) -> float:
    """The chance that a wins, read at no difference in length. Newton's method."""
    gap = np.array(more, dtype=np.float64)
    design = np.stack([np.ones_like(gap), np.tanh(gap / gap.std())], axis=1)
    outcome, pull = np.array(won, dtype=np.float64), np.diag([_RIDGE, _RIDGE])
    weights = np.zeros(2)
    for _ in range(_STEPS):
        chance = 1 / (1 + np.exp(-design @ weights))
        slope = design.T @ (outcome - chance) - pull @ weights
        curve = (design * (chance * (1 - chance))[:, None]).T @ design + pull
        step = np.linalg.solve(curve, slope)
        weights = weights + step
        if np.abs(step).max() < 1e-10:
            break
    return float(1 / (1 + np.exp(-weights[0])))
