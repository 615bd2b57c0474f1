"""Commits outcomes to the journal in groups, so that waiting for the disk costs a batch and not a request."""

from __future__ import annotations

import asyncio
from types import TracebackType
from typing import Self, final

from inbond.engine.journal import Journal, Outcome


@final
class Committer:
    """Used as ``async with``: leaving the block keeps everything that was put in, also when cancelled."""

    def __init__(self, journal: Journal, run: str) -> None:
        self._journal = journal
        self._run = run
        self._pending: list[tuple[Outcome, asyncio.Future[None]]] = []
        self._wake = asyncio.Event()
        self._closing = False
        self._task: asyncio.Task[None] | None = None

    async def __aenter__(self) -> Self:
        self._task = asyncio.create_task(self._serve())
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        assert self._task is not None, "entered before it is left"
        self._closing = True
        self._wake.set()
        await asyncio.shield(self._task)

    async def put(self, outcome: Outcome) -> None:
        """Returns once ``outcome`` is on disk. Cancelling the wait does not cancel the keeping.

        Raises as ``Journal.record``; then the outcome is not kept.
        """
        kept = asyncio.get_running_loop().create_future()
        self._pending.append((outcome, kept))
        self._wake.set()
        await asyncio.shield(kept)

    async def _serve(self) -> None:
        while not self._closing or self._pending:
            await self._wake.wait()
            self._wake.clear()
            batch, self._pending = self._pending, []
            if batch:
                await self._commit(batch)

    async def _commit(self, batch: list[tuple[Outcome, asyncio.Future[None]]]) -> None:
        try:
            await asyncio.to_thread(self._journal.record, self._run, [outcome for outcome, _ in batch])
        except Exception as error:
            for _, kept in batch:
                kept.set_exception(error)
                kept.exception()  # whoever waited may be gone; the error must not be reported twice
        else:
            for _, kept in batch:
                kept.set_result(None)
