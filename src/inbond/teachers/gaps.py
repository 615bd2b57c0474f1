"""How far two scorings of the same tokens are apart. Pure numpy.

For each place, over the tokens that the host reported (p its probabilities, q the other side's): the
difference of log-probabilities weighted by p, and KL(p || q) over those tokens and a tail for the rest.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from inbond.teachers.mapping import Row, Scored
from inbond.teachers.protocols import Keep, ScoresTokens

_FLOOR = 1e-6
"""A tail is never believed to be smaller: what float32 sums leave over is no better than that."""

Vector = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Gap:
    """Means a token in nats, with standard errors over answers (tokens of one answer go together)."""

    answers: int
    tokens: int
    difference: float
    difference_se: float
    kl: float
    kl_se: float


class PlaceGap(NamedTuple):
    """One place's difference and KL, in nats."""

    difference: float
    kl: float


def place_gap(logp_K: Vector, logq_K: Vector) -> PlaceGap:
    """Of K reported tokens. ``logq_K`` may be minus infinity: it then counts as the floor."""
    p_K = np.exp(logp_K)
    logq_K = np.maximum(logq_K, math.log(_FLOOR) * 2)
    apart_K = logp_K - logq_K
    p_tail, q_tail = (max(1.0 - float(np.exp(log_K).sum()), _FLOOR) for log_K in (logp_K, logq_K))
    kl = float(p_K @ apart_K) + p_tail * math.log(p_tail / q_tail)
    return PlaceGap(float(p_K @ np.abs(apart_K)) / float(p_K.sum()), max(kl, 0.0))


def summarise(answers: Sequence[Sequence[PlaceGap]]) -> Gap:
    """Ratio means over all tokens; the errors are those of a ratio of sums over answers."""
    answers = [answer for answer in answers if answer]
    tokens = sum(map(len, answers))
    if not tokens:
        return Gap(0, 0, 0.0, 0.0, 0.0, 0.0)
    values = []
    for column in range(2):
        sums = np.array([sum(place[column] for place in answer) for answer in answers])
        mean = float(sums.sum()) / tokens
        left = sums - mean * np.array([len(answer) for answer in answers])
        count = len(answers)
        spread = math.sqrt(float(left @ left) * count / (count - 1)) / tokens if count > 1 else 0.0
        values += [mean, spread]
    return Gap(len(answers), tokens, *values)


def against_local(reference: ScoresTokens, answers: Sequence[Scored]) -> Gap:
    """The host's rows against the whole distributions of the same weights here, one answer at a time."""
    found = []
    everything = Keep(size=reference.vocabulary_size)
    for one in answers:
        scores = reference.score([one.sequence], everything)
        logq_NV = np.empty(scores.logp_NK.shape)
        np.put_along_axis(logq_NV, scores.ids_NK.astype(np.int64), scores.logp_NK, axis=1)
        places = []
        for row, logq_V in zip(one.rows, logq_NV, strict=True):
            if row:
                ids, logp_K = _columns(row)
                places.append(place_gap(logp_K, logq_V[ids]))
        found.append(places)
    return summarise(found)


def against_itself(first: Sequence[Scored | None], second: Sequence[Scored | None]) -> Gap:
    """Two replies to the same prompts, up to and with the first place where their tokens part: until
    there both distributions follow the same text."""
    found = []
    for one, other in zip(first, second, strict=True):
        if one is None or other is None:
            continue
        places = []
        for row, other_row, own, other_own in zip(
            one.rows, other.rows, one.labels, other.labels, strict=False
        ):
            if row and other_row:
                places.append(_pair(row, other_row))
            if own != other_own:
                break
        found.append(places)
    return summarise(found)


def _pair(row: Row, other: Row) -> PlaceGap:
    """A token that the other reply does not list is at most as likely there as the last one it does."""
    (ids, logp_K), listed = _columns(row), dict(other)
    last = other[-1][1]
    logq_K = np.array([listed.get(int(id_), min(logp, last)) for id_, logp in zip(ids, logp_K, strict=True)])
    return place_gap(logp_K, logq_K)


def _columns(row: Row) -> tuple[npt.NDArray[np.int64], Vector]:
    return np.array([id_ for id_, _ in row]), np.array([logp for _, logp in row])
