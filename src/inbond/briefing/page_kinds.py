"""Whether an HTML tree is one article or a list of them. Pure.

It is told by signs that a reader would see as well: a list is many headlines that are links, and no text of
its own beside them.
"""

from __future__ import annotations

from collections import Counter
from typing import Any, Final

from inbond.briefing.blocks import is_wide

_LEAST_HEADLINES: Final = 4
_LEAST_OWN: Final = 240
"""Letters of text of its own (wide ones count twice) that make a page an article, whatever it links to."""
LEAST_PARAGRAPH: Final = 60
_LEAST_LINKS: Final = 12
_LEAST_LINK: Final = 24
INLINE: Final = (
    "span",
    "em",
    "strong",
    "b",
    "i",
    "code",
    "u",
    "s",
    "sub",
    "sup",
    "mark",
    "time",
    "br",
    "font",
)


def lists_articles(tree: Any) -> bool:
    """Whether a page is a list of articles, with no text of its own that could be one."""
    body = tree.find("body")
    if body is None:
        return False
    links = {
        link.get("href"): width(link.text_content())
        for link in body.iter("a")
        if link.get("href") and not _within(link, ("nav", "footer", "aside"))
    }
    headlines = _headlines(body)
    long_links = sum(1 for width in links.values() if width >= _LEAST_LINK)
    if len(headlines) < _LEAST_HEADLINES and long_links < _LEAST_LINKS:
        return False
    return _own_text(body, _cards(headlines)) < _LEAST_OWN


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


def _cards(headlines: list[Any]) -> list[Any]:
    """For each headline the largest element around it in which no other stands: its picture, date, teaser."""
    held = Counter(each for headline in headlines for each in (headline, *headline.iterancestors()))
    cards = []
    for headline in headlines:
        card = headline
        for ancestor in headline.iterancestors():
            if ancestor.tag in ("body", "main", "html") or held[ancestor] > 1:
                break
            card = ancestor
        cards.append(card)
    return cards


def _own_text(body: Any, cards: list[Any]) -> int:
    """Width of the paragraphs that are in no card, and mostly no link."""
    inside = {element for card in cards for element in card.iter()}
    total = 0
    for element in body.iter("p", "blockquote", "pre", "dd", "td", "div", "section", "article", "li"):
        if element in inside or _within(element, ("nav", "footer", "aside", "header")):
            continue
        own = width(direct_text(element))
        if own >= LEAST_PARAGRAPH:
            total += own
    return total


def direct_text(element: Any) -> str:
    """Text of an element that stands in no block within it and in no link."""
    text = element.text or ""
    for child in element:
        if child.tag in INLINE:
            text += direct_text(child)
        text += child.tail or ""
    return text


def _within(element: Any, tags: tuple[str, ...]) -> bool:
    return any(ancestor.tag in tags for ancestor in element.iterancestors())


def width(text: str) -> int:
    """Letters of a text without white space, wide ones twice."""
    return sum(2 if is_wide(letter) else 1 for letter in "".join(text.split()))
