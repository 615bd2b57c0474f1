"""What a request may cost, counted before it is sent and settled after. Pure.

A claim is an amount of one counter in one window, and the most that the window may hold. All claims of a
request are held together or none is. Windows are aligned to UTC and fixed: a caller may use the end of one
and the beginning of the next at once, and no clock of any replica but the one that asks is looked at. Money
is in whole millionths of a US dollar, rounded up.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Literal, final

from inbond.guard.callers import Limits

Kind = Literal["requests", "tokens", "spend"]
Window = Literal["minute", "day", "month"]
Scopes = tuple[tuple[str, Limits], ...]
"""Limits by the name of whom they are of."""

_SECONDS = {"minute": 60, "day": 86_400}
_FIELDS: tuple[tuple[str, Kind, Window], ...] = (
    ("requests_per_minute", "requests", "minute"),
    ("requests_per_day", "requests", "day"),
    ("tokens_per_minute", "tokens", "minute"),
    ("tokens_per_day", "tokens", "day"),
    ("spend_usd_per_day", "spend", "day"),
    ("spend_usd_per_month", "spend", "month"),
)
MICRO = 1_000_000


@final
@dataclass(frozen=True)
class Price:
    """US dollars per million tokens in and out."""

    prompt: float = 0.0
    completion: float = 0.0

    def micros(self, prompt_tokens: int, completion_tokens: int) -> int:
        """Millionths of a dollar, rounded up: tokens times dollars a million is just that."""
        return math.ceil(prompt_tokens * self.prompt + completion_tokens * self.completion)


@final
@dataclass(frozen=True)
class Usage:
    """Tokens of one request: as estimated before (never too few), or as counted after. ``unpaid``: they count
    against limits of tokens and cost no money."""

    prompt_tokens: int
    completion_tokens: int
    unpaid: bool = False

    @property
    def tokens(self) -> int:
        return self.prompt_tokens + self.completion_tokens


@final
@dataclass(frozen=True)
class Claim:
    """``amount`` of ``counter`` in the window that begins at ``begins`` (seconds since 1970) and ends at
    ``ends``, which may hold ``cap``."""

    counter: str
    kind: Kind
    window: Window
    begins: int
    ends: int
    amount: int
    cap: int


@final
@dataclass(frozen=True)
class Seat:
    """One of at most ``cap`` requests of ``counter`` at a time."""

    counter: str
    cap: int


@final
@dataclass(frozen=True)
class Full:
    """What stood in the way: the first claim or seat that did not fit, and the seconds until it may."""

    counter: str
    what: str
    cap: int
    wait_s: float


def claims(scopes: Scopes, usage: Usage, price: Price, at: float) -> tuple[Claim, ...]:
    """What one request counts against, by every limit that is set."""
    return tuple(_claims(scopes, usage, price, at))


def _claims(scopes: Scopes, usage: Usage, price: Price, at: float) -> Iterator[Claim]:
    amounts = {
        "requests": 1,
        "tokens": usage.tokens,
        "spend": price.micros(usage.prompt_tokens, usage.completion_tokens),
    }
    for name, limits in scopes:
        for field, kind, window in _FIELDS:
            cap = getattr(limits, field)
            if cap is not None:
                begins, ends = bounds(window, at)
                most = math.floor(cap * MICRO) if kind == "spend" else cap
                yield Claim(f"{name}|{kind}|{window}", kind, window, begins, ends, amounts[kind], most)


def seats(scopes: Scopes) -> tuple[Seat, ...]:
    """The seats that one request takes while it lasts."""
    return tuple(Seat(name, limits.concurrency) for name, limits in scopes if limits.concurrency is not None)


def settled(held: tuple[Claim, ...], usage: Usage, price: Price) -> tuple[tuple[Claim, int], ...]:
    """Each claim with what is to be added to it (or taken from it) now that the use is known. It goes to the
    window in which it was held, whatever the clock says by now."""
    actual = {
        "requests": 1,
        "tokens": usage.tokens,
        "spend": 0 if usage.unpaid else price.micros(usage.prompt_tokens, usage.completion_tokens),
    }
    return tuple((claim, actual[claim.kind] - claim.amount) for claim in held)


def bounds(window: Window, at: float) -> tuple[int, int]:
    """The window that holds the time ``at``."""
    if window == "month":
        day = datetime.fromtimestamp(at, UTC)
        later = (day.year + 1, 1) if day.month == 12 else (day.year, day.month + 1)
        return _first(day.year, day.month), _first(*later)
    length = _SECONDS[window]
    begins = math.floor(at / length) * length
    return begins, begins + length


def kept_until(claim: Claim) -> int:
    """When a window may be forgotten: as long again after its end as it is long, and ten minutes, so that a
    late settlement or a clock that was set back still finds it."""
    return 2 * claim.ends - claim.begins + 600


def _first(year: int, month: int) -> int:
    return int(datetime(year, month, 1, tzinfo=UTC).timestamp())
