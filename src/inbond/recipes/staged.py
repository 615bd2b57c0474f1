"""Runs a pipeline: judges all of its stages, then runs them in order, each a run of its own."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from inbond.ledger.attest import KeyStore
from inbond.ledger.ledger import Ledger
from inbond.recipes import ahead, planting
from inbond.recipes.pipeline import Pipeline, check_references
from inbond.recipes.plan import RESULT
from inbond.recipes.run import Options, run_recipe
from inbond.recipes.trail import Trail
from inbond.recipes.watch import Watcher
from inbond.workspace import Workspace, alone

COMPLETED = "pipeline.completed"


def run_pipeline(
    pipeline: Pipeline, folder: Path, workspace: Workspace, options: Options, watcher: Watcher
) -> dict[str, Any]:
    """Runs every stage and returns one result with all of theirs. Complete stages are found, not made again.

    Raises any InbondError; what a stage has finished by then is kept.
    """
    check_references(pipeline, workspace)
    options.by_processes(*pipeline.stages)
    for stage in pipeline.stages:
        planting.key_of(stage)
    with Ledger.open(workspace, KeyStore.default()) as ledger:
        outcomes = ahead.pass_all(pipeline, folder, workspace, ledger, options.accept)
    watcher.say(f"gate: {len(outcomes)} stages judged: {', '.join(outcomes)}")
    results = []
    for number, recipe in enumerate(pipeline.stages, 1):
        watcher.say(f"stage {number} of {len(pipeline.stages)}: {recipe.name}")
        results.append(run_recipe(recipe, folder, workspace, options, watcher))
    return _complete(pipeline, workspace, watcher, results)


def _complete(
    pipeline: Pipeline, workspace: Workspace, watcher: Watcher, results: list[dict[str, Any]]
) -> dict[str, Any]:
    """Keeps the result and tells the ledger, unless both are there already."""
    result = {
        "pipeline": pipeline.name,
        "outcome": "done",
        "student": results[-1]["student"],
        "stages": results,
        "seconds": {each["run"]: sum(each["seconds"].values()) for each in results},
        "tokens": sum(each["tokens"] for each in results),
        "cost": sum(each["cost"] for each in results),
    }
    artifacts = {each["run"]: each["artifacts"] for each in results}
    event = {"pipeline": pipeline.name, "stages": [each["run"] for each in results], "artifacts": artifacts}
    with (
        Ledger.open(workspace, KeyStore.default()) as ledger,
        alone(workspace, pipeline.name),
    ):
        trail = Trail(workspace, ledger, pipeline.name, watcher)
        path = trail.folder / RESULT
        told = [each.body for each in ledger.events(COMPLETED) if each.body["pipeline"] == pipeline.name]
        if told[-1:] != [event] or not trail.is_recorded(path):
            trail.write_file(path, (json.dumps(result, ensure_ascii=False, indent=2) + "\n").encode())
            ledger.record(COMPLETED, event)
    return result
