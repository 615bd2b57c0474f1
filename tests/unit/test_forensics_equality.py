"""Model equality: even where both are the same, small where they are not, exact over all divisions."""

from __future__ import annotations

import math
import random
from itertools import combinations

import numpy as np
import pytest

from inbond.forensics.equality import LENGTH, compare


def answers(seed: int, words: str, prompts: int = 6, each: int = 8) -> list[list[str]]:
    draw = random.Random(seed)
    return [["".join(draw.choices(words, k=20)) for _ in range(each)] for _ in range(prompts)]


def test_another_model_is_found_and_the_same_one_is_not() -> None:
    reference = answers(0, "abcd")
    assert compare(answers(1, "abcz"), reference, shuffles=999, seed=0).p < 0.01
    assert compare(answers(2, "日本語文"), answers(3, "日本語文"), shuffles=999, seed=0).p > 0.01


def test_p_values_are_even_under_the_null() -> None:
    ps = [
        compare(answers(2 * i, "ab", 2, 4), answers(2 * i + 1, "ab", 2, 4), shuffles=99, seed=i).p
        for i in range(300)
    ]
    for alpha in (0.05, 0.2, 0.5):
        share = np.mean(np.array(ps) <= alpha)
        assert share <= alpha + 3.5 * math.sqrt(alpha * (1 - alpha) / 300)


def test_p_is_that_of_all_divisions() -> None:
    served, reference = [["aaaa", "aaab"]], [["bbbb", "bbba"]]
    every = [*served[0], *reference[0]]

    def discrepancy(mine: tuple[int, ...]) -> float:
        def alike(i: int, j: int) -> float:
            same = sum(x == y for x, y in zip(every[i], every[j], strict=True))
            return (same + LENGTH - 4) / LENGTH

        theirs = [i for i in range(4) if i not in mine]
        cross = sum(alike(i, j) for i in mine for j in theirs) / 4
        return alike(*mine) + alike(*theirs) - 2 * cross

    found = discrepancy((0, 1))
    exact = np.mean([discrepancy(pair) >= found - 1e-12 for pair in combinations(range(4), 2)])
    result = compare(served, reference, shuffles=4000, seed=0)
    assert result.statistic == pytest.approx(found)
    assert result.p == pytest.approx(exact, abs=0.04)


def test_answers_of_other_lengths_differ_by_their_ends() -> None:
    long, short = [["aaaa"] * 6], [["aa"] * 6]
    assert compare(long, short, shuffles=999, seed=0).p < 0.02


def test_half_characters_and_empty_answers_are_answers() -> None:
    assert compare([["", "\ud800"]], [["", "\ud800"]], shuffles=9, seed=0).p > 0.5
