"""Runs of the same recipe beside one another: what the ledger says of each that was completed.

The same recipe means: the same teacher asked the same prompts, by what they are and not by where they
lie. What else differs is what is compared.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from inbond.digest import Digest, of_value
from inbond.ledger.ledger import Ledger
from inbond.recipes.recipe import Recipe
from inbond.recipes.trail import Artifact
from inbond.report.data import RunRow

COMPLETED = "run.completed"
_NO_CHANGE = ("name", "prompts", "teacher", "train.checkpoint_seconds")
"""Fields that are the same by definition, or change nothing of what comes out."""


def family(answers: Artifact) -> Digest:
    """What two runs have in common when they can be compared: the teacher as it is pinned and the text of
    the prompts, by digest, since the ledger is for ever and text can be erased."""
    asked = answers.manifest.identity
    return of_value({"teacher": asked.config["teacher"], "prompts": asked.inputs["prompts"]})


@dataclass(frozen=True)
class Ended:
    """A run that is through, as later ones are compared with it. ``stopped_by`` holds the facts of the gates
    that keep the student in, ``student`` its id where they do not."""

    recipe: Recipe
    result: Mapping[str, Any]
    answers: Artifact
    held_out: Artifact
    verdict: Digest
    stopped_by: Mapping[str, Digest]
    student: Digest | None


def completed(ended: Ended) -> dict[str, Any]:
    """The body of the event that ends a run: enough to compare it with later ones."""
    recipe, result = ended.recipe, ended.result
    fields = {name: value for name, value in _flat(recipe.model_dump(mode="json")) if not _same(name)}
    return {
        "run": recipe.name,
        "outcome": result["outcome"],
        "stopped_by": dict(ended.stopped_by),
        "student": ended.student,
        "verdict": ended.verdict,
        "family": family(ended.answers),
        "held_out": ended.held_out.manifest.records_root,
        "fields": fields,
        "metrics": dict(result["metrics"]),
        "gates": {name: gate["outcome"] for name, gate in result["gates"].items()},
        "seconds": sum(result["seconds"].values()),
    }


def last(run: str, ledger: Ledger) -> Mapping[str, Any] | None:
    """The body of the event with which the run last came to its end, report and all."""
    bodies = [event.body for event in ledger.events(COMPLETED) if event.body["run"] == run]
    return bodies[-1] if bodies else None


def stopped_by(run: str, ledger: Ledger) -> Mapping[str, Digest]:
    """The gates that stopped the run when it last came to its end, with the facts of their verdicts: what
    its report has shown. Empty when it was not stopped, and when it was killed before that."""
    body = last(run, ledger)
    return body.get("stopped_by", {}) if body else {}


def rows(ended: Ended, now: str, ledger: Ledger) -> tuple[RunRow, ...]:
    """This run and the earlier ones of its family, the latest last."""
    mine = completed(ended)
    found = [
        _row(event.body, mine, event.at, current=False)
        for event in ledger.events(COMPLETED)
        if event.body.get("family") == mine["family"]
    ]
    return (*found, _row(mine, mine, now, current=True))


def _row(body: Mapping[str, Any], mine: Mapping[str, Any], at: str, *, current: bool) -> RunRow:
    metrics = body["metrics"]
    return RunRow(
        body["run"],
        at,
        current,
        body["outcome"],
        tuple(_changes(mine["fields"], body["fields"])),
        metrics["kl_before"],
        metrics["kl_after"],
        metrics["agreement_after"],
        metrics["diversity_ratio"],
        metrics["student_params"],
        metrics["speedup"],
        body["seconds"],
        body.get("held_out"),
    )


def _changes(mine: Mapping[str, Any], other: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    for name in sorted(mine.keys() | other.keys()):
        if mine.get(name) != other.get(name):
            yield name, json.dumps(other.get(name), ensure_ascii=False)


def _flat(value: Mapping[str, Any], path: str = "") -> Iterator[tuple[str, Any]]:
    """Dotted names of all fields that are no parts themselves; lists are one value."""
    for name, inner in value.items():
        if isinstance(inner, dict) and inner:
            yield from _flat(inner, f"{path}{name}.")
        else:
            yield f"{path}{name}", inner


def _same(name: str) -> bool:
    return any(name == known or name.startswith(f"{known}.") for known in _NO_CHANGE)
