"""Runs a session: asks what is due, keeps what came, and asks again until nothing is due.

All that happens is in the transcript before anything follows from it. So a session that was killed is gone on
with by the same loop, and at most what was in flight is asked again.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, final

from inbond import __version__
from inbond.digest import of_value
from inbond.errors import InbondError, InputError, TeacherError
from inbond.roundtable import transcript
from inbond.roundtable.checking import checked
from inbond.roundtable.due import Ask, Note, due
from inbond.roundtable.ladder import MOST_READ
from inbond.roundtable.places import WRITER
from inbond.roundtable.protocol import SUMMARY, Opened, State, begin, session, step
from inbond.roundtable.question import Question
from inbond.roundtable.raw import ABSENT, FAULT, KEPT_OF_LONG, MOST_TIMEOUT_S, MOST_TOLD, check_seats
from inbond.roundtable.session import Seat, Session
from inbond.roundtable.transcript import Transcript
from inbond.teachers.protocols import Completes, Price, Reply, Request

Progress = Callable[[Session], None]
Clock = Callable[[], float]


def session_id(question: Question, at: float) -> str:
    """The name of a session: its day (UTC) and the beginning of its question's digest."""
    day = time.strftime("%Y-%m-%d", time.gmtime(at))
    return f"{day}-{of_value(question.to_json()).removeprefix('sha256:')[:8]}"


async def run(
    question: Question,
    seats: Sequence[Seat],
    teachers: Mapping[str, Completes],
    folder: Path,
    *,
    writer: tuple[str, Completes] | None = None,
    rounds: int = 2,
    timeout_s: float = 120.0,
    seed: int = 0,
    on_progress: Progress | None = None,
    clock: Clock = time.time,
) -> Session:
    """Holds a session and keeps its transcript in ``folder``, whose name is the session's.

    ``teachers`` answer for the seats, by their names; a seat without one fails, and is counted as failed.
    ``writer`` is who sums up, by the name that the page gives it; None: code does. ``timeout_s`` is for one
    seat's whole round, its calls added up; waiting for a turn at a shared teacher is not counted.
    ``on_progress`` is given the session as it stands after each change. Raises InputError for seats that
    cannot be, or a session that is there already, and UnwritableError. A seat's failure is never raised.
    """
    _check(seats, rounds, timeout_s)
    at = clock()
    name = writer[0] if writer is not None else None
    opened = Opened(
        folder.name, __version__, question, tuple(seats), name, rounds, float(timeout_s), seed, at
    )
    with transcript.create(folder / transcript.NAME) as kept:
        state = begin(kept.append([("opened", opened.to_json())], at)[0])
        table = _Table(kept, state, teachers, writer[1] if writer is not None else None, on_progress, clock)
        return await table.hold()


async def resume(
    folder: Path,
    teachers: Mapping[str, Completes],
    *,
    writer: Completes | None = None,
    on_progress: Progress | None = None,
    clock: Clock = time.time,
) -> Session:
    """Goes on with a session that was cut off; one that is closed is given back as it is. Raises
    TamperedError for a transcript that was changed, InputError where there is none, another process is at
    work on it, or another version of Inbond began it."""
    with transcript.reopen(folder / transcript.NAME) as kept:
        state = checked(kept.events)
        if state.verdict is not None:
            return session(state)
        _check_version(state.opened)
        state = step(state, kept.append([("resumed", {})], clock())[0])
        return await _Table(kept, state, teachers, writer, on_progress, clock).hold()


def replay(place: Path) -> Session:
    """The session as its transcript tells it, which is a file or in a folder; asks nobody. Raises as
    ``transcript.read``, and TamperedError where a line is not what the lines before it come to."""
    return session(_read(place))


def opened(folder: Path) -> Opened:
    """How a session began: whom to seat again to go on with it. Raises as ``replay``."""
    return _read(folder).opened


def _read(place: Path) -> State:
    return checked(transcript.read(place / transcript.NAME if place.is_dir() else place))


def _check_version(opened: Opened) -> None:
    if opened.version != __version__:
        raise InputError(
            expected=f"a session that Inbond {__version__} began, to go on with",
            found=f"one of Inbond {opened.version:.40}",
            fix="go on with the version that began it, or hold the session again",
        )


def _check(seats: Sequence[Seat], rounds: int, timeout_s: float) -> None:
    check_seats(tuple(seats))
    wrong = None
    if rounds not in (1, 2):
        wrong = "one round or two", str(rounds), "more rounds make panels worse, not better"
    elif not 0 < timeout_s <= MOST_TIMEOUT_S:
        wrong = "a time of up to a day for a seat's round", f"{timeout_s} s", "give seconds with --timeout"
    if wrong is not None:
        raise InputError(expected=wrong[0], found=wrong[1], fix=wrong[2])


@final
class _Table:
    """One session while it runs."""

    def __init__(
        self,
        kept: Transcript,
        state: State,
        teachers: Mapping[str, Completes],
        writer: Completes | None,
        on_progress: Progress | None,
        clock: Clock,
    ) -> None:
        self._kept = kept
        self._teachers = teachers
        self._writer = writer
        self._on_progress = on_progress
        self._clock = clock
        self._state = state
        everybody = [*teachers.values(), *([writer] if writer is not None else [])]
        self._turns = {id(each): asyncio.Semaphore(max(1, each.concurrency)) for each in everybody}
        self._busy: dict[tuple[int, str], asyncio.Task[None]] = {}
        self._waited_s: dict[tuple[int, str], float] = {}

    async def hold(self) -> Session:
        """Until nothing is due. What is in flight when this is cancelled is asked again on resuming."""
        try:
            while self._go_on():
                done, _ = await asyncio.wait(self._busy.values(), return_when=asyncio.FIRST_COMPLETED)
                self._busy = {key: task for key, task in self._busy.items() if task not in done}
                failed = [error for task in done if (error := task.exception()) is not None]
                if failed:
                    raise failed[0]
        finally:
            for task in self._busy.values():
                task.cancel()
            await asyncio.gather(*self._busy.values(), return_exceptions=True)
        return session(self._state)

    def _go_on(self) -> bool:
        """Notes all that follows, begins all calls that are due, and says whether any is under way."""
        while found := due(self._state, self._busy.keys()):
            for ask in (each for each in found if isinstance(each, Ask)):
                self._busy[ask.round, ask.seat] = asyncio.create_task(self._ask(ask))
            if notes := [(each.kind, each.body) for each in found if isinstance(each, Note)]:
                self._append(notes)
        self._kept.sync()
        return bool(self._busy)

    def _append(self, entries: Sequence[tuple[str, Mapping[str, Any]]]) -> None:
        for event in self._kept.append(entries, self._clock()):
            self._state = step(self._state, event)
        if self._on_progress is not None:
            self._on_progress(session(self._state))

    async def _ask(self, ask: Ask) -> None:
        """One call, from its waiting to its answer in the transcript."""
        teacher = self._writer if ask.round == SUMMARY else self._teachers.get(ask.seat)
        if teacher is None:
            self._append([("asked", ask.body(len(self._state.calls)))])
            self._append([("failed", _unreachable(len(self._state.calls) - 1, ask))])
            return
        key = (ask.round, ask.seat)
        left_s = max(0.0, ask.left_s - self._waited_s.get(key, 0.0))
        wait_s = min(ask.wait_s, left_s)
        self._waited_s[key] = self._waited_s.get(key, 0.0) + wait_s
        await asyncio.sleep(wait_s)
        async with self._turns[id(teacher)]:
            call = len(self._state.calls)
            self._append([("asked", ask.body(call))])
            kind, body = await _answer(teacher, ask, left_s - wait_s)
            self._append([(kind, {"call": call, **body})])


async def _answer(teacher: Completes, ask: Ask, left_s: float) -> tuple[str, dict[str, Any]]:
    """The event that a call comes to. Whatever a teacher raises is a failure of its seat, and no other's."""
    request = Request(teacher.identity, ask.messages, ask.sampling, form=ask.form)
    began = time.monotonic()
    try:
        async with asyncio.timeout(left_s):
            reply = await teacher.complete(request)
    except TimeoutError:
        said = f"no answer within the {left_s:.0f} s that were left of its time"
        return "failed", _failure("timeout", said, time.monotonic() - began)
    except TeacherError as error:
        spent = error.spent or (0, 0)
        cost = teacher.price.cost(*spent)
        seconds = time.monotonic() - began
        found = _failure(error.reason, error.found, seconds, error.retry_after_s, spent, cost)
        return "failed", {**found, "retryable": error.retryable}
    except InbondError as error:
        return "failed", _failure(FAULT, str(error), time.monotonic() - began)
    except Exception as error:  # a seat's fault, of whatever kind, must not take the others' answers along
        said = f"{type(error).__name__}: {error}"
        return "failed", _failure(FAULT, said, time.monotonic() - began)
    return "answered", _answered(reply, teacher.price, time.monotonic() - began)


def _answered(reply: Reply, price: Price, seconds: float) -> dict[str, Any]:
    text = _healed(reply.text)
    prompt, completion = reply.prompt_tokens or 0, reply.completion_tokens or 0
    return {
        "text": text if len(text) <= MOST_READ else text[:KEPT_OF_LONG],
        "characters": len(text),
        "finish": reply.finish,
        "model": _healed(reply.model)[:MOST_TOLD],
        "seconds": round(seconds, 3),
        "cost_usd": price.cost(prompt, completion),
        "prompt_tokens": prompt,
        "completion_tokens": completion,
    }


def _failure(
    reason: str,
    message: str,
    seconds: float,
    retry_after_s: float | None = None,
    spent: tuple[int, int] = (0, 0),
    cost_usd: float = 0.0,
) -> dict[str, Any]:
    return {
        "reason": reason,
        "message": _healed(message)[:MOST_TOLD],
        "retryable": False,
        "seconds": round(seconds, 3),
        "cost_usd": cost_usd,
        "retry_after_s": retry_after_s,
        "prompt_tokens": spent[0],
        "completion_tokens": spent[1],
    }


def _unreachable(call: int, ask: Ask) -> dict[str, Any]:
    who = "the writer" if ask.seat == WRITER and ask.round == SUMMARY else "this seat"
    return {"call": call, **_failure(ABSENT, f"there is no model for {who}", 0.0)}


def _healed(text: str) -> str:
    """Halves of letters, which JSON cannot hold, become U+FFFD."""
    return text.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace")
