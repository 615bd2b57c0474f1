"""A host probed as a recipe probes it, but without a journal: one question after another."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from inbond.teachers.probing import MOST, ProbeResult, measure, probe_requests
from inbond.teachers.protocols import Completes, Sampling, ScoresTokens
from inbond.types import Prompt


async def probed(
    teacher: Completes,
    tokenizer: Any,
    prompts: Sequence[Prompt],
    sampling: Sampling,
    *,
    size: int = MOST,
    reference: ScoresTokens | None = None,
) -> ProbeResult:
    requests = probe_requests(teacher.identity, prompts, sampling, alone=reference is None)
    replies = [await teacher.complete(request) for request in requests]
    return measure(requests, replies, len(prompts), tokenizer, size, reference)
