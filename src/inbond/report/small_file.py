"""The student in another format, as the report shows it."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class SmallFile:
    """The student in another format, checked against it and measured beside its teacher in one runtime."""

    name: str
    runtime: str
    file_bytes: int
    agreement: float
    """Share, 0..1, of its own greedy tokens that are the student's likeliest."""
    kl: float
    """KL(student || file), nats a token, over the likeliest tokens and the rest as one."""
    tokens: int
    """Tokens that the two above are means over."""
    tokens_per_s: float
    memory_bytes: int | None
    energy: str
    """Joules a token in words, or that they cannot be read."""
    teacher: str | None = None
    """What it was measured beside: the name of the teacher's file; None: nothing."""
    teacher_bytes: int | None = None
    teacher_tokens_per_s: float | None = None
    teacher_memory_bytes: int | None = None
    teacher_energy: str = ""
    speedup: float | None = None
    """How many times the teacher's tokens a second: the median of rounds."""
    speedup_rounds: tuple[float, float] = (0.0, 0.0)
    """The least and the most of these."""
    alone: str = ""
    """Why nothing was measured beside it."""
