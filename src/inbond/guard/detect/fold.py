"""A closed window's marks into memory. Pure: the marks are a multiset, and are put in order first.

A trial is what one account did in one window, as a share of its requests there, and a window of an account is
even or odd by its hash: templates are found in even ones and tested in odd ones. So a thousand times the
requests make not one trial more, and no share larger: volume alone is no evidence.
"""

from __future__ import annotations

import zlib
from collections.abc import Iterable, Sequence
from dataclasses import replace
from itertools import groupby
from typing import Final

import numpy as np

from inbond.guard.detect import templates
from inbond.guard.detect.families import WHOLE
from inbond.guard.detect.judge import RESTRICTED, tiers
from inbond.guard.detect.memory import (
    DAY_S,
    MOST_CONVERSATIONS,
    MOST_LEADERS,
    WINDOW_S,
    Account,
    Memory,
)
from inbond.guard.elicitation import PLAIN
from inbond.guard.marks import Mark

_IDLE_S: Final = 60 * DAY_S
_LOOK_S: Final = 3_600
"""How often standings are looked at, for how long they are held."""


def window_of(ts_ms: int) -> int:
    """The window of a mark: the second it begins with."""
    return ts_ms // (1_000 * WINDOW_S) * WINDOW_S


def fold(memory: Memory, window: int, marks: Iterable[Mark]) -> Memory:
    """What is remembered after a window. Windows come in order; an empty one may be left out."""
    assert window > memory.window, "windows are folded once, and in order"
    ordered = sorted(marks, key=lambda mark: (mark.account, mark.ts_ms, mark.request, mark))
    is_odd = [odd(mark.account, window) for mark in ordered]
    keys = templates.pieces(ordered)
    even = ~np.array(is_odd, dtype=np.bool_)
    even_marks = [mark for mark, each in zip(ordered, is_odd, strict=True) if not each]
    pairs = templates.remembered(memory.pairs, even_marks, keys[even], window)
    led = templates.leaders(ordered, keys, templates.hot(pairs)).tolist()
    accounts = dict(memory.accounts)
    for name, group in groupby(zip(ordered, led, strict=True), key=lambda each: each[0].account):
        seen = list(group)
        old = accounts.get(name) or Account(party=seen[0][0].party, first=window)
        accounts[name] = _after(old, window, [mark for mark, _ in seen], [each for _, each in seen])
    kept = {name: each for name, each in accounts.items() if window - each.last <= _IDLE_S}
    return _standing(Memory(window, memory.stood, kept, pairs))


def odd(account: str, window: int) -> bool:
    """Whether a window of an account is one to test in."""
    return bool(zlib.crc32(f"{window} {account}".encode("utf-8", "surrogatepass")) & 1)


def _after(old: Account, window: int, marks: Sequence[Mark], led: Sequence[int]) -> Account:
    """One account after a window: ``led`` are its requests' templates."""
    last = marks[-1]
    elicits = [mark.elicits and _new(mark, old) for mark in marks]
    foreign = [mark.foreign and _new(mark, old) for mark in marks]
    inside = [bool(each) for each in led]
    within = [i for i, each in enumerate(inside) if each]
    talks = (mark.conversation for i, mark in enumerate(marks) if elicits[i] or foreign[i])
    told = replace(
        old,
        party=last.party, tenant=last.tenant, payment=last.payment or old.payment,
        client=last.client or old.client, model=last.model or old.model,
        created=last.created or old.created, registered=last.registered, last=window,
        requests=old.requests + len(marks),
        output_tokens=old.output_tokens + sum(mark.output_tokens for mark in marks),
        refused=old.refused + sum(mark.refused for mark in marks),
        asked_plainly=old.asked_plainly + sum(mark.elicitation == PLAIN for mark in marks),
        windows=old.windows + 1,
        elicited=old.elicited + _share(elicits), replayed=old.replayed + _share(foreign),
        eliciting_requests=old.eliciting_requests + sum(elicits),
        foreign_requests=old.foreign_requests + sum(foreign),
        template_windows=old.template_windows + bool(within),
        conversations=_kept(old.conversations, talks),
    )  # fmt: skip
    if not odd(last.account, window):
        return replace(told, leaders=_led(old.leaders, {each for each in led if each}))
    return replace(
        told,
        odd=old.odd + 1,
        elicited_odd=old.elicited_odd + _share(elicits),
        replayed_odd=old.replayed_odd + _share(foreign),
        template_odd=old.template_odd + _share(inside),
        in_template=old.in_template + bool(within),
        elicited_in_template=old.elicited_in_template + _share([elicits[i] for i in within]),
        replayed_in_template=old.replayed_in_template + _share([foreign[i] for i in within]),
    )


def _new(mark: Mark, old: Account) -> bool:
    """A conversation brings its history along: what was counted in an earlier window is not again."""
    return not mark.conversation or mark.conversation not in old.conversations


def _share(hits: Sequence[bool]) -> int:
    return sum(hits) * WHOLE // len(hits) if hits else 0


def _kept(old: tuple[int, ...], new: Iterable[int]) -> tuple[int, ...]:
    found = dict.fromkeys([*old, *(each for each in new if each)])
    return tuple(found)[-MOST_CONVERSATIONS:]


def _led(old: tuple[tuple[int, int], ...], new: set[int]) -> tuple[tuple[int, int], ...]:
    counts = dict(old)
    for key in new:
        counts[key] = counts.get(key, 0) + 1
    ranked = sorted(counts.items(), key=lambda each: (-each[1], each[0]))
    return tuple(ranked[:MOST_LEADERS])


def _standing(memory: Memory) -> Memory:
    """Once an hour: since when each account stands at tier 2, and who has for a day."""
    if memory.window - memory.stood < _LOOK_S:
        return memory
    found = tiers(memory)
    accounts = dict(memory.accounts)
    for name, account in memory.accounts.items():
        since = (account.since or memory.window) if found[name] >= RESTRICTED else 0
        if since != account.since or found[name] != account.tier:
            accounts[name] = replace(account, since=since, tier=found[name])
    return Memory(memory.window, memory.window, accounts, memory.pairs)
