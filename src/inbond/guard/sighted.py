"""What another provider told: its bundle, read as sightings. Pure.

A sighting is no evidence: whoever sent it saw other traffic under rules of their own, and is who it says to
be only as far as the way by which the file came. What is not limited in time, sureness and spread (a
``valid_until`` at most 90 days after its making, a confidence, a TLP level) is not taken.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final, final, get_args

from inbond.errors import InputError
from inbond.guard.stix import EXTENSION, MOST_DAYS, NAMED, Tlp, levels, need_stix2

SIGHTED: Final = "guard.sighted"
MOST_TOKENS: Final = 256
"""Of one template: with any number of them a bundle could resemble everything."""
FEWEST_SHARED: Final = 4
"""Tokens that a cluster and a sighting must have in common, and a quarter of the smaller side besides. Texts
of strangers share one now and then, since phrases of a language are pieces too: docs/guard-share.md."""
_SHARE: Final = 4
_MOST_BYTES: Final = 8 * 2**20
_TOKEN: Final = re.compile("[0-9a-f]{32}")
_SLACK: Final = timedelta(days=1)
_UNREADABLE: Final = (ValueError, TypeError, AttributeError, KeyError, RecursionError)


@final
@dataclass(frozen=True)
class Sighted:
    """``provider`` is who the bundle says it is from. ``tokens`` are those of its template under the shared
    key."""

    provider: str
    campaign: str
    confidence: int
    valid_until: datetime
    tlp: Tlp
    accounts: int
    families: tuple[str, ...]
    tokens: frozenset[str]

    def likeness(self, mine: frozenset[str]) -> float:
        """The part of a cluster's own tokens that was told, 0..1; 0 where chance explains so few."""
        shared = len(mine & self.tokens)
        few = shared < FEWEST_SHARED or _SHARE * shared < min(len(mine), len(self.tokens))
        return 0.0 if few else shared / len(mine)


def read(place: str, data: bytes, now: datetime) -> tuple[Sighted, ...]:
    """The sightings of a bundle that are still valid. Raises InputError naming ``place`` for what is no
    bundle, or tells something without confidence, an end that is near enough, or a TLP level;
    MissingExtraError without stix2."""
    stix2 = need_stix2()
    if len(data) > _MOST_BYTES:
        raise _not_a_bundle(place, f"{len(data):,} bytes, more than {_MOST_BYTES:,}")
    try:
        found = stix2.parse(data.decode("utf-8"), allow_custom=True)
        objects = list(found.objects) if found.type == "bundle" else None
    except (stix2.exceptions.STIXError, *_UNREADABLE) as error:
        raise _not_a_bundle(place, f"{type(error).__name__}: {error}"[:200]) from error
    if objects is None:
        raise _not_a_bundle(place, f"a {found.type}")
    names = {item.id: item.name for item in objects if item.type == "identity"}
    marks = {str(marking.id): level for level, marking in levels(stix2).items()}
    ours = [item for item in objects if _is_ours(item)]
    for item in ours:
        _check(place, item, marks, now)
    sighted = (_sighted(item, names, marks) for item in ours)
    return tuple(item for item in sighted if item.valid_until > now)


def _is_ours(item: Any) -> bool:
    return item.type == "indicator" and EXTENSION in (item.get("extensions") or {})


def _check(place: str, item: Any, marks: Mapping[str, Tlp], now: datetime) -> None:
    told = _told(item)
    missing = [
        name
        for name, value in (
            ("confidence", item.get("confidence")),
            ("valid_until", item.get("valid_until")),
            ("a TLP level", _levels(item, marks) or None),
            ("tokens", told.get("tokens")),
        )
        if value is None
    ]
    if missing:
        raise _not_a_bundle(place, f"{item.id} without {', '.join(missing)}")
    if item.created > now + _SLACK:
        raise _not_a_bundle(place, f"{item.id}, made on {item.created:%Y-%m-%d}, which is not yet")
    if item.valid_until - item.created > timedelta(days=MOST_DAYS):
        days = (item.valid_until - item.created).days
        raise _not_a_bundle(place, f"{item.id}, valid for {days:,} days, more than {MOST_DAYS}")
    if len(_listed(told.get("tokens"))) > MOST_TOKENS:
        raise _not_a_bundle(place, f"{item.id} with more than {MOST_TOKENS} tokens")


def _sighted(item: Any, names: Mapping[str, str], marks: Mapping[str, Tlp]) -> Sighted:
    told = _told(item)
    tokens = (token for token in _listed(told.get("tokens")) if isinstance(token, str))
    return Sighted(
        names.get(item.get("created_by_ref", ""), "somebody"),
        str(item.get("name", "")).removeprefix(NAMED),
        int(item.confidence),
        item.valid_until,
        max(_levels(item, marks), key=get_args(Tlp).index),
        _whole(told.get("accounts")),
        tuple(str(name) for name in _listed(told.get("families"))),
        frozenset(token for token in tokens if _TOKEN.fullmatch(token)),
    )


def _told(item: Any) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(json.dumps(dict(item.extensions[EXTENSION])))
    return found


def _levels(item: Any, marks: Mapping[str, Tlp]) -> list[Tlp]:
    references = map(str, item.get("object_marking_refs") or [])
    return [marks[reference] for reference in references if reference in marks]


def _listed(value: object) -> Sequence[object]:
    return value if isinstance(value, list) else ()


def _whole(value: object) -> int:
    return value if isinstance(value, int) and not isinstance(value, bool) and value >= 0 else 0


def _not_a_bundle(place: str, found: str) -> InputError:
    return InputError(
        expected=f"a STIX 2.1 bundle with templates of Inbond in {place}",
        found=found,
        fix="ask whoever sent it; docs/guard-share.md says what it has to hold",
    )
