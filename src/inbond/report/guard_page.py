"""The guard's page: who is watched and why, with evidence over time, groups drawn, and appeals. Pure but for
reading our own templates."""

from __future__ import annotations

from typing import Final

from markupsafe import Markup

from inbond.report import lines
from inbond.report.blocks import LIMITS, Passage, Prepared, Table, Tile, table
from inbond.report.guard_pictures import STYLES, draw_cluster
from inbond.report.guard_view import Curve, Drawn, Entry, View
from inbond.report.page import MOST_BYTES, render
from inbond.report.text import clip, language_of, visible

_MOST: Final = ((24, 8), (12, 4), (4, 2))
"""Accounts and groups with pictures, tried in order until the page is small enough."""


def render_guard_page(view: View, version: str) -> str:
    """The page as HTML, in UTF-8 always under 400 kB: long texts and lists are cut, and say so."""
    for limits, (accounts, groups) in zip(LIMITS, _MOST, strict=True):
        tenants = tenant_table(view, limits.rows)
        context = {
            "view": view,
            "tiles": _tiles(view),
            "tenants": tenants,
            "appeals": [(each, _passage(each.text, limits.sample)) for each in view.objections],
            "entries": [(each, _charts(each)) for each in view.entries[:accounts]],
            "entries_left_out": view.entries_left_out + len(view.entries[accounts:]),
            "clusters": [
                (each, _picture(number, each)) for number, each in enumerate(view.clusters[:groups])
            ],
            "clusters_left_out": view.clusters_left_out + len(view.clusters[groups:]),
            "sightings": view.sightings[:groups],
            "sightings_left_out": view.sightings_left_out + len(view.sightings[groups:]),
            "linked": {each.anchor for each in view.entries[:accounts]},
            "styles": tuple(enumerate(zip(STYLES, view.tiers, strict=True)))[1:],
        }
        page = render("guard.html.j2", context, limits, version)
        if len(page.encode()) < MOST_BYTES:
            break
    return page


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
    heads = ("Tenant", "#Accounts", "#Requests", "Highest tier", "#Past tier 0", "Restricted since")
    found = table("Tenants, the highest tiers first", heads, rows, most, folds=True)
    return Table(found.caption, found.columns, found.rows, len(view.tenants) - len(rows), folds=True)


def _tiles(view: View) -> list[Tile]:
    counts = view.counts
    return [
        Tile("Watched", f"{counts['watched']:,}", "tier 1: nothing changes for them"),
        Tile("Restricted", f"{counts['restricted']:,}", "tier 2: steps that can be taken back"),
        Tile("Suspension proposed", f"{counts['proposed']:,}", "tier 3: restricted, and a person is asked"),
        Tile("Suspended", f"{counts['suspended']:,}", "each signed by a person"),
    ]


def _passage(text: str, limit: int) -> Passage:
    return Passage(Prepared(visible(clip(text, limit))), language_of(text), "It says nothing.")


def _charts(entry: Entry) -> list[tuple[str, Markup, list[tuple[str, str]]]]:
    """Each picture with its title and its legend."""
    return [_chart(f"{entry.anchor}-{number}", curve) for number, curve in enumerate(entry.curves)]


def _chart(ident: str, curve: Curve) -> tuple[str, Markup, list[tuple[str, str]]]:
    drawn = lines.lines_of(curve.series)
    title = f"{curve.title}: powers of ten of e-values, drawn up to {curve.top}"
    picture = lines.line_chart(ident, title, drawn, "hour")
    return curve.title, picture, [(line.style, said) for line, said in zip(drawn, curve.said, strict=True)]


def _picture(number: int, group: Drawn) -> Markup:
    title = f"{len(group.nodes)} of the accounts that share {group.shared}"
    return draw_cluster(f"group-{number}", title, group.shared, [(n.name, n.tier) for n in group.nodes])
