"""One report of a suspect: what was found, what that cannot show, what was tested and how. Pure.

Format ``inbond.forensics-report/1``: {format, suspect: {name, digest, access, ...}, at, alpha, outcome,
findings, summary, tested: [{test, how}], not_tested: [{test, why, asked}], cannot_show}. The same findings at
the same time make the same report, and so the same digest. It speaks of traces, never of guilt.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, final

from inbond.digest import Digest, of_value
from inbond.forensics.finding import Finding, Outcome, together
from inbond.ledger.p_value import p_words

FORMAT: Final = "inbond.forensics-report/1"
_CANNOT: Final = "cannot tell: "

ALWAYS: Final = (
    "who did what, knowingly or not, by which way, and whether it was allowed: no test here looks at that",
    "that something is absent: a trace can be too weak, or removed; texts that were paraphrased before they "
    "were learnt from carry little or none",
    "how likely it is that the suspect learnt from something: p is how often the null alone would give as "
    "much, and no more than that",
)


@final
@dataclass(frozen=True)
class Ran:
    """A test that was run: what was done, in words, and what it found (for one key each, where there are
    several)."""

    test: str
    how: str
    findings: tuple[Finding, ...]


@final
@dataclass(frozen=True)
class NotRan:
    """A test that was not run. ``asked``: all that it needs was given, and it could not be done all the
    same, for the reason ``why``; else ``why`` says what was not given."""

    test: str
    why: str
    asked: bool

    def to_json(self) -> dict[str, Any]:
        return {"test": self.test, "why": self.why, "asked": self.asked}


def overall(findings: Sequence[Finding], untested: Sequence[NotRan], alpha: float) -> Outcome:
    """The answer to the whole: evidence where any test has some; else nothing can be told where a test could
    not tell, could not be done, or there was none. Scores have no say."""
    outcomes = [found.outcome(alpha) for found in findings if found.log10_p is not None]
    if "consistent-with" in outcomes:
        return "consistent-with"
    undecided = "cannot-tell" in outcomes or any(each.asked for each in untested)
    return "cannot-tell" if undecided or not outcomes else "no-evidence"


def make(
    suspect: Mapping[str, Any],
    tested: Sequence[Ran],
    untested: Sequence[NotRan],
    *,
    alpha: float,
    at: str,
) -> dict[str, Any]:
    """The report, its p-values adjusted for their number. ``at`` is UTC as the ledger writes it."""
    findings = together([found for each in tested for found in each.findings])
    return {
        "format": FORMAT,
        "suspect": dict(suspect),
        "at": at,
        "alpha": alpha,
        "outcome": overall(findings, untested, alpha),
        "findings": [found.to_json(alpha) for found in findings],
        "summary": _summary(suspect, findings, untested, alpha),
        "tested": [{"test": each.test, "how": each.how} for each in tested],
        "not_tested": [each.to_json() for each in untested],
        "cannot_show": list(dict.fromkeys([*ALWAYS, *(limit for one in findings for limit in one.limits)])),
    }


def digest_of(report: Mapping[str, Any]) -> Digest:
    """Names a report: over all of it."""
    return of_value(dict(report))


def _summary(
    suspect: Mapping[str, Any], findings: Sequence[Finding], untested: Sequence[NotRan], alpha: float
) -> list[str]:
    said = [_first(findings, untested, alpha)]
    said += [_sentence(found, alpha) for found in findings]
    said += [f"{each.test}: could not be done: {each.why}" for each in untested if each.asked]
    asked = suspect.get("asked")
    if asked and asked["answered"] < asked["prompts"]:
        said.append(
            f"Of {asked['prompts']:,} prompts the suspect answered {asked['answered']:,}; it declined "
            f"{asked['declined']:,} and failed {asked['failed']:,}."
        )
    return said


def _first(findings: Sequence[Finding], untested: Sequence[NotRan], alpha: float) -> str:
    tests = [found for found in findings if found.log10_p is not None]
    if not tests and findings:
        return "No test was run that could tell anything; what was measured stands below."
    if not tests:
        failed = sum(each.asked for each in untested)
        why = f"{failed} could not be done" if failed else "what was given is enough for none"
        return f"Nothing can be told: no test was run ({why})."
    count = {name: 0 for name in ("consistent-with", "no-evidence", "cannot-tell")}
    for found in tests:
        count[found.outcome(alpha)] += 1
    many = f"{len(tests)} tests" if len(tests) > 1 else "1 test"
    return (
        f"Of {many} at the level {p_words_of(alpha)}: {count['consistent-with']} found evidence, "
        f"{count['no-evidence']} would most likely have found some and did not, "
        f"{count['cannot-tell']} cannot tell."
    )


def p_words_of(alpha: float) -> str:
    """A level as ``p_words`` writes it."""
    digits, _, power = f"{alpha:.3g}".partition("e")
    return f"{digits}e{int(power)}" if power else digits


def _sentence(found: Finding, alpha: float) -> str:
    words = found.words(alpha)
    if found.log10_p is None:
        return f"{words} ({score_words(found.statistic)})."
    words = words.replace(_CANNOT, f"cannot tell whether {found.question}: ", 1)
    return f"{words} ({adjusted_words(found)})."


def adjusted_words(found: Finding) -> str:
    """The p-value, and what is left of it after Holm where that differs."""
    alone, after = p_words(found.log10_p), p_words(found.adjusted_log10_p)
    if found.adjusted_log10_p is None or alone == after:
        return f"p {alone}"
    return f"p {alone}, {after} after Holm"


def score_words(statistic: Mapping[str, float]) -> str:
    """A score's numbers."""
    return ", ".join(f"{name} {value:.4g}" for name, value in statistic.items())
