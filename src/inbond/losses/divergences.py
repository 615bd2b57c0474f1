"""How far the student is from its teacher on a row of events, each with value and exact slope.

Legend: N rows, E events (tokens, or the tail as one of them), p teacher, q student, logs natural. A slope
is d value / d log q_e as if the log q_e were independent; the targets turn slopes into the gradient of
logits. All are sums over events of a function of (p_e, q_e), so a fair sample of events estimates them
without bias: ``count`` holds what each sampled event stands for. Adaptive KL alone is a ratio of such sums.
Definitions: GKD (arXiv 2306.13649), DistiLLM (2402.03898), adaptive KL (2404.02657).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import torch
from torch import Tensor


@dataclass(frozen=True)
class Events:
    """Log-probabilities [N, E] of both models, finite, and their exponentials.

    ``count_NE``: how many events each one stands for, by expectation (its share of the sample over its
    probability); None when all events are there. ``bucket``: the last column is the tail as one event.
    """

    logp_NE: Tensor
    p_NE: Tensor
    logq_NE: Tensor
    q_NE: Tensor
    count_NE: Tensor | None = None
    bucket: bool = False

    def total(self, terms_NE: Tensor) -> Tensor:
        """The sum [N] over all events, or its estimate."""
        return self.counted(terms_NE).sum(1)

    def counted(self, terms_NE: Tensor) -> Tensor:
        """Terms times what each event stands for."""
        return terms_NE if self.count_NE is None else terms_NE * self.count_NE


class Divergence(Protocol):
    """A distance between teacher and student, not negative, 0 when they agree."""

    def value_and_slope(self, events: Events) -> tuple[Tensor, Tensor]:
        """(value_N, slope_NE) in the dtype of the events."""


@dataclass(frozen=True)
class ForwardKL:
    """KL(P || Q) = sum p (log p - log q): covers all that the teacher might say."""

    def value_and_slope(self, events: Events) -> tuple[Tensor, Tensor]:
        """See Divergence."""
        value_N = events.total((events.logp_NE - events.logq_NE).mul_(events.p_NE))
        return value_N, -events.counted(events.p_NE)


@dataclass(frozen=True)
class ReverseKL:
    """KL(Q || P) = sum q (log q - log p): says only what the teacher would.

    On a sample the value has the term p - q too, which sums to 0 over all events and steadies the estimate.
    """

    def value_and_slope(self, events: Events) -> tuple[Tensor, Tensor]:
        """See Divergence. The slope leaves out q itself: over all events it changes no gradient."""
        slope_NE = events.counted((events.logq_NE - events.logp_NE).mul_(events.q_NE))
        value_N = slope_NE.sum(1)
        if events.count_NE is not None:
            value_N = value_N + events.total(events.p_NE - events.q_NE)
        return value_N, slope_NE


@dataclass(frozen=True)
class JSD:
    """b KL(P || M) + (1 - b) KL(Q || M) with M = b P + (1 - b) Q, 0 < b < 1, as in GKD, TRL and Liger.

    There b = 0 and b = 1 mean forward and reverse KL, which are not the formula's limits: ``jsd`` does that.
    """

    beta: float

    def value_and_slope(self, events: Events) -> tuple[Tensor, Tensor]:
        """See Divergence."""
        logm_NE = _log(torch.lerp(events.q_NE, events.p_NE, self.beta))
        slope_NE = events.counted((events.logq_NE - logm_NE).mul_(events.q_NE).mul_(1 - self.beta))
        teacher_N = events.total(logm_NE.neg_().add_(events.logp_NE).mul_(events.p_NE))
        return slope_NE.sum(1).add_(teacher_N, alpha=self.beta), slope_NE


def jsd(beta: float) -> Divergence:
    """The generalised JSD, with forward KL at 0 and reverse KL at 1."""
    return ForwardKL() if beta == 0 else ReverseKL() if beta == 1 else JSD(beta)


@dataclass(frozen=True)
class SkewKL:
    """KL(P || a P + (1 - a) Q): forward KL that stays bounded where Q is small."""

    alpha: float

    def value_and_slope(self, events: Events) -> tuple[Tensor, Tensor]:
        """See Divergence."""
        mixed_NE = torch.lerp(events.q_NE, events.p_NE, self.alpha)
        value_N = events.total((events.logp_NE - _log(mixed_NE)).mul_(events.p_NE))
        share_NE = events.q_NE / mixed_NE.clamp_min_(_tiny(mixed_NE))
        return value_N, events.counted(share_NE.mul_(events.p_NE).mul_(self.alpha - 1))


@dataclass(frozen=True)
class SkewReverseKL:
    """KL(Q || a Q + (1 - a) P): reverse KL that stays bounded where P is small."""

    alpha: float

    def value_and_slope(self, events: Events) -> tuple[Tensor, Tensor]:
        """See Divergence."""
        mixed_NE = torch.lerp(events.p_NE, events.q_NE, self.alpha)
        terms_NE = (events.logq_NE - _log(mixed_NE)).mul_(events.q_NE)
        share_NE = events.p_NE / mixed_NE.clamp_min_(_tiny(mixed_NE))
        slope_NE = terms_NE + share_NE.mul_(events.q_NE).mul_(1 - self.alpha)
        return events.total(terms_NE), events.counted(slope_NE)


@dataclass(frozen=True)
class AdaptiveKL:
    """(g_head KL(P || Q) + g_tail KL(Q || P)) / (g_head + g_tail), g = sum |p - q| over the head,
    the likeliest tokens of the teacher that hold at least ``mu`` of its mass, and over the rest; no gradient
    flows through g.
    """

    mu: float

    def value_and_slope(self, events: Events) -> tuple[Tensor, Tensor]:
        """See Divergence."""
        gap_NE = events.counted((events.p_NE - events.q_NE).abs_())
        head_N, all_N = torch.where(self._head(events), gap_NE, 0.0).sum(1), gap_NE.sum(1)
        forward_N = torch.where(all_N > 0, head_N / all_N, 0.5)
        return _blend(events, ((forward_N, ForwardKL()), (1 - forward_N, ReverseKL())))

    def _head(self, events: Events) -> Tensor:
        """Which events are the head: those before which less than ``mu`` is held. The bucket never is."""
        p_NE, mass_NE = events.p_NE, events.counted(events.p_NE)
        if events.bucket:
            last = p_NE.shape[1] - 1
            p_NE = p_NE.index_fill(1, torch.tensor([last], device=p_NE.device), -1.0)  # sorted last
        order_NE = p_NE.argsort(dim=1, descending=True)
        sorted_NE = mass_NE.gather(1, order_NE)
        before_NE = sorted_NE.cumsum(1) - sorted_NE
        head_NE = torch.zeros_like(p_NE, dtype=torch.bool).scatter_(1, order_NE, before_NE < self.mu)
        return head_NE & (p_NE >= 0)


@dataclass(frozen=True)
class Mixture:
    """A weighted sum of divergences."""

    parts: tuple[tuple[float, Divergence], ...]

    def value_and_slope(self, events: Events) -> tuple[Tensor, Tensor]:
        """See Divergence."""
        if len(self.parts) == 1 and self.parts[0][0] == 1.0:
            return self.parts[0][1].value_and_slope(events)
        rows = len(events.p_NE)
        return _blend(events, [(events.p_NE.new_full((rows,), weight), part) for weight, part in self.parts])


def _blend(events: Events, parts: Sequence[tuple[Tensor, Divergence]]) -> tuple[Tensor, Tensor]:
    """The sum of divergences, each times its weight [N]."""
    total_N = torch.zeros_like(events.p_NE[:, 0])
    total_NE = torch.zeros_like(events.p_NE)
    for weight_N, part in parts:
        value_N, slope_NE = part.value_and_slope(events)
        total_N.addcmul_(value_N, weight_N)
        total_NE.addcmul_(slope_NE, weight_N.unsqueeze(1))
    return total_N, total_NE


def _tiny(like: Tensor) -> float:
    return torch.finfo(like.dtype).tiny


def _log(mixed_NE: Tensor) -> Tensor:
    """Below the smallest normal number both probabilities are nothing, and so is their term."""
    return mixed_NE.clamp_min(_tiny(mixed_NE)).log_()
