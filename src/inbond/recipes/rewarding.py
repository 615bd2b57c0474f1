"""Reads a run's rulings back as rewards, checked against the ledger."""

from __future__ import annotations

import os
from collections import defaultdict
from dataclasses import dataclass
from typing import final

from inbond.digest import Digest, of_file
from inbond.engine.verifying.rewards import Group
from inbond.errors import InputError, TamperedError
from inbond.ledger import asking, membership
from inbond.ledger.recorded import Kept
from inbond.ledger.records import Row, read_rows
from inbond.recipes.plan import my_library
from inbond.recipes.verifying import VERDICTS, read_rulings
from inbond.workspace import Workspace


@final
@dataclass(frozen=True)
class Rewards:
    """A run's groups, one a prompt, and how many answers have no reward: the verifier could not tell."""

    groups: tuple[Group, ...]
    left_out: int


def gather(workspace: Workspace, target: str) -> Rewards:
    """The rewards of a run, whether a student was trained or not; ``target`` is run:NAME or NAME.

    Raises InputError when there is no such run, or it verified nothing; TamperedError when its records are
    not those that the ledger knows, or their text was erased.
    """
    name = target.removeprefix("run:")
    book = asking.read(workspace, membership.events_in(workspace, os.environ), my_library()).book
    run = book.runs.get(name)
    kept = run.kept if run is not None else {}
    if VERDICTS not in kept or "generate" not in kept:
        raise InputError(
            expected=f"a run in {workspace.home} whose answers were verified (section verify of its recipe)",
            found=f"{target}, which verified none" if kept else f"no run {name!r}",
            fix="name such a run, or add verify to its recipe and run it again",
        )
    answers = _rows(kept["generate"])
    _check(kept[VERDICTS])
    rulings = read_rulings(kept[VERDICTS].folder)
    found: dict[Digest, list[int]] = defaultdict(list)
    for number, row in enumerate(answers):
        if rulings[number].outcome != "cannot-tell":
            found[row.record.prompt_id].append(number)
    groups = tuple(
        Group(
            answers[numbers[0]].record.prompt,
            tuple(answers[number].record.completion for number in numbers),
            tuple(float(rulings[number].outcome == "passed") for number in numbers),
        )
        for numbers in found.values()
    )
    return Rewards(groups, sum(ruling.outcome == "cannot-tell" for ruling in rulings))


def _rows(kept: Kept) -> list[Row]:
    _check(kept)
    return read_rows(kept.folder)


def _check(kept: Kept) -> None:
    """Raises TamperedError for a file that is not the manifest's; text that was erased is told by whoever
    reads it."""
    for name, digest in kept.manifest.files.items():
        path = kept.folder / name
        if path.exists() and of_file(path) != digest:
            raise TamperedError(
                expected=f"{path} as its manifest has it",
                found="other bytes",
                fix="inbond verify names what was changed; put back a copy",
            )
