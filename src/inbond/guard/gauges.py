"""What of the running guard is read whenever somebody asks for counts, and what of it /health may say."""

from __future__ import annotations

from collections.abc import Callable

from inbond.guard.callers import Callers
from inbond.guard.metrics import Metrics
from inbond.guard.observe import Observer
from inbond.guard.reservations import Reservations
from inbond.guard.state import State


def hang_up(
    metrics: Metrics,
    reservations: Reservations,
    state: State,
    callers: Callable[[], Callers],
    observer: Observer | None,
) -> None:
    """Adds gauges of the state, of what waits for it, and of what detection is not told."""
    metrics.watch("state_lost", "1 while the state is lost.", lambda: reservations.lost)
    metrics.watch("state_losses", "Times the state began anew.", lambda: state.losses)
    metrics.watch("owed", "Requests not settled yet.", lambda: reservations.owed)
    metrics.watch("never_settled", "Requests given up.", lambda: reservations.dropped)
    metrics.watch("accounts", "Accounts with a key.", lambda: callers().unknown.accounts)
    metrics.watch("accounts_without_payment", "Accounts of unknown means.", lambda: callers().unknown.payment)
    metrics.watch("accounts_without_created", "Accounts of unknown age.", lambda: callers().unknown.created)
    if observer is not None:
        metrics.watch("marks_waiting", "Requests not told to detection yet.", lambda: observer.waiting)
        metrics.watch("marks_dropped", "Requests that detection never saw.", lambda: observer.dropped)
        metrics.watch("marks_ahead", "Requests dated too far ahead to count.", lambda: observer.ahead)
        metrics.watch(
            "evidence_pushed_out", "Rows of evidence let go for others.", lambda: observer.pushed_out
        )
        metrics.watch("clock_jumped", "1 while a clock that jumped is not believed.", lambda: observer.held)
        metrics.watch("verdicts_untold", "Changes of tiers not in the ledger yet.", lambda: observer.untold)


def unseen(callers: Callers, observer: Observer | None) -> list[str]:
    """What detection does not see, without a number: how many customers there are is nobody's business."""
    said = callers.unknown.words
    if observer is not None and observer.dropped:
        said.append("some requests were never seen: the state was lost for too long")
    if observer is not None and observer.held:
        said.append("the clock jumped ahead: nobody is judged until it has run on for an hour")
    if observer is not None and observer.ahead:
        said.append("some requests were dated more than an hour ahead, and were not seen")
    return said
