"""Rules on many answers, and what the rulings come to. All but ``rule_all`` is pure.

pass@k is the chance that at least one of k answers to a prompt passes, by the unbiased estimator of Chen et
al. 2021 (arXiv 2107.03374): 1 - C(n - c, k) / C(n, k) with c of n answers passing, mean over prompts. What a
verifier could not tell counts as not passed, so that pass@k is a lower bound then.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from math import comb
from typing import Any, Literal

from inbond.engine.verifying.ruling import OUTCOMES, Ruling, Verifies

Keep = Literal["all", "best", "first"]


def rule_all(
    verifier: Verifies,
    answers: Iterable[tuple[str, Any]],
    on_ruling: Callable[[int], None] = lambda _: None,
) -> list[Ruling]:
    """Rules on (completion, expected) pairs, in their order, several at once where the verifier can.
    ``on_ruling`` is told how many are through. Raises InputError as ``Verifies.check``."""
    rulings: list[Ruling] = []
    with ThreadPoolExecutor(verifier.at_once) as threads:
        for ruling in threads.map(lambda pair: verifier.check(*pair), answers):
            rulings.append(ruling)
            on_ruling(len(rulings))
    return rulings


def pass_at(k: int, answers: int, passed: int) -> float:
    """The chance that one of ``k`` answers drawn from ``answers`` is among the ``passed``. k <= answers."""
    assert 0 <= passed <= answers, "some of all"
    assert 1 <= k <= answers, "as many as there are"
    return 1.0 - comb(answers - passed, k) / comb(answers, k)


def pass_rates(prompts: Sequence[Sequence[Ruling]]) -> dict[str, float]:
    """pass@k for k = 1, 2, 4, ... and the most answers that all prompts have; keys are k as text. A prompt
    with fewer answers than the others (a request failed) lowers that most."""
    counts = [(len(rulings), sum(one.outcome == "passed" for one in rulings)) for rulings in prompts]
    most = min((answers for answers, _ in counts), default=0)
    sizes = {1 << power for power in range(most.bit_length())} | {most} if most else set()
    return {
        str(k): sum(pass_at(k, *count) for count in counts) / len(counts) for k in sorted(sizes) if k <= most
    }


def counted(rulings: Iterable[Ruling]) -> dict[str, Any]:
    """How many of each outcome, and by the reasons' kinds of what did not pass."""
    found = list(rulings)
    outcomes = Counter(ruling.outcome for ruling in found)
    reasons = Counter(f"{one.outcome}: {one.kind}" for one in found if one.outcome != "passed")
    return {
        "outcomes": {outcome: outcomes[outcome] for outcome in OUTCOMES},
        "reasons": dict(sorted(reasons.items())),
    }


def chosen(
    keep: Keep, groups: Mapping[Any, Sequence[int]], rulings: Sequence[Ruling], tokens: Sequence[int]
) -> list[int]:
    """The answers that are kept, by number, in order. ``groups`` has the numbers of each prompt's answers.

    ``all`` that passed; of each prompt the ``first``; or the ``best``, the one that says it in the fewest
    tokens (by its length where nobody counted), of equals the first.
    """
    kept: list[int] = []
    for numbers in groups.values():
        good = [number for number in numbers if rulings[number].outcome == "passed"]
        if keep == "all":
            kept += good
        elif good:
            kept.append(good[0] if keep == "first" else min(good, key=lambda number: tokens[number]))
    return sorted(kept)
