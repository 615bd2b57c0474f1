"""Objectives and heads against plain autograd in fp64: value and gradient, for every kind of target."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor

from inbond.losses.divergences import (
    JSD,
    AdaptiveKL,
    Divergence,
    ForwardKL,
    Mixture,
    ReverseKL,
    SkewKL,
    SkewReverseKL,
    jsd,
)
from inbond.losses.heads import chunked_loss, dense_divergence
from inbond.losses.objectives import Distil
from inbond.losses.sampling import draw, evened
from inbond.losses.targets import ABSENT, Dense, Online, Sampled, Targets, TopK

# Plain formulas on log-probabilities [N, E]; 0 log 0 is 0.


def kl(logp: Tensor, logq: Tensor) -> Tensor:
    p = logp.exp()
    return torch.where(p > 0, p * (logp - logq), 0.0).sum(1)


def mixed(logp: Tensor, logq: Tensor, share: float) -> Tensor:
    return torch.log(share * logp.exp() + (1 - share) * logq.exp())


def plain_jsd(logp: Tensor, logq: Tensor, beta: float) -> Tensor:
    m = mixed(logp, logq, beta)
    return beta * kl(logp, m) + (1 - beta) * kl(logq, m)


def plain_adaptive(logp: Tensor, logq: Tensor, mu: float, buckets: int = 0) -> Tensor:
    p, q = logp.exp().detach(), logq.exp().detach()
    head = torch.zeros_like(p, dtype=torch.bool)
    for row in range(len(p)):
        held = 0.0
        for token in p[row, : p.shape[1] - buckets].argsort(descending=True).tolist():
            if held >= mu:
                break
            head[row, token] = True
            held += float(p[row, token])
    gap = (p - q).abs()
    g_head, g_tail = (gap * head).sum(1), (gap * ~head).sum(1)
    return (g_head * kl(logp, logq) + g_tail * kl(logq, logp)) / (g_head + g_tail).clamp_min(1e-300)


Plain = Callable[[Tensor, Tensor], Tensor]
DIVERGENCES: dict[str, tuple[Divergence, Plain]] = {
    "forward": (ForwardKL(), kl),
    "reverse": (ReverseKL(), lambda p, q: kl(q, p)),
    "jsd .1": (JSD(0.1), lambda p, q: plain_jsd(p, q, 0.1)),
    "jsd .5": (jsd(0.5), lambda p, q: plain_jsd(p, q, 0.5)),
    "jsd 0 is forward": (jsd(0), kl),
    "jsd 1 is reverse": (jsd(1), lambda p, q: kl(q, p)),
    "skew": (SkewKL(0.1), lambda p, q: kl(p, mixed(p, q, 0.1))),
    "skew reverse": (SkewReverseKL(0.1), lambda p, q: kl(q, mixed(q, p, 0.1))),
    "mixture": (
        Mixture(((0.7, ForwardKL()), (0.2, ReverseKL()), (1.5, JSD(0.3)))),
        lambda p, q: 0.7 * kl(p, q) + 0.2 * kl(q, p) + 1.5 * plain_jsd(p, q, 0.3),
    ),
}
EVERY = pytest.mark.parametrize("name", [*DIVERGENCES, "adaptive"])


def pair(name: str, buckets: int) -> tuple[Divergence, Plain]:
    if name == "adaptive":
        return AdaptiveKL(0.5), lambda p, q: plain_adaptive(p, q, 0.5, buckets)
    return DIVERGENCES[name]


class Case:
    """Random teacher logits, hidden states, head, labels and weights (zeros too)."""

    def __init__(
        self, n: int, v: int, seed: int, *, dtype: torch.dtype = torch.float64, scale: float = 3.0
    ) -> None:
        generator = torch.Generator().manual_seed(seed)

        def normal(*shape: int) -> Tensor:
            return torch.randn(*shape, generator=generator, dtype=torch.float64).to(dtype)

        self.teacher_NH, self.teacher_VH = normal(n, 5), normal(v, 5) * scale / 2
        self.hidden_NH, self.weight_VH = normal(n, 7), normal(v, 7) * scale / 3
        self.labels_N = torch.randint(0, v, (n,), generator=generator)
        self.weight_N, self.ce_N = torch.rand(2, n, generator=generator, dtype=torch.float64).to(dtype)
        self.weight_N[::5] = 0.0
        self.ce_N[1::4] = 0.0

    @property
    def teacher_NV(self) -> Tensor:
        return self.teacher_NH @ self.teacher_VH.T

    def objective(self, targets: Targets, divergence: Divergence, **more: Any) -> Distil:
        return Distil(targets, divergence, self.labels_N, self.weight_N, self.ce_N, **more)


def bucketed(logp_NV: Tensor, ids_NK: Tensor) -> Tensor:
    """Log-probabilities of the kept tokens and of all others together."""
    kept = torch.zeros_like(logp_NV, dtype=torch.bool).scatter(1, ids_NK, True)
    tail = logp_NV.masked_fill(kept, -torch.inf).logsumexp(1, keepdim=True)
    return torch.cat([logp_NV.gather(1, ids_NK), tail], 1)


def check(
    case: Case, objective: Distil, plain_N: Callable[[Tensor], Tensor], chunk: int, tolerance: float = 1e-8
) -> None:
    """``plain_N`` gives the divergence [N] from the student's logits at T=1, by plain formulas."""
    ours = [case.hidden_NH.clone().requires_grad_(), case.weight_VH.clone().requires_grad_()]
    plain = [case.hidden_NH.clone().requires_grad_(), case.weight_VH.clone().requires_grad_()]
    logits_NV = plain[0] @ plain[1].T
    text_N = -logits_NV.log_softmax(1).gather(1, case.labels_N[:, None]).squeeze(1)
    scale = objective.temperature**2 if objective.squared else 1.0
    expected = (scale * case.weight_N * plain_N(logits_NV) + case.ce_N * text_N).sum()
    found = chunked_loss(ours[0], ours[1], objective, chunk)
    torch.testing.assert_close(found, expected, rtol=tolerance, atol=tolerance)
    (expected * 1.7).backward()
    (found * 1.7).backward()
    for mine, theirs in zip(ours, plain, strict=True):
        torch.testing.assert_close(mine.grad, theirs.grad, rtol=tolerance * 100, atol=tolerance)


SHAPES = (st.integers(1, 13), st.integers(2, 29), st.integers(0, 10_000), st.sampled_from([1.0, 3.0, 8.0]))
TEMPERATURES = st.sampled_from([(1.0, False), (2.0, False), (2.0, True), (0.5, True)])


@EVERY
@given(*SHAPES, TEMPERATURES, st.integers(1, 14))
def test_dense_targets(
    name: str, n: int, v: int, seed: int, scale: float, heat: tuple[float, bool], chunk: int
) -> None:
    case, (divergence, plain) = Case(n, v, seed, scale=scale), pair(name, 0)
    temperature, squared = heat

    def plain_N(logits_NV: Tensor) -> Tensor:
        return plain((case.teacher_NV / temperature).log_softmax(1), (logits_NV / temperature).log_softmax(1))

    for targets in (
        Online(case.teacher_NH, case.teacher_VH, temperature),
        Dense(case.teacher_NV, temperature),
    ):
        objective = case.objective(targets, divergence, temperature=temperature, squared=squared)
        check(case, objective, plain_N, chunk)


@EVERY
@given(*SHAPES, TEMPERATURES, st.integers(1, 14), st.data())
def test_top_k_targets(
    name: str,
    n: int,
    v: int,
    seed: int,
    scale: float,
    heat: tuple[float, bool],
    chunk: int,
    data: st.DataObject,
) -> None:
    case, (divergence, plain) = Case(n, v, seed, scale=scale), pair(name, 1)
    k = data.draw(st.integers(1, v - 1))
    temperature, squared = heat
    logp_NV = (case.teacher_NV / temperature).log_softmax(1)
    ids_NK = logp_NV.topk(k, dim=1).indices
    events = bucketed(logp_NV, ids_NK)

    def plain_N(logits_NV: Tensor) -> Tensor:
        return plain(events, bucketed((logits_NV / temperature).log_softmax(1), ids_NK))

    targets = TopK(ids_NK, logp_NV.gather(1, ids_NK), events[:, -1].exp())
    objective = case.objective(targets, divergence, temperature=temperature, squared=squared)
    check(case, objective, plain_N, chunk)


@EVERY
@given(*SHAPES)
def test_top_k_that_holds_all_tokens_is_dense(name: str, n: int, v: int, seed: int, scale: float) -> None:
    case, (divergence, plain) = Case(n, v, seed, scale=scale), pair(name, 0)
    logp_NV = case.teacher_NV.log_softmax(1)
    top = logp_NV.topk(v, dim=1)
    objective = case.objective(TopK.from_logp(top.indices, top.values), divergence)
    check(case, objective, lambda logits: plain(logp_NV, logits.log_softmax(1)), 4)


@EVERY
@given(*SHAPES, st.data())
def test_absent_tokens_belong_to_the_tail(
    name: str, n: int, v: int, seed: int, scale: float, data: st.DataObject
) -> None:
    """Rows that keep fewer than K tokens, down to none, are padded with ids that count as tail."""
    case, (divergence, plain) = Case(n, v, seed, scale=scale), pair(name, 1)
    k = data.draw(st.integers(1, v - 1))
    kept = torch.tensor([data.draw(st.integers(0, k)) for _ in range(n)])
    logp_NV = case.teacher_NV.log_softmax(1)
    top = logp_NV.topk(k, dim=1)
    absent = torch.arange(k) >= kept[:, None]
    values = top.values.masked_fill(absent, ABSENT)
    tail_N = (1 - top.values.masked_fill(absent, -torch.inf).exp().sum(1)).clamp_min(1e-12)

    def plain_N(logits_NV: Tensor) -> Tensor:
        logq_NV = logits_NV.log_softmax(1)
        rows = []
        for row in range(n):
            ids = top.indices[row : row + 1, : kept[row]]
            teacher = torch.cat([logp_NV[row : row + 1].gather(1, ids), tail_N[row : row + 1, None].log()], 1)
            rows.append(plain(teacher, bucketed(logq_NV[row : row + 1], ids)))
        return torch.cat(rows)

    check(case, case.objective(TopK(top.indices, values, tail_N), divergence), plain_N, 4, 1e-7)


def sample(logp_NV: Tensor, k: int, seed: int) -> Sampled:
    """Draws with replacement, each an equal share: simple, unbiased, with repeated ids."""
    generator = torch.Generator().manual_seed(seed)
    ids_NK = torch.multinomial(logp_NV.exp(), k, replacement=True, generator=generator)
    return Sampled(ids_NK, logp_NV.gather(1, ids_NK), torch.full_like(logp_NV.gather(1, ids_NK), 1 / k))


@pytest.mark.parametrize("name", [*DIVERGENCES])
@given(*SHAPES, TEMPERATURES, st.integers(1, 14), st.integers(1, 9))
def test_sampled_targets(
    name: str, n: int, v: int, seed: int, scale: float, heat: tuple[float, bool], chunk: int, k: int
) -> None:
    """Value and gradient of the estimate: the sum of f(p, q) over the draws, each counted share / p times."""
    case, (divergence, _) = Case(n, v, seed, scale=scale), DIVERGENCES[name]
    temperature, squared = heat
    logp_NV = (case.teacher_NV / temperature).log_softmax(1)
    targets = sample(logp_NV, k, seed)

    def plain_N(logits_NV: Tensor) -> Tensor:
        logq_NK = (logits_NV / temperature).log_softmax(1).gather(1, targets.ids_NK)
        return estimate(name, targets, logq_NK)

    objective = case.objective(targets, divergence, temperature=temperature, squared=squared)
    check(case, objective, plain_N, chunk)


def estimate(name: str, targets: Sampled, logq: Tensor) -> Tensor:
    logp, q = targets.logp_NK, logq.exp()
    p, count = logp.exp(), targets.share_NK / logp.exp()

    def jsd_terms(beta: float) -> Tensor:
        m = mixed(logp, logq, beta)
        return beta * p * (logp - m) + (1 - beta) * q * (logq - m)

    forward, reverse = p * (logp - logq), q * (logq - logp) + p - q
    terms = {
        "forward": forward, "jsd 0 is forward": forward, "reverse": reverse, "jsd 1 is reverse": reverse,
        "jsd .1": jsd_terms(0.1), "jsd .5": jsd_terms(0.5),
        "skew": p * (logp - mixed(logp, logq, 0.1)), "skew reverse": q * (logq - mixed(logq, logp, 0.1)),
        "mixture": 0.7 * forward + 0.2 * reverse + 1.5 * jsd_terms(0.3),
    }[name]  # fmt: skip
    return (count * terms).sum(1)


@given(*SHAPES[:3], st.sampled_from([0.5, 4.0]), st.data())
def test_forward_kl_needs_no_more_than_the_mean_of_what_is_drawn(
    n: int, v: int, seed: int, scale: float, data: st.DataObject
) -> None:
    case, k = Case(n, v, seed, scale=scale), data.draw(st.integers(1, v))
    uniform_N = torch.rand(n, dtype=torch.float64, generator=torch.Generator().manual_seed(seed))
    ids_NK, logp_NK, sure_N = draw(case.teacher_NV.log_softmax(1), k, uniform_N)
    found = []
    for kept_NK in (logp_NK, evened(logp_NK, sure_N)):
        logits_NV = (case.hidden_NH @ case.weight_VH.T).clone()
        targets = Sampled.from_logp(ids_NK, kept_NK, sure_N)
        weight_N, zeros_N = torch.ones(n, dtype=torch.float64), torch.zeros(n, dtype=torch.float64)
        objective = Distil(targets, ForwardKL(), case.labels_N, weight_N, zeros_N)
        found.append((objective.value_and_grad(logits_NV, 0), logits_NV))
    torch.testing.assert_close(found[0], found[1])


@pytest.mark.parametrize("name", ["forward", "reverse", "jsd .5", "skew", "skew reverse"])
def test_the_mean_of_many_samples_is_the_dense_value_and_gradient(name: str) -> None:
    case, (divergence, plain) = Case(1, 6, 3, scale=1.0), DIVERGENCES[name]
    many, logp_NV = 20_000, case.teacher_NV.log_softmax(1)
    logits = (case.hidden_NH @ case.weight_VH.T).requires_grad_()
    expected = plain(logp_NV, logits.log_softmax(1)).sum()
    expected.backward()
    grads = logits.detach().repeat(many, 1)
    targets = sample(logp_NV.repeat(many, 1), 4, seed=5)
    ones, zeros = torch.ones(many, dtype=torch.float64), torch.zeros(many, dtype=torch.float64)
    losses = Distil(targets, divergence, torch.zeros(many, dtype=torch.int64), ones, zeros).value_and_grad(
        grads, 0
    )
    assert abs(losses.mean() - expected) < 5 * losses.std() / many**0.5
    error = (grads.mean(0) - logits.grad[0]).abs() / (grads.std(0) / many**0.5 + 1e-12)
    assert error.max() < 5


@given(st.integers(1, 31), st.integers(0, 1000))
@pytest.mark.parametrize("name", ["forward", "reverse", "jsd .5", "skew", "skew reverse"])
def test_the_tail_bucket_is_a_lower_bound_that_grows_with_k(name: str, k: int, seed: int) -> None:
    case, (divergence, plain) = Case(6, 32, seed), DIVERGENCES[name]
    logp_NV = case.teacher_NV.log_softmax(1)
    logits_NV = case.hidden_NH @ case.weight_VH.T
    values = []
    for kept in (k, k + 1):
        ids_NK = logp_NV.topk(kept, dim=1).indices
        targets = TopK(ids_NK, logp_NV.gather(1, ids_NK), bucketed(logp_NV, ids_NK)[:, -1].exp())
        ones, zeros = torch.ones(6, dtype=torch.float64), torch.zeros(6, dtype=torch.float64)
        values.append(
            Distil(targets, divergence, case.labels_N, ones, zeros).value_and_grad(logits_NV.clone(), 0)
        )
    assert (values[0] <= values[1] + 1e-9).all()
    assert (values[1] <= plain(logp_NV, logits_NV.log_softmax(1)) + 1e-9).all()


@EVERY
@pytest.mark.parametrize("kind", ["dense", "top-k", "sampled"])
@pytest.mark.parametrize("scale", [20.0, 1e3, 1e5])
def test_extreme_logits_stay_finite(name: str, kind: str, scale: float) -> None:
    case, (divergence, _) = Case(8, 40, 1, dtype=torch.float32), pair(name, 1)
    logp_NV = (case.teacher_NV * scale).log_softmax(1)
    top = logp_NV.topk(3, dim=1)
    targets: Targets = {
        "dense": Dense(case.teacher_NV * scale),
        "top-k": TopK.from_logp(top.indices, top.values),
        "sampled": Sampled.from_logp(top.indices, top.values, torch.ones(8, dtype=torch.int64)),
    }[kind]
    hidden_NH = (case.hidden_NH * scale).requires_grad_()
    loss = chunked_loss(hidden_NH, case.weight_VH, case.objective(targets, divergence), 3)
    loss.backward()
    assert torch.isfinite(loss)
    assert torch.isfinite(hidden_NH.grad).all()


@pytest.mark.parametrize("scale", [20.0, 60.0, 200.0])
@pytest.mark.parametrize("k", [1, 3])
def test_a_tail_that_underflows_keeps_its_value_and_gradient(scale: float, k: int) -> None:
    case = Case(9, 12, 5, scale=scale)
    logp_NV = case.teacher_NV.log_softmax(1)
    ids_NK = logp_NV.topk(k, dim=1).indices
    events = bucketed(logp_NV, ids_NK)
    targets = TopK(ids_NK, logp_NV.gather(1, ids_NK), events[:, -1].exp())
    check(
        case,
        case.objective(targets, ForwardKL()),
        lambda z: kl(events, bucketed(z.log_softmax(1), ids_NK)),
        4,
    )


@EVERY
@pytest.mark.parametrize("kind", ["dense", "top-k"])
def test_float32_is_near_float64(name: str, kind: str) -> None:
    divergence, _ = pair(name, 1)
    found = []
    for dtype in (torch.float64, torch.float32):
        case = Case(50, 200, 7, dtype=dtype)
        top = case.teacher_NV.log_softmax(1).topk(16, dim=1)
        targets = Dense(case.teacher_NV) if kind == "dense" else TopK.from_logp(top.indices, top.values)
        hidden_NH = case.hidden_NH.requires_grad_()
        loss = chunked_loss(hidden_NH, case.weight_VH, case.objective(targets, divergence), 16)
        loss.backward()
        found.append((loss.detach().double(), hidden_NH.grad.double()))
    torch.testing.assert_close(found[1][0], found[0][0], rtol=1e-4, atol=1e-5)
    assert (found[1][1] - found[0][1]).norm() < 1e-4 * found[0][1].norm()


@EVERY
def test_bfloat16_models_get_float32_losses_and_gradients_but_for_the_last_rounding(name: str) -> None:
    """It differs from that of the same rounded inputs in float32 by bfloat16's own rounding alone."""
    case, (divergence, _) = Case(64, 50, 3, dtype=torch.float32), pair(name, 0)
    case.hidden_NH, case.weight_VH = case.hidden_NH.bfloat16().float(), case.weight_VH.bfloat16().float()
    grads, losses = [], []
    for dtype in (torch.float32, torch.bfloat16):
        hidden_NH, weight_VH = (
            x.to(dtype, copy=True).requires_grad_() for x in (case.hidden_NH, case.weight_VH)
        )
        targets = Online(case.teacher_NH, case.teacher_VH)
        loss = chunked_loss(hidden_NH, weight_VH, case.objective(targets, divergence), 16)
        loss.backward()
        assert hidden_NH.grad.dtype == weight_VH.grad.dtype == dtype
        grads.append((hidden_NH.grad.float(), weight_VH.grad.float()))
        losses.append(loss.detach())
    assert losses[1].dtype == torch.float32
    torch.testing.assert_close(losses[1], losses[0], rtol=1e-5, atol=1e-5)
    for wide, narrow in zip(*grads, strict=True):
        assert (wide - narrow).norm() < 4e-3 * wide.norm()


def test_weights_of_zero_leave_no_gradient_and_no_labels_no_loss() -> None:
    case = Case(5, 20, 2)
    case.weight_N, case.ce_N = case.weight_N * 0, case.ce_N * 0
    hidden_NH = case.hidden_NH.requires_grad_()
    loss = chunked_loss(hidden_NH, case.weight_VH, case.objective(Dense(case.teacher_NV), JSD(0.5)), 2)
    loss.backward()
    assert loss == 0
    assert not hidden_NH.grad.any()
    empty = Case(0, 20, 2)
    nothing, weight_VH = empty.hidden_NH.requires_grad_(), empty.weight_VH.requires_grad_()
    loss = chunked_loss(nothing, weight_VH, empty.objective(Dense(empty.teacher_NV), JSD(0.5)), 2)
    loss.backward()
    assert loss == 0
    assert not weight_VH.grad.any()


def test_a_frozen_head_gets_no_gradient() -> None:
    case = Case(5, 20, 2)
    hidden_NH = case.hidden_NH.requires_grad_()
    chunked_loss(hidden_NH, case.weight_VH, case.objective(Dense(case.teacher_NV), ForwardKL()), 2).backward()
    assert case.weight_VH.grad is None
    assert hidden_NH.grad.any()


@pytest.mark.parametrize("kind", ["dense", "top-k", "sampled"])
@pytest.mark.parametrize("broken", ["teacher", "student"])
def test_what_is_not_a_number_is_never_hidden(kind: str, broken: str) -> None:
    case = Case(4, 20, 2, dtype=torch.float32)
    if broken == "student":
        case.hidden_NH[1, 0] = torch.nan
    else:
        case.teacher_NH[1, 0] = torch.nan
    logp_NV = case.teacher_NV.log_softmax(1)
    ids_NK = torch.arange(3).repeat(4, 1)
    kept = logp_NV[:, :3]
    targets: Targets = {
        "dense": Dense(case.teacher_NV), "top-k": TopK.from_logp(ids_NK, kept),
        "sampled": Sampled.from_logp(ids_NK, kept, torch.ones(4, dtype=torch.int64)),
    }[kind]  # fmt: skip
    assert chunked_loss(case.hidden_NH, case.weight_VH, case.objective(targets, JSD(0.5)), 2).isnan()


@pytest.mark.parametrize("chunk", [1, 3, 100])
def test_dense_divergence_is_the_written_out_one(chunk: int) -> None:
    case = Case(9, 30, 4, dtype=torch.float32)
    teacher, student = (case.teacher_NH, case.teacher_VH), (case.hidden_NH, case.weight_VH)
    kl_N, agree_N = dense_divergence(teacher, student, chunk)
    logp, logq = (x @ w.T for x, w in (teacher, student))
    torch.testing.assert_close(kl_N, kl(logp.log_softmax(1), logq.log_softmax(1)), rtol=1e-4, atol=1e-5)
    assert agree_N.equal(logp.argmax(1) == logq.argmax(1))
    zero_N, all_N = dense_divergence(teacher, teacher, chunk)
    assert zero_N.abs().max() < 1e-5
    assert all_N.all()
