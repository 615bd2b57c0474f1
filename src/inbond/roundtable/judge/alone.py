"""A local judge that is asked one question at a time, so that the same judging comes to the same again.

llama.cpp works on several questions in one batch, and what shares a batch changes the last digits of the
numbers: at temperature 0, too, a reply may turn out otherwise. Which questions meet hangs on the clock.
"""

from __future__ import annotations

from typing import final

from inbond.teachers.protocols import Completes, Price, Reply, Request


@final
class Alone:
    """Implements Completes around another teacher: one call at a time."""

    concurrency = 1

    def __init__(self, teacher: Completes) -> None:
        self._teacher = teacher

    @property
    def identity(self) -> str:
        return self._teacher.identity

    @property
    def price(self) -> Price:
        return self._teacher.price

    async def complete(self, request: Request) -> Reply:
        """See Completes."""
        return await self._teacher.complete(request)

    async def close(self) -> None:
        """See Completes."""
        await self._teacher.close()
