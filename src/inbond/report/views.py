"""From ReportData to what the page's template prints: words, tables and drawings. Pure.

Here: what came out and how well. Where it came from is in ``provenance``.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from markupsafe import Markup

from inbond.report import charts, gates, lines, provenance, runs, small_files, wording
from inbond.report.blocks import Limits, Passage, Prepared, Tile, table
from inbond.report.data import CurvePoint, ReportData, SamplePair, Series
from inbond.report.text import clip, language_of, one_line, visible
from inbond.report.wording import count, known, number, percent, ratio

_MOST_SAMPLES = 8
PARTS = (
    ("summary", "Summary"),
    ("gates", "Gates"),
    ("verdicts", "Verdicts"),
    ("before-after", "Before and after"),
    ("curves", "Curves"),
    ("runs", "Runs"),
    ("samples", "Samples"),
    ("saving", "Saving"),
    ("data", "Data"),
    ("lineage", "Lineage"),
    ("recipe", "Recipe"),
    ("ledger", "Ledger"),
)


SAVING: tuple[tuple[str, str, Callable[[Any], str]], ...] = (
    ("Parameters", "params", count),
    ("File size", "file_bytes", wording.size),
    ("Memory", "memory_bytes", wording.size),
    ("Speed", "tokens_per_s", wording.rate),
)
"""What a model costs: label, field of ModelFacts, how to say it."""


def context_of(data: ReportData, limits: Limits) -> dict[str, Any]:
    """All that report.html.j2 asks for."""
    return {
        "data": data,
        "parts": PARTS,
        "disclaimer": wording.DISCLAIMER,
        "summary": _summary(data),
        "badges": gates.badges(data.gates, limits),
        "stop": gates.stop(data.gates),
        "gates": gates.sections(data.gates, limits),
        "runs": runs.comparison(data.runs, limits),
        "verdicts": provenance.verdicts(data.verdicts, limits),
        "metrics": _metrics(data),
        "curves": curves_of(data.curves),
        "samples": samples_of(data.samples, limits),
        "saving": _saving(data),
        "material": provenance.material(data.data, limits),
        "lineage": provenance.lineage(data.lineage),
        "recipe": provenance.recipe(data, limits),
        "ledger": {"facts": provenance.ledger_facts(data.ledger)},
    }


def _summary(data: ReportData) -> dict[str, Any]:
    view = wording.worst_verdict(data.verdicts)
    tone, words = wording.outcome_words(wording.view_outcome(view)) if view else ("plain", "No verdict")
    licence = data.card.licence or "not stated"
    return {
        "sentence": wording.outcome_sentence(data),
        "permission": wording.permission_sentence(data),
        "tone": tone,
        "ground": "plain" if any(gate.stopped for gate in data.gates) else tone,
        "verdict": words,
        "tiles": [_size_tile(data), _agreement_tile(data), _kl_tile(data), _speed_tile(data)],
        "facts": [
            ("Teacher", f"{data.teacher.label} ({data.teacher.name})"),
            ("Its licence", data.teacher.licence or "not known"),
            ("Reached by", data.teacher.channel or "not known"),
            ("Student began as", data.student_init or "not recorded"),
            ("Student’s licence", licence),
            ("Learned from", _learned_from(data)),
        ],
    }


def _learned_from(data: ReportData) -> str:
    facts = data.data
    if facts.train_records is None:
        return "not recorded"
    own = f", {facts.own_records:,} of them the user’s own" if facts.own_records else ""
    return wording.plural(facts.train_records, "record") + own


def _missing(reason: str | None) -> str:
    return f"{wording.NOT_MEASURED}: {one_line(clip(reason, 90))}" if reason else wording.NOT_MEASURED


def _size_tile(data: ReportData) -> Tile:
    share = ratio(data.student.params, data.teacher.params)
    if share is None:
        return Tile("Size", "", _missing(data.student.not_measured or data.teacher.not_measured))
    both = f"{wording.params(data.student.params)} of {wording.params(data.teacher.params)} parameters"
    return Tile("Size, against its teacher", percent(share), both)


def _agreement_tile(data: ReportData) -> Tile:
    metrics = data.metrics
    if known(metrics.agreement_after) is None:
        return Tile("Agreement", "", _missing(metrics.not_measured))
    before = (
        f"of held-out tokens, was {percent(metrics.agreement_before)}"
        if known(metrics.agreement_before) is not None
        else ""
    )
    return Tile(
        "Agreement with its teacher", percent(metrics.agreement_after), before or "of held-out tokens"
    )


def _kl_tile(data: ReportData) -> Tile:
    metrics = data.metrics
    if known(metrics.kl_after) is None:
        return Tile("KL to its teacher", "", _missing(metrics.not_measured))
    before = f", was {number(metrics.kl_before)}" if known(metrics.kl_before) is not None else ""
    return Tile("KL to its teacher", number(metrics.kl_after), f"nats a token{before}")


def _speed_tile(data: ReportData) -> Tile:
    speedup = ratio(data.student.tokens_per_s, data.teacher.tokens_per_s)
    if speedup is None:
        return Tile("Speed", "", _missing(data.student.not_measured or data.teacher.not_measured))
    both = f"{number(data.student.tokens_per_s, 1)} against {number(data.teacher.tokens_per_s, 1)} tokens/s"
    return Tile("Speed, against its teacher", f"{number(speedup)}×", both)


def _metrics(data: ReportData) -> dict[str, Any]:
    found = data.metrics
    kl = [
        charts.Bar("Before training", found.kl_before, f"{number(found.kl_before)} nats", "before"),
        charts.Bar("After training", found.kl_after, f"{number(found.kl_after)} nats"),
    ]
    agreement = [
        charts.Bar("Before training", found.agreement_before, percent(found.agreement_before, 1), "before"),
        charts.Bar("After training", found.agreement_after, percent(found.agreement_after, 1)),
    ]
    return {
        "intro": "Both are means over the label tokens of held-out text that the student never trained on. "
        "KL says how many nats a token the student’s odds are off the teacher’s; agreement says how often "
        "both rank the same token first. They measure likeness to the teacher, not truth.",
        "not_measured": found.not_measured,
        "kl": charts.bar_chart("kl", "Held-out KL to the teacher, before and after training", kl),
        "agreement": charts.bar_chart("agree", "Top-1 agreement, before and after training", agreement, 1.0),
        "facts": [
            ("Held-out tokens", count(found.held_out_tokens)),
            ("How measured", found.how or "not recorded"),
        ],
    }


def curves_of(curves: Sequence[CurvePoint]) -> dict[str, Any]:
    """Pictures of what was logged along training, each with its title, and a sentence."""
    if not curves:
        return {"figures": [], "note": "No training steps were logged."}

    def figure(ident: str, title: str, unit: str, values: Sequence[float | None]) -> dict[str, object]:
        points = tuple((float(point.step), value) for point, value in zip(curves, values, strict=True))
        line = lines.lines_of([Series(title, points, "held-out")])
        drawing = lines.line_chart(f"curve-{ident}", f"{title} over steps", line, "step")
        return {"title": title, "unit": unit, "drawing": drawing, "missing": "Not logged in this run."}

    entropies, distinct = [p.own_entropy for p in curves], [p.own_distinct for p in curves]
    own = [
        figure("entropy", "Entropy in own answers", "nats a token", entropies),
        figure("distinct", "Distinct pairs in own answers", "share", distinct),
    ]
    return {
        "figures": [
            figure("loss", "Training loss", "nats a token", [point.loss for point in curves]),
            figure("kl", "Held-out KL", "nats a token", [point.held_out_kl for point in curves]),
            figure("lr", "Learning rate", "", [point.lr for point in curves]),
            figure("rate", "Speed", "label tokens a second", [point.label_tokens_per_s for point in curves]),
            *(own if any(point.own_entropy is not None for point in curves) else ()),
        ],
        "note": f"{wording.plural(len(curves), 'logged point')}, up to step {curves[-1].step:,} "
        f"after {wording.duration(curves[-1].seconds)}.",
    }


def samples_of(samples: Sequence[SamplePair], limits: Limits) -> dict[str, Any]:
    """The first samples as passages, and how many are left out."""
    shown = samples[:_MOST_SAMPLES]

    def passage(text: str | None, lang: str | None) -> Passage:
        if text is None or not text.strip():
            return Passage(Prepared(""), "", "not asked" if text is None else "an empty answer")
        return Passage(Prepared(visible(clip(text, limits.sample))), lang or language_of(text))

    def answers(sample: SamplePair) -> list[dict[str, object]]:
        every = (
            ("Teacher", "teacher", sample.teacher),
            ("Student before", "before", sample.before),
            ("Student after", "after", sample.after),
        )
        return [
            {"who": who, "style": style, "passage": passage(text, sample.lang)} for who, style, text in every
        ]

    return {
        "shown": [{"prompt": passage(each.prompt, each.lang), "answers": answers(each)} for each in shown],
        "left_out": len(samples) - len(shown),
    }


def _saving(data: ReportData) -> dict[str, Any]:
    teacher, student = data.teacher, data.student

    def row(label: str, field: str, words: Callable[[Any], str]) -> tuple[object, ...]:
        theirs, ours = getattr(teacher, field), getattr(student, field)
        share = ratio(ours, theirs)
        text = wording.NOT_MEASURED if share is None else f"{number(share)}×"
        return (label, words(theirs), words(ours), Markup("{}{}").format(text, charts.share_bar(share)))

    rows = [row(*each) for each in SAVING]
    notes = [f"How measured: {data.speed_how}"] if data.speed_how else []
    notes += [
        f"{who}, where not measured: {one_line(model.not_measured)}"
        for who, model in (("Teacher", teacher), ("Student", student))
        if model.not_measured
    ]
    columns = ("", "#Teacher", "#Student", "#Student ÷ teacher")
    told = table("Teacher and student", columns, rows, len(rows), folds=True)
    return {"table": told, "notes": notes, "files": small_files.shown(data.files)}
