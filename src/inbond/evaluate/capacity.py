"""What holds the student back: its size, its data or its training? The evidence, and what to try.

Three questions, each with an interval. Is it nearer to its teacher on records it was trained on than on
records it was not (then more data would help)? Was held-out KL still falling at the end (then more
training would)? Neither, and KL is still not small (then what is left is the student itself)? An end that
is flat while the learning rate sinks is no proof that nothing was left to learn: the fall is therefore also
judged per unit of learning rate. Pure: nothing here runs a model.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from functools import cached_property
from itertools import pairwise
from typing import Any

from inbond.digest import of_value
from inbond.evaluate.advice import Answer, Limit, advise
from inbond.evaluate.intervals import LEAST_RECORDS, Estimate, RecordSums, apart_ratio, mean, paired_ratio
from inbond.types import Reason, Verdict

DECIDER = "inbond.capacity/1"
_SOURCE = "docs/gates.md#capacity"


@dataclass(frozen=True)
class Limits:
    """``gap``: the share of held-out KL from which its excess over KL on training records counts as large.
    ``falling``: the share of held-out KL from which what another third would bring, at the run's mean
    learning rate and the pace of the last third, counts as still falling. ``floor``: nats a token at or below
    which the student follows its teacher. ``max_kl``: what held-out KL must come to; None: no demand."""

    gap: float = 0.15
    falling: float = 0.05
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
    """What was measured, by prompt. ``points`` rise and end with the end of training; they may be on fewer
    prompts than ``held_out``, all held-out ones at the end. ``train``: about as many training prompts, at
    the end, measured in the same way; ``examples``: the number of all training records."""

    points: tuple[Point, ...]
    held_out: RecordSums
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
        """The curve's records at the end."""
        return self.points[-1].held_out

    @property
    def enough(self) -> bool:
        return min(len(self.last), len(self.held_out), len(self.train)) >= LEAST_RECORDS

    @property
    def since(self) -> Point | None:
        """The point nearest to two thirds of the way; None when none lies between a half and .85 of it."""
        near = min(self.points, key=lambda point: abs(point.step - 2 / 3 * self.steps))
        return near if 0.5 * self.steps <= near.step <= 0.85 * self.steps else None

    @cached_property
    def kl(self) -> Estimate:
        """Held-out KL at the end, in nats a token."""
        return mean(self.held_out.kl, self.held_out.tokens)

    @cached_property
    def learnt(self) -> Estimate:
        """KL on training records / KL on held-out ones: 1 is no gap, less is a gap that data could close."""
        return apart_ratio(self.train, self.held_out)

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
        the steps since ``since`` had: 1 for a constant rate, about 3 for a cosine down to a tenth."""
        assert self.since is not None, "asked for only where there is a fall"
        late = _summed_rate([point for point in self.points if point.step >= self.since.step])
        first = self.points[0]
        whole = _summed_rate(self.points) + first.lr * first.step
        return max(1.0, whole / 3 / late) if late > 0 else 1.0

    def ahead(self) -> tuple[float, float] | None:
        """95% interval of the share of held-out KL that another third at the run's mean rate would take off,
        were the pace per unit of rate to stay: KL ratios multiply. Partly what a sinking rate gains by
        itself, as steps get less noisy, counts as pace here; so it is rather too high than too low."""
        if self.left is None:
            return None
        low, high = self.left.interval()
        return 1 - high**self.stretch, 1 - low**self.stretch

    def to_json(self) -> dict[str, Any]:
        """The curve, the three estimates with 95% intervals (null where they cannot be had), all sums."""
        left = self.left if self.enough else None
        return {
            "points": [
                {
                    "step": point.step,
                    "lr": point.lr,
                    **point.held_out.means(),
                    "records": point.held_out.to_json(),
                }
                for point in self.points
            ],
            "held_out": {"kl": self.held_out.means()["kl"], "records": self.held_out.to_json()},
            "train": {"kl": self.train.means()["kl"], "records": self.train.to_json()},
            "kl": self.kl.to_json() if self.enough else None,
            "learnt": self.learnt.to_json() if self.enough else None,
            "left": left.to_json() if left else None,
            "stretch": self.stretch if left else None,
            "ahead": self.ahead() if left else None,
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
        advice = ("held_out: a larger share, so that there are enough prompts to measure on.",)
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
    return Diagnosis(limit, Verdict(outcome, reasons, facts, DECIDER), advise(found, limit, training))


def _data(found: Capacity, limits: Limits) -> Answer:
    low, high = found.learnt.interval()
    if high < 1 - limits.gap or (_rose(found) and high < 1):
        return "yes"
    return "no" if low > 1 - limits.gap else "unclear"


def _rose(found: Capacity) -> bool:
    """Held-out KL surely rose over the last third, which next to a gap only overfitting explains."""
    return found.left is not None and found.left.interval()[0] > 1


def _training(found: Capacity, limits: Limits) -> Answer:
    ahead = found.ahead()
    if ahead is None:
        return "unclear"
    return "yes" if ahead[0] > limits.falling else "no" if ahead[1] < limits.falling else "unclear"


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
    finding = {"yes": "a gap", "no": "no large gap", "unclear": "too near to call"}[data]
    rose = " Held-out KL rose towards the end, as it does when records are learnt by heart." * _rose(found)
    return (
        f"KL on answers to {len(found.train)} training prompts is {found.train.mean_kl:.3f}, to "
        f"{len(found.held_out)} held-out ones {found.held_out.mean_kl:.3f}: a ratio of "
        f"{found.learnt.words()}; below {1 - limits.gap:g} counts as a gap that data could close: "
        f"{finding}.{rose}"
    )


def _training_words(found: Capacity, limits: Limits, training: Answer) -> str:
    ahead, earlier = found.ahead(), found.since
    if found.left is None or earlier is None or ahead is None:
        return "Held-out KL was not measured near two thirds of the way: whether it still fell is not known."
    low, high = found.left.interval()
    judged = {"yes": "it was still falling", "no": "it was flat", "unclear": "too near to call"}[training]
    return (
        f"From step {earlier.step} to {found.points[-1].step} KL on {len(found.last)} held-out prompts went "
        f"from {earlier.held_out.mean_kl:.3f} to {found.last.mean_kl:.3f}, a fall of "
        f"{1 - found.left.value:.1%} (95% interval {1 - high:.1%} to {1 - low:.1%}), while the learning rate "
        f"went from {earlier.lr:.2g} to {found.points[-1].lr:.2g}. At that pace per unit of rate another "
        f"third at the run's mean rate would bring {ahead[0]:.1%} to {ahead[1]:.1%}; from "
        f"{limits.falling:.0%} on counts as still falling: {judged}."
    )


_RATES = (
    "Each comparison uses a 95% interval over prompts: that data, or that training, is the limit is claimed "
    "wrongly by the luck of the prompts with a chance of about 5% at most; size is what remains when both "
    "are ruled out, and is not proven by it."
)


def _too_few(found: Capacity) -> str:
    return (
        f"There are {min(len(found.last), len(found.held_out))} held-out and {len(found.train)} training "
        f"prompts; an interval needs at least {LEAST_RECORDS} of each."
    )


def _reason(rule: str, finding: str) -> Reason:
    return Reason(f"capacity.{rule}", finding, _SOURCE)
