"""Are the p-values honest? Tests of the mark where nothing was marked with the key that is looked for.

    keys       many independent keys on one student that learnt from unmarked answers ("unmarked"), and on one
               that learnt from answers marked with another key ("other key"), from its logits and its texts
    strangers  models that share nothing but the tokenizer, each with a key of its own: as above, and with
               records at hand that were marked with that key and that it never saw

The test is exact and discrete: P(p <= a) is at most a, and a little less, since only some values of p can
occur. So beside the share of p < .05 stands what that share is to be, reckoned from the number of pairs. For
the question whether p is uniform, p is made continuous by lot within its step; this randomised p decides
nothing else. Its greatest distance from the uniform law (Kolmogorov, Smirnov) is compared with those of
10,000 simulated samples; and so is the plain p's greatest excess over it.

    python benchmarks/forensics_calibration.py [--small] [--keys 200] [--texts 96] [--out FILE]
        [--picture FILE]
    python benchmarks/forensics_calibration.py --table --out FILE

What FILE has is not done again.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Iterator, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from forensics_reading import WAYS, Evidence, Way, gather
from forensics_students import STRANGERS, arguments, opened, stranger, student
from forensics_world import World, fresh_key
from on_policy import begin
from plot import lines as picture
from setting import table, verdict

from inbond.forensics.exact import interval, rank_p, upper_tail

Floats = npt.NDArray[np.float64]

LEVEL = 0.05
SAMPLES = 10_000
RECORDS = 24
"""Marked for each stranger's key, by a student that stands for the teacher: it answers much faster."""
OTHER_KEY = {"unmarked": "unmarked", "marked-100": "other key"}


def main() -> None:
    chosen = arguments(__doc__, _more)
    if not chosen.table:
        run(chosen)
    found = [json.loads(line) for line in chosen.out.read_text("utf-8").splitlines()][1:]
    arms = {
        arm: [one for one in found if one["arm"] == arm] for arm in dict.fromkeys(o["arm"] for o in found)
    }
    show(arms, chosen.gamma)
    if chosen.picture:
        chosen.picture.write_text(drawn(arms, chosen.gamma), "utf-8")


def _more(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--keys", type=int, default=200)
    parser.add_argument("--strangers", type=int, default=STRANGERS)
    parser.add_argument("--texts", type=int, default=96)
    parser.add_argument("--gamma", type=float, default=0.25)
    parser.add_argument("--out", type=Path, default=Path("forensics-calibration.jsonl"))
    parser.add_argument("--picture", type=Path)
    parser.add_argument("--table", action="store_true")


def run(chosen: argparse.Namespace) -> None:
    names = ("small", "records", "held_out", "tokens", "epochs", "texts")
    done, world = begin(chosen.out, {name: getattr(chosen, name) for name in names}), opened(chosen)
    with chosen.out.open("a", encoding="utf-8") as file:
        for arm, seed, found in _tests(world, chosen, done):
            file.write(json.dumps({"arm": arm, "seed": seed, **found}) + "\n")
            file.flush()


def _tests(
    world: World, chosen: argparse.Namespace, done: set[tuple[str, int]]
) -> Iterator[tuple[str, int, dict[str, int]]]:
    """All that is still to be done."""
    for name, told in OTHER_KEY.items():
        for way in WAYS[1::2]:
            left = [seed for seed in range(chosen.keys) if (f"{told}, {way.access}", seed) not in done]
            if left:
                evidence = gather(world, student(world, name), way, [], world.key, chosen.texts)
                print(f"{told}, {way.access}: {len(left)} keys", flush=True)
            for seed in left:
                yield f"{told}, {way.access}", seed, _counted(evidence, fresh_key(f"null {seed}", world))
    for seed in range(chosen.strangers):
        left_ways = [way for way in WAYS if (f"strangers, {way.name}", seed) not in done]
        if left_ways:
            print(f"stranger {seed}", flush=True)
            asked = partial(_of_stranger, world, stranger(world, seed), seed, chosen.texts)
            yield from ((f"strangers, {way.name}", seed, asked(way)) for way in left_ways)


def _of_stranger(world: World, suspect: Any, seed: int, texts: int, way: Way) -> dict[str, int]:
    key = fresh_key(f"stranger {seed}", world)
    records = []
    if way.records:
        first = (seed * RECORDS) % len(world.asked)
        prompts = world.asked[first : first + RECORDS]
        teacher = student(world, "unmarked").to(torch.bfloat16)
        records = world.draw(teacher, prompts, 9000 + seed, key)
    return _counted(gather(world, suspect, way, records, key, texts), key)


def _counted(evidence: Evidence, key: Any) -> dict[str, int]:
    tally = evidence.tally(key)
    return {"pairs": tally.pairs, "green": tally.green}


def p_of(one: Mapping[str, Any], gamma: float) -> float:
    return upper_tail(one["green"], one["pairs"], gamma)


def randomised(one: Mapping[str, Any], gamma: float, u: float) -> float:
    """Between the chance of more green pairs and that of as many: uniform if the null is true."""
    above = upper_tail(one["green"] + 1, one["pairs"], gamma) if one["green"] < one["pairs"] else 0.0
    return above + u * (p_of(one, gamma) - above)


def attained(pairs: int, gamma: float) -> float:
    """P(p < LEVEL) by the binomial law."""
    low, high = 0, pairs + 1
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (low, middle) if upper_tail(middle, pairs, gamma) < LEVEL else (middle, high)
    return upper_tail(high, pairs, gamma) if high <= pairs else 0.0


def excess(ps: Floats) -> float:
    """By how much the share of values up to some x is more than x, at most."""
    return float((np.arange(1, len(ps) + 1) / len(ps) - np.sort(ps)).max())


def distance(ps: Floats) -> float:
    """From the uniform law, either way."""
    return max(excess(ps), float((np.sort(ps) - np.arange(len(ps)) / len(ps)).max()))


def show(arms: Mapping[str, Sequence[Mapping[str, Any]]], gamma: float) -> None:
    draw, honest, rows = np.random.default_rng(0), True, []
    for arm, tests in arms.items():
        plain = np.array([p_of(one, gamma) for one in tests])
        even = np.array(
            [randomised(one, gamma, u) for one, u in zip(tests, draw.random(len(tests)), strict=True)]
        )
        null = draw.random((SAMPLES, len(tests)))
        small = int((plain < LEVEL).sum())
        low, high = interval(small, len(tests))
        meant = float(np.mean([attained(one["pairs"], gamma) for one in tests]))
        honest &= low <= LEVEL
        apart = rank_p(distance(even), [distance(row) for row in null])
        over = rank_p(excess(plain), [excess(row) for row in null])
        rows.append([
            arm, len(tests), f"{np.median([one['pairs'] for one in tests]):,.0f}",
            f"{small / len(tests):.3f} [{low:.3f}, {high:.3f}]", f"{meant:.3f}", f"{plain.min():.2g}",
            f"{apart:.2f}", f"{over:.2f}",
        ])  # fmt: skip
    head = ["null", "tests", "pairs", "share of p < .05 [95% interval]", "by the law", "least p"]
    print(table([*head, "uniform: p", "too small: p"], rows))
    verdict(f"no interval of the share of p < {LEVEL:g} lies above {LEVEL:g}", honest)


def drawn(arms: Mapping[str, Sequence[Mapping[str, Any]]], gamma: float) -> str:
    """Sorted p-values over what they are to be, and where 95 of 100 such curves of the most tests lie at
    each place."""
    series = {}
    for arm, tests in arms.items():
        if not any(one["pairs"] for one in tests):
            continue
        ps = sorted(p_of(one, gamma) for one in tests)
        short = arm.replace("strangers, ", "").replace(" records", "")
        series[f"{len(ps)} {short}"] = [((n + 0.5) / len(ps), p) for n, p in enumerate(ps)]
    most = max(map(len, series.values()))
    sorted_ps = np.sort(np.random.default_rng(1).random((SAMPLES, most)), axis=1)
    for name, quantile in (("95% within: low", 0.025), ("95% within: high", 0.975)):
        edge = np.quantile(sorted_ps, quantile, axis=0)
        series[name] = [((n + 0.5) / most, float(value)) for n, value in enumerate(edge)]
    return picture("p-values where nothing was marked", series, "p if all is even", "p found")


if __name__ == "__main__":
    main()
