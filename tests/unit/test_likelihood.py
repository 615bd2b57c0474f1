"""Losses of the labels' log-probabilities alone, against plain autograd in fp64: value and gradient."""

from __future__ import annotations

from dataclasses import dataclass

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor

from inbond.losses.likelihood import label_logp, likelihood_loss

H, V = 5, 11


@dataclass(frozen=True)
class Stretches:
    """Squares of sums over stretches of labels: a loss that couples them. Implements Likelihood."""

    size: int

    def formula(self, logp_N: Tensor) -> Tensor:
        return torch.stack([part.sum().square() for part in logp_N.split(self.size)])

    def value_and_grad(self, logp_N: Tensor) -> tuple[Tensor, Tensor]:
        leaf_N = logp_N.detach().requires_grad_()
        losses_M = self.formula(leaf_N)
        (grad_N,) = torch.autograd.grad(losses_M.sum(), leaf_N)
        return losses_M.detach(), grad_N


def drawn(labels: int, seed: int, dtype: torch.dtype = torch.float64) -> tuple[Tensor, Tensor, Tensor]:
    noise = torch.Generator().manual_seed(seed)
    hidden_NH = torch.randn(labels, H, generator=noise, dtype=dtype).requires_grad_()
    head_VH = torch.randn(V, H, generator=noise, dtype=dtype).requires_grad_()
    return hidden_NH, head_VH, torch.randint(V, (labels,), generator=noise)


@given(st.integers(1, 9), st.integers(1, 4), st.integers(1, 12), st.integers(0, 10**6))
def test_value_and_gradient_are_those_of_autograd(labels: int, size: int, chunk: int, seed: int) -> None:
    hidden_NH, head_VH, labels_N = drawn(labels, seed)
    loss = likelihood_loss(hidden_NH, head_VH, labels_N, Stretches(size), chunk)
    (3.0 * loss).backward()
    plain = [leaf.detach().clone().requires_grad_() for leaf in (hidden_NH, head_VH)]
    logp_N = (plain[0] @ plain[1].T).log_softmax(1).gather(1, labels_N[:, None]).squeeze(1)
    expected = Stretches(size).formula(logp_N).sum()
    (3.0 * expected).backward()
    torch.testing.assert_close(loss, expected, rtol=1e-12, atol=1e-12)
    for leaf, other in zip((hidden_NH, head_VH), plain, strict=True):
        torch.testing.assert_close(leaf.grad, other.grad, rtol=1e-10, atol=1e-11)


def test_log_probabilities_of_labels_are_those_of_the_softmax() -> None:
    hidden_NH, head_VH, labels_N = drawn(7, 1)
    expected_NV = (hidden_NH @ head_VH.T).log_softmax(1)
    expected_N = expected_NV.gather(1, labels_N[:, None]).squeeze(1)
    found_N = label_logp(hidden_NH, head_VH, labels_N, 3)
    torch.testing.assert_close(found_N, expected_N.detach(), rtol=1e-12, atol=1e-12)
    assert not found_N.requires_grad


def test_a_frozen_head_gets_no_gradient_and_no_labels_cost_nothing() -> None:
    hidden_NH, head_VH, labels_N = drawn(4, 2)
    likelihood_loss(hidden_NH, head_VH.detach(), labels_N, Stretches(2), 2).backward()
    assert hidden_NH.grad is not None
    assert head_VH.grad is None
    empty_NH = torch.zeros(0, H, dtype=torch.float64, requires_grad=True)
    none_N = torch.zeros(0, dtype=torch.int64)
    assert likelihood_loss(empty_NH, head_VH, none_N, Nothing(), 2).item() == 0.0


class Nothing:
    def value_and_grad(self, logp_N: Tensor) -> tuple[Tensor, Tensor]:
        return logp_N.new_zeros(0), torch.zeros_like(logp_N)


@pytest.mark.parametrize("chunk", [1, 4, 100])
def test_in_low_precision_the_sums_are_wide(chunk: int) -> None:
    hidden_NH, head_VH, labels_N = drawn(6, 3, torch.bfloat16)
    loss = likelihood_loss(hidden_NH, head_VH, labels_N, Stretches(2), chunk)
    loss.backward()
    wide = [leaf.detach().double().requires_grad_() for leaf in (hidden_NH, head_VH)]
    logp_N = (wide[0] @ wide[1].T).log_softmax(1).gather(1, labels_N[:, None]).squeeze(1)
    expected = Stretches(2).formula(logp_N).sum()
    expected.backward()
    assert loss.dtype == torch.float32
    torch.testing.assert_close(loss.double(), expected, rtol=1e-5, atol=1e-5)
    torch.testing.assert_close(hidden_NH.grad.double(), wide[0].grad, rtol=1e-2, atol=1e-2)  # type: ignore[union-attr]
