"""The probe of a run: whether its teacher's host may be believed, before anything is generated.

What it measured and decided is an artifact like any other: a host that was refused is refused again
without being asked.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, final

from inbond.digest import of_value
from inbond.engine.completions import Failure
from inbond.engine.journal import Journal
from inbond.errors import DecisionNeededError, InputError, TeacherError
from inbond.ledger.manifest import Identity
from inbond.recipes import answers
from inbond.recipes.accepting import reason_for
from inbond.recipes.objective import alternatives
from inbond.recipes.planned import Planned
from inbond.recipes.trail import Artifact, Made, Trail
from inbond.teachers import probing
from inbond.teachers.opening import open_local
from inbond.teachers.protocols import Completes, Price, Reply, Request, ScoresTokens
from inbond.teachers.remote import fewer
from inbond.types import Prompt, Reason, Verdict, prompt_to_json
from inbond.workspace import write_json

PROBE_VERSION = 1
PROBE = "probe.json"
ACCEPTED = "probe.accepted"


def probe(trail: Trail, plan: Planned, asked: Sequence[Prompt], accept: str | None) -> Artifact | None:
    """Asks the first few prompts and judges the host by its answers; None when the student does not learn
    from what a host reports.

    ``accept`` is the reason of a person who takes the host as it is; only what an earlier run could not
    tell can be accepted, and only by a reason that names the probe. Raises InputError when the host is not
    to be believed, DecisionNeededError when that cannot be told and nobody accepted it, TeacherError when
    it does not answer.
    """
    recipe = plan.recipe
    if not alternatives(recipe):
        return None
    assert plan.base is not None, "checked before the first stage"
    prompts = list(dict.fromkeys(asked))[: recipe.capture.probe]
    config = {
        "teacher": plan.teacher.pinned,
        "top_logprobs": alternatives(recipe),
        "sampling": answers.sampling(recipe).to_json(),
        "limit": recipe.capture.probe_limit,
        "reference": plan.reference.digest if plan.reference else None,
        "base": plan.base.digest,
        "decider": probing.DECIDER,
    }
    inputs = {"prompts": of_value([prompt_to_json(prompt) for prompt in prompts])}

    def make(folder: Path) -> Made:
        return _measure(trail, plan, prompts, folder)

    artifact = trail.stage("probe", "probe", Identity("probe", PROBE_VERSION, config, inputs), make)
    _settle(trail, artifact, accept)
    return artifact


def _measure(trail: Trail, plan: Planned, prompts: Sequence[Prompt], folder: Path) -> Made:
    from inbond.teachers.local import load_tokenizer

    assert plan.base is not None, "checked before the first stage"
    plan.check_models()
    tokenizer = load_tokenizer(plan.base.folder())
    reference = _reference(plan, tokenizer)
    with Journal.open(trail.workspace.journal) as journal:
        host = _Host(trail, plan, journal)
        requests, replies = asyncio.run(_ask(host, prompts, alone=reference is None))
    size, count = alternatives(plan.recipe), len({request.prompt for request in requests})
    result = probing.measure(requests, replies, count, tokenizer, size, reference)
    verdict = probing.decide(result, plan.recipe.capture.probe_limit)
    unanswered = len(prompts) - count
    found = {"result": result.to_json(), "unanswered": unanswered, "verdict": verdict.to_json()}
    write_json(folder / PROBE, found)
    return Made({"outcome": verdict.outcome, "prompts": count, "unanswered": unanswered})


def _reference(plan: Planned, tokenizer: Any) -> ScoresTokens | None:
    """The teacher's weights here. Raises InputError when its tokens are not the student's."""
    if plan.reference is None:
        return None
    from inbond.teachers.tokens import vocabulary_digest
    from inbond.train.student import check_same_tokens

    opened = open_local(plan.reference)
    check_same_tokens(opened.vocabulary, vocabulary_digest(tokenizer))
    return opened


@dataclass(frozen=True)
class _Host:
    """The teacher's host, asked through the journal: what was paid for is kept and asked once."""

    trail: Trail
    plan: Planned
    journal: Journal

    def open(self, size: int) -> Completes:
        """Asking for ``size`` alternatives a token."""
        opened = self.plan.teacher.open_completes(size)
        answers.check_cap(self.plan.recipe, opened)
        return _Journalled(self, opened)

    async def ask(self, teacher: Completes, requests: Sequence[Request]) -> tuple[Reply | Failure, ...]:
        recipe = self.plan.recipe
        done = await answers.ask("probe", self.trail, recipe, teacher, requests, self.journal)
        return done.outcomes


@final
@dataclass(frozen=True)
class _Journalled:
    """One request at a time, tried as often as the recipe says and kept. Implements Completes."""

    host: _Host
    teacher: Completes

    @property
    def identity(self) -> str:
        return self.teacher.identity

    @property
    def concurrency(self) -> int:
        return self.teacher.concurrency

    @property
    def price(self) -> Price:
        return self.teacher.price

    async def complete(self, request: Request) -> Reply:
        """See Completes."""
        (outcome,) = await self.host.ask(self.teacher, [request])
        if isinstance(outcome, Reply):
            return outcome
        raise TeacherError(
            expected=f"an answer of {self.teacher.identity}",
            found=outcome.text,
            fix="see what the host says, then run the same command again",
            reason=outcome.reason,
            retryable=False,
        )

    async def close(self) -> None:
        await self.teacher.close()


async def _ask(host: _Host, prompts: Sequence[Prompt], *, alone: bool) -> tuple[list[Request], list[Reply]]:
    """The requests of all prompts that were answered in every way, with their replies. Raises InputError
    when the host gives fewer alternatives than wanted, or answers no prompt at all; TeacherError."""
    wanted = alternatives(host.plan.recipe)
    given = await _settle_size(host, prompts, wanted)
    if given < wanted:
        raise fewer(str(host.plan.teacher.name), wanted, given)
    teacher = host.plan.teacher.open_completes(wanted)
    sampling = answers.sampling(host.plan.recipe)
    requests = probing.probe_requests(teacher.identity, prompts, sampling, alone=alone)
    outcomes = await host.ask(teacher, requests)
    pairs = list(zip(requests, outcomes, strict=True))
    failed = {request.prompt: outcome for request, outcome in pairs if isinstance(outcome, Failure)}
    if len(failed) == len(prompts):
        last = list(failed.values())[-1]
        raise InputError(
            expected=f"answers of {host.plan.teacher.name} to {len(prompts)} prompts of the probe",
            found=f"none is whole; the last: {last.reason}: {last.text:.200}",
            fix="look at what the host says, then run the same command again: answers are kept",
        )
    kept = [(request, reply) for request, reply in pairs if request.prompt not in failed]
    return [request for request, _ in kept], [reply for _, reply in kept if isinstance(reply, Reply)]


async def _settle_size(host: _Host, prompts: Sequence[Prompt], wanted: int) -> int:
    """By the first prompt that the host has anything to say to."""
    for prompt in prompts[:-1]:
        try:
            return await probing.settle_size(host.open, prompt, wanted)
        except TeacherError as error:
            if error.reason not in ("empty", "refused"):
                raise
    return await probing.settle_size(host.open, prompts[-1], wanted)


def _settle(trail: Trail, artifact: Artifact, accept: str | None) -> None:
    """Says what was found, and stops the run unless the host may be learnt from."""
    verdict = read_verdict(artifact)
    findings = "; ".join(reason.finding for reason in verdict.reasons)
    trail.watcher.say(f"probe: {verdict.outcome}: {findings}")
    try:
        probing.refuse(verdict)
    except DecisionNeededError:
        if accept is not None and artifact.status == "found":
            _accept(trail, verdict, accept)
        if accepted(trail, verdict) is None:
            raise


def _accept(trail: Trail, verdict: Verdict, reason: str) -> None:
    given = reason_for("probe", reason, "learning from a host that could not be checked")
    if given is not None and accepted(trail, verdict) != given:
        trail.ledger.record(ACCEPTED, {"run": trail.run, "facts": verdict.facts, "reason": given})


def accepted(trail: Trail, verdict: Verdict) -> str | None:
    """The last reason with which a person took this run's host that could not be checked; None: nobody
    has."""
    reasons = [
        str(event.body["reason"])
        for event in trail.ledger.events(ACCEPTED)
        if (event.body["run"], event.body["facts"]) == (trail.run, verdict.facts)
    ]
    return reasons[-1] if reasons else None


def read_verdict(artifact: Artifact) -> Verdict:
    """What the probe decided."""
    kept = json.loads((artifact.folder / PROBE).read_bytes())["verdict"]
    reasons = tuple(
        Reason(reason.pop("rule"), reason.pop("finding"), reason.pop("source"), reason)
        for reason in kept["reasons"]
    )
    return Verdict(kept["outcome"], reasons, kept["facts"], kept["decider"])
