"""Objectives on a chunk of logits, each with value and exact gradient.

Legend: N label tokens, K kept tokens, V vocabulary. p is the teacher, q the student, logs are natural.
An objective overwrites the logits it is given with the gradient, so that a chunk needs one [N, V]
buffer and no autograd graph. Every formula here is tested, value and gradient, against plain
autograd in fp64.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

import torch
from torch import Tensor


class Objective(Protocol):
    """A weighted sum of per-token losses over rows of logits."""

    def value_and_grad(self, logits_NV: Tensor, start: int) -> Tensor:
        """Returns the weighted losses [N] of rows start..start+N of the whole, and turns
        ``logits_NV`` in place into the gradient of their sum. Math in the dtype of the logits."""


@dataclass(frozen=True)
class SparseTargets:
    """Top-K teacher probabilities of N label tokens: ids_NK int64, p_NK float, p_tail_N = 1 - sum."""

    ids_NK: Tensor
    p_NK: Tensor
    p_tail_N: Tensor

    @staticmethod
    def from_logp(ids_NK: Tensor, logp_NK: Tensor) -> SparseTargets:
        """From natural log-probabilities at T=1, normalised over the whole vocabulary."""
        p_NK = logp_NK.exp()
        return SparseTargets(ids_NK.long(), p_NK, (1.0 - p_NK.sum(1)).clamp_min(0.0))


@dataclass(frozen=True)
class MixedObjective:
    """kl_N * KL(p || q) on top-K targets with a tail bucket + ce_N * cross-entropy on the text.

    The tail bucket is one more event that holds the rest of the mass on both sides; by the data
    processing inequality the value is a lower bound of the full forward KL, and equals it at K = V.
    The gradient with respect to a logit z_j is q_j - p_j for a kept token and share_j (q_tail - p_tail)
    for the others, where share_j is z_j's share of the tail; cross-entropy adds q_j - [j is the label].
    Weights are per token and final: the caller has divided them by the weight of the whole step.
    """

    targets: SparseTargets
    labels_N: Tensor
    kl_N: Tensor
    ce_N: Tensor

    def value_and_grad(self, logits_NV: Tensor, start: int) -> Tensor:
        """See Objective."""
        rows = slice(start, start + logits_NV.shape[0])
        ids_NK, labels_N1 = self.targets.ids_NK[rows], self.labels_N[rows].unsqueeze(1)
        p_NK = self.targets.p_NK[rows].to(logits_NV.dtype)
        p_tail_N = self.targets.p_tail_N[rows].to(logits_NV.dtype)
        kl_N, ce_N = self.kl_N[rows].to(logits_NV.dtype), self.ce_N[rows].to(logits_NV.dtype)

        kept_NK, label_N1 = logits_NV.gather(1, ids_NK), logits_NV.gather(1, labels_N1)
        tail_NV = logits_NV.scatter_(1, ids_NK, -torch.inf)
        lse_tail_N1 = tail_NV.logsumexp(1, keepdim=True)
        lse_N1 = torch.logaddexp(lse_tail_N1, kept_NK.logsumexp(1, keepdim=True))
        logq_NK, logq_tail_N1 = kept_NK - lse_N1, lse_tail_N1 - lse_N1
        has_tail_N1 = lse_tail_N1 > -torch.inf  # without one, what rounding left of its mass is nothing
        p_tail_N1 = p_tail_N.unsqueeze(1) * has_tail_N1

        kl_loss_N = torch.special.xlogy(p_NK, p_NK).sub_(p_NK * logq_NK).sum(1)
        cross_N1 = torch.where(p_tail_N1 > 0, p_tail_N1 * logq_tail_N1, 0.0)
        kl_loss_N += (torch.special.xlogy(p_tail_N1, p_tail_N1) - cross_N1).squeeze(1)
        losses_N: Tensor = kl_N * kl_loss_N - ce_N * (label_N1 - lse_N1).squeeze(1)

        ce_N1, kl_N1 = ce_N.unsqueeze(1), kl_N.unsqueeze(1)
        # Within the tail q_j = q_tail * share_j. Dividing by q_tail instead would fail where it underflows.
        share_NV = tail_NV.sub_(lse_tail_N1.where(has_tail_N1, torch.zeros_like(lse_tail_N1))).exp_()
        grad_NV = share_NV.mul_((kl_N1 + ce_N1) * logq_tail_N1.exp() - kl_N1 * p_tail_N1)
        q_NK = logq_NK.exp()
        grad_NV.scatter_(1, ids_NK, kl_N1 * (q_NK - p_NK) + ce_N1 * q_NK)
        grad_NV.scatter_add_(1, labels_N1, -ce_N1)
        return losses_N
