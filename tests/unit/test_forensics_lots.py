"""Marks by lot: even, fixed, and their ranks never too small under the null."""

from __future__ import annotations

import hashlib
import math
from collections import Counter

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from inbond.forensics.lots import CANARY, CHOICE, LotKey, canaries, ranks
from inbond.forensics.ranks import log10_low_ranks


def key(number: int, scheme: str = CHOICE, size: int = 4) -> LotKey:
    return LotKey(scheme, hashlib.sha256(str(number).encode()).digest(), size)


def test_lots_are_even_and_fixed() -> None:
    counts = Counter(key(0).planted(str(i)) for i in range(4000))
    assert all(abs(count - 1000) < 4.5 * math.sqrt(750) for count in counts.values())
    assert [key(0).planted(str(i)) for i in range(12)] == [2, 0, 2, 3, 1, 1, 2, 3, 2, 2, 3, 0]
    assert key(0).id != key(1).id != key(0, size=5).id != key(0, CANARY).id
    assert key(0).secret.hex() not in str(key(0).public())


def test_canaries_differ_and_are_the_same_each_time() -> None:
    made = canaries(key(0, CANARY, 10), 30)
    assert made == canaries(key(0, CANARY, 10), 30)
    texts = [text for one in made for text in one.completions]
    assert len(set(texts)) == 300
    assert len({one.prompt for one in made}) == 30
    assert made[0].completions[0].count("-") == 3
    assert len({one.planted for one in made}) > 5


@given(st.lists(st.lists(st.integers(0, 3), min_size=3, max_size=3), min_size=1, max_size=5))
def test_a_tie_is_no_evidence(scores: list[list[int]]) -> None:
    for place in range(3):
        found = ranks(scores, [place] * len(scores))
        for row, rank in zip(scores, found, strict=True):
            assert rank == sum(other >= row[place] for other in row)


def test_p_values_are_even_where_nothing_was_learnt_and_small_where_it_was() -> None:
    draw = np.random.default_rng(0)
    ps = []
    for number in range(400):
        planted = [key(number).planted(str(i)) for i in range(20)]
        ps.append(10 ** log10_low_ranks(ranks(draw.normal(size=(20, 4)).tolist(), planted), 4))
    for alpha in (0.01, 0.05, 0.2, 0.5):
        assert np.mean(np.array(ps) <= alpha) <= alpha + 3.5 * math.sqrt(alpha * (1 - alpha) / 400)
    assert 0.4 < np.mean(np.array(ps) <= 0.55) < 0.65, "and hardly smaller than even"
    planted = [key(7).planted(str(i)) for i in range(60)]
    learnt = draw.normal(size=(60, 4)) + 2 * np.eye(4)[planted]
    assert log10_low_ranks(ranks(learnt.tolist(), planted), 4) < -6
