"""What a run tells whoever watches it."""

from __future__ import annotations

from typing import Protocol


class Watcher(Protocol):
    """Shows progress. May be called often; must be quick and never raise."""

    def begin(self, stage: str) -> None:
        """A stage starts."""

    def advance(self, stage: str, done: int, total: int, note: str) -> None:
        """``done`` of ``total`` units; ``note`` has rate, cost and time left in words."""

    def end(self, stage: str, seconds: float, *, made: bool) -> None:
        """A stage is complete: made now, or found complete."""

    def say(self, text: str) -> None:
        """A sentence worth reading."""


class Silent:
    """Watches without a word."""

    def begin(self, stage: str) -> None: ...

    def advance(self, stage: str, done: int, total: int, note: str) -> None: ...

    def end(self, stage: str, seconds: float, *, made: bool) -> None: ...

    def say(self, text: str) -> None: ...


def time_left(seconds: float) -> str:
    """Seconds in words for a note."""
    if seconds < 90:
        return f"about {seconds:.0f} s left"
    return f"about {seconds / 60:.0f} min left"
