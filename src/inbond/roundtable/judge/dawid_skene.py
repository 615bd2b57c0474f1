"""Dawid and Skene's model: how reliable each judge is, and what the items are likely to be, without a key.

Each item has one true class; each judge reports class l for an item of class k with a probability of its own
(its confusion matrix), whatever the others say. EM finds both (Dawid and Skene, "Maximum Likelihood
Estimation of Observer Error-Rates Using the EM Algorithm", Applied Statistics 28(1), 1979). That judges err
apart from each other is assumed and not true of models trained on the same text: where they err together, it
believes them. Pure numpy, no chance in it. Legend: I items, J judges, K classes.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final, final

import numpy as np
import numpy.typing as npt

LEAST_ITEMS: Final = 200
"""Below this, as many numbers would be estimated from as few votes that it tells nothing."""
MOST_STEPS: Final = 1_000
_STILL: Final = 1e-9
_SMALLEST: Final = 1e-300

Floats = npt.NDArray[np.float64]


@final
@dataclass(frozen=True)
class Estimated:
    """``priors`` of the classes; ``confusion`` of each judge: by true class, by reported class;
    ``posteriors`` of each item, by class; ``steps`` of EM, ``converged`` whether they were enough."""

    classes: tuple[str, ...]
    priors: tuple[float, ...]
    confusion: Mapping[str, tuple[tuple[float, ...], ...]]
    posteriors: tuple[tuple[float, ...], ...]
    log_likelihood: float
    steps: int
    converged: bool

    def accuracy(self, judge: str) -> float:
        """How often the judge is right, by the model, over items as frequent as these."""
        return sum(
            prior * row[place]
            for place, (prior, row) in enumerate(zip(self.priors, self.confusion[judge], strict=True))
        )


def estimate(items: Sequence[Mapping[str, Sequence[str]]], classes: Sequence[str]) -> Estimated:
    """Fits the model. An item maps judges to what they reported, once or several times; judges that are not
    in it said nothing of it, and one at least said something. Starts from each item's shares of votes, as the
    paper does. It is the caller's to ask for ``LEAST_ITEMS``.
    """
    assert items, "something to estimate from"
    judges = sorted({judge for item in items for judge in item})
    counts_IJK = np.array(
        [[[list(item.get(judge, ())).count(each) for each in classes] for judge in judges] for item in items],
        dtype=np.float64,
    )
    votes_IK = counts_IJK.sum(axis=1)
    assert votes_IK.sum(axis=1).all(), "each item has a vote"
    posterior_IK = votes_IK / votes_IK.sum(axis=1, keepdims=True)
    before, steps, converged = -np.inf, 0, False
    while steps < MOST_STEPS and not converged:
        prior_K, confusion_JKK = _maximise(counts_IJK, posterior_IK)
        posterior_IK, likelihood = _expect(counts_IJK, prior_K, confusion_JKK)
        steps += 1
        converged = likelihood - before < _STILL * max(1.0, abs(likelihood))
        before = likelihood
    confusion = {judge: _rows(confusion_JKK[place]) for place, judge in enumerate(judges)}
    return Estimated(
        tuple(classes), tuple(map(float, prior_K)), confusion, _rows(posterior_IK), before, steps, converged
    )


def _maximise(counts_IJK: Floats, posterior_IK: Floats) -> tuple[Floats, Floats]:
    """Class priors [K] and confusion [J, true K, reported K] that fit the posteriors best (2.3, 2.4)."""
    weighed_JKK = np.einsum("ik,ijl->jkl", posterior_IK, counts_IJK)
    whole_JK1 = weighed_JKK.sum(axis=2, keepdims=True)
    # A class that a judge never met says nothing of that judge: all reports alike.
    even = np.full_like(weighed_JKK, 1 / counts_IJK.shape[2])
    return posterior_IK.mean(axis=0), np.divide(weighed_JKK, whole_JK1, out=even, where=whole_JK1 > 0)


def _expect(counts_IJK: Floats, prior_K: Floats, confusion_JKK: Floats) -> tuple[Floats, float]:
    """Posteriors [I, K] of the classes (2.5), and the log-likelihood of all reports."""
    log_JKK = np.log(np.maximum(confusion_JKK, _SMALLEST))
    with np.errstate(divide="ignore"):  # a class that no item is of stays so, however badly others fit
        log_IK = np.log(prior_K) + np.einsum("ijl,jkl->ik", counts_IJK, log_JKK)
    most_I1 = log_IK.max(axis=1, keepdims=True)
    shares_IK = np.exp(log_IK - most_I1)
    whole_I1 = shares_IK.sum(axis=1, keepdims=True)
    return shares_IK / whole_I1, float((most_I1 + np.log(whole_I1)).sum())


def _rows(values: Floats) -> tuple[tuple[float, ...], ...]:
    return tuple(tuple(map(float, row)) for row in values)
