"""Markdown, plain text and the text of a PDF, as pieces of a document.

Markdown is read as CommonMark with tables; HTML within it is text and nothing else.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from typing import Any, Final

from inbond.briefing.article import Article, Meta, article_of
from inbond.briefing.blocks import CELL, Kind, Piece, unwrapped
from inbond.briefing.pdf import text_of
from inbond.errors import need_extra

_TOP: Final = re.compile(r"\A---\n(?:.*\n)*?---\n")
_MOST_HEADING: Final = 120


def read_markdown(text: str, url: str = "", *, source: str) -> Article:
    """The article of a Markdown text. Raises InputError for one without text."""
    try:
        from markdown_it import MarkdownIt
    except ImportError as error:
        raise need_extra("briefing", "markdown-it-py") from error
    text = _TOP.sub("", text.replace("\r\n", "\n"))
    tokens = MarkdownIt("commonmark", {"html": False}).enable("table").parse(text)
    return article_of(_pieces(tokens), Meta(url=url), source=source)


def _pieces(tokens: Sequence[Any]) -> Iterator[Piece]:
    kinds: list[tuple[Kind, int]] = []
    cells: list[str] = []
    for token in tokens:
        name = token.type.removesuffix("_open")
        if token.type == "heading_open":
            kinds.append(("heading", int(token.tag[1])))
        elif name in ("list_item", "blockquote") and token.nesting == 1:
            depth = sum(1 for kind, _ in kinds if kind == "item")
            kinds.append(("item", depth + 1) if name == "list_item" else ("quote", 0))
        elif token.type in ("heading_close", "list_item_close", "blockquote_close"):
            kinds.pop()
        elif token.type in ("fence", "code_block"):
            yield Piece("code", token.content)
        elif token.type == "tr_open":
            kinds.append(("row", 0))
        elif token.type == "tr_close":
            kinds.pop()
            yield Piece("row", CELL.join(cells))
            cells = []
        elif token.type == "inline":
            kind, level = kinds[-1] if kinds else ("paragraph", 0)
            if kind == "row":
                cells.append(_words(token))
            else:
                yield Piece(kind, _words(token), level)


def _words(token: Any) -> str:
    text = ""
    for child in token.children or ():
        if child.type == "code_inline":
            text += f"`{child.content}`" if "`" not in child.content else child.content
        elif child.type in ("softbreak", "hardbreak"):
            text += "\n"
        else:
            text += child.content
    return unwrapped(text)


def read_plain(text: str, url: str = "", *, source: str) -> Article:
    """The article of a plain text, whose paragraphs stand apart by empty lines; where none does, each line is
    one. A first short line without a full stop is the title. Raises InputError for one without text."""
    text = text.replace("\r\n", "\n").replace("\r", "\n").replace("\f", "\n\n")
    parts = [part for part in re.split(r"\n[^\S\n]*\n", text) if part.strip()]
    if len(parts) == 1:
        parts = [line for line in text.split("\n") if line.strip()]
    pieces = [Piece("paragraph", unwrapped(part)) for part in parts]
    if len(pieces) > 1 and _is_title(pieces[0].text):
        pieces[0] = Piece("heading", pieces[0].text, 1)
    return article_of(pieces, Meta(url=url), source=source)


def _is_title(text: str) -> bool:
    return len(text) <= _MOST_HEADING and not text.rstrip().endswith((".", "。", ":", "：", ",", "、", ";"))


def read_pdf(data: bytes, url: str = "", *, source: str) -> Article:
    """The article of a PDF's text. Raises as ``text_of``."""
    read = text_of(data, source=source)
    found = read_plain(read.text, url, source=source)
    meta = Meta(**{**found.meta.to_json(), "title": read.title or found.meta.title, "author": read.author})
    return article_of([Piece(each.kind, each.text, each.level) for each in found.blocks], meta, source=source)
