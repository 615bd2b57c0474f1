"""SPDX 3.0.1 as JSON-LD: models as AI packages, data as data set packages, runs as builds. Pure.

Claims the profiles core, software, build and simpleLicensing. The AI and data set profiles also ask for a
supplier, a place to download from and a release time of every package, which a lineage does not know of
its ancestors: their classes are used, and conformance to them is not claimed.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, Final, final

from inbond.digest import PREFIX, Digest, canonical
from inbond.ledger.lineage import Edge, Node, Relation
from inbond.report.exports import names
from inbond.report.exports.facts import Exported, Step

CONTEXT: Final = "https://spdx.org/rdf/3.0.1/spdx-context.jsonld"
_CREATION: Final = "_:creationinfo"
_TYPES: Final = {"model": "ai_AIPackage", "data": "dataset_DatasetPackage"}
_PURPOSES: Final = {"model": "model", "data": "data"}

_MEANS: Mapping[Relation, str] = {
    "trained-on": "trainedOn", "generated": "generates", "derived": "descendantOf",
    "pruned": "descendantOf", "initialised": "descendantOf", "adapter": "descendantOf",
    "quantized": "descendantOf", "merged": "descendantOf", "finetuned": "descendantOf",
    "revision": "descendantOf", "scored": "other", "prompted": "other",
}  # fmt: skip
"""SPDX has no word for a model that scored what another learnt from, nor for prompts: ``other``, and why."""

Object = dict[str, Any]


def spdx(exported: Exported) -> Object:
    """The target's SPDX document."""
    return {"@context": CONTEXT, "@graph": list(_elements(_Ids(exported.id), exported))}


@final
class _Ids:
    """Ids that are unique in the world: a fragment of this document's UUID."""

    def __init__(self, document: str) -> None:
        self._base = f"urn:uuid:{document}#"

    def of(self, kind: str, name: str = "") -> str:
        return f"{self._base}{kind}{'-' if name else ''}{names.fragment(name)}"

    def node(self, id_: str) -> str:
        return self.of("node", id_)


def _elements(ids: _Ids, exported: Exported) -> Iterator[Object]:
    packages = [_package(ids, exported, node) for node in exported.nodes]
    others = [
        *_files(ids, exported),
        *_licences(ids, exported),
        *_builds(ids, exported),
        *_lineage(ids, exported),
        *_open(ids, exported),
        *_whole(ids, exported),
    ]
    agent, tool = ids.of("agent"), ids.of("tool")
    yield {
        "type": "CreationInfo",
        "@id": _CREATION,
        "specVersion": "3.0.1",
        "created": exported.at,
        "createdBy": [agent],
        "createdUsing": [tool],
    }
    yield _element("SoftwareAgent", agent, name="inbond")
    yield _element("Tool", tool, name=f"inbond {exported.version}")
    yield _element(
        "SpdxDocument",
        ids.of("document"),
        name=f"Lineage of {exported.trace.target}",
        comment=exported.trace.sentence,
        profileConformance=["core", "software", "build", "simpleLicensing"],
        rootElement=[ids.node(exported.trace.target)],
        element=[each["spdxId"] for each in [*packages, *others]],
    )
    yield from packages
    yield from others


def _element(type_: str, id_: str, **values: Any) -> Object:
    kept = {name: value for name, value in values.items() if value not in (None, "", [])}
    return {"type": type_, "spdxId": id_, "creationInfo": _CREATION, **kept}


def _hashes(digests: Iterable[Digest]) -> list[Object]:
    return [
        {"type": "Hash", "algorithm": "sha256", "hashValue": digest.removeprefix(PREFIX)}
        for digest in digests
    ]


# Packages and files ---------------------------------------------------------------------------------


def _package(ids: _Ids, exported: Exported, node: Node) -> Object:
    name, version = names.title(node)
    step = exported.made.get(node.id)
    unsaid = node.licence if node.licence and names.expression(node) is None else None
    values: Object = {
        "name": name,
        "description": f"{node.id}, {node.evidence} ({node.source})"
        if node.source
        else f"{node.id}, {node.evidence}",
        "comment": f"Its licence is declared as {unsaid!r}, which is no SPDX expression." if unsaid else None,
        "builtTime": step.completed if step else None,
        "verifiedUsing": _hashes(exported.file_digests(node)[:1]),
        "software_packageVersion": version,
        "software_packageUrl": names.purl(node),
        "software_downloadLocation": names.page(node),
        "software_primaryPurpose": _PURPOSES[node.kind],
    }
    own = _model(exported, node) if node.kind == "model" else _data(step)
    return _element(_TYPES[node.kind], ids.node(node.id), **values, **own)


def _model(exported: Exported, node: Node) -> Object:
    if node.id != exported.trace.target:
        return {}
    measured = exported.measured
    return {
        "ai_typeOfModel": [measured.architecture] if measured.architecture else None,
        "ai_informationAboutTraining": exported.trace.sentence,
        "ai_metric": [
            {"type": "DictionaryEntry", "key": name, "value": repr(value)}
            for name, value in sorted(measured.metrics.items())
        ],
    }


def _data(step: Step | None) -> Object:
    """Of data that was made here the kind is known: Inbond makes text."""
    return {
        "dataset_datasetType": ["text" if step else "noAssertion"],
        "dataset_datasetSize": step.records if step else None,
    }


def _files(ids: _Ids, exported: Exported) -> Iterator[Object]:
    for node, step in sorted(exported.made.items()):
        held = []
        for name, digest in sorted(step.files.items()):
            held.append(ids.of("file", f"{node}#{name}"))
            yield _element("software_File", held[-1], name=name, verifiedUsing=_hashes([digest]))
        if held:
            yield _relation(ids, f"files of {node}", ids.node(node), "contains", held, complete=True)


def _licences(ids: _Ids, exported: Exported) -> Iterator[Object]:
    told = {node.id: text for node in exported.nodes if (text := names.expression(node))}
    for text in sorted(set(told.values())):
        yield _element(
            "simplelicensing_LicenseExpression",
            ids.of("licence", text),
            simplelicensing_licenseExpression=text,
        )
    for node, text in told.items():
        to = [ids.of("licence", text)]
        yield _relation(ids, f"licence of {node}", ids.node(node), "hasDeclaredLicense", to)


# Lineage --------------------------------------------------------------------------------------------


def _relation(
    ids: _Ids,
    name: str,
    from_: str,
    type_: str,
    to: Sequence[str],
    *,
    complete: bool | None = None,
    comment: str = "",
) -> Object:
    completeness = {True: "complete", False: "incomplete", None: None}[complete]
    values = {"from": from_, "relationshipType": type_, "to": list(to), "completeness": completeness}
    return _element("Relationship", ids.of("relation", name), **values, comment=comment)


def _lineage(ids: _Ids, exported: Exported) -> Iterator[Object]:
    """One relationship for each edge: each says for itself where it was read."""
    for number, edge in enumerate(exported.edges, 1):
        type_ = _MEANS[edge.relation]
        ends = (edge.source, edge.target) if type_ == "generates" else (edge.target, edge.source)
        yield _relation(
            ids,
            f"edge {number}",
            ids.node(ends[0]),
            type_,
            [ids.node(ends[1])],
            comment=_words(exported, edge),
        )


def _words(exported: Exported, edge: Edge) -> str:
    said = [f"{edge.source} -> {edge.target}: {edge.relation} ({edge.kind}), {edge.evidence}"]
    if edge.roles:
        said.append(f"roles: {', '.join(edge.roles)}")
    if edge.stage:
        said.append(f"stage: {edge.stage}")
    if edge.channel:
        said.append(f"channel: {edge.channel}")
    said += [f"{part.share:.6g} of the {part.unit}" for part in edge.parts]
    ancestor = exported.ancestors.get(edge.source)
    for share in ancestor.shares if ancestor and edge.target == exported.trace.target else ():
        of_data = ancestor is not None and ancestor.node.kind == "data"
        said.append(share.words(of_data=of_data) or f"its part of {share.whole} is not established")
    return "; ".join([*said, f"read: {edge.read}"] if edge.read else said)


def _open(ids: _Ids, exported: Exported) -> Iterator[Object]:
    """What is not known and what the terms ask, as annotations: they must not get lost on the way."""
    known = set(exported.graph.nodes)
    said = [(item.about, f"not known: {item.what}") for item in exported.trace.unknowns]
    said += [
        (due.ancestor, f"the terms on file ask ({due.kind}; {due.source}): {due.text}")
        for due in exported.trace.obligations
    ]
    for number, (about, text) in enumerate(said, 1):
        subject = about if about in known else exported.trace.target
        yield _element(
            "Annotation",
            ids.of("note", str(number)),
            annotationType="other",
            contentType="text/plain",
            statement=text,
            subject=ids.node(subject),
        )


def _whole(ids: _Ids, exported: Exported) -> Iterator[Object]:
    """Nodes and edges as they are, for ``inbond import``: SPDX has no field for roles, shares or evidence."""
    said = [(node.id, "node", node.to_json()) for node in exported.nodes]
    said += [(edge.target, "edge", edge.to_json()) for edge in exported.edges]
    for number, (about, name, value) in enumerate(said, 1):
        yield _element(
            "Annotation",
            ids.of("whole", str(number)),
            annotationType="other",
            contentType="application/json",
            statement=canonical({f"inbond:{name}": value}).decode(),
            subject=ids.node(about),
        )


# Builds ---------------------------------------------------------------------------------------------


def _builds(ids: _Ids, exported: Exported) -> Iterator[Object]:
    """One build for each recorded stage. What lies between two stages is no package: it is named there."""
    places = {step.artifact: step.makes for step in exported.steps if step.makes}
    for step in exported.steps:
        build = ids.of("build", step.folder)
        yield _element(
            "build_Build",
            build,
            name=f"{step.stage} of run:{step.run}",
            comment=f"artifact {step.artifact}, manifest {step.manifest}",
            build_buildId=step.folder,
            build_buildType="urn:inbond:recipe:1",
            build_buildStartTime=step.started,
            build_buildEndTime=step.completed,
        )
        used = [*step.nodes, *(places[digest] for digest in step.inputs.values() if digest in places)]
        if used:
            inputs = [ids.node(node) for node in dict.fromkeys(used)]
            yield _relation(ids, f"inputs of {step.folder}", build, "hasInput", inputs)
        if step.makes:
            yield _relation(
                ids, f"output of {step.folder}", build, "hasOutput", [ids.node(step.makes)], complete=True
            )
