"""SPDX licence expressions, read with the license-expression library.

``normalise`` turns what a card or a person wrote (``apache-2.0``) into the form that terms are filed
under (``Apache-2.0``). ``parse`` gives the small tree that the gate walks: an id, all of several, or
a choice of several. An id with an exception (``X WITH Y``) is one id of its own.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

MAX_LENGTH = 500
_REF = re.compile(r"(DocumentRef-[A-Za-z0-9.-]+:)?LicenseRef-[A-Za-z0-9.-]+")
_LATER = frozenset({"OpenMDW-1.0"})
"""Ids that SPDX has listed since the list that license-expression brings."""
OWN_WORK = "LicenseRef-inbond-own-work"
"""What ``own`` stands for, as the licence of data: a declaration that it is yours to train on."""


@dataclass(frozen=True)
class AllOf:
    """``X AND Y``: every part applies."""

    parts: tuple[Expression, ...]


@dataclass(frozen=True)
class AnyOf:
    """``X OR Y``: whoever uses the work chooses one part."""

    parts: tuple[Expression, ...]


Expression = str | AllOf | AnyOf


def normalise(text: str) -> str | None:
    """The expression in canonical spelling, or None when it is not a licence expression at all.

    An id that SPDX does not know stays as it was written: whether terms exist for it is the
    catalogue's business, and what has none is reviewed.
    """
    tree = _tree(text.strip())
    return None if tree is None else str(tree)


def of_data(text: str) -> str:
    """The licence of data as a person writes it: ``own``, or an expression. What is neither stays as
    it was written, so that the verdict can name it."""
    return OWN_WORK if text == "own" else normalise(text) or text


@lru_cache(maxsize=4096)
def parse(text: str) -> Expression | None:
    """The tree of an expression, or None when it cannot be read."""
    tree = _tree(text)
    return None if tree is None else _convert(tree)


def is_spdx(text: str) -> bool:
    """Whether others will take it for an SPDX expression: all its ids are SPDX's own, or LicenseRefs."""
    tree = _tree(text)
    if tree is None:
        return False
    unknown = set(_licensing().unknown_license_keys(tree)) - _LATER
    return all(_REF.fullmatch(key) for key in unknown)


def all_of_texts(texts: Sequence[str]) -> str | None:
    """One expression under which all of these apply; None for none."""
    named = {id_ for text in texts if " " in text for id_ in ids(parse(text) or text)}
    alone = [text for text in dict.fromkeys(texts) if " " in text or text not in named]
    if len(alone) < 2:
        return alone[0] if alone else None
    return normalise(" AND ".join(f"({text})" if " " in text else text for text in alone))


def is_listed(text: str) -> bool:
    """Whether a text is the id of one licence on SPDX's list or LicenseDB's, in capitals or not."""
    tree = _tree(text.strip())
    if tree is None or not getattr(tree, "key", None):
        return False
    return not _licensing().unknown_license_keys(tree) or text in _LATER


def is_choice(text: str) -> bool:
    """Whether an expression leaves a choice between licences anywhere."""

    def choice(expression: Expression | None) -> bool:
        if isinstance(expression, AllOf):
            return any(map(choice, expression.parts))
        return isinstance(expression, AnyOf)

    return choice(parse(text))


def ids(expression: Expression) -> tuple[str, ...]:
    """Every licence id in an expression, in order."""
    if isinstance(expression, str):
        return (expression,)
    return tuple(found for part in expression.parts for found in ids(part))


@lru_cache(maxsize=1)
def _licensing() -> Any:
    from license_expression import get_spdx_licensing

    return get_spdx_licensing()


def _tree(text: str) -> Any:
    from license_expression import ExpressionError

    if not text or len(text) > MAX_LENGTH:
        return None
    try:
        return _licensing().parse(text)
    except (ExpressionError, RecursionError):
        return None


def _convert(tree: Any) -> Expression:
    operator = getattr(tree, "operator", "").strip().upper()
    if operator == "AND":
        return AllOf(tuple(_convert(part) for part in tree.args))
    if operator == "OR":
        return AnyOf(tuple(_convert(part) for part in tree.args))
    return str(tree)
