"""CycloneDX 1.6 and 1.7 in JSON: models and data as components, runs as formulation. Pure.

What the standard has no word for (kind of edge, role, share, what is not known) is a property in the name
space ``inbond``, its value canonical JSON with the same fields that ``inbond trace --json`` prints.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from enum import StrEnum
from itertools import groupby
from typing import Any, Final, final

from inbond.digest import PREFIX, Digest, canonical
from inbond.ledger.lineage import Node
from inbond.report.exports import names
from inbond.report.exports.facts import Exported, Step


@final
class SpecVersion(StrEnum):
    """Versions of CycloneDX."""

    v1_6 = "1.6"
    v1_7 = "1.7"


_TYPES: Mapping[str, str] = {"model": "machine-learning-model", "data": "data"}
_TASKS: Mapping[str, str] = {"train": "build", "evaluate": "test", "judge": "test", "export": "deliver"}
_WEIGHTS: Final = ("start", "train", "export")
"""Stages whose artifact is a model."""

Object = dict[str, Any]
_Places = Mapping[tuple[str, Digest], str]
"""Refs by (run, artifact), and by ("", artifact) for those of another run."""


def cyclonedx(exported: Exported, version: SpecVersion = SpecVersion.v1_6) -> Object:
    """The BOM of the target: itself, all that it descends from, how its runs made it."""
    target, *others = exported.nodes
    return {
        "$schema": f"http://cyclonedx.org/schema/bom-{version}.schema.json",
        "bomFormat": "CycloneDX",
        "specVersion": version,
        "serialNumber": f"urn:uuid:{exported.id}",
        "version": 1,
        "metadata": {
            "timestamp": exported.at,
            "tools": {"components": [{"type": "application", "name": "inbond", "version": exported.version}]},
            "component": _component(exported, target),
            "properties": list(_told(exported)),
        },
        "components": [_component(exported, node) for node in others],
        "dependencies": [
            {"ref": node.id, "dependsOn": list(dict.fromkeys(edge.source for edge in exported.into(node.id)))}
            for node in exported.nodes
        ],
        "compositions": _compositions(exported),
        **({"formulation": _formulation(exported)} if exported.steps else {}),
        **({"declarations": _declarations(exported)} if exported.measured.verdict else {}),
    }


def _told(exported: Exported) -> Iterator[Object]:
    """What the trace says of the whole."""
    yield _text("answer", exported.trace.sentence)
    yield from (_value("obligation", duty.to_json()) for duty in exported.trace.obligations)
    yield from (_value("unknown", unknown.to_json()) for unknown in exported.trace.unknowns)


def _text(name: str, value: str) -> Object:
    return {"name": f"inbond:{name}", "value": value}


def _value(name: str, value: Any) -> Object:
    return _text(name, canonical(value).decode())


# Components -----------------------------------------------------------------------------------------


def _component(exported: Exported, node: Node) -> Object:
    files = exported.file_digests(node)
    found: Object = {
        "type": _TYPES[node.kind],
        "bom-ref": node.id,
        **_naming(node),
        **({"hashes": [_hash(digest) for digest in files[:1]]} if files else {}),
        **_licences(node),
    }
    step = exported.made.get(node.id)
    if page := names.page(node):
        found["externalReferences"] = [{"type": "distribution", "url": page}]
    if ancestors := _pedigree(exported, node):
        found["pedigree"] = {"ancestors": ancestors}
    if step is not None:
        found["components"] = [
            {"type": "file", "bom-ref": f"{node.id}#{name}", "name": name, "hashes": [_hash(digest)]}
            for name, digest in sorted(step.files.items())
        ]
    if card := _model_card(exported, node):
        found["modelCard"] = card
    if node.kind == "data":
        found["data"] = [{"type": "dataset", "name": names.title(node).name}]
    return {**found, "properties": list(_properties(exported, node, files))}


def _naming(node: Node) -> Object:
    name, version = names.title(node)
    purl = names.purl(node)
    return {"name": name, **({"version": version} if version else {}), **({"purl": purl} if purl else {})}


def _hash(digest: Digest) -> Object:
    return {"alg": "SHA-256", "content": digest.removeprefix(PREFIX)}


def _licences(node: Node) -> Object:
    """Always as declared: nobody has concluded anything from the files themselves."""
    if node.licence is None:
        return {}
    if names.expression(node) is None:
        return {"licenses": [{"license": {"name": node.licence, "acknowledgement": "declared"}}]}
    return {"licenses": [{"expression": node.licence, "acknowledgement": "declared"}]}


def _pedigree(exported: Exported, node: Node) -> list[Object]:
    """Models whose weights it began with, and data that it was taken from. No bom-ref: that is unique."""
    sources = dict.fromkeys(
        edge.source for edge in exported.into(node.id) if edge.kind == "weights" or edge.relation == "derived"
    )
    kept = (exported.graph.nodes[source] for source in sources)
    return [
        {"type": _TYPES[each.kind], **_naming(each), "properties": [_text("ref", each.id)]} for each in kept
    ]


def _model_card(exported: Exported, node: Node) -> Object:
    data = dict.fromkeys(edge.source for edge in exported.into(node.id) if edge.relation == "trained-on")
    parameters: Object = {}
    card: Object = {}
    if node.id == exported.trace.target:
        measured = exported.measured
        if measured.architecture:
            parameters = {"task": "text-generation", "modelArchitecture": measured.architecture}
        if measured.model_type:
            parameters["architectureFamily"] = measured.model_type
        if measured.metrics:
            card["quantitativeAnalysis"] = {
                "performanceMetrics": [
                    {"type": name, "value": repr(value)} for name, value in sorted(measured.metrics.items())
                ]
            }
    if data:
        parameters["datasets"] = [{"ref": source} for source in data]
    return {**({"modelParameters": parameters} if parameters else {}), **card}


def _properties(exported: Exported, node: Node, files: Sequence[Digest]) -> Iterator[Object]:
    yield _text("id", node.id)
    yield _text("evidence", node.evidence)
    if node.source:
        yield _text("source", node.source)
    if node.id == exported.trace.target and exported.measured.parameters is not None:
        yield _text("parameters", str(exported.measured.parameters))
    yield from (_text("digest", digest) for digest in sorted(node.digests) if digest not in files[:1])
    yield from (_value("edge", edge.to_json()) for edge in exported.into(node.id))
    ancestor = exported.ancestors.get(node.id)
    if ancestor is not None:
        yield _text("reached-by", ancestor.edge)
        if ancestor.stance:
            yield _text("terms", ancestor.stance)
        yield from (_value("share", share.to_json()) for share in ancestor.shares)


def _compositions(exported: Exported) -> list[Object]:
    """Whether all that something was made from is named here: complete, incomplete or unknown."""
    kinds: dict[str, list[str]] = {"complete": [], "incomplete": [], "unknown": []}
    for node in exported.nodes:
        known = any(edge.relation != "revision" for edge in exported.into(node.id))
        kinds["complete" if node.complete else "incomplete" if known else "unknown"].append(node.id)
    return [{"aggregate": kind, "dependencies": refs} for kind, refs in kinds.items() if refs]


# How it was made ------------------------------------------------------------------------------------


def _formulation(exported: Exported) -> list[Object]:
    places = {(step.run, step.artifact): _ref(step) for step in exported.steps}
    places |= {("", step.artifact): _ref(step) for step in exported.steps}
    return [
        {
            "bom-ref": "formulation",
            "components": [_between(step) for step in exported.steps if step.makes is None],
            "workflows": [
                _workflow(run, list(steps), places)
                for run, steps in groupby(exported.steps, key=lambda step: step.run)
            ],
        }
    ]


def _ref(step: Step) -> str:
    """Two runs may have made one artifact, so that its digest would not be unique."""
    return step.makes or f"artifact:{step.folder}"


def _between(step: Step) -> Object:
    """An artifact that no later step hands out."""
    return {
        "type": _TYPES["model" if step.stage in _WEIGHTS else "data"],
        "bom-ref": _ref(step),
        "name": step.folder,
        "properties": [_text("artifact", step.artifact), _text("manifest", step.manifest)],
    }


def _workflow(run: str, steps: Sequence[Step], places: _Places) -> Object:
    return {
        "bom-ref": f"workflow:{run}",
        "uid": f"run:{run}",
        "name": run,
        "taskTypes": ["build"],
        "timeStart": min(step.started for step in steps),
        "timeEnd": max(step.completed for step in steps),
        "tasks": [
            {
                "bom-ref": f"task:{run}/{step.stage}",
                "uid": f"{step.folder} {step.artifact}",
                "name": step.stage,
                "taskTypes": [_TASKS.get(step.stage, "other")],
                "timeStart": step.started,
                "timeEnd": step.completed,
                "inputs": list(_inputs(step, places)),
                "outputs": [{"type": "artifact", "resource": {"ref": _ref(step)}}],
            }
            for step in steps
        ],
    }


def _inputs(step: Step, places: _Places) -> Iterator[Object]:
    found = {
        name: places.get((step.run, digest)) or places.get(("", digest))
        for name, digest in step.inputs.items()
    }
    kept = {name: ref for name, ref in found.items() if ref is not None}
    for ref in dict.fromkeys([*step.nodes, *kept.values()]):
        yield {"resource": {"ref": ref}}
    others = [{"name": name, "value": digest} for name, digest in step.inputs.items() if name not in kept]
    if others:
        yield {"parameters": others}


def _declarations(exported: Exported) -> Object:
    """The gate's verdict as a claim, with the digest of its facts as evidence."""
    verdict = exported.measured.verdict
    reasons = [f"{item.get('finding')} ({item.get('source')})" for item in verdict.get("reasons", [])]
    return {
        "assessors": [
            {
                "bom-ref": "assessor:policy",
                "thirdParty": False,
                "organization": {"name": str(verdict.get("decider"))},
            }
        ],
        "claims": [
            {
                "bom-ref": "claim:policy",
                "target": exported.trace.target,
                "predicate": f"The terms on file, read for this plan: {verdict.get('outcome')}",
                "reasoning": "\n".join(reasons),
                "evidence": ["evidence:policy"],
            }
        ],
        "evidence": [
            {
                "bom-ref": "evidence:policy",
                "propertyName": "inbond:facts",
                "description": f"digest of the facts that were decided on: {verdict.get('facts')}",
            }
        ],
    }
