"""Forensic findings beside a declared lineage: does the one say what the other says? Pure.

A finding is no lineage evidence. It adds no ancestor, no share and no edge, and changes no answer; it stands
beside, and what the lineage does not explain is flagged. The other way round nothing is flagged: a lineage
may know what no test can see, so that a test that sees nothing contradicts nobody.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal, final

from inbond.ledger.findings import Finding, Report

Stands = Literal[
    "agrees", "agrees-in-part", "contradicts", "unexplained", "does-not-show", "cannot-be-held",
    "says-nothing",
]  # fmt: skip
"""``agrees``: the lineage says so too. ``contradicts``: it says otherwise, and that all is known.
``unexplained``: it does not say so, and leaves something open. ``does-not-show``: it says what the test did
not see. ``cannot-be-held`` against it: what the finding speaks of is not known here."""
FLAGGED: tuple[Stands, ...] = ("contradicts", "unexplained")
By = Literal["digest", "name"]
APART = (
    "tests of the model itself, evidence of a kind of their own: they are no lineage, and change nothing of "
    "what is said of it; p is the chance of at least this if what the test supposes were so, and no more"
)
"""What is said wherever findings are shown."""


@final
@dataclass(frozen=True)
class Compared:
    """A finding about the target, and how it stands to the declared lineage: ``declared`` is what that says,
    ``words`` the comparison, both as sentences. ``by``: how the suspect is known to be the target."""

    report: Report
    finding: Finding
    by: By
    stands: Stands
    declared: str
    words: str

    @property
    def flagged(self) -> bool:
        return self.stands in FLAGGED

    @property
    def day(self) -> str:
        """When it was tested, as the report says."""
        return self.report.at[:10]

    @property
    def numbers(self) -> str:
        """For a person: p-values, what they are over, and below which they count."""
        level = None if self.finding.log10_p is None else self.report.alpha
        return self.finding.numbers + ("" if level is None else f", at the level {level:g}")

    def to_json(self) -> dict[str, Any]:
        finding, report = self.finding, self.report
        return {
            "test": finding.test,
            "question": finding.question,
            "null": finding.null,
            "outcome": finding.outcome,
            "p": _power(finding.log10_p),
            "adjusted_p": _power(finding.adjusted_log10_p),
            "log10_p": finding.log10_p,
            "adjusted_log10_p": finding.adjusted_log10_p,
            "alpha": report.alpha,
            "size": finding.size,
            "unit": finding.unit,
            "about": dict(finding.about),
            "at": report.at,
            "report": report.digest,
            "suspect": {"name": report.suspect, "digest": report.suspect_digest},
            "known_by": self.by,
            "stands": self.stands,
            "words": self.words,
        }


@final
@dataclass(frozen=True)
class Beside:
    """All findings about a target, those that are flagged first, then the latest. ``notes`` is what else
    there is to say of findings; ``closed``: the lineage leaves nothing open."""

    findings: tuple[Compared, ...] = ()
    notes: tuple[str, ...] = ()
    closed: bool = False

    @property
    def flagged(self) -> list[Compared]:
        return [each for each in self.findings if each.flagged]

    def to_json(self) -> dict[str, Any]:
        """The fields that a trace's object has beside its ancestors."""
        contradictions = [
            {
                "finding": number,
                "declared": each.declared,
                "words": each.words,
                "stands": each.stands,
                "closed": self.closed,
            }
            for number, each in enumerate(self.findings)
            if each.flagged
        ]
        return {
            "findings": [each.to_json() for each in self.findings],
            "contradictions": contradictions,
            "findings_notes": list(self.notes),
        }


def _power(log10_p: float | None) -> float | None:
    return None if log10_p is None else float(10 ** min(0.0, log10_p))


def flagged_words(count: int) -> str:
    """What is said at the top where findings are flagged."""
    these = "1 forensic finding is" if count == 1 else f"{count:,} forensic findings are"
    return f"{these} not what the lineage says."
