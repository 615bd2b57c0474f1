"""Replies to requests that follow from a run's own records: asked through the journal, counted, kept."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, final

from inbond.engine.journal import Journal
from inbond.recipes import answers
from inbond.recipes.planned import Planned
from inbond.recipes.trail import Trail
from inbond.teachers.protocols import Reply, Request


@final
@dataclass(frozen=True)
class Replies:
    """What came back, in the order of the requests (None: a failure), and the counts for a manifest."""

    replies: tuple[Reply | None, ...]
    facts: Mapping[str, Any]


def ask_teacher(
    stage: str, trail: Trail, plan: Planned, requests: Callable[[str], Sequence[Request]]
) -> Replies:
    """Asks the run's teacher; ``requests`` makes what is asked from its identity. Raises as
    ``answers.ask``, and InputError when too much stays without a reply; every reply is kept."""
    completes = plan.teacher.open_completes()
    answers.check_cap(plan.recipe, completes)
    wanted = requests(completes.identity)
    with Journal.open(trail.workspace.journal) as journal:
        done = asyncio.run(answers.ask(stage, trail, plan.recipe, completes, wanted, journal))
        entries = journal.find({request.id for request in wanted})
    answers.enough(done, plan.recipe)
    replies = tuple(outcome if isinstance(outcome, Reply) else None for outcome in done.outcomes)
    given = [reply for reply in replies if reply is not None]
    facts = {
        "asked": len(wanted),
        "replies": len(given),
        "prompt_tokens": sum(reply.prompt_tokens or 0 for reply in given),
        "completion_tokens": sum(reply.completion_tokens or 0 for reply in given),
        "failures": dict(done.failures),
        "cost_usd": sum(entry.cost_usd for entry in entries.values()),
    }
    return Replies(replies, facts)
