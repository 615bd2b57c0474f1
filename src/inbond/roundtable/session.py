"""A session as its transcript tells it: everything that a page, a verdict or a reader needs. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal, final

from inbond.roundtable.ballots import Ballot
from inbond.roundtable.question import Question

Status = Literal["voted", "abstained", "refused", "invalid", "timeout", "error"]
Outcome = Literal["unanimous", "majority", "majority-of-votes-cast", "plurality", "tie", "no-quorum"]


@final
@dataclass(frozen=True)
class Turn:
    """What came of one seat in one round. ``ballot`` is there when it voted or abstained; ``path`` is the
    rung of the ladder that its reply came by; ``why`` says in a sentence what went wrong otherwise; ``order``
    are the options' ids as it saw them, ``labels`` the names of others by the labels that it saw."""

    round: int
    status: Status
    ballot: Ballot | None = None
    path: str = ""
    why: str = ""
    order: tuple[str, ...] = ()
    labels: Mapping[str, str] = field(default_factory=dict)
    calls: int = 0
    seconds: float = 0.0
    cost_usd: float = 0.0
    prompt_tokens: int = 0
    completion_tokens: int = 0


@final
@dataclass(frozen=True)
class Seat:
    """One seat: who sits there, and its turns in order of rounds. ``parameters`` is the model's size where it
    is known, ``model`` what the host said that it ran. ``most_text`` is how many characters each text of its
    reply may have where its host holds it to a schema: a small model might go on in one for ever."""

    name: str
    uri: str
    identity: str = ""
    model: str = ""
    persona: str = ""
    temperature: float = 0.7
    parameters: int | None = None
    max_tokens: int = 1500
    most_text: int | None = None
    turns: tuple[Turn, ...] = ()

    @property
    def last(self) -> Turn | None:
        """Its turn that counts; None before it had one."""
        return self.turns[-1] if self.turns else None

    @property
    def unpriced(self) -> bool:
        """Whether a host answered there of which no price is known."""
        answered = any(turn.completion_tokens and not turn.cost_usd for turn in self.turns)
        return self.uri.startswith("api:") and answered

    @property
    def lost(self) -> str | None:
        """The option that it voted for before a round in which it failed; that vote does not count. None
        where there is none such."""
        if self.last is None or self.last.ballot is not None:
            return None
        ballots = (turn.ballot for turn in reversed(self.turns) if turn.ballot is not None)
        return next((ballot.vote for ballot in ballots), None)


@final
@dataclass(frozen=True)
class TurningPoint:
    """A vote that changed. ``by`` is the seat whose claim it cites, None where it cites none that holds: a
    change to the larger side without one is a ``bandwagon``. ``margin`` is by how many votes the lead of the
    final winner (or of the side it went to) changed."""

    seat: str
    was: str | None
    now: str | None
    by: str | None = None
    claim: str = ""
    quote: str = ""
    bandwagon: bool = False
    margin: int = 0


@final
@dataclass(frozen=True)
class Cite:
    """A claim of a seat: ``claim`` as numbered in its turn of ``round``."""

    seat: str
    round: int
    claim: str


@final
@dataclass(frozen=True)
class Sentence:
    """One sentence of a summary, and what it rests on: at least one claim."""

    text: str
    cites: tuple[Cite, ...]


@final
@dataclass(frozen=True)
class Summary:
    """``by`` is "code" or the writer's name. ``strongest`` has, for each option that had support in any
    round, the claim that argues best for it; ``dissent`` what those say who did not vote for the winner."""

    by: str
    sentences: tuple[Sentence, ...]
    strongest: Mapping[str, Cite] = field(default_factory=dict)
    dissent: tuple[Sentence, ...] = ()
    why_code: str = ""
    """Why the writer's words were not used; "" where they were, or nobody was asked."""


@final
@dataclass(frozen=True)
class Result:
    """The count. ``winner`` is an option's id; ``tally`` and ``round1`` count votes by option's id, every
    option in them; ``sentence`` says it in words with both denominators."""

    outcome: Outcome
    winner: str | None
    tally: Mapping[str, int]
    round1: Mapping[str, int]
    seated: int
    voted: int
    statuses: Mapping[Status, int]
    sentence: str
    ill_posed: int = 0
    """Seats that say that the question is wrong as it is put."""


@final
@dataclass(frozen=True)
class Session:
    """A session, whole or as far as it came. Times are seconds since 1970. ``rounds`` is how many were
    allowed, ``rounds_held`` how many there were, ``stopped`` why not more."""

    id: str
    version: str
    question: Question
    seats: tuple[Seat, ...]
    rounds: int
    timeout_s: float
    seed: int
    opened_at: float
    closed_at: float | None = None
    rounds_held: int = 0
    stopped: str = ""
    result: Result | None = None
    turning_points: tuple[TurningPoint, ...] = ()
    summary: Summary | None = None
    resumed: int = 0
    in_flight: tuple[str, ...] = ()
    """Names of those that are being asked now, for who looks on."""
    calls: int = 0
    tokens: int = 0
    """Of all calls, the writer's and those that came to nothing among them, like ``cost_usd``."""
    cost_usd: float = 0.0
    seconds: float = 0.0
    """From its first event to its last, less the time in which it lay still before it was resumed."""
    digest: str = ""
    """Of the last event folded; it stands for the whole transcript, as each event is chained to the last."""

    @property
    def unpriced(self) -> tuple[str, ...]:
        """Names of the seats whose hosts ask an unknown price, which ``cost_usd`` lacks."""
        return tuple(seat.name for seat in self.seats if seat.unpriced)

    def seat(self, name: str) -> Seat:
        """By its name."""
        return next(seat for seat in self.seats if seat.name == name)
