"""How much of the gap between a model with a context and without it context distillation closes.

    python benchmarks/context.py --home /tmp/context --prompts 160

Runs the built-in recipe ``context`` (SmolLM2-135M-Instruct, low-rank adapters) and prints the held-out KL to
the teacher in its context before training, which is the gap, and after. Run it again to resume.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path

from inbond.recipes.pipeline import Pipeline, load
from inbond.recipes.run import Options, run_recipe
from inbond.recipes.watch import Silent
from inbond.workspace import Workspace


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--home", type=Path, required=True, help="the workspace that is made or gone on with")
    parser.add_argument("--prompts", type=int, default=160)
    parser.add_argument("--epochs", type=int, default=2)
    parser.add_argument("--gates", action="store_true", help="judge diversity and capacity as well")
    arguments = parser.parse_args()
    changes = [f"prompts.limit={arguments.prompts}", f"train.epochs={arguments.epochs}", "evaluate.samples=2"]
    if not arguments.gates:
        changes += [f'gates.{gate}.action="off"' for gate in ("diversity", "capacity")]
    recipe, folder = load("context", tuple(changes))
    assert not isinstance(recipe, Pipeline), "one recipe"
    workspace = Workspace(arguments.home)
    workspace.create()
    found = run_recipe(recipe, folder, workspace, Options(), Silent())["metrics"]
    closed = 1 - found["kl_after"] / found["kl_before"]
    told = {name: found[name] for name in ("kl_before", "kl_after", "agreement_before", "agreement_after")}
    print(json.dumps({"prompts": arguments.prompts, **told, "gap_closed": closed}, indent=2))


if __name__ == "__main__":
    main()
