"""Numbers and verdicts in plain words: pure functions that the page and the card share."""

from __future__ import annotations

import math
from collections.abc import Sequence

from inbond.ledger import shares
from inbond.report.data import Metrics, ReportData, VerdictView
from inbond.report.picture import Tone
from inbond.report.text import clip, one_line

NOT_MEASURED = "not measured"
DISCLAIMER = "A reading of published terms by fixed rules, not legal advice."

_OUTCOMES: dict[str, tuple[Tone, str]] = {
    "permit": ("good", "Permitted"),
    "permit-with-obligations": ("good", "Permitted, with obligations"),
    "review": ("care", "A person must decide"),
    "deny": ("bad", "Denied"),
    "pass": ("good", "Passed"),
    "fail": ("bad", "Failed"),
    "yes": ("good", "Yes"),
    "no": ("bad", "No"),
    "cannot-tell": ("care", "Cannot tell"),
    "agree": ("good", "Agrees"),
    "disagree": ("bad", "Disagrees"),
}
_SEVERITY: tuple[Tone, ...] = ("good", "plain", "care", "bad")
_WHY_LENGTH = 160


def known(value: float | None) -> float | None:
    """``value``, or None when it is missing or not finite: NaN is never shown as a number."""
    return value if value is not None and math.isfinite(value) else None


def number(value: float | None, digits: int = 2) -> str:
    """1.168 -> ``1.17``; very small and very large ones as powers of ten."""
    found = known(value)
    if found is None:
        return NOT_MEASURED
    if found and abs(found) < 10 ** -max(digits, 1):
        return f"{found:.1e}"
    if abs(found) >= 1e15:
        return f"{found:.2e}"
    return f"{found:,.{digits}f}"


def figure(value: float | None) -> str:
    """A measure of unknown size, to about three digits: ``0.931``, ``4.74``, ``1,170``."""
    found = known(value)
    if found is None or abs(found) < 1:
        return number(found, 3)
    return number(found, 2 if abs(found) < 100 else 0)


def against(value: float | None, limit: float | None) -> str:
    """A ratio with two digits, or with as many, up to six, as show on which side of its limit it lies."""
    found, bound = known(value), known(limit)
    if found is None or bound is None:
        return number(found)

    def same_side(digits: int) -> bool:
        rounded = round(found, digits)
        return (rounded < bound, rounded > bound) == (found < bound, found > bound)

    return number(found, next((digits for digits in (2, 3, 4, 5) if same_side(digits)), 6))


def or_dash(words: str) -> str:
    """A dash for what was not measured, in a table where most rows have no use for every column."""
    return "–" if words == NOT_MEASURED else words


def count(value: int | None) -> str:
    """36118 -> ``36,118``."""
    return NOT_MEASURED if value is None else f"{value:,}"


def params(value: int | None) -> str:
    """134515008 -> ``134.5 M``."""
    return _scaled(value, (("T", 1e12), ("B", 1e9), ("M", 1e6), ("k", 1e3)), "")


def size(value: int | None) -> str:
    """Bytes in decimal units, as file managers and the Hub show them: 269060552 -> ``269.1 MB``."""
    return _scaled(value, (("TB", 1e12), ("GB", 1e9), ("MB", 1e6), ("kB", 1e3)), "bytes")


def _scaled(value: int | None, units: Sequence[tuple[str, float]], smallest: str) -> str:
    if value is None:
        return NOT_MEASURED
    for unit, factor in units:
        if abs(value) >= factor:
            return f"{value / factor:,.1f} {unit}"
    return f"{value} {smallest}".rstrip()


def percent(share: float | None, digits: int = 0) -> str:
    """.504 -> ``50%``; one digit more below 10%."""
    found = known(share)
    if found is None:
        return NOT_MEASURED
    return shares.percent(found, digits) if 0 <= found <= 1 else f"{number(found * 100, digits)}%"


def rate(value: float | None) -> str:
    """38.62 -> ``38.6 tokens/s``."""
    found = known(value)
    return NOT_MEASURED if found is None else f"{number(found, 1 if abs(found) < 100 else 0)} tokens/s"


def dollars(value: float | None) -> str:
    """US dollars: .0042 -> ``$0.0042``."""
    found = known(value)
    if found is None:
        return "not known"
    return f"${number(found, 4 if 0 < found < 0.01 else 2)}"


def duration(seconds: float | None) -> str:
    """192.4 -> ``3 min 12 s``."""
    found = known(seconds)
    if found is None:
        return NOT_MEASURED
    if abs(found) >= 1e12:
        return f"{number(found)} s"
    if found < 10:
        return f"{found:.1f} s"
    whole = round(found)
    hours, minutes, rest = whole // 3600, whole % 3600 // 60, whole % 60
    if hours:
        return f"{hours:,} h {minutes} min"
    return f"{minutes} min {rest} s" if minutes else f"{rest} s"


def ratio(part: float | None, whole: float | None) -> float | None:
    """part / whole, or None when either is missing or the whole is 0."""
    part, whole = known(part), known(whole)
    return part / whole if part is not None and whole else None


def plural(amount: int, noun: str) -> str:
    """2, ``record`` -> ``2 records``."""
    return f"{amount:,} {noun}" if amount == 1 else f"{amount:,} {noun}s"


def outcome_words(outcome: str) -> tuple[Tone, str]:
    """The tone and the words of a verdict's outcome; unknown outcomes are shown as they are."""
    return _OUTCOMES.get(outcome, ("plain", outcome))


def worst_verdict(verdicts: Sequence[VerdictView]) -> VerdictView | None:
    """The one that decides what a reader may do: the sternest outcome on terms, the first among equals."""
    return max(
        (view for view in verdicts if view.about == "terms"),
        key=lambda view: (_SEVERITY.index(view_tone(view)), bool(view.obligations)),
        default=None,
    )


def view_tone(view: VerdictView) -> Tone:
    """How a verdict's outcome is coloured."""
    return outcome_words(view_outcome(view))[0]


def view_outcome(view: VerdictView) -> str:
    """A verdict's outcome as it was recorded; ``cannot-tell`` when there is none."""
    return str(view.verdict.get("outcome", "cannot-tell"))


def outcome_sentence(data: ReportData) -> str:
    """What came out and how good it is, in one sentence of plain words."""
    subject = "A student"
    if data.student.params is not None:
        subject += f" of {params(data.student.params)} parameters"
        if share := ratio(data.student.params, data.teacher.params):
            subject += f" ({percent(share)} of its teacher)"
    return f"{subject} {_how_close(data.metrics)}."


def _how_close(metrics: Metrics) -> str:
    agreement, kl = known(metrics.agreement_after), known(metrics.kl_after)
    if agreement is None and kl is None:
        why = one_line(clip(metrics.not_measured or "", _WHY_LENGTH)).rstrip(".")
        return "whose likeness to its teacher was not measured" + (f" ({why})" if why else "")
    parts = []
    if agreement is not None:
        parts.append(f"that agrees with it on {percent(agreement)} of held-out tokens")
    if kl is not None:
        before = known(metrics.kl_before)
        way = f"{number(before)} → {number(kl)}" if before is not None else number(kl)
        parts.append(f"KL {way} nats a token")
    return "; ".join(parts) if agreement is not None else f"with {parts[0]}"


def permission_sentence(data: ReportData) -> str:
    """May I use it? In one or two sentences, from the sternest of the verdicts."""
    if any(gate.stopped for gate in data.gates):
        return f"There is no student to use: a quality gate kept it back. The terms alone: {_terms(data)}"
    return _terms(data)


def _terms(data: ReportData) -> str:
    view = worst_verdict(data.verdicts)
    if view is None:
        return "No verdict was recorded, so nothing here says whether you may."
    tone, _ = outcome_words(view_outcome(view))
    duties = sum(len(each.obligations) for each in data.verdicts)
    if tone == "good":
        owed = f", if you keep {plural(duties, 'obligation')}" if duties else " without further obligations"
        return f"Yes, as asked{owed}."
    if tone == "bad":
        return "No. The reasons are below."
    if view.accepted:
        return "A person decided to go on, and the reason is recorded. Read it before you rely on it."
    open_points = plural(len(view.missing), "open point")
    return f"Not settled: a person must decide{', ' + open_points if view.missing else ''}."
