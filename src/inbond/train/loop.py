"""The training loop, flat: one function that reads from top to bottom.

Legend: B sequences of a micro-batch, T positions, N label tokens of it, K kept tokens, H width, V vocabulary.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from accelerate import Accelerator

from inbond.digest import Digest
from inbond.errors import InputError
from inbond.losses.batches import epoch_batches, make_batch
from inbond.losses.heads import chunked_loss, head_weight
from inbond.losses.hidden import label_hidden
from inbond.losses.objectives import MixedObjective, SparseTargets
from inbond.teachers.protocols import Scores, TokenSequence
from inbond.train import checkpoint
from inbond.train.checkpoint import CurvePoint, TrainState

GRADIENT_NORM = 1.0
SPEED_WINDOW = 20


@dataclass(frozen=True)
class Example:
    """One sequence to learn from. Weights are per label token, before normalisation.

    ``targets`` is None for text without a teacher's distribution (then ``kl`` must be 0).
    """

    sequence: TokenSequence
    targets: Scores | None
    kl: float
    ce: float


@dataclass(frozen=True)
class Plan:
    """How to train. ``batch`` sequences a micro-batch, ``accumulate`` micro-batches a step."""

    epochs: int
    batch: int
    accumulate: int
    lr: float
    warmup_steps: int
    weight_decay: float
    chunk: int
    seed: int
    checkpoint_seconds: float


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


def train(
    model: Any,
    examples: Sequence[Example],
    plan: Plan,
    *,
    vocabulary: int,
    pad_id: int,
    run: Digest,
    folder: Path,
    on_progress: Callable[[TrainProgress], None],
) -> tuple[Any, tuple[CurvePoint, ...]]:
    """Trains ``model`` in place; returns it and its curve.

    Resumes from the newest checkpoint in ``folder`` that belongs to ``run``: the order of examples
    depends on the seed alone, so a resumed run sees what the uninterrupted one would have seen.
    Each step is normalised by the label weight of the whole step, over micro-batches and processes.
    Raises InputError when the loss is no longer finite; the last good checkpoint stays.
    """
    accelerator = Accelerator()
    optimizer = torch.optim.AdamW(model.parameters(), lr=plan.lr, weight_decay=plan.weight_decay)
    state = TrainState(run, 0, 0.0, ())
    found = checkpoint.latest(folder, run)
    if found is not None and checkpoint.restore(found[0], model, optimizer):
        state = found[1]
    curve = list(state.curve)
    model.to(accelerator.device).train()

    steps = step_plan([len(example.sequence.ids) for example in examples], plan)
    started = saved = time.monotonic() - state.seconds
    saved += state.seconds
    for number in range(state.step, len(steps)):
        begun = time.monotonic()
        torch.manual_seed(plan.seed + number)  # dropout, where a model has it, resumes as it would have gone
        for group in optimizer.param_groups:
            group["lr"] = learning_rate(number, len(steps), plan)
        micro_batches = [
            batch[accelerator.process_index :: accelerator.num_processes] for batch in steps[number]
        ]
        weight = sum(_weight(examples[row]) for batch in steps[number] for row in batch)
        total, tokens = 0.0, 0
        for batch in filter(None, micro_batches):
            rows = [examples[row] for row in batch]
            inputs = make_batch([row.sequence for row in rows], pad_id, accelerator.device)
            objective = _objective(rows, inputs.labels_N, weight, accelerator.device)
            hidden_NH = label_hidden(model, inputs)
            loss = chunked_loss(hidden_NH, head_weight(model, vocabulary), objective, plan.chunk)
            accelerator.backward(loss)
            total += loss.item()
            tokens += hidden_NH.shape[0]
        total, tokens = _sum_over_processes(accelerator, model, total, tokens)
        norm = accelerator.clip_grad_norm_(model.parameters(), GRADIENT_NORM)
        if not (math.isfinite(total) and math.isfinite(float(norm))):
            raise _diverged(number, plan.lr)
        optimizer.step()
        optimizer.zero_grad(set_to_none=True)

        now = time.monotonic()
        curve.append(
            CurvePoint(
                number + 1, now - started, total, optimizer.param_groups[0]["lr"], tokens / (now - begun)
            )
        )
        on_progress(_progress(curve, len(steps)))
        if now - saved >= plan.checkpoint_seconds and accelerator.is_main_process:
            state = TrainState(run, number + 1, now - started, tuple(curve))
            checkpoint.save(folder, model, optimizer, state)
            saved = time.monotonic()
    return model.eval(), tuple(curve)


def _sum_over_processes(accelerator: Accelerator, model: Any, total: float, tokens: int) -> tuple[float, int]:
    """Adds up gradients, loss and tokens of all processes: each is already divided by the whole step's
    weight, so the sum is what one process would have found, however unevenly the step was dealt out."""
    if accelerator.num_processes == 1:
        return total, tokens
    for parameter in model.parameters():
        gradient = torch.zeros_like(parameter) if parameter.grad is None else parameter.grad
        parameter.grad = accelerator.reduce(gradient, reduction="sum")
    sums = accelerator.reduce(torch.tensor([total, tokens], dtype=torch.float64), reduction="sum")
    return float(sums[0]), int(sums[1])


def _weight(example: Example) -> float:
    """An example's part of the step's normaliser: its label tokens, each counted by its weights."""
    return example.sequence.labels * (example.kl + example.ce)


def _objective(
    rows: Sequence[Example], labels_N: torch.Tensor, weight: float, device: torch.device
) -> MixedObjective:
    """The objective over the batch's label tokens, in row-major order."""
    counts = torch.tensor([row.sequence.labels for row in rows])
    kl_N = torch.tensor([row.kl for row in rows]).repeat_interleave(counts) / weight
    ce_N = torch.tensor([row.ce for row in rows]).repeat_interleave(counts) / weight
    targets = _stack(rows)
    return MixedObjective(
        SparseTargets(targets.ids_NK.to(device), targets.p_NK.to(device), targets.p_tail_N.to(device)),
        labels_N,
        kl_N.to(device),
        ce_N.to(device),
    )


def _stack(rows: Sequence[Example]) -> SparseTargets:
    """Targets of all rows; rows without any get a tail of 1, which their weight of 0 then ignores."""
    k = max((row.targets.ids_NK.shape[1] for row in rows if row.targets is not None), default=1)
    ids, logps = [], []
    for row in rows:
        if row.targets is None:
            ids.append(torch.arange(k).expand(row.sequence.labels, k))
            logps.append(torch.full((row.sequence.labels, k), -torch.inf))
        else:
            ids.append(torch.from_numpy(row.targets.ids_NK))
            logps.append(torch.from_numpy(row.targets.logp_NK))
    return SparseTargets.from_logp(torch.cat(ids), torch.cat(logps))


def _progress(curve: Sequence[CurvePoint], steps: int) -> TrainProgress:
    recent = curve[-SPEED_WINDOW:]
    before = curve[-len(recent) - 1].seconds if len(curve) > len(recent) else 0.0
    pace = (recent[-1].seconds - before) / len(recent)
    last = curve[-1]
    return TrainProgress(last.step, steps, last.loss, last.label_tokens_per_s, pace * (steps - last.step))


def _diverged(step: int, lr: float) -> InputError:
    return InputError(
        expected="a finite loss",
        found=f"NaN or infinity at step {step + 1} with a learning rate of {lr:g}",
        fix="set train.lr lower; the last good checkpoint is kept",
    )
