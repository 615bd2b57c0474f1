"""Does the student still say as many different things as its teacher? Measures, and the gate's decision.

Over-distillation narrows a model: it goes on answering well and answers always the same. Both models
answer the same prompts several times with the same sampling settings; what is compared is the student's
variety with the teacher's own, prompt by prompt. Pure: nothing here runs a model.
"""

from __future__ import annotations

import math
import unicodedata
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import cached_property
from typing import Any

from inbond.digest import of_value
from inbond.evaluate.intervals import LEAST_RECORDS, LEVEL, Estimate, holm, paired_ratio
from inbond.types import Reason, Verdict

DECIDER = "inbond.diversity/1"
HEADLINE = "distinct-2"
FEW = 8
"""p-values are raised by FEW / prompts of themselves: with a dozen prompts, small ones otherwise come up to
1.4 times as often as they should (docs/gates.md)."""
LABELS: Mapping[str, str] = {
    "distinct-1": "different words (tokens) among all said",
    "distinct-2": "different pairs of tokens",
    "distinct-3": "different runs of three tokens",
    "entropy": "openness at each token (entropy, nats)",
    "distinct-answers": "different answers among all given",
}
_SOURCE = "docs/gates.md#diversity"


@dataclass(frozen=True)
class Answers:
    """What a model said: for each prompt, several answers. All fields are [prompt][sample].

    ``tokens`` are ids without padding, prompt or end token; ``entropy`` the mean entropy in nats of the
    model's own next-token distribution (temperature 1, nothing cut off) along the answer, the place of
    its end included; ``ended`` whether it ended by itself; ``texts`` the tokens decoded.
    """

    tokens: tuple[tuple[tuple[int, ...], ...], ...]
    texts: tuple[tuple[str, ...], ...]
    entropy: tuple[tuple[float, ...], ...]
    ended: tuple[tuple[bool, ...], ...]

    def __len__(self) -> int:
        return len(self.tokens)


@dataclass(frozen=True)
class Limits:
    """``min_ratio``: the least share of its teacher's variety that a student must keep, in each measure.
    ``error_rate``: the chance the gate may take, over all measures, of failing a student that keeps it."""

    min_ratio: float = 0.8
    error_rate: float = 0.05


@dataclass(frozen=True)
class Measure:
    """One measure, a value a prompt for teacher and student. Prompts where it means nothing (an n-gram
    measure where a model said fewer than two n-grams) are left out of both."""

    name: str
    teacher: tuple[float, ...]
    student: tuple[float, ...]

    @cached_property
    def ratio(self) -> Estimate | None:
        """Student / teacher of the means over prompts; None with too few prompts for an interval."""
        enough = len(self.teacher) >= LEAST_RECORDS and sum(self.teacher) > 0
        return paired_ratio(self.student, self.teacher) if enough else None

    def to_json(self) -> dict[str, Any]:
        """Means, the ratio with its 95% interval (null where there are too few prompts), all values."""
        count = max(len(self.teacher), 1)
        interval = self.ratio.to_json() if self.ratio else {"value": None, "low": None, "high": None}
        return {
            "name": self.name,
            "label": LABELS[self.name],
            "teacher_mean": sum(self.teacher) / count,
            "student_mean": sum(self.student) / count,
            "ratio": interval["value"],
            "low": interval["low"],
            "high": interval["high"],
            "prompts": len(self.teacher),
            "teacher": list(self.teacher),
            "student": list(self.student),
        }


@dataclass(frozen=True)
class Diversity:
    """What was measured. ``sampling``: temperature, top_p, max_new_tokens, seeds, as they were used."""

    measures: tuple[Measure, ...]
    prompts: int
    samples: int
    sampling: Mapping[str, float]

    @property
    def ratio(self) -> float | None:
        """The headline: distinct-2, student / teacher. Of all measures it is the one that papers quote;
        it counts what was said, not what the model believes; and it moves less by chance than the share
        of different answers, which is often 1 for both. Not the smallest ratio: that would be low by
        selection alone."""
        found = next(measure for measure in self.measures if measure.name == HEADLINE)
        return found.ratio.value if found.ratio else None

    def to_json(self) -> dict[str, Any]:
        return {
            "measures": [measure.to_json() for measure in self.measures],
            "prompts": self.prompts,
            "samples": self.samples,
            "sampling": dict(self.sampling),
            "ratio": self.ratio,
        }


def measure(teacher: Answers, student: Answers, sampling: Mapping[str, float]) -> Diversity:
    """Compares what two models said to the same prompts, the same number of times each."""
    assert len(teacher) == len(student) > 0, "the same prompts"
    pairs = list(zip(teacher.tokens, student.tokens, strict=True))
    distinct = {f"distinct-{n}": [_distinct(n, *pair) for pair in pairs] for n in (1, 2, 3)}
    entropy = [(_mean(t), _mean(s)) for t, s in zip(teacher.entropy, student.entropy, strict=True)]
    answers = [(_different(t), _different(s)) for t, s in zip(teacher.texts, student.texts, strict=True)]
    found: dict[str, list[tuple[float, float] | None]] = {
        **distinct,
        "entropy": [*entropy],
        "distinct-answers": [*answers],
    }
    measures = tuple(_measure(name, found[name]) for name in LABELS)
    return Diversity(measures, len(teacher), len(teacher.tokens[0]), dict(sampling))


def _measure(name: str, pairs: Iterable[tuple[float, float] | None]) -> Measure:
    kept = [pair for pair in pairs if pair is not None]
    return Measure(name, tuple(teacher for teacher, _ in kept), tuple(student for _, student in kept))


def _distinct(
    n: int, teacher: Sequence[Sequence[int]], student: Sequence[Sequence[int]]
) -> tuple[float, float] | None:
    """distinct-n of both over all samples of one prompt, at an equal number of n-grams: it falls with
    length, so a student that says less would look more varied than it is."""
    counts = [
        Counter(tuple(answer[i : i + n]) for answer in answers for i in range(len(answer) - n + 1))
        for answers in (teacher, student)
    ]
    size = min(counts[0].total(), counts[1].total())
    return (rarefied(counts[0], size), rarefied(counts[1], size)) if size >= 2 else None


def rarefied(counts: Counter[tuple[int, ...]], size: int) -> float:
    """Expected number of different n-grams among ``size`` drawn without replacement, divided by ``size``
    (Hurlbert 1971): exact, so nothing is drawn. With all of them it is plain distinct-n."""
    total = counts.total()
    assert 1 <= size <= total, "no more can be drawn than there are"
    seen = 0.0
    for count, how_many in Counter(counts.values()).items():
        seen += how_many * (1 - _never_drawn(total, count, size))
    return seen / size


def _never_drawn(total: int, count: int, size: int) -> float:
    """C(total - count, size) / C(total, size)."""
    if total - count < size:
        return 0.0
    return math.exp(
        math.lgamma(total - count + 1)
        - math.lgamma(total - count - size + 1)
        - math.lgamma(total + 1)
        + math.lgamma(total - size + 1)
    )


def _different(texts: Sequence[str]) -> float:
    return len({normalised(text) for text in texts}) / len(texts)


def normalised(text: str) -> str:
    """A text without what does not make another answer of it: width, case and spaces."""
    return " ".join(unicodedata.normalize("NFKC", text).casefold().split())


def _mean(values: Sequence[float]) -> float:
    return sum(values) / len(values)


def decide(found: Diversity, limits: Limits) -> Verdict:
    """pass, fail or cannot-tell; every number that decided stands in the reasons.

    fail: in some measure the ratio is below the limit, by one-sided tests with Holm's correction, so
    that a student at or above the limit everywhere fails with a chance of at most ``error_rate``.
    pass: in every measure the whole 95% interval is at or above the limit; a student below it in some
    measure passes with a chance of at most 2.5%. cannot-tell: anything else.
    """
    measured = [entry for entry in found.measures if entry.ratio is not None]
    below = _surely_below(measured, limits)
    missing = [entry for entry in found.measures if entry.ratio is None]
    low = [entry for entry in measured if _ratio(entry).interval()[0] < limits.min_ratio]
    if below:
        outcome = "fail"
        reasons = [_reason("narrowed", _sentence(entry, limits)) for entry in below]
    elif missing or low:
        outcome = "cannot-tell"
        reasons = [_reason("too-few", _too_few(entry)) for entry in missing]
        reasons += [
            _reason("too-close", f"{_sentence(entry, limits)} {_ratio(entry).needed(limits.min_ratio)}")
            for entry in low
        ]
    else:
        outcome = "pass"
        reasons = [_reason("kept", _sentence(entry, limits)) for entry in measured]
    reasons.append(_reason("error-rates", _rates(found, limits, len(measured))))
    facts = of_value({"found": found.to_json(), "limits": asdict(limits)})
    return Verdict(outcome, tuple(reasons), facts, DECIDER)


def _surely_below(measured: Sequence[Measure], limits: Limits) -> list[Measure]:
    p_values = [
        min(1.0, (1 + FEW / len(entry.teacher)) * _ratio(entry).p_not_below(limits.min_ratio))
        for entry in measured
    ]
    return [
        entry
        for entry, adjusted in zip(measured, holm(p_values), strict=True)
        if adjusted <= limits.error_rate
    ]


def _ratio(entry: Measure) -> Estimate:
    assert entry.ratio is not None, "only what has an interval"
    return entry.ratio


def _sentence(entry: Measure, limits: Limits) -> str:
    low, high = _ratio(entry).interval()
    return (
        f"{entry.name} ({LABELS[entry.name]}): the student has {_ratio(entry).value:.2f} of its teacher's "
        f"(95% interval {low:.2f} to {high:.2f}, {len(entry.teacher)} prompts); at least "
        f"{limits.min_ratio:g} is wanted."
    )


def _too_few(entry: Measure) -> str:
    return (
        f"{entry.name} ({LABELS[entry.name]}) could be measured on {len(entry.teacher)} prompts; "
        f"an interval needs at least {LEAST_RECORDS}."
    )


def _rates(found: Diversity, limits: Limits, measures: int) -> str:
    return (
        f"{found.samples} answers to each of {found.prompts} prompts. A student at or above "
        f"{limits.min_ratio:g} in every measure fails with a chance of about {limits.error_rate:.0%} at most "
        f"(Holm's correction over {measures} measures); one below it in any passes with a chance of "
        f"about {(1 - LEVEL) / 2:.1%} at most."
    )


def _reason(rule: str, finding: str) -> Reason:
    return Reason(f"diversity.{rule}", finding, _SOURCE)
