"""What asking many requests comes to: answers, failures, and how far along it is."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from inbond.teachers.protocols import Reply


@dataclass(frozen=True, slots=True)
class Failure:
    """A request without a usable answer: one of ``protocols.FAILURES`` and the words of the error."""

    reason: str
    text: str
    attempts: int


@dataclass(frozen=True, slots=True)
class Progress:
    """How far one call has come. Tokens, rate and cost are those of this call.

    ``tokens_per_s`` counts completion tokens; ``cost_left_usd`` and ``seconds_left`` are None until
    there is something to reckon with; ``waiting_s`` is what is left of a host's cool-down.
    """

    done: int
    total: int
    failed: int
    from_journal: int
    tokens: int
    tokens_per_s: float
    cost_usd: float
    cost_left_usd: float | None
    seconds_left: float | None
    waiting_s: float = 0.0


@dataclass(frozen=True)
class Completions:
    """What came of all requests. ``outcomes`` are in the order of the requests.

    ``failures`` counts them by reason; ``asked`` and ``from_journal`` count requests; ``erased`` those
    whose answer had been erased and was asked for again. Tokens and cost are those of this call,
    failed attempts included; where a host did not say what an attempt used, its upper bound counts.
    """

    outcomes: tuple[Reply | Failure, ...]
    failures: Mapping[str, int]
    asked: int
    from_journal: int
    erased: int
    prompt_tokens: int
    completion_tokens: int
    cost_usd: float
    seconds: float
