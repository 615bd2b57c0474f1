"""Preference pairs: two answers to one prompt as one lesson, and what is minimised over them.

Legend: N label tokens of a micro-batch, P pairs, S = 2P sequences, H hidden width, V vocabulary.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from inbond.errors import InputError
from inbond.losses.batches import Batch
from inbond.losses.likelihood import likelihood_loss
from inbond.losses.preferences import DPO, Normalise
from inbond.teachers.protocols import TokenSequence
from inbond.train.examples import Example, Objectives


@dataclass(frozen=True)
class Pair:
    """One lesson: the chosen answer, as an example that may be learnt from as well, and the rejected one.

    ``reference`` holds the summed log-probabilities of both under the reference. ``preference`` is the weight
    of the preference; the example's weights are those of its whole text, whatever its length: a pair counts
    as one.
    """

    chosen: Example
    rejected: TokenSequence
    reference: tuple[float, float]
    preference: float = 1.0

    @property
    def sequences(self) -> tuple[TokenSequence, ...]:
        """See Lesson."""
        return (self.chosen.sequence, self.rejected)

    @property
    def total(self) -> float:
        """See Lesson."""
        return self.preference + self.chosen.weight + self.chosen.ce


@dataclass(frozen=True)
class Preference:
    """How pairs are learnt: see ``losses.preferences.DPO``."""

    beta: float = 0.1
    smoothing: float = 0.0
    normalise: Normalise = "sum"


@dataclass(frozen=True)
class Preferring:
    """DPO on pairs, and the text's own objectives on the chosen answers where they weigh anything. Implements
    Criterion."""

    preference: Preference
    text: Objectives

    @property
    def vocabulary(self) -> int:
        return self.text.vocabulary

    def loss(
        self,
        lessons: Sequence[Pair],
        batch: Batch,
        step_weight: float,
        student: tuple[Tensor, Tensor],
        chunk: int,
    ) -> Tensor:
        """See Criterion."""
        likelihood = self.of(lessons, batch.labels_N.device, step_weight)
        loss = likelihood_loss(*student, batch.labels_N, likelihood, chunk)
        if not any(pair.chosen.total for pair in lessons):
            return loss
        examples = [example for pair in lessons for example in _as_examples(pair)]
        return loss + self.text.loss(examples, batch, step_weight, student, chunk)

    def of(self, lessons: Sequence[Pair], device: torch.device, step_weight: float) -> DPO:
        """The loss of these pairs, divided by the weight of the whole step."""
        lengths_S = torch.tensor([sequence.labels for pair in lessons for sequence in pair.sequences])
        reference_S = torch.tensor([sum_ for pair in lessons for sum_ in pair.reference], dtype=torch.float64)
        weight_P = torch.tensor([pair.preference / step_weight for pair in lessons], dtype=torch.float64)
        settings = self.preference
        return DPO(
            lengths_S.to(device),
            reference_S.to(device),
            weight_P.to(device),
            settings.beta,
            settings.smoothing,
            settings.normalise,
        )


def _as_examples(pair: Pair) -> tuple[Example, Example]:
    """Both sequences as the text's objectives see them: a mean over the chosen one's tokens, and nothing."""
    chosen, labels = pair.chosen, pair.chosen.sequence.labels
    mean = Example(chosen.sequence, chosen.targets, chosen.weight / labels, chosen.ce / labels)
    return mean, Example(pair.rejected, None, 0.0, 0.0)


def check_pairs(chosen: Sequence[TokenSequence], rejected: Sequence[TokenSequence]) -> None:
    """Raises InputError that names the first pair (from 1) whose two sides are one, whose prompts differ, or
    that has an answer without a token."""
    for number, (one, other) in enumerate(zip(chosen, rejected, strict=True), 1):
        found = _wrong(one, other)
        if found is not None:
            raise InputError(
                expected="pairs of two different answers to one prompt",
                found=f"pair {number}, {found}",
                fix="remove it: nothing is preferred to itself, nor to an answer to something else",
            )


def _wrong(chosen: TokenSequence, rejected: TokenSequence) -> str | None:
    if chosen.ids[: chosen.prompt_length] != rejected.ids[: rejected.prompt_length]:
        return "whose answers belong to different prompts"
    if chosen.ids == rejected.ids:
        return "whose chosen and rejected answers are equal"
    return "with an answer that has no token" if not (chosen.labels and rejected.labels) else None


def lengths(pairs: Sequence[Pair]) -> dict[str, Any]:
    """Mean label tokens of both sides, and the share of pairs whose chosen answer is the longer one (ties as
    half), rounded: a preference for length shows here."""
    chosen = [pair.chosen.sequence.labels for pair in pairs]
    rejected = [pair.rejected.labels for pair in pairs]
    longer = sum((a > b) + (a == b) / 2 for a, b in zip(chosen, rejected, strict=True))
    count = max(1, len(pairs))
    return {
        "pairs": len(pairs),
        "chosen_tokens": round(sum(chosen) / count, 2),
        "rejected_tokens": round(sum(rejected) / count, 2),
        "chosen_longer": round(longer / count, 4),
    }
