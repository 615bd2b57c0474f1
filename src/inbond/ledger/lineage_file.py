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

import json
import tomllib
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from inbond.digest import Digest
from inbond.errors import InputError
from inbond.ledger.declaration import Declared, Draft
from inbond.ledger.lineage import RELATIONS, NodeKind, Part, Relation, Unit
from inbond.ledger.parts import refuse_overfull
from inbond.types import Role

FORMAT = "inbond.lineage/1"
FORM = "lineage-file"


class _Strict(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)


class _Node(_Strict):
    id: Annotated[str, Field(pattern=r"^(hf|path|gguf|pypi|api|run|data|bom):\S")]
    kind: NodeKind
    licence: str | None = None
    digests: tuple[Annotated[str, Field(pattern=r"^sha256:[0-9a-f]{64}$")], ...] = ()
    complete: bool = False
    source: str = ""


class _Part(_Strict):
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


class _Edge(_Strict):
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


class _Unknown(_Strict):
    about: str
    what: str


class _File(_Strict):
    format: Literal["inbond.lineage/1"]
    title: str = ""
    node: tuple[_Node, ...] = ()
    edge: tuple[_Edge, ...] = ()
    unknown: tuple[_Unknown, ...] = ()


def parse(read: str, data: bytes, digest: Digest) -> Declared:
    """Reads a lineage file; one that begins with ``{`` is JSON. Raises InputError naming file and field."""
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
        draft.node(node.id, node.kind, node.licence, digests, complete=node.complete, source=node.source)
    for edge in file.edge:
        _check_kinds(read, edge, draft)
        draft.edge(
            edge.source,
            edge.target,
            edge.relation,
            roles=edge.roles,
            stage=draft.text(edge.stage, "a stage") if edge.stage else "",
            parts=tuple(Part(part.unit, part.part, edge.stage) for part in edge.parts),
            channel=edge.channel,
            read=draft.text(edge.read, "where it was read") if edge.read else read,
        )
    for item in file.unknown:
        if item.about not in draft.nodes:
            raise _missing(read, item.about, "an open question is about it")
        draft.unknown(item.about, draft.text(item.what, "an open question"))
    refuse_overfull(draft.edges, read)
    return draft.declared(FORM, "", digest)


def _values(read: str, data: bytes) -> Any:
    try:
        text = data.decode("utf-8-sig")
        return json.loads(text) if text.lstrip().startswith("{") else tomllib.loads(text)
    except (ValueError, RecursionError) as error:
        raise InputError(
            expected=f"TOML or JSON in UTF-8 in {read}",
            found=f"{error}"[:200],
            fix="correct the file at that place; docs/import.md shows one",
        ) from error


def _validated(read: str, values: Any) -> _File:
    try:
        return _File.model_validate(values)
    except ValidationError as error:
        first: Any = error.errors()[0]
        field = ".".join(str(part) for part in first["loc"]) or "format"
        more = f" (and {error.error_count() - 1} more)" if error.error_count() > 1 else ""
        raise InputError(
            expected=f"a lineage file of format {FORMAT} in {read}",
            found=f"{field}: {first['msg']}{more}",
            fix="correct that field; docs/import.md lists all fields",
        ) from error


_ENDS: dict[Relation, tuple[NodeKind, NodeKind]] = {
    "trained-on": ("data", "model"),
    "generated": ("model", "data"),
    "derived": ("data", "data"),
    "prompted": ("data", "data"),
    "scored": ("model", "model"),
}


def _check_kinds(read: str, edge: _Edge, draft: Draft) -> None:
    wanted = _ENDS.get(edge.relation, ("model", "model"))
    for end, kind in zip((edge.source, edge.target), wanted, strict=True):
        node = draft.nodes.get(end)
        if node is None:
            raise _missing(read, end, f"the edge {edge.source} -> {edge.target} names it")
        if node.kind != kind:
            raise InputError(
                expected=f"relation {edge.relation} to lead from {wanted[0]} to {wanted[1]} in {read}",
                found=f"{edge.source} -> {edge.target}, where {end} is {node.kind}",
                fix="correct the relation, or the node's kind",
            )


def _missing(read: str, id_: str, why: str) -> InputError:
    return InputError(
        expected=f"a node {id_} in {read}",
        found=f"none, though {why}",
        fix=f'add [[node]] id = "{id_}", or correct the name',
    )
