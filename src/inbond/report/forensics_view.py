"""From a suspect's report to what its page shows: the answer, one entry a finding, what was tested. Pure.

A report is JSON (``inbond.forensics.report``), and may come from elsewhere.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, final

from inbond.forensics.report import p_words_of
from inbond.ledger.findings import OUTCOMES as SHORT
from inbond.ledger.p_value import p_words
from inbond.report.picture import Tone

OUTCOMES: Final[Mapping[str, tuple[Tone, str]]] = {
    "consistent-with": ("care", "Evidence was found"),
    "no-evidence": ("plain", "No evidence was found"),
    "cannot-tell": ("plain", "Cannot tell"),
}
_ACCESS: Final[Mapping[str, str]] = {
    "weights": "its weights, on this machine",
    "texts": "texts that it wrote",
    "served": "its answers alone: it is served elsewhere",
}
_NAMES: Final[Mapping[str, str]] = {
    "green": "share of green tokens",
    "gamma": "share by chance",
    "low": "from (95%)",
    "high": "to (95%)",
    "mean_rank": "mean rank of what was planted",
    "first": "planted ones that stand first",
    "of": "alternatives each",
    "matched": "share with a match",
    "in_order": "share of matches in order",
    "layers": "layers",
    "layers_matched": "layers whose order was kept",
    "hidden": "hidden channels",
    "hidden_parent": "hidden channels of the parent",
}
_COUNTS: Final = 1e15


@final
@dataclass(frozen=True)
class Entry:
    """One finding."""

    anchor: str
    title: str
    test: str
    tone: Tone
    outcome: str
    words: str
    facts: tuple[tuple[str, str], ...]
    statistic: tuple[tuple[str, str], ...]
    assumptions: tuple[str, ...]
    limits: tuple[str, ...]
    adjusted: str
    size: str


@final
@dataclass(frozen=True)
class View:
    """The whole page."""

    suspect: str
    facts: tuple[tuple[str, str], ...]
    tone: Tone
    words: str
    first: str
    found: tuple[str, ...]
    entries: tuple[Entry, ...]
    cannot_show: tuple[str, ...]
    tested: tuple[tuple[str, str], ...]
    failed: tuple[tuple[str, str], ...]
    wanting: tuple[tuple[str, str], ...]
    alpha: str
    at: str


def view(report: Mapping[str, Any], digest: str) -> View:
    """What to show of a report with this digest."""
    tone, words = OUTCOMES[report["outcome"]]
    first, *found = report["summary"]
    suspect, left = report["suspect"], report["not_tested"]
    return View(
        suspect["name"],
        (*_suspect_facts(suspect), ("Report", digest)),
        tone,
        words,
        first,
        tuple(found),
        tuple(_entry(number, each) for number, each in enumerate(report["findings"], 1)),
        tuple(report["cannot_show"]),
        _distinct((each["test"], each["how"]) for each in report["tested"]),
        tuple((each["test"], each["why"]) for each in left if each["asked"]),
        tuple((each["test"], each["why"]) for each in left if not each["asked"]),
        p_words_of(report["alpha"]),
        str(report["at"])[:16].replace("T", " ") + " UTC",
    )


def _distinct(pairs: Any) -> tuple[tuple[str, str], ...]:
    return tuple(dict.fromkeys(pairs))


def _suspect_facts(suspect: Mapping[str, Any]) -> list[tuple[str, str]]:
    facts = [("Looked at", _ACCESS.get(suspect["access"], suspect["access"]))]
    facts += [("Digest", suspect["digest"])] if suspect["digest"] else []
    asked = suspect.get("asked")
    if asked:
        facts.append(
            (
                "Asked",
                f"{asked['prompts']:,} prompts: {asked['answered']:,} answered, {asked['declined']:,} "
                f"declined, {asked['failed']:,} failed",
            )
        )
    return facts


def _entry(number: int, found: Mapping[str, Any]) -> Entry:
    outcome = found["verdict"]["outcome"]
    is_score = found["log10_p"] is None
    alone, adjusted = p_words(found["log10_p"]), p_words(found["adjusted_log10_p"])
    needed = "not known" if found["needed"] is None else f"{found['needed']:,} {found['unit']}"
    facts = [
        ("p-value", "none: this is a score" if is_score else alone),
        *([] if is_score else [("after Holm, over all tests of this report", adjusted)]),
        ("p supposes", found["null"]),
        ("Size", f"{found['size']:,} {found['unit']}"),
        *([] if is_score else [(f"Needed to see {found['effect']}", needed)]),
    ]
    return Entry(
        f"finding-{number}",
        found["question"],
        found["test"].replace("-", " "),
        OUTCOMES[outcome][0],
        "a score" if is_score else SHORT[outcome],
        found["words"],
        tuple(facts),
        tuple((_NAMES.get(name, name.replace("_", " ")), _number(value)) for name, value in
              found["statistic"].items()),
        tuple(found["assumptions"]),
        tuple(found["limits"]),
        "–" if is_score else adjusted,
        f"{found['size']:,}",
    )  # fmt: skip


def _number(value: float | None) -> str:
    if value is None:
        return "none"
    return (
        f"{value:,.0f}" if value == int(value) and abs(value) < _COUNTS and abs(value) > 1 else f"{value:.4g}"
    )


def rows(entries: Sequence[Entry]) -> list[tuple[str, str, str, str]]:
    """The findings at a glance: question, outcome, adjusted p, size."""
    return [(each.title, each.outcome, each.adjusted, each.size) for each in entries]
