"""How well the same event told by several articles is found: pairs of our gold set, tests/gold_events.jsonl.

    python benchmarks/briefing_merging.py [--sweep] [--wrong]

The set is of our own making: 84 short briefings, English and Japanese, of invented news, with the event that
each tells. Among them are other news of the same company, other versions of the same product and other
news with the same number. One half ("tune") is what the limit was chosen on, the other ("report") was not
looked at until then; no company is in both. A pair counts as found when both stand in one group; each half
of each language is merged as a day of its own, and once all 84 together.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations
from pathlib import Path
from typing import Any

from inbond.briefing.merging import merged
from inbond.briefing.telling import Telling

GOLD = Path(__file__).parents[1] / "tests" / "gold_events.jsonl"


@dataclass(frozen=True)
class Score:
    """Pairs that are found rightly, found wrongly, and missed."""

    right: frozenset[tuple[str, str]]
    wrong: frozenset[tuple[str, str]]
    missed: frozenset[tuple[str, str]]

    @property
    def precision(self) -> float:
        return len(self.right) / max(1, len(self.right) + len(self.wrong))

    @property
    def recall(self) -> float:
        return len(self.right) / max(1, len(self.right) + len(self.missed))

    @property
    def hard(self) -> int:
        return len(self.right) + len(self.missed)


def read() -> list[dict[str, Any]]:
    """The gold set."""
    return [json.loads(line) for line in GOLD.read_text("utf-8").splitlines()]


def telling(row: dict[str, Any]) -> Telling:
    """A row as what is merged."""
    points = tuple(f"{each['heading']}. {each['sentence']}" for each in row["points"])
    return Telling(row["id"], row["title"], row["summary"], points, tuple(row["tags"]))


def score(rows: Sequence[dict[str, Any]], alike: float | None = None) -> Score:
    """Of one day."""
    event = {row["id"]: row["event"] for row in rows}
    true = {pair for pair in combinations(sorted(event), 2) if event[pair[0]] == event[pair[1]]}
    found = {
        pair
        for group in merged([telling(row) for row in rows], alike)
        for pair in combinations(sorted(key for article in group for key in article), 2)
    }
    return Score(frozenset(found & true), frozenset(found - true), frozenset(true - found))


def alone(rows: Sequence[dict[str, Any]], alike: float | None = None) -> Score:
    """Of as many days as there are pairs, each with these two briefings alone: no third helps to tell them
    apart, and rarity says little."""
    found = [score(pair, alike) for pair in combinations(rows, 2)]
    right, wrong, missed = (
        frozenset(pair for each in found for pair in getattr(each, name))
        for name in ("right", "wrong", "missed")
    )
    return Score(right, wrong, missed)


def chosen(rows: Sequence[dict[str, Any]], half: str, language: str) -> list[dict[str, Any]]:
    """One half of one language; "" for both."""
    return [row for row in rows if half in ("", row["half"]) and language in ("", row["language"])]


def main() -> None:
    """Prints the table."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--sweep", action="store_true", help="the half for tuning, over limits")
    parser.add_argument("--wrong", action="store_true", help="name the pairs of the half for tuning")
    asked, rows = parser.parse_args(), read()
    if asked.sweep:
        sweep(rows)
        return
    print("| half | language | briefings | pairs | precision | recall | alone: precision | recall |")
    print("|---|---|---|---|---|---|---|---|")
    for half, language in (("tune", "en"), ("tune", "ja"), ("report", "en"), ("report", "ja"), ("", "")):
        part = chosen(rows, half, language)
        day, lone = score(part), alone(part)
        name = f"{half or 'both, as one day'} | {language or 'both'} | {len(part)} | {day.hard}"
        print(f"| {name} | {' | '.join(f'{x.precision:.2f} | {x.recall:.2f}' for x in (day, lone))} |")
        if asked.wrong and half == "tune":
            for said, pairs in (("wrong", day.wrong | lone.wrong), ("missed", day.missed)):
                print(*(f"  {said}: {a} + {b}" for a, b in sorted(pairs)), sep="\n")


def sweep(rows: Sequence[dict[str, Any]]) -> None:
    """The half for tuning over limits: precision and recall of a day, and of pairs alone."""
    for alike in range(20, 50, 2):
        told = f"{alike / 100:.2f}"
        for language in ("en", "ja"):
            part = chosen(rows, "tune", language)
            found = (score(part, alike / 100), alone(part, alike / 100))
            told += f"  {language} " + "; ".join(f"{x.precision:.2f} {x.recall:.2f}" for x in found)
        print(told)


if __name__ == "__main__":
    main()
