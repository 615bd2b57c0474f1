"""Lineage in SPDX 2.2 and 2.3 (JSON). Pure.

These know packages alone, and of most packages nobody would say that they are models: one is taken for a
model or data when it is of the Hub, or a descendant or an ancestor of one that is. Of how one package came
from another they say little: only ``DESCENDANT_OF`` and its inverse are edges, the rest are open questions.
Malformed input is a ValueError that names the place.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import final

from inbond.digest import Digest
from inbond.ledger.bom_parts import Object, as_objects, hub_page, hub_purl, sha_256, text_of
from inbond.ledger.declaration import Draft
from inbond.ledger.lineage import NodeKind
from inbond.ledger.scopes import Scope
from inbond.policy.foreign import shown

_VERSIONS = ("SPDX-2.2", "SPDX-2.3")
_DESCENT: Mapping[str, bool] = {"DESCENDANT_OF": True, "ANCESTOR_OF": False}
"""Whether the first of the two is what was made."""
_MADE: Mapping[str, bool] = {"GENERATED_FROM": True, "GENERATES": False}
_KIN = frozenset({*_DESCENT, *_MADE, "VARIANT_OF", "COPY_OF"})
_NO_LINEAGE = frozenset({"DESCRIBES", "DESCRIBED_BY", "TEST_OF", "CONTAINS", "CONTAINED_BY"})
_ELSEWHERE = ("NOASSERTION", "NONE", "DocumentRef-")


@final
class Spdx2:
    """One document."""

    def __init__(self, draft: Draft, values: Object, scope: Scope) -> None:
        self._draft = draft
        self._values = values
        self._scope = scope

    def read(self) -> str:
        """Adds all of it. Raises ValueError when nothing in it is known to be a model or data."""
        if self._values.get("spdxVersion") not in _VERSIONS:
            raise ValueError(
                f"spdxVersion is {shown(self._values.get('spdxVersion'))}, where {', '.join(_VERSIONS)} "
                "and SPDX 3.0 are read"
            )
        packages: dict[str, Object] = {}
        for package in as_objects(self._values.get("packages", []), "packages"):
            id_ = text_of(package, "SPDXID", "a package")
            if id_ is None or id_ in packages:
                raise ValueError("a package has no SPDXID" if id_ is None else f"{shown(id_)} is given twice")
            packages[id_] = package
        relationships = list(self._relationships(packages))
        kinds = _kinds(packages, relationships)
        if not kinds:
            raise ValueError(
                f"none of its {len(packages)} packages says that it is a model or data: none has a package "
                "URL or address of the Hub, and none descends from one that has"
            )
        nodes = {id_: self._node(packages[id_], kind) for id_, kind in kinds.items()}
        for first, type_, second in relationships:
            if first in nodes and second in nodes:
                self._relationship(nodes[first], type_, nodes[second])
        return ""

    def _relationships(self, packages: Mapping[str, Object]) -> Iterator[tuple[str, str, str]]:
        ids = {*packages, "SPDXRef-DOCUMENT"}
        for field in ("files", "snippets"):
            ids |= {str(item.get("SPDXID")) for item in as_objects(self._values.get(field, []), field)}
        for item in as_objects(self._values.get("relationships", []), "relationships"):
            type_ = str(item.get("relationshipType"))
            ends = str(item.get("spdxElementId")), str(item.get("relatedSpdxElement"))
            for end in ends:
                if end not in ids and not end.startswith(_ELSEWHERE):
                    raise ValueError(f"a relationship {type_} names {shown(end)}, which is not in it")
            yield ends[0], type_, ends[1]

    def _node(self, package: Object, kind: NodeKind) -> str:
        said = text_of(package, "licenseDeclared", "a package")
        licence = said if said not in ("NOASSERTION", "NONE") else None
        id_ = _hub_id(package, kind)
        if id_ is None:
            name = text_of(package, "name", "a package")
            if name is None:
                raise ValueError("a package has no name")
            version = text_of(package, "versionInfo", "a package")
            id_ = self._scope.of(name + (f"@{version}" if version else ""))
            if id_ in self._draft.nodes:
                raise ValueError(f"two packages are both called {name}")
        return self._draft.node(id_, kind, licence, _hashes(package))

    def _relationship(self, first: str, type_: str, second: str) -> None:
        if type_ in _NO_LINEAGE or first == second:
            return
        made_first = {**_DESCENT, **_MADE}.get(type_)
        if made_first is None:
            self._draft.unknown(first, f"what {self._draft.read} means by {type_} {second}")
            return
        source, target = (second, first) if made_first else (first, second)
        kinds = {self._draft.nodes[end].kind for end in (source, target)}
        if type_ in _MADE or len(kinds) > 1:
            self._draft.unknown(target, f"how it came from {source}: {self._draft.read} says {type_}")
        else:
            self._draft.edge(source, target, "initialised" if kinds == {"model"} else "derived")


def _kinds(packages: Mapping[str, Object], relationships: list[tuple[str, str, str]]) -> dict[str, NodeKind]:
    """Which packages are models or data: those of the Hub, and whatever is akin to one that is."""
    found: dict[str, NodeKind] = {}
    for id_, package in packages.items():
        for kind in ("model", "data"):
            if _hub_id(package, kind) is not None:
                found.setdefault(id_, kind)
    kin: dict[str, list[str]] = {}
    for first, type_, second in relationships if found else ():
        if type_ in _KIN and first in packages and second in packages:
            kin.setdefault(first, []).append(second)
            kin.setdefault(second, []).append(first)
    waiting = list(found)
    while waiting:
        id_ = waiting.pop()
        for other in kin.get(id_, ()):
            if other not in found:
                found[other] = found[id_]
                waiting.append(other)
    return found


def _hub_id(package: Object, kind: NodeKind) -> str | None:
    references = as_objects(package.get("externalRefs", []), "externalRefs")
    for reference in references:
        if reference.get("referenceType") == "purl":
            found = hub_purl(text_of(reference, "referenceLocator", "a package"), kind)
            if found is not None and kind == "model":
                return found
    return hub_page(text_of(package, "downloadLocation", "a package"), kind)


def _hashes(package: Object) -> Iterator[Digest]:
    for item in as_objects(package.get("checksums", []), "checksums"):
        found = sha_256(str(item.get("algorithm")), item.get("checksumValue"), "a package")
        if found is not None:
            yield found
