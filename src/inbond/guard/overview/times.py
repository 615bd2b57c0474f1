"""Times as an operator reads them. Pure."""

from __future__ import annotations

from datetime import UTC, datetime

from inbond.guard.appeals import said_at


def time_of(at: int) -> str:
    """A second since 1970."""
    return said_at(datetime.fromtimestamp(at, UTC))


def time_left(due: datetime, now: datetime) -> str:
    """``23 h 10 min``, rounded down."""
    minutes = max(0, int((due - now).total_seconds() // 60))
    return f"{minutes // 60} h {minutes % 60} min"


def by_when(due: datetime, now: datetime) -> str:
    """``by 2026-11-23 12:29 UTC, 23 h 59 min left``: the end, and how far off it was when this was said."""
    return f"by {said_at(due)}, {time_left(due, now)} left"
