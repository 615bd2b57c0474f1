"""What the licence that a source declares means for showing its full translation to others. Pure.

A translation is a derivative work in most laws. So it is private unless the source's licence, as whoever
makes the briefing declared it, is one of those listed here as allowing derivative works. That the declaration
is true is not looked into.
"""

from __future__ import annotations

from typing import Final, Literal

from inbond.errors import InputError
from inbond.policy import licences
from inbond.policy.licences import AllOf, AnyOf, Expression

Sharing = Literal["private", "forbidden", "non-commercial", "attributed", "free"]
"""From the least to the most: not known to be allowed; not allowed; allowed without profit; with the author's
name and the licence's own conditions; without any."""
_ORDER: Final[tuple[Sharing, ...]] = ("forbidden", "private", "non-commercial", "attributed", "free")
_FREE: Final = ("CC0-1.0", "Unlicense", "PDDL-1.0", "0BSD", licences.OWN_WORK)
_ATTRIBUTED: Final = ("MIT", "Apache-2.0", "ODC-By-1.0", "OGL-UK-3.0", "GFDL-1.3-only", "GFDL-1.3-or-later")


def checked(text: str) -> str:
    """The declared licence in SPDX's spelling, ``own`` for the maker's own text; "" for none. Raises
    InputError."""
    if not text:
        return ""
    found = licences.OWN_WORK if text == "own" else licences.normalise(text)
    if found is None or not licences.is_spdx(found):
        raise InputError(
            expected="--licence with an SPDX expression, or own for a text of your own",
            found=repr(text[:80]),
            fix="for example CC-BY-4.0; leave it out where the source declares none",
        )
    return found


def sharing(licence: str) -> Sharing:
    """What a declared licence allows of a translation."""
    tree = licences.parse(licence) if licence else None
    return "private" if tree is None else _of(tree)


def _of(tree: Expression) -> Sharing:
    if isinstance(tree, AllOf | AnyOf):
        found = sorted(map(_of, tree.parts), key=_ORDER.index)
        return found[0] if isinstance(tree, AllOf) else found[-1]
    if tree in _FREE:
        return "free"
    if tree in _ATTRIBUTED:
        return "attributed"
    parts = tree.split("-")
    if parts[:2] != ["CC", "BY"]:
        return "private"
    if "ND" in parts:
        return "forbidden"
    return "non-commercial" if "NC" in parts else "attributed"
