"""What the student learns from: sequences with their targets, and the objective over a batch of them.

Legend: N label tokens of the batch, K kept tokens.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import torch

from inbond.errors import InputError
from inbond.losses.batches import Batch
from inbond.losses.divergences import Divergence, ForwardKL
from inbond.losses.heads import chunked_loss, head_weight
from inbond.losses.hidden import label_hidden
from inbond.losses.objectives import Distil
from inbond.losses.targets import Online, Sampled, Targets, TopK, widened
from inbond.teachers.protocols import Scores, TokenSequence


@dataclass(frozen=True)
class Example:
    """One sequence to learn from. Weights are per label token, before normalisation.

    ``targets`` is None for text without a teacher's distribution (then ``weight`` must be 0), and for all
    when the teacher is asked while training.
    """

    sequence: TokenSequence
    targets: Scores | None
    weight: float
    ce: float

    @property
    def sequences(self) -> tuple[TokenSequence, ...]:
        """See Lesson."""
        return (self.sequence,)

    @property
    def total(self) -> float:
        """Its part of a step's normaliser: its label tokens, each counted by its weights."""
        return self.sequence.labels * (self.weight + self.ce)


@dataclass(frozen=True)
class Aim:
    """What is minimised: see ``losses.objectives.Distil``. Targets were kept at the same temperature."""

    divergence: Divergence = field(default_factory=ForwardKL)
    temperature: float = 1.0
    squared: bool = False


@dataclass(frozen=True)
class Objectives:
    """Makes the objective of a batch. ``teacher`` is asked online; None: the examples have their targets.
    Implements Criterion."""

    aim: Aim
    vocabulary: int
    teacher: Any = None

    def of(self, rows: Sequence[Example], batch: Batch, step_weight: float) -> Distil:
        """The objective over the batch's label tokens, divided by the weight of the whole step.

        Raises InputError when the online teacher's hidden states are not finite.
        """
        device = batch.labels_N.device
        counts = torch.tensor([row.sequence.labels for row in rows])
        weight_N, ce_N = (
            (torch.tensor(values, dtype=torch.float32).repeat_interleave(counts) / step_weight).to(device)
            for values in ([row.weight for row in rows], [row.ce for row in rows])
        )
        targets = self._targets(rows, batch)
        aim = self.aim
        return Distil(targets, aim.divergence, batch.labels_N, weight_N, ce_N, aim.temperature, aim.squared)

    def loss(
        self,
        lessons: Sequence[Example],
        batch: Batch,
        step_weight: float,
        student: tuple[torch.Tensor, torch.Tensor],
        chunk: int,
    ) -> torch.Tensor:
        """See Criterion."""
        return chunked_loss(*student, self.of(lessons, batch, step_weight), chunk)

    def _targets(self, rows: Sequence[Example], batch: Batch) -> Targets:
        if self.teacher is not None:
            return self._online(batch)
        k = max((row.targets.ids_NK.shape[1] for row in rows if row.targets is not None), default=1)
        scores = [row.targets or _without_teacher(row.sequence.labels, k) for row in rows]
        device = batch.labels_N.device
        ids_NK = torch.cat([torch.from_numpy(score.ids_NK) for score in scores]).to(device)
        logp_NK = torch.cat([torch.from_numpy(score.logp_NK) for score in scores]).to(device)
        if all(row.targets is None or row.targets.sure_N is None for row in rows):
            return TopK.from_logp(ids_NK, logp_NK)
        sure_N = torch.cat([_sure(score) for score in scores]).to(device)
        return Sampled.from_logp(ids_NK, logp_NK, sure_N)

    def _online(self, batch: Batch) -> Online:
        with torch.inference_mode():
            hidden_NH = label_hidden(self.teacher, batch)
        if not bool(torch.isfinite(hidden_NH).all()):
            raise InputError(
                expected="finite hidden states from the teacher",
                found="NaN or infinity",
                fix="the teacher's weights are broken: check its file, or load it in another precision",
            )
        weight_VH = head_weight(self.teacher, self.vocabulary)
        return Online(widened(hidden_NH), widened(weight_VH.detach()), self.aim.temperature)


def _without_teacher(labels: int, k: int) -> Scores:
    """Rows of no mass, which their weight of 0 then ignores."""
    ids_NK = torch.arange(k, dtype=torch.int32).expand(labels, k).numpy()
    return Scores(ids_NK, torch.full((labels, k), -torch.inf).numpy())


def _sure(score: Scores) -> torch.Tensor:
    labels, k = score.ids_NK.shape
    return torch.full((labels,), k) if score.sure_N is None else torch.from_numpy(score.sure_N).long()
