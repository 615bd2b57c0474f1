"""How far a run is, left in its folder for whoever looks in from elsewhere.

``.progress.json`` holds {stage, done, total, note, at, stopped}; ``at`` is in seconds since 1970. It is
written about once a second and removed when the run is through. It is no artifact: no event speaks of it, and
nothing is resumed from it. After a kill it stays; the lock says whether a run is at work, not this file.
"""

from __future__ import annotations

import contextlib
import json
import os
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final, final

from inbond.recipes.watch import Watcher
from inbond.workspace import PRIVATE_FILE, RUN_PROGRESS

_EVERY_S: Final = 1.0


@contextlib.contextmanager
def telling(folder: Path, watcher: Watcher) -> Iterator[Watcher]:
    """Yields a watcher that tells ``watcher`` everything, and the file. ``folder`` is the run's, locked."""
    told = _Told(folder / RUN_PROGRESS, watcher)
    try:
        yield told
    except BaseException:
        told.stop()
        raise
    told.through()


@final
class _Told:
    """A Watcher around another one. Never raises: a full disk must not end a run for the sake of this."""

    def __init__(self, place: Path, watcher: Watcher) -> None:
        self.place = place
        self._watcher = watcher
        self._beside = place.with_name(f"{RUN_PROGRESS}.new")
        self._last_s = 0.0
        self._value: dict[str, Any] = {"stage": "", "done": 0, "total": 0, "note": "", "stopped": False}
        self._write()

    def begin(self, stage: str) -> None:
        self._watcher.begin(stage)
        self._value |= {"stage": stage, "done": 0, "total": 0, "note": ""}
        self._write()

    def advance(self, stage: str, done: int, total: int, note: str) -> None:
        self._watcher.advance(stage, done, total, note)
        self._value |= {"stage": stage, "done": done, "total": total, "note": note}
        if time.monotonic() - self._last_s >= _EVERY_S:
            self._write()

    def end(self, stage: str, seconds: float, *, made: bool) -> None:
        self._watcher.end(stage, seconds, made=made)

    def say(self, text: str) -> None:
        self._watcher.say(text)

    def through(self) -> None:
        """The run is complete: nothing is left to tell."""
        for left in (self._beside, self.place):
            with contextlib.suppress(OSError):
                left.unlink(missing_ok=True)

    def stop(self) -> None:
        """The run was stopped by an error or a person."""
        self._value["stopped"] = True
        self._write()

    def _write(self) -> None:
        self._last_s = time.monotonic()
        beside = self._beside
        with contextlib.suppress(OSError):
            handle = os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, PRIVATE_FILE)
            with open(handle, "w", encoding="utf-8") as file:
                json.dump(self._value | {"at": time.time()}, file)
            beside.replace(self.place)
