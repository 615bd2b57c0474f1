"""Hugging Face cards out of a lineage: a model card, or for data a data set card. Pure.

The front matter has the keys that the Hub reads. It has none for a teacher, so a block ``inbond`` says what
was learnt from whom. A student that a run handed out has a card with all that was measured: its keys are said
again here, so that there is one answer to what it is.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import yaml

from inbond.ledger.lineage import Relation
from inbond.ledger.trace import Ancestor
from inbond.report import wording
from inbond.report.card import HUB_ID, hub_licence, markdown
from inbond.report.exports import names
from inbond.report.exports.croissant import RECORDS
from inbond.report.exports.facts import SYNTHETIC, Exported
from inbond.report.owed import owed
from inbond.report.text import clip, one_line

_RELATIONS: Mapping[Relation, str] = {
    "adapter": "adapter", "quantized": "quantized", "merged": "merge", "finetuned": "finetune",
    "initialised": "finetune", "pruned": "finetune",
}  # fmt: skip
"""The Hub's words; it has none for pruning, which its finetune comes nearest to."""
_SIZES = ((1_000, "n<1K"), (10_000, "1K<n<10K"), (100_000, "10K<n<100K"), (1_000_000, "100K<n<1M"))
_LONGEST = 300


def card(exported: Exported) -> str:
    """The card of the target: YAML front matter, then prose."""
    front = _model(exported) if exported.target.kind == "model" else _data(exported)
    hub = exported.measured.hub or {
        **hub_licence(exported.target.licence, also=exported.card_names),
        **front,
    }
    values = {**hub, "inbond": _block(exported)}
    text = yaml.safe_dump(values, sort_keys=False, allow_unicode=True, width=2**30)
    return f"---\n{text}---\n\n" + "\n".join(_body(exported)) + "\n"


def _model(exported: Exported) -> dict[str, Any]:
    into = exported.into(exported.trace.target)
    bases = [edge for edge in into if edge.relation in _RELATIONS]
    found: dict[str, Any] = {}
    if ids := _hub_ids(exported, [edge.source for edge in bases]):
        found["base_model"] = ids
        words = {_RELATIONS[edge.relation] for edge in bases}
        if len(words) == 1:
            found["base_model_relation"] = words.pop()
    if ids := _hub_ids(exported, [edge.source for edge in into if edge.relation == "trained-on"]):
        found["datasets"] = ids
    if exported.measured.architecture:
        found |= {"library_name": "transformers", "pipeline_tag": "text-generation"}
    taught = any(
        ancestor.node.kind == "model" and _speaks(exported, ancestor.node.id)
        for ancestor in exported.trace.ancestors
    )
    return {**found, "tags": [*(["distillation"] if taught else []), "inbond"]}


def _speaks(exported: Exported, id_: str) -> bool:
    """Whether something learnt from what a model says."""
    return any(edge.relation in ("generated", "scored") for edge in exported.graph.out_of[id_])


def _data(exported: Exported) -> dict[str, Any]:
    into = exported.into(exported.trace.target)
    step = exported.made.get(exported.trace.target)
    written = any(edge.relation == "generated" and SYNTHETIC & set(edge.roles) for edge in into)
    found: dict[str, Any] = {"pretty_name": _short(names.title(exported.target).name)}
    if written:
        found["language_creators"] = ["machine-generated"]
    if ids := _hub_ids(exported, [edge.source for edge in into if edge.relation == "derived"]):
        found["source_datasets"] = ids
    if step is not None and step.records is not None:
        found["size_categories"] = [_size(step.records)]
    if step is not None and RECORDS in step.files:
        found["configs"] = [{"config_name": "default", "data_files": RECORDS}]
    return {**found, "tags": [*(["synthetic"] if written else []), "inbond"]}


def _hub_ids(exported: Exported, sources: list[str]) -> list[str]:
    found = (_hub_id(exported, source) for source in dict.fromkeys(sources))
    return [id_ for id_ in dict.fromkeys(found) if id_ is not None and HUB_ID.fullmatch(id_)]


def _hub_id(exported: Exported, source: str) -> str | None:
    """A node's id on the Hub, or that of what it is a conversion of."""
    waiting, seen = [source], set[str]()
    while waiting:
        id_ = waiting.pop()
        if id_ not in seen:
            seen.add(id_)
            if found := names.hub_id(exported.graph.nodes[id_]):
                return found
            waiting += [edge.source for edge in exported.into(id_) if edge.relation == "quantized"]
    return None


def _size(records: int) -> str:
    return next((words for below, words in _SIZES if records < below), "n>1M")


def _block(exported: Exported) -> dict[str, Any]:
    """What the Hub has no keys for. Texts are cut, so that no foreign text can fill a card."""
    return {
        "version": exported.version,
        "target": _short(exported.trace.target),
        "at": exported.at,
        "ancestors": [_ancestor(ancestor) for ancestor in exported.trace.ancestors],
        "obligations": list(
            dict.fromkeys(_short(f"{due.kind}: {due.source}") for due in exported.trace.obligations)
        ),
        "unknowns": [_short(f"{item.about}: {item.what}") for item in exported.trace.unknowns],
    }


def _ancestor(ancestor: Ancestor) -> dict[str, Any]:
    return {
        "id": _short(ancestor.node.id),
        "kind": ancestor.node.kind,
        "edge": ancestor.edge,
        "evidence": ancestor.evidence,
        "hops": ancestor.hops,
        "licence": _short(ancestor.node.licence or "unknown"),
        **({"roles": list(ancestor.roles)} if ancestor.roles else {}),
        **({"shares": [share.to_json() for share in ancestor.shares]} if ancestor.shares else {}),
    }


def _short(text: str) -> str:
    return one_line(clip(text, _LONGEST))


# Prose ----------------------------------------------------------------------------------------------


def _body(exported: Exported) -> Iterator[str]:
    yield f"# {markdown(names.title(exported.target).name)}"
    yield from ("", markdown(exported.trace.sentence), "", "## Lineage", "")
    if exported.trace.ancestors:
        yield "| Ancestor | Reached by | Role | Licence | Evidence | Part |"
        yield "|---|---|---|---|---|---|"
        yield from map(_row, exported.trace.ancestors)
    else:
        yield "Nothing is known that it was made from."
    if exported.measured.metrics:
        yield from ("", "## Measured", "")
        yield from (
            f"- {markdown(name)}: {value if isinstance(value, int) else format(value, '.4g')}"
            for name, value in sorted(exported.measured.metrics.items())
        )
    if exported.trace.obligations:
        yield from ("", "## What the terms on file ask", "")
        yield from (
            f"- {markdown(each.text)} ({markdown(each.told)})" for each in owed(exported.trace.obligations)
        )
    if exported.trace.unknowns:
        yield from ("", "## What is not known", "")
        yield from (f"- {markdown(item.about)}: {markdown(item.what)}" for item in exported.trace.unknowns)
    yield from ("", wording.DISCLAIMER)


def _row(ancestor: Ancestor) -> str:
    told = (share.words(of_data=ancestor.node.kind == "data") for share in ancestor.shares)
    parts = [part for part in told if part]
    cells = [
        ancestor.node.id,
        ancestor.edge,
        ", ".join(ancestor.roles) or "not said",
        ancestor.node.licence or "not known",
        ancestor.evidence,
        "; ".join(parts) or "not established",
    ]
    return "| " + " | ".join(map(markdown, cells)) + " |"
