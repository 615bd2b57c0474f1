"""Which runs there are, and how each came out. Kept in memory; only folders that changed are read again.

Whatever changes what is said here replaces a file in the run's folder, and so changes the folder's time. A
folder that changed a moment ago is read again next time too, since clocks of file systems are coarse.
"""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final, Literal, final

from inbond.recipes.plan import RESULT
from inbond.ui.locks import held
from inbond.ui.reading import Unreadable, folders_in, legible, number, read_object, text
from inbond.workspace import RUN_PROGRESS

State = Literal["running", "interrupted", "done", "stopped", "unreadable"]
STATES: Final[tuple[State, ...]] = ("running", "interrupted", "done", "stopped", "unreadable")
_COARSE_NS: Final = 2_000_000_000


@final
@dataclass(frozen=True, slots=True)
class Run:
    """One run's line. ``at`` is when its folder changed last, in seconds since 1970; numbers are None where
    they were not measured."""

    name: str
    state: State
    at: float
    outcome: str = ""
    verdict: str = ""
    kl: float | None = None
    agreement: float | None = None
    tokens: int | None = None
    seconds: float | None = None
    stages: tuple[str, ...] = ()
    """Of a pipeline: its stages' runs."""
    problem: str = ""


@final
@dataclass(frozen=True, slots=True)
class _Kept:
    mark: tuple[int, int]
    settled: bool
    run: Run


@final
class RunIndex:
    """The runs of one workspace. Safe to use from several threads."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._turn = threading.Lock()
        self._kept: dict[str, _Kept] = {}
        self._order: list[Run] = []

    def all(self) -> Sequence[Run]:
        """The newest first; none where there is no folder of runs."""
        with self._turn:
            changed = self._refresh()
            if changed:
                runs = (kept.run for kept in self._kept.values())
                self._order = sorted(runs, key=lambda run: (-run.at, run.name))
            return self._order

    def find(self, name: str) -> Run | None:
        """One run, as it is now. Only names of folders that lie there are found."""
        runs, kept = self.all(), self._kept.get(name)
        if kept is not None:
            return kept.run
        return next((run for run in runs if legible(run.name) == name), None)

    def _refresh(self) -> bool:
        now, changed, seen = time.time_ns(), False, set()
        for name, told in folders_in(self._folder):
            seen.add(name)
            mark, kept = (told.st_mtime_ns, told.st_ino), self._kept.get(name)
            if kept is not None and kept.settled and kept.mark == mark:
                continue
            run = read(self._folder / name, told.st_mtime)
            settled = now - told.st_mtime_ns > _COARSE_NS and run.state not in ("running", "interrupted")
            self._kept[name] = _Kept(mark, settled, run)
            changed = changed or kept is None or kept.run != run
        for name in self._kept.keys() - seen:
            del self._kept[name]
            changed = True
        return changed


def read(folder: Path, at: float) -> Run:
    """What one run's folder says."""
    try:
        result = read_object(folder / RESULT)
    except FileNotFoundError:
        return Run(folder.name, _unfinished(folder), at)
    except Unreadable as error:
        return Run(folder.name, "unreadable", at, problem=str(error))
    run = _of_result(folder.name, at, result)
    working = os.path.lexists(folder / RUN_PROGRESS) and held(folder / ".lock")
    return replace(run, state="running") if working else run


def _unfinished(folder: Path) -> State:
    return "running" if held(folder / ".lock") else "interrupted"


def _of_result(name: str, at: float, result: dict[str, Any]) -> Run:
    metrics, seconds = _object(result.get("metrics")), _object(result.get("seconds"))
    outcome, stages = text(result.get("outcome")), result.get("stages")
    state: State = "stopped" if result.get("stopped_by") or outcome == "stopped" else "done"
    took = [value for value in map(number, seconds.values()) if value is not None]
    tokens = result.get("tokens")
    return Run(
        name, state, at, outcome, text(result.get("verdict")), number(metrics.get("kl_after")),
        number(metrics.get("agreement_after")), tokens if isinstance(tokens, int) else None,
        sum(took) if took else None,
        tuple(text(_object(each).get("run")) for each in stages) if isinstance(stages, list) else (),
    )  # fmt: skip


def _object(value: object) -> dict[str, Any]:
    return value if isinstance(value, dict) else {}


@final
@dataclass(frozen=True)
class Wanted:
    """What somebody looks for among runs: words that are in its name or outcome, a state ("" any)."""

    words: str = ""
    state: str = ""

    def among(self, runs: Sequence[Run]) -> Sequence[Run]:
        """Those that fit, in their order."""
        if not self.words and not self.state:
            return runs
        words = self.words.casefold().split()
        return [
            run
            for run in runs
            if (not self.state or run.state == self.state)
            and all(word in f"{run.name} {run.outcome} {run.verdict}".casefold() for word in words)
        ]
