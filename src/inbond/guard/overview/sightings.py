"""What other providers told of, beside the groups here that resemble it: shown, and no evidence. Pure.

Out of ``guard.sighted`` events of a ledger that anybody may have handed on: what has not their form is left
out. The same told again counts as it was told last; what has ended is not shown.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final, final, get_args

from inbond.guard.appeals import said_at
from inbond.guard.stix import Tlp
from inbond.report.guard_view import Sighting
from inbond.report.text import clip

MOST_SIGHTINGS: Final = 8
_MOST_ACCOUNTS: Final = 24
_MOST_CHARACTERS: Final = 100


@final
@dataclass(frozen=True)
class Resembling:
    """A match as the ledger has it: ``provider`` by its own word, ``read`` when its bundle was."""

    provider: str
    campaign: str
    cluster: str
    read: datetime
    until: datetime
    confidence: int
    tlp: str
    likeness: float
    accounts: tuple[str, ...]
    more: int

    def to_json(self) -> dict[str, Any]:
        """As ``guard report --json`` has it."""
        return {
            "claimed_by": self.provider,
            "campaign": self.campaign,
            "cluster": self.cluster,
            "read": self.read.isoformat(),
            "valid_until": self.until.isoformat(),
            "confidence": self.confidence,
            "tlp": self.tlp,
            "likeness": self.likeness,
            "accounts": list(self.accounts),
            "more_accounts": self.more,
        }


def resembling(
    sighted: Sequence[tuple[str, Mapping[str, Any]]], now: datetime, only: str | None = None
) -> list[Resembling]:
    """Those that are valid still, the likest first; with ``only`` those that name this account. ``sighted``
    are the times and bodies of events, in order."""
    latest: dict[tuple[str, str, str], Resembling] = {}
    for at, body in sighted:
        matches = body.get("matches")
        for match in matches if isinstance(matches, Sequence) else ():
            found = _resembling(at, match) if isinstance(match, Mapping) else None
            if found is not None:
                latest[found.provider, found.campaign, found.cluster] = found
    valid = (each for each in latest.values() if each.until > now)
    named = (each for each in valid if only is None or only in each.accounts)
    return sorted(named, key=lambda each: (-each.likeness, each.cluster, each.provider, each.campaign))


def _resembling(at: str, match: Mapping[str, Any]) -> Resembling | None:
    accounts, more = match.get("accounts"), match.get("more_accounts", 0)
    texts = [match.get(name) for name in ("provider", "campaign", "cluster", "tlp", "valid_until")]
    numbers = [match.get(name) for name in ("confidence", "likeness")]
    if not all(isinstance(text, str) for text in texts) or not isinstance(accounts, list):
        return None
    if not all(_is_number(number) for number in (*numbers, more)) or texts[3] not in get_args(Tlp):
        return None
    try:
        read, until = datetime.fromisoformat(at), datetime.fromisoformat(str(texts[4]))
        if read.tzinfo is None or until.tzinfo is None:
            return None
    except ValueError:
        return None
    provider, campaign, cluster = (clip(str(text), _MOST_CHARACTERS) for text in texts[:3])
    names = tuple(name for name in accounts if isinstance(name, str))
    confidence, likeness = (float(str(number)) for number in numbers)
    return Resembling(
        provider, campaign, cluster, read, until, int(confidence), str(texts[3]), likeness, names, int(more)
    )


def _is_number(value: object) -> bool:
    is_number = isinstance(value, (int, float)) and not isinstance(value, bool)
    return is_number and 0 <= float(str(value)) <= 1e9


def drawn(each: Resembling, anchors: Mapping[str, str]) -> Sighting:
    """As the page shows it; ``anchors`` are the places of accounts that it says more of."""
    shown = sorted(each.accounts, key=lambda name: (name not in anchors, name))[:_MOST_ACCOUNTS]
    return Sighting(
        each.provider,
        each.cluster,
        (
            ("Like the group", each.cluster),
            ("Of its template", f"{each.likeness:.0%} was told"),
            ("How sure it says it is", f"{each.confidence} of 100"),
            ("Read here", said_at(each.read)),
            ("Valid until", said_at(each.until)),
            ("May be passed on", f"as TLP {each.tlp} says"),
            ("Campaign", each.campaign),
        ),
        tuple((name, anchors.get(name, "")) for name in shown),
        len(each.accounts) - len(shown) + each.more,
    )
