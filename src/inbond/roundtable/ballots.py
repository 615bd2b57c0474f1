"""What a seat says: its vote with reasons in round 1, its answer to the others in round 2. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any, Literal, final

Effect = Literal["adopted", "rebutted", "unmoved"]
MOST_CLAIMS = 3


@final
@dataclass(frozen=True)
class Claim:
    """One claim of a seat; ``id`` is c1, c2 or c3."""

    id: str
    text: str


@final
@dataclass(frozen=True)
class Influence:
    """What a seat says moved it, or did not: ``seat`` is the label under which it saw the other (Seat A),
    ``claim`` the claim's id there, ``quote`` the words that it refers to."""

    seat: str
    claim: str
    quote: str
    effect: Effect


@final
@dataclass(frozen=True)
class Ballot:
    """A seat's reply in one round. ``vote`` is an option's id; None where it abstains, and then
    ``abstain_reason`` says why. ``confidence`` is its own, from 0 to 1. ``ill_posed`` says what is wrong with
    the question, where the seat says so. In round 2 ``influences`` and ``rebuttal`` (of the strongest claim
    against it, which ``rebuts`` names: seat label and claim's id) come in."""

    reasoning: str
    claims: tuple[Claim, ...]
    vote: str | None
    abstain_reason: str = ""
    confidence: float | None = None
    would_change_if: str = ""
    ill_posed: str = ""
    influences: tuple[Influence, ...] = ()
    rebuttal: str = ""
    rebuts: str = ""

    def to_json(self) -> dict[str, Any]:
        """All fields, in the order in which a seat is asked for them."""
        return asdict(self)

    @classmethod
    def from_json(cls, value: Mapping[str, Any]) -> Ballot:
        """Reads ``to_json``. Raises KeyError or TypeError for anything else."""
        claims = tuple(Claim(**each) for each in value["claims"])
        influences = tuple(Influence(**each) for each in value["influences"])
        return cls(**{**value, "claims": claims, "influences": influences})
