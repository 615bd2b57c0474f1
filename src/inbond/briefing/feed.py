"""Days of briefings as one Atom feed (RFC 4287). Pure: the same days give the same bytes.

In it are titles, one sentence each, key points, tags and links to the articles; no translation, no original
text, no opinion but the score, which is said to be one. The author of every entry is the model that wrote it,
named as a machine.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final
from urllib.parse import quote
from xml.etree import ElementTree
from xml.etree.ElementTree import Element, SubElement

from inbond import __version__
from inbond.briefing.day import Day, Entry, urn
from inbond.report.text import one_line, visible

ATOM: Final = "http://www.w3.org/2005/Atom"
XHTML: Final = "http://www.w3.org/1999/xhtml"
MOST: Final = 500
"""Entries; the newest days come first."""
MACHINE: Final = "machine-written"
_RIGHTS: Final = (
    "Titles, summaries and key points were written by a machine from the linked articles, whose rights stay "
    "with their owners. No licence to the articles is given."
)
_POINTS: Final = {"en": "Key points", "ja": "要点"}
_SCORE: Final = {
    "en": "Score {score} of 5: a machine's opinion ({model}), not fact.",
    "ja": "スコア {score}／5：機械（{model}）の意見であり、事実ではありません。",
}
_BY: Final = {
    "en": "Written by a machine ({model}).",
    "ja": "機械（{model}）が書いたものです。",
}
_SOURCES: Final = {"en": "Articles", "ja": "元の記事"}


def feed_of(days: Sequence[Day], title: str) -> bytes:
    """The feed of these days, at least one, as UTF-8: the newest day first, each day's entries as there."""
    newest = sorted(days, key=lambda day: (day.day, day.id), reverse=True)
    shown = [(day, entry) for day in newest for entry in day.entries][:MOST]
    root = Element("feed", {"xmlns": ATOM, "xml:lang": newest[0].language})
    _text(root, "id", newest[0].id if len(newest) == 1 else urn("feed", newest[-1].id))
    _text(root, "title", one_line(title))
    _text(root, "updated", max(day.updated for day in newest))
    _text(root, "generator", "Inbond", version=__version__)
    _text(root, "rights", _RIGHTS)
    for model in sorted({entry.model for _, entry in shown}):
        _author(root, model)
    for day, entry in shown:
        _entry(root, entry, day.language)
    ElementTree.indent(root, " ")
    data: bytes = ElementTree.tostring(root, "utf-8", xml_declaration=True)
    return data + b"\n"


def _entry(root: Element, entry: Entry, language: str) -> None:
    node = SubElement(root, "entry")
    _text(node, "id", entry.id)
    _text(node, "title", one_line(entry.title))
    _text(node, "published", entry.published)
    _text(node, "updated", entry.updated)
    _author(node, entry.model)
    for place, source in enumerate([each for each in entry.sources if each.url]):
        known = {"hreflang": source.language} if source.language else {}
        title = {"title": one_line(source.title)} if source.title else {}
        rel = "related" if place else "alternate"
        SubElement(node, "link", {"rel": rel, "href": _iri(source.url), **known, **title})
    for tag in entry.tags:
        SubElement(node, "category", {"term": one_line(tag)})
    if entry.summary:
        _text(node, "summary", one_line(entry.summary))
    content = _text(node, "content", "", type="xhtml")
    _content(SubElement(content, "div", {"xmlns": XHTML}), entry, _known(language))


def _content(div: Element, entry: Entry, language: str) -> None:
    if entry.summary:
        _html(div, "p", entry.summary)
    if entry.points:
        _html(div, "h3", _POINTS[language])
        items = _html(div, "ul")
        for point in entry.points:
            item = _html(items, "li")
            strong = _html(item, "strong", point.heading)
            strong.tail = f" {one_line(point.sentence)}"
    if entry.score:
        _html(div, "p", _SCORE[language].format(score=entry.score, model=entry.model))
    _html(div, "p", _BY[language].format(model=entry.model))
    _html(div, "h3", _SOURCES[language])
    items = _html(div, "ul")
    for source in entry.sources:
        item = _html(items, "li")
        link = _html(item, "a" if source.url else "span", source.title)
        if source.url:
            link.set("href", _iri(source.url))
        link.tail = f" ({one_line(source.site)})" if source.site else ""


def _author(node: Element, model: str) -> None:
    author = SubElement(node, "author")
    _text(author, "name", one_line(f"{model} ({MACHINE})"))


def _text(node: Element, name: str, text: str, **attributes: str) -> Element:
    made = SubElement(node, name, attributes)
    # Of what is shown as something else some could not be in XML at all (XML 1.0, section 2.2).
    made.text = visible(text)
    return made


def _html(node: Element, name: str, text: str = "") -> Element:
    made = SubElement(node, name)
    made.text = one_line(text) or None
    return made


def _known(language: str) -> str:
    return language if language in _POINTS else "en"


def _iri(address: str) -> str:
    """An address in the letters that one may have (RFC 3987, as RFC 3986)."""
    return quote(address, safe=":/?#[]@!$&'()*+,;=%~", errors="replace")
