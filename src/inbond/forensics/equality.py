"""Is a served model the one that it is said to be? Its answers against the reference's, prompt by prompt.

The maximum mean discrepancy with a Hamming kernel on the first characters of answers, and a permutation of
who said what within each prompt (Gao et al., arXiv:2410.20247): exact whatever the models, as long as answers
to one prompt are drawn independently and alike. Pure. Legend: P prompts, N answers to one prompt (both
models'), L characters, D divisions of them.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import combinations
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from inbond.digest import Digest, of_value
from inbond.errors import InputError
from inbond.forensics.bounds import log10_of_sum
from inbond.forensics.finding import ALPHA, Finding
from inbond.forensics.power import steps_for
from inbond.forensics.ranks import SHUFFLES, Shuffled, log10_p_of

Floats = npt.NDArray[np.float64]

LENGTH = 200
"""Characters of an answer that are looked at; shorter answers are filled up with an end that only equals
itself."""
OTHERWISE: Final = 0.5
"""The share of answers that must be of another kind before the test may say "no evidence"."""
_DIVISIONS = 200_000
"""Of one prompt's answers, up to which all are counted out."""
_AT_ONCE = 4096

_NULL: Final = (
    "the served model and the reference answer alike; then who gave which answer to a prompt is as good as "
    "drawn by lot"
)
_ASSUMPTIONS = (
    "all answers to a prompt were drawn independently, with the same sampling settings and the same prompt "
    "text",
    "the reference is the model of that name, run as its makers run it",
)
_LIMITS = (
    "another quantisation, system message, sampling setting or chat template also answers otherwise: that is "
    "no proof of other weights",
    "a model that answers alike on these prompts may differ on others",
    f"only the first {LENGTH} characters of an answer are looked at",
    "answers drawn at temperature 0 show how stable the arithmetic is, and little of the model",
)


@dataclass(frozen=True)
class _Asked:
    """One prompt: ``kernel_NN`` between all answers, of which the first so many are the served model's."""

    kernel_NN: Floats
    first: int

    @property
    def found(self) -> float:
        size = len(self.kernel_NN)
        return float(self.of((np.arange(size) < self.first)[None].astype(float))[0])

    def of(self, mine_DN: Floats) -> Floats:
        """Unbiased MMD squared (Gretton et al., JMLR 13, 2012, eq. 3) for each division."""
        shown_DN = mine_DN @ self.kernel_NN
        within = (shown_DN * mine_DN).sum(1)
        across = shown_DN.sum(1) - within
        rest = float(self.kernel_NN.sum()) - within - 2 * across
        n, m = self.first, len(self.kernel_NN) - self.first
        found: Floats = (
            (within - n) / (n * (n - 1)) + (rest - m) / (m * (m - 1)) - 2 * across / (n * m)
        )  # an answer is wholly like itself: n and m on the diagonals
        return found

    def all(self) -> Floats | None:
        """For every division; None where there are too many."""
        size = len(self.kernel_NN)
        if math.comb(size, self.first) > _DIVISIONS:
            return None
        return self.of(_divisions(size, self.first))

    def some(self, generator: np.random.Generator, count: int) -> Floats:
        """For divisions drawn by lot."""
        plain = np.tile((np.arange(len(self.kernel_NN)) < self.first).astype(float), (count, 1))
        return self.of(generator.permuted(plain, axis=1))


@lru_cache(maxsize=2)
def _divisions(size: int, first: int) -> Floats:
    """All ways to take ``first`` of ``size`` answers [D, N]."""
    chosen = np.array(list(combinations(range(size), first)))
    mine_DN = np.zeros((len(chosen), size))
    np.put_along_axis(mine_DN, chosen, 1.0, axis=1)
    return mine_DN


def compare(
    served: Sequence[Sequence[str]], reference: Sequence[Sequence[str]], *, shuffles: int, seed: int
) -> Shuffled:
    """How different the answers are, on average over prompts, and how often a division of the answers by lot
    is at least so. At least two answers of each to each prompt."""
    asked = _asked(served, reference)
    return _compare(asked, [one.all() for one in asked], shuffles, seed)


def _asked(served: Sequence[Sequence[str]], reference: Sequence[Sequence[str]]) -> list[_Asked]:
    assert len(served) == len(reference), "answers of both to each prompt"
    assert all(min(len(mine), len(theirs)) > 1 for mine, theirs in zip(served, reference, strict=True)), (
        "two answers each at least"
    )
    return [
        _Asked(_kernel([*mine, *theirs]), len(mine)) for mine, theirs in zip(served, reference, strict=True)
    ]


def _compare(asked: Sequence[_Asked], every: Sequence[Floats | None], shuffles: int, seed: int) -> Shuffled:
    found = sum(one.found for one in asked)

    def draw(generator: np.random.Generator, count: int) -> npt.NDArray[np.bool_]:
        total = np.zeros(count)
        for one, known in zip(asked, every, strict=True):
            total += one.some(generator, count) if known is None else generator.choice(known, count)
        large: npt.NDArray[np.bool_] = total >= found - 1e-9
        return large

    whole = [known for known in every if known is not None]
    bound = log10_of_sum(whole, found - 1e-9) if len(whole) == len(asked) else 0.0
    log10_p, done = log10_p_of(bound, draw, shuffles=shuffles, seed=seed, at_once=_AT_ONCE)
    return Shuffled(found / max(1, len(asked)), log10_p, done)


def judge(
    served: Sequence[Sequence[str]],
    reference: Sequence[Sequence[str]],
    *,
    name: str,
    digest: Digest | None = None,
    asked: Mapping[str, Any] | None = None,
    shuffles: int = SHUFFLES,
    seed: int = 0,
    alpha: float = ALPHA,
) -> Finding:
    """The finding. ``served[p]`` and ``reference[p]`` are the answers to prompt p; ``name`` and ``digest``
    are the reference's; ``asked``: how both were asked, for the record. A positive finding says that the
    served model answers otherwise. Raises InputError without prompts, or with fewer than two answers."""
    _check(served, reference)
    prompts = _asked(served, reference)
    every = [one.all() for one in prompts]
    found = _compare(prompts, every, shuffles, seed)
    answers = [min(len(mine), len(theirs)) for mine, theirs in zip(served, reference, strict=True)]
    return Finding(
        test="equality",
        question=f"the served model answers otherwise than {name}",
        null=_NULL,
        statistic={"discrepancy": found.statistic, "fewest_answers": float(min(answers))},
        log10_p=found.log10_p,
        size=len(served),
        unit="prompts",
        needed=_needed(reference, prompts, seed, alpha),
        effect=f"a served model of which {OTHERWISE:.0%} of the answers are of another kind",
        assumptions=_ASSUMPTIONS,
        limits=_LIMITS,
        facts={
            "served": of_value([list(each) for each in served]),
            "reference": of_value([list(each) for each in reference]),
            "asked": dict(asked or {}),
            "discrepancy": found.statistic,
            "log10_p": found.log10_p,
            "shuffles": found.shuffles,
            "seed": seed,
        },
        about={"kind": "model", "name": name, **({"id": digest} if digest else {}), "differs": "yes"},
    )


def _check(served: Sequence[Sequence[str]], reference: Sequence[Sequence[str]]) -> None:
    fewest = min((len(answers) for answers in (*served, *reference)), default=0)
    if len(served) != len(reference) or fewest < 2:
        raise InputError(
            expected="two answers or more of the served model and of the reference to each prompt",
            found=f"{len(served)} and {len(reference)} prompts, one of them with {fewest} answers"
            if served
            else "no prompts",
            fix="ask both the same prompts, ten times each, at a temperature above 0",
        )


def _needed(
    reference: Sequence[Sequence[str]], prompts: Sequence[_Asked], seed: int, alpha: float
) -> int | None:
    """How many prompts like these would show a served model that gives, in a share ``OTHERWISE`` of cases,
    an answer of another kind: one of the reference's to the next prompt. A discrepancy grows with that share
    squared; its spread is that among divisions, and, where it is there, also that among prompts. Told by one
    standard error less than what is measured. None where it cannot be known: one prompt, or answers that are
    the same to all prompts.
    """
    if len(reference) < 2:
        return None
    draw = np.random.default_rng(seed)
    apart = np.array([one.found for one in _asked(reference, [*reference[1:], reference[0]])])
    error = float(apart.std(ddof=1)) / math.sqrt(len(apart))
    effect = OTHERWISE**2 * (float(apart.mean()) - error)
    lots = math.sqrt(float(np.mean([one.some(draw, 300).var() for one in prompts])))
    if effect <= 0 or lots <= 0:
        return None
    spread = math.hypot(lots, OTHERWISE * float(apart.std(ddof=1)))
    at_alpha = steps_for(alpha, 0.5)
    reach = at_alpha * lots + (steps_for(alpha) - at_alpha) * spread
    # However far out the answers are: p is no smaller than all divisions of all prompts allow.
    divisions = min(math.comb(len(one.kernel_NN), one.first) for one in prompts)
    return math.ceil(max((reach / effect) ** 2, -math.log10(alpha) / math.log10(divisions / 2)))


def _kernel(answers: Sequence[str]) -> Floats:
    """Share of places with the same character, for each two answers [N, N]."""
    codes = np.zeros((len(answers), LENGTH), np.int32)
    for row, answer in enumerate(answers):
        letters = np.frombuffer(answer[:LENGTH].encode("utf-32-le", "surrogatepass"), np.int32)
        codes[row, : len(letters)] = letters + 1
    return np.array([(codes == row).mean(1) for row in codes])
