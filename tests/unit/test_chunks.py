"""Likelihood transfer: value and gradient against plain autograd, limits, and what a chunk sums."""

from __future__ import annotations

import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from inbond.losses.chunks import SURE, ChunkMatch, event_kl

HEATS = (1.0, 10.0, 100.0)
NATS = st.floats(-40.0, -2 * SURE, allow_nan=False)


@pytest.mark.parametrize("heat", HEATS)
@given(st.lists(st.tuples(NATS, NATS), min_size=1, max_size=8))
def test_events_against_plain_autograd(heat: float, pairs: list[tuple[float, float]]) -> None:
    logp_C, logq_C = (torch.tensor(column, dtype=torch.float64) for column in zip(*pairs, strict=True))
    logq_C.requires_grad_()
    p, q = (logp_C / heat).exp(), (logq_C / heat).exp()
    plain = heat * (p * (p / q).log() + (1 - p) * ((1 - p) / (1 - q)).log())
    (grad,) = torch.autograd.grad(plain.sum(), logq_C)
    value, slope = event_kl(logp_C, logq_C.detach(), heat)
    torch.testing.assert_close(value, plain.detach(), atol=1e-7, rtol=1e-5)
    torch.testing.assert_close(slope, grad, atol=1e-7, rtol=1e-5)
    assert (value >= -1e-9).all()


@given(st.lists(NATS, min_size=1, max_size=8), st.sampled_from(HEATS))
def test_nothing_is_learnt_where_both_agree(logs: list[float], heat: float) -> None:
    logp_C = torch.tensor(logs, dtype=torch.float64)
    value, slope = event_kl(logp_C, logp_C, heat)
    torch.testing.assert_close(value, torch.zeros_like(value), atol=1e-9, rtol=0)
    torch.testing.assert_close(slope, torch.zeros_like(slope), atol=1e-9, rtol=0)


def test_great_heat_is_the_generalised_kl_of_surprisals() -> None:
    value, slope = event_kl(torch.tensor([-2.0]).double(), torch.tensor([-5.0]).double(), 1e6)
    assert value.item() == pytest.approx(2 * math.log(2 / 5) + 5 - 2, rel=1e-4)
    assert slope.item() == pytest.approx(2 / 5 - 1, rel=1e-4)


def test_certainty_on_either_side_stays_finite() -> None:
    logs = torch.tensor([0.0, -1e-9, -60.0, -1e4])
    value, slope = event_kl(logs, logs.flip(0), 100.0)
    assert torch.isfinite(value).all()
    assert torch.isfinite(slope).all()


@pytest.mark.parametrize("heat", HEATS)
@given(st.floats(-5.0, -0.01), st.floats(-SURE, 1e-6))
def test_a_student_that_is_too_sure_is_pulled_back(heat: float, logp: float, logq: float) -> None:
    """The loss is a straight line there: its slope is that of its beginning, value and slope agree."""
    logp_C = torch.tensor([logp], dtype=torch.float64)
    values, slopes = zip(
        *(event_kl(logp_C, torch.tensor([at], dtype=torch.float64), heat) for at in (-SURE, logq)),
        strict=True,
    )
    assert slopes[1].item() == slopes[0].item() > 0
    rise = slopes[0].item() * (logq + SURE)
    assert values[1].item() == pytest.approx(values[0].item() + rise, rel=1e-9)


@given(st.lists(st.tuples(NATS, NATS), min_size=1, max_size=8), st.sampled_from(HEATS))
def test_single_precision_is_near_double_up_to_certainty(
    pairs: list[tuple[float, float]], heat: float
) -> None:
    logp_C, logq_C = (torch.tensor(column, dtype=torch.float64) for column in zip(*pairs, strict=True))
    exact, wanted = event_kl(logp_C, logq_C, heat)
    value, slope = event_kl(logp_C.float(), logq_C.float(), heat)
    torch.testing.assert_close(slope.double(), wanted, atol=1e-5, rtol=1e-4)
    torch.testing.assert_close(value.double(), exact, atol=1e-4, rtol=1e-4)


def test_what_a_student_thinks_impossible_pulls_without_limit_of_value_but_of_slope() -> None:
    value, slope = event_kl(torch.tensor([-1.0]), torch.tensor([-1e30]), 100.0)
    assert torch.isfinite(value).all()
    assert slope.item() == pytest.approx(-math.exp(-0.01), rel=1e-5)


@given(st.data())
def test_a_chunk_is_the_sum_of_its_tokens(data: st.DataObject) -> None:
    """Against autograd through the sums; tokens of no chunk get no gradient."""
    chunks = data.draw(st.integers(1, 4))
    of = [*range(chunks), *data.draw(st.lists(st.integers(-1, chunks - 1), max_size=8))]
    logq_N = torch.tensor(data.draw(st.lists(NATS, min_size=len(of), max_size=len(of))), dtype=torch.float64)
    logp_C = torch.tensor(data.draw(st.lists(NATS, min_size=chunks, max_size=chunks)), dtype=torch.float64)
    weight_C = torch.arange(1.0, chunks + 1, dtype=torch.float64)
    chunk_N = torch.tensor(of)
    losses, grad = ChunkMatch(chunk_N, logp_C, weight_C, 10.0).value_and_grad(logq_N)
    logq_N.requires_grad_()
    sums = torch.stack([logq_N[chunk_N == chunk].sum() for chunk in range(chunks)])
    p, q = (logp_C / 10).exp(), (sums / 10).exp()
    plain = weight_C * 10 * (p * (p / q).log() + (1 - p) * ((1 - p) / (1 - q)).log())
    (wanted,) = torch.autograd.grad(plain.sum(), logq_N)
    torch.testing.assert_close(losses, plain.detach(), atol=1e-7, rtol=1e-6)
    torch.testing.assert_close(grad, wanted, atol=1e-7, rtol=1e-6)
    assert (grad[chunk_N == -1] == 0).all()


def test_no_chunk_at_all_is_no_loss() -> None:
    nothing = torch.zeros(0)
    losses, grad = ChunkMatch(torch.tensor([-1, -1]), nothing, nothing).value_and_grad(
        torch.tensor([-1.0, -2.0])
    )
    assert (losses.sum().item(), grad.tolist()) == (0.0, [0.0, 0.0])
