"""Objectives and heads against plain autograd in fp64: value and gradient."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor

from inbond.losses.heads import chunked_loss, dense_divergence
from inbond.losses.objectives import MixedObjective, SparseTargets


def plain_loss(logits_NV: Tensor, objective: MixedObjective) -> Tensor:
    """The formula written out, for autograd: KL over the kept tokens and one tail event, plus CE."""
    logq_NV = logits_NV.log_softmax(1)
    targets = objective.targets
    logq_NK = logq_NV.gather(1, targets.ids_NK)
    tail_NV = torch.ones_like(logits_NV, dtype=torch.bool).scatter(1, targets.ids_NK, False)
    kl_N = torch.special.xlogy(targets.p_NK, targets.p_NK).sum(1) - (targets.p_NK * logq_NK).sum(1)
    if tail_NV.any():
        logq_tail_N = logq_NV.masked_fill(~tail_NV, -torch.inf).logsumexp(1)
        p_N = targets.p_tail_N
        kl_N = kl_N + torch.special.xlogy(p_N, p_N) - p_N * logq_tail_N
    ce_N = -logq_NV.gather(1, objective.labels_N[:, None]).squeeze(1)
    return objective.kl_N * kl_N + objective.ce_N * ce_N


def example(
    n: int, v: int, k: int, *, seed: int, dtype: torch.dtype = torch.float64, scale: float = 3.0
) -> tuple[Tensor, Tensor, Tensor, MixedObjective]:
    """Teacher logits, hidden states, head and an objective with weights of every kind (zeros too)."""
    generator = torch.Generator().manual_seed(seed)
    teacher_NV = torch.randn(n, v, generator=generator, dtype=dtype) * scale
    logp_NK, ids_NK = teacher_NV.log_softmax(1).topk(k, dim=1)
    labels_N = torch.randint(0, v, (n,), generator=generator)
    weights = torch.rand(2, n, generator=generator, dtype=dtype)
    weights[0, ::5] = 0.0
    weights[1, 1::4] = 0.0
    hidden_NH = torch.randn(n, 7, generator=generator, dtype=dtype)
    weight_VH = torch.randn(v, 7, generator=generator, dtype=dtype) * scale / 3
    return (
        teacher_NV,
        hidden_NH,
        weight_VH,
        MixedObjective(SparseTargets.from_logp(ids_NK, logp_NK), labels_N, weights[0], weights[1]),
    )


@given(
    st.integers(1, 17),
    st.integers(2, 33),
    st.data(),
    st.integers(0, 10_000),
    st.sampled_from([1.0, 3.0, 12.0]),
)
def test_value_and_gradient_are_those_of_the_plain_formula(
    n: int, v: int, data: st.DataObject, seed: int, scale: float
) -> None:
    k = data.draw(st.integers(1, v))
    chunk = data.draw(st.integers(1, n + 1))
    _, hidden_NH, weight_VH, objective = example(n, v, k, seed=seed, scale=scale)
    plain = [hidden_NH.clone().requires_grad_(), weight_VH.clone().requires_grad_()]
    ours = [hidden_NH.clone().requires_grad_(), weight_VH.clone().requires_grad_()]
    expected = plain_loss(plain[0] @ plain[1].T, objective).sum()
    found = chunked_loss(ours[0], ours[1], objective, chunk)
    torch.testing.assert_close(found, expected, rtol=1e-9, atol=1e-9)
    (expected * 1.7).backward()
    (found * 1.7).backward()
    for mine, theirs in zip(ours, plain, strict=True):
        torch.testing.assert_close(mine.grad, theirs.grad, rtol=1e-7, atol=1e-9)


@given(st.integers(1, 31), st.integers(0, 1000))
def test_the_tail_bucket_is_a_lower_bound_that_grows_with_k(k: int, seed: int) -> None:
    teacher_NV, hidden_NH, weight_VH, _ = example(6, 32, 32, seed=seed)
    logp_NV = teacher_NV.log_softmax(1)
    logq_NV = (hidden_NH @ weight_VH.T).log_softmax(1)
    full = (logp_NV.exp() * (logp_NV - logq_NV)).sum()
    values = []
    for kept in (k, k + 1):
        logp_NK, ids_NK = logp_NV.topk(kept, dim=1)
        ones, zeros = torch.ones(6, dtype=torch.float64), torch.zeros(6, dtype=torch.float64)
        objective = MixedObjective(
            SparseTargets.from_logp(ids_NK, logp_NK), torch.zeros(6, dtype=torch.int64), ones, zeros
        )
        values.append(chunked_loss(hidden_NH, weight_VH, objective, 4))
    assert values[0] <= values[1] + 1e-9
    assert values[1] <= full + 1e-9


@pytest.mark.parametrize("scale", [20.0, 60.0, 200.0])
@pytest.mark.parametrize("k", [1, 3])
def test_a_tail_that_underflows_keeps_its_value_and_gradient(scale: float, k: int) -> None:
    _, hidden_NH, weight_VH, objective = example(9, 12, k, seed=5, scale=scale)
    ours, plain = (hidden_NH.clone().requires_grad_() for _ in range(2))
    expected = plain_loss(plain @ weight_VH.T, objective).sum()
    found = chunked_loss(ours, weight_VH, objective, 4)
    torch.testing.assert_close(found, expected, rtol=1e-9, atol=1e-9)
    expected.backward()
    found.backward()
    torch.testing.assert_close(ours.grad, plain.grad, rtol=1e-7, atol=1e-9)


def test_extreme_logits_stay_finite() -> None:
    _, hidden_NH, weight_VH, objective = example(8, 40, 3, seed=1, dtype=torch.float32, scale=3)
    hidden_NH = (hidden_NH * 1e4).requires_grad_()
    loss = chunked_loss(hidden_NH, weight_VH, objective, 3)
    loss.backward()
    assert torch.isfinite(loss)
    assert torch.isfinite(hidden_NH.grad).all()


def test_low_precision_hidden_states_keep_the_loss_in_float32() -> None:
    _, hidden_NH, weight_VH, objective = example(64, 50, 8, seed=3, dtype=torch.float32)
    wide = chunked_loss(hidden_NH.bfloat16().float(), weight_VH.bfloat16().float(), objective, 16)
    narrow_hidden = hidden_NH.bfloat16().requires_grad_()
    narrow = chunked_loss(narrow_hidden, weight_VH.bfloat16(), objective, 16)
    assert narrow.dtype == torch.float32
    torch.testing.assert_close(narrow, wide, rtol=2e-2, atol=2e-2)
    narrow.backward()
    assert narrow_hidden.grad is not None
    assert narrow_hidden.grad.dtype == torch.bfloat16


def test_weights_of_zero_leave_no_gradient() -> None:
    _, hidden_NH, weight_VH, objective = example(5, 20, 4, seed=2)
    off = MixedObjective(objective.targets, objective.labels_N, objective.kl_N * 0, objective.ce_N * 0)
    hidden_NH.requires_grad_()
    loss = chunked_loss(hidden_NH, weight_VH, off, 2)
    loss.backward()
    assert loss == 0
    assert hidden_NH.grad is not None
    assert not hidden_NH.grad.any()


@pytest.mark.parametrize("chunk", [1, 3, 100])
def test_dense_divergence_is_the_written_out_one(chunk: int) -> None:
    _, hidden_NH, weight_VH, _ = example(9, 30, 3, seed=4, dtype=torch.float32)
    other_NH, other_VH = hidden_NH.roll(1, 0)[:, :5], weight_VH[:, :5]
    kl_N, agree_N = dense_divergence((hidden_NH, weight_VH), (other_NH, other_VH), chunk)
    logp, logq = (hidden_NH @ weight_VH.T).log_softmax(1), (other_NH @ other_VH.T).log_softmax(1)
    torch.testing.assert_close(kl_N, (logp.exp() * (logp - logq)).sum(1), rtol=1e-4, atol=1e-5)
    assert agree_N.equal(logp.argmax(1) == logq.argmax(1))
    zero_N, all_N = dense_divergence((hidden_NH, weight_VH), (hidden_NH, weight_VH), chunk)
    assert zero_N.abs().max() < 1e-5
    assert all_N.all()
