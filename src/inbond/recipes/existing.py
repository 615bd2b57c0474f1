"""Text that a teacher works on instead of answering: rewritten, transcribed, translated, judged, filtered.

Such text is a record set of its own, ``data/source``: its records are the parents of what the teacher makes
of them, so that lineage tells who wrote the text and who only changed it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from inbond.digest import of_value
from inbond.ledger.manifest import Identity
from inbond.ledger.records import Row, read_rows, write_rows
from inbond.recipes.recipe import Recipe
from inbond.recipes.trail import Artifact, Made, Trail
from inbond.types import OWN, Origin, Prompt, Record, prompt_to_json

SOURCE_VERSION = 1


def source_records(
    trail: Trail, recipe: Recipe, asked: Sequence[Prompt], file: Path | None
) -> Artifact | None:
    """One record for each prompt, with the prompt and no completion. Out of an earlier run's records
    (``file`` is their text) each has its parent there. None for a teacher that answers: it is an author."""
    if recipe.generate.role == "author":
        return None
    earlier = trail.record_set(file) if file is not None else None
    name = recipe.prompts.named or "the recipe's own list of prompts"
    inputs = {"prompts": of_value([prompt_to_json(prompt) for prompt in asked])}
    inputs |= {"records": earlier.id} if earlier is not None else {}

    def make(folder: Path) -> Made:
        origin = Origin(f"data:{name}", OWN, "author", {}, None)
        rows = [Row(Record(prompt, ""), origin) for prompt in asked]
        if earlier is None or file is None:
            return Made({"rows": len(rows), "parents": []}, write_rows(folder, rows))
        was = read_rows(file.parent)
        rows = [
            replace(row, origin=replace(was[number].origin, channel=OWN), parents=(number,))
            for number, row in enumerate(rows)
        ]
        return Made({"rows": len(rows), "parents": [earlier.id]}, write_rows(folder, rows))

    return trail.stage(
        "source", "data/source", Identity("source", SOURCE_VERSION, {"from": name}, inputs), make
    )
