"""Learning from the student's own samples (GKD, arXiv 2306.13649): with some chance a step's prompts are
answered by the student as it is, and the teacher says what it thinks of each token.

Legend: N label tokens of a micro-batch, H hidden width, V vocabulary, R samples, T tokens of a sample.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Mapping, Sequence, Set
from dataclasses import dataclass, field
from functools import partial
from typing import Any, Protocol, final

import numpy as np
import torch
from torch import Tensor

from inbond.errors import InputError
from inbond.losses.batches import Batch
from inbond.losses.decoding import decode
from inbond.losses.likelihood import likelihood_loss
from inbond.losses.policy import PolicyGradient
from inbond.teachers.protocols import Keep, ScoresTokens, TokenSequence
from inbond.train.collapse import Floors, collapse, note
from inbond.train.examples import Example, Objectives
from inbond.train.lessons import Fixed, Step
from inbond.train.likelihoods import LogP, measure_logp


@dataclass(frozen=True)
class Drawing:
    """How samples are drawn: ``samples`` answers to each prompt, of at most ``max_tokens`` tokens."""

    vocabulary: int
    ends: Set[int]
    max_tokens: int = 64
    temperature: float = 1.0
    samples: int = 1


@dataclass(frozen=True)
class Sample:
    """One answer of the student's; ``behaviour`` holds the log-probability with which each label token was
    drawn, ``entropy`` is the mean of its tokens' in nats at temperature 1."""

    sequence: TokenSequence
    behaviour: LogP
    entropy: float
    ended: bool

    @property
    def text_ids(self) -> tuple[int, ...]:
        """Its tokens without the one that ended it."""
        ids = self.sequence.ids[self.sequence.prompt_length :]
        return ids[:-1] if self.ended else ids


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
        scores = self.teacher.score(sequences, self.keep).split([s.labels for s in sequences])
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
    """

    share: float = 0.5
    cold_start: float = 0.3
    reuse: int = 1
    seed: int = 0
    floors: Floors = field(default_factory=Floors)
    action: str = "warn"


@final
class OnPolicy:
    """Fixed lessons, some of whose steps are answered anew by the student. Implements Lessons.

    ``asked`` says of each example whether its prompt may be answered by the student: a step of which none may
    is learnt as it stands. Seeds of samples depend on the course's seed and the step alone.
    """

    def __init__(
        self,
        given: Fixed[Example],
        asked: Sequence[bool],
        drawing: Drawing,
        marks: Marks,
        course: Course,
        warn: Callable[[str], None],
    ) -> None:
        self._given, self._drawing, self._marks, self._course = given, drawing, marks, course
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

    def _draw(self, number: int, model: Any) -> dict[int, Step[Own]]:
        """The steps from this one to its block's end, answered by the student as it is now."""
        block = self._block(number)
        assert block is not None, "an own step has a block"
        prompts = {step: self._prompts(step) for step in range(number, block[1]) if self._is_own(step)}
        flat = [list(one.ids[: one.prompt_length]) for rows in prompts.values() for one in rows]
        samples = draw(model, flat, self._drawing, seed_of(self._course.seed, number))
        marked = self._marks.mark(samples)
        steps, start = {}, 0
        for step, rows in prompts.items():
            part = slice(start, start + len(rows) * self._drawing.samples)
            steps[step] = self._as_step(step, samples[part], marked[part])
            start = part.stop
        return steps

    def _as_step(self, number: int, samples: Sequence[Sample], marked: Sequence[Own]) -> Step[Own]:
        size = max(map(len, self._given.step(number, None).batches))
        told = note(
            [sample.text_ids for sample in samples],
            [sample.entropy for sample in samples],
            [sample.ended for sample in samples],
        )
        return Step([marked[first : first + size] for first in range(0, len(marked), size)], told)


def seed_of(seed: int, step: int) -> int:
    """The seed of a step's samples: the same whenever the step is taken."""
    return random.Random(f"{seed}/samples/{step}").getrandbits(63)


def draw(model: Any, prompts: Sequence[Sequence[int]], drawing: Drawing, seed: int) -> list[Sample]:
    """``drawing.samples`` answers to each prompt (token ids), prompt by prompt, from the student's whole
    distribution. Leaves the model in training mode."""
    rows = len(prompts) * drawing.samples
    chances_RT = torch.rand(
        (rows, drawing.max_tokens), generator=torch.Generator().manual_seed(seed), dtype=torch.float64
    )
    logp_RT = torch.zeros(rows, drawing.max_tokens, dtype=torch.float32)
    pick = partial(_pick, drawing.temperature, chances_RT, logp_RT)
    model.eval()
    answers = decode(
        model, drawing.vocabulary, drawing.ends, prompts, drawing.samples, drawing.max_tokens, pick
    )
    model.train()
    samples = []
    for row, answer in enumerate(answers):
        prompt = prompts[row // drawing.samples]
        ids = (*prompt, *answer.tokens, *([] if answer.end is None else [answer.end]))
        behaviour = logp_RT[row, : len(ids) - len(prompt)].numpy()
        entropy = answer.entropy / max(1, answer.steps)
        samples.append(Sample(TokenSequence(ids, len(prompt)), behaviour, entropy, answer.ended))
    return samples


def _pick(
    temperature: float, chances_RT: Tensor, logp_RT: Tensor, logits_BV: Tensor, rows_B: Tensor, step: int
) -> Tensor:
    """One token a row by inverting its cumulative distribution; notes its log-probability in ``logp_RT``."""
    logp_BV = (logits_BV / temperature).log_softmax(1)
    mass_BV = logp_BV.double().exp().cumsum(1)
    goal_B1 = (chances_RT[rows_B, step].to(mass_BV.device) * mass_BV[:, -1]).unsqueeze(1)
    tokens_B1 = torch.searchsorted(mass_BV, goal_B1, right=True).clamp_(max=mass_BV.shape[1] - 1)
    logp_RT[rows_B, step] = logp_BV.gather(1, tokens_B1).squeeze(1).cpu()
    return tokens_B1.squeeze(1)


@final
@dataclass(frozen=True)
class OnPolicyCriterion:
    """Given examples by ``given``, own samples by ``own`` or, where they are so marked, by policy gradient. A
    micro-batch is all of one kind. Implements Criterion."""

    given: Objectives
    own: Objectives

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
        return likelihood_loss(*student, batch.labels_N, _policy(own, batch, step_weight), chunk)


def _policy(own: Sequence[Own], batch: Batch, step_weight: float) -> PolicyGradient:
    device = batch.labels_N.device
    behaviour_N = torch.from_numpy(np.concatenate([one.behaviour for one in own])).to(device)
    marked = [one.teacher for one in own if one.teacher is not None]
    teacher_N = torch.from_numpy(np.concatenate(marked)).to(device)
    return PolicyGradient(behaviour_N, teacher_N, torch.full_like(teacher_N, 1 / step_weight))
