"""Renders the model card: a Hugging Face README.md with YAML front matter, then prose.

Every foreign text is put on one line and escaped for Markdown, whatever the template does with it.
The front matter holds only what the Hub's own reader understands, and one block ``inbond``.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Any

import yaml
from jinja2 import Environment, PackageLoader, StrictUndefined

from inbond.report import gates, wording
from inbond.report.blocks import LIMITS
from inbond.report.data import GateView, ReportData, VerdictView
from inbond.report.provenance import data_facts, duty, reason_texts
from inbond.report.text import clip, one_line
from inbond.report.views import SAVING

_HUB_LICENCE_NAMES = (
    "afl-3.0 agpl-3.0 apache-2.0 artistic-2.0 bsd bsd-2-clause bsd-3-clause bsd-3-clause-clear bsl-1.0 cc "
    "cc-by-2.0 cc-by-2.5 cc-by-3.0 cc-by-4.0 cc-by-nc-2.0 cc-by-nc-3.0 cc-by-nc-4.0 cc-by-nc-nd-3.0 "
    "cc-by-nc-nd-4.0 cc-by-nc-sa-2.0 cc-by-nc-sa-3.0 cc-by-nc-sa-4.0 cc-by-nd-4.0 cc-by-sa-3.0 cc-by-sa-4.0 "
    "cc0-1.0 cdla-permissive-1.0 cdla-permissive-2.0 cdla-sharing-1.0 ecl-2.0 epl-1.0 epl-2.0 eupl-1.1 "
    "eupl-1.2 gemma gfdl gpl gpl-2.0 gpl-3.0 intel-research isc lgpl lgpl-2.1 lgpl-3.0 lgpl-lr llama2 "
    "llama3 llama3.1 llama3.2 llama3.3 llama4 lppl-1.3c mit mpl-2.0 ms-pl ncsa odbl odc-by ofl-1.1 openrail "
    "openrail++ osl-3.0 pddl postgresql unlicense wtfpl zlib"
)
_HUB_LICENCES = frozenset(_HUB_LICENCE_NAMES.split())
"""The licence names that the Hub knows; any other is ``other`` with its own name beside it."""
HUB_ID = re.compile(r"([\w.-]{1,96}/)?[\w.-]{1,96}", re.ASCII)
_LANGUAGE = re.compile(r"[a-z]{2,3}(-[A-Za-z0-9]{2,8})*")
_MARKDOWN = re.compile(r"([\\`*_\[\]<>|~&$#!])")


def render_card(data: ReportData) -> str:
    """The card of ``data``'s student, front matter first."""
    front = yaml.safe_dump(_front_matter(data), sort_keys=False, allow_unicode=True, width=2**30)
    body = _environment().get_template("card.md.j2").render(**_context(data))
    return f"---\n{front}---\n\n{re.sub(chr(10) + '{3,}', chr(10) * 2, body).strip()}\n"


def markdown(text: str) -> str:
    """``text`` on one line, with nothing in it that Markdown or HTML would obey."""
    return _MARKDOWN.sub(r"\\\1", one_line(clip(text, LIMITS[0].text)))


def _environment() -> Environment:
    return Environment(
        loader=PackageLoader("inbond.report", "templates"),
        autoescape=False,  # HTML's rules are not Markdown's: finalize escapes for Markdown
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        finalize=lambda value: markdown(value) if isinstance(value, str) else value,
    )


def _front_matter(data: ReportData) -> dict[str, Any]:
    card = data.card
    front: dict[str, Any] = hub_licence(card.licence)
    if card.base_model and HUB_ID.fullmatch(card.base_model):
        front["base_model"] = card.base_model
        if card.base_model_relation:
            front["base_model_relation"] = card.base_model_relation
    if languages := [code for code in dict.fromkeys(card.languages) if _LANGUAGE.fullmatch(code)]:
        front["language"] = languages
    hub_ids = (source.hub_id for source in data.data.sources)
    if datasets := [hub_id for hub_id in dict.fromkeys(hub_ids) if hub_id and HUB_ID.fullmatch(hub_id)]:
        front["datasets"] = datasets
    front["library_name"] = "transformers"
    front["pipeline_tag"] = "text-generation"
    front["tags"] = list(dict.fromkeys(["distillation", "inbond", *(_short(tag) for tag in card.tags)]))
    front["inbond"] = _block(data)
    return front


def hub_licence(found: str | None, *, also: tuple[str, ...] = ()) -> dict[str, Any]:
    """The Hub's name for a licence; never one that nobody gave. ``also`` is what cards call it."""
    if found is None:
        return {"license": "unknown"}
    for name in (found, *also):
        if name.lower() in _HUB_LICENCES:
            return {"license": name.lower()}
    return {"license": "other", "license_name": _short(found)}


def _block(data: ReportData) -> dict[str, Any]:
    return {
        "version": _short(data.inbond_version),
        "run": _short(data.name),
        "teacher": _short(data.teacher.name),
        "channel": _short(data.teacher.channel or "unknown"),
        "edges": teacher_edges(data),
        "verdicts": [
            {
                **({"about": view.about} if view.about != "terms" else {}),
                "outcome": _short(wording.view_outcome(view)),
                "facts": _short(str(view.verdict.get("facts") or "unknown")),
            }
            for view in data.verdicts
        ],
        **({"gates": [_gate(gate) for gate in data.gates]} if data.gates else {}),
        "ledger": {
            "size": data.ledger.size,
            "root": _short(data.ledger.root),
            "key": _short(data.ledger.key),
        },
    }


def _gate(gate: GateView) -> dict[str, str]:
    return {
        "name": _short(gate.name),
        "outcome": _short(str(gate.verdict.get("outcome") or "not measured")),
        "facts": _short(str(gate.verdict.get("facts") or "unknown")),
    }


def teacher_edges(data: ReportData) -> list[str]:
    """The kinds of edges that lead out of a teacher: outputs, weights or both."""
    teachers = {node.id for node in data.lineage.nodes if node.kind in ("teacher", "model")}
    return sorted(
        {edge.kind for edge in data.lineage.edges if edge.source in teachers} & {"outputs", "weights"}
    )


def _short(text: str) -> str:
    return one_line(clip(text, 300))


def _context(data: ReportData) -> dict[str, Any]:
    metrics = data.metrics
    return {
        "data": data,
        "sentence": wording.outcome_sentence(data),
        "params": wording.params(data.student.params),
        "teacher_params": wording.params(data.teacher.params),
        "licence": data.card.licence or "not stated",
        "edges": ", ".join(teacher_edges(data)),
        "facts": data_facts(data.data),
        "disclaimer": wording.DISCLAIMER,
        "verdicts": [_verdict(view) for view in data.verdicts],
        "gates": gates.card_lines(data.gates, LIMITS[0]),
        "obligations": _duties(data.verdicts),
        "held_out": wording.count(metrics.held_out_tokens),
        "kl_before": wording.number(metrics.kl_before),
        "kl_after": wording.number(metrics.kl_after),
        "agreement_before": wording.percent(metrics.agreement_before, 1),
        "agreement_after": wording.percent(metrics.agreement_after, 1),
        "saving": [
            (label, words(getattr(data.teacher, field)), words(getattr(data.student, field)))
            for label, field, words in SAVING
        ],
    }


def _verdict(view: VerdictView) -> Mapping[str, Any]:
    return {
        "question": view.question,
        "words": wording.outcome_words(wording.view_outcome(view))[1],
        "accepted": view.accepted,
        "reasons": reason_texts(view),
        "missing": [str(item) for item in view.missing],
        "facts": str(view.verdict.get("facts") or "unknown"),
    }


def _duties(views: Iterable[VerdictView]) -> list[Mapping[str, str]]:
    return [duty(each) for view in views for each in view.obligations]
