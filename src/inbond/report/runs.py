"""From the runs of one recipe to the page's comparison: a sentence, a table, a picture. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from markupsafe import Markup

from inbond.report import charts, wording
from inbond.report.blocks import Limits, Table, table
from inbond.report.data import RunRow
from inbond.report.text import clip, one_line
from inbond.report.wording import known, number, or_dash, percent

_MOST_RUNS = 12
_MOST_CHANGES = 5
_NAME_LENGTH = 60
Numbered = tuple[int, RunRow]


def comparison(rows: Sequence[RunRow], limits: Limits) -> dict[str, Any]:
    """The runs, numbered from the oldest and shown from the newest; this one and the best always."""
    numbered = list(enumerate(sorted(rows, key=lambda row: row.completed), start=1))
    measured = _measured(numbered)
    best = min(measured, key=lambda each: each[1].kl_after or 0.0, default=None)
    shown = _chosen(numbered, best, min(_MOST_RUNS, limits.rows))
    return {
        "sentence": _sentence(rows, best, len(_known(numbered)) - len(measured)),
        "table": _table(shown, len(rows) - len(shown)) if rows else None,
        **_picture([each for each in shown if each in measured]),
    }


def _known(numbered: Sequence[Numbered]) -> list[Numbered]:
    return [each for each in numbered if known(each[1].kl_after) is not None]


def _measured(numbered: Sequence[Numbered]) -> list[Numbered]:
    """Those whose KL is known, and on the same held-out text as this run's (the newest, where none is this
    one): others do not compare."""
    ours = next((row for _, row in numbered if row.current), numbered[-1][1] if numbered else None)
    return [each for each in _known(numbered) if ours is not None and each[1].held_out == ours.held_out]


def _chosen(numbered: Sequence[Numbered], best: Numbered | None, most: int) -> list[Numbered]:
    """At most ``most``, newest first; this run and the best are among them."""
    newest = list(reversed(numbered))
    must = [each for each in newest if each[1].current][:1]
    must += [best] if best is not None and best not in must else []
    others = [each for each in newest if each not in must][: most - len(must)]
    return sorted(must + others, key=lambda each: -each[0])


def _sentence(rows: Sequence[RunRow], best: Numbered | None, apart: int) -> str:
    if not rows:
        return "No other run was looked for."
    ours = next((row for row in rows if row.current), None)
    if len(rows) == 1 and ours is not None:
        return "This is the first run of this recipe: there is nothing to compare it with yet."
    begin = f"{wording.plural(len(rows), 'run')} of this recipe on the same teacher and prompts."
    if apart:
        begin += f" {apart} of them measured KL on other held-out text, which does not compare."
    if best is None and apart:
        return begin
    if best is None:
        return f"{begin} KL was not measured in any."
    least = f"{number(best[1].kl_after)} nats a token"
    if best[1].current:
        return f"{begin} This one came closest to its teacher: KL {least}."
    own = "" if ours is None or known(ours.kl_after) is None else f", against {number(ours.kl_after)} here"
    return f"{begin} Run {best[0]}, {_name(best[1])}, came closest to its teacher: KL {least}{own}."


def _name(row: RunRow) -> str:
    return one_line(clip(row.name, _NAME_LENGTH))


def _table(shown: Sequence[Numbered], left_out: int) -> Table:
    columns = (
        "Run",
        "What differs",
        "#KL",
        "#Agreement",
        "#Diversity",
        "#Size",
        "#Speed",
        "#Time",
        "Outcome",
    )
    found = table("Newest first", columns, [_row(*each) for each in shown], len(shown), folds=True)
    return Table(found.caption, found.columns, found.rows, left_out, found.folds)


def _row(place: int, row: RunRow) -> tuple[object, ...]:
    def times(value: float | None) -> str:
        return "–" if known(value) is None else f"{number(value)}×"

    return (
        _who(place, row),
        _changes(row),
        _kl(row),
        or_dash(percent(row.agreement_after)),
        times(row.diversity_ratio),
        or_dash(wording.params(row.student_params)),
        times(row.speedup),
        or_dash(wording.duration(row.seconds)),
        one_line(clip(row.outcome, 80)),
    )


def _who(place: int, row: RunRow) -> Markup:
    when = one_line(clip(row.completed, 40))[:16].replace("T", " ")
    tag = Markup(' <span class="tag weights">this run</span>') if row.current else Markup("")
    who = Markup('{}. <bdi>{}</bdi>{}<br><span class="soft small">{}</span>')
    return who.format(place, _name(row), tag, when)


def _changes(row: RunRow) -> object:
    if not row.changes:
        return "–" if row.current else "nothing in the recipe"
    one = Markup('<span class="mono">{}</span> {}')
    said = [
        one.format(one_line(clip(field, 60)), one_line(clip(value, 60)))
        for field, value in row.changes[:_MOST_CHANGES]
    ]
    if len(row.changes) > _MOST_CHANGES:
        said.append(Markup("and {} more").format(len(row.changes) - _MOST_CHANGES))
    return Markup("<br>").join(said)


def _kl(row: RunRow) -> object:
    after = or_dash(number(row.kl_after))
    if known(row.kl_before) is None or known(row.kl_after) is None:
        return after
    return Markup('{}<br><span class="soft small">from {}</span>').format(after, number(row.kl_before))


def _picture(measured: Sequence[Numbered]) -> dict[str, Any]:
    """KL against size where sizes differ, bars of KL where they do not; nothing for a single run. All KL
    of ``measured`` compares."""
    if len(measured) < 2:
        return {"figure": Markup(""), "figure_title": "", "figure_unit": ""}
    sizes = {row.student_params for _, row in measured if row.student_params is not None}
    if len(sizes) > 1:
        dots = [
            charts.Dot(row.student_params, row.kl_after, str(place), _label(place, row), row.current)
            for place, row in measured
        ]
        return {
            "figure": charts.dot_chart("runs", "Held-out KL against parameters of each run", dots, _size),
            "figure_title": "Size and distance from the teacher",
            "figure_unit": "KL in nats a token over parameters; down and left is better",
        }
    bars = [
        charts.Bar(_label(place, row), row.kl_after, f"{number(row.kl_after)} nats", _style(row))
        for place, row in measured
    ]
    return {
        "figure": charts.bar_chart("runs", "Held-out KL of each run", bars),
        "figure_title": "Distance from the teacher",
        "figure_unit": "KL, nats a token; less is better",
    }


def _label(place: int, row: RunRow) -> str:
    return f"{place}. {_name(row)}{', this run' if row.current else ''}"


def _size(params: float) -> str:
    return wording.params(round(params)).replace(".0 ", " ")


def _style(row: RunRow) -> str:
    return "accent" if row.current else "before"
