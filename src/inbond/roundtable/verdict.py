"""A session's verdict, for the ledger; and as advice beside another verdict, which it never changes. Pure.

What the ledger holds cannot be erased. So verdict and event have no text of the question, of an option or of
a model: options go by their ids, the question by its digest. The transcript has the words.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any, Final

from inbond.digest import Digest, of_value
from inbond.roundtable.question import Option
from inbond.roundtable.session import Session
from inbond.roundtable.tally import count
from inbond.types import Reason, Verdict

KIND: Final = "roundtable.decided"
"""The kind of the ledger's event that holds what ``event_body`` gives."""
ADVICE: Final = "roundtable-advice"
_SOURCE: Final = "inbond.roundtable/1"


def verdict_of(session: Session, facts: Digest) -> Verdict:
    """The verdict on a session that was counted; ``facts`` is the digest of its transcript before it was
    closed, which stands for all that was asked and answered."""
    assert session.result is not None, "the votes were counted"
    reasons = [Reason("count", _by_ids(session), _SOURCE, {"tally": dict(session.result.tally)})]
    reasons += [
        Reason("seat-without-vote", f"{seat.name}: {turn.status}", _SOURCE)
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
        reasons.append(Reason("ill-posed", found, _SOURCE))
    return Verdict(session.result.outcome, tuple(reasons), facts, f"{_SOURCE} {session.version}")


def _by_ids(session: Session) -> str:
    """The count in words, with options' ids where people read their labels."""
    options = tuple(Option(each.id, each.id) for each in session.question.options)
    return count(replace(session.question, options=options), session.seats).sentence


def is_ill_posed(session: Session) -> bool:
    """Whether more than half of the seats say that the question is wrong as it is put."""
    return session.result is not None and 2 * session.result.ill_posed > session.result.seated


def event_body(session: Session, verdict: Verdict) -> dict[str, Any]:
    """The body of the ledger's event. ``transcript`` is the digest of the closed transcript, ``question``
    that of the question with its options; ``winner`` and ``tally`` have options by their ids."""
    assert session.result is not None, "the votes were counted"
    return {
        "session": session.id,
        "transcript": session.digest,
        "question": of_value(session.question.to_json()),
        "winner": session.result.winner,
        "tally": dict(session.result.tally),
        "seated": session.result.seated,
        "voted": session.result.voted,
        "verdict": verdict.to_json(),
    }


def advise(review: Verdict, session: Session) -> Verdict:
    """The same verdict with the panel's finding as one reason more, marked as advice. The outcome, the facts
    and all other reasons stay: a panel decides nothing about terms."""
    return replace(review, reasons=(*review.reasons, advice_of(session)))


def advice_of(session: Session) -> Reason:
    """What a panel found, as a reason that decides nothing. It says what was asked, word for word: whether
    that is the question of the review, its reader sees and no code can."""
    assert session.result is not None, "the votes were counted"
    result, winner = session.result, session.result.winner
    detail = {
        "advice": True,
        "stance": None,
        "edge": None,
        "question": session.question.text,
        "panel_outcome": result.outcome,
        "panel_answer": None if winner is None else session.question.option(winner).label,
        "tally": {option.label: result.tally[option.id] for option in session.question.options},
        "seated": result.seated,
        "voted": result.voted,
        "transcript": session.digest,
    }
    asked = f"Asked “{session.question.text}”, a panel of models found: {result.sentence}"
    return Reason(ADVICE, f"{asked} This is advice, and changes nothing.", session.id, detail)


def advice_body(session: Session) -> dict[str, Any]:
    """What the ledger keeps of an advice, beside the verdict that it was shown with: no words."""
    assert session.result is not None, "the votes were counted"
    return {
        "rule": ADVICE,
        "session": session.id,
        "transcript": session.digest,
        "panel_outcome": session.result.outcome,
        "seated": session.result.seated,
        "voted": session.result.voted,
    }
