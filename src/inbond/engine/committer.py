"""Commits outcomes to the journal in groups, and syncs them behind: no one who waits waits for the disk."""

from __future__ import annotations

import asyncio
from types import TracebackType
from typing import Self, final

from inbond.engine.journal import Journal, Outcome

PARTS = 8


@final
class Committer:
    """Used as ``async with``: leaving the block keeps everything that was put in, also when cancelled, and
    returns once all of it is on disk. Raises UnwritableError on leaving when the disk did not take it."""

    def __init__(self, journal: Journal, run: str) -> None:
        self._journal = journal
        self._run = run
        self._pending: list[tuple[Outcome, asyncio.Future[None]]] = []
        self._wake = asyncio.Event()
        self._unsynced = asyncio.Event()
        self._closing = False
        self._tasks: list[asyncio.Task[None]] = []

    async def __aenter__(self) -> Self:
        self._tasks = [asyncio.create_task(self._serve()), asyncio.create_task(self._sync())]
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        serving, syncing = self._tasks
        self._closing = True
        self._wake.set()
        await asyncio.shield(serving)
        self._unsynced.set()
        await asyncio.shield(syncing)

    async def put(self, outcome: Outcome) -> None:
        """Returns once ``outcome`` survives kill -9. Cancelling the wait does not cancel the keeping.

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
            while self._pending:
                # In parts: whoever waits longest asks again while the others' answers are written.
                part = len(self._pending) // PARTS + 1
                batch, self._pending = self._pending[:part], self._pending[part:]
                await self._commit(batch)

    async def _commit(self, batch: list[tuple[Outcome, asyncio.Future[None]]]) -> None:
        syncing = self._tasks[1]
        try:
            if syncing.done():
                syncing.result()  # raises: the disk did not take what came before
            await asyncio.to_thread(self._journal.record, self._run, [outcome for outcome, _ in batch])
        except Exception as error:
            for _, kept in batch:
                kept.set_exception(error)
                kept.exception()  # whoever waited may be gone; the error must not be reported twice
        else:
            self._unsynced.set()
            for _, kept in batch:
                kept.set_result(None)

    async def _sync(self) -> None:
        """One sync after another, each of all that was committed before it; the last when no more comes."""
        last = False
        while not last:
            await self._unsynced.wait()
            last = self._tasks[0].done()
            self._unsynced.clear()
            await asyncio.to_thread(self._journal.sync)
