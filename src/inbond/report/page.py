"""Renders the report as one self-contained HTML page. Pure but for reading our own templates.

All texts go through two doors that no template can forget: ``finalize`` makes control characters
visible and cuts what is too long, autoescape makes markup inert. The page has no script, its
Content-Security-Policy allows its own stylesheet by digest and nothing else.
"""

from __future__ import annotations

import base64
from collections.abc import Mapping
from typing import Any

from jinja2 import BaseLoader, ChoiceLoader, Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from inbond.digest import of_bytes, to_raw
from inbond.report.blocks import LIMITS, Limits, Prepared
from inbond.report.data import ReportData
from inbond.report.text import clip, columns, visible
from inbond.report.views import context_of

MOST_BYTES = 400_000


def render_page(data: ReportData) -> str:
    """The report as HTML, in UTF-8 always under 400 kB: long texts and tables are cut, and say so."""
    for limits in LIMITS:
        page = render("report.html.j2", context_of(data, limits), limits, data.inbond_version)
        if len(page.encode()) < MOST_BYTES:
            break
    return page


def render(template: str, context: Mapping[str, Any], limits: Limits, version: str, *styles: str) -> str:
    """One of our page templates, filled. ``context`` may hold any text; Markup in it is trusted. ``styles``
    name further stylesheets among our templates."""
    filling = environment(limits)
    further = "".join(_source(filling, style) for style in styles)
    style = picture_style() + _source(filling, "page.css") + further
    return filling.get_template(template).render(
        **context, style=Markup(style), style_hash=Markup(_csp_hash(style)), version=version
    )


def picture_style() -> str:
    """The stylesheet of a lineage's picture, with the colours that all pages share."""
    filling = environment(LIMITS[0])
    return _source(filling, "palette.css") + _source(filling, "picture.css")


def page_style() -> str:
    """The stylesheet of all pages, the picture's included."""
    return picture_style() + _source(environment(LIMITS[0]), "page.css")


def environment(limits: Limits, *further: BaseLoader) -> Environment:
    """What fills our templates, and those that ``further`` loaders find, through the two doors."""

    def finalize(value: object) -> object:
        if isinstance(value, Prepared) or hasattr(value, "__html__"):
            return value
        return visible(clip(value, limits.text)) if isinstance(value, str) else value

    made = Environment(
        loader=ChoiceLoader([PackageLoader("inbond.report", "templates"), *further]),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        finalize=finalize,
    )
    made.tests["short"] = _is_short
    return made


def _is_short(cell: object) -> bool:
    """Whether a table's cell may be kept on one line: seven of them fit beside one another."""
    text = cell.striptags() if isinstance(cell, Markup) else str(cell)
    return len(text) <= 40 and columns(visible(text)) <= 14


def _source(filling: Environment, name: str) -> str:
    assert filling.loader is not None, "the environment was made with one"
    return filling.loader.get_source(filling, name)[0]


def _csp_hash(style: str) -> str:
    return "sha256-" + base64.b64encode(to_raw(of_bytes(style.encode()))).decode()
