"""Is a served model the one that it is said to be? Its answers against the reference's, prompt by prompt.

The maximum mean discrepancy with a Hamming kernel on the first characters of answers, and a permutation of
who said what within each prompt (Gao et al., arXiv:2410.20247): exact whatever the models, as long as answers
to one prompt are drawn independently and alike. Pure. Legend: P prompts, N answers to one prompt, L
characters.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from inbond.forensics.ranks import Shuffled

Floats = npt.NDArray[np.float64]

LENGTH = 200
"""Characters of an answer that are looked at; shorter answers are filled up with an end that only equals
itself."""


def compare(
    served: Sequence[Sequence[str]], reference: Sequence[Sequence[str]], *, shuffles: int, seed: int
) -> Shuffled:
    """How different the answers are, summed over prompts, and how often a shuffle is at least so. At least
    two answers of each to each prompt."""
    assert len(served) == len(reference), "answers of both to each prompt"
    kernels = [_kernel([*mine, *theirs]) for mine, theirs in zip(served, reference, strict=True)]
    counts = [(len(mine), len(theirs)) for mine, theirs in zip(served, reference, strict=True)]
    assert all(min(pair) > 1 for pair in counts), "two answers each at least"
    found = sum(_discrepancy(k, np.arange(sum(n)), n[0]) for k, n in zip(kernels, counts, strict=True))
    draw, as_large = np.random.default_rng(seed), 0
    for _ in range(shuffles):
        other = sum(
            _discrepancy(k, draw.permutation(sum(n)), n[0]) for k, n in zip(kernels, counts, strict=True)
        )
        as_large += other >= found - 1e-12
    return Shuffled(found / max(1, len(kernels)), (1 + as_large) / (1 + shuffles), shuffles)


def _kernel(answers: Sequence[str]) -> Floats:
    """Share of places with the same character, for each two answers [N, N]."""
    codes = np.zeros((len(answers), LENGTH), np.int32)
    for row, answer in enumerate(answers):
        letters = np.frombuffer(answer[:LENGTH].encode("utf-32-le", "surrogatepass"), np.int32)
        codes[row, : len(letters)] = letters + 1
    return np.array([(codes == row).mean(1) for row in codes])


def _discrepancy(kernel_NN: Floats, order: npt.NDArray[np.int64], first: int) -> float:
    """Unbiased MMD squared (Gretton et al., JMLR 13, 2012, eq. 3) of the first so many against the others."""
    mine, theirs = order[:first], order[first:]
    within = (_off_diagonal(kernel_NN, mine), _off_diagonal(kernel_NN, theirs))
    return float(sum(within) - 2 * kernel_NN[np.ix_(mine, theirs)].mean())


def _off_diagonal(kernel_NN: Floats, rows: npt.NDArray[np.int64]) -> float:
    part, count = kernel_NN[np.ix_(rows, rows)], len(rows)
    return float((part.sum() - np.trace(part)) / (count * (count - 1)))
