"""From ReportData to what the page's template prints: verdicts, data, lineage, recipe, ledger. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any
from urllib.parse import urlsplit

from markupsafe import Markup, escape

from inbond.report import lineage as drawing
from inbond.report import wording
from inbond.report.blocks import Limits, Prepared, Table, table
from inbond.report.data import (
    DataFacts,
    HostTargets,
    LearningFacts,
    LedgerFacts,
    PreferenceFacts,
    ReportData,
    VerdictView,
)
from inbond.report.picture import Lineage
from inbond.report.text import clip, one_line, visible
from inbond.report.verified import VerifiedFacts
from inbond.report.wording import count, percent

_EVIDENCE = {
    "F": "the text itself was read",
    "D": "an excerpt of the primary page",
    "S": "quoted by others",
    "R": "recalled, not read",
}


def verdicts(views: Sequence[VerdictView], limits: Limits) -> dict[str, Any]:
    """The verdicts to show, and how many more there are."""
    shown = views[: limits.verdicts]
    return {"shown": [_verdict(view, limits) for view in shown], "left_out": len(views) - len(shown)}


def _verdict(view: VerdictView, limits: Limits) -> dict[str, Any]:
    tone, words = wording.outcome_words(wording.view_outcome(view))
    return {
        "question": view.question,
        "tone": tone,
        "words": words,
        "accepted": view.accepted,
        "reasons": _reasons(view, limits),
        "obligations": _obligations(view.obligations, limits),
        "missing": [str(item) for item in view.missing[: limits.rows]],
        "decider": _text(view.verdict.get("decider")) or "unknown",
        "facts": _text(view.verdict.get("facts")) or "unknown",
    }


def _reasons(view: VerdictView, limits: Limits) -> Table:
    given = _mappings(view.verdict.get("reasons"))
    if view.about == "host":
        found = [(_outcome(each), _finding(each), _source(_text(each.get("source")), "")) for each in given]
        return table("Reasons", ("Outcome", "Finding", "Source"), found, limits.rows, folds=True)
    rows = [_reason(reason) for reason in given]
    columns = ("Edge", "Stance", "Finding", "Clause", "Source", "Read on", "Evidence")
    return table("Reasons", columns, rows, limits.rows, folds=True)


def _outcome(reason: Mapping[str, Any]) -> str:
    """What one reason of a verdict on a host comes to."""
    return wording.outcome_words(_text(reason.get("outcome")) or "–")[1]


def _finding(reason: Mapping[str, Any]) -> str:
    return _text(reason.get("finding")) or _text(reason.get("rule")) or "–"


def _mappings(value: object) -> list[Mapping[str, Any]]:
    """Reasons come as JSON, so nothing about their shape is taken for granted."""
    given = value if isinstance(value, Sequence) and not isinstance(value, str) else ()
    return [each for each in given if isinstance(each, Mapping)]


def _reason(reason: Mapping[str, Any]) -> tuple[object, ...]:
    edge = _text(reason.get("edge"))
    style = edge if edge in ("weights", "outputs") else ""
    evidence = _text(reason.get("evidence"))
    return (
        Markup('<span class="tag {}">{}</span>').format(style, _shown(edge or "both")),
        _text(reason.get("stance")) or "–",
        _finding(reason),
        _text(reason.get("clause")) or "–",
        _source(_text(reason.get("source")), _text(reason.get("version"))),
        _text(reason.get("read_on")) or "–",
        _EVIDENCE.get(evidence, evidence) or "–",
    )


def _text(value: object) -> str:
    """Any JSON value as text; "" for none."""
    if value is None:
        return ""
    if isinstance(value, (list, tuple)):
        return ", ".join(_text(item) for item in value)
    return str(value)


def _shown(text: str, limit: int = 300) -> str:
    return one_line(clip(text, limit))


def _source(source: str, version: str) -> Markup:
    """A link when it is a web address, plain text otherwise; its version under it."""
    label = Markup("<bdi{}>{}</bdi>").format(_kept_whole(source), _shown(source) or "–")
    if is_web_address(source):
        label = Markup('<a href="{}" rel="noopener noreferrer nofollow">{}</a>').format(
            source, _host_and_path(source)
        )
    if not version:
        return label
    below = Markup('<br><span class="soft"><span{}>version {}</span></span>')
    return label + below.format(_kept_whole(version), _shown(version))


def _kept_whole(text: str) -> Markup:
    """The class that keeps a short name from being cut in two in a narrow column."""
    return Markup(' class="short"') if len(text) <= 12 else Markup("")


def is_web_address(text: str) -> bool:
    """True for plain http(s) addresses: nothing else may become a link."""
    if len(text) > 500 or visible(text) != text or any(character.isspace() for character in text):
        return False
    try:
        parts = urlsplit(text)
    except ValueError:
        return False
    return parts.scheme in ("https", "http") and bool(parts.hostname)


def _host_and_path(address: str) -> str:
    parts = urlsplit(address)
    return _shown(parts.netloc + parts.path.rstrip("/"), 60)


def _obligations(obligations: Sequence[Mapping[str, Any]], limits: Limits) -> Table:
    duties = [duty(each) for each in obligations]
    rows = [(each["kind"], each["text"], each["when"], each["source"]) for each in duties]
    return table("Obligations", ("Kind", "What to do", "When", "From"), rows, limits.rows, folds=True)


def duty(obligation: Mapping[str, Any]) -> dict[str, str]:
    """One obligation in words: kind, text, when, source."""
    return {
        "kind": _text(obligation.get("kind")).replace("-", " ") or "–",
        "text": _text(obligation.get("text")) or "–",
        "when": _text(obligation.get("when")) or "always",
        "source": _text(obligation.get("from")) or "–",
    }


def findings(verdict: Mapping[str, Any]) -> list[tuple[str, str]]:
    """(what was found, the source of the rule) of each reason, for verdicts that are not about terms."""
    return [(_finding(reason), _text(reason.get("source"))) for reason in _mappings(verdict.get("reasons"))]


def reason_texts(view: VerdictView) -> list[dict[str, str]]:
    """The reasons of a verdict in words, for the card: ground (edge and stance, or outcome), finding,
    source."""
    return [
        {
            "ground": _outcome(reason) if view.about == "host" else _ground(reason),
            "finding": _finding(reason),
            "source": _text(reason.get("source")) or "–",
        }
        for reason in _mappings(view.verdict.get("reasons"))
    ]


def _ground(reason: Mapping[str, Any]) -> str:
    return f"{_text(reason.get('edge')) or 'both edges'}, {_text(reason.get('stance')) or 'no stance'}"


def material(facts: DataFacts, limits: Limits) -> dict[str, Any]:
    """What the student learned from: facts and the tables of sources, drops and failures."""
    dropped = sorted(facts.dropped, key=lambda each: -each.records)
    failures = sorted(facts.failures.items(), key=lambda item: -item[1])
    none = [] if dropped else ["No filter dropped a record."]
    none += [] if failures else ["No request failed."]
    return {
        "facts": data_facts(facts),
        "sources": table(
            "Sources",
            ("Source", "Licence", "#Records"),
            [(each.label, each.licence or "not known", count(each.records)) for each in facts.sources],
            limits.rows,
        ),
        "dropped": table(
            "Dropped by the filters",
            ("Filter", "Why", "#Records"),
            [(each.filter, each.reason, count(each.records)) for each in dropped],
            limits.rows,
        ),
        "failures": table(
            "Requests without a usable answer",
            ("Reason", "#Requests"),
            [(reason, count(number)) for reason, number in failures],
            limits.rows,
        ),
        "none": none,
    }


def data_facts(facts: DataFacts) -> list[tuple[str, str]]:
    """(label, words) of every count of the data."""
    own = "none"
    if facts.own_records:
        weight = "" if facts.own_weight is None else f", each weighing {wording.number(facts.own_weight)}"
        own = wording.plural(facts.own_records, "record") + weight
    return [
        ("Prompts", count(facts.prompts)),
        ("Answers received", count(facts.answers)),
        *(_verified(facts.verified) if facts.verified else ()),
        ("Dropped by filters", count(sum(each.records for each in facts.dropped))),
        ("Trained on", _records(facts.train_records)),
        ("Held out", _records(facts.held_out_records)),
        ("How held out", facts.split or "not recorded"),
        ("Own data mixed in", own),
        *(_preferences(facts.preferences) if facts.preferences else ()),
        ("Prompt tokens", count(facts.prompt_tokens)),
        ("Answer tokens", count(facts.completion_tokens)),
        ("Cost", wording.dollars(facts.cost_usd)),
    ]


def _preferences(facts: PreferenceFacts) -> list[tuple[str, str]]:
    longer = "" if facts.longer is None else f"; the longer one is chosen in {facts.longer:.0%} of them"
    left_out = ", ".join(f"{number:,}: {reason}" for reason, number in facts.left_out.items())
    return [
        ("Preference pairs", f"{wording.plural(facts.pairs, 'pair')}, {facts.source}"),
        ("Their length", f"chosen {facts.chosen:.0f}, rejected {facts.rejected:.0f} characters{longer}"),
        ("Left out of the pairs", left_out or "nothing"),
    ]


def _verified(found: VerifiedFacts) -> list[tuple[str, str]]:
    """(label, words) of each finding."""
    reasons = sorted(found.reasons.items(), key=lambda item: -item[1])
    rates = ", ".join(f"pass@{k} {percent(rate)}" for k, rate in found.pass_at.items())
    outcomes = ", ".join(f"{count(number)} {outcome}" for outcome, number in found.outcomes.items())
    return [
        ("Verified by", found.tool.removeprefix("tool:")),
        ("Rulings", outcomes),
        ("Teacher's pass rate", rates or "none"),
        ("Not passed because", ", ".join(f"{count(number)} {reason}" for reason, number in reasons) or "–"),
        ("Kept of what passed", f"{count(found.kept)} ({found.keep})"),
        *_by_question(found),
    ]


def _by_question(found: VerifiedFacts) -> list[tuple[str, str]]:
    """What teacher and student were right about, by the kind of question about an article."""
    teacher = [
        (f"Teacher's answers: {kind}", f"{count(each['passed'])} of {count(each['answers'])} passed")
        for kind, each in (found.questions or {}).items()
    ]
    student = [
        (
            f"Student on held-out articles: {kind}",
            f"{_passed(each['before'])} before training, {_passed(each['after'])} after, of "
            f"{count(each['articles'])}",
        )
        for kind, each in (found.student or {}).items()
    ]
    return [*teacher, *student]


def _passed(rate: Mapping[str, Any]) -> str:
    low, high = percent(rate["low"]), percent(rate["high"])
    return f"{count(rate['passed'])} passed (95% interval {low} to {high})"


def _records(amount: int | None) -> str:
    return wording.NOT_MEASURED if amount is None else wording.plural(amount, "record")


def lineage(graph: Lineage) -> dict[str, Any]:
    """Both pictures and the same in words."""
    graph = drawing.without_links(graph)  # this page has no parts to lead to
    lines = drawing.as_text(graph)
    return {
        "wide": drawing.draw_wide(graph, "lineage-wide", "Lineage of the student, left to right"),
        "column": drawing.draw_column(graph, "lineage-column", "Lineage of the student, top to bottom"),
        "left_out": drawing.left_out(graph),
        "lines": lines[:120],
    }


def recipe(data: ReportData, limits: Limits) -> dict[str, Any]:
    """Stages, the recipe's text and the environment."""
    learning = data.learning
    total = sum(stage.seconds for stage in data.stages)
    rows: list[tuple[object, ...]] = [
        (
            stage.name,
            wording.duration(stage.seconds),
            "found complete" if stage.status == "found" else "made",
            Markup('<span class="digest">{}</span>').format(escape(_shown(stage.artifact, 90))),
        )
        for stage in data.stages
    ]
    columns = ("Stage", "#Time", "This time", "Artifact")
    return {
        "learning": [] if learning is None else learning_facts(learning),
        "stages": table(f"Stages, {wording.duration(total)} in all", columns, rows, limits.rows, folds=True),
        "yaml": Prepared(visible(clip(data.recipe_yaml, limits.recipe))),
        "environment": [
            (str(key), str(value)) for key, value in list(data.environment.items())[: limits.rows]
        ],
    }


def learning_facts(facts: LearningFacts) -> list[tuple[str, str]]:
    """(label, words) of what was minimised, on which targets, at what speed."""
    targets = facts.targets or "not recorded"
    if wording.known(facts.target_bytes_per_token) is not None:
        targets += f"; {wording.number(facts.target_bytes_per_token, 1)} bytes a label token"
    shared = facts.prefix_tokens_shared
    prefix = "none" if shared == 0 else wording.NOT_MEASURED
    if shared:
        prefix = f"{wording.plural(shared, 'token')}, computed once a batch"
    rate = wording.known(facts.label_tokens_per_s)
    pace = wording.NOT_MEASURED if rate is None else f"{wording.rate(rate)} of labels in the median step"
    return [
        ("Objective", facts.objective or "not recorded"),
        ("Teacher’s targets", targets),
        *((("Lessons", facts.lessons),) if facts.lessons else ()),
        ("Temperature", wording.figure(facts.temperature).rstrip("0").rstrip(".")),
        ("Shared prefix", prefix),
        ("Label tokens learnt", count(facts.label_tokens)),
        ("Speed of learning", pace),
        ("Adapter", facts.adapter or "none: all weights were learnt"),
        *(_host_facts(facts.host) if facts.host is not None else ()),
    ]


def _host_facts(host: HostTargets) -> list[tuple[str, str]]:
    """(label, words) of what is missing of a host's targets."""
    dropped = ", ".join(f"{number:,} {reason}" for reason, number in host.dropped.items())
    return [
        ("Answers without targets", dropped or "none"),
        ("Label tokens the host was silent on", count(host.silent)),
        ("Probability on unknown tokens", wording.percent(host.unknown_share, 1)),
    ]


def ledger_facts(ledger: LedgerFacts) -> list[tuple[str, object]]:
    """(label, words) of the ledger's head."""

    def code(text: str) -> Markup:
        return Markup('<span class="mono">{}</span>').format(_shown(text, 200) or "not recorded")

    return [("Events", count(ledger.size)), ("Root", code(ledger.root)), ("Signed by key", code(ledger.key))]
