"""The training loop, flat: one function that reads from top to bottom.

Legend: N label tokens of a micro-batch, H hidden width, V vocabulary.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from inbond.digest import Digest
from inbond.losses.batches import make_batch
from inbond.losses.heads import head_weight
from inbond.losses.hidden import label_hidden, spared
from inbond.train import checkpoint, health
from inbond.train.checkpoint import CurvePoint, Measured, TrainState
from inbond.train.lessons import Criterion, Fixed, L, Lessons, Step
from inbond.train.processes import Copies, Processes

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


def measured_at(steps: int, measurements: int) -> set[int]:
    """After how many steps the held-out part is measured: evenly, before the first and after the last."""
    return {round(i * steps / measurements) for i in range(measurements + 1)} if measurements else set()


def train(
    model: Any,
    lessons: Lessons[L],
    criterion: Criterion[L],
    plan: Plan,
    *,
    pad_id: int,
    run: Digest,
    folder: Path,
    on_progress: Callable[[TrainProgress], None],
    measure: Callable[[Any], Mapping[str, Any]] | None = None,
    processes: Processes | None = None,
) -> TrainState:
    """Trains ``model`` in place, where its parameters want gradients; returns what happened.

    Resumes from the newest checkpoint in ``folder`` that belongs to ``run``: the lessons depend on the seed
    and the student alone, so a resumed run is the uninterrupted one, bit for bit where the backend
    computes the same twice. Each step is normalised by the label weight of the whole step, over
    micro-batches and processes. ``measure`` is called ``plan.measurements`` + 1 times, on the model in
    evaluation mode. ``processes``: who trains; None: those that accelerate's environment names, each with the
    whole student, or this one. All of them are given the same; the first one alone writes checkpoints.

    Raises InputError when the student or the online teacher is not finite, the lessons end the training, or
    the loss runs away; then the last good checkpoint stays.
    """
    health.check_weights(model)
    together = Copies(model) if processes is None else processes
    state, moments = checkpoint.resume(folder, run, model)
    together.hold(model.train())
    learnt = [parameter for parameter in model.parameters() if parameter.requires_grad]
    optimizer = torch.optim.AdamW(learnt, lr=plan.lr, weight_decay=plan.weight_decay, fused=True)
    checkpoint.set_moments(optimizer, moments, together)
    reading = _Reading(criterion, plan, pad_id, together)
    curve, measured, kept, shared = list(state.curve), list(state.measured), state.step, state.shared
    noted, learnt_tokens, steps = list(state.noted), state.label_tokens, lessons.steps
    watches = health.watches(curve, {note.step for note in noted})
    lessons.recall([(note.step, note.found) for note in noted])
    stops = measured_at(steps, plan.measurements) if measure is not None else set()
    started = saved = time.monotonic() - state.seconds
    saved += state.seconds

    def state_after(done: int) -> TrainState:
        series = tuple(curve), tuple(measured)
        seconds = time.monotonic() - started
        return TrainState(run, done, seconds, *series, shared, tuple(noted), learnt_tokens)

    for number in range(state.step, steps + 1):
        if measure is not None and number in stops and number not in {point.step for point in measured}:
            model.eval()
            measured.append(Measured(number, together.look(measure)))
            model.train()
        if number == steps:
            break
        begun = time.monotonic()
        step = _step(lessons, number, model, together)
        # Dropout, where a model has it, resumes as it would have gone.
        torch.manual_seed(plan.seed + number + (together.index << 32))
        for group in optimizer.param_groups:
            group["lr"] = learning_rate(number, steps, plan)
        part = reading.learn(step)
        due = together.index == 0 and time.monotonic() - saved >= plan.checkpoint_seconds
        total, tokens, once, saves = together.add_up(learnt, (*part, due))
        norm = together.clip(learnt, GRADIENT_NORM)
        if not (math.isfinite(total) and math.isfinite(norm)):
            raise health.diverged(f"NaN or infinity at step {number + 1}", plan.lr, _kept(folder, kept))
        optimizer.step()
        optimizer.zero_grad(set_to_none=True)

        now = time.monotonic()
        learnt_tokens, shared = learnt_tokens + int(tokens), shared + int(once)
        if step.noted is not None:
            noted.append(Measured(number + 1, step.noted))
        watch = watches[step.noted is not None]
        lr = optimizer.param_groups[0]["lr"]
        curve.append(CurvePoint(number + 1, now - started, total, lr, tokens / (now - begun)))
        on_progress(_progress(curve, steps))
        watch.note(total)
        if watch.runs_away:
            best = watch.least
            rise = f"a loss of {total:.2f} at step {number + 1}, after {best:.2f} at its best,"
            raise health.diverged(rise, plan.lr, _kept(folder, kept))
        if saves and lessons.resumes(number + 1) and all(watch.is_sound for watch in watches.values()):
            whole = checkpoint.Snapshot.of(model, optimizer, together)
            if together.index == 0:
                checkpoint.save(folder, whole, state_after(number + 1))
            saved, kept = time.monotonic(), number + 1
    model.eval()
    return state_after(steps)


def _kept(folder: Path, step: int) -> str:
    if not step:
        return "no checkpoint was due before it"
    return f"the checkpoint of step {step} is kept in {folder} until it is trained again"


def _step(lessons: Lessons[L], number: int, model: Any, together: Processes) -> Step[L]:
    """The step's lessons. Where the student is asked for some, the first process asks for all: what two of
    them draw might differ in a float."""
    if isinstance(lessons, Fixed):
        return lessons.step(number, model)
    return together.first(lambda: lessons.step(number, model))


@dataclass(frozen=True)
class _Reading:
    """How a process learns its part of a step."""

    criterion: Criterion[Any]
    plan: Plan
    pad_id: int
    together: Processes

    def learn(self, step: Step[Any]) -> tuple[float, float, float]:
        """(the loss of its lessons, their label tokens, input tokens that were computed once instead of again
        for each row); gradients are left in the parameters."""
        total, tokens, once = 0.0, 0.0, 0.0
        for batch in step.batches:
            mine, factor = self.together.part(batch)
            if not mine:
                continue
            loss, labels, spared_tokens = self.together.learn(partial(self._loss, mine, step.weight))
            self.together.backward(loss * factor)
            total += loss.item() * factor
            tokens += labels * factor
            once += spared_tokens
        return total, tokens, once

    def _loss(self, lessons: Sequence[Any], weight: float, model: Any) -> tuple[Tensor, int, int]:
        sequences = [sequence for lesson in lessons for sequence in lesson.sequences]
        share = self.plan.share_prefix and self.together.shares_prefixes
        inputs = make_batch(sequences, self.pad_id, self.together.device, share=share)
        hidden_NH = label_hidden(model, inputs)
        student = hidden_NH, head_weight(model, self.criterion.vocabulary)
        loss = self.criterion.loss(lessons, inputs, weight, student, self.plan.chunk)
        return loss, hidden_NH.shape[0], spared(model, inputs)


def _progress(curve: Sequence[CurvePoint], steps: int) -> TrainProgress:
    recent = curve[-SPEED_WINDOW:]
    before = curve[-len(recent) - 1].seconds if len(curve) > len(recent) else 0.0
    pace = (recent[-1].seconds - before) / len(recent)
    last = curve[-1]
    return TrainProgress(last.step, steps, last.loss, last.label_tokens_per_s, pace * (steps - last.step))
