"""A window's marks in order and as columns, and the arithmetic that they share. Pure."""

from __future__ import annotations

import zlib
from collections.abc import Iterable
from dataclasses import dataclass
from operator import attrgetter
from typing import Any, Final, final

import numpy as np
import numpy.typing as npt

from inbond.guard.elicitation import PLAIN
from inbond.guard.marks import Mark
from inbond.guard.sketch import SYSTEM_BINS, USER_BINS

Numbers = npt.NDArray[np.int64]
Hashes = npt.NDArray[np.uint64]
Flags = npt.NDArray[np.bool_]
PLACES: Final = SYSTEM_BINS + USER_BINS
_MARK: Final = np.dtype(
    [
        *((name, "<u8") for name in ("party", "tenant", "payment", "client", "model", "conversation")),
        *((name, "<i8") for name in ("ts_ms", "created", "output_tokens", "elicitation")),
        *((name, "?") for name in ("registered", "refused", "foreign")),
    ]
)
_values: Final = attrgetter(*(_MARK.names or ()))


@final
@dataclass(frozen=True)
class Columns:
    """The marks of one window, by account and time. ``names``: its accounts in order; ``starts``: where each
    one's marks begin; ``of``: which account each mark is of; ``hashes``: a number for each account's name.
    (marks, PLACES): ``sketches`` of system and user text."""

    names: tuple[str, ...]
    starts: Numbers
    of: Numbers
    hashes: Hashes
    marks: npt.NDArray[Any]
    sketches: Hashes

    @property
    def ts_ms(self) -> Numbers:
        found: Numbers = self.marks["ts_ms"]
        return found

    @property
    def party(self) -> Hashes:
        found: Hashes = self.marks["party"]
        return found

    @property
    def registered(self) -> Flags:
        found: Flags = self.marks["registered"]
        return found

    @property
    def lasts(self) -> Numbers:
        """Where each account's last mark is."""
        found: Numbers = np.append(self.starts[1:], len(self.marks)) - 1
        return found

    @property
    def elicits(self) -> Flags:
        found: Flags = self.marks["elicitation"] > PLAIN
        return found

    def summed(self, values: npt.NDArray[Any]) -> Numbers:
        """(marks) -> (accounts)."""
        found: Numbers = np.add.reduceat(values.astype(np.int64), self.starts)
        return found


def columns(marks: Iterable[Mark]) -> Columns:
    """Puts marks in order, whatever order they came in. There is at least one."""
    ordered = sorted(marks, key=lambda mark: (mark.account, mark.ts_ms, mark.request, mark))
    names: list[str] = []
    of = np.empty(len(ordered), dtype=np.int64)
    for at, mark in enumerate(ordered):
        if not names or mark.account != names[-1]:
            names.append(mark.account)
        of[at] = len(names) - 1
    starts = np.flatnonzero(np.append(True, of[1:] != of[:-1])).astype(np.int64)
    table = np.array([_values(mark) for mark in ordered], dtype=_MARK)
    rows = [(*mark.system, *mark.user) for mark in ordered]
    sketches = np.array(rows, dtype=np.uint64).reshape(len(ordered), PLACES)
    hashes = np.array([zlib.crc32(name.encode("utf-8", "surrogatepass")) for name in names], dtype=np.uint64)
    return Columns(tuple(names), starts, of, hashes, table, sketches)


def runs(keys: npt.NDArray[Any]) -> tuple[Numbers, Numbers]:
    """Where each run of equal keys begins, and how long it is."""
    if not len(keys):
        return np.zeros(0, dtype=np.int64), np.zeros(0, dtype=np.int64)
    starts = np.append(0, np.flatnonzero(keys[1:] != keys[:-1]) + 1).astype(np.int64)
    return starts, np.diff(np.append(starts, len(keys)))
