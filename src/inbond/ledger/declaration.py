"""What others declare about lineage, as the ledger keeps it: event ``lineage.declared``.

The body is {form, read, place, subject, digest, graph}: which kind of file, how it is called, its whole path
or the id that the document has itself, what it is about, the digest of its bytes, and nodes, edges, unknowns
and other names as they were understood. A later event about the same place and subject takes the place of
the earlier one; ``lineage.withdrawn`` {form, place, subject} takes it away. All of it is evidence
``declared`` and stays so.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final, final

from inbond.digest import PREFIX, Digest, of_bytes
from inbond.errors import InputError
from inbond.ledger.events import Event
from inbond.ledger.lineage import RELATIONS, Edge, Graph, Node, NodeKind, Part, Relation, Unknown
from inbond.ledger.weaving import build
from inbond.policy import licences

DECLARED: Final = "lineage.declared"
WITHDRAWN: Final = "lineage.withdrawn"
TRAINING: Final = "training"
"""The stage of training of which a file says no more than that there was one."""

_NO_DIGESTS = frozenset({Digest(f"{PREFIX}{'0' * 64}"), Digest(f"{PREFIX}{'f' * 64}"), of_bytes(b"")})
"""What is written where nobody hashed anything."""

MOST_NODES, MOST_EDGES, MOST_UNKNOWNS, LONGEST = 1_000, 5_000, 1_000, 500
"""Bounds on what one file may declare; ``LONGEST`` is in characters of a single text."""


@final
@dataclass(frozen=True)
class Declared:
    """What one file says. ``read`` is how it is named, ``place`` its whole path or the document's own id,
    ``subject`` the node that it is about, '' for a file about many."""

    form: str
    read: str
    subject: str
    digest: Digest
    graph: Graph
    place: str = ""

    @property
    def key(self) -> tuple[str, str, str]:
        """What a later file has to agree in to take the place of this one."""
        return self.form, self.place or self.read, self.subject

    def withdrawal(self) -> dict[str, str]:
        """The body of the event that takes it away."""
        return dict(zip(("form", "place", "subject"), self.key, strict=True))

    def to_body(self) -> dict[str, Any]:
        """The event's body."""
        return {
            "form": self.form,
            "read": self.read,
            "place": self.place,
            "subject": self.subject,
            "digest": self.digest,
            "graph": self.graph.to_json(),
        }


def from_body(body: Mapping[str, Any]) -> Declared:
    """Reads an event's body. Raises KeyError, TypeError, ValueError, InputError when it is not one."""
    graph = body["graph"]
    nodes = [
        Node(
            item["id"], item["kind"], item["licence"], frozenset(item["digests"]), "declared", item["source"],
            item["complete"] is True,
        )
        for item in graph["nodes"]
    ]  # fmt: skip
    edges = [
        Edge(
            item["source"], item["target"], _relation(item["relation"]), tuple(item["roles"]), item["stage"],
            tuple(Part(**part) for part in item["parts"]), item["channel"], "declared", item["read"],
        )
        for item in graph["edges"]
    ]  # fmt: skip
    unknowns = [Unknown(**item) for item in graph["unknowns"]]
    names = {str(name): str(id_) for name, id_ in graph.get("names", {}).items()}
    known = build(nodes, edges, unknowns, names)
    place = body.get("place", "")
    return Declared(body["form"], body["read"], body["subject"], body["digest"], known, place)


def _relation(text: str) -> Relation:
    for relation in RELATIONS:
        if relation == text:
            return relation
    raise ValueError(f"relation {text!r:.40}")


def in_force(events: Iterable[Event]) -> list[Declared]:
    """What is declared now, of a whole ledger's events in order. Raises InputError for one that cannot be
    read: a newer version may have written it, and whether it was changed is for ``verify`` to say."""
    found: dict[tuple[str, str, str], Declared] = {}
    for event in events:
        if event.kind not in (DECLARED, WITHDRAWN):
            continue
        try:
            if event.kind == WITHDRAWN:
                found.pop((event.body["form"], event.body["place"], event.body["subject"]), None)
                continue
            item = from_body(event.body)
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            raise InputError(
                expected=f"{event.name} to hold a declared lineage that this version can read",
                found=f"{type(error).__name__}: {error}",
                fix="read it with the version of Inbond that wrote it, or a newer one",
            ) from error
        found[item.key] = item
    return list(found.values())


@final
@dataclass
class Draft:
    """Gathers what a file says, and bounds it: no reader of foreign files makes nodes or edges otherwise.

    ``read`` is how the file is named. Raises InputError when the file says too much, or a text is too long
    or holds control characters.
    """

    read: str
    nodes: dict[str, Node] = field(default_factory=dict)
    edges: list[Edge] = field(default_factory=list)
    unknowns: list[Unknown] = field(default_factory=list)
    joined: set[tuple[str, str]] = field(default_factory=set)

    def node(
        self,
        id_: str,
        kind: NodeKind,
        licence: str | None = None,
        digests: Iterable[Digest] = (),
        *,
        complete: bool = False,
        source: str = "",
    ) -> str:
        """Adds or fills in a node, and returns its id."""
        text = self.text(id_, "a name")
        known = self.nodes.get(text)
        if known is not None and known.kind != kind:
            raise InputError(
                expected=f"{text} to be one thing in {self.read}",
                found=f"it is called {known.kind} and {kind}",
                fix="correct the file",
            )
        if known is None and len(self.nodes) >= MOST_NODES:
            raise self._too_much(f"{MOST_NODES:,} models and data")
        said = licences.normalise(self.text(licence, "a licence")) or licence if licence else None
        told = frozenset(digests)
        if told & _NO_DIGESTS:
            self.unknown(text, f"which bytes it has: the SHA-256 that {self.read} gives is of none")
        self.nodes[text] = Node(
            text,
            kind,
            said or (known.licence if known else None),
            (told - _NO_DIGESTS) | (known.digests if known else frozenset()),
            "declared",
            self.text(source, "a source") if source else self.read,
            complete or (known is not None and known.complete),
        )
        return text

    def edge(self, source: str, target: str, relation: Relation, **values: Any) -> None:
        """Adds an edge between two nodes of the draft; ``values`` are further fields of ``Edge``. Raises
        InputError when they are one."""
        if len(self.edges) >= MOST_EDGES:
            raise self._too_much(f"{MOST_EDGES:,} edges")
        values.setdefault("read", self.read)
        if source == target:
            raise self._itself(source, source)
        self.edges.append(Edge(source, target, relation, **values))
        self.joined.add((source, target))

    def unknown(self, about: str, what: str) -> None:
        """Notes what the file leaves open."""
        if len(self.unknowns) >= MOST_UNKNOWNS:
            raise self._too_much(f"{MOST_UNKNOWNS:,} open questions")
        self.unknowns.append(Unknown(about, what[: 4 * LONGEST]))

    def text(self, value: str, what: str) -> str:
        """``value``, if it is a text that can stand in a sentence."""
        if value.strip() and len(value) <= LONGEST and value.isprintable():
            return value.strip()
        raise InputError(
            expected=f"{what} of 1 to {LONGEST} printable characters in {self.read}",
            found=f"{value!r:.80}" + (f" ({len(value):,} characters)" if len(value) > LONGEST else ""),
            fix="correct the file",
        )

    def declared(self, form: str, subject: str, digest: Digest, place: str = "") -> Declared:
        """The whole. Raises InputError as ``build``, and when the file says nothing of lineage, or gives one
        digest to two models that the Hub knows apart."""
        self._check_digests()
        graph = build(self.nodes.values(), self.edges, self.unknowns)
        for edge in self.edges:
            if graph.names.get(edge.source, edge.source) == graph.names.get(edge.target, edge.target):
                raise self._itself(edge.source, edge.target)
        if not graph.nodes:
            raise InputError(
                expected=f"models or data in {self.read}",
                found="none",
                fix="import a card, config.json, a GGUF file, a BOM or a lineage file that names some",
            )
        return Declared(form, self.read, graph.names.get(subject, subject), digest, graph, place)

    def _check_digests(self) -> None:
        first: dict[Digest, str] = {}
        for node in self.nodes.values():
            bare = node.id.partition("@")[0]
            for digest in node.digests if bare.startswith("hf:") else ():
                other = first.setdefault(digest, bare)
                if other != bare:
                    raise InputError(
                        expected=f"each SHA-256 under one of the Hub's names in {self.read}",
                        found=f"{digest} under {other} and {bare}",
                        fix="correct the digest of one of them, or leave it out",
                    )

    def _itself(self, source: str, target: str) -> InputError:
        same = "" if source == target else ", which are the same by their digests"
        return InputError(
            expected=f"a lineage in {self.read} in which nothing descends from itself",
            found=f"a cycle: {source} -> {target}{same}",
            fix="correct this edge, or the names at its ends",
        )

    def _too_much(self, bound: str) -> InputError:
        return InputError(expected=f"at most {bound} in {self.read}", found="more", fix="split the file")
