"""Reads lineage that a person wrote down: format ``inbond.lineage/1``, TOML or JSON (docs/import.md). Pure.

    format = "inbond.lineage/1"
    [[node]]
    id = "data:allenai/olmOCR-mix-0225"
    kind = "data"
    licence = "ODC-By-1.0"
    [[edge]]
    source = "api:api.openai.com/gpt-4o-2024-08-06"
    target = "data:allenai/olmOCR-mix-0225"
    relation = "generated"
    roles = ["transcriber"]
    parts = [{unit = "records", share = 1.0}]
    [[unknown]]
    about = "data:allenai/olmOCR-mix-0225"
    what = "who chose the pages"

Both ends of an edge must be nodes of the file: a name that nothing describes is refused, not invented.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated, Any, Literal

from pydantic import Field, ValidationError, model_validator

from inbond.digest import Digest
from inbond.errors import InputError
from inbond.ledger.declaration import Declared, Draft
from inbond.ledger.lineage import ENDS, RELATIONS, NodeKind, Part, Relation, Unit
from inbond.ledger.parts import refuse_overfull
from inbond.policy.strict import Strict, first_fault, values
from inbond.types import Role

FORMAT = "inbond.lineage/1"
FORM = "lineage-file"


class _Node(Strict):
    id: Annotated[str, Field(pattern=r"^(hf|path|gguf|pypi|api|run|data|bom):\S")]
    kind: NodeKind
    licence: str | None = None
    digests: tuple[Annotated[str, Field(pattern=r"^sha256:[0-9a-f]{64}$")], ...] = ()
    complete: bool = False
    source: str = ""


class _Part(Strict):
    """``share`` of the unit, or ``amount`` out of ``of``."""

    unit: Unit
    share: Annotated[float, Field(ge=0, le=1)] | None = None
    amount: Annotated[float, Field(ge=0)] | None = None
    of: Annotated[float, Field(gt=0)] | None = None

    @model_validator(mode="after")
    def _one_way(self) -> _Part:
        counted = self.amount is not None and self.of is not None
        if counted == (self.share is not None) or (self.amount is None) != (self.of is None):
            raise ValueError("give either share, or amount and of")
        if self.amount is not None and self.of is not None and self.amount > self.of:
            raise ValueError("amount is more than of, which it is a part of")
        return self

    @property
    def part(self) -> float:
        if self.amount is not None and self.of is not None:
            return self.amount / self.of
        assert self.share is not None, "validated"
        return self.share


class _Edge(Strict):
    source: str
    target: str
    relation: Relation
    roles: tuple[Role, ...] = ()
    stage: str = ""
    channel: str | None = None
    read: str = ""
    parts: tuple[_Part, ...] = ()

    @model_validator(mode="after")
    def _fits(self) -> _Edge:
        if self.roles and self.relation != "generated":
            raise ValueError("roles are for relation generated: what a model did when it made data")
        if self.relation == "trained-on" and not self.stage:
            raise ValueError("relation trained-on needs a stage, such as pretraining or SFT")
        if self.parts and RELATIONS[self.relation] == "weights":
            raise ValueError("parts are for data, not for weights")
        return self


class _Unknown(Strict):
    about: str
    what: str


class _File(Strict):
    format: Literal["inbond.lineage/1"]
    title: str = ""
    node: tuple[_Node, ...] = ()
    edge: tuple[_Edge, ...] = ()
    unknown: tuple[_Unknown, ...] = ()


def parse(
    read: str, data: bytes, digest: Digest, place: str = "", named: Callable[[str], str] = str
) -> Declared:
    """Reads a lineage file; one that begins with ``{`` is JSON. ``named`` gives the id of what the file calls
    so, or raises InputError. Raises InputError naming file and field."""
    file = _validated(read, _values(read, data))
    draft = Draft(read)
    seen: set[str] = set()
    for node in file.node:
        if node.id in seen:
            raise InputError(
                expected=f"each node once in {read}", found=f"{node.id} twice", fix="join the two"
            )
        seen.add(node.id)
        digests = [Digest(item) for item in node.digests]
        id_ = named(node.id)
        draft.node(id_, node.kind, node.licence, digests, complete=node.complete, source=node.source)
    for edge in file.edge:
        source, target = named(edge.source), named(edge.target)
        _check_kinds(read, edge, (source, target), draft)
        draft.edge(
            source,
            target,
            edge.relation,
            roles=edge.roles,
            stage=draft.text(edge.stage, "a stage") if edge.stage else "",
            parts=tuple(Part(part.unit, part.part, edge.stage) for part in edge.parts),
            channel=edge.channel,
            read=draft.text(edge.read, "where it was read") if edge.read else read,
        )
    for item in file.unknown:
        about = named(item.about)
        if about not in draft.nodes:
            raise _missing(read, item.about, "an open question is about it")
        draft.unknown(about, draft.text(item.what, "an open question"))
    refuse_overfull(draft.edges, read)
    return draft.declared(FORM, "", digest, place)


def _values(read: str, data: bytes) -> Any:
    try:
        return values(data)
    except (ValueError, RecursionError) as error:
        raise InputError(
            expected=f"TOML or JSON in UTF-8 in {read}",
            found=f"{error}"[:200],
            fix="correct the file at that place; docs/import.md shows one",
        ) from error


def _validated(read: str, told: Any) -> _File:
    try:
        return _File.model_validate(told)
    except ValidationError as error:
        raise InputError(
            expected=f"a lineage file of format {FORMAT} in {read}",
            found=first_fault(error),
            fix="correct that field; docs/import.md lists all fields",
        ) from error


def _check_kinds(read: str, edge: _Edge, ends: tuple[str, str], draft: Draft) -> None:
    wanted = ENDS[edge.relation]
    for end, called, kind in zip(ends, (edge.source, edge.target), wanted, strict=True):
        node = draft.nodes.get(end)
        if node is None:
            raise _missing(read, called, f"the edge {edge.source} -> {edge.target} names it")
        if node.kind != kind:
            raise InputError(
                expected=f"relation {edge.relation} to lead from {wanted[0]} to {wanted[1]} in {read}",
                found=f"{edge.source} -> {edge.target}, where {called} is {node.kind}",
                fix="correct the relation, or the node's kind",
            )


def _missing(read: str, id_: str, why: str) -> InputError:
    return InputError(
        expected=f"a node {id_} in {read}",
        found=f"none, though {why}",
        fix=f'add [[node]] id = "{id_}", or correct the name',
    )
