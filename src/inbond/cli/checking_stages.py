"""``inbond check`` of a pipeline: every stage judged, as it is before the first one runs."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from inbond.cli.output import Output
from inbond.errors import InputError
from inbond.policy.stances import OUTCOMES

if TYPE_CHECKING:
    from inbond.recipes.pipeline import Pipeline
    from inbond.workspace import Workspace


def check_stages(
    pipeline: Pipeline, folder: Path, workspace: Workspace, out: Output, accept: str | None
) -> str:
    """Prints the stages' verdicts and returns the worst outcome. Records nothing."""
    from inbond.recipes.ahead import judge
    from inbond.recipes.pipeline import check_references
    from inbond.recipes.plan import my_library

    if accept is not None:
        raise InputError(
            expected="one recipe with --accept",
            found="a pipeline",
            fix="accept its reviews when it is run: inbond run PIPELINE --accept REASON",
        )
    check_references(pipeline, workspace)
    judged = [(each.recipe.name, each.decision) for each in judge(pipeline, folder, workspace, my_library())]
    worst = max((decision.verdict.outcome for _, decision in judged), key=OUTCOMES.index)
    stages: list[dict[str, Any]] = [{"stage": name, **decision.to_json()} for name, decision in judged]
    lines = [f"{pipeline.name}: {worst}"]
    for name, decision in judged:
        lines += ["", f"  {name}: {decision.verdict.outcome}"]
        lines += [f"    {reason.finding}" for reason in decision.verdict.reasons]
    out.result({"outcome": worst, "stages": stages}, "\n".join(lines))
    return worst
