"""The pure parts of the roundtable's benchmark: figures, the world whose truth is known, and its items."""

from __future__ import annotations

import asyncio
import json
import math
import sys
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from inbond.roundtable.tally import outcome_of

FOLDER = Path(__file__).parents[2] / "benchmarks"
NAMES = ("roundtable_trials", "roundtable_figures", "roundtable_world", "roundtable_grid", "roundtable_items")


@pytest.fixture(scope="module")
def parts() -> Iterator[SimpleNamespace]:
    """The modules, as the benchmark's script imports them."""
    sys.path.insert(0, str(FOLDER))
    import roundtable_figures
    import roundtable_grid
    import roundtable_items
    import roundtable_world

    found: Mapping[str, ModuleType] = {
        "figures": roundtable_figures,
        "world": roundtable_world,
        "grid": roundtable_grid,
        "items": roundtable_items,
    }
    yield SimpleNamespace(**found)
    sys.path.remove(str(FOLDER))
    for name in NAMES:
        del sys.modules[name]


# Figures ---------------------------------------------------------------------------------------------


def trial(
    parts: Any, item: str, first: Sequence[str | None], last: Sequence[str | None] | None = None, **more: Any
) -> Any:
    """A trial whose truth is T, of seats s0, s1, ...; without ``last`` of one round. Each first vote takes
    100 tokens, each second one 200."""
    names = [f"s{number}" for number in range(len(first))]
    after = first if last is None else last
    spent = parts.figures.Spent

    def choice(votes: Sequence[str | None]) -> str | None:
        return outcome_of({"T": [*votes].count("T"), "F": [*votes].count("F")}, len(votes))[1]

    rounds = [dict.fromkeys(names, spent(70, 30, 0.5))]
    rounds += [dict.fromkeys(names, spent(150, 50, 1.0))] if last is not None else []
    values = {
        "item": item,
        "truth": "T",
        "first": dict(zip(names, first, strict=True)),
        "last": dict(zip(names, after, strict=True)),
        "first_choice": choice(first),
        "last_choice": choice(after),
        "rounds": len(rounds),
        "spent": tuple(rounds),
        "bandwagon": 0,
        "cited": 0,
        "changed": 0,
    }
    return parts.figures.Trial(**{**values, **more})


def test_the_four_ways_and_what_they_cost(parts: Any) -> None:
    trials = [
        trial(parts, "a", "TTF", "TTT", changed=1, bandwagon=1),
        trial(parts, "b", "FTT", "FFF", changed=2, cited=1),
        trial(parts, "c", ["T", None, "F"]),
        trial(parts, "d", "TTT"),
    ]
    repeats = [
        parts.figures.Repeat(each.item, "s1", right, parts.figures.Spent(700, 300, 5.0))
        for each, right in zip(trials, ["T", None, "F", "T"], strict=True)
    ]
    found = parts.figures.figures(trials, ("s1",) * 4, repeats)
    ways = found["ways"]
    assert {name: way["accuracy"] for name, way in ways.items()} == {
        "best single": 0.75,
        "self-consistency": 0.5,
        "first vote": 0.75,
        "second vote": 0.5,
    }
    assert [ways[name]["decided"] for name in parts.figures.NAMES] == [0.75, 0.75, 0.75, 0.75]
    assert [ways[name]["tokens_an_item"] for name in parts.figures.NAMES] == [100, 1000, 300, 600]
    assert [ways[name]["usd_an_item"] for name in parts.figures.NAMES] == [0.5, 5.0, 1.5, 3.0]
    assert found["harm_outcomes"] == {
        "right": 3, "harmed": 1, "wrong": 1, "mended": 0, "harm_rate": 1 / 3, "help_rate": 0,
    }  # fmt: skip
    # Only votes of sessions with two rounds could change: four were right, and two of them went wrong.
    assert found["harm_seats"]["right"] == 4
    assert (found["harm_seats"]["harmed"], found["harm_seats"]["mended"]) == (2, 1)
    assert (found["changed"], found["bandwagon"], found["bandwagon_share"], found["cited"]) == (
        3,
        1,
        1 / 3,
        1,
    )


def test_a_seat_is_not_chosen_by_the_items_that_it_is_measured_on(parts: Any) -> None:
    """s0 is right on the even items alone, s1 on the odd ones: who is chosen on the other half is wrong."""
    trials = [trial(parts, str(n), "TF" if n % 2 == 0 else "FT") for n in range(10)]
    best = parts.figures.best_of_other_half(trials)
    assert best == ("s1", "s0") * 5
    assert parts.figures.ways(trials, best, ())[0].to_json()["accuracy"] == 0
    assert parts.figures.accuracy_of(trials, parts.figures.best_seat(trials)) == 0.5


def test_draws_cost_what_the_panel_cost(parts: Any) -> None:
    two = [trial(parts, "a", "TFT", "TTT")]
    assert parts.figures.draws_for(two, "s0") == 9  # 3 x 100 + 3 x 200 tokens
    assert parts.figures.draws_for([trial(parts, "a", "TTTT")], "s0") in (3, 5)
    assert parts.figures.draws_for([trial(parts, "a", "T" * 20, "T" * 20)], "s0") == 25


def way(parts: Any, right: Sequence[bool]) -> Any:
    return parts.figures.Way("w", tuple(right), (True,) * len(right), parts.figures.Spent())


def test_won_lost_or_neither(parts: Any) -> None:
    better, worse = way(parts, [True] * 60 + [False] * 20), way(parts, [True] * 40 + [False] * 40)
    assert parts.figures.against(better, worse).verdict == "won"
    assert parts.figures.against(worse, better).verdict == "lost"
    few = parts.figures.against(way(parts, [True, True]), way(parts, [False, True]))
    assert few.verdict == "cannot be told apart"
    assert few.words().startswith("w against w: cannot be told apart (+50.0 points, 95% interval")


@settings(max_examples=60, deadline=None)
@given(st.lists(st.tuples(st.booleans(), st.booleans()), min_size=1, max_size=200))
def test_a_difference_is_the_same_seen_from_the_other_side(
    parts: Any, pairs: list[tuple[bool, bool]]
) -> None:
    one, other = way(parts, [a for a, _ in pairs]), way(parts, [b for _, b in pairs])
    here, there = parts.figures.against(one, other), parts.figures.against(other, one)
    assert math.isclose(here.difference, -there.difference, abs_tol=1e-12)
    assert math.isclose(here.low, -there.high, abs_tol=1e-12)
    assert here.low <= here.high
    low, high = parts.figures.share_interval(sum(one.right), len(pairs))
    assert 0 <= low <= sum(one.right) / len(pairs) <= high <= 1


def test_the_interval_of_a_share_is_wilsons(parts: Any) -> None:
    """Worked example of Newcombe (1998), table I: 15 of 148."""
    low, high = parts.figures.share_interval(15, 148)
    assert (round(low, 4), round(high, 4)) == (0.0624, 0.1605)


def test_effective_votes_see_errors_that_come_together(parts: Any) -> None:
    alike = [trial(parts, str(n), "TTT" if n % 3 else "FFF") for n in range(36)]
    apart = [trial(parts, str(n), f"{'TF'[n & 1]}{'TF'[n >> 1 & 1]}{'TF'[n >> 2 & 1]}") for n in range(32)]
    assert parts.figures.worth(alike, last=False)["votes"] == pytest.approx(1.0)
    assert parts.figures.worth(apart, last=False)["votes"] == pytest.approx(3.0)
    assert parts.figures.worth(apart[:1], last=False) == {"correlation": None, "votes": None}


# The world -------------------------------------------------------------------------------------------


def test_the_world_is_as_it_says(parts: Any) -> None:
    """Competence, correlation between seats and between draws of one seat, over many items."""
    world = parts.world.World(0.7, 0.3, 0.0, seats=2, own=0.6)
    rows = [
        [world.belief(item, seat, draw) == world.truth(item) for seat, draw in ((0, 0), (1, 0), (0, 1))]
        for item in range(6_000)
    ]
    right = [sum(column) / len(rows) for column in zip(*rows, strict=True)]
    assert all(abs(share - 0.7) < 0.03 for share in right)

    def correlation(one: int, two: int) -> float:
        both = sum(row[one] and row[two] for row in rows) / len(rows)
        return (both - right[one] * right[two]) / (0.7 * 0.3)

    assert abs(correlation(0, 1) - 0.3) < 0.06
    assert abs(correlation(0, 2) - 0.6) < 0.06


@pytest.mark.parametrize("chances", [(0.55, 0.0), (0.7, 0.3), (0.9, 0.6)])
def test_its_arithmetic_of_the_first_vote(parts: Any, chances: tuple[float, float]) -> None:
    world = parts.world.World(*chances, 0.0, failing=0.1)
    right = Counter(
        parts.world.counted(
            {
                str(seat): None if world.fails(item, seat, 1) else world.belief(item, seat, 0)
                for seat in range(world.seats)
            }
        )[1]
        == world.truth(item)
        for item in range(4_000)
    )
    assert abs(right[True] / 4_000 - parts.world.right_by_arithmetic(world)) < 0.03


def test_one_seat_decides_alone_nothing(parts: Any) -> None:
    """Without a quorum nobody is right; and five independent seats that are always right always are."""
    sure = parts.world.World(1.0, 0.0, 0.0, failing=0.0)
    assert parts.world.right_by_arithmetic(sure) == pytest.approx(1.0)
    assert parts.world.right_by_arithmetic(replace(sure, seats=2)) == 0.0


def held(parts: Any, world: Any, item: int, folder: Path) -> Any:
    return asyncio.run(parts.grid.panel(world, item, folder))


def test_a_session_comes_to_what_the_world_says(parts: Any, tmp_path: Path) -> None:
    world = parts.world.World(0.6, 0.2, 0.6, moved=0.4, merit=0.3, failing=0.1)
    sessions = {item: held(parts, world, item, tmp_path / str(item)) for item in range(25)}
    for item, session in sessions.items():
        assert parts.grid.differences(parts.world.outcome(world, item), session) == []
    points = [point for session in sessions.values() for point in session.turning_points]
    assert {point.bandwagon for point in points} == {True, False}, "both kinds were seen"
    statuses = {seat.turns[-1].status for session in sessions.values() for seat in session.seats}
    assert statuses == {"voted", "abstained", "refused", "error", "invalid"}
    paths = {turn.path for session in sessions.values() for seat in session.seats for turn in seat.turns}
    assert paths >= {"json_schema", "tool", "json_object", "invalid"}


def test_what_is_not_so_is_said(parts: Any, tmp_path: Path) -> None:
    """Each statement is compared: one that is wrong by itself is named by itself."""
    world = parts.world.World(0.6, 0.2, 0.9, moved=0.5, failing=0.0)
    item = next(n for n in range(50) if parts.world.outcome(world, n).points)
    session, truth = held(parts, world, item, tmp_path / "s"), parts.world.outcome(world, item)
    seat, was, now, by, bandwagon = next(iter(truth.points))
    flipped = truth.points - {(seat, was, now, by, bandwagon)} | {(seat, was, now, by, not bandwagon)}
    wrong = {
        "outcome": replace(truth, outcome="tie"),
        "rounds": replace(truth, rounds=1),
        "statuses": replace(truth, status={**truth.status, "seat-1": "refused"}),
        "first votes": replace(truth, first={**truth.first, "seat-1": None}),
        "last votes": replace(truth, last={**truth.last, "seat-1": None}),
        "turning points": replace(truth, points=frozenset(flipped)),
    }
    for what, so in wrong.items():
        said = parts.grid.differences(so, session)
        assert any(each.startswith(f"{what}: ") for each in said), (what, said)


def test_a_first_vote_that_is_not_what_arithmetic_says_is_a_problem(parts: Any) -> None:
    world = parts.world.World(0.9, 0.0, 0.0)
    ways = {"first vote": {"accuracy": 0.5}}
    checked = parts.grid.check(world, [], {"ways": ways, "items": 100, "changed": 0, "bandwagon": 0})
    assert checked.problems[0].endswith(f"by arithmetic {parts.world.right_by_arithmetic(world):.3f}")


# Items -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("count", [1, 60, 120])
def test_items_have_one_answer_and_differ(parts: Any, count: int) -> None:
    made = parts.items.items(count, seed=3)
    assert len(made) == len({each.text for each in made}) == len({each.name for each in made}) == count
    assert made == parts.items.items(120, seed=3)[:count], "fewer are the first of more"
    for each in made:
        assert 2 <= len(each.options) <= 4
        assert each.options.count(each.answer) == 1
        assert each.question().option(each.truth()).label == each.answer
        assert not each.question().allow_abstain


def test_sums_and_comparisons_are_right(parts: Any) -> None:
    for each in parts.items.items(120, seed=5):
        numbers = [
            int(word) for word in each.text.replace(",", "").replace("?", "").split() if word.isdigit()
        ]
        if each.kind == "sum":
            assert int(each.answer) == sum(numbers)
        if each.kind == "larger":
            assert int(each.answer) == max(numbers)


def test_right_answers_stand_in_every_place(parts: Any) -> None:
    places = Counter(each.options.index(each.answer) for each in parts.items.items(120, seed=1))
    assert min(places[place] for place in range(3)) > 20


def test_figures_are_json(parts: Any) -> None:
    trials = [trial(parts, "a", "TTT"), trial(parts, "b", "TTT")]
    assert (
        json.loads(json.dumps(parts.figures.figures(trials, ("s0", "s0"), ())))["harm_seats"]["harm_rate"]
        is None
    )
