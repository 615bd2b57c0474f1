"""Learning from the student's own samples (GKD, arXiv 2306.13649): with some chance a step's prompts are
answered by the student as it is, and the teacher says what it thinks of each token.

Legend: N label tokens of a micro-batch, H hidden width, V vocabulary.
"""

from __future__ import annotations

import math
import random
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol, final

import numpy as np
import torch
from torch import Tensor

from inbond.errors import InputError
from inbond.losses.batches import Batch
from inbond.losses.likelihood import likelihood_loss
from inbond.losses.policy import PolicyGradient
from inbond.teachers.protocols import Keep, ScoresTokens, TokenSequence
from inbond.train.collapse import Beside, Floors, collapse, note
from inbond.train.drawing import Draws, Sample
from inbond.train.examples import Example, Objectives
from inbond.train.lessons import Fixed, Step
from inbond.train.likelihoods import LogP, measure_logp


@dataclass(frozen=True)
class Own:
    """A sample as a lesson. ``teacher`` holds the teacher's log-probabilities of its tokens where it is
    learnt by policy gradient; else ``example`` is learnt like any other."""

    example: Example
    behaviour: LogP
    teacher: LogP | None = None

    @property
    def sequences(self) -> tuple[TokenSequence, ...]:
        """See Lesson."""
        return (self.example.sequence,)

    @property
    def total(self) -> float:
        """See Lesson."""
        return self.example.total


class Marks(Protocol):
    """The teacher's word on samples."""

    def mark(self, samples: Sequence[Sample]) -> list[Own]:
        """A lesson for each sample. Raises InputError when the teacher's word is not finite."""


@final
@dataclass(frozen=True)
class MarksByScores:
    """The teacher's likeliest tokens at each place; ``teacher`` None: asked while training.
    Implements Marks."""

    teacher: ScoresTokens | None
    keep: Keep

    def mark(self, samples: Sequence[Sample]) -> list[Own]:
        """See Marks."""
        sequences = [sample.sequence for sample in samples]
        if self.teacher is None:
            return [Own(Example(s.sequence, None, 1.0, 0.0), s.behaviour) for s in samples]
        whole = self.teacher.score(sequences, self.keep)
        if np.isnan(whole.logp_NK).any():
            raise InputError(
                expected="finite log-probabilities of the teacher's likeliest tokens",
                found="NaN",
                fix="the teacher's weights are broken: check its file, or load it in another precision",
            )
        scores = whole.split([s.labels for s in sequences])
        return [
            Own(Example(sample.sequence, score, 1.0, 0.0), sample.behaviour)
            for sample, score in zip(samples, scores, strict=True)
        ]


@final
@dataclass(frozen=True)
class MarksByLikelihood:
    """The log-probability of each token under the teacher's weights, for policy gradients.
    Implements Marks."""

    model: Any
    vocabulary: int
    pad_id: int

    def mark(self, samples: Sequence[Sample]) -> list[Own]:
        """See Marks."""
        found = measure_logp(self.model, self.vocabulary, [s.sequence for s in samples], self.pad_id)
        return [
            Own(Example(sample.sequence, None, 1.0, 0.0), sample.behaviour, logp)
            for sample, logp in zip(samples, found, strict=True)
        ]


@dataclass(frozen=True)
class Course:
    """When own samples are learnt from: never in the first ``cold_start`` of all steps, then with a chance of
    ``share``. A drawing serves ``reuse`` steps on end. ``action`` is what a collapse does: off, warn or stop.
    ``teacher_entropy`` is that of the teacher in its own answers (``collapse.Beside``); None: not known, and
    a collapse is told by the first own samples alone.
    """

    share: float = 0.5
    cold_start: float = 0.3
    reuse: int = 1
    seed: int = 0
    floors: Floors = field(default_factory=Floors)
    action: str = "warn"
    teacher_entropy: float | None = None


@final
class OnPolicy:
    """Fixed lessons, some of whose steps are answered anew by the student. Implements Lessons.

    ``asked`` says of each example whether its prompt may be answered by the student: a step of which none may
    is learnt as it stands.
    """

    def __init__(
        self,
        given: Fixed[Example],
        asked: Sequence[bool],
        draws: Draws,
        marks: Marks,
        course: Course,
        warn: Callable[[str], None],
    ) -> None:
        self._given, self._draws, self._marks, self._course = given, draws, marks, course
        self._asked = {id(one) for one, may in zip(given.lessons, asked, strict=True) if may}
        self._warn = warn
        self._notes: list[Mapping[str, float]] = []
        self._warned = False
        self._ready: dict[int, Step[Own]] = {}

    @property
    def steps(self) -> int:
        return self._given.steps

    def recall(self, noted: Sequence[tuple[int, Mapping[str, float]]]) -> None:
        """See Lessons."""
        self._notes = [found for _, found in noted]

    def resumes(self, number: int) -> bool:
        """See Lessons. Not amid the steps of one drawing, nor once the student has collapsed, where that
        stops the training: the checkpoint from before is the last good one."""
        block = self._block(number)
        fresh = block is None or number == block[0] or not self._is_own(number)
        return fresh and (self._course.action != "stop" or self._trouble() is None)

    def step(self, number: int, model: Any) -> Step[Example | Own]:
        """See Lessons."""
        if not self._is_own(number):
            return self._given.step(number, model)
        self._heed(number)
        if number not in self._ready:
            self._ready = self._draw(number, model)
        drawn = self._ready.pop(number)
        assert drawn.noted is not None, "every drawn step has its note"
        self._notes.append(drawn.noted)
        return drawn

    def _trouble(self) -> str | None:
        return collapse(self._notes, self._course.floors)

    def _heed(self, number: int) -> None:
        found = None if self._course.action == "off" else self._trouble()
        if found is None:
            return
        if self._course.action == "stop":
            raise InputError(
                expected="a student whose own answers stay various",
                found=f"{found}, before step {number + 1}",
                fix="set on_policy.share or train.lr lower, or on_policy.collapse.action=warn to go on; "
                "the last checkpoint from before is kept until it is trained again",
            )
        if not self._warned:
            self._warn(f"train: the student repeats itself: {found}")
            self._warned = True

    def _first(self) -> int:
        return round(self._course.cold_start * self.steps)

    def _block(self, number: int) -> tuple[int, int] | None:
        """(first, end) of the steps that share a drawing with this one; None before there are any."""
        first, reuse = self._first(), self._course.reuse
        if not first <= number < self.steps:
            return None
        start = first + (number - first) // reuse * reuse
        return start, min(start + reuse, self.steps)

    def _is_own(self, number: int) -> bool:
        block = self._block(number)
        if block is None or not self._prompts(number):
            return False
        return random.Random(f"{self._course.seed}/own/{block[0]}").random() < self._course.share

    def _prompts(self, number: int) -> list[TokenSequence]:
        rows = [row for batch in self._given.step(number, None).batches for row in batch]
        return [row.sequence for row in rows if id(row) in self._asked]

    def _beside(self, number: int) -> Beside | None:
        """The teacher's answers to the step's prompts, as far as a sample may go."""
        entropy, drawing = self._course.teacher_entropy, self._draws.drawing
        if entropy is None:
            return None
        answers = [one.ids[one.prompt_length :][: drawing.max_tokens] for one in self._prompts(number)]
        return Beside([ids[:-1] if ids and ids[-1] in drawing.ends else ids for ids in answers], entropy)

    def _draw(self, number: int, model: Any) -> dict[int, Step[Own]]:
        """The steps from this one to its block's end, answered by the student as it is now."""
        block = self._block(number)
        assert block is not None, "an own step has a block"
        prompts = {step: self._prompts(step) for step in range(number, block[1]) if self._is_own(step)}
        flat = [list(one.ids[: one.prompt_length]) for rows in prompts.values() for one in rows]
        samples = self._draws.draw(model, flat, number)
        marked = self._marks.mark(samples)
        steps, start = {}, 0
        for step, rows in prompts.items():
            part = slice(start, start + len(rows) * self._draws.drawing.samples)
            steps[step] = self._as_step(step, samples[part], marked[part])
            start = part.stop
        return steps

    def _as_step(self, number: int, samples: Sequence[Sample], marked: Sequence[Own]) -> Step[Own]:
        size = max(map(len, self._given.step(number, None).batches))
        told = note(
            [sample.text_ids for sample in samples],
            [sample.entropy for sample in samples],
            [sample.ended for sample in samples],
            self._beside(number),
        )
        return Step([marked[first : first + size] for first in range(0, len(marked), size)], told)


@final
@dataclass(frozen=True)
class OnPolicyCriterion:
    """Given examples by ``given``, own samples by ``own`` or, where they are so marked, by policy gradient. A
    micro-batch is all of one kind. ``cap``: see PolicyGradient. Implements Criterion."""

    given: Objectives
    own: Objectives
    cap: float = math.inf

    @property
    def vocabulary(self) -> int:
        return self.given.vocabulary

    def loss(
        self,
        lessons: Sequence[Example | Own],
        batch: Batch,
        step_weight: float,
        student: tuple[Tensor, Tensor],
        chunk: int,
    ) -> Tensor:
        """See Criterion."""
        own = [lesson for lesson in lessons if isinstance(lesson, Own)]
        if not own:
            given = [lesson for lesson in lessons if isinstance(lesson, Example)]
            return self.given.loss(given, batch, step_weight, student, chunk)
        assert len(own) == len(lessons), "a step is all of one kind"
        if own[0].teacher is None:
            return self.own.loss([one.example for one in own], batch, step_weight, student, chunk)
        return likelihood_loss(*student, batch.labels_N, _policy(own, batch, step_weight, self.cap), chunk)


def _policy(own: Sequence[Own], batch: Batch, step_weight: float, cap: float) -> PolicyGradient:
    device = batch.labels_N.device
    behaviour_N = torch.from_numpy(np.concatenate([one.behaviour for one in own])).to(device)
    marked = [one.teacher for one in own if one.teacher is not None]
    teacher_N = torch.from_numpy(np.concatenate(marked)).to(device)
    return PolicyGradient(behaviour_N, teacher_N, torch.full_like(teacher_N, 1 / step_weight), cap)
