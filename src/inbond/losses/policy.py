"""Reverse KL from the student's own samples, a token at a time, as a policy gradient.

Legend: N label tokens, all of them drawn from the student.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

from torch import Tensor


@dataclass(frozen=True)
class PolicyGradient:
    """weight_N * r * (log q(y) - log p(y)), of which only the ratio r = q(y) / behaviour(y) has a gradient.

    The advantage, minus the estimate log q - log p of a token's reverse KL, is detached, counts once and
    looks at no later token (discount 0). ``behaviour_N`` are the log-probabilities with which the tokens were
    drawn: by an earlier student, or at another temperature. Over samples of the behaviour the expected
    gradient is that of KL(Q || P) at each place. (Back through the estimate itself it would be nothing at
    all: the expected gradient of log q is 0.) A ratio above ``cap`` counts as the cap, with the gradient
    that cap * log q has (truncated importance sampling, Ionides 2008): that bounds the variance, and gives
    tokens that became so much likelier too little weight. Implements Likelihood.
    """

    behaviour_N: Tensor
    teacher_N: Tensor
    weight_N: Tensor
    cap: float = math.inf

    def value_and_grad(self, logp_N: Tensor) -> tuple[Tensor, Tensor]:
        """See Likelihood: a loss for each token, whose gradient by its own log q is the loss itself."""
        behaviour_N, teacher_N, weight_N = (
            x.to(logp_N.dtype) for x in (self.behaviour_N, self.teacher_N, self.weight_N)
        )
        ratio_N = (logp_N - behaviour_N).clamp_max(math.log(self.cap)).exp()
        losses_N = weight_N * ratio_N * (logp_N - teacher_N)
        return losses_N, losses_N
