"""Lineage in SPDX 3.0 (JSON-LD): AI packages and data sets, and the relationships between them.

What Inbond wrote says more in annotations of JSON, ``inbond:node`` and ``inbond:edge``; it is taken at its
word, as declared, and its local names stay its own. Malformed input is a ValueError that names the place.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any, final
from urllib.parse import unquote

from inbond.digest import Digest
from inbond.ledger.bom_parts import (
    Object,
    all_of,
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

_MEANS: Mapping[str, tuple[Relation, bool]] = {
    "trainedOn": ("trained-on", True),
    "descendantOf": ("initialised", True),
    "ancestorOf": ("initialised", False),
    "generates": ("generated", False),
}
"""Relationship types with what they mean here, and whether ``from`` is what was made."""
_KINDS: Mapping[str, NodeKind] = {"ai_AIPackage": "model", "dataset_DatasetPackage": "data"}
_RELATIONSHIPS = ("Relationship", "LifecycleScopedRelationship")
_NO_LINEAGE = frozenset({"testedOn", "describes", "contains", "hasDeclaredLicense", "hasConcludedLicense"})
_LICENCES = "https://spdx.org/licenses/"
_ELSEWHERE = ("https://spdx.org/", "http://spdx.org/", "NoAssertion", "NoneElement", "expandedlicensing_No")
"""Beginnings of ids that need not be in the document."""
_OUR_NODE = re.compile(r"urn:uuid:[0-9a-f-]{36}#node-(.+)")
_NO_LICENCE = re.compile(r"No(Assertion|ne)")
_NOT_KNOWN = "not known: "


def document_id(values: Object) -> str | None:
    """The id of the document, when it has one."""
    graph = values.get("@graph")
    for element in graph if isinstance(graph, list) else ():
        if isinstance(element, dict) and _type(element) == "SpdxDocument":
            return text_of(element, "spdxId", "the document") or text_of(element, "@id", "the document")
    return None


@final
class Spdx3:
    """One document."""

    def __init__(self, draft: Draft, values: Object, scope: Scope) -> None:
        self._draft = draft
        self._scope = scope
        given = as_objects(values["@graph"], "@graph") if "@graph" in values else [values]
        self._elements = list(_whole(given))
        self._by_id: dict[str, str] = {}
        self._own: dict[str, str] = {}
        self._licences = _Licences(self._elements)

    def read(self) -> str:
        """Adds all of it. Which element the document is about is not always a model: ''."""
        nodes: dict[str, str] = {}
        for element in self._elements:
            kind = _KINDS.get(_type(element))
            if kind is not None:
                node = self._node(element, kind)
                if node in nodes:
                    raise ValueError(f"{shown(nodes[node])} and {shown(_id_of(element))} are both {node}")
                nodes[node] = _id_of(element)
                self._by_id[_id_of(element)] = node
        notes = [element for element in self._elements if _type(element) == "Annotation"]
        for note in notes:
            self._own_node(note)
        for note in notes:
            self._own_edge(note)
        ids = {_id_of(element) for element in self._elements}
        made: dict[str, list[str]] = {}
        for source, type_, target in self._relationships():
            for end in (source, target):
                if end not in ids and not end.startswith(_ELSEWHERE):
                    raise ValueError(f"a relationship {type_} names {shown(end)}, which is not in it")
            if type_ in ("hasInput", "hasOutput"):
                made.setdefault(f"{type_} {source}", []).append(target)
            else:
                self._relationship(source, type_, target)
        self._builds(made)
        for note in notes:
            self._own_question(note)
        return ""

    def _relationships(self) -> Iterator[tuple[str, str, str]]:
        for element in self._elements:
            if _type(element) in _RELATIONSHIPS:
                type_ = text_of(element, "relationshipType", "a relationship")
                source = element.get("from")
                if type_ is None or not isinstance(source, str):
                    raise ValueError(f"relationship {_id_of(element)} has no from or no relationshipType")
                for target in _targets(element):
                    yield source, type_, target

    def _node(self, element: Object, kind: NodeKind) -> str:
        id_, ours = _id_of(element), _OUR_NODE.fullmatch(_id_of(element))
        if ours:
            name = unquote(ours[1])
            self._own[name] = found = self._scope.foreign(name)
        else:
            found = self._name(element, kind)
        return self._draft.node(found, kind, self._licences.of(id_, found, self._draft), _hashes(element))

    def _name(self, element: Object, kind: NodeKind) -> str:
        purls = [text_of(element, "software_packageUrl", "a package")]
        identifiers = as_objects(element.get("externalIdentifier", []), "externalIdentifier")
        purls += [text_of(item, "identifier", "an identifier") for item in identifiers]
        page = hub_page(text_of(element, "software_downloadLocation", "a package"), kind)
        found = next((id_ for purl in purls if (id_ := hub_purl(purl, kind))), None) or page
        if found is not None:
            return found
        name = text_of(element, "name", "a package")
        if name is None:
            raise ValueError("a package has no name")
        version = text_of(element, "software_packageVersion", "a package")
        return self._scope.of(name + (f"@{version}" if version else ""))

    # What its words mean

    def _relationship(self, source: str, type_: str, target: str) -> None:
        first, second = self._by_id.get(source), self._by_id.get(target)
        if first is None or second is None or type_ in _NO_LINEAGE:
            return
        if self._own and not {(first, second), (second, first)}.isdisjoint(self._draft.joined):
            return
        if type_ not in _MEANS:
            self._draft.unknown(first, f"what {self._draft.read} means by {type_} {second}")
            return
        relation, made_first = _MEANS[type_]
        ends = (second, first) if made_first else (first, second)
        kinds = tuple(self._draft.nodes[end].kind for end in ends)
        if relation == "initialised" and kinds == ("data", "data"):
            relation = "derived"
        if kinds != ENDS[relation]:
            self._draft.unknown(ends[1], f"how it came from {ends[0]}: {self._draft.read} says {type_}")
            return
        self._draft.edge(*ends, relation, **({"stage": TRAINING} if relation == "trained-on" else {}))

    def _builds(self, made: Mapping[str, list[str]]) -> None:
        """What a build did with its inputs is not said."""
        for key, inputs in made.items():
            type_, _, build = key.partition(" ")
            outputs = made.get(f"hasOutput {build}", []) if type_ == "hasInput" else []
            for source, target in ((self._by_id.get(i), self._by_id.get(o)) for i in inputs for o in outputs):
                if source and target and source != target and not self._is_told(source, target):
                    what = f"what it has of {source}, an input of the build that {self._draft.read} describes"
                    self._draft.unknown(target, what)

    def _is_told(self, source: str, target: str) -> bool:
        return (source, target) in self._draft.joined or bool(self._own)

    # What Inbond wrote

    def _own_node(self, note: Object) -> None:
        told, node = _own(note, "inbond:node"), self._by_id.get(str(note.get("subject")))
        if told is None or node is None:
            return
        given = told.get("digests")
        if not isinstance(given, list):
            raise ValueError("inbond:node has no list of digests")
        digests = [sha_256("sha256", str(item).removeprefix("sha256:"), "inbond:node") for item in given]
        licence, source = text_of(told, "licence", "inbond:node"), text_of(told, "source", "inbond:node")
        self._draft.node(
            node,
            self._draft.nodes[node].kind,
            licence or self._draft.nodes[node].licence,
            [digest for digest in digests if digest],
            complete=told.get("complete") is True,
            source=f"{self._draft.read}: {source}"[:500] if source else "",
        )

    def _own_edge(self, note: Object) -> None:
        told = _own(note, "inbond:edge")
        if told is not None and str(note.get("subject")) in self._by_id:
            draw_edge(self._draft, told, self._own)

    def _own_question(self, note: Object) -> None:
        statement, node = note.get("statement"), self._by_id.get(str(note.get("subject")))
        if node is not None and self._own and isinstance(statement, str) and statement.startswith(_NOT_KNOWN):
            what = statement.removeprefix(_NOT_KNOWN)
            if not is_asked_anyway(what):
                self._draft.unknown(node, renamed(what, self._own))


def _own(note: Object, name: str) -> Object | None:
    """What an annotation of ours says."""
    statement = note.get("statement")
    if (
        note.get("contentType") != "application/json"
        or not isinstance(statement, str)
        or name not in statement
    ):
        return None
    told = json_object(statement.encode()).get(name)
    return None if told is None else as_object(told, name)


@final
class _Licences:
    """What is declared of each element, and concluded where nothing is. Several apply together."""

    def __init__(self, elements: list[Object]) -> None:
        self._by_id = {_id_of(element): element for element in elements}
        self._told: dict[str, dict[str, list[str]]] = {"hasDeclaredLicense": {}, "hasConcludedLicense": {}}
        for element in elements:
            kind = element.get("relationshipType")
            if isinstance(kind, str) and kind in self._told:
                self._told[kind].setdefault(str(element.get("from")), []).extend(_targets(element))

    def of(self, element: str, node: str, draft: Draft) -> str | None:
        """The expression; what cannot be read is an open question about ``node``."""
        said = []
        for id_ in next((told[element] for told in self._told.values() if element in told), []):
            text = self._text(id_, 8)
            if text is not None:
                said.append(text)
            elif not _NO_LICENCE.search(id_):
                draft.node(node, _KINDS[_type(self._by_id[element])])
                draft.unknown(node, f"which licence {draft.read} means by {shown(id_)}")
        return all_of(said)

    def _text(self, id_: str, depth: int) -> str | None:
        if id_.startswith((_LICENCES, _LICENCES.replace("https", "http"))):
            return id_.rpartition("/")[2].removesuffix(".html").removesuffix(".json")
        element = self._by_id.get(id_, {})
        for field in ("simplelicensing_licenseExpression", "name"):
            if isinstance(element.get(field), str) and element[field]:
                return str(element[field])
        members = element.get("expandedlicensing_member")
        if not isinstance(members, list) or not members or not depth:
            return None
        parts = [self._text(str(member), depth - 1) for member in members]
        word = " AND " if "Conjunctive" in _type(element) else " OR "
        return word.join(f"({part})" for part in parts if part) if all(parts) else None


def _whole(elements: list[Object]) -> Iterator[Object]:
    """All elements, those that stand inside others included."""
    for element in elements:
        yield element
        for field in ("to", "from"):
            inner = element.get(field)
            for item in inner if isinstance(inner, list) else [inner]:
                if isinstance(item, dict):
                    yield item


def _targets(element: Object) -> list[str]:
    given = element.get("to", [])
    return [
        _id_of(item) if isinstance(item, dict) else str(item)
        for item in (given if isinstance(given, list) else [given])
    ]


def _type(element: Object) -> str:
    return str(element.get("type", element.get("@type")))


def _id_of(element: Object) -> str:
    id_: Any = element.get("spdxId", element.get("@id"))
    if isinstance(id_, str):
        return id_
    if _type(element) == "CreationInfo":
        return ""
    raise ValueError("an element has no spdxId")


def _hashes(element: Object) -> Iterator[Digest]:
    for item in as_objects(element.get("verifiedUsing", []), "verifiedUsing"):
        if "hashValue" in item:
            found = sha_256(str(item.get("algorithm")), item["hashValue"], "a package")
            if found is not None:
                yield found
