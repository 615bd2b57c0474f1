"""When training has gone wrong: weights that are no numbers, a loss that runs away. Pure but for reading
weights."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import torch

from inbond.errors import InputError

WINDOW = 8
"""Steps whose mean loss counts: single steps jump."""
FACTOR, MARGIN = 2.0, 0.5
"""A run diverges when the window's mean is above FACTOR times the best one plus MARGIN nats a token."""


def runs_away(losses: Sequence[float]) -> bool:
    """Whether the loss has left all that it had learnt: the last WINDOW steps are on average worse than the
    very first step, and much worse than the best WINDOW steps before them. Two windows are needed, so that
    warm-up is not mistaken for it."""
    if len(losses) < 2 * WINDOW:
        return False
    means = [math.fsum(losses[i : i + WINDOW]) / WINDOW for i in range(0, len(losses) - WINDOW + 1)]
    return means[-1] > max(losses[0], FACTOR * min(means) + MARGIN)


def is_sound(losses: Sequence[float]) -> bool:
    """Whether a checkpoint taken now would be a good one: no rise above the best window that is half-way
    to ``runs_away``."""
    if len(losses) < 2 * WINDOW:
        return True
    means = [math.fsum(losses[i : i + WINDOW]) / WINDOW for i in range(0, len(losses) - WINDOW + 1)]
    return means[-1] <= (1 + FACTOR) / 2 * min(means) + MARGIN / 2


def check_weights(model: Any) -> None:
    """Raises InputError that names the first tensor of the student that is not finite."""
    for name, value in model.named_parameters():
        if not bool(torch.isfinite(value).all()):
            raise InputError(
                expected="a student whose weights are finite",
                found=f"NaN or infinity in {name}",
                fix="the weights it starts from are broken: check their file, or start from another model",
            )


def diverged(found: str, lr: float, kept: str) -> InputError:
    """The error that ends such a run; ``kept`` says which checkpoint is left."""
    return InputError(
        expected="a loss that stays finite and falls",
        found=f"{found} with a learning rate of {lr:g}",
        fix=f"set train.lr lower; {kept}",
    )
