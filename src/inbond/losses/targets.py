"""What the student learns from at a label token: the teacher's whole distribution, its likeliest tokens, or
a fair sample of them. Each turns rows of the student's logits into divergences and exact gradients.

Legend: N label tokens, K kept tokens, E events, V vocabulary, H hidden width. p teacher, q student.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

import torch
from torch import Tensor

from inbond.losses.divergences import Divergence, Events

TAIL_FLOOR = 1e-9
"""A tail is never believed to hold less: what float32 log-probabilities leave of 1 - sum p is no better."""


ABSENT = -1000.0
"""The log-probability that fills up a row which keeps fewer than K tokens: this place is none of them."""
_ABSENT_FROM = 0.9 * ABSENT
"""Shards keep log-probabilities to within about a per cent."""


class Targets(Protocol):
    """The teacher at N label tokens."""

    def part(self, rows: slice) -> Targets:
        """Those of some rows; where the teacher's logits must be computed, they are now."""

    def fold(
        self,
        logits_NV: Tensor,
        labels_N1: Tensor,
        divergence: Divergence,
        weight_N1: Tensor,
        pull_N1: Tensor,
    ) -> tuple[Tensor, Tensor]:
        """(divergence_N, log q of the labels N) of the student's logits, already divided by the temperature.

        ``logits_NV`` become, in place, the gradient weight * d divergence / d logits + pull * q. Math in
        the dtype of the logits, and all finite when they are.
        """


@dataclass(frozen=True)
class TopK:
    """The K likeliest tokens [N, K] and the mass of all others, one event on both sides.

    By the data processing inequality every divergence here is then a lower bound of the full one, and
    equals it at K = V. ``ids_NK`` int64, each id once a row; an id at ``ABSENT`` only fills its row up
    and belongs to the tail.
    """

    ids_NK: Tensor
    logp_NK: Tensor
    p_tail_N: Tensor

    @staticmethod
    def from_logp(ids_NK: Tensor, logp_NK: Tensor) -> TopK:
        """From natural log-probabilities that are normalised over the whole vocabulary."""
        tail_N = (1.0 - logp_NK.double().exp().sum(1)).clamp_min_(TAIL_FLOOR)
        return TopK(ids_NK.long(), logp_NK, tail_N.to(logp_NK.dtype))

    def part(self, rows: slice) -> TopK:
        """See Targets."""
        return TopK(self.ids_NK[rows], self.logp_NK[rows], self.p_tail_N[rows])

    def fold(
        self,
        logits_NV: Tensor,
        labels_N1: Tensor,
        divergence: Divergence,
        weight_N1: Tensor,
        pull_N1: Tensor,
    ) -> tuple[Tensor, Tensor]:
        """See Targets. Within the tail q_j = q_tail * share_j, which holds even where q_tail underflows."""
        ids_NK = self.ids_NK
        label_N1, kept_NK = logits_NV.gather(1, labels_N1), logits_NV.gather(1, ids_NK)
        absent_NK = self.logp_NK <= _ABSENT_FROM
        tail_NV = logits_NV.scatter_(1, ids_NK, kept_NK.masked_fill(~absent_NK, -torch.inf))
        kept_NK.masked_fill_(absent_NK, -torch.inf)
        lse_tail_N1 = tail_NV.logsumexp(1, keepdim=True)
        lse_N1 = torch.logaddexp(lse_tail_N1, kept_NK.logsumexp(1, keepdim=True))

        events = self._events(torch.cat([kept_NK, lse_tail_N1], 1) - lse_N1)
        value_N, slope_NE = divergence.value_and_slope(events)
        total_N1 = slope_NE.sum(1, keepdim=True)
        grad_NE = (slope_NE - total_N1 * events.q_NE).mul_(weight_N1).addcmul_(events.q_NE, pull_N1)

        share_NV = tail_NV.sub_(lse_tail_N1.masked_fill(lse_tail_N1 == -torch.inf, 0.0)).exp_()
        share_NV.mul_(grad_NE[:, -1:])
        share_NV.scatter_(1, ids_NK, torch.where(absent_NK, share_NV.gather(1, ids_NK), grad_NE[:, :-1]))
        return value_N, (label_N1 - lse_N1).squeeze(1)

    def _events(self, logq_NE: Tensor) -> Events:
        """K tokens and the tail. Absent tokens, and the tail where K = V, are events of no mass at all."""
        p_tail_N1 = self.p_tail_N.to(logq_NE.dtype).unsqueeze(1)
        logp_NE = torch.cat([self.logp_NK.to(logq_NE.dtype), p_tail_N1.log()], 1)
        nothing_NE = torch.cat([self.logp_NK <= _ABSENT_FROM, logq_NE[:, -1:] == -torch.inf], 1)
        logq_NE, logp_NE = (_finite(x.masked_fill(nothing_NE, -torch.inf)) for x in (logq_NE, logp_NE))
        return Events(logp_NE, logp_NE.exp(), logq_NE, logq_NE.exp(), bucket=True)


@dataclass(frozen=True)
class Sampled:
    """A fair sample of K tokens [N, K]: ``share_NK`` is what each stands for, 1 a row together.

    Estimates every divergence, and its gradient, without bias; forward KL steadily (its gradient is
    q - share), reverse KL with much noise where q is far above p. Ids may repeat.
    """

    ids_NK: Tensor
    logp_NK: Tensor
    share_NK: Tensor

    @staticmethod
    def from_logp(ids_NK: Tensor, logp_NK: Tensor, sure_N: Tensor) -> Sampled:
        """From log-probabilities, of which the first ``sure_N`` of a row stand for themselves and the
        others for equal parts of the mass that those leave."""
        size = ids_NK.shape[1]
        sure_NK = torch.arange(size, device=ids_NK.device) < sure_N.unsqueeze(1)
        own_NK = torch.where(sure_NK, logp_NK.double().exp(), 0.0)  # in double: 1 - sum p may be next to 0
        rest_N = (1.0 - own_NK.sum(1)).clamp_min_(0.0) / (size - sure_N).clamp_min(1)
        share_NK = torch.where(sure_NK, own_NK, rest_N.unsqueeze(1))
        return Sampled(ids_NK.long(), logp_NK, share_NK.to(logp_NK.dtype))

    def part(self, rows: slice) -> Sampled:
        """See Targets."""
        return Sampled(self.ids_NK[rows], self.logp_NK[rows], self.share_NK[rows])

    def fold(
        self,
        logits_NV: Tensor,
        labels_N1: Tensor,
        divergence: Divergence,
        weight_N1: Tensor,
        pull_N1: Tensor,
    ) -> tuple[Tensor, Tensor]:
        """See Targets."""
        ids_NK, dtype = self.ids_NK, logits_NV.dtype
        lse_N1 = logits_NV.logsumexp(1, keepdim=True)
        logq_label_N = (logits_NV.gather(1, labels_N1) - lse_N1).squeeze(1)
        logq_NK = _finite(logits_NV.gather(1, ids_NK) - lse_N1)
        logp_NK, share_NK = _finite(self.logp_NK.to(dtype)), self.share_NK.to(dtype)
        p_NK = logp_NK.exp()
        count_NK = torch.where(share_NK > 0, share_NK / p_NK, 0.0)

        events = Events(logp_NK, p_NK, logq_NK, logq_NK.exp(), count_NK)
        value_N, slope_NK = divergence.value_and_slope(events)
        total_N1 = slope_NK.sum(1, keepdim=True)
        grad_NV = logits_NV.sub_(lse_N1).exp_().mul_(pull_N1 - weight_N1 * total_N1)
        grad_NV.scatter_add_(1, ids_NK, weight_N1 * slope_NK)
        return value_N, logq_label_N


@dataclass(frozen=True)
class Dense:
    """The whole distribution: the teacher's logits [N, V], divided by ``temperature``."""

    logits_NV: Tensor
    temperature: float = 1.0

    def part(self, rows: slice) -> Dense:
        """See Targets."""
        return Dense(self.logits_NV[rows], self.temperature)

    def fold(
        self,
        logits_NV: Tensor,
        labels_N1: Tensor,
        divergence: Divergence,
        weight_N1: Tensor,
        pull_N1: Tensor,
    ) -> tuple[Tensor, Tensor]:
        """See Targets."""
        logp_NV = self.logits_NV.to(logits_NV.dtype, copy=True)
        if self.temperature != 1.0:
            logp_NV.div_(self.temperature)
        p_NV, q_NV = log_softmax_(logp_NV), log_softmax_(logits_NV)
        logq_label_N = logits_NV.gather(1, labels_N1).squeeze(1)
        value_N, slope_NV = divergence.value_and_slope(Events(logp_NV, p_NV, logits_NV, q_NV))
        total_N1 = slope_NV.sum(1, keepdim=True)
        torch.mul(slope_NV, weight_N1, out=logits_NV)
        logits_NV.addcmul_(q_NV, pull_N1 - weight_N1 * total_N1)
        return value_N, logq_label_N


@dataclass(frozen=True)
class Online:
    """The whole distribution from the teacher's hidden states [N, H] and head [V, H], whose logits exist for
    the rows in hand alone."""

    hidden_NH: Tensor
    weight_VH: Tensor
    temperature: float = 1.0

    def part(self, rows: slice) -> Dense:
        """See Targets."""
        return Dense(wide_product(self.hidden_NH[rows], self.weight_VH.T), self.temperature)

    def fold(
        self,
        logits_NV: Tensor,
        labels_N1: Tensor,
        divergence: Divergence,
        weight_N1: Tensor,
        pull_N1: Tensor,
    ) -> tuple[Tensor, Tensor]:
        """See Targets."""
        return self.part(slice(None)).fold(logits_NV, labels_N1, divergence, weight_N1, pull_N1)


def widened(matrix: Tensor) -> Tensor:
    """In the precision that ``wide_product`` multiplies: float32 or wider, but on a GPU as it is."""
    if matrix.is_cuda:
        return matrix
    return matrix.to(torch.promote_types(matrix.dtype, torch.float32))


def wide_product(left: Tensor, right: Tensor) -> Tensor:
    """left @ right, summed and kept in float32 or wider: logits rounded to bfloat16 move gradients by per
    cents. On a GPU both factors are rounded to the precision of ``right`` first."""
    wide = torch.promote_types(right.dtype, torch.float32)
    if right.is_cuda and right.dtype != wide:
        return torch.mm(left.to(right.dtype), right, out_dtype=wide)
    return left.to(wide) @ right.to(wide)


def log_softmax_(logits_NV: Tensor) -> Tensor:
    """Turns logits into log-probabilities in place and returns the probabilities: one exp for both."""
    logits_NV.sub_(logits_NV.amax(1, keepdim=True))
    p_NV = logits_NV.exp()
    sum_N1 = p_NV.sum(1, keepdim=True)
    logits_NV.sub_(sum_N1.log()).clamp_min_(torch.finfo(logits_NV.dtype).min / 4)
    return p_NV.div_(sum_N1)


def _finite(logp: Tensor) -> Tensor:
    """Minus infinity as a very small number, so that 0 times it is 0. NaN stays NaN."""
    return logp.clamp_min(torch.finfo(logp.dtype).min / 4)
