"""A session as Markdown, for issues, letters and archives. Pure.

Every text of others is put on one line and escaped, so that it neither makes a heading nor loads a picture.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from inbond.report.card import markdown
from inbond.report.roundtable_view import Chair, Held, Quoted, Said, View
from inbond.report.roundtable_viewing import view
from inbond.roundtable.session import Session

_m = markdown


def render_roundtable_markdown(session: Session) -> str:
    """The same content as the page, in its order."""
    shown = view(session)
    w = shown.words
    parts = [
        _head(shown),
        *(_counted(shown) if shown.rows else ()),
        _part(w("seats"), (line for chair in shown.chairs for line in _chair(chair, shown))),
        _part(w("method"), [f"- {_m(name)}: {_m(what)}" for name, what in shown.method]),
    ]
    digest = [f"- {_m(w('m_digest'))}: `{shown.digest}`"] if shown.digest else []
    return "\n\n".join(parts) + "\n" + "".join(f"{line}\n" for line in digest)


def _counted(shown: View) -> Iterator[str]:
    """What only a session that was counted has."""
    w = shown.words
    yield _part(w("summary"), _summary(shown))
    yield _part(w("strongest"), _strongest(shown))
    yield _part(w("lanes"), [shown.lanes_said, "", *_ways(shown)])
    yield _part(w("turning"), _turning(shown))


def _part(title: str, lines: Iterable[str]) -> str:
    return f"## {_m(title)}\n\n" + "\n".join(lines).strip()


def _head(shown: View) -> str:
    w = shown.words
    lines = [
        f"# {_m(shown.question.text)}",
        "",
        f"**{_m(w(shown.outcome))}: {_m(shown.answer.text)}** ({_m(shown.count)})",
        "",
        _m(f"{shown.answer_note} {shown.ahead}".strip()),
    ]
    if shown.lost:
        lines += ["", _m(shown.lost)]
    if shown.rows:
        lines += ["", f"| {w('option')} | {w('first_short')} | {w('final_short')} |", "| :-- | --: | --: |"]
        lines += [f"| {_m(row.choice.label.text)} | {row.first} | {row.final} |" for row in shown.rows]
    if shown.ill_posed:
        lines += ["", f"**{_m(w('ill_posed', count=len(shown.ill_posed), seated=shown.seated))}**", ""]
        lines += [f"- {_m(name)}: {_m(text.text)}" for name, text in shown.ill_posed]
    return "\n".join(lines)


def _cites(quoted: Iterable[Quoted]) -> str:
    return " ".join(f"({_m(each.mark)})" for each in quoted)


def _sentences(said: Iterable[Said]) -> Iterator[str]:
    return (f"- {_m(each.text.text)} {_cites(each.cites)}" for each in said)


def _summary(shown: View) -> Iterator[str]:
    yield from _sentences(shown.summary) if shown.summary else (_m(shown.words("nothing_said")),)
    yield from ("", _m(shown.summary_note))
    if shown.summary_why.text:
        yield _m(shown.summary_why.text)
    if shown.dissent:
        yield from ("", f"### {_m(shown.words('dissent'))}", "", *_sentences(shown.dissent))


def _strongest(shown: View) -> Iterator[str]:
    for choice, quoted in shown.strongest:
        yield f"- **{_m(choice.label.text)}**: {_m(quoted.claim.text)} ({_m(quoted.mark)} {_m(quoted.seat)})"
    if not shown.strongest:
        yield _m(shown.words("no_strongest"))


def _ways(shown: View) -> Iterator[str]:
    for lane in shown.lanes:
        way = _m(lane.first.label.text) + (f" → {_m(lane.second.label.text)}" if shown.after else "")
        yield f"- {_m(lane.mark)} {_m(lane.name)}: {f'**{way}**' if lane.changed and shown.after else way}"


def _turning(shown: View) -> Iterator[str]:
    w = shown.words
    for number, point in enumerate(shown.points, start=1):
        yield f"{number}. **{_m(point.name)}**: {_m(point.was.label.text)} → {_m(point.now.label.text)}"
        if point.cited is not None:
            cited = f"{_m(point.cited.mark)} {_m(point.cited.seat)}"
            yield f"   - {_m(w('moved_by'))} {cited}: “{_m(point.quote.text)}”"
        else:
            yield f"   - {_m(w('bandwagon_note' if point.bandwagon else 'uncited'))}"
    if not shown.points:
        yield _m(w("no_turning"))


def _chair(chair: Chair, shown: View) -> Iterator[str]:
    about = [chair.model, chair.size, *([chair.persona.text] if chair.persona.text else [])]
    yield from (f"### {_m(chair.mark)} {_m(chair.name)} ({_m(chair.word)})", "", _m(" · ".join(about)), "")
    for held in chair.rounds:
        yield from _held(held, shown)
    yield ""


def _held(held: Held, shown: View) -> Iterator[str]:
    w = shown.words
    told = f", {held.confidence}" if held.confidence else ""
    yield f"- {_m(w('round', round=held.round))}: **{_m(held.vote.text)}**{_m(told)}"
    if held.why:
        yield f"  - {_m(held.why)} {_m(held.detail.text)}".rstrip()
    for mark, _, claim in held.claims:
        yield f"  - {_m(mark)}: {_m(claim.text)}"
    if held.repeated:
        yield f"  - {_m(', '.join(held.repeated))}: {_m(w('as_before'))}"
    for each in held.heard:
        yield f"  - {_m(each.claim.mark)} ({_m(each.effect)}): “{_m(each.quote.text)}”"
    further = (
        ("rebuttal", held.rebuttal),
        ("abstain_reason", held.abstain_reason),
        ("would_change", held.would_change),
    )
    for name, text in further:
        if text.text:
            yield f"  - {_m(w(name))}: {_m(text.text)}"
    if held.reasoning.text:
        marks = "".join(f" ({_m(mark)})" for mark in held.standing)
        yield f"  - {_m(w('reasoning_of', round=held.round))}{marks}: {_m(held.reasoning.text)}"
