"""Verifications that the site runs: one at a time, in a thread beside the pages, ended when nobody looks.

They are those of ``inbond verify``, without a key, a head or a signature of one's own.
"""

from __future__ import annotations

import threading
import time
from collections import OrderedDict
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final, final

from inbond.errors import InbondError
from inbond.ledger.verify import Trust, VerifyReport, find_target, verify_target
from inbond.report import wording
from inbond.workspace import Workspace

MOST_KEPT: Final = 20


@final
class _Left(Exception):
    """Whoever asked is not there any more."""


@final
@dataclass(frozen=True)
class Outcome:
    """How one ended: with a ``report``, or, where nothing could be verified, with the ``refusal`` that says
    why. ``target`` is a run's name, "" the whole workspace; ``at`` in UTC; it took ``seconds``."""

    number: int
    target: str
    at: str
    seconds: float
    report: VerifyReport | None
    refusal: InbondError | None

    @property
    def ok(self) -> bool:
        """Whether all was as it was signed."""
        return self.report is not None and self.report.ok


@final
@dataclass(frozen=True)
class Step:
    """How far one is. ``left_s`` is None as long as nobody can tell."""

    what: str
    done: int
    total: int
    rate: float
    left_s: float | None

    @property
    def words(self) -> str:
        """For a person."""
        if not self.total:
            return "looking over the ledger's file"
        left = "" if self.left_s is None else f", about {wording.duration(self.left_s)} left for these"
        return f"{self.done:,} of {self.total:,} {self.what}, {self.rate:,.0f} a second{left}"


@final
class Going:
    """A verification under way."""

    def __init__(self, workspace: Workspace, target: str, number: int) -> None:
        self.target = target
        self.outcome: Outcome | None = None
        self.error: Exception | None = None
        self.over = threading.Event()
        self._workspace, self._number = workspace, number
        self._left = threading.Event()
        self._what, self._since = "", (0.0, 0)
        self._step = Step("", 0, 0, 0.0, None)

    @property
    def step(self) -> Step:
        """How far it is."""
        return self._step

    def leave(self) -> None:
        """Nobody looks any more: it ends soon, without an outcome."""
        self._left.set()

    def run(self) -> None:
        """Verifies."""
        begun, at = time.monotonic(), datetime.now(UTC).strftime("%Y-%m-%d %H:%M:%S")
        report, refusal = None, None
        try:
            try:
                target = find_target(f"run:{self.target}" if self.target else None, self._workspace)
                report = verify_target(target, Trust(), self._watch)
            except InbondError as error:
                refusal = error
            took = time.monotonic() - begun
            self.outcome = Outcome(self._number, self.target, at, took, report, refusal)
        except _Left:
            pass
        except Exception as error:
            self.error = error
        finally:
            self.over.set()

    def _watch(self, what: str, done: int, total: int) -> None:
        if self._left.is_set():
            raise _Left
        now = time.monotonic()
        if what != self._what:
            self._what, self._since = what, (now, done)
        passed, seen = now - self._since[0], done - self._since[1]
        rate = seen / passed if passed > 0 else 0.0
        left = (total - done) / rate if rate and passed > 1 else None
        self._step = Step(what, done, total, rate, left)


@final
class Verifier:
    """The verifications of one site. Safe to use from several threads."""

    def __init__(self, workspace: Workspace) -> None:
        self._workspace = workspace
        self._turn = threading.Lock()
        self._going: Going | None = None
        self._kept: OrderedDict[int, Outcome] = OrderedDict()
        self._count = 0

    def begin(self, target: str) -> Going | None:
        """Verifies a run, or all ("") ; None while another is under way."""
        with self._turn:
            if self.going() is not None:
                return None
            self._count += 1
            made = self._going = Going(self._workspace, target, self._count)
        threading.Thread(target=made.run, name="verify", daemon=True).start()
        return made

    def going(self) -> Going | None:
        """The one that is under way."""
        return None if self._going is None or self._going.over.is_set() else self._going

    def keep(self, outcome: Outcome) -> None:
        """Kept while the site runs, the latest few."""
        self._kept[outcome.number] = outcome
        while len(self._kept) > MOST_KEPT:
            self._kept.popitem(last=False)

    def kept(self) -> list[Outcome]:
        """The latest first."""
        return list(reversed(self._kept.values()))
