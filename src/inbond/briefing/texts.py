"""Markdown, plain text and the text of a PDF, as pieces of a document.

Markdown is read as CommonMark with tables; HTML within it is text and nothing else. A PDF is read by the text
that it holds: its pages are not looked at, so a scanned one has none.
"""

from __future__ import annotations

import io
import logging
import re
from collections.abc import Iterator, Sequence
from typing import Any, Final

from inbond.briefing.article import Article, Meta, article_of
from inbond.briefing.blocks import CELL, Kind, Piece, unwrapped
from inbond.errors import InputError, need_extra

MOST_PAGES: Final = 500
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
    """The article of a PDF's text. Raises InputError for one that is broken, locked, too long, or holds no
    text."""
    try:
        import pypdf
    except ImportError as error:
        raise need_extra("briefing", "pypdf") from error
    logging.getLogger("pypdf").setLevel(logging.ERROR)
    try:
        reader = pypdf.PdfReader(io.BytesIO(data))
        if reader.is_encrypted and not reader.decrypt(""):
            raise _bad(source, "one that is locked with a password", "unlock it, and save it without one")
        if len(reader.pages) > MOST_PAGES:
            raise _bad(source, f"{len(reader.pages):,} pages", f"give at most {MOST_PAGES} of them")
        pages = [page.extract_text() for page in reader.pages]
        title = str((reader.metadata or {}).get("/Title", "") or "")
        author = str((reader.metadata or {}).get("/Author", "") or "")
    except InputError:
        raise
    except Exception as error:  # a stranger's file: pypdf raises what its parser comes across
        raise _bad(source, f"one that cannot be read ({error!r:.100})", "save its text to a file") from error
    text = "\n\n".join(pages)
    if not text.strip():
        raise _bad(source, "pages without text: they may be pictures", "have the text recognised first")
    found = read_plain(text, url, source=source)
    meta = Meta(**{**found.meta.to_json(), "title": title or found.meta.title, "author": author})
    return article_of([Piece(each.kind, each.text, each.level) for each in found.blocks], meta, source=source)


def _bad(source: str, found: str, fix: str) -> InputError:
    return InputError(expected=f"a PDF with text in {source}", found=found, fix=fix)
