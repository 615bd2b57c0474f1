"""Our objectives against other people's: TRL's two implementations and Liger's, value and gradient.

The judge is always the plain formula in float64. Where an oracle agrees with it, we must agree with the
oracle; where one does not, we must be the nearer, and the test says by how much. The figures in comments
were measured with trl 1.16.0 and liger-kernel 0.8.5 on a CPU.

Legend: N tokens, H hidden width, V vocabulary, K kept tokens. p teacher, q student.
"""

from __future__ import annotations

import os
import warnings
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import pytest
import torch
from torch import Tensor

from inbond.losses.divergences import Divergence, jsd
from inbond.losses.heads import chunked_loss
from inbond.losses.objectives import Distil
from inbond.losses.targets import Online, TopK

BETAS = [0.0, 0.1, 0.5, 0.9, 1.0]
TEMPERATURES = [1.0, 2.0]
IGNORED = -100


def oracle(path: str, name: str) -> Any:
    """``name`` out of ``path``, or a skip that says what is missing. What its import warns of is ignored."""
    os.environ.setdefault("TRL_EXPERIMENTAL_SILENCE", "1")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        module = pytest.importorskip(path, reason=f"{path} is not installed: pip install inbond[dev]")
    return getattr(module, name)


@dataclass(frozen=True)
class Case:
    """Hidden states [N, H] and heads [V, H] of both models, and labels [N] of which some are IGNORED."""

    teacher_NH: Tensor
    teacher_VH: Tensor
    hidden_NH: Tensor
    weight_VH: Tensor
    labels_N: Tensor

    def to(self, dtype: torch.dtype) -> Case:
        names = ("teacher_NH", "teacher_VH", "hidden_NH", "weight_VH")
        return replace(self, **{name: getattr(self, name).to(dtype) for name in names})

    @property
    def learnt(self) -> tuple[Tensor, Tensor]:
        """Fresh leaves of the student's two tensors."""
        return self.hidden_NH.clone().requires_grad_(), self.weight_VH.clone().requires_grad_()

    @property
    def kept_N(self) -> Tensor:
        return self.labels_N != IGNORED


def make(
    n: int = 24, v: int = 160, *, masked: float = 0.3, scale: float = 1.0, seed: int = 0, dtype: Any = None
) -> Case:
    """Logits have a standard deviation of about 3 times ``scale``: sure at some tokens and not at others."""
    draw = torch.Generator().manual_seed(seed)

    def normal(*shape: int) -> Tensor:
        return torch.randn(*shape, generator=draw, dtype=torch.float64)

    labels_N = torch.randint(0, v, (n,), generator=draw)
    labels_N[torch.rand(n, generator=draw) < masked] = IGNORED
    case = Case(normal(n, 9) * scale, normal(v, 9), normal(n, 16) * scale, normal(v, 16) * 0.75, labels_N)
    return case.to(dtype or torch.float64)


@dataclass(frozen=True)
class Found:
    """What an implementation says: value, and gradients of hidden states and head, all widened to float64."""

    value: Tensor
    hidden_NH: Tensor
    weight_VH: Tensor

    def off(self, exact: Found) -> tuple[float, float]:
        """Relative errors of the value, and of both gradients (the worse one, by norm)."""

        def error(mine: Tensor, other: Tensor) -> float:
            return float((mine - other).norm() / other.norm().clamp_min(1e-300))

        gradients = error(self.hidden_NH, exact.hidden_NH), error(self.weight_VH, exact.weight_VH)
        return error(self.value, exact.value), max(gradients)


def found(loss: Tensor, leaves: tuple[Tensor, Tensor]) -> Found:
    loss.backward()
    gradients = [torch.zeros_like(x) if x.grad is None else x.grad for x in leaves]
    return Found(loss.detach().double(), gradients[0].double(), gradients[1].double())


Loss = Callable[[Case, float, float], Found]


def plain(case: Case, beta: float, temperature: float) -> Found:
    """The definition, written out, in float64 from the very numbers of ``case``."""
    wide = case.to(torch.float64)
    leaves = wide.learnt
    kept = wide.kept_N
    logp = (wide.teacher_NH[kept] @ wide.teacher_VH.T / temperature).log_softmax(1)
    logq = (leaves[0][kept] @ leaves[1].T / temperature).log_softmax(1)
    loss = plain_divergence(logp, logq, beta).sum() / max(1, int(kept.sum()))
    return found(loss, leaves)


def plain_divergence(logp: Tensor, logq: Tensor, beta: float) -> Tensor:
    def kl(one: Tensor, other: Tensor) -> Tensor:
        return (one.exp() * (one - other)).sum(1)

    if beta in (0.0, 1.0):
        return kl(logp, logq) if beta == 0.0 else kl(logq, logp)
    parts = torch.stack([logp + torch.tensor(beta).log(), logq + torch.tensor(1 - beta).log()])
    logm = parts.logsumexp(0)
    return beta * kl(logp, logm) + (1 - beta) * kl(logq, logm)


def ours(case: Case, beta: float, temperature: float) -> Found:
    """As the loop would: tokens that are no labels have no weight."""
    leaves = case.learnt
    weight_N = case.kept_N / max(1, int(case.kept_N.sum()))
    targets = Online(case.teacher_NH, case.teacher_VH, temperature)
    return found(_distil(leaves, case, targets, jsd(beta), weight_N, temperature), leaves)


def _distil(
    leaves: tuple[Tensor, Tensor],
    case: Case,
    targets: Any,
    divergence: Divergence,
    weight_N: Tensor,
    temperature: float,
) -> Tensor:
    labels_N = case.labels_N.clamp_min(0)
    none_N = torch.zeros_like(weight_N)
    objective = Distil(targets, divergence, labels_N, weight_N, none_N, temperature)
    return chunked_loss(*leaves, objective, 7)


def ours_left_out(case: Case, beta: float, temperature: float) -> Found:
    """The same with those tokens left out: what our batches really do."""
    leaves, kept = case.learnt, case.kept_N
    weight_N = torch.full((int(kept.sum()),), 1 / max(1, int(kept.sum())))
    part = replace(case, teacher_NH=case.teacher_NH[kept], labels_N=case.labels_N[kept])
    targets = Online(part.teacher_NH, part.teacher_VH, temperature)
    loss = _distil((leaves[0][kept], leaves[1]), part, targets, jsd(beta), weight_N, temperature)
    return found(loss, leaves)


def trl_gkd(case: Case, beta: float, temperature: float) -> Found:
    trainer = oracle("trl.experimental.gkd", "GKDTrainer")
    leaves = case.learnt
    loss = trainer.generalized_jsd_loss(
        student_logits=(leaves[0] @ leaves[1].T)[None],
        teacher_logits=(case.teacher_NH @ case.teacher_VH.T)[None],
        labels=case.labels_N[None],
        beta=beta,
        temperature=temperature,
    )
    return found(loss, leaves)


def trl_chunked(case: Case, beta: float, temperature: float) -> Found:
    divergence = oracle("trl.trainer.distillation_trainer", "_chunked_divergence_loss")
    leaves = case.learnt
    loss, _, _ = divergence(
        leaves[0][None],
        case.teacher_NH[None],
        leaves[1],
        case.teacher_VH,
        case.kept_N[None].int(),
        beta,
        temperature=temperature,
    )
    return found(loss, leaves)


def liger(case: Case, beta: float, temperature: float) -> Found:
    loss_of = oracle("liger_kernel.chunked_loss", "LigerFusedLinearJSDLoss")(
        weight_hard_loss=0.0,
        weight_soft_loss=1.0,
        beta=beta,
        temperature=temperature,
        compiled=False,
        chunk_size=8,
    )
    leaves = case.learnt
    return found(loss_of(*leaves, case.teacher_NH, case.teacher_VH, case.labels_N), leaves)


ORACLES: dict[str, Loss] = {"TRL GKD": trl_gkd, "TRL chunked": trl_chunked, "Liger": liger}
EVERY_ORACLE = pytest.mark.parametrize("name", ORACLES)
EVERY_BETA = pytest.mark.parametrize("beta", BETAS)
EVERY_TEMPERATURE = pytest.mark.parametrize("temperature", TEMPERATURES)


def same(one: Found, other: Found, tolerance: float) -> None:
    value, gradient = one.off(other)
    assert value < tolerance, f"values differ by {value:.1e}"
    assert gradient < tolerance, f"gradients differ by {gradient:.1e}"


@EVERY_TEMPERATURE
@EVERY_BETA
@pytest.mark.parametrize("way", [ours, ours_left_out])
@EVERY_ORACLE
def test_value_and_gradient_in_float32(name: str, way: Loss, beta: float, temperature: float) -> None:
    """Float32 keeps 24 bits; sums over 160 tokens of terms that cancel cost some of them: 1e-5 is left."""
    case = make(dtype=torch.float32)
    expected = ORACLES[name](case, beta, temperature)
    same(expected, plain(case, beta, temperature), 1e-5)
    same(way(case, beta, temperature), expected, 1e-5)


@EVERY_TEMPERATURE
@EVERY_BETA
def test_value_and_gradient_in_float64(beta: float, temperature: float) -> None:
    """TRL's GKD loss alone keeps float64 all through."""
    case = make(40, 300)
    same(trl_gkd(case, beta, temperature), plain(case, beta, temperature), 1e-6)  # its beta is a float32
    same(ours(case, beta, temperature), plain(case, beta, temperature), 1e-6)
    same(ours(case, beta, temperature), trl_gkd(case, beta, temperature), 1e-6)


@EVERY_ORACLE
@pytest.mark.parametrize("way", [ours, ours_left_out])
@pytest.mark.parametrize("beta", [0.0, 0.5, 1.0])
def test_a_batch_without_a_label_costs_nothing_and_teaches_nothing(name: str, way: Loss, beta: float) -> None:
    case = make(6, masked=1.1, dtype=torch.float32)
    assert not case.kept_N.any()
    for loss in (ORACLES[name], way):
        nothing = loss(case, beta, 1.0)
        assert nothing.value == 0
        assert not nothing.hidden_NH.any()
        assert not nothing.weight_VH.any()


@EVERY_BETA
def test_padding_rows_of_the_heads_do_not_count(beta: float) -> None:
    """Qwen's heads have 151,936 and 152,064 rows for the same tokens. Both sides drop what only pads; TRL
    agrees once its inputs are trimmed (its trainer refuses such a pair), and Liger gives the student a logit
    of 0 for each of the teacher's surplus rows: gradients 2% to 9% off here, where a ninth of the rows pads.
    """
    case, dtype = make(64, 160, masked=0.2, dtype=torch.float32), torch.float32
    exact = plain(case, beta, 1.0)
    teacher_VH = torch.cat([case.teacher_VH, make(1, 20, seed=1, dtype=dtype).teacher_VH])
    student_VH = torch.cat([case.weight_VH, make(1, 12, seed=2, dtype=dtype).weight_VH])
    assert len(teacher_VH) != len(student_VH)
    trimmed = replace(case, teacher_VH=teacher_VH[:160], weight_VH=student_VH[:160])
    for loss in (ours, trl_gkd, trl_chunked):
        same(loss(trimmed, beta, 1.0), exact, 1e-5)
    theirs = liger(replace(case, teacher_VH=teacher_VH), beta, 1.0)
    assert theirs.off(exact)[1] > 1e-3 > 100 * ours(trimmed, beta, 1.0).off(exact)[1]


BF16_ROUNDING = 2.0**-9
"""Relative error of a number that is rounded to bfloat16's 8 significant bits, at most."""


@EVERY_BETA
def test_bfloat16_loses_the_last_rounding_and_no_more(beta: float) -> None:
    """The exact gradient of the same rounded inputs, rounded once, is all that bfloat16 can hold: its error
    is below 2^-9 in every element, hence in norm. Ours is within that and the value within float32's reach.

    TRL's GKD loss and Liger's work on bfloat16 logits: gradients 1% to 16% off, values up to .7%. TRL's
    chunked loss rounds the gradient of each tile before it multiplies: .21% to .27%, ours .16% to .18%.
    """
    case = make(192, 1000, dtype=torch.bfloat16)
    exact = plain(case, beta, 1.0)
    value, gradient = ours(case, beta, 1.0).off(exact)
    assert value < 1e-6
    assert gradient < BF16_ROUNDING
    for loss in ORACLES.values():
        theirs_value, theirs_gradient = loss(case, beta, 1.0).off(exact)
        assert gradient < theirs_gradient
        assert value < max(theirs_value, 1e-6)
    for loss in (trl_gkd, liger):
        assert loss(case, beta, 1.0).off(exact)[1] > 4 * gradient


def almost_agreeing(epsilon: float, dtype: torch.dtype) -> Case:
    """A student late in training: hidden states and head are its teacher's but for some noise."""
    case, noise = make(128, 1000, seed=3), make(128, 1000, seed=4)
    near_NH = case.teacher_NH + epsilon * noise.teacher_NH
    near_VH = case.teacher_VH + epsilon * noise.teacher_VH
    return replace(case, hidden_NH=near_NH, weight_VH=near_VH).to(dtype)


@EVERY_BETA
def test_a_student_that_almost_agrees_still_learns_in_bfloat16(beta: float) -> None:
    """Here the divergence is .0003 to .003 nats, and bfloat16 logits say little about it: TRL's GKD loss and
    Liger's have gradients 22% to 52% off and, for a JSD, values 4 to 18 times the true one."""
    case = almost_agreeing(0.02, torch.bfloat16)
    exact = plain(case, beta, 1.0)
    value, gradient = ours(case, beta, 1.0).off(exact)
    assert value < 1e-3
    assert gradient < BF16_ROUNDING
    for loss in (trl_gkd, liger):
        assert loss(case, beta, 1.0).off(exact)[1] > 0.1


@EVERY_BETA
def test_a_student_that_almost_agrees_in_float32(beta: float) -> None:
    """The divergence is 7e-5 to 8e-4 nats, what is left of terms that cancel. Ours, like the oracles',
    has the value to some 2e-8 nats. Our gradients are off by 1.2e-5 to 2.0e-5 of their norm, the best
    oracle's by 1.2e-5 to 1.6e-5: for a JSD with beta .1 it is a quarter nearer than we are."""
    case = almost_agreeing(0.01, torch.float32)
    exact = plain(case, beta, 1.0)
    mine = ours(case, beta, 1.0)
    assert (mine.value - exact.value).abs() < 2e-7
    best = min(loss(case, beta, 1.0).off(exact)[1] for loss in ORACLES.values())
    assert mine.off(exact)[1] < 1.5 * best


@EVERY_BETA
@pytest.mark.parametrize("scale", [10.0, 100.0, 1e3, 1e5])
def test_large_logits(scale: float, beta: float) -> None:
    """Logits up to some millions. Gradients are compared as they are, not relative to the exact ones, which
    for a JSD are some 1e-18 from scale 100 on. TRL's chunked loss subtracts a log-sum-exp from whole logits:
    its JSD gradient is 4e-7 to 6e-6 off where ours is 3e-9 at most, its reverse KL at scale 1e5 .02 where
    ours is exact."""
    case = make(64, 300, scale=scale, dtype=torch.float32)
    exact, mine = plain(case, beta, 1.0), ours(case, beta, 1.0)
    assert mine.off(exact)[0] < 1e-6

    def wrong(of: Found) -> float:
        return float((of.hidden_NH - exact.hidden_NH).norm())

    assert wrong(mine) < 1e-3 * max(0.01, float(exact.hidden_NH.norm()))
    peers = [wrong(loss(case, beta, 1.0)) for loss in ORACLES.values()]
    assert wrong(mine) <= 2 * min(peers) + 1e-9
    if 100 <= scale <= 1e3 and 0 < beta < 1:
        assert wrong(mine) < wrong(trl_chunked(case, beta, 1.0)) / 50


def top_k(case: Case, k: int) -> tuple[Tensor, Tensor]:
    logp_NV = (case.teacher_NH @ case.teacher_VH.T).log_softmax(1)
    kept = logp_NV.topk(k, dim=1)
    return kept.indices, kept.values


@pytest.mark.parametrize("k", [1, 8, 50])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_the_tail_holds_what_trl_says(dtype: torch.dtype, k: int) -> None:
    add_tail_bucket = oracle("trl.experimental.sdft.loss_utils", "add_tail_bucket")
    ids_NK, logp_NK = top_k(make(dtype=dtype), k)
    targets = TopK.from_logp(ids_NK, logp_NK)
    noise = 1e-6 if dtype == torch.float32 else 1e-12  # what a sum of 50 shares leaves of 1
    theirs_N = add_tail_bucket(logp_NK)[:, -1].exp()
    torch.testing.assert_close(targets.p_tail_N, theirs_N, rtol=1e-6, atol=noise)


@EVERY_BETA
@pytest.mark.parametrize("k", [1, 8, 50])
def test_top_k_with_a_tail_is_what_trl_makes_of_it(k: int, beta: float) -> None:
    """Value and gradient of TRL's divergence on its own buckets, in float64."""
    case = make(40, 160)
    mine, theirs = bucketed(case, k, beta)
    same(mine, theirs, 1e-6)


def bucketed(case: Case, k: int, beta: float) -> tuple[Found, Found]:
    """(ours, TRL's) on the teacher's ``k`` likeliest tokens and the tail."""
    ids_NK, logp_NK = top_k(case, k)
    weight_N = case.kept_N / case.kept_N.sum()
    leaves = case.learnt
    mine = found(_distil(leaves, case, TopK.from_logp(ids_NK, logp_NK), jsd(beta), weight_N, 1.0), leaves)
    leaves = case.learnt
    loss_N = _trl_top_k(leaves[0] @ leaves[1].T, ids_NK, logp_NK, beta)
    return mine, found((loss_N * weight_N).sum(), leaves)


def _trl_top_k(logits_NV: Tensor, ids_NK: Tensor, logp_NK: Tensor, beta: float) -> Tensor:
    add_tail_bucket = oracle("trl.experimental.sdft.loss_utils", "add_tail_bucket")
    divergence = oracle("trl.experimental.sdft.loss_utils", "compute_divergence")
    logq_NK = logits_NV.log_softmax(1).gather(1, ids_NK)
    loss_N: Tensor = divergence(add_tail_bucket(logq_NK), add_tail_bucket(logp_NK), beta)
    return loss_N


def test_a_student_surer_than_float32_can_say_keeps_its_tail() -> None:
    """Some of the student's tails hold less than 1e-7. TRL takes a tail as 1 minus the rest, and so never as
    less than that: its forward KL is 8e-5 too small and its gradient 10% off. Ours adds up the tail's logits:
    1e-7 and 1e-6."""
    case = make(40, 160, scale=8.0, seed=5, masked=0.0)
    sure = replace(case, teacher_NH=case.teacher_NH / 8).to(torch.float32)
    mine, theirs = bucketed(sure, 8, 0.0)
    exact = exact_bucketed(sure, 8, 0.0)
    assert max(mine.off(exact)) < 1e-5
    assert theirs.off(exact)[1] > 0.05


def exact_bucketed(case: Case, k: int, beta: float) -> Found:
    """The definition in float64: the student's tail is the sum of what is not kept."""
    ids_NK, logp_NK = top_k(case, k)
    p_tail_N1 = TopK.from_logp(ids_NK, logp_NK).p_tail_N.double().unsqueeze(1)
    leaves = case.to(torch.float64).learnt
    logq_NV = (leaves[0] @ leaves[1].T).log_softmax(1)
    tail_N1 = logq_NV.scatter(1, ids_NK, -torch.inf).logsumexp(1, keepdim=True)
    logp_NE = torch.cat([logp_NK.double(), p_tail_N1.log()], 1)
    logq_NE = torch.cat([logq_NV.gather(1, ids_NK), tail_N1], 1)
    return found(plain_divergence(logp_NE, logq_NE, beta).mean(), leaves)
