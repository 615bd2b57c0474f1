"""A session's verdict, for the ledger; and as advice beside another verdict, which it never changes. Pure."""

from __future__ import annotations

from dataclasses import replace
from typing import Any, Final

from inbond.digest import Digest
from inbond.roundtable.session import Session
from inbond.types import Reason, Verdict

KIND: Final = "roundtable.decided"
"""The kind of the ledger's event that holds what ``event_body`` gives."""
ADVICE: Final = "roundtable-advice"
_SOURCE: Final = "inbond.roundtable/1"


def verdict_of(session: Session, facts: Digest) -> Verdict:
    """The verdict on a session that was counted; ``facts`` is the digest of its transcript before it was
    closed, which stands for all that was asked and answered."""
    assert session.result is not None, "the votes were counted"
    reasons = [Reason("count", session.result.sentence, _SOURCE, {"tally": _labelled(session)})]
    reasons += [
        Reason("seat-without-vote", f"{seat.name}: {turn.status}{_why(turn.why)}", _SOURCE)
        for seat in session.seats
        for turn in seat.turns[-1:]
        if turn.status != "voted"
    ]
    reasons += [
        Reason("bandwagon", f"{each.seat} went to the larger side and cites no claim for it", _SOURCE)
        for each in session.turning_points
        if each.bandwagon
    ]
    if is_ill_posed(session):
        found = (
            f"{session.result.ill_posed} of {session.result.seated} seats say that the question is ill-posed"
        )
        said = [seat.last.ballot.ill_posed for seat in session.seats if seat.last and seat.last.ballot]
        reasons.append(Reason("ill-posed", found, _SOURCE, {"said": [each for each in said if each]}))
    return Verdict(session.result.outcome, tuple(reasons), facts, f"{_SOURCE} {session.version}")


def is_ill_posed(session: Session) -> bool:
    """Whether more than half of the seats say that the question is wrong as it is put."""
    return session.result is not None and 2 * session.result.ill_posed > session.result.seated


def event_body(session: Session, verdict: Verdict) -> dict[str, Any]:
    """The body of the ledger's event. ``transcript`` is the digest of the closed transcript."""
    assert session.result is not None, "the votes were counted"
    winner = session.result.winner
    return {
        "session": session.id,
        "transcript": session.digest,
        "question": session.question.text,
        "winner": None if winner is None else session.question.option(winner).label,
        "tally": _labelled(session),
        "seated": session.result.seated,
        "voted": session.result.voted,
        "verdict": verdict.to_json(),
    }


def advise(review: Verdict, session: Session) -> Verdict:
    """The same verdict with the panel's finding as one reason more, marked as advice. The outcome, the facts
    and all other reasons stay: a panel decides nothing about terms."""
    assert session.result is not None, "the votes were counted"
    winner = session.result.winner
    detail = {
        "advice": True,
        "stance": None,
        "edge": None,
        "panel_outcome": session.result.outcome,
        "panel_answer": None if winner is None else session.question.option(winner).label,
        "transcript": session.digest,
    }
    asked = f"Asked “{session.question.text}”, a panel of models found: {session.result.sentence}"
    finding = f"{asked} This is advice, and changes nothing."
    return replace(review, reasons=(*review.reasons, Reason(ADVICE, finding, session.id, detail)))


def _labelled(session: Session) -> dict[str, int]:
    assert session.result is not None, "the votes were counted"
    return {option.label: session.result.tally[option.id] for option in session.question.options}


def _why(why: str) -> str:
    return f" ({why})" if why else ""
