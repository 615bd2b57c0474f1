"""A session on the terminal while it runs: a line for each seat; in a pipe a line for each turn that ends.

Votes are shown when their round is over, not before: whoever looks on learns no more than the seats.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from typing import final

from rich.console import Console
from rich.live import Live
from rich.table import Table
from rich.text import Text

from inbond.cli.output import Output, printable
from inbond.cli.roundtable_told import cost_told, how_far
from inbond.report.text import one_line
from inbond.roundtable.session import Seat, Session, Turn

Progress = Callable[[Session], None]


@contextlib.contextmanager
def watching(output: Output) -> Iterator[Progress]:
    """Yields what a table tells its progress to, as suits where stderr goes."""
    console = output.console
    if console.is_terminal and not console.is_dumb_terminal and not console.quiet:
        with Live(console=console, transient=True, auto_refresh=False) as live:
            yield lambda session: live.update(picture(session), refresh=True)
    else:
        yield InPipe(console).tell


def picture(session: Session) -> Table:
    """The table as it stands: seats, how each stands, votes of rounds that are over, cost."""
    over = rounds_over(session)
    grid = Table(box=None, pad_edge=False, title=_title(session), title_justify="left", title_style="")
    for head in ("seat", "now", "first vote", "second vote"):
        grid.add_column(head, overflow="ellipsis", no_wrap=True, header_style="dim")
    for seat in session.seats:
        votes = [_vote(seat, number, session) if number <= over else "" for number in (1, 2)]
        grid.add_row(
            *(Text(printable([one_line(each)])) for each in (seat.name, _now(seat, session), *votes))
        )
    return grid


def rounds_over(session: Session) -> int:
    """How many rounds are over, so that their votes may be shown."""
    return session.rounds_held


def _title(session: Session) -> Text:
    told = "summing up" if session.result is not None else how_far(session)
    return Text(f"{told}, {one_line(cost_told(session))}")


def _now(seat: Seat, session: Session) -> str:
    if seat.name in session.in_flight:
        return "asked"
    turn = seat.last
    if turn is None:
        return "waits"
    return "answered" if turn.status in ("voted", "abstained") else turn.status


def _vote(seat: Seat, number: int, session: Session) -> str:
    turn = next((each for each in seat.turns if each.round == number), None)
    return "" if turn is None else vote_words(turn, session)


def vote_words(turn: Turn, session: Session) -> str:
    """A vote's label, or what came instead of one."""
    if turn.status == "voted" and turn.ballot is not None and turn.ballot.vote is not None:
        return session.question.option(turn.ballot.vote).label
    return turn.status


@final
class InPipe:
    """A line at the end of each turn, and the votes at the end of each round."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._turns: set[tuple[str, int]] = set()
        self._rounds = 0
        self._counted = False

    def tell(self, session: Session) -> None:
        """Says what is new."""
        for seat in session.seats:
            for turn in seat.turns:
                if (seat.name, turn.round) not in self._turns:
                    self._turns.add((seat.name, turn.round))
                    self._say(f"round {turn.round}: {seat.name}: {_state(turn)}, {turn.seconds:.1f} s")
        while self._rounds < rounds_over(session):
            self._rounds += 1
            told = ((seat.name, _vote(seat, self._rounds, session)) for seat in session.seats)
            votes = "; ".join(f"{name}: {vote}" for name, vote in told if vote)
            self._say(f"round {self._rounds} is over: {votes} ({cost_told(session)})")

    def _say(self, text: str) -> None:
        self._console.print(printable([one_line(text)]), markup=False)


def _state(turn: Turn) -> str:
    return "answered" if turn.status in ("voted", "abstained") else f"{turn.status} ({turn.why[:200]})"
