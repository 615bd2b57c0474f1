"""How small a p-value the mark gives: by share of marked records, tokens scored and what is at hand.

Each student of forensics_students.py is asked in four ways: its logits or its texts, with the marked records
or without. Told is log10 p, of how many pairs, and the share of green ones among them; the same of an eighth,
a quarter and a half of the texts; then the chance that so many pairs would give p < 1e-5 if each were green
as often as was found. That chance is reckoned, not measured: by the binomial law, beyond what was scored too,
and only where at least 100 pairs tell how often that is. The unmarked student's row says nothing of power; it
stands there because such a table is believed only with one.

    python benchmarks/forensics_power.py [--small] [--seed 0] [--texts 96] [--out FILE] [--picture FILE]
    python benchmarks/forensics_power.py --table --out FILE
    python benchmarks/forensics_power.py --headline [--seed 0]

What FILE has is not done again, and forensics_suite.py goes on with the same FILE. --headline does one test
alone, of the student with 5% marked records, from its logits and with the records at hand, and tells the CPU
time of the whole process, the reading of all weights with it.
"""

from __future__ import annotations

import argparse
import json
import math
import statistics
import time
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from forensics_reading import WAYS, Way, gather
from forensics_students import SHARES, arguments, opened, planted, student
from forensics_world import World
from on_policy import begin
from plot import lines as picture
from setting import table, verdict

from inbond.forensics.exact import log10_upper_tail, upper_tail
from inbond.forensics.finding import ALPHA
from inbond.forensics.green import Tally

STUDENTS = (*SHARES, "reworded", "second")
SCORED = (100, 300, 1000, 3000, 10000)
PARTS = (8, 4, 2)
ENOUGH = 100
"""Pairs below which their share says too little to reckon with."""
HEADLINE = "marked-5"


def main() -> None:
    chosen = arguments(__doc__, _more)
    if chosen.headline:
        headline(opened(chosen), chosen.seed[0])
        return
    if not chosen.table:
        run(chosen)
    found = [json.loads(line) for line in chosen.out.read_text("utf-8").splitlines()][1:]
    show(found, chosen.gamma)
    if chosen.picture:
        chosen.picture.write_text(drawn(found, chosen.gamma), "utf-8")


def _more(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--seed", type=int, nargs="*", default=[0])
    parser.add_argument("--texts", type=int, default=96)
    parser.add_argument("--gamma", type=float, default=0.25)
    parser.add_argument("--out", type=Path, default=Path("forensics-power.jsonl"))
    parser.add_argument("--picture", type=Path)
    parser.add_argument("--table", action="store_true")
    parser.add_argument("--headline", action="store_true")


def headline(world: World, seed: int) -> None:
    """The test that the project promises most of."""
    records = planted(world, HEADLINE, seed)
    suspect = student(world, HEADLINE, seed)
    size = sum(value.numel() for value in suspect.parameters())
    before = time.process_time()
    evidence = gather(world, suspect, Way("open", True), records, world.key, len(records))
    finding = evidence.finding(world.key)
    seconds = time.process_time()
    print(
        f"{HEADLINE}, seed {seed}: {size:,} parameters, {len(records)} marked records of "
        f"{len(world.marked)}; {finding.size} pairs, {finding.statistic['green']:.3f} green, "
        f"log10 p {finding.log10_p:.1f}; {seconds:.0f} s of CPU, {seconds - before:.1f} s of it the test's"
    )
    print(finding.words())
    verdict("p < 1e-5 with 5% of the records marked", (finding.log10_p or 0.0) < math.log10(ALPHA))
    verdict("under 5 minutes of CPU", seconds < 300)


def run(chosen: argparse.Namespace) -> None:
    about = {
        name: getattr(chosen, name) for name in ("small", "records", "held_out", "tokens", "epochs", "texts")
    }
    done, world = begin(chosen.out, about), opened(chosen)
    for seed in chosen.seed:
        for name in STUDENTS:
            left = [way for way in WAYS if (f"{name}: {way.name}", seed) not in done]
            suspect = student(world, name, seed) if left else None
            for way in left:
                found = one(world, suspect, way, name, seed, chosen.texts)
                print(f"{name}, seed {seed}, {way.name}: log10 p {found['log10_p']:.1f}", flush=True)
                with chosen.out.open("a", encoding="utf-8") as file:
                    file.write(json.dumps({"arm": f"{name}: {way.name}", "seed": seed, **found}) + "\n")


def one(world: World, suspect: Any, way: Way, name: str, seed: int, texts: int) -> dict[str, Any]:
    """One test of one student."""
    begun = time.process_time()
    evidence = gather(world, suspect, way, planted(world, name, seed), world.key, texts)
    finding = evidence.finding(world.key)
    seconds = time.process_time() - begun
    some = [replace(evidence, texts=evidence.texts[: len(evidence.texts) // part]) for part in PARTS]
    parts = [part.finding(world.key) for part in some]
    return {
        "pairs": finding.size,
        "green": finding.facts["green"],
        "log10_p": finding.log10_p,
        "outcome": finding.outcome(),
        "cpu_seconds": seconds,
        "parts": [[part.size, part.log10_p] for part in parts],
    }


def show(found: Sequence[Mapping[str, Any]], gamma: float) -> None:
    rows = [[name, *(_cell(_of(found, name, way)) for way in WAYS)] for name in STUDENTS]
    print("log10 p (pairs, share of green); the median of the seeds with its range where there are several\n")
    print(table(["student", *(way.name for way in WAYS)], rows))
    each = [(name, way, runs) for name in STUDENTS for way in WAYS if (runs := _of(found, name, way))]
    print("\nlog10 p (pairs) of a part of the texts; the first seed\n")
    rows = [[name, way.name, *_parts(runs[0])] for name, way, runs in each]
    print(table(["student", "way", "an eighth", "a quarter", "half", "all"], rows))
    print("\nchance of p < 1e-5 with so many pairs, if green as often as found\n")
    rows = [
        [name, way.name, *(f"{power(tally, n, gamma):.2f}" for n in SCORED)]
        for name, way, runs in each
        if name != "unmarked" and (tally := together(runs)).pairs >= ENOUGH
    ]
    print(table(["student", "way", *(f"{n:,}" for n in SCORED)], rows))
    most = max((run.get("cpu_seconds", 0.0) for run in found), default=0.0)
    print(f"\nthe dearest test took {most:.0f} s of CPU, without the reading of weights")


def together(runs: Sequence[Mapping[str, Any]]) -> Tally:
    """Of all seeds."""
    return sum((Tally(run["pairs"], run["green"]) for run in runs), Tally(0, 0))


def _parts(run: Mapping[str, Any]) -> list[str]:
    points = [*run["parts"], [run["pairs"], run["log10_p"]]]
    return [f"{log10_p:.1f} ({pairs:,})" for pairs, log10_p in points]


def _of(found: Sequence[Mapping[str, Any]], name: str, way: Way) -> list[Mapping[str, Any]]:
    return [run for run in found if run["arm"] == f"{name}: {way.name}"]


def _cell(runs: Sequence[Mapping[str, Any]]) -> str:
    if not runs:
        return "-"
    logs, pairs = [run["log10_p"] for run in runs], round(statistics.median(run["pairs"] for run in runs))
    share = sum(run["green"] for run in runs) / max(1, sum(run["pairs"] for run in runs))
    spread = f" [{min(logs):.1f}, {max(logs):.1f}]" if len(logs) > 1 else ""
    return f"{statistics.median(logs):.1f}{spread} ({pairs:,}, {share:.3f})"


def power(tally: Tally, pairs: int, gamma: float) -> float:
    """The chance that so many pairs, each green as often as in ``tally``, give p below ALPHA."""
    if not tally.green:
        return 0.0
    low, high = 0, pairs + 1
    while high - low > 1:
        middle = (low + high) // 2
        rejects = log10_upper_tail(middle, pairs, gamma) < math.log10(ALPHA)
        low, high = (low, middle) if rejects else (middle, high)
    if high > pairs:
        return 0.0
    return 1.0 if tally.share == 1 else upper_tail(high, pairs, tally.share)


def drawn(found: Sequence[Mapping[str, Any]], gamma: float) -> str:
    """That chance over pairs scored, of the students that learnt from marked text directly."""
    sizes = [round(10 ** (n / 8)) for n in range(12, 33)]
    series = {}
    for name in list(SHARES)[:4]:
        for way in (way for way in WAYS if way.records):
            if (runs := _of(found, name, way)) and together(runs).pairs >= ENOUGH:
                tally = together(runs)
                label = f"{name[7:]}% marked, {way.access}"
                series[label] = [(float(n), power(tally, n, gamma)) for n in sizes]
    return picture(
        "Chance of p < 1e-5, with the marked records", series, "different pairs scored", "chance", log_x=True
    )


if __name__ == "__main__":
    main()
