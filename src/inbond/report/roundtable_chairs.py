"""The cards of a roundtable's seats, of those that failed too. Pure."""

from __future__ import annotations

import re
from typing import Final

from inbond.report.roundtable_places import Places
from inbond.report.roundtable_view import Chair, Foreign, Heard, Held
from inbond.report.roundtable_words import Words
from inbond.roundtable.ballots import Ballot, Claim, Influence
from inbond.roundtable.naming import bare
from inbond.roundtable.session import Seat, Session, Turn
from inbond.roundtable.turning import folded

_HTTP: Final = re.compile(r"\bstatus (\d{3})\b")
_NOTHING: Final = Ballot("", (), None)


def chairs(session: Session, places: Places) -> tuple[Chair, ...]:
    """One for each seat, in their order."""
    return tuple(_chair(seat, places) for seat in session.seats)


def _chair(seat: Seat, places: Places) -> Chair:
    words = places.words
    status = seat.last.status if seat.last is not None else "waiting"
    return Chair(
        seat.name,
        places.mark(seat.name),
        places.anchor(seat.name),
        status,
        words(status),
        bare(seat.model or seat.uri),
        size(seat.parameters, words),
        places.foreign(seat.persona),
        tuple(_held(seat, turn, places) for turn in seat.turns),
        _spent(seat, words),
    )


def size(parameters: int | None, words: Words) -> str:
    """How big a model is, in words and to three digits."""
    if parameters is None:
        return words("size_unknown")
    name = "size_small" if parameters < 1e9 else "size_large"
    return words(
        name,
        millions=f"{float(f'{parameters / 1e6:.3g}'):,g}",
        billions=f"{float(f'{parameters / 1e9:.3g}'):,g}",
        oku=f"{float(f'{parameters / 1e8:.3g}'):,g}",
    )


def _held(seat: Seat, turn: Turn, places: Places) -> Held:
    ballot = turn.ballot or _NOTHING
    words = places.words
    confidence = ballot.confidence
    percent = None if confidence is None or turn.ballot is None else round(confidence * 100)
    abstains = turn.status == "abstained"
    said = _said_before(seat, turn)
    standing = tuple(each for each in _standing(turn, ballot) if each not in said)
    choice = places.choice(ballot.vote if turn.status == "voted" else None)
    status = Foreign(words("abstains" if abstains else turn.status))
    return Held(
        round=turn.round,
        choice=choice,
        vote=choice.label if turn.status == "voted" else status,
        confidence="" if percent is None else words("confidence", percent=f"{percent}%"),
        percent=percent,
        why="" if turn.status == "voted" else words(f"why_{turn.status}"),
        detail=_detail(turn, places),
        path=words(f"path_{turn.path}") if turn.path else "",
        order=tuple(places.choice(each).label for each in turn.order),
        claims=tuple(
            (places.claim_mark(seat.name, turn.round, claim.id),
             places.claim_anchor(seat.name, turn.round, claim.id), places.foreign(claim.text))
            for claim in ballot.claims if claim not in standing and claim not in said
        ),
        standing=tuple(places.claim_mark(seat.name, turn.round, claim.id) for claim in standing),
        repeated=tuple(
            places.claim_mark(seat.name, turn.round, claim.id) for claim in ballot.claims if claim in said
        ),
        anchors=tuple(
            places.claim_anchor(seat.name, turn.round, claim.id)
            for claim in ballot.claims if claim in standing or claim in said
        ),
        reasoning=places.foreign(ballot.reasoning),
        would_change=places.foreign(ballot.would_change_if),
        abstain_reason=places.foreign(ballot.abstain_reason),
        rebuttal=places.foreign(ballot.rebuttal),
        heard=tuple(_heard(each, turn, places) for each in ballot.influences),
    )  # fmt: skip


def _standing(turn: Turn, ballot: Ballot) -> tuple[Claim, ...]:
    """The claims of a later round, for which nobody asks, that stand in its reasoning word for word."""
    said = folded(ballot.reasoning)
    return tuple(claim for claim in ballot.claims if turn.round > 1 and folded(claim.text) in said)


def _said_before(seat: Seat, turn: Turn) -> tuple[Claim, ...]:
    """The claims of a turn that the seat made in an earlier one in the same words."""
    earlier = [each.ballot for each in seat.turns if each.round < turn.round and each.ballot is not None]
    known = {folded(claim.text) for ballot in earlier for claim in ballot.claims}
    return tuple(claim for claim in (turn.ballot or _NOTHING).claims if folded(claim.text) in known)


def _detail(turn: Turn, places: Places) -> Foreign:
    """What went wrong, beside our words for it. The whole of it is in the transcript."""
    if turn.status in ("error", "timeout"):
        found = _HTTP.search(turn.why)
        return Foreign(f"HTTP {found[1]}" if found is not None else "", "en")
    return places.fault(turn.why) if turn.status in ("refused", "invalid") else Foreign("")


def _heard(influence: Influence, turn: Turn, places: Places) -> Heard:
    name = turn.labels.get(influence.seat, influence.seat)
    claim = places.quoted(name, 1, influence.claim)
    return Heard(claim, places.foreign(influence.quote), places.words(influence.effect))


def _spent(seat: Seat, words: Words) -> str:
    turns = seat.turns
    return words(
        "spending_unpriced" if seat.unpriced else "spending",
        calls=sum(turn.calls for turn in turns),
        tokens=f"{sum(turn.prompt_tokens + turn.completion_tokens for turn in turns):,}",
        seconds=f"{sum(turn.seconds for turn in turns):,.1f}",
        cost=f"{sum(turn.cost_usd for turn in turns):,.4f}",
    )
