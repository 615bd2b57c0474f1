"""What a panel is worth, on items with known answers, and what it costs. Seeded, published whichever wins.

    python benchmarks/roundtable.py [--part world|embedded|overhead|page|judge|all ...] [--small]
        [--seed 0] [--world-items 120] [--items 12] [--seats 3] [--seat NAME=URI ...] [--most-text 60]
        [--sessions 20] [--pairs 1000] [--json] [--out FILE]

world     seats of known competence, correlation and conformity, through the real protocol, ladder and
          transcript; and whether what the code says of each session is so there: exit 1 where it is not
embedded  a table of the small models on this machine, or of --seat NAME=URI, on questions made by code. What
          was asked is kept in the cache, and an interrupted run goes on where it was; more items ask for the
          rest. An item takes most of a minute on two free cores; for intervals that say much: --items 120
overhead  milliseconds a round beyond its slowest seat: six seats behind a server of HTTP on this machine
page      the size of a page of six seats and two rounds
judge     1,000 pairs by three scripted judges, killed in the middle: how long, and what was asked twice

Best single, self-consistency at equal tokens, first vote and second vote are defined in roundtable_figures.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, Final

import roundtable_embedded
import roundtable_figures as figures
import roundtable_grid
import roundtable_judging
import roundtable_overhead
import roundtable_page_size

from inbond.errors import InbondError

Part = Callable[[argparse.Namespace], tuple[dict[str, Any], list[str]]]
"""A part gives its figures as JSON, and in words."""


def world(given: argparse.Namespace) -> tuple[dict[str, Any], list[str]]:
    cells = roundtable_grid.grid(given.world_items, small=given.small, seed=given.seed)
    problems = [problem for cell in cells for problem in cell.checked.problems]
    return {"cells": [cell.to_json() for cell in cells], "problems": problems}, roundtable_grid.lines(cells)


def embedded(given: argparse.Namespace) -> tuple[dict[str, Any], list[str]]:
    laid = roundtable_embedded.laid(given.seat, given.seats, given.items, given.most_text, given.seed)
    found = asyncio.run(roundtable_embedded.measured(laid)).to_json(laid)
    return found, embedded_lines(found)


def overhead(given: argparse.Namespace) -> tuple[dict[str, Any], list[str]]:
    found = roundtable_overhead.measure(given.sessions)
    return found, roundtable_overhead.lines(found)


def page(_: argparse.Namespace) -> tuple[dict[str, Any], list[str]]:
    found = roundtable_page_size.measure()
    return found, roundtable_page_size.lines(found)


def judge(given: argparse.Namespace) -> tuple[dict[str, Any], list[str]]:
    found = roundtable_judging.measure(given.pairs)
    return found, roundtable_judging.lines(found)


PARTS: Final[Mapping[str, Part]] = {
    "world": world,
    "embedded": embedded,
    "overhead": overhead,
    "page": page,
    "judge": judge,
}


def embedded_lines(found: Mapping[str, Any]) -> list[str]:
    """The table of ways, who won, and the rest of it."""
    said = [
        "| way | right | 95% interval | gave an answer | tokens an item | USD an item |",
        "|--|--|--|--|--|--|",
    ]
    for name, way in found["ways"].items():
        said.append(
            f"| {name} | {way['accuracy']:.3f} | {way['low']:.3f} to {way['high']:.3f} "
            f"| {way['decided']:.2f} | {way['tokens_an_item']:,.0f} | {_dollars(way['usd_an_item'])} |"
        )
    worth = found["effective_votes"]
    return [
        *said,
        "",
        *(figures.Against(**_without(each, "verdict")).words() for each in found["contests"]),
        "",
        f"{found['items']} items, {found['seats']} seats, draws {found['draws']}; guessing would be right "
        f"{found['by_chance']:.3f}; best seat in hindsight {found['best_in_hindsight']}",
        *(
            f"harm, {of}: {harm['harmed']} of {harm['right']} right went wrong, {harm['mended']} of "
            f"{harm['wrong']} others came right"
            for of, harm in (("seats", found["harm_seats"]), ("outcomes", found["harm_outcomes"]))
        ),
        f"effective votes of {found['seats']}: first {_number(worth['first']['votes'])}, "
        f"last {_number(worth['last']['votes'])}",
        f"{found['changed']} votes changed, {found['bandwagon']} of them bandwagons, {found['cited']} cite a "
        f"claim that holds; first turns: {found['statuses']}; {found['seconds']:.0f} s",
    ]


def _without(value: Mapping[str, Any], name: str) -> dict[str, Any]:
    return {key: each for key, each in value.items() if key != name}


def _dollars(usd: float | None) -> str:
    return "no price" if usd is None else f"{usd:.6f}"


def _number(value: float | None) -> str:
    return "cannot be told" if value is None else f"{value:.1f}"


def options(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--part", nargs="+", choices=(*PARTS, "all"), default=["world"])
    parser.add_argument("--small", action="store_true", help="whether it runs; figures mean nothing")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--world-items", type=int, help=f"a world's (default {roundtable_grid.ITEMS})")
    parser.add_argument("--items", type=int, help=f"of the embedded table ({roundtable_embedded.ITEMS})")
    parser.add_argument("--seats", type=int, default=roundtable_embedded.SEATS, help="of local models")
    parser.add_argument("--seat", action="append", default=[], metavar="NAME=URI", help="instead of those")
    parser.add_argument("--most-text", type=int, default=roundtable_embedded.MOST_TEXT, help="characters")
    parser.add_argument("--sessions", type=int, help=f"timed ({roundtable_overhead.SESSIONS})")
    parser.add_argument("--pairs", type=int, help=f"judged ({roundtable_judging.PAIRS})")
    parser.add_argument("--json", action="store_true", help="one object instead of tables")
    parser.add_argument("--out", type=Path, help="a file for the object")
    given = parser.parse_args(arguments)
    sizes = {"world_items": (8, roundtable_grid.ITEMS), "items": (2, roundtable_embedded.ITEMS)}
    sizes |= {"sessions": (2, roundtable_overhead.SESSIONS), "pairs": (40, roundtable_judging.PAIRS)}
    for name, (small, whole) in sizes.items():
        if getattr(given, name) is None:
            setattr(given, name, small if given.small else whole)
    return given


def main(arguments: Sequence[str] | None = None) -> int:
    """Prints tables, or one object. 1 where the code says what is not so, 2 for what cannot be run."""
    given = options(arguments)
    found: dict[str, Any] = {}
    for name, part in PARTS.items():
        if name not in given.part and "all" not in given.part:
            continue
        try:
            found[name], said = part(given)
        except InbondError as error:
            print(error, file=sys.stderr)
            return 2
        if given.out:
            given.out.write_text(json.dumps(found, indent=1) + "\n")
        if not given.json:
            print("\n".join([f"## {name}", "", *said, ""]), flush=True)
    if given.json:
        print(json.dumps(found))
    return 1 if found.get("world", {}).get("problems") or found.get("judge", {}).get("problems") else 0


if __name__ == "__main__":
    sys.exit(main())
