"""Requests on their way: the line of those never asked, and those that wait to be asked again."""

from __future__ import annotations

import heapq
from collections import deque
from dataclasses import dataclass, field
from typing import final

from inbond.teachers.protocols import Request


@final
@dataclass(order=True, slots=True)
class Job:
    """A request on its way. Ordered by when it may be asked, then by its place in the list."""

    ready_s: float
    place: int
    request: Request = field(compare=False)
    attempts: int = field(default=0, compare=False)
    reserved_usd: float = field(default=0.0, compare=False)
    limited_since_s: float | None = field(default=None, compare=False)


@final
class Jobs:
    """Retries whose time has come go before requests that were never asked: so failures come to an end."""

    def __init__(self) -> None:
        self._fresh: deque[Job] = deque()
        self._retries: list[Job] = []  # a heap

    def __len__(self) -> int:
        return len(self._fresh) + len(self._retries)

    def add(self, request: Request) -> None:
        self._fresh.append(Job(0.0, len(self._fresh), request))

    def again(self, job: Job, ready_s: float) -> None:
        """Lines ``job`` up to be asked again, not before ``ready_s``."""
        job.ready_s = ready_s
        heapq.heappush(self._retries, job)

    def first(self, now_s: float) -> Job | None:
        """The job that may be asked next; None when there is none yet."""
        if self._retries and self._retries[0].ready_s <= now_s:
            return self._retries[0]
        return self._fresh[0] if self._fresh else None

    def take(self, job: Job) -> None:
        """Removes what ``first`` has just returned."""
        if self._retries and self._retries[0] is job:
            heapq.heappop(self._retries)
        else:
            assert self._fresh[0] is job, "only the first is taken"
            self._fresh.popleft()

    def wait_s(self, now_s: float) -> float | None:
        """Seconds until the first retry may go; None when none waits."""
        return self._retries[0].ready_s - now_s if self._retries else None
