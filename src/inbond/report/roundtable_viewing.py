"""A session to what its page shows. Pure: the same session gives the same view."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Final

from inbond.report.roundtable_chairs import chairs
from inbond.report.roundtable_places import Places
from inbond.report.roundtable_view import (
    Band,
    Choice,
    Foreign,
    Lane,
    Point,
    Quoted,
    Row,
    Said,
    View,
    page_language,
)
from inbond.report.roundtable_words import Words, words_for
from inbond.roundtable.naming import bare
from inbond.roundtable.session import Cite, Result, Sentence, Session, Status, TurningPoint
from inbond.roundtable.tally import lost, quorum
from inbond.roundtable.verdict import is_ill_posed

_NOT_VOTES: Final[tuple[Status, ...]] = ("abstained", "refused", "invalid", "timeout", "error")
_SMALL: Final = 4_000_000_000
_MOST_TIED: Final = 4
_STOPPED: Final = {
    "": "stopped_whole",
    "fewer than two seats voted": "stopped_few",
    "all that voted agree": "stopped_agreed",
    "one round was asked for": "stopped_asked",
}
"""The protocol's words for why there was no further round, and ours."""


def view(session: Session) -> View:
    """All that the page, the Markdown and the terminal say of a session, finished or not."""
    words = words_for(page_language(session.question.language, session.question.text))
    places = Places(session, words)
    lang = places.lang
    result = session.result
    lanes = _lanes(session, places)
    answer, note, ahead = _answer(places, result)
    summary = session.summary
    return View(
        id=session.id,
        version=session.version,
        lang=lang,
        words=words,
        question=places.foreign(session.question.text),
        opened=_moment(session.opened_at, lang),
        answered=result is not None and result.winner is not None,
        outcome=result.outcome if result is not None else "unfinished",
        answer=answer,
        answer_note=note,
        ahead=ahead,
        count=_count(session, words),
        seated=len(session.seats),
        rows=_rows(session, places),
        lanes=lanes,
        before=_bands(lanes, places, first=True),
        after=_bands(lanes, places, first=False) if session.rounds_held > 1 else (),
        lanes_said=_lanes_said(session, lanes, words),
        lost=_lost(session, places),
        summary=_said(summary.sentences if summary else (), places),
        summary_note=_summary_note(session, words),
        summary_why=places.fault(summary.why_code if summary else ""),
        strongest=_strongest(session, places),
        dissent=_said(summary.dissent if summary else (), places),
        points=_points(session, places),
        ill_posed=_ill_posed(session, places) if is_ill_posed(session) else (),
        chairs=chairs(session, places),
        method=_method(session, words, lang),
        digest=session.digest,
    )


# The answer -----------------------------------------------------------------------------------------------


def _answer(places: Places, result: Result | None) -> tuple[Foreign, str, str]:
    """The winner's label, or what there is instead; what the outcome means; who is ahead if nobody won."""
    words = places.words
    if result is None:
        return Foreign(words("no_answer")), words("means_unfinished"), ""
    note = words(f"means_{result.outcome}")
    if result.winner is not None:
        return places.choice(result.winner).label, note, ""
    best = max(result.tally.values(), default=0)
    labels = [
        each.label for each in places.session.question.options if best and result.tally[each.id] == best
    ]
    if result.outcome == "no-quorum":
        note += words("space") + words("votes_needed", votes=quorum(result.seated))
    told = words("tied" if result.outcome == "tie" else "ahead", labels=words("and").join(labels))
    level = result.outcome == "tie" and len(labels) <= _MOST_TIED
    answer = " : ".join([str(best)] * len(labels)) if level else words("no_answer")
    return Foreign(answer), note, told if labels else ""


def _count(session: Session, words: Words) -> str:
    """Both denominators, and what became of the others."""
    statuses = [seat.last.status if seat.last is not None else "waiting" for seat in session.seats]
    told = words("denominators", seated=len(statuses), voted=statuses.count("voted"))
    others = [
        words("counted", count=statuses.count(status), status=words(status))
        for status in (*_NOT_VOTES, "waiting")
        if status in statuses
    ]
    return words("others", told=told, others=words("and").join(others)) if others else told


def _rows(session: Session, places: Places) -> tuple[Row, ...]:
    result = session.result
    if result is None:
        return ()
    return tuple(
        Row(
            places.choice(option.id),
            result.round1.get(option.id, 0),
            result.tally.get(option.id, 0),
            option.id == result.winner,
        )
        for option in session.question.options
    )


# The lanes ------------------------------------------------------------------------------------------------


def _lanes(session: Session, places: Places) -> tuple[Lane, ...]:
    """One for each seat, in their order; a column is in the order of the options, no vote last."""
    votes = {seat.name: (places.vote(seat, 1), places.final(seat)) for seat in session.seats}
    firsts = _placed({name: first for name, (first, _) in votes.items()}, places)
    seconds = _placed({name: second for name, (_, second) in votes.items()}, places)
    return tuple(
        Lane(
            name,
            places.mark(name),
            places.anchor(name),
            first,
            second,
            firsts[name],
            seconds[name],
            first != second and seat.lost is None,
            seat.lost is not None,
        )
        for seat, (name, (first, second)) in zip(session.seats, votes.items(), strict=True)
    )


def _placed(choices: Mapping[str, Choice], places: Places) -> dict[str, int]:
    """Each seat's place in a column, where every option that has votes begins with a line of its own."""
    found: dict[str, int] = {}
    place = 0
    for slot in places.slots:
        names = [name for name, choice in choices.items() if choice.slot == slot]
        for number, name in enumerate(names, start=1):
            found[name] = place + number
        place += len(names) + 1 if names else 0
    return found


def _bands(lanes: Sequence[Lane], places: Places, *, first: bool) -> tuple[Band, ...]:
    bands = []
    for slot in places.slots:
        inside = tuple(lane for lane in lanes if (lane.first if first else lane.second).slot == slot)
        if inside:
            bands.append(Band(inside[0].first if first else inside[0].second, inside))
    return tuple(bands)


def _lanes_said(session: Session, lanes: Sequence[Lane], words: Words) -> str:
    if session.rounds_held < 2:
        return words("one_round")
    changed = sum(lane.changed for lane in lanes)
    return words("lanes_said", changed=changed, seated=len(lanes))


def _lost(session: Session, places: Places) -> str:
    """Whose first votes count no more, since the seat failed after it; "" where there is none such."""
    words = places.words
    told = [
        words("lost_said", count=count, label=places.choice(option).label.text)
        for option, count in lost(session.question, session.seats).items()
    ]
    return words("space").join(told)


# What was said --------------------------------------------------------------------------------------------


def _said(sentences: Iterable[Sentence], places: Places) -> tuple[Said, ...]:
    """Each sentence once, however many say the same: it then cites what all of them do."""
    cites: dict[str, tuple[Cite, ...]] = {}
    for each in sentences:
        cites[each.text] = tuple(dict.fromkeys((*cites.get(each.text, ()), *each.cites)))
    return tuple(
        Said(places.foreign(text), tuple(places.quoted(c.seat, c.round, c.claim) for c in found))
        for text, found in cites.items()
    )


def _summary_note(session: Session, words: Words) -> str:
    if session.summary is None:
        return words("no_summary")
    by = session.summary.by
    if by == "code":
        return words("summary_code") + (words("summary_unused") if session.summary.why_code else "")
    shared = any(by in (seat.uri, seat.name) for seat in session.seats)
    return words("summary_by", by=bare(by)) + (words("summary_same") if shared else "")


def _strongest(session: Session, places: Places) -> tuple[tuple[Choice, Quoted], ...]:
    found = session.summary.strongest if session.summary is not None else {}
    return tuple(
        (places.choice(option.id), places.quoted(cite.seat, cite.round, cite.claim))
        for option in session.question.options
        if (cite := found.get(option.id)) is not None
    )


def _points(session: Session, places: Places) -> tuple[Point, ...]:
    return tuple(
        Point(
            each.seat,
            places.mark(each.seat),
            places.anchor(each.seat),
            places.choice(each.was),
            places.choice(each.now),
            places.quoted(each.by, 1, each.claim) if each.by is not None else None,
            places.foreign(each.quote),
            each.bandwagon,
            _lead(each, session, places),
        )
        for each in session.turning_points
    )


def _lead(point: TurningPoint, session: Session, places: Places) -> str:
    """What the change did to the lead of the winner, or of the side that it went to or left."""
    of = (session.result.winner if session.result is not None else None) or point.now or point.was
    if not point.margin:
        return ""
    name = "lead_grew" if point.margin > 0 else "lead_shrank"
    return places.words(name, label=places.choice(of).label.text, votes=abs(point.margin))


def _ill_posed(session: Session, places: Places) -> tuple[tuple[str, Foreign], ...]:
    told = []
    for seat in session.seats:
        ballot = seat.last.ballot if seat.last is not None else None
        if ballot is not None and ballot.ill_posed:
            told.append((seat.name, places.foreign(ballot.ill_posed)))
    return tuple(told)


# How it was done ------------------------------------------------------------------------------------------


def _moment(at: float, lang: str) -> str:
    form = "%Y年%-m月%-d日 %H:%M UTC" if lang == "ja" else "%-d %B %Y, %H:%M UTC"
    return datetime.fromtimestamp(at, UTC).strftime(form)


def _stopped(why: str, words: Words) -> str:
    """Why there was no further round, in the page's language; what this table has no words for as it is."""
    return words(_STOPPED[why]) if why in _STOPPED else why


def _spent(session: Session, words: Words) -> str:
    """All that it took; and what of it the writer took, which is what no seat did."""
    turns = [turn for seat in session.seats for turn in seat.turns]
    calls = session.calls - sum(turn.calls for turn in turns)
    tokens = session.tokens - sum(turn.prompt_tokens + turn.completion_tokens for turn in turns)
    cost = session.cost_usd - sum(turn.cost_usd for turn in turns)
    known = session.cost_usd > 0 or not session.unpriced
    told = words(
        "m_cost_is" if known else "m_cost_unpriced",
        cost=f"{session.cost_usd:,.4f}",
        tokens=f"{session.tokens:,}",
        calls=session.calls,
    )
    if session.result is not None and calls:  # before the count, a seat's turn may not be over
        key = "m_cost_writer" if known else "m_cost_writer_unpriced"
        told += words(key, cost=f"{abs(cost):,.4f}", tokens=f"{tokens:,}", calls=calls)
    if known and session.unpriced:
        told += words("m_cost_partly", names=words("comma").join(session.unpriced))
    return told


def _method(session: Session, words: Words, lang: str) -> tuple[tuple[str, str], ...]:
    small = sum(1 for seat in session.seats if seat.parameters is not None and seat.parameters < _SMALL)
    seconds = f"{session.seconds:,.1f}"
    rows: list[tuple[str, str]] = [(words("m_first"), words("m_first_is"))]
    rows.append((words("m_names"), words("m_names_is")))
    rows.append((words("m_order"), words("m_order_is")))
    if session.rounds_held > 1:
        rows.append((words("m_second"), words("m_second_is")))
    rows.append((words("m_rounds"), words("m_rounds_is", held=session.rounds_held, most=session.rounds)))
    if session.stopped or session.rounds_held > 1:
        rows.append((words("m_stopped"), _stopped(session.stopped, words)))
    if small:
        rows.append((words("m_small"), words("m_small_is", count=small, seated=len(session.seats))))
    rows.append((words("m_limit"), words("m_limit_is")))
    rows.append((words("m_timeout"), words("m_seconds", seconds=f"{session.timeout_s:g}")))
    rows.append((words("m_cost"), _spent(session, words)))
    rows.append((words("m_time"), words("m_seconds", seconds=seconds)))
    rows.append((words("m_opened"), _moment(session.opened_at, lang)))
    if session.resumed:
        rows.append((words("m_resumed"), words("m_resumed_is", count=session.resumed)))
    rows.append((words("m_code"), f"Inbond {session.version}"))
    return tuple(rows)
