"""A block's text as HTML that is safe to show, whoever wrote it. Pure.

Text becomes HTML in one way: what it says is escaped, code spans get their element, addresses become links,
and nh3 takes out whatever is not in a short list. No script, handler or style can be on it.
"""

from __future__ import annotations

import html
from typing import Final

from inbond.briefing.blocks import ADDRESS, CELL, CODE_SPAN, Block
from inbond.errors import need_extra

TAGS: Final = {"a", "blockquote", "br", "code", "li", "p", "pre", "td", "h2", "h3", "h4", "h5", "h6"}


def to_html(block: Block) -> str:
    """The element of one block; cells of a table's row without the row around them."""
    if block.kind == "code":
        return safe(f"<pre><code>{html.escape(block.text)}</code></pre>")
    if block.kind == "row":
        return safe_cells(block.text)
    tag = {"heading": f"h{min(6, max(2, block.level))}", "item": "li", "quote": "blockquote"}.get(
        block.kind, "p"
    )
    return safe(f"<{tag}>{inline(block.text)}</{tag}>")


def safe_cells(text: str) -> str:
    """The cells of a row: nh3 reads a table as a browser does, and drops cells without a table."""
    return "".join(f"<td>{safe(inline(cell))}</td>" for cell in text.split(CELL))


def escaped(text: str) -> str:
    """Text as HTML in which nothing is markup."""
    return html.escape(text)


def inline(text: str) -> str:
    """A line of text, escaped, with its code spans, links and broken lines."""
    parts, place = [], 0
    for span in CODE_SPAN.finditer(text):
        parts += [_linked(text[place : span.start()]), f"<code>{html.escape(span[2])}</code>"]
        place = span.end()
    return "".join([*parts, _linked(text[place:])]).replace("\n", "<br>")


def _linked(text: str) -> str:
    found, place = "", 0
    for link in ADDRESS.finditer(text):
        address = html.escape(link[0])
        found += html.escape(text[place : link.start()]) + f'<a href="{address}">{address}</a>'
        place = link.end()
    return found + html.escape(text[place:])


def safe(markup: str) -> str:
    """The markup without anything that is not in ``TAGS``, and no attribute but a link's address."""
    try:
        import nh3
    except ImportError as error:
        raise need_extra("briefing", "nh3") from error
    return nh3.clean(
        markup,
        tags=TAGS,
        attributes={"a": {"href"}},
        url_schemes={"http", "https"},
        link_rel="noopener noreferrer nofollow",
    )
