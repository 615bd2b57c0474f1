"""The licence under which a student is handed out: what texts ask of it, and where two cannot agree. Pure.

A share-alike text asks for itself; a text whose use restrictions pass through asks for a licence that
carries them; a non-commercial one for a licence that keeps to that. Restrictions and non-commercial terms
fit into one licence. Share-alike allows no further restriction: it goes with itself, with what else it takes
in its place (a later version), and, where it is non-commercial itself, with what asks for that.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from itertools import combinations
from typing import Any, Literal

from inbond.policy.obligations import PassThrough
from inbond.policy.schema import Reading

Asks = Literal["same", "restrictions", "non-commercial"]
_ASKS_TEXT: dict[Asks, str] = {
    "same": "asks for itself as the student's licence",
    "restrictions": "asks for a licence that carries its use restrictions",
    "non-commercial": "asks for a licence that stays non-commercial",
}


@dataclass(frozen=True)
class Bound:
    """What the text ``terms``, which ``subject`` is under, asks of the student's licence. Of a share-alike
    text: ``or_under`` are the licences that it takes in its place, and ``keeps_non_commercial`` says whether
    it asks for that itself."""

    terms: str
    subject: str
    asks: Asks
    or_under: tuple[str, ...] = ()
    keeps_non_commercial: bool = False

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
    non_commercial = any(item.kind == "non-commercial" for item in reading.obligations)
    others = tuple(
        id_ for item in reading.obligations if isinstance(item, PassThrough) for id_ in item.or_under
    )
    bounds = []
    if reading.outgoing == "same":
        bounds.append(Bound(terms, subject, "same", others, non_commercial))
    elif reading.outgoing != "any":
        bounds.append(Bound(terms, subject, reading.outgoing))
    if non_commercial:
        bounds.append(Bound(terms, subject, "non-commercial"))
    return tuple(bounds)


def conflicts(bounds: Iterable[Bound]) -> tuple[Conflict, ...]:
    """Each two texts that no single licence satisfies, once, in order."""
    found: dict[frozenset[str], Conflict] = {}
    for first, second in combinations(bounds, 2):
        if first.terms != second.terms and not _agree(first, second):
            found.setdefault(frozenset((first.terms, second.terms)), Conflict(first, second))
    return tuple(found.values())


def _agree(first: Bound, second: Bound) -> bool:
    alike = [bound for bound in (first, second) if bound.asks == "same"]
    if len(alike) == 2:
        return bool({first.terms, *first.or_under} & {second.terms, *second.or_under})
    other = second if first in alike else first
    return not alike or (other.asks == "non-commercial" and alike[0].keeps_non_commercial)
