"""Sessions in worlds where the truth is known: what panels are worth, and whether the code says what is so.

Every item is a whole session: prompts, ladder, transcript on disk, count. Beside it the draws of the best
seat are a session of one round. The very same items and first beliefs come again in all cells of one
competence and correlation, so that conformity is compared on equals.
"""

from __future__ import annotations

import asyncio
import itertools
import math
import statistics
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import roundtable_figures as figures
from roundtable_trials import repeat_of, trial_of
from roundtable_world import Truth, Voter, World, outcome, right_by_arithmetic

from inbond.roundtable import table
from inbond.roundtable.session import Seat, Session
from inbond.teachers.protocols import Price
from inbond.teachers.scripted import Scripted

COMPETENCE: Final = (0.55, 0.7, 0.9)
CORRELATION: Final = (0.0, 0.3, 0.6)
CONFORMITY: Final = (0.0, 0.4, 0.85)
MERIT: Final = 0.3
ITEMS: Final = 120
PRICE: Final = Price(0.5, 1.5)
"""US dollars a million tokens: invented, as the world is."""
_FAR: Final = 4.0
"""Standard errors beyond which a measured share is not what the world's arithmetic says."""


@dataclass(frozen=True)
class Checked:
    """How many sessions were compared with the world, and what did not agree."""

    sessions: int
    changes: int
    bandwagons: int
    problems: tuple[str, ...]


@dataclass(frozen=True)
class Cell:
    """One world, and what was measured in it."""

    world: World
    found: dict[str, Any]
    checked: Checked
    draws: tuple[int, ...]

    def to_json(self) -> dict[str, Any]:
        return {
            "world": vars(self.world),
            "draws": list(self.draws),
            "first_vote_by_arithmetic": right_by_arithmetic(self.world),
            **self.found,
            "checked": vars(self.checked) | {"problems": list(self.checked.problems)},
        }


def worlds(*, small: bool, seed: int) -> tuple[World, ...]:
    """The grid, in which talk is noise, and worlds in which what is right persuades more; a small one has the
    corners, and one of the others."""
    axes = [axis[:: len(axis) - 1] if small else axis for axis in (COMPETENCE, CORRELATION, CONFORMITY)]
    noise = [World(a, b, c, seed=seed) for a, b, c in itertools.product(*axes)]
    ends = itertools.product(COMPETENCE, CONFORMITY[:: len(CONFORMITY) - 1])
    merit = [World(a, CORRELATION[1], c, merit=MERIT, seed=seed) for a, c in ends]
    return (*noise, *(merit[:1] if small else merit))


def grid(items: int, *, small: bool = False, seed: int = 0) -> list[Cell]:
    """Measures all worlds, one after the other."""
    found = []
    for world in worlds(small=small, seed=seed):
        began = time.monotonic()
        with tempfile.TemporaryDirectory() as folder:
            found.append(asyncio.run(measured(world, items, Path(folder))))
        print(f"{name_of(world)}: {time.monotonic() - began:.1f} s", file=sys.stderr)
    return found


def name_of(world: World) -> str:
    said = f"competence {world.competence}, correlation {world.correlation}, conformity {world.conformity}"
    return said + (f", merit {world.merit}" if world.merit else "")


async def measured(world: World, items: int, folder: Path) -> Cell:
    """Puts ``items`` items to the panel, then to the draws of the best seat."""
    trials, checks = [], []
    for item in range(items):
        session = await panel(world, item, folder / f"panel-{item}")
        question = world.question(item)
        truth = next(each.id for each in question.options if each.label == world.truth(item))
        trials.append(trial_of(str(item), truth, session))
        checks.append((item, session))
    best = figures.best_of_other_half(trials)
    draws = {seat: figures.draws_for(trials, seat) for seat in set(best)}
    repeats = []
    for item, seat in enumerate(best):
        session = await drawn(world, item, seat, draws[seat], folder / f"draws-{item}")
        repeats.append(repeat_of(str(item), seat, session))
    found = figures.figures(trials, best, repeats)
    return Cell(world, found, check(world, checks, found), tuple(sorted(draws.values())))


async def panel(world: World, item: int, folder: Path) -> Session:
    """All seats on one item, two rounds."""
    voters = {name: Voter(world, item, seat) for seat, name in enumerate(world.names())}
    return await _held(world, item, voters, 2, folder)


async def drawn(world: World, item: int, seat: str, draws: int, folder: Path) -> Session:
    """One seat on one item, drawn so often; the first draw is its first vote."""
    number = world.names().index(seat)
    voters = {f"draw-{draw + 1}": Voter(world, item, number, draw) for draw in range(draws)}
    return await _held(world, item, voters, 1, folder)


async def _held(world: World, item: int, voters: dict[str, Voter], rounds: int, folder: Path) -> Session:
    sat = {name: Scripted(voter, identity=name, price=PRICE) for name, voter in voters.items()}
    seats = [Seat(name, f"api:127.0.0.1:1/{name}") for name in voters]
    return await table.run(world.question(item), seats, sat, folder, rounds=rounds, seed=item)


# What the code says, and what is so ------------------------------------------------------------------


def check(world: World, sessions: Sequence[tuple[int, Session]], found: dict[str, Any]) -> Checked:
    """Compares every session with what the world says that it came to, and the first vote with arithmetic."""
    problems = [
        f"{name_of(world)}, item {item}: {said}"
        for item, session in sessions
        for said in differences(outcome(world, item), session)
    ]
    return Checked(len(sessions), found["changed"], found["bandwagon"], tuple(problems + _far(world, found)))


def differences(truth: Truth, session: Session) -> list[str]:
    """What of a session is not as the world has it, in words."""
    labels = {option.id: option.label for option in session.question.options}
    result = session.result
    assert result is not None, "the session is over"
    told = {
        "first votes": (_votes(session, labels, 0), dict(truth.first)),
        "last votes": (_votes(session, labels, -1), dict(truth.last)),
        "statuses": ({seat.name: seat.turns[-1].status for seat in session.seats}, dict(truth.status)),
        "rounds": (session.rounds_held, truth.rounds),
        "tally": ({labels[id_]: n for id_, n in result.tally.items() if n}, _tally(truth.last.values())),
        "first tally": (
            {labels[id_]: n for id_, n in result.round1.items() if n},
            _tally(truth.first.values()),
        ),
        "outcome": ((result.outcome, labels.get(result.winner or "")), (truth.outcome, truth.winner)),
        "turning points": (
            {
                (point.seat, labels[point.was or ""], labels[point.now or ""], point.by, point.bandwagon)
                for point in session.turning_points
            },
            set(truth.points),
        ),
    }
    return [f"{what}: {said}, not {so}" for what, (said, so) in told.items() if said != so]


def _votes(session: Session, labels: dict[str, str], turn: int) -> dict[str, str | None]:
    return {
        seat.name: labels.get((ballot.vote if (ballot := seat.turns[turn].ballot) else None) or "")
        for seat in session.seats
    }


def _tally(votes: Any) -> dict[str, int]:
    return dict(Counter(vote for vote in votes if vote is not None))


def _far(world: World, found: dict[str, Any]) -> list[str]:
    expected, items = right_by_arithmetic(world), found["items"]
    measured_share = found["ways"]["first vote"]["accuracy"]
    errors = abs(measured_share - expected) / math.sqrt(expected * (1 - expected) / items)
    if errors < _FAR:
        return []
    return [f"{name_of(world)}: the first vote is right {measured_share:.3f}, by arithmetic {expected:.3f}"]


# In words --------------------------------------------------------------------------------------------


def lines(cells: Sequence[Cell]) -> list[str]:
    """A table of cells, and whether the code agrees with the truth."""
    said = [
        "| competence | correlation | conformity | merit | single | consistency (draws) "
        "| first vote (arithmetic) | second | harm, seats | outcomes "
        "| effective votes, first, last | bandwagon |",
        "|--|--|--|--|--|--|--|--|--|--|--|--|",
        *map(_row, cells),
        "",
    ]
    checked = [cell.checked for cell in cells]
    problems = [problem for each in checked for problem in each.problems]
    sessions, changes = sum(each.sessions for each in checked), sum(each.changes for each in checked)
    flagged = sum(each.bandwagons for each in checked)
    said.append(
        f"check {'FAILED' if problems else 'passed'}: {sessions} sessions, {changes} changed votes, "
        f"{flagged} bandwagons; {len(problems)} statements of the code that are not so in the world"
    )
    return said + problems[:10] + ["", *_means(cells), "", *_over_all(cells)]


def _row(cell: Cell) -> str:
    world, found, ways = cell.world, cell.found, cell.found["ways"]
    worth = [found["effective_votes"][when]["votes"] for when in ("first", "last")]
    return (
        f"| {world.competence} | {world.correlation} | {world.conformity} | {world.merit} "
        f"| {ways['best single']['accuracy']:.2f} | {ways['self-consistency']['accuracy']:.2f} "
        f"({'/'.join(map(str, cell.draws))}) | {ways['first vote']['accuracy']:.2f} "
        f"({right_by_arithmetic(world):.2f}) | {ways['second vote']['accuracy']:.2f} "
        f"| {rate(found['harm_seats']['harm_rate'])} | {rate(found['harm_outcomes']['harm_rate'])} "
        f"| {', '.join('?' if each is None else f'{each:.1f}' for each in worth)} "
        f"| {rate(found['bandwagon_share'])} |"
    )


def _means(cells: Sequence[Cell]) -> list[str]:
    """Mean accuracy over all worlds that have one chance in common."""
    said = [f"| worlds with | {' | '.join(figures.NAMES)} |", f"|--|{'--|' * len(figures.NAMES)}"]
    for axis in ("competence", "correlation", "conformity", "merit"):
        counted = [cell for cell in cells if axis == "merit" or not cell.world.merit]
        for value in dict.fromkeys(getattr(cell.world, axis) for cell in counted):
            some = [cell.found["ways"] for cell in counted if getattr(cell.world, axis) == value]
            means = (statistics.fmean(ways[name]["accuracy"] for ways in some) for name in figures.NAMES)
            said.append(f"| {axis} {value} | {' | '.join(f'{mean:.3f}' for mean in means)} |")
    return said


def rate(value: float | None) -> str:
    """A share, "-" where there is nothing that it could be a share of."""
    return "-" if value is None else f"{value:.2f}"


def _over_all(cells: Sequence[Cell]) -> list[str]:
    """Who won in how many worlds, beyond chance. Worlds that differ in their second round alone are one where
    only the first is compared."""
    pairs = dict.fromkeys((each["one"], each["other"]) for each in cells[0].found["contests"])
    said = []
    for pair in pairs:
        some = cells if "second vote" in pair else _first_rounds(cells)
        for merit, words in ((False, "talk is noise"), (True, "what is right persuades more")):
            found = [_contest(cell, pair) for cell in some if bool(cell.world.merit) == merit]
            if found:
                said.append(f"{pair[0]} against {pair[1]}, {words}: {_counted(found)}")
    return said


def _first_rounds(cells: Sequence[Cell]) -> list[Cell]:
    """One cell of those whose first rounds are the same."""
    distinct = {(cell.world.competence, cell.world.correlation): cell for cell in reversed(cells)}
    return [cell for cell in cells if any(cell is one for one in distinct.values())]


def _contest(cell: Cell, pair: tuple[str, str]) -> dict[str, Any]:
    contests: list[dict[str, Any]] = cell.found["contests"]
    return next(each for each in contests if (each["one"], each["other"]) == pair)


def _counted(found: Sequence[dict[str, Any]]) -> str:
    verdicts = Counter(each["verdict"] for each in found)
    mean = 100 * sum(each["difference"] for each in found) / len(found)
    return (
        f"won in {verdicts['won']}, lost in {verdicts['lost']}, cannot be told apart in "
        f"{verdicts['cannot be told apart']} of {len(found)} worlds; mean {mean:+.1f} points"
    )
