"""Texts as a model reads them, and what it thinks of each as one number."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal, final

import numpy as np
import numpy.typing as npt

from inbond.digest import Digest
from inbond.errors import InputError
from inbond.teachers.protocols import TokenSequence

if TYPE_CHECKING:
    from inbond.forensics.reading import Reads

Progress = Callable[[int, int], None]
"""Gets (texts done, all of them)."""
Floats = npt.NDArray[np.float64]


def quietly(done: int, total: int) -> None:
    """Progress that nobody watches."""


By = Literal["mean", "least"]
LEAST = 0.2
"""The share of a text's least likely tokens that ``least`` looks at (Min-K% Prob: Shi et al.,
arXiv:2310.16789)."""


@final
@dataclass(frozen=True)
class Subject:
    """What a finding is about: as people call it, and its digest if it is known."""

    kind: Literal["records", "model"]
    name: str
    id: Digest | None = None

    def to_json(self, **more: str) -> dict[str, str]:
        return {"kind": self.kind, "name": self.name, **({"id": self.id} if self.id else {}), **more}


@final
@dataclass(frozen=True)
class Shown:
    """``sequences`` as the tokenizer of ``model`` cuts them: the same texts for each model that is
    compared."""

    model: Reads
    sequences: Sequence[TokenSequence]

    def log_likelihoods(self, on_progress: Progress = quietly) -> list[Floats]:
        """In nats, of each token of each text. Raises InputError where one is no number, or of a text without
        a token."""
        return checked(self.model.log_likelihoods(self.sequences, on_progress), self.model.name)

    def to_json(self) -> dict[str, Any]:
        """For the facts of a finding."""
        return {"name": self.model.name, "digest": self.model.digest}


def checked(logps: Sequence[Floats], name: str) -> list[Floats]:
    """Raises InputError where one is no number, or of a text without a token."""
    for place, logp in enumerate(logps, 1):
        wrong = "no token" if not len(logp) else "" if np.isfinite(logp).all() else "NaN or infinity"
        if wrong:
            raise InputError(
                expected=f"a log-probability of {name} for each token of each text",
                found=f"{wrong} in text {place}",
                fix=f"leave empty answers out, and check the weights of {name}",
            )
    return list(logps)


def by_text(logps: Sequence[Floats], by: By = "mean") -> Floats:
    """For each text the mean of its tokens' log-probabilities in nats, or that of the least likely ones."""
    if by == "mean":
        return np.array([logp.mean() for logp in logps])
    return np.array([np.sort(logp)[: max(1, round(LEAST * len(logp)))].mean() for logp in logps])


def a_byte(logps: Sequence[Floats], sizes: Sequence[int]) -> Floats:
    """The log-probability of each text, in nats for each of its bytes: models of any vocabulary can be
    compared by it."""
    assert len(logps) == len(sizes), "a size for each text"
    assert all(size > 0 for size in sizes), "no empty texts"
    return np.array([logp.sum() / size for logp, size in zip(logps, sizes, strict=True)])


def gains(
    suspect: Shown, reference: Shown | None, by: By = "mean", on_progress: Progress = quietly
) -> Floats:
    """How likely the suspect finds each text, a token; with a reference, how much likelier than that."""
    found = by_text(suspect.log_likelihoods(on_progress), by)
    if reference is None:
        return found
    assert len(reference.sequences) == len(suspect.sequences), "the same texts"
    less: Floats = found - by_text(reference.log_likelihoods(on_progress), by)
    return less


def by_unit(values: Floats, units: Sequence[int]) -> Floats:
    """The mean of each unit's values, units in ascending order."""
    _, place, counts = np.unique(np.asarray(units), return_inverse=True, return_counts=True)
    found: Floats = np.bincount(place.reshape(-1), weights=values) / counts
    return found
