"""A session as one JSON object, for programs: what ``inbond roundtable ask --json`` prints. Pure.

Options go by their labels, seats by their names; nothing of it is cut.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from inbond.roundtable.ballots import Ballot
from inbond.roundtable.session import Cite, Seat, Sentence, Session, Turn, TurningPoint


def session_json(session: Session, page: str = "", transcript: str = "") -> dict[str, Any]:
    """``outcome`` is None while the session is not finished. ``page`` and ``transcript`` say where they lie.
    ``vote`` is the one that counts, None for a seat without one; ``first_vote`` the blind one."""
    result = session.result
    labels = {option.id: option.label for option in session.question.options}
    summary = session.summary
    return {
        "session": session.id,
        "question": session.question.text,
        "language": session.question.language,
        "options": list(labels.values()),
        "outcome": result.outcome if result is not None else None,
        "winner": labels.get(result.winner or "") if result is not None else None,
        "sentence": result.sentence if result is not None else "",
        "tally": _labelled(result.tally if result is not None else {}, labels),
        "round1": _labelled(result.round1 if result is not None else {}, labels),
        "seated": len(session.seats),
        "voted": result.voted if result is not None else 0,
        "statuses": dict(result.statuses) if result is not None else {},
        "seats": [_seat(seat, labels) for seat in session.seats],
        "turning_points": [_point(each, labels) for each in session.turning_points],
        "summary": {
            "by": summary.by if summary is not None else None,
            "sentences": [_sentence(each) for each in summary.sentences] if summary is not None else [],
            "strongest": {labels[option]: _cite(cite) for option, cite in summary.strongest.items()}
            if summary is not None
            else {},
            "dissent": [_sentence(each) for each in summary.dissent] if summary is not None else [],
            "why_code": summary.why_code if summary is not None else "",
        },
        "rounds": session.rounds,
        "rounds_held": session.rounds_held,
        "stopped": session.stopped,
        "calls": session.calls,
        "tokens": session.tokens,
        "cost_usd": session.cost_usd,
        "unpriced": list(session.unpriced),
        "seconds": session.seconds,
        "version": session.version,
        "digest": session.digest,
        "page": page,
        "transcript": transcript,
    }


def _labelled(tally: Mapping[str, int], labels: Mapping[str, str]) -> dict[str, int]:
    return {label: tally.get(option, 0) for option, label in labels.items()} if tally else {}


def _seat(seat: Seat, labels: Mapping[str, str]) -> dict[str, Any]:
    last = seat.last
    first = next((turn for turn in seat.turns if turn.round == 1), None)
    return {
        "name": seat.name,
        "uri": seat.uri,
        "model": seat.model,
        "parameters": seat.parameters,
        "persona": seat.persona,
        "status": last.status if last is not None else None,
        "vote": _vote(last, labels),
        "first_vote": _vote(first, labels),
        "turns": [_turn(turn, labels) for turn in seat.turns],
    }


def _vote(turn: Turn | None, labels: Mapping[str, str]) -> str | None:
    counts = turn is not None and turn.status == "voted" and turn.ballot is not None
    return labels.get(turn.ballot.vote or "") if counts and turn and turn.ballot else None


def _turn(turn: Turn, labels: Mapping[str, str]) -> dict[str, Any]:
    return {
        "round": turn.round,
        "status": turn.status,
        "why": turn.why,
        "path": turn.path,
        "order": [labels[option] for option in turn.order if option in labels],
        **({} if turn.ballot is None else _ballot(turn.ballot, turn.labels)),
        "calls": turn.calls,
        "tokens": turn.prompt_tokens + turn.completion_tokens,
        "cost_usd": turn.cost_usd,
        "seconds": turn.seconds,
    }


def _ballot(ballot: Ballot, seen: Mapping[str, str]) -> dict[str, Any]:
    return {
        "reasoning": ballot.reasoning,
        "claims": {claim.id: claim.text for claim in ballot.claims},
        "confidence": ballot.confidence,
        "would_change_if": ballot.would_change_if,
        "abstain_reason": ballot.abstain_reason,
        "ill_posed": ballot.ill_posed,
        "influences": [
            {"seat": seen.get(i.seat), "claim": i.claim, "quote": i.quote, "effect": i.effect}
            for i in ballot.influences
        ],
        "rebuttal": ballot.rebuttal,
    }


def _point(point: TurningPoint, labels: Mapping[str, str]) -> dict[str, Any]:
    return {
        "seat": point.seat,
        "from": labels.get(point.was or ""),
        "to": labels.get(point.now or ""),
        "by": point.by,
        "claim": point.claim,
        "quote": point.quote,
        "bandwagon": point.bandwagon,
        "margin": point.margin,
    }


def _sentence(sentence: Sentence) -> dict[str, Any]:
    return {"text": sentence.text, "cites": [_cite(each) for each in sentence.cites]}


def _cite(cite: Cite) -> dict[str, Any]:
    return {"seat": cite.seat, "round": cite.round, "claim": cite.claim}
