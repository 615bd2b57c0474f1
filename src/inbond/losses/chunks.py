"""Likelihood transfer between vocabularies: teacher and student agree how likely each stretch of text is.

Legend: N label tokens of the student, C chunks, logp the teacher's, logq the student's, natural.

A chunk is text that both models have borders around (``losses.alignment``); its log-probability is the sum
over its tokens. Approximate likelihood matching (Minixhofer et al., arXiv 2503.20083) takes the chunk as a
yes-or-no event of probability p^(1/heat) and minimises the divergence of the two models' events. Its factor
of heat is taken out here, so that the gradient keeps its size: as heat grows, heat * KL goes to |logp|
log(logp / logq) + |logq| - |logp|, the generalised KL of the two surprisals.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

SURE = 1e-4
"""Nats: a teacher is never believed to be surer of a chunk, so that nothing is divided by 0."""


@dataclass(frozen=True)
class ChunkMatch:
    """weight_C * heat * KL(event of the teacher || event of the student). Implements Likelihood.

    ``chunk_N`` (int64) is the chunk that each label token belongs to, -1: to none. ``logp_C`` and
    ``weight_C`` are one a chunk; weights are final. Every chunk has a label token.
    """

    chunk_N: Tensor
    logp_C: Tensor
    weight_C: Tensor
    heat: float = 100.0

    def to(self, device: torch.device) -> ChunkMatch:
        """The same on another device."""
        return ChunkMatch(
            self.chunk_N.to(device), self.logp_C.to(device), self.weight_C.to(device), self.heat
        )

    def value_and_grad(self, logp_N: Tensor) -> tuple[Tensor, Tensor]:
        """See Likelihood: ``logp_N`` are the student's log-probabilities; a loss for each chunk."""
        dtype = logp_N.dtype
        inside_N = self.chunk_N >= 0
        place_N = self.chunk_N.clamp_min(0)
        logq_C = torch.zeros(len(self.logp_C), dtype=dtype, device=logp_N.device)
        logq_C.index_add_(0, place_N[inside_N], logp_N[inside_N])
        weight_C = self.weight_C.to(dtype)
        value_C, slope_C = event_kl(self.logp_C.to(dtype), logq_C, self.heat)
        if not len(value_C):
            return value_C, torch.zeros_like(logp_N)
        return weight_C * value_C, torch.where(inside_N, (weight_C * slope_C)[place_N], 0.0)


def event_kl(logp_C: Tensor, logq_C: Tensor, heat: float) -> tuple[Tensor, Tensor]:
    """(heat * KL of the events, its slope by logq) [C]. Probabilities are taken to the power of 1 / heat.

    Where the student is surer than ``SURE`` nats the loss goes on as a straight line: a student that is too
    sure is still pulled back.
    """
    sure_C = logq_C.clamp_max(-SURE)
    p_C, q_C = (x / heat for x in (logp_C.clamp_max(-SURE), sure_C))
    yes_C, no_p_C, no_q_C = p_C.exp(), -torch.expm1(p_C), -torch.expm1(q_C)
    value_C = yes_C * (p_C - q_C) + no_p_C * (no_p_C.log() - no_q_C.log())
    slope_C = -yes_C + no_p_C * q_C.exp() / no_q_C
    return heat * value_C + slope_C * (logq_C - sure_C), slope_C
