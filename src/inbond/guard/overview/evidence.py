"""What verdicts say over time, fit to be drawn: e-values by family as lines, and what was seen. Pure.

Verdicts come from a ledger that anybody may have handed on: what has not their form is left out.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, final

from inbond.guard import actions
from inbond.guard.detect.families import FAMILIES, Family
from inbond.guard.detect.memory import WINDOW_S
from inbond.report.data import Series, SeriesStyle
from inbond.report.guard_view import Curve, Said
from inbond.report.picture import Tone

NAMES: Final = tuple(actions.NAMES[tier] for tier in actions.TIERS)
TONES: Final[tuple[Tone, ...]] = ("plain", "plain", "care", "care")
"""A proposal is a question to a person, and no judgement yet."""
_OWN: Final = "account"
_POWER: Final = re.compile(r"1e(-?[0-9]{1,9})")
_STYLES: Final[tuple[SeriesStyle, ...]] = ("held-out", "train", "outside", "teacher", "after")
_LARGEST: Final = 10_000
_LAST: Final = 2**37
_LOWEST_TOP: Final = 12
"""Evidence grows without end; what is larger is drawn at the top, so that the threshold can be seen."""
_HOUR_S: Final = 3_600


@final
@dataclass(frozen=True)
class Moment:
    """A verdict as of a window: the second since 1970 in which the window ends, the tiers before and after
    (``was`` None: not known), and its reasons as JSON."""

    at: int
    was: int | None
    tier: int
    reasons: tuple[Mapping[str, Any], ...]


def moment(value: Mapping[str, Any]) -> Moment | None:
    """Reads the body of a ``guard.judged`` event, or what the state keeps; None for anything else."""
    window, tier, verdict = value.get("window"), value.get("tier"), value.get("verdict")
    if not isinstance(window, int) or not 0 <= window < _LAST or not isinstance(verdict, Mapping):
        return None
    if not isinstance(tier, int) or tier not in range(len(NAMES)):
        return None
    was = value.get("was")
    return Moment(window + WINDOW_S, was if was in range(len(NAMES)) else None, tier, reasons_of(verdict))


def reasons_of(verdict: Mapping[str, Any]) -> tuple[Mapping[str, Any], ...]:
    """The reasons of a verdict's JSON that have a finding."""
    found = verdict.get("reasons")
    if not isinstance(found, Sequence):
        return ()
    return tuple(each for each in found if isinstance(each, Mapping) and isinstance(each.get("finding"), str))


def said(reasons: Iterable[Mapping[str, Any]]) -> Said:
    """What reasons say, each once."""
    families, seen, unseen, shown = [], [], [], []
    for reason in reasons:
        family = _FAMILY.get(str(reason.get("feature")))
        if family is None:
            shown.append(reason["finding"])
        elif reason.get("seen") is True:
            families.append(family.name)
            seen.append(reason["finding"])
        else:
            unseen.append(reason["finding"])
    return Said(*(tuple(dict.fromkeys(each)) for each in (families, seen, unseen, shown)))


_FAMILY: Final[Mapping[str, Family]] = {family.name: family for family in FAMILIES}


def power_of(text: object) -> int | None:
    """The power of ten that an e-value is said as: ``1e9`` is 9."""
    found = _POWER.fullmatch(text) if isinstance(text, str) else None
    return None if found is None else max(-_LARGEST, min(_LARGEST, int(found[1])))


def curves(began: int, moments: Sequence[Moment]) -> tuple[Curve, ...]:
    """Its own evidence, and that of the strongest of its groups, in hours since ``began`` (seconds since
    1970); without those of which nothing is kept. All evidence begins at 1."""
    own = [(each.at, [r for r in each.reasons if r.get("source") == _OWN]) for each in moments]
    of_group = [(each.at, _strongest_group(each.reasons)) for each in moments]
    found = (_curve("Its own requests", began, own), _curve("Its strongest group", began, of_group))
    return tuple(curve for curve in found if curve is not None)


def _strongest_group(reasons: Sequence[Mapping[str, Any]]) -> list[Mapping[str, Any]]:
    """The reasons of the group that a verdict names first."""
    first = next((reason.get("source") for reason in reasons if reason.get("source") != _OWN), None)
    return [reason for reason in reasons if first is not None and reason.get("source") == first]


def apart(reasons: Sequence[Mapping[str, Any]]) -> tuple[Said, Said]:
    """What is said of an account itself and of its strongest group; and of its other groups."""
    first = _strongest_group(reasons)
    near = [reason for reason in reasons if reason.get("source") == _OWN or reason in first]
    return said(near), said(reason for reason in reasons if reason not in near)


def _curve(title: str, began: int, table: Sequence[tuple[int, Sequence[Mapping[str, Any]]]]) -> Curve | None:
    bars = [
        (_hours(began, at), float(max(0, bar)))
        for at, reasons in table
        if (bar := _lowest(power_of(reason.get("threshold")) for reason in reasons)) is not None
    ]
    top = max([_LOWEST_TOP, *(int(2 * bar) for _, bar in bars)])
    series, words = [], []
    for family, style in zip(FAMILIES, _STYLES, strict=True):
        points = _points(began, table, family.name)
        if points:
            drawn = tuple((hour, min(power, float(top))) for hour, power in points)
            series.append(Series(family.name, ((0.0, 0.0), *drawn), style))
            words.append(f"{family.name}: {_value(points[-1][1])}")
    if not series or not bars:
        return None
    line = Series("threshold", ((0.0, bars[0][1]), *bars), "before")
    said = f"threshold: {_value(bars[-1][1])}; a family past it is seen"
    return Curve(title, top, (*series, line), (*words, said))


def _points(
    began: int, table: Sequence[tuple[int, Sequence[Mapping[str, Any]]]], family: str
) -> list[tuple[float, float]]:
    """An e-value below 1 shows nothing, and is drawn as 1."""
    return [
        (_hours(began, at), float(max(0, power)))
        for at, reasons in table
        for reason in reasons
        if reason.get("feature") == family and reason.get("trials") != 0
        if (power := power_of(reason.get("e_value"))) is not None
    ]


def _value(power: float) -> str:
    return f"1e{power:.0f}" if power > 0 else "1 or less"


def _hours(began: int, at: int) -> float:
    return max(0, at - began) / _HOUR_S


def _lowest(values: Iterable[int | None]) -> int | None:
    return min((value for value in values if value is not None), default=None)
