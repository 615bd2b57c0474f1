"""Runs ``inbond briefing make``: opens the model, asks, lays the briefing down, and records it."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Final

from inbond.briefing import shelf
from inbond.briefing.briefing import Briefing, Related
from inbond.briefing.making import Asking, Order, id_of, make
from inbond.briefing.related import related
from inbond.briefing.telling import Telling
from inbond.cli.output import Output
from inbond.cli.students import students_of
from inbond.cli.watch import watching
from inbond.digest import of_file
from inbond.engine.erasure import BRIEFING
from inbond.engine.journal import Journal
from inbond.engine.results import Progress
from inbond.errors import InputError, TamperedError, need_extra
from inbond.ledger.attest import KeyStore
from inbond.ledger.events import BRIEFING_MADE
from inbond.ledger.inventory import BRIEFING_FORMAT
from inbond.ledger.ledger import Ledger
from inbond.recipes.watch import Watcher, how_asking_goes
from inbond.report.briefing_page import render_briefing_page
from inbond.roundtable.seating import opener
from inbond.teachers.protocols import Completes
from inbond.types import ModelName, parse_model_name
from inbond.workspace import PRIVATE_DIR, Workspace, locked, writing

_AT_ONCE: Final = 2
"""Conversations of one local model: more do not make a processor faster."""
_STAGE: Final = "asking"


def check_model(uri: str) -> ModelName:
    """Raises InputError for what is no model's name, and MissingExtraError where pages cannot be made safe,
    before anything is fetched or spent."""
    try:
        import nh3  # noqa: F401
    except ImportError as error:
        raise need_extra("briefing", "nh3") from error
    return parse_model_name(uri)


def brief(order: Order, workspace: Workspace, output: Output) -> tuple[Briefing, Path, bool]:
    """The briefing, its folder, and whether it was made now. Raises InputError, TeacherError,
    UnwritableError, TamperedError."""
    workspace.create()
    with Ledger.open(workspace, KeyStore.default()) as ledger:
        ledger.check_writable()
        return asyncio.run(_with_teacher(order, workspace, ledger, output))


async def _with_teacher(
    order: Order, workspace: Workspace, ledger: Ledger, output: Output
) -> tuple[Briefing, Path, bool]:
    name = parse_model_name(order.uri)
    opened = await asyncio.to_thread(opener(students=students_of(workspace)), name, _AT_ONCE)
    teacher = opened.teacher
    try:
        folder = workspace.briefing(id_of(order.identity(teacher.identity)))
        with writing(folder):
            workspace.briefings.mkdir(mode=PRIVATE_DIR, exist_ok=True)
            folder.mkdir(mode=PRIVATE_DIR, exist_ok=True)
        with locked(folder / ".lock"):
            made = not (folder / shelf.NAME).exists()
            if made:
                await _make(order, workspace, teacher, folder.name, output)
            found = shelf.read(folder)
            _record(found, folder, ledger, made=made)
            return found, folder, made
    finally:
        await teacher.close()


async def _make(order: Order, workspace: Workspace, teacher: Completes, id_: str, output: Output) -> None:
    with Journal.open(workspace.journal) as journal, watching(output) as watcher:
        start_s = time.monotonic()
        watcher.begin(_STAGE)
        asking = Asking(order, teacher, journal, f"{BRIEFING}{id_}")
        asking.on_progress = _show(watcher, asking)
        made_at = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
        made = await make(asking, made_at=made_at, relate=_relate(workspace, output))
        watcher.end(_STAGE, time.monotonic() - start_s, made=True)
    shelf.keep(workspace, made, render_briefing_page(made))


def _relate(workspace: Workspace, output: Output) -> Callable[[Briefing], Sequence[Related]]:
    """Finds what was briefed before on the same matter; says which earlier briefings cannot be read."""

    def tell(error: InputError) -> None:
        output.say(f"passed over: {error.expected}: {error.found}")

    return lambda made: related(Telling.of(made), shelf.listed(workspace, tell))


def _show(watcher: Watcher, asking: Asking) -> Callable[[Progress], None]:
    def show(progress: Progress) -> None:
        note = f"in round {asking.round}, {how_asking_goes(progress)}"
        watcher.advance(_STAGE, progress.done, progress.total, note)

    return show


def _record(briefing: Briefing, folder: Path, ledger: Ledger, *, made: bool) -> None:
    """Tells the ledger, once. Raises TamperedError where one made before is not what it was told."""
    body = event_body(briefing, folder)
    told = [event for event in ledger.events(BRIEFING_MADE) if event.body.get("id") == briefing.id]
    if made or not told:
        ledger.record(BRIEFING_MADE, body)
    elif told[-1].body.get("briefing") != body["briefing"]:
        raise TamperedError(
            expected=f"the briefing that the ledger speaks of, {told[-1].body.get('briefing')}",
            found=f"{folder / shelf.NAME}, which is another, {body['briefing']}",
            fix="remove the folder and make it again: what was answered is still in the journal",
        )


def event_body(briefing: Briefing, folder: Path) -> dict[str, Any]:
    """What the ledger is told: digests and counts, no text."""
    asked = briefing.asked
    return {
        "format": BRIEFING_FORMAT,
        "id": briefing.id,
        "identity": briefing.identity,
        "article": briefing.source.digest,
        "language": briefing.language,
        "model": briefing.model.model_dump(),
        "briefing": of_file(folder / shelf.NAME),
        "page": of_file(folder / shelf.PAGE),
        "tokens": {"prompt": asked.prompt_tokens, "completion": asked.completion_tokens},
    }
