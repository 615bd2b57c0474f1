"""Lessons for a student of another vocabulary than its teacher's, and what is minimised on them.

Legend: N label tokens of an example, C chunks (``losses.alignment``).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from inbond.losses.batches import Batch
from inbond.losses.chunks import ChunkMatch
from inbond.losses.heads import chunked_loss
from inbond.losses.likelihood import likelihood_loss
from inbond.teachers.protocols import TokenSequence
from inbond.train.examples import Example, Objectives


@dataclass(frozen=True)
class Stretches:
    """``chunk_N`` int64: the chunk of each label token, -1 for none; ``logp_C`` float32: the teacher's
    log-probability of each chunk. Every chunk weighs ``weight``, before normalisation."""

    chunk_N: npt.NDArray[np.int64]
    logp_C: npt.NDArray[np.float32]
    weight: float


@dataclass(frozen=True)
class AlignedExample:
    """An answer with what a teacher of another vocabulary says of it. ``example`` has its tokens, the targets
    that were carried over and their weights; None: no chunk of it is learnt."""

    example: Example
    stretches: Stretches | None = None

    @property
    def sequences(self) -> tuple[TokenSequence, ...]:
        """See Lesson."""
        return self.example.sequences

    @property
    def total(self) -> float:
        """Its part of a step's normaliser: its label tokens, each counted by its weights."""
        likelihood = self.stretches.weight if self.stretches else 0.0
        return self.example.total + self.example.sequence.labels * likelihood


@dataclass(frozen=True)
class Across:
    """Divergences where targets were carried over, cross-entropy on the text, and chunks that shall be as
    likely as the teacher says. Implements Criterion."""

    tokens: Objectives
    heat: float

    @property
    def vocabulary(self) -> int:
        """See Criterion."""
        return self.tokens.vocabulary

    def loss(
        self,
        lessons: Sequence[AlignedExample],
        batch: Batch,
        step_weight: float,
        student: tuple[Tensor, Tensor],
        chunk: int,
    ) -> Tensor:
        """See Criterion. Every chunk weighs the same, however many tokens it has."""
        distil = self.tokens.of([lesson.example for lesson in lessons], batch, step_weight)
        loss = chunked_loss(*student, distil, chunk)
        if not any(lesson.stretches for lesson in lessons):
            return loss
        match = self._match(lessons, step_weight).to(batch.labels_N.device)
        return loss + likelihood_loss(*student, batch.labels_N, match, chunk)

    def _match(self, lessons: Sequence[AlignedExample], step_weight: float) -> ChunkMatch:
        chunks, logps, weights, before = [], [], [], 0
        for lesson in lessons:
            said = lesson.stretches
            if said is None:
                chunks.append(np.full(lesson.example.sequence.labels, -1, dtype=np.int64))
                continue
            chunks.append(np.where(said.chunk_N >= 0, said.chunk_N + before, -1))
            logps.append(said.logp_C)
            weights.append(np.full(len(said.logp_C), said.weight / step_weight, dtype=np.float32))
            before += len(said.logp_C)
        none = np.zeros(0, np.float32)
        return ChunkMatch(
            torch.from_numpy(np.concatenate(chunks)),
            torch.from_numpy(np.concatenate([none, *logps])),
            torch.from_numpy(np.concatenate([none, *weights])),
            self.heat,
        )
