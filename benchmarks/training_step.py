"""A whole optimiser step beside TRL's GKDTrainer: label tokens a second on the demo's kind of data.

Four contestants, each with a student of its own, on the same records: TRL as it comes and TRL at its best,
which has the same batches as ours (see gkd.py); Inbond with cached top-64 targets and every row read whole;
and the same with a batch's common prefix computed once. Each runs its own real training loop in a thread that
waits for its turn: a few steps each, in rounds, after a warm-up. What capture costs is told beside.

    python benchmarks/training_step.py [--small] [--rounds 4] [--steps 2] [--batch 16]
"""

from __future__ import annotations

import argparse
import os
import statistics
import tempfile
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import torch
from gkd import at_random, in_order, trainer
from setting import Ratio, Setting, capture, table, verdict

from inbond.digest import of_value
from inbond.teachers.protocols import Keep, Scores
from inbond.train.examples import Aim, Example, Objectives
from inbond.train.lessons import Fixed
from inbond.train.loop import Plan, train

PLAN = Plan(
    epochs=1, batch=16, accumulate=1, lr=1e-4, warmup_steps=1, weight_decay=0.0, chunk=256, seed=0,
    checkpoint_seconds=1e9,
)  # fmt: skip
AS_IT_COMES, TRL = "TRL GKDTrainer as it comes", "TRL GKDTrainer at its best"
WHOLE, SHARED = "inbond, sharing off", "inbond, sharing on"


class _Enough(Exception):
    """Ends a loop that has run all the steps that are wanted of it."""


@dataclass
class Contestant:
    """A training loop in a thread, that goes on for ``steps`` optimiser steps whenever it has its turn."""

    loop: Callable[[Callable[..., None]], None]
    _turn: threading.Semaphore = field(default_factory=lambda: threading.Semaphore(0))
    _done: threading.Semaphore = field(default_factory=lambda: threading.Semaphore(0))
    _left: int = 0
    _trouble: BaseException | None = None
    _over: bool = False

    def start(self) -> None:
        threading.Thread(target=self._run, daemon=True).start()

    def go(self, steps: int) -> float:
        """Seconds that ``steps`` steps took."""
        self._left = steps
        started = time.perf_counter()
        self._turn.release()
        self._done.acquire()
        seconds = time.perf_counter() - started
        if self._trouble is not None:
            raise self._trouble
        return seconds

    def stop(self) -> None:
        """Lets the loop end at its next step."""
        self._over = True
        self.go(1)

    def _run(self) -> None:
        self._turn.acquire()
        try:
            self.loop(self._step)
        except _Enough:
            pass
        except BaseException as error:
            self._trouble = error
        self._done.release()

    def _step(self, *_: Any) -> None:
        """Called by the loop after each step; waits where the turn is another's."""
        if self._over:
            raise _Enough
        self._left -= 1
        if not self._left:
            self._done.release()
            self._turn.acquire()


def examples(setting: Setting, targets: list[Scores]) -> list[Example]:
    """Every record with its targets: forward KL alone."""
    return [Example(row, score, 1.0, 0.0) for row, score in zip(setting.train, targets, strict=True)]


def ours(setting: Setting, plan: Plan, targets: list[Scores]) -> Contestant:
    student, learnt = setting.student(), examples(setting, targets)

    def loop(step: Callable[..., None]) -> None:
        with tempfile.TemporaryDirectory() as folder:
            train(
                student, Fixed(learnt, plan), Objectives(Aim(), setting.vocabulary), plan,
                pad_id=setting.pad_id, run=of_value("benchmark"), folder=Path(folder), on_progress=step,
            )  # fmt: skip

    return Contestant(loop)


def theirs(setting: Setting, plan: Plan, *, as_it_comes: bool) -> Contestant:
    student = setting.student()

    def loop(step: Callable[..., None]) -> None:
        with tempfile.TemporaryDirectory() as folder:
            trainer(setting, student, plan, step, Path(folder), as_it_comes=as_it_comes).train()

    return Contestant(loop)


def compare(setting: Setting, plan: Plan, rounds: int, steps: int, warm_up: int) -> None:
    started = time.perf_counter()
    targets = capture(setting, Keep("top-k", min(64, setting.vocabulary)))
    captured = time.perf_counter() - started
    contestants = {
        AS_IT_COMES: theirs(setting, plan, as_it_comes=True),
        TRL: theirs(setting, plan, as_it_comes=False),
        WHOLE: ours(setting, replace(plan, share_prefix=False), targets),
        SHARED: ours(setting, plan, targets),
    }
    for contestant in contestants.values():
        contestant.start()
        contestant.go(warm_up)
    ordered = [row.labels for row in in_order(setting.train, plan)]
    random = [row.labels for row in at_random(setting.train, plan)]
    done, rates = warm_up, {name: list[float]() for name in contestants}
    for number in range(rounds):
        rows = slice(done * plan.batch, (done + steps) * plan.batch)
        names = list(contestants)
        for name in names[number % 4 :] + names[: number % 4]:
            labels = sum((random if name == AS_IT_COMES else ordered)[rows])
            rates[name].append(labels / contestants[name].go(steps))
        done += steps
        print(f"round {number + 1}: " + ", ".join(f"{n} {r[-1]:.1f}" for n, r in rates.items()), flush=True)
    for contestant in contestants.values():
        contestant.stop()
    report(setting, rates, captured)


def report(setting: Setting, rates: dict[str, list[float]], captured: float) -> None:
    rows = [
        [name, f"{statistics.median(rate):.1f}", *(Ratio.of(rate, rates[trl]) for trl in (AS_IT_COMES, TRL))]
        for name, rate in rates.items()
    ]
    print(table(["", "label tokens/s", "/ TRL as it comes (spread)", "/ TRL at its best (spread)"], rows))
    labels = setting.labels(setting.train)
    print(f"capture, once: {labels} label tokens in {captured:.1f} s, {labels / captured:.0f} a second")
    for name, goal in ((WHOLE, 2.5), (SHARED, 4.0)):
        for trl in (AS_IT_COMES, TRL):
            ratio = Ratio.of(rates[name], rates[trl])
            verdict(f"{name}: at least {goal} times {trl}: {ratio}", ratio.median >= goal)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--small", action="store_true", help="a tiny model, to test the benchmark itself")
    for name, value in {"rounds": 4, "steps": 2, "batch": 16, "warm-up": 1}.items():
        parser.add_argument(f"--{name}", type=int, default=value)
    given = parser.parse_args()
    os.environ["TRL_EXPERIMENTAL_SILENCE"] = "1"
    plan = replace(PLAN, batch=given.batch)
    records = (given.warm_up + given.rounds * given.steps + 1) * given.batch
    setting = Setting.small(records, 0) if given.small else Setting.real(records, 0)
    kind = "tiny model" if given.small else "SmolLM2-135M-Instruct to 16 layers"
    mean = sum(len(row.ids) for row in setting.train) / records
    labels = setting.labels(setting.train) / records
    print(
        f"{kind}, batches of {given.batch} records of {mean:.0f} tokens, {labels:.1f} of them labels, "
        f"float32, {torch.get_num_threads()} threads"
    )
    compare(setting, plan, given.rounds, given.steps, given.warm_up)


if __name__ == "__main__":
    main()
