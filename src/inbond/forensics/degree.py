"""Distillation degree: how much likelier a student finds a teacher's text than the model it began as, in nats
a byte, beside the same on other text of the same kind. A measurement with intervals, no test, and no share of
authorship: a gain of half of what is there to gain does not mean that half of a student is its teacher's.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final, final

import numpy as np
import numpy.typing as npt

from inbond.digest import of_value
from inbond.errors import InputError
from inbond.forensics.finding import Finding
from inbond.forensics.shown import Progress, Shown, Subject, a_byte, by_unit, quietly

Floats = npt.NDArray[np.float64]

RESAMPLES: Final = 2_000
LEVEL: Final = 0.95

_ASSUMPTIONS = (
    "the reference is what the student began as, and saw neither text",
    "the control text is of the same kind, by another author, and the student did not learn it",
)
_LIMITS = (
    "it is a gain in likelihood on these texts, and no share of the student: nothing adds up to a whole",
    "training on any text of this kind raises both numbers; only what is above the control speaks of the "
    "teacher",
    "a teacher whose text is like the control's cannot be told from its author",
)


@final
@dataclass(frozen=True)
class Texts:
    """What gains are measured on: ``units`` are the prompts that texts answer, ``sizes`` bytes of the
    answers. Texts that answer one prompt are resampled together."""

    subject: Subject
    units: tuple[int, ...]
    sizes: tuple[int, ...]


@final
@dataclass(frozen=True)
class Gain:
    """Nats a byte, with the bounds of its interval."""

    mean: float
    low: float
    high: float

    def to_json(self) -> dict[str, float]:
        return {"mean": self.mean, "low": self.low, "high": self.high}


def gain_of(values: Floats, *, seed: int = 0) -> Gain:
    """The mean over prompts of one number each, with a bootstrap interval (percentiles)."""
    return _gain(float(values.mean()), _resampled(values, np.random.default_rng(seed)))


def gain_above(values: Floats, control: Floats, *, seed: int = 0) -> Gain:
    """The difference of two such means, each side resampled for itself."""
    draw = np.random.default_rng(seed)
    means = _resampled(values, draw) - _resampled(control, draw)
    return _gain(float(values.mean() - control.mean()), means)


def _resampled(values: Floats, draw: np.random.Generator) -> Floats:
    means: Floats = values[draw.integers(len(values), size=(RESAMPLES, len(values)))].mean(1)
    return means


def _gain(mean: float, means: Floats) -> Gain:
    side = 50 * (1 - LEVEL)
    low, high = np.percentile(means, [side, 100 - side])
    return Gain(mean, float(low), float(high))


def judge(
    stages: Mapping[str, tuple[Floats, Floats | None]],
    teacher: Texts,
    control: Texts | None,
    *,
    seed: int = 0,
) -> Finding:
    """The finding: a score. ``stages``, by name and in their order: for each text of the teacher (and of the
    control) how much likelier the student of that stage finds it than the reference, in nats a byte. What
    each stage adds is told beside what all of them add. Raises InputError without texts."""
    _check(stages, teacher)
    units, others = teacher.units, control.units if control is not None else ()
    gains = {
        name: (by_unit(mine, units), None if other is None else by_unit(other, others))
        for name, (mine, other) in stages.items()
    }
    last, beside = list(gains.values())[-1]
    statistic = _flat("gain", gain_of(last, seed=seed))
    if beside is not None:
        statistic |= _flat("control", gain_of(beside, seed=seed))
        statistic |= _flat("above control", gain_above(last, beside, seed=seed))
    return Finding(
        test="degree",
        question=f"the suspect finds text of {teacher.subject.name} likelier than its reference does",
        null="none: this is a measurement, and no test",
        statistic=statistic,
        log10_p=None,
        size=len(last),
        unit="prompts",
        needed=None,
        effect="a gain in nats a byte",
        assumptions=_ASSUMPTIONS,
        limits=_LIMITS if control is not None else (*_LIMITS, "without control text nothing is above it"),
        facts={
            "stages": _by_stage(gains, seed),
            "values": of_value([[name, mine.tolist()] for name, (mine, _) in gains.items()]),
            "level": LEVEL,
            "seed": seed,
        },
        about=teacher.subject.to_json(),
    )


def _check(stages: Mapping[str, tuple[Floats, Floats | None]], teacher: Texts) -> None:
    if not stages or not teacher.units:
        raise InputError(
            expected="a student and some text of its teacher",
            found=f"{len(stages)} students and {len(teacher.units)} texts",
            fix="name records that hold answers of the teacher",
        )


def _flat(name: str, gain: Gain) -> dict[str, float]:
    return {name: gain.mean, f"{name}, low": gain.low, f"{name}, high": gain.high}


def _by_stage(gains: Mapping[str, tuple[Floats, Floats | None]], seed: int) -> list[dict[str, object]]:
    """For each stage the whole gain until then, and what it added to the stage before."""
    told, before = list[dict[str, object]](), None
    for name, (mine, other) in gains.items():
        one: dict[str, object] = {"stage": name, "gain": gain_of(mine, seed=seed).to_json()}
        if before is not None:
            one["added"] = gain_of(mine - before, seed=seed).to_json()
        if other is not None:
            one["control"] = gain_of(other, seed=seed).to_json()
        told.append(one)
        before = mine
    return told


def of(
    stages: Mapping[str, Shown],
    reference: Shown,
    teacher: Texts,
    control: tuple[Texts, Mapping[str, Shown], Shown] | None = None,
    *,
    seed: int = 0,
    on_progress: Progress = quietly,
) -> Finding:
    """``judge`` of students whose weights are at hand. ``stages`` show the teacher's texts to the student
    after each stage, ``reference`` to what it began as; ``control`` is (its texts, the same stages and the
    reference, shown these)."""

    def gained(texts: Texts, student: Shown, base: Floats) -> Floats:
        less: Floats = a_byte(student.log_likelihoods(on_progress), texts.sizes) - base
        return less

    base = a_byte(reference.log_likelihoods(on_progress), teacher.sizes)
    mine = {name: gained(teacher, shown, base) for name, shown in stages.items()}
    if control is None:
        return judge({name: (values, None) for name, values in mine.items()}, teacher, None, seed=seed)
    texts, students, begun = control
    less = a_byte(begun.log_likelihoods(on_progress), texts.sizes)
    both = {name: (values, gained(texts, students[name], less)) for name, values in mine.items()}
    return judge(both, teacher, texts, seed=seed)


def units_of(prompts: Sequence[str]) -> tuple[int, ...]:
    """A number for each text, the same for texts that answer the same prompt."""
    places: dict[str, int] = {}
    return tuple(places.setdefault(prompt, len(places)) for prompt in prompts)
