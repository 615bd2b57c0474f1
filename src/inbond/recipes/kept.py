"""A run that ends with records: no student, so nothing is captured, trained or judged.

What was kept is for a later run, as prompts or as own data; its verdict, its lineage and its page are like a
student's.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from inbond import __version__
from inbond.ledger.records import read_rows
from inbond.policy.decide import Decision
from inbond.recipes.finished import label_of
from inbond.recipes.plan import RESULT
from inbond.recipes.reading import to_yaml
from inbond.recipes.recipe import Recipe
from inbond.recipes.summary import dropped_rows, ledger_facts, without_items
from inbond.recipes.trail import Artifact, Trail
from inbond.recipes.verifying import verified_in
from inbond.report.data import StageFacts, VerdictView
from inbond.report.data_page import DataReport, render_data_page
from inbond.types import parse_model_name, without_system

KEPT = "data.kept"
REPORT = "report.html"
_SAMPLES = 6


@dataclass(frozen=True)
class Kept:
    """All that such a run has to show."""

    trail: Trail
    recipe: Recipe
    decision: Decision
    accepted: str | None
    answers: Artifact
    records: Artifact
    further: tuple[Artifact, ...] = ()

    @property
    def said(self) -> list[Mapping[str, Any]]:
        """The counts of all teachers' answers."""
        return [made.facts for made in (self.answers, *self.further)]


def finish(kept: Kept) -> dict[str, Any]:
    """Result, report and the event that ends the run; a run that found everything complete adds nothing."""
    trail = kept.trail
    result_path, report_path = trail.folder / RESULT, trail.folder / REPORT
    result, event = _result(kept), _event(kept)
    written = trail.is_recorded(result_path) and trail.is_recorded(report_path)
    told = [each.body for each in trail.ledger.events(KEPT) if each.body["run"] == trail.run][-1:]
    if trail.all_found and written and told == [event]:
        return result
    trail.write_file(result_path, (json.dumps(result, ensure_ascii=False, indent=2) + "\n").encode())
    trail.write_file(report_path, render_data_page(_report(kept)).encode())
    trail.ledger.record(KEPT, event)
    return result


def _result(kept: Kept) -> dict[str, Any]:
    artifacts, verified = kept.trail.artifacts, verified_in(kept.trail)
    return {
        "run": kept.recipe.name,
        "outcome": "done",
        "verdict": kept.decision.verdict.outcome,
        "student": None,
        "data": str(kept.records.folder),
        "records": kept.records.facts["rows"],
        "dropped": dict(kept.records.facts["filtered"]["dropped"]),
        "seconds": {artifact.stage: artifact.seconds for artifact in artifacts},
        "tokens": sum(facts["prompt_tokens"] + facts["completion_tokens"] for facts in kept.said),
        "cost": sum(facts["cost_usd"] for facts in kept.said),
        **({"verified": verified.to_json()} if verified else {}),
        "artifacts": {artifact.stage: artifact.id for artifact in artifacts},
        "report": str(kept.trail.folder / REPORT),
    }


def _event(kept: Kept) -> dict[str, Any]:
    return {
        "run": kept.recipe.name,
        "records_root": kept.records.manifest.records_root,
        "artifact": kept.records.id,
        "records": kept.records.facts["rows"],
        "verdict": kept.decision.verdict.facts,
    }


def _report(kept: Kept) -> DataReport:
    recipe, answers, filtered = kept.recipe, kept.answers.facts, kept.records.facts["filtered"]
    teacher = label_of(parse_model_name(recipe.teacher))
    rows = read_rows(kept.records.folder)[:_SAMPLES]
    return DataReport(
        recipe.name,
        datetime.now(UTC).isoformat(timespec="seconds"),
        __version__,
        f"{kept.records.facts['rows']:,} records of which {teacher} is the {recipe.generate.role}; no "
        "student was made of them here.",
        kept.records.facts["rows"],
        answers["answers"],
        answers["prompts"],
        VerdictView(
            f"May a student be made from {teacher} for {recipe.purpose.use} use, release: "
            f"{recipe.purpose.release}?",
            kept.decision.verdict.to_json(),
            tuple(due.to_json() for due in kept.decision.obligations),
            kept.decision.missing,
            kept.accepted,
        ),
        (
            ("Teacher", recipe.teacher),
            ("Its role", recipe.generate.role),
            ("Prompts from", recipe.prompts.named or "the recipe's own list"),
            ("Own records", f"{kept.records.facts['own']:,}"),
            ("Tokens", f"{answers['prompt_tokens'] + answers['completion_tokens']:,}"),
            ("Cost", f"${answers['cost_usd']:.4f}"),
        ),
        dropped_rows(filtered),
        tuple(StageFacts(a.stage, a.seconds, a.id, a.status) for a in kept.trail.artifacts),
        tuple((without_system(row.record.prompt), row.record.completion) for row in rows),
        ledger_facts(kept.trail),
        to_yaml(without_items(recipe)),
    )
