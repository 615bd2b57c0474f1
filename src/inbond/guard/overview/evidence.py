"""What verdicts say over time, fit to be drawn: e-values by family, and what was seen. Pure.

Verdicts come from a ledger that anybody may have handed on: what has not their form is left out.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, final

from inbond.guard import actions
from inbond.guard.detect.families import FAMILIES
from inbond.guard.detect.memory import WINDOW_S
from inbond.guard.overview.times import time_of
from inbond.report.data import Series, SeriesStyle
from inbond.report.guard_view import Curve, Said
from inbond.report.picture import Tone

NAMES: Final = tuple(actions.NAMES[tier] for tier in actions.TIERS)
TONES: Final[tuple[Tone, ...]] = ("plain", "plain", "care", "care")
"""A proposal is a question to a person, and no judgement yet."""
OWN: Final = "account"
"""The source of what an account shows by itself; any other is a group."""
Reasons = tuple[Mapping[str, Any], ...]
_FAMILIES: Final = frozenset(family.name for family in FAMILIES)
_POWER: Final = re.compile(r"1e(-?[0-9]{1,9})")
_STYLES: Final[tuple[SeriesStyle, ...]] = ("held-out", "train", "outside", "teacher")
_LAST: Final = 2**37
_LOWEST_TOP: Final = 12
"""Evidence grows without end; what is larger is drawn at the top, so that the threshold can be seen."""
_HIGHEST_TOP: Final = 10_000
_STEPS: Final = 4
_HOUR_S: Final = 3_600


@final
@dataclass(frozen=True)
class Moment:
    """A verdict as of a window: the second since 1970 in which the window ends, the tiers before and after
    (``was`` None: not known), and its reasons as JSON."""

    at: int
    was: int | None
    tier: int
    reasons: Reasons


@final
@dataclass(frozen=True)
class Strength:
    """A family that was seen, the power of ten of its e-value, and whether by an account's own requests."""

    family: str
    power: int
    own: bool


def moment(value: Mapping[str, Any]) -> Moment | None:
    """Reads the body of a ``guard.judged`` event, or what the state keeps; None for anything else."""
    window, tier, verdict = value.get("window"), value.get("tier"), value.get("verdict")
    if not isinstance(window, int) or not 0 <= window < _LAST or not isinstance(verdict, Mapping):
        return None
    if not isinstance(tier, int) or tier not in range(len(NAMES)):
        return None
    was = value.get("was")
    return Moment(window + WINDOW_S, was if was in range(len(NAMES)) else None, tier, reasons_of(verdict))


def reasons_of(verdict: Mapping[str, Any]) -> Reasons:
    """The reasons of a verdict's JSON that have a finding."""
    found = verdict.get("reasons")
    if not isinstance(found, Sequence):
        return ()
    return tuple(each for each in found if isinstance(each, Mapping) and isinstance(each.get("finding"), str))


def of_source(reasons: Iterable[Mapping[str, Any]], source: str) -> Reasons:
    """Those that rest on an account's own requests (OWN), or on one group's."""
    return tuple(reason for reason in reasons if reason.get("source") == source)


def groups_of(reasons: Iterable[Mapping[str, Any]]) -> tuple[str, ...]:
    """The groups that a verdict names, in its order."""
    sources = (reason.get("source") for reason in reasons if _is_family(reason))
    return tuple(dict.fromkeys(each for each in sources if isinstance(each, str) and each != OWN))


def said(reasons: Iterable[Mapping[str, Any]]) -> Said:
    """What reasons say, each once, behind its family and, where it was seen, the e-value."""
    seen, unseen, shown = [], [], []
    for reason in reasons:
        power = power_of(reason.get("e_value"))
        if not _is_family(reason):
            shown.append(reason["finding"])
        elif reason.get("seen") is True:
            value = f", {_value(power)}" if power is not None else ""
            seen.append(f"{reason['feature']}{value}: {reason['finding']}")
        else:
            unseen.append(f"{reason['feature']}: {reason['finding']}")
    return Said(*(tuple(dict.fromkeys(each)) for each in (seen, unseen, shown)))


def strengths(reasons: Iterable[Mapping[str, Any]]) -> tuple[Strength, ...]:
    """What was seen, each family once: by the account's own requests, or else where it is strongest. The
    strongest first."""
    found: dict[str, Strength] = {}
    for reason in reasons:
        power = power_of(reason.get("e_value"))
        if not _is_family(reason) or power is None or reason.get("seen") is not True:
            continue
        each = Strength(str(reason["feature"]), power, reason.get("source") == OWN)
        best = found.get(each.family, each)
        found[each.family] = max(best, each, key=lambda one: (one.own, one.power))
    return tuple(sorted(found.values(), key=lambda each: (-each.power, each.family)))


def told(strength: Strength) -> str:
    """``replay 1e580``, and whether it is the group's."""
    return f"{strength.family} {_value(strength.power)}" + ("" if strength.own else " (group)")


def _is_family(reason: Mapping[str, Any]) -> bool:
    feature = reason.get("feature")
    return isinstance(feature, str) and feature in _FAMILIES


def power_of(text: object) -> int | None:
    """The power of ten that an e-value is said as: ``1e9`` is 9."""
    found = _POWER.fullmatch(text) if isinstance(text, str) else None
    return None if found is None else int(found[1])


def curve(title: str, began: int, table: Sequence[tuple[int, Reasons]]) -> Curve | None:
    """Recorded evidence over the hours since ``began``; ``table`` holds reasons by the second since 1970, in
    order. None where nothing is kept. What is past twice the threshold is drawn there."""
    bars = [
        (_hours(began, at), max(0, bar))
        for at, reasons in table
        if (bar := _lowest(power_of(reason.get("threshold")) for reason in reasons)) is not None
    ]
    kept = [(name, style, _points(began, table, name)) for name, style in _DRAWN]
    tracks = [each for each in kept if each[2]]
    if not tracks or not bars:
        return None
    top = _top(bar for _, bar in bars)
    words = [f"{name}: {_value(points[-1][1])}" for name, _, points in tracks]
    said = f"threshold: {_value(bars[-1][1])}; a family past it is seen"
    series = [Series(name, _capped(points, top), style) for name, style, points in tracks]
    ended = max(at for at, reasons in table if reasons)
    return Curve(
        title, time_of(began), time_of(max(began, ended)), top,
        any(power > top for _, _, points in tracks for _, power in points),
        (*series, Series("threshold", _capped(bars, top), "before")), (*words, said),
    )  # fmt: skip


_DRAWN: Final = tuple((family.name, style) for family, style in zip(FAMILIES, _STYLES, strict=True))


def _points(began: int, table: Sequence[tuple[int, Reasons]], family: str) -> list[tuple[float, int]]:
    """An e-value below 1 shows nothing, and is drawn as 1."""
    return [
        (_hours(began, at), max(0, power))
        for at, reasons in table
        for reason in reasons
        if reason.get("feature") == family and reason.get("trials") != 0
        if (power := power_of(reason.get("e_value"))) is not None
    ]


def _capped(points: Sequence[tuple[float, int]], top: int) -> tuple[tuple[float, float], ...]:
    return tuple((hour, float(min(power, top))) for hour, power in points)


def _top(bars: Iterable[int]) -> int:
    """Twice the highest threshold, rounded up to what even steps lead to."""
    wanted = min(_HIGHEST_TOP, max([_LOWEST_TOP, *(2 * bar for bar in bars)]))
    return -(-wanted // _STEPS) * _STEPS


def _value(power: int) -> str:
    return f"1e{power}" if power > 0 else "1 or less"


def _hours(began: int, at: int) -> float:
    return max(0, at - began) / _HOUR_S


def _lowest(values: Iterable[int | None]) -> int | None:
    return min((value for value in values if value is not None), default=None)
