"""What a run says of its student's other files, and of the tokens that its student does without."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from inbond.recipes import formats
from inbond.recipes.finished import Finished
from inbond.recipes.trying import ONNX
from inbond.report.small_file import SmallFile


def files(finished: Finished) -> list[dict[str, Any]]:
    """The student's other files, each with what was found when it was made."""
    made = [one for one in finished.trail.artifacts if one.manifest.identity.stage in ("gguf", ONNX)]
    return [formats.read_check(one) for one in made]


def shown(finished: Finished) -> tuple[SmallFile, ...]:
    """The same for the report."""
    return tuple(_shown(file) for file in files(finished))


def _shown(file: Mapping[str, Any]) -> SmallFile:
    said, ours, theirs = file["faithful"], file["student"], file["teacher"] or {}
    rounds = file.get("speedup_rounds", {})
    return SmallFile(
        name=file["file"].rpartition("/")[2],
        runtime=file["runtime"],
        file_bytes=file["bytes"],
        agreement=said["agreement"],
        kl=said["kl"],
        tokens=said["tokens"],
        tokens_per_s=ours["tokens_per_s"],
        memory_bytes=ours["memory_bytes"],
        energy=ours["energy"],
        teacher=theirs.get("file"),
        teacher_bytes=theirs.get("bytes"),
        teacher_tokens_per_s=theirs.get("tokens_per_s"),
        teacher_memory_bytes=theirs.get("memory_bytes"),
        teacher_energy=theirs.get("energy", ""),
        speedup=file["speedup"],
        speedup_rounds=(rounds.get("least", 0.0), rounds.get("most", 0.0)),
        alone=file.get("alone", ""),
    )


def left_out(told: Mapping[str, Any] | None) -> str:
    """What both are numbers of where the student has fewer tokens than its teacher."""
    if told is None:
        return ""
    return (
        f" The student has {told['kept']} of {told['of']} tokens: both are against its teacher given that "
        f"one of these comes next. The whole teacher gives others {told['mass']:.2%}, and agrees on the "
        f"first token in {told['agreement']:.1%}."
    )
