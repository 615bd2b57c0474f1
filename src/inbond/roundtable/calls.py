"""The calls made for one seat in one round, and what follows: ask again, and how, or be over. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final, Literal, final

from inbond.roundtable.ladder import (
    MOST_REASKS,
    MOST_RETRIES,
    RUNGS,
    Rung,
    below,
    can_pass,
    cannot_form,
    wait_s,
)
from inbond.roundtable.session import Status

CallState = Literal["open", "answered", "failed", "lost"]
_OF_REASON: Final[Mapping[str, Status]] = {"timeout": "timeout", "refused": "refused"}


@final
@dataclass(frozen=True)
class ReadBack:
    """What was read out of a reply, as the transcript has it."""

    path: str
    value: Mapping[str, Any] | None
    problems: tuple[str, ...]
    bare: bool = False
    refused: bool = False
    wrong_language: bool = False


@final
@dataclass(frozen=True)
class Call:
    """One call. ``lost`` is one that was in flight when the process died: it says nothing of the seat."""

    number: int
    seat: str
    round: int
    rung: Rung
    order: tuple[str, ...]
    labels: Mapping[str, str] = field(default_factory=dict)
    state: CallState = "open"
    text: str = ""
    characters: int = 0
    finish: str = ""
    model: str = ""
    reason: str = ""
    message: str = ""
    retryable: bool = True
    retry_after_s: float | None = None
    seconds: float = 0.0
    cost_usd: float = 0.0
    prompt_tokens: int = 0
    completion_tokens: int = 0
    read: ReadBack | None = None


@final
@dataclass(frozen=True)
class Again:
    """Ask, on this rung. ``last`` is the reply that is sent back with what is wrong with it, if any."""

    rung: Rung
    attempt: int
    wait_s: float = 0.0
    last: Call | None = None


@final
@dataclass(frozen=True)
class ToRead:
    """A reply is there and has not been read."""

    call: Call


@final
@dataclass(frozen=True)
class Over:
    """No more is asked. ``valid`` is the call whose reply counts, None where none does; then ``status`` is
    what went wrong and ``why`` says it."""

    valid: Call | None
    status: Status = "invalid"
    why: str = ""


@final
@dataclass(frozen=True)
class Waiting:
    """A call is in flight."""


def following(calls: Sequence[Call], timeout_s: float) -> Again | ToRead | Over | Waiting:
    """What follows from all calls of one seat in one round, in their order, which together may take
    ``timeout_s``."""
    known = [call for call in calls if call.state != "lost"]
    if not known:
        return Again(RUNGS[0], len(calls))
    last = known[-1]
    if last.state == "open":
        return Waiting()
    if last.state == "answered" and last.read is None:
        return ToRead(last)
    step = _after_failure(known, timeout_s) if last.state == "failed" else _after_reading(known)
    if isinstance(step, Over):
        return step
    return Again(step.rung, len(calls), step.wait_s, step.last)


def _after_reading(known: Sequence[Call]) -> Again | Over:
    last, valid = known[-1], valid_of(known)
    read = last.read
    assert read is not None, "it was read"
    if read.value is not None:
        first = sum(1 for call in known if call.read is not None and call.read.wrong_language) == 1
        return Again(last.rung, 0, 0.0, last) if read.wrong_language and first else Over(last)
    if valid is not None:
        return Over(valid)
    said = "; ".join(read.problems)
    if read.refused:
        return Over(None, "refused", said)
    if sum(1 for call in known if call.read is not None) > MOST_REASKS:
        return Over(None, "invalid", f"asked {MOST_REASKS + 1} times: {said}")
    rung = below(last.rung) if read.bare else None
    return Again(rung or last.rung, 0, 0.0, last)


def _after_failure(known: Sequence[Call], timeout_s: float) -> Again | Over:
    last, valid = known[-1], valid_of(known)
    if valid is not None:
        return Over(valid)
    answered = [call for call in known if call.read is not None]
    said = answered[-1] if answered else None
    if cannot_form(last.reason) and (rung := below(last.rung)) is not None:
        return Again(rung, 0, 0.0, said)
    retries = sum(1 for call in known if can_pass(call.reason, retryable=call.retryable))
    status, why = _OF_REASON.get(last.reason, "error"), last.message
    if can_pass(last.reason, retryable=last.retryable) and retries <= MOST_RETRIES:
        rest_s = wait_s(retries - 1, last.retry_after_s)
        if rest_s < timeout_s - sum(call.seconds for call in known):
            return Again(last.rung, 0, rest_s, said)
        why = f"{why}; {rest_s:.0f} s of rest before it is asked again are more than its time allows"
    return Over(None, status, why)


def valid_of(known: Sequence[Call]) -> Call | None:
    """Of a seat's calls in one round, the last with a reply that counts: one that was given is not lost
    because a later call failed."""
    good = [call for call in known if call.read is not None and call.read.value is not None]
    return good[-1] if good else None
