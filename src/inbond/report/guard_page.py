"""The guard's page: who is watched and why, with evidence over time, groups drawn, and appeals. Pure but for
reading our own templates."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from markupsafe import Markup

from inbond.report.blocks import LIMITS, Limits, Passage, Prepared, Table, Tile, table
from inbond.report.guard_curves import draw_curve
from inbond.report.guard_pictures import STYLES, draw_cluster
from inbond.report.guard_view import Drawn, View
from inbond.report.page import MOST_BYTES, render
from inbond.report.text import clip, language_of, visible

_MOST: Final = ((24, 8), (12, 4), (4, 2))
"""Accounts and groups with pictures, tried in order until the page is small enough."""


def render_guard_page(view: View, version: str) -> str:
    """The page as HTML, in UTF-8 always under 400 kB: long texts and lists are cut, and say so."""
    for limits, (entries, groups) in zip(LIMITS, _MOST, strict=True):
        page = render("guard.html.j2", context_of(view, limits, entries, groups), limits, version)
        if len(page.encode()) < MOST_BYTES:
            break
    return page


def context_of(view: View, limits: Limits, entries: int, groups: int) -> Mapping[str, Any]:
    """All that guard.html.j2 asks for; so many accounts and groups are drawn."""
    rows = view.rows[: limits.rows]
    anchors = {
        each.row.name: f"account-{number}" for number, each in enumerate(view.entries[:entries], start=1)
    }
    return {
        "view": view,
        "tiles": _tiles(view),
        "rows": rows,
        "rows_left_out": view.rows_left_out + len(view.rows) - len(rows),
        "anchors": anchors,
        "entries": [
            (each, draw_curve(anchors[each.row.name], each.curve) if each.curve is not None else None)
            for each in view.entries[:entries]
        ],
        "appeals": [(each, _passage(each.text, limits.sample)) for each in view.objections],
        "groups": [
            (each, _picture(each), draw_curve(each.anchor, each.curve) if each.curve is not None else None)
            for each in view.groups[:groups]
        ],
        "groups_left_out": view.groups_left_out + len(view.groups[groups:]),
        "sightings": view.sightings[:groups],
        "sightings_left_out": view.sightings_left_out + len(view.sightings[groups:]),
        "linked": {*anchors.values(), *(each.anchor for each in view.groups[:groups])},
        "tenants": tenant_table(view, limits.rows),
        "styles": tuple(enumerate(zip(STYLES, view.tiers, strict=True)))[1:],
    }


def tenant_table(view: View, most: int) -> Table:
    """The first ``most`` tenants."""
    rows = [
        (
            each.name,
            f"{each.accounts:,}",
            f"{each.requests:,}",
            f"{each.tier}, {view.tiers[each.tier]}"
            + (f"; {each.suspended:,} suspended" if each.suspended else ""),
            f"{each.past:,}",
            each.since,
        )
        for each in view.tenants[:most]
    ]
    heads = ("Tenant", "#Accounts", "#Requests", "Highest tier", "#Past tier 0", "Tier 2 since")
    found = table("Tenants, the highest tiers first", heads, rows, most, folds=True)
    return Table(found.caption, found.columns, found.rows, len(view.tenants) - len(rows), folds=True)


def _tiles(view: View) -> list[Tile]:
    counts = view.counts
    return [
        Tile("Suspended", f"{counts['suspended']:,}", "each signed by a person"),
        Tile("Suspension proposed", f"{counts['proposed']:,}", "tier 3: restricted, and a person is asked"),
        Tile("Restricted", f"{counts['restricted']:,}", "tier 2: steps that can be taken back"),
        Tile("Watched", f"{counts['watched']:,}", "tier 1: nothing changes for them"),
    ]


def _passage(text: str, limit: int) -> Passage:
    return Passage(Prepared(visible(clip(text, limit))), language_of(text), "It says nothing.")


def _picture(group: Drawn) -> Markup:
    title = f"{len(group.nodes)} of {group.size:,} {group.shared}"
    members = [(node.name, node.tier) for node in group.nodes]
    return draw_cluster(f"{group.anchor}-p", title, group.shared, members)
