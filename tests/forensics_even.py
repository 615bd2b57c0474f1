"""Whether p-values are even where there is nothing to be found."""

from __future__ import annotations

from collections.abc import Sequence

from inbond.forensics.exact import upper_tail

RARE = 1e-3


def check_even(
    ps: Sequence[float], alphas: Sequence[float] = (0.05, 0.2, 0.5), *, exact: bool = True
) -> None:
    """The share of p-values up to each alpha is within its exact binomial bounds; without ``exact`` (few
    permutations, ties) it may be less."""
    for alpha in alphas:
        count = sum(p <= alpha + 1e-6 for p in ps)
        assert upper_tail(count, len(ps), alpha) > RARE, (alpha, count, len(ps))
        if exact:
            assert upper_tail(len(ps) - count, len(ps), 1 - alpha) > RARE, (alpha, count, len(ps))
