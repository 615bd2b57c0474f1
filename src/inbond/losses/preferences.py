"""Direct preference optimisation (DPO, arXiv 2305.18290): the chosen answer made likelier than the rejected
one, measured from a reference.

Legend: N label tokens, P pairs, S = 2P sequences: chosen, rejected, chosen, rejected, ...
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor
from torch.nn.functional import logsigmoid

Normalise = Literal["sum", "average"]
"""sum: a sequence counts by its log-probability, as in the paper, where a long answer has the larger margin;
average: by the mean over its tokens (as SimPO, arXiv 2405.14734, but from the reference)."""


@dataclass(frozen=True)
class DPO:
    """weight_P * (-(1 - smoothing) log sigmoid(m) - smoothing log sigmoid(-m)) with m = beta * (chosen -
    rejected), each side the log-ratio of student and reference. Implements Likelihood.

    ``lengths_S`` label tokens of each sequence (int64, at least 1), ``reference_S`` the reference's summed
    log-probabilities. ``smoothing`` is the share of pairs believed to be the wrong way round (cDPO).
    """

    lengths_S: Tensor
    reference_S: Tensor
    weight_P: Tensor
    beta: float = 0.1
    smoothing: float = 0.0
    normalise: Normalise = "sum"

    def value_and_grad(self, logp_N: Tensor) -> tuple[Tensor, Tensor]:
        """See Likelihood: a loss for each pair."""
        margin_P, scale_S = self.margins(logp_N)
        weight_P = self.weight_P.to(margin_P.dtype)
        right_P, wrong_P = logsigmoid(margin_P), logsigmoid(-margin_P)
        losses_P = -weight_P * ((1 - self.smoothing) * right_P + self.smoothing * wrong_P)
        slope_P = -weight_P * ((1 - self.smoothing) * wrong_P.exp() - self.smoothing * right_P.exp())
        slope_S = torch.stack([slope_P, -slope_P], 1).flatten() * scale_S * self.beta
        return losses_P, slope_S.repeat_interleave(self.lengths_S)

    def margins(self, logp_N: Tensor) -> tuple[Tensor, Tensor]:
        """(m [P], what a token's log-probability counts for in its sequence [S])."""
        number_N = torch.arange(len(self.lengths_S), device=logp_N.device).repeat_interleave(self.lengths_S)
        sums_S = logp_N.new_zeros(len(self.lengths_S)).index_add_(0, number_N, logp_N)
        ratio_S = sums_S - self.reference_S.to(logp_N.dtype)
        lengths_S = self.lengths_S.to(logp_N.dtype)
        scale_S = 1 / lengths_S if self.normalise == "average" else torch.ones_like(lengths_S)
        chosen_P, rejected_P = (ratio_S * scale_S).view(-1, 2).unbind(1)
        return self.beta * (chosen_P - rejected_P), scale_S
