"""What holds the student back: its size, its data or its training? The evidence, and what to try.

Three questions, each with an interval. Is it nearer to its teacher on records it was trained on than on
records it was not (then more data would help)? Was held-out KL still falling at the end (then more
training would)? Neither, and KL is still not small (then what is left is the student itself)? An end that
is flat while the learning rate sinks is no proof that nothing was left to learn: the fall is therefore also
told per unit of learning rate. Pure: nothing here runs a model.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from functools import cached_property
from itertools import pairwise
from typing import Any, Literal

from inbond.digest import of_value
from inbond.evaluate.intervals import LEAST_RECORDS, Estimate, RecordSums, apart_ratio, mean, paired_ratio
from inbond.types import Reason, Verdict

DECIDER = "inbond.capacity/1"
Limit = Literal["size", "data", "training", "none", "unclear"]
Answer = Literal["yes", "no", "unclear"]
_SOURCE = "docs/gates.md#capacity"


@dataclass(frozen=True)
class Limits:
    """``gap``: the share of held-out KL from which its excess over KL on training records counts as large.
    ``falling``: the share of held-out KL that it must have lost over the last third to count as falling.
    ``hidden``: the same, of what another third would bring at the run's mean learning rate; below it the
    curve counts as flat and not merely as slowed by the schedule. ``floor``: nats a token at or below which
    the student follows its teacher. ``max_kl``: what held-out KL must come to; None: nothing is demanded."""

    gap: float = 0.25
    falling: float = 0.05
    hidden: float = 0.1
    floor: float = 0.05
    max_kl: float | None = None


@dataclass(frozen=True)
class Point:
    """Full held-out KL after ``step`` optimiser steps, on the same records at each point; ``lr`` is the
    learning rate of the step before."""

    step: int
    lr: float
    held_out: RecordSums


@dataclass(frozen=True)
class Capacity:
    """What was measured. ``points`` rise and end with the end of training; ``train`` is full KL at the end
    on training records, about as many, measured in the same way; ``examples`` all training records."""

    points: tuple[Point, ...]
    train: RecordSums
    steps: int
    epochs: int
    examples: int
    student_parameters: int
    teacher_parameters: int

    def __post_init__(self) -> None:
        assert self.points, "at least the end"
        places = [point.step for point in self.points]
        assert places == sorted(set(places)), "points rise"
        assert len({point.held_out.tokens for point in self.points}) == 1, "the same records at each point"

    @property
    def last(self) -> RecordSums:
        return self.points[-1].held_out

    @property
    def enough(self) -> bool:
        return min(len(self.last), len(self.train)) >= LEAST_RECORDS

    @property
    def since(self) -> Point | None:
        """The point nearest to two thirds of the way; None when none lies between a half and .85 of it."""
        near = min(self.points, key=lambda point: abs(point.step - 2 / 3 * self.steps))
        return near if 0.5 * self.steps <= near.step <= 0.85 * self.steps else None

    @cached_property
    def kl(self) -> Estimate:
        """Held-out KL at the end, in nats a token."""
        return mean(self.last.kl, self.last.tokens)

    @cached_property
    def learnt(self) -> Estimate:
        """KL on training records / KL on held-out ones: 1 is no gap, less is a gap that data could close."""
        return apart_ratio(self.train, self.last)

    @cached_property
    def left(self) -> Estimate | None:
        """Held-out KL at the end / about a third before it: below 1 it still fell."""
        earlier = self.since
        if earlier is None:
            return None
        return paired_ratio(self.last.kl, earlier.held_out.kl, self.last.tokens)

    @cached_property
    def stretch(self) -> float:
        """How much more learning rate (steps times rate) another third at the run's mean rate would have than
        the steps since ``since`` had: 1 for a constant rate, about 3 for a cosine down to a tenth. KL
        falls about exponentially in it while little is left to learn of what is being learnt."""
        assert self.since is not None, "asked for only where there is a fall"
        late = _summed_rate([point for point in self.points if point.step >= self.since.step])
        first = self.points[0]
        whole = _summed_rate(self.points) + first.lr * first.step
        return whole / 3 / late if late > 0 else 1.0

    def to_json(self) -> dict[str, Any]:
        """The curve, the three estimates with 95% intervals (null where they cannot be had), all sums."""
        left = self.left if self.enough else None
        return {
            "points": [
                {
                    "step": point.step,
                    "lr": point.lr,
                    "kl": point.held_out.mean_kl,
                    "agreement": point.held_out.agreement,
                    "records": point.held_out.to_json(),
                }
                for point in self.points
            ],
            "train": {"kl": self.train.mean_kl, "records": self.train.to_json()},
            "kl": self.kl.to_json() if self.enough else None,
            "learnt": self.learnt.to_json() if self.enough else None,
            "left": left.to_json() if left else None,
            "stretch": self.stretch if left else None,
            "steps": self.steps,
            "epochs": self.epochs,
            "examples": self.examples,
            "student_parameters": self.student_parameters,
            "teacher_parameters": self.teacher_parameters,
        }


def _summed_rate(points: Sequence[Point]) -> float:
    return sum((two.step - one.step) * (one.lr + two.lr) / 2 for one, two in pairwise(points))


@dataclass(frozen=True)
class Diagnosis:
    """What limits the student, the verdict on what was demanded of it, and recipe fields to try."""

    limit: Limit
    verdict: Verdict
    advice: tuple[str, ...]

    def to_json(self) -> dict[str, Any]:
        return {"limit": self.limit, "verdict": self.verdict.to_json(), "advice": list(self.advice)}


def decide(found: Capacity, limits: Limits) -> Verdict:
    """The verdict of ``diagnose``."""
    return diagnose(found, limits).verdict


def diagnose(found: Capacity, limits: Limits) -> Diagnosis:
    """Says what limits the student. The outcome is about ``max_kl`` alone: pass or fail when the whole 95%
    interval of held-out KL is on one side of it, cannot-tell when not; pass where nothing is demanded,
    since no diagnosis is a fault by itself."""
    facts = of_value({"found": found.to_json(), "limits": asdict(limits)})
    if not found.enough:
        outcome = "pass" if limits.max_kl is None else "cannot-tell"
        verdict = Verdict(outcome, (_reason("too-few", _too_few(found)),), facts, DECIDER)
        advice = ("held_out: a larger share, so that there are enough records to measure on.",)
        return Diagnosis("unclear", verdict, advice)
    data, training = _data(found, limits), _training(found, limits)
    limit = _limit(found, limits, data, training)
    outcome, demanded = _demanded(found, limits)
    reasons = (
        _reason("limit", _limit_words(found, limits, limit, data, training)),
        _reason("data", _data_words(found, limits, data)),
        _reason("training", _training_words(found, limits, training)),
        _reason("demanded", demanded),
        _reason("error-rates", _RATES),
    )
    return Diagnosis(limit, Verdict(outcome, reasons, facts, DECIDER), _advice(found, limit, training))


def _data(found: Capacity, limits: Limits) -> Answer:
    low, high = found.learnt.interval()
    return "yes" if high < 1 - limits.gap else "no" if low > 1 - limits.gap else "unclear"


def _training(found: Capacity, limits: Limits) -> Answer:
    if found.left is None:
        return "unclear"
    low, high = found.left.interval()
    if high < 1 - limits.falling:
        return "yes"
    return "no" if low ** max(found.stretch, 1.0) > 1 - limits.hidden else "unclear"


def _limit(found: Capacity, limits: Limits, data: Answer, training: Answer) -> Limit:
    """A gap comes first: while it is there, more training mostly learns the training records."""
    low, high = found.kl.interval()
    if high <= limits.floor:
        return "none"
    if data == "yes":
        return "data"
    if training == "yes":
        return "training"
    return "size" if data == training == "no" and low > limits.floor else "unclear"


def _demanded(found: Capacity, limits: Limits) -> tuple[str, str]:
    if limits.max_kl is None:
        return "pass", "No max_kl was demanded, so nothing could be failed: the diagnosis is the finding."
    low, high = found.kl.interval()
    outcome = "pass" if high <= limits.max_kl else "fail" if low > limits.max_kl else "cannot-tell"
    return outcome, f"Held-out KL is {found.kl.words()} nats a token; at most {limits.max_kl:g} was demanded."


def _limit_words(found: Capacity, limits: Limits, limit: Limit, data: Answer, training: Answer) -> str:
    kl = f"held-out KL is {found.kl.words()} nats a token"
    share = found.student_parameters / found.teacher_parameters
    return {
        "none": f"Nothing limits the student noticeably: {kl}, at or below {limits.floor:g}.",
        "data": f"The student is limited by its data: {kl}, and much less on what it was trained on.",
        "training": f"The student is limited by its training: {kl}, and was still falling when it ended.",
        "size": (
            f"The student is limited by its size, as far as can be told: {kl}, without a large gap to its "
            f"training records and without a fall at the end, so what is left is what {share:.0%} of its "
            "teacher's parameters, or how they were begun, cannot learn with this objective."
        ),
        "unclear": (
            f"What limits the student cannot be told: {kl}; limited by data: {data}, by training: {training}."
        ),
    }[limit]


def _data_words(found: Capacity, limits: Limits, data: Answer) -> str:
    finding = {"yes": "a large gap", "no": "no large gap", "unclear": "too near to call"}[data]
    return (
        f"KL on {len(found.train)} training records is {found.train.mean_kl:.3f}, on {len(found.last)} "
        f"held-out ones {found.last.mean_kl:.3f}: a ratio of {found.learnt.words()}; below {1 - limits.gap:g} "
        f"counts as a gap that data could close: {finding}."
    )


def _training_words(found: Capacity, limits: Limits, training: Answer) -> str:
    if found.left is None or found.since is None:
        return (
            "Held-out KL was not measured near two thirds of the way, so whether it still fell is not known."
        )
    low, high = found.left.interval()
    moved = "fell" if found.left.value < 1 else "rose"
    before, rates = found.since.held_out.mean_kl, (found.since.lr, found.points[-1].lr)
    words = (
        f"From step {found.since.step} to {found.points[-1].step} held-out KL {moved} from {before:.3f} to "
        f"{found.last.mean_kl:.3f}, a fall of {1 - found.left.value:.1%} (95% interval {1 - high:.1%} to "
        f"{1 - low:.1%}), while the learning rate went from {rates[0]:.2g} to {rates[1]:.2g}. "
    )
    if training == "yes":
        return words + f"More than {limits.falling:.0%}, surely: it was still falling."
    most = 1 - low ** max(found.stretch, 1.0)
    words += f"At the run's mean rate another third might bring up to {most:.1%}: "
    if training == "no":
        return words + f"less than {limits.hidden:.0%}, so it was flat whatever the schedule did."
    return words + (f"not surely less than {limits.hidden:.0%}, so a flat end may be the schedule's doing.")


_RATES = (
    "Each comparison uses a 95% interval over records: that data or training is the limit is "
    "each claimed wrongly with a chance of about 2.5% at most; size is what remains when both are ruled out, "
    "and is not proven by it."
)


def _too_few(found: Capacity) -> str:
    return (
        f"There are {len(found.last)} held-out and {len(found.train)} training records; an interval needs at "
        f"least {LEAST_RECORDS} of each."
    )


def _advice(found: Capacity, limit: Limit, training: Answer) -> tuple[str, ...]:
    """Recipe fields to try, likeliest help first, with what may be hoped for."""
    return {
        "data": _advice_data,
        "training": _advice_training,
        "size": _advice_size,
        "none": _advice_none,
        "unclear": _advice_unclear,
    }[limit](found, training)


def _advice_data(found: Capacity, training: Answer) -> tuple[str, ...]:
    best = max(0.0, 1 - found.learnt.value)
    advice: tuple[str, ...] = (
        f"prompts: more of them than behind these {found.examples} records. Held-out KL then moves towards "
        f"that of the training records, which rises to meet it: at the very best {best:.0%} lower, in practice "
        "less.",
        "generate.samples: more answers to each prompt cost no new prompts, and help less than new ones.",
    )
    rose = found.left is not None and found.left.interval()[0] > 1
    if rose and found.epochs > 1:
        advice += (f"train.epochs: fewer than {found.epochs}; held-out KL rose towards the end.",)
    if training == "yes":
        advice += ("train.epochs: more may help too, since held-out KL was still falling.",)
    return advice


def _advice_training(found: Capacity, _training: Answer) -> tuple[str, ...]:
    assert found.left is not None, "it was seen to fall"
    low, high = found.left.interval()
    longer = (
        f"train.epochs: {2 * found.epochs} instead of {found.epochs}. The last third still took "
        f"{1 - high:.0%} to {1 - low:.0%} off held-out KL; expect a further fall of about that size, and less "
        "each time."
    )
    faster = (
        f"train.lr: up to twice its {max(point.lr for point in found.points):.2g}; if the loss then jumps or "
        "ends higher, go back."
    )
    if found.epochs > 1:
        return longer, faster
    return longer, "prompts: more of them train longer too, and no record is seen twice.", faster


def _advice_size(found: Capacity, _training: Answer) -> tuple[str, ...]:
    return (
        "student.layers: more (init: model: a larger student.base; init: scratch: a wider student.config), "
        f"now {found.student_parameters:,} of the teacher's {found.teacher_parameters:,} parameters. A run "
        "with more layers and the same data shows whether it was the size: if KL does not fall, it was not.",
        "student.keep: other layers of the same number; which ones stay may matter as much as how many.",
    )


def _advice_none(found: Capacity, _training: Answer) -> tuple[str, ...]:
    return (
        f"student.layers: fewer than now ({found.student_parameters:,} parameters) may do as well: faster "
        "and smaller at about the same KL.",
    )


def _advice_unclear(found: Capacity, training: Answer) -> tuple[str, ...]:
    advice: tuple[str, ...] = (
        f"held_out: a larger share than {len(found.last)} records measured; four times as many halve the "
        "intervals.",
    )
    if training == "unclear":
        advice += (
            f"train.epochs: {2 * found.epochs}; if held-out KL ends clearly lower, it was the training.",
        )
    return advice


def _reason(rule: str, finding: str) -> Reason:
    return Reason(f"capacity.{rule}", finding, _SOURCE)
