"""Students with known parents, each before each test: one table.

Rows are the students of forensics_students.py, with what is true of them. Columns are the four ways of
looking for the mark (forensics_power.py); whether weights come from the teacher's; whether the student learnt
the teacher's unmarked answers, and whether it did without them (forensics_other.py). A cell tells the
outcome, log10 p after Holm over the row, and the size of the sample.

What is true is one thing, what may be found another: a student of reworded answers had marked text among its
ancestors and nothing of it may be left; a student of marked answers to the same prompts did not learn the
unmarked ones, but what is much like them. Such truths stand in the table and are not judged. The goals: no
test finds what is not there, and direct students of marked text are found from 5% on with logits and records.

    python benchmarks/forensics_suite.py [--small] [--seed 0] [--texts 96] [--out FILE]
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

from forensics_other import LEARNT, WEIGHTS, WITHOUT, Others
from forensics_power import one as marked_by
from forensics_reading import WAYS
from forensics_students import KINDS, arguments, opened, stranger, student
from on_policy import begin
from setting import table, verdict

from inbond.errors import InputError
from inbond.forensics.exact import holm
from inbond.forensics.finding import ALPHA

STRANGER = "stranger"
OTHER = (WEIGHTS, LEARNT, WITHOUT)
TRUE: dict[str, tuple[bool | None, bool, bool | None]] = {
    "marked-100": (True, True, None), "marked-20": (True, True, True), "marked-5": (True, True, True),
    "marked-1": (True, True, True), "unmarked": (False, True, True), "reworded": (None, True, None),
    "second": (None, True, None), "pruned": (True, True, None), "merged": (True, True, None),
    "unrelated": (False, False, False), STRANGER: (False, False, None),
}  # fmt: skip
"""Learnt from marked text, is made of the teacher's weights, learnt the unmarked answers (or four in five of
them at least). None: at second hand, or answers to the same prompts, or few."""
FOUND = ("marked-100", "marked-20", "marked-5")


def main() -> None:
    chosen = arguments(__doc__, _more)
    if not chosen.table:
        run(chosen)
    found = [json.loads(line) for line in chosen.out.read_text("utf-8").splitlines()][1:]
    show([one for one in found if one["seed"] == chosen.seed])


def _more(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--texts", type=int, default=96)
    parser.add_argument("--out", type=Path, default=Path("forensics-power.jsonl"))
    parser.add_argument("--table", action="store_true")


def run(chosen: argparse.Namespace) -> None:
    names = ("small", "records", "held_out", "tokens", "epochs", "texts")
    done, world = begin(chosen.out, {name: getattr(chosen, name) for name in names}), opened(chosen)
    others = Others(world, chosen.texts)
    for name in TRUE:
        left = [test for test in (*WAYS, *OTHER) if (f"{name}: {_named(test)}", chosen.seed) not in done]
        if not left:
            continue
        suspect = stranger(world, 0) if name == STRANGER else student(world, name, chosen.seed)
        for test in left:
            if isinstance(test, str):
                found = unmarked_by(others, test, suspect)
            else:
                found = marked_by(world, suspect, test, name, chosen.seed, chosen.texts)
            print(f"{name}: {_named(test)}: {found['outcome']}", flush=True)
            with chosen.out.open("a", encoding="utf-8") as file:
                line = {"arm": f"{name}: {_named(test)}", "seed": chosen.seed, **found}
                file.write(json.dumps(line) + "\n")


def _named(test: Any) -> str:
    return test if isinstance(test, str) else str(test.name)


def unmarked_by(others: Others, test: str, suspect: Any) -> dict[str, Any]:
    """One test that needs no mark."""
    try:
        finding = others.ask(test, suspect)
    except InputError as error:
        return {"log10_p": None, "outcome": "cannot-tell", "why": error.found}
    told = {name: round(value, 4) for name, value in finding.statistic.items()}
    return {
        "log10_p": finding.log10_p,
        "outcome": finding.outcome(),
        "pairs": finding.size,
        "statistic": told,
    }


def show(found: Sequence[Mapping[str, Any]]) -> None:
    by = {one["arm"]: one for one in found}
    names, rows, wrong, missed = [*map(_named, WAYS), *OTHER], [], [], []
    for name, truth in TRUE.items():
        cells = [by.get(f"{name}: {test}") for test in names]
        tested = [place for place, cell in enumerate(cells) if cell and cell["log10_p"] is not None]
        logs = [cell["log10_p"] for cell in cells if cell and cell["log10_p"] is not None]
        adjusted = dict(zip(tested, holm(logs), strict=True))
        shown = [_cell(cell, adjusted.get(place)) for place, cell in enumerate(cells)]
        rows.append([name, *map(_truth, truth), *(text for text, _ in shown)])
        for test, (_, seen) in zip(names, shown, strict=True):
            if seen and _is(truth, test) is False:
                wrong.append(f"{name}: {test}")
        if name in FOUND and not shown[0][1]:
            missed.append(name)
    print(table(["student", "marked text", "teacher's weights", "the records", *names], rows))
    verdict(f"nothing is found that is not there{_listed(wrong)}", not wrong)
    verdict(f"direct students are found from 5% on, with logits and records{_listed(missed)}", not missed)


def _is(truth: tuple[bool | None, bool, bool | None], test: str) -> bool | None:
    """Whether a test may find something; None where that is not judged."""
    learnt, weights, records = truth
    if test == WITHOUT:
        return None if records is None else not records
    return {WEIGHTS: weights, LEARNT: records}.get(test, learnt)


def _truth(value: bool | None) -> str:
    return "in part" if value is None else ("yes" if value else "no")


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
