"""Holds a judging: opens the judges, asks through the workspace's journal, and keeps what came of it.

``<home>/judgings/<id>/`` has ``judgements.jsonl`` (every pair and canary, both replies of each vote word for
word), ``preferences.jsonl`` (for training) and ``result.json``, written last. The ledger keeps who judged.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, final

from inbond.digest import of_file, of_value
from inbond.engine.journal import Journal
from inbond.errors import InputError
from inbond.ledger.ledger import Ledger
from inbond.roundtable.judge import export
from inbond.roundtable.judge.alone import Alone
from inbond.roundtable.judge.asking import ask, check_budget
from inbond.roundtable.judge.batch import Batch, Judge
from inbond.roundtable.judge.families import families_told
from inbond.roundtable.judge.findings import Findings
from inbond.roundtable.judge.hearing import Asking
from inbond.roundtable.judge.progress import Standing
from inbond.roundtable.seating import Open
from inbond.types import parse_model_name
from inbond.workspace import Workspace, write_bytes, write_json

JUDGED: Final = "roundtable.judged"
JUDGEMENTS: Final = "judgements.jsonl"
PREFERENCES: Final = "preferences.jsonl"
RESULT: Final = "result.json"
_NAME: Final = re.compile(r"[A-Za-z0-9][\w.-]{0,39}")


@final
@dataclass(frozen=True)
class Kept:
    """A judging that was held, and where it lies."""

    findings: Findings
    folder: Path
    preferences: int


def split_judge(text: str) -> tuple[str, str]:
    """The name and the model's name in ``NAME=URI``. Raises InputError."""
    name, equals, uri = (part.strip() for part in text.partition("="))
    if not equals or not _NAME.fullmatch(name):
        raise InputError(
            expected="a judge as NAME=URI, the name of letters, digits, dots and dashes",
            found=repr(text[:120]),
            fix="for example --judge ann=api:localhost:8080/my-model or --judge kai=gguf:model.gguf",
        )
    parse_model_name(uri)
    return name, uri


@asynccontextmanager
async def seated(
    judges: Sequence[tuple[str, str]], families: Mapping[str, str], open_: Open
) -> AsyncIterator[tuple[Judge, ...]]:
    """Judges from (name, model's name), their models open until the end; local ones answer one question at a
    time. Raises InputError for one that cannot be opened, a family that is not known, or one of somebody who
    does not judge."""
    strangers = sorted(set(families) - {name for name, _ in judges})
    if strangers:
        raise InputError(
            expected="--family NAME=FAMILY of a judge",
            found=f"{strangers[0]!r}, who is none",
            fix="name the judge as in --judge",
        )
    for text in families.values():
        families_told(text)
    opened: list[Judge] = []
    try:
        for name, uri in judges:
            model = parse_model_name(uri)
            teacher = (await asyncio.to_thread(open_, model, 1)).teacher
            teacher = teacher if model.scheme == "api" else Alone(teacher)
            opened.append(Judge(name, uri, teacher, families.get(name, "")))
        yield tuple(opened)
    finally:
        for judge in opened:
            await judge.teacher.close()


async def hold(
    batch: Batch,
    judges: Sequence[Judge],
    workspace: Workspace,
    ledger: Ledger,
    how: Asking,
    *,
    each_principle: bool = False,
    on_progress: Callable[[Standing], None] | None = None,
) -> Kept:
    """Judges the batch and keeps it. Raises as ``asking.ask`` and ``check_budget``, and UnwritableError; the
    journal then has every reply, and holding it again goes on from there."""
    check_budget(how.budget_usd, judges)
    workspace.create()
    with Journal.open(workspace.journal) as journal:
        judgements, usage = await ask(batch, judges, journal, how, on_progress)
    findings = Findings(batch, tuple(judges), judgements, usage)
    folder = workspace.judgings / id_of(batch, judges)
    lines = list(export.preferences(findings.of_pairs, each_principle=each_principle))
    write_bytes(folder / JUDGEMENTS, export.lines(map(export.judgement_json, findings.judgements)))
    write_bytes(folder / PREFERENCES, export.lines(lines))
    write_json(folder / RESULT, findings.to_json())
    _record(ledger, _event(findings, folder, len(lines)))
    return Kept(findings, folder, len(lines))


def id_of(batch: Batch, judges: Sequence[Judge]) -> str:
    """The folder's name: of the batch, and of who judged."""
    who = of_value(sorted([judge.name, judge.teacher.identity] for judge in judges))
    return f"{batch.id}-{who.removeprefix('sha256:')[:6]}"


def _event(findings: Findings, folder: Path, preferences: int) -> dict[str, Any]:
    batch = findings.batch
    return {
        "batch": batch.digest,
        "constitution": batch.constitution.digest,
        "folder": folder.name,
        "judges": [{"name": judge.name, "identity": judge.teacher.identity} for judge in findings.judges],
        "failed_canaries": [trial.judge for trial in findings.trials if trial.outcome == "failed"],
        "pairs": len(batch.pairs),
        "preferences": preferences,
        "files": {name: of_file(folder / name) for name in (JUDGEMENTS, PREFERENCES)},
    }


def _record(ledger: Ledger, body: Mapping[str, Any]) -> None:
    """Once: the same judging held again is no news."""
    known = (event.body for event in ledger.events(JUDGED))
    if not any(all(each.get(name) == value for name, value in body.items()) for each in known):
        ledger.record(JUDGED, body)
