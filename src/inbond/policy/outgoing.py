"""The licence under which a student is handed out: what texts ask of it, and where two cannot agree. Pure.

A share-alike text asks for itself; a text whose use restrictions pass through asks for a licence that
carries them; a non-commercial one for a licence that keeps to that. Restrictions and non-commercial terms
fit into one licence. Share-alike goes with nothing but itself: it allows no further restriction.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from itertools import combinations
from typing import Any, Literal

from inbond.policy.schema import Reading

Asks = Literal["same", "restrictions", "non-commercial"]
_ASKS_TEXT: dict[Asks, str] = {
    "same": "asks for itself as the student's licence",
    "restrictions": "asks for a licence that carries its use restrictions",
    "non-commercial": "asks for a licence that stays non-commercial",
}


@dataclass(frozen=True)
class Bound:
    """What the text ``terms``, which ``subject`` is under, asks of the student's licence."""

    terms: str
    subject: str
    asks: Asks

    @property
    def sentence(self) -> str:
        return f"{self.terms}, which {self.subject} is under, {_ASKS_TEXT[self.asks]}"


@dataclass(frozen=True)
class Conflict:
    """Two texts that no single licence of the student satisfies."""

    first: Bound
    second: Bound

    @property
    def sentence(self) -> str:
        return f"{self.first.sentence}; {self.second.sentence}. No one licence is known to do both."

    def to_json(self) -> dict[str, Any]:
        return {"terms": [self.first.terms, self.second.terms], "finding": self.sentence}


def bounds_of(terms: str, subject: str, reading: Reading) -> tuple[Bound, ...]:
    """What one reading asks of the licence of a student that is handed out."""
    asked: list[Asks] = [] if reading.outgoing == "any" else [reading.outgoing]
    if any(item.kind == "non-commercial" for item in reading.obligations):
        asked.append("non-commercial")
    return tuple(Bound(terms, subject, asks) for asks in asked)


def conflicts(bounds: Iterable[Bound]) -> tuple[Conflict, ...]:
    """Each two texts that no single licence satisfies, once, in order."""
    found: dict[frozenset[str], Conflict] = {}
    for first, second in combinations(bounds, 2):
        if first.terms != second.terms and "same" in (first.asks, second.asks):
            found.setdefault(frozenset((first.terms, second.terms)), Conflict(first, second))
    return tuple(found.values())
