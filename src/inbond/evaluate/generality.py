"""Did training make the student worse where nobody looked? Measures, and the gate's decision.

A student is trained and measured on one domain; what it loses elsewhere shows on prompts outside of it.
Teacher and student are compared on the teacher's own greedy answers there, before and after training.
Pure but for ``built_in_prompts``, which reads a file of this package.
"""

from __future__ import annotations

import json
import math
from dataclasses import asdict, dataclass
from functools import cached_property
from importlib import resources
from typing import Any, Literal

from inbond.digest import of_value
from inbond.evaluate.intervals import (
    LEAST_RECORDS,
    Estimate,
    RecordSums,
    apart_ratio,
    mean,
    paired_ratio,
)
from inbond.types import Reason, Verdict

DECIDER = "inbond.generality/2"
PROMPTS = "outside-prompts.jsonl"
Start = Literal["prune", "model", "scratch"]
FLOOR = 0.05
"""Nats a token at or below which a student follows its teacher: a ratio to less than this means nothing."""
_Outcome = Literal["pass", "fail", "cannot-tell"]
_SOURCE = "docs/gates.md#generality"


@dataclass(frozen=True)
class OutsidePrompt:
    """A short prompt of no domain in particular, and what it asks for (arithmetic, facts, code, ...)."""

    prompt: str
    area: str


def built_in_prompts() -> tuple[OutsidePrompt, ...]:
    """The prompts that come with this package. Those near a training prompt are the caller's to leave out."""
    text = resources.files("inbond.evaluate").joinpath(PROMPTS).read_text(encoding="utf-8")
    return tuple(OutsidePrompt(**json.loads(line)) for line in text.splitlines())


@dataclass(frozen=True)
class Limits:
    """``max_ratio``: the most that KL outside may be after training, as a multiple of what it was before.
    ``max_gap``: the most that it may be as a multiple of KL inside; None: only reported.
    ``floor``: nats a token that KL before training counts as at the least. A student that began as its
    teacher can only get worse; it may come to ``max_ratio`` times this.
    ``blank``: a student whose KL outside was above this share of ln(vocabulary) before training knew next
    to nothing (a uniform guess is at most 1): that it got better then shows nothing."""

    max_ratio: float = 1.0
    max_gap: float | None = None
    floor: float = FLOOR
    blank: float = 0.5

    @property
    def allowed(self) -> float:
        """Nats a token outside after training that any student may have, however it began."""
        return self.max_ratio * self.floor


@dataclass(frozen=True)
class Generality:
    """What was measured: sums by prompt before and after training, outside (the same prompts twice) and
    inside (held-out prompts of the domain, the same twice). ``areas``: one for each prompt outside.
    ``vocabulary``: the number of real tokens."""

    before_outside: RecordSums
    after_outside: RecordSums
    before_inside: RecordSums
    after_inside: RecordSums
    start: Start
    vocabulary: int
    areas: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        assert self.before_outside.tokens == self.after_outside.tokens, "the same records outside"
        assert self.before_inside.tokens == self.after_inside.tokens, "the same records inside"
        assert len(self.areas) in (0, len(self.after_outside)), "an area for each record, or none"

    @property
    def enough(self) -> bool:
        return min(len(self.after_outside), len(self.after_inside)) >= LEAST_RECORDS

    @property
    def began_near(self) -> bool:
        """KL outside was below ``FLOOR`` before training (an adapter on the teacher itself): no ratio to it
        is given, since any would be huge."""
        return self.before_outside.mean_kl < FLOOR

    @cached_property
    def outside(self) -> Estimate:
        """KL outside after training, in nats a token."""
        return mean(self.after_outside.kl, self.after_outside.tokens)

    @cached_property
    def change(self) -> Estimate:
        """KL outside, after / before: below 1 is better than before."""
        return _change(self.before_outside, self.after_outside)

    @cached_property
    def change_inside(self) -> Estimate:
        """KL inside, after / before."""
        return _change(self.before_inside, self.after_inside)

    @cached_property
    def gap(self) -> Estimate:
        """KL outside / KL inside after training: above 1 is farther from the teacher outside."""
        return apart_ratio(self.after_outside, self.after_inside)

    @cached_property
    def gap_before(self) -> Estimate:
        """KL outside / KL inside before training: what of the gap the student brought along."""
        return apart_ratio(self.before_outside, self.before_inside)

    def by_area(self) -> list[dict[str, Any]]:
        """KL before and after for each area, worst change first. A few records each: a hint, no finding."""
        found = []
        for area in dict.fromkeys(self.areas):
            rows = [row for row, name in enumerate(self.areas) if name == area]
            before, after = (sums.take(rows) for sums in (self.before_outside, self.after_outside))
            found.append(
                {"area": area, "records": len(rows), "kl_before": before.mean_kl, "kl_after": after.mean_kl}
            )
        return sorted(found, key=lambda entry: entry["kl_before"] - entry["kl_after"])

    def to_json(self) -> dict[str, Any]:
        """Means, agreement, ratios with 95% intervals (null with too few prompts, and over a KL before
        training of less than ``FLOOR``), areas, all sums."""
        sides = ("before_outside", "after_outside", "before_inside", "after_inside")
        near_inside = self.before_inside.mean_kl < FLOOR
        void = {
            "change": self.began_near,
            "change_inside": near_inside,
            "gap": False,
            "gap_before": near_inside,
        }
        return {
            "start": self.start,
            "vocabulary": self.vocabulary,
            **{side: _side_json(getattr(self, side)) for side in sides},
            **{
                name: getattr(self, name).to_json() if self.enough and not left else None
                for name, left in void.items()
            },
            "areas": self.by_area(),
        }


def _side_json(sums: RecordSums) -> dict[str, Any]:
    means = sums.means()
    return {"mean_kl": means["kl"], "agreement": means["agreement"], "records": sums.to_json()}


def _change(before: RecordSums, after: RecordSums) -> Estimate:
    return paired_ratio(after.kl, before.kl, after.tokens)


def decide(found: Generality, limits: Limits) -> Verdict:
    """fail: KL outside is above ``max_ratio`` times what it was, counted as ``floor`` where it was less, with
    the whole 95% interval (or the gap is above ``max_gap``); pass: everything demanded lies within its
    limit, with the whole interval; cannot-tell: anything else, a student that knew nothing before and has
    no ``max_gap`` among it. A gap is not judged of a student that follows its teacher outside, surely at
    or below ``floor``."""
    reasons: list[Reason] = []
    if not found.enough:
        outcomes: list[_Outcome] = ["cannot-tell"]
        reasons.append(_reason("too-few", _too_few(found)))
    else:
        outcomes = [_judge_change(found, limits, reasons)]
        if limits.max_gap is not None and found.outside.interval()[1] > limits.floor:
            outcomes.append(_judge_gap(found, limits.max_gap, reasons))
            if _was_blank(found, limits) and outcomes[0] != "fail":
                outcomes = outcomes[1:]  # the gap alone can say something of such a student
    if found.enough:
        reasons += [_reason("gap-in-words", _gap_words(found)), _reason("error-rates", _rates(limits))]
    outcome = next((worse for worse in ("fail", "cannot-tell") if worse in outcomes), "pass")
    facts = of_value({"found": found.to_json(), "limits": asdict(limits)})
    return Verdict(outcome, tuple(reasons), facts, DECIDER)


def _was_blank(found: Generality, limits: Limits) -> bool:
    return found.start == "scratch" or found.before_outside.mean_kl > limits.blank * math.log(
        found.vocabulary
    )


def _judge_change(found: Generality, limits: Limits, reasons: list[Reason]) -> _Outcome:
    (low, high), (least, most) = found.change.interval(), found.outside.interval()
    words = _near_words(found, limits) if found.began_near else _change_words(found, limits)
    if most <= limits.allowed:
        reasons.append(_reason("follows", _follows(found, limits)))
        return "pass"
    if low > limits.max_ratio and least > limits.allowed:
        reasons.append(_reason("worse-outside", words))
        return "fail"
    if _was_blank(found, limits):
        reasons.append(_reason("blank-before", _blank_words(found)))
        return "cannot-tell"
    if high <= limits.max_ratio:
        reasons.append(_reason("kept-outside", words))
        return "pass"
    needed = (
        found.outside.needed(limits.allowed) if found.began_near else found.change.needed(limits.max_ratio)
    )
    reasons.append(_reason("too-close", f"{words} {needed}"))
    return "cannot-tell"


def _judge_gap(found: Generality, max_gap: float, reasons: list[Reason]) -> _Outcome:
    low, high = found.gap.interval()
    outcome: _Outcome = "fail" if low > max_gap else "pass" if high <= max_gap else "cannot-tell"
    finding = (
        f"KL outside is {found.gap.words()} times KL inside; at most {max_gap:g} times was allowed: "
        f"{'too far' if outcome == 'fail' else 'within it' if outcome == 'pass' else 'too near to call'}."
    )
    reasons.append(_reason("gap", finding))
    return outcome


def _change_words(found: Generality, limits: Limits) -> str:
    before, after = found.before_outside, found.after_outside
    return (
        f"On {len(after)} prompts outside the domain KL went from {before.mean_kl:.3f} to "
        f"{after.mean_kl:.3f} nats a token, {found.change.words()} times what it was before training (at "
        f"most {limits.max_ratio:g} is allowed); agreement from {before.agreement:.0%} to "
        f"{after.agreement:.0%}."
    )


def _near_words(found: Generality, limits: Limits) -> str:
    before, after = found.before_outside, found.after_outside
    return (
        f"On {len(after)} prompts outside the domain KL went from {before.mean_kl:.3f} to "
        f"{found.outside.words()} nats a token; agreement from {before.agreement:.0%} to "
        f"{after.agreement:.0%}. The student began so near to its teacher that no ratio to that means "
        f"anything: what it was counts as {limits.floor:g}, so at most {limits.allowed:.3g} nats are allowed."
    )


def _blank_words(found: Generality) -> str:
    uniform = math.log(found.vocabulary)
    how = "starts from scratch" if found.start == "scratch" else "was cut too deep to know anything"
    return (
        f"The student {how}: its KL outside before training, {found.before_outside.mean_kl:.2f} nats a "
        f"token, is nothing to compare with (a uniform guess has at most {uniform:.2f}). That it is "
        f"{found.after_outside.mean_kl:.2f} now shows no generality. Set max_gap to demand how near KL "
        "outside must come to KL inside."
    )


def _gap_words(found: Generality) -> str:
    side = "farther from" if found.gap.value > 1 else "nearer to"
    now = (
        f"After training a token outside the domain costs {found.after_outside.mean_kl:.3f} nats, one "
        f"inside {found.after_inside.mean_kl:.3f}: outside the student is {side} its teacher, KL outside "
        f"/ KL inside = {found.gap.words()}"
    )
    if found.began_near or found.before_inside.mean_kl < FLOOR:
        return f"{now}."
    return (
        f"{now}; before training it was {found.gap_before.words()}. Training brought KL inside to "
        f"{found.change_inside.value:.2f} of what it was, outside to {found.change.value:.2f}."
    )


def _follows(found: Generality, limits: Limits) -> str:
    return (
        f"KL outside is {found.outside.words()} nats a token on {len(found.after_outside)} prompts, at "
        f"or below {limits.allowed:.3g}: the student follows its teacher there, however it began."
    )


def _too_few(found: Generality) -> str:
    return (
        f"There are {len(found.after_outside)} prompts outside and {len(found.after_inside)} inside the "
        f"domain; an interval needs at least {LEAST_RECORDS} of each."
    )


def _rates(limits: Limits) -> str:
    checks = 1 if limits.max_gap is None else 2
    return (
        f"A student within the {'limit' if checks == 1 else 'limits'} fails with a chance of about "
        f"{0.025 * checks:.1%} at most, one beyond passes with a chance of about 2.5% at most, over other "
        "prompts like these. Prompts of a kind that is not among them may have fared otherwise."
    )


def _reason(rule: str, finding: str) -> Reason:
    return Reason(f"generality.{rule}", finding, _SOURCE)
