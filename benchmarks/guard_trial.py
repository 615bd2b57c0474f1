"""One trial of detection: simulated traffic read as ``guard evaluate`` reads it and judged at every window.

Rows are made, become marks and are forgotten: memory holds the accounts and one window. An account counts as
restricted from the end of the first window after which it stands at tier 2; what it sent until then leaked.
"""

from __future__ import annotations

import math
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from functools import lru_cache
from heapq import merge
from itertools import groupby
from typing import Any, final

from inbond.guard.detect.fold import fold, window_of
from inbond.guard.detect.judge import clusters, tiers
from inbond.guard.detect.memory import WINDOW_S, Memory
from inbond.guard.evaluate import parse
from inbond.guard.marks import Mark
from inbond.guard.simulate import START_S, Row, Scenario, simulate

RESTRICTED = 2
_TELL_S = 10.0


Seen = tuple[Row, Mark]
"""A row without its texts, and what the guard keeps of it."""


@final
@dataclass(frozen=True)
class Traffic:
    """Scenarios with their seeds, all on the same clock. ``others`` is traffic that many trials have in
    common: it is read once and remembered."""

    streams: tuple[tuple[Scenario, int], ...]
    others: tuple[Scenario, int] | None = None

    def rows(self) -> Iterator[Row]:
        """In order of time."""
        streams = self.streams if self.others is None else (*self.streams, self.others)
        found = (simulate(scenario, seed) for scenario, seed in streams)
        return merge(*found, key=lambda row: (row.ts, row.account))

    def seen(self) -> Iterator[Seen]:
        """The rows, in the same order, as the guard reads them."""
        own: Iterable[Seen] = map(_seen, Traffic(self.streams).rows())
        known = () if self.others is None else _remembered(*self.others)
        return merge(own, known, key=lambda each: (each[0].ts, each[0].account))

    @property
    def lasts_s(self) -> float:
        return max(scenario.lasts_ms for scenario, _ in self.streams) / 1_000


@lru_cache(maxsize=1)
def _remembered(scenario: Scenario, seed: int) -> tuple[Seen, ...]:
    return tuple(map(_seen, simulate(scenario, seed)))


def _seen(row: Row) -> Seen:
    mark = parse("simulated traffic", 0, row.line().encode())
    return replace(row, system=None, prompt=""), mark


@final
@dataclass
class Caller:
    """What one account sent, and how it stood. ``before`` is what it sent while it was not restricted;
    ``first_s`` is when it first stood at tier 2, seconds after the start."""

    profile: str
    lawful: bool
    requests: int = 0
    illicit: int = 0
    before: Counter[str] = field(default_factory=Counter)
    ever: int = 0
    last: int = 0
    first_s: float | None = None


@final
class Trial:
    """Watches traffic. ``told`` hears of rows and seconds of the simulation done."""

    def __init__(self, told: Callable[[int, float], None], every: int = 1) -> None:
        self.callers: dict[str, Caller] = {}
        self.campaigns: dict[str, Counter[str]] = {}
        self.found: dict[str, dict[str, Any]] = {}
        self.rows = 0
        self.seconds = 0.0
        self.memory = Memory()
        self._told = told
        self._every = every

    def watch(self, seen: Iterable[Seen]) -> Trial:
        """All of the traffic; judged after every ``every``-th window and after the last."""
        began = time.process_time()
        number = 0
        for window, inside in groupby(seen, key=lambda each: window_of(each[1].ts_ms)):
            self.memory = fold(self.memory, window, [self._take(*each) for each in inside])
            number += 1
            if number % self._every == 0:
                self._judge(window)
            self._told(self.rows, window + WINDOW_S - START_S)
        if number % self._every:
            self._judge(self.memory.window)
        self.seconds = time.process_time() - began
        return self

    def _take(self, row: Row, mark: Mark) -> Mark:
        self.rows += 1
        truth = row.truth
        caller = self.callers.get(row.account)
        if caller is None:
            caller = self.callers[row.account] = Caller(truth.profile, truth.lawful)
        caller.requests += 1
        caller.illicit += truth.illicit
        sent = {"requests": 1, "tokens": row.output_tokens}
        if truth.illicit:
            sent |= {"illicit_requests": 1, "illicit_tokens": row.output_tokens}
        campaign = self.campaigns.setdefault(truth.profile, Counter())
        campaign.update(sent)
        if caller.last < RESTRICTED:
            caller.before.update(sent)
        return mark

    def _judge(self, window: int) -> None:
        at_s = window + WINDOW_S - START_S
        fresh = set()
        for name, tier in tiers(self.memory).items():
            caller = self.callers[name]
            caller.last = tier
            caller.ever = max(caller.ever, tier)
            if tier >= RESTRICTED and caller.first_s is None:
                caller.first_s = at_s
                fresh.add(caller.profile)
        for profile in fresh - self.found.keys():
            self.found[profile] = {"at_s": at_s, "by": self._by(profile), **self.campaigns[profile]}

    def _by(self, profile: str) -> str:
        """Whether a group led to it, or accounts by themselves."""
        kinds = {
            each.kind
            for each in clusters(self.memory)
            if each.tier >= RESTRICTED and any(self.callers[name].profile == profile for name in each.members)
        }
        return "+".join(sorted(kinds)) or "account"

    def to_json(self) -> dict[str, Any]:
        """{profiles{name: {...}}, clusters{...}, rows, seconds of the processor}."""
        by_profile: dict[str, list[Caller]] = {}
        for caller in self.callers.values():
            by_profile.setdefault(caller.profile, []).append(caller)
        return {
            "profiles": {name: self._profile(name, found) for name, found in sorted(by_profile.items())},
            "clusters": self._clusters(),
            "rows": self.rows,
            "seconds": round(self.seconds, 1),
        }

    def _profile(self, name: str, callers: list[Caller]) -> dict[str, Any]:
        before: Counter[str] = Counter()
        for caller in callers:
            before.update(caller.before)
        return {
            "lawful": callers[0].lawful,
            "accounts": len(callers),
            "sent": dict(self.campaigns[name]),
            "ever": {tier: sum(each.ever >= tier for each in callers) for tier in (1, 2, 3)},
            "last": {tier: sum(each.last >= tier for each in callers) for tier in (1, 2, 3)},
            "found": self.found.get(name),
            "unrestricted": dict(before),
        }

    def _clusters(self) -> dict[str, Any]:
        """Of the groups at tier 2 at the end: how many, their members, and how many of these are lawful."""
        found = [each for each in clusters(self.memory) if each.tier >= RESTRICTED]
        members = {name for each in found for name in each.members}
        profiles = Counter(self.callers[name].profile for name in members)
        lawful = sum(self.callers[name].lawful for name in members)
        return {"groups": len(found), "members": len(members), "lawful": lawful, "of": dict(profiles)}


def telling(name: str, lasts_s: float) -> Callable[[int, float], None]:
    """Says on stderr now and then how far a trial is, how fast, and how long it still takes."""
    began = last = time.monotonic()

    def tell(rows: int, at_s: float) -> None:
        nonlocal last
        now = time.monotonic()
        if now - last < _TELL_S:
            return
        last, share = now, min(1.0, at_s / lasts_s)
        left = (now - began) * (1 - share) / max(share, 1e-9)
        rate = rows / (now - began)
        print(f"{name}: {share:.0%} of its time, {rate:,.0f} rows/s, {left:.0f} s left", file=sys.stderr)

    return tell


def upper_bound(hits: int, trials: int, confidence: float = 0.95) -> float:
    """Clopper and Pearson's upper bound on a share of which ``hits`` of ``trials`` were seen (one-sided)."""
    if hits >= trials:
        return 1.0
    low, high = hits / trials, 1.0
    for _ in range(60):
        middle = (low + high) / 2
        if _at_most(hits, trials, middle) > 1 - confidence:
            low = middle
        else:
            high = middle
    return high


def _at_most(hits: int, trials: int, share: float) -> float:
    """The probability of at most ``hits`` of ``trials``."""
    if share >= 1:
        return 0.0
    ways = (
        math.lgamma(trials + 1) - math.lgamma(k + 1) - math.lgamma(trials - k + 1)
        + (k * math.log(share) if k else 0.0) + (trials - k) * math.log1p(-share)
        for k in range(hits + 1)
    )  # fmt: skip
    return sum(map(math.exp, ways))


def total(profiles: Mapping[str, Mapping[str, Any]], *path: str) -> int:
    """The sum of one number over profiles."""
    found = 0
    for each in profiles.values():
        value: Any = each
        for name in path:
            value = value.get(name, 0)
        found += int(value)
    return found
