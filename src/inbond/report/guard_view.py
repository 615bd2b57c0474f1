"""What the page of the guard shows, as frozen values: no behaviour, no I/O. ``guard.overview`` fills them.

Every text is untrusted; whoever draws escapes. No prompt has a place here: none is kept anywhere.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import final

from inbond.report.data import Series
from inbond.report.picture import Tone


@final
@dataclass(frozen=True)
class Said:
    """A verdict's own words, apart: ``families`` are the names of what was ``seen``, which says too what
    would change it; ``shown`` is no evidence."""

    families: tuple[str, ...]
    seen: tuple[str, ...]
    unseen: tuple[str, ...]
    shown: tuple[str, ...]


@final
@dataclass(frozen=True)
class Curve:
    """Lines of one picture, with what is said of each; ``title`` names whose evidence it is, ``top`` the
    power of ten at which what is larger is drawn."""

    title: str
    top: int
    series: tuple[Series, ...]
    said: tuple[str, ...]


@final
@dataclass(frozen=True)
class Tenant:
    """``tier`` is the highest of its accounts', ``past`` how many are past tier 0; ``since`` when the first
    of them came to tier 2 or more."""

    name: str
    accounts: int
    requests: int
    tier: int
    past: int
    suspended: int
    since: str


@final
@dataclass(frozen=True)
class Entry:
    """What there is to say of one account. ``anchor`` is its id in the page; ``said`` of itself and of its
    strongest group, ``others`` of the rest of its groups."""

    anchor: str
    name: str
    tone: Tone
    standing: str
    facts: tuple[tuple[str, str], ...]
    said: Said
    others: Said
    steps: tuple[str, ...]
    curves: tuple[Curve, ...]
    moments: tuple[tuple[str, str], ...]
    commands: tuple[tuple[str, str], ...]


@final
@dataclass(frozen=True)
class Objection:
    """An appeal: who, what, how it stands, and how to answer it ("" where it is answered)."""

    id: str
    account: str
    text: str
    tone: Tone
    state: str
    at: str
    command: str


@final
@dataclass(frozen=True)
class Node:
    """A member of a group; ``anchor`` is "" where the page says no more of it."""

    name: str
    tier: int
    anchor: str


@final
@dataclass(frozen=True)
class Drawn:
    """A group: ``shared`` is what its members share, in words. ``nodes`` are drawn, ``more`` carry its tier
    and are not; ``quiet`` are in it and show nothing themselves."""

    id: str
    shared: str
    tone: Tone
    standing: str
    nodes: tuple[Node, ...]
    more: int
    quiet: int
    said: Said


@final
@dataclass(frozen=True)
class Sighting:
    """What another provider told of a group like the one here that is called ``cluster``. ``provider`` is who
    it says it is; ``accounts`` are those of the group here, each with its anchor ("" for none), and ``more``
    of them."""

    provider: str
    cluster: str
    facts: tuple[tuple[str, str], ...]
    accounts: tuple[tuple[str, str], ...]
    more: int


@final
@dataclass(frozen=True)
class View:
    """All that the page and the terminal show. ``*_left_out``: how many are not in the list before it;
    ``tiers`` the names of the tiers from 0, ``bounds`` what lawful traffic keeps, by family, and ``rate`` the
    false discovery rate."""

    sentence: str
    as_of: str
    counts: Mapping[str, int]
    objections: tuple[Objection, ...]
    objections_left_out: int
    tenants: tuple[Tenant, ...]
    entries: tuple[Entry, ...]
    entries_left_out: int
    clusters: tuple[Drawn, ...]
    clusters_left_out: int
    sightings: tuple[Sighting, ...]
    sightings_left_out: int
    only: str | None
    tiers: tuple[str, ...]
    bounds: tuple[tuple[str, str], ...]
    rate: str
