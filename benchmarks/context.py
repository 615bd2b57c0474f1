"""How much of the gap between a model with a context and without it context distillation closes.

    python benchmarks/context.py --home FOLDER [--prompts 160] [--seeds 0 1]

Runs the built-in recipe ``context`` (SmolLM2-135M-Instruct, low-rank adapters) in two arms: learning the
teacher's probabilities, and its text alone. Both begin as the same weights, learn the same answers for as
many steps, and are measured on the same held-out ones; the teacher is asked once for all. The gap is the
held-out KL to the teacher in its context before training; what is left of it has a bootstrap interval over
prompts, paired with the gap. A seed decides the adapters' beginning and the order of the records. What is
done is found again: the same command goes on.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import Any

from setting import table, verdict

from inbond.evaluate import intervals
from inbond.evaluate.intervals import RecordSums
from inbond.recipes.pipeline import Pipeline, load
from inbond.recipes.run import Options, run_recipe
from inbond.recipes.watch import Silent
from inbond.workspace import Workspace

ARMS = {"probabilities": "train.kl=1", "text alone": "train.ce=1"}


def changes(arm: str, seed: int, options: argparse.Namespace) -> tuple[str, ...]:
    """The recipe of one arm and seed; its name is its own."""
    found = [
        f"name=context-{arm.replace(' ', '-')}-{seed}", f"prompts.limit={options.prompts}",
        f"train.epochs={options.epochs}", f"train.seed={seed}", "evaluate.samples=2",
        "train.kl=0", "train.ce=0", ARMS[arm],
    ]  # fmt: skip
    if not options.gates:
        found += [f'gates.{gate}.action="off"' for gate in ("diversity", "capacity")]
    return (*found, *options.set)


def run(arm: str, seed: int, options: argparse.Namespace) -> dict[str, RecordSums]:
    """What was found on each held-out prompt, before training and after."""
    recipe, folder = load("context", changes(arm, seed, options))
    assert not isinstance(recipe, Pipeline), "one recipe"
    workspace = Workspace(options.home)
    workspace.create()
    run_recipe(recipe, folder, workspace, Options(), Silent())
    place = workspace.run(recipe.name) / "evaluation" / "evaluation.json"
    told: dict[str, Any] = json.loads(place.read_bytes())["agreement"]
    return {name: RecordSums.from_json(told[name]["records"]) for name in ("before", "after")}


def row(arm: str, seed: int, found: dict[str, RecordSums]) -> list[str]:
    before, after = found["before"], found["after"]
    left = intervals.paired_ratio(after.kl, before.kl, before.tokens)
    low, high = left.interval()
    return [
        arm, str(seed), f"{before.mean_kl:.3f}", f"{after.mean_kl:.3f}",
        f"{1 - left.value:.2f} [{1 - high:.2f}, {1 - low:.2f}]", f"{before.agreement:.2f}",
        f"{after.agreement:.2f}",
    ]  # fmt: skip


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--home", type=Path, required=True, help="the workspace that is made or gone on with")
    parser.add_argument("--prompts", type=int, default=160)
    parser.add_argument("--epochs", type=int, default=2)
    parser.add_argument("--seeds", type=int, nargs="+", default=[0])
    parser.add_argument("--gates", action="store_true", help="judge diversity and capacity as well")
    parser.add_argument("--set", action="append", default=[], help="a change of the recipe, in all arms")
    options = parser.parse_args()
    found = {(arm, seed): run(arm, seed, options) for seed in options.seeds for arm in ARMS}
    head = ["learns", "seed", "KL before", "KL after", "gap closed", "agreement before", "after"]
    print(table(head, [row(arm, seed, sums) for (arm, seed), sums in found.items()]))
    for seed in options.seeds:
        one, other = (found[arm, seed]["after"] for arm in ARMS)
        ratio = intervals.paired_ratio(one.kl, other.kl, one.tokens)
        low, high = ratio.interval()
        print(
            f"seed {seed}: KL left, probabilities over text alone: {ratio.value:.2f} [{low:.2f}, {high:.2f}]"
        )
        verdict("probabilities leave less of the gap than text alone, for sure", high < 1)


if __name__ == "__main__":
    main()
