"""Off the hot path: requests become marks, the marks of closed windows become tiers.

A request's text is held until its mark is made, a second or so, and nowhere else. While the state is lost
marks wait here, and detection catches up when it is back; past a number of them the oldest are dropped, which
the count ``dropped`` says. A clock that jumps ahead closes no window until it has run on for an hour
(``held``), and what is dated further ahead than that is not taken (``ahead``).
"""

from __future__ import annotations

import asyncio
import json
import uuid
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Final, final

import numpy as np

from inbond.errors import InbondError
from inbond.guard import marks
from inbond.guard.actions import TIERS, Tier
from inbond.guard.detect import memory as memories
from inbond.guard.detect.fold import fold_kept, window_of
from inbond.guard.detect.judge import Judged, judge
from inbond.guard.detect.memory import WINDOW_S, Account, Accounts, Memory
from inbond.guard.marks import About
from inbond.guard.state import State, StateLostError

GRACE_S: Final = 60
"""Seconds after its end in which marks of a window still come in from other replicas."""
AHEAD_S: Final = 3_600
"""So far may a window lie before the clock, and so far may the clock jump between two ticks."""
_PACE_S: Final = 0.8
"""In this time the marks of a tick are made, one after the other, so that nobody waits for many."""
_MOST_WAITING: Final = 100_000
_FRESH_S: Final = 5.0
_MOST_KNOWN: Final = 200_000
_FEW, _MOST = 50, 2_000
"""Marks of a tick that are made at an even pace: fewer are soon made, more have to be."""
_MOST_TOLD: Final = 1_000


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
class _Waiting:
    about: About
    system: str
    user: str


@final
class Observer:
    """Remembers requests and judges accounts. ``told`` hears of every change of a tier, once among all
    replicas, with the very verdict that the state keeps; it is called in a thread of its own, and again with
    the same where it fails."""

    def __init__(
        self, state: State, clock: Callable[[], float], told: Callable[[Sequence[Change]], None]
    ) -> None:
        self._state = state
        self._clock = clock
        self._told = told
        self._waiting: deque[_Waiting] = deque(maxlen=_MOST_WAITING)
        self._systems = marks.Systems()
        self._ready: deque[tuple[str, int, list[bytes]]] = deque()
        self._known: dict[str, tuple[float, Tier]] = {}
        self._folded: int | None = None
        self._ticked: float | None = None
        self._jumped: float | None = None
        self._untold: list[Change] = []
        self.pushed_out = 0
        """Rows of evidence that were let go since there were too many of their kind."""
        self.dropped = 0
        self.ahead = 0
        """Requests that were not taken, since they are dated more than an hour ahead."""

    @property
    def waiting(self) -> int:
        """Requests that the state has not been told of."""
        return len(self._waiting) + sum(len(batch) for _, _, batch in self._ready)

    @property
    def held(self) -> bool:
        """Whether the clock jumped ahead within the last hour, and nothing is judged meanwhile."""
        return self._jumped is not None

    @property
    def untold(self) -> int:
        """Changes of tiers that are not in the ledger yet: it could not be written."""
        return len(self._untold)

    def take(self, about: About, system: str, user: str) -> None:
        """A request that is over. Costs nothing but the place."""
        self.dropped += len(self._waiting) == _MOST_WAITING
        self._waiting.append(_Waiting(about, system, user))

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
        """Makes marks, hands them to the state, folds what is closed, and tells what changed. Never raises
        StateLostError."""
        self._look_at_the_clock()
        await self._make()
        try:
            await self._write()
            if not self.held:
                await self._fold()
        except StateLostError:
            pass
        await self._tell()

    def _look_at_the_clock(self) -> None:
        now, before = self._clock(), self._ticked
        self._ticked = now
        if self._jumped is not None and not 0 <= now - self._jumped < AHEAD_S:
            self._jumped = None
        if before is not None and now - before > AHEAD_S:
            self._jumped = now

    async def _make(self) -> None:
        by_window: dict[int, list[bytes]] = {}
        some = len(self._waiting)
        for _ in range(some):
            seen = self._waiting.popleft()
            mark = marks.read(seen.about, seen.system, seen.user, self._systems)
            by_window.setdefault(window_of(mark.ts_ms), []).append(mark.to_bytes())
            await asyncio.sleep(_PACE_S / some if _FEW < some < _MOST else 0)
        self._ready.extend((uuid.uuid4().hex, window, batch) for window, batch in by_window.items())

    async def _write(self) -> None:
        while self._ready:
            id_, window, batch = self._ready[0]
            open_from = 0 if self._folded is None else self._folded + WINDOW_S
            if max(window, open_from) > self._clock() + AHEAD_S:
                self.ahead += len(batch)
            else:
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
            tiers, changes, self.pushed_out = await asyncio.to_thread(turn)
            kept = turn.taken()
            if not await self._state.fold(window, kept, tiers):
                return  # another replica was first, and tells of it
            self._folded = window
            self._known.clear()
            self._untold += changes

    async def _tell(self) -> None:
        """What could not be written is written later, as long as this process lives."""
        while self._untold:
            some = self._untold[:_MOST_TOLD]
            try:
                await asyncio.to_thread(self._told, some)
            except (InbondError, OSError):
                return
            del self._untold[: len(some)]


@final
class _Turn:
    """One window's fold, for a thread of its own. It lets go of what it was given as soon as it is read, so
    that memory is not held twice for longer than need be."""

    def __init__(self, kept: bytes, window: int, found: Sequence[bytes]) -> None:
        self._kept = kept
        self._window = window
        self._found = found
        self._after = b""

    def taken(self) -> bytes:
        """What is remembered after the window. Once: what a thread returns stays with it until the next."""
        after, self._after = self._after, b""
        return after

    def __call__(self) -> tuple[dict[str, bytes], list[Change], int]:
        """The verdicts to keep, who came to another tier, and ``pushed_out`` of the memory, which is to be
        ``taken`` then."""
        was, after = self._folded()
        judged, window = judge(after).accounts, self._window
        now = _past_none(after.accounts)
        changed = sorted(name for name in {**was, **now} if was.get(name) != now.get(name))
        gone = judge(_unknown(window, [name for name in changed if name not in after.accounts])).accounts
        changes = [
            Change(name, TIERS[was.get(name, 0)], window, (gone if name in gone else judged)[name])
            for name in changed
        ]
        told = {change.account: to_bytes(change.judged, window) for change in changes}
        del judged, gone  # columns as long as what is written now
        self._after = after.to_bytes()
        return told, changes, after.pushed_out

    def _folded(self) -> tuple[dict[str, Tier], Memory]:
        """Who stood past tier 0 before, and the memory after."""
        held, found = [memories.from_bytes(self._kept)], self._found
        self._kept, self._found = b"", ()
        return _past_none(held[0].accounts), fold_kept(held.pop(), self._window, found)


def _unknown(window: int, names: Sequence[str]) -> Memory:
    """A memory of accounts that were forgotten: what is told of them is what is told of anybody of whom
    nothing is known, so that their tier ends with their evidence."""
    return Memory(window, Accounts.of({name: Account(party=0) for name in names}))


def _past_none(accounts: Accounts) -> dict[str, Tier]:
    rows = np.flatnonzero(accounts.table["tier"])
    stands = zip(rows.tolist(), accounts.table["tier"][rows].tolist(), strict=True)
    return {accounts.names[row]: TIERS[tier] for row, tier in stands}


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
    """Reads what ``to_bytes`` wrote. Raises ValueError for what is no verdict."""
    try:
        value = json.loads(data)
    except (TypeError, RecursionError) as error:
        raise ValueError("not a verdict of this version") from error
    if not isinstance(value, dict):
        raise ValueError("not a verdict of this version")
    return value


def tier_of(data: bytes | None) -> Tier:
    """The tier that is kept for an account; 0 for none."""
    return 0 if data is None else TIERS[from_bytes(data)["tier"]]
