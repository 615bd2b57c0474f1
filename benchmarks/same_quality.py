"""Wall-clock to the same held-out KL: TRL's GKDTrainer for some epochs, then Inbond until it is as good.

Both learn from the same records in the same batches, from the same pruned student, with the same learning
rate schedule (linear warm-up, cosine down to a tenth). Held-out KL is measured off the clock, over the full
vocabulary. Inbond's clock includes its capture of the teacher's targets; nobody's includes the generation
of the answers and the loading of the models. Each side may try several learning rates and counts with its
best: the one with the lowest KL for TRL, the one that gets there first for Inbond.

    python benchmarks/same_quality.py [--small] [--records 192] [--epochs 3] [--lr 5e-4 ...]

Inbond's schedules span --our-epochs (default: as TRL's, and one more): with more it may still get there when
its targets, a fair sample of 64 tokens a place, teach a little less than all of the distribution.
"""

from __future__ import annotations

import argparse
import contextlib
import os
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from gkd import trainer
from setting import Clock, Setting, capture, table, verdict
from training_step import AS_IT_COMES, PLAN, TRL, examples

from inbond.digest import of_value
from inbond.evaluate import agreement
from inbond.evaluate.agreement import HeldOut
from inbond.teachers.protocols import Keep
from inbond.train.examples import Aim, Objectives
from inbond.train.lessons import Fixed
from inbond.train.loop import Plan, train

A_EPOCH = 8
"""Times an epoch that Inbond is measured."""


@dataclass(frozen=True)
class Point:
    """What a side had reached after ``seconds`` of its own clock."""

    epochs: float
    seconds: float
    kl: float


@dataclass(frozen=True)
class Run:
    """One side with one learning rate."""

    name: str
    lr: float
    points: tuple[Point, ...]

    def rows(self) -> list[list[str]]:
        return [
            [self.name, f"{self.lr:g}", f"{point.epochs:.2f}", f"{point.seconds:.1f}", f"{point.kl:.4f}"]
            for point in self.points
        ]

    def end(self) -> float:
        """Held-out KL at the end."""
        return self.points[-1].kl

    def first(self, target: float) -> float | None:
        """Seconds until the held-out KL was at most ``target``; None when it never was."""
        return next((point.seconds for point in self.points if point.kl <= target), None)


class _Reached(Exception):
    """Ends training that is as good as is wanted."""


def theirs(setting: Setting, plan: Plan, held: HeldOut, *, as_it_comes: bool) -> Run:
    """TRL for all epochs of ``plan``, measured after each."""
    each, points = len(setting.train) // plan.batch, list[Point]()
    clock = Clock()

    def on_step(done: int, model: Any) -> None:
        if done % each == 0:
            seconds = clock.read()
            points.append(Point(done / each, seconds, clock.outside(lambda: _kl(held, model))))

    with tempfile.TemporaryDirectory() as folder:
        made = trainer(setting, setting.student(), plan, on_step, Path(folder), as_it_comes=as_it_comes)
        clock = Clock()
        made.train()
    return Run(AS_IT_COMES if as_it_comes else TRL, plan.lr, tuple(points))


def _kl(held: HeldOut, model: Any) -> float:
    training = model.training
    kl = agreement.measure(held, model.eval()).kl
    model.train(training)
    return kl


def ours(setting: Setting, plan: Plan, held: HeldOut, target: float) -> Run:
    """Inbond, capture first, until the held-out KL is at most ``target`` or ``plan`` is over."""
    student, points = setting.student(), list[Point]()
    measurements = plan.epochs * A_EPOCH
    clock = Clock()

    def measure(model: Any) -> dict[str, float]:
        seconds = clock.read()
        kl = clock.outside(lambda: agreement.measure(held, model).kl)
        points.append(Point(len(points) / A_EPOCH, seconds, kl))
        if kl <= target:
            raise _Reached
        return {"kl": kl}

    targets = capture(setting, Keep("sampled", min(64, setting.vocabulary), drawn="mean"))
    with tempfile.TemporaryDirectory() as folder, contextlib.suppress(_Reached):
        train(
            student, Fixed(examples(setting, targets), plan), Objectives(Aim(), setting.vocabulary),
            replace(plan, measurements=measurements), pad_id=setting.pad_id, run=of_value("benchmark"),
            folder=Path(folder), on_progress=lambda _: None, measure=measure,
        )  # fmt: skip
    return Run(f"inbond, {plan.epochs} epochs", plan.lr, tuple(points))


def compare(setting: Setting, plan: Plan, rates: Sequence[float], our_epochs: Sequence[int]) -> None:
    held = agreement.prepare(
        setting.teacher.model, setting.held_out, vocabulary=setting.vocabulary, pad_id=setting.pad_id
    )
    peers = [
        theirs(setting, replace(plan, lr=rate), held, as_it_comes=as_it_comes)
        for rate in rates
        for as_it_comes in (True, False)
    ]
    best = [min((run for run in peers if run.name == name), key=Run.end) for name in (AS_IT_COMES, TRL)]
    target = min(run.end() for run in best)
    mine = [
        ours(setting, replace(plan, lr=rate, epochs=epochs), held, target)
        for rate in rates
        for epochs in our_epochs
    ]
    rows = [row for run in (*peers, *mine) for row in run.rows()]
    print(table(["", "learning rate", "epochs", "seconds", "held-out KL"], rows))
    for peer in best:
        judge(peer, mine)


def judge(peer: Run, mine: Sequence[Run]) -> None:
    """Says how much sooner one of ours was as good as ``peer`` in the end."""
    what = f"at least 3 times faster than {peer.name} to its held-out KL of {peer.end():.4f}"
    times = [took for run in mine if (took := run.first(peer.end())) is not None]
    if times:
        seconds = peer.points[-1].seconds
        ratio = seconds / min(times)
        verdict(f"{what}: {ratio:.2f} ({seconds:.1f} s and {min(times):.1f} s)", ratio >= 3)
    else:
        lowest = min(point.kl for run in mine for point in run.points)
        verdict(f"{what}: not reached, lowest {lowest:.4f}; try more --our-epochs", False)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--small", action="store_true", help="a tiny model, to test the benchmark itself")
    parser.add_argument("--lr", type=float, nargs="+", default=[5e-4])
    parser.add_argument("--our-epochs", type=int, nargs="+")
    for name, value in {"records": 192, "held-out": 48, "epochs": 3, "batch": 16}.items():
        parser.add_argument(f"--{name}", type=int, default=value)
    given = parser.parse_args()
    os.environ["TRL_EXPERIMENTAL_SILENCE"] = "1"
    if given.records % given.batch:
        parser.error("--records must be a multiple of --batch, so that both sides see the same batches")
    make = Setting.small if given.small else Setting.real
    setting = make(given.records, given.held_out)
    plan = replace(PLAN, epochs=given.epochs, batch=given.batch, warmup_steps=4)
    compare(setting, plan, given.lr, given.our_epochs or [given.epochs, given.epochs + 1])


if __name__ == "__main__":
    main()
