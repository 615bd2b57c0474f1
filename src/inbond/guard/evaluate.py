"""Anyone's traffic into verdicts: JSON lines in, window by window, without the guard before a server.

A line is one request: ts, request_id, tenant, account, org, registered, ip, asn, client, payment,
mail_domain, created, plan, model, conversation, system, prompt, prompt_tokens, output_tokens, sealed,
refused. Times are seconds since 1970 or ISO 8601; other fields are ignored, what is missing or null is
unknown. Lines may be up to an hour late; later ones count in the oldest window that is open. A line that is
dated more than a day after all before it, and that earlier ones follow, has a wrong time: it would end every
window that follows, so that nothing is judged.
"""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final, final

from inbond.errors import InputError
from inbond.guard import marks
from inbond.guard.detect.fold import fold_kept, window_of
from inbond.guard.detect.judge import FDR, Judgement, judge
from inbond.guard.detect.memory import WINDOW_S, Memory
from inbond.guard.marks import About, Mark

_OPEN: Final = 6
_EVERY: Final = 2_000
_LAST_MS: Final = 253_402_300_800_000
_DAY_MS: Final = 86_400_000
_MOST_LINE: Final = 64 * 2**20
_TEXTS: Final = (
    "tenant", "org", "ip", "asn", "client", "payment", "mail_domain", "plan", "model", "conversation"
)  # fmt: skip
BOUND_MEANS: Final = (
    "of the accounts at a tier by their own evidence, and of the groups at a tier, at most this share is"
    " expected to be there wrongly, at any one look; members whom a group raises are not among them: to one"
    " that keeps a bound its breach is laid with a probability of 1% at most, at any one look. Wrongly means"
    " that all bounds that each reason states were kept, not that the customer is lawful; it is no count of"
    " lawful customers, whom a file does not name"
)


@final
@dataclass(frozen=True)
class Evaluation:
    """``late``: how many lines came more than an hour after their window."""

    judgement: Judgement
    memory: Memory
    requests: int
    late: int

    def to_json(self) -> dict[str, Any]:
        """The object that ``guard evaluate --json`` prints."""
        return {
            "accounts": {
                name: {"tier": each.tier, "since": each.since or None, "verdict": each.verdict.to_json()}
                for name, each in self.judgement.accounts.items()
            },
            "clusters": [each.to_json() for each in self.judgement.clusters],
            "requests": self.requests,
            "late": self.late,
            "false_positive_bound": float(FDR),
            "bound_means": BOUND_MEANS,
        }


def evaluate(
    place: str, lines: Iterable[bytes], progress: Callable[[int, int], None] | None = None
) -> Evaluation:
    """Reads traffic and judges it as of its last window. ``progress`` is told of rows and bytes read now and
    then. Raises InputError naming ``place`` and the line."""
    reading, systems = _Reading(place), marks.Systems()
    size = 0
    for number, line in enumerate(lines, start=1):
        size += len(line)
        if line.strip():
            reading.take(number, parse(place, number, line, systems))
        if progress is not None and number % _EVERY == 0:
            progress(number, size)
    memory = reading.rest()
    return Evaluation(judge(memory), memory, reading.requests, reading.late)


@final
class _Reading:
    """Windows that are open, as marks in bytes; those behind them are folded."""

    def __init__(self, place: str) -> None:
        self._place = place
        self._newest = 0
        self._leap: tuple[int, int, int] | None = None
        self._memory = Memory()
        self._open: dict[int, list[bytes]] = {}
        self.requests = 0
        self.late = 0

    def take(self, number: int, mark: Mark) -> None:
        self._look_at_time(number, mark.ts_ms)
        window = window_of(mark.ts_ms)
        if window <= self._memory.window:
            self.late += 1
            window = min(self._open, default=self._memory.window + WINDOW_S)
        self._open.setdefault(window, []).append(mark.to_bytes())
        self.requests += 1
        newest = max(self._open)
        for old in sorted(each for each in self._open if each < newest - _OPEN * WINDOW_S):
            self._fold(old)

    def _look_at_time(self, number: int, ts_ms: int) -> None:
        """Raises InputError where a line has a time that cannot be."""
        if self._newest and ts_ms > self._newest + _DAY_MS:
            self._leap = (number, self._newest, ts_ms)
        elif self._leap is not None and ts_ms < self._leap[2] - _DAY_MS:
            line, before, after = self._leap
            raise InputError(
                expected=f"requests of {self._place} in order of time, or up to an hour late",
                found=f"line {line} is dated {_said(after)}, those before it {_said(before)} at the latest,"
                f" and line {number} {_said(ts_ms)}",
                fix=f"correct ts in line {line}, or take it out; a file in no order has to be sorted by ts",
            )
        self._newest = max(self._newest, ts_ms)

    def rest(self) -> Memory:
        for window in sorted(self._open):
            self._fold(window)
        return self._memory

    def _fold(self, window: int) -> None:
        self._memory = fold_kept(self._memory, window, self._open.pop(window))


def _said(ts_ms: int) -> str:
    if ts_ms >= _LAST_MS:
        return f"{ts_ms // 1_000} seconds after 1970"
    return f"{datetime.fromtimestamp(ts_ms / 1_000, UTC):%Y-%m-%d %H:%M} UTC"


def parse(place: str, number: int, line: bytes, systems: marks.Systems | None = None) -> Mark:
    """One line; ``systems`` as for ``marks.read``. Raises InputError naming it."""
    try:
        if len(line) > _MOST_LINE:
            raise ValueError(f"{len(line):,} bytes")
        value = json.loads(line.decode("utf-8"))
        if not isinstance(value, dict):
            raise ValueError(f"{type(value).__name__} and not an object")
        system, prompt = (_text(value, name) or "" for name in ("system", "prompt"))
        return marks.read(_about(value, number), system, prompt, systems)
    except (ValueError, RecursionError, OverflowError) as error:
        raise InputError(
            expected=f"one request as a JSON object in line {number} of {place}",
            found=str(error)[:200],
            fix="correct the line, or take it out; inbond guard evaluate --help names the fields",
        ) from None


def _about(value: dict[str, Any], number: int) -> About:
    ts = _time(value, "ts")
    account = _text(value, "account") or _text(value, "tenant")
    if ts is None or not 0 < ts < 2**40:
        raise ValueError("no ts that is a time")
    if not account:
        raise ValueError("neither an account nor a tenant")
    sealed = value.get("sealed")
    if sealed not in (None, "ok", "rejected", "foreign"):
        raise ValueError(f"sealed is {sealed!r}, not null, ok, rejected or foreign")
    known = {name: _text(value, name) for name in _TEXTS}
    return About(
        ts=ts,
        request=_text(value, "request_id") or f"line {number}",
        account=account,
        registered=_flag(value, "registered"),
        created=_time(value, "created"),
        prompt_tokens=_count(value, "prompt_tokens"),
        output_tokens=_count(value, "output_tokens"),
        sealed=sealed,
        refused=_flag(value, "refused"),
        foreign=(),
        **known,
    )


def _text(value: dict[str, Any], name: str) -> str | None:
    found = value.get(name)
    if found is None or isinstance(found, str):
        return found
    if isinstance(found, int) and not isinstance(found, bool):
        return str(found)
    raise ValueError(f"{name} is neither a text nor null")


def _flag(value: dict[str, Any], name: str) -> bool:
    """Also the id of a registration, or the code of a refusal, where a text stands."""
    found = value.get(name)
    if found is None or isinstance(found, (bool, str)):
        return bool(found)
    raise ValueError(f"{name} is neither true, false nor null")


def _count(value: dict[str, Any], name: str) -> int:
    found = value.get(name)
    if found is None:
        return 0
    if isinstance(found, bool) or not isinstance(found, (int, float)) or not 0 <= found < 2**53:
        raise ValueError(f"{name} is not a number of tokens")
    return int(found)


def _time(value: dict[str, Any], name: str) -> float | None:
    found = value.get(name)
    if found is None:
        return None
    if isinstance(found, (int, float)) and not isinstance(found, bool) and math.isfinite(found):
        return float(found)
    if isinstance(found, str):
        moment = datetime.fromisoformat(found)
        return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp()
    raise ValueError(f"{name} is neither seconds since 1970 nor ISO 8601")
