"""Where a session lies; and of one whose text was erased, what the ledger still says."""

from __future__ import annotations

from pathlib import Path

from inbond.errors import InputError
from inbond.ledger.attest import KeyStore
from inbond.ledger.events import TEXT_ERASED, Event
from inbond.ledger.ledger import Ledger
from inbond.workspace import Workspace

_TRANSCRIPT = "transcript.jsonl"


def find_session(name: str, workspace: Workspace) -> Path:
    """The place of a transcript: a file, a folder, or a session of the workspace by its name. Raises
    InputError, also for a session that was erased."""
    places = [Path(name), *([workspace.session(name)] if "/" not in name else [])]
    for place in places:
        if place.exists() and not _is_emptied(place):
            return place
    for place in filter(_is_emptied, places):
        if erased := _erased(place.resolve().name, workspace):
            raise erased
    kept = sorted(each.parent.name for each in workspace.sessions.glob(f"*/{_TRANSCRIPT}"))
    raise InputError(
        expected="a session of this workspace, its folder, or a transcript",
        found=f"{name!r}, which is none",
        fix=f"sessions here: {', '.join(kept[-8:])}" if kept else "inbond roundtable ask holds one",
    )


def _is_emptied(place: Path) -> bool:
    return place.is_dir() and not (place / _TRANSCRIPT).exists()


def _erased(session: str, workspace: Workspace) -> InputError | None:
    """What to say of a session whose text was erased; None where the ledger knows of no erasing."""
    from inbond.roundtable.verdict import KIND

    if not (workspace.ledger.exists() or workspace.membership.exists()):
        return None
    with Ledger.open(workspace, KeyStore.default()) as ledger:
        erasures = [each for each in ledger.events(TEXT_ERASED) if each.body.get("session") == session]
        decided = [each for each in ledger.events(KIND) if each.body.get("session") == session]
    if not erasures:
        return None
    return InputError(
        expected=f"the transcript of {session}",
        found=f"its text was erased on purpose on {erasures[-1].at[:10]}{_decided(decided)}",
        fix="nothing brings it back; hold it again with inbond roundtable ask",
    )


def _decided(events: list[Event]) -> str:
    if not events:
        return "; it was not finished"
    body = events[-1].body
    count = f"{body['verdict']['outcome']}, {body['seated']} seated, {body['voted']} voted"
    return f"; the ledger keeps its outcome ({count}) and the digest of its transcript, {body['transcript']}"
