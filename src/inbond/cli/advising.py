"""What a panel found, read to be shown beside a policy review: ``inbond check ... --advice SESSION``.

A panel decides nothing about terms, and whether it was asked the review's question no code can tell: so its
question is shown as it was asked. What can be told is: that the session was closed, that its votes come to
its outcome, and that the workspace's ledger signed this very transcript.
"""

from __future__ import annotations

import textwrap
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final, final

from inbond.cli.roundtable_finding import find_session
from inbond.errors import InputError
from inbond.report.text import one_line
from inbond.types import Reason
from inbond.workspace import Workspace

_MOST_SHOWN: Final = 400


@final
@dataclass(frozen=True)
class Advice:
    """``reason`` is what the review says of it, ``kept`` what the ledger keeps of it, which has no words."""

    reason: Reason
    kept: Mapping[str, Any]


def read_advice(name: str, workspace: Workspace) -> Advice:
    """The advice of a session by its name or its folder. Raises InputError for one that is not there, not
    closed or not in the ledger, and TamperedError for one that was changed."""
    from inbond.cli.roundtable_signed import is_signed
    from inbond.roundtable.table import replay
    from inbond.roundtable.verdict import advice_body, advice_of

    session = replay(find_session(name, workspace))
    if session.closed_at is None:
        raise InputError(
            expected="--advice with a session that is closed",
            found=f"{session.id}, which is not finished",
            fix="ask it again to go on: inbond roundtable ask, with the same options",
        )
    if not is_signed(session, workspace):
        raise InputError(
            expected="--advice with a session that was held in this workspace",
            found=f"{session.id}, of which its ledger does not speak",
            fix="name the workspace where it was held with --home, or hold it here: inbond roundtable ask",
        )
    return Advice(advice_of(session), advice_body(session))


def advice_lines(reason: Reason, width: int) -> list[str]:
    """The advice as a part of the review's text, after all that counts."""
    said = reason.detail
    question = one_line(said["question"])
    shown = question if len(question) <= _MOST_SHOWN else f"{question[:_MOST_SHOWN]}…"
    answer = "" if said["panel_answer"] is None else f": {one_line(said['panel_answer'])}"
    count = ", ".join(f"{one_line(label)} {votes}" for label, votes in said["tally"].items())
    told = (
        f"asked: {shown}",
        f"found: {said['panel_outcome']}{answer}",
        f"seats: {said['seated']} seated, {said['voted']} voted ({count})",
        f"transcript: {said['transcript']} (session {reason.source})",
    )
    heading = [
        "",
        "Advice of a panel (it changes nothing above; judge whether its question is yours)",
    ]
    lines = (
        textwrap.wrap(line, width, initial_indent="  ", subsequent_indent="    ", break_on_hyphens=False)
        for line in told
    )
    return [*heading, *(line for each in lines for line in each)]
