"""Runs of the same recipe beside one another: what the ledger says of each that was completed.

The same recipe means: the same teacher asked the same prompts. What else differs is what is compared.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any

from inbond.digest import Digest, of_value
from inbond.ledger.ledger import Ledger
from inbond.recipes.recipe import Recipe
from inbond.report.data import RunRow

COMPLETED = "run.completed"
_NO_CHANGE = ("name", "prompts", "teacher", "train.checkpoint_seconds")
"""Fields that are the same by definition, or change nothing of what comes out."""


def family(recipe: Recipe) -> Digest:
    """What two recipes have in common when their runs can be compared. Prompts given as a list enter by
    their digest, since the ledger is for ever and text can be erased."""
    return of_value({"teacher": recipe.teacher, "prompts": recipe.prompts.model_dump(mode="json")})


def completed(
    recipe: Recipe, result: Mapping[str, Any], verdict: Digest, student: Digest | None
) -> dict[str, Any]:
    """The body of the event that ends a run: enough to compare it with later ones."""
    fields = {name: value for name, value in _flat(recipe.model_dump(mode="json")) if not _same(name)}
    return {
        "run": recipe.name,
        "outcome": result["outcome"],
        "student": student,
        "verdict": verdict,
        "family": family(recipe),
        "fields": fields,
        "metrics": dict(result["metrics"]),
        "gates": {name: gate["outcome"] for name, gate in result["gates"].items()},
        "seconds": sum(result["seconds"].values()),
    }


def rows(recipe: Recipe, result: Mapping[str, Any], now: str, ledger: Ledger) -> tuple[RunRow, ...]:
    """This run and the earlier ones of its family, the latest last."""
    mine = completed(recipe, result, of_value(None), None)
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
