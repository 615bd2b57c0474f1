"""One judge at work on a batch: finds the form that its host knows, asks, and asks again what must be.

What is asked next follows from the replies alone, so that a batch that was killed walks the same way again
through the journal and asks only for what is not there.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Final, final

from inbond.engine.completions import Completions, Failure, FailurePolicy, complete_all
from inbond.engine.journal import Journal
from inbond.errors import TeacherError
from inbond.roundtable import ladder
from inbond.roundtable.judge.batch import Batch, Judge, run_of
from inbond.roundtable.judge.judging import Heard, Order
from inbond.roundtable.judge.progress import Watch
from inbond.roundtable.judge.wording import Asked, Item, after_failure, next_step
from inbond.teachers.protocols import Reply, Sampling

SAMPLING: Final = Sampling(max_tokens=1024, temperature=0.0)
_PROBES: Final = 3

Key = tuple[str, str, Order]
"""A pair's id, a principle's id, and which answer is first."""


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
class Asking:
    """How a batch is asked. ``budget_usd`` is for all judges and all interruptions together; None: no cap."""

    policy: FailurePolicy = field(default_factory=FailurePolicy)
    budget_usd: float | None = None
    sampling: Sampling = SAMPLING


@final
class Hearing:
    """One judge at work. ``hungry`` when the budget kept it from asking."""

    def __init__(self, batch: Batch, judge: Judge, journal: Journal, how: Asking, watch: Watch) -> None:
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
