"""Asks a teacher everything that the journal does not answer yet, and loses nothing.

Every reply is committed to the journal before it counts. Retries, pacing and spending follow a
``FailurePolicy`` handed in; a failure is kept with its reason and never touches another request.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence

from inbond.digest import Digest
from inbond.engine.asking import Asking
from inbond.engine.journal import Entry, Journal
from inbond.engine.pacing import FailurePolicy
from inbond.engine.results import Completions, Failure, Progress
from inbond.teachers.protocols import Completes, Request

__all__ = ["Completions", "Failure", "FailurePolicy", "Progress", "complete_all"]


async def complete_all(
    teacher: Completes,
    requests: Sequence[Request],
    journal: Journal,
    policy: FailurePolicy,
    *,
    run: str,
    on_progress: Callable[[Progress], None] | None = None,
) -> Completions:
    """Answers ``requests`` from the journal or by asking ``teacher``.

    Raises TeacherError when going on is pointless (unauthorised; a host that is down or refuses beyond
    ``policy.patience_s``), UnwritableError when the journal cannot be written. Whatever is raised,
    and when cancelled or killed, every committed answer is kept and the next call goes on from there.
    """
    assert all(request.teacher == teacher.identity for request in requests), "asked of whom it names"
    wanted = {request.id: request for request in requests}
    entries = await asyncio.to_thread(_look_up, journal, run, list(wanted))
    asking = Asking(teacher, policy, journal, run, on_progress, len(wanted))
    for id_, request in wanted.items():
        asking.add(request, entries.get(id_))
    await asking.finish()
    return asking.completions([request.id for request in requests])


def _look_up(journal: Journal, run: str, ids: list[Digest]) -> dict[Digest, Entry]:
    journal.claim(run, ids)
    return journal.find(ids)
