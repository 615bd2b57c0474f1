"""What each optimiser step learns from: fixed examples in the order of their epochs, or whatever else can say
what a step's lessons are. A lesson is what must not be torn apart: one sequence, or a pair of them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Generic, Protocol, TypeVar, final

from torch import Tensor

from inbond.errors import InputError
from inbond.losses.batches import Batch, epoch_batches
from inbond.teachers.protocols import TokenSequence

if TYPE_CHECKING:
    from inbond.train.loop import Plan


class Lesson(Protocol):
    """What is learnt from as one."""

    @property
    def sequences(self) -> tuple[TokenSequence, ...]: ...

    @property
    def total(self) -> float:
        """Its part of a step's normaliser, 0 where it teaches nothing."""


L = TypeVar("L", bound=Lesson)
L_co = TypeVar("L_co", bound=Lesson, covariant=True)
L_contra = TypeVar("L_contra", bound=Lesson, contravariant=True)


@dataclass(frozen=True)
class Step(Generic[L_co]):
    """One optimiser step: its micro-batches of lessons, and what was noted while they were made (of samples
    that the student was asked for), None for lessons that were there before."""

    batches: Sequence[Sequence[L_co]]
    noted: Mapping[str, float] | None = None

    @property
    def weight(self) -> float:
        """What the losses of the whole step are divided by, over micro-batches and processes."""
        return sum(lesson.total for batch in self.batches for lesson in batch) or 1.0


class Lessons(Protocol[L_co]):
    """The lessons of a whole training. The same calls give the same lessons, in every process."""

    @property
    def steps(self) -> int:
        """How many optimiser steps there are."""

    def step(self, number: int, model: Any) -> Step[L_co]:
        """The lessons of one step, from 0. May ask ``model``, the student as it is after ``number`` steps;
        leaves it in training mode. Random numbers it draws are its own affair: the loop seeds after it.

        Raises InputError when what it sees of the student ends the training.
        """

    def resumes(self, number: int) -> bool:
        """Whether training can be taken up after ``number`` steps: step ``number`` needs no student of an
        earlier step."""

    def recall(self, noted: Sequence[tuple[int, Mapping[str, float]]]) -> None:
        """What was noted in (step from 1, note) before training was taken up again."""


class Criterion(Protocol[L_contra]):
    """What is minimised on a micro-batch of lessons."""

    @property
    def vocabulary(self) -> int:
        """How many rows of the head are real tokens."""

    def loss(
        self,
        lessons: Sequence[L_contra],
        batch: Batch,
        step_weight: float,
        student: tuple[Tensor, Tensor],
        chunk: int,
    ) -> Tensor:
        """The micro-batch's part of the step's loss, differentiable in ``student``: its (hidden_NH, head_VH)
        at the labels of ``batch``, which holds the lessons' sequences in order. Raises InputError when the
        online teacher's hidden states are not finite."""


@final
class Fixed(Generic[L]):
    """Lessons that are there from the start, in the order that the plan's seed gives. Implements Lessons."""

    def __init__(self, lessons: Sequence[L], plan: Plan) -> None:
        """Raises InputError when no label token has a weight."""
        check_weighty(lessons)
        self.lessons = lessons
        self._steps = step_plan([sum(len(s.ids) for s in lesson.sequences) for lesson in lessons], plan)

    @property
    def steps(self) -> int:
        return len(self._steps)

    def step(self, number: int, model: Any) -> Step[L]:  # noqa: ARG002
        """See Lessons."""
        return Step([[self.lessons[row] for row in batch] for batch in self._steps[number]])

    def resumes(self, number: int) -> bool:  # noqa: ARG002
        """See Lessons."""
        return True

    def recall(self, noted: Sequence[tuple[int, Mapping[str, float]]]) -> None:
        """See Lessons."""


def check_weighty(lessons: Sequence[Lesson]) -> None:
    """Raises InputError when no label token has a weight."""
    if not any(lesson.total > 0 for lesson in lessons):
        raise InputError(
            expected="at least one label token to learn from",
            found=f"none in {len(lessons)} records: all are masked or weigh nothing",
            fix="check that the records have completions and the objective a weight",
        )


def step_plan(lengths: Sequence[int], plan: Plan) -> list[list[list[int]]]:
    """All optimiser steps of all epochs, each a list of micro-batches of lesson numbers."""
    steps = []
    for epoch in range(plan.epochs):
        batches = epoch_batches(lengths, plan.batch, plan.seed, epoch)
        steps += [batches[i : i + plan.accumulate] for i in range(0, len(batches), plan.accumulate)]
    return steps
