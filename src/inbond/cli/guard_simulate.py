"""``inbond guard simulate``: made-up traffic, lawful and not, to judge a detector by."""

from __future__ import annotations

import contextlib
import io
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, final

import typer
from rich.progress import BarColumn, Progress, TextColumn

from inbond.cli.output import HomeOption, JsonOption, Output, QuietOption, check_place, open_workspace
from inbond.workspace import replacing

if TYPE_CHECKING:
    from inbond.guard.simulate import Row, Scenario

_TELL_EVERY_S = 10.0
_LOOK_EVERY = 500


def simulate(
    scenario: Annotated[str, typer.Option(help="all, lawful, illicit or one profile; may have commas.")],
    out: Annotated[Path, typer.Option(help="File for the rows, JSON lines; written anew.")],
    seed: Annotated[int, typer.Option(help="The same seed gives the same bytes.")] = 0,
    days: Annotated[float, typer.Option(help="How long, from Monday, 7 September 2026, 00:00 UTC.")] = 1.0,
    scale: Annotated[float, typer.Option(help="Times as many tenants, or accounts of a campaign.")] = 1.0,
    volume: Annotated[float, typer.Option(help="Times as many requests an account.")] = 1.0,
    most: Annotated[
        float | None, typer.Option(help="No account is meant to send more than this a day.")
    ] = None,
    purity: Annotated[
        float | None, typer.Option(help="Illicit share of an illicit profile's requests, instead of its own.")
    ] = None,
    paraphrase: Annotated[bool, typer.Option(help="Illicit requests are each worded anew.")] = False,
    jitter: Annotated[bool, typer.Option(help="Illicit accounts keep a person's hours and pauses.")] = False,
    own_cards: Annotated[bool, typer.Option(help="Illicit accounts share no card.")] = False,
    own_clients: Annotated[bool, typer.Option(help="Illicit accounts name clients that people use.")] = False,
    aged: Annotated[bool, typer.Option(help="Illicit accounts signed up over a year.")] = False,
    held_out: Annotated[bool, typer.Option(help="Phrasings that no detector was built on.")] = False,
    home: HomeOption = None,
    as_json: JsonOption = False,
    quiet: QuietOption = False,
) -> int:
    """Write simulated traffic in the format that guard evaluate reads, with the truth beside each row.

    Nothing in it was anybody's: texts come from grammars, arrival times and sizes from a public trace.

    Example: inbond guard simulate --scenario all --scale 0.05 --volume 0.1 --out traffic.jsonl
    """
    from inbond.guard.simulate import Scenario, choose

    names = tuple(dict.fromkeys(name for each in scenario.split(",") for name in choose(each.strip())))
    what = Scenario(
        names, days, scale, volume, most, purity, paraphrase=paraphrase, jitter=jitter, own_cards=own_cards,
        own_clients=own_clients, aged=aged, held_out=held_out,
    )  # fmt: skip
    check_place("--out", out, open_workspace(home))
    output, counts = Output(as_json, quiet), Counts()
    with replacing(out) as place, place.open("w", encoding="utf-8", newline="\n") as file:
        _write(what, seed, file, counts, output)
    summary = counts.to_json()
    output.result({"file": str(out), **summary}, _table(summary, out))
    return 0


@final
class Counts:
    """How many rows of what were written. Holds the accounts' names."""

    def __init__(self) -> None:
        self._rows: Counter[tuple[str, bool, bool]] = Counter()
        self._tokens: Counter[str] = Counter()
        self._accounts: dict[str, set[str]] = {}

    def add(self, row: Row) -> None:
        """Counts one more."""
        truth = row.truth
        self._rows[truth.profile, truth.lawful, truth.illicit] += 1
        self._tokens[truth.profile] += row.output_tokens
        self._accounts.setdefault(truth.profile, set()).add(row.account)

    def to_json(self) -> dict[str, Any]:
        """{rows, accounts, by_profile{name: {lawful, rows, illicit, accounts, output_tokens}}}."""
        lawful = {name: is_lawful for name, is_lawful, _ in self._rows}
        by_profile = {
            name: {
                "lawful": lawful[name],
                "rows": self._rows[name, lawful[name], False] + self._rows[name, lawful[name], True],
                "illicit": self._rows[name, lawful[name], True],
                "accounts": len(accounts),
                "output_tokens": self._tokens[name],
            }
            for name, accounts in sorted(self._accounts.items())
        }
        return {
            "rows": sum(self._rows.values()),
            "accounts": sum(len(accounts) for accounts in self._accounts.values()),
            "by_profile": by_profile,
        }


def _write(what: Scenario, seed: int, file: io.TextIOBase, counts: Counts, output: Output) -> None:
    from inbond.guard.simulate import START_S, simulate

    with _telling(output) as tell:
        for number, row in enumerate(simulate(what, seed), 1):
            file.write(row.line() + "\n")
            counts.add(row)
            if number % _LOOK_EVERY == 0:
                tell(number, (row.ts - START_S) * 1_000 / what.lasts_ms)


@contextlib.contextmanager
def _telling(output: Output) -> Iterator[Any]:
    """Yields tell(rows, share): a bar on a terminal, else a line now and then."""
    console, started = output.console, time.monotonic()
    live = console.is_terminal and not console.is_dumb_terminal and not console.quiet
    columns = (BarColumn(24), TextColumn("{task.description}", markup=False))
    with Progress(*columns, console=console, transient=True, disable=not live) as bar:
        task, told = bar.add_task("", total=1.0), started

        def tell(rows: int, share: float) -> None:
            nonlocal told
            now = time.monotonic()
            words = _progress(rows, share, now - started)
            bar.update(task, completed=share, description=words)
            if not live and now - told >= _TELL_EVERY_S:
                told = now
                output.say(words)

        yield tell


def _progress(rows: int, share: float, seconds: float) -> str:
    left = seconds * (1 - share) / share if share > 0 else 0.0
    return (
        f"{rows:,} rows, {share:.0%} of the time, {rows / max(seconds, 1e-9):,.0f} rows/s, {left:.0f} s left"
    )


def _table(summary: dict[str, Any], out: Path) -> str:
    head = f"{'profile':<26} {'rows':>10} {'illicit':>10} {'accounts':>9}"
    lines = [
        f"{name:<26} {each['rows']:>10,} {each['illicit']:>10,} {each['accounts']:>9,}"
        for name, each in summary["by_profile"].items()
    ]
    return "\n".join([head, *lines, f"{summary['rows']:,} rows of {summary['accounts']:,} accounts in {out}"])
