"""Whether a transcript is the one that the workspace's ledger speaks of: who makes its whole chain anew, with
other replies, is found by nothing else."""

from __future__ import annotations

from pathlib import Path

from inbond.errors import TamperedError
from inbond.ledger.attest import KeyStore
from inbond.ledger.ledger import Ledger
from inbond.roundtable.session import Session
from inbond.roundtable.table import replay
from inbond.roundtable.verdict import KIND
from inbond.workspace import Workspace


def read_session(place: Path, workspace: Workspace) -> Session:
    """The session of a transcript, a file or in a folder. Raises as ``replay``, and TamperedError where the
    ledger has a verdict on a session of its name, or of its folder's, and on another transcript."""
    session = replay(place)
    folder = (place if place.is_dir() else place.parent).resolve()
    inside = folder.parent == workspace.sessions.resolve()
    is_signed(session, workspace, folder.name if inside else "")
    return session


def is_signed(session: Session, workspace: Workspace, folder: str = "") -> bool:
    """Whether the workspace's ledger has a verdict on this very transcript. Raises TamperedError where it has
    one on another transcript of that session."""
    if not (workspace.ledger.exists() or workspace.membership.exists()):
        return False
    with Ledger.open(workspace, KeyStore.default()) as ledger:
        return is_in(ledger, session, folder)


def is_in(ledger: Ledger, session: Session, folder: str = "") -> bool:
    """As ``is_signed``, with a ledger that is open."""
    names = {session.id, folder or session.id}
    signed = [
        event.body.get("transcript") for event in ledger.events(KIND) if event.body.get("session") in names
    ]
    if session.digest in signed or not signed:
        return bool(signed)
    raise TamperedError(
        expected=f"the transcript of {folder or session.id} that the ledger speaks of, {signed[-1]}",
        found=f"another, {session.digest}",
        fix="take the transcript from a copy: one that was written anew proves nothing; for one of another "
        "workspace name that one with --home",
    )
