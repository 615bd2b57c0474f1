"""A run on the terminal: a bar for the stage at work, a line for each one done; lines alone in a pipe."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Iterator
from typing import final

from rich.console import Console
from rich.progress import BarColumn, Progress, TaskID, TextColumn

from inbond.cli.output import Output
from inbond.recipes.watch import Watcher

LINE_EVERY_S = 10.0


@contextlib.contextmanager
def watching(output: Output) -> Iterator[Watcher]:
    """Yields a Watcher that suits where stderr goes."""
    console = output.console
    if console.is_terminal and not console.is_dumb_terminal and not console.quiet:
        columns = (TextColumn("{task.fields[stage]:<9}", markup=False), BarColumn(24))
        with Progress(
            *columns, TextColumn("{task.description}", markup=False), console=console, transient=True
        ) as bars:
            yield OnTerminal(console, bars)
    else:
        yield InPipe(console)


def _line(stage: str, seconds: float, made: bool) -> str:
    return f"{stage:<9} {seconds:6.1f} s" if made else f"{stage:<9} complete already"


@final
class OnTerminal:
    """One live bar."""

    def __init__(self, console: Console, bars: Progress) -> None:
        self._console = console
        self._bars = bars
        self._task: TaskID | None = None

    def begin(self, stage: str) -> None:
        self._task = self._bars.add_task("", stage=stage, total=None)

    def advance(self, stage: str, done: int, total: int, note: str) -> None:
        if self._task is not None:
            words = f"{done}/{total} {note}"
            self._bars.update(self._task, stage=stage, completed=done, total=total, description=words)

    def end(self, stage: str, seconds: float, *, made: bool) -> None:
        if self._task is not None:
            self._bars.remove_task(self._task)
            self._task = None
        self._console.print(_line(stage, seconds, made), markup=False)

    def say(self, text: str) -> None:
        self._console.print(text, markup=False)


@final
class InPipe:
    """A line at each stage's end, and about every ten seconds between."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._last_s = 0.0

    def begin(self, stage: str) -> None:
        self._last_s = time.monotonic()
        self._console.print(f"{stage}: started", markup=False)

    def advance(self, stage: str, done: int, total: int, note: str) -> None:
        now_s = time.monotonic()
        if now_s - self._last_s >= LINE_EVERY_S:
            self._last_s = now_s
            self._console.print(f"{stage}: {done}/{total} {note}", markup=False)

    def end(self, stage: str, seconds: float, *, made: bool) -> None:
        self._console.print(_line(stage, seconds, made), markup=False)

    def say(self, text: str) -> None:
        self._console.print(text, markup=False)
