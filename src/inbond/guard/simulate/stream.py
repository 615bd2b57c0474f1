"""A scenario as a stream of rows in order of time: a day is planned whole, its rows are written one by one.

Memory: the accounts, and some 40 bytes a request of one day; no text is kept. The same scenario and seed give
the same bytes on every machine.
"""

from __future__ import annotations

from array import array
from collections.abc import Iterator
from dataclasses import dataclass
from typing import final

import numpy as np

from inbond.guard.simulate.actors import Actor, all_actors
from inbond.guard.simulate.arrivals import DAY_MS, HOUR_MS, Trace, read_traces
from inbond.guard.simulate.asking import Writer
from inbond.guard.simulate.dice import Dice, cumulative
from inbond.guard.simulate.row import Row
from inbond.guard.simulate.scenario import START_S, Scenario

_PLAN, _STEP, _COUNT = range(21, 24)
_MOST_TURNS = 1 << 12
"""Longer than any session; a million sessions of an account and day still go into 32 bits with it."""
_CHUNK = 65_536
_OUT_OF_STEP_MS = 3_000
_HOURS = {
    "people": cumulative((2, 1, 1, 1, 1, 2, 4, 6, 8, 9, 9, 9, 8, 8, 9, 9, 8, 8, 8, 9, 9, 8, 6, 4)),
    "office": cumulative((0, 0, 0, 0, 0, 0, 1, 4, 9, 12, 12, 11, 7, 10, 12, 11, 9, 5, 2, 1, 1, 0, 0, 0)),
    "flat": cumulative((1,) * 24),
    "night": cumulative((6, 6, 6, 6, 4, 2) + (1,) * 16 + (4, 6)),
    "lesson": cumulative((0,) * 9 + (4, 6, 1, 0, 0, 0, 0, 1, 1, 2, 2, 1, 0, 0, 0)),
    "burst": cumulative((0,) * 13 + (5, 20, 20, 10, 2) + (0,) * 6),
}
"""How a day's requests fall on the local hours."""


@final
@dataclass(frozen=True)
class Ban:
    """An account that the provider shut out, at ``ts`` seconds since 1970."""

    ts: float
    account: str


def simulate(scenario: Scenario, seed: int) -> Iterator[Row]:
    """The rows of a scenario, in order of time, then of account."""
    actors = list(all_actors(scenario, seed))
    writer = Writer(scenario)
    for day in range(-(-scenario.lasts_ms // DAY_MS)):
        yield from _day(scenario, actors, writer, day)


def bans(scenario: Scenario, seed: int) -> list[Ban]:
    """Which accounts were shut out, as a provider knows it: rows cannot say that somebody is gone."""
    return [
        Ban(START_S + actor.ends_ms / 1_000, actor.account)
        for actor in all_actors(scenario, seed)
        if actor.ends_ms < scenario.lasts_ms
    ]


def _day(scenario: Scenario, actors: list[Actor], writer: Writer, day: int) -> Iterator[Row]:
    times, who, places = array("I"), array("I"), array("I")
    for number, actor in enumerate(actors):
        first = max(actor.begins_ms - day * DAY_MS, 0)
        last = min(actor.ends_ms, scenario.lasts_ms) - day * DAY_MS
        if last <= 0 or first >= DAY_MS:
            continue
        for at_ms, place in _plan(scenario, actor, day):
            if first <= at_ms < last:
                times.append(at_ms)
                who.append(number)
                places.append(place)
    order = np.lexsort((np.asarray(places), np.asarray(who), np.asarray(times)))
    for start in range(0, len(order), _CHUNK):
        for i in order[start : start + _CHUNK].tolist():
            session, turn = divmod(places[i], _MOST_TURNS)
            yield writer.row(actors[who[i]], day, session, turn, day * DAY_MS + times[i])


def _plan(scenario: Scenario, actor: Actor, day: int) -> Iterator[tuple[int, int]]:
    """(milliseconds of the day, session and turn) of an account's requests on one day."""
    profile = actor.group.profile
    hides = scenario.jitter and not profile.lawful
    hours, length, stretch = profile.hours, profile.session, profile.stretch
    trace = read_traces()[profile.trace]
    if hides:
        hours, length, stretch, trace = "people", min(length, 3), 330.0, read_traces()["conv"]
    dice, turned_by = Dice(actor.voice, day, _PLAN), actor.group.key % 60
    late_ms = Dice(actor.key, day, _STEP).below(_OUT_OF_STEP_MS) if profile.in_step and not hides else 0
    left, session = _count(scenario, actor, day), 0
    while left:
        size = min(left, 1 + dice.below(2 * length - 1))
        hour = (dice.weighted(_HOURS[hours]) - actor.east_h) % 24
        begins = hour * HOUR_MS + trace.within_hour_ms(dice, turned_by) + late_ms
        for turn, at_ms in enumerate(_moments(begins, size, trace, stretch, dice)):
            yield at_ms, session * _MOST_TURNS + turn
        left, session = left - size, session + 1


def _moments(begins: int, size: int, trace: Trace, stretch: float, dice: Dice) -> list[int]:
    """When a session's requests come. One that would run past midnight is moved into the day."""
    after = [0]
    for _ in range(size - 1):
        after.append(after[-1] + trace.gap_ms(dice, stretch))
    if after[-1] >= DAY_MS:
        after = [each * (DAY_MS - 1) // after[-1] for each in after]
    begins = min(begins, DAY_MS - 1 - after[-1])
    return [begins + each for each in after]


def _count(scenario: Scenario, actor: Actor, day: int) -> int:
    """A whole number whose mean is what is expected of the account."""
    expected = actor.expected(day) * scenario.volume
    if scenario.most is not None:
        expected = min(expected, scenario.most)
    whole = int(expected)
    return whole + Dice(actor.voice, day, _COUNT).chance(expected - whole)
