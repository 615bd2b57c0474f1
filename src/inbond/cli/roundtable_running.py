"""Holds a session for ``inbond roundtable ask``: from options to seats, the run, and the ledger's event."""

from __future__ import annotations

import asyncio
import contextlib
import re
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, final

from inbond import __version__
from inbond.cli.output import Output
from inbond.cli.roundtable_signed import is_in
from inbond.cli.roundtable_watch import watching
from inbond.cli.students import students_of
from inbond.digest import of_file
from inbond.errors import InputError, TamperedError
from inbond.ledger.attest import KeyStore
from inbond.ledger.events import FILE_WRITTEN
from inbond.ledger.ledger import Ledger
from inbond.report.roundtable_export import session_json
from inbond.report.roundtable_page import render_roundtable_page
from inbond.roundtable import table, transcript
from inbond.roundtable.agenda import Agenda, check_agenda, make_agenda, read_agenda
from inbond.roundtable.protocol import Opened
from inbond.roundtable.seating import Open, Sitter, local_models, opener, seated
from inbond.roundtable.session import Session
from inbond.roundtable.tally import quorum
from inbond.roundtable.verdict import KIND, event_body, verdict_of
from inbond.workspace import Workspace, write_bytes, write_json

PAGE: Final = "page.html"
RESULT: Final = "result.json"
_NAME: Final = re.compile(r"\w[\w.-]{0,79}")
_MOST_AGAIN: Final = 1_000


@final
@dataclass(frozen=True)
class Asked:
    """What the command line was given; None and () where it was not."""

    question: str | None
    options: tuple[str, ...]
    seats: tuple[str, ...]
    rounds: int | None
    timeout_s: float | None
    language: str | None
    allow_abstain: bool | None
    writer: str | None
    file: Path | None
    name: str | None


def understood(asked: Asked) -> Agenda:
    """Options before the file, the file before defaults. Raises InputError."""
    if asked.name is not None and not _NAME.fullmatch(asked.name):
        raise InputError(
            expected="--name with letters, digits, dots and dashes",
            found=repr(asked.name[:80]),
            fix="leave it out, and the day and the question name the session",
        )
    if asked.question is None and asked.file is None:
        raise InputError(
            expected="a question, or --file with one",
            found="neither",
            fix='inbond roundtable ask "Tabs or spaces?" --option tabs --option spaces',
        )
    given: dict[str, Any] = {
        "question": asked.question,
        "options": list(asked.options) or None,
        "seats": list(asked.seats) or None,
        "rounds": asked.rounds,
        "timeout_s": asked.timeout_s,
        "language": asked.language,
        "allow_abstain": asked.allow_abstain,
        "writer": asked.writer,
    }
    said = {field: value for field, value in given.items() if value is not None}
    base = read_agenda(asked.file).model_dump() if asked.file is not None else {"options": []}
    text = check_agenda({**base, **said}, str(asked.file) if asked.file is not None else "the options given")
    return make_agenda(text, local_models() if isinstance(text.seats, int) else ())


def hold(agenda: Agenda, name: str | None, workspace: Workspace, output: Output) -> Session:
    """Runs the session, or goes on with the one that was cut off; then its page, its result and the ledger's
    events. Raises InputError, UnwritableError, TamperedError."""
    workspace.create()
    with Ledger.open(workspace, KeyStore.default()) as ledger:
        ledger.check_writable()
        folder = _folder(agenda, name, workspace, ledger, output)
        _say_what_cannot_be(agenda, output)
        session = asyncio.run(_run(agenda, folder, opener(students=students_of(workspace)), output))
        if not is_in(ledger, session):
            _record(session, folder, workspace, ledger)
    return session


def _record(session: Session, folder: Path, workspace: Workspace, ledger: Ledger) -> None:
    """Page and result, computed from the transcript; the ledger speaks of all three, and of the verdict."""
    write_bytes(folder / PAGE, render_roundtable_page(session).encode())
    write_json(folder / RESULT, session_json(session, PAGE, transcript.NAME))
    closed = transcript.read(folder / transcript.NAME)[-1]
    verdict = verdict_of(session, closed.body["verdict"]["facts"])
    place = folder.relative_to(workspace.home).as_posix()
    written = (
        {"session": session.id, "path": f"{place}/{name}", "digest": of_file(folder / name)}
        for name in (transcript.NAME, PAGE, RESULT)
    )
    ledger.record_many([*((FILE_WRITTEN, body) for body in written), (KIND, event_body(session, verdict))])


def _folder(agenda: Agenda, name: str | None, workspace: Workspace, ledger: Ledger, output: Output) -> Path:
    """Where the session lies: a folder that is new, or that of the same session, cut off. What was damaged
    is left as it is: without a ``name``, the session gets another folder."""
    wanted = name or _cut_off(agenda, workspace, ledger) or table.session_id(agenda.question, time.time())
    for number in range(1, _MOST_AGAIN):
        folder = workspace.session(wanted if number == 1 else f"{wanted}-{number}")
        try:
            if _is_free(folder, ledger) or _goes_on(agenda, folder, ledger):
                return folder
        except TamperedError as error:
            if name is not None:
                raise _damaged(folder, error) from error
            output.say(f"{folder.name} is left as it is, and this is another session: {error.found}")
        if name is not None:
            raise InputError(
                expected=f"a session {name!r} that is new, or the same and not finished",
                found="another that was held under this name",
                fix=f"inbond roundtable show {name} shows it; give this one another --name",
            )
    raise InputError(expected="a name that is free", found=wanted, fix="name the session with --name")


def _cut_off(agenda: Agenda, workspace: Workspace, ledger: Ledger) -> str | None:
    """The name of the newest session of any day that is this one, and not finished."""
    _, _, digest = table.session_id(agenda.question, 0.0).rpartition("-")
    for folder in sorted(workspace.sessions.glob(f"????-??-??-{digest}*"), reverse=True):
        with contextlib.suppress(TamperedError):
            if _goes_on(agenda, folder, ledger):
                return folder.name
    return None


def _is_free(folder: Path, ledger: Ledger) -> bool:
    """Whether no session was begun there. One whose text was erased still has its name in the ledger."""
    if transcript.is_begun(folder / transcript.NAME):
        return False
    return all(event.body.get("session") != folder.name for event in ledger.events(KIND))


def _damaged(folder: Path, error: TamperedError) -> TamperedError:
    return TamperedError(
        expected=f"{error.expected}, in {folder / transcript.NAME}",
        found=error.found,
        fix="give this session another --name, and that one stays as it is; or put back a copy of it",
    )


def _goes_on(agenda: Agenda, folder: Path, ledger: Ledger) -> bool:
    """Whether the session there is this one, and not finished, up to the ledger's event. Raises
    TamperedError."""
    if not transcript.is_begun(folder / transcript.NAME):
        return False
    kept = table.replay(folder)
    if is_in(ledger, kept, folder.name):
        return False
    return _terms(table.opened(folder)) == (
        __version__,
        agenda.question,
        [(seat.name, seat.uri, seat.persona, seat.temperature) for seat in agenda.seats],
        agenda.rounds,
        agenda.timeout_s,
        agenda.writer.uri if agenda.writer is not None else None,
    )


def _terms(opened: Opened) -> tuple[Any, ...]:
    seats = [(seat.name, seat.uri, seat.persona, seat.temperature) for seat in opened.seats]
    return opened.version, opened.question, seats, opened.rounds, opened.timeout_s, opened.writer


async def _run(agenda: Agenda, folder: Path, open_: Open, output: Output) -> Session:
    people = [*agenda.seats, *([agenda.writer] if agenda.writer is not None else [])]
    async with seated(people, open_) as sitters:
        _say_who_is_absent(sitters, output)
        seats = sitters[: len(agenda.seats)]
        teachers = {sitter.seat.name: sitter.teacher for sitter in seats}
        writer = sitters[-1].teacher if agenda.writer is not None else None
        with watching(output) as progress:
            if transcript.is_begun(folder / transcript.NAME):
                output.say(f"{folder.name}: going on where it was cut off")
                return await table.resume(folder, teachers, writer=writer, on_progress=progress)
            return await table.run(
                agenda.question,
                [sitter.seat for sitter in seats],
                teachers,
                folder,
                writer=(agenda.writer.uri, writer) if agenda.writer is not None and writer else None,
                rounds=agenda.rounds,
                timeout_s=agenda.timeout_s,
                on_progress=progress,
            )


def _say_what_cannot_be(agenda: Agenda, output: Output) -> None:
    """Before anything is spent."""
    seated_, needed = len(agenda.seats), quorum(len(agenda.seats))
    if seated_ < needed:
        there = "1 seat" if seated_ == 1 else f"{seated_} seats"
        output.say(f"{there} can never decide: a quorum is {needed} votes; all answers are kept all the same")


def _say_who_is_absent(sitters: tuple[Sitter, ...], output: Output) -> None:
    for sitter in sitters:
        if sitter.why:
            output.say(f"{sitter.seat.name}: its model cannot be opened: {sitter.why}")
