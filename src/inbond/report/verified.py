"""What a verifier found of a run's answers, as report and card are given it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any, final


@final
@dataclass(frozen=True)
class VerifiedFacts:
    """``outcomes`` are counts of passed, failed and cannot-tell; ``reasons`` of what did not pass, by outcome
    and reason; ``pass_at`` has the pass rate by k, as text; ``kept`` answers of those that passed. Of
    questions about articles, by their kind: ``questions`` are the teacher's answers and how many passed,
    ``student`` its pass rates on held-out articles as ``recipes.passing`` tells them; None for others."""

    tool: str
    prompts: int
    outcomes: Mapping[str, int]
    reasons: Mapping[str, int]
    pass_at: Mapping[str, float]
    keep: str
    kept: int
    questions: Mapping[str, Mapping[str, int]] | None = None
    student: Mapping[str, Any] | None = None

    def to_json(self) -> dict[str, Any]:
        return {name: value for name, value in asdict(self).items() if value is not None}
