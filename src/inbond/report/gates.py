"""From a run's quality gates to what page and card print: badges, lines, pictures, tables. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from markupsafe import Markup

from inbond.report import charts, lines, wording
from inbond.report.axes import tick_text
from inbond.report.blocks import Limits, Table, table
from inbond.report.data import GateMeasure, GateView
from inbond.report.provenance import findings
from inbond.report.text import clip, one_line, wrap
from inbond.report.wording import against, figure, known, or_dash

_LINE_LENGTH = 200
_MOST_ADVICE = 3
_TONES = {"pass": "good", "cannot-tell": "care", "fail": "bad"}
"""An outcome to where the interval that decided it lies."""
_ACTIONS = {
    "off": "Switched off in the recipe.",
    "warn": "Set to warn: nothing hangs on it but this page.",
    "stop": "Set to stop: a run that fails it hands out no student.",
    "strict": "Set to strict: a run that does not pass it hands out no student.",
}


def badges(views: Sequence[GateView], limits: Limits) -> list[dict[str, Any]]:
    """Each gate for the first screen: name, tone, outcome and one line with the number that decided."""
    return [{"name": title(view), **outcome(view), "line": _line(view)} for view in views[: limits.verdicts]]


def title(view: GateView) -> str:
    """The gate's name as a heading."""
    name = one_line(clip(view.name, 40))
    return name[:1].upper() + name[1:]


def outcome(view: GateView) -> dict[str, Any]:
    """``tone`` and ``words`` of a gate's outcome."""
    if not view.verdict.get("outcome"):
        return {"tone": "plain", "words": "Switched off" if view.action == "off" else "Not measured"}
    tone, words = wording.outcome_words(str(view.verdict["outcome"]))
    return {"tone": tone, "words": words}


def headline(view: GateView) -> str:
    """What the gate found in one line, with the number that decided."""
    if view.headline:
        return view.headline
    if not view.verdict:
        return "It was not asked to judge this run." if view.action == "off" else "No verdict was recorded."
    measure, found = deciding(view), findings(view.verdict)
    if measure is None:
        return found[0][0] if found else "No reasons were recorded."
    return _decided_by(measure)


def _line(view: GateView) -> str:
    return wrap(headline(view), _LINE_LENGTH, 1)[0]


def _decided_by(measure: GateMeasure) -> str:
    interval, limit = _interval(measure), known(measure.limit)
    assert limit is not None, "only a measure with a limit decides"
    said = f"{measure.label}: {against(measure.ratio, limit)} {measure.ratio_of}".rstrip()
    return f"{said} ({f'95%: {interval}; ' if interval else ''}limit {tick_text(limit)})"


def deciding(view: GateView) -> GateMeasure | None:
    """The measure that lies worst against its limit: with its whole interval on a fail, with any of it
    otherwise. None where that does not explain the outcome, because something else decided."""
    said = view.verdict.get("outcome")
    held = [each for each in view.measures if known(each.ratio) is not None and known(each.limit) is not None]
    worst = min(held, key=lambda each: _margin(each, wholly=said == "fail"), default=None)
    return worst if worst is not None and _tone(worst) == _TONES.get(str(said)) else None


def _tone(measure: GateMeasure) -> str:
    ratio, limit = known(measure.ratio), known(measure.limit)
    assert ratio is not None, "only measures with a ratio are compared"
    assert limit is not None, "only measures with a limit are compared"
    return charts.tone_of(ratio, known(measure.low), known(measure.high), limit, measure.fails)


def _margin(measure: GateMeasure, *, wholly: bool) -> float:
    """How far the interval's worst end, or with ``wholly`` its best, lies on the good side of the limit."""
    ratio, limit = known(measure.ratio), known(measure.limit)
    assert ratio is not None, "only measures with a ratio are compared"
    assert limit is not None, "only measures with a limit are compared"
    below = measure.fails != "above"
    end = known(measure.low if below != wholly else measure.high)
    found = ratio if end is None else end
    return found - limit if below else limit - found


def _interval(measure: GateMeasure) -> str | None:
    if known(measure.low) is None or known(measure.high) is None:
        return None
    return f"{against(measure.low, measure.limit)} to {against(measure.high, measure.limit)}"


def stop(views: Sequence[GateView]) -> dict[str, Any] | None:
    """What the banner says when gates kept the student back; None when none did."""
    stopping = [view for view in views if view.stopped]
    if not stopping:
        return None
    advice = [line for view in stopping for line in view.advice]
    return {
        "why": [
            f"{title(view)}: {str(outcome(view)['words']).lower()}. {_line(view)}"
            for view in stopping[:_MOST_ADVICE]
        ],
        "advice": advice[:_MOST_ADVICE],
        "more": len(advice) > _MOST_ADVICE,
        "names": ", ".join(view.name for view in stopping),
    }


def sections(views: Sequence[GateView], limits: Limits) -> dict[str, Any]:
    """All of each gate for its own part of the page, and how many more there are."""
    shown = views[: limits.verdicts]
    return {
        "shown": [_section(view, index, limits) for index, view in enumerate(shown)],
        "left_out": len(views) - len(shown),
    }


def _section(view: GateView, index: int, limits: Limits) -> dict[str, Any]:
    measures = _drawn(view.measures)[: limits.rows]
    drawn = lines.lines_of(view.series)
    name = title(view)
    return {
        "name": name,
        "question": view.question,
        **outcome(view),
        "action": _ACTIONS.get(view.action, view.action),
        "stopped": view.stopped,
        "accepted": view.accepted,
        **_reasons(view, limits),
        "intervals": _intervals(measures, f"gate{index}-ratios", name),
        "limit": _limit_words(measures),
        "curves": lines.line_chart(f"gate{index}-curves", f"{name}: learning curves", drawn, "step"),
        "y_label": "nats a token",
        "legend": lines.legend(drawn),
        "measures": _table(view, limits),
        "advice": list(view.advice[: limits.rows]),
        "how": view.how,
        "lines_left_out": len(view.series) - len(drawn),
        "decided": bool(view.verdict),
        "decider": str(view.verdict.get("decider") or "unknown"),
        "facts": str(view.verdict.get("facts") or "unknown"),
    }


def _reasons(view: GateView, limits: Limits) -> dict[str, Any]:
    """What was found, and the source of the rules: once where all have the same."""
    found = findings(view.verdict)[: limits.rows]
    sources = {source for _, source in found}
    same = sources.pop() if len(sources) == 1 else ""
    return {"findings": [(text, "" if same else source) for text, source in found], "source": same}


def _drawn(measures: Sequence[GateMeasure]) -> list[GateMeasure]:
    """What the picture shows: what was held against a limit, or, where nothing was, every ratio."""
    held = [each for each in measures if known(each.limit) is not None]
    return held or [each for each in measures if known(each.ratio) is not None]


def _intervals(measures: Sequence[GateMeasure], ident: str, name: str) -> Markup:
    rows = [
        charts.Interval(
            one_line(clip(each.label, 60)), each.ratio, each.low, each.high, _ratio(each), each.limit,
            "above" if each.fails == "above" else "below",
        )
        for each in measures
    ]  # fmt: skip
    return charts.interval_chart(ident, f"{name}: ratios with their 95% intervals", rows)


def _ratio(measure: GateMeasure) -> str:
    interval = _interval(measure)
    ratio = against(measure.ratio, measure.limit)
    return ratio if interval is None else f"{ratio} ({interval})"


def _limit_words(measures: Sequence[GateMeasure]) -> list[str]:
    """What the dashed line means, once for each limit."""
    said = (
        f"Limit {tick_text(limit)}: {'more' if each.fails == 'above' else 'less'} is a fail"
        for each in measures
        if known(each.ratio) is not None and (limit := known(each.limit)) is not None
    )
    return list(dict.fromkeys(said))[:3]


def _table(view: GateView, limits: Limits) -> Table:
    def row(each: GateMeasure) -> tuple[object, ...]:
        label = one_line(clip(each.label, 80))
        unit = f" ({one_line(clip(each.unit, 40))})" if each.unit else ""
        numbers = [or_dash(figure(value)) for value in (each.teacher, each.before, each.after)]
        ratio = or_dash(against(each.ratio, each.limit))
        return (label + unit, *numbers, ratio, _interval(each) or "–", one_line(each.note) or "–")

    columns = ("Measure", "#Teacher", "#Before", "#After", "#Ratio", "#95% interval", "Note")
    return _without_empty(
        table("What was measured", columns, [row(each) for each in view.measures], limits.rows, folds=True)
    )


def _without_empty(grid: Table) -> Table:
    """``grid`` without the columns in which nothing was measured at all; the first one stays."""
    kept = [
        index
        for index in range(len(grid.columns))
        if index == 0 or any(row[index] != "–" for row in grid.rows)
    ]
    return Table(
        grid.caption,
        tuple(grid.columns[index] for index in kept),
        tuple(tuple(row[index] for index in kept) for row in grid.rows),
        grid.left_out,
        grid.folds,
    )


def card_lines(views: Sequence[GateView], limits: Limits) -> list[dict[str, str]]:
    """Each gate for the card: name, outcome in words, one line, and what followed."""
    return [
        {
            "name": title(view),
            "words": str(outcome(view)["words"]),
            "line": headline(view),
            "after": _after(view),
        }
        for view in views[: limits.verdicts]
    ]


def _after(view: GateView) -> str:
    if view.accepted:
        return f"Accepted by a person: {view.accepted}"
    return "It stopped the run: no student was handed out." if view.stopped else ""
