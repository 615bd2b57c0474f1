"""What a run tells whoever watches it."""

from __future__ import annotations

from typing import Protocol

from inbond.engine.results import Progress


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


def how_asking_goes(progress: Progress) -> str:
    """How a teacher's answers come along, in words for a note: rate, cost, time left."""
    words = [f"{progress.tokens_per_s:,.0f} tokens/s", f"${progress.cost_usd:.4f} so far"]
    if progress.cost_left_usd:
        words.append(f"about ${progress.cost_left_usd:.4f} to come")
    if progress.from_journal:
        words.insert(0, f"{progress.from_journal} from the journal")
    if progress.failed:
        words.insert(0, f"{progress.failed} failed")
    if progress.waiting_s >= 1:
        words.append(f"the host asked for {progress.waiting_s:.0f} s of rest")
    if progress.seconds_left:
        words.append(time_left(progress.seconds_left))
    return ", ".join(words)


def time_left(seconds: float) -> str:
    """Seconds in words for a note."""
    if seconds < 90:
        return f"about {seconds:.0f} s left"
    return f"about {seconds / 60:.0f} min left"
