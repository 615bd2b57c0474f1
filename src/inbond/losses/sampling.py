"""A fair sample of a distribution: few tokens that stand for all of it without bias.

Legend: N label tokens, K kept tokens (``size``), V vocabulary.

Threshold sampling with probability proportional to size, drawn systematically (Duffield, Lund and
Thorup, "Priority sampling for estimation of arbitrary subset sums", 2007, section 2; Madow, 1949).
Tokens that have at least an even share of the mass left are kept for sure and stand for themselves;
of the others, each is drawn at most once, with a chance proportional to its probability, and all that
are drawn weigh the same. So the weights of a row sum to 1, and for any g the weighted sum of g over the
kept tokens has the expectation sum(p * g). Random-sampling distillation (arXiv 2503.16870) is the same
idea with replacement: there likely tokens are drawn over and over, and one draw tells less.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor

from inbond.digest import of_value, to_raw

MOST = 255
"""Sure tokens are counted in a byte."""
_ROWS = 32
_SLACK = 1e-6
"""A token this close to an even share is taken for sure: no rounding can then draw one twice."""


def uniforms(seed: int, ids: Sequence[int]) -> Tensor:
    """One number in [0, 1) for each place of a sequence, float64 [len(ids)].

    They depend on the seed, the sequence and the place alone: not on batches, shards or the machine.
    """
    start = int.from_bytes(to_raw(of_value([seed, list(ids)])), "big")
    bits = np.random.PCG64(start).random_raw(len(ids))
    return torch.from_numpy((bits >> np.uint64(11)) * 2.0**-53)


def draw(logp_NV: Tensor, size: int, u_N: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """(ids_NK int64, logp_NK, sure_N uint8): ``size`` different tokens a row, likeliest first.

    ``logp_NV`` natural log-probabilities, ``u_N`` in [0, 1) float64. The first ``sure_N[n]`` tokens of a
    row weigh their probability, each other one (1 - sum of the sure p) / (size - sure_N[n]). Tokens of
    probability 0 are kept only where fewer than ``size`` have any.
    """
    assert 1 <= size <= min(MOST, logp_NV.shape[1]), (
        "as many places as a byte counts, and as there are tokens"
    )
    parts = [
        _draw_rows(logp_NV[start : start + _ROWS], size, u_N[start : start + _ROWS])
        for start in range(0, len(logp_NV), _ROWS)
    ]
    if not parts:
        return u_N.new_empty((0, size), dtype=torch.int64), logp_NV[:, :size], u_N.to(torch.uint8)
    ids, logps, sures = zip(*parts, strict=True)
    return torch.cat(ids), torch.cat(logps), torch.cat(sures)


def evened(logp_NK: Tensor, sure_N: Tensor) -> Tensor:
    """Log-probabilities as ``draw`` gives them, those of a row's drawn tokens replaced by their mean.

    They share evenly in what is left, so that forward KL on them is the same, and its gradient too.
    """
    drawn_NK = torch.arange(logp_NK.shape[1], device=logp_NK.device) >= sure_N.unsqueeze(1)
    sum_N1 = torch.where(drawn_NK, logp_NK, 0.0).sum(1, keepdim=True)
    return torch.where(drawn_NK, sum_N1 / drawn_NK.sum(1, keepdim=True).clamp_min(1), logp_NK)


def _draw_rows(logp_NV: Tensor, size: int, u_N: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    top_NK, top_ids_NK = logp_NV.topk(size, dim=1)
    p_NV, top_p_NK = logp_NV.double().exp(), top_NK.double().exp()
    sure_N = _sure(top_p_NK, p_NV.scatter(1, top_ids_NK, 0.0).sum(1))

    place_K = torch.arange(size, device=logp_NV.device)
    is_sure_NK = place_K < sure_N.unsqueeze(1)
    p_NV.scatter_(1, top_ids_NK, top_p_NK.masked_fill(is_sure_NK, 0.0))
    mass_NV = p_NV.cumsum(1)
    rest_N1 = mass_NV[:, -1:]
    tau_N1 = rest_N1 / (size - sure_N).clamp_min(1).unsqueeze(1)
    point_NK = (u_N.unsqueeze(1) + (place_K - sure_N.unsqueeze(1))) * tau_N1
    point_NK = torch.minimum(point_NK, torch.nextafter(rest_N1, torch.zeros_like(rest_N1)))
    drawn_NK = torch.searchsorted(mass_NV, point_NK, right=True).clamp_(max=p_NV.shape[1] - 1)

    ids_NK = torch.where(is_sure_NK, top_ids_NK, drawn_NK)
    logp_NK, order_NK = logp_NV.gather(1, ids_NK).sort(dim=1, descending=True, stable=True)
    return ids_NK.gather(1, order_NK), logp_NK, sure_N.to(torch.uint8)


def _sure(top_p_NK: Tensor, others_N: Tensor) -> Tensor:
    """How many of the likeliest tokens have at least an even share of what those before them leave.

    What is left is summed up from the smallest, so that nothing left is exactly 0.
    """
    left_NK = others_N.unsqueeze(1) + top_p_NK.flip(1).cumsum(1).flip(1)
    places_K = torch.arange(top_p_NK.shape[1], 0, -1, device=top_p_NK.device)
    enough_NK = top_p_NK >= left_NK / places_K * (1 - _SLACK)
    return enough_NK.long().cumprod(1).sum(1)
