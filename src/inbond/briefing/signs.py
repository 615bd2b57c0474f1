"""What a page says by the place or the look of signs, said in plain letters. In place, before its text is
looked for.

A raised number is a power or the mark of a note; set plainly beside a number either makes another number of
it. So marks of notes go, and powers become ``10^6`` or raised letters (m²). Words that are struck out go with
their place: the text no longer says them. The items of a list in a table's cell stand in one line.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any, Final

_RAISED: Final = str.maketrans("0123456789+-\u2212\u2013", "⁰¹²³⁴⁵⁶⁷⁸⁹⁺⁻⁻⁻")
_NUMBER: Final = re.compile(r"[+\-\u2212\u2013]?\d{1,3}|\d{0,2}[+\-\u2212\u2013]")
_SIGNED: Final = re.compile(r"[+\-\u2212\u2013]")
_MARK: Final = re.compile(
    r"(?:[\[(（［【〔].{0,24}[\])）］】〕]|[*＊†‡§¶※#]{1,3}\d{0,3}|(?:注|註|脚注)\s?\d{0,3}"
    r"|\d{1,3}(?:\s?[,;–-]\s?\d{1,3})*|[,;]|[a-z])[)）.]?"
)
_BASE: Final = re.compile(r"(?<![\d.,])\d{1,2}\Z")
_UNIT: Final = re.compile(r"(?<![^\W\d_])(?:[^\W\d_\u3041-\u9fff]|[kcdmnµμ]m|ft|in|mi|yd|kg|Pa|Hz)\Z")
_EXPONENT: Final = re.compile(r"[2-9]|1\d")
_VARIABLE: Final = re.compile(r"(?<![^\W_])(?:\d{1,2}|[a-z])\Z")
_WORD: Final = re.compile(r"[^\W\d_]{3}\Z")
_BEFORE: Final = 24
_MOST_RAISED: Final = 40
_MOST_CELL: Final = 600
_INLINE: Final = "a abbr b big cite code del em font i ins kbd mark q s small span strong sub sup time u var"
_FLOWING: Final = frozenset(_INLINE.split())
_IN_CELL: Final = {"p": " ", "div": " ", "ul": "", "ol": "", "li": "; "}
_NOT_IN_CELL: Final = ("table", "pre", "blockquote", "h1", "h2", "h3", "h4", "h5", "h6")
"""What makes a cell a part of a page's layout."""
_STRUCK: Final = ("del", "s", "strike")


def spell_out(tree: Any) -> int:
    """Puts plain letters in the place of raised and lowered signs, of struck words and of lists in cells;
    returns how many passages were struck out."""
    struck = _take_out_struck(tree)
    for element, before in list(_raised(tree)):
        text = "".join(element.itertext()).strip()
        if len(text) > _MOST_RAISED:
            continue
        after = element.tail or ""
        spelled = _lowered(text, before) if element.tag == "sub" else _spelled(element, text, before, after)
        for child in list(element):
            element.remove(child)
        element.tag, element.text = "span", spelled
    for cell in [*tree.iter("td"), *tree.iter("th")]:
        _in_one_line(cell)
    return struck


def _raised(tree: Any) -> Iterator[tuple[Any, str]]:
    """Each raised or lowered element and the text before it in its paragraph. What is raised is no part of
    that, and of what is lowered only a number, which the next one would be joined to."""
    from lxml import etree

    before, within = "", None
    for event, element in etree.iterwalk(tree, events=("start", "end")):
        opens = event == "start"
        if within is None and opens:
            if element.tag in ("sup", "sub"):
                within = element
                yield element, before
            else:
                before = (before if element.tag in _FLOWING else "") + (element.text or "")
        elif not opens and within in (None, element):
            if within is not None and element.tag == "sub" and (element.text or "")[-1:].isdecimal():
                before += element.text
            within = None
            before = (before if element.tag in _FLOWING else "") + (element.tail or "")
        before = before[-_BEFORE:]


def _spelled(sup: Any, text: str, before: str, after: str) -> str:
    """What a raised text is in plain letters; "" for the mark of a note."""
    if _MARK.fullmatch(text) and (_is_link_to_note(sup) or _is_note(text, before, after)):
        return ""
    if not before[-1:].isalnum() and before[-1:] not in ")]":
        return text
    if not _NUMBER.fullmatch(text):
        is_power = len(text) == 1 and text.isalpha() and text not in "aeoªº" and _VARIABLE.search(before)
        return f"^{text}" if is_power else text
    if before[-1:].isdecimal():
        return f" {text}" if after.startswith(("/", "⁄")) else f"^{text}"
    return text.translate(_RAISED)


def _is_link_to_note(sup: Any) -> bool:
    links = [*sup.iter("a"), *(each for each in (sup.getparent(),) if each is not None and each.tag == "a")]
    return any("#" in (link.get("href") or "") for link in links)


def _is_note(text: str, before: str, after: str) -> bool:
    """Whether what looks like the mark of a note is one, and no power, fraction, ordinal or charge."""
    last = before[-1:]
    if not last or last.isspace() or after.startswith(("/", "⁄")):
        return not text[:1].isalnum()
    if text.isalpha():
        return _WORD.search(before) is not None
    if not text.isdecimal():
        return not _SIGNED.fullmatch(text)
    if last.isdecimal():
        return not (_BASE.search(before) and text.lstrip("01"))
    return not (last in ")]" or (_UNIT.search(before) and _EXPONENT.fullmatch(text)))


def _lowered(text: str, before: str) -> str:
    return f"_{text}" if before[-1:].isdecimal() and text[:1].isdecimal() else text


def _take_out_struck(tree: Any) -> int:
    """Takes out what is struck out; not where that is most of the page, which is a tag left open."""
    whole = len(tree.text_content())
    struck = [element for element in tree.iter(*_STRUCK) if not _within_struck(element)]
    gone = [each for each in struck if 0 < 2 * len(each.text_content()) < whole]
    for element in gone:
        for child in list(element):
            element.remove(child)
        element.tag, element.text = "span", None
    return len(gone)


def _within_struck(element: Any) -> bool:
    return any(ancestor.tag in _STRUCK for ancestor in element.iterancestors())


def _in_one_line(cell: Any) -> None:
    """Lists and paragraphs in a cell as text: a row is one block, and has no place for blocks of its own."""
    parts = [each for each in cell.iter(*_IN_CELL) if each is not cell]
    if not parts or len(cell.text_content()) > _MOST_CELL or next(cell.iter(*_NOT_IN_CELL), None) is not None:
        return
    begun = bool((cell.text or "").strip())
    for part in parts:
        between = _IN_CELL[part.tag] if begun else ""
        part.text = between + (part.text or "").lstrip()
        begun = begun or bool(part.text)
        part.tag = "span"
