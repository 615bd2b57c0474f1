"""The page of a run that ends with records and no student. Pure but for reading our own template."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from inbond.report import provenance, wording
from inbond.report.blocks import LIMITS, Limits, Passage, Prepared, Tile, table
from inbond.report.data import Dropped, LedgerFacts, StageFacts, VerdictView
from inbond.report.page import MOST_BYTES, render
from inbond.report.text import clip, language_of, visible

_PARTS = (("verdicts", "Verdict"), ("data", "Data"), ("samples", "Records"), ("ledger", "Ledger"))


@dataclass(frozen=True)
class DataReport:
    """What such a run has to show. ``sentence`` says what was made; ``facts`` are label and value;
    ``samples`` a few records, prompt and completion."""

    name: str
    created: str
    inbond_version: str
    sentence: str
    records: int
    answers: int
    prompts: int
    verdict: VerdictView
    facts: tuple[tuple[str, str], ...]
    dropped: tuple[Dropped, ...]
    stages: tuple[StageFacts, ...]
    samples: tuple[tuple[str, str], ...]
    ledger: LedgerFacts
    recipe_yaml: str


def render_data_page(data: DataReport) -> str:
    """The page as HTML, in UTF-8 always under 400 kB: long texts are cut, and say so."""
    for limits in LIMITS:
        page = render("data.html.j2", _context(data, limits), limits, data.inbond_version)
        if len(page.encode()) < MOST_BYTES:
            break
    return page


def _context(data: DataReport, limits: Limits) -> Mapping[str, Any]:
    tone, words = wording.outcome_words(wording.view_outcome(data.verdict))
    return {
        "data": data,
        "parts": _PARTS,
        "disclaimer": wording.DISCLAIMER,
        "tone": tone,
        "words": words,
        "tiles": (
            Tile("Records kept", f"{data.records:,}", f"of {data.answers:,} answers"),
            Tile("Prompts", f"{data.prompts:,}", "asked"),
        ),
        "verdicts": provenance.verdicts((data.verdict,), limits),
        "dropped": table(
            "Dropped",
            ("Reason", "Why", "#Records"),
            [(one.filter, one.reason, wording.count(one.records)) for one in data.dropped],
            limits.rows,
            folds=True,
        ),
        "stages": table(
            "Stages",
            ("Stage", "#Seconds", "Artifact"),
            [(one.name, f"{one.seconds:.1f}", one.artifact) for one in data.stages],
            limits.rows,
            folds=True,
        ),
        "samples": [tuple(_passage(text, limits) for text in sample) for sample in data.samples],
        "ledger": {"facts": provenance.ledger_facts(data.ledger)},
    }


def _passage(text: str, limits: Limits) -> Passage:
    return Passage(Prepared(visible(clip(text, limits.sample))), language_of(text))
