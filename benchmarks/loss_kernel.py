"""The dense loss against TRL's, Liger's and the naive one: seconds, peak memory, and whether they agree.

JSD with beta .5, forward and backward to hidden states and head. Seconds: interleaved rounds, ratios round by
round. Memory: what each drives a fresh process above its inputs, gradients included. Liger is measured
with its own chunk of 1024 tokens and with 256, TRL's trainer loss on whole logits is the naive one.

    python benchmarks/loss_kernel.py [--small] [--rounds 5]

Legend: N tokens, H hidden width, V vocabulary.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import time
import warnings
from collections.abc import Callable
from dataclasses import dataclass

import torch
from setting import Ratio, extra_peak_bytes, in_a_child, interleaved, table, verdict
from torch import Tensor

from inbond.losses.divergences import AdaptiveKL, Divergence, ForwardKL, ReverseKL, SkewKL, SkewReverseKL, jsd
from inbond.losses.heads import chunked_loss
from inbond.losses.objectives import Distil
from inbond.losses.targets import Online, Sampled, Targets, TopK

BETA, CHUNK = 0.5, 256
OURS = "inbond"


@dataclass(frozen=True)
class Inputs:
    """Both models' hidden states and heads. The student is its teacher with noise, as in training."""

    teacher_NH: Tensor
    teacher_VH: Tensor
    hidden_NH: Tensor
    weight_VH: Tensor
    labels_N: Tensor

    @classmethod
    def make(cls, n: int, h: int, v: int) -> Inputs:
        draw = torch.Generator().manual_seed(0)
        teacher_NH, near_NH = torch.randn(2, n, h, generator=draw)
        teacher_VH, near_VH = torch.randn(2, v, h, generator=draw) * 3 / h**0.5
        hidden_NH, weight_VH = teacher_NH * 0.8 + near_NH * 0.6, teacher_VH * 0.8 + near_VH * 0.6
        labels_N = torch.randint(0, v, (n,), generator=draw)
        return cls(teacher_NH, teacher_VH, hidden_NH.requires_grad_(), weight_VH.requires_grad_(), labels_N)


Loss = Callable[[Inputs], Tensor]


def ours(inputs: Inputs, divergence: Divergence | None = None, targets: Targets | None = None) -> Tensor:
    """The loop's own loss, each token weighing the same."""
    n = len(inputs.hidden_NH)
    even_N, none_N = torch.full((n,), 1 / n), torch.zeros(n)
    targets = targets or Online(inputs.teacher_NH, inputs.teacher_VH)
    objective = Distil(targets, divergence or jsd(BETA), inputs.labels_N, even_N, none_N)
    return chunked_loss(inputs.hidden_NH, inputs.weight_VH, objective, CHUNK)


def trl_chunked(inputs: Inputs) -> Tensor:
    """What TRL's DistillationTrainer minimises."""
    from trl.trainer.distillation_trainer import _chunked_divergence_loss

    mask = torch.ones(1, len(inputs.labels_N), dtype=torch.int64)
    states = inputs.hidden_NH[None], inputs.teacher_NH[None]
    loss: Tensor = _chunked_divergence_loss(*states, inputs.weight_VH, inputs.teacher_VH, mask, BETA)[0]
    return loss


def naive(inputs: Inputs) -> Tensor:
    """What TRL's GKDTrainer minimises, on whole logits."""
    from trl.experimental.gkd import GKDTrainer

    student_NV = inputs.hidden_NH @ inputs.weight_VH.T
    with torch.no_grad():
        teacher_NV = inputs.teacher_NH @ inputs.teacher_VH.T
    loss: Tensor = GKDTrainer.generalized_jsd_loss(
        student_NV[None], teacher_NV[None], inputs.labels_N[None], beta=BETA
    )
    return loss


def liger(chunk: int) -> Loss:
    """Liger's fused loss, in plain torch."""

    def loss(inputs: Inputs) -> Tensor:
        from liger_kernel.chunked_loss import LigerFusedLinearJSDLoss

        fused = LigerFusedLinearJSDLoss(
            weight_hard_loss=0.0, weight_soft_loss=1.0, beta=BETA, compiled=False, chunk_size=chunk
        )
        tensors = inputs.hidden_NH, inputs.weight_VH, inputs.teacher_NH, inputs.teacher_VH
        value: Tensor = fused(*tensors, inputs.labels_N)
        return value

    return loss


WAYS: dict[str, Loss] = {
    OURS: ours, "TRL chunked": trl_chunked, "Liger": liger(1024), "Liger 256": liger(256), "naive": naive,
}  # fmt: skip


def once(loss: Loss, inputs: Inputs) -> tuple[Tensor, Tensor, Tensor]:
    """(value, gradient of the hidden states, gradient of the head)."""
    value = loss(inputs)
    value.backward()
    gradients = inputs.hidden_NH.grad, inputs.weight_VH.grad
    inputs.hidden_NH.grad = inputs.weight_VH.grad = None
    assert gradients[0] is not None
    assert gradients[1] is not None
    return value.detach(), *gradients


def timed(loss: Loss, inputs: Inputs) -> Callable[[], float]:
    def run() -> float:
        started = time.perf_counter()
        once(loss, inputs)
        return time.perf_counter() - started

    return run


def child(name: str, shape: tuple[int, int, int]) -> None:
    """Peak memory of one way, in this process alone. What a first call loads is no part of it."""
    once(WAYS[name], Inputs.make(8, 16, 64))
    inputs = Inputs.make(*shape)
    print(json.dumps(extra_peak_bytes(lambda: once(WAYS[name], inputs))))


def differences(inputs: Inputs) -> list[list[str]]:
    """Relative differences from the naive loss: value, gradients by norm."""
    expected = once(WAYS["naive"], inputs)
    rows = []
    for name, loss in WAYS.items():
        found = once(loss, inputs)
        off = [float((a - b).norm() / b.norm()) for a, b in zip(found, expected, strict=True)]
        rows.append([name, *(f"{error:.1e}" for error in off)])
    return rows


def others(inputs: Inputs, rounds: int) -> list[list[str]]:
    """Our other divergences and targets, as shares of the dense JSD's time."""
    with torch.no_grad():
        logp_NV = (inputs.teacher_NH @ inputs.teacher_VH.T).log_softmax(1)
        kept = logp_NV.topk(min(64, logp_NV.shape[1]), dim=1)
    del logp_NV
    top = TopK.from_logp(kept.indices, kept.values)
    sure_N = torch.full((len(inputs.labels_N),), 5)
    drawn = Sampled.from_logp(kept.indices[:, :10], kept.values[:, :10], sure_N)
    dense: dict[str, Divergence] = {
        "jsd": jsd(BETA), "kl": ForwardKL(), "reverse_kl": ReverseKL(), "skew_kl": SkewKL(0.1),
        "skew_reverse_kl": SkewReverseKL(0.1), "adaptive_kl": AdaptiveKL(0.5),
    }  # fmt: skip
    ways = {f"{name}, dense": timed(lambda x, d=found: ours(x, d), inputs) for name, found in dense.items()}
    ways["kl, top-k 64"] = timed(lambda x: ours(x, ForwardKL(), top), inputs)
    ways["jsd, top-k 64"] = timed(lambda x: ours(x, jsd(BETA), top), inputs)
    ways["kl, sampled 10"] = timed(lambda x: ours(x, ForwardKL(), drawn), inputs)
    seconds = interleaved(ways, rounds, lambda _: None)
    return [
        [name, f"{statistics.median(found):.3f}", str(Ratio.of(found, seconds["jsd, dense"]))]
        for name, found in seconds.items()
    ]


def compare(shape: tuple[int, int, int], rounds: int) -> None:
    n, h, v = shape
    print(f"dense JSD, beta {BETA}, N={n}, H={h}, V={v}, float32, {torch.get_num_threads()} threads")
    memory = {name: in_a_child(__file__, "--child", name, "--shape", *shape) for name in WAYS}
    inputs = Inputs.make(*shape)
    print(table(["relative difference from naive", "value", "d hidden", "d head"], differences(inputs)))
    seconds = interleaved({name: timed(loss, inputs) for name, loss in WAYS.items()}, rounds)
    print(
        table(
            ["", "seconds", "inbond / it", "extra memory, MB", "inbond / it"],
            [
                [
                    name,
                    f"{statistics.median(seconds[name]):.3f}",
                    Ratio.of(seconds[OURS], seconds[name]),
                    f"{memory[name] / 1e6:,.0f}",
                    f"{memory[OURS] / memory[name]:.3f}",
                ]
                for name in WAYS
            ],
        )
    )
    peers = ("TRL chunked", "Liger", "Liger 256")
    fastest = min(peers, key=lambda name: statistics.median(seconds[name]))
    ratio = Ratio.of(seconds[OURS], seconds[fastest])
    verdict(f"time at most that of the faster of TRL and Liger ({fastest}): {ratio}", ratio.median <= 1)
    leanest = min(memory["Liger"], memory["Liger 256"])
    verdict(f"extra memory at most Liger's: {memory[OURS] / leanest:.3f}", memory[OURS] <= leanest)
    print(table(["inbond's others", "seconds", "/ dense JSD"], others(inputs, max(1, rounds // 2))))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--small", action="store_true", help="tiny shapes, to test the benchmark itself")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--shape", type=int, nargs=3, metavar=("N", "H", "V"), default=(2048, 512, 32768))
    parser.add_argument("--child", choices=WAYS, help=argparse.SUPPRESS)
    given = parser.parse_args()
    os.environ["TRL_EXPERIMENTAL_SILENCE"] = "1"
    warnings.simplefilter("ignore")  # the peers' own
    shape = (64, 32, 512) if given.small else tuple(given.shape)
    if given.child:
        child(given.child, shape)
    else:
        compare(shape, given.rounds)


if __name__ == "__main__":
    main()
