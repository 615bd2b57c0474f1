"""Puts a batch to all judges at once, under one budget, so that a crash loses nothing.

Every reply is in the journal before it counts, keyed by all that was asked. A judge that stops answering, or
a budget that is used up, stops the batch with everything kept: what was never asked is no abstention.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Final

from inbond.engine.journal import Journal
from inbond.errors import DecisionNeededError, InputError, TeacherError
from inbond.roundtable.judge import judging
from inbond.roundtable.judge.batch import Batch, Judge, own_family
from inbond.roundtable.judge.hearing import Asking, Hearing, Key, Usage
from inbond.roundtable.judge.judging import Heard, Judgement, Vote
from inbond.roundtable.judge.pairs import Pair
from inbond.roundtable.judge.progress import Standing, Watch
from inbond.teachers.protocols import Price

_ENOUGH: Final = 1e-9


async def ask(
    batch: Batch,
    judges: Sequence[Judge],
    journal: Journal,
    how: Asking,
    on_progress: Callable[[Standing], None] | None = None,
) -> tuple[tuple[Judgement, ...], dict[str, Usage]]:
    """Puts the batch to all judges at once, and judges: the batch's pairs, then the canaries. Raises
    InputError for judges that cannot be told apart, TeacherError (which judge, why) when one cannot go on,
    DecisionNeededError when the budget ends; with every reply kept, and the next call goes on from there."""
    check_names([judge.name for judge in judges])
    # At temperature 0 the same model twice would be one vote counted twice.
    _check_apart("models", [judge.teacher.identity for judge in judges])
    watch = Watch(on_progress, {judge.name: len(batch.items(judge)) for judge in judges})
    hearings = [Hearing(batch, judge, journal, how, watch) for judge in judges]
    while True:
        caps = _caps(how.budget_usd, hearings, journal)
        # A key that is wrong, or a host that is not there, shows before an hour of the others' work.
        for step in (Hearing.probe, Hearing.ask):
            calls = [step(hearing, cap) for hearing, cap in zip(hearings, caps, strict=True)]
            _raise_first(judges, await asyncio.gather(*calls, return_exceptions=True))
        if not any(hearing.hungry for hearing in hearings):
            break
        if not _more_to_share(how.budget_usd, hearings, caps, journal):
            raise _over_budget(how.budget_usd, hearings, journal)
    heard = {hearing.judge.name: hearing.heard for hearing in hearings}
    usage = {
        hearing.judge.name: replace(hearing.usage, whole_cost_usd=hearing.spent(journal))
        for hearing in hearings
    }
    return tuple(_judged(batch, judges, heard, pair) for pair, _ in batch.shown), usage


def _judged(
    batch: Batch, judges: Sequence[Judge], heard: Mapping[str, Mapping[Key, Heard]], pair: Pair
) -> Judgement:
    votes: list[Vote] = []
    for principle in batch.constitution.principles:
        for judge in judges:
            shared = own_family(judge, pair)
            if shared:
                votes.append(judging.excluded(judge.name, principle.id, sorted(shared)))
                continue
            both = {order: heard[judge.name][pair.id, principle.id, order] for order in batch.orders}
            votes.append(judging.vote(judge.name, principle.id, both))
    return judging.judged(pair, votes, batch.constitution)


def check_names(names: Sequence[str]) -> None:
    """Raises InputError where there is no judge, or two of one name."""
    if not names:
        raise InputError(expected="at least one judge", found="none", fix=_NAME_THEM)
    _check_apart("names", names)


def _check_apart(what: str, values: Sequence[str]) -> None:
    for value in values:
        if values.count(value) > 1:
            raise InputError(expected=f"judges whose {what} differ", found=f"{value!r} twice", fix=_NAME_THEM)


_NAME_THEM: Final = "name each judge once, with a model of its own: --judge NAME=URI"


# The budget --------------------------------------------------------------------------------------------


def check_budget(budget_usd: float | None, judges: Sequence[Judge]) -> None:
    """Raises InputError for a budget that nothing could hold: a served judge without a price."""
    unpriced = [judge for judge in judges if judge.uri.startswith("api:") and judge.teacher.price == Price()]
    if budget_usd is not None and unpriced:
        raise InputError(
            expected=f"a price for {unpriced[0].uri}, since --budget is set",
            found="none, or 0, so nothing could be counted against the budget",
            fix="name the host's price in hosts.yaml (USD per million tokens), or leave --budget out",
        )


def _caps(budget_usd: float | None, hearings: Sequence[Hearing], journal: Journal) -> list[float | None]:
    """For each judge what it spent, and an equal share of what is left: what one leaves over, others get in
    the next round."""
    if budget_usd is None:
        return [None] * len(hearings)
    spent = [hearing.spent(journal) for hearing in hearings]
    eager = [hearing.hungry for hearing in hearings]
    share = max(0.0, budget_usd - sum(spent)) / (sum(eager) or len(hearings))
    return [
        own + (share if wants or not any(eager) else 0.0) for own, wants in zip(spent, eager, strict=True)
    ]


def _more_to_share(
    budget_usd: float | None, hearings: Sequence[Hearing], before: Sequence[float | None], journal: Journal
) -> bool:
    """Whether another round would give some hungry judge more than it had in this one."""
    return any(
        hearing.hungry and (now or 0.0) > (then or 0.0) + _ENOUGH
        for hearing, now, then in zip(hearings, _caps(budget_usd, hearings, journal), before, strict=True)
    )


def _over_budget(
    budget_usd: float | None, hearings: Sequence[Hearing], journal: Journal
) -> DecisionNeededError:
    spent = sum(hearing.spent(journal) for hearing in hearings)
    there = ", ".join(f"{hearing.judge.name} {len(hearing.heard):,}" for hearing in hearings)
    return DecisionNeededError(
        expected=f"a budget that lets every judge be heard on every pair, over {budget_usd} USD",
        found=f"{spent:.6f} USD spent, and no room for the next question; replies so far: {there}",
        fix="raise --budget and run the same command again: only what is missing is asked",
    )


def _raise_first(judges: Sequence[Judge], found: Sequence[BaseException | None]) -> None:
    """A judge that cannot go on stops the batch, after all others were heard."""
    for judge, error in zip(judges, found, strict=True):
        if isinstance(error, TeacherError):
            raise TeacherError(
                expected=f"judge {judge.name}: {error.expected}",
                found=error.found,
                fix=f"{error.fix}. Or leave {judge.name} out: nothing that others answered is asked again",
                reason=error.reason,
                retryable=error.retryable,
            ) from error
    for error in found:
        if error is not None:
            raise error
