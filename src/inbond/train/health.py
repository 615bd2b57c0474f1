"""When training has gone wrong: weights that are no numbers, a loss that runs away."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Set
from typing import Any, final

from inbond.errors import InputError
from inbond.losses.heads import broken_tensor
from inbond.train.checkpoint import CurvePoint

WINDOW = 8
"""Steps whose mean loss counts: single steps jump."""
FACTOR, MARGIN = 2.0, 0.5
"""A loss is far off above FACTOR times the best window's mean plus MARGIN nats a token; half-way to that it
is unsound."""
PATIENCE = 16
"""Steps in a row that a loss may be unsound."""


@final
class LossWatch:
    """Follows the losses of a run, step by step."""

    def __init__(self, losses: Iterable[float] = ()) -> None:
        self._recent: deque[float] = deque(maxlen=WINDOW)
        self._first: float | None = None
        self._best = self._mean = self.least = float("inf")
        self._steps = self._unsound = 0
        for loss in losses:
            self.note(loss)

    def note(self, loss: float) -> None:
        """The next step's loss."""
        self._first = loss if self._first is None else self._first
        self.least = min(self.least, loss)
        self._recent.append(loss)
        self._steps += 1
        if len(self._recent) == WINDOW:
            self._mean = sum(self._recent) / WINDOW
            self._best = min(self._best, self._mean)
        self._unsound = 0 if self.is_sound else self._unsound + 1

    @property
    def is_sound(self) -> bool:
        """Whether a checkpoint taken now would be a good one."""
        return not self._told or self._mean <= (1 + FACTOR) / 2 * self._best + MARGIN / 2

    @property
    def runs_away(self) -> bool:
        """Whether the run has left all that it had learnt: worse on average than at the very first step and
        far off its best; or unsound for PATIENCE steps on end, which is where a loss settles that an
        unlearnt student's first one hides."""
        if not self._told or self._first is None:
            return False
        far = self._mean > max(self._first, FACTOR * self._best + MARGIN)
        return far or self._unsound >= PATIENCE

    @property
    def _told(self) -> bool:
        """Two windows are needed, so that warm-up is not mistaken for it."""
        return self._steps >= 2 * WINDOW


def watches(curve: Iterable[CurvePoint], noted: Set[int]) -> dict[bool, LossWatch]:
    """Two watches, of the steps in ``noted`` (True) and of all others: losses on the student's own samples
    and on given text are different quantities."""
    points = list(curve)
    return {
        own: LossWatch(point.loss for point in points if (point.step in noted) == own)
        for own in (False, True)
    }


def check_weights(model: Any) -> None:
    """Raises InputError that names the first tensor of the student that is not finite."""
    broken = broken_tensor(model)
    if broken is not None:
        raise InputError(
            expected="a student whose weights are finite",
            found=f"NaN or infinity in {broken}",
            fix="the weights it starts from are broken: check their file, or start from another model",
        )


def diverged(found: str, lr: float, kept: str) -> InputError:
    """The error that ends such a run; ``kept`` says which checkpoint is left."""
    return InputError(
        expected="a loss that stays finite and falls",
        found=f"{found} with a learning rate of {lr:g}",
        fix=f"set train.lr lower; {kept}",
    )
