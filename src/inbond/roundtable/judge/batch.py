"""A batch of pairs put to all judges: what is to be asked, and asking it so that a crash loses nothing.

Every reply is in the journal before it counts, keyed by all that was asked. What is asked next (a question
sent back, another form) follows from the replies alone, so that a batch that was killed walks the same way
again through the journal and asks only for what is not there. A judge that stops answering, or a budget that
is used up, stops the batch with everything kept: what was never asked is no abstention.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Final, final

from inbond.digest import Digest, of_value
from inbond.engine.completions import Completions, Failure, FailurePolicy, Progress, complete_all
from inbond.engine.journal import Journal
from inbond.errors import DecisionNeededError, InputError, TeacherError
from inbond.roundtable import ladder
from inbond.roundtable.judge import judging
from inbond.roundtable.judge.canaries import Canary, plant
from inbond.roundtable.judge.constitution import Constitution
from inbond.roundtable.judge.families import families_of, writers
from inbond.roundtable.judge.judging import ORDERS, Heard, Judgement, Order, Vote
from inbond.roundtable.judge.pairs import Pair, Side
from inbond.roundtable.judge.wording import Asked, Item, after_failure, next_step
from inbond.teachers.protocols import Completes, Reply, Sampling

FORMAT: Final = "inbond.judging/1"
SAMPLING: Final = Sampling(max_tokens=1024, temperature=0.0)
_PROBES: Final = 3
_ENOUGH: Final = 1e-9

Key = tuple[str, str, Order]
"""A pair's id, a principle's id, and which answer is first."""


@final
@dataclass(frozen=True)
class Judge:
    """One judge. ``family`` is given where its name does not tell it."""

    name: str
    uri: str
    teacher: Completes
    family: str = ""

    @property
    def families(self) -> frozenset[str]:
        """Known families; none where nothing tells."""
        return frozenset({self.family.casefold()}) if self.family else families_of(self.uri)


@final
@dataclass(frozen=True)
class Batch:
    """Pairs, and the constitution that they are judged by."""

    pairs: tuple[Pair, ...]
    constitution: Constitution

    @cached_property
    def digest(self) -> Digest:
        """Of the pairs in their order, who wrote them, and the constitution: decides the canaries."""
        pairs = [[pair.digest, _plain(pair.models), _plain(pair.families)] for pair in self.pairs]
        return of_value({"format": FORMAT, "constitution": self.constitution.digest, "pairs": pairs})

    @property
    def id(self) -> str:
        """Short, for folders and for the journal."""
        return self.digest.removeprefix("sha256:")[:12]

    @cached_property
    def canaries(self) -> tuple[Canary, ...]:
        return plant(self.pairs, self.digest)

    @cached_property
    def shown(self) -> tuple[tuple[Pair, bool], ...]:
        """All pairs that judges see, and whether each is one that they see again."""
        planted = tuple((canary.pair, canary.kind == "swapped") for canary in self.canaries)
        return tuple((pair, False) for pair in self.pairs) + planted

    def items(self, judge: Judge) -> tuple[Item, ...]:
        """All that this judge is asked: what its own family wrote is not."""
        return tuple(
            Item(pair, principle, order, again)
            for pair, again in self.shown
            if not own_family(judge, pair)
            for principle in self.constitution.principles
            for order in ORDERS
        )


def _plain(by_side: Mapping[Side, str]) -> dict[str, str]:
    return {str(side): text for side, text in by_side.items()}


def own_family(judge: Judge, pair: Pair) -> frozenset[str]:
    """The families that judge and candidates share."""
    found: frozenset[str] = frozenset().union(*writers(pair).values())
    return found & judge.families


def run_of(batch: Batch, judge: Judge) -> str:
    """The name under which the journal keeps what this judge was asked and what it cost."""
    return f"judging-{batch.id}-{judge.name}"


@final
@dataclass(frozen=True)
class Usage:
    """What one judge took: replies asked for in this call and found in the journal, tokens and US dollars of
    this call, and what all calls together cost."""

    asked: int = 0
    from_journal: int = 0
    prompt_tokens: int = 0
    completion_tokens: int = 0
    cost_usd: float = 0.0
    whole_cost_usd: float = 0.0

    def plus(self, done: Completions) -> Usage:
        """With one more call's."""
        return replace(
            self,
            asked=self.asked + done.asked,
            from_journal=self.from_journal + done.from_journal,
            prompt_tokens=self.prompt_tokens + done.prompt_tokens,
            completion_tokens=self.completion_tokens + done.completion_tokens,
            cost_usd=self.cost_usd + done.cost_usd,
        )


@final
@dataclass(frozen=True)
class Standing:
    """How far the whole batch is: replies. ``seconds_left`` is the slowest judge's; None: not known yet."""

    done: int
    total: int
    failed: int
    a_second: float
    seconds_left: float | None
    cost_usd: float


@final
@dataclass(frozen=True)
class Asking:
    """How a batch is asked. ``budget_usd`` is for all judges and all interruptions together; None: no cap."""

    policy: FailurePolicy = field(default_factory=FailurePolicy)
    budget_usd: float | None = None
    sampling: Sampling = SAMPLING


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
    watch = _Watch(on_progress, {judge.name: len(batch.items(judge)) for judge in judges})
    panels = [_Panel(batch, judge, journal, how, watch) for judge in judges]
    while True:
        caps = _caps(how.budget_usd, panels, journal)
        # A key that is wrong, or a host that is not there, shows before an hour of the others' work.
        for step in (_Panel.probe, _Panel.ask):
            calls = [step(panel, cap) for panel, cap in zip(panels, caps, strict=True)]
            _raise_first(judges, await asyncio.gather(*calls, return_exceptions=True))
        if not any(panel.hungry for panel in panels):
            break
        if not _more_to_share(how.budget_usd, panels, caps, journal):
            raise _over_budget(how.budget_usd, panels, journal)
    heard = {panel.judge.name: panel.heard for panel in panels}
    usage = {panel.judge.name: replace(panel.usage, whole_cost_usd=panel.spent(journal)) for panel in panels}
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
            both = {order: heard[judge.name][pair.id, principle.id, order] for order in ORDERS}
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


# One judge ---------------------------------------------------------------------------------------------


@final
class _Panel:
    """One judge at work. ``hungry`` when the budget kept it from asking."""

    def __init__(self, batch: Batch, judge: Judge, journal: Journal, how: Asking, watch: _Watch) -> None:
        self.judge = judge
        self.heard: dict[Key, Heard] = {}
        self.usage = Usage()
        self.hungry = False
        self._run = run_of(batch, judge)
        self._items = batch.items(judge)
        self._journal = journal
        self._how = how
        self._watch = watch
        self._rung: ladder.Rung = ladder.RUNGS[0]
        self._proven = False

    def spent(self, journal: Journal) -> float:
        """US dollars, over all calls."""
        return journal.spent(self._run).cost_usd

    async def probe(self, cap_usd: float | None) -> None:
        """Finds the form that the judge's host knows, on the shortest questions. Raises TeacherError when it
        answers none of them."""
        self.hungry = False
        for item in sorted(self._unheard(), key=_size)[:_PROBES]:
            if not self._proven and not self.hungry:
                await self._down([Asked(item, self._rung)], cap_usd)
        heard = list(self.heard.values())
        if heard and all(each.status == "error" for each in heard):
            raise TeacherError(
                expected="an answer to the shortest of its questions",
                found=heard[-1].why,
                fix="check that the model runs and that the questions fit its context",
                reason="unreachable",
                retryable=True,
            )

    async def ask(self, cap_usd: float | None) -> None:
        """Asks for all that was not heard yet; what the cap does not allow stays unheard."""
        await self._down([Asked(item, self._rung) for item in self._unheard()], cap_usd)

    def _unheard(self) -> list[Item]:
        return [item for item in self._items if _key(item) not in self.heard]

    async def _down(self, wave: list[Asked], cap_usd: float | None) -> None:
        """Asks, and asks again what must be asked otherwise, until all is heard."""
        while wave and not self.hungry:
            requests = [each.request(self.judge.teacher.identity, self._how.sampling) for each in wave]
            done = await complete_all(
                self.judge.teacher,
                requests,
                self._journal,
                replace(self._how.policy, spend_cap_usd=cap_usd),
                run=self._run,
                on_progress=lambda now: self._watch.told(self.judge.name, len(self.heard), now),
            )
            self.usage = self.usage.plus(done)
            steps = [self._step(each, outcome) for each, outcome in zip(wave, done.outcomes, strict=True)]
            for each, step in zip(wave, steps, strict=True):
                if isinstance(step, Heard):
                    self.heard[_key(each.item)] = step
            wave = [step for step in steps if isinstance(step, Asked)]

    def _step(self, asked: Asked, outcome: Reply | Failure) -> Heard | Asked | None:
        """None: the budget did not allow it."""
        if isinstance(outcome, Reply):
            step = next_step(asked, outcome)
            if not self._proven and isinstance(step, Heard) and step.status == "said":
                self._rung, self._proven = asked.rung, True
            return step
        if outcome.reason == "budget":
            self.hungry = True
            return None
        return after_failure(asked, outcome.reason, outcome.text, proven=self._proven)


def _key(item: Item) -> Key:
    return item.pair.id, item.principle.id, item.order


def _size(item: Item) -> int:
    return item.size


# The budget --------------------------------------------------------------------------------------------


def _caps(budget_usd: float | None, panels: Sequence[_Panel], journal: Journal) -> list[float | None]:
    """For each judge what it spent, and an equal share of what is left: what one leaves over, others get in
    the next round."""
    if budget_usd is None:
        return [None] * len(panels)
    spent = [panel.spent(journal) for panel in panels]
    eager = [panel.hungry for panel in panels]
    share = max(0.0, budget_usd - sum(spent)) / (sum(eager) or len(panels))
    return [
        own + (share if wants or not any(eager) else 0.0) for own, wants in zip(spent, eager, strict=True)
    ]


def _more_to_share(
    budget_usd: float | None, panels: Sequence[_Panel], before: Sequence[float | None], journal: Journal
) -> bool:
    """Whether another round would give some hungry judge more than it had in this one."""
    return any(
        panel.hungry and (now or 0.0) > (then or 0.0) + _ENOUGH
        for panel, now, then in zip(panels, _caps(budget_usd, panels, journal), before, strict=True)
    )


def _over_budget(budget_usd: float | None, panels: Sequence[_Panel], journal: Journal) -> DecisionNeededError:
    spent = sum(panel.spent(journal) for panel in panels)
    there = ", ".join(f"{panel.judge.name} {len(panel.heard):,}" for panel in panels)
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


# Progress ----------------------------------------------------------------------------------------------


@final
class _Watch:
    """Puts the progress of all judges together."""

    def __init__(self, tell: Callable[[Standing], None] | None, totals: Mapping[str, int]) -> None:
        self._tell = tell
        self._totals = totals
        self._now: dict[str, Progress] = {}
        self._heard: dict[str, int] = {}

    def told(self, judge: str, heard: int, now: Progress) -> None:
        """Takes in one judge's, which had ``heard`` so many replies before this call."""
        self._now[judge], self._heard[judge] = now, heard
        if self._tell is not None:
            self._tell(self._standing())

    def _standing(self) -> Standing:
        done = sum(min(self._totals[name], self._heard[name] + now.done) for name, now in self._now.items())
        rates = [_rate(now) for now in self._now.values()]
        left = [self._left(name, now) for name, now in self._now.items()]
        known = [each for each in left if each is not None]
        return Standing(
            done,
            sum(self._totals.values()),
            sum(now.failed for now in self._now.values()),
            sum(rates),
            max(known) if len(known) == len(self._totals) else None,
            sum(now.cost_usd for now in self._now.values()),
        )

    def _left(self, name: str, now: Progress) -> float | None:
        missing = max(0, self._totals[name] - self._heard[name] - now.done)
        if not missing:
            return 0.0
        rate = _rate(now)
        return missing / rate if rate else None


def _rate(now: Progress) -> float:
    """Fresh answers a second, as far as one call tells: what it says is left, over how long that takes."""
    missing = now.total - now.done
    return missing / now.seconds_left if now.seconds_left else 0.0
