"""One page: Markdown in, its title, headings, links and HTML out. Pure.

Headings get the ids that code hosts give them, so that one link works in a checkout and on the site.
HTML in Markdown is shown as text: pages have none of their own.
"""

from __future__ import annotations

import copy
import posixpath
import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import final

from markdown_it import MarkdownIt
from markdown_it.token import Token

_ELSEWHERE = re.compile(r"[a-z][a-z0-9+.-]*:", re.I)
_FOLDS = 2
"""Columns from which a table folds on a phone."""
_SHORT = 24
"""Letters of code that stay on one line."""
_SPACES = re.compile(r"\s+")


@final
@dataclass(frozen=True)
class Part:
    """A heading and the words under it, up to the next. ``anchor`` is "" for what stands above the first."""

    level: int
    anchor: str
    heading: str
    words: str


@final
@dataclass(frozen=True)
class Page:
    """``path`` is posix, below the folder of pages. ``links`` are as they were written, but for those that
    lead to other sites."""

    path: str
    title: str
    parts: tuple[Part, ...]
    links: tuple[str, ...]
    tokens: tuple[Token, ...]

    @property
    def anchors(self) -> frozenset[str]:
        return frozenset(part.anchor for part in self.parts if part.anchor)

    @property
    def place(self) -> str:
        """Where its HTML lies in the site."""
        return self.path.removesuffix(".md") + ".html"

    def html(self, lead: Callable[[str], str]) -> str:
        """Its HTML; ``lead`` turns a link as it was written into one of the site."""
        tokens = copy.deepcopy(self.tokens)
        for token in _inside(tokens):
            name = {"link_open": "href", "image": "src"}.get(token.type)
            target = str(token.attrGet(name)) if name else ""
            if token.type == "code_inline" and len(token.content) <= _SHORT:
                token.attrSet("class", "short")
            if name and not _ELSEWHERE.match(target):
                token.attrSet(name, lead(target))
        found: str = _reader().renderer.render(_framed(tokens), _reader().options, {})
        return found


def read(path: str, text: str) -> Page:
    """Reads a page. Raises ValueError where it does not begin with a heading of the first level."""
    tokens = _reader().parse(text)
    parts = tuple(_parts(tokens))
    if not tokens or tokens[0].tag != "h1":
        raise ValueError(f"{path}: a page begins with one line '# Title'")
    links = [
        str(token.attrGet("href") or token.attrGet("src"))
        for token in _inside(tokens)
        if token.type in ("link_open", "image")
    ]
    here = tuple(link for link in links if not _ELSEWHERE.match(link))
    return Page(path, parts[0].heading, parts, here, tuple(tokens))


def resolve(path: str, link: str) -> tuple[str, str]:
    """A link on the page at ``path``: the path that it means, below the folder of pages, and its anchor."""
    target, _, anchor = link.partition("#")
    return posixpath.normpath(posixpath.join(posixpath.dirname(path), target)) if target else path, anchor


def relative(path: str, target: str) -> str:
    """How the page at ``path`` names ``target``; both below one folder."""
    return posixpath.relpath(target, posixpath.dirname(path) or ".")


def slug(heading: str, taken: Iterable[str] = ()) -> str:
    """The id of a heading, as code hosts make it: of two alike the second ends in -1."""
    base = re.sub(r"[^\w\- ]", "", heading.strip().lower()).replace(" ", "-")
    used, name, count = set(taken), base, 0
    while name in used:
        count += 1
        name = f"{base}-{count}"
    return name


def _reader() -> MarkdownIt:
    return MarkdownIt("commonmark", {"html": False}).enable("table")


def _inside(tokens: Sequence[Token]) -> Iterable[Token]:
    for token in tokens:
        yield token
        yield from _inside(token.children or ())


def _words(token: Token) -> str:
    """What a person reads of it."""
    if token.type == "inline":
        return "".join(map(_words, token.children or ()))
    if token.type in ("softbreak", "hardbreak"):
        return " "
    return token.content if token.type in ("text", "code_inline", "fence", "code_block", "image") else ""


def _parts(tokens: Sequence[Token]) -> Iterable[Part]:
    """Cuts a page at its headings, and gives these their ids."""
    level, anchor, heading, words = 1, "", "", list[str]()
    taken: list[str] = []
    for place, token in enumerate(tokens):
        if token.type == "heading_open":
            if heading or words:
                yield Part(level, anchor, heading, _SPACES.sub(" ", " ".join(words)).strip())
            level, heading, words = int(token.tag[1]), _words(tokens[place + 1]), []
            anchor = slug(heading, taken)
            taken.append(anchor)
            token.attrSet("id", anchor)
        elif token.type in ("inline", "fence", "code_block") and tokens[place - 1].type != "heading_open":
            words.append(_words(token))
    yield Part(level, anchor, heading, _SPACES.sub(" ", " ".join(words)).strip())


def _framed(tokens: Sequence[Token]) -> list[Token]:
    """Tables stand in a frame that scrolls by itself, so that a page never does sideways; of two columns or
    more they fold on a phone, each cell under the name of its column."""
    framed: list[Token] = []
    table, heads, column = None, list[str](), 0
    for place, token in enumerate(tokens):
        if token.type == "table_open":
            table, heads = token, []
            framed.append(
                Token("frame_open", "div", 1, attrs={"class": "scroller", "tabindex": "0"}, block=True)
            )
        elif token.type == "th_open":
            heads.append(_words(tokens[place + 1]))
        elif token.type == "thead_close" and table is not None and len(heads) >= _FOLDS:
            table.attrSet("class", "folds")
        elif token.type == "tr_open":
            column = 0
        elif token.type == "td_open":
            token.attrSet("data-label", heads[column])
            column += 1
        framed.append(token)
        if token.type == "table_close":
            framed.append(Token("frame_close", "div", -1, block=True))
    return framed
