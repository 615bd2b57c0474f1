"""A fair sample: exactly as many tokens as asked, without bias, and tighter than drawing with replacement."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from inbond.losses.sampling import draw, uniforms

DRAWS = 4000


def weights(logp_NK: Tensor, sure_N: Tensor) -> Tensor:
    """What each kept token stands for, as ``draw`` promises it."""
    size = logp_NK.shape[1]
    is_sure_NK = torch.arange(size) < sure_N.unsqueeze(1)
    p_NK = logp_NK.double().exp() * is_sure_NK
    share_N = (1 - p_NK.sum(1)) / (size - sure_N.long()).clamp_min(1)
    return torch.where(is_sure_NK, p_NK, share_N.unsqueeze(1))


def logits(vocabulary: int, peak: float, seed: int) -> Tensor:
    return torch.randn(vocabulary, generator=torch.Generator().manual_seed(seed), dtype=torch.float64) * peak


def estimates(logp_V: Tensor, g_V: Tensor, size: int, count: int = DRAWS) -> Tensor:
    """sum(p * g) as seen through ``count`` samples, drawn at evenly spread u: their mean has next to no
    error of its own, since what is drawn is a step function of u."""
    u_N = (torch.arange(count, dtype=torch.float64) + 0.5) / count
    ids_NK, logp_NK, sure_N = draw(logp_V.expand(count, -1), size, u_N)
    return torch.einsum("nk,nk...->n...", weights(logp_NK, sure_N), g_V[ids_NK])


shapes = st.integers(2, 60).flatmap(lambda v: st.tuples(st.just(v), st.integers(1, v)))


@settings(max_examples=60)
@given(shapes, st.floats(0, 8), st.integers(0, 99))
def test_the_mean_over_all_draws_is_the_true_cross_entropy(
    shape: tuple[int, int], peak: float, seed: int
) -> None:
    (vocabulary, size), logp_V = shape, logits(shape[0], peak, seed).log_softmax(0)
    logq_V = logits(vocabulary, 2.0, seed + 1).log_softmax(0)
    found = estimates(logp_V, -logq_V, size)
    true = -(logp_V.exp() * logq_V).sum()
    # Each token's chance is met to 1/DRAWS; a drawn one weighs at most 1/size of what is left.
    allowed = 2 * vocabulary / DRAWS / size * logq_V.abs().max() + 1e-6
    assert abs(found.mean() - true) < allowed


@given(shapes, st.floats(0, 40), st.integers(0, 99), st.floats(0, 1, exclude_max=True))
def test_exactly_size_different_tokens_and_a_weight_of_one(
    shape: tuple[int, int], peak: float, seed: int, u: float
) -> None:
    vocabulary, size = shape
    logp_1V = logits(vocabulary, peak, seed).log_softmax(0).float().unsqueeze(0)
    ids_NK, logp_NK, sure_N = draw(logp_1V, size, torch.tensor([u], dtype=torch.float64))
    assert len(set(ids_NK[0].tolist())) == size
    assert (logp_NK[0].diff() <= 0).all(), "likeliest first"
    torch.testing.assert_close(logp_NK, logp_1V.gather(1, ids_NK), rtol=0, atol=0)
    kept = weights(logp_NK, sure_N)
    assert kept.min() >= -1e-6
    if sure_N[0] < size:
        assert abs(kept.sum() - 1) < 1e-12
    # The sure ones are the likeliest of all.
    sure = int(sure_N[0])
    torch.testing.assert_close(logp_NK[0, :sure], logp_1V[0].topk(size).values[:sure], rtol=0, atol=0)


def draws_for(p_V: Tensor, unique: int) -> float:
    """How many draws with replacement it takes to see ``unique`` different tokens on average."""
    low, high = 1.0, 1e9
    while high / low > 1 + 1e-9:
        middle = (low * high) ** 0.5
        seen = -torch.expm1(middle * torch.log1p(-p_V)).sum()
        low, high = (middle, high) if seen < unique else (low, middle)
    return low


@pytest.mark.parametrize("peak", [0.0, 0.5, 2.0, 5.0])
@pytest.mark.parametrize("size", [4, 12])
def test_it_varies_no_more_than_drawing_with_replacement(peak: float, size: int) -> None:
    """Against RS-KD with the same number of different tokens, on average over 100 students."""
    p_V = logits(2000, peak, 1).softmax(0)
    gain_VG = -torch.stack([logits(2000, 2.0, 2 + seed).log_softmax(0) for seed in range(100)], dim=1)
    ours = estimates(p_V.log(), gain_VG, size).var(0).mean()

    one_draw = (p_V @ gain_VG**2 - (p_V @ gain_VG) ** 2).mean()
    theirs = one_draw / draws_for(p_V, size)
    assert ours < theirs * 1.02, f"{ours:.4g} against {theirs:.4g}"
    if peak == 5.0:
        assert ours < 0.9 * theirs, f"{ours:.4g} against {theirs:.4g}"


def one_row(logp: list[float], size: int, u: float = 0.3) -> tuple[list[int], list[float], int]:
    ids, logps, sure = draw(torch.tensor([logp]), size, torch.tensor([u], dtype=torch.float64))
    return ids[0].tolist(), logps[0].tolist(), int(sure[0])


def test_one_certain_token_is_sure_and_the_others_are_fillers() -> None:
    ids, logps, sure = one_row([-torch.inf, 0.0, -torch.inf, -torch.inf], 3)
    assert ids[0] == 1
    assert len(set(ids)) == sure == 3
    assert logps == [0.0, -torch.inf, -torch.inf]


def test_a_token_without_probability_is_never_drawn_while_others_have_some() -> None:
    logp = [-torch.inf, np.log(0.25), np.log(0.25), -torch.inf, np.log(0.25), np.log(0.25)]
    for u in np.linspace(0, 1, 101)[:-1]:
        ids, _, sure = one_row(logp, 3, float(u))
        assert set(ids) <= {1, 2, 4, 5}
        assert len(set(ids)) == 3
        assert sure == 0
    assert sorted(one_row(logp, 4)[0]) == [1, 2, 4, 5]


@pytest.mark.parametrize("vocabulary", [2, 7, 1000])
def test_a_flat_distribution_over_all_tokens_is_kept_whole(vocabulary: int) -> None:
    size = min(vocabulary, 255)
    ids, _, sure = one_row([-float(np.log(vocabulary))] * vocabulary, size, 1 - 2**-53)
    assert len(set(ids)) == size
    assert sure == (size if size == vocabulary else 0)


def test_mass_that_floats_can_hardly_hold_is_still_shared_out() -> None:
    """A rest of 1e-40 in float32 logs: the tail's own proportions decide the draw."""
    logp = [0.0, -92.0, -92.0, -92.0 - np.log(2), -700.0]
    counts = np.zeros(5)
    for u in np.linspace(0, 1, 500, endpoint=False):
        ids, _, sure = one_row(logp, 2, float(u))
        assert ids[0] == 0
        assert sure == 1
        counts[ids[1]] += 1 / 500
    np.testing.assert_allclose(counts, [0, 0.4, 0.4, 0.2, 0], atol=0.005)


def test_a_broken_teacher_does_not_hang_or_raise() -> None:
    ids, logps, _ = one_row([float("nan")] * 5, 2)
    assert all(0 <= token < 5 for token in ids)
    assert np.isnan(logps).all()


def test_no_rows_give_no_rows() -> None:
    ids, logps, sure = draw(torch.zeros((0, 9)), 4, torch.zeros(0, dtype=torch.float64))
    assert ids.shape == logps.shape == (0, 4)
    assert sure.shape == (0,)


def test_numbers_depend_on_seed_sequence_and_place_alone() -> None:
    one = uniforms(0, [5, 6, 7])
    assert one.tolist() == [0.9657136183223999, 0.959576069660056, 0.7921013861234832]
    assert uniforms(1, [5, 6, 7]).tolist() != one.tolist()
    assert uniforms(0, [5, 6, 8])[:2].tolist() != one[:2].tolist()
    many = torch.cat([uniforms(0, [i]) for i in range(3000)])
    assert many.min() >= 0
    assert many.max() < 1
    assert abs(many.mean() - 0.5) < 0.03
    assert abs(many.var() - 1 / 12) < 0.01
