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
    """A verdict's own words, apart: what was ``seen`` says too what would change it; ``shown`` is no
    evidence."""

    seen: tuple[str, ...]
    unseen: tuple[str, ...]
    shown: tuple[str, ...]


@final
@dataclass(frozen=True)
class Curve:
    """Evidence over time: (hour since ``began``, power of ten) by family, as it was recorded, with what is
    said of each; the last is the threshold. ``capped``: something is past ``top``, and drawn there."""

    title: str
    began: str
    ended: str
    top: int
    capped: bool
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
class Row:
    """An account in one line: how it ``stands`` in a word or two, a ``note`` on that, the evidence that was
    seen, and since when it stands so."""

    name: str
    tone: Tone
    stands: str
    note: str
    evidence: str
    since: str


@final
@dataclass(frozen=True)
class Link:
    """What is said elsewhere in the page, at ``anchor``; "" where it is not."""

    anchor: str
    words: str


@final
@dataclass(frozen=True)
class Entry:
    """What there is to say of one account beside its row; ``said`` and ``curve`` are of its own requests.
    ``decided_at``: the anchor of the group whose commands decide of it, "" where its own do."""

    row: Row
    facts: tuple[tuple[str, str], ...]
    said: Said
    groups: tuple[Link, ...]
    steps: tuple[str, ...]
    curve: Curve | None
    moments: tuple[tuple[str, str], ...]
    commands: tuple[tuple[str, str], ...]
    decided_at: str


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
    """A member of a group."""

    name: str
    tier: int
    stands: str


@final
@dataclass(frozen=True)
class Drawn:
    """A group: ``shared`` says in words what its members share. ``nodes`` are drawn, ``more`` carry its tier
    and are not; ``quiet`` are in it and show nothing themselves. ``commands`` decide of all members at once;
    none where there is nothing to decide, or a group before it has them."""

    anchor: str
    id: str
    shared: str
    tone: Tone
    standing: str
    nodes: tuple[Node, ...]
    more: int
    quiet: int
    said: Said
    curve: Curve | None
    commands: tuple[tuple[str, str], ...]

    @property
    def size(self) -> int:
        """How many accounts it has."""
        return len(self.nodes) + self.more + self.quiet


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
    """All that the page and the terminal show, the weightiest first. ``entries`` are of the first of the
    ``rows``; ``*_left_out``: how many are not in the list before it; ``tiers`` the names of the tiers from 0,
    ``bounds`` what lawful traffic keeps, by family, ``rate`` the false discovery rate, and ``options`` what
    commands are called with beside."""

    sentence: str
    as_of: str
    made: str
    counts: Mapping[str, int]
    rows: tuple[Row, ...]
    rows_left_out: int
    entries: tuple[Entry, ...]
    objections: tuple[Objection, ...]
    objections_left_out: int
    groups: tuple[Drawn, ...]
    groups_left_out: int
    sightings: tuple[Sighting, ...]
    sightings_left_out: int
    tenants: tuple[Tenant, ...]
    only: str | None
    tiers: tuple[str, ...]
    bounds: tuple[tuple[str, str], ...]
    rate: str
    options: str
