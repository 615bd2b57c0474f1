"""Off the hot path: requests become marks, the marks of closed windows become tiers.

A request's text is held until its mark is made, a second at most, and nowhere else. While the state is lost
marks wait here, and detection catches up when it is back; past a number of them the oldest are dropped, which
the count ``dropped`` says.
"""

from __future__ import annotations

import asyncio
import json
import uuid
import zlib
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Final, final

import numpy as np

from inbond.guard import marks
from inbond.guard.actions import TIERS, Tier
from inbond.guard.detect import memory as memories
from inbond.guard.detect.fold import fold_kept, window_of
from inbond.guard.detect.judge import Judged, judge
from inbond.guard.detect.memory import WINDOW_S, Accounts, Memory
from inbond.guard.marks import About
from inbond.guard.state import State, StateLostError

GRACE_S: Final = 60
"""Seconds after its end in which marks of a window still come in from other replicas."""
_SLICE: Final = 16
_MOST_WAITING: Final = 100_000
_FRESH_S: Final = 5.0
_MOST_KNOWN: Final = 200_000
_TURNS: Final = 6


@final
@dataclass(frozen=True)
class Change:
    """An account came to another tier. ``judged`` says why."""

    account: str
    was: Tier
    window: int
    judged: Judged


@final
@dataclass(frozen=True)
class _Seen:
    about: About
    system: str
    user: str


@final
class Observer:
    """Remembers requests and judges accounts. ``told`` hears of every change of a tier, once among all
    replicas; it is called in a thread of its own and must not fail."""

    def __init__(
        self, state: State, clock: Callable[[], float], told: Callable[[Sequence[Change]], None]
    ) -> None:
        self._state = state
        self._clock = clock
        self._told = told
        self._seen: deque[_Seen] = deque(maxlen=_MOST_WAITING)
        self._ready: deque[tuple[str, int, list[bytes]]] = deque()
        self._known: dict[str, tuple[float, Tier]] = {}
        self._folded: int | None = None
        self.dropped = 0

    @property
    def waiting(self) -> int:
        """Requests that the state has not been told of."""
        return len(self._seen) + sum(len(batch) for _, _, batch in self._ready)

    def take(self, about: About, system: str, user: str) -> None:
        """A request that is over. Costs nothing but the place."""
        self.dropped += len(self._seen) == _MOST_WAITING
        self._seen.append(_Seen(about, system, user))

    async def tier(self, account: str) -> Tier:
        """An account's tier, a few seconds old at most; the one of before while the state is lost."""
        at = self._clock()
        known = self._known.get(account)
        if known is not None and 0 <= at - known[0] < _FRESH_S:
            return known[1]
        try:
            found = tier_of(await self._state.tier(account))
        except StateLostError:
            return known[1] if known else 0
        if len(self._known) >= _MOST_KNOWN:
            self._known.clear()
        self._known[account] = (at, found)
        return found

    async def tick(self) -> None:
        """Makes marks, hands them to the state, and folds what is closed. Never raises StateLostError."""
        await self._make()
        try:
            await self._write()
            await self._fold()
        except StateLostError:
            return

    async def _make(self) -> None:
        by_window: dict[int, list[bytes]] = {}
        count = 0
        while self._seen:
            seen = self._seen.popleft()
            mark = marks.read(seen.about, seen.system, seen.user)
            by_window.setdefault(window_of(mark.ts_ms), []).append(mark.to_bytes())
            count += 1
            if count % _SLICE == 0:
                await asyncio.sleep(0)  # whoever asks meanwhile does not wait for this
        self._ready.extend((uuid.uuid4().hex, window, batch) for window, batch in by_window.items())

    async def _write(self) -> None:
        while self._ready:
            id_, window, batch = self._ready[0]
            open_from = 0 if self._folded is None else self._folded + WINDOW_S
            await self._state.put_marks(id_, max(window, open_from), batch)
            self._ready.popleft()

    async def _fold(self) -> None:
        """Windows in order. Whichever replica is first has folded; all would have come to the same."""
        ended = self._clock() - WINDOW_S - GRACE_S
        known = -1 if self._folded is None else self._folded
        if not any(known < window <= ended for window in await self._state.windows()):
            return  # what is remembered is large: it is not read for nothing
        self._folded, kept = await self._state.memory()
        late: list[bytes] = []
        for window in await self._state.windows():
            if window > ended:
                return
            found = await self._state.marks(window)
            if self._folded is not None and window <= self._folded:
                late += found  # of a replica that did not know yet: they count in the next
                continue
            turn, kept = _Turn(kept, window, [*late, *found]), b""
            late = []
            after, tiers, changes = await asyncio.to_thread(turn)
            if not await self._state.fold(window, after, tiers):
                return  # another replica was first, and tells of it
            self._folded, kept = window, after
            self._known.clear()
            if changes:
                await asyncio.to_thread(self._told, changes)


@final
class _Turn:
    """One window's fold, for a thread of its own. It lets go of what it was given as soon as it is read, so
    that memory is not held twice for longer than need be."""

    def __init__(self, kept: bytes, window: int, found: Sequence[bytes]) -> None:
        self._kept = kept
        self._window = window
        self._found = found

    def __call__(self) -> tuple[bytes, dict[str, bytes], list[Change]]:
        """What is remembered after the window, the verdicts to keep, and who came to another tier."""
        was, after = self._folded()
        judged, window = judge(after).accounts, self._window
        now = _past_none(after.accounts)
        changed = sorted(name for name in {**was, **now} if was.get(name) != now.get(name))
        changes = [
            Change(name, TIERS[was.get(name, 0)], window, judged[name])
            for name in changed
            if name in after.accounts
        ]
        told = {change.account: to_bytes(change.judged, window) for change in changes}
        again = (name for name in now if name not in told and _is_due(name, window))
        told |= {name: to_bytes(judged[name], window) for name in again}
        return after.to_bytes(), told, changes

    def _folded(self) -> tuple[dict[str, Tier], Memory]:
        """Who stood past tier 0 before, and the memory after."""
        memory, found = memories.from_bytes(self._kept), self._found
        self._kept, self._found = b"", ()
        return _past_none(memory.accounts), fold_kept(memory, self._window, found)


def _past_none(accounts: Accounts) -> dict[str, Tier]:
    rows = np.flatnonzero(accounts.table["tier"])
    stands = zip(rows.tolist(), accounts.table["tier"][rows].tolist(), strict=True)
    return {accounts.names[row]: TIERS[tier] for row, tier in stands}


def _is_due(name: str, window: int) -> bool:
    """Whether a verdict that stands is put into words anew: each once an hour, not all in one window."""
    return zlib.crc32(name.encode("utf-8", "surrogatepass")) % _TURNS == window // WINDOW_S % _TURNS


def to_bytes(judged: Judged, window: int) -> bytes:
    """What the state keeps of an account's verdict."""
    value = {
        "tier": judged.tier,
        "window": window,
        "since": judged.since,
        "verdict": judged.verdict.to_json(),
    }
    return json.dumps(value, ensure_ascii=False, sort_keys=True).encode("utf-8", "surrogatepass")


def from_bytes(data: bytes) -> dict[str, Any]:
    """Reads what ``to_bytes`` wrote."""
    value: dict[str, Any] = json.loads(data)
    return value


def tier_of(data: bytes | None) -> Tier:
    """The tier that is kept for an account; 0 for none."""
    return 0 if data is None else TIERS[from_bytes(data)["tier"]]
