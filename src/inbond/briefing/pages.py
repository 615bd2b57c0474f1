"""An HTML page to an article: its main text as blocks, and what it says of itself.

trafilatura finds the main text. What comes before and after it is ours: what no reader sees is taken out
first, so that no script, style or hidden text can come along; code keeps its lines; a page that is a list of
articles is refused, and one that shows only its beginning is told.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import replace
from functools import lru_cache
from itertools import dropwhile
from typing import Any, Final

from inbond.briefing.article import Article, Meta, article_of, open_characters
from inbond.briefing.blocks import CELL, Kind, Piece, is_wide, unwrapped
from inbond.briefing.page_kinds import lists_articles
from inbond.briefing.signs import spell_out
from inbond.briefing.walls import before_wall, is_for_subscribers
from inbond.errors import InputError, need_extra

LEAST_EXTRACTED: Final = 60
LEAST_WIDE_EXTRACTED: Final = 30
"""Characters, of Chinese and Japanese, below which trafilatura looks for the text in other ways. Its own
default (250) takes the menus along with a short article."""
MOST_DEPTH: Final = 200
_MOST_SAID: Final = 1_000
"""Characters of what a page says of itself that are looked at: longer ones take trafilatura the
square of their length."""
_UNSEEN: Final = (
    *("style", "noscript", "template", "iframe", "object", "embed", "svg", "canvas", "audio", "video"),
    *("dialog", "select", "button", "script"),
)
_HIDDEN: Final = re.compile(r"display\s*:\s*none|visibility\s*:\s*hidden", re.I)
_INSTRUCTION: Final = re.compile(r"<\?[^>]*+>?")
_BETWEEN: Final = re.compile(r"[^\S\n]+")


def read_page(text: str, url: str = "", *, source: str) -> Article:
    """The article of an HTML page; ``url`` is where it was found, ``source`` what to call it in an error.
    Raises InputError for a list of articles, and for a page without text."""
    tree = _tree(text, source)
    meta = _meta(tree, url)
    if lists_articles(tree):
        raise InputError(
            expected="one article",
            found=f"{source}: this is a list of articles",
            fix="open one of the articles, and give its own address",
        )
    paid = is_for_subscribers(tree)
    _take_out_unseen(tree)
    struck = spell_out(tree)
    pieces = _pieces(tree, url)
    if paid:
        pieces = before_wall(pieces)
    struck_out = [f"words that the page strikes out are left out, {struck:,} times"] if struck else []
    article = article_of(pieces, meta, source=source, notices=struck_out)
    return replace(article, notices=(open_characters(article.blocks), *article.notices)) if paid else article


def _tree(text: str, source: str) -> Any:
    try:
        from lxml import etree, html
    except ImportError as error:
        raise need_extra("briefing", "trafilatura") from error
    # No page has instructions to a processor: that of an encoding is about bytes that are text by now, and
    # long ones take the parser the square of their length.
    text = _INSTRUCTION.sub("", text).replace("\x00", "")
    try:
        tree = html.document_fromstring(text, parser=html.HTMLParser(remove_comments=True, remove_pis=True))
    except (etree.LxmlError, ValueError, AssertionError) as error:
        raise InputError(
            expected="an HTML page", found=f"{source}, which is none", fix="open it in a browser, and save it"
        ) from error
    if _too_deep(tree):
        raise InputError(
            expected=f"a page whose parts are nested at most {MOST_DEPTH} deep",
            found=f"{source}, nested more deeply",
            fix="save its text to a file",
        )
    return tree


def _too_deep(tree: Any) -> bool:
    level, depth = [tree], 0
    while level:
        depth += 1
        if depth > MOST_DEPTH:
            return True
        level = [child for element in level for child in element]
    return False


def _take_out_unseen(tree: Any) -> None:
    """Takes out what no reader sees, in place."""
    gone = [
        element
        for element in tree.iter()
        if isinstance(element.tag, str) and element.getparent() is not None and _is_unseen(element)
    ]
    for element in gone:
        if element.getparent() is not None:
            element.drop_tree()
    for element in tree.iter("pre"):
        _as_code(element)


def _is_unseen(element: Any) -> bool:
    if element.tag in ("html", "body", "head", "title", "meta", "link"):
        return False
    hidden = element.get("hidden") is not None or element.get("aria-hidden") == "true"
    return element.tag in _UNSEEN or hidden or bool(_HIDDEN.search(element.get("style") or ""))


def _as_code(pre: Any) -> None:
    """Makes lines of code plain text in one ``code``: highlighters put each word in an element of its own,
    some each line, and numbers of lines beside them."""
    for element in list(pre.iter()):
        if element is not pre and re.search(
            r"(^|[-_\s])(ln|lineno|line-?numbers?)", element.get("class") or ""
        ):
            element.drop_tree()
    for line in pre.iter("br"):
        line.tail = "\n" + (line.tail or "")
    text = pre.text_content()
    for child in list(pre):
        pre.remove(child)
    pre.text = None
    code = pre.makeelement("code", {})
    code.text = text
    pre.append(code)


@lru_cache(maxsize=2)
def _config(least: int) -> Any:
    from trafilatura.settings import use_config

    config = use_config()
    config.set("DEFAULT", "MIN_EXTRACTED_SIZE", str(least))
    return config


def _meta(tree: Any, url: str) -> Meta:
    from trafilatura.metadata import extract_metadata

    for each in tree.xpath("//meta[@content]"):
        each.set("content", each.get("content")[:_MOST_SAID])
    found = extract_metadata(
        tree, default_url=url or None, date_config={"extensive_search": False, "original_date": True}
    )
    canonical = tree.xpath("string(//link[@rel='canonical']/@href)")
    return Meta(
        title=found.title or "",
        author=found.author or "",
        date=found.date or "",
        site=found.sitename or found.hostname or "",
        url=canonical if canonical.startswith(("http://", "https://")) else url,
        language=tree.get("lang") or tree.get("{http://www.w3.org/XML/1998/namespace}lang") or "",
    )


def _pieces(tree: Any, url: str) -> list[Piece]:
    from trafilatura import bare_extraction

    letters = [letter for letter in tree.text_content() if letter.isalpha()]
    wide = sum(1 for letter in letters if is_wide(letter))
    found = bare_extraction(
        tree,
        url=url or None,
        include_comments=False,
        include_tables=True,
        include_formatting=True,
        include_links=True,
        with_metadata=False,
        config=_config(LEAST_WIDE_EXTRACTED if wide > len(letters) / 4 else LEAST_EXTRACTED),
    )
    body = getattr(found, "body", None)
    return [] if body is None else list(_walk(body))


def _walk(body: Any) -> Iterator[Piece]:
    """The pieces of trafilatura's tree, whose elements are head, p, list, item, quote, code and table."""
    parts = list(dropwhile(_is_way_out, body))
    while parts and _is_way_out(parts[-1]):
        parts.pop()
    for element in parts:
        yield from _of(element)


_MOST_WAY_OUT: Final = 80


def _is_way_out(element: Any) -> bool:
    """Whether a part at either end of a text is nothing but links: the way to another page."""
    text = "".join("".join(element.itertext()).split())
    linked = "".join("".join("".join(link.itertext()) for link in element.iter("ref")).split())
    return element.tag in ("p", "table", "list", "ref") and len(text) <= _MOST_WAY_OUT and linked == text


def _of(element: Any, depth: int = 1) -> Iterator[Piece]:
    tag = element.tag
    if tag == "head":
        level = re.search(r"[1-6]", element.get("rend") or "")
        yield Piece("heading", _inline(element), int(level[0]) if level else 2)
    elif tag == "code":
        yield Piece("code", "".join(element.itertext()))
    elif tag == "list":
        for item in element:
            yield from _item(item, depth)
    elif tag == "table":
        for row in element.iter("row"):
            yield Piece("row", CELL.join(_inline(cell).replace("\n", " ") for cell in row.iter("cell")))
    elif tag == "quote":
        yield from _parts(element, "quote", 0, depth)
    elif isinstance(tag, str):
        yield from _parts(element, "paragraph", 0, depth)


def _item(item: Any, depth: int) -> Iterator[Piece]:
    yield from _parts(item, "item", depth, depth + 1)


_BLOCKS: Final = ("head", "p", "list", "item", "quote", "table")


def _parts(element: Any, kind: Kind, level: int, depth: int) -> Iterator[Piece]:
    """An element's own text, and the blocks that stand within it, in their order."""
    text = element.text or ""
    for child in element:
        if child.tag in _BLOCKS or (child.tag == "code" and "\n" in "".join(child.itertext()).strip()):
            yield Piece(kind, _flat(text), level)
            inner = child.tag == "p"
            yield from _parts(child, kind, level, depth) if inner else _of(child, depth)
            text = ""
        else:
            text += _span(child)
        text += child.tail or ""
    yield Piece(kind, _flat(text), level)


def _inline(element: Any) -> str:
    text = (element.text or "") + "".join(_span(child) + (child.tail or "") for child in element)
    return _flat(text)


_BREAK: Final = "\x01"
"""Stands for a line broken on purpose until white space is folded."""


def _span(element: Any) -> str:
    if element.tag == "lb":
        return _BREAK
    if element.tag == "code":
        inner = " ".join("".join(element.itertext()).split())
        return f"`{inner}`" if inner and "`" not in inner else inner
    return (element.text or "") + "".join(_span(child) + (child.tail or "") for child in element)


def _flat(text: str) -> str:
    return "\n".join(unwrapped(_BETWEEN.sub(" ", line)) for line in text.split(_BREAK)).strip()
