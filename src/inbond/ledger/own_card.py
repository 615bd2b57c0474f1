"""The block ``inbond`` of our own cards, read back: whom a model was taught by, in which roles, how much.

A card of a run names its teacher; ``export card`` lists all ancestors with their shares, but not the ways
that lead from them. So an ancestor is drawn as one with a hand in what the subject was trained on in a
stage, and further hops are lost. Local names are those of whoever wrote the card. Raises ValueError.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any, final, get_args

from inbond.errors import InputError
from inbond.ledger.declaration import TRAINING, Draft
from inbond.ledger.lineage import UNITS, NodeKind, Part, Unit
from inbond.ledger.scopes import Scope
from inbond.policy.foreign import Told, shown, strings
from inbond.types import Role, parse_model_name

_ROLES: tuple[Role, ...] = get_args(Role)
Object = Mapping[str, Any]


def draw(draft: Draft, subject: str, kind: NodeKind, told: Told, scope: Scope) -> set[str]:
    """Adds what the block says; gives the nodes of which it told how they were used."""
    block = told.values["inbond"]
    _teacher(draft, subject, block, told, scope)
    if "ancestors" not in block:
        return set()
    return _Ancestors(draft, subject, kind, told, scope).draw(block)


def _teacher(draft: Draft, subject: str, block: Object, told: Told, scope: Scope) -> None:
    named, edges = block.get("teacher"), strings(block.get("edges"))
    if named is None:
        return
    try:
        teacher = scope.foreign(str(parse_model_name(named if isinstance(named, str) else "")))
    except InputError as error:
        raise ValueError(f"inbond.teacher {shown(named)} is no model's name") from error
    channel = block.get("channel")
    draft.node(teacher, "model")
    if "outputs" in edges:
        data = draft.node(f"data:what {subject} was trained on", "data")
        channel = draft.text(channel, "a channel") if isinstance(channel, str) else None
        draft.edge(teacher, data, "generated", roles=("author",), channel=channel)
        draft.edge(data, subject, "trained-on", stage=TRAINING)
    if "weights" in edges:
        relation = "pruned" if "pruned" in strings(told.values.get("tags")) else "initialised"
        draft.edge(teacher, subject, "pruned" if relation == "pruned" else "initialised")


@final
class _Ancestors:
    """The list ``ancestors``."""

    def __init__(self, draft: Draft, subject: str, kind: NodeKind, told: Told, scope: Scope) -> None:
        self._draft = draft
        self._subject = subject
        self._kind = kind
        self._told = told
        self._scope = scope
        self._here: dict[str, str] = {}
        self._units: dict[str, dict[Unit, None]] = {}

    def draw(self, block: Object) -> set[str]:
        """Adds all of it."""
        items = _objects(block["ancestors"], "inbond.ancestors")
        target = str(block.get("target"))
        self._here[target] = self._subject
        for item in items:
            self._here[_text(item, "id")] = self._node(item)
            for share in _shares(item, target):
                self._units.setdefault(str(share.get("stage")), {})[_unit(share)] = None
        for item in items:
            self._ancestor(item, target)
        given = block.get("unknowns", [])
        for text in given if isinstance(given, list) else [given]:
            self._unknown(str(text))
        return {id_ for id_ in self._here.values() if id_ != self._subject}

    def _node(self, item: Object) -> str:
        name, kind = _text(item, "id"), item.get("kind")
        if kind not in ("model", "data"):
            raise ValueError(f"inbond.ancestors calls {shown(name)} {shown(kind)}")
        known = kind == "data" and name.removeprefix("data:") in self._told.datasets
        licence = item.get("licence")
        said = licence if isinstance(licence, str) and licence != "unknown" else None
        return self._draft.node(name if known else self._scope.foreign(name), kind, said)

    def _ancestor(self, item: Object, target: str) -> None:
        source, kind = self._here[_text(item, "id")], self._draft.nodes[self._here[_text(item, "id")]].kind
        hops = item.get("hops")
        read = f"{self._draft.read}, through {hops} hops" if isinstance(hops, int) and hops > 1 else ""
        values = {"read": read} if read else {}
        if kind == "model" and item.get("edge") == "weights" and self._kind == "model":
            self._draft.edge(source, self._subject, "initialised", **values)
        if kind == "model" and any(share.get("scored") for share in _shares(item, target)):
            self._draft.edge(source, self._subject, "scored", **values)
        hands = list(self._hands(item, target))
        for stage, role, parts in hands:
            data = self._data(stage)
            if kind == "data":
                self._draft.edge(source, data, "derived", parts=parts, **values)
            else:
                roles = (role,) if role else ()
                self._draft.edge(source, data, "generated", roles=roles, parts=parts, **values)
        if not hands and item.get("edge") == "outputs":
            relation = "derived" if kind == "data" else "generated"
            self._draft.edge(source, self._data(self._usual), relation, **values)  # type: ignore[arg-type]

    def _hands(self, item: Object, target: str) -> Iterator[tuple[str, Role | None, tuple[Part, ...]]]:
        """Stage, role and parts of what it had a hand in."""
        shares = _shares(item, target)
        roles = [role for role in _ROLES if role in strings(item.get("roles"))]
        stages = dict.fromkeys(str(share.get("stage")) for share in shares) or dict.fromkeys(
            [self._usual] if roles else []
        )
        for stage in stages:
            told = [share for share in shares if str(share.get("stage")) == stage]
            for role in (*roles,) or (None,):
                parts = (_part(share, role) for share in told)
                found = tuple(part for part in parts if part is not None)
                if found or role is None or not told:
                    yield stage, role, found

    @property
    def _usual(self) -> str:
        """The stage in which something had a hand of which the card does not say it: the only one, if so."""
        return next(iter(self._units)) if len(self._units) == 1 else TRAINING

    def _data(self, stage: str) -> str:
        """All that the subject was trained on in a stage; of data, itself."""
        if self._kind == "data":
            return self._subject
        stage = stage or TRAINING
        id_ = self._scope.of(f"data/what it was trained on in {stage}")
        if id_ not in self._draft.nodes:
            self._draft.node(id_, "data")
            parts = tuple(Part(unit, 1.0, stage) for unit in self._units.get(stage) or UNITS[:1])
            self._draft.edge(id_, self._subject, "trained-on", stage=stage, parts=parts)
        return id_

    def _unknown(self, text: str) -> None:
        about, colon, what = text.partition(": ")
        if colon and about in self._here:
            self._draft.unknown(self._here[about], renamed(what, self._here))
        else:
            self._draft.unknown(self._subject, renamed(text, self._here))


def _part(share: Object, role: Role | None) -> Part | None:
    roles = share.get("by_role")
    value = share.get("touched") if role is None else roles.get(role) if isinstance(roles, dict) else None
    if value is None:
        return None
    if not isinstance(value, int | float) or isinstance(value, bool) or not 0 <= value <= 1:
        raise ValueError(f"inbond.ancestors has a share of {shown(value)}")
    return Part(_unit(share), float(value))


def _shares(item: Object, target: str) -> list[Object]:
    """Its shares in what the card is about."""
    return [each for each in _objects(item.get("shares", []), "shares") if each.get("of") == target]


def _unit(share: Object) -> Unit:
    for unit in UNITS:
        if unit == share.get("unit"):
            return unit
    raise ValueError(f"inbond.ancestors has a share of {shown(share.get('unit'))}")


def is_asked_anyway(what: str) -> bool:
    """Whether a question is one that every trace asks of what is not complete."""
    return what.startswith("whether it was made from anything but ")


def renamed(text: str, here: Mapping[str, str]) -> str:
    """``text`` with the names that things have here."""
    others = sorted((name for name, id_ in here.items() if name and name != id_), key=len, reverse=True)
    if not others:
        return text
    found = re.compile(rf"(?<![\w/:.-])(?:{'|'.join(map(re.escape, others))})(?![\w/-])")
    return found.sub(lambda match: here[match[0]], text)


def _objects(value: Any, where: str) -> list[Object]:
    if not isinstance(value, list) or not all(isinstance(item, dict) for item in value):
        raise ValueError(f"{where} is no list of objects")
    return value


def _text(item: Object, field: str) -> str:
    value = item.get(field)
    if not isinstance(value, str) or not value:
        raise ValueError(f"inbond.ancestors has {shown(value)} as {field}")
    return value
