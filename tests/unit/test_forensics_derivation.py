"""Weight derivation: exact under random orders, found in children however they were cut, none among
strangers."""

from __future__ import annotations

import math
from itertools import permutations

import numpy as np
import pytest

from inbond.errors import InputError
from inbond.forensics.derivation import log10_p_of_order, matched, of_layers


@pytest.mark.parametrize("size", [8])
def test_orders_are_counted_over_all_permutations(size: int) -> None:
    rises = np.array([(np.diff(one) > 0).sum() for one in permutations(range(size))])
    for wanted in range(size):
        places = np.array([*range(size - wanted - 1, size), *range(size - wanted - 2, -1, -1)])
        found = int((np.diff(places) > 0).sum())
        assert found == wanted
        assert 10 ** log10_p_of_order(places) == pytest.approx((rises >= wanted).mean(), rel=1e-9)


def test_a_whole_order_is_one_of_all() -> None:
    assert log10_p_of_order(np.arange(1536)) == pytest.approx(-math.lgamma(1537) / math.log(10), rel=1e-9)
    assert log10_p_of_order(np.arange(5)) == 0, "too few to say anything"


def layers(seed: int, count: int = 3, neurons: int = 64, hidden: int = 24) -> list[np.ndarray]:
    draw = np.random.default_rng(seed)
    return [draw.normal(size=(neurons, hidden)).astype(np.float32) for _ in range(count)]


def test_children_are_found_however_they_were_cut() -> None:
    parent, draw = layers(0), np.random.default_rng(9)
    noisy = [layer + 0.5 * draw.normal(size=layer.shape).astype(np.float32) for layer in parent]
    for child, whose in (
        (noisy, [0, 1, 2]),
        ([noisy[2]], [2]),  # depth
        ([layer[draw.random(64) < 0.7] for layer in noisy], [0, 1, 2]),  # width
        ([noisy[0], layers(5)[1], noisy[2]], [0, None, 2]),  # one layer made anew
    ):
        found = of_layers(child, parent)
        assert found.log10_p < -20
        assert list(found.whose) == whose


def test_strangers_are_no_children_and_their_p_is_even() -> None:
    ps = [10 ** of_layers(layers(seed, 1), layers(1000 + seed, 1)).log10_p for seed in range(300)]
    for alpha in (0.01, 0.05, 0.2, 0.5):
        share = np.mean(np.array(ps) <= alpha)
        assert share <= alpha + 3.5 * math.sqrt(alpha * (1 - alpha) / 300)
    assert min(ps) > 1e-5


def test_neurons_in_another_order_are_not_found() -> None:
    """Told among the limits: who shuffles neurons on purpose changes nothing of what a model says."""
    parent, draw = layers(0, 1), np.random.default_rng(1)
    assert of_layers([parent[0][draw.permutation(64)]], parent).log10_p > -4
    assert len(matched(parent[0], parent[0])) == 64


def test_other_widths_cannot_be_compared() -> None:
    with pytest.raises(InputError, match="hidden widths 16, 24"):
        of_layers(layers(0, 1, hidden=16), layers(1, 1))
