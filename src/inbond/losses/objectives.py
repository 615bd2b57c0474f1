"""What is minimised at the label tokens: divergences from the teacher and cross-entropy on the text.

Legend: N label tokens, V vocabulary. An objective overwrites the logits it is given with the gradient, so
that a chunk needs one [N, V] buffer and no autograd graph. Every combination is tested, value and
gradient, against plain autograd in fp64, and against TRL and Liger.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

import torch
from torch import Tensor

from inbond.losses.divergences import Divergence
from inbond.losses.targets import Targets, log_softmax_

CACHE_BYTES = 1 << 21
"""Logits that a CPU works on at once: its cores keep about so much in their caches."""


class Objective(Protocol):
    """A weighted sum of per-token losses over rows of logits."""

    def value_and_grad(self, logits_NV: Tensor, start: int) -> Tensor:
        """Returns the weighted losses [N] of rows start..start+N of the whole, and turns
        ``logits_NV`` in place into the gradient of their sum. Math in the dtype of the logits."""


@dataclass(frozen=True)
class Distil:
    """weight_N * s * D(teacher || student) at temperature T + ce_N * cross-entropy on the text at T = 1.

    ``squared`` names the convention: s = T^2, which keeps gradients of like size as T grows (Hinton et al.,
    arXiv 1503.02531), else s = 1 (TRL, Liger). The teacher's temperature is the targets' own affair.
    Weights are per token and final: the caller has divided them by the weight of the whole step.
    """

    targets: Targets
    divergence: Divergence
    labels_N: Tensor
    weight_N: Tensor
    ce_N: Tensor
    temperature: float = 1.0
    squared: bool = False

    def value_and_grad(self, logits_NV: Tensor, start: int) -> Tensor:
        """See Objective."""
        rows = len(logits_NV)
        targets = self.targets.part(slice(start, start + rows))
        size = _block_rows(logits_NV)
        losses = [
            self._block(
                logits_NV[first : first + size], targets.part(slice(first, first + size)), start + first
            )
            for first in range(0, rows, size)
        ]
        return torch.cat(losses) if losses else logits_NV.new_zeros(0)

    def _block(self, logits_NV: Tensor, targets: Targets, start: int) -> Tensor:
        rows, dtype = slice(start, start + len(logits_NV)), logits_NV.dtype
        labels_N1 = self.labels_N[rows].unsqueeze(1)
        weight_N1, ce_N1 = (x[rows].to(dtype).unsqueeze(1) for x in (self.weight_N, self.ce_N))
        if self.temperature == 1.0:
            value_N, logq_N = targets.fold(logits_NV, labels_N1, self.divergence, weight_N1, ce_N1)
            logits_NV.scatter_add_(1, labels_N1, -ce_N1)
            return weight_N1.squeeze(1) * value_N - ce_N1.squeeze(1) * logq_N
        text_NV = logits_NV.clone() if bool(ce_N1.any()) else None
        logits_NV.div_(self.temperature)
        scale = self.temperature**2 if self.squared else 1.0
        slope_N1 = weight_N1 * (scale / self.temperature)
        value_N, _ = targets.fold(logits_NV, labels_N1, self.divergence, slope_N1, torch.zeros_like(slope_N1))
        losses_N = weight_N1.squeeze(1) * scale * value_N
        if text_NV is None:
            return losses_N
        q_NV = log_softmax_(text_NV)
        losses_N -= ce_N1.squeeze(1) * text_NV.gather(1, labels_N1).squeeze(1)
        logits_NV.addcmul_(q_NV, ce_N1).scatter_add_(1, labels_N1, -ce_N1)
        return losses_N


def _block_rows(logits_NV: Tensor) -> int:
    """Rows worked on at once: few on a CPU, all elsewhere."""
    if logits_NV.device.type != "cpu":
        return max(1, len(logits_NV))
    return max(1, CACHE_BYTES // max(1, logits_NV.shape[1] * logits_NV.element_size()))
