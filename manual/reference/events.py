"""The kinds of events in a ledger: which there are is found in the code, what they are is said here."""

from __future__ import annotations

from manual.reference.words import constants, described, opening, table

_PATTERN = r"[a-z]+\.[a-z-]*(ed|en|wn|kept|made)"


def page() -> str:
    found = sorted({value for _, value in constants(_PATTERN)})
    return opening("Event kinds", "events") + table(
        ["kind", "what happened", "written by"], described("events", found)
    )
