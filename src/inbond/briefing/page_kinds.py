"""What kind of page an HTML tree is: one article, a list of articles, or the open start of a paid one. Pure.

Both are told by signs that a reader would see as well. A list is many headlines that are links, and no text
of its own beside them. A page for subscribers says so: in its data for search engines, or in a short sentence
at the end of the text.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Sequence
from typing import Any, Final

from inbond.briefing.blocks import Piece, is_wide

_LEAST_HEADLINES: Final = 4
_LEAST_OWN: Final = 240
"""Letters of text of its own (wide ones count twice) that make a page an article, whatever it links to."""
_LEAST_PARAGRAPH: Final = 60
_LEAST_LINKS: Final = 12
_LEAST_LINK: Final = 24
_SPEAKS: Final = re.compile(
    r"subscribe (?:now )?to (?:continue|keep|read)"
    r"|(?:this|the rest of this) (?:article|story|content) is (?:only )?(?:for|available to) "
    r"(?:paying |paid )?(?:subscribers|members)"
    r"|(?:sign|log) in to (?:continue|read the full)|already a subscriber\?"
    r"|to (?:continue|keep) reading,? (?:please )?(?:subscribe|sign|log|become)"
    r"|become a (?:member|subscriber) to (?:read|continue)"
    r"|会員限定|有料会員|続きを読むには|残り\s*[\d,，]+\s*文字"
    r"|ログインして(?:続き|全文)|購読(?:すると|して)(?:続き|全文)|無料会員登録(?:すると|で)",
    re.I,
)
_MOST_SPOKEN: Final = 160
_WALL: Final = re.compile(
    r"(?:^|[-_\s])(?:pay-?wall|reg-?wall|subscriber-?only|premium-?content-?lock)", re.I
)


def lists_articles(tree: Any) -> bool:
    """Whether a page is a list of articles, with no text of its own that could be one."""
    body = tree.find("body")
    if body is None:
        return False
    links = {
        link.get("href"): _width(link.text_content())
        for link in body.iter("a")
        if link.get("href") and not _within(link, ("nav", "footer", "aside"))
    }
    headlines = _headlines(body)
    long_links = sum(1 for width in links.values() if width >= _LEAST_LINK)
    if len(headlines) < _LEAST_HEADLINES and long_links < _LEAST_LINKS:
        return False
    cards = [_card(headline, headlines) for headline in headlines]
    return _own_text(body, cards) < _LEAST_OWN


def _headlines(body: Any) -> list[Any]:
    """Headings that are links to elsewhere, or stand in one: one for each address."""
    found: dict[str, Any] = {}
    for level in ("h1", "h2", "h3", "h4"):
        for heading in body.iter(level):
            inner = [*heading.iter("a"), *heading.iterancestors("a")]
            address = next((link.get("href") for link in inner if link.get("href")), "#")
            if _within(heading, ("nav", "footer", "aside")):
                continue
            if not address.startswith("#") and heading.text_content().strip():
                found.setdefault(address, heading)
    return list(found.values())


def _card(headline: Any, headlines: list[Any]) -> Any:
    """The largest element around a headline in which no other one stands: its picture, date and teaser."""
    others = {each for each in headlines if each is not headline}
    card = headline
    for ancestor in headline.iterancestors():
        if ancestor.tag in ("body", "main", "html") or any(each in others for each in ancestor.iter()):
            break
        card = ancestor
    return card


def _own_text(body: Any, cards: list[Any]) -> int:
    """Width of the paragraphs that are in no card, and mostly no link."""
    inside = {element for card in cards for element in card.iter()}
    total = 0
    for element in body.iter("p", "blockquote", "pre", "dd", "td", "div", "section", "article", "li"):
        if element in inside or _within(element, ("nav", "footer", "aside", "header")):
            continue
        own = _width(_direct_text(element))
        if own >= _LEAST_PARAGRAPH:
            total += own
    return total


def _direct_text(element: Any) -> str:
    """Text of an element that stands in no block within it and in no link."""
    inline = ("span", "em", "strong", "b", "i", "code", "u", "s", "sub", "sup", "mark", "time", "br", "font")
    text = element.text or ""
    for child in element:
        if child.tag in inline:
            text += _direct_text(child)
        text += child.tail or ""
    return text


def is_for_subscribers(tree: Any) -> bool:
    """Whether a page says that it shows its beginning only."""
    return any(_says_paid(value) for value in _linked_data(tree)) or any(_spoken(tree))


def _linked_data(tree: Any) -> Iterator[Any]:
    for script in tree.iter("script"):
        if (script.get("type") or "").strip().lower() == "application/ld+json":
            try:
                yield json.loads(script.text or "")
            except (ValueError, RecursionError):
                continue


def _says_paid(value: Any, depth: int = 0) -> bool:
    """Whether linked data say of the page, not of others that it names, that it is not free."""
    if depth > 4:
        return False
    if isinstance(value, list):
        return any(_says_paid(each, depth + 1) for each in value)
    if not isinstance(value, dict):
        return False
    if str(value.get("isAccessibleForFree", "")).lower() == "false":
        return True
    return any(_says_paid(value[name], depth + 1) for name in ("@graph", "mainEntity") if name in value)


def _spoken(tree: Any) -> Iterator[bool]:
    for element in tree.iter("p", "div", "span", "a", "h2", "h3", "h4", "button", "strong", "section"):
        if _within(element, ("nav", "footer", "header")):
            continue
        text = " ".join(_direct_text(element).split())
        if 0 < len(text) <= _MOST_SPOKEN and _SPEAKS.search(text) and _is_the_end(element):
            yield True
        if _WALL.search(f"{element.get('class') or ''} {element.get('id') or ''}") and _SPEAKS.search(
            element.text_content()[:2000]
        ):
            yield True


def before_wall(pieces: Sequence[Piece]) -> list[Piece]:
    """What stands before the sentence that asks for a subscription."""
    speaks = (
        place
        for place, piece in enumerate(pieces)
        if len(piece.text) <= _MOST_SPOKEN
        and _SPEAKS.search(piece.text)
        and not any(_width(later.text) >= 2 * _LEAST_PARAGRAPH for later in pieces[place + 1 :])
    )
    return list(pieces[: next(speaks, len(pieces))])


def _is_the_end(element: Any) -> bool:
    """Whether no long paragraph follows in the same article: a sentence in its midst is only about walls."""
    rest = element.xpath("following::p[not(ancestor::aside or ancestor::footer)]")
    return not any(_width(_direct_text(each)) >= 2 * _LEAST_PARAGRAPH for each in rest[:40])


def _within(element: Any, tags: tuple[str, ...]) -> bool:
    return any(ancestor.tag in tags for ancestor in element.iterancestors())


def _width(text: str) -> int:
    return sum(2 if is_wide(letter) else 1 for letter in "".join(text.split()))
