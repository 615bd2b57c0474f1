"""A teacher whose answers are written down beforehand: for tests and examples. No network, no model."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from typing import Any, final

from inbond.errors import InputError, TeacherError
from inbond.teachers.protocols import FAILURES, FinishReason, Price, Reply, Request

Answer = str | Reply | TeacherError
Script = Callable[[Request], Answer] | Sequence[Answer]


@final
class Scripted:
    """Answers from a function of the request, or from a list in the order of asking.

    An answer that is a TeacherError is raised. ``asked`` holds every request in the order it came.
    A list that has run out raises InputError: a test asked for more than it meant to.
    """

    def __init__(
        self,
        script: Script,
        *,
        identity: str = "scripted:test",
        concurrency: int = 8,
        price: Price | None = None,
        latency_s: float = 0.0,
    ) -> None:
        self._script = script
        self._identity = identity
        self._concurrency = concurrency
        self._price = price or Price()
        self._latency_s = latency_s
        self.asked: list[Request] = []
        self.most_in_flight = 0
        self._in_flight = 0

    @property
    def identity(self) -> str:
        return self._identity

    @property
    def concurrency(self) -> int:
        return self._concurrency

    @property
    def price(self) -> Price:
        return self._price

    async def complete(self, request: Request) -> Reply:
        """See Completes."""
        number = len(self.asked)
        self.asked.append(request)
        self._in_flight += 1
        self.most_in_flight = max(self.most_in_flight, self._in_flight)
        try:
            if self._latency_s:
                await asyncio.sleep(self._latency_s)
            answer = self._answer(request, number)
        finally:
            self._in_flight -= 1
        if isinstance(answer, TeacherError):
            raise answer
        return answer if isinstance(answer, Reply) else reply(answer, request, self._latency_s)

    async def close(self) -> None:
        """Holds nothing."""

    def _answer(self, request: Request, number: int) -> Answer:
        if callable(self._script):
            return self._script(request)
        if number >= len(self._script):
            raise InputError(
                expected=f"at most {len(self._script)} requests",
                found=f"request number {number + 1}",
                fix="script more answers, or ask less",
            )
        return self._script[number]


def reply(text: str, request: Request, seconds: float = 0.0) -> Reply:
    """A Reply with plausible counts: a token for every four characters. Where a tool is asked for,
    ``text`` is the arguments that it was called with."""
    size = (
        len(request.prompt)
        if isinstance(request.prompt, str)
        else sum(len(m.content) for m in request.prompt)
    )
    finish: FinishReason = "tool_calls" if request.form and request.form.kind == "tool" else "stop"
    return Reply(text, finish, max(1, size // 4), max(1, len(text) // 4), "scripted", seconds)


def failure(reason: str, *, retry_after_s: float | None = None, **more: Any) -> TeacherError:
    """A TeacherError such as a real teacher raises for ``reason``."""
    assert reason in FAILURES, f"{reason} is none of {FAILURES}"
    values = {
        "expected": "an answer from the scripted teacher",
        "found": f"a scripted failure: {reason}",
        "fix": "change the script",
        "retryable": reason not in ("refused", "rejected", "unauthorised", "budget", "empty"),
        **more,
    }
    return TeacherError(reason=reason, retry_after_s=retry_after_s, **values)
