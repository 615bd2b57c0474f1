"""The state of one ``complete_all``: what waits, what is in flight, what came back.

Workers share one line of jobs, so that a request in backoff holds up no other.
"""

from __future__ import annotations

import asyncio
import random
import time
from collections import Counter
from collections.abc import Callable, Sequence
from typing import final

from inbond.digest import Digest
from inbond.engine.committer import Committer
from inbond.engine.jobs import Job, Jobs
from inbond.engine.journal import Entry, Journal, Outcome
from inbond.engine.pacing import Budget, FailurePolicy, Throttle, backoff_s, most_usd
from inbond.engine.results import Completions, Failure, Progress
from inbond.errors import TeacherError
from inbond.teachers.protocols import Completes, Reply, Request

# Answers all the same: paid for, and asking again would be asking for another answer.
_ANSWERED_BADLY = ("empty", "refused")
_SUSPICIOUS = 3
# After these nothing was generated; after the others the host may bill, so the reservation is spent.
_FREE = ("rate-limited", "unreachable", "unauthorised", "rejected", "budget")


@final
class Asking:
    """The state of one ``complete_all``: what waits, what is in flight, what came back."""

    def __init__(
        self,
        teacher: Completes,
        policy: FailurePolicy,
        journal: Journal,
        run: str,
        on_progress: Callable[[Progress], None] | None,
        total: int,
    ) -> None:
        self._teacher = teacher
        self._policy = policy
        self._journal = journal
        self._run = run
        self._on_progress = on_progress
        self._total = total
        self._budget = Budget(policy.spend_cap_usd, journal.spent(run).cost_usd)
        self._throttle = Throttle(teacher.concurrency, policy)
        self._jobs = Jobs()
        self._unaffordable: list[Outcome] = []
        self._in_flight = 0
        self._changed = asyncio.Event()
        self._halt: tuple[TeacherError, str] | None = None
        self._results: dict[Digest, Reply | Failure] = {}
        self._from_journal = self._erased = self._asked = self._answered = 0
        self._row = self._hopeless_failures = 0
        self._last_answer_s = float("-inf")
        self._prompt_tokens = self._completion_tokens = self._failed = 0
        self._cost_usd = 0.0
        self._start_s = time.monotonic()

    def add(self, request: Request, entry: Entry | None) -> None:
        """Takes the answer that the journal has, or lines the request up."""
        if entry is not None and entry.reply is not None:
            self._results[request.id] = entry.reply
            self._from_journal += 1
            return
        if entry is not None and entry.reason in _ANSWERED_BADLY and not self._policy.retry_answered:
            failure = Failure(entry.reason, entry.message or "its text was erased", entry.attempts)
            self._results[request.id] = failure
            self._from_journal += 1
            self._failed += 1
            return
        self._erased += entry is not None and entry.state == "erased"
        self._jobs.add(request)

    async def finish(self) -> None:
        """Asks all that waits. Raises the error that stopped it, after all answers were kept."""
        self._report()
        async with Committer(self._journal, self._run) as committer:
            try:
                async with asyncio.TaskGroup() as workers:
                    for _ in range(min(self._teacher.concurrency, len(self._jobs))):
                        workers.create_task(self._work(committer))
            except BaseExceptionGroup as group:
                raise _first(group) from None
        if self._unaffordable:
            await asyncio.to_thread(self._journal.record, self._run, self._unaffordable)
        if self._halt is not None:
            raise self._stopped(*self._halt)

    def completions(self, ids: Sequence[Digest]) -> Completions:
        failures = Counter(r.reason for r in self._results.values() if isinstance(r, Failure))
        return Completions(
            tuple(self._results[id_] for id_ in ids),
            dict(failures),
            self._asked,
            self._from_journal,
            self._erased,
            self._prompt_tokens,
            self._completion_tokens,
            self._cost_usd,
            time.monotonic() - self._start_s,
        )

    async def _work(self, committer: Committer) -> None:
        while (job := await self._next()) is not None:
            try:
                await self._ask(job, committer)
            finally:
                self._in_flight -= 1
                self._wake()

    async def _next(self) -> Job | None:
        """The next job that may be asked now, waiting as long as it takes; None when there is no more."""
        while self._halt is None and (self._jobs or self._in_flight):
            wait_s = self._wait_s()
            if wait_s != 0.0:
                await self._sleep(wait_s)
            elif (job := self._take()) is not None:
                return job
        return None

    def _wait_s(self) -> float | None:
        """0 when the next job may be taken, seconds until then, or None: until something changes."""
        now_s = time.monotonic()
        wait_s = self._throttle.wait_s(now_s, self._in_flight)
        if wait_s != 0.0:
            return wait_s
        job = self._jobs.first(now_s)
        if job is None:
            return self._jobs.wait_s(now_s)
        return None if self._budget.must_wait(self._most_usd(job)) else 0.0

    def _most_usd(self, job: Job) -> float:
        return most_usd(job.request, self._teacher.price)

    def _take(self) -> Job | None:
        """Takes the first job; None when it can never be paid for and has failed."""
        job = self._jobs.first(time.monotonic())
        if job is None:
            return None
        self._jobs.take(job)
        amount = self._most_usd(job)
        if not self._budget.reserve(amount):
            failure = self._fail(job, _over_budget(amount, self._budget))
            self._unaffordable.append(Outcome(job.request, None, failure.reason, failure.text, attempts=0))
            self._report()
            return None
        job.reserved_usd = amount
        self._in_flight += 1
        self._asked += job.attempts == 0 and job.limited_since_s is None
        return job

    async def _ask(self, job: Job, committer: Committer) -> None:
        job.attempts += 1
        try:
            async with asyncio.timeout(self._policy.timeout_s):
                reply = await self._teacher.complete(job.request)
        except TimeoutError:
            await self._failed_attempt(job, _timed_out(self._policy.timeout_s), committer)
        except TeacherError as error:
            await self._failed_attempt(job, error, committer)
        else:
            await self._received(job, reply, committer)

    async def _received(self, job: Job, reply: Reply, committer: Committer) -> None:
        tokens, known = (reply.prompt_tokens, reply.completion_tokens), None
        if tokens[0] is not None and tokens[1] is not None:
            known = tokens[0], tokens[1]
        spent = self._settle(job, known, otherwise_usd=job.reserved_usd)
        self._row = 0
        self._throttle.answered()
        self._last_answer_s = time.monotonic()
        await committer.put(Outcome(job.request, reply, None, None, 1, *spent))
        self._results[job.request.id] = reply
        self._answered += 1
        self._report()

    async def _failed_attempt(self, job: Job, error: TeacherError, committer: Committer) -> None:
        free = error.reason in _FREE
        spent = self._settle(job, error.spent, otherwise_usd=0.0 if free else job.reserved_usd)
        wait_s = self._retry_in_s(job, error)
        again = wait_s is not None and self._halt is None
        if not again or error.reason != "rate-limited":
            # Kept at every attempt, so that a kill between two attempts forgets neither cost nor reason.
            await committer.put(Outcome(job.request, None, error.reason, _words(error), 1, *spent))
        if again and self._halt is None:
            self._jobs.again(job, time.monotonic() + (wait_s or 0.0))
        else:
            self._fail(job, error)
            self._count_failure(error)
        self._report()

    def _retry_in_s(self, job: Job, error: TeacherError) -> float | None:
        """Seconds until ``job`` may be asked again, or None when its failure is final."""
        if error.reason == "rate-limited":
            return self._limited(job, error)
        if error.reason in _ANSWERED_BADLY:
            self._row = 0
            self._throttle.answered()
        elif error.retryable and job.attempts == 1:
            self._suspect(error)
        if not error.retryable or job.attempts >= self._policy.attempts:
            return None
        return max(backoff_s(job.attempts, self._policy, random.random()), error.retry_after_s or 0.0)

    def _suspect(self, error: TeacherError) -> None:
        """When as many requests in a row as may be in flight fail at first sight, it is the host.

        First attempts only, so that a few bad requests, left over at the end, do not look like that.
        """
        self._row += 1
        if self._row >= max(_SUSPICIOUS, self._throttle.most):
            self._slow_down(error, "no answer any more")

    def _limited(self, job: Job, error: TeacherError) -> float | None:
        """A rate limit slows everyone down and burns no attempt; only patience ends it."""
        job.attempts -= 1
        now_s = time.monotonic()
        if job.limited_since_s is None:
            job.limited_since_s = now_s
        if self._last_answer_s > job.limited_since_s:  # others are served: this one may be at fault
            self._throttle.limited(now_s, error.retry_after_s, random.random())
            return 0.0 if now_s - job.limited_since_s <= self._policy.patience_s else None
        self._slow_down(error, "nothing but rate limits")
        return 0.0

    def _slow_down(self, error: TeacherError, what: str) -> None:
        """A cool-down for all, or the end when there has been no answer beyond our patience."""
        now_s = time.monotonic()
        self._throttle.limited(now_s, error.retry_after_s, random.random())
        if self._throttle.hopeless(now_s):
            self._stop(error, f"{what}, beyond the patience of {self._policy.patience_s:g} s")

    def _count_failure(self, error: TeacherError) -> None:
        """Stops when nothing works from the start: the host, the path or the model is wrong."""
        if error.reason == "unauthorised":
            self._stop(error, "")
        elif not self._answered and error.reason not in _ANSWERED_BADLY:
            self._hopeless_failures += 1
            if self._hopeless_failures >= self._policy.give_up_after:
                self._stop(error, f"{self._hopeless_failures} failures and no answer")

    def _stop(self, error: TeacherError, why: str) -> None:
        """No further request is asked; those in flight may still answer."""
        if self._halt is None:
            self._halt = error, why
            self._wake()

    def _stopped(self, error: TeacherError, why: str) -> TeacherError:
        kept = sum(isinstance(result, Reply) for result in self._results.values())
        return TeacherError(
            expected=error.expected,
            found=f"{why}{', the last: ' if why else ''}{error.found}; "
            f"{kept} of {self._total} answers are kept in the journal",
            fix=f"{error.fix}; then run the same command again, which asks only for what is missing",
            reason=error.reason,
            retryable=error.retryable,
            retry_after_s=error.retry_after_s,
        )

    def _settle(
        self, job: Job, tokens: tuple[int, int] | None, *, otherwise_usd: float
    ) -> tuple[int, int, float]:
        """Turns a reservation into what an attempt used: (prompt tokens, completion tokens, USD)."""
        prompt_tokens, completion_tokens = tokens or (0, 0)
        cost = otherwise_usd if tokens is None else self._teacher.price.cost(*tokens)
        self._budget.settle(job.reserved_usd, cost)
        self._prompt_tokens += prompt_tokens
        self._completion_tokens += completion_tokens
        self._cost_usd += cost
        return prompt_tokens, completion_tokens, cost

    def _fail(self, job: Job, error: TeacherError) -> Failure:
        failure = Failure(error.reason, _words(error), job.attempts)
        self._results[job.request.id] = failure
        self._failed += 1
        return failure

    async def _sleep(self, seconds: float | None) -> None:
        """Until something changes, at most ``seconds``."""
        try:
            async with asyncio.timeout(seconds):
                await self._changed.wait()
        except TimeoutError:
            return

    def _wake(self) -> None:
        self._changed.set()
        self._changed = asyncio.Event()

    def _report(self) -> None:
        if self._on_progress is None:
            return
        now_s = time.monotonic()
        elapsed_s = max(now_s - self._start_s, 1e-9)
        done = len(self._results)
        fresh, left = done - self._from_journal, self._total - done
        self._on_progress(
            Progress(
                done,
                self._total,
                self._failed,
                self._from_journal,
                self._completion_tokens,
                self._completion_tokens / elapsed_s,
                self._cost_usd,
                self._cost_usd / fresh * left if fresh else None,
                elapsed_s / fresh * left if fresh else None,
                max(0.0, self._throttle.until_s - now_s),
            )
        )


def _words(error: TeacherError) -> str:
    return f"expected {error.expected}; found {error.found}"


def _timed_out(timeout_s: float) -> TeacherError:
    return TeacherError(
        expected=f"a whole answer within {timeout_s:g} s",
        found="none by then",
        fix="raise timeout_s, lower max_tokens, or lower the host's concurrency",
        reason="timeout",
        retryable=True,
    )


def _over_budget(amount: float, budget: Budget) -> TeacherError:
    return TeacherError(
        expected=f"room for up to {amount:.6f} USD under the spend cap of {budget.cap_usd} USD",
        found=f"{budget.spent_usd:.6f} USD spent",
        fix="raise spend_cap_usd and run again: only what is missing is asked",
        reason="budget",
        retryable=True,
    )


def _first(group: BaseExceptionGroup[BaseException]) -> BaseException:
    """The first error in a group, however deep."""
    error: BaseException = group
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    return error
