"""The page of a suspect's report: read without scripts, on a phone too. Pure but for reading our own
templates."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from inbond.forensics.report import digest_of
from inbond.report.blocks import LIMITS, table
from inbond.report.forensics_view import rows, view
from inbond.report.page import MOST_BYTES, render

_HEADS = ("What was asked", "Outcome", "#p after Holm", "#Size")


def render_forensics_page(report: Mapping[str, Any], version: str) -> str:
    """The page as HTML, in UTF-8 always under 400 kB: long texts and lists are cut, and say so."""
    shown = view(report, digest_of(report))
    for limits in LIMITS:
        kept = shown.entries[: limits.rows]
        glance = table("The findings at a glance", _HEADS, rows(shown.entries), limits.rows, folds=True)
        context = {
            "view": shown,
            "glance": glance,
            "entries": kept,
            "entries_left_out": len(shown.entries) - len(kept),
        }
        page = render("forensics.html.j2", context, limits, version)
        if len(page.encode()) < MOST_BYTES:
            break
    return page
