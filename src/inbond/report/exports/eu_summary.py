"""Section 2.5, synthetic data, of the EU's public summary of training content. Pure.

The summary is what Article 53(1)(d) of Regulation (EU) 2024/1689 asks of providers of general-purpose AI
models; section 2.5 names the models that generated synthetic data. The headings here are ours: the template
itself was not read for this, and nothing here says who has to publish a summary.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Final, Literal, final

from inbond.ledger.lineage import Edge
from inbond.ledger.shares import Share
from inbond.report.card import markdown
from inbond.report.exports.facts import SYNTHETIC, WROTE, Exported
from inbond.report.wording import DISCLAIMER

FORMAT: Final = "inbond.eu-summary/1"
_ABOUT: Final = (
    "Section 2.5 (synthetic data) of the public summary of training content, "
    "Article 53(1)(d) of Regulation (EU) 2024/1689"
)
_TO_ADD: Final = (
    "Whether a model named here is on the Union market, and for one that is not, what it was itself trained "
    "on, as far as this does not say.",
    "Synthetic data in the training of models that others made: their own summaries speak of it.",
)

Used = Literal["yes", "no", "cannot-tell"]
_SAID: dict[Used, str] = {
    "yes": "Yes: data that other models composed was used to train this model.",
    "no": "No: everything that this model was trained on is known, and no model composed any of it.",
    "cannot-tell": "Cannot tell: nothing known says so, but not all that it was trained on is known.",
}
_DOUBT: Final = (
    "Cannot tell: models had a hand in the data that this model was trained on, but what is known of their "
    "roles (none, or transcriber) does not say that they composed it. A person must decide."
)


@final
@dataclass(frozen=True)
class _Generator:
    """A model that generated data, with the edges over which it did."""

    id: str
    edges: tuple[Edge, ...]


def eu_summary(exported: Exported) -> dict[str, Any]:
    """The section as values: {used, models[], scored_by[], further_back[], not_established[], to_add[]}."""
    assert exported.target.kind == "model", "the command line says so before"
    own = _data_of(exported, exported.trace.target)
    others = [ancestor.node.id for ancestor in exported.trace.ancestors if ancestor.node.kind == "model"]
    theirs = set[str]().union(*(_data_of(exported, id_) for id_ in others)) - own
    generators = list(_generators(exported, own))
    used = _used(exported, own, generators)
    return {
        "format": FORMAT,
        "about": _ABOUT,
        "model": exported.trace.target,
        "at": exported.at,
        "used": used,
        "sentence": _DOUBT if used == "cannot-tell" and generators else _SAID[used],
        "modalities": ["text"] if any(id_ in exported.made for id_ in own) else None,
        "models": [_model(exported, generator) for generator in generators],
        "scored_by": _scored_by(exported),
        "further_back": [
            generator.id
            for generator in _generators(exported, theirs)
            if generator.id != exported.trace.target
        ],
        "not_established": [item.to_json() for item in exported.trace.unknowns],
        "to_add": list(_TO_ADD),
    }


_MADE_OF: Final = ("derived", "prompted", "revision")


def _data_of(exported: Exported, model: str) -> set[str]:
    """The data that a model itself was trained on, and the data that this was made of, prompts included: they
    are read with their answers, and an answer says their words again."""
    found: set[str] = set()
    waiting = [edge.source for edge in exported.into(model) if edge.relation == "trained-on"]
    while waiting:
        id_ = waiting.pop()
        if id_ not in found:
            found.add(id_)
            waiting += [edge.source for edge in exported.into(id_) if edge.relation in _MADE_OF]
    return found


def _generators(exported: Exported, data: set[str]) -> Iterator[_Generator]:
    """Models that wrote some of ``data``, or of which the role is not said."""
    edges = [
        edge
        for edge in exported.edges
        if edge.target in data
        and edge.relation == "generated"
        and (not edge.roles or WROTE & set(edge.roles))
    ]
    for id_ in sorted({edge.source for edge in edges}):
        yield _Generator(id_, tuple(edge for edge in edges if edge.source == id_))


def _used(exported: Exported, own: set[str], generators: list[_Generator]) -> Used:
    if generators:
        roles = {role for generator in generators for edge in generator.edges for role in edge.roles}
        return "yes" if roles & SYNTHETIC else "cannot-tell"
    open_ = {item.about for item in exported.trace.unknowns}
    return "cannot-tell" if open_ & {exported.trace.target, *own} else "no"


def _scored_by(exported: Exported) -> list[str]:
    """Teachers whose probabilities it learnt from: no data, but not nothing."""
    into = exported.into(exported.trace.target)
    return list(dict.fromkeys(edge.source for edge in into if edge.relation == "scored"))


def _model(exported: Exported, generator: _Generator) -> dict[str, Any]:
    node = exported.graph.nodes[generator.id]
    recorded = any(edge.recorded for edge in generator.edges)
    return {
        "id": generator.id,
        "licence": node.licence,
        "roles": list(dict.fromkeys(role for edge in generator.edges for role in edge.roles)),
        "data": list(dict.fromkeys(edge.target for edge in generator.edges)),
        "channels": list(dict.fromkeys(edge.channel for edge in generator.edges if edge.channel)),
        "by": "this workspace, as recorded" if recorded else "others, as declared",
        "shares": [share.to_json() for share in _shares(exported, generator.id)],
    }


def _shares(exported: Exported, id_: str) -> list[Share]:
    """A model's parts in the target's own training."""
    found = exported.ancestors[id_].shares
    return [share for share in found if share.stage.of == exported.trace.target]


# As a page ------------------------------------------------------------------------------------------


def eu_summary_page(exported: Exported) -> str:
    """The section in Markdown, for a person to complete."""
    found = eu_summary(exported)
    lines = [
        f"# Synthetic data in the training of {markdown(found['model'])}",
        "",
        f"{_ABOUT}. From the lineage as Inbond {exported.version} knew it on {exported.at[:10]}.",
        "",
        "## Was synthetic data used?",
        "",
        found["sentence"],
        "",
        f"Modality of the synthetic data: {', '.join(found['modalities'] or ['not established'])}.",
    ]
    if found["models"]:
        lines += ["", "## Models that had a hand in the data", ""]
        lines += ["| Model | Licence | Role | Data | Reached through | Generated by | Its part |"]
        lines += ["|---|---|---|---|---|---|---|", *(_row(exported, each) for each in found["models"])]
    if found["scored_by"]:
        names = ", ".join(map(markdown, found["scored_by"]))
        lines += ["", f"It also learnt from the probabilities that {names} gave to that data's tokens."]
    if found["further_back"]:
        names = ", ".join(map(markdown, found["further_back"]))
        lines += ["", f"Further back, in the training of models that it descends from: {names}."]
    lines += ["", "## What is not established", ""]
    lines += [
        f"- {markdown(item['about'])}: {markdown(item['what'])}" for item in found["not_established"]
    ] or ["Nothing is open in what was recorded."]
    lines += ["", "## To be added by the provider", "", *(f"- {text}" for text in found["to_add"])]
    return "\n".join([*lines, "", DISCLAIMER]) + "\n"


def _row(exported: Exported, model: dict[str, Any]) -> str:
    shares = [share.words() for share in _shares(exported, model["id"])]
    cells = [
        model["id"],
        model["licence"] or "not known",
        ", ".join(model["roles"]) or "not said",
        ", ".join(model["data"]),
        ", ".join(model["channels"]) or "not said",
        model["by"],
        "; ".join(part for part in shares if part) or "not established",
    ]
    return "| " + " | ".join(map(markdown, cells)) + " |"
