"""What a request may use is held before it is sent and settled after, whatever becomes of the state between.

While the state is lost nothing waits for it: the configuration says whether requests are refused (closed) or
pass (open). What could not be settled is owed, and settled when the state is back: each request once, even
where nobody knows whether a call took effect before its answer was lost.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Coroutine
from dataclasses import dataclass, replace
from typing import Any, Final, Literal, TypeVar, final

from inbond.guard import budget, refusals
from inbond.guard.budget import Claim, Full, Price, Scopes, Usage
from inbond.guard.refusals import Refusal
from inbond.guard.state import Held, State, StateLostError

LEASE_S: Final = 120.0
"""A seat whose holder is not heard of for so long is free."""
TICK_S: Final = 1.0
_EXTEND_S: Final = LEASE_S / 3
_FORGET_S: Final = 600.0
MOST_OWED: Final = 100_000
"""Requests that may wait to be settled, in memory. Past them open refuses as closed does."""
_NO_CAP: Final = 2**53
_REMEMBERED_S: Final = 1.0
"""How long a limit that was reached is not asked for again: it may be raised at any moment."""
_MOST_REACHED: Final = 10_000
T = TypeVar("T")


@final
@dataclass
class Hold:
    """One request's reservation. ``known``: the state said that it stands."""

    held: Held
    price: Price
    known: bool = True
    settled: bool = False


@final
@dataclass(frozen=True)
class _Owed:
    """What the state has not been told yet. ``anew``: it may know nothing of the request at all."""

    held: Held
    changes: tuple[tuple[Claim, int], ...]
    anew: bool


@final
class Reservations:
    """Holds and settles. ``lost`` says whether the state was out of reach when last asked."""

    def __init__(
        self, state: State, when_lost: Literal["closed", "open"], clock: Callable[[], float] = time.time
    ) -> None:
        self._state = state
        self._when_lost = when_lost
        self._clock = clock
        self._tried = 0.0
        self._open: dict[str, Held] = {}
        self._owed: dict[str, _Owed] = {}
        self._passing = 0
        self._reached: dict[str, tuple[float, Full]] = {}
        self._tasks: set[asyncio.Task[Any]] = set()
        self._accepted = 0
        self.lost = False
        self.why = ""
        """What was found when the state was last out of reach."""
        self.doubt: str | None = None
        """What is wrong with how the state is set up, when it was last looked at."""
        self.dropped = 0
        """Requests whose use was never settled, because too many were owed."""

    @property
    def emptied(self) -> bool:
        """Whether another data set stands where budgets were, so that all of them begin anew, and nobody said
        yet that this is as it should be. Then closed refuses; open goes on."""
        return self._when_lost == "closed" and self._state.losses > self._accepted

    @property
    def waits(self) -> bool:
        """Whether settling waits for another process. Where it does not, an answer may be sent before it is
        settled: nothing that anybody asks is looked at in between."""
        return self._state.waits

    @property
    def meanwhile(self) -> str:
        """What happens to requests while the state is lost."""
        return {"closed": "are refused", "open": "pass, and are metered when it is back"}[self._when_lost]

    @property
    def owed(self) -> int:
        """Requests that wait to be settled."""
        return len(self._owed)

    def check(self, scopes: Scopes) -> None:
        """Before a body is read. Raises Refusal where a limit of requests was reached a moment ago: whatever
        the body says, it would not be served."""
        if not self._reached:
            return
        now = time.monotonic()
        for name, _ in scopes:
            at, full = self._reached.get(name, (now - _REMEMBERED_S, None))
            if full is not None and now - at < _REMEMBERED_S:
                raise _over(full)

    async def hold(self, id_: str, scopes: Scopes, estimate: Usage, price: Price) -> Hold:
        """Reserves one request. Raises Refusal: a limit is reached, or the state is lost."""
        at = self._clock()
        held = Held(id_, budget.claims(scopes, estimate, price, at), budget.seats(scopes))
        hold = Hold(held, price)
        for claim in held.claims:
            if claim.amount > claim.cap > 0:
                raise refusals.never_fits(claim.amount, claim.cap, f"{claim.kind} a {claim.window}")
        if not held.claims and not held.seats:
            return hold
        if self.emptied:
            raise refusals.cannot_meter()
        if self._away():
            return self._without_state(hold, asked=False)
        try:
            found = await self._reserved(held, at)
        except StateLostError as error:
            self._miss(error)
            return self._without_state(hold, asked=True)
        self.lost = False
        if self.emptied:  # noticed by this very request
            await self._give_back(found)
            raise refusals.cannot_meter()
        if isinstance(found, Full):
            self._remember(found)
            raise _over(found)
        hold.held = self._open[id_] = found
        return hold

    def _remember(self, found: Full) -> None:
        if found.what not in ("requests a minute", "requests a day"):
            return  # a request that asks for less may fit, and a seat may be free the next moment
        name = found.counter.rsplit("|", 2)[0]
        if len(self._reached) >= _MOST_REACHED:
            self._reached.clear()
        self._reached[name] = time.monotonic(), found

    async def settle(self, hold: Hold, used: Usage) -> None:
        """Settles a request. Once: what is said later changes nothing. Never raises StateLostError."""
        if hold.settled:
            return
        hold.settled = True
        self._passing -= not hold.known
        self._open.pop(hold.held.id, None)
        if hold.held.claims or hold.held.seats:
            changes = budget.settled(hold.held.claims, used, hold.price)
            work = self._settle(hold.held, changes, known=hold.known)
            await (asyncio.shield(self._start(work)) if self._state.waits else work)

    async def _reserved(self, held: Held, at: float) -> Held | Full:
        """Raises StateLostError. Whoever leaves meanwhile leaves nothing held."""
        work = self._state.reserve(held.id, held.claims, held.seats, at, LEASE_S)
        if not self._state.waits:
            return await work
        task = self._start(work)
        try:
            return await asyncio.shield(task)
        except asyncio.CancelledError:
            self._start(self._undo(task, held))
            raise

    def _without_state(self, hold: Hold, *, asked: bool) -> Hold:
        if self._when_lost == "open" and len(self._owed) + self._passing < MOST_OWED:
            hold.known = False
            self._passing += 1
            return hold
        if asked:  # it may stand all the same
            self._owe(_Owed(hold.held, _back(hold.held), anew=False))
        raise refusals.cannot_meter()

    async def _undo(self, task: asyncio.Task[Held | Full], held: Held) -> None:
        """The caller left before it was known whether anything was held."""
        try:
            found = await task
        except StateLostError:
            self._owe(_Owed(held, _back(held), anew=False))
        else:
            await self._give_back(found)

    async def _give_back(self, found: Held | Full) -> None:
        if isinstance(found, Held):
            await self._settle(found, _back(found), known=True)

    async def _settle(self, held: Held, changes: tuple[tuple[Claim, int], ...], *, known: bool) -> None:
        if not known or self._away():
            self._owe(_Owed(held, changes, anew=not known))
            return
        try:
            await self._state.settle(held, changes)
        except StateLostError as error:
            self._miss(error)
            self._owe(_Owed(held, changes, anew=False))

    # What the state was not told ------------------------------------------------------------------------

    def _away(self) -> bool:
        """Whether the state was out of reach a moment ago, so that nothing should wait for it now."""
        return self.lost and time.monotonic() - self._tried < TICK_S

    def _miss(self, error: StateLostError) -> None:
        self.lost, self.why = True, error.found
        self._tried = time.monotonic()

    def _owe(self, owed: _Owed) -> None:
        if len(self._owed) + self._passing >= MOST_OWED:  # those that pass have their places
            self.dropped += 1
        else:
            self._owed[owed.held.id] = owed

    async def _pay(self, owed: _Owed) -> None:
        held = owed.held
        if owed.anew:
            claims = [replace(claim, cap=_NO_CAP) for claim in held.claims]
            found = await self._state.reserve(held.id, claims, (), self._clock(), LEASE_S)
            assert isinstance(found, Held), "nothing is in the way of what has no cap"
            held = found
        await self._state.settle(held, owed.changes)

    async def tick(self) -> None:
        """Looks whether the state is there, and settles what is owed."""
        try:
            if self.lost or not self._owed:
                await self._state.ping()
            for owed in list(self._owed.values()):
                await self._pay(owed)
                self._owed.pop(owed.held.id, None)
            if self.emptied and await self._state.accepted():
                self._accepted = self._state.losses
        except StateLostError as error:
            self._miss(error)
        else:
            self.lost = False

    async def _extend(self) -> None:
        for held in [held for held in self._open.values() if held.seats]:
            if held.id in self._open:
                await self._state.extend(held, self._clock(), LEASE_S)

    async def examine(self) -> None:
        """Looks whether the state is there, the one that was there before, and set up as it must be."""
        try:
            await self._state.ping()
            self.doubt = await self._state.doubt()
        except StateLostError as error:
            self._miss(error)

    async def keep(self) -> None:
        """Runs for as long as the guard does: seats of long answers, debts, and what can be forgotten."""
        extended = forgot = time.monotonic()
        ended = self._clock()
        while True:
            await asyncio.sleep(TICK_S)
            await self.tick()
            now = time.monotonic()
            try:
                if now - extended >= _EXTEND_S and not self.lost:
                    extended = now
                    await self._extend()
                if now - forgot >= _FORGET_S and not self.lost:
                    ended = forgotten(ended, self._clock(), now - forgot)
                    forgot = now
                    await self._state.forget(ended)
                    await self.examine()
            except StateLostError as error:
                self._miss(error)

    async def close(self) -> None:
        """Settles what can be settled, before the state is closed."""
        while self._tasks:
            await asyncio.gather(*self._tasks, return_exceptions=True)
        if self._owed:
            await self.tick()

    def _start(self, work: Coroutine[Any, Any, T]) -> asyncio.Task[T]:
        task = asyncio.ensure_future(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return task


def _over(found: Full) -> Refusal:
    return refusals.over_budget(f"{found.cap:,} {found.what}", found.wait_s)


def forgotten(before: float, now: float, passed_s: float) -> float:
    """The time up to which windows may be forgotten: what the clock says, but at most twice the time that
    passed since ``before``. A clock that jumps ahead, and back, must not have wiped out today's budgets."""
    return min(now, before + 2 * passed_s)


def _back(held: Held) -> tuple[tuple[Claim, int], ...]:
    """Everything that was held, taken back."""
    return tuple((claim, -claim.amount) for claim in held.claims)
