"""What the guard's replicas share: budgets, seats, tiers, and what detection waits for.

One Protocol, with an implementation for one process (``state_sqlite``) and one for many (``state_redis``).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol, final

from inbond.errors import InbondError
from inbond.guard.budget import Claim, Full, Seat


class StateLostError(InbondError):
    """The shared state cannot be reached. What then happens to requests is the configuration's choice."""


@final
@dataclass(frozen=True)
class Held:
    """A reservation: its claims stand, and its seats are taken until it is settled or its lease is over.
    ``where`` names the data set that it is held in, where one may be lost and another take its place."""

    id: str
    claims: tuple[Claim, ...]
    seats: tuple[Seat, ...]
    where: str = ""


class State(Protocol):
    """Every method may raise StateLostError; then it is not known whether it took effect, except that
    ``reserve``, ``settle`` and ``put_marks`` may be called again with the same id and take effect once.

    Amounts are whole numbers and are only ever added, so that replicas in any order come to the same. A
    process that dies leaves its claims as they were reserved (never too little) and its seats until their
    lease is over. Times are those of who asks: replicas' clocks must agree to within seconds. A clock that
    jumps forward begins new windows; one that jumps back finds the windows of before as they were left, for
    as long as ``budget.kept_until`` says.
    """

    @property
    def waits(self) -> bool:
        """Whether a call may be waited for, and so cut short while it is under way. What never waits is done
        when it is called, without a task of its own."""

    async def reserve(
        self, id_: str, claims: Sequence[Claim], seats: Sequence[Seat], at: float, lease_s: float
    ) -> Held | Full:
        """Holds all claims and seats, or none: then what did not fit first, in the order given. An id that
        is held already stays as it is, and is held."""

    async def settle(self, held: Held, changes: Sequence[tuple[Claim, int]]) -> bool:
        """Adds the changes to their windows, whatever their caps say, and frees the seats. False, and
        nothing changes, when the id is not held: it never was, or it was settled before. What was held in a
        data set that is lost is counted in the one of now."""

    async def extend(self, held: Held, at: float, lease_s: float) -> None:
        """A long answer keeps its seats: their lease is over ``lease_s`` after ``at``."""

    async def forget(self, at: float) -> None:
        """Drops what ended long before ``at`` and nothing asks for any more."""

    async def put_marks(self, id_: str, window: int, marks: Sequence[bytes]) -> None:
        """Adds marks to what was seen in the window of detection that begins at ``window``, in seconds since
        1970. Once: an id is remembered for a day."""

    async def marks(self, window: int) -> list[bytes]:
        """All marks of a window, in no order."""

    async def windows(self) -> list[int]:
        """The windows that hold marks, in order."""

    async def fold(self, window: int, memory: bytes, tiers: Mapping[str, bytes]) -> bool:
        """Keeps what detection remembers after a window, with every account's verdict as of then, and
        forgets the window's marks. False, and nothing changes, when another replica folded it already."""

    async def memory(self) -> tuple[int | None, bytes]:
        """The last window that was folded (None: none) and what is remembered since."""

    async def tier(self, account: str) -> bytes | None:
        """An account's verdict as last kept; None for none."""

    async def tiers(self) -> dict[str, bytes]:
        """All verdicts that are kept."""

    @property
    def losses(self) -> int:
        """How often the data set was found to be another than before: everything in it began anew."""

    @property
    def name(self) -> str:
        """Of the data set, as it was when last asked; "" where no other can take its place."""

    async def accepted(self) -> bool:
        """Whether an operator said that this data set may be used, though another was there before."""

    async def accept(self) -> None:
        """Says so, to all replicas."""

    async def ping(self) -> None:
        """Raises StateLostError when the state cannot be reached."""

    async def doubt(self) -> str | None:
        """What is wrong with how the state is set up, though it answers, for an operator to mend; None for
        nothing."""

    async def close(self) -> None:
        """Gives back what is open. Nothing is called after it."""
