"""The student's other files as the report shows them: each beside its teacher in the same runtime."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from inbond.report import wording
from inbond.report.blocks import table
from inbond.report.small_file import SmallFile
from inbond.report.text import one_line
from inbond.report.wording import number, percent, ratio

COLUMNS = ("File", "#As the student", "#Size", "#Memory", "#Tokens/s", "#Times its teacher", "Energy")


def shown(files: Sequence[SmallFile]) -> dict[str, Any] | None:
    """A table with a note; None without files."""
    if not files:
        return None
    rows = [_row(file) for file in files]
    told = table("Files for small machines", COLUMNS, rows, len(rows), folds=True)
    return {"table": told, "note": _note(files)}


def _row(file: SmallFile) -> tuple[object, ...]:
    return (
        f"{one_line(file.name)} under {file.runtime}",
        f"{percent(file.agreement)}, {number(file.kl, 4)} nats off",
        _beside(wording.size(file.file_bytes), file.file_bytes, file.teacher_bytes, wording.size),
        _beside(wording.size(file.memory_bytes), file.memory_bytes, file.teacher_memory_bytes, wording.size),
        _beside(wording.rate(file.tokens_per_s), file.tokens_per_s, file.teacher_tokens_per_s, wording.rate),
        _speedup(file),
        f"{file.energy}; teacher: {file.teacher_energy}" if file.teacher else file.energy,
    )


def _beside(words: str, ours: float | None, theirs: float | None, say: Any) -> str:
    """``25.1 MB of 98.4 MB (0.26×)``."""
    share = ratio(ours, theirs)
    return words if share is None else f"{words} beside {say(theirs)} ({number(share)}×)"


def _speedup(file: SmallFile) -> str:
    if file.speedup is None:
        return f"{wording.NOT_MEASURED}: {one_line(file.alone)}" if file.alone else wording.NOT_MEASURED
    least, most = file.speedup_rounds
    whose = f", {one_line(file.teacher)}" if file.teacher else ""
    return f"{number(file.speedup)}× ({number(least)} to {number(most)} by rounds{whose})"


def _note(files: Sequence[SmallFile]) -> str:
    each = ", ".join(dict.fromkeys(str(file.tokens) for file in files))
    return (
        f"Compared along each file’s own greedy answers to held-out prompts ({each} tokens); KL is over the "
        "likeliest tokens and the rest as one. Before a rounded GGUF file a 16-bit one of the same student "
        "was compared, so that what is lost here is lost by rounding. Speeds are medians of rounds in turns, "
        "one answer at a time, same runtime, as many threads; memory is the most that the process took "
        "beyond its runtime."
    )
