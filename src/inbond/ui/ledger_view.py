"""The ledger as the site shows it: events by their place, never counted through from the start."""

from __future__ import annotations

import base64
import contextlib
import itertools
import json
import os
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Final, final

from inbond.errors import InbondError
from inbond.ledger import events, membership
from inbond.ledger.events import Entry, Event
from inbond.ledger.membership import Reading
from inbond.ui.reading import Unreadable
from inbond.workspace import Workspace

ROWS: Final = 50
_SEARCHED: Final = 20_000
"""The most entries that one page looks through for a kind."""


@final
@dataclass(frozen=True)
class Line:
    """An event's line in the list. ``about`` are the short texts of its body."""

    seq: int
    at: str
    kind: str
    about: str
    problem: str = ""


@final
@dataclass(frozen=True)
class Events:
    """Some events, the newest first. ``size`` is how many there are in all; ``older`` and ``newer`` are the
    places to go on from, None where there are none."""

    lines: tuple[Line, ...]
    size: int
    older: int | None
    newer: int | None
    shared: bool = False


@final
@dataclass(frozen=True)
class Whole:
    """One event with all that is kept of it. ``event`` is None where the text is malformed."""

    entry: Entry
    event: Event | None
    body: str
    signature: str
    problem: str
    size: int


@contextlib.contextmanager
def _opened(workspace: Workspace) -> Iterator[Reading]:
    reading = membership.open_to_read(workspace, os.environ)
    with contextlib.closing(reading.store):
        yield reading


def size(workspace: Workspace) -> int:
    """How many events there are; 0 without a ledger. Raises as ``membership.open_to_read``."""
    if not membership.begun(workspace):
        return 0
    with _opened(workspace) as reading:
        last = reading.store.last()
        return last.position + 1 if last else 0


def newest(workspace: Workspace) -> Line | None:
    """The last event; None without one."""
    if not membership.begun(workspace):
        return None
    with _opened(workspace) as reading:
        last = reading.store.last()
        return _line(last) if last else None


def page(workspace: Workspace, before: int | None, kind: str) -> Events:
    """Events up to place ``before`` (exclusive; None: the newest), of ``kind`` alone unless that is "". Costs
    the same wherever it is. Raises as ``membership.open_to_read``."""
    with _opened(workspace) as reading:
        last = reading.store.last()
        count = last.position + 1 if last else 0
        end = count if before is None else max(0, min(before, count))
        wanted = f'"kind":"{kind}"'.encode() if kind else b""
        found: list[Entry] = []
        low = end
        while low > 0 and len(found) < ROWS and end - low < (_SEARCHED if kind else ROWS):
            start = max(0, low - (1000 if kind else ROWS))
            window = itertools.islice(reading.store.read(start), low - start)
            part = [entry for entry in window if entry.position < low and wanted in entry.text]
            found[:0] = part
            low = start
        shown = found[-ROWS:]
        older = shown[0].position if len(found) > ROWS else low
        newer = min(count, end + ROWS) if end < count else None
        lines = tuple(_line(entry) for entry in reversed(shown))
        return Events(lines, count, older or None, newer, reading.workspace is not None)


def one(workspace: Workspace, seq: int) -> Whole:
    """The event at a place. Raises Unreadable where there is none, and as ``membership.open_to_read``."""
    with _opened(workspace) as reading:
        entry, last = next(reading.store.read(seq), None), reading.store.last()
    if entry is None or entry.position != seq or last is None:
        raise Unreadable(f"there is no event {seq}")
    event, problem = _read(entry)
    body = json.dumps(event.body if event else {}, ensure_ascii=False, indent=2, sort_keys=True)
    text = body if event else entry.text.decode(errors="replace")
    signature = base64.b64encode(entry.signature).decode()
    return Whole(entry, event, text, signature, problem, last.position + 1)


def _read(entry: Entry) -> tuple[Event | None, str]:
    try:
        return events.decode(entry.text), ""
    except InbondError as error:
        return None, f"expected {error.expected}; found {error.found}"


def _line(entry: Entry) -> Line:
    event, problem = _read(entry)
    if event is None:
        return Line(entry.position, "", "not readable", "", problem)
    return Line(entry.position, event.at, event.kind, _about(event.body))


def _about(body: Any) -> str:
    """``run: demo, stage: train``: the first short texts of a body."""
    short = [(k, v) for k, v in body.items() if isinstance(v, str) and len(v) <= 80 and ":" not in v[:8]]
    return ", ".join(f"{name}: {value}" for name, value in short[:4])
