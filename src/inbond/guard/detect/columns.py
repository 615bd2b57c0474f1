"""A window's marks in order and as columns, and the arithmetic that they share. Pure."""

from __future__ import annotations

import zlib
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property
from typing import Any, final

import numpy as np
import numpy.typing as npt

from inbond.guard.elicitation import PLAIN
from inbond.guard.marks import FOREIGN, NUMBERS, parts, ts_of
from inbond.guard.sketch import mixed

Numbers = npt.NDArray[np.int64]
Hashes = npt.NDArray[np.uint64]
Flags = npt.NDArray[np.bool_]


@final
@dataclass(frozen=True)
class Columns:
    """The marks of one window, by account and time. ``names``: its accounts in order; ``starts``: where each
    one's marks begin; ``of``: which account each mark is of; ``hashes``: a number for each account's name;
    ``marks``: their numbers, as ``marks.NUMBERS``."""

    names: tuple[str, ...]
    starts: Numbers
    of: Numbers
    hashes: Hashes
    marks: npt.NDArray[Any]

    @property
    def ts_ms(self) -> Numbers:
        found: Numbers = self.marks["ts_ms"]
        return found

    @property
    def party(self) -> Hashes:
        found: Hashes = self.marks["party"]
        return found

    @cached_property
    def talks(self) -> Hashes:
        """(marks): a number for what was said, and in which conversation."""
        return mixed(self.marks["conversation"] ^ texts(self.sketches))

    @cached_property
    def fresh(self) -> Flags:
        """Whether an account says this for the first time in the window: what is sent often is said once."""
        shown = self.marks["elicitation"] ^ (self.marks["envelopes"][:, 0] << np.uint64(8))
        key = mixed(self.talks ^ shown)
        order = np.lexsort((key, self.of))
        again = (key[order][1:] == key[order][:-1]) & (self.of[order][1:] == self.of[order][:-1])
        found = np.ones(len(order), dtype=np.bool_)
        found[order[1:][again]] = False
        return found

    @property
    def registered(self) -> Flags:
        found: Flags = self.marks["registered"] != 0
        return found

    @property
    def foreign(self) -> Flags:
        found: Flags = self.marks["sealed"] == FOREIGN
        return found

    @cached_property
    def sketches(self) -> Hashes:
        """(marks, parts): of the system and the user text."""
        return np.concatenate([self.marks["system"], self.marks["user"]], axis=1).astype(np.uint64)

    @property
    def lasts(self) -> Numbers:
        """Where each account's last mark is."""
        found: Numbers = np.append(self.starts[1:], len(self.marks)) - 1
        return found

    @property
    def elicits(self) -> Flags:
        found: Flags = self.marks["elicitation"] > PLAIN
        return found

    @property
    def judged(self) -> Flags:
        """Whether a request may be of a template: what elicits or replays is evidence of that alone."""
        return ~(self.registered | self.elicits | self.foreign)

    def summed(self, values: npt.NDArray[Any]) -> Numbers:
        """(marks) -> (accounts)."""
        found: Numbers = np.add.reduceat(values.astype(np.int64), self.starts)
        return found


def columns(marks: Iterable[bytes]) -> Columns:
    """Puts marks in order, whatever order they came in. There is at least one. Raises ValueError."""
    read = (parts(data) for data in marks)
    keyed = sorted((account, ts_of(numbers), request, numbers) for numbers, request, account in read)
    table = np.frombuffer(b"".join(each[3] for each in keyed), dtype=NUMBERS)
    names: list[str] = []
    of = np.empty(len(keyed), dtype=np.int64)
    for at, (account, *_) in enumerate(keyed):
        if not names or account != names[-1]:
            names.append(account)
        of[at] = len(names) - 1
    starts, _ = runs(of)
    hashes = np.array([zlib.crc32(name.encode("utf-8", "surrogatepass")) for name in names], dtype=np.uint64)
    return Columns(tuple(names), starts, of, hashes, table)


def texts(sketches: Hashes) -> Hashes:
    """(marks, parts) -> one number for each text; the same for the same text."""
    found = np.zeros(len(sketches), dtype=np.uint64)
    for part in range(sketches.shape[1]):
        found = mixed(found ^ sketches[:, part] ^ np.uint64(part << 40))
    return found


def runs(keys: npt.NDArray[Any]) -> tuple[Numbers, Numbers]:
    """Where each run of equal keys begins, and how long it is."""
    if not len(keys):
        return np.zeros(0, dtype=np.int64), np.zeros(0, dtype=np.int64)
    starts = np.append(0, np.flatnonzero(keys[1:] != keys[:-1]) + 1).astype(np.int64)
    return starts, np.diff(np.append(starts, len(keys)))
