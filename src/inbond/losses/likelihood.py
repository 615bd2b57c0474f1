"""Losses of the label tokens' log-probabilities alone: of pairs, of sampled tokens, of stretches of text.

Such a loss is any function of logp_N, and says its own gradient by logp_N; the chain down to hidden states
and head is done here, once for all, in chunks. Legend: N label tokens, H hidden width, V vocabulary, M losses
(a sequence, a pair, a token each: whatever the likelihood counts in).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

import torch
from torch import Tensor

from inbond.losses.heads import chunked_loss, logit_chunks
from inbond.losses.targets import log_softmax_, widened


class Likelihood(Protocol):
    """A loss that sees nothing of the student but the log-probability of each label."""

    def value_and_grad(self, logp_N: Tensor) -> tuple[Tensor, Tensor]:
        """(losses [M], gradient [N] of their sum by ``logp_N``).

        ``logp_N`` are natural log-probabilities of the batch's labels in their order, without a graph,
        float32 or wider; they are not changed. Weights are final: the losses add up to the batch's part of
        the step's.
        """


@torch.no_grad()
def label_logp(hidden_NH: Tensor, head_VH: Tensor, labels_N: Tensor, chunk: int) -> Tensor:
    """Natural log-probabilities [N] of the labels, float32 or wider; at most [chunk, V] logits at once."""
    rows_NH, weight_VH = widened(hidden_NH.detach()), widened(head_VH.detach())
    found = [
        logits_NV.gather(1, labels_N[start : start + len(logits_NV)].unsqueeze(1)).squeeze(1)
        - logits_NV.logsumexp(1)
        for start, logits_NV in logit_chunks(rows_NH, weight_VH, chunk)
    ]
    return torch.cat(found) if found else rows_NH.new_zeros(0)


def likelihood_loss(
    hidden_NH: Tensor, head_VH: Tensor, labels_N: Tensor, likelihood: Likelihood, chunk: int
) -> Tensor:
    """The sum of the likelihood's losses, differentiable in hidden states and head.

    Value and gradient are those of the plain computation. The logits are computed twice, since a loss
    may need all log-probabilities before it knows the gradient of any; [chunk, V] of them exist at once.
    """
    logp_N = label_logp(hidden_NH, head_VH, labels_N, chunk)
    losses_M, grad_N = likelihood.value_and_grad(logp_N)
    pulled = chunked_loss(hidden_NH, head_VH, _Pull(labels_N, grad_N.detach()), chunk)
    return pulled + losses_M.detach().sum().to(pulled.dtype)


@dataclass(frozen=True)
class _Pull:
    """grad_N times the gradient of the labels' log-probabilities, of value 0. Implements Objective."""

    labels_N: Tensor
    grad_N: Tensor

    def value_and_grad(self, logits_NV: Tensor, start: int) -> Tensor:
        """See Objective: the gradient of log q_label is one at the label, less q."""
        rows = slice(start, start + len(logits_NV))
        grad_N1 = self.grad_N[rows].to(logits_NV.dtype).unsqueeze(1)
        q_NV = log_softmax_(logits_NV)
        torch.mul(q_NV, -grad_N1, out=logits_NV)
        logits_NV.scatter_add_(1, self.labels_N[rows].unsqueeze(1), grad_N1)
        return logits_NV.new_zeros(len(logits_NV))
