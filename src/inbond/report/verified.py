"""What a verifier found of a run's answers, as report and card are given it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any, final


@final
@dataclass(frozen=True)
class VerifiedFacts:
    """``outcomes`` are counts of passed, failed and cannot-tell; ``reasons`` of what did not pass, by outcome
    and reason; ``pass_at`` has the pass rate by k, as text; ``kept`` answers of those that passed."""

    tool: str
    prompts: int
    outcomes: Mapping[str, int]
    reasons: Mapping[str, int]
    pass_at: Mapping[str, float]
    keep: str
    kept: int

    def to_json(self) -> dict[str, Any]:
        return asdict(self)
