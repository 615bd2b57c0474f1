"""Lineage in CycloneDX (1.5 to 1.7, JSON): models and data, their pedigree, and what they were trained on.

A document that Inbond wrote says more, in properties ``inbond:``; it is taken at its word, as declared, and
its local names stay its own. Malformed input is a ValueError that names the place.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, final

from inbond.digest import Digest
from inbond.ledger.bom_parts import (
    Object,
    all_of,
    as_list,
    as_object,
    as_objects,
    hub_page,
    hub_purl,
    sha_256,
    text_of,
)
from inbond.ledger.declaration import TRAINING, Draft
from inbond.ledger.lineage import ENDS, NodeKind, Relation
from inbond.ledger.own_card import is_asked_anyway, renamed
from inbond.ledger.own_edges import draw_edge
from inbond.ledger.scopes import Scope
from inbond.policy.foreign import json_object, shown

_KINDS: Mapping[str, NodeKind] = {"machine-learning-model": "model", "data": "data"}
_VERSIONS = ("1.5", "1.6", "1.7")
_DEPTH = 20
_LINK = "urn:cdx:"
"""How refs into other documents begin."""


@final
class CycloneDX:
    """One document. Models and data are nodes; other components are not of interest."""

    def __init__(self, draft: Draft, values: Object, scope: Scope) -> None:
        self._draft = draft
        self._values = values
        self._scope = scope
        self._refs: dict[str, str] = {}
        self._by_node: dict[str, str] = {}
        self._found: list[tuple[str, Object]] = []
        self._own: dict[str, str] = {}

    def read(self) -> str:
        """Adds all of it, and returns the id of what it is about, '' when it does not say."""
        version = self._values.get("specVersion")
        if version not in _VERSIONS:
            raise ValueError(f"specVersion is {shown(version)}, where {', '.join(_VERSIONS)} are read")
        metadata = as_object(self._values.get("metadata", {}), "metadata")
        about = as_object(metadata.get("component", {}), "metadata.component")
        for component in [about, *as_objects(self._values.get("components", []), "components")]:
            self._add(component, _DEPTH)
        for node, component in list(self._found):
            self._own_words(node, component)
        for node, component in list(self._found):
            self._ancestry(node, component)
            self._training(node, component)
        subject = self._found[0][0] if self._found and self._found[0][1] is about else ""
        self._dependencies(subject)
        self._completeness()
        for text in _own(metadata, "unknown"):
            self._unknown(text, subject)
        return subject

    # Nodes

    def _add(self, component: Object, depth: int) -> None:
        if depth == 0:
            raise ValueError("components are nested too deeply")
        node = self._node(component)
        ref = text_of(component, "bom-ref", "a component")
        if node is not None:
            self._found.append((node, component))
            if ref is not None:
                self._refer(ref, node)
        for inner in as_objects(component.get("components", []), "components"):
            self._add(inner, depth - 1)

    def _refer(self, ref: str, node: str) -> None:
        other = self._refs.setdefault(ref, node)
        if other != node:
            raise ValueError(f"bom-ref {shown(ref)} stands for {other} and for {node}")
        first = self._by_node.setdefault(node, ref)
        if first != ref:
            raise ValueError(f"bom-refs {shown(first)} and {shown(ref)} both stand for {node}")

    def _node(self, component: Object, default: str | None = None) -> str | None:
        type_ = component.get("type", default)
        kind = _KINDS.get(type_) if isinstance(type_, str) else None
        if kind is None:
            return None
        id_ = self._id(component, kind)
        source = next(_own(component, "source"), "")
        return self._draft.node(
            id_,
            kind,
            _licence(component),
            _hashes(component),
            source=f"{self._draft.read}: {source}"[:500] if source else "",
        )

    def _id(self, component: Object, kind: NodeKind) -> str:
        """By what Inbond called it, its purl or its Hub address; else by its name in this document."""
        own = next(_own(component, "id"), None)
        if own is not None:
            self._own[own] = self._scope.foreign(own)
            return self._own[own]
        purl = text_of(component, "purl", "a component")
        pages = (
            text_of(reference, "url", "an external reference")
            for reference in as_objects(component.get("externalReferences", []), "externalReferences")
        )
        found = hub_purl(purl, kind) or next((id_ for url in pages if (id_ := hub_page(url, kind))), None)
        if found is not None:
            return found
        name = text_of(component, "name", "a component")
        if name is None:
            raise ValueError("a component has no name")
        group, version = (text_of(component, field, name) for field in ("group", "version"))
        return self._scope.of((f"{group}/" if group else "") + name + (f"@{version}" if version else ""))

    # Edges

    def _own_words(self, node: str, component: Object) -> None:
        for text in _own(component, "edge"):
            draw_edge(self._draft, json_object(text.encode()), self._own, node)

    def _ancestry(self, node: str, component: Object) -> None:
        pedigree = as_object(component.get("pedigree", {}), "pedigree")
        for field in ("ancestors", "descendants", "variants"):
            for other in as_objects(pedigree.get(field, []), f"pedigree.{field}"):
                self._relative(node, component, field, other)

    def _relative(self, node: str, component: Object, field: str, other: Object) -> None:
        own = next(_own(other, "ref"), None)
        if own in self._own:
            found: str | None = self._own[str(own)]
        else:
            found = self._node(other, str(component["type"]))
        if found is None:
            what = f"{shown(other.get('name'))} ({shown(other.get('type'))})"
            self._draft.unknown(node, f"what it has of {what}, which {self._draft.read} lists as {field}")
            return
        ends = (node, found) if field == "descendants" else (found, node)
        kinds = tuple(self._draft.nodes[end].kind for end in ends)
        relation: Relation = "initialised" if kinds == ("model", "model") else "derived"
        if ends in self._draft.joined:
            return
        if field == "variants" or kinds != ENDS[relation]:
            self._draft.unknown(
                node, f"how {found} is related to it, which {self._draft.read} lists as {field}"
            )
        else:
            self._draft.edge(*ends, relation)

    def _training(self, node: str, component: Object) -> None:
        card = as_object(component.get("modelCard", {}), "modelCard")
        parameters = as_object(card.get("modelParameters", {}), "modelParameters")
        for data in as_objects(parameters.get("datasets", []), "modelParameters.datasets"):
            source = self._data(data)
            kinds = self._draft.nodes[source].kind, self._draft.nodes[node].kind
            if kinds != ENDS["trained-on"]:
                raise ValueError(
                    f"modelParameters.datasets of {node} ({kinds[1]}) names {source} ({kinds[0]})"
                )
            if (source, node) not in self._draft.joined:
                self._draft.edge(source, node, "trained-on", stage=TRAINING)

    def _data(self, data: Object) -> str:
        ref = data.get("ref")
        if ref is None:
            contents = as_object(data.get("contents", {}), "contents")
            page = hub_page(text_of(contents, "url", "a data set"), "data")
            if page is not None:
                return self._draft.node(page, "data")
            return self._node({**data, "type": "data"}) or ""
        if not isinstance(ref, str) or ref not in self._refs:
            raise ValueError(f"modelParameters.datasets names {shown(ref)}, which is no component")
        return self._refs[ref]

    # What is left open

    def _dependencies(self, subject: str) -> None:
        """How it depends is not said, so that a dependency is an open question and no edge."""
        known = set(_refs(self._values))
        services = self._services()
        asked: set[str] = set()
        for item in as_objects(self._values.get("dependencies", []), "dependencies"):
            named = [item.get("ref"), *as_list(item.get("dependsOn", []), "dependsOn")]
            for ref in named:
                if not isinstance(ref, str) or not (ref in known or ref.startswith(_LINK)):
                    raise ValueError(f"dependencies name {shown(ref)}, which is not in it")
            target = self._refs.get(str(named[0]))
            for ref in named[1:] if target else ():
                source = self._refs.get(ref)
                if ref in services or ref.startswith(_LINK):
                    asked.add(ref)
                    self._depends(str(target), services.get(ref, shown(ref)))
                elif source and source != target and (source, str(target)) not in self._draft.joined:
                    self._depends(str(target), source)
        for ref in services.keys() - asked:
            about = subject or next(iter(self._draft.nodes), "")
            if about:
                self._draft.unknown(
                    about, f"what {services[ref]}, which {self._draft.read} lists, has to do with it"
                )

    def _depends(self, target: str, source: str) -> None:
        self._draft.unknown(target, f"how it depends on {source}, as {self._draft.read} says it does")

    def _services(self) -> dict[str, str]:
        """Services, such as a model behind an API, in words."""
        found = {}
        for number, item in enumerate(as_objects(self._values.get("services", []), "services")):
            where = as_list(item.get("endpoints", []), "endpoints")
            name = text_of(item, "name", "a service") or "without a name"
            at = f" ({', '.join(map(str, where[:2]))})" if where else ""
            found[text_of(item, "bom-ref", "a service") or f"service {number}"] = f"the service {name}{at}"
        return found

    def _completeness(self) -> None:
        """Of what Inbond wrote alone: others mean the parts of a program by it."""
        ours = {ref: node for ref, node in self._refs.items() if node in self._own.values()}
        for item in as_objects(self._values.get("compositions", []), "compositions"):
            for ref in item.get("dependencies", []) if item.get("aggregate") == "complete" else ():
                if ref in ours:
                    node = ours[ref]
                    self._draft.node(node, self._draft.nodes[node].kind, complete=True)

    def _unknown(self, text: str, subject: str) -> None:
        told = json_object(text.encode())
        about, what = self._own.get(str(told.get("about")), subject), str(told.get("what"))
        if about and not is_asked_anyway(what):
            self._draft.unknown(about, renamed(what, self._own))


def _own(item: Object, name: str) -> Iterator[str]:
    """The values of our property ``name``."""
    for each in as_objects(item.get("properties", []), "properties"):
        if each.get("name") == f"inbond:{name}":
            value = text_of(each, "value", f"property inbond:{name}")
            if value is not None:
                yield value


def _refs(values: Any) -> Iterator[str]:
    waiting = [values]
    while waiting:
        value = waiting.pop()
        if isinstance(value, list):
            waiting += value
        elif isinstance(value, dict):
            waiting += value.values()
            if isinstance(value.get("bom-ref"), str):
                yield value["bom-ref"]


def _licence(component: Object) -> str | None:
    said = []
    for choice in as_objects(component.get("licenses", []), "licenses"):
        licence = as_object(choice.get("license", {}), "license")
        text = text_of(choice, "expression", "a licence") or text_of(licence, "id", "a licence")
        text = text or text_of(licence, "name", "a licence")
        if text is None:
            raise ValueError("a licence has no id, no name and no expression")
        said.append(text)
    return all_of(said)


def _hashes(component: Object) -> list[Digest]:
    given = as_objects(component.get("hashes", []), "hashes")
    found = [sha_256(str(item.get("alg")), item.get("content"), "a component") for item in given]
    found += [
        sha_256("SHA-256", text.removeprefix("sha256:"), "a component") for text in _own(component, "digest")
    ]
    return [digest for digest in found if digest is not None]
