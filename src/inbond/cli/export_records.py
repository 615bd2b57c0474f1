"""``inbond export chat|sharegpt|alpaca|trl|datasets|batch``: a run's records, and a recipe's questions."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import final

from inbond.cli.output import Output, check_place
from inbond.errors import InputError
from inbond.recipes.handing import ROW_FORMS, hand_out
from inbond.workspace import Workspace


@final
@dataclass(frozen=True)
class Asked:
    """What was typed."""

    form: str
    target: str
    output: Path | None
    lineage: bool
    changes: tuple[str, ...]
    accept: str | None


def export(asked: Asked, workspace: Workspace, says: Output) -> int:
    """Writes it and says what was written. Raises any InbondError."""
    if asked.output is None:
        raise InputError(
            expected=f"--output FILE for inbond export {asked.form}",
            found="none",
            fix="name a file" + (" or folder" if asked.form == "datasets" else "") + " to write",
        )
    if asked.form == "batch":
        return _batch(asked, asked.output, workspace, says)
    if asked.changes or asked.accept:
        raise InputError(
            expected="--set and --accept with batch alone",
            found=f"inbond export {asked.form} with one of them",
            fix="leave it out: records are exported as they were made",
        )
    form = next(form for form in ROW_FORMS if form == asked.form)
    if form != "datasets" or asked.output.exists():
        check_place("--output", asked.output, workspace)
    else:
        check_place("--output", asked.output / "x", workspace)
    made = hand_out(workspace, asked.target, form, asked.output, lineage=asked.lineage)
    words = "; ".join(
        filter(None, (f"{form} of {made.data}: {asked.output}, {made.rows:,} records", made.in_words()))
    )
    value = {"format": form, "target": asked.target, "output": str(asked.output)}
    says.result(
        {**value, "data": made.data, "records": made.rows, "raw": made.raw, "left_out": dict(made.left_out)},
        words,
    )
    return 0


def _batch(asked: Asked, output: Path, workspace: Workspace, says: Output) -> int:
    from inbond.recipes.batching import write_batch
    from inbond.recipes.reading import load

    check_place("--output", output, workspace)
    recipe, folder = load(asked.target, asked.changes)
    made = write_batch(recipe, folder, workspace, output, asked.accept)
    words = [f"batch of {recipe.name}: {made.requests:,} requests, {made.answered:,} answered already"]
    words += [f"  {path}" for path in made.files]
    if made.requests:
        words += [f"  then: inbond import RESULTS.jsonl --batch {asked.target}"]
    value = {"format": "batch", "target": asked.target, "files": [str(path) for path in made.files]}
    counts = {"requests": made.requests, "answered": made.answered, "most_usd": made.most_usd}
    says.result({**value, **counts}, "\n".join(words))
    return 0
