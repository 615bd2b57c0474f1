"""Live progress of generation on stderr: a bar on a terminal, a line now and then in a pipe."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Iterator

from rich.console import Console
from rich.progress import BarColumn, TextColumn
from rich.progress import Progress as Bars

from inbond.cli.output import Output
from inbond.engine.results import Progress

LINE_EVERY_S = 10.0


@contextlib.contextmanager
def showing(output: Output, what: str) -> Iterator[Callable[[Progress], None]]:
    """Yields the function to hand to ``complete_all``. Shows nothing when quiet."""
    console = output.console
    if console.quiet:
        yield _nothing
    elif console.is_terminal and not console.is_dumb_terminal:
        with _bar(console, what) as show:
            yield show
    else:
        yield _lines(console, what)


def describe(progress: Progress) -> str:
    """One line for a person: what is done, how fast, what it costs, how long it will take."""
    words = [f"{progress.done}/{progress.total}"]
    if progress.from_journal:
        words.append(f"{progress.from_journal} from the journal")
    if progress.failed:
        words.append(f"{progress.failed} failed")
    if progress.tokens:
        words.append(f"{progress.tokens_per_s:,.0f} tokens/s")
    if progress.cost_usd:
        left = "" if not progress.cost_left_usd else f", about ${progress.cost_left_usd:.4f} to come"
        words.append(f"${progress.cost_usd:.4f} so far{left}")
    if progress.waiting_s >= 1:
        words.append(f"the host asked for {progress.waiting_s:.0f} s of rest")
    if progress.seconds_left and progress.done < progress.total:
        words.append(f"about {_duration(progress.seconds_left)} left")
    return ", ".join(words)


def _nothing(progress: Progress) -> None:
    """What --quiet shows."""
    del progress


@contextlib.contextmanager
def _bar(console: Console, what: str) -> Iterator[Callable[[Progress], None]]:
    columns = (TextColumn("{task.fields[what]}", markup=False), BarColumn(), TextColumn("{task.description}"))
    with Bars(*columns, console=console, transient=True) as bars:
        task = bars.add_task("", what=what, total=None)
        yield lambda progress: bars.update(
            task, completed=progress.done, total=progress.total, description=describe(progress)
        )


def _lines(console: Console, what: str) -> Callable[[Progress], None]:
    """The first news at once, then a line about every ten seconds, and the last one."""
    last_s = float("-inf")

    def show(progress: Progress) -> None:
        nonlocal last_s
        now_s = time.monotonic()
        ended = progress.done == progress.total
        if ended or now_s - last_s >= LINE_EVERY_S:
            last_s = now_s
            console.print(f"{what}: {describe(progress)}", markup=False)

    return show


def _duration(seconds: float) -> str:
    if seconds < 90:
        return f"{seconds:.0f} s"
    if seconds < 5400:
        return f"{seconds / 60:.0f} min"
    return f"{seconds / 3600:.1f} h"
