"""What a run does not show: said on its page and its card."""

from __future__ import annotations

from inbond.recipes.finished import Finished, label_of


def limits_of(finished: Finished) -> tuple[str, ...]:
    """Sentences, the most general first."""
    held = finished.data.held_out.facts["rows"]
    limits = [
        f"Measured on {held} held-out answers to prompts like those it was trained on: "
        "it says nothing of other tasks.",
        "The student repeats its teacher's mistakes: agreement is with the teacher, not with the truth.",
    ]
    if finished.teacher.weights is not None and finished.teacher.weights.kind == "gguf":
        size = finished.teacher.weights.path.stat().st_size / 1e6
        limits.append(
            f"Sizes compare float32 safetensors of both; the teacher's own file is a GGUF of {size:.0f} MB."
        )
    if finished.data.further:
        limits.append(
            f"Several teachers were learnt from; agreement is with {label_of(finished.teacher.name)} on its "
            "own answers, and says nothing of what the others taught."
        )
    if finished.recipe.prompts.context is not None:
        limits.append(
            f"The teacher answered with a context of {len(finished.recipe.prompts.context):,} characters "
            "that the student never saw; agreement is with the teacher in that context."
        )
    if finished.recipe.filters.personal_data:
        limits.append("Personal data and secrets were filtered by patterns, which miss some.")
    return tuple(limits)
