"""complete_all: nothing received is lost, nothing answered is asked again, failures stay apart."""

from __future__ import annotations

import asyncio
import errno
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from inbond.engine.completions import Failure, FailurePolicy, Progress, complete_all
from inbond.engine.journal import Journal, Outcome
from inbond.errors import TeacherError, UnwritableError
from inbond.teachers.protocols import FAILURES, Price, Reply, Request, Sampling
from inbond.teachers.scripted import Answer, Scripted, failure

FAST = FailurePolicy(base_wait_s=0.001, max_wait_s=0.01, attempts=3, timeout_s=5)


@pytest.fixture
def journal(tmp_path: Path) -> Iterator[Journal]:
    with Journal.open(tmp_path / "journal.db") as opened:
        yield opened


def asks(teacher: Scripted, count: int, start: int = 0) -> list[Request]:
    return [Request(teacher.identity, f"q{i}", Sampling(10)) for i in range(start, start + count)]


def echo(request: Request) -> str:
    return f"re: {request.prompt}"


def counting(teacher: Scripted) -> Counter[Any]:
    return Counter(request.prompt for request in teacher.asked)


async def test_outcomes_come_in_the_order_of_the_requests(journal: Journal) -> None:
    teacher = Scripted(echo, concurrency=5, latency_s=0.001)
    requests = asks(teacher, 40)
    requests += [requests[3], requests[0]]  # asked once, answered wherever they stand
    done = await complete_all(teacher, requests, journal, FAST, run="r")
    assert [o.text for o in done.outcomes if isinstance(o, Reply)] == [f"re: {r.prompt}" for r in requests]
    assert (done.asked, done.from_journal, done.failures, len(teacher.asked)) == (40, 0, {}, 40)
    assert teacher.most_in_flight == 5


async def test_an_answered_request_is_never_asked_again(journal: Journal) -> None:
    teacher = Scripted(echo)
    first = await complete_all(teacher, asks(teacher, 30), journal, FAST, run="one")
    again = await complete_all(teacher, asks(teacher, 40), journal, FAST, run="two")
    assert set(counting(teacher).values()) == {1}
    assert again.outcomes[:30] == first.outcomes
    assert (again.asked, again.from_journal) == (10, 30)


async def test_nothing_to_ask(journal: Journal) -> None:
    done = await complete_all(Scripted([]), [], journal, FAST, run="r")
    assert (done.outcomes, done.asked) == ((), 0)


@pytest.mark.parametrize("reason", sorted(set(FAILURES) - {"unauthorised", "rate-limited"}))
async def test_one_failure_never_poisons_its_batch(journal: Journal, reason: str) -> None:
    def script(request: Request) -> Answer:
        return failure(reason) if request.prompt == "q7" else echo(request)

    teacher = Scripted(script)
    done = await complete_all(teacher, asks(teacher, 20), journal, FAST, run="r")
    assert done.failures == {reason: 1}
    bad = done.outcomes[7]
    assert isinstance(bad, Failure)
    assert bad.text == f"expected an answer from the scripted teacher; found a scripted failure: {reason}"
    assert sum(isinstance(o, Reply) for o in done.outcomes) == 19
    (kept,) = journal.failures("r")
    assert (kept.reason, kept.attempts) == (reason, bad.attempts)
    assert bad.attempts == (3 if failure(reason).retryable else 1)


@pytest.mark.parametrize("reason", ["timeout", "truncated-stream", "malformed", "unreachable", "rejected"])
async def test_a_failure_is_asked_again_by_the_next_call(journal: Journal, reason: str) -> None:
    broken = Scripted(lambda _: failure(reason), identity="t")
    assert (await complete_all(broken, asks(broken, 3), journal, FAST, run="r")).failures == {reason: 3}
    mended = Scripted(echo, identity="t")
    done = await complete_all(mended, asks(mended, 3), journal, FAST, run="r")
    assert (done.failures, done.asked, journal.failures("r")) == ({}, 3, [])


@pytest.mark.parametrize("reason", ["empty", "refused"])
async def test_a_bad_answer_is_an_answer_unless_told_otherwise(journal: Journal, reason: str) -> None:
    teacher = Scripted(lambda _: failure(reason, spent=(7, 2)), identity="t", price=Price(1e6, 1e6))
    one = await complete_all(teacher, asks(teacher, 2), journal, FAST, run="r")
    two = await complete_all(teacher, asks(teacher, 2), journal, FAST, run="r")
    assert (one.failures, two.failures, two.asked, two.from_journal) == ({reason: 2}, {reason: 2}, 0, 2)
    assert one.cost_usd == journal.spent("r").cost_usd == 18.0
    again = FailurePolicy(base_wait_s=0, retry_answered=True)
    assert (
        await complete_all(Scripted(echo, identity="t"), asks(teacher, 2), journal, again, run="r")
    ).asked == 2


async def test_a_storm_of_rate_limits_burns_no_attempts(journal: Journal) -> None:
    """While the host refuses, calls become few; afterwards every request is answered."""
    ends = time.monotonic() + 0.5

    def script(request: Request) -> Answer:
        return failure("rate-limited") if time.monotonic() < ends else echo(request)

    teacher = Scripted(script, concurrency=16, latency_s=0.001)
    policy = FailurePolicy(attempts=1, base_wait_s=0.05, max_wait_s=0.2)
    done = await complete_all(teacher, asks(teacher, 200), journal, policy, run="r")
    assert (done.failures, done.asked) == ({}, 200)
    refused = len(teacher.asked) - 200
    assert 0 < refused < 120, f"{refused} refusals: it did not slow down"


async def test_retry_after_is_honoured_by_everyone(journal: Journal) -> None:
    first_s: list[float] = []
    calls: list[float] = []

    def script(request: Request) -> Answer:
        calls.append(time.monotonic())
        if not first_s:
            first_s.append(time.monotonic())
            return failure("rate-limited", retry_after_s=0.4)
        return echo(request)

    teacher = Scripted(script, concurrency=1)
    done = await complete_all(teacher, asks(teacher, 10), journal, FAST, run="r")
    assert done.failures == {}
    assert min(calls[1:]) - first_s[0] >= 0.4


async def test_a_host_that_only_refuses_ends_in_one_error(journal: Journal) -> None:
    answers = 5

    def script(request: Request) -> Answer:
        nonlocal answers
        answers -= 1
        return echo(request) if answers >= 0 else failure("rate-limited", retry_after_s=3600)

    teacher = Scripted(script, concurrency=2)
    with pytest.raises(TeacherError, match="nothing but rate limits, beyond the patience of 60 s") as caught:
        await complete_all(teacher, asks(teacher, 1000), journal, FailurePolicy(patience_s=60), run="r")
    assert "5 of 1000 answers are kept in the journal" in caught.value.found
    assert len(teacher.asked) < 15
    assert len([e for e in journal.find([r.id for r in asks(teacher, 1000)]).values() if e.reply]) == 5


async def test_one_request_that_is_always_limited_fails_alone(journal: Journal) -> None:
    def script(request: Request) -> Answer:
        return failure("rate-limited") if request.prompt == "q0" else echo(request)

    teacher = Scripted(script, concurrency=4, latency_s=0.005)
    policy = FailurePolicy(base_wait_s=0.001, max_wait_s=0.005, patience_s=0.3)
    done = await complete_all(teacher, asks(teacher, 50), journal, policy, run="r")
    assert done.failures == {"rate-limited": 1}


async def test_unauthorised_stops_early_with_one_error(journal: Journal) -> None:
    def script(request: Request) -> Answer:
        return echo(request) if int(str(request.prompt)[1:]) < 20 else failure("unauthorised")

    teacher = Scripted(script, concurrency=4, latency_s=0.001)
    with pytest.raises(TeacherError, match="20 of 10000 answers are kept in the journal") as caught:
        await complete_all(teacher, asks(teacher, 10_000), journal, FAST, run="r")
    assert caught.value.reason == "unauthorised"
    assert "run the same command again" in caught.value.fix
    assert len(teacher.asked) <= 24
    mended = Scripted(echo)
    done = await complete_all(mended, asks(mended, 30), journal, FAST, run="r")
    assert (done.asked, done.from_journal) == (10, 20)


async def test_a_host_that_went_down_ends_in_one_error(journal: Journal) -> None:
    teacher = Scripted(lambda _: failure("unreachable"), concurrency=4)
    policy = FailurePolicy(attempts=2, base_wait_s=0, give_up_after=10)
    with pytest.raises(TeacherError, match="10 failures and no answer, the last:"):
        await complete_all(teacher, asks(teacher, 5000), journal, policy, run="r")
    assert len(teacher.asked) < 30


async def test_a_host_that_goes_down_on_the_way_is_waited_for_and_then_ends_in_one_error(
    journal: Journal,
) -> None:
    def script(request: Request) -> Answer:
        return echo(request) if len(teacher.asked) <= 30 else failure("unreachable")

    teacher = Scripted(script, concurrency=4, latency_s=0.001)
    policy = FailurePolicy(attempts=5, base_wait_s=0.02, max_wait_s=0.1, patience_s=1.0)
    start_s = time.monotonic()
    with pytest.raises(TeacherError, match="no answer any more, beyond the patience of 1 s"):
        await complete_all(teacher, asks(teacher, 5000), journal, policy, run="r")
    assert 1.0 < time.monotonic() - start_s < 3.0
    assert len(teacher.asked) < 200


async def test_a_short_outage_costs_nothing_but_time(journal: Journal) -> None:
    began_s = time.monotonic()

    def script(request: Request) -> Answer:
        return failure("unreachable") if 0.05 < time.monotonic() - began_s < 0.4 else echo(request)

    teacher = Scripted(script, concurrency=4, latency_s=0.002)
    policy = FailurePolicy(attempts=5, base_wait_s=0.1, max_wait_s=0.5)
    done = await complete_all(teacher, asks(teacher, 300), journal, policy, run="r")
    assert done.failures == {}


async def test_many_bad_requests_at_the_end_do_not_stop_a_run(journal: Journal) -> None:
    def script(request: Request) -> Answer:
        return failure("malformed") if int(str(request.prompt)[1:]) % 2 else echo(request)

    teacher = Scripted(script, concurrency=4)
    policy = FailurePolicy(attempts=4, base_wait_s=0.001, max_wait_s=0.002, patience_s=0.5)
    done = await complete_all(teacher, asks(teacher, 400), journal, policy, run="r")
    assert done.failures == {"malformed": 200}


async def test_a_silent_teacher_times_out(journal: Journal) -> None:
    teacher = Scripted(echo, latency_s=30)
    policy = FailurePolicy(attempts=2, base_wait_s=0, timeout_s=0.05)
    done = await complete_all(teacher, asks(teacher, 3), journal, policy, run="r")
    assert done.failures == {"timeout": 3}
    assert isinstance(done.outcomes[0], Failure)
    assert done.outcomes[0].text == "expected a whole answer within 0.05 s; found none by then"


async def test_a_spent_budget_fails_the_rest_and_a_larger_one_goes_on(journal: Journal) -> None:
    price = Price(0, 1e6)  # a dollar a token; 10 tokens at most, 5 used
    teacher = Scripted(lambda _: "x" * 20, price=price, concurrency=3, latency_s=0.001)
    done = await complete_all(teacher, asks(teacher, 20), journal, FailurePolicy(spend_cap_usd=52), run="r")
    assert done.cost_usd == journal.spent("r").cost_usd == 45.0, "another could have cost 10"
    assert done.failures == {"budget": 11}
    assert {e.reason for e in journal.failures("r")} == {"budget"}
    assert isinstance(done.outcomes[-1], Failure)
    assert "under the spend cap of 52 USD" in done.outcomes[-1].text
    more = FailurePolicy(spend_cap_usd=1000)
    rest = await complete_all(teacher, asks(teacher, 20), journal, more, run="r")
    assert (rest.asked, rest.failures, journal.spent("r").cost_usd) == (11, {}, 100.0)


async def test_the_cap_counts_what_earlier_calls_spent(journal: Journal) -> None:
    teacher = Scripted(lambda _: "x" * 20, price=Price(0, 1e6))
    policy = FailurePolicy(spend_cap_usd=20)
    await complete_all(teacher, asks(teacher, 20), journal, policy, run="r")
    spent, asked = journal.spent("r").cost_usd, len(teacher.asked)
    await complete_all(teacher, asks(teacher, 20), journal, policy, run="r")
    assert (journal.spent("r").cost_usd, len(teacher.asked)) == (spent, asked)
    assert spent <= 20


async def test_an_attempt_that_may_have_been_billed_counts_in_full(journal: Journal) -> None:
    teacher = Scripted(lambda _: failure("truncated-stream"), price=Price(0, 1e6))
    done = await complete_all(teacher, asks(teacher, 1), journal, FAST, run="r")
    assert done.cost_usd == journal.spent("r").cost_usd == 30.0, "three attempts of up to ten tokens"


async def test_erased_answers_are_asked_again_and_said_so(journal: Journal) -> None:
    teacher = Scripted(echo)
    await complete_all(teacher, asks(teacher, 5), journal, FAST, run="r")
    journal.erase(run="r")
    done = await complete_all(teacher, asks(teacher, 6), journal, FAST, run="r")
    assert (done.asked, done.erased, done.from_journal) == (6, 5, 0)


async def test_cancelling_keeps_what_was_received(journal: Journal) -> None:
    teacher = Scripted(echo, concurrency=4, latency_s=0.005)
    seen: list[Progress] = []
    requests = asks(teacher, 1000)
    task = asyncio.create_task(
        complete_all(teacher, requests, journal, FAST, run="r", on_progress=seen.append)
    )
    await asyncio.sleep(0.2)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    kept = [e for e in journal.find([r.id for r in requests]).values() if e.reply]
    assert 0 < len(kept) < 1000
    assert len(kept) >= seen[-1].done, "whatever counted as done is kept"
    done = await complete_all(teacher, requests, journal, FAST, run="r")
    assert (done.from_journal, done.asked) == (len(kept), 1000 - len(kept))
    assert max(counting(teacher).values()) <= 2
    assert sum(n - 1 for n in counting(teacher).values()) <= 4, "at most those in flight are asked again"


async def test_a_journal_that_cannot_be_written_stops_with_a_clear_error(journal: Journal) -> None:
    teacher = Scripted(lambda r: f"{r.prompt}" + "x" * 5000, concurrency=4)
    pages = journal._connection.execute("PRAGMA page_count").fetchone()[0]
    journal._connection.execute(f"PRAGMA max_page_count = {pages + 100}")
    requests = asks(teacher, 500)
    with pytest.raises(UnwritableError, match="free space at") as caught:
        await complete_all(teacher, requests, journal, FAST, run="r")
    assert "run the same command again" in caught.value.fix
    kept = sum(e.reply is not None for e in journal.find([r.id for r in requests]).values())
    assert 10 < kept < 500
    journal._connection.execute("PRAGMA max_page_count = 1000000")
    done = await complete_all(teacher, requests, journal, FAST, run="r")
    assert (done.from_journal, done.failures) == (kept, {})


async def test_our_own_faults_come_out_as_they_are(journal: Journal) -> None:
    def script(request: Request) -> Answer:
        if request.prompt == "q9":
            raise RuntimeError("a bug")
        return echo(request)

    teacher = Scripted(script, concurrency=1)
    with pytest.raises(RuntimeError, match="a bug"):
        await complete_all(teacher, asks(teacher, 20), journal, FAST, run="r")
    assert sum(e.reply is not None for e in journal.find([r.id for r in asks(teacher, 20)]).values()) == 9


async def test_progress_says_rate_cost_and_time_left(journal: Journal) -> None:
    teacher = Scripted(lambda _: "x" * 20, price=Price(0, 1e6), latency_s=0.01, concurrency=2)
    await complete_all(teacher, asks(teacher, 4), journal, FAST, run="r")
    seen: list[Progress] = []
    await complete_all(teacher, asks(teacher, 12), journal, FAST, run="r", on_progress=seen.append)
    first, half, last = seen[0], seen[4], seen[-1]
    assert (first.done, first.total, first.from_journal, first.seconds_left) == (4, 12, 4, None)
    assert (half.done, half.cost_usd) == (8, 20.0)
    assert half.cost_left_usd == pytest.approx(20.0)
    assert half.seconds_left
    assert half.tokens_per_s > 0
    assert (last.done, last.tokens, last.cost_left_usd, last.seconds_left) == (12, 40, 0.0, 0.0)


_reasons = st.sampled_from(sorted(set(FAILURES) - {"unauthorised", "rate-limited", "budget"}))


@settings(max_examples=40)
@given(st.dictionaries(st.integers(0, 19), st.lists(_reasons, min_size=1, max_size=4), max_size=12))
def test_any_failures_at_all_leave_a_consistent_account(
    tmp_path_factory: pytest.TempPathFactory, script: dict[int, list[str]]
) -> None:
    """Journal, outcomes and the teacher's own count agree, whatever fails in whatever order."""

    async def run() -> None:
        left = {f"q{number}": list(reasons) for number, reasons in script.items()}

        def answer(request: Request) -> Answer:
            reasons = left.get(str(request.prompt))
            return failure(reasons.pop(0)) if reasons else echo(request)

        teacher = Scripted(answer, price=Price(0, 1e6), concurrency=3)
        policy = FailurePolicy(attempts=3, base_wait_s=0, give_up_after=10_000)
        requests = asks(teacher, 20)
        with Journal.open(tmp_path_factory.mktemp("j") / "journal.db") as journal:
            done = await complete_all(teacher, requests, journal, policy, run="r")
            entries = journal.find([r.id for r in requests])
            assert done.cost_usd == pytest.approx(journal.spent("r").cost_usd)
            assert done.cost_usd == pytest.approx(sum(e.cost_usd for e in entries.values()))
        assert sum(e.attempts for e in entries.values()) == len(teacher.asked)
        for request, outcome in zip(requests, done.outcomes, strict=True):
            entry = entries[request.id]
            assert (entry.reply or entry.reason) == (
                outcome if isinstance(outcome, Reply) else outcome.reason
            )

    asyncio.run(run())


@pytest.mark.slow
async def test_what_a_request_costs_us_does_not_grow_with_their_number(tmp_path: Path) -> None:
    async def cpu_s(count: int) -> float:
        teacher = Scripted(echo, concurrency=8)
        with Journal.open(tmp_path / f"{count}.db") as journal:
            start = time.process_time()
            await complete_all(teacher, asks(teacher, count), journal, FAST, run="r", on_progress=_see)
            return (time.process_time() - start) / count

    await cpu_s(299)  # what is loaded at first
    assert await cpu_s(6000) < 3 * await cpu_s(300)


def _see(_: object) -> None:
    """Progress is reckoned, and not shown."""


async def test_every_answer_is_synced_to_disk_before_the_call_returns(
    journal: Journal, monkeypatch: pytest.MonkeyPatch
) -> None:
    happened: list[str] = []
    record, sync = Journal.record, Journal.sync

    def recorded(self: Journal, run: str, outcomes: Sequence[Outcome]) -> None:
        record(self, run, outcomes)
        happened.append("recorded")

    def synced(self: Journal) -> None:
        before = len(happened)
        sync(self)
        happened.insert(before, "synced")  # counts for what was recorded before it began

    monkeypatch.setattr(Journal, "record", recorded)
    monkeypatch.setattr(Journal, "sync", synced)
    teacher = Scripted(echo, concurrency=8, latency_s=0.001)
    await complete_all(teacher, asks(teacher, 60), journal, FAST, run="r")
    assert happened.count("recorded") > 1
    assert happened[-1] == "synced"


async def test_a_disk_that_takes_no_sync_stops_with_a_clear_error(
    journal: Journal, monkeypatch: pytest.MonkeyPatch
) -> None:
    def failing(_: int) -> None:
        raise OSError(errno.EIO, "Input/output error")

    monkeypatch.setattr("inbond.engine.database.os.fsync", failing)
    teacher = Scripted(echo, concurrency=2, latency_s=0.01)
    with pytest.raises(UnwritableError, match=r"journal\.db-wal; found .*Input/output error"):
        await complete_all(teacher, asks(teacher, 200), journal, FAST, run="r")
    assert len(teacher.asked) < 200, "no more is asked for what may not be kept"
