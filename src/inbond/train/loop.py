"""The training loop, flat: one function that reads from top to bottom.

Legend: N label tokens of a micro-batch, H hidden width, V vocabulary.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from accelerate import Accelerator

from inbond.digest import Digest
from inbond.errors import InputError
from inbond.losses.batches import epoch_batches, make_batch
from inbond.losses.heads import chunked_loss, head_weight
from inbond.losses.hidden import label_hidden, spared
from inbond.train import checkpoint, health
from inbond.train.checkpoint import CurvePoint, Measured, TrainState
from inbond.train.examples import Example, Objectives

GRADIENT_NORM = 1.0
SPEED_WINDOW = 20


@dataclass(frozen=True)
class Plan:
    """How to train. ``batch`` sequences a micro-batch, ``accumulate`` micro-batches a step; the held-out part
    is measured before, ``measurements`` - 1 times during and after training (0: never)."""

    epochs: int
    batch: int
    accumulate: int
    lr: float
    warmup_steps: int
    weight_decay: float
    chunk: int
    seed: int
    checkpoint_seconds: float
    share_prefix: bool = True
    measurements: int = 0


@dataclass(frozen=True)
class TrainProgress:
    """What a watcher sees after each step."""

    step: int
    steps: int
    loss: float
    label_tokens_per_s: float
    seconds_left: float


def learning_rate(step: int, steps: int, plan: Plan) -> float:
    """Linear warm-up to ``plan.lr``, then a cosine down to a tenth of it."""
    if step < plan.warmup_steps:
        return plan.lr * (step + 1) / plan.warmup_steps
    share = (step - plan.warmup_steps) / max(1, steps - plan.warmup_steps)
    return plan.lr * (0.1 + 0.9 * 0.5 * (1 + math.cos(math.pi * share)))


def step_plan(lengths: Sequence[int], plan: Plan) -> list[list[list[int]]]:
    """All optimiser steps of all epochs, each a list of micro-batches of example numbers."""
    steps = []
    for epoch in range(plan.epochs):
        batches = epoch_batches(lengths, plan.batch, plan.seed, epoch)
        steps += [batches[i : i + plan.accumulate] for i in range(0, len(batches), plan.accumulate)]
    return steps


def measured_at(steps: int, measurements: int) -> set[int]:
    """After how many steps the held-out part is measured: evenly, before the first and after the last."""
    return {round(i * steps / measurements) for i in range(measurements + 1)} if measurements else set()


def train(
    model: Any,
    examples: Sequence[Example],
    objectives: Objectives,
    plan: Plan,
    *,
    pad_id: int,
    run: Digest,
    folder: Path,
    on_progress: Callable[[TrainProgress], None],
    measure: Callable[[Any], Mapping[str, Any]] | None = None,
) -> TrainState:
    """Trains ``model`` in place, where its parameters want gradients; returns what happened.

    Resumes from the newest checkpoint in ``folder`` that belongs to ``run``: the order of examples
    depends on the seed alone, so a resumed run is the uninterrupted one, bit for bit where the backend
    computes the same twice. Each step is normalised by the label weight of the whole step, over
    micro-batches and processes. ``measure`` is called ``plan.measurements`` + 1 times, on the model in
    evaluation mode. Raises InputError when there is nothing to learn from, the student or the online
    teacher is not finite, or the loss runs away; then the last good checkpoint stays.
    """
    _check(model, examples)
    accelerator = Accelerator(cpu=model.device.type != "cuda")
    model.to(accelerator.device).train()
    learnt = [parameter for parameter in model.parameters() if parameter.requires_grad]
    optimizer = torch.optim.AdamW(learnt, lr=plan.lr, weight_decay=plan.weight_decay, fused=True)
    state = TrainState(run, 0, 0.0, (), ())
    found = checkpoint.latest(folder, run)
    if found is not None and checkpoint.restore(found[0], model, optimizer):
        state = found[1]
    curve, measured, kept, shared = list(state.curve), list(state.measured), state.step, state.shared
    watch = health.LossWatch(point.loss for point in curve)

    steps = step_plan([len(example.sequence.ids) for example in examples], plan)
    stops = measured_at(len(steps), plan.measurements) if measure is not None else set()
    started = saved = time.monotonic() - state.seconds
    saved += state.seconds
    for number in range(state.step, len(steps) + 1):
        if measure is not None and number in stops and number not in {point.step for point in measured}:
            measured.append(Measured(number, measure(model.eval())))
            model.train()
        if number == len(steps):
            break
        begun = time.monotonic()
        torch.manual_seed(plan.seed + number)  # dropout, where a model has it, resumes as it would have gone
        for group in optimizer.param_groups:
            group["lr"] = learning_rate(number, len(steps), plan)
        micro_batches = [
            batch[accelerator.process_index :: accelerator.num_processes] for batch in steps[number]
        ]
        weight = sum(examples[row].total for batch in steps[number] for row in batch) or 1.0
        total, tokens = 0.0, 0
        for batch in filter(None, micro_batches):
            rows = [examples[row] for row in batch]
            inputs = make_batch(
                [row.sequence for row in rows], pad_id, accelerator.device, share=plan.share_prefix
            )
            objective = objectives.of(rows, inputs, weight)
            hidden_NH = label_hidden(model, inputs)
            head_VH = head_weight(model, objectives.vocabulary)
            loss = chunked_loss(hidden_NH, head_VH, objective, plan.chunk)
            accelerator.backward(loss)
            total += loss.item()
            tokens += hidden_NH.shape[0]
            shared += spared(model, inputs)
        total, tokens = _sum_over_processes(accelerator, learnt, total, tokens)
        norm = accelerator.clip_grad_norm_(learnt, GRADIENT_NORM)
        if not (math.isfinite(total) and math.isfinite(float(norm))):
            raise health.diverged(f"NaN or infinity at step {number + 1}", plan.lr, _kept(folder, kept))
        optimizer.step()
        optimizer.zero_grad(set_to_none=True)

        now = time.monotonic()
        lr = optimizer.param_groups[0]["lr"]
        curve.append(CurvePoint(number + 1, now - started, total, lr, tokens / (now - begun)))
        on_progress(_progress(curve, len(steps)))
        watch.note(total)
        if watch.runs_away:
            best = min(point.loss for point in curve)
            rise = f"a loss of {total:.2f} at step {number + 1}, after {best:.2f} at its best,"
            raise health.diverged(rise, plan.lr, _kept(folder, kept))
        due = now - saved >= plan.checkpoint_seconds and accelerator.is_main_process
        if due and watch.is_sound:
            state = TrainState(run, number + 1, now - started, tuple(curve), tuple(measured), shared)
            checkpoint.save(folder, model, optimizer, state)
            saved, kept = time.monotonic(), number + 1
    model.eval()
    return TrainState(run, len(steps), time.monotonic() - started, tuple(curve), tuple(measured), shared)


def _check(model: Any, examples: Sequence[Example]) -> None:
    """Raises InputError when no label token has a weight, or the student's weights are not finite."""
    if not any(example.total > 0 for example in examples):
        raise InputError(
            expected="at least one label token to learn from",
            found=f"none in {len(examples)} records: all are masked or weigh nothing",
            fix="check that the records have completions and the objective a weight",
        )
    health.check_weights(model)


def _kept(folder: Path, step: int) -> str:
    if not step:
        return "no checkpoint was due before it"
    return f"the checkpoint of step {step} is kept in {folder} until it is trained again"


def _sum_over_processes(
    accelerator: Accelerator, learnt: Sequence[Any], total: float, tokens: int
) -> tuple[float, int]:
    """Adds up gradients, loss and tokens of all processes: each is already divided by the whole step's
    weight, so the sum is what one process would have found, however unevenly the step was dealt out."""
    if accelerator.num_processes == 1:
        return total, tokens
    for parameter in learnt:
        gradient = torch.zeros_like(parameter) if parameter.grad is None else parameter.grad
        parameter.grad = accelerator.reduce(gradient, reduction="sum")
    sums = accelerator.reduce(torch.tensor([total, tokens], dtype=torch.float64), reduction="sum")
    return float(sums[0]), int(sums[1])


def _progress(curve: Sequence[CurvePoint], steps: int) -> TrainProgress:
    recent = curve[-SPEED_WINDOW:]
    before = curve[-len(recent) - 1].seconds if len(curve) > len(recent) else 0.0
    pace = (recent[-1].seconds - before) / len(recent)
    last = curve[-1]
    return TrainProgress(last.step, steps, last.loss, last.label_tokens_per_s, pace * (steps - last.step))
