"""A real table of small local models on questions with known answers; what was asked is kept.

Every item is a session with its transcript in the cache, under the digest of all that decides what is asked.
One that is closed is replayed, one that was cut off is resumed. When the panel is through, the draws of the
best seat are asked for, as many as cost the same tokens.
"""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final

import roundtable_figures as figures
from roundtable_items import Item, items
from roundtable_trials import Repeat, Trial, repeat_of, trial_of

import inbond.roundtable
from inbond.digest import of_bytes, of_value
from inbond.roundtable import table, transcript
from inbond.roundtable.places import check_table, embedded_seats, make_seat, split_seat
from inbond.roundtable.seating import Sitter, local_models, opener, seated
from inbond.roundtable.session import Seat, Session
from inbond.teachers.protocols import Completes
from inbond.workspace import cache_folder

ITEMS: Final = 12
SEATS: Final = 3
MOST_TEXT: Final = 60
"""Characters of each text of a reply: fewer than in a session, for the sake of time."""
TIMEOUT_S: Final = 7_200.0
"""So long that what else runs on the machine decides no vote."""
_DECIDES: Final = ("prompts.py", "prompts.toml", "forms.py", "due.py", "ladder.py", "calls.py", "question.py")


@dataclass(frozen=True)
class Table:
    """Who sits, and on what. ``source`` stands for the code that words what is asked."""

    seats: tuple[Seat, ...]
    items: tuple[Item, ...]
    source: str

    def folder(self) -> Path:
        """Where its sessions are kept: another one for other seats or code, not for other items."""
        seats = [[s.name, s.uri, s.persona, s.temperature, s.max_tokens, s.most_text] for s in self.seats]
        place = of_value({"seats": seats, "source": self.source}).removeprefix("sha256:")[:16]
        return cache_folder(os.environ) / "benchmarks" / "roundtable" / place


def source() -> str:
    """The digest of the code that decides what seats are asked."""
    folder = Path(str(inbond.roundtable.__file__)).parent
    return of_value({name: of_bytes((folder / name).read_bytes()) for name in _DECIDES})


def laid(given: Sequence[str], seats: int, count: int, most_text: int, seed: int) -> Table:
    """A table of seats given as NAME=URI, or of so many of the models on this machine. Raises InputError."""
    named = [make_seat(*split_seat(each)) for each in given]
    found = check_table(named) if named else embedded_seats(seats, "en", local_models())
    bounded = tuple(replace(seat, most_text=most_text) for seat in found)
    return Table(bounded, items(count, seed), source())


@dataclass(frozen=True)
class Measured:
    """What there is: all of the panel's trials, and of the draws."""

    trials: tuple[Trial, ...]
    best: tuple[str, ...]
    repeats: tuple[Repeat, ...]
    draws: Mapping[str, int]
    sitters: tuple[Seat, ...]
    seconds: float
    statuses: Mapping[str, int]

    def to_json(self, laid_: Table) -> dict[str, Any]:
        kinds = {item.name: item.kind for item in laid_.items}
        return {
            "seats": [
                {
                    "name": seat.name,
                    "uri": seat.uri,
                    "parameters": seat.parameters,
                    "temperature": seat.temperature,
                    "accuracy": figures.accuracy_of(self.trials, seat.name),
                }
                for seat in self.sitters
            ],
            "best": list(self.best),
            "draws": dict(self.draws),
            "seconds": self.seconds,
            "statuses": dict(self.statuses),
            "by_chance": _by_chance(laid_.items),
            **figures.figures(self.trials, self.best, self.repeats),
            "by_kind": _by_kind(self.trials, kinds),
            "trials": [
                {"item": t.item, "truth": t.truth, "first": dict(t.first), "last": dict(t.last)}
                for t in self.trials
            ],
        }


async def measured(laid_: Table) -> Measured:
    """Asks what was not asked yet. Raises InputError where no model can be opened."""
    async with seated(laid_.seats, opener()) as sitters:
        sessions = _Sessions(laid_.folder(), sitters)
        held = await sessions.all(
            laid_.items, lambda item: (f"panel-{_key(item)}", [each.seat for each in sitters])
        )
        trials = tuple(
            trial_of(item.name, item.truth(), session)
            for item, session in zip(laid_.items, held, strict=True)
        )
        best = figures.best_of_other_half(trials)
        draws = {seat: figures.draws_for(trials, seat) for seat in sorted(set(best))}
        chosen = {item.name: seat for item, seat in zip(laid_.items, best, strict=True)}
        again = await sessions.all(laid_.items, lambda item: _drawn(item, chosen[item.name], draws, sitters))
    repeats = tuple(
        repeat_of(item.name, chosen[item.name], session)
        for item, session in zip(laid_.items, again, strict=True)
    )
    seats = tuple(each.seat for each in sitters)
    seconds = sum(session.seconds for session in (*held, *again))
    return Measured(trials, best, repeats, draws, seats, seconds, _statuses(held))


def _drawn(
    item: Item, name: str, draws: Mapping[str, int], sitters: Sequence[Sitter]
) -> tuple[str, list[Seat]]:
    """The folder and the seats of one seat's draws: they differ in nothing but their names, which seed
    them."""
    seat = next(each.seat for each in sitters if each.seat.name == name)
    folder = f"draws-{draws[name]}-{of_value(name)[7:15]}-{_key(item)}"
    return folder, [replace(seat, name=f"draw-{number + 1}") for number in range(draws[name])]


def _key(item: Item) -> str:
    return of_value([item.text, list(item.options)])[7:23]


class _Sessions:
    """Holds sessions, or finds them held. Draws of a seat go to the model that the seat has."""

    def __init__(self, folder: Path, sitters: Sequence[Sitter]) -> None:
        self._folder = folder
        self._teachers: dict[str, Completes] = {each.seat.uri: each.teacher for each in sitters}

    async def all(
        self, asked: Sequence[Item], how: Callable[[Item], tuple[str, list[Seat]]]
    ) -> list[Session]:
        """The sessions of all items, in their order."""
        found, began, fresh = [], time.monotonic(), 0
        for number, item in enumerate(asked, 1):
            name, seats = how(item)
            kept = (self._folder / name / transcript.NAME).exists()
            found.append(await self._one(item, seats, self._folder / name))
            fresh += not kept
            if not kept:
                left_min = (time.monotonic() - began) / fresh * (len(asked) - number) / 60
                kind = name.partition("-")[0]
                print(f"{kind} {number} of {len(asked)}, at most {left_min:.1f} min more", file=sys.stderr)
        return found

    async def _one(self, item: Item, seats: Sequence[Seat], folder: Path) -> Session:
        teachers = {seat.name: self._teachers[seat.uri] for seat in seats}
        if (folder / transcript.NAME).exists():
            return await table.resume(folder, teachers)
        rounds = 1 if folder.name.startswith("draws") else 2
        return await table.run(
            item.question(), seats, teachers, folder, rounds=rounds, timeout_s=TIMEOUT_S, seed=1
        )


def _statuses(sessions: Sequence[Session]) -> dict[str, int]:
    """How seats' first turns ended."""
    found: dict[str, int] = {}
    for session in sessions:
        for seat in session.seats:
            status = seat.turns[0].status
            found[status] = found.get(status, 0) + 1
    return found


def _by_chance(asked: Sequence[Item]) -> float:
    return sum(1 / len(item.options) for item in asked) / len(asked)


def _by_kind(trials: Sequence[Trial], kinds: Mapping[str, str]) -> dict[str, dict[str, float]]:
    found = {}
    for kind in sorted(set(kinds.values())):
        some = [trial for trial in trials if kinds[trial.item] == kind]
        votes = [vote == trial.truth for trial in some for vote in trial.first.values()]
        right = [trial.first_choice == trial.truth for trial in some]
        found[kind] = {
            "items": len(some),
            "seats": sum(votes) / len(votes),
            "first_vote": sum(right) / len(right),
        }
    return found
