"""Lineage in bills of materials: CycloneDX (1.5 on) and SPDX (2.2, 2.3, 3.0) in JSON.

What a relationship does not say is not made up: that a component depends on a model is an open question,
not an edge. Malformed input is a ValueError that names the place.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Mapping, Sequence
from typing import Any
from urllib.parse import unquote

from inbond.digest import Digest
from inbond.ledger.cards import TRAINING
from inbond.ledger.declaration import Draft
from inbond.ledger.lineage import NodeKind, Relation

_PURL = re.compile(r"pkg:huggingface/([\w.-]+/[\w.-]+)(?:@([\w./-]+))?(?:[?#].*)?")
_HUB_URL = re.compile(r"https?://(?:huggingface\.co|hf\.co)/(datasets/)?([\w.-]+/[\w.-]+)/?")
_HEX = re.compile(r"[0-9a-f]{64}")
_MODEL, _DATA = "machine-learning-model", "data"
_DEPTH = 20

Object = Mapping[str, Any]


def is_bom(values: Object) -> bool:
    """Whether an object claims to be a BOM of a kind that is read here."""
    return values.get("bomFormat") == "CycloneDX" or "spdxVersion" in values or "@graph" in values


def read_bom(draft: Draft, values: Object) -> str:
    """Adds a BOM, and returns the id of what it is about, '' when it does not say."""
    if values.get("bomFormat") == "CycloneDX":
        return _CycloneDX(draft, values).read()
    if "spdxVersion" in values:
        return _spdx_2(draft, values)
    return _spdx_3(draft, values)


# CycloneDX ------------------------------------------------------------------------------------------


class _CycloneDX:
    """One document. Models and data are nodes by bom-ref; other components are not of interest."""

    def __init__(self, draft: Draft, values: Object) -> None:
        self._draft = draft
        self._values = values
        self._by_ref: dict[str, str] = {}
        self._models: list[tuple[str, Object]] = []

    def read(self) -> str:
        if not isinstance(self._values.get("specVersion"), str):
            raise ValueError("specVersion is missing")
        about = _object(
            _object(self._values.get("metadata", {}), "metadata").get("component", {}), "component"
        )
        for component in [about, *_objects(self._values.get("components", []), "components")]:
            self._add(component, _DEPTH)
        for node, component in self._models:
            self._model(node, component)
        self._dependencies()
        return self._node(about) or ""

    def _add(self, component: Object, depth: int) -> None:
        if depth == 0:
            raise ValueError("components are nested too deeply")
        self._node(component)
        for inner in _objects(component.get("components", []), "components"):
            self._add(inner, depth - 1)

    def _node(self, component: Object) -> str | None:
        type_ = component.get("type")
        if type_ not in (_MODEL, _DATA):
            return None
        kind: NodeKind = "model" if type_ == _MODEL else "data"
        id_ = _component_id(component, kind)
        known = id_ in self._draft.nodes
        self._draft.node(id_, kind, _cyclonedx_licence(component), _cyclonedx_hashes(component))
        ref = component.get("bom-ref")
        if isinstance(ref, str):
            other = self._by_ref.setdefault(ref, id_)
            if other != id_:
                raise ValueError(f"bom-ref {ref!r:.80} stands for {other} and for {id_}")
        if not known:
            self._models.append((id_, component))
        return id_

    def _model(self, node: str, component: Object) -> None:
        pedigree = _object(component.get("pedigree", {}), "pedigree")
        for ancestor in _objects(pedigree.get("ancestors", []), "pedigree.ancestors"):
            source = self._node({"type": component["type"], **ancestor})
            if source is not None:
                relation: Relation = "initialised" if component["type"] == _MODEL else "derived"
                self._draft.edge(source, node, relation)
        parameters = _object(
            _object(component.get("modelCard", {}), "modelCard").get("modelParameters", {}), "modelParameters"
        )
        for data in _objects(parameters.get("datasets", []), "modelParameters.datasets"):
            source = self._data(data)
            self._draft.edge(source, node, "trained-on", stage=TRAINING)

    def _data(self, data: Object) -> str:
        ref = data.get("ref")
        if ref is None:
            return self._node({**data, "type": _DATA}) or ""
        if not isinstance(ref, str) or ref not in self._by_ref:
            raise ValueError(f"modelParameters.datasets names {ref!r:.80}, which is no component")
        return self._by_ref[ref]

    def _dependencies(self) -> None:
        """How it depends is not said, so that a dependency is an open question and no edge."""
        joined = {(edge.source, edge.target) for edge in self._draft.edges}
        for item in _objects(self._values.get("dependencies", []), "dependencies"):
            target = self._by_ref.get(str(item.get("ref")))
            for ref in _list(item.get("dependsOn", []), "dependsOn"):
                source = self._by_ref.get(str(ref))
                if source and target and source != target and (source, target) not in joined:
                    self._draft.unknown(
                        target, f"how it depends on {source}, as {self._draft.read} says it does"
                    )


def _component_id(component: Object, kind: NodeKind) -> str:
    """By its purl or Hub address where it has one, else by its name in this BOM."""
    prefix = "hf:" if kind == "model" else "data:"
    purl = component.get("purl")
    match = _PURL.fullmatch(unquote(purl)) if isinstance(purl, str) else None
    if match:
        return f"{prefix}{match[1]}" + (f"@{match[2]}" if match[2] and kind == "model" else "")
    for reference in _objects(component.get("externalReferences", []), "externalReferences"):
        url = _HUB_URL.fullmatch(str(reference.get("url")))
        if url and bool(url[1]) == (kind == "data"):
            return f"{prefix}{url[2]}"
    name = component.get("name")
    if not isinstance(name, str) or not name:
        raise ValueError("a component has no name")
    group, version = component.get("group"), component.get("version")
    text = (f"{group}/" if isinstance(group, str) and group else "") + name
    text += f"@{version}" if isinstance(version, str) and version else ""
    return f"{'bom:' if kind == 'model' else 'data:'}{text}"


def _cyclonedx_licence(component: Object) -> str | None:
    said = []
    for choice in _objects(component.get("licenses", []), "licenses"):
        licence = _object(choice.get("license", {}), "license")
        text = choice.get("expression") or licence.get("id") or licence.get("name")
        if isinstance(text, str):
            said.append(text)
    return " AND ".join(f"({text})" for text in said) if len(said) > 1 else next(iter(said), None)


def _cyclonedx_hashes(component: Object) -> list[Digest]:
    return [
        Digest(f"sha256:{str(item.get('content')).lower()}")
        for item in _objects(component.get("hashes", []), "hashes")
        if item.get("alg") == "SHA-256" and _HEX.fullmatch(str(item.get("content")).lower())
    ]


# SPDX -----------------------------------------------------------------------------------------------


_SPDX: Mapping[str, tuple[Relation, bool]] = {
    "trainedOn": ("trained-on", True),
    "descendantOf": ("initialised", True),
    "generates": ("generated", False),
    "DESCENDANT_OF": ("initialised", True),
    "ANCESTOR_OF": ("initialised", False),
    "GENERATED_FROM": ("derived", True),
    "GENERATES": ("derived", False),
}
"""Relationship types with what they mean here, and whether ``from`` is what was made."""
_KINDS: Mapping[str, tuple[NodeKind, NodeKind]] = {
    "trained-on": ("data", "model"),
    "generated": ("model", "data"),
    "derived": ("data", "data"),
}
_SPDX_KINDS: Mapping[str, NodeKind] = {"ai_AIPackage": "model", "dataset_DatasetPackage": "data"}
_ELSEWHERE = ("NOASSERTION", "NONE", "DocumentRef-", "https://spdx.org/", "expandedlicensing_", "NoAssertion")
"""Beginnings of ids that need not be in the document."""
_NO_LINEAGE = frozenset(
    {"testedOn", "describes", "DESCRIBES", "DESCRIBED_BY", "TEST_OF", "contains", "CONTAINS"}
)
_SPDX_2: Mapping[str, tuple[Relation, bool]] = {
    "DESCENDANT_OF": ("initialised", True),
    "ANCESTOR_OF": ("initialised", False),
    "GENERATED_FROM": ("derived", True),
    "GENERATES": ("generated", False),
}


def _spdx_3(draft: Draft, values: Object) -> str:
    elements = _objects(values.get("@graph"), "@graph")
    licences = _spdx_3_licences(elements)
    by_id: dict[str, str] = {}
    for element in elements:
        type_ = element.get("type", element.get("@type"))
        kind = _SPDX_KINDS.get(str(type_))
        if kind is not None:
            by_id[_id_of(element)] = _spdx_node(draft, element, kind, licences.get(_id_of(element)))
    ids = {_id_of(element) for element in elements}
    for element in elements:
        if element.get("type", element.get("@type")) in ("Relationship", "LifecycleScopedRelationship"):
            for to in _list(element.get("to", []), "to"):
                ends = str(element.get("from")), str(to)
                _spdx_edge(draft, by_id, ids, ends, str(element.get("relationshipType")))
    return ""


def _spdx_3_licences(elements: Sequence[Object]) -> dict[str, str]:
    """The licence that is declared of each element, as an expression."""
    said = {
        _id_of(element): str(element.get("simplelicensing_licenseExpression"))
        for element in elements
        if "simplelicensing_licenseExpression" in element
    }
    found = {}
    for element in elements:
        if element.get("relationshipType") == "hasDeclaredLicense":
            for to in _list(element.get("to", []), "to"):
                if str(to) in said:
                    found[str(element.get("from"))] = said[str(to)]
    return found


def _id_of(element: Object) -> str:
    id_ = element.get("spdxId", element.get("@id"))
    if not isinstance(id_, str):
        if element.get("type") == "CreationInfo":
            return ""
        raise ValueError("an element has no spdxId")
    return id_


def _spdx_2(draft: Draft, values: Object) -> str:
    by_id: dict[str, str] = {}
    for package in _objects(values.get("packages", []), "packages"):
        id_ = package.get("SPDXID")
        if not isinstance(id_, str):
            raise ValueError("a package has no SPDXID")
        licence = package.get("licenseDeclared")
        said = licence if isinstance(licence, str) and licence not in ("NOASSERTION", "NONE") else None
        by_id[id_] = _spdx_node(draft, package, "model", said)
    ids = {*by_id, "SPDXRef-DOCUMENT", *(_ids_2(values, "files")), *(_ids_2(values, "snippets"))}
    for item in _objects(values.get("relationships", []), "relationships"):
        ends = str(item.get("spdxElementId")), str(item.get("relatedSpdxElement"))
        _spdx_edge(draft, by_id, ids, ends, str(item.get("relationshipType")))
    return ""


def _ids_2(values: Object, field: str) -> list[str]:
    return [str(item.get("SPDXID")) for item in _objects(values.get(field, []), field)]


def _spdx_node(draft: Draft, element: Object, kind: NodeKind, licence: str | None) -> str:
    purl = element.get("software_packageUrl", element.get("packageUrl"))
    for reference in _objects(element.get("externalRefs", []), "externalRefs"):
        if reference.get("referenceType") == "purl":
            purl = reference.get("referenceLocator")
    location = element.get("software_downloadLocation", element.get("downloadLocation"))
    component = {
        "name": element.get("name"),
        "version": element.get("software_packageVersion", element.get("versionInfo")),
        "purl": purl,
        "externalReferences": [{"url": location}] if isinstance(location, str) else [],
    }
    return draft.node(_component_id(component, kind), kind, licence, _spdx_hashes(element))


def _spdx_hashes(element: Object) -> Iterator[Digest]:
    for item in _objects(element.get("verifiedUsing", element.get("checksums", [])), "verifiedUsing"):
        algorithm = str(item.get("algorithm", "")).lower().rpartition("/")[2]
        value = str(item.get("hashValue", item.get("checksumValue"))).lower()
        if algorithm in ("sha256", "hashalgorithm-sha256") and _HEX.fullmatch(value):
            yield Digest(f"sha256:{value}")


def _spdx_edge(
    draft: Draft, by_id: Mapping[str, str], ids: Collection[str], ends: tuple[str, str], type_: str
) -> None:
    for end in ends:
        if end not in ids and not end.startswith(_ELSEWHERE):
            raise ValueError(f"a relationship {type_} names {end!r:.80}, which is not in it")
    first, second = (by_id.get(end) for end in ends)
    if first is None or second is None or type_ in _NO_LINEAGE:
        return
    if type_ not in _SPDX:
        draft.unknown(first, f"what {draft.read} means by {type_} {second}")
        return
    relation, made_first = _SPDX[type_]
    source, target = (second, first) if made_first else (first, second)
    kinds = draft.nodes[source].kind, draft.nodes[target].kind
    # Up to SPDX 2.3 all packages are of one kind, so that data cannot be told from models.
    fits: Mapping[tuple[NodeKind, NodeKind], Relation] = {
        ("data", "data"): "derived" if relation in ("initialised", "derived") else relation,
        ("model", "model"): "initialised" if relation == "derived" else relation,
    }
    relation = fits.get(kinds, relation)
    if kinds != _KINDS.get(relation, ("model", "model")):
        draft.unknown(target, f"how it came from {source}: {draft.read} says {type_}")
        return
    draft.edge(source, target, relation, **({"stage": TRAINING} if relation == "trained-on" else {}))


# Plain values ---------------------------------------------------------------------------------------


def _object(value: Any, where: str) -> Object:
    if not isinstance(value, dict):
        raise ValueError(f"{where} is no object")
    return value


def _list(value: Any, where: str) -> Sequence[Any]:
    if not isinstance(value, list):
        raise ValueError(f"{where} is no list")
    return value


def _objects(value: Any, where: str) -> list[Object]:
    return [_object(item, f"{where}[{number}]") for number, item in enumerate(_list(value, where))]
