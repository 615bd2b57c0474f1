"""Which artifact a person means by a name: exact on its boundaries, and lenient only about dates. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterable

from inbond.ledger.lineage import Graph

_DATE = re.compile(
    r"(19|20)\d\d-(0[1-9]|1[0-2])-(0[1-9]|[12]\d|3[01])"
    r"|(19|20)\d\d(0[1-9]|1[0-2])(0[1-9]|[12]\d|3[01])"
    r"|(0[1-9]|1[0-2])(0[1-9]|[12]\d|3[01])"
    r"|2\d(0[1-9]|1[0-2])"
)
"""2024-08-06, 20240806, 0613 (month and day), 2407 (year and month)."""


def same_name(asked: str, id_: str) -> bool:
    """Whether a name that a person gives means the artifact ``id_``.

    A whole id, an id without its revision, or a bare name: the last part of the id, in any case, alone or
    with a date after it. gpt-4o means api:api.openai.com/gpt-4o-2024-08-06, and not gpt-4o-mini.
    """
    if asked == id_ or (asked and id_.startswith(f"{asked}@")):
        return True
    text = id_.partition(":")[2].partition("@")[0]
    wanted, slash = asked.casefold(), "/" in asked
    if ":" in asked:
        prefix, _, wanted = asked.partition(":")
        if not id_.startswith(f"{prefix}:"):
            return False
        slash = True
    names = {text.casefold()} if slash else {text.casefold(), re.split(r"[/#]", text)[-1].casefold()}
    return any(name == wanted or _is_dated(wanted, name) for name in names)


def _is_dated(bare: str, name: str) -> bool:
    rest = name.removeprefix(f"{bare}-")
    return bool(bare) and rest != name and _DATE.fullmatch(rest.removesuffix("-preview")) is not None


def matching(asked: str, graph: Graph, among: Iterable[str]) -> list[str]:
    """The ids among ``among`` that a person means by ``asked``, other names of theirs included."""
    others: dict[str, list[str]] = {}
    for name, id_ in graph.names.items():
        others.setdefault(id_, []).append(name)
    return [id_ for id_ in among if any(same_name(asked, name) for name in (id_, *others.get(id_, ())))]
