"""What a test of a suspect found: a number with its null in words, and a verdict that can be "cannot tell".

Pure. No finding speaks of guilt: a small p-value says that what was seen is unlikely if the null were true,
and the null's assumptions stand beside it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal

from inbond.digest import of_value
from inbond.forensics.exact import holm
from inbond.types import Reason, Verdict

Outcome = Literal["consistent-with", "no-evidence", "cannot-tell"]

ALPHA = 1e-5
"""Below this a p-value counts: findings are acted on, and many suspects are looked at."""


NEITHER = 0.05
"""Below this a p-value is no sign that there is nothing, though it counts as evidence only below alpha."""


@dataclass(frozen=True)
class Finding:
    """``question`` is what was asked, ``null`` what the p-value supposes, both in words. ``log10_p`` is None
    for what is a score and no test. ``size`` counts what the statistic is over (``unit``), ``needed`` how
    many it would take to see the ``effect`` with chance .9. ``facts`` is all that the numbers follow from.
    ``about`` is what a positive finding speaks of, so that it can be held beside a declared lineage: a
    ``kind`` (mark, records, model), the thing's ``id`` (a digest) and ``name``, as far as they are known."""

    test: str
    question: str
    null: str
    statistic: Mapping[str, float]
    log10_p: float | None
    size: int
    unit: str
    needed: int | None
    effect: str
    assumptions: tuple[str, ...]
    limits: tuple[str, ...]
    facts: Mapping[str, Any]
    about: Mapping[str, str]
    adjusted_log10_p: float | None = None
    """After Holm over all tests of one report; None while alone."""

    @property
    def p(self) -> float | None:
        return None if self.log10_p is None else float(10**self.log10_p)

    def outcome(self, alpha: float = ALPHA) -> Outcome:
        """Evidence where p, adjusted, is below ``alpha``; none of it where the test could have seen the
        effect and p, by itself, is not small either; else nothing can be told. A score decides nothing."""
        if self.log10_p is None:
            return "cannot-tell"
        adjusted = self.log10_p if self.adjusted_log10_p is None else self.adjusted_log10_p
        if 10**adjusted < alpha:
            return "consistent-with"
        return "no-evidence" if self._could_have_seen and not self._doubtful else "cannot-tell"

    @property
    def _could_have_seen(self) -> bool:
        return self.needed is not None and self.size >= self.needed

    @property
    def _doubtful(self) -> bool:
        return self.log10_p is not None and 10**self.log10_p < NEITHER

    def verdict(self, alpha: float = ALPHA) -> Verdict:
        """What follows from the same facts always is the same."""
        outcome = self.outcome(alpha)
        facts = {**self.facts, "test": self.test, "alpha": alpha, "adjusted": self.adjusted_log10_p}
        reason = Reason(self.test, self.words(alpha), self.null, {})
        return Verdict(outcome, (reason,), of_value(facts), f"inbond.forensics {self.test}")

    def words(self, alpha: float = ALPHA) -> str:
        """The outcome as a sentence."""
        outcome = self.outcome(alpha)
        if outcome == "consistent-with":
            return f"consistent with: {self.question}"
        if outcome == "no-evidence":
            return f"no evidence of: {self.question}; {self.effect} would most likely have been seen"
        if self.log10_p is None:
            return f"a score, which alone decides nothing: {self.question}"
        if self._could_have_seen:
            p = 10 ** (self.log10_p if self.adjusted_log10_p is None else self.adjusted_log10_p)
            return f"cannot tell: p = {p:.1g} is too large to count and too small to be a sign of nothing"
        if self.needed is None:
            return f"cannot tell, from {self.size:,} {self.unit}: how many it would take is not known"
        more = f"{self.needed:,} {self.unit} would be needed to see {self.effect}"
        return f"cannot tell: {self.size:,} {self.unit} are too few: {more}"

    def to_json(self, alpha: float = ALPHA) -> dict[str, Any]:
        return {
            "test": self.test,
            "question": self.question,
            "null": self.null,
            "statistic": dict(self.statistic),
            "p": self.p,
            "log10_p": self.log10_p,
            "adjusted_log10_p": self.adjusted_log10_p,
            "size": self.size,
            "unit": self.unit,
            "needed": self.needed,
            "effect": self.effect,
            "assumptions": list(self.assumptions),
            "limits": list(self.limits),
            "facts": dict(self.facts),
            "about": dict(self.about),
            "words": self.words(alpha),
            "verdict": self.verdict(alpha).to_json(),
        }


def together(findings: Sequence[Finding]) -> list[Finding]:
    """The findings of one report: p-values adjusted for their number (Holm); scores stay as they are."""
    tests = [place for place, found in enumerate(findings) if found.log10_p is not None]
    logs = [findings[place].log10_p or 0.0 for place in tests]
    adjusted = dict(zip(tests, holm(logs), strict=True))
    return [replace(found, adjusted_log10_p=adjusted.get(place)) for place, found in enumerate(findings)]
