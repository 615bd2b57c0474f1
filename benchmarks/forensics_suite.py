"""Students with known parents, each before each test: one table.

Rows are the students of forensics_students.py, with what is true of them; columns the four ways of looking
for the mark (forensics_power.py), and whether the weights come from the teacher's, by the order of neurons.
A cell tells the outcome and log10 p, after Holm over the row. The weights' test has no size that it would
need, so that it finds something or cannot tell.

What is true is one thing, what may be found another: a student of reworded answers had marked text among its
ancestors and nothing of it may be left. So the goals are that no test finds what is not there, and that the
direct students of marked text are found from 5% on with logits and records; all else is told, not judged.

    python benchmarks/forensics_suite.py [--small] [--seed 0] [--texts 120] [--out FILE]
    python benchmarks/forensics_suite.py --table --out FILE

What FILE has is not done again; FILE may be that of forensics_power.py.
"""

from __future__ import annotations

import argparse
import json
import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from forensics_power import one as marked_by
from forensics_reading import WAYS
from forensics_students import KINDS, arguments, opened, stranger, student
from forensics_world import World
from on_policy import begin
from setting import table, verdict

from inbond.forensics.derivation import log10_p_of_layers
from inbond.forensics.exact import holm
from inbond.forensics.finding import ALPHA
from inbond.train.student import decoder_layers

STRANGER = "stranger"
WEIGHTS = "weights of the teacher"
TRUE = {
    "marked-100": (True, True), "marked-20": (True, True), "marked-5": (True, True), "marked-1": (True, True),
    "unmarked": (False, True), "reworded": (None, True), "second": (None, True), "pruned": (True, True),
    "merged": (True, True), "unrelated": (False, False), STRANGER: (False, False),
}  # fmt: skip
"""Learnt from marked text (None: at second hand), made of the teacher's weights."""
FOUND = ("marked-100", "marked-20", "marked-5")


def main() -> None:
    chosen = arguments(__doc__, _more)
    if not chosen.table:
        run(chosen)
    found = [json.loads(line) for line in chosen.out.read_text("utf-8").splitlines()][1:]
    show([one for one in found if one["seed"] == chosen.seed])


def _more(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--texts", type=int, default=120)
    parser.add_argument("--out", type=Path, default=Path("forensics-power.jsonl"))
    parser.add_argument("--table", action="store_true")


def run(chosen: argparse.Namespace) -> None:
    names = ("small", "records", "held_out", "tokens", "epochs", "texts")
    done, world = begin(chosen.out, {name: getattr(chosen, name) for name in names}), opened(chosen)
    for name in TRUE:
        left = [test for test in (*WAYS, WEIGHTS) if (f"{name}: {_named(test)}", chosen.seed) not in done]
        suspect = (
            (stranger(world, 0) if name == STRANGER else student(world, name, chosen.seed)) if left else None
        )
        for test in left:
            if test == WEIGHTS:
                found = weights(world, suspect)
            else:
                found = marked_by(world, suspect, test, name, chosen.seed, chosen.texts)
            print(f"{name}: {_named(test)}: {found['outcome']}", flush=True)
            with chosen.out.open("a", encoding="utf-8") as file:
                line = {"arm": f"{name}: {_named(test)}", "seed": chosen.seed, **found}
                file.write(json.dumps(line) + "\n")


def _named(test: Any) -> str:
    return test if isinstance(test, str) else str(test.name)


def weights(world: World, suspect: Any) -> dict[str, Any]:
    """Whether the suspect's neurons stand in the teacher's order."""
    try:
        log10_p, whose = log10_p_of_layers(neurons(suspect), neurons(world.setting.teacher.model))
    except ValueError as error:
        return {"log10_p": None, "outcome": "cannot-tell", "why": str(error)}
    outcome = "consistent-with" if log10_p < math.log10(ALPHA) else "cannot-tell"
    return {"log10_p": log10_p, "outcome": outcome, "layers": whose}


def neurons(model: Any) -> list[Any]:
    """What each neuron of each layer reads: gate and up side by side [I, 2 H]."""
    parts = [(layer.mlp.gate_proj.weight, layer.mlp.up_proj.weight) for layer in decoder_layers(model)]
    return [np.concatenate([part.detach().float().numpy() for part in pair], 1) for pair in parts]


def show(found: Sequence[Mapping[str, Any]]) -> None:
    by = {one["arm"]: one for one in found}
    names, rows, wrong, missed = [*map(_named, WAYS), WEIGHTS], [], [], []
    for name, (learnt, made) in TRUE.items():
        cells = [by.get(f"{name}: {test}") for test in names]
        tested = [cell for cell in cells if cell and cell["log10_p"] is not None]
        adjusted = iter(holm([cell["log10_p"] for cell in tested]))
        shown = [_cell(cell, next(adjusted) if cell in tested else None) for cell in cells]
        rows.append([name, _truth(learnt), _truth(made), *(text for text, _ in shown)])
        for test, (_, seen) in zip(names, shown, strict=True):
            if seen and (made if test == WEIGHTS else learnt) is False:
                wrong.append(f"{name}: {test}")
        if name in FOUND and not shown[0][1]:
            missed.append(name)
    print(table(["student", "learnt from marked text", "of the teacher's weights", *names], rows))
    verdict(f"nothing is found that is not there{_listed(wrong)}", not wrong)
    verdict(f"direct students are found from 5% on, with logits and records{_listed(missed)}", not missed)


def _truth(value: bool | None) -> str:
    return "at second hand" if value is None else ("yes" if value else "no")


def _cell(cell: Mapping[str, Any] | None, adjusted: float | None) -> tuple[str, bool]:
    if cell is None:
        return "-", False
    if adjusted is None:
        return f"cannot tell ({cell['why']})", False
    seen = adjusted < math.log10(ALPHA)
    outcome = "consistent with" if seen else cell["outcome"].replace("-", " ")
    if not seen and outcome == "consistent with":
        outcome = "cannot tell"
    pairs = f"; {cell['pairs']:,}" if "pairs" in cell else ""
    return f"{outcome} ({adjusted:.1f}{pairs})", seen


def _listed(names: Sequence[str]) -> str:
    return f" (but {', '.join(names)})" if names else ""


assert set(KINDS) < set(TRUE), "each student has its truth"

if __name__ == "__main__":
    main()
